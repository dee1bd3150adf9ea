"""Measures intake, decision and start-up against peers in the same run, and prints a table with ratios.

Loopback, 64 connections, distinct Alertmanager bodies, each with a checked bearer token (the bare server checks none).
Rounds of all contenders take turns, so that a change of the machine's speed meets all of them; medians are printed.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import socket
import sqlite3
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "end_to_end"))
import outage  # noqa: E402
import plan  # noqa: E402
import storm  # noqa: E402

TOKEN = "bench-source-token-0123456789"
OPERATOR = "bench-operator-token-0123456789"
SOURCES = 16
STORED = 1_000_000
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def call(method, url, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    data = json.dumps(body).encode() if body is not None else None
    with OPENER.open(urllib.request.Request(url, data, headers, method=method), timeout=60) as answer:
        return answer.read()


def wait_port(port, process, timeout_s=60):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError("%s ended with %d" % (process.args[0], process.returncode))
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise RuntimeError("nothing listens on %d" % port)


def memory_mib(pid, key):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return int(re.search(key + r":\s+(\d+) kB", file.read()).group(1)) / 1024


class Bench:
    def __init__(self, build, folder):
        self.build, self.folder = build, folder
        self.number = 0

    def load(self, port, path, seconds=None, count=None, first=None, distinct=0, header=None, as_list=False, sources=1):
        """One round of load. New alerts are numbered on from the last round's."""
        if first is None:
            first = self.number
        command = [os.path.join(self.build, "load"), "--port", str(port), "--path", path, "--sources", str(sources), "--first",
                   str(first), "--distinct", str(distinct)]
        command += ["--count", str(count)] if count else ["--seconds", str(seconds)]
        command += ["--header", header] if header else []
        command += ["--list"] if as_list else []
        result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        if not distinct:
            self.number = max(self.number, result["last"])
        if result["errors"] or result["4xx"] or result["5xx"]:
            print("  note: %s answered %s" % (path, {k: result[k] for k in ("2xx", "4xx", "5xx", "errors")}))
        return result


class Turnout:
    """The daemon under measurement, with 16 sources and, for the decision, one service; `sources`: others instead."""

    def __init__(self, binary, folder, provider_port=9, sources=None):
        self.binary, self.folder, self.provider_port = binary, folder, provider_port
        self.hooks, self.api = free_port(), free_port()
        self.process = None
        others = "".join("  %s: %s\n" % (name, json.dumps(source)) for name, source in (sources or {}).items())
        sources = others + "".join("  s%d: {kind: alertmanager, bearer: \"${env:AM_TOKEN}\"}\n" % i for i in range(SOURCES))
        with open(os.path.join(folder, "turnout.yaml"), "w", encoding="utf-8") as file:
            file.write("""server: {hooks: "127.0.0.1:%d", api: "127.0.0.1:%d", hooks_rate: 1000000, api_rate: 1000000}
operators: [{name: bench, role: operator, token: "${env:OP_TOKEN}"}]
sources:
%sproviders:
  linode: {kind: linode, token: "${env:AM_TOKEN}", url: "http://127.0.0.1:%d/v4"}
services:
  shop:
    sites: {gra: {address: 192.0.2.10}, rbx: {address: 198.51.100.20}}
    alerts: [{source: s0, match: {alertname: SiteDown, region: gra}, site: gra}]
    trigger: {mode: automatic, votes: 1, hold: 0s, cool_down: 0s}
    playbook: [{action: linode.dns_record, provider: linode, domain: example.com, record: app, type: A, target: "${to.address}"}]
""" % (self.hooks, self.api, sources, provider_port))

    def start(self):
        """Returns the seconds from the start of the process to ready."""
        environment = dict(os.environ, AM_TOKEN=TOKEN, OP_TOKEN=OPERATOR)
        began = time.monotonic()
        self.process = subprocess.Popen([self.binary, "serve", "-c", os.path.join(self.folder, "turnout.yaml")],
                                        env=environment, stderr=open(os.path.join(self.folder, "log"), "a"))
        while True:
            with contextlib.suppress(OSError, urllib.error.HTTPError):
                call("GET", "http://127.0.0.1:%d/readyz" % self.api)
                return time.monotonic() - began
            if self.process.poll() is not None:
                raise RuntimeError("the daemon ended; see " + self.folder)
            time.sleep(0.002)

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(60)
            self.process = None

    def metrics(self):
        text = call("GET", "http://127.0.0.1:%d/metrics" % self.api).decode()
        return {key: float(value) for key, value in re.findall(r"^(turnout_\S+) (\S+)$", text, re.M)}

    def post(self, path, body):
        return call("POST", "http://127.0.0.1:%d%s" % (self.api, path), body, OPERATOR)


def start_bare(build):
    process = subprocess.Popen([os.path.join(build, "bare")], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def start_webhook(folder):
    port = free_port()
    rule = {"match": {"type": "value", "value": "Bearer " + TOKEN, "parameter": {"source": "header", "name": "Authorization"}}}
    with open(os.path.join(folder, "hooks.json"), "w", encoding="utf-8") as file:
        json.dump([{"id": "x", "execute-command": "/bin/true", "trigger-rule": rule}], file)
    process = subprocess.Popen(["webhook", "-hooks", os.path.join(folder, "hooks.json"), "-ip", "127.0.0.1", "-port", str(port)],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_port(port, process)
    return process, port


def start_alertmanager(folder):
    port = free_port()
    path = os.path.join(folder, "alertmanager.yml")
    with open(path, "w", encoding="utf-8") as file:
        file.write("route: {receiver: none}\nreceivers: [{name: none}]\n")
    process = subprocess.Popen(["prometheus-alertmanager", "--config.file=" + path, "--storage.path=" + os.path.join(folder, "am"),
                                "--web.listen-address=127.0.0.1:%d" % port, "--cluster.listen-address="],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_port(port, process)
    return process, port


class Provider:
    """Stands for a provider's API: notes when a request's first byte arrives, and refuses it for good, or never answers."""

    def __init__(self, is_silent=False):
        self.is_silent = is_silent
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.arrivals = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            connection, _ = self.listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        body = b'{"errors":[{"reason":"Not found"}]}'
        answer = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)
        with connection:
            while True:
                data = connection.recv(65536)
                if not data:
                    return
                self.arrivals.append(time.monotonic())
                if not self.is_silent:
                    connection.sendall(answer)


def decision_ms(binary, folder, rounds):
    """From the first byte of the deciding delivery sent, to the first byte of the first request at the provider."""
    provider = Provider()
    turnout = Turnout(binary, folder, provider.port)
    turnout.start()
    figures = []
    try:
        turnout.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "bench"})
        for i in range(rounds):
            hour = "%02d:%02d" % (i // 60, i % 60)
            body = {"alerts": [{"status": "firing", "labels": {"alertname": "SiteDown", "region": "gra"},
                                "startsAt": "2026-11-21T%s:00Z" % hour, "endsAt": "0001-01-01T00:00:00Z"}], "version": "4"}
            provider.arrivals.clear()
            began = time.monotonic()
            call("POST", "http://127.0.0.1:%d/hooks/s0" % turnout.hooks, body, TOKEN)
            deadline = began + 10
            while not provider.arrivals and time.monotonic() < deadline:
                time.sleep(0.0002)
            figures.append((provider.arrivals[0] - began) * 1000)
            while True:
                run = json.loads(call("GET", "http://127.0.0.1:%d/api/v1/runs?limit=1" % turnout.api, None, OPERATOR))["items"][0]
                if run["state"] == "attention":
                    break
                time.sleep(0.005)
            body["alerts"][0].update(status="resolved", endsAt="2026-11-21T%s:30Z" % hour)
            call("POST", "http://127.0.0.1:%d/hooks/s0" % turnout.hooks, body, TOKEN)
            turnout.post("/api/v1/runs/%s/cancel" % run["id"], {"reason": "bench"})
    finally:
        turnout.stop()
    return figures


def measure_decision(args, folder):
    figures = decision_ms(args.binary, folder, 40)
    print("deciding delivery to first provider request: median %.2f ms, p90 %.2f ms, max %.2f ms (%d runs)" % (
        statistics.median(figures), sorted(figures)[int(len(figures) * 0.9)], max(figures), len(figures)))


def median_of(rounds, key):
    return statistics.median(round_[key] for round_ in rounds)


def print_row(name, rounds, bare_rate, extra=""):
    rate = median_of(rounds, "rate")
    print("%-42s %9.0f %8.2f %9.2f %9.2f   %s" % (name, rate, rate / bare_rate, median_of(rounds, "p50_ms"),
                                                  median_of(rounds, "p99_ms"), extra))


def measure(args, folder):
    bench = Bench(args.build, folder)
    bearer = "Authorization: Bearer " + TOKEN
    rounds = {name: [] for name in ("bare", "new", "repeat", "webhook", "alertmanager")}
    turnout = Turnout(args.binary, folder)
    turnout.start()
    peers = [start_bare(args.build), start_webhook(folder), start_alertmanager(folder)]
    commits = []

    def turnout_round(kind, into, **settings):
        before, began = turnout.metrics(), time.monotonic()
        into[kind].append(bench.load(turnout.hooks, "/hooks/s%d", header=bearer, sources=SOURCES, **settings))
        after = turnout.metrics()
        if kind == "new":
            commits.append((after["turnout_commits_total"] - before["turnout_commits_total"]) / (time.monotonic() - began))
            wal.append(after["turnout_wal_bytes"] / 1048576)

    wal = []
    try:
        for _ in range(args.rounds):
            rounds["bare"].append(bench.load(peers[0][1], "/hooks/x", seconds=args.seconds))
            first = bench.number
            turnout_round("new", rounds, seconds=args.seconds)
            turnout_round("repeat", rounds, seconds=args.seconds, first=first, distinct=10000)
            rounds["webhook"].append(bench.load(peers[1][1], "/hooks/x", seconds=args.seconds, header=bearer))
            rounds["alertmanager"].append(bench.load(peers[2][1], "/api/v2/alerts", seconds=args.seconds, as_list=True))
        empty_peak = memory_mib(turnout.process.pid, "VmHWM")
        bare = median_of(rounds["bare"], "rate")
        print("\n%-42s %9s %8s %9s %9s" % ("64 connections, %d-byte bodies" % rounds["bare"][0]["body"], "per s", "to bare",
                                          "p50 ms", "p99 ms"))
        print_row("bare libmicrohttpd, answers 202", rounds["bare"], bare)
        print_row("turnout, new, nearly empty database", rounds["new"], bare,
                  "%.0f commits/s, WAL %.1f MiB, peak %.0f MiB" % (statistics.median(commits), max(wal), empty_peak))
        print_row("turnout, repeats", rounds["repeat"], bare)
        print_row("Debian's webhook running /bin/true", rounds["webhook"], bare,
                  "turnout/webhook %.1f" % (median_of(rounds["new"], "rate") / median_of(rounds["webhook"], "rate")))
        print_row("Debian's Alertmanager, /api/v2/alerts", rounds["alertmanager"], bare)
        for process, _ in peers[1:]:
            process.kill()
            process.wait()
        if args.stored:
            measure_stored(args, bench, turnout, peers[0], turnout_round, commits, wal, bearer)
    finally:
        turnout.stop()
        for process, _ in peers:
            process.kill()
            process.wait()


def measure_stored(args, bench, turnout, bare, turnout_round, commits, wal, bearer):
    missing = args.stored - int(turnout.metrics()['turnout_deliveries_total{duplicate="no"}'])
    if missing > 0:
        filled = bench.load(turnout.hooks, "/hooks/s%d", count=missing, header=bearer, sources=SOURCES)
        print("filled up to %d deliveries at %.0f per s" % (args.stored, filled["rate"]))
    rounds = {"bare": [], "new": [], "repeat": []}
    commits.clear()
    wal.clear()
    for _ in range(args.rounds):
        rounds["bare"].append(bench.load(bare[1], "/hooks/x", seconds=args.seconds))
        first = bench.number
        turnout_round("new", rounds, seconds=args.seconds)
        turnout_round("repeat", rounds, seconds=args.seconds, first=first, distinct=10000)
    rate = median_of(rounds["bare"], "rate")
    print_row("bare, again", rounds["bare"], rate)
    print_row("turnout, new, %d stored" % args.stored, rounds["new"], rate,
              "%.0f commits/s, WAL %.1f MiB" % (statistics.median(commits), max(wal)))
    print_row("turnout, repeats, %d stored" % args.stored, rounds["repeat"], rate)
    print("memory after that: resident %.0f MiB, peak %.0f MiB; database %.0f MiB" % (
        memory_mib(turnout.process.pid, "VmRSS"), memory_mib(turnout.process.pid, "VmHWM"),
        os.path.getsize(os.path.join(turnout.folder, "turnout.db")) / 1048576))
    turnout.stop()
    starts = []
    for _ in range(5):
        starts.append(turnout.start())
        turnout.stop()
    measure_pruning(args, bench, turnout, bearer)
    print("start to ready with %d deliveries stored: median %.3f s, max %.3f s" % (args.stored, statistics.median(starts), max(starts)))


def write_requests(path, requests):
    with open(path, "wb") as file:
        for request in requests:
            file.write(struct.pack("<I", len(request)) + request)


def measure_kinds(args, folder):
    """New deliveries of each kind, in turns; a signed one costs its check of an RSA signature."""
    certificates = os.path.join(folder, "certificates")
    signer = storm.Signer(certificates)
    kinds = {"alertmanager": (storm.of_alertmanager, 20000), "grafana": (storm.of_grafana, 20000),
             "uptimerobot": (storm.of_uptimerobot, 20000), "pingdom": (storm.of_pingdom, 20000),
             "generic": (storm.of_generic, 20000), "sns": (lambda number: storm.of_sns(number, signer), 4000)}
    turnout = Turnout(args.binary, folder, sources=storm.sources(certificates))
    turnout.start()
    rates = {kind: [] for kind in kinds}
    try:
        for round_ in range(args.rounds):
            for kind, (make, count) in kinds.items():
                path = os.path.join(folder, "requests")
                write_requests(path, [make(round_ * count + number + 1) for number in range(count)])
                command = [os.path.join(args.build, "load"), "--port", str(turnout.hooks), "--requests", path]
                result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
                if result["2xx"] != count:
                    print("  note: %s answered %s" % (kind, {k: result[k] for k in ("2xx", "4xx", "5xx", "errors")}))
                rates[kind].append(result)
    finally:
        turnout.stop()
    peer = median_of(rates["alertmanager"], "rate")
    print("\n%-42s %9s %16s %9s %9s" % ("new deliveries by kind", "per s", "to alertmanager", "p50 ms", "p99 ms"))
    for kind, rounds in rates.items():
        rate = median_of(rounds, "rate")
        print("%-42s %9.0f %16.2f %9.2f %9.2f" % (kind, rate, rate / peer, median_of(rounds, "p50_ms"), median_of(rounds, "p99_ms")))


def measure_storm(args, folder):
    """200 connections, a third of them hostile: how long an operator waits for an answer meanwhile."""
    certificates = os.path.join(folder, "certificates")
    turnout = Turnout(args.binary, folder, sources=storm.sources(certificates))
    deliveries = storm.make_deliveries(3000, certificates)
    turnout.start()
    try:
        before = memory_mib(turnout.process.pid, "VmRSS")
        operator = storm.Operator(turnout.api, OPERATOR)
        operator.start()
        began = time.monotonic()
        result = storm.run(turnout.hooks, deliveries, 30000)
        took = time.monotonic() - began
        operator.stop()
        print("\nstorm: %d deliveries of four kinds over 134 connections in %.1f s (by a sender in Python), %d accepted, %d known, %d told "
              "to come later; %d requests of 66 hostile connections" % (
                  len(result.accepted) + len(result.known), took, len(result.accepted), len(result.known), result.later, result.hostile))
        print("operator in the middle of it: %d requests, p50 %.1f ms, p99 %.1f ms, max %.1f ms, failed %d; peak memory %.0f MiB (%.0f before)" % (
            len(operator.took_ms), operator.percentile(0.5), operator.percentile(0.99), max(operator.took_ms), len(operator.failed),
            memory_mib(turnout.process.pid, "VmHWM"), before))
        if result.wrong or result.hostile_accepted:
            print("  note: wrong answers %s, hostile ones accepted %s" % (result.wrong[:3], result.hostile_accepted[:3]))
    finally:
        turnout.stop()


def measure_pruning(args, bench, turnout, bearer):
    """New deliveries while everything stored so far is too old, and goes; and then without that, in the same file."""
    with contextlib.closing(sqlite3.connect(os.path.join(turnout.folder, "turnout.db"))) as connection, connection:
        connection.execute("UPDATE alert SET state = 'resolved', last_seen_at = last_seen_at - 5184000000")
        connection.execute("UPDATE delivery SET received_at = received_at - 5184000000")
        connection.execute("UPDATE source SET open_alerts = 0")
        stored = connection.execute("SELECT count(*) FROM alert").fetchone()[0]
    turnout.start()
    began = time.monotonic()
    rounds, gone, took = [], 0, 0
    while gone < stored and time.monotonic() < began + 600:
        rounds.append(bench.load(turnout.hooks, "/hooks/s%d", seconds=args.seconds, header=bearer, sources=SOURCES))
        gone = turnout.metrics()['turnout_pruned_total{table="alert"}']
        took = time.monotonic() - began
    print("turnout, new, while %d of %d alerts went in %.0f s" % (gone, stored, took))
    print_row("  that is", rounds, median_of(rounds, "rate"))
    while turnout.metrics()['turnout_pruned_total{table="delivery"}'] < stored and time.monotonic() < began + 1200:
        time.sleep(1)
    print("deliveries have gone after %.0f s without load" % (time.monotonic() - began - took))
    rounds = [bench.load(turnout.hooks, "/hooks/s%d", seconds=args.seconds, header=bearer, sources=SOURCES)
              for _ in range(args.rounds)]
    print_row("  without pruning", rounds, median_of(rounds, "rate"))
    turnout.stop()


def measure_outage(args, folder):
    outage.measure(Turnout, call, args, folder, (TOKEN, OPERATOR))


def measure_engine(args, folder):
    del folder
    output = subprocess.run([os.path.join(args.build, "engine")], capture_output=True, text=True, check=True).stdout
    print("\n".join(line for line in output.splitlines() if line.startswith("engine")))


def measure_plan(args, folder):
    plan.measure(Turnout, call, args, folder, (TOKEN, OPERATOR))


def measure_resume(args, folder):
    """The daemon is killed while a provider owes it an answer: from the start of the next to its first request."""
    provider = Provider(is_silent=True)
    turnout = Turnout(args.binary, folder, provider.port)
    turnout.start()
    figures = []
    try:
        turnout.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "bench"})
        turnout.post("/api/v1/services/shop/failover", {"to": "rbx", "reason": "bench"})
        for _ in range(15):
            deadline = time.monotonic() + 10
            while not provider.arrivals and time.monotonic() < deadline:
                time.sleep(0.001)
            turnout.process.kill()
            turnout.process.wait()
            provider.arrivals.clear()
            began = time.monotonic()
            turnout.start()
            while not provider.arrivals and time.monotonic() < began + 10:
                time.sleep(0.001)
            figures.append((provider.arrivals[0] - began) * 1000)
    finally:
        turnout.stop()
    print("resume: from the start of a daemon with an unfinished run to its first request: median %.0f ms, max %.0f ms (%d starts)" % (
        statistics.median(figures), max(figures), len(figures)))


def measure_decide(args, folder):
    del folder
    print(subprocess.run([os.path.join(args.build, "decide")], capture_output=True, text=True, check=True).stdout, end="")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--build", required=True, help="folder of the programs `load` and `bare`")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--stored", type=int, default=STORED, help="deliveries for the second part; 0 leaves it out")
    parser.add_argument("--part", choices=["all", "decide", "decision", "kinds", "storm", "outage", "engine", "plan",
                                               "resume", "intake"], default="all")
    parser.add_argument("--folder", default=None, help="where the databases go (default: a temporary folder)")
    args = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="turnout-bench-", dir=args.folder)
    try:
        parts = {"decide": measure_decide, "decision": measure_decision, "kinds": measure_kinds, "storm": measure_storm,
                 "outage": measure_outage, "engine": measure_engine, "plan": measure_plan, "resume": measure_resume,
                 "intake": measure}
        for name, part in parts.items():
            if args.part in (name, "all"):
                os.mkdir(os.path.join(folder, name))
                part(args, os.path.join(folder, name))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

"""A site goes dark under 500 services: 100,000 alerts of two monitors, and every service has to move, once, in order.

Providers are stood in for by the sandbox, which is a program in Python: the pace of the runs is its pace. Its rate limit is off:
Linode's own, 800 requests in two minutes, would be what is measured."""

import http.client
import json
import os
import queue
import sys
import threading
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sandbox"))
import yaml  # noqa: E402
from client import LINODE_TOKEN, Sandbox  # noqa: E402
import storm  # noqa: E402

SERVICES = 500
ALERTS = 100_000
PER_DELIVERY = 100
MAX_PARALLEL = 10
SENDERS = 8
MONITORS = ("m0", "m1")


def seed():
    records = [{"type": "A", "name": "s%03d" % n, "target": "192.0.2.10", "ttl_sec": 30} for n in range(SERVICES)]
    return {"linode": {"domains": [{"id": 123, "domain": "example.com", "records": records}]}}


def service(number):
    """Priorities fall as names rise: what goes first is not what was read first."""
    name = "s%03d" % number
    return {
        "sites": {"gra": {"address": "192.0.2.10"}, "rbx": {"address": "198.51.100.20"}},
        "priority": SERVICES - number,
        "alerts": [{"source": monitor, "match": {"alertname": "SiteDown", "service": name, "region": site}, "site": site}
                   for monitor in MONITORS for site in ("gra", "rbx")],
        "trigger": {"mode": "automatic", "votes": 2, "hold": "20s", "cool_down": "1h"},
        "playbook": [{"action": "linode.dns_record", "provider": "linode", "domain": "example.com", "record": name, "type": "A",
                      "target": "${to.address}", "ttl": 30}],
    }


def configuration(hooks, api, url):
    return {
        "server": {"hooks": "127.0.0.1:%d" % hooks, "api": "127.0.0.1:%d" % api, "hooks_rate": 1000000, "api_rate": 1000000},
        "operators": [{"name": "bench", "role": "operator", "token": "${env:OP_TOKEN}"}],
        "sources": {monitor: {"kind": "alertmanager", "bearer": "${env:AM_TOKEN}"} for monitor in MONITORS},
        "providers": {"linode": {"kind": "linode", "token": "${env:LINODE_TOKEN}", "url": url, "max_parallel": MAX_PARALLEL}},
        "services": {"s%03d" % number: service(number) for number in range(SERVICES)},
    }


def bodies():
    """Each with alerts of many services, as a monitor's groups by region come; each alert twice over all: once by each monitor."""
    per_service = ALERTS // len(MONITORS) // SERVICES
    alerts = [{"status": "firing", "startsAt": "2026-11-21T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z",
               "labels": {"alertname": "SiteDown", "service": "s%03d" % number, "region": "gra", "instance": str(instance)}}
              for instance in range(per_service) for number in range(SERVICES)]
    for monitor in MONITORS:
        for first in range(0, len(alerts), PER_DELIVERY):
            yield monitor, json.dumps({"version": "4", "alerts": alerts[first:first + PER_DELIVERY]}).encode()


def send_all(port, token):
    """Returns how many were not answered 202."""
    todo = queue.SimpleQueue()
    for item in bodies():
        todo.put(item)
    wrong = []

    def sender():
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                monitor, body = todo.get_nowait()
            except queue.Empty:
                return
            connection.request("POST", "/hooks/" + monitor, body, {"Content-Type": "application/json",
                                                                  "Authorization": "Bearer " + token})
            answer = connection.getresponse()
            answer.read()
            if answer.status != 202:
                wrong.append(answer.status)

    threads = [threading.Thread(target=sender) for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def all_runs(get):
    runs, after = [], ""
    while True:
        page = get("/api/v1/runs?limit=500" + after)
        runs += page["items"]
        if not page.get("next"):
            return runs
        after = "&after=" + page["next"]


def peak(runs):
    """How many were under way at once."""
    ends = [(run["started_at"], 1) for run in runs] + [(run["finished_at"], -1) for run in runs]
    now = most = 0
    for _, step in sorted(ends):
        now += step
        most = max(most, now)
    return most


def inversions(runs):
    """Of neighbours in the order of their start, how many stand against the priorities: their holds ended at other times."""
    order = [int(run["service"][1:]) for run in sorted(runs, key=lambda run: run["id"])]
    return sum(order[i] < order[i + 1] for i in range(len(order) - 1))


def measure(turnout_class, call, args, folder, tokens):
    source_token, operator_token = tokens
    with Sandbox(seed=seed(), dns=False, linode_rate_limit=0) as sandbox:
        turnout = turnout_class(args.binary, folder)
        with open(os.path.join(folder, "turnout.yaml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(configuration(turnout.hooks, turnout.api, sandbox.linode_url), file)
        os.environ["LINODE_TOKEN"] = LINODE_TOKEN
        turnout.start()

        def get(path):
            return json.loads(call("GET", "http://127.0.0.1:%d%s" % (turnout.api, path), None, operator_token))

        try:
            while {service["active"] for service in get("/api/v1/services")["items"]} != {"gra"}:
                time.sleep(0.5)  # it observes for itself where they are
            operator = storm.Operator(turnout.api, operator_token)
            operator.start()
            began = time.monotonic()
            wrong = send_all(turnout.hooks, source_token)
            sent = time.monotonic() - began
            runs = []
            while time.monotonic() < began + 900:
                runs = all_runs(get)
                if len(runs) >= SERVICES and all(run["state"] == "succeeded" for run in runs):
                    break
                time.sleep(0.5)
            took = time.monotonic() - began
            operator.stop()
            services = {run["service"] for run in runs}
            print("\noutage: %d alerts about %d services in %.1f s; %d runs of %d services, %d succeeded, %.1f s after the first alert "
                  "(hold 20 s); %d under way at once (bound %d); %d of %d neighbours out of order; answers not 202: %s" % (
                      ALERTS, SERVICES, sent, len(runs), len(services), sum(run["state"] == "succeeded" for run in runs), took,
                      peak([run for run in runs if run["finished_at"]]), MAX_PARALLEL, inversions(runs), len(runs) - 1, wrong[:3]))
            print("operator in the middle of it: %d requests, p50 %.1f ms, p99 %.1f ms, max %.1f ms, failed %d" % (
                len(operator.took_ms), operator.percentile(0.5), operator.percentile(0.99), max(operator.took_ms),
                len(operator.failed)))
        finally:
            turnout.stop()

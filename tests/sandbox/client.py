"""Starts a provider sandbox and talks to its control API; from Python, or as a command from a shell script.

    with Sandbox(sites={"gra": "127.0.0.2:0"}, ovh_refresh_ms=200) as sandbox:
        sandbox.fault("linode", "status", method="PUT", status=429, headers={"Retry-After": "1"})

    sandbox.py --state-file F &    client.py F wait    client.py F fault '{"provider": "ovh", "kind": "reset_after"}'

Only the standard library, so that it can be imported anywhere. It must not know what the providers do.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "sandbox.py")
PYTHON = "/usr/bin/python3"
LINODE_TOKEN = "sandbox-linode-token"
OVH_KEYS = {"application_key": "sandbox-ak", "application_secret": "sandbox-as", "consumer_key": "sandbox-ck"}
AWS_KEYS = {"access_key_id": "AKIASANDBOX0000000000", "secret_access_key": "sandbox-aws-secret"}


class SandboxError(Exception):
    pass


class Control:
    """The control API of a running sandbox."""

    def __init__(self, state):
        self.url, self.dns, self.pid, self.sites = state["url"], state["dns"], state["pid"], state["sites"]

    @classmethod
    def attach(cls, state_file, timeout_s=10):
        """Waits for the state file of a sandbox started elsewhere."""
        return cls(wait_for_state(state_file, timeout_s, lambda: None))

    @property
    def linode_url(self):
        return self.url + "/linode/v4"

    @property
    def ovh_url(self):
        return self.url + "/ovh/1.0"

    @property
    def aws_url(self):
        return self.url + "/aws"

    @property
    def dns_port(self):
        return int(self.dns.rpartition(":")[2])

    def call(self, method, path, value=None):
        data = None if value is None else json.dumps(value).encode()
        request = urllib.request.Request(self.url + "/_sandbox/" + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            raise SandboxError("%s %s: %s" % (method, path, error.read().decode())) from None

    def state(self):
        """{"zones": [...], "counters", "options", "sites", "faults", "dns"}"""
        return self.call("GET", "state")

    def zone(self, provider, name):
        """One zone of the state: {"id", "serial", "accepted": rows, "served": rows or None}"""
        return next(zone for zone in self.state()["zones"] if zone["provider"] == provider and zone["zone"] == name)

    def values(self, provider, zone, name, kind="A", which="served"):
        """The sorted values of a full name, as served or as accepted."""
        return sorted(row["value"] for row in self.zone(provider, zone)[which] or [] if row["name"] == name and row["type"] == kind)

    def requests(self, provider=None, method=None, after=0):
        """Every request received, oldest first."""
        log = self.call("GET", "requests?after=%d" % after + ("&provider=" + provider if provider else ""))
        return [entry for entry in log if method in (None, entry["method"])]

    def clear_requests(self):
        self.call("DELETE", "requests")

    def fault(self, provider, kind, **settings):
        """Adds a fault; it hits once unless times= says otherwise. Answers its id."""
        return self.call("POST", "faults", [dict(settings, provider=provider, kind=kind)])["ids"][0]

    def faults(self):
        """The faults with "left" and "hits"."""
        return self.call("GET", "faults")

    def clear_faults(self):
        self.call("DELETE", "faults")

    def options(self, **changes):
        """Changes settings such as ovh_refresh_ms; answers all of them."""
        return self.call("POST", "options", changes) if changes else self.call("GET", "options")

    def site(self, name, mode=None, **settings):
        """ok, 503, close, hang, slow (ms=) or down."""
        if mode is not None:
            settings["mode"] = mode
        return self.call("POST", "sites/" + name, settings)

    def site_counts(self):
        return self.call("GET", "sites")

    def hang_dns(self, is_hanging=True):
        self.call("POST", "dns", {"mode": "hang" if is_hanging else "ok"})

    def reset(self):
        """Everything as at the start: zones, options, sites, no faults, an empty log. SOA serials go on growing."""
        self.call("POST", "reset")

    def dig(self, name, kind="A"):
        """What the name server answers now, as dig +short prints it, sorted."""
        command = ["dig", "+short", "+tries=1", "+time=2", "-p", str(self.dns_port), "@127.0.0.1", name, kind]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode != 0:
            raise SandboxError("dig %s: %s" % (name, result.stdout.strip() or result.stderr.strip()))
        return sorted(result.stdout.split("\n")[:-1])

    def wait_for(self, condition, timeout_s=5, what="the condition"):
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise SandboxError("timed out waiting for " + what)
            time.sleep(0.02)

    def wait_served(self, name, values, kind="A", timeout_s=5):
        """Until DNS answers just these values."""
        wanted = sorted([values] if isinstance(values, str) else values)
        self.wait_for(lambda: self.dig(name, kind) == wanted, timeout_s, "%s %s to be %s" % (name, kind, wanted))


class Sandbox(Control):
    """A sandbox of one's own, started by start() or by `with`, stopped by stop()."""

    def __init__(self, sites=None, dns=True, seed=None, port=0, dns_port=0, **options):
        """`sites` maps names to ADDRESS:PORT; `seed` is a dict like --print-seed; `options` are the settings of sandbox.py --help."""
        self._sites, self._dns, self._seed, self._ports, self._options = sites or {}, dns, seed, (port, dns_port), options
        self._child = None
        self._folder = None

    def start(self):
        self._folder = tempfile.TemporaryDirectory(prefix="turnout-sandbox-client-")
        state_file = os.path.join(self._folder.name, "state.json")
        with open(os.path.join(self._folder.name, "output"), "wb") as output:
            self._child = subprocess.Popen(self._command(state_file), stdin=subprocess.DEVNULL, stdout=output, stderr=output)
        try:
            super().__init__(wait_for_state(state_file, 20, self._complain_if_dead))
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self):
        if self._child is not None:
            self._child.terminate()
            try:
                self._child.wait(5)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._child = None
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def output(self):
        """What it has printed, for the message of a failed test."""
        with open(os.path.join(self._folder.name, "output"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def _command(self, state_file):
        command = [PYTHON, PROGRAM, "--state-file", state_file, "--port", str(self._ports[0]), "--dns-port", str(self._ports[1])]
        if not self._dns:
            command.append("--no-dns")
        if self._seed is not None:
            path = os.path.join(self._folder.name, "seed.json")
            with open(path, "w", encoding="utf-8") as file:
                json.dump(self._seed, file)
            command += ["--seed", path]
        for name, endpoint in self._sites.items():
            command += ["--site", "%s=%s" % (name, endpoint)]
        for name, value in self._options.items():
            flag = "--" + name.replace("_", "-")
            command += [flag] if value is True else [] if value is False else ["%s=%s" % (flag, value)]
        return command

    def _complain_if_dead(self):
        if self._child.poll() is not None:
            raise SandboxError("the sandbox ended at its start: " + self.output().strip())


def wait_for_state(path, timeout_s, check):
    deadline = time.monotonic() + timeout_s
    while True:
        with contextlib.suppress(FileNotFoundError):
            with open(path, encoding="utf-8") as file:
                return json.load(file)
        check()
        if time.monotonic() > deadline:
            raise SandboxError("no sandbox has written %s in %d s" % (path, timeout_s))
        time.sleep(0.02)


USAGE = """usage: client.py STATE_FILE COMMAND
  wait                     until it is ready; prints the state file
  get NAME                 the value of a key of the state file: url, dns, pid
  state | requests         as JSON
  faults                   the faults with their hits
  fault JSON               adds a fault, or a list of them
  clear-faults | clear-requests | reset
  options [JSON]           shows or changes the options
  site NAME MODE           ok, 503, close, hang, slow, down
  stop                     asks it to end and waits for it
"""


def main(arguments):
    if len(arguments) < 2:
        sys.stderr.write(USAGE)
        return 2
    control, command, rest = Control.attach(arguments[0]), arguments[1], arguments[2:]
    simple = {"state": ("GET", "state"), "requests": ("GET", "requests"), "faults": ("GET", "faults"), "reset": ("POST", "reset"),
              "clear-faults": ("DELETE", "faults"), "clear-requests": ("DELETE", "requests")}
    if command == "wait":
        result = {"url": control.url, "dns": control.dns, "pid": control.pid, "sites": control.sites}
    elif command == "get" and rest in (["url"], ["dns"], ["pid"]):
        print(getattr(control, rest[0]))
        return 0
    elif command in simple and not rest:
        result = control.call(*simple[command])
    elif command == "fault" and len(rest) == 1:
        value = json.loads(rest[0])
        result = control.call("POST", "faults", value if isinstance(value, list) else [value])
    elif command == "options":
        result = control.options(**json.loads(rest[0])) if rest else control.options()
    elif command == "site" and len(rest) == 2:
        result = control.site(rest[0], rest[1])
    elif command == "stop":
        return stop(control)
    else:
        sys.stderr.write(USAGE)
        return 2
    print(json.dumps(result, indent=1))
    return 0


def stop(control):
    with contextlib.suppress(ProcessLookupError):
        os.kill(control.pid, signal.SIGTERM)
    for _ in range(250):
        if not is_running(control.pid):
            return 0
        time.sleep(0.02)
    return 1


def is_running(pid):
    """Also false for one that has ended and is not yet waited for."""
    try:
        with open("/proc/%d/stat" % pid, encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (SandboxError, ValueError) as problem:
        sys.exit("client.py: %s" % problem)

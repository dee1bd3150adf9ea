"""Starts the real daemon with a configuration given in the test, and talks to it as its users do.

Nothing here waits for a fixed time: everything polls for what it waits for, with a limit. It must not know what a
particular test is about.
"""

import datetime
import json
import os
import re
import signal
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BINARY = os.environ.get("TURNOUT_BINARY", os.path.join(ROOT, "build", "dev", "turnout"))
OPERATOR_TOKEN = "operator-token-for-tests"
VIEWER_TOKEN = "viewer-token-for-tests-1"
SOURCE_TOKEN = "source-token-for-tests-1"
SECRETS = {
    "TURNOUT_TOKEN": OPERATOR_TOKEN,
    "VIEWER_TOKEN": VIEWER_TOKEN,
    "AM_TOKEN": SOURCE_TOKEN,
    "AM2_TOKEN": SOURCE_TOKEN + "-second",
    "AM_PASSWORD": "basic-password-for-tests",
    "LINODE_TOKEN": "sandbox-linode-token",
    "OVH_AK": "sandbox-ak",
    "OVH_AS": "sandbox-as",
    "OVH_CK": "sandbox-ck",
    "AWS_ACCESS_KEY_ID": "AKIASANDBOX0000000000",
    "AWS_SECRET_ACCESS_KEY": "sandbox-aws-secret",
}
GRA, RBX = "192.0.2.10", "198.51.100.20"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def wait_for(condition, timeout_s=15, what="the condition"):
    """Polls until `condition` gives something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("timed out waiting for " + what)
        time.sleep(0.03)


def configuration(sandbox=None, **changes):
    """A service `shop` with its name at three providers. `changes` replace keys of the service's trigger, or (votes of) the
    service itself: mode, votes, hold, cool_down, playbook, alerts."""
    url = sandbox.url if sandbox else "http://127.0.0.1:9"
    dns = sandbox.dns if sandbox else "127.0.0.1:9"
    dns_steps = [
        {"name": "Linode DNS", "action": "linode.dns_record", "provider": "linode", "domain": "example.com", "record": "app",
         "type": "A", "target": "${to.address}", "ttl": 30},
        {"name": "OVH DNS", "action": "ovh.dns_record", "provider": "ovh", "zone": "example.net", "record": "app", "type": "A",
         "target": "${to.address}", "ttl": 60, "nameservers": [dns]},
        {"name": "Route 53", "action": "route53.record", "provider": "aws", "hosted_zone": "Z1PA6795UKMFR9",
         "record": "app.example.org", "type": "A", "target": "${to.address}", "ttl": 60},
        {"name": "names answer", "action": "dns.check", "record": "app.example.org", "type": "A", "target": "${to.address}",
         "servers": [dns]},
    ]
    trigger = {"mode": "automatic", "votes": 1, "hold": "200ms", "cool_down": "1h"}
    trigger.update({key: value for key, value in changes.items() if key in trigger})
    return {
        "server": {"hooks": "127.0.0.1:0", "api": "127.0.0.1:0"},
        "database": "turnout.db",
        "operators": [{"name": "oncall", "role": "operator", "token": "${env:TURNOUT_TOKEN}"},
                      {"name": "board", "role": "viewer", "token": "${env:VIEWER_TOKEN}"}],
        "sources": {"prometheus": {"kind": "alertmanager", "bearer": "${env:AM_TOKEN}",
                                   "basic": {"user": "am", "password": "${env:AM_PASSWORD}"}},
                    "second": {"kind": "alertmanager", "bearer": "${env:AM2_TOKEN}"}},
        "providers": {
            "linode": {"kind": "linode", "token": "${env:LINODE_TOKEN}", "url": url + "/linode/v4", "rate": 2000},
            "ovh": {"kind": "ovh", "endpoint": "ovh-eu", "rate": 2000, "url": url + "/ovh/1.0", "application_key": "${env:OVH_AK}",
                    "application_secret": "${env:OVH_AS}", "consumer_key": "${env:OVH_CK}"},
            "aws": {"kind": "aws", "rate": 2000, "url": url + "/aws", "access_key_id": "${env:AWS_ACCESS_KEY_ID}",
                    "secret_access_key": "${env:AWS_SECRET_ACCESS_KEY}"},
        },
        "services": {
            "shop": {
                "sites": {"gra": {"address": GRA}, "rbx": {"address": RBX}},
                "prefer": ["gra", "rbx"],
                "alerts": changes.get("alerts", [
                    {"source": source, "match": {"alertname": "SiteDown", "service": "shop", "region": site}, "site": site}
                    for source in ("prometheus", "second") for site in ("gra", "rbx")]),
                "trigger": trigger,
                "failback": {"mode": "manual"},
                "readiness": {"every": changes.get("ready", "never")},  # else its looks would meet faults that are meant for a run
                "playbook": changes.get("playbook", dns_steps[:3]),
            }
        },
    }


def seconds(text):
    """A time of the API as seconds since 1970. Those that rest on the steady clock are good to some milliseconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


def request(method, url, body=None, token=None, headers=None, timeout=20):
    data = json.dumps(body).encode() if isinstance(body, (dict, list)) else body
    headers = dict(headers or {})
    if data is not None:
        headers.setdefault("Content-Type", "application/json")
    if token:
        headers["Authorization"] = "Bearer " + token
    call = urllib.request.Request(url, data, headers, method=method)
    try:
        with OPENER.open(call, timeout=timeout) as response:
            return Answer(response.status, response.headers, response.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.headers, error.read())


class Daemon:
    """The daemon, in a folder of its own that outlives a crash."""

    def __init__(self, folder, config):
        self.folder = str(folder)
        self.path = os.path.join(self.folder, "turnout.yaml")
        self.process = None
        self.log = []
        self.configure(config)

    def configure(self, config):
        with open(self.path, "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file, sort_keys=False)

    @property
    def database(self):
        return os.path.join(self.folder, "turnout.db")

    def spawn(self, **settings):
        self.log = []
        environment = dict(os.environ, **SECRETS, **settings.pop("environment", {}))
        self.process = subprocess.Popen([BINARY, "serve", "-c", self.path], env=environment, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, text=True, errors="replace", **settings)
        threading.Thread(target=self._read_log, args=(self.process,), daemon=True).start()

    def _read_log(self, process):
        for line in process.stderr:
            self.log.append(line)

    def start(self, **settings):
        self.spawn(**settings)
        return self.attach()

    def attach(self):
        """Waits until a daemon that was spawned listens."""
        def ports():
            if self.process.poll() is not None:
                time.sleep(0.1)
                raise AssertionError("the daemon ended:\n" + "".join(self.log))
            return re.search(r"hooks on \S+ \(port (\d+)\), api and page on \S+ \(port (\d+)\)", "".join(self.log))
        found = wait_for(ports, 20, "the daemon's ports")
        self.hooks = "http://127.0.0.1:" + found.group(1)
        self.api = "http://127.0.0.1:" + found.group(2)
        return self

    def stop(self):
        """Stops it in an orderly way; a sanitizer's report or a bad exit fails the test."""
        if self.process is None:
            return
        process, self.process = self.process, None
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        code = process.wait(30)
        assert code == 0, "the daemon ended with %d:\n%s" % (code, "".join(self.log[-60:]))

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def is_ready(self):
        return request("GET", self.api + "/readyz").status == 200

    # -- as its users ------------------------------------------------------------------------------------------------

    def get(self, path, token=OPERATOR_TOKEN):
        return request("GET", self.api + path, token=token)

    def post(self, path, body=None, token=OPERATOR_TOKEN, headers=None):
        return request("POST", self.api + path, body if body is not None else {}, token, headers)

    def deliver(self, body, source="prometheus", token=SOURCE_TOKEN, headers=None):
        return request("POST", self.hooks + "/hooks/" + source, body, token, headers)

    def service(self, name="shop"):
        return self.get("/api/v1/services/" + name).json

    def run(self, uuid):
        return self.get("/api/v1/runs/" + uuid).json

    def runs(self):
        return self.get("/api/v1/runs").json["items"]

    def audit(self, **filters):
        """All entries, oldest first."""
        items, after = [], None
        while True:
            query = "&".join("%s=%s" % pair for pair in dict(filters, limit=200, **({"after": after} if after else {})).items())
            page = self.get("/api/v1/audit?" + query).json
            items += page["items"]
            after = page.get("next")
            if not after:
                return [item["entry"] for item in reversed(items)]

    def wait_active(self, site, timeout_s=20):
        return wait_for(lambda: self.service()["active"] == site, timeout_s, "shop to be active at " + site)

    def wait_run(self, state="succeeded", timeout_s=30):
        def found():
            runs = self.runs()
            return runs[0] if runs and runs[0]["state"] == state else None
        return wait_for(found, timeout_s, "the newest run to be " + state)

    def wait_question(self, service="shop"):
        """The id of the run that waits for a person's yes or no."""
        return wait_for(lambda: self.service(service)["waiting"], 20, "a run of %s that asks" % service)["run"]

    def move(self, direction="failover", **body):
        return self.post("/api/v1/services/shop/" + direction, dict({"reason": "a test"}, **body))

    def command(self, *words, token=OPERATOR_TOKEN):
        """Runs a subcommand of the binary against this daemon."""
        environment = dict(os.environ, TURNOUT_URL=self.api, TURNOUT_TOKEN=token)
        return subprocess.run([BINARY, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)

    def sql(self, statement):
        """Reads the database file as it is, also while the daemon runs."""
        with sqlite3.connect("file:%s?mode=ro" % self.database, uri=True) as connection:
            return connection.execute(statement).fetchall()


def alert(site="gra", status="firing", starts="2026-11-21T10:00:00Z", ends="0001-01-01T00:00:00Z", name="SiteDown", **labels):
    labels = dict({"alertname": name, "service": "shop", "region": site}, **labels)
    return {"status": status, "labels": labels, "annotations": {}, "startsAt": starts, "endsAt": ends, "generatorURL": ""}


def delivery(*alerts, **changes):
    body = {"receiver": "turnout", "status": "firing", "alerts": list(alerts), "groupLabels": {}, "commonLabels": {},
            "commonAnnotations": {}, "externalURL": "http://am:9093", "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0}
    body.update(changes)
    return body

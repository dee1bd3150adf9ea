"""Debian's Alertmanager, alone or as a high-availability pair, pointed at a daemon.

Alerts are put in through its own API, as Prometheus does; what comes out is its real webhook.
"""

import datetime
import os
import socket
import subprocess

import yaml

from daemon import SOURCE_TOKEN, request, wait_for


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def receiver(url, basic=False):
    """The receiver of the README."""
    credential = ({"basic_auth": {"username": "am", "password": "basic-password-for-tests"}} if basic
                  else {"authorization": {"credentials": SOURCE_TOKEN}})
    return {"name": "turnout", "webhook_configs": [{"url": url, "send_resolved": True, "http_config": credential}]}


class Alertmanager:
    def __init__(self, folder, url, basic=False, cluster_port=None, peer=None, group_interval="1s", repeat_interval="5m"):
        self.folder = str(folder)
        os.makedirs(self.folder, exist_ok=True)
        self.port = free_port()
        self.cluster_port, self.peer = cluster_port, peer
        self.process = None
        config = {
            "route": {"receiver": "turnout", "group_by": ["alertname"], "group_wait": "0s", "group_interval": group_interval,
                      "repeat_interval": repeat_interval},
            "receivers": [receiver(url, basic)],
        }
        with open(os.path.join(self.folder, "alertmanager.yml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(config, file)

    def start(self):
        command = ["prometheus-alertmanager", "--config.file=" + os.path.join(self.folder, "alertmanager.yml"),
                   "--storage.path=" + os.path.join(self.folder, "data"), "--web.listen-address=127.0.0.1:%d" % self.port,
                   "--cluster.listen-address=" + ("127.0.0.1:%d" % self.cluster_port if self.cluster_port else "")]
        if self.cluster_port:
            command += ["--cluster.advertise-address=127.0.0.1:%d" % self.cluster_port, "--cluster.peer-timeout=1s",
                        "--cluster.settle-timeout=2s"]
        if self.peer:
            command.append("--cluster.peer=127.0.0.1:%d" % self.peer)
        with open(os.path.join(self.folder, "log"), "wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._is_ready, 20, "Alertmanager")
        return self

    def _is_ready(self):
        try:
            return request("GET", "http://127.0.0.1:%d/-/ready" % self.port).status == 200
        except OSError:
            return False

    def stop(self):
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def post(self, site="gra", resolved=False, name="SiteDown", starts=None, **labels):
        """Tells it of an alert that fires now, or has just resolved."""
        now = datetime.datetime.now(datetime.timezone.utc)
        alert = {"labels": dict({"alertname": name, "service": "shop", "region": site}, **labels),
                 "annotations": {"summary": "a <b> & \"q\" ünï"}, "generatorURL": "http://prometheus/graph"}
        if starts:
            alert["startsAt"] = starts
        if resolved:
            alert["endsAt"] = now.isoformat()
        answer = request("POST", "http://127.0.0.1:%d/api/v2/alerts" % self.port, [alert])
        assert answer.status == 200, answer.body

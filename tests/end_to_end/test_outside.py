"""What does not come from monitors: our own probes of the sites, whether the daemon itself is cut off, the kill switch, and
the dead man's switch outside. Everything is on this machine; nothing asks the internet.
"""

import http.server
import json
import socket
import threading
import time

import pytest

from daemon import SOURCE_TOKEN, alert, configuration, delivery, wait_for

SECOND = SOURCE_TOKEN + "-second"
HEARTBEAT_PATH = "/ping/5ecret-0f-the-switch"


class Place:
    """An HTTP server that answers `status`, or is gone while that is None; it counts who asks for what."""

    def __init__(self):
        self.status, self.asked = 200, []
        place = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                place.asked.append(self.path)
                if place.status is None:
                    self.close_connection = True
                    return
                self.send_response(place.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.url = "http://127.0.0.1:%d" % self.port
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def places():
    made = []

    def make(n):
        made.extend(Place() for _ in range(n))
        return made[-n:]
    yield make
    for place in made:
        place.close()


def probed(sandbox, places, action="http.check", **probe):
    """The usual configuration with a probe of each site, quick."""
    gra, rbx = places(2)
    config = configuration(sandbox, hold="100ms")
    shop = config["services"]["shop"]
    shop["sites"]["gra"]["port"] = str(gra.port)
    shop["sites"]["rbx"]["port"] = str(rbx.port)
    shop["trigger"]["probe"] = {"action": action, "every": "500ms", "timeout": "400ms", "fall": 2, "rise": 2,
                                "url": "http://127.0.0.1:${to.port}/healthz", **probe}
    return config, gra, rbx


def votes(daemon, site):
    """{voter: vote} of a site of shop."""
    shop = daemon.service()
    found = next(item for item in shop["sites"] if item["name"] == site)
    return {voter["voter"]: voter["vote"] for voter in found["voters"]}


def wait_vote(daemon, site, says):
    wait_for(lambda: votes(daemon, site).get("probe") == says, what="the probe to say %s of %s" % (says, site))


def metric(daemon, name):
    lines = daemon.get("/metrics").body.decode().splitlines()
    found = [line.split()[1] for line in lines if line.startswith("turnout_%s " % name)]
    return float(found[0]) if found else None


def readyz(daemon):
    answer = daemon.get("/readyz", token=None)
    assert answer.status == 200, answer.body
    return answer.json["holds"]


# ---- probes ------------------------------------------------------------------------------------------------------------


def test_the_probe_is_half_of_a_quorum(make_daemon, sandbox, places):
    config, gra, rbx = probed(sandbox, places)
    config["services"]["shop"]["trigger"]["votes"] = 2
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    wait_vote(daemon, "gra", "up")
    wait_vote(daemon, "rbx", "up")
    gra.status = 503
    wait_vote(daemon, "gra", "down")
    time.sleep(0.5)
    assert daemon.service()["active"] == "gra" and not daemon.runs()  # one vote of two
    assert daemon.deliver(delivery(alert("gra"))).status in (200, 202)
    daemon.wait_active("rbx")
    assert daemon.wait_run("succeeded")["to"] == "rbx"
    told = [entry["text"] for entry in daemon.audit() if "probe" in entry["text"]]
    assert any("gra" in text and "503" in text for text in told), told
    gra.status = 200
    wait_vote(daemon, "gra", "up")
    assert metric(daemon, "probe_opinion_changes_total") == 4
    assert metric(daemon, "probe_runs_total") > 10 and metric(daemon, "probe_failures_total") >= 2


def test_a_probe_that_is_required(make_daemon, sandbox, places):
    """Two monitors say down, our own check does not see it: nothing moves, until it does."""
    config, gra, _ = probed(sandbox, places, required=True)
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    wait_vote(daemon, "gra", "up")
    assert daemon.deliver(delivery(alert("gra"))).status in (200, 202)
    assert daemon.deliver(delivery(alert("gra")), source="second", token=SECOND).status in (200, 202)
    wait_for(lambda: votes(daemon, "gra").get("second") == "down", what="both votes")
    time.sleep(1)
    assert daemon.service()["active"] == "gra" and not daemon.runs()
    gra.status = None
    daemon.wait_active("rbx")


def test_where_the_probe_cannot_be_made_it_says_nothing(make_daemon, sandbox, places):
    config, _, _ = probed(sandbox, places, url="http://nobody.invalid:${to.port}/")
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    wait_for(lambda: metric(daemon, "probe_not_made_total") >= 8, what="probes that cannot be made")
    assert votes(daemon, "gra").get("probe", "unknown") == "unknown"
    assert metric(daemon, "probe_failures_total") == 0
    assert not daemon.runs()


def test_a_probe_by_tcp_and_a_stop_while_it_hangs(make_daemon, sandbox):
    """A connection is enough for one probe; another waits for a greeting that never comes, and does not delay the end."""
    config = configuration(sandbox)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        shop = config["services"]["shop"]
        shop["sites"]["gra"]["inside"], shop["sites"]["rbx"]["inside"] = "127.0.0.1", "127.0.0.9"  # nobody is at the second
        probe = {"action": "tcp.check", "every": "500ms", "timeout": "400ms", "fall": 2, "rise": 2,
                 "address": "${to.inside}", "port": silent.getsockname()[1]}
        shop["trigger"]["probe"] = probe
        daemon = make_daemon(config)
        daemon.wait_active("gra")
        wait_vote(daemon, "gra", "up")
        wait_vote(daemon, "rbx", "down")
        daemon.stop()
        probe.update(banner="SSH-", every="30s", timeout="30s")
        daemon.configure(config)
        daemon.start()
        time.sleep(1)
        began = time.monotonic()
        daemon.stop()
        assert time.monotonic() - began < 10


# ---- cut off -----------------------------------------------------------------------------------------------------------


def test_a_daemon_that_is_cut_off_holds(make_daemon, sandbox, places):
    checked = places(3)
    config = configuration(sandbox)
    config["server"]["site"] = "paris"
    config["server"]["self_check"] = {"urls": [place.url + "/" for place in checked], "need": 2, "every": "1s",
                                      "timeout": "500ms"}
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    wait_for(lambda: metric(daemon, "self_check_ok") == 1, what="the first self-check")
    assert readyz(daemon) == []
    # The status is a copy that the orchestrator makes, up to a second old.
    wait_for(lambda: daemon.get("/api/v1/status").json["cut_off"] is None, 5, "the status to have heard of it")
    checked[0].status = 500  # an answer all the same
    for place in checked[1:]:
        place.status = None
    wait_for(lambda: readyz(daemon) == ["cut_off"], what="readyz to say so")
    status = wait_for(lambda: (s := daemon.get("/api/v1/status").json)["cut_off"] and s, what="the status to say so")
    assert "seems to be cut off: 1 of 3 answered, 2 are needed (127.0.0.1:%d" % checked[1].port in status["cut_off"]
    assert status["outside"]["self_check"]["state"] == "cut_off" and status["outside"]["site"] == "paris"
    assert metric(daemon, "self_check_ok") == 0
    assert daemon.deliver(delivery(alert("gra"))).status in (200, 202)
    wait_for(lambda: any("cut off" in entry["text"] and entry.get("service") == "shop" for entry in daemon.audit()),
             what="the reason on record")
    assert not daemon.runs() and daemon.service()["active"] == "gra"
    checked[2].status = 204
    daemon.wait_active("rbx")  # the quorum stands still
    assert readyz(daemon) == []
    told = [entry["text"] for entry in daemon.audit() if entry["kind"] == "outside.cut_off"]
    assert "not cut off: 3 of 3" in told[0] and "seems to be" in told[1] and "not cut off: 2 of 3" in told[2], told


# ---- the kill switch ---------------------------------------------------------------------------------------------------


def test_the_kill_switch_is_seen_and_put_on_record(make_daemon, sandbox, tmp_path):
    switch = tmp_path / "stop"
    config = configuration(sandbox)
    config["server"]["kill_switch"] = str(switch)
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    assert metric(daemon, "kill_switch") == 0
    switch.write_text("")
    wait_for(lambda: readyz(daemon) == ["kill_switch"], what="readyz to say so")
    status = wait_for(lambda: (s := daemon.get("/api/v1/status").json)["kill_switch"] and s, what="the status")
    assert str(switch) in status["kill_switch"] and status["outside"]["kill_switch"]["state"] == "there"
    assert metric(daemon, "kill_switch") == 1
    assert daemon.deliver(delivery(alert("gra"))).status in (200, 202)
    time.sleep(1.5)
    assert daemon.service()["active"] in ("gra", "moving") and not sandbox.requests(method="PUT")
    switch.unlink()
    daemon.wait_active("rbx")
    told = [entry["text"] for entry in daemon.audit() if entry["kind"] == "outside.kill_switch"]
    assert "is there" in told[0] and "is not there" in told[1], told
    assert readyz(daemon) == []


# ---- the heartbeat -----------------------------------------------------------------------------------------------------


def test_the_heartbeat_is_heard_and_its_url_is_nowhere(make_daemon, places, monkeypatch):
    (switch,) = places(1)
    monkeypatch.setenv("HEARTBEAT_URL", switch.url + HEARTBEAT_PATH)
    config = configuration()
    config["server"]["heartbeat"] = {"url": "${env:HEARTBEAT_URL}", "every": "1s"}
    daemon = make_daemon(config)
    wait_for(lambda: switch.asked.count(HEARTBEAT_PATH) >= 2, what="two heartbeats")
    heartbeat = wait_for(lambda: (h := daemon.get("/api/v1/status").json["outside"]["heartbeat"])["last_ok_at"] and h,
                         what="the first that is known to be heard")
    assert heartbeat["state"] == "ok" and heartbeat["failing_since"] is None
    assert abs(metric(daemon, "heartbeat_last_ok_timestamp_seconds") - time.time()) < 30
    switch.status = 404
    wait_for(lambda: readyz(daemon) == ["heartbeat_failing"], what="readyz to say that nobody hears us")
    status = daemon.get("/api/v1/status").json
    assert status["heartbeat"] == "the heartbeat is not heard by the dead man's switch outside: HTTP 404"
    time.sleep(2.5)
    switch.status = 200
    wait_for(lambda: readyz(daemon) == [], what="it to be heard again")
    assert daemon.get("/api/v1/status").json["heartbeat"] is None
    wait_for(lambda: "is heard again" in "".join(daemon.log), what="the log to say so")
    log = "".join(daemon.log)
    assert log.count("is not heard") == 1 and log.count("is heard again") == 1, log
    everything = json.dumps([status, daemon.audit(), log, daemon.get("/metrics").body.decode()])
    assert "5ecret" not in everything
    daemon.stop()
    with open(daemon.database, "rb") as file:
        assert b"5ecret" not in file.read()

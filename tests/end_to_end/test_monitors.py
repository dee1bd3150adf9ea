"""UptimeRobot and Pingdom at the running daemon: what each of them says, in whatever form and order, becomes votes."""

import json
import time
import urllib.parse

import pytest

from daemon import alert, configuration, delivery, request, wait_for

ROBOT_TOKEN, NEXT_TOKEN, PINGDOM_TOKEN = "token-of-the-robot-1", "token-of-the-robot-2", "token-of-pingdom-01"
NOON = 1795262400  # 2026-11-21T12:00:00Z


@pytest.fixture
def daemon(make_daemon):
    config = configuration(votes=2, hold="1h", alerts=[
        {"source": "robot", "match": {"monitor_id": "777"}, "site": "gra"},
        {"source": "pingdom", "match": {"tag": "gra", "check_type": ["HTTP", "TRANSACTION"]}, "site": "gra"}])
    config["sources"] = {"robot": {"kind": "uptimerobot", "path_token": [ROBOT_TOKEN, NEXT_TOKEN]},
                         "pingdom": {"kind": "pingdom", "path_token": PINGDOM_TOKEN}}
    return make_daemon(config)


def robot(daemon, way, alert_type, at=NOON, token=ROBOT_TOKEN, **more):
    """UptimeRobot's delivery by the query of a GET, as a form, or as JSON."""
    contacts = "4411;5;%s/hooks/robot/%s?" % (daemon.hooks, token)
    fields = dict({"monitorID": "777", "monitorURL": "https://gra.example.com", "monitorFriendlyName": "gra &#40;eu&#41;",
                   "alertType": str(alert_type), "monitorAlertContacts": contacts}, **more)
    if at:
        fields["alertDateTime"] = str(at)
    url = daemon.hooks + "/hooks/robot/" + token + "?"
    if way == "query":
        return request("GET", url + urllib.parse.urlencode(fields))
    body = urllib.parse.urlencode(fields).encode() if way == "form" else json.dumps(fields).encode()
    return request("POST", url, body, headers={"Content-Type": "text/plain"})


def pingdom(daemon, state, at=NOON, check_type="HTTP", **more):
    body = dict({"check_id": 85975, "check_name": "shop", "check_type": check_type, "check_params": {}, "tags": ["eu", "gra"],
                 "current_state": state, "state_changed_timestamp": at, "second_probe": {}}, **more)
    return request("POST", daemon.hooks + "/hooks/pingdom/" + PINGDOM_TOKEN, body)


def votes(daemon):
    return next(site["down_votes"] for site in daemon.service()["sites"] if site["name"] == "gra")


def test_uptimerobot_in_every_way(daemon):
    assert robot(daemon, "query", 1).status == 202
    assert votes(daemon) == 1
    for way in ("form", "json", "query"):  # the same alert, however it comes; a repeat has a later time
        assert robot(daemon, way, 1, at=NOON + 60).json["duplicate"]
    assert robot(daemon, "json", 3, sslExpiryDaysLeft="7").status == 202  # a certificate casts no vote, and withdraws none
    assert robot(daemon, "form", 99).status == 202
    assert votes(daemon) == 1
    assert robot(daemon, "form", 2, at=NOON + 120, token=NEXT_TOKEN).status == 202
    assert votes(daemon) == 0
    assert robot(daemon, "query", 1, at=NOON + 60).status == 200  # it comes late: the monitor is up since
    assert robot(daemon, "query", 1, at=NOON + 60).status == 200
    assert votes(daemon) == 0
    wait_for(lambda: daemon.audit(kind="intake.late"), what="the reason on record")
    assert [entry["text"] for entry in daemon.audit(kind="intake.late")] == [
        "1 alert said something else than is known, but of an earlier time: nothing is changed"]
    assert "turnout_alerts_late_total 2" in request("GET", daemon.api + "/metrics").body.decode()
    assert robot(daemon, "json", 1, at=None).status == 202  # without a time it is taken as it comes
    assert votes(daemon) == 1


def test_another_monitor_of_the_same_address(daemon):
    assert robot(daemon, "query", 1).status == 202
    assert robot(daemon, "query", 1, monitorID="778").status == 202
    assert robot(daemon, "query", 2, monitorID="778", at=NOON + 60).status == 202
    assert votes(daemon) == 1


def test_nothing_of_the_contacts_is_stored(daemon):
    for way in ("query", "form", "json"):
        for alert_type in (1, 2, 3):
            robot(daemon, way, alert_type, at=NOON + alert_type, monitor_alert_contacts="4411;5;https://x/" + ROBOT_TOKEN,
                  alertDetails="told " + daemon.hooks + "/hooks/robot/" + NEXT_TOKEN)
    request("GET", daemon.hooks + "/hooks/robot/" + ROBOT_TOKEN + "monitorID=777&monitorURL=https%3A%2F%2Fa%2Fb&alertType=1")
    bodies = [json.loads(row[0]) for row in daemon.sql("SELECT body FROM delivery")]
    assert len(bodies) == 3 and all(body["monitorFriendlyName"] == "gra (eu)" for body in bodies)
    daemon.stop()
    with open(daemon.database, "rb") as file:
        content = file.read()
    for secret in (ROBOT_TOKEN, NEXT_TOKEN, "4411;5"):
        assert secret.encode() not in content


def test_pingdom_in_every_order(daemon):
    assert pingdom(daemon, "UP", at=NOON + 60).status == 202  # overtakes the DOWN before it
    assert pingdom(daemon, "DOWN", at=NOON).status == 200
    assert votes(daemon) == 0
    assert pingdom(daemon, "DOWN", at=NOON + 120).status == 202
    assert votes(daemon) == 1
    assert pingdom(daemon, "UP", at=NOON + 60).status == 200
    assert votes(daemon) == 1
    assert pingdom(daemon, "SUCCESS", at=NOON + 200, check_type="TRANSACTION").status == 202  # the same number, another check
    assert votes(daemon) == 1
    assert pingdom(daemon, "UNKNOWN", at=NOON + 180).status == 202
    assert votes(daemon) == 0
    assert pingdom(daemon, "DOWN", at=NOON + 240).status == 202
    assert votes(daemon) == 1


def test_both_are_two_votes_of_the_open_kind(daemon):
    robot(daemon, "json", 1)
    pingdom(daemon, "FAILING", check_type="TRANSACTION")
    assert votes(daemon) == 2
    assert robot(daemon, "json", 1, token="somebody-elses-token").status == 401
    assert request("HEAD", daemon.hooks + "/hooks/robot/" + ROBOT_TOKEN + "?monitorID=777&alertType=2").status == 200
    assert votes(daemon) == 2


def test_tokens_of_urls_cannot_move_a_service_by_themselves(make_daemon, sandbox):
    """Two sources say that gra is down, and both prove no more than a token in a URL: nothing moves until one with a secret says so."""
    config = configuration(sandbox, votes=2, alerts=[
        {"source": "robot", "match": {"monitor_id": "777"}, "site": "gra"}, {"source": "pingdom", "match": {"tag": "gra"}, "site": "gra"},
        {"source": "prometheus", "match": {"alertname": "SiteDown", "region": "gra"}, "site": "gra"}])
    config["sources"].update({"robot": {"kind": "uptimerobot", "path_token": ROBOT_TOKEN},
                              "pingdom": {"kind": "pingdom", "path_token": PINGDOM_TOKEN}})
    config["services"]["shop"]["trigger"]["trusted_votes"] = 1
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    assert robot(daemon, "query", 1).status == 202
    assert pingdom(daemon, "DOWN").status == 202
    site = next(site for site in daemon.service()["sites"] if site["name"] == "gra")
    assert (site["down_votes"], site["trusted_down_votes"]) == (2, 0)
    assert "gra" in daemon.command("status").stdout and "(0 of 1 trusted)" in daemon.command("status").stdout
    time.sleep(0.6)  # three times the hold
    assert daemon.runs() == [] and daemon.service()["timers"] == []
    assert any("0 of 1 trusted" in entry["text"] for entry in daemon.audit(kind="decision.vote"))
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    daemon.wait_run()
    assert daemon.service()["active"] == "rbx"

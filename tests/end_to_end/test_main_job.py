"""The main job: a real Alertmanager's alert moves a service at Linode, OVH and Route 53, once, and the audit log shows it."""

import pytest

from alertmanager import free_port
from daemon import GRA, RBX, SOURCE_TOKEN, alert, configuration, delivery, seconds, wait_for

NAMES = ("app.example.com", "app.example.net", "app.example.org")


def writes(sandbox):
    """The requests that changed something, as (provider, method, path)."""
    return [(entry["provider"], entry["method"]) for entry in sandbox.requests() if entry["method"] != "GET"]


def assert_served(sandbox, address):
    for name in NAMES:
        assert sandbox.dig(name) == [address], name


@pytest.mark.parametrize("basic", [False, True], ids=["bearer", "basic"])
def test_an_alert_moves_the_service_once(daemon, sandbox, make_alertmanager, basic):
    assert_served(sandbox, GRA)
    alertmanager = make_alertmanager(daemon.hooks + "/hooks/prometheus", basic=basic)
    alertmanager.post("gra")
    run = daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)
    assert daemon.service()["active"] == "rbx"
    assert writes(sandbox) == [("linode", "PUT"), ("ovh", "PUT"), ("ovh", "POST"), ("route53", "POST")]

    steps = daemon.run(run["id"])["steps"]
    assert [step["state"] for step in steps] == ["done"] * 3
    assert run["kind"] == "failover" and (run["from"], run["to"]) == ("gra", "rbx") and run["started_by"] == "decision"

    kinds = [entry["kind"] for entry in daemon.audit()]
    for kind in ("daemon.started", "config.loaded", "intake.alerts", "decision.vote", "decision.timer", "decision.incident",
                 "decision.run", "run.started", "run.attempt", "run.step", "run.finished"):
        assert kind in kinds, kind
    assert kinds.index("intake.alerts") < kinds.index("decision.vote") < kinds.index("run.started") < kinds.index("run.finished")
    verdict = daemon.get("/api/v1/audit/verify").json
    assert verdict["intact"] is True and verdict["count"] == len(kinds)


def test_every_request_is_in_the_audit_log_without_credentials(daemon, sandbox):
    sandbox.clear_requests()
    assert daemon.move().status == 202
    daemon.wait_run("succeeded")
    sent = [(entry["method"], entry["path"]) for entry in sandbox.requests() if entry["provider"] != "control"]
    recorded = []
    for entry in daemon.audit(kind="run.attempt"):
        for request in entry["detail"].get("requests", []):
            path = "/" + request["url"].split("/", 3)[3]
            recorded.append((request["method"], path))
    assert sorted(recorded) == sorted(sent)
    text = daemon.get("/api/v1/audit/export").body.decode()
    for secret in ("sandbox-linode-token", "sandbox-as", "sandbox-ck", "sandbox-aws-secret", SOURCE_TOKEN, "operator-token"):
        assert secret not in text and secret not in "".join(daemon.log)


def test_the_repeats_of_one_outage_are_one_outage(daemon, sandbox, make_alertmanager):
    alertmanager = make_alertmanager(daemon.hooks + "/hooks/prometheus", group_interval="1s", repeat_interval="2s")
    alertmanager.post("gra")
    daemon.wait_run("succeeded")
    deliveries = len(daemon.sql("SELECT 1 FROM delivery"))
    metric = 'turnout_deliveries_total{duplicate="yes"}'

    def repeats():
        lines = daemon.get("/metrics").body.decode().splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(metric))
    wait_for(lambda: repeats() >= 2, 30, "two repeats")
    assert len(daemon.runs()) == 1
    assert len(daemon.sql("SELECT 1 FROM delivery")) == deliveries
    assert_served(sandbox, RBX)


def test_a_pair_of_alertmanagers_makes_one_run(daemon, sandbox, make_alertmanager):
    ports = free_port(), free_port()
    url = daemon.hooks + "/hooks/prometheus"
    first = make_alertmanager(url, cluster_port=ports[0])
    second = make_alertmanager(url, cluster_port=ports[1], peer=ports[0])
    # Two Prometheis see the outage at slightly different times.
    first.post("gra")
    second.post("gra")
    daemon.wait_run("succeeded")
    first.post("gra", resolved=True)
    second.post("gra", resolved=True)
    wait_for(lambda: not daemon.service()["sites"][0]["down_votes"], 30, "the vote to be withdrawn")
    assert len(daemon.runs()) == 1
    assert writes(sandbox) == [("linode", "PUT"), ("ovh", "PUT"), ("ovh", "POST"), ("route53", "POST")]


def test_resolved_withdraws_the_vote_before_the_hold_is_over(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, hold="1h"))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra")))
    service = daemon.service()
    assert service["sites"][0]["down_votes"] == 1 and service["timers"][0]["kind"] == "hold"
    daemon.deliver(delivery(alert("gra", "resolved", ends="2026-11-21T10:05:00Z")))
    service = daemon.service()
    assert service["sites"][0]["down_votes"] == 0 and "hold" not in [timer["kind"] for timer in service["timers"]]
    assert daemon.runs() == []


def test_two_votes_need_two_sources(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, votes=2))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra"), alert("gra", instance="other")))
    assert daemon.service()["timers"] == []
    daemon.deliver(delivery(alert("gra")), source="second", token=SOURCE_TOKEN + "-second")
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)


def test_manual_mode_says_why_it_does_not_act(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, mode="manual"))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra")))
    entry = wait_for(lambda: daemon.audit(kind="decision.not_acted"), what="a reason on record")[0]
    assert entry["detail"]["reason"] == "manual_mode"
    assert daemon.runs() == [] and daemon.service()["active"] == "gra"
    assert ": stands; nothing is started: the mode is manual\n" in daemon.command("status").stdout


def test_alerts_about_a_site_that_is_not_active_start_nothing(daemon):
    daemon.deliver(delivery(alert("rbx")))
    service = daemon.service()
    assert service["sites"][1]["down_votes"] == 1 and service["timers"] == []
    # And the way there is closed now, and two places at once are what monitors see that are wrong themselves.
    daemon.deliver(delivery(alert("gra")))
    entry = wait_for(lambda: daemon.audit(kind="decision.not_acted"), what="a reason on record")[0]
    assert entry["detail"]["reason"] == "flood"
    assert daemon.runs() == []


def test_timers_survive_a_restart(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, hold="3s"))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra")))
    due = daemon.service()["timers"][0]["due_at"]
    daemon.kill()
    daemon.start()
    assert abs(seconds(daemon.service()["timers"][0]["due_at"]) - seconds(due)) < 0.05
    run = daemon.wait_run("succeeded")
    assert seconds(run["started_at"]) > seconds(due) - 0.05


def test_after_a_failover_the_cool_down_stands(daemon, sandbox):
    daemon.deliver(delivery(alert("gra")))
    daemon.wait_run("succeeded")
    daemon.deliver(delivery(alert("gra", "resolved", ends="2026-11-21T10:05:00Z")))
    daemon.deliver(delivery(alert("rbx", starts="2026-11-21T10:06:00Z")))
    entry = wait_for(lambda: [e for e in daemon.audit(kind="decision.not_acted")], what="a reason on record")[-1]
    assert entry["detail"]["reason"] == "cool_down"
    assert len(daemon.runs()) == 1
    # People are not held back by it.
    assert daemon.move("failback").status == 202
    wait_for(lambda: daemon.service()["active"] == "gra", 30, "the way back")
    assert_served(sandbox, GRA)

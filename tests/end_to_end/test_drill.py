"""Drills: a move rehearsed for real on what stands in, and on paper."""

import pytest

from daemon import GRA, RBX, alert, configuration, delivery, request, wait_for

NAMES = (("linode", "app.example.com"), ("ovh", "app.example.net"), ("route53", "app.example.org"))


def rehearsed(sandbox, **changes):
    config = configuration(sandbox, **changes)
    shop = config["services"]["shop"]
    for step in shop["playbook"]:
        step["drill"] = {"record": "drill-app.example.org" if step["action"] == "route53.record" else "drill-app"}
    return config


@pytest.fixture
def daemon(make_daemon, sandbox):
    daemon = make_daemon(rehearsed(sandbox))
    daemon.wait_active("gra")
    return daemon


def drill(daemon, **body):
    return daemon.post("/api/v1/services/shop/drill", dict({"reason": "it is Tuesday"}, **body))


def proven(daemon, kind):
    return next((entry for entry in daemon.service()["drills"] if entry["kind"] == kind), None)


def written(sandbox):
    """The names that were written, and the values."""
    return [entry["path"] + " " + str(entry["body"]) for entry in sandbox.requests() if entry["method"] != "GET" and entry["effect"]]


def assert_untouched(sandbox):
    for _, name in NAMES:
        assert sandbox.dig(name) == [GRA], name


def test_there_and_back_on_stand_ins(daemon, sandbox):
    sandbox.clear_requests()
    answer = drill(daemon, kind="canary")
    assert answer.status == 202, answer.body
    run = answer.json["run"]
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the drill")
    steps = daemon.run(run)["steps"]
    assert [step["state"] for step in steps] == ["done"] * 6
    assert daemon.run(run)["timing"]["felt_ms"] is None  # nobody waited for it
    assert [step["name"] for step in steps][2:4] == ["Route 53, there", "Linode DNS, back"]
    for name in ("drill-app.example.com", "drill-app.example.net", "drill-app.example.org"):
        sandbox.wait_served(name, GRA)
    # It has been there, and what is served to users was never touched.
    assert sum(RBX in line for line in written(sandbox)) >= 3
    assert not [line for line in written(sandbox) if "36666865" in line or ">app.example.org" in line]
    assert_untouched(sandbox)
    service = daemon.service()
    assert service["active"] == "gra" and not [timer for timer in service["timers"] if timer["kind"] == "cool_down"]
    record = wait_for(lambda: proven(daemon, "canary"), 10, "what came of it")
    assert record["is_good"] and record["proven_at"] and record["proven_days_ago"] == 0 and record["run"] == run
    entry, = daemon.audit(kind="drill.proven")
    assert entry["run"] == run

    def metric():
        text = request("GET", daemon.api + "/metrics").body.decode()
        return 'turnout_drill_proven_timestamp{service="shop",kind="canary"} 1' in text
    wait_for(metric, 5, "the metric")
    daemon.kill()
    daemon.start()
    assert proven(daemon, "canary")["is_good"]
    assert metric()


def test_one_that_fails_says_where(daemon, sandbox):
    sandbox.fault("ovh", "status", method="PUT", status=403, code="FORBIDDEN", times=-1)
    run = drill(daemon, kind="canary").json["run"]
    wait_for(lambda: daemon.run(run)["state"] == "attention", 20, "the drill to need a person")
    assert daemon.service()["active"] == "gra"
    # It is nobody's run: a real one is not held up by it.
    assert daemon.move().status == 202
    wait_for(lambda: daemon.run(run)["state"] == "cancelled", 10, "the drill to make way")
    record = wait_for(lambda: proven(daemon, "canary"), 10, "what came of it")
    assert not record["is_good"] and record["proven_at"] is None
    assert "OVH DNS, there" in record["text"], record


def test_a_real_failover_does_not_wait_for_it(daemon, sandbox):
    held = sandbox.fault("ovh", "timeout_before", method="PUT", ms=3000)
    run = drill(daemon, kind="canary").json["run"]
    wait_for(lambda: next(fault["hits"] for fault in sandbox.faults() if fault["id"] == held), 15, "the middle of the drill")
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    daemon.wait_active("rbx")
    assert daemon.run(run)["state"] == "cancelled"
    assert [step["state"] for step in daemon.run(daemon.service()["run"]["id"])["steps"]] == ["done"] * 3
    assert not proven(daemon, "canary")["is_good"]


def test_kill_in_the_middle(daemon, sandbox):
    held = sandbox.fault("ovh", "timeout_after", method="PUT", ms=3000)
    run = drill(daemon, kind="canary").json["run"]
    wait_for(lambda: next(fault["hits"] for fault in sandbox.faults() if fault["id"] == held), 15, "the middle of the drill")
    daemon.kill()
    sandbox.clear_faults()
    daemon.start()
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the drill")
    assert wait_for(lambda: proven(daemon, "canary"), 10, "what came of it")["is_good"]
    assert_untouched(sandbox)


def test_on_paper(daemon, sandbox):
    sandbox.clear_requests()
    answer = drill(daemon, kind="plan")
    assert answer.status in (200, 202), answer.body
    record = wait_for(lambda: proven(daemon, "plan"), 25, "what came of it")
    assert record["is_good"], record
    assert written(sandbox) == []
    sandbox.fault("ovh", "status", status=403, code="FORBIDDEN", times=-1)
    drill(daemon, kind="plan")
    record = wait_for(lambda: not proven(daemon, "plan")["is_good"] and proven(daemon, "plan"), 25, "the bad one")
    assert "OVH DNS" in record["text"] and record["proven_at"]
    assert daemon.audit(kind="drill.failed")


def test_what_would_be_no_drill_is_refused(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox))  # with nothing that stands in
    daemon.wait_active("gra")
    answer = drill(daemon, kind="canary")
    assert (answer.status, answer.json["error"]["code"]) == (409, "no_steps")
    assert drill(daemon, kind="canary", to="gra").status == 409
    sandbox.fault("ovh", "status", method="PUT", status=403, code="FORBIDDEN", times=-1)
    daemon.move()
    daemon.wait_run("attention")
    answer = drill(daemon, kind="plan")
    assert (answer.status, answer.json["error"]["code"]) == (409, "run_in_progress")


def test_one_that_is_due_begins_by_itself(make_daemon, sandbox):
    config = rehearsed(sandbox)
    config["services"]["shop"]["drill"] = {"every": "1m"}  # spread over a tenth: the first comes within 6 s
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    record = wait_for(lambda: proven(daemon, "canary"), 30, "a drill")
    assert record["is_good"], record
    assert daemon.run(record["run"])["started_by"] == "decision"

"""Debts: what cannot be done at the dead site is owed, and nothing goes back there while it is. Also steps side by side."""

import pytest

from daemon import RBX, configuration, request, wait_for


def owing(sandbox):
    """The OVH record stands for what has to be changed at the dead site."""
    steps = configuration(sandbox)["services"]["shop"]["playbook"]
    steps[1]["on_failure"] = "owe"
    return configuration(sandbox, playbook=steps)


def start_owing(make_daemon, sandbox):
    daemon = make_daemon(owing(sandbox))
    daemon.wait_active("gra")
    sandbox.fault("ovh", "status", method="PUT", status=403, code="FORBIDDEN", times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    return daemon, run


def states(daemon, run):
    return [step["state"] for step in daemon.run(run)["steps"]]


def retry(daemon, run):
    """Asked for again while it is being tried."""
    def done():
        answer = daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "now"})
        return answer.status == 200 or "being tried" not in answer.json["error"]["message"]
    wait_for(done, 10, "a retry")


def test_it_is_owed_guarded_and_paid(make_daemon, sandbox):
    daemon, run = start_owing(make_daemon, sandbox)
    assert states(daemon, run) == ["done", "owed", "done"]
    assert daemon.run(run)["debts"] == 1
    assert daemon.service()["active"] == "rbx"
    debt, = daemon.service()["debts"]
    assert debt["site"] == "gra" and debt["run"] == run, debt
    wait_for(lambda: 'turnout_debts{service="shop",site="gra"} 1' in request("GET", daemon.api + "/metrics").body.decode(), 5, "the metric")
    for body in ({"direction": "failback"}, {"direction": "failover", "to": "gra"}):
        refused = daemon.move(**body)
        assert (refused.status, refused.json["error"]["code"], refused.json["error"]["override"]) == (409, "debt", "debt")
    # It outlives kill -9, and so does the guard.
    daemon.kill()
    daemon.start()
    assert states(daemon, run) == ["done", "owed", "done"]
    assert daemon.move("failback").json["error"]["code"] == "debt"
    sandbox.clear_faults()
    retry(daemon, run)
    wait_for(lambda: states(daemon, run) == ["done"] * 3, 20, "the debt to be paid")
    assert sandbox.dig("app.example.net") == [RBX]
    assert daemon.service()["debts"] in (None, [])
    assert daemon.run(run)["state"] == "succeeded" and daemon.run(run)["debts"] == 0
    assert daemon.move("failback").status == 202
    daemon.wait_active("gra")
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True


def test_who_insists_goes_back_and_the_debt_is_parked(make_daemon, sandbox):
    daemon, run = start_owing(make_daemon, sandbox)
    sandbox.clear_faults()
    assert daemon.move("failback", override=["debt"]).status == 202
    daemon.wait_active("gra")
    assert daemon.audit(kind="operator.break_glass")
    assert states(daemon, run) == ["done", "owed", "done"]
    # A run that is older than the newest writes nothing any more, also not when it is asked to.
    answer = daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "now"})
    assert answer.status == 409 and "another run has begun since" in answer.json["error"]["message"]
    daemon.kill()
    sandbox.clear_requests()
    daemon.start()
    answer = daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "now"})
    assert answer.status == 409 and "another run has begun since" in answer.json["error"]["message"]
    assert [entry for entry in sandbox.requests() if entry["method"] != "GET"] == []
    assert daemon.command("done", run, "--reason", "seen to").returncode == 0
    assert states(daemon, run) == ["done"] * 3
    assert daemon.service()["debts"] in (None, [])


@pytest.mark.parametrize(("verb", "state"), [("done", "done"), ("skip", "skipped")])
def test_a_person_ends_it(make_daemon, sandbox, verb, state):
    daemon, run = start_owing(make_daemon, sandbox)

    def ended():
        return daemon.command(verb, run, "--step", "2", "--reason", "the machine is scrapped").returncode == 0
    wait_for(ended, 10, verb)
    assert states(daemon, run) == ["done", state, "done"]
    assert daemon.service()["debts"] in (None, [])
    sandbox.clear_faults()
    assert daemon.move("failback").status == 202
    daemon.wait_active("gra")


def test_steps_of_a_group_go_at_the_same_time(make_daemon, sandbox):
    steps = configuration(sandbox)["services"]["shop"]["playbook"]
    daemon = make_daemon(configuration(sandbox, playbook=[{"parallel": steps}]))
    daemon.wait_active("gra")
    # None of the three is answered: one after the other would never ask the second.
    held = [sandbox.fault(provider, "timeout_before", ms=3000) for provider in ("linode", "ovh", "route53")]
    run = daemon.move().json["run"]
    wait_for(lambda: sum(fault["hits"] for fault in sandbox.faults() if fault["id"] in held) == 3, 2.5, "all three at once")
    sandbox.clear_faults()
    daemon.wait_run("succeeded")
    assert states(daemon, run) == ["done"] * 3


def test_what_fails_in_a_group_does_not_hold_up_its_neighbours(make_daemon, sandbox):
    steps = configuration(sandbox)["services"]["shop"]["playbook"]
    daemon = make_daemon(configuration(sandbox, playbook=[{"parallel": steps[:2]}, steps[2]]))
    daemon.wait_active("gra")
    sandbox.fault("linode", "status", status=401, times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    wait_for(lambda: states(daemon, run) == ["failed", "done", "pending"], 10, "the neighbour")
    sandbox.clear_faults()
    daemon.kill()
    daemon.start()
    retry(daemon, run)
    daemon.wait_run("succeeded")
    assert states(daemon, run) == ["done"] * 3


def test_a_guard_that_is_overridden_with_the_retry(make_daemon, sandbox):
    """In a run that was begun without it: what its next point asks for is there."""
    daemon = make_daemon(configuration(sandbox))
    daemon.wait_active("gra")
    sandbox.fault("linode", "status", status=401, times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    assert daemon.post("/api/v1/services/shop/vote", {"site": "rbx", "says": "down", "reason": "x"}).status in (200, 202)
    sandbox.clear_faults()
    before = len(daemon.audit(kind="run.attention"))
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "again"}).status == 200
    wait_for(lambda: len(daemon.audit(kind="run.attention")) > before, 10, "the guard")
    assert daemon.run(run)["steps"][0]["state"] == "failed"
    body = {"reason": "rbx is fine", "override": ["target_down"]}
    assert daemon.post("/api/v1/runs/%s/retry" % run, body).status == 200
    daemon.wait_run("succeeded")
    assert len(daemon.audit(kind="operator.break_glass")) == 1


def test_measures_are_timed_and_hold_nothing_up(make_daemon, sandbox):
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["objective"] = {"rto": "5m", "measures": [
        {"name": "resolvers answer", "action": "dns.check", "record": "app.example.org", "type": "A", "target": "${to.address}",
         "servers": [sandbox.dns]}]}
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    wait_for(lambda: daemon.run(run)["steps"][3]["state"] in ("done", "already done"), 15, "the measure")
    timing = daemon.run(run)["timing"]
    assert timing["objective_ms"] == 300000
    assert timing["steps"][3]["is_measure"] and timing["steps"][3]["after_ms"] >= timing["steps"][2]["after_ms"]
    assert 0 < timing["felt_ms"] < 60000, timing


def test_a_measure_that_never_comes_right_is_left_behind_by_the_next_run(make_daemon, sandbox):
    config = configuration(sandbox)
    config["services"]["shop"]["objective"] = {"rto": "5m", "measures": [
        {"name": "never", "action": "dns.check", "record": "app.example.org", "type": "A", "target": "203.0.113.1",
         "servers": [sandbox.dns]}]}
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    assert daemon.run(run)["timing"]["felt_ms"] is None
    daemon.kill()
    daemon.start()
    assert daemon.run(run)["steps"][3]["state"] in ("pending", "running")
    assert daemon.move("failback").status == 202
    daemon.wait_active("gra")
    wait_for(lambda: daemon.run(run)["steps"][3]["state"] == "skipped", 10, "the measure to be left")

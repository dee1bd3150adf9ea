"""Undo: what a run has changed is put back in reverse order and verified, whoever wants it, and also through kill -9."""

import pytest

from client import LINODE_TOKEN
from daemon import GRA, RBX, alert, configuration, delivery, request, wait_for

NAMES = ("app.example.com", "app.example.net", "app.example.org")
ZONES = (("linode", "example.com", "app.example.com"), ("ovh", "example.net", "app.example.net"),
         ("route53", "example.org", "app.example.org"))


def records(sandbox):
    """What the three providers have accepted, with its TTL."""
    found = []
    for provider, zone, name in ZONES:
        rows = sandbox.zone(provider, zone)["accepted"]
        found.append(sorted((row["value"], row["ttl"]) for row in rows if (row["name"], row["type"]) == (name, "A")))
    return found


def assert_served(sandbox, address):
    for name in NAMES:
        sandbox.wait_served(name, address)


def playbook(sandbox, **last):
    """The last step, at Route 53, is as `last` says."""
    steps = configuration(sandbox)["services"]["shop"]["playbook"]
    steps[0]["ttl"], steps[1]["ttl"] = 300, 120  # so that the TTLs have to be put back as well
    steps[2].update(last)
    return steps


def break_route53(sandbox):
    sandbox.fault("route53", "status", method="POST", status=403, code="AccessDenied", times=-1)


def started(make_daemon, config):
    daemon = make_daemon(config)
    # It could not be seen: no site has these TTLs.
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).status == 200
    return daemon


def shop(make_daemon, sandbox, **last):
    return started(make_daemon, configuration(sandbox, playbook=playbook(sandbox, **last)))


def assert_undone(daemon, sandbox, before, run, states=("undone", "undone", "undone")):
    wait_for(lambda: daemon.run(run)["state"] == "undone", 30, "the run to be undone")
    assert [step["state"] for step in daemon.run(run)["steps"]] == list(states)
    assert records(sandbox) == before
    assert_served(sandbox, GRA)
    service = daemon.service()
    assert service["active"] == "gra" and service["run"]["state"] == "undone"
    assert [timer["kind"] for timer in service["timers"]].count("cool_down") == 1, service["timers"]
    undo, = daemon.audit(kind="run.undo")
    assert undo["run"] == run
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True
    return undo


def test_a_step_that_fails_takes_all_back(make_daemon, sandbox):
    before = records(sandbox)
    daemon = shop(make_daemon, sandbox, on_failure="undo")
    break_route53(sandbox)
    sandbox.clear_requests()
    run = daemon.move().json["run"]
    assert_undone(daemon, sandbox, before, run)
    writes = [entry["provider"] for entry in sandbox.requests() if entry["method"] == "PUT" and entry["effect"]]
    assert writes == ["linode", "ovh", "ovh", "linode"]  # in reverse order
    undone = [attempt for attempt in daemon.run(run)["steps"][0]["attempts"] if attempt["is_undo"]]
    assert [attempt["phase"] for attempt in undone][:2] == ["observe", "apply"]
    assert undone[-1]["outcome"] == "ok"
    # Nobody's no: the alert that comes now is only held back by the cool-down.
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    wait_for(lambda: "cool-down" in daemon.audit(kind="decision.not_acted")[-1]["text"]
             if daemon.audit(kind="decision.not_acted") else False, 10, "why nothing is started")


def test_a_person_takes_all_back(make_daemon, sandbox):
    before = records(sandbox)
    daemon = shop(make_daemon, sandbox)
    break_route53(sandbox)
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    run = daemon.wait_run("attention")["id"]
    assert daemon.command("undo", run, "--reason", "the standby is not right").returncode == 0
    undo = assert_undone(daemon, sandbox, before, run)
    assert "the standby is not right" in undo["text"] and undo["who"] == "operator oncall"
    # A person's no: what still stands does not begin it again.
    assert any("a person has undone the run" in entry["text"] for entry in daemon.audit())
    assert len(daemon.runs()) == 1


@pytest.mark.parametrize("where", ["timeout_before", "timeout_after"])
def test_killed_while_it_goes_back(make_daemon, sandbox, where):
    before = records(sandbox)
    daemon = shop(make_daemon, sandbox)
    break_route53(sandbox)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    held = sandbox.fault("ovh", where, method="PUT", ms=3000)
    assert daemon.post("/api/v1/runs/%s/undo" % run, {"reason": "back"}).status == 200
    wait_for(lambda: next(fault["hits"] for fault in sandbox.faults() if fault["id"] == held), 15, "the way back")
    if where == "timeout_after":
        wait_for(lambda: any(entry["fault"] == where for entry in sandbox.requests()), 5, "the effect")
    daemon.kill()
    sandbox.clear_faults()
    daemon.start()
    assert_undone(daemon, sandbox, before, run)
    # Also after the restart it is known whose no it was.
    assert any(entry["detail"].get("event", {}).get("who") == "oncall" and entry["detail"]["event"].get("run_state") == "undone"
               for entry in daemon.audit() if entry.get("detail"))


def test_what_was_owed_is_not_paid_while_it_goes_back(make_daemon, sandbox):
    """Also after a restart: the old site answers again, and the debt would move its record under the feet of the undo."""
    before = records(sandbox)
    steps = playbook(sandbox, on_failure="undo")
    steps[1]["on_failure"] = "owe"
    steps.insert(2, {"name": "by hand", "action": "command", "run": ["true"]})  # nobody can put it back but a person
    daemon = started(make_daemon, configuration(sandbox, playbook=steps))
    sandbox.fault("ovh", "status", method="PUT", status=403, code="FORBIDDEN", times=-1)
    break_route53(sandbox)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    daemon.kill()
    sandbox.clear_faults()
    daemon.start()
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["done", "failed", "failed", "undone"]
    assert daemon.run(run)["debts"] == 0
    assert daemon.command("done", run, "--reason", "seen to").returncode == 0
    assert_undone(daemon, sandbox, before, run, ["undone"] * 4)
    assert not [entry for entry in sandbox.requests("ovh", "PUT") if entry["effect"]]


def test_behind_a_point_of_no_return_there_is_no_way_back(make_daemon, sandbox):
    steps = playbook(sandbox)
    steps[1]["point_of_no_return"] = True
    daemon = started(make_daemon, configuration(sandbox, playbook=steps))
    break_route53(sandbox)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    answer = daemon.post("/api/v1/runs/%s/undo" % run, {"reason": "back"})
    assert (answer.status, answer.json["error"]["code"]) == (409, "wrong_state")
    assert "behind a point of no return" in answer.json["error"]["message"]
    assert daemon.run(run)["state"] == "attention"
    sandbox.clear_faults()
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "again"}).status == 200
    daemon.wait_run("succeeded")


def test_on_failure_undo_behind_a_point_waits_for_a_person(make_daemon, sandbox):
    steps = playbook(sandbox, on_failure="undo")
    steps[1]["point_of_no_return"] = True
    daemon = started(make_daemon, configuration(sandbox, playbook=steps))
    break_route53(sandbox)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    assert daemon.audit(kind="run.undo") == []
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["done", "done", "failed"]


def test_what_cannot_be_put_back_waits_for_a_person(make_daemon, sandbox):
    daemon = shop(make_daemon, sandbox, on_failure="undo")
    break_route53(sandbox)
    # The way there is let through, the way back is not.
    sandbox.fault("linode", "status", method="PUT", status=401, skip=1, times=-1)
    before = records(sandbox)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["failed", "undone", "undone"]
    assert daemon.service()["active"] != "gra"
    daemon.kill()
    daemon.start()
    sandbox.clear_faults()
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "the token works"}).status == 200
    assert_undone(daemon, sandbox, before, run)


def test_a_run_that_has_changed_nothing_is_cancelled_rather(make_daemon, sandbox):
    daemon = shop(make_daemon, sandbox)
    sandbox.fault("linode", "status", status=401, times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    answer = daemon.post("/api/v1/runs/%s/undo" % run, {"reason": "back"})
    assert answer.status == 409 and "nothing to undo" in answer.json["error"]["message"]


def test_a_stranger_has_changed_it_meanwhile(make_daemon, sandbox):
    """What is put back is what was found, also where somebody else has written since."""
    before = records(sandbox)
    daemon = shop(make_daemon, sandbox)
    break_route53(sandbox)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    answer = request("PUT", sandbox.linode_url + "/domains/123/records/36666865", {"target": "203.0.113.9"}, token=LINODE_TOKEN)
    assert answer.status == 200
    assert daemon.post("/api/v1/runs/%s/undo" % run, {"reason": "back"}).status == 200
    assert_undone(daemon, sandbox, before, run)
    assert RBX not in str(records(sandbox))

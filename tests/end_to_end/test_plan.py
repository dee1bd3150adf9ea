"""turnout plan: what a run would find and change, and moves that are to do exactly that."""

import json

import pytest

from daemon import GRA, RBX, alert, configuration, delivery


def plan_of(daemon, **body):
    answer = daemon.post("/api/v1/services/shop/plan", body)
    assert answer.status == 200, answer.body
    return answer.json


def kinds(plan, step=None):
    return {warning["kind"] for warning in plan["warnings"] if step is None or warning["step"] == step}


def test_it_shows_what_a_run_then_changes(daemon, sandbox):
    sandbox.clear_requests()
    plan = plan_of(daemon)
    assert {request["method"] for request in sandbox.requests()} == {"GET"}
    assert (plan["from"], plan["to"], plan["direction"], plan["occasion"]) == ("gra", "rbx", "failover", "outage")
    assert [step["state"] for step in plan["steps"]] == ["changes"] * 3
    for step in plan["steps"]:
        assert step["current"]["target"] == GRA and step["desired"]["target"] == RBX, step
        assert step["previous"]["target"] == GRA
    assert plan_of(daemon)["hash"] == plan["hash"]
    assert daemon.audit(kind="operator.refused") == [] and daemon.runs() == []
    started = daemon.move(plan=plan["hash"])
    assert started.status == 202, started.body
    run = daemon.wait_run("succeeded")
    assert run["id"] == started.json["run"]
    for step, planned in zip(daemon.run(run["id"])["steps"], plan["steps"]):
        applied = [attempt for attempt in step["attempts"] if attempt["phase"] == "observe"]
        assert (step["name"], step["state"]) == (planned["name"], "done")
        assert applied[0]["detail"]["current"] == planned["current"]
        assert applied[-1]["detail"]["current"]["target"] == planned["desired"]["target"]
    back = plan_of(daemon)
    assert (back["from"], back["to"], back["direction"]) == ("rbx", "gra", "failback")
    assert back["hash"] != plan["hash"]
    # What the last run needed is what is predicted.
    assert all(step["predicted_ms"] > 0 for step in back["steps"])
    assert back["predicted"]["ttl_ms"] == 60000


def test_another_plan_by_now_is_refused(daemon, sandbox):
    first = plan_of(daemon)
    daemon.move("failover")
    daemon.wait_run("succeeded")
    back = plan_of(daemon)
    stale = daemon.move("failback", plan=first["hash"])
    assert stale.status == 409 and stale.json["error"]["code"] == "plan_changed"
    assert stale.json["plan"]["hash"] == back["hash"]
    assert daemon.service()["active"] == "rbx" and len(daemon.runs()) == 1
    assert [entry["detail"]["code"] for entry in daemon.audit(kind="operator.refused")] == ["plan_changed"]
    done = daemon.command("failback", "shop", "--plan", back["hash"], "--reason", "as planned")
    assert done.returncode == 0, done.stderr
    daemon.wait_active("gra")
    assert daemon.sql("SELECT count(*) FROM run")[0][0] == 2


def test_a_yes_to_exactly_this(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, mode="approval"))
    daemon.wait_active("gra")
    plan = plan_of(daemon)
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    run = daemon.wait_question()
    wrong = daemon.post("/api/v1/runs/%s/approve" % run, {"reason": "x", "plan": "0" * 64})
    assert wrong.status == 409 and wrong.json["error"]["code"] == "plan_changed" and wrong.json["plan"]["hash"] == plan["hash"]
    assert daemon.run(run)["state"] == "waiting"
    assert daemon.post("/api/v1/runs/%s/approve" % run, {"reason": "x", "plan": plan["hash"]}).status == 200
    daemon.wait_run("succeeded")


def test_what_no_step_moves_is_found(daemon):
    strays = [warning["text"] for warning in plan_of(daemon)["warnings"] if warning["kind"] == "stray"]
    for name in ("forgotten.example.com A", "example.net A", "example.org A", "cdn.example.com A"):
        assert any(text.startswith(name + " still holds " + GRA) for text in strays), (name, strays)
    assert not [text for text in strays if text.startswith(("app.example.com A ", "app.example.net A ", "app.example.org A "))]
    assert not [text for text in strays if "AAAA" in text]  # this site has no such address


def test_an_address_of_the_other_family_and_what_another_service_moves(make_daemon, sandbox):
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["sites"]["gra"]["six"] = "2001:db8::10"
    shop["sites"]["rbx"]["six"] = "2001:db8::20"
    config["services"]["cdn"] = dict(shop, alerts=[], playbook=[dict(shop["playbook"][0], record="cdn")])
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    strays = [warning["text"] for warning in plan_of(daemon)["warnings"] if warning["kind"] == "stray"]
    assert any(text.startswith("forgotten.example.com AAAA still holds 2001:db8::10") for text in strays)
    assert not [text for text in strays if text.startswith("cdn.example.com")]


def test_what_would_fail_and_what_cannot_be_known(make_daemon, sandbox):
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["playbook"][0]["record"] = "gone"
    shop["playbook"].insert(0, {"name": "standby answers", "action": "http.check", "url": sandbox.url + "/nowhere",
                                "expect": {"status": 200}, "retries": 0})
    shop["objective"] = {"rto": "20s"}
    daemon = make_daemon(config)
    sandbox.fault("ovh", "status", status=503, times=-1)
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).status == 200
    plan = plan_of(daemon)
    assert [step["state"] for step in plan["steps"]] == ["fails", "fails", "unknown", "changes"], json.dumps(plan, indent=1)
    assert "fails" in kinds(plan, 0) and "fails" in kinds(plan, 1) and "unknown" in kinds(plan, 2)
    assert "ttl" in kinds(plan, 3) and "late" in kinds(plan)


def test_somebody_elses_value(daemon, sandbox):
    other = configuration(sandbox)
    shop = other["services"]["shop"]
    shop["sites"]["gra"]["address"], shop["sites"]["rbx"]["address"] = "203.0.113.77", "203.0.113.78"
    daemon.stop()
    daemon.configure(other)
    daemon.start()
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).status in (200, 409)
    plan = plan_of(daemon)
    assert [sorted(kinds(plan, n) & {"foreign"}) for n in range(3)] == [["foreign"]] * 3


def test_people_read_it(daemon):
    done = daemon.command("plan", "shop")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("failover of shop from gra to rbx")
    assert "      - target: " + GRA in lines and "      + target: " + RBX in lines
    plan = json.loads(daemon.command("plan", "shop", "--json").stdout)
    assert lines[-1] == "To do exactly this: turnout failover shop --to rbx --plan %s --reason TEXT" % plan["hash"]
    assert "plan " + plan["hash"] in lines


@pytest.mark.parametrize(("body", "status", "code"), [
    ({"to": "gra"}, 409, "already_active"), ({"to": "nowhere"}, 404, "unknown_site"), ({"reason": "x"}, 400, "unknown_key"),
    ({"to": 7}, 400, "invalid")])
def test_what_cannot_be_planned(daemon, body, status, code):
    answer = daemon.post("/api/v1/services/shop/plan", body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code)


def test_a_provider_that_is_ill_does_not_hold_the_plan(daemon, sandbox):
    sandbox.fault("linode", "status", status=500, times=-1)
    plan = plan_of(daemon)
    assert [step["state"] for step in plan["steps"]] == ["unknown", "changes", "changes"]

"""Deciding, with the real daemon: each thing that holds a run back says so by name and in a sentence, people are asked and
answer, and a daemon that is killed at any of these points goes on from there.
"""

import time

import pytest

from daemon import GRA, RBX, SOURCE_TOKEN, alert, configuration, delivery, wait_for

SECOND = SOURCE_TOKEN + "-second"
PATH = "/api/v1/services/shop/"


def one_step(**changes):
    step = {"name": "Linode DNS", "action": "linode.dns_record", "provider": "linode", "domain": "example.com", "record": "app",
            "type": "A", "target": "${to.address}", "ttl": 30}
    return dict(step, **changes)


def configured(sandbox, trigger=None, service=None, top=None, playbook=None):
    config = configuration(sandbox, playbook=playbook or [one_step()])
    config["services"]["shop"]["trigger"].update(dict({"hold": "0s", "cool_down": "0s"}, **(trigger or {})))
    config["services"]["shop"].update(service or {})
    config.update(top or {})
    return config


@pytest.fixture
def serve(make_daemon, sandbox):
    """A daemon whose service is at gra."""
    def make(*arguments, **settings):
        daemon = make_daemon(configured(sandbox, *arguments, **settings))
        daemon.wait_active("gra")
        return daemon
    return make


def say(daemon, site="gra", source="prometheus", status="firing", service="shop", **changes):
    token = SOURCE_TOKEN if source == "prometheus" else SECOND
    times = {"starts": "2026-11-21T10:00:00Z"}
    if status == "resolved":
        times["ends"] = "2026-11-21T11:00:00Z"
    answer = daemon.deliver(delivery(alert(site, status, service=service, **dict(times, **changes))), source, token)
    assert answer.status in (200, 202), answer.body


def refused(answer, code, words):
    error = answer.json["error"]
    assert (answer.status, error["code"]) == (409, code), answer.body
    assert words in error["message"] and len(error["message"].split()) > 3, error["message"]


def held_back(daemon, reason, words, service="shop"):
    """The decision not to act stands on record, by name and in a sentence, and nothing has begun."""
    def found():
        return [entry for entry in daemon.audit(kind="decision.not_acted", service=service)
                if entry["detail"]["reason"] == reason]
    entry = wait_for(found, 10, "the refusal %s" % reason)[-1]
    assert words in entry["text"] and len(entry["text"].split()) > 6, entry["text"]
    assert entry["incident"]
    return entry


def hold_writes(sandbox):
    for method in ("PUT", "POST"):
        sandbox.fault("linode", "status", method=method, status=503, times=-1)


def crash(daemon):
    daemon.kill()
    daemon.start()


# ---- what holds a run of ours back -----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason,words,settings", [
    ("manual_mode", "a person has to start it", {"trigger": {"mode": "manual"}}),
    ("freeze", "a release", {"service": {"freeze": {"from": "2020-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z",
                                                    "reason": "a release"}}}),
    ("shadow_mode", "rbx", {"trigger": {"mode": "shadow"}}),
])
def test_a_configured_guard_holds_back_and_refuses_no_person(serve, reason, words, settings):
    daemon = serve(**settings)
    say(daemon)
    held_back(daemon, reason, words)
    assert daemon.runs() == []
    assert daemon.move(to="rbx").status == 202
    daemon.wait_active("rbx")


def test_a_pause_holds_back_over_a_crash_and_its_end_acts(serve):
    daemon = serve()
    assert daemon.post(PATH + "pause", {"reason": "maintenance of gra"}).status in (200, 202)
    refused(daemon.post(PATH + "pause", {"reason": "again"}), "wrong_state", "paused already")
    crash(daemon)
    assert daemon.service()["paused"]["reason"] == "maintenance of gra"
    say(daemon)
    held_back(daemon, "paused", "resume it")
    assert daemon.runs() == []
    assert daemon.post(PATH + "resume", {"reason": "done"}).status in (200, 202)
    daemon.wait_active("rbx")
    refused(daemon.post(PATH + "resume", {"reason": "again"}), "wrong_state", "not paused")


def test_the_cool_down_is_waited_for_over_a_crash(serve):
    daemon = serve({"cool_down": "3s"})
    assert daemon.move(to="rbx").status == 202
    daemon.wait_active("rbx")
    say(daemon, "rbx")
    held_back(daemon, "cool_down", "cool-down")
    crash(daemon)
    daemon.wait_active("gra")


def test_the_hold_is_waited_for_over_a_crash(serve):
    daemon = serve({"hold": "3s"})
    say(daemon)
    assert daemon.service()["timers"][0]["kind"] == "hold"
    crash(daemon)
    assert daemon.service()["active"] == "gra"
    daemon.wait_active("rbx")


def test_without_a_target_nothing_starts(serve):
    daemon = serve(top={"flood_guard": {"sites": 5, "within": "10m"}})
    say(daemon, "rbx")
    say(daemon, "gra", "second")
    held_back(daemon, "no_target", "no other site")
    assert daemon.runs() == []


def test_two_places_at_once_are_a_flood(make_daemon, sandbox):
    config = configured(sandbox, {"hold": "500ms"})
    shop = config["services"]["shop"]
    other = dict(shop, alerts=[{"source": "second", "match": {"alertname": "SiteDown", "service": "mail", "region": "par"},
                                "site": "par"}],
                 sites={"par": {"address": "192.0.2.30"}, "lil": {"address": "192.0.2.31"}}, prefer=["par", "lil"],
                 playbook=[one_step(record="mail")])
    config["services"]["mail"] = other
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    daemon.post("/api/v1/services/mail/adopt", {"to": "par", "reason": "a test"})
    say(daemon)
    say(daemon, "par", "second", service="mail")
    held_back(daemon, "flood", "down at once")
    assert daemon.runs() == []
    status = wait_for(lambda: (lambda s: s if s.get("flood") else None)(daemon.get("/api/v1/status").json), 5, "the flood")
    assert "gra" in status["flood"] and "par" in status["flood"]
    assert any("down at once" in line for line in daemon.log)


def test_what_goes_first_is_waited_for(make_daemon, sandbox):
    config = configured(sandbox)
    shop = config["services"]["shop"]
    config["services"]["database"] = dict(
        shop, trigger=dict(shop["trigger"], mode="approval"), playbook=[one_step(record="database")],
        alerts=[{"source": "second", "match": {"alertname": "SiteDown", "service": "database", "region": "gra"},
                 "site": "gra"}])
    shop["after"] = ["database"]
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    daemon.post("/api/v1/services/database/adopt", {"to": "gra", "reason": "a test"})
    say(daemon)
    held_back(daemon, "dependency", "database goes first")
    assert daemon.runs() == []
    assert daemon.post("/api/v1/services/database/adopt", {"to": "rbx", "reason": "moved by hand"}).status in (200, 202)
    daemon.wait_active("rbx")


def test_votes_elsewhere_and_an_unknown_place_start_nothing(serve):
    daemon = serve(playbook=[one_step(), {"name": "a", "action": "http.check", "url": "http://127.0.0.1:9/", "retries": 0}])
    say(daemon, "rbx")
    entries = daemon.audit(kind="decision.vote")
    assert "rbx is down" in entries[-1]["text"]
    assert daemon.runs() == [] and daemon.service()["active"] == "gra"


# ---- before the first effect, and the file that stops everything -----------------------------------------------------


def test_a_broken_quorum_takes_a_run_back_before_its_first_effect(serve, sandbox):
    check = {"name": "standby answers", "action": "http.check", "url": "http://127.0.0.1:9/", "retries": -1}
    daemon = serve(playbook=[check, one_step()])
    say(daemon)
    wait_for(lambda: daemon.runs() and daemon.runs()[0]["state"] == "running", 10, "the run")
    say(daemon, status="resolved")
    run = daemon.wait_run("cancelled")
    assert daemon.service()["active"] == "gra" and "cool_down" not in [timer["kind"] for timer in daemon.service()["timers"]]
    texts = [entry["text"] for entry in daemon.audit(kind="decision.cancel")]
    assert len(texts) == 1 and "is cancelled" in texts[0] and "gra" in texts[0]
    assert sandbox.dig("app.example.com") == [GRA] and run["has_effect"] is False


def test_the_kill_switch_stops_a_persons_run_before_its_apply(make_daemon, sandbox, tmp_path):
    switch = tmp_path / "turnout.stop"
    config = configured(sandbox)
    config["server"]["kill_switch"] = str(switch)
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    switch.write_text("")
    sandbox.clear_requests()
    assert daemon.move(to="rbx").status == 202

    def told():
        return [entry for entry in daemon.audit(kind="run.attempt") if "kill switch" in entry["text"]]
    entry = wait_for(told, 10, "the attempt that was held back")[0]
    assert str(switch) in entry["text"] and entry["detail"]["outcome"] == "temporary"
    assert [r for r in sandbox.requests("linode") if r["method"] != "GET"] == []
    crash(daemon)
    assert [r for r in sandbox.requests("linode") if r["method"] != "GET"] == []
    switch.unlink()
    daemon.wait_active("rbx", 40)
    assert sandbox.dig("app.example.com") == [RBX]


# ---- a yes or no -----------------------------------------------------------------------------------------------------


def test_a_yes_after_a_crash(serve, sandbox):
    daemon = serve({"mode": "approval"})
    say(daemon)
    run = daemon.wait_question()
    crash(daemon)
    assert daemon.service()["waiting"]["run"] == run and daemon.service()["active"] == "gra"
    assert sandbox.dig("app.example.com") == [GRA]
    refused(daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "x"}), "wrong_state", "approve or reject")
    assert daemon.post("/api/v1/runs/%s/approve" % run, {"reason": "gra burns"}).status in (200, 202)
    daemon.wait_active("rbx")
    said = daemon.audit(kind="decision.approved")[-1]["text"]
    assert "gra burns" in said and "prometheus" in said
    refused(daemon.post("/api/v1/runs/%s/approve" % run, {"reason": "x"}), "wrong_state", "over")


def test_a_no_lasts_as_long_as_the_incident(serve):
    daemon = serve({"mode": "approval"})
    say(daemon)
    run = daemon.wait_question()
    assert daemon.post("/api/v1/runs/%s/reject" % run, {"reason": "a drill"}).status in (200, 202)
    say(daemon, source="second")
    crash(daemon)
    time.sleep(0.5)
    assert [run["state"] for run in daemon.runs()] == ["cancelled"]
    say(daemon, status="resolved")
    say(daemon, source="second", status="resolved")
    say(daemon, starts="2026-11-21T12:00:00Z")
    daemon.wait_question()


def test_the_deadline_answers_after_a_crash(serve):
    daemon = serve({"mode": "approval", "approval": {"deadline": "3s", "then": "approve", "remind": "1s"}})
    say(daemon)
    daemon.wait_question()
    wait_for(lambda: daemon.audit(kind="run.reminder"), 10, "a reminder")
    assert any("waits" in line for line in daemon.log)
    crash(daemon)
    daemon.wait_active("rbx")
    assert "nobody answered" in daemon.audit(kind="decision.approved")[-1]["text"]


def test_yes_is_refused_for_a_target_that_is_down(serve):
    daemon = serve({"mode": "approval", "votes": 1}, top={"flood_guard": {"sites": 5, "within": "1s"}})
    say(daemon)
    run = daemon.wait_question()
    # A vote against the target takes back a run that waits: there is nothing left to approve.
    say(daemon, "rbx", "second")
    wait_for(lambda: daemon.run(run)["state"] == "cancelled", 10, "the run to be taken back")
    refused(daemon.post("/api/v1/runs/%s/approve" % run, {"reason": "x"}), "wrong_state", "over")


# ---- what refuses a person -------------------------------------------------------------------------------------------


def test_a_target_that_is_down_is_overridden_by_name(serve):
    daemon = serve({"votes": 2})
    say(daemon, "rbx")
    refused(daemon.move(to="rbx"), "target_down", "rbx is said to be down: it has 1 of 2 votes")
    assert daemon.move(to="rbx", override=["target_down"], reason=" ").status == 400
    assert daemon.audit(kind="operator.break_glass") == []
    assert daemon.move(to="rbx", override=["target_down"], reason="the monitor lies").status == 202
    daemon.wait_active("rbx")
    glass = daemon.audit(kind="operator.break_glass")[0]
    assert glass["text"] == "oncall overrides target_down: the monitor lies" and glass["who"] == "operator oncall"


def test_a_failed_check_is_overridden_by_name(serve):
    check = {"name": "standby answers", "action": "http.check", "url": "http://127.0.0.1:9/", "retries": 0}
    daemon = serve(playbook=[check, one_step()])
    assert daemon.move(to="rbx").status == 202
    daemon.wait_run("attention")
    refused(daemon.move(to="rbx"), "run_in_progress", "replaced")
    answer = daemon.move(to="rbx", override=["preflight"], replace=True, reason="it is the check that is wrong")
    assert answer.status == 202, answer.body
    daemon.wait_active("rbx")
    run = daemon.run(answer.json["run"])
    assert [step["state"] for step in run["steps"]] == ["skipped", "done"]
    assert daemon.audit(kind="operator.break_glass")[0]["text"].startswith("oncall overrides run_in_progress preflight")


def test_refusals_of_a_person_by_name(serve):
    daemon = serve(playbook=[one_step(when=["outage"])])
    refused(daemon.move(to="gra"), "already_active", "gra")
    refused(daemon.move(planned=True), "no_steps", "planned")
    refused(daemon.move("failback"), "no_steps", "failback")
    refused(daemon.post(PATH + "vote", {"site": "gra", "says": "nothing", "reason": "x"}), "wrong_state", "no person has cast a vote")
    assert daemon.move(to="mars").status == 404
    say(daemon, "rbx", "second")
    refused(daemon.move(), "no_target", "every other site")


# ---- planned moves, and one run in place of another ------------------------------------------------------------------


def test_a_planned_move_has_its_own_steps(serve):
    daemon = serve(playbook=[one_step(name="drain", record="drain", when=["planned"]), one_step(when=["outage", "planned"]),
                             one_step(name="fence", record="fence", when=["outage"])])
    answer = daemon.move(to="rbx", planned=True)
    assert answer.status == 202, answer.body
    run = daemon.run(answer.json["run"])
    assert [step["name"] for step in run["steps"]] == ["drain", "Linode DNS"] and run["occasion"] == "planned"


def test_a_run_in_progress_is_replaced(serve, sandbox):
    daemon = serve()
    hold_writes(sandbox)
    first = daemon.move(to="rbx").json["run"]
    wait_for(lambda: [e for e in daemon.audit(kind="run.attempt") if e["detail"]["phase"] == "apply"], 15, "an apply")
    refused(daemon.move(to="rbx"), "run_in_progress", "replaced")
    sandbox.clear_faults()
    answer = daemon.move(to="rbx", replace=True, reason="once more")
    assert answer.status == 202, answer.body
    assert daemon.run(first)["state"] in ("cancelled", "succeeded")
    daemon.wait_active("rbx")


# ---- votes of people -------------------------------------------------------------------------------------------------


def test_a_persons_vote_makes_the_quorum_and_survives(serve):
    daemon = serve({"votes": 2})
    assert daemon.post(PATH + "vote", {"site": "gra", "says": "down", "reason": "I see it"}).status in (200, 202)
    crash(daemon)
    assert daemon.runs() == []
    say(daemon)
    daemon.wait_active("rbx")
    assert "operator" in daemon.audit(kind="decision.run")[0]["text"]


# ---- the log ---------------------------------------------------------------------------------------------------------


def test_every_entry_of_a_decision_names_its_incident(serve):
    daemon = serve({"hold": "300ms"})
    say(daemon)
    daemon.wait_active("rbx")
    entries = daemon.audit()
    incident = [e["incident"] for e in entries if e["kind"] == "decision.incident"][0]
    of_it = [e["kind"] for e in entries if e.get("incident") == incident]
    for kind in ("decision.vote", "decision.timer", "decision.incident", "decision.run", "decision.active", "decision.goes",
                 "run.started", "run.attempt", "run.finished"):
        assert kind in of_it, kind
    opening = [e for e in entries if e["kind"] == "decision.incident"][0]["detail"]
    assert opening["before"]["active_site"] == "gra" and opening["event"]["voter"] == "prometheus"
    refusal = daemon.move(to="rbx")
    refused(refusal, "already_active", "rbx")

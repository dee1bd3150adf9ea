"""Why something was done, and why not: as a person reads it on the command line, and in the answers to what is refused."""

import re

import pytest

from daemon import RBX, SECRETS, alert, configuration, delivery, wait_for

CHIEF_TOKEN = "approver-token-for-tests"


@pytest.fixture
def make_shop(make_daemon, sandbox):
    """A daemon whose shop is observed to be at gra; with somebody who may only approve."""

    def make(**changes):
        config = configuration(sandbox, **changes)
        config["operators"].append({"name": "chief", "role": "approver", "token": CHIEF_TOKEN})
        daemon = make_daemon(config)
        daemon.wait_active("gra")
        return daemon

    return make


def down(daemon, source="prometheus", site="gra"):
    token = {"prometheus": SECRETS["AM_TOKEN"], "second": SECRETS["AM2_TOKEN"]}[source]
    assert daemon.deliver(delivery(alert(site)), source, token).status == 202


def over(daemon, site="gra"):
    assert daemon.deliver(delivery(alert(site, status="resolved", ends="2026-11-21T11:00:00Z"))).status == 202


def said(daemon, *words, code=0):
    """What a subcommand prints."""
    result = daemon.command(*words)
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout + result.stderr


def incident(daemon, **wanted):
    """The newest, once it is as wanted."""
    def found():
        items = daemon.get("/api/v1/incidents?limit=1").json["items"]
        return items[0] if items and all(items[0][key] == value for key, value in wanted.items()) else None
    return wait_for(found, 15, "an incident with %r" % wanted)


# ---- why -------------------------------------------------------------------------------------------------------------


def test_from_a_real_alert_to_the_run(make_shop, make_alertmanager):
    daemon = make_shop()
    make_alertmanager(daemon.hooks + "/hooks/prometheus").post("gra")
    daemon.wait_run("succeeded")
    told = said(daemon, "why", "shop")
    order = ["prometheus says gra is down", "it counts as down when they hold for 200 ms", "gra is down: 1 of 1 vote",
             "failover from gra to rbx"]
    places = [told.find(text) for text in order]
    assert -1 not in places and places == sorted(places), told
    assert "rbx is the active site: votes on gra start nothing" in told
    one = incident(daemon)
    full = daemon.get("/api/v1/incidents/" + one["id"]).json
    assert full["run"] == daemon.runs()[0]["id"] and full["left_out"] == 0
    assert all(item["entry"]["incident"] == one["id"] for item in full["chain"])
    # By its id it is the same story, but for what is now.
    assert said(daemon, "why", one["id"]).splitlines()[:4] == told.splitlines()[:4]


def test_an_incident_that_is_over(make_shop):
    daemon = make_shop(votes=2)
    down(daemon)
    incident(daemon, resolved_at=None)
    assert "1 of 2 votes say that gra is down: nothing starts before 1 more says so" in said(daemon, "why", "shop")
    assert re.search(r"silent of gra: .*second", said(daemon, "why", "shop"))
    over(daemon)
    wait_for(lambda: daemon.get("/api/v1/incidents?open=true").json["items"] == [], 15, "its end")
    assert "it is over, and nothing was decided: there was 1 vote at most where 2 are needed" in said(daemon, "why", "shop")
    assert "gra of shop, until" in said(daemon, "incidents", "shop")
    assert said(daemon, "incidents", "--open") == ""


def test_a_service_without_an_incident(make_shop):
    daemon = make_shop()
    assert said(daemon, "why", "shop") == "shop has had no incident: nobody has said that one of its sites is down\n"
    assert "there is no service shup" in said(daemon, "why", "shup", code=1)
    assert "there is no such incident" in said(daemon, "why", "01920000-0000-7000-8000-000000000000", code=1)


# ---- why not ---------------------------------------------------------------------------------------------------------


def test_a_pause_is_the_reason_until_it_ends(make_shop):
    daemon = make_shop()
    assert "nothing starts by itself for shop" in said(daemon, "pause", "shop", "--reason", "works on the database")
    down(daemon)
    incident(daemon, reason="paused")
    told = said(daemon, "why", "shop")
    assert told.count("gra is down, and nothing is started") == 1, told
    assert told.count("`turnout resume shop --reason TEXT` ends the pause") == 2  # where it was refused, and now
    status = said(daemon, "status")
    assert status.startswith("PAUSED       shop by oncall since ") and "works on the database" in status.splitlines()[0]
    assert "turnout resume shop --reason TEXT" in status
    said(daemon, "resume", "shop", "--reason", "works are over")
    daemon.wait_run("succeeded")
    assert "PAUSED" not in said(daemon, "status")


def test_manual_mode_says_how_to_start_it(make_shop):
    daemon = make_shop(mode="manual")
    down(daemon)
    incident(daemon, reason="manual_mode")
    assert "`turnout failover shop --reason TEXT` starts it" in said(daemon, "why", "shop")


# ---- a run that waits ------------------------------------------------------------------------------------------------


def test_the_command_that_status_shows_approves(make_shop, sandbox):
    daemon = make_shop(mode="approval")
    down(daemon)
    run = daemon.wait_question()
    status = said(daemon, "status")
    assert status.startswith("WAITING      the failover of shop to rbx waits for a yes or no"), status
    shown = re.search(r"turnout (approve \S+ --reason) TEXT", status)[1].split()
    assert "waits for a yes or no: `turnout approve " + run in said(daemon, "why", "shop")
    assert daemon.service()["active"] == "gra"
    assert daemon.command(*shown, "I have looked", token=CHIEF_TOKEN).returncode == 0
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.com") == [RBX]
    calls = daemon.audit(kind="operator.call")
    assert calls[-1]["who"] == "operator chief" and "I have looked" in calls[-1]["text"]


def test_a_no_is_the_reason_afterwards(make_shop):
    daemon = make_shop(mode="approval")
    down(daemon)
    run = daemon.wait_question()
    assert daemon.post("/api/v1/runs/%s/reject" % run, {"reason": "the check is wrong"}, CHIEF_TOKEN).status == 200
    daemon.wait_run("cancelled")
    wait_for(lambda: daemon.service()["waiting"] is None, 15, "nothing to wait")
    told = said(daemon, "why", "shop")
    assert "the check is wrong" in told and "before this incident has fallen" in told
    again = daemon.post("/api/v1/runs/%s/approve" % run, {"reason": "after all"})
    assert (again.status, again.json["error"]["code"]) == (409, "wrong_state"), again.body
    assert len(daemon.runs()) == 1


# ---- what a person is refused ----------------------------------------------------------------------------------------


def test_a_target_that_is_down_and_insisting(make_shop, sandbox):
    daemon = make_shop()
    down(daemon, site="rbx")
    wait_for(lambda: daemon.service()["sites"][1]["vote"] == "down", 15, "the vote on rbx")
    answer = daemon.move(to="rbx")
    error = answer.json["error"]
    assert (answer.status, error["code"], error["override"], error["replace"]) == (409, "target_down", "target_down", False)
    assert "rbx" in error["message"] and "prometheus" in error["message"], error
    refused = said(daemon, "failover", "shop", "--to", "rbx", "--reason", "a drill", code=3)
    assert "if you know better: --override target_down" in refused
    said(daemon, "failover", "shop", "--to", "rbx", "--reason", "its monitor is wrong", "--override", "target_down")
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.com") == [RBX]
    assert daemon.runs()[0]["overrides"] == "target_down"
    glass = daemon.audit(kind="operator.break_glass")
    assert len(glass) == 1 and "its monitor is wrong" in glass[0]["text"]


def test_a_run_in_the_way_and_taking_it_over(make_shop, sandbox):
    daemon = make_shop()
    sandbox.fault("linode", "status", method="PUT", status=503, times=-1)
    first = daemon.move().json["run"]
    wait_for(lambda: daemon.run(first)["steps"][0]["n_attempts"] > 0, 15, "its first attempt")
    error = daemon.move().json["error"]
    assert (error["code"], error["override"], error["replace"]) == ("run_in_progress", None, True)
    assert "--replace" in said(daemon, "failover", "shop", "--reason", "again", code=3)
    sandbox.reset()
    said(daemon, "failover", "shop", "--to", "rbx", "--replace", "--reason", "the other way is stuck")
    wait_for(lambda: daemon.runs()[0]["id"] != first and daemon.runs()[0]["state"] == "succeeded", 30, "the second run")
    assert daemon.run(first)["state"] == "cancelled"


def test_a_vote_of_a_person(make_shop):
    daemon = make_shop(votes=2)
    down(daemon)
    said(daemon, "vote", "shop", "--site", "gra", "--says", "down", "--reason", "the provider told us")
    daemon.wait_run("succeeded")
    told = said(daemon, "why", "shop")
    assert "operator oncall: " in told and "the provider told us" in told and "2 of 2 votes" in told
    said(daemon, "vote", "shop", "--site", "gra", "--says", "nothing", "--reason", "it is over")
    wait_for(lambda: daemon.service()["sites"][0]["down_votes"] == 1, 15, "the vote to be gone")


def test_roles_by_curl(make_shop):
    daemon = make_shop()
    for call in ("failover", "failback", "adopt", "pause", "resume", "vote"):
        answer = daemon.post("/api/v1/services/shop/" + call, {"reason": "x"}, CHIEF_TOKEN)
        assert (answer.status, answer.json["error"]["message"]) == (403, "this needs the role operator; chief has the role approver")
    assert daemon.get("/api/v1/services", CHIEF_TOKEN).status == 200
    assert any("approver" in entry["text"] for entry in wait_for(lambda: daemon.audit(kind="operator.refused"), 10, "the record"))


# ---- shadow ----------------------------------------------------------------------------------------------------------


def test_shadow_reports_what_it_would_have_done(make_shop):
    daemon = make_shop(mode="shadow")
    assert "nothing would have been started" in said(daemon, "shadow", "report")
    down(daemon)
    incident(daemon, would_to="rbx")
    over(daemon)
    wait_for(lambda: daemon.get("/api/v1/incidents?open=true").json["items"] == [], 15, "its end")
    report = daemon.get("/api/v1/shadow").json["items"]
    assert [(one["service"], one["right"], one["false"], one["open"]) for one in report] == [("shop", 0, 1, 0)]
    told = said(daemon, "shadow", "report", "--since", "1d")
    assert "1 failover would have been started: 0 right, 1 false; no false one with `votes: 1` and `hold: " in told, told
    assert daemon.runs() == [] and daemon.service()["active"] == "gra"
    assert "would have been moved to rbx" in said(daemon, "why", "shop")
    assert "is none" in said(daemon, "shadow", "report", "--since", "a month", code=2)


def test_shadow_was_right_when_a_person_did_it(make_shop):
    daemon = make_shop(mode="shadow")
    down(daemon)
    incident(daemon, would_to="rbx")
    said(daemon, "failover", "shop", "--reason", "it is true")
    daemon.wait_run("succeeded")
    report = daemon.get("/api/v1/shadow").json["items"][0]
    assert (report["right"], report["false"]) == (1, 0) and report["cases"][0]["is_moved"]

"""Votes at the running daemon: they grow old, are kept fresh by repeats, outlive a kill, and say up only where somebody
says so."""

import datetime
import time

from daemon import SOURCE_TOKEN, alert, configuration, delivery, request, seconds, wait_for

PINGDOM_TOKEN = "token-of-pingdom-01"


def voter(daemon, name="prometheus", site="gra"):
    voters = next(each["voters"] for each in daemon.service()["sites"] if each["name"] == site)
    return next(each for each in voters if each["voter"] == name)


def wait_vote(daemon, vote, name="prometheus", site="gra", timeout_s=30):
    return wait_for(lambda: voter(daemon, name, site)["vote"] == vote, timeout_s, "%s to say %s of %s" % (name, vote, site))


def expiries(daemon):
    return [entry for entry in daemon.audit(kind="decision.vote") if "prometheus has not repeated" in entry["text"]]


def old(expires):
    """Two votes are needed, so that nothing starts."""
    config = configuration(votes=2)
    config["sources"]["prometheus"]["vote_expires"] = expires
    return config


def test_a_vote_expires_and_comes_back_with_a_repeat(make_daemon):
    daemon = make_daemon(old("2s"))
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    wait_vote(daemon, "down")
    wait_vote(daemon, "unknown")
    assert "prometheus has not repeated for 2 s that gra is down: its vote does not count any more" in expiries(daemon)[0]["text"]
    assert voter(daemon)["alerts"] == 1  # it still fires, as far as anybody knows
    repeat = daemon.deliver(delivery(alert("gra")))
    assert repeat.status == 200 and repeat.json["duplicate"]
    assert [entry["detail"]["vote"] for entry in daemon.audit(kind="decision.vote")][:3] == ["down", "unknown", "down"]


def test_repeats_keep_a_vote_for_as_long_as_they_come(make_daemon):
    daemon = make_daemon(old("10s"))
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    first = seconds(voter(daemon)["heard_at"])
    until = time.monotonic() + 12
    while time.monotonic() < until:
        assert daemon.deliver(delivery(alert("gra"))).json["duplicate"]
        time.sleep(0.2)
    assert voter(daemon)["vote"] == "down" and not expiries(daemon)
    wait_for(lambda: seconds(voter(daemon)["heard_at"]) > first + 5, what="the repeats to be saved")


def test_a_vote_outlives_a_kill_and_grows_old_meanwhile(make_daemon):
    daemon = make_daemon(old("12s"))
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    heard = seconds(voter(daemon)["heard_at"])
    daemon.kill()
    daemon.start()
    assert voter(daemon)["vote"] == "down"
    assert abs(seconds(voter(daemon)["heard_at"]) - heard) < 1
    assert daemon.deliver(delivery(alert("gra"))).json["duplicate"]
    daemon.kill()  # that repeat may not be saved yet: then the vote is as old as the last that is
    daemon.start()
    wait_vote(daemon, "unknown")
    expired = seconds(expiries(daemon)[0]["at"])
    assert expired > heard + 11
    daemon.kill()
    daemon.start()
    assert voter(daemon)["vote"] == "unknown" and len(expiries(daemon)) == 1


def test_a_heartbeat_says_up_for_as_long_as_it_is_fresh(make_daemon):
    config = old("4s")
    config["sources"]["prometheus"]["heartbeat"] = {"match": {"alertname": "Watchdog"}}
    daemon = make_daemon(config)
    beat = delivery({"status": "firing", "labels": {"alertname": "Watchdog"}, "annotations": {}, "startsAt": "2026-11-21T00:00:00Z",
                     "endsAt": "0001-01-01T00:00:00Z", "generatorURL": ""})
    assert daemon.deliver(beat).status == 202
    wait_vote(daemon, "up", site="gra")
    wait_vote(daemon, "up", site="rbx")
    assert voter(daemon, "second")["vote"] == "unknown"
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    wait_vote(daemon, "down")
    assert daemon.deliver(beat).json["duplicate"]
    assert daemon.deliver(delivery(alert("gra", status="resolved", ends="2026-11-21T11:00:00Z"))).status == 202
    wait_vote(daemon, "up")
    daemon.kill()
    daemon.start()
    wait_vote(daemon, "unknown", site="gra")
    wait_vote(daemon, "unknown", site="rbx")
    assert any("the heartbeat of prometheus is gone" in entry["text"] for entry in daemon.audit(kind="decision.vote"))
    assert daemon.deliver(beat).json["duplicate"]
    wait_vote(daemon, "up", site="rbx")


def test_only_who_says_up_says_up(make_daemon):
    config = configuration(votes=2, alerts=[{"source": "pingdom", "match": {"check_id": "85975"}, "site": "gra"},
                                            {"source": "prometheus", "match": {"alertname": "SiteDown"}, "site": "gra"}])
    config["sources"]["pingdom"] = {"kind": "pingdom", "path_token": PINGDOM_TOKEN}
    daemon = make_daemon(config)

    def pingdom(state, at):
        body = {"check_id": 85975, "check_name": "shop", "check_type": "HTTP", "check_params": {}, "tags": [],
                "current_state": state, "state_changed_timestamp": at, "second_probe": {}}
        return request("POST", daemon.hooks + "/hooks/pingdom/" + PINGDOM_TOKEN, body)

    assert pingdom("DOWN", 1795262400).status == 202
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert (voter(daemon, "pingdom")["vote"], voter(daemon)["vote"]) == ("down", "down")
    assert pingdom("UP", 1795262460).status == 202
    assert daemon.deliver(delivery(alert("gra", status="resolved", ends="2026-11-21T11:00:00Z"))).status == 202
    assert (voter(daemon, "pingdom")["vote"], voter(daemon)["vote"]) == ("up", "unknown")
    site = next(each for each in daemon.service()["sites"] if each["name"] == "gra")
    assert (site["down_votes"], site["up_votes"]) == (0, 1)
    # a day: it says so once, and only when something changes
    heard, expires = (seconds(voter(daemon, "pingdom")[key]) for key in ("heard_at", "expires_at"))
    assert abs(expires - heard - 86400) < 1
    assert daemon.audit(kind="intake.alerts")[-2]["text"] == "0 alerts began to fire, 0 resolved, 1 up"


def test_the_public_name_is_listened_to_again_when_old_answers_have_run_out(make_daemon, sandbox):
    """`second` watches the public name: while a run moves it, and until its old TTL is over, what it says is put off."""
    config = configuration(sandbox, hold="0s", alerts=[
        {"source": "prometheus", "match": {"alertname": "SiteDown", "region": "gra"}, "site": "gra"},
        {"source": "second", "match": {"alertname": "NameDown"}, "site": "active"}])
    step = next(step for step in config["services"]["shop"]["playbook"] if step["name"] == "Route 53")
    step["ttl"] = 8
    config["services"]["shop"]["playbook"] = [step]
    daemon = make_daemon(config)
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "a TTL that is not there yet"}).status < 300
    daemon.wait_active("gra")
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    daemon.wait_active("rbx")

    starts = datetime.datetime.now(datetime.timezone.utc).isoformat().replace("+00:00", "Z")

    def say():
        return daemon.deliver(delivery(alert("any", name="NameDown", starts=starts)), "second", SOURCE_TOKEN + "-second")

    assert say().status == 202
    assert say().json["duplicate"]
    put_off = [entry["text"] for entry in daemon.audit(kind="decision.not_acted") if "old answers" in entry["text"]]
    assert len(put_off) == 1
    assert voter(daemon, "second", "rbx")["alerts"] == 0
    wait_for(lambda: not any(timer["kind"] == "settle" for timer in daemon.service()["timers"]), 30, "old answers to run out")
    taken = say()
    assert taken.status == 202 and not taken.json["duplicate"]
    assert voter(daemon, "second", "rbx")["vote"] == "down"
    assert voter(daemon, "second", "gra")["vote"] == "unknown"
    assert say().json["duplicate"]

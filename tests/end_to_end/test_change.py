"""A configuration that changes between two starts: what the database remembers meets services, sites, sources and playbooks
that are others now."""

from daemon import GRA, RBX, SOURCE_TOKEN, alert, configuration, delivery, seconds, wait_for


def restart(daemon, config):
    daemon.stop()
    daemon.configure(config)
    daemon.start()


def assert_intact(daemon):
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True


def test_a_service_goes_and_comes_back_in_the_middle_of_its_run(daemon, sandbox):
    sandbox.fault("ovh", "status", status=503, times=-1)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["state"] == "done", 15, "the first step")
    config, other = configuration(sandbox), configuration(sandbox)
    other["services"]["bank"] = dict(other["services"].pop("shop"), alerts=[])
    restart(daemon, other)
    assert [service["name"] for service in daemon.get("/api/v1/services").json["items"]] == ["bank"]
    # The run is on record, and waits.
    assert daemon.run(run)["state"] == "running"
    told = [entry for entry in daemon.audit() if entry.get("run") == run][-1]
    assert told["kind"] == "run.attention" and "which the configuration does not have" in told["text"]
    refused = daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "x"})
    assert refused.status == 409 and "put it back" in refused.json["error"]["message"]
    sandbox.clear_faults()
    restart(daemon, config)
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the run")
    assert daemon.service()["active"] == "rbx"
    for name in ("app.example.com", "app.example.net", "app.example.org"):
        assert sandbox.dig(name) == [RBX]
    assert_intact(daemon)


def test_a_run_keeps_the_playbook_that_it_began_with(daemon, sandbox):
    sandbox.fault("ovh", "status", code="FORBIDDEN", times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["sites"]["rbx"]["address"] = "203.0.113.99"
    shop["playbook"] = shop["playbook"][:1]
    restart(daemon, config)
    assert len(daemon.run(run)["steps"]) == 3
    sandbox.clear_faults()
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "as it was"}).status == 200
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the run")
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["done"] * 3
    assert sandbox.dig("app.example.org") == [RBX] and sandbox.dig("app.example.com") == [RBX]


def test_a_provider_is_gone_in_the_middle_of_a_run(daemon, sandbox):
    sandbox.fault("ovh", "status", status=503, times=-1)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["state"] == "done", 15, "the first step")
    config = configuration(sandbox)
    del config["providers"]["ovh"]
    shop = config["services"]["shop"]
    shop["playbook"] = [step for step in shop["playbook"] if step["provider"] != "ovh"]
    restart(daemon, config)
    stopped = daemon.wait_run("attention")
    assert "provider" in stopped["error"] and "ovh" in stopped["error"], stopped["error"]
    assert daemon.post("/api/v1/runs/%s/skip" % run, {"reason": "it has moved away from there"}).status == 200
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.org") == [RBX] and sandbox.dig("app.example.net") == [GRA]


def test_the_site_that_a_run_goes_to_is_gone(daemon, sandbox):
    """It can only end as unknown, but the record keeps saying where it went."""
    sandbox.fault("ovh", "status", code="FORBIDDEN", times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    sandbox.clear_faults()
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["sites"] = {"gra": {"address": GRA}, "waw": {"address": "203.0.113.7"}}
    shop["prefer"] = ["gra", "waw"]
    shop["alerts"] = shop["alerts"][:1]
    restart(daemon, config)
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "x"}).status == 200
    after = daemon.wait_run("succeeded")
    assert (after["from"], after["to"], daemon.service()["active"]) == ("gra", "rbx", "unknown")
    assert [entry["text"] for entry in daemon.audit(kind="run.finished")] == ["failover of shop to rbx: succeeded: every step is done"]


def test_the_active_site_is_gone(daemon, sandbox):
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["sites"] = {"waw": {"address": "203.0.113.7"}, "rbx": {"address": RBX}}
    shop["prefer"] = ["waw", "rbx"]
    shop["alerts"] = [{"source": "prometheus", "match": {"alertname": "SiteDown", "region": "waw"}, "site": "waw"}]
    restart(daemon, config)
    wait_for(lambda: daemon.audit(kind="decision.observed"), 20, "a look")
    assert daemon.service()["active"] == "unknown"
    entry = daemon.audit(kind="decision.active")[-1]
    assert entry["detail"]["reason"] == "configuration" and "not in the configuration" in entry["text"]
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "rbx", "reason": "it is"}).status == 200
    # Back to the old configuration: what was said last holds.
    restart(daemon, configuration(sandbox))
    assert daemon.service()["active"] == "rbx"
    assert_intact(daemon)


def test_an_alert_from_before_it_meant_something(make_daemon, sandbox):
    config = configuration(sandbox, hold="1h")
    config["services"]["shop"]["alerts"] = [
        {"source": "prometheus", "match": {"alertname": "Other"}, "site": "gra"}]
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert daemon.service()["sites"][0]["down_votes"] == 0
    restart(daemon, configuration(sandbox, hold="1h"))
    # The next repeat of it is news now.
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert daemon.service()["sites"][0]["down_votes"] == 1
    assert daemon.deliver(delivery(alert("gra"))).status == 200


def test_a_rule_is_corrected_while_its_alert_fires(make_daemon, sandbox):
    """The wrong vote goes and the right one comes with the alert's next repeat."""
    right, wrong = configuration(sandbox, hold="1h"), configuration(sandbox, hold="1h")
    wrong["services"]["shop"]["alerts"] = [
        {"source": "prometheus", "match": {"alertname": "SiteDown", "region": "gra"}, "site": "rbx"}]
    daemon = make_daemon(wrong)
    daemon.wait_active("gra")
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert [site["down_votes"] for site in daemon.service()["sites"]] == [0, 1]
    restart(daemon, right)
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert [site["down_votes"] for site in daemon.service()["sites"]] == [1, 0]
    assert daemon.deliver(delivery(alert("gra"))).status == 200
    hold = daemon.service()["timers"]
    # Another service that it speaks of as well changes nothing for this one.
    both = dict(right, services=dict(right["services"], bank=dict(right["services"]["shop"], alerts=[
        {"source": "prometheus", "match": {"alertname": "SiteDown"}, "site": "gra"}])))
    restart(daemon, both)
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert [daemon.service(name)["sites"][0]["down_votes"] for name in ("shop", "bank")] == [1, 1]
    still = daemon.service()["timers"]
    assert len(still) == len(hold) == 1 and abs(seconds(still[0]["due_at"]) - seconds(hold[0]["due_at"])) < 0.05
    # A rule that is taken out takes its vote with it.
    right["services"]["shop"]["alerts"] = right["services"]["shop"]["alerts"][1:]
    restart(daemon, right)
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert [site["down_votes"] for site in daemon.service()["sites"]] == [0, 0]
    assert daemon.deliver(delivery(alert("gra"))).status == 200


def test_a_source_is_gone_with_its_vote(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, votes=2, hold="1h"))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra")))
    daemon.deliver(delivery(alert("gra")), source="second", token=SOURCE_TOKEN + "-second")
    assert daemon.service()["timers"]
    config = configuration(sandbox, votes=2, hold="1h")
    del config["sources"]["second"]
    shop = config["services"]["shop"]
    shop["alerts"] = [rule for rule in shop["alerts"] if rule["source"] != "second"]
    restart(daemon, config)
    assert daemon.service()["sites"][0]["down_votes"] == 1
    wait_for(lambda: not [timer for timer in daemon.service()["timers"] if timer["kind"] == "hold"], 5, "the hold to end")
    # It resolves while it is not known any more, and is back later: its vote still stands, until it resolves.
    restart(daemon, configuration(sandbox, votes=2, hold="1h"))
    assert daemon.service()["sites"][0]["down_votes"] == 2
    resolved = delivery(alert("gra", "resolved", ends="2026-11-21T10:05:00Z"))
    assert daemon.deliver(resolved, source="second", token=SOURCE_TOKEN + "-second").status == 202
    assert daemon.service()["sites"][0]["down_votes"] == 1
    assert_intact(daemon)


def test_the_mode_becomes_manual_while_a_hold_runs(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, hold="3s"))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra")))
    restart(daemon, configuration(sandbox, hold="3s", mode="manual"))
    entry = wait_for(lambda: daemon.audit(kind="decision.not_acted"), 15, "a reason on record")[-1]
    assert entry["detail"]["reason"] == "manual_mode" and daemon.runs() == []
    # And automatic again: the outage that stands is acted on.
    restart(daemon, configuration(sandbox, hold="3s"))
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.org") == [RBX]

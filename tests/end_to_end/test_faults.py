"""What the providers do wrong, and what becomes of a run: temporary trouble is sat out, permanent trouble stops it in the
provider's own words, and every effect is made once, except for the same again after an outcome that nobody knows."""

import json

import pytest

from daemon import GRA, RBX, configuration, request, wait_for

ZONES = {"linode": "app.example.com", "ovh": "app.example.net", "aws": "app.example.org"}
PROVIDER_OF_SANDBOX = {"linode": "linode", "ovh": "ovh", "aws": "route53"}


def one_each(sandbox, **step_settings):
    """Three services, one at each provider, so that the same fault is tried at the three at once."""
    config = configuration(sandbox)
    shop = config["services"].pop("shop")
    for step in shop["playbook"]:
        name = step["provider"]
        config["services"][name] = dict(shop, playbook=[dict(step, **step_settings)], alerts=[
            {"source": "prometheus", "match": {"alertname": "SiteDown", "service": name, "region": "gra"}, "site": "gra"}])
    return config


def only(sandbox, *providers, **step_settings):
    """shop with the steps of these providers only."""
    steps = [dict(step, **step_settings) for step in configuration(sandbox)["services"]["shop"]["playbook"]
             if step["provider"] in providers]
    return configuration(sandbox, playbook=steps)


def effects(sandbox, provider=None):
    """What was changed, as (method, path, body): the same twice is the same change made again."""
    return [(entry["method"], entry["path"], entry["body"]) for entry in sandbox.requests()
            if entry["effect"] and provider in (None, entry["provider"])]


def attempts(daemon, run, step=0):
    return daemon.run(run)["steps"][step]["attempts"]


def start_three(make_daemon, sandbox, **step_settings):
    daemon = make_daemon(one_each(sandbox, **step_settings))
    wait_for(lambda: all(daemon.service(name)["active"] == "gra" for name in ZONES), 20, "the active sites")
    sandbox.clear_requests()
    return daemon


def move_three(daemon):
    for name in ZONES:
        assert daemon.post("/api/v1/services/%s/failover" % name, {"reason": "a test"}).status == 202


def wait_three(daemon, timeout_s=40):
    def done():
        states = {run["service"]: run["state"] for run in daemon.runs()}
        assert "attention" not in states.values(), [run["error"] for run in daemon.runs()]
        return len(states) == 3 and set(states.values()) == {"succeeded"}
    wait_for(done, timeout_s, "the three runs")


def assert_all_hit(sandbox):
    assert all(fault["hits"] > 0 for fault in sandbox.faults()), sandbox.faults()


# ---- temporary trouble, at all three at once -------------------------------------------------------------------------

WRITE_FAULTS = {
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}, "times": 2},
    "503": {"kind": "status", "status": 503, "times": 2},
    "500 with the effect": {"kind": "status", "status": 500, "effect": True},
    "time-out before the effect": {"kind": "timeout_before"},
    "time-out after the effect": {"kind": "timeout_after"},
    "reset before the effect": {"kind": "reset_before"},
    "reset after the effect": {"kind": "reset_after"},
    "a page of nginx": {"kind": "html", "status": 502},
    "a page of nginx with the effect": {"kind": "html", "status": 504, "effect": True},
    "half an answer": {"kind": "truncate"},
    "an answer of the wrong shape": {"kind": "garbage"},
    "a slow answer": {"kind": "slow", "ms": 800},
}
READ_FAULTS = {
    "429": {"kind": "status", "status": 429, "headers": {"Retry-After": "1"}},
    "500": {"kind": "status", "status": 500, "times": 2},
    "time-out": {"kind": "timeout_before"},
    "reset": {"kind": "reset_before", "times": 2},
    "a page of nginx": {"kind": "html", "status": 502, "times": 2},
    "half an answer": {"kind": "truncate"},
    "an answer of the wrong shape": {"kind": "garbage"},
    "an answer a byte at a time": {"kind": "drip", "ms": 400},
}


@pytest.mark.parametrize("name", WRITE_FAULTS)
def test_trouble_with_a_write_is_sat_out(make_daemon, sandbox, name):
    daemon = start_three(make_daemon, sandbox, timeout="1500ms")
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        sandbox.fault(provider, method=method, **WRITE_FAULTS[name])
    move_three(daemon)
    wait_three(daemon)
    assert_all_hit(sandbox)
    for record in ZONES.values():
        sandbox.wait_served(record, RBX)
    # The same change again does no harm; another one, or of another record, would.
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        made = [effect for effect in effects(sandbox, provider) if effect[0] == method]
        assert 1 <= len(made) <= 2 and len({path for _, path, _ in made}) == 1, made
        if "effect" not in name and "reset" not in name and "time-out" not in name and "wrong shape" not in name \
                and "half" not in name:
            assert len(made) == 1, made
    assert daemon.get("/api/v1/audit/verify").json["intact"]


@pytest.mark.parametrize("name", READ_FAULTS)
def test_trouble_with_a_read_is_sat_out(make_daemon, sandbox, name):
    daemon = start_three(make_daemon, sandbox, timeout="1500ms")
    for provider in ("linode", "ovh", "route53"):
        sandbox.fault(provider, method="GET", **READ_FAULTS[name])
        sandbox.fault(provider, method="GET", **dict(READ_FAULTS[name], skip=3, times=1))
    move_three(daemon)
    wait_three(daemon)
    for record in ZONES.values():
        sandbox.wait_served(record, RBX)
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        assert len([effect for effect in effects(sandbox, provider) if effect[0] == method]) == 1


def test_retry_after_is_honoured(make_daemon, sandbox):
    daemon = start_three(make_daemon, sandbox)
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        sandbox.fault(provider, "status", method=method, status=429, headers={"Retry-After": "3"})
    move_three(daemon)
    wait_three(daemon)
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        times = [entry["at"] for entry in sandbox.requests(provider) if entry["method"] in (method, "GET")]
        refused = next(entry["at"] for entry in sandbox.requests(provider, method) if entry["status"] == 429)
        after = min(at for at in times if at > refused)
        assert after - refused >= 2900, (provider, after - refused)


# ---- Linode ----------------------------------------------------------------------------------------------------------


def test_linode_busy_is_temporary(make_daemon, sandbox):
    daemon = make_daemon(only(sandbox, "linode"))
    daemon.wait_active("gra")
    sandbox.fault("linode", "status", method="PUT", code="busy", times=2)
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    assert "temporary" in [attempt["outcome"] for attempt in attempts(daemon, run)]
    assert sandbox.dig("app.example.com") == [RBX]


def test_linode_is_done_when_its_zone_file_has_it(make_daemon, sandbox):
    sandbox.options(linode_render_ms=2500)
    daemon = make_daemon(only(sandbox, "linode"))
    daemon.wait_active("gra")
    run = daemon.move().json["run"]
    wait_for(lambda: any(attempt["outcome"] == "not yet" for attempt in attempts(daemon, run)), 15, "a look that was too early")
    assert daemon.run(run)["state"] == "running"
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.com") == [RBX]


# ---- OVH -------------------------------------------------------------------------------------------------------------


def test_ovh_refresh_refused_once(make_daemon, sandbox):
    daemon = make_daemon(only(sandbox, "ovh"))
    daemon.wait_active("gra")
    sandbox.clear_requests()
    sandbox.fault("ovh", "status", method="POST", path_regex="/refresh", status=409)
    sandbox.fault("ovh", "status", method="POST", path_regex="/refresh", status=503)
    daemon.move()
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.net") == [RBX]
    made = effects(sandbox, "ovh")
    assert len({effect for effect in made if effect[0] == "PUT"}) == 1


def test_ovh_a_record_that_is_staged_and_not_served_is_not_done(make_daemon, sandbox):
    """Somebody has changed the record and has not refreshed the zone: the API says that all is right, and it is not served."""
    daemon = make_daemon(only(sandbox, "ovh"))
    daemon.wait_active("gra")
    sandbox.fault("ovh", "status", method="POST", path_regex="/refresh", status=503, times=-1)
    first = daemon.move().json["run"]
    wait_for(lambda: any(attempt["phase"] == "apply" for attempt in attempts(daemon, first)), 15, "the write")
    wait_for(lambda: sandbox.values("ovh", "example.net", "app.example.net", which="accepted") == [RBX], 10, "the staged record")
    assert daemon.post("/api/v1/runs/%s/cancel" % first, {"reason": "leave it staged"}).status == 200
    daemon.wait_run("cancelled")
    sandbox.clear_faults()
    assert sandbox.values("ovh", "example.net", "app.example.net") == [GRA]
    sandbox.clear_requests()
    second = daemon.move("failover", to="rbx").json["run"]
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.net") == [RBX]
    assert ("POST", "/ovh/1.0/domain/zone/example.net/refresh") in [(m, p) for m, p, _ in effects(sandbox, "ovh")]
    assert daemon.run(second)["steps"][0]["state"] == "done"


def test_ovh_refreshes_of_one_zone_are_serialised(make_daemon, sandbox):
    """Two services in one zone at once: a refresh never begins while another one of the zone is running."""
    sandbox.options(ovh_refresh_ms=700)
    config = only(sandbox, "ovh")
    step = config["services"]["shop"]["playbook"][0]
    sites = {"gra": {"address": "203.0.113.2"}, "rbx": {"address": RBX}}
    config["services"]["other"] = dict(config["services"]["shop"], sites=sites, playbook=[dict(step, record="app2")], alerts=[
        {"source": "prometheus", "match": {"alertname": "Other", "service": "other"}, "site": "gra"}])
    daemon = make_daemon(config)
    wait_for(lambda: all(daemon.service(name)["active"] == "gra" for name in ("shop", "other")), 20, "the active sites")
    sandbox.clear_requests()
    for name in ("shop", "other"):
        assert daemon.post("/api/v1/services/%s/failover" % name, {"reason": "both"}).status == 202
    wait_for(lambda: [run["state"] for run in daemon.runs()] == ["succeeded"] * 2, 40, "both runs")
    assert sandbox.dig("app.example.net") == [RBX] and sandbox.dig("app2.example.net") == [RBX]
    refused = [entry for entry in sandbox.requests("ovh", "POST") if entry["status"] == 409]
    assert refused == []


@pytest.mark.parametrize("provider, counted", [("ovh", "/refresh"), ("aws", "/rrset/")])
def test_several_runs_in_one_zone_share_what_ends_a_change(make_daemon, sandbox, provider, counted):
    config = only(sandbox, provider)
    shop = config["services"].pop("shop")
    records = {name: name + (".example.org" if provider == "aws" else "") for name in ("app", "api", "cdn", "drill-app")}
    for name, record in records.items():
        config["services"][name] = dict(shop, playbook=[dict(shop["playbook"][0], record=record)], alerts=[
            {"source": "prometheus", "match": {"alertname": "SiteDown", "service": name}, "site": "gra"}])
    daemon = make_daemon(config)
    wait_for(lambda: all(daemon.service(name)["active"] == "gra" for name in records), 20, "the active sites")
    sandbox.clear_requests()
    sandbox.fault(PROVIDER_OF_SANDBOX[provider], "slow", method="PUT" if provider == "ovh" else "POST", ms=1500)
    for name in records:
        assert daemon.post("/api/v1/services/%s/failover" % name, {"reason": "all"}).status == 202
    wait_for(lambda: [run["state"] for run in daemon.runs()] == ["succeeded"] * 4, 60, "the four runs")
    zone = "example.org" if provider == "aws" else "example.net"
    for name in records:
        assert sandbox.dig(name + "." + zone) == [RBX]
    made = [path for method, path, _ in effects(sandbox, PROVIDER_OF_SANDBOX[provider]) if method == "POST" and counted in path]
    assert 1 <= len(made) <= 3, made
    assert [entry for entry in sandbox.requests(PROVIDER_OF_SANDBOX[provider]) if (entry["status"] or 0) >= 400] == []


def test_ovh_a_key_that_may_not_refresh_stops_the_run(make_daemon, sandbox):
    config = only(sandbox, "ovh")
    config["providers"]["ovh"]["consumer_key"] = "sandbox-ck-no-refresh"
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    daemon.move()
    run = daemon.wait_run("attention")
    assert "This call has not been granted" in run["error"], run["error"]


# ---- Route 53 --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["Throttling", "PriorRequestNotComplete", "ThrottlingException"])
def test_route53_says_400_and_means_later(make_daemon, sandbox, code):
    daemon = make_daemon(only(sandbox, "aws"))
    daemon.wait_active("gra")
    sandbox.fault("route53", "status", method="POST", code=code, times=2)
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    outcomes = [attempt["outcome"] for attempt in attempts(daemon, run) if attempt["phase"] == "apply"]
    assert outcomes == ["temporary", "temporary", "ok"]
    assert sandbox.dig("app.example.org") == [RBX]


def test_route53_pending_for_long(make_daemon, sandbox):
    sandbox.options(route53_insync_ms=4000)
    daemon = make_daemon(only(sandbox, "aws"))
    daemon.wait_active("gra")
    sandbox.clear_requests()
    run = daemon.move().json["run"]
    wait_for(lambda: sum(attempt["outcome"] == "not yet" for attempt in attempts(daemon, run)) >= 3, 15, "several looks")
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.org") == [RBX]
    assert len(sandbox.requests("route53", "POST")) == 1


@pytest.mark.parametrize("root", ["ErrorResponse", "InvalidChangeBatch"])
def test_route53_refuses_a_batch_in_its_own_words(make_daemon, sandbox, root):
    sandbox.options(route53_invalid_batch_root=root)
    daemon = make_daemon(only(sandbox, "aws"))
    daemon.wait_active("gra")
    sandbox.fault("route53", "status", method="POST", code="InvalidChangeBatch")
    daemon.move()
    run = daemon.wait_run("attention")
    entries = [entry for entry in sandbox.requests("route53", "POST")]
    assert len(entries) == 1
    assert "InvalidChangeBatch" in run["error"] or "Tried to" in run["error"] or "RRSet" in run["error"], run["error"]


# ---- permanent trouble and people ------------------------------------------------------------------------------------


def test_permanent_trouble_stops_at_once_and_is_mended_by_a_person(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox))
    daemon.wait_active("gra")
    sandbox.clear_requests()
    sandbox.fault("ovh", "status", code="INVALID_CREDENTIAL", times=-1)
    run = daemon.move().json["run"]
    stopped = daemon.wait_run("attention")
    assert "OVH" in stopped["error"] and "credential" in stopped["error"].lower()
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["done", "failed", "pending"]
    assert daemon.service()["active"] == "moving"
    assert daemon.audit(kind="run.attention")[-1]["text"].endswith(stopped["error"])
    # The same trouble again ends the same way; then it is mended.
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "perhaps"}).status == 200
    wait_for(lambda: len(daemon.audit(kind="run.attention")) == 2, 15, "the same again")
    sandbox.clear_faults()
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "a new key"}).status == 200
    daemon.wait_run("succeeded")
    for record in ZONES.values():
        assert sandbox.dig(record) == [RBX]
    assert len([effect for effect in effects(sandbox, "linode")]) == 1


def test_a_deadline_ends_the_patience(make_daemon, sandbox):
    daemon = make_daemon(only(sandbox, "linode", deadline="2s"))
    daemon.wait_active("gra")
    sandbox.fault("linode", "status", status=503, times=-1)
    run = daemon.move().json["run"]
    stopped = daemon.wait_run("attention", 20)
    assert "503" in stopped["error"] or "deadline" in stopped["error"]
    begun, ended = (daemon.run(run)["steps"][0][key] for key in ("started_at", "finished_at"))
    assert ended > begun
    assert len(attempts(daemon, run)) >= 2
    sandbox.clear_faults()
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "it is back"}).status == 200
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.com") == [RBX]


def test_a_record_that_is_not_there_is_never_made(make_daemon, sandbox):
    for provider, change in (("linode", {"record": "nothing"}), ("ovh", {"record": "nothing"}),
                             ("aws", {"record": "nothing.example.org"})):
        config = only(sandbox, provider)
        config["services"]["shop"]["playbook"][0].update(change)
        daemon = make_daemon(config, folder=provider)
        wait_for(lambda: daemon.audit(kind="decision.observed"), 20, "a first look")
        sandbox.clear_requests()
        assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).status == 200
        daemon.move()
        run = daemon.wait_run("attention")
        assert "no record" in run["error"] or "not" in run["error"], run["error"]
        assert effects(sandbox) == []


def test_what_is_right_already_is_not_written(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox))
    daemon.wait_active("gra")
    first = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    # The operator says that it was at gra all along; everything is at rbx already.
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "a mistake"}).status == 200
    sandbox.clear_requests()
    second = daemon.move().json["run"]
    assert second != first
    wait_for(lambda: daemon.run(second)["state"] == "succeeded", 20, "the second run")
    assert [step["state"] for step in daemon.run(second)["steps"]] == ["already done"] * 3
    assert [entry for entry in sandbox.requests() if entry["method"] not in ("GET",)] == []
    assert daemon.run(second)["has_effect"] is False


# ---- checks ----------------------------------------------------------------------------------------------------------


def checked(sandbox, **settings):
    """A site is asked for its health, at its own address, before anything is changed."""
    port = sandbox.sites["gra"].rpartition(":")[2]
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["sites"] = {"gra": {"address": GRA, "web": "127.0.0.2"}, "rbx": {"address": RBX, "web": "127.0.0.3"}}
    check = {"name": "standby answers", "action": "http.check", "url": "http://app.example.com:%s/healthz" % port,
             "at": "${to.web}", "expect": {"status": 200, "body": "ok ${to.name}", "within": "1s"}}
    shop["playbook"] = [dict(check, **settings)] + shop["playbook"]
    return config


def test_the_standby_is_asked_by_its_address_under_the_services_name(make_daemon, sandbox):
    assert sandbox.sites["gra"].rpartition(":")[2] == sandbox.sites["rbx"].rpartition(":")[2]
    daemon = make_daemon(checked(sandbox))
    daemon.wait_active("gra")
    daemon.move()
    daemon.wait_run("succeeded")
    counts = sandbox.site_counts()
    assert counts["rbx"]["requests"] == 1 and counts["gra"]["requests"] == 0
    assert counts["rbx"]["last_host"].startswith("app.example.com")
    assert sandbox.dig("app.example.com") == [RBX]


@pytest.mark.parametrize("mode", ["503", "close", "down", "slow", "other"])
def test_a_standby_that_is_not_well_stops_the_run_before_any_effect(make_daemon, sandbox, mode):
    daemon = make_daemon(checked(sandbox, retries=1, timeout="2s"))
    daemon.wait_active("gra")
    sandbox.clear_requests()
    if mode == "other":
        sandbox.site("rbx", "ok", body="maintenance")
    else:
        sandbox.site("rbx", mode, ms=1500)
    run = daemon.move().json["run"]
    stopped = daemon.wait_run("attention")
    assert stopped["has_effect"] is False and effects(sandbox) == []
    assert {"503": "503", "slow": "within", "other": "body"}.get(mode, "no answer") in stopped["error"], stopped["error"]
    # A person leaves the service where it is.
    assert daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "not there"}).status == 200
    daemon.wait_run("cancelled")
    assert daemon.service()["active"] == "gra" and effects(sandbox) == []
    assert sandbox.dig("app.example.com") == [GRA]


def test_a_check_that_fails_for_a_moment_is_tried_again(make_daemon, sandbox):
    daemon = make_daemon(checked(sandbox, retries=20))
    daemon.wait_active("gra")
    sandbox.site("rbx", "down")
    run = daemon.move().json["run"]
    wait_for(lambda: len(attempts(daemon, run)) >= 2, 15, "two looks")
    sandbox.site("rbx", "ok")
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.com") == [RBX]


def test_dns_check_waits_for_the_servers(make_daemon, sandbox):
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    # Asked before the record is changed it can only fail; behind it, it is what proves the work.
    check = {"action": "dns.check", "record": "app.example.org", "type": "A", "target": "${to.address}", "servers": [sandbox.dns]}
    shop["playbook"] = [shop["playbook"][2], check]
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["done", "done"]
    assert daemon.move("failback").status == 202
    sandbox.hang_dns()
    wait_for(lambda: len(attempts(daemon, daemon.runs()[0]["id"], 1)) >= 1, 30, "a look without an answer")
    assert daemon.runs()[0]["state"] == "running"
    sandbox.hang_dns(False)
    daemon.wait_active("gra", 40)


def test_a_run_shows_its_requests(make_daemon, sandbox):
    daemon = make_daemon(only(sandbox, "linode"))
    daemon.wait_active("gra")
    sandbox.fault("linode", "status", method="PUT", status=429)
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    sent = [item for attempt in attempts(daemon, run) for item in attempt["detail"].get("requests", [])]
    puts = [item for item in sent if item["method"] == "PUT"]
    assert [item["status"] for item in puts] == [429, 200]
    assert all(isinstance(item["took_ms"], int) for item in sent)
    assert request("GET", daemon.api + "/api/v1/runs/" + run).status == 401
    assert "sandbox-linode-token" not in json.dumps(daemon.run(run))

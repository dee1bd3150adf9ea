"""The configuration is changed between two starts, at the worst moments."""

import copy

import pytest

from daemon import configuration, wait_for


@pytest.fixture
def waiting(make_daemon, sandbox):
    """A run that waits for a person. Gives (daemon, its configuration, the run)."""
    config = configuration(sandbox)
    daemon = make_daemon(config)
    daemon.wait_active("gra")
    sandbox.fault("ovh", "status", code="FORBIDDEN", times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    sandbox.clear_faults()
    return daemon, config, run


def restart(daemon, config):
    daemon.stop()
    daemon.configure(config)
    daemon.start()


def test_the_service_of_an_unfinished_run_is_gone_and_comes_back(waiting):
    daemon, config, run = waiting
    without = copy.deepcopy(config)
    without["services"]["other"] = dict(without["services"].pop("shop"), alerts=[])
    restart(daemon, without)
    told = [entry for entry in daemon.audit() if entry.get("run") == run][-1]
    assert told["kind"] == "run.attention" and "which the configuration does not have" in told["text"]
    refused = daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "x"})
    assert refused.status == 409 and "put it back" in refused.json["error"]["message"]
    restart(daemon, config)
    assert daemon.run(run)["state"] == "attention"
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "x"}).status == 200
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 20, "the run")
    assert daemon.service()["active"] == "rbx"


def test_the_site_that_a_run_goes_to_is_gone(waiting):
    """It can only end as unknown, but the record keeps saying where it went."""
    daemon, config, run = waiting
    changed = copy.deepcopy(config)
    shop = changed["services"]["shop"]
    shop["sites"] = {"gra": shop["sites"]["gra"], "waw": {"address": "203.0.113.9"}}
    shop["prefer"] = ["gra", "waw"]
    shop["alerts"] = shop["alerts"][:1]
    restart(daemon, changed)
    assert daemon.post("/api/v1/runs/%s/retry" % run, {"reason": "x"}).status == 200
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 20, "the run")
    after = daemon.run(run)
    assert (after["from"], after["to"]) == ("gra", "rbx")
    assert daemon.service()["active"] == "unknown"
    assert [entry["text"] for entry in daemon.audit(kind="run.finished")] == ["failover of shop to rbx: succeeded: every step is done"]

"""The operator stays in charge, whatever else the daemon is busy with."""

import copy

from daemon import RBX, configuration, wait_for


def test_a_run_does_not_wait_for_looks_at_other_services(make_daemon, sandbox):
    """Two providers hang, and the sites of many services are unknown: every look at them takes minutes."""
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    for i in range(8):
        config["services"]["other%d" % i] = dict(copy.deepcopy(shop), alerts=[
            {"source": "prometheus", "match": {"service": "other%d" % i}, "site": "gra"}])
    shop["playbook"] = [step for step in shop["playbook"] if step["action"] == "route53.record"]
    for provider in ("linode", "ovh"):
        sandbox.fault(provider, "timeout_before", ms=60000, times=-1)
    daemon = make_daemon(config)
    run = daemon.move(to="rbx").json["run"]
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 10, "the run")
    assert sandbox.dig("app.example.org") == [RBX]

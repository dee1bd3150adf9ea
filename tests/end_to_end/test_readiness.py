"""Whether a service could be moved, as its daemon sees it by itself: not ready, degraded, since when, why, and ready again."""

import json

import pytest

from client import Sandbox
from daemon import RBX, configuration, wait_for

LOOK = {"every": "1s"}


def one_record(sandbox, **changes):
    """One name at one provider, and nothing else that holds the old site's address."""
    config = configuration(sandbox, ready=LOOK["every"])
    shop = config["services"]["shop"]
    shop["sites"] = {"gra": {"address": "192.0.2.111"}, "rbx": {"address": RBX}}
    shop["playbook"] = [dict(shop["playbook"][0], record="solo")]
    shop.update(changes)
    return config


@pytest.fixture(scope="module")
def solo():
    records = [{"id": 1, "type": "A", "name": "solo", "target": "192.0.2.111", "ttl_sec": 30}]
    in_ovh = [{"id": 1, "subDomain": "app", "fieldType": "A", "target": "192.0.2.111", "ttl": 60}]
    seed = {"linode": {"domains": [{"id": 123, "domain": "example.com", "records": records}]},
            "ovh": {"zones": [{"name": "example.net", "records": in_ovh}]}}
    with Sandbox(sites={"rbx": "127.0.0.3:0"}, seed=seed, linode_render_ms=50) as sandbox:
        yield sandbox


def readiness(daemon, direction="failover"):
    return daemon.service()["readiness"][direction] or {"state": "unknown"}


def wait_ready(daemon, state, direction="failover"):
    return wait_for(lambda: readiness(daemon, direction)["state"] == state and readiness(daemon, direction), 40,
                    "%s to be %s" % (direction, state))


def wait_shown(daemon, number):
    """What other threads are shown is some hundred milliseconds old."""
    line = 'turnout_readiness{service="shop",direction="failover"} %d' % number
    wait_for(lambda: line in daemon.get("/metrics").body.decode(), 5, "the metrics to say so")


def changes(daemon):
    return [(entry["detail"]["direction"], entry["detail"]["state"]) for entry in daemon.audit(kind="readiness.changed")]


def test_a_credential_is_revoked_and_given_back(make_daemon, solo):
    solo.reset()
    daemon = make_daemon(one_record(solo))
    ready = wait_ready(daemon, "ready")
    wait_ready(daemon, "ready", "failback")
    assert ready["text"] == ""
    detail = daemon.get("/api/v1/services/shop/readiness").json
    assert [step["state"] for step in detail["failover"]["plan"]["steps"]] == ["changes"]
    assert [step["state"] for step in detail["failback"]["plan"]["steps"]] == ["already"]
    wait_shown(daemon, 1)
    solo.fault("linode", "status", status=401, times=-1)
    refused = wait_ready(daemon, "not ready")
    assert "401" in refused["text"] and refused["since"] > ready["since"]
    assert {item["service"] for item in wait_for(lambda: daemon.get("/api/v1/status").json["not_ready"], 5, "the status")} == {"shop"}
    wait_shown(daemon, 3)
    assert "NOT READY    shop for a failover since " in daemon.command("status").stdout
    daemon.kill()
    daemon.start()
    again = wait_for(lambda: readiness(daemon)["checked_at"] > refused["checked_at"] and readiness(daemon), 40, "another look")
    assert (again["state"], again["since"]) == ("not ready", refused["since"])
    solo.clear_faults()
    wait_ready(daemon, "ready")
    wait_ready(daemon, "ready", "failback")
    assert sorted(changes(daemon)) == sorted([(way, state) for way in ("failover", "failback")
                                              for state in ("ready", "not ready", "ready")])
    assert daemon.runs() == [] and daemon.get("/api/v1/audit/verify").json["intact"]
    assert {request["method"] for request in solo.requests()} == {"GET"}


def test_a_record_is_gone_a_standby_is_down_and_a_ttl_is_too_long(make_daemon, solo):
    solo.reset()
    config = one_record(solo, objective={"rto": "10m"})
    playbook = config["services"]["shop"]["playbook"]
    services = config["services"]
    services["gone"] = dict(services["shop"], alerts=[], playbook=[dict(playbook[0], record="gone")])
    services["slow"] = dict(services["shop"], alerts=[], playbook=[dict(playbook[0], ttl=86400)])
    check = {"name": "standby answers", "action": "http.check", "url": "http://%s/" % solo.sites["rbx"], "expect": {"status": 200},
             "retries": 0}
    services["down"] = dict(services["shop"], alerts=[], playbook=[check, playbook[0]])
    solo.site("rbx", "503")
    daemon = make_daemon(config)

    def state(name):
        return daemon.service(name)["readiness"]["failover"]
    wait_for(lambda: all(state(name) for name in services), 40, "a look at each")
    assert state("gone")["state"] == "not ready" and "would fail" in state("gone")["text"]
    assert state("slow")["state"] == "degraded" and "TTL 86400 s is longer than the objective" in state("slow")["text"]
    assert state("down")["state"] == "not ready" and "standby answers would fail" in state("down")["text"]
    assert state("shop")["state"] == "ready"
    solo.site("rbx", "ok")
    wait_for(lambda: state("down")["state"] == "ready", 40, "the standby to be back")


def test_a_key_ends_soon_and_the_clock_is_wrong(make_daemon, solo):
    solo.reset()
    solo.options(ovh_expires_in_s=3 * 24 * 3600, linode_skew_s=90)
    config = one_record(solo)
    services = config["services"]
    services["key"] = dict(services["shop"], alerts=[], playbook=[configuration(solo)["services"]["shop"]["playbook"][1]])
    daemon = make_daemon(config)

    def state(name):
        return daemon.service(name)["readiness"]["failover"] or {"text": ""}
    wait_for(lambda: "credential of provider ovh ends in" in state("key")["text"], 40, "the key")
    wait_for(lambda: "s behind the providers'" in state("shop")["text"], 40, "the clock")
    assert state("key")["state"] == state("shop")["state"] == "degraded"
    said = json.loads(daemon.command("doctor", "-c", daemon.path, "--json").stdout)
    hinders = {item["about"]: item["text"] for item in said["findings"] if item["severity"] == "hinders" and "failover" in item["text"]}
    assert "credential of provider ovh" in hinders["key"] and "s behind the providers'" in hinders["shop"]
    solo.options(linode_skew_s=-400)  # AWS refuses what is signed from 5 minutes on
    refused = wait_ready(daemon, "not ready")
    assert "s ahead of the providers': signed requests are refused" in refused["text"]
    solo.options(linode_skew_s=0)
    wait_ready(daemon, "ready")

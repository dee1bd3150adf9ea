"""A database fails over: a real primary, a real replica, and a run that promotes the one when the other is dead."""

import os
import signal

import pytest

import postgres
from daemon import configuration, wait_for


@pytest.fixture
def pair():
    """Its primary is at gra, its replica at rbx."""
    folder = f"/tmp/turnout-postgres-{os.getpid()}"
    pair = postgres.Pair(folder)
    try:
        pair.start()
        yield pair
    finally:
        pair.stop()


def config_of(pair, ready="never", **step):
    promote = {"name": "promote", "action": "postgres.promote", "provider": "db", "host": "${to.address}", "port": pair.port,
               "primary": "${from.address}", "primary_port": pair.port, "backoff": "100ms", **step}
    config = configuration(None, mode="approval", playbook=[promote], ready=ready)
    config["providers"] = {"db": {"kind": "postgres", "user": "postgres", "password": "${env:PG_PASSWORD}",
                                  "sslmode": "disable"}}
    config["services"]["shop"]["sites"] = {"gra": {"address": pair.primary.address}, "rbx": {"address": pair.replica.address}}
    return config


@pytest.fixture
def make_shop(make_daemon, pair):
    def make(**step):
        os.environ["PG_PASSWORD"] = postgres.PASSWORD
        daemon = make_daemon(config_of(pair, **step))
        if daemon.service()["active"] != "gra":
            assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).status == 200
        return daemon
    return make


def step_of(daemon, run):
    return daemon.run(run)["steps"][0]


def assert_primary(pair, server, rows):
    assert server.sql("SELECT pg_is_in_recovery()") == "f"
    assert server.sql("SELECT count(*) FROM t") == str(rows)
    server.sql("INSERT INTO t VALUES ('written after')")


def assert_no_password(daemon):
    daemon.stop()
    for name in os.listdir(daemon.folder):
        with open(os.path.join(daemon.folder, name), "rb") as file:
            assert postgres.PASSWORD.encode() not in file.read(), name
    assert postgres.PASSWORD not in "".join(daemon.log)


def test_the_primary_dies_in_the_midst(make_shop, pair):
    """Both stand still when the run begins; what the primary had was seen, and then it is gone for good."""
    daemon = make_shop(timeout="2s")
    pair.replica.freeze()
    run = daemon.move().json["run"]
    wait_for(lambda: step_of(daemon, run).get("attempts"), 20, "a first look")
    wait_for(lambda: "does not answer" in str(daemon.run(run)), 20, "the replica not to answer")
    pair.primary.kill()
    pair.replica.thaw()
    daemon.wait_run("succeeded")
    assert step_of(daemon, run)["state"] == "done"
    assert daemon.service()["active"] == "rbx"
    assert_primary(pair, pair.replica, 1)
    assert_no_password(daemon)


def test_a_planned_one_and_once_more(make_shop, pair):
    """Nobody has fenced the old primary, and the run does not care: that is what the steps before are for. A second run
    finds nothing to do."""
    daemon = make_shop()
    run = daemon.move(planned=True).json["run"]
    daemon.wait_run("succeeded")
    assert step_of(daemon, run)["state"] == "done"
    assert "took a write" in str(daemon.run(run))
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "once more"}).status == 200
    again = daemon.move(planned=True).json["run"]
    wait_for(lambda: daemon.run(again)["state"] == "succeeded", 20, "the second run")
    assert step_of(daemon, again)["state"] == "already done"
    assert "AND SO IS" in str(daemon.run(again))
    assert "pg_promote" not in str(daemon.run(again))


def test_nobody_knows_what_the_primary_had(make_shop, pair):
    """It was dead before the daemon saw it: how much is lost cannot be said, and that is for a person."""
    pair.primary.kill()
    daemon = make_shop(ready="1s")
    ready = wait_for(lambda: daemon.service()["readiness"]["failover"], 20, "a look")
    assert ready["state"] == "not ready" and "rpo: how far it is behind is not known" in ready["text"]
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    assert step_of(daemon, run)["state"] == "failed"
    assert "rpo: how far it is behind is not known" in str(daemon.run(run))
    assert pair.replica.sql("SELECT pg_is_in_recovery()") == "t"
    assert_no_password(daemon)


def test_killed_in_the_midst_of_the_promotion(make_shop, pair):
    """The replica has been asked, and is at it, when the daemon dies. What comes back has seen no primary, and does not
    refuse what it has itself begun."""
    daemon = make_shop(timeout="30s")
    startup = pair.replica.startup_process()
    pair.replica.thaw()
    # The look must still work, so only what ends the recovery stands still.
    os.kill(startup, signal.SIGSTOP)
    run = daemon.move().json["run"]
    wait_for(lambda: os.path.exists(os.path.join(pair.replica.data, "promote")), 20, "the replica to be asked")
    daemon.kill()
    pair.primary.kill()
    daemon.start()
    assert daemon.run(run)["state"] == "running", daemon.run(run)["steps"]
    os.kill(startup, signal.SIGCONT)
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 40, "the run to succeed")
    assert step_of(daemon, run)["state"] == "done"
    assert daemon.service()["active"] == "rbx"
    assert_primary(pair, pair.replica, 1)

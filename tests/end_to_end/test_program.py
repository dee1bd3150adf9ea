"""The action `command` in a run: a program of the user's own, and a daemon that dies while it is at work."""

import os
import stat

import pytest

from daemon import configuration, wait_for

# It counts its starts, and waits while the file `hold` is there.
PROGRAM = """#!/bin/sh
echo started >> starts
while [ -e hold ]; do sleep 0.05; done
[ -z "$1" ] || echo "$1" > state
"""


@pytest.fixture
def make_shop(make_daemon, tmp_path):
    def make(**step):
        work = tmp_path / "work"
        work.mkdir()
        program = work / "program"
        program.write_text(PROGRAM)
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
        command = {"name": "switch", "action": "command", "run": [str(program), "${to.address}"], "directory": str(work),
                   "backoff": "100ms", **step}
        daemon = make_daemon(configuration(None, mode="approval", playbook=[command]))
        if daemon.service()["active"] != "gra":
            assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).status == 200
        daemon.work = str(work)
        return daemon
    return make


def text_of(daemon, name):
    try:
        with open(os.path.join(daemon.work, name), encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def hold(daemon):
    with open(os.path.join(daemon.work, "hold"), "w", encoding="utf-8"):
        pass


def let_go(daemon):
    os.unlink(os.path.join(daemon.work, "hold"))


def killed_in_the_midst(daemon):
    hold(daemon)
    run = daemon.move().json["run"]
    wait_for(lambda: text_of(daemon, "starts"), 20, "the program to start")
    daemon.kill()
    daemon.start()
    return run


def test_done(make_shop):
    daemon = make_shop()
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    assert daemon.run(run)["steps"][0]["state"] == "done"
    assert text_of(daemon, "state").strip() == "198.51.100.20"
    assert text_of(daemon, "starts").count("started") == 1


def test_fails_with_its_own_words(make_shop):
    daemon = make_shop(run=["/bin/sh", "-c", "echo the array is degraded >&2; exit 7"])
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    assert daemon.run(run)["steps"][0]["state"] == "failed"
    assert "status 7" in str(daemon.run(run))
    assert "the array is degraded" in str(daemon.run(run))


def test_killed_in_its_midst_and_nobody_can_look(make_shop):
    daemon = make_shop()
    run = killed_in_the_midst(daemon)
    daemon.wait_run("attention")
    assert daemon.run(run)["steps"][0]["state"] == "unknown"
    assert text_of(daemon, "starts").count("started") == 1  # and it is not done again
    let_go(daemon)


def test_killed_in_its_midst_and_idempotent(make_shop):
    daemon = make_shop(idempotent=True)
    run = killed_in_the_midst(daemon)
    let_go(daemon)
    daemon.wait_run("succeeded")
    assert daemon.run(run)["steps"][0]["state"] == "done"
    assert text_of(daemon, "starts").count("started") == 2


def test_killed_in_its_midst_and_it_can_look(make_shop):
    daemon = make_shop(observe=["/bin/sh", "-c", "test \"$(cat state 2>/dev/null)\" = \"$1\"", "sh", "${to.address}"])
    run = killed_in_the_midst(daemon)
    let_go(daemon)
    daemon.wait_run("succeeded")
    assert daemon.run(run)["steps"][0]["state"] in ("done", "already done")
    assert text_of(daemon, "state").strip() == "198.51.100.20"


def test_cancelled(make_shop):
    """Its program is killed at once; that it may have done something is on record."""
    daemon = make_shop(run=["/bin/sleep", "600"], timeout="1m")
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["state"] == "running", 20, "the program to start")
    assert daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "not tonight"}).status in (200, 202)
    wait_for(lambda: daemon.run(run)["state"] == "cancelled", 10, "the run to be cancelled")

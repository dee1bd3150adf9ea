"""Scenarios by `turnout simulate`, and `turnout replay`: an incident that really was is decided again, by the same
configuration and by others."""

import json
import os
import subprocess

import pytest
import yaml

from daemon import BINARY, SECRETS, alert, configuration, delivery, wait_for

SECOND = SECRETS["AM2_TOKEN"]
STORY = """
CASE what happens to the shop
BEFORE
    shop active gra
EVENT +0s prometheus says shop gra down
EVENT +5s second says shop gra down
EXPECT +1m run shop from gra to rbx because votes
"""


def turnout(*words, **environment):
    return subprocess.run([BINARY, *words], env=dict(os.environ, **environment), capture_output=True, text=True, timeout=60,
                          check=False)


def write(path, config):
    path.write_text(yaml.safe_dump(config, sort_keys=False))
    return str(path)


# ---- simulate --------------------------------------------------------------------------------------------------------


def test_a_scenario_is_told_to_a_configuration(tmp_path):
    story = tmp_path / "story.case"
    story.write_text(STORY)
    moves = write(tmp_path / "moves.yaml", configuration(votes=2, hold="30s"))
    result = turnout("simulate", str(story), "-c", moves)
    assert result.returncode == 0, result.stderr
    assert "shop: failover from gra to rbx: 2 of 2 votes (prometheus, second) held for 30 s" in result.stdout
    assert "+35s" in result.stdout and result.stderr == ""

    stays = write(tmp_path / "stays.yaml", configuration(votes=2, hold="10m"))
    result = turnout("simulate", str(story), "-c", stays)
    assert result.returncode == 1
    assert "story.case:7: not decided: EXPECT +1m run shop from gra to rbx" in result.stderr

    lines = [json.loads(line) for line in turnout("simulate", str(story), "-c", moves, "--json").stdout.splitlines()]
    assert [line["event"] for line in lines if "event" in line][0] == "EVENT +0s prometheus says shop gra down"
    assert {"at_ms": 35000, "service": "shop", "reason": "votes"}.items() <= lines[-1].items()


def test_what_is_wrong_with_a_scenario_is_said_with_its_place(tmp_path):
    story = tmp_path / "story.case"
    story.write_text("CASE x\nTARGET\n  source prometheus\n  service shop sites gra,rbx\nEVENT +0s prometheus says shop gra dwn\n"
                     "EVENT +1s nobody says shop gra down\n")
    result = turnout("simulate", str(story))
    assert result.returncode == 1 and result.stdout == ""
    assert [line.split(": ", 1)[0] for line in result.stderr.splitlines()] == [f"{story}:5:36", f"{story}:6:11"]
    assert turnout("simulate", str(tmp_path / "none.case")).returncode == 1
    assert turnout("simulate").returncode == 2


# ---- replay ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def outage(make_daemon, sandbox):
    """A shop that failed over: the daemon, and the incident's id."""
    daemon = make_daemon(configuration(sandbox, votes=2, hold="500ms"))
    daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is there"})
    daemon.wait_active("gra")
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    assert daemon.deliver(delivery(alert("gra")), source="second", token=SECOND).status == 202
    daemon.wait_run("succeeded")
    incident = daemon.get("/api/v1/incidents").json["items"][0]["id"]
    return daemon, incident


def replay(daemon, incident, tmp_path, config, *more):
    return daemon.command("replay", incident, "--config", write(tmp_path / "new.yaml", config), *more)


def test_the_same_configuration_decides_the_same(outage, tmp_path, sandbox):
    daemon, incident = outage
    result = replay(daemon, incident, tmp_path, configuration(sandbox, votes=2, hold="500ms"))
    assert result.returncode == 0, result.stdout + result.stderr
    lines = result.stdout.splitlines()
    assert lines[0].startswith("gra of shop, ") and incident in lines[0]
    assert any("both" in line and "failover from gra to rbx: 2 of 2 votes (prometheus, second)" in line for line in lines)
    assert lines[-1] == "the same is decided" and "now " not in result.stdout


def test_another_configuration_parts_where_it_decides_otherwise(outage, tmp_path, sandbox):
    daemon, incident = outage
    waits = configuration(sandbox, votes=2, hold="10m")
    result = replay(daemon, incident, tmp_path, waits)
    assert result.returncode == 3, result.stdout + result.stderr
    parted = result.stdout.split("here the two part:\n")[1]
    assert "recorded  failover from gra to rbx" in parted and "now       failover" not in parted

    asks = configuration(sandbox, votes=2, hold="500ms", mode="approval")
    answer = replay(daemon, incident, tmp_path, asks, "--json")
    assert answer.returncode == 3, answer.stdout + answer.stderr
    told = json.loads(answer.stdout)
    assert told["same"] is False and told["recorded"][told["same_decisions"]]["what"] == "run gra rbx running"
    assert told["now"][told["same_decisions"]]["what"] == "run gra rbx waiting"

    alone = configuration(sandbox, votes=1, hold="500ms")
    del alone["sources"]["second"]
    alone["services"]["shop"]["alerts"] = [a for a in alone["services"]["shop"]["alerts"] if a["source"] == "prometheus"]
    result = replay(daemon, incident, tmp_path, alone)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "about voters or sites that the configuration does not have: left out" in result.stdout


def test_an_incident_that_a_person_kept_from_acting(make_daemon, sandbox, tmp_path):
    config = configuration(sandbox, votes=1, hold="200ms")
    daemon = make_daemon(config)
    daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is there"})
    daemon.wait_active("gra")
    assert daemon.post("/api/v1/services/shop/pause", {"reason": "work in gra"}).status < 300
    daemon.deliver(delivery(alert("gra")))
    incident = wait_for(lambda: daemon.get("/api/v1/incidents").json["items"], 10, "an incident")[0]["id"]
    wait_for(lambda: daemon.get("/api/v1/incidents/" + incident).json["reason"] == "paused", 10, "the refusal")
    daemon.deliver(delivery(alert("gra", status="resolved", ends="2026-11-21T10:05:00Z")))
    wait_for(lambda: not daemon.get("/api/v1/incidents?open=true").json["items"], 10, "the end")
    result = replay(daemon, incident, tmp_path, config)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "both      gra is down, and nothing is started" in result.stdout


def test_what_a_person_sends_on_and_overrides_is_in_the_log(make_daemon, sandbox, tmp_path):
    """At a point of no return a vote and a pause stop the run; a person's retry goes on, and so it does in the replay."""
    config = configuration(sandbox, votes=1, hold="200ms")
    config["services"]["shop"]["playbook"][1]["point_of_no_return"] = True
    sandbox.fault("ovh", "status", code="FORBIDDEN", times=-1)
    daemon = make_daemon(config)
    daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is there"})
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra")))
    run = daemon.wait_run("attention")["id"]
    incident = daemon.get("/api/v1/incidents").json["items"][0]["id"]
    assert daemon.post("/api/v1/services/shop/vote", {"site": "rbx", "says": "down", "reason": "x"}).status in (200, 202)
    assert daemon.post("/api/v1/services/shop/pause", {"reason": "wait"}).status < 300
    sandbox.clear_faults()
    body = {"reason": "rbx is fine", "override": ["target_down"]}
    assert daemon.post("/api/v1/runs/%s/retry" % run, body).status == 200
    daemon.wait_run("succeeded")
    result = replay(daemon, incident, tmp_path, config)
    assert result.returncode == 0, result.stdout + result.stderr


def test_replay_says_what_it_needs(outage, tmp_path, sandbox):
    daemon, incident = outage
    assert "--config" in daemon.command("replay", incident).stderr
    assert daemon.command("replay", incident).returncode == 2
    other = configuration(sandbox)
    other["services"]["web"] = other["services"].pop("shop")
    result = replay(daemon, incident, tmp_path, other)
    assert result.returncode == 1 and "the configuration has no service shop" in result.stderr
    unknown = daemon.command("replay", "01900000-0000-7000-8000-000000000000", "--config", str(tmp_path / "new.yaml"))
    assert unknown.returncode == 1 and "HTTP 404" in unknown.stderr

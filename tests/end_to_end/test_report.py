"""turnout report: of an incident with its run, of a run that a person began, and of nothing."""

import json
import os
import subprocess

from daemon import BINARY, SECRETS, alert, delivery, wait_for


def report(daemon, *arguments):
    return subprocess.run([BINARY, "report", "--url", daemon.api, *arguments], env=dict(os.environ, **SECRETS), text=True,
                          capture_output=True, timeout=60, check=False)


def finished(daemon):
    return wait_for(lambda: (run := daemon.service()["run"]) and run["state"] == "succeeded" and run, 30, "the run's end")


def test_an_incident_and_its_run(daemon):
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    run = finished(daemon)
    incident = daemon.get("/api/v1/incidents").json["items"][0]
    done = report(daemon, incident["id"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("# shop: failover from gra to rbx, succeeded\n\n")
    for words in ("incident " + incident["id"], "run " + run["id"], "**The last step was over after ", "| first alert | ",
                  "| found down | ", "| run begins | ", "| 1 | Linode DNS | done | ", "## Votes\n\n- ",
                  "prometheus says gra is down", "## Timeline\n\n- "):
        assert words in done.stdout, done.stdout
    told = json.loads(report(daemon, incident["id"], "--json").stdout)
    assert told["markdown"] == done.stdout
    assert [step["state"] for step in told["steps"]] == ["done"] * 3
    assert 200 <= told["rto_ms"] <= 60000 and told["ttl_ms"] == 60000 and told["is_met"] is None
    after = [milestone["after_ms"] for milestone in told["milestones"]]
    assert after[0] == 0 and after == sorted(after)
    # of its run it is the same story
    assert json.loads(report(daemon, run["id"], "--json").stdout)["timeline"] == told["timeline"]


def test_a_run_that_a_person_began(daemon):
    assert daemon.post("/api/v1/services/shop/failover", {"to": "rbx", "reason": "the mains", "planned": True,
                                                          "override": ["target_down"]}).status == 202
    run = finished(daemon)
    told = json.loads(report(daemon, run["id"], "--json").stdout)
    assert told["incident"] is None and told["milestones"][0]["name"] == "run begins"
    assert any("Linode DNS" in line["text"] for line in told["timeline"])


def test_nothing(daemon):
    done = report(daemon, "01a220e4-275d-75db-b859-b3bb7c3c3f83")
    assert done.returncode == 1 and "there is no such incident" in done.stderr
    assert report(daemon, "../services").returncode == 2

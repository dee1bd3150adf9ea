"""What operators do, by curl and by the command line, what they are refused and why, and what of it is on record."""

import json
import os
import subprocess
import threading
import time

import pytest

from client import LINODE_TOKEN
from daemon import (BINARY, GRA, RBX, SECRETS, SOURCE_TOKEN, VIEWER_TOKEN, alert, configuration, delivery, request, wait_for)

NAMES = ("app.example.com", "app.example.net", "app.example.org")


def assert_served(sandbox, address):
    for name in NAMES:
        assert sandbox.dig(name) == [address], name


def refusals(daemon):
    return daemon.audit(kind="operator.refused")


def hold_run(sandbox, provider="ovh"):
    """From now on this provider does not answer writes: a run stops there, and waits."""
    for method in ("PUT", "POST"):
        sandbox.fault(provider, "status", method=method, status=503, times=-1)


# ---- moving by curl and by the command line --------------------------------------------------------------------------


def test_there_and_back_by_curl(daemon, sandbox):
    answer = daemon.post("/api/v1/services/shop/failover", {"reason": "works in gra"})
    assert answer.status == 202, answer.body
    run = daemon.run(answer.json["run"])
    assert run["kind"] == "failover" and run["reason"].startswith("oncall") or "works in gra" in run["reason"]
    assert run["started_by"] == "operator oncall"
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)
    answer = daemon.post("/api/v1/services/shop/failback", {"reason": "works are over"})
    assert answer.status == 202, answer.body
    wait_for(lambda: daemon.run(answer.json["run"])["state"] == "succeeded", 30, "the way back")
    assert_served(sandbox, GRA)
    calls = [entry for entry in daemon.audit(kind="operator.call")]
    assert [entry["who"] for entry in calls] == ["operator oncall"] * 2
    assert "works in gra" in calls[0]["text"] and "works are over" in calls[1]["text"]
    assert daemon.service()["active"] == "gra"


def test_there_and_back_by_the_command_line(daemon, sandbox):
    result = daemon.command("failover", "shop", "--reason", "a drill")
    assert result.returncode == 0, result.stderr
    run = result.stdout.split()[-1]
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)

    status = daemon.command("status")
    assert status.returncode == 0 and "shop: active rbx, home gra, automatic" in status.stdout
    one = json.loads(daemon.command("status", "shop", "--json").stdout)
    assert one["active"] == "rbx" and one["run"]["id"] == run
    assert run in daemon.command("runs").stdout
    shown = daemon.command("runs", run).stdout
    assert "succeeded" in shown and "Route 53" in shown and shown.count(" done") == 3
    assert json.loads(daemon.command("runs", run, "--json").stdout)["state"] == "succeeded"

    assert daemon.command("failback", "shop", "--reason", "the drill is over").returncode == 0
    daemon.wait_active("gra")
    assert_served(sandbox, GRA)
    tail = daemon.command("audit", "tail")
    assert tail.returncode == 0 and "run.finished" in tail.stdout
    assert isinstance(json.loads(daemon.command("audit", "tail", "--json").stdout)["items"], list)
    verdict = daemon.command("audit", "verify")
    assert verdict.returncode == 0
    said = json.loads(daemon.command("audit", "verify", "--json").stdout)
    assert said["intact"] is True
    assert verdict.stdout == "intact: %d entries, 1 to %d, head %s\n" % (said["count"], said["last"], said["head"])
    assert daemon.command("health").returncode == 0


def test_the_audit_log_is_read_without_a_daemon(daemon):
    daemon.command("failover", "shop", "--reason", "a drill")
    daemon.wait_run("succeeded")
    exported = daemon.get("/api/v1/audit/export").body.decode()
    daemon.stop()
    file = ("--database", daemon.database)
    assert "intact" in daemon.command("audit", "verify", *file).stdout
    assert "daemon.stopped" in daemon.command("audit", "tail", *file).stdout
    lines = daemon.command("audit", "export", *file).stdout
    assert lines.startswith(exported) and lines.count("\n") > exported.count("\n")
    # A changed byte is found, and where it is.
    subprocess.run(["sqlite3", daemon.database, "UPDATE audit SET text = replace(text, 'a drill', 'a pizza') WHERE seq = "
                    "(SELECT min(seq) FROM audit WHERE text LIKE '%a drill%')"], check=True)
    broken = daemon.command("audit", "verify", "--database", daemon.database)
    assert broken.returncode == 1 and "BROKEN at entry" in broken.stdout


def test_exit_codes(daemon, sandbox):
    assert daemon.command("failover", "shop").returncode == 2  # no reason
    assert daemon.command("failover", "--reason", "x").returncode == 2
    assert daemon.command("adopt", "shop", "--reason", "x").returncode == 2
    assert daemon.command("dance").returncode == 2
    assert daemon.command("status", "--dance").returncode == 2
    assert daemon.command("status", token="").returncode == 2
    refused = daemon.command("failover", "shop", "--to", "gra", "--reason", "x")
    assert refused.returncode == 3 and "already_active" in refused.stderr
    assert daemon.command("failover", "nothing", "--reason", "x").returncode == 1
    assert daemon.command("status", token="wrong-token-for-tests-1").returncode == 1
    assert daemon.command("failover", "shop", "--reason", "x", token=VIEWER_TOKEN).returncode == 1
    assert daemon.command("runs", "00000000-0000-7000-8000-000000000000").returncode == 1
    daemon.stop()
    assert daemon.command("status").returncode == 1
    assert daemon.command("health").returncode == 1


def test_the_commands_that_need_no_daemon(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox), start=False)
    daemon.api = "http://127.0.0.1:9"
    everything = daemon.command("actions").stdout
    for name in ("linode.dns_record", "ovh.dns_record", "route53.record", "http.check", "dns.check", "tcp.check"):
        assert name in everything
    assert "hosted_zone" in daemon.command("actions", "route53.record").stdout
    assert daemon.command("actions", "nothing").returncode == 1
    assert "alertmanager" in daemon.command("sources").stdout
    assert daemon.command("sources", "alertmanager").returncode == 0
    assert daemon.command("sources", "nothing").returncode == 1
    assert daemon.command("check").returncode == 2
    # The check reads the secrets too: they are not there, and each is named at once.
    missing = daemon.command("check", "-c", daemon.path)
    assert missing.returncode == 1
    for name in ("TURNOUT_TOKEN_OF_NOBODY", "LINODE_TOKEN", "OVH_AS", "AWS_SECRET_ACCESS_KEY"):
        assert (name in missing.stderr) is (name != "TURNOUT_TOKEN_OF_NOBODY")
    version = subprocess.run([BINARY, "--version"], capture_output=True, text=True, check=True)
    assert version.stdout.startswith("turnout ")
    usage = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True)
    assert "failover SERVICE" in usage.stdout


def test_check_says_what_can_be_served(daemon):
    good = subprocess.run([BINARY, "check", "-c", daemon.path], env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                          check=False)
    assert good.returncode == 0, good.stderr
    assert "1 service, 2 sources, 3 providers" in good.stdout
    assert "shadow" not in good.stdout and 'no "self_check"' in good.stdout and 'no "heartbeat"' in good.stdout
    # A service that only watches is a right one, and said aloud.
    config = configuration()
    del config["services"]["shop"]["trigger"]
    config["server"]["self_check"] = {"urls": ["http://127.0.0.1:1/", "http://127.0.0.1:2/", "http://127.0.0.1:3/"]}
    daemon.configure(config)
    watched = subprocess.run([BINARY, "check", "-c", daemon.path], env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                             check=False)
    assert watched.returncode == 0, watched.stderr
    assert "service shop is in shadow mode" in watched.stdout and "self_check" not in watched.stdout


# ---- idempotency -----------------------------------------------------------------------------------------------------


def test_the_same_key_is_the_same_run(daemon, sandbox):
    key = {"Idempotency-Key": "drill-2026-11-21"}
    path = "/api/v1/services/shop/failover"
    first = daemon.post(path, {"reason": "a drill"}, headers=key)
    assert first.status == 202
    again = daemon.post(path, {"reason": "a drill"}, headers=key)
    assert (again.status, again.json["run"]) == (202, first.json["run"])
    daemon.wait_run("succeeded")
    daemon.kill()
    daemon.start()
    again = daemon.post(path, {"reason": "a drill"}, headers=key)
    assert (again.status, again.json["run"]) == (202, first.json["run"])
    for path, body in ((path, {"reason": "another"}), (path, {"reason": "a drill", "to": "rbx"}),
                       ("/api/v1/services/shop/failback", {"reason": "a drill"})):
        other = daemon.post(path, body, headers=key)
        assert other.status == 409 and other.json["error"]["code"] == "idempotency_key_reused", other.body
    assert len(daemon.runs()) == 1
    # Another operator's key of the same name would be another key; a refused call does not use its key up.
    fresh = {"Idempotency-Key": "fresh"}
    assert daemon.move("failover", to="rbx").status == 409
    assert daemon.post("/api/v1/services/shop/failover", {"reason": "x", "to": "rbx"}, headers=fresh).status == 409
    assert daemon.post("/api/v1/services/shop/failback", {"reason": "x"}, headers=fresh).status == 202


# ---- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what,path,body,status,code", [
    ("already active", "/api/v1/services/shop/failover", {"reason": "x", "to": "gra"}, 409, "already_active"),
    ("already at home", "/api/v1/services/shop/failback", {"reason": "x"}, 409, "already_active"),
    ("unknown service", "/api/v1/services/nothing/failover", {"reason": "x"}, 404, "not_found"),
    ("unknown site", "/api/v1/services/shop/failover", {"reason": "x", "to": "mars"}, 404, "unknown_site"),
    ("adopt an unknown site", "/api/v1/services/shop/adopt", {"reason": "x", "to": "mars"}, 404, "unknown_site"),
    ("unknown run", "/api/v1/runs/01970000-0000-7000-8000-000000000000/retry", {"reason": "x"}, 404, "not_found"),
], ids=lambda value: value.replace(" ", "_") if isinstance(value, str) and "/" not in value else "")
def test_what_is_refused_is_on_record(daemon, what, path, body, status, code):
    answer = daemon.post(path, body)
    assert (answer.status, answer.json["error"]["code"]) == (status, code), (what, answer.body)
    assert answer.json["error"]["message"]
    entry = wait_for(lambda: refusals(daemon), 5, "the refusal on record")[-1]
    assert entry["who"] == "operator oncall" and "refused" in entry["text"]
    assert daemon.runs() == []


def test_bodies_that_cannot_be_meant(daemon):
    path = "/api/v1/services/shop/failover"
    for body in ({}, {"reason": ""}, {"reason": 5}, {"reason": "x", "to": 5}, {"reason": "x", "planned": "yes"},
                 {"reason": "x", "override": ["cool_down"]}, {"reason": "x", "replace": 1}, {"reason": "x", "plan": "abc"},
                 {"reason": "x", "dance": True}, b"[]", b"{", b"\xff", b'{"reason": "a", "reason": "b"}'):
        answer = daemon.post(path, body)
        assert answer.status == 400, (body, answer.status, answer.body)
        assert answer.json["error"]["message"], body
    entries = wait_for(lambda: sum(entry["detail"]["count"] for entry in refusals(daemon)) == 13 and refusals(daemon), 5,
                       "all of them on record")
    assert all(entry["who"] == "operator oncall" for entry in entries)
    assert "64 hex digits" in daemon.post(path, {"reason": "x", "plan": "abc"}).json["error"]["message"]
    assert daemon.post(path, {"reason": "x" * 100000}).status in (400, 413)
    assert daemon.post("/api/v1/services/shop/adopt", {"reason": "x"}).status == 400
    assert daemon.post("/api/v1/runs/not-a-uuid/cancel", {"reason": "x"}).status in (400, 404)
    assert daemon.get(path).status == 405
    assert daemon.get("/api/v1/nothing").status == 404
    assert daemon.runs() == []


def test_who_may_do_what(daemon):
    path = "/api/v1/services/shop/failover"
    viewer = daemon.post(path, {"reason": "x"}, token=VIEWER_TOKEN)
    assert viewer.status == 403 and viewer.json["error"]["code"]
    assert daemon.get("/api/v1/services", token=VIEWER_TOKEN).status == 200
    for token in (None, "wrong-token-for-tests-1", SOURCE_TOKEN):
        answer = daemon.post(path, {"reason": "x"}, token=token)
        assert answer.status == 401 and "WWW-Authenticate" in answer.headers, token
        for page in ("/api/v1/services", "/api/v1/runs", "/api/v1/audit", "/api/v1/audit/export", "/api/v1/audit/verify"):
            assert daemon.get(page, token=token).status == 401, page
    for page in ("/healthz", "/readyz", "/metrics", "/"):
        assert daemon.get(page, token=None).status == 200, page
    entries = wait_for(lambda: refusals(daemon) if len(refusals(daemon)) >= 2 else None, 10, "the refusals on record")
    assert any(entry["who"] == "operator board" for entry in entries)
    assert not any("wrong-token" in json.dumps(entry) for entry in entries)
    assert daemon.runs() == []


def test_a_second_run_is_refused_while_one_is_under_way(daemon, sandbox):
    hold_run(sandbox)
    assert daemon.move().status == 202
    for path, body in (("failover", {"reason": "x"}), ("failback", {"reason": "x"}), ("adopt", {"reason": "x", "to": "rbx"})):
        answer = daemon.post("/api/v1/services/shop/" + path, body)
        assert (answer.status, answer.json["error"]["code"]) == (409, "run_in_progress"), (path, answer.body)
    run = daemon.runs()[0]["id"]
    for call in ("retry", "skip"):
        answer = daemon.post("/api/v1/runs/%s/%s" % (run, call), {"reason": "x"})
        assert (answer.status, answer.json["error"]["code"]) == (409, "wrong_state"), (call, answer.body)
    assert len(refusals(daemon)) == 5
    assert len(daemon.runs()) == 1
    sandbox.clear_faults()
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)


# ---- cancel, split, adopt --------------------------------------------------------------------------------------------


def test_cancelled_before_its_first_effect_the_service_is_where_it_was(daemon, sandbox):
    sandbox.fault("linode", "status", status=503, times=-1)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["attempts"], 10, "an attempt")
    assert daemon.command("cancel", run, "--reason", "not today").returncode == 0
    daemon.wait_run("cancelled")
    assert daemon.service()["active"] == "gra"
    assert_served(sandbox, GRA)
    assert daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "x"}).status in (404, 409)


def test_cancelled_behind_its_first_effect_the_service_is_split(daemon, sandbox):
    hold_run(sandbox)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["state"] == "done", 15, "the first step")
    assert daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "stop it"}).status == 200
    daemon.wait_run("cancelled")
    wait_for(lambda: daemon.service()["active"] == "split", 5, "split")
    # Nothing is automatic now, and that is on record.
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    vote = daemon.audit(kind="decision.vote")[-1]
    assert "nothing follows: a run stopped half-way (split)" in vote["text"], vote
    assert len(daemon.runs()) == 1
    daemon.kill()
    daemon.start()
    assert daemon.service()["active"] == "split"
    # A person says where it is. From there, people can go on.
    sandbox.clear_faults()
    adopted = daemon.command("adopt", "shop", "--to", "rbx", "--reason", "looked at it")
    assert adopted.returncode == 0 and "rbx" in adopted.stdout
    assert daemon.service()["active"] == "rbx"
    error = daemon.move("failback").json["error"]  # gra is said to be down, until it is not
    assert (error["code"], error["override"]) == ("target_down", "target_down")
    assert daemon.deliver(delivery(alert("gra", status="resolved", ends="2026-11-21T11:00:00Z"))).status == 202
    assert daemon.move("failback").status == 202
    daemon.wait_active("gra")
    assert_served(sandbox, GRA)


def test_out_of_split_by_a_run(daemon, sandbox):
    hold_run(sandbox)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["state"] == "done", 15, "the first step")
    daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "stop it"})
    daemon.wait_run("cancelled")
    sandbox.clear_faults()
    assert daemon.move("failover", to="rbx").status == 202
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)
    assert [step["state"] for step in daemon.run(daemon.runs()[0]["id"])["steps"]] == ["already done", "done", "done"]


def test_a_step_that_failed_is_skipped(daemon, sandbox):
    sandbox.fault("ovh", "status", code="FORBIDDEN", times=-1)
    run = daemon.move().json["run"]
    daemon.wait_run("attention")
    assert daemon.command("skip", run, "--reason", "done by hand").returncode == 0
    daemon.wait_run("succeeded")
    assert [step["state"] for step in daemon.run(run)["steps"]] == ["done", "skipped", "done"]
    assert daemon.service()["active"] == "rbx"


def test_in_attention_it_still_is_the_one_run(daemon, sandbox):
    sandbox.fault("linode", "status", status=401, times=-1)
    run = daemon.move().json["run"]
    failed = daemon.wait_run("attention")
    assert failed["error"]
    status = daemon.command("status").stdout
    assert "shop: moving, home gra" in status and failed["error"] in status and "turnout retry %s --reason" % run in status
    answer = daemon.move()
    assert (answer.status, answer.json["error"]["code"]) == (409, "run_in_progress")
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    vote = daemon.audit(kind="decision.vote")[-1]
    assert "nothing follows: the failover from gra to rbx waits for a person" in vote["text"], vote
    daemon.kill()
    daemon.start()
    assert daemon.run(run)["state"] == "attention"
    sandbox.clear_faults()
    assert daemon.command("retry", run, "--reason", "the token works again").returncode == 0
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)
    assert len(daemon.runs()) == 1


def test_operators_are_served_in_the_worst_storm(daemon, sandbox):
    """Distinct alerts from many senders as quick as they can, wrong credentials among them: a failover takes what it takes."""
    stop, sent = threading.Event(), [0]

    def send(number):
        n = 0
        while not stop.is_set():
            n += 1
            token = "wrong" if number == 0 else SOURCE_TOKEN
            labels = {"instance": "%d-%d" % (number, n), "service": "shop" if n % 2 else "other"}
            assert daemon.deliver(delivery(alert("rbx" if n % 4 == 1 else "mars", **labels)), token=token).status in (202, 401, 503)
            sent[0] += 1
    threads = [threading.Thread(target=send, args=(number,)) for number in range(10)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: sent[0] > 200, 20, "a storm")
        begin = time.monotonic()
        assert daemon.move("failover", to="rbx", override=["target_down"]).status == 202
        assert time.monotonic() - begin < 2
        daemon.wait_run("succeeded")
        assert daemon.command("status").returncode == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert_served(sandbox, RBX)


# ---- where it is active ----------------------------------------------------------------------------------------------


def test_unknown_while_the_providers_are_away_and_seen_when_they_are_back(make_daemon, sandbox):
    sandbox.fault("ovh", "reset_before", times=-1)
    daemon = make_daemon(configuration(sandbox))
    wait_for(lambda: daemon.audit(kind="decision.observed"), 20, "a first look")
    assert daemon.service()["active"] == "unknown"
    daemon.deliver(delivery(alert("gra")))
    wait_for(lambda: not daemon.service()["timers"], 10, "the hold")
    assert daemon.runs() == []
    # A refused connection was worth a line, and the same again is not.
    assert len(daemon.audit(kind="decision.observed")) == 1
    sandbox.clear_faults()
    daemon.wait_active("gra", 40)
    # Now the alert that stands decides.
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)


def test_unknown_where_the_providers_disagree_until_a_person_says(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox))
    daemon.wait_active("gra")
    daemon.stop()
    # Somebody has changed one of the three by hand, while no daemon was there and its memory is lost.
    for suffix in ("", "-wal", "-shm"):
        if os.path.exists(daemon.database + suffix):
            os.unlink(daemon.database + suffix)
    answer = request("PUT", sandbox.linode_url + "/domains/123/records/36666865", {"target": RBX}, token=LINODE_TOKEN)
    assert answer.status == 200, answer.body
    daemon.start()
    wait_for(lambda: daemon.audit(kind="decision.observed"), 20, "a look")
    assert daemon.service()["active"] == "unknown"
    assert daemon.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "it is"}).json == {"active": "gra"}
    assert daemon.service()["active"] == "gra"
    assert daemon.move().status == 202
    daemon.wait_run("succeeded")
    assert_served(sandbox, RBX)


# ---- reading ---------------------------------------------------------------------------------------------------------


def test_lists_have_pages_and_filters(daemon, sandbox):
    for direction in ("failover", "failback", "failover"):
        assert daemon.move(direction).status == 202
        wait_for(lambda: daemon.runs()[0]["state"] == "succeeded", 30, "the run")
    runs = daemon.runs()
    assert [run["to"] for run in runs] == ["rbx", "gra", "rbx"]
    seen, after = [], ""
    while after is not None:
        page = daemon.get("/api/v1/runs?limit=1" + after).json
        seen += [run["id"] for run in page["items"]]
        after = "&after=" + page["next"] if page.get("next") else None
    assert seen == [run["id"] for run in runs]
    assert daemon.get("/api/v1/runs?state=attention").json["items"] == []
    assert len(daemon.get("/api/v1/runs?service=shop&state=succeeded").json["items"]) == 3
    assert daemon.get("/api/v1/runs?service=nothing").json["items"] == []
    for query in ("limit=0", "limit=x", "after=x", "state=dancing", "dance=1"):
        assert daemon.get("/api/v1/runs?" + query).status == 400, query
    assert {entry["kind"] for entry in daemon.audit(kind="run.finished")} == {"run.finished"}
    assert len(daemon.audit(service="shop", kind="run.finished")) == 3
    everything = daemon.audit()
    assert [entry["seq"] for entry in everything] == list(range(1, len(everything) + 1))
    lines = [json.loads(line) for line in daemon.get("/api/v1/audit/export").body.decode().splitlines()]
    assert [line["entry"] for line in lines] == everything[:len(lines)] and len(lines) >= len(everything)


def test_a_run_that_is_over_takes_no_calls(daemon):
    run = daemon.move().json["run"]
    daemon.wait_run("succeeded")
    for verb in ("retry", "skip", "cancel"):
        answer = daemon.post("/api/v1/runs/%s/%s" % (run, verb), {"reason": "x"})
        assert answer.status == 409
        assert answer.json["error"] == {"code": "wrong_state", "message": "the run is over", "override": None, "replace": False}
    assert daemon.command("cancel", run, "--reason", "x").returncode == 3
    unknown = daemon.post("/api/v1/runs/01a1fc27-33e6-738f-a19e-cde1c3f21f25/cancel", {"reason": "x"})
    assert unknown.status == 404 and unknown.json["error"]["code"] == "not_found"

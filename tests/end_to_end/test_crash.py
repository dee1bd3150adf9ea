"""kill -9 at many instants: what was acknowledged is there, every run ends, and no effect is made twice.

The instants are made by the sandbox: it holds the n-th request of a run (before or after its effect), and the daemon is
killed while it waits for the answer."""

import json
import random
import re
import signal
import threading
import time
from datetime import datetime, timedelta

import pytest

from daemon import GRA, RBX, SOURCE_TOKEN, alert, configuration, delivery, request, wait_for

NAMES = ("app.example.com", "app.example.net", "app.example.org")
# Of the some 29 requests of the run below, those that are not another one's like; a later instant is after its end.
INSTANTS = (0, 1, 2, 3, 5, 6, 7, 8, 12, 13, 14, 15, 16, 21, 22, 23, 24, 25, 26, 27, 28)


def what_is_made(body):
    """Of a Route 53 batch not what it deletes: sent again, that is what was made the first time."""
    return re.sub("<Change><Action>DELETE</Action>.*?</Change>", "", body or "", flags=re.S)


def assert_all_right(daemon, sandbox, run):
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 40, "the run to succeed")
    assert len(daemon.runs()) == 1
    for name in NAMES:
        assert sandbox.dig(name) == [RBX], name
    assert daemon.service()["active"] == "rbx"
    made = {}
    for entry in sandbox.requests():
        if entry["effect"] and entry["method"] != "GET":
            made.setdefault((entry["provider"], entry["method"]), []).append((entry["path"], what_is_made(entry["body"])))
    # An effect whose answer was lost may be made again, the very same; nothing else ever is. (Route 53's comment names the run.)
    for key, same in made.items():
        assert len(set(same)) == 1, (key, same)
    assert sum(len(same) - 1 for same in made.values()) <= 2, made
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True
    assert all(step["state"] in ("done", "already done") for step in daemon.run(run)["steps"])


def kill_at(daemon, sandbox, n, kind, **match):
    """Starts a run and kills the daemon while it waits for the n-th request that matches. Returns the run."""
    sandbox.clear_requests()
    fault = sandbox.fault("*", kind, skip=n, ms=3000, **match)
    run = daemon.move().json["run"]

    def reached():
        hits = next(entry["hits"] for entry in sandbox.faults() if entry["id"] == fault)
        return hits > 0 or daemon.run(run)["state"] == "succeeded"
    wait_for(reached, 30, "request %d" % n)
    if kind == "timeout_after":  # its effect is made within a moment after it was counted
        wait_for(lambda: any(entry["fault"] == kind for entry in sandbox.requests()), 5, "the effect")
    daemon.kill()
    sandbox.clear_faults()
    return run


@pytest.mark.parametrize("n", INSTANTS)
def test_killed_before_any_request(daemon, sandbox, n):
    run = kill_at(daemon, sandbox, n, "timeout_before")
    daemon.start()
    assert_all_right(daemon, sandbox, run)


@pytest.mark.parametrize("n", range(2))
@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_killed_behind_any_write(daemon, sandbox, n, method):
    run = kill_at(daemon, sandbox, n, "timeout_after", method=method)
    daemon.start()
    assert_all_right(daemon, sandbox, run)


@pytest.mark.parametrize("seed", range(8))
def test_killed_at_a_random_moment_again_and_again(daemon, sandbox, seed):
    """Several times in one run: between a commit and a request, in a commit, in the start."""
    source = random.Random(seed)
    sandbox.clear_requests()
    run = daemon.move().json["run"]
    for _ in range(3):
        time.sleep(source.uniform(0, 0.5))
        daemon.kill()
        daemon.start()
    assert_all_right(daemon, sandbox, run)


@pytest.mark.parametrize("delay", [0, 0.15, 0.25])  # before, during and after the end of the hold
def test_killed_while_an_alert_decides(daemon, sandbox, delay):
    """The whole way: an acknowledged alert starts the run, whatever happens to the daemon."""
    assert daemon.deliver(delivery(alert("gra"))).status == 202
    time.sleep(delay)
    daemon.kill()
    daemon.start()
    wait_for(lambda: daemon.runs() and daemon.runs()[0]["state"] == "succeeded", 30, "the run")
    assert len(daemon.runs()) == 1
    for name in NAMES:
        assert sandbox.dig(name) == [RBX]


def test_killed_in_attention_and_in_split(daemon, sandbox):
    sandbox.fault("ovh", "status", code="FORBIDDEN", times=-1)
    run = daemon.move().json["run"]
    before = daemon.wait_run("attention")
    daemon.kill()
    daemon.start()
    after = daemon.run(run)
    assert (after["state"], after["error"]) == ("attention", before["error"])
    assert daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "x"}).status == 200
    daemon.kill()
    daemon.start()
    assert daemon.run(run)["state"] == "cancelled" and daemon.service()["active"] == "split"


def test_a_cancel_that_was_answered_holds(daemon, sandbox):
    """Killed between the cancel and the end of the attempt that it waits for."""
    sandbox.fault("ovh", "timeout_before", times=-1)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["steps"][0]["state"] == "done" and daemon.run(run)["steps"][1]["attempts"], 20, "OVH's turn")
    assert daemon.post("/api/v1/runs/%s/cancel" % run, {"reason": "x"}).status == 200
    daemon.kill()
    sandbox.clear_faults()
    daemon.start()
    wait_for(lambda: daemon.run(run)["state"] == "cancelled", 20, "the cancel")
    assert sandbox.dig("app.example.net") == [GRA] and daemon.service()["active"] == "split"


# ---- intake ----------------------------------------------------------------------------------------------------------


def storm(daemon, n_threads, stop):
    """Senders of distinct alerts, as quick as they can. Returns (threads, what was answered 202: delivery -> alert)."""
    acknowledged, lock = {}, threading.Lock()
    hooks = daemon.hooks

    def send(thread):
        n = 0
        while not stop.is_set():
            n += 1
            name = "storm-%d-%d" % (thread, n)
            try:
                answer = request("POST", hooks + "/hooks/prometheus", delivery(alert(instance=name, service="other")), SOURCE_TOKEN,
                                 timeout=5)
            except OSError:
                return
            if answer.status == 202:
                with lock:
                    acknowledged[answer.json["delivery"]] = name
    threads = [threading.Thread(target=send, args=(i,)) for i in range(n_threads)]
    for thread in threads:
        thread.start()
    return threads, acknowledged


def assert_stored(daemon, acknowledged):
    stored = {row[0].lower(): row[1] for row in daemon.sql("SELECT hex(id), body FROM delivery")}
    lost = [name for uuid, name in acknowledged.items() if name not in str(stored.get(uuid.replace("-", ""), ""))]
    assert lost == [], "%d of %d acknowledged deliveries are lost" % (len(lost), len(acknowledged))


@pytest.mark.parametrize("seed", range(3))
def test_killed_in_a_storm_everything_acknowledged_is_there(daemon, seed):
    stop = threading.Event()
    threads, acknowledged = storm(daemon, 8, stop)
    wait_for(lambda: len(acknowledged) > 100, 20, "a storm")
    time.sleep(random.Random(seed).uniform(0, 0.3))
    daemon.kill()
    stop.set()
    for thread in threads:
        thread.join()
    daemon.start()
    assert_stored(daemon, acknowledged)
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True
    # And it is known, not only stored: the same again is a duplicate.
    uuid, name = next(iter(acknowledged.items()))
    again = daemon.deliver(delivery(alert(instance=name, service="other")))
    assert (again.status, again.json["delivery"], again.json["duplicate"]) == (200, uuid, True)


def test_stopped_in_a_storm_everything_accepted_is_answered(daemon):
    stop = threading.Event()
    threads, acknowledged = storm(daemon, 8, stop)
    wait_for(lambda: len(acknowledged) > 100, 20, "a storm")
    daemon.process.send_signal(signal.SIGTERM)
    assert daemon.process.wait(15) == 0
    stop.set()
    for thread in threads:
        thread.join()
    assert_stored(daemon, acknowledged)
    kinds = [json.loads(line)["entry"]["kind"] for line in
             daemon.command("audit", "export", "--database", daemon.database).stdout.splitlines()]
    assert kinds[-1] == "daemon.stopped"


@pytest.mark.parametrize("at", ["PUT", "POST", "GET"])
def test_stopped_in_a_run_it_goes_on_after_the_start(daemon, sandbox, at):
    sandbox.clear_requests()
    # In one case the provider hangs for longer than a stop waits.
    fault = sandbox.fault("*", "timeout_before", method=at, ms=20000 if at == "PUT" else 1000)
    run = daemon.move().json["run"]
    wait_for(lambda: next(entry["hits"] for entry in sandbox.faults() if entry["id"] == fault), 20, "the request")
    begin = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begin < 10
    sandbox.clear_faults()
    daemon.start()
    assert_all_right(daemon, sandbox, run)
    kinds = [entry["kind"] for entry in daemon.audit()]
    assert "daemon.stopped" in kinds and kinds.count("daemon.started") == 2


@pytest.mark.parametrize("hang_ms", [1000, 20000])
def test_stopped_in_a_group_of_steps_all_of_them_go_on_after_the_start(make_daemon, sandbox, hang_ms):
    """Three attempts are out: within the grace they come to their ends, beyond it they are cut off and taken up again."""
    steps = configuration(sandbox)["services"]["shop"]["playbook"]
    daemon = make_daemon(configuration(sandbox, playbook=[{"parallel": steps}]))
    daemon.wait_active("gra")
    sandbox.clear_requests()
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        sandbox.fault(provider, "timeout_after", method=method, ms=hang_ms)
    run = daemon.move().json["run"]
    wait_for(lambda: all(fault["hits"] for fault in sandbox.faults()), 20, "three writes")
    begin = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begin < 10
    sandbox.clear_faults()
    daemon.start()
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 40, "the run to succeed")
    for name in NAMES:
        assert sandbox.dig(name) == [RBX], name
    # What was sent had its effect, and is seen rather than sent again; at Route 53 the same is sent again, to follow it.
    made = [(entry["provider"], entry["method"]) for entry in sandbox.requests() if entry["effect"]]
    assert made.count(("linode", "PUT")) == made.count(("ovh", "PUT")) == 1 and made.count(("route53", "POST")) <= 2, made
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True


def test_timers_and_alerts_are_the_same_after_a_kill(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox, votes=2, hold="1h"))
    daemon.wait_active("gra")
    daemon.deliver(delivery(alert("gra"), alert("gra", instance="b")))
    daemon.deliver(delivery(alert("gra")), source="second", token=SOURCE_TOKEN + "-second")
    before = daemon.service()
    assert before["timers"] and before["sites"][0]["down_votes"] == 2
    daemon.kill()
    daemon.start()
    after = daemon.service()
    # A timer waits on the steady clock. What that is on the wall clock each process finds for itself, to the millisecond
    # in which it reads the two.
    due = [datetime.fromisoformat(service["timers"][0].pop("due_at"))
           for service in (before, after)]
    assert abs(due[1] - due[0]) < timedelta(milliseconds=100)
    for name in ("heard_at", "expires_at"):
        times = [[voter.pop(name) for voter in service["sites"][0]["voters"]] for service in (before, after)]
        for one, other in zip(*times):
            assert (one is None) == (other is None)
            assert one is None or abs(datetime.fromisoformat(one) - datetime.fromisoformat(other)) < timedelta(milliseconds=100)
    assert (after["sites"], after["timers"], after["active"], after["active_since"]) == \
        (before["sites"], before["timers"], before["active"], before["active_since"])

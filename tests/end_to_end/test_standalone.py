"""A playbook without a daemon and without a database: for the day on which neither is there."""

import glob
import json
import os
import signal
import socket
import subprocess
import time

import pytest

from daemon import BINARY, GRA, RBX, SECRETS, Daemon, configuration, wait_for

NAMES = ("app.example.com", "app.example.net", "app.example.org")


class Folder(Daemon):
    """The configuration in a folder of its own, and what people type there."""

    def words(self, *more, direction="failover", to=("--to", "rbx")):
        return [BINARY, direction, "shop", "--standalone", "-c", self.path, "--reason", "the daemon is gone", *to, *more]

    def move(self, *more, answer="", **where):
        return subprocess.run(self.words(*more, **where), env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                              input=answer, timeout=60, check=False)

    def journal(self):
        (path,) = glob.glob(os.path.join(self.folder, "turnout-standalone-*.jsonl"))
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


@pytest.fixture
def folder(tmp_path, sandbox):
    return Folder(tmp_path, configuration(sandbox))


def test_there_and_back(folder, sandbox):
    there = folder.move("--yes")
    assert there.returncode == 0, there.stdout + there.stderr
    assert "failover of shop from gra to rbx" in there.stdout
    assert "target: %s -> %s" % (GRA, RBX) in there.stdout
    assert there.stdout.count(": done") >= 3
    for name in NAMES:
        sandbox.wait_served(name, RBX)
    entries = folder.journal()
    assert entries[0]["kind"] == "started" and entries[0]["reason"] == "the daemon is gone"
    assert entries[-1] == dict(entries[-1], kind="finished", state="succeeded", exit=0)
    started = [(entry["step"], entry["attempt"]) for entry in entries if entry["kind"] == "attempt"]
    assert started == [(entry["step"], entry["attempt"]) for entry in entries if entry["kind"] == "result"]
    assert [entry["state"] for entry in entries if entry["kind"] == "plan.step"] == ["changes"] * 3
    text = json.dumps(entries) + there.stdout + there.stderr
    assert not any(secret in text for name, secret in SECRETS.items() if name not in ("OVH_AK", "AWS_ACCESS_KEY_ID"))
    back = folder.move("--yes", direction="failback", to=())
    assert back.returncode == 0, back.stdout + back.stderr
    for name in NAMES:
        sandbox.wait_served(name, GRA)
    assert not os.path.exists(folder.database)


def test_what_is_right_already_is_not_written(folder, sandbox):
    assert folder.move("--yes").returncode == 0
    sandbox.clear_requests()
    again = folder.move("--yes")
    assert again.returncode == 0 and again.stdout.count("already done") == 3, again.stdout
    assert not [entry for entry in sandbox.requests() if entry["effect"]]


def test_nothing_goes_out_without_a_yes(folder, sandbox):
    for answer in ("", "no\n", "y\n"):
        refused = folder.move(answer=answer)
        assert refused.returncode == 3 and "nothing was changed" in refused.stderr
    assert not [entry for entry in sandbox.requests() if entry["effect"]]
    assert folder.move(answer="yes\n").returncode == 0


def test_not_while_a_daemon_is_there(make_daemon, sandbox):
    daemon = make_daemon(configuration(sandbox))
    folder = Folder(daemon.folder, configuration(sandbox))
    refused = folder.move("--yes")
    assert refused.returncode == 3
    assert "held by process %d" % daemon.process.pid in refused.stderr and "without --standalone" in refused.stderr
    assert not [entry for entry in sandbox.requests() if entry["effect"]]
    daemon.stop()
    assert folder.move("--yes").returncode == 0


def test_a_run_of_the_daemon_that_is_not_over_is_told(make_daemon, sandbox):
    """It goes on with it when it comes back: whoever moves the service meanwhile has to know."""
    daemon = make_daemon(configuration(sandbox))
    daemon.wait_active("gra")
    sandbox.fault("linode", "status", status=503, times=-1)
    run = daemon.move().json["run"]
    wait_for(lambda: daemon.run(run)["state"] == "running", 10, "the run")
    daemon.kill()
    sandbox.clear_faults()
    there = subprocess.run(Folder.words(daemon), env=dict(os.environ, **SECRETS), capture_output=True, text=True, input="", timeout=60,
                           check=False)
    assert there.returncode == 3 and "by its database the daemon has a failover to rbx that is not over (run %s, running)" % run in there.stderr
    assert "turnout cancel %s --reason TEXT" % run in there.stderr


def test_a_broken_database_is_no_reason(folder, sandbox):
    with open(folder.database, "wb") as file:
        file.write(b"this was a database" * 1000)
    assert folder.move("--yes").returncode == 0
    sandbox.wait_served(NAMES[0], RBX)
    os.unlink(folder.database)
    os.mkdir(folder.database)  # worse: not even its lock can be taken
    back = folder.move("--yes", to=("--to", "gra"))
    assert back.returncode == 0 and "see that none does" in back.stderr, back.stderr
    sandbox.wait_served(NAMES[0], GRA)


def test_the_kill_switch_counts(tmp_path, sandbox):
    config = configuration(sandbox)
    config["server"]["kill_switch"] = str(tmp_path / "stop")
    folder = Folder(tmp_path, config)
    (tmp_path / "stop").touch()
    refused = folder.move("--yes")
    assert refused.returncode == 3 and "kill switch" in refused.stderr
    assert "target: %s -> %s" % (GRA, RBX) in refused.stdout  # what would be done is said all the same
    assert not [entry for entry in sandbox.requests() if entry["effect"]]


def test_permanent_trouble_is_said_with_what_to_do_and_the_next_call_goes_on(folder, sandbox):
    sandbox.fault("ovh", "status", method="PUT", status=403, times=5)
    failed = folder.move("--yes")
    assert failed.returncode == 1
    assert "403" in failed.stdout and "To go on: put right what stands above, and call the same again" in failed.stdout
    assert folder.journal()[-1]["state"] == "attention"
    sandbox.clear_faults()
    sandbox.clear_requests()
    time.sleep(0.002)  # the journal's name is the time to the millisecond
    again = folder.move("--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert not [entry for entry in sandbox.requests("linode") if entry["effect"]]  # that one was done
    for name in NAMES:
        sandbox.wait_served(name, RBX)


def test_steps_of_a_group_go_at_once_and_an_interrupt_ends_it_clean(tmp_path, sandbox):
    steps = configuration(sandbox)["services"]["shop"]["playbook"]
    folder = Folder(tmp_path, configuration(sandbox, playbook=[{"parallel": steps}]))
    for provider, method in (("linode", "PUT"), ("ovh", "PUT"), ("route53", "POST")):
        sandbox.fault(provider, "status", method=method, status=503, times=1000)
    process = subprocess.Popen(folder.words("--yes"), env=dict(os.environ, **SECRETS), stdout=subprocess.PIPE, text=True)
    wait_for(lambda: len({fault["provider"] for fault in sandbox.faults() if fault["hits"]}) == 3, 20, "three writes")
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    out = process.communicate(timeout=30)[0]
    assert process.returncode == 1 and time.monotonic() - began < 10
    assert "Cancelled: what is under way comes to its end first" in out and "The run: cancelled" in out, out
    assert folder.journal()[-1]["state"] == "cancelled"
    assert not [entry for entry in sandbox.requests() if entry["effect"]]


@pytest.mark.parametrize("words, says", [
    (["failover", "shop", "--standalone", "--to", "rbx", "--reason", "x"], "needs -c FILE"),
    (["failover", "shop", "--standalone", "-c", "turnout.yaml", "--to", "rbx"], "--reason is needed"),
    (["failover", "shop", "--standalone", "-c", "turnout.yaml", "--reason", "x"], "--to SITE is needed"),
    (["failover", "shop", "--standalone", "-c", "turnout.yaml", "--reason", "x", "--to", "mars"], "has no site mars"),
    (["failover", "shoe", "--standalone", "-c", "turnout.yaml", "--reason", "x", "--to", "rbx"], "no service shoe"),
    (["failover", "shop", "--standalone", "-c", "turnout.yaml", "--reason", "x", "--to", "rbx", "--from", "rbx"], "same site"),
])
def test_what_is_missing_is_said(folder, words, says):
    result = subprocess.run([BINARY, *words], env=dict(os.environ, **SECRETS), capture_output=True, text=True, timeout=30,
                            cwd=folder.folder, check=False)
    assert result.returncode in (1, 2) and says in result.stderr


# ---- a name server that does not answer --------------------------------------------------------------------------------

def without_dns(folder, silent):
    """What runs a command where every name is asked of a server that drops what it gets; None where that cannot be made."""
    path = os.path.join(folder, "resolv.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("nameserver %s\noptions timeout:30 attempts:5\n" % silent)
    for unshare in (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"]):
        words = [*unshare, "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', path]
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    return None


def test_an_interrupt_while_the_dns_is_dead(tmp_path, sandbox):
    """The C library waits for minutes in its own thread: nobody waits for that."""
    config = configuration(sandbox)
    config["providers"]["linode"]["url"] = "http://api.example.test/v4"
    folder = Folder(tmp_path, config)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        try:
            silent.bind(("127.0.0.153", 53))
        except PermissionError:
            pytest.skip("port 53 is for root")
        words = without_dns(folder.folder, "127.0.0.153")
        if not words:
            pytest.skip("no mount namespace can be made")
        process = subprocess.Popen([*words, *folder.words("--yes")], env=dict(os.environ, **SECRETS), stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
        silent.settimeout(20)
        assert b"example" in silent.recv(512)  # it does ask
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
        took = time.monotonic() - began
    assert process.returncode == 3 and "nothing was changed" in err, out + err
    assert took < 3, out + err
    assert not [entry for entry in sandbox.requests() if entry["effect"]]

"""The database in trouble: full, locked, without room. Senders are told to come back, nothing acknowledged is lost, a run that
is under way ends right, and it recovers by itself."""

import contextlib
import os
import resource
import sqlite3
import subprocess
import threading
import time

import pytest

from daemon import BINARY, GRA, RBX, SOURCE_TOKEN, alert, configuration, delivery, request, wait_for

NAMES = ("app.example.com", "app.example.net", "app.example.org")


def limit_files(daemon, size):
    """From now on the daemon's files cannot grow beyond this: like a full disk, and it needs no rights."""
    resource.prlimit(daemon.process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def fill(daemon, size=4000):
    """Delivers until the answer is 503; returns (the acknowledged: delivery -> name, that answer)."""
    acknowledged = {}
    for n in range(20000):
        name = "fill-%d" % n
        answer = daemon.deliver(delivery(alert(instance=name, service="other"), commonAnnotations={"padding": "x" * size}))
        if answer.status == 202:
            acknowledged[answer.json["delivery"]] = name
        else:
            assert answer.status == 503, (answer.status, answer.body)
            return acknowledged, answer
    raise AssertionError("never answered 503")


def assert_stored(daemon, acknowledged):
    stored = {row[0].lower(): str(row[1]) for row in daemon.sql("SELECT hex(id), body FROM delivery")}
    lost = [name for uuid, name in acknowledged.items() if name not in stored.get(uuid.replace("-", ""), "")]
    assert lost == [], "%d of %d acknowledged deliveries are lost" % (len(lost), len(acknowledged))


def is_ready(daemon, listener="api"):
    return request("GET", getattr(daemon, listener) + "/readyz").status == 200


def wait_recovered(daemon, timeout_s=20):
    wait_for(lambda: is_ready(daemon), timeout_s, "the daemon to be ready again")
    assert wait_for(lambda: daemon.audit(kind="store.recovered"), 5, "the recovery on record")
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True


def test_a_full_disk(daemon):
    used = sum(os.path.getsize(daemon.database + suffix) for suffix in ("", "-wal"))
    limit_files(daemon, used + 300000)
    acknowledged, answer = fill(daemon)
    assert int(answer.headers["Retry-After"]) > 0 and answer.json["error"]["message"]
    health = daemon.get("/readyz", token=None)
    assert health.status == 503 and b"full" in health.body.lower() or b"database" in health.body.lower(), health.body
    assert request("GET", daemon.hooks + "/readyz").status == 503
    assert daemon.get("/healthz", token=None).status == 200
    # What can be read still is.
    assert daemon.get("/api/v1/services").status == 200
    assert_stored(daemon, acknowledged)
    limit_files(daemon, resource.RLIM_INFINITY)
    wait_recovered(daemon)
    assert daemon.deliver(delivery(alert(instance="after"))).status == 202
    assert_stored(daemon, acknowledged)
    daemon.kill()
    daemon.start()
    assert_stored(daemon, acknowledged)


def test_a_disk_that_is_full_in_the_middle_of_a_run(daemon, sandbox):
    sandbox.fault("ovh", "slow", method="PUT", ms=1500)
    sandbox.clear_requests()
    run = daemon.move().json["run"]
    wait_for(lambda: sandbox.requests("ovh", "PUT"), 15, "OVH's turn")
    limit_files(daemon, 4096)
    # The result of the write cannot be stored: it is kept, and nothing else is done until it is.
    wait_for(lambda: not is_ready(daemon), 15, "the trouble to be seen")
    time.sleep(1)
    assert sandbox.requests("route53", "POST") == []
    answer = daemon.move("failback")
    assert answer.status in (409, 503), answer.body
    limit_files(daemon, resource.RLIM_INFINITY)
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the run")
    wait_recovered(daemon)
    for name in NAMES:
        assert sandbox.dig(name) == [RBX]
    assert len([entry for entry in sandbox.requests("ovh", "PUT") if entry["effect"]]) == 1
    outcomes = [(a["phase"], a["outcome"]) for a in daemon.run(run)["steps"][1]["attempts"]]
    assert outcomes.count(("apply", "ok")) == 1 and ("apply", "unknown") not in outcomes


class Locked:
    """Another process holds a write transaction of the database, as a careless backup would."""

    def __init__(self, daemon, mode="IMMEDIATE"):
        self.connection = sqlite3.connect(daemon.database, isolation_level=None, timeout=10)
        self.mode = mode

    def __enter__(self):
        self.connection.execute("BEGIN " + self.mode)
        return self

    def __exit__(self, *_):
        self.connection.execute("ROLLBACK")
        self.connection.close()


@pytest.mark.parametrize("mode", ["IMMEDIATE", "EXCLUSIVE"])
def test_locked_by_another_process_for_seconds(daemon, mode):
    acknowledged, refused, stop = {}, [], threading.Event()

    def send(thread):
        n = 0
        while not stop.is_set():
            n += 1
            name = "locked-%d-%d" % (thread, n)
            answer = request("POST", daemon.hooks + "/hooks/prometheus", delivery(alert(instance=name, service="other")), SOURCE_TOKEN)
            if answer.status == 202:
                acknowledged[answer.json["delivery"]] = name
            else:
                assert answer.status == 503 and "Retry-After" in answer.headers
                refused.append(name)
                time.sleep(0.05)
    threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(acknowledged) > 20, 20, "senders")
    with Locked(daemon, mode):
        wait_for(lambda: len(refused) > 4, 20, "senders to be told to come back")
        health = request("GET", daemon.api + "/readyz")
        assert health.status == 503 and b"lock" in health.body.lower(), health.body
        time.sleep(2)
    before = len(acknowledged)
    wait_for(lambda: len(acknowledged) > before + 20, 20, "senders to be served again")
    stop.set()
    for thread in threads:
        thread.join()
    wait_recovered(daemon)
    assert_stored(daemon, acknowledged)


def test_locked_in_the_middle_of_a_run(daemon, sandbox):
    sandbox.fault("ovh", "slow", method="PUT", ms=800)
    sandbox.clear_requests()
    run = daemon.move().json["run"]
    wait_for(lambda: sandbox.requests("ovh", "PUT"), 15, "OVH's turn")
    with Locked(daemon):
        wait_for(lambda: not is_ready(daemon), 20, "the trouble to be seen")
        assert sandbox.requests("route53", "POST") == []
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the run")
    for name in NAMES:
        assert sandbox.dig(name) == [RBX]
    assert len([entry for entry in sandbox.requests("ovh", "PUT") if entry["effect"]]) == 1


def test_killed_while_it_is_locked(daemon, sandbox):
    sandbox.fault("ovh", "slow", method="PUT", ms=500)
    run = daemon.move().json["run"]
    wait_for(lambda: sandbox.requests("ovh", "PUT"), 15, "OVH's turn")
    with Locked(daemon):
        wait_for(lambda: not is_ready(daemon), 20, "the trouble to be seen")
        daemon.kill()
    daemon.start()
    wait_for(lambda: daemon.run(run)["state"] == "succeeded", 30, "the run")
    for name in NAMES:
        assert sandbox.dig(name) == [RBX]


def test_stopped_while_nothing_can_be_written(daemon):
    acknowledged = {}
    for n in range(5):
        answer = daemon.deliver(delivery(alert(instance="n%d" % n, service="other")))
        acknowledged[answer.json["delivery"]] = "n%d" % n
    limit_files(daemon, 4096)
    assert daemon.deliver(delivery(alert(instance="x", service="other"))).status == 503
    begin = time.monotonic()
    daemon.stop()
    assert time.monotonic() - begin < 15
    daemon.start()
    assert_stored(daemon, acknowledged)
    assert daemon.get("/api/v1/audit/verify").json["intact"] is True


# ---- the reserve -----------------------------------------------------------------------------------------------------

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/statvfs.h>
#include <unistd.h>
/* While the file FULL_WHEN exists, 1 MiB of every file system is free. */
static int pretend(int result, struct statvfs *buffer)
{
    if (result == 0 && access(FULL_WHEN, F_OK) == 0)
        buffer->f_bavail = (1 << 20) / buffer->f_frsize;
    return result;
}
int statvfs(const char *path, struct statvfs *buffer)
{
    int (*real)(const char *, struct statvfs *) = dlsym(RTLD_NEXT, "statvfs");
    return pretend(real(path, buffer), buffer);
}
int fstatvfs(int fd, struct statvfs *buffer)
{
    int (*real)(int, struct statvfs *) = dlsym(RTLD_NEXT, "fstatvfs");
    return pretend(real(fd, buffer), buffer);
}
"""


def runtime_of_asan():
    """The sanitizer's runtime must come before everything else that is preloaded."""
    libraries = subprocess.run(["ldd", BINARY], capture_output=True, text=True, check=True).stdout
    return [line.split("=>")[1].split()[0] for line in libraries.splitlines() if "libasan" in line or "libtsan" in line]


def test_below_the_reserve_intake_stops_and_operators_go_on(make_daemon, sandbox, tmp_path, monkeypatch):
    flag, source, shim = tmp_path / "full", tmp_path / "shim.c", tmp_path / "shim.so"
    source.write_text(SHIM)
    subprocess.run(["gcc", "-shared", "-fPIC", "-DFULL_WHEN=\"%s\"" % flag, "-o", str(shim), str(source), "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", ":".join(runtime_of_asan() + [str(shim)]))
    daemon = make_daemon(configuration(sandbox, ready="1s"))
    monkeypatch.delenv("LD_PRELOAD")
    daemon.wait_active("gra")
    assert daemon.deliver(delivery(alert(service="other"))).status == 202
    flag.touch()
    wait_for(lambda: not is_ready(daemon), 10, "the reserve to be seen")
    answer = daemon.deliver(delivery(alert("gra")))
    assert answer.status == 503 and "Retry-After" in answer.headers
    assert b"reserve" in daemon.get("/readyz", token=None).body
    ready = wait_for(lambda: "MiB free" in (daemon.service()["readiness"]["failover"] or {"text": ""})["text"] and
                     daemon.service()["readiness"]["failover"], 20, "readiness to say so")
    assert ready["state"] == "degraded"
    # The disk is kept for this.
    assert daemon.move().status == 202
    daemon.wait_run("succeeded")
    assert sandbox.dig("app.example.org") == [RBX]
    assert daemon.move("failback").status == 202
    daemon.wait_active("gra")
    assert sandbox.dig("app.example.org") == [GRA]
    flag.unlink()
    wait_for(lambda: is_ready(daemon), 10, "room again")
    assert daemon.deliver(delivery(alert(service="other", instance="b"))).status == 202


def test_a_file_system_that_is_really_full(make_daemon, sandbox, tmp_path):
    """A small file system of our own, where we may make one; the tests above do not need it."""
    folder = tmp_path / "daemon"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "turnout-test", str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("file systems cannot be made here; RLIMIT_FSIZE and a pretended free space are tried above")
    try:
        daemon = make_daemon(configuration(sandbox))
        daemon.wait_active("gra")
        acknowledged, answer = fill(daemon, 100000)
        assert "reserve" in daemon.get("/readyz", token=None).body.decode(), answer.body
        # The reserve is there for a failover: with it, this works even now.
        assert daemon.move().status == 202
        daemon.wait_run("succeeded")
        # And now nothing at all is left.
        ballast = folder / "ballast"
        with open(ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 65536)
        answer = daemon.move("failback")
        assert answer.status in (202, 503)
        ballast.unlink()
        wait_for(lambda: daemon.move("failback").status in (202, 409), 15, "operators to be served again")
        daemon.wait_active("gra")
        assert_stored(daemon, acknowledged)
        assert daemon.get("/api/v1/audit/verify").json["intact"] is True
        daemon.stop()
    finally:
        if daemon.process:
            daemon.kill()
        subprocess.run(["umount", "-l", str(folder)], check=True)

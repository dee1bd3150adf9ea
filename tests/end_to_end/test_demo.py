"""scripts/demo: it ends well by itself, can be started again at once, says what is in its way, and leaves nothing behind in any case.

It has fixed ports, so those who test on one machine take turns."""

import fcntl
import glob
import os
import re
import signal
import socket
import subprocess
import tempfile
import threading

import pytest

from daemon import BINARY, ROOT, request, wait_for

DEMO = os.path.join(ROOT, "scripts", "demo")


@pytest.fixture
def alone():
    with open(os.path.join(tempfile.gettempdir(), "turnout-demo-test.lock"), "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


class Demo:
    """A demo under way, in a process group and a folder of its own."""

    def __init__(self, folder, *arguments):
        self.folder = str(folder)
        environment = dict(os.environ, TURNOUT_BINARY=BINARY, TMPDIR=self.folder)
        for name in ("TURNOUT_TOKEN", "AM_TOKEN", "TURNOUT_URL"):
            environment.pop(name, None)
        # A shell ignores SIGINT in what it runs in the background; a person's terminal does not.
        self.process = subprocess.Popen([DEMO, *arguments], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, text=True, start_new_session=True, cwd="/",
                                        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
        self.output = ""
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output += line

    def wait(self, timeout_s=90):
        code = self.process.wait(timeout_s)
        self.reader.join(20)
        return code

    def wait_said(self, text, timeout_s=60):
        wait_for(lambda: text in self.output or self.process.poll() is not None, timeout_s, "the demo to say " + text)
        assert text in self.output, self.output

    def assert_nothing_is_left(self):
        assert processes_of(self.folder) == []
        assert glob.glob(os.path.join(self.folder, "*")) == []


def processes_of(folder):
    """Command lines that name the folder: all of the demo's programs do, but for the name server's, whose parent is one."""
    found = []
    for path in glob.glob("/proc/[0-9]*/cmdline"):
        try:
            with open(path, "rb") as file:
                command = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in command and "pytest" not in command.split(folder)[0]:
            found.append(command)
    return found


def test_once(alone, tmp_path):
    demo = Demo(tmp_path, "--once")
    assert demo.wait() == 0, demo.output
    assert "all three names are 198.51.100.20" in demo.output and "exactly one run" in demo.output
    assert "decision.vote" in demo.output and "run.finished" in demo.output
    assert "\x1b" not in demo.output
    demo.assert_nothing_is_left()  # and the next test starts another at once


def test_a_port_in_its_way_is_named(alone, tmp_path):
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", 9093))
        taken.listen()
        demo = Demo(tmp_path, "--once")
        assert demo.wait() == 1
    assert "127.0.0.1:9093" in demo.output and "8080" not in demo.output, demo.output
    demo.assert_nothing_is_left()


def test_it_stays_up_until_it_is_interrupted(alone, tmp_path):
    demo = Demo(tmp_path)
    try:
        demo.wait_said("Ctrl-C stops everything")
        token = re.search(r"token: ([0-9a-f]+)", demo.output).group(1)
        services = request("GET", "http://127.0.0.1:8080/api/v1/services", token=token).json["items"]
        assert services[0]["active"] == "rbx"
        assert request("GET", "http://127.0.0.1:8080/").status == 200
        # What it says to try next works as it stands.
        commands = re.search(r"\n    (/usr/bin/python3 tests.*?)\n\n.*?\n    (curl -H \"Authorization.*?)\n", demo.output, re.S)
        back, way_back = (["bash", "-ec", "set -o pipefail; " + command.replace("curl ", "curl -fsS ")] for command in commands.groups())
        environment = dict(os.environ, TURNOUT_TOKEN=token)
        subprocess.run(back, check=True, cwd=ROOT, env=environment, timeout=30)
        # Refused for as long as Alertmanager has not told that the alert is over.
        wait_for(lambda: subprocess.run(way_back, check=False, cwd=ROOT, env=environment, timeout=30).returncode == 0, 30,
                 "failback to be accepted")
        wait_for(lambda: request("GET", "http://127.0.0.1:8080/api/v1/services", token=token).json["items"][0]["active"] == "gra",
                 30, "the way back")
    finally:
        os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.wait() == 130, demo.output
    demo.assert_nothing_is_left()


def test_it_cleans_up_when_a_part_ends_by_itself(alone, tmp_path):
    demo = Demo(tmp_path)
    demo.wait_said("Site gra goes down")
    victim = next(path for path in glob.glob("/proc/[0-9]*/cmdline")
                  if demo.folder.encode() in read(path) and b"\0serve\0" in read(path))
    os.kill(int(victim.split("/")[2]), signal.SIGKILL)
    assert demo.wait() == 1
    assert "Failed:" in demo.output and "turnout.log" in demo.output, demo.output
    demo.assert_nothing_is_left()


def read(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""


def test_killed_it_takes_its_programs_along(alone, tmp_path):
    demo = Demo(tmp_path, "--once")
    demo.wait_said("Turnout with an empty")
    demo.process.kill()
    demo.process.wait()
    wait_for(lambda: processes_of(demo.folder) == [], 20, "its programs to end")


def test_usage(tmp_path):
    demo = Demo(tmp_path, "--twice")
    assert demo.wait() == 2 and "usage:" in demo.output

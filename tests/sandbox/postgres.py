"""A PostgreSQL primary and its streaming replica, real ones, for tests: in a folder of their own, on a free port, as the
user postgres where the test is root (which PostgreSQL refuses to be).

As a program, for the unit tests: `postgres.py start FOLDER` prints their port and leaves both running, `postgres.py
stop FOLDER`, and `postgres.py sql FOLDER primary|replica STATEMENT`, `postgres.py kill FOLDER primary|replica` between.
"""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time

BIN = "/usr/lib/postgresql/15/bin"
PASSWORD = "a-superuser-s-password"
WEAK_PASSWORD = "a-monitor-s-password"
SETTINGS = """
fsync = off
shared_buffers = 16MB
max_connections = 20
wal_level = replica
wal_keep_size = 256MB
max_wal_size = 2GB
autovacuum = off
log_min_messages = log
"""


def as_postgres(argv):
    return ["runuser", "-u", "postgres", "--", *argv] if os.geteuid() == 0 else argv


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def children_of(parent):
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == parent:
                    yield int(name)
        except OSError:
            pass


class Server:
    """One of the two. `name` is that of its folder."""

    def __init__(self, folder, name, address, port):
        self.folder, self.name, self.address, self.port = folder, name, address, port
        self.data = os.path.join(folder, name)
        self.socket = os.path.join(folder, name + "-socket")

    def run(self, program, *args, **kwargs):
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "HOME": self.folder}
        done = subprocess.run(as_postgres([os.path.join(BIN, program), *args]), cwd=self.folder, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, **kwargs)
        if done.returncode != 0:
            raise RuntimeError(f"{program} of {self.name}: {done.stdout}")
        return done.stdout

    def write(self, name, text, mode="w"):
        with open(os.path.join(self.data, name), mode) as file:
            file.write(text)

    def start(self):
        # The log goes to a file: a pipe would be held open by the server.
        self.run("pg_ctl", "-w", "-D", self.data, "-l", os.path.join(self.folder, f"{self.name}.log"), "start")

    def sql(self, statement):
        return self.run("psql", "-XAtq", "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-h", self.socket, "-p", str(self.port),
                        "-d", "postgres", "-c", statement).strip()

    def pid(self):
        with open(os.path.join(self.data, "postmaster.pid")) as file:
            return int(file.readline())

    def is_running(self):
        with socket.socket() as s:
            return s.connect_ex((self.address, self.port)) == 0

    def wait_gone(self):
        deadline = time.monotonic() + 20
        while self.is_running():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self.name} lives on")
            time.sleep(0.02)

    def kill(self):
        """SIGKILL, and waits until nobody listens any more: its children go when they see that it is gone."""
        os.kill(self.pid(), signal.SIGKILL)
        self.wait_gone()

    def freeze(self):
        """The whole of it stands still, and its sockets stay open."""
        self.signal_all(signal.SIGSTOP)

    def thaw(self):
        self.signal_all(signal.SIGCONT)

    def startup_process(self):
        """That which replays, and ends the recovery."""
        for pid in children_of(self.pid()):
            with open(f"/proc/{pid}/cmdline") as file:
                if "startup" in file.read():
                    return pid
        raise RuntimeError(f"{self.name} is not in recovery")

    def signal_all(self, number):
        parent = self.pid()
        for pid in [parent, *children_of(parent)]:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass

    def stop(self):
        """At once, without a care for its data."""
        if self.is_running():
            self.thaw()
            os.kill(self.pid(), signal.SIGQUIT)
            self.wait_gone()


class Pair:
    """Each has an address, and both the same port, as on two machines."""

    def __init__(self, folder, port=None):
        self.folder, self.port = str(folder), port or free_port()
        self.primary = Server(self.folder, "primary", "127.0.0.1", self.port)
        self.replica = Server(self.folder, "replica", "127.0.0.2", self.port)

    def start(self):
        os.makedirs(self.folder, exist_ok=True)
        os.chmod(self.folder, 0o755)
        if os.geteuid() == 0:
            shutil.chown(self.folder, "postgres", "postgres")
        secret = os.path.join(self.folder, "password")
        with open(secret, "w") as file:
            file.write(PASSWORD)
        if os.geteuid() == 0:
            shutil.chown(secret, "postgres", "postgres")
        self.primary.run("initdb", "-D", self.primary.data, "-U", "postgres", "--auth-local=trust",
                         "--auth-host=scram-sha-256", "--pwfile", secret, "--no-sync", "-E", "UTF8", "--locale=C")
        self.primary.write("postgresql.conf", SETTINGS + self.settings(self.primary), "a")
        self.primary.start()
        self.primary.sql(f"CREATE ROLE weak LOGIN PASSWORD '{WEAK_PASSWORD}' IN ROLE pg_monitor; "
                         "CREATE TABLE t (x text); INSERT INTO t VALUES ('first')")
        self.replica.run("pg_basebackup", "-D", self.replica.data, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-U",
                         "postgres", "-h", self.primary.socket, "-p", str(self.port))
        self.replica.write("postgresql.conf", self.settings(self.replica), "a")
        self.replica.start()
        self.wait_caught_up()

    def settings(self, server):
        os.makedirs(server.socket)
        if os.geteuid() == 0:
            shutil.chown(server.socket, "postgres", "postgres")
        return f"port = {self.port}\nlisten_addresses = '{server.address}'\nunix_socket_directories = '{server.socket}'\n"

    def wait_caught_up(self):
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            end = self.primary.sql("SELECT pg_current_wal_lsn()")
            if self.replica.sql(f"SELECT pg_last_wal_replay_lsn() >= '{end}' AND EXISTS "
                                "(SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')") == "t":
                return
            time.sleep(0.05)
        raise RuntimeError("the replica does not catch up")

    def write_mebibytes(self, count):
        self.primary.sql(f"INSERT INTO t SELECT md5(i::text) || repeat(md5((i * 7)::text), 30) "
                         f"FROM generate_series(1, {count} * 1024) i")

    def stop(self):
        for server in (self.replica, self.primary):
            server.stop()
        for _ in range(100):  # the children of one that was killed write to the end
            shutil.rmtree(self.folder, ignore_errors=True)
            if not os.path.exists(self.folder):
                break
            time.sleep(0.05)


def main():
    command, folder, *rest = sys.argv[1:]
    state = os.path.join(folder, "state.json")
    if command == "start":
        pair = Pair(folder)
        pair.start()
        with open(state, "w") as file:
            json.dump(pair.port, file)
        print(pair.port)
        return
    with open(state) as file:
        pair = Pair(folder, json.load(file))
    if command == "stop":
        pair.stop()
    elif command == "sql":
        print(getattr(pair, rest[0]).sql(rest[1]))
    elif command == "write":
        pair.write_mebibytes(int(rest[0]))
    elif command == "catch_up":
        pair.wait_caught_up()
    elif command in ("kill", "freeze", "thaw"):
        getattr(getattr(pair, rest[0]), command)()
    else:
        sys.exit(f"postgres.py has no command {command}")


if __name__ == "__main__":
    main()

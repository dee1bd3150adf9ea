"""A real authoritative name server behind the fake providers: PowerDNS as a child process on a port of its own.

What a provider serves is written to its SQLite file in one transaction, and every cache is off, so an answer changes exactly when
the provider would begin to serve it. All state lives in a temporary folder. Nothing else may decide what is served.
"""

import ctypes
import os
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

PR_SET_PDEATHSIG = 1
PDNS = "/usr/sbin/pdns_server"
SCHEMAS = ("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql", "/usr/share/doc/pdns-backend-sqlite3/schema.sqlite3.sql")
PRIORITY_TYPES = ("MX", "SRV")  # the backend keeps their first number in a column of its own
HOST_TYPES = ("CNAME", "NS", "PTR", "MX", "SRV")


class NameServerError(Exception):
    pass


class NoNameServer:
    """For --no-dns: the same verbs, no effect."""

    endpoint = None

    def publish(self, zone, soa, rows):
        pass

    def withdraw(self, zone):
        pass

    def set_hanging(self, is_hanging):
        pass

    def is_alive(self):
        return True

    def stop(self):
        pass


class NameServer:
    def __init__(self, address="127.0.0.1"):
        self._address = address
        self._folder = tempfile.mkdtemp(prefix="turnout-sandbox-")
        self._lock = threading.Lock()
        self._child = None
        self.endpoint = None
        self._database = self._create_database()

    def start(self, port):
        """Starts the child from the main thread: its death signal follows the thread that started it."""
        for _ in range(1 if port else 5):
            chosen = port or free_port(self._address)
            self._launch(chosen)
            if self._wait_ready(chosen):
                self.endpoint = "%s:%d" % (self._address, chosen)
                return
            self._end_child()
        raise NameServerError("pdns_server did not start: " + self._last_words())

    def publish(self, zone, soa, rows):
        """Replaces all that is served for a zone. Rows: name and host names with or without final dot, ttl, type, value."""
        zone = zone.rstrip(".").lower()
        lines = [(zone, "SOA", soa["text"] % soa["serial"], soa["ttl"], 0)]
        lines += [record_line(row) for row in rows]
        owners = {line[0] for line in lines}
        with self._lock, self._database as database:
            self._delete(database, zone)
            domain = database.execute("INSERT INTO domains (name, type) VALUES (?, 'NATIVE')", (zone,)).lastrowid
            database.executemany(
                "INSERT INTO records (domain_id, name, type, content, ttl, prio, auth) VALUES (%d, ?, ?, ?, ?, ?, 1)" % domain, lines)
            # names that only have children must answer "no data", not "no such name"
            database.executemany("INSERT INTO records (domain_id, name, auth) VALUES (%d, ?, 1)" % domain,
                                 [(name,) for name in empty_names(zone, owners)])

    def withdraw(self, zone):
        with self._lock, self._database as database:
            self._delete(database, zone.rstrip(".").lower())

    def set_hanging(self, is_hanging):
        os.kill(self._child.pid, signal.SIGSTOP if is_hanging else signal.SIGCONT)

    def is_alive(self):
        return self._child is not None and self._child.poll() is None

    def stop(self):
        self._end_child()
        with self._lock:
            self._database.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _create_database(self):
        schema = next((path for path in SCHEMAS if os.path.exists(path)), None)
        if schema is None or not os.path.exists(PDNS):
            raise NameServerError("install pdns-server and pdns-backend-sqlite3, or start with --no-dns")
        self._file = os.path.join(self._folder, "zones.db")
        database = sqlite3.connect(self._file, check_same_thread=False, timeout=10)
        database.execute("PRAGMA journal_mode=WAL")  # readers go on answering while a zone is replaced
        database.execute("PRAGMA synchronous=OFF")
        with open(schema, encoding="utf-8") as file:
            database.executescript(file.read())
        return database

    @staticmethod
    def _delete(database, zone):
        database.execute("DELETE FROM records WHERE domain_id IN (SELECT id FROM domains WHERE name = ?)", (zone,))
        database.execute("DELETE FROM domains WHERE name = ?", (zone,))

    def _launch(self, port):
        settings = {
            "launch": "gsqlite3", "gsqlite3-database": self._file, "gsqlite3-pragma-synchronous": "0",
            "config-dir": self._folder, "socket-dir": self._folder, "daemon": "no", "guardian": "no", "write-pid": "no",
            "local-address": self._address, "local-port": str(port), "webserver": "no", "api": "no",
            "cache-ttl": "0", "query-cache-ttl": "0", "negquery-cache-ttl": "0", "zone-cache-refresh-interval": "0",
            "zone-metadata-cache-ttl": "0", "security-poll-suffix": "", "receiver-threads": "1", "distributor-threads": "1",
            "loglevel": "3", "disable-syslog": "yes", "version-string": "anonymous",
        }
        command = [PDNS] + ["--%s=%s" % setting for setting in settings.items()]
        with open(os.path.join(self._folder, "pdns.log"), "ab") as log:
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           preexec_fn=die_with_parent, start_new_session=True)

    def _wait_ready(self, port):
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline and self.is_alive():
            if answers_dns(self._address, port):
                return self.is_alive()  # another program's server might have answered
            time.sleep(0.02)
        return False

    def _end_child(self):
        if self._child is None:
            return
        if self._child.poll() is None:
            self._child.terminate()
            try:
                self._child.wait(0.3)
            except subprocess.TimeoutExpired:
                self._child.kill()
        self._child.wait()

    def _last_words(self):
        with open(os.path.join(self._folder, "pdns.log"), encoding="utf-8", errors="replace") as log:
            return " / ".join(log.read().strip().splitlines()[-3:])


def die_with_parent():
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def free_port(address):
    """A port that is free for TCP and UDP just now."""
    for _ in range(50):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            tcp.bind((address, 0))
            try:
                udp.bind((address, tcp.getsockname()[1]))
            except OSError:
                continue
            return tcp.getsockname()[1]
    raise NameServerError("no port is free for both TCP and UDP")


def answers_dns(address, port):
    """Whether something answers a query (for the root's SOA: any answer will do)."""
    query = struct.pack("!6H", 0x7374, 0, 1, 0, 0, 0) + b"\0" + struct.pack("!2H", 6, 1)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(0.1)
        try:
            client.connect((address, port))
            client.send(query)
            return client.recv(512)[:2] == query[:2]
        except OSError:
            return False


def record_line(row):
    value, priority = row["value"], 0
    if row["type"] in PRIORITY_TYPES:
        first, _, value = value.partition(" ")
        priority = int(first)
    if row["type"] in HOST_TYPES:
        value = value.rstrip(".") or "."
    return row["name"].rstrip(".").lower(), row["type"], value, row["ttl"], priority


def empty_names(zone, owners):
    found = set()
    for owner in owners:
        parent = owner.partition(".")[2]
        while parent.endswith("." + zone):
            if parent not in owners:
                found.add(parent)
            parent = parent.partition(".")[2]
    return sorted(found)

"""What monitors send, and what else comes in: every row of bad input against the running daemon, by raw sockets."""

import base64
import contextlib
import json
import os
import random
import socket
import threading
import time
import urllib.parse

import pytest

from daemon import SOURCE_TOKEN, alert, configuration, delivery, request, wait_for

SECOND = SOURCE_TOKEN + "-second"


@pytest.fixture
def quiet(make_daemon):
    """A daemon with nothing to move and nothing to ask: the providers are not there."""
    return make_daemon(configuration(hold="1h"))


class Raw:
    """One TCP connection to the hooks listener (or to the api's)."""

    def __init__(self, url, source=None, timeout=20):
        parsed = urllib.parse.urlsplit(url)
        self.socket = socket.create_connection((parsed.hostname, parsed.port), timeout, (source, 0) if source else None)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data if isinstance(data, bytes) else data.encode())
        return self

    def post(self, body, path="/hooks/prometheus", token=SOURCE_TOKEN, length=None, **headers):
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = ["POST %s HTTP/1.1" % path, "Host: x", "Content-Type: application/json"]
        if length is not False:
            lines.append("Content-Length: %d" % (len(body) if length is None else length))
        if token:
            lines.append("Authorization: Bearer " + token)
        lines += ["%s: %s" % (name.replace("_", "-"), value) for name, value in headers.items()]
        return self.send("\r\n".join(lines) + "\r\n\r\n").send(body)

    def read(self):
        """One answer: (status, headers, body); status 0 when the connection was closed without one."""
        data = b""
        while b"\r\n\r\n" not in data:
            try:
                piece = self.socket.recv(65536)
            except ConnectionResetError:
                piece = b""
            if not piece:
                return 0, {}, data
            data += piece
        head, _, body = data.partition(b"\r\n\r\n")
        lines = head.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        status = int(lines[0].split()[1])
        if status == 100:
            return status, headers, b""
        while len(body) < int(headers.get("content-length", 0)):
            piece = self.socket.recv(65536)
            if not piece:
                break
            body += piece
        return status, headers, body

    def is_closed(self):
        self.socket.settimeout(5)
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True


def resident_kib(daemon):
    with open("/proc/%d/status" % daemon.process.pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))


# ---- bodies that are not what they should be -------------------------------------------------------------------------

GOOD = json.dumps(delivery(alert())).encode()
DEEP = b'{"alerts": ' + b"[" * 100000 + b"]" * 100000 + b"}"
BAD_BODIES = {
    "nothing": b"",
    "a space": b" ",
    "not JSON": b"status=firing&alert=1",
    "HTML": b"<html></html>",
    "truncated": GOOD[:len(GOOD) // 2],
    "all but the last byte": GOOD[:-1],
    "something behind": GOOD + b"{}",
    "a string": b'"alerts"',
    "a list": b"[]",
    "null": b"null",
    "a number": b"1e999",
    "no alerts": b"{}",
    "alerts as an object": b'{"alerts": {}}',
    "an alert as text": b'{"alerts": ["SiteDown"]}',
    "an alert without anything": b'{"alerts": [{}]}',
    "no status": b'{"alerts": [{"labels": {"alertname": "SiteDown"}}]}',
    "another status": b'{"alerts": [{"status": "down", "labels": {"alertname": "SiteDown"}}]}',
    "labels as a list": b'{"alerts": [{"status": "firing", "labels": []}]}',
    "a label as a number": b'{"alerts": [{"status": "firing", "labels": {"alertname": 5}}]}',
    "no labels and no fingerprint": b'{"alerts": [{"status": "firing", "labels": {}}]}',
    "a time that is none": b'{"alerts": [{"status": "firing", "labels": {"a": "b"}, "startsAt": "yesterday"}]}',
    "duplicate keys": b'{"alerts": [], "alerts": []}',
    "duplicate keys of an alert": b'{"alerts": [{"status": "firing", "status": "resolved", "labels": {"a": "b"}}]}',
    "duplicate labels": b'{"alerts": [{"status": "firing", "labels": {"a": "b", "a": "c"}}]}',
    "deep nesting": DEEP,
    "deep nesting where nobody looks": b'{"x": ' + b"[" * 100000 + b"]" * 100000 + b', "alerts": []}',
    "NULs": b"\0" * 1000,
    "a NUL in a label": b'{"alerts": [{"status": "firing", "labels": {"a": "b\0c"}}]}',
    "an escaped NUL in a label": b'{"alerts": [{"status": "firing", "labels": {"a": "b\\u0000c"}}]}',
    "a NUL behind": GOOD + b"\0",
    "not UTF-8": b'{"alerts": [{"status": "firing", "labels": {"a": "\xff\xfe"}}]}',
    "half a surrogate": b'{"alerts": [{"status": "firing", "labels": {"a": "\\ud800"}}]}',
    "a byte order mark and nonsense": b"\xef\xbb\xbf{",
    "UTF-16": json.dumps(delivery(alert())).encode("utf-16"),
}


def test_bad_bodies_are_refused_with_a_reason_and_store_nothing(quiet):
    for name, body in BAD_BODIES.items():
        answer = quiet.deliver(body)
        assert answer.status in (400, 413), (name, answer.status, answer.body)
        error = answer.json["error"]
        assert error["message"] and error["code"], name
        assert answer.headers["Content-Type"].startswith("application/json")
    assert quiet.sql("SELECT count(*) FROM delivery") == [(0,)]
    assert quiet.deliver(GOOD).status == 202


def test_other_paths_methods_and_media_types(quiet):
    assert quiet.deliver(GOOD, source="nothing").status == 404
    assert request("POST", quiet.hooks + "/", GOOD, SOURCE_TOKEN).status == 404
    assert request("POST", quiet.hooks + "/hooks/prometheus/extra", GOOD, SOURCE_TOKEN).status == 404
    assert request("GET", quiet.hooks + "/hooks/prometheus", None, SOURCE_TOKEN).status == 405
    assert request("PUT", quiet.hooks + "/hooks/prometheus", GOOD, SOURCE_TOKEN).status == 405
    assert quiet.deliver(GOOD, headers={"Content-Type": "text/plain"}).status == 415
    assert quiet.deliver(GOOD, headers={"Content-Type": "application/json; charset=utf-8"}).status == 202
    assert quiet.deliver(GOOD, headers={"Content-Encoding": "gzip"}).status == 415
    # Each listener serves its own: operators' paths are not on the hooks.
    assert request("GET", quiet.hooks + "/api/v1/services", None, SOURCE_TOKEN).status == 404
    assert request("GET", quiet.hooks + "/metrics").status == 404
    assert request("POST", quiet.api + "/hooks/prometheus", GOOD, SOURCE_TOKEN).status == 404
    assert request("GET", quiet.hooks + "/healthz").status == 200
    assert request("GET", quiet.hooks + "/readyz").status == 200


def test_a_body_of_10_MB_is_refused_readably(quiet):
    body = b'{"alerts": [], "x": "' + b"a" * (10 * 1024 * 1024) + b'"}'
    with Raw(quiet.hooks) as raw:
        status, _, answer = raw.post(body).read()
        assert status == 413 and b"larger than" in answer
    with Raw(quiet.hooks) as raw:  # the same without a length before it
        raw.post(b"", length=False, Transfer_Encoding="chunked")
        for start in range(0, len(body), 65536):
            piece = body[start:start + 65536]
            raw.send(b"%x\r\n" % len(piece) + piece + b"\r\n")
        status, _, answer = raw.send(b"0\r\n\r\n").read()
        assert status == 413 and b"larger than" in answer
    assert quiet.deliver(GOOD).status == 202


def test_a_body_without_an_end_is_cut(quiet):
    """Somebody who goes on and on after a refusal is not read for ever."""
    with Raw(quiet.hooks) as raw:
        raw.post(b"", length=10 ** 15, token="wrong")
        piece = b"a" * 1048576
        with pytest.raises((ConnectionError, socket.timeout)):
            for _ in range(64):
                raw.send(piece)
    assert quiet.deliver(GOOD).status == 202


def test_malformed_requests(quiet):
    sent = []
    for data in (b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n", b"POST /hooks/prometheus HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01",
                 b"POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
                 b"POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                 b"POST /hooks/%00 HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /hooks/" + b"a" * 10000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\n" + b"X: " + b"a" * 100000 + b"\r\n\r\n",
                 b"GET /healthz HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n\r\n"):
        raw = Raw(quiet.hooks)
        sent.append((raw, data))
        with contextlib.suppress(OSError):
            raw.send(data)
            raw.socket.shutdown(socket.SHUT_WR)
    assert quiet.deliver(GOOD).status == 202
    for raw, data in sent:  # all at once, since some are only ended by the deadline
        with raw:
            status, _, _ = raw.read()
        assert status == 0 or 400 <= status < 600, data[:40]
    assert quiet.deliver(GOOD).status == 200


# ---- slow and many ---------------------------------------------------------------------------------------------------


def test_slow_senders_are_cut_by_the_deadlines_and_others_are_served(quiet):
    """A byte a second is not idle: 10 s for the headers and 30 s for the body are counted from the first byte."""
    took = {}

    def slowly(name, url, head, piece):
        begin = time.monotonic()
        with Raw(url) as raw:
            raw.socket.settimeout(0.5)
            try:
                raw.send(head)
                while time.monotonic() - begin < 60:
                    raw.send(piece)
                    try:
                        if raw.socket.recv(4096) == b"":
                            break
                    except socket.timeout:
                        pass
            except OSError:
                pass
        took[name] = time.monotonic() - begin
    start = "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n"
    body = start + "Content-Type: application/json\r\nAuthorization: Bearer %s\r\nContent-Length: 100000\r\n\r\n{" % SOURCE_TOKEN
    threads = [threading.Thread(target=slowly, args=arguments) for arguments in (
        ("header", quiet.hooks, start, b"X"), ("line", quiet.hooks, "PO", b"S"), ("body", quiet.hooks, body, b" "),
        ("api", quiet.api, "GET /healthz HTTP/1.1\r\n", b"X"), ("body without credential", quiet.hooks, body.replace("Bearer", "Bear"),
                                                             b" "))]
    for thread in threads:
        thread.start()
    # Meanwhile.
    for n in range(20):
        begin = time.monotonic()
        assert quiet.deliver(delivery(alert(instance=str(n)))).status == 202
        assert quiet.get("/api/v1/services").status == 200
        assert time.monotonic() - begin < 2
        time.sleep(0.1)
    for thread in threads:
        thread.join()
    for name in ("header", "line", "api"):
        assert 9 < took[name] < 16, took
    assert 29 < took["body"] < 40, took
    assert took["body without credential"] < 40, took


def test_hundreds_of_idle_connections_keep_nobody_out(quiet):
    before = resident_kib(quiet)
    idle = []
    try:
        for address in ("127.0.0.5", "127.0.0.6", "127.0.0.7"):
            for _ in range(240):
                idle.append(Raw(quiet.hooks, address))
        for number, raw in enumerate(idle):
            if number % 2:
                raw.send(b"POST /hooks/prometheus HTTP/1.1\r\n")
        for n in range(20):
            assert quiet.deliver(delivery(alert(instance=str(n)))).status == 202
            assert quiet.get("/api/v1/services").status == 200
        assert resident_kib(quiet) - before < 64 * 1024
    finally:
        for raw in idle:
            raw.socket.close()


def test_one_address_has_a_limit(quiet):
    held = []
    try:
        for _ in range(300):
            held.append(Raw(quiet.hooks, "127.0.0.9"))
        wait_for(lambda: sum(not is_open(raw) for raw in held) >= 44, 10, "connections over the limit to be closed")
        assert sum(is_open(raw) for raw in held) == 256
        assert quiet.deliver(GOOD).status == 202
        for _ in range(300):
            held.append(Raw(quiet.api, "127.0.0.9"))
        assert quiet.get("/api/v1/services").status == 200
    finally:
        for raw in held:
            raw.socket.close()

    def served_again():
        with Raw(quiet.hooks, "127.0.0.9") as raw, contextlib.suppress(OSError):
            return raw.post(GOOD).read()[0] == 200
    wait_for(served_again, 10, "the address to be served again")


def is_open(raw):
    raw.socket.setblocking(False)
    try:
        return raw.socket.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_large_bodies_at_once_are_bounded(quiet):
    """64 MiB of bodies in memory, and beyond it 503: 40 senders of 3.5 MB each hold back their last byte."""
    body = b'{"alerts": [], "x": "' + b"a" * 3500000 + b'"}'
    raws = [Raw(quiet.hooks) for _ in range(40)]
    try:
        for raw in raws:
            raw.post(body[:-1], length=len(body))
        before_end = resident_kib(quiet)
        statuses = [raw.send(body[-1:]).read()[0] for raw in raws]
        assert set(statuses) == {200, 503}, statuses
        assert 10 <= statuses.count(200) <= 20
        assert before_end < 400 * 1024
    finally:
        for raw in raws:
            raw.socket.close()
    assert quiet.deliver(GOOD).status == 202


# ---- credentials -----------------------------------------------------------------------------------------------------


def test_credentials(quiet):
    def basic(user, password):
        return {"Authorization": "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode()).decode()}
    good = basic("am", "basic-password-for-tests")
    assert quiet.deliver(GOOD, token=None, headers=good).status == 202
    assert quiet.deliver(GOOD).status == 200
    for token, headers in ((None, None), ("wrong", None), (SECOND, None), ("", None), (SOURCE_TOKEN + "x", None),
                           (SOURCE_TOKEN[:-1], None), (None, basic("am", "wrong")), (None, basic("no", "basic-password-for-tests")),
                           (None, {"Authorization": "Basic !!!!"}), (None, {"Authorization": "Basic"}),
                           (None, {"Authorization": "Bearer"}), (None, {"Authorization": SOURCE_TOKEN}),
                           (None, {"Authorization": "Basic " + "A" * 8000})):
        answer = quiet.deliver(b"this is never parsed", token=token, headers=headers)
        assert answer.status == 401, (token, headers, answer.status)
        challenges = answer.headers.get_all("WWW-Authenticate")
        assert any("Bearer" in text for text in challenges) and any("Basic" in text for text in challenges)
    # A source takes its own credentials only.
    assert quiet.deliver(GOOD, source="second", token=SECOND).status == 202
    answer = quiet.deliver(GOOD, source="second", token=None, headers=good)
    assert answer.status == 401 and not any("Basic" in text for text in answer.headers.get_all("WWW-Authenticate"))
    entries = wait_for(lambda: quiet.audit(kind="intake.rejected"), 10, "the refusals on record")
    assert "never parsed" not in json.dumps(entries) and SOURCE_TOKEN[:-1] not in json.dumps(entries)


def test_a_wrong_credential_with_a_large_body_is_told_readably(quiet):
    with Raw(quiet.hooks) as raw:
        status, headers, body = raw.post(b"a" * 3000000, token="wrong").read()
        assert status == 401 and "www-authenticate" in headers and b"credential" in body


def test_a_flood_of_wrong_credentials_leaves_few_rows(quiet):
    n, threads = 100, 6

    def flood():
        for _ in range(n):
            assert quiet.deliver(GOOD, token="wrong").status == 401
    workers = [threading.Thread(target=flood) for _ in range(threads)]
    begin = time.monotonic()
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    seconds = time.monotonic() - begin

    def counted():
        entries = quiet.audit(kind="intake.rejected")
        return entries if sum(entry["detail"]["count"] for entry in entries) == n * threads else None
    entries = wait_for(counted, 10, "every refusal to be counted")
    assert len(entries) <= seconds + 3
    assert quiet.sql("SELECT count(*) FROM delivery") == [(0,)]
    metrics = quiet.get("/metrics").body.decode()
    assert any(line.endswith(" %d" % (n * threads)) for line in metrics.splitlines() if "reject" in line), metrics


# ---- the protocol ----------------------------------------------------------------------------------------------------


def test_chunked_and_continue_and_kept_alive(quiet):
    with Raw(quiet.hooks) as raw:
        for n in range(3):
            body = json.dumps(delivery(alert(instance="chunked-%d" % n))).encode()
            raw.post(b"", length=False, Transfer_Encoding="chunked")
            for start in range(0, len(body), 100):
                piece = body[start:start + 100]
                raw.send(b"%x;x=y\r\n" % len(piece) + piece + b"\r\n")
            status, _, answer = raw.send(b"0\r\n\r\n").read()
            assert status == 202 and json.loads(answer)["alerts"] == 1
    with Raw(quiet.hooks) as raw:
        raw.post(b"", length=len(GOOD), Expect="100-continue")
        assert raw.read()[0] == 100
        assert raw.send(GOOD).read()[0] == 202
    with Raw(quiet.hooks) as raw:  # refused before the body is asked for
        raw.post(b"", length=len(GOOD), token="wrong", Expect="100-continue")
        status, _, _ = raw.read()
        assert status in (100, 401)
        if status == 100:
            assert raw.send(GOOD).read()[0] == 401
    with Raw(quiet.hooks) as raw:  # a byte at a time, and two requests in one piece
        for byte in b"POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n":
            raw.send(bytes([byte]))
        raw.send("Content-Length: %d\r\nAuthorization: Bearer %s\r\n\r\n" % (len(GOOD), SOURCE_TOKEN)).send(GOOD[:10]).send(GOOD[10:])
        assert raw.read()[0] == 200


# ---- what is new and what is known already ---------------------------------------------------------------------------


def test_new_and_known(quiet):
    first = quiet.deliver(delivery(alert()))
    assert first.status == 202 and first.json["duplicate"] is False and first.json["alerts"] == 1
    uuid = first.json["delivery"]

    def known(*alerts, **changes):
        answer = quiet.deliver(delivery(*alerts, **changes))
        assert answer.status == 200 and answer.json == {"delivery": uuid, "duplicate": True, "alerts": len(alerts)}, answer.body

    def news(*alerts, **changes):
        answer = quiet.deliver(delivery(*alerts, **changes))
        assert answer.status == 202 and answer.json["duplicate"] is False, answer.body
        return answer.json["delivery"]
    known(alert())
    # The twin of a pair: seen at another time, from another address.
    known(alert(starts="2026-11-21T10:00:07Z"), externalURL="http://am2:9093")
    known(alert(starts="2026-11-21T09:59:53Z"), externalURL="http://am2:9093")
    # A group cut by max_alerts that says "resolved" of itself.
    known(alert(), status="resolved", truncatedAlerts=7)
    # Fields of a newer version.
    known(dict(alert(), severity={"x": [1, 2]}, silenced=None), version="5", newField={"a": [True, None, 1.5]}, messageId="x")
    # With a fingerprint it would be named by that; the same label set without one stays what it is.
    assert quiet.service()["sites"][0]["down_votes"] == 1
    both = news(alert(), alert(instance="b"))
    assert both != uuid
    # The answer names the delivery that last changed the first alert of the request.
    assert quiet.deliver(delivery(alert(instance="b"), alert())).json["delivery"] == both
    # It resolves, and that is known from then on; so is what comes late from the twin.
    resolved = news(alert(status="resolved", ends="2026-11-21T10:30:00Z"), alert(status="resolved", ends="2026-11-21T10:30:00Z", instance="b"))
    assert quiet.service()["sites"][0]["down_votes"] == 0
    late = quiet.deliver(delivery(alert(), externalURL="http://am2:9093"))
    assert late.status == 200 and late.json["delivery"] == resolved, late.body
    assert quiet.service()["sites"][0]["down_votes"] == 0
    # A second outage of the same alert is news.
    again = news(alert(starts="2026-11-21T11:00:00Z"))
    assert again not in (uuid, resolved) and quiet.service()["sites"][0]["down_votes"] == 1
    assert [row[0] for row in quiet.sql("SELECT count(*) FROM delivery")] == [4]


def test_fingerprints_name_alerts(quiet):
    one = quiet.deliver(delivery(dict(alert(), fingerprint="c28fc4dc46d3aa1f")))
    assert one.status == 202
    # Another template of labels, the same alert.
    assert quiet.deliver(delivery(dict(alert(), fingerprint="c28fc4dc46d3aa1f", annotations={"x": "y"}))).status == 200
    assert quiet.deliver(delivery(dict(alert(), fingerprint="c28fc4dc46d3aa20"))).status == 202
    # Another source's alert with the same fingerprint is another alert.
    assert quiet.deliver(delivery(dict(alert(), fingerprint="c28fc4dc46d3aa1f")), source="second", token=SECOND).status == 202
    site = quiet.service()["sites"][0]
    assert site["down_votes"] == 2 and {(s["source"], s["alerts"]) for s in site["sources"]} == {("prometheus", 2), ("second", 1)}


def test_an_alert_that_matches_no_service_is_stored_and_on_record(quiet):
    for n in range(3):
        assert quiet.deliver(delivery(alert(service="nobody's", instance=str(n)))).status == 202
    assert quiet.deliver(delivery(alert(service="nobody's", instance="0"))).status == 200
    entries = wait_for(lambda: quiet.audit(kind="intake.unmatched"), 10, "it on record")
    assert sum(entry["detail"]["deliveries"] for entry in entries) == 3
    assert quiet.service()["sites"][0]["down_votes"] == 0
    assert quiet.sql("SELECT count(*) FROM delivery") == [(3,)]


def test_what_matched_is_on_record_with_the_delivery(quiet):
    answer = quiet.deliver(delivery(alert(), alert("rbx")))
    entry = quiet.audit(kind="intake.alerts")[-1]
    assert entry["delivery"] == answer.json["delivery"] and entry["who"] == "source prometheus"
    votes = quiet.audit(kind="decision.vote", service="shop")
    assert len(votes) == 2 and all(vote["delivery"] == answer.json["delivery"] for vote in votes)


def test_the_body_is_kept_as_it_came_and_credentials_are_not(quiet):
    body = json.dumps(delivery(alert(note="ünï <b> & \"q\"")), indent=3).encode()
    assert quiet.deliver(body).status == 202
    stored = quiet.sql("SELECT body FROM delivery")[0][0]
    assert (stored if isinstance(stored, bytes) else stored.encode()) == body


def test_an_empty_group_says_nothing(quiet):
    answer = quiet.deliver(delivery())
    assert answer.status == 200 and answer.json["alerts"] == 0
    assert quiet.sql("SELECT count(*) FROM delivery") == [(0,)]


def test_many_alerts_in_one_delivery(quiet):
    answer = quiet.deliver(delivery(*[alert(instance="i%d" % n) for n in range(5000)]))
    assert answer.status == 202 and answer.json["alerts"] == 5000
    assert quiet.service()["sites"][0]["sources"][0]["alerts"] == 5000
    over = [alert(status="resolved", ends="2026-11-21T10:30:00Z", instance="i%d" % n) for n in range(5000)]
    answer = quiet.deliver(delivery(*over))
    assert answer.status == 202
    assert quiet.service()["sites"][0]["down_votes"] == 0


def test_random_bytes_never_end_it(quiet):
    source = random.Random(7)
    for _ in range(300):
        body = bytearray(GOOD)
        for _ in range(source.randrange(1, 6)):
            body[source.randrange(len(body))] = source.randrange(256)
        answer = quiet.deliver(bytes(body))
        assert answer.status in (200, 202, 400, 413), answer.body
    assert quiet.deliver(os.urandom(1000)).status == 400

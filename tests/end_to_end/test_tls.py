"""TLS of the daemon's own, with curl, openssl and Python's ssl as clients: certificates, those of clients, and changing them
while the daemon runs."""

import concurrent.futures
import glob
import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

from daemon import BINARY, OPERATOR_TOKEN, SECRETS, SOURCE_TOKEN, alert, configuration, delivery, wait_for
from pki import CLIENT, SERVER, Authority, replace, write


class Site:
    """A folder with the files of server.tls, and a daemon that uses them."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.root = Authority("root")
        self.intermediate = Authority("intermediate", self.root)
        self.people, self.strangers = Authority("people"), Authority("strangers")
        write(self.path("root.pem"), self.root.certificate)
        write(self.path("people.pem"), self.people.certificate)
        self.renew()
        self.people.issue_to(self.path("client"), "monitor", CLIENT)
        self.people.issue_to(self.path("expired"), "monitor", CLIENT, days=-1)
        self.people.issue_to(self.path("server-like"), "monitor", SERVER)
        self.strangers.issue_to(self.path("stranger"), "monitor", CLIENT)

    def path(self, name):
        return os.path.join(self.folder, name)

    def renew(self, days=30):
        return self.intermediate.issue_to(self.path("server"), "localhost", SERVER, days, [self.intermediate])

    def configuration(self, **tls):
        config = configuration(hold="1h")
        config["server"]["tls"] = dict({"certificate": self.path("server.pem"), "key": self.path("server.key")}, **tls)
        return config

    def context(self, client=None):
        context = ssl.create_default_context(cafile=self.path("root.pem"))
        if client:
            context.load_cert_chain(self.path(client + ".pem"), self.path(client + ".key"))
        return context


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path)


def port_of(url):
    return int(url.rsplit(":", 1)[1])


def curl(site, url, *options):
    """The status, and the body."""
    done = subprocess.run(["curl", "-sS", "--noproxy", "*", "--cacert", site.path("root.pem"), "-w", "\n%{http_code}", *options, url],
                          capture_output=True, text=True, timeout=60, check=False)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body + done.stderr


def post(site, url, client=None, path="/hooks/prometheus", token=SOURCE_TOKEN, body=None):
    connection = http.client.HTTPSConnection("localhost", port_of(url), timeout=20, context=site.context(client))
    connection.request("POST", path, json.dumps(body or delivery(alert())),
                       {"Content-Type": "application/json", "Authorization": "Bearer " + token})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


def serial_of(site, url):
    with socket.create_connection(("127.0.0.1", port_of(url)), 20) as raw:
        with site.context().wrap_socket(raw, server_hostname="localhost") as secure:
            return int(secure.getpeercert()["serialNumber"], 16)


def reload(daemon, word):
    """SIGHUP, and waits for what the log says of it."""
    before = len(daemon.log)
    daemon.process.send_signal(signal.SIGHUP)
    return wait_for(lambda: next((line for line in list(daemon.log)[before:] if word in line), None), 20, word)


# ---- the daemon's certificate -------------------------------------------------------------------------------------------


def test_a_chain_on_both_listeners(make_daemon, site):
    daemon = make_daemon(site.configuration())
    for url in (daemon.hooks, daemon.api):
        assert curl(site, "https://localhost:%d/healthz" % port_of(url))[0] == 200
        shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port_of(url), "-CAfile", site.path("root.pem"),
                                "-verify_return_error", "-verify_hostname", "localhost"], input="", capture_output=True, text=True,
                               timeout=60, check=False)
        assert "Verify return code: 0 (ok)" in shown.stdout, shown.stdout + shown.stderr
        assert shown.stdout.count("BEGIN CERTIFICATE") == 1 and " 1 s:CN = intermediate" in shown.stdout
    code, body = curl(site, "https://localhost:%d/hooks/prometheus" % port_of(daemon.hooks), "-H", "Content-Type: application/json",
                      "-H", "Authorization: Bearer " + SOURCE_TOKEN, "-d", json.dumps(delivery(alert())))
    assert code == 202 and json.loads(body)["alerts"] == 1


@pytest.mark.parametrize("options, works", [
    (["-tls1_3"], True), (["-tls1_2"], True),
    (["-tls1_2", "-cipher", "ECDHE-ECDSA-CHACHA20-POLY1305"], True),
    (["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"], False), (["-tls1", "-cipher", "DEFAULT:@SECLEVEL=0"], False),
    (["-tls1_2", "-cipher", "AES128-SHA"], False), (["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA"], False),
])
def test_versions_and_ciphers(make_daemon, site, options, works):
    daemon = make_daemon(site.configuration())
    shown = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % port_of(daemon.hooks), *options], input="",
                           capture_output=True, text=True, timeout=60, check=False)
    assert (shown.returncode == 0) == works, shown.stdout + shown.stderr


def receive_answers(connection, count):
    """The statuses of so many answers with Content-Length."""
    data, statuses = b"", []
    while len(statuses) < count:
        head, end, rest = data.partition(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            statuses.append(int(head.split()[1]))
            data = rest[length:]
            continue
        piece = connection.recv(65536)
        assert piece, (statuses, data)
        data += piece
    return statuses


def as_bytes(body, token=SOURCE_TOKEN):
    body = json.dumps(body).encode()
    return (b"POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer %s\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (token.encode(), len(body), body))


def test_pipelining_and_half_closed_clients(make_daemon, site):
    daemon = make_daemon(site.configuration())
    with socket.create_connection(("127.0.0.1", port_of(daemon.hooks)), 20) as raw:
        with site.context().wrap_socket(raw, server_hostname="localhost") as secure:
            for _ in range(3):
                secure.sendall(b"".join(as_bytes(delivery(alert(n=str(n)))) for n in range(20)))
                statuses = receive_answers(secure, 20)
                assert set(statuses) <= {200, 202}
            secure.sendall(as_bytes(delivery(alert(n="last"))))
            raw_copy = socket.socket(fileno=os.dup(secure.fileno()))
            raw_copy.shutdown(socket.SHUT_WR)
            raw_copy.close()
            assert receive_answers(secure, 1) == [202]
    assert daemon.sql("SELECT count(*) FROM delivery") == [(21,)]


def test_a_large_body_and_a_large_answer(make_daemon, site):
    daemon = make_daemon(site.configuration())
    big = delivery(*[alert(n=str(n), note="x" * 2000) for n in range(1000)])
    status, body = post(site, daemon.hooks, body=big)
    assert status == 202 and json.loads(body)["alerts"] == 1000
    assert post(site, daemon.hooks, body=dict(big, note="x" * 5000000))[0] == 413
    code, body = curl(site, "https://localhost:%d/api/v1/audit/export" % port_of(daemon.api), "-H", "Authorization: Bearer " + OPERATOR_TOKEN)
    assert code == 200 and all(json.loads(line) for line in body.splitlines())


def test_what_is_no_tls_ends_cleanly(make_daemon, site):
    daemon = make_daemon(site.configuration())
    pieces = [b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", b"\0" * 1000, b"\x16\x03\x01\xff\xff" + b"x" * 70000, b"\x15\x03\x03\x00\x02\x01\x00",
              as_bytes(delivery(alert())), os.urandom(5000)]
    for piece in pieces:
        with socket.create_connection(("127.0.0.1", port_of(daemon.hooks)), 20) as raw:
            answer = b""
            try:
                raw.sendall(piece)
                raw.shutdown(socket.SHUT_WR)
                while True:
                    more = raw.recv(65536)
                    if not more:
                        break
                    answer += more
            except OSError:  # closed while we were sending, or by a reset
                pass
            assert b"HTTP" not in answer
    assert curl(site, "https://localhost:%d/healthz" % port_of(daemon.hooks))[0] == 200
    assert daemon.sql("SELECT count(*) FROM delivery") == [(0,)]


def test_stalled_handshakes_are_cut_and_counted_per_address(make_daemon, site):
    daemon = make_daemon(site.configuration())
    port = port_of(daemon.hooks)
    hello = ssl.MemoryBIO()
    half = site.context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        half.do_handshake()
    hello = hello.read()
    stalled = [socket.create_connection(("127.0.0.1", port), 40) for _ in range(256)]
    began = time.monotonic()
    for i, raw in enumerate(stalled):
        raw.sendall([b"", hello[:1], hello[:100], hello][i % 4])
    with pytest.raises((OSError, ssl.SSLError)):
        with socket.create_connection(("127.0.0.1", port), 20) as raw:
            site.context().wrap_socket(raw, server_hostname="localhost")
    with socket.create_connection(("127.0.0.1", port), 20, ("127.0.0.2", 0)) as raw:
        with site.context().wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(as_bytes(delivery(alert())))
            assert receive_answers(secure, 1) == [202]
    for raw in stalled:
        try:
            while raw.recv(65536):
                pass
        except ConnectionResetError:
            pass
        raw.close()
    assert 8 < time.monotonic() - began < 25
    assert curl(site, "https://localhost:%d/healthz" % port)[0] == 200


# ---- certificates of clients --------------------------------------------------------------------------------------------


def test_clients_of_one_listener_need_a_certificate(make_daemon, site):
    daemon = make_daemon(site.configuration(hooks_clients=site.path("people.pem")))
    assert post(site, daemon.hooks, "client")[0] == 202
    path = "/hooks/prometheus/not-to-be-seen-anywhere"
    for client, word in ((None, "none was given"), ("stranger", "not trusted here"), ("expired", "has expired"),
                         ("server-like", "not for clients")):
        status, body = post(site, daemon.hooks, client, path)
        assert status == 403 and word in json.loads(body)["error"]["message"], (client, body)
        status, body = post(site, daemon.hooks, client)  # the right token does not help
        assert status == 403
        wait_for(lambda: any(word in entry["text"] for entry in audit(site, daemon)), 20, word)
        time.sleep(1.2)  # what comes within a second is gathered with its first reason
    assert curl(site, "https://localhost:%d/healthz" % port_of(daemon.hooks))[0] == 403
    code, body = curl(site, "https://localhost:%d/healthz" % port_of(daemon.hooks), "--cert", site.path("client.pem"), "--key",
                      site.path("client.key"))
    assert code == 200, body
    assert daemon.sql("SELECT count(*) FROM delivery") == [(1,)]
    refused = [entry for entry in audit(site, daemon) if entry["kind"] == "intake.rejected"]
    assert all(entry["text"].startswith("a client of server.hooks refused: ") and "127.0.0.1" in entry["text"] for entry in refused)
    code, body = curl(site, "https://localhost:%d/metrics" % port_of(daemon.api))  # the other listener asks for none
    assert code == 200 and 'turnout_http_clients_refused_total{listener="hooks"} 9' in body
    daemon.stop()
    assert_nowhere(daemon, b"not-to-be-seen")


def audit(site, daemon):
    code, body = curl(site, "https://localhost:%d/api/v1/audit?limit=500" % port_of(daemon.api), "-H", "Authorization: Bearer " + OPERATOR_TOKEN)
    assert code == 200
    return [item["entry"] for item in json.loads(body)["items"]]


def assert_nowhere(daemon, *secrets):
    places = {"log": "".join(daemon.log).encode()}
    for path in glob.glob(daemon.database + "*"):
        with open(path, "rb") as file:
            places[path] = file.read()
    assert len(places) >= 2
    for secret in secrets:
        for place, content in places.items():
            assert secret not in content, "%s stands in %s" % (secret, place)


def test_a_pipeline_without_certificate_is_refused_as_a_whole(make_daemon, site):
    daemon = make_daemon(site.configuration(hooks_clients=site.path("people.pem")))
    with socket.create_connection(("127.0.0.1", port_of(daemon.hooks)), 20) as raw:
        with site.context().wrap_socket(raw, server_hostname="localhost") as secure:
            secure.sendall(as_bytes(delivery(alert())) * 5)
            assert receive_answers(secure, 5) == [403] * 5


def test_the_command_line_shows_its_certificate(make_daemon, site):
    daemon = make_daemon(site.configuration(api_clients=site.path("people.pem")))
    url = "https://localhost:%d" % port_of(daemon.api)

    def command(*words, **environment):
        environment = dict(os.environ, TURNOUT_URL=url, TURNOUT_TOKEN=OPERATOR_TOKEN, **environment)
        return subprocess.run([BINARY, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)
    known = ("--ca", site.path("root.pem"))
    assert command("health").returncode == 1
    refused = command("status", *known)
    assert refused.returncode == 1 and "none was given" in refused.stderr
    shown = command("status", *known, "--cert", site.path("client.pem"), "--key", site.path("client.key"))
    assert shown.returncode == 0 and "shop" in shown.stdout, shown.stderr
    health = command("health", TURNOUT_CA=site.path("root.pem"), TURNOUT_CERT=site.path("client.pem"), TURNOUT_KEY=site.path("client.key"))
    assert health.returncode == 0, health.stderr
    assert post(site, daemon.hooks)[0] == 202


# ---- while it runs ------------------------------------------------------------------------------------------------------


def test_a_new_certificate_under_load(make_daemon, site):
    daemon = make_daemon(site.configuration())
    is_over, failures, counts = threading.Event(), [], [0] * 4

    def send(thread):
        while not is_over.is_set():
            try:
                status, _ = post(site, daemon.hooks, body=delivery(alert(n="%d.%d" % (thread, counts[thread]))))
                if status != 202:
                    failures.append(status)
            except OSError as error:
                failures.append(error)
            counts[thread] += 1
    threads = [threading.Thread(target=send, args=(i,)) for i in range(4)]
    kept = http.client.HTTPSConnection("localhost", port_of(daemon.hooks), timeout=20, context=site.context())
    kept.request("GET", "/healthz")
    assert kept.getresponse().read()
    for thread in threads:
        thread.start()
    for _ in range(5):
        new = site.renew()
        reload(daemon, "the files of server.tls were read again")
        assert serial_of(site, daemon.hooks) == serial_of(site, daemon.api) == new.serial_number
        time.sleep(0.2)
    is_over.set()
    for thread in threads:
        thread.join()
    kept.request("GET", "/healthz")
    assert kept.getresponse().status == 200
    kept.close()
    assert not failures and sum(counts) > 20
    assert daemon.sql("SELECT count(*) FROM delivery") == [(sum(counts),)]


def test_a_broken_certificate_leaves_the_old_one(make_daemon, site):
    daemon = make_daemon(site.configuration(api_clients=site.path("people.pem")))
    old = serial_of(site, daemon.hooks)
    with open(site.path("server.key"), "rb") as file:
        key = file.read()
    with open(site.path("server.pem"), "rb") as file:
        certificate = file.read()
    other, _ = site.intermediate.issue("localhost", SERVER)
    write(site.path("other.pem"), other)
    with open(site.path("other.pem"), "rb") as file:
        other = file.read()

    def broken(name, data, good, words):
        if data is None:
            os.rename(site.path(name), site.path(name) + ".away")
        else:
            replace(site.path(name), data)
        line = reload(daemon, "the certificate in use stays")
        assert words in line and site.path(name if name != "server.pem" or data != other else "server.key") in line, line
        assert " error " in line
        assert serial_of(site, daemon.hooks) == old
        replace(site.path(name), good)
    broken("server.pem", None, certificate, "No such file")
    broken("server.pem", b"", certificate, "in PEM")
    broken("server.pem", certificate[:len(certificate) // 3], certificate, "in PEM")
    broken("server.pem", b"\xff" * 100000, certificate, "in PEM")
    broken("server.pem", other, certificate, "is not that of the first certificate")
    broken("server.key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", key, "is not a private key")
    people = open(site.path("people.pem"), "rb").read()
    broken("people.pem", b"nobody\n", people, "holds no certificate")
    reload(daemon, "the files of server.tls were read again")
    code, body = curl(site, "https://localhost:%d/metrics" % port_of(daemon.api), "--cert", site.path("client.pem"), "--key", site.path("client.key"))
    assert code == 200 and 'turnout_tls_reloads_total{result="taken"} 1' in body and 'turnout_tls_reloads_total{result="refused"} 7' in body
    assert key.split(b"\n")[1] not in "".join(daemon.log).encode()


def test_other_authorities_hold_for_open_connections(make_daemon, site):
    daemon = make_daemon(site.configuration(hooks_clients=site.path("people.pem")))
    kept = http.client.HTTPSConnection("localhost", port_of(daemon.hooks), timeout=20, context=site.context("client"))
    for expected in (200, 403, 200):
        kept.request("GET", "/healthz")
        answer = kept.getresponse()
        answer.read()
        assert answer.status == expected
        write(site.path("people.pem"), (site.strangers if expected == 200 else site.people).certificate)
        reload(daemon, "the files of server.tls were read again")
    kept.close()


def test_without_tls_a_reload_says_what_it_does_not_do(make_daemon):
    daemon = make_daemon(configuration(hold="1h"))
    reload(daemon, "the configuration is read at start only: restart to change it")


def test_certificates_that_end_soon(make_daemon, site):
    def check(days):
        site.renew(days)
        daemon = make_daemon(site.configuration(), "check", start=False)
        return subprocess.run([BINARY, "check", "-c", daemon.path], env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                              timeout=60, check=False)
    soon = check(5)
    assert soon.returncode == 0 and "warning: server.tls: certificate " in soon.stderr and " expires at " in soon.stderr
    past = check(-1)
    assert past.returncode == 0 and " has expired at " in past.stderr
    fine = check(20)
    assert fine.returncode == 0 and "server.tls" not in fine.stderr
    replace(site.path("server.key"), open(site.path("client.key"), "rb").read())
    wrong = make_daemon(site.configuration(), "check", start=False)
    refused = subprocess.run([BINARY, "check", "-c", wrong.path], env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                             timeout=60, check=False)
    assert refused.returncode == 1 and "is not that of the first certificate" in refused.stderr and "can be served" not in refused.stdout
    served = subprocess.run([BINARY, "serve", "-c", wrong.path], env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                            timeout=60, check=False)
    assert served.returncode == 1 and "is not that of the first certificate" in served.stderr
    site.renew(5)
    daemon = make_daemon(site.configuration())
    assert any(" warning server.tls: certificate " in line and " expires at " in line for line in daemon.log)


def test_stopping_answers_what_was_taken(make_daemon, site):
    daemon = make_daemon(site.configuration())
    taken, others = [], []

    def send(thread):
        context = site.context()
        try:
            with socket.create_connection(("127.0.0.1", port_of(daemon.hooks)), 20) as raw:
                with context.wrap_socket(raw, server_hostname="localhost") as secure:
                    for n in range(100000):
                        secure.sendall(as_bytes(delivery(alert(n="%d.%d" % (thread, n)))))
                        status = receive_answers(secure, 1)[0]
                        (taken if status == 202 else others).append(status)
        except (OSError, AssertionError):
            pass
    threads = [threading.Thread(target=send, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    wait_for(lambda: len(taken) > 200, 30, "deliveries")
    process = daemon.process
    process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join()
    assert process.wait(30) == 0
    assert set(others) <= {503}
    stored = daemon.sql("SELECT count(*) FROM delivery")[0][0]
    assert len(taken) <= stored <= len(taken) + 8  # an answer may be lost on its way, a delivery may not


# ---- proxies, and tokens in URLs ----------------------------------------------------------------------------------------


def test_settings_of_the_front_door(make_daemon):
    config = configuration(hold="1h")
    config["server"].update(trusted_proxies="127.0.0.1", api_rate=5)
    config["sources"]["prometheus"].update({"from": ["192.0.2.0/24"]})
    config["sources"]["second"].update(rate=1)
    daemon = make_daemon(config)
    assert daemon.deliver(delivery(alert())).status == 403
    assert daemon.deliver(delivery(alert()), headers={"X-Forwarded-For": "192.0.2.9, 198.51.100.7"}).status == 403
    assert daemon.deliver(delivery(alert()), headers={"X-Forwarded-For": "198.51.100.7, 192.0.2.9"}).status == 202
    statuses = [daemon.deliver(delivery(alert()), "second", SOURCE_TOKEN + "-second").status for _ in range(4)]
    assert statuses[:2] == [202, 200] and 503 in statuses
    answers = [daemon.get("/api/v1/services") for _ in range(40)]
    assert {answer.status for answer in answers} == {200, 429}
    assert [answer.headers["Retry-After"] for answer in answers if answer.status == 429][0] == "1"
    wait_for(lambda: daemon.get("/api/v1/services").status == 200, 10, "the rate")
    time.sleep(2)
    texts = [item["entry"]["text"] for item in daemon.get("/api/v1/audit?limit=100").json["items"]]
    assert any("the address is not among those" in text and "the last from 127.0.0.1)" in text for text in texts), texts
    assert any("more than 1 deliveries a second" in text for text in texts)
    assert any("more than 5 requests a second" in text for text in texts)


def test_a_token_of_a_url_stands_nowhere(make_daemon):
    right, wrong = "right-token-0123456789", "wrong-token-0123456789"
    config = configuration(hold="1h")
    config["sources"]["robot"] = {"kind": "alertmanager", "path_token": right, "rate": 1}
    daemon = make_daemon(config)

    def raw(url, head, body=b""):
        with socket.create_connection(("127.0.0.1", port_of(url)), 20) as connection:
            connection.sendall(head.encode() + b"\r\nHost: x\r\nContent-Type: application/json\r\n\r\n" + body)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
    body = delivery(alert())
    assert daemon.deliver(body, "robot/" + right, token=None).status == 202
    for _ in range(10):  # some of them are over the rate
        for path in ("robot/" + right, "robot/" + wrong, "robot/" + wrong + "monitorID=1", "nobody/" + wrong, "robot/%s/%s" % (right, wrong),
                     "prometheus/" + wrong, "robot/" + right + "?token=" + wrong, "robot?" + wrong):
            daemon.deliver(body, path, token=None)
            daemon.deliver(b"{", path, token=wrong)
    heads = ["%s /hooks/robot/TOKEN HTTP/1.1" % method for method in ("GET", "HEAD", "PUT", "BREW", "POST")] + [
        "POST /hooks/robot/TOKEN HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2",
        "POST /hooks/robot/TOKEN HTTP/1.1\r\nTransfer-Encoding: chunked",
        "POST http://TOKEN/hooks/robot/TOKEN HTTP/1.1\r\nContent-Length: 0",
        "POST /hooks/robot/TOKEN HTTP/9.9",
        "POST /hooks/robot/TOKEN%00%zz\xff HTTP/1.1\r\nContent-Length: 0",
        "GET /api/v1/services?token=TOKEN HTTP/1.1\r\nAuthorization: Bearer TOKEN"]
    with concurrent.futures.ThreadPoolExecutor(44) as pool:
        calls = [pool.submit(raw, url, head.replace("TOKEN", token), b"zz\r\n")
                 for url in (daemon.hooks, daemon.api) for token in (right, wrong) for head in heads]
        for call in calls:
            call.result()
    daemon.process.send_signal(signal.SIGHUP)
    time.sleep(1.5)  # what is gathered is told
    export = daemon.get("/api/v1/audit/export").body
    assert b"wrong credential" in export and b"more than 1 deliveries a second" in export
    metrics = daemon.get("/metrics").body
    for token in (right, wrong):
        assert token.encode() not in export + metrics
    daemon.stop()
    assert_nowhere(daemon, right.encode(), wrong.encode())

"""AWS SNS against the running daemon: certificates that are fetched while the delivery waits, subscriptions, hostile
deliveries, the credential that SNS sends only when asked. SNS itself is a signer and a server of the test."""

import base64
import concurrent.futures
import datetime
import json
import os
import signal
import socket
import time

import pytest

import sns
from daemon import configuration, wait_for
from sns import HOST, TOKEN, TOPIC, alarm, name

OTHER_TOPIC = "arn:aws:sns:eu-west-1:666666666666:failover"
PASSWORD = "sns-basic-password-1"
SOURCES = ["aws%d" % i for i in range(8)]


@pytest.fixture(scope="module")
def signer():
    return sns.Signer()


@pytest.fixture
def server():
    with sns.Server() as server:
        yield server


@pytest.fixture
def daemon(make_daemon, server):
    """One with several SNS sources, each with a folder of its own for certificates, so that each may fetch once."""
    return make_daemon(config(server.url))


def config(url):
    whole = configuration(hold="1h")
    for source in SOURCES:
        whole["sources"][source] = {"kind": "sns", "topics": [TOPIC], "url": url, "certificates": "certificates-" + source}
    whole["sources"]["basic"] = dict(whole["sources"]["aws0"], certificates="certificates-basic", basic={"user": "sns", "password": PASSWORD})
    whole["sources"]["raw"] = dict(whole["sources"]["aws0"], certificates="certificates-raw", raw=True, path_token="raw-token-for-tests")
    whole["services"]["shop"]["alerts"] += [{"source": source, "match": {"alarm_name": "shop-gra-down"}, "site": "gra"} for source in SOURCES]
    return whole


def deliver(daemon, envelope, source="aws0", **headers):
    """As SNS does: the body is JSON, and the content type says otherwise."""
    body = envelope if isinstance(envelope, bytes) else json.dumps(envelope).encode()
    headers = dict({"Content-Type": "text/plain; charset=UTF-8", "User-Agent": "Amazon Simple Notification Service Agent"}, **headers)
    return daemon.deliver(body, source, None, headers)


def refusals(daemon):
    return [entry["text"] for entry in daemon.audit() if entry["kind"] == "intake.rejected"]


def refused_for(daemon, text):
    wait_for(lambda: any(text in entry for entry in refusals(daemon)), 10, "a refusal for %s in %s" % (text, refusals(daemon)))


def place(daemon, source, key, pem):
    folder = os.path.join(daemon.folder, "certificates-" + source)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, name(key)), "wb") as file:
        file.write(pem)


def secrets_are_nowhere(daemon):
    """Neither the token nor a URL that holds power over the subscription, in any file of the daemon, its log or the audit."""
    texts = {"log": "".join(daemon.log).encode(), "audit": repr(daemon.audit()).encode()}
    for folder, _, files in os.walk(daemon.folder):
        for file in set(files) - {"turnout.yaml"}:
            with open(os.path.join(folder, file), "rb") as opened:
                texts[file] = opened.read()
    assert len(texts) > 3
    for where, text in texts.items():
        for secret in (TOKEN, "Action=ConfirmSubscription", "Action=Unsubscribe", PASSWORD):
            assert secret.encode() not in text, (where, secret)


# ---- certificates ----------------------------------------------------------------------------------------------------


def test_a_delivery_waits_for_its_certificate_and_a_restart_needs_no_network(daemon, server, signer):
    server.files["/" + name("usual")] = sns.slowly(signer.certificate(), 1)
    begun = time.monotonic()
    answer = deliver(daemon, signer.notification(alarm(), version="1", Subject="ALARM: \"shop-gra-down\""))
    assert answer.status == 202 and answer.json["alerts"] == 1, answer.body
    assert time.monotonic() - begun >= 1
    assert daemon.service()["sites"][0]["down_votes"] == 1
    kept = os.path.join(daemon.folder, "certificates-aws0", "fetched", HOST, name("usual"))
    assert os.stat(kept).st_mode & 0o777 == 0o600
    assert deliver(daemon, signer.notification(alarm("OK"))).status == 202
    assert daemon.service()["sites"][0]["down_votes"] == 0
    assert server.fetches() == ["/" + name("usual")]

    daemon.stop()
    server.files.clear()
    daemon.start()
    assert deliver(daemon, signer.notification(alarm())).status == 202
    assert daemon.service()["sites"][0]["down_votes"] == 1
    assert server.fetches() == ["/" + name("usual")]
    secrets_are_nowhere(daemon)


def test_all_that_come_meanwhile_wait_for_one_fetch(daemon, server, signer):
    server.files["/" + name("usual")] = sns.slowly(signer.certificate(), 1)
    with concurrent.futures.ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda i: deliver(daemon, signer.notification(alarm(alarm_name="a%d" % i))), range(12)))
    assert [answer.status for answer in answers] == [202] * 12, [answer.body for answer in answers]
    assert server.fetches() == ["/" + name("usual")]


def test_a_need_that_is_found_while_the_daemon_stops(daemon, signer):
    """The body is still on its way when the daemon is told to stop; only then it turns out that a certificate is needed."""
    hooks = ("127.0.0.1", int(daemon.hooks.rsplit(":", 1)[1]))
    body = json.dumps(signer.notification(alarm())).encode()

    def is_refused():
        try:
            socket.create_connection(hooks, timeout=1).close()
        except (ConnectionRefusedError, ConnectionResetError):  # reset: it was in the queue when that ended
            return True
        return False

    with socket.create_connection(hooks, timeout=10) as connection:
        connection.sendall(b"POST /hooks/aws0 HTTP/1.1\r\nHost: here\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n" % len(body))
        assert connection.recv(1000).startswith(b"HTTP/1.1 100")  # its headers have been let in
        daemon.process.send_signal(signal.SIGTERM)
        wait_for(is_refused, 10, "the end of new connections")
        connection.sendall(body)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 503"), answer
    assert daemon.process.wait(20) == 0


def test_misbehaving_servers(daemon, server, signer):
    good = signer.certificate()
    server.files["/elsewhere.pem"] = good
    for key, source, what, why in [
            ("redirect", "aws0", sns.redirect(server.url + "/elsewhere.pem"), "the answer was HTTP 302"),
            ("missing", "aws1", None, "the answer was HTTP 404"),
            ("forever", "aws2", sns.forever, "cannot be had"),
            ("slow", "aws3", sns.slowly(good, 8), "cannot be had")]:
        if what:
            server.files["/" + name(key)] = what
        begun = time.monotonic()
        answer = deliver(daemon, signer.notification(alarm(), key=key), source)
        assert answer.status == 503 and answer.headers["Retry-After"], (key, answer.status, answer.body)
        assert why in answer.body.decode(), (key, answer.body)
        assert time.monotonic() - begun < 6, key
        # The next one is told the same at once.
        begun = time.monotonic()
        again = deliver(daemon, signer.notification(alarm(), key=key), source)
        assert again.status == 503 and time.monotonic() - begun < 1, (key, again.body)
    assert "/elsewhere.pem" not in server.asked
    assert len(server.fetches()) == 4
    assert daemon.service()["sites"][0]["down_votes"] == 0


def test_certificates_that_are_not_acceptable(daemon, server, signer):
    for source, pem, why in [
            ("aws0", signer.certificate(days_until=-0.5), "it has expired at"),
            ("aws1", signer.certificate(days_from=1), "it is not valid before"),
            ("aws2", signer.certificate("sns.amazonaws.com.example.org"), "it is not for sns.amazonaws.com"),
            ("aws3", b"<html>", "it is no certificate in PEM"),
            ("aws4", sns.Signer().certificate(), "the signature is not SNS's over this message")]:
        server.files["/" + name(source)] = pem
        answer = deliver(daemon, signer.notification(alarm(), key=source), source)
        assert answer.status == 403 and why in answer.body.decode(), (source, answer.status, answer.body)
        refused_for(daemon, why)
    # What a person has placed is used as it is.
    place(daemon, "aws0", "aws0", signer.certificate("anything", -3, -2))
    assert deliver(daemon, signer.notification(alarm(), key="aws0")).status == 202


def test_hostile_keys_cause_one_fetch_a_minute(daemon, server, signer):
    place(daemon, "aws0", "usual", signer.certificate())
    envelopes = [signer.notification(alarm(), key="hostile %d" % i) for i in range(40)]
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda envelope: deliver(daemon, envelope), envelopes))
    assert {answer.status for answer in answers} == {503}
    assert len(server.fetches()) == 1
    assert any("only one is fetched in a minute" in answer.body.decode() for answer in answers)
    # Meanwhile what is known goes on being taken.
    assert deliver(daemon, signer.notification(alarm())).status == 202


def test_what_is_refused_is_never_looked_for(daemon, server, signer):
    for envelope, status, why in [
            (signer.notification(alarm(), TopicArn=OTHER_TOPIC), 403, "a Notification of a topic that is not one of `topics`"),
            (signer.notification(alarm(), Timestamp=sns.timestamp(3700)), 403, "a replay: its Timestamp is more than an hour ago"),
            (signer.notification(alarm(), Timestamp=sns.timestamp(-600)), 403, "more than 5 minutes ahead of this clock"),
            (dict(signer.notification(alarm()), SigningCertURL="https://sns.s3-us-west-2.amazonaws.com/" + name("usual")), 403, "SigningCertURL is not"),
            (dict(signer.notification(alarm()), SignatureVersion="3"), 403, "SignatureVersion is neither 1 nor 2"),
            (dict(signer.notification(alarm()), SigningCertUrl="x"), 400, "the field \"SigningCertUrl\" of the envelope is none of SNS's"),
            (signer.notification(alarm(), Subject="a\nMessageId\nb"), 400, "Subject holds a control character"),
            (b"GRA is down", 400, "byte 0"),
            (alarm(), 400, "the field \"AlarmName\" of the envelope is none of SNS's")]:
        answer = deliver(daemon, envelope, **{"x-amz-sns-message-type": "Notification", "x-amz-sns-topic-arn": TOPIC,
                                              "x-amz-sns-rawdelivery": "true"})
        assert answer.status == status and why in answer.json["error"]["message"], (why, answer.status, answer.body)
        time.sleep(1.1)  # refusals of one second are one entry
        refused_for(daemon, why)
    assert server.asked == []


# ---- subscriptions ---------------------------------------------------------------------------------------------------


def test_a_subscription_is_confirmed_when_sns_says_so(daemon, server, signer):
    place(daemon, "aws0", "usual", signer.certificate())
    for status in (500, 302):  # a redirect is not followed
        server.confirm_with = status
        answer = deliver(daemon, signer.confirmation())
        assert answer.status == 503 and answer.headers["Retry-After"], answer.body
        refused_for(daemon, "the confirmation of %s cannot be had: the answer was HTTP %d" % (TOPIC, status))
    assert not [entry for entry in daemon.audit() if entry["kind"] == "intake.subscription"]

    server.confirm_with = 200
    answer = deliver(daemon, signer.confirmation())
    assert answer.status in (200, 202), answer.body
    entry = wait_for(lambda: [entry for entry in daemon.audit() if entry["kind"] == "intake.subscription"], what="the entry")[0]
    assert "subscribed to " + TOPIC in entry["text"]
    assert server.confirmations() == ["/?Action=ConfirmSubscription&TopicArn=%s&Token=%s" % (TOPIC.replace(":", "%3A"), TOKEN)] * 3
    assert server.fetches() == []
    secrets_are_nowhere(daemon)


def test_a_confirmation_that_reaches_nobody_comes_again(daemon, server, signer):
    place(daemon, "aws0", "usual", signer.certificate())
    server.stop()  # nobody listens any more
    answer = deliver(daemon, signer.confirmation())
    assert answer.status == 503, answer.body
    refused_for(daemon, "the confirmation of %s cannot be had" % TOPIC)
    secrets_are_nowhere(daemon)


def test_others_cannot_subscribe_us(daemon, server, signer):
    place(daemon, "aws0", "usual", signer.certificate())
    answer = deliver(daemon, signer.confirmation(topic=OTHER_TOPIC))
    assert answer.status == 403
    refused_for(daemon, "a SubscriptionConfirmation of a topic that is not one of `topics`: " + OTHER_TOPIC)
    forged = dict(signer.confirmation(), Signature=signer.confirmation()["Signature"])
    assert deliver(daemon, dict(forged, SubscribeURL=server.url + "/")).status == 403
    assert server.asked == []
    secrets_are_nowhere(daemon)


def test_an_unsubscription_is_loud_and_its_url_is_not_asked(daemon, server, signer):
    place(daemon, "aws0", "usual", signer.certificate())
    assert deliver(daemon, signer.confirmation("UnsubscribeConfirmation")).status in (200, 202)
    entry = wait_for(lambda: [entry for entry in daemon.audit() if entry["kind"] == "intake.unsubscribed"], what="the entry")[0]
    assert "unsubscribed from %s: nothing comes from it any more" % TOPIC in entry["text"]
    wait_for(lambda: any("warning" in line and "unsubscribed from " + TOPIC in line for line in daemon.log), what="the warning")
    assert server.asked == []
    secrets_are_nowhere(daemon)


# ---- credentials -----------------------------------------------------------------------------------------------------


def test_basic_as_sns_does_it(daemon, server, signer):
    place(daemon, "basic", "usual", signer.certificate())

    def basic(password):
        return {"Authorization": "Basic " + base64.b64encode(("sns:" + password).encode()).decode()}

    answer = deliver(daemon, signer.notification(alarm()), "basic")
    assert answer.status == 401 and answer.headers["WWW-Authenticate"].startswith("Basic realm="), answer.headers
    assert deliver(daemon, signer.notification(alarm()), "basic", **basic(PASSWORD)).status == 202
    time.sleep(1.2)
    assert refusals(daemon) == []  # to be asked is no failed try
    assert deliver(daemon, signer.notification(alarm()), "basic", **basic("wrong")).status == 401
    refused_for(daemon, "wrong credential")
    # The credential does not stand for the signature.
    answer = deliver(daemon, dict(signer.notification(alarm()), Message="{}"), "basic", **basic(PASSWORD))
    assert answer.status == 403
    secrets_are_nowhere(daemon)


def test_raw_deliveries_need_the_token(daemon, server, signer):
    place(daemon, "raw", "usual", signer.certificate())
    assert deliver(daemon, alarm(), "raw").status == 401
    assert deliver(daemon, alarm(), "raw/raw-token-for-tests").status == 202
    assert deliver(daemon, b"words", "raw/raw-token-for-tests").status in (200, 202)
    assert deliver(daemon, signer.confirmation(), "raw/raw-token-for-tests").status in (200, 202)
    assert len(server.confirmations()) == 1
    forged = dict(signer.notification(alarm()), Message="{}")
    assert deliver(daemon, forged, "raw/raw-token-for-tests").status == 403


# ---- order -----------------------------------------------------------------------------------------------------------


def test_an_older_state_does_not_undo_a_newer_one(daemon, server, signer):
    place(daemon, "aws0", "usual", signer.certificate())
    now = datetime.datetime.now(datetime.timezone.utc)
    assert deliver(daemon, signer.notification(alarm("ALARM", at=now))).status == 202
    answer = deliver(daemon, signer.notification(alarm("OK", at=now - datetime.timedelta(seconds=30))))
    assert answer.status == 200 and answer.json["duplicate"]
    assert daemon.service()["sites"][0]["down_votes"] == 1
    # Neither up nor down: its vote is withdrawn, and the site is not said to be well.
    assert deliver(daemon, signer.notification(alarm("INSUFFICIENT_DATA", at=now + datetime.timedelta(seconds=1)))).status == 202
    assert daemon.service()["sites"][0]["down_votes"] == 0
    # The same once more, as SNS sends it when our answer was lost.
    envelope = signer.notification(alarm("ALARM", at=now + datetime.timedelta(seconds=2)))
    assert [deliver(daemon, envelope).status for _ in range(3)] == [202, 200, 200]
    assert daemon.service()["sites"][0]["down_votes"] == 1

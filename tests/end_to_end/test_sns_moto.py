"""SNS as moto has it: its genuine notifications, sent by a real moto server, are accepted.

moto signs with version 2, makes a certificate for each message, and serves it only under the name of SNS's host; it
leaves Subject out of the signed text, so that nothing here has one. It sends no SNS headers, no confirmations, and nothing raw.
"""

import contextlib
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import urllib.parse

import pytest

import sns
from daemon import OPENER, configuration, request, wait_for

REGION = "us-east-1"
TOPIC = "arn:aws:sns:%s:123456789012:failover" % REGION
# Not signed: moto looks only for the service and the region.
CREDENTIAL = "AWS4-HMAC-SHA256 Credential=AKIA/20261121/%s/sns/aws4_request, SignedHeaders=host, Signature=0" % REGION


class Moto:
    def __init__(self, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = "http://127.0.0.1:%d" % port
        self.process = subprocess.Popen([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log)

        def is_up():
            assert self.process.poll() is None, "moto's server ended: it comes with scripts/python"
            with contextlib.suppress(OSError):
                return OPENER.open(self.url + "/moto-api/", timeout=2).status == 200
        wait_for(is_up, 60, "moto's server")

    def stop(self):
        self.process.terminate()
        self.process.wait(10)

    def call(self, action, **parameters):
        body = urllib.parse.urlencode(dict(parameters, Action=action, Version="2010-03-31")).encode()
        answer = request("POST", self.url + "/", body, headers={"Authorization": CREDENTIAL,
                                                                "Content-Type": "application/x-www-form-urlencoded"})
        assert answer.status == 200, answer.body
        return answer.body.decode()

    def certificate(self, path):
        answer = request("GET", self.url + path, headers={"Authorization": CREDENTIAL})
        assert answer.status == 200, answer.body
        return answer.body


@pytest.fixture(scope="module")
def moto(tmp_path_factory):
    with open(tmp_path_factory.mktemp("moto") / "log", "wb") as log:
        moto = Moto(log)
        yield moto
        moto.stop()


@pytest.fixture
def topic(moto):
    moto.call("CreateTopic", Name="failover")
    yield TOPIC
    moto.call("DeleteTopic", TopicArn=TOPIC)


def config(**source):
    whole = configuration(hold="1h")
    whole["sources"]["aws"] = dict({"kind": "sns", "topics": [TOPIC], "require_signature_version": 2}, **source)
    whole["services"]["shop"]["alerts"].append({"source": "aws", "match": {"alarm_name": "shop-gra-down"}, "site": "gra"})
    return whole


def message(state="ALARM"):
    return json.dumps(dict(sns.alarm(state), AlarmArn="arn:aws:cloudwatch:%s:123456789012:alarm:shop-gra-down" % REGION))


def test_a_genuine_notification_with_its_certificate_placed_by_hand(make_daemon, moto, topic):
    """What moto sends is caught, its certificate laid into the folder, and the same bytes given to the daemon."""
    caught = []

    class Catch(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            caught.append(self.rfile.read(int(self.headers["Content-Length"])))
            sns.answer(self, 200, b"")

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Catch) as catcher:
        threading.Thread(target=catcher.serve_forever, daemon=True).start()
        moto.call("Subscribe", TopicArn=topic, Protocol="http", Endpoint="http://127.0.0.1:%d/" % catcher.server_port)
        moto.call("Publish", TopicArn=topic, Message=message())
        wait_for(lambda: caught, what="moto's notification")
        catcher.shutdown()
    daemon = make_daemon(config())
    path = urllib.parse.urlsplit(json.loads(caught[0])["SigningCertURL"]).path
    folder = os.path.join(daemon.folder, "sns-certificates")
    os.makedirs(folder)
    with open(os.path.join(folder, os.path.basename(path)), "wb") as file:
        file.write(moto.certificate(path))
    answer = daemon.deliver(caught[0], "aws", None, {"Content-Type": "text/plain; charset=UTF-8"})
    assert answer.status == 202 and answer.json["alerts"] == 1, answer.body
    assert daemon.service()["sites"][0]["down_votes"] == 1
    forged = caught[0].replace(b"ALARM", b"MRALA")
    assert daemon.deliver(forged, "aws", None, {"Content-Type": "text/plain"}).status == 403


def test_moto_posts_to_the_daemon_which_fetches_the_certificate(make_daemon, moto, topic):
    """The whole way: publish, delivery with the URL's credential, fetch of the certificate, vote. A server stands between that
    asks moto as SNS's own."""
    with sns.Server() as server:
        class Files(dict):
            def get(self, path, default=None):
                return moto.certificate(path) if path.endswith(".pem") else default
        server.files = Files()
        daemon = make_daemon(config(url=server.url, basic={"user": "sns", "password": "moto-basic-password"}))
        endpoint = daemon.hooks.replace("http://", "http://sns:moto-basic-password@") + "/hooks/aws"
        moto.call("Subscribe", TopicArn=topic, Protocol="http", Endpoint=endpoint)
        moto.call("Publish", TopicArn=topic, Message=message())
        wait_for(lambda: daemon.service()["sites"][0]["down_votes"] == 1, what="the vote")
        assert len(server.fetches()) == 1
        assert re.fullmatch(r"/SimpleNotificationService-[0-9a-f]{32}\.pem", server.fetches()[0])


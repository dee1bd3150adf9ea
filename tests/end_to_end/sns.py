"""Amazon SNS's other end: an authority and a signer, envelopes as SNS sends them, and a server that stands for
sns.REGION.amazonaws.com: it serves certificates, confirms subscriptions, counts what it is asked, and can misbehave.

Nothing here knows how the daemon judges any of it.
"""

import base64
import contextlib
import datetime
import hashlib
import http.server
import json
import threading
import time
import urllib.parse
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.x509.oid import NameOID

REGION = "eu-west-1"
TOPIC = "arn:aws:sns:%s:123456789012:failover" % REGION
HOST = "sns.%s.amazonaws.com" % REGION
TOKEN = "2336412f37fb687f5d51e6e2425ba1f25f28a5b3bc4d3a4e"


def name(key):
    """The file name of a signing certificate, made from any text."""
    return "SimpleNotificationService-%s.pem" % hashlib.md5(key.encode()).hexdigest()


def alarm(state="ALARM", alarm_name="shop-gra-down", at=None):
    at = at or datetime.datetime.now(datetime.timezone.utc)
    return {"AlarmName": alarm_name, "AlarmDescription": None, "AWSAccountId": "123456789012", "NewStateValue": state,
            "NewStateReason": "Threshold Crossed", "StateChangeTime": at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03d+0000" % (at.microsecond // 1000),
            "Region": "EU (Ireland)", "AlarmArn": "arn:aws:cloudwatch:%s:123456789012:alarm:%s" % (REGION, alarm_name),
            "OldStateValue": "OK", "Trigger": {"MetricName": "HealthyHostCount", "Namespace": "AWS/ApplicationELB", "Dimensions": []}}


class Signer:
    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.authority = ec.generate_private_key(ec.SECP256R1())

    def certificate(self, common_name="sns.amazonaws.com", days_from=-1, days_until=30):
        """PEM."""
        now = datetime.datetime.now(datetime.timezone.utc)
        subject, issuer = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)]) for text in (common_name, "An authority"))
        builder = (x509.CertificateBuilder().subject_name(subject).issuer_name(issuer).public_key(self.key.public_key())
                   .serial_number(x509.random_serial_number()).not_valid_before(now + datetime.timedelta(days=days_from))
                   .not_valid_after(now + datetime.timedelta(days=days_until))
                   .add_extension(x509.SubjectAlternativeName([x509.DNSName(common_name)]), False))
        return builder.sign(self.authority, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _envelope(self, fields, key, version):
        text = "".join("%s\n%s\n" % (field, fields[field]) for field in sorted(fields)).encode()
        algorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
        signature = self.key.sign(text, padding.PKCS1v15(), algorithm)
        return dict(fields, SignatureVersion=version, Signature=base64.b64encode(signature).decode(),
                    SigningCertURL="https://%s/%s" % (HOST, name(key)))

    def notification(self, message, key="usual", version="2", **changes):
        """`changes` replace signed fields; Subject may be one."""
        fields = dict({"Type": "Notification", "MessageId": str(uuid.uuid4()), "TopicArn": TOPIC, "Timestamp": timestamp(),
                       "Message": json.dumps(message) if isinstance(message, dict) else message}, **changes)
        unsubscribe = "https://%s/?Action=Unsubscribe&SubscriptionArn=%s:2bcfbf39" % (HOST, TOPIC)
        return dict(self._envelope(fields, key, version), UnsubscribeURL=unsubscribe)

    def confirmation(self, kind="SubscriptionConfirmation", key="usual", version="2", topic=TOPIC):
        url = "https://%s/?Action=ConfirmSubscription&TopicArn=%s&Token=%s" % (HOST, topic, TOKEN)
        return self._envelope({"Type": kind, "MessageId": str(uuid.uuid4()), "TopicArn": topic, "Timestamp": timestamp(), "Token": TOKEN,
                               "Message": "You have chosen something for %s.\nVisit the SubscribeURL." % topic,
                               "SubscribeURL": url}, key, version)


def timestamp(seconds_ago=0):
    at = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds_ago)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (at.microsecond // 1000)


class Server:
    """`files`: path to bytes, or to a function that is given the handler and answers itself. `asked`: every path with its query."""

    def __init__(self):
        self.files = {}
        self.confirm_with = 200
        self.asked = []
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                server.asked.append(self.path)
                path = urllib.parse.urlsplit(self.path)
                if "ConfirmSubscription" in path.query:
                    answer(self, server.confirm_with, b"<ConfirmSubscriptionResponse/>", Location=server.url + "/elsewhere")
                    return
                what = server.files.get(path.path)
                if callable(what):
                    with contextlib.suppress(OSError):
                        what(self)
                else:
                    answer(self, 200 if what else 404, what or b"no")

            def log_message(self, *_):
                pass

        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = "http://127.0.0.1:%d" % self.http.server_port
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def stop(self):
        self.http.shutdown()
        self.http.server_close()

    def fetches(self):
        return [path for path in self.asked if "Action=" not in path]

    def confirmations(self):
        return [path for path in self.asked if "Action=" in path]


def answer(handler, status, body, **headers):
    handler.send_response(status)
    for header, value in headers.items():
        handler.send_header(header, value)
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)


def slowly(body, seconds):
    def serve(handler):
        time.sleep(seconds)
        answer(handler, 200, body)
    return serve


def redirect(to):
    return lambda handler: answer(handler, 302, b"", Location=to)


def forever(handler):
    """An answer without an end."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b"-----BEGIN CERTIFICATE-----\n" * 1000)

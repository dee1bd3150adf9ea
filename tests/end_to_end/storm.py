"""A storm of deliveries: two thirds of the connections are monitors of four kinds, nine of ten of whose deliveries are
repeats; one third is hostile. Used by the test of it and by the benchmark.

Nothing here judges: it tells what was sent, what was answered and how long an operator waited. It sends to loopback
only, a bounded number of requests for a bounded time.
"""

import asyncio
import base64
import datetime
import json
import logging
import os
import random
import threading
import time
import urllib.request
import uuid

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

TOKENS = {"prometheus": "storm-token-of-prometheus", "uptimerobot": "storm-token-of-uptimerobot", "pingdom": "storm-token-of-pingdom",
          "grafana": "storm-token-of-grafana", "kuma": "storm-token-of-kuma"}
TOPIC = "arn:aws:sns:eu-west-1:123456789012:failover"
CERTIFICATE = "SimpleNotificationService-0123456789abcdef0123456789abcdef.pem"
logging.getLogger("asyncio").setLevel(logging.ERROR)  # senders that are cut go on sending; that is their part
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def sources(certificates):
    """What stands under `sources:` in the configuration that the storm is for; `certificates` is a folder."""
    return {
        "prometheus": {"kind": "alertmanager", "bearer": TOKENS["prometheus"]},
        "uptimerobot": {"kind": "uptimerobot", "path_token": TOKENS["uptimerobot"]},
        "pingdom": {"kind": "pingdom", "path_token": TOKENS["pingdom"]},
        "aws": {"kind": "sns", "topics": [TOPIC], "certificates": certificates},
        "grafana": {"kind": "grafana", "bearer": TOKENS["grafana"]},
        "kuma": {"kind": "generic", "bearer": TOKENS["kuma"], "identity": "/monitor/id", "state": "/heartbeat/status", "down": ["0"],
                 "up": ["1"], "labels": {"name": "/monitor/name"}},
    }


# ---- what monitors send ------------------------------------------------------------------------------------------------


class Signer:
    """Signs as SNS does, with a certificate of its own that is laid into the folder where an operator would lay it."""

    def __init__(self, certificates):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
        now = datetime.datetime.now(datetime.timezone.utc)
        certificate = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(self.key.public_key())
                       .serial_number(1).not_valid_before(now - datetime.timedelta(days=1))
                       .not_valid_after(now + datetime.timedelta(days=30)).sign(self.key, hashes.SHA256()))
        os.makedirs(certificates, exist_ok=True)
        with open(os.path.join(certificates, CERTIFICATE), "wb") as file:
            file.write(certificate.public_bytes(serialization.Encoding.PEM))

    def envelope(self, message):
        now = datetime.datetime.now(datetime.timezone.utc)
        fields = {"Message": message, "MessageId": str(uuid.uuid4()),
                  "Timestamp": now.strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % (now.microsecond // 1000),
                  "TopicArn": TOPIC, "Type": "Notification"}
        signed = "".join("%s\n%s\n" % pair for pair in fields.items()).encode()
        signature = self.key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return json.dumps(dict(fields, SignatureVersion="2", Signature=base64.b64encode(signature).decode(),
                               SigningCertURL="https://sns.eu-west-1.amazonaws.com/" + CERTIFICATE,
                               UnsubscribeURL="https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe"))


def http(method, path, body, headers=()):
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: 127.0.0.1", "Content-Length: %d" % len(body), *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def of_alertmanager(number, source="prometheus"):
    alert = {"status": "firing", "labels": {"alertname": "SiteDown", "instance": "storm-%d" % number, "region": "gra"}, "annotations": {},
             "startsAt": "2026-11-21T00:59:17.178352188Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "",
             "fingerprint": "%016x" % (number * 2654435761 + 1)}
    body = {"receiver": "turnout", "status": "firing", "alerts": [alert], "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {},
            "externalURL": "http://am:9093", "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0}
    return http("POST", "/hooks/" + source, json.dumps(body).encode(),
                ["Content-Type: application/json", "Authorization: Bearer " + TOKENS[source]])


def of_grafana(number):
    return of_alertmanager(number, "grafana")


def of_generic(number):
    body = {"heartbeat": {"monitorID": number, "status": 0, "time": "2026-11-21 02:00:00.000", "msg": "timeout", "important": True},
            "monitor": {"id": number, "name": "storm", "url": "https://storm.example.com", "type": "http"}, "msg": "[storm] [Down] timeout"}
    return http("POST", "/hooks/kuma", json.dumps(body).encode(),
                ["Content-Type: application/json", "Authorization: Bearer " + TOKENS["kuma"]])


def of_uptimerobot(number):
    query = ("monitorID=%d&monitorURL=https%%3A%%2F%%2Fstorm.example.com&monitorFriendlyName=storm&alertType=1&alertTypeFriendlyName=Down"
             "&alertDetails=HTTP%%20500&alertDateTime=1795226400&monitorAlertContacts=1%%3B5%%3Bhttps%%3A%%2F%%2Fsecret.example.com") % number
    path = "/hooks/uptimerobot/" + TOKENS["uptimerobot"]
    if number % 2:
        return http("GET", path + "?" + query, b"")
    return http("POST", path + "?", query.encode(), ["Content-Type: application/x-www-form-urlencoded"])


def of_pingdom(number):
    body = {"check_id": number, "check_name": "storm", "check_type": "HTTP", "check_params": {"hostname": "storm.example.com"}, "tags": [],
            "previous_state": "UP", "current_state": "DOWN", "state_changed_timestamp": 1795226400,
            "state_changed_utc_time": "2026-11-21T02:00:00", "long_description": "Timeout", "description": "Timeout",
            "first_probe": {"ip": "85.93.93.123", "ipv6": "", "location": "Strasbourg"}, "second_probe": {}, "version": 1}
    return http("POST", "/hooks/pingdom/" + TOKENS["pingdom"], json.dumps(body).encode(), ["Content-Type: application/json"])


def of_sns(number, signer):
    message = {"AlarmName": "storm-%d" % number, "AWSAccountId": "123456789012", "NewStateValue": "ALARM", "OldStateValue": "OK",
               "NewStateReason": "Threshold Crossed", "StateChangeTime": "2026-11-21T02:00:00.000+0000", "Region": "EU (Ireland)",
               "AlarmArn": "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:storm-%d" % number,
               "Trigger": {"MetricName": "HealthCheckStatus", "Namespace": "AWS/Route53", "Dimensions": [{"name": "HealthCheckId", "value": "x"}]}}
    return http("POST", "/hooks/aws", signer.envelope(json.dumps(message)).encode(), ["Content-Type: text/plain; charset=UTF-8"])


def make_deliveries(distinct, certificates):
    """`distinct` requests, of each kind a quarter, each about another alert."""
    signer = Signer(certificates)
    makers = [of_alertmanager, of_uptimerobot, of_pingdom, lambda number: of_sns(number, signer)]
    return [makers[number % 4](number) for number in range(1, distinct + 1)]


# ---- well-behaved senders ----------------------------------------------------------------------------------------------


async def read_answer(reader):
    """(status, body); raises when the connection ends before."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return int(head.split(b" ", 2)[1]), await reader.readexactly(length)


class Storm:
    def __init__(self, port, deliveries, total, seed=1):
        self.port, self.deliveries, self.total = port, deliveries, total
        self.random = random.Random(seed)
        self.sent, self.unsent = 0, 0  # requests begun; the first delivery that nobody has sent yet
        self.accepted, self.known, self.later = [], [], 0  # ids of 202; ids of 200; number of 503
        self.answered_of = [False] * len(deliveries)
        self.wrong = []  # answers that a well-behaved sender must not get
        self.hostile, self.hostile_accepted = 0, []
        self.is_over = False

    def draw(self):
        """The next delivery: one in ten is new while there are new ones, and the last requests bring the rest."""
        self.sent += 1
        left, unsent = self.total - self.sent, len(self.deliveries) - self.unsent
        if unsent and (self.unsent == 0 or unsent > left or self.random.random() < 0.1):
            self.unsent += 1
            return self.unsent - 1
        return self.random.randrange(self.unsent)

    async def monitor(self):
        reader = writer = None
        retry = None
        while self.sent < self.total or retry is not None:
            number = retry if retry is not None else self.draw()
            retry = None
            try:
                if writer is None:
                    reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                writer.write(self.deliveries[number])
                status, body = await asyncio.wait_for(read_answer(reader), 60)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError) as error:
                self.wrong.append(repr(error))
                writer, retry = None, number
                if len(self.wrong) > 100:
                    return
                continue
            if status == 202:
                self.accepted.append(json.loads(body)["delivery"])
            elif status == 200:
                self.known.append(json.loads(body)["delivery"])
            elif status == 503:  # as its sender would, a little later
                self.later += 1
                retry = number
                await asyncio.sleep(0.05)
                continue
            else:
                self.wrong.append("%d %s" % (status, body[:200]))
            self.answered_of[number] = True

    # ---- hostile ones --------------------------------------------------------------------------------------------------

    def attacks(self):
        body = b'{"version":"4","alerts":[{"status":"firing","labels":{"a":"b"}}]}'
        bearer = "Authorization: Bearer " + TOKENS["prometheus"]
        json_type = "Content-Type: application/json"
        forged = self.deliveries[2].replace(b"storm-3", b"storm-5")
        assert forged != self.deliveries[2]  # the third is SNS's
        return [
            http("POST", "/hooks/prometheus", body, [json_type, "Authorization: Bearer wrong"]),
            http("POST", "/hooks/prometheus", body, [json_type]),
            http("POST", "/hooks/pingdom/wrong", b"x" * 100000, [json_type]),
            http("GET", "/hooks/uptimerobot/wrong?monitorID=1&alertType=1", b""),
            forged,
            http("POST", "/hooks/prometheus", b"[" * 100000, [json_type, bearer]),
            http("POST", "/hooks/prometheus", b'{"alerts":' + b"9" * 100000 + b"}", [json_type, bearer]),
            http("POST", "/hooks/prometheus", body, [json_type, bearer, "Content-Encoding: gzip"]),
            http("POST", "/hooks/prometheus", body, [json_type, bearer] + ["X-%d: %s" % (i, "y" * 100) for i in range(500)]),
            ("POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\nx"
             % (json_type, bearer)).encode(),
            ("POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n%s\r\n%s\r\nContent-Length: 99999999999\r\n\r\n" % (json_type, bearer)).encode(),
            os.urandom(2000),
            b"GET " + b"/" * 100000 + b" HTTP/1.1\r\n\r\n",
        ]

    async def attack(self, number):
        attacks = self.attacks()
        chance = random.Random(number)
        while not self.is_over:
            writer = None
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                text = chance.choice(attacks)
                self.hostile += 1
                way = number % 4
                if way == 0:  # a byte now and then, for the whole storm
                    for byte in text[:2000]:
                        writer.write(bytes([byte]))
                        await asyncio.sleep(0.3)
                        if self.is_over:
                            break
                elif way == 1:  # goes in the middle
                    writer.write(text[: len(text) // 2])
                    await writer.drain()
                    writer.transport.abort()
                    await asyncio.sleep(0.05)
                else:
                    writer.write(text)
                    status, body = await asyncio.wait_for(read_answer(reader), 15)
                    if status < 300:
                        self.hostile_accepted.append((text[:200], body))
                    await asyncio.sleep(0.05)
            except (OSError, asyncio.IncompleteReadError, asyncio.TimeoutError, asyncio.LimitOverrunError, ValueError, IndexError):
                await asyncio.sleep(0.05)
            finally:
                if writer:
                    writer.transport.abort()

    async def run(self, connections):
        hostile = [asyncio.create_task(self.attack(number)) for number in range(connections // 3)]
        await asyncio.gather(*(self.monitor() for _ in range(connections - connections // 3)))
        self.is_over = True
        await asyncio.wait(hostile, timeout=20)
        for task in hostile:
            task.cancel()


class Operator(threading.Thread):
    """Asks for the services again and again, and notes how long each answer took."""

    def __init__(self, port, token, pause_s=0.02):
        super().__init__(daemon=True)
        self.request = urllib.request.Request("http://127.0.0.1:%d/api/v1/services" % port, headers={"Authorization": "Bearer " + token})
        self.pause_s = pause_s
        self.took_ms, self.failed = [], []
        self.is_over = False

    def run(self):
        while not self.is_over:
            began = time.monotonic()
            try:
                with OPENER.open(self.request, timeout=20) as answer:
                    answer.read()
                self.took_ms.append((time.monotonic() - began) * 1000)
            except OSError as error:
                self.failed.append(repr(error))
            time.sleep(self.pause_s)

    def stop(self):
        self.is_over = True
        self.join(30)

    def percentile(self, part):
        return sorted(self.took_ms)[min(len(self.took_ms) - 1, int(len(self.took_ms) * part))]


def run(port, deliveries, total, connections=200):
    storm = Storm(port, deliveries, total)
    asyncio.run(storm.run(connections))
    return storm

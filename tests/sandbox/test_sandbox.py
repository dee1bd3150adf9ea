"""Tests of the provider sandbox itself: a sandbox that forgives what a provider refuses makes every other test worthless."""

import datetime
import email.message
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

import botocore.config
import botocore.exceptions
import botocore.session
import pytest
import requests

sys.dont_write_bytecode = True

import client as sandbox_client  # noqa: E402
from client import AWS_KEYS, LINODE_TOKEN, OVH_KEYS, Sandbox, SandboxError, is_running  # noqa: E402
import sigv4  # noqa: E402
from exchange import Request  # noqa: E402
from ovh import signature  # noqa: E402

ZONE = "Z1PA6795UKMFR9"
NAMESPACE = "{https://route53.amazonaws.com/doc/2013-04-01/}"
DELAY = {"linode_render_ms": 150, "ovh_refresh_ms": 150, "route53_insync_ms": 150}


@pytest.fixture(scope="module")
def running():
    with Sandbox(sites={"gra": "127.0.0.2:0", "rbx": "127.0.0.3:0"}, **DELAY) as sandbox:
        yield sandbox
        assert "Traceback" not in sandbox.output()


@pytest.fixture
def sandbox(running):
    running.reset()
    return running


# --- small clients


def linode(sandbox, method, path, token=LINODE_TOKEN, **more):
    headers = dict(more.pop("headers", {}), Authorization="Bearer " + token)
    return requests.request(method, sandbox.linode_url + path, headers=headers, timeout=5, **more)


def ovh(sandbox, method, path, body=None, keys=OVH_KEYS, offset=0, base="/ovh/1.0", **headers):
    url = sandbox.url + base + path
    data = b"" if body is None else json.dumps(body).encode()
    stamp = str(int(time.time()) + offset)
    signed = {"X-Ovh-Application": keys["application_key"], "X-Ovh-Consumer": keys["consumer_key"], "X-Ovh-Timestamp": stamp,
              "X-Ovh-Signature": signature(keys["application_secret"], keys["consumer_key"], method, url, data, stamp),
              "Content-Type": "application/json"}
    signed.update({name.replace("_", "-"): value for name, value in headers.items()})
    return requests.request(method, url, data=data, headers={k: v for k, v in signed.items() if v is not None}, timeout=5)


def aws(sandbox, attempts=1, **keys):
    keys = dict(AWS_KEYS, **keys)
    config = botocore.config.Config(retries={"total_max_attempts": attempts, "mode": "standard"}, read_timeout=3, proxies={})
    return botocore.session.Session().create_client(
        "route53", region_name="us-east-1", endpoint_url=sandbox.aws_url, aws_access_key_id=keys["access_key_id"], config=config,
        aws_secret_access_key=keys["secret_access_key"], aws_session_token=keys.get("session_token"))


def upsert(address, name="app.example.org", action="UPSERT", **more):
    record_set = dict({"Name": name, "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": address}]}, **more)
    return {"Changes": [{"Action": action, "ResourceRecordSet": record_set}]}


def refused(call, **arguments):
    with pytest.raises(botocore.exceptions.ClientError) as caught:
        call(**arguments)
    response = caught.value.response
    return response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Code"], response["Error"]["Message"]


# --- Linode


def test_linode_wants_its_token(sandbox):
    answer = linode(sandbox, "GET", "/domains", token="wrong")
    assert (answer.status_code, answer.json()) == (401, {"errors": [{"reason": "Invalid Token"}]})
    assert requests.get(sandbox.linode_url + "/domains", timeout=5).status_code == 401
    assert sandbox.state()["counters"]["linode"]["denied"] == 2


def test_linode_good_domain_has_an_errors_key(sandbox):
    domain = linode(sandbox, "GET", "/domains", headers={"X-Filter": '{"domain": "example.com"}'}).json()
    assert domain["results"] == 1
    assert domain["data"][0]["id"] == 123 and domain["data"][0]["errors"] == ""
    assert linode(sandbox, "GET", "/domains/123").json() == domain["data"][0]
    assert linode(sandbox, "GET", "/domains/999").json() == {"errors": [{"reason": "Not found"}]}


def test_linode_pages(sandbox):
    first = linode(sandbox, "GET", "/domains/123/records").json()
    assert (first["page"], first["pages"], first["results"], len(first["data"])) == (1, 2, 125, 100)
    assert not [record for record in first["data"] if record["name"] == "app"]
    second = linode(sandbox, "GET", "/domains/123/records?page=2").json()
    assert {record["type"] for record in second["data"] if record["name"] == "app"} == {"A", "TXT"}
    answer = linode(sandbox, "GET", "/domains/123/records?page_size=10")
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == "page_size"
    assert linode(sandbox, "GET", "/domains/123/records?page=3").status_code == 404


def test_linode_filters(sandbox):
    def names(wanted):
        return [(r["type"], r["name"]) for r in
                linode(sandbox, "GET", "/domains/123/records", headers={"X-Filter": json.dumps(wanted)}).json()["data"]]
    assert names({"type": "A", "name": "app"}) == [("A", "app")]
    assert names({"+or": [{"name": "app2"}, {"name": {"+contains": "y_a"}}]}) == [("A", "app2"), ("A", "my_app")]
    assert names({"+and": [{"name": "app"}, {"type": {"+neq": "A"}}]}) == [("TXT", "app")]
    answer = linode(sandbox, "GET", "/domains/123/records", headers={"X-Filter": '{"ttl_sec": 30}'})
    assert (answer.status_code, answer.json()) == (400, {"errors": [{"reason": "Cannot filter on ttl_sec", "field": "X-Filter"}]})


def test_linode_put_is_partial_and_is_served_later(sandbox):
    before = linode(sandbox, "GET", "/domains/123/records/36666865").json()
    serial = sandbox.zone("linode", "example.com")["serial"]
    sandbox.options(linode_render_ms=1000)
    answer = linode(sandbox, "PUT", "/domains/123/records/36666865", json={"target": "198.51.100.20"})
    assert answer.status_code == 200
    assert answer.json()["target"] == "198.51.100.20" and answer.json()["ttl_sec"] == before["ttl_sec"] == 30
    assert sandbox.dig("app.example.com") == ["192.0.2.10"]
    assert not [line for line in linode(sandbox, "GET", "/domains/123/zone-file").json()["zone_file"] if "198.51.100.20" in line]
    sandbox.wait_served("app.example.com", "198.51.100.20")
    assert [line for line in linode(sandbox, "GET", "/domains/123/zone-file").json()["zone_file"] if "198.51.100.20" in line]
    assert sandbox.zone("linode", "example.com")["serial"] == serial + 1
    assert sandbox.dig("example.com", "SOA")[0].split()[2] == str(serial + 1)


@pytest.mark.parametrize("asked, given", [(30, 30), (120, 120), (60, 30), (80, 120), (200, 120), (250, 300), (0, 0), (5, 30), (10**9, 2419200)])
def test_linode_rounds_ttls(sandbox, asked, given):
    assert linode(sandbox, "PUT", "/domains/123/records/36666865", json={"ttl_sec": asked}).json()["ttl_sec"] == given


def test_linode_ttl_0_is_the_default_of_the_zone(sandbox):
    linode(sandbox, "PUT", "/domains/123/records/36666865", json={"ttl_sec": 0})
    rows = sandbox.zone("linode", "example.com")["accepted"]
    assert [row["ttl"] for row in rows if row["name"] == "app.example.com" and row["type"] == "A"] == [86400]


@pytest.mark.parametrize("wanted", ["{", "5", '{"+and": 5}', '{"+or": [5]}', '{"+order_by": []}', '{"name": {"+near": 1}}'])
def test_linode_broken_filters(sandbox, wanted):
    answer = linode(sandbox, "GET", "/domains/123/records", headers={"X-Filter": wanted})
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == "X-Filter"


@pytest.mark.parametrize("body, field", [({"ttl_sec": "300"}, "ttl_sec"), ({"target": "nowhere"}, "target"), ({"name": 5}, "name")])
def test_linode_errors_name_the_field(sandbox, body, field):
    answer = linode(sandbox, "PUT", "/domains/123/records/36666865", json=body)
    assert answer.status_code == 400 and answer.json()["errors"][0]["field"] == field
    assert sandbox.requests("linode")[-1]["effect"] is False
    assert linode(sandbox, "PUT", "/domains/123/records/36666865", data="{broken").status_code == 400


def test_linode_post_and_delete(sandbox):
    body = {"type": "A", "name": "new", "target": "[remote_addr]", "ttl_sec": 300}
    record = linode(sandbox, "POST", "/domains/123/records", json=body).json()
    assert record["target"] == "127.0.0.1"
    assert linode(sandbox, "POST", "/domains/123/records", json=body).json()["id"] != record["id"]  # no protection from duplicates
    sandbox.wait_served("new.example.com", ["127.0.0.1"])
    answer = linode(sandbox, "DELETE", "/domains/123/records/%d" % record["id"])
    assert (answer.status_code, answer.json()) == (200, {})
    assert linode(sandbox, "DELETE", "/domains/123/records/%d" % record["id"]).status_code == 404
    assert linode(sandbox, "POST", "/domains/123/records", json={"type": "A", "name": "x"}).json()["errors"][0]["field"] == "target"
    assert linode(sandbox, "POST", "/domains/126/records", json=body).status_code == 400  # a slave


def test_linode_not_rendered_and_disabled(sandbox):
    assert linode(sandbox, "GET", "/domains/124/zone-file").json() == {"zone_file": []}
    assert sandbox.zone("linode", "fresh.example")["served"] is None
    assert linode(sandbox, "PUT", "/domains/125/records/36666871", json={"target": "198.51.100.20"}).status_code == 200
    time.sleep(0.4)
    assert sandbox.dig("app.dark.example") == []
    linode(sandbox, "PUT", "/domains/125", json={"status": "active"})
    sandbox.wait_served("app.dark.example", "198.51.100.20")
    linode(sandbox, "PUT", "/domains/125", json={"status": "disabled"})
    sandbox.wait_served("app.dark.example", [])


def test_linode_rate_limit(sandbox):
    sandbox.options(linode_rate_limit=2)
    answers = [linode(sandbox, "GET", "/domains/123") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert int(answers[2].headers["Retry-After"]) > 100 and answers[2].headers["X-RateLimit-Limit"] == "2"


# --- OVH

VECTOR_KEYS = ("9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk", "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY")


@pytest.mark.parametrize("method, url, body, wanted", [
    ("GET", "https://eu.api.ovh.com/1.0/auth", b"", "$1$e9556054b6309771395efa467c22e627407461ad"),
    ("POST", "https://eu.api.ovh.com/1.0/auth", b'{"a":"b","c":"d"}', "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1"),
    ("PUT", "https://eu.api.ovh.com/1.0/auth", b'{"a":"b","c":"d"}', "$1$8a75a9e7c8e7296c9dbeda6a2a735eb6bd58ec4b"),
    ("DELETE", "https://eu.api.ovh.com/1.0/auth", b"", "$1$a1eecd00b3b02b6cf5708b84b9ff42059a950d85"),
    ("GET", "https://eu.api.ovh.com/1.0/call", b"", "$1$7f2db49253edfc41891023fcd1a54cf61db05fbb"),
    ("GET", "https://eu.api.ovh.com/v1/call", b"", "$1$e6e7906d385eb28adcbfbe6b66c1528a42d741ad"),
    ("GET", "https://eu.api.ovh.com/v2/call", b"", "$1$bb63b132a6f84ad5433d0c534d48d3f7c3804285"),
    ("PUT", "https://eu.api.ovh.com/1.0/domain/zone/example.com/record/5001234567",
     b'{"subDomain":"www","target":"203.0.113.20","ttl":60}', "$1$f97553b30013cd9e0c01ff2cbf5be81ddfbbc6c0"),
    ("GET", "https://eu.api.ovh.com/1.0/domain/zone/example.com/record?fieldType=A&subDomain=www", b"",
     "$1$65727ee257afb1393f4d9255dc50d08829c678ea"),
    ("POST", "https://eu.api.ovh.com/1.0/domain/zone/example.com/refresh", b"", "$1$183b7a4abc4a71f93defe029d1c80d7e1a8ee56c"),
])
def test_ovh_official_signatures(method, url, body, wanted):
    assert signature(*VECTOR_KEYS, method, url, body, 1457018875) == wanted


def test_ovh_time_is_a_bare_integer(sandbox):
    assert abs(int(requests.get(sandbox.ovh_url + "/auth/time", timeout=5).text) - time.time()) < 3
    sandbox.options(ovh_skew_s=-480)
    assert abs(requests.get(sandbox.ovh_url + "/auth/time", timeout=5).json() + 480 - time.time()) < 3
    answer = ovh(sandbox, "GET", "/domain/zone")
    assert (answer.status_code, answer.json()["errorCode"]) == (400, "QUERY_TIME_OUT")
    assert ovh(sandbox, "GET", "/domain/zone", offset=-480).json() == ["example.net"]


@pytest.mark.parametrize("arguments, status, code", [
    ({"X_Ovh_Signature": "$1$" + "0" * 40}, 400, "INVALID_SIGNATURE"),
    ({"X_Ovh_Signature": None}, 400, "INVALID_SIGNATURE"),
    ({"X_Ovh_Timestamp": "soon"}, 400, "INVALID_SIGNATURE"),
    ({"X_Ovh_Application": None}, 403, "INVALID_KEY"),
    ({"X_Ovh_Consumer": None}, 403, "NOT_CREDENTIAL"),
    ({"keys": dict(OVH_KEYS, application_key="other")}, 403, "INVALID_KEY"),
    ({"keys": dict(OVH_KEYS, consumer_key="other")}, 403, "INVALID_CREDENTIAL"),
    ({"keys": dict(OVH_KEYS, consumer_key="sandbox-ck-expired")}, 403, "INVALID_CREDENTIAL"),
    ({"keys": dict(OVH_KEYS, consumer_key="sandbox-ck-pending")}, 400, "INVALID_SIGNATURE"),
    ({"keys": dict(OVH_KEYS, application_secret="other")}, 400, "INVALID_SIGNATURE"),
])
def test_ovh_wants_its_signature(sandbox, arguments, status, code):
    answer = ovh(sandbox, "GET", "/domain/zone", **arguments)
    assert (answer.status_code, answer.json()["errorCode"]) == (status, code)
    assert answer.json()["httpCode"].startswith(str(status)) and answer.headers["X-Ovh-Queryid"]


def test_ovh_signs_the_url_and_the_bytes_as_sent(sandbox):
    assert ovh(sandbox, "GET", "/domain/zone", base="/ovh/v1").status_code == 200
    path, stamp = "/domain/zone/example.net/record?fieldType=A&subDomain=app%32", str(int(time.time()))
    headers = {"X-Ovh-Application": "sandbox-ak", "X-Ovh-Consumer": "sandbox-ck", "X-Ovh-Timestamp": stamp,
               "X-Ovh-Signature": signature("sandbox-as", "sandbox-ck", "GET", sandbox.ovh_url + path, b"", stamp)}
    for sent, status in ((path, 200), (path.replace("%32", "2"), 400)):  # the same to a parser, not to a signature
        connection = http.client.HTTPConnection(sandbox.url[len("http://"):], timeout=5)
        connection.request("GET", "/ovh/1.0" + sent, headers=headers)
        assert connection.getresponse().status == status
        connection.close()
    path = "/domain/zone/example.net/record/5001234567"
    body = b'{"subDomain":"app","target":"203.0.113.9","ttl":60}'
    headers = {"X-Ovh-Application": "sandbox-ak", "X-Ovh-Consumer": "sandbox-ck", "X-Ovh-Timestamp": stamp,
               "X-Ovh-Signature": signature("sandbox-as", "sandbox-ck", "PUT", sandbox.ovh_url + path, body, stamp)}
    assert requests.put(sandbox.ovh_url + path, data=body + b" ", headers=headers, timeout=5).status_code == 400
    assert requests.put(sandbox.ovh_url + path, data=body, headers=headers, timeout=5).status_code == 200
    assert ovh(sandbox, "DELETE", path, body={"signed": "body"}).json()["errorCode"] == "INVALID_SIGNATURE"
    assert ovh(sandbox, "PUT", path, body={"target": ["203.0.113.9"]}).json()["errorCode"] == "INVALID_SIGNATURE"


def test_ovh_rules_of_a_consumer_key(sandbox):
    keys = dict(OVH_KEYS, consumer_key="sandbox-ck-no-refresh")
    assert ovh(sandbox, "GET", "/domain/zone", keys=keys).status_code == 200
    answer = ovh(sandbox, "POST", "/domain/zone/example.net/refresh", keys=keys)
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "NOT_GRANTED_CALL")
    assert ovh(sandbox, "GET", "/auth/currentCredential").json()["status"] == "validated"


def test_ovh_filters_find_more_than_asked_and_only_ids(sandbox):
    found = ovh(sandbox, "GET", "/domain/zone/example.net/record?fieldType=A&subDomain=app").json()
    assert found[0] != 5001234567 and {5001234567, 5001234561, 5001234562, 5001234563} <= set(found)
    sandbox.options(ovh_filter="pattern")
    assert ovh(sandbox, "GET", "/domain/zone/example.net/record?subDomain=app").json() == [5001234560, 5001234561, 5001234567]
    assert ovh(sandbox, "GET", "/domain/zone/example.net/record?fieldType=A&subDomain=my_app").json() == [5001234563, 5001234564]
    assert ovh(sandbox, "GET", "/domain/zone/example.net/record?fieldType=MX&subDomain=").json() == [5001234552]
    record = ovh(sandbox, "GET", "/domain/zone/example.net/record/5001234567").json()
    assert record == {"id": 5001234567, "zone": "example.net", "subDomain": "app", "fieldType": "A", "target": "192.0.2.10", "ttl": 60}
    assert ovh(sandbox, "GET", "/domain/zone/example.net/record/5001234560").json()["target"] == '"192.0.2.10"'


def test_ovh_serves_nothing_before_the_refresh_has_run(sandbox):
    path = "/domain/zone/example.net/record/5001234567"
    serial = ovh(sandbox, "GET", "/domain/zone/example.net/soa").json()["serial"]
    answer = ovh(sandbox, "PUT", path, body={"subDomain": "app", "target": "198.51.100.20", "ttl": 60})
    assert (answer.status_code, answer.content) == (200, b"")
    assert ovh(sandbox, "GET", path).json()["target"] == "198.51.100.20"
    time.sleep(0.4)
    assert sandbox.dig("app.example.net") == ["192.0.2.10"]
    assert sandbox.values("ovh", "example.net", "app.example.net", which="accepted") == ["198.51.100.20"]
    sandbox.options(ovh_refresh_ms=1000)
    refresh = ovh(sandbox, "POST", "/domain/zone/example.net/refresh")
    assert (refresh.status_code, refresh.content) == (200, b"")
    assert ovh(sandbox, "GET", "/domain/zone/example.net/soa").json()["serial"] == serial
    again = ovh(sandbox, "POST", "/domain/zone/example.net/refresh")
    assert again.status_code == 409 and "message" in again.json()
    sandbox.wait_served("app.example.net", "198.51.100.20")
    assert ovh(sandbox, "GET", "/domain/zone/example.net/soa").json()["serial"] == serial + 1
    assert sandbox.dig("example.net", "SOA")[0].split()[2] == str(serial + 1)


def test_ovh_refresh_takes_what_was_staged_then(sandbox):
    ovh(sandbox, "PUT", "/domain/zone/example.net/record/5001234567", body={"target": "198.51.100.20", "ttl": 60})
    ovh(sandbox, "POST", "/domain/zone/example.net/refresh")
    ovh(sandbox, "PUT", "/domain/zone/example.net/record/5001234567", body={"target": "198.51.100.99", "ttl": 60})
    sandbox.wait_served("app.example.net", "198.51.100.20")
    time.sleep(0.3)
    assert sandbox.dig("app.example.net") == ["198.51.100.20"]


def refresh(sandbox):
    return ovh(sandbox, "POST", "/domain/zone/example.net/refresh").status_code


def test_ovh_refresh_answers_and_swallowed_refresh(sandbox):
    sandbox.options(ovh_refresh_ms=0, ovh_refresh_status="204")
    answer = ovh(sandbox, "POST", "/domain/zone/example.net/refresh")
    assert (answer.status_code, answer.content) == (204, b"")
    sandbox.options(ovh_refresh_status="alternate")
    seen = set()
    for _ in range(3):
        serial = sandbox.zone("ovh", "example.net")["serial"]
        sandbox.wait_for(lambda: seen.add(refresh(sandbox)) or sandbox.zone("ovh", "example.net")["serial"] > serial)
    assert {200, 204} <= seen
    time.sleep(0.2)
    sandbox.options(ovh_refresh_ms=-1)
    serial = sandbox.zone("ovh", "example.net")["serial"]
    assert ovh(sandbox, "POST", "/domain/zone/example.net/refresh").status_code in (200, 204)
    assert ovh(sandbox, "POST", "/domain/zone/example.net/refresh").status_code in (200, 204)
    time.sleep(0.2)
    assert sandbox.zone("ovh", "example.net")["serial"] == serial


def test_ovh_missing_ttl_becomes_0(sandbox):
    path = "/domain/zone/example.net/record/5001234567"
    ovh(sandbox, "PUT", path, body={"target": "198.51.100.20"})
    assert ovh(sandbox, "GET", path).json()["ttl"] == 0
    assert ovh(sandbox, "PUT", path, body={"target": "198.51.100.20", "ttl": 30}).status_code == 400
    assert "not valid for type long" in ovh(sandbox, "PUT", path, body={"ttl": "60"}).json()["message"]


def test_ovh_post_delete_and_errors(sandbox):
    sandbox.options(ovh_post_id_zero=True, ovh_new_record_404_ms=1000)
    body = {"fieldType": "TXT", "subDomain": "new", "target": "hello", "ttl": 60}
    assert ovh(sandbox, "POST", "/domain/zone/example.net/record", body=body).json()["id"] == 0
    number = ovh(sandbox, "GET", "/domain/zone/example.net/record?subDomain=new").json()[0]
    path = "/domain/zone/example.net/record/%d" % number
    assert ovh(sandbox, "GET", path).status_code == 404
    sandbox.wait_for(lambda: ovh(sandbox, "GET", path).status_code == 200)
    assert ovh(sandbox, "GET", path).json()["target"] == '"hello"'
    assert ovh(sandbox, "DELETE", path).status_code == 200
    answer = ovh(sandbox, "GET", path)
    assert (answer.status_code, answer.json()["class"]) == (404, "Client::NotFound")
    assert ovh(sandbox, "GET", "/domain/zone/other.net/record").json()["message"] == "This service does not exist"
    assert ovh(sandbox, "GET", "/domain/zone/example.net").json()["nameServers"] == ["dns18.ovh.net", "ns18.ovh.net"]


def test_ovh_export(sandbox):
    lines = [line.split() for line in ovh(sandbox, "GET", "/domain/zone/example.net/export").json().split("\n")]
    assert ["app", "60", "IN", "A", "192.0.2.10"] in lines and ["@", "IN", "A", "192.0.2.10"] in lines
    assert ["www", "IN", "CNAME", "app"] in lines and lines[1][:3] == ["@", "IN", "SOA"]
    assert ovh(sandbox, "POST", "/domain/zone/example.net/export").status_code == 405


# --- Route 53, through botocore


def test_route53_list_starts_at_and_does_not_filter(sandbox):
    route53 = aws(sandbox)
    found = route53.list_resource_record_sets(HostedZoneId=ZONE, StartRecordName="app.example.org", StartRecordType="A", MaxItems="3")
    assert [(r["Name"], r["Type"]) for r in found["ResourceRecordSets"]] == [
        ("app.example.org.", "A"), ("app.example.org.", "AAAA"), ("app.example.org.", "TXT")]
    assert found["IsTruncated"] and (found["NextRecordName"], found["NextRecordType"]) == ("app2.example.org.", "A")
    missing = route53.list_resource_record_sets(HostedZoneId=ZONE, StartRecordName="apq.example.org", StartRecordType="A", MaxItems="1")
    assert missing["ResourceRecordSets"][0]["Name"] == "cdn.example.org."
    everything = route53.list_resource_record_sets(HostedZoneId=ZONE)
    names = [r["Name"] for r in everything["ResourceRecordSets"]]
    assert names[:5] == ["example.org.", "example.org.", "example.org.", "\\052.example.org.", "aaa.example.org."]
    assert names[5:8] == ["api.example.org.", "app-2.example.org.", "app.example.org."]
    assert not everything["IsTruncated"] and everything["MaxItems"] == "300"


def test_route53_paging_reaches_every_set_once(sandbox):
    route53, seen, start = aws(sandbox), [], {}
    while True:
        page = route53.list_resource_record_sets(HostedZoneId=ZONE, MaxItems="1", **start)
        seen += [(r["Name"], r["Type"], r.get("SetIdentifier")) for r in page["ResourceRecordSets"]]
        if not page["IsTruncated"]:
            break
        start = {"StartRecordName": page["NextRecordName"], "StartRecordType": page["NextRecordType"]}
        if "NextRecordIdentifier" in page:
            start["StartRecordIdentifier"] = page["NextRecordIdentifier"]
    assert len(seen) == len(set(seen)) == 21
    assert ("weighted.example.org.", "A", "ovh") in seen
    wild = route53.list_resource_record_sets(HostedZoneId=ZONE, StartRecordName="*.example.org", StartRecordType="A", MaxItems="1")
    assert wild["ResourceRecordSets"][0]["Name"] == "\\052.example.org."


def test_route53_upsert_is_pending_then_in_sync_and_served(sandbox):
    route53 = aws(sandbox)
    sandbox.options(route53_insync_ms=1000)
    info = route53.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=dict(upsert("198.51.100.20"), Comment="run <1> & 2"))["ChangeInfo"]
    assert info["Id"].startswith("/change/C") and info["Status"] == "PENDING"
    assert route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "PENDING"
    assert sandbox.dig("app.example.org") == ["192.0.2.10"]
    sandbox.wait_for(lambda: route53.get_change(Id=info["Id"])["ChangeInfo"]["Status"] == "INSYNC")
    assert sandbox.dig("app.example.org") == ["198.51.100.20"]
    assert sandbox.dig("www.example.org") == ["198.51.100.20"]  # the alias follows
    assert sandbox.dig("nothing-here.example.org") == ["203.0.113.1"]  # the wildcard
    assert sandbox.dig("weighted.example.org") == ["198.51.100.20"]


def test_route53_upsert_replaces_the_whole_set(sandbox):
    route53 = aws(sandbox)
    sets = route53.list_resource_record_sets(HostedZoneId=ZONE, StartRecordName="checked.example.org", MaxItems="1")["ResourceRecordSets"]
    assert sets[0]["HealthCheckId"]
    route53.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=upsert("198.51.100.20", "checked.example.org", TTL=30))
    after = route53.list_resource_record_sets(HostedZoneId=ZONE, StartRecordName="checked.example.org", MaxItems="1")["ResourceRecordSets"]
    assert after == [{"Name": "checked.example.org.", "Type": "A", "TTL": 30, "ResourceRecords": [{"Value": "198.51.100.20"}]}]


def test_route53_batch_is_all_or_nothing(sandbox):
    route53 = aws(sandbox)
    batch = {"Changes": upsert("198.51.100.20")["Changes"] + upsert("not-an-ip", "pair.example.org")["Changes"]}
    status, code, message = refused(route53.change_resource_record_sets, HostedZoneId=ZONE, ChangeBatch=batch)
    assert (status, code) == (400, "InvalidChangeBatch") and "not-an-ip" in message
    assert sandbox.values("route53", "example.org", "app.example.org", which="accepted") == ["192.0.2.10"]


@pytest.mark.parametrize("batch, words", [
    (upsert("192.0.2.10", action="CREATE"), "already exists"),
    (upsert("192.0.2.99", action="DELETE"), "do not match"),
    (upsert("192.0.2.99", "gone.example.org", action="DELETE"), "was not found"),
    (upsert("192.0.2.99", "app.example.com"), "is not permitted in zone example.org."),
    (upsert("x.example.org", Type="CNAME"), "conflicts with other records"),
    (upsert("192.0.2.99", SetIdentifier="a", Weight=1), "cannot be created"),
    (upsert("192.0.2.99", "weighted.example.org", SetIdentifier="a", Failover="PRIMARY"), "cannot be created"),
    (upsert("192.0.2.99", "weighted.example.org"), "cannot be created"),
])
def test_route53_refused_batches(sandbox, batch, words):
    status, code, message = refused(aws(sandbox).change_resource_record_sets, HostedZoneId=ZONE, ChangeBatch=batch)
    assert (status, code) == (400, "InvalidChangeBatch") and words in message


def test_route53_other_root_of_a_refused_batch(sandbox):
    sandbox.options(route53_invalid_batch_root="InvalidChangeBatch")
    seen = {}
    route53 = aws(sandbox)
    route53.meta.events.register("response-received.route53.*", lambda response_dict, **_: seen.update(response_dict))
    with pytest.raises(botocore.exceptions.ClientError):
        route53.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=upsert("192.0.2.10", action="CREATE"))
    root = ElementTree.fromstring(seen["body"])
    assert root.tag == NAMESPACE + "InvalidChangeBatch" and seen["status_code"] == 400
    assert "already exists" in root.find("%sMessages/%sMessage" % (NAMESPACE, NAMESPACE)).text


def test_route53_unknown_things(sandbox):
    route53 = aws(sandbox)
    assert refused(route53.get_change, Id="C000")[:2] == (404, "NoSuchChange")
    assert refused(route53.list_resource_record_sets, HostedZoneId="Z000")[:2] == (404, "NoSuchHostedZone")
    assert refused(route53.list_resource_record_sets, HostedZoneId=ZONE, StartRecordType="A")[:2] == (400, "InvalidInput")
    bad = upsert("192.0.2.99", HealthCheckId="00000000-0000-0000-0000-000000000000")
    assert refused(route53.change_resource_record_sets, HostedZoneId=ZONE, ChangeBatch=bad)[:2] == (404, "NoSuchHealthCheck")


def test_route53_zones(sandbox):
    route53 = aws(sandbox)
    found = route53.list_hosted_zones_by_name(DNSName="example.org")["HostedZones"]
    assert {(zone["Id"], zone["Config"]["PrivateZone"]) for zone in found} == {
        ("/hostedzone/" + ZONE, False), ("/hostedzone/Z0PRIVATE00000000001", True)}
    assert len(route53.list_hosted_zones()["HostedZones"]) == 2
    assert len(route53.get_hosted_zone(Id=ZONE)["DelegationSet"]["NameServers"]) == 4
    assert sandbox.dig("ns-2048.awsdns-64.com") == ["127.0.0.1"]


def test_route53_wants_its_signature(sandbox):
    assert refused(aws(sandbox, secret_access_key="wrong").list_hosted_zones)[:2] == (403, "SignatureDoesNotMatch")
    assert refused(aws(sandbox, secret_access_key="wrong").change_resource_record_sets, HostedZoneId=ZONE,
                   ChangeBatch=upsert("198.51.100.20"))[:2] == (403, "SignatureDoesNotMatch")
    assert refused(aws(sandbox, access_key_id="AKIAOTHER").list_hosted_zones)[:2] == (403, "InvalidClientTokenId")
    assert "MissingAuthenticationToken" in requests.get(sandbox.aws_url + "/2013-04-01/hostedzone", timeout=5).text
    token = {"access_key_id": "ASIASANDBOX0000000000", "session_token": "sandbox/session+token=="}
    assert len(aws(sandbox, **token).list_hosted_zones()["HostedZones"]) == 2
    assert refused(aws(sandbox, **dict(token, session_token="other")).list_hosted_zones)[1] == "InvalidClientTokenId"
    old = {"access_key_id": "ASIASANDBOXEXPIRED000", "session_token": "sandbox-old-token"}
    assert refused(aws(sandbox, **old).list_hosted_zones)[:2] == (403, "ExpiredToken")
    assert sandbox.values("route53", "example.org", "app.example.org", which="accepted") == ["192.0.2.10"]


@pytest.mark.parametrize("skew, words", [(400, "Signature expired"), (-400, "Signature not yet current")])
def test_route53_clock(sandbox, skew, words):
    sandbox.options(route53_skew_s=skew)
    status, code, message = refused(aws(sandbox).list_hosted_zones)
    assert (status, code) == (403, "SignatureDoesNotMatch") and words in message
    sandbox.options(route53_skew_code="RequestExpired")
    assert refused(aws(sandbox).list_hosted_zones)[1] == "RequestExpired"
    sandbox.options(route53_skew_s=skew // 2)
    assert aws(sandbox).list_hosted_zones()


def test_route53_signature_covers_every_part(sandbox):
    """A signed request with one thing changed afterwards is refused."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    def send(method="GET", url="/2013-04-01/hostedzone/%s/rrset?name=app.example.org&type=A&maxitems=1" % ZONE, **change):
        request = AWSRequest(method, sandbox.aws_url + url, data=b"", headers={"X-Amz-Note": "a  b"})
        SigV4Auth(Credentials(AWS_KEYS["access_key_id"], AWS_KEYS["secret_access_key"]), change.get("service", "route53"),
                  change.get("region", "us-east-1")).add_auth(request)
        headers = dict(request.headers, **change.get("headers", {}))
        return requests.request(method, change.get("sent", request.url), headers=headers, data=change.get("body", b""), timeout=5)

    assert send().status_code == 200
    assert send(url="/2013-04-01/hostedzone/%s/rrset?type=A&name=%%5C052.example.org&maxitems=1" % ZONE).status_code == 200
    for change in ({"sent": sandbox.aws_url + "/2013-04-01/hostedzone"}, {"headers": {"X-Amz-Note": "other"}},
                   {"headers": {"X-Amz-Other": "unsigned"}}, {"body": b"x"}, {"service": "iam"}, {"region": "eu-west-1"}):
        answer = send(**change)
        assert answer.status_code == 403 and "<Code>SignatureDoesNotMatch</Code>" in answer.text, change


def test_sigv4_published_vector():
    headers = email.message.Message()
    headers["Host"] = "example.amazonaws.com"
    headers["X-Amz-Date"] = "20150830T123600Z"
    headers["Authorization"] = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31")
    keys = {"AKIDEXAMPLE": {"secret_access_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}}
    now = datetime.datetime(2015, 8, 30, 12, 37, tzinfo=datetime.timezone.utc)
    sigv4.check(Request("route53", "GET", "/", headers, b""), keys, now, service="service")
    with pytest.raises(sigv4.BadSignature):
        sigv4.check(Request("route53", "GET", "/?a", headers, b""), keys, now, service="service")


def test_route53_refuses_malformed_xml(sandbox):
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials
    good = ('<ChangeResourceRecordSetsRequest xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ChangeBatch><Changes><Change>'
            "<Action>UPSERT</Action><ResourceRecordSet><Name>a.example.org</Name><Type>A</Type><TTL>60</TTL><ResourceRecords>"
            "<ResourceRecord><Value>192.0.2.1</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change></Changes>"
            "</ChangeBatch></ChangeResourceRecordSetsRequest>")

    def send(body):
        request = AWSRequest("POST", sandbox.aws_url + "/2013-04-01/hostedzone/%s/rrset/" % ZONE, data=body)
        SigV4Auth(Credentials(AWS_KEYS["access_key_id"], AWS_KEYS["secret_access_key"]), "route53", "us-east-1").add_auth(request)
        return requests.post(request.url, data=body, headers=dict(request.headers), timeout=5)

    assert send(good).status_code == 200
    for body in ("", "<broken", good.replace("/doc/", "/other/"), good.replace("TTL>", "Ttl>"), good.replace("<TTL>60</TTL>", ""),
                 good.replace("UPSERT", "UPDATE"), good.replace("<Value>192.0.2.1</Value>", "")):
        answer = send(body)
        assert answer.status_code == 400 and "<Code>InvalidInput</Code>" in answer.text, body


def test_route53_throttles_when_asked(sandbox):
    route53 = aws(sandbox)
    route53.list_hosted_zones()
    sandbox.options(route53_rate=1)
    assert refused(lambda: [route53.list_hosted_zones() for _ in range(5)])[:2] == (400, "Throttling")


def test_route53_one_change_at_a_time_when_asked(sandbox):
    sandbox.options(route53_one_at_a_time=True, route53_insync_ms=-1)
    route53 = aws(sandbox)
    route53.change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=upsert("198.51.100.20"))
    assert refused(route53.change_resource_record_sets, HostedZoneId=ZONE, ChangeBatch=upsert("198.51.100.21"))[:2] == (
        400, "PriorRequestNotComplete")


# --- faults


def put_app(sandbox, address="198.51.100.20", **more):
    return linode(sandbox, "PUT", "/domains/123/records/36666865", json={"target": address}, **more)


def accepted(sandbox):
    return sandbox.values("linode", "example.com", "app.example.com", which="accepted")


def test_fault_status_skip_times_and_matching(sandbox):
    sandbox.fault("linode", "status", method="PUT", path_regex=r"/records/36666865$", status=429, headers={"Retry-After": "7"}, skip=1, times=2)
    assert linode(sandbox, "GET", "/domains/123/records/36666865").status_code == 200
    assert [put_app(sandbox, "198.51.100.%d" % number).status_code for number in (1, 2, 3, 4)] == [200, 429, 429, 200]
    assert accepted(sandbox) == ["198.51.100.4"]
    assert (sandbox.faults()[0]["left"], sandbox.faults()[0]["hits"]) == (0, 2)
    log = sandbox.requests("linode", "PUT")
    assert [(entry["status"], entry["effect"], entry["fault"]) for entry in log] == [
        (200, True, None), (429, False, "status"), (429, False, "status"), (200, True, None)]
    sandbox.clear_faults()
    assert sandbox.faults() == []


def test_fault_own_errors_of_each_provider(sandbox):
    sandbox.fault("linode", "status", code="busy")
    answer = put_app(sandbox)
    assert (answer.status_code, answer.json()) == (400, {"errors": [{"reason": "Linode busy."}]})
    sandbox.fault("linode", "status", status=503, headers={"X-Maintenance-Mode": "1"})
    assert put_app(sandbox).headers["X-Maintenance-Mode"] == "1"
    sandbox.fault("linode", "status", status=504, effect=True)
    assert put_app(sandbox).status_code == 504 and accepted(sandbox) == ["198.51.100.20"]
    sandbox.fault("ovh", "status", status=429)
    assert ovh(sandbox, "GET", "/domain/zone").json()["class"] == "Client::TooManyRequests"
    sandbox.fault("ovh", "status", status=460)
    assert ovh(sandbox, "GET", "/domain/zone").status_code == 460
    sandbox.fault("ovh", "status", code="INVALID_CREDENTIAL")
    assert ovh(sandbox, "GET", "/domain/zone").json() == {
        "errorCode": "INVALID_CREDENTIAL", "httpCode": "403 Forbidden", "message": "This credential is not valid"}
    for code in ("Throttling", "PriorRequestNotComplete"):
        sandbox.fault("route53", "status", code=code)
        assert refused(aws(sandbox).list_hosted_zones)[:2] == (400, code)
    sandbox.fault("route53", "status", status=503)
    assert refused(aws(sandbox).list_hosted_zones)[0] == 503
    sandbox.fault("route53", "status", code="Throttling", times=2)
    assert aws(sandbox, attempts=4).list_hosted_zones()  # botocore knows it for temporary
    sandbox.fault("*", "status", status=500, body="plain words", content_type="text/plain")
    assert put_app(sandbox).text == "plain words"


@pytest.mark.parametrize("kind, is_made", [("timeout_before", False), ("timeout_after", True)])
def test_fault_timeouts(sandbox, kind, is_made):
    sandbox.fault("linode", kind, method="PUT")
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.put(sandbox.linode_url + "/domains/123/records/36666865", json={"target": "198.51.100.20"}, timeout=0.3,
                     headers={"Authorization": "Bearer " + LINODE_TOKEN})
    assert accepted(sandbox) == (["198.51.100.20"] if is_made else ["192.0.2.10"])
    entry = sandbox.requests("linode")[-1]
    assert (entry["status"], entry["effect"], entry["fault"]) == (None, is_made, kind)
    assert put_app(sandbox).status_code == 200


@pytest.mark.parametrize("kind, is_made", [("reset_before", False), ("reset_after", True)])
def test_fault_resets(sandbox, kind, is_made):
    sandbox.fault("linode", kind)
    host, port = sandbox.url[len("http://"):].split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        body = b'{"target": "198.51.100.20"}'
        connection.sendall(b"PUT /linode/v4/domains/123/records/36666865 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-linode-token\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        with pytest.raises(ConnectionResetError):
            connection.recv(100)
    assert accepted(sandbox) == (["198.51.100.20"] if is_made else ["192.0.2.10"])


def test_fault_slow_and_drip(sandbox):
    sandbox.fault("linode", "slow", ms=300)
    begin = time.monotonic()
    assert put_app(sandbox).status_code == 200 and time.monotonic() - begin >= 0.3
    sandbox.fault("linode", "drip", ms=1)
    begin = time.monotonic()
    assert put_app(sandbox).json()["target"] == "198.51.100.20" and time.monotonic() - begin > 0.3


def test_fault_late_lands_though_the_client_has_left(sandbox):
    sandbox.fault("linode", "late", ms=200)
    host, port = sandbox.url[len("http://"):].split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        body = b'{"target": "198.51.100.20"}'
        connection.sendall(b"PUT /linode/v4/domains/123/records/36666865 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-linode-token\r\n"
                           b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        sandbox.wait_for(lambda: sandbox.faults()[0]["hits"], what="the request")
    assert accepted(sandbox) == ["192.0.2.10"]
    sandbox.wait_for(lambda: accepted(sandbox) == ["198.51.100.20"], what="its effect")


def test_fault_html(sandbox):
    for status in (400, 502):
        sandbox.fault("*", "html", status=status)
        answer = put_app(sandbox)
        assert (answer.status_code, answer.headers["Server"], answer.headers["Content-Type"]) == (status, "nginx", "text/html")
    assert accepted(sandbox) == ["192.0.2.10"]
    sandbox.fault("linode", "html", effect=True)
    assert put_app(sandbox).status_code == 502 and accepted(sandbox) == ["198.51.100.20"]


def test_fault_truncate(sandbox):
    sandbox.fault("linode", "truncate")
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError, ValueError)):
        put_app(sandbox).json()
    assert accepted(sandbox) == ["198.51.100.20"]
    sandbox.fault("ovh", "truncate")  # also where the right answer has no body
    assert ovh(sandbox, "PUT", "/domain/zone/example.net/record/5001234567", body={"target": "198.51.100.20"}).headers["Content-Length"] == "1"


def test_fault_garbage(sandbox):
    sandbox.fault("*", "garbage", times=-1)
    assert "unexpected" in put_app(sandbox).json() and accepted(sandbox) == ["198.51.100.20"]
    assert isinstance(ovh(sandbox, "GET", "/domain/zone/example.net/record/5001234567").json(), list)
    answer = requests.get(sandbox.aws_url + "/2013-04-01/hostedzone", timeout=5)
    assert answer.status_code == 200 and "<Unexpected" in answer.text


def test_fault_stale_read(sandbox):
    put_app(sandbox)
    sandbox.fault("*", "stale_read", times=-1)
    assert linode(sandbox, "GET", "/domains/123/records/36666865").json()["target"] == "192.0.2.10"
    put_app(sandbox, "198.51.100.21")
    assert linode(sandbox, "GET", "/domains/123/records/36666865").json()["target"] == "198.51.100.20"
    ovh(sandbox, "PUT", "/domain/zone/example.net/record/5001234567", body={"target": "198.51.100.20", "ttl": 60})
    ovh(sandbox, "POST", "/domain/zone/example.net/refresh")
    assert ovh(sandbox, "GET", "/domain/zone/example.net/record/5001234567").json()["target"] == "192.0.2.10"
    change = aws(sandbox).change_resource_record_sets(HostedZoneId=ZONE, ChangeBatch=upsert("198.51.100.20"))["ChangeInfo"]
    sandbox.wait_served("app.example.org", "198.51.100.20")
    assert aws(sandbox).get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "PENDING"
    sandbox.clear_faults()
    assert aws(sandbox).get_change(Id=change["Id"])["ChangeInfo"]["Status"] == "INSYNC"
    assert linode(sandbox, "GET", "/domains/123/records/36666865").json()["target"] == "198.51.100.21"


def test_fault_empty_list(sandbox):
    sandbox.fault("*", "empty_list", times=-1)
    assert linode(sandbox, "GET", "/domains/123/records").json() == {"data": [], "page": 1, "pages": 1, "results": 0}
    assert linode(sandbox, "GET", "/domains/123").json()["domain"] == "example.com"
    assert ovh(sandbox, "GET", "/domain/zone/example.net/record").json() == []
    assert aws(sandbox).list_resource_record_sets(HostedZoneId=ZONE)["ResourceRecordSets"] == []


@pytest.mark.parametrize("fault", [{"kind": "nonsense"}, {"kind": "slow", "milliseconds": 5}, {"kind": "slow", "provider": "aws"},
                                   {"kind": "slow", "path_regex": "("}, {"kind": "slow", "times": "2"}, "slow"])
def test_a_mistyped_fault_is_refused(sandbox, fault):
    with pytest.raises(SandboxError):
        sandbox.call("POST", "faults", [fault])
    assert sandbox.faults() == []


# --- the listener, the log, the control API


def test_keep_alive_chunks_and_raw_paths(sandbox):
    host, port = sandbox.url[len("http://"):].split(":")
    head = b"PUT /linode/v4/domains/123/records/36666865 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sandbox-linode-token\r\n"
    chunks = b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\n{\"tar\r\n16\r\nget\": \"198.51.100.20\"}\r\n0\r\nTrailer: x\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        for _ in range(2):
            connection.sendall(head + chunks)
            assert connection.recv(4096).startswith(b"HTTP/1.1 200 ")
        connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 400 ")
    assert accepted(sandbox) == ["198.51.100.20"]


def test_clients_that_leave_do_no_harm(sandbox):
    host, port = sandbox.url[len("http://"):].split(":")
    for data in (b"", b"GET", b"PUT /linode/v4/domains/123 HTTP/1.1\r\nContent-Length: 100\r\n\r\n{", b"\x16\x03\x01\r\n\r\n"):
        with socket.create_connection((host, int(port)), timeout=5) as connection:
            connection.sendall(data)
    assert linode(sandbox, "GET", "/domains/123").status_code == 200
    assert "Traceback" not in sandbox.output()


def test_log_has_bodies_but_no_credentials(sandbox):
    put_app(sandbox)
    ovh(sandbox, "GET", "/domain/zone")
    aws(sandbox).list_hosted_zones()
    log = sandbox.requests()
    assert [(entry["provider"], entry["method"], entry["path"]) for entry in log] == [
        ("linode", "PUT", "/linode/v4/domains/123/records/36666865"), ("ovh", "GET", "/ovh/1.0/domain/zone"),
        ("route53", "GET", "/aws/2013-04-01/hostedzone")]
    assert json.loads(log[0]["body"]) == {"target": "198.51.100.20"} and log[0]["effect"] and not log[1]["effect"]
    text = json.dumps(log)
    for secret in (LINODE_TOKEN, "sandbox-as", "sandbox-ck", "sandbox-aws-secret", "Signature", "$1$"):
        assert secret not in text
    assert len(sandbox.requests("ovh", after=log[0]["n"])) == 1
    sandbox.clear_requests()
    assert sandbox.requests() == []


def test_reset_brings_back_the_start(sandbox):
    serial = sandbox.zone("linode", "example.com")["serial"]
    sandbox.options(linode_render_ms=0)
    put_app(sandbox)
    sandbox.wait_served("app.example.com", "198.51.100.20")
    sandbox.reset()
    assert sandbox.dig("app.example.com") == ["192.0.2.10"]
    assert sandbox.options()["linode_render_ms"] == 150 and sandbox.requests() == []
    assert sandbox.zone("linode", "example.com")["serial"] > serial + 1
    with pytest.raises(SandboxError):
        sandbox.options(no_such_option=1)
    with pytest.raises(SandboxError):
        sandbox.options(ovh_refresh_status="500")


def test_dns_is_a_real_server(sandbox):
    assert sandbox.dig("example.com", "NS") == ["ns%d.linode.com." % n for n in range(1, 6)]
    assert sandbox.dig("example.com", "MX") == ["10 mail.example.com."]
    assert sandbox.dig("www.example.net") == ["192.0.2.10", "app.example.net."]
    assert sandbox.dig("app.example.net", "TXT") == ['"192.0.2.10"']
    assert sandbox.dig("pair.example.org") == ["192.0.2.11", "192.0.2.12"]
    sandbox.hang_dns()
    with pytest.raises(SandboxError):
        sandbox.dig("app.example.com")
    sandbox.hang_dns(False)
    assert sandbox.dig("app.example.com") == ["192.0.2.10"]


def test_sites(sandbox):
    def get(name, timeout=1):
        return requests.get("http://%s/healthz" % sandbox.sites[name], timeout=timeout)
    assert (get("gra").status_code, get("gra").text, get("rbx").headers["X-Site"]) == (200, "ok gra\n", "rbx")
    assert sandbox.sites["gra"].split(":")[1] == sandbox.sites["rbx"].split(":")[1]
    sandbox.site("gra", "503")
    assert get("gra").status_code == 503 and get("rbx").status_code == 200
    for mode, error in (("close", requests.exceptions.ConnectionError), ("hang", requests.exceptions.ReadTimeout),
                        ("down", requests.exceptions.ConnectionError)):
        sandbox.site("gra", mode)
        with pytest.raises(error):
            get("gra", 0.3)
    sandbox.site("gra", "slow", ms=200)
    begin = time.monotonic()
    assert get("gra").text == "ok gra\n" and time.monotonic() - begin >= 0.2
    sandbox.site("gra", "ok", body="fine")
    assert get("gra").text == "fine"
    assert sandbox.site_counts()["gra"]["requests"] >= 5
    with pytest.raises(SandboxError):
        sandbox.site("nowhere", "ok")


# --- the process


def test_seed_and_no_dns():
    seed = {"linode": {"tokens": ["other"], "domains": [{"id": 7, "domain": "seed.example", "records": [
        {"type": "A", "name": "", "target": "192.0.2.1"}]}]}}
    with Sandbox(dns=False, seed=seed) as sandbox:
        assert sandbox.dns is None
        assert linode(sandbox, "GET", "/domains", token="other").json()["data"][0]["domain"] == "seed.example"
        assert ovh(sandbox, "GET", "/domain/zone").json() == ["example.net"]
    with pytest.raises(SandboxError, match="a seed is an object"):
        Sandbox(dns=False, seed={"nonsense": 1}).start()


def children_of(pid):
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % name, encoding="ascii", errors="replace") as file:
                if int(file.read().rpartition(")")[2].split()[1]) == pid:
                    found.append(int(name))
        except OSError:
            pass
    return found


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_its_end_is_quick_and_takes_the_name_server_along(number, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # after SIGKILL nobody removes its folder
    with Sandbox() as sandbox:
        dns = children_of(sandbox.pid)
        assert len(dns) == 1
        begin = time.monotonic()
        os.kill(sandbox.pid, number)
        while is_running(sandbox.pid) or is_running(dns[0]):
            assert time.monotonic() - begin < 1
            time.sleep(0.01)


def test_it_ends_with_its_parent(tmp_path):
    state_file = tmp_path / "state.json"
    script = '"$0" "$1" --state-file "$2" --site gra=127.0.0.2:0 & "$0" "$3" "$2" wait >"$2.seen"; exit 0'
    subprocess.run(["bash", "-c", script, sandbox_client.PYTHON, sandbox_client.PROGRAM, str(state_file), sandbox_client.__file__],
                   check=True, timeout=20)
    pid = json.loads((tmp_path / "state.json.seen").read_text())["pid"]
    begin = time.monotonic()
    while is_running(pid):
        assert time.monotonic() - begin < 1
        time.sleep(0.01)
    assert not state_file.exists()


def test_shell_client(tmp_path):
    state_file = str(tmp_path / "state.json")
    program = subprocess.Popen([sandbox_client.PYTHON, sandbox_client.PROGRAM, "--no-dns", "--state-file", state_file], stdout=subprocess.DEVNULL)

    def shell(*words):
        return subprocess.run([sandbox_client.PYTHON, sandbox_client.__file__, state_file] + list(words), capture_output=True, text=True,
                              check=True, timeout=20).stdout
    try:
        assert shell("get", "url").startswith("http://127.0.0.1:")
        assert json.loads(shell("fault", '{"provider": "ovh", "kind": "slow"}')) == {"ids": [1]}
        assert json.loads(shell("faults"))[0]["hits"] == 0
        assert json.loads(shell("options", '{"ovh_skew_s": 5}'))["ovh_skew_s"] == 5
        shell("stop")
    finally:
        program.terminate()
        program.wait()


def test_a_taken_port_is_one_clear_line(running):
    port = running.url.rpartition(":")[2]
    result = subprocess.run([sandbox_client.PYTHON, sandbox_client.PROGRAM, "--no-dns", "--port", port], capture_output=True, text=True,
                            check=False, timeout=10)
    assert result.returncode == 1 and len(result.stderr.splitlines()) == 1 and "in use" in result.stderr

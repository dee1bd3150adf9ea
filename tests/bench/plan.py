"""A plan of eight steps at three providers whose every answer takes 100 ms, with the rates that are set where none is given."""

import json
import os
import statistics
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "sandbox"))
import yaml  # noqa: E402
from client import AWS_KEYS, LINODE_TOKEN, OVH_KEYS, Sandbox  # noqa: E402

ANSWER_MS = 100
PLANS = 10
PAUSE_S = 2.5  # Route 53 takes 5 requests in 1.1 s: each plan has them all


def configuration(hooks, api, sandbox):
    target = {"type": "A", "target": "${to.address}"}
    steps = [dict(target, name="linode %s" % name, action="linode.dns_record", provider="linode", domain="example.com",
                  record=name, ttl=30) for name in ("app", "app2", "api")]
    steps += [dict(target, name="ovh %s" % name, action="ovh.dns_record", provider="ovh", zone="example.net", record=name, ttl=60,
                   nameservers=[sandbox.dns]) for name in ("app", "api")]
    steps += [dict(target, name="aws %s" % name, action="route53.record", provider="aws", hosted_zone="Z1PA6795UKMFR9",
                   record=name + ".example.org", ttl=60) for name in ("app", "api")]
    steps.append(dict(target, name="names answer", action="dns.check", record="app.example.org", servers=[sandbox.dns]))
    keys = {"application_key": "OVH_AK", "application_secret": "OVH_AS", "consumer_key": "OVH_CK"}
    return {
        "server": {"hooks": "127.0.0.1:%d" % hooks, "api": "127.0.0.1:%d" % api},
        "operators": [{"name": "bench", "role": "operator", "token": "${env:OP_TOKEN}"}],
        "sources": {"m0": {"kind": "alertmanager", "bearer": "${env:AM_TOKEN}"}},
        "providers": {
            "linode": {"kind": "linode", "token": "${env:LINODE_TOKEN}", "url": sandbox.linode_url},
            "ovh": dict({key: "${env:%s}" % name for key, name in keys.items()}, kind="ovh", endpoint="ovh-eu", url=sandbox.ovh_url),
            "aws": {"kind": "aws", "url": sandbox.aws_url, "access_key_id": "${env:AWS_ACCESS_KEY_ID}",
                    "secret_access_key": "${env:AWS_SECRET_ACCESS_KEY}"}},
        "services": {"shop": {
            "sites": {"gra": {"address": "192.0.2.10"}, "rbx": {"address": "198.51.100.20"}},
            "alerts": [{"source": "m0", "match": {"alertname": "SiteDown"}, "site": "gra"}],
            "trigger": {"mode": "manual"}, "readiness": {"every": "never"}, "playbook": steps}}}


def environment(operator):
    return {"OP_TOKEN": operator, "LINODE_TOKEN": LINODE_TOKEN, "OVH_AK": OVH_KEYS["application_key"],
            "OVH_AS": OVH_KEYS["application_secret"], "OVH_CK": OVH_KEYS["consumer_key"],
            "AWS_ACCESS_KEY_ID": AWS_KEYS["access_key_id"], "AWS_SECRET_ACCESS_KEY": AWS_KEYS["secret_access_key"]}


def measure(make, call, args, folder, tokens):
    operator = tokens[1]
    os.environ.update(environment(operator))
    with Sandbox() as sandbox:
        turnout = make(args.binary, folder)
        with open(os.path.join(folder, "turnout.yaml"), "w", encoding="utf-8") as file:
            yaml.safe_dump(configuration(turnout.hooks, turnout.api, sandbox), file, sort_keys=False)
        turnout.start()
        took, states, requests, slowest = [], [], 0, []
        try:
            turnout.post("/api/v1/services/shop/adopt", {"to": "gra", "reason": "bench"})
            for provider in ("linode", "ovh", "route53"):
                sandbox.fault(provider, "slow", ms=ANSWER_MS, times=-1)
            for _ in range(PLANS):
                sandbox.clear_requests()
                time.sleep(PAUSE_S)
                began = time.monotonic()
                plan = json.loads(turnout.post("/api/v1/services/shop/plan", {}))
                took.append((time.monotonic() - began) * 1000)
                states.append(sorted(step["state"] for step in plan["steps"]))
                requests = len(sandbox.requests())
                for step in plan["steps"]:
                    if step["state"] == "fails":
                        raise RuntimeError("%s: %s" % (step["name"], step["text"]))
                slowest.append(max((step["took_ms"], step["name"]) for step in plan["steps"]))
        finally:
            turnout.stop()
    print("plan of %d steps, %d requests of %d ms each: median %.0f ms, max %.0f ms (%d plans); steps: %s; the slowest look %s" % (
        len(states[0]), requests, ANSWER_MS, statistics.median(took), max(took), PLANS, " ".join(states[0]), max(slowest)))

"""The description of the API, and schemathesis: it makes requests of the description, right and wrong ones, sends them to the
daemon, and compares each answer with what is described.

What it sends is the same each time, and so is its number. It must find no answer of 5xx, no status, header, media type or
field that is not described, nothing wrong that is taken and nothing right that is refused. So that every call has something
to do, each has a service of its own to begin with, and every run comes to wait for a person.
"""

import collections
import json
import os
import re
import subprocess
import sys

import pytest
import yaml

from daemon import OPERATOR_TOKEN, ROOT, SOURCE_TOKEN, VIEWER_TOKEN, alert, configuration, delivery, request, wait_for

DESCRIPTION = os.path.join(ROOT, "static", "openapi.yaml")
SCHEMATHESIS = os.path.join(os.path.dirname(sys.executable), "schemathesis")
PATH_TOKEN = "path-token-for-tests-1"


def description():
    with open(DESCRIPTION, encoding="utf-8") as file:
        return yaml.safe_load(file)


@pytest.fixture
def daemon(make_daemon, sandbox):
    never = {"name": "never right", "action": "http.check", "url": sandbox.url + "/", "expect": {"status": 204}, "retries": 0}
    config = configuration(sandbox)
    shop = config["services"]["shop"]
    shop["playbook"].insert(1, never)
    for name in ("home", "adopted", "retried", "skipped", "cancelled", "paused", "resumed", "voted", "planned",
                 "drilled", "done", "undone"):
        config["services"][name] = dict(shop, alerts=[])
    config["services"]["planned"]["readiness"] = {"every": "1s"}  # what can be exported comes of it
    for name in ("approved", "rejected"):  # wait for an answer as soon as their alert fires
        rule = {"source": "prometheus", "match": {"alertname": "SiteDown", "service": name}, "site": "gra"}
        config["services"][name] = dict(shop, alerts=[rule], trigger=dict(shop["trigger"], mode="approval"))
    config["sources"]["public"] = {"kind": "alertmanager", "path_token": PATH_TOKEN}
    daemon = make_daemon(config)
    for name in config["services"]:
        wait_for(lambda name=name: daemon.service(name)["active"] == "gra", 20, name + " to be active at gra")
    return daemon


def waiting_run(daemon, service):
    run = daemon.post("/api/v1/services/%s/failover" % service, {"reason": "a run that waits"}).json["run"]
    wait_for(lambda: daemon.run(run)["state"] == "attention", 20, "the run of %s to wait" % service)
    return run


def asking_run(daemon, service):
    assert daemon.deliver(delivery(alert("gra", service=service))).status == 202
    return daemon.wait_question(service)


def with_something_to_do(daemon):
    """The description, with examples that are there."""
    document = description()
    assert daemon.post("/api/v1/services/home/adopt", {"to": "rbx", "reason": "to have a way home"}).status == 200
    assert daemon.post("/api/v1/services/resumed/pause", {"reason": "to have a pause"}).status == 200
    wait_for(lambda: daemon.get("/api/v1/services/planned/export").status == 200, 20, "a look that files can be made of")
    examples = {"services/{service}/failback": "home", "services/{service}/adopt": "adopted", "services/{service}/pause": "paused",
                "services/{service}/resume": "resumed", "services/{service}/vote": "voted",
                "services/{service}/plan": "planned", "services/{service}/drill": "drilled",
                "services/{service}/readiness": "planned", "services/{service}/export": "planned"}
    examples.update({"runs/{run}/" + call: asking_run(daemon, service)
                     for call, service in (("approve", "approved"), ("reject", "rejected"))})
    examples["incidents/{incident}"] = daemon.get("/api/v1/incidents").json["items"][0]["id"]
    examples["incidents/{incident}/report"] = examples["incidents/{incident}"]
    examples.update({"runs/{run}/" + call: waiting_run(daemon, service)
                     for call, service in (("retry", "retried"), ("skip", "skipped"), ("cancel", "cancelled"), ("done", "done"),
                                           ("undo", "undone"))})
    examples["runs/{run}"] = examples["runs/{run}/report"] = examples["runs/{run}/retry"]
    # What no rule matches. What says down of the other site as well would make its source suspect, and nothing would wait.
    examples["deliveries/{delivery}"] = daemon.deliver(delivery(alert(name="Unheard of"))).json["delivery"]
    for path, example in examples.items():
        item = document["paths"]["/api/v1/" + path]
        name = item["parameters"][0]["$ref"].rpartition("/")[2]
        item["parameters"] = [dict(document["components"]["parameters"][name], example=example)]
    return document


class Played:
    """What schemathesis asked, and was answered: for each operation, how often which status."""

    def __init__(self, har, document):
        patterns = [(path, re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)))) for path in document["paths"]]
        self.statuses = collections.defaultdict(collections.Counter)
        self.requests = len(har["log"]["entries"])
        for entry in har["log"]["entries"]:
            target = re.sub(r"^http://[^/]+|[?#].*", "", entry["request"]["url"])
            path = next((path for path, pattern in patterns if pattern.fullmatch(target)), "?")
            self.statuses[entry["request"]["method"] + " " + path][entry["response"]["status"]] += 1

    def met(self, operation, *statuses):
        missing = [status for status in statuses if not self.statuses[operation][status]]
        assert not missing, "%s was never answered %s, only %s" % (operation, missing, dict(self.statuses[operation]))


def play(folder, url, token=None, document=None, examples=20, arguments=()):
    """Runs schemathesis with what is described, or with `document` instead. Its findings fail the test."""
    document = document or description()
    path, har = folder / "description.json", folder / "played.har"
    path.write_text(json.dumps(document))
    command = [SCHEMATHESIS, "--no-color", "run", str(path), "--url", url, "--generation-deterministic", "--max-examples",
               str(examples), "--continue-on-failure", "--warnings", "off", "--report", "har", "--report-har-path", str(har),
               "--request-timeout", "30", "--rate-limit", "80/s", *arguments]  # below server.api_rate
    if token:
        command += ["--header", "Authorization: Bearer " + token]
    environment = dict(os.environ, NO_PROXY="127.0.0.1", PYTHONDONTWRITEBYTECODE="1")
    played = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert played.returncode == 0, played.stdout[-12000:] + played.stderr[-4000:]
    return Played(json.loads(har.read_text()), document)


OPERATORS = ["--exclude-tag", "hooks"]
API_ONLY = ["--include-path-regex", "^/api/", "--phases", "examples,fuzzing"]  # the token is all that differs
CALLS = ["POST /api/v1/services/{service}/failover", "POST /api/v1/services/{service}/failback",
         "POST /api/v1/services/{service}/adopt", "POST /api/v1/services/{service}/pause",
         "POST /api/v1/services/{service}/resume", "POST /api/v1/services/{service}/vote", "POST /api/v1/runs/{run}/approve",
         "POST /api/v1/runs/{run}/reject", "POST /api/v1/runs/{run}/retry", "POST /api/v1/runs/{run}/skip",
         "POST /api/v1/runs/{run}/cancel", "POST /api/v1/runs/{run}/done", "POST /api/v1/runs/{run}/undo",
         "POST /api/v1/services/{service}/plan", "POST /api/v1/services/{service}/drill"]
LOOKS = ["GET /api/v1/status", "GET /api/v1/incidents", "GET /api/v1/incidents/{incident}", "GET /api/v1/shadow",
         "GET /api/v1/services", "GET /api/v1/services/{service}", "GET /api/v1/runs", "GET /api/v1/runs/{run}",
         "GET /api/v1/deliveries", "GET /api/v1/deliveries/{delivery}", "GET /api/v1/sources", "GET /api/v1/audit",
         "GET /api/v1/audit/export", "GET /api/v1/audit/verify", "GET /api/v1/services/{service}/readiness",
         "GET /api/v1/services/{service}/export", "GET /api/v1/runs/{run}/report", "GET /api/v1/incidents/{incident}/report"]


def test_it_is_served_as_a_file_of_the_page(daemon):
    served = daemon.get("/openapi.yaml", token=None)
    with open(DESCRIPTION, "rb") as file:
        assert served.body == file.read()
    assert (served.status, served.headers["Content-Type"]) == (200, "application/yaml")
    again = request("GET", daemon.api + "/openapi.yaml", headers={"If-None-Match": served.headers["ETag"]})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", served.headers["ETag"])
    assert request("GET", daemon.hooks + "/openapi.yaml").status == 404


def test_with_an_operators_token(daemon, tmp_path):
    played = play(tmp_path, daemon.api, OPERATOR_TOKEN, with_something_to_do(daemon), 10, OPERATORS)
    assert played.requests > 500
    for call in CALLS:
        always = ("/pause", "/vote")  # to say the same again is no mistake
        played.met(call, 202 if "/fail" in call else 200, 400, 401, 404, *([] if call.endswith(always) else [409]))
    for look in LOOKS:
        played.met(look, 200, 401)
    for look in ("GET /api/v1/runs", "GET /api/v1/incidents", "GET /api/v1/shadow", "GET /api/v1/deliveries", "GET /api/v1/audit"):
        played.met(look, 400)
    for operation in ("GET /healthz", "GET /readyz", "GET /metrics", "GET /", "GET /openapi.yaml", "GET /{file}"):
        played.met(operation, 200)
    assert daemon.get("/api/v1/audit/verify").json["intact"]


@pytest.mark.parametrize(("token", "refusal"), [(VIEWER_TOKEN, 403), (None, 401)])
def test_without_the_right_to_it(daemon, tmp_path, token, refusal):
    played = play(tmp_path, daemon.api, token, examples=3, arguments=API_ONLY)
    for operation in CALLS + ([] if token else LOOKS):
        played.met(operation, refusal)
        assert not played.statuses[operation].keys() - {refusal, 401, 404, 405}
    assert daemon.service()["active"] == "gra" and daemon.runs() == []


# ---- the listener for monitors. What is right there is for the source's kind to say, so "refused" is no finding ------------

HOOKS = ["--include-tag", "hooks", "--phases", "examples,coverage,fuzzing"]


@pytest.mark.parametrize("token", [SOURCE_TOKEN, None])
def test_hooks_of_any_kind(daemon, tmp_path, token):
    played = play(tmp_path, daemon.hooks, token, examples=10, arguments=HOOKS + ["--exclude-checks", "positive_data_acceptance"])
    played.met("POST /hooks/{source}", 404, *([400, 415] if token else [401]))
    played.met("GET /hooks/{source}", 405)
    played.met("PUT /hooks/{source}/{token}", 404)
    assert daemon.get("/readyz").status == 200


def alertmanagers_body():
    """What Alertmanager is documented to send, as a schema."""
    text = {"type": "string", "maxLength": 40}
    words = {"type": "object", "maxProperties": 4, "additionalProperties": text}
    labels = dict(words, minProperties=1)
    time = {"type": "string", "format": "date-time",
            "pattern": r"^20\d\d-(0[1-9]|1[0-2])-([01]\d|2[0-8])T([01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$"}
    one = {"type": "object", "required": ["status", "labels", "annotations", "startsAt", "endsAt"],
           "properties": {"status": {"enum": ["firing", "resolved"]}, "labels": labels, "annotations": words, "startsAt": time,
                          "endsAt": time, "generatorURL": text, "fingerprint": {"type": "string", "pattern": "^[0-9a-f]{16}$"}}}
    return {"type": "object", "required": ["version", "groupKey", "status", "receiver", "alerts"],
            "properties": {"version": {"const": "4"}, "groupKey": text,
                           "truncatedAlerts": {"type": "integer", "minimum": 0, "maximum": 9},
                           "status": {"enum": ["firing", "resolved"]}, "receiver": text, "groupLabels": words,
                           "commonLabels": words, "commonAnnotations": words, "externalURL": text,
                           "alerts": {"type": "array", "maxItems": 4, "items": one}}}


def alertmanagers_hooks():
    """The description, with the two operations that Alertmanager uses and its body."""
    document = description()
    paths = {path: {key: value for key, value in document["paths"][path].items() if key not in ("get", "put")}
             for path in ("/hooks/{source}", "/hooks/{source}/{token}")}
    body = {"schema": alertmanagers_body(), "example": delivery(alert())}
    for item in paths.values():
        item["post"]["requestBody"] = {"required": True, "content": {"application/json": body}}
    return dict(document, paths=paths)


def test_alertmanagers_deliveries(daemon, tmp_path):
    played = play(tmp_path, daemon.hooks, SOURCE_TOKEN, alertmanagers_hooks(), 25, [*HOOKS, "--mode", "positive"])
    played.met("POST /hooks/{source}", 202, 200, 401)
    assert not played.statuses["POST /hooks/{source}"].keys() - {200, 202, 401, 404}
    assert daemon.get("/api/v1/audit/verify").json["intact"]

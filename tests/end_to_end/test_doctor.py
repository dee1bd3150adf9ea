"""turnout doctor: what would stop a failover tonight, of a real daemon, of none, and of one whose answers are given here."""

import contextlib
import datetime
import http.server
import json
import os
import subprocess
import threading

import yaml

from daemon import BINARY, SECRETS, alert, configuration, delivery


def doctor(path, *arguments, without=()):
    environment = {key: value for key, value in dict(os.environ, **SECRETS).items() if key not in without}
    return subprocess.run([BINARY, "doctor", "-c", str(path), *arguments], env=environment, text=True, capture_output=True,
                          timeout=60, check=False)


def findings(path, *arguments, **settings):
    """What stops and what hinders, as {about: [text]}."""
    done = doctor(path, "--json", *arguments, **settings)
    answer = json.loads(done.stdout)
    assert answer["well"] == (done.returncode == 0), done
    found = {"stops": {}, "hinders": {}, "note": {}}
    for item in answer["findings"]:
        found[item["severity"]].setdefault(item["about"], []).append(item["text"])
    assert [item["severity"] for item in answer["findings"]] == sorted(
        (item["severity"] for item in answer["findings"]), key=["stops", "hinders", "note"].index)
    return found


def test_a_daemon_at_work(daemon):
    found = findings(daemon.path, "--url", daemon.api)
    assert len(found["stops"]["shop"]) >= 2 and "site gra would not be found down: it takes 1 vote" in found["stops"]["shop"][0]
    assert found["hinders"]["prometheus"] == found["hinders"]["second"] == ["nothing was ever heard of this source"]
    assert daemon.deliver(delivery(alert("rbx"))).status == 202
    found = findings(daemon.path, "--url", daemon.api)
    assert not [text for text in found["stops"].get("shop", []) if "found down" in text]
    assert "prometheus" not in found["hinders"] and "second" in found["hinders"]
    assert daemon.post("/api/v1/services/shop/pause", {"reason": "works at the mains"}).status == 200
    done = doctor(daemon.path, "--url", daemon.api)
    assert done.returncode == 1
    first = done.stdout.splitlines()
    assert first[0].startswith("STOPS    shop: paused by oncall since ") and first[0].endswith(": works at the mains")
    assert first[1] == "         turnout resume shop --reason TEXT"
    assert "would stop a failover tonight" in first[-1]
    for secret in SECRETS.values():
        assert secret not in done.stdout + done.stderr


def test_secrets_that_only_the_daemon_has(daemon):
    """What is not set in this shell, the daemon that runs has; for none that runs it would be the end."""
    found = findings(daemon.path, "--url", daemon.api, without=["LINODE_TOKEN"])
    assert "environment variable LINODE_TOKEN" in found["hinders"]["configuration"][0]
    api = daemon.api
    daemon.stop()
    found = findings(daemon.path, "--url", api, without=["LINODE_TOKEN"])
    assert "environment variable LINODE_TOKEN" in found["stops"]["configuration"][0]
    assert found["stops"]["daemon"] == ["it does not run: no process holds the database " + daemon.database]


def test_a_daemon_that_does_not_answer(daemon):
    found = findings(daemon.path, "--url", "http://127.0.0.1:9")
    assert found["stops"]["daemon"] == [
        "process %d holds the database %s, but does not answer" % (daemon.process.pid, daemon.database)]
    found = findings(daemon.path, "--url", daemon.api, "--token", "of-somebody-else")
    assert found["stops"]["daemon"] == ["it does not say how it is: it does not know the token"]


def test_the_machine(make_daemon, tmp_path):
    config = configuration()
    config["server"]["export"] = "break-glass"
    config["server"]["kill_switch"] = "stop"
    config["providers"]["linode"]["token"] = "written-out-here"
    daemon = make_daemon(config, start=False)
    os.chmod(daemon.path, 0o666)
    open(os.path.join(daemon.folder, "stop"), "w").close()
    with open(daemon.database, "w", encoding="utf-8") as file:
        file.write("this is no database, and long enough to be taken for one: " + "x" * 4096)
    os.chmod(daemon.database, 0o644)
    found = findings(daemon.path)
    assert any("can be written by others" in text for text in found["hinders"]["configuration"])
    assert any("holds secrets and can be read by others" in text for text in found["hinders"]["configuration"])
    assert found["stops"]["kill switch"] == ["the file %s/stop is there: nothing is written to any provider" % daemon.folder]
    assert found["stops"]["database"] and "can be read by others" in found["hinders"]["database"][0]
    assert "no break-glass files can be written to" in found["hinders"]["export"][0]
    os.chmod(daemon.path, 0o600)
    found = findings(daemon.path)
    assert not any("others than its owner" in text for text in found["hinders"]["configuration"])
    assert not any("belongs to user" in text for text in found["hinders"]["database"])
    if os.geteuid() == 0:  # what root may write, the daemon's user may not
        os.chown(daemon.folder, 12345, -1)
        assert "belongs to user 0, and its folder to user 12345" in findings(daemon.path)["hinders"]["database"][0]
        os.chown(daemon.folder, 0, -1)


def test_a_configuration_that_is_wrong(tmp_path):
    path = tmp_path / "turnout.yaml"
    path.write_text("services: {s: {sites: {a: , b: }, playbok: []}}\n")
    found = findings(path)
    assert [text.split(": ", 1)[1] for text in found["stops"]["configuration"]] == [
        '"playbook" is missing; it must be the list of steps that move the service',
        'unknown key "playbok"; did you mean "playbook"?']
    assert doctor(tmp_path / "none.yaml").returncode == 1
    assert subprocess.run([BINARY, "doctor"], capture_output=True, check=False).returncode == 2


# ---- answers given here ------------------------------------------------------------------------------------------------------

WELL = {
    "/readyz": {"status": "ready", "holds": []},
    "/api/v1/status": {"stale": [], "suspect": [], "cut_off": None, "kill_switch": None, "flood": None, "heartbeat": None},
    "/api/v1/sources": {"items": [{"name": "prometheus", "last_delivery_at": "2026-11-28T05:00:00Z"},
                                  {"name": "second", "last_delivery_at": "2026-11-28T05:00:00Z"}]},
    "/api/v1/services": {"items": [{
        "name": "shop", "active": "gra", "paused": None, "frozen": None, "run": None,
        "readiness": {"failover": {"state": "ready"}, "failback": {"state": "ready"}},
        "debts": [], "sites": [{"name": "gra"}, {"name": "rbx"}]}]},
}


@contextlib.contextmanager
def answering(answers):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            answer = answers.get(self.path)
            body = json.dumps(answer if answer is not None else {"error": {"message": "no"}}).encode()
            self.send_response(200 if answer is not None else 503)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format, *args):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield "http://127.0.0.1:%d" % server.server_port
        finally:
            server.shutdown()
            thread.join()


def of_answers(path, *arguments, service=None, status=None, **changes):
    answers = json.loads(json.dumps(WELL))
    answers["/api/v1/services"]["items"][0].update(service or {})
    answers["/api/v1/status"].update(status or {})
    answers.update(changes)
    with answering(answers) as url:
        return findings(path, "--url", url, *arguments)


def test_each_thing_that_stops(tmp_path):
    path = tmp_path / "turnout.yaml"
    path.write_text(yaml.safe_dump(configuration()))
    path.chmod(0o600)
    with answering(WELL) as url:
        done = doctor(path, "--url", url)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1].startswith("nothing was found that would stop a failover tonight")

    def stops(**settings):
        return of_answers(path, **settings)["stops"]

    assert stops(service={"active": "split"}) == {
        "shop": ["its active site is split, and from there nothing starts by itself"]}
    assert stops(service={"frozen": {"until": "2026-12-27T08:00:00Z", "reason": "Christmas"}}) == {
        "shop": ["frozen until 2026-12-27T08:00:00Z: Christmas; nothing starts by itself"]}
    assert stops(service={"run": {"id": "1", "kind": "failover", "to": "rbx", "state": "attention", "error": "no such zone"}}) == {
        "shop": ["its failover to rbx waits for a person: no such zone"]}
    assert stops(service={"run": {"id": "1", "kind": "failover", "to": "rbx", "state": "waiting"}}) == {
        "shop": ["its failover to rbx waits for a yes or no"]}
    assert stops(service={"debts": [{"site": "rbx", "name": "old ConfigMap"}, {"site": "rbx", "name": "old primary"}]}) == {
        "shop": ["2 steps are owed at site rbx: nothing moves there"]}
    not_ready = {"state": "not ready", "since": "2026-11-28T01:00:00Z", "text": "Linode DNS: the token is refused"}
    assert stops(service={"readiness": {"failover": not_ready}}) == {
        "shop": ["not ready for a failover since 2026-11-28T01:00:00Z: Linode DNS: the token is refused"]}
    for words in ("ä" * 900, "x" + "ä" * 900):  # what is cut to fit is told all the same
        run = {"id": "1", "kind": "failover", "to": "rbx", "state": "attention", "error": words}
        assert stops(service={"run": run})["shop"][0].startswith("its failover to rbx waits for a person: ")
    assert stops(service={"mode": "shadow"}) == {"shop": ["it is in shadow mode: nothing is started, what would have been is on record"]}
    assert stops(status={"cut_off": "none of 3 answers"}) == {"network": ["none of 3 answers"]}
    assert stops(status={"flood": "3 sites are down"}) == {"flood guard": ["3 sites are down"]}
    assert stops(status={"stale": ["prometheus", "second"]})["shop"][0].startswith("site gra would not be found down")
    assert stops(**{"/readyz": None})["daemon"][0].endswith("is not ready: no")
    assert stops(**{"/api/v1/services": None})["daemon"] == ["it does not say how it is: HTTP 503 to /api/v1/services"]


def test_what_only_hinders(tmp_path):
    path = tmp_path / "turnout.yaml"
    path.write_text(yaml.safe_dump(configuration()))
    degraded = {"state": "degraded", "since": "2026-11-28T01:00:00Z", "text": "the TTL is 3600"}
    found = of_answers(path, service={"readiness": {"failover": degraded, "failback": {"state": "not ready"}}},
                       status={"heartbeat": "it was last heard an hour ago", "suspect": ["second"]})
    assert found["stops"] == {}
    assert found["hinders"]["shop"] == [
        "ready for a failover, but not as promised since 2026-11-28T01:00:00Z: the TTL is 3600", "not ready for a failback"]
    assert of_answers(path, service={"mode": "manual"})["note"]["shop"] == ["mode manual: a failover begins when a person calls for it"]
    # nobody has looked, or not for long
    assert of_answers(path, service={"readiness": {"failover": None, "failback": {"state": "ready"}}})["hinders"]["shop"] == [
        "nobody has looked so far whether it is ready for a failover"]
    config = configuration(ready="5m")
    path.write_text(yaml.safe_dump(config))
    now = datetime.datetime.now(datetime.timezone.utc)
    looked = [{"state": "ready", "text": "", "checked_at": (now - datetime.timedelta(minutes=ago)).strftime("%Y-%m-%dT%H:%M:%S.000Z")}
              for ago in (20, 90)]
    assert "shop" not in of_answers(path, service={"readiness": {"failover": looked[0], "failback": looked[0]}})["hinders"]
    assert of_answers(path, service={"readiness": {"failover": looked[1], "failback": looked[0]}})["hinders"]["shop"] == [
        "whether it is ready for a failover was last looked at 1 h 30 min ago"]
    assert found["hinders"]["heartbeat"] == ["it was last heard an hour ago"]
    assert found["hinders"]["second"] == ["it says down of everything that it speaks of"]

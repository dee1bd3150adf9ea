"""What a start is refused for, in one clear line each; and that secrets stay secret."""

import glob
import os
import re
import socket
import sqlite3
import subprocess

import pytest

from daemon import BINARY, SECRETS, SOURCE_TOKEN, alert, configuration, delivery, wait_for


def serve(daemon, environment=None, arguments=(), **settings):
    """A start that is to fail. Returns (exit code, lines on standard error)."""
    result = subprocess.run([BINARY, "serve", "-c", daemon.path, *arguments], env=dict(os.environ, **(SECRETS if environment is None
                            else environment)), capture_output=True, text=True, timeout=30, check=False, **settings)
    return result.returncode, result.stderr.splitlines()


def one_line(daemon, **settings):
    code, lines = serve(daemon, **settings)
    assert code == 1 and len(lines) == 1, (code, lines)
    return lines[0]


@pytest.fixture
def unstarted(make_daemon):
    return make_daemon(configuration(), start=False)


# ---- the configuration -----------------------------------------------------------------------------------------------

BROKEN = """server:
  hooks: 127.0.0.1:0
  api: 127.0.0.1
database: turnout.db
operators:
  - {name: oncall, role: king, token: "${env:NOT_SET_ANYWHERE}"}
sources:
  prometheus: {kind: alertmangler, bearer: "${env:AM_TOKEN}"}
  second: {kind: alertmanager, baerer: "${env:AM2_TOKEN}"}
providers:
  linode: {kind: linode, token: "${file:/nowhere/token}"}
services:
  shop:
    sites: {gra: {address: 192.0.2.10}, rbx: {address: 198.51.100.20}}
    prefer: [gra, rbx, mars]
    alerts:
      - {source: prometheus, match: {alertname: SiteDown}, site: mars}
      - {source: nobody, match: {alertname: SiteDown}, site: gra}
    trigger: {mode: automatic, votes: many, hold: soon, cool_down: 30m}
    playbook:
      - {name: one, action: linode.dns_recrod, provider: linode, domain: example.com}
      - {name: two, action: linode.dns_record, provider: lindoe, domain: example.com, record: app, type: A, target: "${to.adress}", ttl: 30}
      - {name: three, action: http.check, url: "https://app.example.com/", port: 80}
"""


def test_everything_that_is_wrong_is_said_at_once(unstarted):
    with open(unstarted.path, "w", encoding="utf-8") as file:
        file.write(BROKEN)
    code, lines = serve(unstarted)
    assert code == 1
    text = "\n".join(lines)
    places = [re.match(re.escape(unstarted.path) + r":(\d+):(\d+): .+", line) for line in lines]
    assert all(places), text
    named = {int(place.group(1)) for place in places}
    for number, line in enumerate(BROKEN.splitlines(), 1):
        for wrong in ("api: 127.0.0.1", "role: king", "alertmangler", "baerer", "/nowhere/token", "prefer: [gra, rbx, mars]",
                      "site: mars", "source: nobody", "votes: many", "linode.dns_recrod", "lindoe", "port: 80"):
            if wrong in line:
                assert number in named, "nothing about line %d (%s) in:\n%s" % (number, wrong, text)
    # The mend is in the words: what is nearest.
    for hint in ("bearer", "alertmanager", "linode.dns_record", "address", "NOT_SET_ANYWHERE", "king", "many", "soon"):
        assert hint in text, hint
    assert "linode?" in text or "linode" in text
    assert not os.path.exists(unstarted.database)
    check = subprocess.run([BINARY, "check", "-c", unstarted.path], env=dict(os.environ, **SECRETS), capture_output=True, text=True,
                           check=False)
    assert check.returncode == 1 and check.stderr.splitlines() == lines


LAUGHS = "a0: &a0 [x, x]\n" + "".join("a%d: &a%d [%s]\n" % (n, n, ", ".join(["*a%d" % (n - 1)] * 8)) for n in range(1, 9))


@pytest.mark.parametrize("text,word", [
    ("", "empty"), ("server: [", ":1:"), ("a: b\na: c\n", "a"), ("- 1\n- 2\n", "map"), ("server: &x {hooks: *x}\n", ""),
    ("\0\0\0", ""), ("{" * 5000, ""), (LAUGHS, ""),
    ("\xff\xfe", ""), ("server: !!python/object x\n", ""), ("---\na: 1\n---\nb: 2\n", ""),
], ids=["empty", "broken", "duplicate", "list", "itself", "NULs", "deep", "laughs", "bytes", "tag", "two"])
def test_files_that_are_no_configuration(unstarted, text, word):
    with open(unstarted.path, "w", encoding="latin-1") as file:
        file.write(text)
    code, lines = serve(unstarted)
    assert code == 1 and lines and all(unstarted.path in line for line in lines), lines
    assert len(lines) < 60
    assert word in "\n".join(lines) or word in ("empty", "map"), lines


def test_keys_of_later_days_say_so(unstarted):
    config = configuration()
    config["server"]["reserve"] = 1
    config["services"]["shop"]["notify"] = "oncall"
    config["services"]["shop"]["playbook"][0]["use"] = "move"
    unstarted.configure(config)
    code, lines = serve(unstarted)
    text = "\n".join(lines)
    assert code == 1 and len(lines) >= 3 and all('"%s" is not supported yet' % key in text for key in ("reserve", "notify", "use"))


def test_a_file_that_is_not_there(unstarted):
    os.unlink(unstarted.path)
    assert unstarted.path in one_line(unstarted)


def test_missing_secrets_are_all_named(unstarted):
    code, lines = serve(unstarted, environment={})
    assert code == 1
    for name in SECRETS:
        assert any(name in line for line in lines), name
    code, lines = serve(unstarted, environment=dict(SECRETS, OVH_AS=""))
    assert code == 1 and any("OVH_AS" in line for line in lines)


def test_secret_files(unstarted, tmp_path):
    secret = tmp_path / "token"
    config = configuration()
    config["providers"]["linode"]["token"] = "${file:%s}" % secret
    unstarted.configure(config)
    assert str(secret) in one_line(unstarted)
    secret.mkdir()
    assert str(secret) in one_line(unstarted)
    secret.rmdir()
    secret.write_text("")
    assert str(secret) in one_line(unstarted)
    secret.write_text("sandbox-linode-token\n")
    unstarted.start()
    assert unstarted.get("/readyz").status == 200


def as_nobody():
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)


def test_files_that_may_not_be_read_or_written(unstarted, tmp_path):
    """As another user where we are root, since root may do everything."""
    settings = {"preexec_fn": as_nobody} if os.geteuid() == 0 else {}
    for folder in [tmp_path, *tmp_path.parents][:4]:
        if os.stat(folder).st_uid == os.geteuid() and str(folder) != "/":
            os.chmod(folder, 0o755)
    os.chmod(unstarted.path, 0o644)
    os.chmod(unstarted.folder, 0o555)
    secret = tmp_path / "token"
    secret.write_text("sandbox-linode-token\n")
    secret.chmod(0)
    config = configuration()
    config["providers"]["linode"]["token"] = "${file:%s}" % secret
    unstarted.configure(config)
    line = one_line(unstarted, **settings)
    assert "secret file" in line and "ermission" in line
    unstarted.configure(configuration())
    line = one_line(unstarted, **settings)
    assert unstarted.folder in line and "ermission" in line
    os.chmod(unstarted.path, 0)
    line = one_line(unstarted, **settings)
    assert unstarted.path in line and "ermission" in line
    os.chmod(unstarted.folder, 0o755)


# ---- the database ----------------------------------------------------------------------------------------------------


def test_a_database_held_by_a_running_daemon(unstarted):
    unstarted.start()
    line = one_line(unstarted)
    assert str(unstarted.process.pid) in line and unstarted.database in line
    assert unstarted.get("/readyz").status == 200
    # Through a link it is the same database.
    link = os.path.join(unstarted.folder, "link.db")
    os.symlink(unstarted.database, link)
    with open(unstarted.path, encoding="utf-8") as file:
        text = file.read()
    with open(unstarted.path, "w", encoding="utf-8") as file:
        file.write(text.replace("database: turnout.db", "database: link.db"))
    assert str(unstarted.process.pid) in one_line(unstarted)


def test_databases_that_are_not_ours(unstarted):
    for name, make in (("text", lambda path: open(path, "w", encoding="utf-8").write("hello, this is a text\n" * 100)),
                       ("another program's", lambda path: sqlite3.connect(path).executescript("CREATE TABLE x (y)")),
                       ("a folder", os.mkdir)):
        make(unstarted.database)
        before = os.stat(unstarted.database).st_mtime_ns
        line = one_line(unstarted)
        assert unstarted.database in line, (name, line)
        assert os.stat(unstarted.database).st_mtime_ns == before, name
        os.rmdir(unstarted.database) if os.path.isdir(unstarted.database) else os.unlink(unstarted.database)


def test_a_database_from_a_newer_version(unstarted):
    unstarted.start()
    unstarted.stop()
    connection = sqlite3.connect(unstarted.database)
    connection.execute("PRAGMA user_version = 9999")
    connection.close()
    line = one_line(unstarted)
    assert unstarted.database in line and "newer" in line and "9999" in line


def test_a_database_cut_short(unstarted):
    unstarted.start()
    unstarted.deliver(delivery(alert()))
    unstarted.stop()
    with open(unstarted.database, "r+b") as file:
        file.truncate(os.path.getsize(unstarted.database) // 2)
    line = one_line(unstarted)
    assert unstarted.database in line


# ---- the listeners ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["hooks", "api"])
def test_a_port_that_is_taken(unstarted, which):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = configuration()
        config["server"][which] = "127.0.0.1:%d" % taken.getsockname()[1]
        unstarted.configure(config)
        line = one_line(unstarted)
        assert config["server"][which] in line and "server." + which in line and "taken" in line


def test_an_address_that_is_not_ours(unstarted):
    config = configuration()
    config["server"]["api"] = "192.0.2.1:8080"
    unstarted.configure(config)
    assert "192.0.2.1:8080" in one_line(unstarted)


# ---- secrets ---------------------------------------------------------------------------------------------------------


def test_secrets_are_nowhere(daemon, sandbox):
    assert daemon.deliver(delivery(alert())).status == 202
    assert daemon.deliver(delivery(alert()), token="wrong-and-secret-too").status == 401
    assert daemon.get("/api/v1/services", token="wrong-and-secret-too").status == 401
    daemon.wait_run("succeeded")
    # One more, in which the providers give our credentials back in their words.
    for provider, names in (("linode", ["LINODE_TOKEN"]), ("ovh", ["OVH_AS", "OVH_CK"]), ("route53", ["AWS_SECRET_ACCESS_KEY"])):
        words = "no, not with " + " and ".join(SECRETS[name] for name in names)
        sandbox.fault(provider, "status", status=400, body=words, content_type="text/plain", times=-1)
    run = daemon.move("failback", override=["target_down"]).json["run"]
    daemon.wait_run("attention")
    for _ in range(2):
        assert daemon.post("/api/v1/runs/%s/skip" % run, {"reason": "next"}).status == 200
        wait_for(lambda: daemon.runs()[0]["state"] in ("attention", "succeeded"), 15, "the next")
    with open("/proc/%d/environ" % daemon.process.pid, "rb") as file:
        environment = file.read()
    pages = b"".join(daemon.get(page).body for page in ("/api/v1/services", "/api/v1/runs", "/api/v1/runs/" + run, "/metrics", "/",
                                                        "/readyz", "/api/v1/audit/export", "/api/v1/audit?limit=500"))
    log = "".join(daemon.log).encode()
    places = {"environ": environment, "pages": pages, "log": log}
    for path in glob.glob(daemon.database + "*"):
        with open(path, "rb") as file:
            places[path] = file.read()
    assert len(places) >= 5, places.keys()
    for name, value in dict(SECRETS, WRONG="wrong-and-secret-too").items():
        for place, content in places.items():
            if name in ("OVH_AK", "AWS_ACCESS_KEY_ID"):
                continue  # names, not secrets: they travel in every request
            assert value.encode() not in content, "%s stands in %s" % (name, place)
    assert environment.count(b"LINODE_TOKEN=sandbox") == 0
    assert SOURCE_TOKEN.encode() not in log


def test_files_are_for_their_owner_only(unstarted):
    os.umask(0)
    try:
        unstarted.start()
    finally:
        os.umask(0o022)
    unstarted.deliver(delivery(alert()))
    for path in glob.glob(unstarted.database + "*"):
        assert os.stat(path).st_mode & 0o077 == 0, path


def test_relative_paths_are_relative_to_the_file(unstarted, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    unstarted.start(cwd=str(elsewhere))
    assert os.path.exists(unstarted.database) and list(elsewhere.iterdir()) == []

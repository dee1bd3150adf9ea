"""The README is true: its configurations are accepted by the programs they are for, and what it names is there."""

import os
import re
import socket
import subprocess
import threading

import pytest
import yaml
from daemon import BINARY, ROOT, SECRETS
from pki import SERVER, Authority, write

with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
    TEXT = file.read()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)


def block(*keys):
    """The one YAML block with these keys at its top."""
    (found,) = [text for text in BLOCKS if set(yaml.safe_load(text)) == set(keys)]
    return found


def check(folder, text, name, command):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    environment = {name: f"a-secret-for-tests-{name}" for name in re.findall(r"\$\{env:(\w+)\}", text)}
    environment.update(os.environ, **SECRETS)
    return subprocess.run([*command, str(path)], env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(name="configuration")
def fixture_configuration(tmp_path):
    (tmp_path / "board-token").write_text("a-token-in-a-file-for-tests\n", encoding="utf-8")
    return block("server", "database", "keep", "operators", "sources", "providers", "services").replace(
        "/etc/turnout/board-token", str(tmp_path / "board-token"))


def test_the_story_is_decided_as_told(configuration, tmp_path):
    (tmp_path / "turnout.yaml").write_text(configuration, encoding="utf-8")
    (story,) = [text for text in re.findall(r"```text\n(.*?)```", TEXT, re.DOTALL) if text.startswith("BEFORE")]
    result = check(tmp_path, story, "story.case", [BINARY, "simulate", "-c", str(tmp_path / "turnout.yaml")])
    assert result.returncode == 0, result.stderr
    assert "failover from gra to rbx" in result.stdout


def test_the_configuration_can_be_served(configuration, tmp_path):
    result = check(tmp_path, configuration, "turnout.yaml", [BINARY, "check", "-c"])
    assert result.returncode == 0, result.stderr
    assert "1 service, 2 sources, 3 providers" in result.stdout


@pytest.mark.parametrize("text", [text for text in BLOCKS if set(yaml.safe_load(text)) == {"sources"}])
def test_the_source_of_each_monitor_can_be_served(configuration, tmp_path, text):
    whole = yaml.safe_load(configuration)
    whole["sources"].update(yaml.safe_load(text)["sources"])
    result = check(tmp_path, yaml.safe_dump(whole), "turnout.yaml", [BINARY, "check", "-c"])
    assert result.returncode == 0, result.stderr


def test_the_front_door_can_be_served(configuration, tmp_path):
    (tmp_path / "tls").mkdir()
    authority = Authority("an authority")
    authority.issue_to(str(tmp_path / "tls" / "chain"), "localhost", SERVER)
    (tmp_path / "tls" / "chain.key").rename(tmp_path / "tls" / "key.pem")
    write(str(tmp_path / "tls" / "people.pem"), authority.certificate)
    whole, front = yaml.safe_load(configuration), yaml.safe_load(block("server", "sources"))
    whole["server"].update(front["server"])
    whole["sources"].update(front["sources"])
    result = check(tmp_path, yaml.safe_dump(whole), "turnout.yaml", [BINARY, "check", "-c"])
    assert result.returncode == 0 and "warning: server.tls" not in result.stderr, result.stderr


@pytest.mark.parametrize("credentials", ["authorization", "basic_auth"])
def test_the_receiver_is_one_for_alertmanager(tmp_path, credentials):
    whole = yaml.safe_load(block("route", "receivers"))
    (webhook,) = whole["receivers"][1]["webhook_configs"]
    if credentials == "basic_auth":
        (snippet,) = [text for text in BLOCKS if "basic_auth" in text]
        webhook["http_config"] = yaml.safe_load(snippet)["http_config"]
    assert credentials in webhook["http_config"] and webhook["send_resolved"] is True
    (route,) = whole["route"]["routes"]
    assert (route["group_wait"], route["group_interval"], route["repeat_interval"]) == ("0s", "10s", "5m")
    result = check(tmp_path, yaml.safe_dump(whole), "alertmanager.yml", ["amtool", "check-config"])
    assert result.returncode == 0, result.stdout + result.stderr


def test_the_container_has_a_configuration_that_can_be_served():
    result = subprocess.run([BINARY, "check", "-c", os.path.join(ROOT, "examples", "compose.yaml")], env=dict(os.environ, **SECRETS),
                            capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr


def test_what_is_tried_prints_what_is_told(configuration, tmp_path):
    (body,) = [text for text in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL) if '"alerts"' in text]
    (printed,) = re.findall(r"```text\n(prometheus .*?)```", TEXT, re.DOTALL)
    (tmp_path / "turnout.yaml").write_text(configuration, encoding="utf-8")
    (tmp_path / "down.json").write_text(body, encoding="utf-8")
    environment = {key: value for key, value in os.environ.items() if key not in SECRETS}
    result = subprocess.run([BINARY, "try", "-c", "turnout.yaml", "prometheus", "down.json"], cwd=tmp_path, env=environment,
                            capture_output=True, text=True, timeout=60, check=False)
    there = re.sub(r"\(\d+ secrets", "(10 secrets", result.stdout)  # one of them is a file, which is there for this test
    assert (result.returncode, result.stderr, there) == (0, "", printed)


def test_every_command_is_one_of_the_binary():
    usage = subprocess.run([BINARY, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout
    known = set(re.findall(r"^  ([a-z]+) ", usage, re.MULTILINE))
    named = {word for words in re.findall(r"`turnout ([a-z\\|]+)", TEXT) for word in words.replace("\\", "").split("|")}
    assert named and named <= known
    for words in re.findall(r"--[a-z]+", " ".join(re.findall(r"`turnout [^`]*`", TEXT))):
        assert words in usage


def test_each_command_says_what_it_takes_and_refuses_the_rest():
    def turnout(*words):
        return subprocess.run([BINARY, *words], capture_output=True, text=True, timeout=60, check=False)

    usage = turnout("--help").stdout
    assert turnout("help").stdout == usage
    for name in re.findall(r"^  ([a-z]+) ", usage, re.MULTILINE):
        said = turnout("help", name)
        assert said.returncode == 0 and said.stdout.startswith("Usage: turnout %s " % name)
        assert turnout(name, "--help").stdout == said.stdout
    assert "--step N" in turnout("help", "retry").stdout and "--step" not in turnout("help", "cancel").stdout
    # What does not count must not look as if it did: this would have moved shop to another site than the one that was meant.
    refused = turnout("failover", "shop", "--site", "rbx", "--reason", "x", "--url", "http://127.0.0.1:9")
    assert refused.returncode == 2 and "failover takes no --site; see turnout help failover" in refused.stderr
    assert turnout("help", "nonsense").returncode == 2
    alone = turnout("failover", "shop", "--reason", "x", "--url", "http://127.0.0.1:9", "--token", "x")
    assert alone.returncode == 1 and "turnout failover SERVICE --to SITE --standalone -c FILE" in alone.stderr


def test_an_answer_that_is_lost_is_no_reason_to_move_a_service_twice():
    with socket.create_server(("127.0.0.1", 0)) as server:
        def take_and_hang_up():
            client, _ = server.accept()
            client.recv(65536)
            client.close()

        thread = threading.Thread(target=take_and_hang_up)
        thread.start()
        said = subprocess.run([BINARY, "failover", "shop", "--reason", "x", "--token", "x", "--url", "http://127.0.0.1:%d" % server.getsockname()[1]],
                              capture_output=True, text=True, timeout=60, check=False)
        thread.join()
    assert said.returncode == 1 and "may have taken it: see turnout status" in said.stderr and "--standalone" not in said.stderr


def test_every_file_and_folder_is_there():
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", TEXT)
    scripts = re.findall(r"\bscripts/[a-z-]+(?:\.[a-z]+)?", TEXT)
    folders = [name for line in TEXT.split("\n") if re.match(r"\| `[a-z]+/", line) for name in re.findall(r"`([a-z_/]+/)`", line.split(" | ")[0])]
    assert len(pictures) == 4 and len(folders) >= 12 and len(scripts) >= 4
    for path in pictures + scripts + folders + ["examples/compose.yaml", "tests/rules/layers.py"]:
        assert os.path.exists(os.path.join(ROOT, path)), path
    for picture in pictures:
        assert os.path.getsize(os.path.join(ROOT, picture)) < 200 * 1024

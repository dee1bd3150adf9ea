"""`turnout try`: what a delivery would be taken for, from a file, without a daemon, a database or a secret."""

import json
import os
import subprocess

import pytest
import yaml
from daemon import BINARY, alert, configuration, delivery


@pytest.fixture(name="attempt")
def fixture_attempt(tmp_path):
    """Runs it in a folder with this configuration and without one variable of the environment but the sanitizers'."""
    def attempt(body, *words, source="prometheus", changes=(), text=None):
        config = configuration(votes=2, hold="30s")
        for change in changes:
            change(config)
        (tmp_path / "t.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
        (tmp_path / "body").write_text(body if isinstance(body, str) else json.dumps(body), encoding="utf-8")
        environment = {key: value for key, value in os.environ.items() if key.endswith("SAN_OPTIONS")}
        return subprocess.run([BINARY, "try", "-c", str(tmp_path / "t.yaml"), source, "-" if text is not None else str(tmp_path / "body"), *words],
                              env=environment, input=text, capture_output=True, text=True, timeout=60, check=False)
    return attempt


def test_a_down_vote(attempt, tmp_path):
    result = attempt(delivery(alert("gra")))
    assert result.returncode == 0 and result.stderr == ""
    assert "=> down vote for shop at gra by prometheus, 1 of 2; would hold 30 s\n" in result.stdout
    assert "prometheus (alertmanager, trust secret): 1 alert; the credential was not looked at\n" in result.stdout
    assert "secrets of the configuration are not here" in result.stdout
    assert 'alertname="SiteDown" service="shop" region="gra"' in result.stdout
    assert sorted(os.listdir(tmp_path)) == ["body", "t.yaml"]  # no database


def test_what_withdraws_a_vote_and_what_matches_nothing(attempt):
    result = attempt(delivery(alert("rbx", status="resolved", ends="2026-11-21T10:05:00Z"), alert("waw")))
    assert result.returncode == 0
    assert "=> withdraws the down vote of prometheus for shop at rbx\n" in result.stdout
    assert 'nearest: services.shop.alerts[0] (site gra): region is "waw", expected "gra"\n' in result.stdout
    result = attempt(delivery(alert("waw")))
    assert result.returncode == 3 and "no rule matches" in result.stdout


def test_a_vote_that_is_not_trusted(attempt):
    def leak(config):
        config["sources"]["prometheus"] = {"kind": "alertmanager", "path_token": "${env:NOT_SET_ANYWHERE}"}
        config["services"]["shop"]["trigger"]["trusted_votes"] = 1
    result = attempt(delivery(alert("gra")), changes=[leak])
    assert result.returncode == 0
    assert "by prometheus, 1 of 2, open: does not count as trusted, and 1 trusted vote is needed; would hold 30 s\n" in result.stdout


def test_for_programs(attempt):
    result = attempt(delivery(alert("gra")), "--json")
    told = json.loads(result.stdout)
    assert told["services"] == 1 and told["n_alerts"] == 1
    assert told["alerts"][0]["explanation"] == ["down vote for shop at gra by prometheus, 1 of 2; would hold 30 s"]
    refused = attempt("{}", "--json")
    assert refused.returncode == 1 and json.loads(refused.stdout)["error"]["status"] == 400


@pytest.mark.parametrize("body, answer", [
    ("{", "would be answered 400: "),
    ({"status": "firing"}, "would be answered 400: the body has no `alerts`"),
    (" " * (4 * 1024 * 1024 + 1), "would be answered 413: the body is larger than 4194304 bytes"),
])
def test_what_would_be_refused(attempt, body, answer):
    result = attempt(body)
    assert result.returncode == 1 and result.stdout.startswith(answer)


def test_from_the_input(attempt):
    result = attempt("", text=json.dumps(delivery(alert("gra"))) + "\n")
    assert result.returncode == 0 and "down vote for shop" in result.stdout


def test_a_query(attempt):
    def robot(config):
        config["sources"]["prometheus"] = {"kind": "uptimerobot", "path_token": "0123456789abcdef"}
        config["services"]["shop"]["alerts"] = [{"source": "prometheus", "match": {"monitor_id": "777"}, "site": "gra"}]
    result = attempt("", "--query", "?monitorID=777&monitorFriendlyName=my+sh%6fp&alertType=1", changes=[robot])
    assert result.returncode == 0, result.stdout + result.stderr
    assert "down vote for shop at gra by prometheus" in result.stdout and "my shop" in result.stdout


def test_wrong_calls(attempt):
    assert attempt("{}", source="none").returncode == 1
    assert "has no source none" in attempt("{}", source="none").stderr
    usage = subprocess.run([BINARY, "try", "prometheus"], capture_output=True, text=True, timeout=60, check=False)
    assert usage.returncode == 2 and "Usage: turnout try" in usage.stderr
    broken = attempt("{}", changes=[lambda config: config.pop("services")])
    assert broken.returncode == 1 and '"services" is missing' in broken.stderr

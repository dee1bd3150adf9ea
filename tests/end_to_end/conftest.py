"""Fixtures: a sandbox per module, reset for each test, and daemons and Alertmanagers that are stopped after the test."""

import os
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "sandbox")]

from alertmanager import Alertmanager  # noqa: E402
from client import Sandbox  # noqa: E402
from daemon import Daemon, configuration  # noqa: E402


@pytest.fixture(scope="module")
def module_sandbox():
    with Sandbox(sites={"gra": "127.0.0.2:0", "rbx": "127.0.0.3:0"}, linode_render_ms=150, ovh_refresh_ms=150,
                 route53_insync_ms=150) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(module_sandbox):
    module_sandbox.reset()
    return module_sandbox


@pytest.fixture
def make_daemon(tmp_path):
    """Makes (and starts) daemons; each is stopped at the end and must end cleanly."""
    made = []

    def make(config, folder=None, start=True):
        where = tmp_path / (folder or "daemon")
        where.mkdir(exist_ok=True)
        daemon = Daemon(where, config)
        made.append(daemon)
        return daemon.start() if start else daemon

    yield make
    for daemon in made:
        daemon.stop()


@pytest.fixture
def daemon(make_daemon, sandbox):
    """One with the usual configuration, its active site observed."""
    daemon = make_daemon(configuration(sandbox))
    daemon.wait_active("gra")
    return daemon


@pytest.fixture
def make_alertmanager(tmp_path):
    made = []

    def make(url, **settings):
        alertmanager = Alertmanager(tmp_path / ("alertmanager-%d" % len(made)), url, **settings)
        made.append(alertmanager)
        return alertmanager.start()

    yield make
    for alertmanager in made:
        alertmanager.stop()

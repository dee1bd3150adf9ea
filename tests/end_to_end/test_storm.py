"""Two hundred connections at once, a third of them hostile: what is acknowledged is in the database, once."""

import os

from daemon import OPERATOR_TOKEN, configuration
from storm import Operator, make_deliveries, run, sources

DISTINCT, TOTAL = 600, 6000


def memory_kb(pid, key):
    with open("/proc/%d/status" % pid, encoding="ascii") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(key + ":"))


def storm_configuration():
    config = configuration(mode="manual")
    config["server"]["hooks_rate"] = 1000000  # all of it comes from one address here
    config["sources"] = sources("certificates")
    config["services"]["shop"]["alerts"] = [
        {"source": "prometheus", "match": {"alertname": "SiteDown", "region": "gra"}, "site": "gra"},
        {"source": "pingdom", "match": {"check_name": "storm"}, "site": "active"}]
    return config


def test_every_accepted_delivery_is_stored_once(make_daemon, tmp_path):
    deliveries = make_deliveries(DISTINCT, os.path.join(tmp_path, "daemon", "certificates"))
    daemon = make_daemon(storm_configuration())
    before_kb = memory_kb(daemon.process.pid, "VmRSS")
    operator = Operator(int(daemon.api.rsplit(":", 1)[1]), OPERATOR_TOKEN, pause_s=0.1)
    operator.start()
    storm = run(int(daemon.hooks.rsplit(":", 1)[1]), deliveries, TOTAL)
    operator.stop()
    grown_mib = (memory_kb(daemon.process.pid, "VmHWM") - before_kb) / 1024
    print("accepted %d, known %d, later %d; hostile %d; operator p99 %.0f ms of %d; memory +%.0f MiB" % (
        len(storm.accepted), len(storm.known), storm.later, storm.hostile, operator.percentile(0.99), len(operator.took_ms), grown_mib))

    assert not storm.wrong
    assert not storm.hostile_accepted
    assert storm.hostile > 100
    assert all(storm.answered_of)
    assert len(storm.accepted) + len(storm.known) == TOTAL
    assert not operator.failed and len(operator.took_ms) > 10
    # 64 MiB of bodies is the bound; the sanitizer keeps what was freed, and as much again for itself.
    assert grown_mib < 400

    stored = [row[0] for row in daemon.sql("SELECT lower(hex(id)) FROM delivery")]
    accepted = [delivery.replace("-", "") for delivery in storm.accepted]
    assert len(set(stored)) == len(stored)
    assert sorted(accepted) == sorted(stored)
    assert set(delivery.replace("-", "") for delivery in storm.known) <= set(stored)
    # One row for each alert, each said to fire, whatever order its deliveries came in.
    assert daemon.sql("SELECT count(*) FROM alert") == [(DISTINCT,)]
    assert daemon.sql("SELECT count(*) FROM alert WHERE state <> 'firing'") == [(0,)]
    assert len(stored) == DISTINCT
    text = b"".join(row[0] for row in daemon.sql("SELECT body FROM delivery"))
    assert b"secret.example.com" not in text

"""A database that is older than anything is kept: what is too old goes while monitors go on, and nothing else does."""

import os
import sqlite3
import threading

from daemon import alert, configuration, delivery, wait_for

DAY = 86400
STORED = 3000


def change(daemon, statement, *values):
    with sqlite3.connect(daemon.database, timeout=30) as connection:
        connection.execute(statement, values)
    connection.close()


def grow_old(daemon, days):
    """Alerts and deliveries, but not the log: the daemon was there the day before."""
    change(daemon, "UPDATE alert SET last_seen_at = last_seen_at - ?", days * DAY * 1000)
    change(daemon, "UPDATE delivery SET received_at = received_at - ?", days * DAY * 1000)


def add_old(daemon, n):
    """`n` alerts and deliveries of another time, which nobody speaks of any more."""
    change(daemon, """WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < ?)
        INSERT INTO alert (key, source, state, first_seen_at, last_seen_at, changed_at, count, delivery, n_matches)
        SELECT randomblob(16), 'prometheus', 'resolved', 1, 1, 1, 1, zeroblob(16), 0 FROM i""", n)
    change(daemon, "UPDATE delivery SET seq = seq + ?", n)
    change(daemon, """WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < ?)
        INSERT INTO delivery (seq, id, source, received_at, alerts, changed, sha256, body)
        SELECT i, randomblob(16), 'prometheus', 1, 1, 1, zeroblob(32), randomblob(700) FROM i""", n)


def count(daemon, table, where="1"):
    return daemon.sql("SELECT count(*) FROM %s WHERE %s" % (table, where))[0][0]


def pruned(daemon):
    return [entry["detail"] for entry in daemon.audit(kind="intake.pruned")]


def test_what_is_old_goes_and_is_new_when_it_comes_again(make_daemon):
    daemon = make_daemon(configuration())
    daemon.deliver(delivery(alert(name="A", service="none")))
    over = delivery(alert(name="A", service="none", status="resolved", ends="2026-11-21T10:05:00Z"))
    first = daemon.deliver(over)
    assert daemon.deliver(over).json["duplicate"]
    daemon.deliver(delivery(alert("rbx")))  # fires, and goes on firing for a month
    daemon.stop()
    grow_old(daemon, 31)
    daemon.start()
    assert wait_for(lambda: pruned(daemon), 30, "the round's entry") == [{"alerts": 1, "deliveries": 2}]
    assert daemon.sql("SELECT state FROM alert") == [("firing",)]
    assert 'turnout_pruned_total{table="alert"} 1\n' in daemon.get("/metrics").body.decode()
    again = daemon.deliver(over)
    assert again.status == first.status and not again.json["duplicate"]
    assert daemon.deliver(over).json["duplicate"]
    assert daemon.deliver(delivery(alert("rbx"))).json["duplicate"]
    assert [site["name"] for site in daemon.service()["sites"] if site["down_votes"]] == ["rbx"]
    assert daemon.command("audit", "verify").returncode == 0


def test_kept_longer_when_the_configuration_says_so(make_daemon):
    config = configuration()
    config["keep"] = {"alerts": "60d", "deliveries": "1d"}
    daemon = make_daemon(config)
    for name in ("A", "B", "C"):
        daemon.deliver(delivery(alert(name=name, service="none", status="resolved", ends="2026-11-21T10:05:00Z")))
    daemon.stop()
    grow_old(daemon, 31)
    daemon.start()
    assert wait_for(lambda: pruned(daemon), 30, "the round's entry") == [{"alerts": 0, "deliveries": 2}]
    assert count(daemon, "alert") == 3


def test_deliveries_are_answered_and_a_kill_in_the_middle_loses_none(make_daemon):
    daemon = make_daemon(configuration())
    daemon.deliver(delivery(alert("gra"), alert("rbx", name="Other")))
    daemon.stop()
    add_old(daemon, STORED)
    daemon.start()
    accepted, is_over = [], threading.Event()

    def monitor():
        number = 0
        while not is_over.is_set():
            number += 1
            try:
                answer = daemon.deliver(delivery(alert(name="N%d" % number, service="none")))
            except OSError:
                return
            if answer.status == 202:
                accepted.append(answer.json["delivery"])

    thread = threading.Thread(target=monitor)
    thread.start()
    try:
        wait_for(lambda: count(daemon, "alert", "last_seen_at = 1") < STORED and len(accepted) > 3, 60, "the round's begin")
        daemon.kill()
    finally:
        is_over.set()
        thread.join()
    assert 0 < count(daemon, "alert", "last_seen_at = 1") + count(daemon, "delivery", "received_at = 1")
    daemon.start()
    wait_for(lambda: count(daemon, "alert", "last_seen_at = 1") + count(daemon, "delivery", "received_at = 1") == 0, 120,
             "what is old to go")
    wait_for(lambda: pruned(daemon), 30, "the round's entry")
    stored = {row[0] for row in daemon.sql("SELECT lower(hex(id)) FROM delivery")}
    assert {uuid.replace("-", "") for uuid in accepted} <= stored
    assert count(daemon, "alert", "state = 'firing'") == 2 + len(accepted)
    assert daemon.deliver(delivery(alert("gra"), alert("rbx", name="Other"))).json["duplicate"]
    assert daemon.command("audit", "verify").returncode == 0
    assert daemon.sql("SELECT * FROM pragma_integrity_check") == [("ok",)]


def test_a_log_that_ends_long_ago_lets_nothing_go_at_once(make_daemon):
    """Whether the daemon was away or the clock is wrong, nobody here can say."""
    daemon = make_daemon(configuration())
    daemon.deliver(delivery(alert(name="A", service="none", status="resolved", ends="2026-11-21T10:05:00Z")))
    daemon.stop()
    grow_old(daemon, 31)
    change(daemon, "UPDATE audit SET at = at - ?", 2 * DAY * 1000)  # (which `audit verify` would show)
    daemon.start()
    entry = daemon.audit(kind="clock.doubted")[0]
    assert "ahead of the newest entry of this log by 48 h" in entry["text"]
    assert any("nothing is removed for its age" in line for line in daemon.log)
    before = os.path.getsize(daemon.database)
    daemon.deliver(delivery(alert(name="B", service="none")))
    assert count(daemon, "alert") == 2 and not pruned(daemon) and before > 0

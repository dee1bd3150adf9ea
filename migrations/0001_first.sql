-- The first schema. Migrations are append-only: what has been released is never edited, a change is a new file.
--
-- States are text, times are milliseconds UTC (NULL: not yet, or none), ids are 16 bytes in the order of time. There are
-- no foreign keys: the one writer writes rows whole, and deliveries go before the alerts that name them do.

-- The fence: raised at each start, checked by every commit.
CREATE TABLE epoch (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;
INSERT INTO epoch (id, epoch) VALUES (1, 0);

-- Requests as received, in the order of their commits. Both trees grow at their right edge only.
CREATE TABLE delivery (
    seq INTEGER PRIMARY KEY,
    id BLOB NOT NULL CHECK (length(id) = 16),
    source TEXT NOT NULL,
    received_at INTEGER NOT NULL,
    alerts INTEGER NOT NULL,
    changed INTEGER NOT NULL,
    sha256 BLOB NOT NULL CHECK (length(sha256) = 32),
    body BLOB NOT NULL
) STRICT;
CREATE UNIQUE INDEX delivery_id ON delivery (id);

-- One row per (source, identity), matched or not, under the first 16 bytes of a hash of both. It is the one tree that a
-- delivery changes at random places, so there is no second index, and nothing here that is only nice to have: the labels
-- stand in the delivery. (The source as text makes rows an eighth longer than as a number; it dirties no more pages.)
CREATE TABLE alert (
    key BLOB PRIMARY KEY CHECK (length(key) = 16),
    source TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'resolved')),
    starts_at INTEGER,
    ends_at INTEGER,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    delivery BLOB NOT NULL CHECK (length(delivery) = 16),
    n_matches INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What firing alerts say of services, and as counts: a vote is read at every start and by every look at the services,
-- and must not cost as much as there are alerts.
CREATE TABLE match (
    key BLOB NOT NULL CHECK (length(key) = 16),
    service TEXT NOT NULL,
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (key, service, site)
) STRICT, WITHOUT ROWID;
CREATE TABLE vote (
    service TEXT NOT NULL,
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    alerts INTEGER NOT NULL CHECK (alerts >= 0),
    PRIMARY KEY (service, site, source)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER match_added AFTER INSERT ON match BEGIN
    INSERT INTO vote (service, site, source, alerts) VALUES (new.service, new.site, new.source, 1)
        ON CONFLICT (service, site, source) DO UPDATE SET alerts = alerts + 1;
END;
CREATE TRIGGER match_removed AFTER DELETE ON match BEGIN
    UPDATE vote SET alerts = alerts - 1
        WHERE service = old.service AND site = old.site AND source = old.source;
END;

CREATE TABLE source (
    name TEXT PRIMARY KEY,
    open_alerts INTEGER NOT NULL CHECK (open_alerts >= 0)
) STRICT, WITHOUT ROWID;

-- due_at is steady time of the process with this offset and boot.
CREATE TABLE timer (
    service TEXT NOT NULL,
    site TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('hold', 'cool_down')),
    due_at INTEGER NOT NULL,
    offset_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    PRIMARY KEY (service, site, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE incident (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    service TEXT NOT NULL,
    site TEXT NOT NULL,
    opened_at INTEGER NOT NULL,
    resolved_at INTEGER,
    is_standing INTEGER NOT NULL CHECK (is_standing IN (0, 1)),
    last_reason TEXT NOT NULL,
    run BLOB CHECK (length(run) = 16)
) STRICT, WITHOUT ROWID;
CREATE INDEX incident_open ON incident (service, site) WHERE resolved_at IS NULL;

-- Where a service is. The history is for alerts that speak of "the site that was active then"; it does not say what is
-- so now, because the wall clock of `since` may have stepped back.
CREATE TABLE active (
    service TEXT PRIMARY KEY,
    since INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('unknown', 'site', 'moving', 'split')),
    site TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE active_history (
    service TEXT NOT NULL,
    since INTEGER NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('unknown', 'site', 'moving', 'split')),
    site TEXT NOT NULL,
    PRIMARY KEY (service, since)
) STRICT, WITHOUT ROWID;

-- The playbook is the text that this run runs, whatever the configuration says by now.
CREATE TABLE run (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    service TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('failover', 'failback')),
    from_site TEXT NOT NULL,
    to_site TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'attention', 'succeeded', 'cancelled')),
    has_effect INTEGER NOT NULL CHECK (has_effect IN (0, 1)),
    is_cancelling INTEGER NOT NULL CHECK (is_cancelling IN (0, 1)),
    current INTEGER NOT NULL,
    reason TEXT NOT NULL,
    started_by TEXT NOT NULL,
    incident BLOB CHECK (length(incident) = 16),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    error TEXT NOT NULL,
    playbook TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX run_service ON run (service, id, state);
CREATE INDEX run_state ON run (state, id);

-- began_at and next_at are steady time, as a timer's due_at.
CREATE TABLE step (
    run BLOB NOT NULL CHECK (length(run) = 16),
    n INTEGER NOT NULL,
    name TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('pending', 'running', 'done', 'already done', 'failed', 'skipped')),
    phase TEXT NOT NULL CHECK (phase IN ('observe', 'apply', 'settle')),
    tries INTEGER NOT NULL,
    n_attempts INTEGER NOT NULL,
    attempt_at INTEGER,
    has_applied INTEGER NOT NULL CHECK (has_applied IN (0, 1)),
    has_unknown_apply INTEGER NOT NULL CHECK (has_unknown_apply IN (0, 1)),
    began_at INTEGER,
    next_at INTEGER,
    offset_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    error TEXT NOT NULL,
    token TEXT NOT NULL,
    observed TEXT NOT NULL,
    PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;

CREATE TABLE attempt (
    run BLOB NOT NULL CHECK (length(run) = 16),
    step INTEGER NOT NULL,
    n INTEGER NOT NULL,
    phase TEXT NOT NULL CHECK (phase IN ('observe', 'apply', 'settle')),
    outcome TEXT NOT NULL CHECK (outcome IN ('started', 'ok', 'not yet', 'temporary', 'permanent', 'unknown', 'cancelled')),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    text TEXT NOT NULL,
    detail TEXT NOT NULL,
    PRIMARY KEY (run, step, n)
) STRICT, WITHOUT ROWID;

-- `text` is what was hashed; kind, service and at repeat it for the filters (service NULL: of none). Each index ends
-- with the seq by itself.
CREATE TABLE audit (
    seq INTEGER PRIMARY KEY CHECK (seq > 0),
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    service TEXT,
    text TEXT NOT NULL
) STRICT;
CREATE INDEX audit_kind ON audit (kind);
CREATE INDEX audit_service ON audit (service) WHERE service IS NOT NULL;
CREATE INDEX audit_service_kind ON audit (service, kind) WHERE service IS NOT NULL;

CREATE TABLE idempotency (
    who TEXT NOT NULL,
    key TEXT NOT NULL,
    request BLOB NOT NULL CHECK (length(request) = 32),
    run BLOB NOT NULL CHECK (length(run) = 16),
    at INTEGER NOT NULL,
    PRIMARY KEY (who, key)
) STRICT, WITHOUT ROWID;

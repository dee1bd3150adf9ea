-- Deciding well: votes say down or up and grow old, incidents begin with the first vote and keep what the shadow report
-- needs, runs may wait for a yes, services may be paused, and the log can be read incident by incident.

-- A CHECK cannot be changed in place.
CREATE TABLE alert_of_0003 (
    key BLOB PRIMARY KEY CHECK (length(key) = 16),
    source TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'resolved', 'up', 'unknown')),
    starts_at INTEGER,
    ends_at INTEGER,
    asserted_at INTEGER,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    delivery BLOB CHECK (length(delivery) = 16), -- NULL: none, it is a statement of the daemon's own
    n_matches INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO alert_of_0003 SELECT * FROM alert ORDER BY key;
DROP TABLE alert;
ALTER TABLE alert_of_0003 RENAME TO alert;

DROP TRIGGER match_added;
DROP TRIGGER match_removed;
ALTER TABLE match ADD COLUMN says TEXT NOT NULL DEFAULT 'down' CHECK (says IN ('down', 'up'));
CREATE TABLE vote_of_0003 (
    service TEXT NOT NULL,
    site TEXT NOT NULL,
    source TEXT NOT NULL,
    down INTEGER NOT NULL CHECK (down >= 0),
    up INTEGER NOT NULL CHECK (up >= 0),
    vote TEXT NOT NULL CHECK (vote IN ('unknown', 'down', 'up')), -- as the decision took it
    heard_at INTEGER, -- steady, as a timer's due_at
    offset_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    PRIMARY KEY (service, site, source)
) STRICT, WITHOUT ROWID;
INSERT INTO vote_of_0003 SELECT service, site, source, alerts, 0, iif(alerts > 0, 'down', 'unknown'), NULL, 0, '' FROM vote;
DROP TABLE vote;
ALTER TABLE vote_of_0003 RENAME TO vote;
CREATE TRIGGER match_added AFTER INSERT ON match BEGIN
    INSERT INTO vote (service, site, source, down, up, vote, offset_ms, boot_id)
        VALUES (new.service, new.site, new.source, new.says = 'down', new.says = 'up', 'unknown', 0, '')
        ON CONFLICT (service, site, source) DO UPDATE SET down = down + excluded.down, up = up + excluded.up;
END;
CREATE TRIGGER match_removed AFTER DELETE ON match BEGIN
    UPDATE vote SET down = down - (old.says = 'down'), up = up - (old.says = 'up')
        WHERE service = old.service AND site = old.site AND source = old.source;
END;

ALTER TABLE source ADD COLUMN heard_at INTEGER; -- steady, as a timer's due_at
ALTER TABLE source ADD COLUMN beat_at INTEGER;
ALTER TABLE source ADD COLUMN offset_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE source ADD COLUMN boot_id TEXT NOT NULL DEFAULT '';

CREATE TABLE timer_of_0003 (
    service TEXT NOT NULL,
    site TEXT NOT NULL,
    kind TEXT NOT NULL
        CHECK (kind IN ('hold', 'flap', 'cool_down', 'settle', 'approval', 'remind', 'failback')),
    count INTEGER NOT NULL,
    due_at INTEGER NOT NULL,
    offset_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    PRIMARY KEY (service, site, kind)
) STRICT, WITHOUT ROWID;
INSERT INTO timer_of_0003 SELECT service, site, kind, 0, due_at, offset_ms, boot_id FROM timer;
DROP TABLE timer;
ALTER TABLE timer_of_0003 RENAME TO timer;

ALTER TABLE incident ADD COLUMN stood_at INTEGER;
ALTER TABLE incident ADD COLUMN fell_at INTEGER;
ALTER TABLE incident ADD COLUMN most_votes INTEGER NOT NULL DEFAULT 0;
ALTER TABLE incident ADD COLUMN would_at INTEGER;
ALTER TABLE incident ADD COLUMN would_to TEXT NOT NULL DEFAULT '';
UPDATE incident SET stood_at = opened_at; -- until now an incident was opened when it first stood
CREATE INDEX incident_service ON incident (service, id);
CREATE INDEX incident_open_id ON incident (id) WHERE resolved_at IS NULL;

CREATE TABLE pause (
    service TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE run_of_0003 (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    service TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('failover', 'failback')),
    occasion TEXT NOT NULL CHECK (occasion IN ('outage', 'planned', 'failback')),
    is_ours INTEGER NOT NULL CHECK (is_ours IN (0, 1)),
    overrides TEXT NOT NULL, -- names of guards, a space between two
    from_site TEXT NOT NULL,
    to_site TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'running', 'attention', 'succeeded', 'cancelled')),
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
INSERT INTO run_of_0003
    SELECT id, service, direction, CASE direction WHEN 'failback' THEN 'failback' ELSE 'outage' END,
           started_by = 'decision', '', from_site, to_site, state, has_effect, is_cancelling, current, reason,
           started_by, incident, started_at, finished_at, error, playbook
    FROM run ORDER BY id;
DROP TABLE run;
ALTER TABLE run_of_0003 RENAME TO run;
CREATE INDEX run_service ON run (service, id, state);
CREATE INDEX run_state ON run (state, id);

-- Which incident an entry speaks of, as its text says too.
ALTER TABLE audit ADD COLUMN incident BLOB CHECK (length(incident) = 16);
CREATE INDEX audit_incident ON audit (incident) WHERE incident IS NOT NULL;

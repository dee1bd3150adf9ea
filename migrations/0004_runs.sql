-- Runs that survive anything: steps that go at the same time, debts, undoing, drills, and whether a move would work.

-- A CHECK cannot be changed in place.
CREATE TABLE run_of_0004 (
    id BLOB PRIMARY KEY CHECK (length(id) = 16),
    service TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('failover', 'failback')),
    occasion TEXT NOT NULL CHECK (occasion IN ('outage', 'planned', 'failback', 'drill')),
    is_ours INTEGER NOT NULL CHECK (is_ours IN (0, 1)),
    overrides TEXT NOT NULL, -- names of guards, a space between two
    from_site TEXT NOT NULL,
    to_site TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('waiting', 'running', 'attention', 'succeeded', 'failed', 'cancelled', 'undone')),
    has_effect INTEGER NOT NULL CHECK (has_effect IN (0, 1)),
    ending TEXT NOT NULL CHECK (ending IN ('none', 'cancel', 'stop', 'undo')),
    is_undoing INTEGER NOT NULL CHECK (is_undoing IN (0, 1)),
    current INTEGER NOT NULL,
    reason TEXT NOT NULL,
    started_by TEXT NOT NULL,
    incident BLOB CHECK (length(incident) = 16),
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    error TEXT NOT NULL,
    plan TEXT NOT NULL, -- the hash of the plan that it was started with; '': none
    playbook TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO run_of_0004
    SELECT id, service, direction, occasion, is_ours, overrides, from_site, to_site, state, has_effect,
           iif(is_cancelling, 'cancel', 'none'), 0, current, reason, started_by, incident, started_at, finished_at,
           error, '', playbook
    FROM run ORDER BY id;
DROP TABLE run;
ALTER TABLE run_of_0004 RENAME TO run;
CREATE INDEX run_service ON run (service, id, state);
CREATE INDEX run_state ON run (state, id);

-- `previous`: the arguments that put back what was found before the step's first effect, as JSON; '': there are none.
CREATE TABLE step_of_0004 (
    run BLOB NOT NULL CHECK (length(run) = 16),
    n INTEGER NOT NULL,
    name TEXT NOT NULL,
    action TEXT NOT NULL,
    state TEXT NOT NULL
        CHECK (state IN ('pending', 'running', 'done', 'already done', 'failed', 'skipped', 'undone', 'owed', 'unknown')),
    phase TEXT NOT NULL CHECK (phase IN ('observe', 'apply', 'settle')),
    tries INTEGER NOT NULL,
    n_attempts INTEGER NOT NULL,
    attempt_at INTEGER,
    has_applied INTEGER NOT NULL CHECK (has_applied IN (0, 1)),
    has_unknown_apply INTEGER NOT NULL CHECK (has_unknown_apply IN (0, 1)),
    is_undoing INTEGER NOT NULL CHECK (is_undoing IN (0, 1)),
    began_at INTEGER,
    next_at INTEGER,
    offset_ms INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    started_at INTEGER,
    finished_at INTEGER,
    error TEXT NOT NULL,
    token TEXT NOT NULL,
    observed TEXT NOT NULL,
    previous TEXT NOT NULL,
    PRIMARY KEY (run, n)
) STRICT, WITHOUT ROWID;
INSERT INTO step_of_0004
    SELECT run, n, name, action, state, phase, tries, n_attempts, attempt_at, has_applied, has_unknown_apply, 0,
           began_at, next_at, offset_ms, boot_id, started_at, finished_at, error, token, observed, ''
    FROM step ORDER BY run, n;
DROP TABLE step;
ALTER TABLE step_of_0004 RENAME TO step;
-- The few that go on behind the end of their run, or stand there as debts.
CREATE INDEX step_open ON step (run) WHERE state IN ('running', 'owed');

ALTER TABLE attempt ADD COLUMN is_undo INTEGER NOT NULL DEFAULT 0 CHECK (is_undo IN (0, 1));

-- What the last round found, by direction.
CREATE TABLE readiness (
    service TEXT NOT NULL,
    direction TEXT NOT NULL CHECK (direction IN ('failover', 'failback')),
    state TEXT NOT NULL CHECK (state IN ('unknown', 'ready', 'degraded', 'not ready')),
    since INTEGER NOT NULL,
    checked_at INTEGER NOT NULL,
    text TEXT NOT NULL,
    detail TEXT NOT NULL, -- JSON: the plan that was made of it
    PRIMARY KEY (service, direction)
) STRICT, WITHOUT ROWID;

-- The last drill of each kind, and the last that went well.
CREATE TABLE drill (
    service TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('plan', 'canary')),
    at INTEGER NOT NULL,
    is_good INTEGER NOT NULL CHECK (is_good IN (0, 1)),
    proven_at INTEGER, -- NULL: never
    text TEXT NOT NULL,
    run BLOB CHECK (length(run) = 16),
    PRIMARY KEY (service, kind)
) STRICT, WITHOUT ROWID;

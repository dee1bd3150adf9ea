-- Monitors of more kinds: an alert may be in a state that is neither up nor down, and says when its sender found it so
-- (asserted_at, the sender's clock); a delivery says of how many services it spoke, so that those that speak of none can
-- be shown.

ALTER TABLE delivery ADD COLUMN services INTEGER NOT NULL DEFAULT 1;
CREATE INDEX delivery_unmatched ON delivery (seq) WHERE services = 0;
-- Of one source, the newest first: each index ends with the seq by itself, and grows at the right edge of each source.
CREATE INDEX delivery_source ON delivery (source);
CREATE INDEX delivery_source_unmatched ON delivery (source) WHERE services = 0;

-- A CHECK cannot be changed in place.
CREATE TABLE alert_of_0002 (
    key BLOB PRIMARY KEY CHECK (length(key) = 16),
    source TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('firing', 'resolved', 'unknown')),
    starts_at INTEGER,
    ends_at INTEGER,
    asserted_at INTEGER,
    first_seen_at INTEGER NOT NULL,
    last_seen_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    count INTEGER NOT NULL,
    delivery BLOB NOT NULL CHECK (length(delivery) = 16),
    n_matches INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO alert_of_0002 (key, source, state, starts_at, ends_at, first_seen_at, last_seen_at, changed_at, count,
                           delivery, n_matches)
    SELECT key, source, state, starts_at, ends_at, first_seen_at, last_seen_at, changed_at, count, delivery, n_matches
    FROM alert ORDER BY key;
DROP TABLE alert;
ALTER TABLE alert_of_0002 RENAME TO alert;

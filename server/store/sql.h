/* Every statement of the store but the schema and the opening, by name; one unit test prepares them all, another looks
 * at their plans. A statement written anywhere else is neither counted nor tested. Columns and parameters are in the
 * order of the structs of store.h, which the code that binds and reads them follows. */
#ifndef TURNOUT_STORE_SQL_H
#define TURNOUT_STORE_SQL_H

#define RUN_COLUMNS                                                                                                    \
    "id, service, direction, occasion, is_ours, overrides, from_site, to_site, state, has_effect, ending, "            \
    "is_undoing, "                                                                                                     \
    "current, reason, started_by, incident, started_at, finished_at, error, plan"
#define STEP_COLUMNS                                                                                                   \
    "run, n, name, action, state, phase, tries, n_attempts, attempt_at, has_applied, has_unknown_apply, "              \
    "is_undoing, began_at, next_at, offset_ms, boot_id, started_at, finished_at, error, token, observed, previous"
#define DELIVERY_COLUMNS "seq, id, source, received_at, alerts, changed, services, length(body)"
#define TIMER_COLUMNS "service, site, kind, count, due_at, offset_ms, boot_id"
#define INCIDENT_COLUMNS                                                                                               \
    "id, service, site, opened_at, resolved_at, is_standing, stood_at, fell_at, most_votes, would_at, would_to, "      \
    "last_reason, run"
#define READINESS_COLUMNS "service, direction, state, since, checked_at, text"
#define VOTE_COLUMNS "service, site, source, down, up, vote, heard_at, offset_ms, boot_id"
#define DRILL_COLUMNS "service, kind, at, is_good, proven_at, text, run"
#define SOURCE_COLUMNS "name, open_alerts, heard_at, beat_at, offset_ms, boot_id"

/* Of a run: another one of its service has begun since, which ends what it may still write. A drill is none. */
#define RUN_IS_PAST                                                                                                    \
    "EXISTS (SELECT 1 FROM run AS newer INDEXED BY run_service WHERE newer.service = run.service "                     \
    "AND newer.id > run.id AND newer.occasion <> 'drill' "                                                             \
    "AND EXISTS (SELECT 1 FROM attempt WHERE attempt.run = newer.id))"

/* One row each; see batch.c. */
#define SQL_WRITE_LIST(X)                                                                                              \
    X(SQL_DELIVERY, "INSERT INTO delivery (seq, id, source, received_at, alerts, changed, services, sha256, body) "    \
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                              \
    X(SQL_ALERT, "INSERT OR REPLACE INTO alert (key, source, state, starts_at, ends_at, asserted_at, first_seen_at, "  \
                 "last_seen_at, changed_at, count, delivery, n_matches) "                                              \
                 "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                        \
    X(SQL_MATCH, "INSERT INTO match (key, service, site, source, says) VALUES (?, ?, ?, ?, ?) "                        \
                 "ON CONFLICT (key, service, site) DO NOTHING") /* the key holds the source: nothing to replace */     \
    X(SQL_MATCH_REMOVE, "DELETE FROM match WHERE key = ?")                                                             \
    X(SQL_VOTE, "INSERT INTO vote (" VOTE_COLUMNS ") VALUES (?, ?, ?, 0, 0, ?, ?, ?, ?) "                              \
                "ON CONFLICT (service, site, source) DO UPDATE SET vote = excluded.vote, "                             \
                "heard_at = excluded.heard_at, offset_ms = excluded.offset_ms, boot_id = excluded.boot_id")            \
    X(SQL_SOURCE, "INSERT OR REPLACE INTO source (" SOURCE_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?)")                      \
    X(SQL_PAUSE, "INSERT OR REPLACE INTO pause (service, at, who, reason) VALUES (?, ?, ?, ?)")                        \
    X(SQL_PAUSE_REMOVE, "DELETE FROM pause WHERE service = ?")                                                         \
    X(SQL_TIMER, "INSERT OR REPLACE INTO timer (" TIMER_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)")                      \
    X(SQL_TIMER_REMOVE, "DELETE FROM timer WHERE service = ? AND site = ? AND kind = ?")                               \
    X(SQL_INCIDENT, "INSERT OR REPLACE INTO incident (" INCIDENT_COLUMNS ") "                                          \
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                  \
    X(SQL_ACTIVE, "INSERT OR REPLACE INTO active (service, since, kind, site) VALUES (?, ?, ?, ?)")                    \
    X(SQL_ACTIVE_HISTORY, "INSERT OR REPLACE INTO active_history (service, since, kind, site) VALUES (?, ?, ?, ?)")    \
    X(SQL_RUN, "INSERT OR REPLACE INTO run (" RUN_COLUMNS ", playbook) "                                               \
               "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                               \
    X(SQL_STEP, "INSERT OR REPLACE INTO step (" STEP_COLUMNS ") "                                                      \
                "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                           \
    X(SQL_ATTEMPT, "INSERT OR REPLACE INTO attempt (run, step, n, phase, is_undo, outcome, started_at, finished_at, "  \
                   "text, detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                              \
    X(SQL_DRILL, "INSERT OR REPLACE INTO drill (" DRILL_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?)")                      \
    X(SQL_READINESS, "INSERT OR REPLACE INTO readiness (" READINESS_COLUMNS ", detail) VALUES (?, ?, ?, ?, ?, ?, ?)")  \
    X(SQL_ALERT_REMOVE, "DELETE FROM alert WHERE key = ?")                                                             \
    X(SQL_DELIVERY_REMOVE, "DELETE FROM delivery WHERE seq = ?")                                                       \
    X(SQL_GIVE_BACK, "PRAGMA incremental_vacuum(32)")                                                                  \
    X(SQL_AUDIT, "INSERT INTO audit (seq, hash, at, kind, service, text, incident) VALUES (?, ?, ?, ?, ?, ?, ?)")      \
    X(SQL_IDEMPOTENCY, "INSERT INTO idempotency (who, key, request, run, at) VALUES (?, ?, ?, ?, ?)")

/* Of the writer's connection; services are read by the same. */
#define SQL_WRITER_LIST(X)                                                                                             \
    X(SQL_BEGIN, "BEGIN IMMEDIATE")                                                                                    \
    X(SQL_COMMIT, "COMMIT")                                                                                            \
    X(SQL_ROLLBACK, "ROLLBACK")                                                                                        \
    X(SQL_EPOCH_RAISE, "UPDATE epoch SET epoch = epoch + 1")                                                           \
    X(SQL_EPOCH, "SELECT epoch FROM epoch")                                                                            \
    X(SQL_ALERT_GET, "SELECT state, starts_at, ends_at, asserted_at, first_seen_at, last_seen_at, changed_at, count, " \
                     "delivery, n_matches FROM alert WHERE key = ?")                                                   \
    X(SQL_MATCHES_GET, "SELECT service, site, source, says FROM match WHERE key = ? ORDER BY service, site")           \
    X(SQL_ALERT_AGES,                                                                                                  \
      "SELECT key, last_seen_at, state = 'firing' OR (n_matches > 0 AND state <> 'up'), n_matches > 0 FROM alert "     \
      "WHERE key > ? ORDER BY key LIMIT ?")                                                                            \
    X(SQL_DELIVERY_AGES, "SELECT seq, received_at, length(body) FROM delivery WHERE seq > ? ORDER BY seq LIMIT ?")     \
    X(SQL_PAGES, "SELECT freelist_count, page_count FROM pragma_freelist_count, pragma_page_count")                    \
    X(SQL_AUDIT_LAST, "SELECT at FROM audit ORDER BY seq DESC LIMIT 1")                                                \
    X(SQL_AUDIT_LAST_OF_KIND, "SELECT at FROM audit WHERE kind = ? ORDER BY seq DESC LIMIT 1")                         \
    X(SQL_LOAD_VOTES, "SELECT " VOTE_COLUMNS " FROM vote WHERE down > 0 OR up > 0 OR vote <> 'unknown' "               \
                      "ORDER BY service, site, source")                                                                \
    X(SQL_LOAD_SOURCES, "SELECT " SOURCE_COLUMNS " FROM source ORDER BY name")                                         \
    X(SQL_LOAD_PAUSES, "SELECT service, at, who, reason FROM pause ORDER BY service")                                  \
    X(SQL_LOAD_TIMERS, "SELECT " TIMER_COLUMNS " FROM timer ORDER BY service, site, kind")                             \
    X(SQL_LOAD_INCIDENTS, "SELECT " INCIDENT_COLUMNS " FROM incident WHERE resolved_at IS NULL "                       \
                          "ORDER BY service, site, id")                                                                \
    X(SQL_LOAD_ACTIVE, "SELECT service, since, kind, site FROM active ORDER BY service")                               \
    X(SQL_LOAD_ACTIVE_HISTORY,                                                                                         \
      "SELECT service, since, kind, site FROM active_history WHERE service = ?1 AND since <> ?3 AND since >= "         \
      "coalesce((SELECT max(since) FROM active_history WHERE service = ?1 AND since < ?2), ?2) ORDER BY since")        \
    X(SQL_LOAD_RUNS,                                                                                                   \
      "SELECT " RUN_COLUMNS ", playbook, " RUN_IS_PAST " FROM run WHERE state IN ('waiting', 'running', 'attention') " \
      "OR id IN (SELECT run FROM step WHERE state IN ('running', 'owed')) ORDER BY id")                                \
    X(SQL_LOAD_STEPS,                                                                                                  \
      "SELECT " STEP_COLUMNS " FROM step WHERE run IN (SELECT id FROM run WHERE state IN ('waiting', 'running', "      \
      "'attention') UNION SELECT run FROM step WHERE state IN ('running', 'owed')) ORDER BY run, n")                   \
    X(SQL_LOAD_DRILLS, "SELECT " DRILL_COLUMNS " FROM drill ORDER BY service, kind")                                   \
    X(SQL_LOAD_READINESS, "SELECT " READINESS_COLUMNS " FROM readiness ORDER BY service, direction")                   \
    X(SQL_STEP_TIMES,                                                                                                  \
      "SELECT name, finished_at - started_at FROM step WHERE run IN (SELECT id FROM run INDEXED BY run_service "       \
      "WHERE service = ?1 AND state = 'succeeded' ORDER BY id DESC LIMIT ?2) AND state = 'done' "                      \
      "AND finished_at >= started_at")                                                                                 \
    X(SQL_AUDIT_HEAD, "SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")                                         \
    X(SQL_DELIVERY_HEAD, "SELECT max(seq) FROM delivery")                                                              \
    X(SQL_IDEMPOTENCY_GET, "SELECT request, run FROM idempotency WHERE who = ? AND key = ?")                           \
    X(SQL_RUN_NEWEST, "SELECT id FROM run ORDER BY id DESC LIMIT 1")                                                   \
    X(SQL_RUN_IS_KNOWN, "SELECT 1 FROM run WHERE id = ?")

/* Of readers. The parameters of the five streams are service, kind, before, limit, whichever of them there are; of the
 * deliveries source, before, limit; of the incidents service, before, limit. */
#define SQL_READER_LIST(X)                                                                                             \
    X(SQL_READ_BEGIN, "BEGIN")                                                                                         \
    X(SQL_READ_END, "COMMIT")                                                                                          \
    X(SQL_AUDIT_SEQS, "SELECT seq FROM audit WHERE seq < ?3 ORDER BY seq DESC LIMIT ?4")                               \
    X(SQL_AUDIT_SEQS_OF_KIND, "SELECT seq FROM audit WHERE kind = ?2 AND seq < ?3 ORDER BY seq DESC LIMIT ?4")         \
    X(SQL_AUDIT_SEQS_OF_SERVICE, "SELECT seq FROM audit WHERE service = ?1 AND seq < ?3 ORDER BY seq DESC LIMIT ?4")   \
    X(SQL_AUDIT_SEQS_OF_BOTH, "SELECT seq FROM audit INDEXED BY audit_service_kind WHERE service = ?1 AND kind = ?2 "  \
                              "AND seq < ?3 ORDER BY seq DESC LIMIT ?4")                                               \
    X(SQL_AUDIT_NEXT_KIND, "SELECT min(kind) FROM audit WHERE kind > ?2")                                              \
    X(SQL_AUDIT_NEXT_KIND_OF_SERVICE, "SELECT min(kind) FROM audit INDEXED BY audit_service_kind "                     \
                                      "WHERE service = ?1 AND kind > ?2")                                              \
    X(SQL_AUDIT_GET, "SELECT hash, text FROM audit WHERE seq = ?")                                                     \
    X(SQL_AUDIT_SCAN, "SELECT seq, hash, text, kind, service, at, incident FROM audit WHERE seq > ? "                  \
                      "ORDER BY seq LIMIT ?")                                                                          \
    X(SQL_INCIDENTS, "SELECT " INCIDENT_COLUMNS " FROM incident WHERE id < ?3 ORDER BY id DESC LIMIT ?4")              \
    X(SQL_INCIDENTS_OF_SERVICE, "SELECT " INCIDENT_COLUMNS " FROM incident INDEXED BY incident_service "               \
                                "WHERE service = ?1 AND id < ?3 ORDER BY id DESC LIMIT ?4")                            \
    X(SQL_INCIDENTS_OPEN, "SELECT " INCIDENT_COLUMNS " FROM incident INDEXED BY incident_open_id "                     \
                          "WHERE resolved_at IS NULL AND id < ?3 ORDER BY id DESC LIMIT ?4")                           \
    X(SQL_INCIDENTS_OPEN_OF_SERVICE,                                                                                   \
      "SELECT " INCIDENT_COLUMNS " FROM incident INDEXED BY incident_open "                                            \
      "WHERE resolved_at IS NULL AND service = ?1 AND id < ?3 ORDER BY id DESC LIMIT ?4")                              \
    X(SQL_INCIDENT_GET, "SELECT " INCIDENT_COLUMNS " FROM incident WHERE id = ?")                                      \
    X(SQL_INCIDENT_CHAIN, "SELECT seq, hash, text FROM audit INDEXED BY audit_incident "                               \
                          "WHERE incident = ? AND seq > ? ORDER BY seq LIMIT ?")                                       \
    X(SQL_INCIDENT_CHAIN_END, "SELECT seq, hash, text FROM audit INDEXED BY audit_incident "                           \
                              "WHERE incident = ? AND seq > ? ORDER BY seq DESC LIMIT ?")                              \
    X(SQL_INCIDENT_CHAIN_LENGTH, "SELECT count(*) FROM audit WHERE incident = ?")                                      \
    X(SQL_SERVICE_NAMES, "SELECT service FROM active UNION SELECT service FROM vote "                                  \
                         "WHERE down > 0 OR up > 0 OR vote <> 'unknown' UNION SELECT service FROM pause "              \
                         "UNION SELECT service FROM timer UNION SELECT service FROM incident "                         \
                         "WHERE resolved_at IS NULL UNION SELECT service FROM run "                                    \
                         "UNION SELECT service FROM drill UNION SELECT service FROM readiness ORDER BY 1")             \
    X(SQL_SERVICE_ACTIVE, "SELECT service, kind, site, since FROM active")                                             \
    X(SQL_SERVICE_RUNS, "SELECT " RUN_COLUMNS " FROM run WHERE id IN "                                                 \
                        "(SELECT max(id) FROM run WHERE occasion <> 'drill' GROUP BY service)")                        \
    X(SQL_SERVICE_DEBTS, "SELECT run.service, run.id, run.from_site, step.n, step.name, step.error, " RUN_IS_PAST      \
                         " FROM step JOIN run ON run.id = step.run "                                                   \
                         "WHERE step.state IN ('running', 'owed') AND step.state = 'owed' ORDER BY step.run, step.n")  \
    X(SQL_READINESS_GET, "SELECT " READINESS_COLUMNS ", detail FROM readiness WHERE service = ?")                      \
    X(SQL_RUNS, "SELECT " RUN_COLUMNS " FROM run WHERE id < ?3 ORDER BY id DESC LIMIT ?4")                             \
    X(SQL_RUNS_OF_SERVICE, "SELECT " RUN_COLUMNS " FROM run WHERE service = ?1 AND id < ?3 ORDER BY id DESC LIMIT ?4") \
    X(SQL_RUNS_IN_STATE, "SELECT " RUN_COLUMNS " FROM run WHERE state = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4")     \
    X(SQL_RUNS_OF_SERVICE_IN_STATE, "SELECT " RUN_COLUMNS " FROM run INDEXED BY run_service "                          \
                                    "WHERE service = ?1 AND state = ?2 AND id < ?3 ORDER BY id DESC LIMIT ?4")         \
    X(SQL_RUN_GET, "SELECT " RUN_COLUMNS ", playbook FROM run WHERE id = ?")                                           \
    X(SQL_RUN_STEPS, "SELECT " STEP_COLUMNS " FROM step WHERE run = ? ORDER BY n")                                     \
    X(SQL_DELIVERIES, "SELECT " DELIVERY_COLUMNS " FROM delivery WHERE seq < ?2 ORDER BY seq DESC LIMIT ?3")           \
    X(SQL_DELIVERIES_OF_SOURCE, "SELECT " DELIVERY_COLUMNS " FROM delivery INDEXED BY delivery_source "                \
                                "WHERE source = ?1 AND seq < ?2 ORDER BY seq DESC LIMIT ?3")                           \
    X(SQL_DELIVERIES_UNMATCHED, "SELECT " DELIVERY_COLUMNS " FROM delivery INDEXED BY delivery_unmatched "             \
                                "WHERE services = 0 AND seq < ?2 ORDER BY seq DESC LIMIT ?3")                          \
    X(SQL_DELIVERIES_UNMATCHED_OF_SOURCE,                                                                              \
      "SELECT " DELIVERY_COLUMNS " FROM delivery INDEXED BY delivery_source_unmatched "                                \
      "WHERE source = ?1 AND services = 0 AND seq < ?2 ORDER BY seq DESC LIMIT ?3")                                    \
    X(SQL_DELIVERY_GET, "SELECT " DELIVERY_COLUMNS ", substr(body, 1, ?2) FROM delivery WHERE id = ?1")                \
    X(SQL_SOURCE_GET, "SELECT (SELECT open_alerts FROM source WHERE name = ?1), "                                      \
                      "(SELECT received_at FROM delivery INDEXED BY delivery_source "                                  \
                      "WHERE source = ?1 ORDER BY seq DESC LIMIT 1)")                                                  \
    X(SQL_STEP_ATTEMPTS, "SELECT n, phase, is_undo, outcome, text, started_at, finished_at, detail FROM attempt "      \
                         "WHERE run = ? AND step = ? ORDER BY n DESC LIMIT ?")                                         \
    X(SQL_ATTEMPT_IS_CURRENT,                                                                                          \
      "SELECT count(*) FROM run JOIN step ON step.run = run.id JOIN attempt ON attempt.run = run.id "                  \
      "AND attempt.step = step.n AND attempt.n = step.n_attempts WHERE run.id = ? AND step.n = ? AND attempt.n = ? "   \
      "AND attempt.outcome = 'started' AND run.ending = 'none' AND (step.state = 'owed' "                              \
      "OR (step.state = 'running' AND run.state IN ('running', 'attention'))) AND NOT " RUN_IS_PAST)

enum sql {
#define X(name, text) name,
    SQL_WRITE_LIST(X) SQL_WRITER_LIST(X) SQL_READER_LIST(X)
#undef X
        SQL_COUNT,
};

extern const char *const sql_texts[SQL_COUNT];

#endif

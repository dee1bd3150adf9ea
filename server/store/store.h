/* All SQL. The verbs are read (queries) and write (statements, all or nothing): no read steers a later statement of the
 * same write, and no transaction is open between two calls.
 *
 * `struct store` belongs to the orchestrator's thread (the one writer); `struct store_reader` is a read-only
 * connection, one per thread that reads pages. Ids, audit sequence and hashes come from the caller.
 * Times are wall milliseconds unless said otherwise; in the JSON that readers give they are RFC 3339, and null where
 * the row has 0. Everything may fail with ERR_BUSY (locked by another process for 2 s), ERR_IO, ERR_NO_MEMORY. */
#ifndef TURNOUT_STORE_STORE_H
#define TURNOUT_STORE_STORE_H

#include "base/digest.h"
#include "base/err.h"
#include "base/id.h"
#include "base/strbuf.h"
#include "core/alert.h"
#include "core/vocabulary.h"

#include <jansson.h>

struct store;
struct store_reader;

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* Takes the lock beside the database (FILE.lock, held for life; ERR_BUSY with the holder's pid), opens or makes the
 * file (0600), migrates after taking a copy (FILE.before-NNNN, NNNN the first migration of several), raises the epoch.
 * ERR_INVALID: not ours, or from a newer version, with what to do; ERR_FULL; ERR_IO. */
MUST_CHECK enum err store_open(const char *path, struct store **ret, struct errmsg *why);
void store_close(struct store *store); /* checkpoints; accepts NULL */
/* Only the lock, for who works without the database and wants no daemon beside: errors as above. */
MUST_CHECK enum err store_hold(const char *path, int *ret, struct errmsg *why);
void store_let_go(int held); /* accepts -1 */
int64_t store_epoch(const struct store *store);

/* ---- rows -------------------------------------------------------------------------------------------------------- */

struct delivery_row {
    int64_t seq; /* rowid: ascending */
    struct id id;
    const char *source;
    int64_t received_at;
    int alerts, changed;
    int services; /* that its alerts speak of, each alert counted for itself */
    uint8_t sha256[32];
    const char *body;
    size_t body_len;
};

struct match_row { /* an alert's opinion; removed when it has none any more */
    struct alert_key key;
    const char *service, *site, *source;
    enum vote says; /* down or up */
};

struct vote_row { /* of a voter on a site */
    const char *service, *site, *source;
    int64_t down, up; /* alerts that say so: these follow from the match rows, and are only read */
    enum vote vote;   /* as the decision took it */
    int64_t heard_at; /* steady, of the process with offset_ms/boot_id: see clock_due_from_stored(). 0: never noted */
    int64_t offset_ms;
    const char *boot_id;
};

struct source_row {
    const char *name;
    int64_t open_alerts;
    int64_t heard_at, beat_at; /* steady, likewise; 0: never */
    int64_t offset_ms;
    const char *boot_id;
};

struct pause_row { /* of a service; there is none when it is not paused */
    const char *service;
    int64_t at; /* wall */
    const char *who, *reason;
};

struct timer_row {
    const char *service, *site; /* site "" for timers of the service */
    enum timer_kind kind;
    int count;         /* of TIMER_FLAP: breaks; else 0 */
    int64_t due_at;    /* steady ms of the process that made it */
    int64_t offset_ms; /* clock_offset_ms() of that process */
    const char *boot_id;
};

struct incident_row {
    struct id id;
    const char *service, *site;
    int64_t opened_at, resolved_at; /* resolved_at 0: open */
    bool is_standing;
    int64_t stood_at; /* when it first stood; 0: it never did */
    int64_t fell_at;  /* when it last ceased to stand; 0: it has not, since it last stood */
    int most_votes;   /* down votes at once */
    /* In shadow mode: the run that would have been started first. 0 and "": none would have */
    int64_t would_at;
    const char *would_to;
    const char *last_reason; /* reason_text(): last recorded for not acting */
    struct id run;           /* nil: none was started for it */
};

struct active_row {
    const char *service;
    int64_t since;
    enum active_kind kind;
    const char *site; /* "" when none */
};

struct run_row {
    struct id id;
    const char *service;
    enum direction direction;
    enum occasion occasion;
    bool is_ours;          /* see struct service_view */
    const char *overrides; /* guards that its operator overrides: see overrides_text() */
    const char *from, *to; /* from "" when not known */
    enum run_state state;
    bool has_effect;
    enum ending ending;
    bool is_undoing;
    int current;
    const char *reason, *started_by; /* "operator NAME" or "decision" */
    struct id incident;              /* nil: none */
    int64_t started_at, finished_at; /* 0: not finished */
    const char *error;               /* last failure, "" */
    const char *plan;                /* hash of the plan that it was started with, "" */
    const char *playbook;            /* JSON array of the steps as resolved for this run: see orchestrator */
    bool is_past;                    /* only read: another run of the service has begun since */
};

struct step_row {
    struct id run;
    int n;
    const char *name, *action;
    enum step_state state;
    enum phase phase;
    int tries, n_attempts;
    int64_t attempt_at; /* wall: when the attempt under way was journaled; 0: none is */
    bool has_applied, has_unknown_apply, is_undoing;
    int64_t began_at, next_at; /* steady, of the process with offset_ms/boot_id below */
    int64_t offset_ms;
    const char *boot_id;
    int64_t started_at, finished_at; /* wall */
    const char *error;
    const char *token;    /* JSON of the last accepted apply, "" */
    const char *observed; /* JSON token of the last observe, "" */
    const char *previous; /* JSON: the arguments that put back what was found before its first effect, "" */
};

struct attempt_row {
    struct id run;
    int step, n;
    enum phase phase;
    bool is_undo;
    enum outcome outcome;
    int64_t started_at, finished_at; /* 0: not finished */
    const char *text;
    const char *detail; /* JSON: {"current", "desired", "is_right", "requests"}; "" */
};

struct drill_row { /* the last one of its kind */
    const char *service;
    enum drill_kind kind;
    int64_t at;
    bool is_good;
    int64_t proven_at; /* when one last went well; 0: never */
    const char *text;
    struct id run; /* nil: it was none */
};

struct readiness_row { /* what the last round found, of one direction */
    const char *service;
    enum direction direction;
    enum readiness state;
    int64_t since, checked_at;
    const char *text;
    const char *detail; /* JSON: the plan that was made of it. Not read by store_load() */
};

struct audit_row {
    int64_t seq;
    struct sha256 hash;         /* SHA-256(hash of seq - 1, text); of seq 1: SHA-256(32 zero bytes, text) */
    const char *text;           /* canonical JSON, stored and exported as these bytes */
    const char *kind, *service; /* for the filters; service "" */
    struct id incident;         /* likewise, as its text names it; nil: none */
    int64_t at;
};

/* ---- write ------------------------------------------------------------------------------------------------------- */

/* A list of row-writes; each row is written whole (insert, or replace by its key). Pointers in rows are borrowed until
 * the commit; batch_keep() copies a string into the batch's own memory. A batch that ran out of memory fails at
 * commit. */
struct store_batch;

struct store_batch *batch_new(void);
void batch_free(struct store_batch *batch);
void batch_clear(struct store_batch *batch);
size_t batch_size(const struct store_batch *batch);
const char *batch_keep(struct store_batch *batch, const char *text); /* copies; "" when out of memory or NULL */

void batch_delivery(struct store_batch *batch, const struct delivery_row *row);
void batch_alert(struct store_batch *batch, const struct alert_row *row,
                 const char *source); /* insert or replace by key */
void batch_alert_remove(struct store_batch *batch, const struct alert_key *key);
void batch_delivery_remove(struct store_batch *batch, int64_t seq);
void batch_give_back(struct store_batch *batch); /* up to 32 free pages, to the file system */
void batch_match(struct store_batch *batch, const struct match_row *row);
void batch_match_remove(struct store_batch *batch, const struct alert_key *key); /* all of the alert */
void batch_source(struct store_batch *batch, const struct source_row *row);
void batch_vote(struct store_batch *batch, const struct vote_row *row);
void batch_pause(struct store_batch *batch, const struct pause_row *row);
void batch_pause_remove(struct store_batch *batch, const char *service);
void batch_timer(struct store_batch *batch, const struct timer_row *row);
void batch_timer_remove(struct store_batch *batch, const char *service, const char *site, enum timer_kind kind);
void batch_incident(struct store_batch *batch, const struct incident_row *row);
void batch_active(struct store_batch *batch, const struct active_row *row);
void batch_run(struct store_batch *batch, const struct run_row *row);
void batch_step(struct store_batch *batch, const struct step_row *row);
void batch_attempt(struct store_batch *batch, const struct attempt_row *row);
void batch_drill(struct store_batch *batch, const struct drill_row *row);
void batch_readiness(struct store_batch *batch, const struct readiness_row *row);
void batch_audit(struct store_batch *batch, const struct audit_row *row);
void batch_idempotency(struct store_batch *batch, const char *who, const char *key, const struct sha256 *request,
                       const struct id *run, int64_t at);

/* BEGIN IMMEDIATE, epoch check, all rows, COMMIT (synchronous=FULL). ERR_CONFLICT: a constraint or an overtaken epoch;
 * ERR_FULL: disk full; ERR_BUSY: locked; ERR_IO. After an error nothing of the batch is in the database. The batch is
 * not cleared. Runs a checkpoint by itself when the WAL has 500 pages. */
MUST_CHECK enum err store_write(struct store *store, struct store_batch *batch, struct errmsg *why);

/* How long the last write waited for the disk: its commit, and the checkpoint after it. */
int64_t store_commit_ms(const struct store *store);

/* ---- read, on the writer's connection ---------------------------------------------------------------------------- */

/* Looks the keys up; rows[i].exists says whether it was there; rows[i].key and .source are left as given. */
MUST_CHECK enum err store_alerts_get(struct store *store, struct alert_row *rows, size_t n, struct errmsg *why);

/* The match rows of one alert (alert_row.n_matches of them). */
MUST_CHECK enum err store_matches_get(struct store *store, const struct alert_key *key,
                                      void (*take)(void *context, const struct match_row *row), void *context,
                                      struct errmsg *why);

/* For pruning: rows in the order of their keys behind `after`, at most `limit`, until `take` gives false. */
struct alert_age {
    struct alert_key key;
    int64_t last_seen_at;
    bool is_needed;   /* fires */
    bool has_matches; /* votes: what it says has to be withdrawn before it goes */
};
MUST_CHECK enum err store_alert_ages(struct store *store, const struct alert_key *after, int limit,
                                     bool (*take)(void *context, const struct alert_age *age), void *context,
                                     struct errmsg *why);
struct delivery_age {
    int64_t seq, received_at, body_len;
};
MUST_CHECK enum err store_delivery_ages(struct store *store, int64_t after, int limit,
                                        bool (*take)(void *context, const struct delivery_age *age), void *context,
                                        struct errmsg *why);
/* Pages of the file that hold nothing, and all. */
MUST_CHECK enum err store_pages(struct store *store, int64_t *ret_free, int64_t *ret_all, struct errmsg *why);
/* When the newest audit entry (kind NULL: of any kind) was written; TIME_UNKNOWN: there is none. */
MUST_CHECK enum err store_audit_last(struct store *store, const char *kind, int64_t *ret_at, struct errmsg *why);

/* Everything the orchestrator keeps in memory, in the order of the keys; each function calls `take` for each row, whose
 * pointers are good during the call. */
struct store_state_taker {
    void *context;
    void (*vote)(void *context, const struct vote_row *row); /* with alerts, or a vote without any */
    void (*source)(void *context, const struct source_row *row);
    void (*pause)(void *context, const struct pause_row *row);
    void (*timer)(void *context, const struct timer_row *row);
    void (*incident)(void *context, const struct incident_row *row); /* open ones */
    void (*active)(void *context, const struct active_row *row);     /* per service: the latest, and those of the last
                                                                         `active_since` and the one before; ascending */
    void (*run)(void *context, const struct run_row *row);     /* unfinished ones, and those with steps that go on */
    void (*step)(void *context, const struct step_row *row);   /* of these, by run and n */
    void (*drill)(void *context, const struct drill_row *row); /* the last of each kind */
    void (*readiness)(void *context, const struct readiness_row *row);
};
MUST_CHECK enum err store_load(struct store *store, int64_t active_since, const struct store_state_taker *taker,
                               struct errmsg *why);
/* The end of the audit chain: seq 0 and zero bytes when empty. And the last delivery's seq. */
MUST_CHECK enum err store_audit_head(struct store *store, int64_t *ret_seq, struct sha256 *ret_hash,
                                     int64_t *ret_delivery_seq, struct errmsg *why);
/* ERR_NOT_FOUND when the key is new. */
MUST_CHECK enum err store_idempotency_get(struct store *store, const char *who, const char *key,
                                          struct sha256 *ret_request, struct id *ret_run, struct errmsg *why);
/* Whether a daemon holds the database; *ret_pid is what its lock file says, 0 where it says nothing. Changes nothing.
 */
bool store_is_held(const char *path, long *ret_pid);
/* The run with the greatest id; nil when there is none. */
MUST_CHECK enum err store_run_newest(struct store *store, struct id *ret, struct errmsg *why);
/* Whether there is such a run, finished or not. */
MUST_CHECK enum err store_run_is_known(struct store *store, const struct id *id, bool *ret, struct errmsg *why);
/* How long the steps of the service's last succeeded runs took that had something to do, STORE_PAST_RUNS of them at
 * most.
 */
#define STORE_PAST_RUNS 20
MUST_CHECK enum err store_step_times(struct store *store, const char *service,
                                     void (*take)(void *context, const char *step, int64_t took_ms), void *context,
                                     struct errmsg *why);
/* Free bytes on the database's file system, for unprivileged users, and its size. */
MUST_CHECK enum err store_disk_free(const struct store *store, int64_t *ret_free, int64_t *ret_size);

struct store_stats {
    int64_t commits, failed_commits, wal_bytes, checkpoints;
};
void store_stats_get(struct store *store, struct store_stats *ret); /* any thread */

/* ---- read pages, any thread with its own reader ------------------------------------------------------------------ */

/* Needs no daemon, and disturbs none that has the database open. A file that cannot be written (another's, a read-only
 * file system) can be read as well. ERR_NOT_FOUND: no such file; ERR_INVALID: not ours, or of another schema. */
MUST_CHECK enum err store_reader_open(const char *path, struct store_reader **ret, struct errmsg *why);
void store_reader_close(struct store_reader *reader); /* accepts NULL */

/* Newest first, seq < before (0: from the end), at most `limit` (1..500). service/kind NULL: any. `kind` matches a
 * whole kind ("run.started") or, ending in '.', a prefix ("run."). Each item: {"seq", "hash", "entry": {…}}.
 * *ret_next: `before` of the next page, 0 when there is none. */
MUST_CHECK enum err store_audit_page(struct store_reader *reader, int64_t before, int limit, const char *service,
                                     const char *kind, json_t **ret_items, int64_t *ret_next, struct errmsg *why);
/* In order from seq > after: at most `limit` entries as they stand; for export and verify. Calls `take`, which must not
 * wait for anything; the read transaction ends before this returns. */
MUST_CHECK enum err store_audit_scan(struct store_reader *reader, int64_t after, int limit,
                                     void (*take)(void *context, const struct audit_row *row), void *context,
                                     int *ret_count, struct errmsg *why);

struct audit_verdict {
    bool is_intact;
    int64_t first_seq, last_seq, count;
    struct sha256 head;
    int64_t broken_seq; /* 0 when intact */
    char text[256];     /* what is wrong there, or "intact" */
};
/* Walks the whole chain in pages of 1,000; for minutes when it is very long. An entry that was changed, put elsewhere,
 * taken out, or whose filter columns disagree with its text is found; entries taken off at the newest end are not. */
MUST_CHECK enum err store_audit_verify(struct store_reader *reader, struct audit_verdict *ret, struct errmsg *why);

/* The state of every service that has any, as the last commit left it, in the order of names: an array of
 * {"name", "active": "site"|"moving"|"split"|"unknown", "active_site": SITE|null, "active_since": T|null,
 *  "votes": [{"site", "source", "down", "up", "vote", "heard_at", "offset_ms", "boot_id"}],
 *  "timers": [{"kind", "site", "count", "due_at", "offset_ms", "boot_id"}],
 *  "incidents": [open ones, as store_incident_get() gives them],
 *  "paused": {"at": T, "who", "reason"}|null,
 *  "readiness": as store_readiness_get() gives it, without the plans,
 *  "run": the latest run without steps, or null,
 *  "debts": [{"run", "site": SITE|null, "step", "name", "error", "is_past"}],
 *  "drills": [{"kind", "at": T, "is_good", "proven_at": T|null, "text", "run": UUID|null}]}. due_at and heard_at are no
 * T: see clock_due_from_stored(). */
MUST_CHECK enum err store_services(struct store_reader *reader, json_t **ret, struct errmsg *why);

/* {"failover": {"state", "since": T, "checked_at": T, "text", "plan": {…}|null}, "failback": …}, each null where nobody
 * has looked. */
MUST_CHECK enum err store_readiness_get(struct store_reader *reader, const char *service, json_t **ret,
                                        struct errmsg *why);

/* Incidents newest first, in UUID order; `before` nil: from the newest; at most `limit` (1..500); service NULL: any;
 * only those that are open. Each item: {"id", "service", "site", "opened_at": T, "resolved_at": T|null, "is_standing",
 * "stood_at": T|null, "fell_at": T|null, "most_votes", "would_at": T|null, "would_to": SITE|null,
 * "reason": reason_text(), "run": UUID|null}. *ret_next: nil when there is no more. */
MUST_CHECK enum err store_incidents_page(struct store_reader *reader, const struct id *before, int limit,
                                         const char *service, bool is_open, json_t **ret_items, struct id *ret_next,
                                         struct errmsg *why);
/* One of them, with "chain": the audit entries that name it, in order, as store_audit_page() gives them, the first
 * STORE_MAX_CHAIN / 2 and the last, and "left_out": how many between these are not there. ERR_NOT_FOUND. */
#define STORE_MAX_CHAIN 1000
MUST_CHECK enum err store_incident_get(struct store_reader *reader, const struct id *id, json_t **ret,
                                       struct errmsg *why);

/* Runs newest first, in UUID order; `before` nil: from the newest; at most `limit` (1..500); service/state NULL: any.
 * Each item: {"id", "service", "kind", "occasion", "is_ours", "overrides", "from": SITE|null, "to", "state",
 * "has_effect", "ending": "cancel"|"stop"|"undo"|null, "is_undoing", "plan": HASH|null, "reason", "started_by",
 * "incident": UUID|null, "started_at": T, "finished_at": T|null, "error"}. *ret_next: nil when there is no more. */
MUST_CHECK enum err store_runs_page(struct store_reader *reader, const struct id *before, int limit,
                                    const char *service, const char *state, json_t **ret_items, struct id *ret_next,
                                    struct errmsg *why);
/* Deliveries newest first, seq < before (0: from the end), at most `limit` (1..500); source NULL: any; those that spoke
 * of no service only. Each item: {"id", "source", "received_at": T, "alerts", "changed", "services", "body_bytes"}.
 * *ret_next: `before` of the next page, 0 when there is none. */
MUST_CHECK enum err store_deliveries_page(struct store_reader *reader, int64_t before, int limit, const char *source,
                                          bool is_unmatched, json_t **ret_items, int64_t *ret_next, struct errmsg *why);
/* One of them, and the first `max` bytes of its body, added to `ret_body`. ERR_NOT_FOUND. */
MUST_CHECK enum err store_delivery_get(struct store_reader *reader, const struct id *id, size_t max, json_t **ret,
                                       struct strbuf *ret_body, struct errmsg *why);
/* What is stored of a source: how many of its alerts fire, and when its last delivery came that changed anything (0:
 * none did). One that nothing is known of has no alerts. */
MUST_CHECK enum err store_source_get(struct store_reader *reader, const char *source, int64_t *ret_open_alerts,
                                     int64_t *ret_last_at, struct errmsg *why);
/* One run with "timing" (see run.c), "debts": how many steps are owed, and "steps": [{"n", "name", "action",
 * "state", "is_undoing", "is_measure", "is_point_of_no_return", "group", "on_failure", "previous": {…}|null, "error",
 * "started_at": T|null, "finished_at": T|null, "n_attempts", "attempts": [{"n", "phase", "is_undo", "outcome", "text",
 * "started_at": T, "finished_at": T|null, "detail": {…}|null}]}], of each step its last STORE_MAX_ATTEMPTS attempts.
 * ERR_NOT_FOUND. */
#define STORE_MAX_ATTEMPTS 100
MUST_CHECK enum err store_run_get(struct store_reader *reader, const struct id *id, json_t **ret, struct errmsg *why);
/* Whether an apply may still be made: this attempt is the step's last, and journaled as started; the step is running in
 * a run that is, or is owed; the run is not ending, and no newer one of its service (but a drill) has begun. */
MUST_CHECK enum err store_attempt_is_current(struct store_reader *reader, const struct id *run, int step, int attempt,
                                             bool *ret, struct errmsg *why);

#endif

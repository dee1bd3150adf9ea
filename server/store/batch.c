/* The batch: a list of rows in an arena, and how each is bound to its statement.
 *
 * Only statements with fixed effect belong here, one per row: nothing that depends on what an earlier one found. */
#include "base/crash_point.h"
#include "store/internal.h"

#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE ((size_t)64 * 1024)

struct chunk {
    struct chunk *next;
    size_t used, room;
    alignas(max_align_t) unsigned char data[];
};

struct op {
    struct op *next;
    enum sql sql;
    alignas(max_align_t) unsigned char row[];
};

struct store_batch {
    struct chunk *chunks; /* the newest first; the oldest is kept when the batch is cleared */
    struct op *first, **last;
    size_t n;
    bool is_broken;
};

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void *arena_add(struct store_batch *batch, size_t size)
{
    size_t whole = (size + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    struct chunk *chunk = batch->chunks;
    if (!chunk || chunk->room - chunk->used < whole) {
        size_t room = whole > CHUNK_SIZE ? whole : CHUNK_SIZE;
        chunk = whole < size ? NULL : malloc(sizeof *chunk + room);
        if (!chunk) {
            batch->is_broken = true;
            return NULL;
        }
        *chunk = (struct chunk){.next = batch->chunks, .room = room};
        batch->chunks = chunk;
    }
    void *data = chunk->data + chunk->used;
    chunk->used += whole;
    return data;
}

struct store_batch *batch_new(void)
{
    struct store_batch *batch = calloc(1, sizeof *batch);
    if (batch)
        batch->last = &batch->first;
    return batch;
}

static void drop_chunks(struct store_batch *batch, const struct chunk *keep)
{
    while (batch->chunks && batch->chunks != keep) {
        struct chunk *chunk = batch->chunks;
        batch->chunks = chunk->next;
        free(chunk);
    }
}

void batch_free(struct store_batch *batch)
{
    if (!batch)
        return;
    drop_chunks(batch, NULL);
    free(batch);
}

void batch_clear(struct store_batch *batch)
{
    const struct chunk *oldest = batch->chunks;
    while (oldest && oldest->next)
        oldest = oldest->next;
    drop_chunks(batch, oldest && oldest->room == CHUNK_SIZE ? oldest : NULL);
    if (batch->chunks)
        batch->chunks->used = 0;
    batch->first = NULL;
    batch->last = &batch->first;
    batch->n = 0;
    batch->is_broken = false;
    crash_scope_clear();
}

size_t batch_size(const struct store_batch *batch)
{
    return batch->n;
}

bool batch_is_broken(const struct store_batch *batch)
{
    return batch->is_broken;
}

const char *batch_keep(struct store_batch *batch, const char *text)
{
    if (!text)
        return "";
    size_t size = strlen(text) + 1;
    char *copy = arena_add(batch, size);
    return copy ? memcpy(copy, text, size) : "";
}

static void add(struct store_batch *batch, enum sql sql, const void *row, size_t size)
{
    struct op *op = arena_add(batch, sizeof *op + size);
    if (!op)
        return;
    op->next = NULL;
    op->sql = sql;
    memcpy(op->row, row, size);
    *batch->last = op;
    batch->last = &op->next;
    batch->n++;
}

/* ---- rows that are more or less than a struct of store.h --------------------------------------------------------- */

struct alert_op {
    struct alert_row row;
    const char *source;
};

struct idempotency_op {
    const char *who, *key;
    struct sha256 request;
    struct id run;
    int64_t at;
};

void batch_delivery(struct store_batch *batch, const struct delivery_row *row)
{
    add(batch, SQL_DELIVERY, row, sizeof *row);
}

void batch_alert(struct store_batch *batch, const struct alert_row *row, const char *source)
{
    const struct alert_op op = {.row = *row, .source = source};
    add(batch, SQL_ALERT, &op, sizeof op);
}

void batch_alert_remove(struct store_batch *batch, const struct alert_key *key)
{
    add(batch, SQL_ALERT_REMOVE, key, sizeof *key);
}

void batch_delivery_remove(struct store_batch *batch, int64_t seq)
{
    add(batch, SQL_DELIVERY_REMOVE, &seq, sizeof seq);
}

void batch_give_back(struct store_batch *batch)
{
    add(batch, SQL_GIVE_BACK, "", 0);
}

void batch_match(struct store_batch *batch, const struct match_row *row)
{
    add(batch, SQL_MATCH, row, sizeof *row);
}

void batch_match_remove(struct store_batch *batch, const struct alert_key *key)
{
    add(batch, SQL_MATCH_REMOVE, key, sizeof *key);
}

void batch_source(struct store_batch *batch, const struct source_row *row)
{
    add(batch, SQL_SOURCE, row, sizeof *row);
}

void batch_vote(struct store_batch *batch, const struct vote_row *row)
{
    add(batch, SQL_VOTE, row, sizeof *row);
}

void batch_pause(struct store_batch *batch, const struct pause_row *row)
{
    add(batch, SQL_PAUSE, row, sizeof *row);
}

void batch_pause_remove(struct store_batch *batch, const char *service)
{
    const struct pause_row row = {.service = service};
    add(batch, SQL_PAUSE_REMOVE, &row, sizeof row);
}

void batch_timer(struct store_batch *batch, const struct timer_row *row)
{
    add(batch, SQL_TIMER, row, sizeof *row);
}

void batch_timer_remove(struct store_batch *batch, const char *service, const char *site, enum timer_kind kind)
{
    const struct timer_row row = {.service = service, .site = site, .kind = kind};
    add(batch, SQL_TIMER_REMOVE, &row, sizeof row);
}

void batch_incident(struct store_batch *batch, const struct incident_row *row)
{
    add(batch, SQL_INCIDENT, row, sizeof *row);
}

void batch_active(struct store_batch *batch, const struct active_row *row)
{
    add(batch, SQL_ACTIVE, row, sizeof *row);
    add(batch, SQL_ACTIVE_HISTORY, row, sizeof *row);
}

void batch_run(struct store_batch *batch, const struct run_row *row)
{
    add(batch, SQL_RUN, row, sizeof *row);
    crash_scope_add("run %s", run_state_text(row->state));
}

void batch_step(struct store_batch *batch, const struct step_row *row)
{
    add(batch, SQL_STEP, row, sizeof *row);
}

void batch_attempt(struct store_batch *batch, const struct attempt_row *row)
{
    add(batch, SQL_ATTEMPT, row, sizeof *row);
    crash_scope_add("step %d attempt %d %s %s", row->step, row->n, phase_text(row->phase),
                    row->finished_at == 0 ? "begun" : "ended");
}

void batch_drill(struct store_batch *batch, const struct drill_row *row)
{
    add(batch, SQL_DRILL, row, sizeof *row);
}

void batch_readiness(struct store_batch *batch, const struct readiness_row *row)
{
    add(batch, SQL_READINESS, row, sizeof *row);
}

void batch_audit(struct store_batch *batch, const struct audit_row *row)
{
    add(batch, SQL_AUDIT, row, sizeof *row);
    crash_scope_add("audit %s", row->kind);
}

void batch_idempotency(struct store_batch *batch, const char *who, const char *key, const struct sha256 *request,
                       const struct id *run, int64_t at)
{
    const struct idempotency_op op = {.who = who, .key = key, .request = *request, .run = *run, .at = at};
    add(batch, SQL_IDEMPOTENCY, &op, sizeof op);
}

/* ---- structs to parameters, in the order of sql.h ---------------------------------------------------------------- */

static void bind_optional_time(struct bind *bind, int64_t ms)
{
    if (ms == TIME_UNKNOWN)
        sqlite3_bind_null(bind->statement, ++bind->n);
    else
        bind_int(bind, ms);
}

static void bind_delivery(struct bind *bind, const void *data)
{
    const struct delivery_row *row = data;
    bind_int(bind, row->seq);
    bind_id(bind, &row->id);
    bind_text(bind, row->source);
    bind_int(bind, row->received_at);
    bind_int(bind, row->alerts);
    bind_int(bind, row->changed);
    bind_int(bind, row->services);
    bind_blob(bind, row->sha256, sizeof row->sha256);
    bind_blob(bind, row->body, row->body_len);
}

static void bind_alert(struct bind *bind, const void *data)
{
    const struct alert_op *op = data;
    const struct alert_row *row = &op->row;
    bind_blob(bind, row->key.bytes, sizeof row->key.bytes);
    bind_text(bind, op->source);
    bind_text(bind, alert_state_text(row->state));
    bind_optional_time(bind, row->starts_at);
    bind_optional_time(bind, row->ends_at);
    bind_optional_time(bind, row->asserted_at);
    bind_int(bind, row->first_seen_at);
    bind_int(bind, row->last_seen_at);
    bind_int(bind, row->changed_at);
    bind_int(bind, row->count);
    bind_id(bind, &row->delivery);
    bind_int(bind, row->n_matches);
}

static void bind_match(struct bind *bind, const void *data)
{
    const struct match_row *row = data;
    bind_blob(bind, row->key.bytes, sizeof row->key.bytes);
    bind_text(bind, row->service);
    bind_text(bind, row->site);
    bind_text(bind, row->source);
    bind_text(bind, vote_text(row->says));
}

/* Of an alert, or of its matches. */
static void bind_key(struct bind *bind, const void *data)
{
    const struct alert_key *key = data;
    bind_blob(bind, key->bytes, sizeof key->bytes);
}

static void bind_seq(struct bind *bind, const void *data)
{
    bind_int(bind, *(const int64_t *)data);
}

static void bind_nothing(struct bind *bind, const void *data)
{
    (void)bind;
    (void)data;
}

static void bind_source(struct bind *bind, const void *data)
{
    const struct source_row *row = data;
    bind_text(bind, row->name);
    bind_int(bind, row->open_alerts);
    bind_ms(bind, row->heard_at);
    bind_ms(bind, row->beat_at);
    bind_int(bind, row->offset_ms);
    bind_text(bind, row->boot_id ? row->boot_id : "");
}

static void bind_vote(struct bind *bind, const void *data)
{
    const struct vote_row *row = data;
    bind_text(bind, row->service);
    bind_text(bind, row->site);
    bind_text(bind, row->source);
    bind_text(bind, vote_text(row->vote));
    bind_ms(bind, row->heard_at);
    bind_int(bind, row->offset_ms);
    bind_text(bind, row->boot_id);
}

static void bind_pause_remove(struct bind *bind, const void *data)
{
    bind_text(bind, ((const struct pause_row *)data)->service);
}

static void bind_pause(struct bind *bind, const void *data)
{
    const struct pause_row *row = data;
    bind_pause_remove(bind, data);
    bind_int(bind, row->at);
    bind_text(bind, row->who);
    bind_text(bind, row->reason);
}

static void bind_timer_remove(struct bind *bind, const void *data)
{
    const struct timer_row *row = data;
    bind_text(bind, row->service);
    bind_text(bind, row->site);
    bind_text(bind, timer_kind_text(row->kind));
}

static void bind_timer(struct bind *bind, const void *data)
{
    const struct timer_row *row = data;
    bind_timer_remove(bind, data);
    bind_int(bind, row->count);
    bind_int(bind, row->due_at);
    bind_int(bind, row->offset_ms);
    bind_text(bind, row->boot_id);
}

static void bind_incident(struct bind *bind, const void *data)
{
    const struct incident_row *row = data;
    bind_id(bind, &row->id);
    bind_text(bind, row->service);
    bind_text(bind, row->site);
    bind_int(bind, row->opened_at);
    bind_ms(bind, row->resolved_at);
    bind_int(bind, row->is_standing);
    bind_ms(bind, row->stood_at);
    bind_ms(bind, row->fell_at);
    bind_int(bind, row->most_votes);
    bind_ms(bind, row->would_at);
    bind_text(bind, row->would_to ? row->would_to : "");
    bind_text(bind, row->last_reason);
    bind_id(bind, &row->run);
}

static void bind_active(struct bind *bind, const void *data)
{
    const struct active_row *row = data;
    bind_text(bind, row->service);
    bind_int(bind, row->since);
    bind_text(bind, active_kind_text(row->kind));
    bind_text(bind, row->site);
}

static void bind_run(struct bind *bind, const void *data)
{
    const struct run_row *row = data;
    bind_id(bind, &row->id);
    bind_text(bind, row->service);
    bind_text(bind, direction_text(row->direction));
    bind_text(bind, occasion_text(row->occasion));
    bind_int(bind, row->is_ours);
    bind_text(bind, row->overrides ? row->overrides : "");
    bind_text(bind, row->from);
    bind_text(bind, row->to);
    bind_text(bind, run_state_text(row->state));
    bind_int(bind, row->has_effect);
    bind_text(bind, ending_text(row->ending));
    bind_int(bind, row->is_undoing);
    bind_int(bind, row->current);
    bind_text(bind, row->reason);
    bind_text(bind, row->started_by);
    bind_id(bind, &row->incident);
    bind_int(bind, row->started_at);
    bind_ms(bind, row->finished_at);
    bind_text(bind, row->error);
    bind_text(bind, row->plan ? row->plan : "");
    bind_text(bind, row->playbook);
}

static void bind_step(struct bind *bind, const void *data)
{
    const struct step_row *row = data;
    bind_id(bind, &row->run);
    bind_int(bind, row->n);
    bind_text(bind, row->name);
    bind_text(bind, row->action);
    bind_text(bind, step_state_text(row->state));
    bind_text(bind, phase_text(row->phase));
    bind_int(bind, row->tries);
    bind_int(bind, row->n_attempts);
    bind_ms(bind, row->attempt_at);
    bind_int(bind, row->has_applied);
    bind_int(bind, row->has_unknown_apply);
    bind_int(bind, row->is_undoing);
    bind_ms(bind, row->began_at);
    bind_ms(bind, row->next_at);
    bind_int(bind, row->offset_ms);
    bind_text(bind, row->boot_id);
    bind_ms(bind, row->started_at);
    bind_ms(bind, row->finished_at);
    bind_text(bind, row->error);
    bind_text(bind, row->token);
    bind_text(bind, row->observed);
    bind_text(bind, row->previous ? row->previous : "");
}

static void bind_attempt(struct bind *bind, const void *data)
{
    const struct attempt_row *row = data;
    bind_id(bind, &row->run);
    bind_int(bind, row->step);
    bind_int(bind, row->n);
    bind_text(bind, phase_text(row->phase));
    bind_int(bind, row->is_undo);
    bind_text(bind, outcome_text(row->outcome));
    bind_int(bind, row->started_at);
    bind_ms(bind, row->finished_at);
    bind_text(bind, row->text);
    bind_text(bind, row->detail);
}

static void bind_drill(struct bind *bind, const void *data)
{
    const struct drill_row *row = data;
    bind_text(bind, row->service);
    bind_text(bind, drill_kind_text(row->kind));
    bind_int(bind, row->at);
    bind_int(bind, row->is_good);
    bind_ms(bind, row->proven_at);
    bind_text(bind, row->text);
    bind_id(bind, &row->run);
}

static void bind_readiness(struct bind *bind, const void *data)
{
    const struct readiness_row *row = data;
    bind_text(bind, row->service);
    bind_text(bind, direction_text(row->direction));
    bind_text(bind, readiness_text(row->state));
    bind_int(bind, row->since);
    bind_int(bind, row->checked_at);
    bind_text(bind, row->text);
    bind_text(bind, row->detail);
}

static void bind_audit(struct bind *bind, const void *data)
{
    const struct audit_row *row = data;
    bind_int(bind, row->seq);
    bind_blob(bind, row->hash.bytes, sizeof row->hash.bytes);
    bind_int(bind, row->at);
    bind_text(bind, row->kind);
    bind_text(bind, row->service && row->service[0] ? row->service : NULL);
    bind_text(bind, row->text);
    bind_id(bind, &row->incident);
}

static void bind_idempotency(struct bind *bind, const void *data)
{
    const struct idempotency_op *op = data;
    bind_text(bind, op->who);
    bind_text(bind, op->key);
    bind_blob(bind, op->request.bytes, sizeof op->request.bytes);
    bind_id(bind, &op->run);
    bind_int(bind, op->at);
}

static void (*const binders[])(struct bind *bind, const void *data) = {
    [SQL_DELIVERY] = bind_delivery,
    [SQL_ALERT] = bind_alert,
    [SQL_MATCH] = bind_match,
    [SQL_MATCH_REMOVE] = bind_key,
    [SQL_ALERT_REMOVE] = bind_key,
    [SQL_DELIVERY_REMOVE] = bind_seq,
    [SQL_VOTE] = bind_vote,
    [SQL_PAUSE] = bind_pause,
    [SQL_PAUSE_REMOVE] = bind_pause_remove,
    [SQL_GIVE_BACK] = bind_nothing,
    [SQL_SOURCE] = bind_source,
    [SQL_TIMER] = bind_timer,
    [SQL_TIMER_REMOVE] = bind_timer_remove,
    [SQL_INCIDENT] = bind_incident,
    [SQL_ACTIVE] = bind_active,
    [SQL_ACTIVE_HISTORY] = bind_active,
    [SQL_RUN] = bind_run,
    [SQL_STEP] = bind_step,
    [SQL_ATTEMPT] = bind_attempt,
    [SQL_DRILL] = bind_drill,
    [SQL_READINESS] = bind_readiness,
    [SQL_AUDIT] = bind_audit,
    [SQL_IDEMPOTENCY] = bind_idempotency,
};

enum err batch_execute(struct connection *connection, const struct store_batch *batch, struct errmsg *why)
{
    for (const struct op *op = batch->first; op; op = op->next) {
        struct bind bind = {0};
        enum err err = query_begin(connection, op->sql, &bind, why);
        if (err != ERR_OK)
            return err;
        binders[op->sql](&bind, op->row);
        err = query_run(connection, &bind, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

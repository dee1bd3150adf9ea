/* Reading on the writer's connection: what intake looks up, and everything that is kept in memory at start. */
#include "base/cleanup.h"
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- intake ------------------------------------------------------------------------------------------------------ */

static enum err alert_get(struct connection *connection, struct alert_row *row, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, SQL_ALERT_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_blob(&bind, row->key.bytes, sizeof row->key.bytes);
    row->exists = query_next(&bind, &columns);
    if (row->exists) {
        COLUMN_WORD(&columns, alert_state, &row->state);
        row->starts_at = column_time(&columns);
        row->ends_at = column_time(&columns);
        row->asserted_at = column_time(&columns);
        row->first_seen_at = column_int(&columns);
        row->last_seen_at = column_int(&columns);
        row->changed_at = column_int(&columns);
        row->count = column_int(&columns);
        row->delivery = column_id(&columns);
        row->n_matches = (int)column_int(&columns);
    }
    return query_end(connection, &bind, &columns, why);
}

enum err store_alerts_get(struct store *store, struct alert_row *rows, size_t n, struct errmsg *why)
{
    /* One transaction: each of its own would take and give back the lock of the WAL. */
    enum err err = read_begin(&store->connection, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; err == ERR_OK && i < n; i++)
        err = alert_get(&store->connection, &rows[i], why);
    return read_end(&store->connection, err, why);
}

enum err store_matches_get(struct store *store, const struct alert_key *key,
                           void (*take)(void *context, const struct match_row *row), void *context, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_MATCHES_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_blob(&bind, key->bytes, sizeof key->bytes);
    while (query_next(&bind, &columns)) {
        struct match_row row = {.key = *key};
        row.service = column_text(&columns);
        row.site = column_text(&columns);
        row.source = column_text(&columns);
        COLUMN_WORD(&columns, vote, &row.says);
        take(context, &row);
    }
    return query_end(&store->connection, &bind, &columns, why);
}

enum err store_idempotency_get(struct store *store, const char *who, const char *key, struct sha256 *ret_request,
                               struct id *ret_run, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_IDEMPOTENCY_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, who);
    bind_text(&bind, key);
    bool is_known = query_next(&bind, &columns);
    struct sha256 request = {0};
    struct id run = {0};
    if (is_known && !column_blob(&columns, request.bytes, sizeof request.bytes))
        column_bad(&columns, "not a digest");
    if (is_known)
        run = column_id(&columns);
    err = query_end(&store->connection, &bind, &columns, why);
    if (err != ERR_OK)
        return err;
    if (!is_known)
        return err_set(why, ERR_NOT_FOUND, "this idempotency key is new");
    *ret_request = request;
    *ret_run = run;
    return ERR_OK;
}

enum err store_run_is_known(struct store *store, const struct id *id, bool *ret, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_RUN_IS_KNOWN, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, id);
    bool is_known = query_next(&bind, &columns);
    err = query_end(&store->connection, &bind, &columns, why);
    if (err == ERR_OK)
        *ret = is_known;
    return err;
}

enum err store_run_newest(struct store *store, struct id *ret, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_RUN_NEWEST, &bind, why);
    if (err != ERR_OK)
        return err;
    struct id id = {{0}};
    if (query_next(&bind, &columns))
        id = column_id(&columns);
    err = query_end(&store->connection, &bind, &columns, why);
    if (err == ERR_OK)
        *ret = id;
    return err;
}

/* ---- what is old ------------------------------------------------------------------------------------------------- */

enum err store_alert_ages(struct store *store, const struct alert_key *after, int limit,
                          bool (*take)(void *context, const struct alert_age *age), void *context, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_ALERT_AGES, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_blob(&bind, after->bytes, sizeof after->bytes);
    bind_int(&bind, limit);
    bool goes_on = true;
    while (goes_on && query_next(&bind, &columns)) {
        struct alert_age age = {0};
        if (!column_blob(&columns, age.key.bytes, sizeof age.key.bytes))
            column_bad(&columns, "not a key");
        age.last_seen_at = column_int(&columns);
        age.is_needed = column_int(&columns) != 0;
        age.has_matches = column_int(&columns) != 0;
        goes_on = !columns.bad[0] && take(context, &age);
    }
    return query_end(&store->connection, &bind, &columns, why);
}

enum err store_delivery_ages(struct store *store, int64_t after, int limit,
                             bool (*take)(void *context, const struct delivery_age *age), void *context,
                             struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_DELIVERY_AGES, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_int(&bind, after);
    bind_int(&bind, limit);
    bool goes_on = true;
    while (goes_on && query_next(&bind, &columns)) {
        struct delivery_age age = {0};
        age.seq = column_int(&columns);
        age.received_at = column_int(&columns);
        age.body_len = column_int(&columns);
        goes_on = take(context, &age);
    }
    return query_end(&store->connection, &bind, &columns, why);
}

enum err store_pages(struct store *store, int64_t *ret_free, int64_t *ret_all, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_PAGES, &bind, why);
    if (err != ERR_OK)
        return err;
    int64_t n_free = 0;
    int64_t n_all = 0;
    if (query_next(&bind, &columns)) {
        n_free = column_int(&columns);
        n_all = column_int(&columns);
    }
    err = query_end(&store->connection, &bind, &columns, why);
    if (err != ERR_OK)
        return err;
    *ret_free = n_free;
    *ret_all = n_all;
    return ERR_OK;
}

/* ---- all of the state -------------------------------------------------------------------------------------------- */

/* Runs a query without parameters and hands each row to `each`. */
static enum err load_each(struct store *store, enum sql sql, const struct store_state_taker *taker,
                          void (*each)(struct columns *columns, const struct store_state_taker *taker),
                          struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, sql, &bind, why);
    if (err != ERR_OK)
        return err;
    while (query_next(&bind, &columns))
        each(&columns, taker);
    return query_end(&store->connection, &bind, &columns, why);
}

static void each_vote(struct columns *columns, const struct store_state_taker *taker)
{
    struct vote_row row = vote_from_columns(columns);
    taker->vote(taker->context, &row);
}

static void each_source(struct columns *columns, const struct store_state_taker *taker)
{
    struct source_row row = source_from_columns(columns);
    taker->source(taker->context, &row);
}

static void each_pause(struct columns *columns, const struct store_state_taker *taker)
{
    struct pause_row row = pause_from_columns(columns);
    taker->pause(taker->context, &row);
}

static void each_timer(struct columns *columns, const struct store_state_taker *taker)
{
    struct timer_row row = timer_from_columns(columns);
    if (!columns->bad[0])
        taker->timer(taker->context, &row);
}

static void each_incident(struct columns *columns, const struct store_state_taker *taker)
{
    struct incident_row row = incident_from_columns(columns);
    taker->incident(taker->context, &row);
}

static void each_run(struct columns *columns, const struct store_state_taker *taker)
{
    struct run_row row = run_from_columns(columns);
    row.playbook = column_text(columns);
    row.is_past = column_int(columns) != 0;
    if (!columns->bad[0])
        taker->run(taker->context, &row);
}

static void each_step(struct columns *columns, const struct store_state_taker *taker)
{
    struct step_row row = step_from_columns(columns);
    if (!columns->bad[0])
        taker->step(taker->context, &row);
}

static void each_drill(struct columns *columns, const struct store_state_taker *taker)
{
    struct drill_row row = drill_from_columns(columns);
    if (!columns->bad[0])
        taker->drill(taker->context, &row);
}

static void each_readiness(struct columns *columns, const struct store_state_taker *taker)
{
    struct readiness_row row = readiness_from_columns(columns);
    if (!columns->bad[0])
        taker->readiness(taker->context, &row);
}

static struct active_row active_from_columns(struct columns *columns)
{
    struct active_row row = {0};
    row.service = column_text(columns);
    row.since = column_int(columns);
    COLUMN_WORD(columns, active_kind, &row.kind);
    row.site = column_text(columns);
    return row;
}

static enum err load_history(struct store *store, const struct active_row *now, int64_t active_since,
                             const struct store_state_taker *taker, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_LOAD_ACTIVE_HISTORY, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, now->service);
    bind_int(&bind, active_since);
    bind_int(&bind, now->since);
    while (query_next(&bind, &columns)) {
        struct active_row row = active_from_columns(&columns);
        if (!columns.bad[0])
            taker->active(taker->context, &row);
    }
    return query_end(&store->connection, &bind, &columns, why);
}

/* What is so now comes last, also where the wall clock has stepped back since an earlier row. */
static enum err load_active(struct store *store, int64_t active_since, const struct store_state_taker *taker,
                            struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_LOAD_ACTIVE, &bind, why);
    if (err != ERR_OK)
        return err;
    while (err == ERR_OK && query_next(&bind, &columns)) {
        struct active_row row = active_from_columns(&columns);
        if (columns.bad[0])
            break;
        err = load_history(store, &row, active_since, taker, why);
        if (err == ERR_OK)
            taker->active(taker->context, &row);
    }
    struct errmsg *end_why = err == ERR_OK ? why : NULL;
    enum err end = query_end(&store->connection, &bind, &columns, end_why);
    return err == ERR_OK ? end : err;
}

enum err store_load(struct store *store, int64_t active_since, const struct store_state_taker *taker,
                    struct errmsg *why)
{
    enum err err = read_begin(&store->connection, why);
    if (err != ERR_OK)
        return err;
    err = load_each(store, SQL_LOAD_VOTES, taker, each_vote, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_SOURCES, taker, each_source, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_PAUSES, taker, each_pause, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_TIMERS, taker, each_timer, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_INCIDENTS, taker, each_incident, why);
    if (err == ERR_OK)
        err = load_active(store, active_since, taker, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_RUNS, taker, each_run, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_STEPS, taker, each_step, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_DRILLS, taker, each_drill, why);
    if (err == ERR_OK)
        err = load_each(store, SQL_LOAD_READINESS, taker, each_readiness, why);
    return read_end(&store->connection, err, why);
}

/* ---- where the numbers go on ------------------------------------------------------------------------------------- */

static enum err delivery_head(struct store *store, int64_t *ret_seq, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_DELIVERY_HEAD, &bind, why);
    if (err != ERR_OK)
        return err;
    int64_t seq = query_next(&bind, &columns) ? column_int(&columns) : 0;
    err = query_end(&store->connection, &bind, &columns, why);
    if (err == ERR_OK)
        *ret_seq = seq;
    return err;
}

enum err store_audit_head(struct store *store, int64_t *ret_seq, struct sha256 *ret_hash, int64_t *ret_delivery_seq,
                          struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    int64_t seq = 0;
    struct sha256 hash = {0};
    enum err err = query_begin(&store->connection, SQL_AUDIT_HEAD, &bind, why);
    if (err != ERR_OK)
        return err;
    if (query_next(&bind, &columns)) {
        seq = column_int(&columns);
        if (!column_blob(&columns, hash.bytes, sizeof hash.bytes))
            column_bad(&columns, "not a digest");
    }
    err = query_end(&store->connection, &bind, &columns, why);
    if (err == ERR_OK)
        err = delivery_head(store, ret_delivery_seq, why);
    if (err != ERR_OK)
        return err;
    *ret_seq = seq;
    *ret_hash = hash;
    return ERR_OK;
}

enum err store_audit_last(struct store *store, const char *kind, int64_t *ret_at, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, kind ? SQL_AUDIT_LAST_OF_KIND : SQL_AUDIT_LAST, &bind, why);
    if (err != ERR_OK)
        return err;
    if (kind)
        bind_text(&bind, kind);
    int64_t at = query_next(&bind, &columns) ? column_int(&columns) : TIME_UNKNOWN;
    err = query_end(&store->connection, &bind, &columns, why);
    if (err == ERR_OK)
        *ret_at = at;
    return err;
}

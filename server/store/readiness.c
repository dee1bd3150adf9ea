/* Whether services could be moved, as the last rounds found it; and what a prediction is made of. */
#include "store/internal.h"

json_t *readiness_json(const struct readiness_row *row)
{
    struct json_maker readiness = json_make();
    make_text(&readiness, "state", readiness_text(row->state));
    make_time(&readiness, "since", row->since);
    make_time(&readiness, "checked_at", row->checked_at);
    make_text(&readiness, "text", row->text);
    return json_made(&readiness);
}

static bool add_direction(json_t *both, struct columns *columns)
{
    struct readiness_row row = readiness_from_columns(columns);
    json_t *readiness = readiness_json(&row);
    json_t *plan = json_loads(column_text(columns), 0, NULL);
    bool is_added = json_object_set_new(readiness, "plan", plan ? plan : json_null()) == 0;
    return json_object_set_new(both, direction_text(row.direction), readiness) == 0 && is_added;
}

enum err store_readiness_get(struct store_reader *reader, const char *service, json_t **ret, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&reader->connection, SQL_READINESS_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    json_t *both = json_pack("{s:n, s:n}", "failover", "failback");
    bool is_added = both != NULL;
    bind_text(&bind, service);
    while (is_added && query_next(&bind, &columns))
        is_added = add_direction(both, &columns);
    err = query_end(&reader->connection, &bind, &columns, why);
    if (err == ERR_OK && !is_added)
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK)
        *ret = both;
    else
        json_decref(both);
    return err;
}

enum err store_step_times(struct store *store, const char *service,
                          void (*take)(void *context, const char *step, int64_t took_ms), void *context,
                          struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_STEP_TIMES, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, service);
    bind_int(&bind, STORE_PAST_RUNS);
    while (query_next(&bind, &columns)) {
        const char *step = column_text(&columns);
        take(context, step, column_int(&columns));
    }
    return query_end(&store->connection, &bind, &columns, why);
}

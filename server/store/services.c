/* The state of all services as one page: each table is read once, and its rows are handed to their services. */
#include "store/internal.h"

#include <string.h>

struct services {
    json_t *by_name; /* in the order of names */
    bool is_broken;
};

/* NULL: broken, or a service that has come since the names were read, which one transaction rules out. */
static json_t *service_of(const struct services *services, const char *name)
{
    return json_object_get(services->by_name, name);
}

static void append(struct services *services, const char *name, const char *list, struct json_maker *maker)
{
    if (json_array_append_new(json_object_get(service_of(services, name), list), json_made(maker)) != 0)
        services->is_broken = true;
}

static void each_name(struct columns *columns, struct services *services)
{
    const char *name = column_text(columns);
    struct json_maker service = json_make();
    make_text(&service, "name", name);
    make_text(&service, "active", active_kind_text(ACTIVE_UNKNOWN));
    make_value(&service, "active_site", json_null());
    make_value(&service, "active_since", json_null());
    make_value(&service, "votes", json_array());
    make_value(&service, "timers", json_array());
    make_value(&service, "incidents", json_array());
    make_value(&service, "paused", json_null());
    make_value(&service, "run", json_null());
    make_value(&service, "debts", json_array());
    make_value(&service, "drills", json_array());
    make_value(&service, "readiness", json_pack("{s:n, s:n}", "failover", "failback"));
    if (json_object_set_new_nocheck(services->by_name, name, json_made(&service)) != 0)
        services->is_broken = true;
}

static void each_active(struct columns *columns, struct services *services)
{
    json_t *service = service_of(services, column_text(columns));
    struct json_maker maker = {.object = service};
    make_text(&maker, "active", column_text(columns));
    make_text_or_null(&maker, "active_site", column_text(columns));
    make_time(&maker, "active_since", column_int(columns));
    services->is_broken |= maker.is_broken;
}

static void each_vote(struct columns *columns, struct services *services)
{
    struct vote_row row = vote_from_columns(columns);
    struct json_maker vote = json_make();
    make_text(&vote, "site", row.site);
    make_text(&vote, "source", row.source);
    make_int(&vote, "down", row.down);
    make_int(&vote, "up", row.up);
    make_text(&vote, "vote", vote_text(row.vote));
    make_int(&vote, "heard_at", row.heard_at);
    make_int(&vote, "offset_ms", row.offset_ms);
    make_text(&vote, "boot_id", row.boot_id);
    append(services, row.service, "votes", &vote);
}

static void each_timer(struct columns *columns, struct services *services)
{
    struct timer_row row = timer_from_columns(columns);
    struct json_maker timer = json_make();
    make_text(&timer, "kind", timer_kind_text(row.kind));
    make_text_or_null(&timer, "site", row.site);
    make_int(&timer, "count", row.count);
    make_int(&timer, "due_at", row.due_at);
    make_int(&timer, "offset_ms", row.offset_ms);
    make_text(&timer, "boot_id", row.boot_id);
    append(services, row.service, "timers", &timer);
}

static void each_incident(struct columns *columns, struct services *services)
{
    struct incident_row row = incident_from_columns(columns);
    json_t *list = json_object_get(service_of(services, row.service), "incidents");
    if (json_array_append_new(list, incident_json(&row)) != 0)
        services->is_broken = true;
}

static void each_pause(struct columns *columns, struct services *services)
{
    struct pause_row row = pause_from_columns(columns);
    struct json_maker pause = json_make();
    make_time(&pause, "at", row.at);
    make_text(&pause, "who", row.who);
    make_text(&pause, "reason", row.reason);
    if (json_object_set_new(service_of(services, row.service), "paused", json_made(&pause)) != 0)
        services->is_broken = true;
}

static void each_run(struct columns *columns, struct services *services)
{
    struct run_row row = run_from_columns(columns);
    if (json_object_set_new(service_of(services, row.service), "run", run_json(&row)) != 0)
        services->is_broken = true;
}

static void each_debt(struct columns *columns, struct services *services)
{
    const char *service = column_text(columns);
    struct id run = column_id(columns);
    struct json_maker debt = json_make();
    make_id(&debt, "run", &run);
    make_text_or_null(&debt, "site", column_text(columns));
    make_int(&debt, "step", column_int(columns));
    make_text(&debt, "name", column_text(columns));
    make_text(&debt, "error", column_text(columns));
    make_bool(&debt, "is_past", column_int(columns) != 0);
    append(services, service, "debts", &debt);
}

static void each_drill(struct columns *columns, struct services *services)
{
    struct drill_row row = drill_from_columns(columns);
    struct json_maker drill = json_make();
    make_text(&drill, "kind", drill_kind_text(row.kind));
    make_time(&drill, "at", row.at);
    make_bool(&drill, "is_good", row.is_good);
    make_time(&drill, "proven_at", row.proven_at);
    make_text(&drill, "text", row.text);
    make_id(&drill, "run", &row.run);
    append(services, row.service, "drills", &drill);
}

static void each_readiness(struct columns *columns, struct services *services)
{
    struct readiness_row row = readiness_from_columns(columns);
    json_t *both = json_object_get(service_of(services, row.service), "readiness");
    if (json_object_set_new(both, direction_text(row.direction), readiness_json(&row)) != 0)
        services->is_broken = true;
}

static enum err read_each(struct connection *connection, enum sql sql, struct services *services,
                          void (*each)(struct columns *columns, struct services *services), struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, sql, &bind, why);
    if (err != ERR_OK)
        return err;
    while (!services->is_broken && query_next(&bind, &columns))
        each(&columns, services);
    err = query_end(connection, &bind, &columns, why);
    return err != ERR_OK || !services->is_broken ? err : err_set(why, ERR_NO_MEMORY, "out of memory");
}

static enum err read_all(struct connection *connection, struct services *services, struct errmsg *why)
{
    static const struct {
        enum sql sql;
        void (*each)(struct columns *columns, struct services *services);
    } parts[] = {
        {SQL_SERVICE_NAMES, each_name},       {SQL_SERVICE_ACTIVE, each_active},   {SQL_LOAD_VOTES, each_vote},
        {SQL_LOAD_TIMERS, each_timer},        {SQL_LOAD_INCIDENTS, each_incident}, {SQL_SERVICE_RUNS, each_run},
        {SQL_LOAD_PAUSES, each_pause},        {SQL_SERVICE_DEBTS, each_debt},      {SQL_LOAD_DRILLS, each_drill},
        {SQL_LOAD_READINESS, each_readiness},
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        enum err err = read_each(connection, parts[i].sql, services, parts[i].each, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

enum err store_services(struct store_reader *reader, json_t **ret, struct errmsg *why)
{
    struct services services = {.by_name = json_object()};
    enum err err = read_begin(&reader->connection, why);
    if (err == ERR_OK)
        err = read_end(&reader->connection, read_all(&reader->connection, &services, why), why);
    json_t *list = json_array();
    const char *name;
    json_t *service;
    json_object_foreach(services.by_name, name, service)
    {
        if (json_array_append(list, service) != 0)
            services.is_broken = true;
    }
    json_decref(services.by_name);
    if (err == ERR_OK && (!list || services.is_broken))
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK)
        *ret = list;
    else
        json_decref(list);
    return err;
}

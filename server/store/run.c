/* One run, with its steps, their attempts, and how long everything took. */
#include "store/internal.h"

#include <stdlib.h>

struct one {
    json_t *playbook, *steps;
    json_t *times; /* of the steps, for the timing */
    struct id incident;
    int64_t alert_at, started_at, finished_at, measured_at; /* wall; 0: not, or not so far */
    int n_debts, n_measures, n_measured;
    bool is_succeeded, is_drill;
};

/* ---- timing ------------------------------------------------------------------------------------------------------ */

/* The first alert, or, where a person has moved without one, the decision. */
static int64_t felt_from(const struct one *one)
{
    return one->alert_at ? one->alert_at : one->started_at;
}

static json_t *between(int64_t from, int64_t to)
{
    return from && to ? json_integer(to - from) : json_null();
}

static void time_step(struct one *one, const struct step_row *row, bool is_measure)
{
    bool is_done = row->state == STEP_DONE || row->state == STEP_ALREADY_DONE;
    if (is_measure) {
        one->n_measures++;
        one->n_measured += is_done;
        if (is_done && row->finished_at > one->measured_at)
            one->measured_at = row->finished_at;
    }
    if (!row->started_at)
        return;
    struct json_maker time = json_make();
    make_int(&time, "n", row->n);
    make_text(&time, "name", row->name);
    make_bool(&time, "is_measure", is_measure);
    make_value(&time, "after_ms", between(felt_from(one), row->started_at));
    make_value(&time, "took_ms", between(row->started_at, row->finished_at));
    (void)json_array_append_new(one->times, json_made(&time));
}

/* {"alert_at": T|null, "decided_at": T, "finished_at": T|null, "measured_at": T|null, "decision_ms": from the first
 * alert to the decision, "steps_ms": n|null, "felt_ms": n|null, "steps": [{"n", "name", "is_measure", "after_ms": since
 * the first alert, "took_ms": n|null}]}. What users felt ends when the last measure has seen the service; a run without
 * measures is believed. A drill is felt by nobody. */
static json_t *timing_json(const struct one *one)
{
    bool is_measured = one->n_measures > 0 && one->n_measured == one->n_measures;
    int64_t served_at = one->n_measures == 0 ? one->finished_at : is_measured ? one->measured_at : 0;
    struct json_maker timing = json_make();
    make_time(&timing, "alert_at", one->alert_at);
    make_time(&timing, "decided_at", one->started_at);
    make_time(&timing, "finished_at", one->finished_at);
    make_time(&timing, "measured_at", is_measured ? one->measured_at : 0);
    make_value(&timing, "decision_ms", between(one->alert_at, one->started_at));
    make_value(&timing, "steps_ms", between(one->started_at, one->finished_at));
    make_value(&timing, "felt_ms", between(felt_from(one), one->is_succeeded && !one->is_drill ? served_at : 0));
    make_value(&timing, "steps", json_incref(one->times));
    return json_made(&timing);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static json_t *attempt_json(struct columns *columns)
{
    struct json_maker attempt = json_make();
    make_int(&attempt, "n", column_int(columns));
    make_text(&attempt, "phase", column_text(columns));
    make_bool(&attempt, "is_undo", column_int(columns) != 0);
    make_text(&attempt, "outcome", column_text(columns));
    make_text(&attempt, "text", column_text(columns));
    make_time(&attempt, "started_at", column_int(columns));
    make_time(&attempt, "finished_at", column_int(columns));
    json_t *detail = json_loads(column_text(columns), 0, NULL);
    make_value(&attempt, "detail", detail ? detail : json_null());
    return json_made(&attempt);
}

/* Oldest first, of the newest STORE_MAX_ATTEMPTS. */
static enum err add_attempts(struct connection *connection, const struct id *run, int step, struct json_maker *maker,
                             struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    json_t *attempts = json_array();
    make_value(maker, "attempts", attempts);
    enum err err = query_begin(connection, SQL_STEP_ATTEMPTS, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, run);
    bind_int(&bind, step);
    bind_int(&bind, STORE_MAX_ATTEMPTS);
    while (!maker->is_broken && query_next(&bind, &columns))
        if (json_array_insert_new(attempts, 0, attempt_json(&columns)) != 0)
            maker->is_broken = true;
    return query_end(connection, &bind, &columns, why);
}

/* What the run's own playbook says of the step. */
static void add_playbook(struct json_maker *maker, const json_t *text)
{
    const char *on_failure = json_string_value(json_object_get(text, "on_failure"));
    make_int(maker, "group", json_integer_value(json_object_get(text, "group")));
    make_text(maker, "on_failure", on_failure ? on_failure : on_failure_text(ON_FAILURE_ATTENTION));
    make_bool(maker, "is_measure", json_is_true(json_object_get(text, "is_measure")));
    make_bool(maker, "is_point_of_no_return", json_is_true(json_object_get(text, "is_point_of_no_return")));
}

static enum err add_step(struct connection *connection, struct columns *columns, struct one *one, struct errmsg *why)
{
    struct step_row row = step_from_columns(columns);
    const json_t *text = json_array_get(one->playbook, (size_t)row.n);
    struct json_maker step = json_make();
    make_int(&step, "n", row.n);
    make_text(&step, "name", row.name);
    make_text(&step, "action", row.action);
    make_text(&step, "state", step_state_text(row.state));
    add_playbook(&step, text);
    make_bool(&step, "is_undoing", row.is_undoing);
    json_t *previous = json_loads(row.previous, 0, NULL);
    make_value(&step, "previous", previous ? previous : json_null());
    make_text(&step, "error", row.error);
    make_time(&step, "started_at", row.started_at);
    make_time(&step, "finished_at", row.finished_at);
    make_int(&step, "n_attempts", row.n_attempts);
    enum err err = add_attempts(connection, &row.run, row.n, &step, why);
    if (json_array_append_new(one->steps, json_made(&step)) != 0 && err == ERR_OK)
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    one->n_debts += row.state == STEP_OWED;
    time_step(one, &row, json_is_true(json_object_get(text, "is_measure")));
    return err;
}

static enum err add_steps(struct connection *connection, const struct id *run, struct one *one, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, SQL_RUN_STEPS, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, run);
    while (err == ERR_OK && query_next(&bind, &columns))
        err = add_step(connection, &columns, one, why);
    enum err end = query_end(connection, &bind, &columns, err == ERR_OK ? why : NULL);
    return err == ERR_OK ? end : err;
}

static enum err find_alert(struct connection *connection, const struct id *incident, int64_t *ret, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    *ret = 0;
    if (id_is_nil(incident))
        return ERR_OK;
    enum err err = query_begin(connection, SQL_INCIDENT_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, incident);
    if (query_next(&bind, &columns))
        *ret = incident_from_columns(&columns).opened_at;
    return query_end(connection, &bind, &columns, why);
}

static enum err run_itself(struct connection *connection, const struct id *id, struct one *one, json_t **ret,
                           struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, SQL_RUN_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, id);
    bool is_there = query_next(&bind, &columns);
    if (is_there) {
        struct run_row row = run_from_columns(&columns);
        one->playbook = json_loads(column_text(&columns), 0, NULL);
        one->incident = row.incident;
        one->started_at = row.started_at;
        one->finished_at = row.finished_at;
        one->is_succeeded = row.state == RUN_SUCCEEDED;
        one->is_drill = row.occasion == OCCASION_DRILL;
        *ret = run_json(&row);
    }
    err = query_end(connection, &bind, &columns, why);
    return err == ERR_OK && !is_there ? err_set(why, ERR_NOT_FOUND, "there is no such run") : err;
}

static enum err get_run(struct connection *connection, const struct id *id, json_t **ret, struct errmsg *why)
{
    struct one one = {.steps = json_array(), .times = json_array()};
    json_t *run = NULL;
    enum err err = run_itself(connection, id, &one, &run, why);
    if (err == ERR_OK)
        err = find_alert(connection, &one.incident, &one.alert_at, why);
    if (err == ERR_OK)
        err = add_steps(connection, id, &one, why);
    if (err == ERR_OK &&
        (json_object_set_new(run, "debts", json_integer(one.n_debts)) != 0 ||
         json_object_set_new(run, "timing", timing_json(&one)) != 0 || json_object_set(run, "steps", one.steps) != 0))
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    json_decref(one.playbook);
    json_decref(one.steps);
    json_decref(one.times);
    if (err != ERR_OK)
        json_decref(run);
    else
        *ret = run;
    return err;
}

enum err store_run_get(struct store_reader *reader, const struct id *id, json_t **ret, struct errmsg *why)
{
    json_t *run = NULL;
    enum err err = read_begin(&reader->connection, why);
    if (err == ERR_OK)
        err = read_end(&reader->connection, get_run(&reader->connection, id, &run, why), why);
    if (err == ERR_OK)
        *ret = run;
    else
        json_decref(run);
    return err;
}

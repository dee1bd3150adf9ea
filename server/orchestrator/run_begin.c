/* How a run comes into being: its steps as resolved at that time, which are what it keeps to whatever the configuration
 * says later, and its rows. A run that waits for a yes is made in the same way, and nothing of it is sent. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "core/json_whole.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

static const char *site_name(const struct service *service, int site)
{
    return site >= 0 ? service->sites[site].name : "";
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

void run_put(struct orchestrator *o, const struct live_run *live)
{
    const struct service *service = &o->settings.model->services[live->run.service];
    batch_run(o->rows, &(struct run_row){.id = live->run.id,
                                         .service = service->name,
                                         .direction = live->run.direction,
                                         .occasion = live->occasion,
                                         .is_ours = live->is_ours,
                                         .overrides = batch_keep(o->rows, overrides_text(live->overrides).text),
                                         .from = batch_keep(o->rows, live->from),
                                         .to = batch_keep(o->rows, live->to),
                                         .state = live->run.state,
                                         .has_effect = live->run.has_effect,
                                         .ending = live->run.ending,
                                         .is_undoing = live->run.is_undoing,
                                         .current = live->run.current,
                                         .reason = batch_keep(o->rows, live->reason),
                                         .started_by = batch_keep(o->rows, live->started_by),
                                         .incident = live->incident,
                                         .started_at = live->started_at,
                                         .finished_at = live->finished_at,
                                         .error = batch_keep(o->rows, or_empty(live->error)),
                                         .plan = batch_keep(o->rows, or_empty(live->plan)),
                                         .playbook = batch_keep(o->rows, live->playbook)});
}

const char *run_step_text(const struct live_run *live, int n, const char *key)
{
    return or_empty(json_string_value(json_object_get(json_array_get(live->steps_text, (size_t)n), key)));
}

void run_put_step(struct orchestrator *o, const struct live_run *live, int n)
{
    const struct step_run *step = &live->run.steps[n];
    const struct step_record *record = &live->records[n];
    batch_step(o->rows, &(struct step_row){.run = live->run.id,
                                           .n = n,
                                           .name = batch_keep(o->rows, run_step_text(live, n, "name")),
                                           .action = batch_keep(o->rows, run_step_text(live, n, "action")),
                                           .state = step->state,
                                           .phase = step->phase,
                                           .tries = step->tries,
                                           .n_attempts = step->n_attempts,
                                           .attempt_at = record->attempt_at,
                                           .has_applied = step->has_applied,
                                           .has_unknown_apply = step->has_unknown_apply,
                                           .is_undoing = step->is_undoing,
                                           .began_at = step->began_at,
                                           .next_at = step->next_at,
                                           .offset_ms = clock_offset_ms(),
                                           .boot_id = clock_boot_id(),
                                           .started_at = record->started_at,
                                           .finished_at = record->finished_at,
                                           .error = batch_keep(o->rows, or_empty(record->error)),
                                           .token = batch_keep(o->rows, or_empty(record->token)),
                                           .observed = batch_keep(o->rows, or_empty(record->observed)),
                                           .previous = batch_keep(o->rows, or_empty(record->previous))});
}

void run_note(struct orchestrator *o, const struct live_run *live, const char *kind, const struct cause *cause,
              const char *text, json_t *detail)
{
    journal_note(o, &(struct note){.kind = kind,
                                   .service = o->settings.model->services[live->run.service].name,
                                   .who = cause->who,
                                   .text = text,
                                   .run = &live->run.id,
                                   .incident = &live->incident,
                                   .detail = detail});
}

/* ---- a new run --------------------------------------------------------------------------------------------------- */

static bool flag_of(const json_t *text, const char *key, bool otherwise)
{
    const json_t *value = json_object_get(text, key);
    return value ? json_is_true(value) : otherwise;
}

/* A playbook of an older version lacks what that did not know. */
void run_step_read(struct step_run *step, const json_t *text)
{
    const char *on_failure = json_string_value(json_object_get(text, "on_failure"));
    step->can_observe = flag_of(text, "can_observe", true);
    step->can_apply = flag_of(text, "can_apply", false);
    step->can_settle = flag_of(text, "can_settle", false);
    step->is_point = flag_of(text, "is_point_of_no_return", false);
    step->is_idempotent = flag_of(text, "is_idempotent", false);
    step->is_measure = flag_of(text, "is_measure", false);
    step->on_failure = ON_FAILURE_ATTENTION;
    if (on_failure)
        (void)on_failure_parse(on_failure, &step->on_failure);
    step->group = (int)json_integer_value(json_object_get(text, "group"));
    step->deadline_ms = json_integer_value(json_object_get(text, "deadline_ms"));
    step->backoff_ms = json_integer_value(json_object_get(text, "backoff_ms"));
    step->retries = (int)json_integer_value(json_object_get(text, "retries"));
}

static int count_steps(const struct service *service, enum occasion occasion)
{
    int n = 0;
    for (int i = 0; i < service->n_steps; i++)
        n += step_is_part_of(&service->steps[i], occasion);
    return n;
}

bool run_has_steps(const struct service *service, enum occasion occasion)
{
    return count_steps(service, occasion) > 0;
}

/* Of at most `n` steps; none is there so far. */
static struct live_run *allocate(const struct service *service, int n, const struct thing *start,
                                 const struct cause *cause)
{
    struct live_run *live = calloc(1, sizeof *live);
    if (!live)
        return NULL;
    live->run.steps = calloc((size_t)n + 1, sizeof *live->run.steps);
    live->records = calloc((size_t)n + 1, sizeof *live->records);
    live->steps_text = json_array();
    live->reason = strdup(start->text);
    live->from = strdup(site_name(service, start->from));
    live->to = strdup(site_name(service, start->site));
    live->started_by = strdup(cause->person ? cause->who : "decision");
    if (live->run.steps && live->records && live->steps_text && live->reason && live->from && live->to &&
        live->started_by)
        return live;
    live_run_free(live);
    return NULL;
}

/* Takes `text`, which may be NULL: then *why says what is wrong with it. */
static enum err add_step(struct live_run *live, const struct step *step, json_t *text, struct errmsg *why)
{
    struct errmsg said = *why;
    if (!text || json_array_append_new(live->steps_text, text) != 0)
        return err_set(why, ERR_INTERNAL, "step %s cannot be resolved: %s", step->name, said.text);
    run_step_read(&live->run.steps[live->run.n_steps++], text);
    return ERR_OK;
}

static enum err add_measures(const struct model *model, const struct service *service, struct live_run *live,
                             const struct thing *start, struct errmsg *why)
{
    enum err err = ERR_OK;
    for (int i = 0; i < service->objective.n_measures && err == ERR_OK; i++) {
        const struct step *step = &service->objective.measures[i];
        json_t *text = step_resolve(model, service, step, start->from, start->site, why);
        if (text)
            json_object_set_new(text, "is_measure", json_true());
        err = add_step(live, step, text, why);
    }
    return err;
}

/* The steps are all there, unless `err` says otherwise. Takes the run, and gives it back; NULL: *why says what. */
static struct live_run *finish(struct live_run *live, enum err err, struct errmsg *why)
{
    live->playbook = err == ERR_OK ? json_whole(live->steps_text, JSON_COMPACT) : NULL;
    if (live->playbook)
        return live;
    if (err == ERR_OK)
        err_set(why, ERR_NO_MEMORY, "out of memory");
    live_run_free(live);
    return NULL;
}

/* NULL: *why says what. */
static struct live_run *resolve(struct orchestrator *o, int index, const struct thing *start, const struct cause *cause,
                                struct errmsg *why)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[index];
    int n = count_steps(service, start->occasion);
    struct live_run *live = allocate(service, n + service->objective.n_measures, start, cause);
    if (!live) {
        err_set(why, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    enum err err =
        n > 0 ? ERR_OK : err_set(why, ERR_INTERNAL, "the playbook of %s has no step for this", service->name);
    for (int i = 0; i < service->n_steps && err == ERR_OK; i++)
        if (step_is_part_of(&service->steps[i], start->occasion))
            err = add_step(live, &service->steps[i],
                           step_resolve(model, service, &service->steps[i], start->from, start->site, why), why);
    if (err == ERR_OK)
        err = add_measures(model, service, live, start, why);
    return finish(live, err, why);
}

void run_set_overrides(struct live_run *live, uint64_t overrides)
{
    live->overrides = overrides;
    live->run.is_forced = (overrides & (uint64_t)1 << REASON_PREFLIGHT) != 0;
}

static void note_begin(struct orchestrator *o, const struct live_run *live, const struct thing *thing,
                       const struct cause *cause)
{
    const struct service *service = &o->settings.model->services[live->run.service];
    bool is_waiting = live->run.state == RUN_WAITING;
    log_info("service=%s %s to %s %s: %s", service->name, direction_text(live->run.direction), live->to,
             is_waiting ? "waits for a yes" : "starts", thing->text);
    json_t *detail = json_pack("{s:s, s:s, s:i, s:s}", "from", live->from, "to", live->to, "steps", live->run.n_steps,
                               "occasion", occasion_text(live->occasion));
    if (live->plan)
        json_object_set_new(detail, "plan", json_string(live->plan));
    run_note(o, live, is_waiting ? "run.waiting" : "run.started", cause, thing->text, detail);
}

static void put_all(struct orchestrator *o, const struct live_run *live, const struct thing *start,
                    const struct cause *cause)
{
    note_begin(o, live, start, cause);
    run_put(o, live);
    for (int i = 0; i < live->run.n_steps; i++)
        run_put_step(o, live, i);
}

void run_make(struct orchestrator *o, int index, const struct thing *start, const struct cause *cause)
{
    struct service_state *state = &o->world->services[index];
    struct errmsg why = {0};
    const struct command *command = cause->command;
    const char *plan = command && command->kind == COMMAND_MOVE ? command->as.operator_call.plan : "";
    struct live_run *live = state->run ? NULL : resolve(o, index, start, cause, &why);
    if (!live) {
        if (state->run)
            err_set(&why, ERR_INTERNAL, "a second run of a service was decided");
        batch_break(o, ERR_INTERNAL, &why);
        return;
    }
    live->run.id = id_new(o->wall);
    live->run.service = index;
    live->run.direction = start->direction;
    live->occasion = start->occasion;
    live->is_ours = start->flag;
    run_set_overrides(live, start->overrides);
    live->run.from = start->from;
    live->run.to = start->site;
    live->run.state = start->run_state;
    live->plan = plan[0] ? strdup(plan) : NULL;
    live->started_at = o->wall;
    state->run = live;
    if (start->from >= 0 && state->view.sites[start->from].has_incident) {
        state->incidents[start->from].run = live->run.id;
        live->incident = state->incidents[start->from].id;
        service_put_incident(o, index, start->from, false);
    }
    atomic_fetch_add(&o->n_runs, 1);
    put_all(o, live, start, cause);
    if (live->run.state == RUN_RUNNING)
        runs_are_past(o, index, cause);
}

void run_approved(struct orchestrator *o, int index, const struct thing *thing, const struct cause *cause)
{
    struct live_run *live = o->world->services[index].run;
    if (!live || live->run.state != RUN_WAITING) {
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"a run was approved that does not wait"});
        return;
    }
    char *reason = strdup(thing->text); /* it waits no more */
    if (reason) {
        free(live->reason);
        live->reason = reason;
    }
    const struct command *command = cause->command;
    const char *plan = command && command->kind == COMMAND_RUN ? command->as.operator_call.plan : "";
    if (plan[0]) {
        free(live->plan);
        live->plan = strdup(plan);
    }
    run_set_overrides(live, thing->overrides);
    live->run.state = RUN_RUNNING;
    note_begin(o, live, thing, cause);
    run_put(o, live);
    runs_are_past(o, index, cause);
}

/* ---- a drill ----------------------------------------------------------------------------------------------------- */

/* A step with an effect and nothing that stands in for what it touches is left out. */
static bool is_in_drill(const struct step *step)
{
    return step->drill || (!step->can_apply && step_is_part_of(step, OCCASION_DRILL));
}

static json_t *drill_step(const struct model *model, const struct service *service, const struct step *step,
                          const struct thing *way, bool is_back, struct errmsg *why)
{
    json_t *args = json_deep_copy(step->args);
    if (step->drill && json_object_update(args, step->drill) != 0) {
        json_decref(args);
        args = NULL;
    }
    json_t *text = args ? step_resolve_with(model, service, step, args, way->from, way->site, why) : NULL;
    json_decref(args);
    if (!text)
        return NULL;
    char name[160];
    snprintf(name, sizeof name, "%.120s, %s", step->name, is_back ? "back" : "there");
    json_object_set_new(text, "name", json_string(name));
    if (step->on_failure == ON_FAILURE_OWE) /* a drill owes nothing: what it could not do makes it no proof */
        json_object_set_new(text, "on_failure", json_string(on_failure_text(ON_FAILURE_CONTINUE)));
    if (is_back && step->group) /* the last group of the way there ends with it */
        json_object_set_new(text, "group", json_integer(step->group + MAX_STEPS));
    return text;
}

static enum err add_drill_steps(const struct model *model, const struct service *service, struct live_run *live,
                                const struct thing *way, bool is_back, struct errmsg *why)
{
    enum err err = ERR_OK;
    for (int i = 0; i < service->n_steps && err == ERR_OK; i++)
        if (is_in_drill(&service->steps[i]))
            err = add_step(live, &service->steps[i], drill_step(model, service, &service->steps[i], way, is_back, why),
                           why);
    return err;
}

static json_t *left_out(const struct service *service)
{
    json_t *names = json_array();
    for (int i = 0; i < service->n_steps; i++)
        if (!is_in_drill(&service->steps[i]))
            json_array_append_new(names, text_json(service->steps[i].name));
    return names;
}

struct live_run *run_make_drill(struct orchestrator *o, int index, int to, const char *reason,
                                const struct cause *cause, struct errmsg *why)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[index];
    struct service_state *state = &o->world->services[index];
    struct thing there = {.direction = DIRECTION_FAILOVER, .from = state->view.active_site, .site = to};
    const struct thing back = {.from = to, .site = there.from};
    snprintf(there.text, sizeof there.text, "drill: %.230s", reason);
    struct live_run *live = allocate(service, 2 * service->n_steps, &there, cause);
    if (!live) {
        err_set(why, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    enum err err = add_drill_steps(model, service, live, &there, false, why);
    if (err == ERR_OK)
        err = add_drill_steps(model, service, live, &back, true, why);
    live = finish(live, err, why);
    if (!live)
        return NULL;
    live->run.id = id_new(o->wall);
    live->run.service = index;
    live->run.direction = DIRECTION_FAILOVER;
    live->occasion = OCCASION_DRILL;
    live->is_ours = !cause->person;
    live->run.from = there.from;
    live->run.to = to;
    live->run.state = RUN_RUNNING;
    live->started_at = o->wall;
    live->next = state->others;
    state->others = live;
    atomic_fetch_add(&o->n_runs, 1);
    put_all(o, live, &there, cause);
    char text[160];
    snprintf(text, sizeof text, "the drill leaves out what has an effect and no stand-in");
    json_t *names = left_out(service);
    if (json_array_size(names) > 0)
        run_note(o, live, "run.left_out", cause, text, json_pack("{s:O}", "steps", names));
    json_decref(names);
    return live;
}

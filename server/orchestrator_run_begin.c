/* How a run comes into being: its steps as resolved at that time, which are what it keeps to whatever the configuration
 * says later, and its rows. A run that waits for a yes is made in the same way, and nothing of it is sent. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator_internal.h"

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
                                         .plan = "",
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
                                           .began_at = step->began_at,
                                           .next_at = step->next_at,
                                           .offset_ms = clock_offset_ms(),
                                           .boot_id = clock_boot_id(),
                                           .started_at = record->started_at,
                                           .finished_at = record->finished_at,
                                           .error = batch_keep(o->rows, or_empty(record->error)),
                                           .token = batch_keep(o->rows, or_empty(record->token)),
                                           .observed = batch_keep(o->rows, or_empty(record->observed)),
                                           .previous = ""});
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

static struct live_run *allocate(const struct service *service, const struct thing *start, const struct cause *cause)
{
    struct live_run *live = calloc(1, sizeof *live);
    if (!live)
        return NULL;
    size_t n = (size_t)count_steps(service, start->occasion);
    live->run.n_steps = (int)n;
    live->run.steps = calloc(n + 1, sizeof *live->run.steps);
    live->records = calloc(n + 1, sizeof *live->records);
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

static enum err add_step(const struct model *model, const struct service *service, struct live_run *live, int n,
                         const struct step *step, const struct thing *start, struct errmsg *why)
{
    json_t *text = step_resolve(model, service, step, start->from, start->site, why);
    if (!text || json_array_append_new(live->steps_text, text) != 0)
        return err_set(why, ERR_INTERNAL, "step %s cannot be resolved: %s", step->name, why->text);
    live->run.steps[n] = step_run_new(step);
    return ERR_OK;
}

/* NULL: *why says what. */
static struct live_run *resolve(struct orchestrator *o, int index, const struct thing *start, const struct cause *cause,
                                struct errmsg *why)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[index];
    struct live_run *live = allocate(service, start, cause);
    if (!live) {
        err_set(why, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    enum err err = ERR_OK;
    int n = 0;
    for (int i = 0; i < service->n_steps && err == ERR_OK; i++)
        if (step_is_part_of(&service->steps[i], start->occasion))
            err = add_step(model, service, live, n++, &service->steps[i], start, why);
    if (err == ERR_OK && n == 0)
        err = err_set(why, ERR_INTERNAL, "the playbook of %s has no step for this", service->name);
    live->playbook = err == ERR_OK ? json_dumps(live->steps_text, JSON_COMPACT) : NULL;
    if (live->playbook)
        return live;
    if (err == ERR_OK)
        err_set(why, ERR_NO_MEMORY, "out of memory");
    live_run_free(live);
    return NULL;
}

static void set_overrides(struct live_run *live, uint64_t overrides)
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
    run_note(o, live, is_waiting ? "run.waiting" : "run.started", cause, thing->text, detail);
}

void run_make(struct orchestrator *o, int index, const struct thing *start, const struct cause *cause)
{
    struct service_state *state = &o->world->services[index];
    struct errmsg why = {0};
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
    set_overrides(live, start->overrides);
    live->run.from = start->from;
    live->run.to = start->site;
    live->run.state = start->run_state;
    live->started_at = o->wall;
    state->run = live;
    if (start->from >= 0 && state->view.sites[start->from].has_incident) {
        state->incidents[start->from].run = live->run.id;
        live->incident = state->incidents[start->from].id;
        service_put_incident(o, index, start->from, false);
    }
    atomic_fetch_add(&o->n_runs, 1);
    note_begin(o, live, start, cause);
    run_put(o, live);
    for (int i = 0; i < live->run.n_steps; i++)
        run_put_step(o, live, i);
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
    set_overrides(live, thing->overrides);
    live->run.state = RUN_RUNNING;
    note_begin(o, live, thing, cause);
    run_put(o, live);
}

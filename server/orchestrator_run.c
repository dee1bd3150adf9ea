/* Runs: made from the configuration, advanced by the core, journaled row by row. An attempt is journaled as started in
 * the same commit that lets it go out, and its result is journaled before the run goes on. */
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

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = text && text[0] ? strdup(text) : NULL;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void put_run(struct orchestrator *o, const struct live_run *live)
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
                                         .is_cancelling = live->run.is_cancelling,
                                         .current = live->run.current,
                                         .reason = batch_keep(o->rows, live->reason),
                                         .started_by = batch_keep(o->rows, live->started_by),
                                         .incident = live->incident,
                                         .started_at = live->started_at,
                                         .finished_at = live->finished_at,
                                         .error = batch_keep(o->rows, or_empty(live->error)),
                                         .playbook = batch_keep(o->rows, live->playbook)});
}

static const char *step_string(const struct live_run *live, int n, const char *key)
{
    return or_empty(json_string_value(json_object_get(json_array_get(live->steps_text, (size_t)n), key)));
}

static void put_step(struct orchestrator *o, const struct live_run *live, int n)
{
    const struct step_run *step = &live->run.steps[n];
    const struct step_record *record = &live->records[n];
    batch_step(o->rows, &(struct step_row){.run = live->run.id,
                                           .n = n,
                                           .name = batch_keep(o->rows, step_string(live, n, "name")),
                                           .action = batch_keep(o->rows, step_string(live, n, "action")),
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
                                           .observed = batch_keep(o->rows, or_empty(record->observed))});
}

static void note_run(struct orchestrator *o, const struct live_run *live, const char *kind, const struct cause *cause,
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

/* ---- moves ------------------------------------------------------------------------------------------------------- */

static json_t *token_parse(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

static void start_attempt(struct orchestrator *o, struct live_run *live, const struct run_move *move)
{
    struct step_run *step = &live->run.steps[move->step];
    struct step_record *record = &live->records[move->step];
    struct job *job = job_new(JOB_ATTEMPT);
    if (!job) {
        batch_break(o, ERR_NO_MEMORY, &(struct errmsg){"out of memory"});
        return;
    }
    if (!record->started_at)
        record->started_at = o->wall;
    record->attempt_at = o->wall;
    job->run = live->run.id;
    job->step = move->step;
    job->attempt = move->attempt;
    job->phase = move->phase;
    job->after_unknown_apply = step->has_unknown_apply;
    job->step_text = json_deep_copy(json_array_get(live->steps_text, (size_t)move->step));
    job->observed = token_parse(record->observed);
    job->applied = token_parse(record->token);
    batch_attempt(o->rows, &(struct attempt_row){.run = live->run.id,
                                                 .step = move->step,
                                                 .n = move->attempt,
                                                 .phase = move->phase,
                                                 .outcome = OUTCOME_STARTED,
                                                 .started_at = o->wall,
                                                 .text = "",
                                                 .detail = ""});
    outgoing_add(o, job);
}

static void move_step(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                      const struct cause *cause)
{
    struct step_record *record = &live->records[move->step];
    bool is_failed = move->step_state == STEP_FAILED;
    set_text(&record->error, is_failed ? move->text : NULL);
    record->finished_at = is_failed || step_state_is_final(move->step_state) ? o->wall : 0;
    if (move->step_state == STEP_RUNNING && !record->started_at)
        record->started_at = o->wall;
    char text[400];
    snprintf(text, sizeof text, "step %d \"%.80s\" is %s%s%s", move->step + 1, step_string(live, move->step, "name"),
             step_state_text(move->step_state), move->text[0] ? ": " : "", move->text);
    json_t *detail =
        json_pack("{s:i, s:s, s:s, s:s}", "step", move->step, "name", step_string(live, move->step, "name"), "action",
                  step_string(live, move->step, "action"), "state", step_state_text(move->step_state));
    if (move->step_state != STEP_RUNNING)
        note_run(o, live, "run.step", cause, text, detail);
    else
        json_decref(detail);
}

static void move_state(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                       const struct cause *cause)
{
    bool is_attention = move->run_state == RUN_ATTENTION;
    bool is_final = run_state_is_final(move->run_state);
    set_text(&live->error, is_attention ? move->text : NULL);
    live->finished_at = is_final ? o->wall : 0;
    const struct service *service = &o->settings.model->services[live->run.service];
    char text[400];
    snprintf(text, sizeof text, "%s of %s to %s: %s%s%s", direction_text(live->run.direction), service->name, live->to,
             run_state_text(move->run_state), move->text[0] ? ": " : "", move->text);
    if (is_attention)
        log_warning("service=%s a run needs a person: %s", service->name, move->text);
    else
        log_info("service=%s %s", service->name, text);
    note_run(o, live, is_attention ? "run.attention" : is_final ? "run.finished" : "run.resumed", cause, text, NULL);
}

static void carry_out_move(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                           const struct cause *cause)
{
    switch (move->kind) {
    case RUN_MOVE_ATTEMPT:
        start_attempt(o, live, move);
        break;
    case RUN_MOVE_WAIT:
        due_at(o, move->at);
        break;
    case RUN_MOVE_STEP:
        move_step(o, live, move, cause);
        break;
    case RUN_MOVE_STATE:
        move_state(o, live, move, cause);
        break;
    case RUN_MOVE_STOP_ATTEMPT:
        if (o->n_stop_attempts < MAX_BATCH)
            o->stop_attempts[o->n_stop_attempts++] = live->run.id;
        break;
    case RUN_MOVE_REFUSED:
        break; /* the caller has seen it in the core's answer */
    }
}

/* Journals what the core moved, tells the service when the run's state changed, and lets go of a run that is over. */
static void carry_out_moves(struct orchestrator *o, int service, const struct run_moves *moves,
                            const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    bool is_changed = false;
    for (int i = 0; i < moves->count; i++) {
        carry_out_move(o, live, &moves->items[i], cause);
        is_changed |= moves->items[i].kind == RUN_MOVE_STATE;
    }
    put_run(o, live);
    int touched = -1;
    for (int i = 0; i < moves->count; i++) {
        const struct run_move *move = &moves->items[i];
        bool has_step = move->kind == RUN_MOVE_ATTEMPT || move->kind == RUN_MOVE_WAIT || move->kind == RUN_MOVE_STEP;
        if (has_step && move->step != touched) {
            touched = move->step;
            put_step(o, live, touched);
        }
    }
    if (!is_changed)
        return;
    const struct event event = {
        .kind = EVENT_RUN_STATE, .site = SITE_NONE, .run_state = live->run.state, .has_effect = live->run.has_effect};
    if (run_state_is_final(live->run.state)) {
        live_run_free(live);
        state->run = NULL;
    }
    service_event(o, service, &event, cause);
}

/* An attempt that a former process sent has no result: say so, and let the core observe. */
static void close_lost_attempt(struct orchestrator *o, struct live_run *live)
{
    if (live->run.current >= live->run.n_steps)
        return;
    struct step_run *step = &live->run.steps[live->run.current];
    struct step_record *record = &live->records[live->run.current];
    if (!record->attempt_at)
        return;
    if (step->phase == PHASE_APPLY)
        step->has_unknown_apply = step->has_applied = true;
    batch_attempt(o->rows, &(struct attempt_row){.run = live->run.id,
                                                 .step = live->run.current,
                                                 .n = step->n_attempts,
                                                 .phase = step->phase,
                                                 .outcome = OUTCOME_UNKNOWN,
                                                 .started_at = record->attempt_at,
                                                 .finished_at = o->wall,
                                                 .text = "the daemon ended before the result was recorded",
                                                 .detail = ""});
    record->attempt_at = 0;
    put_step(o, live, live->run.current);
}

void run_event(struct orchestrator *o, int service, const struct run_event *event, const struct cause *cause)
{
    struct live_run *live = o->world->services[service].run;
    if (event->kind == RUN_EVENT_START)
        close_lost_attempt(o, live);
    struct run_moves moves;
    run_next(&live->run, event, o->now, &moves);
    carry_out_moves(o, service, &moves, cause);
}

/* ---- a new run --------------------------------------------------------------------------------------------------- */

json_t *step_resolve(const struct model *model, const struct service *service, const struct step *step, int from,
                     int to, struct errmsg *why)
{
    json_t *args = NULL;
    if (args_resolve(service, from, to, step->args, &args, why) != ERR_OK)
        return NULL;
    json_t *provider = step->provider >= 0 ? json_string(model->provider_names[step->provider]) : json_null();
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:i, s:b, s:b, s:o}", "name", step->name, "action", step->action_name,
                     "provider", provider, "timeout_ms", (json_int_t)step->timeout_ms, "deadline_ms",
                     (json_int_t)step->deadline_ms, "retries", step->retries, "can_apply", (int)step->can_apply,
                     "can_settle", (int)step->can_settle, "args", args);
}

static struct live_run *run_make(struct orchestrator *o, int index, const struct thing *start,
                                 const struct cause *cause, struct errmsg *why)
{
    const struct service *service = &o->settings.model->services[index];
    struct live_run *live = calloc(1, sizeof *live);
    size_t n = (size_t)service->n_steps;
    if (live) {
        live->run.n_steps = service->n_steps;
        live->run.steps = calloc(n, sizeof *live->run.steps);
        live->records = calloc(n, sizeof *live->records);
        live->steps_text = json_array();
        live->reason = strdup(start->text);
        live->from = strdup(site_name(service, start->from));
        live->to = strdup(site_name(service, start->site));
        live->started_by = strdup(cause->command ? cause->who : "decision");
    }
    if (!live || !live->run.steps || !live->records || !live->reason || !live->started_by || !live->from || !live->to) {
        live_run_free(live);
        err_set(why, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    for (int i = 0; i < service->n_steps; i++) {
        json_t *text = step_resolve(o->settings.model, service, &service->steps[i], start->from, start->site, why);
        if (!text || json_array_append_new(live->steps_text, text) != 0) {
            live_run_free(live);
            return NULL;
        }
        live->run.steps[i] = (struct step_run){.state = STEP_PENDING,
                                               .can_apply = service->steps[i].can_apply,
                                               .can_settle = service->steps[i].can_settle,
                                               .deadline_ms = service->steps[i].deadline_ms,
                                               .retries = service->steps[i].retries};
    }
    live->playbook = json_dumps(live->steps_text, JSON_COMPACT);
    if (!live->playbook) {
        live_run_free(live);
        err_set(why, ERR_NO_MEMORY, "out of memory");
        return NULL;
    }
    return live;
}

void run_begin(struct orchestrator *o, int service, const struct thing *start, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    const struct service *config = &o->settings.model->services[service];
    struct errmsg why = {0};
    struct live_run *live = run_make(o, service, start, cause, &why);
    if (!live) {
        batch_break(o, ERR_INTERNAL, &why);
        return;
    }
    live->run.id = id_new(o->wall);
    live->run.service = service;
    live->run.direction = start->direction;
    live->occasion = start->occasion;
    live->is_ours = start->flag;
    live->overrides = start->overrides;
    live->run.from = start->from;
    live->run.to = start->site;
    live->run.state = start->run_state;
    live->started_at = o->wall;
    if (start->from >= 0 && state->view.sites[start->from].has_incident) {
        struct incident *incident = &state->incidents[start->from];
        live->incident = incident->id;
        incident->run = live->run.id;
        state->run = live;
        service_put_incident(o, service, start->from, false);
    }
    state->run = live;
    atomic_fetch_add(&o->n_runs, 1);
    log_info("service=%s %s to %s starts: %s", config->name, direction_text(start->direction),
             config->sites[start->site].name, start->text);
    json_t *detail = json_pack("{s:s, s:s, s:i}", "from", site_name(config, start->from), "to",
                               config->sites[start->site].name, "steps", config->n_steps);
    note_run(o, live, "run.started", cause, start->text, detail);
    for (int i = 0; i < live->run.n_steps; i++)
        put_step(o, live, i);
    run_event(o, service, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1}, cause);
}

/* ---- operators and results --------------------------------------------------------------------------------------- */

static int find_run(const struct orchestrator *o, const struct id *id)
{
    for (int i = 0; i < o->world->n_services; i++)
        if (o->world->services[i].run && id_equal(&o->world->services[i].run->run.id, id))
            return i;
    return -1;
}

static const char *call_text(enum run_call call)
{
    switch (call) {
    case RUN_CALL_APPROVE:
        return "approve";
    case RUN_CALL_REJECT:
        return "reject";
    case RUN_CALL_RETRY:
        return "retry";
    case RUN_CALL_SKIP:
        return "skip";
    case RUN_CALL_CANCEL:
        break;
    }
    return "cancel";
}

static void note_run_call(struct orchestrator *o, const struct command *command, int service, bool is_refused)
{
    const struct command_operator *call = &command->as.operator_call;
    char who[96];
    char text[600];
    snprintf(who, sizeof who, "operator %s", call->who);
    snprintf(text, sizeof text, "%s asked for: %s%s%s", call_text(call->run_call), call->reason,
             is_refused ? " - refused: " : "", is_refused ? command->why.text : "");
    journal_note(o, &(struct note){.kind = is_refused ? "operator.refused" : "operator.call",
                                   .service = service >= 0 ? o->settings.model->services[service].name : "",
                                   .who = who,
                                   .text = text,
                                   .run = &call->run,
                                   .detail = json_pack("{s:s, s:s}", "from", call->from, "reason", call->reason)});
}

void run_note_orphan(struct orchestrator *o, const struct orphan_run *orphan)
{
    char text[300];
    snprintf(text, sizeof text,
             "an unfinished run belongs to service %.100s, which the configuration does not have: it stays as it is, "
             "and goes on when the service is back",
             orphan->service);
    log_warning("%s", text);
    journal_note(o,
                 &(struct note){.kind = "run.attention", .service = orphan->service, .run = &orphan->id, .text = text});
}

static void refuse_unknown_run(struct orchestrator *o, struct command *command)
{
    struct command_operator *call = &command->as.operator_call;
    struct errmsg why = {0};
    bool is_known = false;
    enum err err = store_run_is_known(o->settings.store, &call->run, &is_known, &why);
    if (err != ERR_OK)
        batch_break(o, err, &why);
    snprintf(call->code, sizeof call->code, is_known ? "wrong_state" : "not_found");
    command->err = err_set(&command->why, is_known ? ERR_CONFLICT : ERR_NOT_FOUND,
                           is_known ? "the run is over" : "there is no run with this id");
    for (size_t i = 0; i < o->world->n_orphans; i++) {
        if (!id_equal(&o->world->orphans[i].id, &call->run))
            continue;
        snprintf(call->code, sizeof call->code, "no_service");
        command->err = err_set(&command->why, ERR_CONFLICT,
                               "the run's service %.100s is not in the configuration: put it back first",
                               o->world->orphans[i].service);
    }
    note_run_call(o, command, -1, true);
}

void run_call(struct orchestrator *o, struct command *command)
{
    struct command_operator *call = &command->as.operator_call;
    int service = find_run(o, &call->run);
    command->err = ERR_OK;
    if (service < 0) {
        refuse_unknown_run(o, command);
        return;
    }
    char who[96];
    snprintf(who, sizeof who, "operator %s", call->who);
    const struct cause cause = {.who = who, .command = command};
    struct run_moves moves;
    run_next(&o->world->services[service].run->run,
             &(struct run_event){.kind = call->run_call == RUN_CALL_RETRY  ? RUN_EVENT_RETRY
                                         : call->run_call == RUN_CALL_SKIP ? RUN_EVENT_SKIP
                                                                           : RUN_EVENT_CANCEL,
                                 .retry_after_ms = -1,
                                 .text = call->reason},
             o->now, &moves);
    call->answer_run = call->run;
    if (moves.count > 0 && moves.items[0].kind == RUN_MOVE_REFUSED) {
        snprintf(call->code, sizeof call->code, "wrong_state");
        command->err = err_set(&command->why, ERR_CONFLICT, "%s", moves.items[0].text);
        note_run_call(o, command, service, true);
        return;
    }
    note_run_call(o, command, service, false);
    carry_out_moves(o, service, &moves, &cause);
}

static char *json_text(const json_t *json)
{
    return json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY) : NULL;
}

static json_t *result_detail(const struct command_result *result)
{
    json_t *detail = json_object();
    if (result->current)
        json_object_set(detail, "current", result->current);
    if (result->desired)
        json_object_set(detail, "desired", result->desired);
    if (result->phase == PHASE_OBSERVE && result->outcome == OUTCOME_OK)
        json_object_set_new(detail, "is_right", json_boolean(result->is_right));
    if (result->requests)
        json_object_set(detail, "requests", result->requests);
    return detail;
}

static void journal_result(struct orchestrator *o, struct live_run *live, const struct command_result *result,
                           const struct cause *cause)
{
    struct step_record *record = &live->records[result->step];
    json_t *detail = result_detail(result);
    char *text = json_text(detail);
    batch_attempt(o->rows, &(struct attempt_row){.run = result->run,
                                                 .step = result->step,
                                                 .n = result->attempt,
                                                 .phase = result->phase,
                                                 .outcome = result->outcome,
                                                 .started_at = record->attempt_at,
                                                 .finished_at = o->wall,
                                                 .text = result->text.text,
                                                 .detail = batch_keep(o->rows, or_empty(text))});
    free(text);
    record->attempt_at = 0;
    if (result->outcome == OUTCOME_OK && result->phase == PHASE_APPLY) {
        free(record->token);
        record->token = json_text(result->token);
    }
    if (result->outcome == OUTCOME_OK && result->phase == PHASE_OBSERVE) {
        free(record->observed);
        record->observed = json_text(result->token);
    }
    json_object_set_new(detail, "step", json_integer(result->step));
    json_object_set_new(detail, "attempt", json_integer(result->attempt));
    json_object_set_new(detail, "phase", json_string(phase_text(result->phase)));
    json_object_set_new(detail, "outcome", json_string(outcome_text(result->outcome)));
    char line[700];
    snprintf(line, sizeof line, "step %d \"%.80s\": %s is %s%s%s", result->step + 1,
             step_string(live, result->step, "name"), phase_text(result->phase), outcome_text(result->outcome),
             result->text.text[0] ? ": " : "", result->text.text);
    note_run(o, live, "run.attempt", cause, line, detail);
}

void run_result(struct orchestrator *o, struct command *command)
{
    const struct command_result *result = &command->as.result;
    int service = find_run(o, &result->run);
    struct live_run *live = service < 0 ? NULL : o->world->services[service].run;
    if (!live || live->run.current != result->step || live->run.steps[result->step].n_attempts != result->attempt ||
        !live->records[result->step].attempt_at) {
        log_warning("the result of an attempt that is not awaited was dropped");
        return;
    }
    const struct cause cause = {.who = "turnout"};
    journal_result(o, live, result, &cause);
    const struct run_event event = {.kind = RUN_EVENT_RESULT,
                                    .outcome = result->outcome,
                                    .is_right = result->is_right,
                                    .retry_after_ms = result->retry_after_ms,
                                    .random = (uint32_t)random_u64(),
                                    .text = result->text.text};
    struct run_moves moves;
    run_next(&live->run, &event, o->now, &moves);
    int step = result->step;
    bool has_step = false;
    for (int i = 0; i < moves.count; i++)
        has_step |= moves.items[i].kind != RUN_MOVE_STATE && moves.items[i].step == step;
    if (!has_step)
        put_step(o, live, step);
    carry_out_moves(o, service, &moves, &cause);
}

/* How a run goes on: advanced by the core, journaled row by row. An attempt is journaled as started in the same commit
 * that lets it go out, and its result is journaled before the run goes on.
 *
 * What a run does is told to the service as events, and what the service decides comes back as the run's: each of these
 * functions may end with the run being over, and the next one of the service begun. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator_internal.h"

#include <stdlib.h>
#include <string.h>

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = text && text[0] ? strdup(text) : NULL;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
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
    snprintf(text, sizeof text, "step %d \"%.80s\" is %s%s%s", move->step + 1, run_step_text(live, move->step, "name"),
             step_state_text(move->step_state), move->text[0] ? ": " : "", move->text);
    json_t *detail =
        json_pack("{s:i, s:s, s:s, s:s}", "step", move->step, "name", run_step_text(live, move->step, "name"), "action",
                  run_step_text(live, move->step, "action"), "state", step_state_text(move->step_state));
    if (move->step_state != STEP_RUNNING)
        run_note(o, live, "run.step", cause, text, detail);
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
    run_note(o, live, is_attention ? "run.attention" : is_final ? "run.finished" : "run.resumed", cause, text, NULL);
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
    case RUN_MOVE_POINT:
        break; /* asked when all is journaled */
    case RUN_MOVE_STOP_ATTEMPT:
        if (o->n_stop_attempts < MAX_BATCH)
            o->stop_attempts[o->n_stop_attempts++] = live->run.id;
        break;
    case RUN_MOVE_UNDO:
    case RUN_MOVE_REFUSED:
        break; /* the caller has seen it in the core's answer */
    }
}

static void put_steps(struct orchestrator *o, const struct live_run *live, const struct run_moves *moves)
{
    int touched = -1;
    for (int i = 0; i < moves->count; i++) {
        const struct run_move *move = &moves->items[i];
        bool has_step = move->kind == RUN_MOVE_ATTEMPT || move->kind == RUN_MOVE_WAIT || move->kind == RUN_MOVE_STEP;
        if (has_step && move->step != touched) {
            touched = move->step;
            run_put_step(o, live, touched);
        }
    }
}

/* ---- the service and its run ------------------------------------------------------------------------------------- */

static void end_run(struct orchestrator *o, int service, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    if (call_replace(o, service))
        return;
    char *who = live->cancelled_by;
    live->cancelled_by = NULL;
    const struct event event = {.kind = EVENT_RUN_STATE,
                                .site = SITE_NONE,
                                .run_state = live->run.state,
                                .has_effect = live->run.has_effect,
                                .who = live->run.state == RUN_CANCELLED ? who : NULL};
    struct id incident = live->incident;
    struct cause of_run = *cause;
    of_run.incident = &incident;
    live_run_free(live);
    state->run = NULL;
    service_event(o, service, &event, &of_run);
    free(who);
}

/* Right before what cannot be taken back. The answer is carried out as the run's next event. */
static void ask_point(struct orchestrator *o, int service, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    const struct id id = state->run->run.id;
    const struct event event = {.kind = EVENT_RUN_POINT,
                                .site = SITE_NONE,
                                .has_effect = state->run->run.has_effect,
                                .who = state->run->sent_on_by};
    service_event(o, service, &event, cause);
    if (state->run && id_equal(&state->run->run.id, &id) && state->run->run.is_at_point)
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"whether a run may go on was not decided"});
}

static void say_who_cancels(struct live_run *live)
{
    char text[sizeof BEING_CANCELLED_BY + 64];
    snprintf(text, sizeof text, BEING_CANCELLED_BY "%s", live->cancelled_by ? live->cancelled_by : "");
    if (live->run.ending != ENDING_NONE)
        set_text(&live->error, live->cancelled_by ? text : "is being cancelled");
}

/* Journals what the core moved, and tells the service. */
void run_moved(struct orchestrator *o, int service, const struct run_moves *moves, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    const struct id id = live->run.id;
    bool is_changed = false;
    for (int i = 0; i < moves->count; i++) {
        carry_out_move(o, live, &moves->items[i], cause);
        is_changed |= moves->items[i].kind == RUN_MOVE_STATE;
    }
    say_who_cancels(live);
    run_put(o, live);
    put_steps(o, live, moves);
    if (run_state_is_final(live->run.state)) {
        end_run(o, service, cause);
        return;
    }
    const struct event event = {
        .kind = EVENT_RUN_STATE, .site = SITE_NONE, .run_state = live->run.state, .has_effect = live->run.has_effect};
    if (is_changed || live->run.has_effect != state->view.run_has_effect)
        service_event(o, service, &event, cause);
    if (state->run && id_equal(&state->run->run.id, &id) && state->run->run.is_at_point)
        ask_point(o, service, cause);
}

bool run_is_under_way(const struct live_run *live)
{
    const struct run *run = &live->run;
    return run->state == RUN_RUNNING && run->current < run->n_steps && live->records[run->current].attempt_at != 0;
}

void live_run_cancel(struct orchestrator *o, int service, const char *text, const struct cause *cause)
{
    struct live_run *live = o->world->services[service].run;
    struct run_moves moves;
    if (cause->person && !live->cancelled_by)
        live->cancelled_by = strdup(cause->person);
    run_next(&live->run, &(struct run_event){.kind = RUN_EVENT_CANCEL, .retry_after_ms = -1, .text = text}, o->now,
             &moves);
    if (moves.count > 0 && moves.items[0].kind == RUN_MOVE_REFUSED)
        return; /* it is being cancelled already */
    run_moved(o, service, &moves, cause);
}

void live_run_replace(struct orchestrator *o, int service, const char *text, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    if (!live || run_is_under_way(live)) {
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"a run was replaced that is under way"});
        return;
    }
    struct run_moves moves = {.count = 0};
    if (!run_state_is_final(live->run.state))
        run_next(&live->run, &(struct run_event){.kind = RUN_EVENT_CANCEL, .retry_after_ms = -1, .text = text}, o->now,
                 &moves);
    for (int i = 0; i < moves.count; i++)
        carry_out_move(o, live, &moves.items[i], cause);
    run_put(o, live);
    put_steps(o, live, &moves);
    live_run_free(live);
    state->run = NULL;
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
    run_put_step(o, live, live->run.current);
}

void run_event(struct orchestrator *o, int service, const struct run_event *event, const struct cause *cause)
{
    struct live_run *live = o->world->services[service].run;
    if (event->kind == RUN_EVENT_START)
        close_lost_attempt(o, live);
    struct run_moves moves;
    run_next(&live->run, event, o->now, &moves);
    run_moved(o, service, &moves, cause);
}

/* ---- found by id ------------------------------------------------------------------------------------------------- */

int run_find(const struct orchestrator *o, const struct id *id)
{
    for (int i = 0; i < o->world->n_services; i++)
        if (o->world->services[i].run && id_equal(&o->world->services[i].run->run.id, id))
            return i;
    return -1;
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

/* ---- results ----------------------------------------------------------------------------------------------------- */

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
             run_step_text(live, result->step, "name"), phase_text(result->phase), outcome_text(result->outcome),
             result->text.text[0] ? ": " : "", result->text.text);
    run_note(o, live, "run.attempt", cause, line, detail);
}

void run_result(struct orchestrator *o, struct command *command)
{
    const struct command_result *result = &command->as.result;
    int service = run_find(o, &result->run);
    struct live_run *live = service < 0 ? NULL : o->world->services[service].run;
    if (!live || live->run.current != result->step || live->run.steps[result->step].n_attempts != result->attempt ||
        !live->records[result->step].attempt_at) {
        log_warning("the result of an attempt that is not awaited was dropped");
        return;
    }
    const struct cause cause = {.who = "turnout"};
    journal_result(o, live, result, &cause);
    const struct run_event event = {.kind = RUN_EVENT_RESULT,
                                    .step = result->step,
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
        run_put_step(o, live, step);
    run_moved(o, service, &moves, &cause);
}

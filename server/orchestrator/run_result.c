/* An attempt goes out and comes back: what it is told, and what of its result is kept for the next one.
 *
 * The complication is undoing: on the way back a step is the same step with other arguments, and what was seen and
 * accepted on the way there is of no use to it. */
#include "base/log.h"
#include "base/random.h"
#include "core/json_whole.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

/* ---- going out --------------------------------------------------------------------------------------------------- */

static json_t *token_parse(const char *text)
{
    return text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
}

/* The step as its playbook has it, with what to put back while undoing. */
static json_t *step_text_now(const struct live_run *live, int n)
{
    json_t *text = json_deep_copy(json_array_get(live->steps_text, (size_t)n));
    json_t *previous = live->run.steps[n].is_undoing ? token_parse(live->records[n].previous) : NULL;
    if (previous && json_object_update(json_object_get(text, "args"), previous) != 0) {
        json_decref(text);
        text = NULL; /* never with the arguments of the way there */
    }
    json_decref(previous);
    return text;
}

static void drop_tokens_of_other_way(struct step_record *record, bool is_undoing)
{
    if (record->is_of_undo == is_undoing)
        return;
    free(record->token);
    free(record->observed);
    record->token = record->observed = NULL;
    record->is_of_undo = is_undoing;
}

/* Steady: no effect may begin later. Debts have no deadline. */
static int64_t deadline_at(const struct step_run *step)
{
    return step->state == STEP_OWED || step->deadline_ms == 0 ? 0 : step->began_at + step->deadline_ms;
}

void run_start_attempt(struct orchestrator *o, struct live_run *live, const struct run_move *move)
{
    const struct step_run *step = &live->run.steps[move->step];
    struct step_record *record = &live->records[move->step];
    struct job *job = job_new(JOB_ATTEMPT);
    drop_tokens_of_other_way(record, step->is_undoing);
    json_t *text = job ? step_text_now(live, move->step) : NULL;
    if (!text) {
        job_free(job);
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
    job->is_lag_accepted = (live->overrides & UINT64_C(1) << REASON_RPO) != 0;
    job->deadline_at = deadline_at(step);
    job->step_text = text;
    job->observed = token_parse(record->observed);
    job->applied = token_parse(record->token);
    batch_attempt(o->rows, &(struct attempt_row){.run = live->run.id,
                                                 .step = move->step,
                                                 .n = move->attempt,
                                                 .phase = move->phase,
                                                 .is_undo = step->is_undoing,
                                                 .outcome = OUTCOME_STARTED,
                                                 .started_at = o->wall,
                                                 .text = "",
                                                 .detail = ""});
    outgoing_add(o, job);
}

/* ---- lost -------------------------------------------------------------------------------------------------------- */

static void close_lost(struct orchestrator *o, struct live_run *live, int n)
{
    struct step_run *step = &live->run.steps[n];
    struct step_record *record = &live->records[n];
    if (step->phase == PHASE_APPLY)
        step->has_unknown_apply = step->has_applied = true;
    batch_attempt(o->rows, &(struct attempt_row){.run = live->run.id,
                                                 .step = n,
                                                 .n = step->n_attempts,
                                                 .phase = step->phase,
                                                 .is_undo = step->is_undoing,
                                                 .outcome = OUTCOME_UNKNOWN,
                                                 .started_at = record->attempt_at,
                                                 .finished_at = o->wall,
                                                 .text = "the daemon ended before the result was recorded",
                                                 .detail = ""});
    record->attempt_at = 0;
    if (live->run.is_past) /* nothing of it goes out again */
        step->next_at = o->now;
    run_put_step(o, live, n);
}

void run_close_lost(struct orchestrator *o, struct live_run *live)
{
    for (int n = 0; n < live->run.n_steps; n++)
        if (live->records[n].attempt_at)
            close_lost(o, live, n);
}

/* ---- coming back ------------------------------------------------------------------------------------------------- */

static char *json_text(const json_t *json)
{
    return json_whole(json, JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY);
}

/* Takes the place of *slot. What an undo would put back, and what a compare-and-swap compares with, is never taken for
 * absent because memory was short. */
static void keep_text(struct orchestrator *o, char **slot, const json_t *json)
{
    free(*slot);
    *slot = json_text(json);
    if (json && !*slot)
        batch_break(o, ERR_NO_MEMORY, &(struct errmsg){"out of memory"});
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

static void take_tokens(struct orchestrator *o, struct live_run *live, const struct command_result *result)
{
    struct step_run *step = &live->run.steps[result->step];
    struct step_record *record = &live->records[result->step];
    if (result->outcome != OUTCOME_OK)
        return;
    if (result->phase == PHASE_APPLY)
        keep_text(o, &record->token, result->token);
    if (result->phase != PHASE_OBSERVE)
        return;
    keep_text(o, &record->observed, result->token);
    if (step->has_applied || step->is_undoing)
        return; /* what is there now may be our own */
    keep_text(o, &record->previous, json_is_object(result->previous) ? result->previous : NULL);
    step->is_reversible = record->previous != NULL;
}

static void journal_result(struct orchestrator *o, struct live_run *live, const struct command_result *result,
                           const struct cause *cause)
{
    struct step_record *record = &live->records[result->step];
    json_t *detail = result_detail(result);
    char *text = json_text(detail);
    if (!text)
        batch_break(o, ERR_NO_MEMORY, &(struct errmsg){"out of memory"});
    batch_attempt(o->rows, &(struct attempt_row){.run = result->run,
                                                 .step = result->step,
                                                 .n = result->attempt,
                                                 .phase = result->phase,
                                                 .is_undo = live->run.steps[result->step].is_undoing,
                                                 .outcome = result->outcome,
                                                 .started_at = record->attempt_at,
                                                 .finished_at = o->wall,
                                                 .text = result->text.text,
                                                 .detail = batch_keep(o->rows, or_empty(text))});
    free(text);
    record->attempt_at = 0;
    take_tokens(o, live, result);
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

static bool is_awaited(const struct live_run *live, const struct command_result *result)
{
    return live && result->step >= 0 && result->step < live->run.n_steps &&
           live->run.steps[result->step].n_attempts == result->attempt && live->records[result->step].attempt_at;
}

void run_result(struct orchestrator *o, struct command *command)
{
    const struct command_result *result = &command->as.result;
    struct live_run *live = run_find(o->world, &result->run);
    if (!is_awaited(live, result)) {
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
    struct step_record *record = &live->records[result->step];
    if (live->run.steps[result->step].state == STEP_OWED && result->text.text[0]) {
        free(record->error);
        record->error = strdup(result->text.text);
    }
    run_put_step(o, live, result->step);
    run_moved(o, live, &moves, &cause);
}

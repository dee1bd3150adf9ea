/* The run itself: the same engine that the daemon has, with this process's memory as its record.
 *
 * The complication is that nothing of it is stored: when it ends early, the next one finds out by looking. What cannot
 * be seen so is in the journal file only, and the person is told. */
#include "standalone/internal.h"

#include "base/clock.h"
#include "base/kill_switch.h"
#include "base/log.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#define POLL_MS 100
#define MAX_RESULTS 64

static const char *now_text(char text[TIME_TEXT_SIZE])
{
    return time_format(clock_wall_ms(), text) + strlen("2026-11-21T");
}

static void say(struct standalone *s, int step, const char *what, const char *text)
{
    char at[TIME_TEXT_SIZE];
    printf("%s  %2d %s: %s%s%s\n", now_text(at), step + 1, standalone_step_text(s, step, "name"), what,
           text[0] ? ": " : "", text);
    fflush(stdout);
}

/* ---- attempts ---------------------------------------------------------------------------------------------------- */

static void drop_tokens_of_other_way(struct standalone_step *step, bool is_undoing)
{
    if (step->is_of_undo == is_undoing)
        return;
    json_decref(step->observed);
    json_decref(step->applied);
    step->observed = step->applied = NULL;
    step->is_of_undo = is_undoing;
}

/* With what to put back, while undoing. */
static json_t *text_now(const struct standalone_step *step, bool is_undoing)
{
    json_t *text = json_deep_copy(step->text);
    if (text && is_undoing && json_object_update(json_object_get(text, "args"), step->previous) == 0)
        return text;
    if (text && !is_undoing)
        return text;
    json_decref(text);
    return NULL; /* never with the arguments of the way there */
}

static bool has_override(const struct options *options, const char *guard)
{
    for (int i = 0; i < options->n_overrides; i++)
        if (strcmp(options->overrides[i], guard) == 0)
            return true;
    return false;
}

static void start_attempt(struct standalone *s, const struct run_move *move)
{
    const struct step_run *run = &s->run.steps[move->step];
    struct standalone_step *step = &s->steps[move->step];
    drop_tokens_of_other_way(step, run->is_undoing);
    struct job *job = job_new(JOB_ATTEMPT);
    json_t *text = job ? text_now(step, run->is_undoing) : NULL;
    if (!text) {
        fprintf(stderr, "turnout: out of memory: ended in the middle of the run\n");
        abort(); /* as a crash: the next run looks */
    }
    job->run = s->run.id;
    job->step = move->step;
    job->attempt = move->attempt;
    job->phase = move->phase;
    job->after_unknown_apply = run->has_unknown_apply;
    job->is_lag_accepted = has_override(s->options, "rpo");
    job->deadline_at = run->deadline_ms == 0 ? 0 : run->began_at + run->deadline_ms;
    job->step_text = text;
    job->observed = json_incref(step->observed);
    job->applied = json_incref(step->applied);
    step->job = job;
    standalone_note(s, "attempt",
                    json_pack("{s:i, s:i, s:s, s:b, s:s}", "step", move->step + 1, "attempt", move->attempt, "phase",
                              phase_text(move->phase), "undo", (int)run->is_undoing, "outcome",
                              outcome_text(OUTCOME_STARTED)));
    job_queue_push(s->jobs, job);
}

static void keep(json_t **slot, json_t *value)
{
    json_decref(*slot);
    *slot = json_incref(value);
}

static void take_tokens(struct standalone *s, const struct command_result *result)
{
    struct step_run *run = &s->run.steps[result->step];
    struct standalone_step *step = &s->steps[result->step];
    if (result->outcome != OUTCOME_OK)
        return;
    if (result->phase == PHASE_APPLY)
        keep(&step->applied, result->token);
    if (result->phase != PHASE_OBSERVE)
        return;
    keep(&step->observed, result->token);
    if (run->has_applied || run->is_undoing)
        return; /* what is there now may be our own */
    keep(&step->previous, json_is_object(result->previous) ? result->previous : NULL);
    run->is_reversible = step->previous != NULL;
}

static void note_result(struct standalone *s, const struct command_result *result)
{
    standalone_note(s, "result",
                    json_pack("{s:i, s:i, s:s, s:s, s:b, s:s, s:O?, s:O?, s:O?, s:O?}", "step", result->step + 1,
                              "attempt", result->attempt, "phase", phase_text(result->phase), "outcome",
                              outcome_text(result->outcome), "is_right", (int)result->is_right, "text",
                              result->text.text, "current", result->current, "desired", result->desired, "previous",
                              result->previous, "requests", result->requests));
    const char *what = result->outcome == OUTCOME_OK ? phase_text(result->phase) : outcome_text(result->outcome);
    say(s, result->step, what, result->text.text);
}

/* ---- moves ------------------------------------------------------------------------------------------------------- */

static void carry_out(struct standalone *s, const struct run_move *move)
{
    switch (move->kind) {
    case RUN_MOVE_ATTEMPT:
        start_attempt(s, move);
        break;
    case RUN_MOVE_WAIT:
        break; /* the loop looks at run_due_at() */
    case RUN_MOVE_STEP:
        standalone_note(s, "step",
                        json_pack("{s:i, s:s, s:s}", "step", move->step + 1, "state", step_state_text(move->step_state),
                                  "text", move->text));
        if (move->step_state != STEP_RUNNING)
            say(s, move->step, step_state_text(move->step_state), move->text);
        break;
    case RUN_MOVE_STATE:
        standalone_note(s, "run",
                        json_pack("{s:s, s:s}", "state", run_state_text(move->run_state), "text", move->text));
        printf("The run: %s%s%s\n", run_state_text(move->run_state), move->text[0] ? ": " : "", move->text);
        break;
    case RUN_MOVE_UNDO:
        standalone_note(s, "undo", json_pack("{s:s}", "text", move->text));
        printf("What was changed is put back: %s\n", move->text);
        break;
    case RUN_MOVE_STOP_ATTEMPT:
        if (s->steps[move->step].job)
            atomic_store(&s->steps[move->step].job->cancel, true);
        break;
    case RUN_MOVE_POINT: /* answered by advance() */
    case RUN_MOVE_REFUSED:
        break;
    }
}

static void advance(struct standalone *s, const struct run_event *event)
{
    struct run_moves moves;
    struct run_event next = *event;
    struct errmsg why = {0};
    for (;;) {
        next.random = (uint32_t)random_u64();
        run_next(&s->run, &next, clock_steady_ms(), &moves);
        for (int i = 0; i < moves.count; i++)
            carry_out(s, &moves.items[i]);
        if (!s->run.is_at_point)
            return;
        /* Nobody is left to decide about it but the person who has said yes, and whoever has made the file. */
        bool is_on = kill_switch_is_on(s->config->kill_switch, &why);
        next = (struct run_event){
            .kind = is_on ? RUN_EVENT_HALT : RUN_EVENT_GOES, .retry_after_ms = -1, .text = is_on ? why.text : ""};
    }
}

/* Takes the command. */
static void take_result(struct standalone *s, struct command *command)
{
    struct command_result *result = &command->as.result;
    note_result(s, result);
    take_tokens(s, result);
    job_free(s->steps[result->step].job);
    s->steps[result->step].job = NULL;
    const struct run_event event = {.kind = RUN_EVENT_RESULT,
                                    .step = result->step,
                                    .outcome = result->outcome,
                                    .is_right = result->is_right,
                                    .retry_after_ms = result->retry_after_ms,
                                    .text = result->text.text};
    advance(s, &event);
    command_free(command);
}

/* ---- to its end -------------------------------------------------------------------------------------------------- */

static bool is_over(const struct standalone *s)
{
    if (run_is_busy(&s->run) && !run_state_is_final(s->run.state))
        return false;
    return run_state_is_final(s->run.state) || (s->run.state == RUN_ATTENTION && run_due_at(&s->run) == INT64_MAX);
}

static void step_on(struct standalone *s, bool *is_cancelled)
{
    struct command *results[MAX_RESULTS];
    int64_t due_at = run_due_at(&s->run), poll_at = clock_steady_ms() + POLL_MS;
    size_t n = command_queue_take(s->commands, results, MAX_RESULTS, due_at < poll_at ? due_at : poll_at);
    for (size_t i = 0; i < n; i++)
        take_result(s, results[i]);
    if (run_due_at(&s->run) <= clock_steady_ms())
        advance(s, &(struct run_event){.kind = RUN_EVENT_TIMER, .retry_after_ms = -1});
    if (standalone_is_interrupted() && !*is_cancelled && !run_state_is_final(s->run.state)) {
        *is_cancelled = true;
        printf("Cancelled: what is under way comes to its end first\n");
        advance(s, &(struct run_event){.kind = RUN_EVENT_CANCEL, .retry_after_ms = -1, .text = "interrupted"});
    }
}

static void print_end(const struct standalone *s)
{
    bool is_blind = false;
    for (int i = 0; i < s->run.n_steps; i++) {
        const struct step_run *step = &s->run.steps[i];
        if (step->state == STEP_OWED)
            printf("Owed: step %d %s is not done, and nobody tries it again by itself.\n", i + 1,
                   standalone_step_text(s, i, "name"));
        is_blind |= !step->can_observe && step->can_apply && step->state != STEP_PENDING;
    }
    if (s->run.state == RUN_SUCCEEDED) {
        printf("%s is at %s. When the daemon runs again, tell it: turnout adopt %s --to %s --reason TEXT\n",
               s->service->name, s->service->sites[s->run.to].name, s->service->name,
               s->service->sites[s->run.to].name);
        return;
    }
    printf("To go on: put right what stands above, and call the same again. What is done already is seen, and left as "
           "it is.\n");
    if (is_blind)
        printf("Only steps that cannot be observed would be done again: see the journal before.\n");
}

int standalone_run(struct standalone *s)
{
    bool is_cancelled = false;
    advance(s, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1});
    while (!is_over(s))
        step_on(s, &is_cancelled);
    print_end(s);
    return s->run.state == RUN_SUCCEEDED ? EXIT_DONE : EXIT_FAILED;
}

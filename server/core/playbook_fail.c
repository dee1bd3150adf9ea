/* The ends of a step: done, failed and what its playbook says of that, owed, or out of sight. Whoever comes here has
 * made up its mind about the result; what it does to the run is said here and in playbook.c. No waiting and no I/O
 * here. */
#include "core/playbook_internal.h"

#include <stdio.h>

#define DEBT_FIRST_MS 15000
#define DEBT_LAST_MS 300000

static struct step_run *step_of(const struct advance *a, int step)
{
    return &a->run->steps[step];
}

static bool is_debt(const struct step_run *step)
{
    return step->state == STEP_OWED;
}

void step_set(struct advance *a, int step, enum step_state state, const char *text)
{
    step_of(a, step)->state = state;
    struct run_move to = {.kind = RUN_MOVE_STEP, .step = step, .step_state = state};
    run_move_add(a, to, "%s", text);
}

void step_wait(struct advance *a, int i, enum phase phase, int64_t at, const char *text)
{
    struct step_run *step = step_of(a, i);
    step->phase = phase;
    step->next_at = at;
    struct run_move until = {.kind = RUN_MOVE_WAIT, .step = i, .phase = phase, .at = at};
    run_move_add(a, until, "%s", text);
}

void step_finish(struct advance *a, int i)
{
    struct step_run *step = step_of(a, i);
    step->next_at = 0;
    enum step_state state = step->is_undoing                        ? STEP_UNDONE
                            : step->has_applied || !step->can_apply ? STEP_DONE
                                                                    : STEP_ALREADY_DONE;
    step_set(a, i, state, a->event->text ? a->event->text : "");
}

/* What a person has said before cannot stop this run: a check in vain, while nothing is changed. */
bool step_is_overridden(const struct advance *a, int i)
{
    const struct step_run *step = step_of(a, i);
    return a->run->is_forced && !a->run->has_effect && !step->can_apply && !step->is_measure;
}

void step_skip_check(struct advance *a, int i, const char *text)
{
    char sentence[256];
    (void)snprintf(sentence, sizeof sentence, "skipped, since its operator has overridden such checks: %.180s", text);
    step_of(a, i)->next_at = 0;
    step_set(a, i, STEP_SKIPPED, sentence);
}

/* A debt is tried again, whatever it was that failed. */
void debt_waits(struct advance *a, int i, enum phase phase, int64_t pause, const char *text)
{
    int64_t at = a->run->is_past ? RUN_NEVER : a->now + pause;
    step_wait(a, i, phase, at, text);
}

/* What may be there in part, is not to be done twice, and cannot be looked at. */
static bool is_for_person(const struct step_run *step)
{
    return !step->can_observe && step->has_applied && !step->is_idempotent && step->phase != PHASE_SETTLE;
}

/* It is not tried any more, which is on record. */
static void debt_waits_for_person(struct advance *a, int i, const char *text)
{
    char sentence[256];
    (void)snprintf(sentence, sizeof sentence,
                   "owed, and for a person: it may have been done, and nobody can look (retry, skip or done): %.150s",
                   text);
    step_set(a, i, STEP_OWED, sentence);
    step_wait(a, i, PHASE_APPLY, RUN_NEVER, "");
}

/* From the beginning. */
static void debt_begins_again(struct advance *a, int i, int64_t pause, const char *text)
{
    const struct step_run *step = step_of(a, i);
    if (step->can_observe)
        debt_waits(a, i, PHASE_OBSERVE, pause, text);
    else if (is_for_person(step))
        debt_waits_for_person(a, i, text);
    else
        debt_waits(a, i, step->has_applied && !step->is_idempotent ? PHASE_SETTLE : PHASE_APPLY, pause, text);
}

static void owe(struct advance *a, int i, const char *text)
{
    struct step_run *step = step_of(a, i);
    char sentence[256];
    step->tries = 0;
    if (is_for_person(step)) {
        debt_waits_for_person(a, i, text);
        return;
    }
    (void)snprintf(sentence, sizeof sentence, "owed, and tried again until it is done: %.200s", text);
    step_set(a, i, STEP_OWED, sentence);
    debt_begins_again(a, i, DEBT_FIRST_MS, "");
}

/* What was sent, may have had its effect, and was not looked at since, has not failed: nobody knows. */
enum step_state step_failed_state(const struct step_run *step)
{
    return step->has_applied && step->has_unknown_apply ? STEP_UNKNOWN : STEP_FAILED;
}

static void fail_undo(struct advance *a, int i, const char *text)
{
    step_set(a, i, step_failed_state(step_of(a, i)), text);
    run_wait_for_person(a, text);
}

static void fail_by_rule(struct advance *a, int i, const char *text)
{
    char sentence[256];
    switch (step_of(a, i)->on_failure) {
    case ON_FAILURE_ATTENTION:
        run_wait_for_person(a, text);
        return;
    case ON_FAILURE_STOP:
        run_end_with(a, ENDING_STOP, text);
        return;
    case ON_FAILURE_CONTINUE:
        if (!step_is_passed(step_of(a, i)))
            run_wait_for_person(a, text);
        return;
    case ON_FAILURE_OWE: /* it is a debt by now */
        return;
    case ON_FAILURE_UNDO:
        if (!run_is_behind_point(a->run)) {
            run_end_with(a, ENDING_UNDO, text);
            return;
        }
        (void)snprintf(sentence, sizeof sentence, "%.170s; there is no way back behind a point of no return", text);
        run_wait_for_person(a, sentence);
        return;
    }
}

void step_fail(struct advance *a, int i, const char *text)
{
    struct step_run *step = step_of(a, i);
    if (is_debt(step)) {
        debt_begins_again(a, i, DEBT_LAST_MS, text);
        return;
    }
    if (step_is_overridden(a, i)) {
        step_skip_check(a, i, text);
        return;
    }
    step->next_at = 0;
    if (step->is_undoing) {
        fail_undo(a, i, text);
    } else if (step->on_failure == ON_FAILURE_OWE && !step->is_measure && a->run->ending == ENDING_NONE) {
        owe(a, i, text);
    } else {
        step_set(a, i, step_failed_state(step), text);
        if (!step->is_measure && a->run->ending == ENDING_NONE)
            fail_by_rule(a, i, text);
    }
}

/* Its effect may be there or not, and looking does not tell. */
void step_lose_sight(struct advance *a, int i, const char *text)
{
    struct step_run *step = step_of(a, i);
    step->has_applied = true;
    if (step->is_idempotent) {
        step_apply(a, i, "nobody can look whether it was done: it is done again");
        return;
    }
    if (is_debt(step)) {
        debt_waits_for_person(a, i, text);
        return;
    }
    step->next_at = 0;
    step_set(a, i, STEP_UNKNOWN, text);
    run_wait_for_person(a, text);
}

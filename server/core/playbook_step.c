/* One step through its phases. The complication is what an apply may have done: after OK it is verified by looking
 * again, after an unknown result nothing is believed until an observe says so, and only a result that is certainly
 * without effect (temporary, cancelled) takes `has_effect` back. A debt goes through the same phases, only that it is
 * never given up by itself. No waiting and no I/O here, and no kind of step that is not an action. */
#include "core/playbook_internal.h"
#include "core/words.h"

#include <inttypes.h>
#include <stdio.h>

#define BACK_OFF_FIRST_MS 500
#define BACK_OFF_LAST_MS 15000
#define POLL_FIRST_MS 250
#define POLL_LAST_MS 5000
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

const char *run_said(const struct advance *a)
{
    if (a->event->text && a->event->text[0])
        return a->event->text;
    switch (a->event->outcome) {
    case OUTCOME_OK:
        return "the state found is not the one wanted";
    case OUTCOME_NOT_YET:
        return "not visible yet";
    case OUTCOME_TEMPORARY:
        return "a temporary error";
    case OUTCOME_PERMANENT:
        return "refused for good, without a word";
    case OUTCOME_STARTED:
    case OUTCOME_UNKNOWN:
        return "no answer: it may or may not have had its effect";
    case OUTCOME_CANCELLED:
        break;
    }
    return "ended by us before its effect";
}

/* ---- attempts ---------------------------------------------------------------------------------------------------- */

void step_attempt(struct advance *a, int i, enum phase phase, const char *why)
{
    struct step_run *step = step_of(a, i);
    step->phase = phase;
    step->next_at = 0;
    step->n_attempts++;
    if (phase == PHASE_APPLY && !run_state_is_final(a->run->state))
        a->run->has_effect = true; /* goes on record before the request goes out */
    struct run_move start = {.kind = RUN_MOVE_ATTEMPT, .step = i, .attempt = step->n_attempts, .phase = phase};
    run_move_add(a, start, "%s", why);
}

/* What cannot be taken back is asked for right before; one at a time, and the neighbours wait for the answer. */
void step_apply(struct advance *a, int i, const char *why)
{
    struct run *run = a->run;
    const struct step_run *step = step_of(a, i);
    bool is_point = step->is_point && !step->has_applied && !step->is_undoing;
    if (run_state_is_final(run->state) || (run->has_effect && !is_point)) {
        step_attempt(a, i, PHASE_APPLY, why);
        return;
    }
    if (run->is_at_point) {
        step_wait(a, i, PHASE_APPLY, a->now, "another step of its group is asked about first");
        return;
    }
    run->is_at_point = true;
    run->point = i;
    run->steps[i].next_at = 0;
    a->point_text = why;
}

static void look(struct advance *a, int i, const char *why)
{
    if (step_of(a, i)->can_observe)
        step_attempt(a, i, PHASE_OBSERVE, why);
    else
        step_apply(a, i, why);
}

void step_begin(struct advance *a, int i)
{
    struct step_run *step = step_of(a, i);
    step->began_at = a->now;
    step->tries = 0;
    step_set(a, i, STEP_RUNNING, "");
    look(a, i, "");
}

void step_due(struct advance *a, int i)
{
    if (step_of(a, i)->phase == PHASE_APPLY)
        step_apply(a, i, "");
    else
        step_attempt(a, i, step_of(a, i)->phase, "");
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Half of the doubled pause for certain, the other half by chance, so that many runs do not knock in step. */
static int64_t pause_ms(const struct advance *a, int i, int64_t first, int64_t last)
{
    int64_t pause = first;
    for (int n = 1; n < step_of(a, i)->tries && pause < last; n++)
        pause *= 2;
    if (pause > last)
        pause = last;
    return pause / 2 + (int64_t)(a->event->random % (uint32_t)(pause / 2 + 1));
}

/* Another attempt in `phase` after the pause or the provider's Retry-After, whichever is longer; where the deadline
 * comes first, one last attempt then. */
static void wait_for(struct advance *a, int i, enum phase phase, int64_t pause)
{
    struct step_run *step = step_of(a, i);
    char text[256];
    int64_t deadline_at = step->began_at + step->deadline_ms;
    if (!is_debt(step) && a->now >= deadline_at) {
        (void)snprintf(text, sizeof text, "not done within %.40s; last: %.190s",
                       duration_phrase(step->deadline_ms).text, run_said(a));
        step_fail(a, i, text);
        return;
    }
    if (a->event->retry_after_ms > pause)
        pause = a->event->retry_after_ms;
    if (!is_debt(step) && pause > deadline_at - a->now)
        pause = deadline_at - a->now;
    (void)snprintf(text, sizeof text, "%.200s; again in %" PRId64 " ms", run_said(a), pause);
    if (is_debt(step))
        debt_waits(a, i, phase, pause, text);
    else
        step_wait(a, i, phase, a->now + pause, text);
}

static void try_again(struct advance *a, int i, enum phase phase)
{
    struct step_run *step = step_of(a, i);
    int64_t first = step->backoff_ms > 0 ? step->backoff_ms : BACK_OFF_FIRST_MS;
    step->tries++;
    if (is_debt(step))
        wait_for(a, i, phase, pause_ms(a, i, DEBT_FIRST_MS, DEBT_LAST_MS));
    else
        wait_for(a, i, phase, pause_ms(a, i, first, first > BACK_OFF_LAST_MS ? first : BACK_OFF_LAST_MS));
}

static void poll_again(struct advance *a, int i, enum phase phase)
{
    step_of(a, i)->tries++;
    wait_for(a, i, phase, pause_ms(a, i, POLL_FIRST_MS, POLL_LAST_MS));
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* A check that was not content, or could not look. */
static void check_again(struct advance *a, int i)
{
    const struct step_run *step = step_of(a, i);
    if (step_is_overridden(a, i)) {
        step_skip_check(a, i, run_said(a));
    } else if (step->retries >= 0 && step->tries >= step->retries && !step->is_measure && !is_debt(step)) {
        char text[256];
        (void)snprintf(text, sizeof text, "looked %d time%s in vain; last: %.200s", step->tries + 1,
                       step->tries ? "s" : "", run_said(a));
        step_fail(a, i, text);
    } else if (a->event->outcome == OUTCOME_OK || a->event->outcome == OUTCOME_NOT_YET) {
        poll_again(a, i, PHASE_OBSERVE);
    } else {
        try_again(a, i, PHASE_OBSERVE);
    }
}

/* The world is not as wanted, and the action can make it so. Where an apply of ours was accepted it may be on its way:
 * look again for a while, and send the same once more only when it does not come (or somebody took it back). */
static void found_wrong(struct advance *a, int i, bool was_unknown)
{
    struct step_run *step = step_of(a, i);
    if (step->has_applied && !was_unknown && step->tries < RUN_POLLS_BEFORE_APPLYING_AGAIN)
        poll_again(a, i, PHASE_OBSERVE);
    else
        step_apply(a, i, run_said(a));
}

static void found_right(struct advance *a, int i)
{
    struct step_run *step = step_of(a, i);
    step->tries = 0;
    if (step->can_settle)
        step_attempt(a, i, PHASE_SETTLE, "");
    else
        step_finish(a, i);
}

static void on_observed(struct advance *a, int i)
{
    struct step_run *step = step_of(a, i);
    bool was_unknown = step->has_unknown_apply;
    switch (a->event->outcome) {
    case OUTCOME_OK:
        step->has_unknown_apply = false;
        if (a->event->is_right)
            found_right(a, i);
        else if (step->can_apply)
            found_wrong(a, i, was_unknown);
        else
            check_again(a, i);
        return;
    case OUTCOME_PERMANENT:
        step_fail(a, i, run_said(a));
        return;
    case OUTCOME_CANCELLED:
        try_again(a, i, PHASE_OBSERVE);
        return;
    case OUTCOME_NOT_YET:
    case OUTCOME_TEMPORARY:
    case OUTCOME_STARTED:
    case OUTCOME_UNKNOWN:
        break;
    }
    if (!step->can_apply)
        check_again(a, i);
    else
        try_again(a, i, PHASE_OBSERVE);
}

/* An apply that certainly had no effect leaves the run as it was before it. */
static void take_effect_back(struct run *run)
{
    if (run->is_undoing || run_state_is_final(run->state))
        return;
    run->has_effect = false;
    for (int i = 0; i < run->n_steps; i++)
        run->has_effect |=
            run->steps[i].has_applied || (run->steps[i].phase == PHASE_APPLY && step_is_under_way(run, i));
}

void step_note_apply(struct advance *a, int i)
{
    struct step_run *step = step_of(a, i);
    switch (a->event->outcome) {
    case OUTCOME_TEMPORARY:
    case OUTCOME_CANCELLED:
        /* What an earlier apply did not bring will not come by waiting: send it again as soon as it is still missing.
         */
        step->has_unknown_apply = step->has_applied;
        step->phase = PHASE_OBSERVE; /* it is not out any more */
        take_effect_back(a->run);
        step->phase = PHASE_APPLY;
        return;
    case OUTCOME_STARTED:
    case OUTCOME_NOT_YET:
    case OUTCOME_UNKNOWN:
        step->has_unknown_apply = true;
        break;
    case OUTCOME_OK:
        step->has_unknown_apply = false;
        break;
    case OUTCOME_PERMANENT: /* an action of several requests may have got through the first of them */
        break;
    }
    step->has_applied = true;
}

static void on_applied_unseen(struct advance *a, int i)
{
    switch (a->event->outcome) {
    case OUTCOME_OK:
        found_right(a, i);
        return;
    case OUTCOME_PERMANENT:
        step_fail(a, i, run_said(a));
        return;
    case OUTCOME_TEMPORARY:
    case OUTCOME_CANCELLED:
        try_again(a, i, PHASE_APPLY);
        return;
    case OUTCOME_STARTED:
    case OUTCOME_NOT_YET:
    case OUTCOME_UNKNOWN:
        break;
    }
    if (step_of(a, i)->is_idempotent)
        try_again(a, i, PHASE_APPLY);
    else
        step_lose_sight(a, i, run_said(a));
}

static void on_applied(struct advance *a, int i)
{
    if (!step_of(a, i)->can_observe) {
        on_applied_unseen(a, i);
        return;
    }
    switch (a->event->outcome) {
    case OUTCOME_OK:
        step_of(a, i)->tries = 0;
        step_attempt(a, i, PHASE_OBSERVE, "accepted: look whether it is so");
        return;
    case OUTCOME_PERMANENT:
        step_fail(a, i, run_said(a));
        return;
    case OUTCOME_STARTED:
    case OUTCOME_NOT_YET:
    case OUTCOME_TEMPORARY:
    case OUTCOME_UNKNOWN:
    case OUTCOME_CANCELLED:
        try_again(a, i, PHASE_OBSERVE);
        return;
    }
}

static void on_settled(struct advance *a, int i)
{
    switch (a->event->outcome) {
    case OUTCOME_OK:
        step_finish(a, i);
        return;
    case OUTCOME_NOT_YET:
        poll_again(a, i, PHASE_SETTLE);
        return;
    case OUTCOME_PERMANENT:
        step_fail(a, i, run_said(a));
        return;
    case OUTCOME_STARTED:
    case OUTCOME_UNKNOWN:
        step_of(a, i)->has_unknown_apply = true;
        try_again(a, i, step_of(a, i)->can_observe ? PHASE_OBSERVE : PHASE_SETTLE);
        return;
    case OUTCOME_TEMPORARY:
    case OUTCOME_CANCELLED:
        try_again(a, i, PHASE_SETTLE);
        return;
    }
}

void step_result(struct advance *a, int i)
{
    switch (step_of(a, i)->phase) {
    case PHASE_OBSERVE:
        on_observed(a, i);
        break;
    case PHASE_APPLY:
        on_applied(a, i);
        break;
    case PHASE_SETTLE:
        on_settled(a, i);
        break;
    }
}

bool step_is_completed_by(const struct advance *a, int i)
{
    const struct step_run *step = step_of(a, i);
    if (a->event->kind != RUN_EVENT_RESULT || a->event->outcome != OUTCOME_OK)
        return false;
    bool is_last_look = step->phase == PHASE_OBSERVE && a->event->is_right;
    bool is_last_apply = step->phase == PHASE_APPLY && !step->can_observe;
    return step->phase == PHASE_SETTLE || ((is_last_look || is_last_apply) && !step->can_settle);
}

/* ---- after a restart --------------------------------------------------------------------------------------------- */

/* What was under way is lost, and looking comes before anything else, also when the deadline has passed meanwhile. */
void step_resume(struct advance *a, int i)
{
    struct step_run *step = step_of(a, i);
    bool was_out = step->next_at == 0 && step->phase == PHASE_APPLY;
    if (was_out)
        step->has_applied = step->has_unknown_apply = true;
    step->tries = 0;
    if (step->is_measure && a->run->is_past) {
        step->next_at = 0;
        step_set(a, i, STEP_SKIPPED, "another run has begun since");
    } else if (is_debt(step) && a->run->is_past)
        step_wait(a, i, step->can_observe ? PHASE_OBSERVE : PHASE_APPLY, RUN_NEVER, "");
    else if (step->can_observe)
        step_attempt(a, i, PHASE_OBSERVE, "taken up again");
    else if (step->phase == PHASE_SETTLE)
        step_attempt(a, i, PHASE_SETTLE, "taken up again");
    else if (was_out)
        step_lose_sight(a, i,
                        "the daemon ended before its result was recorded, and nobody can look whether it was done");
    else if (step->next_at < RUN_NEVER / 2)
        step_apply(a, i, "taken up again");
}

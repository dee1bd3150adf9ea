/* A run goes from group to group, to one of its ends, and sometimes back. The complication is that several attempts
 * may be out at once: whoever ends a run waits for the results of all of them, since each may be an effect. One step's
 * own way is in playbook_step.c. No waiting and no I/O here. */
#include "base/utf8.h"
#include "core/playbook_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

void run_move_add(struct advance *a, struct run_move move, const char *format, ...)
{
    assert(a->moves->count < MAX_RUN_MOVES);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(move.text, sizeof move.text, format, args);
    va_end(args);
    utf8_clean(move.text);
    a->moves->items[a->moves->count++] = move;
}

void run_set_state(struct advance *a, enum run_state state, const char *text)
{
    a->run->state = state;
    struct run_move to = {.kind = RUN_MOVE_STATE, .step = a->run->current, .run_state = state};
    run_move_add(a, to, "%s", text);
}

const char *run_event_text(const struct advance *a, const char *otherwise)
{
    return a->event->text && a->event->text[0] ? a->event->text : otherwise;
}

void run_refuse(struct advance *a, const char *text)
{
    struct run_move no = {.kind = RUN_MOVE_REFUSED, .step = a->run->current, .run_state = a->run->state};
    run_move_add(a, no, "%s", text);
}

/* ---- what is known of a run -------------------------------------------------------------------------------------- */

static bool goes_on(const struct step_run *step)
{
    return step->state == STEP_RUNNING || step->state == STEP_OWED;
}

bool step_is_under_way(const struct run *run, int step)
{
    return goes_on(&run->steps[step]) && run->steps[step].next_at == 0 && !(run->is_at_point && run->point == step);
}

bool run_is_busy(const struct run *run)
{
    for (int i = 0; i < run->n_steps; i++)
        if (step_is_under_way(run, i))
            return true;
    return false;
}

int64_t run_due_at(const struct run *run)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < run->n_steps; i++)
        if (goes_on(&run->steps[i]) && run->steps[i].next_at > 0 && run->steps[i].next_at < RUN_NEVER / 2 &&
            run->steps[i].next_at < due)
            due = run->steps[i].next_at;
    return due;
}

int run_n_debts(const struct run *run)
{
    int n = 0;
    for (int i = 0; i < run->n_steps; i++)
        n += run->steps[i].state == STEP_OWED;
    return n;
}

bool run_is_at_rest(const struct run *run)
{
    if (!run_state_is_final(run->state))
        return false;
    for (int i = 0; i < run->n_steps; i++)
        if (goes_on(&run->steps[i]))
            return false;
    return true;
}

bool step_is_passed(const struct step_run *step)
{
    /* What nobody can look at, and is not to be done twice, waits for a person whatever the playbook says. */
    bool is_left =
        step->state == STEP_FAILED || (step->state == STEP_UNKNOWN && (step->can_observe || step->is_idempotent));
    return step_state_is_final(step->state) || step->state == STEP_OWED ||
           (is_left && step->on_failure == ON_FAILURE_CONTINUE && !step->is_undoing);
}

bool step_waits_for_person(const struct step_run *step)
{
    return (step->state == STEP_FAILED || step->state == STEP_UNKNOWN) && !step->is_measure && !step_is_passed(step);
}

bool run_has_waiting(const struct run *run)
{
    for (int i = 0; i < run->n_steps; i++)
        if (step_waits_for_person(&run->steps[i]) && (!run->is_undoing || run->steps[i].is_undoing))
            return true;
    return false;
}

void run_wait_for_person(struct advance *a, const char *text)
{
    if (a->run->state != RUN_ATTENTION && a->run->ending == ENDING_NONE)
        run_set_state(a, RUN_ATTENTION, text);
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static const char *ending_phrase(const struct run *run)
{
    switch (run->ending) {
    case ENDING_STOP:
        return "stopped: a step of it failed";
    case ENDING_UNDO:
        return "it stops here, and goes back";
    case ENDING_NONE:
    case ENDING_CANCEL:
        break;
    }
    return run->has_effect ? "cancelled after something had been changed" : "cancelled before anything was changed";
}

/* Whether it is a step that wants the run to go back, and no person. */
static bool is_by_rule(const struct run *run)
{
    for (int i = 0; i < run->n_steps; i++)
        if (run->steps[i].on_failure == ON_FAILURE_UNDO &&
            (run->steps[i].state == STEP_FAILED || run->steps[i].state == STEP_UNKNOWN))
            return true;
    return false;
}

/* Nothing is under way any more. */
static void end_now(struct advance *a, const char *text)
{
    struct run *run = a->run;
    enum ending ending = run->ending;
    run->ending = ENDING_NONE;
    run->is_at_point = false;
    for (int i = 0; i < run->n_steps; i++) {
        if (run->steps[i].state == STEP_RUNNING) {
            run->steps[i].next_at = 0;
            step_set(a, i, step_failed_state(&run->steps[i]), text);
        } else if (run->steps[i].state == STEP_OWED && (ending != ENDING_UNDO || !run->has_effect)) {
            run->steps[i].next_at = 0;
            step_set(a, i, step_failed_state(&run->steps[i]), "it was owed, and the run has ended before it was done");
        }
    }
    switch (ending) {
    case ENDING_NONE:
        break;
    case ENDING_CANCEL:
        run_set_state(a, RUN_CANCELLED, text);
        break;
    case ENDING_STOP:
        run_set_state(a, RUN_FAILED, text);
        break;
    case ENDING_UNDO:
        if (run->has_effect)
            undo_begin(a, text);
        else /* there is nothing to put back */
            run_set_state(a, is_by_rule(run) ? RUN_FAILED : RUN_CANCELLED, text);
        break;
    }
}

void run_end_with(struct advance *a, enum ending ending, const char *text)
{
    struct run *run = a->run;
    run->ending = ending;
    if (run->is_at_point) { /* the question is taken back: nothing of it is out */
        run->is_at_point = false;
        run->steps[run->point].next_at = a->now;
    }
    if (!run_is_busy(run)) {
        end_now(a, text);
        return;
    }
    for (int i = 0; i < run->n_steps; i++) {
        struct run_move stop = {.kind = RUN_MOVE_STOP_ATTEMPT,
                                .step = i,
                                .attempt = run->steps[i].n_attempts,
                                .phase = run->steps[i].phase};
        if (step_is_under_way(run, i))
            run_move_add(a, stop, "%s", text);
    }
}

static void succeed(struct advance *a)
{
    struct run *run = a->run;
    int n_debts = run_n_debts(run);
    char text[120] = "every step is done";
    if (n_debts > 0)
        (void)snprintf(text, sizeof text, "every step is done but for %d that %s owed", n_debts,
                       n_debts == 1 ? "is" : "are");
    run_set_state(a, RUN_SUCCEEDED, text);
    for (int i = 0; i < run->n_steps; i++)
        if (run->steps[i].is_measure && run->steps[i].state == STEP_PENDING)
            step_begin(a, i);
}

/* ---- from group to group ----------------------------------------------------------------------------------------- */

int run_first_in_the_way(const struct run *run)
{
    int i = 0;
    while (i < run->n_steps && (run->steps[i].is_measure || step_is_passed(&run->steps[i])))
        i++;
    return i;
}

static bool is_same_group(const struct run *run, int a, int b)
{
    return run->steps[a].group != 0 && run->steps[a].group == run->steps[b].group && !run->steps[a].is_measure &&
           !run->steps[b].is_measure;
}

/* All of the group of the first step that is in the way, once none of it has begun. */
static void begin_group(struct advance *a)
{
    const struct run *run = a->run;
    int first = run->current, last = run->current;
    while (first > 0 && is_same_group(run, first - 1, first))
        first--;
    while (last + 1 < run->n_steps && is_same_group(run, last, last + 1))
        last++;
    for (int i = first; i <= last; i++)
        if (run->steps[i].state != STEP_PENDING && !step_is_passed(&run->steps[i]))
            return;
    for (int i = first; i <= last; i++)
        if (run->steps[i].state == STEP_PENDING)
            step_begin(a, i);
}

void run_go_on(struct advance *a)
{
    struct run *run = a->run;
    if (run_state_is_final(run->state) || run->state == RUN_WAITING)
        return;
    if (!run->is_undoing)
        run->current = run_first_in_the_way(run);
    if (run->ending != ENDING_NONE) {
        if (!run_is_busy(run))
            end_now(a, ending_phrase(run));
    } else if (run->is_undoing) {
        undo_go_on(a);
    } else if (run->current == run->n_steps) {
        succeed(a);
    } else {
        begin_group(a);
    }
}

/* ---- results and time -------------------------------------------------------------------------------------------- */

/* Of a run that has ended, or is to: only what the result has completed counts. */
static void end_step(struct advance *a, int i, enum step_state otherwise, const char *text)
{
    if (step_is_completed_by(a, i)) {
        step_finish(a, i);
        return;
    }
    a->run->steps[i].next_at = 0;
    step_set(a, i, otherwise, text);
}

static void end_unless_completed(struct advance *a, int i)
{
    struct step_run *step = &a->run->steps[i];
    if (step->phase == PHASE_OBSERVE && a->event->outcome == OUTCOME_OK)
        step->has_unknown_apply = false;
    end_step(a, i, step_failed_state(step), ending_phrase(a->run));
}

static void park(struct advance *a, int i)
{
    struct step_run *step = &a->run->steps[i];
    bool is_parked = step->next_at >= RUN_NEVER / 2; /* before a restart */
    if (!is_parked)
        step_set(a, i, STEP_OWED,
                 "another run has begun since: it stays owed, and is not tried any more (say done, or skip it)");
    step_wait(a, i, step->can_observe ? PHASE_OBSERVE : PHASE_APPLY, RUN_NEVER, "");
}

static const char PAST[] = "another run has begun since";

static void on_result(struct advance *a)
{
    struct run *run = a->run;
    int i = a->event->step;
    if (i < 0 || i >= run->n_steps || !step_is_under_way(run, i))
        return;
    if (run->steps[i].phase == PHASE_APPLY)
        step_note_apply(a, i);
    bool is_debt = run->steps[i].state == STEP_OWED;
    if (run->is_past && is_debt && !step_is_completed_by(a, i))
        park(a, i);
    else if (run->is_past)
        end_step(a, i, STEP_SKIPPED, PAST);
    else if (run->ending != ENDING_NONE && !is_debt)
        end_unless_completed(a, i);
    else if (run->ending != ENDING_NONE && !step_is_completed_by(a, i))
        run->steps[i].next_at = a->now; /* it is not out any more */
    else
        step_result(a, i);
    run_go_on(a);
}

static void on_timer(struct advance *a)
{
    struct run *run = a->run;
    if (run->state == RUN_WAITING || run->ending != ENDING_NONE)
        return;
    for (int i = 0; i < run->n_steps; i++)
        if (goes_on(&run->steps[i]) && run->steps[i].next_at != 0 && run->steps[i].next_at <= a->now)
            step_due(a, i);
}

/* ---- beginnings -------------------------------------------------------------------------------------------------- */

/* Of a run that was to end: what was out may have had its effect. */
static void end_after_restart(struct advance *a)
{
    struct run *run = a->run;
    for (int i = 0; i < run->n_steps; i++) {
        struct step_run *step = &run->steps[i];
        if (!step_is_under_way(run, i))
            continue;
        if (step->phase == PHASE_APPLY)
            step->has_applied = step->has_unknown_apply = true;
        if (step->state == STEP_OWED)
            step->next_at = a->now;
    }
    end_now(a, run->ending == ENDING_CANCEL ? "cancelled; the daemon had ended meanwhile" : ending_phrase(run));
}

static void on_start(struct advance *a)
{
    struct run *run = a->run;
    run->is_at_point = false;
    if (run->state == RUN_WAITING)
        return;
    if (run->ending != ENDING_NONE && !run_state_is_final(run->state)) {
        end_after_restart(a);
        return;
    }
    for (int i = 0; i < run->n_steps; i++)
        if (goes_on(&run->steps[i]))
            step_resume(a, i);
    run_go_on(a);
}

/* Another run of the service has begun: this one, which is over, writes nothing any more. */
static void on_past(struct advance *a)
{
    struct run *run = a->run;
    if (!run_state_is_final(run->state) || run->is_past)
        return;
    run->is_past = true;
    for (int i = 0; i < run->n_steps; i++) {
        struct step_run *step = &run->steps[i];
        struct run_move stop = {
            .kind = RUN_MOVE_STOP_ATTEMPT, .step = i, .attempt = step->n_attempts, .phase = step->phase};
        if (step_is_under_way(run, i))
            run_move_add(a, stop, "%s", PAST);
        else if (step->state == STEP_OWED)
            park(a, i);
        else if (step->is_measure && (step->state == STEP_RUNNING || step->state == STEP_PENDING))
            end_step(a, i, STEP_SKIPPED, PAST);
    }
}

/* ---- questions --------------------------------------------------------------------------------------------------- */

static void on_answer(struct advance *a)
{
    struct run *run = a->run;
    if (!run->is_at_point)
        return;
    run->is_at_point = false;
    if (a->event->kind == RUN_EVENT_GOES) {
        step_attempt(a, run->point, PHASE_APPLY, run_event_text(a, ""));
        return;
    }
    const char *text = run_event_text(a, "it may not go on");
    if (run->steps[run->point].state == STEP_OWED) { /* which holds nothing up */
        step_fail(a, run->point, text);
        return;
    }
    /* What its own failure would mean does not matter: a person has to say so. */
    if (run->steps[run->point].on_failure == ON_FAILURE_CONTINUE)
        run->steps[run->point].on_failure = ON_FAILURE_ATTENTION;
    step_set(a, run->point, STEP_FAILED, text);
    run_wait_for_person(a, text);
}

void run_next(struct run *run, const struct run_event *event, int64_t now, struct run_moves *ret)
{
    struct advance a = {.run = run, .event = event, .now = now, .moves = ret};
    ret->count = 0;
    switch (event->kind) {
    case RUN_EVENT_START:
        on_start(&a);
        break;
    case RUN_EVENT_RESULT:
        on_result(&a);
        break;
    case RUN_EVENT_TIMER:
        on_timer(&a);
        break;
    case RUN_EVENT_RETRY:
    case RUN_EVENT_SKIP:
    case RUN_EVENT_DONE:
        run_on_person(&a);
        break;
    case RUN_EVENT_UNDO:
        run_on_undo(&a);
        break;
    case RUN_EVENT_CANCEL:
        run_on_cancel(&a);
        break;
    case RUN_EVENT_GOES:
    case RUN_EVENT_HALT:
        on_answer(&a);
        break;
    case RUN_EVENT_PAST:
        on_past(&a);
        break;
    }
    struct run_move point = {.kind = RUN_MOVE_POINT, .step = run->point, .phase = PHASE_APPLY};
    if (a.point_text && run->is_at_point)
        run_move_add(&a, point, "%s", a.point_text);
}

/* What people ask of a run: retry, skip, done, undo, cancel. What does not fit its state is refused, and changes
 * nothing. No waiting and no I/O here. */
#include "core/playbook_internal.h"

#include <assert.h>

/* Of every step that waits for a person, of every debt where none does, or of the one that is named. */
static bool is_meant(const struct run *run, int step, int i)
{
    bool is_waiting = run->state == RUN_ATTENTION && step_waits_for_person(&run->steps[i]) &&
                      (!run->is_undoing || run->steps[i].is_undoing);
    bool is_debt = run->steps[i].state == STEP_OWED && !step_is_under_way(run, i);
    if (step >= 0)
        return i == step && (is_waiting || is_debt);
    return is_waiting || (is_debt && !(run->state == RUN_ATTENTION && run_has_waiting(run)));
}

static void refuse_person(struct advance *a)
{
    const struct run *run = a->run;
    int step = a->event->step;
    if (step >= run->n_steps)
        run_refuse(a, "the run has no such step");
    else if (step >= 0 && run->steps[step].state == STEP_OWED)
        run_refuse(a, "the step is being tried at this moment: ask again in a moment");
    else if (run_state_is_final(run->state))
        run_refuse(a, "the run is over");
    else if (run->state == RUN_WAITING)
        run_refuse(a, "the run waits for a yes or no: approve or reject it");
    else if (step >= 0)
        run_refuse(a, "the step does not wait for a person");
    else
        run_refuse(a, "the run is under way: it does not wait for a person");
}

static void answer_step(struct advance *a, int i)
{
    struct step_run *step = &a->run->steps[i];
    switch (a->event->kind) {
    case RUN_EVENT_SKIP:
        step->next_at = 0;
        step_set(a, i, STEP_SKIPPED, run_event_text(a, "skipped by an operator"));
        return;
    case RUN_EVENT_DONE:
        step->next_at = 0;
        step->has_unknown_apply = false;            /* who says so has looked */
        if (step->can_apply && !step->is_undoing) { /* by hand, and to be put back like what the run has done */
            step->has_applied = true;
            a->run->has_effect |= !run_state_is_final(a->run->state);
        }
        step_set(a, i, step->is_undoing ? STEP_UNDONE : STEP_DONE,
                 run_event_text(a, "an operator says that it is done"));
        return;
    case RUN_EVENT_RETRY:
        /* A person who has mended something does not wait for what was sent before: if it is not there, send it again.
         */
        step->has_unknown_apply = step->has_applied;
        if (step->state == STEP_OWED) {
            step->tries = 0;
            step->phase = step->can_observe ? PHASE_OBSERVE : PHASE_APPLY;
            step_due(a, i);
            return;
        }
        step->state = STEP_PENDING;
        return;
    case RUN_EVENT_START:
    case RUN_EVENT_RESULT:
    case RUN_EVENT_TIMER:
    case RUN_EVENT_UNDO:
    case RUN_EVENT_CANCEL:
    case RUN_EVENT_GOES:
    case RUN_EVENT_HALT:
    case RUN_EVENT_PAST:
        return;
    }
}

/* What was sent back to the beginning begins, also where its neighbours go on. */
static void begin_again(struct advance *a, const bool *was_meant)
{
    for (int i = 0; i < a->run->n_steps; i++)
        if (was_meant[i] && a->run->steps[i].state == STEP_PENDING && !a->run->steps[i].is_undoing)
            step_begin(a, i);
}

void run_on_person(struct advance *a)
{
    struct run *run = a->run;
    bool was_meant[2 * MAX_STEPS + MAX_GROUP] = {false};
    int n = 0;
    bool is_retry = a->event->kind == RUN_EVENT_RETRY;
    assert(run->n_steps <= (int)(sizeof was_meant / sizeof was_meant[0]));
    for (int i = 0; i < run->n_steps; i++)
        n += was_meant[i] = is_meant(run, a->event->step, i);
    if (n > 0 && is_retry && run->is_past)
        run_refuse(a, "another run has begun since: see to it by hand, then say done, or skip it");
    else if (n > 0 && run->ending != ENDING_NONE)
        run_refuse(a, "the run is being ended already: it ends with what is under way");
    else if (n == 0)
        refuse_person(a);
    if (n == 0 || (is_retry && run->is_past) || run->ending != ENDING_NONE)
        return;
    for (int i = 0; i < run->n_steps; i++)
        if (was_meant[i])
            answer_step(a, i);
    if (run->state == RUN_ATTENTION && !run_has_waiting(run)) {
        run->state = RUN_RUNNING;
        if (run->is_undoing || run_first_in_the_way(run) < run->n_steps)
            run_set_state(a, RUN_RUNNING,
                          run_event_text(a, is_retry ? "the step is tried again" : "goes on behind the step"));
    }
    begin_again(a, was_meant);
    run_go_on(a);
}

void run_on_cancel(struct advance *a)
{
    if (run_state_is_final(a->run->state))
        run_refuse(a, "the run is over");
    else if (a->run->ending == ENDING_CANCEL)
        run_refuse(a, "the run is being cancelled already: it ends with the attempt under way");
    else
        run_end_with(a, ENDING_CANCEL, run_event_text(a, "cancelled by an operator"));
}

void run_on_undo(struct advance *a)
{
    const struct run *run = a->run;
    if (run_state_is_final(run->state))
        run_refuse(a, "the run is over");
    else if (run->state == RUN_WAITING)
        run_refuse(a, "the run waits for a yes or no: approve or reject it");
    else if (run->is_undoing || run->ending == ENDING_UNDO)
        run_refuse(a, "the run goes back already");
    else if (run->ending != ENDING_NONE)
        run_refuse(a, "the run is being ended already");
    else if (run_is_behind_point(run))
        run_refuse(a, "there is no way back: the run is behind a point of no return");
    else if (!run->has_effect)
        run_refuse(a, "the run has changed nothing, so there is nothing to undo: cancel it");
    else
        run_end_with(a, ENDING_UNDO, run_event_text(a, "an operator has asked for it"));
}

/* Going back: from the last step to the first, one at a time, each through the same phases as on the way there. The
 * complication is what cannot be put back: the run waits for a person there, and does not pretend. */
#include "core/playbook_internal.h"

bool run_is_behind_point(const struct run *run)
{
    for (int i = 0; i < run->n_steps; i++) {
        const struct step_run *step = &run->steps[i];
        bool is_out = step->phase == PHASE_APPLY && step_is_under_way(run, i);
        if (step->is_point && (step->has_applied || is_out) && step->state != STEP_UNDONE)
            return true;
    }
    return false;
}

/* Whether the step is next to be put back: it may have had an effect, or a person has sent it on. */
static bool is_next(const struct step_run *step)
{
    return step->can_apply && (step->is_undoing ? step->state == STEP_PENDING : step->has_applied);
}

static bool is_in_the_way(const struct step_run *step)
{
    return step->is_undoing &&
           (step->state == STEP_RUNNING || step->state == STEP_FAILED || step->state == STEP_UNKNOWN);
}

static void put_back(struct advance *a, int i)
{
    struct step_run *step = &a->run->steps[i];
    bool is_first = !step->is_undoing;
    step->is_undoing = true;
    if (!step->is_reversible) {
        step_fail(a, i,
                  "what it has changed cannot be put back from here: nothing says what was there before; do it by "
                  "hand, then say done, or skip it");
        return;
    }
    if (is_first)
        step->has_applied = step->has_unknown_apply = false; /* from here on: of what puts it back */
    step_begin(a, i);
}

static void end_undone(struct advance *a)
{
    bool is_whole = true;
    for (int i = 0; i < a->run->n_steps; i++)
        is_whole &= !(a->run->steps[i].is_undoing && a->run->steps[i].state == STEP_SKIPPED);
    a->run->has_effect = !is_whole;
    if (is_whole)
        run_set_state(a, RUN_UNDONE, "everything that it had changed is as it was before");
    else
        run_set_state(a, RUN_CANCELLED, "put back, but for what a person has left as it was");
}

void undo_go_on(struct advance *a)
{
    for (int i = a->run->n_steps - 1; i >= 0; i--) {
        const struct step_run *step = &a->run->steps[i];
        if (is_in_the_way(step))
            return;
        if (is_next(step)) {
            a->run->current = i;
            put_back(a, i);
            return;
        }
    }
    end_undone(a);
}

/* A debt that never had an effect is not needed any more. */
static void drop_debts(struct advance *a)
{
    for (int i = 0; i < a->run->n_steps; i++) {
        struct step_run *step = &a->run->steps[i];
        if (step->state != STEP_OWED)
            continue;
        step->next_at = 0;
        if (step->has_applied) /* and is put back like what has failed: on record, or a restart would go on with it */
            step_set(a, i, step_failed_state(step), "the run goes back: what it may have changed is put back");
        else
            step_set(a, i, STEP_SKIPPED, "the run goes back: it is not owed any more");
    }
}

void undo_begin(struct advance *a, const char *text)
{
    a->run->is_undoing = true;
    struct run_move undo = {.kind = RUN_MOVE_UNDO, .step = a->run->current};
    run_move_add(a, undo, "%s", text);
    drop_debts(a);
    if (a->run->state == RUN_ATTENTION)
        run_set_state(a, RUN_RUNNING, text);
    undo_go_on(a);
}

/* Runs of the walk: the real run_next(), with results by chance, and what the witness holds against it. */
#include "tests/unit/walk/walk.h"

static void run_deliver(struct walk *w, struct protected *p, const struct run_event *event);

/* ---- the beginning ----------------------------------------------------------------------------------------------- */

/* The first moves come with run_begin(), of a run that waits after its yes. */
void run_start(struct walk *w, struct protected *p, const struct thing *thing)
{
    struct truth *t = &p->truth;
    w->n_runs++;
    w->n_automatic += thing->flag;
    t->leaves = t->active == ACTIVE_SITE ? t->site : SITE_NONE;
    if (thing->run_state == RUN_RUNNING)
        t->active = ACTIVE_MOVING;
    t->to = thing->site;
    t->has_run = true;
    t->is_ours = thing->flag;
    t->is_overriding = (thing->overrides >> REASON_TARGET_DOWN & 1) != 0;
    t->is_overriding_debt = (thing->overrides >> REASON_DEBT & 1) != 0;
    t->direction = thing->direction;
    t->no_failback_until = NEVER;
    t->run_state = thing->run_state;
    t->waits_since = t->reminded_at = w->now;
    t->answer_at = p->service.approval.deadline_ms > 0 ? w->now + p->service.approval.deadline_ms : NEVER;
    t->is_withdrawn = t->is_cancel_asked = t->has_effect = t->is_in_flight = t->is_halted = false;
    t->is_undo_asked = t->is_left_as_it_is = false;
    memset(t->seen_wrong, 0, sizeof t->seen_wrong);
    memset(t->is_unverified, 0, sizeof t->is_unverified);
    memset(t->has_applied, 0, sizeof t->has_applied);
    memset(t->is_settled, 0, sizeof t->is_settled);
    memset(t->n_attempts, 0, sizeof t->n_attempts);
    watch(w, p);
    p->run = (struct run){.service = (int)(p - w->all),
                          .direction = thing->direction,
                          .from = thing->from,
                          .to = thing->site,
                          .state = thing->run_state,
                          .is_forced = (thing->overrides >> REASON_PREFLIGHT & 1) != 0,
                          .n_steps = p->service.n_steps,
                          .steps = p->step_runs};
    for (int i = 0; i < p->service.n_steps; i++)
        p->step_runs[i] = (struct step_run){.can_observe = true,
                                            .can_apply = p->steps[i].can_apply,
                                            .can_settle = p->steps[i].can_settle,
                                            .is_point = p->steps[i].is_point_of_no_return,
                                            .is_reversible = p->steps[i].can_apply && is_lucky(w, 80),
                                            .on_failure = p->steps[i].on_failure,
                                            .deadline_ms = p->steps[i].deadline_ms,
                                            .retries = p->steps[i].retries};
    p->journal.has_run = true;
    p->journal.is_ours = thing->flag;
    p->journal.is_persons_cancel = false;
    p->journal.occasion = thing->occasion;
    p->journal.overrides = thing->overrides;
    p->journal.run = p->run;
    memcpy(p->journal.steps, p->step_runs, sizeof p->step_runs);
}

void run_begin(struct walk *w, struct protected *p)
{
    p->run.state = RUN_RUNNING;
    run_deliver(w, p, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1});
}

void run_withdraw(struct walk *w, struct protected *p, const char *text)
{
    if (p->truth.has_run && p->run.ending == ENDING_NONE)
        run_deliver(w, p, &(struct run_event){.kind = RUN_EVENT_CANCEL, .retry_after_ms = -1, .text = text});
}

/* ---- what moves -------------------------------------------------------------------------------------------------- */

static void check_attempt(struct walk *w, struct protected *p, const struct run_move *move)
{
    struct truth *t = &p->truth;
    PROMISE(!t->is_in_flight, "two attempts at once");
    PROMISE(t->has_run && t->run_state == RUN_RUNNING, "an attempt of a run that does not run");
    PROMISE(t->active == ACTIVE_MOVING, "an attempt, and the service is not moving");
    PROMISE(!t->is_cancel_asked, "an attempt of a run that is being cancelled");
    PROMISE(move->attempt == ++t->n_attempts[move->step], "attempts are not counted");
    t->is_in_flight = true;
    t->phase = move->phase;
    if (move->phase == PHASE_OBSERVE)
        return;
    PROMISE(p->steps[move->step].can_apply, "a check with an effect");
    if (move->phase != PHASE_APPLY)
        return;
    PROMISE(t->seen_wrong[move->step], "an apply without having looked");
    PROMISE(p->run.has_effect, "an apply goes out before its effect is on record");
    PROMISE(p->view.run_has_effect, "an apply goes out, and the decision does not know it");
    t->seen_wrong[move->step] = false;
    t->is_settled[move->step] = false;
    t->is_unverified[move->step] = true;
}

static void check_step(struct walk *w, struct protected *p, const struct run_move *move)
{
    struct truth *t = &p->truth;
    int step = move->step;
    PROMISE(move->text[0] || move->step_state == STEP_RUNNING || move->step_state == STEP_DONE ||
                move->step_state == STEP_ALREADY_DONE || move->step_state == STEP_UNDONE,
            "a step ended without a reason");
    if (move->step_state == STEP_RUNNING)
        t->began_at[step] = w->now;
    t->is_left_as_it_is |= move->step_state == STEP_SKIPPED && p->step_runs[step].is_undoing;
    bool is_undone = move->step_state == STEP_UNDONE;
    if (move->step_state != STEP_DONE && move->step_state != STEP_ALREADY_DONE && !is_undone)
        return;
    PROMISE(!t->is_unverified[step], "done, and nobody has read it back");
    PROMISE(!p->steps[step].can_settle || t->is_settled[step], "done, and not seen where users are");
    if (is_undone)
        return;
    PROMISE((move->step_state == STEP_ALREADY_DONE) == (p->steps[step].can_apply && !t->has_applied[step]),
            "already done by whom?");
}

static bool is_behind_point(const struct protected *p)
{
    const struct truth *t = &p->truth;
    bool is_behind = false;
    for (int i = 0; i < p->run.n_steps; i++)
        is_behind |= p->steps[i].is_point_of_no_return &&
                     (t->has_applied[i] || (t->is_in_flight && t->phase == PHASE_APPLY && p->run.current == i));
    return is_behind;
}

static void check_end(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    bool is_undone = t->run_state == RUN_UNDONE, is_failed = t->run_state == RUN_FAILED;
    bool has_changed = t->has_effect;
    PROMISE(!is_undone || (t->has_effect && !t->is_left_as_it_is), "undone, and something is not");
    t->has_effect &= !is_undone;
    PROMISE(p->run.has_effect == t->has_effect, "a run is wrong about its effect");
    bool has_succeeded = t->run_state == RUN_SUCCEEDED;
    bool was_waiting = t->active != ACTIVE_MOVING;
    bool is_no = is_undone ? t->is_undo_asked : !has_succeeded && !is_failed && !t->is_withdrawn;
    bool is_put_off = is_no && !t->has_effect;
    t->has_run = false;
    t->run_ended_at = w->now;
    w->n_succeeded += has_succeeded;
    w->n_failed += is_failed;
    w->n_undone += is_undone;
    if (has_succeeded || has_changed || (is_failed && t->is_ours)) {
        t->finished_at = w->now;
        t->cool_down_ms = p->service.cool_down_ms;
        if (is_failed && !has_changed && t->cool_down_ms < 60000)
            t->cool_down_ms = 60000; /* or it would fail again at once, and for ever */
    }
    if (has_changed)
        t->settled_at = w->now + p->service.settle_ms;
    if (was_waiting)
        watch(w, p);
    else if (has_succeeded)
        become(w, p, ACTIVE_SITE, t->to, true);
    else if (t->has_effect)
        become(w, p, ACTIVE_SPLIT, SITE_NONE, true);
    else
        become(w, p, t->leaves >= 0 ? ACTIVE_SITE : ACTIVE_UNKNOWN, t->leaves, false);
    if (is_put_off && t->leaves >= 0) /* a person has cancelled it before it changed anything: not again at once */
        refused(w, p);
    w->n_splits += t->active == ACTIVE_SPLIT;
}

static void check_state(struct walk *w, struct protected *p, const struct run_move *move)
{
    struct truth *t = &p->truth;
    PROMISE(move->text[0], "a run's state changed without a reason");
    t->run_state = move->run_state;
    PROMISE(!run_state_is_final(move->run_state) || !t->is_in_flight, "a run ended with an attempt under way");
    PROMISE(move->run_state != RUN_CANCELLED || t->is_cancel_asked || t->is_left_as_it_is || t->is_undo_asked,
            "cancelled, and nobody asked for it");
    for (int i = 0; move->run_state == RUN_SUCCEEDED && i < p->run.n_steps; i++)
        PROMISE(step_state_is_final(p->step_runs[i].state), "succeeded with a step left");
    if (run_state_is_final(move->run_state))
        check_end(w, p);
}

static void check_wait(struct walk *w, struct protected *p, const struct run_move *move, int64_t retry_after_ms)
{
    int64_t deadline_at = p->truth.began_at[move->step] + p->steps[move->step].deadline_ms;
    PROMISE(move->at > w->now && move->at <= deadline_at, "a wait that ends never, or behind the deadline");
    PROMISE(move->at == deadline_at || move->at - w->now >= retry_after_ms, "Retry-After was not kept");
}

static void check_undo(struct walk *w, struct protected *p)
{
    bool is_rule = false;
    for (int i = 0; i < p->run.n_steps; i++)
        is_rule |= p->steps[i].on_failure == ON_FAILURE_UNDO && p->truth.n_attempts[i] > 0;
    PROMISE(p->truth.is_undo_asked || is_rule, "a run goes back, and nobody asked for it");
    PROMISE(!is_behind_point(p), "a run goes back over a point of no return");
}

static void check_moves(struct walk *w, struct protected *p, const struct run_event *event,
                        const struct run_moves *moves)
{
    for (int i = 0; i < moves->count; i++) {
        const struct run_move *move = &moves->items[i];
        note(w, p, "  move %d step %d.%d %s", (int)move->kind, move->step, move->attempt, move->text);
        if (move->kind == RUN_MOVE_ATTEMPT)
            check_attempt(w, p, move);
        else if (move->kind == RUN_MOVE_STEP)
            check_step(w, p, move);
        else if (move->kind == RUN_MOVE_WAIT)
            check_wait(w, p, move, event->retry_after_ms);
        else if (move->kind == RUN_MOVE_STATE)
            check_state(w, p, move);
        else if (move->kind == RUN_MOVE_UNDO)
            check_undo(w, p);
        if (move->kind == RUN_MOVE_ATTEMPT || move->kind == RUN_MOVE_STEP || move->kind == RUN_MOVE_WAIT)
            p->journal.steps[move->step] = p->step_runs[move->step];
    }
}

/* The core is asked right before the first effect, and before each point of no return. */
static void run_asks(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    bool is_sent_on = t->is_halted;
    t->is_halted = false;
    const struct event point = {.kind = EVENT_RUN_POINT,
                                .site = SITE_NONE,
                                .has_effect = p->run.has_effect,
                                .overrides = is_sent_on ? UINT64_C(1) << REASON_TARGET_DOWN : 0,
                                .who = is_sent_on ? "anna" : NULL,
                                .text = is_sent_on ? "it has to be" : NULL};
    deliver(w, p, &point);
    PROMISE(!p->run.is_at_point || !p->truth.has_run, "a run was not told whether it may go on");
}

/* As the orchestrator does it: the run's row always, a step's row when a move or a result spoke of it. */
static void run_deliver(struct walk *w, struct protected *p, const struct run_event *event)
{
    struct run_moves moves;
    int result_of = event->kind == RUN_EVENT_RESULT ? p->run.current : -1;
    note(w, p, "run event %d outcome %s%s", (int)event->kind, outcome_text(event->outcome),
         event->is_right ? " right" : "");
    run_next(&p->run, event, w->now, &moves);
    check_moves(w, p, event, &moves);
    if (result_of >= 0)
        p->journal.steps[result_of] = p->step_runs[result_of];
    p->journal.run = p->run;
    p->journal.has_run = !run_state_is_final(p->run.state);
    if (p->run.state != p->view.run_state || p->run.has_effect != p->view.run_has_effect)
        deliver(w, p,
                &(struct event){.kind = EVENT_RUN_STATE,
                                .site = SITE_NONE,
                                .run_state = p->run.state,
                                .has_effect = p->run.has_effect,
                                .who = p->run.state == RUN_UNDONE && p->truth.is_undo_asked ? "anna" : NULL});
    if (moves.count > 0 && moves.items[moves.count - 1].kind == RUN_MOVE_POINT && p->run.is_at_point)
        run_asks(w, p);
}

void run_answer(struct walk *w, struct protected *p, const struct thing *thing)
{
    if (thing->kind == THING_RUN_HALT)
        p->truth.is_halted = true;
    run_deliver(w, p,
                &(struct run_event){.kind = thing->kind == THING_RUN_HALT ? RUN_EVENT_HALT : RUN_EVENT_GOES,
                                    .retry_after_ms = -1,
                                    .text = thing->text});
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

static enum outcome any_outcome(struct walk *w, enum phase phase, bool is_cancelling)
{
    uint64_t dice = chance(w, 100);
    if (is_cancelling && dice < 50)
        return OUTCOME_CANCELLED;
    dice = chance(w, 100);
    if (dice < 70)
        return phase == PHASE_SETTLE && dice < 25 ? OUTCOME_NOT_YET : OUTCOME_OK;
    if (dice < 84)
        return OUTCOME_TEMPORARY;
    if (dice < 91)
        return OUTCOME_UNKNOWN;
    return dice < 96 ? OUTCOME_PERMANENT : OUTCOME_CANCELLED;
}

static void any_result(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    int step = p->run.current;
    struct run_event event = {.kind = RUN_EVENT_RESULT,
                              .step = step,
                              .outcome = any_outcome(w, t->phase, p->run.ending != ENDING_NONE),
                              .retry_after_ms = is_lucky(w, 10) ? (int64_t)chance(w, 100000) : -1,
                              .random = (uint32_t)chance(w, UINT32_MAX),
                              .text = is_lucky(w, 80) ? "the provider's words" : NULL};
    bool is_ok = event.outcome == OUTCOME_OK;
    t->is_in_flight = false;
    if (t->phase == PHASE_OBSERVE) {
        event.is_right = is_lucky(w, 55);
        t->seen_wrong[step] = is_ok && !event.is_right;
        if (is_ok && event.is_right)
            t->is_unverified[step] = false;
    } else if (t->phase == PHASE_APPLY) {
        if (is_ok || event.outcome == OUTCOME_UNKNOWN || event.outcome == OUTCOME_PERMANENT)
            t->has_applied[step] = t->has_effect = true;
    } else {
        t->is_settled[step] = is_ok;
    }
    run_deliver(w, p, &event);
}

void run_goes_on(struct walk *w, struct protected *p)
{
    if (!p->truth.has_run || p->truth.run_state == RUN_WAITING)
        return;
    if (p->truth.is_in_flight)
        any_result(w, p);
    else
        run_deliver(w, p,
                    &(struct run_event){
                        .kind = RUN_EVENT_TIMER, .retry_after_ms = -1, .random = (uint32_t)chance(w, UINT32_MAX)});
}

static bool fits_call(const struct protected *p, enum run_event_kind kind)
{
    if (kind == RUN_EVENT_CANCEL)
        return p->run.ending != ENDING_CANCEL;
    if (kind == RUN_EVENT_UNDO)
        return p->run.ending == ENDING_NONE && !p->run.is_undoing && p->run.has_effect && !is_behind_point(p);
    return p->truth.run_state == RUN_ATTENTION;
}

/* A person's retry, skip, undo or cancel, whether it fits or not. */
void run_call(struct walk *w, struct protected *p)
{
    static const enum run_event_kind kinds[] = {RUN_EVENT_RETRY, RUN_EVENT_SKIP, RUN_EVENT_CANCEL, RUN_EVENT_UNDO};
    enum run_event_kind kind = kinds[chance(w, COUNT_OF(kinds))];
    bool fits = fits_call(p, kind);
    struct run_event event = {.kind = kind, .step = -1, .retry_after_ms = -1, .text = "by hand"};
    if (!p->truth.has_run || p->truth.run_state == RUN_WAITING)
        return;
    if (kind == RUN_EVENT_CANCEL && fits)
        p->truth.is_cancel_asked = p->journal.is_persons_cancel = true;
    if (kind == RUN_EVENT_UNDO && fits)
        p->truth.is_undo_asked = true;
    struct run before = p->run;
    if (!fits) {
        struct run_moves moves;
        run_next(&p->run, &event, w->now, &moves);
        PROMISE(moves.count == 1 && moves.items[0].kind == RUN_MOVE_REFUSED,
                "a call that does not fit was not refused");
        PROMISE(memcmp(&before, &p->run, sizeof before) == 0, "a refused call changed the run");
        return;
    }
    run_deliver(w, p, &event);
}

void run_taken_up(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    p->run = p->journal.run;
    p->run.steps = p->step_runs;
    memcpy(p->step_runs, p->journal.steps, sizeof p->step_runs);
    if (!t->has_run || t->run_state == RUN_WAITING)
        return;
    if (t->is_in_flight && t->phase == PHASE_APPLY)
        t->has_applied[p->run.current] = t->has_effect = true;
    t->is_in_flight = false;
    memset(t->seen_wrong, 0, sizeof t->seen_wrong);
    run_deliver(w, p, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1});
}

/* What people ask for in the walk: moves, adoptions, pauses, answers to a run that waits, votes. Each is refused
 * exactly when the witness says so. */
#include "tests/unit/walk/walk.h"

static bool needs_from(const struct protected *p)
{
    return p->steps[0].args != NULL;
}

static int target_of(const struct protected *p, const struct event *event)
{
    if (event->direction == DIRECTION_FAILBACK)
        return event->site > 0 ? SITE_NONE : 0;
    if (event->site >= 0)
        return event->site;
    return p->truth.active == ACTIVE_SITE ? first_target(p) : SITE_NONE;
}

static bool move_is_to_be_refused(const struct protected *p, const struct event *event)
{
    const struct truth *t = &p->truth;
    if (t->has_run && t->run_state != RUN_WAITING && !event->is_replacing)
        return true;
    /* Where it is once the run in its way is gone. */
    struct protected then = *p;
    if (t->has_run && t->run_state != RUN_WAITING) {
        then.truth.active = p->run.has_effect ? ACTIVE_SPLIT : t->leaves >= 0 ? ACTIVE_SITE : ACTIVE_UNKNOWN;
        then.truth.site = then.truth.active == ACTIVE_SITE ? t->leaves : SITE_NONE;
    }
    bool is_known = then.truth.active == ACTIVE_SITE;
    int target = target_of(p, event);
    bool knows_from = is_known || p->service.n_sites == 2 || (t->has_run && p->run.from >= 0);
    bool is_overriding = (event->overrides >> REASON_TARGET_DOWN & 1) != 0;
    return target == SITE_NONE || (is_known && target == then.truth.site) ||
           (is_said_down(p, target) && !is_overriding) ||
           (t->n_debts[target] > 0 && (event->overrides >> REASON_DEBT & 1) == 0) || (!knows_from && needs_from(p));
}

static void any_move(struct walk *w, struct protected *p)
{
    struct event event = {.kind = EVENT_OPERATOR_MOVE,
                          .site = (int)chance(w, (uint64_t)p->service.n_sites + 1) - 1,
                          .direction = is_lucky(w, 70) ? DIRECTION_FAILOVER : DIRECTION_FAILBACK,
                          .is_planned = is_lucky(w, 20),
                          .is_replacing = is_lucky(w, 20),
                          .who = "anna",
                          .text = is_lucky(w, 70) ? "because" : NULL};
    if (event.text && is_lucky(w, 30))
        event.overrides |= UINT64_C(1) << REASON_TARGET_DOWN;
    if (event.text && is_lucky(w, 10))
        event.overrides |= UINT64_C(1) << REASON_PREFLIGHT;
    if (event.text && is_lucky(w, 30))
        event.overrides |= UINT64_C(1) << REASON_DEBT;
    bool is_refusal = move_is_to_be_refused(p, &event);
    int64_t runs = w->n_runs;
    bool is_refused = deliver(w, p, &event);
    PROMISE(is_refused == is_refusal, "an operator was wrongly refused, or wrongly not");
    PROMISE(is_refusal || w->n_runs > runs, "an operator's run did not start");
}

static void any_adoption(struct walk *w, struct protected *p)
{
    const struct event event = {.kind = EVENT_ADOPT,
                                .site = (int)chance(w, (uint64_t)p->service.n_sites + 1) - 1,
                                .who = "anna",
                                .text = is_lucky(w, 70) ? "because" : NULL};
    bool is_busy = p->truth.has_run && p->truth.run_state != RUN_WAITING;
    bool is_refusal = is_busy || event.site < 0 || serves_at(p, event.site) || p->truth.n_debts[event.site] > 0;
    if (!is_refusal)
        become(w, p, ACTIVE_SITE, event.site, true);
    PROMISE(deliver(w, p, &event) == is_refusal, "an operator was wrongly refused, or wrongly not");
}

static void any_pause(struct walk *w, struct protected *p)
{
    bool is_pausing = !p->truth.is_paused && is_lucky(w, 30);
    const struct event event = {
        .kind = is_pausing ? EVENT_PAUSE : EVENT_RESUME, .site = SITE_NONE, .who = "anna", .text = "because"};
    bool is_refusal = !is_pausing && !p->truth.is_paused;
    p->truth.is_paused = is_pausing;
    PROMISE(deliver(w, p, &event) == is_refusal, "an operator was wrongly refused, or wrongly not");
}

void any_answer(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    bool is_yes = is_lucky(w, 70);
    struct event event = {
        .kind = is_yes ? EVENT_APPROVE : EVENT_REJECT, .site = SITE_NONE, .who = "anna", .text = "because"};
    if (is_lucky(w, 20))
        event.overrides = UINT64_C(1) << REASON_TARGET_DOWN;
    if (is_lucky(w, 20))
        event.overrides |= UINT64_C(1) << REASON_DEBT;
    bool is_waiting = t->has_run && t->run_state == RUN_WAITING;
    bool is_refusal = !is_waiting ||
                      (is_yes && is_said_down(p, t->to) && (event.overrides >> REASON_TARGET_DOWN & 1) == 0) ||
                      (is_yes && t->n_debts[t->to] > 0 && (event.overrides >> REASON_DEBT & 1) == 0);
    PROMISE(deliver(w, p, &event) == is_refusal, "an operator was wrongly refused, or wrongly not");
    PROMISE(is_refusal || is_yes || !t->has_run, "a rejected run is still there");
    PROMISE(is_refusal || !is_yes || t->run_state != RUN_WAITING, "an approved run still waits");
}

void any_operator_call(struct walk *w, struct protected *p)
{
    uint64_t dice = chance(w, 100);
    if (dice < 30)
        any_move(w, p);
    else if (dice < 50)
        any_adoption(w, p);
    else if (dice < 70)
        any_pause(w, p);
    else if (dice < 80)
        any_answer(w, p);
    else
        our_word(w, p, (int)chance(w, (uint64_t)p->service.n_sites), VOTER_OPERATOR, (enum vote)chance(w, 3));
}

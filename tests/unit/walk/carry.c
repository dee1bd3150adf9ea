/* Asking the core, and holding each thing that it says against what the witness knows before it is carried out. */
#include "tests/unit/walk/walk.h"

#include <stdlib.h>

/* ---- runs that start, or do not ---------------------------------------------------------------------------------- */

static void check_our_start(struct walk *w, struct protected *p, const struct thing *start)
{
    const struct truth *t = &p->truth;
    bool is_back = start->direction == DIRECTION_FAILBACK;
    enum mode mode = is_back ? p->service.failback_mode : p->service.mode;
    PROMISE(t->active == ACTIVE_SITE, "a run started by itself where the active site is not known");
    PROMISE(t->site == start->from, "a run started by itself for a site that is not active");
    PROMISE(mode == MODE_AUTOMATIC || mode == MODE_APPROVAL, "a run started by itself in a mode that starts none");
    PROMISE((mode == MODE_APPROVAL) == (start->run_state == RUN_WAITING), "a run that nobody was asked for, or about");
    enum reason reason = what_is_in_the_way(w, p, t->site, start->direction, false);
    if (reason != REASON_NONE)
        note(w, p, "  in the way: %s", reason_text(reason));
    PROMISE(reason == REASON_NONE, "a run started by itself against a guard");
    PROMISE(!is_said_down(p, start->site), "a run started by itself to a site with a down vote");
    PROMISE(t->n_debts[start->site] == 0, "a run started by itself to a site with debts");
    if (is_back) {
        PROMISE(start->site == 0 && start->occasion == OCCASION_FAILBACK, "a failback that does not go home");
        PROMISE(t->well_since != NEVER && w->now - t->well_since >= p->service.failback_after_ms,
                "a failback without evidence of so long that home is well");
        PROMISE(w->now >= t->no_failback_until, "a failback that was refused by a person starts again");
        w->n_failbacks++;
        return;
    }
    PROMISE(start->occasion == OCCASION_OUTAGE, "not an outage?");
    PROMISE(has_held(w, p, t->site), "a run started without a quorum that had held");
    PROMISE(start->site == first_target(p), "not the first site in the order of preference");
}

static void check_start(struct walk *w, struct protected *p, const struct event *event, const struct thing *start)
{
    const struct truth *t = &p->truth;
    PROMISE(!t->has_run, "a second run of the same service");
    PROMISE(start->site != t->site, "a run to where the service is");
    PROMISE(t->active != ACTIVE_SITE || start->from == t->site, "the run leaves another site");
    if (start->flag) {
        check_our_start(w, p, start);
        return;
    }
    PROMISE(event->kind == EVENT_OPERATOR_MOVE, "a person's run that no person asked for");
    PROMISE(start->run_state == RUN_RUNNING && start->direction == event->direction, "not the run that was asked for");
    PROMISE(start->overrides == event->overrides, "what was overridden is not what the run is told");
    enum occasion occasion = start->direction == DIRECTION_FAILBACK ? OCCASION_FAILBACK
                             : event->is_planned                    ? OCCASION_PLANNED
                                                                    : OCCASION_OUTAGE;
    PROMISE(start->occasion == occasion, "not the occasion that was asked for");
}

/* A reason on record has to be true. */
static void check_not_acted(struct walk *w, struct protected *p, const struct event *event, const struct thing *thing)
{
    const struct truth *t = &p->truth;
    enum reason reason = thing->reason;
    w->n_kept[reason]++;
    bool is_back = thing->site == SITE_NONE && thing->direction == DIRECTION_FAILBACK;
    if (thing->site == SITE_NONE && !is_back)
        return; /* an observation */
    enum mode mode = is_back ? p->service.failback_mode : p->service.mode;
    bool is_true;
    if (reason == REASON_MANUAL_MODE)
        is_true = mode == MODE_MANUAL;
    else if (reason == REASON_SHADOW_MODE)
        is_true = mode == MODE_SHADOW && thing->site_to != t->site && !is_said_down(p, thing->site_to);
    else if (event->kind == EVENT_RUN_STATE && reason == REASON_OPERATOR)
        is_true =
            t->run_state == RUN_CANCELLED ||
            (t->run_state == RUN_UNDONE && t->is_undo_asked); /* by a person, and said before anything is looked at */
    else if (is_back && reason == REASON_DEBT)
        is_true = t->n_debts[0] > 0;
    else if (is_back && reason == REASON_VOTES)
        is_true = is_for_a_failover(p, has_held(w, p, t->site));
    else
        is_true = is_in_the_way(w, p, is_back ? t->site : thing->site, reason, true);
    PROMISE(is_true, "nothing is done for a reason that is not true");
    bool is_looked_at = event->kind != EVENT_RUN_STATE && event->kind != EVENT_REJECT; /* before it is said */
    if (!is_back && is_looked_at && t->active == ACTIVE_SITE && thing->site == t->site)
        PROMISE(has_held(w, p, t->site), "not acted on before it has held");
}

/* ---- runs that are withdrawn, approved or halted ----------------------------------------------------------------- */

static bool is_deadline(const struct walk *w, const struct protected *p, bool is_yes)
{
    return p->truth.answer_at != NEVER && w->now >= p->truth.answer_at && p->service.approval.is_yes == is_yes;
}

static bool may_cancel(const struct walk *w, const struct protected *p, const struct event *event,
                       const struct thing *thing)
{
    const struct truth *t = &p->truth;
    if (thing->reason == REASON_REPLACED)
        return (event->kind == EVENT_OPERATOR_MOVE && (event->is_replacing || t->run_state == RUN_WAITING)) ||
               (event->kind == EVENT_ADOPT && t->run_state == RUN_WAITING);
    if (thing->reason == REASON_OPERATOR)
        return event->kind == EVENT_REJECT && t->run_state == RUN_WAITING;
    if (thing->reason == REASON_DEADLINE)
        return t->run_state == RUN_WAITING && is_deadline(w, p, false);
    if (!t->is_ours || p->run.has_effect)
        return false;
    if (thing->reason == REASON_VOTES && t->direction == DIRECTION_FAILBACK)
        return t->run_state == RUN_WAITING && is_for_a_failover(p, has_held(w, p, t->leaves));
    if (thing->reason == REASON_VOTES)
        return !t->has_quorum[t->leaves];
    if (thing->reason == REASON_EVIDENCE)
        return t->votes[0][VOTER_PROBE] != VOTE_UP || is_said_down(p, 0);
    if (thing->reason == REASON_DEBT)
        return t->n_debts[t->to] > 0;
    if (thing->reason == REASON_TARGET_DOWN || thing->reason == REASON_NO_TARGET)
        return is_said_down(p, t->to);
    return is_in_the_way(w, p, t->leaves, thing->reason, true);
}

/* What was replaced has ended here and now, wherever it was. */
static void abandon(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    t->has_run = t->is_in_flight = false;
    p->journal.has_run = false;
    if (p->run.has_effect) {
        t->finished_at = w->now;
        t->cool_down_ms = p->service.cool_down_ms;
        t->settled_at = w->now + p->service.settle_ms;
        become(w, p, ACTIVE_SPLIT, SITE_NONE, true);
    } else if (t->run_state != RUN_WAITING) {
        become(w, p, t->leaves >= 0 ? ACTIVE_SITE : ACTIVE_UNKNOWN, t->leaves, false);
    }
    t->run_ended_at = w->now;
}

static void check_cancel(struct walk *w, struct protected *p, const struct event *event, const struct thing *thing)
{
    struct truth *t = &p->truth;
    PROMISE(t->has_run, "a run is cancelled, and there is none");
    PROMISE(thing->reason == REASON_REPLACED || !p->run.has_effect, "a run is cancelled behind its first effect");
    PROMISE(may_cancel(w, p, event, thing), "a run is cancelled for a reason that is not true");
    w->n_withdrawn += thing->reason != REASON_OPERATOR && thing->reason != REASON_REPLACED;
    if (thing->reason == REASON_OPERATOR || thing->reason == REASON_DEADLINE)
        refused(w, p);
    if (thing->reason == REASON_REPLACED)
        abandon(w, p);
    else
        t->is_cancel_asked = t->is_withdrawn = true;
}

static void check_approved(struct walk *w, struct protected *p, const struct event *event, const struct thing *thing)
{
    struct truth *t = &p->truth;
    PROMISE(t->has_run && t->run_state == RUN_WAITING, "approved, and nothing waits");
    PROMISE(event->kind == EVENT_APPROVE || is_deadline(w, p, true), "approved by nobody");
    PROMISE(thing->reason != REASON_DEADLINE || what_withdraws(w, p) == REASON_NONE,
            "the deadline approved what must not go on");
    w->n_approved++;
    t->is_overriding |= (thing->overrides >> REASON_TARGET_DOWN & 1) != 0;
    t->is_overriding_debt |= (thing->overrides >> REASON_DEBT & 1) != 0;
    t->active = ACTIVE_MOVING;
    t->run_state = RUN_RUNNING;
    watch(w, p);
}

static void check_point(struct walk *w, struct protected *p, const struct event *event, const struct thing *thing)
{
    const struct truth *t = &p->truth;
    PROMISE(event->kind == EVENT_RUN_POINT, "an answer that nobody asked for");
    if (thing->kind == THING_RUN_HALT) {
        w->n_halted++;
        PROMISE(!t->is_ours || p->run.has_effect, "a run of ours without effect is halted, and not withdrawn");
        PROMISE(t->is_ours || thing->reason == REASON_TARGET_DOWN || thing->reason == REASON_DEBT,
                "a person's run is halted by a guard");
        return;
    }
    if (event->who)
        return;
    if (t->is_ours && !p->run.has_effect)
        PROMISE(what_withdraws(w, p) == REASON_NONE, "the first effect goes out against a quorum or a guard");
    PROMISE(t->is_overriding_debt || t->n_debts[t->to] == 0, "a point of no return is passed to a site with debts");
    PROMISE(t->is_overriding || !is_said_down(p, t->to), "a point of no return is passed to a site that is down");
}

/* ---- things ------------------------------------------------------------------------------------------------------ */

static void check_timer(struct walk *w, struct protected *p, const struct thing *thing)
{
    struct truth *t = &p->truth;
    if (thing->kind == THING_TIMER_CLEAR)
        return;
    PROMISE(thing->at > w->now, "a timer that is due at once");
    switch (thing->timer) {
    case TIMER_HOLD:
        PROMISE(t->held_since[thing->site] != NEVER, "a hold of nothing");
        PROMISE(thing->at >= t->held_since[thing->site] + p->service.hold_ms, "a hold that is too short");
        break;
    case TIMER_COOL_DOWN:
        PROMISE(thing->at == t->finished_at + t->cool_down_ms, "a cool-down of another length");
        break;
    case TIMER_SETTLE:
        PROMISE(thing->at == t->settled_at, "a settling of another length");
        break;
    case TIMER_FAILBACK:
        if (thing->reason == REASON_OPERATOR || thing->reason == REASON_DEADLINE)
            break; /* put off */
        PROMISE(thing->at >= t->well_since + p->service.failback_after_ms, "home has not been well for so long");
        PROMISE(thing->at <= w->now + p->service.failback_after_ms, "home has to be well for too long");
        break;
    case TIMER_APPROVAL:
        if (w->now >= t->answer_at) { /* the answer was yes, and something is still in the way */
            PROMISE(p->service.approval.is_yes && (w->is_killed || is_in_the_way(w, p, t->leaves, thing->reason, true)),
                    "a deadline is put off for no reason");
            t->answer_at = thing->at;
        }
        PROMISE(thing->at == t->answer_at, "another deadline");
        break;
    case TIMER_FLAP:
    case TIMER_REMIND:
        break;
    }
}

static bool starts_later(const struct things *things, int from)
{
    for (int i = from; i < things->count; i++)
        if ((things->items[i].kind == THING_RUN_START && things->items[i].run_state == RUN_RUNNING) ||
            things->items[i].kind == THING_RUN_APPROVED)
            return true;
    return false;
}

static void check_active(struct walk *w, struct protected *p, const struct things *things, int i)
{
    const struct thing *thing = &things->items[i];
    const struct truth *t = &p->truth;
    if (thing->active == ACTIVE_MOVING) {
        PROMISE(starts_later(things, i), "the service moves, and nothing moves it");
        PROMISE(thing->site == t->site, "it moves from where it is not");
        return;
    }
    PROMISE(thing->active == t->active && thing->site == t->site, "the wrong site is said to be active");
}

static void check_thing(struct walk *w, struct protected *p, const struct event *event, const struct things *things,
                        int i)
{
    const struct thing *thing = &things->items[i];
    PROMISE(thing->text[0] && thing->reason != REASON_NONE, "a thing without a reason");
    switch (thing->kind) {
    case THING_COUNT:
        PROMISE(thing->count == p->truth.count[thing->site][thing->voter][thing->vote], "a wrong count");
        break;
    case THING_VOTE:
        PROMISE(thing->vote == p->truth.votes[thing->site][thing->voter], "a wrong vote");
        break;
    case THING_TIMER_SET:
    case THING_TIMER_CLEAR:
        check_timer(w, p, thing);
        break;
    case THING_NOT_ACTED:
        check_not_acted(w, p, event, thing);
        break;
    case THING_ACTIVE:
        check_active(w, p, things, i);
        break;
    case THING_RUN_START:
        check_start(w, p, event, thing);
        break;
    case THING_RUN_APPROVED:
        check_approved(w, p, event, thing);
        break;
    case THING_RUN_CANCEL:
        check_cancel(w, p, event, thing);
        break;
    case THING_RUN_GOES:
    case THING_RUN_HALT:
        check_point(w, p, event, thing);
        break;
    case THING_REMIND:
        PROMISE(p->truth.has_run && p->truth.run_state == RUN_WAITING, "reminded of nothing");
        PROMISE(w->now >= p->truth.reminded_at + p->service.approval.remind_ms, "reminded too early");
        p->truth.reminded_at = w->now;
        break;
    case THING_PAUSED:
        PROMISE(thing->flag == p->truth.is_paused, "paused, or not, by nobody");
        break;
    case THING_INCIDENT_OPEN:
    case THING_INCIDENT_STANDING:
    case THING_INCIDENT_RESOLVED:
    case THING_DEBTS:
    case THING_RUN_STATE:
    case THING_NOTICE:
    case THING_REFUSED:
        break;
    }
}

/* What a run becomes by it comes behind all of the event's things. */
static void follow(struct walk *w, struct protected *p, const struct things *things)
{
    for (int i = 0; i < things->count; i++) {
        const struct thing *thing = &things->items[i];
        if (thing->kind == THING_RUN_START && thing->run_state == RUN_RUNNING)
            run_begin(w, p);
        else if (thing->kind == THING_RUN_APPROVED)
            run_begin(w, p);
        else if (thing->kind == THING_RUN_GOES || thing->kind == THING_RUN_HALT)
            run_answer(w, p, thing);
        else if (thing->kind == THING_RUN_CANCEL && thing->reason != REASON_REPLACED)
            run_withdraw(w, p, thing->text);
    }
}

/* Whether an event may leave nothing. */
static bool may_be_silent(const struct protected *p, const struct event *event)
{
    if (event->kind == EVENT_START || event->kind == EVENT_LOOK || event->kind == EVENT_HEARD)
        return true;
    return event->kind == EVENT_RUN_STATE &&
           (!p->view.has_run || (p->view.run_state == event->run_state && p->view.run_has_effect == event->has_effect));
}

bool deliver(struct walk *w, struct protected *p, const struct event *event)
{
    struct things things;
    bool is_refused = false;
    note(w, p, "event %d site %d voter %d says %s %d", (int)event->kind, event->site, event->voter,
         vote_text(event->says), event->delta);
    bool is_silent = may_be_silent(p, event);
    p->is_touched = true;
    w->outlook->wall = wall(w);
    w->outlook->wall_at = w->now;
    decide(&w->services[p - w->all], &w->model, &p->view, w->outlook, event, w->now, &things);
    struct record *r = record(w, RECORD_DECIDE);
    r->service = (int)(p - w->all);
    r->event = *event;
    r->answer = digest_of(&things);
    for (int i = 0; i < things.count; i++)
        is_refused |= things.items[i].kind == THING_REFUSED;
    if (!is_refused) { /* a refusal looks at nothing */
        watch(w, p);
        watch_places(w);
    }
    PROMISE(things.count > 0 || is_silent, "an event left no reason");
    PROMISE(things.count < MAX_THINGS, "more things than there is room for");
    if (things.count > w->most_things)
        w->most_things = things.count;
    for (int i = 0; i < things.count; i++) {
        const struct thing *thing = &things.items[i];
        note(w, p, "  %d/%s: %s", (int)thing->kind, reason_text(thing->reason), thing->text);
        check_thing(w, p, event, &things, i);
        view_apply(&p->view, thing);
        journal_thing(p, thing);
        if (thing->kind == THING_RUN_START)
            run_start(w, p, thing);
    }
    outlook_take(w->outlook, (int)(p - w->all), w->now);
    int64_t due_at = outlook_due_at(w->outlook, w->now);
    w->outlook_due_at = due_at < w->outlook_due_at ? due_at : w->outlook_due_at;
    PROMISE(p->journal.active == p->truth.active &&
                (p->truth.active == ACTIVE_MOVING || p->journal.active_site == p->truth.site),
            "the active site should have changed");
    w->n_refused += is_refused;
    follow(w, p, &things);
    return is_refused;
}

void come_to_rest(struct walk *w)
{
    watch_all(w);
    const struct event look = {.kind = EVENT_LOOK, .site = SITE_NONE};
    for (int round = 0; round < 100; round++) {
        bool is_due_for_all = w->outlook->generation != w->generation || w->now >= w->outlook_due_at;
        bool is_done = true;
        w->generation = w->outlook->generation;
        w->outlook_due_at = outlook_due_at(w->outlook, w->now);
        for (int i = 0; i < N_SERVICES; i++) {
            struct protected *p = &w->all[w->by_priority[i]];
            const struct freeze *freeze = freeze_find(&p->service, &w->model, wall(w), NULL);
            if (!is_due_for_all && freeze == p->seen_freeze &&
                view_due_at(&p->service, &w->model, &p->view, w->outlook) > w->now)
                continue;
            p->seen_freeze = freeze;
            deliver(w, p, &look);
            is_done = false;
        }
        if (is_done)
            return;
    }
    broken(w, NULL, "it never comes to rest");
}

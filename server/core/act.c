/* Acting on an incident that stands, or saying why not: once for each reason while that stays the same. And the start
 * of every run, ours and people's. */
#include "core/decide_internal.h"

/* ---- starting ---------------------------------------------------------------------------------------------------- */

static void failback_over(struct decision *d, const struct thing *start)
{
    struct thing over = thing_of(THING_TIMER_CLEAR, start->reason, SITE_NONE);
    over.timer = TIMER_FAILBACK;
    if (d->view.failback_due_at == 0)
        return;
    if (start->direction == DIRECTION_FAILBACK)
        say(d, over, "it is time to go back to %.48s", site_name(d, start->site));
    else
        say(d, over, "how long %.48s has been well does not matter now: another run begins", site_name(d, 0));
}

/* What depends on no run being there ends before it begins: carrying out its start may bring the next event. */
static void run_start(struct decision *d, struct thing start, const char *why)
{
    struct phrase move = move_phrase(d->service, start.direction, start.from, start.site);
    const char *kind = start.occasion == OCCASION_PLANNED ? "planned " : "";
    failback_over(d, &start);
    if (start.run_state == RUN_WAITING) {
        say(d, start, "%s waits for a yes or no: %.150s", move.text, why);
        return;
    }
    look_at_sites(d);
    say(d, start, "%s%s: %.150s%s%s", kind, move.text, why, start.overrides ? "; overridden: " : "",
        overrides_text(start.overrides).text);
}

/* `leaves`: the site that is known to be active, SITE_NONE when none is. */
static void become_moving(struct decision *d, enum reason reason, int leaves, const struct phrase *move)
{
    struct thing moving = thing_of(THING_ACTIVE, reason, leaves);
    moving.active = ACTIVE_MOVING;
    say(d, moving, "a %s begins", move->text);
}

void start_ours(struct decision *d, enum direction direction, int from, int to, const char *why)
{
    bool is_failback = direction == DIRECTION_FAILBACK;
    enum mode mode = is_failback ? d->service->failback_mode : d->service->mode;
    struct thing start = thing_of(THING_RUN_START, is_failback ? REASON_EVIDENCE : REASON_VOTES, to);
    start.from = from;
    start.direction = direction;
    start.occasion = is_failback ? OCCASION_FAILBACK : OCCASION_OUTAGE;
    start.run_state = mode == MODE_APPROVAL ? RUN_WAITING : RUN_RUNNING;
    start.flag = true;
    if (start.run_state == RUN_RUNNING) {
        struct phrase move = move_phrase(d->service, direction, from, to);
        become_moving(d, start.reason, from, &move);
    }
    run_start(d, start, why);
    if (start.run_state == RUN_WAITING)
        approval_ask(d);
}

enum occasion occasion_of(const struct event *event)
{
    if (event->direction == DIRECTION_FAILBACK)
        return OCCASION_FAILBACK;
    return event->is_planned ? OCCASION_PLANNED : OCCASION_OUTAGE;
}

void start_theirs(struct decision *d, int leaves, int from, int to, uint64_t overrides, const char *why)
{
    enum direction direction = d->event->direction;
    struct thing start = thing_of(THING_RUN_START, REASON_OPERATOR, to);
    start.from = from;
    start.direction = direction;
    start.occasion = occasion_of(d->event);
    start.run_state = RUN_RUNNING;
    start.overrides = overrides;
    struct phrase move = move_phrase(d->service, direction, from, to);
    become_moving(d, REASON_OPERATOR, leaves, &move);
    run_start(d, start, why);
}

/* ---- acting ------------------------------------------------------------------------------------------------------ */

/* A run that is under way, or waits for a yes or no, is what is done about it; one that waits for help is not. */
static bool is_answered(const struct decision *d)
{
    return d->view.has_run && d->view.run_state != RUN_ATTENTION;
}

static void not_acted(struct decision *d, int site, const struct verdict *verdict)
{
    struct thing not = thing_of(THING_NOT_ACTED, verdict->reason, site);
    if (verdict->reason == REASON_SHADOW_MODE) {
        not .direction = DIRECTION_FAILOVER;
        not .from = site;
        not .site_to = verdict->target;
        say(d, not, "%.48s is down, and a %.110s would start now: nothing is done, for the mode is shadow",
            site_name(d, site), move_phrase(d->service, DIRECTION_FAILOVER, site, verdict->target).text);
        return;
    }
    say(d, not, "%.48s is down, and nothing is started: %s", site_name(d, site), obstacle_phrase(d, verdict).text);
}

static void act(struct decision *d, int site)
{
    int last_reason = d->view.sites[site].last_reason;
    if (view_is_refused(&d->view, site))
        return;
    struct verdict verdict = guard_start(d, DIRECTION_FAILOVER, site);
    if (verdict.reason == REASON_NONE)
        start_ours(d, DIRECTION_FAILOVER, site, verdict.target,
                   votes_held_phrase(d->service, d->model, &d->view, site).text);
    else if ((int)verdict.reason != last_reason)
        not_acted(d, site, &verdict);
}

void look_at_standing(struct decision *d)
{
    for (int site = 0; site < d->service->n_sites && !is_answered(d); site++) {
        if (!d->view.sites[site].is_standing)
            continue;
        act(d, site);
        return; /* one site is active at a time, so one incident stands at most */
    }
}

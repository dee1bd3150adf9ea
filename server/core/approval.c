/* A run of ours that waits for a yes or no: it is asked for, people are reminded of it, and a deadline answers where
 * nobody does. A run whose reason goes away meanwhile is taken back in course.c. */
#include "core/decide_internal.h"

#define BEGIN_AGAIN_MS 30000 /* the deadline said yes, and something still kept it from beginning */
#define FAILBACK_PUT_OFF_MS ((int64_t)24 * 3600 * 1000) /* a failback that was not wanted is not asked for before */

static void timer_set(struct decision *d, enum timer_kind timer, enum reason reason, int64_t ms, const char *text)
{
    struct thing set = thing_of(THING_TIMER_SET, reason, SITE_NONE);
    set.timer = timer;
    set.at = d->now + ms;
    say(d, set, "%s", text);
}

void approval_ask(struct decision *d)
{
    const struct approval_rule *rule = &d->service->approval;
    if (rule->deadline_ms > 0) {
        struct phrase text = phrase_of("without an answer in %s it is %s", duration_phrase(rule->deadline_ms).text,
                                       rule->is_yes ? "approved, and begins" : "rejected");
        timer_set(d, TIMER_APPROVAL, REASON_APPROVAL, rule->deadline_ms, text.text);
    }
    if (rule->remind_ms > 0) {
        struct phrase text = phrase_of("people are reminded of it every %s", duration_phrase(rule->remind_ms).text);
        timer_set(d, TIMER_REMIND, REASON_APPROVAL, rule->remind_ms, text.text);
    }
}

static void timer_clear(struct decision *d, enum timer_kind timer, enum reason reason, int64_t due_at, const char *text)
{
    if (due_at == 0)
        return;
    struct thing clear = thing_of(THING_TIMER_CLEAR, reason, SITE_NONE);
    clear.timer = timer;
    say(d, clear, "%s", text);
}

void approval_clear(struct decision *d, enum reason reason)
{
    timer_clear(d, TIMER_APPROVAL, reason, d->view.approval_due_at, "the run waits for an answer no more");
    timer_clear(d, TIMER_REMIND, reason, d->view.remind_at, "there is nothing to remind people of any more");
}

/* ---- the answers ------------------------------------------------------------------------------------------------- */

static void run_approve(struct decision *d, enum reason reason, uint64_t overrides, const char *who)
{
    int from = d->view.run_from;
    struct phrase move = move_phrase(d->service, d->view.run_direction, from, d->view.run_to);
    struct thing moving = thing_of(THING_ACTIVE, reason, d->view.active_site);
    struct thing yes = thing_of(THING_RUN_APPROVED, reason, SITE_NONE);
    bool is_failback = d->view.run_direction == DIRECTION_FAILBACK;
    moving.active = ACTIVE_MOVING;
    yes.overrides = overrides;
    struct phrase votes = votes_of(d, is_failback ? 0 : from);
    approval_clear(d, reason);
    say(d, moving, "a %s begins", move.text);
    look_at_sites(d);
    say(d, yes, "the %.90s begins: %.80s; %.32s has %.70s%s%s", move.text, who, site_name(d, is_failback ? 0 : from),
        votes.text, overrides ? "; overridden: " : "", overrides_text(overrides).text);
}

void put_off(struct decision *d, enum reason reason, enum direction direction, int site, const char *why)
{
    if (direction == DIRECTION_FAILBACK && d->service->failback_mode != MODE_MANUAL && is_home_well(d)) {
        struct phrase text = phrase_of("%.130s: no failback is asked for in the next %s", why,
                                       duration_phrase(FAILBACK_PUT_OFF_MS).text);
        timer_set(d, TIMER_FAILBACK, reason, FAILBACK_PUT_OFF_MS, text.text);
    } else if (direction == DIRECTION_FAILOVER && site >= 0 && d->view.sites[site].is_standing) {
        say(d, thing_of(THING_NOT_ACTED, reason, site),
            "%.48s is down, and nothing is started by itself while that stands: %.130s", site_name(d, site), why);
    }
}

static void run_reject(struct decision *d, enum reason reason, const char *why)
{
    enum direction direction = d->view.run_direction;
    int from = d->view.run_from;
    run_cancel(d, reason, why);
    put_off(d, reason, direction, from, why);
}

static void deadline_over(struct decision *d)
{
    struct phrase waited = duration_phrase(d->service->approval.deadline_ms);
    if (!d->service->approval.is_yes) {
        run_reject(d, REASON_DEADLINE, phrase_of("nobody answered within %s, which is a no", waited.text).text);
        return;
    }
    struct verdict verdict = guard_begin(d);
    if (verdict.reason != REASON_NONE) {
        struct phrase why = obstacle_phrase(d, &verdict);
        struct phrase text = phrase_of("nobody answered, which is a yes, and yet it waits another %s: %.120s",
                                       duration_phrase(BEGIN_AGAIN_MS).text, why.text);
        timer_set(d, TIMER_APPROVAL, verdict.reason, BEGIN_AGAIN_MS, text.text);
        return;
    }
    run_approve(d, REASON_DEADLINE, 0, phrase_of("nobody answered within %s, which is a yes", waited.text).text);
}

void look_at_approval(struct decision *d)
{
    const struct service_view *view = &d->view;
    if (view->approval_due_at != 0 && view->approval_due_at <= d->now) {
        deadline_over(d);
        return;
    }
    if (view->remind_at == 0 || view->remind_at > d->now)
        return;
    struct phrase run = run_phrase(d->service, view);
    if (view->approval_due_at != 0)
        say(d, thing_of(THING_REMIND, REASON_APPROVAL, SITE_NONE), "%.140s; without an answer in %s it is %s", run.text,
            duration_phrase(view->approval_due_at - d->now).text,
            d->service->approval.is_yes ? "approved" : "rejected");
    else
        say(d, thing_of(THING_REMIND, REASON_APPROVAL, SITE_NONE), "%.140s", run.text);
    int64_t again_ms = d->service->approval.remind_ms > 0 ? d->service->approval.remind_ms : BEGIN_AGAIN_MS;
    timer_set(d, TIMER_REMIND, REASON_APPROVAL, again_ms, "people are reminded of it again");
}

/* ---- persons ----------------------------------------------------------------------------------------------------- */

static bool is_asked(struct decision *d)
{
    if (d->view.has_run && d->view.run_state == RUN_WAITING && !d->view.run_is_cancelling)
        return true;
    struct phrase run = d->view.has_run ? run_phrase(d->service, &d->view) : phrase_of("there is no run");
    return refuse(d, REASON_WRONG_STATE, phrase_of("no run waits for a yes or no: %.140s", run.text).text);
}

bool on_approve(struct decision *d)
{
    if (!is_asked(d))
        return false;
    uint64_t overrides = overrides_of(d);
    int target = d->view.run_to;
    enum reason reason = target >= 0 ? guard_target(d, target, overrides) : REASON_NONE;
    if (reason != REASON_NONE)
        return refuse(d, reason, target_phrase(d, reason, target).text);
    run_approve(d, REASON_OPERATOR, overrides, person_phrase(d, "approved it").text);
    return false;
}

bool on_reject(struct decision *d)
{
    if (!is_asked(d))
        return false;
    run_reject(d, REASON_OPERATOR, person_phrase(d, "rejected it").text);
    return true;
}

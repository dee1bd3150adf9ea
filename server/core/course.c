/* A run that is there: what takes it back before its first effect, what it is told at its points, and what its end
 * leaves behind. How it goes through its steps is core/playbook.c. */
#include "core/decide_internal.h"

/* ---- taking it back ---------------------------------------------------------------------------------------------- */

void run_cancel(struct decision *d, enum reason reason, const char *why)
{
    struct phrase move = move_phrase(d->service, d->view.run_direction, d->view.run_from, d->view.run_to);
    say(d, thing_of(THING_RUN_CANCEL, reason, SITE_NONE), "the %.110s is cancelled: %.130s", move.text, why);
    approval_clear(d, reason);
}

/* One at attention is a person's to deal with, but for its reason being gone. */
static bool takes_back(const struct decision *d, enum reason reason)
{
    return reason == REASON_VOTES || reason == REASON_EVIDENCE || d->view.run_state != RUN_ATTENTION;
}

void look_at_run(struct decision *d)
{
    const struct service_view *view = &d->view;
    if (!view->has_run || view->run_state != RUN_WAITING || view->run_is_cancelling)
        approval_clear(d, REASON_RUN);
    if (!view->has_run || view->run_is_cancelling)
        return;
    if (view->run_is_ours && !view->run_has_effect) {
        struct verdict verdict = guard_course(d, false, view->run_overrides);
        if (verdict.reason != REASON_NONE && takes_back(d, verdict.reason)) {
            struct phrase why = obstacle_phrase(d, &verdict);
            run_cancel(d, verdict.reason, why.text);
            return;
        }
    }
    if (view->run_state == RUN_WAITING && view->run_direction == DIRECTION_FAILBACK && is_failovers(d, view->run_from))
        run_cancel(d, REASON_VOTES, obstacle_phrase(d, &(struct verdict){.reason = REASON_VOTES}).text);
    else if (view->run_state == RUN_WAITING)
        look_at_approval(d);
}

/* ---- its points -------------------------------------------------------------------------------------------------- */

void on_run_point(struct decision *d)
{
    const struct service_view *view = &d->view;
    bool has_effect = d->event->has_effect;
    if (!view->has_run) {
        say(d, thing_of(THING_RUN_CANCEL, REASON_WRONG_STATE, SITE_NONE), "there is no run that could go on");
        return;
    }
    struct phrase move = move_phrase(d->service, view->run_direction, view->run_from, view->run_to);
    /* A person who sends it on has seen what stopped it. */
    bool is_theirs = !view->run_is_ours || d->event->who;
    struct verdict verdict = guard_course(d, is_theirs, view->run_overrides | overrides_of(d));
    if (verdict.reason == REASON_NONE) {
        say(d, thing_of(THING_RUN_GOES, REASON_RUN, SITE_NONE), "nothing is in the way of the %s", move.text);
        return;
    }
    struct phrase why = obstacle_phrase(d, &verdict);
    if (view->run_is_ours && !has_effect)
        run_cancel(d, verdict.reason, why.text);
    else
        say(d, thing_of(THING_RUN_HALT, verdict.reason, SITE_NONE), "the %.90s stops and waits for a person: %.130s",
            move.text, why.text);
}

/* ---- its end ----------------------------------------------------------------------------------------------------- */

/* A run of ours that failed and has changed nothing leaves its reason standing: at least so long until it is tried
 * again, or it would be at once and for ever. */
#define AGAIN_AFTER_FAILURE_MS 60000

static void timers_after_run(struct decision *d, bool has_effect)
{
    int64_t cool_down_ms = d->service->cool_down_ms;
    int64_t settle_ms = has_effect ? d->service->settle_ms : 0;
    if (d->event->run_state == RUN_FAILED && !has_effect && cool_down_ms < AGAIN_AFTER_FAILURE_MS)
        cool_down_ms = AGAIN_AFTER_FAILURE_MS;
    struct thing set = thing_of(THING_TIMER_SET, REASON_RUN, SITE_NONE);
    if (cool_down_ms > 0) {
        set.timer = TIMER_COOL_DOWN;
        set.at = d->now + cool_down_ms;
        say(d, set, "nothing is started by itself for %s from now (cool-down)", duration_phrase(cool_down_ms).text);
    }
    if (settle_ms > 0) {
        set.timer = TIMER_SETTLE;
        set.at = d->now + settle_ms;
        say(d, set, "old answers are in use for another %s: until then nothing is heard that speaks of the active site",
            duration_phrase(settle_ms).text);
    }
}

/* What became of it, behind "the run to it" or "the run from it". */
static const char *end_phrase(enum run_state run_state)
{
    switch (run_state) {
    case RUN_SUCCEEDED:
        return "succeeded";
    case RUN_UNDONE:
        return "was undone: what it had changed is as it was before";
    case RUN_FAILED:
        return "failed before it changed anything";
    case RUN_WAITING:
    case RUN_RUNNING:
    case RUN_ATTENTION:
    case RUN_CANCELLED:
        break;
    }
    return "was cancelled before it changed anything";
}

static void active_after_run(struct decision *d, const struct service_view *before, enum run_state run_state,
                             bool has_effect, const struct phrase *move)
{
    bool is_success = run_state == RUN_SUCCEEDED;
    struct thing lost = thing_of(THING_ACTIVE, REASON_RUN, SITE_NONE);
    lost.active = ACTIVE_UNKNOWN;
    /* Where the run came from is what the view knows, not run_from: that may be a guess made for the steps' sake. */
    int site = is_success ? before->run_to : before->active_site;
    if (!is_success && has_effect) {
        lost.active = ACTIVE_SPLIT;
        say(d, lost, "the %s %s after it had changed something: look, then adopt a site or start a run", move->text,
            run_over_phrase(run_state));
    } else if (!is_success && before->active != ACTIVE_MOVING) {
        return; /* it has only waited */
    } else if (site < 0 || site >= d->service->n_sites) {
        say(d, lost, "the %s %s, and the active site is not known", move->text, end_phrase(run_state));
    } else {
        become_active(d, REASON_RUN, site, is_success,
                      phrase_of("the run %s it %s", is_success ? "to" : "from", end_phrase(run_state)).text);
    }
}

/* What a person has ended is not to begin again by itself. What the decision has taken back is no no, but a person may
 * have wanted the same meanwhile; and a run that failed is nobody's. */
static bool is_no(const struct decision *d, const struct service_view *before, enum run_state run_state)
{
    bool is_person = d->event->kind == EVENT_RUN_STATE && d->event->who;
    return run_state == RUN_UNDONE ? is_person
                                   : run_state == RUN_CANCELLED && (!before->run_is_cancelling || is_person);
}

static void run_over(struct decision *d, enum run_state run_state, bool has_effect, enum reason reason)
{
    const struct service_view *view = &d->view;
    struct service_view before; /* only what is about the run and the active site */
    before.active = view->active;
    before.active_site = view->active_site;
    before.run_direction = view->run_direction;
    before.run_to = view->run_to;
    before.run_is_ours = view->run_is_ours;
    before.run_is_cancelling = view->run_is_cancelling;
    bool has_changed = has_effect || run_state == RUN_UNDONE; /* which undoing does, too */
    struct phrase move = move_phrase(d->service, view->run_direction, view->run_from, view->run_to);
    approval_clear(d, reason);
    struct thing state = thing_of(THING_RUN_STATE, reason, SITE_NONE);
    state.run_state = run_state;
    state.flag = has_effect;
    say(d, state, "the %s %s", move.text, run_over_phrase(run_state));
    if (run_state == RUN_SUCCEEDED || has_changed || (run_state == RUN_FAILED && before.run_is_ours))
        timers_after_run(d, has_changed);
    active_after_run(d, &before, run_state, has_effect, &move);
    if (!has_effect && is_no(d, &before, run_state))
        put_off(d, REASON_OPERATOR, before.run_direction, d->view.active_site,
                run_state == RUN_UNDONE ? "a person has undone the run"
                                        : "a person cancelled the run before it changed anything");
}

void run_replace(struct decision *d, const char *why)
{
    bool has_effect = d->view.run_has_effect;
    run_cancel(d, REASON_REPLACED, why);
    run_over(d, RUN_CANCELLED, has_effect, REASON_REPLACED);
}

bool on_run_state(struct decision *d)
{
    const struct event *event = d->event;
    uint64_t overrides = overrides_of(d) & ~d->view.run_overrides; /* with a retry */
    if (!d->view.has_run ||
        (event->run_state == d->view.run_state && event->has_effect == d->view.run_has_effect && !overrides))
        return false;
    if (run_state_is_final(event->run_state)) {
        run_over(d, event->run_state, event->has_effect, REASON_RUN);
        return true;
    }
    struct thing state = thing_of(THING_RUN_STATE, REASON_RUN, SITE_NONE);
    state.flag = event->has_effect;
    state.run_state = event->run_state;
    state.overrides = overrides;
    struct phrase move = move_phrase(d->service, d->view.run_direction, d->view.run_from, d->view.run_to);
    say(d, state, "the %s %s", move.text,
        event->run_state == RUN_ATTENTION ? "waits for a person: retry, skip, undo or cancel" : "goes on");
    return true;
}

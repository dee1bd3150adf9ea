/* Going home: only on evidence that home is well, unbroken for a time. Evidence is what our own probe says, never that
 * alerts are gone: a monitor that has died with the site is silent, too. */
#include "core/decide_internal.h"

bool is_home_well(const struct decision *d)
{
    const struct vote_view *probe = view_vote_find(&d->view, 0, model_voter_probe(d->model));
    return probe && probe->vote == VOTE_UP && !has_down_vote(d, 0);
}

struct phrase unwell_phrase(const struct decision *d)
{
    if (has_down_vote(d, 0))
        return phrase_of("%.48s is not well any more: it has %.120s", site_name(d, 0), votes_of(d, 0).text);
    return phrase_of("%.48s is not known to be well any more: our probe does not say so", site_name(d, 0));
}

static bool is_asked_for(const struct decision *d)
{
    bool is_away = d->view.active == ACTIVE_SITE && d->view.active_site > 0;
    return d->service->failback_mode != MODE_MANUAL && is_away && (!d->view.has_run || d->view.run_is_cancelling);
}

static void failback_clear(struct decision *d)
{
    struct thing clear = thing_of(THING_TIMER_CLEAR, REASON_EVIDENCE, SITE_NONE);
    clear.timer = TIMER_FAILBACK;
    if (is_asked_for(d))
        say(d, clear, "%s. The time until a failback begins anew when it is", unwell_phrase(d).text);
    else
        say(d, clear, "nothing asks any more how long %.48s has been well", site_name(d, 0));
}

static void failback_act(struct decision *d)
{
    int from = d->view.active_site;
    const char *home = site_name(d, 0);
    struct phrase after = duration_phrase(d->service->failback_after_ms);
    struct verdict verdict = guard_start(d, DIRECTION_FAILBACK, from);
    if (verdict.reason == REASON_NONE) {
        struct phrase why =
            phrase_of("our probe has found %.48s well for %s, and nobody says that it is down", home, after.text);
        start_ours(d, DIRECTION_FAILBACK, from, 0, why.text);
        return;
    }
    if ((int)verdict.reason == d->view.failback_reason)
        return;
    struct thing not = thing_of(THING_NOT_ACTED, verdict.reason, SITE_NONE);
    not .direction = DIRECTION_FAILBACK;
    if (verdict.reason == REASON_SHADOW_MODE) {
        not .from = from;
        not .site_to = 0;
        say(d, not,
            "%.48s has been well for %s, and a failback from %.48s would start now: nothing is done, for its "
            "mode is shadow",
            home, after.text, site_name(d, from));
        return;
    }
    say(d, not, "%.40s has been well for %s, and no failback is started: %.150s", home, after.text,
        obstacle_phrase(d, &verdict).text);
}

void look_at_failback(struct decision *d)
{
    bool is_wanted = is_asked_for(d) && is_home_well(d);
    if (d->view.failback_due_at != 0 && !is_wanted) {
        failback_clear(d);
    } else if (d->view.failback_due_at == 0 && is_wanted) {
        struct thing set = thing_of(THING_TIMER_SET, REASON_EVIDENCE, SITE_NONE);
        set.timer = TIMER_FAILBACK;
        set.at = d->now + d->service->failback_after_ms;
        say(d, set, "%.48s, the home site, is well: when that lasts for %s, it is time to go back", site_name(d, 0),
            duration_phrase(d->service->failback_after_ms).text);
    }
    if (d->view.failback_due_at != 0 && d->view.failback_due_at <= d->now && !d->view.has_run)
        failback_act(d);
}

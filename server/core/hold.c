/* From votes to an incident that stands, site by site: it begins with the first down vote, stands when the quorum on
 * the active site has held, falls when that breaks, and ends with the last vote. A quorum that keeps breaking has to
 * hold for longer. What follows from an incident that stands is not decided here. */
#include "core/decide_internal.h"

/* ---- incidents --------------------------------------------------------------------------------------------------- */

void incident_open(struct decision *d, int site, const char *who)
{
    say(d, thing_of(THING_INCIDENT_OPEN, REASON_VOTES, site), "an incident of %.48s begins: %.48s says that it is down",
        site_name(d, site), who);
}

static void incident_stand(struct decision *d, int site)
{
    struct thing thing = thing_of(THING_INCIDENT_STANDING, REASON_VOTES, site);
    thing.flag = true;
    say(d, thing, "%.48s is down: %s", site_name(d, site),
        votes_held_phrase(d->service, d->model, &d->view, site).text);
}

/* Until a run has its first effect nothing has been done about the site that would explain why its votes go. */
static bool counts_as_flapping(const struct decision *d, int site)
{
    if (d->service->flap.changes <= 0 || d->view.active_site != site)
        return false;
    return d->view.active == ACTIVE_SITE || (d->view.active == ACTIVE_MOVING && !d->view.run_has_effect);
}

static void flap_count(struct decision *d, int site)
{
    const struct flap_rule *rule = &d->service->flap;
    struct thing set = thing_of(THING_TIMER_SET, REASON_FLAPPING, site);
    set.timer = TIMER_FLAP;
    set.count = d->view.sites[site].n_breaks + 1;
    set.at = d->now + rule->within_ms;
    view_apply(&d->view, &set); /* the sentence tells the hold as it is afterwards */
    struct phrase within = duration_phrase(rule->within_ms);
    struct phrase hold = duration_phrase(view_hold_ms(d->service, &d->view, site));
    if (set.count < rule->changes)
        say(d, set, "the votes on %.48s have broken %d time%s: from %d times on, each within %s of the last, it flaps",
            site_name(d, site), set.count, set.count == 1 ? "" : "s", rule->changes, within.text);
    else
        say(d, set,
            "%.48s flaps: its votes have broken %d times. From now they have to hold for %s, until it has been "
            "quiet for %s",
            site_name(d, site), set.count, hold.text, within.text);
}

static void look_at_flap(struct decision *d, int site)
{
    const struct site_view *view = &d->view.sites[site];
    if (view->flap_until == 0 || view->flap_until > d->now)
        return;
    struct thing over = thing_of(THING_TIMER_CLEAR, REASON_TIMER, site);
    over.timer = TIMER_FLAP;
    say(d, over, "the votes on %.48s have not broken for %s: they have to hold for %s as ever", site_name(d, site),
        duration_phrase(d->service->flap.within_ms).text, duration_phrase(d->service->hold_ms).text);
}

static void incident_resolve(struct decision *d, int site)
{
    say(d, thing_of(THING_INCIDENT_RESOLVED, REASON_VOTES, site),
        "nobody says any more that %.48s is down: the incident is over", site_name(d, site));
}

static void incident_fall(struct decision *d, int site)
{
    say(d, thing_of(THING_INCIDENT_STANDING, REASON_VOTES, site),
        "%.48s has only %s left: its incident stays open and starts nothing", site_name(d, site),
        votes_of(d, site).text);
}

static void hold_clear(struct decision *d, int site)
{
    struct thing thing = thing_of(THING_TIMER_CLEAR, reason_of_place(d, site), site);
    thing.timer = TIMER_HOLD;
    if (thing.reason != REASON_NONE && view_has_quorum(d->service, d->model, &d->view, site)) {
        say(d, thing, "the hold time of %.48s ends, for %s", site_name(d, site),
            place_phrase(d->service, &d->view).text);
        return;
    }
    thing.reason = REASON_VOTES;
    say(d, thing, "the votes on %.48s did not hold for %s: now it has %s", site_name(d, site),
        duration_phrase(view_hold_ms(d->service, &d->view, site)).text, votes_of(d, site).text);
}

static void look_at_incident(struct decision *d, int site)
{
    const struct site_view *view = &d->view.sites[site];
    bool is_said_down = has_down_vote(d, site);
    bool has_quorum = is_said_down && view_has_quorum(d->service, d->model, &d->view, site);
    bool is_broken = !has_quorum && (view->is_standing || view->hold_due_at != 0);
    if (!view->has_incident && is_said_down)
        incident_open(d, site, votes_of(d, site).text);
    if (view->hold_due_at != 0 && !has_quorum)
        hold_clear(d, site);
    if (is_broken && counts_as_flapping(d, site))
        flap_count(d, site);
    if (view->has_incident && !is_said_down) {
        incident_resolve(d, site);
    } else if (view->is_standing && !has_quorum) {
        incident_fall(d, site);
    } else if (view->is_standing && d->view.active == ACTIVE_SITE && d->view.active_site != site) {
        say(d, thing_of(THING_INCIDENT_STANDING, REASON_NOT_ACTIVE, site),
            "%.48s is the active site now: the incident of %.48s stays open until its votes are gone",
            site_name(d, d->view.active_site), site_name(d, site));
    }
}

/* ---- the hold ---------------------------------------------------------------------------------------------------- */

static void hold_set(struct decision *d, int site)
{
    int64_t hold_ms = view_hold_ms(d->service, &d->view, site);
    struct thing set = thing_of(THING_TIMER_SET, REASON_VOTES, site);
    set.timer = TIMER_HOLD;
    set.at = d->now + hold_ms;
    if (hold_ms > d->service->hold_ms)
        set.reason = REASON_FLAPPING;
    say(d, set, "%.48s has %s: it counts as down when they hold for %s%s", site_name(d, site), votes_of(d, site).text,
        duration_phrase(hold_ms).text, set.reason == REASON_FLAPPING ? ", for it flaps" : "");
}

static void look_at_hold(struct decision *d, int site)
{
    const struct site_view *view = &d->view.sites[site];
    bool is_wanted = is_active(d, site) && !view->is_standing && view_has_quorum(d->service, d->model, &d->view, site);
    if (view->hold_due_at == 0 && is_wanted && view_hold_ms(d->service, &d->view, site) > 0) {
        hold_set(d, site);
    } else if (view->hold_due_at == 0 && is_wanted) {
        incident_stand(d, site);
    } else if (view->hold_due_at != 0 && !is_wanted) {
        hold_clear(d, site);
    } else if (view->hold_due_at != 0 && view->hold_due_at <= d->now) {
        struct thing over = thing_of(THING_TIMER_CLEAR, REASON_TIMER, site);
        over.timer = TIMER_HOLD;
        say(d, over, "the hold time of %.48s is over: %s", site_name(d, site),
            votes_held_phrase(d->service, d->model, &d->view, site).text);
        incident_stand(d, site);
    }
}

void look_at_sites(struct decision *d)
{
    for (int site = 0; site < d->service->n_sites; site++) {
        look_at_flap(d, site);
        look_at_incident(d, site);
        look_at_hold(d, site);
    }
}

void become_active(struct decision *d, enum reason reason, int site, bool is_afresh, const char *why)
{
    struct thing active = thing_of(THING_ACTIVE, reason, site);
    active.active = ACTIVE_SITE;
    say(d, active, "%.48s is the active site: %s", site_name(d, site), why);
    if (!is_afresh || !d->view.sites[site].is_standing)
        return;
    say(d, thing_of(THING_INCIDENT_STANDING, reason, site), "%.48s has just become active: %s have to hold anew",
        site_name(d, site), votes_of(d, site).text);
}

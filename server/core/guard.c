/* The guards: what keeps a run from starting, in the order in which a person would ask, and what takes back one that
 * has changed nothing so far. They look and say why; they change nothing. Persons are not asked by these but where it
 * says so: their own few guards are in operator.c. */
#include "core/decide_internal.h"

/* ---- votes ------------------------------------------------------------------------------------------------------- */

bool has_down_vote(const struct decision *d, int site)
{
    for (int i = 0; i < d->view.n_votes; i++)
        if (d->view.votes[i].site == site && d->view.votes[i].vote == VOTE_DOWN)
            return true;
    return false;
}

bool has_debts(const struct decision *d, int site)
{
    return d->view.sites[site].n_debts > 0;
}

int target_find(const struct decision *d)
{
    int in_debt = SITE_NONE;
    for (int site = 0; site < d->service->n_sites; site++) {
        if (site == d->view.active_site || has_down_vote(d, site))
            continue;
        if (!has_debts(d, site))
            return site;
        if (in_debt == SITE_NONE)
            in_debt = site;
    }
    return in_debt;
}

static bool is_suspect_vote(const struct decision *d, int site, int i)
{
    const struct vote_view *vote = &d->view.votes[i];
    return vote->site == site && vote->vote == VOTE_DOWN && outlook_is_suspect(d->outlook, vote->voter);
}

/* There is a quorum, and without the votes of suspect voters there is none. */
static bool is_quorum_suspect(const struct decision *d, int site)
{
    struct service_view without;
    bool is_any = false;
    for (int i = 0; i < d->view.n_votes && !is_any; i++)
        is_any = is_suspect_vote(d, site, i);
    if (!is_any)
        return false;
    without = d->view;
    for (int i = 0; i < without.n_votes; i++)
        if (is_suspect_vote(d, site, i))
            without.votes[i].vote = VOTE_UNKNOWN;
    return !view_has_quorum(d->service, d->model, &without, site);
}

/* ---- what else is going on --------------------------------------------------------------------------------------- */

/* The place that is left is down; of a failback none needs to be. */
static bool is_flood(const struct decision *d, enum direction direction, int site)
{
    int places = d->model->flood.places;
    if (places <= 0)
        return false;
    int n = direction == DIRECTION_FAILBACK
                ? outlook_n_places_down(d->outlook, d->now)
                : outlook_n_places_at_once(d->outlook, d->service->sites[site].place, d->now);
    return n > places;
}

/* In shadow nothing ever moves: there a service that would have moved is taken for gone. */
static bool would_have_moved(const struct decision *d, const struct service_view *first)
{
    return d->service->mode == MODE_SHADOW && first->sites[first->active_site].is_standing &&
           first->sites[first->active_site].last_reason == REASON_SHADOW_MODE;
}

/* A service that goes first, and is not away from the place of `site`, or not known to be; -1: there is none. */
static int dependency_find(const struct decision *d, int site)
{
    int place = d->service->sites[site].place;
    for (int i = 0; i < d->service->n_after; i++) {
        int other = d->service->after[i];
        const struct service_view *first = d->outlook->views[other];
        bool is_here = first->active_site >= 0 && d->model->services[other].sites[first->active_site].place == place;
        if (first->active == ACTIVE_SITE && is_here && would_have_moved(d, first))
            continue;
        if (is_here || first->active == ACTIVE_SPLIT || first->active == ACTIVE_UNKNOWN ||
            (first->active == ACTIVE_MOVING && first->active_site < 0))
            return other;
    }
    return -1;
}

static int busy_provider_find(const struct decision *d, enum occasion occasion)
{
    for (int i = 0; i < d->service->n_steps; i++) {
        const struct step *step = &d->service->steps[i];
        if (step->provider >= 0 && step_is_part_of(step, occasion) &&
            outlook_is_provider_busy(d->outlook, step->provider))
            return step->provider;
    }
    return -1;
}

/* ---- the guards -------------------------------------------------------------------------------------------------- */

/* Those that also take back a run, and the kill switch among them, which only keeps one from starting. `site`: the one
 * that is left. */
static struct verdict guard_common(const struct decision *d, enum direction direction, int site, bool is_start)
{
    struct verdict verdict = {.reason = REASON_NONE, .target = SITE_NONE, .other = -1};
    bool is_unsure = d->outlook->is_unsure && (is_start || d->event->kind == EVENT_RUN_POINT);
    if (freeze_find(d->service, d->model, d->outlook->wall, &verdict.until))
        verdict.reason = REASON_FREEZE;
    else if (d->outlook->is_cut_off || is_unsure)
        verdict.reason = REASON_CUT_OFF;
    else if (is_start && d->outlook->is_killed)
        verdict.reason = REASON_KILL_SWITCH;
    else if (is_flood(d, direction, site)) {
        verdict.reason = REASON_FLOOD;
        verdict.other = direction == DIRECTION_FAILBACK ? -1 : d->service->sites[site].place;
    } else if (direction == DIRECTION_FAILOVER && is_quorum_suspect(d, site))
        verdict.reason = REASON_SUSPECT;
    return verdict;
}

static struct verdict guard_capacity(const struct decision *d, enum direction direction, int site)
{
    struct verdict verdict = {.reason = REASON_NONE, .target = SITE_NONE};
    verdict.other = dependency_find(d, site);
    if (verdict.other >= 0) {
        verdict.reason = REASON_DEPENDENCY;
        return verdict;
    }
    verdict.other = busy_provider_find(d, direction == DIRECTION_FAILBACK ? OCCASION_FAILBACK : OCCASION_OUTAGE);
    if (verdict.other >= 0)
        verdict.reason = REASON_PROVIDER_BUSY;
    return verdict;
}

static enum reason guard_of_service(const struct decision *d, enum mode mode, int site)
{
    if (mode == MODE_MANUAL)
        return REASON_MANUAL_MODE;
    enum reason place = reason_of_place(d, site);
    if (place != REASON_NONE)
        return place;
    if (d->view.is_paused)
        return REASON_PAUSED;
    if (d->view.has_run)
        return REASON_RUN_IN_PROGRESS;
    return d->view.cool_down_until > d->now ? REASON_COOL_DOWN : REASON_NONE;
}

bool is_failovers(const struct decision *d, int site)
{
    enum mode mode = d->service->mode;
    return site >= 0 && d->view.sites[site].is_standing && (mode == MODE_AUTOMATIC || mode == MODE_APPROVAL);
}

struct verdict guard_start(const struct decision *d, enum direction direction, int site)
{
    enum mode mode = direction == DIRECTION_FAILBACK ? d->service->failback_mode : d->service->mode;
    struct verdict verdict = {.reason = guard_of_service(d, mode, site), .target = SITE_NONE, .other = -1};
    if (verdict.reason == REASON_NONE && direction == DIRECTION_FAILBACK && is_failovers(d, site))
        verdict.reason = REASON_VOTES;
    if (verdict.reason != REASON_NONE)
        return verdict;
    verdict = guard_common(d, direction, site, true);
    if (verdict.reason != REASON_NONE)
        return verdict;
    int target = direction == DIRECTION_FAILBACK ? 0 : target_find(d);
    if (target == SITE_NONE) {
        verdict.reason = REASON_NO_TARGET;
        return verdict;
    }
    if (has_debts(d, target))
        verdict.reason = REASON_DEBT;
    else
        verdict = guard_capacity(d, direction, site);
    verdict.target = target;
    if (verdict.reason == REASON_NONE && mode == MODE_SHADOW)
        verdict.reason = REASON_SHADOW_MODE;
    return verdict;
}

struct verdict guard_begin(const struct decision *d)
{
    if (d->outlook->is_killed)
        return (struct verdict){.reason = REASON_KILL_SWITCH, .target = SITE_NONE, .other = -1};
    return guard_capacity(d, d->view.run_direction, d->view.run_from);
}

enum reason guard_target(const struct decision *d, int target, uint64_t overrides)
{
    if (has_down_vote(d, target) && !(overrides & UINT64_C(1) << REASON_TARGET_DOWN))
        return REASON_TARGET_DOWN;
    if (has_debts(d, target) && !(overrides & UINT64_C(1) << REASON_DEBT))
        return REASON_DEBT;
    return REASON_NONE;
}

/* What only our own runs are asked: whether their reason is still there, and the guards. */
static struct verdict guard_ours(const struct decision *d)
{
    const struct service_view *view = &d->view;
    struct verdict verdict = {.reason = REASON_NONE, .target = SITE_NONE, .other = -1};
    int from = view->run_from;
    bool is_failback = view->run_direction == DIRECTION_FAILBACK;
    enum mode mode = is_failback ? d->service->failback_mode : d->service->mode;
    if (from < 0 || view->run_to < 0)
        verdict.reason = REASON_CONFIGURATION;
    else if (mode == MODE_SHADOW || mode == MODE_MANUAL) /* which the configuration did not say when it began */
        verdict.reason = mode == MODE_SHADOW ? REASON_SHADOW_MODE : REASON_MANUAL_MODE;
    else if (is_failback && !is_home_well(d))
        verdict.reason = REASON_EVIDENCE;
    else if (!is_failback && !view_has_quorum(d->service, d->model, view, from))
        verdict.reason = REASON_VOTES;
    else if (view->is_paused)
        verdict.reason = REASON_PAUSED;
    else
        verdict = guard_common(d, view->run_direction, from, false);
    return verdict;
}

struct verdict guard_course(const struct decision *d, bool is_theirs, uint64_t overrides)
{
    struct verdict verdict = {.reason = REASON_NONE, .target = SITE_NONE, .other = -1};
    if (!is_theirs)
        verdict = guard_ours(d);
    verdict.target = d->view.run_to;
    if (verdict.reason == REASON_NONE && verdict.target >= 0)
        verdict.reason = guard_target(d, verdict.target, overrides);
    return verdict;
}

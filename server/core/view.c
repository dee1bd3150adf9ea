/* What is known of one service, and how the things of a decision change it. The orchestrator's store rows hold exactly
 * what is changed here, so a view read from them is the view that was; what is applied here must not
 * look at time or configuration. */
#include "core/view.h"

#include "core/decide.h"

#include <stdint.h>
#include <string.h>

static void forget_run(struct service_view *view)
{
    view->has_run = false;
    view->run_state = RUN_RUNNING;
    view->run_direction = DIRECTION_FAILOVER;
    view->run_occasion = OCCASION_OUTAGE;
    view->run_is_ours = false;
    view->run_from = SITE_NONE;
    view->run_to = SITE_NONE;
    view->run_has_effect = false;
}

void service_view_init(struct service_view *view)
{
    memset(view, 0, sizeof *view);
    view->active = ACTIVE_UNKNOWN;
    view->active_site = SITE_NONE;
    forget_run(view);
}

static struct vote_view *find(struct vote_view *votes, int n, int site, int voter)
{
    for (int i = 0; i < n; i++)
        if (votes[i].site == site && votes[i].voter == voter)
            return &votes[i];
    return NULL;
}

const struct vote_view *view_vote_find(const struct service_view *view, int site, int voter)
{
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].site == site && view->votes[i].voter == voter)
            return &view->votes[i];
    return NULL;
}

struct vote_view *view_vote_get(struct service_view *view, int site, int voter)
{
    struct vote_view *vote = find(view->votes, view->n_votes, site, voter);
    if (vote || view->n_votes == MAX_VOTES)
        return vote;
    vote = &view->votes[view->n_votes++];
    *vote = (struct vote_view){.site = site, .voter = voter};
    return vote;
}

bool view_hear(struct service_view *view, int site, int voter, int64_t now)
{
    struct vote_view *vote = find(view->votes, view->n_votes, site, voter);
    if (!vote)
        return false;
    vote->heard_at = now;
    return vote->vote == VOTE_UNKNOWN && vote->down + vote->up > 0;
}

static int count_votes(const struct model *model, const struct service_view *view, int site, enum trust least)
{
    int sum = 0;
    for (int i = 0; i < view->n_votes; i++) {
        const struct vote_view *vote = &view->votes[i];
        if (vote->site == site && vote->vote == VOTE_DOWN && model_voter_trust(model, vote->voter) >= least)
            sum += model_voter_rule(model, vote->voter).weight;
    }
    return sum;
}

int view_votes(const struct model *model, const struct service_view *view, int site)
{
    return count_votes(model, view, site, TRUST_OPEN);
}

int view_trusted_votes(const struct model *model, const struct service_view *view, int site)
{
    return count_votes(model, view, site, TRUST_SECRET);
}

bool view_has_quorum(const struct service *service, const struct model *model, const struct service_view *view,
                     int site)
{
    return view_votes(model, view, site) >= service->votes &&
           (service->trusted_votes == 0 || view_trusted_votes(model, view, site) >= service->trusted_votes);
}

static int64_t sooner(int64_t due, int64_t at)
{
    return at > 0 && at < due ? at : due;
}

int64_t view_due_at(const struct service *service, const struct model *model, const struct service_view *view,
                    const struct outlook *outlook)
{
    int64_t due = sooner(INT64_MAX, view->cool_down_until);
    for (int i = 0; i < service->n_sites; i++)
        due = sooner(due, view->sites[i].hold_due_at);
    (void)model;
    (void)outlook;
    return due;
}

static void apply_timer(struct service_view *view, const struct thing *thing, int64_t due_at)
{
    switch (thing->timer) {
    case TIMER_HOLD:
        view->sites[thing->site].hold_due_at = due_at;
        break;
    case TIMER_FLAP:
        view->sites[thing->site].flap_until = due_at;
        view->sites[thing->site].n_breaks = due_at == 0 ? 0 : thing->count;
        break;
    case TIMER_COOL_DOWN:
        view->cool_down_until = due_at;
        break;
    case TIMER_SETTLE:
        view->settle_until = due_at;
        break;
    case TIMER_APPROVAL:
        view->approval_due_at = due_at;
        break;
    case TIMER_REMIND:
        view->remind_at = due_at;
        break;
    case TIMER_FAILBACK:
        view->failback_due_at = due_at;
        break;
    }
}

static void apply_incident(struct site_view *site, bool has_incident, bool is_standing)
{
    site->is_standing = is_standing;
    if (site->has_incident != has_incident)
        site->last_reason = REASON_NONE;
    site->has_incident = has_incident;
}

static void apply_run_start(struct service_view *view, const struct thing *thing)
{
    view->has_run = true;
    view->run_state = thing->run_state;
    view->run_direction = thing->direction;
    view->run_occasion = thing->occasion;
    view->run_is_ours = thing->flag;
    view->run_from = thing->from;
    view->run_to = thing->site;
    view->run_has_effect = false;
    /* What comes after this run is another story, and may be told with the same words again. */
    if (thing->from >= 0)
        view->sites[thing->from].last_reason = REASON_NONE;
}

void view_apply(struct service_view *view, const struct thing *thing)
{
    switch (thing->kind) {
    case THING_COUNT: {
        struct vote_view *vote = view_vote_get(view, thing->site, thing->voter);
        if (!vote)
            break;
        *(thing->vote == VOTE_UP ? &vote->up : &vote->down) = thing->count;
        vote->heard_at = thing->at;
        break;
    }
    case THING_VOTE: {
        struct vote_view *vote = view_vote_get(view, thing->site, thing->voter);
        if (vote)
            vote->vote = thing->vote;
        break;
    }
    case THING_TIMER_SET:
        apply_timer(view, thing, thing->at);
        break;
    case THING_TIMER_CLEAR:
        apply_timer(view, thing, 0);
        break;
    case THING_INCIDENT_OPEN:
        apply_incident(&view->sites[thing->site], true, true);
        break;
    case THING_INCIDENT_STANDING:
        apply_incident(&view->sites[thing->site], true, thing->flag);
        break;
    case THING_INCIDENT_RESOLVED:
        apply_incident(&view->sites[thing->site], false, false);
        break;
    case THING_NOT_ACTED:
        if (thing->site >= 0)
            view->sites[thing->site].last_reason = (int)thing->reason;
        break;
    case THING_ACTIVE:
        view->active = thing->active;
        view->active_site = thing->active == ACTIVE_SITE || thing->active == ACTIVE_MOVING ? thing->site : SITE_NONE;
        break;
    case THING_RUN_START:
        apply_run_start(view, thing);
        break;
    case THING_RUN_STATE:
        if (run_state_is_final(thing->run_state)) {
            forget_run(view);
            break;
        }
        view->run_state = thing->run_state;
        view->run_has_effect = thing->flag;
        break;
    case THING_RUN_APPROVED:
        view->run_state = RUN_RUNNING;
        break;
    case THING_PAUSED:
        view->is_paused = thing->flag;
        break;
    case THING_RUN_CANCEL:
    case THING_RUN_GOES:
    case THING_RUN_HALT:
    case THING_REMIND:
    case THING_NOTICE:
    case THING_REFUSED:
        break;
    }
}

/* What is known of one service, and how the things of a decision change it. The orchestrator's store rows hold exactly
 * what is changed here, so a view read from them is the view that was; what is applied here must not
 * look at time or configuration. */
#include "core/view.h"

#include "core/decide.h"

#include <stdint.h>
#include <string.h>

#define PROBE_ROUNDS 3
#define FLAP_LEAST_MS 1000 /* what is doubled where there is no hold */

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
    view->run_is_cancelling = false;
    view->run_overrides = 0;
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

int64_t view_expires_ms(const struct service *service, const struct model *model, int voter)
{
    if (voter != model_voter_probe(model))
        return model_voter_rule(model, voter).expires_ms;
    const struct probe_rule *probe = &service->probe;
    return probe->check && probe->every_ms > 0 ? PROBE_ROUNDS * (probe->every_ms + probe->check->timeout_ms) : 0;
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
    if (view_votes(model, view, site) < service->votes)
        return false;
    if (service->trusted_votes > 0 && view_trusted_votes(model, view, site) < service->trusted_votes)
        return false;
    if (!service->probe.is_required)
        return true;
    const struct vote_view *probe = view_vote_find(view, site, model_voter_probe(model));
    return probe && probe->vote == VOTE_DOWN;
}

int64_t hold_ms_after(const struct service *service, int breaks)
{
    const struct flap_rule *flap = &service->flap;
    int64_t hold = service->hold_ms;
    if (flap->changes <= 0 || breaks < flap->changes)
        return hold;
    if (hold < FLAP_LEAST_MS)
        hold = FLAP_LEAST_MS;
    for (int i = flap->changes; i <= breaks && hold < flap->limit_ms; i++)
        hold *= 2;
    if (hold > flap->limit_ms)
        hold = flap->limit_ms;
    return hold > service->hold_ms ? hold : service->hold_ms;
}

int64_t view_hold_ms(const struct service *service, const struct service_view *view, int site)
{
    return hold_ms_after(service, view->sites[site].n_breaks);
}

bool view_is_refused(const struct service_view *view, int site)
{
    int reason = view->sites[site].last_reason;
    return view->sites[site].is_standing && (reason == REASON_OPERATOR || reason == REASON_DEADLINE);
}

/* ---- what is due ------------------------------------------------------------------------------------------------- */

static int64_t sooner(int64_t due, int64_t at)
{
    return at > 0 && at < due ? at : due;
}

static int64_t vote_due_at(const struct service *service, const struct model *model, const struct outlook *outlook,
                           const struct vote_view *vote)
{
    if (vote->vote == VOTE_UNKNOWN)
        return INT64_MAX;
    struct voter_rule rule = model_voter_rule(model, vote->voter);
    int64_t expires_ms = view_expires_ms(service, model, vote->voter);
    int64_t said_at = vote->down + vote->up > 0 ? vote->heard_at : 0;
    const struct source_outlook *source = vote->voter < model->n_sources ? &outlook->sources[vote->voter] : NULL;
    /* What its alerts say and its heartbeat may both hold it up: it lasts for as long as one of them. */
    if (source && vote->vote == VOTE_UP && rule.n_heartbeat > 0 && source->beat_at > said_at &&
        service_has_voter(service, model, vote->site, vote->voter))
        said_at = source->beat_at;
    int64_t due = expires_ms > 0 ? said_at + expires_ms : INT64_MAX;
    return source && rule.stale_after_ms > 0 ? sooner(due, source->heard_at + rule.stale_after_ms) : due;
}

/* When the freeze that keeps the service from something ends. */
static int64_t freeze_due_at(const struct service *service, const struct model *model, const struct service_view *view,
                             const struct outlook *outlook)
{
    int64_t until = 0;
    bool is_waiting = view->failback_reason == REASON_FREEZE;
    for (int site = 0; site < service->n_sites; site++)
        is_waiting |= view->sites[site].is_standing && view->sites[site].last_reason == REASON_FREEZE;
    if (!is_waiting || outlook->wall_at <= 0 || !freeze_find(service, model, outlook->wall, &until))
        return INT64_MAX;
    return outlook->wall_at + (until - outlook->wall);
}

int64_t view_due_at(const struct service *service, const struct model *model, const struct service_view *view,
                    const struct outlook *outlook)
{
    int64_t due = sooner(INT64_MAX, view->cool_down_until);
    due = sooner(due, view->settle_until);
    due = sooner(due, view->approval_due_at);
    due = sooner(due, view->remind_at);
    if (view->failback_reason == REASON_NONE) /* else it was looked at when it was due, and waits for something else */
        due = sooner(due, view->failback_due_at);
    for (int i = 0; i < service->n_sites; i++) {
        due = sooner(due, view->sites[i].hold_due_at);
        due = sooner(due, view->sites[i].flap_until);
    }
    for (int i = 0; i < view->n_votes; i++)
        due = sooner(due, vote_due_at(service, model, outlook, &view->votes[i]));
    return sooner(due, freeze_due_at(service, model, view, outlook));
}

/* ---- what changes it --------------------------------------------------------------------------------------------- */

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
        view->failback_reason = REASON_NONE;
        break;
    }
}

static void apply_incident(struct site_view *site, bool has_incident, bool is_standing)
{
    /* What is recorded of it begins anew when it begins, and when it stands anew. */
    if (site->has_incident != has_incident || (is_standing && !site->is_standing))
        site->last_reason = REASON_NONE;
    site->has_incident = has_incident;
    site->is_standing = is_standing;
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
    view->run_is_cancelling = false;
    view->run_overrides = thing->overrides;
    /* What comes after this run is another story, and may be told with the same words again; but a no is about the
     * incident, whatever run comes and goes. */
    if (thing->from >= 0 && !view_is_refused(view, thing->from))
        view->sites[thing->from].last_reason = REASON_NONE;
}

static void apply_run_state(struct service_view *view, const struct thing *thing)
{
    if (run_state_is_final(thing->run_state)) {
        forget_run(view);
        return;
    }
    view->run_state = thing->run_state;
    view->run_has_effect = thing->flag;
    view->run_overrides |= thing->overrides;
}

static void apply_vote(struct service_view *view, const struct thing *thing)
{
    struct vote_view *vote = view_vote_get(view, thing->site, thing->voter);
    if (vote && thing->kind == THING_VOTE) {
        vote->vote = thing->vote;
    } else if (vote) {
        *(thing->vote == VOTE_UP ? &vote->up : &vote->down) = thing->count;
        vote->heard_at = thing->at;
    }
}

static void apply_not_acted(struct service_view *view, const struct thing *thing)
{
    if (thing->site >= 0)
        view->sites[thing->site].last_reason = (int)thing->reason;
    else if (thing->direction == DIRECTION_FAILBACK)
        view->failback_reason = (int)thing->reason;
}

static void apply_active(struct service_view *view, const struct thing *thing)
{
    bool has_site = thing->active == ACTIVE_SITE || thing->active == ACTIVE_MOVING;
    view->active = thing->active;
    view->active_site = has_site ? thing->site : SITE_NONE;
}

void view_apply(struct service_view *view, const struct thing *thing)
{
    switch (thing->kind) {
    case THING_COUNT:
    case THING_VOTE:
        apply_vote(view, thing);
        break;
    case THING_TIMER_SET:
        apply_timer(view, thing, thing->at);
        break;
    case THING_TIMER_CLEAR:
        apply_timer(view, thing, 0);
        break;
    case THING_INCIDENT_OPEN:
        apply_incident(&view->sites[thing->site], true, false);
        break;
    case THING_INCIDENT_STANDING:
        apply_incident(&view->sites[thing->site], true, thing->flag);
        break;
    case THING_INCIDENT_RESOLVED:
        apply_incident(&view->sites[thing->site], false, false);
        break;
    case THING_NOT_ACTED:
        apply_not_acted(view, thing);
        break;
    case THING_ACTIVE:
        apply_active(view, thing);
        break;
    case THING_RUN_START:
        apply_run_start(view, thing);
        break;
    case THING_RUN_STATE:
        apply_run_state(view, thing);
        break;
    case THING_RUN_APPROVED:
        view->run_state = RUN_RUNNING;
        view->run_overrides |= thing->overrides;
        break;
    case THING_RUN_CANCEL:
        view->run_is_cancelling = true;
        break;
    case THING_RUN_GOES:
        view->run_has_effect = true;
        break;
    case THING_PAUSED:
        view->is_paused = thing->flag;
        break;
    case THING_DEBTS:
        view->sites[thing->site].n_debts = thing->count;
        break;
    case THING_RUN_HALT:
    case THING_REMIND:
    case THING_NOTICE:
    case THING_REFUSED:
        break;
    }
}

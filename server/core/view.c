/* What is known of one service, and how the things of a decision change it. The orchestrator's store rows hold exactly
 * what is changed here, so a view read from them is the view that was; what is applied here must not
 * look at time or configuration. */
#include "core/decide.h"

#include <string.h>

static void forget_run(struct service_view *view)
{
    view->has_run = false;
    view->run_state = RUN_RUNNING;
    view->run_direction = DIRECTION_FAILOVER;
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

int view_votes(const struct service_view *view, int site)
{
    int votes = 0;
    for (int i = 0; i < MAX_SOURCES; i++)
        votes += view->sites[site].firing[i] > 0;
    return votes;
}

int view_trusted_votes(const struct model *model, const struct service_view *view, int site)
{
    int votes = 0;
    for (int i = 0; i < model->n_sources; i++)
        votes += view->sites[site].firing[i] > 0 && model->source_trust[i] > TRUST_OPEN;
    return votes;
}

static void apply_timer(struct service_view *view, const struct thing *thing, int64_t due_at)
{
    switch (thing->timer) {
    case TIMER_HOLD:
        view->sites[thing->site].hold_due_at = due_at;
        break;
    case TIMER_COOL_DOWN:
        view->cool_down_until = due_at;
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
    view->run_state = RUN_RUNNING;
    view->run_direction = thing->direction;
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
    case THING_COUNT:
        view->sites[thing->site].firing[thing->source] = thing->count;
        break;
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
    case THING_REFUSED:
        break;
    }
}

/* Entries of the log, and what they hold so that a decision can be made again: the event, and the service as it was
 * when an incident opened. The shape of that is written down in orchestrator/internal.h; whoever changes it there has
 * old logs to read as well. */
#include "base/utf8.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

static bool set_id(json_t *entry, const char *name, const struct id *id)
{
    char text[ID_TEXT_SIZE];
    return !id || id_is_nil(id) || json_object_set_new(entry, name, json_string(id_format(id, text))) == 0;
}

/* What came from outside, or was cut, may not be UTF-8. */
json_t *text_json(const char *text)
{
    json_t *json = json_string(text);
    char *copy = json ? NULL : strdup(text);
    if (copy) {
        utf8_clean(copy);
        json = json_string(copy);
        free(copy);
    }
    return json ? json : json_string("");
}

/* NULL: out of memory. An entry that lacks what its row has beside it would look like one that somebody has changed. */
static json_t *entry_of(const struct note *note)
{
    json_t *entry = json_object();
    bool is_whole = json_object_set_new(entry, "who", text_json(note->who ? note->who : "turnout")) == 0 &&
                    json_object_set_new(entry, "text", text_json(note->text ? note->text : "")) == 0 &&
                    json_object_set_new(entry, "kind", json_string(note->kind)) == 0 &&
                    (!note->service || !note->service[0] ||
                     json_object_set_new(entry, "service", json_string(note->service)) == 0) &&
                    set_id(entry, "run", note->run) && set_id(entry, "incident", note->incident) &&
                    set_id(entry, "delivery", note->delivery);
    if (!is_whole)
        json_decref(note->detail);
    else if (note->detail)
        is_whole = json_object_set_new(entry, "detail", note->detail) == 0;
    if (is_whole)
        return entry;
    json_decref(entry);
    return NULL;
}

void journal_note(struct orchestrator *o, const struct note *note)
{
    json_t *entry = entry_of(note);
    struct errmsg why = {0};
    enum err err =
        entry ? audit_append(&o->world->chain, o->rows, entry, o->wall, note->kind, note->service ? note->service : "")
              : ERR_NO_MEMORY;
    if (err != ERR_OK) {
        err_set(&why, err, "cannot write an audit entry of kind %s", note->kind);
        batch_break(o, err, &why);
    }
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static json_t *site_json(const struct service *service, int site)
{
    return site >= 0 && site < service->n_sites ? json_string(service->sites[site].name) : json_null();
}

static void set_text(json_t *object, const char *key, const char *text)
{
    json_object_set_new(object, key, json_string(text));
}

static void set_number(json_t *object, const char *key, int64_t number)
{
    json_object_set_new(object, key, json_integer((json_int_t)number));
}

static void set_flag(json_t *object, const char *key, bool flag)
{
    json_object_set_new(object, key, json_boolean(flag));
}

/* ---- what happened ----------------------------------------------------------------------------------------------- */

static void add_wish(json_t *json, const struct event *event)
{
    if (event->kind == EVENT_OPERATOR_MOVE) {
        set_text(json, "direction", direction_text(event->direction));
        set_flag(json, "planned", event->is_planned);
        set_flag(json, "replace", event->is_replacing);
    }
    if (event->overrides)
        set_text(json, "overrides", overrides_text(event->overrides).text);
}

json_t *record_event(const struct model *model, const struct service *service, const struct event *event)
{
    json_t *json = json_object();
    set_text(json, "kind", event_kind_text(event->kind));
    if (event->kind == EVENT_ALERT || event->kind == EVENT_HEARD)
        set_text(json, "voter", model_voter_name(model, event->voter));
    if (event->site >= 0)
        json_object_set_new(json, "site", site_json(service, event->site));
    if (event->kind == EVENT_ALERT)
        set_text(json, "says", vote_text(event->says));
    if (event->kind == EVENT_ALERT || event->kind == EVENT_DEBTS)
        set_number(json, "delta", event->delta);
    if (event->kind == EVENT_OPERATOR_MOVE || event->kind == EVENT_APPROVE || event->kind == EVENT_RUN_STATE)
        add_wish(json, event);
    if (event->kind == EVENT_RUN_STATE)
        set_text(json, "run_state", run_state_text(event->run_state));
    if (event->kind == EVENT_RUN_STATE || event->kind == EVENT_RUN_POINT)
        set_flag(json, "has_effect", event->has_effect);
    if (event->who)
        json_object_set_new(json, "who", text_json(event->who));
    if (event->text && event->text[0])
        json_object_set_new(json, "text", text_json(event->text));
    return json;
}

/* ---- the service as it was --------------------------------------------------------------------------------------- */

static json_t *votes_json(const struct orchestrator *o, const struct service *service, const struct service_view *view)
{
    json_t *votes = json_array();
    for (int i = 0; i < view->n_votes; i++) {
        const struct vote_view *vote = &view->votes[i];
        json_array_append_new(votes, json_pack("{s:o, s:s, s:i, s:i, s:s, s:I}", "site", site_json(service, vote->site),
                                               "voter", model_voter_name(o->settings.model, vote->voter), "down",
                                               vote->down, "up", vote->up, "vote", vote_text(vote->vote), "heard_ms",
                                               (json_int_t)(o->now - vote->heard_at)));
    }
    return votes;
}

static void add_timer(const struct orchestrator *o, json_t *timers, enum timer_kind kind, json_t *site, int64_t at,
                      int count)
{
    if (at == 0) {
        json_decref(site);
        return;
    }
    json_t *timer = json_pack("{s:s, s:I}", "timer", timer_kind_text(kind), "in_ms", (json_int_t)(at - o->now));
    if (site)
        json_object_set_new(timer, "site", site);
    if (count)
        set_number(timer, "count", count);
    json_array_append_new(timers, timer);
}

static json_t *timers_json(const struct orchestrator *o, const struct service *service, const struct service_view *view)
{
    json_t *timers = json_array();
    for (int i = 0; i < service->n_sites; i++) {
        const struct site_view *site = &view->sites[i];
        add_timer(o, timers, TIMER_HOLD, site_json(service, i), site->hold_due_at, 0);
        add_timer(o, timers, TIMER_FLAP, site_json(service, i), site->flap_until, site->n_breaks);
    }
    add_timer(o, timers, TIMER_COOL_DOWN, NULL, view->cool_down_until, 0);
    add_timer(o, timers, TIMER_SETTLE, NULL, view->settle_until, 0);
    add_timer(o, timers, TIMER_APPROVAL, NULL, view->approval_due_at, 0);
    add_timer(o, timers, TIMER_REMIND, NULL, view->remind_at, 0);
    add_timer(o, timers, TIMER_FAILBACK, NULL, view->failback_due_at, 0);
    return timers;
}

static json_t *incidents_json(const struct service *service, const struct service_view *view)
{
    json_t *incidents = json_array();
    for (int i = 0; i < service->n_sites; i++)
        if (view->sites[i].has_incident)
            json_array_append_new(incidents, json_pack("{s:o, s:b, s:s}", "site", site_json(service, i), "standing",
                                                       (int)view->sites[i].is_standing, "last_reason",
                                                       reason_text((enum reason)view->sites[i].last_reason)));
    return incidents;
}

static json_t *debts_json(const struct service *service, const struct service_view *view)
{
    json_t *debts = json_array();
    for (int i = 0; i < service->n_sites; i++)
        if (view->sites[i].n_debts > 0)
            json_array_append_new(
                debts, json_pack("{s:o, s:i}", "site", site_json(service, i), "count", view->sites[i].n_debts));
    return debts;
}

static json_t *run_json(const struct service *service, const struct service_view *view)
{
    if (!view->has_run)
        return json_null();
    return json_pack("{s:s, s:s, s:s, s:o, s:o, s:b, s:b}", "state", run_state_text(view->run_state), "direction",
                     direction_text(view->run_direction), "occasion", occasion_text(view->run_occasion), "from",
                     site_json(service, view->run_from), "to", site_json(service, view->run_to), "ours",
                     (int)view->run_is_ours, "has_effect", (int)view->run_has_effect);
}

json_t *record_outside(const struct orchestrator *o)
{
    const struct model *model = o->settings.model;
    const struct outlook *outlook = o->world->outlook;
    json_t *places = json_array();
    json_t *suspects = json_array();
    json_t *stale = json_array();
    for (int i = 0; i < model->n_places; i++)
        if (outlook_is_place_down(outlook, i, o->now))
            json_array_append_new(places, json_string(model->place_names[i]));
    for (int i = 0; i < model_n_voters(model); i++)
        if (outlook_is_suspect(outlook, i))
            json_array_append_new(suspects, json_string(model_voter_name(model, i)));
    for (int i = 0; i < model->n_sources; i++)
        if (outlook_is_stale(outlook, i, o->now))
            json_array_append_new(stale, json_string(model->source_names[i]));
    return json_pack("{s:b, s:b, s:o, s:o, s:o}", "cut_off", (int)(outlook->is_cut_off || outlook->is_unsure),
                     "kill_switch", (int)outlook->is_killed, "places_down", places, "suspects", suspects, "stale",
                     stale);
}

json_t *record_before(const struct orchestrator *o, int index)
{
    const struct service *service = &o->settings.model->services[index];
    const struct service_view *view = &o->world->services[index].view;
    return json_pack("{s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:o}", "active", active_kind_text(view->active),
                     "active_site", site_json(service, view->active_site), "paused", (int)view->is_paused, "votes",
                     votes_json(o, service, view), "timers", timers_json(o, service, view), "incidents",
                     incidents_json(service, view), "debts", debts_json(service, view), "run", run_json(service, view),
                     "outside", record_outside(o));
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

static void add_vote(const struct orchestrator *o, int index, json_t *json, const struct thing *thing)
{
    const struct vote_view *vote = view_vote_find(&o->world->services[index].view, thing->site, thing->voter);
    set_text(json, "voter", model_voter_name(o->settings.model, thing->voter));
    set_text(json, "vote", vote_text(thing->vote));
    set_number(json, "down", vote ? vote->down : 0);
    set_number(json, "up", vote ? vote->up : 0);
}

static void add_move(const struct service *service, json_t *json, const struct thing *thing, int to)
{
    json_object_set_new(json, "from", site_json(service, thing->from));
    json_object_set_new(json, "to", site_json(service, to));
    set_text(json, "direction", direction_text(thing->direction));
    set_text(json, "occasion", occasion_text(thing->occasion));
}

json_t *record_thing(const struct orchestrator *o, int index, const struct thing *thing)
{
    const struct service *service = &o->settings.model->services[index];
    json_t *json = json_pack("{s:s}", "reason", reason_text(thing->reason));
    if (thing->site >= 0)
        json_object_set_new(json, "site", site_json(service, thing->site));
    if (thing->kind == THING_VOTE)
        add_vote(o, index, json, thing);
    if (thing->kind == THING_TIMER_SET || thing->kind == THING_TIMER_CLEAR)
        set_text(json, "timer", timer_kind_text(thing->timer));
    if (thing->kind == THING_TIMER_SET)
        set_number(json, "in_ms", thing->at - o->now);
    if (thing->kind == THING_TIMER_SET && thing->timer == TIMER_FLAP)
        set_number(json, "count", thing->count);
    if (thing->kind == THING_INCIDENT_STANDING)
        set_flag(json, "standing", thing->flag);
    if (thing->kind == THING_ACTIVE)
        set_text(json, "active", active_kind_text(thing->active));
    if (thing->kind == THING_RUN_START) {
        add_move(service, json, thing, thing->site);
        set_text(json, "run_state", run_state_text(thing->run_state));
    }
    if (thing->kind == THING_NOT_ACTED && thing->reason == REASON_SHADOW_MODE) {
        set_flag(json, "would", true);
        add_move(service, json, thing, thing->site_to);
    }
    if (thing->kind == THING_PAUSED)
        set_flag(json, "paused", thing->flag);
    return json;
}

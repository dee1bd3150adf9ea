/* What the core decides about a service is applied to memory and journaled here, thing by thing, in the order given;
 * then the run is told what concerns it. No decision is made in this file. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator/internal.h"

#include <string.h>

/* The carrying out of one event's things. */
struct act {
    struct orchestrator *o;
    int index;
    const struct service *service;
    struct service_state *state;
    const struct cause *cause;
    json_t *event;                /* for the first entry, which takes it; NULL: it is told already */
    json_t *before;               /* for the entry that opens an incident; NULL: none does */
    bool has_incident[MAX_SITES]; /* before the event, or from it on */
};

static const char *site_name(const struct service *service, int site)
{
    return site >= 0 ? service->sites[site].name : "";
}

const struct id *service_incident(const struct orchestrator *o, int index, int site)
{
    const struct service_state *state = &o->world->services[index];
    if (site >= 0)
        return state->view.sites[site].has_incident ? &state->incidents[site].id : NULL;
    if (state->run && !id_is_nil(&state->run->incident))
        return &state->run->incident;
    int active = state->view.active_site;
    return active >= 0 && state->view.sites[active].has_incident ? &state->incidents[active].id : NULL;
}

/* Also of an incident that this event opens, or has ended. */
static const struct id *incident_of(const struct act *act, const struct thing *thing)
{
    int site = thing->kind == THING_RUN_START ? thing->from : thing->site;
    if (site >= 0 && act->has_incident[site])
        return &act->state->incidents[site].id;
    if (act->cause->incident && !id_is_nil(act->cause->incident))
        return act->cause->incident;
    return site >= 0 && thing->kind != THING_ACTIVE ? NULL : service_incident(act->o, act->index, SITE_NONE);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void put_vote(struct act *act, const struct thing *thing)
{
    const struct vote_view *vote = view_vote_find(&act->state->view, thing->site, thing->voter);
    if (vote)
        votes_put(act->o, act->index, vote);
}

static void put_timer(struct act *act, const struct thing *thing)
{
    struct orchestrator *o = act->o;
    bool is_of_site = thing->timer == TIMER_HOLD || thing->timer == TIMER_FLAP;
    const char *site = is_of_site ? site_name(act->service, thing->site) : "";
    if (thing->kind == THING_TIMER_CLEAR) {
        batch_timer_remove(o->rows, act->service->name, site, thing->timer);
        return;
    }
    batch_timer(o->rows, &(struct timer_row){.service = act->service->name,
                                             .site = site,
                                             .kind = thing->timer,
                                             .count = thing->timer == TIMER_FLAP ? thing->count : 0,
                                             .due_at = thing->at,
                                             .offset_ms = clock_offset_ms(),
                                             .boot_id = clock_boot_id()});
}

void service_put_incident(struct orchestrator *o, int index, int site, bool is_resolved)
{
    const struct service *service = &o->settings.model->services[index];
    const struct service_state *state = &o->world->services[index];
    const struct incident *incident = &state->incidents[site];
    batch_incident(o->rows,
                   &(struct incident_row){.id = incident->id,
                                          .service = service->name,
                                          .site = service->sites[site].name,
                                          .opened_at = incident->opened_at,
                                          .resolved_at = is_resolved ? o->wall : 0,
                                          .is_standing = state->view.sites[site].is_standing,
                                          .stood_at = incident->stood_at,
                                          .fell_at = incident->fell_at,
                                          .most_votes = incident->most_votes,
                                          .would_at = incident->would_at,
                                          .would_to = incident->would_at ? site_name(service, incident->would_to) : "",
                                          .last_reason = reason_text((enum reason)state->view.sites[site].last_reason),
                                          .run = incident->run});
}

/* Two changes in one millisecond must stay in order. */
static void put_active(struct act *act, const struct thing *thing)
{
    struct orchestrator *o = act->o;
    struct service_state *state = act->state;
    int64_t since = o->wall;
    if (state->n_history > 0 && since <= state->history[state->n_history - 1].since)
        since = state->history[state->n_history - 1].since + 1;
    active_remember(state, since, thing->active, thing->site);
    batch_active(o->rows, &(struct active_row){.service = act->service->name,
                                               .since = since,
                                               .kind = thing->active,
                                               .site = site_name(act->service, thing->site)});
    if (thing->active == ACTIVE_UNKNOWN) {
        state->observe_at = o->now;
        due_at(o, o->now + 1);
    }
}

static void put_pause(struct act *act, const struct thing *thing)
{
    struct orchestrator *o = act->o;
    if (!thing->flag) {
        batch_pause_remove(o->rows, act->service->name);
        return;
    }
    const struct command *command = act->cause->command;
    const char *reason = command && command->as.operator_call.reason ? command->as.operator_call.reason : "";
    batch_pause(o->rows, &(struct pause_row){.service = act->service->name,
                                             .at = o->wall,
                                             .who = act->cause->person ? batch_keep(o->rows, act->cause->person) : "",
                                             .reason = batch_keep(o->rows, reason)});
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

static void note_thing(struct act *act, const char *kind, const struct thing *thing)
{
    json_t *detail = record_thing(act->o, act->index, thing);
    if (act->event)
        json_object_set_new(detail, "event", act->event);
    act->event = NULL;
    if (act->before && thing->kind == THING_INCIDENT_OPEN) {
        json_object_set_new(detail, "before", act->before);
        act->before = NULL;
    }
    bool is_of_run = thing->kind == THING_RUN_APPROVED || thing->kind == THING_RUN_CANCEL ||
                     thing->kind == THING_RUN_GOES || thing->kind == THING_RUN_HALT || thing->kind == THING_REMIND;
    journal_note(act->o, &(struct note){.kind = kind,
                                        .service = act->service->name,
                                        .who = act->cause->who,
                                        .text = thing->text,
                                        .run = is_of_run && act->state->run ? &act->state->run->run.id : NULL,
                                        .incident = incident_of(act, thing),
                                        .delivery = act->cause->delivery,
                                        .detail = detail});
}

/* ---- incidents --------------------------------------------------------------------------------------------------- */

static void count_votes(struct act *act, const struct thing *thing)
{
    struct incident *incident = &act->state->incidents[thing->site];
    int votes = view_votes(act->o->settings.model, &act->state->view, thing->site);
    if (!act->state->view.sites[thing->site].has_incident || votes <= incident->most_votes)
        return;
    incident->most_votes = votes;
    service_put_incident(act->o, act->index, thing->site, false);
}

static void incident_moves(struct act *act, const struct thing *thing, bool was_standing)
{
    struct orchestrator *o = act->o;
    struct incident *incident = &act->state->incidents[thing->site];
    bool is_standing = act->state->view.sites[thing->site].is_standing;
    if (thing->kind == THING_INCIDENT_OPEN)
        incident->most_votes = view_votes(o->settings.model, &act->state->view, thing->site);
    if (is_standing && !was_standing) {
        incident->stood_at = incident->stood_at ? incident->stood_at : o->wall;
        incident->fell_at = 0;
    } else if (was_standing && !is_standing) {
        incident->fell_at = o->wall;
    }
    service_put_incident(o, act->index, thing->site, thing->kind == THING_INCIDENT_RESOLVED);
    note_thing(act, "decision.incident", thing);
}

static bool is_alarming(enum reason reason)
{
    return reason == REASON_FLOOD || reason == REASON_SUSPECT || reason == REASON_CUT_OFF ||
           reason == REASON_KILL_SWITCH || reason == REASON_NO_TARGET || reason == REASON_DEPENDENCY;
}

static void not_acted(struct act *act, const struct thing *thing)
{
    struct orchestrator *o = act->o;
    if (thing->site >= 0 && act->state->view.sites[thing->site].has_incident) {
        struct incident *incident = &act->state->incidents[thing->site];
        if (thing->reason == REASON_SHADOW_MODE && incident->would_at == 0) {
            incident->would_at = o->wall;
            incident->would_to = thing->site_to;
        }
        service_put_incident(o, act->index, thing->site, false);
    }
    note_thing(act, "decision.not_acted", thing);
    /* Until notifications exist this is how people are called. */
    if (is_alarming(thing->reason))
        log_warning("service=%s %s", act->service->name, thing->text);
}

/* ---- things ------------------------------------------------------------------------------------------------------ */

static void remind(struct act *act, const struct thing *thing)
{
    log_warning("service=%s %s", act->service->name, thing->text);
    note_thing(act, "run.reminder", thing);
}

static void carry_out(struct act *act, const struct thing *thing)
{
    struct orchestrator *o = act->o;
    bool was_standing = thing->site >= 0 && act->state->view.sites[thing->site].is_standing;
    view_apply(&act->state->view, thing);
    switch (thing->kind) {
    case THING_COUNT: /* what is counted are rows of their own; when it was heard can wait */
        votes_mark(o->world, act->index, thing->site, thing->voter);
        break;
    case THING_VOTE:
        put_vote(act, thing);
        note_thing(act, "decision.vote", thing);
        count_votes(act, thing);
        break;
    case THING_TIMER_SET:
    case THING_TIMER_CLEAR:
        put_timer(act, thing);
        note_thing(act, "decision.timer", thing);
        break;
    case THING_INCIDENT_OPEN:
    case THING_INCIDENT_STANDING:
    case THING_INCIDENT_RESOLVED:
        incident_moves(act, thing, was_standing);
        break;
    case THING_NOT_ACTED:
        not_acted(act, thing);
        break;
    case THING_ACTIVE:
        put_active(act, thing);
        note_thing(act, "decision.active", thing);
        break;
    case THING_RUN_START:
        note_thing(act, "decision.run", thing);
        run_make(o, act->index, thing, act->cause);
        break;
    case THING_RUN_APPROVED:
        note_thing(act, "decision.approved", thing);
        run_approved(o, act->index, thing, act->cause);
        break;
    case THING_RUN_CANCEL:
        note_thing(act, "decision.cancel", thing);
        if (thing->reason == REASON_REPLACED)
            live_run_replace(o, act->index, thing->text, act->cause);
        break;
    case THING_RUN_GOES:
        note_thing(act, "decision.goes", thing);
        break;
    case THING_RUN_HALT:
        note_thing(act, "decision.halt", thing);
        break;
    case THING_DEBTS:
        note_thing(act, "decision.debts", thing);
        break;
    case THING_REMIND:
        remind(act, thing);
        break;
    case THING_PAUSED:
        put_pause(act, thing);
        note_thing(act, "decision.paused", thing);
        break;
    case THING_NOTICE:
        note_thing(act, "decision.notice", thing);
        log_warning("service=%s %s", act->service->name, thing->text);
        break;
    case THING_RUN_STATE:
        break; /* journaled with the run */
    case THING_REFUSED:
        break; /* recorded with the operator's call */
    }
}

/* Once all things are done: a run that moves brings the next event. */
static void tell_run(struct act *act, const struct thing *thing)
{
    struct run_event event = {.retry_after_ms = -1, .text = thing->text};
    switch (thing->kind) {
    case THING_RUN_START:
    case THING_RUN_APPROVED:
        event.kind = RUN_EVENT_START;
        break;
    case THING_RUN_CANCEL:
        if (thing->reason != REASON_REPLACED)
            live_run_cancel(act->o, act->state->run, thing->text, act->cause);
        return;
    case THING_RUN_GOES:
        event.kind = RUN_EVENT_GOES;
        break;
    case THING_RUN_HALT:
        event.kind = RUN_EVENT_HALT;
        break;
    case THING_COUNT:
    case THING_VOTE:
    case THING_TIMER_SET:
    case THING_TIMER_CLEAR:
    case THING_INCIDENT_OPEN:
    case THING_INCIDENT_STANDING:
    case THING_INCIDENT_RESOLVED:
    case THING_NOT_ACTED:
    case THING_ACTIVE:
    case THING_RUN_STATE:
    case THING_DEBTS:
    case THING_REMIND:
    case THING_PAUSED:
    case THING_NOTICE:
    case THING_REFUSED:
        return;
    }
    run_event(act->o, act->state->run, &event, act->cause);
}

/* The votes that open an incident belong to it: it has its name before they are told. */
static void prepare(struct act *act, const struct things *things)
{
    struct orchestrator *o = act->o;
    for (int site = 0; site < act->service->n_sites; site++)
        act->has_incident[site] = act->state->view.sites[site].has_incident;
    for (int i = 0; i < things->count; i++) {
        const struct thing *thing = &things->items[i];
        if (thing->kind != THING_INCIDENT_OPEN)
            continue;
        act->state->incidents[thing->site] =
            (struct incident){.id = id_new(o->wall), .opened_at = o->wall, .would_to = SITE_NONE};
        act->has_incident[thing->site] = true;
        if (!act->before)
            act->before = record_before(o, act->index);
    }
}

static void carry_out_all(struct orchestrator *o, int index, const struct things *things, const struct cause *cause,
                          json_t *event)
{
    struct service_state *state = &o->world->services[index];
    struct act act = {.o = o,
                      .index = index,
                      .service = &o->settings.model->services[index],
                      .state = state,
                      .cause = cause,
                      .event = event};
    prepare(&act, things);
    for (int i = 0; i < things->count; i++)
        carry_out(&act, &things->items[i]);
    json_decref(act.event);
    json_decref(act.before);
    outlook_take(o->world->outlook, index, o->now);
    state->due_at = view_due_at(act.service, o->settings.model, &state->view, o->world->outlook);
    due_at(o, state->due_at);
    if (!state->run)
        return;
    const struct id run = state->run->run.id;
    for (int i = 0; i < things->count; i++)
        if (state->run && id_equal(&state->run->run.id, &run))
            tell_run(&act, &things->items[i]);
}

void service_event(struct orchestrator *o, int index, const struct event *event, const struct cause *cause)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[index];
    struct things things;
    decide(service, model, &o->world->services[index].view, o->world->outlook, event, o->now, &things);
    carry_out_all(o, index, &things, cause, things.count > 0 ? record_event(model, service, event) : NULL);
}

void service_carry_out(struct orchestrator *o, int index, const struct things *things, const struct cause *cause)
{
    carry_out_all(o, index, things, cause, NULL);
}

void service_site_lost(struct orchestrator *o, int index)
{
    const struct things lost = {
        .count = 1,
        .items = {{.kind = THING_ACTIVE,
                   .reason = REASON_CONFIGURATION,
                   .site = SITE_NONE,
                   .from = SITE_NONE,
                   .active = ACTIVE_UNKNOWN,
                   .text = "the site that was active is not in the configuration any more: the active site is "
                           "unknown"}}};
    service_carry_out(o, index, &lost, &(struct cause){.who = "turnout"});
}

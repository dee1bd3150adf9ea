/* What the core decides about a service is applied to memory and journaled here, thing by thing, in the order given;
 * and operators' requests and observations become events for it. No decision is made in this file. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define OBSERVE_FIRST_MS 15000
#define OBSERVE_LAST_MS 300000

static const struct service *service_at(const struct orchestrator *o, int index)
{
    return &o->settings.model->services[index];
}

static const char *site_name(const struct service *service, int site)
{
    return site >= 0 ? service->sites[site].name : "";
}

/* ---- things, one function each ----------------------------------------------------------------------------------- */

static void note_thing(struct orchestrator *o, const struct service *service, const char *kind,
                       const struct thing *thing, const struct cause *cause, const struct id *incident)
{
    json_t *detail = json_pack("{s:s}", "reason", reason_text(thing->reason));
    if (thing->site >= 0)
        json_object_set_new(detail, "site", json_string(service->sites[thing->site].name));
    journal_note(o, &(struct note){.kind = kind,
                                   .service = service->name,
                                   .who = cause->who,
                                   .text = thing->text,
                                   .incident = incident,
                                   .delivery = cause->delivery,
                                   .detail = detail});
}

static void put_timer(struct orchestrator *o, const struct service *service, const struct thing *thing, bool is_set)
{
    bool is_of_site = thing->timer == TIMER_HOLD || thing->timer == TIMER_FLAP;
    const char *site = is_of_site ? site_name(service, thing->site) : "";
    if (!is_set) {
        batch_timer_remove(o->rows, service->name, site, thing->timer);
        return;
    }
    batch_timer(o->rows, &(struct timer_row){.service = service->name,
                                             .site = site,
                                             .kind = thing->timer,
                                             .count = thing->timer == TIMER_FLAP ? thing->count : 0,
                                             .due_at = thing->at,
                                             .offset_ms = clock_offset_ms(),
                                             .boot_id = clock_boot_id()});
    due_at(o, thing->at);
}

void service_put_incident(struct orchestrator *o, int index, int site, bool is_resolved)
{
    const struct service *service = service_at(o, index);
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

static void put_active(struct orchestrator *o, int index, const struct thing *thing)
{
    const struct service *service = service_at(o, index);
    struct service_state *state = &o->world->services[index];
    /* Two changes in one millisecond must stay in order. */
    int64_t since = o->wall;
    if (state->n_history > 0 && since <= state->history[state->n_history - 1].since)
        since = state->history[state->n_history - 1].since + 1;
    active_remember(state, since, thing->active, thing->site);
    batch_active(o->rows, &(struct active_row){.service = service->name,
                                               .since = since,
                                               .kind = thing->active,
                                               .site = site_name(service, thing->site)});
    if (thing->active == ACTIVE_UNKNOWN) {
        state->observe_at = o->now;
        due_at(o, o->now + 1);
    }
}

static void open_incident(struct orchestrator *o, int index, int site)
{
    o->world->services[index].incidents[site] = (struct incident){.id = id_new(o->wall), .opened_at = o->wall};
    service_put_incident(o, index, site, false);
}

static void carry_out(struct orchestrator *o, int index, const struct thing *thing, const struct cause *cause)
{
    const struct service *service = service_at(o, index);
    struct service_state *state = &o->world->services[index];
    const struct id *incident = NULL;
    if (thing->site >= 0 && state->view.sites[thing->site].has_incident)
        incident = &state->incidents[thing->site].id;
    view_apply(&state->view, thing);
    switch (thing->kind) {
    case THING_COUNT:
        break;
    case THING_VOTE: {
        const struct vote_view *vote = view_vote_find(&state->view, thing->site, thing->voter);
        batch_vote(o->rows, &(struct vote_row){.service = service->name,
                                               .site = service->sites[thing->site].name,
                                               .source = model_voter_name(o->settings.model, thing->voter),
                                               .vote = thing->vote,
                                               .heard_at = vote ? vote->heard_at : 0,
                                               .offset_ms = clock_offset_ms(),
                                               .boot_id = clock_boot_id()});
        note_thing(o, service, "decision.vote", thing, cause, incident);
        break;
    }
    case THING_TIMER_SET:
    case THING_TIMER_CLEAR:
        put_timer(o, service, thing, thing->kind == THING_TIMER_SET);
        note_thing(o, service, "decision.timer", thing, cause, incident);
        break;
    case THING_INCIDENT_OPEN:
        open_incident(o, index, thing->site);
        note_thing(o, service, "decision.incident", thing, cause, &state->incidents[thing->site].id);
        break;
    case THING_INCIDENT_STANDING:
    case THING_INCIDENT_RESOLVED:
        service_put_incident(o, index, thing->site, thing->kind == THING_INCIDENT_RESOLVED);
        note_thing(o, service, "decision.incident", thing, cause, &state->incidents[thing->site].id);
        break;
    case THING_NOT_ACTED:
        if (incident)
            service_put_incident(o, index, thing->site, false);
        note_thing(o, service, "decision.not_acted", thing, cause, incident);
        break;
    case THING_ACTIVE:
        put_active(o, index, thing);
        note_thing(o, service, "decision.active", thing, cause, incident);
        break;
    case THING_RUN_START:
        note_thing(o, service, "decision.run", thing, cause,
                   thing->from >= 0 && state->view.sites[thing->from].has_incident ? &state->incidents[thing->from].id
                                                                                   : NULL);
        run_begin(o, index, thing, cause);
        break;
    case THING_RUN_STATE:
        break; /* journaled with the run */
    case THING_RUN_APPROVED:
    case THING_RUN_CANCEL:
    case THING_RUN_GOES:
    case THING_RUN_HALT:
    case THING_REMIND:
    case THING_PAUSED:
    case THING_NOTICE:
        break;
    case THING_REFUSED:
        break; /* recorded with the operator's call */
    }
}

static void carry_out_all(struct orchestrator *o, int index, const struct things *things, const struct cause *cause)
{
    for (int i = 0; i < things->count; i++)
        carry_out(o, index, &things->items[i], cause);
}

void service_event(struct orchestrator *o, int service, const struct event *event, const struct cause *cause)
{
    struct things things;
    decide(service_at(o, service), o->settings.model, &o->world->services[service].view, o->world->outlook, event,
           o->now, &things);
    carry_out_all(o, service, &things, cause);
}

void service_site_lost(struct orchestrator *o, int service)
{
    const struct thing thing = {
        .kind = THING_ACTIVE,
        .reason = REASON_CONFIGURATION,
        .site = SITE_NONE,
        .active = ACTIVE_UNKNOWN,
        .text = "the site that was active is not in the configuration any more: the active site is unknown",
    };
    carry_out(o, service, &thing, &(struct cause){.who = "turnout"});
}

/* ---- operators --------------------------------------------------------------------------------------------------- */

static void note_call(struct orchestrator *o, const struct command *command, const char *what, const char *refusal)
{
    const struct command_operator *call = &command->as.operator_call;
    char who[96];
    char text[512];
    snprintf(who, sizeof who, "operator %s", call->who);
    snprintf(text, sizeof text, "%s%s%s%s%s", what, call->reason[0] ? ": " : "", call->reason,
             refusal ? " - refused: " : "", refusal ? refusal : "");
    json_t *detail = json_pack("{s:s, s:s}", "from", call->from, "reason", call->reason);
    if (call->site)
        json_object_set_new(detail, "to", json_string(call->site));
    if (refusal)
        json_object_set_new(detail, "code", json_string(call->code));
    journal_note(o, &(struct note){.kind = refusal ? "operator.refused" : "operator.call",
                                   .service = call->service,
                                   .who = who,
                                   .text = text,
                                   .run = &call->run,
                                   .detail = detail});
}

static void refuse(struct orchestrator *o, struct command *command, enum err err, const char *code, const char *what,
                   const char *text)
{
    struct command_operator *call = &command->as.operator_call;
    snprintf(call->code, sizeof call->code, "%s", code);
    command->err = err_set(&command->why, err, "%s", text);
    note_call(o, command, what, command->why.text);
}

/* Finds the service and site named. false: refused and recorded. */
static bool find_named(struct orchestrator *o, struct command *command, const char *what, int *ret_service,
                       int *ret_site)
{
    const struct command_operator *call = &command->as.operator_call;
    char text[256];
    *ret_site = SITE_NONE;
    *ret_service = model_service_find(o->settings.model, call->service);
    if (*ret_service < 0) {
        snprintf(text, sizeof text, "there is no service %.64s", call->service);
        refuse(o, command, ERR_NOT_FOUND, "not_found", what, text);
        return false;
    }
    if (!call->site)
        return true;
    *ret_site = service_site_find(service_at(o, *ret_service), call->site);
    if (*ret_site >= 0)
        return true;
    snprintf(text, sizeof text, "service %s has no site %.64s", call->service, call->site);
    refuse(o, command, ERR_NOT_FOUND, "unknown_site", what, text);
    return false;
}

static struct sha256 request_digest(const struct command_operator *call)
{
    const char *direction = direction_text(call->direction);
    const char *site = call->site ? call->site : "";
    const struct bytes_view parts[] = {{call->service, strlen(call->service) + 1},
                                       {direction, strlen(direction) + 1},
                                       {site, strlen(site) + 1},
                                       {call->reason, strlen(call->reason)}};
    return sha256_of_parts(parts, 4);
}

/* An Idempotency-Key that was used already answers with the run it started. true: answered. A key used twice within one
 * batch meets the run in progress and is refused, which its sender's next try turns into the right answer. */
static bool answered_before(struct orchestrator *o, struct command *command, const char *what)
{
    struct command_operator *call = &command->as.operator_call;
    if (!call->idempotency_key)
        return false;
    struct sha256 stored;
    struct sha256 given = request_digest(call);
    struct errmsg why = {0};
    enum err err =
        store_idempotency_get(o->settings.store, call->who, call->idempotency_key, &stored, &call->answer_run, &why);
    if (err == ERR_NOT_FOUND)
        return false;
    if (err != ERR_OK)
        batch_break(o, err, &why);
    else if (memcmp(&stored, &given, sizeof given) != 0)
        refuse(o, command, ERR_CONFLICT, "idempotency_key_reused", what,
               "this Idempotency-Key was used for another request");
    return true;
}

static const struct thing *find_refusal(const struct things *things)
{
    for (int i = 0; i < things->count; i++)
        if (things->items[i].kind == THING_REFUSED)
            return &things->items[i];
    return NULL;
}

/* Asks the core about an operator's wish; records the call either way. Returns whether it was granted. */
static bool ask(struct orchestrator *o, struct command *command, int service, const struct event *event,
                const char *what)
{
    struct command_operator *call = &command->as.operator_call;
    char who[96];
    snprintf(who, sizeof who, "operator %s", call->who);
    const struct cause cause = {.who = who, .command = command};
    struct things things;
    decide(service_at(o, service), o->settings.model, &o->world->services[service].view, o->world->outlook, event,
           o->now, &things);
    const struct thing *refusal = find_refusal(&things);
    if (refusal) {
        refuse(o, command, ERR_CONFLICT, reason_text(refusal->reason), what, refusal->text);
        return false;
    }
    note_call(o, command, what, NULL);
    carry_out_all(o, service, &things, &cause);
    return true;
}

void service_move(struct orchestrator *o, struct command *command)
{
    struct command_operator *call = &command->as.operator_call;
    char what[128];
    snprintf(what, sizeof what, "%s of %.64s asked for", direction_text(call->direction), call->service);
    int service = -1;
    int site = SITE_NONE;
    command->err = ERR_OK;
    if (!find_named(o, command, what, &service, &site) || answered_before(o, command, what))
        return;
    const struct event event = {.kind = EVENT_OPERATOR_MOVE,
                                .direction = call->direction,
                                .site = site,
                                .who = call->who,
                                .text = call->reason};
    if (!ask(o, command, service, &event, what))
        return;
    const struct live_run *live = o->world->services[service].run;
    if (!live) {
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"a run was decided and not made"});
        return;
    }
    call->answer_run = live->run.id;
    if (call->idempotency_key) {
        struct sha256 digest = request_digest(call);
        batch_idempotency(o->rows, call->who, call->idempotency_key, &digest, &call->answer_run, o->wall);
    }
}

void service_adopt(struct orchestrator *o, struct command *command)
{
    struct command_operator *call = &command->as.operator_call;
    char what[192];
    snprintf(what, sizeof what, "%.64s said to be active for %.64s", call->site ? call->site : "?", call->service);
    int service = -1;
    int site = SITE_NONE;
    command->err = ERR_OK;
    if (!find_named(o, command, what, &service, &site))
        return;
    const struct event event = {.kind = EVENT_ADOPT, .site = site, .who = call->who, .text = call->reason};
    (void)ask(o, command, service, &event, what);
}

/* ---- looking for the active site --------------------------------------------------------------------------------- */

/* The steps with an effect, resolved as if the service moved to `site`: where all of them are right already, it is. */
static json_t *steps_towards(const struct orchestrator *o, const struct service *service, int site)
{
    int from = service->n_sites == 2 ? 1 - site : SITE_NONE;
    json_t *steps = json_array();
    for (int i = 0; i < service->n_steps; i++) {
        if (!service->steps[i].can_apply)
            continue;
        json_t *text = step_resolve(o->settings.model, service, &service->steps[i], from, site, NULL);
        if (text)
            json_array_append_new(steps, text);
    }
    return steps;
}

static void start_observing(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    const struct service *service = service_at(o, index);
    struct job *job = job_new(JOB_OBSERVE);
    if (!job)
        return;
    job->service = index;
    job->sites = json_array();
    for (int site = 0; site < service->n_sites; site++)
        json_array_append_new(job->sites, json_pack("{s:i, s:s, s:o}", "site", site, "name", service->sites[site].name,
                                                    "steps", steps_towards(o, service, site)));
    state->is_observing = true;
    outgoing_add(o, job);
}

static int64_t observe_pause(int tries)
{
    int64_t pause = OBSERVE_FIRST_MS;
    for (int i = 1; i < tries && pause < OBSERVE_LAST_MS; i++)
        pause *= 2;
    return pause < OBSERVE_LAST_MS ? pause : OBSERVE_LAST_MS;
}

void service_observed(struct orchestrator *o, struct command *command)
{
    struct command_observed *observed = &command->as.observed;
    struct service_state *state = &o->world->services[observed->service];
    const struct service *service = service_at(o, observed->service);
    const char *text = observed->text ? observed->text : "";
    state->is_observing = false;
    state->observe_tries++;
    state->observe_at = o->now + observe_pause(state->observe_tries);
    due_at(o, state->observe_at);
    if (state->view.active != ACTIVE_UNKNOWN || state->view.has_run)
        return;
    bool is_news = !state->observed_text || strcmp(state->observed_text, text) != 0;
    if (is_news || observed->site >= 0) {
        json_t *detail = json_object();
        json_object_set(detail, "requests", observed->requests);
        journal_note(
            o, &(struct note){.kind = "decision.observed", .service = service->name, .text = text, .detail = detail});
        free(state->observed_text);
        state->observed_text = strdup(text);
    }
    if (observed->site < 0 && !is_news)
        return;
    const struct cause cause = {.who = "turnout"};
    service_event(o, observed->service, &(struct event){.kind = EVENT_OBSERVED, .site = observed->site}, &cause);
}

/* ---- timers ------------------------------------------------------------------------------------------------------ */

static void observe_if_unknown(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    if (state->view.active != ACTIVE_UNKNOWN || state->view.has_run || state->is_observing)
        return;
    if (o->now >= state->observe_at)
        start_observing(o, index);
    else
        due_at(o, state->observe_at);
}

void service_timers(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    const struct cause cause = {.who = "turnout"};
    if (view_due_at(service_at(o, index), o->settings.model, &state->view, o->world->outlook) <= o->now)
        service_event(o, index, &(struct event){.kind = EVENT_LOOK}, &cause);
    due_at(o, view_due_at(service_at(o, index), o->settings.model, &state->view, o->world->outlook));
    if (state->run && state->run->run.state == RUN_RUNNING && state->run->run.current < state->run->run.n_steps) {
        int64_t next = state->run->run.steps[state->run->run.current].next_at;
        if (next > 0 && next <= o->now) {
            run_event(
                o, index,
                &(struct run_event){.kind = RUN_EVENT_TIMER, .retry_after_ms = -1, .random = (uint32_t)random_u64()},
                &cause);
        } else {
            due_at(o, next);
        }
    }
    observe_if_unknown(o, index);
}

/* What the services have in common, and time: who is looked at again because something is due, or has changed
 * elsewhere. By priority, so that of many the most important comes first to what there is too little of.
 *
 * All services are looked at when the outlook's generation has risen, which costs some microseconds each and happens
 * once a batch at most: a storm over hundreds of services is one round, not hundreds. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ROUNDS 3
#define STATUS_EVERY_MS 250
#define AGAIN_MS 1000 /* what is due and changes nothing is not asked in a circle */

static const struct cause ours = {.who = "turnout"};

static int service_in_order(const struct orchestrator *o, int i)
{
    return o->settings.model->by_priority ? o->settings.model->by_priority[i] : i;
}

static void look(struct orchestrator *o, int index)
{
    service_event(o, index, &(struct event){.kind = EVENT_LOOK, .site = SITE_NONE}, &ours);
}

/* ---- the daemon's own surroundings ------------------------------------------------------------------------------- */

/* Without a self-check nobody will ever say that we are not cut off. */
static bool is_unsure(const struct orchestrator *o)
{
    return o->settings.has_self_check && !o->outside.cut_off_text[0];
}

static void set_outside(struct orchestrator *o)
{
    struct outlook *outlook = o->world->outlook;
    outlook->wall = o->wall;
    outlook->wall_at = o->now;
    if (outlook->is_cut_off == o->outside.is_cut_off && outlook->is_unsure == is_unsure(o) &&
        outlook->is_killed == o->outside.is_killed)
        return;
    outlook->is_cut_off = o->outside.is_cut_off;
    outlook->is_unsure = is_unsure(o);
    outlook->is_killed = o->outside.is_killed;
    outlook->generation++;
}

/* An incident begins with its first vote, and stands when the quorum has held: it began in between. One that has never
 * stood may have its quorum since any time. */
static void remember_places(struct orchestrator *o, int index)
{
    const struct service *service = &o->settings.model->services[index];
    const struct service_state *state = &o->world->services[index];
    for (int site = 0; site < service->n_sites; site++) {
        const struct incident *incident = &state->incidents[site];
        if (!state->view.sites[site].has_incident || !view_has_quorum(service, o->settings.model, &state->view, site))
            continue;
        int64_t until = incident->stood_at > 0 && incident->stood_at < o->wall ? incident->stood_at : o->wall;
        int64_t from = incident->opened_at > 0 && incident->opened_at < until ? incident->opened_at : until;
        outlook_was_down(o->world->outlook, service->sites[site].place, o->now - (o->wall - from),
                         o->now - (o->wall - until));
    }
}

void outlook_begin(struct orchestrator *o)
{
    o->world->seen_generation = -1; /* all of them are looked at */
    set_outside(o);
    for (int i = 0; i < o->world->n_services; i++)
        outlook_take(o->world->outlook, i, o->now);
    for (int i = 0; i < o->world->n_services; i++)
        remember_places(o, i);
}

static void note_change(struct orchestrator *o, const char *kind, bool is_bad, const char *text)
{
    if (is_bad)
        log_warning("%s", text);
    else
        log_info("%s", text);
    journal_note(o, &(struct note){.kind = kind, .text = text, .detail = json_pack("{s:b}", "holds", (int)is_bad)});
}

/* Again, when the batch that had it was not stored. */
void outlook_note_outside(struct orchestrator *o)
{
    const struct outside *now = &o->outside;
    const struct outside *told = &o->outside_told;
    if (now->cut_off_text[0] && (!told->cut_off_text[0] || now->is_cut_off != told->is_cut_off))
        note_change(o, "outside.cut_off", now->is_cut_off, now->cut_off_text);
    if (now->is_killed != told->is_killed)
        note_change(o, "outside.kill_switch", now->is_killed, now->killed_text);
    set_outside(o);
}

void outlook_outside(struct orchestrator *o, const struct command *command)
{
    const struct command_outside *outside = &command->as.outside;
    o->outside.is_cut_off = outside->is_cut_off;
    o->outside.is_killed = outside->is_killed;
    snprintf(o->outside.cut_off_text, sizeof o->outside.cut_off_text, "%s", outside->cut_off_text);
    snprintf(o->outside.killed_text, sizeof o->outside.killed_text, "%s", outside->killed_text);
    outlook_note_outside(o);
}

void outlook_committed(struct orchestrator *o)
{
    o->outside_told = o->outside;
}

/* ---- what is due ------------------------------------------------------------------------------------------------- */

static void look_if_due(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    const struct model *model = o->settings.model;
    if (state->due_at <= o->now) {
        state->due_at = view_due_at(&model->services[index], model, &state->view, o->world->outlook);
        if (state->due_at <= o->now)
            look(o, index);
        if (state->due_at <= o->now)
            state->due_at = o->now + AGAIN_MS;
    }
    due_at(o, state->due_at);
}

static void run_if_due(struct orchestrator *o, struct live_run *live)
{
    int64_t next = run_due_at(&live->run);
    if (next <= o->now)
        run_event(o, live,
                  &(struct run_event){.kind = RUN_EVENT_TIMER, .retry_after_ms = -1, .random = (uint32_t)random_u64()},
                  &ours);
    else
        due_at(o, next);
}

static void runs_if_due(struct orchestrator *o, int index)
{
    const struct service_state *state = &o->world->services[index];
    if (state->run)
        run_if_due(o, state->run);
    for (struct live_run *live = state->others; live; live = live->next)
        if (!live->is_gone)
            run_if_due(o, live);
}

void outlook_timers(struct orchestrator *o)
{
    if (o->now < o->next_due)
        return;
    o->next_due = INT64_MAX;
    for (int i = 0; i < o->world->n_services; i++) {
        int index = service_in_order(o, i);
        look_if_due(o, index);
        runs_if_due(o, index);
        drill_if_due(o, index);
        observe_if_unknown(o, index);
    }
}

/* ---- what has changed elsewhere ---------------------------------------------------------------------------------- */

static const struct freeze *freeze_now(const struct orchestrator *o, int index)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[index];
    return service->n_freezes + model->n_freezes > 0 ? freeze_find(service, model, o->wall, NULL) : NULL;
}

/* A freeze begins and ends by the wall clock, which no timer waits for. */
static void look_at_freezes(struct orchestrator *o)
{
    for (int i = 0; i < o->world->n_services; i++) {
        int index = service_in_order(o, i);
        const struct freeze *freeze = freeze_now(o, index);
        if (freeze == o->world->services[index].freeze)
            continue;
        o->world->services[index].freeze = freeze;
        look(o, index);
    }
}

void outlook_watch_freezes(struct orchestrator *o)
{
    if (!o->world)
        return;
    o->wall = clock_wall_ms();
    for (int i = 0; i < o->world->n_services; i++)
        if (freeze_now(o, i) != o->world->services[i].freeze)
            o->next_due = 0; /* a batch looks */
}

void outlook_look(struct orchestrator *o)
{
    struct world *world = o->world;
    look_at_freezes(o);
    for (int round = 0; round < MAX_ROUNDS; round++) {
        if (world->seen_generation == world->outlook->generation && o->now < world->outlook_due_at)
            break;
        world->seen_generation = world->outlook->generation;
        world->outlook_due_at = INT64_MAX;
        for (int i = 0; i < world->n_services; i++)
            look(o, service_in_order(o, i));
    }
    if (world->seen_generation != world->outlook->generation)
        due_at(o, o->now + 1); /* the rest comes with the next batch, so that this one ends */
    world->outlook_due_at = outlook_due_at(world->outlook, o->now);
    if (world->outlook_due_at <= o->now)
        world->outlook_due_at = o->now + AGAIN_MS;
    due_at(o, world->outlook_due_at);
}

/* ---- the status -------------------------------------------------------------------------------------------------- */

static json_t *sentence_or_null(bool is_so, const char *text)
{
    return is_so ? text_json(text) : json_null();
}

/* The most places that went down together. */
static int n_at_once(const struct orchestrator *o)
{
    int most = 0;
    for (int place = 0; place < o->settings.model->n_places; place++) {
        int n = outlook_n_places_at_once(o->world->outlook, place, o->now);
        if (outlook_is_place_down(o->world->outlook, place, o->now) && n > most)
            most = n;
    }
    return most;
}

static json_t *flood_json(const struct orchestrator *o, const json_t *places)
{
    const struct flood_rule *flood = &o->settings.model->flood;
    int n = flood->places > 0 ? n_at_once(o) : 0;
    if (flood->places == 0 || n <= flood->places)
        return json_null();
    char text[400];
    int len = snprintf(text, sizeof text,
                       "%d places went down at once, nothing starts by itself, and a person has to look; "
                       "down are ",
                       n);
    size_t i;
    const json_t *place;
    json_array_foreach(places, i, place) if ((size_t)len < sizeof text) len +=
        snprintf(text + len, sizeof text - (size_t)len, "%s%.64s", i ? ", " : "", json_string_value(place));
    return text_json(text);
}

static json_t *cut_off_json(const struct orchestrator *o)
{
    return is_unsure(o) ? text_json("the daemon has not yet made sure that it is not cut off itself")
                        : sentence_or_null(o->outside.is_cut_off, o->outside.cut_off_text);
}

static void add_services(const struct orchestrator *o, json_t *paused, json_t *waiting, json_t *attention)
{
    char id[ID_TEXT_SIZE];
    for (int i = 0; i < o->world->n_services; i++) {
        const struct service_state *state = &o->world->services[i];
        const char *name = o->settings.model->services[i].name;
        if (state->view.is_paused)
            json_array_append_new(paused, json_string(name));
        if (!state->run || (state->run->run.state != RUN_WAITING && state->run->run.state != RUN_ATTENTION))
            continue;
        json_t *run = json_pack("{s:s, s:s}", "service", name, "run", id_format(&state->run->run.id, id));
        json_array_append_new(state->run->run.state == RUN_WAITING ? waiting : attention, run);
    }
}

static json_t *status_json(struct orchestrator *o)
{
    json_t *outside = record_outside(o);
    json_t *places = json_object_get(outside, "places_down");
    json_t *paused = json_array();
    json_t *waiting = json_array();
    json_t *attention = json_array();
    add_services(o, paused, waiting, attention);
    json_t *status = json_pack("{s:o, s:o, s:o, s:O, s:O, s:O, s:o, s:o, s:o, s:o}", "cut_off", cut_off_json(o),
                               "kill_switch", sentence_or_null(o->outside.is_killed, o->outside.killed_text), "flood",
                               flood_json(o, places), "places_down", places, "stale", json_object_get(outside, "stale"),
                               "suspect", json_object_get(outside, "suspects"), "paused", paused, "waiting", waiting,
                               "attention", attention, "not_ready", ready_status(o));
    json_decref(outside);
    return status;
}

/* For those who read it on other threads: never older than a second and a bit. */
void status_refresh(struct orchestrator *o)
{
    int64_t now = clock_steady_ms();
    if (!o->world || now - o->status_at < STATUS_EVERY_MS)
        return;
    o->status_at = now;
    json_t *status = status_json(o);
    pthread_mutex_lock(&o->status_mutex);
    json_t *old = o->status;
    o->status = status;
    pthread_mutex_unlock(&o->status_mutex);
    json_decref(old);
}

json_t *orchestrator_status(struct orchestrator *o)
{
    pthread_mutex_lock(&o->status_mutex);
    json_t *copy = o->status ? json_deep_copy(o->status) : json_object();
    pthread_mutex_unlock(&o->status_mutex);
    return copy;
}

/* The copy of the store's state: read at start, and again after every failed commit.
 *
 * Names in the store become indices of the model here. What the configuration does not know any more (a service or site
 * taken out) is left alone in the store and out of memory. */
#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

void live_run_free(struct live_run *run)
{
    if (!run)
        return;
    for (int i = 0; run->records && i < run->run.n_steps; i++) {
        free(run->records[i].error);
        free(run->records[i].token);
        free(run->records[i].observed);
        free(run->records[i].previous);
    }
    free(run->records);
    free(run->run.steps);
    free(run->reason);
    free(run->started_by);
    free(run->cancelled_by);
    free(run->sent_on_by);
    free(run->error);
    free(run->playbook);
    free(run->plan);
    free(run->from);
    free(run->to);
    json_decref(run->steps_text);
    free(run);
}

static void others_free(struct service_state *state)
{
    while (state->others) {
        struct live_run *live = state->others;
        state->others = live->next;
        live_run_free(live);
    }
}

void world_free(struct world *world)
{
    if (!world)
        return;
    for (int i = 0; i < world->n_services; i++) {
        live_run_free(world->services[i].run);
        others_free(&world->services[i]);
        free(world->services[i].observed_text);
    }
    for (size_t i = 0; i < world->n_orphans; i++)
        free(world->orphans[i].service);
    free(world->orphans);
    outlook_free(world->outlook);
    free(world->views);
    free(world->heard);
    free(world->services);
    free(world);
}

void active_remember(struct service_state *state, int64_t since, enum active_kind kind, int site)
{
    if (state->n_history == ACTIVE_HISTORY) {
        memmove(state->history, state->history + 1, (ACTIVE_HISTORY - 1) * sizeof state->history[0]);
        state->n_history--;
    }
    state->history[state->n_history++] = (struct active_since){.since = since, .kind = kind, .site = site};
}

int active_site_at(const struct service_state *state, int64_t wall)
{
    for (int i = state->n_history - 1; i >= 0; i--)
        if (state->history[i].since <= wall)
            return state->history[i].kind == ACTIVE_SITE ? state->history[i].site : SITE_NONE;
    return SITE_NONE;
}

struct service_state *loader_state(struct loader *loader, const char *service, int *ret_index)
{
    int index = model_service_find(loader->o->settings.model, service);
    if (ret_index)
        *ret_index = index;
    return index < 0 ? NULL : &loader->world->services[index];
}

int loader_site(struct loader *loader, int service, const char *site)
{
    return site[0] ? service_site_find(&loader->o->settings.model->services[service], site) : SITE_NONE;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* What was never noted is taken as of now; and nothing was later than now, though a clock that was set back over a
 * reboot says so. */
static int64_t past_from_stored(const struct orchestrator *o, int64_t at, const char *boot_id, int64_t offset_ms)
{
    int64_t past = at != 0 ? clock_due_from_stored(at, boot_id, offset_ms) : o->now;
    return past < o->now ? past : o->now;
}

static void load_vote(void *context, const struct vote_row *row)
{
    struct loader *loader = context;
    const struct model *model = loader->o->settings.model;
    int index = -1;
    struct service_state *state = loader_state(loader, row->service, &index);
    int voter = model_voter_find(model, row->source);
    int site = state ? loader_site(loader, index, row->site) : SITE_NONE;
    struct vote_view *vote = voter >= 0 && site >= 0 ? view_vote_get(&state->view, site, voter) : NULL;
    if (!vote)
        return;
    vote->down = (int)row->down;
    vote->up = (int)row->up;
    vote->vote = row->vote;
    vote->heard_at = past_from_stored(loader->o, row->heard_at, row->boot_id, row->offset_ms);
    if (row->heard_at == 0)
        votes_mark(loader->world, index, site, voter);
}

static void load_source(void *context, const struct source_row *row)
{
    struct loader *loader = context;
    int index = model_source_find(loader->o->settings.model, row->name);
    if (index < 0)
        return;
    loader->world->open_alerts[index] = row->open_alerts;
    if (row->beat_at)
        loader->world->outlook->sources[index].beat_at =
            past_from_stored(loader->o, row->beat_at, row->boot_id, row->offset_ms);
}

/* What the process has heard itself stands, whatever of it was stored. At its start each source counts as heard: its
 * silence while nobody listened proves nothing; but a heartbeat has to be fresh. */
static void take_heard(struct orchestrator *o, struct world *world)
{
    for (int i = 0; i < o->settings.model->n_sources; i++) {
        struct source_outlook *source = &world->outlook->sources[i];
        source->heard_at = o->now;
        if (o->sources[i].is_known)
            *source = o->sources[i].last;
        o->sources[i].last = *source;
        o->sources[i].is_known = true;
    }
}

static void load_pause(void *context, const struct pause_row *row)
{
    struct service_state *state = loader_state(context, row->service, NULL);
    if (state)
        state->view.is_paused = true;
}

static void load_timer(void *context, const struct timer_row *row)
{
    struct loader *loader = context;
    int index = -1;
    struct service_state *state = loader_state(loader, row->service, &index);
    if (!state)
        return;
    int64_t due = clock_due_from_stored(row->due_at, row->boot_id, row->offset_ms);
    int site = loader_site(loader, index, row->site);
    if ((row->kind == TIMER_HOLD || row->kind == TIMER_FLAP) && site < 0)
        return;
    view_apply(
        &state->view,
        &(struct thing){.kind = THING_TIMER_SET, .timer = row->kind, .site = site, .count = row->count, .at = due});
}

static void load_incident(void *context, const struct incident_row *row)
{
    struct loader *loader = context;
    int index = -1;
    struct service_state *state = loader_state(loader, row->service, &index);
    int site = state ? loader_site(loader, index, row->site) : SITE_NONE;
    if (site < 0)
        return;
    state->incidents[site] = (struct incident){.id = row->id,
                                               .opened_at = row->opened_at,
                                               .stood_at = row->stood_at,
                                               .fell_at = row->fell_at,
                                               .most_votes = row->most_votes,
                                               .would_at = row->would_at,
                                               .would_to = loader_site(loader, index, row->would_to),
                                               .run = row->run};
    struct site_view *view = &state->view.sites[site];
    view->has_incident = true;
    view->is_standing = row->is_standing;
    enum reason reason = REASON_NONE; /* of a word that is in the list no more */
    (void)reason_parse(row->last_reason, &reason);
    view->last_reason = (int)reason;
}

static void load_active(void *context, const struct active_row *row)
{
    struct loader *loader = context;
    int index = -1;
    struct service_state *state = loader_state(loader, row->service, &index);
    if (!state)
        return;
    int site = loader_site(loader, index, row->site);
    enum active_kind kind = row->kind;
    state->has_lost_site = kind == ACTIVE_SITE && site < 0; /* it was taken out of the configuration */
    if (state->has_lost_site)
        kind = ACTIVE_UNKNOWN;
    active_remember(state, row->since, kind, site);
    state->view.active = kind;
    state->view.active_site = kind == ACTIVE_SITE || kind == ACTIVE_MOVING ? site : SITE_NONE;
}

static void load_readiness(void *context, const struct readiness_row *row)
{
    struct loader *loader = context;
    int service = model_service_find(loader->o->settings.model, row->service);
    if (service < 0)
        return;
    struct readiness_record *record = &loader->world->services[service].readiness[row->direction];
    record->state = row->state;
    record->since = row->since;
    record->checked_at = row->checked_at;
    snprintf(record->text, sizeof record->text, "%s", row->text);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static struct world *world_new(const struct model *model)
{
    struct world *world = calloc(1, sizeof *world);
    if (!world)
        return NULL;
    world->services = calloc((size_t)model->n_services + 1, sizeof *world->services);
    world->heard = calloc((size_t)model->n_services + 1, sizeof *world->heard);
    world->views = calloc((size_t)model->n_services + 1, sizeof *world->views);
    world->outlook = world->views ? outlook_new(model, world->views) : NULL;
    if (!world->services || !world->heard || !world->outlook) {
        world_free(world);
        return NULL;
    }
    world->n_services = model->n_services;
    for (int i = 0; i < world->n_services; i++) {
        service_view_init(&world->services[i].view);
        world->views[i] = &world->services[i].view;
    }
    return world;
}

/* An observation round that is out belongs to the process, not to the store. */
static void mark_observing(struct orchestrator *o, struct world *world)
{
    for (size_t i = 0; i < o->n_in_flight; i++)
        if (o->in_flight[i]->kind == JOB_OBSERVE)
            world->services[o->in_flight[i]->service].is_observing = true;
}

static void count_debts(const struct orchestrator *o, struct world *world)
{
    for (int i = 0; i < world->n_services; i++) {
        struct service_state *state = &world->services[i];
        for (int site = 0; site < o->settings.model->services[i].n_sites; site++)
            state->view.sites[site].n_debts = state->run || state->others ? debts_at(state, site) : 0;
    }
}

enum err world_load(struct orchestrator *o, struct world **ret, struct errmsg *why)
{
    struct loader loader = {.o = o, .world = world_new(o->settings.model)};
    if (!loader.world)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    const struct store_state_taker taker = {
        .context = &loader,
        .vote = load_vote,
        .source = load_source,
        .pause = load_pause,
        .timer = load_timer,
        .incident = load_incident,
        .active = load_active,
        .run = load_run,
        .step = load_step,
        .drill = load_drill,
        .readiness = load_readiness,
    };
    enum err err = store_load(o->settings.store, o->wall - 2 * ALERT_TIME_TRUST_MS, &taker, why);
    if (err == ERR_OK)
        err = store_audit_head(o->settings.store, &loader.world->chain.seq, &loader.world->chain.hash,
                               &loader.world->delivery_seq, why);
    struct id newest = {{0}};
    if (err == ERR_OK)
        err = store_run_newest(o->settings.store, &newest, why);
    if (err == ERR_OK && loader.is_broken)
        err = err_set(why, ERR_INVALID, "an unfinished run in the database cannot be read");
    if (err != ERR_OK) {
        world_free(loader.world);
        return err;
    }
    id_follow(&newest); /* which run is the newer one is told by their ids */
    count_debts(o, loader.world);
    take_heard(o, loader.world);
    mark_observing(o, loader.world);
    *ret = loader.world;
    return ERR_OK;
}

/* The copy of the store's state: read at start, and again after every failed commit.
 *
 * Names in the store become indices of the model here. What the configuration does not know any more (a service or site
 * taken out) is left alone in the store and out of memory. */
#include "base/clock.h"
#include "base/log.h"
#include "orchestrator_internal.h"

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

<<<<<<< HEAD
=======
static bool run_allocate(struct live_run *live, const struct run_row *row)
{
    live->steps_text = json_loads(row->playbook, 0, NULL);
    if (!json_is_array(live->steps_text))
        return false;
    size_t n = json_array_size(live->steps_text);
    if (n == 0 || n > MAX_STEPS)
        return false;
    live->run.n_steps = (int)n;
    live->run.steps = calloc(n, sizeof *live->run.steps);
    live->records = calloc(n, sizeof *live->records);
    live->reason = strdup(row->reason);
    live->started_by = strdup(row->started_by);
    live->error = strdup(row->error);
    live->playbook = strdup(row->playbook);
    live->from = strdup(row->from);
    live->to = strdup(row->to);
    return live->run.steps && live->records && live->reason && live->started_by && live->error && live->playbook &&
           live->from && live->to;
}

static void keep_orphan(struct loader *loader, const struct run_row *row)
{
    struct world *world = loader->world;
    struct orphan_run *grown = realloc(world->orphans, (world->n_orphans + 1) * sizeof *grown);
    if (grown)
        world->orphans = grown;
    char *service = grown ? strdup(row->service) : NULL;
    if (service)
        world->orphans[world->n_orphans++] = (struct orphan_run){.id = row->id, .service = service};
    else
        loader->is_broken = true;
}

static void load_run(void *context, const struct run_row *row)
{
    struct loader *loader = context;
    if (run_state_is_final(row->state))
        return;
    int index = -1;
    struct service_state *state = state_of(loader, row->service, &index);
    if (!state) {
        keep_orphan(loader, row);
        return;
    }
    struct live_run *live = calloc(1, sizeof *live);
    if (!live || !run_allocate(live, row)) {
        loader->is_broken = true;
        live_run_free(live);
        return;
    }
    live->run.id = row->id;
    live->run.service = index;
    live->run.direction = row->direction;
    live->occasion = row->occasion;
    live->is_ours = row->is_ours;
    if (!overrides_parse(row->overrides, &live->overrides))
        loader->is_broken = true;
    live->run.from = site_of(loader, index, row->from);
    live->run.to = site_of(loader, index, row->to);
    live->run.state = row->state;
    live->run.has_effect = row->has_effect;
    live->run.ending = row->ending;
    live->run.is_undoing = row->is_undoing;
    live->run.current = row->current;
    live->incident = row->incident;
    live->started_at = row->started_at;
    live->finished_at = row->finished_at;
    live->run.is_forced = (live->overrides & (uint64_t)1 << REASON_PREFLIGHT) != 0;
    size_t len = strlen(BEING_CANCELLED_BY);
    if (row->ending == ENDING_CANCEL && strncmp(row->error, BEING_CANCELLED_BY, len) == 0)
        live->cancelled_by = strdup(row->error + len);
    live_run_free(state->run);
    state->run = live;
    state->view.has_run = true;
    state->view.run_state = row->state;
    state->view.run_direction = row->direction;
    state->view.run_occasion = row->occasion;
    state->view.run_is_ours = row->is_ours;
    state->view.run_from = live->run.from;
    state->view.run_to = live->run.to;
    state->view.run_has_effect = row->has_effect;
    state->view.run_is_cancelling = row->ending == ENDING_CANCEL && !live->cancelled_by;
    state->view.run_overrides = live->overrides;
}

static void step_from_text(struct step_run *step, const json_t *text)
{
    step->can_apply = json_is_true(json_object_get(text, "can_apply"));
    step->can_settle = json_is_true(json_object_get(text, "can_settle"));
    step->is_point = json_is_true(json_object_get(text, "is_point_of_no_return"));
    step->deadline_ms = json_integer_value(json_object_get(text, "deadline_ms"));
    step->retries = (int)json_integer_value(json_object_get(text, "retries"));
}

static char *text_or_null(const char *text)
{
    return text && text[0] ? strdup(text) : NULL;
}

static void load_step(void *context, const struct step_row *row)
{
    struct loader *loader = context;
    for (int i = 0; i < loader->world->n_services; i++) {
        struct live_run *live = loader->world->services[i].run;
        if (!live || !id_equal(&live->run.id, &row->run) || row->n < 0 || row->n >= live->run.n_steps)
            continue;
        struct step_run *step = &live->run.steps[row->n];
        step_from_text(step, json_array_get(live->steps_text, (size_t)row->n));
        step->state = row->state;
        step->phase = row->phase;
        step->tries = row->tries;
        step->n_attempts = row->n_attempts;
        step->has_applied = row->has_applied;
        step->has_unknown_apply = row->has_unknown_apply;
        step->began_at = row->began_at ? clock_due_from_stored(row->began_at, row->boot_id, row->offset_ms) : 0;
        step->next_at = row->next_at ? clock_due_from_stored(row->next_at, row->boot_id, row->offset_ms) : 0;
        struct step_record *record = &live->records[row->n];
        record->error = text_or_null(row->error);
        record->token = text_or_null(row->token);
        record->observed = text_or_null(row->observed);
        record->started_at = row->started_at;
        record->finished_at = row->finished_at;
        record->attempt_at = row->attempt_at;
        return;
    }
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

>>>>>>> 7d1eea7 (Rounds: all steps of a move are looked at at once, for a plan, for a move that is to do exactly that, and for readiness)
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
<<<<<<< HEAD
        .drill = load_drill,
=======
        .readiness = load_readiness,
>>>>>>> 7d1eea7 (Rounds: all steps of a move are looked at at once, for a plan, for a move that is to do exactly that, and for readiness)
    };
    enum err err = store_load(o->settings.store, o->wall - 2 * ALERT_TIME_TRUST_MS, &taker, why);
    if (err == ERR_OK)
        err = store_audit_head(o->settings.store, &loader.world->chain.seq, &loader.world->chain.hash,
                               &loader.world->delivery_seq, why);
    if (err == ERR_OK && loader.is_broken)
        err = err_set(why, ERR_INVALID, "an unfinished run in the database cannot be read");
    if (err != ERR_OK) {
        world_free(loader.world);
        return err;
    }
    count_debts(o, loader.world);
    take_heard(o, loader.world);
    mark_observing(o, loader.world);
    *ret = loader.world;
    return ERR_OK;
}

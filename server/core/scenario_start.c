/* How a case begins, and how a process begins after a restart: the views are what the store's rows give back, and what
 * no row holds is as it is at first. */
#include "core/scenario_player.h"

#include <stdlib.h>

/* ---- restarts ---------------------------------------------------------------------------------------------------- */

/* The view as the store's rows give it back, its times moved by `shift`. */
static void rebuild(struct service_view *view, const struct service *service, const struct companion *companion,
                    bool is_killed, int64_t shift)
{
    const struct service_view old = *view;
    service_view_init(view);
    for (int i = 0; i < old.n_votes; i++) {
        struct vote_view *vote = view_vote_get(view, old.votes[i].site, old.votes[i].voter);
        *vote = old.votes[i];
        vote->heard_at = (is_killed ? companion->saved_at[i] : vote->heard_at) + shift;
    }
    view->is_paused = old.is_paused;
#define KEEP_TIME(field) view->field = old.field ? old.field + shift : 0
    KEEP_TIME(cool_down_until);
    KEEP_TIME(settle_until);
    KEEP_TIME(approval_due_at);
    KEEP_TIME(remind_at);
    KEEP_TIME(failback_due_at);
    for (int i = 0; i < service->n_sites; i++) {
        KEEP_TIME(sites[i].hold_due_at);
        KEEP_TIME(sites[i].flap_until);
        view->sites[i].n_breaks = old.sites[i].flap_until ? old.sites[i].n_breaks : 0;
        view->sites[i].has_incident = old.sites[i].has_incident;
        view->sites[i].is_standing = old.sites[i].has_incident && old.sites[i].is_standing;
        view->sites[i].last_reason = old.sites[i].has_incident ? old.sites[i].last_reason : REASON_NONE;
        view->sites[i].n_debts = old.sites[i].n_debts; /* told anew, before anything else */
    }
#undef KEEP_TIME
    view->active = old.active;
    view->active_site = old.active_site;
    if (!old.has_run)
        return;
    view->has_run = true;
    view->run_state = old.run_state;
    view->run_direction = old.run_direction;
    view->run_occasion = old.run_occasion;
    view->run_is_ours = old.run_is_ours;
    view->run_from = old.run_from;
    view->run_to = old.run_to;
    view->run_has_effect = old.run_has_effect;
    view->run_is_cancelling = old.run_is_cancelling;
    view->run_overrides = old.run_overrides;
}

/* Silence of sources before the start proves nothing; a heartbeat has to be fresh. */
static void outlook_begin(struct player *p, int64_t shift)
{
    int64_t beats[MAX_SOURCES] = {0};
    for (int i = 0; p->outlook && i < p->model->n_sources; i++)
        beats[i] = p->outlook->sources[i].beat_at;
    bool is_cut_off = p->outlook && p->outlook->is_cut_off;
    bool is_killed = p->outlook && p->outlook->is_killed;
    outlook_free(p->outlook);
    p->outlook = outlook_new(p->model, p->pointers);
    if (!p->outlook) {
        p->err = ERR_NO_MEMORY;
        return;
    }
    player_outlook_clock(p);
    p->outlook->is_cut_off = is_cut_off;
    p->outlook->is_killed = is_killed;
    for (int i = 0; i < p->model->n_sources; i++)
        p->outlook->sources[i] =
            (struct source_outlook){.heard_at = player_now(p), .beat_at = beats[i] ? beats[i] + shift : 0};
    for (int i = 0; i < p->model->n_services; i++)
        outlook_take(p->outlook, i, player_now(p));
    p->generation = p->outlook->generation;
}

static void start_all(struct player *p)
{
    for (int i = 0; i < p->model->n_services; i++)
        player_give(p, p->model->by_priority ? p->model->by_priority[i] : i,
                    &(struct event){.kind = EVENT_START, .site = SITE_NONE});
    player_settle(p);
}

/* A process's steady time begins as the wall clock stands then. Of the same boot a timer is due at the same instant; of
 * another one, when the wall clock says so. */
void player_restart(struct player *p, const struct happening *h)
{
    p->at += h->duration;
    int64_t shift = p->wall_ahead;
    int64_t of_timers = h->kind == HAPPENS_REBOOT ? 0 : shift;
    p->base += shift;
    p->wall_ahead = 0;
    for (int i = 0; i < p->model->n_services; i++)
        rebuild(&p->views[i], &p->model->services[i], &p->companions[i], h->kind != HAPPENS_RESTART, of_timers);
    outlook_begin(p, of_timers);
    if (p->err == ERR_OK)
        start_all(p);
}

/* ---- the beginning ----------------------------------------------------------------------------------------------- */

static void begin_vote(struct player *p, const struct before *before)
{
    struct thing thing = before->thing;
    thing.at = player_now(p) - before->thing.at;
    thing.kind = THING_COUNT;
    view_apply(&p->views[before->service], &thing);
    thing.kind = THING_VOTE;
    if (before->thing.flag)
        thing.vote = VOTE_UNKNOWN;
    view_apply(&p->views[before->service], &thing);
    player_saw_vote(p, before->service, thing.site, thing.voter);
    if (thing.voter == model_voter_probe(p->model) && !before->thing.flag)
        p->companions[before->service].probe_at[thing.site] = p->model->services[before->service].probe.every_ms;
    if (thing.voter >= p->model->n_sources)
        return;
    const struct happening h = {.service = before->service, .voter = thing.voter, .event = {.site = thing.site}};
    struct stored_alert *alert = player_alert_get(p, &h);
    if (!alert)
        return;
    alert->row.exists = true;
    alert->row.state = before->thing.vote == VOTE_UP ? ALERT_UP : ALERT_FIRING;
    alert->row.first_seen_at = alert->row.last_seen_at = alert->row.changed_at = player_wall(p) - before->thing.at;
    alert->site = thing.site;
    alert->says = before->thing.vote;
}

static void begin_thing(struct player *p, const struct before *before)
{
    struct service_view *view = &p->views[before->service];
    struct thing thing = before->thing;
    if (thing.kind == THING_TIMER_SET)
        thing.at += player_now(p);
    if (thing.kind == THING_RUN_START && thing.run_state != RUN_WAITING)
        view_apply(view, &(struct thing){.kind = THING_ACTIVE, .active = ACTIVE_MOVING, .site = thing.from});
    view_apply(view, &thing);
    if (thing.kind == THING_RUN_START)
        view_apply(view,
                   &(struct thing){.kind = THING_RUN_STATE, .run_state = thing.run_state, .flag = thing.count > 0});
}

/* What is of the outlook comes when that is made of the views. */
static void begin_outlook(struct player *p)
{
    outlook_begin(p, 0);
    for (size_t i = 0; i < p->scase->n_before && p->outlook; i++) {
        const struct before *before = &p->scase->before[i];
        if (before->kind == BEFORE_CUT_OFF)
            p->outlook->is_cut_off = true;
        else if (before->kind == BEFORE_KILLED)
            p->outlook->is_killed = true;
        else if (before->kind == BEFORE_BEAT)
            outlook_hear(p->outlook, before->thing.voter, true, player_now(p));
    }
}

void player_begin(struct player *p)
{
    size_t n = (size_t)p->model->n_services;
    p->base = p->scase->wall;
    p->views = calloc(n, sizeof *p->views);
    p->pointers = calloc(n, sizeof *p->pointers);
    p->companions = calloc(n, sizeof *p->companions);
    if (!p->views || !p->pointers || !p->companions) {
        p->err = ERR_NO_MEMORY;
        return;
    }
    for (size_t i = 0; i < n; i++) {
        service_view_init(&p->views[i]);
        p->pointers[i] = &p->views[i];
    }
    for (size_t i = 0; i < p->scase->n_before; i++) {
        if (p->scase->before[i].kind == BEFORE_VOTE)
            begin_vote(p, &p->scase->before[i]);
        else if (p->scase->before[i].kind == BEFORE_THING)
            begin_thing(p, &p->scase->before[i]);
    }
    for (int i = 0; i < p->model->n_services; i++) {
        player_remember_active(p, i);
        p->companions[i].history[0].wall = INT64_MIN; /* it has been so for as long as anybody knows */
    }
    begin_outlook(p);
    if (p->err == ERR_OK)
        start_all(p);
}

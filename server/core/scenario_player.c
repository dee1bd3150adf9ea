/* The player of a case: decisions are asked for and carried out, and time goes on. Timers fire by themselves between
 * the lines, in the services' order of priority; whoever was refused is asked again when the outlook says that this may
 * have changed. */
#include "core/scenario_player.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_KEPT 200000 /* things between two lines with a time */
#define MAX_LOOKS_AT_ONCE 1000

int64_t player_now(const struct player *p)
{
    return p->base + p->at;
}

int64_t player_wall(const struct player *p)
{
    return player_now(p) + p->wall_ahead;
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

static void tell_kept(struct player *p)
{
    size_t first = p->n_kept > 40 ? p->n_kept - 40 : 0;
    if (p->n_kept == 0)
        strbuf_adds(p->failures, "    nothing was decided\n");
    if (first > 0)
        strbuf_addf(p->failures, "    … %zu things before these\n", first);
    for (size_t i = first; i < p->n_kept; i++) {
        const struct kept_thing *kept = &p->kept[i];
        strbuf_addf(p->failures, "    %s %s: %s [%s]\n", scenario_time(kept->at).text,
                    p->model->services[kept->service].name, kept->thing.text, reason_text(kept->thing.reason));
    }
}

void player_fail(struct player *p, int line, const char *format, ...)
{
    char text[600];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    p->n_failures++;
    strbuf_addf(p->failures, "%s:%d: %s (case \"%s\", at %s)\n", p->scenario->file, line, text, p->scase->title,
                scenario_time(p->at).text);
    tell_kept(p);
}

static void keep(struct player *p, int service, const struct thing *thing)
{
    if (p->n_kept == p->room_kept) {
        size_t room = p->room_kept ? 2 * p->room_kept : 64;
        struct kept_thing *grown = room <= 2 * MAX_KEPT ? realloc(p->kept, room * sizeof *grown) : NULL;
        if (!grown) {
            p->err = room <= 2 * MAX_KEPT ? ERR_NO_MEMORY : ERR_TOO_BIG;
            return;
        }
        p->kept = grown;
        p->room_kept = room;
    }
    p->kept[p->n_kept++] = (struct kept_thing){.service = service, .at = p->at, .now = player_now(p), .thing = *thing};
}

/* ---- deciding and carrying out ----------------------------------------------------------------------------------- */

void player_remember_active(struct player *p, int service)
{
    struct companion *companion = &p->companions[service];
    const struct service_view *view = &p->views[service];
    int64_t wall = player_wall(p);
    if (companion->n_history > 0 && wall <= companion->history[companion->n_history - 1].wall)
        wall = companion->history[companion->n_history - 1].wall + 1;
    if (companion->n_history == MAX_HISTORY) {
        memmove(companion->history, companion->history + 1, (MAX_HISTORY - 1) * sizeof companion->history[0]);
        companion->n_history--;
    }
    companion->history[companion->n_history++] =
        (struct since){wall, view->active == ACTIVE_SITE ? view->active_site : SITE_NONE};
}

void player_saw_vote(struct player *p, int service, int site, int voter)
{
    struct service_view *view = &p->views[service];
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].site == site && view->votes[i].voter == voter)
            p->companions[service].saved_at[i] = view->votes[i].heard_at;
}

void player_outlook_clock(struct player *p)
{
    p->outlook->wall = player_wall(p);
    p->outlook->wall_at = player_now(p);
}

void player_spend(struct player *p, size_t looks)
{
    if (looks > (size_t)(p->max_looks - p->looks))
        p->err = ERR_TOO_BIG;
    else
        p->looks += (int)looks;
}

static void run_ends(struct player *p, int service)
{
    const struct service_view *view = &p->views[service];
    if (view->has_run)
        player_give(p, service,
                    &(struct event){.kind = EVENT_RUN_STATE,
                                    .site = SITE_NONE,
                                    .run_state = RUN_CANCELLED,
                                    .has_effect = view->run_has_effect});
}

static void carry_out(struct player *p, int service, const struct thing *thing)
{
    view_apply(&p->views[service], thing);
    if (thing->kind == THING_ACTIVE)
        player_remember_active(p, service);
    else if (thing->kind == THING_VOTE)
        player_saw_vote(p, service, thing->site, thing->voter);
    keep(p, service, thing);
    if (p->say)
        p->say(p->context,
               &(struct scenario_told){
                   .at = p->at, .model = p->model, .service = service, .thing = thing, .text = thing->text});
}

/* A run that is cancelled without a successor in the same decision has its end told next, as the run itself would. */
void player_give(struct player *p, int service, const struct event *event)
{
    struct things things;
    bool is_cancelled = false;
    if (p->err != ERR_OK)
        return;
    player_spend(p, 1);
    if (p->err != ERR_OK)
        return;
    player_outlook_clock(p);
    decide(&p->model->services[service], p->model, &p->views[service], p->outlook, event, player_now(p), &things);
    for (int i = 0; i < things.count; i++) {
        carry_out(p, service, &things.items[i]);
        if (things.items[i].kind == THING_RUN_CANCEL)
            is_cancelled = true;
        else if (things.items[i].kind == THING_RUN_STATE)
            is_cancelled = false;
    }
    outlook_take(p->outlook, service, player_now(p));
    if (is_cancelled)
        run_ends(p, service);
}

static void look(struct player *p, int service)
{
    player_give(p, service, &(struct event){.kind = EVENT_LOOK, .site = SITE_NONE});
}

static void look_at_all(struct player *p)
{
    for (int i = 0; i < p->model->n_services; i++)
        look(p, p->model->by_priority ? p->model->by_priority[i] : i);
}

/* Whoever waits for something in common is asked again. */
void player_settle(struct player *p)
{
    for (int i = 0; p->generation != p->outlook->generation && p->err == ERR_OK; i++) {
        if (i == MAX_LOOKS_AT_ONCE) {
            player_fail(p, p->scase->line, "the services wake one another up without an end");
            p->err = ERR_INTERNAL;
            return;
        }
        p->generation = p->outlook->generation;
        look_at_all(p);
    }
}

static int64_t service_due_at(const struct player *p, int service)
{
    return view_due_at(&p->model->services[service], p->model, &p->views[service], p->outlook);
}

/* Our own check repeats itself: what it says it goes on saying. */
static int64_t probe_due_at(const struct player *p, int service)
{
    const struct companion *companion = &p->companions[service];
    int64_t due = INT64_MAX;
    for (int site = 0; site < p->model->services[service].n_sites; site++)
        if (companion->probe_at[site] > 0 && p->base + companion->probe_at[site] < due)
            due = p->base + companion->probe_at[site];
    return due;
}

static void probe_repeats(struct player *p, int service)
{
    struct companion *companion = &p->companions[service];
    for (int site = 0; site < p->model->services[service].n_sites; site++) {
        if (companion->probe_at[site] == 0 || companion->probe_at[site] > p->at)
            continue;
        companion->probe_at[site] = p->at + p->model->services[service].probe.every_ms;
        player_hear(p, service, model_voter_probe(p->model), site);
    }
}

static int64_t next_due(const struct player *p)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < p->model->n_services; i++) {
        int64_t at = service_due_at(p, i);
        due = at < due ? at : due;
        at = probe_due_at(p, i);
        due = at < due ? at : due;
    }
    return due;
}

static void fire(struct player *p, bool is_common)
{
    for (int i = 0; i < p->model->n_services; i++) {
        int service = p->model->by_priority ? p->model->by_priority[i] : i;
        probe_repeats(p, service);
        if (is_common || service_due_at(p, service) <= player_now(p))
            look(p, service);
    }
    player_settle(p);
}

/* Time goes on to `at`, and every timer fires on its way. */
void player_advance(struct player *p, int64_t at)
{
    int at_once = 0;
    while (p->err == ERR_OK) {
        player_outlook_clock(p);
        int64_t common = outlook_due_at(p->outlook, player_now(p));
        int64_t due = next_due(p);
        due = (common < due ? common : due);
        if (due > p->base + at)
            break;
        at_once = due - p->base > p->at ? 0 : at_once + 1;
        if (at_once == MAX_LOOKS_AT_ONCE) {
            player_fail(p, p->scase->line, "a timer stays due, however often it is looked at");
            p->err = ERR_INTERNAL;
            return;
        }
        if (due - p->base > p->at)
            p->at = due - p->base;
        player_spend(p, 1 + (size_t)p->model->n_services / 64);
        fire(p, common <= due);
    }
    if (at > p->at)
        p->at = at;
}

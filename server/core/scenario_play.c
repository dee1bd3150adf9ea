/* Plays a case: what the orchestrator does around the decision, without a clock and without a store. Timers fire by
 * themselves between the lines, in the services' order of priority; whoever was refused is asked again when the outlook
 * says that this may have changed. Keep it as orchestrator.c and orchestrator_intake.c do it. */
#include "core/scenario_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ALERT_TIME_TRUST_MS ((int64_t)5 * 60 * 1000)
#define SAVE_VOTES_MS 5000
#define MAX_HISTORY 64
#define MAX_ALERTS 200000
#define MAX_KEPT 200000 /* things between two lines with a time */
#define MAX_LOOKS_AT_ONCE 1000

struct stored_alert {
    int source, service, named_site;
    const char *name; /* "": it is known by its site */
    struct alert_row row;
    int site; /* SITE_NONE: it casts no vote */
    enum vote says;
};

struct since {
    int64_t wall;
    int site; /* SITE_NONE: none was active */
};

/* Of a service, beside its view. */
struct companion {
    struct since history[MAX_HISTORY];
    int n_history;
    int64_t saved_at[MAX_VOTES]; /* heard_at of each vote, as the store has it */
};

struct kept_thing {
    int service;
    int64_t at, now; /* since the beginning; steady */
    struct thing thing;
    bool is_mentioned; /* by an EXPECT */
};

struct player {
    const struct scenario *scenario;
    const struct scenario_case *scase;
    const struct model *model;
    struct service_view *views;
    const struct service_view **pointers;
    struct companion *companions;
    struct outlook *outlook;
    struct stored_alert *alerts;
    size_t n_alerts, room_alerts;
    struct kept_thing *kept; /* since the last line with a time */
    size_t n_kept, room_kept;
    int64_t base;       /* steady time at the beginning of the case, as this process counts it */
    int64_t at;         /* since the beginning of the case */
    int64_t wall_ahead; /* of the steady time */
    int64_t generation; /* of the outlook, as of the last look at everybody */
    int looks, max_looks;
    const struct line *window; /* the line with a time that the kept things belong to; NULL: the beginning */
    int n_failures;
    scenario_say say;
    void *context;
    struct strbuf *failures;
    enum err err;
};

static int64_t now_of(const struct player *p)
{
    return p->base + p->at;
}

static int64_t wall_of(const struct player *p)
{
    return now_of(p) + p->wall_ahead;
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

static void fail(struct player *p, int line, const char *format, ...) PRINTF_LIKE(3, 4);

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

static void fail(struct player *p, int line, const char *format, ...)
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
    p->kept[p->n_kept++] = (struct kept_thing){.service = service, .at = p->at, .now = now_of(p), .thing = *thing};
}

/* ---- deciding and carrying out ----------------------------------------------------------------------------------- */

static void remember_active(struct player *p, int service)
{
    struct companion *companion = &p->companions[service];
    const struct service_view *view = &p->views[service];
    int64_t wall = wall_of(p);
    if (companion->n_history > 0 && wall <= companion->history[companion->n_history - 1].wall)
        wall = companion->history[companion->n_history - 1].wall + 1;
    if (companion->n_history == MAX_HISTORY) {
        memmove(companion->history, companion->history + 1, (MAX_HISTORY - 1) * sizeof companion->history[0]);
        companion->n_history--;
    }
    companion->history[companion->n_history++] =
        (struct since){wall, view->active == ACTIVE_SITE ? view->active_site : SITE_NONE};
}

static void saw_vote(struct player *p, int service, int site, int voter)
{
    struct service_view *view = &p->views[service];
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].site == site && view->votes[i].voter == voter)
            p->companions[service].saved_at[i] = view->votes[i].heard_at;
}

static void give(struct player *p, int service, const struct event *event);

static void run_ends(struct player *p, int service)
{
    const struct service_view *view = &p->views[service];
    if (view->has_run)
        give(p, service,
             &(struct event){.kind = EVENT_RUN_STATE,
                             .site = SITE_NONE,
                             .run_state = RUN_CANCELLED,
                             .has_effect = view->run_has_effect});
}

static void carry_out(struct player *p, int service, const struct thing *thing)
{
    view_apply(&p->views[service], thing);
    if (thing->kind == THING_ACTIVE)
        remember_active(p, service);
    else if (thing->kind == THING_VOTE)
        saw_vote(p, service, thing->site, thing->voter);
    keep(p, service, thing);
    if (p->say)
        p->say(p->context,
               &(struct scenario_told){
                   .at = p->at, .model = p->model, .service = service, .thing = thing, .text = thing->text});
}

/* A run that is cancelled without a successor in the same decision has its end told next, as the run itself would. */
static void give(struct player *p, int service, const struct event *event)
{
    struct things things;
    bool is_cancelled = false;
    if (p->err != ERR_OK)
        return;
    if (++p->looks > p->max_looks) {
        p->err = ERR_TOO_BIG;
        return;
    }
    p->outlook->wall = wall_of(p);
    decide(&p->model->services[service], p->model, &p->views[service], p->outlook, event, now_of(p), &things);
    for (int i = 0; i < things.count; i++) {
        carry_out(p, service, &things.items[i]);
        if (things.items[i].kind == THING_RUN_CANCEL)
            is_cancelled = true;
        else if (things.items[i].kind == THING_RUN_START || things.items[i].kind == THING_RUN_STATE)
            is_cancelled = false;
    }
    outlook_take(p->outlook, service, now_of(p));
    if (is_cancelled)
        run_ends(p, service);
}

static void look(struct player *p, int service)
{
    give(p, service, &(struct event){.kind = EVENT_LOOK, .site = SITE_NONE});
}

static void look_at_all(struct player *p)
{
    for (int i = 0; i < p->model->n_services; i++)
        look(p, p->model->by_priority ? p->model->by_priority[i] : i);
}

/* Whoever waits for something in common is asked again. */
static void settle(struct player *p)
{
    for (int i = 0; p->generation != p->outlook->generation && p->err == ERR_OK; i++) {
        if (i == MAX_LOOKS_AT_ONCE) {
            fail(p, p->scase->line, "the services wake one another up without an end");
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

static int64_t next_due(struct player *p)
{
    p->outlook->wall = wall_of(p);
    int64_t due = outlook_due_at(p->outlook, now_of(p));
    for (int i = 0; i < p->model->n_services; i++) {
        int64_t at = service_due_at(p, i);
        due = at < due ? at : due;
    }
    return due;
}

static void fire(struct player *p)
{
    bool is_common = outlook_due_at(p->outlook, now_of(p)) <= now_of(p);
    for (int i = 0; i < p->model->n_services; i++) {
        int service = p->model->by_priority ? p->model->by_priority[i] : i;
        if (is_common || service_due_at(p, service) <= now_of(p))
            look(p, service);
    }
    settle(p);
}

/* Time goes on to `at`, and every timer fires on its way. */
static void advance(struct player *p, int64_t at)
{
    int at_once = 0;
    while (p->err == ERR_OK) {
        int64_t due = next_due(p) - p->base;
        if (due > at)
            break;
        at_once = due > p->at ? 0 : at_once + 1;
        if (at_once == MAX_LOOKS_AT_ONCE) {
            fail(p, p->scase->line, "a timer stays due, however often it is looked at");
            p->err = ERR_INTERNAL;
            return;
        }
        if (due > p->at)
            p->at = due;
        fire(p);
    }
    if (at > p->at)
        p->at = at;
}

/* ---- alerts, as the intake takes them ---------------------------------------------------------------------------- */

static struct stored_alert *alert_get(struct player *p, const struct happening *h)
{
    const char *name = h->alert ? h->alert : "";
    for (size_t i = 0; i < p->n_alerts; i++) {
        struct stored_alert *alert = &p->alerts[i];
        if (alert->source == h->voter && alert->service == h->service && strcmp(alert->name, name) == 0 &&
            (h->alert || alert->named_site == h->event.site))
            return alert;
    }
    if (p->n_alerts == p->room_alerts) {
        size_t room = p->room_alerts ? 2 * p->room_alerts : 64;
        struct stored_alert *grown = room <= MAX_ALERTS ? realloc(p->alerts, room * sizeof *grown) : NULL;
        if (!grown) {
            p->err = room <= MAX_ALERTS ? ERR_NO_MEMORY : ERR_TOO_BIG;
            return NULL;
        }
        p->alerts = grown;
        p->room_alerts = room;
    }
    struct stored_alert *alert = &p->alerts[p->n_alerts++];
    *alert = (struct stored_alert){
        .source = h->voter, .service = h->service, .named_site = h->event.site, .name = name, .site = SITE_NONE};
    alert->row.starts_at = alert->row.ends_at = alert->row.asserted_at = TIME_UNKNOWN;
    return alert;
}

static int64_t sent_at(const struct player *p, int64_t at)
{
    return at == TIME_UNKNOWN ? TIME_UNKNOWN : p->scase->wall + at;
}

static int active_at(const struct player *p, int service, int64_t wall)
{
    const struct companion *companion = &p->companions[service];
    for (int i = companion->n_history - 1; i >= 0; i--)
        if (companion->history[i].wall <= wall)
            return companion->history[i].site;
    return SITE_NONE;
}

/* `site: active` is the site that was active at the alert's own time, where that can be believed; what spoke of a site
 * before goes on to. */
static int site_of_alert(const struct player *p, const struct stored_alert *alert, const struct happening *h)
{
    if (h->event.site != SITE_OF_ALERT_TIME)
        return h->event.site;
    if (alert->site >= 0)
        return alert->site;
    int64_t began = sent_at(p, h->began_at);
    int64_t wall = wall_of(p);
    bool is_believed = began != TIME_UNKNOWN && began <= wall && began >= wall - ALERT_TIME_TRUST_MS;
    return active_at(p, h->service, is_believed ? began : wall);
}

static void vote(struct player *p, int service, int voter, int site, enum vote says, int delta)
{
    give(p, service, &(struct event){.kind = EVENT_ALERT, .voter = voter, .site = site, .says = says, .delta = delta});
}

static void hear(struct player *p, int service, int voter, int site)
{
    struct service_view *view = &p->views[service];
    bool has_expired = view_hear(view, site, voter, now_of(p));
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].site == site && view->votes[i].voter == voter &&
            now_of(p) - p->companions[service].saved_at[i] >= SAVE_VOTES_MS)
            p->companions[service].saved_at[i] = now_of(p);
    if (has_expired)
        give(p, service, &(struct event){.kind = EVENT_HEARD, .voter = voter, .site = site});
}

static void alert_changes(struct player *p, struct stored_alert *alert, const struct happening *h)
{
    int old_site = alert->site;
    enum vote old_says = alert->says;
    bool is_active_rule = h->event.site == SITE_OF_ALERT_TIME;
    bool is_up = h->state == ALERT_UP && !is_active_rule;
    alert->site = h->state == ALERT_FIRING || is_up ? site_of_alert(p, alert, h) : SITE_NONE;
    alert->says = is_up ? VOTE_UP : VOTE_DOWN;
    if (alert->site >= 0)
        vote(p, h->service, h->voter, alert->site, alert->says, 1);
    if (old_site >= 0)
        vote(p, h->service, h->voter, old_site, old_says, -1);
}

static void take_alert(struct player *p, const struct happening *h)
{
    const struct service_view *view = &p->views[h->service];
    outlook_hear(p->outlook, h->voter, false, now_of(p));
    /* After a run's first effect what speaks of the active site may mean either, until old answers have run out. */
    bool is_of_active = h->event.site == SITE_OF_ALERT_TIME;
    if (is_of_active && ((view->has_run && view->run_has_effect) || now_of(p) < view->settle_until))
        return;
    struct stored_alert *stored = alert_get(p, h);
    if (!stored)
        return;
    const struct alert said = {.state = h->state,
                               .starts_at = sent_at(p, h->began_at),
                               .ends_at = sent_at(p, h->ended_at),
                               .asserted_at = sent_at(p, h->said_at)};
    struct alert_row after;
    enum alert_verdict verdict = alert_take(&stored->row, &said, wall_of(p), &after);
    if (verdict == ALERT_VERDICT_LATE)
        return;
    stored->row = after;
    stored->row.exists = true;
    if (verdict == ALERT_VERDICT_NEW)
        alert_changes(p, stored, h);
    else if (stored->site >= 0)
        hear(p, h->service, h->voter, stored->site);
}

/* What our own probe, or a person, says now takes the place of what they said before. */
static void take_says(struct player *p, int service, int voter, int site, enum vote says)
{
    const struct vote_view *found = view_vote_find(&p->views[service], site, voter);
    const struct vote_view before = found ? *found : (struct vote_view){.vote = VOTE_UNKNOWN};
    if ((says == VOTE_DOWN && before.down > 0) || (says == VOTE_UP && before.up > 0)) {
        hear(p, service, voter, site);
        return;
    }
    if (says != VOTE_UNKNOWN)
        vote(p, service, voter, site, says, 1);
    if (before.down > 0)
        vote(p, service, voter, site, VOTE_DOWN, -before.down);
    if (before.up > 0)
        vote(p, service, voter, site, VOTE_UP, -before.up);
}

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
}

/* Silence of sources before the start proves nothing. */
static void outlook_begin(struct player *p)
{
    bool is_cut_off = p->outlook && p->outlook->is_cut_off;
    bool is_killed = p->outlook && p->outlook->is_killed;
    outlook_free(p->outlook);
    p->outlook = outlook_new(p->model, p->pointers);
    if (!p->outlook) {
        p->err = ERR_NO_MEMORY;
        return;
    }
    p->outlook->wall = wall_of(p);
    p->outlook->is_cut_off = is_cut_off;
    p->outlook->is_killed = is_killed;
    for (int i = 0; i < p->model->n_sources; i++)
        p->outlook->sources[i].heard_at = now_of(p);
    for (int i = 0; i < p->model->n_services; i++)
        outlook_take(p->outlook, i, now_of(p));
    p->generation = p->outlook->generation;
}

static void start_all(struct player *p)
{
    for (int i = 0; i < p->model->n_services; i++)
        give(p, p->model->by_priority ? p->model->by_priority[i] : i,
             &(struct event){.kind = EVENT_START, .site = SITE_NONE});
    settle(p);
}

/* A process's steady time begins as the wall clock stands then. Of the same boot a timer is due at the same instant; of
 * another one, when the wall clock says so. */
static void restart(struct player *p, const struct happening *h)
{
    p->at += h->duration;
    int64_t shift = p->wall_ahead;
    p->base += shift;
    p->wall_ahead = 0;
    for (int i = 0; i < p->model->n_services; i++)
        rebuild(&p->views[i], &p->model->services[i], &p->companions[i], h->kind != HAPPENS_RESTART,
                h->kind == HAPPENS_REBOOT ? 0 : shift);
    outlook_begin(p);
    if (p->err == ERR_OK)
        start_all(p);
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static void run_event(struct player *p, int service, enum run_state state, bool has_effect)
{
    give(p, service,
         &(struct event){.kind = EVENT_RUN_STATE, .site = SITE_NONE, .run_state = state, .has_effect = has_effect});
}

/* The run asks before it goes on. An answer that lets it go is the last thing that it is told. */
static void run_point(struct player *p, int service, bool is_first_effect)
{
    size_t first = p->n_kept;
    give(p, service,
         &(struct event){.kind = EVENT_RUN_POINT, .site = SITE_NONE, .has_effect = p->views[service].run_has_effect});
    for (size_t i = first; i < p->n_kept && p->err == ERR_OK; i++) {
        if (p->kept[i].service != service)
            continue;
        if (p->kept[i].thing.kind == THING_RUN_HALT) {
            run_event(p, service, RUN_ATTENTION, p->views[service].run_has_effect);
            return;
        }
        if (p->kept[i].thing.kind == THING_RUN_GOES && is_first_effect) {
            run_event(p, service, RUN_RUNNING, true);
            return;
        }
    }
}

static void happens_run(struct player *p, const struct line *line)
{
    const struct happening *h = &line->happening;
    const struct service_view *view = &p->views[h->service];
    if (!view->has_run || view->run_state == RUN_WAITING) {
        fail(p, line->line, "%s has no run under way that this could happen to", p->model->services[h->service].name);
        return;
    }
    if (h->kind == HAPPENS_RUN)
        run_event(p, h->service, h->event.run_state, view->run_has_effect);
    else
        run_point(p, h->service, h->kind == HAPPENS_EFFECT);
}

static void happens_outside(struct player *p, const struct happening *h)
{
    if (h->kind == HAPPENS_CUT_OFF)
        p->outlook->is_cut_off = !h->is_over;
    else
        p->outlook->is_killed = !h->is_over;
    look_at_all(p);
}

static void happens_beat(struct player *p, const struct happening *h)
{
    outlook_hear(p->outlook, h->voter, h->kind == HAPPENS_BEAT, now_of(p));
    if (h->kind == HAPPENS_BEAT_ENDS)
        outlook_beat_ends(p->outlook, h->voter);
}

static void happens(struct player *p, const struct line *line)
{
    const struct happening *h = &line->happening;
    switch (h->kind) {
    case HAPPENS_NOTHING:
        break;
    case HAPPENS_ALERT:
        take_alert(p, h);
        break;
    case HAPPENS_DELIVERY:
    case HAPPENS_BEAT:
    case HAPPENS_BEAT_ENDS:
        happens_beat(p, h);
        break;
    case HAPPENS_SAYS:
        take_says(p, h->service, h->voter, h->event.site, h->event.says);
        break;
    case HAPPENS_OPERATOR:
        if (h->event.kind == EVENT_ALERT)
            take_says(p, h->service, h->voter, h->event.site, h->event.says);
        else
            give(p, h->service, &h->event);
        break;
    case HAPPENS_OBSERVED:
        give(p, h->service, &h->event);
        break;
    case HAPPENS_RUN:
    case HAPPENS_EFFECT:
    case HAPPENS_POINT:
        happens_run(p, line);
        break;
    case HAPPENS_RESTART:
    case HAPPENS_KILL:
    case HAPPENS_REBOOT:
        restart(p, h);
        break;
    case HAPPENS_CLOCK:
        p->wall_ahead += h->duration;
        break;
    case HAPPENS_CUT_OFF:
    case HAPPENS_KILL_SWITCH:
        happens_outside(p, h);
        break;
    }
}

/* ---- the beginning ----------------------------------------------------------------------------------------------- */

static void begin_vote(struct player *p, const struct before *before)
{
    struct thing thing = before->thing;
    thing.at = now_of(p) - before->thing.at;
    thing.kind = THING_COUNT;
    view_apply(&p->views[before->service], &thing);
    thing.kind = THING_VOTE;
    if (before->thing.flag)
        thing.vote = VOTE_UNKNOWN;
    view_apply(&p->views[before->service], &thing);
    saw_vote(p, before->service, thing.site, thing.voter);
    if (thing.voter >= p->model->n_sources)
        return;
    const struct happening h = {.service = before->service, .voter = thing.voter, .event = {.site = thing.site}};
    struct stored_alert *alert = alert_get(p, &h);
    if (!alert)
        return;
    alert->row.exists = true;
    alert->row.state = before->thing.vote == VOTE_UP ? ALERT_UP : ALERT_FIRING;
    alert->row.first_seen_at = alert->row.last_seen_at = alert->row.changed_at = wall_of(p) - before->thing.at;
    alert->site = thing.site;
    alert->says = before->thing.vote;
}

static void begin_thing(struct player *p, const struct before *before)
{
    struct service_view *view = &p->views[before->service];
    struct thing thing = before->thing;
    if (thing.kind == THING_TIMER_SET)
        thing.at += now_of(p);
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
    outlook_begin(p);
    for (size_t i = 0; i < p->scase->n_before && p->outlook; i++) {
        const struct before *before = &p->scase->before[i];
        if (before->kind == BEFORE_CUT_OFF)
            p->outlook->is_cut_off = true;
        else if (before->kind == BEFORE_KILLED)
            p->outlook->is_killed = true;
        else if (before->kind == BEFORE_BEAT)
            outlook_hear(p->outlook, before->thing.voter, true, now_of(p));
    }
}

static void begin(struct player *p)
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
    for (int i = 0; i < p->model->n_services; i++)
        remember_active(p, i);
    begin_outlook(p);
    if (p->err == ERR_OK)
        start_all(p);
}

/* ---- what has to be so ------------------------------------------------------------------------------------------- */

static void expect_things(struct player *p, const struct line *line)
{
    const struct expectation *e = &line->expectation;
    int n = 0;
    for (size_t i = 0; i < p->n_kept; i++) {
        struct kept_thing *kept = &p->kept[i];
        bool is_it = e->kind == EXPECT_NOTHING
                         ? kept->thing.kind != THING_COUNT && (e->service == ANY || e->service == kept->service)
                         : expect_matches(e, kept->service, &kept->thing, kept->now);
        kept->is_mentioned |= is_it;
        n += is_it;
    }
    if (e->count == ANY && n == 0)
        fail(p, line->line, "not decided: %.300s", line->text);
    else if (e->count != ANY && n != e->count)
        fail(p, line->line, "decided %d time%s: %.300s", n, n == 1 ? "" : "s", line->text);
}

static void expect(struct player *p, const struct line *line)
{
    const struct expectation *e = &line->expectation;
    char is[300] = "";
    if (e->kind == EXPECT_THINGS || e->kind == EXPECT_NOTHING)
        expect_things(p, line);
    else if (!expect_state(e, p->model, &p->views[e->service], now_of(p), is, sizeof is))
        fail(p, line->line, "not so: %.200s: %s: %s", line->text, p->model->services[e->service].name, is);
}

/* In a case that expects anything, nothing is started or stopped that it does not mention. */
static void window_end(struct player *p)
{
    for (size_t i = 0; p->scase->has_expectation && i < p->n_kept && p->err == ERR_OK; i++) {
        const struct kept_thing *kept = &p->kept[i];
        if (kept->is_mentioned || !expect_is_asked_for(&kept->thing))
            continue;
        fail(p, p->window ? p->window->line : p->scase->line, "decided, and no EXPECT mentions it: %s: %s",
             p->model->services[kept->service].name, kept->thing.text);
        break;
    }
    p->n_kept = 0;
}

static void play_line(struct player *p, const struct line *line, bool is_last_of_repeat)
{
    if (!line->is_continued && (line->is_event || line->is_timed)) {
        window_end(p);
        p->window = line;
        advance(p, line->at);
    }
    if (p->err != ERR_OK)
        return;
    if (!line->is_event) {
        expect(p, line);
        return;
    }
    if (p->say && !line->is_continued)
        p->say(p->context, &(struct scenario_told){.at = p->at, .model = p->model, .service = -1, .text = line->text});
    happens(p, line);
    if (is_last_of_repeat)
        settle(p);
}

static void player_done(struct player *p)
{
    outlook_free(p->outlook);
    free(p->views);
    free(p->pointers);
    free(p->companions);
    free(p->alerts);
    free(p->kept);
}

enum err scenario_play(const struct scenario *scenario, int n, int max_looks, scenario_say say, void *context,
                       struct strbuf *failures)
{
    const struct scenario_case *scase = &scenario->cases[n];
    struct player p = {.scenario = scenario,
                       .scase = scase,
                       .model = scase->model,
                       .max_looks = max_looks,
                       .say = say,
                       .context = context,
                       .failures = failures};
    begin(&p);
    for (size_t i = 0; i < scase->n_lines && p.err == ERR_OK; i++)
        play_line(&p, &scase->lines[i], i + 1 == scase->n_lines || !scase->lines[i + 1].is_continued);
    if (p.err == ERR_OK)
        window_end(&p);
    player_done(&p);
    return p.err == ERR_OK && p.n_failures > 0 ? ERR_CONFLICT : p.err;
}

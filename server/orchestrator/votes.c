/* What an alert says of services: its matches, which are rows, and the votes that follow from them; and when voters and
 * sources were last heard, which is saved some seconds later.
 *
 * A repeat has to refresh each vote that its alert stands for, and must cost no SQL: the matches of an alert are kept
 * with its row, and read once where they are not. They stand in the order of services, as an alert's targets do, so
 * that the two are compared in one walk. What a vote comes to is the core's. */
#include "base/clock.h"
#include "orchestrator/internal.h"

#include <stdlib.h>

#define SAVE_HEARD_AFTER_MS 5000 /* of one service or source */
#define SAVE_HEARD_EVERY_MS 1000 /* at most: repeats are fast because they wait for no disk */
#define SAVE_HEARD_SLICE 2000    /* rows at a time */

/* ---- the matches of an alert ------------------------------------------------------------------------------------- */

struct match_reading {
    const struct model *model;
    struct matches *matches;
    int voter; /* -1: one that the configuration has lost */
    bool is_broken;
};

static void take_match(void *context, const struct match_row *row)
{
    struct match_reading *reading = context;
    struct matches *matches = reading->matches;
    struct match *grown = realloc(matches->items, ((size_t)matches->n + 1) * sizeof *grown);
    if (!grown) {
        reading->is_broken = true;
        return;
    }
    matches->items = grown;
    int service = model_service_find(reading->model, row->service);
    int site = service < 0 ? SITE_NONE : service_site_find(&reading->model->services[service], row->site);
    grown[matches->n++] = (struct match){.service = service, .site = site, .says = row->says};
    reading->voter = model_voter_find(reading->model, row->source);
}

static int in_order(const void *a, const void *b)
{
    const struct match *x = a;
    const struct match *y = b;
    return (x->service > y->service) - (x->service < y->service);
}

void votes_read(struct orchestrator *o, struct alert_entry *entry)
{
    struct matches *matches = &entry->matches;
    if (matches->is_known)
        return;
    matches->is_known = true;
    if (entry->row.n_matches == 0)
        return;
    struct errmsg why = {0};
    struct match_reading reading = {.model = o->settings.model, .matches = matches, .voter = -1};
    enum err err = store_matches_get(o->settings.store, &entry->row.key, take_match, &reading, &why);
    if (err == ERR_OK && reading.is_broken)
        err = err_set(&why, ERR_NO_MEMORY, "the matches of an alert could not be read");
    if (err != ERR_OK)
        batch_break(o, err, &why);
    if (entry->row.source < 0) /* its row does not say */
        entry->row.source = reading.voter;
    if (matches->n > 1)
        qsort(matches->items, (size_t)matches->n, sizeof *matches->items, in_order);
}

static const struct match *match_of(const struct matches *matches, int service)
{
    int low = 0;
    int high = matches->n;
    while (low < high) {
        int middle = low + (high - low) / 2;
        if (matches->items[middle].service < service)
            low = middle + 1;
        else
            high = middle;
    }
    return low < matches->n && matches->items[low].service == service ? &matches->items[low] : NULL;
}

static enum vote says_of(enum alert_state state)
{
    return state == ALERT_FIRING ? VOTE_DOWN : state == ALERT_UP ? VOTE_UP : VOTE_UNKNOWN;
}

/* ---- rules with `site: active` ----------------------------------------------------------------------------------- */

/* From a run's first effect until old answers have run out, nobody knows which site it is that a public name leads to.
 */
static bool is_put_off(const struct orchestrator *o, int service)
{
    const struct service_state *state = &o->world->services[service];
    return state->view.settle_until > o->now || (state->view.has_run && state->view.run_has_effect) ||
           (state->run && state->run->run.has_effect);
}

/* The site that a repeat speaks of; SITE_NONE: of none that is known. */
static int site_now(const struct orchestrator *o, int service)
{
    const struct service_view *view = &o->world->services[service].view;
    return view->active == ACTIVE_SITE && !is_put_off(o, service) ? view->active_site : SITE_NONE;
}

/* The site that was active at that time: after the clock was set back behind the last change, the one that is now. */
static int site_at(const struct orchestrator *o, int service, int64_t wall)
{
    const struct service_state *state = &o->world->services[service];
    bool is_set_back = state->n_history > 0 && state->history[state->n_history - 1].since > o->wall;
    if (!is_set_back)
        return active_site_at(state, wall);
    return state->view.active == ACTIVE_SITE ? state->view.active_site : SITE_NONE;
}

/* Whether it has been active for so long that no copy of an alert from before is on its way any more. */
static bool is_old(const struct orchestrator *o, int service, int site)
{
    return site_at(o, service, o->wall - ALERT_TIME_TRUST_MS) == site;
}

/* `site: active` means the site that was active at the alert's own time, where its sender's clock can be believed. What
 * still fires after it was put off, or when nothing was known to be active, speaks of the one that is active now. */
static int resolve_site(const struct orchestrator *o, const struct alert_target *target, int64_t starts_at,
                        bool is_repeat)
{
    if (target->site != SITE_OF_ALERT_TIME)
        return target->site;
    int64_t at = o->wall;
    if (!is_repeat && starts_at != TIME_UNKNOWN && starts_at <= o->wall && starts_at >= o->wall - ALERT_TIME_TRUST_MS)
        at = starts_at;
    return is_put_off(o, target->service) ? SITE_NONE : site_at(o, target->service, at);
}

/* Whether a repeat would vote of another site than the alert has voted of so far (`match`; NULL: of none). */
static bool is_elsewhere(const struct orchestrator *o, const struct alert_target *target, const struct match *match,
                         enum vote says)
{
    if (target->site != SITE_OF_ALERT_TIME)
        return !match || match->site != target->site;
    if (says != VOTE_DOWN)
        return match != NULL;
    int site = site_now(o, target->service);
    if (site < 0 || (match && match->site == site))
        return false;
    return !match || is_old(o, target->service, site);
}

bool votes_are_as_said(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert)
{
    enum vote says = says_of(entry->row.state);
    if (says == VOTE_UNKNOWN)
        return true;
    votes_read(o, entry);
    const struct matches *matches = &entry->matches;
    int k = 0;
    while (k < matches->n && matches->items[k].service < 0) /* of services that the configuration has lost */
        k++;
    for (int i = 0; i < alert->n_targets; i++) {
        const struct alert_target *target = &alert->targets[i];
        bool is_there = k < matches->n && matches->items[k].service == target->service;
        if (!is_there && k < matches->n && matches->items[k].service < target->service)
            return false;
        if (is_elsewhere(o, target, is_there ? &matches->items[k] : NULL, says))
            return false;
        k += is_there;
    }
    return k == matches->n;
}

/* ---- moving votes ------------------------------------------------------------------------------------------------ */

static void withdraw(struct orchestrator *o, int voter, struct matches *old, const struct cause *cause)
{
    for (int i = 0; i < old->n; i++) {
        const struct match *match = &old->items[i];
        if (voter < 0 || match->service < 0 || match->site < 0)
            continue;
        service_event(
            o, match->service,
            &(struct event){.kind = EVENT_ALERT, .voter = voter, .site = match->site, .says = match->says, .delta = -1},
            cause);
    }
    free(old->items);
}

static void note_no_vote(struct orchestrator *o, const struct service *service, bool is_waiting,
                         const struct cause *cause)
{
    journal_note(o, &(struct note){.kind = "decision.not_acted",
                                   .service = service->name,
                                   .who = cause->who,
                                   .text = is_waiting ? "an alert speaks of the active site, which a run is moving or "
                                                        "has just moved: it casts no vote before old answers have run "
                                                        "out, and then if it is repeated"
                                                      : "an alert speaks of the active site, and at its time no site "
                                                        "was known to be active: it casts no vote",
                                   .delivery = cause->delivery});
}

static void cast_one(struct orchestrator *o, struct alert_entry *entry, const struct match *match,
                     const struct cause *cause)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[match->service];
    batch_match(o->rows, &(struct match_row){.key = entry->row.key,
                                             .service = service->name,
                                             .site = service->sites[match->site].name,
                                             .says = match->says,
                                             .source = model_voter_name(model, entry->row.source)});
    entry->matches.items[entry->matches.n++] = *match;
    service_event(
        o, match->service,
        &(struct event){
            .kind = EVENT_ALERT, .voter = entry->row.source, .site = match->site, .says = match->says, .delta = 1},
        cause);
}

/* `old`: what it voted for until now; a vote that was cast by the alert's time stays where it is, unless the alert is
 * repeated when another site has long been active. */
static void cast(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert, enum vote says,
                 bool is_repeat, const struct matches *old, const struct cause *cause)
{
    entry->matches.items = calloc((size_t)alert->n_targets, sizeof *entry->matches.items);
    if (!entry->matches.items) {
        batch_break(o, ERR_NO_MEMORY, &(struct errmsg){"out of memory"});
        return;
    }
    for (int i = 0; i < alert->n_targets; i++) {
        const struct alert_target *target = &alert->targets[i];
        bool is_of_active = target->site == SITE_OF_ALERT_TIME;
        if (is_of_active && says == VOTE_UP) /* what a public name gives says nothing of one site */
            continue;
        const struct match *before = is_of_active ? match_of(old, target->service) : NULL;
        bool stays = before && before->site >= 0 && before->says == says && !is_elsewhere(o, target, before, says);
        int site = stays ? before->site : resolve_site(o, target, alert->starts_at, is_repeat);
        if (site < 0)
            note_no_vote(o, &o->settings.model->services[target->service], is_put_off(o, target->service), cause);
        else
            cast_one(o, entry, &(struct match){.service = target->service, .site = site, .says = says}, cause);
    }
}

void votes_move(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert, bool is_repeat,
                const struct cause *cause)
{
    enum vote says = says_of(alert->state);
    votes_read(o, entry);
    struct matches old = entry->matches;
    entry->matches = (struct matches){.is_known = true};
    if (old.n > 0)
        batch_match_remove(o->rows, &entry->row.key);
    /* First the new votes: what speaks of the same site before and after has not ceased in between. */
    if (says != VOTE_UNKNOWN && alert->n_targets > 0)
        cast(o, entry, alert, says, is_repeat, &old, cause);
    entry->row.n_matches = entry->matches.n;
    withdraw(o, entry->row.source, &old, cause);
}

void votes_withdraw(struct orchestrator *o, struct alert_entry *entry, const struct cause *cause)
{
    votes_read(o, entry);
    struct matches old = entry->matches;
    entry->matches = (struct matches){.is_known = true};
    entry->row.n_matches = 0;
    batch_match_remove(o->rows, &entry->row.key);
    withdraw(o, entry->row.source, &old, cause);
}

/* ---- what is heard ----------------------------------------------------------------------------------------------- */

void votes_mark(struct world *world, int service, int site, int voter)
{
    struct service_state *state = &world->services[service];
    const struct vote_view *vote = view_vote_find(&state->view, site, voter);
    if (!vote)
        return;
    size_t i = (size_t)(vote - state->view.votes);
    state->heard[i / 64] |= UINT64_C(1) << i % 64;
    if (state->is_heard)
        return;
    state->is_heard = true;
    world->heard[world->n_heard++] = service;
}

void votes_hear(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert, const struct cause *cause)
{
    int voter = entry->row.source;
    const struct matches *matches = &entry->matches;
    for (int i = 0, k = 0; i < matches->n; i++) {
        const struct match *match = &matches->items[i];
        if (match->service < 0 || match->site < 0)
            continue;
        while (k < alert->n_targets && alert->targets[k].service < match->service)
            k++;
        /* Of the active site a repeat speaks only where that is still the one. */
        if (k < alert->n_targets && alert->targets[k].site == SITE_OF_ALERT_TIME &&
            match->site != site_now(o, match->service))
            continue;
        bool is_news = view_hear(&o->world->services[match->service].view, match->site, voter, o->now);
        votes_mark(o->world, match->service, match->site, voter);
        if (!is_news)
            continue;
        entry->is_changed = true; /* its sender is answered after the commit */
        service_event(o, match->service,
                      &(struct event){.kind = EVENT_HEARD, .voter = voter, .site = match->site, .says = match->says},
                      cause);
    }
}

void votes_hear_source(struct orchestrator *o, int source, bool is_beat)
{
    outlook_hear(o->world->outlook, source, is_beat, o->now);
    o->sources[source].is_unsaved = true;
    o->sources[source].last = o->world->outlook->sources[source];
}

void votes_end_beat(struct orchestrator *o, int source)
{
    outlook_beat_ends(o->world->outlook, source);
    o->sources[source].last = o->world->outlook->sources[source];
}

void votes_put_source(struct orchestrator *o, int source)
{
    const struct source_outlook *heard = &o->world->outlook->sources[source];
    batch_source(o->rows, &(struct source_row){.name = o->settings.model->source_names[source],
                                               .open_alerts = o->world->open_alerts[source],
                                               .heard_at = heard->heard_at,
                                               .beat_at = heard->beat_at,
                                               .offset_ms = clock_offset_ms(),
                                               .boot_id = clock_boot_id()});
    o->sources[source].is_unsaved = false;
    o->sources[source].saved_at = o->now;
}

/* ---- saving it --------------------------------------------------------------------------------------------------- */

void votes_put(struct orchestrator *o, int index, const struct vote_view *vote)
{
    const struct service *service = &o->settings.model->services[index];
    batch_vote(o->rows, &(struct vote_row){.service = service->name,
                                           .site = service->sites[vote->site].name,
                                           .source = model_voter_name(o->settings.model, vote->voter),
                                           .vote = vote->vote,
                                           .heard_at = vote->heard_at,
                                           .offset_ms = clock_offset_ms(),
                                           .boot_id = clock_boot_id()});
}

static int save_votes_of(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    int n = 0;
    for (int i = 0; i < state->view.n_votes; i++) {
        const struct vote_view *vote = &state->view.votes[i];
        if ((state->heard[i / 64] & UINT64_C(1) << i % 64) == 0)
            continue;
        votes_put(o, index, vote);
        n++;
    }
    for (size_t i = 0; i < sizeof state->heard / sizeof state->heard[0]; i++)
        state->heard[i] = 0;
    state->is_heard = false;
    state->heard_saved_at = o->now;
    return n;
}

static void save_sources(struct orchestrator *o, bool all)
{
    for (int source = 0; source < o->settings.model->n_sources; source++) {
        int64_t at = o->sources[source].saved_at + SAVE_HEARD_AFTER_MS;
        if (!o->sources[source].is_unsaved)
            continue;
        if (all || o->now >= at)
            votes_put_source(o, source);
        else
            due_at(o, at);
    }
}

static bool has_unsaved(const struct orchestrator *o)
{
    bool has = o->world->n_heard > 0;
    for (int source = 0; source < o->settings.model->n_sources && !has; source++)
        has = o->sources[source].is_unsaved;
    return has;
}

/* A failed commit takes the world with it, and with it what is marked as saved here. */
void votes_save(struct orchestrator *o, bool all)
{
    struct world *world = o->world;
    int64_t next = o->heard_saved_at + SAVE_HEARD_EVERY_MS;
    if (!has_unsaved(o))
        return;
    if (!all && o->now < next) {
        due_at(o, next);
        return;
    }
    o->heard_saved_at = o->now;
    int n = 0;
    int n_left = 0;
    for (int i = 0; i < world->n_heard; i++) {
        int index = world->heard[i];
        int64_t at = world->services[index].heard_saved_at + SAVE_HEARD_AFTER_MS;
        if (all || (o->now >= at && n < SAVE_HEARD_SLICE)) {
            n += save_votes_of(o, index);
            continue;
        }
        world->heard[n_left++] = index;
        due_at(o, at > o->now ? at : o->now + SAVE_HEARD_EVERY_MS);
    }
    world->n_heard = n_left;
    save_sources(o, all);
}

/* What the services have in common. Each service's share of it is kept, so that a change of one service costs only what
 * has changed of its share; nothing here walks over all services but outlook_new(). */
#include "core/outlook.h"

#include "core/decide.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE_MS ((int64_t)60000)
#define DAY_MINUTES 1440
#define DAY_MS (DAY_MINUTES * MINUTE_MS)

/* A place is down from the first quorum there, and remembered for the flood rule's time after the last one. */
struct outlook_place {
    int n_quorums;
    int64_t began_from, began_at; /* while it is down or remembered: when it began, as closely as that is known */
    int64_t ended_at;             /* when the last quorum went; 0: one is there, or there never was one */
    /* By voter: how often a rule lets it speak of a site there, and of how many of them it says down. */
    int can[MAX_VOTERS], down[MAX_VOTERS];
};

struct outlook_share {
    bool is_awaited;           /* some service has it in its `after` */
    unsigned quorums;          /* bit 1 << site */
    uint64_t providers;        /* bit 1 << provider: its run keeps them busy */
    int speaks_at;             /* the place of the active site, of which its `site: active` sources can speak; -1 */
    unsigned where;            /* a summary of what its dependents wait for */
    uint16_t down[MAX_VOTERS]; /* by voter: bit 1 << site */
};

_Static_assert(MAX_SITES <= 16, "a bit of `down` for each site");
_Static_assert(MAX_PROVIDERS <= 64, "a bit of `providers` for each provider");

/* ---- who speaks of what ------------------------------------------------------------------------------------------ */

bool outlook_is_suspect(const struct outlook *outlook, int voter)
{
    return outlook->voters[voter].can >= 2 && outlook->voters[voter].down == outlook->voters[voter].can;
}

static void count(struct outlook *outlook, int place_index, int voter, int can, int down)
{
    struct outlook_place *place = &outlook->places[place_index];
    bool was_suspect = outlook_is_suspect(outlook, voter);
    bool could = place->can[voter] > 0;
    bool did = could && place->down[voter] > 0;
    place->can[voter] += can;
    place->down[voter] += down;
    bool can_now = place->can[voter] > 0;
    bool does_now = can_now && place->down[voter] > 0;
    outlook->voters[voter].can += (int)can_now - (int)could;
    outlook->voters[voter].down += (int)does_now - (int)did;
    if (was_suspect != outlook_is_suspect(outlook, voter))
        outlook->generation++;
}

static void count_active_rules(struct outlook *outlook, const struct service *service, int place, int delta)
{
    for (size_t i = 0; place >= 0 && i < service->n_rules; i++)
        if (service->rules[i].site == SITE_OF_ALERT_TIME)
            count(outlook, place, service->rules[i].source, delta, 0);
}

static void count_service(struct outlook *outlook, int index)
{
    const struct model *model = outlook->model;
    const struct service *service = &model->services[index];
    outlook->shares[index].speaks_at = -1;
    for (size_t i = 0; i < service->n_rules; i++)
        if (service->rules[i].site >= 0)
            count(outlook, service->sites[service->rules[i].site].place, service->rules[i].source, 1, 0);
    for (int site = 0; site < service->n_sites; site++) {
        count(outlook, service->sites[site].place, model_voter_operator(model), 1, 0);
        if (service->probe.check)
            count(outlook, service->sites[site].place, model_voter_probe(model), 1, 0);
    }
    for (int i = 0; i < service->n_after; i++)
        outlook->shares[service->after[i]].is_awaited = true;
}

struct outlook *outlook_new(const struct model *model, const struct service_view *const *views)
{
    struct outlook *outlook = calloc(1, sizeof *outlook);
    if (!outlook)
        return NULL;
    outlook->model = model;
    outlook->views = views;
    outlook->places = calloc((size_t)model->n_places + 1, sizeof *outlook->places);
    outlook->shares = calloc((size_t)model->n_services + 1, sizeof *outlook->shares);
    if (!outlook->places || !outlook->shares) {
        outlook_free(outlook);
        return NULL;
    }
    for (int i = 0; i < model->n_services; i++)
        count_service(outlook, i);
    return outlook;
}

void outlook_free(struct outlook *outlook)
{
    if (!outlook)
        return;
    free(outlook->places);
    free(outlook->shares);
    free(outlook);
}

/* ---- a service's share ------------------------------------------------------------------------------------------- */

static void take_quorums(struct outlook *outlook, const struct service *service, struct outlook_share *share,
                         const struct service_view *view, int64_t now)
{
    const struct flood_rule *flood = &outlook->model->flood;
    for (int site = 0; site < service->n_sites; site++) {
        bool is_down = view_has_quorum(service, outlook->model, view, site);
        unsigned bit = 1U << site;
        if (is_down == ((share->quorums & bit) != 0))
            continue;
        share->quorums ^= bit;
        struct outlook_place *place = &outlook->places[service->sites[site].place];
        place->n_quorums += is_down ? 1 : -1;
        if (is_down && place->n_quorums == 1) {
            if (place->ended_at == 0 || now >= place->ended_at + flood->within_ms) {
                place->began_from = place->began_at = now;
                outlook->generation++;
            }
            place->ended_at = 0;
        } else if (!is_down && place->n_quorums == 0) {
            place->ended_at = now;
            if (flood->within_ms <= 0)
                outlook->generation++;
        }
    }
}

static void take_votes(struct outlook *outlook, const struct service *service, struct outlook_share *share,
                       const struct service_view *view)
{
    uint16_t down[MAX_VOTERS] = {0};
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].vote == VOTE_DOWN && view->votes[i].site < service->n_sites)
            down[view->votes[i].voter] |= (uint16_t)(1U << view->votes[i].site);
    if (memcmp(down, share->down, sizeof down) == 0)
        return;
    for (int voter = 0; voter < model_n_voters(outlook->model); voter++) {
        unsigned changed = (unsigned)(down[voter] ^ share->down[voter]);
        for (int site = 0; changed != 0 && site < service->n_sites; site++)
            if (changed & 1U << site)
                count(outlook, service->sites[site].place, voter, 0, down[voter] & 1U << site ? 1 : -1);
    }
    memcpy(share->down, down, sizeof down);
}

static uint64_t providers_of_run(const struct service *service, const struct service_view *view)
{
    uint64_t providers = 0;
    if (!view->has_run || view->run_state != RUN_RUNNING)
        return 0;
    for (int i = 0; i < service->n_steps; i++)
        if (step_is_part_of(&service->steps[i], view->run_occasion) && service->steps[i].provider >= 0)
            providers |= UINT64_C(1) << service->steps[i].provider;
    return providers;
}

static void take_providers(struct outlook *outlook, const struct service *service, struct outlook_share *share,
                           const struct service_view *view)
{
    uint64_t providers = providers_of_run(service, view);
    uint64_t changed = providers ^ share->providers;
    for (int i = 0; changed != 0 && i < outlook->model->n_providers; i++) {
        if (!(changed & UINT64_C(1) << i))
            continue;
        bool was_busy = outlook_is_provider_busy(outlook, i);
        outlook->provider_runs[i] += providers & UINT64_C(1) << i ? 1 : -1;
        if (was_busy && !outlook_is_provider_busy(outlook, i))
            outlook->generation++;
    }
    share->providers = providers;
}

/* What those that go after it look at. */
static unsigned where_it_is(const struct service_view *view)
{
    unsigned where = (unsigned)view->active << 16 | (unsigned)(view->active_site & 0xff) << 8;
    if (view->has_run)
        where |= 1U | (unsigned)view->run_state << 1;
    if (view->active == ACTIVE_SITE && view->sites[view->active_site].last_reason == REASON_SHADOW_MODE)
        where |= 1U << 7;
    return where;
}

void outlook_take(struct outlook *outlook, int service_index, int64_t now)
{
    const struct service *service = &outlook->model->services[service_index];
    const struct service_view *view = outlook->views[service_index];
    struct outlook_share *share = &outlook->shares[service_index];
    take_quorums(outlook, service, share, view, now);
    int speaks_at = view->active == ACTIVE_SITE ? service->sites[view->active_site].place : -1;
    if (speaks_at != share->speaks_at) {
        count_active_rules(outlook, service, share->speaks_at, -1);
        count_active_rules(outlook, service, speaks_at, 1);
        share->speaks_at = speaks_at;
    }
    take_votes(outlook, service, share, view);
    take_providers(outlook, service, share, view);
    unsigned where = where_it_is(view);
    if (share->is_awaited && where != share->where)
        outlook->generation++;
    share->where = where;
}

bool outlook_is_provider_busy(const struct outlook *outlook, int provider)
{
    const struct model *model = outlook->model;
    int most = model->provider_max_parallel ? model->provider_max_parallel[provider] : 0;
    return most > 0 && outlook->provider_runs[provider] >= most;
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

bool outlook_is_stale(const struct outlook *outlook, int source, int64_t now)
{
    if (source >= outlook->model->n_sources)
        return false;
    int64_t after_ms = model_voter_rule(outlook->model, source).stale_after_ms;
    return after_ms > 0 && now >= outlook->sources[source].heard_at + after_ms;
}

bool outlook_has_heartbeat(const struct outlook *outlook, int source, int64_t now)
{
    if (source >= outlook->model->n_sources)
        return false;
    struct voter_rule rule = model_voter_rule(outlook->model, source);
    int64_t beat_at = outlook->sources[source].beat_at;
    if (rule.n_heartbeat == 0 || beat_at <= 0 || outlook_is_stale(outlook, source, now))
        return false;
    return rule.expires_ms <= 0 || now < beat_at + rule.expires_ms;
}

void outlook_hear(struct outlook *outlook, int source, bool is_beat, int64_t now)
{
    bool was_stale = outlook_is_stale(outlook, source, now);
    bool had_heartbeat = outlook_has_heartbeat(outlook, source, now);
    outlook->sources[source].heard_at = now;
    if (is_beat)
        outlook->sources[source].beat_at = now;
    if (was_stale || had_heartbeat != outlook_has_heartbeat(outlook, source, now))
        outlook->generation++;
}

void outlook_beat_ends(struct outlook *outlook, int source)
{
    if (outlook->sources[source].beat_at > 0)
        outlook->generation++;
    outlook->sources[source].beat_at = 0;
}

/* ---- places that are down ---------------------------------------------------------------------------------------- */

bool outlook_is_place_down(const struct outlook *outlook, int index, int64_t now)
{
    const struct outlook_place *place = &outlook->places[index];
    return place->n_quorums > 0 || (place->ended_at > 0 && now < place->ended_at + outlook->model->flood.within_ms);
}

int outlook_n_places_down(const struct outlook *outlook, int64_t now)
{
    int n = 0;
    for (int i = 0; i < outlook->model->n_places; i++)
        n += outlook_is_place_down(outlook, i, now);
    return n;
}

bool outlook_is_at_once(const struct outlook *outlook, int other, int place, int64_t now)
{
    if (!outlook_is_place_down(outlook, other, now))
        return false;
    const struct outlook_place fresh = {.began_from = now, .began_at = now};
    const struct outlook_place *a = &outlook->places[other];
    const struct outlook_place *b = outlook_is_place_down(outlook, place, now) ? &outlook->places[place] : &fresh;
    int64_t within_ms = outlook->model->flood.within_ms;
    return a->began_from - b->began_at <= within_ms && b->began_from - a->began_at <= within_ms;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

void outlook_was_down(struct outlook *outlook, int index, int64_t from, int64_t until)
{
    struct outlook_place *place = &outlook->places[index];
    if (place->n_quorums == 0)
        return;
    place->began_from = earlier(place->began_from, earlier(from, until));
    place->began_at = earlier(place->began_at, until);
}

int outlook_n_places_at_once(const struct outlook *outlook, int place, int64_t now)
{
    int n = 1;
    for (int i = 0; i < outlook->model->n_places; i++)
        n += i != place && outlook_is_at_once(outlook, i, place, now);
    return n;
}

int64_t outlook_due_at(const struct outlook *outlook, int64_t now)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < outlook->model->n_places; i++) {
        const struct outlook_place *place = &outlook->places[i];
        int64_t at = place->ended_at + outlook->model->flood.within_ms;
        if (place->ended_at > 0 && at > now && at < due)
            due = at;
    }
    return due;
}

/* ---- freezes ----------------------------------------------------------------------------------------------------- */

/* Monday is 0; the first of January 1970 was a Thursday. */
static int weekday(int64_t day)
{
    return (int)((day % 7 + 7 + 3) % 7);
}

/* When it ends, of one that holds; else 0. */
static int64_t freeze_until(const struct freeze *freeze, int64_t wall)
{
    if (!freeze->is_weekly)
        return wall >= freeze->from && wall < freeze->until ? freeze->until : 0;
    int minutes = freeze->until_minute - freeze->from_minute;
    if (minutes <= 0)
        minutes += DAY_MINUTES;
    int64_t today = wall / DAY_MS;
    for (int64_t day = today - 1; day <= today; day++) {
        int64_t from = day * DAY_MS + freeze->from_minute * MINUTE_MS;
        int64_t until = from + minutes * MINUTE_MS;
        if (freeze->days & 1U << weekday(day) && wall >= from && wall < until)
            return until;
    }
    return 0;
}

const struct freeze *freeze_find(const struct service *service, const struct model *model, int64_t wall,
                                 int64_t *ret_until)
{
    for (int i = 0; i < service->n_freezes + model->n_freezes; i++) {
        const struct freeze *freeze =
            i < service->n_freezes ? &service->freezes[i] : &model->freezes[i - service->n_freezes];
        int64_t until = freeze_until(freeze, wall);
        if (until == 0)
            continue;
        if (ret_until)
            *ret_until = until;
        return freeze;
    }
    return NULL;
}

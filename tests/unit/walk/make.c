/* What the walk protects: seven services that share four places, four sources and two providers. The first ones are the
 * same in every walk, so that what each promise needs is there; the rest of their settings is chance. */
#include "tests/unit/walk/walk.h"

#define MINUTE INT64_C(60000)
#define HOUR (60 * MINUTE)

static char places[N_PLACES][12] = {"gra", "rbx", "waw", "bhs"};
static char sources[N_SOURCES][12] = {"prometheus", "pingdom", "aws", "blackbox"};
static char services[N_SERVICES][12] = {"shop", "mail", "bank", "database", "wiki", "search", "video"};
static char providers[N_PROVIDERS][12] = {"linode", "ovh"};
static char label[] = "alertname", value[] = "alertname: Watchdog", sale[] = "sale", night[] = "night";

static int64_t one_of(struct walk *w, const int64_t *values, uint64_t n)
{
    return values[chance(w, n)];
}

#define ONE_OF(w, ...)                                                                                                 \
    one_of(w, (const int64_t[]){__VA_ARGS__}, sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void make_sources(struct walk *w)
{
    static const int64_t expires[N_SOURCES] = {15 * MINUTE, 24 * HOUR, 0, 5 * MINUTE};
    static const int64_t stale[N_SOURCES] = {0, 30 * MINUTE, 0, 10 * MINUTE};
    for (int i = 0; i < N_SOURCES; i++) {
        w->source_names[i] = sources[i];
        w->trust[i] = i == 0 ? TRUST_OPEN : i == 1 ? TRUST_SECRET : (enum trust)chance(w, TRUST_SIGNED + 1);
        w->rules[i] = (struct voter_rule){.weight = i == 2   ? 2
                                                    : i == 3 ? 0
                                                             : 1,
                                          .expires_ms = expires[i],
                                          .stale_after_ms = is_lucky(w, 70) ? stale[i] : 0};
        w->source_heard_at[i] = w->now;
    }
    w->beat = (struct label_match){.label = label, .text = value};
    w->rules[0].heartbeat = w->rules[3].heartbeat = &w->beat;
    w->rules[3].n_heartbeat = 1;
    w->rules[0].n_heartbeat = is_lucky(w, 50);
}

/* Rules by name; what a source never speaks of, it never votes on. */
static void make_rules(struct walk *w, struct protected *p)
{
    for (int site = 0; site < p->service.n_sites; site++) {
        for (int source = 0; source < N_SOURCES; source++) {
            p->can_speak[site][source] = source < 2 || is_lucky(w, 75);
            if (p->can_speak[site][source])
                p->rules[p->service.n_rules++] = (struct alert_rule){.source = source, .site = site};
        }
        p->can_speak[site][VOTER_OPERATOR] = true;
        p->can_speak[site][VOTER_PROBE] = p->service.probe.check != NULL;
    }
    p->service.rules = p->rules;
}

static void make_steps(struct walk *w, struct protected *p, int number)
{
    p->service.steps = p->steps;
    p->service.n_steps = number == 0 ? N_STEPS : (int)chance(w, N_STEPS) + 1;
    for (int i = 0; i < N_STEPS; i++) {
        struct step *step = &p->steps[i];
        step->can_apply = is_lucky(w, 75);
        step->can_settle = step->can_apply && is_lucky(w, 50);
        step->provider = step->can_apply ? (int)chance(w, N_PROVIDERS) : -1;
        step->deadline_ms = 1000 + (int64_t)chance(w, 120000);
        step->retries = is_lucky(w, 50) ? -1 : (int)chance(w, 4);
        step->is_point_of_no_return = step->can_apply && is_lucky(w, 25);
        step->on_failure = is_lucky(w, 70) ? ON_FAILURE_ATTENTION : is_lucky(w, 50) ? ON_FAILURE_STOP : ON_FAILURE_UNDO;
    }
    if (is_lucky(w, 30))
        p->steps[0].args = json_pack("{s:s}", "a", "${from.address}");
}

static void make_probe(struct walk *w, struct protected *p, int number)
{
    if (number != 0 && number != 2 && number != 6 && is_lucky(w, 60))
        return;
    p->service.probe.check = &p->probe;
    p->probe.timeout_ms = 5000;
    p->service.probe.every_ms = ONE_OF(w, 15000, 5 * MINUTE);
    p->service.probe.is_required = number == 6;
    p->service.failback_mode = number == 0   ? MODE_AUTOMATIC
                               : number == 2 ? MODE_APPROVAL
                                             : (enum mode)chance(w, MODE_SHADOW + 1);
    p->service.failback_after_ms = ONE_OF(w, MINUTE, 5 * MINUTE, 10 * MINUTE);
}

static void make_trigger(struct walk *w, struct protected *p, int number)
{
    static const enum mode modes[N_SERVICES] = {MODE_AUTOMATIC, MODE_AUTOMATIC, MODE_APPROVAL, MODE_AUTOMATIC,
                                                MODE_MANUAL,    MODE_SHADOW,    MODE_AUTOMATIC};
    struct service *service = &p->service;
    service->mode = modes[number];
    service->failback_mode = MODE_MANUAL;
    service->votes = number == 0 ? 2 : number == 3 ? 1 : (int)chance(w, 3) + 1;
    service->trusted_votes = number == 0 || number == 3 ? 1 : (int)chance(w, 2);
    service->hold_ms = number == 0 ? 30000 : ONE_OF(w, 0, 5000, 30000, 30000);
    service->cool_down_ms = number == 0 ? 30 * MINUTE : ONE_OF(w, 0, MINUTE, 30 * MINUTE);
    service->settle_ms = ONE_OF(w, 0, 30000, 5 * MINUTE);
    service->flap = (struct flap_rule){.changes = (int)ONE_OF(w, 0, 2, 4), .within_ms = 15 * MINUTE};
    service->flap.limit_ms = 10 * MINUTE;
    service->approval = (struct approval_rule){.deadline_ms = ONE_OF(w, 0, 5 * MINUTE, 30 * MINUTE),
                                               .is_yes = is_lucky(w, 30),
                                               .remind_ms = ONE_OF(w, 0, 2 * MINUTE)};
    make_probe(w, p, number);
}

/* A freeze of every night, and once for everybody. */
static void make_freezes(struct walk *w)
{
    w->freeze = (struct freeze){.from = START_AT + 2 * HOUR, .until = START_AT + 3 * HOUR, .reason = sale};
    w->model.freezes = &w->freeze;
    w->model.n_freezes = 1;
    struct protected *p = &w->all[6];
    p->freeze = (struct freeze){.is_weekly = true,
                                .days = is_lucky(w, 50) ? 0x7f : 0x55,
                                .from_minute = 22 * 60,
                                .until_minute = is_lucky(w, 50) ? 6 * 60 : 23 * 60,
                                .reason = night};
    p->service.freezes = &p->freeze;
    p->service.n_freezes = 1;
}

static void make_service(struct walk *w, int number)
{
    struct protected *p = &w->all[number];
    struct service *service = &p->service;
    service->name = services[number];
    service->sites = p->sites;
    service->n_sites = number == 0 || number == 3 ? 2 : number == 1 ? N_SITES : 2 + (int)chance(w, 3);
    int first = number == 0 || number == 3 ? 0 : (int)chance(w, N_PLACES);
    for (int i = 0; i < service->n_sites; i++) {
        p->sites[i].place = (first + i) % N_PLACES;
        p->sites[i].name = w->place_names[p->sites[i].place];
    }
    make_trigger(w, p, number);
    make_rules(w, p);
    make_steps(w, p, number);
    service->priority = number == 3 ? 10 : 100;
    service->after = p->after;
    if (number == 0 || (number > 3 && is_lucky(w, 40)))
        p->after[service->n_after++] = 3;
    if (number == 6 && is_lucky(w, 40))
        p->after[service->n_after++] = 1;
    service_view_init(&p->view);
    p->journal.active_site = p->truth.site = p->truth.leaves = SITE_NONE;
    p->truth.finished_at = p->truth.settled_at = p->truth.well_since = p->truth.no_failback_until = NEVER;
    for (int i = 0; i < N_SITES; i++)
        p->truth.held_since[i] = p->truth.surely_since[i] = p->truth.broke_at[i] = NEVER;
    w->views[number] = &p->view;
}

void walk_make(struct walk *w, uint64_t seed)
{
    memset(w, 0, offsetof(struct walk, records));
    w->seed = w->random = seed;
    w->digest = 0xcbf29ce484222325U;
    w->now = START_AT;
    make_sources(w);
    for (int i = 0; i < N_PLACES; i++) {
        w->place_names[i] = places[i];
        w->began_at[i] = w->down_at[i] = NEVER;
    }
    for (int i = 0; i < N_PROVIDERS; i++) {
        w->provider_names[i] = providers[i];
        w->max_parallel[i] = (int)chance(w, 3);
    }
    for (int i = 0; i < N_SERVICES; i++)
        make_service(w, i);
    make_freezes(w);
    /* The database goes first, the others as they are written. */
    for (int i = 0, n = 1; i < N_SERVICES; i++)
        w->by_priority[i == 3 ? 0 : n++] = i;
    for (int i = 0; i < N_SERVICES; i++)
        w->services[i] = w->all[i].service;
    w->model.services = w->services;
    w->model.n_services = N_SERVICES;
    w->model.by_priority = w->by_priority;
    w->model.source_names = w->source_names;
    w->model.source_trust = w->trust;
    w->model.voter_rules = w->rules;
    w->model.n_sources = N_SOURCES;
    w->model.place_names = w->place_names;
    w->model.n_places = N_PLACES;
    w->model.flood = (struct flood_rule){.places = (int)ONE_OF(w, 0, 1, 1, 2), .within_ms = 10 * MINUTE};
    w->model.provider_names = w->provider_names;
    w->model.provider_max_parallel = w->max_parallel;
    w->model.n_providers = N_PROVIDERS;
    watch_all(w);
    outlook_make(w);
}

void walk_done(struct walk *w)
{
    for (int i = 0; i < N_SERVICES; i++)
        json_decref(w->all[i].steps[0].args);
    outlook_free(w->outlook);
}

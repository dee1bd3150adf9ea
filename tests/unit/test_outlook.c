/* What services have in common: places that are down at once, voters that say down of everything, sources that are
 * silent, providers that are busy, freezes, and when services have to be looked at again. */
#include "core/outlook.h"

#include "base/cleanup.h"
#include "core/decide.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NOW ((int64_t)1700000000000)
#define MINUTE ((int64_t)60000)

enum { GRA, RBX, WAW, N_PLACES };
enum { SHOP, BASE, MAIL, N_SERVICES };
enum { PROMETHEUS, PINGDOM, N_SOURCES };

static char name_gra[] = "gra", name_rbx[] = "rbx", name_waw[] = "waw";
static char name_shop[] = "shop", name_base[] = "base", name_mail[] = "mail";
static char name_prometheus[] = "prometheus", name_pingdom[] = "pingdom", name_dns[] = "dns";
static char *services[] = {name_shop, name_base, name_mail};
static char *sources[] = {name_prometheus, name_pingdom};
static char *places[] = {name_gra, name_rbx, name_waw};
static char *providers[] = {name_dns};
static enum trust trusts[] = {TRUST_SECRET, TRUST_OPEN};

/* Prometheus may speak of gra and rbx by name; pingdom only of what is active. One vote is a quorum. */
struct world {
    struct site sites[N_PLACES];
    struct alert_rule rules[3];
    struct step steps[2];
    struct label_match heartbeat;
    struct voter_rule voters[N_SOURCES];
    int max_parallel[1], after[1];
    struct service services[N_SERVICES];
    struct service_view views[N_SERVICES];
    const struct service_view *pointers[N_SERVICES];
    struct model model;
    struct outlook *outlook;
};

static void world_init(struct world *world)
{
    *world = (struct world){
        .sites = {{.name = name_gra, .place = GRA}, {.name = name_rbx, .place = RBX}, {.name = name_waw, .place = WAW}},
        .rules = {{.source = PROMETHEUS, .site = GRA},
                  {.source = PROMETHEUS, .site = RBX},
                  {.source = PINGDOM, .site = SITE_OF_ALERT_TIME}},
        .steps = {{.provider = -1}, {.provider = 0, .when = 1U << OCCASION_OUTAGE}},
        .max_parallel = {1},
        .after = {BASE}};
    for (int i = 0; i < N_SERVICES; i++) {
        world->services[i] = (struct service){.name = services[i],
                                              .sites = world->sites,
                                              .n_sites = N_PLACES,
                                              .rules = world->rules,
                                              .n_rules = 3,
                                              .votes = 1,
                                              .steps = world->steps,
                                              .n_steps = 2};
        service_view_init(&world->views[i]);
        world->pointers[i] = &world->views[i];
    }
    world->services[SHOP].after = world->after;
    world->services[SHOP].n_after = 1;
    world->model = (struct model){.services = world->services,
                                  .n_services = N_SERVICES,
                                  .source_names = sources,
                                  .source_trust = trusts,
                                  .voter_rules = world->voters,
                                  .n_sources = N_SOURCES,
                                  .place_names = places,
                                  .n_places = N_PLACES,
                                  .flood = {.places = 1, .within_ms = 10 * MINUTE},
                                  .provider_names = providers,
                                  .provider_max_parallel = world->max_parallel,
                                  .n_providers = 1};
    world->outlook = outlook_new(&world->model, world->pointers);
    assert_non_null(world->outlook);
}

static void world_done(struct world *world)
{
    outlook_free(world->outlook);
}

static void vote(struct world *world, int service, int site, int voter, enum vote says, int64_t now)
{
    struct vote_view *entry = view_vote_get(&world->views[service], site, voter);
    assert_non_null(entry);
    entry->vote = says;
    outlook_take(world->outlook, service, now);
}

static void place(struct world *world, int service, enum active_kind kind, int site)
{
    world->views[service].active = kind;
    world->views[service].active_site = site;
    outlook_take(world->outlook, service, NOW);
}

/* Whether services were to be looked at again since the last time. */
static bool is_raised(const struct world *world, int64_t *seen)
{
    bool is = world->outlook->generation != *seen;
    *seen = world->outlook->generation;
    return is;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static void many_services_of_one_place_are_one(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct outlook *o = world.outlook;
    for (int i = 0; i < N_SERVICES; i++)
        vote(&world, i, GRA, PROMETHEUS, VOTE_DOWN, NOW + i);
    assert_int_equal(outlook_n_places_down(o, NOW + 5), 1);
    assert_int_equal(outlook_n_places_at_once(o, GRA, NOW + 5), 1);
    assert_int_equal(outlook_n_places_at_once(o, RBX, NOW + 5), 2); /* were it to go down now */
    assert_int_equal(outlook_due_at(o, NOW + 5), INT64_MAX);
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_UNKNOWN, NOW + 10);
    vote(&world, BASE, GRA, PROMETHEUS, VOTE_UP, NOW + 11);
    assert_int_equal(outlook_due_at(o, NOW + 11), INT64_MAX); /* one still says so */
    vote(&world, MAIL, GRA, PROMETHEUS, VOTE_UNKNOWN, NOW + 12);
    assert_int_equal(outlook_due_at(o, NOW + 12), NOW + 12 + 10 * MINUTE);
    assert_true(outlook_is_place_down(o, GRA, NOW + 11 + 10 * MINUTE));
    assert_false(outlook_is_place_down(o, GRA, NOW + 12 + 10 * MINUTE));
    assert_int_equal(outlook_n_places_down(o, NOW + 12 + 10 * MINUTE), 0);
    assert_int_equal(outlook_due_at(o, NOW + 12 + 10 * MINUTE), INT64_MAX);
    world_done(&world);
}

static void only_what_goes_down_at_once_is_a_flood(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct outlook *o = world.outlook;
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_DOWN, NOW);
    vote(&world, BASE, RBX, PROMETHEUS, VOTE_DOWN, NOW + 11 * MINUTE);
    assert_int_equal(outlook_n_places_down(o, NOW + 11 * MINUTE), 2);
    assert_int_equal(outlook_n_places_at_once(o, RBX, NOW + 11 * MINUTE), 1);
    assert_int_equal(outlook_n_places_at_once(o, WAW, NOW + 12 * MINUTE), 2); /* with rbx, not with gra */
    assert_true(outlook_is_at_once(o, RBX, WAW, NOW + 12 * MINUTE));
    assert_false(outlook_is_at_once(o, GRA, WAW, NOW + 12 * MINUTE));
    /* Ended a moment ago, and down again: it has been so since it first was. */
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_UNKNOWN, NOW + 20 * MINUTE);
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_DOWN, NOW + 21 * MINUTE);
    assert_int_equal(outlook_n_places_at_once(o, RBX, NOW + 21 * MINUTE), 1);
    /* Quiet for long enough, and down again: it goes down now. */
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_UNKNOWN, NOW + 22 * MINUTE);
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_DOWN, NOW + 33 * MINUTE);
    assert_int_equal(outlook_n_places_at_once(o, WAW, NOW + 33 * MINUTE), 2);
    /* Both at the same time stay a flood however long it lasts. */
    vote(&world, BASE, RBX, PROMETHEUS, VOTE_UNKNOWN, NOW + 33 * MINUTE);
    vote(&world, BASE, WAW, PROMETHEUS, VOTE_DOWN, NOW + 34 * MINUTE);
    assert_int_equal(outlook_n_places_at_once(o, WAW, NOW + 1000 * MINUTE), 2);
    world_done(&world);
}

/* After a restart the votes are read at once, and when they came is known more or less. */
static void what_was_down_before_a_restart_is_no_flood(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct outlook *o = world.outlook;
    outlook_was_down(o, GRA, NOW - 600 * MINUTE, NOW - 500 * MINUTE); /* of what is not down: nothing */
    assert_int_equal(outlook_n_places_down(o, NOW), 0);
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_DOWN, NOW);
    outlook_was_down(o, GRA, NOW - 600 * MINUTE, NOW - 500 * MINUTE);
    vote(&world, BASE, RBX, PROMETHEUS, VOTE_DOWN, NOW + MINUTE);
    assert_int_equal(outlook_n_places_down(o, NOW + MINUTE), 2);
    assert_int_equal(outlook_n_places_at_once(o, RBX, NOW + MINUTE), 1);
    assert_int_equal(outlook_n_places_at_once(o, GRA, NOW + MINUTE), 1);
    /* It may have gone down together with gra, or only now. */
    outlook_was_down(o, RBX, NOW - 505 * MINUTE, NOW);
    assert_int_equal(outlook_n_places_at_once(o, RBX, NOW + MINUTE), 2);
    assert_int_equal(outlook_n_places_at_once(o, GRA, NOW + MINUTE), 2);
    world_done(&world);
}

static void without_a_memory_the_end_of_one_is_news(void **state)
{
    (void)state;
    struct world world;
    int64_t seen = 0;
    world_init(&world);
    world.model.flood.within_ms = 0;
    vote(&world, SHOP, WAW, PROMETHEUS, VOTE_DOWN, NOW);
    (void)is_raised(&world, &seen);
    vote(&world, SHOP, WAW, PROMETHEUS, VOTE_UNKNOWN, NOW + 1);
    assert_true(is_raised(&world, &seen));
    assert_false(outlook_is_place_down(world.outlook, WAW, NOW + 1));
    world_done(&world);
}

/* ---- voters ------------------------------------------------------------------------------------------------------ */

static void a_voter_that_says_down_of_everything_is_suspect(void **state)
{
    (void)state;
    struct world world;
    int64_t seen = 0;
    world_init(&world);
    struct outlook *o = world.outlook;
    vote(&world, SHOP, GRA, PROMETHEUS, VOTE_DOWN, NOW);
    assert_false(outlook_is_suspect(o, PROMETHEUS));
    assert_true(is_raised(&world, &seen)); /* a place has gone down: others may be part of a flood now */
    vote(&world, MAIL, GRA, PROMETHEUS, VOTE_DOWN, NOW);
    assert_false(is_raised(&world, &seen));
    vote(&world, MAIL, GRA, PROMETHEUS, VOTE_UNKNOWN, NOW);
    vote(&world, MAIL, RBX, PROMETHEUS, VOTE_DOWN, NOW); /* another service: it is the places that count */
    assert_true(outlook_is_suspect(o, PROMETHEUS));
    vote(&world, BASE, RBX, PROMETHEUS, VOTE_DOWN, NOW);
    (void)is_raised(&world, &seen);
    vote(&world, MAIL, RBX, PROMETHEUS, VOTE_UP, NOW);
    assert_true(outlook_is_suspect(o, PROMETHEUS));
    assert_false(is_raised(&world, &seen));
    vote(&world, BASE, RBX, PROMETHEUS, VOTE_UNKNOWN, NOW);
    assert_false(outlook_is_suspect(o, PROMETHEUS));
    assert_true(is_raised(&world, &seen));
    /* A person may speak of each place. */
    for (int site = GRA; site < N_PLACES; site++) {
        assert_false(outlook_is_suspect(o, model_voter_operator(&world.model)));
        vote(&world, SHOP, site, model_voter_operator(&world.model), VOTE_DOWN, NOW);
    }
    assert_true(outlook_is_suspect(o, model_voter_operator(&world.model)));
    world_done(&world);
}

/* Who speaks of what is active speaks of one place, unless services are at several. */
static void who_speaks_of_the_active_site_speaks_of_where_services_are(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct outlook *o = world.outlook;
    for (int i = 0; i < N_SERVICES; i++) {
        place(&world, i, ACTIVE_SITE, GRA);
        vote(&world, i, GRA, PINGDOM, VOTE_DOWN, NOW);
    }
    assert_false(outlook_is_suspect(o, PINGDOM)); /* all that it can speak of, and that is one */
    place(&world, MAIL, ACTIVE_SITE, RBX);
    assert_false(outlook_is_suspect(o, PINGDOM)); /* of rbx it says nothing */
    vote(&world, MAIL, RBX, PINGDOM, VOTE_DOWN, NOW);
    assert_true(outlook_is_suspect(o, PINGDOM));
    place(&world, BASE, ACTIVE_SITE, WAW);
    assert_false(outlook_is_suspect(o, PINGDOM));
    place(&world, BASE, ACTIVE_UNKNOWN, SITE_NONE);
    assert_true(outlook_is_suspect(o, PINGDOM));
    world_done(&world);
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static void a_source_is_stale_until_it_is_heard(void **state)
{
    (void)state;
    struct world world;
    int64_t seen = 0;
    world_init(&world);
    struct outlook *o = world.outlook;
    o->sources[PROMETHEUS].heard_at = NOW;
    assert_false(outlook_is_stale(o, PROMETHEUS, NOW + 1000 * MINUTE)); /* nobody asks */
    world.voters[PROMETHEUS].stale_after_ms = 5 * MINUTE;
    assert_false(outlook_is_stale(o, PROMETHEUS, NOW + 5 * MINUTE - 1));
    assert_true(outlook_is_stale(o, PROMETHEUS, NOW + 5 * MINUTE));
    assert_false(outlook_is_stale(o, model_voter_probe(&world.model), NOW + 5 * MINUTE));
    outlook_hear(o, PROMETHEUS, false, NOW + 5 * MINUTE);
    assert_true(is_raised(&world, &seen));
    assert_false(outlook_is_stale(o, PROMETHEUS, NOW + 5 * MINUTE));
    outlook_hear(o, PROMETHEUS, false, NOW + 6 * MINUTE);
    assert_false(is_raised(&world, &seen));
    world_done(&world);
}

static void a_heartbeat_begins_grows_old_and_ends(void **state)
{
    (void)state;
    struct world world;
    int64_t seen = 0;
    world_init(&world);
    struct outlook *o = world.outlook;
    outlook_hear(o, PROMETHEUS, true, NOW);
    assert_false(outlook_has_heartbeat(o, PROMETHEUS, NOW)); /* it is not said to have one */
    world.voters[PROMETHEUS].heartbeat = &world.heartbeat;
    world.voters[PROMETHEUS].n_heartbeat = 1;
    world.voters[PROMETHEUS].expires_ms = 15 * MINUTE;
    assert_true(outlook_has_heartbeat(o, PROMETHEUS, NOW + 15 * MINUTE - 1));
    assert_false(outlook_has_heartbeat(o, PROMETHEUS, NOW + 15 * MINUTE));
    (void)is_raised(&world, &seen);
    outlook_hear(o, PROMETHEUS, true, NOW + MINUTE);
    assert_false(is_raised(&world, &seen));
    outlook_hear(o, PROMETHEUS, true, NOW + 20 * MINUTE); /* it had grown old */
    assert_true(is_raised(&world, &seen));
    outlook_beat_ends(o, PROMETHEUS);
    assert_true(is_raised(&world, &seen));
    assert_false(outlook_has_heartbeat(o, PROMETHEUS, NOW + 20 * MINUTE));
    outlook_beat_ends(o, PROMETHEUS);
    assert_false(is_raised(&world, &seen));
    /* The heartbeat of a source that is silent beats no more. */
    outlook_hear(o, PROMETHEUS, true, NOW + 30 * MINUTE);
    world.voters[PROMETHEUS].stale_after_ms = 5 * MINUTE;
    assert_false(outlook_has_heartbeat(o, PROMETHEUS, NOW + 35 * MINUTE));
    assert_false(outlook_has_heartbeat(o, model_voter_operator(&world.model), NOW));
    world_done(&world);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void run(struct world *world, int service, enum run_state run_state, enum occasion occasion)
{
    world->views[service].has_run = !run_state_is_final(run_state);
    world->views[service].run_state = run_state;
    world->views[service].run_occasion = occasion;
    outlook_take(world->outlook, service, NOW);
}

static void a_provider_is_busy_with_runs_that_are_under_way(void **state)
{
    (void)state;
    struct world world;
    int64_t seen = 0;
    world_init(&world);
    struct outlook *o = world.outlook;
    run(&world, SHOP, RUN_WAITING, OCCASION_OUTAGE);
    run(&world, MAIL, RUN_RUNNING, OCCASION_PLANNED); /* the provider's step is not part of it */
    assert_int_equal(o->provider_runs[0], 0);
    run(&world, SHOP, RUN_RUNNING, OCCASION_OUTAGE);
    assert_int_equal(o->provider_runs[0], 1);
    assert_true(outlook_is_provider_busy(o, 0));
    outlook_take(o, SHOP, NOW);
    assert_int_equal(o->provider_runs[0], 1);
    (void)is_raised(&world, &seen);
    run(&world, SHOP, RUN_ATTENTION, OCCASION_OUTAGE);
    assert_true(is_raised(&world, &seen));
    assert_false(outlook_is_provider_busy(o, 0));
    run(&world, SHOP, RUN_RUNNING, OCCASION_OUTAGE);
    run(&world, MAIL, RUN_RUNNING, OCCASION_OUTAGE); /* a person's: nobody forbids it */
    assert_int_equal(o->provider_runs[0], 2);
    (void)is_raised(&world, &seen);
    run(&world, SHOP, RUN_SUCCEEDED, OCCASION_OUTAGE);
    assert_true(outlook_is_provider_busy(o, 0));
    assert_false(is_raised(&world, &seen));
    world.model.provider_max_parallel = NULL;
    assert_false(outlook_is_provider_busy(o, 0));
    world_done(&world);
}

static void who_goes_first_is_waited_for(void **state)
{
    (void)state;
    struct world world;
    int64_t seen = 0;
    world_init(&world);
    place(&world, BASE, ACTIVE_SITE, GRA);
    assert_true(is_raised(&world, &seen));
    outlook_take(world.outlook, BASE, NOW);
    assert_false(is_raised(&world, &seen));
    place(&world, BASE, ACTIVE_MOVING, GRA);
    assert_true(is_raised(&world, &seen));
    place(&world, BASE, ACTIVE_SITE, RBX);
    assert_true(is_raised(&world, &seen));
    world.views[BASE].sites[RBX].last_reason = REASON_SHADOW_MODE; /* it would have gone */
    outlook_take(world.outlook, BASE, NOW);
    assert_true(is_raised(&world, &seen));
    place(&world, MAIL, ACTIVE_SITE, GRA); /* nobody waits for that one */
    assert_false(is_raised(&world, &seen));
    world_done(&world);
}

/* ---- freezes ----------------------------------------------------------------------------------------------------- */

static int64_t wall_of(const char *text)
{
    struct tm tm = {0};
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M", &tm));
    return (int64_t)timegm(&tm) * 1000;
}

static void freezes_by_the_week(void **state)
{
    (void)state;
    static const struct {
        const char *wall; /* Monday was 2026-11-23 */
        unsigned days;
        int from, until;  /* hours */
        const char *ends; /* NULL: it does not hold */
    } rows[] = {
        {"2026-11-23 21:59", 1U << 0, 22, 6, NULL},
        {"2026-11-23 22:00", 1U << 0, 22, 6, "2026-11-24 06:00"},
        {"2026-11-24 05:59", 1U << 0, 22, 6, "2026-11-24 06:00"},
        {"2026-11-24 06:00", 1U << 0, 22, 6, NULL},
        {"2026-11-24 22:00", 1U << 0, 22, 6, NULL},               /* on Tuesday none begins */
        {"2026-11-30 03:00", 1U << 6, 22, 6, "2026-11-30 06:00"}, /* Sunday's reaches into Monday */
        {"2026-11-23 03:00", 1U << 0, 22, 6, NULL},               /* Monday's does not begin on Sunday */
        {"2026-11-25 12:00", 1U << 2, 9, 17, "2026-11-25 17:00"},
        {"2026-11-25 08:59", 1U << 2, 9, 17, NULL},
        {"2026-11-26 12:00", 1U << 2, 9, 17, NULL},
        {"2026-11-28 00:00", 1U << 5 | 1U << 6, 0, 0, "2026-11-29 00:00"}, /* the whole day */
        {"2026-11-29 23:59", 1U << 5 | 1U << 6, 0, 0, "2026-11-30 00:00"},
        {"2026-11-30 00:00", 1U << 5 | 1U << 6, 0, 0, NULL},
        {"2028-02-29 23:00", 1U << 1, 22, 6, "2028-03-01 06:00"},
    };
    struct service service = {0};
    char reason[] = "";
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct freeze freeze = {.is_weekly = true,
                                .days = rows[i].days,
                                .from_minute = rows[i].from * 60,
                                .until_minute = rows[i].until * 60,
                                .reason = reason};
        const struct model model = {.freezes = &freeze, .n_freezes = 1};
        int64_t until = -1;
        const struct freeze *found = freeze_find(&service, &model, wall_of(rows[i].wall), &until);
        if ((found != NULL) != (rows[i].ends != NULL))
            fail_msg("%s: %s", rows[i].wall, found ? "it holds" : "it does not hold");
        assert_int_equal(until, rows[i].ends ? wall_of(rows[i].ends) : -1);
    }
}

static void freezes_once_and_whose_they_are(void **state)
{
    (void)state;
    char reason[] = "";
    struct freeze own = {.from = 100, .until = 200, .reason = reason};
    struct freeze common = {.from = 150, .until = 300, .reason = reason};
    const struct service service = {.freezes = &own, .n_freezes = 1};
    const struct service other = {0};
    const struct model model = {.freezes = &common, .n_freezes = 1};
    int64_t until = 0;
    assert_null(freeze_find(&service, &model, 99, &until));
    assert_ptr_equal(freeze_find(&service, &model, 100, &until), &own);
    assert_int_equal(until, 200);
    assert_ptr_equal(freeze_find(&service, &model, 199, NULL), &own);
    assert_ptr_equal(freeze_find(&service, &model, 200, &until), &common);
    assert_int_equal(until, 300);
    assert_null(freeze_find(&other, &model, 149, &until));
    assert_ptr_equal(freeze_find(&other, &model, 150, &until), &common);
    assert_null(freeze_find(&service, &model, 300, &until));
}

/* Whatever services do, what they add up to is what they are now: the same as for an outlook that begins with them. */
static void the_sum_is_that_of_the_services(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    uint32_t random = 7;
    for (int i = 0; i < 20000; i++) {
        random = random * 1664525U + 1013904223U;
        int service = (int)(random >> 28) % N_SERVICES;
        int site = (int)(random >> 20 & 15) % N_PLACES;
        if (random >> 8 & 1)
            place(&world, service, random >> 9 & 1 ? ACTIVE_SITE : ACTIVE_MOVING, site);
        else if (random >> 10 & 1)
            run(&world, service, (enum run_state)((random >> 11 & 7) % 5), OCCASION_OUTAGE);
        else
            vote(&world, service, site, (int)(random >> 14 & 7) % model_n_voters(&world.model),
                 (enum vote)((random >> 17 & 7) % 3), NOW + i);
        struct outlook *fresh = outlook_new(&world.model, world.pointers);
        assert_non_null(fresh);
        for (int k = 0; k < N_SERVICES; k++)
            outlook_take(fresh, k, NOW + i);
        for (int k = 0; k < model_n_voters(&world.model); k++)
            assert_int_equal(outlook_is_suspect(fresh, k), outlook_is_suspect(world.outlook, k));
        assert_int_equal(fresh->provider_runs[0], world.outlook->provider_runs[0]);
        assert_true(outlook_n_places_down(fresh, NOW + i) <= outlook_n_places_down(world.outlook, NOW + i));
        outlook_free(fresh);
    }
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_services_of_one_place_are_one),
        cmocka_unit_test(only_what_goes_down_at_once_is_a_flood),
        cmocka_unit_test(what_was_down_before_a_restart_is_no_flood),
        cmocka_unit_test(without_a_memory_the_end_of_one_is_news),
        cmocka_unit_test(a_voter_that_says_down_of_everything_is_suspect),
        cmocka_unit_test(who_speaks_of_the_active_site_speaks_of_where_services_are),
        cmocka_unit_test(a_source_is_stale_until_it_is_heard),
        cmocka_unit_test(a_heartbeat_begins_grows_old_and_ends),
        cmocka_unit_test(a_provider_is_busy_with_runs_that_are_under_way),
        cmocka_unit_test(who_goes_first_is_waited_for),
        cmocka_unit_test(freezes_by_the_week),
        cmocka_unit_test(freezes_once_and_whose_they_are),
        cmocka_unit_test(the_sum_is_that_of_the_services),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

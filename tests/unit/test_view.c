/* What is known of one service: how things change it, when something of it is due, and how votes add up. */
#include "core/view.h"

#include "base/cleanup.h"
#include "core/decide.h"
#include "tests/unit/test.h"

#define NOW ((int64_t)1700000000000)
#define MINUTE ((int64_t)60000)

static char name_a[] = "a", name_b[] = "b", name_c[] = "c";
static char *sources[] = {name_a, name_b, name_c};
static enum trust trusts[] = {TRUST_OPEN, TRUST_SECRET, TRUST_SIGNED};
static struct site sites[] = {{.name = name_a, .place = 0}, {.name = name_b, .place = 1}};
static char *places[] = {name_a, name_b};

struct world {
    struct service service;
    struct service_view view;
    const struct service_view *views[1];
    struct voter_rule voters[3];
    struct freeze freeze;
    struct step check;
    struct model model;
    struct outlook *outlook;
};

static void world_init(struct world *world)
{
    *world = (struct world){
        .service = {.name = name_a, .sites = sites, .n_sites = 2, .votes = 2, .hold_ms = 30000},
    };
    world->model = (struct model){.services = &world->service,
                                  .n_services = 1,
                                  .source_names = sources,
                                  .source_trust = trusts,
                                  .voter_rules = world->voters,
                                  .n_sources = 3,
                                  .place_names = places,
                                  .n_places = 2};
    service_view_init(&world->view);
    world->views[0] = &world->view;
    world->outlook = outlook_new(&world->model, world->views);
    assert_non_null(world->outlook);
}

static void world_done(struct world *world)
{
    outlook_free(world->outlook);
}

static void vote(struct world *world, int site, int voter, enum vote says)
{
    struct vote_view *entry = view_vote_get(&world->view, site, voter);
    assert_non_null(entry);
    entry->vote = says;
    entry->down = says == VOTE_DOWN;
    entry->up = says == VOTE_UP;
    entry->heard_at = NOW;
}

static int64_t due_at(const struct world *world)
{
    return view_due_at(&world->service, &world->model, &world->view, world->outlook);
}

static void apply(struct world *world, struct thing thing)
{
    view_apply(&world->view, &thing);
}

/* ---- votes ------------------------------------------------------------------------------------------------------- */

static void votes_add_up_by_weight(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    world.service.trusted_votes = 2;
    vote(&world, 0, 0, VOTE_DOWN);
    vote(&world, 0, 1, VOTE_UP);
    vote(&world, 1, 2, VOTE_DOWN);
    assert_int_equal(view_votes(&world.model, &world.view, 0), 1);
    assert_int_equal(view_trusted_votes(&world.model, &world.view, 0), 0);
    world.voters[0].weight = 2;
    assert_int_equal(view_votes(&world.model, &world.view, 0), 2);
    assert_false(view_has_quorum(&world.service, &world.model, &world.view, 0)); /* none of them is trusted */
    vote(&world, 0, 1, VOTE_DOWN);
    assert_false(view_has_quorum(&world.service, &world.model, &world.view, 0));
    vote(&world, 0, 2, VOTE_DOWN);
    assert_true(view_has_quorum(&world.service, &world.model, &world.view, 0));
    world.service.probe.is_required = true;
    assert_false(view_has_quorum(&world.service, &world.model, &world.view, 0));
    vote(&world, 0, model_voter_probe(&world.model), VOTE_DOWN);
    assert_true(view_has_quorum(&world.service, &world.model, &world.view, 0));
    world_done(&world);
}

static void there_are_so_many_votes_and_no_more(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    for (int i = 0; i < MAX_VOTES; i++)
        assert_non_null(view_vote_get(&world.view, i % MAX_SITES, i / MAX_SITES));
    assert_null(view_vote_get(&world.view, 0, MAX_VOTES));
    assert_null(view_vote_find(&world.view, 0, MAX_VOTES));
    assert_non_null(view_vote_get(&world.view, 3, 2));
    /* Things about one more are heard and not kept. */
    apply(&world, (struct thing){.kind = THING_COUNT, .voter = MAX_VOTES, .vote = VOTE_DOWN, .count = 1});
    apply(&world, (struct thing){.kind = THING_VOTE, .voter = MAX_VOTES, .vote = VOTE_DOWN});
    assert_int_equal(world.view.n_votes, MAX_VOTES);
    world_done(&world);
}

static void a_repeat_is_news_only_of_an_expired_vote(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    assert_false(view_hear(&world.view, 0, 0, NOW)); /* never heard of */
    vote(&world, 0, 0, VOTE_DOWN);
    assert_false(view_hear(&world.view, 0, 0, NOW + 5));
    assert_int_equal(view_vote_find(&world.view, 0, 0)->heard_at, NOW + 5);
    view_vote_get(&world.view, 0, 0)->vote = VOTE_UNKNOWN;
    assert_true(view_hear(&world.view, 0, 0, NOW + 6));
    view_vote_get(&world.view, 0, 0)->down = 0;
    assert_false(view_hear(&world.view, 0, 0, NOW + 7)); /* withdrawn, which is another thing */
    world_done(&world);
}

/* ---- the hold ---------------------------------------------------------------------------------------------------- */

static void a_hold_doubles_when_it_flaps(void **state)
{
    (void)state;
    static const struct {
        int breaks, hold_s;
    } rows[] = {{0, 30}, {2, 30}, {3, 60}, {4, 120}, {5, 240}, {6, 300}, {7, 300}, {1000000000, 300}};
    struct world world;
    world_init(&world);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        world.view.sites[0].n_breaks = rows[i].breaks;
        world.service.flap = (struct flap_rule){0, MINUTE, 300000};
        assert_int_equal(view_hold_ms(&world.service, &world.view, 0), 30000);
        world.service.flap.changes = 3;
        assert_int_equal(view_hold_ms(&world.service, &world.view, 0), rows[i].hold_s * 1000);
        world.service.flap.limit_ms = 0; /* a limit below the hold does not shorten it */
        assert_int_equal(view_hold_ms(&world.service, &world.view, 0), 30000);
    }
    world_done(&world);
}

/* ---- what is due ------------------------------------------------------------------------------------------------- */

static void each_timer_is_due_once_it_is_set(void **state)
{
    (void)state;
    static const enum timer_kind timers[] = {TIMER_HOLD,     TIMER_FLAP,   TIMER_COOL_DOWN, TIMER_SETTLE,
                                             TIMER_APPROVAL, TIMER_REMIND, TIMER_FAILBACK};
    struct world world;
    world_init(&world);
    assert_int_equal(due_at(&world), INT64_MAX);
    world.view.has_run = true;
    world.view.run_state = RUN_WAITING;
    for (size_t i = 0; i < COUNT_OF(timers); i++) {
        struct thing thing = {.kind = THING_TIMER_SET, .site = 1, .timer = timers[i], .at = NOW + 7, .count = 2};
        apply(&world, thing);
        assert_int_equal(due_at(&world), NOW + 7);
        assert_int_equal(world.view.sites[1].n_breaks, timers[i] == TIMER_FLAP ? 2 : 0);
        thing.kind = THING_TIMER_CLEAR;
        apply(&world, thing);
        assert_int_equal(due_at(&world), INT64_MAX);
        assert_int_equal(world.view.sites[1].n_breaks, 0);
    }
    world_done(&world);
}

/* Else the daemon would look again and again until a guard lets it go home. */
static void a_failback_that_was_refused_is_not_due(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    world.view.failback_due_at = NOW;
    struct thing not = {.kind = THING_NOT_ACTED, .reason = REASON_PAUSED, .site = SITE_NONE};
    apply(&world, not ); /* of what was observed: another matter */
    not .direction = DIRECTION_FAILBACK;
    not .reason = REASON_COOL_DOWN;
    assert_int_equal(due_at(&world), NOW);
    apply(&world, not );
    assert_int_equal(due_at(&world), INT64_MAX);
    apply(&world, (struct thing){.kind = THING_TIMER_SET, .timer = TIMER_FAILBACK, .at = NOW + 9, .site = SITE_NONE});
    assert_int_equal(due_at(&world), NOW + 9);
    world_done(&world);
}

static void votes_are_due_when_they_grow_old(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    vote(&world, 0, 0, VOTE_DOWN);
    assert_int_equal(due_at(&world), INT64_MAX);
    world.voters[0].expires_ms = 15 * MINUTE;
    assert_int_equal(due_at(&world), NOW + 15 * MINUTE);
    view_hear(&world.view, 0, 0, NOW + MINUTE);
    assert_int_equal(due_at(&world), NOW + 16 * MINUTE);
    world.voters[0].stale_after_ms = 5 * MINUTE;
    world.outlook->sources[0].heard_at = NOW + 2 * MINUTE;
    assert_int_equal(due_at(&world), NOW + 7 * MINUTE);
    vote(&world, 0, 0, VOTE_UNKNOWN); /* it says nothing, and cannot say less */
    assert_int_equal(due_at(&world), INT64_MAX);
    world_done(&world);
}

/* Held up by what its alerts say and by its heartbeat, for as long as one of them is fresh: else the daemon would look
 * again and again at a vote that does not change. */
static void an_up_vote_lasts_as_long_as_its_alerts_or_its_heartbeat(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct label_match heartbeat = {.label = name_a};
    struct alert_rule rule = {.source = 0, .site = 0};
    world.voters[0] = (struct voter_rule){.expires_ms = 15 * MINUTE, .heartbeat = &heartbeat, .n_heartbeat = 1};
    world.service.rules = &rule;
    world.service.n_rules = 1;
    vote(&world, 0, 0, VOTE_UP);
    assert_int_equal(due_at(&world), NOW + 15 * MINUTE);
    world.outlook->sources[0].beat_at = NOW + 3 * MINUTE;
    assert_int_equal(due_at(&world), NOW + 18 * MINUTE);
    view_vote_get(&world.view, 0, 0)->up = 0;
    assert_int_equal(due_at(&world), NOW + 18 * MINUTE);
    vote(&world, 0, 0, VOTE_DOWN); /* which no heartbeat makes younger */
    assert_int_equal(due_at(&world), NOW + 15 * MINUTE);
    vote(&world, 0, 0, VOTE_UP);
    world.voters[0].n_heartbeat = 0; /* it had one, in another configuration */
    assert_int_equal(due_at(&world), NOW + 15 * MINUTE);
    world_done(&world);
}

static void our_own_check_is_fresh_for_three_rounds(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    int probe = model_voter_probe(&world.model);
    vote(&world, 0, probe, VOTE_UP);
    assert_int_equal(due_at(&world), INT64_MAX); /* there is none configured, and what it said was long ago */
    world.check.timeout_ms = 5000;
    world.service.probe = (struct probe_rule){.check = &world.check, .every_ms = 15000};
    assert_int_equal(view_expires_ms(&world.service, &world.model, probe), 60000);
    assert_int_equal(due_at(&world), NOW + MINUTE);
    assert_int_equal(view_expires_ms(&world.service, &world.model, model_voter_operator(&world.model)),
                     24 * 60 * MINUTE);
    world_done(&world);
}

static void the_end_of_a_freeze_is_due_for_who_waits_for_it(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    char reason[] = "";
    world.freeze = (struct freeze){.from = 1000, .until = 9000, .reason = reason};
    world.model.freezes = &world.freeze;
    world.model.n_freezes = 1;
    world.outlook->wall = 2000;
    world.outlook->wall_at = NOW;
    assert_int_equal(due_at(&world), INT64_MAX);
    world.view.sites[1].is_standing = true;
    world.view.sites[1].last_reason = REASON_FREEZE;
    assert_int_equal(due_at(&world), NOW + 7000);
    world.view.sites[1].is_standing = false;
    world.view.failback_reason = REASON_FREEZE;
    assert_int_equal(due_at(&world), NOW + 7000);
    world.outlook->wall_at = 0;
    assert_int_equal(due_at(&world), INT64_MAX);
    world_done(&world);
}

/* ---- incidents and runs ------------------------------------------------------------------------------------------ */

static void reasons_begin_anew_when_an_incident_stands_anew(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    const struct site_view *site = &world.view.sites[0];
    apply(&world, (struct thing){.kind = THING_INCIDENT_OPEN});
    assert_true(site->has_incident && !site->is_standing);
    apply(&world, (struct thing){.kind = THING_INCIDENT_STANDING, .flag = true});
    apply(&world, (struct thing){.kind = THING_NOT_ACTED, .reason = REASON_OPERATOR});
    assert_true(site->last_reason == REASON_OPERATOR && view_is_refused(&world.view, 0));
    apply(&world, (struct thing){.kind = THING_INCIDENT_STANDING, .flag = false});
    assert_true(site->last_reason == REASON_OPERATOR && !view_is_refused(&world.view, 0)); /* still the last one */
    apply(&world, (struct thing){.kind = THING_INCIDENT_STANDING, .flag = true});
    assert_int_equal(site->last_reason, REASON_NONE);
    apply(&world, (struct thing){.kind = THING_NOT_ACTED, .reason = REASON_PAUSED});
    apply(&world, (struct thing){.kind = THING_INCIDENT_RESOLVED});
    assert_true(!site->has_incident && !site->is_standing);
    assert_int_equal(site->last_reason, REASON_NONE);
    world_done(&world);
}

static void a_run_from_its_start_to_its_end(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    struct service_view *view = &world.view;
    uint64_t target_down = UINT64_C(1) << REASON_TARGET_DOWN;
    uint64_t preflight = UINT64_C(1) << REASON_PREFLIGHT;
    view->sites[0].last_reason = REASON_COOL_DOWN;
    apply(&world, (struct thing){.kind = THING_RUN_START,
                                 .from = 0,
                                 .site = 1,
                                 .run_state = RUN_WAITING,
                                 .occasion = OCCASION_PLANNED,
                                 .overrides = preflight,
                                 .flag = true});
    assert_true(view->has_run && view->run_is_ours && view->run_state == RUN_WAITING);
    assert_int_equal(view->run_occasion, OCCASION_PLANNED);
    assert_int_equal(view->sites[0].last_reason, REASON_NONE);
    view->sites[0] = (struct site_view){.has_incident = true, .is_standing = true, .last_reason = REASON_DEADLINE};
    apply(&world, (struct thing){.kind = THING_RUN_START,
                                 .site = 1,
                                 .run_state = RUN_WAITING,
                                 .overrides = preflight,
                                 .flag = true,
                                 .occasion = OCCASION_PLANNED});
    assert_true(view_is_refused(view, 0)); /* a no is about the incident, whatever run comes and goes */
    view->sites[0] = (struct site_view){.has_incident = false};
    apply(&world, (struct thing){.kind = THING_RUN_APPROVED, .overrides = target_down});
    assert_true(view->run_state == RUN_RUNNING && view->run_is_ours);
    assert_true(view->run_overrides == (target_down | preflight));
    apply(&world, (struct thing){.kind = THING_RUN_GOES});
    assert_true(view->run_has_effect);
    apply(&world, (struct thing){.kind = THING_RUN_STATE, .run_state = RUN_RUNNING}); /* it had none after all */
    assert_false(view->run_has_effect);
    apply(&world, (struct thing){.kind = THING_RUN_HALT, .reason = REASON_PAUSED});
    assert_true(view->has_run && view->run_state == RUN_RUNNING);
    apply(&world, (struct thing){.kind = THING_RUN_CANCEL, .reason = REASON_VOTES});
    assert_true(view->has_run && view->run_is_cancelling);
    apply(&world, (struct thing){.kind = THING_RUN_STATE, .run_state = RUN_CANCELLED});
    struct service_view fresh;
    service_view_init(&fresh);
    assert_memory_equal(view, &fresh, sizeof fresh);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(votes_add_up_by_weight),
        cmocka_unit_test(there_are_so_many_votes_and_no_more),
        cmocka_unit_test(a_repeat_is_news_only_of_an_expired_vote),
        cmocka_unit_test(a_hold_doubles_when_it_flaps),
        cmocka_unit_test(each_timer_is_due_once_it_is_set),
        cmocka_unit_test(a_failback_that_was_refused_is_not_due),
        cmocka_unit_test(votes_are_due_when_they_grow_old),
        cmocka_unit_test(an_up_vote_lasts_as_long_as_its_alerts_or_its_heartbeat),
        cmocka_unit_test(our_own_check_is_fresh_for_three_rounds),
        cmocka_unit_test(the_end_of_a_freeze_is_due_for_who_waits_for_it),
        cmocka_unit_test(reasons_begin_anew_when_an_incident_stands_anew),
        cmocka_unit_test(a_run_from_its_start_to_its_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

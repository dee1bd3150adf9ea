/* GET /api/v1/services: who says what of a site, who is silent, what holds a service back, and what waits for a person.
 */
#include "api_fixture.h"

#define NOW_MINUS(seconds) (clock_steady_ms() - (seconds)*1000)

static struct id run;

static void add_vote(struct store_batch *batch, uint8_t key, const char *site, const char *voter, enum vote vote,
                     int64_t heard_at)
{
    batch_vote(batch, &(struct vote_row){.service = "shop",
                                         .site = site,
                                         .source = voter,
                                         .vote = vote,
                                         .heard_at = heard_at,
                                         .offset_ms = clock_offset_ms(),
                                         .boot_id = clock_boot_id()});
    if (vote != VOTE_UNKNOWN)
        batch_match(
            batch, &(struct match_row){.key = {{key}}, .service = "shop", .site = site, .source = voter, .says = vote});
}

static void add_timer(struct store_batch *batch, const char *site, enum timer_kind kind, int count, int seconds)
{
    batch_timer(batch, &(struct timer_row){.service = "shop",
                                           .site = site,
                                           .kind = kind,
                                           .count = count,
                                           .due_at = clock_steady_ms() + seconds * 1000,
                                           .offset_ms = clock_offset_ms(),
                                           .boot_id = clock_boot_id()});
}

static int make_database(void **state)
{
    (void)state;
    struct store *store = new_database();
    struct store_batch *batch = batch_new();
    run = id_new(1700000000000);
    batch_active(batch,
                 &(struct active_row){.service = "shop", .since = 1700000000000, .kind = ACTIVE_SITE, .site = "gra"});
    add_vote(batch, 1, "gra", "prometheus", VOTE_DOWN, NOW_MINUS(60));
    add_vote(batch, 2, "gra", "operator", VOTE_DOWN, NOW_MINUS(60));
    add_vote(batch, 3, "rbx", "probe", VOTE_UP, NOW_MINUS(5));
    add_vote(batch, 4, "gra", "gone", VOTE_DOWN, NOW_MINUS(5));
    add_timer(batch, "gra", TIMER_FLAP, 3, 600);
    add_timer(batch, "", TIMER_APPROVAL, 0, 1800);
    batch_run(batch, &(struct run_row){.id = run,
                                       .service = "shop",
                                       .is_ours = true,
                                       .overrides = "",
                                       .from = "gra",
                                       .to = "rbx",
                                       .state = RUN_WAITING,
                                       .reason = "votes",
                                       .started_by = "decision",
                                       .started_at = 1700000000000,
                                       .error = "",
                                       .playbook = "[]"});
    batch_pause(
        batch, &(struct pause_row){.service = "shop", .at = 1700000000000, .who = "oncall", .reason = "works tonight"});
    batch_incident(batch, &(struct incident_row){.id = run,
                                                 .service = "shop",
                                                 .site = "gra",
                                                 .opened_at = 1700000000000,
                                                 .stood_at = 1700000030000,
                                                 .is_standing = true,
                                                 .most_votes = 3,
                                                 .would_to = "",
                                                 .last_reason = "paused"});
    write_database(store, batch);
    return 0;
}

static struct label_match label = {0};
static struct alert_rule rules[] = {{.source = 0, .matches = &label, .site = 0},
                                    {.source = 1, .matches = &label, .site = SITE_OF_ALERT_TIME}};
static struct step check;
static struct voter_rule voter_rules[2] = {{.weight = 2, .expires_ms = 900000}, {.weight = 1}};
static char freeze_reason[] = "the fair";
static struct freeze freeze = {.from = 1600000000000, .until = 4100000000000, .reason = freeze_reason};

/* The fixture's shop with rules, a probe, weights, a freeze and approvals of its own. */
static int set_up_shop(void **state)
{
    static struct fixture fixture;
    static struct service services[2];
    fixture_init(&fixture);
    services[0] = fixture_services[0];
    services[1] = fixture_services[1];
    services[0].rules = rules;
    services[0].n_rules = 2;
    services[0].probe.check = &check;
    services[0].failback_mode = MODE_APPROVAL;
    services[0].settle_ms = 90000;
    services[0].freezes = &freeze;
    services[0].n_freezes = 1;
    fixture.model.services = services;
    fixture.model.voter_rules = voter_rules;
    fixture.settings.database = database;
    fixture_start(&fixture);
    *state = &fixture;
    return 0;
}

static json_t *shop_of(const struct fixture *f)
{
    return json_of(get(f, "/api/v1/services/shop", VIEWER), 200);
}

/* {"voter": …} of a site; NULL: it is not listed. */
static const json_t *voter_of(const json_t *site, const char *name)
{
    size_t i;
    const json_t *voter;
    json_array_foreach(json_object_get(site, "voters"), i, voter)
    {
        if (strcmp(json_string_value(json_object_get(voter, "voter")), name) == 0)
            return voter;
    }
    return NULL;
}

static int64_t ms_of(const json_t *object, const char *key)
{
    int64_t ms = 0;
    const char *text = json_string_value(json_object_get(object, key));
    if (text)
        assert_int_equal(time_parse(text, strlen(text), &ms), ERR_OK);
    return ms;
}

static void expect_voter(const json_t *site, const char *name, const char *vote, int alerts, int weight,
                         const char *trust)
{
    const json_t *voter = voter_of(site, name);
    const char *got_vote, *got_trust;
    int got_alerts, got_weight;
    if (!voter)
        fail_msg("%s is not listed", name);
    assert_int_equal(json_unpack((json_t *)(uintptr_t)voter, "{s:s, s:i, s:i, s:s}", "vote", &got_vote, "alerts",
                                 &got_alerts, "weight", &got_weight, "trust", &got_trust),
                     0);
    assert_string_equal(got_vote, vote);
    assert_int_equal(got_alerts, alerts);
    assert_int_equal(got_weight, weight);
    assert_string_equal(got_trust, trust);
}

static void who_says_what(void **state)
{
    json_t *shop = shop_of(*state);
    const json_t *gra = at(shop, "sites", 0), *rbx = at(shop, "sites", 1);
    assert_int_equal(json_array_size(json_object_get(gra, "voters")), 4);
    expect_voter(gra, "prometheus", "down", 1, 2, "secret");
    expect_voter(gra, "other", "unknown", 0, 1, "open"); /* by its rule of the active site */
    expect_voter(gra, "operator", "down", 1, 1, "secret");
    expect_voter(gra, "probe", "unknown", 0, 1, "signed");
    assert_null(voter_of(gra, "gone")); /* not configured any more: it does not count */
    assert_null(voter_of(rbx, "prometheus"));
    expect_voter(rbx, "probe", "up", 1, 1, "signed");
    const json_t *prometheus = voter_of(gra, "prometheus");
    assert_true(llabs(ms_of(prometheus, "heard_at") - clock_wall_ms() + 60000) < 20000);
    assert_int_equal(ms_of(prometheus, "expires_at") - ms_of(prometheus, "heard_at"), 900000);
    assert_true(json_is_null(json_object_get(voter_of(rbx, "probe"), "expires_at")));
    assert_true(json_is_null(json_object_get(voter_of(gra, "probe"), "heard_at")));
    json_decref(shop);
}

static void sums_are_by_weight(void **state)
{
    json_t *shop = shop_of(*state);
    const json_t *gra = at(shop, "sites", 0), *rbx = at(shop, "sites", 1);
    const char *vote;
    int down, trusted, up;
    assert_int_equal(json_unpack((json_t *)(uintptr_t)gra, "{s:s, s:i, s:i, s:i}", "vote", &vote, "down_votes", &down,
                                 "trusted_down_votes", &trusted, "up_votes", &up),
                     0);
    assert_string_equal(vote, "down");
    assert_int_equal(down, 3);
    assert_int_equal(trusted, 3);
    assert_int_equal(up, 0);
    char *sources = json_dumps(json_object_get(gra, "sources"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(sources, "[{\"alerts\":1,\"source\":\"prometheus\"},{\"alerts\":1,\"source\":\"operator\"}]");
    free(sources);
    assert_int_equal(
        json_unpack((json_t *)(uintptr_t)rbx, "{s:s, s:i, s:i}", "vote", &vote, "down_votes", &down, "up_votes", &up),
        0);
    assert_string_equal(vote, "up");
    assert_int_equal(down, 0);
    assert_int_equal(up, 1);
    json_decref(shop);
}

static void what_holds_it_back(void **state)
{
    json_t *shop = shop_of(*state);
    const char *mode, *at_text, *who, *reason, *until, *why;
    int settle;
    assert_int_equal(json_unpack(shop, "{s:s, s:i, s:{s:s, s:s, s:s !}, s:{s:s, s:s !}}", "failback_mode", &mode,
                                 "settle_ms", &settle, "paused", "at", &at_text, "who", &who, "reason", &reason,
                                 "frozen", "until", &until, "reason", &why),
                     0);
    assert_string_equal(mode, "approval");
    assert_int_equal(settle, 90000);
    assert_string_equal(at_text, "2023-11-14T22:13:20.000Z");
    assert_string_equal(who, "oncall");
    assert_string_equal(reason, "works tonight");
    assert_string_equal(until, "2099-12-03T16:53:20.000Z");
    assert_string_equal(why, "the fair");
    json_t *wiki = json_of(get(*state, "/api/v1/services/wiki", VIEWER), 200);
    assert_true(json_is_null(json_object_get(wiki, "paused")) && json_is_null(json_object_get(wiki, "frozen")) &&
                json_is_null(json_object_get(wiki, "waiting")));
    json_decref(wiki);
    json_decref(shop);
}

static void what_waits_for_a_person(void **state)
{
    json_t *shop = shop_of(*state);
    const json_t *waiting = json_object_get(shop, "waiting");
    const char *id, *kind, *to, *deadline, *then;
    char text[ID_TEXT_SIZE];
    assert_int_equal(json_unpack((json_t *)(uintptr_t)waiting, "{s:s, s:s, s:s, s:s, s:s !}", "run", &id, "kind", &kind,
                                 "to", &to, "deadline", &deadline, "then", &then),
                     0);
    assert_string_equal(id, id_format(&run, text));
    assert_string_equal(kind, "failover");
    assert_string_equal(to, "rbx");
    assert_string_equal(then, "reject");
    assert_true(llabs(ms_of(waiting, "deadline") - clock_wall_ms() - 1800000) < 20000);
    json_decref(shop);
}

static void timers_and_the_incident(void **state)
{
    json_t *shop = shop_of(*state);
    const json_t *flap = at(shop, "timers", 1);
    assert_string_equal(json_string_value(json_object_get(flap, "kind")), "flap");
    assert_int_equal(json_integer_value(json_object_get(flap, "count")), 3);
    char *incident = json_dumps(json_object_get(at(shop, "sites", 0), "incident"), JSON_COMPACT | JSON_SORT_KEYS);
    char expected[512], id[ID_TEXT_SIZE];
    snprintf(expected, sizeof expected,
             "{\"id\":\"%s\",\"is_standing\":true,\"most_votes\":3,\"opened_at\":\"2023-11-14T22:13:20.000Z\","
             "\"reason\":\"paused\",\"stood_at\":\"2023-11-14T22:13:50.000Z\",\"would_at\":null,\"would_to\":null}",
             id_format(&run, id));
    assert_string_equal(incident, expected);
    free(incident);
    assert_true(json_is_null(json_object_get(at(shop, "sites", 1), "incident")));
    json_decref(shop);
}

int main(void)
{
    clock_start();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_shop, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(who_says_what),           TEST(sums_are_by_weight),      TEST(what_holds_it_back),
        TEST(what_waits_for_a_person), TEST(timers_and_the_incident),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}

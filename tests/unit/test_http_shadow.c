/* GET /api/v1/shadow: more incidents than one page holds, and the runs of people among them. */
#include "api_fixture.h"

#define T0 INT64_C(1700000000000)
#define N 620
#define MOVED 600 /* by a person */

static struct id incidents[N];

static void add_run(struct store_batch *batch, int incident, bool is_ours)
{
    batch_run(batch, &(struct run_row){.id = id_new(T0 + incident * 1000000 + 1),
                                       .service = "wiki",
                                       .is_ours = is_ours,
                                       .overrides = "",
                                       .from = "gra",
                                       .to = "rbx",
                                       .state = RUN_SUCCEEDED,
                                       .reason = "x",
                                       .started_by = "operator oncall",
                                       .incident = incidents[incident],
                                       .started_at = T0 + incident * 1000000 + 35000,
                                       .finished_at = T0 + incident * 1000000 + 60000,
                                       .error = "",
                                       .playbook = "[]"});
}

/* Each stands for ten seconds; every other one would not have started anything. */
static int make_database(void **state)
{
    (void)state;
    struct store *store = new_database();
    struct store_batch *batch = batch_new();
    for (int i = 0; i < N; i++) {
        int64_t opened_at = T0 + i * 1000000;
        bool would = i % 2 == 0;
        incidents[i] = id_new(opened_at);
        batch_incident(batch, &(struct incident_row){.id = incidents[i],
                                                     .service = "wiki",
                                                     .site = "gra",
                                                     .opened_at = opened_at,
                                                     .stood_at = opened_at + 30000,
                                                     .fell_at = opened_at + 40000,
                                                     .resolved_at = opened_at + 41000,
                                                     .most_votes = i == MOVED ? 2 : 1,
                                                     .would_at = would ? opened_at + 30000 : 0,
                                                     .would_to = would ? "rbx" : "",
                                                     .last_reason = "shadow_mode"});
    }
    add_run(batch, MOVED, false);
    add_run(batch, MOVED - 2, true); /* ours proves nothing */
    write_database(store, batch);
    return 0;
}

static const json_t *counted(const json_t *report, int right, int wrong)
{
    assert_int_equal(json_array_size(json_object_get(report, "items")), 1);
    const json_t *wiki = at(report, "items", 0);
    assert_string_equal(json_string_value(json_object_get(wiki, "service")), "wiki");
    assert_int_equal(json_integer_value(json_object_get(wiki, "right")), right);
    assert_int_equal(json_integer_value(json_object_get(wiki, "false")), wrong);
    assert_int_equal(json_integer_value(json_object_get(wiki, "open")), 0);
    return wiki;
}

static void all_of_them(void **state)
{
    json_t *report = json_of(get(*state, "/api/v1/shadow", VIEWER), 200);
    assert_true(json_is_null(json_object_get(report, "since")));
    const json_t *wiki = counted(report, 1, 309);
    assert_int_equal(json_array_size(json_object_get(wiki, "cases")), 100);
    char *newest = json_dumps(at(wiki, "cases", 0), JSON_COMPACT | JSON_SORT_KEYS);
    char expected[512], id[ID_TEXT_SIZE];
    snprintf(expected, sizeof expected,
             "{\"at\":\"2023-11-22T01:53:50.000Z\",\"incident\":\"%s\",\"is_moved\":false,\"lasted_ms\":10000,"
             "\"most_votes\":1,\"site\":\"gra\",\"to\":\"rbx\",\"verdict\":\"false\"}",
             id_format(&incidents[N - 2], id));
    assert_string_equal(newest, expected);
    free(newest);
    char *options = json_dumps(json_object_get(wiki, "options"), JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(options, "[{\"hold_ms\":1000,\"later_ms\":0,\"votes\":2}]");
    free(options);
    assert_string_equal(json_string_value(json_object_get(wiki, "text")),
                        "310 failovers would have been started: 1 right, 309 false; no false one, and each right one, "
                        "with `votes: 2` and `hold: 1 s` (later by 0 s and the time that the last vote takes)");
    json_decref(report);
}

static void of_a_time(void **state)
{
    struct fixture *f = *state;
    char target[128], since[TIME_TEXT_SIZE];
    snprintf(target, sizeof target, "/api/v1/shadow?since=%s", time_format(T0 + (MOVED - 10) * 1000000, since));
    json_t *report = json_of(get(f, target, VIEWER), 200);
    assert_string_equal(json_string_value(json_object_get(report, "since")), since);
    const json_t *wiki = counted(report, 1, 14);
    assert_int_equal(json_array_size(json_object_get(wiki, "cases")), 15);
    assert_true(json_is_true(json_object_get(at(wiki, "cases", 9), "is_moved")));
    assert_string_equal(json_string_value(json_object_get(at(wiki, "cases", 9), "verdict")), "right");
    json_decref(report);
    report = json_of(get(f, "/api/v1/shadow?since=2024-01-01T00:00:00Z", VIEWER), 200);
    assert_int_equal(json_array_size(json_object_get(report, "items")), 0);
    json_decref(report);
    expect_error(get(f, "/api/v1/shadow?since=30d", VIEWER), 400, "invalid", "`since` must be a time like");
    expect_error(get(f, "/api/v1/shadow", ""), 401, "unauthorized", "");
}

static void a_database_that_cannot_be_read(void **state)
{
    char aside[128];
    snprintf(aside, sizeof aside, "%s.aside", database);
    assert_int_equal(rename(database, aside), 0);
    expect_error(get(*state, "/api/v1/shadow", VIEWER), 503, "unavailable", "cannot be read");
    assert_int_equal(rename(aside, database), 0);
}

int main(void)
{
    clock_start();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(all_of_them),
        TEST(of_a_time),
        TEST(a_database_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}

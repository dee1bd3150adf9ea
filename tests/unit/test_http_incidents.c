/* GET /api/v1/incidents: pages of them, and one with its chain and its story. */
#include "api_fixture.h"

#include "store/audit.h"

#define T0 INT64_C(1700000000000)

enum { OLD, MOVED, SHADOWED, LOST, OPEN, N_INCIDENTS };
static struct id incidents[N_INCIDENTS], run;

static void add_incident(struct store_batch *batch, int i, const char *service, int64_t resolved_at)
{
    incidents[i] = id_new(T0 + i * 1000000);
    batch_incident(batch, &(struct incident_row){.id = incidents[i],
                                                 .service = service,
                                                 .site = "gra",
                                                 .opened_at = T0 + i * 1000000,
                                                 .resolved_at = resolved_at,
                                                 .stood_at = i == OLD ? 0 : T0 + i * 1000000 + 30000,
                                                 .is_standing = i == OPEN,
                                                 .most_votes = i == OLD ? 1 : 2,
                                                 .would_at = i == SHADOWED ? T0 + i * 1000000 + 30000 : 0,
                                                 .would_to = i == SHADOWED ? "rbx" : "",
                                                 .last_reason = i == SHADOWED ? "shadow_mode"
                                                                : i == OPEN   ? "paused"
                                                                              : "none",
                                                 .run = i == MOVED ? run : (struct id){{0}}});
}

static void add_entry(struct store_batch *batch, struct audit_chain *chain, int incident, int64_t after_ms,
                      const char *kind, const char *reason, const char *text)
{
    char id[ID_TEXT_SIZE];
    json_t *entry = json_pack("{s:s, s:s, s:s, s:{s:s}}", "who", "turnout", "text", text, "incident",
                              id_format(&incidents[incident], id), "detail", "reason", reason);
    assert_int_equal(audit_append(chain, batch, entry, T0 + incident * 1000000 + after_ms, kind, "shop"), ERR_OK);
}

static int make_database(void **state)
{
    (void)state;
    struct store *store = new_database();
    struct store_batch *batch = batch_new();
    struct audit_chain chain = {0};
    run = id_new(T0 + MOVED * 1000000 + 30000);
    add_incident(batch, OLD, "shop", T0 + 60000);
    add_incident(batch, MOVED, "shop", T0 + 1600000);
    add_incident(batch, SHADOWED, "wiki", T0 + 2600000);
    add_incident(batch, LOST, "gone", 0);
    add_incident(batch, OPEN, "shop", 0);
    add_entry(batch, &chain, OLD, 0, "decision.vote", "votes", "prometheus says gra is down");
    add_entry(batch, &chain, OPEN, 0, "decision.vote", "votes", "prometheus says gra is down");
    add_entry(batch, &chain, OPEN, 1000, "decision.vote", "votes", "prometheus says no more that gra is down");
    add_entry(batch, &chain, OPEN, 2000, "decision.vote", "votes", "prometheus says gra is down");
    add_entry(batch, &chain, OPEN, 32000, "decision.not_acted", "paused",
              "gra is down, and nothing is started: paused");
    add_entry(batch, &chain, OPEN, 40000, "operator.call", "operator", "vote on gra of shop cast: down: I see it");
    batch_active(batch, &(struct active_row){.service = "shop", .since = T0, .kind = ACTIVE_SITE, .site = "gra"});
    batch_run(batch, &(struct run_row){.id = run,
                                       .service = "shop",
                                       .is_ours = true,
                                       .overrides = "",
                                       .from = "gra",
                                       .to = "rbx",
                                       .state = RUN_SUCCEEDED,
                                       .reason = "votes",
                                       .started_by = "decision",
                                       .incident = incidents[MOVED],
                                       .started_at = T0,
                                       .finished_at = T0 + 60000,
                                       .error = "",
                                       .playbook = "[]"});
    for (int i = 0; i < 2; i++) {
        const char *source = i ? "operator" : "prometheus";
        batch_match(
            batch,
            &(struct match_row){
                .key = {{(uint8_t)(i + 1)}}, .service = "shop", .site = "gra", .source = source, .says = VOTE_DOWN});
        batch_vote(batch, &(struct vote_row){
                              .service = "shop", .site = "gra", .source = source, .vote = VOTE_DOWN, .boot_id = ""});
    }
    write_database(store, batch);
    return 0;
}

static json_t *one(const struct fixture *f, int i)
{
    char target[128], id[ID_TEXT_SIZE];
    snprintf(target, sizeof target, "/api/v1/incidents/%s", id_format(&incidents[i], id));
    return json_of(get(f, target, VIEWER), 200);
}

static void expect_ids(const json_t *page, size_t n, const int *expected)
{
    char id[ID_TEXT_SIZE];
    assert_int_equal(json_array_size(json_object_get(page, "items")), n);
    for (size_t i = 0; i < n; i++)
        assert_string_equal(json_string_value(json_object_get(at(page, "items", i), "id")),
                            id_format(&incidents[expected[i]], id));
}

static void in_pages(void **state)
{
    struct fixture *f = *state;
    char target[128];
    json_t *page = json_of(get(f, "/api/v1/incidents?limit=3", VIEWER), 200);
    expect_ids(page, 3, (int[]){OPEN, LOST, SHADOWED});
    char *item = json_dumps(at(page, "items", 2), JSON_COMPACT | JSON_SORT_KEYS);
    char expected[512], id[ID_TEXT_SIZE];
    snprintf(
        expected, sizeof expected,
        "{\"fell_at\":null,\"id\":\"%s\",\"is_standing\":false,\"most_votes\":2,"
        "\"opened_at\":\"2023-11-14T22:46:40.000Z\",\"reason\":\"shadow_mode\","
        "\"resolved_at\":\"2023-11-14T22:56:40.000Z\",\"run\":null,\"service\":\"wiki\",\"site\":\"gra\","
        "\"stood_at\":\"2023-11-14T22:47:10.000Z\",\"would_at\":\"2023-11-14T22:47:10.000Z\",\"would_to\":\"rbx\"}",
        id_format(&incidents[SHADOWED], id));
    assert_string_equal(item, expected);
    free(item);
    snprintf(target, sizeof target, "/api/v1/incidents?after=%s", json_string_value(json_object_get(page, "next")));
    json_decref(page);
    page = json_of(get(f, target, VIEWER), 200);
    expect_ids(page, 2, (int[]){MOVED, OLD});
    assert_null(json_object_get(page, "next"));
    json_decref(page);
}

static void with_filters(void **state)
{
    struct fixture *f = *state;
    json_t *page = json_of(get(f, "/api/v1/incidents?service=shop", VIEWER), 200);
    expect_ids(page, 3, (int[]){OPEN, MOVED, OLD});
    json_decref(page);
    page = json_of(get(f, "/api/v1/incidents?open=true", VIEWER), 200);
    expect_ids(page, 2, (int[]){OPEN, LOST});
    json_decref(page);
    page = json_of(get(f, "/api/v1/incidents?open=true&service=shop", VIEWER), 200);
    expect_ids(page, 1, (int[]){OPEN});
    json_decref(page);
    page = json_of(get(f, "/api/v1/incidents?open=false&service=none", VIEWER), 200);
    expect_ids(page, 0, NULL);
    json_decref(page);
    expect_error(get(f, "/api/v1/incidents", ""), 401, "unauthorized", "");
    expect_error(get(f, "/api/v1/incidents?open=yes", VIEWER), 400, "invalid", "`open` must be true or false");
    expect_error(get(f, "/api/v1/incidents?after=1", VIEWER), 400, "invalid", "`after`");
    expect_error(get(f, "/api/v1/incidents?limit=0", VIEWER), 400, "invalid", "`limit`");
    expect_error(get(f, "/api/v1/incidents?site=gra", VIEWER), 400, "unknown_parameter", "`site`");
}

/* As "+ms|text" lines; "now" for what stands at the end. */
static const char *story_of(const json_t *incident)
{
    static char text[8192];
    size_t i, len = 0;
    const json_t *line;
    json_array_foreach(json_object_get(incident, "story"), i, line)
    {
        char when[32];
        snprintf(when, sizeof when, "+%" JSON_INTEGER_FORMAT, json_integer_value(json_object_get(line, "after_ms")));
        len += (size_t)snprintf(text + len, sizeof text - len, "%s|%s\n",
                                json_is_true(json_object_get(line, "is_now")) ? "now" : when,
                                json_string_value(json_object_get(line, "text")));
    }
    return text;
}

static void one_that_stands_and_starts_nothing(void **state)
{
    json_t *incident = one(*state, OPEN);
    assert_int_equal(json_array_size(json_object_get(incident, "chain")), 5);
    assert_int_equal(json_integer_value(json_object_get(incident, "left_out")), 0);
    assert_string_equal(json_string_value(json_object_get(json_object_get(at(incident, "chain", 3), "entry"), "kind")),
                        "decision.not_acted");
    assert_string_equal(
        story_of(incident),
        "+0|prometheus says gra is down [1 time more, until 2 s later]\n"
        "+1000|prometheus says no more that gra is down\n"
        "+32000|gra is down, and nothing is started: paused (`turnout resume shop --reason TEXT` ends the pause; a "
        "person can move it meanwhile)\n"
        "+40000|turnout: vote on gra of shop cast: down: I see it\n"
        "now|nothing is started, for the service is paused: `turnout resume shop --reason TEXT` ends the pause; a "
        "person "
        "can move it meanwhile\n");
    assert_string_equal(json_string_value(json_object_get(at(incident, "story", 2), "at")), "2023-11-14T23:20:32.000Z");
    json_decref(incident);
}

static void those_that_are_over(void **state)
{
    char expected[256], id[ID_TEXT_SIZE];
    json_t *incident = one(*state, OLD);
    assert_string_equal(story_of(incident), "+0|prometheus says gra is down\n"
                                            "now|it is over, and nothing was decided: there was 1 vote at most where 2 "
                                            "are needed\n");
    json_decref(incident);
    incident = one(*state, MOVED);
    snprintf(expected, sizeof expected,
             "now|it is over; of it came the failover to rbx, which succeeded: `turnout runs %s`\n",
             id_format(&run, id));
    assert_string_equal(story_of(incident), expected);
    json_decref(incident);
    incident = one(*state, SHADOWED);
    assert_string_equal(story_of(incident),
                        "now|it is over; in another mode than shadow it would have been moved to rbx\n");
    json_decref(incident);
}

static void one_whose_service_has_gone(void **state)
{
    json_t *incident = one(*state, LOST);
    assert_string_equal(story_of(incident),
                        "now|nothing follows: the service gone is not in the configuration any more\n");
    json_decref(incident);
}

static void none_with_that_id(void **state)
{
    struct fixture *f = *state;
    expect_error(get(f, "/api/v1/incidents/nonsense", VIEWER), 404, "not_found", "no incident");
    expect_error(get(f, "/api/v1/incidents/00000000-0000-7000-8000-000000000000", VIEWER), 404, "not_found", "");
    expect_error(get(f, "/api/v1/incidents/00000000-0000-7000-8000-000000000000", ""), 401, "unauthorized", "");
}

int main(void)
{
    clock_start();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(in_pages),
        TEST(with_filters),
        TEST(one_that_stands_and_starts_nothing),
        TEST(those_that_are_over),
        TEST(one_whose_service_has_gone),
        TEST(none_with_that_id),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}

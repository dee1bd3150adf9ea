/* Operators' calls: what of a body becomes which command, and what nobody can mean. */
#include "api_fixture.h"

#include "core/decide.h"

static void calls_become_commands(void **state)
{
    struct fixture *f = *state;
    json_t *json = json_of(call(f, "/api/v1/services/shop/failover", OPERATOR "Idempotency-Key: k-1\r\n",
                                "{\"reason\":\"the site burns\",\"to\":\"rbx\"}"),
                           202);
    assert_int_equal(strlen(json_string_value(json_object_get(json, "run"))), 36);
    json_decref(json);
    assert_int_equal(f->last_call.direction, DIRECTION_FAILOVER);
    assert_string_equal(f->last_call.who, "oncall");
    assert_string_equal(f->last_call.from, "127.0.0.1");
    assert_string_equal(f->last_service, "shop");
    assert_string_equal(f->last_site, "rbx");
    assert_string_equal(f->last_reason, "the site burns");
    assert_string_equal(f->last_key, "k-1");
    json_decref(json_of(call(f, "/api/v1/services/shop/failback", OPERATOR, "{\"reason\":\"home again\"}"), 202));
    assert_int_equal(f->last_call.direction, DIRECTION_FAILBACK);
    assert_string_equal(f->last_site, "");
    expect_json(call(f, "/api/v1/services/shop/adopt", OPERATOR, "{\"to\":\"gra\",\"reason\":\"looked\"}"), 200,
                "{\"active\":\"gra\"}");
    const struct id run = id_new(1700000000000);
    static const struct {
        const char *name;
        enum run_call call;
    } events[] = {{"approve", RUN_CALL_APPROVE},
                  {"reject", RUN_CALL_REJECT},
                  {"retry", RUN_CALL_RETRY},
                  {"skip", RUN_CALL_SKIP},
                  {"cancel", RUN_CALL_CANCEL}};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++) {
        char target[128], expected[128], id[ID_TEXT_SIZE];
        snprintf(target, sizeof target, "/api/v1/runs/%s/%s", id_format(&run, id), events[i].name);
        snprintf(expected, sizeof expected, "{\"run\":\"%s\"}", id);
        expect_json(call(f, target, OPERATOR, "{\"reason\":\"x\"}"), 200, expected);
        assert_int_equal(f->last_call.run_call, events[i].call);
        assert_memory_equal(&f->last_call.run, &run, sizeof run);
    }
}

/* A 409 says how to insist, where one can. */
static void refused_commands(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum err err;
        const char *code;
        int status;
        const char *expected;
    } cases[] = {
        {ERR_CONFLICT, "run_in_progress", 409,
         "{\"code\":\"run_in_progress\",\"message\":\"because\",\"override\":null,\"replace\":true}"},
        {ERR_CONFLICT, "target_down", 409,
         "{\"code\":\"target_down\",\"message\":\"because\",\"override\":\"target_down\",\"replace\":false}"},
        {ERR_CONFLICT, "preflight", 409,
         "{\"code\":\"preflight\",\"message\":\"because\",\"override\":\"preflight\",\"replace\":false}"},
        {ERR_CONFLICT, "already_active", 409,
         "{\"code\":\"already_active\",\"message\":\"because\",\"override\":null,\"replace\":false}"},
        {ERR_CONFLICT, "idempotency_key_reused", 409,
         "{\"code\":\"idempotency_key_reused\",\"message\":\"because\",\"override\":null,\"replace\":false}"},
        {ERR_NOT_FOUND, "not_found", 404, "{\"code\":\"not_found\",\"message\":\"because\"}"},
        {ERR_INVALID, "", 400, "{\"code\":\"refused\",\"message\":\"because\"}"},
        {ERR_BUSY, "", 503, "{\"code\":\"unavailable\",\"message\":\"because; try again\"}"},
        {ERR_FULL, "x", 503, "{\"code\":\"unavailable\",\"message\":\"because; try again\"}"},
        {ERR_IO, "", 503, "{\"code\":\"unavailable\",\"message\":\"because; try again\"}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char expected[256];
        pthread_mutex_lock(&f->mutex);
        f->call_err = cases[i].err;
        snprintf(f->call_code, sizeof f->call_code, "%s", cases[i].code);
        pthread_mutex_unlock(&f->mutex);
        snprintf(expected, sizeof expected, "{\"error\":%s}", cases[i].expected);
        expect_json(call(f, "/api/v1/services/shop/failover", OPERATOR, "{\"reason\":\"x\"}"), cases[i].status,
                    expected);
    }
}

static void wrong_calls(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target, *headers, *body;
        int status;
        const char *code, *message;
    } cases[] = {
        {"/api/v1/services/shop/failover", OPERATOR, "", 400, "invalid", "expected a JSON object"},
        {"/api/v1/services/shop/failover", OPERATOR, "[]", 400, "invalid", "expected a JSON object"},
        {"/api/v1/services/shop/failover", OPERATOR, "{\"reason\":\"a\",\"reason\":\"b\"}", 400, "invalid",
         "duplicate"},
        {"/api/v1/services/shop/failover", OPERATOR, "{}", 400, "reason_missing", "`reason`"},
        {"/api/v1/services/shop/failover", OPERATOR, "{\"reason\":\" \"}", 400, "reason_missing", "`reason`"},
        {"/api/v1/services/shop/failover", OPERATOR, "{\"reason\":7}", 400, "invalid", "must be a string"},
        {"/api/v1/services/shop/failover", OPERATOR, "{\"reson\":\"x\"}", 400, "unknown_key", "is it `reason`?"},
        {"/api/v1/services/shop/failover", OPERATOR, "{\"too\":\"x\"}", 400, "unknown_key", "is it `to`?"},
        {"/api/v1/services/shop/failover", OPERATOR, "{\"reason\":\"x\",\"plan\":\"h\"}", 400, "invalid", "64 hex"},
        {"/api/v1/services/shop/adopt", OPERATOR, "{\"reason\":\"x\"}", 400, "invalid", "`to` is needed"},
        {"/api/v1/services/shop/failover", OPERATOR "Idempotency-Key: \x7f\r\n", "{\"reason\":\"x\"}", 400, "invalid",
         "Idempotency-Key"},
        {"/api/v1/runs/nonsense/retry", OPERATOR, "{\"reason\":\"x\"}", 404, "not_found", "no run"},
        {"/api/v1/runs/nonsense/approve", OPERATOR, "{\"reason\":\"x\"}", 404, "not_found", "no run"},
        {"/api/v1/runs/nonsense/undo", OPERATOR, "{\"reason\":\"x\"}", 404, "not_found", ""},
        {"/api/v1/services", OPERATOR, "{}", 405, "method_not_allowed", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_error(call(f, cases[i].target, cases[i].headers, cases[i].body), cases[i].status, cases[i].code,
                     cases[i].message);
    expect_error(get(f, "/api/v1/services/shop/failover", OPERATOR), 405, "method_not_allowed", "POST");
    char *large = malloc(70001);
    memset(large, ' ', 70000);
    large[70000] = '\0';
    expect_error(call(f, "/api/v1/services/shop/failover", OPERATOR, large), 413, "too_big", "65536");
    memset(large, '[', 60000);
    large[60000] = '\0';
    expect_error(call(f, "/api/v1/services/shop/failover", OPERATOR, large), 400, "invalid", "");
    free(large);
    assert_string_equal(f->last_service, "");
}

static void how_to_move(void **state)
{
    struct fixture *f = *state;
    const uint64_t both = UINT64_C(1) << REASON_TARGET_DOWN | UINT64_C(1) << REASON_PREFLIGHT;
    json_decref(json_of(call(f, "/api/v1/services/shop/failover", OPERATOR, "{\"reason\":\"x\"}"), 202));
    assert_false(f->last_call.is_planned || f->last_call.is_replacing);
    assert_int_equal(f->last_call.overrides, 0);
    json_decref(json_of(call(f, "/api/v1/services/shop/failover", OPERATOR,
                             "{\"reason\":\"x\",\"planned\":true,\"replace\":false,\"override\":[]}"),
                        202));
    assert_true(f->last_call.is_planned && !f->last_call.is_replacing);
    assert_int_equal(f->last_call.overrides, 0);
    json_decref(json_of(call(f, "/api/v1/services/shop/failback", OPERATOR,
                             "{\"reason\":\"x\",\"replace\":true,\"override\":[\"preflight\",\"target_down\"]}"),
                        202));
    assert_true(f->last_call.is_replacing && !f->last_call.is_planned);
    assert_true(f->last_call.overrides == both);
    const struct id run = id_new(1700000000000);
    char target[128], id[ID_TEXT_SIZE];
    snprintf(target, sizeof target, "/api/v1/runs/%s/approve", id_format(&run, id));
    json_decref(json_of(call(f, target, OPERATOR, "{\"reason\":\"x\",\"override\":[\"target_down\"]}"), 200));
    assert_true(f->last_call.overrides == UINT64_C(1) << REASON_TARGET_DOWN);
}

static void pauses_and_votes(void **state)
{
    struct fixture *f = *state;
    expect_json(call(f, "/api/v1/services/shop/pause", OPERATOR, "{\"reason\":\"works\"}"), 200, "{\"paused\":true}");
    assert_int_equal(f->last_kind, COMMAND_PAUSE);
    assert_true(f->last_call.is_pausing);
    assert_string_equal(f->last_service, "shop");
    assert_string_equal(f->last_reason, "works");
    expect_json(call(f, "/api/v1/services/shop/resume", OPERATOR, "{\"reason\":\"done\"}"), 200, "{\"paused\":false}");
    assert_int_equal(f->last_kind, COMMAND_PAUSE);
    assert_false(f->last_call.is_pausing);
    static const struct {
        const char *says;
        enum vote vote;
    } votes[] = {{"down", VOTE_DOWN}, {"up", VOTE_UP}, {"nothing", VOTE_UNKNOWN}};
    for (size_t i = 0; i < 3; i++) {
        char body[128], expected[128];
        snprintf(body, sizeof body, "{\"site\":\"gra\",\"says\":\"%s\",\"reason\":\"x\"}", votes[i].says);
        snprintf(expected, sizeof expected, "{\"site\":\"gra\",\"says\":\"%s\"}", votes[i].says);
        expect_json(call(f, "/api/v1/services/shop/vote", OPERATOR, body), 200, expected);
        assert_int_equal(f->last_kind, COMMAND_VOTE);
        assert_int_equal(f->last_call.says, votes[i].vote);
        assert_string_equal(f->last_site, "gra");
    }
}

/* Each says what would be right. */
static void wrong_values(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *call, *body, *code, *message;
    } cases[] = {
        {"failover", "\"planned\":1", "invalid", "`planned` must be true or false"},
        {"failover", "\"planned\":\"true\"", "invalid", "`planned` must be true or false"},
        {"failover", "\"replace\":null", "invalid", "`replace` must be true or false"},
        {"failover", "\"override\":\"target_down\"", "invalid",
         "must be a list of guards' names: target_down, preflight"},
        {"failover", "\"override\":[1]", "invalid", "there is no guard"},
        {"failover", "\"override\":[\"targetdown\"]", "invalid",
         "there is no guard `targetdown`; what can be overridden: target_down, preflight"},
        {"failover", "\"override\":[\"target_down\",\"cool_down\"]", "invalid",
         "`cool_down` cannot be overridden, or never refuses a person; what can be: target_down, preflight"},
        {"failover", "\"override\":[\"run_in_progress\"]", "invalid", "`\"replace\": true`"},
        {"failover",
         "\"override\":[\"preflight\",\"preflight\",\"preflight\",\"preflight\",\"preflight\","
         "\"preflight\",\"preflight\",\"preflight\",\"preflight\"]",
         "invalid", "must be a list"},
        {"failover", "\"overide\":[]", "unknown_key", "is it `override`?"},
        {"failover", "\"says\":\"down\"", "unknown_key", ""},
        {"failover", "\"to\":7", "invalid", "`to` must be a string"},
        {"adopt", "\"to\":\"gra\",\"replace\":true", "unknown_key", ""},
        {"pause", "\"to\":\"gra\"", "unknown_key", "is it `reason`?"},
        {"resume", "\"until\":\"gra\"", "unknown_key", ""},
        {"vote", "\"says\":\"down\"", "invalid", "`site` is needed"},
        {"vote", "\"site\":\"gra\"", "invalid", "`says` is needed: \"down\", \"up\" or \"nothing\""},
        {"vote", "\"site\":\"gra\",\"says\":\"unknown\"", "invalid",
         "`says` must be \"down\" or \"up\", or \"nothing\""},
        {"vote", "\"site\":\"gra\",\"says\":true", "invalid", "`says` must be"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[128], body[512];
        snprintf(target, sizeof target, "/api/v1/services/shop/%s", cases[i].call);
        snprintf(body, sizeof body, "{%s,\"reason\":\"x\"}", cases[i].body);
        expect_error(call(f, target, OPERATOR, body), 400, cases[i].code, cases[i].message);
    }
    expect_error(call(f, "/api/v1/services/shop/pause", OPERATOR, "{}"), 400, "reason_missing", "it goes on record");
    assert_string_equal(f->last_service, "");
}

/* Who reads may not act, and who answers a run that waits may do nothing else. */
static void roles(void **state)
{
    struct fixture *f = *state;
    static const char *const calls[] = {
        "services/shop/failover", "services/shop/failback", "services/shop/adopt", "services/shop/pause",
        "services/shop/resume",   "services/shop/vote",     "runs/x/retry",        "runs/x/skip",
        "runs/x/cancel"};
    char target[128];
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        snprintf(target, sizeof target, "/api/v1/%s", calls[i]);
        expect_error(call(f, target, VIEWER, "{\"reason\":\"x\"}"), 403, "forbidden",
                     "this needs the role operator; screen has the role viewer");
        expect_error(call(f, target, APPROVER, "{\"reason\":\"x\"}"), 403, "forbidden",
                     "this needs the role operator; chief has the role approver");
        expect_error(call(f, target, "", "{\"reason\":\"x\"}"), 401, "unauthorized", "");
    }
    static const char *const answers[] = {"approve", "reject"};
    const struct id run = id_new(1700000000000);
    char id[ID_TEXT_SIZE];
    for (size_t i = 0; i < 2; i++) {
        snprintf(target, sizeof target, "/api/v1/runs/%s/%s", id_format(&run, id), answers[i]);
        expect_error(call(f, target, VIEWER, "{\"reason\":\"x\"}"), 403, "forbidden",
                     "this needs the role approver or operator; screen has the role viewer");
        json_decref(json_of(call(f, target, APPROVER, "{\"reason\":\"I have looked\"}"), 200));
        assert_string_equal(f->last_call.who, "chief");
        assert_string_equal(f->last_reason, "I have looked");
        json_decref(json_of(call(f, target, OPERATOR, "{\"reason\":\"x\"}"), 200));
    }
}

/* The record says whose call it was, and which role does not suffice. */
static void a_refused_role_is_on_record(void **state)
{
    struct fixture *f = *state;
    expect_error(call(f, "/api/v1/services/shop/failover", APPROVER, "{\"reason\":\"x\"}"), 403, "forbidden", "");
    wait_for_refused(f, 1);
    pthread_mutex_lock(&f->mutex);
    assert_string_equal(f->last_refused.who, "chief");
    assert_string_equal(f->last_refused.reason, "the role approver may not do this");
    pthread_mutex_unlock(&f->mutex);
}

static json_t *two_facts(void *context)
{
    return json_pack("{s:n, s:s}", "cut_off", "flood", context);
}

static void status_is_what_others_know(void **state)
{
    struct fixture *f = *state;
    char flood[] = "2 sites are down at once";
    f->settings.status = two_facts;
    f->settings.status_context = flood;
    fixture_start(f);
    expect_json(get(f, "/api/v1/status", VIEWER), 200, "{\"cut_off\":null,\"flood\":\"2 sites are down at once\"}");
    expect_error(get(f, "/api/v1/status", ""), 401, "unauthorized", "");
    expect_error(get(f, "/api/v1/status?x=1", VIEWER), 400, "unknown_parameter", "");
}

static void status_of_which_nothing_is_known(void **state)
{
    expect_json(get(*state, "/api/v1/status", VIEWER), 200, "{}");
}

static int set_up_started(void **state)
{
    fixture_set_up(state);
    fixture_start(*state);
    return 0;
}

int main(void)
{
    clock_start();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_started, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(calls_become_commands),
        TEST(how_to_move),
        TEST(pauses_and_votes),
        TEST(refused_commands),
        TEST(wrong_calls),
        TEST(wrong_values),
        TEST(roles),
        TEST(a_refused_role_is_on_record),
        cmocka_unit_test_setup_teardown(status_is_what_others_know, fixture_set_up, fixture_tear_down),
        TEST(status_of_which_nothing_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

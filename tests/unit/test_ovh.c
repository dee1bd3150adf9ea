#include "appliers.h"
#include "canned_server.h"
#include "dns_rig.h"

#include "actions/survey.h"

static void start_with(struct rig *rig, const char *const *with)
{
    char provider[200], args[300];
    snprintf(provider, sizeof(provider), "{\"endpoint\": \"ovh-eu\", \"url\": \"%s/ovh/1.0\"}", sandbox.url);
    snprintf(
        args, sizeof(args),
        "{\"zone\": \"example.net\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\", \"ttl\": 60,"
        " \"nameservers\": [\"%s\"]}",
        sandbox.dns);
    sandbox_do(&sandbox, "reset", NULL);
    rig_start(rig, "ovh.dns_record", provider, with, args);
}

static void start(struct rig *rig)
{
    start_with(rig, ovh_secrets);
}

static void option(const char *json)
{
    sandbox_do(&sandbox, "options", json);
}

static int count_requests(struct rig *rig, const char *method, const char *part)
{
    const json_t *entry;
    size_t i;
    int count = 0;
    json_array_foreach(rig->requests, i, entry)
    {
        count += strcmp(json_string_value(json_object_get(entry, "method")), method) == 0 &&
                 strstr(json_string_value(json_object_get(entry, "url")), part) != NULL;
    }
    return count;
}

/* Asked for once, by looks alone; a key that may not ask that is none the worse for it. */
static void test_when_the_key_ends(void **state)
{
    (void)state;
    static const struct {
        const char *options, *fault;
        int64_t in_s; /* 0: not known */
    } cases[] = {
        {"{\"ovh_expires_in_s\": 259200}", NULL, 259200},
        {"{\"ovh_expires_in_s\": 0}", NULL, 0},
        {"{\"ovh_expires_in_s\": 259200}",
         "[{\"path_regex\": \"currentCredential\", \"kind\": \"status\", \"status\": 403, \"code\": "
         "\"NOT_GRANTED_CALL\"}]",
         0},
        {"{\"ovh_expires_in_s\": 259200}", "[{\"path_regex\": \"currentCredential\", \"kind\": \"garbage\"}]", 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rig rig;
        start(&rig);
        option(cases[i].options);
        if (cases[i].fault)
            fault(cases[i].fault);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_int_equal(rig.result.ends_at, 0);
        assert_int_equal(count_requests(&rig, "GET", "/auth/currentCredential"), 0);
        rig.is_look = true;
        for (int n = 0; n < 2; n++) {
            assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
            const int64_t in_ms = rig.result.ends_at - clock_wall_ms();
            if (cases[i].in_s)
                assert_in_range(in_ms, (cases[i].in_s - 60) * 1000, cases[i].in_s * 1000);
            else
                assert_int_equal(rig.result.ends_at, 0);
        }
        assert_int_equal(count_requests(&rig, "GET", "/auth/currentCredential"), 1);
        rig_stop(&rig);
    }
}

static void test_moves_a_record(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "192.0.2.10");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    /* right after it the API's view is right, and whether it is served is for settled to say */
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    assert_text_has(&rig, "serial");
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    assert_text_has(&rig, "answers 198.51.100.20");
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 1);
    assert_int_equal(sandbox_effects(&sandbox, "POST"), 1);
    assert_int_equal(count_requests(&rig, "GET", "/auth/time"), 1); /* not for each call */
    rig_forget(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK); /* another run finds it done */
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_settle(&rig, 0), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_staged_is_not_served(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    fault("[{\"method\":\"POST\",\"path_regex\":\"/refresh\",\"kind\":\"status\",\"status\":500}]");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "staged but not served");
    /* the next observation finds the record right, and sees that nobody gets it */
    rig.after_unknown_apply = true;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "not served");
    assert_text_has(&rig, "192.0.2.10");
    rig.after_unknown_apply = false;
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, "right already");
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 1);
    assert_int_equal(sandbox_effects(&sandbox, "POST"), 1);
    rig_stop(&rig);
}

static void test_no_right_to_refresh(void **state)
{
    (void)state;
    struct rig rig;
    const char *const limited[] = {"application_key=sandbox-ak", "application_secret=sandbox-as",
                                   "consumer_key=sandbox-ck-no-refresh", NULL};
    start_with(&rig, limited);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "staged but not served");
    assert_text_has(&rig, "403: NOT_GRANTED_CALL: This call has not been granted (query EU.");
    rig_stop(&rig);
}

static void test_swallowed_refresh(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    option("{\"ovh_refresh_ms\": -1}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    /* as if it had been a while ago */
    json_object_set_new(rig.applied, "at", json_integer(clock_wall_ms() - 10 * 60 * 1000));
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "seems to be lost");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    option("{\"ovh_refresh_ms\": 100}");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 1);
    rig_stop(&rig);
}

static void test_silent_name_servers(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set(&rig, "nameservers", "127.0.0.1:1");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    assert_text_has(&rig, "serial went from");
    assert_text_has(&rig, "could not be asked");
    rig_forget(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK); /* a refresh is harmless, a wrong belief is not */
    assert_false(rig.result.is_right);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    rig_stop(&rig);
}

static void test_name_servers_that_cannot_be_found(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    json_object_del(rig.args, "nameservers");
    rig_set(&rig, "target", "192.0.2.10");
    rig.timeout_ms = 3000;
    const char *const faults[] = {
        "[{\"path_regex\":\"/"
        "example.net$\",\"kind\":\"garbage\",\"body\":\"{\\\"nameServers\\\":[\\\"ns.invalid\\\",7]}\"}]",
        "[{\"path_regex\":\"/example.net$\",\"kind\":\"garbage\",\"body\":\"{\\\"nameServers\\\":[\\\"a..b\\\"]}\"}]",
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        int64_t began_at = clock_steady_ms();
        fault(faults[i]);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_false(rig.result.is_right);
        assert_text_has(&rig, "not served");
        assert_in_range(clock_steady_ms() - began_at, 0, 3500);
    }
    rig_stop(&rig);
}

static void test_forms_of_success(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    option("{\"ovh_refresh_status\": \"204\", \"ovh_put_body\": \"null\", \"ovh_refresh_ms\": 0}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_cname_is_absolute(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set(&rig, "record", "www");
    rig_set(&rig, "type", "CNAME");
    rig_set(&rig, "target", "app");
    rig_set_int(&rig, "ttl", 0);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right); /* "app" there is app.example.net, and not "app." */
    rig_set(&rig, "target", "other.example.com");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_string_equal(json_string_value(json_object_get(rig.result.current, "target")), "other.example.com.");
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_what_cannot_be_changed(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const struct {
        const char *zone, *record, *target;
        int ttl;
        const char *says;
    } cases[] = {
        {"example.net", "nothing", "192.0.2.1", 60, "no record nothing of type A"},
        {"example.net", "pair", "192.0.2.1", 60, "5001234570, 5001234571"},
        {"other.example", "app", "192.0.2.1", 60, "404: Client::NotFound: This service does not exist"},
        {"example.net", "app", "192.0.2.1", 30, "60 or more"},
        {"example.net", "app", "name.example", 60, "not an IPv4 address"},
        {"example.net", "app.example.net", "192.0.2.1", 60, "is the whole name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_set(&rig, "zone", cases[i].zone);
        rig_set(&rig, "record", cases[i].record);
        rig_set(&rig, "target", cases[i].target);
        rig_set_int(&rig, "ttl", cases[i].ttl);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, cases[i].says);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    }
    rig_set(&rig, "nameservers", "ns1.example.net");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 0);
    rig_stop(&rig);
}

static void test_errors(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const struct {
        const char *fault;
        enum outcome read, write;
        const char *says;
    } cases[] = {
        {"\"status\",\"status\":429", OUTCOME_TEMPORARY, OUTCOME_TEMPORARY, "429"},
        {"\"status\",\"status\":503", OUTCOME_TEMPORARY, OUTCOME_TEMPORARY, "503"},
        {"\"status\",\"status\":500", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "Internal server error"},
        {"\"html\",\"status\":502", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "502"},
        {"\"status\",\"status\":460", OUTCOME_PERMANENT, OUTCOME_PERMANENT, "460"},
        {"\"status\",\"code\":\"INVALID_CREDENTIAL\"", OUTCOME_PERMANENT, OUTCOME_PERMANENT, "INVALID_CREDENTIAL"},
        {"\"truncate\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "OVH"},
        {"\"reset_after\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "OVH"},
        {"\"reset_before\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "OVH"},
        {"\"timeout_before\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "OVH"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[200];
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        rig.timeout_ms = 700;
        /* for ever: on a kept connection a read that gets no answer at all goes out again by itself */
        snprintf(text, sizeof(text), "[{\"method\":\"GET\",\"times\":-1,\"kind\":%s}]", cases[i].fault);
        fault(text);
        assert_outcome(&rig, rig_call(&rig, rig.action->observe), cases[i].read);
        assert_text_has(&rig, cases[i].says);
        json_decref(sandbox_call(&sandbox, "DELETE", "faults", NULL));
        snprintf(text, sizeof(text), "[{\"method\":\"PUT\",\"kind\":%s}]", cases[i].fault);
        fault(text);
        assert_outcome(&rig, rig_apply(&rig), cases[i].write);
        rig.timeout_ms = 5000;
        sandbox_do(&sandbox, "reset", NULL);
        rig_forget(&rig);
    }
    rig_stop(&rig);
}

static void test_bodies_that_cannot_be_read(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const bodies[] = {"", "{}", "[1", "7", "<html>", "[\\\"x\\\"]"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char text[200];
        snprintf(text, sizeof(text), "[{\"path_regex\":\"/record\",\"kind\":\"garbage\",\"body\":\"%s\"}]", bodies[i]);
        fault(text);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    }
    fault("[{\"path_regex\":\"/soa\",\"kind\":\"garbage\",\"body\":\"{}\"}]");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 0);
    rig_stop(&rig);
}

static void test_clock_of_the_server(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    option("{\"ovh_skew_s\": 3600}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    /* the server's clock jumps: once this is temporary, and the offset is taken anew */
    option("{\"ovh_skew_s\": -3600}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "Query out of time");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    rig_stop(&rig);

    /* a wrong secret looks the same, and stays wrong */
    const char *const wrong[] = {"application_key=sandbox-ak", "application_secret=not-the-one",
                                 "consumer_key=sandbox-ck", NULL};
    start_with(&rig, wrong);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "Invalid signature");
    rig_stop(&rig);

    /* without an answer to /auth/time our own clock has to do, and it is asked again */
    start(&rig);
    fault("[{\"path_regex\":\"/auth/time\",\"kind\":\"status\",\"status\":500},"
          "{\"path_regex\":\"/auth/time\",\"kind\":\"garbage\",\"body\":\"{}\"}]");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_int_equal(count_requests(&rig, "GET", "/auth/time"), 3);
    rig_stop(&rig);
}

/* ---- the zone's turns ---------------------------------------------------------------------------------------------
 */

/* What was made, in its order: a PUT is p, a refresh is r. */
static void assert_order(const char *wanted)
{
    json_t *log = sandbox_call(&sandbox, "GET", "requests?provider=ovh", NULL);
    const json_t *entry;
    size_t i;
    char order[64] = "";
    json_array_foreach(log, i, entry)
    {
        if (json_is_true(json_object_get(entry, "effect")))
            strncat(order, strcmp(json_string_value(json_object_get(entry, "method")), "PUT") == 0 ? "p" : "r", 1);
    }
    assert_string_equal(order, wanted);
    json_decref(log);
}

static const char *const movable[] = {"app", "app2", "my-app", "my_app", "api", "cdn", "drill-app", "@"};

static void test_one_refresh_for_all_that_wait(void **state)
{
    (void)state;
    struct rig rig;
    struct applier all[10];
    pthread_t threads[10];
    start(&rig);
    memset(all, 0, sizeof(all));
    fault("[{\"method\":\"PUT\",\"kind\":\"slow\",\"ms\":400}]");
    for (int i = 0; i < 8; i++)
        applier_start(&all[i], &rig, movable[i], "198.51.100.20", 10000, &threads[i]);
    rig_set(&rig, "type", "AAAA");
    applier_start(&all[8], &rig, "app", "2001:db8::20", 10000, &threads[8]);
    applier_start(&all[9], &rig, "forgotten", "2001:db8::20", 10000, &threads[9]);
    int n_refreshed = 0, n_told = 0;
    for (int i = 0; i < 10; i++) {
        pthread_join(threads[i], NULL);
        assert_outcome(&all[i], all[i].result.outcome, OUTCOME_OK);
        assert_non_null(strstr(all[i].result.text.text, "the record is changed, and zone example.net is being"));
        assert_non_null(strstr(all[i].result.text.text, "together with others"));
        assert_true(json_integer_value(json_object_get(all[i].result.token, "serial")) > 0);
        /* the refresh is in the journal of each, and marked where another one has sent it */
        const json_t *last = json_array_get(all[i].requests, json_array_size(all[i].requests) - 1);
        assert_non_null(strstr(json_string_value(json_object_get(last, "url")), "/refresh"));
        n_refreshed += !json_object_get(last, "is_shared");
        n_told += json_is_true(json_object_get(last, "is_shared"));
        applier_done(&all[i]);
    }
    assert_order("ppppppppppr");
    assert_int_equal(n_refreshed, 1);
    assert_int_equal(n_told, 9);
    rig_stop(&rig);
}

static void test_a_refresh_that_fails_fails_for_all(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first = {.rig = NULL}, second = first;
    pthread_t threads[2];
    start(&rig);
    fault("[{\"method\":\"PUT\",\"kind\":\"slow\",\"ms\":300},"
          "{\"method\":\"POST\",\"path_regex\":\"/refresh\",\"kind\":\"status\",\"status\":503,"
          "\"headers\":{\"Retry-After\":\"7\"}}]");
    applier_start(&first, &rig, "app", "198.51.100.20", 5000, &threads[0]);
    applier_start(&second, &rig, "app2", "198.51.100.21", 5000, &threads[1]);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_outcome(&first, first.result.outcome, OUTCOME_UNKNOWN);
    assert_outcome(&second, second.result.outcome, OUTCOME_UNKNOWN);
    assert_non_null(strstr(first.result.text.text, "staged but not served, its zone could not be refreshed: OVH"));
    assert_non_null(strstr(second.result.text.text, "staged but not served, its zone could not be refreshed: OVH"));
    assert_int_equal(first.result.retry_after_ms, 7000);
    assert_int_equal(second.result.retry_after_ms, 7000);
    assert_order("pp");
    applier_done(&first);
    applier_done(&second);
    rig_stop(&rig);
}

/* OVH has been asked for `n` changes of a record, and has answered one if so wanted. */
static void wait_puts(int n, bool is_answered)
{
    int64_t until = clock_steady_ms() + 10000;
    for (int n_asked = 0, n_answered = 0; n_asked < n || (is_answered && n_answered == 0);) {
        json_t *log = sandbox_call(&sandbox, "GET", "requests?provider=ovh", NULL);
        const json_t *entry;
        size_t i;
        n_asked = n_answered = 0;
        json_array_foreach(log, i, entry)
        {
            bool is_put = strcmp(json_string_value(json_object_get(entry, "method")), "PUT") == 0;
            n_asked += is_put;
            n_answered += is_put && !json_is_null(json_object_get(entry, "status"));
        }
        json_decref(log);
        assert_true(clock_steady_ms() < until);
        usleep(5000);
    }
}

/* One that has staged its record and is cancelled while others still stage theirs: the others refresh. */
static void test_gone_before_the_refresh(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first = {.rig = NULL}, second = first;
    pthread_t threads[2];
    start(&rig);
    fault("[{\"method\":\"PUT\",\"kind\":\"slow\",\"ms\":500},{\"method\":\"PUT\",\"kind\":\"slow\",\"ms\":1500}]");
    applier_start(&first, &rig, "app", "198.51.100.20", 5000, &threads[0]);
    wait_puts(1, false);
    applier_start(&second, &rig, "app2", "198.51.100.21", 5000, &threads[1]);
    wait_puts(2, true);
    usleep(100000);
    int64_t cancelled_at = clock_steady_ms();
    atomic_store(&first.cancel, true);
    pthread_join(threads[0], NULL);
    assert_in_range(clock_steady_ms() - cancelled_at, 0, 600);
    assert_outcome(&first, first.result.outcome, OUTCOME_UNKNOWN); /* it is staged */
    assert_non_null(strstr(first.result.text.text, "staged but not served"));
    pthread_join(threads[1], NULL);
    assert_outcome(&second, second.result.outcome, OUTCOME_OK);
    assert_order("ppr");
    applier_done(&first);
    applier_done(&second);
    rig_stop(&rig);
}

static void test_waiting_for_the_zone_ends(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first = {.rig = NULL}, second = first, third = first;
    pthread_t threads[3];
    start(&rig);
    fault("[{\"method\":\"PUT\",\"kind\":\"slow\",\"ms\":1500}]");
    applier_start(&first, &rig, "app", "198.51.100.20", 5000, &threads[0]);
    wait_puts(1, false);
    applier_start(&second, &rig, "app2", "198.51.100.21", 400, &threads[1]);
    applier_start(&third, &rig, "my-app", "198.51.100.22", 5000, &threads[2]);
    usleep(400000);
    int64_t cancelled_at = clock_steady_ms();
    atomic_store(&third.cancel, true);
    pthread_join(threads[2], NULL);
    assert_in_range(clock_steady_ms() - cancelled_at, 0, 600);
    pthread_join(threads[1], NULL);
    pthread_join(threads[0], NULL);
    assert_outcome(&first, first.result.outcome, OUTCOME_OK);
    assert_outcome(&second, second.result.outcome, OUTCOME_TEMPORARY);
    assert_non_null(strstr(second.result.text.text, "another change of zone example.net"));
    assert_in_range(second.took_ms, 390, 1200);
    assert_outcome(&third, third.result.outcome, OUTCOME_CANCELLED);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 1);
    applier_done(&first);
    applier_done(&second);
    applier_done(&third);
    rig_stop(&rig);
}

static void test_busy_refresh_passes(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    fault("[{\"method\":\"POST\",\"path_regex\":\"/refresh\",\"kind\":\"status\",\"status\":403,\"body\":"
          "\"{\\\"message\\\":\\\"you cannot schedule more than one refresh at a time\\\"}\"}]");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_UNKNOWN); /* the record is staged */
    assert_text_has(&rig, "more than one refresh");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_another_value_meanwhile(void **state)
{
    (void)state;
    struct rig rig, other;
    start(&rig);
    start(&other);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    rig_set(&other, "target", "203.0.113.77");
    assert_outcome(&other, rig_apply(&other), OUTCOME_OK);
    assert_outcome(&other, rig_settle(&other, 5000), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "holds 203.0.113.77 by now, not 192.0.2.10 as was seen: nothing was sent");
    assert_order("pr");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_order("prpr");
    rig_stop(&rig);
    rig_stop(&other);
}

/* There and back; the zone is as it was to the letter, and so is what is served. */
static void test_puts_back_what_was_found(void **state)
{
    (void)state;
    struct rig rig;
    const struct {
        const char *record, *type, *target;
    } cases[] = {{"app", "A", "198.51.100.20"},
                 {"@", "A", "198.51.100.20"},
                 {"app", "AAAA", "2001:db8::20"}, /* which is written APP there */
                 {"www", "CNAME", "other.example.com"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        start(&rig);
        rig_set(&rig, "record", cases[i].record);
        rig_set(&rig, "type", cases[i].type);
        rig_set(&rig, "target", cases[i].target);
        put_back(&rig, "ovh", "example.net", true);
        rig_forget(&rig);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK); /* also by what the name servers say */
        assert_true(rig.result.is_right);
        rig_stop(&rig);
    }
}

static void test_survey(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const addresses[] = {"192.0.2.10", "2001:db8::10", "app.example.net", NULL};
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_string_equal(rig.shown, "api.example.net A 192.0.2.10 60|app.example.net A 192.0.2.10 60|"
                                   "cdn.example.net A 192.0.2.10 60|drill-app.example.net A 192.0.2.10 60|"
                                   "example.net A 192.0.2.10 3600|forgotten.example.net AAAA 2001:db8::10 60|"
                                   "www.example.net CNAME app.example.net 3600|");
    assert_int_equal(count_requests(&rig, "GET", "/record"), 0); /* one request, whatever the size of the zone */
    rig_stop(&rig);
}

/* Also without the right to export: record by record. */
static void test_survey_of_records(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const addresses[] = {"192.0.2.10", "2001:db8::10", "app.example.net", NULL};
    fault("[{\"path_regex\":\"/export\",\"kind\":\"status\",\"code\":\"NOT_GRANTED_CALL\",\"times\":-1}]");
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_string_equal(rig.shown, "api.example.net A 192.0.2.10 60|app.example.net A 192.0.2.10 60|"
                                   "cdn.example.net A 192.0.2.10 60|drill-app.example.net A 192.0.2.10 60|"
                                   "example.net A 192.0.2.10 0|forgotten.example.net AAAA 2001:db8::10 60|"
                                   "www.example.net CNAME app.example.net 0|");
    /* one that is gone by the time it is asked for is none; another error is no survey */
    fault("[{\"path_regex\":\"5001234580\",\"kind\":\"status\",\"status\":404}]");
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_null(strstr(rig.shown, "api.example.net"));
    fault("[{\"path_regex\":\"5001234580\",\"kind\":\"status\",\"status\":503}]");
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_TEMPORARY);
    assert_null(rig.result.current);
    rig_stop(&rig);
}

static void test_zone_files(void **state)
{
    (void)state;
    const char *const addresses[] = {"192.0.2.10", "2001:db8::10", "app.example.net", NULL};
    struct action_result result = {.retry_after_ms = -1};
    struct survey survey;
    survey_begin(&survey, "example.net.", addresses);
    assert_true(survey_zone_file(&survey,
                                 "$TTL 3600\r\n@\tIN SOA dns18.ovh.net. tech.ovh.net. (1 ; serial\n"
                                 "  2 3 4 5 A 192.0.2.10\n 6 )\n\t IN NS dns18.ovh.net.\n   IN A 192.0.2.10\n"
                                 "app 60 IN A 192.0.2.10 ; a comment\nAPP IN 60 AAAA 2001:db8:0::10\n"
                                 "txt IN TXT \"x IN A 192.0.2.10\"\n; no IN A 192.0.2.10\n"
                                 "www IN CNAME app\nweb.example.net. CNAME app.example.net.\nother A 192.0.2.1\n"
                                 "10 A 192.0.2.10\n$ORIGIN sub\nx A 192.0.2.10\n\n$TTL\nlast A"));
    survey_end(&survey, &result);
    char *found = json_dumps(result.current, JSON_COMPACT | JSON_SORT_KEYS);
    const char *const records[] = {"example.net\",\"target\":\"192.0.2.10\",\"ttl\":3600",
                                   "app.example.net\",\"target\":\"192.0.2.10\",\"ttl\":60",
                                   "APP.example.net\",\"target\":\"2001:db8:0::10\",\"ttl\":60",
                                   "www.example.net\",\"target\":\"app.example.net\",\"ttl\":3600",
                                   "web.example.net\",\"target\":\"app.example.net\",\"ttl\":3600",
                                   "10.example.net\",\"target\":\"192.0.2.10\",\"ttl\":3600",
                                   "x.sub.example.net\",\"target\":\"192.0.2.10\",\"ttl\":3600"};
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++)
        assert_non_null(strstr(found, records[i]));
    assert_int_equal(json_array_size(result.current), 7);
    free(found);
    survey_done(&survey);
    action_result_done(&result);
    survey_begin(&survey, "example.net", addresses);
    assert_false(survey_zone_file(&survey, ""));
    assert_false(survey_zone_file(&survey, "<html>\n<title>502</title>\n(((\"\n\n; \n$ORIGIN\n)"));
    survey_done(&survey);
}

static void many_ids(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    (void)context;
    if (strstr(request->target, "/auth/time")) {
        snprintf(ret->body, sizeof(ret->body), "%lld", (long long)(clock_wall_ms() / 1000));
    } else if (strstr(request->target, "fieldType")) {
        size_t at = (size_t)snprintf(ret->body, sizeof(ret->body), "[1");
        for (int i = 2; i < 2000; i++)
            at += (size_t)snprintf(ret->body + at, sizeof(ret->body) - at, ",%d", i);
        snprintf(ret->body + at, sizeof(ret->body) - at, "]");
    } else {
        ret->delay_ms = 60; /* the time is over before all are asked for */
        snprintf(ret->body, sizeof(ret->body),
                 "{\"subDomain\":\"x\",\"fieldType\":\"A\",\"target\":\"192.0.2.10\",\"ttl\":0}");
    }
}

static void test_survey_is_bounded(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    char provider[100];
    const char *const addresses[] = {"192.0.2.10", NULL};
    canned_start(&server, many_ids, NULL);
    snprintf(provider, sizeof(provider), "{\"url\": \"%s\"}", server.url);
    rig_start(
        &rig, "ovh.dns_record", provider, ovh_secrets,
        "{\"zone\": \"example.net\", \"record\": \"app\", \"type\": \"A\", \"target\": \"192.0.2.1\", \"ttl\": 60}");
    rig.timeout_ms = 2000;
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_text_has(&rig, "it was left at ");
    assert_in_range(json_array_size(rig.result.current), 1, 90);
    rig_stop(&rig);
    canned_stop(&server);
}

static int begin(void **state)
{
    (void)state;
    sandbox_start(&sandbox);
    return 0;
}

static int end(void **state)
{
    (void)state;
    sandbox_stop(&sandbox);
    return 0;
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_when_the_key_ends),
        cmocka_unit_test(test_moves_a_record),
        cmocka_unit_test(test_staged_is_not_served),
        cmocka_unit_test(test_no_right_to_refresh),
        cmocka_unit_test(test_swallowed_refresh),
        cmocka_unit_test(test_silent_name_servers),
        cmocka_unit_test(test_name_servers_that_cannot_be_found),
        cmocka_unit_test(test_forms_of_success),
        cmocka_unit_test(test_cname_is_absolute),
        cmocka_unit_test(test_what_cannot_be_changed),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_bodies_that_cannot_be_read),
        cmocka_unit_test(test_clock_of_the_server),
        cmocka_unit_test(test_one_refresh_for_all_that_wait),
        cmocka_unit_test(test_a_refresh_that_fails_fails_for_all),
        cmocka_unit_test(test_gone_before_the_refresh),
        cmocka_unit_test(test_another_value_meanwhile),
        cmocka_unit_test(test_puts_back_what_was_found),
        cmocka_unit_test(test_survey),
        cmocka_unit_test(test_survey_of_records),
        cmocka_unit_test(test_zone_files),
        cmocka_unit_test(test_survey_is_bounded),
        cmocka_unit_test(test_waiting_for_the_zone_ends),
        cmocka_unit_test(test_busy_refresh_passes),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

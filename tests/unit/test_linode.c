#include "canned_server.h"
#include "dns_rig.h"

#include "actions/linode_zone.h"

static const char app[] = "{\"domain\": \"example.com\", \"record\": \"app\", \"type\": \"A\","
                          " \"target\": \"198.51.100.20\", \"ttl\": 30}";

static void start(struct rig *rig)
{
    char provider[200];
    snprintf(provider, sizeof(provider), "{\"url\": \"%s/linode/v4/\"}", sandbox.url);
    sandbox_do(&sandbox, "reset", NULL);
    rig_start(rig, "linode.dns_record", provider, linode_secrets, app);
}

static void test_moves_a_record(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "192.0.2.10");
    assert_string_equal(json_string_value(json_object_get(rig.result.current, "target")), "192.0.2.10");
    assert_string_equal(json_string_value(json_object_get(rig.result.desired, "target")), "198.51.100.20");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    assert_text_has(&rig, "192.0.2.10");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 1);
    /* all that was sent is recorded, with the body of the write */
    const json_t *put = json_array_get(rig.requests, 3);
    assert_string_equal(json_string_value(json_object_get(put, "method")), "PUT");
    assert_int_equal(json_integer_value(json_object_get(put, "status")), 200);
    assert_string_equal(json_string_value(json_object_get(put, "body")),
                        "{\"target\":\"198.51.100.20\",\"ttl_sec\":30}");
    rig_stop(&rig);
}

static void test_right_already_is_settled_too(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set(&rig, "target", "192.0.2.10");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_apply_without_observation(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    rig_forget(&rig);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_apex_and_cname(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set(&rig, "record", "@");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_text_has(&rig, "203.0.113.200");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_forget(&rig);
    rig_set(&rig, "record", "www");
    rig_set(&rig, "type", "CNAME");
    rig_set(&rig, "target", "other.example.com");
    rig_set_int(&rig, "ttl", 300);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_what_cannot_be_changed(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const struct {
        const char *domain, *record, *says;
    } cases[] = {
        {"example.com", "nothing", "no record nothing of type A"},
        {"example.com", "pair", "36666861, 36666862"},
        {"other.example", "app", "not in this account"},
        {"dark.example", "app", "disabled"},
        {"mirror.example", "app", "slave"},
        {"example.com", "app.example.com", "is the whole name; within example.com it is \"app\""},
        {"example.com", "a b", "not a name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_set(&rig, "domain", cases[i].domain);
        rig_set(&rig, "record", cases[i].record);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, cases[i].says);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    }
    rig_set(&rig, "record", "app");
    rig_set(&rig, "target", "2001:db8::1");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "not an IPv4 address");
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 0);
    rig_stop(&rig);
}

static void test_zone_not_rendered(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set(&rig, "domain", "fresh.example");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    assert_text_has(&rig, "not rendered");
    rig_stop(&rig);
}

static void test_temporary_errors(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const struct {
        const char *fault, *says;
    } cases[] = {
        {"[{\"provider\":\"linode\",\"kind\":\"status\",\"status\":429,\"headers\":{\"Retry-After\":\"7\"}}]", "429"},
        {"[{\"provider\":\"linode\",\"kind\":\"status\",\"status\":503}]", "503"},
        {"[{\"provider\":\"linode\",\"kind\":\"status\",\"status\":503,\"headers\":{\"X-Maintenance-Mode\":\"all\"}}]",
         "in maintenance"},
        {"[{\"provider\":\"linode\",\"kind\":\"status\",\"status\":408}]", "408"},
        {"[{\"provider\":\"linode\",\"kind\":\"status\",\"code\":\"busy\"}]", "Linode busy."},
        {"[{\"provider\":\"linode\",\"kind\":\"html\",\"status\":400}]", "400"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fault(cases[i].fault);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
        assert_text_has(&rig, cases[i].says);
        assert_int_equal(rig.result.retry_after_ms, i == 0 ? 7000 : -1);
        fault(cases[i].fault);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        fault(cases[i].fault);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY); /* certainly without effect */
    }
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 0);
    rig_stop(&rig);
}

static void test_writes_that_may_have_happened(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const faults[] = {
        "[{\"method\":\"PUT\",\"kind\":\"timeout_after\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"timeout_before\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"reset_after\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"reset_before\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"truncate\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"status\",\"status\":500}]",
        "[{\"method\":\"PUT\",\"kind\":\"html\",\"status\":502}]",
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        fault(faults[i]);
        rig.timeout_ms = 400;
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_UNKNOWN);
        rig.timeout_ms = 5000;
    }
    /* the world tells what happened */
    rig.after_unknown_apply = true;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_odd_successes(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const faults[] = {
        "[{\"method\":\"PUT\",\"kind\":\"garbage\",\"body\":\"\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"garbage\",\"body\":\"<html>ok</html>\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"garbage\",\"status\":299,\"body\":\"[]\"}]",
        "[{\"method\":\"PUT\",\"kind\":\"garbage\",\"body\":\"{\\\"errors\\\":\\\"\\\"}\"}]",
    };
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        fault(faults[i]);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    }
    /* a read whose body cannot be read is no answer */
    const char *const bodies[] = {"", "[]", "{", "{\\\"data\\\":1}", "<html>"};
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        char text[200];
        snprintf(text, sizeof(text), "[{\"method\":\"GET\",\"kind\":\"garbage\",\"body\":\"%s\"}]", bodies[i]);
        fault(text);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
        fault(text);
        assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_TEMPORARY);
    }
    fault("[{\"method\":\"GET\",\"kind\":\"truncate\"}]");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    rig_stop(&rig);
}

static void test_refusals_in_their_own_words(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    fault("[{\"method\":\"PUT\",\"kind\":\"status\",\"status\":400,\"body\":"
          "\"{\\\"errors\\\":[{\\\"reason\\\":\\\"must be an address\\\",\\\"field\\\":\\\"target\\\"}]}\"}]");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "Linode answers 400: must be an address (field target)");
    /* a token that is echoed is not shown */
    fault("[{\"kind\":\"status\",\"status\":401,\"body\":"
          "\"{\\\"errors\\\":[{\\\"reason\\\":\\\"Invalid Token sandbox-linode-token\\\"}]}\"}]");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "Invalid Token (secret)");
    rig_stop(&rig);
}

static void test_record_gone_between(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    fault("[{\"method\":\"PUT\",\"kind\":\"status\",\"status\":404}]");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    fault("[{\"path_regex\":\"zone-file\",\"kind\":\"status\",\"status\":404}]");
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_TEMPORARY);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET); /* the id is looked up again */
    rig_stop(&rig);
}

static void *cancel_soon(void *context)
{
    struct rig *rig = context;
    usleep(150000);
    atomic_store(&rig->cancel, true);
    return NULL;
}

static void test_cancel(void **state)
{
    (void)state;
    struct rig rig;
    pthread_t thread;
    start(&rig);
    fault("[{\"kind\":\"timeout_before\"}]");
    int64_t began_at = clock_steady_ms();
    pthread_create(&thread, NULL, cancel_soon, &rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_CANCELLED);
    assert_in_range(clock_steady_ms() - began_at, 150, 300);
    pthread_join(thread, NULL);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_CANCELLED);
    rig_stop(&rig);
}

static void test_no_time(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig.timeout_ms = 0;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "used up");
    assert_int_equal(json_array_size(rig.requests), 0);
    rig_stop(&rig);
}

static void other_puts(const char *target)
{
    char url[256], text[100];
    struct fetch_response response;
    struct errmsg why;
    snprintf(url, sizeof(url), "%s/linode/v4/domains/123/records/36666865", sandbox.url);
    snprintf(text, sizeof(text), "{\"target\": \"%s\"}", target);
    struct fetch_header headers[] = {{"Authorization", "Bearer sandbox-linode-token", true}};
    struct fetch_request request = {.method = "PUT",
                                    .url = url,
                                    .headers = headers,
                                    .n_headers = 1,
                                    .body = text,
                                    .body_len = strlen(text),
                                    .timeout_ms = 5000};
    assert_int_equal(sandbox.fetch->send(sandbox.fetch, &request, &response, &why), ERR_OK);
    assert_int_equal(response.status, 200);
    fetch_response_done(&response);
}

static void test_another_value_meanwhile(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    other_puts("203.0.113.77");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "holds 203.0.113.77 by now, not 192.0.2.10 as was seen: nothing was sent");
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 1); /* the other's */
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    /* what an older observation saw is not there any more either */
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    assert_int_equal(sandbox_effects(&sandbox, "PUT"), 2);
    rig_stop(&rig);
}

/* There and back; the zone is as it was to the letter. */
static void test_puts_back_what_was_found(void **state)
{
    (void)state;
    struct rig rig;
    const char *const records[] = {"app", "@", "forgotten"};
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        start(&rig);
        rig_set(&rig, "record", records[i]);
        put_back(&rig, "linode", "example.com", false);
        rig_stop(&rig);
    }
}

static void test_survey(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const addresses[] = {"192.0.2.10", "2001:db8:0::10", "app.example.com.", NULL};
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_string_equal(rig.shown, "api.example.com A 192.0.2.10 30|app.example.com A 192.0.2.10 30|"
                                   "cdn.example.com A 192.0.2.10 30|drill-app.example.com A 192.0.2.10 30|"
                                   "forgotten.example.com A 192.0.2.10 300|forgotten.example.com AAAA 2001:db8::10 300|"
                                   "www.example.com CNAME app.example.com 300|");
    rig_stop(&rig);
    start(&rig);
    fault("[{\"path_regex\":\"/records\",\"kind\":\"status\",\"status\":503}]");
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_TEMPORARY);
    assert_null(rig.result.current);
    rig_stop(&rig);
}

static void test_ttl_rounding(void **state)
{
    (void)state;
    assert_true(linode_ttl_is_rounded(30, 30));
    assert_true(linode_ttl_is_rounded(60, 30));  /* nearest */
    assert_true(linode_ttl_is_rounded(60, 120)); /* up */
    assert_true(linode_ttl_is_rounded(100, 120));
    assert_false(linode_ttl_is_rounded(100, 30));
    assert_false(linode_ttl_is_rounded(30, 300));
    assert_false(linode_ttl_is_rounded(30, 0));
    assert_false(linode_ttl_is_rounded(0, 30)); /* the domain's own */
    assert_true(linode_ttl_is_rounded(0, 0));
    assert_true(linode_ttl_is_rounded(3000, 3600));
    struct rig rig;
    start(&rig);
    rig_set(&rig, "target", "192.0.2.10");
    rig_set_int(&rig, "ttl", 60);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    rig_set_int(&rig, "ttl", 300);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    /* what the API made of it when this run set it is taken as it is */
    rig.applied = json_pack("{s:i, s:i}", "ttl", 30, "ttl_asked", 300);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    /* but not when another one is to be put back */
    rig_set_int(&rig, "ttl", 0);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    rig_stop(&rig);
}

static void test_zone_file_lines(void **state)
{
    (void)state;
    json_t *lines =
        json_loads("[\"; example.com [123]\", \"$TTL 864000\", \"@\\tIN\\tSOA ns1.linode.com. a.b. 1 2 3 4 5\","
                   " \"\\t\\tA\\t192.0.2.1\", \"app 30 A 192.0.2.2\", \"app TXT A\", \"App2.example.com. IN 30 A"
                   " 192.0.2.3\", \"10 IN A 192.0.2.4\", \"pair A 192.0.2.5\", \" A 192.0.2.6\", 7, \"\"]",
                   0, NULL);
    char found[64];
    const struct {
        const char *label, *type, *data;
        int count;
    } cases[] = {
        {"", "A", "192.0.2.1", 1},     {"app", "A", "192.0.2.2", 1}, {"APP", "A", "192.0.2.2", 1},
        {"app2", "A", "192.0.2.3", 1}, {"10", "A", "192.0.2.4", 1},  {"pair", "A", "192.0.2.5", 2},
        {"app", "AAAA", "", 0},        {"example.com", "A", "", 0},
    };
    assert_non_null(lines);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        found[0] = '\0';
        assert_int_equal(linode_zone_find(lines, "example.com", cases[i].label, cases[i].type, found, sizeof(found)),
                         cases[i].count);
        assert_string_equal(found, cases[i].data);
    }
    json_decref(lines);
}

/* ---- answers that the sandbox does not give ---------------------------------------------------------------------- */

static void pages(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    const char *entry = context;
    int page = atoi(strstr(request->target, "page=") + 5);
    const char *list =
        strstr(request->target, "/records") ? entry : "{\"id\":1,\"domain\":\"EXAMPLE.com\",\"status\":\"active\"}";
    if (strstr(request->target, "/records"))
        snprintf(ret->body, sizeof(ret->body), "{\"data\":[%s],\"page\":%d,\"pages\":3}", page == 3 ? list : "{}",
                 page);
    else
        snprintf(ret->body, sizeof(ret->body), "{\"data\":[%s],\"page\":%d,\"pages\":1,\"errors\":\"\"}", list, page);
}

static void test_pages_and_client_side_comparison(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    char provider[100];
    canned_start(
        &server, pages,
        (void *)(uintptr_t) "{\"id\":5,\"type\":\"AAAA\",\"name\":\"app\",\"target\":\"::1\"},{\"id\":6,\"type\":"
                            "\"A\",\"name\":\"app\",\"target\":\"192.0.2.1\",\"ttl_sec\":\"x\"},{\"id\":7,"
                            "\"type\":\"A\",\"name\":\"app.b\",\"target\":\"192.0.2.3\"},{\"id\":8,\"type\":"
                            "\"A\",\"name\":null,\"target\":null}, 5, null");
    snprintf(provider, sizeof(provider), "{\"url\": \"%s\"}", server.url);
    rig_start(&rig, "linode.dns_record", provider, linode_secrets, app);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_text_has(&rig, "192.0.2.1 ");
    assert_int_equal(json_integer_value(json_object_get(rig.observed, "record")), 6);
    assert_int_equal(canned_count(&server), 4);
    assert_non_null(strstr(server.requests[1].headers, "X-Filter: {\"type\":\"A\",\"name\":\"app\"}"));
    assert_non_null(strstr(server.requests[1].headers, "Authorization: Bearer sandbox-linode-token"));
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
        cmocka_unit_test(test_moves_a_record),
        cmocka_unit_test(test_right_already_is_settled_too),
        cmocka_unit_test(test_apply_without_observation),
        cmocka_unit_test(test_apex_and_cname),
        cmocka_unit_test(test_what_cannot_be_changed),
        cmocka_unit_test(test_zone_not_rendered),
        cmocka_unit_test(test_temporary_errors),
        cmocka_unit_test(test_writes_that_may_have_happened),
        cmocka_unit_test(test_odd_successes),
        cmocka_unit_test(test_refusals_in_their_own_words),
        cmocka_unit_test(test_record_gone_between),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_no_time),
        cmocka_unit_test(test_another_value_meanwhile),
        cmocka_unit_test(test_puts_back_what_was_found),
        cmocka_unit_test(test_survey),
        cmocka_unit_test(test_ttl_rounding),
        cmocka_unit_test(test_zone_file_lines),
        cmocka_unit_test(test_pages_and_client_side_comparison),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

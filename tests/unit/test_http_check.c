#include "action_rig.h"
#include "canned_server.h"

static struct canned_answer answer;

static void give(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    (void)context;
    (void)request;
    *ret = answer;
}

static void start(struct rig *rig, struct canned *server, const char *more)
{
    char args[400];
    canned_start(server, give, NULL);
    memset(&answer, 0, sizeof(answer));
    answer.status = 200;
    snprintf(answer.body, sizeof(answer.body), "all is ok here");
    snprintf(args, sizeof(args), "{\"url\": \"%s/healthz\"%s}", server->url, more);
    rig_start(rig, "http.check", NULL, NULL, args);
}

static void test_right_and_not(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    start(&rig, &server, "");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_text_has(&rig, "200 in ");
    answer.status = 503;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "503 in ");
    assert_text_has(&rig, ", expected 200");
    assert_int_equal(json_integer_value(json_object_get(rig.result.current, "status")), 503);
    answer.status = 301;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_int_equal(json_array_size(rig.requests), 3);
    assert_int_equal(server.n_connections, 3); /* none was kept: the name may have moved */
    rig_stop(&rig);
    canned_stop(&server);
}

static void test_status_body_and_time(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    start(&rig, &server, ", \"expect\": {\"status\": 204, \"within\": 500}");
    answer.status = 204;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    answer.delay_ms = 700;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "expected within 500 ms");
    rig_stop(&rig);
    canned_stop(&server);

    start(&rig, &server, ", \"expect\": {\"body\": \"ok\"}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    snprintf(answer.body, sizeof(answer.body), "none\r\n\x01\x02 here");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "the body does not have \"ok\"");
    answer.body[0] = '\0';
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    rig_stop(&rig);
    canned_stop(&server);
}

static void test_another_address(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    char url[100];
    start(&rig, &server, ", \"at\": \"127.0.0.1\"");
    snprintf(url, sizeof(url), "http://app.invalid:%d/x", server.port);
    rig_set(&rig, "url", url);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_non_null(strstr(server.requests[0].headers, "Host: app.invalid"));
    rig_set(&rig, "at", "127.0.0.9"); /* the server listens on 127.0.0.1 only */
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "no answer from 127.0.0.9");
    rig_stop(&rig);
    canned_stop(&server);
}

static void test_no_answer_is_what_it_sees(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    start(&rig, &server, "");
    rig.timeout_ms = 300;
    const enum canned_fault faults[] = {CANNED_HANG, CANNED_CLOSE, CANNED_TRUNCATE};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        canned_spoil(&server, &answer, faults[i]);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_false(rig.result.is_right);
        assert_text_has(&rig, "no answer: ");
        assert_true(json_is_null(json_object_get(rig.result.current, "status")));
    }
    canned_stop(&server);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "refused");
    rig_stop(&rig);
}

/* No evidence against the site: our own resolver may be down. A name of RFC 6761 that nobody has. */
static void test_a_name_that_cannot_be_looked_up(void **state)
{
    (void)state;
    struct rig rig;
    rig_start(&rig, "http.check", NULL, NULL, "{\"url\": \"http://nobody.invalid/\"}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "it cannot be tried from here: ");
    rig_stop(&rig);
}

static void test_cancel_and_bad_urls(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    start(&rig, &server, "");
    atomic_store(&rig.cancel, true);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_CANCELLED);
    atomic_store(&rig.cancel, false);
    rig_set(&rig, "url", "gopher://x/");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    rig_stop(&rig);
    canned_stop(&server);
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_not),       cmocka_unit_test(test_status_body_and_time),
        cmocka_unit_test(test_another_address),     cmocka_unit_test(test_no_answer_is_what_it_sees),
        cmocka_unit_test(test_cancel_and_bad_urls), cmocka_unit_test(test_a_name_that_cannot_be_looked_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

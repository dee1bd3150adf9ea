#include "action_rig.h"

#include "actions/route53_xml.h"

static struct sandbox sandbox;

static const char *const secrets[] = {"access_key_id=AKIASANDBOX0000000000", "secret_access_key=sandbox-aws-secret",
                                      NULL};

static void start_with(struct rig *rig, const char *const *with)
{
    char provider[200];
    snprintf(provider, sizeof(provider), "{\"url\": \"%s/aws\"}", sandbox.url);
    sandbox_do(&sandbox, "reset", NULL);
    rig_start(rig, "route53.record", provider, with,
              "{\"hosted_zone\": \"/hostedzone/Z1PA6795UKMFR9\", \"record\": \"app.example.org\", \"type\": \"A\","
              " \"target\": \"198.51.100.20\", \"ttl\": 60}");
}

static void start(struct rig *rig)
{
    start_with(rig, secrets);
}

static void fault(const char *json)
{
    sandbox_do(&sandbox, "faults", json);
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
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    assert_text_has(&rig, "PENDING");
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    assert_text_has(&rig, "INSYNC");
    const json_t *post = json_array_get(rig.requests, 1);
    const char *body = json_string_value(json_object_get(post, "body"));
    assert_non_null(strstr(body, "<Comment>turnout run 019aa3c1-5b1e-7000-8000-000000000001</Comment>"));
    assert_true(json_is_string(json_object_get(post, "request_id")));
    rig_forget(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_outcome(&rig, rig_settle(&rig, 0), OUTCOME_OK);
    assert_int_equal(sandbox_effects(&sandbox, "POST"), 1);
    rig_stop(&rig);
}

static void test_unknown_apply_is_sent_again(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    fault("[{\"method\":\"POST\",\"kind\":\"timeout_after\"}]");
    rig.timeout_ms = 400;
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_UNKNOWN);
    rig.timeout_ms = 5000;
    rig.after_unknown_apply = true;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "not known");
    rig.after_unknown_apply = false;
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    rig_stop(&rig);
}

static void test_keeps_what_it_does_not_change(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set(&rig, "record", "checked.example.org");
    for (int with_observation = 0; with_observation < 2; with_observation++) {
        rig_set(&rig, "target", with_observation ? "198.51.100.21" : "198.51.100.20");
        if (with_observation)
            assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
        const json_t *post = json_array_get(rig.requests, json_array_size(rig.requests) - 1);
        assert_non_null(strstr(json_string_value(json_object_get(post, "body")),
                               "<HealthCheckId>abcdef11-2222-3333-4444-555555fedcba</HealthCheckId>"));
    }
    rig_stop(&rig);
}

static void test_names(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const names[] = {"*.example.org", "APP.example.org.", "aaa.example.org", "zzz.example.org",
                                 "app2.example.org"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        rig_set(&rig, "record", names[i]);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
        assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_true(rig.result.is_right);
        rig_forget(&rig);
    }
    /* two values become the one that is wanted */
    rig_set(&rig, "record", "pair.example.org");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_text_has(&rig, "and 1 more");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    rig_stop(&rig);
}

static void test_what_cannot_be_changed(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const struct {
        const char *zone, *record, *target, *says;
    } cases[] = {
        {"Z1PA6795UKMFR9", "nothing.example.org", "192.0.2.1", "no record nothing.example.org of type A"},
        {"Z1PA6795UKMFR9", "weighted.example.org", "192.0.2.1", "not a simple record"},
        {"Z1PA6795UKMFR9", "guarded.example.org", "192.0.2.1", "not a simple record"},
        {"Z1PA6795UKMFR9", "www.example.org", "192.0.2.1", "it has AliasTarget"},
        {"Z1PA6795UKMFR0", "app.example.org", "192.0.2.1", "NoSuchHostedZone: "},
        {"Z1/../x", "app.example.org", "192.0.2.1", "not the id of a hosted zone"},
        {"Z1PA6795UKMFR9", "app.example.org", "2001:db8::1", "not an IPv4 address"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        rig_set(&rig, "hosted_zone", cases[i].zone);
        rig_set(&rig, "record", cases[i].record);
        rig_set(&rig, "target", cases[i].target);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, cases[i].says);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    }
    assert_int_equal(sandbox_effects(&sandbox, "POST"), 0);
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
        {"\"status\",\"code\":\"Throttling\"", OUTCOME_TEMPORARY, OUTCOME_TEMPORARY, "400: Throttling: "},
        {"\"status\",\"code\":\"ThrottlingException\"", OUTCOME_TEMPORARY, OUTCOME_TEMPORARY, "Throttling"},
        {"\"status\",\"code\":\"PriorRequestNotComplete\"", OUTCOME_TEMPORARY, OUTCOME_TEMPORARY, "PriorRequest"},
        {"\"status\",\"code\":\"ServiceUnavailable\"", OUTCOME_TEMPORARY, OUTCOME_TEMPORARY, "503"},
        {"\"status\",\"code\":\"InternalFailure\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "500"},
        {"\"html\",\"status\":502", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "502"},
        {"\"status\",\"code\":\"AccessDenied\"", OUTCOME_PERMANENT, OUTCOME_PERMANENT, "403: AccessDenied: "},
        {"\"status\",\"code\":\"ExpiredToken\"", OUTCOME_PERMANENT, OUTCOME_PERMANENT, "clock right?"},
        {"\"status\",\"status\":418,\"body\":\"no XML\"", OUTCOME_PERMANENT, OUTCOME_PERMANENT, "418: no XML"},
        {"\"status\",\"status\":400,\"body\":\"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>\"", OUTCOME_PERMANENT,
         OUTCOME_PERMANENT, "400: <!DOCTYPE"},
        {"\"truncate\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "Route 53"},
        {"\"reset_before\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "Route 53"},
        {"\"garbage\",\"body\":\"<html/>\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "Route 53 answers 200, but not"},
        {"\"garbage\",\"body\":\"\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "Route 53 answers 200, but not"},
        {"\"garbage\",\"body\":\"{}\"", OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, "Route 53 answers 200, but not"},
    };
    json_t *applied = json_pack("{s:s}", "change", "C2682N5HXP0BZ4");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[300];
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        snprintf(text, sizeof(text), "[{\"times\":-1,\"kind\":%s}]", cases[i].fault);
        fault(text);
        assert_outcome(&rig, rig_call(&rig, rig.action->observe), cases[i].read);
        assert_text_has(&rig, cases[i].says);
        assert_outcome(&rig, rig_apply(&rig), cases[i].write);
        assert_text_has(&rig, cases[i].says);
        rig.applied = applied;
        assert_outcome(&rig, rig_call(&rig, rig.action->settled), cases[i].read);
        rig.applied = NULL;
        json_decref(sandbox_call(&sandbox, "DELETE", "faults", NULL));
    }
    json_decref(applied);
    rig_stop(&rig);
}

static void test_refused_batch(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig_set_int(&rig, "ttl", -1); /* the rows refuse it, and so does AWS */
    const char *const roots[] = {"ErrorResponse", "InvalidChangeBatch"};
    for (size_t i = 0; i < 2; i++) {
        char text[100];
        snprintf(text, sizeof(text), "{\"route53_invalid_batch_root\": \"%s\"}", roots[i]);
        sandbox_do(&sandbox, "options", text);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
        assert_text_has(&rig, "Route 53 answers 400: Invalid");
    }
    rig_stop(&rig);
}

static void test_lost_change(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    rig.applied = json_pack("{s:s}", "change", "CUNKNOWN000000");
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "NoSuchChange");
    rig_stop(&rig);
}

static void test_session_token_and_clock(void **state)
{
    (void)state;
    struct rig rig;
    const char *const temporary[] = {"access_key_id=ASIASANDBOX0000000000", "secret_access_key=sandbox-aws-secret",
                                     "session_token=sandbox/session+token==", NULL};
    start_with(&rig, temporary);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    rig_stop(&rig);
    const char *const wrong[] = {"access_key_id=AKIASANDBOX0000000000", "secret_access_key=wrong", NULL};
    start_with(&rig, wrong);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "SignatureDoesNotMatch");
    assert_text_has(&rig, "clock right?");
    rig_stop(&rig);
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static enum err set_read(const char *xml, struct route53_set *ret, struct errmsg *why)
{
    return route53_set_read(xml, strlen(xml), "app.example.org", "A", ret, why);
}

#define LIST_HEAD "<ListResourceRecordSetsResponse><ResourceRecordSets>"
#define LIST_FOOT "</ResourceRecordSets></ListResourceRecordSetsResponse>"

static void test_reading_lists(void **state)
{
    (void)state;
    struct route53_set set;
    struct errmsg why;
    assert_int_equal(
        set_read("<?xml version=\"1.0\"?>\n<ListResourceRecordSetsResponse xmlns=\"https://x/\">\n"
                 "<ResourceRecordSets> <ResourceRecordSet>\n <Name>app.example.org.</Name>\n"
                 " <Type>A</Type><TTL> 60 </TTL>\n <ResourceRecords><ResourceRecord>\n"
                 "<Value>\n192.0.2.1 </Value></ResourceRecord></ResourceRecords></ResourceRecordSet>" LIST_FOOT,
                 &set, &why),
        ERR_OK);
    assert_int_equal(set.n_found, 1);
    assert_int_equal(set.n_values, 1);
    assert_string_equal(set.value, "192.0.2.1");
    assert_int_equal(set.ttl, 60);
    assert_string_equal(set.other, "");
    assert_int_equal(set_read(LIST_HEAD LIST_FOOT, &set, &why), ERR_OK);
    assert_int_equal(set.n_found, 0);
    /* an element that is new to us makes the record one that we do not understand */
    assert_int_equal(set_read(LIST_HEAD "<ResourceRecordSet><Name>app.example.org.</Name><Type>A</Type>"
                                        "<NewThing><Deep>1</Deep></NewThing></ResourceRecordSet>" LIST_FOOT,
                              &set, &why),
                     ERR_OK);
    assert_string_equal(set.other, "NewThing");
    const char *const bad[] = {"",
                               "x",
                               "<a>",
                               "<a></b>",
                               "<html></html>",
                               LIST_HEAD,
                               "<!DOCTYPE a><a/>",
                               "<!DOCTYPE l [<!ENTITY x \"y\">]>" LIST_HEAD "&x;" LIST_FOOT,
                               LIST_HEAD "&x;" LIST_FOOT,
                               "<?xml version=\"1.0\" encoding=\"nothing\"?>" LIST_HEAD LIST_FOOT};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(set_read(bad[i], &set, &why), ERR_INVALID);
}

static void test_bounds_of_xml(void **state)
{
    (void)state;
    struct route53_set set;
    struct errmsg why;
    struct strbuf xml = STRBUF_INIT;
    for (int i = 0; i < 100; i++)
        strbuf_adds(&xml, "<a>");
    assert_int_equal(set_read(strbuf_text(&xml), &set, &why), ERR_TOO_BIG);
    strbuf_clear(&xml);
    strbuf_adds(&xml, "<");
    for (int i = 0; i < 1000; i++)
        strbuf_adds(&xml, "a");
    strbuf_adds(&xml, "/>");
    assert_int_equal(set_read(strbuf_text(&xml), &set, &why), ERR_TOO_BIG);
    strbuf_clear(&xml);
    strbuf_adds(&xml, LIST_HEAD "<ResourceRecordSet><Name>");
    for (int i = 0; i < 10000; i++)
        strbuf_adds(&xml, "a");
    strbuf_adds(&xml, "</Name></ResourceRecordSet>" LIST_FOOT);
    assert_int_equal(set_read(strbuf_text(&xml), &set, &why), ERR_TOO_BIG);
    strbuf_clear(&xml);
    for (int i = 0; i < 500000; i++)
        strbuf_adds(&xml, "<a></a>  ");
    assert_int_equal(set_read(strbuf_text(&xml), &set, &why), ERR_TOO_BIG);
    strbuf_done(&xml);
}

static void test_reading_changes_and_errors(void **state)
{
    (void)state;
    struct route53_change change;
    struct route53_error error;
    struct errmsg why;
    const char good[] =
        "<GetChangeResponse><ChangeInfo><Id>/change/C1</Id><Status>PENDING</Status></ChangeInfo></GetChangeResponse>";
    const char odd[] =
        "<GetChangeResponse><ChangeInfo><Id>/change/../x</Id><Status>A</Status></ChangeInfo></GetChangeResponse>";
    assert_int_equal(route53_change_read(good, strlen(good), &change, &why), ERR_OK);
    assert_string_equal(change.id, "C1");
    assert_int_equal(route53_change_read(odd, strlen(odd), &change, &why), ERR_INVALID);
    const char batch[] =
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InvalidChangeBatch xmlns=\"https://x/\"><Messages>"
        "<Message>one &amp; two</Message><Message>three</Message></Messages><RequestId>1</RequestId>"
        "</InvalidChangeBatch>";
    assert_int_equal(route53_error_read(batch, strlen(batch), &error), ERR_OK);
    assert_string_equal(error.code, "InvalidChangeBatch");
    assert_string_equal(strbuf_text(&error.message), "one & two; three");
    strbuf_done(&error.message);
    assert_int_equal(route53_error_read("<a/>", 4, &error), ERR_INVALID);
    strbuf_done(&error.message);
}

static void test_names_of_aws(void **state)
{
    (void)state;
    assert_true(route53_name_equal("*.example.org", "\\052.Example.org."));
    assert_true(route53_name_equal("a.b", "a.b."));
    assert_true(route53_name_equal("", "."));
    assert_false(route53_name_equal("a.b", "a.b.c"));
    assert_false(route53_name_equal("a.b.", "a"));
    assert_false(route53_name_equal("a\\05", "a*"));
    struct strbuf xml = STRBUF_INIT;
    route53_upsert_write(&xml, "a<b", "A", "\"x\" & y", 60, "", "run");
    assert_non_null(strstr(strbuf_text(&xml), "<Name>a&lt;b</Name>"));
    assert_non_null(strstr(strbuf_text(&xml), "<Value>\"x\" &amp; y</Value>"));
    assert_null(strstr(strbuf_text(&xml), "HealthCheckId"));
    strbuf_done(&xml);
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
        cmocka_unit_test(test_unknown_apply_is_sent_again),
        cmocka_unit_test(test_keeps_what_it_does_not_change),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_cannot_be_changed),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_refused_batch),
        cmocka_unit_test(test_lost_change),
        cmocka_unit_test(test_session_token_and_clock),
        cmocka_unit_test(test_reading_lists),
        cmocka_unit_test(test_bounds_of_xml),
        cmocka_unit_test(test_reading_changes_and_errors),
        cmocka_unit_test(test_names_of_aws),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

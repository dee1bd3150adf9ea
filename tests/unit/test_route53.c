#include "appliers.h"
#include "canned_server.h"
#include "dns_rig.h"

#include "actions/route53_xml.h"

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
    start_with(rig, aws_secrets);
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

/* ---- compare and swap -------------------------------------------------------------------------------------------- */

static void test_another_value_meanwhile(void **state)
{
    (void)state;
    struct rig rig, other;
    start(&rig);
    start(&other);
    const char *const roots[] = {"ErrorResponse", "InvalidChangeBatch"};
    for (size_t i = 0; i < 2; i++) {
        char text[100];
        snprintf(text, sizeof(text), "{\"route53_invalid_batch_root\": \"%s\"}", roots[i]);
        sandbox_do(&sandbox, "reset", NULL);
        sandbox_do(&sandbox, "options", text);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        rig_set(&other, "target", "203.0.113.77");
        assert_outcome(&other, rig_apply(&other), OUTCOME_OK);
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
        assert_text_has(&rig, "is not 192.0.2.10 with TTL 60 any more, as was seen: nothing was changed");
        assert_text_has(&rig, "do not match the current values");
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_text_has(&rig, "203.0.113.77");
        assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
        assert_int_equal(sandbox_effects(&sandbox, "POST"), 2);
        rig_forget(&rig);
    }
    rig_stop(&rig);
    rig_stop(&other);
}

/* There and back; the set is as it was to the letter, with its health check and all its values in their order. */
static void test_puts_back_what_was_found(void **state)
{
    (void)state;
    struct rig rig;
    const char *const records[] = {"app.example.org", "checked.example.org", "pair.example.org", "example.org",
                                   "*.example.org"};
    for (size_t i = 0; i < sizeof(records) / sizeof(records[0]); i++) {
        start(&rig);
        rig_set(&rig, "record", records[i]);
        rig_set_int(&rig, "ttl", 30);
        assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
        assert_int_equal(json_array_size(json_object_get(rig.result.previous, "values")), i == 2 ? 2 : 0);
        json_t *seen = json_incref(rig.observed);
        put_back(&rig, "route53", "example.org", false);
        assert_true(json_equal(seen, rig.observed)); /* the health check too */
        json_decref(seen);
        rig_stop(&rig);
    }
}

static void many_values(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    (void)request;
    size_t at = (size_t)snprintf(ret->body, sizeof(ret->body),
                                 "<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet>"
                                 "<Name>app.example.org.</Name><Type>A</Type><TTL>60</TTL><ResourceRecords>");
    for (int i = 0; i < *(const int *)context; i++)
        at += (size_t)snprintf(ret->body + at, sizeof(ret->body) - at,
                               "<ResourceRecord><Value>192.0.2.%d</Value></ResourceRecord>", i);
    snprintf(ret->body + at, sizeof(ret->body) - at,
             "</ResourceRecords></ResourceRecordSet></ResourceRecordSets></ListResourceRecordSetsResponse>");
}

static void test_a_set_of_very_many_values_is_left_alone(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    char provider[100];
    int count = 100;
    canned_start(&server, many_values, &count);
    snprintf(provider, sizeof(provider), "{\"url\": \"%s\"}", server.url);
    rig_start(&rig, "route53.record", provider, aws_secrets,
              "{\"hosted_zone\": \"Z1\", \"record\": \"app.example.org\", \"type\": \"A\", \"target\":"
              " \"198.51.100.20\", \"ttl\": 60}");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_int_equal(json_array_size(json_object_get(rig.result.previous, "values")), 100);
    count = 101;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "has 101 values");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    rig_stop(&rig);
    canned_stop(&server);
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

static const char *const movable[] = {"aaa.example.org", "api.example.org",  "app-2.example.org", "app.example.org",
                                      "cdn.example.org", "pair.example.org", "app2.example.org",  "zzz.example.org"};

static int count_posts(struct sandbox *from)
{
    json_t *log = sandbox_call(from, "GET", "requests?provider=route53", NULL);
    const json_t *entry;
    size_t i;
    int count = 0;
    json_array_foreach(log, i, entry)
    {
        count += strcmp(json_string_value(json_object_get(entry, "method")), "POST") == 0;
    }
    json_decref(log);
    return count;
}

/* The first change is with AWS, and what is started now waits for its answer. */
static void wait_posted(void)
{
    int64_t until = clock_steady_ms() + 10000;
    while (count_posts(&sandbox) == 0) {
        assert_true(clock_steady_ms() < until);
        usleep(5000);
    }
}

static void test_one_batch_for_all_that_wait(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first, all[8];
    pthread_t thread, threads[8];
    start(&rig);
    fault("[{\"method\":\"POST\",\"kind\":\"slow\",\"ms\":1000}]");
    applier_start(&first, &rig, "drill-app.example.org", "198.51.100.9", 10000, &thread);
    wait_posted();
    for (int i = 0; i < 8; i++)
        applier_start(&all[i], &rig, movable[i], "198.51.100.20", 10000, &threads[i]);
    pthread_join(thread, NULL);
    assert_outcome(&first, first.result.outcome, OUTCOME_OK);
    const char *change = NULL;
    for (int i = 0; i < 8; i++) {
        pthread_join(threads[i], NULL);
        assert_outcome(&all[i], all[i].result.outcome, OUTCOME_OK);
        assert_non_null(strstr(all[i].result.text.text, "made together with others"));
        const char *its = json_string_value(json_object_get(all[i].result.token, "change"));
        assert_non_null(its);
        change = change ? change : its;
        assert_string_equal(its, change);
    }
    assert_int_equal(count_posts(&sandbox), 2); /* the first alone, and one for the eight */
    assert_string_not_equal(json_string_value(json_object_get(first.result.token, "change")), change);
    for (int i = 0; i < 8; i++)
        applier_done(&all[i]);
    applier_done(&first);
    rig_stop(&rig);
}

/* One of them may not be made: Route 53 refuses the batch, then each goes alone, and only the bad one fails. */
static void test_a_refused_batch_is_sent_singly(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first, all[3];
    pthread_t thread, threads[3];
    start(&rig);
    fault("[{\"method\":\"POST\",\"kind\":\"slow\",\"ms\":1000}]");
    applier_start(&first, &rig, "drill-app.example.org", "198.51.100.9", 10000, &thread);
    wait_posted();
    for (int i = 0; i < 2; i++)
        applier_start(&all[i], &rig, movable[i], "198.51.100.20", 10000, &threads[i]);
    rig_set_int(&rig, "ttl", -1); /* the rows refuse it, and so does AWS */
    applier_start(&all[2], &rig, "app.example.org", "198.51.100.20", 10000, &threads[2]);
    pthread_join(thread, NULL);
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_outcome(&all[i], all[i].result.outcome, i < 2 ? OUTCOME_OK : OUTCOME_PERMANENT);
        assert_null(strstr(all[i].result.text.text, "together"));
    }
    assert_int_equal(count_posts(&sandbox), 5); /* the first, all three, and each */
    for (int i = 0; i < 3; i++)
        applier_done(&all[i]);
    applier_done(&first);
    rig_stop(&rig);
}

/* Of two for the same record in one batch the second is not based on what is there then: it looks again. */
static void test_two_for_one_record(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first, all[2];
    pthread_t thread, threads[2];
    start(&rig);
    fault("[{\"method\":\"POST\",\"kind\":\"slow\",\"ms\":1000}]");
    applier_start(&first, &rig, "drill-app.example.org", "198.51.100.9", 10000, &thread);
    wait_posted();
    applier_start(&all[0], &rig, "app.example.org", "198.51.100.20", 10000, &threads[0]);
    applier_start(&all[1], &rig, "app.example.org", "198.51.100.21", 10000, &threads[1]);
    pthread_join(thread, NULL);
    int n_ok = 0;
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
        n_ok += all[i].result.outcome == OUTCOME_OK;
        if (all[i].result.outcome != OUTCOME_OK) {
            assert_outcome(&all[i], all[i].result.outcome, OUTCOME_TEMPORARY);
            assert_non_null(strstr(all[i].result.text.text, "nothing was changed, it is looked at again"));
        }
        applier_done(&all[i]);
    }
    assert_int_equal(n_ok, 1);
    applier_done(&first);
    rig_stop(&rig);
}

static void test_cancelled_while_others_send(void **state)
{
    (void)state;
    struct rig rig;
    struct applier first, second, third;
    pthread_t threads[3];
    start(&rig);
    fault("[{\"method\":\"POST\",\"kind\":\"slow\",\"ms\":1500}]");
    applier_start(&first, &rig, "drill-app.example.org", "198.51.100.9", 10000, &threads[0]);
    wait_posted();
    applier_start(&second, &rig, "app.example.org", "198.51.100.20", 10000, &threads[1]);
    applier_start(&third, &rig, "app2.example.org", "198.51.100.20", 500, &threads[2]);
    usleep(300000);
    int64_t cancelled_at = clock_steady_ms();
    atomic_store(&second.cancel, true);
    pthread_join(threads[1], NULL);
    assert_in_range(clock_steady_ms() - cancelled_at, 0, 600);
    pthread_join(threads[2], NULL);
    pthread_join(threads[0], NULL);
    assert_outcome(&first, first.result.outcome, OUTCOME_OK);
    assert_outcome(&second, second.result.outcome, OUTCOME_CANCELLED);
    assert_outcome(&third, third.result.outcome, OUTCOME_TEMPORARY);
    assert_in_range(third.took_ms, 490, 1200);
    assert_int_equal(count_posts(&sandbox), 1);
    applier_done(&first);
    applier_done(&second);
    applier_done(&third);
    rig_stop(&rig);
}

/* ---- the survey -------------------------------------------------------------------------------------------------- */

static void test_survey(void **state)
{
    (void)state;
    struct rig rig;
    start(&rig);
    const char *const addresses[] = {"192.0.2.10", "192.0.2.12", "2001:DB8::10", "app.example.org", NULL};
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_string_equal(
        rig.shown,
        "api.example.org A 192.0.2.10 60|app.example.org A 192.0.2.10 60|cdn.example.org A 192.0.2.10 60|"
        "checked.example.org A 192.0.2.10 60|drill-app.example.org A 192.0.2.10 60|example.org A 192.0.2.10 300|"
        "forgotten.example.org AAAA 2001:db8::10 60|guarded.example.org A 192.0.2.10 60|"
        "pair.example.org A 192.0.2.12 60|weighted.example.org A 192.0.2.10 60|www.example.org A app.example.org. 0|");
    rig_stop(&rig);
}

/* Pages that go on for ever, one set each. */
static void endless(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    const char *const *also = context;
    bool is_next = strstr(request->target, "name=b%5C052.example.org.&type=A&identifier=x%2Fy") != NULL;
    snprintf(ret->body, sizeof(ret->body),
             "<ListResourceRecordSetsResponse><ResourceRecordSets><ResourceRecordSet><Name>%s\\052.example.org.</Name>"
             "<Type>A</Type><TTL>60</TTL><ResourceRecords><ResourceRecord><Value>192.0.2.10</Value></ResourceRecord>"
             "</ResourceRecords></ResourceRecordSet></ResourceRecordSets><IsTruncated>true</IsTruncated>%s"
             "</ListResourceRecordSetsResponse>",
             is_next ? "b" : "a", *also);
}

static void test_survey_is_bounded(void **state)
{
    (void)state;
    struct canned server;
    struct rig rig;
    char provider[100];
    const char *const addresses[] = {"192.0.2.10", NULL};
    const char *also = "<NextRecordName>b\\052.example.org.</NextRecordName><NextRecordType>A</NextRecordType>"
                       "<NextRecordIdentifier>x/y</NextRecordIdentifier>";
    canned_start(&server, endless, &also);
    snprintf(provider, sizeof(provider), "{\"url\": \"%s\"}", server.url);
    rig_start(&rig, "route53.record", provider, aws_secrets,
              "{\"hosted_zone\": \"Z1\", \"record\": \"app.example.org\", \"type\": \"A\", \"target\":"
              " \"198.51.100.20\", \"ttl\": 60}");
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_OK);
    assert_text_has(&rig, "it was left at b\\052.example.org.");
    assert_int_equal(canned_count(&server), 20);
    assert_non_null(strstr(rig.shown, "a*.example.org A 192.0.2.10 60|b*.example.org A 192.0.2.10 60|"));
    also = "";
    rig_survey(&rig, addresses);
    assert_outcome(&rig, rig.result.outcome, OUTCOME_TEMPORARY);
    assert_text_has(&rig, "not with a list that can be read");
    rig_stop(&rig);
    canned_stop(&server);
}

/* ---- documents --------------------------------------------------------------------------------------------------- */

static enum err set_read(const char *xml, struct route53_set *ret, struct errmsg *why)
{
    enum err err = route53_set_read(xml, strlen(xml), "app.example.org", "A", ret, why);
    assert_int_equal(json_array_size(ret->values), ret->n_values);
    route53_set_done(ret);
    return err;
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
    json_t *values = json_pack("[s]", "\"x\" & y");
    route53_batch_begin(&xml, "run");
    route53_change_write(&xml, "CREATE", "a<b", "A", values, 60, "");
    route53_batch_end(&xml);
    json_decref(values);
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
        cmocka_unit_test(test_another_value_meanwhile),
        cmocka_unit_test(test_puts_back_what_was_found),
        cmocka_unit_test(test_a_set_of_very_many_values_is_left_alone),
        cmocka_unit_test(test_one_batch_for_all_that_wait),
        cmocka_unit_test(test_a_refused_batch_is_sent_singly),
        cmocka_unit_test(test_two_for_one_record),
        cmocka_unit_test(test_cancelled_while_others_send),
        cmocka_unit_test(test_survey),
        cmocka_unit_test(test_survey_is_bounded),
        cmocka_unit_test(test_reading_lists),
        cmocka_unit_test(test_bounds_of_xml),
        cmocka_unit_test(test_reading_changes_and_errors),
        cmocka_unit_test(test_names_of_aws),
    };
    return cmocka_run_group_tests(tests, begin, end);
}

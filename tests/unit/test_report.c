/* The report of an incident and its run, from what the API says of both. */
#include "test.h"

#include "base/cleanup.h"
#include "core/report.h"

#include <stdlib.h>

static json_t *json_of(const char *text)
{
    json_error_t error;
    json_t *json = json_loads(text, 0, &error);
    if (!json)
        fail_msg("%s at %d", error.text, error.position);
    return json;
}

#define LINE(kind, at, detail, text)                                                                                   \
    "{\"seq\":1,\"hash\":\"\",\"entry\":{\"kind\":\"" kind "\",\"at\":\"2026-11-28T06:" at "Z\",\"detail\":{" detail   \
    "},\"text\":\"" text "\"}}"

static const char incident_text[] =
    "{\"id\":\"I\",\"service\":\"shop\",\"site\":\"gra\",\"opened_at\":\"2026-11-28T06:"
    "00:00.000Z\","
    "\"stood_at\":\"2026-11-28T06:00:30.000Z\",\"resolved_at\":null,\"run\":\"R\","
    "\"chain\":[" LINE("decision.incident", "00:00.000", "", "an incident of gra begins") "," LINE(
        "decision.vote", "00:00.000", "\"x\":1",
        "prometheus says gra is down") "," LINE("run.started", "00:30.000", "",
                                                "failover from gra to rbx | "
                                                "why") "," LINE("run.attempt", "00:31.000",
                                                                "\"outcome\":"
                                                                "\"ok\"",
                                                                "observe is "
                                                                "ok") "," LINE("run."
                                                                               "attemp"
                                                                               "t",
                                                                               "00:32."
                                                                               "000",
                                                                               "\"outco"
                                                                               "me\":"
                                                                               "\"tempo"
                                                                               "rary\"",
                                                                               "HTTP "
                                                                               "500") "]}";

/* A step of a run from 06:00:`from` to 06:`to`. */
#define STEP(name, state, from, to, more)                                                                              \
    "{\"name\":\"" name "\",\"action\":\"a\",\"state\":\"" state "\",\"error\":\"\",\"n_attempts\":3,"                 \
    "\"started_at\":\"2026-11-28T06:" from "Z\",\"finished_at\":\"2026-11-28T06:" to "Z\",\"attempts\":["              \
    "{\"outcome\":\"ok\",\"text\":\"there was 192.0.2.10\",\"detail\":{\"current\":{\"ttl\":60}}},"                    \
    "{\"outcome\":\"temporary\",\"text\":\"HTTP 500\"},{\"outcome\":\"not yet\",\"text\":\"still old\"},"              \
    "{\"outcome\":\"ok\",\"text\":\"it is there\"}]" more "}"
#define RUN(state, steps)                                                                                              \
    "{\"id\":\"R\",\"service\":\"shop\",\"kind\":\"failover\",\"from\":\"gra\",\"to\":\"rbx\",\"state\":\"" state      \
    "\","                                                                                                              \
    "\"reason\":\"a person wants it\",\"started_at\":\"2026-11-28T06:00:30.000Z\","                                    \
    "\"finished_at\":\"2026-11-28T06:01:10.000Z\",\"steps\":[" steps "]}"
#define TWO_STEPS                                                                                                      \
    STEP("Linode DNS", "done", "00:30.000", "01:00.000", ",\"predicted_ms\":5000")                                     \
    "," STEP("Route 53", "done", "01:00.000", "01:10.000", "")
#define DRILL                                                                                                          \
    "{\"id\":\"D\",\"service\":\"shop\",\"kind\":\"failover\",\"occasion\":\"drill\",\"from\":\"gra\",\"to\":\"rbx\"," \
    "\"state\":\"succeeded\",\"reason\":\"drill\",\"started_at\":\"2026-11-28T06:00:30.000Z\","                        \
    "\"finished_at\":\"2026-11-28T06:01:10.000Z\",\"steps\":[" TWO_STEPS "]}"
#define MEASURE(state) STEP("users", state, "01:10.000", "01:40.500", ",\"is_measure\":true")

static json_t *report_of(const char *incident, const char *run, int64_t rto_ms)
{
    json_t *i = incident ? json_of(incident) : NULL, *r = run ? json_of(run) : NULL;
    json_t *report = report_json(&(struct report_of){.incident = i, .run = r, .rto_ms = rto_ms});
    json_decref(i);
    json_decref(r);
    return report;
}

static json_int_t number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_integer(value));
    return json_integer_value(value);
}

static const json_t *item(const json_t *report, const char *list, size_t i)
{
    return json_array_get(json_object_get(report, list), i);
}

static void expect_milestone(const json_t *report, size_t i, const char *name, json_int_t after_ms)
{
    assert_string_equal(json_string_value(json_object_get(item(report, "milestones", i), "name")), name);
    assert_int_equal(number(item(report, "milestones", i), "after_ms"), after_ms);
}

static void test_measured(void **state)
{
    (void)state;
    json_t *report = report_of(incident_text, RUN("succeeded", TWO_STEPS "," MEASURE("done")), 120000);
    assert_int_equal(number(report, "rto_ms"), 100500);
    assert_true(json_is_true(json_object_get(report, "is_measured")));
    assert_true(json_is_true(json_object_get(report, "is_met")));
    expect_milestone(report, 0, "first alert", 0);
    expect_milestone(report, 1, "found down", 30000);
    expect_milestone(report, 2, "run begins", 30000);
    expect_milestone(report, 3, "last step over", 70000);
    expect_milestone(report, 4, "run over", 70000);
    expect_milestone(report, 5, "users are served", 100500);
    const json_t *step = item(report, "steps", 0);
    assert_int_equal(number(step, "began_after_ms"), 30000);
    assert_int_equal(number(step, "took_ms"), 30000);
    assert_int_equal(number(step, "expected_ms"), 5000);
    assert_int_equal(number(step, "waits"), 1);
    assert_int_equal(number(step, "errors"), 1);
    assert_string_equal(json_string_value(json_object_get(step, "text")), "it is there");
    assert_int_equal(json_array_size(json_object_get(report, "slow")), 1);
    assert_string_equal(json_string_value(item(report, "slow", 0)),
                        "Linode DNS took 30 s; it was expected to take 5 s (1 times not ready yet, 1 times failed)");
    /* votes apart, looks that found nothing new left out */
    assert_int_equal(json_array_size(json_object_get(report, "votes")), 1);
    assert_int_equal(json_array_size(json_object_get(report, "timeline")), 3);
    json_decref(report);
}

static void test_not_measured(void **state)
{
    (void)state;
    static const struct {
        const char *run;
        json_int_t rto_ms; /* -1: not known */
        bool is_met;
    } cases[] = {
        {RUN("succeeded", TWO_STEPS), 70000, false},
        {RUN("succeeded", TWO_STEPS "," MEASURE("skipped")), 70000, false},
        {RUN("succeeded", TWO_STEPS "," MEASURE("running")), -1, false},
        {RUN("succeeded", TWO_STEPS "," MEASURE("failed")), -1, false},
        {RUN("attention", TWO_STEPS), -1, false},
        {RUN("undone", TWO_STEPS), -1, false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *report = report_of(incident_text, cases[i].run, 60000);
        if (cases[i].rto_ms < 0) {
            assert_true(json_is_null(json_object_get(report, "rto_ms")));
            assert_true(json_is_null(json_object_get(report, "is_met")));
        } else {
            assert_int_equal(number(report, "rto_ms"), cases[i].rto_ms);
            assert_true(json_is_false(json_object_get(report, "is_met")));
        }
        assert_false(json_is_true(json_object_get(report, "is_measured")));
        assert_int_equal(number(report, "ttl_ms"), 60000);
        json_decref(report);
    }
}

static void test_markdown(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "# shop: failover from gra to rbx, succeeded\n\n2026-11-28, incident I, run R. All times are UTC.\n\n"
        "**Users had the service again after 1 min 40 s**; the objective is 1 min: **missed**.\n\n"
        "| | at | after |\n|---|---|---|\n| first alert | 06:00:00 | 0 s |\n| found down | 06:00:30 | 30 s |\n",
        "\n## What was slow\n\n- Linode DNS took 30 s; ",
        "\n| 1 | Linode DNS | done | 30 s | 30 s | 5 s | 3 | it is there |\n",
        "\n| 3 | users (measure) | done | 1 min 10 s | 30 s 500 ms |  | 3 | it is there |\n",
        "\n## Votes\n\n- 06:00:00 (+0 s) prometheus says gra is down\n",
        "- 06:00:30 (+30 s) failover from gra to rbx \\| why\n- 06:00:32 (+32 s) HTTP 500\n"};
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    json_t *report = report_of(incident_text, RUN("succeeded", TWO_STEPS "," MEASURE("done")), 60000);
    report_markdown(report, &text);
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (!strstr(strbuf_text(&text), parts[i]))
            fail_msg("%s\nlacks\n%s", strbuf_text(&text), parts[i]);
    }
    json_decref(report);
}

/* A person's run has no incident; an incident need not have a run. */
static void test_alone(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    json_t *report = report_of(NULL, RUN("succeeded", TWO_STEPS), 0);
    assert_int_equal(number(report, "rto_ms"), 40000); /* from the beginning of the run */
    assert_true(json_is_null(json_object_get(report, "incident")));
    assert_true(json_is_null(json_object_get(report, "is_met")));
    assert_int_equal(json_array_size(json_object_get(report, "timeline")), 4);
    report_markdown(report, &text);
    assert_non_null(strstr(strbuf_text(&text),
                           "**The last step was over after 40 s**. No measure says when they had; old "
                           "DNS answers may have been in use for another 1 min (the TTL that the "
                           "records had).\n"));
    json_decref(report);
    strbuf_clear(&text);
    report = report_of(incident_text, NULL, 60000);
    report_markdown(report, &text);
    assert_non_null(strstr(strbuf_text(&text), "# shop: gra was said to be down, and nothing was moved\n"));
    assert_non_null(strstr(strbuf_text(&text), "**It is not known that users have the service again**"));
    json_decref(report);
    strbuf_clear(&text);
    report = report_of(NULL, DRILL, 60000); /* which nobody has felt, so that no objective is met or missed by it */
    assert_true(json_is_null(json_object_get(report, "rto_ms")) && json_is_null(json_object_get(report, "is_met")));
    report_markdown(report, &text);
    assert_non_null(strstr(strbuf_text(&text), "# shop: drill from gra to rbx, succeeded\n"));
    assert_non_null(strstr(strbuf_text(&text), "**A rehearsal: the service stayed where it is**.\n"));
    json_decref(report);
    assert_null(report_of(NULL, NULL, 0));
}

static void test_time(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {
        {"1970-01-01T00:00:00.000Z", 0},
        {"2026-11-28T06:42:32.925Z", INT64_C(1795848152925)},
        {"2024-02-29T23:59:59.999Z", INT64_C(1709251199999)},
        {"2000-03-01T00:00:00.000Z", INT64_C(951868800000)},
        {"2026-11-28", -1},
        {"2026-11-28T06:42:32.925Zx", -1},
        {"", -1},
        {NULL, -1},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_int_equal(report_time(cases[i].text), cases[i].ms);
}

/* Whatever stands in the place of what is expected, nothing is read beyond it. */
static void test_odd(void **state)
{
    (void)state;
    static const char *const odd[] = {"{}", "{\"steps\":7,\"chain\":7}",
                                      "{\"steps\":[null,7,{}],\"chain\":[null,7,{}]}",
                                      "{\"service\":7,\"opened_at\":\"x\",\"started_at\":7}"};
    for (size_t i = 0; i < COUNT_OF(odd); i++) {
        for (size_t k = 0; k < COUNT_OF(odd); k++) {
            CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
            json_t *report = report_of(odd[i], odd[k], 1000);
            assert_non_null(report);
            report_markdown(report, &text);
            assert_true(text.len > 0 && !text.is_broken);
            json_decref(report);
        }
    }
}

/* A step that was owed and is paid hours later tells nothing of how long users were without the service. */
static void test_a_debt_that_is_paid_later(void **state)
{
    (void)state;
    json_t *report = report_of(incident_text,
                               RUN("succeeded", TWO_STEPS "," STEP("fence", "done", "00:31.000", "59:00.000", "")), 0);
    assert_int_equal(number(report, "rto_ms"), 70000);
    expect_milestone(report, 3, "last step over", 70000);
    expect_milestone(report, 4, "run over", 70000);
    assert_int_equal(json_array_size(json_object_get(report, "slow")), 2);
    assert_string_equal(json_string_value(item(report, "slow", 1)),
                        "fence was owed when the run was over, and done 57 min 50 s after that");
    json_decref(report);
}

/* Old answers are in use for as long as the record said before it was changed, not for what it says now. */
static void test_the_ttl_is_the_old_one(void **state)
{
    (void)state;
    static const char step[] = "{\"name\":\"a\",\"state\":\"done\",\"started_at\":\"2026-11-28T06:00:30.000Z\","
                               "\"finished_at\":\"2026-11-28T06:00:40.000Z\",\"attempts\":["
                               "{\"phase\":\"observe\",\"outcome\":\"temporary\"},"
                               "{\"phase\":\"observe\",\"outcome\":\"ok\",\"detail\":{\"current\":{\"ttl\":60}}},"
                               "{\"phase\":\"apply\",\"outcome\":\"ok\"},"
                               "{\"phase\":\"observe\",\"outcome\":\"ok\",\"detail\":{\"current\":{\"ttl\":3600}}}]}";
    char run[1200];
    snprintf(run, sizeof run, "{\"id\":\"R\",\"state\":\"succeeded\",\"steps\":[%s]}", step);
    json_t *report = report_of(NULL, run, 0);
    assert_int_equal(number(report, "ttl_ms"), 60000);
    json_decref(report);
}

/* What is cut to fit is not lost for it. */
static void test_words_of_any_length(void **state)
{
    (void)state;
    char run[3000], words[1001];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(words, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof words; i += 2)
            memcpy(words + i, "\xc3\xa4", 3); /* a letter of two bytes */
        snprintf(run, sizeof run,
                 "{\"id\":\"R\",\"reason\":\"because\",\"started_at\":\"2026-11-28T06:00:30.000Z\",\"steps\":"
                 "[{\"name\":\"a\",\"state\":\"done\",\"error\":\"%s\",\"finished_at\":"
                 "\"2026-11-28T06:00:40.000Z\"}]}",
                 words);
        json_t *report = report_of(NULL, run, 0);
        assert_int_equal(json_array_size(json_object_get(report, "timeline")), 2);
        json_decref(report);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measured),
        cmocka_unit_test(test_not_measured),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_alone),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_a_debt_that_is_paid_later),
        cmocka_unit_test(test_the_ttl_is_the_old_one),
        cmocka_unit_test(test_words_of_any_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

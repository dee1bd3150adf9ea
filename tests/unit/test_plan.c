/* Plans: what their hash covers, their warnings, how long they would take, and what readiness makes of them. */
#include "core/plan.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <string.h>

#define MAX_TEST_STEPS 120

struct plan_fixture {
    struct site sites[2];
    struct service service;
    struct plan_step steps[MAX_TEST_STEPS];
    struct plan_survey survey;
    struct plan_way way;
};

static json_t *read_json(const char *text)
{
    json_t *json = json_loads(text, JSON_DECODE_ANY, NULL);
    if (!json)
        fail_msg("no JSON: %s", text);
    return json;
}

static void replace(const json_t **slot, const char *text)
{
    json_decref((json_t *)(uintptr_t)*slot);
    *slot = text ? read_json(text) : NULL;
}

/* A record of rbx that is still gra's. */
static struct plan_step record_step(void)
{
    return (struct plan_step){
        .name = "the record",
        .text = read_json(
            "{\"action\": \"linode.dns_record\", \"provider\": \"linode\", \"group\": 0, \"can_observe\": true, "
            "\"can_apply\": true, \"on_failure\": \"attention\", "
            "\"args\": {\"target\": \"198.51.100.20\", \"ttl\": 30}}"),
        .away = read_json("{\"target\": \"192.0.2.10\", \"ttl\": 30}"),
        .is_moved = true,
        .usual_ms = -1,
        .look = {.is_there = true,
                 .outcome = OUTCOME_OK,
                 .current = read_json("{\"target\": \"192.0.2.10\", \"ttl\": 30, \"serial\": 7}"),
                 .desired = read_json("{\"target\": \"198.51.100.20\", \"ttl\": 30}"),
                 .previous = read_json("{\"target\": \"192.0.2.10\"}"),
                 .text = "target is 192.0.2.10",
                 .took_ms = 40}};
}

static struct plan_step check_step(void)
{
    return (struct plan_step){
        .name = "it answers",
        .text = read_json("{\"action\": \"http.check\", \"provider\": null, \"group\": 0, \"can_observe\": true, "
                          "\"can_apply\": false, \"on_failure\": \"attention\", \"args\": {\"url\": \"http://rbx/\"}}"),
        .away = read_json("{\"url\": \"http://gra/\"}"),
        .is_moved = true,
        .usual_ms = -1,
        .look = {.is_there = true,
                 .outcome = OUTCOME_OK,
                 .is_right = true,
                 .current = read_json("{\"status\": 200, \"took_ms\": 12}"),
                 .text = "200 in 12 ms",
                 .took_ms = 12}};
}

static void step_done(struct plan_step *step)
{
    replace(&step->text, NULL);
    replace(&step->away, NULL);
    replace(&step->look.current, NULL);
    replace(&step->look.desired, NULL);
    replace(&step->look.previous, NULL);
}

static int set_up(void **state)
{
    struct plan_fixture *f = calloc(1, sizeof *f);
    static char gra[] = "gra", rbx[] = "rbx", shop[] = "shop";
    f->sites[0] = (struct site){.name = gra,
                                .values = read_json("{\"address\": \"192.0.2.10\", \"host\": \"gra.example.\", "
                                                    "\"size\": \"g6\", \"both\": \"192.0.2.99\"}")};
    f->sites[1] =
        (struct site){.name = rbx, .values = read_json("{\"address\": \"198.51.100.20\", \"both\": \"192.0.2.99\"}")};
    f->service = (struct service){.name = shop, .sites = f->sites, .n_sites = 2, .hold_ms = 60000};
    f->steps[0] = record_step();
    f->steps[1] = check_step();
    f->way = (struct plan_way){.service = &f->service,
                               .direction = DIRECTION_FAILOVER,
                               .occasion = OCCASION_OUTAGE,
                               .from = 0,
                               .to = 1,
                               .at = "2026-11-28T03:00:00.000Z",
                               .steps = f->steps,
                               .n_steps = 2,
                               .surveys = &f->survey};
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct plan_fixture *f = *state;
    for (int i = 0; i < MAX_TEST_STEPS; i++)
        step_done(&f->steps[i]);
    replace(&f->survey.found, NULL);
    replace(&f->survey.movers, NULL);
    replace(&f->survey.all_movers, NULL);
    json_decref(f->sites[0].values);
    json_decref(f->sites[1].values);
    free(f);
    return 0;
}

static json_t *made(const struct plan_fixture *f)
{
    json_t *plan = plan_make(&f->way);
    assert_non_null(plan);
    return plan;
}

/* ---- the hash ---------------------------------------------------------------------------------------------------- */

static char before[PLAN_HASH_SIZE];

static void remember(const struct plan_fixture *f)
{
    json_t *plan = made(f);
    snprintf(before, sizeof before, "%s", plan_hash(plan));
    assert_int_equal(strlen(before), 64);
    json_decref(plan);
}

/* And it is the new one that is compared with from now on. */
static void assert_other(const struct plan_fixture *f, bool is_other)
{
    char hash[PLAN_HASH_SIZE];
    snprintf(hash, sizeof hash, "%s", before);
    remember(f);
    if (is_other)
        assert_string_not_equal(before, hash);
    else
        assert_string_equal(before, hash);
}

static void the_hash_covers_what_would_be_done(void **state)
{
    struct plan_fixture *f = *state;
    struct plan_step *record = &f->steps[0];
    remember(f);
    replace(&record->look.current, "{\"target\": \"203.0.113.5\", \"ttl\": 30, \"serial\": 7}");
    assert_other(f, true);
    replace(&record->look.desired, "{\"target\": \"198.51.100.21\", \"ttl\": 30}");
    assert_other(f, true);
    replace(&record->text,
            "{\"action\": \"linode.dns_record\", \"provider\": \"linode\", \"group\": 0, \"can_observe\": true, "
            "\"can_apply\": true, \"args\": {\"target\": \"198.51.100.21\", \"ttl\": 60}}");
    assert_other(f, true);
    /* together with others, and what comes of it when it fails, belong to what would be done */
    static const char *const keys[] = {"is_point_of_no_return", "is_fence"};
    for (size_t i = 0; i < 2; i++) {
        json_object_set_new((json_t *)(uintptr_t)record->text, keys[i], json_true());
        assert_other(f, true);
    }
    json_object_set_new((json_t *)(uintptr_t)record->text, "group", json_integer(1));
    assert_other(f, true);
    json_object_set_new((json_t *)(uintptr_t)record->text, "on_failure", json_string("undo"));
    assert_other(f, true);
    record->look.is_right = true; /* already */
    assert_other(f, true);
    record->look.is_there = false;
    assert_other(f, true);
    record->name = "another record";
    assert_other(f, true);
    f->steps[1].look.is_right = false; /* it would be asked again */
    record->look.is_there = true;
    assert_other(f, true);
    f->way.n_steps = 1;
    assert_other(f, true);
    f->way.from = SITE_NONE;
    assert_other(f, true);
    static char other[] = "other";
    f->service.name = other;
    assert_other(f, true);
    f->way.to = 0;
    assert_other(f, true);
}

static void the_hash_does_not_cover_what_moves_by_itself(void **state)
{
    struct plan_fixture *f = *state;
    struct plan_step *record = &f->steps[0];
    remember(f);
    f->way.at = "2026-11-28T03:00:09.000Z";
    record->look.text = "otherwise said";
    record->look.script = "curl …";
    record->look.took_ms = 4000;
    record->look.clock_skew_ms = 61000;
    record->usual_ms = 70000;
    f->service.objective.rto_ms = 1000;
    f->service.hold_ms = 0;
    f->steps[1].look.took_ms = 900;
    f->steps[1].look.text = "200 in 900 ms";
    replace(&f->steps[1].look.current, "{\"status\": 200, \"took_ms\": 900}");
    replace(&record->look.current,
            "{\"ttl\": 30, \"serial\": 8, \"target\": \"192.0.2.10\"}"); /* nor any order of keys */
    f->way.n_surveys = 1;
    f->survey =
        (struct plan_survey){.zone = "example.com", .is_there = true, .outcome = OUTCOME_TEMPORARY, .text = "503"};
    assert_other(f, false);
    json_t *plan = made(f);
    assert_true(json_array_size(json_object_get(plan, "warnings")) >=
                3); /* it is only the hash that they leave alone */
    json_decref(plan);
    assert_string_equal(plan_hash(NULL), "");
}

/* ---- warnings ---------------------------------------------------------------------------------------------------- */

/* Its text; NULL: there is none of that kind. */
static const char *warning_of(const json_t *plan, const char *kind, int *ret_step)
{
    size_t i;
    const json_t *warning;
    json_array_foreach(json_object_get(plan, "warnings"), i, warning)
    {
        if (strcmp(json_string_value(json_object_get(warning, "kind")), kind) != 0)
            continue;
        const json_t *step = json_object_get(warning, "step");
        *ret_step = json_is_integer(step) ? (int)json_integer_value(step) : -1;
        return json_string_value(json_object_get(warning, "text"));
    }
    return NULL;
}

/* One warning, and nothing else. */
static void assert_warns(const struct plan_fixture *f, const char *kind, int step, const char *says)
{
    json_t *plan = made(f);
    int of = -2;
    const char *text = warning_of(plan, kind, &of);
    if (!text || !strstr(text, says) || of != step || json_array_size(json_object_get(plan, "warnings")) != 1) {
        char *dumped = json_dumps(json_object_get(plan, "warnings"), JSON_INDENT(1));
        fail_msg("no %s of step %d that says \"%s\", or not it alone: %s", kind, step, says, dumped);
    }
    json_decref(plan);
}

static void assert_warns_not(const struct plan_fixture *f)
{
    json_t *plan = made(f);
    assert_int_equal(json_array_size(json_object_get(plan, "warnings")), 0);
    json_decref(plan);
}

static void assert_verdict(const struct plan_fixture *f, const char *trouble, enum readiness state, const char *cause,
                           const char *says)
{
    json_t *plan = made(f);
    struct plan_verdict verdict;
    plan_judge(plan, trouble, &verdict);
    assert_string_equal(verdict.cause, cause);
    assert_int_equal(verdict.state, state);
    if (says ? !strstr(verdict.text, says) : verdict.text[0])
        fail_msg("not \"%s\" but \"%s\"", says ? says : "", verdict.text);
    json_decref(plan);
}

static void each_step_warns_of_what_it_found(void **state)
{
    struct plan_fixture *f = *state;
    struct plan_step *record = &f->steps[0];
    assert_warns_not(f);
    record->look.outcome = OUTCOME_PERMANENT;
    record->look.text = "there is no such record";
    assert_warns(f, "fails", 0, "the record would fail: there is no such record");
    record->look.outcome = OUTCOME_TEMPORARY;
    record->look.text = "503";
    assert_warns(f, "unknown", 0, "the record: 503");
    record->look.is_there = false;
    assert_warns(f, "unknown", 0, "has not ended in time");
    replace(&record->text,
            "{\"action\": \"command\", \"can_observe\": false, \"can_apply\": true, \"args\": {\"a\": 1}}");
    assert_warns(f, "blind", 0, "nobody can look at what this step changes");
    step_done(record);
    record->look =
        (struct plan_look){.is_there = true, .outcome = OUTCOME_PERMANENT, .text = "rbx has no value \"zone\""};
    assert_warns(f, "fails", 0, "rbx has no value \"zone\"");
}

static void a_check_fails_only_where_no_change_comes_before_it(void **state)
{
    struct plan_fixture *f = *state;
    f->steps[1].look.is_right = false;
    assert_warns_not(f); /* the record before it brings it about */
    f->steps[0].look.is_right = true;
    f->steps[1].look.text = "503, expected 200";
    assert_warns(f, "fails", 1, "it answers would fail: 503, expected 200");
}

/* A provider's words are cut to fit, wherever that is. */
static void what_is_cut_is_told_all_the_same(void **state)
{
    struct plan_fixture *f = *state;
    char words[1001];
    f->steps[0].look.outcome = OUTCOME_PERMANENT;
    f->steps[0].look.text = words;
    for (size_t shift = 0; shift < 2; shift++) {
        memset(words, 'x', shift);
        for (size_t i = shift; i + 2 < sizeof words; i += 2)
            memcpy(words + i, "\xc3\xa4", 3); /* a letter of two bytes */
        assert_warns(f, "fails", 0, "the record would fail: ");
        struct plan_verdict verdict;
        json_t *plan = made(f);
        plan_judge(plan, NULL, &verdict);
        json_t *text = json_string(verdict.text);
        assert_non_null(text);
        json_decref(text);
        json_decref(plan);
    }
}

static void a_step_that_moves_nothing_is_told(void **state)
{
    struct plan_fixture *f = *state;
    replace(&f->steps[0].away, "{\"target\": \"198.51.100.20\", \"ttl\": 30}");
    assert_warns(f, "same", 0, "would set the same at gra and at rbx");
    f->steps[0].is_moved = false; /* it is not meant to */
    assert_warns_not(f);
}

static void what_belongs_to_neither_site_is_told(void **state)
{
    struct plan_fixture *f = *state;
    replace(&f->steps[0].look.current, "{\"target\": \"203.0.113.5\", \"ttl\": 30}");
    assert_warns(f, "foreign", 0, "target is 203.0.113.5, which belongs to neither site");
    replace(&f->steps[0].look.current, "{\"target\": null, \"ttl\": 30}");
    assert_warns_not(f);
}

static void old_answers_that_live_too_long_are_told(void **state)
{
    struct plan_fixture *f = *state;
    replace(&f->steps[0].look.current, "{\"target\": \"192.0.2.10\", \"ttl\": 3600}");
    assert_warns(f, "ttl", 0, "has TTL 3600 s where 30 s are promised");
    f->service.objective.rto_ms = 7200 * 1000;
    assert_warns(f, "ttl", 0, "has TTL 3600 s where 30 s are promised");
    f->service.objective.rto_ms = 100 * 1000;
    replace(&f->steps[0].look.current, "{\"target\": \"192.0.2.10\", \"ttl\": 0}");
    assert_warns(f, "ttl", 0, "the zone's default TTL");
    replace(&f->steps[0].look.current, "{\"target\": \"192.0.2.10\", \"ttl\": 30}");
    replace(&f->steps[0].look.desired, "{\"target\": \"198.51.100.20\", \"ttl\": 900}");
    assert_warns(f, "ttl", 0, "TTL 900 s is longer than the objective of 100 s");
}

static void clocks_and_objectives_are_told(void **state)
{
    struct plan_fixture *f = *state;
    f->steps[0].look.clock_skew_ms = 2000;
    assert_warns_not(f);
    f->steps[0].look.clock_skew_ms = -9000;
    assert_warns(f, "clock", -1, "9 s ahead of the providers'");
    f->steps[1].look.clock_skew_ms = 65000; /* the worst one is told */
    assert_warns(f, "clock", -1, "65 s behind the providers'");
    f->steps[0].look.clock_skew_ms = f->steps[1].look.clock_skew_ms = 0;
    f->service.objective.rto_ms = 95 * 1000;
    f->steps[0].usual_ms = 5000;
    assert_warns(f, "late", -1, "about 95 s (hold 60 s, steps 5 s, old DNS answers 30 s), and the objective is 95 s");
    f->way.occasion = OCCASION_PLANNED; /* no decision comes before it */
    assert_warns_not(f);
}

static void a_credential_that_ends_soon_is_told(void **state)
{
    struct plan_fixture *f = *state;
    const int64_t day = INT64_C(24) * 3600 * 1000;
    f->way.now = INT64_C(1795834800000); /* 2026-11-28 03:00 */
    f->steps[0].look.ends_at = f->way.now + 7 * day + 1;
    assert_warns_not(f);
    f->steps[0].look.ends_at = f->way.now + 3 * day;
    assert_warns(f, "credential", 0, "the credential of provider linode ends in 3 d");
    step_done(&f->steps[1]);
    f->steps[1] = record_step(); /* of the same provider: told once */
    f->steps[1].look.ends_at = f->steps[0].look.ends_at;
    assert_warns(f, "credential", 0, "the credential of provider linode ends in 3 d");
    step_done(&f->steps[1]);
    f->steps[1] = check_step();
    f->steps[0].look.ends_at = 0;
    f->steps[1].look.ends_at = f->way.now - 1;
    assert_warns(f, "credential", 1, "the certificate that is shown there has ended");
    f->steps[1].look.ends_at = f->way.now + day;
    assert_warns(f, "credential", 1, "the certificate that is shown there ends in 1 d");
    assert_verdict(f, NULL, READINESS_DEGRADED, "credential", "it answers: the certificate");
}

static void strays_are_what_no_step_moves(void **state)
{
    struct plan_fixture *f = *state;
    f->way.n_surveys = 1;
    f->survey =
        (struct plan_survey){.zone = "example.com",
                             .is_there = true,
                             .outcome = OUTCOME_OK,
                             .found = read_json("[{\"record\": \"app.example.com\", \"type\": \"A\", \"target\": "
                                                "\"192.0.2.10\", \"zone\": \"example.com\", \"ttl\": 30},"
                                                " {\"record\": \"old.example.com\", \"type\": \"A\", \"target\": "
                                                "\"192.0.2.10\", \"zone\": \"example.com\", \"ttl\": 300}]"),
                             .movers = read_json("[{\"record\": \"APP.example.com.\", \"type\": \"a\"}]")};
    assert_warns(f, "stray", -1,
                 "old.example.com A still holds 192.0.2.10, an address of gra, and no step moves it (TTL 300 s)");
    f->survey.outcome = OUTCOME_TEMPORARY;
    f->survey.text = "503";
    assert_warns(f, "survey", -1, "zone example.com could not be searched for other records of the old site: 503");
    f->survey.is_there = false;
    assert_warns(f, "survey", -1, "has not ended in time");
    f->survey.is_there = true;
    f->survey.outcome = OUTCOME_UNKNOWN;
    assert_warns_not(f);
}

static void addresses_are_those_of_the_old_site_alone(void **state)
{
    struct plan_fixture *f = *state;
    json_t *addresses = plan_addresses(&f->service, 0, 1), *expected = read_json("[\"192.0.2.10\", \"gra.example.\"]");
    assert_true(json_equal(addresses, expected));
    json_decref(addresses);
    json_decref(expected);
    addresses = plan_addresses(&f->service, SITE_NONE, 1);
    assert_int_equal(json_array_size(addresses), 0);
    json_decref(addresses);
}

/* 130 strays and one step that fails, which must not be among what is cut off. */
static void what_has_no_room_is_counted_and_the_worst_is_not_among_it(void **state)
{
    struct plan_fixture *f = *state;
    json_t *found = json_array();
    for (int i = 0; i < 130; i++)
        json_array_append_new(found, json_pack("{s:s, s:s, s:s, s:s, s:i}", "record", "old", "type", "A", "target",
                                               "192.0.2.10", "zone", "example.com", "ttl", 30));
    f->way.n_surveys = 1;
    f->survey = (struct plan_survey){.zone = "example.com", .is_there = true, .outcome = OUTCOME_OK, .found = found};
    f->steps[0].look.outcome = OUTCOME_PERMANENT;
    json_t *plan = made(f);
    const json_t *warnings = json_object_get(plan, "warnings");
    assert_int_equal(json_array_size(warnings), PLAN_MAX_WARNINGS + 1);
    int step = -2;
    assert_string_equal(json_string_value(json_object_get(json_array_get(warnings, 0), "kind")), "fails");
    assert_string_equal(warning_of(plan, "more", &step), "31 more warnings are left out of this list");
    assert_int_equal(step, -1);
    struct plan_verdict verdict;
    plan_judge(plan, NULL, &verdict);
    assert_int_equal(verdict.state, READINESS_NOT_READY);
    assert_non_null(strstr(verdict.text, "; and at least 99 more"));
    json_decref(plan);
}

/* With as many steps as there can be: the last one fails, and each before it is told of for two reasons. */
static void a_failure_of_the_last_step_is_told_however_much_else_is(void **state)
{
    struct plan_fixture *f = *state;
    step_done(&f->steps[1]);
    for (int i = 0; i < MAX_TEST_STEPS; i++) {
        if (i > 0)
            f->steps[i] = record_step();
        replace(&f->steps[i].look.current, "{\"target\": \"203.0.113.5\", \"ttl\": 3600}");
    }
    f->steps[MAX_TEST_STEPS - 1].look.outcome = OUTCOME_PERMANENT;
    f->way.n_steps = MAX_TEST_STEPS;
    json_t *plan = made(f);
    int step = -2;
    assert_non_null(warning_of(plan, "fails", &step));
    assert_int_equal(step, MAX_TEST_STEPS - 1);
    json_decref(plan);
}

/* ---- how long ---------------------------------------------------------------------------------------------------- */

static void assert_predicted(const struct plan_fixture *f, int64_t steps_ms, int64_t ttl_ms)
{
    json_t *plan = made(f);
    const json_t *predicted = json_object_get(plan, "predicted");
    assert_int_equal(json_integer_value(json_object_get(predicted, "steps_ms")), steps_ms);
    assert_int_equal(json_integer_value(json_object_get(predicted, "ttl_ms")), ttl_ms);
    assert_int_equal(json_integer_value(json_object_get(predicted, "total_ms")), steps_ms + ttl_ms);
    json_decref(plan);
}

static void the_prediction_adds_steps_and_the_longest_ttl(void **state)
{
    struct plan_fixture *f = *state;
    assert_predicted(f, 3 * 40 + 12, 30000); /* look, change, look; and a look */
    f->steps[0].usual_ms = 700;
    f->steps[1].usual_ms = 2000;
    assert_predicted(f, 2700, 30000); /* what is known of past runs goes before */
    replace(&f->steps[0].text,
            "{\"action\": \"a\", \"group\": 1, \"can_observe\": true, \"can_apply\": true, \"args\": {}}");
    replace(&f->steps[1].text,
            "{\"action\": \"b\", \"group\": 1, \"can_observe\": true, \"can_apply\": false, \"args\": {}}");
    assert_predicted(f, 2000, 30000); /* at the same time */
    f->steps[0].look.is_right = true;
    f->steps[1].usual_ms = -1;
    assert_predicted(f, 40, 0); /* already: a look, and no old answers */
    f->steps[0].look.outcome = OUTCOME_PERMANENT;
    assert_predicted(f, 12, 0); /* nobody knows */
}

/* ---- readiness --------------------------------------------------------------------------------------------------- */

static void readiness_is_the_worst_of_all(void **state)
{
    static const char disk[] = "the disk has 3 MiB left", ballast[] = "the ballast is given up";
    struct plan_fixture *f = *state;
    assert_verdict(f, NULL, READINESS_READY, "", NULL);
    assert_verdict(f, disk, READINESS_DEGRADED, "daemon", disk);
    assert_verdict(f, ballast, READINESS_DEGRADED, "daemon", ballast);
    f->steps[0].look.clock_skew_ms = 60000;
    assert_verdict(f, NULL, READINESS_DEGRADED, "clock",
                   "60 s behind the providers': signed requests are refused from 5");
    f->steps[0].look.clock_skew_ms = -301000; /* here a signature fails */
    assert_verdict(f, disk, READINESS_NOT_READY, "daemon clock",
                   "301 s ahead of the providers': signed requests are refused; and 1 more");
    f->steps[0].look.clock_skew_ms = 0;
    f->steps[0].look.outcome = OUTCOME_TEMPORARY;
    assert_verdict(f, NULL, READINESS_DEGRADED, "unknown", "the record");
    f->steps[0].look.outcome = OUTCOME_PERMANENT;
    assert_verdict(f, disk, READINESS_NOT_READY, "daemon fails", "the record would fail");
    replace(&f->steps[0].text,
            "{\"action\": \"a\", \"can_observe\": true, \"can_apply\": true, \"on_failure\": \"continue\", "
            "\"args\": {}}");
    assert_verdict(f, NULL, READINESS_DEGRADED, "fails", "the record would fail"); /* the run would go on */
    replace(&f->steps[0].text, "{\"action\": \"a\", \"can_observe\": false, \"can_apply\": true, \"args\": {}}");
    assert_verdict(f, NULL, READINESS_READY, "", NULL); /* as ready as it will ever be */
    replace(&f->steps[0].text, "{\"action\": \"a\", \"can_observe\": true, \"can_apply\": true, \"args\": {\"x\": 1}}");
    replace(&f->steps[0].away, "{\"x\": 1}");
    f->steps[0].look.outcome = OUTCOME_OK;
    assert_verdict(f, NULL, READINESS_NOT_READY, "same", "moves nothing");
    f->way.n_steps = 0;
    assert_verdict(f, NULL, READINESS_NOT_READY, "empty", "no step of the playbook is meant for this");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_hash_covers_what_would_be_done),
        TEST(the_hash_does_not_cover_what_moves_by_itself),
        TEST(each_step_warns_of_what_it_found),
        TEST(a_check_fails_only_where_no_change_comes_before_it),
        TEST(what_is_cut_is_told_all_the_same),
        TEST(a_step_that_moves_nothing_is_told),
        TEST(what_belongs_to_neither_site_is_told),
        TEST(old_answers_that_live_too_long_are_told),
        TEST(clocks_and_objectives_are_told),
        TEST(a_credential_that_ends_soon_is_told),
        TEST(strays_are_what_no_step_moves),
        TEST(addresses_are_those_of_the_old_site_alone),
        TEST(what_has_no_room_is_counted_and_the_worst_is_not_among_it),
        TEST(a_failure_of_the_last_step_is_told_however_much_else_is),
        TEST(the_prediction_adds_steps_and_the_longest_ttl),
        TEST(readiness_is_the_worst_of_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

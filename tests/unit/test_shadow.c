/* What shadow mode would have done: verdicts, and the hold and votes that tell the right from the false. */
#include "test.h"

#include "core/shadow.h"

#include <stdio.h>

#define T0 INT64_C(1700000000000)
#define S INT64_C(1000)

/* votes 2, hold 30 s, and what lasts for five minutes was right. */
static const struct shadow_rules rules = {.votes = 2, .hold_ms = 30 * S, .lasting_ms = 300 * S, .now = T0 + 86400 * S};

#define NEVER (-1)

/* Decided at T0, with so many votes, and over so many seconds later. */
static struct shadow_case lasting(int seconds, int votes)
{
    return (struct shadow_case){.stood_at = T0,
                                .would_at = T0,
                                .fell_at = seconds == NEVER ? 0 : T0 + seconds * S,
                                .resolved_at = seconds == NEVER ? 0 : T0 + (seconds + 1) * S,
                                .most_votes = votes};
}

static void verdicts(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        int stood, would, fell, resolved; /* seconds; NEVER */
        bool is_moved;
        int now;
        const char *verdict;
        int lasted;
    } cases[] = {
        {"over after 10 s", 0, 0, 10, 60, false, 9000, "false", 10},
        {"over a moment before it lasted", 0, 0, 299, 310, false, 9000, "false", 299},
        {"lasted", 0, 0, 300, 310, false, 9000, "right", 300},
        {"lasts", 0, 0, NEVER, NEVER, false, 9000, "right", 9000},
        {"too early to say", 0, 0, NEVER, NEVER, false, 100, "open", 100},
        {"a person moved it at once", 0, 0, 20, 60, true, 9000, "right", 20},
        {"a person moved it, and it stands", 0, 0, NEVER, NEVER, true, 100, "right", 100},
        {"decided later than it stood", 0, 600, 610, 620, false, 9000, "false", 10},
        {"fell before the decision only, and stands again", 0, 600, 300, NEVER, false, 700, "open", 100},
        {"fell before the decision only, and is resolved", 0, 600, 300, 620, false, 9000, "false", 20},
        {"a clock put back", 100, 100, NEVER, NEVER, false, 50, "open", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct shadow_case given = {.stood_at = T0 + cases[i].stood * S,
                                          .would_at = T0 + cases[i].would * S,
                                          .fell_at = cases[i].fell == NEVER ? 0 : T0 + cases[i].fell * S,
                                          .resolved_at = cases[i].resolved == NEVER ? 0 : T0 + cases[i].resolved * S,
                                          .most_votes = 2,
                                          .is_moved = cases[i].is_moved};
        struct shadow_rules at = rules;
        at.now = T0 + cases[i].now * S;
        const char *verdict = shadow_verdict_text(shadow_judge(&given, &at));
        if (strcmp(verdict, cases[i].verdict) != 0 || shadow_lasted_ms(&given, &at) != cases[i].lasted * S)
            fail_msg("%s: %s after %lld ms", cases[i].what, verdict, (long long)shadow_lasted_ms(&given, &at));
    }
}

/* The options as "votes/hold seconds+later seconds" words. */
static const char *options_of(const struct shadow_case *cases, size_t n, struct shadow_report *report)
{
    static char text[256];
    size_t len = 0;
    text[0] = '\0';
    shadow_report_make(cases, n, &rules, report);
    for (int i = 0; i < report->n_options; i++)
        len +=
            (size_t)snprintf(text + len, sizeof text - len, "%s%d/%lld+%lld", i ? " " : "", report->options[i].votes,
                             (long long)(report->options[i].hold_ms / S), (long long)(report->options[i].later_ms / S));
    return text;
}

static void expect(const struct shadow_case *cases, size_t n, const char *options, const char *sentence)
{
    struct shadow_report report;
    assert_string_equal(options_of(cases, n, &report), options);
    assert_string_equal(shadow_report_text(&report, &rules).text, sentence);
}

static void nothing_to_say(void **state)
{
    (void)state;
    expect(NULL, 0, "", "nothing would have been started");
    const struct shadow_case cases[] = {lasting(600, 2), lasting(NEVER, 2)};
    expect(cases, 2, "", "2 failovers would have been started: 2 right, 0 false");
}

static void a_longer_hold_tells_them_apart(void **state)
{
    (void)state;
    /* The quorum of the false ones was there for 30 + 10 and 30 + 44 s. */
    const struct shadow_case cases[] = {lasting(10, 2), lasting(600, 2), lasting(44, 2)};
    expect(
        cases, 3, "2/75+45",
        "3 failovers would have been started: 1 right, 2 false; no false one, and each right one, with `votes: 2` and "
        "`hold: 75 s` (later by 45 s)");
}

static void more_votes_tell_them_apart_sooner(void **state)
{
    (void)state;
    const struct shadow_case cases[] = {lasting(200, 2), lasting(5, 3), lasting(600, 4)};
    expect(
        cases, 3, "2/231+201 3/36+6 4/30+0",
        "3 failovers would have been started: 1 right, 2 false; no false one, and each right one, with `votes: 2` and "
        "`hold: 231 s` (later by 3 min 21 s), or `votes: 3` and `hold: 36 s` (later by 6 s and the time that the last "
        "vote takes), or `votes: 4` and `hold: 30 s` (later by 0 s and the time that the last vote takes)");
}

static void more_votes_lose_a_right_one(void **state)
{
    (void)state;
    const struct shadow_case cases[] = {lasting(200, 2), lasting(600, 2)};
    expect(
        cases, 2, "2/231+201",
        "2 failovers would have been started: 1 right, 1 false; no false one, and each right one, with `votes: 2` and "
        "`hold: 231 s` (later by 3 min 21 s)");
}

/* A person was faster than the hold would be that it takes: then that hold loses one. */
static void nothing_tells_them_apart(void **state)
{
    (void)state;
    struct shadow_case cases[] = {lasting(200, 2), lasting(60, 2)};
    cases[1].is_moved = true;
    expect(cases, 2, "",
           "2 failovers would have been started: 1 right, 1 false; no hold and number of votes tells these apart: the "
           "monitors have to see more, or a probe of our own");
    cases[1].most_votes = 3; /* but here it does */
    expect(
        cases, 2, "3/30+0",
        "2 failovers would have been started: 1 right, 1 false; no false one, and each right one, with `votes: 3` and "
        "`hold: 30 s` (later by 0 s and the time that the last vote takes)");
}

static void without_a_right_one(void **state)
{
    (void)state;
    const struct shadow_case cases[] = {lasting(10, 2), lasting(20, 5)};
    expect(
        cases, 2, "2/51+21",
        "2 failovers would have been started: 0 right, 2 false; no false one with `votes: 2` and `hold: 51 s` (later "
        "by 21 s)");
}

/* What is not over counts for neither side. */
static void one_that_is_not_over(void **state)
{
    (void)state;
    struct shadow_rules early = rules;
    early.now = T0 + 100 * S;
    const struct shadow_case cases[] = {lasting(NEVER, 2), lasting(10, 2)};
    struct shadow_report report;
    shadow_report_make(cases, 2, &early, &report);
    assert_int_equal(report.n_open, 1);
    assert_int_equal(report.n_false, 1);
    assert_string_equal(
        shadow_report_text(&report, &early).text,
        "2 failovers would have been started: 0 right, 1 false, 1 not over; no false one with `votes: 2` "
        "and `hold: 41 s` (later by 11 s)");
}

/* What the report promises: played again with each option, no false one is left and no right one is missing. */
static void options_hold_what_they_promise(void **state)
{
    (void)state;
    uint32_t seed = 4711;
    int n_options = 0;
    for (int round = 0; round < 2000; round++) {
        struct shadow_case cases[6];
        for (int i = 0; i < 6; i++) {
            seed = seed * 1664525 + 1013904223;
            cases[i] = lasting((int)(seed >> 20) % 500, 2 + (int)(seed >> 8) % 4);
            cases[i].is_moved = (seed >> 28) == 0;
        }
        struct shadow_report report;
        shadow_report_make(cases, 6, &rules, &report);
        assert_int_equal(report.n_right + report.n_false + report.n_open, 6);
        for (int k = 0; k < report.n_options; k++) {
            const struct shadow_option *option = &report.options[k];
            for (int i = 0; i < 6; i++) {
                bool starts = cases[i].most_votes >= option->votes &&
                              rules.hold_ms + cases[i].fell_at - cases[i].stood_at >= option->hold_ms;
                assert_int_equal(starts, shadow_judge(&cases[i], &rules) == SHADOW_RIGHT);
            }
            assert_true(option->hold_ms >= rules.hold_ms && option->votes >= rules.votes);
            n_options++;
        }
    }
    assert_true(n_options > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(nothing_to_say),
        cmocka_unit_test(a_longer_hold_tells_them_apart),
        cmocka_unit_test(more_votes_tell_them_apart_sooner),
        cmocka_unit_test(more_votes_lose_a_right_one),
        cmocka_unit_test(nothing_tells_them_apart),
        cmocka_unit_test(without_a_right_one),
        cmocka_unit_test(one_that_is_not_over),
        cmocka_unit_test(options_hold_what_they_promise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

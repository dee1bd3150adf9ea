/* What a delivery does to an alert's row: a table, and the stories of real senders. Times of the sender are small
 * numbers of seconds on its own clock, which is hours away from ours. */
#include "base/cleanup.h"
#include "core/alert.h"
#include "tests/unit/test.h"

#define NOW ((int64_t)1700000000000)
#define NEVER TIME_UNKNOWN
#define MIN ((int64_t)60000)

enum row_state { ABSENT, FIRING, RESOLVED, UP };

struct alert_case {
    const char *name;
    enum row_state row;
    int64_t starts, ends, changed_ago; /* of the row */
    enum alert_state said;
    int64_t said_starts, said_ends;
    enum alert_verdict verdict;
    int64_t starts_after, ends_after;
};

#define NEW ALERT_VERDICT_NEW
#define DUPLICATE ALERT_VERDICT_DUPLICATE
#define LATE ALERT_VERDICT_LATE

static const struct alert_case cases[] = {
    {"first firing", ABSENT, 0, 0, 0, ALERT_FIRING, 100, NEVER, NEW, 100, NEVER},
    {"first heard of as resolved", ABSENT, 0, 0, 0, ALERT_RESOLVED, 100, 160, NEW, 100, 160},
    {"without times", ABSENT, 0, 0, 0, ALERT_FIRING, NEVER, NEVER, NEW, NEVER, NEVER},

    {"a repeat", FIRING, 100, NEVER, MIN, ALERT_FIRING, 100, NEVER, DUPLICATE, 100, NEVER},
    {"a twin that saw it later", FIRING, 100, NEVER, MIN, ALERT_FIRING, 103, NEVER, DUPLICATE, 100, NEVER},
    {"a twin that saw it earlier", FIRING, 100, NEVER, MIN, ALERT_FIRING, 97, NEVER, DUPLICATE, 97, NEVER},
    {"a repeat without its start", FIRING, 100, NEVER, MIN, ALERT_FIRING, NEVER, NEVER, DUPLICATE, 100, NEVER},
    {"a repeat that brings the start", FIRING, NEVER, NEVER, MIN, ALERT_FIRING, 100, NEVER, DUPLICATE, 100, NEVER},
    {"firing again keeps the former end", FIRING, 300, 200, MIN, ALERT_FIRING, 300, NEVER, DUPLICATE, 300, 200},

    {"resolved", FIRING, 100, NEVER, MIN, ALERT_RESOLVED, 100, 160, NEW, 100, 160},
    {"resolved by a twin that saw it later", FIRING, 100, NEVER, MIN, ALERT_RESOLVED, 103, 163, NEW, 100, 163},
    {"resolved by a twin that saw it earlier", FIRING, 100, NEVER, MIN, ALERT_RESOLVED, 97, 160, NEW, 97, 160},
    {"resolved, no end given", FIRING, 100, 50, MIN, ALERT_RESOLVED, 100, NEVER, NEW, 100, NEVER},
    {"resolved in the moment it began", FIRING, 100, NEVER, MIN, ALERT_RESOLVED, 100, 100, NEW, 100, 100},
    {"the resolve of the episode before", FIRING, 300, 160, MIN, ALERT_RESOLVED, 100, 160, LATE, 300, 160},
    {"the same, long after", FIRING, 300, 160, 60 * MIN, ALERT_RESOLVED, 100, 160, LATE, 300, 160},
    {"it cannot be compared: believed", FIRING, NEVER, NEVER, MIN, ALERT_RESOLVED, NEVER, 160, NEW, NEVER, 160},

    {"resolved again", RESOLVED, 100, 160, MIN, ALERT_RESOLVED, 100, 160, DUPLICATE, 100, 160},
    {"resolved again by a twin, later", RESOLVED, 100, 160, MIN, ALERT_RESOLVED, 103, 163, DUPLICATE, 100, 163},
    {"resolved again by a twin, earlier", RESOLVED, 100, 160, MIN, ALERT_RESOLVED, 97, 157, DUPLICATE, 97, 160},
    {"resolved again without an end", RESOLVED, 100, 160, MIN, ALERT_RESOLVED, 100, NEVER, DUPLICATE, 100, 160},
    {"resolved again with the end at last", RESOLVED, 100, NEVER, MIN, ALERT_RESOLVED, 100, 160, DUPLICATE, 100, 160},

    {"up", FIRING, 100, NEVER, MIN, ALERT_UP, NEVER, 160, NEW, 100, 160},
    {"the up of the episode before", FIRING, 300, 160, MIN, ALERT_UP, 100, 160, LATE, 300, 160},
    {"up again", UP, 100, 160, MIN, ALERT_UP, NEVER, 180, DUPLICATE, 100, 180},
    {"over, and then up", RESOLVED, 100, 160, MIN, ALERT_UP, NEVER, 170, NEW, 100, 170},
    {"up, and then only over", UP, 100, 160, MIN, ALERT_RESOLVED, 100, 170, NEW, 100, 170},
    {"up, and then a late twin of the outage", UP, 100, 160, 1000, ALERT_FIRING, 103, NEVER, LATE, 100, 160},
    {"up, and then the next outage", UP, 100, 160, 1000, ALERT_FIRING, 161, NEVER, NEW, 161, 160},

    {"the next outage", RESOLVED, 100, 160, 1000, ALERT_FIRING, 161, NEVER, NEW, 161, 160},
    {"the next outage, years later", RESOLVED, 100, 160, 500000 * MIN, ALERT_FIRING, 999, NEVER, NEW, 999, 160},
    {"a late twin", RESOLVED, 100, 160, 1000, ALERT_FIRING, 103, NEVER, LATE, 100, 160},
    {"a late retry", RESOLVED, 100, 160, 1000, ALERT_FIRING, 100, NEVER, LATE, 100, 160},
    {"from the very end of the episode", RESOLVED, 100, 160, 1000, ALERT_FIRING, 160, NEVER, LATE, 100, 160},
    {"in the last moment of the window", RESOLVED, 100, 160, 5 * MIN, ALERT_FIRING, 100, NEVER, LATE, 100, 160},
    {"still said behind the window: it means it", RESOLVED, 100, 160, 5 * MIN + 1, ALERT_FIRING, 100, NEVER, NEW, 100,
     160},
    {"no start: believed", RESOLVED, 100, 160, 1000, ALERT_FIRING, NEVER, NEVER, NEW, NEVER, 160},
    {"no end known: believed", RESOLVED, 100, NEVER, 1000, ALERT_FIRING, 100, NEVER, NEW, 100, NEVER},
    {"our clock stepped back a little", RESOLVED, 100, 160, -1000, ALERT_FIRING, 100, NEVER, LATE, 100, 160},
    {"our clock stepped back a lot", RESOLVED, 100, 160, -60 * MIN, ALERT_FIRING, 100, NEVER, NEW, 100, 160},
};

static struct alert_row row_of(const struct alert_case *c)
{
    struct alert_row row = {.source = 3, .delivery = {{7}}, .n_matches = 2};
    if (c->row == ABSENT)
        return row;
    row.key.bytes[0] = 1;
    row.exists = true;
    row.state = c->row == FIRING ? ALERT_FIRING : c->row == UP ? ALERT_UP : ALERT_RESOLVED;
    row.starts_at = c->starts;
    row.ends_at = c->ends;
    row.first_seen_at = NOW - 1000000 * MIN;
    row.last_seen_at = row.changed_at = NOW - c->changed_ago;
    row.count = 5;
    return row;
}

static void check_case(const struct alert_case *c)
{
    const struct alert_row row = row_of(c);
    const struct alert said = {.key.bytes[0] = 1,
                               .state = c->said,
                               .starts_at = c->said_starts,
                               .ends_at = c->said_ends,
                               .asserted_at = NEVER};
    struct alert_row after = {.count = 99};
    enum alert_verdict verdict = alert_take(&row, &said, NOW, &after);
    if (verdict != c->verdict || after.starts_at != c->starts_after || after.ends_at != c->ends_after)
        fail_msg("%s: verdict %d, starts %lld, ends %lld", c->name, (int)verdict, (long long)after.starts_at,
                 (long long)after.ends_at);
    bool is_new = verdict == NEW;
    assert_true(after.exists);
    assert_int_equal(after.key.bytes[0], 1);
    assert_int_equal(after.state, is_new ? c->said : row.state);
    assert_int_equal(after.last_seen_at, NOW);
    assert_int_equal(after.changed_at, is_new ? NOW : row.changed_at);
    assert_int_equal(after.first_seen_at, row.exists ? row.first_seen_at : NOW);
    assert_int_equal(after.count, row.exists ? 6 : 1);
    assert_int_equal(after.source, 3);
    assert_int_equal(after.delivery.bytes[0], 7);
    assert_int_equal(after.n_matches, 2);
}

static void all_cases(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_case(&cases[i]);
}

/* Two Alertmanagers, the second one some seconds behind in everything: two outages are two outages. */
static void a_twin_behind(void **state)
{
    (void)state;
    static const struct {
        int64_t at;
        enum alert_state said;
        int64_t starts, ends;
        enum alert_verdict verdict;
    } story[] = {
        {0, ALERT_FIRING, 1000, NEVER, NEW},
        {1300, ALERT_FIRING, 1003, NEVER, DUPLICATE},
        {60000, ALERT_RESOLVED, 1000, 60000, NEW},
        {61000, ALERT_FIRING, 1003, NEVER, LATE}, /* its retry, after the resolve of the other */
        {62000, ALERT_RESOLVED, 1003, 60003, DUPLICATE},
        {63000, ALERT_FIRING, 62000, NEVER, NEW},       /* the second outage */
        {64000, ALERT_RESOLVED, 1003, 60003, LATE},     /* once more the end of the first */
        {65000, ALERT_FIRING, 61000, NEVER, DUPLICATE}, /* the twin saw it begin a second earlier */
        {66000, ALERT_FIRING, 62000, NEVER, DUPLICATE}, /* and the first repeats it */
        {90000, ALERT_RESOLVED, 62000, 90000, NEW},
        {91000, ALERT_RESOLVED, 61000, 90001, DUPLICATE},
    };
    struct alert_row row = {.exists = false};
    for (size_t i = 0; i < COUNT_OF(story); i++) {
        const struct alert said = {.state = story[i].said, .starts_at = story[i].starts, .ends_at = story[i].ends};
        struct alert_row after;
        enum alert_verdict verdict = alert_take(&row, &said, NOW + story[i].at, &after);
        if (verdict != story[i].verdict)
            fail_msg("at %lld: verdict %d", (long long)story[i].at, (int)verdict);
        row = after;
    }
    assert_int_equal(row.starts_at, 61000);
    assert_int_equal(row.ends_at, 90001);
    assert_int_equal(row.count, 11);
}

/* ---- senders whose times order what they say --------------------------------------------------------------------- */

struct assertion {
    int64_t at;   /* arrives so many ms after NOW */
    int64_t when; /* asserted, in seconds of the sender's clock; -1: it does not say */
    enum alert_state said;
    enum alert_verdict verdict;
};

#define AHEAD ((NOW + ALERT_CLOCK_AHEAD_MS) / 1000) /* the last second that is believed of a delivery at NOW */

static struct alert assertion_of(const struct assertion *one)
{
    int64_t when = one->when < 0 ? NEVER : one->when * 1000;
    return (struct alert){.state = one->said,
                          .asserted_at = when,
                          .starts_at = one->said == ALERT_FIRING ? when : NEVER,
                          .ends_at = one->said == ALERT_RESOLVED || one->said == ALERT_UP ? when : NEVER};
}

static struct alert_row tell(const char *name, const struct assertion *story, size_t n)
{
    struct alert_row row = {.exists = false};
    for (size_t i = 0; i < n; i++) {
        const struct alert said = assertion_of(&story[i]);
        struct alert_row after;
        enum alert_verdict verdict = alert_take(&row, &said, NOW + story[i].at, &after);
        if (verdict != story[i].verdict || (verdict != NEW && after.state != row.state))
            fail_msg("%s, %zu: verdict %d, state %d", name, i, (int)verdict, (int)after.state);
        row = after;
    }
    return row;
}

#define TELL(name, story) tell(name, story, COUNT_OF(story))

/* Nobody makes us deaf for longer than clocks differ. */
static void a_time_ahead_hides_no_outage(void **state)
{
    (void)state;
    const int64_t now = NOW / 1000;
    const struct assertion ahead[] = {
        {0, now + 600, ALERT_RESOLVED, NEW},
        {1000, now + 1, ALERT_FIRING, NEW},
    };
    TELL("ten minutes ahead", ahead);
    const struct assertion little[] = {
        {0, now + 240, ALERT_RESOLVED, NEW},
        {1000, now + 1, ALERT_FIRING, LATE},
        {300000, now + 300, ALERT_FIRING, NEW},
    };
    TELL("four minutes ahead", little);
}

static void out_of_order(void **state)
{
    (void)state;
    static const struct assertion overtaken[] = {
        {0, 160, ALERT_UP, NEW},       /* UP overtakes the DOWN before it */
        {10, 100, ALERT_FIRING, LATE}, /* however soon */
        {600000, 100, ALERT_FIRING, LATE} /* or late: unlike an order by arrival no window ends it */,
        {600010, 200, ALERT_FIRING, NEW}, /* the next outage */
        {600020, 160, ALERT_UP, LATE},    /* UP of the episode before, again */
        {600030, 200, ALERT_FIRING, DUPLICATE},
        {600040, 100, ALERT_FIRING, LATE},
        {600050, 260, ALERT_UP, NEW},
    };
    struct alert_row row = TELL("overtaken", overtaken);
    assert_int_equal(row.state, ALERT_UP);
    assert_int_equal(row.starts_at, 200000);
    assert_int_equal(row.ends_at, 260000);
    assert_int_equal(row.asserted_at, 260000);
    assert_int_equal(row.count, 8);

    static const struct assertion repeats[] = {
        {0, 100, ALERT_FIRING, NEW}, {10, 400, ALERT_FIRING, DUPLICATE}, /* a repeat while it goes on */
        {20, 300, ALERT_UP, LATE}, /* older than that repeat: it came up and went down again */
        {30, 500, ALERT_UP, NEW},    {40, 400, ALERT_FIRING, LATE},      {50, 500, ALERT_UP, DUPLICATE},
    };
    row = TELL("repeats", repeats);
    assert_int_equal(row.starts_at, 400000);
    assert_int_equal(row.asserted_at, 500000);
}

/* Senders count in seconds: two of one second are taken in the order in which they come, each once. */
static void within_one_second(void **state)
{
    (void)state;
    static const struct assertion down_up[] = {
        {0, 100, ALERT_FIRING, NEW},    {10, 100, ALERT_UP, NEW},     {20, 100, ALERT_FIRING, LATE},
        {30, 100, ALERT_UP, DUPLICATE}, {40, 101, ALERT_FIRING, NEW}, {50, 100, ALERT_UP, LATE},
    };
    assert_int_equal(TELL("down, up", down_up).state, ALERT_FIRING);
    static const struct assertion up_down[] = {
        {0, 50, ALERT_FIRING, NEW}, {10, 100, ALERT_UP, NEW},           {20, 100, ALERT_FIRING, NEW},
        {30, 100, ALERT_UP, LATE},  {40, 100, ALERT_FIRING, DUPLICATE},
    };
    assert_int_equal(TELL("up, down", up_down).state, ALERT_FIRING);
    static const struct assertion with_unknown[] = {
        {0, 100, ALERT_FIRING, NEW},
        {10, 100, ALERT_UNKNOWN, LATE}, /* nothing in the row would tell its repeat from it: who knows, knows */
        {20, 100, ALERT_FIRING, DUPLICATE},
        {30, 100, ALERT_UNKNOWN, LATE},
    };
    assert_int_equal(TELL("with unknown", with_unknown).state, ALERT_FIRING);
}

static void unknown_between(void **state)
{
    (void)state;
    static const struct assertion story[] = {
        {0, 100, ALERT_FIRING, NEW},         {10, 110, ALERT_UNKNOWN, NEW}, /* the check is paused: the vote is
                                                                               withdrawn */
        {20, 110, ALERT_UNKNOWN, DUPLICATE}, {30, 100, ALERT_FIRING, LATE}, /* a retry from before */
        {40, 120, ALERT_FIRING, NEW},                                       /* it goes on, and is down still */
        {50, 110, ALERT_UNKNOWN, LATE},      {60, 130, ALERT_UNKNOWN, NEW}, {70, 140, ALERT_UP, NEW},
        {80, 135, ALERT_UNKNOWN, LATE},
    };
    struct alert_row row = TELL("unknown between", story);
    assert_int_equal(row.ends_at, 140000);
    static const struct assertion first[] = {
        {0, 100, ALERT_UNKNOWN, NEW},
        {10, 90, ALERT_FIRING, LATE},
        {20, 110, ALERT_UP, NEW},
    };
    row = TELL("first heard of as unknown", first);
    assert_int_equal(row.starts_at, NEVER);
}

/* Templates without the time: the order is that of arrival, until a time comes. */
static void some_without_a_time(void **state)
{
    (void)state;
    static const struct assertion story[] = {
        {0, -1, ALERT_FIRING, NEW},  {10, -1, ALERT_FIRING, DUPLICATE}, {20, -1, ALERT_UP, NEW},
        {30, -1, ALERT_FIRING, NEW}, {40, 100, ALERT_UP, NEW},          {50, -1, ALERT_UP, DUPLICATE},
        {60, -1, ALERT_FIRING, NEW}, /* it cannot be said that it is old */
        {70, 90, ALERT_UP, LATE},    {80, 110, ALERT_UP, NEW},
    };
    assert_int_equal(TELL("without a time", story).asserted_at, 110000);
}

/* A time far ahead of ours orders nothing, or all that follows would look old for as long. */
static void clocks_far_ahead(void **state)
{
    (void)state;
    static const struct assertion believed[] = {
        {0, AHEAD, ALERT_FIRING, NEW}, /* the last that is believed */
        {10, AHEAD - 1, ALERT_UP, LATE},
        {20, AHEAD, ALERT_UP, NEW},
    };
    TELL("within the bound", believed);
    static const struct assertion once[] = {
        {0, NOW / 1000, ALERT_UP, NEW},
        {10, AHEAD + 10, ALERT_FIRING, NEW},
        {20, NOW / 1000 + 1, ALERT_UP, NEW},
        {30, NOW / 1000 + 2, ALERT_FIRING, NEW},
    };
    assert_int_equal(TELL("once", once).asserted_at, (NOW / 1000 + 2) * 1000);
    /* The first that is heard of the alert: its start is of the same clock, and must not make every end look old. */
    static const struct assertion at_first[] = {
        {0, 4000000000, ALERT_FIRING, NEW},
        {10, NOW / 1000 + 1, ALERT_UP, NEW},
        {20, NOW / 1000 + 2, ALERT_FIRING, NEW},
    };
    struct alert_row row = TELL("at first", at_first);
    assert_int_equal(row.starts_at, (NOW / 1000 + 2) * 1000);
    static const struct assertion always[] = {
        {0, 4000000000, ALERT_FIRING, NEW},
        {10, 4000000060, ALERT_UP, NEW},
        {20, 4000000120, ALERT_FIRING, NEW},
        {30, 4000000120, ALERT_FIRING, DUPLICATE},
    };
    row = TELL("always", always);
    assert_int_equal(row.asserted_at, NEVER);
    assert_int_equal(row.starts_at, NEVER);
    static const struct assertion resolved_ahead[] = {
        {0, NOW / 1000, ALERT_FIRING, NEW},
        {10, 4000000000, ALERT_UP, NEW},
        {20, NOW / 1000 + 1, ALERT_FIRING, NEW}, /* the end that was told does not outlast it */
    };
    assert_int_equal(TELL("resolved ahead", resolved_ahead).ends_at, NEVER);
}

/* `ret` may be the row itself. */
static void in_place(void **state)
{
    (void)state;
    struct alert_row row = {.exists = false};
    const struct alert said = {.state = ALERT_FIRING, .starts_at = 5, .ends_at = NEVER};
    assert_int_equal(alert_take(&row, &said, NOW, &row), NEW);
    assert_int_equal(alert_take(&row, &said, NOW + 1, &row), DUPLICATE);
    assert_int_equal(row.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cases),        cmocka_unit_test(a_twin_behind),
        cmocka_unit_test(in_place),         cmocka_unit_test(a_time_ahead_hides_no_outage),
        cmocka_unit_test(out_of_order),     cmocka_unit_test(within_one_second),
        cmocka_unit_test(unknown_between),  cmocka_unit_test(some_without_a_time),
        cmocka_unit_test(clocks_far_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/clock.h"
#include "tests/unit/test.h"

#include <time.h>

static int64_t parsed(const char *text)
{
    int64_t ms = -1;
    assert_int_equal(time_parse(text, strlen(text), &ms), ERR_OK);
    return ms;
}

static void parse_what_senders_write(void **state)
{
    (void)state;
    assert_int_equal(parsed("1970-01-01T00:00:00Z"), 0);
    assert_int_equal(parsed("1970-01-01T00:00:00.001Z"), 1);
    assert_int_equal(parsed("1969-12-31T23:59:59.999Z"), -1);
    assert_int_equal(parsed("2026-11-21T02:20:07.123Z"), 1795227607123);
    assert_int_equal(parsed("2026-11-21t02:20:07.123z"), 1795227607123);
    assert_int_equal(parsed("2026-11-21T03:20:07.123456789+01:00"), 1795227607123);
    assert_int_equal(parsed("2026-11-20T20:50:07.1239-05:30"), 1795227607123);
    assert_int_equal(parsed("2026-11-21T02:20:07.1Z"), 1795227607100);
    assert_int_equal(parsed("2026-11-21T02:20:07.12-00:00"), 1795227607120);
    assert_int_equal(parsed("2024-02-29T12:00:00Z"), 1709208000000);
    assert_int_equal(parsed("2000-02-29T00:00:00Z"), 951782400000);
    assert_int_equal(parsed("2016-12-31T23:59:60Z"), parsed("2017-01-01T00:00:00Z"));
    assert_int_equal(parsed("2017-01-01T00:59:60+01:00"), parsed("2017-01-01T00:00:00Z"));
}

/* Go's zero time, which Alertmanager sends as the end of an alert that has none. */
static void parse_year_one(void **state)
{
    (void)state;
    assert_int_equal(parsed("0001-01-01T00:00:00Z"), -62135596800000);
    assert_int_equal(parsed("0001-01-01T00:00:00+23:59"), -62135596800000 - 86340000);
    assert_int_equal(parsed("9999-12-31T23:59:59.999Z"), 253402300799999);
}

static void parse_nothing_else(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-21",
        "2026-11-21T02:20:07",
        "2026-11-21T02:20Z",
        "2026-11-21 02:20:07Z",
        "2026-11-21T02:20:07.Z",
        "2026-11-21T02:20:07.1234567890Z",
        "2026-11-21T02:20:07,5Z",
        "2026-11-21T02:20:07Zx",
        " 2026-11-21T02:20:07Z",
        "2026-11-21T02:20:07Z ",
        "2026-11-21T02:20:07+0100",
        "2026-11-21T02:20:07+01",
        "2026-11-21T02:20:07+24:00",
        "2026-11-21T02:20:07+01:60",
        "2026-11-21T02:20:07+",
        "0000-01-01T00:00:00Z",
        "2026-00-21T02:20:07Z",
        "2026-13-21T02:20:07Z",
        "2026-11-00T02:20:07Z",
        "2026-11-31T02:20:07Z",
        "2026-02-29T02:20:07Z",
        "1900-02-29T02:20:07Z",
        "2026-11-21T24:00:00Z",
        "2026-11-21T02:60:07Z",
        "2026-11-21T02:20:61Z",
        "2026-11-21T02:20:60Z",
        "+026-11-21T02:20:07Z",
        "2026-+1-21T02:20:07Z",
        "26-11-21T02:20:07Z",
        "12026-11-21T02:20:07Z",
        "2026-11-21T-2:20:07Z",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 42;
        if (time_parse(bad[i], strlen(bad[i]), &ms) != ERR_INVALID)
            fail_msg("taken: \"%s\"", bad[i]);
        assert_int_equal(ms, 42);
    }
    int64_t ms;
    assert_int_equal(time_parse("2026-11-21T02:20:07Z\0", 21, &ms), ERR_INVALID);
    assert_int_equal(time_parse("2026-11-21T02:20:07\0Z", 21, &ms), ERR_INVALID);
}

/* The end is `len`, not a NUL. */
static void parse_reads_only_its_part(void **state)
{
    (void)state;
    const char text[] = "2026-11-21T02:20:07Z99";
    int64_t ms;
    assert_int_equal(time_parse(text, 20, &ms), ERR_OK);
    for (size_t len = 0; len < 20; len++)
        assert_int_equal(time_parse(text, len, &ms), ERR_INVALID);
}

static void assert_format(int64_t ms, const char *wanted)
{
    char text[TIME_TEXT_SIZE];
    assert_string_equal(time_format(ms, text), wanted);
}

static void parse_seconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* 0: no such time */
    } cases[] = {
        {"1", 1000},
        {"1480215246", 1480215246000},
        {"0001480215246", 1480215246000},
        {"1480215246.5", 1480215246500},
        {"1480215246.123456789", 1480215246123},
        {"253402300799", 253402300799000},
        {"253402300800", 0},
        {"1480215246000", 0}, /* milliseconds */
        {"99999999999999999999999", 0},
        {"", 0},
        {"0", 0},
        {"000", 0},
        {"0.5", 0},
        {"-1", 0},
        {"+1", 0},
        {" 1", 0},
        {"1 ", 0},
        {"1.", 0},
        {".5", 0},
        {"1e9", 0},
        {"1480215246x", 0},
        {"2026-11-21T02:00:00Z", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t ms = 0;
        enum err err = time_parse_seconds(cases[i].text, strlen(cases[i].text), &ms);
        if (ms != cases[i].ms || (err == ERR_OK) != (ms != 0))
            fail_msg("\"%s\": %lld", cases[i].text, (long long)ms);
    }
}

static void format(void **state)
{
    (void)state;
    assert_format(0, "1970-01-01T00:00:00.000Z");
    assert_format(1795227607123, "2026-11-21T02:20:07.123Z");
    assert_format(-1, "1969-12-31T23:59:59.999Z");
    assert_format(-62135596800000, "0001-01-01T00:00:00.000Z");
    assert_format(INT64_MIN, "0000-01-01T00:00:00.000Z");
    assert_format(INT64_MAX, "9999-12-31T23:59:59.999Z");
}

static void format_and_parse_agree(void **state)
{
    (void)state;
    for (int64_t ms = -62135596800000; ms < 253402300799999; ms += 86399999 * (int64_t)7) {
        char text[TIME_TEXT_SIZE];
        assert_int_equal(parsed(time_format(ms, text)), ms);
    }
}

static void steady_reads_like_wall_at_start(void **state)
{
    (void)state;
    clock_start();
    int64_t difference = clock_steady_ms() - clock_wall_ms();
    assert_true(difference > -1000 && difference < 1000);
    int64_t before = clock_steady_ms();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    int64_t after = clock_steady_ms();
    assert_true(after >= before + 19 && after < before + 60000);
    assert_int_equal(strlen(clock_boot_id()), 36);
}

static void stored_timer_of_this_boot_keeps_its_instant(void **state)
{
    (void)state;
    clock_start();
    int64_t offset = clock_offset_ms();
    assert_int_equal(clock_due_from_stored(5000, clock_boot_id(), offset), 5000);
    /* The process before read a wall clock that was an hour behind: its 5000 is our 3,605,000. */
    assert_int_equal(clock_due_from_stored(5000, clock_boot_id(), offset - 3600000), 3605000);
}

static void stored_timer_of_another_boot_keeps_its_wall_time(void **state)
{
    (void)state;
    clock_start();
    static const char other[] = "00000000-0000-0000-0000-000000000000";
    int64_t due = clock_wall_ms() + 30000;
    int64_t got = clock_due_from_stored(due, other, clock_offset_ms() - 3600000);
    assert_true(got > due - 1000 && got < due + 1000);
    got = clock_due_from_stored(due, "", 0);
    assert_true(got > due - 1000 && got < due + 1000);
}

static void stored_numbers_do_not_overflow(void **state)
{
    (void)state;
    clock_start();
    assert_int_equal(clock_due_from_stored(INT64_MAX, clock_boot_id(), INT64_MIN), INT64_MAX);
    assert_int_equal(clock_due_from_stored(INT64_MIN, clock_boot_id(), INT64_MAX), INT64_MIN);
    assert_true(clock_due_from_stored(INT64_MAX, "x", 0) > INT64_MAX - 1000);
    assert_true(clock_due_from_stored(INT64_MIN, "x", 0) < INT64_MIN + 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parse_what_senders_write),
        cmocka_unit_test(parse_year_one),
        cmocka_unit_test(parse_nothing_else),
        cmocka_unit_test(parse_reads_only_its_part),
        cmocka_unit_test(parse_seconds),
        cmocka_unit_test(format),
        cmocka_unit_test(format_and_parse_agree),
        cmocka_unit_test(steady_reads_like_wall_at_start),
        cmocka_unit_test(stored_timer_of_this_boot_keeps_its_instant),
        cmocka_unit_test(stored_timer_of_another_boot_keeps_its_wall_time),
        cmocka_unit_test(stored_numbers_do_not_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

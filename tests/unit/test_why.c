/* Stories of incidents: what is told once, what is gathered, and the sentence at the end. */
#include "test.h"

#include "core/why.h"

#include <stdio.h>
#include <stdlib.h>

#define T0 INT64_C(1700000000000)
#define S INT64_C(1000)
#define RUN "0190b3b4-0000-7000-8000-000000000001"

static char shop[] = "shop", gra[] = "gra", rbx[] = "rbx";
static struct site sites[] = {{.name = gra}, {.name = rbx}};
static const struct service service = {.name = shop, .sites = sites, .n_sites = 2, .votes = 2, .hold_ms = 30 * S};

static char told[16384]; /* "seconds|text" lines; "now" of what stands at the end */

static void note(void *context, int64_t at, bool is_now, const char *text)
{
    (void)context;
    size_t len = strlen(told);
    assert_true(len < sizeof told - 1000);
    assert_true(strlen(text) > 0 && strlen(text) < WHY_TEXT);
    if (is_now)
        snprintf(told + len, sizeof told - len, "now|%s\n", text);
    else
        snprintf(told + len, sizeof told - len, "%lld|%s\n", (long long)((at - T0) / S), text);
}

/* gra is active and open, with nothing said of it. */
static struct why_now here(void)
{
    return (struct why_now){.now = T0 + 600 * S,
                            .service = "shop",
                            .site = "gra",
                            .active = ACTIVE_SITE,
                            .active_site = "gra",
                            .model = &service,
                            .hold_ms = 30 * S,
                            .would_to = "",
                            .silent = ""};
}

static const char *tell(const struct why_entry *entries, size_t n, const struct why_now *now)
{
    told[0] = '\0';
    why_tell(entries, n, 500, 0, now, note, NULL);
    return told;
}

#define VOTE(seconds, words)                                                                                           \
    {                                                                                                                  \
        .at = T0 + (seconds)*S, .kind = "decision.vote", .text = words, .reason = REASON_VOTES                         \
    }
#define TIMER(seconds, words)                                                                                          \
    {                                                                                                                  \
        .at = T0 + (seconds)*S, .kind = "decision.timer", .text = words, .reason = REASON_VOTES                        \
    }
#define STANDS(seconds, words)                                                                                         \
    {                                                                                                                  \
        .at = T0 + (seconds)*S, .kind = "decision.incident", .text = words, .reason = REASON_VOTES                     \
    }
#define REFUSAL(seconds, why, words)                                                                                   \
    {                                                                                                                  \
        .at = T0 + (seconds)*S, .kind = "decision.not_acted", .text = words, .reason = why                             \
    }

static void a_failover_in_order(void **state)
{
    (void)state;
    const struct why_entry entries[] = {
        VOTE(0, "prometheus says gra is down"),
        VOTE(5, "pingdom says gra is down"),
        TIMER(5, "gra has 2 of 2 votes: it counts as down when they hold for 30 s"),
        STANDS(35, "gra is down"),
        {.at = T0 + 35 * S, .kind = "decision.run", .text = "failover from gra to rbx", .reason = REASON_VOTES},
        STANDS(300, "nobody says any more that gra is down: the incident is over"),
    };
    struct why_now now = here();
    now.resolved_at = T0 + 300 * S;
    now.stood_at = T0 + 35 * S;
    now.run = (struct why_run){.id = RUN, .state = RUN_SUCCEEDED, .direction = DIRECTION_FAILOVER, .to = "rbx"};
    assert_string_equal(tell(entries, 6, &now),
                        "0|prometheus says gra is down\n"
                        "5|pingdom says gra is down\n"
                        "5|gra has 2 of 2 votes: it counts as down when they hold for 30 s\n"
                        "35|gra is down\n"
                        "35|failover from gra to rbx\n"
                        "300|nobody says any more that gra is down: the incident is over\n"
                        "now|it is over; of it came the failover to rbx, which succeeded: `turnout runs " RUN "`\n");
}

static void repetitions_are_gathered(void **state)
{
    (void)state;
    const struct why_entry entries[] = {
        VOTE(0, "down"),   TIMER(0, "holds?"),         VOTE(10, "up"),  TIMER(10, "did not hold"),
        VOTE(20, "down"),  TIMER(20, "holds?"),        VOTE(30, "up"),  TIMER(30, "did not hold"),
        VOTE(90, "down"),  STANDS(100, "gra is down"), VOTE(110, "up"), /* after something has happened it is news again
                                                                         */
        VOTE(111, "down"),
    };
    struct why_now now = here();
    now.votes = 1;
    now.silent = "pingdom, probe";
    assert_string_equal(tell(entries, 12, &now),
                        "0|down [2 times more, until 1 min 30 s later]\n"
                        "0|holds? [1 time more, until 20 s later]\n"
                        "10|up [1 time more, until 20 s later]\n"
                        "10|did not hold [1 time more, until 20 s later]\n"
                        "100|gra is down\n"
                        "110|up\n"
                        "111|down\n"
                        "now|1 of 2 votes say that gra is down: nothing starts before 1 more says so, without a "
                        "break for 30 s\n"
                        "now|silent of gra: pingdom, probe\n");
}

/* A decision and what carries it out are two records of one moment, and one line. */
static void a_start_and_an_end_are_told_once(void **state)
{
    (void)state;
    const struct why_entry entries[] = {
        {.at = T0, .kind = "decision.timer", .text = "the hold is over", .is_aside = true},
        STANDS(0, "gra is down"),
        {.at = T0, .kind = "decision.active", .text = "a failover begins", .is_aside = true},
        {.at = T0, .kind = "decision.run", .text = "failover from gra to rbx: it is down"},
        {.at = T0, .kind = "run.started", .text = "failover from gra to rbx: it is down"},
        {.at = T0 + 9 * S, .kind = "decision.timer", .text = "alone", .is_aside = true},
        {.at = T0 + 20 * S, .kind = "decision.cancel", .text = "the failover is cancelled: it is up"},
        {.at = T0 + 20 * S, .kind = "run.finished", .text = "shop: cancelled: the failover is cancelled: it is up"},
        {.at = T0 + 30 * S, .kind = "run.finished", .text = "failover from gra to rbx: it is down"},
    };
    struct why_now now = here();
    now.votes = 1;
    assert_non_null(strstr(tell(entries, 9, &now), "0|gra is down\n"
                                                   "0|failover from gra to rbx: it is down\n"
                                                   "9|alone\n"
                                                   "20|the failover is cancelled: it is up\n"
                                                   "30|failover from gra to rbx: it is down\n"
                                                   "now|"));
}

static void what_a_step_meets_again_and_again_is_gathered(void **state)
{
    (void)state;
    static const char look[] = "step 1: observe is ok", goes[] = "nothing is in the way", no[] = "the file exists";
    struct why_entry entries[9];
    for (size_t i = 0; i < 9; i += 3) {
        int64_t at = T0 + (int64_t)i * S;
        entries[i] = (struct why_entry){.at = at, .kind = "run.attempt", .text = look};
        entries[i + 1] = (struct why_entry){.at = at, .kind = "decision.goes", .text = goes};
        entries[i + 2] = (struct why_entry){.at = at, .kind = "run.attempt", .text = no};
    }
    struct why_now now = here();
    now.votes = 1;
    assert_non_null(strstr(tell(entries, 9, &now), "0|step 1: observe is ok [2 times more, until 6 s later]\n"
                                                   "0|nothing is in the way [2 times more, until 6 s later]\n"
                                                   "0|the file exists [2 times more, until 6 s later]\n"
                                                   "now|"));
}

static void a_refusal_is_told_once_with_what_has_to_change(void **state)
{
    (void)state;
    const struct why_entry entries[] = {
        REFUSAL(35, REASON_PAUSED, "gra is down, and nothing is started: paused"),
        REFUSAL(60, REASON_COOL_DOWN, "gra is down, and nothing is started: the cool-down lasts another 20 min"),
        STANDS(70, "gra is down again"),
        REFUSAL(95, REASON_PAUSED, "gra is down, and nothing is started: paused"),
    };
    struct why_now now = here();
    now.is_standing = true;
    now.votes = 2;
    now.reason = REASON_PAUSED;
    assert_string_equal(
        tell(entries, 4, &now),
        "35|gra is down, and nothing is started: paused (`turnout resume shop --reason TEXT` ends the pause; a person "
        "can move it meanwhile) [1 time more, until 1 min later]\n"
        "60|gra is down, and nothing is started: the cool-down lasts another 20 min (it starts when that is over and "
        "the votes still stand; a person need not wait)\n"
        "70|gra is down again\n"
        "now|nothing is started, for the service is paused: `turnout resume shop --reason TEXT` ends the pause; a "
        "person can move it meanwhile\n");
}

static void what_is_left_out_is_said(void **state)
{
    (void)state;
    const struct why_entry entries[] = {STANDS(0, "a"), STANDS(9, "b")};
    struct why_now now = here();
    told[0] = '\0';
    why_tell(entries, 2, 1, 4711, &now, note, NULL);
    assert_non_null(
        strstr(told, "0|a\n9|(4711 records in between are left out here; the audit log has them)\n9|b\nnow|"));
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void expect_end(const struct why_now *now, const char *expected)
{
    assert_string_equal(tell(NULL, 0, now), expected);
}

static void ends_of_what_is_over(void **state)
{
    (void)state;
    struct why_now now = here();
    now.resolved_at = T0 + 60 * S;
    now.most_votes = 1;
    expect_end(&now, "now|it is over, and nothing was decided: there was 1 vote at most where 2 are needed\n");
    now.most_votes = 2;
    expect_end(&now,
               "now|it is over, and nothing was decided: its votes did not hold for 30 s while gra was the active "
               "site\n");
    now.stood_at = T0 + 30 * S;
    expect_end(&now, "now|it is over: nobody says any more that gra is down\n");
    now.would_to = "rbx";
    expect_end(&now, "now|it is over; in another mode than shadow it would have been moved to rbx\n");
    now.run = (struct why_run){.id = RUN, .state = RUN_ATTENTION, .direction = DIRECTION_FAILOVER, .to = "rbx"};
    expect_end(&now, "now|it is over; of it came the failover to rbx, which is not over: `turnout runs " RUN "`\n");
}

static void ends_with_a_run(void **state)
{
    (void)state;
    struct why_now now = here();
    now.active = ACTIVE_MOVING;
    now.active_site = "";
    now.run = (struct why_run){.id = RUN, .state = RUN_RUNNING, .direction = DIRECTION_FAILOVER, .to = "rbx"};
    expect_end(&now, "now|the failover to rbx is under way: `turnout runs " RUN "`\n");
    now.run.state = RUN_ATTENTION;
    expect_end(&now,
               "now|the failover to rbx waits for a person, to retry, skip, undo or cancel: `turnout runs " RUN "`\n");
    now.run.state = RUN_WAITING;
    now.active = ACTIVE_SITE;
    now.active_site = "gra";
    now.approval_at = now.now + 754 * S;
    expect_end(&now,
               "now|the failover to rbx waits for a yes or no: `turnout approve " RUN " --reason TEXT`, or reject\n"
               "now|if nobody answers within 12 min 34 s it is rejected by itself\n");
}

static void ends_of_votes(void **state)
{
    (void)state;
    struct why_now now = here();
    now.votes = 2;
    now.hold_at = now.now + 12 * S;
    expect_end(&now, "now|the votes suffice; gra counts as down if they hold for another 12 s\n");
    now.votes = 1;
    now.hold_at = 0;
    now.hold_ms = 120 * S; /* it flaps */
    expect_end(&now, "now|1 of 2 votes say that gra is down: nothing starts before 1 more says so, without a break for "
                     "2 min\n");
    now.votes = 2;
    now.hold_at = now.now + 12 * S;
    struct service strict = service;
    strict.trusted_votes = 2;
    now.model = &strict;
    now.trusted = 1;
    expect_end(&now, "now|there are votes enough on gra, but 1 of 2 from sources that prove who they are\n");
    strict.trusted_votes = 0;
    strict.probe.is_required = true;
    expect_end(&now, "now|there are votes enough on gra, but our own probe does not say that it is down, and has "
                     "to\n");
    now.has_probe = true;
    expect_end(&now, "now|the votes suffice; gra counts as down if they hold for another 12 s\n");
}

static void ends_elsewhere(void **state)
{
    (void)state;
    struct why_now now = here();
    now.votes = 2;
    now.active_site = "rbx";
    expect_end(&now, "now|rbx is the active site: votes on gra start nothing, and the incident ends with the last of "
                     "them\n");
    now.active = ACTIVE_UNKNOWN;
    expect_end(&now, "now|nobody knows which site is active, and nothing starts by itself: say where the service is, "
                     "`turnout adopt shop --to SITE --reason TEXT`, or move it yourself\n");
    now.active = ACTIVE_SPLIT;
    expect_end(&now, "now|a run stands half-way, and nothing starts by itself: look at the providers, then `turnout "
                     "adopt shop --to SITE --reason TEXT`, or move it yourself\n");
    now.model = NULL;
    expect_end(&now, "now|nothing follows: the service shop is not in the configuration any more\n");
}

static void ends_of_refusals(void **state)
{
    (void)state;
    struct why_now now = here();
    now.votes = 2;
    now.is_standing = true;
    now.reason = REASON_COOL_DOWN;
    now.cool_down_at = now.now + 61 * S;
    expect_end(&now, "now|the cool-down lasts another 1 min 1 s: it starts when that is over and the votes still "
                     "stand; a person need not wait\n");
    now.reason = REASON_FREEZE;
    now.frozen_until = now.now + 3600 * S;
    expect_end(&now, "now|the freeze lasts another 1 h: it starts when that is over and the votes still stand; a "
                     "person need not wait\n");
    now.reason = REASON_MANUAL_MODE;
    expect_end(&now, "now|nothing is started, for the mode is manual: `turnout failover shop --reason TEXT` "
                     "starts it\n");
}

/* Everything that keeps a run of ours from starting says what has to change, and a long name does not push it out. */
static void each_guard_says_what_has_to_change(void **state)
{
    (void)state;
    static const enum reason guards[] = {REASON_MANUAL_MODE,
                                         REASON_SHADOW_MODE,
                                         REASON_APPROVAL,
                                         REASON_NOT_ACTIVE,
                                         REASON_ACTIVE_UNKNOWN,
                                         REASON_ACTIVE_SPLIT,
                                         REASON_RUN_IN_PROGRESS,
                                         REASON_PAUSED,
                                         REASON_COOL_DOWN,
                                         REASON_FREEZE,
                                         REASON_CUT_OFF,
                                         REASON_KILL_SWITCH,
                                         REASON_FLOOD,
                                         REASON_SUSPECT,
                                         REASON_DEPENDENCY,
                                         REASON_PROVIDER_BUSY,
                                         REASON_NO_TARGET,
                                         REASON_TARGET_DOWN,
                                         REASON_PREFLIGHT,
                                         REASON_OPERATOR,
                                         REASON_DEADLINE,
                                         REASON_DEBT,
                                         REASON_RPO};
    char name[64];
    memset(name, 'n', sizeof name - 1);
    name[63] = '\0';
    for (size_t i = 0; i < sizeof guards / sizeof guards[0]; i++) {
        const struct why_mend mend = why_mend(guards[i], name);
        const struct why_mend brief = why_mend(guards[i], "");
        if (!mend.text[0])
            fail_msg("%s says nothing", reason_text(guards[i]));
        assert_string_not_equal(why_phrase(guards[i]), reason_text(guards[i]));
        assert_null(strchr(mend.text, '%'));
        bool has_name = strstr(mend.text, "nnn") != NULL;
        assert_int_equal(strlen(mend.text), strlen(brief.text) + (has_name ? 63 : 0));
    }
    assert_string_equal(why_mend(REASON_VOTES, "shop").text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failover_in_order),
        cmocka_unit_test(repetitions_are_gathered),
        cmocka_unit_test(a_start_and_an_end_are_told_once),
        cmocka_unit_test(what_a_step_meets_again_and_again_is_gathered),
        cmocka_unit_test(a_refusal_is_told_once_with_what_has_to_change),
        cmocka_unit_test(what_is_left_out_is_said),
        cmocka_unit_test(ends_of_what_is_over),
        cmocka_unit_test(ends_with_a_run),
        cmocka_unit_test(ends_of_votes),
        cmocka_unit_test(ends_elsewhere),
        cmocka_unit_test(ends_of_refusals),
        cmocka_unit_test(each_guard_says_what_has_to_change),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* How alerts, repeats, heartbeats and statements of our own become votes, and what is kept of when they were heard. */
#include "tests/unit/clock_shift.h"
#include "tests/unit/orchestrator_fixture.h"

#include <inttypes.h>

#define MINUTE ((int64_t)60 * 1000)

static char label_of_beat[] = "alertname", watchdog[] = "Watchdog";
static char *beat_values[] = {watchdog};
static struct label_match beat = {.label = label_of_beat, .values = beat_values, .n_values = 1, .text = watchdog};
static struct voter_rule voter_rules[2];
static struct alert_rule rules[2];

static int set_up_votes(void **state)
{
    atomic_store(&wall_shift, 0);
    atomic_store(&steady_shift, 0);
    set_up(state);
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        voter_rules[i] = (struct voter_rule){.weight = 1, .expires_ms = 15 * MINUTE};
        rules[i] = (struct alert_rule){.source = i, .site = 0};
    }
    f->model.voter_rules = voter_rules;
    f->service.rules = rules;
    f->service.n_rules = 2;
    f->service.votes = 2; /* nothing starts */
    return 0;
}

static int64_t vote_is(struct fixture *f, const char *source, const char *site, const char *vote)
{
    char sql[256];
    snprintf(sql, sizeof sql, "SELECT count(*) FROM vote WHERE source = '%s' AND site = '%s' AND vote = '%s'", source,
             site, vote);
    return count(f, sql);
}

/* Of a source, in the order of the log: "down up …". */
static void votes_on_record(struct fixture *f, const char *source, char *ret, size_t room)
{
    char sql[512];
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    snprintf(sql, sizeof sql,
             "SELECT coalesce(group_concat(json_extract(text, '$.text'), '|'), '') FROM audit "
             "WHERE kind = 'decision.vote' AND json_extract(text, '$.text') LIKE '%%%s%%'",
             source);
    assert_int_equal(sqlite3_open_v2(f->database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(statement), SQLITE_ROW);
    snprintf(ret, room, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    sqlite3_close(db);
}

static int64_t n_votes_on_record(struct fixture *f)
{
    return count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.vote'");
}

/* How long before now the vote was heard, as its row has it; of this process. */
static int64_t heard_ago(struct fixture *f, const char *source)
{
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT heard_at FROM vote WHERE source = '%s'", source);
    return clock_steady_ms() - count(f, sql);
}

static void wait_for(struct fixture *f, const char *sql, int64_t expected)
{
    for (int i = 0; i < WAIT_S * 50 && count(f, sql) != expected; i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_int_equal(count(f, sql), expected);
}

/* ---- up and down ------------------------------------------------------------------------------------------------- */

/* From one opinion to the other there is no moment without any. */
static void an_opinion_changes_in_one_step(void **state)
{
    struct fixture *f = *state;
    char record[1024];
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    assert_false(deliver(f, 0, 0, ALERT_UP, TIME_UNKNOWN, 11 * HOUR)->is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 1);
    assert_int_equal(count(f, "SELECT says = 'up' FROM match"), 1);
    assert_int_equal(count(f, "SELECT down = 0 AND up = 1 FROM vote"), 1);
    assert_int_equal(count(f, "SELECT open_alerts FROM source WHERE name = 'prometheus'"), 0);
    assert_false(deliver(f, 0, 0, ALERT_FIRING, 12 * HOUR, TIME_UNKNOWN)->is_duplicate);
    votes_on_record(f, "prometheus", record, sizeof record);
    assert_int_equal(n_votes_on_record(f), 3);
    assert_null(strstr(record, "no more"));
    /* over is not up */
    assert_false(deliver(f, 0, 0, ALERT_RESOLVED, 12 * HOUR, 13 * HOUR)->is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 0);
    assert_false(deliver(f, 0, 0, ALERT_UP, TIME_UNKNOWN, 14 * HOUR)->is_duplicate);
    assert_true(deliver(f, 0, 0, ALERT_UP, TIME_UNKNOWN, 15 * HOUR)->is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'intake.alerts' AND text LIKE '%, 1 up%'"), 2);
    assert_chain_intact(f);
}

static struct command *many(int source, int n, enum alert_state first, enum alert_state others)
{
    struct command *command = delivery(source, 0, first, TIME_UNKNOWN, TIME_UNKNOWN);
    struct command_delivery *d = &command->as.delivery;
    struct alert alert = d->alerts[0];
    d->alerts = realloc(d->alerts, (size_t)n * sizeof *d->alerts);
    d->n_alerts = (size_t)n;
    for (int i = 1; i < n; i++) {
        d->alerts[i] = alert;
        d->alerts[i].state = others;
        d->alerts[i].key.bytes[9] = (uint8_t)i;
        d->alerts[i].targets = calloc(1, sizeof *alert.targets);
        *d->alerts[i].targets = *alert.targets;
    }
    return command;
}

/* One that fires outweighs all that say up; several are one vote. */
static void several_alerts_are_one_vote(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send(f, many(0, 5, ALERT_UP, ALERT_UP))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT up = 5 AND vote = 'up' FROM vote"), 1);
    assert_int_equal(send(f, many(0, 5, ALERT_FIRING, ALERT_UP))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT down = 1 AND up = 4 AND vote = 'down' FROM vote"), 1);
    assert_int_equal(send(f, many(0, 5, ALERT_FIRING, ALERT_FIRING))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT down = 5 AND up = 0 AND vote = 'down' FROM vote"), 1);
    stop(f);
    start(f);
    assert_int_equal(send(f, many(0, 5, ALERT_UNKNOWN, ALERT_FIRING))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT down = 4 AND up = 0 AND vote = 'down' FROM vote"), 1);
    assert_int_equal(n_votes_on_record(f), 2);
}

/* ---- growing old ------------------------------------------------------------------------------------------------- */

static void a_repeat_keeps_a_vote_fresh(void **state)
{
    struct fixture *f = *state;
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    for (int i = 0; i < 3; i++) {
        pass(10 * MINUTE);
        assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    }
    pass(10 * MINUTE);
    deliver(f, 1, 0, ALERT_UP, TIME_UNKNOWN, TIME_UNKNOWN); /* has the service looked at */
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    /* what was only heard is saved soon, and the rest at a stop */
    wait_for(f, "SELECT count(*) FROM vote WHERE source = 'prometheus' AND heard_at > 0", 1);
    pass(10 * MINUTE);
    assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    stop(f);
    assert_true(heard_ago(f, "prometheus") < MINUTE);
    pass(10 * MINUTE);
    start(f);
    deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    assert_int_equal(
        count(f,
              "SELECT count(*) FROM audit WHERE kind = 'decision.vote' AND text LIKE '%prometheus has not repeated%'"),
        0);
}

static void when_it_was_heard_is_saved_without_a_stop(void **state)
{
    struct fixture *f = *state;
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    pass(10 * MINUTE);
    assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    for (int i = 0; i < WAIT_S * 50 && heard_ago(f, "prometheus") > 5 * MINUTE; i++)
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    assert_true(heard_ago(f, "prometheus") < 5 * MINUTE);
    /* and of the source */
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT heard_at > %" PRId64 " FROM source WHERE name = 'prometheus'",
             clock_steady_ms() - 5 * MINUTE);
    wait_for(f, sql, 1);
}

static void a_vote_that_is_not_repeated_expires_and_may_come_back(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 3;
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    pass(16 * MINUTE);
    deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    assert_int_equal(vote_is(f, "second", "gra", "down"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE text LIKE '%prometheus has not repeated%'"), 1);
    /* it is a repeat, and not only that: whoever is told so may rely on it */
    assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    /* nothing of an alert that ceases is a repeat of the others */
    stop(f);
    start(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    assert_chain_intact(f);
}

/* The clock goes on while the daemon is down. */
static void a_vote_expires_over_a_restart(void **state)
{
    struct fixture *f = *state;
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    stop(f);
    pass(16 * MINUTE);
    start(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
}

/* ---- heartbeats -------------------------------------------------------------------------------------------------- */

static void deliver_beat(struct fixture *f, int source, enum alert_state state)
{
    struct command *command = delivery(source, 1, state, 10 * HOUR, state == ALERT_FIRING ? TIME_UNKNOWN : 11 * HOUR);
    struct alert *alert = &command->as.delivery.alerts[0];
    alert->key.bytes[1] = 99;
    alert->is_beat = true;
    alert->n_targets = 0;
    assert_int_equal(send(f, command)->err, ERR_OK);
}

/* Something of another source, that the service is looked at. */
static void nudge(struct fixture *f)
{
    static int n;
    struct command *command = delivery(1, 1, n % 2 ? ALERT_UNKNOWN : ALERT_UP, TIME_UNKNOWN, TIME_UNKNOWN);
    command->as.delivery.alerts[0].key.bytes[1] = 7;
    n++;
    assert_int_equal(send(f, command)->err, ERR_OK);
}

static void a_fresh_heartbeat_says_up(void **state)
{
    struct fixture *f = *state;
    voter_rules[0].heartbeat = &beat;
    voter_rules[0].n_heartbeat = 1;
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 0);
    deliver_beat(f, 0, ALERT_FIRING);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 1);
    assert_int_equal(vote_is(f, "prometheus", "rbx", "up"), 0); /* of which no rule lets it speak */
    assert_int_equal(count(f, "SELECT beat_at > 0 FROM source WHERE name = 'prometheus'"), 1);
    /* it grows old, repeats keep it fresh, also over a restart */
    pass(10 * MINUTE);
    deliver_beat(f, 0, ALERT_FIRING);
    stop(f);
    pass(10 * MINUTE);
    start(f);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 1);
    pass(6 * MINUTE);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    deliver_beat(f, 0, ALERT_FIRING);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 1);
    /* a down vote outweighs it, and its end ends what it says */
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    deliver(f, 0, 0, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 1);
    deliver_beat(f, 0, ALERT_RESOLVED);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
}

/* What was heard is known also where the batch that it came with was not stored. */
static void what_was_heard_outlives_a_failed_commit(void **state)
{
    struct fixture *f = *state;
    voter_rules[0].heartbeat = &beat;
    voter_rules[0].n_heartbeat = 1;
    deliver_beat(f, 0, ALERT_FIRING);
    pass(14 * MINUTE);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    deliver_beat(f, 0, ALERT_FIRING); /* a repeat waits for no commit */
    struct command *lost = command_new(COMMAND_REFUSED_CALL);
    lost->as.refused = (struct command_refused){.what = "", .reason = "", .from = "", .count = 1};
    assert_int_not_equal(send(f, lost)->err, ERR_OK);
    wait_ready(f, false);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    wait_ready(f, true);
    pass(2 * MINUTE); /* too long after the first, not after the second */
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "up"), 1);
}

static void a_silent_source_says_nothing(void **state)
{
    struct fixture *f = *state;
    voter_rules[0].stale_after_ms = 5 * MINUTE;
    voter_rules[0].expires_ms = 0;
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    pass(6 * MINUTE);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    /* anything of it will do, and its alert counts again */
    struct command *other = delivery(0, 1, ALERT_UNKNOWN, TIME_UNKNOWN, TIME_UNKNOWN);
    assert_int_equal(send(f, other)->err, ERR_OK);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    /* that nobody listened is not its silence */
    stop(f);
    pass(HOUR);
    start(f);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    pass(6 * MINUTE);
    nudge(f);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
}

/* ---- rules with site: active ------------------------------------------------------------------------------------- */

static void the_active_site_is_never_said_to_be_up(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_UP, TIME_UNKNOWN, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 0);
    assert_false(deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    assert_false(deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_UP, TIME_UNKNOWN, clock_wall_ms())->is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    assert_true(deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_UP, TIME_UNKNOWN, clock_wall_ms())->is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.not_acted' AND "
                              "json_extract(text, '$.text') LIKE 'an alert speaks%'"),
                     0);
}

static const char put_off[] = "SELECT count(*) FROM audit WHERE kind = 'decision.not_acted' AND "
                              "json_extract(text, '$.text') LIKE 'an alert speaks%old answers%'";

static void while_a_run_moves_it_nobody_knows_which_site_is_meant(void **state)
{
    struct fixture *f = *state;
    f->service.settle_ms = 10 * MINUTE;
    adopt(f, "gra");
    /* of before: stays where it is */
    deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT site = 'gra' FROM match"), 1);
    assert_int_equal(send(f, operator_call(COMMAND_MOVE, "rbx"))->err, ERR_OK);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    struct job *apply = next_attempt(f);
    assert_int_equal(apply->phase, PHASE_APPLY); /* the run has an effect now */
    deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 1);
    assert_int_equal(count(f, put_off), 1);
    answer(f, apply, OUTCOME_OK, false);
    answer(f, next_attempt(f), OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
    assert_true(deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    pass(9 * MINUTE);
    assert_true(deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    stop(f);
    start(f); /* that it was put off is known from the store */
    assert_true(deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, put_off), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 1);
    pass(2 * MINUTE);
    assert_false(deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM match WHERE site = 'rbx' AND source = 'second'"), 1);
    assert_true(deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    /* and the one of before, when it is said still that the public name does not work */
    assert_false(deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM match WHERE site = 'rbx' AND source = 'prometheus'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 2);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
}

/* A copy that was long on its way does not speak of the site that has just become active. */
static void a_late_copy_moves_no_vote_to_the_new_site(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    int64_t began = clock_wall_ms();
    pass(1000);
    deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, began, TIME_UNKNOWN);
    pass(1000);
    adopt(f, "rbx");
    pass(1000);
    assert_true(deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, began, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, "SELECT site = 'gra' FROM match"), 1);
    /* nor does it keep the vote on the old one fresh */
    stop(f);
    char sql[160];
    snprintf(sql, sizeof sql, "SELECT heard_at <= %" PRId64 " FROM vote WHERE source = 'prometheus'",
             clock_steady_ms() - 1900);
    assert_int_equal(count(f, sql), 1);
    start(f);
    pass(6 * MINUTE);
    assert_false(deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, began, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, "SELECT site = 'rbx' FROM match"), 1);
}

/* The clock is set back behind the last change: what comes now speaks of what is active now. */
static void a_clock_that_is_set_back_brings_no_former_site_back(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    pass(120 * MINUTE);
    adopt(f, "rbx");
    pass(10 * MINUTE);
    atomic_fetch_sub(&wall_shift, 60 * MINUTE);
    deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms(), TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT site = 'rbx' FROM match"), 1);
    deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, clock_wall_ms() - 1000, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM match WHERE site = 'rbx'"), 2);
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Left an hour ago and down since: when the next site goes down right after a restart, that is no flood. */
static void a_restart_makes_no_flood(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 1;
    f->service.cool_down_ms = 0;
    f->model.flood = (struct flood_rule){.places = 1, .within_ms = 10 * MINUTE};
    for (int i = 0; i < 2; i++)
        voter_rules[i].expires_ms = 0;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    answer(f, next_attempt(f), OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
    pass(60 * MINUTE);
    stop(f);
    start(f);
    pass(MINUTE);
    deliver(f, 1, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE site = 'rbx' AND last_reason = 'no_target'"), 1);
    /* What went down at once stays a flood over the next one. */
    deliver(f, 1, 1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    deliver(f, 0, 0, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    pass(11 * MINUTE);
    deliver(f, 0, 0, ALERT_FIRING, 12 * HOUR, TIME_UNKNOWN);
    pass(MINUTE);
    deliver(f, 1, 1, ALERT_FIRING, 12 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE resolved_at IS NULL AND last_reason = 'flood'"), 1);
    pass(60 * MINUTE);
    stop(f);
    start(f);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE resolved_at IS NULL AND last_reason = 'flood'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'no_target'"), 0);
}

/* ---- labels that change ------------------------------------------------------------------------------------------ */

static struct command *about(int source, int site, enum alert_state state)
{
    struct command *command = delivery(source, site, state, 10 * HOUR, TIME_UNKNOWN);
    command->as.delivery.alerts[0].key.bytes[8] = 55; /* one alert, whatever it speaks of */
    return command;
}

static void an_alert_takes_its_votes_along(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send(f, about(0, 0, ALERT_FIRING))->err, ERR_OK);
    struct command *moved = send(f, about(0, 1, ALERT_FIRING));
    assert_false(moved->as.delivery.is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM match WHERE site = 'rbx'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 1);
    assert_int_equal(vote_is(f, "prometheus", "rbx", "down"), 1);
    assert_int_equal(vote_is(f, "prometheus", "gra", "unknown"), 1);
    assert_true(send(f, about(0, 1, ALERT_FIRING))->as.delivery.is_duplicate);
    /* it speaks of no service any more, and then of one again */
    struct command *nothing = about(0, 1, ALERT_FIRING);
    nothing->as.delivery.alerts[0].n_targets = 0;
    assert_false(send(f, nothing)->as.delivery.is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 0);
    stop(f);
    start(f);
    assert_false(send(f, about(0, 0, ALERT_FIRING))->as.delivery.is_duplicate);
    assert_int_equal(vote_is(f, "prometheus", "gra", "down"), 1);
    stop(f);
    start(f); /* and when its matches come from the store */
    assert_true(send(f, about(0, 0, ALERT_FIRING))->as.delivery.is_duplicate);
    assert_false(send(f, about(0, 1, ALERT_UP))->as.delivery.is_duplicate);
    assert_false(send(f, about(0, 0, ALERT_UP))->as.delivery.is_duplicate);
    assert_int_equal(count(f, "SELECT says = 'up' AND site = 'gra' FROM match"), 1);
    assert_int_equal(vote_is(f, "prometheus", "rbx", "unknown"), 1);
}

/* ---- our own probe ----------------------------------------------------------------------------------------------- */

static void probe(struct fixture *f, int site, enum vote says, const char *text)
{
    struct command *command = command_new(COMMAND_PROBED);
    command->as.probed = (struct command_probed){.service = 0, .site = site, .says = says};
    snprintf(command->as.probed.text, sizeof command->as.probed.text, "%s", text);
    assert_int_equal(send(f, command)->err, ERR_OK);
}

static void a_probe_is_a_voter_like_the_others(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 3;
    f->service.probe = (struct probe_rule){.check = &f->step, .every_ms = 10000};
    probe(f, 0, VOTE_UNKNOWN, "not asked yet");
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 0);
    probe(f, 0, VOTE_DOWN, "connection refused");
    probe(f, 0, VOTE_DOWN, "connection refused");
    probe(f, 1, VOTE_UP, "200");
    assert_int_equal(count(f, "SELECT count(*) FROM alert WHERE source = 'probe' AND delivery IS NULL"), 2);
    assert_int_equal(vote_is(f, "probe", "gra", "down"), 1);
    assert_int_equal(vote_is(f, "probe", "rbx", "up"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM source"), 0);
    stop(f);
    start(f);
    probe(f, 0, VOTE_DOWN, "connection refused");
    probe(f, 1, VOTE_UP, "200");
    static const char said[] = "SELECT count(*) FROM audit WHERE kind = 'intake.statement'";
    assert_int_equal(count(f, said), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'intake.statement' AND service = 'shop' AND "
                              "json_extract(text, '$.text') = 'the probe of gra says down: connection refused'"),
                     1);
    probe(f, 0, VOTE_UP, "200");
    assert_int_equal(vote_is(f, "probe", "gra", "up"), 1);
    assert_int_equal(n_votes_on_record(f), 3);
    probe(f, 0, VOTE_UNKNOWN, "the name cannot be looked up");
    assert_int_equal(vote_is(f, "probe", "gra", "unknown"), 1);
    assert_int_equal(count(f, said), 4);
    assert_int_equal(count(f, "SELECT count(*) FROM delivery"), 0);
    assert_chain_intact(f);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define VOTES(test) cmocka_unit_test_setup_teardown(test, set_up_votes, tear_down)
    const struct CMUnitTest tests[] = {
        VOTES(an_opinion_changes_in_one_step),
        VOTES(several_alerts_are_one_vote),
        VOTES(a_repeat_keeps_a_vote_fresh),
        VOTES(when_it_was_heard_is_saved_without_a_stop),
        VOTES(a_vote_that_is_not_repeated_expires_and_may_come_back),
        VOTES(a_vote_expires_over_a_restart),
        VOTES(a_fresh_heartbeat_says_up),
        VOTES(what_was_heard_outlives_a_failed_commit),
        VOTES(a_silent_source_says_nothing),
        VOTES(the_active_site_is_never_said_to_be_up),
        VOTES(while_a_run_moves_it_nobody_knows_which_site_is_meant),
        VOTES(a_late_copy_moves_no_vote_to_the_new_site),
        VOTES(a_restart_makes_no_flood),
        VOTES(a_clock_that_is_set_back_brings_no_former_site_back),
        VOTES(an_alert_takes_its_votes_along),
        VOTES(a_probe_is_a_voter_like_the_others),
    };
    return cmocka_run_group_tests_name("orchestrator_votes", tests, NULL, NULL);
}

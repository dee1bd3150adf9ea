/* What is kept no longer goes, and nothing else does. The clocks are the test's: it lets a month pass, and makes the
 * wall clock jump. */
#include "tests/unit/clock_shift.h"
#include "tests/unit/orchestrator_fixture.h"

#include <inttypes.h>

#define DAY (24 * HOUR)
#define PRUNE_MAX_UP_ALERTS 64 /* withdrawn by one batch */
#define MINUTE ((int64_t)60 * 1000)

/* ---- databases with a past --------------------------------------------------------------------------------------- */

static int set_up_clocks(void **state)
{
    atomic_store(&wall_shift, 0);
    atomic_store(&steady_shift, 0);
    int failed = set_up(state);
    if (!failed)
        start(*state); /* the tables are written to by others as well */
    return failed;
}

/* SQL of somebody else, in which NOW stands for the present. */
static void change(struct fixture *f, const char *sql)
{
    char text[2048];
    int len = 0;
    for (const char *c = sql; *c; c++) {
        if (strncmp(c, "NOW", 3) == 0) {
            len += snprintf(text + len, sizeof text - (size_t)len, "%" PRId64, clock_wall_ms());
            c += 2;
        } else {
            text[len++] = *c;
        }
        assert_true((size_t)len < sizeof text - 32);
    }
    text[len] = '\0';
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 5000);
    if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", text, sqlite3_errmsg(db));
    sqlite3_close(db);
}

/* `n` alerts of the source that were last seen `days` ago, in keys that spread over the table. */
static void add_alerts(struct fixture *f, int n, const char *state, int n_matches, const char *seen)
{
    char text[1024];
    snprintf(text, sizeof text,
             "WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < %d) "
             "INSERT INTO alert SELECT randomblob(16), 'prometheus', '%s', 1, 2, NULL, 1, %s, 1, 1, zeroblob(16), %d "
             "FROM i",
             n, state, seen, n_matches);
    change(f, text);
}

static void add_delivery(struct fixture *f, int seq, const char *received_at, int len)
{
    char text[512];
    snprintf(text, sizeof text,
             "INSERT INTO delivery (seq, id, source, received_at, alerts, changed, sha256, body) "
             "VALUES (%d, randomblob(16), 'prometheus', %s, 1, 1, zeroblob(32), randomblob(%d))",
             seq, received_at, len);
    change(f, text);
}

#define YOUNG "NOW - 30 * 86400000 + 60000"
#define A_DAY_LEFT "NOW - 29 * 86400000"
#define OLD "NOW - 30 * 86400000 - 5000"

/* Wakes the orchestrator, which looks at the clock once a second otherwise. */
static void poke(struct fixture *f)
{
    struct command *command = command_new(COMMAND_REFUSED_CALL);
    command->as.refused = (struct command_refused){.what = "", .reason = "", .from = "", .count = 1};
    command->done = command_free;
    assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
}

/* `step` passes again and again meanwhile: a second makes the pauses between slices short, ten minutes those between
 * rounds. */
static void wait_while(struct fixture *f, int64_t step, const char *sql, int64_t expected)
{
    int64_t got = 0;
    for (int i = 0; i < WAIT_S * 50; i++) {
        got = count(f, sql);
        if (got == expected)
            return;
        if (i % 2 == 0)
            pass(step);
        if (i % 2 == 0 && f->is_ready)
            poke(f);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
    fail_msg("%s is %" PRId64 " and not %" PRId64, sql, got, expected);
}

static void wait_count(struct fixture *f, const char *sql, int64_t expected)
{
    wait_while(f, 1000, sql, expected);
}

static void wait_round(struct fixture *f, const char *sql, int64_t expected)
{
    wait_while(f, 10 * MINUTE, sql, expected);
}

/* Until no round is under way and it has looked whether one is due, after all that was so before: a look saves when an
 * alert that is repeated was last seen. */
static void wait_look(struct fixture *f)
{
    deliver(f, 1, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    int64_t at = clock_wall_ms();
    deliver(f, 1, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    char text[128];
    snprintf(text, sizeof text, "SELECT max(last_seen_at) >= %" PRId64 " FROM alert", at);
    for (int i = 0; i < WAIT_S && count(f, text) == 0; i++) {
        pass(2 * MINUTE); /* twice, where it falls into a slice, which takes it for its own */
        for (int k = 0; k < 120 && count(f, text) == 0; k++)
            nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(count(f, text), 1);
}

static const char rounds[] = "SELECT count(*) FROM audit WHERE kind = 'intake.pruned'";
static const char doubts[] = "SELECT count(*) FROM audit WHERE kind = 'clock.doubted'";
static const char pruned_alerts[] =
    "SELECT coalesce(sum(json_extract(text, '$.detail.alerts')), 0) FROM audit WHERE kind = 'intake.pruned'";
static const char pruned_deliveries[] =
    "SELECT coalesce(sum(json_extract(text, '$.detail.deliveries')), 0) FROM audit WHERE kind = 'intake.pruned'";

/* ---- which rows -------------------------------------------------------------------------------------------------- */

static void old_alerts_go_and_firing_ones_stay(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, 3, "resolved", 0, OLD);
    add_alerts(f, 2, "unknown", 0, "0");
    add_alerts(f, 4, "resolved", 0, YOUNG);
    add_alerts(f, 5, "firing", 0, "0");
    add_alerts(f, 6, "firing", 1, "0");
    add_alerts(f, 7, "resolved", 1, "0"); /* cannot be; a vote must not outlive its alert */
    add_alerts(f, 8, "resolved", 0, "NOW + 400 * 86400000");
    start(f);
    wait_count(f, rounds, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 30);
    assert_int_equal(count(f, "SELECT count(*) FROM alert WHERE state = 'firing'"), 11);
    assert_int_equal(count(f, "SELECT count(*) FROM alert WHERE state = 'resolved' AND last_seen_at > 0"), 12);
    assert_int_equal(count(f, "SELECT text LIKE '%\"5 alerts not spoken of for 30 d and 0 deliveries received%' "
                              "FROM audit WHERE kind = 'intake.pruned'"),
                     1);
    assert_chain_intact(f);
}

static void oldest_deliveries_go_and_the_numbers_go_on(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_delivery(f, 1, OLD, 100);
    add_delivery(f, 2, "NOW + 300 * 86400000", 100); /* by a clock that was wrong */
    add_delivery(f, 3, "0", 5 << 20);
    add_delivery(f, 4, OLD, 0);
    add_delivery(f, 5, YOUNG, 100);
    add_delivery(f, 6, "0", 100); /* came after a young one: so its time is wrong, and it is young itself */
    add_delivery(f, 7, YOUNG, 100);
    start(f);
    wait_count(f, rounds, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM delivery"), 4);
    assert_int_equal(count(f, "SELECT sum(seq) FROM delivery"), 2 + 5 + 6 + 7);
    assert_int_equal(count(f, pruned_deliveries), 3);
    stop(f);
    change(f, "UPDATE delivery SET received_at = 0");
    start(f);
    wait_count(f, rounds, 2);
    assert_int_equal(count(f, "SELECT sum(seq) FROM delivery"), 7); /* the last is not let go */
    deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT max(seq) FROM delivery"), 8);
}

static void what_has_gone_is_new_again(void **state)
{
    struct fixture *f = *state;
    deliver(f, 0, -1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    deliver(f, 0, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    assert_true(deliver(f, 0, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR)->is_duplicate);
    wait_look(f);
    pass(31 * DAY);
    wait_round(f, "SELECT count(*) FROM alert", 0);
    /* the cache must not know it either */
    assert_false(deliver(f, 0, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR)->is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 1);
    assert_true(deliver(f, 0, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR)->is_duplicate);
}

static void a_firing_alert_votes_on_after_a_month(void **state)
{
    struct fixture *f = *state;
    stop(f);
    f->service.votes = 2;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    wait_look(f);
    pass(40 * DAY);
    wait_round(f, pruned_alerts, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 1);
    assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(next_attempt(f)->phase, PHASE_OBSERVE);
}

/* As many as do not fit into one batch of them, two that were repeated since, and one that fires. What they say goes
 * with them, and its source is asked no more. */
static void what_says_up_goes_with_its_vote(void **state)
{
    struct fixture *f = *state;
    stop(f);
    f->service.votes = 3;
    adopt(f, "gra");
    struct command *all = delivery(0, 0, ALERT_UP, TIME_UNKNOWN, 11 * HOUR);
    struct command_delivery *d = &all->as.delivery;
    struct alert first = d->alerts[0];
    d->n_alerts = 2 * PRUNE_MAX_UP_ALERTS;
    d->alerts = realloc(d->alerts, d->n_alerts * sizeof *d->alerts);
    for (size_t i = 1; i < d->n_alerts; i++) {
        d->alerts[i] = first;
        d->alerts[i].key.bytes[9] = (uint8_t)i;
        d->alerts[i].targets = calloc(1, sizeof *first.targets);
        *d->alerts[i].targets = *first.targets;
    }
    assert_int_equal(send(f, all)->err, ERR_OK);
    deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT up FROM vote WHERE source = 'prometheus'"), 2 * PRUNE_MAX_UP_ALERTS);
    wait_look(f);
    pass(29 * DAY);
    assert_true(deliver(f, 0, 0, ALERT_UP, TIME_UNKNOWN, 11 * HOUR)->is_duplicate); /* the first of them, again */
    wait_look(f);
    pass(2 * DAY);
    wait_round(f, "SELECT count(*) FROM alert WHERE state = 'up'", 1);
    wait_round(f, pruned_alerts, 2 * PRUNE_MAX_UP_ALERTS - 1);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 2);
    assert_int_equal(count(f, "SELECT up FROM vote WHERE source = 'prometheus'"), 1);
    assert_int_equal(count(f, "SELECT down FROM vote WHERE source = 'second'"), 1);
    pass(29 * DAY);
    wait_round(f, "SELECT count(*) FROM alert WHERE state = 'up'", 0);
    assert_int_equal(count(f, "SELECT up = 0 AND vote = 'unknown' FROM vote WHERE source = 'prometheus'"), 1);
    /* the cache must not know it either, and its vote is one again */
    assert_false(deliver(f, 0, 0, ALERT_UP, TIME_UNKNOWN, 11 * HOUR)->is_duplicate);
    assert_int_equal(count(f, "SELECT up = 1 AND vote = 'up' FROM vote WHERE source = 'prometheus'"), 1);
    assert_chain_intact(f);
}

#define MANY 200

/* Each repeat speaks of all of them. Of those that are alike in front the cache holds one. */
static struct command *many(bool is_first_alike)
{
    struct command *command = delivery(0, -1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    struct command_delivery *d = &command->as.delivery;
    struct alert first = d->alerts[0];
    free(first.targets);
    free(d->alerts);
    d->alerts = calloc(MANY, sizeof *d->alerts);
    d->n_alerts = MANY;
    for (int i = 0; i < MANY; i++) {
        d->alerts[i] = first;
        d->alerts[i].n_targets = 0;
        d->alerts[i].targets = NULL;
        d->alerts[i].key.bytes[0] = is_first_alike ? 7 : (uint8_t)i;
        d->alerts[i].key.bytes[1] = 7;
        d->alerts[i].key.bytes[9] = (uint8_t)i;
    }
    return command;
}

/* When an alert was last spoken of is saved late, and some at a time: the row looks older than it is. */
static void what_was_spoken_of_since_it_was_saved_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send(f, many(false))->err, ERR_OK);
    wait_look(f);
    pass(29 * DAY);
    struct command *again = send(f, many(false));
    assert_int_equal(again->err, ERR_OK);
    assert_true(again->as.delivery.is_duplicate);
    pass(2 * DAY);
    wait_look(f);
    pass(2 * HOUR);
    wait_look(f);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), MANY + 1);
    assert_int_equal(count(f, pruned_alerts), 0);
    for (int i = 0; i < MANY / 64 + 1; i++)
        wait_look(f);
    change(f, "CREATE TABLE mark AS SELECT NOW - 10 * 86400000 AS at");
    assert_int_equal(count(f, "SELECT count(*) FROM alert, mark WHERE last_seen_at < at"), 0);
}

static void what_the_cache_has_no_room_for_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(send(f, many(true))->err, ERR_OK);
    for (int i = 0; i < 4; i++) {
        wait_look(f);
        pass(12 * DAY);
        struct command *again = send(f, many(true));
        assert_int_equal(again->err, ERR_OK);
        assert_true(again->as.delivery.is_duplicate);
    }
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), MANY + 1);
    assert_int_equal(count(f, pruned_alerts), 0);
}

/* ---- the clock --------------------------------------------------------------------------------------------------- */

static void a_clock_that_jumps_takes_nothing_with_it(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, 10, "resolved", 0, A_DAY_LEFT);
    add_delivery(f, 1, A_DAY_LEFT, 10);
    start(f);
    wait_look(f);
    atomic_fetch_add(&wall_shift, 365 * DAY);
    pass(2 * MINUTE);
    wait_count(f, doubts, 1);
    pass(2 * HOUR);
    wait_look(f);
    /* a restart does not make it believed */
    stop(f);
    start(f);
    pass(20 * HOUR);
    wait_look(f);
    wait_look(f);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 11);
    assert_int_equal(count(f, doubts), 1);
    assert_int_equal(count(f, rounds), 0);
    /* after a day it is */
    pass(4 * HOUR);
    wait_round(f, rounds, 1);
    assert_int_equal(count(f, pruned_alerts), 10);
    assert_int_equal(count(f, "SELECT text LIKE '%moved against the steady clock by 87%' FROM audit "
                              "WHERE kind = 'clock.doubted'"),
                     1);
    assert_chain_intact(f);
}

static void a_clock_put_right_is_believed_after_a_day(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, 10, "resolved", 0, A_DAY_LEFT);
    start(f);
    wait_look(f);
    atomic_fetch_add(&wall_shift, 365 * DAY);
    pass(2 * MINUTE);
    wait_count(f, doubts, 1);
    atomic_fetch_add(&wall_shift, -365 * DAY);
    pass(2 * MINUTE);
    wait_count(f, doubts, 2);
    pass(25 * HOUR);
    wait_round(f, pruned_alerts, 10); /* a day older now, and too old */
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 1);
}

static void a_start_long_after_the_last_entry_waits_a_day(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, 10, "resolved", 0, YOUNG);
    pass(3 * DAY);
    start(f);
    wait_count(f, doubts, 1);
    pass(23 * HOUR);
    wait_look(f);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 11);
    pass(2 * HOUR);
    wait_round(f, pruned_alerts, 10);
    assert_int_equal(
        count(f, "SELECT text LIKE '%newest entry of this log by 72 h%' FROM audit WHERE kind = 'clock.doubted'"), 1);
}

/* ---- slices, stops and faults ------------------------------------------------------------------------------------ */

#define PLENTY 3000

static void a_round_is_many_short_commits(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, PLENTY, "resolved", 0, OLD);
    add_alerts(f, PLENTY, "resolved", 0, YOUNG);
    start(f);
    /* deliveries are answered in between */
    for (int i = 0; i < 20; i++) {
        assert_false(deliver(f, 0, 1, i % 2 ? ALERT_RESOLVED : ALERT_FIRING, i * HOUR, i % 2 ? i * HOUR : TIME_UNKNOWN)
                         ->is_duplicate);
    }
    assert_true(count(f, "SELECT count(*) FROM alert") > PLENTY);
    wait_count(f, rounds, 1);
    struct store_stats stats;
    store_stats_get(f->store, &stats);
    assert_true(stats.commits > PLENTY * PRUNE_ALERT_COST / PRUNE_BUDGET_MAX);
    assert_int_equal(count(f, pruned_alerts), PLENTY);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), PLENTY + 1);
    struct strbuf text = STRBUF_INIT;
    orchestrator_metrics(f->orchestrator, &text);
    assert_non_null(strstr(strbuf_text(&text), "\nturnout_pruned_total{table=\"alert\"} 3000\n"));
    assert_non_null(strstr(strbuf_text(&text), "\nturnout_pruned_total{table=\"delivery\"} 0\n"));
    strbuf_done(&text);
}

static void a_stop_in_the_middle_is_on_record(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, PLENTY, "resolved", 0, OLD);
    start(f);
    while (count(f, "SELECT count(*) FROM alert") == PLENTY)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    stop(f);
    int64_t left = count(f, "SELECT count(*) FROM alert");
    assert_true(left > 0);
    assert_int_equal(count(f, pruned_alerts), PLENTY - left);
    start(f);
    wait_count(f, rounds, 2);
    assert_int_equal(count(f, pruned_alerts), PLENTY);
    assert_chain_intact(f);
}

/* Statements that fail: the deliveries know nothing of it, and it is tried again. */
static void what_cannot_be_removed_stops_no_delivery(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, 3, "resolved", 0, OLD);
    add_delivery(f, 1, "0", 10);
    add_delivery(f, 2, "NOW", 10);
    change(f, "CREATE TRIGGER never BEFORE DELETE ON alert BEGIN SELECT RAISE(ABORT, 'not now'); END");
    start(f);
    for (int i = 0; i < 3; i++)
        wait_look(f);
    assert_false(deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_true(f->is_ready);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 3 + 2);
    assert_int_equal(count(f, rounds), 0);
    struct store_stats stats;
    store_stats_get(f->store, &stats);
    assert_true(stats.failed_commits > 0);
    /* the same for the entry of the round: what it counts is not lost */
    change(f, "DROP TRIGGER never;"
              "CREATE TRIGGER never BEFORE INSERT ON audit WHEN new.kind = 'intake.pruned' "
              "BEGIN SELECT RAISE(ABORT, 'not now'); END");
    pass(2 * MINUTE);
    wait_count(f, "SELECT count(*) FROM delivery WHERE received_at = 0", 0);
    wait_look(f); /* and the chain is whole for others */
    assert_int_equal(count(f, rounds), 0);
    change(f, "DROP TRIGGER never");
    pass(2 * MINUTE);
    wait_count(f, rounds, 1);
    assert_int_equal(count(f, pruned_alerts), 3);
    assert_int_equal(count(f, pruned_deliveries), 1);
    assert_chain_intact(f);
}

static void a_locked_database_is_waited_for(void **state)
{
    struct fixture *f = *state;
    stop(f);
    add_alerts(f, 3, "resolved", 0, OLD);
    add_alerts(f, 1, "resolved", 0, YOUNG);
    pass(2 * DAY); /* doubted, so that the round begins when the lock is there */
    start(f);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    pass(25 * HOUR);
    struct store_stats stats = {0};
    for (int i = 0; i < WAIT_S * 100 && stats.failed_commits == 0; i++) {
        store_stats_get(f->store, &stats);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_true(stats.failed_commits > 0);
    wait_round(f, pruned_alerts, 4);
    assert_true(f->is_ready);
}

static void a_file_that_is_mostly_free_shrinks(void **state)
{
    struct fixture *f = *state;
    stop(f);
    for (int i = 0; i < 3; i++)
        add_delivery(f, 1 + i, "0", 1 << 20);
    add_alerts(f, 1000, "firing", 0, "0"); /* written last, so that they stand behind what becomes free */
    add_delivery(f, 10, "NOW", 100);
    int64_t before = count(f, "SELECT page_count FROM pragma_page_count");
    start(f);
    wait_count(f, rounds, 1);
    int64_t all = count(f, "SELECT page_count FROM pragma_page_count");
    assert_true(before > 768);
    assert_true(all < 200);
    assert_true(count(f, "SELECT freelist_count FROM pragma_freelist_count") <= all / 4);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 1000);
    assert_int_equal(count(f, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

/* ---- the pure part ----------------------------------------------------------------------------------------------- */

static void the_clock_is_judged(void **state)
{
    (void)state;
    const int64_t now = 1000 * DAY;
    struct clock_watch watch;
    assert_false(clock_watch_start(&watch, now, now, INT64_MIN, INT64_MIN)); /* a new database */
    assert_true(clock_watch_believes(&watch, now));
    assert_false(clock_watch_start(&watch, now, now, now - DAY, INT64_MIN));
    assert_true(clock_watch_believes(&watch, now));
    assert_true(clock_watch_start(&watch, now, now, now - DAY - 1, INT64_MIN));
    assert_false(clock_watch_believes(&watch, now + DAY - 1));
    assert_true(clock_watch_believes(&watch, now + DAY));
    assert_false(clock_watch_start(&watch, now, now, now + 365 * DAY, INT64_MIN)); /* nothing is old by this clock */
    assert_true(clock_watch_believes(&watch, now));
    assert_false(clock_watch_start(&watch, now, now, now, now - 20 * HOUR)); /* the rest of an earlier doubt */
    assert_false(clock_watch_believes(&watch, now + 4 * HOUR - 1));
    assert_true(clock_watch_believes(&watch, now + 4 * HOUR));
    assert_false(clock_watch_start(&watch, now, now, now, now - DAY));
    assert_true(clock_watch_believes(&watch, now));
    assert_false(clock_watch_start(&watch, now, now, now, now + DAY)); /* of a clock that is put right again */
    assert_true(clock_watch_believes(&watch, now));

    int64_t moved = 0;
    assert_false(clock_watch_look(&watch, now + 5 * HOUR, now + 5 * HOUR, &moved));
    assert_false(clock_watch_look(&watch, now + HOUR, now, &moved));
    assert_false(clock_watch_look(&watch, now - HOUR, now, &moved));
    assert_true(clock_watch_look(&watch, now + HOUR + 1, now, &moved));
    assert_int_equal(moved, HOUR + 1);
    assert_false(clock_watch_believes(&watch, now + DAY - 1));
    assert_false(clock_watch_look(&watch, now + HOUR + 1, now, &moved)); /* once */
    assert_true(clock_watch_look(&watch, now, now, &moved));
    assert_int_equal(moved, -HOUR - 1);
}

static void slices_adapt(void **state)
{
    (void)state;
    int budget = PRUNE_BUDGET_MIN;
    for (int i = 0; i < 20; i++)
        budget = prune_budget_next(budget, 0);
    assert_int_equal(budget, PRUNE_BUDGET_MAX);
    assert_int_equal(prune_budget_next(budget, 4), budget);
    assert_int_equal(prune_budget_next(budget, 6), budget / 2);
    for (int i = 0; i < 20; i++)
        budget = prune_budget_next(budget, 1000);
    assert_int_equal(budget, PRUNE_BUDGET_MIN);
    assert_int_equal(prune_pause_ms(0), 20);
    assert_int_equal(prune_pause_ms(5), 95);
    assert_int_equal(prune_pause_ms(600 * DAY), 10000);
    assert_int_equal(prune_next_round(7 * DAY, 5, 0), 5 + HOUR);
    assert_int_equal(prune_next_round(7 * DAY, 5, 7 * DAY + 3 * HOUR), 5 + 3 * HOUR);
    assert_int_equal(prune_next_round(7 * DAY, 5, INT64_MAX), 5 + DAY);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, set_up_clocks, tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(old_alerts_go_and_firing_ones_stay),
        DATABASE(oldest_deliveries_go_and_the_numbers_go_on),
        DATABASE(what_has_gone_is_new_again),
        DATABASE(a_firing_alert_votes_on_after_a_month),
        DATABASE(what_says_up_goes_with_its_vote),
        DATABASE(what_was_spoken_of_since_it_was_saved_stays),
        DATABASE(what_the_cache_has_no_room_for_stays),
        DATABASE(a_clock_that_jumps_takes_nothing_with_it),
        DATABASE(a_clock_put_right_is_believed_after_a_day),
        DATABASE(a_start_long_after_the_last_entry_waits_a_day),
        DATABASE(a_round_is_many_short_commits),
        DATABASE(a_stop_in_the_middle_is_on_record),
        DATABASE(what_cannot_be_removed_stops_no_delivery),
        DATABASE(a_locked_database_is_waited_for),
        DATABASE(a_file_that_is_mostly_free_shrinks),
        cmocka_unit_test(the_clock_is_judged),
        cmocka_unit_test(slices_adapt),
    };
    return cmocka_run_group_tests_name("prune", tests, NULL, NULL);
}

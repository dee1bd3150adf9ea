/* What the orchestrator makes of deliveries, calls and results, and what it keeps of them. */
#include "tests/unit/orchestrator_fixture.h"

#include <sys/stat.h>

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void what_is_known_is_a_duplicate_and_a_second_outage_is_not(void **state)
{
    struct fixture *f = *state;
    const struct command_delivery *first = deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_false(first->is_duplicate);
    assert_true(id_equal(&first->answer_id, &first->id));
    /* a repeat, and an HA twin that saw it start at another time */
    const struct command_delivery *twin = deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR + 2000, TIME_UNKNOWN);
    assert_true(twin->is_duplicate);
    assert_true(id_equal(&twin->answer_id, &first->id));
    const struct command_delivery *over = deliver(f, 0, 1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
    assert_false(over->is_duplicate);
    /* the slow twin fires on after that, and resolves again */
    assert_true(deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR + 2000, TIME_UNKNOWN)->is_duplicate);
    assert_true(deliver(f, 0, 1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR)->is_duplicate);
    /* a second outage; and the late resolve of the first one does not end it */
    assert_false(deliver(f, 0, 1, ALERT_FIRING, 12 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_true(deliver(f, 0, 1, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR)->is_duplicate);
    assert_int_equal(count(f, "SELECT count(*) FROM delivery"), 3);
    assert_chain_intact(f);
}

static void the_same_alert_of_two_sources_is_two_votes_and_is_remembered(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'intake.alerts' AND service = 'shop'"), 1);
    stop(f);
    start(f); /* the votes are counted again from the store */
    deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_OBSERVE);
    answer(f, job, OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
}

static void a_run_is_journaled_before_it_goes_out(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    wait_active(f, "moving", "gra");
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_OBSERVE);
    assert_string_equal(json_string_value(json_object_get(json_object_get(job->step_text, "args"), "target")),
                        "198.51.100.20");
    assert_int_equal(count(f, "SELECT count(*) FROM attempt WHERE outcome = 'started'"), 1);
    answer(f, job, OUTCOME_OK, false);
    job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_APPLY);
    assert_int_equal(count(f, "SELECT count(*) FROM attempt WHERE phase = 'apply' AND outcome = 'started'"), 1);
    assert_int_equal(count(f, "SELECT has_effect FROM run"), 1);
    answer(f, job, OUTCOME_OK, false);
    job = next_attempt(f); /* read back */
    assert_int_equal(job->phase, PHASE_OBSERVE);
    answer(f, job, OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
    assert_int_equal(count(f, "SELECT count(*) FROM attempt WHERE outcome = 'started'"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'succeeded'"), 1);
    assert_chain_intact(f);
}

static void after_a_restart_in_mid_apply_the_world_is_observed_first(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    assert_int_equal(next_attempt(f)->phase, PHASE_APPLY);
    stop(f); /* no result: the attempt is lost */
    start(f);
    assert_int_equal(count(f, "SELECT count(*) FROM attempt WHERE phase = 'apply' AND outcome = 'unknown'"), 1);
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_OBSERVE);
    assert_true(job->after_unknown_apply);
    answer(f, job, OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
}

static void an_idempotency_key_gives_the_run_it_gave_before(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    struct command *move = operator_call(COMMAND_MOVE, "rbx");
    move->as.operator_call.idempotency_key = strdup("key-1");
    assert_int_equal(send(f, move)->err, ERR_OK);
    struct command *again = operator_call(COMMAND_MOVE, "rbx");
    again->as.operator_call.idempotency_key = strdup("key-1");
    assert_int_equal(send(f, again)->err, ERR_OK);
    assert_true(id_equal(&move->as.operator_call.answer_run, &again->as.operator_call.answer_run));
    struct command *other = operator_call(COMMAND_MOVE, "gra");
    other->as.operator_call.idempotency_key = strdup("key-1");
    assert_int_equal(send(f, other)->err, ERR_CONFLICT);
    assert_string_equal(other->as.operator_call.code, "idempotency_key_reused");
    struct command *another = operator_call(COMMAND_MOVE, "rbx");
    assert_int_equal(send(f, another)->err, ERR_CONFLICT);
    assert_string_equal(another->as.operator_call.code, "run_in_progress");
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'operator.refused'"), 2);
}

static void while_the_database_is_locked_senders_wait_and_results_are_kept(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    struct job *job = next_attempt(f);
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    answer(f, job, OUTCOME_OK, true); /* cannot be stored now */
    wait_ready(f, false);
    struct command *refused = command_new(COMMAND_DELIVERY);
    assert_int_equal(command_queue_push(f->commands, refused), ERR_BUSY);
    command_free(refused);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'running'"), 1);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    wait_active(f, "site", "rbx");
    wait_ready(f, true);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'store.recovered'"), 1);
    assert_true(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_chain_intact(f);
}

/* The daemon was started on a full disk, or with something in the ballast's place. */
static void a_ballast_that_could_not_be_made_is_made_later(void **state)
{
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s.ballast", f->database);
    assert_int_equal(mkdir(path, 0700), 0);
    f->ballast = ballast_new(f->database, 64 << 10);
    adopt(f, "gra");
    adopt(f, "rbx"); /* what is done behind the first one's commit is done */
    wait_ready(f, true);
    assert_false(ballast_is_there(f->ballast));
    assert_int_equal(rmdir(path), 0);
    adopt(f, "gra");
    adopt(f, "rbx");
    assert_true(ballast_is_there(f->ballast));
    adopt(f, "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'store.ballast'"), 1);
}

static void an_alert_about_the_active_site_is_about_the_one_at_its_own_time(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2; /* nothing starts */
    adopt(f, "gra");
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    int64_t at_gra = clock_wall_ms();
    nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    adopt(f, "rbx");
    deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_FIRING, at_gra, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM match WHERE site = 'gra'"), 1);
    /* a time long past is not believed: it counts as of its arrival */
    deliver(f, 1, SITE_OF_ALERT_TIME, ALERT_FIRING, at_gra - 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM match WHERE site = 'rbx'"), 1);
    /* resolved goes to where the vote was cast */
    deliver(f, 0, SITE_OF_ALERT_TIME, ALERT_RESOLVED, at_gra, clock_wall_ms());
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 1);
}

static const char votes[] = "SELECT coalesce(sum(down), 0) FROM vote";

static void unknown_withdraws_a_vote_and_says_nothing_else(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2; /* nothing starts */
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, votes), 1);
    assert_false(deliver(f, 0, 0, ALERT_UNKNOWN, TIME_UNKNOWN, TIME_UNKNOWN)->is_duplicate);
    assert_true(deliver(f, 0, 0, ALERT_UNKNOWN, TIME_UNKNOWN, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, votes), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM match"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM alert WHERE state = 'unknown' AND ends_at IS NULL"), 1);
    assert_int_equal(count(f, "SELECT open_alerts FROM source WHERE name = 'prometheus'"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'intake.alerts' AND text LIKE "
                              "'%0 alerts began to fire, 0 resolved, 1 unknown%'"),
                     1);
    /* that it votes no more is remembered over a restart */
    stop(f);
    start(f);
    assert_true(deliver(f, 0, 0, ALERT_UNKNOWN, TIME_UNKNOWN, TIME_UNKNOWN)->is_duplicate);
    assert_false(deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, votes), 1);
    /* and one that was never known speaks for nobody */
    assert_false(deliver(f, 1, 0, ALERT_UNKNOWN, TIME_UNKNOWN, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, votes), 1);
    json_t *service = service_now(f);
    assert_int_equal(json_array_size(json_object_get(service, "incidents")), 1); /* open, and it starts nothing */
    json_decref(service);
    assert_chain_intact(f);
}

static void an_unknown_alert_breaks_the_hold(void **state)
{
    struct fixture *f = *state;
    f->service.hold_ms = HOUR;
    adopt(f, "gra");
    deliver(f, 0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM timer WHERE kind = 'hold'"), 1);
    deliver(f, 0, 0, ALERT_UNKNOWN, TIME_UNKNOWN, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM timer WHERE kind = 'hold'"), 0);
}

/* A monitor may say something that is about no alert: it is kept, each time, and what it means is on record. */
static void a_delivery_without_alerts_is_kept_and_its_notice_recorded(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 2; i++) {
        struct command *command = delivery(0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
        struct command_delivery *d = &command->as.delivery;
        free(d->alerts[0].targets);
        free(d->alerts);
        d->alerts = NULL;
        d->n_alerts = 0;
        d->notice_kind = i == 0 ? "subscription" : NULL;
        snprintf(d->notice, sizeof d->notice, "the topic is subscribed");
        assert_int_equal(send(f, command)->err, ERR_OK);
        assert_false(d->is_duplicate);
        assert_true(id_equal(&d->answer_id, &d->id));
    }
    assert_int_equal(count(f, "SELECT count(*) FROM delivery WHERE alerts = 0 AND changed = 0 AND services = 0"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM alert"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'intake.subscription' AND text LIKE "
                              "'%the topic is subscribed%' AND text LIKE '%source prometheus%' AND "
                              "json_extract(text, '$.delivery') IS NOT NULL"),
                     1);
    /* an alert of no service is kept as such too; one of a service is not */
    struct command *unmatched = delivery(0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    unmatched->as.delivery.alerts[0].n_targets = 0;
    assert_int_equal(send(f, unmatched)->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM delivery WHERE alerts = 1 AND changed = 1 AND services = 0"), 1);
    deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM delivery WHERE services = 1"), 1);
    assert_chain_intact(f);
}

static const struct command_delivery *assert_at(struct fixture *f, enum alert_state state, int64_t at)
{
    struct command *command = delivery(0, 0, state, TIME_UNKNOWN, TIME_UNKNOWN);
    command->as.delivery.alerts[0].asserted_at = at;
    assert_int_equal(send(f, command)->err, ERR_OK);
    return &command->as.delivery;
}

/* Also when the row comes from the store. */
static void an_older_assertion_ends_nothing(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2;
    adopt(f, "gra");
    assert_false(assert_at(f, ALERT_FIRING, 10 * HOUR)->is_duplicate);
    stop(f);
    start(f);
    assert_true(assert_at(f, ALERT_RESOLVED, 9 * HOUR)->is_duplicate);
    assert_true(assert_at(f, ALERT_UNKNOWN, 9 * HOUR)->is_duplicate);
    assert_int_equal(count(f, votes), 1);
    assert_false(assert_at(f, ALERT_RESOLVED, 11 * HOUR)->is_duplicate);
    assert_true(assert_at(f, ALERT_FIRING, 10 * HOUR)->is_duplicate);
    assert_int_equal(count(f, votes), 0);
    assert_int_equal(count(f, "SELECT asserted_at FROM alert"), 11 * HOUR);
}

/* A repeat is answered without a commit, but not before what it says of the order is safe. */
static void a_repeat_that_moves_the_order_is_committed(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2;
    adopt(f, "gra");
    assert_false(assert_at(f, ALERT_FIRING, 10 * HOUR)->is_duplicate);
    assert_true(assert_at(f, ALERT_FIRING, 12 * HOUR)->is_duplicate);
    assert_int_equal(count(f, "SELECT asserted_at FROM alert"), 12 * HOUR);
    assert_int_equal(count(f, "SELECT count(*) FROM delivery"), 1);
    assert_false(deliver(f, 1, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_true(deliver(f, 1, 0, ALERT_FIRING, 9 * HOUR, TIME_UNKNOWN)->is_duplicate);
    assert_int_equal(count(f, "SELECT min(starts_at) FROM alert"), 9 * HOUR);
}

static void refused_requests_are_on_record(void **state)
{
    struct fixture *f = *state;
    struct command *command = command_new(COMMAND_REJECTED);
    command->as.refused = (struct command_refused){
        .what = "source prometheus", .reason = "wrong credential", .from = "192.0.2.1", .count = 17};
    send(f, command);
    assert_int_equal(
        count(f, "SELECT count(*) FROM audit WHERE kind = 'intake.rejected' AND text LIKE '%17 requests%'"), 1);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_known_is_a_duplicate_and_a_second_outage_is_not, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_same_alert_of_two_sources_is_two_votes_and_is_remembered, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_run_is_journaled_before_it_goes_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(after_a_restart_in_mid_apply_the_world_is_observed_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_idempotency_key_gives_the_run_it_gave_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(while_the_database_is_locked_senders_wait_and_results_are_kept, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_ballast_that_could_not_be_made_is_made_later, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_alert_about_the_active_site_is_about_the_one_at_its_own_time, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(unknown_withdraws_a_vote_and_says_nothing_else, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_unknown_alert_breaks_the_hold, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_delivery_without_alerts_is_kept_and_its_notice_recorded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_older_assertion_ends_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_repeat_that_moves_the_order_is_committed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(refused_requests_are_on_record, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* What the orchestrator keeps of its runs over restarts: who has ended one, what is owed, and which is the newest. The
 * engine itself is tested in test_playbook.c; here is what stands between it and the store. */
#include "tests/unit/orchestrator_fixture.h"

/* ---- runs by hand ------------------------------------------------------------------------------------------------ */

/* As `answer`, of an observe that says what would put back what it has found. */
static void answer_found(struct fixture *f, struct job *job, const char *target)
{
    struct command *command = command_new(COMMAND_RESULT);
    command->context = job;
    command->as.result = (struct command_result){.run = job->run,
                                                 .step = job->step,
                                                 .attempt = job->attempt,
                                                 .phase = job->phase,
                                                 .outcome = OUTCOME_OK,
                                                 .retry_after_ms = -1,
                                                 .previous = json_pack("{s:s}", "target", target),
                                                 .requests = json_array()};
    assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
}

static struct id begin(struct fixture *f, const char *to)
{
    const struct command *move = send(f, operator_call(COMMAND_MOVE, to));
    if (move->err != ERR_OK)
        fail_msg("%s", move->why.text);
    return move->as.operator_call.answer_run;
}

static const struct command *ask(struct fixture *f, struct id run, enum run_call what)
{
    struct command *command = operator_call(COMMAND_RUN, NULL);
    command->as.operator_call.run = run;
    command->as.operator_call.run_call = what;
    command->as.operator_call.step = -1;
    return send(f, command);
}

static void ask_and_get(struct fixture *f, struct id run, enum run_call what)
{
    const struct command *command = ask(f, run, what);
    if (command->err != ERR_OK)
        fail_msg("%s", command->why.text);
}

static void wait_count(struct fixture *f, const char *sql, int64_t wanted)
{
    for (int i = 0; i < WAIT_S * 100; i++) {
        if (count(f, sql) == wanted)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("%s is not %lld", sql, (long long)wanted);
}

static void do_sql(struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static void finish(struct fixture *f)
{
    answer(f, next_attempt(f), OUTCOME_OK, false);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    answer(f, next_attempt(f), OUTCOME_OK, true);
}

/* ---- who has ended it -------------------------------------------------------------------------------------------- */

/* The way back stops for a person, the daemon ends, and the end is still the no of who has asked for it. */
static void who_undoes_a_run_is_known_after_a_restart_in_the_midst_of_it(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    struct id run = begin(f, "rbx");
    answer_found(f, next_attempt(f), "192.0.2.10");
    answer(f, next_attempt(f), OUTCOME_OK, false);
    answer(f, next_attempt(f), OUTCOME_PERMANENT, false);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'attention'", 1);
    ask_and_get(f, run, RUN_CALL_UNDO);
    struct job *job = next_attempt(f);
    assert_string_equal(json_string_value(json_object_get(json_object_get(job->step_text, "args"), "target")),
                        "192.0.2.10");
    answer(f, job, OUTCOME_PERMANENT, false);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'attention' AND is_undoing", 1);
    stop(f);
    start(f);
    ask_and_get(f, run, RUN_CALL_DONE);
    wait_active(f, "site", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'undone'"), 1);
    assert_int_equal(count(f,
                           "SELECT count(*) FROM audit WHERE json_extract(text, '$.detail.event.run_state') = 'undone' "
                           "AND json_extract(text, '$.detail.event.who') = 'oncall'") > 0,
                     true);
    assert_chain_intact(f);
}

/* ---- debts ------------------------------------------------------------------------------------------------------- */

/* Where it came from was not known: what is owed is owed at any site but where it went. */
static void a_debt_of_a_run_from_an_unknown_site_guards_all_others(void **state)
{
    struct fixture *f = *state;
    static char waw[] = "waw";
    struct site sites[] = {f->sites[0], f->sites[1], {.name = waw, .values = f->sites[0].values}};
    f->service.sites = sites;
    f->service.n_sites = 3;
    f->step.on_failure = ON_FAILURE_OWE;
    begin(f, "rbx");
    answer(f, next_attempt(f), OUTCOME_PERMANENT, false);
    wait_active(f, "site", "rbx");
    for (int restarts = 0; restarts < 2; restarts++) {
        for (int i = 0; i < 3; i += 2) {
            const struct command *move = send(f, operator_call(COMMAND_MOVE, sites[i].name));
            assert_int_equal(move->err, ERR_CONFLICT);
            assert_string_equal(move->as.operator_call.code, "debt");
        }
        stop(f);
        start(f);
    }
    stop(f); /* the sites are about to go */
}

/* ---- drills ------------------------------------------------------------------------------------------------------ */

/* What a drill could not do is no debt: nothing would guard it, and it would be tried behind every later run. */
static void a_drill_owes_nothing(void **state)
{
    struct fixture *f = *state;
    f->step.drill = json_pack("{s:s}", "record", "drill-app");
    f->step.on_failure = ON_FAILURE_OWE;
    adopt(f, "gra");
    struct command *drill = operator_call(COMMAND_DRILL, NULL);
    drill->as.operator_call.drill = DRILL_CANARY;
    (void)send(f, drill);
    if (drill->err != ERR_OK)
        fail_msg("%s", drill->why.text);
    answer(f, next_attempt(f), OUTCOME_PERMANENT, false);
    struct job *back = next_attempt(f);
    assert_int_equal(back->step, 1);
    answer(f, back, OUTCOME_OK, true);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'succeeded'", 1);
    assert_int_equal(count(f, "SELECT count(*) FROM step WHERE state = 'owed'"), 0);
    assert_int_equal(count(f, "SELECT is_good FROM drill WHERE kind = 'canary'"), 0);
    json_decref(f->step.drill);
    f->step.drill = NULL;
}

/* ---- the newest -------------------------------------------------------------------------------------------------- */

/* The clock was ahead when the last run began, and is not any more: which run is the newer one is told by their ids. */
static void a_run_after_the_clock_was_set_back_is_the_newest_all_the_same(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    begin(f, "rbx");
    finish(f);
    wait_active(f, "site", "rbx");
    stop(f);
    do_sql(f, "UPDATE run SET id = x'7000000000007000b000000000000000'; UPDATE step SET run = "
              "x'7000000000007000b000000000000000'; UPDATE attempt SET run = x'7000000000007000b000000000000000'");
    start(f);
    begin(f, "gra");
    answer(f, next_attempt(f), OUTCOME_OK, false);
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_APPLY);
    struct store_reader *reader = NULL;
    struct errmsg why = {0};
    bool is_current = false;
    assert_int_equal(store_reader_open(f->database, &reader, &why), ERR_OK);
    assert_int_equal(store_attempt_is_current(reader, &job->run, job->step, job->attempt, &is_current, &why), ERR_OK);
    assert_true(is_current);
    store_reader_close(reader);
    answer(f, job, OUTCOME_OK, false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_undoes_a_run_is_known_after_a_restart_in_the_midst_of_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_run_after_the_clock_was_set_back_is_the_newest_all_the_same, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_debt_of_a_run_from_an_unknown_site_guards_all_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_drill_owes_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

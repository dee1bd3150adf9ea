/* Faults by countdown, of the orchestrator: in one run after the other the n-th allocation, the n-th call of the store,
 * the n-th allocation or disk call of SQLite fails, n = 1, 2, 3 …; and so at a start that takes a run up. Whatever
 * fails, nothing that was accepted is lost, and each run ends right. */
#include "tests/unit/orchestrator_fixture.h"

#include "base/memory.h"
#include "tests/unit/countdown.h"

/* ---- the store, as the orchestrator calls it --------------------------------------------------------------------- */

#define FAILING(name, parameters, arguments)                                                                           \
    enum err __real_##name parameters;                                                                                 \
    enum err __wrap_##name parameters;                                                                                 \
    enum err __wrap_##name parameters                                                                                  \
    {                                                                                                                  \
        if (fails(FAULT_CALL))                                                                                         \
            return err_set(why, ERR_IO, "the disk is away for a moment");                                              \
        return __real_##name arguments;                                                                                \
    }

FAILING(store_write, (struct store * store, struct store_batch *batch, struct errmsg *why), (store, batch, why))
FAILING(store_load,
        (struct store * store, int64_t active_since, const struct store_state_taker *taker, struct errmsg *why),
        (store, active_since, taker, why))
FAILING(store_audit_head,
        (struct store * store, int64_t *ret_seq, struct sha256 *ret_hash, int64_t *ret_delivery_seq,
         struct errmsg *why),
        (store, ret_seq, ret_hash, ret_delivery_seq, why))
FAILING(store_audit_last, (struct store * store, const char *kind, int64_t *ret_at, struct errmsg *why),
        (store, kind, ret_at, why))
FAILING(store_alerts_get, (struct store * store, struct alert_row *rows, size_t n, struct errmsg *why),
        (store, rows, n, why))
FAILING(store_matches_get,
        (struct store * store, const struct alert_key *key, void (*take)(void *context, const struct match_row *row),
         void *context, struct errmsg *why),
        (store, key, take, context, why))
FAILING(store_alert_ages,
        (struct store * store, const struct alert_key *after, int limit,
         bool (*take)(void *context, const struct alert_age *age), void *context, struct errmsg *why),
        (store, after, limit, take, context, why))
FAILING(store_delivery_ages,
        (struct store * store, int64_t after, int limit, bool (*take)(void *context, const struct delivery_age *age),
         void *context, struct errmsg *why),
        (store, after, limit, take, context, why))
FAILING(store_pages, (struct store * store, int64_t *ret_free, int64_t *ret_all, struct errmsg *why),
        (store, ret_free, ret_all, why))
FAILING(store_idempotency_get,
        (struct store * store, const char *who, const char *key, struct sha256 *ret_request, struct id *ret_run,
         struct errmsg *why),
        (store, who, key, ret_request, ret_run, why))
FAILING(store_run_is_known, (struct store * store, const struct id *id, bool *ret, struct errmsg *why),
        (store, id, ret, why))
FAILING(store_step_times,
        (struct store * store, const char *service, void (*take)(void *context, const char *step, int64_t took_ms),
         void *context, struct errmsg *why),
        (store, service, take, context, why))

/* ---- an executor, and the world that it works on ----------------------------------------------------------------- */

static char record[64] = "192.0.2.10";
static atomic_int n_applied;

static void *perform(void *context)
{
    struct fixture *f = context;
    struct job *job;
    is_spared = true;
    while ((job = job_queue_take(f->jobs))) {
        if (job->kind != JOB_ATTEMPT) {
            struct command *command = command_new(COMMAND_OBSERVED);
            command->context = job;
            command->as.observed.service = job->service;
            command->as.observed.site = SITE_NONE;
            command->as.observed.text = strdup("cannot tell");
            assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
            continue;
        }
        const char *target = json_string_value(json_object_get(json_object_get(job->step_text, "args"), "target"));
        assert_non_null(target);
        if (job->phase == PHASE_APPLY) {
            snprintf(record, sizeof record, "%s", target);
            atomic_fetch_add(&n_applied, 1);
        }
        answer(f, job, OUTCOME_OK, job->phase != PHASE_OBSERVE || strcmp(record, target) == 0);
    }
    return NULL;
}

/* ---- one run after the other ------------------------------------------------------------------------------------- */

static const char home[] = "192.0.2.10", away[] = "198.51.100.20";

static bool is_over(struct fixture *f)
{
    for (int i = 0; i < WAIT_S * 500; i++) {
        if (count(f, "SELECT count(*) FROM run WHERE state IN ('waiting', 'running')") == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return false;
}

/* An acknowledged one is there. A refused one is sent again, as its sender would. */
static int tell(struct fixture *f, enum alert_state state, int64_t starts_at, int64_t ends_at)
{
    int64_t n_before = count(f, "SELECT count(*) FROM delivery");
    for (int refused = 0; refused < 4; refused++) {
        if (send(f, delivery(0, 0, state, starts_at, ends_at))->err == ERR_OK) {
            assert_int_equal(count(f, "SELECT count(*) FROM delivery"), n_before + 1);
            return refused;
        }
        assert_int_equal(count(f, "SELECT count(*) FROM delivery"), n_before);
    }
    fail_msg("an alert is refused again and again");
    return 0;
}

static int tell_both(struct fixture *f)
{
    static int64_t at = 10 * HOUR;
    at += HOUR;
    return tell(f, ALERT_FIRING, at, TIME_UNKNOWN) + tell(f, ALERT_RESOLVED, at, at + HOUR / 2);
}

/* An accepted move is there; a refused one leaves nothing and works the next time. */
static int ask_for(struct fixture *f, enum direction direction, int64_t n_runs)
{
    char key[40];
    snprintf(key, sizeof key, "key %d", (int)n_runs);
    for (int refused = 0; refused < 4; refused++) {
        struct command *command = operator_call(COMMAND_MOVE, NULL);
        command->as.operator_call.direction = direction;
        command->as.operator_call.idempotency_key = strdup(key);
        enum err err = send(f, command)->err;
        if (err == ERR_OK) {
            assert_int_equal(count(f, "SELECT count(*) FROM run"), n_runs + 1);
            return refused;
        }
        assert_int_equal(count(f, "SELECT count(*) FROM run"), n_runs);
    }
    fail_msg("a move is refused again and again");
    return 0;
}

static void assert_ended_right(struct fixture *f, int n, int64_t n_runs, const char *target)
{
    if (!is_over(f))
        fail_msg("n = %d: the run does not end", n);
    if (count(f, "SELECT count(*) FROM run WHERE state = 'succeeded'") != n_runs)
        fail_msg("n = %d: the run has not succeeded", n);
    if (strcmp(record, target) != 0 || atomic_load(&n_applied) != 1)
        fail_msg("n = %d: applied %d times, and the record is %s", n, atomic_load(&n_applied), record);
    assert_int_equal(count(f, "SELECT count(*) FROM step WHERE state != 'done' AND run = (SELECT max(id) FROM run)"),
                     0);
}

static bool run_with(struct fixture *f, enum fault fault, int n)
{
    int64_t n_runs = count(f, "SELECT count(*) FROM run");
    bool is_away = strcmp(record, home) != 0;
    atomic_store(&n_applied, 0);
    arm(fault, n);
    int refused = tell_both(f) + ask_for(f, is_away ? DIRECTION_FAILBACK : DIRECTION_FAILOVER, n_runs);
    assert_ended_right(f, n, n_runs + 1, is_away ? home : away);
    if (refused > 1)
        fail_msg("n = %d: one fault, and %d refusals", n, refused);
    return disarm(fault);
}

static void each_fails_in_turn(struct fixture *f, enum fault fault, int every, int at_least)
{
    snprintf(record, sizeof record, "%s", home);
    f->service.mode = MODE_MANUAL;
    adopt(f, "gra");
    pthread_t executor;
    assert_int_equal(pthread_create(&executor, NULL, perform, f), 0);
    struct stride stride = stride_of(every);
    int n = stride.first;
    while (run_with(f, fault, n))
        n += stride.every;
    print_message("every %d-th of %d\n", stride.every, n);
    assert_true(n > at_least);
    assert_chain_intact(f);
    job_queue_close(f->jobs);
    pthread_join(executor, NULL);
    stop(f);
}

static void memory(void **state)
{
    each_fails_in_turn(*state, FAULT_MEMORY, 71, 100);
}

static void store_calls(void **state)
{
    each_fails_in_turn(*state, FAULT_CALL, 1, 5);
}

static void sqlite_memory_fails(void **state)
{
    each_fails_in_turn(*state, FAULT_SQLITE, 71, 50);
}

static void disk_fails(void **state)
{
    each_fails_in_turn(*state, FAULT_DISK, 19, 50);
}

/* ---- a start that takes a run up --------------------------------------------------------------------------------- */

static void copy(const char *from, const char *to)
{
    char command[400];
    snprintf(command, sizeof command, "cp '%s' '%s' && rm -f '%s'-wal '%s'-shm", from, to, to, to);
    assert_int_equal(system(command), 0);
}

/* A failover whose apply is under way, a second one's alert and incident, and a process that is gone. */
static void leave_a_run(struct fixture *f)
{
    f->service.mode = MODE_MANUAL;
    adopt(f, "gra");
    assert_int_equal(send(f, delivery(0, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN))->err, ERR_OK);
    assert_int_equal(send(f, operator_call(COMMAND_MOVE, NULL))->err, ERR_OK);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    assert_int_equal(next_attempt(f)->phase, PHASE_APPLY);
    stop(f);
}

static const char what_stands[] =
    "SELECT 1000 * (SELECT count(*) FROM run WHERE state = 'running') + 100 * (SELECT count(*) FROM step WHERE state = "
    "'running') + 10 * (SELECT count(*) FROM incident) + (SELECT count(*) FROM delivery)";

/* Whether something has failed. It starts, or says why not and starts the next time. */
static bool start_with(struct fixture *f, enum fault fault, int n, int *n_refused)
{
    struct errmsg why = {0};
    snprintf(record, sizeof record, "%s", home);
    atomic_store(&n_applied, 0);
    arm(fault, n);
    is_spared = false;
    enum err err = try_start(f, &why);
    is_spared = true;
    if (err != ERR_OK) {
        ++*n_refused;
        if (!disarm(fault) || strlen(why.text) < 5)
            fail_msg("n = %d: does not start: \"%s\"", n, why.text);
        assert_int_equal(count(f, what_stands), 1111);
        start(f);
    }
    pthread_t executor;
    assert_int_equal(pthread_create(&executor, NULL, perform, f), 0);
    assert_ended_right(f, n, 1, away);
    bool has_failed = err != ERR_OK || disarm(fault);
    job_queue_close(f->jobs);
    pthread_join(executor, NULL);
    stop(f);
    return has_failed;
}

static void start_takes_up(struct fixture *f, enum fault fault, int every)
{
    char left_behind[160];
    snprintf(left_behind, sizeof left_behind, "%s.left", f->database);
    leave_a_run(f);
    copy(f->database, left_behind);
    assert_int_equal(count(f, what_stands), 1111);
    struct stride stride = stride_of(every);
    int n = stride.first, n_refused = 0;
    for (;; n += stride.every) {
        copy(left_behind, f->database);
        if (!start_with(f, fault, n, &n_refused))
            break;
    }
    print_message("every %d-th of %d, %d times it did not start\n", stride.every, n, n_refused);
    assert_true(n_refused > 0 || stride.every > 1);
}

static void start_without_memory(void **state)
{
    start_takes_up(*state, FAULT_MEMORY, 71);
}

static void start_without_store(void **state)
{
    start_takes_up(*state, FAULT_CALL, 1);
}

static void start_without_memory_of_sqlite(void **state)
{
    start_takes_up(*state, FAULT_SQLITE, 401);
}

static void start_without_disk(void **state)
{
    start_takes_up(*state, FAULT_DISK, 29);
}

int main(int n_args, char **args)
{
    if (n_args > 1)
        cmocka_set_test_filter(args[1]);
    is_spared = true;
    json_set_alloc_funcs(memory_wait, free); /* as main() does */
    countdown_start_sqlite();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(store_calls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(sqlite_memory_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(disk_fails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(start_without_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(start_without_store, set_up, tear_down),
        cmocka_unit_test_setup_teardown(start_without_memory_of_sqlite, set_up, tear_down),
        cmocka_unit_test_setup_teardown(start_without_disk, set_up, tear_down),
    };
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

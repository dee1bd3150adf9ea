/* Faults by countdown: in one run after the other the n-th allocation, or the n-th commit, of the orchestrator's thread
 * fails, n = 1, 2, 3 … Whatever fails, nothing that was accepted is lost, and each run ends right. */
#include "tests/unit/orchestrator_fixture.h"

#include <stdatomic.h>
#include <string.h>

/* Of this many, the rest having its turn another time: see `first` below. */
#define EVERY 7

static _Thread_local bool is_spared; /* threads of the test */
static atomic_int left;              /* until one fails; 0: none will */
static atomic_bool is_armed;
static atomic_int write_left;

static bool fails(atomic_int *countdown)
{
    if (is_spared || !atomic_load(&is_armed) || atomic_load(countdown) <= 0)
        return false;
    return atomic_fetch_sub(countdown, 1) == 1;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
char *__wrap_strdup(const char *text);

void *__wrap_malloc(size_t size)
{
    return fails(&left) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(&left) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(&left) ? NULL : __real_realloc(old, size);
}

char *__wrap_strdup(const char *text)
{
    return fails(&left) ? NULL : __real_strdup(text);
}

enum err __real_store_write(struct store *store, struct store_batch *batch, struct errmsg *why);
enum err __wrap_store_write(struct store *store, struct store_batch *batch, struct errmsg *why);

enum err __wrap_store_write(struct store *store, struct store_batch *batch, struct errmsg *why)
{
    if (fails(&write_left))
        return err_set(why, ERR_IO, "the disk is away for a moment");
    return __real_store_write(store, batch, why);
}

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

static bool is_over(struct fixture *f)
{
    for (int i = 0; i < WAIT_S * 200; i++) {
        if (count(f, "SELECT count(*) FROM run WHERE state IN ('waiting', 'running')") == 0)
            return true;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    return false;
}

/* An accepted move is there; a refused one leaves nothing and works the next time. */
static int ask_for(struct fixture *f, enum direction direction, int64_t n_runs)
{
    for (int refused = 0; refused < 4; refused++) {
        struct command *command = operator_call(COMMAND_MOVE, NULL);
        command->as.operator_call.direction = direction;
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

static bool run_with(struct fixture *f, atomic_int *countdown, int n)
{
    int64_t n_runs = count(f, "SELECT count(*) FROM run");
    bool is_away = strcmp(record, "192.0.2.10") != 0;
    atomic_store(&n_applied, 0);
    atomic_store(countdown, n);
    atomic_store(&is_armed, true);
    int refused = ask_for(f, is_away ? DIRECTION_FAILBACK : DIRECTION_FAILOVER, n_runs);
    bool has_ended = is_over(f);
    atomic_store(&is_armed, false);
    bool has_failed = atomic_load(countdown) <= 0;
    if (!has_ended)
        fail_msg("n = %d: the run does not end", n);
    if (refused > 1)
        fail_msg("n = %d: one fault, and %d refusals", n, refused);
    if (count(f, "SELECT count(*) FROM run WHERE state = 'succeeded'") != n_runs + 1)
        fail_msg("n = %d: the run has not succeeded", n);
    if (strcmp(record, is_away ? "192.0.2.10" : "198.51.100.20") != 0 || atomic_load(&n_applied) != 1)
        fail_msg("n = %d: applied %d times, and the record is %s", n, atomic_load(&n_applied), record);
    assert_int_equal(count(f, "SELECT count(*) FROM step WHERE state != 'done' AND run = (SELECT max(id) FROM run)"),
                     0);
    return has_failed;
}

static void each_fails_in_turn(struct fixture *f, atomic_int *countdown, int first, int every, int at_least)
{
    snprintf(record, sizeof record, "192.0.2.10");
    adopt(f, "gra");
    pthread_t executor;
    assert_int_equal(pthread_create(&executor, NULL, perform, f), 0);
    int n = first;
    while (run_with(f, countdown, n))
        n += every;
    assert_true(n > at_least);
    assert_chain_intact(f);
    job_queue_close(f->jobs);
    pthread_join(executor, NULL);
    stop(f);
}

static void memory(void **state)
{
    json_set_alloc_funcs(__wrap_malloc, free);
    int first = 1 + (int)(clock_wall_ms() / (24 * HOUR)) % EVERY;
    print_message("every %d-th from %d\n", EVERY, first);
    each_fails_in_turn(*state, &left, first, EVERY, 100);
}

static void commits(void **state)
{
    each_fails_in_turn(*state, &write_left, 1, 1, 1);
}

int main(void)
{
    is_spared = true;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commits, set_up, tear_down),
    };
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    return cmocka_run_group_tests(tests, NULL, NULL);
}

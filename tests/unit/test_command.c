#include "base/clock.h"
#include "command.h"
#include "command_job.h"
#include "tests/unit/test.h"

#include <pthread.h>
#include <stdlib.h>

static struct command *push_new(struct command_queue *queue, enum command_kind kind, enum err expected)
{
    struct command *command = command_new(kind);
    assert_non_null(command);
    assert_int_equal(command_queue_push(queue, command), expected);
    if (expected != ERR_OK) {
        command_free(command);
        return NULL;
    }
    return command;
}

static void commands_come_out_in_order_up_to_a_batch(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(10);
    struct command *pushed[3];
    struct command *taken[2];
    for (int i = 0; i < 3; i++)
        pushed[i] = push_new(queue, COMMAND_DELIVERY, ERR_OK);
    assert_int_equal(command_queue_take(queue, taken, 2, INT64_MAX), 2);
    assert_ptr_equal(taken[0], pushed[0]);
    assert_ptr_equal(taken[1], pushed[1]);
    assert_false(command_queue_is_idle(queue));
    assert_int_equal(command_queue_take(queue, taken, 2, INT64_MAX), 1);
    assert_ptr_equal(taken[0], pushed[2]);
    assert_true(command_queue_is_idle(queue));
    for (int i = 0; i < 3; i++)
        command_free(pushed[i]);
    command_queue_free(queue);
}

static void a_full_queue_refuses_all_but_results(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(1);
    push_new(queue, COMMAND_DELIVERY, ERR_OK);
    push_new(queue, COMMAND_DELIVERY, ERR_FULL);
    push_new(queue, COMMAND_REJECTED, ERR_FULL);
    push_new(queue, COMMAND_MOVE, ERR_OK); /* a storm keeps no operator out */
    push_new(queue, COMMAND_ADOPT, ERR_FULL);
    push_new(queue, COMMAND_RESULT, ERR_OK);
    push_new(queue, COMMAND_OBSERVED, ERR_OK);
    command_queue_free(queue); /* and what is in it */
}

static void operators_and_runs_go_before_a_storm(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(10);
    struct command *taken[4];
    struct command *delivery = push_new(queue, COMMAND_DELIVERY, ERR_OK);
    struct command *refused = push_new(queue, COMMAND_REFUSED_CALL, ERR_OK);
    struct command *result = push_new(queue, COMMAND_RESULT, ERR_OK);
    struct command *cancel = push_new(queue, COMMAND_RUN, ERR_OK);
    assert_int_equal(command_queue_take(queue, taken, 3, INT64_MAX), 3);
    assert_ptr_equal(taken[0], result);
    assert_ptr_equal(taken[1], cancel);
    assert_ptr_equal(taken[2], delivery);
    assert_int_equal(command_queue_take(queue, taken + 3, 1, INT64_MAX), 1);
    assert_ptr_equal(taken[3], refused);
    for (int i = 0; i < 4; i++)
        command_free(taken[i]);
    command_queue_free(queue);
}

static void probes_keep_no_operator_out_and_no_storm_keeps_them_out(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(2);
    struct command *taken[4];
    struct command *delivery = push_new(queue, COMMAND_DELIVERY, ERR_OK);
    push_new(queue, COMMAND_DELIVERY, ERR_OK);
    push_new(queue, COMMAND_DELIVERY, ERR_FULL);
    struct command *probed = push_new(queue, COMMAND_PROBED, ERR_OK);
    push_new(queue, COMMAND_PROBED, ERR_OK);
    push_new(queue, COMMAND_PROBED, ERR_FULL);
    struct command *pause = push_new(queue, COMMAND_PAUSE, ERR_OK);
    struct command *outside = push_new(queue, COMMAND_OUTSIDE, ERR_OK);
    assert_int_equal(command_queue_take(queue, taken, 3, INT64_MAX), 3);
    assert_ptr_equal(taken[0], pause);
    assert_ptr_equal(taken[1], outside);
    assert_ptr_equal(taken[2], probed);
    for (int i = 0; i < 3; i++)
        command_free(taken[i]);
    assert_int_equal(command_queue_take(queue, taken, 4, INT64_MAX), 3);
    assert_int_equal(taken[0]->kind, COMMAND_PROBED);
    assert_ptr_equal(taken[1], delivery);
    assert_true(command_queue_is_idle(queue));
    for (int i = 0; i < 3; i++)
        command_free(taken[i]);
    command_queue_free(queue);
}

static void while_deliveries_are_refused_operators_are_not(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(10);
    command_queue_refuse_deliveries(queue, true);
    push_new(queue, COMMAND_DELIVERY, ERR_BUSY);
    push_new(queue, COMMAND_MOVE, ERR_OK);
    command_queue_refuse_deliveries(queue, false);
    push_new(queue, COMMAND_DELIVERY, ERR_OK);
    command_queue_free(queue);
}

static void a_closed_queue_still_takes_results_and_empties(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(10);
    struct command *taken[4];
    push_new(queue, COMMAND_DELIVERY, ERR_OK);
    command_queue_close(queue);
    push_new(queue, COMMAND_DELIVERY, ERR_BUSY);
    push_new(queue, COMMAND_RESULT, ERR_OK);
    assert_true(command_queue_is_closed(queue));
    assert_int_equal(command_queue_take(queue, taken, 4, INT64_MAX), 2);
    assert_int_equal(command_queue_take(queue, taken + 2, 2, INT64_MAX), 0); /* does not wait */
    command_free(taken[0]);
    command_free(taken[1]);
    command_queue_free(queue);
}

static void taking_waits_until_the_time_given(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(10);
    struct command *taken[1];
    int64_t until = clock_steady_ms() + 30;
    assert_int_equal(command_queue_take(queue, taken, 1, until), 0);
    assert_true(clock_steady_ms() >= until);
    assert_int_equal(command_queue_take(queue, taken, 1, 0), 0);
    command_queue_free(queue);
}

#define PUSHERS 4
#define PUSHES 5000

static void *push_many(void *context)
{
    for (int i = 0; i < PUSHES; i++) {
        struct command *command = command_new(COMMAND_DELIVERY);
        while (command_queue_push(context, command) != ERR_OK)
            sched_yield();
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    struct command_queue *queue = command_queue_new(100);
    pthread_t threads[PUSHERS];
    for (int i = 0; i < PUSHERS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, push_many, queue), 0);
    size_t n = 0;
    while (n < (size_t)PUSHERS * PUSHES) {
        struct command *taken[64];
        size_t got = command_queue_take(queue, taken, 64, INT64_MAX);
        for (size_t i = 0; i < got; i++)
            command_free(taken[i]);
        n += got;
    }
    for (int i = 0; i < PUSHERS; i++)
        pthread_join(threads[i], NULL);
    assert_true(command_queue_is_idle(queue));
    command_queue_free(queue);
}

static void *take_until_closed(void *context)
{
    intptr_t n = 0;
    while (job_queue_take(context))
        n++;
    return (void *)n;
}

static void jobs_go_to_one_taker_each_and_stop_at_the_close(void **state)
{
    (void)state;
    enum { JOBS = 100 };
    struct job_queue *queue = job_queue_new();
    struct job *jobs[JOBS];
    pthread_t takers[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&takers[i], NULL, take_until_closed, queue), 0);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = job_new(JOB_ATTEMPT);
        job_queue_push(queue, jobs[i]);
    }
    for (int i = 0; i < 1000; i++)
        sched_yield();
    job_queue_close(queue);
    job_queue_push(queue, jobs[0]); /* goes nowhere */
    intptr_t total = 0;
    for (int i = 0; i < 2; i++) {
        void *n;
        pthread_join(takers[i], &n);
        total += (intptr_t)n;
    }
    assert_in_range(total, 0, JOBS);
    assert_null(job_queue_take(queue));
    for (int i = 0; i < JOBS; i++)
        job_free(jobs[i]);
    job_queue_free(queue);
}

/* Observations of services whose site is unknown may hang at a provider: no run waits behind them. */
static void attempts_come_before_observations(void **state)
{
    (void)state;
    struct job_queue *queue = job_queue_new();
    struct job *observation = job_new(JOB_OBSERVE), *attempts[2] = {job_new(JOB_ATTEMPT), job_new(JOB_ATTEMPT)};
    job_queue_push(queue, observation);
    job_queue_push(queue, attempts[0]);
    job_queue_push(queue, attempts[1]);
    assert_ptr_equal(job_queue_take(queue), attempts[0]);
    assert_ptr_equal(job_queue_take_of(queue, POOL_ATTEMPTS, 1), attempts[1]);
    assert_ptr_equal(job_queue_take(queue), observation);
    job_queue_push(queue, observation);
    job_queue_close(queue);
    assert_null(job_queue_take_of(queue, POOL_ATTEMPTS, 1));
    assert_null(job_queue_take(queue));
    job_free(observation);
    job_free(attempts[0]);
    job_free(attempts[1]);
    job_queue_free(queue);
}

/* A program that hangs in one run keeps no check of another waiting. */
static void what_has_no_provider_is_counted_by_its_action(void **state)
{
    (void)state;
    static const char *const actions[] = {"command", "command", "http.check", "linode.dns_record"};
    struct job_queue *queue = job_queue_new();
    struct job *jobs[4];
    for (int i = 0; i < 4; i++) {
        jobs[i] = job_new(JOB_ATTEMPT);
        jobs[i]->step_text = json_pack("{s:s, s:s*}", "action", actions[i], "provider", i == 3 ? "dns" : NULL);
        job_queue_push(queue, jobs[i]);
    }
    assert_ptr_equal(job_queue_take_of(queue, POOL_ATTEMPTS, 1), jobs[0]);
    assert_ptr_equal(job_queue_take_of(queue, POOL_ATTEMPTS, 1), jobs[2]);
    assert_ptr_equal(job_queue_take_of(queue, POOL_ATTEMPTS, 1), jobs[3]);
    job_queue_done(queue, jobs[0]);
    assert_ptr_equal(job_queue_take_of(queue, POOL_ATTEMPTS, 1), jobs[1]);
    for (int i = 0; i < 4; i++)
        job_free(jobs[i]);
    job_queue_free(queue);
}

int main(void)
{
    clock_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_come_out_in_order_up_to_a_batch),
        cmocka_unit_test(a_full_queue_refuses_all_but_results),
        cmocka_unit_test(operators_and_runs_go_before_a_storm),
        cmocka_unit_test(probes_keep_no_operator_out_and_no_storm_keeps_them_out),
        cmocka_unit_test(while_deliveries_are_refused_operators_are_not),
        cmocka_unit_test(a_closed_queue_still_takes_results_and_empties),
        cmocka_unit_test(taking_waits_until_the_time_given),
        cmocka_unit_test(nothing_is_lost_between_threads),
        cmocka_unit_test(attempts_come_before_observations),
        cmocka_unit_test(what_has_no_provider_is_counted_by_its_action),
        cmocka_unit_test(jobs_go_to_one_taker_each_and_stop_at_the_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

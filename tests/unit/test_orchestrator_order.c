/* Several services of one orchestrator: who goes first when not all of them may at once. */
#include "tests/unit/orchestrator_fixture.h"

#define N_SERVICES 3

static struct service services[N_SERVICES];
static char bank[] = "bank", mail[] = "mail";
static int by_priority[] = {1, 2, 0};
static int one_at_a_time[] = {1};

/* The fixture's service is the last in order, and its provider takes one run at a time. */
static void make_three(struct fixture *f)
{
    stop(f);
    for (int i = 0; i < N_SERVICES; i++)
        services[i] = f->service;
    services[1].name = bank;
    services[2].name = mail;
    f->model.services = services;
    f->model.n_services = N_SERVICES;
    f->model.by_priority = by_priority;
    f->model.provider_max_parallel = one_at_a_time;
    start(f);
    for (int i = 0; i < N_SERVICES; i++) {
        struct command *command = operator_call(COMMAND_ADOPT, "gra");
        free(command->as.operator_call.service);
        command->as.operator_call.service = strdup(services[i].name);
        assert_int_equal(send(f, command)->err, ERR_OK);
    }
}

/* That gra is down of one service. */
static struct command *is_down(int service, int source)
{
    struct command *command = delivery(source, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    command->as.delivery.alerts[0].key.bytes[1] = (uint8_t)(1 + service);
    command->as.delivery.alerts[0].targets[0].service = service;
    return command;
}

/* A run ends, and in the same moment another alert comes of a service that waits. */
static void who_goes_first_goes_first_also_in_a_storm(void **state)
{
    struct fixture *f = *state;
    make_three(f);
    assert_int_equal(send(f, is_down(2, 0))->err, ERR_OK);
    struct job *job = next_attempt(f);
    assert_int_equal(send(f, is_down(0, 0))->err, ERR_OK);
    assert_int_equal(send(f, is_down(1, 0))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'provider_busy'"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
    struct command *again = is_down(0, 1);
    again->done = on_done;
    assert_int_equal(command_queue_push(f->commands, again), ERR_OK); /* results are taken first, whoever came first */
    answer(f, job, OUTCOME_OK, true);
    job = next_attempt(f);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE service = 'bank' AND state = 'running'"), 1);
    answer(f, job, OUTCOME_OK, true);
    job = next_attempt(f);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE service = 'shop' AND state = 'running'"), 1);
    answer(f, job, OUTCOME_OK, true);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_goes_first_goes_first_also_in_a_storm, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

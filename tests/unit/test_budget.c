#include "actions/budget.h"

#include "actions/action.h"
#include "base/clock.h"
#include "test.h"

#include <stdlib.h>

#define ATTEMPT false
#define LOOK true

static const struct rate TEN = {10, 60000};

static int take_all(struct budget *budget, const struct rate *rate, bool is_look, int64_t now)
{
    int n = 0;
    while (n < 10000 && budget_take(budget, rate, is_look, now) == 0)
        n++;
    return n;
}

/* Whatever is asked when: no window of a minute ever has more than ten. */
static void test_never_more_than_so_many_in_any_window(void **state)
{
    (void)state;
    struct budget *budget = calloc(1, sizeof *budget);
    int64_t sent[4000];
    int n = 0;
    uint32_t random = 1;
    for (int64_t now = 1; now < 4000000; random = random * 1664525 + 1013904223, now += 1 + random % 3000)
        if (budget_take(budget, &TEN, ATTEMPT, now) == 0)
            sent[n++] = now;
    for (int i = 10; i < n; i++)
        assert_true(sent[i] - sent[i - 10] >= TEN.per_ms);
    assert_in_range(n, 600, 670); /* and what is granted is used */
    free(budget);
}

static void test_says_when_there_is_room(void **state)
{
    (void)state;
    struct budget *budget = calloc(1, sizeof *budget);
    for (int i = 0; i < 10; i++)
        assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 1000 + i), 0);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 2000), 61000);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 60999), 61000);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 61000), 0);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 61000), 61001);
    assert_int_equal(take_all(budget, &TEN, ATTEMPT, 200000), 10);
    free(budget);
}

static void test_looks_leave_a_part_to_attempts(void **state)
{
    (void)state;
    struct budget *budget = calloc(1, sizeof *budget);
    assert_int_equal(take_all(budget, &TEN, LOOK, 1000), 8);
    assert_int_equal(budget_take(budget, &TEN, LOOK, 2000), 61000);
    assert_int_equal(take_all(budget, &TEN, ATTEMPT, 2000), 2);
    /* Two of those eight have to leave before a look has room again, but one for an attempt. */
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 3000), 61000);
    const struct rate one = {1, 1000};
    struct budget *small = calloc(1, sizeof *small);
    assert_int_equal(take_all(small, &one, LOOK, 1000), 1); /* it is not shut out */
    budget->n_waiting = 1;
    assert_true(budget_take(budget, &TEN, LOOK, 500000) > 500000);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 500000), 0);
    budget->n_waiting = 0;
    assert_int_equal(budget_take(budget, &TEN, LOOK, 500000), 0);
    free(small);
    free(budget);
}

static void test_the_providers_own_word_counts(void **state)
{
    (void)state;
    struct budget *budget = calloc(1, sizeof *budget);
    budget_learn(budget, 3, 31000, 1000);
    assert_int_equal(take_all(budget, &TEN, LOOK, 1000), 1); /* a fifth of ten stays */
    assert_int_equal(budget_take(budget, &TEN, LOOK, 1000), 31000);
    assert_int_equal(take_all(budget, &TEN, ATTEMPT, 1000), 2);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 1000), 31000);
    budget_learn(budget, 9, 31000, 2000); /* an answer that was overtaken */
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 2000), 31000);
    assert_int_equal(take_all(budget, &TEN, ATTEMPT, 31000), 7);
    free(budget);
}

static void test_an_odd_word_does_no_harm(void **state)
{
    (void)state;
    struct budget *budget = calloc(1, sizeof *budget);
    budget_learn(budget, -1, 31000, 1000);
    budget_learn(budget, 0, 1000, 1000);
    budget_learn(budget, 0, INT64_MIN, 1000);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 1000), 0);
    budget_learn(budget, 0, INT64_MAX, 1000); /* no run waits for a year */
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 1000), 121000);
    assert_int_equal(budget_take(budget, &TEN, ATTEMPT, 121000), 0);
    const struct rate none = {0, 0};
    assert_int_equal(take_all(budget, &none, LOOK, 1000), 10000);
    free(budget);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

struct stand {
    struct provider_kind kind;
    struct provider provider;
    atomic_bool cancel;
    struct action_call call;
    struct errmsg why;
};

static struct stand *stand_new(int requests, int64_t per_ms, int64_t time_ms)
{
    struct stand *stand = calloc(1, sizeof *stand);
    stand->kind.rate = (struct rate){requests, per_ms};
    stand->provider.kind = &stand->kind;
    stand->call = (struct action_call){
        .provider = &stand->provider, .cancel = &stand->cancel, .deadline_at = clock_steady_ms() + time_ms};
    return stand;
}

static void test_waits_for_its_turn(void **state)
{
    (void)state;
    struct stand *stand = stand_new(2, 150, 5000);
    int64_t began_at = clock_steady_ms();
    for (int i = 0; i < 5; i++)
        assert_int_equal(budget_wait(&stand->call, &stand->why), ERR_OK);
    assert_in_range(clock_steady_ms() - began_at, 300, 4000);
    assert_int_equal(stand->provider.budget.n_waiting, 0);
    free(stand);
}

static void test_says_so_at_once_when_the_time_is_not_enough(void **state)
{
    (void)state;
    struct stand *stand = stand_new(1, 60000, 5000);
    assert_int_equal(budget_wait(&stand->call, &stand->why), ERR_OK);
    int64_t began_at = clock_steady_ms();
    assert_int_equal(budget_wait(&stand->call, &stand->why), ERR_BUSY);
    assert_in_range(clock_steady_ms() - began_at, 0, 1000);
    assert_in_range(stand->call.retry_after_ms, 55000, 60000);
    assert_non_null(strstr(stand->why.text, "1 in 60 s"));
    assert_int_equal(stand->provider.budget.n_waiting, 0);
    free(stand);
}

static void test_says_whose_word_it_is(void **state)
{
    (void)state;
    struct stand *stand = stand_new(10, 60000, 5000);
    budget_heed(&stand->call, 0, clock_wall_ms() + 30000);
    assert_int_equal(budget_wait(&stand->call, &stand->why), ERR_BUSY);
    assert_in_range(stand->call.retry_after_ms, 25000, 30000);
    assert_non_null(strstr(stand->why.text, "it says that no requests are left"));
    free(stand);
}

static void *cancel_soon(void *context)
{
    struct stand *stand = context;
    nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    atomic_store(&stand->cancel, true);
    return NULL;
}

static void test_a_cancel_wakes_it(void **state)
{
    (void)state;
    struct stand *stand = stand_new(1, 60000, 120000);
    pthread_t thread;
    assert_int_equal(budget_wait(&stand->call, &stand->why), ERR_OK);
    int64_t began_at = clock_steady_ms();
    pthread_create(&thread, NULL, cancel_soon, stand);
    assert_int_equal(budget_wait(&stand->call, &stand->why), ERR_CANCELLED);
    assert_in_range(clock_steady_ms() - began_at, 90, 1000);
    pthread_join(thread, NULL);
    assert_int_equal(stand->provider.budget.n_waiting, 0);
    free(stand);
}

int main(void)
{
    clock_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_never_more_than_so_many_in_any_window),
        cmocka_unit_test(test_says_when_there_is_room),
        cmocka_unit_test(test_looks_leave_a_part_to_attempts),
        cmocka_unit_test(test_the_providers_own_word_counts),
        cmocka_unit_test(test_an_odd_word_does_no_harm),
        cmocka_unit_test(test_waits_for_its_turn),
        cmocka_unit_test(test_says_so_at_once_when_the_time_is_not_enough),
        cmocka_unit_test(test_says_whose_word_it_is),
        cmocka_unit_test(test_a_cancel_wakes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Rounds of looks: when they are complete, when something of them never comes, when a commit fails in between, when
 * there are too many, and what a move does with the hash of a plan. */
#include "tests/unit/clock_shift.h"
#include "tests/unit/orchestrator_fixture.h"

#include <stdatomic.h>
#include <string.h>

#define MAX_AT_ONCE 24

static atomic_int writes_to_fail;

enum err __real_store_write(struct store *store, struct store_batch *batch, struct errmsg *why);
enum err __wrap_store_write(struct store *store, struct store_batch *batch, struct errmsg *why);

enum err __wrap_store_write(struct store *store, struct store_batch *batch, struct errmsg *why)
{
    if (atomic_load(&writes_to_fail) > 0) {
        atomic_fetch_sub(&writes_to_fail, 1);
        return err_set(why, ERR_IO, "the disk is away for a moment");
    }
    return __real_store_write(store, batch, why);
}

/* A step in a zone: each round is a look and a survey. */
static int set_up_rounds(void **state)
{
    atomic_store(&wall_shift, 0);
    atomic_store(&steady_shift, 0);
    atomic_store(&writes_to_fail, 0);
    set_up(state);
    struct fixture *f = *state;
    json_object_set_new(f->step.args, "domain", json_string("example.com"));
    f->service.cool_down_ms = 0;
    adopt(f, "gra");
    return 0;
}

/* ---- calls that wait, and looks ---------------------------------------------------------------------------------- */

static struct command *begin(struct fixture *f, enum command_kind kind, const char *hash)
{
    struct command *command = operator_call(kind, "rbx");
    command->done = on_done;
    snprintf(command->as.operator_call.plan, sizeof command->as.operator_call.plan, "%s", hash);
    assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
    return command;
}

static bool is_answered(struct fixture *f, const struct command *command)
{
    bool is_so = false;
    pthread_mutex_lock(&f->mutex);
    for (const struct command *done = f->done; done; done = done->next)
        is_so |= done == command;
    pthread_mutex_unlock(&f->mutex);
    return is_so;
}

static void await(struct fixture *f, const struct command *command)
{
    for (int i = 0; i < WAIT_S * 200; i++) {
        if (is_answered(f, command))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    fail_msg("a call was not answered");
}

/* Everything that was sent before has been taken. */
static void let_it_work(struct fixture *f)
{
    send(f, operator_call(COMMAND_PAUSE, NULL));
}

static struct job *next_of(struct fixture *f, enum job_kind kind)
{
    struct job *job = next_attempt(f);
    assert_int_equal(job->kind, kind);
    return job;
}

static void looked(struct fixture *f, struct job *job, const char *target)
{
    struct command *command = command_new(COMMAND_LOOKED);
    bool is_survey = job->kind == JOB_SURVEY;
    command->context = job;
    command->as.looked =
        (struct command_looked){.round = job->round,
                                .index = job->index,
                                .is_survey = is_survey,
                                .outcome = OUTCOME_OK,
                                .current = is_survey ? json_array() : json_pack("{s:s}", "target", target),
                                .desired = is_survey ? NULL : json_pack("{s:s}", "target", "198.51.100.20"),
                                .took_ms = 5};
    assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
}

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static const char *state_of(const struct command *command)
{
    return text_of(json_array_get(json_object_get(command->as.operator_call.answer, "steps"), 0), "state");
}

static const char *hash_of(const struct command *command)
{
    return text_of(command->as.operator_call.answer, "hash");
}

static const char *made_plan(struct fixture *f, const char *target)
{
    struct command *plan = begin(f, COMMAND_PLAN, "");
    looked(f, next_of(f, JOB_LOOK), target);
    looked(f, next_of(f, JOB_SURVEY), NULL);
    await(f, plan);
    assert_int_equal(plan->err, ERR_OK);
    assert_int_equal(strlen(hash_of(plan)), 64);
    return hash_of(plan);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void a_plan_is_answered_when_all_its_looks_are_there(void **state)
{
    struct fixture *f = *state;
    struct command *plan = begin(f, COMMAND_PLAN, "");
    struct job *look = next_of(f, JOB_LOOK), *survey = next_of(f, JOB_SURVEY);
    assert_true(look->round == survey->round && look->index == 0 && survey->index == 1);
    assert_int_equal(json_array_size(survey->addresses), 1);
    looked(f, survey, NULL);
    let_it_work(f);
    assert_false(is_answered(f, plan));
    looked(f, look, "192.0.2.10");
    await(f, plan);
    assert_int_equal(plan->err, ERR_OK);
    assert_string_equal(state_of(plan), "changes");
    assert_int_equal(json_array_size(json_object_get(plan->as.operator_call.answer, "warnings")), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 0);
}

static void a_look_that_never_comes_is_unknown_after_20_seconds(void **state)
{
    struct fixture *f = *state;
    struct command *plan = begin(f, COMMAND_PLAN, "");
    struct job *look = next_of(f, JOB_LOOK);
    looked(f, next_of(f, JOB_SURVEY), NULL);
    let_it_work(f);
    pass(15000);
    let_it_work(f);
    assert_false(is_answered(f, plan));
    pass(5000);
    await(f, plan);
    assert_int_equal(plan->err, ERR_OK);
    assert_string_equal(state_of(plan), "unknown");
    looked(f, look, "192.0.2.10"); /* it is of no use any more, and does no harm */
    made_plan(f, "192.0.2.10");
}

/* The batch in which the last look starts the move cannot be written at first: it is not lost, and done once. */
static void a_commit_that_fails_loses_no_look(void **state)
{
    struct fixture *f = *state;
    char hash[65];
    snprintf(hash, sizeof hash, "%s", made_plan(f, "192.0.2.10"));
    struct command *move = begin(f, COMMAND_MOVE, hash);
    struct job *look = next_of(f, JOB_LOOK), *survey = next_of(f, JOB_SURVEY);
    atomic_store(&writes_to_fail, 2);
    looked(f, look, "192.0.2.10");
    looked(f, survey, NULL);
    await(f, move);
    assert_int_equal(atomic_load(&writes_to_fail), 0);
    assert_int_equal(move->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
    answer(f, next_of(f, JOB_ATTEMPT), OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
}

static void too_many_rounds_at_once_are_refused(void **state)
{
    struct fixture *f = *state;
    struct command *plans[MAX_AT_ONCE];
    struct job *jobs[2 * MAX_AT_ONCE];
    for (int i = 0; i < MAX_AT_ONCE; i++) {
        plans[i] = begin(f, COMMAND_PLAN, "");
        jobs[2 * i] = next_of(f, JOB_LOOK);
        jobs[2 * i + 1] = next_of(f, JOB_SURVEY);
    }
    struct command *refused = begin(f, COMMAND_PLAN, "");
    await(f, refused);
    assert_int_equal(refused->err, ERR_BUSY);
    assert_non_null(strstr(refused->why.text, "ask again in a few seconds"));
    for (int i = 0; i < 2 * MAX_AT_ONCE; i++)
        looked(f, jobs[i], "192.0.2.10");
    for (int i = 0; i < MAX_AT_ONCE; i++) {
        await(f, plans[i]);
        assert_int_equal(plans[i]->err, ERR_OK);
    }
    made_plan(f, "192.0.2.10"); /* and there is room again */
}

static void a_move_is_refused_when_the_plan_is_another_one(void **state)
{
    struct fixture *f = *state;
    char hash[65];
    snprintf(hash, sizeof hash, "%s", made_plan(f, "192.0.2.10"));
    struct command *move = begin(f, COMMAND_MOVE, hash);
    looked(f, next_of(f, JOB_LOOK), "203.0.113.5"); /* somebody has changed it meanwhile */
    looked(f, next_of(f, JOB_SURVEY), NULL);
    await(f, move);
    assert_int_equal(move->err, ERR_CONFLICT);
    assert_string_equal(move->as.operator_call.code, "plan_changed");
    assert_int_equal(strlen(hash_of(move)), 64);
    assert_string_not_equal(hash_of(move), hash);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 0);
    struct command *as_shown = begin(f, COMMAND_MOVE, hash_of(move)); /* what it would do now is what is wanted */
    looked(f, next_of(f, JOB_LOOK), "203.0.113.5");
    looked(f, next_of(f, JOB_SURVEY), NULL);
    await(f, as_shown);
    assert_int_equal(as_shown->err, ERR_OK);
    answer(f, next_of(f, JOB_ATTEMPT), OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_rounds, tear_down)

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        TEST(a_plan_is_answered_when_all_its_looks_are_there),
        TEST(a_look_that_never_comes_is_unknown_after_20_seconds),
        TEST(a_commit_that_fails_loses_no_look),
        TEST(too_many_rounds_at_once_are_refused),
        TEST(a_move_is_refused_when_the_plan_is_another_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

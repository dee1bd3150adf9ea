/* Faults by countdown, of the executor: the n-th allocation of its threads fails, n = 1, 2, 3 … Each job has a result,
 * which says what happened; the next one goes as if nothing had been. */
#include "executor/executor.h"

#include "action_rig.h"
#include "base/log.h"
#include "base/memory.h"
#include "countdown.h"

static struct sandbox sandbox;

struct setup {
    struct provider provider;
    struct job_queue *jobs;
    struct command_queue *commands;
    struct executor *executor;
};

static int set_up(void **state)
{
    struct errmsg why;
    struct setup *setup = calloc(1, sizeof *setup);
    char url[160];
    snprintf(url, sizeof url, "%s/linode/v4/", sandbox.url);
    setup->provider.name = strdup("linode");
    setup->provider.kind = provider_kind_find("linode");
    setup->provider.args = json_pack("{s:s, s:i}", "url", url, "rate", MAX_RATE);
    setup->provider.secrets[0].row = "token";
    assert_int_equal(secret_set(&setup->provider.secrets[0].value, "sandbox-linode-token", 20), ERR_OK);
    assert_int_equal(setup->provider.kind->open(&setup->provider, &why), ERR_OK);
    setup->jobs = job_queue_new();
    setup->commands = command_queue_new(1000);
    const struct executor_settings settings = {.jobs = setup->jobs,
                                               .commands = setup->commands,
                                               .providers = &setup->provider,
                                               .n_providers = 1,
                                               .n_attempt_threads = 1,
                                               .n_look_threads = 1};
    assert_int_equal(executor_start(&settings, &setup->executor, &why), ERR_OK);
    *state = setup;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *setup = *state;
    executor_stop(setup->executor, 0);
    command_queue_free(setup->commands);
    job_queue_free(setup->jobs);
    setup->provider.kind->close(&setup->provider);
    secret_done(&setup->provider.secrets[0].value);
    json_decref(setup->provider.args);
    free(setup->provider.name);
    free(setup);
    return 0;
}

static json_t *step_text(void)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:{s:s, s:s, s:s, s:s, s:i}}", "name", "DNS", "action", "linode.dns_record",
                     "provider", "linode", "timeout_ms", 10000, "args", "domain", "example.com", "record", "app",
                     "type", "A", "target", "198.51.100.20", "ttl", 30);
}

static struct job *job_of(enum job_kind kind, enum phase phase)
{
    struct job *job = job_new(kind);
    job->phase = phase;
    job->is_scripted = true;
    if (kind == JOB_OBSERVE)
        job->sites = json_pack("[{s:i, s:s, s:[o]}]", "site", 1, "name", "rbx", "steps", step_text());
    else
        job->step_text = step_text();
    if (kind == JOB_SURVEY)
        job->addresses = json_pack("[s]", "192.0.2.10");
    return job;
}

/* What has come of it, with the n-th allocation failing. */
static struct command *result_with(struct setup *setup, struct job *job, int n, bool *ret_has_failed)
{
    struct command *command = NULL;
    arm(FAULT_MEMORY, n);
    job_queue_push(setup->jobs, job);
    if (command_queue_take(setup->commands, &command, 1, clock_steady_ms() + 20000) != 1)
        fail_msg("n = %d: a job has no result", n);
    *ret_has_failed = disarm(FAULT_MEMORY);
    return command;
}

static void done(struct command *command)
{
    job_free(command->context);
    command_free(command);
}

static void reset(void)
{
    sandbox_do(&sandbox, "reset", NULL);
    sandbox_do(&sandbox, "options", "{\"linode_rate_limit\": 1000000}");
}

static bool attempt_fails(struct setup *setup, enum phase phase, int n)
{
    bool has_failed;
    reset();
    struct command *command = result_with(setup, job_of(JOB_ATTEMPT, phase), n, &has_failed);
    const struct command_result *result = &command->as.result;
    int n_made = phase == PHASE_APPLY ? sandbox_effects(&sandbox, "PUT") : 0;
    bool is_said = result->outcome == OUTCOME_OK          ? n_made == (phase == PHASE_APPLY)
                   : result->outcome == OUTCOME_TEMPORARY ? n_made == 0
                                                          : result->outcome == OUTCOME_UNKNOWN && phase == PHASE_APPLY;
    if (!is_said || result->text.text[0] == '\0' || result->is_right)
        fail_msg("n = %d: %s of %s, \"%s\", with %d effects", n, outcome_text(result->outcome), phase_text(phase),
                 result->text.text, n_made);
    done(command);
    return has_failed;
}

static bool look_fails(struct setup *setup, enum job_kind kind, int n)
{
    bool has_failed;
    struct command *command = result_with(setup, job_of(kind, PHASE_OBSERVE), n, &has_failed);
    const struct command_looked *looked = &command->as.looked;
    bool is_said =
        looked->outcome == OUTCOME_OK ? looked->current && !looked->is_right : looked->outcome == OUTCOME_TEMPORARY;
    if (!is_said || looked->text.text[0] == '\0')
        fail_msg("n = %d: %s, \"%s\"", n, outcome_text(looked->outcome), looked->text.text);
    done(command);
    return has_failed;
}

/* The record holds something else than rbx: no fault makes that certain to be rbx. */
static bool round_fails(struct setup *setup, int n)
{
    bool has_failed;
    struct command *command = result_with(setup, job_of(JOB_OBSERVE, PHASE_OBSERVE), n, &has_failed);
    if (command->as.observed.site != SITE_NONE)
        fail_msg("n = %d: site %d is found active", n, command->as.observed.site);
    done(command);
    return has_failed;
}

static void jobs(void **state)
{
    struct setup *setup = *state;
    struct stride stride = stride_of(31);
    int n_observe = stride.first, n_apply = stride.first, n_look = stride.first, n_survey = stride.first,
        n_round = stride.first;
    while (attempt_fails(setup, PHASE_OBSERVE, n_observe))
        n_observe += stride.every;
    while (attempt_fails(setup, PHASE_APPLY, n_apply))
        n_apply += stride.every;
    reset();
    while (look_fails(setup, JOB_LOOK, n_look))
        n_look += stride.every;
    while (look_fails(setup, JOB_SURVEY, n_survey))
        n_survey += stride.every > 1 ? 10 * stride.every : 1; /* of many records, all alike */
    while (round_fails(setup, n_round))
        n_round += stride.every;
    print_message("every %d-th of %d of observe, %d of apply, %d of a look, %d of a survey, %d of a round\n",
                  stride.every, n_observe, n_apply, n_look, n_survey, n_round);
}

int main(void)
{
    is_spared = true;
    json_set_alloc_funcs(memory_wait, free); /* as main() does */
    clock_start();
    fetch_start();
    log_set_level(LOG_LEVEL_ERROR);
    sandbox_start(&sandbox);
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(jobs, set_up, tear_down)};
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    sandbox_stop(&sandbox);
    return result;
}

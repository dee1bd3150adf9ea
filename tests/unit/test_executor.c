/* The executor with real threads and connections: who goes first, who waits for whom, and what a look says. */
#include "executor/executor.h"

#include "base/clock.h"
#include "canned_server.h"
#include "clock_shift.h"
#include "executor/call.h"
#include "test.h"

#include <stdlib.h>

/* A Linode that answers, or one that never does. */
struct server {
    struct canned canned;
    struct canned_answer answer;
    void (*on_record)(struct server *server); /* when one record is read: what happens between this and its change */
    const char *kill_switch;
    struct job *job;
};

static void give(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    struct server *server = context;
    *ret = server->answer;
    if (ret->body[0] != '\0')
        return;
    if (strstr(request->target, "/records/2")) {
        snprintf(ret->body, sizeof ret->body,
                 "{\"id\": 2, \"type\": \"A\", \"name\": \"app\", \"target\": \"192.0.2.10\", \"ttl_sec\": 30}");
        if (server->on_record)
            server->on_record(server);
    } else if (strstr(request->target, "/records"))
        snprintf(
            ret->body, sizeof ret->body,
            "{\"data\": [{\"id\": 2, \"type\": \"A\", \"name\": \"app\", \"target\": \"192.0.2.10\", \"ttl_sec\": 30},"
            " {\"id\": 3, \"type\": \"A\", \"name\": \"old\", \"target\": \"192.0.2.10\", \"ttl_sec\": 300}],"
            " \"page\": 1, \"pages\": 1, \"results\": 2}");
    else
        snprintf(ret->body, sizeof ret->body,
                 "{\"data\": [{\"id\": 1, \"domain\": \"example.com\", \"type\": \"master\", \"status\": \"active\"}],"
                 " \"page\": 1, \"pages\": 1, \"results\": 1}");
}

#define N_PROVIDERS 2
#define FAST 0
#define DEAD 1

struct setup {
    struct server servers[N_PROVIDERS];
    struct provider providers[N_PROVIDERS];
    struct job_queue *jobs;
    struct command_queue *commands;
    struct executor *executor;
    char kill_switch[64];
};

static void provider_make(struct provider *provider, const char *name, const char *url)
{
    struct errmsg why;
    provider->name = strdup(name);
    provider->kind = provider_kind_find("linode");
    provider->args = json_pack("{s:s, s:i}", "url", url, "rate", MAX_RATE);
    provider->secrets[0].row = "token";
    assert_int_equal(secret_set(&provider->secrets[0].value, "hunter2hunter2", 14), ERR_OK);
    assert_int_equal(provider->kind->open(provider, &why), ERR_OK);
}

static int set_up(void **state)
{
    static const char *const names[] = {"fast", "dead"};
    struct errmsg why;
    struct setup *setup = calloc(1, sizeof *setup);
    for (int i = 0; i < N_PROVIDERS; i++) {
        struct server *server = &setup->servers[i];
        server->answer = (struct canned_answer){.status = 200, .fault = i == DEAD ? CANNED_HANG : CANNED_NONE};
        snprintf(server->answer.headers, sizeof server->answer.headers, "Content-Type: application/json\r\n");
        canned_start(&server->canned, give, server);
        provider_make(&setup->providers[i], names[i], server->canned.url);
    }
    setup->jobs = job_queue_new();
    setup->commands = command_queue_new(1000);
    const struct executor_settings settings = {.jobs = setup->jobs,
                                               .commands = setup->commands,
                                               .providers = setup->providers,
                                               .n_providers = N_PROVIDERS,
                                               .n_attempt_threads = 8,
                                               .n_look_threads = 8,
                                               .kill_switch = setup->kill_switch};
    snprintf(setup->kill_switch, sizeof setup->kill_switch, "/tmp/turnout-test-kill-%d", (int)getpid());
    assert_int_equal(executor_start(&settings, &setup->executor, &why), ERR_OK);
    *state = setup;
    return 0;
}

static int tear_down(void **state)
{
    struct setup *setup = *state;
    executor_stop(setup->executor, 0);
    for (struct command *command; command_queue_take(setup->commands, &command, 1, 0) == 1;) {
        job_free(command->context);
        command_free(command);
    }
    command_queue_free(setup->commands);
    job_queue_free(setup->jobs);
    unlink(setup->kill_switch);
    for (int i = 0; i < N_PROVIDERS; i++) {
        struct provider *provider = &setup->providers[i];
        provider->kind->close(provider);
        secret_done(&provider->secrets[0].value);
        json_decref(provider->args);
        free(provider->name);
        canned_stop(&setup->servers[i].canned);
    }
    free(setup);
    return 0;
}

static struct job *job_of(enum job_kind kind, const char *provider, int index)
{
    struct job *job = job_new(kind);
    job->round = 7;
    job->index = index;
    job->phase = PHASE_OBSERVE;
    job->step = index;
    job->step_text = json_pack("{s:s, s:s, s:s, s:i, s:{s:s, s:s, s:s, s:s, s:i}}", "name", "DNS", "action",
                               "linode.dns_record", "provider", provider, "timeout_ms", 10000, "args", "domain",
                               "example.com", "record", "app", "type", "A", "target", "198.51.100.20", "ttl", 30);
    assert_non_null(job->step_text);
    return job;
}

/* NULL: nothing has come within 5 s. */
static struct command *next(struct setup *setup)
{
    struct command *command = NULL;
    return command_queue_take(setup->commands, &command, 1, clock_steady_ms() + 5000) == 1 ? command : NULL;
}

static void done(struct command *command)
{
    job_free(command->context);
    command_free(command);
}

static void test_a_look_says_all_there_is(void **state)
{
    struct setup *setup = *state;
    struct job *job = job_of(JOB_LOOK, "fast", 3);
    job->is_scripted = true;
    job_queue_push(setup->jobs, job);
    struct command *command = next(setup);
    assert_non_null(command);
    assert_int_equal(command->kind, COMMAND_LOOKED);
    const struct command_looked *looked = &command->as.looked;
    assert_int_equal(looked->round, 7);
    assert_int_equal(looked->index, 3);
    assert_false(looked->is_survey);
    assert_int_equal(looked->outcome, OUTCOME_OK);
    assert_false(looked->is_right);
    assert_string_equal(json_string_value(json_object_get(looked->current, "target")), "192.0.2.10");
    assert_string_equal(json_string_value(json_object_get(looked->desired, "target")), "198.51.100.20");
    assert_string_equal(json_string_value(json_object_get(looked->previous, "target")), "192.0.2.10");
    assert_non_null(looked->token);
    assert_true(json_array_size(looked->requests) > 0);
    assert_in_range(looked->took_ms, 0, 5000);
    assert_non_null(looked->script);
    assert_non_null(strstr(looked->script, "curl"));
    assert_null(strstr(looked->script, "hunter2"));
    done(command);
}

static void test_a_survey_finds_what_else_is_there(void **state)
{
    struct setup *setup = *state;
    struct job *job = job_of(JOB_SURVEY, "fast", 0);
    job->addresses = json_pack("[s]", "192.0.2.10");
    job_queue_push(setup->jobs, job);
    struct command *command = next(setup);
    assert_non_null(command);
    const struct command_looked *looked = &command->as.looked;
    assert_true(looked->is_survey);
    assert_int_equal(looked->outcome, OUTCOME_OK);
    assert_int_equal(json_array_size(looked->current), 2);
    done(command);
}

static void test_what_cannot_be_called_is_said(void **state)
{
    struct setup *setup = *state;
    struct job *job = job_of(JOB_LOOK, "gone", 0);
    job_queue_push(setup->jobs, job);
    struct command *command = next(setup);
    assert_int_equal(command->as.looked.outcome, OUTCOME_PERMANENT);
    assert_non_null(strstr(command->as.looked.text.text, "no provider gone"));
    done(command);
    job = job_of(JOB_SURVEY, "fast", 0);
    json_object_set_new(job->step_text, "action", json_string("http.check"));
    json_object_del(job->step_text, "provider");
    job_queue_push(setup->jobs, job);
    command = next(setup);
    assert_int_equal(command->as.looked.outcome, OUTCOME_UNKNOWN);
    assert_string_equal(command->as.looked.text.text, "cannot look");
    done(command);
    job = job_of(JOB_LOOK, "fast", 0);
    json_object_set_new(job->step_text, "action", json_string("dns.check"));
    json_object_del(job->step_text, "provider");
    job->is_scripted = true;
    job_queue_push(setup->jobs, job);
    command = next(setup);
    assert_string_equal(command->as.looked.script, ""); /* and none by another look */
    done(command);
    job = job_of(JOB_LOOK, "fast", 0); /* what cannot look writes all the same */
    json_object_set_new(job->step_text, "action", json_string("command"));
    json_object_set_new(job->step_text, "args", json_pack("{s:[s]}", "run", "/bin/true"));
    json_object_del(job->step_text, "provider");
    job->is_scripted = true;
    job_queue_push(setup->jobs, job);
    command = next(setup);
    assert_non_null(strstr(command->as.looked.script, "write() {"));
    assert_null(strstr(command->as.looked.script, "look() {"));
    done(command);
}

/* More looks at a provider that hangs than there are threads: neither looks at another one nor attempts wait. */
static void test_a_provider_that_hangs_holds_up_no_other(void **state)
{
    struct setup *setup = *state;
    struct job *dead[60];
    for (int i = 0; i < 60; i++) {
        dead[i] = job_of(i < 30 ? JOB_LOOK : JOB_ATTEMPT, "dead", 100 + i);
        job_queue_push(setup->jobs, dead[i]);
    }
    for (int i = 0; i < 10; i++) {
        job_queue_push(setup->jobs, job_of(JOB_LOOK, "fast", i));
        job_queue_push(setup->jobs, job_of(JOB_ATTEMPT, "fast", i));
    }
    int n_looks = 0;
    for (int i = 0; i < 20; i++) {
        struct command *command = next(setup);
        assert_non_null(command);
        bool is_look = command->kind == COMMAND_LOOKED;
        assert_in_range(is_look ? command->as.looked.index : command->as.result.step, 0, 9);
        n_looks += is_look;
        done(command);
    }
    assert_int_equal(n_looks, 10);
    /* A share is a quarter of the threads, of each of the two. */
    assert_in_range(canned_count(&setup->servers[DEAD].canned), 1, 4);
    executor_stop(setup->executor, 0);
    setup->executor = NULL;
    for (struct command *command; command_queue_take(setup->commands, &command, 1, 0) == 1;)
        command_free(command);
    for (int i = 0; i < 60; i++) /* those that waited went nowhere */
        job_free(dead[i]);
}

/* Connections go from job to job, whichever thread takes it. */
static void test_connections_are_kept_between_jobs(void **state)
{
    struct setup *setup = *state;
    for (int i = 0; i < 10; i++) {
        job_queue_push(setup->jobs, job_of(i % 2 ? JOB_LOOK : JOB_ATTEMPT, "fast", i));
        done(next(setup));
    }
    assert_in_range(canned_count(&setup->servers[FAST].canned), 20, 100);
    /* A thread hands its result over before its connection: the next job may meet another one. */
    assert_in_range(setup->servers[FAST].canned.n_connections, 1, 3);
}

static void test_a_cancel_ends_a_look_that_hangs(void **state)
{
    struct setup *setup = *state;
    struct job *job = job_of(JOB_LOOK, "dead", 0);
    job_queue_push(setup->jobs, job);
    for (int i = 0; i < 500 && canned_count(&setup->servers[DEAD].canned) == 0; i++)
        usleep(10000);
    int64_t began_at = clock_steady_ms();
    atomic_store(&job->cancel, true);
    struct command *command = next(setup);
    assert_non_null(command);
    assert_in_range(clock_steady_ms() - began_at, 0, 1000);
    assert_int_equal(command->as.looked.outcome, OUTCOME_CANCELLED);
    done(command);
}

/* Behind the deadline, or after a cancel, nothing goes out: the provider is not even connected to. */
static void test_no_effect_behind_the_deadline(void **state)
{
    struct setup *setup = *state;
    struct job *job = job_of(JOB_ATTEMPT, "fast", 0);
    job->phase = PHASE_APPLY;
    job->deadline_at = clock_steady_ms() - 1;
    job_queue_push(setup->jobs, job);
    struct command *command = next(setup);
    assert_int_equal(command->as.result.outcome, OUTCOME_TEMPORARY);
    assert_non_null(strstr(command->as.result.text.text, "the deadline of the step has passed"));
    done(command);
    job = job_of(JOB_ATTEMPT, "fast", 0);
    job->phase = PHASE_APPLY;
    atomic_store(&job->cancel, true);
    job_queue_push(setup->jobs, job);
    command = next(setup);
    assert_int_equal(command->as.result.outcome, OUTCOME_CANCELLED);
    done(command);
    assert_int_equal(canned_count(&setup->servers[FAST].canned), 0);
}

/* ---- between the look and the write ------------------------------------------------------------------------------ */

static void stop_and_go_on(struct server *server)
{
    (void)server;
    pass(60000);
}

static void stop_past_the_deadline(struct server *server)
{
    (void)server;
    pass(9000);
}

static void make_kill_switch(struct server *server)
{
    FILE *file = fopen(server->kill_switch, "w");
    assert_non_null(file);
    fclose(file);
}

static void cancel(struct server *server)
{
    atomic_store(&server->job->cancel, true);
}

static int count_of(struct canned *canned, const char *method)
{
    int n = 0;
    for (int i = 0; i < canned_count(canned); i++)
        n += strcmp(canned->requests[i].method, method) == 0;
    return n;
}

/* The attempt was allowed to begin; what comes to pass before its one write still counts. */
static void test_no_effect_when_it_was_allowed_long_ago(void **state)
{
    static const struct {
        void (*on_record)(struct server *server);
        enum outcome outcome;
        const char *text;
    } cases[] = {
        {NULL, OUTCOME_OK, "has taken target"},
        {stop_and_go_on, OUTCOME_TEMPORARY, "nothing was sent: what it was based on was read 60 s ago"},
        {stop_past_the_deadline, OUTCOME_TEMPORARY, "the deadline of the step has passed"},
        {make_kill_switch, OUTCOME_TEMPORARY, "kill switch"},
        {cancel, OUTCOME_CANCELLED, "cancelled"},
    };
    struct setup *setup = *state;
    struct server *server = &setup->servers[FAST];
    server->kill_switch = setup->kill_switch;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct job *job = job_of(JOB_ATTEMPT, "fast", 0);
        job->phase = PHASE_APPLY;
        job->deadline_at = clock_steady_ms() + (cases[i].on_record == stop_past_the_deadline ? 8000 : 1000000);
        job->observed = json_pack("{s:i, s:i, s:s, s:i}", "domain", 1, "record", 2, "target", "192.0.2.10", "ttl", 30);
        json_object_set_new(job->step_text, "timeout_ms", json_integer(600000));
        server->on_record = cases[i].on_record;
        server->job = job;
        int n_written = count_of(&server->canned, "PUT");
        job_queue_push(setup->jobs, job);
        struct command *command = NULL;
        while (command_queue_take(setup->commands, &command, 1, clock_steady_ms() + 100000) != 1)
            ;
        const struct command_result *result = &command->as.result;
        if (result->outcome != cases[i].outcome || !strstr(result->text.text, cases[i].text))
            print_error("case %zu: %d, %s\n", i, (int)result->outcome, result->text.text);
        assert_int_equal(result->outcome, cases[i].outcome);
        assert_non_null(strstr(result->text.text, cases[i].text));
        unlink(setup->kill_switch);
        assert_int_equal(count_of(&server->canned, "PUT") - n_written, cases[i].outcome == OUTCOME_OK);
        done(command);
    }
}

/* The last look needs no store, and does not believe what was found long ago. */
static void test_what_was_allowed_long_ago_is_not_any_more(void **state)
{
    const struct setup *setup = *state;
    struct errmsg why;
    atomic_bool cancel = false;
    struct call_consent consent = {
        .base = {.ask = call_consent_ask}, .cancel = &cancel, .kill_switch = setup->kill_switch};
    assert_int_equal(call_consent_ask(&consent.base, true, &why), ERR_CONFLICT);
    assert_int_equal(call_consent_ask(&consent.base, false, &why), ERR_OK);
    pass(9000);
    assert_int_equal(call_consent_ask(&consent.base, true, &why), ERR_OK);
    pass(9000);
    assert_int_equal(call_consent_ask(&consent.base, true, &why), ERR_CONFLICT);
    assert_non_null(strstr(why.text, "nothing was sent: 18 s have passed"));
    assert_int_equal(call_consent_ask(&consent.base, false, &why), ERR_OK);
    atomic_store(&cancel, true);
    assert_int_equal(call_consent_ask(&consent.base, true, &why), ERR_CANCELLED);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        TEST(test_a_look_says_all_there_is),
        TEST(test_a_survey_finds_what_else_is_there),
        TEST(test_what_cannot_be_called_is_said),
        TEST(test_a_provider_that_hangs_holds_up_no_other),
        TEST(test_connections_are_kept_between_jobs),
        TEST(test_a_cancel_ends_a_look_that_hangs),
        TEST(test_no_effect_behind_the_deadline),
        TEST(test_no_effect_when_it_was_allowed_long_ago),
        TEST(test_what_was_allowed_long_ago_is_not_any_more),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Threads that take jobs. A job's outcome always becomes a command, whatever happens: a result that is not reported
 * would leave a run waiting for ever. */
#include "executor.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "store/store.h"

#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define MAX_THREADS 16
#define OBSERVE_TIMEOUT_MS 15000

struct worker {
    struct executor *executor;
    pthread_t thread;
    struct fetch *fetch;
    struct store_reader *reader;
    bool is_for_attempts; /* and nothing else */
    struct job *job;      /* under way; guarded by the executor's mutex */
};

struct executor {
    struct executor_settings settings;
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    int n_busy;
    bool is_cancelling;
    int n_workers;
    struct worker workers[MAX_THREADS];
};

static struct provider *provider_find(const struct executor *executor, const char *name)
{
    for (int i = 0; name && i < executor->settings.n_providers; i++)
        if (strcmp(executor->settings.providers[i].name, name) == 0)
            return &executor->settings.providers[i];
    return NULL;
}

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

PRINTF_LIKE(3, 4)
static void give_up(struct action_result *result, enum outcome outcome, const char *format, ...)
{
    result->outcome = outcome;
    va_list args;
    va_start(args, format);
    vsnprintf(result->text.text, sizeof result->text.text, format, args);
    va_end(args);
}

/* ---- one call of an action --------------------------------------------------------------------------------------- */

/* Fills in what the step's text says. false: result says why it cannot be called. */
static bool call_prepare(struct worker *worker, const json_t *step, struct action_call *call, const struct action **ret,
                         struct action_result *result)
{
    const char *name = text_of(step, "action");
    const struct action *action = name ? action_find(name) : NULL;
    if (!action) {
        give_up(result, OUTCOME_PERMANENT, "this version has no action %s", name ? name : "(none)");
        return false;
    }
    const char *provider = text_of(step, "provider");
    call->provider = provider_find(worker->executor, provider);
    if (action->provider_kind && !call->provider) {
        give_up(result, OUTCOME_PERMANENT, "the configuration has no provider %s any more",
                provider ? provider : "(none)");
        return false;
    }
    if (action->provider_kind && strcmp(call->provider->kind->name, action->provider_kind) != 0) {
        give_up(result, OUTCOME_PERMANENT, "provider %s is of another kind now", provider);
        return false;
    }
    call->args = json_object_get(step, "args");
    call->fetch = worker->fetch;
    call->timeout_ms = json_integer_value(json_object_get(step, "timeout_ms"));
    call->deadline_at = clock_steady_ms() + call->timeout_ms;
    *ret = action;
    return true;
}

/* The last word before an effect, for when nobody can be reached who would say it. Where it cannot be told whether the
 * file is there, it is. */
static bool is_killed(const struct executor *executor, struct action_result *result)
{
    const char *path = executor->settings.kill_switch;
    struct stat info;
    if (!path)
        return false;
    if (stat(path, &info) == 0) {
        give_up(result, OUTCOME_TEMPORARY, "the kill switch %.120s exists: nothing is written until it is removed",
                path);
        return true;
    }
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    give_up(result, OUTCOME_TEMPORARY, "whether the kill switch %.120s exists cannot be told (%s): nothing is written",
            path, strerror(errno));
    return true;
}

/* Immediately before an effect: is this still the attempt to make? */
static bool may_apply(struct worker *worker, const struct job *job, struct action_result *result)
{
    struct errmsg why = {0};
    bool is_current = false;
    enum err err = ERR_OK;
    if (!worker->reader)
        err = store_reader_open(worker->executor->settings.database, &worker->reader, &why);
    if (err == ERR_OK)
        err = store_attempt_is_current(worker->reader, &job->run, job->step, job->attempt, &is_current, &why);
    if (err != ERR_OK) {
        store_reader_close(worker->reader);
        worker->reader = NULL;
        give_up(result, OUTCOME_TEMPORARY, "cannot make sure that this run still is the current one: %s", why.text);
        return false;
    }
    if (!is_current || atomic_load(&job->cancel)) {
        give_up(result, OUTCOME_CANCELLED, "%s", "the run is not the current one any more: nothing was sent");
        return false;
    }
    return !is_killed(worker->executor, result);
}

static void call_phase(struct worker *worker, const struct job *job, const struct action *action,
                       struct action_call *call, struct action_result *result)
{
    void (*function)(struct action_call *, struct action_result *) = NULL;
    switch (job->phase) {
    case PHASE_OBSERVE:
        function = action->observe;
        break;
    case PHASE_APPLY:
        function = action->apply;
        break;
    case PHASE_SETTLE:
        function = action->settled;
        break;
    }
    if (!function) {
        give_up(result, OUTCOME_PERMANENT, "this version's action %s cannot do that", action->name);
        return;
    }
    if (job->phase != PHASE_APPLY || may_apply(worker, job, result))
        function(call, result);
}

/* The job belongs to the orchestrator from the moment its result is pushed, so it must not count as under way then. */
static void hand_over(struct worker *worker, struct command *command, struct job *job)
{
    struct executor *executor = worker->executor;
    command->context = job;
    pthread_mutex_lock(&executor->mutex);
    worker->job = NULL;
    executor->n_busy--;
    /* Results are never refused. */
    if (command_queue_push(executor->settings.commands, command) != ERR_OK)
        log_error("a result could not be handed over");
    pthread_cond_signal(&executor->idle);
    pthread_mutex_unlock(&executor->mutex);
}

static void report_attempt(struct worker *worker, struct command *command, struct job *job,
                           struct action_result *result, json_t *requests)
{
    struct command_result *report = &command->as.result;
    report->run = job->run;
    report->step = job->step;
    report->attempt = job->attempt;
    report->phase = job->phase;
    report->outcome = result->outcome;
    report->is_right = result->is_right;
    report->retry_after_ms = result->retry_after_ms;
    /* Handed over whole: a reference that stayed here would be dropped while the other thread takes one. */
    report->current = result->current;
    report->desired = result->desired;
    report->token = result->token;
    result->current = result->desired = result->token = NULL;
    report->requests = requests;
    report->text = result->text;
    utf8_clean(report->text.text);
    hand_over(worker, command, job);
}

static void do_attempt(struct worker *worker, struct job *job, struct command *command)
{
    char run_id[ID_TEXT_SIZE];
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct action_call call = {.run_id = id_format(&job->run, run_id),
                               .cancel = &job->cancel,
                               .after_unknown_apply = job->after_unknown_apply,
                               .observed = job->observed,
                               .applied = job->applied,
                               .requests = json_array()};
    const struct action *action = NULL;
    if (call_prepare(worker, job->step_text, &call, &action, &result)) {
        call_phase(worker, job, action, &call, &result);
        /* "ok" on record beside "connection refused" would mislead: a check that looked and is not content says so. */
        if (action->is_check && result.outcome == OUTCOME_OK && !result.is_right)
            result.outcome = OUTCOME_NOT_YET;
    }
    report_attempt(worker, command, job, &result, call.requests);
    action_result_done(&result);
}

/* ---- an observation round ---------------------------------------------------------------------------------------- */

enum agreement { AGREES, DIFFERS, CANNOT_TELL };

static enum agreement observe_step(struct worker *worker, const struct job *job, const json_t *step, json_t *requests,
                                   struct errmsg *text)
{
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct action_call call = {.run_id = "", .cancel = &job->cancel, .requests = requests};
    const struct action *action = NULL;
    if (call_prepare(worker, step, &call, &action, &result)) {
        call.timeout_ms = call.timeout_ms < OBSERVE_TIMEOUT_MS ? call.timeout_ms : OBSERVE_TIMEOUT_MS;
        call.deadline_at = clock_steady_ms() + call.timeout_ms;
        action->observe(&call, &result);
    }
    enum agreement agreement = CANNOT_TELL;
    if (result.outcome == OUTCOME_OK)
        agreement = result.is_right ? AGREES : DIFFERS;
    else
        err_set(text, ERR_INVALID, "%.80s: %s", text_of(step, "name"), result.text.text);
    action_result_done(&result);
    return agreement;
}

static enum agreement observe_site(struct worker *worker, const struct job *job, const json_t *steps, json_t *requests,
                                   struct errmsg *text)
{
    if (json_array_size(steps) == 0)
        return CANNOT_TELL;
    enum agreement worst = AGREES;
    size_t i;
    const json_t *step;
    json_array_foreach(steps, i, step)
    {
        enum agreement agreement = observe_step(worker, job, step, requests, text);
        if (agreement == DIFFERS)
            return DIFFERS;
        if (agreement == CANNOT_TELL)
            worst = CANNOT_TELL;
    }
    return worst;
}

/* The one site with which all steps agree, while it is certain that none agrees with another. */
static void do_observe(struct worker *worker, struct job *job, struct command *command)
{
    struct command_observed *observed = &command->as.observed;
    json_t *requests = json_array();
    struct errmsg text = {0};
    const char *agreeing = NULL;
    int n_agreeing = 0;
    bool is_certain = true;
    size_t i;
    const json_t *site;
    observed->site = SITE_NONE;
    json_array_foreach(job->sites, i, site)
    {
        enum agreement agreement = observe_site(worker, job, json_object_get(site, "steps"), requests, &text);
        is_certain &= agreement != CANNOT_TELL;
        if (agreement == AGREES) {
            n_agreeing++;
            agreeing = text_of(site, "name");
            observed->site = (int)json_integer_value(json_object_get(site, "site"));
        }
    }
    struct strbuf line = STRBUF_INIT;
    if (n_agreeing == 1 && is_certain) {
        strbuf_addf(&line, "all steps of the playbook agree with %s", agreeing);
    } else {
        observed->site = SITE_NONE;
        if (n_agreeing > 1)
            strbuf_adds(&line, "the steps of the playbook agree with several sites alike");
        else if (is_certain)
            strbuf_adds(&line, "the steps of the playbook agree with no one site");
        else
            strbuf_addf(&line, "the active site could not be observed: %s",
                        text.text[0] ? text.text : "the playbook has no step that can be observed; use turnout adopt");
    }
    observed->service = job->service;
    observed->text = strbuf_take(&line);
    if (observed->text)
        utf8_clean(observed->text);
    observed->requests = requests;
    hand_over(worker, command, job);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* A job without memory for its result must not get lost: wait for memory. */
static struct command *command_for(const struct job *job)
{
    struct command *command;
    while (!(command = command_new(job->kind == JOB_ATTEMPT ? COMMAND_RESULT : COMMAND_OBSERVED)))
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return command;
}

static void set_busy(struct worker *worker, struct job *job)
{
    struct executor *executor = worker->executor;
    pthread_mutex_lock(&executor->mutex);
    worker->job = job;
    executor->n_busy++;
    if (executor->is_cancelling)
        atomic_store(&job->cancel, true);
    pthread_mutex_unlock(&executor->mutex);
}

static struct job *take_job(const struct worker *worker)
{
    struct job_queue *jobs = worker->executor->settings.jobs;
    return worker->is_for_attempts ? job_queue_take_attempt(jobs) : job_queue_take(jobs);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct job *job;
    while ((job = take_job(worker))) {
        struct command *command = command_for(job);
        set_busy(worker, job);
        if (job->kind == JOB_ATTEMPT)
            do_attempt(worker, job, command);
        else
            do_observe(worker, job, command);
    }
    return NULL;
}

enum err executor_start(const struct executor_settings *settings, struct executor **ret, struct errmsg *why)
{
    struct executor *executor = calloc(1, sizeof *executor);
    if (!executor)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    executor->settings = *settings;
    pthread_mutex_init(&executor->mutex, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&executor->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    for (int i = 0; i < settings->n_threads && i < MAX_THREADS; i++) {
        struct worker *worker = &executor->workers[i];
        worker->executor = executor;
        worker->is_for_attempts = i % 2 != 0; /* half of them: no look at other services makes a run wait */
        worker->fetch = fetch_new();
        if (!worker->fetch || pthread_create(&worker->thread, NULL, work, worker) != 0) {
            fetch_free(worker->fetch);
            job_queue_close(settings->jobs);
            executor_stop(executor, 0);
            return err_set(why, ERR_IO, "cannot start an executor thread");
        }
        executor->n_workers++;
    }
    *ret = executor;
    return ERR_OK;
}

/* With the mutex held. */
static void wait_idle(struct executor *executor, int64_t grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(grace_ms / 1000);
    while (executor->n_busy > 0)
        if (pthread_cond_timedwait(&executor->idle, &executor->mutex, &until) != 0)
            return;
}

void executor_stop(struct executor *executor, int64_t grace_ms)
{
    if (!executor)
        return;
    job_queue_close(executor->settings.jobs);
    pthread_mutex_lock(&executor->mutex);
    wait_idle(executor, grace_ms);
    executor->is_cancelling = true;
    for (int i = 0; i < executor->n_workers; i++)
        if (executor->workers[i].job)
            atomic_store(&executor->workers[i].job->cancel, true);
    pthread_mutex_unlock(&executor->mutex);
    for (int i = 0; i < executor->n_workers; i++) {
        pthread_join(executor->workers[i].thread, NULL);
        fetch_free(executor->workers[i].fetch);
        store_reader_close(executor->workers[i].reader);
    }
    pthread_cond_destroy(&executor->idle);
    pthread_mutex_destroy(&executor->mutex);
    free(executor);
}

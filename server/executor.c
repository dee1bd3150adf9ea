/* Threads that take jobs. A job's outcome always becomes a command, whatever happens: a result that is not reported
 * would leave a run waiting for ever. */
#include "executor_internal.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "executor_call.h"

#include <stdlib.h>
#include <time.h>

/* ---- one attempt ------------------------------------------------------------------------------------------------- */

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
        call_end(result, OUTCOME_TEMPORARY, "cannot make sure that this run still is the current one: %s", why.text);
        return false;
    }
    if (!is_current || atomic_load(&job->cancel)) {
        call_end(result, OUTCOME_CANCELLED, "%s", "the run is not the current one any more: nothing was sent");
        return false;
    }
    /* Asked last: the store may have been long about its answer. */
    if (job->deadline_at != 0 && clock_steady_ms() > job->deadline_at) {
        call_end(result, OUTCOME_TEMPORARY, "the deadline of the step has passed: nothing was sent");
        return false;
    }
    return !call_is_killed(worker->executor->settings.kill_switch, result);
}

/* The job belongs to the orchestrator from the moment its result is pushed, so it must not count as under way then. */
void executor_hand_over(struct worker *worker, struct command *command, struct job *job)
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
    report->previous = result->previous;
    result->current = result->desired = result->token = result->previous = NULL;
    report->requests = requests;
    report->text = result->text;
    utf8_clean(report->text.text);
    executor_hand_over(worker, command, job);
}

static void do_attempt(struct worker *worker, struct job *job, struct command *command)
{
    char run_id[ID_TEXT_SIZE];
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct action_call call = {.fetch = worker->fetch,
                               .run_id = id_format(&job->run, run_id),
                               .cancel = &job->cancel,
                               .is_lag_accepted = job->is_lag_accepted,
                               .after_unknown_apply = job->after_unknown_apply,
                               .observed = job->observed,
                               .applied = job->applied,
                               .requests = json_array()};
    const struct executor_settings *settings = &worker->executor->settings;
    const struct action *action = NULL;
    if (call_prepare(settings->providers, settings->n_providers, job->step_text, &call, &action, &result) &&
        (job->phase != PHASE_APPLY || !action->apply || may_apply(worker, job, &result)))
        call_phase(action, job->phase, &call, &result);
    report_attempt(worker, command, job, &result, call.requests);
    action_result_done(&result);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

/* A job without memory for its result must not get lost: wait for memory. */
static struct command *command_for(const struct job *job)
{
    static const enum command_kind kinds[] = {[JOB_ATTEMPT] = COMMAND_RESULT,
                                              [JOB_OBSERVE] = COMMAND_OBSERVED,
                                              [JOB_LOOK] = COMMAND_LOOKED,
                                              [JOB_SURVEY] = COMMAND_LOOKED};
    struct command *command;
    while (!(command = command_new(kinds[job->kind])))
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    return command;
}

static void perform(struct worker *worker, struct job *job, struct command *command)
{
    switch (job->kind) {
    case JOB_ATTEMPT:
        do_attempt(worker, job, command);
        break;
    case JOB_OBSERVE:
        executor_observe(worker, job, command);
        break;
    case JOB_LOOK:
        executor_look(worker, job, command);
        break;
    case JOB_SURVEY:
        executor_survey(worker, job, command);
        break;
    }
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
        perform(worker, job, command);
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

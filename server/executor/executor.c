/* Threads that take jobs. A job's outcome always becomes a command, whatever happens: a result that is not reported
 * would leave a run waiting for ever. */
#include "executor/internal.h"

#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/utf8.h"
#include "executor/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* ---- one attempt ------------------------------------------------------------------------------------------------- */

/* As the store has it. */
static enum err is_current(void *context, struct errmsg *why)
{
    struct worker *worker = context;
    struct kit *kit = worker->kit;
    const struct job *job = worker->job;
    struct errmsg failed = {0};
    bool is_so = false;
    enum err err = ERR_OK;
    if (!kit->reader)
        err = store_reader_open(worker->pool->executor->settings.database, &kit->reader, &failed);
    if (err == ERR_OK)
        err = store_attempt_is_current(kit->reader, &job->run, job->step, job->attempt, &is_so, &failed);
    if (err != ERR_OK) {
        store_reader_close(kit->reader);
        kit->reader = NULL;
        return err_set(why, ERR_CONFLICT, "cannot make sure that this run still is the current one: %s", failed.text);
    }
    return is_so ? ERR_OK : err_set(why, ERR_CANCELLED, "the run is not the current one any more: nothing was sent");
}

/* Before anything is looked at for an effect that may not begin. */
static bool may_apply(struct consent *consent, struct action_result *result)
{
    struct errmsg why;
    enum err err = consent->ask(consent, false, &why);
    if (err != ERR_OK)
        call_end(result, err == ERR_CANCELLED ? OUTCOME_CANCELLED : OUTCOME_TEMPORARY, "%s", why.text);
    return err == ERR_OK;
}

/* The job belongs to the orchestrator from the moment its result is pushed, so it must not count as under way then. */
void executor_hand_over(struct worker *worker, struct command *command, struct job *job)
{
    struct executor *executor = worker->pool->executor;
    command->context = job;
    job_queue_done(executor->settings.jobs, job);
    pthread_mutex_lock(&executor->mutex);
    worker->job = NULL;
    worker->pool->n_busy--;
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
    crash_scope_add("step %d attempt %d %s", job->step, job->attempt, phase_text(job->phase));
    const struct executor_settings *settings = &worker->pool->executor->settings;
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct call_consent consent = {.base = {.ask = call_consent_ask},
                                   .is_current = settings->database ? is_current : NULL,
                                   .context = worker,
                                   .cancel = &job->cancel,
                                   .deadline_at = job->deadline_at,
                                   .kill_switch = settings->kill_switch};
    struct action_call call = {.fetch = worker->kit->fetch,
                               .run_id = id_format(&job->run, run_id),
                               .cancel = &job->cancel,
                               .consent = job->phase == PHASE_APPLY ? &consent.base : NULL,
                               .is_lag_accepted = job->is_lag_accepted,
                               .after_unknown_apply = job->after_unknown_apply,
                               .observed = job->observed,
                               .applied = job->applied,
                               .requests = json_array()};
    const struct action *action = NULL;
    if (call_prepare(settings->providers, settings->n_providers, job->step_text, &call, &action, &result) &&
        (job->phase != PHASE_APPLY || !action->apply || may_apply(&consent.base, &result))) {
        crash_point("call before");
        call_phase(action, job->phase, &call, &result);
        crash_point("call after");
    }
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
    crash_scope_clear();
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

/* With the mutex held. The one that the provider's last job had, else the one that was used last; NULL: all are in use.
 */
static struct kit *kit_take(struct executor *executor, const char *provider)
{
    struct kit **link = &executor->kits;
    while (*link && strcmp((*link)->provider, provider) != 0)
        link = &(*link)->next;
    if (!*link)
        link = &executor->kits;
    struct kit *kit = *link;
    if (kit)
        *link = kit->next;
    return kit;
}

static void kit_free(struct kit *kit)
{
    if (!kit)
        return;
    fetch_free(kit->fetch);
    store_reader_close(kit->reader);
    free(kit);
}

static struct kit *kit_new(void)
{
    struct kit *kit = calloc(1, sizeof *kit);
    if (kit && (kit->fetch = fetch_new()))
        return kit;
    kit_free(kit);
    return NULL;
}

/* As with the command: a job must not get lost for want of memory. */
static struct kit *kit_for(struct executor *executor, const char *provider)
{
    pthread_mutex_lock(&executor->mutex);
    struct kit *kit = kit_take(executor, provider);
    pthread_mutex_unlock(&executor->mutex);
    while (!kit && !(kit = kit_new()))
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    snprintf(kit->provider, sizeof kit->provider, "%s", provider);
    return kit;
}

static void kit_give_back(struct executor *executor, struct kit *kit)
{
    pthread_mutex_lock(&executor->mutex);
    kit->next = executor->kits;
    executor->kits = kit;
    pthread_mutex_unlock(&executor->mutex);
}

static void *work(void *context);

/* With the mutex held. Where no thread can be had, those that are there do it in turn. */
static bool add_thread(struct pool *pool)
{
    struct worker *worker = &pool->workers[pool->n_workers];
    worker->pool = pool;
    if (pthread_create(&worker->thread, NULL, work, worker) != 0)
        return false;
    pool->n_workers++;
    return true;
}

static void set_busy(struct worker *worker, struct job *job)
{
    struct pool *pool = worker->pool;
    struct executor *executor = pool->executor;
    pthread_mutex_lock(&executor->mutex);
    worker->job = job;
    pool->n_busy++;
    if (executor->is_cancelling)
        atomic_store(&job->cancel, true);
    if (!executor->is_stopping && pool->n_busy == pool->n_workers && pool->n_workers < pool->max_threads)
        (void)add_thread(pool);
    pthread_mutex_unlock(&executor->mutex);
}

static void *work(void *context)
{
    struct worker *worker = context;
    struct pool *pool = worker->pool;
    struct executor *executor = pool->executor;
    struct job *job;
    while ((job = job_queue_take_of(executor->settings.jobs, pool->kind, pool->share))) {
        set_busy(worker, job);
        struct command *command = command_for(job);
        worker->kit = kit_for(executor, job_provider(job));
        perform(worker, job, command);
        kit_give_back(executor, worker->kit);
    }
    return NULL;
}

static void pool_init(struct executor *executor, enum job_pool kind, int max_threads)
{
    struct pool *pool = &executor->pools[kind];
    pool->executor = executor;
    pool->kind = kind;
    pool->max_threads = max_threads < MAX_THREADS_OF_POOL ? max_threads : MAX_THREADS_OF_POOL;
    pool->share = pool->max_threads > 4 ? pool->max_threads / 4 : 1;
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
    pool_init(executor, POOL_ATTEMPTS, settings->n_attempt_threads);
    pool_init(executor, POOL_LOOKS, settings->n_look_threads);
    bool is_started = true;
    pthread_mutex_lock(&executor->mutex);
    for (int i = 0; i < N_POOLS; i++)
        is_started &= add_thread(&executor->pools[i]);
    pthread_mutex_unlock(&executor->mutex);
    if (!is_started) {
        executor_stop(executor, 0);
        return err_set(why, ERR_IO, "cannot start an executor thread");
    }
    *ret = executor;
    return ERR_OK;
}

/* With the mutex held. */
static bool is_idle(const struct executor *executor)
{
    return executor->pools[POOL_ATTEMPTS].n_busy == 0 && executor->pools[POOL_LOOKS].n_busy == 0;
}

/* With the mutex held. */
static void cancel_all(struct pool *pool)
{
    for (int i = 0; i < pool->n_workers; i++)
        if (pool->workers[i].job)
            atomic_store(&pool->workers[i].job->cancel, true);
}

/* With the mutex held. Only attempts are worth the time: a look is made again. */
static void wait_idle(struct executor *executor, int64_t grace_ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(grace_ms / 1000);
    cancel_all(&executor->pools[POOL_LOOKS]);
    while (!is_idle(executor))
        if (pthread_cond_timedwait(&executor->idle, &executor->mutex, &until) != 0)
            return;
}

void executor_stop(struct executor *executor, int64_t grace_ms)
{
    if (!executor)
        return;
    job_queue_close(executor->settings.jobs);
    pthread_mutex_lock(&executor->mutex);
    executor->is_stopping = true;
    wait_idle(executor, grace_ms);
    executor->is_cancelling = true;
    for (int i = 0; i < N_POOLS; i++)
        cancel_all(&executor->pools[i]);
    pthread_mutex_unlock(&executor->mutex);
    for (int i = 0; i < N_POOLS; i++)
        for (int j = 0; j < executor->pools[i].n_workers; j++)
            pthread_join(executor->pools[i].workers[j].thread, NULL);
    for (struct kit *kit = executor->kits, *next; kit; kit = next) {
        next = kit->next;
        kit_free(kit);
    }
    pthread_cond_destroy(&executor->idle);
    pthread_mutex_destroy(&executor->mutex);
    free(executor);
}

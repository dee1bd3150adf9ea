/* See needs.h. */
#include "needs.h"

#include "base/clock.h"
#include "base/secret.h"
#include "fetch/fetch.h"
#include "handlers/source.h"

#include <pthread.h>
#include <stdlib.h>

#define MAX_WAITING 64
#define TIMEOUT_MS 4000
#define MAX_ANSWER ((size_t)64 * 1024)

struct needs {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct need_job *first, **last;
    int length;
    bool is_stopping;
    atomic_bool is_cancelling;
    struct fetch *fetch;
};

void need_job_free(struct need_job *job)
{
    secret_wipe(job, sizeof *job);
    free(job);
}

static enum err get(struct needs *needs, const struct need_job *job, struct fetch_response *response,
                    struct errmsg *why)
{
    const struct fetch_request request = {.method = "GET",
                                          .url = job->need.url,
                                          .timeout_ms = TIMEOUT_MS,
                                          .max_response = MAX_ANSWER,
                                          .cancel = &needs->is_cancelling};
    enum err err = needs->fetch->send(needs->fetch, &request, response, why);
    if (err != ERR_OK)
        return err_prefix(why, ERR_TEMPORARY, "%.200s cannot be had", job->need.what);
    if (response->status < 200 || response->status > 299)
        return err_set(why, ERR_TEMPORARY, "%.200s cannot be had: the answer was HTTP %d", job->need.what,
                       response->status);
    return ERR_OK;
}

static void work(struct needs *needs, struct need_job *job)
{
    const struct handler *handler = job->source->handler;
    struct fetch_response response = {0};
    if (handler->is_needed && !handler->is_needed(job->source, &job->need)) {
        job->done(job);
        return;
    }
    job->err = get(needs, job, &response, &job->why);
    if (job->need.kind == HANDLER_NEEDS_CERTIFICATE)
        handler->learn(job->source, &job->need, strbuf_text(&response.body), response.body.len, clock_wall_ms(),
                       job->err, &job->why);
    fetch_response_done(&response);
    job->done(job);
}

static void *needs_run(void *context)
{
    struct needs *needs = context;
    pthread_mutex_lock(&needs->mutex);
    while (needs->first || !needs->is_stopping) {
        struct need_job *job = needs->first;
        if (!job) {
            pthread_cond_wait(&needs->cond, &needs->mutex);
            continue;
        }
        needs->first = job->next;
        if (!needs->first)
            needs->last = &needs->first;
        needs->length--;
        pthread_mutex_unlock(&needs->mutex);
        work(needs, job);
        pthread_mutex_lock(&needs->mutex);
    }
    pthread_mutex_unlock(&needs->mutex);
    return NULL;
}

void needs_free(struct needs *needs)
{
    if (!needs)
        return;
    pthread_cond_destroy(&needs->cond);
    pthread_mutex_destroy(&needs->mutex);
    fetch_free(needs->fetch);
    free(needs);
}

enum err needs_start(struct needs **ret, struct errmsg *why)
{
    struct needs *needs = calloc(1, sizeof *needs);
    if (!needs)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    pthread_mutex_init(&needs->mutex, NULL);
    pthread_cond_init(&needs->cond, NULL);
    needs->last = &needs->first;
    needs->fetch = fetch_new();
    if (!needs->fetch || pthread_create(&needs->thread, NULL, needs_run, needs) != 0) {
        needs_free(needs);
        return err_set(why, ERR_IO, "a thread cannot be started");
    }
    *ret = needs;
    return ERR_OK;
}

void needs_stop(struct needs *needs)
{
    if (!needs)
        return;
    pthread_mutex_lock(&needs->mutex);
    needs->is_stopping = true;
    atomic_store(&needs->is_cancelling, true); /* what waits fails at once, too */
    pthread_cond_signal(&needs->cond);
    pthread_mutex_unlock(&needs->mutex);
    pthread_join(needs->thread, NULL);
}

enum err needs_push(struct needs *needs, struct need_job *job)
{
    enum err err = ERR_OK;
    pthread_mutex_lock(&needs->mutex);
    if (needs->is_stopping) {
        err = ERR_BUSY;
    } else if (needs->length >= MAX_WAITING) {
        err = ERR_FULL;
    } else {
        job->next = NULL;
        *needs->last = job;
        needs->last = &job->next;
        needs->length++;
        pthread_cond_signal(&needs->cond);
    }
    pthread_mutex_unlock(&needs->mutex);
    return err;
}

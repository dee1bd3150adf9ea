/* The threads for what is slow: one verifies the audit chain, which may take minutes; one reads deliveries again
 * and sums up what shadow mode would have done, a bounded number of rows for each request. Each has a reader of its
 * own, opened for each job. */
#include "http/http_internal.h"

#include "base/log.h"

#include <stdlib.h>

#define MAX_WAITING 8

static void work(struct http *http, struct worker_job *job)
{
    struct store_reader *reader = NULL;
    job->err = store_reader_open(http->settings.database, &reader, &job->why);
    if (job->err == ERR_OK) {
        job->err = job->work(http, reader, job);
        store_reader_close(reader);
    }
    struct exchange *exchange = job->exchange;
    exchange->job = job;
    exchange_complete(exchange);
}

/* What still waits when the daemon stops is done as well: there are few of them. */
static void *worker_run(void *context)
{
    struct worker *worker = context;
    pthread_mutex_lock(&worker->mutex);
    while (worker->first || !worker->is_stopping) {
        struct worker_job *job = worker->first;
        if (!job) {
            pthread_cond_wait(&worker->cond, &worker->mutex);
            continue;
        }
        worker->first = job->next;
        if (!worker->first)
            worker->last = &worker->first;
        worker->length--;
        pthread_mutex_unlock(&worker->mutex);
        work(worker->http, job);
        pthread_mutex_lock(&worker->mutex);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

void worker_init(struct worker *worker, struct http *http)
{
    pthread_mutex_init(&worker->mutex, NULL);
    pthread_cond_init(&worker->cond, NULL);
    worker->last = &worker->first;
    worker->http = http;
}

void worker_done(struct worker *worker)
{
    pthread_cond_destroy(&worker->cond);
    pthread_mutex_destroy(&worker->mutex);
}

enum err worker_start(struct worker *worker)
{
    if (pthread_create(&worker->thread, NULL, worker_run, worker) != 0)
        return ERR_IO;
    worker->is_running = true;
    return ERR_OK;
}

void worker_stop(struct worker *worker)
{
    if (!worker->is_running)
        return;
    pthread_mutex_lock(&worker->mutex);
    worker->is_stopping = true;
    pthread_cond_signal(&worker->cond);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    worker->is_running = false;
}

static bool worker_push(struct worker *worker, struct worker_job *job)
{
    bool is_taken = false;
    pthread_mutex_lock(&worker->mutex);
    if (worker->length < MAX_WAITING && !worker->is_stopping) {
        job->next = NULL;
        *worker->last = job;
        worker->last = &job->next;
        worker->length++;
        is_taken = true;
        pthread_cond_signal(&worker->cond);
    }
    pthread_mutex_unlock(&worker->mutex);
    return is_taken;
}

void worker_give(struct worker *worker, struct request *request, struct worker_job *job)
{
    struct exchange *exchange = job ? exchange_begin(request, INT64_MAX) : NULL;
    if (!exchange) {
        free(job);
        answer_later(request, "out of memory");
        return;
    }
    job->exchange = exchange;
    if (worker_push(worker, job))
        return;
    job->err = err_set(&job->why, ERR_FULL, "too many requests of this kind wait");
    exchange->job = job;
    exchange_complete(exchange);
}

void worker_answered(struct request *request)
{
    struct exchange *exchange = exchange_end(request);
    struct worker_job *job = exchange->job;
    if (atomic_load(&exchange->state) == EXCHANGE_LATE) {
        answer_later(request, "the daemon is stopping");
    } else if (job->err == ERR_OK) {
        answer_json(request, MHD_HTTP_OK, job->answer);
        job->answer = NULL;
    } else if (job->is_unknown) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "%s", job->why.text);
    } else if (job->err == ERR_FULL) {
        answer_later(request, job->why.text);
    } else {
        log_error("api: %s cannot be read: %s", request->route->path, job->why.text);
        answer_later(request, "the database cannot be read at the moment");
    }
    exchange_release(exchange);
}

void worker_job_free(struct worker_job *job)
{
    if (!job)
        return;
    json_decref(job->answer);
    free(job);
}

/* The thread for what is slow: verifying the audit chain. It has a reader of its own, opened for each job. */
#include "http/http_internal.h"

#include <stdlib.h>

#define MAX_WAITING 8

static void work(struct http *http, struct worker_job *job)
{
    struct store_reader *reader = NULL;
    job->err = store_reader_open(http->settings.database, &reader, &job->why);
    if (job->err == ERR_OK) {
        job->err = store_audit_verify(reader, &job->verdict, &job->why);
        store_reader_close(reader);
    }
    struct exchange *exchange = job->exchange;
    exchange->job = job;
    exchange_complete(exchange);
}

/* What still waits when the daemon stops is done as well: there are few of them. */
static void *worker_run(void *context)
{
    struct http *http = context;
    struct worker *worker = &http->worker;
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
        work(http, job);
        pthread_mutex_lock(&worker->mutex);
    }
    pthread_mutex_unlock(&worker->mutex);
    return NULL;
}

enum err worker_start(struct http *http)
{
    struct worker *worker = &http->worker;
    if (pthread_create(&worker->thread, NULL, worker_run, http) != 0)
        return ERR_IO;
    worker->is_running = true;
    return ERR_OK;
}

void worker_stop(struct http *http)
{
    struct worker *worker = &http->worker;
    if (!worker->is_running)
        return;
    pthread_mutex_lock(&worker->mutex);
    worker->is_stopping = true;
    pthread_cond_signal(&worker->cond);
    pthread_mutex_unlock(&worker->mutex);
    pthread_join(worker->thread, NULL);
    worker->is_running = false;
}

enum err worker_push(struct http *http, struct worker_job *job)
{
    struct worker *worker = &http->worker;
    enum err err = ERR_FULL;
    pthread_mutex_lock(&worker->mutex);
    if (worker->length < MAX_WAITING && !worker->is_stopping) {
        job->next = NULL;
        *worker->last = job;
        worker->last = &job->next;
        worker->length++;
        err = ERR_OK;
        pthread_cond_signal(&worker->cond);
    }
    pthread_mutex_unlock(&worker->mutex);
    return err;
}

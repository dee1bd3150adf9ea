/* The queue of jobs: two lists under a mutex. Jobs are few (one per run at a time); simplicity is what counts. */
#include "command_job.h"

#include <pthread.h>
#include <stdlib.h>

struct job_list {
    struct job *first;
    struct job **last;
};

struct job_queue {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct job_list attempts, observations;
    bool is_closed;
};

static void list_clear(struct job_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static struct job *list_take(struct job_list *list)
{
    struct job *job = list->first;
    if (!job)
        return NULL;
    list->first = job->next;
    if (!list->first)
        list->last = &list->first;
    job->next = NULL;
    return job;
}

struct job *job_new(enum job_kind kind)
{
    struct job *job = calloc(1, sizeof *job);
    if (job) {
        job->kind = kind;
        atomic_init(&job->cancel, false);
    }
    return job;
}

void job_free(struct job *job)
{
    if (!job)
        return;
    json_decref(job->step_text);
    json_decref(job->observed);
    json_decref(job->applied);
    json_decref(job->sites);
    json_decref(job->addresses);
    free(job);
}

struct job_queue *job_queue_new(void)
{
    struct job_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->cond, NULL);
    list_clear(&queue->attempts);
    list_clear(&queue->observations);
    return queue;
}

void job_queue_free(struct job_queue *queue)
{
    if (!queue)
        return;
    pthread_cond_destroy(&queue->cond);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

void job_queue_push(struct job_queue *queue, struct job *job)
{
    struct job_list *list = job->kind == JOB_ATTEMPT ? &queue->attempts : &queue->observations;
    pthread_mutex_lock(&queue->mutex);
    if (!queue->is_closed) {
        job->next = NULL;
        *list->last = job;
        list->last = &job->next;
        pthread_cond_broadcast(&queue->cond); /* one alone might be for a taker that does not want it */
    }
    pthread_mutex_unlock(&queue->mutex);
}

static struct job *take(struct job_queue *queue, bool attempts_only)
{
    struct job *job;
    pthread_mutex_lock(&queue->mutex);
    for (;;) {
        job = list_take(&queue->attempts);
        if (!job && !attempts_only)
            job = list_take(&queue->observations);
        if (job || queue->is_closed)
            break;
        pthread_cond_wait(&queue->cond, &queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    return job;
}

struct job *job_queue_take(struct job_queue *queue)
{
    return take(queue, false);
}

struct job *job_queue_take_attempt(struct job_queue *queue)
{
    return take(queue, true);
}

void job_queue_close(struct job_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    list_clear(&queue->attempts);
    list_clear(&queue->observations);
    pthread_cond_broadcast(&queue->cond);
    pthread_mutex_unlock(&queue->mutex);
}

/* The queue of jobs: a list under a mutex. Jobs are few (one per run at a time); simplicity is what counts. */
#include "command_job.h"

#include <pthread.h>
#include <stdlib.h>

struct job_queue {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct job *first;
    struct job **last;
    bool is_closed;
};

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
    free(job);
}

struct job_queue *job_queue_new(void)
{
    struct job_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    pthread_mutex_init(&queue->mutex, NULL);
    pthread_cond_init(&queue->cond, NULL);
    queue->last = &queue->first;
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
    pthread_mutex_lock(&queue->mutex);
    if (!queue->is_closed) {
        job->next = NULL;
        *queue->last = job;
        queue->last = &job->next;
        pthread_cond_signal(&queue->cond);
    }
    pthread_mutex_unlock(&queue->mutex);
}

struct job *job_queue_take(struct job_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    while (!queue->first && !queue->is_closed)
        pthread_cond_wait(&queue->cond, &queue->mutex);
    struct job *job = queue->first;
    if (job) {
        queue->first = job->next;
        if (!queue->first)
            queue->last = &queue->first;
        job->next = NULL;
    }
    pthread_mutex_unlock(&queue->mutex);
    return job;
}

void job_queue_close(struct job_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    queue->first = NULL;
    queue->last = &queue->first;
    pthread_cond_broadcast(&queue->cond);
    pthread_mutex_unlock(&queue->mutex);
}

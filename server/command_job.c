/* The queue of jobs: lists under a mutex. Jobs are few (some per run, and a round of looks); simplicity is what counts.
 */
#include "command_job.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct job_list {
    struct job *first;
    struct job **last;
};

struct job_queue {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct job_list waiting[N_POOLS];
    struct job_list under_way[N_POOLS]; /* what job_queue_take_of() gave */
    bool is_closed;
};

static void list_clear(struct job_list *list)
{
    list->first = NULL;
    list->last = &list->first;
}

static void list_add(struct job_list *list, struct job *job)
{
    job->next = NULL;
    *list->last = job;
    list->last = &job->next;
}

/* Takes out what stands at `link`. */
static struct job *list_take(struct job_list *list, struct job **link)
{
    struct job *job = *link;
    *link = job->next;
    if (list->last == &job->next)
        list->last = link;
    job->next = NULL;
    return job;
}

enum job_pool job_pool(const struct job *job)
{
    return job->kind == JOB_ATTEMPT ? POOL_ATTEMPTS : POOL_LOOKS;
}

const char *job_provider(const struct job *job)
{
    const char *name = json_string_value(json_object_get(job->step_text, "provider"));
    if (!name)
        name = json_string_value(json_object_get(job->step_text, "action"));
    return name ? name : "";
}

static bool is_at_share(const struct job_list *under_way, const struct job *job, int share)
{
    const char *provider = job_provider(job);
    int n = 0;
    for (const struct job *other = under_way->first; other; other = other->next)
        n += strcmp(job_provider(other), provider) == 0;
    return n >= share;
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
    for (int i = 0; i < N_POOLS; i++) {
        list_clear(&queue->waiting[i]);
        list_clear(&queue->under_way[i]);
    }
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
        list_add(&queue->waiting[job_pool(job)], job);
        pthread_cond_broadcast(&queue->cond); /* one alone might be for a taker that does not want it */
    }
    pthread_mutex_unlock(&queue->mutex);
}

struct job *job_queue_take(struct job_queue *queue)
{
    struct job *job = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (!queue->is_closed) {
        for (int i = 0; i < N_POOLS && !job; i++)
            if (queue->waiting[i].first)
                job = list_take(&queue->waiting[i], &queue->waiting[i].first);
        if (job)
            break;
        pthread_cond_wait(&queue->cond, &queue->mutex);
    }
    pthread_mutex_unlock(&queue->mutex);
    return job;
}

/* With the mutex held. The first whose provider is not at its share; NULL: there is none. */
static struct job *take_fair(struct job_queue *queue, enum job_pool pool, int share)
{
    for (struct job **link = &queue->waiting[pool].first; *link; link = &(*link)->next)
        if (!is_at_share(&queue->under_way[pool], *link, share)) {
            struct job *job = list_take(&queue->waiting[pool], link);
            list_add(&queue->under_way[pool], job);
            return job;
        }
    return NULL;
}

struct job *job_queue_take_of(struct job_queue *queue, enum job_pool pool, int share)
{
    struct job *job = NULL;
    pthread_mutex_lock(&queue->mutex);
    while (!queue->is_closed && !(job = take_fair(queue, pool, share)))
        pthread_cond_wait(&queue->cond, &queue->mutex);
    pthread_mutex_unlock(&queue->mutex);
    return job;
}

void job_queue_done(struct job_queue *queue, struct job *job)
{
    struct job_list *list = &queue->under_way[job_pool(job)];
    pthread_mutex_lock(&queue->mutex);
    for (struct job **link = &list->first; *link; link = &(*link)->next)
        if (*link == job) {
            list_take(list, link);
            break;
        }
    pthread_cond_broadcast(&queue->cond); /* the next of its provider may go */
    pthread_mutex_unlock(&queue->mutex);
}

void job_queue_close(struct job_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    for (int i = 0; i < N_POOLS; i++)
        list_clear(&queue->waiting[i]);
    pthread_cond_broadcast(&queue->cond);
    pthread_mutex_unlock(&queue->mutex);
}

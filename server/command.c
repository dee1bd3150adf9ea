/* The queue of commands: many HTTP and executor threads push, the orchestrator takes up to a batch at a time.
 *
 * Three lists under a mutex: what operators ask and what runs report goes before what our own probes say, and that
 * before what monitors send. None is kept out by another, so that a storm of alerts delays nobody who is dealing with
 * it. Pushing wakes the taker only when it sleeps,
 * so that under load a push costs one uncontended lock. Results and observations are taken whatever the length: they
 * answer for work that is out already. */
#include "command.h"

#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct command_list {
    struct command *first;
    struct command **last;
    size_t length;
};

struct command_queue {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct command_list urgent, probed, others;
    size_t max_length; /* of each */
    bool is_waiting, is_closed, is_refusing;
};

struct command *command_new(enum command_kind kind)
{
    struct command *command = calloc(1, sizeof *command);
    if (!command)
        return NULL;
    command->kind = kind;
    if (kind == COMMAND_RUN)
        command->as.operator_call.step = -1;
    return command;
}

static void delivery_done(struct command_delivery *delivery)
{
    free(delivery->body);
    for (size_t i = 0; i < delivery->n_alerts; i++)
        free(delivery->alerts[i].targets);
    free(delivery->alerts);
}

static void operator_done(struct command_operator *call)
{
    free(call->service);
    free(call->site);
    free(call->reason);
    free(call->idempotency_key);
    json_decref(call->answer);
}

static void result_done(struct command_result *result)
{
    json_decref(result->current);
    json_decref(result->desired);
    json_decref(result->token);
    json_decref(result->previous);
    json_decref(result->requests);
}

static void looked_done(struct command_looked *looked)
{
    json_decref(looked->current);
    json_decref(looked->desired);
    json_decref(looked->token);
    json_decref(looked->previous);
    json_decref(looked->requests);
    free(looked->script);
}

void command_free(struct command *command)
{
    if (!command)
        return;
    switch (command->kind) {
    case COMMAND_DELIVERY:
        delivery_done(&command->as.delivery);
        break;
    case COMMAND_MOVE:
    case COMMAND_ADOPT:
    case COMMAND_PAUSE:
    case COMMAND_VOTE:
    case COMMAND_RUN:
    case COMMAND_PLAN:
    case COMMAND_DRILL:
        operator_done(&command->as.operator_call);
        break;
    case COMMAND_RESULT:
        result_done(&command->as.result);
        break;
    case COMMAND_LOOKED:
        looked_done(&command->as.looked);
        break;
    case COMMAND_OBSERVED:
        free(command->as.observed.text);
        json_decref(command->as.observed.requests);
        break;
    case COMMAND_PROBED:
    case COMMAND_OUTSIDE:
    case COMMAND_REJECTED:
    case COMMAND_REFUSED_CALL:
        break;
    }
    free(command);
}

static void list_init(struct command_list *list)
{
    *list = (struct command_list){.last = &list->first};
}

static void list_add(struct command_list *list, struct command *command)
{
    command->next = NULL;
    *list->last = command;
    list->last = &command->next;
    list->length++;
}

static struct command *list_take(struct command_list *list)
{
    struct command *command = list->first;
    if (!command)
        return NULL;
    list->first = command->next;
    if (!list->first)
        list->last = &list->first;
    list->length--;
    command->next = NULL;
    return command;
}

static struct command *take_next(struct command_queue *queue)
{
    struct command *command = list_take(&queue->urgent);
    if (!command)
        command = list_take(&queue->probed);
    return command ? command : list_take(&queue->others);
}

static bool is_empty(const struct command_queue *queue)
{
    return !queue->urgent.first && !queue->probed.first && !queue->others.first;
}

struct command_queue *command_queue_new(size_t max_commands)
{
    struct command_queue *queue = calloc(1, sizeof *queue);
    if (!queue)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&queue->mutex, NULL);
    list_init(&queue->urgent);
    list_init(&queue->probed);
    list_init(&queue->others);
    queue->max_length = max_commands;
    return queue;
}

void command_queue_free(struct command_queue *queue)
{
    if (!queue)
        return;
    struct command *command;
    while ((command = take_next(queue)))
        command_free(command);
    pthread_cond_destroy(&queue->cond);
    pthread_mutex_destroy(&queue->mutex);
    free(queue);
}

static struct command_list *list_of(struct command_queue *queue, enum command_kind kind)
{
    switch (kind) {
    case COMMAND_MOVE:
    case COMMAND_ADOPT:
    case COMMAND_PAUSE:
    case COMMAND_VOTE:
    case COMMAND_RUN:
    case COMMAND_PLAN:
    case COMMAND_DRILL:
    case COMMAND_RESULT:
    case COMMAND_LOOKED:
    case COMMAND_OBSERVED:
    case COMMAND_OUTSIDE:
        return &queue->urgent;
    case COMMAND_PROBED:
        return &queue->probed;
    case COMMAND_DELIVERY:
    case COMMAND_REJECTED:
    case COMMAND_REFUSED_CALL:
        break;
    }
    return &queue->others;
}

bool command_is_report(enum command_kind kind)
{
    return kind == COMMAND_RESULT || kind == COMMAND_LOOKED || kind == COMMAND_OBSERVED;
}

static enum err may_push(const struct command_queue *queue, const struct command_list *list, enum command_kind kind)
{
    if (command_is_report(kind))
        return ERR_OK;
    if (queue->is_closed || (queue->is_refusing && kind == COMMAND_DELIVERY))
        return ERR_BUSY;
    return list->length >= queue->max_length ? ERR_FULL : ERR_OK;
}

enum err command_queue_push(struct command_queue *queue, struct command *command)
{
    struct command_list *list = list_of(queue, command->kind);
    pthread_mutex_lock(&queue->mutex);
    enum err err = may_push(queue, list, command->kind);
    bool must_wake = false;
    if (err == ERR_OK) {
        list_add(list, command);
        must_wake = queue->is_waiting;
    }
    pthread_mutex_unlock(&queue->mutex);
    if (must_wake)
        pthread_cond_signal(&queue->cond);
    return err;
}

/* Waits for at most a second at a time, so that a due time on the steady clock, which goes on while the machine sleeps,
 * is never missed by more than that on the monotonic clock, which does not. */
static void wait_until(struct command_queue *queue, int64_t until)
{
    int64_t wait_ms = until - clock_steady_ms();
    if (until == INT64_MAX || wait_ms > 1000)
        wait_ms = 1000;
    if (wait_ms <= 0)
        return;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    queue->is_waiting = true;
    pthread_cond_timedwait(&queue->cond, &queue->mutex, &at);
    queue->is_waiting = false;
}

size_t command_queue_take(struct command_queue *queue, struct command **ret, size_t max, int64_t until)
{
    pthread_mutex_lock(&queue->mutex);
    while (is_empty(queue) && !queue->is_closed && clock_steady_ms() < until)
        wait_until(queue, until);
    size_t n = 0;
    while (n < max && (ret[n] = take_next(queue)))
        n++;
    pthread_mutex_unlock(&queue->mutex);
    return n;
}

void command_queue_close(struct command_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_closed = true;
    pthread_cond_signal(&queue->cond);
    pthread_mutex_unlock(&queue->mutex);
}

void command_queue_refuse_deliveries(struct command_queue *queue, bool is_refusing)
{
    pthread_mutex_lock(&queue->mutex);
    queue->is_refusing = is_refusing;
    pthread_mutex_unlock(&queue->mutex);
}

bool command_queue_is_idle(struct command_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool is_idle = is_empty(queue);
    pthread_mutex_unlock(&queue->mutex);
    return is_idle;
}

bool command_queue_is_closed(struct command_queue *queue)
{
    pthread_mutex_lock(&queue->mutex);
    bool is_closed = queue->is_closed;
    pthread_mutex_unlock(&queue->mutex);
    return is_closed;
}

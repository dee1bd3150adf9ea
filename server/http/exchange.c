/* A request on its way through another thread while its connection is suspended: see struct exchange. */
#include "http/http_internal.h"

#include <stdlib.h>

static bool leave_waiting(struct exchange *exchange, enum exchange_state state)
{
    int waiting = EXCHANGE_WAITING;
    return atomic_compare_exchange_strong(&exchange->state, &waiting, (int)state);
}

struct exchange *exchange_begin(struct request *request, int64_t due_at)
{
    struct exchange *exchange = malloc(sizeof *exchange);
    if (!exchange)
        return NULL;
    exchange->http = request_http(request);
    exchange->mhd = request->mhd;
    exchange->due_at = due_at;
    exchange->reserved = 0;
    exchange->command = NULL;
    exchange->job = NULL;
    exchange->need = NULL;
    atomic_init(&exchange->references, 2);
    atomic_init(&exchange->state, EXCHANGE_WAITING);
    atomic_fetch_add(&exchange->http->references, 1);
    atomic_fetch_add(&exchange->http->suspended, 1);
    MHD_suspend_connection(request->mhd);
    struct connection *connection = request->connection;
    pthread_mutex_lock(&connection->mutex);
    connection->exchange = exchange;
    pthread_mutex_unlock(&connection->mutex);
    /* Too late for http_stop() to see it, or just in time: one of us two resumes. */
    if (atomic_load(&exchange->http->is_ending) && exchange_expire(exchange))
        MHD_resume_connection(request->mhd);
    return exchange;
}

void exchange_complete(struct exchange *exchange)
{
    struct MHD_Connection *mhd = exchange->mhd;
    if (leave_waiting(exchange, EXCHANGE_DONE))
        MHD_resume_connection(mhd);
    exchange_release(exchange);
}

bool exchange_expire(struct exchange *exchange)
{
    return leave_waiting(exchange, EXCHANGE_LATE);
}

struct exchange *exchange_end(struct request *request)
{
    struct connection *connection = request->connection;
    pthread_mutex_lock(&connection->mutex);
    struct exchange *exchange = connection->exchange;
    connection->exchange = NULL;
    pthread_mutex_unlock(&connection->mutex);
    if (exchange)
        atomic_fetch_sub(&exchange->http->suspended, 1);
    return exchange;
}

void exchange_release(struct exchange *exchange)
{
    if (!exchange || atomic_fetch_sub(&exchange->references, 1) > 1)
        return;
    bodies_release(exchange->http, exchange->reserved);
    command_free(exchange->command);
    worker_job_free(exchange->job);
    if (exchange->need)
        need_job_free(exchange->need);
    http_release(exchange->http);
    free(exchange);
}

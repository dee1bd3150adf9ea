/* Connections: how many at once, how many of one address, and how long each may take.
 *
 * libmicrohttpd's own time-out measures idleness only, so a sender of a byte a second would live for ever. The watchdog
 * keeps our deadlines: it looks at every open connection a few times a second and ends late ones by shutdown(2), which
 * libmicrohttpd sees as a disconnect. The first byte of a request is seen by the kernel's count of bytes received,
 * since libmicrohttpd tells nothing before the headers are complete. A slot's mutex is held from before libmicrohttpd
 * closes a socket, so that a descriptor that was used again is never shut down. */
#include "http/http_internal.h"

#include "base/clock.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

enum err connections_init(struct listener *listener, unsigned max)
{
    listener->connections = calloc(max, sizeof *listener->connections);
    listener->peers = calloc(max, sizeof *listener->peers);
    if (!listener->connections || !listener->peers) {
        connections_done(listener);
        return ERR_NO_MEMORY;
    }
    listener->n_connections = max;
    for (unsigned i = 0; i < max; i++) {
        struct connection *connection = &listener->connections[i];
        connection->listener = listener;
        connection->fd = -1;
        pthread_mutex_init(&connection->mutex, NULL);
    }
    return ERR_OK;
}

void connections_done(struct listener *listener)
{
    for (unsigned i = 0; listener->connections && i < listener->n_connections; i++)
        pthread_mutex_destroy(&listener->connections[i].mutex);
    free(listener->connections);
    free(listener->peers);
    listener->connections = NULL;
    listener->peers = NULL;
}

/* ---- opening and closing, on the listener's thread --------------------------------------------------------------- */

/* All zero when it is of no family that we know. */
static struct address address_of(const struct sockaddr *from)
{
    struct address address = {{0}};
    if (from->sa_family == AF_INET) {
        memcpy(address.bytes, (const uint8_t[]){[10] = 0xff, [11] = 0xff}, 12);
        memcpy(address.bytes + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else if (from->sa_family == AF_INET6) {
        memcpy(address.bytes, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    }
    return address;
}

enum MHD_Result connection_may_open(void *context, const struct sockaddr *address, socklen_t len)
{
    (void)len;
    struct listener *listener = context;
    const struct http_settings *settings = &listener->http->settings;
    const struct address from = address_of(address);
    const struct peer peer = peer_of(&from);
    unsigned of_peer = 0;
    if (networks_hold(settings->trusted_proxies, settings->n_trusted_proxies, &from))
        return MHD_YES; /* it speaks for many */
    for (unsigned i = 0; i < listener->n_connections; i++)
        of_peer += memcmp(&listener->peers[i], &peer, sizeof peer) == 0;
    if (of_peer < settings->max_connections_per_address)
        return MHD_YES;
    atomic_fetch_add(&listener->counters.refused_connections, 1);
    return MHD_NO;
}

static struct connection *free_slot(struct listener *listener)
{
    for (unsigned i = 0; i < listener->n_connections; i++) {
        if (listener->peers[i].bytes[0] == 0)
            return &listener->connections[i];
    }
    return NULL;
}

static void connection_opened(struct listener *listener, struct MHD_Connection *mhd, void **socket_context)
{
    struct connection *connection = free_slot(listener);
    *socket_context = connection;
    if (!connection) /* not with the limit that libmicrohttpd has; its requests are then refused */
        return;
    const union MHD_ConnectionInfo *fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    const union MHD_ConnectionInfo *address = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    atomic_fetch_add(&listener->counters.connections, 1);
    atomic_fetch_add(&listener->counters.open, 1);
    connection->mhd = mhd;
    connection->address = address_of(address->client_addr);
    listener->peers[connection - listener->connections] = peer_of(&connection->address);
    tls_open(connection);
    atomic_store(&connection->n_requests, 0);
    pthread_mutex_lock(&connection->mutex);
    connection->seen_requests = 0;
    connection->bytes = 0;
    connection->fd = fd->connect_fd;
    connection_stage(connection, STAGE_IDLE);
    pthread_mutex_unlock(&connection->mutex);
}

static void connection_closed(struct connection *connection)
{
    if (!connection)
        return;
    pthread_mutex_lock(&connection->mutex);
    connection->fd = -1;
    pthread_mutex_unlock(&connection->mutex);
    tls_close(connection);
    struct listener *listener = connection->listener;
    listener->peers[connection - listener->connections] = (struct peer){{0}};
    atomic_fetch_sub(&listener->counters.open, 1);
}

void connection_notify(void *listener, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_opened(listener, mhd, socket_context);
    else
        connection_closed(*socket_context);
}

void connection_stage(struct connection *connection, enum stage stage)
{
    atomic_store(&connection->since, clock_steady_ms());
    atomic_store(&connection->stage, (int)stage);
}

/* ---- deadlines, on the watchdog's thread ------------------------------------------------------------------------- */

#define TICK_MS 250

#define CLOSE_WAIT 8    /* of the kernel's states: the other side has said that it will send nothing more */
#define HANG_UP_MS 1000 /* for libmicrohttpd to read what came before that */

/* What the kernel says of a connection; all 0 when it says nothing. */
static struct tcp_info tcp_info_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t len = sizeof info;
    if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
        info = (struct tcp_info){0};
    return info;
}

/* Whether nothing can come any more. libmicrohttpd does not see an end that arrived with the last bytes before it, and
 * would wait. */
static bool is_hung_up(int fd)
{
    int unread = 0;
    return tcp_info_of(fd).tcpi_state == CLOSE_WAIT && ioctl(fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* Between requests: has the next one begun? What came with the end of the one before (pipelining) cannot be told from
 * it; then the deadline runs from the next byte. */
static void look_for_first_byte(struct connection *connection)
{
    unsigned n_requests = atomic_load(&connection->n_requests);
    uint64_t bytes = tcp_info_of(connection->fd).tcpi_bytes_received;
    if (connection->seen_requests != n_requests) {
        connection->seen_requests = n_requests;
        connection->bytes = bytes;
    } else if (bytes > connection->bytes) {
        int idle = STAGE_IDLE;
        int64_t now = clock_steady_ms();
        if (atomic_compare_exchange_strong(&connection->stage, &idle, STAGE_HEADER))
            atomic_store(&connection->since, now);
    }
}

static int64_t stage_limit(const struct connection *connection, enum stage stage)
{
    const struct http_settings *settings = &connection->listener->http->settings;
    switch (stage) {
    case STAGE_IDLE:
        return atomic_load(&connection->n_requests) == 0 ? settings->header_deadline_ms : settings->idle_ms;
    case STAGE_HEADER:
        return settings->header_deadline_ms;
    case STAGE_BODY:
        return settings->body_deadline_ms;
    case STAGE_WORK:
        break;
    }
    return INT64_MAX;
}

/* With the slot's mutex held. */
static void cut_when_late(struct connection *connection)
{
    if (atomic_load(&connection->stage) == STAGE_IDLE)
        look_for_first_byte(connection);
    enum stage stage = (enum stage)atomic_load(&connection->stage);
    int64_t waited = clock_steady_ms() - atomic_load(&connection->since);
    bool is_late = waited > stage_limit(connection, stage);
    if (!is_late && (stage == STAGE_WORK || waited < HANG_UP_MS || !is_hung_up(connection->fd)))
        return;
    shutdown(connection->fd, SHUT_RDWR);
    if (is_late)
        atomic_fetch_add(&connection->listener->counters.cut_connections, 1);
    connection_stage(connection, STAGE_WORK); /* once is enough */
}

static void connections_look(struct listener *listener, bool all_are_late)
{
    for (unsigned i = 0; i < listener->n_connections; i++) {
        struct connection *connection = &listener->connections[i];
        struct MHD_Connection *late = NULL;
        pthread_mutex_lock(&connection->mutex);
        struct exchange *exchange = connection->exchange;
        if (exchange && (all_are_late || clock_steady_ms() >= exchange->due_at) && exchange_expire(exchange))
            late = exchange->mhd;
        else if (connection->fd >= 0 && !all_are_late)
            cut_when_late(connection);
        pthread_mutex_unlock(&connection->mutex);
        if (late) /* ours alone now, and it stays suspended until this call */
            MHD_resume_connection(late);
    }
}

void connections_give_up(struct listener *listener)
{
    connections_look(listener, true);
}

static void *watchdog_run(void *context)
{
    struct http *http = context;
    pthread_mutex_lock(&http->watchdog_mutex);
    while (!http->is_watchdog_stopping) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_nsec += TICK_MS * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000L;
        until.tv_nsec %= 1000000000L;
        pthread_cond_timedwait(&http->watchdog_cond, &http->watchdog_mutex, &until);
        pthread_mutex_unlock(&http->watchdog_mutex);
        connections_look(&http->hooks, false);
        connections_look(&http->api, false);
        refusals_tell(http, false);
        tls_look(http);
        pthread_mutex_lock(&http->watchdog_mutex);
    }
    pthread_mutex_unlock(&http->watchdog_mutex);
    return NULL;
}

enum err watchdog_start(struct http *http)
{
    if (pthread_create(&http->watchdog, NULL, watchdog_run, http) != 0)
        return ERR_IO;
    http->is_watchdog_running = true;
    return ERR_OK;
}

void watchdog_stop(struct http *http)
{
    if (!http->is_watchdog_running)
        return;
    pthread_mutex_lock(&http->watchdog_mutex);
    http->is_watchdog_stopping = true;
    pthread_cond_signal(&http->watchdog_cond);
    pthread_mutex_unlock(&http->watchdog_mutex);
    pthread_join(http->watchdog, NULL);
    http->is_watchdog_running = false;
}

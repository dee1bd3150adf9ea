/* Starting and stopping the two listeners. */
#include "http/http.h"

#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define BACKLOG 1024       /* connections the kernel keeps while ours are at their limit */
#define STOP_GRACE_MS 1000 /* for the last answers to leave */

void http_settings_init(struct http_settings *settings)
{
    *settings = (struct http_settings){
        .hooks_rate = 1000,
        .api_rate = 100,
        .max_body = (size_t)4 * 1024 * 1024,
        .max_bodies = (size_t)64 * 1024 * 1024,
        .max_connections = 1024,
        .max_connections_per_address = 256,
        .header_deadline_ms = 10000,
        .body_deadline_ms = 30000,
        .commit_deadline_ms = 5000,
        .idle_ms = 120000,
    };
}

/* ---- a listener -------------------------------------------------------------------------------------------------- */

static enum err bind_failed(const struct listener *listener, int error, struct errmsg *why)
{
    if (error == EADDRINUSE)
        return err_set(why, ERR_BUSY, "%s: %s is taken by another program", listener->setting, listener->text);
    return err_set(why, ERR_IO, "%s: cannot listen on %s: %s", listener->setting, listener->text, strerror(error));
}

/* The socket is ours and not libmicrohttpd's, because that says nothing about why it could not bind. */
static int listen_on(const struct sockaddr *address)
{
    socklen_t len = address->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 && bind(fd, address, len) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

static int port_of(int fd)
{
    union {
        struct sockaddr any;
        struct sockaddr_in ipv4;
        struct sockaddr_in6 ipv6;
    } address = {.ipv6 = {0}};
    socklen_t len = sizeof address;
    if (getsockname(fd, &address.any, &len) != 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.ipv6.sin6_port : address.ipv4.sin_port);
}

static struct MHD_Daemon *daemon_start(struct listener *listener, int fd, bool is_ipv6)
{
    const struct http_settings *settings = &listener->http->settings;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | (is_ipv6 ? MHD_USE_IPv6 : MHD_NO_FLAG) |
                     (listener->http->tls ? MHD_USE_TLS : MHD_NO_FLAG);
    /* Behind our own deadlines: what is idle for longer than any of them, a receiver of an answer among them. */
    unsigned idle_seconds = (unsigned)(settings->idle_ms / 1000) + 2;
    return MHD_start_daemon(flags, 0, connection_may_open, listener, request_handle, listener, MHD_OPTION_LISTEN_SOCKET,
                            fd, MHD_OPTION_CONNECTION_LIMIT, settings->max_connections,
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MAX_HEAD, MHD_OPTION_CONNECTION_TIMEOUT,
                            idle_seconds, MHD_OPTION_NOTIFY_CONNECTION, connection_notify, listener,
                            MHD_OPTION_NOTIFY_COMPLETED, request_completed, listener, MHD_OPTION_UNESCAPE_CALLBACK,
                            request_unescape, listener, MHD_OPTION_ARRAY, tls_options(listener->http), MHD_OPTION_END);
}

static enum err listener_start(struct listener *listener, const struct sockaddr *address, struct errmsg *why)
{
    listener->known = limit_table_new();
    listener->strangers = limit_table_new();
    if (!listener->known || !listener->strangers ||
        connections_init(listener, listener->http->settings.max_connections) != ERR_OK)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    int fd = listen_on(address);
    if (fd < 0)
        return bind_failed(listener, errno, why);
    listener->port = port_of(fd);
    listener->daemon = daemon_start(listener, fd, address->sa_family == AF_INET6);
    if (listener->daemon)
        return ERR_OK;
    close(fd);
    return err_set(why, ERR_IO, "%s: the server on %s cannot be started", listener->setting, listener->text);
}

static void listener_init(struct http *http, struct listener *listener, const char *setting, const char *text,
                          const struct route *routes)
{
    listener->http = http;
    listener->setting = setting;
    listener->text = text;
    listener->routes = routes;
    listener->quiet_fd = -1;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

static struct http *http_new(const struct http_settings *settings)
{
    struct http *http = calloc(1, sizeof *http);
    if (!http)
        return NULL;
    atomic_init(&http->references, 1);
    http->settings = *settings;
    listener_init(http, &http->hooks, "server.hooks", settings->hooks_text, hooks_routes);
    listener_init(http, &http->api, "server.api", settings->api_text, api_routes);
    http->hooks.rate = settings->hooks_rate;
    http->hooks.limit_status = MHD_HTTP_SERVICE_UNAVAILABLE; /* senders drop what is answered with a 4xx */
    http->api.rate = settings->api_rate;
    http->api.limit_status = MHD_HTTP_TOO_MANY_REQUESTS;
    if (settings->tls) {
        http->hooks.clients = settings->tls->hooks_clients;
        http->api.clients = settings->tls->api_clients;
    }
    snprintf(http->why_not_ready, sizeof http->why_not_ready, "the daemon is starting");
    pthread_mutex_init(&http->told_mutex, NULL);
    pthread_mutex_init(&http->refusals_mutex, NULL);
    pthread_mutex_init(&http->watchdog_mutex, NULL);
    worker_init(&http->verifier, http);
    worker_init(&http->rereader, http);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&http->watchdog_cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return http;
}

void http_release(struct http *http)
{
    if (atomic_fetch_sub(&http->references, 1) == 1)
        free(http);
}

static void listener_done(struct listener *listener)
{
    connections_done(listener);
    free(listener->known);
    free(listener->strangers);
}

static void http_done(struct http *http)
{
    store_reader_close(http->reader);
    listener_done(&http->hooks);
    listener_done(&http->api);
    free(http->source_limits);
    tls_done(http);
    pages_done(http);
    refusals_done(http);
    free(http->heard);
    pthread_cond_destroy(&http->watchdog_cond);
    worker_done(&http->verifier);
    worker_done(&http->rereader);
    pthread_mutex_destroy(&http->watchdog_mutex);
    pthread_mutex_destroy(&http->refusals_mutex);
    pthread_mutex_destroy(&http->told_mutex);
    http_release(http);
}

static enum err start_all(struct http *http, struct errmsg *why)
{
    http->heard = calloc((size_t)http->settings.n_sources + 1, sizeof *http->heard);
    http->source_limits = calloc((size_t)http->settings.n_sources + 1, sizeof *http->source_limits);
    if (!http->heard || !http->source_limits || pages_init(http) != ERR_OK || refusals_init(http) != ERR_OK)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    if (http->settings.tls) {
        enum err tls = tls_init(http, why);
        if (tls != ERR_OK)
            return tls;
    }
    if (worker_start(&http->verifier) != ERR_OK || worker_start(&http->rereader) != ERR_OK)
        return err_set(why, ERR_IO, "a thread cannot be started");
    enum err err = listener_start(&http->hooks, http->settings.hooks_address, why);
    if (err == ERR_OK)
        err = listener_start(&http->api, http->settings.api_address, why);
    if (err == ERR_OK && watchdog_start(http) != ERR_OK)
        err = err_set(why, ERR_IO, "a thread cannot be started");
    return err;
}

enum err http_start(const struct http_settings *settings, struct http **ret, struct errmsg *why)
{
    struct http *http = http_new(settings);
    if (!http)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = start_all(http, why);
    if (err == ERR_OK)
        *ret = http;
    else
        http_stop(http);
    return err;
}

int http_hooks_port(const struct http *http)
{
    return http->hooks.port;
}

int http_api_port(const struct http *http)
{
    return http->api.port;
}

void http_set_ready(struct http *http, bool is_ready, const char *why)
{
    pthread_mutex_lock(&http->told_mutex);
    http->is_ready = is_ready;
    snprintf(http->why_not_ready, sizeof http->why_not_ready, "%s", why ? why : "");
    pthread_mutex_unlock(&http->told_mutex);
}

void http_set_holds(struct http *http, const char *const *names)
{
    size_t n = 0;
    pthread_mutex_lock(&http->told_mutex);
    for (; n < HTTP_MAX_HOLDS && names[n]; n++)
        http->holds[n] = names[n];
    http->holds[n] = NULL;
    pthread_mutex_unlock(&http->told_mutex);
}

void http_set_metrics(struct http *http, void (*add)(void *context, struct strbuf *text), void *context)
{
    pthread_mutex_lock(&http->told_mutex);
    http->add_metrics = add;
    http->metrics_context = context;
    pthread_mutex_unlock(&http->told_mutex);
}

/* ---- stopping ---------------------------------------------------------------------------------------------------- */

/* Shut down here and closed at the end: libmicrohttpd's thread may be about to accept on this very number. */
static void quiesce(struct listener *listener)
{
    listener->quiet_fd = listener->daemon ? MHD_quiesce_daemon(listener->daemon) : -1;
    if (listener->quiet_fd >= 0)
        shutdown(listener->quiet_fd, SHUT_RDWR);
}

static void listener_stop(struct listener *listener)
{
    if (listener->daemon)
        MHD_stop_daemon(listener->daemon);
    if (listener->quiet_fd >= 0)
        close(listener->quiet_fd);
}

void http_stop_accepting(struct http *http)
{
    if (atomic_exchange(&http->is_stopping, true))
        return;
    quiesce(&http->hooks);
    quiesce(&http->api);
    refusals_tell(http, true);
}

/* Answers that are ready leave before their connections are closed; a receiver that does not read is not waited for. */
static void wait_for_answers(const struct http *http)
{
    const struct timespec pause = {.tv_nsec = 5000000};
    for (int waited = 0; waited < STOP_GRACE_MS && atomic_load(&http->active_requests) > 0; waited += 5)
        nanosleep(&pause, NULL);
}

void http_stop(struct http *http)
{
    if (!http)
        return;
    http_stop_accepting(http);
    atomic_store(&http->is_ending, true);
    watchdog_stop(http);
    connections_give_up(&http->hooks);
    connections_give_up(&http->api);
    worker_stop(&http->verifier);
    worker_stop(&http->rereader);
    wait_for_answers(http);
    listener_stop(&http->hooks);
    listener_stop(&http->api);
    http_done(http);
}

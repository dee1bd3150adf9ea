/* An HTTP server inside a test: the test's own function answers each request, and may spoil the exchange.
 *
 * Every connection has a thread; the test's function is called by one at a time; all requests are kept for the test to
 * look at. It knows only as much HTTP as the code under test sends: a Content-Length, no chunks. */
#ifndef TURNOUT_TESTS_CANNED_SERVER_H
#define TURNOUT_TESTS_CANNED_SERVER_H

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CANNED_MAX 128

struct canned_request {
    char method[16];
    char target[1024];
    char headers[4096]; /* the lines after the request line */
    char body[8192];
    int connection;
};

enum canned_fault {
    CANNED_NONE,
    CANNED_CLOSE,    /* no answer: the connection is closed */
    CANNED_HANG,     /* no answer until the client goes away */
    CANNED_TRUNCATE, /* half of the body, then closed */
};

struct canned_answer {
    int status;
    char headers[512]; /* lines with CRLF at their ends */
    char body[16384];
    int delay_ms;
    enum canned_fault fault;
};

struct canned {
    void (*answer)(void *context, const struct canned_request *request, struct canned_answer *ret);
    void *context;
    int listener;
    int port;
    char url[64];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_t threads[CANNED_MAX];
    int fds[CANNED_MAX];
    int n_connections;
    struct canned_request *requests; /* CANNED_MAX of them */
    int n_requests;
    atomic_bool is_stopping;
};

struct canned_connection {
    struct canned *server;
    int number;
    int fd;
};

static inline bool canned_write(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

/* Reads one request; false at the end of the connection. */
static inline bool canned_read(int fd, struct canned_request *ret)
{
    char buffer[16384];
    size_t len = 0, body_len = 0;
    char *body = NULL;
    memset(ret, 0, sizeof(*ret));
    while (!body || len < (size_t)(body - buffer) + body_len) {
        ssize_t n = recv(fd, buffer + len, sizeof(buffer) - 1 - len, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
        buffer[len] = '\0';
        char *end = body ? NULL : strstr(buffer, "\r\n\r\n");
        if (end) {
            body = end + 4;
            const char *length = strcasestr(buffer, "\r\nContent-Length:");
            body_len = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
        }
    }
    char *first = strstr(buffer, "\r\n");
    sscanf(buffer, "%15s %1023s", ret->method, ret->target);
    snprintf(ret->headers, sizeof(ret->headers), "%.*s", (int)(body - first), first);
    snprintf(ret->body, sizeof(ret->body), "%.*s", (int)body_len, body);
    return true;
}

static inline bool canned_respond(int fd, const struct canned_answer *answer)
{
    char head[1024];
    size_t body_len = strlen(answer->body);
    bool has_no_body = answer->status == 204;
    int n = has_no_body ? snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\n%s\r\n", answer->status, answer->headers)
                        : snprintf(head, sizeof(head), "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n", answer->status,
                                   body_len, answer->headers);
    if (answer->fault == CANNED_TRUNCATE)
        return canned_write(fd, head, (size_t)n) && canned_write(fd, answer->body, body_len / 2) && false;
    return canned_write(fd, head, (size_t)n) && canned_write(fd, answer->body, has_no_body ? 0 : body_len);
}

static inline void canned_keep(struct canned *server, const struct canned_request *request)
{
    pthread_mutex_lock(&server->lock);
    assert(server->n_requests < CANNED_MAX);
    server->requests[server->n_requests++] = *request;
    pthread_mutex_unlock(&server->lock);
}

static inline void *canned_serve(void *context)
{
    struct canned_connection *connection = context;
    struct canned *server = connection->server;
    struct canned_request *request = calloc(1, sizeof(*request));
    struct canned_answer *answer = calloc(1, sizeof(*answer));
    while (canned_read(connection->fd, request)) {
        request->connection = connection->number;
        canned_keep(server, request);
        memset(answer, 0, sizeof(*answer));
        answer->status = 200;
        pthread_mutex_lock(&server->lock);
        server->answer(server->context, request, answer);
        pthread_mutex_unlock(&server->lock);
        if (answer->delay_ms > 0)
            usleep((useconds_t)answer->delay_ms * 1000);
        if (answer->fault == CANNED_HANG) {
            struct pollfd gone = {.fd = connection->fd, .events = POLLIN};
            poll(&gone, 1, 10000);
            break;
        }
        if (answer->fault == CANNED_CLOSE || !canned_respond(connection->fd, answer))
            break;
    }
    shutdown(connection->fd, SHUT_RDWR);
    free(request);
    free(answer);
    free(connection);
    return NULL;
}

static inline void *canned_accept(void *context)
{
    struct canned *server = context;
    for (;;) {
        int fd = accept(server->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&server->is_stopping)) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        struct canned_connection *connection = calloc(1, sizeof(*connection));
        pthread_mutex_lock(&server->lock);
        assert(server->n_connections < CANNED_MAX);
        *connection = (struct canned_connection){server, server->n_connections, fd};
        server->fds[server->n_connections] = fd;
        pthread_create(&server->threads[server->n_connections++], NULL, canned_serve, connection);
        pthread_mutex_unlock(&server->lock);
    }
}

static inline void canned_start(struct canned *server,
                                void (*answer)(void *context, const struct canned_request *request,
                                               struct canned_answer *ret),
                                void *context)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    memset(server, 0, sizeof(*server));
    server->answer = answer;
    server->context = context;
    server->requests = calloc(CANNED_MAX, sizeof(*server->requests));
    pthread_mutex_init(&server->lock, NULL);
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = bind(server->listener, (struct sockaddr *)&address, sizeof(address));
    assert(rc == 0);
    rc = listen(server->listener, 64);
    assert(rc == 0);
    rc = getsockname(server->listener, (struct sockaddr *)&address, &len);
    assert(rc == 0);
    (void)rc;
    server->port = ntohs(address.sin_port);
    snprintf(server->url, sizeof(server->url), "http://127.0.0.1:%d", server->port);
    pthread_create(&server->thread, NULL, canned_accept, server);
}

static inline void canned_stop(struct canned *server)
{
    atomic_store(&server->is_stopping, true);
    shutdown(server->listener, SHUT_RDWR);
    pthread_join(server->thread, NULL);
    close(server->listener);
    for (int i = 0; i < server->n_connections; i++)
        shutdown(server->fds[i], SHUT_RDWR);
    for (int i = 0; i < server->n_connections; i++) {
        pthread_join(server->threads[i], NULL);
        close(server->fds[i]);
    }
    pthread_mutex_destroy(&server->lock);
    free(server->requests);
}

/* Changes what the test's function reads, while connections may be served. */
static inline void canned_spoil(struct canned *server, struct canned_answer *answer, enum canned_fault fault)
{
    pthread_mutex_lock(&server->lock);
    answer->fault = fault;
    pthread_mutex_unlock(&server->lock);
}

static inline int canned_count(struct canned *server)
{
    pthread_mutex_lock(&server->lock);
    int count = server->n_requests;
    pthread_mutex_unlock(&server->lock);
    return count;
}

#endif

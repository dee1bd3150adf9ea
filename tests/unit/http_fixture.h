/* Both listeners on free ports, with a stand-in for the orchestrator, and a client that speaks HTTP by hand.
 *
 * The stand-in answers deliveries by state like the real one (an alert seen with the same state before is a duplicate),
 * and operators' calls with what the test has put down; it can be told to hold everything back. */
#ifndef TURNOUT_TESTS_HTTP_FIXTURE_H
#define TURNOUT_TESTS_HTTP_FIXTURE_H

#include "test.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "command.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SEEN_MAX 4096
#define HELD_MAX 4096

struct fixture {
    struct model model;
    struct source sources[2];
    struct basic_credential basic;
    struct secret tokens[3];
    struct http_operator operators[3];
    struct http_settings settings;
    struct sockaddr_in address;
    struct command_queue *queue;
    struct http *http;
    pthread_t orchestrator;
    atomic_bool is_holding;
    /* what the stand-in saw; guarded by the mutex */
    pthread_mutex_t mutex;
    struct {
        struct alert_key key;
        enum alert_state state;
        struct id delivery;
    } seen[SEEN_MAX];
    int n_seen;
    int rejected_commands, rejected_requests, refused_commands, refused_requests;
    struct command_refused last_refused;
    struct command_delivery last_delivery; /* without what it owned */
    char last_body[256];
    enum command_kind last_kind;
    struct command_operator last_call; /* without what it owned */
    char last_service[64], last_site[64], last_reason[64], last_key[64];
    /* what it answers to operators' calls */
    enum err call_err;
    char call_code[64];
};

/* ---- the stand-in ------------------------------------------------------------------------------------------------ */

static inline void stand_in_delivery(struct fixture *f, struct command_delivery *delivery)
{
    bool is_new = false;
    delivery->answer_id = delivery->id;
    for (size_t i = 0; i < delivery->n_alerts; i++) {
        const struct alert *alert = &delivery->alerts[i];
        int at = 0;
        while (at < f->n_seen && memcmp(&f->seen[at].key, &alert->key, sizeof alert->key) != 0)
            at++;
        if (at == f->n_seen && f->n_seen < SEEN_MAX)
            f->n_seen++;
        else if (at < f->n_seen && f->seen[at].state == alert->state) {
            delivery->answer_id = f->seen[at].delivery;
            continue;
        }
        if (at < SEEN_MAX) {
            f->seen[at].key = alert->key;
            f->seen[at].state = alert->state;
            f->seen[at].delivery = delivery->id;
        }
        is_new = true;
    }
    delivery->is_duplicate = !is_new;
    f->last_delivery = *delivery;
    size_t len = delivery->body_len < sizeof f->last_body - 1 ? delivery->body_len : sizeof f->last_body - 1;
    memcpy(f->last_body, delivery->body, len);
    f->last_body[len] = '\0';
}

static inline void stand_in_call(struct fixture *f, struct command *command)
{
    struct command_operator *call = &command->as.operator_call;
    f->last_kind = command->kind;
    f->last_call = *call;
    snprintf(f->last_service, sizeof f->last_service, "%s", call->service ? call->service : "");
    snprintf(f->last_site, sizeof f->last_site, "%s", call->site ? call->site : "");
    snprintf(f->last_reason, sizeof f->last_reason, "%s", call->reason);
    snprintf(f->last_key, sizeof f->last_key, "%s", call->idempotency_key ? call->idempotency_key : "");
    command->err = f->call_err == ERR_OK ? ERR_OK : err_set(&command->why, f->call_err, "because");
    snprintf(call->code, sizeof call->code, "%s", f->call_code);
    call->answer_run = command->kind == COMMAND_RUN ? call->run : id_new(clock_wall_ms());
}

static inline void stand_in_answer(struct fixture *f, struct command *command)
{
    pthread_mutex_lock(&f->mutex);
    switch (command->kind) {
    case COMMAND_DELIVERY:
        stand_in_delivery(f, &command->as.delivery);
        break;
    case COMMAND_REJECTED:
        f->rejected_commands++;
        f->rejected_requests += command->as.refused.count;
        f->last_refused = command->as.refused;
        break;
    case COMMAND_REFUSED_CALL:
        f->refused_commands++;
        f->refused_requests += command->as.refused.count;
        f->last_refused = command->as.refused;
        break;
    case COMMAND_MOVE:
    case COMMAND_ADOPT:
    case COMMAND_PAUSE:
    case COMMAND_VOTE:
    case COMMAND_PROBED:
    case COMMAND_OUTSIDE:
    case COMMAND_RUN:
    case COMMAND_PLAN:
    case COMMAND_DRILL:
        stand_in_call(f, command);
        break;
    case COMMAND_RESULT:
    case COMMAND_LOOKED:
    case COMMAND_OBSERVED:
        break;
    }
    pthread_mutex_unlock(&f->mutex);
    command->done(command);
}

static inline void *stand_in_run(void *context)
{
    struct fixture *f = context;
    struct command *held[HELD_MAX];
    size_t n = 0;
    for (;;) {
        if (n < HELD_MAX)
            n +=
                command_queue_take(f->queue, held + n, HELD_MAX - n < 256 ? HELD_MAX - n : 256, clock_steady_ms() + 20);
        if (atomic_load(&f->is_holding) && !command_queue_is_closed(f->queue))
            continue;
        for (size_t i = 0; i < n; i++)
            stand_in_answer(f, held[i]);
        n = 0;
        if (command_queue_is_closed(f->queue) && command_queue_is_idle(f->queue))
            return NULL;
    }
}

/* ---- setting up -------------------------------------------------------------------------------------------------- */

#define BEARER "hooks-token-0123456789"
#define OPERATOR_TOKEN "operator-token-0123456789"
#define VIEWER_TOKEN "viewer-token-0123456789"
#define APPROVER_TOKEN "approver-token-0123456789"

static char fixture_gra[] = "gra", fixture_rbx[] = "rbx", fixture_shop[] = "shop", fixture_wiki[] = "wiki";
static char fixture_label[] = "service", fixture_user[] = "user";
static char fixture_prometheus[] = "prometheus", fixture_other[] = "other";
static struct site fixture_sites[] = {{.name = fixture_gra}, {.name = fixture_rbx}};
static char *fixture_values[] = {fixture_shop};
static struct label_match fixture_match = {
    .label = fixture_label, .values = fixture_values, .n_values = 1, .text = fixture_shop};
static struct alert_rule fixture_rule = {.source = 0, .matches = &fixture_match, .n_matches = 1, .site = 0};
static struct service fixture_services[] = {
    {.name = fixture_shop,
     .sites = fixture_sites,
     .n_sites = 2,
     .rules = &fixture_rule,
     .n_rules = 1,
     .mode = MODE_AUTOMATIC,
     .votes = 2,
     .hold_ms = 30000},
    {.name = fixture_wiki, .sites = fixture_sites, .n_sites = 2, .mode = MODE_MANUAL, .votes = 1, .hold_ms = 1000},
};
static enum trust fixture_trusts[] = {TRUST_SECRET, TRUST_OPEN};
static char *fixture_source_names[] = {fixture_prometheus, fixture_other};

static inline void fixture_secret(struct secret_list *list, const char *text)
{
    struct secret *secret = secret_list_add(list);
    assert_non_null(secret);
    assert_int_equal(secret_set(secret, text, strlen(text)), ERR_OK);
}

static inline void fixture_init(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    pthread_mutex_init(&f->mutex, NULL);
    f->model = (struct model){.services = fixture_services,
                              .n_services = 2,
                              .source_names = fixture_source_names,
                              .source_trust = fixture_trusts,
                              .n_sources = 2};
    for (int i = 0; i < 2; i++) {
        f->sources[i].name = fixture_source_names[i];
        f->sources[i].handler = handler_find("alertmanager");
    }
    fixture_secret(&f->sources[0].bearer, BEARER);
    f->sources[0].basic = &f->basic;
    f->sources[0].n_basic = 1;
    f->basic.user = fixture_user;
    assert_int_equal(secret_set(&f->basic.password, "pa:ss", 5), ERR_OK);
    fixture_secret(&f->sources[1].bearer, "other");
    assert_int_equal(secret_set(&f->tokens[0], OPERATOR_TOKEN, strlen(OPERATOR_TOKEN)), ERR_OK);
    assert_int_equal(secret_set(&f->tokens[1], VIEWER_TOKEN, strlen(VIEWER_TOKEN)), ERR_OK);
    assert_int_equal(secret_set(&f->tokens[2], APPROVER_TOKEN, strlen(APPROVER_TOKEN)), ERR_OK);
    f->operators[0] = (struct http_operator){"oncall", ROLE_OPERATOR, &f->tokens[0]};
    f->operators[1] = (struct http_operator){"screen", ROLE_VIEWER, &f->tokens[1]};
    f->operators[2] = (struct http_operator){"chief", ROLE_APPROVER, &f->tokens[2]};
    f->address = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    f->queue = command_queue_new(4096);
    http_settings_init(&f->settings);
    f->settings.hooks_address = f->settings.api_address = (const struct sockaddr *)&f->address;
    f->settings.hooks_text = f->settings.api_text = "127.0.0.1:0";
    f->settings.sources = f->sources;
    f->settings.n_sources = 2;
    f->settings.operators = f->operators;
    f->settings.n_operators = 3;
    f->settings.model = &f->model;
    f->settings.queue = f->queue;
    f->settings.database = "/nonexistent/turnout.db";
}

static inline void fixture_start(struct fixture *f)
{
    struct errmsg why = {""};
    if (http_start(&f->settings, &f->http, &why) != ERR_OK)
        fail_msg("%s", why.text);
    assert_int_equal(pthread_create(&f->orchestrator, NULL, stand_in_run, f), 0);
}

static inline void fixture_done(struct fixture *f)
{
    http_stop_accepting(f->http);
    command_queue_close(f->queue);
    pthread_join(f->orchestrator, NULL);
    http_stop(f->http);
    command_queue_free(f->queue);
    for (int i = 0; i < 2; i++) {
        secret_list_done(&f->sources[i].bearer);
        secret_list_done(&f->sources[i].path_token);
    }
    for (int i = 0; i < 3; i++)
        secret_done(&f->tokens[i]);
    secret_done(&f->basic.password);
    pthread_mutex_destroy(&f->mutex);
}

/* For tests that change settings before they call fixture_start(). */
static inline int fixture_set_up(void **state)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    *state = &fixture;
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    fixture_done(*state);
    return 0;
}

/* ---- the client -------------------------------------------------------------------------------------------------- */

struct answer {
    int status; /* 0: the connection was closed without one */
    char head[8192];
    char *body; /* NUL-terminated; free it by answer_done() */
    size_t len;
};

static inline void answer_done(struct answer *answer)
{
    free(answer->body);
    *answer = (struct answer){0};
}

static inline void sleep_ms(int ms)
{
    nanosleep(&(struct timespec){ms / 1000, (long)(ms % 1000) * 1000000}, NULL);
}

/* From 127.0.0.`host`. */
static inline int connect_from(int host, int port)
{
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)host - 1)};
    struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&from, sizeof from), 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    const struct timeval limit = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    return fd;
}

static inline int connect_to(int port)
{
    return connect_from(1, port);
}

/* False when the other side has closed. */
static inline bool send_bytes(int fd, const char *bytes, size_t len)
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

static inline bool send_text(int fd, const char *text)
{
    return send_bytes(fd, text, strlen(text));
}

/* Exactly `len` bytes; false at the end. */
static inline bool receive(int fd, char *to, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(fd, to, len, 0);
        if (n <= 0)
            return false;
        to += n;
        len -= (size_t)n;
    }
    return true;
}

static inline const char *answer_header(const struct answer *answer, const char *name, char *value, size_t size)
{
    char line[128];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strcasestr(answer->head, line);
    value[0] = '\0';
    if (!at)
        return NULL;
    at += strlen(line);
    snprintf(value, size, "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static inline bool receive_head(int fd, struct answer *ret)
{
    size_t len = 0;
    while (len < sizeof ret->head - 1 && receive(fd, ret->head + len, 1)) {
        len++;
        ret->head[len] = '\0';
        if (len >= 4 && strcmp(ret->head + len - 4, "\r\n\r\n") == 0)
            return sscanf(ret->head, "HTTP/1.1 %d", &ret->status) == 1;
    }
    return false;
}

static inline bool receive_more(int fd, struct answer *ret, size_t len)
{
    ret->body = realloc(ret->body, ret->len + len + 1);
    assert_non_null(ret->body);
    if (!receive(fd, ret->body + ret->len, len))
        return false;
    ret->len += len;
    ret->body[ret->len] = '\0';
    return true;
}

static inline bool receive_chunks(int fd, struct answer *ret)
{
    for (;;) {
        char line[32], end[2];
        size_t len = 0;
        while (len < sizeof line - 1 && receive(fd, line + len, 1) && line[len] != '\n')
            len++;
        line[len] = '\0';
        size_t size = strtoul(line, NULL, 16);
        if (size > 0 && !receive_more(fd, ret, size))
            return false;
        if (!receive(fd, end, 2))
            return false;
        if (size == 0)
            return true;
    }
}

/* The next answer on a connection, "100 Continue" too. */
static inline bool receive_answer(int fd, bool is_head, struct answer *ret)
{
    char value[64];
    *ret = (struct answer){.body = calloc(1, 1)};
    if (!receive_head(fd, ret))
        return false;
    if (is_head || ret->status == 100 || ret->status == 304)
        return true;
    if (answer_header(ret, "Transfer-Encoding", value, sizeof value))
        return receive_chunks(fd, ret);
    if (answer_header(ret, "Content-Length", value, sizeof value))
        return receive_more(fd, ret, strtoul(value, NULL, 10));
    return true;
}

/* One request on a connection of its own. `headers`: lines with CRLF. `body` NULL: none. */
static inline struct answer ask(int port, const char *method, const char *target, const char *headers, const char *body,
                                size_t len)
{
    struct answer answer;
    char length[64] = "";
    char head[8192];
    if (body)
        snprintf(length, sizeof length, "Content-Length: %zu\r\n", len);
    int n =
        snprintf(head, sizeof head, "%s %s HTTP/1.1\r\nHost: localhost\r\n%s%s\r\n", method, target, headers, length);
    int fd = connect_to(port);
    send_bytes(fd, head, (size_t)n);
    if (body)
        send_bytes(fd, body, len);
    receive_answer(fd, strcmp(method, "HEAD") == 0, &answer);
    close(fd);
    return answer;
}

/* Whether the other side closes within so many milliseconds; what it sends before is dropped. */
static inline bool is_closed_within(int fd, int ms)
{
    int64_t until = clock_steady_ms() + ms;
    for (;;) {
        int64_t left = until - clock_steady_ms();
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (left <= 0 || poll(&poller, 1, (int)left) <= 0)
            return false;
        char dropped[4096];
        if (recv(fd, dropped, sizeof dropped, 0) <= 0)
            return true;
    }
}

#endif

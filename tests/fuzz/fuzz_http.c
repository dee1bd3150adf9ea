/* Both listeners under arbitrary bytes. They are started once; each input is one connection, and after it both must
 * still serve.
 *
 * The first byte of an input says where it comes in: "h" hooks, "a" the API; "H" and "A" the same through a trusted
 * proxy. The connection is a socket pair, which spares the kernel's TCP. When a client hears no more cannot be known
 * from outside, so a second, kept connection is asked for /healthz: libmicrohttpd has one thread for each listener,
 * which has done by then with what was sent before.
 *
 * Known of libmicrohttpd 0.9.75: it sends the head of its own answer to a wrong Content-Length twice. So what follows
 * an answer with "Connection: close" is not looked at. */
#include "base/clock.h"
#include "base/log.h"
#include "http/http_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define expect(condition) expect_true((condition), #condition)

static void expect_true(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* ---- the daemon -------------------------------------------------------------------------------------------------- */

#define PROXY 0x0a000001 /* 10.0.0.1 */
#define OTHER 0x7f000001

static struct http *http;
static struct command_queue *queue;
static int pings[2];
static unsigned n_inputs;
static char database[] = "/tmp/turnout-fuzz-XXXXXX/turnout.db";

static char gra[] = "gra", rbx[] = "rbx", shop[] = "shop", service_label[] = "service", first[] = "first",
            second[] = "second", signed_one[] = "signed";
static struct site sites[] = {{.name = gra}, {.name = rbx}};
static char *values[] = {shop};
static struct label_match match = {.label = service_label, .values = values, .n_values = 1, .text = shop};
static struct alert_rule rule = {.source = 0, .matches = &match, .n_matches = 1, .site = 0};
static struct service services[] = {{.name = shop,
                                     .sites = sites,
                                     .n_sites = 2,
                                     .rules = &rule,
                                     .n_rules = 1,
                                     .mode = MODE_AUTOMATIC,
                                     .votes = 1,
                                     .hold_ms = 30000}};
static char *source_names[] = {first, second, signed_one};
static enum trust source_trust[] = {TRUST_SECRET, TRUST_OPEN, TRUST_SIGNED};
static struct model model = {
    .services = services, .n_services = 1, .source_names = source_names, .source_trust = source_trust, .n_sources = 3};
static struct source fuzzed_sources[3];
static struct secret token;
static const struct http_operator operators[] = {{"oncall", ROLE_OPERATOR, &token}};
static struct network proxy;

/* In place of the orchestrator: answers at once. */
static void *answer_commands(void *context)
{
    (void)context;
    struct command *commands[64];
    for (;;) {
        size_t n = command_queue_take(queue, commands, 64, clock_steady_ms() + 1000);
        for (size_t i = 0; i < n; i++)
            commands[i]->done(commands[i]);
    }
    return NULL;
}

static void set(struct secret_list *list, const char *text)
{
    struct secret *secret = secret_list_add(list);
    expect(secret && secret_set(secret, text, strlen(text)) == ERR_OK);
}

static void make_sources(void)
{
    static const char *const kinds[] = {"alertmanager", "uptimerobot", "pingdom"};
    for (int i = 0; i < 3; i++) {
        fuzzed_sources[i] = (struct source){.name = source_names[i], .handler = handler_find(kinds[i])};
        if (!fuzzed_sources[i].handler)
            fuzzed_sources[i].handler = handler_find("alertmanager");
        set(i == 1 ? &fuzzed_sources[i].path_token : &fuzzed_sources[i].bearer, "t");
    }
}

static void remove_database(void)
{
    char name[sizeof database + 4];
    static const char *const ends[] = {"", "-wal", "-shm"};
    for (int i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "%s%s", database, ends[i]);
        (void)unlink(name);
    }
    *strrchr(database, '/') = '\0';
    (void)rmdir(database);
}

static void make_database(void)
{
    struct errmsg why = {""};
    struct store *store = NULL;
    char *slash = strrchr(database, '/');
    *slash = '\0';
    expect(mkdtemp(database));
    *slash = '/';
    expect(store_open(database, &store, &why) == ERR_OK);
    store_close(store);
    (void)atexit(remove_database);
}

static int connect_to(struct listener *listener, uint32_t from)
{
    int fds[2];
    const struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from), .sin_port = htons(1)};
    expect(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    expect(MHD_add_connection(listener->daemon, fds[1], (const struct sockaddr *)&address, sizeof address) == MHD_YES);
    return fds[0];
}

static void start(void)
{
    static struct sockaddr_in address = {.sin_family = AF_INET};
    struct http_settings settings;
    struct errmsg why = {""};
    pthread_t thread;
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    make_sources();
    make_database();
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    expect(secret_set(&token, "t", 1) == ERR_OK && network_parse("10.0.0.0/8", &proxy));
    queue = command_queue_new(4096);
    http_settings_init(&settings);
    settings.hooks_address = settings.api_address = (const struct sockaddr *)&address;
    settings.hooks_text = settings.api_text = "127.0.0.1:0";
    settings.hooks_rate = settings.api_rate = 1000000;
    settings.max_connections_per_address = settings.max_connections;
    settings.sources = fuzzed_sources;
    settings.n_sources = 3;
    settings.operators = operators;
    settings.n_operators = 1;
    settings.model = &model;
    settings.queue = queue;
    settings.trusted_proxies = &proxy;
    settings.n_trusted_proxies = 1;
    settings.database = database;
    settings.max_body = 65536;
    expect(http_start(&settings, &http, &why) == ERR_OK);
    http_set_ready(http, true, "");
    expect(pthread_create(&thread, NULL, answer_commands, NULL) == 0);
    pings[0] = connect_to(&http->hooks, OTHER);
    pings[1] = connect_to(&http->api, OTHER);
}

/* ---- the answers ------------------------------------------------------------------------------------------------- */

/* Grows as needed, and stays. */
static char *heard;
static size_t heard_len, heard_room;
static bool is_over;

/* Waits for up to `ms`; false at the end (then is_over), or when nothing came. */
static bool hear(int fd, int ms)
{
    if (heard_room - heard_len < 65537) {
        heard_room = heard_room * 2 + 131072;
        heard = realloc(heard, heard_room);
        expect(heard);
    }
    ssize_t n = recv(fd, heard + heard_len, 65536, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN && ms > 0) {
        struct pollfd poller = {.fd = fd, .events = POLLIN};
        if (poll(&poller, 1, ms) > 0)
            n = recv(fd, heard + heard_len, 65536, MSG_DONTWAIT);
    }
    is_over = n == 0 || (n < 0 && errno != EAGAIN);
    if (n <= 0)
        return false;
    heard_len += (size_t)n;
    heard[heard_len] = '\0';
    return true;
}

/* Three times ten seconds and not thirty: after a sleep of the whole machine the time of one is over at once. */
static bool is_heard_from(int fd)
{
    struct pollfd poller = {.fd = fd, .events = POLLIN};
    for (int i = 0; i < 3; i++) {
        if (poll(&poller, 1, 10000) == 1)
            return true;
    }
    return false;
}

/* The listener's thread has gone round once more when this returns. */
static void ping(int fd)
{
    static const char request[] = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
    static const char end[] = "{\"status\":\"ok\"}";
    char answer[1024];
    size_t len = 0;
    expect(send(fd, request, sizeof request - 1, MSG_NOSIGNAL) == sizeof request - 1);
    do {
        expect(is_heard_from(fd));
        ssize_t n = recv(fd, answer + len, sizeof answer - len, 0);
        expect(n > 0);
        len += (size_t)n;
    } while (!memmem(answer, len, end, sizeof end - 1));
    expect(memcmp(answer, "HTTP/1.1 200 ", 13) == 0);
}

/* Chunks to their end; NULL: more must come. */
static const char *skip_chunks(const char *at)
{
    for (;;) {
        char *end;
        const char *line = strstr(at, "\r\n");
        if (!line)
            return NULL;
        size_t size = strtoul(at, &end, 16);
        expect(end > at);
        if ((size_t)(heard + heard_len - line) < size + 4)
            return NULL;
        at = line + 2 + size;
        expect(at[0] == '\r' && at[1] == '\n');
        at += 2;
        if (size == 0)
            return at;
    }
}

/* One answer from `at`; NULL: more must come. */
static const char *skip_answer(const char *at, bool *ret_is_last)
{
    const char *head_end = strstr(at, "\r\n\r\n");
    int status = 0;
    if (!head_end)
        return NULL;
    expect(sscanf(at, "HTTP/1.1 %3d ", &status) == 1);
    expect(status >= 100 && (status < 500 || status == 503 || status == 505));
    char head[16384];
    size_t len = (size_t)(head_end - at) + 2;
    expect(len < sizeof head);
    memcpy(head, at, len);
    head[len] = '\0';
    expect(strlen(head) == len);
    at = head_end + 4;
    *ret_is_last = strcasestr(head, "\r\nConnection: close\r\n") != NULL;
    const char *length = strcasestr(head, "\r\nContent-Length: ");
    bool is_bare = status == 100 || status == 304 || *at == '\0' || strncmp(at, "HTTP/1.1 ", 9) == 0; /* or a HEAD's */
    if (is_bare || *ret_is_last)
        return at;
    if (strcasestr(head, "\r\nTransfer-Encoding: chunked\r\n"))
        return skip_chunks(at);
    expect(length);
    size_t size = strtoul(length + 18, NULL, 10);
    return (size_t)(heard + heard_len - at) < size ? NULL : at + size;
}

/* What was heard is answers, one after the other; what is missing of one comes within ten seconds. */
static void check_answers(int fd)
{
    const char *at = heard;
    bool is_last = false;
    while (!is_last && at < heard + heard_len) {
        size_t offset = (size_t)(at - heard);
        const char *next = skip_answer(at, &is_last);
        if (next)
            at = next;
        else
            expect(hear(fd, 10000));
        if (!next)
            at = heard + offset;
    }
}

static void send_all(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t n = send(fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n > 0) {
            data += n;
            size -= (size_t)n;
        } else if (errno == EAGAIN) { /* it does not read before its answer has left */
            (void)hear(fd, 1);
        } else {
            return; /* closed: an answer to what came before */
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char entrances[] = "haHA";
    const char *entrance = size > 0 ? memchr(entrances, data[0], 4) : NULL;
    if (!entrance)
        return 0;
    if (!http)
        start();
    if (++n_inputs % 64 == 0) {
        ping(pings[0]);
        ping(pings[1]);
    }
    int i = (int)(entrance - entrances) % 2;
    int fd = connect_to(i == 0 ? &http->hooks : &http->api, entrance - entrances < 2 ? OTHER : PROXY);
    heard_len = 0;
    (void)hear(fd, 0);
    heard[0] = '\0';
    send_all(fd, data + 1, size - 1);
    int unread = 1;
    for (int round = 0; !is_over && (round < 2 || (unread > 0 && round < 1000) || atomic_load(&http->suspended) > 0);
         round++) {
        ping(pings[i]);
        if (ioctl(fd, SIOCOUTQ, &unread) != 0)
            unread = 0;
        while (hear(fd, 0)) {
        }
    }
    check_answers(fd);
    close(fd);
    return 0;
}

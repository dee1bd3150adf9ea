/* A load generator for webhook receivers: N keep-alive connections on loopback, one request under way on each, distinct
 * Alertmanager bodies of about 800 bytes, every answer read whole and counted by status, latencies in a histogram.
 *
 * One thread and epoll, so that it takes as little as possible of the two cores it shares with what it measures; bodies
 * differ only in digits at fixed places, so that making one costs two memcpy(). Prints one JSON object. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 1024
#define MAX_REQUEST 4096
#define BUCKETS 4096 /* of 25 microseconds; the last takes the rest */
#define BUCKET_NS 25000

struct connection {
    int fd;
    char request[MAX_REQUEST];
    size_t request_len, sent;
    char answer[8192];
    size_t answer_len;
    int64_t began_ns;
};

struct settings {
    int port, connections;
    const char *path;   /* with one %d for the source where n_sources > 1 */
    const char *header; /* a whole header line or "" */
    bool is_list;       /* a bare list of alerts, as Alertmanager's own API takes it */
    int n_sources;
    int64_t first, distinct; /* alerts are numbered from first; after `distinct` of them they repeat */
    int64_t count;           /* requests to send; 0: for `seconds` */
    char **requests;         /* whole requests from a file instead, in order; NULL: none */
    size_t *request_lens;
    size_t n_requests;
    double seconds;
};

static struct {
    int64_t sent, answered, by_class[6], errors;
    int64_t histogram[BUCKETS];
} totals;

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int dial(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) != 0)
        die("connect");
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* A number spread over 64 bits, so that fingerprints come in no order. */
static uint64_t spread(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

#define ALERT                                                                                                          \
    "\"labels\":{\"alertname\":\"InstanceDown\",\"instance\":\"web-%010" PRId64                                        \
    ".example.com:443\",\"job\":\"blackbox\",\"severity\":\"critical\"},\"annotations\":{\"summary\":\"the probe of "  \
    "the "                                                                                                             \
    "instance has failed for two minutes\",\"runbook\":\"https://wiki.example.com/runbooks/instance-down\"},"          \
    "\"startsAt\":\"2026-11-21T00:59:17.178352188Z\",\"generatorURL\":\"http://prometheus:9090/graph?g0.expr="         \
    "probe_success+%%3D%%3D+0\\u0026g0.tab=1\""

static int write_body(char *body, size_t room, const struct settings *settings, int64_t number)
{
    if (settings->is_list) /* what Prometheus posts to an Alertmanager */
        return snprintf(body, room, "[{" ALERT "}]\n", number);
    return snprintf(
        body, room,
        "{\"receiver\":\"turnout\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\"," ALERT
        ",\"endsAt\":\"0001-01-01T00:00:00Z\",\"fingerprint\":\"%016" PRIx64
        "\"}],\"groupLabels\":{\"alertname\":\"InstanceDown\"},\"commonLabels\":{},\"commonAnnotations\":{},"
        "\"externalURL\":\"http://alertmanager-1:9093\",\"version\":\"4\",\"groupKey\":\"{}:{alertname="
        "\\\"InstanceDown\\\"}\",\"truncatedAlerts\":0}\n",
        number, spread((uint64_t)number + 1));
}

/* A file of requests, each behind its length as four bytes, little end first: what the load cannot make fast enough by
 * itself (signed ones), or that is of other kinds. */
static void read_requests(struct settings *settings, const char *path)
{
    FILE *file = fopen(path, "rb");
    unsigned char head[4];
    if (!file)
        die(path);
    while (fread(head, sizeof head, 1, file) == 1) {
        size_t len = head[0] | (size_t)head[1] << 8 | (size_t)head[2] << 16 | (size_t)head[3] << 24;
        char *request = malloc(len);
        settings->requests = realloc(settings->requests, (settings->n_requests + 1) * sizeof *settings->requests);
        settings->request_lens =
            realloc(settings->request_lens, (settings->n_requests + 1) * sizeof *settings->request_lens);
        if (len > MAX_REQUEST || !request || !settings->requests || !settings->request_lens ||
            fread(request, 1, len, file) != len)
            die("requests");
        settings->requests[settings->n_requests] = request;
        settings->request_lens[settings->n_requests++] = len;
    }
    fclose(file);
    settings->count = (int64_t)settings->n_requests;
}

static void prepare(struct connection *connection, const struct settings *settings, int64_t number)
{
    connection->sent = 0;
    connection->answer_len = 0;
    connection->began_ns = now_ns();
    if (settings->requests) {
        connection->request_len = settings->request_lens[number];
        memcpy(connection->request, settings->requests[number], connection->request_len);
        return;
    }
    char body[MAX_REQUEST / 2];
    char path[256];
    int body_len = write_body(body, sizeof body, settings, number);
    snprintf(path, sizeof path, settings->path, (int)(number % settings->n_sources));
    int len = snprintf(connection->request, sizeof connection->request,
                       "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: Alertmanager/0.25.0\r\nContent-Length: "
                       "%d\r\n%s%sContent-Type: application/json\r\n\r\n%s",
                       path, settings->port, body_len, settings->header, settings->header[0] ? "\r\n" : "", body);
    connection->request_len = (size_t)len;
}

static bool flush(struct connection *connection)
{
    while (connection->sent < connection->request_len) {
        ssize_t n = send(connection->fd, connection->request + connection->sent,
                         connection->request_len - connection->sent, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        connection->sent += (size_t)n;
    }
    return true;
}

/* The status of a complete answer, 0 while it is incomplete, -1 for what is none. */
static int answer_status(struct connection *connection)
{
    connection->answer[connection->answer_len] = '\0';
    const char *end = strstr(connection->answer, "\r\n\r\n");
    if (!end)
        return 0;
    size_t head = (size_t)(end - connection->answer) + 4;
    const char *length = strcasestr(connection->answer, "\r\nContent-Length:");
    size_t body = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    if (connection->answer_len < head + body)
        return 0;
    int status = 0;
    return sscanf(connection->answer, "HTTP/1.1 %d", &status) == 1 ? status : -1;
}

static bool take_answer(struct connection *connection)
{
    ssize_t n = recv(connection->fd, connection->answer + connection->answer_len,
                     sizeof connection->answer - 1 - connection->answer_len, 0);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    connection->answer_len += (size_t)n;
    int status = answer_status(connection);
    if (status == 0)
        return connection->answer_len < sizeof connection->answer - 1;
    if (status < 100 || status > 599)
        return false;
    int64_t bucket = (now_ns() - connection->began_ns) / BUCKET_NS;
    totals.histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    totals.by_class[status / 100]++;
    totals.answered++;
    return true;
}

static double percentile_ms(double share)
{
    int64_t wanted = (int64_t)((double)totals.answered * share);
    int64_t seen = 0;
    for (int i = 0; i < BUCKETS; i++) {
        seen += totals.histogram[i];
        if (seen > wanted)
            return (i + 1) * (BUCKET_NS / 1e6);
    }
    return BUCKETS * (BUCKET_NS / 1e6);
}

static void parse(int argc, char **argv, struct settings *settings)
{
    static const struct option OPTIONS[] = {
        {"port", 1, NULL, 'p'},  {"connections", 1, NULL, 'c'}, {"path", 1, NULL, 'u'},     {"header", 1, NULL, 'h'},
        {"list", 0, NULL, 'l'},  {"sources", 1, NULL, 's'},     {"first", 1, NULL, 'f'},    {"distinct", 1, NULL, 'd'},
        {"count", 1, NULL, 'n'}, {"seconds", 1, NULL, 't'},     {"requests", 1, NULL, 'r'}, {NULL, 0, NULL, 0}};
    int letter;
    while ((letter = getopt_long(argc, argv, "", OPTIONS, NULL)) != -1) {
        switch (letter) {
        case 'p':
            settings->port = atoi(optarg);
            break;
        case 'c':
            settings->connections = atoi(optarg);
            break;
        case 'u':
            settings->path = optarg;
            break;
        case 'h':
            settings->header = optarg;
            break;
        case 'l':
            settings->is_list = true;
            break;
        case 's':
            settings->n_sources = atoi(optarg);
            break;
        case 'f':
            settings->first = atoll(optarg);
            break;
        case 'd':
            settings->distinct = atoll(optarg);
            break;
        case 'n':
            settings->count = atoll(optarg);
            break;
        case 't':
            settings->seconds = atof(optarg);
            break;
        case 'r':
            read_requests(settings, optarg);
            break;
        default:
            exit(2);
        }
    }
    if (settings->connections > MAX_CONNECTIONS)
        settings->connections = MAX_CONNECTIONS;
}

static bool is_over(const struct settings *settings, int64_t began)
{
    if (settings->count)
        return totals.sent >= settings->count;
    return (double)(now_ns() - began) / 1e9 >= settings->seconds;
}

static int64_t next_number(const struct settings *settings)
{
    int64_t number = settings->distinct ? totals.sent % settings->distinct : totals.sent;
    totals.sent++;
    return settings->first + number;
}

static void send_next(struct connection *connection, const struct settings *settings)
{
    prepare(connection, settings, next_number(settings));
    if (!flush(connection))
        totals.errors++;
}

static void reconnect(struct connection *connection, const struct settings *settings, int epoll)
{
    close(connection->fd);
    connection->fd = dial(settings->port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
    epoll_ctl(epoll, EPOLL_CTL_ADD, connection->fd, &event);
    totals.errors++;
}

int main(int argc, char **argv)
{
    struct settings settings = {.connections = 64, .path = "/", .header = "", .n_sources = 1, .seconds = 5};
    parse(argc, argv, &settings);
    struct connection *connections = calloc((size_t)settings.connections, sizeof *connections);
    int epoll = epoll_create1(0);
    if (!connections || epoll < 0)
        die("start");
    for (int i = 0; i < settings.connections; i++) {
        connections[i].fd = dial(settings.port);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event);
    }
    int64_t began = now_ns();
    int64_t open = 0;
    for (int i = 0; i < settings.connections && !is_over(&settings, began); i++, open++)
        send_next(&connections[i], &settings);
    while (open > 0) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, 10000);
        if (n <= 0) {
            totals.errors += open;
            break;
        }
        for (int i = 0; i < n; i++) {
            struct connection *connection = events[i].data.ptr;
            int64_t before = totals.answered;
            bool is_alive = take_answer(connection);
            if (!is_alive)
                reconnect(connection, &settings, epoll);
            if (is_alive && totals.answered == before)
                continue;
            open--;
            if (!is_over(&settings, began)) {
                send_next(connection, &settings);
                open++;
            }
        }
    }
    double took = (double)(now_ns() - began) / 1e9;
    char body[MAX_REQUEST / 2];
    printf("{\"answered\": %" PRId64
           ", \"seconds\": %.3f, \"rate\": %.1f, \"p50_ms\": %.3f, \"p99_ms\": %.3f, \"2xx\": %" PRId64
           ", \"4xx\": %" PRId64 ", \"5xx\": %" PRId64 ", \"errors\": %" PRId64 ", \"body\": %d, \"last\": %" PRId64
           "}\n",
           totals.answered, took, (double)totals.answered / took, percentile_ms(0.5), percentile_ms(0.99),
           totals.by_class[2], totals.by_class[4], totals.by_class[5], totals.errors,
           write_body(body, sizeof body, &settings, 1), settings.first + totals.sent);
    return 0;
}

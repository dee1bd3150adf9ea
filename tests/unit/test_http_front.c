/* The front door over real sockets: from where, how often, through which proxies. */
#include "http_fixture.h"

#define JSON "Content-Type: application/json\r\n"
#define AUTHORIZED JSON "Authorization: Bearer " BEARER "\r\n"
#define EMPTY "{\"alerts\":[]}"

/* The status of one request from 127.0.0.`host`. */
static int status_of(int host, int port, const char *method, const char *path, const char *headers, const char *body,
                     struct answer *ret)
{
    char text[4096];
    int fd = connect_from(host, port);
    snprintf(text, sizeof text, "%s %s HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n%s", method, path, headers,
             strlen(body), body);
    send_text(fd, text);
    receive_answer(fd, false, ret);
    close(fd);
    return ret->status;
}

static int post_from(const struct fixture *f, int host, const char *headers)
{
    struct answer answer;
    int status = status_of(host, http_hooks_port(f->http), "POST", "/hooks/prometheus", headers, EMPTY, &answer);
    answer_done(&answer);
    return status;
}

static int get_from(int host, int port, const char *path, const char *headers)
{
    struct answer answer;
    int status = status_of(host, port, "GET", path, headers, "", &answer);
    answer_done(&answer);
    return status;
}

static void expect_refusal(struct fixture *f, const char *from, const char *reason)
{
    bool is_there = false;
    for (int i = 0; i < 100 && !is_there; i++) {
        sleep_ms(i ? 30 : 0);
        pthread_mutex_lock(&f->mutex);
        is_there = strcmp(f->last_refused.from, from) == 0 && strstr(f->last_refused.reason, reason);
        pthread_mutex_unlock(&f->mutex);
    }
    if (!is_there)
        fail_msg("expected %s from %s, the last was %s from %s", reason, from, f->last_refused.reason,
                 f->last_refused.from);
}

static void network(struct network *ret, const char *text)
{
    assert_true(network_parse(text, ret));
}

static void a_source_takes_from_its_networks_only(void **state)
{
    struct fixture *f = *state;
    struct network from[2];
    network(&from[0], "192.0.2.0/24");
    network(&from[1], "127.0.0.8/31");
    f->sources[0].from = from;
    f->sources[0].n_from = 2;
    fixture_start(f);
    assert_int_equal(post_from(f, 9, AUTHORIZED), 200);
    assert_int_equal(post_from(f, 10, AUTHORIZED), 403);
    expect_refusal(f, "127.0.0.10", "the address is not among those");
    assert_string_equal(f->last_refused.what, "source prometheus");
    sleep_ms(1100); /* what is refused within a second of that is gathered behind it */
    /* the credential is not looked at */
    assert_int_equal(post_from(f, 11, JSON "Authorization: Bearer wrong\r\n"), 403);
    sleep_ms(1100);
    /* a header makes nobody another */
    assert_int_equal(post_from(f, 12, AUTHORIZED "X-Forwarded-For: 192.0.2.1\r\n"), 403);
    expect_refusal(f, "127.0.0.12", "the address is not among those");
    assert_int_equal(f->n_seen, 0);
}

static void a_trusted_proxy_says_from_where(void **state)
{
    struct fixture *f = *state;
    struct network from[1], proxies[2];
    network(&from[0], "192.0.2.0/24");
    network(&proxies[0], "127.0.0.8/32");
    network(&proxies[1], "10.0.0.0/8");
    f->sources[0].from = from;
    f->sources[0].n_from = 1;
    f->settings.trusted_proxies = proxies;
    f->settings.n_trusted_proxies = 2;
    fixture_start(f);
    static const struct {
        const char *headers;
        int status;
        const char *from;
    } cases[] = {
        {"X-Forwarded-For: 192.0.2.1\r\n", 200, NULL},
        {"x-forwarded-for: 198.51.100.9, [::ffff:192.0.2.1]:80\r\n", 200, NULL},
        {"X-Forwarded-For: 192.0.2.1, 198.51.100.1\r\n", 403, "198.51.100.1"},
        {"X-Forwarded-For: 192.0.2.1, 10.9.9.9\r\n", 200, NULL},
        {"X-Forwarded-For: 192.0.2.1, 2001:db8::1\r\n", 403, "2001:db8::1"},
        {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 198.51.100.2\r\n", 403, "198.51.100.2"},
        {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: 10.0.0.1\r\n", 200, NULL},
        {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: who?\r\n", 403, "127.0.0.8"},
        {"X-Forwarded-For: 192.0.2.1,\r\n", 403, "127.0.0.8"},
        {"X-Forwarded-For:\r\n", 403, "127.0.0.8"},
        {"", 403, "127.0.0.8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char headers[512];
        snprintf(headers, sizeof headers, "%s%s", cases[i].headers, AUTHORIZED);
        int status = post_from(f, 8, headers);
        if (status != cases[i].status)
            fail_msg("case %zu: %d", i, status);
        if (cases[i].from)
            expect_refusal(f, cases[i].from, "the address is not among those");
    }
}

static void only_the_last_of_many_forwarded_headers_count(void **state)
{
    struct fixture *f = *state;
    struct network from[1], proxies[2];
    network(&from[0], "192.0.2.1");
    network(&proxies[0], "127.0.0.0/8");
    network(&proxies[1], "10.0.0.0/8");
    f->sources[0].from = from;
    f->sources[0].n_from = 1;
    f->settings.trusted_proxies = proxies;
    f->settings.n_trusted_proxies = 2;
    fixture_start(f);
    char headers[4096] = "X-Forwarded-For: 192.0.2.1\r\n";
    for (int i = 0; i < 15; i++)
        strcat(headers, "X-Forwarded-For: 10.0.0.1\r\n");
    strcat(headers, AUTHORIZED);
    assert_int_equal(post_from(f, 1, headers), 200);
    memmove(headers + 28, headers, strlen(headers) + 1);
    memcpy(headers, "X-Forwarded-For: 192.0.2.1\r\n", 28);
    memcpy(headers + 28, "X-Forwarded-For: 10.0.0.01\r\n", 28);
    assert_int_equal(post_from(f, 1, headers), 403); /* sixteen of them are read, and the sixteenth is no address */
}

static void connections_of_a_trusted_proxy_are_not_counted(void **state)
{
    struct fixture *f = *state;
    struct network proxy;
    network(&proxy, "127.0.0.8");
    f->settings.trusted_proxies = &proxy;
    f->settings.n_trusted_proxies = 1;
    f->settings.max_connections_per_address = 3;
    fixture_start(f);
    int fds[20];
    for (int i = 0; i < 20; i++)
        fds[i] = connect_from(8, http_hooks_port(f->http));
    for (int i = 0; i < 20; i++) {
        struct answer answer;
        send_text(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(receive_answer(fds[i], false, &answer));
        answer_done(&answer);
        close(fds[i]);
    }
}

static void a_source_has_a_rate(void **state)
{
    struct fixture *f = *state;
    f->sources[0].rate = 3;
    fixture_start(f);
    /* What has no credential uses up nothing of it. */
    for (int i = 0; i < 10; i++)
        assert_int_equal(post_from(f, 1, JSON), 401);
    sleep_ms(2100);
    for (int i = 0; i < 6; i++)
        assert_int_equal(post_from(f, 1 + i, AUTHORIZED), 200);
    struct answer answer;
    char value[16];
    assert_int_equal(status_of(9, http_hooks_port(f->http), "POST", "/hooks/prometheus", AUTHORIZED, EMPTY, &answer),
                     503);
    assert_string_equal(answer_header(&answer, "Retry-After", value, sizeof value), "5");
    assert_non_null(strstr(answer.body, "more than 3 deliveries a second"));
    answer_done(&answer);
    expect_refusal(f, "127.0.0.9", "more than 3 deliveries a second");
    assert_int_equal(status_of(9, http_hooks_port(f->http), "POST", "/hooks/other",
                               JSON "Authorization: Bearer other\r\n", EMPTY, &answer),
                     200);
    answer_done(&answer);
    sleep_ms(400);
    assert_int_equal(post_from(f, 1, AUTHORIZED), 200);
    assert_int_equal(status_of(1, http_api_port(f->http), "GET", "/metrics", "", "", &answer), 200);
    assert_non_null(strstr(answer.body, "turnout_deliveries_limited_total 1\n"));
    assert_non_null(strstr(answer.body, "turnout_deliveries_from_elsewhere_total 0\n"));
    answer_done(&answer);
}

/* Whoever is behind the same address cannot keep a monitor out by what they send without its credential. */
static void floods_without_credential_keep_nobody_out(void **state)
{
    struct fixture *f = *state;
    f->settings.hooks_rate = 5;
    fixture_start(f);
    int port = http_hooks_port(f->http), statuses[600] = {0};
    for (int i = 0; i < 40; i++) {
        statuses[post_from(f, 1, i % 2 ? JSON : JSON "Authorization: Bearer wrong\r\n")]++;
        statuses[get_from(1, port, "/hooks/nobody", "")]++;
    }
    assert_in_range(statuses[401] + statuses[404], 10, 30);
    assert_int_equal(statuses[401] + statuses[404] + statuses[503], 80);
    assert_int_equal(post_from(f, 1, AUTHORIZED), 200);
    assert_int_equal(get_from(1, port, "/healthz", ""), 200);
    assert_int_equal(get_from(2, port, "/hooks/nobody", ""), 404);
    /* With its credential it has a rate as well. */
    sleep_ms(2100);
    int taken = 0;
    while (post_from(f, 1, AUTHORIZED) == 200)
        taken++;
    assert_in_range(taken, 10, 30);
    expect_refusal(f, "127.0.0.1", "more than 5 requests a second");
    assert_int_equal(post_from(f, 2, AUTHORIZED), 200);
}

static void operators_are_told_429(void **state)
{
    struct fixture *f = *state;
    f->settings.api_rate = 5;
    fixture_start(f);
    int port = http_api_port(f->http), statuses[600] = {0};
    static const char viewer[] = "Authorization: Bearer " VIEWER_TOKEN "\r\n";
    for (int i = 0; i < 40; i++)
        statuses[get_from(1, port, "/api/v1/services", "Authorization: Bearer wrong\r\n")]++;
    assert_in_range(statuses[401], 10, 30);
    assert_int_equal(statuses[401] + statuses[429], 40);
    sleep_ms(1500); /* what is gathered of these is told */
    assert_int_equal(get_from(1, port, "/healthz", ""), 200);
    int status, taken = 0;
    struct answer answer;
    while ((status = status_of(1, port, "GET", "/api/v1/nothing", viewer, "", &answer)) == 404 && taken < 100) {
        taken++; /* no route: nobody's */
        answer_done(&answer);
    }
    answer_done(&answer);
    assert_int_equal(status, 429);
    for (taken = 0; (status = get_from(1, port, "/api/v1/services", viewer)) == 503 && taken < 100; taken++) {
    }
    assert_int_equal(status, 429);
    assert_in_range(taken, 10, 30);
    expect_refusal(f, "127.0.0.1", "more than 5 requests a second");
    assert_string_equal(f->last_refused.who, "screen");
    char value[16];
    while (status_of(1, port, "GET", "/metrics", "", "", &answer) == 200)
        answer_done(&answer);
    assert_int_equal(answer.status, 429);
    assert_string_equal(answer_header(&answer, "Retry-After", value, sizeof value), "1");
    answer_done(&answer);
    assert_int_equal(status_of(2, port, "GET", "/metrics", "", "", &answer), 200);
    assert_null(strstr(answer.body, "turnout_http_limited_total{listener=\"api\"} 0\n"));
    assert_non_null(strstr(answer.body, "turnout_http_limited_total{listener=\"hooks\"} 0\n"));
    answer_done(&answer);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_source_takes_from_its_networks_only),
        TEST(a_trusted_proxy_says_from_where),
        TEST(only_the_last_of_many_forwarded_headers_count),
        TEST(connections_of_a_trusted_proxy_are_not_counted),
        TEST(a_source_has_a_rate),
        TEST(floods_without_credential_keep_nobody_out),
        TEST(operators_are_told_429),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

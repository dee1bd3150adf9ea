/* Requests as no decent client sends them, byte by byte: each has its answer, nothing of them is taken for a delivery,
 * and whoever comes next is served. */
#include "http_fixture.h"

#include "base/strbuf.h"

#define HEAD "Host: x\r\nContent-Type: application/json\r\nAuthorization: Bearer " BEARER "\r\n"
#define POST "POST /hooks/prometheus HTTP/1.1\r\n" HEAD
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"
#define ALERT "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"startsAt\":\"2026-11-20T03:04:05Z\"}]}"
#define ALERT_LEN 85
#define HEX_LEN "55"

_Static_assert(sizeof ALERT - 1 == ALERT_LEN, "the length stands in requests below");

#define NOTHING 0 /* closed without an answer */

struct hostile {
    const char *text;
    size_t len;
    int status, other; /* one of these; `other` 0: only the first */
    bool is_taken;     /* it is a delivery all the same */
};

#define CASE(text, ...)                                                                                                \
    {                                                                                                                  \
        text, sizeof(text) - 1, __VA_ARGS__                                                                            \
    }

static int seen(struct fixture *f)
{
    pthread_mutex_lock(&f->mutex);
    int n = f->n_seen;
    f->n_seen = 0;
    pthread_mutex_unlock(&f->mutex);
    return n;
}

/* Sends all of it, closes the sending side, reads one answer, and then to the end. */
static void play(struct fixture *f, int port, const struct hostile *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct answer answer;
        int fd = connect_to(port);
        send_bytes(fd, cases[i].text, cases[i].len);
        shutdown(fd, SHUT_WR);
        receive_answer(fd, false, &answer);
        if (answer.status != cases[i].status && (cases[i].other == 0 || answer.status != cases[i].other))
            fail_msg("case %zu: %d\n%.*s", i, answer.status, (int)cases[i].len, cases[i].text);
        if (!is_closed_within(fd, 4000))
            fail_msg("case %zu stays open", i);
        if (seen(f) != cases[i].is_taken)
            fail_msg("case %zu: taken, or not\n%.*s", i, (int)cases[i].len, cases[i].text);
        answer_done(&answer);
        close(fd);
    }
    struct answer answer = ask(port, "GET", "/healthz", "", NULL, 0);
    assert_int_equal(answer.status, 200);
    answer_done(&answer);
}

static void chunks_that_lie(void **state)
{
    struct fixture *f = *state;
    static const struct hostile cases[] = {
        CASE(CHUNKED HEX_LEN "\r\n" ALERT "\r\n0\r\n\r\n", 202, 0, true),
        CASE(CHUNKED HEX_LEN ";name=value\r\n" ALERT "\r\n0\r\n\r\n", 202, 0, true),
        CASE(CHUNKED HEX_LEN "\r\n" ALERT "\r\n0\r\nX-Trailer: 1\r\n\r\n", 202, 0, true),
        CASE(CHUNKED "zz\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED "-1\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED "+55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED "0x55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED " 55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED "55 \r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED "\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED "ffffffffffffffff\r\n" ALERT "\r\n0\r\n\r\n", NOTHING, 0, false),
        CASE(CHUNKED "ffffffffffffffffff\r\n" ALERT "\r\n0\r\n\r\n", 413, 0, false),
        CASE(CHUNKED "8000000000000000\r\n" ALERT "\r\n0\r\n\r\n", NOTHING, 0, false),
        CASE(CHUNKED "54\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false), /* shorter than said */
        CASE(CHUNKED "57\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false), /* longer than said */
        CASE(CHUNKED HEX_LEN "\r\n" ALERT "0\r\n\r\n", 400, 0, false),
        CASE(CHUNKED HEX_LEN "\r\n" ALERT "\r\n", NOTHING, 0, false),
        CASE(CHUNKED HEX_LEN "\r\n" ALERT "\r\n0\r\n", NOTHING, 0, false),
        CASE(CHUNKED "55", NOTHING, 0, false),
        CASE(CHUNKED "0\r\n\r\n", 400, 0, false), /* no body is no alert */
        CASE(CHUNKED "0000000000000000000000000000000000000000055\r\n" ALERT "\r\n0\r\n\r\n", 400, 202, true),
    };
    f->settings.body_deadline_ms = 3000;
    fixture_start(f);
    play(f, http_hooks_port(f->http), cases, sizeof cases / sizeof cases[0]);
}

static void bodies_with_two_ends(void **state)
{
    struct fixture *f = *state;
    static const struct hostile cases[] = {
        CASE(POST "Content-Length: 85\r\nTransfer-Encoding: chunked\r\n\r\n55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0,
             false),
        CASE(POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(POST "Content-Length: 85\r\nContent-Length: 85\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: 85\r\nContent-Length: 3\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "content-length: 0\r\nCONTENT-LENGTH: 85\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip\r\n\r\n55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0,
             false),
        CASE(POST "Transfer-Encoding: gzip, chunked\r\n\r\n55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(POST "Transfer-Encoding: xchunked\r\n\r\n55\r\n" ALERT "\r\n0\r\n\r\n", 400, 0, false),
        CASE(POST "Transfer-Encoding: identity\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: 85, 85\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: -1\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: +85\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: 0x55\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: 8 5\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length:\r\n\r\n" ALERT, 400, 0, false),
        CASE(POST "Content-Length: 99999999999999999999\r\n\r\n" ALERT, 413, 0, false),
        CASE(POST "Content-Length: 18446744073709551615\r\n\r\n" ALERT, 413, 400, false),
        CASE(POST "Content-Length: 86\r\n\r\n" ALERT, NOTHING, 0, false),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
             400, 0, false),
    };
    fixture_start(f);
    play(f, http_hooks_port(f->http), cases, sizeof cases / sizeof cases[0]);
    play(f, http_api_port(f->http), cases + sizeof cases / sizeof cases[0] - 1, 1);
}

static void targets_methods_and_versions(void **state)
{
    struct fixture *f = *state;
#define TAIL " HTTP/1.1\r\nHost: x\r\n\r\n"
    static const struct hostile cases[] = {
        CASE("GET http://example.com/healthz" TAIL, 200, 0, false),
        CASE("GET HTTPS://example.com:1/healthz?a=b" TAIL, 200, 0, false),
        CASE("GET http://example.com" TAIL, 404, 0, false),
        CASE("GET http:///healthz" TAIL, 200, 0, false),
        CASE("GET ftp://example.com/healthz" TAIL, 404, 0, false),
        CASE("POST http://x/hooks/prometheus HTTP/1.1\r\n" HEAD "Content-Length: 85\r\n\r\n" ALERT, 202, 0, true),
        CASE("GET //healthz" TAIL, 404, 0, false),
        CASE("GET /./healthz" TAIL, 404, 0, false),
        CASE("GET /x/../healthz" TAIL, 404, 0, false),
        CASE("GET healthz" TAIL, 404, 0, false),
        CASE("GET /%68ealthz" TAIL, 200, 0, false),
        CASE("GET /healthz%00" TAIL, 404, 0, false),
        CASE("GET /healthz\0" TAIL, 200, 404, false), /* libmicrohttpd ends it at the NUL */
        CASE("GET /healthz%" TAIL, 404, 0, false),
        CASE("GET /healthz%2" TAIL, 404, 0, false),
        CASE("GET /%zzhealthz" TAIL, 404, 0, false),
        CASE("GET /%C0%AFhealthz" TAIL, 404, 0, false),
        CASE("GET /hooks/%ff%fe" TAIL, 404, 0, false),
        CASE("GET /healthz?%00=%zz&&&=&a" TAIL, 200, 0, false),
        CASE("OPTIONS *" TAIL, 404, 0, false),
        CASE("CONNECT example.com:443" TAIL, 404, 0, false),
        CASE("TRACE /healthz" TAIL, 405, 0, false),
        CASE("BREW /healthz" TAIL, 405, 0, false),
        CASE("get /healthz" TAIL, 405, 0, false),
        CASE("DELETE /hooks/prometheus" TAIL, 405, 0, false),
        CASE("AVERYVERYVERYVERYVERYVERYVERYVERYLONGMETHOD /healthz" TAIL, 405, 0, false),
        CASE("GET /healthz HTTP/1.0\r\n\r\n", 200, 0, false),
        CASE("GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, 0, false),
        CASE("GET /healthz\r\n\r\n", 400, 0, false),
        CASE("GET /healthz HTTP/2.0\r\n\r\n", 505, 0, false),
        CASE("GET /healthz HTTP/1.9\r\nHost: x\r\n\r\n", 200, 505, false),
        CASE("GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n", 400, 505, false),
        CASE("GET /healthz http/1.1\r\nHost: x\r\n\r\n", 400, 505, false),
        CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, 0, false),
        CASE(" \r\n\r\n", NOTHING, 400, false),
        CASE("\0\0\0\0\r\n\r\n", NOTHING, 400, false),
        CASE("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", NOTHING, 400, false),
    };
    fixture_start(f);
    play(f, http_hooks_port(f->http), cases, sizeof cases / sizeof cases[0]);
}

static void headers(void **state)
{
    struct fixture *f = *state;
    static const struct hostile cases[] = {
        CASE(POST "Content-Encoding: gzip\r\nContent-Length: 85\r\n\r\n" ALERT, 415, 0, false),
        CASE(POST "Content-Encoding: \r\nContent-Length: 85\r\n\r\n" ALERT, 415, 0, false),
        CASE(POST "Content-Encoding: identity, gzip\r\nContent-Length: 85\r\n\r\n" ALERT, 415, 0, false),
        CASE(POST "Expect: 200-maybe\r\nContent-Length: 85\r\n\r\n" ALERT, 202, 417, true),
        CASE(POST "Upgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 85\r\n\r\n" ALERT, 202, 0, true),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n", 400, 0, false),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\n: no name\r\n\r\n", 400, 200, false),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\nX-Y: a\r\n folded\r\n\r\n", 200, 400, false),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\nX: \xff\xfe\x01\r\n\r\n", 200, 400, false),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\n\r", NOTHING, 0, false),
        CASE("GET /healthz HTTP/1.1\r\nHost: x\r\n", NOTHING, 0, false),
        CASE("GET /heal", NOTHING, 0, false),
        CASE("", NOTHING, 0, false),
    };
    fixture_start(f);
    play(f, http_hooks_port(f->http), cases, sizeof cases / sizeof cases[0]);
}

static struct answer flood(int port, const char *start, const char *piece, int times)
{
    struct strbuf text = STRBUF_INIT;
    struct answer answer;
    strbuf_adds(&text, start);
    for (int i = 0; i < times; i++)
        strbuf_adds(&text, piece);
    strbuf_adds(&text, "\r\n\r\n");
    int fd = connect_to(port);
    send_bytes(fd, text.data, text.len);
    receive_answer(fd, false, &answer);
    assert_true(is_closed_within(fd, 4000));
    close(fd);
    strbuf_done(&text);
    return answer;
}

static void floods_of_headers(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    const int ports[] = {http_hooks_port(f->http), http_api_port(f->http)};
    for (int i = 0; i < 2; i++) {
        struct answer answer = flood(ports[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n", "a: b\r\n", 3000);
        assert_int_equal(answer.status, 431);
        answer_done(&answer);
        answer = flood(ports[i], "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ", "aaaaaaaa", 3000);
        assert_int_equal(answer.status, 431);
        answer_done(&answer);
        answer = flood(ports[i], "GET /healthz?", "aaaaaaa&", 3000);
        assert_true(answer.status == 414 || answer.status == 431);
        answer_done(&answer);
        answer = flood(ports[i], "G", "ETETETET", 3000);
        assert_true(answer.status == 0 || answer.status == 414 || answer.status == 400);
        answer_done(&answer);
        answer = ask(ports[i], "GET", "/healthz", "", NULL, 0);
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
    }
}

/* One more parameter than a delivery may have is left out, and hides none of those before it. */
static void a_query_of_many_parameters(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    char target[4096] = "/hooks/prometheus?", body[] = ALERT;
    for (int i = 0; i < 200; i++)
        strcat(target, "parameter=1&");
    struct answer answer =
        ask(http_hooks_port(f->http), "POST", target,
            "Content-Type: application/json\r\nAuthorization: Bearer " BEARER "\r\n", body, ALERT_LEN);
    assert_int_equal(answer.status, 202);
    answer_done(&answer);
}

/* Several deliveries in one segment, good ones and bad ones, are answered in their order; also to a client who has
 * said that it will send nothing more. */
static void pipelines(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    static const struct {
        const char *text;
        int status;
    } parts[] = {
        {POST "Content-Length: 85\r\n\r\n" ALERT, 202},
        {"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 200},
        {POST "Content-Length: 13\r\n\r\n{\"alerts\":[]}", 200},
        {POST "Content-Length: 3\r\n\r\nbad", 400},
        {CHUNKED HEX_LEN "\r\n" ALERT "\r\n0\r\n\r\n", 200},
        {"POST /hooks/nobody HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 404},
        {"POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 401},
        {"BREW /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405},
        {POST "Content-Length: 85\r\n\r\n" ALERT, 200},
    };
    for (int is_half_closed = 0; is_half_closed < 2; is_half_closed++) {
        struct strbuf text = STRBUF_INIT;
        for (int round = 0; round < 5; round++)
            for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
                strbuf_adds(&text, parts[i].text);
        int fd = connect_to(http_hooks_port(f->http));
        send_bytes(fd, text.data, text.len);
        if (is_half_closed)
            shutdown(fd, SHUT_WR);
        for (int round = 0; round < 5; round++) {
            for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
                struct answer answer;
                assert_true(receive_answer(fd, false, &answer));
                bool is_known = parts[i].status == 202 && (round > 0 || is_half_closed);
                assert_int_equal(answer.status, is_known ? 200 : parts[i].status);
                answer_done(&answer);
            }
        }
        if (is_half_closed)
            assert_true(is_closed_within(fd, 4000));
        close(fd);
        strbuf_done(&text);
    }
}

/* The commit takes longer than the client takes to close its sending side. */
static void a_half_closed_client_is_answered_late(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    atomic_store(&f->is_holding, true);
    int fd = connect_to(http_hooks_port(f->http));
    send_text(fd, POST "Content-Length: 85\r\n\r\n" ALERT);
    shutdown(fd, SHUT_WR);
    assert_false(is_closed_within(fd, 2500));
    atomic_store(&f->is_holding, false);
    struct answer answer;
    assert_true(receive_answer(fd, false, &answer));
    assert_int_equal(answer.status, 202);
    answer_done(&answer);
    assert_true(is_closed_within(fd, 4000));
    close(fd);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(chunks_that_lie),
        TEST(bodies_with_two_ends),
        TEST(targets_methods_and_versions),
        TEST(headers),
        TEST(floods_of_headers),
        TEST(a_query_of_many_parameters),
        TEST(pipelines),
        TEST(a_half_closed_client_is_answered_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

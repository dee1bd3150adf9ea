/* The hooks listener over real sockets: every answer of its table, and what hostile or unlucky senders do. */
#include "http_fixture.h"

#include "base/strbuf.h"

#define JSON "Content-Type: application/json\r\n"
#define AUTHORIZED JSON "Authorization: Bearer " BEARER "\r\n"

static struct answer post(const struct fixture *f, const char *headers, const char *body)
{
    return ask(http_hooks_port(f->http), "POST", "/hooks/prometheus", headers, body, strlen(body));
}

static const char *alert_body(char *text, size_t size, const char *fingerprint, const char *status)
{
    snprintf(text, size,
             "{\"alerts\":[{\"status\":\"%s\",\"labels\":{\"alertname\":\"SiteDown\",\"service\":\"shop\"},"
             "\"startsAt\":\"2026-11-20T03:04:05Z\",\"fingerprint\":\"%s\"}]}",
             status, fingerprint);
    return text;
}

static void expect_status(struct answer answer, int status, const char *in_body)
{
    if (answer.status != status || !strstr(answer.body, in_body))
        fail_msg("expected %d with \"%s\", got %d: %s%s", status, in_body, answer.status, answer.head, answer.body);
    answer_done(&answer);
}

static void a_delivery_is_new_then_known(void **state)
{
    struct fixture *f = *state;
    char body[512];
    fixture_start(f);
    struct answer first = post(f, AUTHORIZED, alert_body(body, sizeof body, "a1", "firing"));
    assert_int_equal(first.status, 202);
    char id[64];
    assert_int_equal(sscanf(first.body, "{\"delivery\":\"%36[0-9a-f-]\",\"duplicate\":false,\"alerts\":1}", id), 1);
    char expected[128];
    snprintf(expected, sizeof expected, "{\"delivery\":\"%s\",\"duplicate\":true,\"alerts\":1}", id);
    expect_status(post(f, AUTHORIZED, body), 200, expected);
    expect_status(post(f, AUTHORIZED, alert_body(body, sizeof body, "a1", "resolved")), 202, "\"duplicate\":false");
    answer_done(&first);
    pthread_mutex_lock(&f->mutex);
    assert_int_equal(f->last_delivery.source, 0);
    assert_int_equal(f->last_delivery.n_alerts, 1);
    assert_string_equal(f->last_body, body);
    pthread_mutex_unlock(&f->mutex);
}

static void the_same_alert_of_another_source_is_another(void **state)
{
    struct fixture *f = *state;
    char body[512];
    fixture_start(f);
    alert_body(body, sizeof body, "a1", "firing");
    expect_status(post(f, AUTHORIZED, body), 202, "false");
    expect_status(ask(http_hooks_port(f->http), "POST", "/hooks/other", JSON "Authorization: Bearer other\r\n", body,
                      strlen(body)),
                  202, "false");
}

static void refusals_by_the_table(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    char good[512];
    alert_body(good, sizeof good, "a1", "firing");
    const struct {
        const char *method, *path, *headers, *body;
        int status;
        const char *in_body, *header, *value;
    } cases[] = {
        {"POST", "/hooks/nobody", AUTHORIZED, good, 404, "no such source", NULL, NULL},
        {"POST", "/hooks/", AUTHORIZED, good, 404, "nothing at this path", NULL, NULL},
        {"POST", "/hooks/prometheus/x", AUTHORIZED, good, 404, "no path_token", NULL, NULL},
        {"POST", "/hooks/prometheus%00x", AUTHORIZED, good, 404, "nothing", NULL, NULL},
        {"POST", "/", AUTHORIZED, good, 404, "nothing", NULL, NULL},
        {"GET", "/hooks/prometheus", AUTHORIZED, NULL, 405, "takes POST", "Allow", "POST"},
        {"HEAD", "/hooks/prometheus", AUTHORIZED, NULL, 405, "", "Allow", "POST"},
        {"PUT", "/hooks/prometheus", AUTHORIZED, good, 405, "takes POST", "Allow", "POST"},
        {"POST", "/hooks/prometheus", JSON, good, 401, "missing", "WWW-Authenticate", "Bearer realm=\"turnout\""},
        {"POST", "/hooks/prometheus", JSON "Authorization: Bearer " BEARER "x\r\n", good, 401, "wrong",
         "WWW-Authenticate", "Bearer realm=\"turnout\""},
        {"POST", "/hooks/prometheus", JSON "Authorization: Bearer\r\n", good, 401, "wrong", NULL, NULL},
        {"POST", "/hooks/prometheus", JSON "Authorization: Basic dXNlcjp4\r\n", good, 401, "wrong", NULL, NULL},
        {"POST", "/hooks/prometheus", JSON "Authorization: Basic !!!\r\n", good, 401, "wrong", NULL, NULL},
        {"POST", "/hooks/other", AUTHORIZED, good, 401, "wrong", NULL, NULL},
        {"POST", "/hooks/prometheus", "Authorization: Bearer " BEARER "\r\n", good, 415, "application/json", NULL,
         NULL},
        {"POST", "/hooks/prometheus", "Content-Type: application/jsonx\r\nAuthorization: Bearer " BEARER "\r\n", good,
         415, "application/json", NULL, NULL},
        {"POST", "/hooks/prometheus", AUTHORIZED "Content-Encoding: gzip\r\n", good, 415, "Content-Encoding", NULL,
         NULL},
        {"POST", "/hooks/prometheus", AUTHORIZED, "{", 400, "byte 1: the text ends too early", NULL, NULL},
        {"POST", "/hooks/prometheus", AUTHORIZED, "", 400, "byte 0", NULL, NULL},
        {"POST", "/hooks/prometheus", AUTHORIZED, "{\"alerts\":[],\"alerts\":[]}", 400, "same key twice", NULL, NULL},
        {"POST", "/hooks/prometheus", AUTHORIZED, "{\"text\":\"down\"}", 400, "no `alerts`", NULL, NULL},
        {"GET", "/healthz", "", NULL, 200, "ok", NULL, NULL},
        {"GET", "/readyz", "", NULL, 503, "starting", "Retry-After", "5"},
        {"POST", "/readyz", "", good, 405, "GET, HEAD", "Allow", "GET, HEAD"},
        {"GET", "/metrics", "", NULL, 404, "nothing", NULL, NULL},
        {"GET", "/api/v1/services", "", NULL, 404, "nothing", NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = ask(http_hooks_port(f->http), cases[i].method, cases[i].path, cases[i].headers,
                                   cases[i].body, cases[i].body ? strlen(cases[i].body) : 0);
        char value[128];
        if (answer.status != cases[i].status || !strstr(answer.body, cases[i].in_body))
            fail_msg("case %zu: %s%s", i, answer.head, answer.body);
        if (cases[i].header) {
            assert_non_null(answer_header(&answer, cases[i].header, value, sizeof value));
            assert_string_equal(value, cases[i].value);
        }
        answer_done(&answer);
    }
    assert_int_equal(f->n_seen, 0);
}

static void accepts_what_is_right(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    char body[512];
    alert_body(body, sizeof body, "a1", "firing");
    expect_status(
        post(f, "content-type: Application/JSON; charset=utf-8\r\nauthorization: bearer " BEARER "\r\n", body), 202,
        "");
    expect_status(post(f, JSON "Authorization: Basic dXNlcjpwYTpzcw==\r\n", body), 200, "");
    expect_status(post(f, AUTHORIZED "Content-Encoding: identity\r\n", body), 200, "");
    expect_status(post(f, AUTHORIZED, "{\"alerts\":[]}"), 200, "{\"delivery\":null,\"duplicate\":true,\"alerts\":0}");
    expect_status(ask(http_hooks_port(f->http), "POST", "/hooks/%70rometheus?a=b", AUTHORIZED, body, strlen(body)), 200,
                  "");
}

static void hostile_bodies(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    struct strbuf deep = STRBUF_INIT;
    strbuf_adds(&deep, "{\"x\":");
    for (int i = 0; i < 1000000; i++)
        strbuf_addc(&deep, '[');
    expect_status(post(f, AUTHORIZED, strbuf_text(&deep)), 413, "nested too deeply");
    strbuf_done(&deep);
    expect_status(ask(http_hooks_port(f->http), "POST", "/hooks/prometheus", AUTHORIZED, "{\"alerts\0\":[]}", 14), 400,
                  "byte 8: a control character");
    char *zeros = calloc(1, 1000000);
    expect_status(ask(http_hooks_port(f->http), "POST", "/hooks/prometheus", AUTHORIZED, zeros, 1000000), 400,
                  "byte 0");
    free(zeros);
}

/* A sender who writes his whole body first must be able to read the answer. */
static void large_bodies_are_read_before_they_are_refused(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    size_t len = (size_t)10 * 1024 * 1024;
    char *body = malloc(len);
    memset(body, ' ', len);
    int port = http_hooks_port(f->http);
    expect_status(ask(port, "POST", "/hooks/prometheus", JSON, body, len), 401, "missing");
    expect_status(ask(port, "POST", "/hooks/nobody", JSON, body, len), 404, "");
    expect_status(ask(port, "PUT", "/hooks/prometheus", JSON, body, len), 405, "");
    expect_status(ask(port, "POST", "/hooks/prometheus", AUTHORIZED, body, len), 413, "larger than 4194304 bytes");
    expect_status(ask(port, "POST", "/hooks/prometheus", AUTHORIZED, body, 4194304), 400, "byte 4194304");
    int fd = connect_to(port);
    send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Transfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        send_text(fd, "100000\r\n");
        send_bytes(fd, body, 0x100000);
        send_text(fd, "\r\n");
    }
    send_text(fd, "0\r\n\r\n");
    struct answer answer;
    receive_answer(fd, false, &answer);
    expect_status(answer, 413, "larger than 4194304 bytes");
    close(fd);
    /* Beyond reason: answered at once. */
    fd = connect_to(port);
    send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: 99999999999\r\n\r\n");
    receive_answer(fd, false, &answer);
    expect_status(answer, 413, "");
    assert_true(is_closed_within(fd, 5000));
    close(fd);
    /* The same in chunks, whose length nobody tells: the connection is closed. */
    fd = connect_to(port);
    send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    bool is_open = true;
    for (int i = 0; i < 40 && is_open; i++)
        is_open = send_text(fd, "100000\r\n") && send_bytes(fd, body, 0x100000) && send_text(fd, "\r\n");
    assert_false(is_open);
    close(fd);
    free(body);
}

static void chunked_bodies(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    char body[512], head[1024];
    alert_body(body, sizeof body, "a1", "firing");
    int fd = connect_to(http_hooks_port(f->http));
    snprintf(head, sizeof head,
             "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
             "Transfer-Encoding: chunked\r\n\r\n10\r\n%.16s\r\n%zx\r\n%s\r\n0\r\n\r\n",
             body, strlen(body) - 16, body + 16);
    send_text(fd, head);
    struct answer answer;
    receive_answer(fd, false, &answer);
    expect_status(answer, 202, "\"alerts\":1");
    close(fd);
}

static void expect_continue(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    char body[512], head[1024];
    alert_body(body, sizeof body, "a1", "firing");
    struct answer answer;
    int fd = connect_to(http_hooks_port(f->http));
    snprintf(head, sizeof head,
             "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
             "Expect: 100-continue\r\nContent-Length: %zu\r\n\r\n",
             strlen(body));
    send_text(fd, head);
    assert_true(receive_answer(fd, false, &answer));
    expect_status(answer, 100, "");
    send_text(fd, body);
    assert_true(receive_answer(fd, false, &answer));
    expect_status(answer, 202, "");
    close(fd);
    fd = connect_to(http_hooks_port(f->http));
    send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" JSON
                  "Expect: 100-continue\r\nContent-Length: 5000000\r\n\r\n");
    assert_true(receive_answer(fd, false, &answer));
    expect_status(answer, 401, "");
    close(fd);
}

static void keep_alive_and_pipelining(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 20; i++) {
        char body[512], fingerprint[16];
        snprintf(fingerprint, sizeof fingerprint, "f%d", i / 2);
        alert_body(body, sizeof body, fingerprint, "firing");
        strbuf_addf(&text, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: %zu\r\n\r\n%s",
                    strlen(body), body);
    }
    int fd = connect_to(http_hooks_port(f->http));
    send_bytes(fd, text.data, text.len);
    for (int i = 0; i < 20; i++) {
        struct answer answer;
        assert_true(receive_answer(fd, false, &answer));
        expect_status(answer, i % 2 == 0 ? 202 : 200, i % 2 == 0 ? "false" : "true");
    }
    close(fd);
    strbuf_done(&text);
}

static void late_headers_and_bodies_are_cut(void **state)
{
    struct fixture *f = *state;
    f->settings.header_deadline_ms = 500;
    f->settings.body_deadline_ms = 700;
    f->settings.idle_ms = 20000;
    fixture_start(f);
    int port = http_hooks_port(f->http);
    char body[512], head[1024];
    alert_body(body, sizeof body, "a1", "firing");
    snprintf(head, sizeof head,
             "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: %zu\r\n\r\n", strlen(body));
    int silent = connect_to(port), dripping = connect_to(port), slow_body = connect_to(port),
        slow_chunks = connect_to(port), kept = connect_to(port), idle = connect_to(port);
    send_text(slow_body, head);
    send_text(slow_chunks,
              "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Transfer-Encoding: chunked\r\n\r\n");
    struct answer answer;
    const int kept_fds[] = {kept, idle};
    for (int i = 0; i < 2; i++) {
        send_text(kept_fds[i], head);
        send_text(kept_fds[i], body);
        assert_true(receive_answer(kept_fds[i], false, &answer));
        answer_done(&answer);
    }
    sleep_ms(600); /* the watchdog has looked at the idle connections: now a request begins and never ends */
    int64_t began = clock_steady_ms();
    bool is_kept_open = true;
    for (int i = 0; i < 40 && is_kept_open; i++) {
        sleep_ms(50);
        send_text(dripping, "G");
        send_text(slow_body, " ");
        send_text(slow_chunks, "1\r\n \r\n");
        is_kept_open = send_text(kept, "P");
    }
    assert_false(is_kept_open);
    assert_true(clock_steady_ms() - began < 1800);
    assert_true(is_closed_within(silent, 1000));
    assert_true(is_closed_within(dripping, 1000));
    assert_true(is_closed_within(slow_body, 1000));
    assert_true(is_closed_within(slow_chunks, 1000));
    assert_true(is_closed_within(kept, 1000));
    assert_false(is_closed_within(idle, 100)); /* between two requests is not late */
    send_text(idle, head);
    send_text(idle, body);
    assert_true(receive_answer(idle, false, &answer));
    expect_status(answer, 200, "");
    const int fds[] = {silent, dripping, slow_body, slow_chunks, kept, idle};
    for (size_t i = 0; i < sizeof fds / sizeof fds[0]; i++)
        close(fds[i]);
}

static void idle_connections_end(void **state)
{
    struct fixture *f = *state;
    f->settings.header_deadline_ms = 10000;
    f->settings.idle_ms = 600;
    fixture_start(f);
    int fd = connect_to(http_hooks_port(f->http));
    struct answer answer;
    send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(receive_answer(fd, false, &answer));
    answer_done(&answer);
    assert_false(is_closed_within(fd, 300));
    assert_true(is_closed_within(fd, 2000));
    close(fd);
}

static void many_idle_connections_keep_nobody_out(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    int fds[250];
    int port = http_hooks_port(f->http);
    for (int i = 0; i < 250; i++) {
        fds[i] = connect_to(port);
        send_text(fds[i], i % 2 ? "POST /hooks/prometheus HTTP/1.1\r\nX: " : "");
    }
    char body[512];
    for (int i = 0; i < 20; i++) {
        char fingerprint[16];
        snprintf(fingerprint, sizeof fingerprint, "f%d", i);
        expect_status(post(f, AUTHORIZED, alert_body(body, sizeof body, fingerprint, "firing")), 202, "");
    }
    for (int i = 0; i < 250; i++)
        close(fds[i]);
}

static void connections_of_one_address_are_limited(void **state)
{
    struct fixture *f = *state;
    f->settings.max_connections_per_address = 10;
    fixture_start(f);
    int port = http_hooks_port(f->http), fds[10];
    struct answer answer;
    for (int i = 0; i < 10; i++) {
        fds[i] = connect_to(port);
        send_text(fds[i], "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        assert_true(receive_answer(fds[i], false, &answer));
        answer_done(&answer);
    }
    int one_more = connect_to(port);
    assert_true(is_closed_within(one_more, 5000));
    close(one_more);
    int elsewhere = connect_from(7, port);
    send_text(elsewhere, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(receive_answer(elsewhere, false, &answer));
    expect_status(answer, 200, "");
    close(elsewhere);
    close(fds[3]);
    int status = 0;
    for (int i = 0; i < 100 && status != 200; i++) {
        sleep_ms(20);
        int again = connect_to(port);
        send_text(again, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        receive_answer(again, false, &answer);
        status = answer.status;
        answer_done(&answer);
        close(again);
    }
    assert_int_equal(status, 200);
    for (int i = 0; i < 10; i++) {
        if (i != 3)
            close(fds[i]);
    }
}

static void no_commit_in_time_is_a_503(void **state)
{
    struct fixture *f = *state;
    f->settings.commit_deadline_ms = 400;
    fixture_start(f);
    atomic_store(&f->is_holding, true);
    char body[512];
    int64_t began = clock_steady_ms();
    struct answer answer = post(f, AUTHORIZED, alert_body(body, sizeof body, "a1", "firing"));
    int64_t took = clock_steady_ms() - began;
    char value[16];
    assert_int_equal(answer.status, 503);
    assert_non_null(answer_header(&answer, "Retry-After", value, sizeof value));
    assert_true(took >= 400 && took < 3000);
    answer_done(&answer);
    /* It was not taken back: the command is still on its way, and answers nobody. */
    atomic_store(&f->is_holding, false);
    expect_status(post(f, AUTHORIZED, body), 200, "true");
}

static void a_sender_who_leaves_while_suspended(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    atomic_store(&f->is_holding, true);
    char body[512], text[1024];
    alert_body(body, sizeof body, "a1", "firing");
    snprintf(text, sizeof text,
             "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    for (int i = 0; i < 20; i++) {
        int fd = connect_to(http_hooks_port(f->http));
        send_text(fd, text);
        sleep_ms(10);
        if (i % 2) { /* by RST */
            const struct linger linger = {.l_onoff = 1};
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        }
        close(fd);
    }
    sleep_ms(100);
    atomic_store(&f->is_holding, false);
    expect_status(post(f, AUTHORIZED, body), 200, "true");
}

struct sender {
    struct fixture *f;
    pthread_t thread;
    unsigned seed;
    int answered;
};

/* Sends as real ones do: most wait for the answer, some leave at once, some after a moment. */
static void *sender_run(void *context)
{
    struct sender *sender = context;
    for (int i = 0; i < 40; i++) {
        char body[512], text[1024], fingerprint[32];
        snprintf(fingerprint, sizeof fingerprint, "f%d", rand_r(&sender->seed) % 50);
        alert_body(body, sizeof body, fingerprint, rand_r(&sender->seed) % 2 ? "firing" : "resolved");
        snprintf(text, sizeof text,
                 "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: %zu\r\n\r\n%s",
                 strlen(body), body);
        int fd = connect_to(http_hooks_port(sender->f->http));
        send_text(fd, text);
        int patience = rand_r(&sender->seed) % 10;
        if (patience == 1)
            sleep_ms(rand_r(&sender->seed) % 50);
        if (patience > 1) {
            struct answer answer;
            assert_true(receive_answer(fd, false, &answer));
            assert_true(answer.status == 200 || answer.status == 202 || answer.status == 503);
            sender->answered++;
            answer_done(&answer);
        }
        close(fd);
    }
    return NULL;
}

static void late_commits_and_leaving_senders_at_once(void **state)
{
    struct fixture *f = *state;
    f->settings.commit_deadline_ms = 20;
    fixture_start(f);
    struct sender senders[8];
    for (unsigned i = 0; i < 8; i++) {
        senders[i] = (struct sender){.f = f, .seed = i + 1};
        assert_int_equal(pthread_create(&senders[i].thread, NULL, sender_run, &senders[i]), 0);
    }
    for (int i = 0; i < 20; i++) { /* commits that come before, at and after the watchdog's look */
        atomic_store(&f->is_holding, i % 2 == 0);
        sleep_ms(i % 2 == 0 ? 130 + 17 * i : 30);
    }
    atomic_store(&f->is_holding, false);
    int answered = 0;
    for (int i = 0; i < 8; i++) {
        pthread_join(senders[i].thread, NULL);
        answered += senders[i].answered;
    }
    assert_true(answered > 200);
}

static void a_full_or_refusing_queue_is_a_503(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    char body[512];
    alert_body(body, sizeof body, "a1", "firing");
    command_queue_refuse_deliveries(f->queue, true);
    expect_status(post(f, AUTHORIZED, body), 503, "unavailable");
    command_queue_refuse_deliveries(f->queue, false);
    expect_status(post(f, AUTHORIZED, body), 202, "");
}

static void all_bodies_together_are_bounded(void **state)
{
    struct fixture *f = *state;
    f->settings.max_bodies = 1000000;
    fixture_start(f);
    int port = http_hooks_port(f->http);
    int fd = connect_to(port);
    send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: 999900\r\n\r\n");
    char body[512];
    alert_body(body, sizeof body, "a1", "firing");
    int status = 202;
    for (int i = 0; i < 100 && status != 503; i++) {
        struct answer answer = post(f, AUTHORIZED, body);
        status = answer.status;
        answer_done(&answer);
        sleep_ms(10);
    }
    assert_int_equal(status, 503);
    close(fd); /* gives its part back */
    for (int i = 0; i < 100 && status == 503; i++) {
        struct answer answer = post(f, AUTHORIZED, body);
        status = answer.status;
        answer_done(&answer);
        sleep_ms(10);
    }
    assert_int_not_equal(status, 503);
    /* A chunked one grows until it hits the bound, and gives everything back. */
    char *large = malloc(1100000);
    memset(large, ' ', 1100000);
    fd = connect_to(port);
    send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED
                  "Transfer-Encoding: chunked\r\n\r\n10c8e0\r\n");
    send_bytes(fd, large, 1100000);
    send_text(fd, "\r\n0\r\n\r\n");
    struct answer answer;
    assert_true(receive_answer(fd, false, &answer));
    expect_status(answer, 503, "too much");
    close(fd);
    free(large);
    expect_status(post(f, AUTHORIZED, body), 200, "");
}

static void a_flood_without_credential_is_a_few_commands(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    int fd = connect_to(http_hooks_port(f->http));
    for (int i = 0; i < 200; i++) {
        struct answer answer;
        send_text(fd, "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 2\r\n\r\n{}");
        assert_true(receive_answer(fd, false, &answer));
        expect_status(answer, 401, "");
    }
    close(fd);
    int requests = 0, commands = 0;
    for (int i = 0; i < 100 && requests < 200; i++) {
        sleep_ms(50);
        pthread_mutex_lock(&f->mutex);
        requests = f->rejected_requests;
        commands = f->rejected_commands;
        pthread_mutex_unlock(&f->mutex);
    }
    assert_int_equal(requests, 200);
    assert_true(commands >= 2 && commands <= 5);
    assert_string_equal(f->last_refused.what, "source prometheus");
    assert_string_equal(f->last_refused.from, "127.0.0.1");
    assert_int_equal(f->last_refused.source, 0);
    assert_string_equal(f->last_refused.reason, "no credential");
}

static void hostile_heads(void **state)
{
    struct fixture *f = *state;
    f->settings.header_deadline_ms = f->settings.idle_ms = 500;
    fixture_start(f);
    struct strbuf text = STRBUF_INIT;
    int port = http_hooks_port(f->http);
    strbuf_adds(&text, "GET /");
    for (int i = 0; i < 20000; i++)
        strbuf_addc(&text, 'a');
    strbuf_adds(&text, " HTTP/1.1\r\nHost: x\r\n\r\n");
    int fd = connect_to(port);
    send_bytes(fd, text.data, text.len);
    struct answer answer;
    receive_answer(fd, false, &answer);
    assert_true(answer.status == 0 || (answer.status >= 400 && answer.status < 500));
    answer_done(&answer);
    close(fd);
    strbuf_clear(&text);
    strbuf_adds(&text, "GET /healthz HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 2000; i++)
        strbuf_addf(&text, "X-%d: aaaaaaaaaaaaaaaaaaaaaaa\r\n", i);
    strbuf_adds(&text, "\r\n");
    fd = connect_to(port);
    send_bytes(fd, text.data, text.len);
    receive_answer(fd, false, &answer);
    assert_true(answer.status == 0 || (answer.status >= 400 && answer.status < 500));
    answer_done(&answer);
    close(fd);
    strbuf_done(&text);
    static const char *const bad[] = {"\r\n\r\n\r\n",
                                      "GET\r\n\r\n",
                                      "GET / HTTP/9.9\r\n\r\n",
                                      "\x16\x03\x01\x02\x00\r\n\r\n",
                                      "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                                      "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\n",
                                      "GET / HTTP/1.1\r\n\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fd = connect_to(port);
        send_text(fd, bad[i]);
        shutdown(fd, SHUT_WR);
        assert_true(is_closed_within(fd, 5000));
        close(fd);
    }
    expect_status(ask(port, "GET", "/healthz", "", NULL, 0), 200, "ok");
}

static void stopping_answers_everybody(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    atomic_store(&f->is_holding, true);
    char body[512], text[1024];
    alert_body(body, sizeof body, "a1", "firing");
    snprintf(text, sizeof text,
             "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    int fds[20];
    for (int i = 0; i < 20; i++) {
        fds[i] = connect_to(http_hooks_port(f->http));
        send_text(fds[i], text);
    }
    int port = http_hooks_port(f->http), kept = connect_to(port);
    struct answer answer;
    send_text(kept, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(receive_answer(kept, false, &answer));
    answer_done(&answer);
    sleep_ms(200);
    http_stop_accepting(f->http);
    send_text(kept, text);
    assert_true(receive_answer(kept, false, &answer));
    expect_status(answer, 503, "stopping");
    close(kept);
    fixture_done(f); /* the stand-in answers what it holds */
    for (int i = 0; i < 20; i++) {
        assert_true(receive_answer(fds[i], false, &answer));
        expect_status(answer, i == 0 ? 202 : answer.status, "\"alerts\":1");
        close(fds[i]);
    }
    fixture_init(f);
    fixture_start(f);
}

static void nobody_answers_and_it_stops_all_the_same(void **state)
{
    struct fixture *f = *state;
    struct errmsg why;
    assert_int_equal(http_start(&f->settings, &f->http, &why), ERR_OK); /* no orchestrator */
    char body[512], text[1024];
    alert_body(body, sizeof body, "a1", "firing");
    snprintf(text, sizeof text,
             "POST /hooks/prometheus HTTP/1.1\r\nHost: x\r\n" AUTHORIZED "Content-Length: %zu\r\n\r\n%s", strlen(body),
             body);
    int fd = connect_to(http_hooks_port(f->http));
    send_text(fd, text);
    sleep_ms(200);
    struct command *command = NULL;
    assert_int_equal(command_queue_take(f->queue, &command, 1, clock_steady_ms() + 1000), 1);
    http_stop(f->http);
    struct answer answer;
    assert_true(receive_answer(fd, false, &answer));
    expect_status(answer, 503, "in time");
    close(fd);
    fixture_start(f);
    command->done(command); /* later than everything: frees, touches nothing else */
}

static void a_taken_port_is_named(void **state)
{
    struct fixture *f = *state;
    fixture_start(f);
    struct sockaddr_in taken = f->address;
    taken.sin_port = htons((uint16_t)http_hooks_port(f->http));
    struct http_settings settings = f->settings;
    settings.api_address = (const struct sockaddr *)&taken;
    settings.api_text = "127.0.0.1:8080";
    struct http *other = NULL;
    struct errmsg why;
    assert_int_equal(http_start(&settings, &other, &why), ERR_BUSY);
    assert_string_equal(why.text, "server.api: 127.0.0.1:8080 is taken by another program");
    struct sockaddr_in elsewhere = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xC0000201)};
    settings.hooks_address = (const struct sockaddr *)&elsewhere;
    settings.hooks_text = "192.0.2.1:80";
    assert_int_equal(http_start(&settings, &other, &why), ERR_IO);
    assert_non_null(strstr(why.text, "server.hooks: cannot listen on 192.0.2.1:80: "));
    assert_null(other);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_delivery_is_new_then_known),
        TEST(the_same_alert_of_another_source_is_another),
        TEST(refusals_by_the_table),
        TEST(accepts_what_is_right),
        TEST(hostile_bodies),
        TEST(large_bodies_are_read_before_they_are_refused),
        TEST(chunked_bodies),
        TEST(expect_continue),
        TEST(keep_alive_and_pipelining),
        TEST(late_headers_and_bodies_are_cut),
        TEST(idle_connections_end),
        TEST(many_idle_connections_keep_nobody_out),
        TEST(connections_of_one_address_are_limited),
        TEST(no_commit_in_time_is_a_503),
        TEST(a_sender_who_leaves_while_suspended),
        TEST(late_commits_and_leaving_senders_at_once),
        TEST(a_full_or_refusing_queue_is_a_503),
        TEST(all_bodies_together_are_bounded),
        TEST(a_flood_without_credential_is_a_few_commands),
        TEST(hostile_heads),
        TEST(stopping_answers_everybody),
        TEST(nobody_answers_and_it_stops_all_the_same),
        TEST(a_taken_port_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

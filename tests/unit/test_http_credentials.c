/* Several credentials of one source at once, over real sockets: while one is being replaced by another, both let
 * deliveries in, and nothing between them does. And a source that has no credential but a signature. */
#include "http_fixture.h"

#include "base/digest.h"

#define JSON "Content-Type: application/json\r\n"
#define NEXT_BEARER "hooks-token-of-next-year"
#define PATH_TOKEN "path-token-0123456789"
#define NEXT_PATH_TOKEN "path-token-of-next-year"
#define SECRET "grafana-secret-0123456789"
#define NEXT_SECRET "grafana-secret-of-next-year"

static const char body[] =
    "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"SiteDown\",\"service\":\"shop\"},"
    "\"startsAt\":\"2026-11-20T03:04:05Z\",\"fingerprint\":\"a1\"}]}";

static char old_user[] = "old", next_user[] = "next";

static void expect_status(const struct fixture *f, const char *method, const char *target, const char *headers,
                          int status, const char *in_body)
{
    struct answer answer = ask(http_hooks_port(f->http), method, target, headers, body, strlen(body));
    if (answer.status != status || !strstr(answer.body, in_body))
        fail_msg("%s %s %s: expected %d with \"%s\", got %d: %s%s", method, target, headers, status, in_body,
                 answer.status, answer.head, answer.body);
    answer_done(&answer);
}

static void give_credentials(struct fixture *f, struct basic_credential basic[2])
{
    struct source *source = &f->sources[0];
    fixture_secret(&source->bearer, NEXT_BEARER);
    fixture_secret(&source->path_token, PATH_TOKEN);
    fixture_secret(&source->path_token, NEXT_PATH_TOKEN);
    basic[0].user = old_user;
    basic[1].user = next_user;
    assert_int_equal(secret_set(&basic[0].password, "old:password", 12), ERR_OK);
    assert_int_equal(secret_set(&basic[1].password, "next password", 13), ERR_OK);
    source->basic = basic;
    source->n_basic = 2;
}

static void each_of_several_lets_a_delivery_in(void **state)
{
    struct fixture *f = *state;
    struct basic_credential basic[2] = {{.user = NULL}};
    give_credentials(f, basic);
    fixture_start(f);
    expect_status(f, "POST", "/hooks/prometheus", JSON "Authorization: Bearer " BEARER "\r\n", 202, "");
    static const char *const good[][2] = {
        {"/hooks/prometheus", JSON "Authorization: Bearer " BEARER "\r\n"},
        {"/hooks/prometheus", JSON "Authorization: Bearer " NEXT_BEARER "\r\n"},
        {"/hooks/prometheus", JSON "Authorization: Basic b2xkOm9sZDpwYXNzd29yZA==\r\n"}, /* old:old:password */
        {"/hooks/prometheus", JSON "Authorization: Basic bmV4dDpuZXh0IHBhc3N3b3Jk\r\n"}, /* next:next password */
        {"/hooks/prometheus/" PATH_TOKEN, JSON},
        {"/hooks/prometheus/" NEXT_PATH_TOKEN, JSON},
        {"/hooks/prometheus/" NEXT_PATH_TOKEN "?a=b", JSON "Authorization: Bearer wrong\r\n"},
        {"/hooks/prometheus/wrong", JSON "Authorization: Bearer " NEXT_BEARER "\r\n"},
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        expect_status(f, "POST", good[i][0], good[i][1], 200, "\"duplicate\":true");
    secret_done(&basic[0].password);
    secret_done(&basic[1].password);
}

/* Parts of two credentials do not make one. */
static void nothing_between_them_does(void **state)
{
    struct fixture *f = *state;
    struct basic_credential basic[2] = {{.user = NULL}};
    give_credentials(f, basic);
    fixture_start(f);
    static const char *const bad[][2] = {
        {"/hooks/prometheus", JSON "Authorization: Basic b2xkOm5leHQgcGFzc3dvcmQ=\r\n"}, /* old:next password */
        {"/hooks/prometheus", JSON "Authorization: Basic bmV4dDpvbGQ6cGFzc3dvcmQ=\r\n"}, /* next:old:password */
        {"/hooks/prometheus", JSON "Authorization: Basic b2xk\r\n"},                     /* old */
        {"/hooks/prometheus", JSON "Authorization: Bearer " BEARER NEXT_BEARER "\r\n"},
        {"/hooks/prometheus", JSON "Authorization: Bearer " BEARER ", Bearer " NEXT_BEARER "\r\n"},
        {"/hooks/prometheus", JSON "Authorization: Bearer " PATH_TOKEN "\r\n"},
        {"/hooks/prometheus/" BEARER, JSON},
        {"/hooks/prometheus/" PATH_TOKEN NEXT_PATH_TOKEN, JSON},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        expect_status(f, "POST", bad[i][0], bad[i][1], 401, "the credential is wrong");
    expect_status(f, "POST", "/hooks/prometheus", JSON, 401, "the credential is missing");
    assert_int_equal(f->n_seen, 0);
    struct answer answer = ask(http_hooks_port(f->http), "POST", "/hooks/prometheus", JSON, body, strlen(body));
    assert_non_null(strstr(answer.head, "WWW-Authenticate: Bearer realm=\"turnout\""));
    assert_non_null(strstr(answer.head, "WWW-Authenticate: Basic realm=\"turnout\""));
    answer_done(&answer);
    secret_done(&basic[0].password);
    secret_done(&basic[1].password);
}

/* ---- signatures -------------------------------------------------------------------------------------------------- */

static const char *signed_by(const char *secret, const char *timestamp, char headers[256])
{
    const struct bytes_view parts[] = {{timestamp, strlen(timestamp)}, {":", 1}, {body, strlen(body)}};
    struct sha256 mac = hmac_sha256_of_parts(secret, strlen(secret), parts, 3);
    char hex[2 * SHA256_SIZE + 1];
    hex_encode(mac.bytes, sizeof mac.bytes, hex);
    snprintf(headers, 256, JSON "X-Grafana-Alerting-Signature: %s\r\nX-Time: %s\r\n", hex, timestamp);
    return headers;
}

static const char *time_text(int64_t seconds_ago, char text[32])
{
    snprintf(text, 32, "%lld", (long long)(clock_wall_ms() / 1000 - seconds_ago));
    return text;
}

static void a_signature_is_a_credential(void **state)
{
    struct fixture *f = *state;
    struct source *source = &f->sources[1];
    char headers[256], at[32];
    secret_list_done(&source->bearer);
    source->handler = handler_find("grafana");
    source->args = json_pack("{s:s, s:s, s:i}", "signature_header", "X-Grafana-Alerting-Signature", "timestamp_header",
                             "X-Time", "tolerance", 60000);
    source->secrets[0].row = "hmac_secret";
    fixture_secret(&source->secrets[0].values, SECRET);
    fixture_secret(&source->secrets[0].values, NEXT_SECRET);
    fixture_start(f);
    expect_status(f, "POST", "/hooks/other", signed_by(SECRET, time_text(0, at), headers), 202, "");
    expect_status(f, "PUT", "/hooks/other", signed_by(NEXT_SECRET, time_text(30, at), headers), 200, "");
    expect_status(f, "POST", "/hooks/other", signed_by("another", time_text(0, at), headers), 403, "\"denied\"");
    expect_status(f, "POST", "/hooks/other", signed_by(SECRET, time_text(90, at), headers), 403, "a copy of an old");
    expect_status(f, "POST", "/hooks/other", JSON, 403, "it has no header X-Grafana-Alerting-Signature");
    expect_status(f, "GET", "/hooks/other", JSON, 405, "a source of kind grafana takes POST, PUT");
    assert_int_equal(f->n_seen, 1);
    secret_list_done(&source->secrets[0].values);
    json_decref(source->args);
}

/* A token that has got about is not enough to use up what the sender who also signs may send. */
static void what_is_not_signed_uses_up_nothing(void **state)
{
    struct fixture *f = *state;
    struct source *source = &f->sources[1];
    char headers[256], at[32];
    secret_list_done(&source->bearer);
    fixture_secret(&source->path_token, PATH_TOKEN);
    source->rate = 1;
    source->handler = handler_find("grafana");
    source->args = json_pack("{s:s, s:s, s:i}", "signature_header", "X-Grafana-Alerting-Signature", "timestamp_header",
                             "X-Time", "tolerance", 60000);
    source->secrets[0].row = "hmac_secret";
    fixture_secret(&source->secrets[0].values, SECRET);
    fixture_start(f);
    for (int i = 0; i < 5; i++)
        expect_status(f, "POST", "/hooks/other/" PATH_TOKEN, signed_by("another", time_text(0, at), headers), 403, "");
    expect_status(f, "POST", "/hooks/other/" PATH_TOKEN, signed_by(SECRET, time_text(0, at), headers), 202, "");
    expect_status(f, "POST", "/hooks/other/" PATH_TOKEN, signed_by(SECRET, time_text(0, at), headers), 200, "");
    expect_status(f, "POST", "/hooks/other/" PATH_TOKEN, signed_by(SECRET, time_text(0, at), headers), 503,
                  "more than 1 deliveries a second");
    secret_list_done(&source->secrets[0].values);
    json_decref(source->args);
}

/* Whoever posts to a source that only a signature guards has memory taken for a body before anything is known of it. */
static void bodies_of_anybody_leave_room_for_known_senders(void **state)
{
    struct fixture *f = *state;
    struct source *source = &f->sources[1];
    secret_list_done(&source->bearer);
    source->handler = handler_find("grafana");
    source->args = json_pack("{s:s}", "signature_header", "X-Grafana-Alerting-Signature");
    source->secrets[0].row = "hmac_secret";
    fixture_secret(&source->secrets[0].values, SECRET);
    f->settings.max_bodies = 1000000;
    fixture_start(f);
    int fds[8];
    for (int i = 0; i < 8; i++) { /* each waits with its body; five of them get the half that there is for them */
        fds[i] = connect_to(http_hooks_port(f->http));
        send_text(fds[i], "POST /hooks/other HTTP/1.1\r\nHost: x\r\n" JSON "Content-Length: 100000\r\n\r\n{");
    }
    int status = 0;
    for (int i = 0; i < 200 && status != 503; i++) {
        struct answer answer = ask(http_hooks_port(f->http), "POST", "/hooks/other", JSON, body, strlen(body));
        status = answer.status;
        answer_done(&answer);
        sleep_ms(10);
    }
    assert_int_equal(status, 503);
    expect_status(f, "POST", "/hooks/prometheus", JSON "Authorization: Bearer " BEARER "\r\n", 202, "");
    for (int i = 0; i < 8; i++)
        close(fds[i]);
    secret_list_done(&source->secrets[0].values);
    json_decref(source->args);
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_of_several_lets_a_delivery_in),
        TEST(nothing_between_them_does),
        TEST(a_signature_is_a_credential),
        TEST(what_is_not_signed_uses_up_nothing),
        TEST(bodies_of_anybody_leave_room_for_known_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

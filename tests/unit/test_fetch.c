#include "fetch/fetch.h"

#include "base/clock.h"
#include "canned_server.h"

#include "test.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <netdb.h>
#include <sys/resource.h>

/* In front of the C library's: "hang.test" never resolves, which is how a look-up behaves when its server is gone. */
typedef int (*getaddrinfo_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
static atomic_bool is_hanging;
static atomic_int n_looked_up; /* "moving.test", which is at another address each time */

int getaddrinfo(const char *restrict node, const char *restrict service, const struct addrinfo *restrict hints,
                struct addrinfo **restrict ret)
{
    if (node && strcmp(node, "hang.test") == 0) {
        while (atomic_load(&is_hanging))
            usleep(10000);
        return EAI_AGAIN;
    }
    if (node && (strcmp(node, "name.test") == 0 || strcmp(node, "gone.test") == 0))
        return EAI_NONAME;
    char moving[32];
    if (node && strcmp(node, "moving.test") == 0) {
        snprintf(moving, sizeof(moving), "127.0.0.%d", 1 + atomic_fetch_add(&n_looked_up, 1));
        node = moving;
    }
    struct addrinfo *made = calloc(1, sizeof(*made) + sizeof(struct sockaddr_in));
    struct sockaddr_in *address = (struct sockaddr_in *)(void *)(made + 1);
    *address = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(service ? service : "0"))};
    if (!node || inet_pton(AF_INET, node, &address->sin_addr) != 1) {
        free(made);
        return EAI_NONAME;
    }
    *made = (struct addrinfo){.ai_family = AF_INET,
                              .ai_socktype = hints ? hints->ai_socktype : SOCK_STREAM,
                              .ai_addrlen = sizeof(*address),
                              .ai_addr = (struct sockaddr *)address};
    *ret = made;
    return 0;
}

void freeaddrinfo(struct addrinfo *info)
{
    free(info);
}

struct server {
    struct canned canned;
    struct canned_answer answer;
};

static void give(void *context, const struct canned_request *request, struct canned_answer *ret)
{
    (void)request;
    *ret = ((struct server *)context)->answer;
}

static struct server *server_new(void)
{
    struct server *server = calloc(1, sizeof(*server));
    server->answer.status = 200;
    snprintf(server->answer.body, sizeof(server->answer.body), "hello");
    canned_start(&server->canned, give, server);
    return server;
}

static void server_free(struct server *server)
{
    canned_stop(&server->canned);
    free(server);
}

struct sent {
    struct fetch *fetch;
    struct fetch_response response;
    struct errmsg why;
};

static enum err get(struct sent *sent, const char *url, const struct fetch_request *more)
{
    struct fetch_request request = more ? *more : (struct fetch_request){0};
    request.method = request.method ? request.method : "GET";
    request.url = url;
    request.timeout_ms = request.timeout_ms ? request.timeout_ms : 5000;
    fetch_response_done(&sent->response);
    sent->why.text[0] = '\0';
    return sent->fetch->send(sent->fetch, &request, &sent->response, &sent->why);
}

static void sent_done(struct sent *sent)
{
    fetch_response_done(&sent->response);
    fetch_free(sent->fetch);
}

static void test_get_and_kept_connection(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_header headers[] = {{"X-One", "1", false}, {"X-Empty", "", false}};
    struct fetch_request request = {.headers = headers, .n_headers = 2};
    snprintf(server->answer.headers, sizeof(server->answer.headers),
             "Content-Type: text/plain\r\nRetry-After: 7\r\nx-amzn-RequestId: abc-1\r\nX-Maintenance-Mode: all\r\n");
    for (int i = 0; i < 3; i++)
        assert_int_equal(get(&sent, server->canned.url, &request), ERR_OK);
    assert_int_equal(sent.response.status, 200);
    assert_string_equal(sent.response.body.data, "hello");
    assert_string_equal(sent.response.content_type, "text/plain");
    assert_int_equal(sent.response.retry_after_ms, 7000);
    assert_string_equal(sent.response.request_id, "abc-1");
    assert_true(sent.response.is_maintenance);
    assert_string_equal(sent.response.peer, "127.0.0.1");
    assert_int_equal(server->canned.n_connections, 1);
    const char *seen = server->canned.requests[2].headers;
    assert_non_null(strstr(seen, "\r\nX-One: 1\r\n"));
    assert_non_null(strstr(seen, "\r\nX-Empty:"));
    assert_null(strstr(seen, "Expect"));
    assert_null(strstr(seen, "Content-Type"));
    sent_done(&sent);
    server_free(server);
}

static void test_write_has_its_own_connection_and_exact_body(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    char body[3000];
    memset(body, 'x', sizeof(body)); /* big enough for libcurl to ask for 100-continue when left alone */
    struct fetch_request put = {.method = "PUT", .body = body, .body_len = sizeof(body)};
    struct fetch_request post = {.method = "POST"};
    assert_int_equal(get(&sent, server->canned.url, NULL), ERR_OK);
    assert_int_equal(get(&sent, server->canned.url, &put), ERR_OK);
    assert_int_equal(get(&sent, server->canned.url, &post), ERR_OK);
    assert_int_equal(server->canned.n_connections, 3);
    const struct canned_request *seen = server->canned.requests;
    assert_string_equal(seen[1].method, "PUT");
    assert_int_equal(strlen(seen[1].body), sizeof(body));
    assert_null(strstr(seen[1].headers, "Expect"));
    assert_null(strstr(seen[1].headers, "urlencoded"));
    assert_string_equal(seen[2].method, "POST");
    assert_non_null(strstr(seen[2].headers, "Content-Length: 0"));
    sent_done(&sent);
    server_free(server);
}

static void test_any_status_is_an_answer(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    snprintf(server->answer.headers, sizeof(server->answer.headers), "Location: http://127.0.0.1:1/\r\n");
    const int statuses[] = {204, 299, 301, 404, 460, 503};
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        server->answer.status = statuses[i];
        assert_int_equal(get(&sent, server->canned.url, NULL), ERR_OK);
        assert_int_equal(sent.response.status, statuses[i]);
    }
    assert_int_equal(canned_count(&server->canned), 6);
    sent_done(&sent);
    server_free(server);
}

static void test_retry_after(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    const struct {
        const char *text;
        int64_t low, high;
    } cases[] = {
        {"0", 0, 0},
        {"3", 3000, 3000},
        {"99999999999999999999999", 86400000, 86400000},
        {"Sun, 06 Nov 1994 08:49:37 GMT", 0, 0},
        {"3x", -1, -1},
        {"soon", -1, -1},
        {"-5", -1, -1},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(server->answer.headers, sizeof(server->answer.headers), "Retry-After: %s\r\n", cases[i].text);
        assert_int_equal(get(&sent, server->canned.url, NULL), ERR_OK);
        assert_in_range(sent.response.retry_after_ms + 1, cases[i].low + 1, cases[i].high + 1);
    }
    char date[64];
    time_t at = (time_t)(clock_wall_ms() / 1000) + 60;
    strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&at));
    snprintf(server->answer.headers, sizeof(server->answer.headers), "Retry-After: %s\r\n", date);
    assert_int_equal(get(&sent, server->canned.url, NULL), ERR_OK);
    assert_in_range(sent.response.retry_after_ms, 57000, 61000);
    sent_done(&sent);
    server_free(server);
}

static void test_date_and_rate(void **state)
{
    (void)state;
    static const struct {
        const char *headers;
        int64_t date_at;
        int remaining;
        int64_t reset_at;
    } cases[] = {
        {"", 0, -1, 0},
        {"Date: Sat, 21 Nov 2026 02:20:07 GMT\r\nX-RateLimit-Remaining: 799\r\nX-RateLimit-Reset: 1795227660\r\n",
         1795227607000, 799, 1795227660000},
        {"X-Ratelimit-Remaining: 0\r\nX-Ratelimit-Reset: 0\r\n", 0, 0, 0},
        {"Date: yesterday\r\nX-RateLimit-Remaining: -1\r\nX-RateLimit-Reset: soon\r\n", 0, -1, 0},
        {"X-RateLimit-Remaining: 99999999999999999999\r\nX-RateLimit-Reset: 99999999999999999999\r\n", 0, -1, 0},
        {"X-RateLimit-Remaining: 12 \r\nX-RateLimit-Reset: 1.5\r\n", 0, 12, 0},
    };
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        snprintf(server->answer.headers, sizeof(server->answer.headers), "%s", cases[i].headers);
        assert_int_equal(get(&sent, server->canned.url, NULL), ERR_OK);
        assert_int_equal(sent.response.date_at, cases[i].date_at);
        assert_int_equal(sent.response.rate_remaining, cases[i].remaining);
        assert_int_equal(sent.response.rate_reset_at, cases[i].reset_at);
    }
    sent_done(&sent);
    server_free(server);
}

static void test_before_sending_is_temporary(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_request put = {.method = "PUT", .body = "x", .body_len = 1};
    char url[sizeof(server->canned.url)];
    memcpy(url, server->canned.url, sizeof(url));
    server_free(server); /* nobody listens there any more */
    assert_int_equal(get(&sent, url, &put), ERR_TEMPORARY);
    assert_int_equal(sent.response.status, 0);
    assert_non_null(strstr(sent.why.text, "connect"));
    assert_int_equal(get(&sent, "http://gone.test/", &put), ERR_TEMPORARY);
    assert_non_null(strstr(sent.why.text, "gone.test"));
    sent_done(&sent);
}

static void test_after_sending_is_unknown(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_request put = {.method = "PUT", .body = "x", .body_len = 1};
    const enum canned_fault faults[] = {CANNED_CLOSE, CANNED_HANG, CANNED_TRUNCATE};
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++) {
        put.timeout_ms = faults[i] == CANNED_HANG ? 1000 : 0; /* long enough to have connected, on a busy machine too */
        canned_spoil(&server->canned, &server->answer, faults[i]);
        assert_int_equal(get(&sent, server->canned.url, &put), ERR_UNKNOWN);
        assert_string_not_equal(sent.why.text, "");
    }
    assert_int_equal(canned_count(&server->canned), 3); /* each was sent once */
    sent_done(&sent);
    server_free(server);
}

static enum err say(void *context, struct errmsg *why)
{
    enum err *answer = context;
    return *answer == ERR_OK ? ERR_OK : err_set(why, *answer, "not now");
}

/* Whoever is asked when the connection stands can still keep the request back; then nothing was sent. */
static void test_last_word(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    enum err answer = ERR_CONFLICT;
    struct fetch_request put = {.method = "PUT", .body = "x", .body_len = 1, .may_send = say};
    put.may_send_context = &answer;
    assert_int_equal(get(&sent, server->canned.url, &put), ERR_CONFLICT);
    assert_string_equal(sent.why.text, "not now");
    answer = ERR_CANCELLED;
    assert_int_equal(get(&sent, server->canned.url, &put), ERR_CANCELLED);
    assert_int_equal(canned_count(&server->canned), 0);
    answer = ERR_OK;
    assert_int_equal(get(&sent, server->canned.url, &put), ERR_OK);
    assert_int_equal(canned_count(&server->canned), 1);
    sent_done(&sent);
    server_free(server);
}

static void test_unusable_requests(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    const struct fetch_header bad[] = {
        {"X-A", "1\r\nX-B: 2", false}, {"X A", "1", false}, {"", "1", false}, {"X\n", "1", false}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct fetch_request request = {.headers = &bad[i], .n_headers = 1};
        assert_int_equal(get(&sent, server->canned.url, &request), ERR_INVALID);
    }
    struct fetch_request named = {.connect_to = "name.test"};
    struct fetch_request method = {.method = "GET / HTTP/1.1\r\nX: y"};
    assert_int_equal(get(&sent, server->canned.url, &named), ERR_INVALID);
    assert_int_equal(get(&sent, server->canned.url, &method), ERR_INVALID);
    assert_int_equal(get(&sent, "file:///etc/passwd", NULL), ERR_INVALID);
    assert_int_equal(get(&sent, "ftp://127.0.0.1/", NULL), ERR_INVALID);
    assert_int_equal(get(&sent, "http://", NULL), ERR_INVALID);
    assert_int_equal(canned_count(&server->canned), 0);
    sent_done(&sent);
    server_free(server);
}

static void test_bounded_answer(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_request request = {.max_response = 4};
    assert_int_equal(get(&sent, server->canned.url, &request), ERR_TOO_BIG);
    assert_int_equal(sent.response.status, 200);
    request.max_response = 5;
    assert_int_equal(get(&sent, server->canned.url, &request), ERR_OK);
    sent_done(&sent);
    server_free(server);
}

static void test_connect_to(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_request request = {.connect_to = "127.0.0.1"};
    char url[64], host[64];
    snprintf(url, sizeof(url), "http://name.test:%d/x", server->canned.port);
    snprintf(host, sizeof(host), "Host: name.test:%d\r\n", server->canned.port);
    assert_int_equal(get(&sent, url, NULL), ERR_TEMPORARY);
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    assert_int_equal(get(&sent, url, &request), ERR_OK);
    unsetenv("http_proxy");
    assert_non_null(strstr(server->canned.requests[0].headers, host));
    request.connect_to = "::1"; /* nobody there, but it is understood */
    assert_int_equal(get(&sent, url, &request), ERR_TEMPORARY);
    sent_done(&sent);
    server_free(server);
}

static void test_fresh_looks_the_name_up_again(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_request fresh = {.is_fresh = true};
    char url[64];
    snprintf(url, sizeof(url), "http://moving.test:%d/", server->canned.port);
    assert_int_equal(get(&sent, url, NULL), ERR_OK);
    assert_int_equal(get(&sent, url, NULL), ERR_OK);
    assert_int_equal(atomic_load(&n_looked_up), 1);
    assert_int_equal(get(&sent, url, &fresh), ERR_TEMPORARY); /* nobody listens where it is now */
    assert_int_equal(atomic_load(&n_looked_up), 2);
    sent_done(&sent);
    server_free(server);
}

static atomic_bool cancel;

static void *cancel_soon(void *context)
{
    (void)context;
    usleep(150000);
    atomic_store(&cancel, true);
    return NULL;
}

static int64_t cancelled_after(struct sent *sent, const char *url, const char *method, enum err *ret)
{
    pthread_t thread;
    struct fetch_request request = {.method = method, .cancel = &cancel};
    atomic_store(&cancel, false);
    int64_t began_at = clock_steady_ms();
    pthread_create(&thread, NULL, cancel_soon, NULL);
    *ret = get(sent, url, &request);
    int64_t took_ms = clock_steady_ms() - began_at;
    pthread_join(thread, NULL);
    return took_ms - 150;
}

static void test_cancel(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    enum err err;
    canned_spoil(&server->canned, &server->answer, CANNED_HANG);
    assert_in_range(cancelled_after(&sent, server->canned.url, "PUT", &err), 0, 1000);
    assert_int_equal(err, ERR_UNKNOWN);
    atomic_store(&is_hanging, true);
    assert_in_range(cancelled_after(&sent, "http://hang.test/", "PUT", &err), 0, 1000);
    assert_int_equal(err, ERR_CANCELLED);
    assert_int_equal(get(&sent, server->canned.url, &(struct fetch_request){.cancel = &cancel}), ERR_CANCELLED);
    atomic_store(&is_hanging, false);
    sent_done(&sent);
    server_free(server);
}

static void test_time_out_of_a_look_up(void **state)
{
    (void)state;
    struct sent sent = {.fetch = fetch_new()};
    atomic_store(&is_hanging, true);
    int64_t began_at = clock_steady_ms();
    struct fetch_request put = {.method = "PUT", .timeout_ms = 200};
    assert_int_equal(get(&sent, "http://hang.test/", &put), ERR_TEMPORARY);
    assert_in_range(clock_steady_ms() - began_at, 190, 2000);
    assert_true(sent.response.is_untried);
    atomic_store(&is_hanging, false);
    sent_done(&sent);
    usleep(50000); /* the look-up's thread ends by itself */
}

/* Nothing was seen of the server, or it was there and silent: who judges it has to know which. */
static void test_what_was_never_tried(void **state)
{
    (void)state;
    struct server *server = server_new();
    struct sent sent = {.fetch = fetch_new()};
    assert_int_equal(get(&sent, "http://gone.test/", &(struct fetch_request){.timeout_ms = 0}), ERR_TEMPORARY);
    assert_true(sent.response.is_untried);
    assert_int_equal(get(&sent, server->canned.url, &(struct fetch_request){.timeout_ms = 0}), ERR_OK);
    assert_false(sent.response.is_untried);
    canned_spoil(&server->canned, &server->answer, CANNED_HANG);
    assert_int_equal(get(&sent, server->canned.url, &(struct fetch_request){.timeout_ms = 1000}), ERR_UNKNOWN);
    assert_false(sent.response.is_untried);
    assert_int_equal(get(&sent, "http://gone.test/", &(struct fetch_request){.connect_to = "127.0.0.9"}),
                     ERR_TEMPORARY); /* refused: no name was looked up */
    assert_false(sent.response.is_untried);
    struct rlimit limit, none = {0};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = (struct rlimit){.rlim_cur = 3, .rlim_max = limit.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    assert_int_equal(get(&sent, "http://127.0.0.1:1/", &(struct fetch_request){.timeout_ms = 1000}), ERR_TEMPORARY);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_true(sent.response.is_untried);
    sent_done(&sent);
    server_free(server);
}

/* A listener whose queue is full drops what comes. */
static void test_silence_is_no_failed_look_up(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int filling[4], listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listener, 0), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    for (int i = 0; i < 4; i++) {
        filling[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)!connect(filling[i], (struct sockaddr *)&address, len);
    }
    usleep(50000);
    struct sent sent = {.fetch = fetch_new()};
    char url[64];
    snprintf(url, sizeof(url), "http://127.0.0.1:%d/", ntohs(address.sin_port));
    assert_int_equal(get(&sent, url, &(struct fetch_request){.timeout_ms = 200, .is_fresh = true}), ERR_TEMPORARY);
    assert_false(sent.response.is_untried);
    sent_done(&sent);
    for (int i = 0; i < 4; i++)
        close(filling[i]);
    close(listener);
}

/* ---- certificates ------------------------------------------------------------------------------------------------ */

struct tls_server {
    int listener;
    int port;
    char asked_for[100]; /* the name in the handshake */
    char received[100];  /* what came after it */
    time_t ends_at;
    gnutls_certificate_credentials_t credentials;
    pthread_t thread;
};

/* Signed by itself. As PEM it is in `pem`, an authority for who takes it for one. */
static void certificate_make(struct tls_server *server, gnutls_datum_t *pem)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;
    gnutls_certificate_allocate_credentials(&credentials);
    server->credentials = credentials;
    server->ends_at = time(NULL) + 3600;
    gnutls_x509_privkey_init(&key);
    gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0);
    gnutls_x509_crt_init(&certificate);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, "1", 1);
    gnutls_x509_crt_set_dn_by_oid(certificate, GNUTLS_OID_X520_COMMON_NAME, 0, "name.test", 9);
    gnutls_x509_crt_set_subject_alt_name(certificate, GNUTLS_SAN_DNSNAME, "name.test", 9, GNUTLS_FSAN_SET);
    gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(certificate, server->ends_at);
    gnutls_x509_crt_set_key(certificate, key);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_certificate_set_x509_key(credentials, &certificate, 1, key), 0);
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, pem), 0);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

static void *tls_serve(void *context)
{
    static const char answer[] = "HTTP/1.1 204 No Content\r\n\r\n";
    struct tls_server *server = context;
    gnutls_session_t session;
    unsigned type;
    size_t len = sizeof(server->asked_for);
    int fd = accept(server->listener, NULL, NULL);
    gnutls_init(&session, GNUTLS_SERVER);
    gnutls_set_default_priority(session);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, server->credentials);
    gnutls_transport_set_int(session, fd);
    if (gnutls_handshake(session) == 0 &&
        gnutls_record_recv(session, server->received, sizeof(server->received) - 1) > 0)
        (void)!gnutls_record_send(session, answer, sizeof(answer) - 1);
    gnutls_server_name_get(session, server->asked_for, &len, &type, 0);
    gnutls_deinit(session);
    close(fd);
    return NULL;
}

/* Serves one connection. The certificate is in `pem`, to be freed with gnutls_free(). */
static void tls_start(struct tls_server *server, gnutls_datum_t *pem, char url[64])
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    *server = (struct tls_server){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    certificate_make(server, pem);
    assert_int_equal(bind(server->listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(server->listener, 1), 0);
    assert_int_equal(getsockname(server->listener, (struct sockaddr *)&address, &len), 0);
    assert_int_equal(pthread_create(&server->thread, NULL, tls_serve, server), 0);
    snprintf(url, 64, "https://name.test:%d/", ntohs(address.sin_port));
}

static void tls_stop(struct tls_server *server)
{
    pthread_join(server->thread, NULL);
    close(server->listener);
    gnutls_certificate_free_credentials(server->credentials);
}

static void test_certificate_is_always_checked(void **state)
{
    (void)state;
    struct tls_server server;
    gnutls_datum_t pem = {NULL, 0};
    char url[64];
    tls_start(&server, &pem, url);
    struct sent sent = {.fetch = fetch_new()};
    struct fetch_request put = {.method = "PUT", .connect_to = "127.0.0.1", .timeout_ms = 30000};
    assert_int_equal(get(&sent, url, &put), ERR_DENIED);
    assert_non_null(strstr(sent.why.text, "certificate"));
    sent_done(&sent);
    tls_stop(&server);
    gnutls_free(pem.data);
    assert_string_equal(server.asked_for, "name.test"); /* that of the URL, not the address */
    assert_string_equal(server.received, "");
}

static void test_when_a_certificate_ends(void **state)
{
    (void)state;
    for (int is_fresh = 0; is_fresh < 2; is_fresh++) {
        struct tls_server server;
        gnutls_datum_t pem = {NULL, 0};
        char url[64], path[] = "/tmp/test_fetch_XXXXXX";
        tls_start(&server, &pem, url);
        int fd = mkstemp(path);
        assert_int_equal(write(fd, pem.data, pem.size), pem.size);
        close(fd);
        struct sent sent = {.fetch = fetch_new()};
        struct fetch_request one = {.method = "GET", .connect_to = "127.0.0.1", .ca = path, .is_fresh = is_fresh};
        if (get(&sent, url, &one) != ERR_OK)
            fail_msg("%s", sent.why.text);
        assert_int_equal(sent.response.status, 204);
        assert_int_equal(sent.response.certificate_ends_at, is_fresh ? (int64_t)server.ends_at * 1000 : 0);
        sent_done(&sent);
        tls_stop(&server);
        gnutls_free(pem.data);
        (void)unlink(path);
    }
}

int main(void)
{
    clock_start();
    fetch_start();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_and_kept_connection),
        cmocka_unit_test(test_write_has_its_own_connection_and_exact_body),
        cmocka_unit_test(test_any_status_is_an_answer),
        cmocka_unit_test(test_retry_after),
        cmocka_unit_test(test_date_and_rate),
        cmocka_unit_test(test_before_sending_is_temporary),
        cmocka_unit_test(test_after_sending_is_unknown),
        cmocka_unit_test(test_last_word),
        cmocka_unit_test(test_unusable_requests),
        cmocka_unit_test(test_bounded_answer),
        cmocka_unit_test(test_connect_to),
        cmocka_unit_test(test_certificate_is_always_checked),
        cmocka_unit_test(test_when_a_certificate_ends),
        cmocka_unit_test(test_fresh_looks_the_name_up_again),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_time_out_of_a_look_up),
        cmocka_unit_test(test_what_was_never_tried),
        cmocka_unit_test(test_silence_is_no_failed_look_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

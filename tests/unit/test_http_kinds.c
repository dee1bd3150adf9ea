/* Sources that send by GET, without headers of their own, or with whatever Content-Type: their credential in the path,
 * their methods and their bounds, over real sockets. Source 0 is of kind pingdom, 1 of kind uptimerobot, with two
 * tokens each, as while one is being replaced. */
#include "http_fixture.h"

#include "base/strbuf.h"

#define OLD_TOKEN "old-path-token-0123"
#define NEW_TOKEN "new-path-token-4567"
#define PINGDOM "/hooks/prometheus/" OLD_TOKEN
#define ROBOT "/hooks/other/" OLD_TOKEN
#define DOWN "?monitorID=777&monitorURL=https%3A%2F%2Fgra.example.com&alertType=1&alertDateTime=1795226400"

static void expect_status(struct answer answer, int status, const char *in_body)
{
    if (answer.status != status || !strstr(answer.body, in_body))
        fail_msg("expected %d with \"%s\", got %d: %s%s", status, in_body, answer.status, answer.head, answer.body);
    answer_done(&answer);
}

static struct answer get(const struct fixture *f, const char *target)
{
    return ask(http_hooks_port(f->http), "GET", target, "", NULL, 0);
}

static struct answer post(const struct fixture *f, const char *target, const char *headers, const char *body)
{
    return ask(http_hooks_port(f->http), "POST", target, headers, body, strlen(body));
}

static void expect_seen(struct fixture *f, int n, const char *body)
{
    pthread_mutex_lock(&f->mutex);
    assert_int_equal(f->n_seen, n);
    if (body)
        assert_string_equal(f->last_body, body);
    pthread_mutex_unlock(&f->mutex);
}

static void a_get_is_a_delivery(void **state)
{
    struct fixture *f = *state;
    expect_status(get(f, ROBOT DOWN "&monitorAlertContacts=4%3B5%3Bhttps%3A%2F%2Ft%2Fhooks%2Fother%2F" OLD_TOKEN), 202,
                  "\"duplicate\":false,\"alerts\":1");
    expect_seen(f, 1,
                "{\"monitorID\":\"777\",\"monitorURL\":\"https://gra.example.com\",\"alertType\":\"1\","
                "\"alertDateTime\":\"1795226400\"}");
    assert_int_equal(f->last_delivery.source, 1);
    expect_status(get(f, ROBOT DOWN), 200, "\"duplicate\":true,\"alerts\":1");
    expect_status(get(f, ROBOT "?monitorID=777&alertType=2&alertDateTime=1795226700"), 202, "\"duplicate\":false");
    expect_status(get(f, ROBOT "?monitorID=778&alertType=1"), 202, "\"duplicate\":false");
    expect_seen(f, 2, "{\"monitorID\":\"778\",\"alertType\":\"1\"}");
    /* What begins with a prefetch may be repeated as often as one likes. */
    for (int i = 0; i < 5; i++)
        expect_status(get(f, ROBOT "?monitorID=778&alertType=1"), 200, "\"duplicate\":true");
}

static void the_query_is_decoded_once(void **state)
{
    struct fixture *f = *state;
    expect_status(get(f, ROBOT "?monitorID=5&alertType=1&monitorFriendlyName=Pulse+%E2%80%94+a%26b+%2541&"), 202, "");
    expect_seen(f, 1,
                "{\"monitorID\":\"5\",\"monitorFriendlyName\":\"Pulse \xE2\x80\x94 a&b %41\",\"alertType\":\"1\"}");
    expect_status(get(f, ROBOT "?monitorID=5%00&alertType=1"), 400, "monitorID is not text");
    expect_status(get(f, ROBOT "?monitorID=5&alertType=1%ff"), 400, "alertType is not text");
    expect_status(get(f, ROBOT "?"), 400, "no alertType");
    expect_status(get(f, ROBOT), 400, "no alertType");
    expect_status(get(f, ROBOT "?alertType=1"), 400, "which monitor");
}

static void bodies_of_any_media_type(void **state)
{
    struct fixture *f = *state;
    expect_status(post(f, ROBOT, "", "{\"monitorID\":1,\"alertType\":1}"), 202, "");
    expect_status(post(f, ROBOT, "Content-Type: text/plain\r\n", "{\"monitorID\":2,\"alertType\":1}"), 202, "");
    expect_status(post(f, ROBOT, "Content-Type: application/x-www-form-urlencoded\r\n", "monitorID=3&alertType=1"), 202,
                  "");
    expect_status(post(f, ROBOT "?monitorID=4&alertType=1", "Content-Type: multipart/form-data; boundary=x\r\n",
                       "--x\r\nany\r\n--x--\r\n"),
                  202, "");
    expect_status(post(f, ROBOT "?monitorID=4&alertType=1", "", ""), 200, "");
    expect_seen(f, 4, NULL);
    expect_status(post(f, PINGDOM, "Content-Type: text/html\r\n",
                       "{\"check_id\":7,\"check_type\":\"HTTP\",\"current_state\":\"DOWN\",\"state_changed_timestamp\":"
                       "1795226400}"),
                  202, "\"alerts\":1");
    assert_int_equal(f->last_delivery.source, 0);
    expect_status(post(f, ROBOT, "Content-Encoding: gzip\r\n", "x"), 415, "Content-Encoding");
    expect_status(post(f, PINGDOM "?message=%7B%7D", "", ""), 400, "BeepManager");
}

static void a_head_does_nothing(void **state)
{
    struct fixture *f = *state;
    int port = http_hooks_port(f->http);
    expect_status(ask(port, "HEAD", ROBOT DOWN, "", NULL, 0), 200, "");
    expect_status(ask(port, "HEAD", ROBOT, "", NULL, 0), 200, "");
    expect_status(ask(port, "HEAD", "/hooks/other/wrong" DOWN, "", NULL, 0), 401, "");
    expect_seen(f, 0, NULL);
    expect_status(get(f, ROBOT DOWN), 202, "\"duplicate\":false");
}

static void any_one_of_the_tokens(void **state)
{
    struct fixture *f = *state;
    expect_status(get(f, "/hooks/other/" OLD_TOKEN DOWN), 202, "");
    expect_status(get(f, "/hooks/other/" NEW_TOKEN DOWN), 200, "");
    expect_status(get(f, "/hooks/other/%6Eew-path-token-4567" DOWN), 200, "");
    static const char *const wrong[] = {
        "/hooks/other/" OLD_TOKEN "x" DOWN,           "/hooks/other/old-path-token-012" DOWN,
        "/hooks/other/" OLD_TOKEN "%00" DOWN,         "/hooks/other/" OLD_TOKEN "/" DOWN,
        "/hooks/other/" OLD_TOKEN "/" NEW_TOKEN DOWN, "/hooks/other/OLD-PATH-TOKEN-0123" DOWN,
        "/hooks/other/elsewhere/" OLD_TOKEN DOWN,
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        expect_status(get(f, wrong[i]), 401, "the credential is wrong\"");
    expect_status(get(f, "/hooks/other" DOWN), 401, "the credential is missing");
    expect_status(get(f, "/hooks/other" DOWN "&token=" OLD_TOKEN), 401, "the credential is missing");
    expect_status(
        ask(http_hooks_port(f->http), "GET", "/hooks/other" DOWN, "Authorization: Bearer " OLD_TOKEN "\r\n", NULL, 0),
        401, "the credential is wrong");
    struct answer answer = get(f, "/hooks/other/wrong" DOWN);
    char value[128];
    assert_non_null(answer_header(&answer, "WWW-Authenticate", value, sizeof value)); /* HTTP wants one */
    answer_done(&answer);
    expect_seen(f, 1, NULL);
}

/* UptimeRobot appends its parameters to the URL as it stands, percent-encoded or not. */
static void a_url_that_lacks_its_question_mark(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *target;
        int status;
        const char *text;
    } cases[] = {
        {"/hooks/other/" OLD_TOKEN "monitorID=777&alertType=1", 401, "part of the token"},
        {"/hooks/other/" OLD_TOKEN "monitorID=777&monitorURL=https%3A%2F%2Fgra.example.com%2F&alertType=1", 401,
         "part of the token"},
        {"/hooks/other/" OLD_TOKEN "monitorURL=http://gra.example.com/a/b?c=1&alertType=1", 401, "part of the token"},
        {"/hooks/other/" OLD_TOKEN "&monitorID=777&alertType=1", 401, "must end in \\\"?\\\""},
        {"/hooks/othermonitorID=777&monitorURL=https%3A%2F%2Fgra.example.com", 404, "part of the source's name"},
        {"/hooks/othermonitorID=777", 404, "part of the source's name"},
        {ROBOT "?key=abcmonitorID=777&monitorURL=https%3A%2F%2Fgra.example.com&alertType=1", 400, "must end in"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = get(f, cases[i].target);
        assert_null(strstr(answer.body, OLD_TOKEN));
        expect_status(answer, cases[i].status, cases[i].text);
    }
    expect_seen(f, 0, NULL);
}

static int rejected_so_far(struct fixture *f)
{
    pthread_mutex_lock(&f->mutex);
    int n = f->rejected_requests;
    pthread_mutex_unlock(&f->mutex);
    return n;
}

/* A sender that nobody reads the answers of: what was wrong stands in the record, and no token does. */
static void refusals_are_on_record(void **state)
{
    struct fixture *f = *state;
    expect_status(get(f, "/hooks/other/" OLD_TOKEN "monitorID=777&alertType=1"), 401, "");
    for (int i = 0; i < 100 && rejected_so_far(f) < 1; i++)
        sleep_ms(50);
    pthread_mutex_lock(&f->mutex);
    assert_string_equal(f->last_refused.what, "source other");
    assert_string_equal(f->last_refused.reason, "wrong credential: the URL lacks the \"?\" at its end");
    pthread_mutex_unlock(&f->mutex);
    expect_status(get(f, ROBOT "?monitorID=777&alertType=*alertType*"), 400, "");
    for (int i = 0; i < 100 && rejected_so_far(f) < 2; i++)
        sleep_ms(50);
    pthread_mutex_lock(&f->mutex);
    assert_non_null(strstr(f->last_refused.reason, "alertType came as the name of the variable itself"));
    pthread_mutex_unlock(&f->mutex);
}

static void methods_of_each_kind(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *method, *target, *text, *allow;
    } cases[] = {
        {"PUT", ROBOT, "kind uptimerobot takes GET, POST: UptimeRobot", "GET, POST"},
        {"GET", PINGDOM "?message=%7B%22action%22%3A%22assign%22%7D",
         "kind pingdom takes POST: Pingdom's webhook of state changes, not BeepManager's", "POST"},
        {"HEAD", PINGDOM, "", "POST"},
        {"PUT", PINGDOM, "kind pingdom takes POST", "POST"},
        {"DELETE", ROBOT, "this path takes", NULL},
        {"OPTIONS", ROBOT, "this path takes", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct answer answer = ask(http_hooks_port(f->http), cases[i].method, cases[i].target, "", NULL, 0);
        char value[128];
        if (answer.status != 405 || !strstr(answer.body, cases[i].text))
            fail_msg("case %zu: %s%s", i, answer.head, answer.body);
        assert_non_null(answer_header(&answer, "Allow", value, sizeof value));
        if (cases[i].allow)
            assert_string_equal(value, cases[i].allow);
        answer_done(&answer);
    }
    expect_seen(f, 0, NULL);
}

static struct answer post_of_size(const struct fixture *f, const char *target, const char *start, size_t size)
{
    char *body = malloc(size);
    memset(body, ' ', size);
    memcpy(body, start, strlen(start));
    struct answer answer = ask(http_hooks_port(f->http), "POST", target, "", body, size);
    free(body);
    return answer;
}

static void bounds_of_each_kind(void **state)
{
    struct fixture *f = *state;
    static const char robot[] = "{\"monitorID\":1,\"alertType\":1}",
                      check[] = "{\"check_id\":1,\"current_state\":\"UP\"}";
    expect_status(post_of_size(f, ROBOT, robot, 65536), 202, "");
    expect_status(post_of_size(f, ROBOT, robot, 65537), 413, "larger than 65536 bytes");
    expect_status(post_of_size(f, PINGDOM, check, 262144), 202, "");
    expect_status(post_of_size(f, PINGDOM, check, 262145), 413, "larger than 262144 bytes");
}

static void fixture_kind(struct fixture *f, int source, const char *kind)
{
    f->sources[source].handler = handler_find(kind);
    f->sources[source].n_basic = 0;
    secret_list_done(&f->sources[source].bearer);
    fixture_secret(&f->sources[source].path_token, OLD_TOKEN);
    fixture_secret(&f->sources[source].path_token, NEW_TOKEN);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture_kind(&fixture, 0, "pingdom");
    fixture_kind(&fixture, 1, "uptimerobot");
    fixture_start(&fixture);
    *state = &fixture;
    return 0;
}

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_get_is_a_delivery),    TEST(the_query_is_decoded_once), TEST(bodies_of_any_media_type),
        TEST(a_head_does_nothing),    TEST(any_one_of_the_tokens),     TEST(a_url_that_lacks_its_question_mark),
        TEST(refusals_are_on_record), TEST(methods_of_each_kind),      TEST(bounds_of_each_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

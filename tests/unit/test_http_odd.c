/* Requests that are HTTP, and that nobody sends who means well: odd queries, methods and headers. */
#include "http_fixture.h"

#include "store/store.h"

#include <ftw.h>

#define OPERATOR "Authorization: Bearer " OPERATOR_TOKEN "\r\n"
#define VIEWER "Authorization: Bearer " VIEWER_TOKEN "\r\n"

static char folder[64], database[96];

static int remove_one(const char *path, const struct stat *stat, int flag, struct FTW *ftw)
{
    (void)stat, (void)flag, (void)ftw;
    return remove(path);
}

/* An empty one is enough. */
static int make_database(void **state)
{
    (void)state;
    struct errmsg why = {""};
    struct store *store = NULL;
    snprintf(folder, sizeof folder, "/tmp/turnout-odd-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(database, sizeof database, "%s/turnout.db", folder);
    if (store_open(database, &store, &why) != ERR_OK)
        fail_msg("%s", why.text);
    store_close(store);
    return 0;
}

static int remove_database(void **state)
{
    (void)state;
    return nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static int set_up(void **state)
{
    static struct fixture fixture;
    fixture_init(&fixture);
    fixture.settings.database = database;
    fixture_start(&fixture);
    *state = &fixture;
    return 0;
}

static void expect(struct answer answer, int status, const char *in_body)
{
    if (answer.status != status || !strstr(answer.body, in_body))
        fail_msg("expected %d and \"%s\", got: %s%s", status, in_body, answer.head, answer.body);
    answer_done(&answer);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void queries(void **state)
{
    const struct fixture *f = *state;
    static const struct {
        const char *target;
        int status;
        const char *in_body;
    } cases[] = {
        {"/api/v1/runs?limit=5", 200, "items"},
        {"/api/v1/runs?limit=5&limit=6", 400, "`limit` is there twice"},
        {"/api/v1/runs?limit=5&limit=5", 400, "`limit` is there twice"},
        {"/api/v1/runs?limit=5&limit", 400, "`limit` is empty"},
        {"/api/v1/audit?service=shop&limit=5&service=wiki", 400, "`service` is there twice"},
        {"/api/v1/runs?limit=", 400, "`limit` is empty"},
        {"/api/v1/runs?limit", 400, "`limit` is empty"},
        {"/api/v1/runs?after=", 400, "`after` is empty"}, /* or it would be the first page again */
        {"/api/v1/audit?after=", 400, "`after` is empty"},
        {"/api/v1/runs?state=", 400, "`state` is empty"},
        {"/api/v1/audit?kind=", 400, "`kind` is empty"},
        {"/api/v1/runs?Limit=5", 400, "no parameter `Limit`"},
        {"/api/v1/runs?=5", 400, "no parameter ``"},
        {"/api/v1/runs?&", 400, "no parameter ``"},
        {"/api/v1/runs?limit=%zz", 400, "`limit`"},
        {"/api/v1/runs?limit=5%00", 400, "`limit`"},
        {"/api/v1/runs?lim%00it=5", 400, "no parameter"},
        {"/api/v1/runs?limit=+5", 400, "`limit`"},
        {"/api/v1/runs?limit=99999999999999999999", 400, "`limit`"},
        {"/api/v1/runs?state=%0d%0aX-Odd:%20yes", 400, "`\\r\\nX-Odd: yes`"},
        {"/api/v1/runs?state=%ff%fe", 400, "no state"},
        {"/api/v1/runs?service=%ff%fe", 200, "{\"items\":[]}"},
        {"/api/v1/services/%22%3e%3cscript%3e", 404, "no service \\\">"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect(ask(http_api_port(f->http), "GET", cases[i].target, VIEWER, NULL, 0), cases[i].status, cases[i].in_body);
}

static void methods(void **state)
{
    const struct fixture *f = *state;
    static const char *const odd[] = {"OPTIONS", "TRACE", "PUT", "PATCH", "DELETE", "CONNECT", "get", "G", "PROPFIND"};
    static const struct {
        const char *target, *allow;
    } paths[] = {
        {"/api/v1/services", "GET, HEAD"},
        {"/api/v1/services/shop/failover", "POST"},
        {"/", "GET, HEAD"},
        {"/openapi.yaml", "GET, HEAD"},
        {"/metrics", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        for (size_t j = 0; j < sizeof paths / sizeof paths[0]; j++) {
            struct answer answer = ask(http_api_port(f->http), odd[i], paths[j].target, OPERATOR, NULL, 0);
            char value[64];
            assert_non_null(answer_header(&answer, "Allow", value, sizeof value));
            assert_string_equal(value, paths[j].allow);
            assert_null(strstr(answer.body, OPERATOR_TOKEN)); /* a TRACE that is served would send it back */
            expect(answer, 405, "method_not_allowed");
        }
        expect(ask(http_api_port(f->http), odd[i], "/nothing/here", OPERATOR, NULL, 0), 404, "not_found");
    }
}

/* What follows on the connection is the next answer, or nothing. */
static void a_head_is_answered_by_a_head_alone(void **state)
{
    const struct fixture *f = *state;
    static const char *const targets[] = {"/api/v1/audit/export", "/api/v1/audit/verify", "/api/v1/services",
                                          "/metrics", "/openapi.yaml"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        char text[256];
        int fd = connect_to(http_api_port(f->http));
        snprintf(text, sizeof text, "HEAD %s HTTP/1.1\r\nHost: x\r\n" VIEWER "\r\n", targets[i]);
        send_text(fd, text);
        struct answer answer;
        assert_true(receive_answer(fd, true, &answer));
        assert_int_equal(answer.status, 200);
        answer_done(&answer);
        send_text(fd, "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        bool is_open = receive_answer(fd, false, &answer);
        if (is_open || answer.head[0])
            assert_int_equal(answer.status, 200);
        answer_done(&answer);
        close(fd);
    }
}

static void the_description_is_public(void **state)
{
    const struct fixture *f = *state;
    struct answer answer = ask(http_api_port(f->http), "GET", "/openapi.yaml", "", NULL, 0);
    char value[64], headers[128];
    assert_string_equal(answer_header(&answer, "Content-Type", value, sizeof value), "application/yaml");
    assert_string_equal(answer_header(&answer, "Cache-Control", value, sizeof value), "no-cache");
    assert_non_null(answer_header(&answer, "ETag", value, sizeof value));
    expect(answer, 200, "openapi: 3.1.0\n");
    snprintf(headers, sizeof headers, "If-None-Match: \"x\", W/%s\r\n", value);
    expect(ask(http_api_port(f->http), "GET", "/openapi.yaml", headers, NULL, 0), 304, "");
    expect(ask(http_hooks_port(f->http), "GET", "/openapi.yaml", "", NULL, 0), 404, "not_found");
}

int main(void)
{
    clock_start();
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        TEST(queries),
        TEST(methods),
        TEST(a_head_is_answered_by_a_head_alone),
        TEST(the_description_is_public),
    };
    return cmocka_run_group_tests(tests, make_database, remove_database);
}

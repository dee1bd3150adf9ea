#include "actions/sigv4.h"

#include "test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define N_RANDOM 400

static const int64_t vector_time_ms = 1440938160000; /* 20150830T123600Z */

/* Of AWS's published signing test suite. */
static const struct {
    const char *name, *method, *target;
    struct fetch_header headers[2];
    size_t n_headers;
    const char *signature;
} vectors[] = {
    {"get-vanilla", "GET", "/", {{0}}, 0, "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla without path",
     "GET",
     "",
     {{0}},
     0,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-vanilla-query-order-key-case",
     "GET",
     "/?Param2=value2&Param1=value1",
     {{0}},
     0,
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"},
    {"get-vanilla-empty-query-key",
     "GET",
     "/?Param1=value1",
     {{0}},
     0,
     "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"},
    {"get-unreserved",
     "GET",
     "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {{0}},
     0,
     "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"},
    {"get-utf8", "GET", "/\xe1\x88\xb4", {{0}}, 0, "8318018e0b0f223aa2bbf98705b62bb787dc9c0e678f255a891fd03141be5d85"},
    {"get-vanilla-query-unreserved",
     "GET",
     "/?-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz="
     "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
     {{0}},
     0,
     "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197"},
    {"get-relative",
     "GET",
     "/example/..",
     {{0}},
     0,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-relative-relative",
     "GET",
     "/example1/example2/../..",
     {{0}},
     0,
     "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"},
    {"get-slashes", "GET", "//example//", {{0}}, 0, "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"},
    {"get-header-value-trim",
     "GET",
     "/",
     {{"My-Header2", " \"a   b   c\"", false}, {"My-Header1", " value1", false}},
     2,
     "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"},
    {"post-vanilla", "POST", "/", {{0}}, 0, "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"},
    {"post-header-key-sort",
     "POST",
     "/",
     {{"My-Header1", "value1", false}},
     1,
     "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"},
};

static char secret_text[] = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
static const struct secret secret = {secret_text, sizeof(secret_text) - 1};
static const struct sigv4_key key = {
    .access_key_id = "AKIDEXAMPLE", .secret_access_key = &secret, .region = "us-east-1", .service = "service"};

static void test_published_vectors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char url[300];
        struct sigv4_signed made;
        struct errmsg why;
        snprintf(url, sizeof(url), "https://example.amazonaws.com%s", vectors[i].target);
        struct fetch_request request = {
            .method = vectors[i].method, .url = url, .headers = vectors[i].headers, .n_headers = vectors[i].n_headers};
        assert_int_equal(sigv4_sign(&key, &request, vector_time_ms, &made, &why), ERR_OK);
        assert_string_equal(made.date, "20150830T123600Z");
        if (!strstr(strbuf_text(&made.authorization), vectors[i].signature))
            print_error("%s: %s\n", vectors[i].name, strbuf_text(&made.authorization));
        assert_non_null(strstr(strbuf_text(&made.authorization), vectors[i].signature));
        sigv4_signed_done(&made);
    }
    /* the whole header, once */
    struct sigv4_signed made;
    struct fetch_request request = {.method = "GET", .url = "https://example.amazonaws.com/"};
    assert_int_equal(sigv4_sign(&key, &request, vector_time_ms, &made, NULL), ERR_OK);
    assert_string_equal(strbuf_text(&made.authorization),
                        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
                        "SignedHeaders=host;x-amz-date, "
                        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
    sigv4_signed_done(&made);
}

static void test_unusable(void **state)
{
    (void)state;
    const char *const urls[] = {"", "ftp://a/", "http://", "https:///x", "http://user:word@host/", "//host/"};
    struct sigv4_signed made;
    struct errmsg why;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct fetch_request request = {.method = "GET", .url = urls[i]};
        assert_int_equal(sigv4_sign(&key, &request, 0, &made, &why), ERR_INVALID);
    }
    struct fetch_header headers[SIGV4_MAX_HEADERS + 1];
    for (size_t i = 0; i <= SIGV4_MAX_HEADERS; i++)
        headers[i] = (struct fetch_header){"X", "y", false};
    struct fetch_request request = {
        .method = "GET", .url = "http://a/", .headers = headers, .n_headers = SIGV4_MAX_HEADERS + 1};
    assert_int_equal(sigv4_sign(&key, &request, 0, &made, &why), ERR_INVALID);
    char url[400] = "http://a/?";
    for (int i = 0; i < 65; i++)
        strcat(url, "a&");
    request = (struct fetch_request){.method = "GET", .url = url};
    assert_int_equal(sigv4_sign(&key, &request, 0, &made, &why), ERR_INVALID);
    request.url = "http://a/";
    assert_int_equal(sigv4_sign(&key, &request, INT64_MAX, &made, &why), ERR_INVALID);
}

/* ---- against botocore -------------------------------------------------------------------------------------------- */

static unsigned seed = 20150830;

static unsigned roll(unsigned sides)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 16) % sides;
}

/* A character as it may stand in a URL as botocore would have written it: unreserved, or percent-encoded. */
static void character_add(struct strbuf *text)
{
    static const char plain[] = "abcXYZ0189-._~";
    static const char *const encoded[] = {"%2A", "%20", "%2B", "%3A", "%2F", "%25", "%C3%A9", "%5C", "%26", "%3D"};
    if (roll(4))
        strbuf_addc(text, plain[roll(sizeof(plain) - 1)]);
    else
        strbuf_adds(text, encoded[roll(sizeof(encoded) / sizeof(encoded[0]))]);
}

static char *random_url(void)
{
    static const char *const hosts[] = {"https://route53.amazonaws.com", "http://127.0.0.1:8080",
                                        "https://a.example:443", "http://a.example:80", "https://b.example:80"};
    struct strbuf url = STRBUF_INIT;
    strbuf_adds(&url, hosts[roll(5)]);
    for (unsigned n = roll(5); n > 0; n--) {
        strbuf_addc(&url, '/');
        for (unsigned c = roll(6); c > 0; c--)
            character_add(&url);
        if (roll(8) == 0)
            strbuf_adds(&url, roll(2) ? "/.." : "/.");
    }
    strbuf_adds(&url, roll(3) ? "/" : "/x");
    for (unsigned n = roll(6), i = 0; i < n; i++) {
        strbuf_addc(&url, i ? '&' : '?');
        strbuf_addc(&url, (char)('a' + roll(3)));
        for (unsigned c = roll(4); c > 0; c--)
            character_add(&url);
        if (roll(5))
            strbuf_addc(&url, '=');
        else
            continue;
        for (unsigned c = roll(5); c > 0; c--)
            character_add(&url);
    }
    return strbuf_take(&url);
}

struct random_request {
    char *url;
    char body[200];
    struct fetch_header headers[3];
    struct fetch_request request;
    struct sigv4_key key;
    char secret_text[41];
    struct secret secret;
    int64_t seconds;
};

static void request_make(struct random_request *made)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "DELETE"};
    static const struct fetch_header headers[] = {{"X-Amz-Target", "DynamoDB_20120810.GetItem", false},
                                                  {"Content-Type", "  text/xml;   charset=utf-8 ", false},
                                                  {"X-amz-meta-a", "\tone\t two  ", false},
                                                  {"x-amz-meta", "", false}};
    memset(made, 0, sizeof(*made));
    made->url = random_url();
    for (unsigned n = roll(180), i = 0; i < n; i++)
        made->body[i] = (char)(' ' + roll(95));
    size_t n_headers = roll(4);
    for (size_t i = 0, first = roll(4); i < n_headers; i++)
        made->headers[i] = headers[(first + i) % 4];
    for (size_t i = 0; i < sizeof(made->secret_text) - 1; i++)
        made->secret_text[i] = (char)('+' + roll(70));
    made->secret = (struct secret){made->secret_text, strlen(made->secret_text)};
    made->seconds = 1000000000 + (int64_t)roll(30000) * 50000;
    made->request = (struct fetch_request){.method = methods[roll(4)],
                                           .url = made->url,
                                           .headers = made->headers,
                                           .n_headers = n_headers,
                                           .body = made->body[0] ? made->body : NULL,
                                           .body_len = strlen(made->body)};
    made->key = (struct sigv4_key){.access_key_id = "AKIAIOSFODNN7EXAMPLE",
                                   .secret_access_key = &made->secret,
                                   .session_token = roll(2) ? "FwoGZXIvYXdzE/+token==" : NULL,
                                   .region = roll(2) ? "us-east-1" : "eu-west-3",
                                   .service = roll(2) ? "route53" : "dynamodb"};
}

static void request_write(FILE *file, const struct random_request *made)
{
    json_t *headers = json_object();
    for (size_t i = 0; i < made->request.n_headers; i++)
        json_object_set_new(headers, made->headers[i].name, json_string(made->headers[i].value));
    json_t *line =
        json_pack("{s:s, s:s, s:o, s:s, s:s, s:s, s:s*, s:s, s:s, s:I}", "method", made->request.method, "url",
                  made->url, "headers", headers, "body", made->body, "access_key_id", made->key.access_key_id,
                  "secret_access_key", made->secret_text, "session_token", made->key.session_token, "region",
                  made->key.region, "service", made->key.service, "seconds", (json_int_t)made->seconds);
    assert_non_null(line);
    json_dumpf(line, file, JSON_COMPACT);
    fputc('\n', file);
    json_decref(line);
}

static void test_against_botocore(void **state)
{
    (void)state;
    char path[] = "/tmp/turnout-sigv4-XXXXXX", command[200], line[600];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    struct random_request *made = calloc(N_RANDOM, sizeof(*made));
    for (int i = 0; i < N_RANDOM; i++) {
        request_make(&made[i]);
        request_write(file, &made[i]);
    }
    fclose(file);
    snprintf(command, sizeof(command), "/usr/bin/python3 -B tests/unit/sigv4_oracle.py %s", path);
    FILE *oracle = popen(command, "r");
    assert_non_null(oracle);
    for (int i = 0; i < N_RANDOM; i++) {
        struct sigv4_signed ours;
        struct errmsg why;
        assert_non_null(fgets(line, sizeof(line), oracle));
        line[strcspn(line, "\n")] = '\0';
        assert_int_equal(sigv4_sign(&made[i].key, &made[i].request, made[i].seconds * 1000, &ours, &why), ERR_OK);
        if (strcmp(strbuf_text(&ours.authorization), line) != 0)
            print_error("%s %s\n", made[i].request.method, made[i].url);
        assert_string_equal(strbuf_text(&ours.authorization), line);
        sigv4_signed_done(&ours);
        free(made[i].url);
    }
    assert_int_equal(pclose(oracle), 0);
    unlink(path);
    free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
        cmocka_unit_test(test_unusable),
        cmocka_unit_test(test_against_botocore),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

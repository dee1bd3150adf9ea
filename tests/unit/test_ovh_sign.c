#include "actions/ovh_sign.h"

#include "test.h"

/* The first seven are those of the official clients' tests; all have the same keys and time. */
static const struct {
    const char *method, *url, *body, *signature;
} vectors[] = {
    {"GET", "https://eu.api.ovh.com/1.0/auth", NULL, "$1$e9556054b6309771395efa467c22e627407461ad"},
    {"POST", "https://eu.api.ovh.com/1.0/auth", "{\"a\":\"b\",\"c\":\"d\"}",
     "$1$ec2fb5c7a81f64723c77d2e5b609ae6f58a84fc1"},
    {"PUT", "https://eu.api.ovh.com/1.0/auth", "{\"a\":\"b\",\"c\":\"d\"}",
     "$1$8a75a9e7c8e7296c9dbeda6a2a735eb6bd58ec4b"},
    {"DELETE", "https://eu.api.ovh.com/1.0/auth", NULL, "$1$a1eecd00b3b02b6cf5708b84b9ff42059a950d85"},
    {"GET", "https://eu.api.ovh.com/1.0/call", NULL, "$1$7f2db49253edfc41891023fcd1a54cf61db05fbb"},
    {"GET", "https://eu.api.ovh.com/v1/call", NULL, "$1$e6e7906d385eb28adcbfbe6b66c1528a42d741ad"},
    {"GET", "https://eu.api.ovh.com/v2/call", NULL, "$1$bb63b132a6f84ad5433d0c534d48d3f7c3804285"},
    {"PUT", "https://eu.api.ovh.com/1.0/domain/zone/example.com/record/5001234567",
     "{\"subDomain\":\"www\",\"target\":\"203.0.113.20\",\"ttl\":60}", "$1$f97553b30013cd9e0c01ff2cbf5be81ddfbbc6c0"},
    {"GET", "https://eu.api.ovh.com/1.0/domain/zone/example.com/record?fieldType=A&subDomain=www", NULL,
     "$1$65727ee257afb1393f4d9255dc50d08829c678ea"},
    {"POST", "https://eu.api.ovh.com/1.0/domain/zone/example.com/refresh", NULL,
     "$1$183b7a4abc4a71f93defe029d1c80d7e1a8ee56c"},
};

static void test_published_vectors(void **state)
{
    (void)state;
    char application[] = "9ufkBmLaTQ9nz5yMUlg79taH0GNnzDjk", consumer[] = "5mBuy6SUQcRw2ZUxg0cG68BoDKpED4KY";
    const struct secret secret = {application, strlen(application)}, key = {consumer, strlen(consumer)};
    for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
        char signature[OVH_SIGNATURE_SIZE];
        size_t len = vectors[i].body ? strlen(vectors[i].body) : 0;
        assert_int_equal(
            ovh_sign(&secret, &key, vectors[i].method, vectors[i].url, vectors[i].body, len, 1457018875, signature),
            ERR_OK);
        assert_string_equal(signature, vectors[i].signature);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Signatures in headers, beyond what the recorded deliveries show: the secrets of Standard Webhooks, lists without end,
 * and what is asked of a request without headers. */
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "handlers/signature.h"
#include "test.h"

#include <strings.h>

struct headers {
    const char *id, *timestamp, *signature;
};

static const char *header_of(const struct handler_request *request, const char *name)
{
    const struct headers *headers = request->context;
    return strcasecmp(name, "webhook-id") == 0          ? headers->id
           : strcasecmp(name, "webhook-timestamp") == 0 ? headers->timestamp
           : strcasecmp(name, "webhook-signature") == 0 ? headers->signature
                                                        : NULL;
}

static enum err key_read(const char *text, struct secret *ret, struct errmsg *why)
{
    char copy[256];
    snprintf(copy, sizeof copy, "%s", text);
    const struct secret secret = {copy, strlen(copy)};
    return signature_key_read(&secret, ret, why);
}

/* The example of the libraries of Standard Webhooks. */
static enum err verify(const char *signature)
{
    struct errmsg why;
    CLEANUP(secret_list_done) struct secret_list keys = {NULL, 0};
    assert_int_equal(key_read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", secret_list_add(&keys), &why), ERR_OK);
    const struct headers headers = {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", signature};
    const struct handler_request request = {.body = "{\"test\": 2432232314}",
                                            .len = 20,
                                            .header = header_of,
                                            .context = &headers,
                                            .now = INT64_C(1614265331000)};
    return signature_verify_standard(&keys, 1000, &request, &why);
}

#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static void the_example_of_the_libraries(void **state)
{
    (void)state;
    assert_int_equal(verify(SIGNATURE), ERR_OK);
    assert_int_equal(verify("  " SIGNATURE "  "), ERR_OK);
    assert_int_equal(verify("v2,x " SIGNATURE " v1,x"), ERR_OK);
    assert_int_equal(verify("v1" SIGNATURE), ERR_DENIED);
    assert_int_equal(verify(SIGNATURE "="), ERR_DENIED);
    assert_int_equal(verify("v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="), ERR_DENIED);
    assert_int_equal(verify(""), ERR_DENIED);
    assert_int_equal(verify(NULL), ERR_DENIED);
}

/* A sender may not make us compare for ever: what stands behind the sixteenth is not looked at. */
static void a_list_has_a_bound(void **state)
{
    (void)state;
    for (int n = 15; n <= 16; n++) {
        struct strbuf list = STRBUF_INIT;
        for (int i = 0; i < n; i++)
            strbuf_adds(&list, "v1,h0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= ");
        strbuf_adds(&list, SIGNATURE);
        assert_int_equal(verify(strbuf_text(&list)), n == 15 ? ERR_OK : ERR_DENIED);
        strbuf_done(&list);
    }
}

static void secrets_of_standard_webhooks(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "", "whsec_", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS",
        "whsec_MfKQ9r8GKYqrTwjUPD8=", "whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "whsec_MfKQ9r8G KYqrTwjUPD8ILPZIo2LaLa==",
        /* 66 bytes */
        "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct secret key = {NULL, 0};
        struct errmsg why = {""};
        assert_int_equal(key_read(bad[i], &key, &why), ERR_INVALID);
        assert_null(key.bytes);
        assert_string_equal(why.text,
                            "a secret of Standard Webhooks must be \"whsec_\" and the base64 of 16 to 64 bytes");
    }
    CLEANUP(secret_done) struct secret key = {NULL, 0};
    assert_int_equal(key_read("whsec_AAECAwQFBgcICQoLDA0ODw==", &key, NULL), ERR_OK);
    assert_int_equal(key.len, 16);
    assert_int_equal(key.bytes[15], 15);
}

static void without_headers_nothing_is_signed(void **state)
{
    (void)state;
    struct errmsg why;
    CLEANUP(secret_list_done) struct secret_list secrets = {NULL, 0};
    assert_int_equal(secret_set(secret_list_add(&secrets), "secret", 6), ERR_OK);
    const struct signature_rule rule = {
        .secrets = &secrets, .header = "X-Signature", .prefix = "", .timestamp_header = "X-Time", .tolerance_ms = 1000};
    struct handler_request request = {.body = "", .len = 0};
    assert_int_equal(signature_verify(&rule, &request, &why), ERR_DENIED);
    assert_int_equal(signature_verify_standard(&secrets, 1000, &request, &why), ERR_DENIED);
    request.is_stored = true;
    assert_int_equal(signature_verify(&rule, &request, &why), ERR_OK);
    assert_int_equal(signature_verify_standard(&secrets, 1000, &request, &why), ERR_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_of_the_libraries),
        cmocka_unit_test(a_list_has_a_bound),
        cmocka_unit_test(secrets_of_standard_webhooks),
        cmocka_unit_test(without_headers_nothing_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

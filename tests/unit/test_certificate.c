#include "base/certificate.h"

#include "base/cleanup.h"
#include "signer.h"

#define FROM 1790000000 /* 2026-09-21 */
#define UNTIL 1800000000

static struct certificate *load(const struct signer_wish *wish)
{
    struct certificate *certificate = NULL;
    struct errmsg why = {""};
    char *pem = signer_certificate(wish);
    if (certificate_load(pem, strlen(pem), &certificate, &why) != ERR_OK)
        fail_msg("%s", why.text);
    free(pem);
    return certificate;
}

static void names(void **state)
{
    (void)state;
    struct certificate *c = load(&(struct signer_wish){
        .common_name = "cn.example.com", .names = {"a.example.com", "*.b.example.com"}, .from = FROM, .until = UNTIL});
    assert_true(certificate_is_named(c, "a.example.com"));
    assert_true(certificate_is_named(c, "A.Example.com"));
    assert_false(certificate_is_named(c, "a.example.co"));
    assert_false(certificate_is_named(c, "a.example.com.evil.org"));
    assert_false(certificate_is_named(c, "x.b.example.com")); /* no wildcards */
    assert_false(certificate_is_named(c, "cn.example.com"));  /* it has alternative names */
    assert_false(certificate_is_named(c, ""));
    certificate_free(c);

    c = load(&(struct signer_wish){.common_name = "cn.example.com", .from = FROM, .until = UNTIL});
    assert_true(certificate_is_named(c, "cn.example.com"));
    assert_false(certificate_is_named(c, "example.com"));
    certificate_free(c);

    c = load(&(struct signer_wish){.from = FROM, .until = UNTIL});
    assert_false(certificate_is_named(c, ""));
    certificate_free(c);
}

static void dates(void **state)
{
    (void)state;
    struct errmsg why = {""};
    struct certificate *c = load(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL});
    assert_int_equal(certificate_check_dates(c, (int64_t)FROM * 1000 - 1, &why), ERR_DENIED);
    assert_string_equal(why.text, "it is not valid before 2026-09-21T14:13:20.000Z");
    assert_int_equal(certificate_check_dates(c, (int64_t)FROM * 1000, &why), ERR_OK);
    assert_int_equal(certificate_check_dates(c, (int64_t)UNTIL * 1000, &why), ERR_OK);
    assert_int_equal(certificate_check_dates(c, (int64_t)UNTIL * 1000 + 1, &why), ERR_DENIED);
    assert_string_equal(why.text, "it has expired at 2027-01-15T08:00:00.000Z");
    certificate_free(c);
}

static void signatures(void **state)
{
    (void)state;
    struct certificate *c = load(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL});
    static const struct {
        gnutls_sign_algorithm_t by;
        enum certificate_hash hash;
        enum err err;
    } cases[] = {
        {GNUTLS_SIGN_RSA_SHA1, CERTIFICATE_SHA1, ERR_OK},
        {GNUTLS_SIGN_RSA_SHA256, CERTIFICATE_SHA256, ERR_OK},
        {GNUTLS_SIGN_RSA_SHA1, CERTIFICATE_SHA256, ERR_DENIED},
        {GNUTLS_SIGN_RSA_SHA256, CERTIFICATE_SHA1, ERR_DENIED},
        {GNUTLS_SIGN_RSA_PSS_SHA256, CERTIFICATE_SHA256, ERR_DENIED},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        gnutls_datum_t signature;
        signer_sign_raw(cases[i].by, "words", 5, &signature);
        const struct bytes_view by = {signature.data, signature.size};
        assert_int_equal(certificate_verify(c, cases[i].hash, &(struct bytes_view){"words", 5}, &by), cases[i].err);
        assert_int_equal(certificate_verify(c, cases[i].hash, &(struct bytes_view){"word", 4}, &by), ERR_DENIED);
        assert_int_equal(certificate_verify(c, cases[i].hash, &(struct bytes_view){"", 0}, &by), ERR_DENIED);
        const struct bytes_view cut = {signature.data, signature.size - 1};
        assert_int_equal(certificate_verify(c, cases[i].hash, &(struct bytes_view){"words", 5}, &cut), ERR_DENIED);
        gnutls_free(signature.data);
    }
    assert_int_equal(
        certificate_verify(c, CERTIFICATE_SHA256, &(struct bytes_view){"words", 5}, &(struct bytes_view){"", 0}),
        ERR_DENIED);
    certificate_free(c);
}

static void another_key_signs_nothing(void **state)
{
    (void)state;
    gnutls_x509_privkey_t other = signer_key(GNUTLS_PK_RSA, 2048);
    struct certificate *c = load(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL, .key = other});
    gnutls_datum_t signature;
    signer_sign_raw(GNUTLS_SIGN_RSA_SHA256, "words", 5, &signature);
    const struct bytes_view by = {signature.data, signature.size};
    assert_int_equal(certificate_verify(c, CERTIFICATE_SHA256, &(struct bytes_view){"words", 5}, &by), ERR_DENIED);
    gnutls_free(signature.data);
    certificate_free(c);
    gnutls_x509_privkey_deinit(other);
}

static void expect_refused(const char *pem, size_t len, const char *text)
{
    struct certificate *c = NULL;
    struct errmsg why = {""};
    assert_int_equal(certificate_load(pem, len, &c, &why), ERR_INVALID);
    assert_null(c);
    if (!strstr(why.text, text))
        fail_msg("%s", why.text);
}

static void what_is_not_taken(void **state)
{
    (void)state;
    gnutls_x509_privkey_t small = signer_key(GNUTLS_PK_RSA, 1024);
    gnutls_x509_privkey_t curve = signer_key(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1));
    char *pem =
        signer_certificate(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL, .key = small});
    expect_refused(pem, strlen(pem), "its key has 1024 bits; 2048 to 8192 are taken");
    free(pem);
    pem = signer_certificate(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL, .key = curve});
    expect_refused(pem, strlen(pem), "its key is not RSA");
    free(pem);
    pem = signer_certificate(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL});
    expect_refused(pem, strlen(pem) / 2, "it is no certificate in PEM");
    free(pem);
    expect_refused("", 0, "it is no certificate in PEM");
    expect_refused("<html></html>", 13, "it is no certificate in PEM");
    pem = calloc(1, CERTIFICATE_MAX + 1);
    assert_non_null(pem);
    expect_refused(pem, CERTIFICATE_MAX + 1, "it is longer than 65536 bytes");
    free(pem);
    gnutls_x509_privkey_deinit(small);
    gnutls_x509_privkey_deinit(curve);
}

static void it_lives_as_long_as_somebody_has_it(void **state)
{
    (void)state;
    struct certificate *c = load(&(struct signer_wish){.common_name = "x", .from = FROM, .until = UNTIL});
    struct certificate *shared = certificate_share(c);
    certificate_free(c);
    assert_true(certificate_is_named(shared, "x"));
    certificate_free(shared);
    certificate_free(NULL);
}

static int done(void **state)
{
    (void)state;
    signer_done();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(dates),
        cmocka_unit_test(signatures),
        cmocka_unit_test(another_key_signs_nothing),
        cmocka_unit_test(what_is_not_taken),
        cmocka_unit_test(it_lives_as_long_as_somebody_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, done);
}

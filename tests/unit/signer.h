/* A certificate authority and a signer, made at run time: what SNS does at the other end. The keys of a program are
 * made once, since making them takes time. */
#ifndef TURNOUT_TESTS_UNIT_SIGNER_H
#define TURNOUT_TESTS_UNIT_SIGNER_H

#include "test.h"

#include <gnutls/abstract.h>
#include <gnutls/crypto.h>
#include <gnutls/x509.h>
#include <stdbool.h>
#include <stdlib.h>

struct signer {
    gnutls_x509_privkey_t key, authority_key;
    gnutls_x509_crt_t authority;
};

struct signer_wish {
    const char *common_name;
    const char *names[4];      /* DNS names, up to the first NULL */
    int64_t from, until;       /* wall seconds */
    gnutls_x509_privkey_t key; /* NULL: the signer's */
};

static inline gnutls_x509_privkey_t signer_key(gnutls_pk_algorithm_t algorithm, unsigned bits)
{
    gnutls_x509_privkey_t key;
    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(gnutls_x509_privkey_generate(key, algorithm, bits, 0), 0);
    return key;
}

static inline gnutls_x509_crt_t signer_make(const struct signer *signer, const struct signer_wish *wish,
                                            bool is_authority)
{
    gnutls_x509_crt_t crt;
    unsigned char serial[8];
    assert_int_equal(gnutls_rnd(GNUTLS_RND_NONCE, serial, sizeof serial), 0);
    serial[0] = 1;
    gnutls_x509_privkey_t key = is_authority ? signer->authority_key : wish->key ? wish->key : signer->key;
    assert_int_equal(gnutls_x509_crt_init(&crt), 0);
    assert_int_equal(gnutls_x509_crt_set_version(crt, 3), 0);
    assert_int_equal(gnutls_x509_crt_set_key(crt, key), 0);
    assert_int_equal(gnutls_x509_crt_set_serial(crt, serial, sizeof serial), 0);
    assert_int_equal(gnutls_x509_crt_set_activation_time(crt, (time_t)wish->from), 0);
    assert_int_equal(gnutls_x509_crt_set_expiration_time(crt, (time_t)wish->until), 0);
    if (wish->common_name)
        assert_int_equal(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, wish->common_name,
                                                       (unsigned)strlen(wish->common_name)),
                         0);
    for (size_t i = 0; i < 4 && wish->names[i]; i++)
        assert_int_equal(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, wish->names[i],
                                                              (unsigned)strlen(wish->names[i]), GNUTLS_FSAN_APPEND),
                         0);
    assert_int_equal(gnutls_x509_crt_set_basic_constraints(crt, is_authority, -1), 0);
    assert_int_equal(
        gnutls_x509_crt_sign2(crt, is_authority ? crt : signer->authority, signer->authority_key, GNUTLS_DIG_SHA256, 0),
        0);
    return crt;
}

static inline struct signer *signer_get(void)
{
    static struct signer signer;
    if (!signer.key) {
        signer.key = signer_key(GNUTLS_PK_RSA, 2048);
        signer.authority_key = signer_key(GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1));
        signer.authority =
            signer_make(&signer, &(struct signer_wish){.common_name = "An authority", .until = 4102444800}, true);
    }
    return &signer;
}

static inline void signer_done(void)
{
    struct signer *signer = signer_get();
    gnutls_x509_privkey_deinit(signer->key);
    gnutls_x509_privkey_deinit(signer->authority_key);
    gnutls_x509_crt_deinit(signer->authority);
    signer->key = NULL;
}

/* PEM; the caller frees it. */
static inline char *signer_certificate(const struct signer_wish *wish)
{
    gnutls_x509_crt_t crt = signer_make(signer_get(), wish, false);
    gnutls_datum_t pem;
    assert_int_equal(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &pem), 0);
    char *text = strndup((const char *)pem.data, pem.size);
    assert_non_null(text);
    gnutls_free(pem.data);
    gnutls_x509_crt_deinit(crt);
    return text;
}

/* RSASSA-PKCS1-v1_5; the caller frees ret->data by gnutls_free(). */
static inline void signer_sign_raw(gnutls_sign_algorithm_t algorithm, const char *data, size_t len, gnutls_datum_t *ret)
{
    gnutls_privkey_t key;
    char *copy = malloc(len + 1);
    assert_non_null(copy);
    memcpy(copy, data, len);
    const gnutls_datum_t what = {(unsigned char *)copy, (unsigned)len};
    assert_int_equal(gnutls_privkey_init(&key), 0);
    assert_int_equal(gnutls_privkey_import_x509(key, signer_get()->key, GNUTLS_PRIVKEY_IMPORT_COPY), 0);
    assert_int_equal(gnutls_privkey_sign_data2(key, algorithm, 0, &what, ret), 0);
    gnutls_privkey_deinit(key);
    free(copy);
}

/* The same in base64. */
static inline char *signer_sign(gnutls_sign_algorithm_t algorithm, const char *data, size_t len)
{
    gnutls_datum_t signature, text;
    signer_sign_raw(algorithm, data, len, &signature);
    assert_int_equal(gnutls_base64_encode2(&signature, &text), 0);
    char *ret = strndup((const char *)text.data, text.size);
    assert_non_null(ret);
    gnutls_free(signature.data);
    gnutls_free(text.data);
    return ret;
}

#endif

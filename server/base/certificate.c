#include "base/certificate.h"

#include "base/clock.h"

#include <gnutls/abstract.h>
#include <gnutls/x509.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MIN_BITS 2048
#define MAX_BITS 8192 /* a larger one takes more time than a sender is worth */
#define MAX_NAME 256
#define MAX_NAMES 256 /* that are looked at */

struct certificate {
    atomic_int references;
    gnutls_x509_crt_t x509;
    gnutls_pubkey_t key;
};

void certificate_free(struct certificate *certificate)
{
    if (!certificate || atomic_fetch_sub(&certificate->references, 1) > 1)
        return;
    if (certificate->key)
        gnutls_pubkey_deinit(certificate->key);
    if (certificate->x509)
        gnutls_x509_crt_deinit(certificate->x509);
    free(certificate);
}

struct certificate *certificate_share(struct certificate *certificate)
{
    atomic_fetch_add(&certificate->references, 1);
    return certificate;
}

static enum err check_key(gnutls_pubkey_t key, struct errmsg *why)
{
    unsigned bits = 0;
    if (gnutls_pubkey_get_pk_algorithm(key, &bits) != GNUTLS_PK_RSA)
        return err_set(why, ERR_INVALID, "its key is not RSA");
    if (bits < MIN_BITS || bits > MAX_BITS)
        return err_set(why, ERR_INVALID, "its key has %u bits; %d to %d are taken", bits, MIN_BITS, MAX_BITS);
    return ERR_OK;
}

static enum err read_pem(struct certificate *certificate, const char *pem, size_t len, struct errmsg *why)
{
    /* GnuTLS takes the text by a pointer that is not const, and only reads it. */
    union {
        const char *in;
        unsigned char *out;
    } text = {.in = pem};
    const gnutls_datum_t datum = {text.out, (unsigned)len};
    if (gnutls_x509_crt_init(&certificate->x509) < 0 || gnutls_pubkey_init(&certificate->key) < 0)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    int result = gnutls_x509_crt_import(certificate->x509, &datum, GNUTLS_X509_FMT_PEM);
    if (result < 0)
        return err_set(why, ERR_INVALID, "it is no certificate in PEM (%s)", gnutls_strerror(result));
    result = gnutls_pubkey_import_x509(certificate->key, certificate->x509, 0);
    if (result < 0)
        return err_set(why, ERR_INVALID, "its key cannot be read (%s)", gnutls_strerror(result));
    return check_key(certificate->key, why);
}

enum err certificate_load(const char *pem, size_t len, struct certificate **ret, struct errmsg *why)
{
    if (len > CERTIFICATE_MAX)
        return err_set(why, ERR_INVALID, "it is longer than %zu bytes", CERTIFICATE_MAX);
    struct certificate *certificate = calloc(1, sizeof *certificate);
    if (!certificate)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    atomic_init(&certificate->references, 1);
    enum err err = read_pem(certificate, pem, len, why);
    if (err != ERR_OK)
        certificate_free(certificate);
    else
        *ret = certificate;
    return err;
}

/* By length too: a NUL inside would end one text earlier than the other. */
static bool is_same_name(const char *text, size_t len, const char *name)
{
    return len == strlen(name) && strncasecmp(text, name, len) == 0;
}

bool certificate_is_named(const struct certificate *certificate, const char *name)
{
    char text[MAX_NAME];
    bool has_names = false;
    for (unsigned i = 0; i < MAX_NAMES; i++) {
        size_t len = sizeof text;
        int type = gnutls_x509_crt_get_subject_alt_name(certificate->x509, i, text, &len, NULL);
        if (type == GNUTLS_E_REQUESTED_DATA_NOT_AVAILABLE)
            break;
        has_names |= type == GNUTLS_SAN_DNSNAME;
        if (type == GNUTLS_SAN_DNSNAME && is_same_name(text, len, name))
            return true;
    }
    size_t len = sizeof text;
    return !has_names &&
           gnutls_x509_crt_get_dn_by_oid(certificate->x509, GNUTLS_OID_X520_COMMON_NAME, 0, 0, text, &len) >= 0 &&
           is_same_name(text, len, name);
}

enum err certificate_check_dates(const struct certificate *certificate, int64_t now, struct errmsg *why)
{
    time_t from = gnutls_x509_crt_get_activation_time(certificate->x509);
    time_t until = gnutls_x509_crt_get_expiration_time(certificate->x509);
    char text[TIME_TEXT_SIZE];
    if (from == (time_t)-1 || until == (time_t)-1)
        return err_set(why, ERR_DENIED, "it has no dates");
    if (now < (int64_t)from * 1000)
        return err_set(why, ERR_DENIED, "it is not valid before %s", time_format((int64_t)from * 1000, text));
    if (now > (int64_t)until * 1000)
        return err_set(why, ERR_DENIED, "it has expired at %s", time_format((int64_t)until * 1000, text));
    return ERR_OK;
}

enum err certificate_verify(const struct certificate *certificate, enum certificate_hash hash,
                            const struct bytes_view *data, const struct bytes_view *signature)
{
    union {
        const void *in;
        unsigned char *out;
    } bytes = {.in = data->data}, sign = {.in = signature->data};
    const gnutls_datum_t what = {bytes.out, (unsigned)data->len}, by = {sign.out, (unsigned)signature->len};
    /* A system's policy may have no SHA-1 for connections; here the sender's format says which hash it is. */
    int result = gnutls_pubkey_verify_data2(
        certificate->key, hash == CERTIFICATE_SHA1 ? GNUTLS_SIGN_RSA_SHA1 : GNUTLS_SIGN_RSA_SHA256,
        hash == CERTIFICATE_SHA1 ? GNUTLS_VERIFY_ALLOW_SIGN_WITH_SHA1 : 0, &what, &by);
    return result >= 0 ? ERR_OK : ERR_DENIED;
}

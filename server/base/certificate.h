/* An X.509 certificate with an RSA key, and what it has signed: by GnuTLS.
 *
 * For signatures over messages, whose certificate is known by where it came from. No chain is followed and nothing is
 * looked up; connections verify theirs where they are made. Immutable once loaded; thread-safe. */
#ifndef TURNOUT_BASE_CERTIFICATE_H
#define TURNOUT_BASE_CERTIFICATE_H

#include "base/digest.h"

#define CERTIFICATE_MAX ((size_t)64 * 1024)

struct certificate;

enum certificate_hash { CERTIFICATE_SHA1, CERTIFICATE_SHA256 };

/* The first certificate of a PEM text. ERR_INVALID: not PEM, or a key other than RSA of 2048 to 8192 bits. */
MUST_CHECK enum err certificate_load(const char *pem, size_t len, struct certificate **ret, struct errmsg *why);
/* Another reference to it; certificate_free() gives one back. */
struct certificate *certificate_share(struct certificate *certificate);
void certificate_free(struct certificate *certificate); /* accepts NULL */

/* Whether it is for exactly this DNS name: one of its alternative names, or its common name where it has no DNS name
 * there. No wildcards. */
bool certificate_is_named(const struct certificate *certificate, const char *name);
/* ERR_DENIED outside of its dates, which the text says; `now` is wall time in ms. */
MUST_CHECK enum err certificate_check_dates(const struct certificate *certificate, int64_t now, struct errmsg *why);
/* RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2) over `data`. ERR_DENIED when it is not by this key. */
MUST_CHECK enum err certificate_verify(const struct certificate *certificate, enum certificate_hash hash,
                                       const struct bytes_view *data, const struct bytes_view *signature);

#endif

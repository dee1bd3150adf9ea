/* Digests, by GnuTLS: the one crypto library that our own code calls. Pure; thread-safe. */
#ifndef TURNOUT_BASE_DIGEST_H
#define TURNOUT_BASE_DIGEST_H

#include "base/err.h"

#include <stdint.h>

#define SHA256_SIZE 32
#define SHA1_SIZE 20

struct sha256 {
    uint8_t bytes[SHA256_SIZE];
};

struct bytes_view {
    const void *data;
    size_t len;
};

/* These cannot fail but by a broken crypto library: then they abort, since a wrong digest must not go on. */
struct sha256 sha256_of(const void *data, size_t len);
struct sha256 sha256_of_parts(const struct bytes_view *parts, size_t n_parts); /* hash of the concatenation */
struct sha256 hmac_sha256(const void *key, size_t key_len, const void *data, size_t len);
struct sha256 hmac_sha256_of_parts(const void *key, size_t key_len, const struct bytes_view *parts, size_t n_parts);
void sha1_of(const void *data, size_t len, uint8_t ret[SHA1_SIZE]);

/* Lower-case hex; `text` holds 2 * len + 1. */
void hex_encode(const void *data, size_t len, char *text);
/* Of one hex digit, of either case; -1: it is none. */
int hex_value(char c);
/* Exactly 2 * len hex digits. */
MUST_CHECK enum err hex_decode(const char *text, size_t text_len, void *ret, size_t len);
/* Standard base64 (RFC 4648 section 4), strict: padding required, no white space. *ret_len <= room. */
MUST_CHECK enum err base64_decode(const char *text, size_t text_len, void *ret, size_t room, size_t *ret_len);

#endif

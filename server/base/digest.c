#include "base/digest.h"

#include <gnutls/crypto.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* For want of memory only: it is waited for, as one cannot go on without. */
static bool is_again(int result)
{
    if (result == GNUTLS_E_MEMORY_ERROR)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    return result == GNUTLS_E_MEMORY_ERROR;
}

/* A wrong digest would be stored, signed or compared: stopping is the smaller harm. */
static void digest_require(int result)
{
    if (result < 0) {
        fprintf(stderr, "turnout: the crypto library failed: %s\n", gnutls_strerror(result));
        abort();
    }
}

#define REQUIRE(call)                                                                                                  \
    do {                                                                                                               \
        int result_;                                                                                                   \
        do                                                                                                             \
            result_ = (call);                                                                                          \
        while (is_again(result_));                                                                                     \
        digest_require(result_);                                                                                       \
    } while (0)

struct sha256 sha256_of(const void *data, size_t len)
{
    struct sha256 ret;
    REQUIRE(gnutls_hash_fast(GNUTLS_DIG_SHA256, len ? data : "", len, ret.bytes));
    return ret;
}

struct sha256 sha256_of_parts(const struct bytes_view *parts, size_t n_parts)
{
    struct sha256 ret;
    gnutls_hash_hd_t hash;
    REQUIRE(gnutls_hash_init(&hash, GNUTLS_DIG_SHA256));
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].len > 0)
            digest_require(gnutls_hash(hash, parts[i].data, parts[i].len));
    }
    gnutls_hash_deinit(hash, ret.bytes);
    return ret;
}

struct sha256 hmac_sha256(const void *key, size_t key_len, const void *data, size_t len)
{
    struct sha256 ret;
    REQUIRE(gnutls_hmac_fast(GNUTLS_MAC_SHA256, key_len ? key : "", key_len, len ? data : "", len, ret.bytes));
    return ret;
}

struct sha256 hmac_sha256_of_parts(const void *key, size_t key_len, const struct bytes_view *parts, size_t n_parts)
{
    struct sha256 ret;
    gnutls_hmac_hd_t hmac;
    REQUIRE(gnutls_hmac_init(&hmac, GNUTLS_MAC_SHA256, key_len ? key : "", key_len));
    for (size_t i = 0; i < n_parts; i++) {
        if (parts[i].len > 0)
            digest_require(gnutls_hmac(hmac, parts[i].data, parts[i].len));
    }
    gnutls_hmac_deinit(hmac, ret.bytes);
    return ret;
}

void sha1_of(const void *data, size_t len, uint8_t ret[SHA1_SIZE])
{
    REQUIRE(gnutls_hash_fast(GNUTLS_DIG_SHA1, len ? data : "", len, ret));
}

void hex_encode(const void *data, size_t len, char *text)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *bytes = data;
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[2 * len] = '\0';
}

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

enum err hex_decode(const char *text, size_t text_len, void *ret, size_t len)
{
    if (text_len % 2 != 0 || text_len / 2 != len)
        return ERR_INVALID;
    uint8_t *bytes = ret;
    for (size_t i = 0; i < len; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return ERR_INVALID;
        bytes[i] = (uint8_t)(high * 16 + low);
    }
    return ERR_OK;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+')
        return 62;
    if (c == '/')
        return 63;
    return -1;
}

/* Four characters, the last `padding` of which are '=', to 3 - padding bytes. */
static enum err base64_group_decode(const char *text, size_t padding, uint8_t ret[3])
{
    uint32_t bits = 0;
    for (size_t i = 0; i < 4 - padding; i++) {
        int value = base64_value(text[i]);
        if (value < 0)
            return ERR_INVALID;
        bits |= (uint32_t)value << (18 - 6 * i);
    }
    /* Bits that belong to no byte must be zero: otherwise several texts would stand for the same bytes. */
    if ((bits & ((1U << (8 * padding)) - 1)) != 0)
        return ERR_INVALID;
    for (size_t i = 0; i < 3 - padding; i++)
        ret[i] = (uint8_t)(bits >> (16 - 8 * i));
    return ERR_OK;
}

enum err base64_decode(const char *text, size_t text_len, void *ret, size_t room, size_t *ret_len)
{
    if (text_len % 4 != 0)
        return ERR_INVALID;
    size_t padding = 0;
    while (padding < 2 && padding < text_len && text[text_len - 1 - padding] == '=')
        padding++;
    size_t len = text_len / 4 * 3 - padding;
    if (len > room)
        return ERR_TOO_BIG;
    uint8_t *bytes = ret;
    for (size_t at = 0; at < text_len; at += 4) {
        size_t group_padding = at + 4 == text_len ? padding : 0;
        uint8_t group[3];
        enum err err = base64_group_decode(text + at, group_padding, group);
        if (err != ERR_OK)
            return err;
        for (size_t i = 0; i < 3 - group_padding; i++)
            *bytes++ = group[i];
    }
    *ret_len = len;
    return ERR_OK;
}

#include "base/secret.h"
#include "base/digest.h"

#include <gnutls/gnutls.h>
#include <stdlib.h>
#include <string.h>

enum err secret_set(struct secret *s, const char *bytes, size_t len)
{
    char *copy = malloc(len + 1);
    if (!copy)
        return ERR_NO_MEMORY;
    if (len > 0)
        memcpy(copy, bytes, len);
    copy[len] = '\0';
    secret_done(s);
    s->bytes = copy;
    s->len = len;
    return ERR_OK;
}

void secret_done(struct secret *s)
{
    if (s->bytes)
        secret_wipe(s->bytes, s->len);
    free(s->bytes);
    *s = (struct secret){0};
}

bool secret_is_set(const struct secret *s)
{
    return s->bytes != NULL;
}

bool secret_equal(const struct secret *s, const char *given, size_t given_len)
{
    if (!s->bytes)
        return false;
    struct sha256 wanted = sha256_of(s->bytes, s->len);
    struct sha256 got = sha256_of(given, given_len);
    bool is_equal = gnutls_memcmp(wanted.bytes, got.bytes, sizeof(wanted.bytes)) == 0;
    secret_wipe(&wanted, sizeof(wanted));
    return is_equal;
}

void secret_wipe(void *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}

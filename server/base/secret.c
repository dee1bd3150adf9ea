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

struct secret *secret_list_add(struct secret_list *list)
{
    struct secret *items = reallocarray(list->items, list->n + 1, sizeof *items);
    if (!items)
        return NULL;
    list->items = items;
    items[list->n] = (struct secret){0};
    return &items[list->n++];
}

void secret_list_done(struct secret_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        secret_done(&list->items[i]);
    free(list->items);
    *list = (struct secret_list){0};
}

bool secret_list_equal(const struct secret_list *list, const char *given, size_t given_len)
{
    bool is_equal = false;
    for (size_t i = 0; i < list->n; i++)
        is_equal |= secret_equal(&list->items[i], given, given_len);
    return is_equal;
}

void secret_wipe(void *bytes, size_t len)
{
    explicit_bzero(bytes, len);
}

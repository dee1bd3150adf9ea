/* Bytes that must never be shown: kept apart from ordinary strings, wiped when freed, compared in constant time. */
#ifndef TURNOUT_BASE_SECRET_H
#define TURNOUT_BASE_SECRET_H

#include "base/err.h"

struct secret {
    char *bytes; /* NUL-terminated; NULL: not set */
    size_t len;
};

/* Several that are equally good, so that one can be replaced by another without a gap. */
struct secret_list {
    struct secret *items;
    size_t n;
};

/* Copies. ERR_NO_MEMORY. */
MUST_CHECK enum err secret_set(struct secret *s, const char *bytes, size_t len);
void secret_done(struct secret *s);
bool secret_is_set(const struct secret *s);
/* Time depends on neither content; both are hashed first, so that not even the length of the secret shows. */
bool secret_equal(const struct secret *s, const char *given, size_t given_len);
/* Adds an empty secret at the end and gives it, for secret_set(); NULL: out of memory. Earlier ones move. */
struct secret *secret_list_add(struct secret_list *list);
void secret_list_done(struct secret_list *list);
/* Whether one of them is it; all are compared, so that time does not tell which. */
bool secret_list_equal(const struct secret_list *list, const char *given, size_t given_len);
/* Wipes memory in a way the compiler keeps. */
void secret_wipe(void *bytes, size_t len);

#endif

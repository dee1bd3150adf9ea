/* Bytes that must never be shown: kept apart from ordinary strings, wiped when freed, compared in constant time. */
#ifndef TURNOUT_BASE_SECRET_H
#define TURNOUT_BASE_SECRET_H

#include "base/err.h"

struct secret {
    char *bytes; /* NUL-terminated; NULL: not set */
    size_t len;
};

/* Copies. ERR_NO_MEMORY. */
MUST_CHECK enum err secret_set(struct secret *s, const char *bytes, size_t len);
void secret_done(struct secret *s);
bool secret_is_set(const struct secret *s);
/* Time depends on neither content; both are hashed first, so that not even the length of the secret shows. */
bool secret_equal(const struct secret *s, const char *given, size_t given_len);
/* Wipes memory in a way the compiler keeps. */
void secret_wipe(void *bytes, size_t len);

#endif

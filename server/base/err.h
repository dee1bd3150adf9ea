/* Error codes and the text that goes with them.
 *
 * A function that can fail returns `enum err` and writes what went wrong, for a person, into the caller's
 * `struct errmsg`. The code is for programs (is it worth another try?), the text for people. Nothing here logs:
 * library code returns, and the caller that knows the object (delivery, run) logs once. */
#ifndef TURNOUT_BASE_ERR_H
#define TURNOUT_BASE_ERR_H

#include <stdbool.h>
#include <stddef.h>

#define ERR_LIST(X)                                                                                                    \
    X(ERR_OK, "ok")                                                                                                    \
    X(ERR_INVALID, "invalid")         /* the input is wrong: the same input fails again */                             \
    X(ERR_NOT_FOUND, "not found")     /* the thing named does not exist */                                             \
    X(ERR_CONFLICT, "conflict")       /* refused in the present state */                                               \
    X(ERR_DENIED, "denied")           /* credential missing, wrong or without the right */                             \
    X(ERR_TEMPORARY, "temporary")     /* certainly without effect, may work later */                                   \
    X(ERR_UNKNOWN, "unknown outcome") /* the request may have had its effect (time-out after sending) */               \
    X(ERR_TOO_BIG, "too big")         /* beyond a bound */                                                             \
    X(ERR_FULL, "full")               /* no room: disk, queue, memory bound */                                         \
    X(ERR_BUSY, "busy")               /* held by someone else */                                                       \
    X(ERR_CANCELLED, "cancelled")                                                                                      \
    X(ERR_NO_MEMORY, "out of memory")                                                                                  \
    X(ERR_IO, "input/output error")                                                                                    \
    X(ERR_INTERNAL, "internal error")

enum err {
#define X(name, text) name,
    ERR_LIST(X)
#undef X
};

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))

/* A sentence for a person. Always NUL-terminated; cut with "..." when too long. Never holds a secret. */
struct errmsg {
    char text[512];
};

/* The name of a code, as it stands in logs and the audit ("temporary"). Never NULL. */
const char *err_name(enum err code);

/* Write the text and return the code, so that `return err_set(why, ERR_INVALID, "...")` reads well. `why` may be NULL:
 * then only the code is returned. A macro, so that compilers and analyzers see which code comes back. */
#define err_set(why, code, ...) (errmsg_set((why), __VA_ARGS__), err_code(code))

/* Put "context: " before the text that is there already, and return the code. `why` may be NULL. */
#define err_prefix(why, code, ...) (errmsg_prefix((why), __VA_ARGS__), err_code(code))

void errmsg_set(struct errmsg *why, const char *format, ...) PRINTF_LIKE(2, 3);
void errmsg_prefix(struct errmsg *why, const char *format, ...) PRINTF_LIKE(2, 3);
static inline enum err err_code(enum err code)
{
    return code;
}

#endif

/* A string that grows up to a bound. Adding never fails loudly: running out of memory or over the bound sets
 * `is_broken`, later adds do nothing, and the one check stands where the string is used. */
#ifndef TURNOUT_BASE_STRBUF_H
#define TURNOUT_BASE_STRBUF_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

struct strbuf {
    char *data;     /* NUL-terminated whenever not NULL */
    size_t len;     /* bytes before the NUL */
    size_t room;    /* bytes allocated */
    size_t max_len; /* 0: STRBUF_MAX */
    bool is_broken; /* out of memory or over max_len; the content is incomplete */
};

#define STRBUF_MAX ((size_t)64 * 1024 * 1024)
#define STRBUF_INIT ((struct strbuf){0})

void strbuf_done(struct strbuf *s);  /* frees the content; the struct may be used again */
void strbuf_clear(struct strbuf *s); /* keeps the memory */
void strbuf_add(struct strbuf *s, const void *bytes, size_t len);
void strbuf_adds(struct strbuf *s, const char *text);
void strbuf_addc(struct strbuf *s, char c);
void strbuf_addf(struct strbuf *s, const char *format, ...) PRINTF_LIKE(2, 3);
/* Adds a JSON string with its quotes; bytes that are not UTF-8 become U+FFFD. */
void strbuf_add_json(struct strbuf *s, const char *text, size_t len);
/* The content, never NULL ("" when empty). Borrowed until the next change. */
const char *strbuf_text(const struct strbuf *s);
const char *strbuf_whole(const struct strbuf *s); /* the same; NULL when broken */
/* Moves the content out; the caller frees it. NULL when broken (the content is then freed). Never NULL otherwise. */
char *strbuf_take(struct strbuf *s);

#endif

/* A JSON body as a tree (jansson), for kinds whose bodies are small, and labels made from it.
 *
 * As strict as the pull reader: no key twice in one object, no NUL in a string, nothing behind the value. For large or
 * unauthenticated bodies the pull reader is the better choice: a tree takes many times the memory of its text. */
#ifndef TURNOUT_HANDLERS_DOCUMENT_H
#define TURNOUT_HANDLERS_DOCUMENT_H

#include "core/alert.h"
#include "handlers/arena.h"
#include "handlers/json_reader.h"

#include <jansson.h>

/* Any value. The caller decrefs *ret. ERR_INVALID with what is wrong and at which byte. */
MUST_CHECK enum err document_load(const char *text, size_t len, json_t **ret, struct errmsg *why);

/* The value at a JSON pointer (RFC 6901), "" for the root; NULL when there is none. Borrowed. */
json_t *document_at(json_t *root, const char *pointer);
enum document_found {
    DOCUMENT_FOUND,
    DOCUMENT_NULL,    /* it, or something on the way to it, is null */
    DOCUMENT_NOTHING, /* there is no such place */
};
/* The same, and whether a null is why there is none. *ret is NULL unless it was found, or is null itself. */
enum document_found document_find(json_t *root, const char *pointer, json_t **ret);
/* "" or "/…", each "~" followed by 0 or 1. */
bool document_is_pointer(const char *text);

/* A scalar as text: a string as it is, a number as JSON writes it, "true", "false". An absent value, null, an object
 * or array: false. Borrows from the value or the arena; false too when out of memory. */
bool document_text(const json_t *value, struct arena *arena, struct json_text *ret);

#define LABELS_MAX 256
struct labels {
    struct label items[LABELS_MAX];
    size_t n;
};
/* Adds a label whose name is a literal; borrows both. Left out: a value that is no scalar or is longer than 16 KiB, and
 * a label beyond LABELS_MAX. */
void labels_add(struct labels *labels, const char *name, const struct json_text *value);
void labels_add_value(struct labels *labels, const char *name, const json_t *value, struct arena *arena);

#endif

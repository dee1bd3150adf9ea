/* A strict pull reader for JSON (RFC 8259): the caller asks for what it expects and skips the rest, and nothing is
 * built that it does not ask for.
 *
 * As strict as jansson with JSON_REJECT_DUPLICATES: valid UTF-8, no lone surrogate, no NUL in a string, no key twice in
 * one object, also in values that are skipped. The first error stays: every later call fails or gives "no more", so
 * that a caller may look at `err` once, at the end of a loop. Strings borrow from the text, or from the arena when
 * they had to be unescaped. Numbers are checked and never converted: a range is the caller's business.
 * It reads whole texts in memory; do not make it read pieces. */
#ifndef TURNOUT_HANDLERS_JSON_READER_H
#define TURNOUT_HANDLERS_JSON_READER_H

#include "base/err.h"
#include "handlers/arena.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JSON_READER_MAX_DEPTH 32  /* objects and arrays in each other */
#define JSON_READER_MAX_KEYS 1024 /* of all objects that are open at one moment */

struct json_text {
    const char *text;
    size_t len;
};

static inline bool json_text_is(const struct json_text *text, const char *word)
{
    return text->len == strlen(word) && (text->len == 0 || memcmp(text->text, word, text->len) == 0);
}

enum json_kind {
    JSON_KIND_NONE, /* an error, or no value where one is due */
    JSON_KIND_OBJECT,
    JSON_KIND_ARRAY,
    JSON_KIND_TEXT,
    JSON_KIND_NUMBER,
    JSON_KIND_BOOL,
    JSON_KIND_NULL,
};

/* "an object", "a string", …; for messages. */
const char *json_kind_text(enum json_kind kind);

struct json_key {
    uint32_t hash;
    uint32_t len;
    const char *text;
};

struct json_reader {
    const char *start, *at, *end;
    struct arena *arena;
    struct errmsg *why; /* of the first error: what, and at which byte (from 0) */
    enum err err;       /* ERR_OK; ERR_INVALID, ERR_TOO_BIG (a bound), ERR_NO_MEMORY */
    int depth;
    struct {
        uint16_t first_key;
        bool has_items;
    } levels[JSON_READER_MAX_DEPTH];
    size_t n_keys;
    struct json_key keys[JSON_READER_MAX_KEYS];
};

/* Borrows all three; `why` may be NULL. */
void json_reader_init(struct json_reader *reader, const char *text, size_t len, struct arena *arena,
                      struct errmsg *why);

/* The kind of the value that comes next; nothing is consumed. */
enum json_kind json_reader_peek(struct json_reader *reader);

/* Object: begin, then for each member next() and exactly one value, until next() says false (end, or error). */
bool json_reader_object(struct json_reader *reader);
bool json_reader_member(struct json_reader *reader, struct json_text *ret_key);
/* Array: begin, then for each item next() and exactly one value, until next() says false (end, or error). */
bool json_reader_array(struct json_reader *reader);
bool json_reader_item(struct json_reader *reader);
/* Values. False: an error, also when the value is of another kind. */
bool json_reader_text(struct json_reader *reader, struct json_text *ret);
bool json_reader_number(struct json_reader *reader, struct json_text *ret); /* as written */
bool json_reader_bool(struct json_reader *reader, bool *ret);
bool json_reader_null(struct json_reader *reader);
/* Reads over one value of any kind, checking all of it. */
bool json_reader_skip(struct json_reader *reader);
/* After the outermost value: nothing but white space may follow. Returns `err`. */
MUST_CHECK enum err json_reader_end(struct json_reader *reader);

/* Where the next byte stands, from 0; for messages. */
size_t json_reader_offset(const struct json_reader *reader);

#endif

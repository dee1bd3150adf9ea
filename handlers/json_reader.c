/* The JSON reader. One pass over the bytes; strings are checked in place and copied only when they hold an escape.
 *
 * A string is read eight bytes at a time while they are plain ASCII. Keys are kept on one stack for all open objects,
 * each object looking only at its own part, with a cheap hash before the comparison. */
#include "handlers/json_reader.h"

#include "base/digest.h"
#include "base/utf8.h"

#include <string.h>

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* Always false, so that `return fail(…)` reads well. Only the first error counts. */
static bool fail_at(struct json_reader *reader, const char *at, enum err err, const char *what)
{
    if (reader->err != ERR_OK)
        return false;
    reader->err = err_set(reader->why, err, "byte %zu: %s", (size_t)(at - reader->start), what);
    return false;
}

static bool fail(struct json_reader *reader, const char *what)
{
    return fail_at(reader, reader->at, ERR_INVALID, reader->at < reader->end ? what : "the text ends too early");
}

const char *json_kind_text(enum json_kind kind)
{
    switch (kind) {
    case JSON_KIND_NONE:
        break;
    case JSON_KIND_OBJECT:
        return "an object";
    case JSON_KIND_ARRAY:
        return "an array";
    case JSON_KIND_TEXT:
        return "a string";
    case JSON_KIND_NUMBER:
        return "a number";
    case JSON_KIND_BOOL:
        return "true or false";
    case JSON_KIND_NULL:
        return "null";
    }
    return "nothing";
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* Non-zero when one of eight bytes is a quote, a backslash, a control character or not ASCII. */
static uint64_t special_bytes(uint64_t word)
{
    uint64_t quote = word ^ (ONES * '"');
    uint64_t backslash = word ^ (ONES * '\\');
    return ((quote - ONES) | (backslash - ONES) | (word - ONES * 0x20) | word) & HIGHS;
}

/* Four hex digits at `at`; -1 when they are not there. */
static int32_t hex4(const char *at, const char *end)
{
    if (end - at < 4)
        return -1;
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high_surrogate(int32_t code)
{
    return code >= 0xD800 && code <= 0xDBFF;
}

static bool is_low_surrogate(int32_t code)
{
    return code >= 0xDC00 && code <= 0xDFFF;
}

/* Checks the escape at `at` (its backslash). Returns the first byte after it; NULL after an error. */
static const char *escape_check(struct json_reader *reader, const char *at)
{
    if (reader->end - at < 2) {
        fail_at(reader, reader->end, ERR_INVALID, "the text ends within a string");
        return NULL;
    }
    if (at[1] != 'u') {
        if (at[1] != '\0' && strchr("\"\\/bfnrt", at[1]))
            return at + 2;
        fail_at(reader, at, ERR_INVALID, "no such escape in a string");
        return NULL;
    }
    int32_t code = hex4(at + 2, reader->end);
    if (code < 0)
        fail_at(reader, at, ERR_INVALID, "\\u without four hexadecimal digits");
    else if (code == 0)
        fail_at(reader, at, ERR_INVALID, "NUL in a string");
    else if (is_low_surrogate(code))
        fail_at(reader, at, ERR_INVALID, "half of a surrogate pair in a string");
    else if (!is_high_surrogate(code))
        return at + 6;
    else if (reader->end - at >= 12 && at[6] == '\\' && at[7] == 'u' && is_low_surrogate(hex4(at + 8, reader->end)))
        return at + 12;
    else
        fail_at(reader, at, ERR_INVALID, "half of a surrogate pair in a string");
    return NULL;
}

/* Checks the byte at `at` that special_bytes() stopped at, unless it is the quote. Returns what follows, or NULL. */
static const char *special_check(struct json_reader *reader, const char *at, bool *has_escape)
{
    unsigned char c = (unsigned char)*at;
    if (c == '\\') {
        *has_escape = true;
        return escape_check(reader, at);
    }
    if (c < 0x20) {
        fail_at(reader, at, ERR_INVALID, "a control character in a string");
        return NULL;
    }
    if (c < 0x80)
        return at + 1;
    size_t len = utf8_character_len(at, (size_t)(reader->end - at));
    if (len == 0)
        fail_at(reader, at, ERR_INVALID, "not UTF-8");
    return len == 0 ? NULL : at + len;
}

/* Reads a string, leaving its escapes alone. */
static bool read_raw(struct json_reader *reader, struct json_text *ret, bool *ret_has_escape)
{
    if (reader->at >= reader->end || *reader->at != '"')
        return fail(reader, "expected a string");
    const char *first = reader->at + 1;
    const char *at = first;
    bool has_escape = false;
    for (;;) {
        uint64_t word;
        while ((size_t)(reader->end - at) >= sizeof word) {
            memcpy(&word, at, sizeof word);
            uint64_t special = special_bytes(word);
            if (special != 0) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
                /* Bytes before the lowest mark are plain; borrows can only make false marks above it. */
                at += __builtin_ctzll(special) / 8;
#endif
                break;
            }
            at += sizeof word;
        }
        if (at >= reader->end)
            return fail_at(reader, at, ERR_INVALID, "the text ends within a string");
        if (*at == '"')
            break;
        at = special_check(reader, at, &has_escape);
        if (!at)
            return false;
    }
    *ret = (struct json_text){first, (size_t)(at - first)};
    *ret_has_escape = has_escape;
    reader->at = at + 1;
    return true;
}

/* One escape that escape_check() has accepted; returns what follows it. */
static const char *escape_put(const char *at, const char *end, char **to)
{
    static const char from[] = "bfnrt", to_byte[] = "\b\f\n\r\t";
    if (at[1] != 'u') {
        const char *found = strchr(from, at[1]);
        *(*to)++ = found ? to_byte[found - from] : at[1];
        return at + 2;
    }
    int32_t code = hex4(at + 2, end);
    if (!is_high_surrogate(code)) {
        *to = utf8_put(*to, code);
        return at + 6;
    }
    *to = utf8_put(*to, 0x10000 + ((code - 0xD800) << 10) + (hex4(at + 8, end) - 0xDC00));
    return at + 12;
}

/* An unescaped string is never longer than the escaped one. */
static bool unescape(struct json_reader *reader, struct json_text *text)
{
    char *copy = arena_get(reader->arena, text->len);
    if (!copy)
        return fail_at(reader, text->text, ERR_NO_MEMORY, "out of memory");
    char *to = copy;
    const char *end = text->text + text->len;
    for (const char *at = text->text; at < end;) {
        if (*at == '\\')
            at = escape_put(at, end, &to);
        else
            *to++ = *at++;
    }
    *text = (struct json_text){copy, (size_t)(to - copy)};
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

void json_reader_init(struct json_reader *reader, const char *text, size_t len, struct arena *arena, struct errmsg *why)
{
    reader->start = reader->at = text;
    reader->end = text + len;
    reader->arena = arena;
    reader->why = why;
    reader->err = ERR_OK;
    reader->depth = 0;
    reader->n_keys = 0;
}

static void skip_space(struct json_reader *reader)
{
    while (reader->at < reader->end &&
           (*reader->at == ' ' || *reader->at == '\n' || *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

enum json_kind json_reader_peek(struct json_reader *reader)
{
    if (reader->err != ERR_OK)
        return JSON_KIND_NONE;
    skip_space(reader);
    char c = reader->at < reader->end ? *reader->at : '\0';
    switch (c) {
    case '{':
        return JSON_KIND_OBJECT;
    case '[':
        return JSON_KIND_ARRAY;
    case '"':
        return JSON_KIND_TEXT;
    case 't':
    case 'f':
        return JSON_KIND_BOOL;
    case 'n':
        return JSON_KIND_NULL;
    default:
        if (c == '-' || is_digit(c))
            return JSON_KIND_NUMBER;
        fail(reader, "expected a value");
        return JSON_KIND_NONE;
    }
}

static bool expect_kind(struct json_reader *reader, enum json_kind kind)
{
    enum json_kind found = json_reader_peek(reader);
    if (found == kind)
        return true;
    if (reader->err == ERR_OK)
        reader->err = err_set(reader->why, ERR_INVALID, "byte %zu: expected %s, not %s", json_reader_offset(reader),
                              json_kind_text(kind), json_kind_text(found));
    return false;
}

static bool level_begin(struct json_reader *reader, enum json_kind kind)
{
    if (!expect_kind(reader, kind))
        return false;
    if (reader->depth >= JSON_READER_MAX_DEPTH)
        return fail_at(reader, reader->at, ERR_TOO_BIG, "nested too deeply");
    reader->at++;
    reader->levels[reader->depth].first_key = (uint16_t)reader->n_keys;
    reader->levels[reader->depth].has_items = false;
    reader->depth++;
    return true;
}

/* Before the next member or item: true when there is one, and then the comma is behind us. */
static bool level_next(struct json_reader *reader, char closing)
{
    if (reader->err != ERR_OK)
        return false;
    skip_space(reader);
    bool *has_items = &reader->levels[reader->depth - 1].has_items;
    char c = reader->at < reader->end ? *reader->at : '\0';
    if (c == closing) {
        reader->at++;
        reader->depth--;
        reader->n_keys = reader->levels[reader->depth].first_key;
        return false;
    }
    if (*has_items) {
        if (c != ',')
            return fail(reader, closing == '}' ? "expected ',' or '}'" : "expected ',' or ']'");
        reader->at++;
        skip_space(reader);
    }
    *has_items = true;
    return true;
}

bool json_reader_object(struct json_reader *reader)
{
    return level_begin(reader, JSON_KIND_OBJECT);
}

bool json_reader_array(struct json_reader *reader)
{
    return level_begin(reader, JSON_KIND_ARRAY);
}

/* Only spares comparisons: length, first and last bytes. */
static uint32_t key_hash(const struct json_text *key)
{
    uint64_t head = 0, tail = 0;
    size_t n = key->len < sizeof head ? key->len : sizeof head;
    memcpy(&head, key->text, n);
    memcpy(&tail, key->text + key->len - n, n);
    uint64_t mixed = (head ^ (tail << 7 | tail >> 57) ^ key->len) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(mixed >> 32);
}

static bool key_add(struct json_reader *reader, const char *at, const struct json_text *key)
{
    if (key->len > UINT32_MAX)
        return fail_at(reader, at, ERR_TOO_BIG, "a key is too long");
    if (reader->n_keys >= JSON_READER_MAX_KEYS)
        return fail_at(reader, at, ERR_TOO_BIG, "too many keys");
    uint32_t hash = key_hash(key);
    for (size_t i = reader->levels[reader->depth - 1].first_key; i < reader->n_keys; i++) {
        const struct json_key *other = &reader->keys[i];
        if (other->hash == hash && other->len == key->len && memcmp(other->text, key->text, key->len) == 0)
            return fail_at(reader, at, ERR_INVALID, "the same key twice in one object");
    }
    reader->keys[reader->n_keys++] = (struct json_key){hash, (uint32_t)key->len, key->text};
    return true;
}

bool json_reader_member(struct json_reader *reader, struct json_text *ret_key)
{
    if (!level_next(reader, '}'))
        return false;
    const char *at = reader->at;
    bool has_escape;
    if (at < reader->end && *at != '"')
        return fail(reader, "expected a key in quotes");
    if (!read_raw(reader, ret_key, &has_escape))
        return false;
    if ((has_escape && !unescape(reader, ret_key)) || !key_add(reader, at, ret_key))
        return false;
    skip_space(reader);
    if (reader->at >= reader->end || *reader->at != ':')
        return fail(reader, "expected ':'");
    reader->at++;
    return true;
}

bool json_reader_item(struct json_reader *reader)
{
    return level_next(reader, ']');
}

bool json_reader_text(struct json_reader *reader, struct json_text *ret)
{
    bool has_escape;
    if (!expect_kind(reader, JSON_KIND_TEXT) || !read_raw(reader, ret, &has_escape))
        return false;
    return !has_escape || unescape(reader, ret);
}

static bool read_digits(struct json_reader *reader)
{
    if (reader->at >= reader->end || !is_digit(*reader->at))
        return fail(reader, "expected a digit");
    while (reader->at < reader->end && is_digit(*reader->at))
        reader->at++;
    return true;
}

bool json_reader_number(struct json_reader *reader, struct json_text *ret)
{
    if (!expect_kind(reader, JSON_KIND_NUMBER))
        return false;
    const char *first = reader->at;
    if (*reader->at == '-')
        reader->at++;
    if (reader->at < reader->end && *reader->at == '0') {
        reader->at++;
        if (reader->at < reader->end && is_digit(*reader->at))
            return fail(reader, "a number begins with 0");
    } else if (!read_digits(reader)) {
        return false;
    }
    if (reader->at < reader->end && *reader->at == '.') {
        reader->at++;
        if (!read_digits(reader))
            return false;
    }
    if (reader->at < reader->end && (*reader->at == 'e' || *reader->at == 'E')) {
        reader->at++;
        if (reader->at < reader->end && (*reader->at == '+' || *reader->at == '-'))
            reader->at++;
        if (!read_digits(reader))
            return false;
    }
    *ret = (struct json_text){first, (size_t)(reader->at - first)};
    return true;
}

static bool read_word(struct json_reader *reader, const char *word)
{
    size_t len = strlen(word);
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return fail_at(reader, reader->at, ERR_INVALID, "expected a value");
    reader->at += len;
    return true;
}

bool json_reader_bool(struct json_reader *reader, bool *ret)
{
    if (!expect_kind(reader, JSON_KIND_BOOL))
        return false;
    *ret = *reader->at == 't';
    return read_word(reader, *ret ? "true" : "false");
}

bool json_reader_null(struct json_reader *reader)
{
    return expect_kind(reader, JSON_KIND_NULL) && read_word(reader, "null");
}

/* One value that holds no other. */
static bool skip_scalar(struct json_reader *reader, enum json_kind kind)
{
    struct json_text ignored;
    bool flag;
    switch (kind) {
    case JSON_KIND_TEXT:
        return read_raw(reader, &ignored, &flag);
    case JSON_KIND_NUMBER:
        return json_reader_number(reader, &ignored);
    case JSON_KIND_BOOL:
        return json_reader_bool(reader, &flag);
    case JSON_KIND_NULL:
        return json_reader_null(reader);
    case JSON_KIND_NONE:
    case JSON_KIND_OBJECT:
    case JSON_KIND_ARRAY:
        break;
    }
    return false;
}

bool json_reader_skip(struct json_reader *reader)
{
    bool is_object[JSON_READER_MAX_DEPTH];
    int outside = reader->depth;
    for (;;) {
        enum json_kind kind = json_reader_peek(reader);
        if (kind == JSON_KIND_OBJECT || kind == JSON_KIND_ARRAY) {
            if (!level_begin(reader, kind))
                return false;
            is_object[reader->depth - 1] = kind == JSON_KIND_OBJECT;
        } else if (!skip_scalar(reader, kind)) {
            return false;
        }
        /* Closes what ends here; a member or item that follows is the next value. */
        struct json_text key;
        while (reader->depth > outside &&
               !(is_object[reader->depth - 1] ? json_reader_member(reader, &key) : json_reader_item(reader))) {
            if (reader->err != ERR_OK)
                return false;
        }
        if (reader->depth == outside)
            return true;
    }
}

enum err json_reader_end(struct json_reader *reader)
{
    if (reader->err != ERR_OK)
        return reader->err;
    skip_space(reader);
    if (reader->at < reader->end)
        fail(reader, "something follows the end of the text");
    return reader->err;
}

size_t json_reader_offset(const struct json_reader *reader)
{
    return (size_t)(reader->at - reader->start);
}

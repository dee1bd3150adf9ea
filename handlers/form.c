/* See form.h. */
#include "handlers/form.h"

#include "base/digest.h"
#include "base/utf8.h"

#include <string.h>

#define MAX_ENTITY 12 /* bytes: "&#0001114111;" is none */

/* ---- forms ------------------------------------------------------------------------------------------------------- */

void form_reader_init(struct form_reader *reader, const char *text, size_t len, struct arena *arena)
{
    *reader = (struct form_reader){.at = text, .end = text + len, .arena = arena};
}

static bool decode(struct form_reader *reader, const char *from, const char *end, struct json_text *ret)
{
    char *text = arena_get(reader->arena, (size_t)(end - from));
    if (!text) {
        reader->is_broken = true;
        return false;
    }
    char *to = text;
    while (from < end) {
        bool is_escape = *from == '%' && end - from >= 3 && hex_value(from[1]) >= 0 && hex_value(from[2]) >= 0;
        if (is_escape) {
            *to++ = (char)(hex_value(from[1]) * 16 + hex_value(from[2]));
            from += 3;
        } else {
            *to++ = *from == '+' ? ' ' : *from;
            from++;
        }
    }
    *ret = (struct json_text){text, (size_t)(to - text)};
    return true;
}

bool form_reader_next(struct form_reader *reader, struct json_text *ret_name, struct json_text *ret_value)
{
    while (reader->at < reader->end && *reader->at == '&')
        reader->at++;
    if (reader->at >= reader->end || reader->is_broken)
        return false;
    const char *name = reader->at;
    const char *end = memchr(name, '&', (size_t)(reader->end - name));
    end = end ? end : reader->end;
    const char *equals = memchr(name, '=', (size_t)(end - name));
    reader->at = end;
    return decode(reader, name, equals ? equals : end, ret_name) &&
           decode(reader, equals ? equals + 1 : end, end, ret_value);
}

/* ---- entities ---------------------------------------------------------------------------------------------------- */

static bool is_character(int32_t code)
{
    bool is_control = code < 0x20 || (code >= 0x7f && code < 0xa0);
    bool is_surrogate = code >= 0xd800 && code <= 0xdfff;
    return !is_control && !is_surrogate && code <= 0x10ffff;
}

/* "#65" or "#x41", as many bytes; -1 when that is none. */
static int32_t numbered(const char *text, size_t len)
{
    bool is_hex = len > 1 && (text[1] == 'x' || text[1] == 'X');
    size_t first = is_hex ? 2 : 1;
    int32_t code = 0;
    for (size_t i = first; i < len; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0 || (!is_hex && digit > 9))
            return -1;
        code = code * (is_hex ? 16 : 10) + digit;
        if (code > 0x10ffff)
            return -1;
    }
    return len > first && is_character(code) ? code : -1;
}

/* The character that the entity at the start of a text stands for, and its length; -1 when there is none. */
static int32_t entity_at(const char *text, size_t len, size_t *ret_len)
{
    static const struct {
        const char *name;
        int32_t code;
    } named[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    if (len < 3 || text[0] != '&')
        return -1;
    const char *end = memchr(text, ';', len < MAX_ENTITY ? len : MAX_ENTITY);
    if (!end)
        return -1;
    size_t inner = (size_t)(end - text) - 1;
    *ret_len = inner + 2;
    if (text[1] == '#')
        return numbered(text + 1, inner);
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (strlen(named[i].name) == inner && memcmp(text + 1, named[i].name, inner) == 0)
            return named[i].code;
    }
    return -1;
}

size_t entities_decode(char *text, size_t len)
{
    char *to = text;
    for (size_t at = 0; at < len;) {
        size_t entity = 0;
        int32_t code = entity_at(text + at, len - at, &entity);
        if (code >= 0) {
            to = utf8_put(to, code); /* never longer than what it replaces */
            at += entity;
        } else {
            *to++ = text[at++];
        }
    }
    return (size_t)(to - text);
}

bool entities_encode(const struct json_text *text, struct arena *arena, struct json_text *ret)
{
    static const char ampersand[] = "&amp;";
    const size_t more = sizeof ampersand - 1;
    size_t n = 0, ignored;
    for (size_t i = 0; i < text->len; i++)
        n += entity_at(text->text + i, text->len - i, &ignored) >= 0;
    *ret = *text;
    if (n == 0)
        return true;
    char *copy = arena_get(arena, text->len + n * more);
    if (!copy)
        return false;
    char *to = copy;
    for (size_t i = 0; i < text->len; i++) {
        if (entity_at(text->text + i, text->len - i, &ignored) >= 0) {
            memcpy(to, ampersand, more);
            to += more;
        } else {
            *to++ = text->text[i];
        }
    }
    *ret = (struct json_text){copy, (size_t)(to - copy)};
    return true;
}

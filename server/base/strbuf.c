#include "base/strbuf.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void strbuf_done(struct strbuf *s)
{
    free(s->data);
    *s = (struct strbuf){.max_len = s->max_len};
}

void strbuf_clear(struct strbuf *s)
{
    s->len = 0;
    s->is_broken = false;
    if (s->data)
        s->data[0] = '\0';
}

/* Room for `more` bytes and the NUL. */
static bool strbuf_grow(struct strbuf *s, size_t more)
{
    if (s->is_broken)
        return false;
    size_t max_len = s->max_len ? s->max_len : STRBUF_MAX;
    if (s->len > max_len || more > max_len - s->len || more >= SIZE_MAX - s->len) {
        s->is_broken = true;
        return false;
    }
    size_t need = s->len + more + 1;
    if (need <= s->room)
        return true;
    size_t room = s->room < 64 ? 64 : s->room;
    while (room < need)
        room = room > SIZE_MAX / 2 ? need : room * 2;
    char *data = realloc(s->data, room);
    if (!data) {
        s->is_broken = true;
        return false;
    }
    s->data = data;
    s->room = room;
    return true;
}

void strbuf_add(struct strbuf *s, const void *bytes, size_t len)
{
    if (!strbuf_grow(s, len))
        return;
    if (len > 0)
        memcpy(s->data + s->len, bytes, len);
    s->len += len;
    s->data[s->len] = '\0';
}

void strbuf_adds(struct strbuf *s, const char *text)
{
    strbuf_add(s, text, strlen(text));
}

void strbuf_addc(struct strbuf *s, char c)
{
    strbuf_add(s, &c, 1);
}

void strbuf_addf(struct strbuf *s, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (len < 0) {
        s->is_broken = true;
        return;
    }
    if (!strbuf_grow(s, (size_t)len))
        return;
    va_start(args, format);
    vsnprintf(s->data + s->len, (size_t)len + 1, format, args);
    va_end(args);
    s->len += (size_t)len;
}

/* The letter after the backslash in JSON's short escapes; 0 when there is none for `c`. */
static char json_short_escape(char c)
{
    switch (c) {
    case '"':
        return '"';
    case '\\':
        return '\\';
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return 0;
    }
}

/* How many bytes at the start can be copied into a JSON string as they are. */
static size_t json_plain_len(const char *text, size_t len)
{
    size_t plain = 0;
    while (plain < len) {
        if ((unsigned char)text[plain] < 0x20 || text[plain] == '"' || text[plain] == '\\')
            break;
        size_t character = utf8_character_len(text + plain, len - plain);
        if (character == 0)
            break;
        plain += character;
    }
    return plain;
}

void strbuf_add_json(struct strbuf *s, const char *text, size_t len)
{
    strbuf_addc(s, '"');
    size_t at = 0;
    while (at < len) {
        size_t plain = json_plain_len(text + at, len - at);
        strbuf_add(s, text + at, plain);
        at += plain;
        if (at == len)
            break;
        char escape = json_short_escape(text[at]);
        if (escape) {
            strbuf_addc(s, '\\');
            strbuf_addc(s, escape);
        } else if ((unsigned char)text[at] < 0x20) {
            strbuf_addf(s, "\\u%04x", (unsigned)text[at]);
        } else {
            strbuf_adds(s, "\xef\xbf\xbd");
        }
        at++;
    }
    strbuf_addc(s, '"');
}

const char *strbuf_text(const struct strbuf *s)
{
    return s->data ? s->data : "";
}

const char *strbuf_whole(const struct strbuf *s)
{
    return s->is_broken ? NULL : strbuf_text(s);
}

char *strbuf_take(struct strbuf *s)
{
    strbuf_add(s, "", 0); /* an empty buffer has no memory yet */
    char *taken = s->data;
    if (s->is_broken) {
        free(taken);
        taken = NULL;
    }
    *s = (struct strbuf){.max_len = s->max_len};
    return taken;
}

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *err_name(enum err code)
{
    switch (code) {
#define X(name, text)                                                                                                  \
    case name:                                                                                                         \
        return text;
        ERR_LIST(X)
#undef X
    }
    return "not a code";
}

/* Ends a text that vsnprintf() cut, without leaving half a UTF-8 character before the dots. */
static void text_cut(char *text, size_t room)
{
    size_t end = room - sizeof("...");
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    memcpy(text + end, "...", sizeof("..."));
}

PRINTF_LIKE(2, 0)
static void errmsg_format(struct errmsg *why, const char *format, va_list args)
{
    int len = vsnprintf(why->text, sizeof(why->text), format, args);
    if (len < 0)
        why->text[0] = '\0';
    else if ((size_t)len >= sizeof(why->text))
        text_cut(why->text, sizeof(why->text));
}

void errmsg_set(struct errmsg *why, const char *format, ...)
{
    if (!why)
        return;
    /* An argument may be the old text of the same errmsg. */
    struct errmsg made;
    va_list args;
    va_start(args, format);
    errmsg_format(&made, format, args);
    va_end(args);
    memcpy(why, &made, strlen(made.text) + 1);
}

void errmsg_prefix(struct errmsg *why, const char *format, ...)
{
    if (!why)
        return;
    struct errmsg context;
    va_list args;
    va_start(args, format);
    errmsg_format(&context, format, args);
    va_end(args);
    struct errmsg old = *why;
    errmsg_set(why, "%s: %s", context.text, old.text);
}

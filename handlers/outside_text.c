/* See outside_text.h. */
#include "handlers/outside_text.h"

#include "base/utf8.h"
#include "handlers/form.h"

#include <string.h>

#define MIN_CONCEALED 8

char *outside_text_trim(char *text)
{
    static const char blanks[] = " \t\r\n";
    text += strspn(text, blanks);
    size_t len = strlen(text);
    while (len > 0 && strchr(blanks, text[len - 1]))
        len--;
    text[len] = '\0';
    return text;
}

char *outside_text(const struct json_text *from, struct arena *arena, bool *ret_is_text)
{
    char *text = arena_get(arena, from->len + 1);
    char *before = arena_get(arena, from->len + 1);
    if (!text || !before)
        return NULL;
    for (size_t i = 0; i < from->len; i++)
        text[i] = from->text[i] ? from->text[i] : '\1'; /* which is no text either */
    text[from->len] = '\0';
    text = outside_text_trim(text);
    memcpy(before, text, strlen(text) + 1);
    utf8_clean(text);
    *ret_is_text = strcmp(before, text) == 0;
    text[entities_decode(text, strlen(text))] = '\0';
    return text;
}

static void conceal(char *text, const struct secret *secret)
{
    if (!secret_is_set(secret) || secret->len < MIN_CONCEALED)
        return;
    char *to = text;
    for (const char *from = text; *from;) {
        if (strncmp(from, secret->bytes, secret->len) == 0) {
            memcpy(to, "***", 3);
            to += 3;
            from += secret->len;
        } else {
            *to++ = *from++;
        }
    }
    *to = '\0';
}

void conceal_credentials(char *text, const struct source *source)
{
    for (size_t i = 0; i < source->path_token.n; i++)
        conceal(text, &source->path_token.items[i]);
    for (size_t i = 0; i < source->bearer.n; i++)
        conceal(text, &source->bearer.items[i]);
    for (size_t i = 0; i < source->n_basic; i++)
        conceal(text, &source->basic[i].password);
}

void drop_user_information(char *text)
{
    char *to = text;
    for (const char *from = text; *from;) {
        if (strncmp(from, "://", 3) != 0) {
            *to++ = *from++;
            continue;
        }
        memmove(to, from, 3);
        to += 3;
        from += 3;
        const char *at = memrchr(from, '@', strcspn(from, "/?#\\ \"'<>"));
        from = at ? at + 1 : from;
    }
    *to = '\0';
}

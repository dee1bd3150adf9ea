/* See document.h. */
#include "handlers/document.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LABEL_VALUE 16384
#define MAX_TOKEN 1024 /* bytes of one step of a pointer */

enum err document_load(const char *text, size_t len, json_t **ret, struct errmsg *why)
{
    json_error_t error;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (root) {
        *ret = root;
        return ERR_OK;
    }
    if (json_error_code(&error) == json_error_out_of_memory)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    /* What it is near to is the sender's text, perhaps a secret of its own: the place says enough. */
    char *near = strstr(error.text, " near '");
    if (near)
        *near = '\0';
    return err_set(why, ERR_INVALID, "byte %d: %.120s", error.position, error.text);
}

bool document_is_pointer(const char *text)
{
    if (text[0] && text[0] != '/')
        return false;
    for (const char *c = strchr(text, '~'); c; c = strchr(c + 1, '~'))
        if (c[1] != '0' && c[1] != '1')
            return false;
    return true;
}

/* One step of a pointer, "~1" and "~0" decoded; false when it is too long. Moves *at behind it. */
static bool token_read(const char **at, char token[MAX_TOKEN])
{
    size_t len = 0;
    const char *c = *at + 1;
    for (; *c && *c != '/'; c++) {
        if (len >= MAX_TOKEN - 1)
            return false;
        bool is_escaped = *c == '~' && (c[1] == '0' || c[1] == '1');
        token[len++] = !is_escaped ? *c : c[1] == '1' ? '/' : '~';
        c += is_escaped;
    }
    token[len] = '\0';
    *at = c;
    return true;
}

static json_t *item_at(json_t *array, const char *token)
{
    size_t digits = strspn(token, "0123456789");
    if (digits == 0 || digits > 9 || token[digits] || (digits > 1 && token[0] == '0'))
        return NULL;
    return json_array_get(array, strtoul(token, NULL, 10));
}

json_t *document_at(json_t *root, const char *pointer)
{
    char token[MAX_TOKEN];
    json_t *value = root;
    while (value && *pointer) {
        if (*pointer != '/' || !token_read(&pointer, token))
            return NULL;
        value = json_is_array(value) ? item_at(value, token) : json_object_get(value, token);
    }
    return value;
}

enum document_found document_find(json_t *root, const char *pointer, json_t **ret)
{
    *ret = document_at(root, pointer);
    if (*ret)
        return json_is_null(*ret) ? DOCUMENT_NULL : DOCUMENT_FOUND;
    char token[MAX_TOKEN];
    json_t *value = root;
    while (value && !json_is_null(value) && *pointer == '/' && token_read(&pointer, token))
        value = json_is_array(value) ? item_at(value, token) : json_object_get(value, token);
    return json_is_null(value) ? DOCUMENT_NULL : DOCUMENT_NOTHING;
}

static bool printed(const json_t *number, struct arena *arena, struct json_text *ret)
{
    char *text = json_dumps(number, JSON_ENCODE_ANY);
    size_t len = text ? strlen(text) : 0;
    char *copy = text ? arena_get(arena, len) : NULL;
    if (copy)
        memcpy(copy, text, len);
    free(text);
    *ret = (struct json_text){copy, len};
    return copy != NULL;
}

bool document_text(const json_t *value, struct arena *arena, struct json_text *ret)
{
    if (json_is_string(value))
        *ret = (struct json_text){json_string_value(value), json_string_length(value)};
    else if (json_is_boolean(value))
        *ret = json_is_true(value) ? (struct json_text){"true", 4} : (struct json_text){"false", 5};
    else
        return json_is_number(value) && printed(value, arena, ret);
    return true;
}

void labels_add(struct labels *labels, const char *name, const struct json_text *value)
{
    if (labels->n < LABELS_MAX && value->len <= MAX_LABEL_VALUE)
        labels->items[labels->n++] = (struct label){name, strlen(name), value->text, value->len};
}

void labels_add_value(struct labels *labels, const char *name, const json_t *value, struct arena *arena)
{
    struct json_text text;
    if (document_text(value, arena, &text))
        labels_add(labels, name, &text);
}

#include "core/export_text.h"

#include "base/utf8.h"
#include "core/json_whole.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MAX_VALUE 400 /* bytes of one value that are shown */

const char *export_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static void add_harmless(struct strbuf *out, char c)
{
    strbuf_addc(out, (unsigned char)c < ' ' || c == 0x7f ? ' ' : c);
}

void export_line(struct strbuf *out, const char *text)
{
    for (const char *c = text; *c; c++)
        add_harmless(out, *c);
}

void export_quote(struct strbuf *out, const char *text)
{
    strbuf_addc(out, '\'');
    for (const char *c = text; *c; c++) {
        if (*c == '\'')
            strbuf_adds(out, "'\\''");
        else
            add_harmless(out, *c);
    }
    strbuf_addc(out, '\'');
}

static void add_value(struct strbuf *out, const json_t *value)
{
    if (json_is_string(value)) {
        export_line(out, json_string_value(value));
        return;
    }
    char *text = json_whole(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_SORT_KEYS);
    if (text)
        text[utf8_cut(text, strlen(text), MAX_VALUE)] = '\0';
    export_line(out, text ? text : "?");
    free(text);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void export_values(struct strbuf *out, const json_t *values)
{
    const size_t n = json_object_size(values);
    const char **names = calloc(n + 1, sizeof *names);
    const char *name;
    json_t *value;
    size_t i = 0;
    if (!names)
        return;
    json_object_foreach((json_t *)(uintptr_t)values, name, value) names[i++] = name;
    qsort(names, i, sizeof *names, name_compare);
    for (size_t k = 0; k < i; k++) {
        strbuf_adds(out, k > 0 ? ", " : "");
        export_line(out, names[k]);
        strbuf_addc(out, ' ');
        add_value(out, json_object_get(values, names[k]));
    }
    free(names);
}

bool export_is_check(const json_t *step)
{
    const char *action = export_text(step, "action");
    const size_t len = strlen(action);
    return strcmp(export_text(step, "state"), "checks") == 0 || (len > 6 && strcmp(action + len - 6, ".check") == 0);
}

void export_what(struct strbuf *out, const json_t *step)
{
    const json_t *current = json_object_get(step, "current"), *desired = json_object_get(step, "desired");
    export_line(out, export_text(step, "action"));
    if (export_text(step, "provider")[0]) {
        strbuf_adds(out, " at ");
        export_line(out, export_text(step, "provider"));
    }
    if (json_object_size(desired) == 0 && json_object_size(current) == 0) {
        strbuf_adds(out, json_object_size(json_object_get(step, "args")) > 0 ? ": " : "");
        export_values(out, json_object_get(step, "args"));
        return;
    }
    if (json_object_size(current) > 0) {
        strbuf_adds(out, ": there was ");
        export_values(out, current);
    }
    if (json_object_size(desired) > 0) {
        strbuf_adds(out, json_object_size(current) > 0 ? "; there is to be " : ": there is to be ");
        export_values(out, desired);
    }
}

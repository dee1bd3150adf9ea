#include "config/reading.h"

#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAME_LEN 63

/* ---- complaints -------------------------------------------------------------------------------------------------- */

void complain(struct reading *r, const struct node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problems_add(&r->errors, at, "", format, args);
    va_end(args);
}

void complain_memory(struct reading *r)
{
    if (!r->is_out_of_memory)
        complain(r, NULL, "out of memory");
    r->is_out_of_memory = true;
}

void doubt(struct reading *r, const struct node *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    problems_add(&r->warnings, at, "warning: ", format, args);
    va_end(args);
}

void complain_unknown(struct reading *r, const struct node *at, const char *what, const char *text,
                      const struct names *names)
{
    char hint[1200];
    complain(r, at, "unknown %s %s; %s", what, shown(text).text, names_hint(names, text, hint, sizeof(hint)));
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

const struct node *child(const struct node *map, const char *key)
{
    const struct node_pair *pair = node_pair_find(map, key);
    return pair ? pair->value : NULL;
}

bool expect_kind(struct reading *r, const struct node *node, enum node_kind kind, const char *key)
{
    if (node->kind == kind || (node->kind == NODE_NULL && kind != NODE_TEXT))
        return true;
    complain(r, node, "%s cannot be %s; it must be %s", shown(key).text, node_kind_text(node->kind),
             node_kind_text(kind));
    return false;
}

bool expect_item(struct reading *r, const struct node *node, enum node_kind kind, const char *key)
{
    if (node->kind == kind)
        return true;
    complain(r, node, "an element of \"%s\" cannot be %s; it must be %s", key, node_kind_text(node->kind),
             node_kind_text(kind));
    return false;
}

enum text_kind text_kind_of(const char *text)
{
    enum text_kind kind = TEXT_PLAIN;
    for (const char *c = text; *c; c++) {
        if (strncmp(c, "$${", 3) == 0) {
            if (kind == TEXT_PLAIN)
                kind = TEXT_ESCAPED;
            c += 2;
        } else if (strncmp(c, "${", 2) == 0) {
            if (strncmp(c + 2, "env:", 4) == 0 || strncmp(c + 2, "file:", 5) == 0)
                return TEXT_SECRET;
            kind = TEXT_TEMPLATE;
        }
    }
    return kind;
}

char *plain_text(struct reading *r, const struct node *node, const char *key)
{
    if (!expect_kind(r, node, NODE_TEXT, key))
        return NULL;
    const enum text_kind kind = text_kind_of(node->text);
    if (kind == TEXT_SECRET) {
        complain(r, node,
                 "%s cannot take ${env:...} or ${file:...}: they give secrets, for keys that are secret; "
                 "write the value itself",
                 shown(key).text);
        return NULL;
    }
    if (kind == TEXT_TEMPLATE) {
        complain(r, node,
                 "%s cannot hold ${...}: only the steps of a playbook are filled in; write $${ for a literal ${",
                 shown(key).text);
        return NULL;
    }
    char *text = new_text(r, node->text);
    for (char *from = text, *to = text; text;) {
        if (strncmp(from, "$${", 3) == 0)
            from++;
        *to = *from;
        if (!*from)
            break;
        from++;
        to++;
    }
    return text;
}

bool expect_name(struct reading *r, const struct node *node, const char *what)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    if (!expect_kind(r, node, NODE_TEXT, what))
        return false;
    if (node->len > 0 && node->len <= MAX_NAME_LEN && strspn(node->text, letters) == node->len &&
        !strchr("_.-", node->text[0]))
        return true;
    complain(r, node,
             "%s cannot be the name of %s; it must be up to %d letters, digits, \"_\", \".\" and \"-\", and "
             "begin with a letter or digit",
             shown(node->text).text, what, MAX_NAME_LEN);
    return false;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void *new_array(struct reading *r, size_t count, size_t size)
{
    void *memory = calloc(count > 0 ? count : 1, size);
    if (!memory)
        complain_memory(r);
    return memory;
}

char *new_text(struct reading *r, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        complain_memory(r);
    return copy;
}

struct network *new_networks(struct reading *r, const json_t *list, size_t *ret_n)
{
    size_t n = json_array_size(list);
    struct network *networks = n > 0 ? new_array(r, n, sizeof(*networks)) : NULL;
    *ret_n = networks ? n : 0;
    for (size_t i = 0; i < *ret_n; i++)
        (void)network_parse(json_string_value(json_array_get(list, i)), &networks[i]); /* the row lets nothing else
                                                                                          pass */
    return networks;
}

#include "config/rows.h"

#include "base/cleanup.h"
#include "config/value.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LIST 100  /* elements of a list, keys of ROW_TEXTS */
#define MAX_SECRETS 8 /* of one row, at a time */

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static bool is_later(const struct later *later, const char *key, const char *value)
{
    for (; later && later->key; later++) {
        if (strcmp(later->key, key) != 0)
            continue;
        if (!later->value ? !value : value && strcmp(later->value, value) == 0)
            return true;
    }
    return false;
}

static void collect_names(const struct keys *keys, struct names *names)
{
    for (size_t set = 0; set < COUNT_OF(keys->rows); set++) {
        for (const struct row *row = keys->rows[set]; row && row->name; row++)
            names_add(names, row->name);
    }
    for (const char *const *name = keys->names; name && *name; name++)
        names_add(names, *name);
}

static bool is_known(const struct names *names, const char *key)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->items[i], key) == 0)
            return true;
    }
    return false;
}

void keys_check(struct reading *r, const struct node *map, const struct keys *keys)
{
    struct names names = {.count = 0};
    collect_names(keys, &names);
    for (size_t i = 0; i < map->n_pairs; i++) {
        const struct node *key = map->pairs[i].key;
        if (is_known(&names, key->text))
            continue;
        if (is_later(keys->later, key->text, NULL))
            complain(r, key, "key %s is not supported yet; remove it", shown(key->text).text);
        else
            complain_unknown(r, key, "key", key->text, &names);
    }
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

void template_list_done(struct template_list *list)
{
    free(list->items);
    *list = (struct template_list){0};
}

static void note_template(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    struct template_list *list = reader->templates;
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : 8;
        struct template_use *items = reallocarray(list->items, room, sizeof(*items));
        if (!items) {
            complain_memory(reader->reading);
            return;
        }
        list->items = items;
        list->room = room;
    }
    list->items[list->count++] = (struct template_use){.row = row, .node = node};
}

/* "KEY cannot be VALUE; it must be ...". */
static void complain_value(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    struct strbuf expected = STRBUF_INIT;
    value_describe(row, &expected);
    const char *must = strbuf_text(&expected);
    if (node->kind != NODE_TEXT)
        complain(reader->reading, node, "\"%s\" cannot be %s; it must be %s", row->name, node_kind_text(node->kind),
                 must);
    else if (is_later(reader->later, row->name, node->text))
        complain(reader->reading, node, "\"%s\" cannot be %s yet, that is not supported; it must be %s", row->name,
                 shown(node->text).text, must);
    else if ((row->type == ROW_URL || row->type == ROW_URLS) &&
             strchr(node->text, '@')) /* a password may stand before it */
        complain(reader->reading, node, "\"%s\" cannot hold user information; it must be %s", row->name, must);
    else if (!value_is_text(row->type) && text_kind_of(node->text) != TEXT_PLAIN)
        complain(reader->reading, node, "\"%s\" cannot be filled in by ${...}; it must be %s", row->name, must);
    else if (node->is_quoted && !value_is_text(row->type))
        complain(reader->reading, node, "\"%s\" cannot be the text %s; it must be %s, without quotes", row->name,
                 shown(node->text).text, must);
    else
        complain(reader->reading, node, "\"%s\" cannot be %s; it must be %s", row->name, shown(node->text).text, must);
    strbuf_done(&expected);
}

/* As seen from the folder of the file; NULL when it is none. */
static json_t *path_value(struct reading *r, const char *text)
{
    const struct row row = {.type = ROW_PATH};
    json_t *value = value_of_text(&row, text);
    if (!value || text[0] == '/' || !r->folder[0])
        return value;
    json_decref(value);
    return json_sprintf("%s%s", r->folder, text);
}

/* One value, or one element of a list. NULL after a complaint. */
static json_t *read_scalar(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    struct reading *r = reader->reading;
    if (node->kind != NODE_TEXT ||
        (!value_is_text(row->type) && (node->is_quoted || text_kind_of(node->text) != TEXT_PLAIN))) {
        complain_value(reader, row, node);
        return NULL;
    }
    const enum text_kind kind = text_kind_of(node->text);
    if (reader->templates && value_is_text(row->type) && (kind == TEXT_TEMPLATE || kind == TEXT_ESCAPED)) {
        note_template(reader, row, node);
        return json_string(node->text);
    }
    AUTO_FREE char *text = plain_text(r, node, row->name);
    if (!text)
        return NULL;
    json_t *value = row->type == ROW_PATH ? path_value(r, text) : value_of_text(row, text);
    if (!value)
        complain_value(reader, row, node);
    return value;
}

static json_t *read_list(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    json_t *list = json_array();
    if (!list) {
        complain_memory(reader->reading);
        return NULL;
    }
    if (node->kind != NODE_LIST) {
        json_t *only = read_scalar(reader, row, node);
        if (only)
            json_array_append_new(list, only);
        return list;
    }
    if (node->n_items == 0 || node->n_items > MAX_LIST) {
        complain(reader->reading, node, "\"%s\" cannot be a list of %zu; it must hold 1 to %d", row->name,
                 node->n_items, MAX_LIST);
        return list;
    }
    for (size_t i = 0; i < node->n_items; i++) {
        json_t *item = read_scalar(reader, row, node->items[i]);
        if (item)
            json_array_append_new(list, item);
    }
    return list;
}

static json_t *read_map(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    if (!expect_kind(reader->reading, node, NODE_MAP, row->name))
        return NULL;
    keys_check(reader->reading, node, &(struct keys){.rows = {row->rows}, .later = reader->later});
    struct row_reader whole = *reader;
    whole.is_partial = false;
    return rows_read(&whole, node, row->rows);
}

static json_t *read_texts(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    struct reading *r = reader->reading;
    json_t *texts = json_object();
    if (!texts)
        complain_memory(r);
    if (!texts || !expect_kind(r, node, NODE_MAP, row->name))
        return texts;
    if (node->n_pairs > MAX_LIST) {
        complain(r, node, "\"%s\" names %zu; %d is the most", row->name, node->n_pairs, MAX_LIST);
        return texts;
    }
    for (size_t i = 0; i < node->n_pairs; i++) {
        AUTO_FREE char *text = plain_text(r, node->pairs[i].value, node->pairs[i].key->text);
        if (text && json_object_set_new(texts, node->pairs[i].key->text, json_string(text)) != 0)
            complain_memory(r);
    }
    return texts;
}

static void read_secrets(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    struct reading *r = reader->reading;
    struct secret_list *list = reader->secrets_slot(reader->owner, row->name);
    bool is_list = node->kind == NODE_LIST;
    assert(list);
    if (is_list && (node->n_items == 0 || node->n_items > MAX_SECRETS)) {
        complain(r, node, "\"%s\" cannot be a list of %zu; it must hold 1 to %d", row->name, node->n_items,
                 MAX_SECRETS);
        return;
    }
    for (size_t i = 0; i < (is_list ? node->n_items : 1); i++) {
        struct secret *secret = secret_list_add(list);
        if (!secret)
            complain_memory(r);
        else
            secret_read(r, row->name, is_list ? node->items[i] : node, secret);
    }
}

static json_t *read_value(const struct row_reader *reader, const struct row *row, const struct node *node)
{
    if (row->type == ROW_MAP)
        return row->rows ? read_map(reader, row, node) : NULL;
    if (row->type == ROW_SECRET) {
        struct secret *slot = reader->secret_slot(reader->owner, row->name);
        assert(slot);
        secret_read(reader->reading, row->name, node, slot);
        return NULL;
    }
    if (row->type == ROW_SECRETS) {
        read_secrets(reader, row, node);
        return NULL;
    }
    if (row->type == ROW_MAPS || row->type == ROW_MATCH)
        return NULL;
    if (row->type == ROW_TEXTS)
        return read_texts(reader, row, node);
    return value_is_list(row->type) ? read_list(reader, row, node) : read_scalar(reader, row, node);
}

/* ---- what is not given ------------------------------------------------------------------------------------------- */

static json_t *default_of(struct reading *r, const struct row *row);

static json_t *defaults_of(struct reading *r, const struct row *rows)
{
    json_t *values = NULL;
    for (const struct row *row = rows; row->name; row++) {
        if (row->is_required) {
            json_decref(values);
            return NULL;
        }
        json_t *value = default_of(r, row);
        if (!value)
            continue;
        if (!values)
            values = json_object();
        json_object_set_new(values, row->name, value);
    }
    return values;
}

/* NULL when there is none. A mapping that is not given has the defaults of its rows, unless one of these is required.
 */
static json_t *default_of(struct reading *r, const struct row *row)
{
    if (row->type == ROW_MAP)
        return row->rows ? defaults_of(r, row->rows) : NULL;
    if (!row->default_text)
        return NULL;
    json_t *value = row->type == ROW_PATH ? path_value(r, row->default_text) : value_of_text(row, row->default_text);
    assert(value);
    return value_is_list(row->type) ? json_pack("[o]", value) : value;
}

static void complain_missing(struct reading *r, const struct node *map, const struct row *row)
{
    struct strbuf expected = STRBUF_INIT;
    value_describe(row, &expected);
    complain(r, map, "\"%s\" is missing; it must be %s%s%s", row->name, strbuf_text(&expected), row->help ? ": " : "",
             row->help ? row->help : "");
    strbuf_done(&expected);
}

json_t *rows_read(const struct row_reader *reader, const struct node *map, const struct row *rows)
{
    json_t *values = json_object();
    if (!values) {
        complain_memory(reader->reading);
        return NULL;
    }
    for (const struct row *row = rows; row->name; row++) {
        const struct node *node = child(map, row->name);
        json_t *value = NULL;
        if (node)
            value = read_value(reader, row, node);
        else if (reader->is_partial)
            continue;
        else if (row->is_required)
            complain_missing(reader->reading, map, row);
        else
            value = default_of(reader->reading, row);
        if (value && json_object_set_new(values, row->name, value) != 0)
            complain_memory(reader->reading);
    }
    return values;
}

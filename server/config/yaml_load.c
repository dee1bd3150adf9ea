/* Builds the tree from libyaml's events by recursive descent.
 *
 * The complication is aliases: an aliased part is shared, so that a bomb costs nothing to build, and its expanded
 * size is counted, so that it is refused before anybody walks it. An anchor is known from its node's first event, but
 * open until its last: an alias to an open node would be a cycle. No meaning of keys or values belongs here. */
#include "config/yaml_memory.h"

#include "base/cleanup.h"
#include "config/words.h"
#include "config/yaml_pairs.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#define TAG_PREFIX "tag:yaml.org,2002:"

struct anchor {
    const char *name;
    const struct node *node;
    bool is_open;
};

struct loader {
    yaml_parser_t parser;
    yaml_event_t event; /* the one under consideration; owned */
    const char *bytes;
    size_t len;
    struct yaml_tree *tree;
    struct anchor *anchors;
    size_t n_anchors;
    size_t n_nodes;
    struct yaml_problem *problem;
    enum err err;
};

struct node_array {
    const struct node **items;
    size_t count, room;
};

static void tree_free_cleanup(struct yaml_tree **tree)
{
    yaml_tree_free(*tree);
}

/* Makes room for one more item; false when out of memory. */
static bool array_grow(void **items, size_t count, size_t *room, size_t item_size)
{
    if (count < *room)
        return true;
    size_t wanted = *room ? *room * 2 : 8;
    void *grown = reallocarray(*items, wanted, item_size);
    if (!grown)
        return false;
    *items = grown;
    *room = wanted;
    return true;
}

static void node_array_done(struct node_array *array)
{
    free(array->items);
}

/* ---- problems ---------------------------------------------------------------------------------------------------- */

struct place {
    int line, column;
};

static struct place place_of_mark(const yaml_mark_t *mark)
{
    return (struct place){.line = (int)mark->line + 1, .column = (int)mark->column + 1};
}

static struct place place_of(const struct node *node)
{
    return (struct place){.line = node->line, .column = node->column};
}

/* Where the event under consideration begins. */
static struct place place_here(const struct loader *l)
{
    return place_of_mark(&l->event.start_mark);
}

/* Remembers the problem; returns NULL (and so false), so that `return fail(...)` reads well. */
PRINTF_LIKE(4, 5)
static struct node *fail(struct loader *l, enum err code, struct place at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(l->problem->text.text, sizeof(l->problem->text.text), format, args);
    va_end(args);
    l->problem->line = at.line;
    l->problem->column = at.column;
    l->err = code;
    return NULL;
}

static struct node *fail_memory(struct loader *l)
{
    return fail(l, ERR_NO_MEMORY, (struct place){1, 1}, "out of memory");
}

/* What libyaml's reader refuses has a byte offset only. */
static void fail_reader(struct loader *l)
{
    size_t end = l->parser.problem_offset < l->len ? l->parser.problem_offset : l->len;
    struct place at = {1, 1};
    for (size_t i = 0; i < end; i++) {
        if (l->bytes[i] == '\n') {
            at.line++;
            at.column = 1;
        } else if (((unsigned char)l->bytes[i] & 0xc0) != 0x80) {
            at.column++;
        }
    }
    const char *what = l->parser.problem ? l->parser.problem : "cannot be read";
    fail(l, ERR_INVALID, at, "broken YAML: %s; the file must be UTF-8 text",
         l->parser.problem_value == 0 ? "NUL byte" : what);
}

static void fail_parser(struct loader *l)
{
    const yaml_parser_t *parser = &l->parser;
    const struct place context = place_of_mark(&parser->context_mark);
    if (parser->error == YAML_MEMORY_ERROR) {
        fail_memory(l);
    } else if (parser->error == YAML_READER_ERROR) {
        fail_reader(l);
    } else if (parser->context) {
        fail(l, ERR_INVALID, place_of_mark(&parser->problem_mark),
             "broken YAML: %s, %s that began at line %d, column %d",
             parser->problem ? parser->problem : "cannot be parsed", parser->context, context.line, context.column);
    } else {
        fail(l, ERR_INVALID, place_of_mark(&parser->problem_mark), "broken YAML: %s",
             parser->problem ? parser->problem : "cannot be parsed");
    }
}

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

static bool next_event(struct loader *l)
{
    yaml_event_delete(&l->event);
    if (yaml_parser_parse(&l->parser, &l->event))
        return true;
    fail_parser(l);
    return false;
}

static bool count_nodes(struct loader *l, size_t count)
{
    l->n_nodes += count;
    if (l->n_nodes <= YAML_MAX_NODES)
        return true;
    fail(l, ERR_TOO_BIG, place_here(l), "more than %d values, aliases expanded; make the file smaller", YAML_MAX_NODES);
    return false;
}

static struct node *node_new(struct loader *l, enum node_kind kind)
{
    if (!count_nodes(l, 1))
        return NULL;
    struct node *node = yaml_tree_alloc(l->tree, sizeof(*node));
    if (!node)
        return fail_memory(l);
    node->kind = kind;
    node->line = place_here(l).line;
    node->column = place_here(l).column;
    node->weight = 1;
    node->height = 1;
    return node;
}

/* Registers an anchor as open, in place of an older one of that name. Returns its index, SIZE_MAX after a failure. */
static size_t anchor_open(struct loader *l, const yaml_char_t *name, const struct node *node)
{
    size_t at = 0;
    while (at < l->n_anchors && strcmp(l->anchors[at].name, (const char *)name) != 0)
        at++;
    if (at == YAML_MAX_ANCHORS) {
        fail(l, ERR_TOO_BIG, place_here(l), "more than %d anchors", YAML_MAX_ANCHORS);
        return SIZE_MAX;
    }
    size_t size = strlen((const char *)name) + 1;
    char *copy = yaml_tree_alloc(l->tree, size);
    if (!copy) {
        fail_memory(l);
        return SIZE_MAX;
    }
    memcpy(copy, name, size);
    l->anchors[at] = (struct anchor){.name = copy, .node = node, .is_open = true};
    if (at == l->n_anchors)
        l->n_anchors++;
    return at;
}

/* Anchors inside may have taken the name over: then there is nothing to close. */
static void anchor_close(struct loader *l, size_t at, const struct node *node)
{
    if (at != SIZE_MAX && l->anchors[at].node == node)
        l->anchors[at].is_open = false;
}

static struct node *load_alias(struct loader *l, int depth)
{
    const char *name = (const char *)l->event.data.alias.anchor;
    const struct anchor *anchor = NULL;
    for (size_t i = 0; i < l->n_anchors && !anchor; i++) {
        if (strcmp(l->anchors[i].name, name) == 0)
            anchor = &l->anchors[i];
    }
    if (!anchor)
        return fail(l, ERR_INVALID, place_here(l),
                    "alias %s has no anchor; write & and its name at what it stands for, before it", shown(name).text);
    if (anchor->is_open)
        return fail(l, ERR_INVALID, place_here(l), "alias %s stands inside what it refers to; take it out",
                    shown(name).text);
    if (depth - 1 + anchor->node->height > YAML_MAX_DEPTH)
        return fail(l, ERR_TOO_BIG, place_here(l), "nested more than %d deep by this alias", YAML_MAX_DEPTH);
    if (!count_nodes(l, anchor->node->weight))
        return NULL;
    struct node *copy = yaml_tree_alloc(l->tree, sizeof(*copy));
    if (!copy)
        return fail_memory(l);
    *copy = *anchor->node;
    copy->line = place_here(l).line;
    copy->column = place_here(l).column;
    return copy;
}

static bool is_null_text(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < COUNT_OF(nulls); i++) {
        if (strcmp(text, nulls[i]) == 0)
            return true;
    }
    return false;
}

/* Whether a tag is one of those in `known`, separated by '|' and each written as in !!known. */
static bool tag_is(const yaml_char_t *tag, const char *known)
{
    const size_t prefix = strlen(TAG_PREFIX);
    if (strncmp((const char *)tag, TAG_PREFIX, prefix) != 0)
        return false;
    const char *name = (const char *)tag + prefix;
    size_t len = strlen(name);
    while (len > 0 && known) {
        size_t part = strcspn(known, "|");
        if (part == len && memcmp(name, known, len) == 0)
            return true;
        known = known[part] ? known + part + 1 : NULL;
    }
    return false;
}

static struct node *fail_tag(struct loader *l, const yaml_char_t *tag)
{
    return fail(l, ERR_INVALID, place_here(l), "tag %s is not supported; remove it", shown((const char *)tag).text);
}

static struct node *load_scalar(struct loader *l)
{
    const char *text = (const char *)l->event.data.scalar.value;
    const size_t len = l->event.data.scalar.length;
    const yaml_char_t *tag = l->event.data.scalar.tag;
    const bool is_plain = l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool is_null = !tag && is_plain && is_null_text(text);
    bool is_quoted = !tag && !is_plain;
    if (tag) {
        is_null = tag_is(tag, "null") && is_null_text(text);
        is_quoted = tag_is(tag, "str") || strcmp((const char *)tag, "!") == 0;
        bool is_merge = tag_is(tag, "merge") && strcmp(text, "<<") == 0;
        if (!is_null && !is_quoted && !is_merge && !tag_is(tag, "int|float|bool"))
            return fail_tag(l, tag);
    }
    if (memchr(text, 0, len))
        return fail(l, ERR_INVALID, place_here(l), "the text holds a NUL character; remove it");
    struct node *node = node_new(l, is_null ? NODE_NULL : NODE_TEXT);
    if (!node || is_null)
        return node;
    char *copy = yaml_tree_alloc(l->tree, len + 1);
    if (!copy)
        return fail_memory(l);
    memcpy(copy, text, len);
    node->text = copy;
    node->len = len;
    node->is_quoted = is_quoted;
    return node;
}

static struct node *load_node(struct loader *l, int depth);

static void node_holds(struct node *node, const struct node *child)
{
    node->weight += child->weight;
    if (child->height >= node->height)
        node->height = child->height + 1;
}

static bool load_items(struct loader *l, struct node *list, int depth)
{
    CLEANUP(node_array_done) struct node_array array = {0};
    while (next_event(l)) {
        if (l->event.type == YAML_SEQUENCE_END_EVENT) {
            if (array.count == 0)
                return true;
            const struct node **items = yaml_tree_alloc(l->tree, array.count * sizeof(*items));
            if (!items)
                return fail_memory(l);
            memcpy(items, array.items, array.count * sizeof(*items));
            list->items = items;
            list->n_items = array.count;
            return true;
        }
        const struct node *item = load_node(l, depth + 1);
        if (!item)
            return false;
        void *grown = array.items;
        if (!array_grow(&grown, array.count, &array.room, sizeof(*array.items)))
            return fail_memory(l);
        array.items = grown;
        array.items[array.count++] = item;
        node_holds(list, item);
    }
    return false;
}

/* ---- mappings ---------------------------------------------------------------------------------------------------- */

static bool merge_map(struct loader *l, struct pair_list *list, const struct node *map)
{
    if (map->kind != NODE_MAP)
        return fail(l, ERR_INVALID, place_of(map), "<< cannot merge %s; it takes a mapping, or a list of mappings",
                    node_kind_text(map->kind));
    for (size_t i = 0; i < map->n_pairs; i++) {
        if (pair_list_add(list, map->pairs[i], true) != ERR_OK)
            return fail_memory(l);
    }
    return true;
}

static bool merge_value(struct loader *l, struct pair_list *list, const struct node *value)
{
    if (value->kind != NODE_LIST)
        return merge_map(l, list, value);
    for (size_t i = 0; i < value->n_items; i++) {
        if (!merge_map(l, list, value->items[i]))
            return false;
    }
    return true;
}

static bool is_merge_key(const struct node *key)
{
    return key->kind == NODE_TEXT && !key->is_quoted && strcmp(key->text, "<<") == 0;
}

static bool finish_map(struct loader *l, struct node *map, struct pair_list *list)
{
    if (list->count == 0)
        return true;
    const struct node *first = NULL, *second = NULL;
    enum err err = pair_list_settle(list, &first, &second);
    if (err == ERR_CONFLICT && first && second)
        return fail(l, ERR_INVALID, place_of(second), "duplicate key %s; the first is at line %d, column %d: keep one",
                    shown(second->text).text, first->line, first->column);
    struct node_pair *pairs = err == ERR_OK ? yaml_tree_alloc(l->tree, list->count * sizeof(*pairs)) : NULL;
    if (!pairs)
        return fail_memory(l);
    map->pairs = pairs;
    for (int is_merged = 0; is_merged < 2; is_merged++) {
        for (size_t i = 0; i < list->count; i++) {
            const struct pair_entry *entry = &list->items[i];
            if (entry->is_dropped || entry->is_merged != (is_merged == 1))
                continue;
            pairs[map->n_pairs++] = entry->pair;
            node_holds(map, entry->pair.key);
            node_holds(map, entry->pair.value);
        }
    }
    return true;
}

static bool load_pairs(struct loader *l, struct node *map, int depth)
{
    CLEANUP(pair_list_done) struct pair_list list = {0};
    const struct node *merge_key = NULL;
    while (next_event(l)) {
        if (l->event.type == YAML_MAPPING_END_EVENT)
            return finish_map(l, map, &list);
        struct node_pair pair = {0};
        if (!(pair.key = load_node(l, depth + 1)))
            return false;
        if (pair.key->kind != NODE_TEXT)
            return fail(l, ERR_INVALID, place_of(pair.key), "a key cannot be %s; it must be text",
                        node_kind_text(pair.key->kind));
        if (!next_event(l) || !(pair.value = load_node(l, depth + 1)))
            return false;
        if (!is_merge_key(pair.key)) {
            if (pair_list_add(&list, pair, false) != ERR_OK)
                return fail_memory(l);
            continue;
        }
        if (merge_key)
            return fail(l, ERR_INVALID, place_of(pair.key),
                        "duplicate key \"<<\"; the first is at line %d, column %d: give it a list of mappings",
                        merge_key->line, merge_key->column);
        merge_key = pair.key;
        if (!merge_value(l, &list, pair.value))
            return false;
    }
    return false;
}

static struct node *load_node(struct loader *l, int depth)
{
    if (depth > YAML_MAX_DEPTH)
        return fail(l, ERR_TOO_BIG, place_here(l), "nested more than %d deep", YAML_MAX_DEPTH);
    if (l->event.type == YAML_ALIAS_EVENT)
        return load_alias(l, depth);
    const bool is_scalar = l->event.type == YAML_SCALAR_EVENT;
    const bool is_list = l->event.type == YAML_SEQUENCE_START_EVENT;
    if (!is_scalar && !is_list && l->event.type != YAML_MAPPING_START_EVENT)
        return fail(l, ERR_INTERNAL, place_here(l), "unexpected event %d of libyaml", (int)l->event.type);
    const yaml_char_t *anchor_name = is_scalar ? l->event.data.scalar.anchor
                                     : is_list ? l->event.data.sequence_start.anchor
                                               : l->event.data.mapping_start.anchor;
    const yaml_char_t *tag = is_list     ? l->event.data.sequence_start.tag
                             : is_scalar ? NULL
                                         : l->event.data.mapping_start.tag;
    if (tag && strcmp((const char *)tag, "!") != 0 && !tag_is(tag, is_list ? "seq" : "map"))
        return fail_tag(l, tag);
    struct node *node = is_scalar ? load_scalar(l) : node_new(l, is_list ? NODE_LIST : NODE_MAP);
    if (!node)
        return NULL;
    size_t anchor = SIZE_MAX;
    if (anchor_name && (anchor = anchor_open(l, anchor_name, node)) == SIZE_MAX)
        return NULL;
    if (!is_scalar && !(is_list ? load_items(l, node, depth) : load_pairs(l, node, depth)))
        return NULL;
    anchor_close(l, anchor, node);
    return node;
}

/* ---- the whole file ---------------------------------------------------------------------------------------------- */

static struct node *load_document(struct loader *l)
{
    if (!next_event(l)) /* stream start */
        return NULL;
    if (!next_event(l)) /* document start */
        return NULL;
    if (l->event.type == YAML_STREAM_END_EVENT)
        return fail(l, ERR_INVALID, (struct place){1, 1}, "the file is empty");
    if (!next_event(l))
        return NULL;
    struct node *root = load_node(l, 1);
    if (!root || !next_event(l)) /* document end */
        return NULL;
    if (!next_event(l)) /* stream end or the next document */
        return NULL;
    if (l->event.type != YAML_STREAM_END_EVENT)
        return fail(l, ERR_INVALID, place_here(l), "a second document begins here; the file must be one document");
    return root;
}

enum err yaml_tree_load(const char *bytes, size_t len, struct yaml_tree **ret, struct yaml_problem *problem)
{
    *problem = (struct yaml_problem){.line = 1, .column = 1};
    if (len > YAML_MAX_BYTES)
        return err_set(&problem->text, ERR_TOO_BIG, "the file is larger than %zu bytes", YAML_MAX_BYTES);
    CLEANUP(tree_free_cleanup) struct yaml_tree *tree = calloc(1, sizeof(*tree));
    AUTO_FREE struct anchor *anchors = calloc(YAML_MAX_ANCHORS, sizeof(*anchors));
    struct loader l = {.bytes = bytes, .len = len, .tree = tree, .anchors = anchors, .problem = problem};
    if (!tree || !anchors || !yaml_parser_initialize(&l.parser))
        return err_set(&problem->text, ERR_NO_MEMORY, "out of memory");
    yaml_parser_set_input_string(&l.parser, (const unsigned char *)bytes, len);
    tree->root = load_document(&l);
    yaml_event_delete(&l.event);
    yaml_parser_delete(&l.parser);
    if (!tree->root)
        return l.err;
    *ret = TAKE(tree);
    return ERR_OK;
}

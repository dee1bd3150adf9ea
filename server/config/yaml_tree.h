/* YAML as a tree that remembers where everything was written.
 *
 * libyaml parses; this adds what a configuration needs: line and column of every node, aliases and `<<` merges
 * already followed, duplicate keys refused, and bounds on everything, so that no file can cost much. Aliased parts
 * are shared, not copied. What a value means (number, duration, ...) is decided by who reads it: nothing here
 * guesses types, except that a plain `~`, `null` or nothing is null. */
#ifndef TURNOUT_SERVER_CONFIG_YAML_TREE_H
#define TURNOUT_SERVER_CONFIG_YAML_TREE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define YAML_MAX_BYTES ((size_t)1024 * 1024)
#define YAML_MAX_DEPTH 64
#define YAML_MAX_NODES 100000 /* aliases count as what they stand for */
#define YAML_MAX_ANCHORS 1000

enum node_kind { NODE_NULL, NODE_TEXT, NODE_LIST, NODE_MAP };

struct node;

struct node_pair {
    const struct node *key; /* NODE_TEXT */
    const struct node *value;
};

struct node {
    enum node_kind kind;
    bool is_quoted;   /* of text: in quotes, a block, or tagged !!str, so meant as text and nothing else */
    int line, column; /* from 1, in characters; of an alias, its own place; below it, the place of what it stands for */
    const char *text; /* of text: NUL-terminated UTF-8 without a NUL inside; NULL otherwise */
    size_t len;
    const struct node *const *items; /* of a list */
    size_t n_items;
    const struct node_pair *pairs; /* of a mapping, in the order written; merged ones after the mapping's own */
    size_t n_pairs;
    size_t weight; /* nodes in it, with aliases expanded */
    int height;    /* levels in it */
};

struct yaml_tree; /* owns the nodes; freeing it wipes them, since they may hold secrets */

struct yaml_problem {
    int line, column;
    struct errmsg text;
};

/* ERR_INVALID with the first problem and its place, ERR_TOO_BIG beyond a bound (a problem likewise), ERR_NO_MEMORY.
 * `bytes` need not be NUL-terminated, and is not needed afterwards. */
MUST_CHECK enum err yaml_tree_load(const char *bytes, size_t len, struct yaml_tree **ret, struct yaml_problem *problem);
void yaml_tree_free(struct yaml_tree *tree); /* accepts NULL */
const struct node *yaml_tree_root(const struct yaml_tree *tree);

/* The pair of that key, NULL when there is none; also for what is not a mapping. */
const struct node_pair *node_pair_find(const struct node *map, const char *key);
/* "a mapping", "a list", "text", "nothing". */
const char *node_kind_text(enum node_kind kind);

#endif

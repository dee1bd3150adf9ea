/* The pairs of one mapping while it is read: which stay when keys are given twice or come by `<<`. */
#ifndef TURNOUT_SERVER_CONFIG_YAML_PAIRS_H
#define TURNOUT_SERVER_CONFIG_YAML_PAIRS_H

#include "config/yaml_tree.h"

struct pair_entry {
    struct node_pair pair;
    size_t order;
    bool is_merged;  /* came by `<<` */
    bool is_dropped; /* another one has this key and precedence */
};

struct pair_list {
    struct pair_entry *items;
    size_t count, room;
};

MUST_CHECK enum err pair_list_add(struct pair_list *list, struct node_pair pair, bool is_merged);
/* Drops merged pairs whose key stands already: the mapping's own go first, then the earlier one. ERR_CONFLICT when two
 * own pairs have one key: then *ret_first and *ret_second are these keys. ERR_NO_MEMORY. */
MUST_CHECK enum err pair_list_settle(struct pair_list *list, const struct node **ret_first,
                                     const struct node **ret_second);
void pair_list_done(struct pair_list *list);

#endif

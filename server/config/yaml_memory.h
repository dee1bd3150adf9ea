/* The memory of a tree: given while it is loaded, freed as a whole. Internal to config/yaml_load.c and
 * config/yaml_tree.c. */
#ifndef TURNOUT_SERVER_CONFIG_YAML_MEMORY_H
#define TURNOUT_SERVER_CONFIG_YAML_MEMORY_H

#include "config/yaml_tree.h"

struct yaml_chunk;

struct yaml_tree {
    struct yaml_chunk *chunks;
    const struct node *root;
};

/* Zeroed; belongs to the tree. NULL: out of memory. */
void *yaml_tree_alloc(struct yaml_tree *tree, size_t size);

#endif

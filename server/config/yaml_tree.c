/* A tree once it is loaded: its memory, and finding things in it. */
#include "config/yaml_memory.h"

#include "base/secret.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES ((size_t)16 * 1024)

struct yaml_chunk {
    struct yaml_chunk *next;
    size_t used, room;
    alignas(max_align_t) char bytes[];
};

void *yaml_tree_alloc(struct yaml_tree *tree, size_t size)
{
    const size_t align = alignof(max_align_t);
    size = (size + align - 1) / align * align;
    struct yaml_chunk *chunk = tree->chunks;
    if (!chunk || chunk->room - chunk->used < size) {
        size_t room = size > CHUNK_BYTES ? size : CHUNK_BYTES;
        chunk = malloc(sizeof(*chunk) + room);
        if (!chunk)
            return NULL;
        *chunk = (struct yaml_chunk){.next = tree->chunks, .room = room};
        tree->chunks = chunk;
    }
    void *bytes = chunk->bytes + chunk->used;
    chunk->used += size;
    return memset(bytes, 0, size);
}

void yaml_tree_free(struct yaml_tree *tree)
{
    if (!tree)
        return;
    for (struct yaml_chunk *chunk = tree->chunks, *next; chunk; chunk = next) {
        next = chunk->next;
        secret_wipe(chunk->bytes, chunk->used);
        free(chunk);
    }
    free(tree);
}

const struct node *yaml_tree_root(const struct yaml_tree *tree)
{
    return tree->root;
}

const struct node_pair *node_pair_find(const struct node *map, const char *key)
{
    for (size_t i = 0; i < map->n_pairs; i++) {
        if (strcmp(map->pairs[i].key->text, key) == 0)
            return &map->pairs[i];
    }
    return NULL;
}

const char *node_kind_text(enum node_kind kind)
{
    switch (kind) {
    case NODE_NULL:
        return "nothing";
    case NODE_TEXT:
        return "text";
    case NODE_LIST:
        return "a list";
    case NODE_MAP:
        return "a mapping";
    }
    return "nothing";
}

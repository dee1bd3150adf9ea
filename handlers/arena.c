/* See arena.h. */
#include "handlers/arena.h"

#include <stdint.h>
#include <stdlib.h>

struct arena_chunk {
    struct arena_chunk *next;
    _Alignas(max_align_t) char bytes[];
};

void arena_init(struct arena *arena)
{
    arena->chunks = NULL;
    arena->at = arena->first;
    arena->end = arena->first + sizeof arena->first;
}

void arena_done(struct arena *arena)
{
    while (arena->chunks) {
        struct arena_chunk *chunk = arena->chunks;
        arena->chunks = chunk->next;
        free(chunk);
    }
    arena_init(arena);
}

void *arena_get(struct arena *arena, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);
    if (size > (size_t)(arena->end - arena->at)) {
        size_t room = size > ARENA_CHUNK ? size : ARENA_CHUNK;
        struct arena_chunk *chunk = malloc(sizeof *chunk + room);
        if (!chunk)
            return NULL;
        chunk->next = arena->chunks;
        arena->chunks = chunk;
        arena->at = chunk->bytes;
        arena->end = chunk->bytes + room;
    }
    void *ret = arena->at;
    arena->at += size;
    return ret;
}

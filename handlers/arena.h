/* Memory that is freed all at once: what a parser makes of one text.
 *
 * The first kilobytes are part of the struct, so that an ordinary text costs no allocation; beyond them it grows by
 * chunks of at least ARENA_CHUNK. Nothing is ever given back by itself. */
#ifndef TURNOUT_HANDLERS_ARENA_H
#define TURNOUT_HANDLERS_ARENA_H

#include <stddef.h>

#define ARENA_FIRST 8192
#define ARENA_CHUNK 65536

struct arena_chunk;
struct arena {
    struct arena_chunk *chunks;
    char *at, *end;
    _Alignas(max_align_t) char first[ARENA_FIRST];
};

void arena_init(struct arena *arena);
void arena_done(struct arena *arena);
void *arena_get(struct arena *arena, size_t size); /* aligned for any type, not zeroed; NULL: out of memory */

#endif

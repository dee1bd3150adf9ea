#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define TRIES 1000
#define PAUSE_MS 10

void *memory_wait(size_t size)
{
    void *bytes = malloc(size);
    for (int i = 0; !bytes && i < TRIES; i++) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
        bytes = malloc(size);
    }
    if (!bytes) {
        fputs("turnout: out of memory for 10 s\n", stderr);
        abort();
    }
    return bytes;
}

#include "base/random.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define COUNTER_BITS 12
#define MAX_MS ((UINT64_C(1) << 48) - 1)

static void random_bytes(void *ret, size_t size)
{
    ssize_t len;
    do {
        len = getrandom(ret, size, 0);
    } while (len < 0 && errno == EINTR);
    if (len != (ssize_t)size) {
        perror("turnout: getrandom");
        abort();
    }
}

uint64_t random_u64(void)
{
    uint64_t value;
    random_bytes(&value, sizeof value);
    return value;
}

/* Time and counter of the next id as one number. A counter that runs over carries into the milliseconds: ids may run
 * a little ahead of the clock, but never back. */
static _Atomic uint64_t last_stamp;

static uint64_t stamp_next(uint64_t ms, unsigned seed)
{
    uint64_t before = atomic_load(&last_stamp), stamp;
    do {
        /* Half of the counter's range is left for the ids of the same millisecond. */
        stamp = ms << COUNTER_BITS | (seed & ((1U << (COUNTER_BITS - 1)) - 1));
        if (stamp <= before)
            stamp = before + 1;
    } while (!atomic_compare_exchange_weak(&last_stamp, &before, stamp));
    return stamp;
}

struct id id_new(int64_t wall_ms)
{
    struct id id;
    random_bytes(id.bytes + 6, sizeof id.bytes - 6);
    uint64_t ms = wall_ms < 0 ? 0 : (uint64_t)wall_ms;
    if (ms > MAX_MS)
        ms = MAX_MS;
    unsigned seed = (unsigned)id.bytes[6] << 8 | id.bytes[7];
    uint64_t stamp = stamp_next(ms, seed);
    uint64_t stamp_ms = stamp >> COUNTER_BITS;
    for (int i = 0; i < 6; i++)
        id.bytes[i] = (uint8_t)(stamp_ms >> (40 - 8 * i));
    id.bytes[6] = (uint8_t)(0x70 | (stamp >> 8 & 0x0f));
    id.bytes[7] = (uint8_t)stamp;
    id.bytes[8] = (uint8_t)(0x80 | (id.bytes[8] & 0x3f)); /* the variant of RFC 9562 */
    return id;
}

void id_follow(const struct id *id)
{
    uint64_t stamp = 0;
    for (int i = 0; i < 6; i++)
        stamp = stamp << 8 | id->bytes[i];
    stamp = stamp << COUNTER_BITS | (uint64_t)(id->bytes[6] & 0x0f) << 8 | id->bytes[7];
    uint64_t before = atomic_load(&last_stamp);
    while (before < stamp && !atomic_compare_exchange_weak(&last_stamp, &before, stamp))
        ;
}

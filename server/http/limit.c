/* See limit.h. */
#include "http/limit.h"

#include "base/random.h"

#include <stdlib.h>
#include <string.h>

#define BURST_US 2000000 /* what twice the rate takes to come back */

struct peer peer_of(const struct address *address)
{
    struct peer peer = {{0}};
    bool is_4 = address_is_ipv4(address);
    peer.bytes[0] = is_4 ? 4 : 6;
    memcpy(peer.bytes + 1, address->bytes + (is_4 ? 12 : 0), is_4 ? 4 : 8);
    return peer;
}

static bool has_room(const struct limit *limit, int rate, int64_t now_us)
{
    return limit->full_at_us + 1000000 / rate <= now_us + BURST_US;
}

static void count(struct limit *limit, int rate, int64_t now_us)
{
    limit->full_at_us = (limit->full_at_us > now_us ? limit->full_at_us : now_us) + 1000000 / rate;
}

bool limit_take(struct limit *limit, int rate, int64_t now_ms)
{
    bool is_let = has_room(limit, rate, now_ms * 1000);
    if (is_let)
        count(limit, rate, now_ms * 1000);
    return is_let;
}

struct limit_table *limit_table_new(void)
{
    struct limit_table *table = calloc(1, sizeof *table);
    if (table) {
        table->keys[0] = random_u64();
        table->keys[1] = random_u64();
    }
    return table;
}

/* Every bit of the result depends on every bit of `x` (the finish of splitmix64). */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

bool limit_table_take(struct limit_table *table, const struct peer *peer, int rate, int64_t now_ms)
{
    uint64_t number;
    memcpy(&number, peer->bytes + 1, sizeof number);
    uint64_t hash = mix(mix(number ^ table->keys[0]) ^ table->keys[1] ^ peer->bytes[0]);
    struct limit *limits[LIMIT_ROWS];
    bool is_let = false;
    for (int i = 0; i < LIMIT_ROWS; i++) {
        limits[i] = &table->rows[i][(hash >> (16 * i)) % LIMIT_ROOM];
        is_let = is_let || has_room(limits[i], rate, now_ms * 1000);
    }
    /* Those that others have emptied are left as they are: they fill up no later for it. */
    for (int i = 0; is_let && i < LIMIT_ROWS; i++) {
        if (has_room(limits[i], rate, now_ms * 1000))
            count(limits[i], rate, now_ms * 1000);
    }
    return is_let;
}

/* Token buckets: how often something may happen, on average, with a burst of twice as many.
 *
 * A bucket is one number, the time at which it would be full again. A table has one for every address there is, and
 * forgets none: each address shares the buckets of its hashes with others, one in each row, and is refused only when
 * all of them are empty. So nobody is forgotten because others came, and whoever wants to lock out somebody else must
 * empty all of that one's buckets, which takes as many floods at once as there are buckets in a row. Entries with
 * addresses in them, which would have to be thrown out when there are too many, must not come back. Not thread-safe. */
#ifndef TURNOUT_HTTP_LIMIT_H
#define TURNOUT_HTTP_LIMIT_H

#include "base/address.h"

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_ROWS 4
#define LIMIT_ROOM 8192 /* buckets of a row: a power of two, up to 2^16 */

struct limit {
    int64_t full_at_us; /* steady */
};

/* Whom connections and requests are counted for: an IPv4 address, or the first 64 bits of an IPv6 address, since a host
 * has all of those that follow. The first byte is the family; 0: nobody. */
struct peer {
    uint8_t bytes[9];
};

struct limit_table {
    uint64_t keys[2]; /* random: nobody can choose addresses that meet somebody else's */
    struct limit rows[LIMIT_ROWS][LIMIT_ROOM];
};

struct peer peer_of(const struct address *address);

/* Whether it may happen now, and counts it if so. `rate` per second, 1 to 1000000. */
bool limit_take(struct limit *limit, int rate, int64_t now_ms);
struct limit_table *limit_table_new(void); /* NULL: out of memory. Freed by free() */
bool limit_table_take(struct limit_table *table, const struct peer *peer, int rate, int64_t now_ms);

#endif

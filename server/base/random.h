/* What is not a function of its arguments: random bits and new ids. The core must not include this. */
#ifndef TURNOUT_BASE_RANDOM_H
#define TURNOUT_BASE_RANDOM_H

#include "base/id.h"

#include <stdint.h>

uint64_t random_u64(void); /* getrandom(2); thread-safe */

/* A version 7 id for `wall_ms`, its random part from getrandom(2): libuuid's generator takes nine system calls, which
 * is a tenth of taking a delivery. Ids of one process are strictly increasing, also within a millisecond and when the
 * wall clock steps back (a counter in rand_a, RFC 9562 section 6.2 method 1). Thread-safe. */
struct id id_new(int64_t wall_ms);
/* Ids made from here on are greater than this one of an earlier process, whatever the wall clock says by now. */
void id_follow(const struct id *id);

#endif

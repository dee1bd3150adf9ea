/* How far a replica is behind its primary, when the primary may be dead.
 *
 * A replica cannot tell: what it has received and what it has replayed are the same as soon as the primary is gone, and
 * say nothing of what was never sent. So each look at a living primary is remembered, with its time, and the replica is
 * held against the last. Nothing of it is stored: after a start of the daemon nothing is known until a look. Beside the
 * sightings everything here is pure. */
#ifndef TURNOUT_ACTIONS_POSTGRES_LAG_H
#define TURNOUT_ACTIONS_POSTGRES_LAG_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "16/B374D848", as PostgreSQL writes a position of its log. ERR_INVALID for anything else. */
MUST_CHECK enum err lsn_parse(const char *text, uint64_t *ret);

/* "0 bytes", "512 KiB", "1.5 GiB". Returns `text`. */
#define SIZE_TEXT_SIZE 32
const char *size_format(uint64_t bytes, char text[SIZE_TEXT_SIZE]);

/* "3 s", "12 min", "5 h", "4 days". Returns `text`. */
const char *age_format(int64_t ms, char text[SIZE_TEXT_SIZE]);

/* ---- sightings --------------------------------------------------------------------------------------------------- */

/* A primary that was seen alive. */
struct sighting {
    uint64_t lsn; /* where its log ended */
    int64_t at;   /* steady: a wall clock that is put right must not make an old one the newest */
};

#define MAX_SIGHTINGS 64 /* pairs; the one that was longest not seen makes room */

struct sightings;

struct sightings *sightings_new(void); /* NULL: out of memory */
void sightings_free(struct sightings *sightings);
/* `pair` names the primary and its replica, and the cluster that they are of. The newer one is kept, which may be a
 * smaller position: a promotion before all was received makes it so. Any thread. */
void sighting_keep(struct sightings *sightings, const char *pair, struct sighting seen);
bool sighting_find(struct sightings *sightings, const char *pair, struct sighting *ret);

/* ---- the judgement ----------------------------------------------------------------------------------------------- */

struct replica {
    uint64_t received; /* on its disk; 0: not known */
    uint64_t replayed;
    bool is_paused;     /* its replay, by somebody */
    bool is_streaming;  /* it still has a primary that sends */
    int64_t replay_age; /* ms since the last transaction replayed was committed; -1: not known */
};

enum lag_verdict {
    LAG_WITHIN,
    LAG_CLOSING, /* what it needs is on its disk and replayed, or still sent: it will be within */
    LAG_BEYOND,
    LAG_UNKNOWN, /* no primary was seen */
};

struct lag {
    enum lag_verdict verdict;
    uint64_t bytes;   /* replayed, against the primary */
    uint64_t missing; /* of these: never received, and lost by a promotion */
    int64_t ms;       /* -1: not known */
};

/* `seen`: NULL when no primary was. max_ms: 0, no such bound. */
struct lag lag_judge(const struct replica *replica, const struct sighting *seen, uint64_t max_bytes, int64_t max_ms);

#endif

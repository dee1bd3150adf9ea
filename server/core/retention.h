/* Retention: when the wall clock is believed about the age of rows, and how fast those that are too old may go. Pure.
 */
#ifndef TURNOUT_CORE_RETENTION_H
#define TURNOUT_CORE_RETENTION_H

#include <stdbool.h>
#include <stdint.h>

struct keep {
    int64_t alerts_ms;     /* since an alert that does not fire was last spoken of */
    int64_t deliveries_ms; /* since a delivery was received */
};

/* ---- the clock --------------------------------------------------------------------------------------------------- */

/* Ages are told by the wall clock, and one that has jumped a year ahead would make everything old at once. So it is
 * doubted for a day when it has moved against the steady clock, and when a start finds that the newest entry of the
 * log is older than a day: the daemon was away, or the clock is wrong, and nobody here can say which. People have that
 * day to put it right. */
#define CLOCK_DOUBT_MS ((int64_t)24 * 3600 * 1000)
#define CLOCK_MOVE_MS ((int64_t)3600 * 1000) /* more than summer time done wrong, or NTP's corrections */

struct clock_watch {
    int64_t ahead;         /* of the wall clock before the steady one */
    int64_t doubted_until; /* steady */
};

/* `newest_at`, `doubted_at`: wall times of the log's newest entry and of the last doubt on record, INT64_MIN: none.
 * That doubt goes on over restarts. True: this start is a reason to doubt, to be put on record. */
bool clock_watch_start(struct clock_watch *watch, int64_t wall, int64_t now, int64_t newest_at, int64_t doubted_at);
/* True: the clock has just moved, to be put on record; *ret_moved: by so much. */
bool clock_watch_look(struct clock_watch *watch, int64_t wall, int64_t now, int64_t *ret_moved);
bool clock_watch_believes(const struct clock_watch *watch, int64_t now);

/* ---- the pace ---------------------------------------------------------------------------------------------------- */

/* What a slice may do, in looks at a row; it adapts to the machine so that it takes at most 5 ms or so. Waiting for the
 * disk is not counted: every commit does, and a smaller one waits as long. */
#define PRUNE_BUDGET_MIN 32
#define PRUNE_BUDGET_MAX 8192
#define PRUNE_ALERT_COST 16 /* of removing one, beside the look */
#define PRUNE_DELIVERY_COST 32
#define PRUNE_DELIVERY_COST_PER 1024 /* one more for so many bytes of its body */

int prune_budget_next(int budget, int64_t work_ms);
/* How long to leave alone who waits for commits: slices, with their commits, take a twentieth of the time at most. */
int64_t prune_pause_ms(int64_t took_ms);

/* When the next round is due, steady: when the oldest row that stayed becomes too old at wall time `due` (INT64_MAX:
 * none), but not within an hour, since each round looks at every alert, and in a day at the latest. */
int64_t prune_next_round(int64_t wall, int64_t now, int64_t due);

#endif

/* See retention.h. */
#include "core/retention.h"

#define SLICE_MS 5
#define SHORT_SLICE_MS 2
#define SHARE 20
#define MIN_PAUSE_MS 20
#define MAX_PAUSE_MS 10000 /* the machine may have slept in the middle of a slice */
#define MIN_ROUND_MS ((int64_t)3600 * 1000)
#define MAX_ROUND_MS ((int64_t)24 * 3600 * 1000)

bool clock_watch_start(struct clock_watch *watch, int64_t wall, int64_t now, int64_t newest_at, int64_t doubted_at)
{
    *watch = (struct clock_watch){.ahead = wall - now, .doubted_until = now};
    if (newest_at != INT64_MIN && newest_at < wall - CLOCK_DOUBT_MS) {
        watch->doubted_until = now + CLOCK_DOUBT_MS;
        return true;
    }
    if (doubted_at <= wall && doubted_at > wall - CLOCK_DOUBT_MS)
        watch->doubted_until = now + CLOCK_DOUBT_MS - (wall - doubted_at);
    return false;
}

bool clock_watch_look(struct clock_watch *watch, int64_t wall, int64_t now, int64_t *ret_moved)
{
    int64_t moved = wall - now - watch->ahead;
    if (moved <= CLOCK_MOVE_MS && moved >= -CLOCK_MOVE_MS)
        return false;
    *watch = (struct clock_watch){.ahead = wall - now, .doubted_until = now + CLOCK_DOUBT_MS};
    *ret_moved = moved;
    return true;
}

bool clock_watch_believes(const struct clock_watch *watch, int64_t now)
{
    return now >= watch->doubted_until;
}

int prune_budget_next(int budget, int64_t work_ms)
{
    if (work_ms > SLICE_MS)
        return budget / 2 > PRUNE_BUDGET_MIN ? budget / 2 : PRUNE_BUDGET_MIN;
    if (work_ms <= SHORT_SLICE_MS)
        return budget * 2 < PRUNE_BUDGET_MAX ? budget * 2 : PRUNE_BUDGET_MAX;
    return budget;
}

int64_t prune_pause_ms(int64_t took_ms)
{
    if (took_ms > MAX_PAUSE_MS / (SHARE - 1))
        return MAX_PAUSE_MS;
    int64_t pause = took_ms * (SHARE - 1);
    return pause > MIN_PAUSE_MS ? pause : MIN_PAUSE_MS;
}

int64_t prune_next_round(int64_t wall, int64_t now, int64_t due)
{
    if (due <= wall + MIN_ROUND_MS)
        return now + MIN_ROUND_MS;
    return due >= wall + MAX_ROUND_MS ? now + MAX_ROUND_MS : now + (due - wall);
}

/* Duplicates are found by state: what a delivery says is held against the alert's row, and it is news exactly when the
 * row changes. A sender's times are compared with the same sender's times only, for its clock is not ours. Do not
 * judge by a key of the request: one with the start splits HA twins, one without swallows the next outage. */
#include "core/alert.h"

static int64_t earliest(int64_t a, int64_t b)
{
    if (a == TIME_UNKNOWN || b == TIME_UNKNOWN)
        return a == TIME_UNKNOWN ? b : a;
    return a < b ? a : b;
}

static int64_t latest(int64_t a, int64_t b)
{
    return a > b ? a : b; /* unknown is the least of all numbers */
}

/* a < b, as far as that can be said. */
static bool is_before(int64_t a, int64_t b)
{
    return a != TIME_UNKNOWN && b != TIME_UNKNOWN && a < b;
}

/* Both end an episode: what was wrong is not so any more, or what is watched is said to work. */
static bool is_over(enum alert_state state)
{
    return state == ALERT_RESOLVED || state == ALERT_UP;
}

/* Our own clock may have stepped back since the resolve: a little is no reason to believe a late copy, and a lot none
 * to disbelieve everything for so long. */
static bool is_within_window(int64_t changed_at, int64_t now)
{
    return now <= changed_at + ALERT_LATE_WINDOW_MS && now >= changed_at - ALERT_LATE_WINDOW_MS;
}

/* By the sender's own clock. Two assertions of one moment (senders count in seconds) are taken in the order of arrival,
 * but each once: the start and the end of the row tell which of them has been seen. Of "unknown" nothing tells; who
 * says in one moment that he knows and that he does not, knows. Of the two that end an episode "up" says more. */
static enum alert_verdict judge_by_assertion(const struct alert_row *row, const struct alert *said)
{
    if (said->asserted_at < row->asserted_at)
        return ALERT_VERDICT_LATE;
    if (row->state == said->state)
        return ALERT_VERDICT_DUPLICATE;
    if (said->asserted_at > row->asserted_at || row->state == ALERT_UNKNOWN)
        return ALERT_VERDICT_NEW;
    if (is_over(row->state) && is_over(said->state))
        return said->state == ALERT_UP ? ALERT_VERDICT_NEW : ALERT_VERDICT_LATE;
    bool is_seen = said->state == ALERT_UNKNOWN || (said->state == ALERT_FIRING && row->starts_at == said->starts_at) ||
                   (is_over(said->state) && row->ends_at == said->ends_at);
    return is_seen ? ALERT_VERDICT_LATE : ALERT_VERDICT_NEW;
}

static enum alert_verdict judge(const struct alert_row *row, const struct alert *said, int64_t now)
{
    if (!row->exists)
        return ALERT_VERDICT_NEW;
    if (said->asserted_at != TIME_UNKNOWN && row->asserted_at != TIME_UNKNOWN)
        return judge_by_assertion(row, said);
    if (row->state == said->state)
        return ALERT_VERDICT_DUPLICATE;
    if (said->state == ALERT_UNKNOWN || row->state == ALERT_UNKNOWN)
        return ALERT_VERDICT_NEW;
    if (is_over(said->state))
        return is_before(said->ends_at, row->starts_at) ? ALERT_VERDICT_LATE : ALERT_VERDICT_NEW;
    if (said->starts_at == TIME_UNKNOWN || row->ends_at == TIME_UNKNOWN || said->starts_at > row->ends_at)
        return ALERT_VERDICT_NEW;
    return is_within_window(row->changed_at, now) ? ALERT_VERDICT_LATE : ALERT_VERDICT_NEW;
}

/* Where the sender tells the order, its last firing alert tells the start, also when the resolve before it was lost. */
static int64_t start_of(const struct alert_row *row, const struct alert *said)
{
    if (row->asserted_at == TIME_UNKNOWN || said->asserted_at == TIME_UNKNOWN || row->starts_at == TIME_UNKNOWN)
        return earliest(row->starts_at, said->starts_at);
    bool is_later = said->asserted_at > row->asserted_at && said->starts_at != TIME_UNKNOWN;
    return said->state == ALERT_FIRING && is_later ? said->starts_at : row->starts_at;
}

static void take_news(struct alert_row *row, const struct alert *said, int64_t now)
{
    bool is_same_episode = row->exists && said->state != ALERT_FIRING;
    row->starts_at = is_same_episode ? start_of(row, said) : said->starts_at;
    if (is_over(said->state))
        row->ends_at = said->ends_at;
    else if (!row->exists)
        row->ends_at = TIME_UNKNOWN;
    if (!row->exists) {
        row->key = said->key;
        row->first_seen_at = now;
        row->asserted_at = TIME_UNKNOWN;
        row->count = 0;
        row->exists = true;
    }
    row->state = said->state;
    row->changed_at = now;
}

/* A time far ahead of ours would make everything that follows look old, and so would the start or the end that the same
 * clock gave. One before 1970 is none. */
static struct alert believed(const struct alert *given, int64_t now)
{
    struct alert alert = *given;
    if (alert.asserted_at <= 0)
        alert.asserted_at = TIME_UNKNOWN;
    if (alert.asserted_at > now + ALERT_CLOCK_AHEAD_MS)
        alert.asserted_at = alert.starts_at = alert.ends_at = TIME_UNKNOWN;
    return alert;
}

enum alert_verdict alert_take(const struct alert_row *row, const struct alert *given, int64_t now,
                              struct alert_row *ret)
{
    const struct alert alert = believed(given, now);
    const struct alert *said = &alert;
    enum alert_verdict verdict = judge(row, said, now);
    struct alert_row after = *row;
    switch (verdict) {
    case ALERT_VERDICT_NEW:
        take_news(&after, said, now);
        break;
    case ALERT_VERDICT_DUPLICATE:
        after.starts_at = start_of(&after, said);
        if (is_over(said->state))
            after.ends_at = latest(after.ends_at, said->ends_at);
        break;
    case ALERT_VERDICT_LATE:
        break;
    }
    after.asserted_at = latest(after.asserted_at, said->asserted_at);
    after.last_seen_at = now;
    after.count++;
    *ret = after;
    return verdict;
}

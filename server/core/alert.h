/* One alert as a handler read it, and what a stored alert becomes by it. Pure. */
#ifndef TURNOUT_CORE_ALERT_H
#define TURNOUT_CORE_ALERT_H

#include "base/id.h"
#include "core/model.h"

#define ALERT_KEY_SIZE 16
#define TIME_UNKNOWN INT64_MIN

/* Identity of an alert within its source, hashed with the source's name: first 16 bytes of a SHA-256. */
struct alert_key {
    uint8_t bytes[ALERT_KEY_SIZE];
};

/* Which service and site an alert speaks of: indices of the model. */
struct alert_target {
    int service;
    int site; /* or SITE_OF_ALERT_TIME until the orchestrator has resolved it; SITE_NONE: cannot be said */
};

/* What one delivery says of one alert. Times are the sender's wall clock, TIME_UNKNOWN when it gave none. */
struct alert {
    struct alert_key key;
    enum alert_state state;
    int64_t starts_at;
    int64_t ends_at;
    int64_t asserted_at;
    struct alert_target *targets; /* owned; by match_alert(): ascending by service, one of each at most */
    int n_targets;
    bool is_beat; /* by match_heartbeat() */
};

/* The stored row of an alert. */
struct alert_row {
    struct alert_key key;
    int source;
    bool exists;
    enum alert_state state;
    int64_t starts_at; /* the earliest that was said of this episode, or the last, where asserted_at tells the order */
    int64_t ends_at;   /* of the last resolve or "up"; TIME_UNKNOWN while firing for the first time */
    int64_t asserted_at; /* the newest time at which the sender found it so; TIME_UNKNOWN: it never said */
    int64_t first_seen_at, last_seen_at, changed_at; /* our wall clock */
    int64_t count;                                   /* deliveries that spoke of it */
    struct id delivery; /* the one that last changed it; nil: none, it is a statement of the daemon's own */
    int n_matches;      /* match rows it has: firing or up, and about a service */
};

enum alert_verdict {
    ALERT_VERDICT_NEW,       /* changes the state: firing for the first time or again, resolved, up, or unknown */
    ALERT_VERDICT_DUPLICATE, /* says what is known already */
    ALERT_VERDICT_LATE,      /* speaks of an episode that is over, or is older than what is known; changes nothing */
};

/* A firing alert that begins before the end of the last known episode is a late copy (a slow HA twin, a retry) for
 * so long after that resolve arrived, and from then on believed: a sender that still says it means it. */
#define ALERT_LATE_WINDOW_MS ((int64_t)5 * 60 * 1000)

/* A sender whose time of assertion is so far ahead of ours is not believed in any of its times: one such alert makes
 * everything that follows look old, for as long as it is ahead. That is how long a clock that is put right, or somebody
 * with a token that got about, can make us deaf to the next outage: what clocks in use differ by, and no more. */
#define ALERT_CLOCK_AHEAD_MS ((int64_t)5 * 60 * 1000)

/* What `said`, received at wall time `now`, does to `row`; writes the row as it is afterwards into *ret (also for
 * duplicates: the earliest start, last seen, count). `ret->delivery` is kept; who stores sets it for NEW. */
enum alert_verdict alert_take(const struct alert_row *row, const struct alert *said, int64_t now,
                              struct alert_row *ret);

/* A label as a handler gives it; pointers borrow from the handler. Several may have one name, as a check's tags do. */
struct label {
    const char *name;
    size_t name_len;
    const char *value;
    size_t value_len;
};

/* The (service, site) pairs that the rules of all services give an alert of `source` with these labels: at most one
 * per service, the first rule that matches. Allocates *ret (NULL when 0). Returns -1 when out of memory. */
int match_alert(const struct model *model, int source, const struct label *labels, size_t n_labels,
                struct alert_target **ret);
/* Whether it is the source's heartbeat, which fires for as long as all is well with the source itself. */
bool match_heartbeat(const struct model *model, int source, const struct label *labels, size_t n_labels);

#endif

/* The decision: a pure function of what is known of one service, what just happened, and the time.
 *
 *     decide(service, view, event, now) -> things to do, each with its reason
 *     view_apply(view, thing)           -> the view afterwards
 *
 * Nothing here reads a clock, does I/O, logs or knows SQL. Memory changes only through view_apply(), and the
 * orchestrator journals exactly the things it applies; so the same events give the same state, in a test, a random
 * walk and after a restart. Do not add state to the view that no stored row can rebuild.
 *
 * The drawing of one service, with V(s) = number of sources with a down vote on site s, and A the active site:
 *
 *     V(A) >= votes ──▶ hold timer ──due──▶ incident stands ──guards pass──▶ run starts (active = moving)
 *           │ V(A) < votes: timer cleared,        │ a guard refuses: the reason goes on record (once per reason),
 *           ▼ incident no longer stands           ▼ and every later event tries again (level-triggered)
 *
 *     A vote on a site that is not the active one is counted and starts nothing. A site that becomes active starts
 *     afresh: its incident, if it has one, stands again only when its votes have held from then on.
 *
 *     run succeeded: active = its target · cancelled before its first effect: active = where it came from ·
 *     cancelled after: split. Each starts cool_down. A run that began without a known active site and is cancelled
 *     before its first effect leaves it unknown (run_from may have been a guess for the steps' sake).
 */
#ifndef TURNOUT_CORE_DECIDE_H
#define TURNOUT_CORE_DECIDE_H

#include "base/id.h"
#include "core/model.h"

/* ---- what is known of one service -------------------------------------------------------------------------------- */

struct site_view {
    int firing[MAX_SOURCES]; /* firing alerts per source; > 0 is that source's down vote */
    int64_t hold_due_at;     /* 0: no hold timer */
    bool has_incident;       /* opened and not resolved */
    bool is_standing;        /* of the incident: the quorum has held for `hold` and still stands, and the site has not
                                become active, nor another one, since */
    int last_reason;         /* enum reason last recorded for not acting; REASON_NONE */
};

struct service_view {
    enum active_kind active;
    int active_site; /* the site; while moving, the one the run leaves (SITE_NONE: not known); else SITE_NONE */
    struct site_view sites[MAX_SITES];
    int64_t cool_down_until; /* 0: none */
    bool has_run;            /* a run that is not final, including one at attention */
    enum run_state run_state;
    enum direction run_direction;
    int run_from, run_to; /* run_from may be SITE_NONE */
    bool run_has_effect;  /* as of the run's last change of state; the run itself knows better meanwhile */
};

void service_view_init(struct service_view *view); /* unknown, nothing fires */
int view_votes(const struct service_view *view, int site);
/* Of those, the ones from sources with more than TRUST_OPEN. */
int view_trusted_votes(const struct model *model, const struct service_view *view, int site);

/* ---- what happened ----------------------------------------------------------------------------------------------- */

enum event_kind {
    EVENT_START,         /* the daemon has started (or the store is back): look at everything again */
    EVENT_ALERT,         /* an alert of `source` about `site` began (delta +1) or ended (-1) to fire */
    EVENT_TIMER,         /* `timer` of `site` (hold) or of the service (cool_down) may be due */
    EVENT_OBSERVED,      /* with active unknown: the playbook's steps agree with exactly `site`, or none (SITE_NONE) */
    EVENT_OPERATOR_MOVE, /* an operator asks for a run in `direction` to `site` (SITE_NONE: choose) */
    EVENT_ADOPT,         /* an operator says that `site` is active */
    EVENT_RUN_STATE,     /* the run is now in `run_state`; `has_effect` as far as it got */
};

struct event {
    enum event_kind kind;
    int source;
    int site;
    int delta;
    enum timer_kind timer;
    enum direction direction;
    enum run_state run_state;
    bool has_effect;
    const char *who;  /* operator's name, or NULL: borrowed */
    const char *text; /* the operator's reason, or NULL: borrowed */
};

/* ---- what to do -------------------------------------------------------------------------------------------------- */

/* Why something is done, not done, or refused. Text names, stable: they stand in the audit and in 409 answers. */
#define REASON_LIST(X)                                                                                                 \
    X(REASON_NONE, "none")                                                                                             \
    X(REASON_VOTES, "votes") /* the quorum */                                                                          \
    X(REASON_OPERATOR, "operator")                                                                                     \
    X(REASON_OBSERVED, "observed")                                                                                     \
    X(REASON_RUN, "run") /* a run's progress */                                                                        \
    X(REASON_CONFIGURATION, "configuration")                                                                           \
    X(REASON_TIMER, "timer")                                                                                           \
    X(REASON_MANUAL_MODE, "manual_mode")                                                                               \
    X(REASON_NOT_ACTIVE, "not_active") /* the site is not the active one */                                            \
    X(REASON_ACTIVE_UNKNOWN, "active_unknown")                                                                         \
    X(REASON_ACTIVE_SPLIT, "active_split")                                                                             \
    X(REASON_RUN_IN_PROGRESS, "run_in_progress")                                                                       \
    X(REASON_COOL_DOWN, "cool_down")                                                                                   \
    X(REASON_NO_TARGET, "no_target") /* no other site without a down vote */                                           \
    X(REASON_ALREADY_ACTIVE, "already_active")                                                                         \
    X(REASON_UNKNOWN_FROM, "unknown_from") /* the playbook needs ${from.…}, and from is not known */

enum reason {
#define X(name, text) name,
    REASON_LIST(X)
#undef X
};
const char *reason_text(enum reason reason);

enum thing_kind {
    THING_COUNT,             /* firing[source] of `site` is now `count`; `is_vote_change` when the vote changed */
    THING_TIMER_SET,         /* `timer` (of `site`) is due at `at` */
    THING_TIMER_CLEAR,       /* `timer` (of `site`) is gone */
    THING_INCIDENT_OPEN,     /* of `site`; stands */
    THING_INCIDENT_STANDING, /* of `site`; `flag`: stands (again) or not */
    THING_INCIDENT_RESOLVED, /* of `site` */
    THING_NOT_ACTED,         /* the incident of `site` starts nothing, for `reason`; with SITE_NONE: what was observed
                                decides nothing */
    THING_ACTIVE,            /* active is now (`active`, `site`) */
    THING_RUN_START,         /* in `direction`, from `from` to `site`; always the last thing */
    THING_RUN_STATE,         /* mirrors the event into the view: run_state, flag = has_effect */
    THING_REFUSED,           /* the operator's request, for `reason` */
};

struct thing {
    enum thing_kind kind;
    enum reason reason;
    int site, from, source, count;
    bool is_vote_change, flag;
    enum timer_kind timer;
    int64_t at;
    enum active_kind active;
    enum direction direction;
    enum run_state run_state;
    char text[256]; /* the reason as a sentence for a tired person, names and numbers filled in */
};

#define MAX_THINGS 32 /* of one event; enough for every site: checked by the random walk */

struct things {
    struct thing items[MAX_THINGS];
    int count;
};

/* Fills *ret with what to do, in order. `now` is the steady clock. An event always leaves at least one thing, except
 * EVENT_START, EVENT_TIMER that is not due and EVENT_RUN_STATE without news. The view is not changed. */
void decide(const struct service *service, const struct model *model, const struct service_view *view,
            const struct event *event, int64_t now, struct things *ret);

/* The view afterwards. Applying the things of decide() in order is the only way the view changes while running. */
void view_apply(struct service_view *view, const struct thing *thing);

#endif

/* The decision: a pure function of what is known of one service, what just happened, and the time.
 *
 *     decide(service, view, event, now) -> things to do, each with its reason
 *     view_apply(view, thing)           -> the view afterwards
 *
 * Nothing here reads a clock, does I/O, logs or knows SQL. Memory changes only through view_apply(), and the
 * orchestrator journals exactly the things it applies; so the same events give the same state, in a test, a random
 * walk and after a restart. Do not add state to the view that no stored row can rebuild.
 *
 * The drawing of one service, with A the active site, and `quorum` as view_has_quorum() has it:
 *
 *     alerts ──▶ votes: down, up, or unknown (withdrawn, not repeated for too long, the source silent)
 *                  │
 *     first down vote on a site ──▶ incident of that site ───────────── last one gone ──▶ resolved
 *                  │
 *     quorum on A ──▶ hold timer ──due──▶ incident stands ──guards pass──▶ run starts (active = moving),
 *           │               │                   │      │      or waits for a yes (approval: active stays A),
 *           │ it breaks: timer cleared, incident falls │      or is only recorded (shadow)
 *           ▼               ▼                   ▼      └─ a guard refuses: on record once per reason, and every later
 *     counted as flapping: from the n-th on the hold       event tries again (level-triggered); a person's no, or the
 *     doubles with each, until it has been quiet           deadline's, holds until the incident has fallen
 *
 *     Votes on a site that is not the active one open an incident, and start nothing. A site that becomes active starts
 *     afresh: its incident, if it has one, stands again only when its votes have held from then on.
 *
 *     A run of ours without an effect: its quorum breaks, or a guard refuses ──▶ cancelled. Asked at its first effect
 *     and at each point of no return: goes, or is cancelled, or (behind its first effect) halts for a person.
 *
 *     run succeeded: active = its target · cancelled or failed before its first effect: active = where it came from ·
 *     after: split · undone: active = where it came from. It leaves a cool-down when it succeeded or has changed
 *     anything, and where a run of ours failed: its reason stands, and would start the same again at once. A person's
 *     cancel before the first effect, and a person's undo, is a no.
 * A run that began without a known active site and ends before its first effect, or undone, leaves it unknown (run_from
 * may have been a guess for the steps' sake).
 *
 *     debts at a site (steps of an earlier run that are still owed there) ──▶ nothing moves to it, but for a person who
 *     overrides that
 *
 *     home well (our probe says up, nobody says down) ──failback timer──due──▶ the same guards ──▶ failback
 *           │ it is not any more, or is not known to be: timer cleared
 */
#ifndef TURNOUT_CORE_DECIDE_H
#define TURNOUT_CORE_DECIDE_H

#include "core/outlook.h"
#include "core/view.h"

/* ---- what happened ----------------------------------------------------------------------------------------------- */

enum event_kind {
    EVENT_START,         /* the daemon has started (or the store is back): look at everything again */
    EVENT_LOOK,          /* time has passed, or the outlook has changed */
    EVENT_ALERT,         /* an alert of `voter` about `site` began (delta +1) or ceased (-1) to say `says` */
    EVENT_HEARD,         /* an alert was repeated whose vote had expired */
    EVENT_OBSERVED,      /* with active unknown: the playbook's steps agree with exactly `site`, or none (SITE_NONE) */
    EVENT_OPERATOR_MOVE, /* an operator asks for a run in `direction` to `site` (SITE_NONE: choose) */
    EVENT_ADOPT,         /* an operator says that `site` is active */
    EVENT_PAUSE,         /* an operator pauses the service, */
    EVENT_RESUME,        /* and lets it go on */
    EVENT_APPROVE,       /* an operator's yes to the run that waits, */
    EVENT_REJECT,        /* and the no */
    EVENT_RUN_STATE,     /* the run is now in `run_state`; `has_effect` as far as it got */
    EVENT_RUN_POINT,     /* the run is about to have its first effect, or at its next point of no return: asked right
                            before. THING_RUN_GOES, THING_RUN_CANCEL or THING_RUN_HALT answers */
    EVENT_DEBTS,         /* so many debts (`delta`) stand at `site` now */
};

struct event {
    enum event_kind kind;
    int voter;
    int site;
    enum vote says; /* VOTE_DOWN or VOTE_UP */
    int delta;
    enum direction direction;
    bool is_planned;    /* OPERATOR_MOVE: a switchover, not an outage */
    bool is_replacing;  /* OPERATOR_MOVE: the run in progress is cancelled first */
    uint64_t overrides; /* OPERATOR_MOVE, APPROVE, RUN_POINT: bit 1 << enum reason for each guard that the operator
                           overrides; of no use without a reason in `text` */
    enum run_state run_state;
    bool has_effect;  /* RUN_STATE, RUN_POINT: so far */
    const char *who;  /* operator's name, or NULL: borrowed. Of RUN_POINT: who has sent the run on after it was halted;
                         of RUN_STATE: who has cancelled or undone it */
    const char *text; /* the operator's reason, or NULL: borrowed */
};

/* ---- what to do -------------------------------------------------------------------------------------------------- */

/* Why something is done, not done, or refused. Text names, stable: they stand in the audit and in 409 answers. */
#define REASON_LIST(X)                                                                                                 \
    X(REASON_NONE, "none")                                                                                             \
    X(REASON_VOTES, "votes")     /* the quorum */                                                                      \
    X(REASON_EXPIRED, "expired") /* a vote that was not repeated in time */                                            \
    X(REASON_STALE, "stale")     /* a source that has been silent for too long */                                      \
    X(REASON_HEARTBEAT, "heartbeat")                                                                                   \
    X(REASON_EVIDENCE, "evidence") /* that home is well */                                                             \
    X(REASON_FLAPPING, "flapping")                                                                                     \
    X(REASON_OPERATOR, "operator")                                                                                     \
    X(REASON_OBSERVED, "observed")                                                                                     \
    X(REASON_RUN, "run") /* a run's progress */                                                                        \
    X(REASON_CONFIGURATION, "configuration")                                                                           \
    X(REASON_TIMER, "timer")                                                                                           \
    X(REASON_DEADLINE, "deadline") /* of an approval */                                                                \
    X(REASON_REPLACED, "replaced") /* by an operator's own run */                                                      \
    X(REASON_MANUAL_MODE, "manual_mode")                                                                               \
    X(REASON_SHADOW_MODE, "shadow_mode")                                                                               \
    X(REASON_APPROVAL, "approval")     /* a run waits for a yes */                                                     \
    X(REASON_NOT_ACTIVE, "not_active") /* the site is not the active one */                                            \
    X(REASON_ACTIVE_UNKNOWN, "active_unknown")                                                                         \
    X(REASON_ACTIVE_SPLIT, "active_split")                                                                             \
    X(REASON_RUN_IN_PROGRESS, "run_in_progress") /* a guard that an operator overrides by `replace` */                 \
    X(REASON_PAUSED, "paused")                                                                                         \
    X(REASON_COOL_DOWN, "cool_down")                                                                                   \
    X(REASON_FREEZE, "freeze")                                                                                         \
    X(REASON_CUT_OFF, "cut_off") /* the daemon itself seems to be */                                                   \
    X(REASON_KILL_SWITCH, "kill_switch")                                                                               \
    X(REASON_FLOOD, "flood")           /* several places are down at once */                                           \
    X(REASON_SUSPECT, "suspect")       /* without a voter that says down of everything there is no quorum */           \
    X(REASON_DEPENDENCY, "dependency") /* a service that goes first */                                                 \
    X(REASON_PROVIDER_BUSY, "provider_busy")                                                                           \
    X(REASON_NO_TARGET, "no_target")     /* no other site without a down vote */                                       \
    X(REASON_TARGET_DOWN, "target_down") /* a guard that an operator may override */                                   \
    X(REASON_PREFLIGHT, "preflight")     /* likewise: a check before the first effect failed */                        \
    X(REASON_ALREADY_ACTIVE, "already_active")                                                                         \
    X(REASON_DEBT, "debt") /* of an earlier run at the site: likewise. What woke up there could serve or write */      \
    X(REASON_RPO, "rpo")   /* likewise: a promotion would lose more than its `max_lag`; asked by the step itself */    \
    X(REASON_WRONG_STATE, "wrong_state")   /* approve without a run that waits, resume without a pause */              \
    X(REASON_UNKNOWN_FROM, "unknown_from") /* the playbook needs ${from.…}, and from is not known */

enum reason {
#define X(name, text) name,
    REASON_LIST(X)
#undef X
};
const char *reason_text(enum reason reason);
bool reason_parse(const char *text, enum reason *ret);
/* Guards as text, "target_down preflight", and back; both ways only what reason_is_overridable(). */
struct overrides_text {
    char text[64];
};
struct overrides_text overrides_text(uint64_t overrides);
bool overrides_parse(const char *text, uint64_t *ret);
/* Whether an operator may override it by name. */
bool reason_is_overridable(enum reason reason);

enum thing_kind {
    THING_COUNT,             /* `count` alerts of `voter` say `vote` of `site`; heard at `at` */
    THING_VOTE,              /* the vote of `voter` on `site` is now `vote`; `count` alerts say so */
    THING_TIMER_SET,         /* `timer` (of `site`, or of the service) is due at `at`; of TIMER_FLAP: `count` breaks */
    THING_TIMER_CLEAR,       /* `timer` is gone */
    THING_INCIDENT_OPEN,     /* of `site`, with its first down vote */
    THING_INCIDENT_STANDING, /* of `site`; `flag`: stands (again) or not */
    THING_INCIDENT_RESOLVED, /* of `site`: no down vote is left */
    THING_NOT_ACTED,         /* the incident of `site` starts nothing, for `reason`; with SITE_NONE: what was observed
                                decides nothing, or a failback does not start. With REASON_SHADOW_MODE: a run in
                                `direction`, from `from` to `site_to` would have started */
    THING_ACTIVE,            /* active is now (`active`, `site`) */
    THING_RUN_START,    /* in `direction` for `occasion`, from `from` to `site`, in `run_state` (waiting or running);
                           `flag`: by the decision itself; always the last thing but for the timers of its approval */
    THING_RUN_APPROVED, /* the run that waited begins; always the last thing */
    THING_RUN_CANCEL,   /* the run that has had no effect so far is to be cancelled, for `reason`; its new state
                           comes as an event. With REASON_REPLACED also behind its effect; then its last THING_RUN_STATE
                           follows here, and no event about it may come any more */
    THING_RUN_GOES,     /* answers EVENT_RUN_POINT: nothing is in its way; it has an effect from now on */
    THING_RUN_HALT,     /* likewise: behind its first effect, and `reason` stands in the way of the next point of no
                           return: it is to wait for a person */
    THING_RUN_STATE,    /* mirrors the event into the view: run_state, flag = has_effect */
    THING_DEBTS,        /* `count` stand at `site` */
    THING_REMIND,       /* people, of the run that waits */
    THING_PAUSED,       /* `flag`: paused or not */
    THING_NOTICE,       /* nothing changes: said for the record, for `reason` */
    THING_REFUSED,      /* the operator's request, for `reason` */
};

struct thing {
    enum thing_kind kind;
    enum reason reason;
    int site, from, voter, count;
    int site_to; /* of NOT_ACTED with REASON_SHADOW_MODE; else SITE_NONE */
    bool flag;
    enum vote vote;
    enum timer_kind timer;
    int64_t at;
    enum active_kind active;
    enum direction direction;
    enum occasion occasion;
    enum run_state run_state;
    uint64_t overrides; /* of RUN_START and RUN_APPROVED: guards that an operator has overridden */
    char text[256];     /* the reason as a sentence for a tired person, names and numbers filled in */
};

/* Of one event: every vote may change, and of every site an incident, its hold and its flapping. */
#define MAX_THINGS (MAX_VOTES + 6 * MAX_SITES + 16)

struct things {
    struct thing items[MAX_THINGS];
    int count;
};

/* Fills *ret with what to do, in order. `now` is the steady clock. An event always leaves at least one thing, except
 * EVENT_START and EVENT_LOOK when nothing is due, EVENT_RUN_STATE without news, and EVENT_HEARD where another alert of
 * that voter was heard meanwhile. Neither the view nor the outlook is changed. */
void decide(const struct service *service, const struct model *model, const struct service_view *view,
            const struct outlook *outlook, const struct event *event, int64_t now, struct things *ret);

#endif

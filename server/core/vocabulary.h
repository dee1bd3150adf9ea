/* Every state that is stored or shown, as text from one list each: readable in the sqlite3 shell, and no number to
 * renumber. `NAME_text()` never returns NULL; `NAME_parse()` gives false for a text that is not in the list. */
#ifndef TURNOUT_CORE_VOCABULARY_H
#define TURNOUT_CORE_VOCABULARY_H

#include <stdbool.h>

/* Where a service is believed to be served. In moving, split and unknown nothing is automatic. */
#define ACTIVE_LIST(X)                                                                                                 \
    X(ACTIVE_UNKNOWN, "unknown")                                                                                       \
    X(ACTIVE_SITE, "site")                                                                                             \
    X(ACTIVE_MOVING, "moving") /* a run is under way */                                                                \
    X(ACTIVE_SPLIT, "split")   /* a run stopped behind its first effect */

#define MODE_LIST(X)                                                                                                   \
    X(MODE_AUTOMATIC, "automatic")                                                                                     \
    X(MODE_APPROVAL, "approval") /* the run waits for a person's yes */                                                \
    X(MODE_MANUAL, "manual")                                                                                           \
    X(MODE_SHADOW, "shadow") /* everything is decided and recorded, nothing is done */

#define ALERT_STATE_LIST(X)                                                                                            \
    X(ALERT_FIRING, "firing")                                                                                          \
    X(ALERT_RESOLVED, "resolved") /* the alarm is over, which is not to say that all is well */                        \
    X(ALERT_UP, "up")             /* a positive statement: what is watched works */                                    \
    X(ALERT_UNKNOWN, "unknown")   /* the monitor does not know, or it speaks of something else than up and down */

/* A source's present opinion of a site. */
#define VOTE_LIST(X)                                                                                                   \
    X(VOTE_UNKNOWN, "unknown")                                                                                         \
    X(VOTE_DOWN, "down")                                                                                               \
    X(VOTE_UP, "up")

/* What a delivery of a source has proved at least. */
#define TRUST_LIST(X)                                                                                                  \
    X(TRUST_OPEN, "open")     /* a token in its URL, which stands in logs of proxies and in the monitor's settings */  \
    X(TRUST_SECRET, "secret") /* a secret in a header */                                                               \
    X(TRUST_SIGNED, "signed") /* a signature over what it says */

#define TIMER_LIST(X)                                                                                                  \
    X(TIMER_HOLD, "hold")           /* of a site: its votes have to stand so long */                                   \
    X(TIMER_FLAP, "flap")           /* of a site: when the broken quorums counted so far are forgotten */              \
    X(TIMER_COOL_DOWN, "cool_down") /* of a service: after a finished run */                                           \
    X(TIMER_SETTLE, "settle")       /* of a service: after a run, until old DNS answers have run out */                \
    X(TIMER_APPROVAL, "approval")   /* of a service: the deadline of the run that waits for a yes or no */             \
    X(TIMER_REMIND, "remind")       /* of a service: when people are reminded of it */                                 \
    X(TIMER_FAILBACK, "failback")   /* of a service: home has to be well for so long */

#define DIRECTION_LIST(X)                                                                                              \
    X(DIRECTION_FAILOVER, "failover")                                                                                  \
    X(DIRECTION_FAILBACK, "failback")

/* What a run is for; a step's `when` picks. */
#define OCCASION_LIST(X)                                                                                               \
    X(OCCASION_OUTAGE, "outage")                                                                                       \
    X(OCCASION_PLANNED, "planned") /* a switchover while both sites work */                                            \
    X(OCCASION_FAILBACK, "failback")                                                                                   \
    X(OCCASION_DRILL, "drill") /* there and back with a stand-in; the service itself stays where it is */

#define RUN_STATE_LIST(X)                                                                                              \
    X(RUN_WAITING, "waiting") /* for a person's yes; nothing of it has begun */                                        \
    X(RUN_RUNNING, "running")                                                                                          \
    X(RUN_ATTENTION, "attention") /* stopped, waits for a person: retry, skip, done, undo or cancel */                 \
    X(RUN_SUCCEEDED, "succeeded")                                                                                      \
    X(RUN_FAILED, "failed") /* a step with `on_failure: stop` did */                                                   \
    X(RUN_CANCELLED, "cancelled")                                                                                      \
    X(RUN_UNDONE, "undone") /* all that it had changed is as it was before */

/* What a run does when what is under way has ended. */
#define ENDING_LIST(X)                                                                                                 \
    X(ENDING_NONE, "none") /* it goes on */                                                                            \
    X(ENDING_CANCEL, "cancel")                                                                                         \
    X(ENDING_STOP, "stop")                                                                                             \
    X(ENDING_UNDO, "undo")

#define STEP_STATE_LIST(X)                                                                                             \
    X(STEP_PENDING, "pending")                                                                                         \
    X(STEP_RUNNING, "running")                                                                                         \
    X(STEP_DONE, "done")                                                                                               \
    X(STEP_ALREADY_DONE, "already done") /* observed right before any effect of ours */                                \
    X(STEP_FAILED, "failed")                                                                                           \
    X(STEP_SKIPPED, "skipped") /* by an operator, or since what it is for is there no more */                          \
    X(STEP_UNDONE, "undone")   /* what it had changed is as it was before */                                           \
    X(STEP_OWED, "owed")       /* a debt: tried again behind the end of the run, until it is done */                   \
    X(STEP_UNKNOWN, "unknown") /* its effect may be there or not, and nobody has looked since */

/* What becomes of the run when a step fails for good. */
#define ON_FAILURE_LIST(X)                                                                                             \
    X(ON_FAILURE_ATTENTION, "attention") /* it waits for a person */                                                   \
    X(ON_FAILURE_STOP, "stop")                                                                                         \
    X(ON_FAILURE_CONTINUE, "continue")                                                                                 \
    X(ON_FAILURE_UNDO, "undo")                                                                                         \
    X(ON_FAILURE_OWE, "owe")

/* Whether a move would work, as far as looking tells. */
#define READINESS_LIST(X)                                                                                              \
    X(READINESS_UNKNOWN, "unknown") /* nobody has looked so far */                                                     \
    X(READINESS_READY, "ready")                                                                                        \
    X(READINESS_DEGRADED, "degraded") /* it would work, slower or with less known than promised */                     \
    X(READINESS_NOT_READY, "not ready")

/* What would become of a step if a run began now. */
#define PLAN_STATE_LIST(X)                                                                                             \
    X(PLAN_ALREADY, "already") /* it is right as it is */                                                              \
    X(PLAN_CHANGES, "changes")                                                                                         \
    X(PLAN_CHECKS, "checks")   /* it only looks, and nothing says that it would fail when its turn comes */            \
    X(PLAN_UNKNOWN, "unknown") /* it cannot look, or the look did not tell */                                          \
    X(PLAN_FAILS, "fails")

/* What an attempt does. Each is one call into the action. */
#define PHASE_LIST(X)                                                                                                  \
    X(PHASE_OBSERVE, "observe")                                                                                        \
    X(PHASE_APPLY, "apply")                                                                                            \
    X(PHASE_SETTLE, "settle")

#define OUTCOME_LIST(X)                                                                                                \
    X(OUTCOME_STARTED, "started")     /* no result recorded (yet): after a crash its effect is unknown */              \
    X(OUTCOME_OK, "ok")               /* observe: read; apply: accepted; settle: visible */                            \
    X(OUTCOME_NOT_YET, "not yet")     /* settle: not visible so far; a check: not as expected so far */                \
    X(OUTCOME_TEMPORARY, "temporary") /* failed, certainly without effect, worth another try */                        \
    X(OUTCOME_PERMANENT, "permanent") /* failed, the same again would fail the same */                                 \
    X(OUTCOME_UNKNOWN, "unknown")     /* may have had its effect: observe before anything else */                      \
    X(OUTCOME_CANCELLED, "cancelled") /* ended by us before its effect, because the run is not current any more */

#define DRILL_KIND_LIST(X)                                                                                             \
    X(DRILL_PLAN, "plan") /* a look both ways, which has to find nothing in the way */                                 \
    X(DRILL_CANARY, "canary")

#define ROLE_LIST(X)                                                                                                   \
    X(ROLE_VIEWER, "viewer")                                                                                           \
    X(ROLE_APPROVER, "approver") /* reads, and says yes or no to a run that waits */                                   \
    X(ROLE_OPERATOR, "operator")

#define VOCABULARY_ENUM(name, text) name,
#define VOCABULARY_DECLARE(type, prefix, LIST)                                                                         \
    enum type { LIST(VOCABULARY_ENUM) };                                                                               \
    const char *prefix##_text(enum type value);                                                                        \
    bool prefix##_parse(const char *text, enum type *ret);

VOCABULARY_DECLARE(active_kind, active_kind, ACTIVE_LIST)
VOCABULARY_DECLARE(mode, mode, MODE_LIST)
VOCABULARY_DECLARE(alert_state, alert_state, ALERT_STATE_LIST)
VOCABULARY_DECLARE(vote, vote, VOTE_LIST)
VOCABULARY_DECLARE(trust, trust, TRUST_LIST)
VOCABULARY_DECLARE(timer_kind, timer_kind, TIMER_LIST)
VOCABULARY_DECLARE(direction, direction, DIRECTION_LIST)
VOCABULARY_DECLARE(occasion, occasion, OCCASION_LIST)
VOCABULARY_DECLARE(run_state, run_state, RUN_STATE_LIST)
VOCABULARY_DECLARE(step_state, step_state, STEP_STATE_LIST)
VOCABULARY_DECLARE(ending, ending, ENDING_LIST)
VOCABULARY_DECLARE(on_failure, on_failure, ON_FAILURE_LIST)
VOCABULARY_DECLARE(readiness, readiness, READINESS_LIST)
VOCABULARY_DECLARE(plan_state, plan_state, PLAN_STATE_LIST)
VOCABULARY_DECLARE(phase, phase, PHASE_LIST)
VOCABULARY_DECLARE(outcome, outcome, OUTCOME_LIST)
VOCABULARY_DECLARE(drill_kind, drill_kind, DRILL_KIND_LIST)
VOCABULARY_DECLARE(role, role, ROLE_LIST)

bool run_state_is_final(enum run_state state);   /* succeeded, failed, cancelled, undone */
bool step_state_is_final(enum step_state state); /* done, already done, skipped, undone */

#endif

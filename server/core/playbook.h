/* How a run goes through its playbook: a pure function of the run, what just happened, and the time.
 *
 * One group of steps at a time, in order; the steps of a group (mostly one) go at the same time, each like this:
 *
 *            ┌────────────── temporary / unknown: again after a back-off, until the deadline ─────────────┐
 *            ▼                                                                                            │
 *     observe ──right, no settle──▶ already done (or done, when an apply of ours came before)             │
 *        │ ──right, has settle───▶ settle ──ok──▶ already done / done                                     │
 *        │                           └─not yet: again, until the deadline                                 │
 *        └──not right──▶ apply (journaled before) ──ok──▶ observe again ──right──▶ settle ──▶ done ───────┘
 *
 *     permanent error, deadline passed, check failed too often ──▶ failed, and then `on_failure`:
 *         attention: the run waits for a person · stop: it ends as failed · continue: it goes on ·
 *         undo: it puts back what it had changed · owe: the step is a debt, and the run goes on
 *     retry: the step from observe again, with a new deadline · skip: skipped, next · done: a person says that it is,
 *     next · undo: the run puts back what it had changed · cancel: run cancelled
 *
 * A check (an action without apply) has only observe: right is done, not right is "not yet".
 * A step that cannot be observed begins with apply. When the outcome of that is unknown it is done again where it is
 * idempotent; otherwise the step is `unknown`, and the run waits for a person: retry, skip, done or undo.
 * Where a step that can be observed ends without another look at an apply that may have had its effect, it is `unknown`
 * as well, and not failed: `on_failure` is the same.
 * After a restart a step that was running starts from observe. An apply without a recorded result is unknown: the
 * next observe is told so (`after_unknown_apply`), because "right" may then be our own change on its way.
 * Back-off: the step's own (500 ms by default) doubling to 15 s, with full jitter upwards of half; a provider's
 * Retry-After is honoured where it is longer (up to the deadline, when one last attempt is made); not-yet polls: 250 ms
 * doubling to 5 s, same jitter.
 *
 * An accepted apply that observe does not show is "not yet": RUN_POLLS_BEFORE_APPLYING_AGAIN looks (11 to 23 s) pass
 * before the same is sent again, so that a slow provider is not hammered and a change somebody took back is made good.
 * `has_effect` goes on record with each apply, before it goes out. A result that is certainly without effect
 * (temporary, cancelled) takes it back where no other apply of the run may have had one; a permanent error does not,
 * for an action of several requests may have got through the first. An attempt that ends as cancelled while nobody
 * cancelled the run (the daemon stops) is tried again like a temporary error.
 *
 * A failure that waits for a person does so at once, while other steps of its group go on. A run that ends early
 * (cancel, stop, undo: `ending`) waits for the results of what is under way; a step of these ends as failed unless its
 * result completed it.
 *
 * Undoing goes from the last step to the first, one at a time: each step that may have had an effect is applied with
 * what was found before its first one (is_reversible), looked at and settled as on the way there, and is `undone`. One
 * that had none is left as it is; what cannot be put back stops the run for a person, as every failure while undoing
 * does. Behind a point of no return that may have had its effect nothing is undone. A run that turns out to have
 * changed nothing does not go back: it has failed, or, where a person has asked for it, is cancelled.
 *
 * Behind the end of a run some of its steps may go on: debts (`owed`), tried again every 15 s to 5 min without a
 * deadline until they are done, and measures, checks that begin when the run has succeeded and are only there to be
 * timed. They change nothing about the run's state. */
#ifndef TURNOUT_CORE_PLAYBOOK_H
#define TURNOUT_CORE_PLAYBOOK_H

#include "base/err.h"
#include "base/id.h"
#include "core/model.h"

struct step_run {
    enum step_state state;
    enum phase phase; /* of the attempt that is under way or next */
    bool can_observe, can_apply, can_settle;
    int64_t deadline_ms;
    int retries;        /* see struct step */
    int64_t backoff_ms; /* likewise; 0: the default */
    enum on_failure on_failure;
    int group; /* neighbours with the same number, but 0, go at the same time */
    bool is_idempotent;
    bool is_point;          /* a point of no return */
    bool is_measure;        /* begins when the run has succeeded, and is only timed */
    bool is_reversible;     /* what was found before its first effect is on record, and can be applied */
    bool is_undoing;        /* its attempts put that back */
    int64_t began_at;       /* steady; of the first attempt since pending or retry; 0: not begun */
    int64_t next_at;        /* steady; when the next attempt is due; 0: an attempt is under way */
    int tries;              /* attempts that failed or were "not yet" in a row, for the back-off */
    bool has_applied;       /* an apply of this run was accepted or may have been, at least in part */
    bool has_unknown_apply; /* an apply has no recorded result, or was refused for now after one that may have had an
                               effect; and no observe has succeeded since */
    int n_attempts;         /* journaled so far */
};

struct run {
    struct id id;
    int service; /* index */
    enum direction direction;
    int from, to; /* sites; from may be SITE_NONE */
    enum run_state state;
    bool has_effect;
    enum ending ending; /* what it does when all that is under way has ended */
    bool is_undoing;    /* it goes back */
    bool is_at_point;   /* a step asks whether it may apply, and waits for the answer: never stored */
    int point;          /* which one */
    bool is_forced;     /* a person has overridden `preflight`: before the first effect no check is waited for */
    bool is_past;       /* over, and another run of the service has begun since: told anew after a restart */
    int n_steps;
    int current; /* the first step that holds the run up, n_steps: none does; while undoing, the one put back */
    struct step_run *steps; /* owned by who made the run */
};

enum run_event_kind {
    RUN_EVENT_START,  /* begins, or taken up after a restart (attempts that were under way are lost) */
    RUN_EVENT_RESULT, /* the attempt of `step` that is under way ended with `outcome` */
    RUN_EVENT_TIMER,  /* the next_at of some step may have come */
    RUN_EVENT_RETRY,  /* an operator, of `step` or (-1) of all steps that wait for one; RETRY also of debts, at once */
    RUN_EVENT_SKIP,   /* likewise */
    RUN_EVENT_DONE,   /* likewise: it is done, whatever is known of it */
    RUN_EVENT_UNDO,   /* an operator: the run goes back; in state running or attention */
    RUN_EVENT_CANCEL, /* in state waiting, running or attention */
    RUN_EVENT_GOES,   /* answers RUN_MOVE_POINT, as RUN_EVENT_CANCEL does: nothing is in the way */
    RUN_EVENT_HALT,   /* likewise: the run is to wait for a person, since `text` stands in the way */
    RUN_EVENT_PAST, /* of a run that is over: another one of the service has begun. Its measures are skipped; its debts
                       stay, and are not tried any more: only a person ends them */
};

struct run_event {
    enum run_event_kind kind;
    int step; /* see above */
    enum outcome outcome;
    bool is_right;          /* observe: the world is as desired */
    int64_t retry_after_ms; /* -1: none given */
    uint32_t random;        /* for the jitter */
    const char *text;       /* what the action said: borrowed, may be NULL */
};

enum run_move_kind {
    RUN_MOVE_ATTEMPT,      /* start attempt number `attempt` of `step` in `phase` now; journal it first */
    RUN_MOVE_WAIT,         /* `step`'s next attempt is due at `at` */
    RUN_MOVE_STEP,         /* `step` is now in `step_state` */
    RUN_MOVE_STATE,        /* the run is now in `run_state` */
    RUN_MOVE_POINT,        /* an effect is next that has to be asked for: see above. Always the last */
    RUN_MOVE_STOP_ATTEMPT, /* tell the executor to cancel the attempt of `step`; its result will come */
    RUN_MOVE_UNDO,         /* the run goes back from here on: on record, for `text` */
    RUN_MOVE_REFUSED,      /* the operator's request does not fit the state */
};

struct run_move {
    enum run_move_kind kind;
    int step;
    int attempt;
    enum phase phase;
    int64_t at;
    enum step_state step_state;
    enum run_state run_state;
    char text[256]; /* why, for the record; holds the provider's own words for a failure */
};

#define MAX_RUN_MOVES (8 + 2 * MAX_STEPS + 4 * MAX_GROUP)
#define RUN_POLLS_BEFORE_APPLYING_AGAIN 8
#define RUN_NEVER (INT64_MAX / 4) /* next_at of a debt that is not tried any more until a person says something */

struct run_moves {
    struct run_move items[MAX_RUN_MOVES];
    int count;
};

/* Advances *run and says what was moved, in order: the caller journals and carries out. Pure but for *run. */
void run_next(struct run *run, const struct run_event *event, int64_t now, struct run_moves *ret);

bool step_is_under_way(const struct run *run, int step); /* an attempt of it is out, and its result will come */
bool run_is_busy(const struct run *run);                 /* one of any step is */
int64_t run_due_at(const struct run *run);               /* steady: the earliest next_at; INT64_MAX: nothing waits */
/* Over, and no step of it goes on: no debt stands, nothing is measured. */
bool run_is_at_rest(const struct run *run);
int run_n_debts(const struct run *run);

/* ---- templates --------------------------------------------------------------------------------------------------- */

/* Resolves ${to.KEY}, ${from.KEY} (KEY: the site's values, or `name`), ${service.name} and $${ in every string of
 * `args`. `from` may be SITE_NONE: then ${from.…} is an error. On success *ret is a new reference. ERR_INVALID with
 * the path of the string ("expect.body") and the nearest known key. */
MUST_CHECK enum err args_resolve(const struct service *service, int from, int to, const json_t *args, json_t **ret,
                                 struct errmsg *why);
/* Whether any string in `args` uses ${from.…}. */
bool args_need_from(const json_t *args);

#endif

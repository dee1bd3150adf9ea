/* Commands: everything that changes state goes through this one queue to the orchestrator's thread.
 *
 * Who makes a command gives a `done` function; the orchestrator calls it, on its own thread, after the commit that
 * holds the command's effect (or after refusing it), exactly once. A command is owned by the queue from
 * command_queue_push() until `done`, which takes it back and frees it (or hands it on). */
#ifndef TURNOUT_SERVER_COMMAND_H
#define TURNOUT_SERVER_COMMAND_H

#include "base/err.h"
#include "base/id.h"
#include "core/alert.h"
#include "core/playbook.h"

#include <jansson.h>
#include <stdatomic.h>

enum command_kind {
    COMMAND_DELIVERY,     /* from the hooks listener */
    COMMAND_REJECTED,     /* an unauthenticated request was refused: counted, audited in bunches */
    COMMAND_MOVE,         /* operator: failover, failback */
    COMMAND_ADOPT,        /* operator */
    COMMAND_PAUSE,        /* operator: pause, resume */
    COMMAND_VOTE,         /* operator */
    COMMAND_RUN,          /* operator: approve, reject, retry, skip, done, undo, cancel */
    COMMAND_PLAN,         /* operator: what a move would change; answered when everything was looked at */
    COMMAND_DRILL,        /* operator */
    COMMAND_RESULT,       /* executor: an attempt ended. Kept and retried when the commit fails */
    COMMAND_OBSERVED,     /* executor: an observation round of a service with unknown active site ended */
    COMMAND_LOOKED,       /* executor: a look or a survey ended */
    COMMAND_PROBED,       /* prober: what a probe of a site says now, news or not; nobody waits for it */
    COMMAND_OUTSIDE,      /* watch: what is known of the daemon's own surroundings, news or not. Its answer proves that
                             the orchestrator is alive */
    COMMAND_REFUSED_CALL, /* an operator's call refused before it became a command (no token, viewer): audited */
};

struct command_delivery {
    int source;
    struct id id;        /* given on arrival */
    int64_t received_at; /* wall */
    char *body;          /* owned: as received after the handler's redactions */
    size_t body_len;
    uint8_t sha256[32];   /* of the original */
    struct alert *alerts; /* owned, with their targets */
    size_t n_alerts;
    const char *notice_kind; /* a literal; NULL: nothing but the alerts goes on record */
    char notice[256];
    bool is_loud; /* the notice is a warning */
    /* the answer */
    struct id answer_id; /* this one, or the one that last changed the first of its alerts */
    bool is_duplicate;
};

enum run_call {
    RUN_CALL_APPROVE,
    RUN_CALL_REJECT,
    RUN_CALL_RETRY,
    RUN_CALL_SKIP,
    RUN_CALL_DONE,
    RUN_CALL_UNDO,
    RUN_CALL_CANCEL,
};

struct command_operator {
    char who[64];  /* the operator's name */
    char from[64]; /* client address, for the audit */
    char *service; /* owned; NULL for run calls */
    char *site;    /* owned; NULL: not given */
    char *reason;  /* owned; never NULL: "" when not given */
    enum direction direction;
    bool is_planned, is_replacing; /* MOVE */
    uint64_t overrides;            /* MOVE, approve and retry: see struct event */
    char plan[65];   /* MOVE and approve: hash that the plan must have by now, hex; "": it need not be any */
    bool is_pausing; /* PAUSE: else resume */
    enum vote says;  /* VOTE: of `site`; VOTE_UNKNOWN withdraws */
    struct id run;   /* run calls */
    enum run_call run_call;
    int step;              /* run calls: -1, every step that waits for a person */
    enum drill_kind drill; /* DRILL */
    bool is_scripted;      /* PLAN: with each step by hand */
    char *idempotency_key; /* owned; NULL: none */
    int64_t answer_by;     /* the orchestrator's, of a move that waits: steady; it is refused then */
    /* the answer */
    struct id answer_run; /* the run started, or the one that the idempotency key already started */
    json_t *answer;       /* PLAN, a plan drill, and a refusal because the plan is another one now: the plan; owned */
    char code[64];        /* of a refusal: reason_text() or "not_found", … */
};

struct command_result {
    struct id run;
    int step, attempt;
    enum phase phase;
    enum outcome outcome;
    bool is_right;
    int64_t retry_after_ms;
    json_t *current, *desired, *token, *previous, *requests; /* owned; may be NULL */
    struct errmsg text;
};

struct command_looked {
    int64_t round;
    int index;
    bool is_survey;
    enum outcome outcome;
    bool is_right;
    json_t *current, *desired, *token, *previous, *requests; /* owned; may be NULL */
    char *script;    /* owned; "": this action never has one; NULL: it was not asked for, or is not known */
    int64_t ends_at; /* likewise: */
    int64_t took_ms, clock_skew_ms; /* the second as in struct action_result */
    struct errmsg text;
};

struct command_observed {
    int service;
    int site;         /* the one site with which all steps agree; SITE_NONE */
    char *text;       /* owned: what was seen, a sentence */
    json_t *requests; /* owned */
};

struct command_probed {
    int service, site;
    enum vote says; /* VOTE_UNKNOWN: the probe could not be made */
    char text[160]; /* what was seen, a sentence; no secrets */
};

/* What does not come from monitors. Each command gives all of it anew. */
struct command_outside {
    bool is_cut_off;
    bool is_killed;
    char cut_off_text[160], killed_text[160]; /* sentences that say what was found */
};

struct command_refused {
    char what[128]; /* "POST /api/v1/services/shop/failover", secrets left out; or "source prometheus" */
    char from[64];
    char who[64]; /* "" when not known */
    char reason[128];
    int source; /* COMMAND_REJECTED: index, or -1 */
    int count;  /* how many requests this stands for: one command per source and second at most under a flood */
};

struct command {
    enum command_kind kind;
    struct command *next;                  /* the queue's */
    void (*done)(struct command *command); /* on the orchestrator's thread; takes the command */
    void *context;                         /* of `done` */
    enum err err; /* the answer: ERR_OK; ERR_FULL / ERR_BUSY: 503; ERR_CONFLICT: 409; ERR_NOT_FOUND: 404; … */
    struct errmsg why;
    union {
        struct command_delivery delivery;
        struct command_operator operator_call;
        struct command_result result;
        struct command_observed observed;
        struct command_looked looked;
        struct command_probed probed;
        struct command_outside outside;
        struct command_refused refused;
    } as;
};

struct command_queue;

struct command *command_new(enum command_kind kind); /* zeroed; NULL: out of memory */
/* The end of a job: always taken, and kept when a commit fails. */
bool command_is_report(enum command_kind kind);
void command_free(struct command *command); /* with all it owns; accepts NULL */

struct command_queue *command_queue_new(size_t max_commands);
void command_queue_free(struct command_queue *queue);
/* Takes the command. ERR_FULL when max_commands of its sort wait (results and observations are always taken), ERR_BUSY
 * when closed, or for a delivery while those are refused: then the command stays the caller's. Any thread. */
MUST_CHECK enum err command_queue_push(struct command_queue *queue, struct command *command);
/* Waits until a command is there, `until` (steady ms; INT64_MAX: no limit) has come, or it is closed. Takes up to `max`
 * into `ret`, operators' calls, results and observations first, then what probes say, each sort in order; returns how
 * many. One thread only. */
size_t command_queue_take(struct command_queue *queue, struct command **ret, size_t max, int64_t until);
/* No more pushes but results; take() goes on until it is empty. */
void command_queue_close(struct command_queue *queue);
/* Deliveries are refused with ERR_BUSY at the door while this is on (disk reserve, store down). Any thread. */
void command_queue_refuse_deliveries(struct command_queue *queue, bool is_refusing);
bool command_queue_is_idle(struct command_queue *queue);
bool command_queue_is_closed(struct command_queue *queue);

#endif

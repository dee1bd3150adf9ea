/* Jobs: work that goes out after a commit, from the orchestrator to the executor's threads.
 *
 * A job is one attempt of one step of a run, or a look without a run: one observation of one step for a plan or a
 * round of readiness, one survey of a zone, or one observation round of a service whose active site is unknown. Its end
 * is a command (COMMAND_RESULT, COMMAND_LOOKED, COMMAND_OBSERVED) whose `context` is the job. The orchestrator may set
 * `cancel` as long as it has not taken that command back; it frees the job with it. */
#ifndef TURNOUT_SERVER_COMMAND_JOB_H
#define TURNOUT_SERVER_COMMAND_JOB_H

#include "base/err.h"
#include "base/id.h"
#include "core/vocabulary.h"

#include <jansson.h>
#include <stdatomic.h>
#include <stdint.h>

enum job_kind {
    JOB_ATTEMPT,
    JOB_OBSERVE, /* which site is active? */
    JOB_LOOK,    /* one step, observed once */
    JOB_SURVEY,  /* the zone of one step */
};

struct job {
    enum job_kind kind;
    struct job *next;
    atomic_bool cancel;
    /* an attempt */
    struct id run;
    int step, attempt;
    enum phase phase;
    bool after_unknown_apply;
    bool is_lag_accepted; /* see struct action_call */
    int64_t deadline_at;  /* steady: no effect may begin later; 0: none */
    json_t *step_text;    /* owned: the step as the run's playbook has it, with what to put back while undoing; also
                             of a look and a survey */
    json_t *observed, *applied; /* owned tokens; may be NULL */
    /* a look or a survey: `round` says to what it belongs, `index` where in it */
    int64_t round;
    int index;
    bool is_scripted;  /* the look is asked for the step by hand, too: action->write_script */
    json_t *addresses; /* owned: of a survey, an array of texts */
    /* an observation round: owned; [{"site": INDEX, "steps": [step as in a playbook]}] */
    int service;
    json_t *sites;
};

struct job *job_new(enum job_kind kind); /* NULL: out of memory */
void job_free(struct job *job);          /* accepts NULL */

/* Attempts and looks have threads of their own: no look delays a run. */
enum job_pool { POOL_ATTEMPTS, POOL_LOOKS, N_POOLS };

enum job_pool job_pool(const struct job *job);
/* Its name; without one that of the action, whose programs or sites take its place; "" for an observation round, which
 * asks several. */
const char *job_provider(const struct job *job);

struct job_queue;

struct job_queue *job_queue_new(void);
void job_queue_free(struct job_queue *queue);
/* Borrows the job: the orchestrator owns it until it has committed its result. Any thread. After job_queue_close() the
 * job goes nowhere: its attempt stays without a result, which is what a restart takes up. */
void job_queue_push(struct job_queue *queue, struct job *job);
/* Waits for a job; NULL when closed. Attempts come before looks. Nothing is counted: for who takes everything. */
struct job *job_queue_take(struct job_queue *queue);
/* Waits for a job for one of a pool's threads: an attempt, or a look. No more than `share` jobs of one provider (see
 * job_provider()) are under way at a time in a pool: a provider that hangs holds up no other. Those of
 * another provider go first then, and those of the same come in order. Any number of threads. */
struct job *job_queue_take_of(struct job_queue *queue, enum job_pool pool, int share);
/* What job_queue_take_of() gave is no longer under way. Before the job is handed back. */
void job_queue_done(struct job_queue *queue, struct job *job);
/* Wakes all takers; jobs that wait go nowhere. */
void job_queue_close(struct job_queue *queue);

#endif

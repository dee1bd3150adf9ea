/* What deliveries need from the network before they can be judged: a certificate, a confirmation of a subscription.
 *
 * One thread with a fetch object of its own does one after the other. Nothing is tried again here: the sender sends its
 * delivery again, and that asks again. The URLs were built by the handler from what it has checked; redirects are never
 * followed, and an answer of more than 64 KiB is none. */
#ifndef TURNOUT_SERVER_NEEDS_H
#define TURNOUT_SERVER_NEEDS_H

#include "handlers/handler.h"

struct need_job {
    struct need_job *next; /* the queue's */
    const struct source *source;
    struct handler_need need;
    void (*done)(struct need_job *job); /* on the thread of needs; takes the job */
    void *context;                      /* of `done` */
    enum err err;                       /* the answer */
    struct errmsg why;                  /* without the URL */
};

struct needs;

/* ERR_NO_MEMORY, ERR_IO. */
MUST_CHECK enum err needs_start(struct needs **ret, struct errmsg *why);
/* Ends what is under way, answers the rest with ERR_TEMPORARY. Jobs may still be pushed, and are refused: a delivery
 * whose body was on its way finds its need only now. Accepts NULL. */
void needs_stop(struct needs *needs);
void needs_free(struct needs *needs); /* stopped, when nobody can push any more; accepts NULL */
/* Takes the job. ERR_FULL when too many wait, ERR_BUSY when stopping: then it stays the caller's. Any thread. */
MUST_CHECK enum err needs_push(struct needs *needs, struct need_job *job);
void need_job_free(struct need_job *job); /* wipes it */

#endif

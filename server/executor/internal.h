/* Shared by the executor's files, and by nobody else. */
#ifndef TURNOUT_SERVER_EXECUTOR_INTERNAL_H
#define TURNOUT_SERVER_EXECUTOR_INTERNAL_H

#include "executor/executor.h"
#include "store/store.h"

#include <pthread.h>

#define MAX_THREADS_OF_POOL 64

/* What a thread works with. Kept from job to job, and given to the next job of the same provider where there is one:
 * then its connections are still open. */
struct kit {
    struct kit *next;
    struct fetch *fetch;
    struct store_reader *reader; /* NULL: not opened so far */
    char provider[64];           /* of its last job; "" */
};

struct worker {
    struct pool *pool;
    pthread_t thread;
    struct kit *kit;
    struct job *job; /* under way; guarded by the executor's mutex */
};

/* Threads are started when they are needed and go on being used: one is there more than are busy, up to the bound. */
struct pool {
    struct executor *executor;
    enum job_pool kind;
    int max_threads, share;
    int n_workers, n_busy; /* guarded by the executor's mutex, as `workers` is */
    struct worker workers[MAX_THREADS_OF_POOL];
};

struct executor {
    struct executor_settings settings;
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    bool is_stopping, is_cancelling;
    struct kit *kits; /* of nobody at present: the last used first */
    struct pool pools[N_POOLS];
};

/* Pushes the command that ends the job. Both belong to the orchestrator from then on. */
void executor_hand_over(struct worker *worker, struct command *command, struct job *job);

/* executor/look.c: performs the job and hands `command` over. */
void executor_observe(struct worker *worker, struct job *job, struct command *command);
void executor_look(struct worker *worker, struct job *job, struct command *command);
void executor_survey(struct worker *worker, struct job *job, struct command *command);

#endif

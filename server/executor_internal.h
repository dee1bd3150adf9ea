/* Shared by the executor's files, and by nobody else. */
#ifndef TURNOUT_SERVER_EXECUTOR_INTERNAL_H
#define TURNOUT_SERVER_EXECUTOR_INTERNAL_H

#include "executor.h"
#include "store/store.h"

#include <pthread.h>

#define MAX_THREADS 16

struct worker {
    struct executor *executor;
    pthread_t thread;
    struct fetch *fetch;
    struct store_reader *reader;
    bool is_for_attempts; /* and nothing else */
    struct job *job;      /* under way; guarded by the executor's mutex */
};

struct executor {
    struct executor_settings settings;
    pthread_mutex_t mutex;
    pthread_cond_t idle;
    int n_busy;
    bool is_cancelling;
    int n_workers;
    struct worker workers[MAX_THREADS];
};

/* Pushes the command that ends the job. Both belong to the orchestrator from then on. */
void executor_hand_over(struct worker *worker, struct command *command, struct job *job);

/* executor_look.c: performs the job and hands `command` over. */
void executor_observe(struct worker *worker, struct job *job, struct command *command);
void executor_look(struct worker *worker, struct job *job, struct command *command);
void executor_survey(struct worker *worker, struct job *job, struct command *command);

#endif

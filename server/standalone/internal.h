/* Shared by the files of the run without a daemon, and by nobody else. */
#ifndef TURNOUT_SERVER_STANDALONE_INTERNAL_H
#define TURNOUT_SERVER_STANDALONE_INTERNAL_H

#include "cli.h"
#include "command.h"
#include "command_job.h"
#include "core/step_text.h"

#include <stdio.h>

struct standalone_step {
    json_t *text;               /* as resolved */
    json_t *observed, *applied; /* tokens of the way that it goes now */
    json_t *previous;           /* arguments that put back what was found before its first effect */
    bool is_of_undo;            /* the tokens are */
    struct job *job;            /* out */
};

struct standalone {
    const struct options *options;
    struct config *config;
    const struct service *service;
    enum direction direction;
    int from, to;
    FILE *journal; /* NULL: it could not be made, which was said */
    struct job_queue *jobs;
    struct command_queue *commands;
    struct run run; /* with all its steps */
    struct standalone_step *steps;
};

bool standalone_is_interrupted(void); /* Ctrl-C or SIGTERM since the start */
/* A line of the journal. Takes `entry`. */
void standalone_note(struct standalone *s, const char *kind, json_t *entry);
const char *standalone_step_text(const struct standalone *s, int step, const char *key); /* "" where there is none */

/* standalone/plan.c: looks at all steps and prints what would change. Waits for it, for 20 s at most. */
void standalone_plan(struct standalone *s);
/* standalone/daemon.c: warns of a run of the daemon's that is not over, and of debts, where the database can be read.
 */
void standalone_tell_of_daemon(const struct standalone *s);
/* standalone/run.c: performs the run, and prints and journals each move of it. Returns the exit code. */
int standalone_run(struct standalone *s);

#endif

/* The executor: threads, each performing one job at a time and handing its result back as a command.
 *
 * It causes every effect there is, and decides nothing: just before an apply, and before each request of it that
 * may have an effect, it asks the store whether this attempt still is the one to make, and whether the kill switch is
 * there (struct call_consent). */
#ifndef TURNOUT_SERVER_EXECUTOR_EXECUTOR_H
#define TURNOUT_SERVER_EXECUTOR_EXECUTOR_H

#include "actions/action.h"
#include "command.h"
#include "command_job.h"

struct executor;

/* Everything borrowed until executor_stop(). */
struct executor_settings {
    struct job_queue *jobs;
    struct command_queue *commands;
    struct provider *providers;
    int n_providers;
    const char *database;                  /* NULL: there is none, and what is pushed is current */
    const char *kill_switch;               /* while this file exists, nothing is applied; NULL: there is none */
    int n_attempt_threads, n_look_threads; /* at most; they are started when they are needed */
};

MUST_CHECK enum err executor_start(const struct executor_settings *settings, struct executor **ret, struct errmsg *why);
/* Cancels the looks, waits up to `grace_ms` for the attempts under way, then cancels these; all results are in the
 * command queue when it returns. Accepts NULL. */
void executor_stop(struct executor *executor, int64_t grace_ms);

#endif

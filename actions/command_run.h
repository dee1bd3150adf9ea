/* One program, run to its end or to the end of our patience.
 *
 * It is the leader of a session of its own, with nothing of ours but what it is given: no descriptor, no signal
 * setting, no variable. Whatever of its session is left when it ends, or when it is told to end, is killed with it. A
 * process that makes a session of its own (a daemon) is out of reach, on purpose: that is how a program says that
 * something is to outlive it. No shell is made here, and nothing is written to its input. */
#ifndef TURNOUT_ACTIONS_COMMAND_RUN_H
#define TURNOUT_ACTIONS_COMMAND_RUN_H

#include "base/err.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define COMMAND_OUTPUT_KEPT 4096 /* the end of it, where errors stand */

struct command_run {
    const char *const *argv;        /* NULL at the end; the first is looked up in PATH when it has no slash */
    const char *const *environment; /* "NAME=VALUE", NULL at the end: all of it */
    const char *directory;          /* NULL: the daemon's own */
    int64_t deadline_at;            /* steady */
    const atomic_bool *cancel;      /* may be NULL */
};

enum command_end {
    COMMAND_ENDED,     /* by itself, with `status` */
    COMMAND_KILLED,    /* by a signal that we did not send: `status` */
    COMMAND_TIMED_OUT, /* by us */
    COMMAND_CANCELLED, /* likewise */
};

struct command_ended {
    enum command_end end;
    int status;
    int64_t took_ms;
    int64_t n_output;                 /* bytes, of output and errors as they came */
    char output[COMMAND_OUTPUT_KEPT]; /* the last of them */
    size_t output_len;
};

/* ERR_OK: it has run, and ret says how it ended. Else it certainly has not: ERR_INVALID (it cannot be run: not there,
 * not executable, no such directory) or ERR_TEMPORARY (no memory, too many processes). Blocks until deadline_at at
 * most, and then for as long as it takes to kill: 2 s, or 0.8 s after a cancel. Any thread. */
MUST_CHECK enum err command_run(const struct command_run *command, struct command_ended *ret, struct errmsg *why);

#endif

/* Points at which a test ends or freezes the daemon: the commits of the store, the requests of a run, what lies
 * between.
 *
 * Names are made of what is done, not of how many things were done before it, since the order of threads differs from
 * one run to the next: "commit after: step 2 attempt 3 apply begun #1". The number counts the same name only.
 *
 * They are there with -DTURNOUT_CRASH_POINTS only, which no release has: a way to end the daemon from outside must not
 * be in it, and a test looks. Nothing may depend on them: each is one line, without effect elsewhere. */
#ifndef TURNOUT_BASE_CRASH_POINT_H
#define TURNOUT_BASE_CRASH_POINT_H

#include "base/err.h"

#include <stdint.h>

#ifdef TURNOUT_CRASH_POINTS

/* Reads TURNOUT_CRASH_LOG (a file: each name passed is a line of it, behind a number that the names of one point have
 * in common), TURNOUT_CRASH_AT (names, a ';' between two: the process ends at the first of them that is passed) and
 * TURNOUT_CRASH_HOW (`kill`, the default, or `stop`: it freezes until somebody sends SIGCONT, each name once), and
 * TURNOUT_CRASH_SKEW (a file with the milliseconds that a freeze lasts for the daemon's clocks, read when it is over).
 * Before other threads. */
void crash_points_start(void);
/* What this thread is at: the second half of its points' names. */
void crash_scope_clear(void);
void crash_scope_add(const char *format, ...) PRINTF_LIKE(1, 2);
/* One point for each thing that the thread is at. */
void crash_point(const char *what);
/* What the clocks are ahead of the kernel's, after freezes. */
int64_t crash_skew_ms(void);

#else

#define crash_points_start() ((void)0)
#define crash_scope_clear() ((void)0)
#define crash_scope_add(...) ((void)0)
#define crash_point(what) ((void)0)
#define crash_skew_ms() ((int64_t)0)

#endif
#endif

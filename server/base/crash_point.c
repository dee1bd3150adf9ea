#include "base/crash_point.h"

#ifdef TURNOUT_CRASH_POINTS

#include "base/cleanup.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_NAME 120
#define MAX_SCOPES 64
#define MAX_POINTS 8192

struct counter {
    char name[MAX_NAME];
    int count;
};

static struct {
    bool is_on, is_stopping;
    int log;
    char *skew_path;
    char *at; /* names with a ';' around each; what was used is blanked */
    pthread_mutex_t mutex;
    atomic_int n_groups;
    int n;
    struct counter counters[MAX_POINTS];
} points = {.log = -1, .mutex = PTHREAD_MUTEX_INITIALIZER};

static atomic_llong skew_ms;

static _Thread_local struct {
    int n;
    char names[MAX_SCOPES][MAX_NAME];
} scope;

void crash_points_start(void)
{
    const char *log = getenv("TURNOUT_CRASH_LOG");
    const char *at = getenv("TURNOUT_CRASH_AT");
    const char *how = getenv("TURNOUT_CRASH_HOW");
    const char *skew = getenv("TURNOUT_CRASH_SKEW");
    points.is_stopping = how && strcmp(how, "stop") == 0;
    points.skew_path = skew ? strdup(skew) : NULL; /* the environment is wiped */
    if (log)
        points.log = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (at && asprintf(&points.at, ";%s;", at) < 0)
        points.at = NULL;
    points.is_on = points.log >= 0 || points.at;
}

void crash_scope_clear(void)
{
    scope.n = 0;
}

void crash_scope_add(const char *format, ...)
{
    if (!points.is_on || scope.n == MAX_SCOPES)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(scope.names[scope.n], MAX_NAME, format, args);
    va_end(args);
    for (int i = 0; i < scope.n; i++)
        if (strcmp(scope.names[i], scope.names[scope.n]) == 0)
            return;
    scope.n++;
}

/* With the mutex held. */
static int count(const char *name)
{
    for (int i = 0; i < points.n; i++)
        if (strcmp(points.counters[i].name, name) == 0)
            return ++points.counters[i].count;
    if (points.n == MAX_POINTS)
        return 0;
    struct counter *counter = &points.counters[points.n++];
    snprintf(counter->name, sizeof counter->name, "%s", name);
    return counter->count = 1;
}

/* A long freeze without waiting for it: what the file says has passed by the time that the process goes on. */
static void skip_time(void)
{
    char text[32] = "";
    int fd = points.skew_path ? open(points.skew_path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    if (read(fd, text, sizeof text - 1) > 0)
        atomic_fetch_add(&skew_ms, strtoll(text, NULL, 10));
    close(fd);
}

int64_t crash_skew_ms(void)
{
    return atomic_load_explicit(&skew_ms, memory_order_relaxed);
}

/* With the mutex held: no other point is passed before the signal has arrived. A stop is sent to this very thread: sent
 * to the process it may be another thread that takes it, and this one goes on a little. */
static void end_here(char *found, size_t len)
{
    memset(found, ' ', len);
    if (points.is_stopping) {
        raise(SIGSTOP);
        skip_time();
    } else {
        kill(getpid(), SIGKILL);
    }
}

static void pass(int group, const char *what, const char *where)
{
    char name[MAX_NAME];
    char wanted[2 * MAX_NAME];
    char line[2 * MAX_NAME];
    snprintf(name, sizeof name, "%s: %s", what, where);
    pthread_mutex_lock(&points.mutex);
    snprintf(wanted, sizeof wanted, ";%s #%d;", name, count(name));
    char *found = points.at ? strstr(points.at, wanted) : NULL;
    int len = snprintf(line, sizeof line, "%d %.*s\n", group, (int)strlen(wanted) - 2, wanted + 1);
    if (points.log >= 0)
        (void)!write(points.log, line, (size_t)len);
    if (found)
        end_here(found + 1, strlen(wanted) - 2);
    pthread_mutex_unlock(&points.mutex);
}

void crash_point(const char *what)
{
    if (!points.is_on)
        return;
    int group = atomic_fetch_add(&points.n_groups, 1);
    if (scope.n == 0)
        pass(group, what, "nothing of a run");
    for (int i = 0; i < scope.n; i++)
        pass(group, what, scope.names[i]);
}

#endif

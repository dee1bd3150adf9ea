/* Watches what is around the daemon: whether it is cut off itself, whether somebody has thrown the kill switch, and
 * whether the dead man's switch outside hears of us.
 *
 * One thread keeps the time, and one more for each URL asks, so that one that hangs delays no other. What is found goes
 * to the orchestrator as a command; holding back is its own. The dead man's switch hears of us only while the
 * orchestrator answers such a command and takes deliveries: a process that merely lives must not keep it quiet. */
#ifndef TURNOUT_SERVER_WATCH_WATCH_H
#define TURNOUT_SERVER_WATCH_WATCH_H

#include "base/secret.h"
#include "base/strbuf.h"
#include "command.h"

struct watch;

/* What keeps the daemon from acting by itself, or ought to be known at once. */
struct watch_holds {
    bool is_cut_off;
    bool is_killed;
    bool is_heartbeat_failing;
};

/* Everything borrowed until watch_free(). */
struct watch_settings {
    struct command_queue *commands;
    const char *site;        /* NULL: not said */
    const char *kill_switch; /* NULL: there is none */
    char *const *urls;       /* the self-check's */
    int n_urls;              /* 0: none is made */
    int need;                /* so many have to answer, with anything */
    int64_t every_ms, timeout_ms;
    const struct secret *heartbeat; /* URL; not set: none */
    int64_t heartbeat_every_ms;
    /* Called on the watch's thread when one of them has changed. */
    void (*on_change)(void *context, const struct watch_holds *holds);
    void *context;
};

/* The first self-check begins at once. ERR_NO_MEMORY, ERR_IO: no thread. */
MUST_CHECK enum err watch_start(const struct watch_settings *settings, struct watch **ret, struct errmsg *why);
/* Whether deliveries are taken; false at first. Any thread. Accepts NULL. */
void watch_set_ready(struct watch *watch, bool is_ready);
/* Ends what is under way within about 100 ms. Accepts NULL, and one that is stopped. */
void watch_stop(struct watch *watch);
/* After watch_stop(), when all its commands are done. Accepts NULL. */
void watch_free(struct watch *watch);

/* A new object, for pages; NULL: out of memory. Any thread, until watch_free().
 * {"site": name or null,
 *  "self_check": {"state": "off" | "unknown" | "ok" | "cut_off", "text", "at": time of the last look or null},
 *  "kill_switch": {"state": "off" (none is configured) | "absent" | "there", "text", "since": or null},
 *  "heartbeat": {"state": "off" | "unknown" | "ok" | "failing", "text", "last_ok_at": or null, "failing_since": or
 * null}}
 */
json_t *watch_status(struct watch *watch);
/* Adds lines in Prometheus text format. Any thread, until watch_free(). Accepts NULL. */
void watch_metrics(struct watch *watch, struct strbuf *text);

#endif

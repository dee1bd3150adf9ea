/* The orchestrator: ONE thread, the only writer. It takes all waiting commands, asks the core, writes everything in one
 * transaction, and only after the commit lets replies and work go out.
 *
 * Its memory (services, votes, timers, open runs) is a copy of what the store says, never ahead of it: when a commit
 * fails, memory is thrown away and read again, the senders are told to come back, and results of attempts are kept
 * until they are stored. Do not give any other thread a pointer into that memory. */
#ifndef TURNOUT_SERVER_ORCHESTRATOR_ORCHESTRATOR_H
#define TURNOUT_SERVER_ORCHESTRATOR_ORCHESTRATOR_H

#include "base/err.h"
#include "base/strbuf.h"
#include "command.h"
#include "command_job.h"
#include "core/model.h"
#include "core/retention.h"
#include "store/ballast.h"
#include "store/store.h"

struct orchestrator;

/* Everything borrowed until orchestrator_stop(). */
struct orchestrator_settings {
    const struct model *model;
    struct store *store;
    struct command_queue *commands;
    struct job_queue *jobs;
    struct ballast *ballast; /* NULL: there is none */
    struct keep keep;
    const char *config_path;
    const char *config_digest;
    bool has_self_check;     /* until COMMAND_OUTSIDE says otherwise the daemon may be cut off */
    const char *kill_switch; /* looked for once, at the start; then COMMAND_OUTSIDE tells of it. NULL: there is none */
    /* Called on the orchestrator's thread when it becomes able or unable to take deliveries. */
    void (*on_ready)(void *context, bool is_ready, const char *why);
    void *context;
};

/* Reads the state, records the start, and starts the thread. ERR_NO_MEMORY, or what the store says. */
MUST_CHECK enum err orchestrator_start(const struct orchestrator_settings *settings, struct orchestrator **ret,
                                       struct errmsg *why);
/* After command_queue_close(): everything taken is still carried out and answered, the stop is recorded, the thread
 * ends. Accepts NULL. */
void orchestrator_stop(struct orchestrator *orchestrator);
/* What holds for the daemon as a whole, some hundred milliseconds old at most while anything changes: a new object {
 * "cut_off", "kill_switch", "flood": a sentence, or null where nothing is wrong; "places_down": [places],
 * "stale": [sources], "suspect": [voters], "paused": [services], "waiting", "attention": [{"service", "run"}]}.
 * NULL: out of memory. Any thread. */
json_t *orchestrator_status(struct orchestrator *orchestrator);
/* Adds lines in Prometheus text format. Any thread. */
void orchestrator_metrics(struct orchestrator *orchestrator, struct strbuf *text);

#endif

/* What the watch's files share; nobody else includes this. Everything but the settings is guarded by the mutex. */
#ifndef TURNOUT_SERVER_WATCH_INTERNAL_H
#define TURNOUT_SERVER_WATCH_INTERNAL_H

#include "watch/ask.h"
#include "watch/watch.h"

#define WATCH_TEXT_SIZE 160 /* as in struct command_outside */

enum watched { WATCHED_OFF, WATCHED_UNKNOWN, WATCHED_WELL, WATCHED_BAD };

struct watched_check {
    enum watched state;
    char text[WATCH_TEXT_SIZE];
    int64_t at;           /* wall; of the last round; 0: none */
    int64_t next_at;      /* steady */
    int64_t asked_at;     /* steady; of the round under way or the last */
    bool is_asking;       /* a round is under way */
    int n_misses;         /* in a row */
    struct asker *askers; /* n_urls of them */
};

struct watched_switch {
    enum watched state;
    char text[WATCH_TEXT_SIZE];
    int64_t since;   /* wall; while it is there */
    int64_t next_at; /* steady */
};

struct watched_heartbeat {
    enum watched state;
    char text[WATCH_TEXT_SIZE];
    int64_t last_ok_at, failing_since; /* wall; 0: never, not */
    int64_t next_at;                   /* steady */
    int64_t due_at;                    /* steady; of the one that waits for the orchestrator; 0: none does */
    bool is_sending;
    struct asker asker;
};

struct watch {
    struct watch_settings settings;
    pthread_t thread;
    bool has_thread, is_stopping;
    atomic_bool is_cancelling; /* of what the askers have under way */
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct watched_check check;
    struct watched_switch kill;
    struct watched_heartbeat heartbeat;
    bool is_ready;
    bool is_unsaid;      /* the orchestrator has not been told of the latest, or has lost it */
    int64_t answered_at; /* steady; when it last answered */
    struct watch_holds told;
};

#endif

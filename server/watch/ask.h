/* Asks one URL with GET when told to, on a thread of its own, so that who tells it never waits.
 *
 * What it says of an answer are its own words: neither the URL nor what libcurl says of it, for a URL may be a secret.
 * Bodies are bounded and thrown away, redirects are not followed. */
#ifndef TURNOUT_SERVER_WATCH_ASK_H
#define TURNOUT_SERVER_WATCH_ASK_H

#include "base/err.h"
#include "fetch/fetch.h"

#include <pthread.h>

struct asked {
    int status;    /* of the HTTP answer; 0: there was none */
    char text[64]; /* "200", "no answer within 5000 ms" */
};

struct asker {
    const char *url; /* borrowed */
    int64_t timeout_ms;
    pthread_mutex_t *mutex; /* the owner's, borrowed: guards is_busy and asked */
    pthread_cond_t *told;   /* the owner's: signalled when an answer is there */
    const atomic_bool *cancel;
    pthread_t thread;
    pthread_cond_t cond;
    struct fetch *fetch;
    bool is_busy; /* told, and without an answer so far */
    bool has_thread, is_stopping;
    struct asked asked; /* the last */
};

/* The asker's place in memory must not change. ERR_NO_MEMORY, ERR_IO: no thread. Call asker_done() in every case. */
MUST_CHECK enum err asker_start(struct asker *asker, struct errmsg *why);
void asker_tell(struct asker *asker); /* with the mutex held, while it is not busy */
/* Without the mutex. What is under way ends within 100 ms when `cancel` is set. Accepts a zeroed one. */
void asker_done(struct asker *asker);

#endif

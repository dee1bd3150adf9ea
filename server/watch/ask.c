#include "watch/ask.h"

#include <stdio.h>

#define MAX_BODY ((size_t)64 * 1024)

static void put_words(struct asked *ret, enum err err, const struct fetch_response *response, int64_t timeout_ms)
{
    const char *words = "no connection";
    if (err == ERR_DENIED)
        words = "its certificate is not acceptable";
    else if (response->is_untried)
        words = "it cannot be tried from here (its name, or a socket)";
    else if (err == ERR_NO_MEMORY)
        words = "out of memory";
    else if (err == ERR_INVALID)
        words = "no URL that can be asked";
    else if (err == ERR_CANCELLED)
        words = "cancelled";
    else if (err == ERR_UNKNOWN)
        words = "the connection ends without an answer";
    bool is_over = (err == ERR_UNKNOWN || err == ERR_TEMPORARY) && response->took_ms + 20 >= timeout_ms;
    if (response->status > 0)
        snprintf(ret->text, sizeof ret->text, "HTTP %d", response->status);
    else if (is_over && !response->is_untried)
        snprintf(ret->text, sizeof ret->text, "no answer within %lld ms", (long long)timeout_ms);
    else
        snprintf(ret->text, sizeof ret->text, "%s", words);
    ret->status = response->status;
}

/* A status without the whole body is an answer: somebody is there. */
static struct asked ask(const struct asker *asker)
{
    struct asked asked = {0};
    struct fetch_response response;
    const struct fetch_request request = {.method = "GET",
                                          .url = asker->url,
                                          .is_fresh = true,
                                          .timeout_ms = asker->timeout_ms,
                                          .max_response = MAX_BODY,
                                          .cancel = asker->cancel};
    enum err err = asker->fetch->send(asker->fetch, &request, &response, NULL);
    put_words(&asked, err, &response, asker->timeout_ms);
    fetch_response_done(&response);
    return asked;
}

static void *work(void *context)
{
    struct asker *asker = context;
    pthread_mutex_lock(asker->mutex);
    while (!asker->is_stopping) {
        if (!asker->is_busy) {
            pthread_cond_wait(&asker->cond, asker->mutex);
            continue;
        }
        pthread_mutex_unlock(asker->mutex);
        struct asked asked = ask(asker);
        pthread_mutex_lock(asker->mutex);
        asker->asked = asked;
        asker->is_busy = false;
        pthread_cond_signal(asker->told);
    }
    pthread_mutex_unlock(asker->mutex);
    return NULL;
}

enum err asker_start(struct asker *asker, struct errmsg *why)
{
    asker->fetch = fetch_new();
    if (!asker->fetch)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    pthread_cond_init(&asker->cond, NULL);
    asker->has_thread = pthread_create(&asker->thread, NULL, work, asker) == 0;
    if (asker->has_thread)
        return ERR_OK;
    pthread_cond_destroy(&asker->cond);
    return err_set(why, ERR_IO, "a thread cannot be started");
}

void asker_tell(struct asker *asker)
{
    asker->is_busy = true;
    pthread_cond_signal(&asker->cond);
}

void asker_done(struct asker *asker)
{
    if (asker->has_thread) {
        pthread_mutex_lock(asker->mutex);
        asker->is_stopping = true;
        pthread_cond_signal(&asker->cond);
        pthread_mutex_unlock(asker->mutex);
        pthread_join(asker->thread, NULL);
        pthread_cond_destroy(&asker->cond);
    }
    fetch_free(asker->fetch);
    *asker = (struct asker){0};
}

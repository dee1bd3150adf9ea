/* Refused requests on their way to the audit: gathered per source and per operator, and told to the orchestrator as one
 * command a second with a count, so that a flood of them is not a flood of commands. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TELL_EVERY_MS 1000

enum err refusals_init(struct http *http)
{
    http->n_refusals = http->settings.n_sources + http->settings.n_operators + 2;
    http->refusals = calloc((size_t)http->n_refusals, sizeof *http->refusals);
    if (!http->refusals)
        return ERR_NO_MEMORY;
    for (int i = 0; i < http->n_refusals; i++) {
        bool is_source = i < http->settings.n_sources;
        bool is_of_hooks = is_source || i == http->n_refusals - 1;
        http->refusals[i].kind = is_of_hooks ? COMMAND_REJECTED : COMMAND_REFUSED_CALL;
        http->refusals[i].first.source = is_source ? i : -1;
        http->refusals[i].told_at = -TELL_EVERY_MS;
    }
    return ERR_OK;
}

void refusals_done(struct http *http)
{
    free(http->refusals);
    http->refusals = NULL;
}

static void log_refusal(const struct command_refused *refused)
{
    log_warning("%s%s%s: refused, %s (from %s; %d of them)", refused->what, refused->who[0] ? " by operator " : "",
                refused->who, refused->reason, refused->from[0] ? refused->from : "unknown", refused->count);
}

/* With the mutex held. What cannot be told now is told later. */
static void tell(struct http *http, struct refusal *refusal)
{
    struct command *command = command_new(refusal->kind);
    if (!command)
        return;
    command->done = command_free;
    command->as.refused = refusal->first;
    struct command_refused told = refusal->first;
    if (command_queue_push(http->settings.queue, command) != ERR_OK) {
        command_free(command);
        return;
    }
    log_refusal(&told);
    refusal->first.count = 0;
    refusal->told_at = clock_steady_ms();
}

static void refusal_add(struct http *http, struct refusal *refusal, const struct command_refused *refused)
{
    pthread_mutex_lock(&http->refusals_mutex);
    if (refusal->first.count == 0) {
        int source = refusal->first.source;
        refusal->first = *refused;
        refusal->first.source = source;
        refusal->first.count = 0;
    }
    if (refusal->first.count < INT32_MAX)
        refusal->first.count++;
    if (clock_steady_ms() - refusal->told_at >= TELL_EVERY_MS)
        tell(http, refusal);
    pthread_mutex_unlock(&http->refusals_mutex);
}

void refusal_of_source(struct request *request, const char *reason)
{
    struct http *http = request_http(request);
    struct command_refused refused = {.what = ""};
    atomic_fetch_add(&http->rejected, 1);
    atomic_fetch_add(&http->heard[request->source].refused, 1);
    snprintf(refused.what, sizeof refused.what, "source %s", http->settings.sources[request->source].name);
    snprintf(refused.reason, sizeof refused.reason, "%s", reason);
    address_format(&request->from, refused.from);
    refusal_add(http, &http->refusals[request->source], &refused);
}

void refusal_of_call(struct request *request, const struct http_operator *operator, const char * reason)
{
    struct http *http = request_http(request);
    const struct http_settings *settings = &http->settings;
    struct command_refused refused = {.what = ""};
    atomic_fetch_add(&http->refused_calls, 1);
    snprintf(refused.what, sizeof refused.what, "%.16s %.100s", request->method, request->path);
    snprintf(refused.reason, sizeof refused.reason, "%s", reason);
    utf8_clean(refused.what); /* both hold bytes from outside, cut to fit */
    utf8_clean(refused.reason);
    snprintf(refused.who, sizeof refused.who, "%s", operator ? operator->name : "");
    address_format(&request->from, refused.from);
    int row = settings->n_sources + (operator? (int)(operator- settings->operators) : settings->n_operators);
    refusal_add(http, &http->refusals[row], &refused);
}

/* Neither path nor method: what is in them has not been looked at, and may be a token. */
void refusal_of_client(struct request *request, const char *reason)
{
    struct http *http = request_http(request);
    bool is_of_hooks = request->connection->listener == &http->hooks;
    struct command_refused refused = {.what = ""};
    atomic_fetch_add(is_of_hooks ? &http->rejected : &http->refused_calls, 1);
    snprintf(refused.what, sizeof refused.what, "a client of %s", request->connection->listener->setting);
    snprintf(refused.reason, sizeof refused.reason, "%s", reason);
    address_format(&request->from, refused.from);
    refusal_add(http, &http->refusals[http->n_refusals - (is_of_hooks ? 1 : 2)], &refused);
}

void refusals_tell(struct http *http, bool is_last)
{
    pthread_mutex_lock(&http->refusals_mutex);
    for (int i = 0; i < http->n_refusals; i++) {
        struct refusal *refusal = &http->refusals[i];
        if (refusal->first.count > 0 && (is_last || clock_steady_ms() - refusal->told_at >= TELL_EVERY_MS))
            tell(http, refusal);
    }
    pthread_mutex_unlock(&http->refusals_mutex);
}

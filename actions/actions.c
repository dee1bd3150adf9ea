/* The registries of actions and providers, and the one way by which an action sends a request.
 *
 * What is recorded of an exchange goes to the audit log for good: no headers, no credentials, everything bounded. An
 * action must not call fetch->send by itself. */
#include "actions/action.h"

#include "actions/common.h"
#include "actions/list.h"
#include "base/clock.h"
#include "base/crash_point.h"

#include <string.h>

#define MAX_RECORDED_BODY 2049
#define MAX_RECORDED_ANSWER 513

#define X(name) extern const struct action action_##name;
ACTION_LIST(X)
#undef X
#define X(name) extern const struct provider_kind provider_kind_##name;
PROVIDER_KIND_LIST(X)
#undef X

static const struct action *const all_actions[] = {
#define X(name) &action_##name,
    ACTION_LIST(X)
#undef X
        NULL};

static const struct provider_kind *const all_kinds[] = {
#define X(name) &provider_kind_##name,
    PROVIDER_KIND_LIST(X)
#undef X
        NULL};

const struct action *const *action_list(void)
{
    return all_actions;
}

const struct action *action_find(const char *name)
{
    for (size_t i = 0; all_actions[i]; i++)
        if (strcmp(all_actions[i]->name, name) == 0)
            return all_actions[i];
    return NULL;
}

const struct provider_kind *const *provider_kind_list(void)
{
    return all_kinds;
}

const struct provider_kind *provider_kind_find(const char *name)
{
    for (size_t i = 0; all_kinds[i]; i++)
        if (strcmp(all_kinds[i]->name, name) == 0)
            return all_kinds[i];
    return NULL;
}

const struct secret *provider_secret(const struct provider *provider, const char *row)
{
    for (size_t i = 0; i < MAX_PROVIDER_SECRETS; i++)
        if (provider->secrets[i].row && strcmp(provider->secrets[i].row, row) == 0)
            return secret_is_set(&provider->secrets[i].value) ? &provider->secrets[i].value : NULL;
    return NULL;
}

void action_result_done(struct action_result *result)
{
    json_decref(result->current);
    json_decref(result->desired);
    json_decref(result->token);
    json_decref(result->previous);
    result->current = result->desired = result->token = result->previous = NULL;
}

/* ---- sending ----------------------------------------------------------------------------------------------------- */

/* Out of memory a detail is left out rather than the record of the request. */
static void exchange_record(struct action_call *call, const struct fetch_request *request,
                            const struct fetch_response *response, enum err err, const struct errmsg *why)
{
    char text[MAX_RECORDED_BODY];
    json_t *record = json_pack("{s:s, s:s, s:i, s:I}", "method", request->method, "url", request->url, "status",
                               response->status, "took_ms", (json_int_t)response->took_ms);
    if (!record)
        return;
    if (err != ERR_OK) {
        words_of(call, why->text, strlen(why->text), text, sizeof(why->text));
        json_object_set_new(record, "error", json_string(text));
    }
    if (response->request_id[0] != '\0')
        json_object_set_new(record, "request_id", json_string(response->request_id));
    if (request->body) {
        words_of(call, request->body, request->body_len, text, sizeof(text));
        json_object_set_new(record, "body", json_string(text));
    }
    if (response->status != 0 && !status_is_success(response->status) && response->body.len > 0) {
        words_of(call, response->body.data, response->body.len, text, MAX_RECORDED_ANSWER);
        json_object_set_new(record, "answer", json_string(text));
    }
    json_array_append_new(call->requests, record);
}

/* The header was written within the exchange, and says the second: only what lies outside of all that is skew. */
static int64_t skew_of(int64_t date_at, int64_t began_at, int64_t ended_at)
{
    if (date_at > ended_at)
        return date_at - ended_at;
    return date_at + 999 < began_at ? date_at + 999 - began_at : 0;
}

static void response_heed(struct action_call *call, const struct fetch_response *response, int64_t ended_at)
{
    if (!call->provider)
        return;
    if (response->date_at != 0)
        call->clock_skew_ms = skew_of(response->date_at, ended_at - response->took_ms, ended_at);
    budget_heed(call, response->rate_remaining, response->rate_reset_at);
}

static enum err consent_ask_last(void *context, struct errmsg *why)
{
    struct consent *consent = context;
    return consent->ask(consent, true, why);
}

/* After all waiting. */
static enum err effect_prepare(struct action_call *call, struct fetch_request *request, struct errmsg *why)
{
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
        return ERR_OK;
    if (call->consent) {
        request->may_send = consent_ask_last;
        request->may_send_context = call->consent;
    }
    return call_may_write(call, why);
}

/* What a server echoes of a credential is read by nobody, in whatever field it stands: a target, a name, an id. */
static void response_hide(const struct action_call *call, struct fetch_response *ret)
{
    if (ret->body.len > 0)
        ret->body.len = secrets_hide(call, ret->body.data, ret->body.len);
    (void)secrets_hide(call, ret->request_id, strlen(ret->request_id));
    (void)secrets_hide(call, ret->content_type, strlen(ret->content_type));
}

enum err action_send(struct action_call *call, struct fetch_request *request, struct fetch_response *ret,
                     struct errmsg *why)
{
    *ret = (struct fetch_response){.retry_after_ms = -1, .rate_remaining = -1};
    enum err err = budget_wait(call, why);
    if (err != ERR_OK)
        return err;
    int64_t left_ms = call_left_ms(call);
    if (left_ms <= 0)
        return err_set(why, ERR_TEMPORARY, "the time of this attempt (%lld ms) was used up before the request",
                       (long long)call->timeout_ms);
    err = effect_prepare(call, request, why);
    if (err != ERR_OK)
        return err;
    if (request->timeout_ms <= 0 || request->timeout_ms > left_ms)
        request->timeout_ms = left_ms;
    request->cancel = call->cancel;
    crash_point("request before");
    err = call->fetch->send(call->fetch, request, ret, why);
    crash_point("request after");
    response_hide(call, ret);
    response_heed(call, ret, clock_wall_ms());
    /* before these nothing went out, not even a look-up */
    if (err != ERR_INVALID && err != ERR_CANCELLED)
        exchange_record(call, request, ret, err, why);
    return err;
}

#include "actions/route53_api.h"

#include "actions/common.h"
#include "actions/route53_xml.h"
#include "actions/sigv4.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum err route53_open(struct provider *provider, struct errmsg *why)
{
    struct zone_queue *queue = zone_queue_new();
    if (!queue)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    provider->state = queue;
    return ERR_OK;
}

void route53_close(struct provider *provider)
{
    zone_queue_free(provider->state);
    provider->state = NULL;
}

struct zone_queue *route53_queue(const struct action_call *call)
{
    return call->provider->state;
}

const struct row route53_provider_rows[] = {
    {.name = "url",
     .type = ROW_URL,
     .help = "base of the API in place of AWS's own, what stands before " ROUTE53_VERSION},
    {.name = "access_key_id", .type = ROW_SECRET, .is_required = true, .help = "access key id"},
    {.name = "secret_access_key",
     .type = ROW_SECRET,
     .is_required = true,
     .help = "secret access key; needs route53:ListResourceRecordSets, ChangeResourceRecordSets and GetChange"},
    {.name = "session_token", .type = ROW_SECRET, .help = "session token, for temporary keys"},
    RATE_ROW("5", "a second"),
    {.name = NULL},
};

static enum outcome route53_outcome(int status, const char *code, bool is_write)
{
    static const char *const passing[] = {"Throttling", "ThrottlingException", "PriorRequestNotComplete",
                                          "RequestLimitExceeded", "ServiceUnavailable"};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strcmp(code, passing[i]) == 0)
            return OUTCOME_TEMPORARY;
    return code[0] ? outcome_of_status(status, is_write) : outcome_of_gateway(status, is_write);
}

static bool is_not_as_seen(const struct route53_error *error)
{
    const char *message = strbuf_text(&error->message);
    return strcmp(error->code, "InvalidChangeBatch") == 0 &&
           (strcasestr(message, "but it was not found") || strcasestr(message, "do not match the current values"));
}

static void route53_refused(struct action_call *call, const struct fetch_response *response, bool is_write,
                            struct action_result *ret, struct route53_refusal *refusal)
{
    struct route53_error error;
    struct strbuf text = STRBUF_INIT;
    char words[WORDS_SIZE];
    enum err err = route53_error_read(strbuf_text(&response->body), response->body.len, &error);
    if (err == ERR_OK) {
        const char *code = error.code;
        snprintf(refusal->code, sizeof(refusal->code), "%s", code);
        refusal->is_not_as_seen = is_not_as_seen(&error);
        bool is_clock = strcmp(code, "SignatureDoesNotMatch") == 0 || strstr(code, "Expired") || strstr(code, "Skewed");
        strbuf_addf(&text, "%s%s: %s", code, is_clock ? " (are the secret and this host's clock right?)" : "",
                    strbuf_text(&error.message));
        words_of(call, strbuf_text(&text), text.len, words, sizeof(words));
    } else {
        words_of_body(call, response, words, sizeof(words));
    }
    enum outcome outcome = route53_outcome(response->status, refusal->code, is_write);
    result_of_status(ret, outcome_of_refusal(outcome, err == ERR_NO_MEMORY), ROUTE53_WHO, response, words);
    strbuf_done(&error.message);
    strbuf_done(&text);
}

static enum err signed_send(struct action_call *call, struct fetch_request request, struct fetch_response *response,
                            struct errmsg *why)
{
    static const struct secret none = {NULL, 0}; /* required rows: only a call without configuration has none */
    const struct secret *id = provider_secret(call->provider, "access_key_id");
    const struct secret *secret = provider_secret(call->provider, "secret_access_key");
    const struct secret *token = provider_secret(call->provider, "session_token");
    struct sigv4_key key = {.access_key_id = id ? id->bytes : "",
                            .secret_access_key = secret ? secret : &none,
                            .session_token = token ? token->bytes : NULL,
                            .region = "us-east-1", /* of Route 53, wherever one is */
                            .service = "route53"};
    struct fetch_header headers[4];
    struct sigv4_signed made;
    size_t n = 0;
    *response = (struct fetch_response){.retry_after_ms = -1};
    if (request.body)
        headers[n++] = (struct fetch_header){"Content-Type", "text/xml", false};
    request.headers = headers;
    request.n_headers = n;
    enum err err = sigv4_sign(&key, &request, clock_wall_ms(), &made, why);
    if (err != ERR_OK)
        return err;
    headers[n++] = (struct fetch_header){"X-Amz-Date", made.date, false};
    headers[n++] = (struct fetch_header){"Authorization", strbuf_text(&made.authorization), true};
    if (token)
        headers[n++] = (struct fetch_header){"X-Amz-Security-Token", token->bytes, true};
    request.n_headers = n;
    err = action_send(call, &request, response, why);
    sigv4_signed_done(&made);
    return err;
}

bool route53_send(struct action_call *call, const char *method, const char *path, const struct strbuf *body,
                  struct action_result *ret, struct fetch_response *response, struct route53_refusal *refusal)
{
    struct strbuf url = STRBUF_INIT;
    struct errmsg why = {""};
    bool is_write = strcmp(method, "GET") != 0;
    url_base(&url, call->provider, ROUTE53_URL);
    strbuf_adds(&url, ROUTE53_VERSION);
    strbuf_adds(&url, path ? path : "");
    struct fetch_request request = {.method = method, .url = strbuf_text(&url)};
    if (body) {
        request.body = strbuf_text(body);
        request.body_len = body->len;
    }
    *refusal = (struct route53_refusal){.code = ""};
    *response = (struct fetch_response){.retry_after_ms = -1};
    enum err err = ERR_OK;
    if (!path || url.is_broken)
        err = err_set(&why, ERR_NO_MEMORY, "out of memory");
    else
        err = signed_send(call, request, response, &why);
    strbuf_done(&url);
    if (err == ERR_OK && status_is_success(response->status))
        return true;
    if (err == ERR_OK)
        route53_refused(call, response, is_write, ret, refusal);
    else
        result_of_failure(call, ret, ROUTE53_WHO, is_write, err, &why);
    fetch_response_done(response);
    return false;
}

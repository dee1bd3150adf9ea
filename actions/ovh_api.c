#include "actions/ovh_api.h"

#include "actions/common.h"
#include "actions/ovh_sign.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIME_TIMEOUT_MS 3000
#define SERVERS_KEPT_MS (10 * 60 * 1000)
#define REFRESH_TAKES_MS (30 * 1000) /* at most; one that has not shown by then was swallowed */
#define MAX_ZONES 1000
#define CREDENTIAL_KEPT_MS (60 * 60 * 1000)

struct zone {
    struct zone *next;
    char *name;
    int64_t refreshed_at;        /* steady; 0: not by us */
    uint32_t serial;             /* before that refresh */
    struct dns_servers *servers; /* NULL: not known */
    int64_t servers_at;          /* steady */
};

struct ovh_state {
    pthread_mutex_t lock;
    struct zone_queue *queue;
    struct zone *zones;
    int n_zones;
    bool has_offset;
    int64_t offset_ms;           /* the server's time less our steady time */
    bool is_skew_likely;         /* the last signed request was refused for what may be the clock */
    int64_t credential_asked_at; /* steady; 0: not so far */
    int64_t credential_ends_at;  /* wall; 0: never, or not known */
};

enum err ovh_open(struct provider *provider, struct errmsg *why)
{
    struct ovh_state *state = calloc(1, sizeof(*state));
    struct zone_queue *queue = zone_queue_new();
    if (!state || !queue) {
        free(state);
        zone_queue_free(queue);
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    pthread_mutex_init(&state->lock, NULL);
    state->queue = queue;
    provider->state = state;
    return ERR_OK;
}

void ovh_close(struct provider *provider)
{
    struct ovh_state *state = provider->state;
    if (!state)
        return;
    while (state->zones) {
        struct zone *zone = state->zones;
        state->zones = zone->next;
        free(zone->name);
        free(zone->servers);
        free(zone);
    }
    zone_queue_free(state->queue);
    pthread_mutex_destroy(&state->lock);
    free(state);
    provider->state = NULL;
}

const struct row ovh_provider_rows[] = {
    {.name = "endpoint",
     .type = ROW_CHOICE,
     .default_text = "ovh-eu",
     .choices = "ovh-eu|ovh-ca|ovh-us",
     .help = "region of the account; keys are known in their own region only"},
    {.name = "url", .type = ROW_URL, .help = "base of the API in place of the endpoint's, what stands before /domain"},
    {.name = "application_key", .type = ROW_SECRET, .is_required = true, .help = "application key"},
    {.name = "application_secret", .type = ROW_SECRET, .is_required = true, .help = "application secret"},
    {.name = "consumer_key",
     .type = ROW_SECRET,
     .is_required = true,
     .help = "consumer key, with the right to GET, PUT and POST below /domain/zone; with that to GET "
             "/auth/currentCredential readiness warns 7 days before it ends"},
    RATE_ROW("60", "a minute"),
    {.name = NULL},
};

struct zone_queue *ovh_queue(const struct action_call *call)
{
    const struct ovh_state *state = call->provider->state;
    return state->queue;
}

const char *ovh_endpoint_base(const struct provider *provider)
{
    static const struct {
        const char *name, *base;
    } endpoints[] = {
        {"ovh-eu", "https://eu.api.ovh.com/1.0"},
        {"ovh-ca", "https://ca.api.ovh.com/1.0"},
        {"ovh-us", "https://api.us.ovhcloud.com/1.0"},
    };
    const char *name = arg_text(provider->args, "endpoint", "ovh-eu");
    for (size_t i = 0; i < COUNT_OF(endpoints); i++)
        if (strcmp(endpoints[i].name, name) == 0)
            return endpoints[i].base;
    return endpoints[0].base;
}

/* ---- the server's clock ------------------------------------------------------------------------------------------ */

static bool offset_recall(struct ovh_state *state, int64_t *ret)
{
    pthread_mutex_lock(&state->lock);
    bool has_offset = state->has_offset;
    *ret = state->offset_ms;
    pthread_mutex_unlock(&state->lock);
    return has_offset;
}

/* Asks for the time, unsigned. When that does not work our own clock has to do: it is right more often than not, and
 * this one address must not stand between an outage and its repair. */
static int64_t server_time_ms(struct action_call *call)
{
    struct ovh_state *state = call->provider->state;
    int64_t offset_ms;
    if (offset_recall(state, &offset_ms))
        return clock_steady_ms() + offset_ms;

    struct strbuf url = STRBUF_INIT;
    url_base(&url, call->provider, ovh_endpoint_base(call->provider));
    strbuf_adds(&url, "/auth/time");
    int64_t third = call_left_ms(call) / 3;
    struct fetch_request request = {
        .method = "GET", .url = strbuf_text(&url), .timeout_ms = third < TIME_TIMEOUT_MS ? third : TIME_TIMEOUT_MS};
    struct fetch_response response;
    struct errmsg why;
    int64_t began_at = clock_steady_ms();
    json_t *time = NULL;
    if (action_send(call, &request, &response, &why) == ERR_OK && status_is_success(response.status))
        time = json_loadb(strbuf_text(&response.body), response.body.len, JSON_DECODE_ANY, NULL);
    int64_t seconds = json_is_integer(time) ? json_integer_value(time) : 0;
    bool is_known = seconds > 0 && seconds < INT64_MAX / 2000;
    if (is_known) { /* the answer is cut to whole seconds: half of one is the best guess */
        offset_ms = seconds * 1000 + 500 - (began_at + clock_steady_ms()) / 2;
        pthread_mutex_lock(&state->lock);
        state->has_offset = true;
        state->offset_ms = offset_ms;
        pthread_mutex_unlock(&state->lock);
    }
    json_decref(time);
    fetch_response_done(&response);
    strbuf_done(&url);
    return is_known ? clock_steady_ms() + offset_ms : clock_wall_ms();
}

static bool smells_of_skew(int status, const char *words)
{
    return (status == 400 || status == 401 || status == 403) &&
           (strcasestr(words, "signature") || strcasestr(words, "out of time") || strcasestr(words, "QUERY_TIME_OUT") ||
            strcasestr(words, "timestamp"));
}

/* The offset is taken anew. True the first time in a row: with the new offset it may work. */
static bool skew_noted(struct ovh_state *state, bool is_skew)
{
    pthread_mutex_lock(&state->lock);
    bool is_first = is_skew && !state->is_skew_likely;
    state->is_skew_likely = is_first;
    if (is_skew)
        state->has_offset = false;
    pthread_mutex_unlock(&state->lock);
    return is_first;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* OVH's own words: its code or class, its message, and the id of the query, which its support asks for. False: there
 * was no memory to read them. */
static bool ovh_words(const struct action_call *call, const struct fetch_response *response, char words[WORDS_SIZE])
{
    bool is_short;
    json_t *body = json_of_answer(response, &is_short);
    const char *code = arg_text(body, "errorCode", arg_text(body, "class", NULL));
    const char *message = arg_text(body, "message", NULL);
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s%s%s", code ? code : "", code ? ": " : "", message ? message : "");
    if (message)
        words_of(call, strbuf_text(&text), text.len, words, WORDS_SIZE - 100);
    else
        words_of_body(call, response, words, WORDS_SIZE - 100);
    if (response->request_id[0] != '\0')
        snprintf(words + strlen(words), 100, " (query %.80s)", response->request_id);
    is_short = is_short || text.is_broken;
    strbuf_done(&text);
    json_decref(body);
    return !is_short;
}

static bool is_refresh_busy(const char *path, int status, const char *words)
{
    size_t len = strlen(path);
    bool is_refresh = len > 8 && strcmp(path + len - 8, "/refresh") == 0;
    return is_refresh && status >= 400 && status < 500 &&
           (status == 409 || strcasestr(words, "more than one refresh") || strcasestr(words, "already"));
}

static void ovh_refused(struct action_call *call, const char *path, bool is_write,
                        const struct fetch_response *response, struct action_result *ret)
{
    char words[WORDS_SIZE];
    bool is_short = !ovh_words(call, response, words);
    bool is_skew = smells_of_skew(response->status, words);
    enum outcome outcome = outcome_of_refusal(outcome_of_json(response, is_write), is_short);
    if (skew_noted(call->provider->state, is_skew) || is_refresh_busy(path, response->status, words))
        outcome = OUTCOME_TEMPORARY;
    result_of_status(ret, outcome, OVH_WHO, response, words);
}

static size_t headers_make(struct action_call *call, const char *timestamp, const char *signature, bool has_body,
                           struct fetch_header headers[5])
{
    const struct secret *application = provider_secret(call->provider, "application_key");
    const struct secret *consumer = provider_secret(call->provider, "consumer_key");
    headers[0] = (struct fetch_header){"X-Ovh-Application", application ? application->bytes : "", true};
    headers[1] = (struct fetch_header){"X-Ovh-Consumer", consumer ? consumer->bytes : "", true};
    headers[2] = (struct fetch_header){"X-Ovh-Timestamp", timestamp, false};
    headers[3] = (struct fetch_header){"X-Ovh-Signature", signature, true};
    headers[4] = (struct fetch_header){"Content-Type", "application/json", false};
    return has_body ? 5 : 4;
}

/* Signs and sends; the answer is the caller's to free. */
static enum err signed_send(struct action_call *call, struct fetch_request request, struct fetch_response *response,
                            struct errmsg *why)
{
    static const struct secret none = {NULL, 0}; /* required rows: only a call without configuration has none */
    const struct secret *secret = provider_secret(call->provider, "application_secret");
    const struct secret *consumer = provider_secret(call->provider, "consumer_key");
    int64_t seconds = server_time_ms(call) / 1000;
    char timestamp[32], signature[OVH_SIGNATURE_SIZE];
    struct fetch_header headers[5];
    *response = (struct fetch_response){.retry_after_ms = -1};
    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)seconds);
    if (ovh_sign(secret ? secret : &none, consumer ? consumer : &none, request.method, request.url, request.body,
                 request.body_len, seconds, signature) != ERR_OK)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    request.headers = headers;
    request.n_headers = headers_make(call, timestamp, signature, request.body != NULL, headers);
    return action_send(call, &request, response, why);
}

bool ovh_send(struct action_call *call, const char *method, const char *path, const char *body,
              struct action_result *ret, int *ret_status, json_t **ret_body)
{
    struct strbuf url = STRBUF_INIT;
    struct fetch_response response = {.retry_after_ms = -1};
    struct errmsg why = {""};
    bool is_write = strcmp(method, "GET") != 0;
    url_base(&url, call->provider, ovh_endpoint_base(call->provider));
    strbuf_adds(&url, path ? path : "");
    struct fetch_request request = {
        .method = method, .url = strbuf_text(&url), .body = body, .body_len = body ? strlen(body) : 0};
    enum err err = ERR_OK;
    if (!path || url.is_broken)
        err = err_set(&why, ERR_NO_MEMORY, "out of memory");
    else
        err = signed_send(call, request, &response, &why);
    bool is_good = err == ERR_OK && status_is_success(response.status);
    *ret_body = NULL;
    *ret_status = err == ERR_OK ? response.status : 0;
    if (is_good) {
        (void)skew_noted(call->provider->state, false);
        *ret_body = json_loadb(strbuf_text(&response.body), response.body.len, JSON_DECODE_ANY, NULL);
    } else if (err == ERR_OK) {
        ovh_refused(call, path, is_write, &response, ret);
    } else {
        result_of_failure(call, ret, OVH_WHO, is_write, err, &why);
    }
    fetch_response_done(&response);
    strbuf_done(&url);
    return is_good;
}

/* ---- the consumer key -------------------------------------------------------------------------------------------- */

/* True: this call is the one that asks. */
static bool credential_recall(struct ovh_state *state, int64_t *ret)
{
    const int64_t now = clock_steady_ms();
    pthread_mutex_lock(&state->lock);
    bool is_old = state->credential_asked_at == 0 || now - state->credential_asked_at >= CREDENTIAL_KEPT_MS;
    state->credential_asked_at = is_old ? now : state->credential_asked_at;
    *ret = state->credential_ends_at;
    pthread_mutex_unlock(&state->lock);
    return is_old;
}

/* A key that may not ask this is none the worse for it. */
int64_t ovh_credential_ends_at(struct action_call *call)
{
    struct ovh_state *state = call->provider->state;
    int64_t ends_at = 0;
    int status = 0;
    json_t *credential = NULL;
    struct action_result ignored = {.retry_after_ms = -1};
    if (!credential_recall(state, &ends_at) ||
        !ovh_send(call, "GET", "/auth/currentCredential", NULL, &ignored, &status, &credential))
        return ends_at;
    const char *text = arg_text(credential, "expiration", "");
    if (time_parse(text, strlen(text), &ends_at) != ERR_OK)
        ends_at = 0;
    json_decref(credential);
    pthread_mutex_lock(&state->lock);
    state->credential_ends_at = ends_at;
    pthread_mutex_unlock(&state->lock);
    return ends_at;
}

/* ---- zones ------------------------------------------------------------------------------------------------------- */

/* Found or made; NULL out of memory. The state's lock is held. */
static struct zone *zone_get(struct ovh_state *state, const char *name)
{
    for (struct zone *zone = state->zones; zone; zone = zone->next)
        if (name_equal(zone->name, name))
            return zone;
    struct zone *zone = state->n_zones < MAX_ZONES ? calloc(1, sizeof(*zone)) : NULL;
    if (!zone)
        return NULL;
    zone->name = strdup(name);
    if (!zone->name) {
        free(zone);
        return NULL;
    }
    zone->next = state->zones;
    state->zones = zone;
    state->n_zones++;
    return zone;
}

void ovh_zone_refreshed(struct action_call *call, const char *name, uint32_t serial)
{
    struct ovh_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    struct zone *zone = zone_get(state, name);
    if (zone) {
        zone->refreshed_at = clock_steady_ms();
        zone->serial = serial;
    }
    pthread_mutex_unlock(&state->lock);
}

bool ovh_zone_is_refreshing(struct action_call *call, const char *name, uint32_t serial)
{
    struct ovh_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    const struct zone *zone = zone_get(state, name);
    bool is_refreshing = zone && zone->refreshed_at > 0 && zone->serial == serial &&
                         clock_steady_ms() - zone->refreshed_at < REFRESH_TAKES_MS;
    pthread_mutex_unlock(&state->lock);
    return is_refreshing;
}

bool ovh_zone_servers_recall(struct action_call *call, const char *name, struct dns_servers *ret)
{
    struct ovh_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    const struct zone *zone = zone_get(state, name);
    bool is_known = zone && zone->servers && clock_steady_ms() - zone->servers_at < SERVERS_KEPT_MS;
    if (is_known)
        *ret = *zone->servers;
    pthread_mutex_unlock(&state->lock);
    return is_known;
}

void ovh_zone_servers_remember(struct action_call *call, const char *name, const struct dns_servers *servers)
{
    struct ovh_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    struct zone *zone = zone_get(state, name);
    if (zone && !zone->servers)
        zone->servers = malloc(sizeof(*zone->servers));
    if (zone && zone->servers) {
        *zone->servers = *servers;
        zone->servers_at = clock_steady_ms();
    }
    pthread_mutex_unlock(&state->lock);
}

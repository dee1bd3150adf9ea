#include "actions/linode_api.h"

#include "actions/common.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PAGES 40
#define PAGE_SIZE 500
#define MAX_KNOWN_DOMAINS 1000

struct linode_state {
    pthread_mutex_t lock;
    json_t *domain_ids; /* by name */
    struct zone_queue *queue;
};

enum err linode_open(struct provider *provider, struct errmsg *why)
{
    struct linode_state *state = calloc(1, sizeof(*state));
    json_t *ids = json_object();
    struct zone_queue *queue = zone_queue_new();
    if (!state || !ids || !queue) {
        free(state);
        json_decref(ids);
        zone_queue_free(queue);
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    pthread_mutex_init(&state->lock, NULL);
    state->domain_ids = ids;
    state->queue = queue;
    provider->state = state;
    return ERR_OK;
}

void linode_close(struct provider *provider)
{
    struct linode_state *state = provider->state;
    if (!state)
        return;
    json_decref(state->domain_ids);
    zone_queue_free(state->queue);
    pthread_mutex_destroy(&state->lock);
    free(state);
    provider->state = NULL;
}

const struct row linode_rows[] = {
    {.name = "url",
     .type = ROW_URL,
     .default_text = LINODE_URL,
     .help = "base of the API, what stands before /domains"},
    {.name = "token",
     .type = ROW_SECRET,
     .is_required = true,
     .help = "personal access token with the scope domains:read_write"},
    RATE_ROW("400", "a minute"),
    {.name = NULL},
};

struct zone_queue *linode_queue(const struct action_call *call)
{
    const struct linode_state *state = call->provider->state;
    return state->queue;
}

void linode_domain_remember(struct action_call *call, const char *domain, json_int_t id)
{
    struct linode_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    if (id == 0)
        json_object_del(state->domain_ids, domain);
    else if (json_object_size(state->domain_ids) < MAX_KNOWN_DOMAINS)
        json_object_set_new(state->domain_ids, domain, json_integer(id));
    pthread_mutex_unlock(&state->lock);
}

json_int_t linode_domain_recall(struct action_call *call, const char *domain)
{
    struct linode_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    json_int_t id = json_integer_value(json_object_get(state->domain_ids, domain));
    pthread_mutex_unlock(&state->lock);
    return id;
}

/* ---- requests ---- */

/* Linode's own words: every reason with its field. False: there was no memory to read them. */
static bool linode_words(const struct action_call *call, const struct fetch_response *response, char words[WORDS_SIZE])
{
    bool is_short;
    json_t *body = json_of_answer(response, &is_short);
    struct strbuf text = STRBUF_INIT;
    const json_t *error;
    size_t i;
    json_array_foreach(json_object_get(body, "errors"), i, error)
    {
        const char *reason = arg_text(error, "reason", NULL), *field = arg_text(error, "field", NULL);
        if (reason)
            strbuf_addf(&text, "%s%s%s%s%s", i ? "; " : "", reason, field ? " (field " : "", field ? field : "",
                        field ? ")" : "");
    }
    if (response->is_maintenance)
        strbuf_adds(&text, text.len ? "; the API is in maintenance" : "the API is in maintenance");
    if (text.len > 0)
        words_of(call, text.data, text.len, words, WORDS_SIZE);
    else
        words_of_body(call, response, words, WORDS_SIZE);
    is_short = is_short || text.is_broken;
    strbuf_done(&text);
    json_decref(body);
    return !is_short;
}

static enum outcome linode_outcome(const struct fetch_response *response, const char *words, bool is_write)
{
    if (response->status == 400 && strstr(words, "Linode busy."))
        return OUTCOME_TEMPORARY;
    if (response->status == 400 &&
        strncasecmp(response->content_type, "text/html", 9) == 0) /* the front's, not the API's */
        return OUTCOME_TEMPORARY;
    return outcome_of_json(response, is_write);
}

bool linode_send(struct action_call *call, struct fetch_request *request, const char *path, const char *filter,
                 struct action_result *ret, int *ret_status, json_t **ret_body)
{
    const struct secret *token = provider_secret(call->provider, "token");
    struct strbuf url = STRBUF_INIT, bearer = STRBUF_INIT;
    url_base(&url, call->provider, LINODE_URL);
    strbuf_adds(&url, path ? path : "");
    strbuf_addf(&bearer, "Bearer %s", token ? token->bytes : "");
    struct fetch_header headers[3] = {{"Authorization", strbuf_text(&bearer), true},
                                      {"Accept", "application/json", false}};
    if (filter)
        headers[2] = (struct fetch_header){"X-Filter", filter, false};
    else if (request->body)
        headers[2] = (struct fetch_header){"Content-Type", "application/json", false};
    request->url = strbuf_text(&url);
    request->headers = headers;
    request->n_headers = headers[2].name ? 3 : 2;
    bool is_write = strcmp(request->method, "GET") != 0;

    struct fetch_response response = {.retry_after_ms = -1};
    struct errmsg why = {""};
    enum err err = ERR_OK;
    if (!path || url.is_broken || bearer.is_broken)
        err = err_set(&why, ERR_NO_MEMORY, "out of memory");
    else
        err = action_send(call, request, &response, &why);
    *ret_body = NULL;
    *ret_status = err == ERR_OK ? response.status : 0;
    bool is_good = err == ERR_OK && status_is_success(response.status);
    if (err != ERR_OK) {
        result_of_failure(call, ret, LINODE_WHO, is_write, err, &why);
    } else if (!is_good) {
        char words[WORDS_SIZE];
        bool is_short = !linode_words(call, &response, words);
        enum outcome outcome = linode_outcome(&response, words, is_write);
        result_of_status(ret, outcome_of_refusal(outcome, is_short), LINODE_WHO, &response, words);
    } else {
        *ret_body = json_loadb(strbuf_text(&response.body), response.body.len, 0, NULL);
    }
    fetch_response_done(&response);
    if (bearer.data)
        secret_wipe(bearer.data, bearer.len);
    strbuf_done(&bearer);
    strbuf_done(&url);
    request->headers = NULL; /* gone with this call, as the URL */
    request->url = NULL;
    return is_good;
}

json_t *linode_get(struct action_call *call, const char *path, const char *filter, struct action_result *ret,
                   int *ret_status)
{
    struct fetch_request request = {.method = "GET"};
    json_t *body = NULL;
    if (linode_send(call, &request, path, filter, ret, ret_status, &body) && !json_is_object(body)) {
        result_set(ret, OUTCOME_TEMPORARY, LINODE_WHO " answers %d, but not with a JSON object", *ret_status);
        json_decref(body);
        return NULL;
    }
    return body;
}

bool linode_list(struct action_call *call, const char *path, const char *filter, struct action_result *ret,
                 int *ret_status, void (*take)(const json_t *entry, void *context), void *context)
{
    for (int page = 1, pages = 1; page <= pages; page++) {
        struct strbuf with_page = STRBUF_INIT;
        strbuf_addf(&with_page, "%s?page=%d&page_size=%d", path, page, PAGE_SIZE);
        json_t *body = linode_get(call, strbuf_whole(&with_page), filter, ret, ret_status);
        strbuf_done(&with_page);
        if (!body)
            return false;
        const json_t *data = json_object_get(body, "data"), *entry;
        json_int_t said = json_integer_value(json_object_get(body, "pages"));
        bool is_list = json_is_array(data) && said <= MAX_PAGES;
        size_t i;
        json_array_foreach(data, i, entry) take(entry, context);
        json_decref(body);
        if (!is_list) {
            result_set(ret, OUTCOME_TEMPORARY,
                       LINODE_WHO "'s list %s is not one that can be read (no data, or over %d pages)", path,
                       MAX_PAGES);
            return false;
        }
        pages = (int)said;
    }
    return true;
}

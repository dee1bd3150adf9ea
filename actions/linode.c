/* linode.dns_record: one record of a domain in Linode's DNS manager (API v4, "Domains").
 *
 * Records have no version and the list's filter is not to be trusted, so the record is found by comparing type and
 * name here, and exactly one must match. A PUT is partial and changes the API's view at once; what the name servers
 * get is the rendered zone file, which `settled` reads. TTLs are rounded by the API, and a good domain has a key
 * `errors`: only the status tells success. Making or deleting records must not be added: an outage is no time for it.
 */
#include "actions/action.h"
#include "actions/common.h"
#include "actions/linode_zone.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHO "Linode"
#define DEFAULT_URL "https://api.linode.com/v4"
#define MAX_PAGES 40
#define PAGE_SIZE 500
#define MAX_MATCHES 8
#define MAX_KNOWN_DOMAINS 1000

/* Ids of domains by name, so that polling for the zone file is one request. */
struct linode_state {
    pthread_mutex_t lock;
    json_t *domain_ids;
};

struct linode_record {
    json_int_t domain_id;
    json_int_t id;
    char target[512];
    int64_t ttl;
};

static enum err linode_open(struct provider *provider, struct errmsg *why)
{
    struct linode_state *state = calloc(1, sizeof(*state));
    json_t *ids = json_object();
    if (!state || !ids) {
        free(state);
        json_decref(ids);
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    pthread_mutex_init(&state->lock, NULL);
    state->domain_ids = ids;
    provider->state = state;
    return ERR_OK;
}

static void linode_close(struct provider *provider)
{
    struct linode_state *state = provider->state;
    if (!state)
        return;
    json_decref(state->domain_ids);
    pthread_mutex_destroy(&state->lock);
    free(state);
    provider->state = NULL;
}

/* id 0: forget */
static void domain_remember(struct action_call *call, const char *domain, json_int_t id)
{
    struct linode_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    if (id == 0)
        json_object_del(state->domain_ids, domain);
    else if (json_object_size(state->domain_ids) < MAX_KNOWN_DOMAINS)
        json_object_set_new(state->domain_ids, domain, json_integer(id));
    pthread_mutex_unlock(&state->lock);
}

static json_int_t domain_recall(struct action_call *call, const char *domain)
{
    struct linode_state *state = call->provider->state;
    pthread_mutex_lock(&state->lock);
    json_int_t id = json_integer_value(json_object_get(state->domain_ids, domain));
    pthread_mutex_unlock(&state->lock);
    return id;
}

/* The arguments that the rows cannot judge. */
static enum err linode_check_args(const json_t *args, struct errmsg *why)
{
    const char *record = arg_text(args, "record", ""), *domain = arg_text(args, "domain", "");
    enum err err = record_check(record, domain, why);
    return err == ERR_OK ? target_check(arg_text(args, "type", ""), arg_text(args, "target", ""), why) : err;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

/* Linode's own words: every reason with its field. */
static void linode_words(const struct action_call *call, const struct fetch_response *response, char words[WORDS_SIZE])
{
    json_t *body = json_loadb(strbuf_text(&response->body), response->body.len, 0, NULL);
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
        words_of(call, strbuf_text(&response->body), response->body.len, words, WORDS_SIZE);
    strbuf_done(&text);
    json_decref(body);
}

static enum outcome linode_outcome(const struct fetch_response *response, const char *words, bool is_write)
{
    if (response->status == 400 && strstr(words, "Linode busy."))
        return OUTCOME_TEMPORARY;
    if (response->status == 400 &&
        strncasecmp(response->content_type, "text/html", 9) == 0) /* the front's, not the API's */
        return OUTCOME_TEMPORARY;
    return outcome_of_status(response->status, is_write);
}

/* One request below the base. On any 2xx true, with the body as JSON in *ret_body (NULL when it is none); otherwise
 * false with the result set. */
static bool linode_send(struct action_call *call, struct fetch_request *request, const char *path, const char *filter,
                        struct action_result *ret, int *ret_status, json_t **ret_body)
{
    const struct secret *token = provider_secret(call->provider, "token");
    struct strbuf url = STRBUF_INIT, bearer = STRBUF_INIT;
    url_base(&url, call->provider, DEFAULT_URL);
    strbuf_adds(&url, path);
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

    struct fetch_response response;
    struct errmsg why = {""};
    enum err err = action_send(call, request, &response, &why);
    *ret_body = NULL;
    *ret_status = err == ERR_OK ? response.status : 0;
    bool is_good = err == ERR_OK && status_is_success(response.status);
    if (err != ERR_OK) {
        result_of_failure(call, ret, WHO, is_write, err, &why);
    } else if (!is_good) {
        char words[WORDS_SIZE];
        linode_words(call, &response, words);
        result_of_status(ret, linode_outcome(&response, words, is_write), WHO, &response, words);
    } else {
        *ret_body = json_loadb(strbuf_text(&response.body), response.body.len, 0, NULL);
    }
    fetch_response_done(&response);
    if (bearer.data)
        secret_wipe(bearer.data, bearer.len);
    strbuf_done(&bearer);
    strbuf_done(&url);
    return is_good;
}

static json_t *linode_get(struct action_call *call, const char *path, const char *filter, struct action_result *ret,
                          int *ret_status)
{
    struct fetch_request request = {.method = "GET"};
    json_t *body = NULL;
    if (linode_send(call, &request, path, filter, ret, ret_status, &body) && !json_is_object(body)) {
        result_set(ret, OUTCOME_TEMPORARY, WHO " answers %d, but not with a JSON object", *ret_status);
        json_decref(body);
        return NULL;
    }
    return body;
}

/* Calls `take` with every entry of a paged list. */
static bool linode_list(struct action_call *call, const char *path, const char *filter, struct action_result *ret,
                        int *ret_status, void (*take)(const json_t *entry, void *context), void *context)
{
    for (int page = 1, pages = 1; page <= pages; page++) {
        struct strbuf with_page = STRBUF_INIT;
        strbuf_addf(&with_page, "%s?page=%d&page_size=%d", path, page, PAGE_SIZE);
        json_t *body = linode_get(call, strbuf_text(&with_page), filter, ret, ret_status);
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
            result_set(ret, OUTCOME_TEMPORARY, WHO "'s list %s is not one that can be read (no data, or over %d pages)",
                       path, MAX_PAGES);
            return false;
        }
        pages = (int)said;
    }
    return true;
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

struct domain_search {
    const char *name;
    json_int_t id;
    char status[32];
    char type[32];
};

static void domain_take(const json_t *entry, void *context)
{
    struct domain_search *search = context;
    const char *name = arg_text(entry, "domain", NULL);
    if (!name || !name_equal(name, search->name))
        return;
    search->id = json_integer_value(json_object_get(entry, "id"));
    snprintf(search->status, sizeof(search->status), "%s", arg_text(entry, "status", ""));
    snprintf(search->type, sizeof(search->type), "%s", arg_text(entry, "type", ""));
}

static bool domain_find(struct action_call *call, struct action_result *ret, json_int_t *ret_id)
{
    struct domain_search search = {.name = arg_text(call->args, "domain", "")};
    int status;
    json_t *filter = json_pack("{s:s}", "domain", search.name);
    char *filter_text = filter ? json_dumps(filter, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    bool is_listed = linode_list(call, "/domains", filter_text, ret, &status, domain_take, &search);
    free(filter_text);
    json_decref(filter);
    if (!is_listed)
        return false;
    const char *trouble = NULL;
    if (search.id <= 0)
        trouble =
            "is not in this account, or the token may not see it; check the domain's name and the token's account";
    else if (strcmp(search.type, "slave") == 0)
        trouble = "is of type slave, a copy of another server's zone: change the record there";
    else if (strcmp(search.status, "disabled") == 0)
        trouble = "is disabled, so nothing of it is served; enable it in the DNS manager";
    if (trouble) {
        result_set(ret, OUTCOME_PERMANENT, "domain %s %s", search.name, trouble);
        return false;
    }
    domain_remember(call, search.name, search.id);
    *ret_id = search.id;
    return true;
}

struct record_search {
    const char *type;
    const char *name;
    struct linode_record found; /* the first */
    int n_found;
    struct strbuf ids;
};

static void record_take(const json_t *entry, void *context)
{
    struct record_search *search = context;
    const char *type = arg_text(entry, "type", ""), *name = arg_text(entry, "name", NULL);
    const char *target = arg_text(entry, "target", NULL);
    json_int_t id = json_integer_value(json_object_get(entry, "id"));
    if (strcmp(type, search->type) != 0 || !name || strcasecmp(name, search->name) != 0 || !target || id <= 0)
        return;
    if (search->n_found++ == 0) {
        search->found.id = id;
        search->found.ttl = arg_int(entry, "ttl_sec", 0);
        snprintf(search->found.target, sizeof(search->found.target), "%s", target);
    }
    if (search->n_found <= MAX_MATCHES)
        strbuf_addf(&search->ids, "%s%lld", search->ids.len ? ", " : "", (long long)id);
}

/* What the search has found must be exactly one. */
static bool record_chosen(const struct record_search *search, const char *domain, struct action_result *ret)
{
    const char *shown = search->name[0] == '\0' ? "@" : search->name;
    if (search->n_found == 1)
        return true;
    if (search->n_found == 0)
        result_set(
            ret, OUTCOME_PERMANENT,
            "domain %s has no record %s of type %s; make it once in the DNS manager, Turnout only changes records",
            domain, shown, search->type);
    else
        result_set(ret, OUTCOME_PERMANENT,
                   "domain %s has %d records %s of type %s (ids %s%s); leave one, so that it is plain which to change",
                   domain, search->n_found, shown, search->type, strbuf_text(&search->ids),
                   search->n_found > MAX_MATCHES ? ", ..." : "");
    return false;
}

static bool record_find(struct action_call *call, struct action_result *ret, struct linode_record *ret_record)
{
    struct record_search search = {.type = arg_text(call->args, "type", ""),
                                   .name = record_label(arg_text(call->args, "record", ""))};
    const char *domain = arg_text(call->args, "domain", "");
    json_int_t domain_id;
    if (!domain_find(call, ret, &domain_id))
        return false;
    json_t *filter = json_pack("{s:s}", "type", search.type);
    if (search.name[0] != '\0') /* whether an empty name can be asked for is not documented */
        json_object_set_new(filter, "name", json_string(search.name));
    char *filter_text = filter ? json_dumps(filter, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    char path[64];
    int status;
    snprintf(path, sizeof(path), "/domains/%lld/records", (long long)domain_id);
    bool is_found =
        linode_list(call, path, filter_text, ret, &status, record_take, &search) && record_chosen(&search, domain, ret);
    if (is_found) {
        *ret_record = search.found;
        ret_record->domain_id = domain_id;
    }
    free(filter_text);
    json_decref(filter);
    strbuf_done(&search.ids);
    return is_found;
}

/* ---- the action -------------------------------------------------------------------------------------------------- */

/* Equal, rounded as documented, or what the API made of it when this run set it. */
static bool ttl_is_right(const struct action_call *call, int64_t got)
{
    int64_t wanted = arg_int(call->args, "ttl", 0);
    return got == wanted || linode_ttl_is_rounded(wanted, got) || arg_int(call->applied, "ttl", -1) == got;
}

static void linode_observe(struct action_call *call, struct action_result *ret)
{
    const char *type = arg_text(call->args, "type", ""), *target = arg_text(call->args, "target", "");
    struct linode_record record;
    if (!args_are_good(call, ret, linode_check_args) || !record_find(call, ret, &record))
        return;
    ret->is_right = target_equal(type, record.target, target) && ttl_is_right(call, record.ttl);
    ret->token = json_pack("{s:I, s:I}", "domain", record.domain_id, "record", record.id);
    result_of_record(ret, record.target, record.ttl, target, arg_int(call->args, "ttl", 0));
}

/* The ids come from the observation; without one they are looked up. */
static bool apply_ids(struct action_call *call, struct action_result *ret, json_int_t *ret_domain,
                      json_int_t *ret_record)
{
    struct linode_record record;
    *ret_domain = arg_int(call->observed, "domain", 0);
    *ret_record = arg_int(call->observed, "record", 0);
    if (*ret_domain > 0 && *ret_record > 0)
        return true;
    if (!record_find(call, ret, &record))
        return false;
    *ret_domain = record.domain_id;
    *ret_record = record.id;
    return true;
}

static void linode_apply(struct action_call *call, struct action_result *ret)
{
    json_int_t domain_id, record_id;
    if (!args_are_good(call, ret, linode_check_args) || !apply_ids(call, ret, &domain_id, &record_id))
        return;
    const char *target = arg_text(call->args, "target", "");
    json_t *body = json_pack("{s:s, s:I}", "target", target, "ttl_sec", (json_int_t)arg_int(call->args, "ttl", 0));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    if (!text) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
        return;
    }
    char path[96];
    snprintf(path, sizeof(path), "/domains/%lld/records/%lld", (long long)domain_id, (long long)record_id);
    struct fetch_request request = {.method = "PUT", .body = text, .body_len = strlen(text)};
    int status;
    json_t *answer = NULL;
    if (linode_send(call, &request, path, NULL, ret, &status, &answer)) {
        ret->token = json_pack("{s:I, s:I, s:I}", "domain", domain_id, "record", record_id, "ttl",
                               (json_int_t)arg_int(answer, "ttl_sec", -1));
        result_set(ret, OUTCOME_OK, WHO " has taken target %s for record %lld", target, (long long)record_id);
    } else if (status == 404) {
        domain_remember(call, arg_text(call->args, "domain", ""), 0);
        ret->outcome = OUTCOME_TEMPORARY; /* gone since it was observed: the next observation says what is there */
    }
    json_decref(answer);
    free(text);
}

/* ---- the zone file ----------------------------------------------------------------------------------------------- */

static void zone_file_judge(struct action_call *call, struct action_result *ret, const json_t *lines)
{
    const char *target = arg_text(call->args, "target", ""), *domain = arg_text(call->args, "domain", "");
    const char *label = record_label(arg_text(call->args, "record", "")), *type = arg_text(call->args, "type", "");
    char found[512] = "";
    int n_found = linode_zone_find(lines, domain, label, type, found, sizeof(found));
    if (json_array_size(lines) == 0)
        result_set(ret, OUTCOME_NOT_YET, WHO " has not rendered the zone file of %s yet", domain);
    else if (n_found == 0)
        result_set(ret, OUTCOME_NOT_YET, "the zone file that " WHO " renders for %s does not have the record yet",
                   domain);
    else if (n_found > 1 || !target_equal(type, found, target))
        result_set(ret, OUTCOME_NOT_YET, "the zone file that " WHO " renders for %s still has %s%s", domain, found,
                   n_found > 1 ? " and others" : "");
    else
        result_set(ret, OUTCOME_OK, "the zone file that " WHO " renders for %s has %s", domain, target);
}

static void linode_settled(struct action_call *call, struct action_result *ret)
{
    const char *domain = arg_text(call->args, "domain", "");
    json_int_t id = arg_int(call->applied, "domain", 0);
    if (id <= 0)
        id = domain_recall(call, domain);
    if (id <= 0 && !domain_find(call, ret, &id))
        return;
    char path[64];
    int status;
    snprintf(path, sizeof(path), "/domains/%lld/zone-file", (long long)id);
    json_t *body = linode_get(call, path, NULL, ret, &status);
    if (body) {
        const json_t *lines = json_object_get(body, "zone_file");
        if (json_is_array(lines))
            zone_file_judge(call, ret, lines);
        else
            result_set(ret, OUTCOME_TEMPORARY, WHO "'s answer has no zone file");
    } else if (status == 404) {
        domain_remember(call, domain, 0);
        ret->outcome = OUTCOME_TEMPORARY; /* the domain was made anew, and is looked up again */
    }
    json_decref(body);
}

static const struct row linode_rows[] = {
    {.name = "url",
     .type = ROW_URL,
     .default_text = DEFAULT_URL,
     .help = "base of the API, what stands before /domains"},
    {.name = "token",
     .type = ROW_SECRET,
     .is_required = true,
     .help = "personal access token with the scope domains:read_write"},
    {.name = NULL},
};

const struct provider_kind provider_kind_linode = {
    .name = "linode",
    .help = "Linode API v4",
    .rows = linode_rows,
    .open = linode_open,
    .close = linode_close,
};

static const struct row record_rows[] = {
    {.name = "domain", .type = ROW_NAME, .is_required = true, .help = "the domain as it is named in the DNS manager"},
    {.name = "record",
     .type = ROW_STRING,
     .is_required = true,
     .max = 255,
     .help = "name of the record within the domain; @ for the domain itself"},
    RECORD_TYPE_ROW,
    RECORD_TARGET_ROW,
    {.name = "ttl",
     .type = ROW_INT,
     .default_text = "30",
     .min = 30,
     .max = 2419200,
     .help = "time to live in seconds; Linode keeps 30, 120, 300, 3600 ... and rounds anything else"},
    {.name = NULL},
};

const struct action action_linode_dns_record = {
    .name = "linode.dns_record",
    .help =
        "points one existing record of a domain at Linode's DNS manager to a target, and waits until the zone file that"
        " is rendered from it has the target",
    .provider_kind = "linode",
    .rows = record_rows,
    .default_timeout_ms = 20000,
    .check_args = linode_check_args,
    .observe = linode_observe,
    .apply = linode_apply,
    .settled = linode_settled,
};

/* The api listener: its routes, who may call them, and what their functions share.
 *
 * The token is looked at before everything else of a request. GETs are answered on the listener's thread from a reader
 * of its own, a page at a time; what changes state becomes a command; what is slow goes to the worker. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- who calls --------------------------------------------------------------------------------------------------- */

/* All tokens are compared, so that time does not tell which came near. */
static const struct http_operator *operator_of(const struct http_settings *settings, const char *token)
{
    const struct http_operator *found = NULL;
    for (int i = 0; token && i < settings->n_operators; i++) {
        if (secret_equal(settings->operators[i].token, token, strlen(token)))
            found = &settings->operators[i];
    }
    return found;
}

static bool role_may(enum role role, enum access access)
{
    if (access == ACCESS_OPERATOR)
        return role == ROLE_OPERATOR;
    return access != ACCESS_APPROVER || role == ROLE_OPERATOR || role == ROLE_APPROVER;
}

static bool authorize(struct request *request)
{
    const char *authorization = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION);
    request->caller = operator_of(&request_http(request)->settings, credential_bearer(authorization));
    request->is_known = request->caller != NULL;
    if (!request->caller) {
        refusal_of_call(request, NULL, authorization ? "wrong token" : "no token");
        answer_error(request, MHD_HTTP_UNAUTHORIZED, "unauthorized", "%s",
                     authorization ? "this token is not known" : "a token is needed: Authorization: Bearer TOKEN");
        answer_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"turnout\"");
        return false;
    }
    if (!role_may(request->caller->role, request->route->access)) {
        char reason[64];
        snprintf(reason, sizeof reason, "the role %s may not do this", role_text(request->caller->role));
        refusal_of_call(request, request->caller, reason);
        answer_error(request, MHD_HTTP_FORBIDDEN, "forbidden", "this needs the role %s; %s has the role %s",
                     request->route->access == ACCESS_APPROVER ? "approver or operator" : "operator",
                     request->caller->name, role_text(request->caller->role));
        return false;
    }
    return true;
}

/* ---- the query --------------------------------------------------------------------------------------------------- */

static bool is_listed(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *at = names; len > 0 && *at; at += strcspn(at, " ") + 1) {
        if (strncmp(at, name, len) == 0 && at[len] == ' ')
            return true;
    }
    return false;
}

static enum MHD_Result check_parameter(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct request *request = context;
    if (!is_listed(request->route->parameters, name))
        answer_error(request, MHD_HTTP_BAD_REQUEST, "unknown_parameter", "there is no parameter `%.64s` here; %s%s",
                     name, request->route->parameters[0] ? "there are: " : "there is none", request->route->parameters);
    else if (value && strlen(value) >= MAX_ARGUMENT)
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "the parameter `%.64s` is too long", name);
    else if (!value || !value[0]) /* a script whose variable is empty: it would read the first page again, for ever */
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "the parameter `%.64s` is empty; leave it out", name);
    else if (value != api_parameter(request, name)) /* which finds the first of them */
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "the parameter `%.64s` is there twice", name);
    return request->response ? MHD_NO : MHD_YES;
}

static void api_begin(struct request *request)
{
    if (authorize(request))
        (void)MHD_get_connection_values(request->mhd, MHD_GET_ARGUMENT_KIND, check_parameter, request);
}

const char *api_parameter(const struct request *request, const char *name)
{
    const char *value = MHD_lookup_connection_value(request->mhd, MHD_GET_ARGUMENT_KIND, name);
    return value ? value : "";
}

const char *api_filter(const struct request *request, const char *name)
{
    const char *value = api_parameter(request, name);
    return value[0] ? value : NULL;
}

int api_limit(struct request *request)
{
    const char *text = api_parameter(request, "limit");
    if (text[0] == '\0')
        return 50;
    char *end;
    long limit = strtol(text, &end, 10);
    if (text[0] >= '0' && text[0] <= '9' && *end == '\0' && limit >= 1 && limit <= 500)
        return (int)limit;
    answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "`limit` must be a number from 1 to 500");
    return 0;
}

bool api_cursor(struct request *request, int64_t *ret)
{
    const char *text = api_parameter(request, "after");
    char *end;
    long long value = strtoll(text, &end, 10);
    *ret = value;
    if (text[0] == '\0' || (text[0] >= '0' && text[0] <= '9' && *end == '\0' && value > 0 && value < INT64_MAX))
        return true;
    answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "`after` must be the `next` of the page before");
    return false;
}

const char *api_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

int64_t api_time(const json_t *object, const char *key)
{
    const char *text = api_text(object, key);
    int64_t ms = 0;
    return time_parse(text, strlen(text), &ms) == ERR_OK ? ms : 0;
}

json_t *api_page(json_t *items, int64_t next)
{
    json_t *page = json_pack("{s:o}", "items", items);
    if (next > 0)
        json_object_set_new(page, "next", json_integer(next));
    return page;
}

/* ---- the store --------------------------------------------------------------------------------------------------- */

struct store_reader *api_reader(struct request *request)
{
    struct http *http = request_http(request);
    struct errmsg why = {""};
    if (!http->reader && store_reader_open(http->settings.database, &http->reader, &why) != ERR_OK) {
        http->reader = NULL;
        log_error("api: the database cannot be opened for reading: %s", why.text);
        answer_later(request, "the database cannot be read at the moment");
    }
    return http->reader;
}

void api_store_failed(struct request *request, enum err err, const struct errmsg *why)
{
    struct http *http = request_http(request);
    if (err == ERR_NOT_FOUND) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "%s",
                     why->text[0] ? why->text : "there is no such thing");
        return;
    }
    log_error("api: %s cannot be read: %s", request->route->path, why->text);
    store_reader_close(http->reader);
    http->reader = NULL;
    answer_later(request, "the database cannot be read at the moment");
}

/* ---- routes ------------------------------------------------------------------------------------------------------ */

#define GET(path, serve, parameters)                                                                                   \
    {                                                                                                                  \
        "GET", path, ACCESS_VIEWER, 0, api_begin, serve, NULL, parameters, 0                                           \
    }
#define CALL(path, serve, what)                                                                                        \
    {                                                                                                                  \
        "POST", path, ACCESS_OPERATOR, MAX_CALL_BODY, api_begin, serve, api_call_answered, "", (int)(what)             \
    }
#define ANSWER(path, what)                                                                                             \
    {                                                                                                                  \
        "POST", path, ACCESS_APPROVER, MAX_CALL_BODY, api_begin, api_call_run, api_call_answered, "", (int)(what)      \
    }
#define OPEN(path, access, serve)                                                                                      \
    {                                                                                                                  \
        "GET", path, access, 0, NULL, serve, NULL, NULL, 0                                                             \
    }

const struct route api_routes[] = {
    GET("/api/v1/status", api_status, ""),
    GET("/api/v1/services", api_services, ""),
    GET("/api/v1/services/*", api_service, ""),
    GET("/api/v1/services/*/readiness", api_readiness, ""),
    {"POST", "/api/v1/services/*/plan", ACCESS_APPROVER, MAX_CALL_BODY, api_begin, api_call_plan, api_call_answered, "",
     0},
    GET("/api/v1/services/*/export", api_export, ""),
    CALL("/api/v1/services/*/failover", api_call_move, DIRECTION_FAILOVER),
    CALL("/api/v1/services/*/failback", api_call_move, DIRECTION_FAILBACK),
    CALL("/api/v1/services/*/adopt", api_call_adopt, 0),
    CALL("/api/v1/services/*/pause", api_call_pause, 1),
    CALL("/api/v1/services/*/resume", api_call_pause, 0),
    CALL("/api/v1/services/*/vote", api_call_vote, 0),
    CALL("/api/v1/services/*/drill", api_call_drill, 0),
    GET("/api/v1/runs", api_runs, "service state limit after "),
    GET("/api/v1/runs/*", api_run, ""),
    GET("/api/v1/runs/*/report", api_run_report, ""),
    ANSWER("/api/v1/runs/*/approve", RUN_CALL_APPROVE),
    ANSWER("/api/v1/runs/*/reject", RUN_CALL_REJECT),
    CALL("/api/v1/runs/*/retry", api_call_run, RUN_CALL_RETRY),
    CALL("/api/v1/runs/*/skip", api_call_run, RUN_CALL_SKIP),
    CALL("/api/v1/runs/*/done", api_call_run, RUN_CALL_DONE),
    CALL("/api/v1/runs/*/undo", api_call_run, RUN_CALL_UNDO),
    CALL("/api/v1/runs/*/cancel", api_call_run, RUN_CALL_CANCEL),
    GET("/api/v1/incidents", api_incidents, "service open limit after "),
    GET("/api/v1/incidents/*", api_incident, ""),
    GET("/api/v1/incidents/*/report", api_incident_report, ""),
    {"GET", "/api/v1/shadow", ACCESS_VIEWER, 0, api_begin, api_shadow, worker_answered, "since ", 0},
    {"GET", "/api/v1/deliveries", ACCESS_VIEWER, 0, api_begin, api_deliveries, worker_answered,
     "source unmatched limit after ", 0},
    {"GET", "/api/v1/deliveries/*", ACCESS_VIEWER, 0, api_begin, api_delivery, worker_answered, "", 0},
    GET("/api/v1/sources", api_sources, ""),
    GET("/api/v1/audit", api_audit, "service kind limit after "),
    GET("/api/v1/audit/export", api_audit_export, ""),
    {"GET", "/api/v1/audit/verify", ACCESS_VIEWER, 0, api_begin, api_audit_verify, api_audit_verified, "", 0},
    OPEN("/healthz", ACCESS_PROBE, health_alive),
    OPEN("/readyz", ACCESS_PROBE, health_ready),
    OPEN("/metrics", ACCESS_OPEN, health_metrics),
    OPEN("/", ACCESS_OPEN, page_index),
    OPEN("/*", ACCESS_OPEN, page_file),
    {NULL, NULL, ACCESS_OPEN, 0, NULL, NULL, NULL, NULL, 0},
};

/* The life of a request: headers, route, body, service, suspension, answer. libmicrohttpd calls request_handle() when
 * the headers are there, for each piece of the body, when all is there, and again after a suspension. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "http/forwarded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct http *request_http(const struct request *request)
{
    return request->connection->listener->http;
}

const char *request_header(const struct request *request, const char *name)
{
    return MHD_lookup_connection_value(request->mhd, MHD_HEADER_KIND, name);
}

/* The path and the query come percent-decoded, in place. A NUL in them would hide what follows it, so it becomes a
 * byte that no name of ours holds. */
size_t request_unescape(void *listener, struct MHD_Connection *mhd, char *text)
{
    (void)listener, (void)mhd;
    size_t len = MHD_http_unescape(text);
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\0')
            text[i] = '\1';
    }
    return len;
}

/* A sender that waits for "100 Continue" has not sent its body yet, and one whose body is beyond what we drop will not
 * be heard out: both are answered at once. The connection is closed after that. */
static bool is_answered_early(const struct request *request)
{
    if (!request->response || (!request->has_body && !request->is_endless))
        return false;
    const char *expect = request_header(request, MHD_HTTP_HEADER_EXPECT);
    return request->is_endless || (expect && strcasecmp(expect, "100-continue") == 0) ||
           request->declared > request_http(request)->settings.max_body * DROP_FACTOR;
}

/* ---- from whom, and how often ------------------------------------------------------------------------------------ */

#define MAX_FORWARDED 16 /* headers; the last ones count */

struct forwarded {
    const char *lists[MAX_FORWARDED];
    size_t n;
};

static enum MHD_Result add_forwarded(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct forwarded *forwarded = context;
    if (strcasecmp(name, "X-Forwarded-For") == 0)
        forwarded->lists[forwarded->n++ % MAX_FORWARDED] = value ? value : "";
    return MHD_YES;
}

/* The address of the other end, unless that is a proxy of ours, who knows better. */
static void find_address(struct request *request)
{
    const struct http_settings *settings = &request_http(request)->settings;
    const struct network *trusted = settings->trusted_proxies;
    request->from = request->connection->address;
    if (!networks_hold(trusted, settings->n_trusted_proxies, &request->from))
        return;
    struct forwarded forwarded = {.n = 0};
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, add_forwarded, &forwarded);
    bool goes_on = true;
    for (size_t i = 0; goes_on && i < MAX_FORWARDED && i < forwarded.n; i++) {
        const char *list = forwarded.lists[(forwarded.n - 1 - i) % MAX_FORWARDED];
        goes_on = forwarded_walk(list, trusted, settings->n_trusted_proxies, &request->from);
    }
}

static void refuse_too_many(struct request *request, const char *reason)
{
    const struct listener *listener = request->connection->listener;
    if (!request->response && request->source >= 0) /* what was refused before is on record for that */
        refusal_of_source(request, reason);
    else if (!request->response && request->caller)
        refusal_of_call(request, request->caller, reason);
    if (listener->limit_status == MHD_HTTP_SERVICE_UNAVAILABLE) {
        answer_later(request, reason);
        return;
    }
    answer_error(request, listener->limit_status, "too_many_requests", "%s; try again", reason);
    answer_header(request, MHD_HTTP_HEADER_RETRY_AFTER, "1");
}

void request_limit(struct request *request)
{
    struct listener *listener = request->connection->listener;
    const struct peer peer = peer_of(&request->from);
    struct limit_table *table = request->is_known ? listener->known : listener->strangers;
    if ((request->route && request->route->access == ACCESS_PROBE) ||
        limit_table_take(table, &peer, listener->rate, clock_steady_ms()))
        return;
    char reason[96];
    snprintf(reason, sizeof reason, "more than %d requests a second came from this address", listener->rate);
    atomic_fetch_add(&listener->counters.limited, 1);
    refuse_too_many(request, reason);
}

bool request_limit_source(struct request *request)
{
    struct http *http = request_http(request);
    int rate = http->settings.sources[request->source].rate;
    if (rate == 0 || limit_take(&http->source_limits[request->source], rate, clock_steady_ms()))
        return true;
    char reason[96];
    snprintf(reason, sizeof reason, "more than %d deliveries a second came for this source", rate);
    atomic_fetch_add(&http->hooks.counters.limited_sources, 1);
    refuse_too_many(request, reason);
    return false;
}

static void refuse_client(struct request *request, const char *problem)
{
    atomic_fetch_add(&request->connection->listener->counters.refused_clients, 1);
    refusal_of_client(request, problem);
    answer_error(request, MHD_HTTP_FORBIDDEN, "client_certificate", "%s", problem);
}

static void refuse_endless(struct request *request)
{
    static const char problem[] = "the length of the body is given twice, or by a Transfer-Encoding other than chunked";
    request->is_endless = true;
    refusal_of_client(request, problem);
    answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s", problem);
    answer_header(request, MHD_HTTP_HEADER_CONNECTION, "close");
}

/* What a proxy is asked for is asked of the host itself as well: "http://HOST/PATH" is "/PATH". */
static const char *path_of(const char *target)
{
    size_t scheme = strncasecmp(target, "http://", 7) == 0 ? 7 : strncasecmp(target, "https://", 8) == 0 ? 8 : 0;
    if (scheme == 0)
        return target;
    const char *path = strchr(target + scheme, '/');
    return path ? path : "/";
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

static enum MHD_Result request_begin(struct connection *connection, struct MHD_Connection *mhd, const char *path,
                                     const char *method)
{
    struct request *request = &connection->request;
    *request =
        (struct request){.connection = connection, .mhd = mhd, .method = method, .path = path_of(path), .source = -1};
    atomic_fetch_add(&connection->listener->http->active_requests, 1);
    connection_stage(connection, STAGE_BODY);
    find_address(request);
    request->max_body = connection->listener->http->settings.max_body;
    const char *problem = tls_client_problem(connection);
    if (problem)
        refuse_client(request, problem);
    else if (body_has_two_ends(request))
        refuse_endless(request);
    else
        route_find(request);
    if (!request->response && request->route->begin)
        request->route->begin(request);
    request_limit(request);
    body_begin(request);
    return is_answered_early(request) ? answer_send(request) : MHD_YES;
}

static enum MHD_Result request_go_on(struct request *request)
{
    struct connection *connection = request->connection;
    if (connection->exchange) {
        request->route->resumed(request);
        if (connection->exchange)
            return MHD_YES;
    } else if (!request->response) {
        connection_stage(connection, STAGE_WORK);
        request->route->serve(request);
        if (connection->exchange)
            return MHD_YES;
    }
    return answer_send(request);
}

enum MHD_Result request_handle(void *context, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_size, void **request_context)
{
    (void)context, (void)version;
    struct connection *connection = *request_context;
    if (!connection) {
        const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
        connection = info->socket_context;
        if (!connection)
            return MHD_NO;
        *request_context = connection;
        return request_begin(connection, mhd, url, method);
    }
    if (*upload_size > 0) {
        size_t len = *upload_size;
        *upload_size = 0;
        return body_add(&connection->request, upload, len) ? MHD_YES : MHD_NO;
    }
    return request_go_on(&connection->request);
}

void request_completed(void *context, struct MHD_Connection *mhd, void **request_context,
                       enum MHD_RequestTerminationCode code)
{
    (void)context, (void)mhd, (void)code;
    struct connection *connection = *request_context;
    if (!connection)
        return;
    struct request *request = &connection->request;
    body_free(request);
    answer_drop(request);
    exchange_release(exchange_end(request));
    *request_context = NULL;
    atomic_fetch_add(&connection->n_requests, 1);
    connection_stage(connection, STAGE_IDLE);
    atomic_fetch_sub(&connection->listener->http->active_requests, 1);
}

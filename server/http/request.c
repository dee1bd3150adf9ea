/* The life of a request: headers, route, body, service, suspension, answer. libmicrohttpd calls request_handle() when
 * the headers are there, for each piece of the body, when all is there, and again after a suspension. */
#include "http/http_internal.h"

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
    if (!request->response || !request->has_body)
        return false;
    const char *expect = request_header(request, MHD_HTTP_HEADER_EXPECT);
    return (expect && strcasecmp(expect, "100-continue") == 0) ||
           request->declared > request_http(request)->settings.max_body * DROP_FACTOR;
}

static enum MHD_Result request_begin(struct connection *connection, struct MHD_Connection *mhd, const char *path,
                                     const char *method)
{
    struct request *request = &connection->request;
    *request = (struct request){.connection = connection, .mhd = mhd, .method = method, .path = path};
    atomic_fetch_add(&connection->listener->http->active_requests, 1);
    connection_stage(connection, STAGE_BODY);
    route_find(request);
    if (!request->response && request->route->begin)
        request->route->begin(request);
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

/* The body of a request: refused by its headers, read into memory within the bounds, or read and dropped.
 *
 * A request that is refused has its body read all the same, as long as that is not unreasonable: answering early and
 * closing breaks the connection of a sender in the middle of its body, who then never reads the answer. */
#include "http/http_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static bool reserve(struct http *http, size_t bytes, size_t bound)
{
    size_t before = atomic_fetch_add(&http->bodies, bytes);
    if (before + bytes <= bound)
        return true;
    atomic_fetch_sub(&http->bodies, bytes);
    return false;
}

bool bodies_reserve(struct http *http, size_t bytes)
{
    return reserve(http, bytes, http->settings.max_bodies);
}

void bodies_release(struct http *http, size_t bytes)
{
    if (bytes > 0)
        atomic_fetch_sub(&http->bodies, bytes);
}

void body_free(struct request *request)
{
    free(request->body);
    request->body = NULL;
    request->body_len = request->body_room = 0;
    bodies_release(request_http(request), request->reserved);
    request->reserved = 0;
}

static void refuse_size(struct request *request)
{
    answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "too_big", "the body is larger than %zu bytes",
                 request->max_body);
}

/* Room for `room` bytes, counted against the bound for all bodies before it is taken. Bodies from anybody, of which
 * only a signature inside will tell whose they are, get no more than half: the other half is for who has shown a
 * credential. */
static bool make_room(struct request *request, size_t room)
{
    struct http *http = request_http(request);
    size_t more = room - request->body_room;
    if (reserve(http, more, http->settings.max_bodies / (request->is_anybodys ? 2 : 1))) {
        request->reserved += more;
        char *body = realloc(request->body, room);
        if (body) {
            request->body = body;
            request->body_room = room;
            return true;
        }
    }
    body_free(request);
    answer_later(request, "too much is being received at the moment");
    return false;
}

struct framing {
    int lengths, encodings;
    bool is_chunked;
};

static enum MHD_Result add_framing(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct framing *framing = context;
    if (strcasecmp(name, MHD_HTTP_HEADER_CONTENT_LENGTH) == 0)
        framing->lengths++;
    if (strcasecmp(name, MHD_HTTP_HEADER_TRANSFER_ENCODING) == 0) {
        framing->encodings++;
        framing->is_chunked = value && strcasecmp(value, "chunked") == 0;
    }
    return MHD_YES;
}

bool body_has_two_ends(const struct request *request)
{
    struct framing framing = {.lengths = 0};
    MHD_get_connection_values(request->mhd, MHD_HEADER_KIND, add_framing, &framing);
    return framing.lengths + framing.encodings > 1 || (framing.encodings > 0 && !framing.is_chunked);
}

/* Reads Content-Length, which libmicrohttpd has already found to be a number, and Transfer-Encoding. */
static void read_framing(struct request *request)
{
    const char *length = request_header(request, MHD_HTTP_HEADER_CONTENT_LENGTH);
    request->is_chunked = request_header(request, MHD_HTTP_HEADER_TRANSFER_ENCODING) != NULL;
    if (length && !request->is_chunked) {
        errno = 0;
        request->declared = strtoull(length, NULL, 10);
        if (errno != 0)
            request->declared = UINT64_MAX;
    }
    request->has_body = request->is_chunked || request->declared > 0;
}

void body_begin(struct request *request)
{
    read_framing(request);
    if (!request->response && request->declared > request->max_body)
        refuse_size(request);
    const char *method = request->route ? request->route->method : "";
    bool is_wanted = !request->response && (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0);
    if (is_wanted && request->declared > 0)
        is_wanted = make_room(request, (size_t)request->declared);
    request->is_dropping = !is_wanted;
}

/* Twice as much each time for a body of unknown length. */
static bool grow(struct request *request, size_t len)
{
    size_t needed = request->body_len + len;
    if (needed <= request->body_room)
        return true;
    if (needed > request->max_body) {
        body_free(request);
        refuse_size(request);
        return false;
    }
    size_t room = request->body_room > 0 ? request->body_room * 2 : 4096;
    room = room > needed ? room : needed;
    return make_room(request, room < request->max_body ? room : request->max_body);
}

bool body_add(struct request *request, const char *bytes, size_t len)
{
    if (!request->is_dropping && grow(request, len)) {
        memcpy(request->body + request->body_len, bytes, len);
        request->body_len += len;
        return true;
    }
    request->is_dropping = true;
    request->dropped += len;
    return request->dropped <= request_http(request)->settings.max_body * DROP_FACTOR;
}

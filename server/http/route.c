/* From method and path to a row of the listener's routes. */
#include "http/http_internal.h"

#include "base/utf8.h"

#include <string.h>

/* '*' in the pattern stands for one segment that is not empty. */
static bool path_matches(const char *pattern, const char *path, const char **ret_segment, size_t *ret_len)
{
    for (; *pattern && *path; pattern++) {
        if (*pattern == '*') {
            *ret_segment = path;
            *ret_len = strcspn(path, "/");
            if (*ret_len == 0)
                return false;
            path += *ret_len;
        } else if (*pattern != *path++) {
            return false;
        }
    }
    return *pattern == '\0' && *path == '\0';
}

/* A segment goes on record and into answers: text without control characters, or it names nothing. */
static bool is_text(const char *segment, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t character = utf8_character_len(segment + i, len - i);
        if (character == 0 || (unsigned char)segment[i] < ' ' || segment[i] == '\x7f')
            return false;
        i += character;
    }
    return true;
}

static bool method_matches(const char *method, const char *asked)
{
    return strcmp(method, asked) == 0 || (strcmp(method, "GET") == 0 && strcmp(asked, "HEAD") == 0);
}

static void refuse_method(struct request *request, const struct strbuf *allowed)
{
    answer_error(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "this path takes %s",
                 strbuf_text(allowed));
    answer_header(request, MHD_HTTP_HEADER_ALLOW, strbuf_text(allowed));
}

static void refuse_path(struct request *request)
{
    answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at this path");
}

void route_find(struct request *request)
{
    struct strbuf allowed = STRBUF_INIT;
    request->max_body = request_http(request)->settings.max_body;
    for (const struct route *route = request->connection->listener->routes; route->path; route++) {
        const char *segment = "";
        size_t len = 0;
        if (!path_matches(route->path, request->path, &segment, &len) || len >= sizeof request->argument ||
            !is_text(segment, len))
            continue;
        if (!method_matches(route->method, request->method)) {
            const char *methods = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
            if (!strstr(strbuf_text(&allowed), methods))
                strbuf_addf(&allowed, "%s%s", allowed.len > 0 ? ", " : "", methods);
            continue;
        }
        memcpy(request->argument, segment, len);
        request->argument[len] = '\0';
        request->route = route;
        if (route->max_body > 0)
            request->max_body = route->max_body;
        break;
    }
    if (!request->route && allowed.len > 0)
        refuse_method(request, &allowed);
    else if (!request->route)
        refuse_path(request);
    strbuf_done(&allowed);
}

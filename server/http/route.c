/* From method and path to a row of the listener's routes. */
#include "http/http_internal.h"

#include "base/utf8.h"

#include <string.h>

struct segments {
    const char *first; /* `len` bytes */
    size_t len;
    const char *rest; /* the second, to the end of the path; NULL: there is none */
};

/* The first '*' in the pattern stands for one segment that is not empty, a second for what is left of the path, slashes
 * and all: a URL that a monitor has put together wrongly is to be told so, and not that there is nothing. */
static bool path_matches(const char *pattern, const char *path, struct segments *ret)
{
    *ret = (struct segments){.first = ""};
    for (; *pattern && *path; pattern++) {
        if (*pattern == '*' && ret->len > 0) {
            ret->rest = path;
            return pattern[1] == '\0';
        }
        if (*pattern == '*') {
            size_t len = strcspn(path, "/");
            if (len == 0)
                return false;
            ret->first = path;
            ret->len = len;
            path += len;
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
    for (const struct route *route = request->connection->listener->routes; route->path; route++) {
        struct segments segments;
        if (!path_matches(route->path, request->path, &segments) || segments.len >= sizeof request->argument ||
            !is_text(segments.first, segments.len))
            continue;
        if (!method_matches(route->method, request->method)) {
            const char *methods = strcmp(route->method, "GET") == 0 ? "GET, HEAD" : route->method;
            if (!strstr(strbuf_text(&allowed), methods))
                strbuf_addf(&allowed, "%s%s", allowed.len > 0 ? ", " : "", methods);
            continue;
        }
        memcpy(request->argument, segments.first, segments.len);
        request->argument[segments.len] = '\0';
        request->rest = segments.rest;
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

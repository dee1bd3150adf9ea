/* The browser view: the files of static/, embedded in the binary. Public and the same for everybody: they hold no data;
 * what they show comes from the API with the token that the page asks for. */
#include "http/http_internal.h"

#include "base/digest.h"
#include "base/embedded.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *media_type(const char *name)
{
    static const struct {
        const char *ending, *type;
    } types[] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".json", "application/json"},
        {".yaml", "application/yaml"},
        {".txt", "text/plain; charset=utf-8"},
    };
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending && i < sizeof types / sizeof types[0]; i++) {
        if (strcmp(ending, types[i].ending) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

static bool add_headers(struct MHD_Response *response, const char *name, const char *tag)
{
    const char *const headers[][2] = {
        {MHD_HTTP_HEADER_CONTENT_TYPE, media_type(name)},
        {MHD_HTTP_HEADER_ETAG, tag},
        {MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache"}, /* asks each time, and is told 304 */
        {"Content-Security-Policy",
         "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
         "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
        {"X-Content-Type-Options", "nosniff"},
        {"Referrer-Policy", "no-referrer"},
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        if (MHD_add_response_header(response, headers[i][0], headers[i][1]) != MHD_YES)
            return false;
    }
    return true;
}

/* One response per file, made once and shared by all requests. */
static struct MHD_Response *page_response(const struct embedded_file *file, char tag[40])
{
    struct sha256 hash = sha256_of(file->data, file->len);
    char hex[33];
    hex_encode(hash.bytes, 16, hex);
    snprintf(tag, 40, "\"%s\"", hex);
    struct MHD_Response *response =
        MHD_create_response_from_buffer(file->len, (void *)(uintptr_t)file->data, MHD_RESPMEM_PERSISTENT);
    if (response && !add_headers(response, file->name, tag)) {
        MHD_destroy_response(response);
        response = NULL;
    }
    return response;
}

enum err pages_init(struct http *http)
{
    http->pages = calloc(static_file_count + 1, sizeof *http->pages);
    http->page_tags = calloc(static_file_count + 1, sizeof *http->page_tags);
    if (!http->pages || !http->page_tags)
        return ERR_NO_MEMORY;
    for (size_t i = 0; i < static_file_count; i++) {
        http->pages[i] = page_response(&static_files[i], http->page_tags[i]);
        if (!http->pages[i])
            return ERR_NO_MEMORY;
    }
    return ERR_OK;
}

void pages_done(struct http *http)
{
    for (size_t i = 0; http->pages && i < static_file_count; i++) {
        if (http->pages[i])
            MHD_destroy_response(http->pages[i]);
    }
    free(http->pages);
    free(http->page_tags);
}

/* Whether If-None-Match names the tag: a list of tags, weak ones included, or "*". */
static bool is_known(const char *if_none_match, const char *tag)
{
    return if_none_match && (strstr(if_none_match, tag) || strcmp(if_none_match, "*") == 0);
}

static void answer_unchanged(struct request *request, const char *tag)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    answer_response(request, MHD_HTTP_NOT_MODIFIED, response);
    answer_header(request, MHD_HTTP_HEADER_ETAG, tag);
    answer_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
}

static void page_answer(struct request *request, const char *name)
{
    struct http *http = request_http(request);
    for (size_t i = 0; i < static_file_count; i++) {
        if (strcmp(static_files[i].name, name) != 0)
            continue;
        if (is_known(request_header(request, MHD_HTTP_HEADER_IF_NONE_MATCH), http->page_tags[i])) {
            answer_unchanged(request, http->page_tags[i]);
            return;
        }
        answer_shared(request, MHD_HTTP_OK, http->pages[i]);
        return;
    }
    answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is nothing at this path");
}

void page_index(struct request *request)
{
    page_answer(request, "index.html");
}

void page_file(struct request *request)
{
    page_answer(request, request->argument);
}

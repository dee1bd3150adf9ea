/* Answers: JSON with Content-Length, and one shape for every error: {"error": {"code", "message"}}. */
#include "http/http_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void answer_drop(struct request *request)
{
    if (request->response && !request->is_shared)
        MHD_destroy_response(request->response);
    request->response = NULL;
    request->is_shared = false;
}

void answer_response(struct request *request, unsigned status, struct MHD_Response *response)
{
    answer_drop(request);
    request->response = response;
    request->status = status;
}

void answer_shared(struct request *request, unsigned status, struct MHD_Response *response)
{
    answer_response(request, status, response);
    request->is_shared = true;
}

void answer_header(struct request *request, const char *name, const char *value)
{
    if (request->response)
        (void)MHD_add_response_header(request->response, name, value);
}

void answer_text(struct request *request, unsigned status, const char *media_type, struct strbuf *text)
{
    size_t len = text->len;
    char *bytes = strbuf_take(text);
    struct MHD_Response *response = bytes ? MHD_create_response_from_buffer(len, bytes, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!response) {
        free(bytes);
        static char sorry[] = "{\"error\":{\"code\":\"out_of_memory\",\"message\":\"out of memory\"}}";
        response = MHD_create_response_from_buffer(sizeof sorry - 1, sorry, MHD_RESPMEM_PERSISTENT);
        status = MHD_HTTP_SERVICE_UNAVAILABLE;
    }
    answer_response(request, status, response);
    answer_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, media_type);
}

void answer_json(struct request *request, unsigned status, json_t *json)
{
    struct strbuf text = STRBUF_INIT;
    char *dump = json ? json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS) : NULL;
    json_decref(json);
    if (dump)
        strbuf_adds(&text, dump);
    text.is_broken = text.is_broken || !dump;
    free(dump);
    answer_text(request, status, "application/json", &text);
    answer_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

void answer_error(struct request *request, unsigned status, const char *code, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(message, sizeof message, format, args);
    va_end(args);
    struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"error\":{\"code\":");
    strbuf_add_json(&text, code, strlen(code));
    strbuf_adds(&text, ",\"message\":");
    strbuf_add_json(&text, message, strlen(message));
    strbuf_adds(&text, "}}");
    answer_text(request, status, "application/json", &text);
}

void answer_later(struct request *request, const char *message)
{
    answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "unavailable", "%s; try again", message);
    answer_header(request, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_SECONDS);
}

/* Without an answer, which only a lack of memory can cause, the connection is closed. */
enum MHD_Result answer_send(struct request *request)
{
    if (!request->response)
        return MHD_NO;
    unsigned hundred = request->status / 100;
    atomic_fetch_add(&request->connection->listener->counters.answers[hundred < 6 ? hundred : 5], 1);
    connection_stage(request->connection, STAGE_WORK);
    return MHD_queue_response(request->mhd, request->status, request->response);
}

/* Whether a delivery is let in, by what stands before its body, in this order: path and source, address, method,
 * credential, media type, rate. Nothing of the body is looked at here, and nothing is told of a credential but that it
 * is missing or wrong. */
#include "http/http_internal.h"

#include <string.h>
#include <strings.h>

static int source_find(const struct http_settings *settings, const char *name)
{
    for (int i = 0; i < settings->n_sources; i++) {
        if (strcmp(settings->sources[i].name, name) == 0)
            return i;
    }
    return -1;
}

#define RUN_TOGETHER                                                                                                   \
    "the URL in the monitor's settings must end in \"?\", so that what it appends does not become part of %s"

/* Whether a URL was put together without the "?" that must stand before what the sender appends. */
static bool is_run_together(const char *segment)
{
    return segment && (strstr(segment, "monitorID=") || strstr(segment, "monitorURL="));
}

static void refuse_source(struct request *request)
{
    if (is_run_together(request->argument))
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such source: " RUN_TOGETHER,
                     "the source's name");
    else
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such source");
}

static void ask_for_credential(struct request *request, const struct source *source)
{
    if (source->bearer.n > 0)
        answer_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"turnout\"");
    if (source->n_basic > 0)
        answer_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"turnout\", charset=\"UTF-8\"");
    if (source->bearer.n == 0 && source->n_basic == 0) /* HTTP demands a challenge with every 401 */
        answer_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Path realm=\"turnout\"");
}

static void refuse_credential(struct request *request, const struct source *source)
{
    bool is_given = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION) || request->rest;
    bool is_joined = is_run_together(request->rest);
    if (is_given || !source->handler->is_challenged)
        refusal_of_source(request, is_joined  ? "wrong credential: the URL lacks the \"?\" at its end"
                                   : is_given ? "wrong credential"
                                              : "no credential");
    if (is_joined)
        answer_error(request, MHD_HTTP_UNAUTHORIZED, "unauthorized", "the credential is wrong: " RUN_TOGETHER,
                     "the token");
    else
        answer_error(request, MHD_HTTP_UNAUTHORIZED, "unauthorized", "the credential is %s",
                     is_given ? "wrong" : "missing");
    ask_for_credential(request, source);
}

/* "application/json" or "application/SOMETHING+json", alone or with parameters. */
static bool is_json(const char *media_type)
{
    static const char application[] = "application/";
    if (!media_type || strncasecmp(media_type, application, sizeof application - 1) != 0)
        return false;
    const char *subtype = media_type + sizeof application - 1;
    size_t len = strcspn(subtype, "; \t");
    const char *after = subtype + len + strspn(subtype + len, " \t");
    bool is_right = (len == 4 && strncasecmp(subtype, "json", 4) == 0) ||
                    (len > 5 && strncasecmp(subtype + len - 5, "+json", 5) == 0);
    return is_right && (*after == '\0' || *after == ';');
}

static bool is_plain(const char *encoding)
{
    return !encoding || strcasecmp(encoding, "identity") == 0;
}

/* "POST" in "GET, POST". A HEAD is let in where GET is, and then does nothing. */
static bool is_method_of(const char *methods, const char *method)
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    size_t len = strlen(wanted);
    for (const char *at = strstr(methods, wanted); at; at = strstr(at + 1, wanted)) {
        if ((at == methods || at[-1] == ' ') && (at[len] == '\0' || at[len] == ','))
            return true;
    }
    return false;
}

static void refuse_method(struct request *request, const struct handler *handler)
{
    answer_error(request, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", "a source of kind %s takes %s: %s",
                 handler->kind, handler->methods, handler->help);
    answer_header(request, MHD_HTTP_HEADER_ALLOW, handler->methods);
}

static bool may_send(const struct source *source, const struct address *from)
{
    return source->n_from == 0 || networks_hold(source->from, source->n_from, from);
}

static void refuse_address(struct request *request)
{
    atomic_fetch_add(&request->connection->listener->counters.refused_addresses, 1);
    refusal_of_source(request, "the address is not among those it takes deliveries from");
    answer_error(request, MHD_HTTP_FORBIDDEN, "forbidden", "this source takes no deliveries from this address");
}

/* Whether it is not before the signature in the body that a delivery is known to be its source's. */
bool is_proved_by_body(const struct source *source)
{
    const struct handler *handler = source->handler;
    return !credential_is_needed(source) || (handler->is_signed && handler->is_signed(source));
}

void hook_begin(struct request *request)
{
    const struct http *http = request_http(request);
    request->source = source_find(&http->settings, request->argument);
    if (request->source < 0) {
        refuse_source(request);
        return;
    }
    const struct source *source = &http->settings.sources[request->source];
    const struct handler *handler = source->handler;
    if (!may_send(source, &request->from)) {
        refuse_address(request);
        return;
    }
    request->is_anybodys = !credential_is_needed(source);
    if (request->rest && source->path_token.n == 0) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found",
                     "this source has no path_token: its URL ends with its name");
        return;
    }
    if (handler->max_body > 0 && handler->max_body < request->max_body)
        request->max_body = handler->max_body;
    bool is_right = credential_is_right(source, request_header(request, MHD_HTTP_HEADER_AUTHORIZATION), request->rest);
    request->is_known = is_right && credential_is_needed(source);
    if (!is_method_of(handler->methods, request->method))
        refuse_method(request, handler);
    else if (!is_right)
        refuse_credential(request, source);
    else if (handler->media == HANDLER_JSON && !is_json(request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE)))
        answer_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                     "expected Content-Type: application/json");
    else if (!is_plain(request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING)))
        answer_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                     "a Content-Encoding is not taken");
    else if (atomic_load(&http->is_stopping))
        answer_later(request, "the daemon is stopping");
    else if (!is_proved_by_body(source)) /* which is counted when its signature has been found right */
        (void)request_limit_source(request);
}

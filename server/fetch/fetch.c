#include "fetch/fetch.h"

#include "base/clock.h"
#include "fetch/certificate.h"
#include "fetch/header.h"
#include "fetch/memory.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <curl/curl.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define DEFAULT_MAX_RESPONSE ((size_t)4 * 1024 * 1024)
#define MAX_HEADER_BYTES ((size_t)256 * 1024)
#define MAX_HEADERS 32
#define CANCEL_POLL_MS 50 /* a cancel is seen within this time, also while a name look-up hangs in its own thread */

/* The multi handle keeps the connections, names and TLS sessions; the easy handle is reset for every exchange. */
struct curl_fetch {
    struct fetch base;
    CURLM *multi;
    CURL *easy;
};

/* One exchange under way. */
struct exchange {
    CURL *easy;
    const struct fetch_request *request;
    struct fetch_response *response;
    struct curl_slist *headers;
    struct curl_slist *connect_to;
    size_t header_bytes;
    bool has_no_socket; /* none could be had */
    bool has_sent;      /* the connection stands and the request is going out: from here on it may be acted on */
    bool is_too_big;
    enum err refused; /* by who was asked before the request went out */
    struct errmsg refusal;
    char detail[CURL_ERROR_SIZE];
};

void fetch_start(void)
{
    if (!fetch_memory_start()) {
        fputs("libcurl cannot be initialised\n", stderr);
        abort();
    }
}

void fetch_response_done(struct fetch_response *response)
{
    strbuf_done(&response->body);
}

/* ---- what the server says ---------------------------------------------------------------------------------------- */

static size_t on_header(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;
    size_t len = size * n;
    exchange->header_bytes += len;
    if (exchange->header_bytes > MAX_HEADER_BYTES) {
        exchange->is_too_big = true;
        return 0;
    }
    char line[1024];
    if (len >= sizeof(line)) /* none of those we read is so long */
        return len;
    memcpy(line, bytes, len);
    line[len] = '\0';
    line[strcspn(line, "\r\n")] = '\0';
    if (strncmp(line, "HTTP/", 5) == 0) /* an interim answer came before, or a proxy's */
        fetch_headers_forget(exchange->response);
    char *value = strchr(line, ':');
    if (!value)
        return len;
    *value++ = '\0';
    value += strspn(value, " \t");
    size_t value_len = strlen(value);
    while (value_len > 0 && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value[--value_len] = '\0';
    fetch_header_take(exchange->response, line, value);
    return len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *exchange = context;
    struct strbuf *body = &exchange->response->body;
    strbuf_add(body, bytes, size * n);
    if (!body->is_broken)
        return size * n;
    exchange->is_too_big = size * n > body->max_len - body->len;
    if (!exchange->is_too_big)
        fetch_memory_note();
    return 0;
}

/* As libcurl does it by itself, but it does not tell a socket that cannot be had from a server that cannot be reached.
 */
static curl_socket_t on_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct exchange *exchange = context;
    (void)purpose;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    exchange->has_no_socket = fd < 0 && errno != EAFNOSUPPORT; /* without IPv6 the other address is taken */
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

static int on_before_request(void *context, char *peer, char *local, int peer_port, int local_port)
{
    struct exchange *exchange = context;
    const struct fetch_request *request = exchange->request;
    (void)local;
    (void)peer_port;
    (void)local_port;
    if (request->may_send)
        exchange->refused = request->may_send(request->may_send_context, &exchange->refusal);
    if (exchange->refused != ERR_OK || fetch_memory_is_short())
        return CURL_PREREQFUNC_ABORT;
    exchange->has_sent = true;
    snprintf(exchange->response->peer, sizeof(exchange->response->peer), "%s", peer ? peer : "");
    return CURL_PREREQFUNC_OK;
}

/* ---- what we ask ------------------------------------------------------------------------------------------------- */

static bool is_token(const char *text)
{
    if (text[0] == '\0')
        return false;
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (!isalnum(*c) && !strchr("!#$%&'*+-.^_`|~", *c))
            return false;
    return true;
}

static bool is_header_value(const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if ((*c < ' ' && *c != '\t') || *c == 0x7f)
            return false;
    return true;
}

static bool headers_add(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (!longer)
        return false;
    *list = longer;
    return true;
}

static enum err headers_make(struct exchange *exchange, struct errmsg *why)
{
    const struct fetch_request *request = exchange->request;
    bool has_type = false;
    if (request->n_headers > MAX_HEADERS)
        return err_set(why, ERR_INVALID, "a request cannot have more than %d headers", MAX_HEADERS);
    for (size_t i = 0; i < request->n_headers; i++) {
        const struct fetch_header *header = &request->headers[i];
        if (!is_token(header->name) || !is_header_value(header->value))
            return err_set(why, ERR_INVALID, "header %zu has characters that a header cannot have", i + 1);
        has_type = has_type || strcasecmp(header->name, "Content-Type") == 0;
        struct strbuf line = STRBUF_INIT;
        /* libcurl sends a header without value only when it is written with a semicolon */
        strbuf_addf(&line, header->value[0] == '\0' ? "%s;" : "%s: %s", header->name, header->value);
        bool is_added = !line.is_broken && headers_add(&exchange->headers, strbuf_text(&line));
        strbuf_done(&line);
        if (!is_added)
            return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    /* what libcurl would add by itself: a wait for "100 Continue", and a form's media type */
    if (!headers_add(&exchange->headers, "Expect:") || (!has_type && !headers_add(&exchange->headers, "Content-Type:")))
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    return ERR_OK;
}

static enum err connect_to_make(struct exchange *exchange, struct errmsg *why)
{
    const char *address = exchange->request->connect_to;
    unsigned char bytes[16];
    char line[80];
    if (!address)
        return ERR_OK;
    if (inet_pton(AF_INET, address, bytes) == 1)
        snprintf(line, sizeof(line), "::%s:", address);
    else if (inet_pton(AF_INET6, address, bytes) == 1)
        snprintf(line, sizeof(line), "::[%s]:", address);
    else
        return err_set(why, ERR_INVALID, "\"%s\" is not an IPv4 or IPv6 address", address);
    if (!headers_add(&exchange->connect_to, line))
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    return ERR_OK;
}

/* libcurl copies texts: an option that it has no memory for must not be left at its default. */
#define SET(option, value)                                                                                             \
    do {                                                                                                               \
        if (code == CURLE_OK)                                                                                          \
            code = curl_easy_setopt(easy, option, value);                                                              \
    } while (0)

static CURLcode options_connection(CURL *easy, struct exchange *exchange)
{
    const struct fetch_request *request = exchange->request;
    CURLcode code = CURLE_OK;
    long timeout_ms = request->timeout_ms > LONG_MAX ? LONG_MAX : (long)request->timeout_ms;
    SET(CURLOPT_URL, request->url);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSL_VERIFYPEER, 1L);
    SET(CURLOPT_SSL_VERIFYHOST, 2L);
    if (request->ca) {
        SET(CURLOPT_CAINFO, request->ca);
        SET(CURLOPT_CAPATH, NULL);
    }
    SET(CURLOPT_SSLCERT, request->certificate);
    SET(CURLOPT_SSLKEY, request->key);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L); /* never wait for the thread of a name look-up that hangs */
    SET(CURLOPT_TIMEOUT_MS, timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, timeout_ms);
    SET(CURLOPT_USERAGENT, "turnout");
    SET(CURLOPT_ERRORBUFFER, exchange->detail);
    if (exchange->connect_to) {
        SET(CURLOPT_CONNECT_TO, exchange->connect_to);
        SET(CURLOPT_NOPROXY, "*"); /* that address is meant, not what a proxy finds */
    }
    if (request->is_fresh) {
        SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
        SET(CURLOPT_FRESH_CONNECT, 1L);
        SET(CURLOPT_FORBID_REUSE, 1L);
        fetch_certificate_ask(easy);
    }
    SET(CURLOPT_OPENSOCKETFUNCTION, on_socket);
    SET(CURLOPT_OPENSOCKETDATA, exchange);
    SET(CURLOPT_PREREQFUNCTION, on_before_request);
    SET(CURLOPT_PREREQDATA, exchange);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, exchange);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, exchange);
    return code;
}

static CURLcode options_request(CURL *easy, struct exchange *exchange)
{
    const struct fetch_request *request = exchange->request;
    CURLcode code = CURLE_OK;
    SET(CURLOPT_HTTPHEADER, exchange->headers);
    if (strcmp(request->method, "GET") == 0 && !request->body) {
        SET(CURLOPT_HTTPGET, 1L);
        return code;
    }
    if (strcmp(request->method, "HEAD") == 0) {
        SET(CURLOPT_NOBODY, 1L);
        return code;
    }
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
    SET(CURLOPT_POSTFIELDS, request->body ? request->body : "");
    SET(CURLOPT_CUSTOMREQUEST, request->method);
    /* On a kept connection that turns out to be closed libcurl sends again by itself; a write must go out once. */
    SET(CURLOPT_FRESH_CONNECT, 1L);
    return code;
}

/* ---- one exchange ------------------------------------------------------------------------------------------------ */

static enum err failure(const struct exchange *exchange, enum err before, CURLcode code, struct errmsg *why)
{
    char detail[CURL_ERROR_SIZE];
    long number = 0;
    if (fetch_memory_is_short())
        return err_set(why, exchange->has_sent ? ERR_UNKNOWN : ERR_NO_MEMORY, "out of memory");
    fetch_text_copy(detail, sizeof(detail), exchange->detail[0] != '\0' ? exchange->detail : curl_easy_strerror(code));
    curl_easy_getinfo(exchange->easy, CURLINFO_OS_ERRNO, &number);
    const char *cause = code == CURLE_COULDNT_CONNECT && number > 0 ? strerrordesc_np((int)number) : NULL;
    return err_set(why, exchange->has_sent ? ERR_UNKNOWN : before, "%s%s%s", detail, cause ? ": " : "",
                   cause ? cause : "");
}

/* A time-out counts where the look-up had not come to its end. */
static bool is_untried(const struct exchange *exchange, CURLcode code)
{
    curl_off_t looked_up_us = 0;
    curl_easy_getinfo(exchange->easy, CURLINFO_NAMELOOKUP_TIME_T, &looked_up_us);
    if (fetch_memory_is_short() || (exchange->has_no_socket && !exchange->has_sent))
        return true;
    switch ((int)code) {
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_FAILED_INIT:
    case CURLE_OUT_OF_MEMORY:
        return true;
    case CURLE_OPERATION_TIMEDOUT:
        return looked_up_us == 0;
    default:
        return false;
    }
}

static enum err classify(struct exchange *exchange, CURLcode code, struct errmsg *why)
{
    if (exchange->refused != ERR_OK)
        return err_set(why, exchange->refused, "%s", exchange->refusal.text);
    if (fetch_memory_is_short()) /* also with an answer: a header may not have gone out */
        return failure(exchange, ERR_NO_MEMORY, code, why);
    switch ((int)code) {
    case CURLE_OK:
        return ERR_OK;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return failure(exchange, ERR_INVALID, code, why);
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
        return failure(exchange, ERR_DENIED, code, why);
    case CURLE_WRITE_ERROR:
        if (exchange->is_too_big)
            return err_set(why, ERR_TOO_BIG, "the answer is bigger than %zu bytes", exchange->response->body.max_len);
        return failure(exchange, ERR_TEMPORARY, code, why);
    default:
        return failure(exchange, ERR_TEMPORARY, code, why);
    }
}

static bool is_cancelled(const struct fetch_request *request)
{
    return request->cancel && atomic_load(request->cancel);
}

/* libcurl itself, and no server, is at a loss. */
static enum err driving_failed(struct exchange *exchange, CURLMcode code, struct errmsg *why)
{
    exchange->response->is_untried = !exchange->has_sent;
    return err_set(why, exchange->has_sent ? ERR_UNKNOWN : ERR_TEMPORARY, "%s", curl_multi_strerror(code));
}

/* Drives the transfer until it ends or is cancelled. */
static enum err transfer(struct curl_fetch *fetch, struct exchange *exchange, struct errmsg *why)
{
    for (;;) {
        int running = 0, queued = 0;
        CURLMcode code = curl_multi_perform(fetch->multi, &running);
        if (code != CURLM_OK)
            return driving_failed(exchange, code, why);
        for (CURLMsg *message; (message = curl_multi_info_read(fetch->multi, &queued));)
            if (message->msg == CURLMSG_DONE) {
                exchange->response->is_untried = is_untried(exchange, message->data.result);
                return classify(exchange, message->data.result, why);
            }
        if (is_cancelled(exchange->request))
            return err_set(why, exchange->has_sent ? ERR_UNKNOWN : ERR_CANCELLED, "cancelled %s",
                           exchange->has_sent ? "after sending had begun" : "before anything was sent");
        code = curl_multi_poll(fetch->multi, NULL, 0, CANCEL_POLL_MS, NULL);
        if (code != CURLM_OK)
            return driving_failed(exchange, code, why);
    }
}

static void response_finish(CURL *easy, struct fetch_response *ret)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    ret->status = (int)status;
    ret->certificate_ends_at = fetch_certificate_end(easy);
}

static enum err exchange_run(struct curl_fetch *fetch, struct exchange *exchange, struct errmsg *why)
{
    enum err err = headers_make(exchange, why);
    if (err == ERR_OK)
        err = connect_to_make(exchange, why);
    if (err != ERR_OK)
        return err;
    fetch_memory_begin();
    curl_easy_reset(fetch->easy);
    CURLcode set = options_connection(fetch->easy, exchange);
    if (set == CURLE_OK)
        set = options_request(fetch->easy, exchange);
    if (set != CURLE_OK || fetch_memory_is_short()) {
        exchange->response->is_untried = true;
        return fetch_memory_is_short() ? err_set(why, ERR_NO_MEMORY, "out of memory")
                                       : err_set(why, ERR_TEMPORARY, "%s", curl_easy_strerror(set));
    }
    CURLMcode code = curl_multi_add_handle(fetch->multi, fetch->easy);
    if (code != CURLM_OK)
        return driving_failed(exchange, code, why);
    err = transfer(fetch, exchange, why);
    response_finish(fetch->easy, exchange->response);
    curl_multi_remove_handle(fetch->multi, fetch->easy); /* closes the connection of an unfinished transfer */
    return err;
}

static enum err fetch_send(struct fetch *base, const struct fetch_request *request, struct fetch_response *ret,
                           struct errmsg *why)
{
    struct curl_fetch *fetch = (struct curl_fetch *)(void *)base;
    memset(ret, 0, sizeof(*ret));
    ret->retry_after_ms = -1;
    ret->rate_remaining = -1;
    ret->body.max_len = request->max_response ? request->max_response : DEFAULT_MAX_RESPONSE;
    if (!is_token(request->method) || !is_header_value(request->url))
        return err_set(why, ERR_INVALID, "the method or the URL has characters that it cannot have");
    if (is_cancelled(request))
        return err_set(why, ERR_CANCELLED, "cancelled before anything was sent");
    if (request->timeout_ms <= 0)
        return err_set(why, ERR_TEMPORARY, "no time is left for a request");

    struct exchange exchange = {.easy = fetch->easy, .request = request, .response = ret};
    int64_t began_at = clock_steady_ms();
    enum err err = exchange_run(fetch, &exchange, why);
    ret->took_ms = clock_steady_ms() - began_at;
    curl_slist_free_all(exchange.headers);
    curl_slist_free_all(exchange.connect_to);
    return err;
}

static void curl_fetch_free(struct fetch *base)
{
    struct curl_fetch *fetch = (struct curl_fetch *)(void *)base;
    curl_easy_cleanup(fetch->easy);
    curl_multi_cleanup(fetch->multi);
    free(fetch);
}

struct fetch *fetch_new(void)
{
    struct curl_fetch *fetch = calloc(1, sizeof(*fetch));
    if (!fetch)
        return NULL;
    fetch->base = (struct fetch){.send = fetch_send, .free = curl_fetch_free};
    fetch->multi = curl_multi_init();
    fetch->easy = curl_easy_init();
    if (fetch->multi && fetch->easy)
        return &fetch->base;
    curl_fetch_free(&fetch->base);
    return NULL;
}

void fetch_free(struct fetch *fetch)
{
    if (fetch)
        fetch->free(fetch);
}

/* HTTP requests to providers and checked sites. The only place that knows libcurl.
 *
 * Behind a small struct of functions, so that a test can stand in for the network. TLS verification is never off;
 * redirects are never followed; HTTP and HTTPS only; the proxy variables of the environment are honoured as libcurl
 * does. Connections are kept per fetch object; an object belongs to one thread. Everything but GET goes out on a
 * connection of its own: on a kept one that has been closed meanwhile libcurl would send it twice. Nothing here tries
 * again, and nothing that knows a provider may be added. */
#ifndef TURNOUT_SERVER_FETCH_FETCH_H
#define TURNOUT_SERVER_FETCH_FETCH_H

#include "base/err.h"
#include "base/strbuf.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct fetch_header {
    const char *name;
    const char *value;
    bool is_secret; /* shown as "(secret)" wherever the request is recorded */
};

struct fetch_request {
    const char *method;
    const char *url; /* recorded by who journals the request: without secrets then. Nothing here shows it */
    const struct fetch_header *headers;
    size_t n_headers;
    const char *body; /* NULL: none; sent with Content-Length as it is */
    size_t body_len;
    const char *connect_to; /* address (no port) to connect to in place of the URL's host; name, certificate and
                               Host stay those of the URL. NULL: none */
    const char *ca, *certificate, *key; /* PEM files: authorities in place of the system's; what the server is shown.
                                           NULL: the system's, nothing */
    bool is_fresh;             /* a look-up and a connection of its own: what somebody who comes now would get */
    int64_t timeout_ms;        /* of the whole exchange */
    size_t max_response;       /* bytes of body kept; 0: 4 MiB; more is ERR_TOO_BIG */
    const atomic_bool *cancel; /* may be NULL; set: the exchange ends within 100 ms with ERR_CANCELLED */
    /* Asked when the connection stands, in the instant in which the request would go out; must not block. An error: it
     * does not go out, and send() returns this error. NULL: nobody is asked. */
    enum err (*may_send)(void *context, struct errmsg *why);
    void *may_send_context;
};

struct fetch_response {
    int status;             /* 0: no answer */
    struct strbuf body;     /* NUL-terminated when not empty */
    char content_type[128]; /* "" when not given */
    int64_t retry_after_ms; /* from Retry-After (seconds or date); -1 when not given or unreadable */
    char request_id[128];   /* x-amzn-requestid, x-ovh-queryid, x-request-id; "" */
    bool is_maintenance;    /* X-Maintenance-Mode was there (Linode) */
    bool is_untried;        /* no answer for want of something of our own: the name could not be looked up, there was no
                               socket, no file of authorities. Nothing is known of the server itself */
    int64_t date_at;        /* wall, from Date; 0 when not given or unreadable */
    int rate_remaining;     /* X-RateLimit-Remaining; -1 when not given or unreadable */
    int64_t rate_reset_at;  /* wall, from X-RateLimit-Reset (seconds since 1970); 0 */
    int64_t
        certificate_ends_at; /* wall: the server's own; 0: not asked for with is_fresh, or not by TLS, or not known */
    int64_t took_ms;         /* name look-up to last byte; also of a failed exchange */
    char peer[64];           /* address connected to */
};

struct fetch {
    /* Performs one exchange. ERR_OK: any HTTP answer, complete (whatever its status). ERR_TEMPORARY: certainly nothing
     * reached the server's application (look-up, connect, TLS handshake failed). ERR_UNKNOWN: the request may have
     * been acted on (time-out or broken connection after sending began). ERR_DENIED: the server's certificate is not
     * acceptable. ERR_TOO_BIG, ERR_CANCELLED (after sending began: ERR_UNKNOWN), ERR_INVALID (a URL we cannot use).
     * The caller calls fetch_response_done() in every case. */
    enum err (*send)(struct fetch *fetch, const struct fetch_request *request, struct fetch_response *ret,
                     struct errmsg *why);
    void (*free)(struct fetch *fetch); /* accepts what fetch_new() gave */
};

void fetch_start(void); /* once in main(), before any thread */
/* A fetch object of libcurl. NULL: out of memory. */
struct fetch *fetch_new(void);
void fetch_free(struct fetch *fetch); /* accepts NULL */
void fetch_response_done(struct fetch_response *response);

#endif

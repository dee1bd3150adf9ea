/* The two embedded HTTP servers: one for monitors (hooks), one for operators (API and page), each a libmicrohttpd
 * daemon with its own limits, so that a flood on one does not keep anybody out of the other.
 *
 * The only place that knows libmicrohttpd. An HTTP thread never waits: a request that becomes a command is suspended
 * and resumed by the command's completion, or answered 503 after five seconds without a commit. */
#ifndef TURNOUT_HTTP_HTTP_H
#define TURNOUT_HTTP_HTTP_H

#include "base/secret.h"
#include "base/strbuf.h"
#include "command.h"
#include "core/model.h"
#include "handlers/source.h"
#include "needs.h"

#include <sys/socket.h>

struct http_operator {
    const char *name;
    enum role role;
    const struct secret *token;
};

/* PEM files of a listener that speaks TLS. */
struct http_tls {
    const char *certificate, *key;
    const char *hooks_clients, *api_clients; /* authorities; NULL: no client certificate is asked for */
};

/* What is needed to serve; everything borrowed until http_stop(). */
struct http_settings {
    const struct sockaddr *hooks_address, *api_address;
    const char *hooks_text, *api_text; /* as configured, for messages */
    const struct http_tls *tls;        /* NULL: plain HTTP */
    const struct network *trusted_proxies;
    size_t n_trusted_proxies;
    int hooks_rate, api_rate;     /* requests per second of one address */
    const struct source *sources; /* index: source of the model */
    int n_sources;
    const struct http_operator *operators;
    int n_operators;
    const struct model *model;
    struct command_queue *queue;
    struct needs *needs; /* NULL: what needs anything is answered 503 */
    /* What GET /api/v1/status answers, of the daemon as a whole: {"cut_off", "kill_switch", "heartbeat", "flood": a
     * sentence that says what was found, or null when nothing is wrong there; "stale", "suspect": names of voters}.
     * What is not known is left out. Called on an HTTP thread, and must not wait; gives a new object, NULL when memory
     * runs out. NULL itself: nothing is known. */
    json_t *(*status)(void *context);
    void *status_context;
    const char *database;     /* for readers */
    size_t max_body;          /* bytes; beyond: 413 */
    size_t max_bodies;        /* bytes of all bodies in memory; beyond: 503 before reading */
    unsigned max_connections; /* per listener */
    unsigned max_connections_per_address;
    int64_t header_deadline_ms, body_deadline_ms, commit_deadline_ms, idle_ms;
};

/* Fills in the defaults: 1000 and 100 requests, 4 MiB, 64 MiB, 1024, 256, 10 s, 30 s, 5 s, 120 s. */
void http_settings_init(struct http_settings *settings);

struct http;

#define HTTP_MAX_HOLDS 4

/* Starts both listeners. ERR_BUSY: port taken (the message names the address and the setting), ERR_INVALID: the files
 * of TLS cannot be used, ERR_IO. */
MUST_CHECK enum err http_start(const struct http_settings *settings, struct http **ret, struct errmsg *why);
/* The ports bound (useful when 0 was asked for). */
int http_hooks_port(const struct http *http);
int http_api_port(const struct http *http);
/* Reads the files of TLS again: new connections get the new certificate, and client certificates are verified anew.
 * After an error (the message names the file) everything stays as it was. Any thread. */
MUST_CHECK enum err http_reload_tls(struct http *http, struct errmsg *why);
/* Whether these files can be used; what is doubtful about them (they expire soon) is added as lines. */
MUST_CHECK enum err http_check_tls(const struct http_tls *tls, struct strbuf *doubts, struct errmsg *why);
/* Says whether /readyz answers 200; `why` (copied) is what it says otherwise. Any thread. */
void http_set_ready(struct http *http, bool is_ready, const char *why);
/* What keeps the daemon from acting by itself, as words ("cut_off"): /readyz names them and still answers 200, since
 * deliveries are taken and people can act. Who sends 503 is taken out of service or started again by load balancers and
 * the like, in the very minute in which monitors have to get through. `names` are literals, up to a NULL, at most
 * HTTP_MAX_HOLDS. Any thread. */
void http_set_holds(struct http *http, const char *const *names);
/* A line of Prometheus text per metric, appended to /metrics: called on an HTTP thread. May be NULL. */
void http_set_metrics(struct http *http, void (*add)(void *context, struct strbuf *text), void *context);
/* First: no new connections, deliveries get 503; what is suspended is still answered by its completion. */
void http_stop_accepting(struct http *http);
/* Then, after the orchestrator has stopped: resumes whatever is left with 503 and stops. Accepts NULL. */
void http_stop(struct http *http);

#endif

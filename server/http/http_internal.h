/* What the files of server/http share. Nothing outside this folder includes it.
 *
 * Threads: each listener has one libmicrohttpd thread, on which every callback of its connections runs; the watchdog
 * thread enforces deadlines; two worker threads do what is slow; completions of commands come on the orchestrator's
 * thread. What only a listener's thread touches needs no lock; the rest is atomic or says what guards it. */
#ifndef TURNOUT_HTTP_INTERNAL_H
#define TURNOUT_HTTP_INTERNAL_H

#include "base/address.h"
#include "http/http.h"
#include "http/limit.h"
#include "needs.h"
#include "store/store.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

#define MAX_ARGUMENT 256    /* bytes of one path segment or query value */
#define MAX_QUERY 64        /* parameters of a delivery */
#define MAX_NEEDS 2         /* of one delivery: its certificate, its confirmation */
#define MAX_CALL_BODY 65536 /* of an operator's call */
#define MAX_HEAD 16384      /* bytes of a request's line and headers, and of libmicrohttpd's memory per connection */
#define DROP_FACTOR 4       /* so many times max_body is read and dropped before a connection is just closed */
#define RETRY_AFTER_SECONDS "5" /* of every 503 */

struct listener;
struct connection;
struct request;

/* ---- routes ------------------------------------------------------------------------------------------------------ */

enum access {
    ACCESS_PROBE,    /* anybody, as often as they like: a supervisor must not take a flood for a death */
    ACCESS_OPEN,     /* anybody */
    ACCESS_SOURCE,   /* a source's credential */
    ACCESS_VIEWER,   /* any operator's token */
    ACCESS_APPROVER, /* a token with the role operator or approver */
    ACCESS_OPERATOR, /* a token with the role operator */
};

struct route {
    const char *method; /* "GET" also answers HEAD */
    const char *path;   /* the first '*' stands for one segment, which becomes request->argument, a second, at the end,
                           for what is left of the path: request->rest */
    enum access access;
    size_t max_body;                          /* 0: of the settings */
    void (*begin)(struct request *request);   /* after the headers; refuses by an answer. NULL: nothing to look at */
    void (*serve)(struct request *request);   /* the body is there: answers, or suspends */
    void (*resumed)(struct request *request); /* after an exchange: answers. NULL: serve never suspends */
    const char *parameters; /* names of the query's parameters, each followed by a space; "" for none */
    int what;               /* of rows that share functions: a direction, a run event */
};

/* ---- exchange ---------------------------------------------------------------------------------------------------- */

struct worker_job;

enum exchange_state { EXCHANGE_WAITING, EXCHANGE_DONE, EXCHANGE_LATE };

/* A request handed to another thread while its connection is suspended. Who moves `state` away from WAITING, the
 * completion (DONE) or the watchdog (LATE), resumes the connection, and nobody else does; until then the connection
 * cannot go away, because libmicrohttpd does not look at a suspended one. Freed by the last of the two sides. */
struct exchange {
    atomic_int references;
    atomic_int state;
    struct http *http;
    struct MHD_Connection *mhd;
    int64_t due_at;          /* steady; INT64_MAX: no deadline */
    size_t reserved;         /* of the bodies' memory, given back with the exchange */
    struct command *command; /* set before DONE; owned */
    struct worker_job *job;  /* the same for slow work; owned */
    struct need_job *need;   /* the same for what a delivery needs; owned */
};

/* ---- request ----------------------------------------------------------------------------------------------------- */

/* One request of one connection, from its headers to the end of its answer. On the listener's thread only. */
struct request {
    struct connection *connection;
    struct MHD_Connection *mhd;
    const struct route *route; /* NULL: none matches */
    const char *method, *path; /* borrowed from libmicrohttpd; the path is decoded, the query left out */
    char argument[MAX_ARGUMENT];
    const char *rest;    /* borrowed from `path`; NULL: the route has no second '*'. A token: never recorded */
    struct address from; /* the client's; a proxy's where that does not say more */
    int source;          /* hooks: index; -1: not known (yet) */
    bool is_known;       /* a right credential was there */
    int n_needs;         /* hooks: so many things were done for this delivery elsewhere */
    bool is_confirmed;
    bool is_anybodys; /* hooks: the source has no credential, so that the body has to be read to know whose it is */
    const struct http_operator *caller; /* api: whose token it is */
    /* the body */
    bool is_dropping;  /* read and dropped, since the answer is known */
    bool is_endless;   /* nobody knows where it ends: answered at once, and the connection closed */
    uint64_t declared; /* Content-Length */
    bool has_body, is_chunked;
    size_t max_body, reserved, dropped;
    char *body; /* owned */
    size_t body_len, body_room;
    /* the answer, once known */
    struct MHD_Response *response; /* owned, unless shared */
    bool is_shared;
    unsigned status;
};

/* ---- connection -------------------------------------------------------------------------------------------------- */

enum stage {
    STAGE_IDLE,   /* between requests, or before the first byte of the first */
    STAGE_HEADER, /* the first byte has come */
    STAGE_BODY,   /* the headers are read */
    STAGE_WORK,   /* the request is read: suspended, or being answered */
};

/* A slot of the listener's table; taken from accept to close. */
struct connection {
    struct listener *listener;
    pthread_mutex_t mutex;     /* guards fd and exchange: the watchdog must not meet a number that was used again */
    int fd;                    /* -1: free */
    struct exchange *exchange; /* while suspended */
    struct MHD_Connection *mhd;
    struct address address;       /* of the other end */
    struct tls_set *tls;          /* what it was opened with, or last verified by; owned. NULL: plain HTTP */
    int64_t client_is_good_until; /* steady: then its certificate is verified again */
    atomic_int stage;
    _Atomic int64_t since;  /* steady: when the stage began */
    atomic_uint n_requests; /* finished ones */
    unsigned seen_requests; /* the watchdog's: n_requests when `bytes` was read */
    uint64_t bytes;         /* the watchdog's: received by the kernel when the idle stage began */
    struct request request;
};

/* Counters of one listener for /metrics. */
struct listener_counters {
    atomic_llong connections, refused_connections, cut_connections; /* accepted; over a limit; over a deadline */
    atomic_llong answers[6];                                        /* by the hundred of the status */
    atomic_llong limited, limited_sources;           /* requests over the rate of an address, of a source */
    atomic_llong refused_clients, refused_addresses; /* by their certificates, by a source's allow-list */
    atomic_int open;                                 /* connections now */
};

struct listener {
    struct http *http;
    const char *setting;   /* "server.hooks" */
    const char *text;      /* the address as configured */
    const char *clients;   /* PEM file of the authorities of client certificates; NULL: none are asked for */
    int rate;              /* requests per second of one address */
    unsigned limit_status; /* of the answer to more */
    struct limit_table *known, *strangers; /* requests with a right credential, and all others: these keep nobody out */
    int port;
    struct MHD_Daemon *daemon;
    int quiet_fd;                   /* the listening socket once nothing is accepted any more; -1 before */
    const struct route *routes;     /* ends with a NULL path */
    struct connection *connections; /* n_connections slots */
    struct peer *peers;             /* of each slot; apart, because every accept looks through them all. 0: free */
    unsigned n_connections;
    struct listener_counters counters;
};

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

/* Refused requests of one source, one operator, or of unknown callers, gathered into one command a second. */
struct refusal {
    enum command_kind kind;
    struct command_refused first; /* of those not yet told */
    int64_t told_at;
};

/* What a source has sent since the daemon started. */
struct heard {
    atomic_llong deliveries, refused; /* taken, repeats among them; refused by 4xx */
    _Atomic int64_t at;               /* wall: the last that was taken; 0: none */
};

/* ---- all of it --------------------------------------------------------------------------------------------------- */

struct worker {
    struct http *http;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct worker_job *first, **last;
    int length;
    bool is_running, is_stopping;
};

struct http {
    atomic_int references; /* http_stop()'s, and one per exchange: a command may be completed after everything else */
    struct http_settings settings;
    struct listener hooks, api;
    struct limit *source_limits; /* of each source; the hooks thread's */
    struct tls *tls;             /* NULL: plain HTTP */
    atomic_size_t bodies;        /* bytes in memory, of all requests */
    atomic_int suspended, active_requests, exports;
    atomic_llong deliveries_new, deliveries_duplicate, deliveries_late, rejected, refused_calls;
    atomic_bool is_stopping; /* no new deliveries */
    atomic_bool is_ending;   /* nothing may stay suspended */

    pthread_mutex_t told_mutex; /* guards what others tell us: these five */
    bool is_ready;
    char why_not_ready[256];
    const char *holds[HTTP_MAX_HOLDS + 1]; /* up to a NULL */
    void (*add_metrics)(void *context, struct strbuf *text);
    void *metrics_context;

    pthread_mutex_t refusals_mutex;
    struct refusal *refusals; /* sources, then operators, then unknown callers, of the API and of hooks */
    int n_refusals;

    pthread_t watchdog;
    pthread_mutex_t watchdog_mutex;
    pthread_cond_t watchdog_cond;
    bool is_watchdog_running, is_watchdog_stopping;

    struct worker verifier, rereader; /* see worker.c */
    struct heard *heard;              /* of each source */
    struct store_reader *reader;      /* the api listener's thread's; NULL: not open */
    struct MHD_Response **pages;      /* one per static file */
    char (*page_tags)[40];            /* their ETags */
};

/* http.c */
void http_release(struct http *http);

/* connection.c */
MUST_CHECK enum err connections_init(struct listener *listener, unsigned max);
void connections_done(struct listener *listener);
enum MHD_Result connection_may_open(void *listener, const struct sockaddr *address, socklen_t len);
void connection_notify(void *listener, struct MHD_Connection *mhd, void **socket_context,
                       enum MHD_ConnectionNotificationCode code);
void connection_stage(struct connection *connection, enum stage stage);
MUST_CHECK enum err watchdog_start(struct http *http);
void watchdog_stop(struct http *http);
/* Answers everything that is still suspended with 503. */
void connections_give_up(struct listener *listener);

/* request.c */
enum MHD_Result request_handle(void *listener, struct MHD_Connection *mhd, const char *url, const char *method,
                               const char *version, const char *upload, size_t *upload_size, void **context);
void request_completed(void *listener, struct MHD_Connection *mhd, void **context,
                       enum MHD_RequestTerminationCode code);
size_t request_unescape(void *listener, struct MHD_Connection *mhd, char *text);
const char *request_header(const struct request *request, const char *name); /* NULL: absent */
/* Counts the request, whose credential has been looked at; beyond the rate of its address it replaces the answer. */
void request_limit(struct request *request);
/* Counts a delivery of its source; beyond the rate of that it answers, and returns false. */
bool request_limit_source(struct request *request);
struct http *request_http(const struct request *request);

/* exchange.c */
/* Suspends the request's connection. NULL (out of memory): not suspended. */
struct exchange *exchange_begin(struct request *request, int64_t due_at);
/* From any thread, once: the answer is in command or job. The other side's reference goes with it. */
void exchange_complete(struct exchange *exchange);
/* The watchdog's end of it: true when it was still waiting. */
bool exchange_expire(struct exchange *exchange);
/* On the listener's thread after the resume: takes it off the connection. Release with exchange_release(). */
struct exchange *exchange_end(struct request *request);
void exchange_release(struct exchange *exchange);

/* body.c */
/* Bytes of the memory for bodies; false: the bound is reached. */
bool bodies_reserve(struct http *http, size_t bytes);
void bodies_release(struct http *http, size_t bytes);
/* Whether the headers say the body's length twice, or in a way that we do not know. Whoever stands before us may have
 * taken another end for the right one: then what follows is not what they let pass. */
bool body_has_two_ends(const struct request *request);
/* Looks at the headers: how large, and whether it may be read at all; refuses by an answer. */
void body_begin(struct request *request);
/* False: more than will be read; the connection is to be closed. */
bool body_add(struct request *request, const char *bytes, size_t len);
void body_free(struct request *request);

/* answer.c */
/* All of them replace an answer given before. */
void answer_text(struct request *request, unsigned status, const char *media_type, struct strbuf *text);
void answer_json(struct request *request, unsigned status, json_t *json); /* takes */
void answer_error(struct request *request, unsigned status, const char *code, const char *format, ...)
    PRINTF_LIKE(4, 5);
void answer_response(struct request *request, unsigned status, struct MHD_Response *response); /* takes */
void answer_shared(struct request *request, unsigned status, struct MHD_Response *response);   /* borrows */
void answer_drop(struct request *request);
void answer_header(struct request *request, const char *name, const char *value);
/* 503 with Retry-After. */
void answer_later(struct request *request, const char *message);
enum MHD_Result answer_send(struct request *request);

/* route.c */
/* Finds the row for the method and path, with the argument filled in; without one it answers 404 or 405. */
void route_find(struct request *request);

/* admission.c */
/* Of a hook: lets the request go on to its body, or refuses by an answer. */
void hook_begin(struct request *request);
/* Whether it is not before the signature in the body that a delivery is known to be its source's. */
bool is_proved_by_body(const struct source *source);

/* credential.c */
/* Whether one of the source's credentials is there; also when it has none. `path_token` NULL: there is none. */
bool credential_is_right(const struct source *source, const char *authorization, const char *path_token);
bool credential_is_needed(const struct source *source);
/* The token of "Bearer TOKEN"; NULL when it is not of that form. */
const char *credential_bearer(const char *authorization);

/* refusal.c */
MUST_CHECK enum err refusals_init(struct http *http);
void refusals_done(struct http *http);
void refusal_of_source(struct request *request, const char *reason);
/* `operator` NULL: not known. */
void refusal_of_call(struct request *request, const struct http_operator *operator, const char * reason);
/* Of whom nothing has been looked at. */
void refusal_of_client(struct request *request, const char *reason);
void refusals_tell(struct http *http, bool is_last);

/* hooks.c, api.c */
extern const struct route hooks_routes[];
extern const struct route api_routes[];
/* A query parameter, "" when absent; over-long or unknown ones were refused before. */
const char *api_parameter(const struct request *request, const char *name);
/* The same as a filter: NULL when absent or empty. */
const char *api_filter(const struct request *request, const char *name);
/* The reader of the api listener's thread; NULL after answering 503. */
struct store_reader *api_reader(struct request *request);
/* After a store error: 404 for "not found"; else 503, and the reader is opened anew next time. */
void api_store_failed(struct request *request, enum err err, const struct errmsg *why);
/* The `limit` parameter: 1..500, 50 when absent; 0 after answering 400. */
int api_limit(struct request *request);

/* The `after` parameter where it is a number, 0 when absent; false after answering 400. */
bool api_cursor(struct request *request, int64_t *ret);
/* Of what the store has answered: a text, "" where there is none, and a time in wall ms, 0 where there is none. */
const char *api_text(const json_t *object, const char *key);
int64_t api_time(const json_t *object, const char *key);
/* {"items", "next"}; takes the items. No `next`: 0. */
json_t *api_page(json_t *items, int64_t next);

/* api_services.c, api_runs.c, api_audit.c, api_deliveries.c, api_sources.c, api_calls.c */
void api_services(struct request *request);
void api_service(struct request *request);
void api_readiness(struct request *request);
void api_runs(struct request *request);
void api_run(struct request *request);
void api_audit(struct request *request);
void api_audit_export(struct request *request);
void api_audit_verify(struct request *request);
void api_audit_verified(struct request *request);
void api_deliveries(struct request *request);
void api_delivery(struct request *request);
void api_sources(struct request *request);
void api_call_move(struct request *request);
void api_call_plan(struct request *request);
void api_call_adopt(struct request *request);
void api_call_pause(struct request *request);
void api_call_vote(struct request *request);
void api_call_run(struct request *request);
void api_call_drill(struct request *request);
void api_call_answered(struct request *request);
void api_status(struct request *request);
void api_incidents(struct request *request);
void api_incident(struct request *request);
void api_export(struct request *request);
void api_incident_report(struct request *request);
void api_run_report(struct request *request);
void api_shadow(struct request *request);
/* One service as the API shows it; NULL after answering 503. */
json_t *api_service_get(struct request *request, int index);

/* service_site.c */
json_t *service_site_json(const struct model *model, const struct service *service, int site, const json_t *state);
/* The wall time of a stored steady one, of a row with "offset_ms" and "boot_id"; 0: there is none. */
int64_t stored_to_wall(const json_t *row, const char *key);
json_t *time_json(int64_t wall_ms); /* null for 0 */

/* call_body.c */
enum call_kind {
    CALL_MOVE,
    CALL_PLAN,
    CALL_ADOPT,
    CALL_PAUSE,
    CALL_VOTE,
    CALL_APPROVE,
    CALL_RUN,
    CALL_STEP,
    CALL_RETRY,
    CALL_DRILL
};
struct call_body {
    json_t *json;       /* owned: what the texts are borrowed from */
    const char *reason; /* not blank */
    const char *site;   /* `to`, or `site`; NULL: not given */
    bool is_planned, is_replacing, is_scripted;
    uint64_t overrides;
    const char *plan;      /* a hash; NULL: not given */
    enum vote says;        /* VOTE_UNKNOWN: nothing */
    int step;              /* -1: not given */
    enum drill_kind drill; /* `kind` */
    bool has_drill;        /* it was given */
};
/* False after answering. With true, json_decref() its `json`. */
bool call_body_read(struct request *request, enum call_kind kind, struct call_body *ret);
/* A call that nobody can mean: answered 400, and on record like every call that is refused. */
void refuse_call(struct request *request, const char *code, const char *format, ...) PRINTF_LIKE(3, 4);

/* worker.c */
struct worker_job {
    struct worker_job *next;
    struct exchange *exchange;
    /* What is to be done; on the worker's thread. */
    enum err (*work)(struct http *http, struct store_reader *reader, struct worker_job *job);
    enum err err;
    struct errmsg why;
    struct audit_verdict verdict; /* of a verification */
    struct {                      /* what is asked for */
        int64_t before;
        int limit;
        bool is_unmatched;
        char source[MAX_ARGUMENT]; /* "": any */
        struct id id;
        int64_t since; /* wall: of the shadow report */
    } asked;
    json_t *answer;  /* owned */
    bool is_unknown; /* there is no such thing: 404 */
};
void worker_init(struct worker *worker, struct http *http);
void worker_done(struct worker *worker);
MUST_CHECK enum err worker_start(struct worker *worker);
void worker_stop(struct worker *worker);
/* Takes the job (NULL: out of memory) and suspends the request until it is done, or answers that it cannot be. */
void worker_give(struct worker *worker, struct request *request, struct worker_job *job);
/* After the exchange: the job's answer, or why there is none. */
void worker_answered(struct request *request);
void worker_job_free(struct worker_job *job); /* accepts NULL */

/* tls.c */
MUST_CHECK enum err tls_init(struct http *http, struct errmsg *why);
void tls_done(struct http *http);
/* Options of the listener's server; ends with MHD_OPTION_END. */
struct MHD_OptionItem *tls_options(const struct http *http);
/* When a connection has been accepted, and when it is gone. */
void tls_open(struct connection *connection);
void tls_close(struct connection *connection);
/* What is wrong with the client's certificate; NULL: nothing, or none is asked for. Before anything of a request is
 * looked at. */
const char *tls_client_problem(struct connection *connection);
/* Says once a day in the log when the certificate is about to expire. */
void tls_look(struct http *http);
void tls_metrics(struct http *http, struct strbuf *text);

/* pages.c */
MUST_CHECK enum err pages_init(struct http *http);
void pages_done(struct http *http);
void page_index(struct request *request);
void page_file(struct request *request);

/* health.c */
void health_alive(struct request *request);
void health_ready(struct request *request);
void health_metrics(struct request *request);

#endif

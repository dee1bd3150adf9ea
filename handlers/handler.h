/* A handler is the code for one kind of monitor: it turns one delivery, whose credential is known to be right, into
 * alerts.
 *
 * A handler is one const struct at the foot of its file and one line in handlers/list.h. It runs on HTTP threads, many
 * at a time, causes no effect, and trusts nothing it reads. What takes a network (a certificate to be fetched, a
 * subscription to be confirmed) it only asks for, as a need; others do it and call it again. */
#ifndef TURNOUT_HANDLERS_HANDLER_H
#define TURNOUT_HANDLERS_HANDLER_H

#include "base/err.h"
#include "base/strbuf.h"
#include "core/alert.h"
#include "core/row.h"

struct source; /* handlers/source.h */

/* What a handler hands over for each alert. All pointers borrow from the body or the handler's own memory and are
 * good only during the call. */
struct handler_alert {
    enum alert_state state;
    int64_t starts_at, ends_at; /* the sender's wall clock; TIME_UNKNOWN */
    int64_t asserted_at;  /* when the sender found it so, by its own clock, where it orders what the sender says of
                             this alert: an older assertion never overwrites a newer one. TIME_UNKNOWN: it has no
                             such time, the order is that of arrival and of starts_at and ends_at */
    const char *identity; /* of the alert within its source; any bytes */
    size_t identity_len;
    const struct label *labels; /* what `match` sees */
    size_t n_labels;
};

/* Called for each alert in order. Anything but ERR_OK ends the parsing, and is what parse() returns. */
typedef enum err (*handler_take_alert)(void *context, const struct handler_alert *alert, struct errmsg *why);

/* A parameter of the query, decoded; both are NUL-terminated text without a NUL inside. */
struct handler_field {
    const char *name;
    const char *value;
};

/* One request, or a body that was stored or comes from a file. Everything is borrowed. */
struct handler_request {
    const struct source *source;
    const char *body; /* not NUL-terminated */
    size_t len;
    const struct handler_field *query;
    size_t n_query;
    /* A header's value; NULL: absent. NULL as a whole: there are no headers. */
    const char *(*header)(const struct handler_request *request, const char *name);
    const void *context; /* of `header` */
    int64_t now;         /* wall, ms */
    bool is_stored;      /* not from the network: signatures, ages and the like are not asked for, and there are no
                            needs. What parse() put into `stored` must give the same alerts when it is read so */
};

enum handler_need_kind {
    HANDLER_NEEDS_NOTHING,
    HANDLER_NEEDS_CERTIFICATE,  /* GET `url`, give it to handler->learn(), and parse the delivery again */
    HANDLER_NEEDS_CONFIRMATION, /* GET `url`; a 2xx means that the delivery is dealt with */
};

/* What must be done before the delivery can be answered 2xx. */
struct handler_need {
    enum handler_need_kind kind;
    char url[2048]; /* built by the handler, of parts that it has checked; may hold a token: never recorded */
    char what[256]; /* the same in words, without secrets: "certificate NAME of HOST" */
};

/* What a delivery amounts to. The caller zeroes it and sets `take` and `context`. */
struct handler_result {
    handler_take_alert take;
    void *context;
    struct strbuf stored; /* what is kept in place of the body, secrets taken out; empty: the body as it came. The
                             caller frees it, also after an error */
    struct handler_need need;
    /* Something to go on record beside the alerts, as an audit entry "intake.<notice_kind>"; "" for nothing. */
    const char *notice_kind; /* a literal: "subscription", "unsubscribed"; NULL: none */
    char notice[256];
    bool is_loud;      /* the notice is also a warning in the log */
    char nothing[256]; /* why the delivery holds no alert, when it holds none and is to be kept all the same; "" */
};

enum handler_media {
    HANDLER_JSON,      /* application/json, or application/…+json */
    HANDLER_ANY_MEDIA, /* the sender's Content-Type cannot be relied on: the body itself is looked at */
};

struct handler {
    const char *kind;        /* as in `kind:` */
    const char *help;        /* one sentence */
    const struct row *rows;  /* what a source of this kind takes beside its credentials; ends with a NULL name */
    const char *labels_help; /* which labels `match` sees */
    const char *identifying; /* the label that names an alert ("alertname"): `check` warns of a rule that does not match
                                it; NULL: there is none */
    /* Whether an alert of this source can have a label of that name, where that is known. NULL: it is not. */
    bool (*has_label)(const struct source *source, const char *name);
    bool repeats;        /* its monitor says again and again what fires, for as long as it does; else it is taken to
                            speak once, when something changes */
    const char *methods; /* "POST", "POST, PUT" or "GET, POST" */
    enum handler_media media;
    size_t max_body;    /* bytes; beyond: 413. 0: the daemon's own bound */
    bool is_challenged; /* the sender first asks without its credential and waits for the 401: that is no failed try */
    /* Checks the rows' values against each other and makes source->state. No I/O. ERR_INVALID with a text for the
     * configuration's author. May be NULL. */
    enum err (*open)(struct source *source, struct errmsg *why);
    void (*close)(struct source *source); /* frees source->state; may be NULL */
    /* Whether each delivery of this source must bear a signature that this handler verifies. NULL: never. */
    bool (*is_signed)(const struct source *source);
    /* Reads the whole body before it gives the first alert: a body that fails anywhere gives none. ERR_INVALID (400)
     * with what is wrong and where (byte offset or path), ERR_TOO_BIG beyond a bound (413), ERR_DENIED (403) when a
     * signature or what it vouches for is not acceptable, ERR_TEMPORARY (503) for what may be right later. ERR_OK with
     * a need: no alert was given. */
    enum err (*parse)(const struct handler_request *request, struct handler_result *result, struct errmsg *why);
    /* Asked before a need is done, which may have waited behind others: whether it is still one. NULL: always. */
    bool (*is_needed)(const struct source *source, const struct handler_need *need);
    /* Takes what was fetched for HANDLER_NEEDS_CERTIFICATE; not on an HTTP thread. `err` and `why` say when the
     * fetching failed: that too is worth knowing, so that the same is not asked for at once. NULL where there are no
     * such needs.
     */
    void (*learn)(const struct source *source, const struct handler_need *need, const char *bytes, size_t len,
                  int64_t now, enum err err, const struct errmsg *why);
};

/* What a delivery that parse() refuses so is answered: 400, 413 or 403; 0: it may be right later, 503. */
int handler_refusal_status(enum err err);

/* NULL when there is none. */
const struct handler *handler_find(const char *kind);
/* All of them, NULL at the end. */
const struct handler *const *handler_list(void);

#endif

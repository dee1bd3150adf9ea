/* A handler is the code for one kind of monitor: it turns the body of one authenticated delivery into alerts.
 *
 * A handler is one const struct at the foot of its file and one line in handlers/list.h. It runs on HTTP threads,
 * many at a time, keeps no state, causes no effect, and trusts nothing it reads. */
#ifndef TURNOUT_HANDLERS_HANDLER_H
#define TURNOUT_HANDLERS_HANDLER_H

#include "base/err.h"
#include "core/alert.h"
#include "core/row.h"

/* What a handler hands over for each alert. All pointers borrow from the body or the handler's own memory and are
 * good only during the call. */
struct handler_alert {
    enum alert_state state;
    int64_t starts_at, ends_at; /* the sender's wall clock; TIME_UNKNOWN */
    const char *identity;       /* of the alert within its source; any bytes */
    size_t identity_len;
    const struct label *labels; /* what `match` sees */
    size_t n_labels;
};

/* Called for each alert in order. Anything but ERR_OK ends the parsing, and is what parse() returns. */
typedef enum err (*handler_take_alert)(void *context, const struct handler_alert *alert, struct errmsg *why);

struct handler {
    const char *kind;        /* as in `kind:` */
    const char *help;        /* one sentence */
    const struct row *rows;  /* what a source of this kind takes beside its credentials; ends with a NULL name */
    const char *labels_help; /* which labels `match` sees */
    const char *identifying; /* the label that names an alert ("alertname"): `check` warns of a rule that does not match
                                it; NULL: there is none */
    /* Reads the whole body before it gives the first alert: a body that fails anywhere gives none. ERR_INVALID with
     * what is wrong and where (byte offset or path), ERR_TOO_BIG beyond a bound. `body` is not NUL-terminated. */
    enum err (*parse)(const char *body, size_t len, handler_take_alert take, void *context, struct errmsg *why);
};

/* NULL when there is none. */
const struct handler *handler_find(const char *kind);
/* All of them, NULL at the end. */
const struct handler *const *handler_list(void);

#endif

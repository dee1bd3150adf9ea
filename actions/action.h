/* An action is the code for one kind of effect: up to three functions around one wish ("this record holds this
 * address"), from which the engine makes skipping, verifying, resuming and, later, planning and undoing.
 *
 * An action is one const struct at the foot of its file and one line in actions/list.h. Its functions run on
 * executor threads, several at a time; they keep no state between calls but what is in action_provider. Each call is
 * ONE try: it must not sleep and try again by itself; waiting between tries is the engine's. */
#ifndef TURNOUT_ACTIONS_ACTION_H
#define TURNOUT_ACTIONS_ACTION_H

#include "actions/budget.h"
#include "base/err.h"
#include "base/secret.h"
#include "core/row.h"
#include "core/vocabulary.h"
#include "fetch/fetch.h"

#include <jansson.h>
#include <pthread.h>

#define MAX_PROVIDER_SECRETS 4

/* A configured provider. Immutable but for `state`, which belongs to the action family of its kind, and `budget`. */
struct provider {
    char *name;
    const struct provider_kind *kind;
    json_t *args; /* the kind's rows, validated; secrets left out */
    struct {
        const char *row; /* name of the ROW_SECRET row */
        struct secret value;
    } secrets[MAX_PROVIDER_SECRETS];
    void *state; /* made by kind->open, e.g. OVH's clock offset and zone locks */
    struct budget budget;
};

struct provider_kind {
    const char *name; /* as in `kind:` */
    const char *help;
    const struct row *rows;
    struct rate rate; /* how many requests it takes; the row `rate` of `rows`, if there is one, says the number */
    enum err (*open)(struct provider *provider, struct errmsg *why); /* may be NULL; makes `state`; no I/O */
    void (*close)(struct provider *provider);                        /* may be NULL */
};

const struct provider_kind *provider_kind_find(const char *name);
const struct provider_kind *const *provider_kind_list(void);                            /* NULL at the end */
const struct secret *provider_secret(const struct provider *provider, const char *row); /* NULL when not given */

/* Who has the last word before an effect. */
struct consent {
    /* Asked before each request, statement or program that may have an effect, and of a request once more (`is_last`)
     * in the instant in which it would go out. ERR_CANCELLED, or ERR_CONFLICT: not now; `why` says what stands against
     * it. */
    enum err (*ask)(struct consent *consent, bool is_last, struct errmsg *why);
};

/* One call of an action. Everything borrowed. */
struct action_call {
    const json_t *args;        /* the action's rows, resolved for this run */
    struct provider *provider; /* NULL for actions without one */
    struct fetch *fetch;
    const char *run_id;  /* UUID text, for comments at the provider; "" outside a run */
    int64_t timeout_ms;  /* of this call; the action divides it among its exchanges */
    int64_t deadline_at; /* steady; now + timeout_ms when the call began */
    const atomic_bool *cancel;
    struct consent *consent;  /* of apply; NULL: nobody has a say */
    int64_t compared_at;      /* steady, set by apply: what it is about to change was asked for then; 0: it is not
                                 compared, or the provider does that. See call_may_write() */
    bool is_lag_accepted;     /* a person has overridden the guard `rpo`: what would be lost is on record */
    bool after_unknown_apply; /* observe: an apply of this step has no recorded result: what looks right may be our own
                                 change on its way and not served; say is_right only when it is certainly served */
    const json_t *observed;   /* apply: what the observation it is based on left in action_result.token; may be NULL */
    const json_t *applied;    /* observe and settled: what the last successful apply of this step in this run left in
                                 action_result.token; NULL: there is none (or its result is lost). Where it is there,
                                 observe leaves to settled whether the change is served */
    bool is_look;             /* no run waits for it: it leaves a part of the provider's budget to those that do */
    int64_t retry_after_ms;   /* of action_send(): when the provider's budget has room again; 0: it had */
    int64_t clock_skew_ms;    /* of action_send(): how far the provider's clock is ahead of ours at least, as far as the
                                 Date of its last answer tells; 0: they may agree */
    json_t *requests;         /* array: action_send() adds one object per exchange, for the audit log; no credentials */
};

struct action_result {
    enum outcome outcome; /* OK, NOT_YET, TEMPORARY, PERMANENT, UNKNOWN, CANCELLED; see below */
    bool is_right;        /* of observe with OK */
    json_t
        *current; /* observe: the state found, for people: {"target": "192.0.2.10", "ttl": 30}; owned by the caller */
    json_t *desired;       /* observe: the state wanted, the same keys */
    json_t *token;         /* for the next phase: ids, serials, change ids */
    json_t *previous;      /* observe: the arguments, over the step's own, whose apply would put back what was found:
                              {"target": "192.0.2.10", "ttl": 30}. NULL: it cannot be put back */
    int64_t clock_skew_ms; /* observe: how far the other side's clock, as its answer says, is ahead of ours, where that
                              is  known for certain to the second; 0 otherwise */
    int64_t ends_at;       /* observe: wall; when the credential that was used, or the certificate that was shown, ends;
                              0: never, or not known */
    int64_t retry_after_ms; /* -1: none */
    struct errmsg text;     /* one sentence; for failures the provider's own words */
};

struct action {
    const char *name; /* "linode.dns_record" */
    const char *help;
    const char *provider_kind; /* needs `provider:` of this kind; NULL: takes none */
    const struct row *rows;
    bool is_check;              /* only observe: NOT right is tried again `retries` times (-1: until the deadline) */
    int default_retries;        /* of a check; -1: until the deadline */
    int64_t default_timeout_ms; /* of one attempt */
    /* What the rows cannot say of a step: an address that does not fit the type, a TTL that the provider refuses. Asked
     * when the configuration is read, with the arguments resolved for each pair of sites. Pure. May be NULL. */
    enum err (*check_args)(const json_t *args, struct errmsg *why);
    /* A second writer, unless the first is fenced before: an automatic failover needs a step with `fence` before it. */
    bool is_promotion;
    /* Whether it can look, with these arguments (raw: ${...} may be in them). NULL: it can where `observe` is there. */
    bool (*can_observe)(const json_t *args);
    /* Reads the outside world. Outcome OK with is_right, or TEMPORARY / PERMANENT. No effect. NULL: it cannot look. */
    void (*observe)(struct action_call *call, struct action_result *ret);
    /* Makes it so: OK (accepted), TEMPORARY (certainly without effect), PERMANENT, UNKNOWN. NULL for checks. Based on
     * call->observed: where the world is another one by now it sends nothing, and is TEMPORARY with a text that says
     * what was found; where the provider can compare and swap, the request itself does. */
    void (*apply)(struct action_call *call, struct action_result *ret);
    /* Is it visible where users are? OK, NOT_YET, TEMPORARY, PERMANENT; UNKNOWN: the change seems to be lost on its
     * way, observe again as after an apply without result. NULL: nothing beyond observe. */
    void (*settled)(struct action_call *call, struct action_result *ret);
    /* What else stands in the zone that the step works on, and holds one of `addresses` (texts, NULL at the end): OK
     * with `current` an array of {"zone", "record": the whole name, "type", "target", "ttl"}, or TEMPORARY / PERMANENT.
     * The caller takes out what its steps move. No effect. NULL: there is no such thing. */
    void (*survey)(struct action_call *call, const char *const *addresses, struct action_result *ret);
    /* The same by hand, for the day the daemon is down: adds lines of POSIX sh that use curl, openssl or psql, with the
     * ids that `token` (of an observation) holds, and secrets as variables of the environment, `${NAME_ROW}` with the
     * provider's name and the row in capitals. They end with a status other than 0 where the provider refuses. NULL:
     * the runbook says in words what to do. */
    void (*write_script)(struct strbuf *script, const json_t *args, const struct provider *provider,
                         const json_t *token);
    /* Likewise lines that change nothing, and end with 0 where all is as it is to be: before a write it is not needed
     * then, behind one it is verified. Of a check they are all there is. NULL: a script cannot look; where
     * can_observe() says no, it is not asked. */
    void (*write_look)(struct strbuf *script, const json_t *args, const struct provider *provider, const json_t *token);
};

const struct action *action_find(const char *name);
const struct action *const *action_list(void); /* NULL at the end */
void action_result_done(struct action_result *result);

/* For the actions: one exchange, recorded in call->requests, bounded by what is left of the call's time (and by
 * request->timeout_ms, where that is given and shorter). Of anything but GET and HEAD the call's consent is asked, see
 * call_may_write(). Errors as in fetch/fetch.h. */
MUST_CHECK enum err action_send(struct action_call *call, struct fetch_request *request, struct fetch_response *ret,
                                struct errmsg *why);

#endif

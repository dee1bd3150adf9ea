/* Whether name servers answer a record's target: the proof, at the end of all APIs, that a change is served.
 *
 * A server that cannot be asked proves nothing either way, so it is counted apart. */
#ifndef TURNOUT_ACTIONS_SERVED_H
#define TURNOUT_ACTIONS_SERVED_H

#include "actions/action.h"
#include "actions/dns_query.h"

struct served {
    int n_right;
    int n_wrong;    /* they answer something else */
    int n_silent;   /* they do not answer */
    char text[420]; /* who does not answer the target, and what they say; or that all do */
};

/* Asks all of them. ERR_OK, whatever they say; ERR_CANCELLED, ERR_INVALID, ERR_NO_MEMORY. `ret_seen`, unless NULL, gets
 * an object: what each server said. */
MUST_CHECK enum err served_ask(struct action_call *call, const struct dns_servers *servers, const char *name,
                               const char *type, const char *target, struct served *ret, json_t **ret_seen,
                               struct errmsg *why);

/* The servers of a ROW_ENDPOINTS. */
MUST_CHECK enum err served_servers(const json_t *endpoints, struct dns_servers *ret, struct errmsg *why);

#endif

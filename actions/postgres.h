/* One conversation with one PostgreSQL server: connect, ask, read rows of text, end.
 *
 * Everything is bounded by the call's time and heeds its cancel within 100 ms, which is why servers are named by
 * address: a look-up of a name can be neither, and in an outage it hangs. Nothing is taken from the environment, from
 * ~/.pgpass or from ~/.postgresql: what is not in the provider's configuration is not used. */
#ifndef TURNOUT_ACTIONS_POSTGRES_H
#define TURNOUT_ACTIONS_POSTGRES_H

#include "actions/action.h"

#define MAX_POSTGRES_COLUMNS 16
#define POSTGRES_TEXT_SIZE 64

struct postgres;

struct postgres_server {
    const char *host; /* an address, or the folder of a socket */
    int64_t port;
    const char *name; /* in its certificate; NULL: its address */
};

/* One row; longer values are cut, NULL is "". */
struct postgres_row {
    char values[MAX_POSTGRES_COLUMNS][POSTGRES_TEXT_SIZE];
};

/* What can be wrong with a server's name before anybody is asked. ERR_INVALID. Pure. */
MUST_CHECK enum err postgres_check_host(const char *key, const char *host, struct errmsg *why);

/* NULL: ret says why, TEMPORARY, PERMANENT or CANCELLED, with a sentence that names the server. `until`: steady. */
struct postgres *postgres_open(struct action_call *call, const struct postgres_server *server, int64_t until,
                               struct action_result *ret);
void postgres_close(struct postgres *session); /* accepts NULL */

/* One statement that gives one row; `what` is how it is called on record. `is_write`: UNKNOWN is what is no plain
 * refusal. false: ret says why; sqlstate[6] is the server's code, "" when it said nothing. */
bool postgres_ask(struct postgres *session, const char *sql, const char *what, bool is_write, struct postgres_row *row,
                  char sqlstate[6], struct action_result *ret);

/* postgres_by_hand.c: the action's write_script and write_look. */
void postgres_write_script(struct strbuf *script, const json_t *args, const struct provider *provider,
                           const json_t *token);
void postgres_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                         const json_t *token);

const char *postgres_server_text(const struct postgres *session); /* "192.0.2.10:5432" */

#endif

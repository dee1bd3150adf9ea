/* DNS questions to chosen name servers. The only place that knows ldns.
 *
 * All servers are asked at once over UDP, each with its own random id and port, over TCP where the answer is cut. ldns
 * packs and unpacks; sockets and waiting are ours, because its own cannot be cancelled. No cache, and no trying again
 * beyond one repeated packet: caching would hide what is being checked. */
#ifndef TURNOUT_ACTIONS_DNS_QUERY_H
#define TURNOUT_ACTIONS_DNS_QUERY_H

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>
#include <sys/socket.h>

#define DNS_MAX_SERVERS 16
#define DNS_MAX_ADDRESSES 8 /* of one server */
#define DNS_MAX_VALUES 32   /* of one answer; more is an answer that is not understood */

struct dns_server {
    char name[272]; /* as shown: its host name, or ADDRESS:PORT */
    struct sockaddr_storage addresses[DNS_MAX_ADDRESSES];
    int n_addresses; /* tried in order until one answers */
};

struct dns_servers {
    struct dns_server items[DNS_MAX_SERVERS];
    int count;
};

struct dns_answer {
    bool is_answered;
    char *values[DNS_MAX_VALUES]; /* addresses, names with their last dot, or a TXT's strings joined; NUL bytes as ? */
    int n_values;
    char problem[96]; /* "no such name", "REFUSED", "no answer within 2000 ms"; "" when there are values */
};

/* How long this may take: until a steady time, or until `cancel` is set (seen within 50 ms; may be NULL). */
struct dns_patience {
    int64_t deadline_at;
    const atomic_bool *cancel;
};

/* ADDRESS[:PORT], with brackets around an IPv6 address that has a port. ERR_INVALID, ERR_FULL. */
MUST_CHECK enum err dns_servers_add(struct dns_servers *servers, const char *endpoint, struct errmsg *why);

/* Asks every server without wanting recursion; `answers` holds servers->count. A, AAAA and TXT follow aliases within
 * the answer. ERR_INVALID (the name), ERR_CANCELLED, ERR_NO_MEMORY; a silent server is not an error but an answer. */
MUST_CHECK enum err dns_ask(const struct dns_servers *servers, const char *name, const char *type,
                            const struct dns_patience *patience, struct dns_answer *answers, struct errmsg *why);
void dns_answers_done(struct dns_answer *answers, int count);

/* The resolvers of /etc/resolv.conf. ERR_NOT_FOUND when there are none. */
MUST_CHECK enum err dns_system_resolvers(struct dns_servers *ret, struct errmsg *why);

/* The servers of the zone that `name` is in, found by walking up through the resolvers. ERR_NOT_FOUND, ERR_TEMPORARY,
 * ERR_CANCELLED, ERR_INVALID. */
MUST_CHECK enum err dns_find_servers(const struct dns_servers *resolvers, const char *name,
                                     const struct dns_patience *patience, struct dns_servers *ret, struct errmsg *why);

/* Adds a server by its host name, its addresses found through the resolvers. A name without address is added too: it
 * is then one that does not answer. */
MUST_CHECK enum err dns_servers_add_host(struct dns_servers *servers, const char *host,
                                         const struct dns_servers *resolvers, const struct dns_patience *patience,
                                         struct errmsg *why);

#endif

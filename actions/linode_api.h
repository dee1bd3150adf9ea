/* Linode's API v4 for its actions: requests with the token, lists page by page, and the ids of domains.
 *
 * A good domain has a key `errors`: only the status tells success. Nothing of one product may be added but the domains'
 * ids, which every action on records needs. */
#ifndef TURNOUT_ACTIONS_LINODE_API_H
#define TURNOUT_ACTIONS_LINODE_API_H

#include "actions/action.h"
#include "actions/zone_queue.h"

#define LINODE_WHO "Linode"
#define LINODE_URL "https://api.linode.com/v4"

enum err linode_open(struct provider *provider, struct errmsg *why);
void linode_close(struct provider *provider);
extern const struct row linode_rows[];

/* Writes to one domain, one after another. */
struct zone_queue *linode_queue(const struct action_call *call);

/* One request below the base. On any 2xx true, with the body as JSON in *ret_body (NULL when it is none); otherwise
 * false with the result set. *ret_status is 0 when there was no answer. `filter`: X-Filter, or NULL. */
bool linode_send(struct action_call *call, struct fetch_request *request, const char *path, const char *filter,
                 struct action_result *ret, int *ret_status, json_t **ret_body);
/* A JSON object, or NULL with the result set. */
json_t *linode_get(struct action_call *call, const char *path, const char *filter, struct action_result *ret,
                   int *ret_status);
/* Calls `take` with every entry of a paged list. */
bool linode_list(struct action_call *call, const char *path, const char *filter, struct action_result *ret,
                 int *ret_status, void (*take)(const json_t *entry, void *context), void *context);

/* Ids of domains by name, so that polling for the zone file is one request. Id 0: forget, or not known. */
void linode_domain_remember(struct action_call *call, const char *domain, json_int_t id);
json_int_t linode_domain_recall(struct action_call *call, const char *domain);

#endif

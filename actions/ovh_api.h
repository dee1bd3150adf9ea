/* OVHcloud's API for its actions: signed requests, the server's clock, one refresh of a zone at a time.
 *
 * The complication is the clock: a signature holds the server's time, so the offset to our steady clock is kept, taken
 * at the first call and again after an error that may come from it. Nothing of one product (zones' records, say) may be
 * added but the zone lock, which must be one for all actions of a provider. */
#ifndef TURNOUT_ACTIONS_OVH_API_H
#define TURNOUT_ACTIONS_OVH_API_H

#include "actions/action.h"
#include "actions/dns_query.h"
#include "actions/zone_queue.h"

#define OVH_WHO "OVH"

enum err ovh_open(struct provider *provider, struct errmsg *why);
void ovh_close(struct provider *provider);
extern const struct row ovh_provider_rows[];

/* The base that stands for the provider's `endpoint`. */
const char *ovh_endpoint_base(const struct provider *provider);

/* One signed request for `path` (with its query) below the base; `body` may be NULL. On any 2xx true, with the answer
 * as JSON of any kind in *ret_body (NULL when it is empty or not JSON); otherwise false with the result set.
 * *ret_status is 0 when there was no answer. */
bool ovh_send(struct action_call *call, const char *method, const char *path, const char *body,
              struct action_result *ret, int *ret_status, json_t **ret_body);

/* When the consumer key ends, wall; 0: never, or OVH does not say. Asked for once an hour; what the look at hand needs
 * has to be asked for before. */
int64_t ovh_credential_ends_at(struct action_call *call);

/* Whose turn it is at a zone. */
struct zone_queue *ovh_queue(const struct action_call *call);
/* A refresh goes on after its request was answered, until the zone's serial has moved on from `serial`; meanwhile OVH
 * takes no other. Both with the zone locked. */
void ovh_zone_refreshed(struct action_call *call, const char *zone, uint32_t serial);
bool ovh_zone_is_refreshing(struct action_call *call, const char *zone, uint32_t serial);

/* The zone's name servers as found a short while ago. */
bool ovh_zone_servers_recall(struct action_call *call, const char *zone, struct dns_servers *ret);
void ovh_zone_servers_remember(struct action_call *call, const char *zone, const struct dns_servers *servers);

#endif

/* Amazon's Route 53 API (2013-04-01): signed requests, and what its errors mean.
 *
 * Throttling is a 400 there, and a refused batch has an XML root of its own. Nothing of record sets may be added. */
#ifndef TURNOUT_ACTIONS_ROUTE53_API_H
#define TURNOUT_ACTIONS_ROUTE53_API_H

#include "actions/action.h"
#include "actions/zone_queue.h"
#include "base/strbuf.h"

#define ROUTE53_WHO "Route 53"
#define ROUTE53_URL "https://route53.amazonaws.com"
#define ROUTE53_VERSION "/2013-04-01"

enum err route53_open(struct provider *provider, struct errmsg *why);
void route53_close(struct provider *provider);
extern const struct row route53_provider_rows[];

/* Whose turn it is at a hosted zone. */
struct zone_queue *route53_queue(const struct action_call *call);

struct route53_refusal {
    char code[64];       /* AWS's; "" where the answer was not XML of its kind */
    bool is_not_as_seen; /* a set that was to be deleted is not there, or is another one */
};

/* One request for `path` below the base. True on any 2xx, the answer then is the caller's to free; otherwise false with
 * the result set and what AWS says in `refusal`. */
bool route53_send(struct action_call *call, const char *method, const char *path, const struct strbuf *body,
                  struct action_result *ret, struct fetch_response *response, struct route53_refusal *refusal);

#endif

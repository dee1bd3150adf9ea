/* Finding at Linode: a domain by its name, one record of it, and what else in it holds an address.
 *
 * Records have no version and the list's filter is not to be trusted, so a record is found by comparing type and name
 * here, and exactly one must match. Nothing here writes. */
#ifndef TURNOUT_ACTIONS_LINODE_FIND_H
#define TURNOUT_ACTIONS_LINODE_FIND_H

#include "actions/action.h"

struct linode_record {
    json_int_t domain_id;
    json_int_t id;
    char target[512];
    int64_t ttl;
};

/* The arguments that the rows cannot judge: as action->check_args. */
MUST_CHECK enum err linode_check_args(const json_t *args, struct errmsg *why);
/* Both for the call's arguments; false with the result set. */
bool linode_domain_find(struct action_call *call, struct action_result *ret, json_int_t *ret_id);
bool linode_record_find(struct action_call *call, struct action_result *ret, struct linode_record *ret_record);

/* As action->survey. */
void linode_survey(struct action_call *call, const char *const *addresses, struct action_result *ret);

#endif

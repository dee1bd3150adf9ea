/* Finding at OVH: one record of a zone, and what else in it holds an address.
 *
 * Lists hold ids only and are filtered by LIKE, so every record is asked for and compared by itself. The API shows what
 * is staged, not what is served. Nothing here writes. */
#ifndef TURNOUT_ACTIONS_OVH_FIND_H
#define TURNOUT_ACTIONS_OVH_FIND_H

#include "actions/action.h"
#include "base/strbuf.h"

struct ovh_record {
    json_int_t id;
    char label[300]; /* subDomain, as OVH writes it */
    char target[512];
    int64_t ttl;
};

/* As action->check_args. */
MUST_CHECK enum err ovh_check_args(const json_t *args, struct errmsg *why);

/* The target as OVH is to hold it: a host name without its last dot would be taken as one within the zone. */
void ovh_target_wanted(const json_t *args, char *ret, size_t room);
/* The target as name servers answer it. */
void ovh_target_meant(const json_t *args, char *ret, size_t room);

/* The path of the call's zone, and of what `rest` is below it. */
void ovh_zone_path(struct strbuf *path, const struct action_call *call, const char *rest);
/* JSON of any kind, or NULL with the result set. */
json_t *ovh_zone_get(struct action_call *call, const char *rest, struct action_result *ret, int *ret_status);

/* Exactly one must match; false with the result set. */
bool ovh_record_find(struct action_call *call, struct action_result *ret, struct ovh_record *ret_record);
/* Whether OVH's answer for an id is the record that the call is about: by type and name. */
bool ovh_record_is_it(const struct action_call *call, const json_t *answer);
bool ovh_record_is_right(const struct action_call *call, const struct ovh_record *record);

/* As action->survey: by the zone's export, or record by record where the key may not have that. */
void ovh_survey(struct action_call *call, const char *const *addresses, struct action_result *ret);

#endif

/* What is peculiar to Linode's zones and pure: which TTLs the API keeps, and reading the zone file that it renders.
 *
 * The API gives the zone file as an array of lines of master file syntax (RFC 1035 section 5), of which only what
 * Linode writes is read: no $ORIGIN, no parentheses. */
#ifndef TURNOUT_ACTIONS_LINODE_ZONE_H
#define TURNOUT_ACTIONS_LINODE_ZONE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The API keeps 30, 120, 300, 3600 ... and rounds anything else: to the nearest, or up. */
bool linode_ttl_is_rounded(int64_t wanted, int64_t got);

/* How many lines are of the record, and the data of the first of them in `found`. `label` is "" for the apex. */
int linode_zone_find(const json_t *lines, const char *domain, const char *label, const char *type, char *found,
                     size_t room);

#endif

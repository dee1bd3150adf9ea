/* What else in a zone holds an address: collects the answer of action->survey from records of any provider.
 *
 * Compared are addresses as addresses (A, AAAA) and host names as names (CNAME, aliases); what a TXT record says is
 * nobody's business here. Pure. */
#ifndef TURNOUT_ACTIONS_SURVEY_H
#define TURNOUT_ACTIONS_SURVEY_H

#include "actions/action.h"

struct survey {
    const char *zone;
    const char *const *addresses;
    json_t *found; /* array */
    bool is_short; /* of memory: something of it is missing */
    int n_looked;
    char cut[200]; /* why not all of it was looked at; "": all was */
};

/* Borrows both until survey_done(). */
void survey_begin(struct survey *survey, const char *zone, const char *const *addresses);
/* One value of one record, by its whole name. */
void survey_look(struct survey *survey, const char *name, const char *type, const char *target, int64_t ttl);
/* All records of a zone file (RFC 1035 section 5, as providers write it out) of the survey's zone. False when it is
 * none: one without a SOA. */
bool survey_zone_file(struct survey *survey, const char *text);
/* Sets the result, and moves what was found into it. */
void survey_end(struct survey *survey, struct action_result *ret);
void survey_done(struct survey *survey);

#endif

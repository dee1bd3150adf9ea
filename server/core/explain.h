/* What an alert would be taken for, in words: the votes it would cast or withdraw, or, where no rule matches, the
 * nearest one and what differs. The same words stand on the page, in the API and in `turnout try`.
 *
 * Pure: it knows the rules, and not what is stored; how many votes stand already is nothing for it to say. */
#ifndef TURNOUT_CORE_EXPLAIN_H
#define TURNOUT_CORE_EXPLAIN_H

#include "core/alert.h"

#define EXPLAIN_MAX_SERVICES 20 /* of one alert that are named; beyond, only their number is said */

/* UTF-8 without control characters, whatever the labels hold; no full stop at its end. */
struct sentence {
    char text[1200];
};

/* Borrowed during the call. */
typedef void (*explain_say)(void *context, const struct sentence *sentence);

/* Says one sentence per service that an alert of `source` speaks of, or one that says why it speaks of none. Returns
 * how many services it speaks of. `say` NULL: only counts. */
int explain_alert(const struct model *model, int source, enum alert_state state, const struct label *labels,
                  size_t n_labels, explain_say say, void *context);

#endif

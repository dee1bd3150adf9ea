/* The evaluation of the rules, condition by condition; for the core's own files, that what an alert would be taken for
 * is explained by the code that takes it. match_alert() is in alert.h. */
#ifndef TURNOUT_CORE_MATCH_H
#define TURNOUT_CORE_MATCH_H

#include "core/alert.h"

bool label_is(const struct label *label, const char *name);
/* Of several labels of that name (tags) any one will do. */
bool condition_holds(const struct label_match *match, const struct label *labels, size_t n_labels);
/* The first rule of the service for that source whose conditions all hold; NULL: there is none. */
const struct alert_rule *rule_find(const struct service *service, int source, const struct label *labels,
                                   size_t n_labels);

#endif

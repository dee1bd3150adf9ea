/* What a row of probes of one site comes to: an opinion that single answers do not change.
 *
 * Pure. `fall` failures in a row say down, `rise` answers in a row say up, and `fall` probes in a row that could not be
 * made say unknown; anything else leaves the opinion as it is. It grows old where it is kept, so it has to be said
 * again: only when the latest probe agrees with it, so that nobody keeps alive what is not seen any more. */
#ifndef TURNOUT_SERVER_PROBER_OPINION_H
#define TURNOUT_SERVER_PROBER_OPINION_H

#include "core/model.h"

#define PROBES_PER_WORD 3 /* it is said again at the third probe after it was said, at the latest */

struct opinion { /* zeroed: nothing is known */
    bool is_formed;
    enum vote says; /* while is_formed */
    enum vote seen; /* by the last probe */
    int in_a_row;   /* probes that saw the same; stays at a bound */
    int since_said; /* probes since the opinion last went out */
    bool is_said;   /* as it is now */
};

/* Takes what a probe saw (VOTE_UNKNOWN: it could not be made). True: that changed the opinion. */
bool opinion_take(struct opinion *opinion, const struct probe_rule *rule, enum vote seen);
/* Whether it is to be said now; then opinion_said(), when it went out. */
bool opinion_is_due(const struct opinion *opinion);
void opinion_said(struct opinion *opinion);

#endif

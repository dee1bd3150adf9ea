/* How many requests a provider takes in a time: kept here so that it need not refuse any.
 *
 * No more than so many in any window of so long, whatever the provider's own reckoning; where its answers say how many
 * are left, that counts too. Looks leave a part to attempts: readiness never starves a run. A restart forgets what was
 * sent; a provider that refuses then is asked again later by the engine, as with any refusal. Nothing here may know one
 * provider. */
#ifndef TURNOUT_ACTIONS_BUDGET_H
#define TURNOUT_ACTIONS_BUDGET_H

#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

#define MAX_RATE 2000

struct action_call;

struct rate {
    int requests; /* 1 to MAX_RATE; 0: no bound */
    int64_t per_ms;
};

/* Zeroed is new. */
struct budget {
    int64_t sent_at[MAX_RATE]; /* steady; a ring */
    int first, count;
    int n_waiting;      /* attempts that wait for their turn */
    int left;           /* as the provider says, less what was sent since */
    int64_t left_until; /* steady; 0: it has not said */
};

/* Takes one request out of the budget: 0. Otherwise the steady time at which it is worth asking again. Looks leave a
 * fifth to attempts, and take none while one waits. Pure but for *budget. */
int64_t budget_take(struct budget *budget, const struct rate *rate, bool is_look, int64_t now);
/* What an answer says: `left` more requests until `reset_at` (steady). Pure but for *budget. */
void budget_learn(struct budget *budget, int left, int64_t reset_at, int64_t now);

/* Waits until the call may send a request to its provider, if it has one. ERR_BUSY, at once, when it may not within the
 * call's time: call->retry_after_ms then says when. ERR_CANCELLED within 100 ms. Any thread. */
MUST_CHECK enum err budget_wait(struct action_call *call, struct errmsg *why);
/* budget_learn() for the provider of the call, with what a response says (see struct fetch_response). Any thread. */
void budget_heed(struct action_call *call, int left, int64_t reset_at_wall);

#endif

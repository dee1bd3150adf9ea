/* One call of an action, given a step as a run's playbook has it. Needs no daemon and no store: the executor's threads
 * and the runs without a daemon go through here. Whether an effect may begin is asked by who calls; nothing here may
 * decide about a run. */
#ifndef TURNOUT_SERVER_EXECUTOR_CALL_H
#define TURNOUT_SERVER_EXECUTOR_CALL_H

#include "actions/action.h"

/* Fills in what the step's text says (action, provider, arguments, time), over what the caller has set: fetch, run_id,
 * cancel, requests, tokens. `step` and the providers are borrowed for the call. false: result says why the step cannot
 * be called. */
bool call_prepare(struct provider *providers, int n_providers, const json_t *step, struct action_call *call,
                  const struct action **ret, struct action_result *result);
/* For the time that is left from now on, `timeout_ms` at most. */
void call_limit(struct action_call *call, int64_t timeout_ms);
/* Performs the call; permanent where the action has no such phase. A check that looked and is not content is NOT_YET.
 */
void call_phase(const struct action *action, enum phase phase, struct action_call *call, struct action_result *result);
bool call_can_observe(const struct action *action, const json_t *args);

/* The last word before an effect (struct consent): an attempt that is current, not cancelled, before its deadline, and
 * no kill switch. Since nothing may go out long after that was found (a process can be stopped, and go on), the last
 * look refuses what was allowed more than 10 s ago. */
struct call_consent {
    struct consent base;
    /* As the store has it: ERR_OK, ERR_CANCELLED, ERR_CONFLICT. NULL: what is to be done is current. */
    enum err (*is_current)(void *context, struct errmsg *why);
    void *context;
    const atomic_bool *cancel;
    int64_t deadline_at;     /* steady; 0: none */
    const char *kill_switch; /* NULL: there is none */
    int64_t asked_at;        /* steady, of the last that was allowed */
};

enum err call_consent_ask(struct consent *consent, bool is_last, struct errmsg *why);
/* Ends a call that was not made. */
void call_end(struct action_result *result, enum outcome outcome, const char *format, ...) PRINTF_LIKE(3, 4);

#endif

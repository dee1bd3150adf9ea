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
/* The last word before an effect, for when nobody can be reached who would say it: true while the kill switch (NULL:
 * there is none) is on, and result says so. */
bool call_is_killed(const char *kill_switch, struct action_result *result);
/* Ends a call that was not made. */
void call_end(struct action_result *result, enum outcome outcome, const char *format, ...) PRINTF_LIKE(3, 4);

#endif

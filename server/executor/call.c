#include "executor/call.h"

#include "base/clock.h"
#include "base/kill_switch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_CONSENT_MS 10000

static struct provider *provider_find(struct provider *providers, int n_providers, const char *name)
{
    for (int i = 0; name && i < n_providers; i++)
        if (strcmp(providers[i].name, name) == 0)
            return &providers[i];
    return NULL;
}

void call_end(struct action_result *result, enum outcome outcome, const char *format, ...)
{
    result->outcome = outcome;
    va_list args;
    va_start(args, format);
    vsnprintf(result->text.text, sizeof result->text.text, format, args);
    va_end(args);
}

void call_limit(struct action_call *call, int64_t timeout_ms)
{
    call->timeout_ms = call->timeout_ms < timeout_ms ? call->timeout_ms : timeout_ms;
    call->deadline_at = clock_steady_ms() + call->timeout_ms;
}

bool call_prepare(struct provider *providers, int n_providers, const json_t *step, struct action_call *call,
                  const struct action **ret, struct action_result *result)
{
    const char *name = json_string_value(json_object_get(step, "action"));
    const struct action *action = name ? action_find(name) : NULL;
    if (!action) {
        call_end(result, OUTCOME_PERMANENT, "this version has no action %s", name ? name : "(none)");
        return false;
    }
    const char *provider = json_string_value(json_object_get(step, "provider"));
    call->provider = provider_find(providers, n_providers, provider);
    if (action->provider_kind && !call->provider) {
        call_end(result, OUTCOME_PERMANENT, "the configuration has no provider %s any more",
                 provider ? provider : "(none)");
        return false;
    }
    if (action->provider_kind && strcmp(call->provider->kind->name, action->provider_kind) != 0) {
        call_end(result, OUTCOME_PERMANENT, "provider %s is of another kind now", provider);
        return false;
    }
    call->args = json_object_get(step, "args");
    call->timeout_ms = json_integer_value(json_object_get(step, "timeout_ms"));
    call->deadline_at = clock_steady_ms() + call->timeout_ms;
    *ret = action;
    return true;
}

bool call_can_observe(const struct action *action, const json_t *args)
{
    return action->observe && (!action->can_observe || action->can_observe(args));
}

void call_phase(const struct action *action, enum phase phase, struct action_call *call, struct action_result *result)
{
    void (*function)(struct action_call *, struct action_result *) = NULL;
    switch (phase) {
    case PHASE_OBSERVE:
        function = action->observe;
        break;
    case PHASE_APPLY:
        function = action->apply;
        break;
    case PHASE_SETTLE:
        function = action->settled;
        break;
    }
    if (!function) {
        call_end(result, OUTCOME_PERMANENT, "this version's action %s cannot do that", action->name);
        return;
    }
    function(call, result);
    /* "ok" on record beside "connection refused" would mislead: a check that looked and is not content says so. */
    if (action->is_check && result->outcome == OUTCOME_OK && !result->is_right)
        result->outcome = OUTCOME_NOT_YET;
}

/* ---- the last word ----------------------------------------------------------------------------------------------- */

static bool is_too_long_ago(const struct call_consent *consent, struct errmsg *why)
{
    int64_t age_ms = clock_steady_ms() - consent->asked_at;
    if (age_ms <= MAX_CONSENT_MS)
        return false;
    (void)err_set(why, ERR_CONFLICT,
                  "nothing was sent: %lld s have passed since it was allowed, and it is looked at again",
                  (long long)age_ms / 1000);
    return true;
}

enum err call_consent_ask(struct consent *base, bool is_last, struct errmsg *why)
{
    struct call_consent *consent = (struct call_consent *)(void *)base;
    if (is_last && is_too_long_ago(consent, why))
        return ERR_CONFLICT;
    int64_t asked_at = clock_steady_ms();
    enum err err = !is_last && consent->is_current ? consent->is_current(consent->context, why) : ERR_OK;
    if (err != ERR_OK)
        return err;
    if (atomic_load(consent->cancel))
        return err_set(why, ERR_CANCELLED, "the run is not the current one any more: nothing was sent");
    /* Asked last: the store may have been long about its answer. */
    if (consent->deadline_at != 0 && clock_steady_ms() > consent->deadline_at)
        return err_set(why, ERR_CONFLICT, "the deadline of the step has passed: nothing was sent");
    if (kill_switch_is_on(consent->kill_switch, why))
        return ERR_CONFLICT;
    if (!is_last)
        consent->asked_at = asked_at;
    return ERR_OK;
}

#include "core/step_text.h"

json_t *step_resolve_with(const struct model *model, const struct service *service, const struct step *step,
                          const json_t *own, int from, int to, struct errmsg *why)
{
    json_t *args = NULL;
    if (args_resolve(service, from, to, own, &args, why) != ERR_OK)
        return NULL;
    json_t *provider = step->provider >= 0 ? json_string(model->provider_names[step->provider]) : json_null();
    return json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:i, s:i, s:s, s:b, s:b, s:b, s:b, s:b, s:b, s:o}", "name",
                     step->name, "action", step->action_name, "provider", provider, "timeout_ms",
                     (json_int_t)step->timeout_ms, "deadline_ms", (json_int_t)step->deadline_ms, "backoff_ms",
                     (json_int_t)step->backoff_ms, "retries", step->retries, "group", step->group, "on_failure",
                     on_failure_text(step->on_failure), "can_observe", (int)step->can_observe, "can_apply",
                     (int)step->can_apply, "can_settle", (int)step->can_settle, "is_idempotent",
                     (int)step->is_idempotent, "is_fence", (int)step->is_fence, "is_point_of_no_return",
                     (int)step->is_point_of_no_return, "args", args);
}

json_t *step_resolve(const struct model *model, const struct service *service, const struct step *step, int from,
                     int to, struct errmsg *why)
{
    return step_resolve_with(model, service, step, step->args, from, to, why);
}

struct step_run step_run_new(const struct step *step)
{
    return (struct step_run){.state = STEP_PENDING,
                             .can_observe = step->can_observe,
                             .can_apply = step->can_apply,
                             .can_settle = step->can_settle,
                             .is_point = step->is_point_of_no_return,
                             .is_idempotent = step->is_idempotent,
                             .on_failure = step->on_failure,
                             .group = step->group,
                             .deadline_ms = step->deadline_ms,
                             .backoff_ms = step->backoff_ms,
                             .retries = step->retries};
}

/* A step as a run's playbook has it: an object with everything that the run and its executor need to know of it,
 * whatever the configuration says later. Pure. */
#ifndef TURNOUT_CORE_STEP_TEXT_H
#define TURNOUT_CORE_STEP_TEXT_H

#include "core/playbook.h"

/* The step for a move from site `from` (may be SITE_NONE) to site `to`; NULL with *why (may be NULL) when an argument
 * cannot be resolved. */
json_t *step_resolve(const struct model *model, const struct service *service, const struct step *step, int from,
                     int to, struct errmsg *why);
/* The same with `args` in place of the step's own arguments. */
json_t *step_resolve_with(const struct model *model, const struct service *service, const struct step *step,
                          const json_t *args, int from, int to, struct errmsg *why);
/* The same step as a new run has it. */
struct step_run step_run_new(const struct step *step);

#endif

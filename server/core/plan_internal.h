/* What the plan's files share; nobody else includes this. */
#ifndef TURNOUT_CORE_PLAN_INTERNAL_H
#define TURNOUT_CORE_PLAN_INTERNAL_H

#include "core/plan.h"

#define PLAN_SKEW_MS 2000         /* from here on a clock is worth a warning, */
#define PLAN_WORST_SKEW_MS 300000 /* and here AWS refuses what is signed */

#define PLAN_ENDS_SOON_MS (7 * (int64_t)24 * 3600 * 1000)

json_t *plan_text(const char *text); /* a JSON string in every case; NULL for NULL becomes null */
bool plan_is_named(const json_t *object, const char *key, const char *word);
int64_t plan_number(const json_t *object, const char *key); /* 0: none */
bool plan_flag(const json_t *object, const char *key);
/* plan_warnings.c: adds them to the plan, whose steps and prediction are there. */
void plan_warn(json_t *plan, const struct plan_way *way);

#endif

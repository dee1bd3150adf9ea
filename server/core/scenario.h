/* Scenarios: a text file that says what is watched, what was known, what happened, and what ought to be decided; and
 * its playing through the real decision. The cases under tests/cases, `turnout simulate` and `turnout replay` are this.
 * tests/cases/README.md describes the format.
 *
 * Pure: the caller reads the file; time is the scenario's own. The text may be hostile: everything made from it is
 * bounded. Do not put a rule of the decision in here; what the orchestrator does around it (who is asked when, what a
 * restart keeps, what an alert's time means) is played as it does it. */
#ifndef TURNOUT_CORE_SCENARIO_H
#define TURNOUT_CORE_SCENARIO_H

#include "base/strbuf.h"
#include "core/decide.h"

#define SCENARIO_MAX_BYTES ((size_t)1024 * 1024)
#define SCENARIO_MAX_LOOKS 1000000 /* of one case: decisions that are asked for */

struct scenario; /* the cases of one file */

/* Reads a file's text; `file` is its name for messages. `model` (borrowed for the scenario's life; NULL: none) stands
 * in for what TARGET says. Each problem is added to `errors` as "FILE:LINE:COLUMN: what; what would be right\n".
 * ERR_OK with *ret; ERR_INVALID, ERR_TOO_BIG or ERR_NO_MEMORY with none. */
MUST_CHECK enum err scenario_read(const char *file, const char *text, size_t len, const struct model *model,
                                  struct scenario **ret, struct strbuf *errors);
void scenario_free(struct scenario *scenario); /* accepts NULL */

int scenario_n_cases(const struct scenario *scenario);
const char *scenario_title(const struct scenario *scenario, int n);
int scenario_line(const struct scenario *scenario, int n); /* where the case begins */

/* One thing that happened, or was decided, while a case is played. Pointers are borrowed during the call. */
struct scenario_told {
    int64_t at;                /* since the beginning of the case */
    const struct model *model; /* the case's */
    int service;               /* -1: none in particular */
    const struct thing *thing; /* what was decided; NULL: an event, and `text` is its line */
    const char *text;
};
typedef void (*scenario_say)(void *context, const struct scenario_told *told);

/* Plays one case and tells all of it (`say` may be NULL). What does not hold is added to `failures`, as
 * "FILE:LINE: …\n" with what was decided instead. ERR_OK: all holds; ERR_CONFLICT: something does not; ERR_TOO_BIG:
 * more than `max_looks` decisions; ERR_NO_MEMORY. */
MUST_CHECK enum err scenario_play(const struct scenario *scenario, int n, int max_looks, scenario_say say,
                                  void *context, struct strbuf *failures);

/* "+1m30s", as the files have it. */
struct scenario_time {
    char text[48];
};
struct scenario_time scenario_time(int64_t ms);

#endif

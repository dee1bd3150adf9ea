/* The texts of every state, from the lists in the header. Add a state there; nothing is to be added here but a new
 * list's line. */
#include "core/vocabulary.h"

#include <string.h>

#define VOCABULARY_NAME(name, text) [name] = text,

/* A number from elsewhere (a damaged row, a cast) has no name: "?" is in no list, so it never parses. */
#define VOCABULARY_DEFINE(type, prefix, LIST)                                                                          \
    static const char *const prefix##_texts[] = {LIST(VOCABULARY_NAME)};                                               \
    const char *prefix##_text(enum type value)                                                                         \
    {                                                                                                                  \
        size_t i = (size_t)value;                                                                                      \
        return i < sizeof prefix##_texts / sizeof prefix##_texts[0] ? prefix##_texts[i] : "?";                         \
    }                                                                                                                  \
    bool prefix##_parse(const char *text, enum type *ret)                                                              \
    {                                                                                                                  \
        for (size_t i = 0; text && i < sizeof prefix##_texts / sizeof prefix##_texts[0]; i++) {                        \
            if (strcmp(text, prefix##_texts[i]) == 0) {                                                                \
                *ret = (enum type)i;                                                                                   \
                return true;                                                                                           \
            }                                                                                                          \
        }                                                                                                              \
        return false;                                                                                                  \
    }

VOCABULARY_DEFINE(active_kind, active_kind, ACTIVE_LIST)
VOCABULARY_DEFINE(mode, mode, MODE_LIST)
VOCABULARY_DEFINE(alert_state, alert_state, ALERT_STATE_LIST)
VOCABULARY_DEFINE(vote, vote, VOTE_LIST)
VOCABULARY_DEFINE(trust, trust, TRUST_LIST)
VOCABULARY_DEFINE(timer_kind, timer_kind, TIMER_LIST)
VOCABULARY_DEFINE(direction, direction, DIRECTION_LIST)
VOCABULARY_DEFINE(occasion, occasion, OCCASION_LIST)
VOCABULARY_DEFINE(run_state, run_state, RUN_STATE_LIST)
VOCABULARY_DEFINE(step_state, step_state, STEP_STATE_LIST)
VOCABULARY_DEFINE(ending, ending, ENDING_LIST)
VOCABULARY_DEFINE(on_failure, on_failure, ON_FAILURE_LIST)
VOCABULARY_DEFINE(readiness, readiness, READINESS_LIST)
VOCABULARY_DEFINE(plan_state, plan_state, PLAN_STATE_LIST)
VOCABULARY_DEFINE(phase, phase, PHASE_LIST)
VOCABULARY_DEFINE(outcome, outcome, OUTCOME_LIST)
VOCABULARY_DEFINE(drill_kind, drill_kind, DRILL_KIND_LIST)
VOCABULARY_DEFINE(role, role, ROLE_LIST)

bool run_state_is_final(enum run_state state)
{
    return state == RUN_SUCCEEDED || state == RUN_FAILED || state == RUN_CANCELLED || state == RUN_UNDONE;
}

bool step_state_is_final(enum step_state state)
{
    return state == STEP_DONE || state == STEP_ALREADY_DONE || state == STEP_SKIPPED || state == STEP_UNDONE;
}

/* The kinds of events as text. */
#include "core/event_text.h"

#include <string.h>

static const char *const texts[] = {
    [EVENT_START] = "start",         [EVENT_LOOK] = "look",         [EVENT_ALERT] = "alert",
    [EVENT_HEARD] = "heard",         [EVENT_OBSERVED] = "observed", [EVENT_OPERATOR_MOVE] = "operator_move",
    [EVENT_ADOPT] = "adopt",         [EVENT_PAUSE] = "pause",       [EVENT_RESUME] = "resume",
    [EVENT_APPROVE] = "approve",     [EVENT_REJECT] = "reject",     [EVENT_RUN_STATE] = "run_state",
    [EVENT_RUN_POINT] = "run_point", [EVENT_DEBTS] = "debts",
};

const char *event_kind_text(enum event_kind kind)
{
    return texts[kind];
}

bool event_kind_parse(const char *text, enum event_kind *ret)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        if (strcmp(texts[i], text) == 0) {
            *ret = (enum event_kind)i;
            return true;
        }
    return false;
}

/* Drills: a move rehearsed, on paper or with a stand-in. */
#include "orchestrator_internal.h"

void drill_call(struct orchestrator *o, struct command *command)
{
    (void)o;
    command->err = err_set(&command->why, ERR_INTERNAL, "drills cannot be made yet");
}

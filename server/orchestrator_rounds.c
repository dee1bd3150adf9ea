/* Rounds: all that a move would change is looked at, step by step and all at once, without a run. */
#include "orchestrator_internal.h"

void plan_call(struct orchestrator *o, struct command *command)
{
    (void)o;
    command->err = err_set(&command->why, ERR_INTERNAL, "plans cannot be made yet");
}

void round_looked(struct orchestrator *o, struct command *command)
{
    (void)o;
    (void)command;
}

void round_plan_drill(struct orchestrator *o, int service, int to, struct command *command)
{
    (void)o;
    (void)service;
    (void)to;
    if (command)
        command->err = err_set(&command->why, ERR_INTERNAL, "plans cannot be made yet");
}

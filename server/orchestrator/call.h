/* What the files of operators' calls share. Everything runs on the orchestrator's thread. */
#ifndef TURNOUT_SERVER_ORCHESTRATOR_CALL_H
#define TURNOUT_SERVER_ORCHESTRATOR_CALL_H

#include "orchestrator/internal.h"

/* One call on its way. */
struct call {
    struct orchestrator *o;
    struct command *command;
    struct command_operator *operator_call;
    int service;               /* -1: not known */
    const struct event *event; /* NULL: there is none yet */
    struct cause cause;
    char who[96];
    char what[256]; /* what is asked for, as the beginning of a sentence */
};

void call_init(struct call *call, struct orchestrator *o, struct command *command);
const struct service *call_service(const struct call *call);
void call_note(const struct call *call, const char *kind, const char *text);
void call_note_granted(const struct call *call);
/* The guards that this operator has set aside, for those who read the log later; nothing when there are none. */
void call_note_break_glass(const struct call *call, bool is_replacing);
/* On record, and the command's answer. Always false. */
bool call_refuse(const struct call *call, enum err err, const char *code, const char *why);
/* Finds the service and the site named; *ret_site is SITE_NONE when none is. False: refused. */
bool call_find_named(struct call *call, int *ret_site);
/* Whoever overrides a guard says why. False: refused. */
bool call_has_reason(const struct call *call);
/* orchestrator/rounds_plan.c: whether it is to begin now. False: the plan that it was asked for with has to be looked
 * at first, and then the call comes again; or it is another one by now, and the call is refused. */
bool call_move_is_as_planned(const struct call *call, const struct things *things);
bool call_approval_is_as_planned(const struct call *call, const struct live_run *live);
/* Asks the core. False: refused. */
bool call_ask(const struct call *call, struct things *ret);

#endif

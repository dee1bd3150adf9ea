/* What the engine's files share; nobody else includes this. playbook.c goes from group to group and to the ends of a
 * run, playbook_step.c takes one step through its phases and
 * playbook_fail.c to its ends, playbook_person.c does what people ask for, playbook_undo.c goes back. */
#ifndef TURNOUT_CORE_PLAYBOOK_INTERNAL_H
#define TURNOUT_CORE_PLAYBOOK_INTERNAL_H

#include "core/playbook.h"

struct advance {
    struct run *run;
    const struct run_event *event;
    int64_t now;
    struct run_moves *moves;
    const char *point_text; /* of a point that was asked for during this event; NULL: none was */
};

/* playbook.c */
void run_refuse(struct advance *a, const char *text);
bool run_has_waiting(const struct run *run); /* a step that waits for a person */
int run_first_in_the_way(const struct run *run);
void run_move_add(struct advance *a, struct run_move move, const char *format, ...) PRINTF_LIKE(3, 4);
void run_set_state(struct advance *a, enum run_state state, const char *text);
/* The event's text, or what is said where an operator gave none. */
const char *run_event_text(const struct advance *a, const char *otherwise);
bool step_is_passed(const struct step_run *step);        /* it holds the run up no more */
bool step_waits_for_person(const struct step_run *step); /* failed or unknown, and in the way */
void run_go_on(struct advance *a);                       /* after a step has moved: what follows from that */
void run_end_with(struct advance *a, enum ending ending, const char *text); /* as soon as nothing is under way */
void run_wait_for_person(struct advance *a, const char *text);

/* playbook_person.c */
void run_on_person(struct advance *a); /* retry, skip, done */
void run_on_cancel(struct advance *a);
void run_on_undo(struct advance *a);

/* playbook_fail.c */
void step_set(struct advance *a, int step, enum step_state state, const char *text);
void step_wait(struct advance *a, int step, enum phase phase, int64_t at, const char *text);
void step_finish(struct advance *a, int step);
void step_fail(struct advance *a, int step, const char *text);
enum step_state step_failed_state(const struct step_run *step); /* failed, or unknown where that is the truth */
bool step_is_overridden(const struct advance *a, int step);     /* a check that need not be waited for */
void step_skip_check(struct advance *a, int step, const char *text);
void debt_waits(struct advance *a, int step, enum phase phase, int64_t pause, const char *text);
/* Its effect may be there or not, and looking does not tell. */
void step_lose_sight(struct advance *a, int step, const char *text);

/* playbook_step.c */
const char *run_said(const struct advance *a); /* what the action said, or what its outcome means */
void step_begin(struct advance *a, int step);
void step_resume(struct advance *a, int step); /* after a restart */
void step_due(struct advance *a, int step);    /* its next attempt, now */
void step_result(struct advance *a, int step); /* of the attempt under way, while the run goes on */
void step_note_apply(struct advance *a, int step);
bool step_is_completed_by(const struct advance *a, int step);  /* by the result that the event brings */
void step_apply(struct advance *a, int step, const char *why); /* once it may: asks where it has to */
void step_attempt(struct advance *a, int step, enum phase phase, const char *why);

/* playbook_undo.c */
bool run_is_behind_point(const struct run *run);
void undo_begin(struct advance *a, const char *text); /* nothing is under way */
void undo_go_on(struct advance *a);

#endif

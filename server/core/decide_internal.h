/* What the decision's files share; nobody else includes this. They are one function, decide(), in pieces: each takes
 * the decision as far as it is, and adds things to it with say(). A piece looks at what is and compares it with what
 * ought to be; none may depend on having seen an event, but those named after one. */
#ifndef TURNOUT_CORE_DECIDE_INTERNAL_H
#define TURNOUT_CORE_DECIDE_INTERNAL_H

#include "base/err.h"
#include "core/decide.h"
#include "core/words.h"

struct decision {
    const struct service *service;
    const struct model *model;
    const struct outlook *outlook;
    const struct event *event;
    int64_t now;
    struct service_view view; /* as it is after the things so far */
    struct things *things;
};

/* What keeps a run from starting, or from going on. */
struct verdict {
    enum reason reason; /* REASON_NONE: nothing does */
    int target;         /* where it would go: SITE_NONE when a guard before that refused */
    int other;          /* of DEPENDENCY the service, of PROVIDER_BUSY the provider, of FLOOD the place; -1: none */
    int64_t until;      /* of FREEZE: its end, wall */
};

/* decide.c */
struct thing thing_of(enum thing_kind kind, enum reason reason, int site);
void say(struct decision *d, struct thing thing, const char *format, ...) PRINTF_LIKE(3, 4);
const char *site_name(const struct decision *d, int site);
struct phrase votes_of(const struct decision *d, int site);
bool is_active(const struct decision *d, int site);
/* Why votes on `site` start nothing where the service is; REASON_NONE: it is the active site. */
enum reason reason_of_place(const struct decision *d, int site);
/* "anna asked for it: because" */
struct phrase person_phrase(const struct decision *d, const char *what);

/* vote.c */
void count_alert(struct decision *d); /* EVENT_ALERT */
void look_at_votes(struct decision *d);

/* hold.c: incidents, holds and flapping, site by site */
void incident_open(struct decision *d, int site, const char *who);
void look_at_sites(struct decision *d);
/* `is_afresh`: what its monitors said of it before has to hold once more. */
void become_active(struct decision *d, enum reason reason, int site, bool is_afresh, const char *why);

/* guard.c */
struct verdict guard_start(const struct decision *d, enum direction direction, int site);
/* The active site is down: whether to leave it is for a failover to decide, and no failback may be in its way. */
bool is_failovers(const struct decision *d, int site);
/* Of the run that is there: the votes or the evidence that it was started for are gone, or a guard refuses. A person's
 * (`is_theirs`) is only asked about its target. */
struct verdict guard_course(const struct decision *d, bool is_theirs, uint64_t overrides);
/* Those of guard_start() that do not take a run back which waits, but keep it from beginning by a deadline. */
struct verdict guard_begin(const struct decision *d);
struct phrase obstacle_phrase(const struct decision *d, const struct verdict *verdict);
/* SITE_NONE: every other site has a down vote. One with debts where there is no other. */
int target_find(const struct decision *d);
/* Of what stands against going to a site, what a person may override and has not: TARGET_DOWN, DEBT or NONE. */
enum reason guard_target(const struct decision *d, int target, uint64_t overrides);
bool has_down_vote(const struct decision *d, int site);
bool has_debts(const struct decision *d, int site);

/* act.c: starting runs */
enum occasion occasion_of(const struct event *event); /* of OPERATOR_MOVE */
void look_at_standing(struct decision *d);
void start_ours(struct decision *d, enum direction direction, int from, int to, const char *why);
void start_theirs(struct decision *d, int leaves, int from, int to, uint64_t overrides, const char *why);

/* course.c: a run that is there */
void look_at_run(struct decision *d);
void run_cancel(struct decision *d, enum reason reason, const char *why);
void run_replace(struct decision *d, const char *why); /* cancelled and over, for an operator's own */
bool on_run_state(struct decision *d);                 /* whether it is news */
void on_run_point(struct decision *d);

/* approval.c: a run that waits for a yes or no */
void approval_ask(struct decision *d);
void approval_clear(struct decision *d, enum reason reason);
void look_at_approval(struct decision *d);
bool on_approve(struct decision *d); /* false: refused */
bool on_reject(struct decision *d);
/* The answer is no, or a person has cancelled the run: not again at once. */
void put_off(struct decision *d, enum reason reason, enum direction direction, int site, const char *why);

/* failback.c */
bool is_home_well(const struct decision *d);
struct phrase unwell_phrase(const struct decision *d); /* why it is not, as a clause */
void look_at_failback(struct decision *d);

/* operator.c: each false when it was refused, and nothing has changed */
bool refuse(struct decision *d, enum reason reason, const char *text);
uint64_t overrides_of(const struct decision *d); /* the event's, when they come with a reason */
struct phrase target_phrase(const struct decision *d, enum reason reason, int target); /* of guard_target() */
bool on_operator_move(struct decision *d);
bool on_adopt(struct decision *d);
bool on_pause(struct decision *d);
bool on_resume(struct decision *d);

#endif

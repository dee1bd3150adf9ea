/* How a case is played: what its files share; nobody else includes this. What the orchestrator does around the decision
 * is done here without a clock and without a store. Keep it as orchestrator/orchestrator.c and orchestrator/intake.c do
 * it. */
#ifndef TURNOUT_CORE_SCENARIO_PLAYER_H
#define TURNOUT_CORE_SCENARIO_PLAYER_H

#include "core/scenario_internal.h"

#define MAX_HISTORY 64
#define ALERT_HEADS 1024

struct stored_alert {
    size_t next; /* of the same hash: index + 1; 0: it is the last */
    int source, service, named_site;
    const char *name; /* "": it is known by its site */
    struct alert_row row;
    int site; /* SITE_NONE: it casts no vote */
    enum vote says;
};

struct since {
    int64_t wall;
    int site; /* SITE_NONE: none was active */
};

/* Of a service, beside its view. */
struct companion {
    struct since history[MAX_HISTORY];
    int n_history;
    int64_t saved_at[MAX_VOTES]; /* heard_at of each vote, as the store has it */
    int64_t probe_at[MAX_SITES]; /* since the beginning: when the probe says the same again; 0: it says nothing */
};

struct kept_thing {
    int service;
    int64_t at, now; /* since the beginning; steady */
    struct thing thing;
    bool is_mentioned; /* by an EXPECT */
};

struct player {
    const struct scenario *scenario;
    const struct scenario_case *scase;
    const struct model *model;
    struct service_view *views;
    const struct service_view **pointers;
    struct companion *companions;
    struct outlook *outlook;
    struct stored_alert *alerts;
    size_t n_alerts, room_alerts;
    size_t heads[ALERT_HEADS]; /* by hash: index + 1 */
    struct kept_thing *kept;   /* since the last line with a time */
    size_t n_kept, room_kept;
    int64_t base;       /* steady time at the beginning of the case, as this process counts it */
    int64_t at;         /* since the beginning of the case */
    int64_t wall_ahead; /* of the steady time */
    int64_t generation; /* of the outlook, as of the last look at everybody */
    int looks, max_looks;
    const struct line *window; /* the line with a time that the kept things belong to; NULL: the beginning */
    int n_failures;
    scenario_say say;
    void *context;
    struct strbuf *failures;
    enum err err;
};

/* scenario_player.c: deciding, carrying out, and time. After a failure in `err` all of these do nothing. */
int64_t player_now(const struct player *p); /* steady */
int64_t player_wall(const struct player *p);
void player_outlook_clock(struct player *p); /* the outlook is told the time */
/* Something does not hold: said with what was decided since the last line with a time. */
void player_fail(struct player *p, int line, const char *format, ...) PRINTF_LIKE(3, 4);
void player_remember_active(struct player *p, int service);
void player_saw_vote(struct player *p, int service, int site, int voter); /* its row is written */
/* Decides about the event, and carries everything out. A run that is cancelled without a successor has its end told
 * next, as the run itself would. */
void player_give(struct player *p, int service, const struct event *event);
/* Work that costs as much as so many decisions; more than may be is an error. */
void player_spend(struct player *p, size_t looks);
void player_settle(struct player *p);              /* whoever waits for something in common is asked again */
void player_advance(struct player *p, int64_t at); /* time goes on to `at`, and every timer fires on its way */

/* scenario_intake.c: what sources, our own check and people say becomes votes */
struct stored_alert *player_alert_get(struct player *p, const struct happening *h); /* NULL: see `err` */
void player_take_alert(struct player *p, const struct happening *h);
/* What the probe, or a person, says now takes the place of what they said before. */
void player_take_says(struct player *p, int service, int voter, int site, enum vote says);
void player_hear(struct player *p, int service, int voter, int site); /* a repeat */

/* scenario_start.c: the beginning of a case, and of each process after it */
void player_begin(struct player *p);
void player_restart(struct player *p, const struct happening *h);

#endif

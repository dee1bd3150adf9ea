/* What the files of rounds share. Everything runs on the orchestrator's thread.
 *
 * A round is a look at each step of one move, or of both ways, and a search of each zone that its steps work on, all
 * sent at once. It lives outside the world: what was seen does not depend on what was committed. What follows from it
 * is done in a batch like everything else, and done again when that batch fails. */
#ifndef TURNOUT_SERVER_ORCHESTRATOR_ROUNDS_H
#define TURNOUT_SERVER_ORCHESTRATOR_ROUNDS_H

#include "core/plan.h"
#include "orchestrator/call.h"

#define MAX_ROUNDS_AT_ONCE 24 /* of all kinds */
#define MAX_SURVEYS 16        /* of one way */

enum round_purpose { ROUND_PLAN, ROUND_MOVE, ROUND_APPROVAL, ROUND_READINESS, ROUND_DRILL };

struct round_item { /* a look or a survey */
    int way;
    bool is_survey, is_moved;
    char *name;                  /* of the step, or of the zone */
    json_t *text;                /* the step as the executor gets it; NULL: it cannot be resolved */
    json_t *away;                /* see struct plan_step */
    json_t *movers, *all_movers; /* see struct plan_survey */
    int64_t past_ms[STORE_PAST_RUNS];
    int n_past;
    bool is_there;
    enum outcome outcome;
    bool is_right;
    json_t *current, *desired, *previous;
    char *said, *script;
    int64_t took_ms, clock_skew_ms, ends_at;
};

struct round_way {
    enum direction direction;
    enum occasion occasion;
    int from, to;
};

struct round {
    struct round *next;
    int64_t number;
    enum round_purpose purpose;
    int service;
    bool is_new;      /* made by the batch under way */
    bool is_finished; /* likewise: what follows from it is in the batch */
    bool is_scripted;
    struct round_way ways[2];
    int n_ways;
    struct round_item *items;
    int n_items, room_items, n_left;
    int64_t due_at;          /* steady: what is missing then is not known */
    struct command *command; /* that waits for it; borrowed while is_new, owned from then on; NULL: nobody does */
};

/* NULL: too much is being looked at already, or out of memory. */
struct round *round_new(struct orchestrator *o, int service, enum round_purpose purpose, int64_t timeout_ms);
/* NULL: out of memory. Good until the next one. */
struct round_item *round_item_add(struct round *round, const char *name);
/* `steps`: as a run has them; NULL: those of the playbook. False: out of memory, and the round is gone. */
bool round_add_way(struct orchestrator *o, struct round *round, const struct round_way *way, const json_t *steps);
void round_send(struct orchestrator *o, struct round *round); /* with the commit of this batch */
/* A new reference; NULL: out of memory. */
json_t *round_plan(const struct orchestrator *o, const struct round *round, int way);

/* orchestrator/rounds_zones.c: adds a search of each zone that the way's steps from `first` on work on. False: out of
 * memory. */
bool round_add_surveys(const struct orchestrator *o, struct round *round, int way, int first);

/* orchestrator/rounds_plan.c */
void round_way_choose(const struct orchestrator *o, int service, enum direction direction, struct round_way *ret);
void round_finish_plan(struct orchestrator *o, struct round *round);
void round_finish_drill(struct orchestrator *o, struct round *round);

/* orchestrator/rounds_ready.c */
void ready_finish(struct orchestrator *o, struct round *round);
void ready_begin_due(struct orchestrator *o);

#endif

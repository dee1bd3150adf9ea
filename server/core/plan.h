/* A plan: what a run would find and change if it began now. Made of looks at all of its steps, and shown to people,
 * judged for readiness, and compared by its hash when somebody starts exactly this.
 *
 * Pure. The complication is what the hash may cover: what would be done, so that it is another one as soon as anything
 * of that is, and nothing that moves by itself (times, lags, what a check measured), so that it is not. */
#ifndef TURNOUT_CORE_PLAN_H
#define TURNOUT_CORE_PLAN_H

#include "base/digest.h"
#include "base/err.h"
#include "core/model.h"

#define PLAN_HASH_SIZE (2 * SHA256_SIZE + 1)
#define PLAN_MAX_WARNINGS 100

/* Everything borrowed. */
struct plan_look {
    bool is_there; /* false: it has not ended in time */
    enum outcome outcome;
    bool is_right;
    const json_t *current, *desired, *previous; /* may be NULL */
    const char *text, *script;                  /* may be NULL */
    int64_t took_ms, clock_skew_ms, ends_at;    /* the last two as in struct action_result */
};

struct plan_step {
    const char *name;
    const json_t *text; /* the step as step_resolve() makes it; NULL: it cannot be resolved, and look.text says why */
    const json_t *away; /* its arguments resolved the other way; NULL: they cannot be */
    bool is_moved;      /* its arguments depend on the site that it goes to */
    int64_t usual_ms;   /* what it took in past runs; -1: nobody knows */
    struct plan_look look;
};

struct plan_survey {
    const char *zone; /* for people */
    bool is_there;
    enum outcome outcome; /* UNKNOWN: there is nothing to survey */
    const json_t *found;  /* see action->survey */
    const char *text;
    const json_t *movers;     /* array: arguments of the steps that move a record there */
    const json_t *all_movers; /* likewise of all playbooks, as they are written; may be NULL */
};

struct plan_way {
    const struct service *service;
    enum direction direction;
    enum occasion occasion;
    int from, to;   /* from may be SITE_NONE */
    const char *at; /* the same as `now` */
    int64_t now;    /* wall */
    const struct plan_step *steps;
    int n_steps;
    const struct plan_survey *surveys;
    int n_surveys;
};

/* A new object: {"service", "from": SITE|null, "to", "direction", "occasion", "hash",
 *  "steps": [{"n", "name", "action", "provider", "group", "on_failure", "state": plan_state_text(), "current",
 * "desired", "previous", "text", "took_ms", "predicted_ms": MS|null, and where it was asked for "script"}], "warnings":
 * [{"kind", "step": N|null, "text"}], "predicted": {"steps_ms", "ttl_ms", "total_ms", "objective_ms"}, "clock_skew_ms",
 * "at"}. Kinds of warnings: fails, unknown, blind (a step that cannot look at all), same, foreign, ttl, stray, survey,
 * clock, credential (it ends soon, or a certificate does), late; and more, which says how many have no room behind the
 * first PLAN_MAX_WARNINGS. NULL: out of memory. */
json_t *plan_make(const struct plan_way *way);
const char *plan_hash(const json_t *plan); /* "" when it is none */
/* The names of the sites' own values that stand for addresses: an array of texts, those of `from` that `to` does not
 * have too. */
json_t *plan_addresses(const struct service *service, int from, int to);

/* Whether the move would work. `trouble`: what is wrong with the daemon itself, a sentence; NULL: nothing. */
struct plan_verdict {
    enum readiness state;
    char text[512];  /* why, a sentence; "" when ready */
    char cause[160]; /* the kinds of what is wrong, a space between two: changes only when the text has to be told again
                      */
};
void plan_judge(const json_t *plan, const char *trouble, struct plan_verdict *ret);

#endif

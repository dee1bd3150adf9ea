/* The random walk's own: a world of services that share places, sources and providers, and a witness of it.
 *
 * The witness writes down, in its own way and never through view_apply() or what the core counts: who says what of
 * which site since when, how long the active site's quorum has stood, which site serves, what is in the way of a run,
 * and what runs did to the world. After every step the promises are held against that. The journal keeps one row per
 * thing, run and step as the orchestrator's store does, from which all memory is rebuilt at any moment, to be the same;
 * and every call of the core is written down, to be made once more on a copy.
 *
 * Do not call the code under test to find out what it ought to do. */
#ifndef TURNOUT_TESTS_UNIT_WALK_H
#define TURNOUT_TESTS_UNIT_WALK_H

#include "base/cleanup.h"
#include "core/alert.h"
#include "core/decide.h"
#include "core/playbook.h"
#include "tests/unit/test.h"

#include <inttypes.h>

#define N_SERVICES 7
#define N_PLACES 4
#define N_SITES 4 /* at most, per service */
#define N_SOURCES 4
#define N_VOTERS (N_SOURCES + 2)
#define VOTER_OPERATOR N_SOURCES
#define VOTER_PROBE (N_SOURCES + 1)
#define N_ALERTS 2 /* per service, site and source */
#define N_STEPS 3
#define N_PROVIDERS 2
#define START_AT INT64_C(1700000000000)
#define NEVER INT64_C(-1)
#define DAY_MS (INT64_C(24) * 3600 * 1000)
#define LOG_LINES 60
#define MAX_RECORDS 20000
#define SAVE_HEARD_MS 5000 /* a repeat's time is written so late */

/* What the store would hold of one service. */
struct journal {
    struct vote_view votes[N_SITES][N_VOTERS];
    bool has_vote[N_SITES][N_VOTERS];
    struct site_view sites[N_SITES];
    enum active_kind active;
    int active_site;
    bool is_paused;
    int64_t cool_down_until, settle_until, approval_due_at, remind_at, failback_due_at;
    bool has_run, is_ours, is_persons_cancel;
    enum occasion occasion;
    uint64_t overrides;
    struct run run;
    struct step_run steps[N_STEPS];
};

/* What really is, as far as the walk made it so. */
struct truth {
    struct alert_row alerts[N_SITES][N_SOURCES][N_ALERTS];
    int count[N_SITES][N_VOTERS][VOTE_UP + 1]; /* alerts that say so, as told */
    int64_t heard_at[N_SITES][N_VOTERS];
    /* Since everybody looked last: without a break, or at some time. */
    bool always_down[N_SITES][N_VOTERS], ever_down[N_SITES][N_VOTERS];
    enum vote votes[N_SITES][N_VOTERS]; /* these three by watch() */
    bool has_quorum[N_SITES];
    int64_t held_since[N_SITES];                   /* the site is active, or left by a run, and has its quorum,
                                                      without a break, since; NEVER */
    int64_t surely_since[N_SITES];                 /* likewise, since it last became active */
    int n_breaks[N_SITES], n_sure_breaks[N_SITES]; /* since the site was last quiet; without those during a run */
    int64_t broke_at[N_SITES];
    int64_t well_since;        /* home is known to be well, and another site is active; NEVER */
    bool is_rejected[N_SITES]; /* somebody said no to a failover for what stands there */
    int64_t no_failback_until; /* somebody said no to one: for a day, or until home is not well or another run begins */
    int n_debts[N_SITES];
    bool is_paused, is_overriding_debt; /* the latter: of the run */
    enum active_kind active;
    int site;
    int64_t finished_at; /* of the last run that counts for the cool-down; NEVER */
    int64_t cool_down_ms;
    int64_t settled_at; /* of the last run with an effect: when old answers have run out; NEVER */
    bool has_run, is_ours, is_cancel_asked, has_effect, is_in_flight, is_overriding, is_halted;
    enum run_state run_state;
    enum direction direction;
    enum phase phase;
    int leaves, to;
    bool is_withdrawn;                           /* by the decision */
    bool is_undo_asked, is_left_as_it_is;        /* by a person: the latter, something that was to be put back */
    int64_t waits_since, reminded_at, answer_at; /* the last: the deadline; NEVER */
    int64_t run_ended_at;
    bool seen_wrong[N_STEPS], is_unverified[N_STEPS], has_applied[N_STEPS], is_settled[N_STEPS];
    int n_attempts[N_STEPS];
    int64_t began_at[N_STEPS];
};

struct protected
{
    struct service service;
    struct site sites[N_SITES];
    struct step steps[N_STEPS];
    struct step probe;
    struct alert_rule rules[N_SITES * N_SOURCES];
    bool can_speak[N_SITES][N_VOTERS];
    int after[N_SERVICES];
    struct freeze freeze;
    const struct freeze *seen_freeze; /* that held when it was looked at last: no timer waits for the wall clock */
    bool is_touched;                  /* by an event, since it was checked */
    struct service_view view;
    struct run run;
    struct step_run step_runs[N_STEPS];
    struct journal journal;
    struct truth truth;
};

enum record_kind { RECORD_DECIDE, RECORD_HEAR, RECORD_SOURCE, RECORD_BEAT_ENDS, RECORD_OUTSIDE };

/* One call of the core, and what came of it. */
struct record {
    enum record_kind kind;
    int service, site, voter;
    bool is_beat, is_cut_off, is_killed;
    struct event event;
    int64_t now, wall;
    uint64_t answer;
};

/* Where the records begin: what a start has read. */
struct beginning {
    int64_t now, wall;
    bool is_cut_off, is_killed;
    struct service_view views[N_SERVICES];
    struct source_outlook sources[N_SOURCES];
};

struct walk {
    uint64_t seed, random, digest;
    int64_t now, wall_offset, event;
    struct model model;
    enum trust trust[N_SOURCES];
    struct voter_rule rules[N_SOURCES];
    struct label_match beat;
    struct freeze freeze;
    char *place_names[N_PLACES], *source_names[N_SOURCES], *provider_names[N_PROVIDERS];
    int max_parallel[N_PROVIDERS];
    struct service services[N_SERVICES]; /* the model's: copies of the places' */
    int by_priority[N_SERVICES];
    struct protected all[N_SERVICES];
    struct outlook *outlook;
    const struct service_view *views[N_SERVICES];
    int64_t generation, outlook_due_at; /* of the outlook, when all services were last looked at */

    bool is_bad[N_PLACES]; /* a place in trouble has more alerts */
    bool is_cut_off, is_killed;
    int64_t source_heard_at[N_SOURCES], beat_at[N_SOURCES];
    bool was_down[N_PLACES];
    int64_t surely_down_till[N_PLACES];            /* since everybody looked last, at least; NEVER: it is not */
    int64_t began_at[N_PLACES], down_at[N_PLACES]; /* of what is down or remembered: first and last seen so; NEVER */

    struct beginning beginning;
    int n_records;

    char log[LOG_LINES][360];
    int64_t n_log;
    int64_t n_runs, n_automatic, n_approved, n_failbacks, n_refused, n_restarts, n_succeeded, n_splits, n_withdrawn,
        n_halted, n_failed, n_undone, n_replayed, n_kept[REASON_UNKNOWN_FROM + 1];
    int most_things;
    struct record records[MAX_RECORDS]; /* the last: n_records of them count */
};

/* ---- chance, the log, and the end -------------------------------------------------------------------------------- */

uint64_t chance(struct walk *w, uint64_t below);
bool is_lucky(struct walk *w, uint64_t percent);
void note(struct walk *w, const struct protected *p, const char *format, ...) PRINTF_LIKE(3, 4);
void broken(struct walk *w, const struct protected *p, const char *promise);

#define PROMISE(condition, text)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            broken(w, p, text);                                                                                        \
    } while (0)

/* ---- make.c ------------------------------------------------------------------------------------------------------ */

void walk_make(struct walk *w, uint64_t seed);
void walk_done(struct walk *w);

/* ---- witness.c --------------------------------------------------------------------------------------------------- */

int64_t wall(const struct walk *w);
/* Votes down of the site without the voters left out (NULL: of none), as the service asks for them. */
bool quorum_without(const struct walk *w, const struct protected *p, int site, const bool *is_left_out);
/* What is said of it now, and since when. Before every event of it; time that has passed alone is seen when the core
 * looks, too: what grows old and is said again before that has never ceased. */
void watch(struct walk *w, struct protected *p);
void watch_places(struct walk *w);
void watch_all(struct walk *w);
bool is_remembered(const struct walk *w, int place); /* as down, within the flood rule's time */
void become(struct walk *w, struct protected *p, enum active_kind active, int site, bool is_afresh);
/* A person, or the deadline, has said no to the run that leaves the site: while what stands there stands, and home
 * stays well, there is no other. */
void refused(const struct walk *w, struct protected *p);
bool serves_at(const struct protected *p, int site);
bool is_said_down(const struct protected *p, int site);
int first_target(const struct protected *p);
bool has_held(const struct walk *w, const struct protected *p, int site); /* it may have */
bool has_surely_held(const struct walk *w, const struct protected *p, int site);
bool is_cooling_down(const struct walk *w, const struct protected *p);

/* ---- guards.c ---------------------------------------------------------------------------------------------------- */

/* Whether it is in the way of a run of ours from `site`. Where the witness cannot be sure (places that were down for a
 * moment) `is_generous` says yes. */
bool is_in_the_way(const struct walk *w, const struct protected *p, int site, enum reason reason, bool is_generous);
/* Where its site is down, leaving it is for a failover to decide: no failback comes before that. */
bool is_for_a_failover(const struct protected *p, bool has_held_there);
/* The first such reason, or REASON_NONE. */
enum reason what_is_in_the_way(const struct walk *w, const struct protected *p, int site, enum direction direction,
                               bool is_generous);
/* Whether a run of ours that has had no effect must not go on. */
enum reason what_withdraws(const struct walk *w, const struct protected *p);
/* What is seen of all services together is known to each of them when everybody has looked: then. */
void note_level(struct walk *w);
void check_level(struct walk *w, struct protected *p);

/* ---- journal.c --------------------------------------------------------------------------------------------------- */

void journal_thing(struct protected *p, const struct thing *thing);
void journal_heard(struct walk *w, struct protected *p, int site, int voter, bool is_at_once);
void view_read(const struct protected *p, struct service_view *view);
void check_journal(struct walk *w, struct protected *p);
void outlook_make(struct walk *w); /* anew, from what is stored and known now; the records begin here */
struct record *record(struct walk *w, enum record_kind kind);
uint64_t digest_of(const struct things *things);
void check_replay(struct walk *w); /* makes every recorded call again: the views have to be the same */

/* ---- carry.c ----------------------------------------------------------------------------------------------------- */

/* Asks the core, checks and carries out what it says. Returns whether the event was refused. */
bool deliver(struct walk *w, struct protected *p, const struct event *event);
/* Gives every service its EVENT_LOOK for as long as something is due. */
void come_to_rest(struct walk *w);

/* ---- runs.c ------------------------------------------------------------------------------------------------------ */

void run_start(struct walk *w, struct protected *p, const struct thing *thing);
void run_begin(struct walk *w, struct protected *p);
/* Of THING_RUN_GOES and THING_RUN_HALT. */
void run_answer(struct walk *w, struct protected *p, const struct thing *thing);
void run_withdraw(struct walk *w, struct protected *p, const char *text);
void run_goes_on(struct walk *w, struct protected *p);
void run_call(struct walk *w, struct protected *p);
void run_taken_up(struct walk *w, struct protected *p); /* by another process */

/* ---- people.c; what a voter of ours says is in test_decide_walk.c -------------------------------------------------
 */

void any_answer(struct walk *w, struct protected *p); /* yes or no */
void any_operator_call(struct walk *w, struct protected *p);
/* What a voter of ours says of a site, in place of what it said before. */
void our_word(struct walk *w, struct protected *p, int site, int voter, enum vote vote);

#endif

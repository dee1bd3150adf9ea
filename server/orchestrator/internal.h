/* What the orchestrator's files share; nobody else includes this. Everything runs on the orchestrator's thread. */
#ifndef TURNOUT_SERVER_ORCHESTRATOR_INTERNAL_H
#define TURNOUT_SERVER_ORCHESTRATOR_INTERNAL_H

#include "core/decide.h"
#include "core/event_text.h"
#include "core/playbook.h"
#include "core/retention.h"
#include "core/step_text.h"
#include "orchestrator/orchestrator.h"
#include "store/audit.h"

#include <pthread.h>

#define MAX_BATCH 256
#define MAX_OPEN_ALERTS 100000                       /* per source: beyond it new alerts are answered 503 */
#define ALERT_TIME_TRUST_MS ((int64_t)5 * 60 * 1000) /* a sender's time counts when this close to the arrival */
#define ACTIVE_HISTORY 16
#define N_DRILL_KINDS (DRILL_CANARY + 1)

/* ---- the copy of the store's state ------------------------------------------------------------------------------- */

struct active_since {
    int64_t since; /* wall */
    enum active_kind kind;
    int site;
};

struct incident { /* what its row holds beside the core's view; `would_to` is a site */
    struct id id;
    int64_t opened_at, stood_at, fell_at, would_at;
    int most_votes, would_to;
    struct id run; /* nil: none was started for it */
};

struct step_record { /* what a step row holds beside the core's view */
    char *error;
    char *token;     /* JSON of the last accepted apply; NULL: none */
    char *observed;  /* JSON token of the last observe; NULL: none */
    char *previous;  /* JSON: what is applied to put back what was found before the first effect; NULL: none */
    bool is_of_undo; /* the tokens are from the way back */
    int64_t started_at, finished_at, attempt_at;
};

#define MAX_RUN_STEPS (2 * MAX_STEPS) /* a drill goes there and back */

struct live_run {
    struct live_run *next; /* of service_state.others */
    struct run run;        /* run.steps owned here */
    bool is_gone;          /* of others: at rest, and taken out at the batch's end */
    enum occasion occasion;
    bool is_ours;
    uint64_t overrides;
    struct id incident;
    char *cancelled_by; /* the operator who has cancelled or undone it, while it is ending; NULL: nobody has */
    char *sent_on_by;   /* the operator who has sent it on after it had stopped; NULL: nobody, or before a restart */
    char *reason, *started_by, *error, *playbook;
    char *plan;         /* hash of the plan that it was started with; NULL: none */
    char *from, *to;    /* names as the run began: the configuration may have lost them since */
    json_t *steps_text; /* `playbook` parsed */
    struct step_record *records;
    int64_t started_at, finished_at;
};

struct drill_record { /* the last drill of a kind */
    int64_t at;       /* wall; 0: there was none */
    int64_t proven_at;
};

struct readiness_record {
    enum readiness state;
    int64_t since, checked_at; /* wall */
    char text[512];
    char cause[160]; /* see struct plan_verdict; "": not known since the start */
};

struct service_state {
    struct service_view view;
    struct readiness_record readiness[2];        /* by direction */
    struct active_since history[ACTIVE_HISTORY]; /* ascending; the last is now */
    int n_history;
    struct incident incidents[MAX_SITES];
    struct live_run *run;
    struct live_run *others;                   /* over and not at rest, and drills: see orchestrator/run_over.c */
    struct drill_record drills[N_DRILL_KINDS]; /* by kind */
    int64_t drill_at;                          /* steady: when to see whether one is due; 0: not known so far */
    bool has_lost_site;                        /* the stored active site is not in the configuration */
    bool is_observing;
    int observe_tries;
    int64_t observe_at;                    /* steady: when to look for the active site (again) */
    char *observed_text;                   /* what the last round saw, so that the same is not recorded again */
    uint64_t heard[(MAX_VOTES + 63) / 64]; /* bit: the vote was heard since its row was written */
    bool is_heard;                         /* one was: the service is in the world's list of those */
    int64_t heard_saved_at;                /* steady */
    int64_t due_at;              /* steady: view_due_at() after its last event; never later than what that gives now */
    const struct freeze *freeze; /* the one that it was last looked at with; NULL: none */
};

/* A run of a service that the configuration does not have, and that is not at rest: nothing can be done about it. */
struct orphan_run {
    struct id id;
    char *service;
    bool is_over; /* it stands with debts */
};

struct world {
    struct service_state *services;
    int n_services;
    struct orphan_run *orphans;
    size_t n_orphans;
    bool has_gone; /* a run of some service's others is gone */
    int64_t open_alerts[MAX_SOURCES];
    int *heard; /* services with votes that were heard since their rows were written */
    int n_heard;
    struct outlook *outlook;
    const struct service_view **views; /* the outlook's: one pointer per service */
    int64_t seen_generation;           /* the outlook's, when those that it may concern were last looked at */
    int64_t outlook_due_at;            /* steady: outlook_due_at() as it was then */
    struct audit_chain chain;
    int64_t delivery_seq;
};

/* ---- one alert during a batch ------------------------------------------------------------------------------------ */

struct match {
    int service, site; /* -1 when the configuration does not know them any more */
    enum vote says;
};

struct matches {         /* of an alert, ascending by service */
    struct match *items; /* owned */
    int n;
    bool is_known; /* else they are in the store, if there are any */
};

struct alert_entry {
    struct alert_row row;
    bool is_used;
    bool is_changed;  /* by this batch: its row has to be committed before anybody hears of it */
    bool is_missing;  /* not in the cache: to be read from the store */
    int64_t saved_at; /* steady: when its row was written, or what that row says it was last seen */
    struct matches matches;
};

struct alert_table { /* open addressing; made for one batch */
    struct alert_entry *entries;
    size_t room, n_missing;
};

#define CACHE_SLOTS 16384
struct cached_alert {
    struct alert_row row;
    bool is_used;
    bool is_unsaved;        /* last seen and count are newer than the store's row */
    int64_t saved_at;       /* steady */
    struct matches matches; /* none and not known while the batch's table has them */
    size_t taken_by;        /* during a commit: the entry of the batch's table that it will hold */
};

/* ---- what is too old --------------------------------------------------------------------------------------------- */

enum prune_phase { PRUNE_REST, PRUNE_ALERTS, PRUNE_DELIVERIES, PRUNE_PAGES };

#define PRUNE_MAX_UP 64

struct pruning {
    enum prune_phase phase;
    int64_t at;         /* steady: the next slice, or the next look whether a round is due */
    int64_t next_round; /* steady */
    int budget;         /* of a slice */
    int64_t commit_ms;  /* of the last slice's time: waited for the disk */
    struct alert_key after_key;
    int64_t after_seq;
    int64_t due;                       /* wall: when the oldest row that has stayed is too old */
    int64_t n_alerts, n_deliveries;    /* removed in this round */
    struct alert_key up[PRUNE_MAX_UP]; /* too old, and say up: the next batch withdraws that, and they go with it */
    int n_up;
    struct clock_watch clock;
    bool has_failed;
};

/* ---- what is known of the daemon's own surroundings -------------------------------------------------------------- */

struct outside {
    bool is_cut_off, is_killed;
    char cut_off_text[160], killed_text[160];
};

/* ---- the orchestrator -------------------------------------------------------------------------------------------- */

struct orchestrator {
    struct orchestrator_settings settings;
    pthread_t thread;
    struct world *world; /* NULL while the store cannot be read */
    struct cached_alert *cache;
    struct { /* outlives the world: when a source spoke does not depend on what was committed */
        struct source_outlook last;
        bool is_known, is_unsaved;
        int64_t saved_at; /* steady */
    } sources[MAX_SOURCES];
    int64_t heard_saved_at; /* steady: when anything of what was heard was last written */
    struct job **in_flight; /* sent, and not yet answered by a committed result */
    size_t n_in_flight, room_in_flight, n_outgoing;
    struct command *retained; /* results of a failed batch, first to be tried again */
    bool is_ready, is_stopping;
    int64_t next_due;      /* steady; nothing is due before */
    int64_t next_check_at; /* steady: disk reserve, unsaved counts */
    int64_t try_again_at;  /* steady: after a failed commit */
    int failures;          /* in a row */
    bool is_ballast_told;  /* that it is given up, or there again, is on record */
    struct pruning pruning;
    struct outside outside, outside_told; /* as it is, and as it stands on record */
    struct command *held;                 /* moves that wait until what they replace has stopped */
    struct round *rounds;                 /* under way: see orchestrator/rounds.h */
    int64_t last_round;
    json_t *zone_movers;          /* by provider and zone: arguments of all steps that work there */
    int64_t *ready_at;            /* by service, steady: when to see next whether it could be moved */
    int64_t ready_look_at;        /* steady: the earliest of these */
    atomic_int *readiness_shown;  /* by service and direction, for the metrics */
    atomic_int *debts_shown;      /* by service and site, likewise */
    atomic_llong *proven_shown;   /* by service and kind of drill, likewise */
    char disk_text[160];          /* intake is closed for want of room, in a sentence; "": it is not */
    pthread_mutex_t status_mutex; /* guards `status` */
    json_t *status;               /* see orchestrator_status() */
    int64_t status_at;            /* steady: when it was made */
    atomic_llong n_deliveries, n_duplicates, n_alerts, n_late, n_batches, n_commands, n_runs;
    atomic_llong n_pruned_alerts, n_pruned_deliveries;

    /* of the batch under way */
    struct store_batch *rows;
    struct alert_table table;
    struct job *outgoing; /* to be sent after the commit */
    struct job **outgoing_last;
    struct {
        struct id run;
        int step;
    } stop_attempts[4 * MAX_BATCH]; /* whose attempt under way is cancelled after the commit */
    size_t n_stop_attempts;
    const struct command *held_now[MAX_BATCH]; /* moves of this batch that its commit does not answer */
    size_t n_held_now;
    const struct command *answered_now[MAX_BATCH]; /* held ones that it does */
    size_t n_answered_now;
    int64_t wall, now;
    int64_t n_unmatched; /* deliveries that change nothing for a service */
    int64_t n_unmatched_alerts;
    struct { /* by source: alerts that contradicted something newer, since they were last told of */
        int64_t n, told_at;
    } late[MAX_SOURCES];
    struct sha256 unmatched_digest;
    struct id unmatched_first, unmatched_last;
    struct errmsg broken; /* a failure in mid-batch that makes it fail as a whole; "" */
    enum err broken_err;
};

/* Of a run that ends with the result of its attempt; its row's error is where a restart finds it. */
#define BEING_CANCELLED_BY "is being cancelled by operator "
#define BEING_UNDONE_BY "is being undone by operator " /* NAME, and ": TEXT" while it waits for a person */

/* Why something is journaled: filled in where it is known. */
struct cause {
    const char *who;    /* "turnout", "source NAME", "operator NAME" */
    const char *person; /* the operator's name alone; NULL: it is nobody's wish */
    const struct id *delivery;
    const struct id *incident; /* of what speaks of no site */
    const struct command *command;
};

struct note { /* one audit entry; pointers borrowed, `detail` taken */
    const char *kind, *service, *who, *text;
    const struct id *run, *incident, *delivery;
    json_t *detail;
};

/* orchestrator/orchestrator.c */
void batch_start(struct orchestrator *o);
void batch_break(struct orchestrator *o, enum err err, const struct errmsg *why); /* first failure wins */
void due_at(struct orchestrator *o, int64_t at); /* something is due then: wake up in time */
struct job *in_flight_find(struct orchestrator *o, const struct id *run, int step);
void outgoing_add(struct orchestrator *o, struct job *job); /* takes */
void send_outgoing(struct orchestrator *o);                 /* what the commit allows to go out */
void drop_outgoing(struct orchestrator *o);
void commit(struct orchestrator *o, struct command **commands, size_t n);
/* The first `max` of the results of a failed batch. */
size_t take_retained(struct orchestrator *o, struct command **commands, size_t max);
void *run_loop(void *context);

/* orchestrator/disk.c */
void set_ready(struct orchestrator *o, bool is_ready, const char *why); /* deliveries are taken, or answered 503 */
int64_t disk_reserve(const struct orchestrator *o);                     /* bytes that intake leaves free */
void check_disk(struct orchestrator *o); /* makes the ballast where there is none, closes intake or opens it */
void begin_ballast(struct orchestrator *o);
void note_ballast(struct orchestrator *o); /* puts on record that it is given up, or there again */
/* A commit found the disk full. False: there is no ballast that could help. Otherwise the caller tries again, and
 * intake is closed until it is there again. */
bool give_up_ballast(struct orchestrator *o, const struct errmsg *why);

/* orchestrator/journal.c: entries of the log.
 *
 * What the log says of a decision is enough to make it again (turnout replay). In the detail of its entries:
 *
 * "event", in the first entry that an event leaves: what happened. {"kind": event_kind_text, and what the kind has:
 *     "voter", "site", "says": "down"/"up", "delta", "direction", "planned", "replace", "overrides": "target_down …",
 *     "run_state", "has_effect", "who", "text"}
 * "before", in the entry that opens an incident: the service as it was before the event. {
 *     "active": active_kind_text, "active_site": name or null, "paused": bool,
 *     "votes": [{"site", "voter", "down", "up", "vote", "heard_ms": so long ago}],
 *     "timers": [{"timer", "site" (of a site's), "in_ms": due in, "count" (of flap)}],
 *     "incidents": [{"site", "standing", "last_reason"}],
 *     "run": null or {"state", "direction", "occasion", "from", "to", "ours", "has_effect"},
 *     "outside": {"cut_off", "kill_switch", "places_down": [names], "suspects": [voters], "stale": [sources]}}
 * and of each thing: {"reason", "site", and what the thing has: "voter", "vote", "down", "up", "timer", "in_ms",
 *     "count", "standing", "active", "from", "to", "direction", "occasion", "run_state", "would"}.
 * Names are those of the configuration, a site that is not known is null; the entry's "at" is the time of all. */
void journal_note(struct orchestrator *o, const struct note *note);
json_t *record_event(const struct model *model, const struct service *service, const struct event *event);
json_t *record_before(const struct orchestrator *o, int service);
json_t *record_outside(const struct orchestrator *o);
json_t *record_thing(const struct orchestrator *o, int service, const struct thing *thing);
json_t *text_json(const char *text); /* a JSON string in every case */

/* orchestrator/world.c */
MUST_CHECK enum err world_load(struct orchestrator *o, struct world **ret, struct errmsg *why);
void world_free(struct world *world);
void live_run_free(struct live_run *run);

/* orchestrator/world_runs.c */
struct loader {
    struct orchestrator *o;
    struct world *world;
    struct live_run *live; /* whose steps come */
    bool is_broken;        /* out of memory, or what cannot be read */
};
struct service_state *loader_state(struct loader *loader, const char *service, int *ret_index); /* NULL: not known */
int loader_site(struct loader *loader, int service, const char *site);
void load_run(void *context, const struct run_row *row);
void load_step(void *context, const struct step_row *row);
void load_drill(void *context, const struct drill_row *row);

void active_remember(struct service_state *state, int64_t since, enum active_kind kind, int site);
int active_site_at(const struct service_state *state, int64_t wall); /* SITE_NONE: none */

/* orchestrator/alerts.c */
MUST_CHECK enum err alerts_table_make(struct orchestrator *o, size_t n_alerts, struct errmsg *why);
void alerts_table_add(struct orchestrator *o, const struct alert_key *key, int voter); /* n_alerts times at most */
MUST_CHECK enum err alerts_table_read(struct orchestrator *o, struct errmsg *why); /* what the cache does not have */
/* The entry, or the free one in its place. */
struct alert_entry *alerts_entry(const struct orchestrator *o, const struct alert_key *key);
void intake_before_commit(struct orchestrator *o); /* rows pushed out of the cache */
void intake_committed(struct orchestrator *o);     /* the batch's rows are the cache's now */
void intake_failed(struct orchestrator *o);        /* forget what is not known to be stored */
void intake_end(struct orchestrator *o);           /* frees the table */
void intake_save_counts(struct orchestrator *o, bool all);
/* The cache's time, where it has a newer one than the stored row's. */
int64_t intake_last_seen(const struct orchestrator *o, const struct alert_key *key, int64_t stored);
void intake_forget(struct orchestrator *o, const struct alert_key *key); /* its row is gone */

/* orchestrator/votes.c */
void votes_read(struct orchestrator *o, struct alert_entry *entry); /* its matches are known afterwards */
/* Whether they are what the alert, a repeat, says today. */
bool votes_are_as_said(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert);
/* What the alert says replaces what it has said; the entry's row is what it is now. */
void votes_move(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert, bool is_repeat,
                const struct cause *cause);
void votes_withdraw(struct orchestrator *o, struct alert_entry *entry, const struct cause *cause);
void votes_hear(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                const struct cause *cause);                                        /* a repeat */
void votes_put(struct orchestrator *o, int service, const struct vote_view *vote); /* its row, at once */
void votes_mark(struct world *world, int service, int site, int voter);            /* its row, soon */
void votes_hear_source(struct orchestrator *o, int source, bool is_beat);
void votes_end_beat(struct orchestrator *o, int source);
void votes_put_source(struct orchestrator *o, int source);
void votes_save(struct orchestrator *o, bool all); /* when they were heard, if that is due; all at the end */

/* orchestrator/intake.c */
MUST_CHECK enum err intake_prepare(struct orchestrator *o, struct command *const *commands, size_t n,
                                   struct errmsg *why);
void intake_delivery(struct orchestrator *o, struct command *command);
/* A statement of our own (of a person, or of the probe), as an alert of `voter` that speaks of one site of one service;
 * VOTE_UNKNOWN takes it back. The command that brings it is COMMAND_VOTE or COMMAND_PROBED, for which intake_prepare()
 * has looked the row up. What is said again only counts as heard. `text` (NULL: the caller does it) goes on record when
 * it is news; true: it is. */
bool intake_statement(struct orchestrator *o, int voter, int service, int site, enum vote says, const char *text,
                      const struct cause *cause);
void intake_probed(struct orchestrator *o, const struct command *command);
void intake_bunch(struct orchestrator *o); /* the one entry for deliveries that change nothing for a service */
bool intake_is_settled(const struct orchestrator *o, const struct command *command); /* waits for no commit */

/* orchestrator/prune.c */
MUST_CHECK enum err prune_start(struct orchestrator *o, struct errmsg *why);
void prune_go_on(struct orchestrator *o);    /* between batches: a slice, when one is due */
void prune_withdraw(struct orchestrator *o); /* in a batch: what those say that are too old */
void prune_note(struct orchestrator *o);     /* what the round under way has removed so far */

/* orchestrator/service.c */
void service_event(struct orchestrator *o, int service, const struct event *event, const struct cause *cause);
/* The same for what was decided already; the event is on record. */
void service_carry_out(struct orchestrator *o, int service, const struct things *things, const struct cause *cause);
void service_put_incident(struct orchestrator *o, int service, int site, bool is_resolved);
void service_site_lost(struct orchestrator *o, int service); /* at start: says that it is unknown now, and why */
/* The incident that something about `site` belongs to; without a site, the run's or the active site's. NULL: none. */
const struct id *service_incident(const struct orchestrator *o, int service, int site);

/* orchestrator/calls.c */
void call_adopt(struct orchestrator *o, struct command *command);
void call_pause(struct orchestrator *o, struct command *command);
void call_vote(struct orchestrator *o, struct command *command);
void call_run(struct orchestrator *o, struct command *command);

/* orchestrator/moves.c */
void call_move(struct orchestrator *o, struct command *command);
/* The run of the service has been cancelled, and the core does not know yet: a move that has waited for that takes its
 * place. False: there is none, or it is refused now. */
bool call_replace(struct orchestrator *o, int service);
/* After the commit of a batch: whether the command waits for what it replaces; then it is kept. */
bool call_is_held(struct orchestrator *o, struct command *command);
void call_committed(struct orchestrator *o);       /* answers those that this batch has decided */
void call_give_up(struct orchestrator *o);         /* in a batch: refuses those that have waited for too long */
int64_t call_due_at(const struct orchestrator *o); /* steady: when the first of them has; INT64_MAX: there are none */
void call_stop(struct orchestrator *o);            /* the daemon stops: answers all that are left */

/* orchestrator/observe.c */
void observe_if_unknown(struct orchestrator *o, int service); /* sends somebody to look for the active site */
void observe_result(struct orchestrator *o, struct command *command);

/* orchestrator/rounds.c: looking at all that a move would change, for a plan, for readiness */
void plan_call(struct orchestrator *o, struct command *command);
void round_looked(struct orchestrator *o, struct command *command);
void rounds_go_on(struct orchestrator *o);     /* in a batch: what follows from those that are complete */
void rounds_committed(struct orchestrator *o); /* answers whom this batch has decided about */
void rounds_failed(struct orchestrator *o);
bool round_holds(const struct orchestrator *o, const struct command *command); /* it waits for a round */
int64_t rounds_due_at(const struct orchestrator *o);                           /* steady */
void rounds_stop(struct orchestrator *o); /* the daemon stops: answers all that wait */
/* A plan drill: both ways, to `to` and back; ends in drill_put(). `command`, which asks for it, may be NULL; it is
 * answered then, with the plan of the way there. */
void round_plan_drill(struct orchestrator *o, int service, int to, struct command *command);

/* orchestrator/rounds_zones.c: goes through all playbooks once. ERR_NO_MEMORY. */
MUST_CHECK enum err zones_start(struct orchestrator *o, struct errmsg *why);
/* orchestrator/rounds_ready.c */
MUST_CHECK enum err ready_start(struct orchestrator *o, struct errmsg *why);
json_t *ready_status(struct orchestrator *o); /* those that are not ready; refreshes what the metrics say */
void ready_metrics(struct orchestrator *o, struct strbuf *text);

/* orchestrator/drill.c */
void drill_call(struct orchestrator *o, struct command *command);
void drill_if_due(struct orchestrator *o, int service);
void drill_ended(struct orchestrator *o, const struct live_run *live, const struct cause *cause);
/* What came of a drill: its row and its entry. `run` may be NULL. */
void drill_put(struct orchestrator *o, int service, enum drill_kind kind, bool is_good, const char *text,
               const struct id *run, const struct cause *cause);

/* orchestrator/outlook.c */
void outlook_begin(struct orchestrator *o); /* the world was read: what the outlook is made of */
void outlook_outside(struct orchestrator *o, const struct command *command);
void outlook_note_outside(struct orchestrator *o); /* what has changed and is not on record */
void outlook_timers(struct orchestrator *o);       /* what is due, by priority */
void outlook_look(struct orchestrator *o);         /* at a batch's end: those whom a change elsewhere may concern */
void outlook_committed(struct orchestrator *o);
void outlook_watch_freezes(struct orchestrator *o); /* each second: whether one has begun or ended */
void status_refresh(struct orchestrator *o);

/* orchestrator/run.c */
void run_event(struct orchestrator *o, struct live_run *live, const struct run_event *event, const struct cause *cause);
/* What another process left: attempts that were under way are lost. */
void run_take_up(struct orchestrator *o, struct live_run *live, const struct cause *cause);
/* Journals what the core moved, and tells whom it concerns: the run may be gone afterwards. */
void run_moved(struct orchestrator *o, struct live_run *live, const struct run_moves *moves, const struct cause *cause);
void live_run_cancel(struct orchestrator *o, struct live_run *live, const char *text, const struct cause *cause);
/* Ends the service's run, of which no attempt is under way, for the core has it as over already. */
void live_run_replace(struct orchestrator *o, int service, const char *text, const struct cause *cause);
struct live_run *run_find(const struct world *world, const struct id *id); /* not at rest; NULL */
void run_note_orphan(struct orchestrator *o, const struct orphan_run *orphan);

/* orchestrator/run_result.c */
void run_result(struct orchestrator *o, struct command *command);
/* Attempts that a former process sent have no result: says so, and that their effect is unknown. */
void run_close_lost(struct orchestrator *o, struct live_run *live);
void run_start_attempt(struct orchestrator *o, struct live_run *live, const struct run_move *move);

/* orchestrator/run_over.c: runs beside the service's own */
/* The service's run is over: it is freed, or goes on among the others. */
void run_retire(struct orchestrator *o, int service);
void run_over_moved(struct orchestrator *o, struct live_run *live, const struct run_moves *moves,
                    const struct cause *cause);
void runs_are_past(struct orchestrator *o, int service, const struct cause *cause); /* a run of the service begins */
int debts_at(const struct service_state *state, int site);
void debts_tell(struct orchestrator *o, int service, const struct cause *cause); /* where their number has changed */
void runs_sweep(struct orchestrator *o); /* at a batch's end: those that are gone */

/* orchestrator/run_begin.c */
/* Makes the run and its rows; it begins with RUN_EVENT_START, unless it waits. */
void run_make(struct orchestrator *o, int service, const struct thing *start, const struct cause *cause);
void run_approved(struct orchestrator *o, int service, const struct thing *thing, const struct cause *cause);
bool run_has_steps(const struct service *service, enum occasion occasion);
/* There and back with what stands in, beside the service's own run. NULL: *why says what is missing. */
struct live_run *run_make_drill(struct orchestrator *o, int service, int to, const char *reason,
                                const struct cause *cause, struct errmsg *why);
void run_step_read(struct step_run *step, const json_t *text); /* what a step of a playbook's text says of it */
void run_set_overrides(struct live_run *live, uint64_t overrides);
void run_put(struct orchestrator *o, const struct live_run *live);
void run_put_step(struct orchestrator *o, const struct live_run *live, int n);
void run_note(struct orchestrator *o, const struct live_run *live, const char *kind, const struct cause *cause,
              const char *text, json_t *detail);
const char *run_step_text(const struct live_run *live, int n, const char *key);

#endif

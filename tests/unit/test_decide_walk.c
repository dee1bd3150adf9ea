/* A random walk through decide() and run_next(), with what a careful witness keeps beside them.
 *
 * The witness writes down, in its own way and never through view_apply(): which alerts fire, since when the active
 * site's quorum stands, which site serves, what runs did to the world. After every step it holds the promises against
 * that. And it keeps a journal as the orchestrator's store does (one row per thing, run and step), from which all
 * memory is rebuilt at any moment, to be the same.
 *
 * TURNOUT_WALK_EVENTS sets the number of events in all (default 300,000), TURNOUT_WALK_SEED the first seed. A failure
 * names its seed and event; the same seed gives the same walk. Do not call the code under test to find out what it
 * ought to do. */
#include "base/cleanup.h"
#include "core/alert.h"
#include "core/decide.h"
#include "core/playbook.h"
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define N_SERVICES 5
#define N_SITES 4
#define N_SOURCES 3
#define N_ALERTS 2 /* per service, site and source */
#define N_STEPS 3
#define START_AT ((int64_t)1700000000000)
#define LOG_LINES 40
#define NEVER INT64_C(-1)

/* What the store would hold of one service. */
struct journal {
    int64_t hold_due_at[N_SITES];
    bool has_incident[N_SITES], is_standing[N_SITES];
    enum reason reason[N_SITES];
    int64_t cool_down_until;
    enum active_kind active;
    int active_site;
    bool has_run;
    struct run run;
    struct step_run steps[N_STEPS];
};

/* What really happened, as far as the walk made it happen. */
struct truth {
    struct alert_row alerts[N_SITES][N_SOURCES][N_ALERTS];
    bool is_bad[N_SITES];        /* a site in trouble has more alerts */
    int64_t held_since[N_SITES]; /* the site is active and has its quorum, without a break, since; NEVER */
    enum active_kind active;
    int site;
    bool is_active_awaited; /* the event makes `active` and `site` what they are: it has to be said */
    int64_t finished_at;    /* of the last run; NEVER */
    bool has_run, is_cancel_asked, has_effect, is_in_flight;
    enum run_state run_state;
    enum phase phase;
    int leaves, to;
    bool seen_wrong[N_STEPS], is_unverified[N_STEPS], has_applied[N_STEPS], is_settled[N_STEPS];
    int n_attempts[N_STEPS];
    int64_t began_at[N_STEPS];
};

struct place {
    struct service service;
    struct site sites[N_SITES];
    struct step steps[N_STEPS];
    struct service_view view;
    struct run run;
    struct step_run step_runs[N_STEPS];
    struct journal journal;
    struct truth truth;
};

struct walk {
    uint64_t seed, random, digest;
    int64_t now, event;
    struct model model;
    enum trust trust[N_SOURCES];
    struct place places[N_SERVICES];
    char log[LOG_LINES][320];
    int64_t n_log;
    int64_t n_mistrusted; /* votes enough, if they could be trusted */
    int64_t n_runs, n_automatic, n_refused, n_restarts, n_succeeded, n_splits;
};

static char site_names[N_SITES][4] = {"gra", "rbx", "waw", "bhs"};
static char source_names[N_SOURCES][12] = {"prometheus", "pingdom", "aws"};

/* ---- chance, the log, and the end -------------------------------------------------------------------------------- */

static uint64_t chance(struct walk *w, uint64_t below)
{
    w->random += 0x9e3779b97f4a7c15U;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) % below;
}

static bool is_lucky(struct walk *w, uint64_t percent)
{
    return chance(w, 100) < percent;
}

static void note(struct walk *w, const struct place *p, const char *format, ...) PRINTF_LIKE(3, 4);

static void note(struct walk *w, const struct place *p, const char *format, ...)
{
    char *line = w->log[w->n_log++ % LOG_LINES];
    int len = snprintf(line, sizeof w->log[0], "%" PRId64 " service %d: ", w->now - START_AT, (int)(p - w->places));
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + len, sizeof w->log[0] - (size_t)len, format, args);
    va_end(args);
    for (const char *c = line; *c; c++)
        w->digest = (w->digest ^ (uint8_t)*c) * 0x100000001b3U;
}

static void broken(struct walk *w, const struct place *p, const char *promise)
{
    for (int64_t i = w->n_log > LOG_LINES ? w->n_log - LOG_LINES : 0; i < w->n_log; i++)
        print_message("%s\n", w->log[i % LOG_LINES]);
    fail_msg("seed %" PRIu64 ", event %" PRId64 ", service %d: %s", w->seed, w->event, (int)(p - w->places), promise);
}

#define PROMISE(condition, text)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            broken(w, p, text);                                                                                        \
    } while (0)

/* ---- what the witness knows -------------------------------------------------------------------------------------- */

static int true_count(const struct place *p, int site, int source)
{
    int count = 0;
    for (int i = 0; i < N_ALERTS; i++)
        count += p->truth.alerts[site][source][i].exists && p->truth.alerts[site][source][i].state == ALERT_FIRING;
    return count;
}

static int true_votes(const struct place *p, int site)
{
    int votes = 0;
    for (int source = 0; source < N_SOURCES; source++)
        votes += true_count(p, site, source) > 0;
    return votes;
}

/* So many sources, and among them so many that somebody who only knows a URL cannot speak for. */
static bool true_quorum(const struct walk *w, const struct place *p, int site)
{
    int n_trusted = 0;
    for (int source = 0; source < N_SOURCES; source++)
        n_trusted += true_count(p, site, source) > 0 && w->trust[source] != TRUST_OPEN;
    return true_votes(p, site) >= p->service.votes && n_trusted >= p->service.trusted_votes;
}

static void watch_quorums(struct walk *w, struct place *p)
{
    for (int site = 0; site < p->service.n_sites; site++) {
        bool stands = p->truth.active == ACTIVE_SITE && p->truth.site == site && true_quorum(w, p, site);
        w->n_mistrusted += !stands && p->truth.site == site && p->truth.active == ACTIVE_SITE &&
                           true_votes(p, site) >= p->service.votes;
        if (!stands)
            p->truth.held_since[site] = NEVER;
        else if (p->truth.held_since[site] == NEVER)
            p->truth.held_since[site] = w->now;
    }
}

static bool is_cooling_down(const struct walk *w, const struct place *p)
{
    return p->truth.finished_at != NEVER && w->now < p->truth.finished_at + p->service.cool_down_ms;
}

static int first_target(const struct place *p)
{
    for (int site = 0; site < p->service.n_sites; site++)
        if (site != p->truth.site && true_votes(p, site) == 0)
            return site;
    return SITE_NONE;
}

static bool has_held(const struct walk *w, const struct place *p, int site)
{
    int64_t since = p->truth.held_since[site];
    return since != NEVER && w->now - since >= p->service.hold_ms;
}

static void become(struct walk *w, struct place *p, enum active_kind active, int site)
{
    p->truth.active = active;
    p->truth.site = site;
    p->truth.is_active_awaited = true;
    for (int i = 0; i < N_SITES; i++)
        p->truth.held_since[i] = NEVER;
    watch_quorums(w, p);
}

/* ---- the journal: written from things and moves, read back into memory ------------------------------------------- */

static void journal_thing(struct journal *j, const struct thing *thing)
{
    switch (thing->kind) {
    case THING_COUNT:
        break; /* match rows: the alerts themselves */
    case THING_TIMER_SET:
    case THING_TIMER_CLEAR: {
        int64_t at = thing->kind == THING_TIMER_SET ? thing->at : 0;
        if (thing->timer == TIMER_HOLD)
            j->hold_due_at[thing->site] = at;
        else
            j->cool_down_until = at;
        break;
    }
    case THING_INCIDENT_OPEN:
        j->has_incident[thing->site] = j->is_standing[thing->site] = true;
        j->reason[thing->site] = REASON_NONE;
        break;
    case THING_INCIDENT_STANDING:
        j->is_standing[thing->site] = thing->flag;
        break;
    case THING_INCIDENT_RESOLVED:
        j->has_incident[thing->site] = j->is_standing[thing->site] = false;
        break;
    case THING_NOT_ACTED:
        if (thing->site >= 0)
            j->reason[thing->site] = thing->reason;
        break;
    case THING_ACTIVE:
        j->active = thing->active;
        j->active_site = thing->site;
        break;
    case THING_RUN_START:
        if (thing->from >= 0)
            j->reason[thing->from] = REASON_NONE;
        break;
    case THING_RUN_STATE: /* the run's row says it */
    case THING_REFUSED:
        break;
    }
}

static void view_read(const struct place *p, struct service_view *view)
{
    const struct journal *j = &p->journal;
    service_view_init(view);
    for (int site = 0; site < p->service.n_sites; site++) {
        for (int source = 0; source < N_SOURCES; source++)
            view->sites[site].firing[source] = true_count(p, site, source);
        view->sites[site].hold_due_at = j->hold_due_at[site];
        if (!j->has_incident[site])
            continue;
        view->sites[site].has_incident = true;
        view->sites[site].is_standing = j->is_standing[site];
        view->sites[site].last_reason = (int)j->reason[site];
    }
    view->cool_down_until = j->cool_down_until;
    view->active = j->active;
    view->active_site = j->active == ACTIVE_SITE || j->active == ACTIVE_MOVING ? j->active_site : SITE_NONE;
    if (!j->has_run)
        return;
    view->has_run = true;
    view->run_state = j->run.state;
    view->run_direction = j->run.direction;
    view->run_from = j->run.from;
    view->run_to = j->run.to;
    view->run_has_effect = j->run.has_effect;
}

/* All but run_has_effect, which the view takes over only when the run's state changes. */
static bool is_same_view(const struct service_view *a, const struct service_view *b)
{
    for (int i = 0; i < MAX_SITES; i++) {
        const struct site_view *x = &a->sites[i];
        const struct site_view *y = &b->sites[i];
        if (memcmp(x->firing, y->firing, sizeof x->firing) != 0 || x->hold_due_at != y->hold_due_at ||
            x->has_incident != y->has_incident || x->is_standing != y->is_standing || x->last_reason != y->last_reason)
            return false;
    }
    return a->active == b->active && a->active_site == b->active_site && a->cool_down_until == b->cool_down_until &&
           a->has_run == b->has_run && a->run_state == b->run_state && a->run_direction == b->run_direction &&
           a->run_from == b->run_from && a->run_to == b->run_to;
}

static bool is_same_step(const struct step_run *a, const struct step_run *b)
{
    return a->state == b->state && a->phase == b->phase && a->began_at == b->began_at && a->next_at == b->next_at &&
           a->tries == b->tries && a->has_applied == b->has_applied && a->has_unknown_apply == b->has_unknown_apply &&
           a->n_attempts == b->n_attempts;
}

static void check_journal(struct walk *w, struct place *p)
{
    struct service_view view;
    view_read(p, &view);
    PROMISE(is_same_view(&p->view, &view), "what is read from the journal is not what memory says");
    if (!p->journal.has_run)
        return;
    PROMISE(p->run.current == p->journal.run.current && p->run.has_effect == p->journal.run.has_effect &&
                p->run.is_cancelling == p->journal.run.is_cancelling,
            "the run in the journal is not the run in memory");
    for (int i = 0; i < p->run.n_steps; i++)
        PROMISE(is_same_step(&p->step_runs[i], &p->journal.steps[i]), "a step changed and nobody was told");
}

/* ---- carrying out ------------------------------------------------------------------------------------------------ */

static void deliver(struct walk *w, struct place *p, const struct event *event);
static void run_deliver(struct walk *w, struct place *p, const struct run_event *event);

static void check_active(struct walk *w, struct place *p, const struct thing *thing)
{
    if (thing->active != ACTIVE_MOVING) {
        PROMISE(p->truth.is_active_awaited, "the active site changed without a cause");
        PROMISE(thing->active == p->truth.active && (thing->active != ACTIVE_SITE || thing->site == p->truth.site),
                "the wrong site is said to be active");
        p->truth.is_active_awaited = false;
        return;
    }
    if (thing->reason == REASON_VOTES) {
        PROMISE(p->service.mode == MODE_AUTOMATIC, "a run started by itself in manual mode");
        PROMISE(p->truth.active == ACTIVE_SITE, "a run started by itself where the active site is not known");
        PROMISE(p->truth.site == thing->site, "a run started by itself for a site that is not active");
        PROMISE(has_held(w, p, thing->site), "a run started without a quorum that had held");
        PROMISE(!is_cooling_down(w, p), "a run started by itself within the cool-down");
    }
    PROMISE(!p->truth.has_run, "a second run of the same service");
    PROMISE(thing->site == (p->truth.active == ACTIVE_SITE ? p->truth.site : SITE_NONE), "the run leaves another site");
    p->truth.leaves = thing->site;
}

static void start_run(struct walk *w, struct place *p, const struct thing *thing)
{
    struct truth *t = &p->truth;
    PROMISE(!t->has_run, "a second run of the same service");
    PROMISE(p->journal.active == ACTIVE_MOVING, "a run started and the service is not moving");
    PROMISE(t->leaves == thing->from || t->leaves == SITE_NONE, "the run comes from another site than it leaves");
    PROMISE(thing->site != t->leaves, "a run to where the service is");
    w->n_runs++;
    if (thing->reason == REASON_VOTES) {
        w->n_automatic++;
        PROMISE(thing->direction == DIRECTION_FAILOVER, "a failback by itself");
        PROMISE(true_votes(p, thing->site) == 0, "a run started by itself to a site with a down vote");
        PROMISE(thing->site == first_target(p), "not the first site in the order of preference");
    }
    t->active = ACTIVE_MOVING;
    watch_quorums(w, p);
    t->to = thing->site;
    t->has_run = true;
    t->run_state = RUN_RUNNING;
    t->is_cancel_asked = t->has_effect = t->is_in_flight = false;
    memset(t->seen_wrong, 0, sizeof t->seen_wrong);
    memset(t->is_unverified, 0, sizeof t->is_unverified);
    memset(t->has_applied, 0, sizeof t->has_applied);
    memset(t->is_settled, 0, sizeof t->is_settled);
    memset(t->n_attempts, 0, sizeof t->n_attempts);
    p->run = (struct run){.service = (int)(p - w->places),
                          .direction = thing->direction,
                          .from = thing->from,
                          .to = thing->site,
                          .state = RUN_RUNNING,
                          .n_steps = p->service.n_steps,
                          .steps = p->step_runs};
    for (int i = 0; i < p->service.n_steps; i++)
        p->step_runs[i] = (struct step_run){.can_apply = p->steps[i].can_apply,
                                            .can_settle = p->steps[i].can_settle,
                                            .deadline_ms = p->steps[i].deadline_ms,
                                            .retries = p->steps[i].retries};
    p->journal.has_run = true;
    p->journal.run = p->run;
    memcpy(p->journal.steps, p->step_runs, sizeof p->step_runs);
    run_deliver(w, p, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1});
}

static bool carry_out(struct walk *w, struct place *p, const struct things *things)
{
    bool is_refused = false;
    for (int i = 0; i < things->count; i++) {
        const struct thing *thing = &things->items[i];
        PROMISE(thing->text[0] && thing->reason != REASON_NONE, "a thing without a reason");
        note(w, p, "  %d/%s: %s", (int)thing->kind, reason_text(thing->reason), thing->text);
        is_refused |= thing->kind == THING_REFUSED;
        if (thing->kind == THING_COUNT)
            PROMISE(thing->count == true_count(p, thing->site, thing->source), "a wrong count");
        if (thing->kind == THING_ACTIVE)
            check_active(w, p, thing);
        journal_thing(&p->journal, thing);
        view_apply(&p->view, thing);
        if (thing->kind == THING_RUN_START) {
            PROMISE(i == things->count - 1, "something comes behind the start of a run");
            start_run(w, p, thing);
        }
    }
    return is_refused;
}

/* Who has looked leaves nothing undone, and does not let a quorum stand that may act. */
static void check_level(struct walk *w, struct place *p)
{
    struct things things;
    const struct event start = {.kind = EVENT_START, .site = SITE_NONE};
    decide(&p->service, &w->model, &p->view, &start, w->now, &things);
    if (things.count > 0)
        note(w, p, "  left undone: %s", things.items[0].text);
    PROMISE(things.count == 0, "something was left undone");
    int n_standing = 0;
    for (int site = 0; site < p->service.n_sites; site++) {
        const struct site_view *view = &p->view.sites[site];
        n_standing += view->is_standing;
        PROMISE(!view->is_standing || view->has_incident, "no incident, and it stands");
        PROMISE(!view->has_incident || true_votes(p, site) > 0, "an incident without a vote");
        PROMISE(!view->is_standing || true_quorum(w, p, site), "an incident stands without a quorum");
        PROMISE(!view->is_standing || view->last_reason != REASON_NONE ||
                    (p->truth.has_run && p->truth.run_state == RUN_RUNNING),
                "nothing is done, and no reason is on record");
        PROMISE(view->hold_due_at == 0 || p->truth.held_since[site] != NEVER, "a hold timer without a quorum");
        PROMISE(!has_held(w, p, site) || view->is_standing, "a quorum has held, and there is no incident");
    }
    PROMISE(n_standing <= 1, "two incidents stand");
    if (p->truth.active != ACTIVE_SITE || p->service.mode != MODE_AUTOMATIC || is_cooling_down(w, p))
        return;
    PROMISE(!has_held(w, p, p->truth.site) || first_target(p) == SITE_NONE, "a quorum has held, and nothing happens");
}

/* Whether an event may leave nothing: a timer that is not due, a run's state that is known. */
static bool may_be_silent(const struct walk *w, const struct place *p, const struct event *event)
{
    if (event->kind == EVENT_START)
        return true;
    if (event->kind == EVENT_RUN_STATE)
        return !p->view.has_run ||
               (p->view.run_state == event->run_state && p->view.run_has_effect == event->has_effect);
    if (event->kind != EVENT_TIMER)
        return false;
    int64_t due_at = event->timer == TIMER_HOLD ? p->journal.hold_due_at[event->site] : p->journal.cool_down_until;
    return due_at == 0 || due_at > w->now;
}

static void deliver(struct walk *w, struct place *p, const struct event *event)
{
    struct things things;
    note(w, p, "event %d site %d timer %d", (int)event->kind, event->site, (int)event->timer);
    bool is_silent = may_be_silent(w, p, event);
    decide(&p->service, &w->model, &p->view, event, w->now, &things);
    PROMISE(things.count > 0 || is_silent, "an event left no reason");
    bool is_timer_early = event->kind == EVENT_TIMER && is_silent;
    PROMISE(things.count == 0 || !is_timer_early, "a timer did something before it was due");
    bool is_refused = carry_out(w, p, &things);
    w->n_refused += is_refused;
    PROMISE(!p->truth.is_active_awaited, "the active site should have changed");
    if (!is_refused && (things.count > 0 || event->kind == EVENT_START))
        check_level(w, p);
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static void check_attempt(struct walk *w, struct place *p, const struct run_move *move)
{
    struct truth *t = &p->truth;
    PROMISE(!t->is_in_flight, "two attempts at once");
    PROMISE(t->has_run && t->run_state == RUN_RUNNING, "an attempt of a run that does not run");
    PROMISE(!t->is_cancel_asked, "an attempt of a run that is being cancelled");
    PROMISE(move->attempt == ++t->n_attempts[move->step], "attempts are not counted");
    t->is_in_flight = true;
    t->phase = move->phase;
    if (move->phase == PHASE_OBSERVE)
        return;
    PROMISE(p->steps[move->step].can_apply, "a check with an effect");
    if (move->phase != PHASE_APPLY)
        return;
    PROMISE(t->seen_wrong[move->step], "an apply without having looked");
    PROMISE(p->run.has_effect, "an apply goes out before its effect is on record");
    t->seen_wrong[move->step] = false;
    t->is_settled[move->step] = false;
    t->is_unverified[move->step] = true;
}

static void check_step(struct walk *w, struct place *p, const struct run_move *move)
{
    struct truth *t = &p->truth;
    int step = move->step;
    PROMISE(move->text[0] || move->step_state == STEP_RUNNING || move->step_state == STEP_DONE ||
                move->step_state == STEP_ALREADY_DONE,
            "a step ended without a reason");
    if (move->step_state == STEP_RUNNING)
        t->began_at[step] = w->now;
    if (move->step_state != STEP_DONE && move->step_state != STEP_ALREADY_DONE)
        return;
    PROMISE(!t->is_unverified[step], "done, and nobody has read it back");
    PROMISE(!p->steps[step].can_settle || t->is_settled[step], "done, and not seen where users are");
    PROMISE((move->step_state == STEP_ALREADY_DONE) == (p->steps[step].can_apply && !t->has_applied[step]),
            "already done by whom?");
}

static void check_state(struct walk *w, struct place *p, const struct run_move *move)
{
    struct truth *t = &p->truth;
    PROMISE(move->text[0], "a run's state changed without a reason");
    t->run_state = move->run_state;
    PROMISE(!run_state_is_final(move->run_state) || !t->is_in_flight, "a run ended with an attempt under way");
    PROMISE(move->run_state != RUN_CANCELLED || t->is_cancel_asked, "cancelled, and nobody asked for it");
    for (int i = 0; move->run_state == RUN_SUCCEEDED && i < p->run.n_steps; i++)
        PROMISE(step_state_is_final(p->step_runs[i].state), "succeeded with a step left");
    if (!run_state_is_final(move->run_state))
        return;
    PROMISE(p->run.has_effect == t->has_effect, "a run is wrong about its effect");
    t->has_run = false;
    t->finished_at = w->now;
    w->n_succeeded += move->run_state == RUN_SUCCEEDED;
    if (move->run_state == RUN_SUCCEEDED)
        become(w, p, ACTIVE_SITE, t->to);
    else if (t->has_effect)
        become(w, p, ACTIVE_SPLIT, SITE_NONE);
    else if (t->leaves >= 0)
        become(w, p, ACTIVE_SITE, t->leaves);
    else
        become(w, p, ACTIVE_UNKNOWN, SITE_NONE);
    w->n_splits += t->active == ACTIVE_SPLIT;
}

static void check_wait(struct walk *w, struct place *p, const struct run_move *move, int64_t retry_after_ms)
{
    int64_t deadline_at = p->truth.began_at[move->step] + p->steps[move->step].deadline_ms;
    PROMISE(move->at > w->now && move->at <= deadline_at, "a wait that ends never, or behind the deadline");
    PROMISE(move->at == deadline_at || move->at - w->now >= retry_after_ms, "Retry-After was not kept");
}

/* As the orchestrator does it: the run's row always, a step's row when a move or a result spoke of it. */
static void run_deliver(struct walk *w, struct place *p, const struct run_event *event)
{
    struct run_moves moves;
    int result_of = event->kind == RUN_EVENT_RESULT ? p->run.current : -1;
    note(w, p, "run event %d outcome %s%s", (int)event->kind, outcome_text(event->outcome),
         event->is_right ? " right" : "");
    run_next(&p->run, event, w->now, &moves);
    bool is_changed = false;
    for (int i = 0; i < moves.count; i++) {
        const struct run_move *move = &moves.items[i];
        note(w, p, "  move %d step %d.%d %s", (int)move->kind, move->step, move->attempt, move->text);
        bool has_step = true;
        if (move->kind == RUN_MOVE_ATTEMPT)
            check_attempt(w, p, move);
        else if (move->kind == RUN_MOVE_STEP)
            check_step(w, p, move);
        else if (move->kind == RUN_MOVE_WAIT)
            check_wait(w, p, move, event->retry_after_ms);
        else
            has_step = false;
        if (move->kind == RUN_MOVE_STATE) {
            is_changed = true;
            check_state(w, p, move);
        }
        if (has_step)
            p->journal.steps[move->step] = p->step_runs[move->step];
    }
    if (result_of >= 0)
        p->journal.steps[result_of] = p->step_runs[result_of];
    p->journal.run = p->run;
    if (!is_changed)
        return;
    p->journal.has_run = !run_state_is_final(p->run.state);
    const struct event state = {
        .kind = EVENT_RUN_STATE, .site = SITE_NONE, .run_state = p->run.state, .has_effect = p->run.has_effect};
    deliver(w, p, &state);
}

static enum outcome any_outcome(struct walk *w, enum phase phase, bool is_cancelling)
{
    uint64_t dice = chance(w, 100);
    if (is_cancelling && dice < 50)
        return OUTCOME_CANCELLED;
    dice = chance(w, 100);
    if (dice < 70)
        return phase == PHASE_SETTLE && dice < 25 ? OUTCOME_NOT_YET : OUTCOME_OK;
    if (dice < 84)
        return OUTCOME_TEMPORARY;
    if (dice < 91)
        return OUTCOME_UNKNOWN;
    return dice < 96 ? OUTCOME_PERMANENT : OUTCOME_CANCELLED;
}

static void any_result(struct walk *w, struct place *p)
{
    struct truth *t = &p->truth;
    int step = p->run.current;
    struct run_event event = {.kind = RUN_EVENT_RESULT,
                              .outcome = any_outcome(w, t->phase, p->run.is_cancelling),
                              .retry_after_ms = is_lucky(w, 10) ? (int64_t)chance(w, 100000) : -1,
                              .random = (uint32_t)chance(w, UINT32_MAX),
                              .text = is_lucky(w, 80) ? "the provider's words" : NULL};
    bool is_ok = event.outcome == OUTCOME_OK;
    t->is_in_flight = false;
    if (t->phase == PHASE_OBSERVE) {
        event.is_right = is_lucky(w, 55);
        t->seen_wrong[step] = is_ok && !event.is_right;
        if (is_ok && event.is_right)
            t->is_unverified[step] = false;
    } else if (t->phase == PHASE_APPLY) {
        if (is_ok || event.outcome == OUTCOME_UNKNOWN || event.outcome == OUTCOME_PERMANENT)
            t->has_applied[step] = t->has_effect = true;
    } else {
        t->is_settled[step] = is_ok;
    }
    run_deliver(w, p, &event);
}

static void any_call_about_a_run(struct walk *w, struct place *p)
{
    enum run_event_kind kind = (enum run_event_kind)(RUN_EVENT_RETRY + chance(w, 3));
    bool fits = kind == RUN_EVENT_CANCEL ? !p->truth.is_cancel_asked : p->truth.run_state == RUN_ATTENTION;
    struct run_event event = {.kind = kind, .retry_after_ms = -1, .text = "by hand"};
    if (!p->truth.has_run)
        return;
    if (kind == RUN_EVENT_CANCEL && fits)
        p->truth.is_cancel_asked = true;
    struct run before = p->run;
    if (!fits) {
        struct run_moves moves;
        run_next(&p->run, &event, w->now, &moves);
        PROMISE(moves.count == 1 && moves.items[0].kind == RUN_MOVE_REFUSED,
                "a call that does not fit was not refused");
        PROMISE(memcmp(&before, &p->run, sizeof before) == 0, "a refused call changed the run");
        return;
    }
    run_deliver(w, p, &event);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static int64_t sender_time(struct walk *w)
{
    if (is_lucky(w, 5))
        return TIME_UNKNOWN;
    return w->now - (is_lucky(w, 60) ? 0 : (int64_t)chance(w, 1000000)) + 7200000;
}

/* A delivery: often a repeat, a twin's or a late one. Only a change of the row is an event. */
static void any_alert(struct walk *w, struct place *p)
{
    int site = p->truth.active == ACTIVE_SITE && is_lucky(w, 60) ? p->truth.site
                                                                 : (int)chance(w, (uint64_t)p->service.n_sites);
    int source = (int)chance(w, N_SOURCES);
    struct alert_row *row = &p->truth.alerts[site][source][chance(w, N_ALERTS)];
    struct alert said = {.state = is_lucky(w, p->truth.is_bad[site] ? 85 : 15) ? ALERT_FIRING : ALERT_RESOLVED,
                         .starts_at = sender_time(w),
                         .ends_at = TIME_UNKNOWN};
    if (is_lucky(w, 5))
        said.state = ALERT_UNKNOWN;
    if (said.state == ALERT_RESOLVED)
        said.ends_at = sender_time(w);
    int before = true_count(p, site, source);
    const struct alert_row row_before = *row;
    enum alert_verdict verdict = alert_take(&row_before, &said, w->now, row);
    int delta = true_count(p, site, source) - before;
    PROMISE(verdict == ALERT_VERDICT_NEW || row->state == row_before.state, "no news, and the alert changed");
    PROMISE(verdict != ALERT_VERDICT_NEW || !row_before.exists || row->state != row_before.state, "news of nothing");
    if (delta == 0)
        return;
    watch_quorums(w, p);
    deliver(w, p, &(struct event){.kind = EVENT_ALERT, .site = site, .source = source, .delta = delta});
}

static bool needs_from(const struct place *p)
{
    return p->service.n_steps > 0 && p->steps[0].args != NULL;
}

static bool is_to_be_refused(const struct place *p, const struct event *event)
{
    if (p->truth.has_run)
        return true;
    if (event->kind == EVENT_ADOPT)
        return event->site < 0 || (p->truth.active == ACTIVE_SITE && p->truth.site == event->site);
    bool is_known = p->truth.active == ACTIVE_SITE;
    int target = event->site;
    if (event->direction == DIRECTION_FAILBACK) {
        if (target > 0)
            return true;
        target = 0;
    } else if (target < 0) {
        if (!is_known)
            return true;
        target = first_target(p);
    }
    return target == SITE_NONE || (is_known && target == p->truth.site) ||
           (!is_known && needs_from(p) && p->service.n_sites != 2);
}

static void any_operator_call(struct walk *w, struct place *p)
{
    struct event event = {.kind = is_lucky(w, 50) ? EVENT_OPERATOR_MOVE : EVENT_ADOPT,
                          .site = (int)chance(w, (uint64_t)p->service.n_sites + 1) - 1,
                          .direction = is_lucky(w, 70) ? DIRECTION_FAILOVER : DIRECTION_FAILBACK,
                          .who = "anna",
                          .text = is_lucky(w, 70) ? "because" : NULL};
    bool is_refusal = is_to_be_refused(p, &event);
    if (!is_refusal && event.kind == EVENT_ADOPT)
        become(w, p, ACTIVE_SITE, event.site);
    int64_t refused = w->n_refused;
    int64_t runs = w->n_runs;
    deliver(w, p, &event);
    PROMISE((w->n_refused > refused) == is_refusal, "an operator was wrongly refused, or wrongly not");
    /* Without steps, hold and cool-down one run may follow another at once. */
    PROMISE(is_refusal || event.kind == EVENT_ADOPT || w->n_runs > runs, "an operator's run did not start");
}

static void any_observation(struct walk *w, struct place *p)
{
    struct event event = {.kind = EVENT_OBSERVED, .site = (int)chance(w, (uint64_t)p->service.n_sites + 1) - 1};
    if (p->truth.active == ACTIVE_UNKNOWN && event.site >= 0)
        become(w, p, ACTIVE_SITE, event.site);
    deliver(w, p, &event);
}

static void due_timers(struct walk *w, struct place *p)
{
    for (int site = 0; site < p->service.n_sites; site++)
        if (p->view.sites[site].hold_due_at != 0 && p->view.sites[site].hold_due_at <= w->now)
            deliver(w, p, &(struct event){.kind = EVENT_TIMER, .timer = TIMER_HOLD, .site = site});
    if (p->view.cool_down_until != 0 && p->view.cool_down_until <= w->now)
        deliver(w, p, &(struct event){.kind = EVENT_TIMER, .timer = TIMER_COOL_DOWN, .site = SITE_NONE});
}

/* Due or not, there or not. */
static void any_timer(struct walk *w, struct place *p)
{
    struct event event = {.kind = EVENT_TIMER, .timer = is_lucky(w, 60) ? TIMER_HOLD : TIMER_COOL_DOWN};
    event.site = event.timer == TIMER_HOLD ? (int)chance(w, (uint64_t)p->service.n_sites) : SITE_NONE;
    deliver(w, p, &event);
}

static void run_goes_on(struct walk *w, struct place *p)
{
    if (!p->truth.has_run)
        return;
    if (p->truth.is_in_flight)
        any_result(w, p);
    else
        run_deliver(w, p,
                    &(struct run_event){
                        .kind = RUN_EVENT_TIMER, .retry_after_ms = -1, .random = (uint32_t)chance(w, UINT32_MAX)});
}

/* The process ends, and another one reads the journal: what was under way is lost. */
static void restart(struct walk *w)
{
    w->n_restarts++;
    for (int i = 0; i < N_SERVICES; i++) {
        struct place *p = &w->places[i];
        struct truth *t = &p->truth;
        view_read(p, &p->view);
        p->run = p->journal.run;
        p->run.steps = p->step_runs;
        memcpy(p->step_runs, p->journal.steps, sizeof p->step_runs);
        if (t->has_run) {
            if (t->is_in_flight && t->phase == PHASE_APPLY)
                t->has_applied[p->run.current] = t->has_effect = true;
            t->is_in_flight = false;
            memset(t->seen_wrong, 0, sizeof t->seen_wrong);
            run_deliver(w, p, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1});
        }
        deliver(w, p, &(struct event){.kind = EVENT_START, .site = SITE_NONE});
    }
}

/* To a moment in which something may be due, just before or behind it, or anywhere. */
static void time_passes(struct walk *w)
{
    const struct place *p = &w->places[chance(w, N_SERVICES)];
    uint64_t dice = chance(w, 100);
    int64_t to = w->now + (int64_t)chance(w, 2000);
    if (dice < 15)
        to = p->view.cool_down_until;
    else if (dice < 45)
        to = p->view.sites[chance(w, (uint64_t)p->service.n_sites)].hold_due_at;
    else if (dice < 70 && p->truth.has_run && p->run.current < p->run.n_steps)
        to = p->step_runs[p->run.current].next_at;
    else if (dice < 72)
        to = w->now + (int64_t)chance(w, 4000000);
    to += (int64_t)chance(w, 3) - 1;
    if (to > w->now)
        w->now = to;
}

static void step(struct walk *w)
{
    struct place *p = &w->places[chance(w, N_SERVICES)];
    uint64_t dice = chance(w, 1000);
    if (dice < 220)
        time_passes(w);
    for (int i = 0; i < N_SERVICES && dice < 180; i++)
        due_timers(w, &w->places[i]);
    if (dice >= 220 && dice < 460)
        any_alert(w, p);
    else if (dice >= 460 && dice < 760)
        run_goes_on(w, p);
    else if (dice >= 760 && dice < 790)
        any_timer(w, p);
    else if (dice >= 790 && dice < 830)
        any_observation(w, p);
    else if (dice >= 830 && dice < 870)
        any_operator_call(w, p);
    else if (dice >= 870 && dice < 990)
        any_call_about_a_run(w, p);
    else if (dice >= 990 && dice < 998)
        p->truth.is_bad[chance(w, (uint64_t)p->service.n_sites)] ^= is_lucky(w, 50);
    else if (dice >= 998)
        restart(w);
    for (int i = 0; i < N_SERVICES; i++)
        check_journal(w, &w->places[i]);
}

/* ---- the whole walk ---------------------------------------------------------------------------------------------- */

static void make_place(struct walk *w, struct place *p, int number)
{
    static char name[] = "shop";
    static const int64_t holds[] = {0, 5000, 30000, 30000};
    static const int64_t cool_downs[] = {0, 60000, 1800000, 1800000};
    struct service *service = &p->service;
    service->name = name;
    service->sites = p->sites;
    service->n_sites = number == 0 ? 2 : number == 1 ? N_SITES : (int)chance(w, N_SITES) + 1;
    service->mode = number == 4 ? MODE_MANUAL : MODE_AUTOMATIC;
    service->votes = number == 0 ? 2 : number == 3 ? 1 : (int)chance(w, N_SOURCES) + 1;
    service->trusted_votes = number == 0 || number == 3       ? 1
                             : number == 2 || is_lucky(w, 50) ? 0
                                                              : (int)chance(w, 2) + 1;
    service->hold_ms = number == 0 ? 30000 : holds[chance(w, 4)];
    service->cool_down_ms = number == 0 ? 1800000 : cool_downs[chance(w, 4)];
    service->steps = p->steps;
    service->n_steps = number == 0 ? N_STEPS : (int)chance(w, N_STEPS + 1);
    for (int i = 0; i < N_SITES; i++)
        p->sites[i].name = site_names[i];
    for (int i = 0; i < N_STEPS; i++) {
        p->steps[i].can_apply = is_lucky(w, 75);
        p->steps[i].can_settle = p->steps[i].can_apply && is_lucky(w, 50);
        p->steps[i].deadline_ms = 1000 + (int64_t)chance(w, 120000);
        p->steps[i].retries = is_lucky(w, 50) ? -1 : (int)chance(w, 4);
    }
    if (is_lucky(w, 50))
        p->steps[0].args = json_pack("{s:s}", "a", "${from.address}");
    service_view_init(&p->view);
    p->journal.active_site = p->truth.site = p->truth.leaves = SITE_NONE;
    p->truth.finished_at = NEVER;
    for (int i = 0; i < N_SITES; i++)
        p->truth.held_since[i] = NEVER;
}

static void walk(struct walk *w, uint64_t seed, int64_t n_events)
{
    static char *names[N_SOURCES];
    for (int i = 0; i < N_SOURCES; i++)
        names[i] = source_names[i];
    memset(w, 0, sizeof *w);
    w->seed = w->random = seed;
    w->digest = 0xcbf29ce484222325U;
    w->now = START_AT;
    for (int i = 0; i < N_SOURCES; i++)
        w->trust[i] = i == 0 ? TRUST_OPEN : i == 1 ? TRUST_SECRET : (enum trust)chance(w, TRUST_SIGNED + 1);
    w->model = (struct model){.source_names = names, .source_trust = w->trust, .n_sources = N_SOURCES};
    for (int i = 0; i < N_SERVICES; i++)
        make_place(w, &w->places[i], i);
    for (w->event = 0; w->event < n_events; w->event++)
        step(w);
    for (int i = 0; i < N_SERVICES; i++)
        json_decref(w->places[i].steps[0].args);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

#define N_SEEDS 6

static void the_promises_hold(void **state)
{
    (void)state;
    AUTO_FREE struct walk *w = malloc(sizeof *w);
    uint64_t seed = number_from("TURNOUT_WALK_SEED", 1);
    int64_t n_events = (int64_t)number_from("TURNOUT_WALK_EVENTS", 300000);
    for (uint64_t i = 0; i < N_SEEDS; i++) {
        walk(w, seed + i, n_events / N_SEEDS);
        print_message("seed %" PRIu64 ": %" PRId64 " events, %" PRId64 " runs (%" PRId64 " by themselves, %" PRId64
                      " succeeded, %" PRId64 " split), %" PRId64 " refusals, %" PRId64 " restarts, %" PRId64
                      " times votes that cannot be trusted\n",
                      seed + i, w->event, w->n_runs, w->n_automatic, w->n_succeeded, w->n_splits, w->n_refused,
                      w->n_restarts, w->n_mistrusted);
        /* A walk that never gets anywhere proves nothing. */
        if (w->event >= 50000)
            assert_true(w->n_mistrusted > 20 && w->n_automatic > 20 && w->n_succeeded > 20 && w->n_splits > 5 &&
                        w->n_refused > 50);
    }
}

static void the_same_seed_gives_the_same_log(void **state)
{
    (void)state;
    AUTO_FREE struct walk *w = malloc(sizeof *w);
    walk(w, 42, 5000);
    uint64_t digest = w->digest;
    walk(w, 42, 5000);
    assert_true(digest == w->digest);
    walk(w, 43, 5000);
    assert_true(digest != w->digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_promises_hold),
        cmocka_unit_test(the_same_seed_gives_the_same_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

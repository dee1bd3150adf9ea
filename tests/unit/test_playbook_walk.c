/* A random walk over the engine: playbooks, outcomes, people's calls and restarts by chance, against a world that keeps
 * what was really written. Beside it a witness holds each move against the promises of core/playbook.h, in its own way:
 * it never asks the engine what ought to be.
 *
 * TURNOUT_WALK_RUNS sets the number of runs (default 30,000: some seconds with sanitizers), TURNOUT_WALK_SEED the first
 * seed. A failure names its seed, and tells the run's last events; the same seed gives the same run. */
#include "base/cleanup.h"
#include "core/playbook.h"
#include "tests/unit/test.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST_STEPS 9
#define WILD_EVENTS 120 /* until the world is kind, and the run has to come to its end */
#define KIND_EVENTS 400
#define LOG_LINES 80
#define DEBT_LAST_MS 300000

struct world_step {
    int value;   /* 0: as it was before, 1: as it is to be */
    int landing; /* the value of a write that is on its way; -1: none is */
    int n_effects;
};

struct witness_step {
    bool is_out;
    enum phase phase; /* of what is out */
    int n_attempts;
    bool may_have_applied;      /* in the direction it goes now */
    bool may_have_applied_ever; /* there, not back */
    bool is_wrong_seen;         /* looked at since the last apply or start, and not as wanted */
    bool is_right_seen;
    bool is_in_doubt; /* an apply, in the direction it goes now, may have had its effect, and nobody has looked since */
    bool is_persons;  /* a person has said done */
    bool is_undone;
    int n_sent_again; /* by a person's retry */
};

struct walk {
    uint64_t seed, random;
    int64_t now;
    struct run run;
    struct step_run steps[MOST_STEPS];
    struct run stored_run; /* as it is on disk, and what a restart has to do with */
    struct step_run stored[MOST_STEPS];
    struct world_step world[MOST_STEPS];
    struct witness_step known[MOST_STEPS];
    bool is_kind;
    bool is_ending, is_over, is_past, is_undoing;
    enum run_state state;
    int goes;        /* the step that was just allowed to apply; -1 */
    int last_undone; /* the step that was last begun to be put back; n_steps: none */
    char log[LOG_LINES][160];
    int n_log;
    int64_t n_ends[RUN_UNDONE + 1], n_restarts, n_debts, n_unknown, n_refused, n_points, n_moves, most_moves;
};

static struct walk the_walk;

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

static void note(struct walk *w, const char *format, ...) PRINTF_LIKE(2, 3);

static void note(struct walk *w, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(w->log[w->n_log++ % LOG_LINES], sizeof w->log[0], format, args);
    va_end(args);
}

static void broken(const struct walk *w, const char *promise)
{
    for (int i = 0; i < w->run.n_steps; i++) {
        const struct step_run *s = &w->steps[i];
        print_message("step %d: group %d on failure %s%s%s%s%s%s%s%s, %s\n", i, s->group,
                      on_failure_text(s->on_failure), s->can_observe ? " looks" : "", s->can_apply ? " applies" : "",
                      s->can_settle ? " settles" : "", s->is_idempotent ? " idempotent" : "",
                      s->is_point ? " point" : "", s->is_measure ? " measure" : "",
                      s->is_reversible ? " reversible" : "", step_state_text(s->state));
    }
    for (int i = w->n_log > LOG_LINES ? w->n_log - LOG_LINES : 0; i < w->n_log; i++)
        print_message("%s\n", w->log[i % LOG_LINES]);
    fail_msg("seed %" PRIu64 ": %s", w->seed, promise);
}

#define PROMISE(condition, text)                                                                                       \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            broken(w, text);                                                                                           \
    } while (0)

/* ---- a playbook -------------------------------------------------------------------------------------------------- */

static void make_step(struct walk *w, int i, bool is_measure)
{
    struct step_run *step = &w->steps[i];
    bool is_check = is_measure || is_lucky(w, 20);
    *step = (struct step_run){.can_apply = !is_check,
                              .can_observe = is_check || is_lucky(w, 75),
                              .can_settle = !is_check && is_lucky(w, 40),
                              .deadline_ms = is_lucky(w, 30) ? 5000 : 1800000,
                              .retries = is_check && is_lucky(w, 50) ? (int)chance(w, 4) : -1,
                              .backoff_ms = is_lucky(w, 20) ? 2000 : 0,
                              .on_failure = is_lucky(w, 40) ? ON_FAILURE_ATTENTION : (enum on_failure)chance(w, 5),
                              .is_measure = is_measure};
    step->is_idempotent = !step->can_observe && is_lucky(w, 40);
    step->is_point = step->can_apply && is_lucky(w, 12);
    step->is_reversible = step->can_apply && is_lucky(w, 80);
    w->world[i] = (struct world_step){.value = step->can_apply && is_lucky(w, 80) ? 0 : 1, .landing = -1};
}

static void make_run(struct walk *w, uint64_t seed)
{
    w->seed = w->random = seed;
    w->now = 1000000;
    w->n_log = 0;
    w->is_kind = w->is_ending = w->is_over = w->is_past = w->is_undoing = false;
    w->state = RUN_RUNNING;
    w->goes = -1;
    memset(w->known, 0, sizeof w->known);
    int n = 1 + (int)chance(w, MOST_STEPS - 2), n_measures = (int)chance(w, 3), group = 0;
    w->run = (struct run){
        .state = RUN_RUNNING, .n_steps = n + n_measures, .steps = w->steps, .to = 1, .is_forced = is_lucky(w, 10)};
    w->last_undone = w->run.n_steps;
    for (int i = 0; i < w->run.n_steps; i++) {
        make_step(w, i, i >= n);
        if (i == 0 || is_lucky(w, 50))
            group = is_lucky(w, 50) ? 0 : i + 1;
        w->steps[i].group = group;
    }
    w->stored_run = w->run;
    memcpy(w->stored, w->steps, sizeof w->stored);
}

/* ---- the world --------------------------------------------------------------------------------------------------- */

static int wanted(const struct walk *w, int i)
{
    return w->steps[i].is_undoing ? 0 : 1;
}

static void write_world(struct walk *w, int i, int value)
{
    w->world[i].n_effects++;
    w->world[i].value = value;
}

/* What an apply brings about: now, later, or never. */
static void take_effect(struct walk *w, int i)
{
    if (w->is_kind || is_lucky(w, 80))
        write_world(w, i, wanted(w, i));
    else
        w->world[i].landing = wanted(w, i);
}

static void world_goes_on(struct walk *w)
{
    for (int i = 0; i < w->run.n_steps; i++) {
        if (w->world[i].landing >= 0 && (w->is_kind || is_lucky(w, 20))) {
            write_world(w, i, w->world[i].landing);
            w->world[i].landing = -1;
        }
        if (!w->is_kind && !w->steps[i].can_apply && is_lucky(w, 10))
            w->world[i].value = !w->world[i].value;
        if (!w->is_kind && w->steps[i].can_apply && chance(w, 1000) < 2) /* somebody else */
            w->world[i].value = !w->world[i].value;
        if (w->is_kind && !w->steps[i].can_apply)
            w->world[i].value = 1;
    }
}

/* ---- what a move must not be ------------------------------------------------------------------------------------- */

static bool is_passed(const struct step_run *step)
{
    switch (step->state) {
    case STEP_DONE:
    case STEP_ALREADY_DONE:
    case STEP_SKIPPED:
    case STEP_UNDONE:
    case STEP_OWED:
        return true;
    case STEP_FAILED:
        return step->on_failure == ON_FAILURE_CONTINUE && !step->is_undoing;
    case STEP_UNKNOWN: /* what cannot be looked at waits for a person, whatever the playbook says */
        return step->on_failure == ON_FAILURE_CONTINUE && !step->is_undoing &&
               (step->can_observe || step->is_idempotent);
    case STEP_PENDING:
    case STEP_RUNNING:
        break;
    }
    return false;
}

static bool is_waiting(const struct step_run *step)
{
    return !step->is_measure && !is_passed(step) && (step->state == STEP_FAILED || step->state == STEP_UNKNOWN);
}

/* Nothing of an earlier group is in the way. */
static void check_order(struct walk *w, int i)
{
    for (int k = 0; k < i; k++) {
        bool is_neighbour = w->steps[i].group != 0 && w->steps[k].group == w->steps[i].group;
        PROMISE(is_neighbour || is_passed(&w->steps[k]), "a step began before an earlier group was through");
    }
}

static void check_apply(struct walk *w, int i)
{
    const struct step_run *step = &w->steps[i];
    struct witness_step *known = &w->known[i];
    bool may_have_changed = false;
    for (int k = 0; k < w->run.n_steps; k++)
        may_have_changed |=
            w->known[k].may_have_applied_ever || (w->known[k].is_out && w->known[k].phase == PHASE_APPLY);
    PROMISE(step->can_apply, "a check was applied");
    PROMISE(w->is_over || w->run.has_effect, "an effect goes out, and is not on record");
    PROMISE(!step->can_observe || known->is_wrong_seen, "applied without having looked");
    if (!w->is_over && !w->is_undoing && (!may_have_changed || (step->is_point && !known->may_have_applied)))
        PROMISE(w->goes == i, "a first effect or a point of no return was not asked for");
    if (step->is_undoing)
        PROMISE(step->is_reversible, "what was there before is not known, and was put back");
    known->is_wrong_seen = known->is_right_seen = false;
}

static void check_attempt(struct walk *w, const struct run_move *move)
{
    int i = move->step;
    const struct step_run *step = &w->steps[i];
    struct witness_step *known = &w->known[i];
    PROMISE(!known->is_out, "two attempts of one step at once");
    PROMISE(move->attempt == known->n_attempts + 1, "an attempt is not counted");
    PROMISE(!w->is_ending, "an attempt while the run is being ended");
    PROMISE(!w->is_past, "an attempt of a run that is past");
    PROMISE(!w->is_over || step->state == STEP_OWED || step->is_measure, "an attempt of a run that is over");
    PROMISE(step->state == STEP_RUNNING || step->state == STEP_OWED, "an attempt of a step that does not go on");
    PROMISE(move->phase != PHASE_OBSERVE || step->can_observe, "looked at what cannot be");
    PROMISE(move->phase != PHASE_SETTLE || step->can_settle, "settled what cannot be");
    PROMISE(!step->is_measure || w->state == RUN_SUCCEEDED, "measured before the run has succeeded");
    if (!step->is_undoing && !step->is_measure && step->state != STEP_OWED)
        check_order(w, i);
    if (step->is_undoing && known->n_attempts >= 0 && i != w->last_undone) {
        PROMISE(i < w->last_undone, "put back in another order");
        for (int k = i + 1; k < w->run.n_steps; k++)
            PROMISE(!w->known[k].may_have_applied_ever || w->steps[k].state == STEP_UNDONE ||
                        w->steps[k].state == STEP_SKIPPED,
                    "put back before what came later was");
        w->last_undone = i;
        known->may_have_applied = known->is_right_seen = known->is_in_doubt = false;
    }
    if (move->phase == PHASE_APPLY)
        check_apply(w, i);
    known->n_attempts++;
    known->is_out = true;
    known->phase = move->phase;
}

static void check_undone(struct walk *w)
{
    PROMISE(!w->run.has_effect, "undone, and there is still an effect");
    for (int i = 0; i < w->run.n_steps; i++) {
        const struct step_run *step = &w->steps[i];
        PROMISE(!w->known[i].may_have_applied_ever || step->state == STEP_UNDONE, "undone, and a step is not");
        if (step->state == STEP_UNDONE && !w->known[i].is_persons && step->can_observe)
            PROMISE(w->known[i].is_right_seen, "undone, and nobody has seen it");
    }
}

static void check_end(struct walk *w, enum run_state state)
{
    PROMISE(!w->is_over, "a run ended twice");
    w->is_over = true;
    w->is_ending = false;
    w->n_ends[state]++;
    if (state == RUN_UNDONE)
        check_undone(w);
    for (int i = 0; i < w->run.n_steps; i++) {
        const struct step_run *step = &w->steps[i];
        PROMISE(!w->known[i].is_out || step->state == STEP_OWED, "it ended while an attempt was out");
        PROMISE(state != RUN_SUCCEEDED || step->is_measure || is_passed(step), "a success, and a step is not through");
        if (state == RUN_SUCCEEDED && step->state == STEP_DONE && !w->known[i].is_persons && step->can_observe)
            PROMISE(w->known[i].is_right_seen, "done, and nobody has seen it");
        if (!w->run.has_effect && state != RUN_UNDONE)
            PROMISE(!w->known[i].may_have_applied_ever && w->world[i].landing < 0,
                    "said to have had no effect, and it may have had one");
    }
}

static void check_move(struct walk *w, const struct run_move *move)
{
    w->n_moves++;
    switch (move->kind) {
    case RUN_MOVE_ATTEMPT:
        note(w, "  step %d attempt %d: %s", move->step, move->attempt, phase_text(move->phase));
        check_attempt(w, move);
        break;
    case RUN_MOVE_WAIT: {
        const struct step_run *step = &w->steps[move->step];
        note(w, "  step %d waits %" PRId64 " ms for %s", move->step, move->at - w->now, phase_text(move->phase));
        PROMISE(move->at >= w->now, "it waits for the past");
        if (step->state != STEP_OWED)
            PROMISE(move->at <= step->began_at + step->deadline_ms || move->at == w->now, "it waits past its deadline");
        break;
    }
    case RUN_MOVE_STEP:
        note(w, "  step %d is %s: %.80s", move->step, step_state_text(move->step_state), move->text);
        w->n_debts += move->step_state == STEP_OWED;
        w->n_unknown += move->step_state == STEP_UNKNOWN;
        w->known[move->step].is_undone |= move->step_state == STEP_UNDONE;
        PROMISE(move->step_state != STEP_UNKNOWN || w->known[move->step].may_have_applied_ever ||
                    w->known[move->step].may_have_applied,
                "unknown, and nothing was ever sent");
        PROMISE(move->step_state != STEP_FAILED || !w->known[move->step].is_in_doubt,
                "failed, and it may have been done");
        break;
    case RUN_MOVE_STATE:
        note(w, "  the run is %s: %.80s", run_state_text(move->run_state), move->text);
        PROMISE(!w->is_over, "a run that is over has another state");
        w->state = move->run_state;
        if (run_state_is_final(move->run_state))
            check_end(w, move->run_state);
        break;
    case RUN_MOVE_POINT:
        note(w, "  step %d asks", move->step);
        w->n_points++;
        break;
    case RUN_MOVE_STOP_ATTEMPT:
        PROMISE(w->known[move->step].is_out, "an attempt is to stop that is not out");
        break;
    case RUN_MOVE_UNDO:
        note(w, "  it goes back: %.80s", move->text);
        PROMISE(!w->is_undoing && !w->is_over, "it goes back twice, or from its end");
        for (int i = 0; i < w->run.n_steps; i++)
            PROMISE(!(w->steps[i].is_point && w->known[i].may_have_applied_ever),
                    "it goes back over a point of no return");
        w->is_undoing = true;
        w->is_ending = false;
        break;
    case RUN_MOVE_REFUSED:
        note(w, "  refused: %.80s", move->text);
        break;
    }
}

/* ---- what holds between two events ------------------------------------------------------------------------------- */

static void check_rest(struct walk *w)
{
    bool is_anybody_waiting = false, is_out = false;
    for (int i = 0; i < w->run.n_steps; i++) {
        const struct step_run *step = &w->steps[i];
        PROMISE(w->known[i].is_out == step_is_under_way(&w->run, i), "what is out is not what is said to be out");
        is_anybody_waiting |= is_waiting(step) && (!w->is_undoing || step->is_undoing);
        is_out |= w->known[i].is_out;
        if (!step->can_observe && step->can_apply && !step->is_idempotent && !step->is_undoing &&
            !w->known[i].is_undone)
            PROMISE(w->world[i].n_effects <= 1 + w->known[i].n_sent_again, "done twice, and nobody asked for that");
        if (step->state == STEP_OWED && step->next_at != 0 && !w->is_past && step->next_at < RUN_NEVER)
            PROMISE(step->next_at <= w->now + DEBT_LAST_MS || w->is_ending, "a debt waits for too long");
    }
    PROMISE(w->state == w->run.state, "its state is not what it said");
    PROMISE(run_is_busy(&w->run) == is_out, "busy, and nothing is out");
    PROMISE(!run_is_at_rest(&w->run) || run_state_is_final(w->state), "at rest before its end");
    if (w->is_over || is_out)
        return;
    PROMISE(!w->is_ending, "nothing is out, and it has not ended");
    PROMISE(is_anybody_waiting || run_due_at(&w->run) != INT64_MAX, "limbo: nothing is out, due, or for a person");
    PROMISE((w->state == RUN_ATTENTION) == is_anybody_waiting,
            "attention, and nobody is asked, or the other way round");
}

/* What the orchestrator writes with an event: the run, and the steps that it or its moves are about. */
static void store(struct walk *w, const struct run_event *event, const struct run_moves *moves)
{
    w->stored_run = w->run;
    if (event->kind == RUN_EVENT_RESULT)
        w->stored[event->step] = w->steps[event->step];
    for (int i = 0; i < moves->count; i++) {
        const struct run_move *move = &moves->items[i];
        if (move->kind == RUN_MOVE_ATTEMPT || move->kind == RUN_MOVE_WAIT || move->kind == RUN_MOVE_STEP)
            w->stored[move->step] = w->steps[move->step];
    }
}

static void give(struct walk *w, struct run_event event);

static void answer_point(struct walk *w, int step)
{
    uint64_t dice = w->is_kind ? 0 : chance(w, 100);
    struct run_event answer = {.step = -1, .retry_after_ms = -1, .text = "answer"};
    answer.kind = dice < 85 ? RUN_EVENT_GOES : dice < 93 ? RUN_EVENT_HALT : RUN_EVENT_CANCEL;
    w->goes = answer.kind == RUN_EVENT_GOES ? step : -1;
    note(w, "answer %d", (int)answer.kind);
    give(w, answer);
    w->goes = -1;
}

static void give(struct walk *w, struct run_event event)
{
    struct run_moves moves;
    struct step_run before[MOST_STEPS];
    struct run run = w->run;
    memcpy(before, w->steps, sizeof before);
    event.random = (uint32_t)chance(w, UINT32_MAX);
    run_next(&w->run, &event, w->now, &moves);
    w->most_moves = moves.count > w->most_moves ? moves.count : w->most_moves;
    bool is_refused = moves.count == 1 && moves.items[0].kind == RUN_MOVE_REFUSED;
    if (is_refused)
        PROMISE(memcmp(&run, &w->run, sizeof run) == 0 && memcmp(before, w->steps, sizeof before) == 0,
                "refused, and changed something");
    w->n_refused += is_refused;
    if (!is_refused && !w->is_over && (event.kind == RUN_EVENT_CANCEL || event.kind == RUN_EVENT_UNDO))
        w->is_ending = true;
    for (int i = 0; i < moves.count; i++) {
        PROMISE(moves.items[i].kind != RUN_MOVE_REFUSED || moves.count == 1, "refused, and yet something moved");
        PROMISE(moves.items[i].kind != RUN_MOVE_POINT || i + 1 == moves.count, "a question is not the last move");
        check_move(w, &moves.items[i]);
    }
    store(w, &event, &moves);
    if (moves.count > 0 && moves.items[moves.count - 1].kind == RUN_MOVE_POINT)
        answer_point(w, moves.items[moves.count - 1].step);
    if (w->run.ending != ENDING_NONE)
        w->is_ending = true;
    check_rest(w);
}

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static enum outcome any_outcome(struct walk *w, enum phase phase)
{
    static const enum outcome of_looks[] = {OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, OUTCOME_PERMANENT, OUTCOME_CANCELLED};
    static const enum outcome of_applies[] = {OUTCOME_TEMPORARY, OUTCOME_UNKNOWN, OUTCOME_UNKNOWN, OUTCOME_PERMANENT,
                                              OUTCOME_CANCELLED};
    static const enum outcome of_settles[] = {OUTCOME_NOT_YET, OUTCOME_NOT_YET,   OUTCOME_TEMPORARY,
                                              OUTCOME_UNKNOWN, OUTCOME_PERMANENT, OUTCOME_CANCELLED};
    if (w->is_kind || is_lucky(w, 60))
        return OUTCOME_OK;
    switch (phase) {
    case PHASE_OBSERVE:
        return of_looks[chance(w, COUNT_OF(of_looks))];
    case PHASE_APPLY:
        return of_applies[chance(w, COUNT_OF(of_applies))];
    case PHASE_SETTLE:
        break;
    }
    return of_settles[chance(w, COUNT_OF(of_settles))];
}

/* The witness's own account of what an apply may have done, and the world's. */
static void applied(struct walk *w, int i, enum outcome outcome)
{
    struct witness_step *known = &w->known[i];
    if (outcome == OUTCOME_TEMPORARY || outcome == OUTCOME_CANCELLED)
        return;
    known->may_have_applied = true;
    known->may_have_applied_ever |= !w->steps[i].is_undoing;
    known->is_in_doubt = outcome == OUTCOME_UNKNOWN || (known->is_in_doubt && outcome != OUTCOME_OK);
    bool is_done =
        outcome == OUTCOME_OK ? w->is_kind || is_lucky(w, 97) : is_lucky(w, outcome == OUTCOME_UNKNOWN ? 50 : 30);
    if (is_done)
        take_effect(w, i);
}

static int any_out(struct walk *w)
{
    int first = (int)chance(w, (uint64_t)w->run.n_steps);
    for (int i = 0; i < w->run.n_steps; i++)
        if (w->known[(first + i) % w->run.n_steps].is_out)
            return (first + i) % w->run.n_steps;
    return -1;
}

static void result(struct walk *w, int i)
{
    struct witness_step *known = &w->known[i];
    struct run_event event = {.kind = RUN_EVENT_RESULT, .step = i, .retry_after_ms = -1};
    event.outcome = any_outcome(w, known->phase);
    if (is_lucky(w, 5))
        event.retry_after_ms = (int64_t)chance(w, 100000);
    w->now += (int64_t)chance(w, 300);
    known->is_out = false;
    if (known->phase == PHASE_APPLY)
        applied(w, i, event.outcome);
    if (known->phase == PHASE_OBSERVE && event.outcome == OUTCOME_OK) {
        event.is_right = w->world[i].value == wanted(w, i);
        known->is_wrong_seen = !event.is_right;
        known->is_right_seen = event.is_right;
        known->is_in_doubt = false;
    }
    note(w, "step %d: %s %s%s", i, phase_text(known->phase), outcome_text(event.outcome),
         event.is_right ? ", right" : "");
    give(w, event);
}

static void timer(struct walk *w, bool is_early)
{
    int64_t due = run_due_at(&w->run);
    if (due != INT64_MAX && due > w->now)
        w->now = is_early ? due - 1 : due;
    note(w, "timer");
    give(w, (struct run_event){.kind = RUN_EVENT_TIMER, .step = -1, .retry_after_ms = -1});
}

static bool is_asked(const struct walk *w, int i)
{
    return w->state == RUN_ATTENTION && is_waiting(&w->steps[i]) && (!w->is_undoing || w->steps[i].is_undoing);
}

/* Whom a person's word is about, as the witness sees it: of debts where no other step waits, or where one is named. */
static bool is_meant(const struct walk *w, int step, int i)
{
    bool is_debt = w->steps[i].state == STEP_OWED && !w->known[i].is_out;
    for (int k = 0; step == -1 && k < w->run.n_steps; k++)
        is_debt &= !is_asked(w, k);
    return (step == -1 || step == i) && (is_asked(w, i) || is_debt);
}

static void person(struct walk *w, enum run_event_kind kind, int step)
{
    bool was_meant[MOST_STEPS] = {false};
    bool is_any = false;
    for (int i = 0; i < w->run.n_steps; i++)
        is_any |= was_meant[i] = is_meant(w, step, i);
    int64_t n_refused = w->n_refused;
    struct witness_step before[MOST_STEPS];
    memcpy(before, w->known, sizeof before);
    for (int i = 0; i < w->run.n_steps; i++) {
        w->known[i].n_sent_again += was_meant[i] && kind == RUN_EVENT_RETRY;
        w->known[i].is_persons |= was_meant[i] && kind == RUN_EVENT_DONE;
        w->known[i].is_in_doubt &= !was_meant[i] || kind != RUN_EVENT_DONE; /* the person has looked */
        if (was_meant[i] && kind == RUN_EVENT_DONE && w->steps[i].can_apply && !w->steps[i].is_undoing)
            w->known[i].may_have_applied = w->known[i].may_have_applied_ever = true;
    }
    note(w, "person %d of step %d", (int)kind, step);
    give(w, (struct run_event){.kind = kind, .step = step, .retry_after_ms = -1, .text = "by hand"});
    if (w->n_refused > n_refused && kind != RUN_EVENT_CANCEL && kind != RUN_EVENT_UNDO) {
        PROMISE(!is_any || w->is_ending || w->is_past, "refused, and a step waits for it");
        memcpy(w->known, before, sizeof before);
    }
}

static void any_person(struct walk *w)
{
    static const enum run_event_kind kinds[] = {RUN_EVENT_RETRY, RUN_EVENT_RETRY, RUN_EVENT_RETRY, RUN_EVENT_SKIP,
                                                RUN_EVENT_DONE,  RUN_EVENT_UNDO,  RUN_EVENT_CANCEL};
    enum run_event_kind kind = kinds[chance(w, COUNT_OF(kinds))];
    bool is_of_all = kind == RUN_EVENT_UNDO || kind == RUN_EVENT_CANCEL || is_lucky(w, 40);
    person(w, kind, is_of_all ? -1 : (int)chance(w, (uint64_t)w->run.n_steps + 1));
}

/* What was out is lost; what it did, or will do, is not. */
static void restart(struct walk *w)
{
    note(w, "restart");
    w->n_restarts++;
    w->now += (int64_t)chance(w, 100000);
    for (int i = 0; i < w->run.n_steps; i++) {
        struct witness_step *known = &w->known[i];
        if (known->is_out && known->phase == PHASE_APPLY)
            applied(w, i, OUTCOME_UNKNOWN);
        w->steps[i] = w->stored[i];
        if (known->is_out && known->phase == PHASE_APPLY) /* the journal says so, and closes it */
            w->steps[i].has_applied = w->steps[i].has_unknown_apply = true;
        if (known->is_out && w->is_past)
            w->steps[i].next_at = w->now;
        w->stored[i] = w->steps[i];
        known->is_out = known->is_wrong_seen = false;
    }
    w->run = w->stored_run;
    w->run.is_at_point = w->run.is_past = false;
    give(w,
         (struct run_event){.kind = w->is_past ? RUN_EVENT_PAST : RUN_EVENT_START, .step = -1, .retry_after_ms = -1});
}

static void past(struct walk *w)
{
    note(w, "past");
    w->is_past = true;
    give(w, (struct run_event){.kind = RUN_EVENT_PAST, .step = -1, .retry_after_ms = -1});
}

static void any_event(struct walk *w)
{
    uint64_t dice = chance(w, 100);
    int out = any_out(w);
    world_goes_on(w);
    if (dice < 3)
        restart(w);
    else if (dice < (w->state == RUN_ATTENTION ? 30U : 7U))
        any_person(w);
    else if (dice < 40 && w->is_over && chance(w, 10) == 0)
        past(w);
    else if (out >= 0 && dice < 85)
        result(w, out);
    else
        timer(w, dice >= 97);
}

/* The world answers, and a person sees to the rest: it has to end. */
static void kind_event(struct walk *w)
{
    int out = any_out(w);
    world_goes_on(w);
    bool is_wanted = w->state == RUN_ATTENTION || (run_due_at(&w->run) == INT64_MAX && out < 0);
    if (out >= 0)
        result(w, out);
    else if (is_wanted)
        person(w, w->is_undoing || w->is_over || is_lucky(w, 30) ? RUN_EVENT_DONE : RUN_EVENT_RETRY, -1);
    else
        timer(w, false);
}

static void walk(struct walk *w, uint64_t seed)
{
    make_run(w, seed);
    give(w, (struct run_event){.kind = RUN_EVENT_START, .step = -1, .retry_after_ms = -1});
    for (int i = 0; i < WILD_EVENTS && !run_is_at_rest(&w->run); i++)
        any_event(w);
    w->is_kind = true;
    for (int i = 0; i < KIND_EVENTS && !run_is_at_rest(&w->run); i++)
        kind_event(w);
    PROMISE(run_is_at_rest(&w->run), "it does not come to its end, though nothing is in its way");
    PROMISE(w->is_over && run_due_at(&w->run) == INT64_MAX && !run_is_busy(&w->run), "at rest, and something goes on");
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

static void the_promises_hold(void **state)
{
    (void)state;
    struct walk *w = &the_walk;
    uint64_t seed = number_from("TURNOUT_WALK_SEED", 1), n_runs = number_from("TURNOUT_WALK_RUNS", 30000);
    for (uint64_t i = 0; i < n_runs; i++)
        walk(w, seed + i);
    print_message("%" PRIu64 " runs: %" PRId64 " succeeded, %" PRId64 " failed, %" PRId64 " cancelled, %" PRId64
                  " undone; %" PRId64 " restarts, %" PRId64 " debts, %" PRId64 " unknown steps, %" PRId64
                  " questions, %" PRId64 " refusals, %" PRId64 " moves, %" PRId64 " at most at once\n",
                  n_runs, w->n_ends[RUN_SUCCEEDED], w->n_ends[RUN_FAILED], w->n_ends[RUN_CANCELLED],
                  w->n_ends[RUN_UNDONE], w->n_restarts, w->n_debts, w->n_unknown, w->n_points, w->n_refused, w->n_moves,
                  w->most_moves);
    if (n_runs >= 1000) {
        for (int i = RUN_SUCCEEDED; i <= RUN_UNDONE; i++)
            assert_true(w->n_ends[i] > 0);
        assert_true(w->n_debts > 0 && w->n_unknown > 0 && w->n_points > 0 && w->n_refused > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(the_promises_hold)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

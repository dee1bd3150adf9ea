/* A run goes through its playbook. The complication is what an apply may have done: after OK it is verified by looking
 * again, after an unknown result nothing is believed until an observe says so, and only a result that is certainly
 * without effect (temporary, cancelled) takes `has_effect` back. No waiting and no I/O here, and no kind of step that
 * is not an action. */
#include "core/playbook.h"

#include "base/utf8.h"
#include "core/words.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define BACK_OFF_FIRST_MS 500
#define BACK_OFF_LAST_MS 15000
#define POLL_FIRST_MS 250
#define POLL_LAST_MS 5000

struct advance {
    struct run *run;
    const struct run_event *event;
    int64_t now;
    struct run_moves *moves;
};

static struct step_run *current(const struct advance *a)
{
    return &a->run->steps[a->run->current];
}

static void move(struct advance *a, struct run_move move, const char *format, ...) PRINTF_LIKE(3, 4);

static void move(struct advance *a, struct run_move move, const char *format, ...)
{
    assert(a->moves->count < MAX_RUN_MOVES);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(move.text, sizeof move.text, format, args);
    va_end(args);
    utf8_clean(move.text);
    a->moves->items[a->moves->count++] = move;
}

static void set_state(struct advance *a, enum run_state state, const char *text)
{
    a->run->state = state;
    struct run_move to = {.kind = RUN_MOVE_STATE, .step = a->run->current, .run_state = state};
    move(a, to, "%s", text);
}

static void set_step(struct advance *a, enum step_state state, const char *text)
{
    current(a)->state = state;
    struct run_move to = {.kind = RUN_MOVE_STEP, .step = a->run->current, .step_state = state};
    move(a, to, "%s", text);
}

/* What the action said, or what its outcome means when it said nothing. */
static const char *said(const struct advance *a)
{
    if (a->event->text && a->event->text[0])
        return a->event->text;
    switch (a->event->outcome) {
    case OUTCOME_OK:
        return "the state found is not the one wanted";
    case OUTCOME_NOT_YET:
        return "not visible yet";
    case OUTCOME_TEMPORARY:
        return "a temporary error";
    case OUTCOME_PERMANENT:
        return "refused for good, without a word";
    case OUTCOME_STARTED:
    case OUTCOME_UNKNOWN:
        return "no answer: it may or may not have had its effect";
    case OUTCOME_CANCELLED:
        break;
    }
    return "ended by us before its effect";
}

/* ---- attempts ---------------------------------------------------------------------------------------------------- */

static void attempt(struct advance *a, enum phase phase, const char *why)
{
    struct step_run *step = current(a);
    step->phase = phase;
    step->next_at = 0;
    step->n_attempts++;
    if (phase == PHASE_APPLY)
        a->run->has_effect = true; /* goes on record before the request goes out */
    struct run_move start = {
        .kind = RUN_MOVE_ATTEMPT, .step = a->run->current, .attempt = step->n_attempts, .phase = phase};
    move(a, start, "%s", why);
}

/* An apply, once it may be: what cannot be taken back is asked for right before. */
static void apply(struct advance *a, const char *why)
{
    const struct step_run *step = current(a);
    if (a->run->has_effect && !(step->is_point && !step->has_applied)) {
        attempt(a, PHASE_APPLY, why);
        return;
    }
    a->run->is_at_point = true;
    a->run->point = a->run->current;
    struct run_move point = {.kind = RUN_MOVE_POINT, .step = a->run->current, .phase = PHASE_APPLY};
    move(a, point, "%s", why);
}

static void begin(struct advance *a)
{
    struct step_run *step = current(a);
    step->began_at = a->now;
    step->tries = 0;
    set_step(a, STEP_RUNNING, "");
    attempt(a, PHASE_OBSERVE, "");
}

/* To the next step that is not final; behind the last one the run has succeeded. */
static void go_on(struct advance *a)
{
    while (a->run->current < a->run->n_steps && step_state_is_final(current(a)->state))
        a->run->current++;
    if (a->run->current == a->run->n_steps)
        set_state(a, RUN_SUCCEEDED, "every step is done");
    else
        begin(a);
}

static void finish_step(struct advance *a)
{
    struct step_run *step = current(a);
    step->next_at = 0;
    set_step(a, step->has_applied || !step->can_apply ? STEP_DONE : STEP_ALREADY_DONE,
             a->event->text ? a->event->text : "");
}

/* What a person has said before cannot stop this run: a check in vain, while nothing is changed. */
static bool is_overridden(const struct advance *a)
{
    return a->run->is_forced && !a->run->has_effect && !current(a)->can_apply;
}

static void skip_check(struct advance *a, const char *text)
{
    char sentence[256];
    (void)snprintf(sentence, sizeof sentence, "skipped, since its operator has overridden such checks: %.180s", text);
    current(a)->next_at = 0;
    set_step(a, STEP_SKIPPED, sentence);
    go_on(a);
}

static void fail(struct advance *a, const char *text)
{
    if (is_overridden(a)) {
        skip_check(a, text);
        return;
    }
    current(a)->next_at = 0;
    set_step(a, STEP_FAILED, text);
    set_state(a, RUN_ATTENTION, text);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Half of the doubled pause for certain, the other half by chance, so that many runs do not knock in step. */
static int64_t pause_ms(const struct advance *a, int64_t first, int64_t last)
{
    int64_t pause = first;
    for (int i = 1; i < current(a)->tries && pause < last; i++)
        pause *= 2;
    if (pause > last)
        pause = last;
    return pause / 2 + (int64_t)(a->event->random % (uint32_t)(pause / 2 + 1));
}

/* Another attempt in `phase` after the pause or the provider's Retry-After, whichever is longer; where the deadline
 * comes first, one last attempt then. */
static void wait_for(struct advance *a, enum phase phase, int64_t pause)
{
    struct step_run *step = current(a);
    int64_t deadline_at = step->began_at + step->deadline_ms;
    if (a->now >= deadline_at) {
        char text[256];
        (void)snprintf(text, sizeof text, "not done within %.40s; last: %.190s",
                       duration_phrase(step->deadline_ms).text, said(a));
        fail(a, text);
        return;
    }
    int64_t left = deadline_at - a->now;
    if (a->event->retry_after_ms > pause)
        pause = a->event->retry_after_ms;
    if (pause > left)
        pause = left;
    step->phase = phase;
    step->next_at = a->now + pause;
    struct run_move until = {.kind = RUN_MOVE_WAIT, .step = a->run->current, .phase = phase, .at = step->next_at};
    move(a, until, "%.200s; again in %" PRId64 " ms", said(a), pause);
}

static void try_again(struct advance *a, enum phase phase)
{
    current(a)->tries++;
    wait_for(a, phase, pause_ms(a, BACK_OFF_FIRST_MS, BACK_OFF_LAST_MS));
}

static void poll_again(struct advance *a, enum phase phase)
{
    current(a)->tries++;
    wait_for(a, phase, pause_ms(a, POLL_FIRST_MS, POLL_LAST_MS));
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* A check that was not content, or could not look. */
static void check_again(struct advance *a)
{
    const struct step_run *step = current(a);
    if (is_overridden(a)) {
        skip_check(a, said(a));
    } else if (step->retries >= 0 && step->tries >= step->retries) {
        char text[256];
        (void)snprintf(text, sizeof text, "looked %d time%s in vain; last: %.200s", step->tries + 1,
                       step->tries ? "s" : "", said(a));
        fail(a, text);
    } else if (a->event->outcome == OUTCOME_OK || a->event->outcome == OUTCOME_NOT_YET) {
        poll_again(a, PHASE_OBSERVE);
    } else {
        try_again(a, PHASE_OBSERVE);
    }
}

/* The world is not as wanted, and the action can make it so. Where an apply of ours was accepted it may be on its way:
 * look again for a while, and send the same once more only when it does not come (or somebody took it back). */
static void found_wrong(struct advance *a, bool was_unknown)
{
    struct step_run *step = current(a);
    if (step->has_applied && !was_unknown && step->tries < RUN_POLLS_BEFORE_APPLYING_AGAIN)
        poll_again(a, PHASE_OBSERVE);
    else
        apply(a, said(a));
}

static void found_right(struct advance *a)
{
    struct step_run *step = current(a);
    step->tries = 0;
    if (step->can_settle) {
        attempt(a, PHASE_SETTLE, "");
        return;
    }
    finish_step(a);
    go_on(a);
}

static void on_observed(struct advance *a)
{
    struct step_run *step = current(a);
    bool was_unknown = step->has_unknown_apply;
    switch (a->event->outcome) {
    case OUTCOME_OK:
        step->has_unknown_apply = false;
        if (a->event->is_right)
            found_right(a);
        else if (step->can_apply)
            found_wrong(a, was_unknown);
        else
            check_again(a);
        return;
    case OUTCOME_PERMANENT:
        fail(a, said(a));
        return;
    case OUTCOME_CANCELLED:
        try_again(a, PHASE_OBSERVE);
        return;
    case OUTCOME_NOT_YET:
    case OUTCOME_TEMPORARY:
    case OUTCOME_STARTED:
    case OUTCOME_UNKNOWN:
        break;
    }
    if (!step->can_apply)
        check_again(a);
    else
        try_again(a, PHASE_OBSERVE);
}

/* An apply that certainly had no effect leaves the run as it was before it. */
static void take_effect_back(struct run *run)
{
    run->has_effect = false;
    for (int i = 0; i < run->n_steps; i++)
        run->has_effect |= run->steps[i].has_applied;
}

static void note_apply(struct advance *a)
{
    struct step_run *step = current(a);
    switch (a->event->outcome) {
    case OUTCOME_TEMPORARY:
    case OUTCOME_CANCELLED:
        /* What an earlier apply did not bring will not come by waiting: send it again as soon as it is still missing.
         */
        step->has_unknown_apply = step->has_applied;
        take_effect_back(a->run);
        return;
    case OUTCOME_STARTED:
    case OUTCOME_NOT_YET:
    case OUTCOME_UNKNOWN:
        step->has_unknown_apply = true;
        break;
    case OUTCOME_OK:
        step->has_unknown_apply = false;
        break;
    case OUTCOME_PERMANENT: /* an action of several requests may have got through the first of them */
        break;
    }
    step->has_applied = true;
}

static void on_applied(struct advance *a)
{
    switch (a->event->outcome) {
    case OUTCOME_OK:
        current(a)->tries = 0;
        attempt(a, PHASE_OBSERVE, "accepted: look whether it is so");
        return;
    case OUTCOME_PERMANENT:
        fail(a, said(a));
        return;
    case OUTCOME_STARTED:
    case OUTCOME_NOT_YET:
    case OUTCOME_TEMPORARY:
    case OUTCOME_UNKNOWN:
    case OUTCOME_CANCELLED:
        try_again(a, PHASE_OBSERVE);
        return;
    }
}

static void on_settled(struct advance *a)
{
    switch (a->event->outcome) {
    case OUTCOME_OK:
        finish_step(a);
        go_on(a);
        return;
    case OUTCOME_NOT_YET:
        poll_again(a, PHASE_SETTLE);
        return;
    case OUTCOME_PERMANENT:
        fail(a, said(a));
        return;
    case OUTCOME_STARTED:
    case OUTCOME_UNKNOWN:
        current(a)->has_unknown_apply = true;
        try_again(a, PHASE_OBSERVE);
        return;
    case OUTCOME_TEMPORARY:
    case OUTCOME_CANCELLED:
        try_again(a, PHASE_SETTLE);
        return;
    }
}

/* The run was to be cancelled, and what was under way has ended. */
static void end_cancelled(struct advance *a, const char *text)
{
    struct step_run *step = current(a);
    const struct run_event *event = a->event;
    bool is_complete =
        event->kind == RUN_EVENT_RESULT && event->outcome == OUTCOME_OK &&
        (step->phase == PHASE_SETTLE || (step->phase == PHASE_OBSERVE && event->is_right && !step->can_settle));
    if (is_complete)
        finish_step(a);
    else if (step->state == STEP_RUNNING)
        set_step(a, STEP_FAILED, text);
    step->next_at = 0;
    a->run->ending = ENDING_NONE;
    a->run->is_at_point = false;
    set_state(a, RUN_CANCELLED, text);
}

static bool is_under_way(const struct run *run)
{
    return run->state == RUN_RUNNING && run->current < run->n_steps && run->steps[run->current].state == STEP_RUNNING &&
           run->steps[run->current].next_at == 0 && !run->is_at_point;
}

static void on_result(struct advance *a)
{
    if (!is_under_way(a->run))
        return;
    enum phase phase = current(a)->phase;
    if (phase == PHASE_APPLY)
        note_apply(a);
    if (a->run->ending != ENDING_NONE) {
        end_cancelled(a, a->run->has_effect ? "cancelled after something had been changed"
                                            : "cancelled before anything was changed");
        return;
    }
    switch (phase) {
    case PHASE_OBSERVE:
        on_observed(a);
        break;
    case PHASE_APPLY:
        on_applied(a);
        break;
    case PHASE_SETTLE:
        on_settled(a);
        break;
    }
}

/* ---- the other events -------------------------------------------------------------------------------------------- */

/* New, or taken up by another process: what was under way is lost, and looking comes before anything else, also when
 * the deadline has passed meanwhile. */
static void on_start(struct advance *a)
{
    struct run *run = a->run;
    if (run->state != RUN_RUNNING)
        return;
    run->is_at_point = false;
    if (run->current < run->n_steps && is_under_way(run) && current(a)->phase == PHASE_APPLY)
        current(a)->has_applied = current(a)->has_unknown_apply = true;
    if (run->ending != ENDING_NONE && run->current < run->n_steps) {
        end_cancelled(a, "cancelled; the daemon had ended meanwhile");
        return;
    }
    if (run->current < run->n_steps && current(a)->state == STEP_RUNNING) {
        current(a)->tries = 0;
        attempt(a, PHASE_OBSERVE, "taken up again");
    } else {
        go_on(a);
    }
}

static void on_timer(struct advance *a)
{
    const struct run *run = a->run;
    if (run->state != RUN_RUNNING || run->current >= run->n_steps)
        return;
    const struct step_run *step = current(a);
    if (run->is_at_point)
        return;
    if (step->state == STEP_RUNNING && step->next_at != 0 && step->next_at <= a->now)
        attempt(a, step->phase, "");
}

static void refuse(struct advance *a, const char *text)
{
    struct run_move no = {.kind = RUN_MOVE_REFUSED, .step = a->run->current, .run_state = a->run->state};
    move(a, no, "%s", text);
}

static const char *operator_text(const struct advance *a, const char *otherwise)
{
    return a->event->text && a->event->text[0] ? a->event->text : otherwise;
}

static void on_retry_or_skip(struct advance *a)
{
    if (a->run->state != RUN_ATTENTION) {
        refuse(a, run_state_is_final(a->run->state) ? "the run is over"
                  : a->run->state == RUN_WAITING    ? "the run waits for a yes or no: approve or reject it"
                                                    : "the run is under way: it does not wait for a person");
        return;
    }
    bool is_skip = a->event->kind == RUN_EVENT_SKIP;
    if (is_skip) {
        set_step(a, STEP_SKIPPED, operator_text(a, "skipped by an operator"));
        a->run->current++;
    } else {
        /* A person who has mended something does not wait for what was sent before: if it is not there, send it again.
         */
        current(a)->has_unknown_apply = current(a)->has_applied;
    }
    a->run->state = RUN_RUNNING;
    if (a->run->current < a->run->n_steps)
        set_state(a, RUN_RUNNING, operator_text(a, is_skip ? "goes on behind the step" : "the step is tried again"));
    go_on(a);
}

static void on_cancel(struct advance *a)
{
    struct run *run = a->run;
    if (run_state_is_final(run->state)) {
        refuse(a, "the run is over");
    } else if (run->ending != ENDING_NONE) {
        refuse(a, "the run is being cancelled already: it ends with the attempt under way");
    } else if (is_under_way(run)) {
        run->ending = ENDING_CANCEL;
        struct run_move stop = {.kind = RUN_MOVE_STOP_ATTEMPT,
                                .step = run->current,
                                .attempt = current(a)->n_attempts,
                                .phase = current(a)->phase};
        move(a, stop, "%s", operator_text(a, "cancelled by an operator"));
    } else {
        end_cancelled(a, operator_text(a, "cancelled by an operator"));
    }
}

static void on_answer(struct advance *a)
{
    if (!a->run->is_at_point)
        return;
    a->run->is_at_point = false;
    if (a->event->kind == RUN_EVENT_GOES)
        attempt(a, PHASE_APPLY, a->event->text ? a->event->text : "");
    else
        fail(a, operator_text(a, "it may not go on"));
}

void run_next(struct run *run, const struct run_event *event, int64_t now, struct run_moves *ret)
{
    struct advance a = {.run = run, .event = event, .now = now, .moves = ret};
    ret->count = 0;
    switch (event->kind) {
    case RUN_EVENT_START:
        on_start(&a);
        break;
    case RUN_EVENT_RESULT:
        on_result(&a);
        break;
    case RUN_EVENT_TIMER:
        on_timer(&a);
        break;
    case RUN_EVENT_RETRY:
    case RUN_EVENT_SKIP:
        on_retry_or_skip(&a);
        break;
    case RUN_EVENT_CANCEL:
        on_cancel(&a);
        break;
    case RUN_EVENT_GOES:
    case RUN_EVENT_HALT:
        on_answer(&a);
        break;
    case RUN_EVENT_DONE:
    case RUN_EVENT_UNDO:
        refuse(&a, "this does not work yet");
        break;
    case RUN_EVENT_PAST:
        break;
    }
}

bool step_is_under_way(const struct run *run, int step)
{
    return step == run->current && is_under_way(run);
}

bool run_is_busy(const struct run *run)
{
    return is_under_way(run);
}

int64_t run_due_at(const struct run *run)
{
    int64_t due = INT64_MAX;
    for (int i = 0; i < run->n_steps; i++)
        if (run->steps[i].state == STEP_RUNNING && run->steps[i].next_at > 0 && run->steps[i].next_at < due)
            due = run->steps[i].next_at;
    return due;
}

bool run_is_at_rest(const struct run *run)
{
    return run_state_is_final(run->state);
}

int run_n_debts(const struct run *run)
{
    int n = 0;
    for (int i = 0; i < run->n_steps; i++)
        n += run->steps[i].state == STEP_OWED;
    return n;
}

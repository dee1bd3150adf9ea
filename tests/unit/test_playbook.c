/* A run's way through its playbook, as stories: what happens, and the moves that follow, in order.
 *
 * A playbook is a word, a letter for a step: a applies, p likewise and is a point of no return, s applies and settles,
 * u applies and cannot be looked at, i likewise and is idempotent, c checks (twice again), w checks until the deadline,
 * m is a measure. Those in brackets go at the same time. Behind a letter: - stop, ~ continue, ^ undo, $ owe when it
 * fails, < it can be put back. With "?" before it the questions whether the run may go on are shown, and answered by
 * goes, halt or cancel; else they are answered at once. With "!" before it a person has overridden its checks. Steps
 * have a deadline of 60 s. Events: start, retry, skip, done, undo, cancel, past, timer (when the next attempt is due),
 * early (just before), and results, of the first attempt under way or with "1:" before it of step 1: right, wrong
 * (observed well, and not as wanted), ok, notyet, temporary, unknown, permanent, cancelled; "temporary 5000" brings a
 * Retry-After, "+70000 right" comes that much later. Behind the moves stand the flags that are set: e the run has an
 * effect, x it is being ended, b it goes back; of the current step a something was applied, u with an unknown result.
 * The jitter is nought: pauses are half of what they may be. */
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "core/playbook.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW ((int64_t)1700000000000)

struct play {
    struct run run;
    struct step_run steps[8];
    int64_t now;
    bool is_asking;
};

/* a: apply, s: settles too, p: a point of no return, u: cannot be looked at, i: likewise, and idempotent, c, C: checks,
 * m: a measure. */
static struct step_run step_like(char kind, int group)
{
    return (struct step_run){.can_observe = !strchr("ui", kind),
                             .can_apply = strchr("aspui", kind) != NULL,
                             .is_point = kind == 'p',
                             .can_settle = kind == 's',
                             .is_idempotent = kind == 'i',
                             .is_measure = kind == 'm',
                             .group = group,
                             .deadline_ms = 60000,
                             .retries = kind == 'c' ? 2 : -1};
}

/* Behind a step: what becomes of the run when it fails, and that it can be put back. */
static void mark_step(struct step_run *step, char mark)
{
    if (mark == '-')
        step->on_failure = ON_FAILURE_STOP;
    else if (mark == '~')
        step->on_failure = ON_FAILURE_CONTINUE;
    else if (mark == '^')
        step->on_failure = ON_FAILURE_UNDO;
    else if (mark == '$')
        step->on_failure = ON_FAILURE_OWE;
    else
        step->is_reversible = true;
}

static void play_init(struct play *play, const char *playbook)
{
    memset(play, 0, sizeof *play);
    play->is_asking = playbook[0] == '?';
    bool is_forced = playbook[0] == '!';
    playbook += play->is_asking || is_forced;
    play->run = (struct run){.state = RUN_RUNNING, .to = 1, .steps = play->steps};
    play->run.is_forced = is_forced;
    play->now = NOW;
    int group = 0, n_groups = 0;
    for (; *playbook; playbook++)
        if (*playbook == '(')
            group = ++n_groups;
        else if (*playbook == ')')
            group = 0;
        else if (strchr("-~^$<", *playbook))
            mark_step(&play->steps[play->run.n_steps - 1], *playbook);
        else
            play->steps[play->run.n_steps++] = step_like(*playbook, group);
}

static const struct step_run *current(const struct play *play)
{
    return play->run.current < play->run.n_steps ? &play->steps[play->run.current] : NULL;
}

static int first_under_way(const struct play *play)
{
    for (int i = 0; i < play->run.n_steps; i++)
        if (step_is_under_way(&play->run, i))
            return i;
    return -1;
}

static struct run_event parse_event(struct play *play, const char *text, char *word, size_t room)
{
    struct run_event event = {.kind = RUN_EVENT_RESULT, .step = -1, .retry_after_ms = -1, .text = NULL};
    long later = 0;
    long after = -1;
    int n = 0;
    if (text[0] >= '0' && text[0] <= '9') { /* "1:right" */
        event.step = text[0] - '0';
        text += 2;
    }
    if (sscanf(text, "+%ld%n", &later, &n) == 1)
        text += n + 1;
    play->now += later;
    (void)snprintf(word, room, "%s", text);
    char *space = strchr(word, ' ');
    if (space) {
        after = atol(space + 1);
        *space = 0;
    }
    event.retry_after_ms = after;
    return event;
}

static struct run_event event_of(struct play *play, const char *text)
{
    static const struct {
        const char *word;
        enum run_event_kind kind;
        enum outcome outcome;
    } words[] = {
        {"start", RUN_EVENT_START, OUTCOME_OK},
        {"timer", RUN_EVENT_TIMER, OUTCOME_OK},
        {"early", RUN_EVENT_TIMER, OUTCOME_OK},
        {"retry", RUN_EVENT_RETRY, OUTCOME_OK},
        {"skip", RUN_EVENT_SKIP, OUTCOME_OK},
        {"done", RUN_EVENT_DONE, OUTCOME_OK},
        {"undo", RUN_EVENT_UNDO, OUTCOME_OK},
        {"past", RUN_EVENT_PAST, OUTCOME_OK},
        {"cancel", RUN_EVENT_CANCEL, OUTCOME_OK},
        {"goes", RUN_EVENT_GOES, OUTCOME_OK},
        {"halt", RUN_EVENT_HALT, OUTCOME_OK},
        {"right", RUN_EVENT_RESULT, OUTCOME_OK},
        {"wrong", RUN_EVENT_RESULT, OUTCOME_OK},
        {"ok", RUN_EVENT_RESULT, OUTCOME_OK},
        {"notyet", RUN_EVENT_RESULT, OUTCOME_NOT_YET},
        {"temporary", RUN_EVENT_RESULT, OUTCOME_TEMPORARY},
        {"permanent", RUN_EVENT_RESULT, OUTCOME_PERMANENT},
        {"unknown", RUN_EVENT_RESULT, OUTCOME_UNKNOWN},
        {"cancelled", RUN_EVENT_RESULT, OUTCOME_CANCELLED},
        {"started", RUN_EVENT_RESULT, OUTCOME_STARTED},
    };
    char word[64];
    struct run_event event = parse_event(play, text, word, sizeof word);
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (strcmp(word, words[i].word) != 0)
            continue;
        event.kind = words[i].kind;
        event.outcome = words[i].outcome;
        event.is_right = strcmp(word, "right") == 0;
        if (event.kind == RUN_EVENT_RESULT && event.step < 0)
            event.step = first_under_way(play);
        int64_t due = run_due_at(&play->run);
        if (strcmp(word, "timer") == 0 && due != INT64_MAX && due > play->now)
            play->now = due;
        if (strcmp(word, "early") == 0)
            play->now = due - 1;
        return event;
    }
    fail_msg("%s?", word);
    return event;
}

static void move_put(struct strbuf *s, const struct run_move *move, int64_t now)
{
    if (s->len)
        strbuf_adds(s, "; ");
    switch (move->kind) {
    case RUN_MOVE_ATTEMPT:
        strbuf_addf(s, "%d.%d %s", move->step, move->attempt, phase_text(move->phase));
        break;
    case RUN_MOVE_WAIT:
        if (move->at == RUN_NEVER)
            strbuf_addf(s, "%d waits for a person", move->step);
        else
            strbuf_addf(s, "%d waits %lld", move->step, (long long)(move->at - now));
        break;
    case RUN_MOVE_STEP:
        strbuf_addf(s, "%d is %s", move->step, step_state_text(move->step_state));
        break;
    case RUN_MOVE_STATE:
        strbuf_addf(s, "run %s", run_state_text(move->run_state));
        break;
    case RUN_MOVE_POINT:
        strbuf_addf(s, "%d may it?", move->step);
        break;
    case RUN_MOVE_STOP_ATTEMPT:
        strbuf_addf(s, "stop %d.%d", move->step, move->attempt);
        break;
    case RUN_MOVE_UNDO:
        strbuf_adds(s, "back");
        break;
    case RUN_MOVE_REFUSED:
        strbuf_adds(s, "refused");
        break;
    }
}

static void flags_put(struct strbuf *s, const struct play *play)
{
    char flags[8];
    const struct step_run *step = current(play);
    (void)snprintf(flags, sizeof flags, "%s%s%s%s%s", play->run.has_effect ? "e" : "",
                   play->run.ending != ENDING_NONE ? "x" : "", play->run.is_undoing ? "b" : "",
                   step && step->has_applied ? "a" : "", step && step->has_unknown_apply ? "u" : "");
    if (flags[0])
        strbuf_addf(s, "%s[%s]", s->len ? " " : "", flags);
}

struct scene {
    const char *event, *expect;
};

static void show(const char *playbook, const struct scene *scenes, size_t n)
{
    struct play play;
    play_init(&play, playbook);
    for (size_t i = 0; i < n; i++) {
        struct run_moves moves;
        struct strbuf got = STRBUF_INIT;
        struct run_event event = event_of(&play, scenes[i].event);
        run_next(&play.run, &event, play.now, &moves);
        for (int j = 0; j < moves.count; j++)
            if (play.is_asking || moves.items[j].kind != RUN_MOVE_POINT)
                move_put(&got, &moves.items[j], play.now);
        if (play.run.is_at_point && !play.is_asking) {
            run_next(&play.run, &(struct run_event){.kind = RUN_EVENT_GOES}, play.now, &moves);
            move_put(&got, &moves.items[0], play.now);
        }
        flags_put(&got, &play);
        if (strcmp(strbuf_text(&got), scenes[i].expect) != 0)
            fail_msg("%s: scene %zu: %s\n  EXPECT %s\n  GOT    %s", playbook, i, scenes[i].event, scenes[i].expect,
                     strbuf_text(&got));
        strbuf_done(&got);
    }
}

#define SHOW(playbook, ...)                                                                                            \
    do {                                                                                                               \
        (void)state;                                                                                                   \
        static const struct scene scenes[] = {__VA_ARGS__};                                                            \
        show(playbook, scenes, COUNT_OF(scenes));                                                                      \
    } while (0)

/* ---- the way that is hoped for ----------------------------------------------------------------------------------- */

#define BEGIN                                                                                                          \
    {                                                                                                                  \
        "start", "0 is running; 0.1 observe"                                                                           \
    }

static void one_step(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"right", "0 is done; run succeeded [e]"},
         {"timer", "[e]"}, {"right", "[e]"}, {"start", "[e]"});
}

static void all_kinds_of_steps(void **state)
{
    SHOW("csa", BEGIN, {"right", "0 is done; 1 is running; 1.1 observe"}, {"wrong", "1.2 apply [e]"},
         {"ok", "1.3 observe [ea]"}, {"right", "1.4 settle [ea]"}, {"notyet", "1 waits 125 [ea]"}, {"early", "[ea]"},
         {"timer", "1.5 settle [ea]"}, {"notyet", "1 waits 250 [ea]"}, {"timer", "1.6 settle [ea]"},
         {"ok", "1 is done; 2 is running; 2.1 observe [e]"}, {"right", "2 is already done; run succeeded [e]"});
}

static void already_done(void **state)
{
    SHOW("as", BEGIN, {"right", "0 is already done; 1 is running; 1.1 observe"}, {"right", "1.2 settle"},
         {"ok", "1 is already done; run succeeded"});
}

static void no_steps_at_all(void **state)
{
    SHOW("", {"start", "run succeeded"}, {"start", ""});
}

/* ---- errors ------------------------------------------------------------------------------------------------------ */

static void temporary_errors_back_off(void **state)
{
    SHOW("a", BEGIN, {"temporary", "0 waits 250"}, {"timer", "0.2 observe"}, {"temporary", "0 waits 500"},
         {"timer", "0.3 observe"}, {"unknown", "0 waits 1000"}, {"timer", "0.4 observe"}, {"notyet", "0 waits 2000"},
         {"timer", "0.5 observe"}, {"temporary", "0 waits 4000"}, {"timer", "0.6 observe"},
         {"temporary", "0 waits 7500"}, {"timer", "0.7 observe"}, {"temporary", "0 waits 7500"},
         {"timer", "0.8 observe"}, {"wrong", "0.9 apply [e]"},
         {"temporary", "0 waits 7500"}, /* the pauses go on where they were */
         {"timer", "0.10 observe"}, {"wrong", "0.11 apply [e]"}, {"ok", "0.12 observe [ea]"},
         {"temporary", "0 waits 250 [ea]"}); /* an accepted apply is progress */
}

static void retry_after(void **state)
{
    SHOW("a", BEGIN, {"temporary 100", "0 waits 250"}, /* shorter than our own: ours */
         {"timer", "0.2 observe"}, {"temporary 5000", "0 waits 5000"}, {"timer", "0.3 observe"},
         {"temporary 3600000", "0 waits 54750"}, /* to the deadline: one last attempt */
         {"timer", "0.4 observe"}, {"temporary 1", "0 is failed; run attention"});
}

static void retry_after_without_end(void **state)
{
    SHOW("a", BEGIN, {"temporary 9223372036854775807", "0 waits 60000"}, {"timer", "0.2 observe"},
         {"right", "0 is already done; run succeeded"}); /* the last attempt counts, too */
}

static void deadline(void **state)
{
    SHOW("aa", BEGIN, {"+59999 temporary", "0 waits 1"}, {"timer", "0.2 observe"},
         {"temporary", "0 is failed; run attention"}, {"timer", ""}, {"right", ""},
         {"+5000 retry", "run running; 0 is running; 0.3 observe"}, {"+59000 temporary", "0 waits 250"},
         {"timer", "0.4 observe"}, {"right", "0 is already done; 1 is running; 1.1 observe"},
         {"+60000 temporary", "1 is failed; run attention"}); /* the second step's own deadline */
}

static void permanent_errors(void **state)
{
    SHOW("s", BEGIN, {"permanent", "0 is failed; run attention"}, {"retry", "run running; 0 is running; 0.2 observe"},
         {"wrong", "0.3 apply [e]"}, {"permanent", "0 is failed; run attention [ea]"},
         {"retry", "run running; 0 is running; 0.4 observe [eau]"}, {"right", "0.5 settle [ea]"},
         {"permanent", "0 is failed; run attention [ea]"}, {"skip", "0 is skipped; run succeeded [e]"});
}

/* Who has mended what the provider refused does not wait for what was sent before: one look, and it is sent again. */
static void retry_of_a_refused_apply(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"permanent", "0 is failed; run attention [ea]"},
         {"retry", "run running; 0 is running; 0.3 observe [eau]"}, {"wrong", "0.4 apply [ea]"},
         {"ok", "0.5 observe [ea]"}, {"right", "0 is done; run succeeded [e]"});
}

/* A time-out of an apply: look before anything else, and send it once more only when it was lost. */
static void unknown_apply(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.3 observe [eau]"},
         {"temporary", "0 waits 500 [eau]"}, {"timer", "0.4 observe [eau]"}, {"wrong", "0.5 apply [ea]"},
         {"unknown", "0 waits 1000 [eau]"}, {"timer", "0.6 observe [eau]"}, {"right", "0 is done; run succeeded [e]"});
}

/* Nobody has looked since: it has not failed. A look that finds it missing is one, also when the run is ending. */
static void unknown_until_observed(void **state)
{
    SHOW("aa", BEGIN, {"wrong", "0.2 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.3 observe [eau]"},
         {"+60000 temporary", "0 is unknown; run attention [eau]"},
         {"retry", "run running; 0 is running; 0.4 observe [eau]"}, {"permanent", "0 is unknown; run attention [eau]"},
         {"skip", "0 is skipped; run running; 1 is running; 1.1 observe [e]"});
    SHOW("a-", BEGIN, {"wrong", "0.2 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.3 observe [eau]"},
         {"permanent", "0 is unknown; run failed [eau]"});
    SHOW("a~a", BEGIN, {"wrong", "0.2 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.3 observe [eau]"},
         {"permanent", "0 is unknown; 1 is running; 1.1 observe [e]"});
    SHOW("u~", {"start", "0 is running; 0.1 apply [e]"}, {"unknown", "0 is unknown; run attention [eau]"});
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.3 observe [eau]"},
         {"cancel", "stop 0.3 [exau]"}, {"wrong", "0 is failed; run cancelled [ea]"});
    SHOW("a<", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"undo", "stop 0.3 [exa]"},
         {"cancelled", "0 is failed; back; 0 is running; 0.4 observe [eb]"}, {"wrong", "0.5 apply [eb]"},
         {"unknown", "0 waits 250 [ebau]"}, {"timer", "0.6 observe [ebau]"},
         {"permanent", "0 is unknown; run attention [ebau]"},
         {"retry", "run running; 0 is running; 0.7 observe [ebau]"}, {"right", "0 is undone; run undone [ba]"});
}

/* Accepted, and not to be seen: looked for eight times, then sent again. */
static void an_accepted_change_that_does_not_come(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"wrong", "0 waits 125 [ea]"},
         {"timer", "0.4 observe [ea]"}, {"wrong", "0 waits 250 [ea]"}, {"timer", "0.5 observe [ea]"},
         {"wrong", "0 waits 500 [ea]"}, {"timer", "0.6 observe [ea]"}, {"wrong", "0 waits 1000 [ea]"},
         {"timer", "0.7 observe [ea]"}, {"wrong", "0 waits 2000 [ea]"}, {"timer", "0.8 observe [ea]"},
         {"wrong", "0 waits 2500 [ea]"}, {"timer", "0.9 observe [ea]"}, {"wrong", "0 waits 2500 [ea]"},
         {"timer", "0.10 observe [ea]"}, {"wrong", "0 waits 2500 [ea]"}, {"timer", "0.11 observe [ea]"},
         {"wrong", "0.12 apply [ea]"}, {"temporary", "0 waits 7500 [eau]"}, {"timer", "0.13 observe [eau]"},
         {"wrong", "0.14 apply [ea]"}, {"ok", "0.15 observe [ea]"}, {"wrong", "0 waits 125 [ea]"});
}

/* The first request of an apply may have had its effect, and the second was refused for now: no waiting for the rest.
 */
static void refused_after_an_unknown_apply(void **state)
{
    SHOW("s", BEGIN, {"wrong", "0.2 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.3 observe [eau]"},
         {"wrong", "0.4 apply [ea]"}, {"temporary", "0 waits 500 [eau]"}, {"timer", "0.5 observe [eau]"},
         {"wrong", "0.6 apply [ea]"}, {"ok", "0.7 observe [ea]"}, {"right", "0.8 settle [ea]"},
         {"ok", "0 is done; run succeeded [e]"});
}

static void lost_on_its_way(void **state)
{
    SHOW("s", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"right", "0.4 settle [ea]"},
         {"temporary", "0 waits 250 [ea]"}, {"timer", "0.5 settle [ea]"}, {"unknown", "0 waits 500 [eau]"},
         {"timer", "0.6 observe [eau]"}, {"wrong", "0.7 apply [ea]"}, {"ok", "0.8 observe [ea]"},
         {"right", "0.9 settle [ea]"}, {"ok", "0 is done; run succeeded [e]"});
}

/* The daemon stops: what it was doing ends as cancelled, and nobody cancelled the run. */
static void cancelled_without_a_cancel(void **state)
{
    SHOW("s", BEGIN, {"cancelled", "0 waits 250"}, {"timer", "0.2 observe"}, {"wrong", "0.3 apply [e]"},
         {"cancelled", "0 waits 500"}, {"timer", "0.4 observe"}, {"right", "0.5 settle"}, {"cancelled", "0 waits 250"},
         {"timer", "0.6 settle"}, {"started", "0 waits 500 [u]"}, {"timer", "0.7 observe [u]"}, {"right", "0.8 settle"},
         {"ok", "0 is already done; run succeeded"});
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

static void a_check_fails_after_its_retries(void **state)
{
    SHOW("c", BEGIN, {"wrong", "0 waits 125"}, {"timer", "0.2 observe"}, {"temporary", "0 waits 500"},
         {"timer", "0.3 observe"}, {"notyet", "0 is failed; run attention"},
         {"retry", "run running; 0 is running; 0.4 observe"}, {"right", "0 is done; run succeeded"});
}

static void a_check_that_waits_until_the_deadline(void **state)
{
    SHOW("w", BEGIN, {"wrong", "0 waits 125"}, {"timer", "0.2 observe"}, {"+59000 notyet", "0 waits 250"},
         {"timer", "0.3 observe"}, {"unknown", "0 waits 625"}, {"timer", "0.4 observe"},
         {"wrong", "0 is failed; run attention"});
}

static void a_check_that_cannot_be_made(void **state)
{
    SHOW("c", BEGIN, {"permanent", "0 is failed; run attention"}, {"skip", "0 is skipped; run succeeded"});
}

/* Who has overridden the checks does not wait for them; behind the first effect they count again. */
static void an_overridden_check_is_skipped(void **state)
{
    SHOW("!cwac", BEGIN, {"wrong", "0 is skipped; 1 is running; 1.1 observe"},
         {"permanent", "1 is skipped; 2 is running; 2.1 observe"}, {"permanent", "2 is failed; run attention"},
         {"retry", "run running; 2 is running; 2.2 observe"}, {"wrong", "2.3 apply [e]"}, {"ok", "2.4 observe [ea]"},
         {"right", "2 is done; 3 is running; 3.1 observe [e]"}, {"wrong", "3 waits 125 [e]"},
         {"timer", "3.2 observe [e]"}, {"permanent", "3 is failed; run attention [e]"});
    SHOW("!c", BEGIN, {"right", "0 is done; run succeeded"});
    SHOW("!c", BEGIN, {"temporary", "0 is skipped; run succeeded"});
}

/* ---- asking before what cannot be taken back --------------------------------------------------------------------- */

static void the_first_effect_is_asked_for(void **state)
{
    SHOW("?aa", BEGIN, {"wrong", "0 may it?"}, {"timer", ""}, {"right", ""}, {"goes", "0.2 apply [e]"}, {"goes", "[e]"},
         {"halt", "[e]"}, {"ok", "0.3 observe [ea]"}, {"right", "0 is done; 1 is running; 1.1 observe [e]"},
         {"wrong", "1.2 apply [e]"});
    SHOW("?aa", BEGIN, {"right", "0 is already done; 1 is running; 1.1 observe"}, {"wrong", "1 may it?"},
         {"cancel", "1 is failed; run cancelled"}, {"goes", ""});
}

/* What had certainly no effect leaves the question open. */
static void it_is_asked_again_after_an_apply_without_effect(void **state)
{
    SHOW("?a", BEGIN, {"wrong", "0 may it?"}, {"goes", "0.2 apply [e]"}, {"temporary", "0 waits 250"},
         {"timer", "0.3 observe"}, {"wrong", "0 may it?"}, {"goes", "0.4 apply [e]"}, {"unknown", "0 waits 500 [eau]"},
         {"timer", "0.5 observe [eau]"}, {"wrong", "0.6 apply [ea]"});
}

static void a_point_of_no_return_is_asked_for(void **state)
{
    SHOW("?ap", BEGIN, {"wrong", "0 may it?"}, {"goes", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"wrong", "1 may it? [e]"},
         {"halt", "1 is failed; run attention [e]"}, {"retry", "run running; 1 is running; 1.2 observe [e]"},
         {"wrong", "1 may it? [e]"}, {"goes", "1.3 apply [e]"}, {"unknown", "1 waits 250 [eau]"},
         {"timer", "1.4 observe [eau]"}, {"wrong", "1.5 apply [ea]"}, {"ok", "1.6 observe [ea]"},
         {"right", "1 is done; run succeeded [e]"});
}

static void a_restart_at_the_question_looks_and_asks_again(void **state)
{
    SHOW("?p", BEGIN, {"wrong", "0 may it?"}, {"start", "0.2 observe"}, {"wrong", "0 may it?"},
         {"goes", "0.3 apply [e]"});
}

/* ---- operators --------------------------------------------------------------------------------------------------- */

static void skip_goes_on_behind_the_step(void **state)
{
    SHOW("ca", BEGIN, {"skip", "refused"}, {"retry", "refused"}, {"permanent", "0 is failed; run attention"},
         {"skip", "0 is skipped; run running; 1 is running; 1.1 observe"},
         {"right", "1 is already done; run succeeded"}, {"skip", "refused"}, {"retry", "refused"},
         {"cancel", "refused"});
}

static void cancel_while_observing(void **state)
{
    SHOW("a", BEGIN, {"cancel", "stop 0.1 [x]"}, {"cancel", "refused [x]"}, {"skip", "refused [x]"}, {"timer", "[x]"},
         {"wrong", "0 is failed; run cancelled"});
}

/* For a yes: nothing of it has begun. */
static void a_run_that_waits(void **state)
{
    (void)state;
    static const char *const nothing[] = {"start", "timer", "right", "goes", "halt"};
    struct play play;
    play_init(&play, "a");
    play.run.state = RUN_WAITING;
    struct run_moves moves;
    for (size_t i = 0; i < COUNT_OF(nothing); i++) {
        const struct run_event event = event_of(&play, nothing[i]);
        run_next(&play.run, &event, play.now, &moves);
        assert_int_equal(moves.count, 0);
    }
    run_next(&play.run, &(struct run_event){.kind = RUN_EVENT_SKIP}, play.now, &moves);
    assert_int_equal(moves.items[0].kind, RUN_MOVE_REFUSED);
    assert_string_equal(moves.items[0].text, "the run waits for a yes or no: approve or reject it");
    run_next(&play.run, &(struct run_event){.kind = RUN_EVENT_CANCEL, .text = "no"}, play.now, &moves);
    assert_int_equal(moves.count, 1);
    assert_int_equal(moves.items[0].run_state, RUN_CANCELLED);
    assert_string_equal(moves.items[0].text, "no");
}

static void cancel_while_waiting(void **state)
{
    SHOW("a", BEGIN, {"temporary", "0 waits 250"}, {"cancel", "0 is failed; run cancelled"}, {"timer", ""});
}

static void cancel_at_attention(void **state)
{
    SHOW("a", BEGIN, {"permanent", "0 is failed; run attention"}, {"cancel", "run cancelled"});
}

static void cancel_at_attention_behind_an_effect(void **state)
{
    SHOW("aa", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"permanent", "1 is failed; run attention [e]"},
         {"cancel", "run cancelled [e]"});
}

/* What the apply under way turns out to be decides whether there was an effect. */
static void cancel_while_applying(void **state)
{
    static const struct {
        const char *result, *expect;
    } ends[] = {
        {"ok", "0 is failed; run cancelled [ea]"},        {"unknown", "0 is unknown; run cancelled [eau]"},
        {"cancelled", "0 is failed; run cancelled"},      {"temporary", "0 is failed; run cancelled"},
        {"permanent", "0 is failed; run cancelled [ea]"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        const struct scene scenes[] = {
            BEGIN, {"wrong", "0.2 apply [e]"}, {"cancel", "stop 0.2 [ex]"}, {ends[i].result, ends[i].expect}};
        show("a", scenes, COUNT_OF(scenes));
    }
}

static void cancelled_apply_of_a_later_step(void **state)
{
    SHOW("aa", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"wrong", "1.2 apply [e]"}, {"cancel", "stop 1.2 [ex]"},
         {"cancelled", "1 is failed; run cancelled [e]"});
}

static void cancel_while_settling(void **state)
{
    SHOW("sa", BEGIN, {"right", "0.2 settle"}, {"cancel", "stop 0.2 [x]"}, {"ok", "0 is already done; run cancelled"});
    SHOW("s", BEGIN, {"right", "0.2 settle"}, {"cancel", "stop 0.2 [x]"}, {"notyet", "0 is failed; run cancelled"});
}

static void cancel_while_the_last_look_is_under_way(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"cancel", "stop 0.3 [exa]"},
         {"right", "0 is done; run cancelled [e]"});
}

/* ---- restarts ---------------------------------------------------------------------------------------------------- */

static void restart_while_observing(void **state)
{
    SHOW("a", BEGIN, {"start", "0.2 observe"}, {"start", "0.3 observe"}, {"right", "0 is already done; run succeeded"});
}

static void restart_while_applying(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"start", "0.3 observe [eau]"},
         {"right", "0 is done; run succeeded [e]"});
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"start", "0.3 observe [eau]"}, {"wrong", "0.4 apply [ea]"},
         {"ok", "0.5 observe [ea]"}, {"right", "0 is done; run succeeded [e]"});
}

static void restart_while_verifying(void **state)
{
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"start", "0.4 observe [ea]"},
         {"wrong", "0 waits 125 [ea]"}, {"timer", "0.5 observe [ea]"}, {"right", "0 is done; run succeeded [e]"});
}

static void restart_while_settling(void **state)
{
    SHOW("s", BEGIN, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"}, {"right", "0.4 settle [ea]"},
         {"notyet", "0 waits 125 [ea]"}, {"start", "0.5 observe [ea]"}, {"right", "0.6 settle [ea]"},
         {"ok", "0 is done; run succeeded [e]"});
}

/* The deadline has passed meanwhile: a look is still worth it. */
static void restart_long_after(void **state)
{
    SHOW("aa", BEGIN, {"wrong", "0.2 apply [e]"}, {"+600000 start", "0.3 observe [eau]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"temporary", "1 waits 250 [e]"},
         {"+600000 start", "1.2 observe [e]"}, {"temporary", "1 is failed; run attention [e]"}, {"start", "[e]"},
         {"retry", "run running; 1 is running; 1.3 observe [e]"});
}

static void restart_while_being_cancelled(void **state)
{
    SHOW("a", BEGIN, {"cancel", "stop 0.1 [x]"}, {"start", "0 is failed; run cancelled"});
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"cancel", "stop 0.2 [ex]"},
         {"start", "0 is unknown; run cancelled [eau]"}, {"ok", "[eau]"});
}

/* Between two steps: the first is final in the store, and the run's row still points at it. */
static void restart_between_steps(void **state)
{
    (void)state;
    struct play play;
    struct run_moves moves;
    play_init(&play, "aa");
    play.steps[0].state = STEP_DONE;
    const struct run_event start = {.kind = RUN_EVENT_START, .retry_after_ms = -1};
    run_next(&play.run, &start, NOW, &moves);
    assert_int_equal(play.run.current, 1);
    assert_int_equal(play.steps[1].state, STEP_RUNNING);
    assert_int_equal(moves.count, 2);
}

/* ---- words and numbers ------------------------------------------------------------------------------------------- */

static struct run_moves moves_of(struct play *play, const char *event, const char *text, uint32_t random)
{
    struct run_moves moves;
    struct run_event e = event_of(play, event);
    e.text = text;
    e.random = random;
    run_next(&play->run, &e, play->now, &moves);
    return moves;
}

static void the_providers_own_words(void **state)
{
    (void)state;
    struct play play;
    play_init(&play, "ac");
    (void)moves_of(&play, "start", NULL, 0);
    struct run_moves moves = moves_of(&play, "temporary", "Linode busy.", 0);
    assert_string_equal(moves.items[0].text, "Linode busy.; again in 250 ms");
    (void)moves_of(&play, "timer", NULL, 0);
    moves = moves_of(&play, "+60000 temporary", "Linode busy.", 0);
    assert_string_equal(moves.items[0].text, "not done within 1 min; last: Linode busy.");
    assert_string_equal(moves.items[1].text, "not done within 1 min; last: Linode busy.");
    (void)moves_of(&play, "retry", "try it", 0);
    moves = moves_of(&play, "permanent", "Invalid Token", 0);
    assert_string_equal(moves.items[1].text, "Invalid Token");
    moves = moves_of(&play, "skip", "done by hand", 0);
    assert_string_equal(moves.items[0].text, "done by hand");
    (void)moves_of(&play, "wrong", "status 503 instead of 200", 0);
    (void)moves_of(&play, "timer", NULL, 0);
    (void)moves_of(&play, "wrong", "status 503 instead of 200", 0);
    (void)moves_of(&play, "timer", NULL, 0);
    moves = moves_of(&play, "wrong", "status 503 instead of 200", 0);
    assert_string_equal(moves.items[1].text, "looked 3 times in vain; last: status 503 instead of 200");
    moves = moves_of(&play, "cancel", "too late anyway", 0);
    assert_string_equal(moves.items[0].text, "too late anyway");
    moves = moves_of(&play, "cancel", NULL, 0);
    assert_string_equal(moves.items[0].text, "the run is over");
}

/* Any bytes of any length: what goes on record is whole UTF-8 and ends in the room. */
static void words_of_any_kind(void **state)
{
    (void)state;
    struct play play;
    char text[600];
    for (size_t i = 0; i + 1 < sizeof text; i++)
        text[i] = (char)(i % 3 == 0 ? 0xe2 : i % 3 == 1 ? 0x82 : 0xac);
    text[sizeof text - 1] = 0;
    play_init(&play, "a");
    (void)moves_of(&play, "start", NULL, 0);
    struct run_moves moves = moves_of(&play, "permanent", text, 0);
    json_t *json = json_string(moves.items[0].text);
    assert_non_null(json);
    json_decref(json);
    for (int outcome = OUTCOME_STARTED; outcome <= OUTCOME_CANCELLED; outcome++) {
        play_init(&play, "a");
        (void)moves_of(&play, "start", NULL, 0);
        const struct run_event event = {.kind = RUN_EVENT_RESULT, .outcome = (enum outcome)outcome, .text = ""};
        run_next(&play.run, &event, play.now, &moves);
        assert_true(moves.items[0].text[0] != 0);
    }
}

/* Between half and the whole of the doubled pause, both ends reached, never more than the cap. */
static void jitter(void **state)
{
    (void)state;
    int64_t most = 0;
    int64_t least = INT64_MAX;
    for (uint32_t random = 0; random < 2000; random++) {
        struct play play;
        play_init(&play, "a");
        (void)moves_of(&play, "start", NULL, 0);
        struct run_moves moves = moves_of(&play, "temporary", NULL, random * 2654435761U);
        int64_t pause = moves.items[0].at - play.now;
        most = pause > most ? pause : most;
        least = pause < least ? pause : least;
    }
    assert_int_equal(least, 250);
    assert_int_equal(most, 500);
    struct play play;
    play_init(&play, "a");
    play.steps[0].deadline_ms = 86400000;
    (void)moves_of(&play, "start", NULL, 0);
    for (int i = 0; i < 100; i++) {
        struct run_moves moves = moves_of(&play, "temporary", NULL, UINT32_MAX);
        assert_true(moves.items[0].at - play.now <= 15000);
        (void)moves_of(&play, "timer", NULL, 0);
    }
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static void a_group_goes_at_the_same_time_and_the_next_waits_for_all(void **state)
{
    (void)state;
    SHOW("(aa)a", {"start", "0 is running; 0.1 observe; 1 is running; 1.1 observe"}, {"1:right", "1 is already done"},
         {"0:wrong", "0.2 apply [e]"}, {"0:ok", "0.3 observe [ea]"},
         {"0:right", "0 is done; 2 is running; 2.1 observe [e]"}, {"2:right", "2 is already done; run succeeded [e]"});
}

static void only_one_of_a_group_is_asked_about(void **state)
{
    (void)state;
    SHOW("?(aa)", {"start", "0 is running; 0.1 observe; 1 is running; 1.1 observe"}, {"0:wrong", "0 may it?"},
         {"1:wrong", "1 waits 0"}, {"goes", "0.2 apply [e]"}, {"timer", "1.2 apply [e]"});
}

static void a_failure_in_a_group_calls_people_at_once_and_its_neighbour_goes_on(void **state)
{
    (void)state;
    SHOW("(aa)a", {"start", "0 is running; 0.1 observe; 1 is running; 1.1 observe"},
         {"0:permanent", "0 is failed; run attention"}, {"1:wrong", "1.2 apply [e]"}, {"1:ok", "1.3 observe [e]"},
         {"1:right", "1 is done [e]"}, {"retry", "run running; 0 is running; 0.2 observe [e]"},
         {"0:right", "0 is already done; 2 is running; 2.1 observe [e]"});
}

static void both_fail_and_one_is_named(void **state)
{
    (void)state;
    SHOW("(aa)", {"start", "0 is running; 0.1 observe; 1 is running; 1.1 observe"},
         {"0:permanent", "0 is failed; run attention"}, {"1:permanent", "1 is failed"}, {"1:skip", "1 is skipped"},
         {"1:retry", "refused"}, {"done", "0 is done; run succeeded [e]"});
}

static void a_cancel_waits_for_all_of_a_group(void **state)
{
    (void)state;
    SHOW("(aa)", {"start", "0 is running; 0.1 observe; 1 is running; 1.1 observe"},
         {"cancel", "stop 0.1; stop 1.1 [x]"}, {"0:cancelled", "0 is failed [x]"},
         {"1:right", "1 is already done; run cancelled"});
}

/* ---- what becomes of a failure ----------------------------------------------------------------------------------- */

static void stop_ends_the_run_as_failed(void **state)
{
    (void)state;
    SHOW("a-a", {"start", "0 is running; 0.1 observe"}, {"permanent", "0 is failed; run failed"}, {"retry", "refused"});
}

static void continue_goes_on_behind_a_failure(void **state)
{
    (void)state;
    SHOW("a~a", {"start", "0 is running; 0.1 observe"}, {"permanent", "0 is failed; 1 is running; 1.1 observe"},
         {"right", "1 is already done; run succeeded"});
}

static void a_debt_lets_the_run_succeed_and_is_tried_until_it_is_done(void **state)
{
    (void)state;
    SHOW("a$a", {"start", "0 is running; 0.1 observe"},
         {"permanent", "0 is owed; 0 waits 15000; 1 is running; 1.1 observe"},
         {"1:right", "1 is already done; run succeeded"}, {"timer", "0.2 observe"}, {"0:temporary", "0 waits 7500"},
         {"timer", "0.3 observe"}, {"0:permanent", "0 waits 300000"}, {"timer", "0.4 observe"},
         {"0:wrong", "0.5 apply"}, {"0:ok", "0.6 observe"}, {"0:right", "0 is done"}, {"retry", "refused"});
}

static void a_debt_is_taken_up_again_and_tried_at_once_when_a_person_says_so(void **state)
{
    (void)state;
    SHOW("a$", {"start", "0 is running; 0.1 observe"}, {"permanent", "0 is owed; 0 waits 15000; run succeeded"},
         {"start", "0.2 observe"}, {"skip", "refused"}, {"0:temporary", "0 waits 7500"}, {"retry", "0.3 observe"},
         {"0:temporary", "0 waits 7500"}, {"done", "0 is done"});
}

static void behind_another_run_a_debt_stands_and_is_not_tried(void **state)
{
    (void)state;
    SHOW("a$m", {"start", "0 is running; 0.1 observe"},
         {"permanent", "0 is owed; 0 waits 15000; run succeeded; 1 is running; 1.1 observe"}, {"timer", "0.2 observe"},
         {"past", "stop 0.2; stop 1.1"}, {"0:wrong", "0 is owed; 0 waits for a person"},
         {"1:cancelled", "1 is skipped"}, {"timer", ""}, {"retry", "refused"}, {"skip", "0 is skipped"});
}

/* It is not tried again, so that is not what is said of it. */
static void a_debt_that_nobody_can_look_at_is_for_a_person(void **state)
{
    (void)state;
    SHOW("u$", {"start", "0 is running; 0.1 apply [e]"},
         {"permanent", "0 is owed; 0 waits for a person; run succeeded [e]"}, {"start", "[e]"}, {"timer", "[e]"},
         {"retry", "0.2 apply [e]"}, {"unknown", "0 is owed; 0 waits for a person [e]"},
         {"past", "0 waits for a person [e]"}, {"retry", "refused [e]"}, {"done", "0 is done [e]"});
    SHOW("u$", {"start", "0 is running; 0.1 apply [e]"}, {"temporary", "0 waits 250"}, {"timer", "0.2 apply [e]"},
         {"+60000 temporary", "0 is owed; 0 waits 15000; run succeeded"}, {"timer", "0.3 apply"},
         {"start", "0 is owed; 0 waits for a person"}, {"skip", "0 is skipped"});
    SHOW("i$", {"start", "0 is running; 0.1 apply [e]"}, {"permanent", "0 is owed; 0 waits 15000; run succeeded [e]"},
         {"timer", "0.2 apply [e]"}, {"start", "0.3 apply [e]"}, {"unknown", "0 waits 7500 [e]"},
         {"past", "0 is owed; 0 waits for a person [e]"});
}

static void a_measure_is_only_timed(void **state)
{
    (void)state;
    SHOW("am", {"start", "0 is running; 0.1 observe"},
         {"right", "0 is already done; run succeeded; 1 is running; 1.1 observe"}, {"notyet", "1 waits 125"},
         {"timer", "1.2 observe"}, {"right", "1 is done"});
}

/* ---- what cannot be looked at ------------------------------------------------------------------------------------ */

static void what_cannot_be_looked_at_is_unknown_after_a_restart(void **state)
{
    (void)state;
    SHOW("ua", {"start", "0 is running; 0.1 apply [e]"}, {"start", "0 is unknown; run attention [eau]"},
         {"done", "0 is done; run running; 1 is running; 1.1 observe [e]"});
}

static void what_cannot_be_looked_at_is_done_again_only_where_it_is_idempotent(void **state)
{
    (void)state;
    SHOW("u", {"start", "0 is running; 0.1 apply [e]"}, {"temporary", "0 waits 250"}, {"timer", "0.2 apply [e]"},
         {"unknown", "0 is unknown; run attention [eau]"}, {"retry", "run running; 0 is running; 0.3 apply [eau]"},
         {"ok", "0 is done; run succeeded [e]"});
    SHOW("i", {"start", "0 is running; 0.1 apply [e]"}, {"unknown", "0 waits 250 [eau]"}, {"timer", "0.2 apply [eau]"},
         {"start", "0.3 apply [eau]"}, {"ok", "0 is done; run succeeded [e]"});
}

/* ---- going back -------------------------------------------------------------------------------------------------- */

static void undo_puts_back_from_the_last_to_the_first(void **state)
{
    (void)state;
    SHOW("a<a<a^", {"start", "0 is running; 0.1 observe"}, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"wrong", "1.2 apply [e]"}, {"ok", "1.3 observe [ea]"},
         {"right", "1 is done; 2 is running; 2.1 observe [e]"},
         {"permanent", "2 is failed; back; 1 is running; 1.4 observe [eb]"}, {"wrong", "1.5 apply [eb]"},
         {"ok", "1.6 observe [eba]"}, {"right", "1 is undone; 0 is running; 0.4 observe [eb]"},
         {"start", "0.5 observe [eb]"}, {"right", "0 is undone; run undone [b]"});
}

static void what_cannot_be_put_back_waits_for_a_person(void **state)
{
    (void)state;
    SHOW("a<aa", {"start", "0 is running; 0.1 observe"}, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"wrong", "1.2 apply [e]"}, {"ok", "1.3 observe [ea]"},
         {"undo", "stop 1.3 [exa]"}, {"cancelled", "1 is failed; back; 1 is failed; run attention [eba]"},
         {"undo", "refused [eba]"}, {"skip", "1 is skipped; run running; 0 is running; 0.4 observe [eb]"},
         {"right", "0 is undone; run cancelled [eb]"});
}

/* A person has looked: that it cannot be put back is a failure, and no doubt whether it was done. */
static void what_a_person_says_is_done_is_not_unknown_when_the_run_goes_back(void **state)
{
    (void)state;
    SHOW("ua^", {"start", "0 is running; 0.1 apply [e]"}, {"unknown", "0 is unknown; run attention [eau]"},
         {"done", "0 is done; run running; 1 is running; 1.1 observe [e]"},
         {"permanent", "1 is failed; back; 0 is failed; run attention [eba]"});
}

static void behind_a_point_of_no_return_nothing_is_undone(void **state)
{
    (void)state;
    SHOW("p<a^", {"start", "0 is running; 0.1 observe"}, {"wrong", "0.2 apply [e]"}, {"ok", "0.3 observe [ea]"},
         {"right", "0 is done; 1 is running; 1.1 observe [e]"}, {"permanent", "1 is failed; run attention [e]"},
         {"undo", "refused [e]"}, {"skip", "1 is skipped; run succeeded [e]"});
}

/* A debt is given up at once, and on record: after a restart it would be tried again, while the run goes back. */
static void what_is_owed_is_put_back_as_well(void **state)
{
    (void)state;
    SHOW("a<$a<", {"start", "0 is running; 0.1 observe"}, {"wrong", "0.2 apply [e]"},
         {"permanent", "0 is owed; 0 waits 15000; 1 is running; 1.1 observe [e]"}, {"wrong", "1.2 apply [e]"},
         {"ok", "1.3 observe [ea]"}, {"undo", "stop 1.3 [exa]"},
         {"right", "1 is done; back; 0 is failed; 1 is running; 1.4 observe [eb]"},
         {"right", "1 is undone; 0 is running; 0.3 observe [eb]"}, {"right", "0 is undone; run undone [b]"});
    SHOW("a<$a<", {"start", "0 is running; 0.1 observe"},
         {"permanent", "0 is owed; 0 waits 15000; 1 is running; 1.1 observe"}, {"wrong", "1.2 apply [e]"},
         {"ok", "1.3 observe [ea]"}, {"undo", "stop 1.3 [exa]"},
         {"right", "1 is done; back; 0 is skipped; 1 is running; 1.4 observe [eb]"},
         {"right", "1 is undone; run undone [b]"});
}

static void without_an_effect_there_is_nothing_to_undo(void **state)
{
    (void)state;
    SHOW("c^a", BEGIN, {"permanent", "0 is failed; run failed"});
    SHOW("(aa^)", {"start", "0 is running; 0.1 observe; 1 is running; 1.1 observe"}, {"0:wrong", "0.2 apply [e]"},
         {"1:permanent", "1 is failed; stop 0.2 [ex]"}, {"0:cancelled", "0 is failed; run failed"});
    SHOW("a", BEGIN, {"wrong", "0.2 apply [e]"}, {"undo", "stop 0.2 [ex]"},
         {"temporary", "0 is failed; run cancelled"});
    SHOW("a", {"start", "0 is running; 0.1 observe"}, {"undo", "refused"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_step),
        cmocka_unit_test(all_kinds_of_steps),
        cmocka_unit_test(already_done),
        cmocka_unit_test(no_steps_at_all),
        cmocka_unit_test(temporary_errors_back_off),
        cmocka_unit_test(retry_after),
        cmocka_unit_test(retry_after_without_end),
        cmocka_unit_test(deadline),
        cmocka_unit_test(permanent_errors),
        cmocka_unit_test(retry_of_a_refused_apply),
        cmocka_unit_test(unknown_apply),
        cmocka_unit_test(unknown_until_observed),
        cmocka_unit_test(an_accepted_change_that_does_not_come),
        cmocka_unit_test(refused_after_an_unknown_apply),
        cmocka_unit_test(lost_on_its_way),
        cmocka_unit_test(cancelled_without_a_cancel),
        cmocka_unit_test(a_check_fails_after_its_retries),
        cmocka_unit_test(a_check_that_waits_until_the_deadline),
        cmocka_unit_test(a_check_that_cannot_be_made),
        cmocka_unit_test(an_overridden_check_is_skipped),
        cmocka_unit_test(the_first_effect_is_asked_for),
        cmocka_unit_test(it_is_asked_again_after_an_apply_without_effect),
        cmocka_unit_test(a_point_of_no_return_is_asked_for),
        cmocka_unit_test(a_restart_at_the_question_looks_and_asks_again),
        cmocka_unit_test(skip_goes_on_behind_the_step),
        cmocka_unit_test(cancel_while_observing),
        cmocka_unit_test(a_run_that_waits),
        cmocka_unit_test(cancel_while_waiting),
        cmocka_unit_test(cancel_at_attention),
        cmocka_unit_test(cancel_at_attention_behind_an_effect),
        cmocka_unit_test(cancel_while_applying),
        cmocka_unit_test(cancelled_apply_of_a_later_step),
        cmocka_unit_test(cancel_while_settling),
        cmocka_unit_test(cancel_while_the_last_look_is_under_way),
        cmocka_unit_test(restart_while_observing),
        cmocka_unit_test(restart_while_applying),
        cmocka_unit_test(restart_while_verifying),
        cmocka_unit_test(restart_while_settling),
        cmocka_unit_test(restart_long_after),
        cmocka_unit_test(restart_while_being_cancelled),
        cmocka_unit_test(restart_between_steps),
        cmocka_unit_test(the_providers_own_words),
        cmocka_unit_test(words_of_any_kind),
        cmocka_unit_test(jitter),
        cmocka_unit_test(a_group_goes_at_the_same_time_and_the_next_waits_for_all),
        cmocka_unit_test(only_one_of_a_group_is_asked_about),
        cmocka_unit_test(a_failure_in_a_group_calls_people_at_once_and_its_neighbour_goes_on),
        cmocka_unit_test(both_fail_and_one_is_named),
        cmocka_unit_test(a_cancel_waits_for_all_of_a_group),
        cmocka_unit_test(stop_ends_the_run_as_failed),
        cmocka_unit_test(continue_goes_on_behind_a_failure),
        cmocka_unit_test(a_debt_lets_the_run_succeed_and_is_tried_until_it_is_done),
        cmocka_unit_test(a_debt_is_taken_up_again_and_tried_at_once_when_a_person_says_so),
        cmocka_unit_test(behind_another_run_a_debt_stands_and_is_not_tried),
        cmocka_unit_test(a_debt_that_nobody_can_look_at_is_for_a_person),
        cmocka_unit_test(a_measure_is_only_timed),
        cmocka_unit_test(what_cannot_be_looked_at_is_unknown_after_a_restart),
        cmocka_unit_test(what_cannot_be_looked_at_is_done_again_only_where_it_is_idempotent),
        cmocka_unit_test(undo_puts_back_from_the_last_to_the_first),
        cmocka_unit_test(what_cannot_be_put_back_waits_for_a_person),
        cmocka_unit_test(what_a_person_says_is_done_is_not_unknown_when_the_run_goes_back),
        cmocka_unit_test(behind_a_point_of_no_return_nothing_is_undone),
        cmocka_unit_test(what_is_owed_is_put_back_as_well),
        cmocka_unit_test(without_an_effect_there_is_nothing_to_undo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

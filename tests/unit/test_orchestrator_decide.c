/* What the orchestrator carries out of a decision: rows, entries, and who is told what. */
#include "tests/unit/orchestrator_fixture.h"

#include "core/decide.h"

#define MINUTE ((int64_t)60000)

/* ---- helpers ----------------------------------------------------------------------------------------------------- */

static struct command *call_run(struct fixture *f, const struct id *run, enum run_call kind, uint64_t overrides,
                                const char *reason)
{
    struct command *command = operator_call(COMMAND_RUN, NULL);
    struct command_operator *call = &command->as.operator_call;
    call->run = *run;
    call->run_call = kind;
    call->overrides = overrides;
    free(call->reason);
    call->reason = strdup(reason);
    return send(f, command);
}

static struct command *move(const char *site)
{
    return operator_call(COMMAND_MOVE, site);
}

static void assert_refused(const struct command *command, const char *code, const char *words)
{
    assert_int_equal(command->err, ERR_CONFLICT);
    assert_string_equal(command->as.operator_call.code, code);
    if (!strstr(command->why.text, words))
        fail_msg("\"%s\" does not say \"%s\"", command->why.text, words);
}

static void gra_is_down(struct fixture *f, int source)
{
    deliver(f, source, 0, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
}

static void gra_is_not_down(struct fixture *f, int source)
{
    deliver(f, source, 0, ALERT_RESOLVED, 10 * HOUR, 11 * HOUR);
}

static void wait_count(struct fixture *f, const char *sql, int64_t expected)
{
    for (int i = 0; i < WAIT_S * 100; i++) {
        if (count(f, sql) == expected)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    fail_msg("%s is not %lld, but %lld", sql, (long long)expected, (long long)count(f, sql));
}

/* Jobs are told behind the commit whose answer is here already. */
static void wait_cancelled(const struct job *job)
{
    for (int i = 0; i < 2000 && !atomic_load(&job->cancel); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(atomic_load(&job->cancel));
}

static struct id run_in_state(struct fixture *f, const char *state)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    struct id id = {{0}};
    assert_int_equal(sqlite3_open_v2(f->database, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "SELECT id FROM run WHERE state = ?", -1, &statement, NULL), SQLITE_OK);
    sqlite3_bind_text(statement, 1, state, -1, SQLITE_STATIC);
    if (sqlite3_step(statement) != SQLITE_ROW)
        fail_msg("no run is %s", state);
    memcpy(id.bytes, sqlite3_column_blob(statement, 0), sizeof id.bytes);
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return id;
}

static void restart(struct fixture *f)
{
    stop(f);
    start(f);
}

static void assert_nothing_goes_out(struct fixture *f)
{
    assert_int_equal(count(f, "SELECT count(*) FROM attempt"), 0);
}

/* To the end of a run whose one step is right already. */
static void let_it_succeed(struct fixture *f, const char *site)
{
    answer(f, next_attempt(f), OUTCOME_OK, true);
    wait_active(f, "site", site);
}

static void outside(struct fixture *f, bool is_cut_off, bool is_killed)
{
    struct command *command = command_new(COMMAND_OUTSIDE);
    command->as.outside = (struct command_outside){.is_cut_off = is_cut_off, .is_killed = is_killed};
    snprintf(command->as.outside.cut_off_text, sizeof command->as.outside.cut_off_text, "%s",
             is_cut_off ? "none of 3 URLs answers" : "3 of 3 URLs answer");
    snprintf(command->as.outside.killed_text, sizeof command->as.outside.killed_text, "%s",
             is_killed ? "the kill switch /run/stop exists" : "the kill switch /run/stop is gone");
    send(f, command);
}

/* ---- a yes or no ------------------------------------------------------------------------------------------------- */

static void a_run_waits_and_begins_with_a_yes(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct id run = run_in_state(f, "waiting");
    wait_active(f, "site", "gra");
    assert_nothing_goes_out(f);
    assert_int_equal(count(f, "SELECT count(*) FROM step WHERE state = 'pending'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'run.waiting'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE run IS NOT NULL"), 1);
    /* also after a restart */
    restart(f);
    assert_refused(call_run(f, &run, RUN_CALL_RETRY, 0, "now"), "wrong_state", "approve or reject");
    assert_nothing_goes_out(f);
    assert_int_equal(call_run(f, &run, RUN_CALL_APPROVE, 0, "I have looked")->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE reason LIKE '%begins:%' AND reason NOT LIKE '%waits%'"),
                     1);
    wait_active(f, "moving", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.approved' AND text LIKE "
                              "'%vote%' AND text LIKE '%I have looked%'"),
                     1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'run.started'"), 1);
    let_it_succeed(f, "rbx");
    assert_refused(call_run(f, &run, RUN_CALL_APPROVE, 0, "again"), "wrong_state", "over");
    assert_chain_intact(f);
}

static void a_no_holds_for_as_long_as_the_incident(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct id run = run_in_state(f, "waiting");
    assert_int_equal(call_run(f, &run, RUN_CALL_REJECT, 0, "a drill")->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM timer WHERE kind = 'cool_down'"), 0);
    gra_is_down(f, 1);
    restart(f);
    gra_is_not_down(f, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
    /* the next outage is another one */
    gra_is_not_down(f, 0);
    deliver(f, 0, 0, ALERT_FIRING, 12 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'waiting'"), 1);
    assert_nothing_goes_out(f);
}

/* To cancel what waits is to say no. */
static void what_waits_can_be_cancelled(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct id run = run_in_state(f, "waiting");
    assert_int_equal(call_run(f, &run, RUN_CALL_CANCEL, 0, "no")->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
    wait_active(f, "site", "gra");
}

static void a_deadline_answers_also_after_a_restart(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    f->service.approval = (struct approval_rule){.deadline_ms = 1500, .is_yes = true, .remind_ms = 400};
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM timer WHERE kind IN ('approval', 'remind')"), 2);
    restart(f);
    wait_count(f, "SELECT count(*) > 0 FROM audit WHERE kind = 'run.reminder'", 1);
    wait_active(f, "moving", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM timer WHERE kind IN ('approval', 'remind')"), 0);
    let_it_succeed(f, "rbx");
}

static void without_an_answer_it_may_be_a_no(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    f->service.approval = (struct approval_rule){.deadline_ms = 300};
    adopt(f, "gra");
    gra_is_down(f, 0);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'", 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'deadline'"), 1);
    assert_nothing_goes_out(f);
}

/* ---- what holds it back ------------------------------------------------------------------------------------------ */

static struct command *pausing(bool is_pausing)
{
    struct command *command = operator_call(COMMAND_PAUSE, NULL);
    command->as.operator_call.is_pausing = is_pausing;
    return command;
}

static void a_pause_is_kept_and_its_end_lets_go(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    assert_int_equal(send(f, pausing(true))->err, ERR_OK);
    assert_refused(send(f, pausing(true)), "wrong_state", "paused already");
    assert_int_equal(count(f, "SELECT count(*) FROM pause WHERE service = 'shop' AND who = 'oncall' AND reason = "
                              "'a test' AND at > 0"),
                     1);
    restart(f);
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'paused' AND is_standing"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 0);
    assert_int_equal(send(f, pausing(false))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM pause"), 0);
    assert_refused(send(f, pausing(false)), "wrong_state", "not paused");
    let_it_succeed(f, "rbx");
}

/* A person is not held back by it. */
static void a_pause_refuses_no_person(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    send(f, pausing(true));
    assert_int_equal(send(f, move("rbx"))->err, ERR_OK);
    let_it_succeed(f, "rbx");
}

static void a_shadow_says_what_it_would_have_done(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_SHADOW;
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE would_at > 0 AND would_to = 'rbx' AND stood_at > 0 "
                              "AND most_votes = 1 AND fell_at IS NULL"),
                     1);
    int64_t would_at = count(f, "SELECT would_at FROM incident");
    gra_is_down(f, 1);
    assert_int_equal(count(f, "SELECT most_votes FROM incident"), 2);
    restart(f);
    assert_int_equal(count(f, "SELECT would_at FROM incident"), would_at);
    gra_is_not_down(f, 0);
    gra_is_not_down(f, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE resolved_at > 0 AND fell_at > 0 AND would_to = "
                              "'rbx' AND most_votes = 2"),
                     1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.not_acted' AND "
                              "json_extract(text, '$.detail.reason') = 'shadow_mode' AND "
                              "json_extract(text, '$.detail.to') = 'rbx' AND json_extract(text, '$.detail.would')"),
                     1);
}

static void the_kill_switch_and_a_cut_hold_back_and_let_go(void **state)
{
    struct fixture *f = *state;
    outside(f, true, true);
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'cut_off'"), 1);
    outside(f, false, true);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'kill_switch'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 0);
    outside(f, false, true); /* no news */
    outside(f, false, false);
    let_it_succeed(f, "rbx");
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'outside.cut_off'"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'outside.kill_switch'"), 2);
}

static void before_the_first_self_check_nothing_starts(void **state)
{
    struct fixture *f = *state;
    stop(f);
    f->has_self_check = true;
    start(f);
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'cut_off'"), 1);
    outside(f, false, false);
    let_it_succeed(f, "rbx");
}

static void a_restart_takes_no_waiting_run_back_for_want_of_a_self_check(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    stop(f);
    f->has_self_check = true;
    start(f);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'waiting'"), 1);
    outside(f, false, false);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'waiting'"), 1);
    outside(f, true, false);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'", 1);
}

/* The daemon starts with the file there, and an incident that stands. */
static void a_kill_switch_is_seen_before_anything_starts(void **state)
{
    struct fixture *f = *state;
    char path[160];
    snprintf(path, sizeof path, "%s/stop", f->folder);
    outside(f, false, true);
    adopt(f, "gra");
    gra_is_down(f, 0);
    stop(f);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fclose(file);
    f->kill_switch = path;
    start(f);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'kill_switch'"), 1);
    outside(f, false, false);
    let_it_succeed(f, "rbx");
    f->kill_switch = NULL;
}

/* A run waited, and the mode was set to shadow with a restart: nothing moves, whatever the deadline would answer. */
static void in_shadow_no_deadline_says_yes(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    f->service.approval = (struct approval_rule){.deadline_ms = 300, .is_yes = true};
    adopt(f, "gra");
    gra_is_down(f, 0);
    (void)run_in_state(f, "waiting");
    stop(f);
    f->service.mode = MODE_SHADOW;
    start(f);
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    gra_is_down(f, 1);
    assert_nothing_goes_out(f);
    wait_active(f, "site", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'shadow_mode'"), 1);
}

/* By the wall clock, which no timer waits for. */
static void a_freeze_begins_and_ends(void **state)
{
    struct fixture *f = *state;
    static char reason[] = "a release";
    int64_t wall = clock_wall_ms();
    struct freeze freeze = {.from = wall - 1000, .until = wall + 1200, .reason = reason};
    f->service.freezes = &freeze;
    f->service.n_freezes = 1;
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'freeze'"), 1);
    let_it_succeed(f, "rbx"); /* within seconds */
    assert_true(clock_wall_ms() >= wall + 1200);
    stop(f);
    f->service.freezes = NULL;
    f->service.n_freezes = 0;
    start(f);
}

static void when_the_cool_down_is_over_it_acts(void **state)
{
    struct fixture *f = *state;
    f->service.cool_down_ms = 1500;
    adopt(f, "gra");
    assert_int_equal(send(f, move("rbx"))->err, ERR_OK);
    let_it_succeed(f, "rbx");
    deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'cool_down'"), 1);
    restart(f);
    let_it_succeed(f, "gra");
}

/* ---- before the first effect, and behind it ---------------------------------------------------------------------- */

static void a_broken_quorum_takes_a_run_back(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct job *job = next_attempt(f);
    gra_is_not_down(f, 0);
    wait_cancelled(job);
    answer(f, job, OUTCOME_OK, false);
    wait_active(f, "site", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled' AND NOT has_effect"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM timer WHERE kind = 'cool_down'"), 0);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.cancel' AND "
                              "json_extract(text, '$.run') IS NOT NULL AND json_extract(text, '$.incident') IS NOT "
                              "NULL"),
                     1);
    /* and the next outage is acted on */
    deliver(f, 0, 0, ALERT_FIRING, 12 * HOUR, TIME_UNKNOWN);
    let_it_succeed(f, "rbx");
}

static void behind_its_first_effect_a_run_goes_on(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_APPLY);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.goes'"), 1);
    gra_is_not_down(f, 0);
    assert_false(atomic_load(&job->cancel));
    answer(f, job, OUTCOME_OK, false);
    let_it_succeed(f, "rbx");
}

/* An apply that had certainly no effect leaves the run as it was before it, and it can be taken back again. */
static void an_apply_without_effect_can_be_taken_back(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_APPLY);
    gra_is_not_down(f, 0);
    answer(f, job, OUTCOME_TEMPORARY, false);
    wait_active(f, "site", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled' AND NOT has_effect"), 1);
}

static void a_point_of_no_return_halts_a_run(void **state)
{
    struct fixture *f = *state;
    static char first[] = "first", last[] = "last";
    struct step steps[2] = {f->step, f->step};
    steps[0].name = first;
    steps[1].name = last;
    steps[1].is_point_of_no_return = true;
    f->service.steps = steps;
    f->service.n_steps = 2;
    adopt(f, "gra");
    gra_is_down(f, 0);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    answer(f, next_attempt(f), OUTCOME_OK, false); /* applied */
    answer(f, next_attempt(f), OUTCOME_OK, true);
    struct job *job = next_attempt(f);
    assert_int_equal(job->step, 1);
    send(f, pausing(true));
    restart(f); /* what is a point is read from the run's own text */
    job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_OBSERVE);
    answer(f, job, OUTCOME_OK, false);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'attention' AND has_effect", 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'decision.halt' AND "
                              "json_extract(text, '$.detail.reason') = 'paused'"),
                     1);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE error LIKE '%paused%'"), 1);
    /* a person sends it on, knowing what stopped it */
    struct id run = run_in_state(f, "attention");
    assert_int_equal(call_run(f, &run, RUN_CALL_RETRY, 0, "go on")->err, ERR_OK);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_APPLY);
    answer(f, job, OUTCOME_OK, false);
    let_it_succeed(f, "rbx");
    stop(f);
    f->service.steps = &f->step;
    f->service.n_steps = 1;
    start(f);
}

/* ---- persons ----------------------------------------------------------------------------------------------------- */

static void a_person_overrides_by_name_and_with_a_reason(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2;
    adopt(f, "gra");
    deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_refused(send(f, move("rbx")), "target_down", "rbx");
    struct command *mute = move("rbx");
    mute->as.operator_call.overrides = UINT64_C(1) << REASON_TARGET_DOWN;
    free(mute->as.operator_call.reason);
    mute->as.operator_call.reason = strdup(" ");
    assert_int_equal(send(f, mute)->err, ERR_INVALID);
    assert_string_equal(mute->as.operator_call.code, "reason_missing");
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'operator.break_glass'"), 0);
    struct command *glass = move("rbx");
    glass->as.operator_call.overrides = UINT64_C(1) << REASON_TARGET_DOWN;
    assert_int_equal(send(f, glass)->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'operator.break_glass' AND text LIKE "
                              "'%oncall overrides target_down: a test%'"),
                     1);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE overrides = 'target_down' AND NOT is_ours"), 1);
    let_it_succeed(f, "rbx");
}

static void an_idempotency_key_is_for_the_whole_request(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    struct command *first = move("rbx");
    first->as.operator_call.idempotency_key = strdup("key-1");
    assert_int_equal(send(f, first)->err, ERR_OK);
    struct command *other = move("rbx");
    other->as.operator_call.idempotency_key = strdup("key-1");
    other->as.operator_call.overrides = UINT64_C(1) << REASON_PREFLIGHT;
    assert_refused(send(f, other), "idempotency_key_reused", "another request");
    other = move("rbx");
    other->as.operator_call.idempotency_key = strdup("key-1");
    other->as.operator_call.is_planned = true;
    assert_refused(send(f, other), "idempotency_key_reused", "another request");
    other = move("rbx");
    other->as.operator_call.idempotency_key = strdup("key-1");
    other->as.operator_call.is_replacing = true;
    assert_refused(send(f, other), "idempotency_key_reused", "another request");
}

static void an_overridden_check_does_not_stop_the_run(void **state)
{
    struct fixture *f = *state;
    struct step steps[2] = {f->step, f->step};
    steps[0].can_apply = false;
    steps[0].retries = -1;
    f->service.steps = steps;
    f->service.n_steps = 2;
    adopt(f, "gra");
    struct command *glass = move("rbx");
    glass->as.operator_call.overrides = UINT64_C(1) << REASON_PREFLIGHT;
    assert_int_equal(send(f, glass)->err, ERR_OK);
    struct job *job = next_attempt(f);
    restart(f); /* the override is the run's */
    job = next_attempt(f);
    assert_int_equal(job->step, 0);
    answer(f, job, OUTCOME_NOT_YET, false);
    job = next_attempt(f);
    assert_int_equal(job->step, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM step WHERE n = 0 AND state = 'skipped'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'run.step' AND text LIKE '%overridden%'"), 1);
    answer(f, job, OUTCOME_OK, true);
    wait_active(f, "site", "rbx");
    stop(f);
    f->service.steps = &f->step;
    f->service.n_steps = 1;
    start(f);
}

static void what_a_run_is_for_picks_its_steps(void **state)
{
    struct fixture *f = *state;
    static char drain[] = "drain", outage[] = "outage";
    struct step steps[3] = {f->step, f->step, f->step};
    steps[0].name = drain;
    steps[0].when = 1U << OCCASION_PLANNED;
    steps[1].name = outage;
    steps[1].when = 1U << OCCASION_OUTAGE;
    steps[2].when = 1U << OCCASION_OUTAGE | 1U << OCCASION_PLANNED;
    f->service.steps = steps;
    f->service.n_steps = 3;
    adopt(f, "gra");
    struct command *planned = move("rbx");
    planned->as.operator_call.is_planned = true;
    assert_int_equal(send(f, planned)->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE occasion = 'planned'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM step"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM step WHERE n = 0 AND name = 'drain'"), 1);
    answer(f, next_attempt(f), OUTCOME_OK, true);
    let_it_succeed(f, "rbx");
    /* there is none for a failback */
    struct command *back = move(NULL);
    back->as.operator_call.direction = DIRECTION_FAILBACK;
    assert_refused(send(f, back), "no_steps", "failback");
    stop(f);
    f->service.steps = &f->step;
    f->service.n_steps = 1;
    start(f);
}

static struct command *vote(const char *site, enum vote says)
{
    struct command *command = operator_call(COMMAND_VOTE, site);
    command->as.operator_call.says = says;
    return command;
}

static void a_person_votes_and_takes_it_back(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2;
    adopt(f, "gra");
    assert_refused(send(f, vote("gra", VOTE_UNKNOWN)), "wrong_state", "no person");
    assert_int_equal(send(f, vote("gra", VOTE_DOWN))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM vote WHERE source = 'operator' AND vote = 'down'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'operator.call' AND text LIKE '%cast: down%'"),
                     1);
    restart(f);
    assert_int_equal(send(f, vote("gra", VOTE_UNKNOWN))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE resolved_at IS NULL"), 0);
    assert_int_equal(send(f, vote("gra", VOTE_DOWN))->err, ERR_OK);
    gra_is_down(f, 0);
    let_it_succeed(f, "rbx");
    struct command *nowhere = send(f, vote(NULL, VOTE_DOWN));
    assert_int_equal(nowhere->err, ERR_INVALID);
}

/* ---- one run in place of another --------------------------------------------------------------------------------- */

static struct command *replace(const char *site)
{
    struct command *command = move(site);
    command->as.operator_call.is_replacing = true;
    command->as.operator_call.overrides = UINT64_C(1) << REASON_TARGET_DOWN;
    return command;
}

static void push(struct fixture *f, struct command *command)
{
    command->done = on_done;
    assert_int_equal(command_queue_push(f->commands, command), ERR_OK);
}

static bool is_done(struct fixture *f, const struct command *command)
{
    bool is_there = false;
    pthread_mutex_lock(&f->mutex);
    for (const struct command *done = f->done; done; done = done->next)
        is_there |= done == command;
    pthread_mutex_unlock(&f->mutex);
    return is_there;
}

static void wait_done(struct fixture *f, const struct command *command)
{
    for (int i = 0; i < WAIT_S * 100 && !is_done(f, command); i++)
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    assert_true(is_done(f, command));
}

static void a_run_that_is_under_way_is_replaced_with_its_result(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    struct job *job = next_attempt(f);
    assert_int_equal(job->phase, PHASE_APPLY);
    assert_refused(send(f, move("gra")), "run_in_progress", "replaced");
    struct command *wish = replace("gra");
    push(f, wish);
    wait_count(f, "SELECT count(*) FROM run WHERE ending = 'cancel'", 1);
    wait_cancelled(job);
    assert_false(is_done(f, wish));
    assert_refused(send(f, replace("gra")), "run_in_progress", "waits until");
    answer(f, job, OUTCOME_UNKNOWN, false);
    wait_done(f, wish);
    assert_int_equal(wish->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled' AND has_effect"), 1);
    struct id run = run_in_state(f, "running");
    assert_true(id_equal(&run, &wish->as.operator_call.answer_run));
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'operator.break_glass' AND text LIKE "
                              "'%overrides run_in_progress target_down%'"),
                     1);
    let_it_succeed(f, "gra");
    assert_chain_intact(f);
}

static void a_wish_that_waits_for_too_long_is_refused(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    struct job *job = next_attempt(f);
    struct command *wish = replace("gra");
    push(f, wish);
    wait_done(f, wish);
    assert_refused(wish, "run_in_progress", "ask again");
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE ending = 'cancel' AND error LIKE '%by operator oncall'"),
                     1);
    answer(f, job, OUTCOME_OK, false);
    wait_active(f, "split", "");
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
}

static void a_run_that_needs_a_person_is_replaced_at_once(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    answer(f, next_attempt(f), OUTCOME_OK, false);
    answer(f, next_attempt(f), OUTCOME_PERMANENT, false);
    wait_count(f, "SELECT count(*) FROM run WHERE state = 'attention'", 1);
    struct command *wish = send(f, replace("gra"));
    assert_int_equal(wish->err, ERR_OK);
    struct id run = run_in_state(f, "running");
    assert_true(id_equal(&run, &wish->as.operator_call.answer_run));
    let_it_succeed(f, "gra");
}

static void a_run_that_waits_gives_way_to_a_person(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'waiting'"), 1);
    assert_int_equal(send(f, move("rbx"))->err, ERR_OK);
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE kind = 'operator.break_glass'"), 0);
    let_it_succeed(f, "rbx");
}

/* What a person has stopped does not start again by itself, even when the daemon is killed in between. */
static void what_a_person_cancels_stays_cancelled(void **state)
{
    struct fixture *f = *state;
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct job *job = next_attempt(f);
    struct id run = run_in_state(f, "running");
    assert_int_equal(call_run(f, &run, RUN_CALL_CANCEL, 0, "no")->err, ERR_OK);
    (void)job;
    restart(f);
    wait_active(f, "site", "gra");
    assert_int_equal(count(f, "SELECT count(*) FROM run WHERE state = 'cancelled'"), 1);
    gra_is_down(f, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'operator'"), 1);
}

/* A guard takes the run back as well, before or after the person has said no: the no holds. */
static void a_no_holds_beside_a_guard(struct fixture *f, bool is_guard_first)
{
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct job *job = next_attempt(f);
    struct id run = run_in_state(f, "running");
    if (is_guard_first)
        outside(f, true, false);
    assert_int_equal(call_run(f, &run, RUN_CALL_CANCEL, 0, "no")->err, ERR_OK);
    assert_refused(call_run(f, &run, RUN_CALL_CANCEL, 0, "no"), "wrong_state", "already");
    if (!is_guard_first)
        outside(f, true, false);
    answer(f, job, OUTCOME_CANCELLED, false);
    wait_active(f, "site", "gra");
    outside(f, false, false);
    gra_is_down(f, 1);
    assert_int_equal(count(f, "SELECT count(*) FROM run"), 1);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE last_reason = 'operator'"), 1);
}

static void a_guard_after_it_takes_no_no_away(void **state)
{
    a_no_holds_beside_a_guard(*state, false);
}

static void a_no_after_a_guard_counts(void **state)
{
    a_no_holds_beside_a_guard(*state, true);
}

/* ---- the log ----------------------------------------------------------------------------------------------------- */

static void an_incident_can_be_read_and_decided_again(void **state)
{
    struct fixture *f = *state;
    f->service.votes = 2;
    f->service.hold_ms = 100;
    adopt(f, "gra");
    gra_is_down(f, 0);
    assert_int_equal(count(f, "SELECT count(*) FROM incident WHERE stood_at IS NULL AND most_votes = 1"), 1);
    gra_is_down(f, 1);
    let_it_succeed(f, "rbx");
#define OF_INCIDENT "FROM audit WHERE incident = (SELECT id FROM incident) AND "
#define DETAIL(path) "json_extract(text, '$.detail." path "') "
    /* what happened, and what was before it */
    assert_int_equal(count(
                         f,
                         "SELECT count(*) " OF_INCIDENT
                         "kind = 'decision.incident' AND " DETAIL("event.kind") "= 'alert' AND " DETAIL("event.voter") "= 'prometheus' AND " DETAIL(
                             "event.delta") "= 1 AND " DETAIL("event.says") "= 'down' AND " DETAIL("before.active_"
                                                                                                   "site") "= 'gra' "
                                                                                                           "AND"
                                                                                                           " " DETAIL(
                                                                                                               "before."
                                                                                                               "run") "IS NULL"),
                     1);
    /* the vote that has opened it belongs to it as well */
    assert_int_equal(count(f, "SELECT count(*) " OF_INCIDENT "kind = 'decision.vote'"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE " DETAIL("event.kind") "= 'alert'"), 2);
    assert_int_equal(count(f, "SELECT count(*) FROM audit WHERE " DETAIL("before") "IS NOT NULL"), 1);
    assert_int_equal(count(f, "SELECT count(*) " OF_INCIDENT "kind = 'decision.timer' AND " DETAIL("timer") "= 'hold'"),
                     2);
    assert_int_equal(count(f, "SELECT count(*) " OF_INCIDENT "kind = 'decision.run'"), 1);
    assert_int_equal(count(f, "SELECT count(*) " OF_INCIDENT "kind = 'run.finished'"), 1);
    assert_int_equal(count(f, "SELECT count(*) " OF_INCIDENT DETAIL("timer") "= 'cool_down'"), 1);
    /* a refusal belongs to what it is about */
    deliver(f, 0, 1, ALERT_FIRING, 10 * HOUR, TIME_UNKNOWN);
    assert_refused(send(f, move("rbx")), "already_active", "rbx");
    assert_int_equal(count(f, "SELECT count(*) FROM audit a JOIN incident i ON a.incident = i.id WHERE i.site = 'rbx' "
                              "AND a.kind = 'operator.refused' AND json_extract(a.text, '$.detail.event.kind') = "
                              "'operator_move'"),
                     1);
    assert_chain_intact(f);
}

static void the_status_names_what_holds(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    outside(f, true, true);
    json_t *status = NULL;
    for (int i = 0; i < WAIT_S * 100; i++) {
        json_decref(status);
        status = orchestrator_status(f->orchestrator);
        if (json_is_string(json_object_get(status, "kill_switch")))
            break;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    assert_string_equal(json_string_value(json_object_get(status, "kill_switch")), "the kill switch /run/stop exists");
    assert_string_equal(json_string_value(json_object_get(status, "cut_off")), "none of 3 URLs answers");
    assert_true(json_is_null(json_object_get(status, "flood")));
    assert_string_equal(json_string_value(json_array_get(json_object_get(status, "places_down"), 0)), "gra");
    json_decref(status);
}

/* What is not stored is not so: the batch is decided again. */
static void a_failed_commit_forgets_a_yes(void **state)
{
    struct fixture *f = *state;
    f->service.mode = MODE_APPROVAL;
    adopt(f, "gra");
    gra_is_down(f, 0);
    struct id run = run_in_state(f, "waiting");
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open(f->database, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    struct command *yes = call_run(f, &run, RUN_CALL_APPROVE, 0, "yes");
    assert_int_equal(yes->err, ERR_BUSY);
    assert_int_equal(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    wait_ready(f, true);
    assert_nothing_goes_out(f);
    run = run_in_state(f, "waiting");
    assert_int_equal(call_run(f, &run, RUN_CALL_APPROVE, 0, "yes")->err, ERR_OK);
    let_it_succeed(f, "rbx");
}

#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    clock_start();
    log_set_level(LOG_LEVEL_ERROR);
    const struct CMUnitTest tests[] = {
        T(a_run_waits_and_begins_with_a_yes),
        T(a_no_holds_for_as_long_as_the_incident),
        T(what_waits_can_be_cancelled),
        T(a_deadline_answers_also_after_a_restart),
        T(without_an_answer_it_may_be_a_no),
        T(a_pause_is_kept_and_its_end_lets_go),
        T(a_pause_refuses_no_person),
        T(a_shadow_says_what_it_would_have_done),
        T(the_kill_switch_and_a_cut_hold_back_and_let_go),
        T(before_the_first_self_check_nothing_starts),
        T(a_restart_takes_no_waiting_run_back_for_want_of_a_self_check),
        T(a_kill_switch_is_seen_before_anything_starts),
        T(in_shadow_no_deadline_says_yes),
        T(a_freeze_begins_and_ends),
        T(when_the_cool_down_is_over_it_acts),
        T(a_broken_quorum_takes_a_run_back),
        T(behind_its_first_effect_a_run_goes_on),
        T(an_apply_without_effect_can_be_taken_back),
        T(a_point_of_no_return_halts_a_run),
        T(a_person_overrides_by_name_and_with_a_reason),
        T(an_idempotency_key_is_for_the_whole_request),
        T(an_overridden_check_does_not_stop_the_run),
        T(what_a_run_is_for_picks_its_steps),
        T(a_person_votes_and_takes_it_back),
        T(a_run_that_is_under_way_is_replaced_with_its_result),
        T(a_wish_that_waits_for_too_long_is_refused),
        T(a_run_that_needs_a_person_is_replaced_at_once),
        T(a_run_that_waits_gives_way_to_a_person),
        T(what_a_person_cancels_stays_cancelled),
        T(a_guard_after_it_takes_no_no_away),
        T(a_no_after_a_guard_counts),
        T(an_incident_can_be_read_and_decided_again),
        T(the_status_names_what_holds),
        T(a_failed_commit_forgets_a_yes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

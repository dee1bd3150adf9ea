/* The loop, the batch, the commit, and what happens when the commit fails. */
#include "orchestrator/orchestrator.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "base/log.h"
#include "base/utf8.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHECK_EVERY_MS 1000

/* ---- helpers of the other files ---------------------------------------------------------------------------------- */

void batch_break(struct orchestrator *o, enum err err, const struct errmsg *why)
{
    if (o->broken_err != ERR_OK)
        return;
    o->broken_err = err;
    o->broken = *why;
}

void due_at(struct orchestrator *o, int64_t at)
{
    if (at > 0 && at < o->next_due)
        o->next_due = at;
}

struct job *in_flight_find(struct orchestrator *o, const struct id *run, int step)
{
    for (size_t i = 0; i < o->n_in_flight; i++) {
        struct job *job = o->in_flight[i];
        if (job->kind == JOB_ATTEMPT && job->step == step && id_equal(&job->run, run))
            return job;
    }
    return NULL;
}

/* Room for all that goes out with the commit, had before it: an attempt that is journaled as started has to go. */
static bool in_flight_reserve(struct orchestrator *o)
{
    if (o->n_in_flight + o->n_outgoing < o->room_in_flight)
        return true;
    size_t room = o->room_in_flight ? 2 * o->room_in_flight : 64;
    struct job **grown = realloc(o->in_flight, room * sizeof(struct job *));
    if (!grown)
        return false;
    o->in_flight = grown;
    o->room_in_flight = room;
    return true;
}

void outgoing_add(struct orchestrator *o, struct job *job)
{
    if (!in_flight_reserve(o)) {
        job_free(job);
        batch_break(o, ERR_NO_MEMORY, &(struct errmsg){"out of memory"});
        return;
    }
    o->n_outgoing++;
    job->next = NULL;
    *o->outgoing_last = job;
    o->outgoing_last = &job->next;
}

static void in_flight_remove(struct orchestrator *o, const struct job *job)
{
    for (size_t i = 0; i < o->n_in_flight; i++)
        if (o->in_flight[i] == job) {
            o->in_flight[i] = o->in_flight[--o->n_in_flight];
            return;
        }
}

/* ---- the batch --------------------------------------------------------------------------------------------------- */

void batch_start(struct orchestrator *o)
{
    batch_clear(o->rows);
    o->outgoing = NULL;
    o->outgoing_last = &o->outgoing;
    o->n_outgoing = 0;
    o->n_stop_attempts = 0;
    o->n_held_now = o->n_answered_now = 0;
    o->wall = clock_wall_ms();
    o->now = clock_steady_ms();
    o->n_unmatched = o->n_unmatched_alerts = 0;
    o->unmatched_digest = (struct sha256){0};
    o->broken_err = ERR_OK;
    o->broken.text[0] = '\0';
}

static void note_rejected(struct orchestrator *o, const struct command *command)
{
    const struct command_refused *refused = &command->as.refused;
    char text[512];
    snprintf(text, sizeof text, "%s refused: %s (%d request%s, the last from %s)", refused->what, refused->reason,
             refused->count, refused->count == 1 ? "" : "s", refused->from);
    char who[80];
    snprintf(who, sizeof who, "operator %s", refused->who);
    json_t *detail =
        json_pack("{s:i, s:s, s:s}", "count", refused->count, "from", refused->from, "what", refused->what);
    journal_note(o, &(struct note){.kind = command->kind == COMMAND_REJECTED ? "intake.rejected" : "operator.refused",
                                   .who = refused->who[0] ? who : "turnout",
                                   .text = text,
                                   .detail = detail});
}

static void process(struct orchestrator *o, struct command *command)
{
    switch (command->kind) {
    case COMMAND_DELIVERY:
        intake_delivery(o, command);
        return;
    case COMMAND_REJECTED:
    case COMMAND_REFUSED_CALL:
        note_rejected(o, command);
        return;
    case COMMAND_MOVE:
        call_move(o, command);
        return;
    case COMMAND_ADOPT:
        call_adopt(o, command);
        return;
    case COMMAND_PROBED:
        intake_probed(o, command);
        return;
    case COMMAND_PAUSE:
        call_pause(o, command);
        return;
    case COMMAND_VOTE:
        call_vote(o, command);
        return;
    case COMMAND_OUTSIDE:
        outlook_outside(o, command);
        return;
    case COMMAND_RUN:
        call_run(o, command);
        return;
    case COMMAND_PLAN:
        plan_call(o, command);
        return;
    case COMMAND_DRILL:
        drill_call(o, command);
        return;
    case COMMAND_RESULT:
        run_result(o, command);
        return;
    case COMMAND_LOOKED:
        round_looked(o, command);
        return;
    case COMMAND_OBSERVED:
        observe_result(o, command);
        return;
    }
}

/* Sends what the commit allows to go out. */
void send_outgoing(struct orchestrator *o)
{
    while (o->outgoing) {
        struct job *job = o->outgoing;
        o->outgoing = job->next;
        job->next = NULL;
        if (o->is_stopping) {
            job_free(job);
            continue;
        }
        o->in_flight[o->n_in_flight++] = job;
        crash_scope_clear();
        crash_scope_add("step %d attempt %d %s", job->step, job->attempt, phase_text(job->phase));
        crash_point("push before");
        job_queue_push(o->settings.jobs, job);
    }
    o->outgoing_last = &o->outgoing;
    o->n_outgoing = 0;
    for (size_t i = 0; i < o->n_stop_attempts; i++) {
        struct job *job = in_flight_find(o, &o->stop_attempts[i].run, o->stop_attempts[i].step);
        if (job)
            atomic_store(&job->cancel, true);
    }
}

void drop_outgoing(struct orchestrator *o)
{
    while (o->outgoing) {
        struct job *job = o->outgoing;
        o->outgoing = job->next;
        job_free(job);
    }
    o->outgoing_last = &o->outgoing;
    o->n_outgoing = 0;
}

static void complete(struct orchestrator *o, struct command **slot)
{
    struct command *command = *slot;
    *slot = NULL;
    if (command_is_report(command->kind)) {
        struct job *job = command->context;
        in_flight_remove(o, job);
        job_free(job);
        command_free(command);
        return;
    }
    if (!call_is_held(o, command) && !round_holds(o, command))
        command->done(command);
}

static enum err write_batch(struct orchestrator *o, struct command **commands, size_t n, struct errmsg *why)
{
    batch_start(o);
    if (!o->world) {
        enum err err = world_load(o, &o->world, why);
        if (err != ERR_OK)
            return err;
        outlook_begin(o);
        o->next_due = 0;
    }
    outlook_note_outside(o);
    enum err err = intake_prepare(o, commands, n, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < n; i++) {
        if (!commands[i])
            continue;
        enum command_kind kind = commands[i]->kind;
        process(o, commands[i]);
        /* What the end of a run lets go is for whoever goes first, not for whom the next alert speaks of. */
        if (kind == COMMAND_RESULT && o->world->seen_generation != o->world->outlook->generation)
            outlook_look(o);
        if (intake_is_settled(o, commands[i]))
            complete(o, &commands[i]);
    }
    prune_withdraw(o);
    rounds_go_on(o);
    call_give_up(o);
    outlook_timers(o);
    outlook_look(o);
    runs_sweep(o);
    intake_bunch(o);
    if (o->failures > 0)
        journal_note(o, &(struct note){.kind = "store.recovered", .text = "the database takes commits again"});
    note_ballast(o);
    if (o->broken_err != ERR_OK) {
        *why = o->broken;
        return o->broken_err;
    }
    intake_before_commit(o);
    return batch_size(o->rows) > 0 ? store_write(o->settings.store, o->rows, why) : ERR_OK;
}

/* One try to commit these commands. On failure nothing of it is in the database, memory is what the store says (or
 * gone), and the commands that are not NULL are still the caller's. */
static enum err try_batch(struct orchestrator *o, struct command **commands, size_t n, struct errmsg *why)
{
    enum err err = write_batch(o, commands, n, why);
    if (err != ERR_OK) {
        drop_outgoing(o);
        rounds_failed(o);
        intake_failed(o);
        world_free(o->world);
        o->world = NULL;
        o->next_due = 0; /* timers that this try had fired are due still */
    } else {
        if (o->failures > 0) {
            log_info("the database takes commits again after %d failed tries", o->failures);
            o->failures = 0;
            o->next_check_at = o->now; /* which opens intake again */
        }
        o->is_ballast_told = true;
        intake_committed(o);
        outlook_committed(o);
        call_committed(o);
        rounds_committed(o);
        for (size_t i = 0; i < n; i++)
            if (commands[i])
                complete(o, &commands[i]);
        send_outgoing(o);
    }
    intake_end(o);
    return err;
}

/* A result cannot be asked for again: it is kept. Everybody else is told to come back. */
static void fail_command(struct orchestrator *o, struct command *command, enum err err, const struct errmsg *why)
{
    if (command_is_report(command->kind)) {
        struct command **last = &o->retained;
        while (*last)
            last = &(*last)->next;
        command->next = NULL;
        *last = command;
        return;
    }
    command->err = err == ERR_CONFLICT ? ERR_INTERNAL : err == ERR_FULL ? ERR_FULL : ERR_BUSY;
    err_set(&command->why, command->err, "the database did not take it: %s", why->text);
    command->done(command);
}

static void commit_failed(struct orchestrator *o, const struct errmsg *why)
{
    if (o->failures == 0)
        log_error("a commit failed: %s", why->text);
    int64_t pause = 100;
    for (int i = 0; i < o->failures && pause < 1000; i++)
        pause *= 2;
    o->failures++;
    o->try_again_at = clock_steady_ms() + (pause < 1000 ? pause : 1000);
    set_ready(o, false, why->text);
}

void commit(struct orchestrator *o, struct command **commands, size_t n)
{
    struct errmsg why = {0};
    enum err err = try_batch(o, commands, n, &why);
    if (err == ERR_FULL && give_up_ballast(o, &why))
        err = try_batch(o, commands, n, &why);
    atomic_fetch_add(&o->n_batches, 1);
    if (err == ERR_OK)
        return;
    if (err != ERR_CONFLICT || n < 2) {
        commit_failed(o, &why);
        for (size_t i = 0; i < n; i++)
            if (commands[i])
                fail_command(o, commands[i], err, &why);
        return;
    }
    /* One of them breaks a constraint: the others must not suffer. */
    log_error("a batch of %zu commands breaks a constraint, trying them one by one: %s", n, why.text);
    for (size_t i = 0; i < n; i++) {
        if (!commands[i])
            continue;
        err = try_batch(o, &commands[i], 1, &why);
        if (err != ERR_OK) {
            log_error("a command breaks a constraint: %s", why.text);
            fail_command(o, commands[i], err, &why);
        }
    }
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

/* When a batch is due without any command. */
static int64_t batch_due_at(const struct orchestrator *o)
{
    int64_t held = call_due_at(o), rounds = rounds_due_at(o);
    held = rounds < held ? rounds : held;
    return held < o->next_due ? held : o->next_due;
}

static int64_t wake_at(const struct orchestrator *o)
{
    if (o->failures > 0)
        return o->try_again_at;
    int64_t batch = batch_due_at(o);
    int64_t at = batch < o->next_check_at ? batch : o->next_check_at;
    return o->pruning.at < at ? o->pruning.at : at;
}

size_t take_retained(struct orchestrator *o, struct command **commands, size_t max)
{
    size_t n = 0;
    while (o->retained && n < max) {
        commands[n] = o->retained;
        o->retained = o->retained->next;
        commands[n]->next = NULL;
        n++;
    }
    return n;
}

static void housekeeping(struct orchestrator *o, bool has_written)
{
    int64_t now = clock_steady_ms();
    bool is_due = now >= o->next_check_at;
    if (is_due) {
        o->next_check_at = now + CHECK_EVERY_MS;
        outlook_watch_freezes(o);
    }
    status_refresh(o);
    /* Within a second of a storm the whole reserve could be gone. */
    if (is_due || has_written)
        check_disk(o);
}

static void loop_once(struct orchestrator *o)
{
    struct command *commands[MAX_BATCH];
    size_t n = command_queue_take(o->settings.commands, commands, MAX_BATCH, wake_at(o));
    atomic_fetch_add(&o->n_commands, (long long)n);
    int64_t now = clock_steady_ms();
    bool is_time_to_retry = o->failures > 0 && now >= o->try_again_at;
    if (o->retained && (n > 0 || o->failures == 0 || is_time_to_retry)) {
        /* Results of a failed batch go before anything newer. */
        struct command *kept[MAX_BATCH];
        size_t n_kept = take_retained(o, kept, MAX_BATCH);
        commit(o, kept, n_kept);
    }
    if (n > 0 || now >= batch_due_at(o) || is_time_to_retry)
        commit(o, commands, n);
    housekeeping(o, n > 0);
    prune_go_on(o);
}

void *run_loop(void *context)
{
    struct orchestrator *o = context;
    while (!o->is_stopping || !command_queue_is_idle(o->settings.commands)) {
        loop_once(o);
        /* The queue is closed for good only by orchestrator_stop(); seen here, since take() then returns at once. */
        if (command_queue_is_closed(o->settings.commands))
            o->is_stopping = true;
    }
    return NULL;
}

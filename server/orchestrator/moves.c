/* Moves that operators ask for.
 *
 * The complication is a move that replaces a run whose attempt is under way: what that attempt does is not known before
 * its result, so the run is stopped at once, and the command is kept until the result is there. In the batch that has
 * it the new run takes the place of the old one, and nothing can come in between. */
#include "orchestrator/call.h"

#include <string.h>

/* Shorter than the five seconds after which the caller is told to come back: he is to know what became of his wish. */
#define HOLD_MS 4000

/* ---- moves ------------------------------------------------------------------------------------------------------- */

static struct sha256 request_digest(const struct command_operator *call)
{
    const char *direction = direction_text(call->direction);
    const char *site = call->site ? call->site : "";
    const char flags[2] = {call->is_planned ? 'p' : '-', call->is_replacing ? 'r' : '-'};
    const struct overrides_text overrides = overrides_text(call->overrides);
    const struct bytes_view parts[] = {{call->service, strlen(call->service) + 1},
                                       {direction, strlen(direction) + 1},
                                       {site, strlen(site) + 1},
                                       {flags, sizeof flags},
                                       {overrides.text, strlen(overrides.text) + 1},
                                       {call->plan, strlen(call->plan) + 1},
                                       {call->reason, strlen(call->reason)}};
    return sha256_of_parts(parts, sizeof parts / sizeof parts[0]);
}

/* An Idempotency-Key that was used already answers with the run it started. true: answered. A key used twice within one
 * batch meets the run in progress and is refused, which its sender's next try turns into the right answer. */
static bool answered_before(const struct call *call)
{
    struct orchestrator *o = call->o;
    struct command_operator *operator_call = call->operator_call;
    if (!operator_call->idempotency_key)
        return false;
    struct sha256 stored;
    struct sha256 given = request_digest(operator_call);
    struct errmsg why = {0};
    enum err err = store_idempotency_get(o->settings.store, operator_call->who, operator_call->idempotency_key, &stored,
                                         &operator_call->answer_run, &why);
    if (err == ERR_NOT_FOUND)
        return false;
    if (err != ERR_OK)
        batch_break(o, err, &why);
    else if (memcmp(&stored, &given, sizeof given) != 0)
        call_refuse(call, ERR_CONFLICT, "idempotency_key_reused", "this Idempotency-Key was used for another request");
    return true;
}

static enum occasion occasion_of(const struct command_operator *call)
{
    if (call->direction == DIRECTION_FAILBACK)
        return OCCASION_FAILBACK;
    return call->is_planned ? OCCASION_PLANNED : OCCASION_OUTAGE;
}

static struct command *held_for(const struct orchestrator *o, const char *service)
{
    for (struct command *held = o->held; held; held = held->next)
        if (strcmp(held->as.operator_call.service, service) == 0)
            return held;
    return NULL;
}

/* What needs no core to be refused. */
static bool can_be_asked(const struct call *call)
{
    const struct command_operator *operator_call = call->operator_call;
    char text[256];
    if (!call_has_reason(call))
        return false;
    if (!run_has_steps(call_service(call), occasion_of(operator_call))) {
        snprintf(text, sizeof text, "no step of the playbook is meant for this (`when: %s`)",
                 occasion_text(occasion_of(operator_call)));
        return call_refuse(call, ERR_CONFLICT, "no_steps", text);
    }
    const struct command *held = held_for(call->o, operator_call->service);
    if (held && held != call->command) {
        snprintf(text, sizeof text, "a %s that %s has asked for waits until the run before it has stopped",
                 direction_text(held->as.operator_call.direction), held->as.operator_call.who);
        return call_refuse(call, ERR_CONFLICT, reason_text(REASON_RUN_IN_PROGRESS), text);
    }
    return true;
}

static void describe_move(struct call *call)
{
    const struct command_operator *operator_call = call->operator_call;
    snprintf(call->what, sizeof call->what, "%s%s of %.64s%s%.64s asked for%s",
             operator_call->is_planned ? "planned " : "", direction_text(operator_call->direction),
             operator_call->service, operator_call->site ? " to " : "", operator_call->site ? operator_call->site : "",
             operator_call->is_replacing ? ", in place of a run in progress" : "");
}

static struct event event_of_move(const struct command_operator *call, int site)
{
    return (struct event){.kind = EVENT_OPERATOR_MOVE,
                          .direction = call->direction,
                          .site = site,
                          .is_planned = call->is_planned,
                          .is_replacing = call->is_replacing,
                          .overrides = call->overrides,
                          .who = call->who,
                          .text = call->reason};
}

static void answer_with_run(const struct call *call)
{
    struct orchestrator *o = call->o;
    struct command_operator *operator_call = call->operator_call;
    const struct live_run *live = o->world->services[call->service].run;
    if (!live) {
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"a run was decided and not made"});
        return;
    }
    operator_call->answer_run = live->run.id;
    if (operator_call->idempotency_key) {
        struct sha256 digest = request_digest(operator_call);
        batch_idempotency(o->rows, operator_call->who, operator_call->idempotency_key, &digest,
                          &operator_call->answer_run, o->wall);
    }
}

/* Stops the run and keeps the wish: granted so far, and asked for anew when the run has stopped. */
static void hold(struct call *call, struct live_run *live)
{
    struct orchestrator *o = call->o;
    char text[700];
    if (o->n_held_now == MAX_BATCH)
        return; /* not more than commands */
    snprintf(text, sizeof text, "%s: %.300s; the run is stopped, and the new one begins with the result of its attempt",
             call->what, call->operator_call->reason);
    call_note(call, "operator.call", text);
    call->operator_call->answer_by = o->now + HOLD_MS;
    o->held_now[o->n_held_now++] = call->command;
    if (live->run.ending == ENDING_NONE)
        live_run_cancel(o, live, text, &call->cause);
}

void call_move(struct orchestrator *o, struct command *command)
{
    struct call call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    describe_move(&call);
    if (!call_find_named(&call, &site) || answered_before(&call) || !can_be_asked(&call))
        return;
    const struct event event = event_of_move(call.operator_call, site);
    call.event = &event;
    struct things things;
    if (!call_ask(&call, &things) || !call_move_is_as_planned(&call, &things))
        return;
    struct live_run *live = o->world->services[call.service].run;
    bool is_replacing = live && live->run.state != RUN_WAITING;
    call_note_break_glass(&call, is_replacing);
    if (live && run_is_busy(&live->run)) {
        hold(&call, live);
        return;
    }
    call_note_granted(&call);
    service_carry_out(o, call.service, &things, &call.cause);
    answer_with_run(&call);
}

/* ---- moves that wait --------------------------------------------------------------------------------------------- */

static bool is_among(const struct command *const *commands, size_t n, const struct command *command)
{
    for (size_t i = 0; i < n; i++)
        if (commands[i] == command)
            return true;
    return false;
}

static bool is_answered_now(const struct orchestrator *o, const struct command *command)
{
    return is_among(o->answered_now, o->n_answered_now, command);
}

bool call_replace(struct orchestrator *o, int service)
{
    struct command *command = held_for(o, o->settings.model->services[service].name);
    if (!command || is_answered_now(o, command) || o->n_answered_now == MAX_BATCH)
        return false;
    struct call call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    describe_move(&call);
    o->answered_now[o->n_answered_now++] = command;
    if (!call_find_named(&call, &site))
        return false;
    const struct event event = event_of_move(call.operator_call, site);
    call.event = &event;
    struct things things;
    if (!call_ask(&call, &things))
        return false;
    call_note_granted(&call);
    service_carry_out(o, service, &things, &call.cause);
    answer_with_run(&call);
    return true;
}

bool call_is_held(struct orchestrator *o, struct command *command)
{
    if (!is_among(o->held_now, o->n_held_now, command))
        return false;
    command->next = o->held;
    o->held = command;
    return true;
}

void call_committed(struct orchestrator *o)
{
    struct command **slot = &o->held;
    while (*slot) {
        struct command *command = *slot;
        if (!is_answered_now(o, command)) {
            slot = &command->next;
            continue;
        }
        *slot = command->next;
        command->next = NULL;
        command->done(command);
    }
}

void call_give_up(struct orchestrator *o)
{
    for (struct command *command = o->held; command; command = command->next) {
        bool is_late = command->as.operator_call.answer_by <= o->now;
        if (!is_late || is_answered_now(o, command) || o->n_answered_now == MAX_BATCH)
            continue;
        struct call call;
        int site = SITE_NONE;
        call_init(&call, o, command);
        describe_move(&call);
        o->answered_now[o->n_answered_now++] = command;
        if (call_find_named(&call, &site))
            call_refuse(
                &call, ERR_CONFLICT, reason_text(REASON_RUN_IN_PROGRESS),
                "the run in progress is being stopped, and its attempt under way has not ended so far: nothing new "
                "is started before that; ask again in a few seconds");
    }
}

int64_t call_due_at(const struct orchestrator *o)
{
    int64_t due = INT64_MAX;
    for (const struct command *command = o->held; command; command = command->next)
        if (command->as.operator_call.answer_by < due)
            due = command->as.operator_call.answer_by;
    return due;
}

void call_stop(struct orchestrator *o)
{
    while (o->held) {
        struct command *command = o->held;
        o->held = command->next;
        command->next = NULL;
        command->err = err_set(&command->why, ERR_BUSY, "the daemon stops: the new run was not started");
        command->done(command);
    }
}

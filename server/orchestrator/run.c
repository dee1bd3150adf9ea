/* How a run goes on: advanced by the core, journaled row by row. An attempt is journaled as started in the same commit
 * that lets it go out, and its result is journaled before the run goes on.
 *
 * What a run does is told to the service as events, and what the service decides comes back as the run's: each of these
 * functions may end with the run being over, and the next one of the service begun. */
#include "base/clock.h"
#include "base/log.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

static void set_text(char **slot, const char *text)
{
    free(*slot);
    *slot = text && text[0] ? strdup(text) : NULL;
}

/* ---- moves ------------------------------------------------------------------------------------------------------- */

static void move_step(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                      const struct cause *cause)
{
    struct step_record *record = &live->records[move->step];
    bool is_failed = move->step_state == STEP_FAILED || move->step_state == STEP_UNKNOWN;
    set_text(&record->error, is_failed || move->step_state == STEP_OWED ? move->text : NULL);
    record->finished_at = is_failed || step_state_is_final(move->step_state) ? o->wall : 0;
    if (move->step_state == STEP_RUNNING && !record->started_at)
        record->started_at = o->wall;
    char text[400];
    snprintf(text, sizeof text, "step %d \"%.80s\" is %s%s%s", move->step + 1, run_step_text(live, move->step, "name"),
             step_state_text(move->step_state), move->text[0] ? ": " : "", move->text);
    json_t *detail =
        json_pack("{s:i, s:s, s:s, s:s}", "step", move->step, "name", run_step_text(live, move->step, "name"), "action",
                  run_step_text(live, move->step, "action"), "state", step_state_text(move->step_state));
    if (move->step_state != STEP_RUNNING)
        run_note(o, live, "run.step", cause, text, detail);
    else
        json_decref(detail);
}

static void move_state(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                       const struct cause *cause)
{
    bool is_attention = move->run_state == RUN_ATTENTION;
    bool is_final = run_state_is_final(move->run_state);
    set_text(&live->error, is_attention || move->run_state == RUN_FAILED ? move->text : NULL);
    live->finished_at = is_final ? o->wall : 0;
    const struct service *service = &o->settings.model->services[live->run.service];
    char text[400];
    snprintf(text, sizeof text, "%s of %s to %s: %s%s%s",
             live->occasion == OCCASION_DRILL ? "drill" : direction_text(live->run.direction), service->name, live->to,
             run_state_text(move->run_state), move->text[0] ? ": " : "", move->text);
    if (is_attention)
        log_warning("service=%s a run needs a person: %s", service->name, move->text);
    else
        log_info("service=%s %s", service->name, text);
    run_note(o, live, is_attention ? "run.attention" : is_final ? "run.finished" : "run.resumed", cause, text, NULL);
}

static void move_back(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                      const struct cause *cause)
{
    const struct service *service = &o->settings.model->services[live->run.service];
    char text[400];
    snprintf(text, sizeof text, "the %s of %s to %s is undone from here on%s%s", direction_text(live->run.direction),
             service->name, live->to, move->text[0] ? ": " : "", move->text);
    log_warning("service=%s %s", service->name, text);
    run_note(o, live, "run.undo", cause, text, NULL);
}

static void stop_attempt(struct orchestrator *o, const struct live_run *live, int step)
{
    if (o->n_stop_attempts == sizeof o->stop_attempts / sizeof o->stop_attempts[0])
        return; /* it ends by itself, later */
    o->stop_attempts[o->n_stop_attempts].run = live->run.id;
    o->stop_attempts[o->n_stop_attempts++].step = step;
}

static void carry_out_move(struct orchestrator *o, struct live_run *live, const struct run_move *move,
                           const struct cause *cause)
{
    switch (move->kind) {
    case RUN_MOVE_ATTEMPT:
        run_start_attempt(o, live, move);
        break;
    case RUN_MOVE_WAIT:
        due_at(o, move->at);
        break;
    case RUN_MOVE_STEP:
        move_step(o, live, move, cause);
        break;
    case RUN_MOVE_STATE:
        move_state(o, live, move, cause);
        break;
    case RUN_MOVE_POINT:
        break; /* asked when all is journaled */
    case RUN_MOVE_STOP_ATTEMPT:
        stop_attempt(o, live, move->step);
        break;
    case RUN_MOVE_UNDO:
        move_back(o, live, move, cause);
        break;
    case RUN_MOVE_REFUSED:
        break; /* the caller has seen it in the core's answer */
    }
}

static void put_steps(struct orchestrator *o, const struct live_run *live, const struct run_moves *moves)
{
    bool is_put[MAX_RUN_STEPS] = {false};
    for (int i = 0; i < moves->count; i++) {
        const struct run_move *move = &moves->items[i];
        bool has_step = move->kind == RUN_MOVE_ATTEMPT || move->kind == RUN_MOVE_WAIT || move->kind == RUN_MOVE_STEP;
        if (!has_step || is_put[move->step])
            continue;
        is_put[move->step] = true;
        run_put_step(o, live, move->step);
    }
}

/* ---- the service and its run ------------------------------------------------------------------------------------- */

/* What is owed is known before anything else starts: it could be a move to where the debts are. */
static void end_run(struct orchestrator *o, int service, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    if (call_replace(o, service))
        return;
    char *who = live->cancelled_by;
    live->cancelled_by = NULL;
    const struct event event = {.kind = EVENT_RUN_STATE,
                                .site = SITE_NONE,
                                .run_state = live->run.state,
                                .has_effect = live->run.has_effect,
                                .who = live->run.state == RUN_CANCELLED || live->run.state == RUN_UNDONE ? who : NULL};
    struct id incident = live->incident;
    struct cause of_run = *cause;
    of_run.incident = &incident;
    run_retire(o, service);
    debts_tell(o, service, &of_run);
    service_event(o, service, &event, &of_run);
    free(who);
}

/* Right before what cannot be taken back. The answer is carried out as the run's next event. */
static void ask_point(struct orchestrator *o, int service, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    const struct id id = state->run->run.id;
    const struct event event = {.kind = EVENT_RUN_POINT,
                                .site = SITE_NONE,
                                .has_effect = state->run->run.has_effect,
                                .who = state->run->sent_on_by};
    service_event(o, service, &event, cause);
    if (state->run && id_equal(&state->run->run.id, &id) && state->run->run.is_at_point)
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"whether a run may go on was not decided"});
}

/* Also for a restart in the middle of it: before why it waits for a person, where it does. */
static void say_who_ends_it(struct live_run *live)
{
    char text[512];
    const char *error = live->error ? live->error : "";
    bool is_cancelling = live->run.ending == ENDING_CANCEL;
    bool is_going_back =
        live->run.ending == ENDING_UNDO || (live->run.is_undoing && !run_state_is_final(live->run.state));
    bool is_waiting = live->run.state == RUN_ATTENTION && live->run.is_undoing && !is_cancelling;
    if (!is_cancelling && (!is_going_back || !live->cancelled_by))
        return;
    if (is_waiting && strncmp(error, BEING_UNDONE_BY, strlen(BEING_UNDONE_BY)) == 0)
        return;
    snprintf(text, sizeof text, "%s%.64s%s%.300s", is_cancelling ? BEING_CANCELLED_BY : BEING_UNDONE_BY,
             live->cancelled_by ? live->cancelled_by : "", is_waiting ? ": " : "", is_waiting ? error : "");
    set_text(&live->error, live->cancelled_by ? text : "is being cancelled");
}

static bool is_run_of(const struct service_state *state, const struct id *id)
{
    return state->run && id_equal(&state->run->run.id, id);
}

static void tell_service(struct orchestrator *o, int service, bool is_changed, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    const struct id id = live->run.id;
    bool is_overridden = (live->overrides & ~state->view.run_overrides) != 0; /* a person has, with the last retry */
    const struct event event = {.kind = EVENT_RUN_STATE,
                                .site = SITE_NONE,
                                .run_state = live->run.state,
                                .has_effect = live->run.has_effect,
                                .overrides = is_overridden ? live->overrides : 0,
                                .text = is_overridden ? live->reason : NULL};
    debts_tell(o, service, cause);
    if (is_run_of(state, &id) && (is_changed || is_overridden || live->run.has_effect != state->view.run_has_effect))
        service_event(o, service, &event, cause);
    if (is_run_of(state, &id) && state->run->run.is_at_point)
        ask_point(o, service, cause);
}

void run_moved(struct orchestrator *o, struct live_run *live, const struct run_moves *moves, const struct cause *cause)
{
    int service = live->run.service;
    bool is_changed = false;
    for (int i = 0; i < moves->count; i++) {
        carry_out_move(o, live, &moves->items[i], cause);
        is_changed |= moves->items[i].kind == RUN_MOVE_STATE;
    }
    due_at(o, run_due_at(&live->run)); /* also of a step of its group that these moves are not about */
    say_who_ends_it(live);
    run_put(o, live);
    put_steps(o, live, moves);
    if (o->world->services[service].run != live)
        run_over_moved(o, live, moves, cause);
    else if (run_state_is_final(live->run.state))
        end_run(o, service, cause);
    else
        tell_service(o, service, is_changed, cause);
}

void live_run_cancel(struct orchestrator *o, struct live_run *live, const char *text, const struct cause *cause)
{
    struct run_moves moves;
    if (cause->person && !live->cancelled_by)
        live->cancelled_by = strdup(cause->person);
    run_next(&live->run, &(struct run_event){.kind = RUN_EVENT_CANCEL, .retry_after_ms = -1, .text = text}, o->now,
             &moves);
    if (moves.count > 0 && moves.items[0].kind == RUN_MOVE_REFUSED)
        return; /* it is being cancelled already */
    run_moved(o, live, &moves, cause);
}

void live_run_replace(struct orchestrator *o, int service, const char *text, const struct cause *cause)
{
    struct live_run *live = o->world->services[service].run;
    if (!live || (!run_state_is_final(live->run.state) && run_is_busy(&live->run))) {
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"a run was replaced that is under way"});
        return;
    }
    struct run_moves moves = {.count = 0};
    if (!run_state_is_final(live->run.state))
        run_next(&live->run, &(struct run_event){.kind = RUN_EVENT_CANCEL, .retry_after_ms = -1, .text = text}, o->now,
                 &moves);
    for (int i = 0; i < moves.count; i++)
        carry_out_move(o, live, &moves.items[i], cause);
    run_put(o, live);
    put_steps(o, live, &moves);
    run_retire(o, service);
}

void run_take_up(struct orchestrator *o, struct live_run *live, const struct cause *cause)
{
    bool is_past = live->run.is_past;
    run_close_lost(o, live);
    live->run.is_past = false; /* told anew */
    run_event(o, live, &(struct run_event){.kind = is_past ? RUN_EVENT_PAST : RUN_EVENT_START, .retry_after_ms = -1},
              cause);
}

void run_event(struct orchestrator *o, struct live_run *live, const struct run_event *event, const struct cause *cause)
{
    struct run_moves moves;
    run_next(&live->run, event, o->now, &moves);
    run_moved(o, live, &moves, cause);
}

/* ---- found by id ------------------------------------------------------------------------------------------------- */

struct live_run *run_find(const struct world *world, const struct id *id)
{
    for (int i = 0; i < world->n_services; i++) {
        const struct service_state *state = &world->services[i];
        if (state->run && id_equal(&state->run->run.id, id))
            return state->run;
        for (struct live_run *live = state->others; live; live = live->next)
            if (!live->is_gone && id_equal(&live->run.id, id))
                return live;
    }
    return NULL;
}

void run_note_orphan(struct orchestrator *o, const struct orphan_run *orphan)
{
    char text[300];
    snprintf(text, sizeof text,
             "%s belongs to service %.100s, which the configuration does not have: it stays as it is, and goes on when "
             "the service is back",
             orphan->is_over ? "a run with steps that are owed" : "an unfinished run", orphan->service);
    log_warning("%s", text);
    journal_note(o,
                 &(struct note){.kind = "run.attention", .service = orphan->service, .run = &orphan->id, .text = text});
}

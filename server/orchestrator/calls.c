/* What operators ask for becomes an event for the core, and is on record whether it is granted or refused. Moves are in
 * orchestrator/moves.c. */
#include "base/log.h"
#include "orchestrator/call.h"

#include <stdlib.h>
#include <string.h>

void call_init(struct call *call, struct orchestrator *o, struct command *command)
{
    *call = (struct call){.o = o, .command = command, .operator_call = &command->as.operator_call, .service = -1};
    snprintf(call->who, sizeof call->who, "operator %s", call->operator_call->who);
    call->cause = (struct cause){.who = call->who, .person = call->operator_call->who, .command = command};
    command->err = ERR_OK;
    command->why.text[0] = '\0';
    call->operator_call->code[0] = '\0';
}

const struct service *call_service(const struct call *call)
{
    return &call->o->settings.model->services[call->service];
}

static bool is_blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == '\0';
}

/* ---- the record -------------------------------------------------------------------------------------------------- */

static json_t *detail_of(const struct call *call)
{
    const struct command_operator *operator_call = call->operator_call;
    json_t *detail =
        json_pack("{s:o, s:o}", "from", text_json(operator_call->from), "reason", text_json(operator_call->reason));
    if (operator_call->site)
        json_object_set_new(detail, "to", text_json(operator_call->site));
    if (operator_call->overrides)
        json_object_set_new(detail, "overrides", json_string(overrides_text(operator_call->overrides).text));
    if (operator_call->code[0])
        json_object_set_new(detail, "code", json_string(operator_call->code));
    if (call->event)
        json_object_set_new(detail, "event", record_event(call->o->settings.model, call_service(call), call->event));
    return detail;
}

void call_note(const struct call *call, const char *kind, const char *text)
{
    const struct command_operator *operator_call = call->operator_call;
    const char *service = operator_call->service ? operator_call->service : "";
    bool is_known = call->service >= 0;
    int site = is_known && operator_call->site ? service_site_find(call_service(call), operator_call->site) : SITE_NONE;
    const struct id *incident = NULL;
    if (is_known && call->command->kind == COMMAND_VOTE)
        incident = service_incident(call->o, call->service, site);
    else if (is_known)
        incident = service_incident(call->o, call->service, SITE_NONE);
    journal_note(call->o, &(struct note){.kind = kind,
                                         .service = is_known ? call_service(call)->name : service,
                                         .who = call->who,
                                         .text = text,
                                         .run = &operator_call->run,
                                         .incident = incident,
                                         .detail = detail_of(call)});
}

void call_note_granted(const struct call *call)
{
    const char *reason = call->operator_call->reason;
    char text[700];
    snprintf(text, sizeof text, "%s%s%.400s", call->what, reason[0] ? ": " : "", reason);
    call_note(call, "operator.call", text);
}

bool call_refuse(const struct call *call, enum err err, const char *code, const char *why)
{
    const char *reason = call->operator_call->reason;
    char text[1100];
    snprintf(call->operator_call->code, sizeof call->operator_call->code, "%s", code);
    call->command->err = err_set(&call->command->why, err, "%s", why);
    snprintf(text, sizeof text, "%s%s%.300s - refused: %s", call->what, reason[0] ? ": " : "", reason,
             call->command->why.text);
    call_note(call, "operator.refused", text);
    return false;
}

void call_note_break_glass(const struct call *call, bool is_replacing)
{
    const struct command_operator *operator_call = call->operator_call;
    if (!operator_call->overrides && !is_replacing)
        return;
    struct overrides_text guards = overrides_text(operator_call->overrides);
    char text[600];
    snprintf(text, sizeof text, "%s overrides %s%s%s: %.300s", operator_call->who,
             is_replacing ? reason_text(REASON_RUN_IN_PROGRESS) : "", is_replacing && guards.text[0] ? " " : "",
             guards.text, operator_call->reason);
    log_warning("service=%s %s", call_service(call)->name, text);
    call_note(call, "operator.break_glass", text);
}

bool call_has_reason(const struct call *call)
{
    const struct command_operator *operator_call = call->operator_call;
    if ((!operator_call->overrides && !operator_call->is_replacing) || !is_blank(operator_call->reason))
        return true;
    return call_refuse(call, ERR_INVALID, "reason_missing", "who overrides a guard has to say why: it goes on record");
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

bool call_find_named(struct call *call, int *ret_site)
{
    const struct command_operator *operator_call = call->operator_call;
    const struct model *model = call->o->settings.model;
    char text[256];
    *ret_site = SITE_NONE;
    int service = model_service_find(model, operator_call->service);
    if (service < 0) {
        snprintf(text, sizeof text, "there is no service %.64s", operator_call->service);
        return call_refuse(call, ERR_NOT_FOUND, "not_found", text);
    }
    call->service = service;
    if (!operator_call->site)
        return true;
    *ret_site = service_site_find(call_service(call), operator_call->site);
    if (*ret_site >= 0)
        return true;
    snprintf(text, sizeof text, "service %s has no site %.64s", call_service(call)->name, operator_call->site);
    return call_refuse(call, ERR_NOT_FOUND, "unknown_site", text);
}

static const struct thing *find_refusal(const struct things *things)
{
    for (int i = 0; i < things->count; i++)
        if (things->items[i].kind == THING_REFUSED)
            return &things->items[i];
    return NULL;
}

bool call_ask(const struct call *call, struct things *ret)
{
    struct orchestrator *o = call->o;
    decide(call_service(call), o->settings.model, &o->world->services[call->service].view, o->world->outlook,
           call->event, o->now, ret);
    const struct thing *refusal = find_refusal(ret);
    return !refusal || call_refuse(call, ERR_CONFLICT, reason_text(refusal->reason), refusal->text);
}

static bool ask_and_do(const struct call *call)
{
    struct things things;
    if (!call_ask(call, &things))
        return false;
    call_note_granted(call);
    service_carry_out(call->o, call->service, &things, &call->cause);
    return true;
}

/* ---- the other calls --------------------------------------------------------------------------------------------- */

void call_adopt(struct orchestrator *o, struct command *command)
{
    struct call call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    snprintf(call.what, sizeof call.what, "%.64s said to be active for %.64s",
             call.operator_call->site ? call.operator_call->site : "?", call.operator_call->service);
    if (!call_find_named(&call, &site))
        return;
    const struct event event = {
        .kind = EVENT_ADOPT, .site = site, .who = call.operator_call->who, .text = call.operator_call->reason};
    call.event = &event;
    (void)ask_and_do(&call);
}

void call_pause(struct orchestrator *o, struct command *command)
{
    struct call call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    bool is_pausing = call.operator_call->is_pausing;
    snprintf(call.what, sizeof call.what, "%s of %.64s asked for", is_pausing ? "pause" : "resume",
             call.operator_call->service);
    if (!call_find_named(&call, &site))
        return;
    const struct event event = {.kind = is_pausing ? EVENT_PAUSE : EVENT_RESUME,
                                .site = SITE_NONE,
                                .who = call.operator_call->who,
                                .text = call.operator_call->reason};
    call.event = &event;
    (void)ask_and_do(&call);
}

void call_vote(struct orchestrator *o, struct command *command)
{
    struct call call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    enum vote says = call.operator_call->says;
    snprintf(call.what, sizeof call.what, "vote on %.64s of %.64s %s",
             call.operator_call->site ? call.operator_call->site : "?", call.operator_call->service,
             says == VOTE_UNKNOWN ? "withdrawn"
             : says == VOTE_UP    ? "cast: up"
                                  : "cast: down");
    if (!call_find_named(&call, &site))
        return;
    if (site < 0) {
        call_refuse(&call, ERR_INVALID, "invalid", "say which site the vote is about (`site`)");
        return;
    }
    int voter = model_voter_operator(o->settings.model);
    const struct vote_view *cast = view_vote_find(&o->world->services[call.service].view, site, voter);
    if (says == VOTE_UNKNOWN && (!cast || cast->down + cast->up == 0)) {
        call_refuse(&call, ERR_CONFLICT, reason_text(REASON_WRONG_STATE),
                    "no person has cast a vote on this site, so there is none to withdraw");
        return;
    }
    call_note_granted(&call);
    (void)intake_statement(o, voter, call.service, site, says, NULL, &call.cause);
}

/* ---- calls about a run ------------------------------------------------------------------------------------------- */

static const char *run_call_text(enum run_call call)
{
    switch (call) {
    case RUN_CALL_APPROVE:
        return "approve";
    case RUN_CALL_REJECT:
        return "reject";
    case RUN_CALL_RETRY:
        return "retry";
    case RUN_CALL_SKIP:
        return "skip";
    case RUN_CALL_DONE:
        return "done";
    case RUN_CALL_UNDO:
        return "undo";
    case RUN_CALL_CANCEL:
        break;
    }
    return "cancel";
}

static void refuse_unknown_run(const struct call *call)
{
    struct orchestrator *o = call->o;
    struct errmsg why = {0};
    bool is_known = false;
    enum err err = store_run_is_known(o->settings.store, &call->operator_call->run, &is_known, &why);
    if (err != ERR_OK)
        batch_break(o, err, &why);
    for (size_t i = 0; i < o->world->n_orphans; i++) {
        if (!id_equal(&o->world->orphans[i].id, &call->operator_call->run))
            continue;
        char text[256];
        snprintf(text, sizeof text, "the run's service %.100s is not in the configuration: put it back first",
                 o->world->orphans[i].service);
        call_refuse(call, ERR_CONFLICT, "no_service", text);
        return;
    }
    if (is_known)
        call_refuse(call, ERR_CONFLICT, reason_text(REASON_WRONG_STATE), "the run is over");
    else
        call_refuse(call, ERR_NOT_FOUND, "not_found", "there is no run with this id");
}

static void decide_answer(struct call *call, bool is_yes)
{
    struct things things;
    if ((is_yes && !call_has_reason(call)) || !call_ask(call, &things))
        return;
    if (is_yes && !call_approval_is_as_planned(call, call->o->world->services[call->service].run))
        return;
    if (is_yes)
        call_note_break_glass(call, false);
    call_note_granted(call);
    service_carry_out(call->o, call->service, &things, &call->cause);
}

/* A yes or no: what the run would do is decided anew. To cancel what waits is to say no. */
static void answer_waiting(struct call *call, bool is_yes)
{
    const struct command_operator *operator_call = call->operator_call;
    const struct event event = {.kind = is_yes ? EVENT_APPROVE : EVENT_REJECT,
                                .site = SITE_NONE,
                                .overrides = is_yes ? operator_call->overrides : 0,
                                .who = operator_call->who,
                                .text = operator_call->reason};
    call->event = &event;
    decide_answer(call, is_yes);
    call->event = NULL;
}

static enum run_event_kind event_of_call(enum run_call call)
{
    switch (call) {
    case RUN_CALL_RETRY:
        return RUN_EVENT_RETRY;
    case RUN_CALL_SKIP:
        return RUN_EVENT_SKIP;
    case RUN_CALL_DONE:
        return RUN_EVENT_DONE;
    case RUN_CALL_UNDO:
        return RUN_EVENT_UNDO;
    case RUN_CALL_APPROVE:
    case RUN_CALL_REJECT:
    case RUN_CALL_CANCEL:
        break;
    }
    return RUN_EVENT_CANCEL;
}

static void remember_who(const struct call *call, struct live_run *live)
{
    const struct command_operator *operator_call = call->operator_call;
    bool is_no = operator_call->run_call == RUN_CALL_CANCEL || operator_call->run_call == RUN_CALL_UNDO;
    char **who = is_no ? &live->cancelled_by : &live->sent_on_by;
    free(*who);
    *who = strdup(operator_call->who);
    if (operator_call->run_call == RUN_CALL_RETRY && operator_call->overrides) {
        call_note_break_glass(call, false);
        run_set_overrides(live, live->overrides | operator_call->overrides);
    }
}

static void move_run(struct call *call, struct live_run *live)
{
    struct orchestrator *o = call->o;
    enum run_call kind = call->operator_call->run_call;
    const char *reason = call->operator_call->reason;
    struct run_moves moves;
    if (!call_has_reason(call))
        return;
    run_next(&live->run,
             &(struct run_event){.kind = event_of_call(kind),
                                 .step = call->operator_call->step,
                                 .retry_after_ms = -1,
                                 .text = reason[0] ? reason : NULL},
             o->now, &moves);
    /* What the decision is taking back already: the person's no goes on record, and holds. */
    bool is_no_as_well = kind == RUN_CALL_CANCEL && live->run.ending == ENDING_CANCEL && !live->cancelled_by;
    if (moves.count > 0 && moves.items[0].kind == RUN_MOVE_REFUSED && is_no_as_well) {
        moves.count = 0;
    } else if (moves.count > 0 && moves.items[0].kind == RUN_MOVE_REFUSED) {
        call_refuse(call, ERR_CONFLICT, reason_text(REASON_WRONG_STATE), moves.items[0].text);
        return;
    }
    call_note_granted(call);
    remember_who(call, live);
    run_moved(o, live, &moves, &call->cause);
}

void call_run(struct orchestrator *o, struct command *command)
{
    struct call call;
    call_init(&call, o, command);
    enum run_call kind = call.operator_call->run_call;
    struct live_run *live = run_find(o->world, &call.operator_call->run);
    if (call.operator_call->step >= 0 && live && call.operator_call->step < live->run.n_steps)
        snprintf(call.what, sizeof call.what, "%s of step %d \"%.80s\" asked for", run_call_text(kind),
                 call.operator_call->step + 1, run_step_text(live, call.operator_call->step, "name"));
    else
        snprintf(call.what, sizeof call.what, "%s asked for", run_call_text(kind));
    if (!live) {
        refuse_unknown_run(&call);
        return;
    }
    call.service = live->run.service;
    call.operator_call->answer_run = call.operator_call->run;
    bool is_waiting = live->run.state == RUN_WAITING;
    bool is_an_answer = kind == RUN_CALL_APPROVE || kind == RUN_CALL_REJECT || (kind == RUN_CALL_CANCEL && is_waiting);
    if (is_an_answer && live == o->world->services[call.service].run)
        answer_waiting(&call, kind == RUN_CALL_APPROVE);
    else if (is_an_answer && kind != RUN_CALL_CANCEL)
        call_refuse(&call, ERR_CONFLICT, reason_text(REASON_WRONG_STATE), "this run does not wait for a yes or no");
    else
        move_run(&call, live);
}

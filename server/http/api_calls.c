/* Operators' calls: a small JSON body becomes a command, and the answer comes with its commit. */
#include "http/http_internal.h"

#include "base/clock.h"

#include "core/decide.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_IDEMPOTENCY_KEY 255
#define PLAN_DEADLINE_MS 25000 /* the orchestrator waits for its looks for 20 s */

/* ---- the command ------------------------------------------------------------------------------------------------- */

static void call_completed(struct command *command)
{
    struct exchange *exchange = command->context;
    exchange->command = command;
    exchange_complete(exchange);
}

/* Takes the command. */
static void push(struct request *request, struct command *command)
{
    const struct http_settings *settings = &request_http(request)->settings;
    bool is_slow = command->kind == COMMAND_PLAN || command->as.operator_call.plan[0];
    int64_t patience = is_slow ? PLAN_DEADLINE_MS : settings->commit_deadline_ms;
    struct exchange *exchange = exchange_begin(request, clock_steady_ms() + patience);
    if (!exchange) {
        command_free(command);
        answer_later(request, "out of memory");
        return;
    }
    command->done = call_completed;
    command->context = exchange;
    enum err err = command_queue_push(settings->queue, command);
    if (err != ERR_OK) {
        command->err = err;
        call_completed(command);
    }
}

/* A copy, NULL for NULL; tells when memory ran out. */
static char *copy(const char *text, bool *is_short)
{
    char *ret = text ? strdup(text) : NULL;
    *is_short |= text && !ret;
    return ret;
}

static bool key_is_right(struct request *request, const char *key)
{
    size_t len = strlen(key);
    bool is_printable = len >= 1 && len <= MAX_IDEMPOTENCY_KEY;
    for (size_t i = 0; i < len && is_printable; i++)
        is_printable = key[i] >= ' ' && key[i] <= '~';
    if (!is_printable)
        refuse_call(request, "invalid", "Idempotency-Key must have 1 to %d printable ASCII characters",
                    MAX_IDEMPOTENCY_KEY);
    return is_printable;
}

/* What all calls have in common. Takes the body. NULL after answering. */
static struct command *call_new(struct request *request, enum command_kind kind, struct call_body *body,
                                const char *service)
{
    const char *key = request_header(request, "Idempotency-Key");
    if (key && !key_is_right(request, key)) {
        json_decref(body->json);
        return NULL;
    }
    struct command *command = command_new(kind);
    bool is_short = !command;
    if (command) {
        struct command_operator *call = &command->as.operator_call;
        snprintf(call->who, sizeof call->who, "%s", request->caller->name);
        address_format(&request->from, call->from);
        call->service = copy(service, &is_short);
        call->site = copy(body->site, &is_short);
        call->reason = copy(body->reason ? body->reason : "", &is_short);
        call->idempotency_key = copy(key, &is_short);
        call->is_planned = body->is_planned;
        call->is_replacing = body->is_replacing;
        call->is_scripted = body->is_scripted;
        if (body->plan)
            snprintf(call->plan, sizeof call->plan, "%s", body->plan);
        call->overrides = body->overrides;
        call->says = body->says;
    }
    json_decref(body->json);
    if (!is_short)
        return command;
    command_free(command);
    answer_later(request, "out of memory");
    return NULL;
}

/* ---- of a service ------------------------------------------------------------------------------------------------ */

static struct command *service_call(struct request *request, enum call_kind call, enum command_kind kind)
{
    struct call_body body;
    return call_body_read(request, call, &body) ? call_new(request, kind, &body, request->argument) : NULL;
}

void api_call_move(struct request *request)
{
    struct command *command = service_call(request, CALL_MOVE, COMMAND_MOVE);
    if (!command)
        return;
    command->as.operator_call.direction = (enum direction)request->route->what;
    push(request, command);
}

void api_call_plan(struct request *request)
{
    struct command *command = service_call(request, CALL_PLAN, COMMAND_PLAN);
    if (command)
        push(request, command);
}

void api_call_adopt(struct request *request)
{
    struct command *command = service_call(request, CALL_ADOPT, COMMAND_ADOPT);
    if (command)
        push(request, command);
}

void api_call_pause(struct request *request)
{
    struct command *command = service_call(request, CALL_PAUSE, COMMAND_PAUSE);
    if (!command)
        return;
    command->as.operator_call.is_pausing = request->route->what != 0;
    push(request, command);
}

void api_call_vote(struct request *request)
{
    struct command *command = service_call(request, CALL_VOTE, COMMAND_VOTE);
    if (command)
        push(request, command);
}

/* Of the kind that the service is set to where none is asked for. */
void api_call_drill(struct request *request)
{
    const struct model *model = request_http(request)->settings.model;
    int service = model_service_find(model, request->argument);
    struct call_body body;
    if (!call_body_read(request, CALL_DRILL, &body))
        return;
    enum drill_kind kind = body.has_drill || service < 0 ? body.drill : model->services[service].drill.kind;
    struct command *command = call_new(request, COMMAND_DRILL, &body, request->argument);
    if (!command)
        return;
    command->as.operator_call.drill = kind;
    push(request, command);
}

/* ---- of a run ---------------------------------------------------------------------------------------------------- */

static enum call_kind body_of(enum run_call call)
{
    switch (call) {
    case RUN_CALL_APPROVE:
        return CALL_APPROVE;
    case RUN_CALL_RETRY:
        return CALL_RETRY;
    case RUN_CALL_SKIP:
    case RUN_CALL_DONE:
        return CALL_STEP;
    case RUN_CALL_REJECT:
    case RUN_CALL_UNDO:
    case RUN_CALL_CANCEL:
        break;
    }
    return CALL_RUN;
}

void api_call_run(struct request *request)
{
    struct id run;
    enum run_call run_call = (enum run_call)request->route->what;
    if (id_parse(request->argument, strlen(request->argument), &run) != ERR_OK) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no run with this id");
        return;
    }
    struct call_body body;
    if (!call_body_read(request, body_of(run_call), &body))
        return;
    int step = body.step;
    struct command *command = call_new(request, COMMAND_RUN, &body, NULL);
    if (!command)
        return;
    command->as.operator_call.step = step;
    command->as.operator_call.run = run;
    command->as.operator_call.run_call = run_call;
    push(request, command);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static unsigned status_of(enum err err)
{
    switch (err) {
    case ERR_INVALID:
    case ERR_TOO_BIG:
        return MHD_HTTP_BAD_REQUEST;
    case ERR_NOT_FOUND:
        return MHD_HTTP_NOT_FOUND;
    case ERR_CONFLICT:
        return MHD_HTTP_CONFLICT;
    case ERR_DENIED:
        return MHD_HTTP_FORBIDDEN;
    case ERR_OK:
    case ERR_TEMPORARY:
    case ERR_UNKNOWN:
    case ERR_FULL:
    case ERR_BUSY:
    case ERR_CANCELLED:
    case ERR_NO_MEMORY:
    case ERR_IO:
    case ERR_INTERNAL:
        break;
    }
    return MHD_HTTP_SERVICE_UNAVAILABLE;
}

/* What is in the way, and how to insist where that is possible: a guard to be named in `override`, or `replace`. */
static void answer_conflict(struct request *request, const struct command *command, const char *code, const char *why)
{
    json_t *plan = command->as.operator_call.answer;
    enum reason reason = REASON_NONE;
    bool is_reason = reason_parse(code, &reason);
    bool is_overridable = is_reason && reason_is_overridable(reason);
    json_t *answer = json_pack("{s:{s:s, s:s, s:o, s:b}}", "error", "code", code, "message", why, "override",
                               is_overridable ? json_string(code) : json_null(), "replace",
                               is_reason && reason == REASON_RUN_IN_PROGRESS);
    if (answer && plan)
        json_object_set(answer, "plan", plan);
    answer_json(request, MHD_HTTP_CONFLICT, answer);
}

static void answer_refused(struct request *request, const struct command *command)
{
    const char *why = command->why.text[0] ? command->why.text : "this cannot be done at the moment";
    const char *given = command->as.operator_call.code;
    const char *code = given[0] ? given : "refused";
    unsigned status = status_of(command->err);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        answer_later(request, why);
    else if (status == MHD_HTTP_CONFLICT)
        answer_conflict(request, command, code, why);
    else
        answer_error(request, status, code, "%s", why);
}

/* What a vote says, in the words of the call. */
static const char *says_text(enum vote says)
{
    return says == VOTE_UNKNOWN ? "nothing" : vote_text(says);
}

static void answer_done(struct request *request, const struct command *command)
{
    const struct command_operator *call = &command->as.operator_call;
    char run[ID_TEXT_SIZE];
    if (command->kind == COMMAND_PLAN)
        answer_json(request, MHD_HTTP_OK, json_incref(call->answer));
    else if (command->kind == COMMAND_ADOPT)
        answer_json(request, MHD_HTTP_OK, json_pack("{s:s}", "active", call->site));
    else if (command->kind == COMMAND_PAUSE)
        answer_json(request, MHD_HTTP_OK, json_pack("{s:b}", "paused", call->is_pausing));
    else if (command->kind == COMMAND_VOTE)
        answer_json(request, MHD_HTTP_OK, json_pack("{s:s, s:s}", "site", call->site, "says", says_text(call->says)));
    else if (command->kind == COMMAND_DRILL && call->drill == DRILL_PLAN)
        answer_json(request, MHD_HTTP_OK, json_pack("{s:O?}", "plan", call->answer));
    else
        answer_json(request,
                    command->kind == COMMAND_MOVE || command->kind == COMMAND_DRILL ? MHD_HTTP_ACCEPTED : MHD_HTTP_OK,
                    json_pack("{s:s}", "run", id_format(&call->answer_run, run)));
}

void api_call_answered(struct request *request)
{
    struct exchange *exchange = exchange_end(request);
    if (atomic_load(&exchange->state) == EXCHANGE_LATE)
        answer_later(request, "it is not known whether this was done: the store did not answer in time. Look first");
    else if (exchange->command->err != ERR_OK)
        answer_refused(request, exchange->command);
    else
        answer_done(request, exchange->command);
    exchange_release(exchange);
}

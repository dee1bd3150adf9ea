/* Operators' calls: a small JSON body becomes a command, and the answer comes with its commit. */
#include "http/http_internal.h"

#include "base/clock.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_REASON 1000
#define MAX_IDEMPOTENCY_KEY 255

/* A call that nobody can mean: answered 400, and on record like every call that is refused. */
PRINTF_LIKE(3, 4)
static void refuse_call(struct request *request, const char *code, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer_error(request, MHD_HTTP_BAD_REQUEST, code, "%s", text);
    refusal_of_call(request, request->caller, text);
}

/* ---- the body ---------------------------------------------------------------------------------------------------- */

/* Keys of a call's body. What interface names but no code answers yet is refused as such, and not as a mistake. */
struct call_keys {
    const char *known[3]; /* ends with NULL */
    const char *later[5];
};

static const struct call_keys move_keys = {{"to", "reason", NULL}, {"planned", "override", "replace", "plan", NULL}};
static const struct call_keys adopt_keys = {{"to", "reason", NULL}, {NULL}};
static const struct call_keys run_keys = {{"reason", NULL}, {NULL}};

static bool is_among(const char *const *words, const char *word)
{
    for (; *words; words++) {
        if (strcmp(*words, word) == 0)
            return true;
    }
    return false;
}

/* How many letters two words share at their beginning and end: enough to tell which of two or three was meant. */
static size_t likeness(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b), head = 0, tail = 0;
    size_t shorter = a_len < b_len ? a_len : b_len;
    while (head < shorter && a[head] == b[head])
        head++;
    while (tail < shorter - head && a[a_len - 1 - tail] == b[b_len - 1 - tail])
        tail++;
    return head + tail;
}

static const char *nearest(const char *const *words, const char *word)
{
    const char *best = *words;
    for (; *words; words++) {
        if (likeness(*words, word) > likeness(best, word))
            best = *words;
    }
    return best;
}

static bool keys_are_known(struct request *request, const json_t *body, const struct call_keys *keys)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)body, key, value)
    {
        if (is_among(keys->later, key))
            refuse_call(request, "not_supported", "`%s` is not supported yet", key);
        else if (!is_among(keys->known, key))
            refuse_call(request, "unknown_key", "there is no `%.64s` here; is it `%s`?", key,
                        nearest(keys->known, key));
        else if (!json_is_string(value))
            refuse_call(request, "invalid", "`%s` must be a string", key);
        else if (json_string_length(value) > MAX_REASON)
            refuse_call(request, "invalid", "`%s` is longer than %d bytes", key, MAX_REASON);
        if (request->response)
            return false;
    }
    return true;
}

static bool is_blank(const char *text)
{
    return !text || text[strspn(text, " \t\r\n")] == '\0';
}

/* The call's body as an object of strings. NULL after answering 400. */
static json_t *read_body(struct request *request, const struct call_keys *keys)
{
    json_error_t error;
    json_t *body = json_loadb(request->body ? request->body : "", request->body_len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(body))
        refuse_call(request, "invalid", "expected a JSON object: %s", body ? "this is an array" : error.text);
    else if (keys_are_known(request, body, keys) && is_blank(json_string_value(json_object_get(body, "reason"))))
        refuse_call(request, "reason_missing", "a `reason` is needed: it goes on record");
    if (!request->response)
        return body;
    json_decref(body);
    return NULL;
}

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
    struct exchange *exchange = exchange_begin(request, clock_steady_ms() + settings->commit_deadline_ms);
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

/* What all calls have in common. Takes `body`. NULL after answering. */
static struct command *call_new(struct request *request, enum command_kind kind, json_t *body, const char *service)
{
    const char *key = request_header(request, "Idempotency-Key");
    if (key && !key_is_right(request, key)) {
        json_decref(body);
        return NULL;
    }
    struct command *command = command_new(kind);
    bool is_short = !command;
    if (command) {
        struct command_operator *call = &command->as.operator_call;
        snprintf(call->who, sizeof call->who, "%s", request->caller->name);
        address_format(&request->from, call->from);
        call->service = copy(service, &is_short);
        call->site = copy(json_string_value(json_object_get(body, "to")), &is_short);
        call->reason = copy(json_string_value(json_object_get(body, "reason")), &is_short);
        call->idempotency_key = copy(key, &is_short);
    }
    json_decref(body);
    if (!is_short)
        return command;
    command_free(command);
    answer_later(request, "out of memory");
    return NULL;
}

void api_call_move(struct request *request)
{
    json_t *body = read_body(request, &move_keys);
    struct command *command = body ? call_new(request, COMMAND_MOVE, body, request->argument) : NULL;
    if (!command)
        return;
    command->as.operator_call.direction = (enum direction)request->route->what;
    push(request, command);
}

void api_call_adopt(struct request *request)
{
    json_t *body = read_body(request, &adopt_keys);
    if (body && is_blank(json_string_value(json_object_get(body, "to")))) {
        json_decref(body);
        refuse_call(request, "invalid", "`to` is needed: the site that is active");
        return;
    }
    struct command *command = body ? call_new(request, COMMAND_ADOPT, body, request->argument) : NULL;
    if (command)
        push(request, command);
}

void api_call_run(struct request *request)
{
    struct id run;
    if (id_parse(request->argument, strlen(request->argument), &run) != ERR_OK) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no run with this id");
        return;
    }
    json_t *body = read_body(request, &run_keys);
    struct command *command = body ? call_new(request, COMMAND_RUN, body, NULL) : NULL;
    if (!command)
        return;
    command->as.operator_call.run = run;
    command->as.operator_call.run_call = (enum run_call)request->route->what;
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

static void answer_refused(struct request *request, const struct command *command)
{
    const char *why = command->why.text[0] ? command->why.text : "this cannot be done at the moment";
    const char *code = command->as.operator_call.code;
    unsigned status = status_of(command->err);
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        answer_later(request, why);
    else
        answer_error(request, status, code[0] ? code : "refused", "%s", why);
}

static void answer_done(struct request *request, const struct command *command)
{
    const struct command_operator *call = &command->as.operator_call;
    char run[ID_TEXT_SIZE];
    if (command->kind == COMMAND_ADOPT)
        answer_json(request, MHD_HTTP_OK, json_pack("{s:s}", "active", call->site));
    else
        answer_json(request, command->kind == COMMAND_MOVE ? MHD_HTTP_ACCEPTED : MHD_HTTP_OK,
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

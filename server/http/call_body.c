/* The body of an operator's call: a small JSON object of which every key and value is known, or the call is refused
 * with what would be right. Somebody types it at night: whatever is not understood must not be left out silently. */
#include "http/http_internal.h"

#include "core/decide.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_REASON 1000
#define MAX_GUARDS 8 /* named in one call */

void refuse_call(struct request *request, const char *code, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    answer_error(request, MHD_HTTP_BAD_REQUEST, code, "%s", text);
    refusal_of_call(request, request->caller, text);
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static void read_text(struct request *request, const char *key, const json_t *value, const char **ret)
{
    if (!json_is_string(value))
        refuse_call(request, "invalid", "`%s` must be a string", key);
    else if (json_string_length(value) > MAX_REASON)
        refuse_call(request, "invalid", "`%s` is longer than %d bytes", key, MAX_REASON);
    else
        *ret = json_string_value(value);
}

static void read_hash(struct request *request, const json_t *value, const char **ret)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strlen(text) == 64 && strspn(text, "0123456789abcdef") == 64)
        *ret = text;
    else
        refuse_call(request, "invalid", "`plan` must be the hash of a plan: 64 hex digits");
}

static void read_flag(struct request *request, const char *key, const json_t *value, bool *ret)
{
    if (!json_is_boolean(value))
        refuse_call(request, "invalid", "`%s` must be true or false", key);
    else
        *ret = json_is_true(value);
}

static void read_step(struct request *request, const json_t *value, int *ret)
{
    double step = json_is_number(value) ? json_number_value(value) : -1; /* 1.0 is a whole number, too */
    if (!(step >= 0 && step < 2 * MAX_STEPS) || step != (int)step)
        refuse_call(request, "invalid", "`step` must be the `n` of a step of the run, from 0 on");
    else
        *ret = (int)step;
}

static void read_kind(struct request *request, const json_t *value, struct call_body *body)
{
    body->has_drill = json_is_string(value) && drill_kind_parse(json_string_value(value), &body->drill);
    if (!body->has_drill)
        refuse_call(request, "invalid", "`kind` must be \"plan\" or \"canary\"");
}

static void read_says(struct request *request, const json_t *value, enum vote *ret)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    if (strcmp(text, "nothing") == 0)
        *ret = VOTE_UNKNOWN;
    else if (!vote_parse(text, ret) || *ret == VOTE_UNKNOWN)
        refuse_call(request, "invalid", "`says` must be \"down\" or \"up\", or \"nothing\" to withdraw what was said");
}

/* "target_down and preflight": what an operator may override. */
static const char *overridable(char *to, size_t size)
{
    size_t len = 0;
    to[0] = '\0';
    for (int i = 0; i <= REASON_UNKNOWN_FROM && len < size; i++) {
        if (reason_is_overridable((enum reason)i))
            len += (size_t)snprintf(to + len, size - len, "%s%s", len ? ", " : "", reason_text((enum reason)i));
    }
    return to;
}

static void refuse_guard(struct request *request, const char *name, bool is_reason)
{
    char names[64];
    if (is_reason && strcmp(name, reason_text(REASON_RUN_IN_PROGRESS)) == 0)
        refuse_call(request, "invalid", "a run in progress is not overridden but taken over: `\"replace\": true`");
    else if (is_reason)
        refuse_call(request, "invalid", "`%s` cannot be overridden, or never refuses a person; what can be: %s", name,
                    overridable(names, sizeof names));
    else
        refuse_call(request, "invalid", "there is no guard `%.64s`; what can be overridden: %s", name,
                    overridable(names, sizeof names));
}

static void read_guards(struct request *request, const json_t *value, uint64_t *ret)
{
    char names[64];
    if (!json_is_array(value) || json_array_size(value) > MAX_GUARDS) {
        refuse_call(request, "invalid", "`override` must be a list of guards' names: %s",
                    overridable(names, sizeof names));
        return;
    }
    size_t i;
    const json_t *item;
    json_array_foreach(value, i, item)
    {
        enum reason reason = REASON_NONE;
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        bool is_reason = reason_parse(name, &reason);
        if (!is_reason || !reason_is_overridable(reason)) {
            refuse_guard(request, name, is_reason);
            return;
        }
        *ret |= UINT64_C(1) << reason;
    }
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

/* Of each call: its keys. */
static const struct {
    enum call_kind kind;
    const char *keys[8]; /* ends with NULL */
} calls[] = {
    {CALL_MOVE, {"to", "planned", "override", "replace", "plan", "reason", NULL}},
    {CALL_PLAN, {"to", "planned", "scripted", NULL}},
    {CALL_ADOPT, {"to", "reason", NULL}},
    {CALL_PAUSE, {"reason", NULL}},
    {CALL_VOTE, {"site", "says", "reason", NULL}},
    {CALL_APPROVE, {"override", "plan", "reason", NULL}},
    {CALL_RUN, {"reason", NULL}},
    {CALL_STEP, {"step", "reason", NULL}},
    {CALL_RETRY, {"step", "override", "reason", NULL}},
    {CALL_DRILL, {"kind", "to", "reason", NULL}},
};

static bool is_among(const char *const *words, const char *word)
{
    for (; *words; words++) {
        if (strcmp(*words, word) == 0)
            return true;
    }
    return false;
}

/* How many letters two words share at their beginning and end: enough to tell which of a few was meant. */
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

static void read_value(struct request *request, const char *key, const json_t *value, struct call_body *body)
{
    if (strcmp(key, "reason") == 0)
        read_text(request, key, value, &body->reason);
    else if (strcmp(key, "to") == 0 || strcmp(key, "site") == 0)
        read_text(request, key, value, &body->site);
    else if (strcmp(key, "planned") == 0)
        read_flag(request, key, value, &body->is_planned);
    else if (strcmp(key, "replace") == 0)
        read_flag(request, key, value, &body->is_replacing);
    else if (strcmp(key, "scripted") == 0)
        read_flag(request, key, value, &body->is_scripted);
    else if (strcmp(key, "plan") == 0)
        read_hash(request, value, &body->plan);
    else if (strcmp(key, "override") == 0)
        read_guards(request, value, &body->overrides);
    else if (strcmp(key, "says") == 0)
        read_says(request, value, &body->says);
    else if (strcmp(key, "step") == 0)
        read_step(request, value, &body->step);
    else if (strcmp(key, "kind") == 0)
        read_kind(request, value, body);
}

static bool is_blank(const char *text)
{
    return !text || text[strspn(text, " \t\r\n")] == '\0';
}

static void check_needed(struct request *request, enum call_kind kind, const struct call_body *body)
{
    if (kind == CALL_PLAN) /* nothing is changed */
        return;
    if (is_blank(body->reason))
        refuse_call(request, "reason_missing", "a `reason` is needed: it goes on record");
    else if (kind == CALL_ADOPT && is_blank(body->site))
        refuse_call(request, "invalid", "`to` is needed: the site that is active");
    else if (kind == CALL_VOTE && is_blank(body->site))
        refuse_call(request, "invalid", "`site` is needed: the site of which you say something");
    else if (kind == CALL_VOTE && !json_object_get(body->json, "says"))
        refuse_call(request, "invalid", "`says` is needed: \"down\", \"up\" or \"nothing\"");
}

bool call_body_read(struct request *request, enum call_kind kind, struct call_body *ret)
{
    json_error_t error;
    struct call_body body = {.says = VOTE_UNKNOWN, .step = -1};
    body.json = json_loadb(request->body ? request->body : "", request->body_len, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(body.json)) {
        refuse_call(request, "invalid", "expected a JSON object: %s", body.json ? "this is an array" : error.text);
        json_decref(body.json);
        return false;
    }
    const char *const *keys = calls[kind].keys;
    const char *key;
    json_t *value;
    json_object_foreach(body.json, key, value)
    {
        if (!is_among(keys, key))
            refuse_call(request, "unknown_key", "there is no `%.64s` here; is it `%s`?", key, nearest(keys, key));
        else
            read_value(request, key, value, &body);
        if (request->response)
            break;
    }
    if (!request->response)
        check_needed(request, kind, &body);
    if (!request->response) {
        *ret = body;
        return true;
    }
    json_decref(body.json);
    return false;
}

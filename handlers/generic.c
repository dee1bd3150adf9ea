/* A JSON body of any monitor: the configuration says where in it an alert's identity, state, time and labels are.
 *
 * What is there is read as it is and nothing is guessed: a state that is neither among those that mean up nor among
 * those that mean down is the state "unknown", which is no vote. A null on the way to the identity or the state is how
 * monitors say that there is none (a test button, a reminder about a certificate): such a delivery is kept and holds no
 * alert. What is absent altogether is a mistake in the configuration or the sender's template, and refused with its
 * pointer. The signature is verified before the body is looked at. Do not add what only one monitor needs: it has a
 * kind of its own then. */
#include "handlers/document.h"
#include "handlers/generic_check.h"
#include "handlers/generic_time.h"
#include "handlers/signature.h"
#include "handlers/source.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_BODY ((size_t)256 * 1024)
#define MAX_ITEMS 1000         /* alerts of one body */
#define MAX_IDENTITY_PART 1024 /* bytes at one pointer */

/* source->state: what standard_webhooks_secret stands for. */
struct generic {
    struct secret_list keys;
};

struct parsed_alert {
    struct parsed_alert *next;
    struct handler_alert alert;
};

struct parser {
    const json_t *args;
    struct handler_result *result;
    struct errmsg *why;
    struct arena arena;
    struct labels labels; /* of the alert being read */
    struct parsed_alert *first, **last;
    char where[32]; /* "items[3]: " in messages */
};

static const char *text_of(const json_t *args, const char *row)
{
    return json_string_value(json_object_get(args, row));
}

/* How much of a text from outside goes into a message. */
static int shown(const struct json_text *text)
{
    return text->len > 64 ? 64 : (int)text->len;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

/* The scalar at a pointer as text. With ERR_OK and `ret->text` NULL there is a null, and `nothing` says so. */
static enum err scalar_at(struct parser *p, json_t *item, const char *row, const char *pointer, struct json_text *ret)
{
    json_t *value;
    *ret = (struct json_text){NULL, 0};
    switch (document_find(item, pointer, &value)) {
    case DOCUMENT_NULL:
        if (!p->result->nothing[0])
            snprintf(p->result->nothing, sizeof p->result->nothing,
                     "%s\"%.100s\" (%s) is null: a test, or not about the state of anything", p->where, pointer, row);
        return ERR_OK;
    case DOCUMENT_NOTHING:
        return err_set(p->why, ERR_INVALID, "%sthere is nothing at \"%.100s\" (%s)", p->where, pointer, row);
    case DOCUMENT_FOUND:
        break;
    }
    if (document_text(value, &p->arena, ret))
        return ERR_OK;
    if (json_is_object(value) || json_is_array(value))
        return err_set(p->why, ERR_INVALID, "%s\"%.100s\" (%s) must be a string, a number or true or false, not %s",
                       p->where, pointer, row, json_is_object(value) ? "an object" : "an array");
    return err_set(p->why, ERR_NO_MEMORY, "out of memory");
}

/* ---- the fields of an alert -------------------------------------------------------------------------------------- */

/* The texts with a NUL, which no text of a document holds, between them: so no two lists of texts are the same. */
static enum err join(struct parser *p, const struct json_text *parts, size_t n, struct json_text *ret)
{
    size_t len = n - 1;
    for (size_t i = 0; i < n; i++)
        len += parts[i].len;
    if (len == n - 1)
        return err_set(p->why, ERR_INVALID, "%sall of the identity is empty, so nothing tells this alert from others",
                       p->where);
    char *identity = arena_get(&p->arena, len);
    if (!identity)
        return err_set(p->why, ERR_NO_MEMORY, "out of memory");
    *ret = (struct json_text){identity, len};
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            *identity++ = '\0';
        if (parts[i].len > 0)
            memcpy(identity, parts[i].text, parts[i].len);
        identity += parts[i].len;
    }
    return ERR_OK;
}

/* What is at all the pointers. With ERR_OK and `ret->text` NULL there is a null. */
static enum err read_identity(struct parser *p, json_t *item, struct json_text *ret)
{
    const json_t *pointers = json_object_get(p->args, "identity");
    size_t n = json_array_size(pointers);
    struct json_text parts[GENERIC_MAX_IDENTITY];
    bool is_null = false;
    *ret = (struct json_text){NULL, 0};
    for (size_t i = 0; i < n; i++) {
        const char *pointer = json_string_value(json_array_get(pointers, i));
        enum err err = scalar_at(p, item, "identity", pointer, &parts[i]);
        if (err != ERR_OK)
            return err;
        is_null |= !parts[i].text;
        if (parts[i].len > MAX_IDENTITY_PART)
            return err_set(p->why, ERR_TOO_BIG, "%s\"%.100s\" (identity) is longer than %d bytes", p->where, pointer,
                           MAX_IDENTITY_PART);
    }
    return is_null ? ERR_OK : join(p, parts, n, ret);
}

/* Of what moves nothing, as a reminder that does not say of which state: kept, and no alert. */
static bool is_ignored(struct parser *p, const struct json_text *state)
{
    if (!generic_is_listed(json_object_get(p->args, "ignored"), state))
        return false;
    if (!p->result->nothing[0])
        snprintf(p->result->nothing, sizeof p->result->nothing, "%sthe state is \"%.*s\", which is to be ignored",
                 p->where, shown(state), state->text);
    return true;
}

static enum alert_state state_of(const json_t *args, const struct json_text *text)
{
    if (generic_is_listed(json_object_get(args, "down"), text))
        return ALERT_FIRING;
    return generic_is_listed(json_object_get(args, "up"), text) ? ALERT_UP : ALERT_UNKNOWN;
}

/* A time that cannot be read must not cost us the alert: the order of arrival counts then, and the notice says so. */
static void note_time(struct parser *p, const char *pointer, json_t *value, const char *format)
{
    struct json_text text = {"", 0};
    if (p->result->notice_kind || (json_is_string(value) && json_string_length(value) == 0))
        return;
    if (!document_text(value, &p->arena, &text))
        text = (struct json_text){"an object or array", 18};
    p->result->notice_kind = "time";
    p->result->is_loud = true;
    snprintf(p->result->notice, sizeof p->result->notice,
             "%sthe time at \"%.60s\" is %.*s, which is not %s; the order of arrival counts", p->where, pointer,
             shown(&text), text.text, format);
}

/* The first of the pointers that finds a time. */
static int64_t read_time(struct parser *p, json_t *item)
{
    const char *format = text_of(p->args, "time_format");
    const json_t *pointers = json_object_get(p->args, "time");
    const char *unread_at = NULL;
    json_t *unread = NULL;
    for (size_t i = 0; i < json_array_size(pointers); i++) {
        const char *pointer = json_string_value(json_array_get(pointers, i));
        int64_t ms;
        json_t *value;
        if (document_find(item, pointer, &value) != DOCUMENT_FOUND)
            continue;
        if (generic_time_read(value, format, &ms))
            return ms;
        unread_at = pointer;
        unread = value;
    }
    if (unread)
        note_time(p, unread_at, unread, format);
    return TIME_UNKNOWN;
}

static enum err read_labels(struct parser *p, json_t *item, struct handler_alert *alert)
{
    const char *name;
    json_t *pointer;
    p->labels.n = 0;
    json_object_foreach(json_object_get(p->args, "labels"), name, pointer)
        labels_add_value(&p->labels, name, document_at(item, json_string_value(pointer)), &p->arena);
    struct label *labels = arena_get(&p->arena, p->labels.n * sizeof *labels);
    if (!labels)
        return err_set(p->why, ERR_NO_MEMORY, "out of memory");
    if (p->labels.n > 0)
        memcpy(labels, p->labels.items, p->labels.n * sizeof *labels);
    alert->labels = labels;
    alert->n_labels = p->labels.n;
    return ERR_OK;
}

/* ---- the body ---------------------------------------------------------------------------------------------------- */

static enum err read_item(struct parser *p, json_t *item)
{
    struct json_text identity, state;
    enum err err = read_identity(p, item, &identity);
    if (err == ERR_OK)
        err = scalar_at(p, item, "state", text_of(p->args, "state"), &state);
    if (err != ERR_OK || !identity.text || !state.text || is_ignored(p, &state))
        return err;
    struct parsed_alert *parsed = arena_get(&p->arena, sizeof *parsed);
    if (!parsed)
        return err_set(p->why, ERR_NO_MEMORY, "out of memory");
    int64_t at = read_time(p, item);
    enum alert_state what = state_of(p->args, &state);
    parsed->next = NULL;
    parsed->alert = (struct handler_alert){
        .state = what,
        .starts_at = what == ALERT_FIRING ? at : TIME_UNKNOWN,
        .ends_at = what == ALERT_UP ? at : TIME_UNKNOWN,
        .asserted_at = at,
        .identity = identity.text,
        .identity_len = identity.len,
    };
    *p->last = parsed;
    p->last = &parsed->next;
    return read_labels(p, item, &parsed->alert);
}

static enum err read_items(struct parser *p, json_t *root, const char *pointer)
{
    json_t *items;
    enum document_found found = document_find(root, pointer, &items);
    if (found == DOCUMENT_NOTHING)
        return err_set(p->why, ERR_INVALID, "there is nothing at \"%.100s\" (items)", pointer);
    if (found == DOCUMENT_FOUND && !json_is_array(items))
        return err_set(p->why, ERR_INVALID, "\"%.100s\" (items) must be an array", pointer);
    size_t n = json_array_size(items);
    if (n > MAX_ITEMS)
        return err_set(p->why, ERR_TOO_BIG, "\"%.100s\" (items) holds %zu alerts; %d is the most", pointer, n,
                       MAX_ITEMS);
    if (n == 0)
        snprintf(p->result->nothing, sizeof p->result->nothing, "\"%.100s\" (items) holds none", pointer);
    enum err err = ERR_OK;
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        snprintf(p->where, sizeof p->where, "items[%zu]: ", i);
        err = read_item(p, json_array_get(items, i));
    }
    return err;
}

static enum err read_body(struct parser *p, const struct handler_request *request, json_t **ret_root)
{
    enum err err = document_load(request->body, request->len, ret_root, p->why);
    if (err == ERR_INVALID)
        return err_prefix(p->why, err, "the body is not JSON, which is what the monitor must be set to send");
    if (err != ERR_OK)
        return err;
    const char *items = text_of(p->args, "items");
    return items ? read_items(p, *ret_root, items) : read_item(p, *ret_root);
}

static enum err give(struct parser *p)
{
    enum err err = ERR_OK;
    if (p->first)
        p->result->nothing[0] = '\0'; /* of other items */
    for (const struct parsed_alert *parsed = p->first; parsed && err == ERR_OK; parsed = parsed->next)
        err = p->result->take(p->result->context, &parsed->alert, p->why);
    return err;
}

static enum err verify(const struct handler_request *request, struct errmsg *why)
{
    const struct source *source = request->source;
    const struct generic *generic = source->state;
    const char *prefix = text_of(source->args, "hmac_prefix");
    const char *encoding = text_of(source->args, "hmac_encoding");
    int64_t tolerance_ms = json_integer_value(json_object_get(source->args, "tolerance"));
    const struct signature_rule rule = {
        .secrets = source_secrets(source, "hmac_secret"),
        .header = text_of(source->args, "hmac_header"),
        .prefix = prefix ? prefix : "",
        .encoding = encoding && strcmp(encoding, "base64") == 0 ? SIGNATURE_BASE64 : SIGNATURE_HEX,
    };
    if (generic->keys.n > 0)
        return signature_verify_standard(&generic->keys, tolerance_ms, request, why);
    return rule.secrets->n > 0 ? signature_verify(&rule, request, why) : ERR_OK;
}

static enum err generic_parse(const struct handler_request *request, struct handler_result *result, struct errmsg *why)
{
    enum err err = verify(request, why);
    if (err != ERR_OK)
        return err;
    struct parser p;
    json_t *root = NULL;
    arena_init(&p.arena);
    p.args = request->source->args;
    p.result = result;
    p.why = why;
    p.first = NULL;
    p.last = &p.first;
    p.where[0] = '\0';
    err = read_body(&p, request, &root);
    if (err == ERR_OK)
        err = give(&p);
    json_decref(root);
    arena_done(&p.arena);
    return err;
}

/* ---- the configuration ------------------------------------------------------------------------------------------- */

static enum err check_signature(const struct source *source, struct errmsg *why)
{
    bool has_hmac = source_secrets(source, "hmac_secret")->n > 0;
    bool has_header = json_object_get(source->args, "hmac_header");
    if (has_hmac && source_secrets(source, "standard_webhooks_secret")->n > 0)
        return err_set(why, ERR_INVALID,
                       "\"hmac_secret\" and \"standard_webhooks_secret\" are two ways to sign; give one");
    if (has_hmac && !has_header)
        return err_set(why, ERR_INVALID, "\"hmac_secret\" needs \"hmac_header\", the header that holds the signature");
    if (!has_hmac && (has_header || json_object_get(source->args, "hmac_prefix")))
        return err_set(why, ERR_INVALID, "\"hmac_header\" and \"hmac_prefix\" need \"hmac_secret\"");
    return ERR_OK;
}

static enum err read_keys(const struct source *source, struct secret_list *keys, struct errmsg *why)
{
    const struct secret_list *texts = source_secrets(source, "standard_webhooks_secret");
    for (size_t i = 0; i < texts->n; i++) {
        struct secret *key = secret_list_add(keys);
        if (!key)
            return err_set(why, ERR_NO_MEMORY, "out of memory");
        enum err err = signature_key_read(&texts->items[i], key, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static enum err generic_open(struct source *source, struct errmsg *why)
{
    enum err err = generic_check(source->args, why);
    if (err == ERR_OK)
        err = check_signature(source, why);
    if (err != ERR_OK)
        return err;
    struct generic *generic = calloc(1, sizeof *generic);
    if (!generic)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    source->state = generic; /* close() frees it, after an error too */
    return read_keys(source, &generic->keys, why);
}

static void generic_close(struct source *source)
{
    struct generic *generic = source->state;
    secret_list_done(&generic->keys);
    free(generic);
}

static bool generic_is_signed(const struct source *source)
{
    return source_secrets(source, "hmac_secret")->n > 0 || source_secrets(source, "standard_webhooks_secret")->n > 0;
}

static bool generic_has_label(const struct source *source, const char *name)
{
    return json_object_get(json_object_get(source->args, "labels"), name) != NULL;
}

static const struct row rows[] = {
    {.name = "identity",
     .type = ROW_STRINGS,
     .is_required = true,
     .help = "JSON pointers to what tells one alert from others and is the same when it is over, as /monitor/id"},
    {.name = "state", .type = ROW_STRING, .is_required = true, .help = "JSON pointer to the state"},
    {.name = "down",
     .type = ROW_STRINGS,
     .is_required = true,
     .help = "states that mean down, exactly as they are sent"},
    {.name = "up",
     .type = ROW_STRINGS,
     .is_required = true,
     .help = "states that mean that what is watched works; any other state is \"unknown\", which is no vote"},
    {.name = "ignored",
     .type = ROW_STRINGS,
     .help = "states that say nothing new, as a reminder; such a delivery is kept and changes nothing"},
    {.name = "time",
     .type = ROW_STRINGS,
     .help = "JSON pointers to when the monitor found it so; the first that finds a time counts. It puts deliveries in "
             "order; without it the order of arrival counts"},
    {.name = "time_format",
     .type = ROW_CHOICE,
     .choices = GENERIC_TIME_FORMATS,
     .default_text = "rfc3339",
     .help =
         "rfc3339: 2026-11-21T02:00:05Z, with a zone; utc: the same without one, also with a blank for the T and with "
         "\".\" or \"/\" in the date; unix, unix_ms: seconds or milliseconds since 1970"},
    {.name = "labels", .type = ROW_TEXTS, .help = "names for \"match\", each with the JSON pointer to its value"},
    {.name = "items",
     .type = ROW_STRING,
     .help =
         "JSON pointer to an array, for bodies of several alerts; all other pointers then begin at each of its items"},
    {.name = "hmac_secret",
     .type = ROW_SECRETS,
     .help = "secret of an HMAC-SHA256 over the body; with it every delivery must be signed"},
    {.name = "hmac_header", .type = ROW_STRING, .min = 1, .max = 128, .help = "header that holds the signature"},
    {.name = "hmac_prefix",
     .type = ROW_STRING,
     .min = 1,
     .max = 64,
     .help = "what stands before the signature in that header, as sha256="},
    {.name = "hmac_encoding",
     .type = ROW_CHOICE,
     .choices = "hex|base64",
     .default_text = "hex",
     .help = "how the signature is written"},
    {.name = "standard_webhooks_secret",
     .type = ROW_SECRETS,
     .help = "secret of Standard Webhooks, whsec_…; with it every delivery must be signed in webhook-signature"},
    {.name = "tolerance",
     .type = ROW_DURATION,
     .default_text = "5m",
     .min = 1000,
     .max = 24 * 3600 * 1000,
     .help = "how far the time in webhook-timestamp may be from ours"},
    {.name = NULL},
};

extern const struct handler handler_generic;
const struct handler handler_generic = {
    .kind = "generic",
    .help =
        "Any monitor that sends JSON: Uptime Kuma, Gatus, Better Stack, healthchecks.io, Zabbix, Datadog and others",
    .rows = rows,
    .labels_help = "those that \"labels\" of the source names",
    .has_label = generic_has_label,
    .methods = "POST, PUT",
    .media = HANDLER_ANY_MEDIA,
    .max_body = MAX_BODY,
    .open = generic_open,
    .close = generic_close,
    .is_signed = generic_is_signed,
    .parse = generic_parse,
};

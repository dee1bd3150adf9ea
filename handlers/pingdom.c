/* Pingdom's webhook of state changes, version 1 of its body.
 *
 * The format: Pingdom's description of its webhooks, and what its receivers have met. What a check watches stands in
 * check_params, of which each type has its own and any may be missing; so may the second probe, the importance, the
 * version and more, of older bodies and of tests: only current_state and check_id are asked for.
 * Uptime checks are UP or DOWN, transaction checks SUCCESS or FAILING, and the two may count apart: the type is part of
 * the identity. A state that is neither is recorded and is no vote. A delivery may overtake another: what counts is
 * when the state changed. The Content-Type it comes with is not documented, so the body itself is looked at.
 * Do not read previous_state: tests repeat the state there, and the order is not that of arrival. */
#include "handlers/handler.h"

#include "base/clock.h"
#include "core/json_whole.h"
#include "handlers/document.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define MAX_BODY ((size_t)256 * 1024)
#define MAX_TAGS 128 /* more are not looked at */

/* What receivers of another webhook of Pingdom's would look for. */
#define OF_BEEPMANAGER                                                                                                 \
    "this is the webhook of Pingdom's BeepManager, which tells of incidents and not of checks: take the webhook "      \
    "under "                                                                                                           \
    "Integrations, and give it to each check"

struct fields {
    struct json_text check_id, check_name, check_type, state, seconds, utc, hostname, importance;
    struct json_text tags[MAX_TAGS];
    size_t n_tags;
    bool is_incident; /* it has a field that only BeepManager's have */
};

struct parser {
    struct json_reader reader;
    struct arena arena;
    struct fields fields;
};

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* A string or a number as it is written; anything else says nothing. False: the body is at an error. */
static bool read_scalar(struct json_reader *reader, struct json_text *ret)
{
    enum json_kind kind = json_reader_peek(reader);
    if (kind == JSON_KIND_TEXT)
        return json_reader_text(reader, ret);
    if (kind == JSON_KIND_NUMBER)
        return json_reader_number(reader, ret);
    return json_reader_skip(reader);
}

static bool read_tags(struct parser *p)
{
    if (json_reader_peek(&p->reader) != JSON_KIND_ARRAY)
        return json_reader_skip(&p->reader);
    if (!json_reader_array(&p->reader))
        return false;
    while (json_reader_item(&p->reader)) {
        struct json_text tag = {NULL, 0};
        if (!read_scalar(&p->reader, &tag))
            return false;
        if (tag.text && p->fields.n_tags < MAX_TAGS)
            p->fields.tags[p->fields.n_tags++] = tag;
    }
    return p->reader.err == ERR_OK;
}

static bool read_params(struct parser *p)
{
    if (json_reader_peek(&p->reader) != JSON_KIND_OBJECT)
        return json_reader_skip(&p->reader);
    if (!json_reader_object(&p->reader))
        return false;
    struct json_text name;
    while (json_reader_member(&p->reader, &name)) {
        bool is_read = json_text_is(&name, "hostname") ? read_scalar(&p->reader, &p->fields.hostname)
                                                       : json_reader_skip(&p->reader);
        if (!is_read)
            return false;
    }
    return p->reader.err == ERR_OK;
}

static bool read_field(struct parser *p, const struct json_text *name)
{
    struct fields *fields = &p->fields;
    const struct {
        const char *name;
        struct json_text *text;
    } scalars[] = {
        {"check_id", &fields->check_id},
        {"check_name", &fields->check_name},
        {"check_type", &fields->check_type},
        {"current_state", &fields->state},
        {"state_changed_timestamp", &fields->seconds},
        {"state_changed_utc_time", &fields->utc},
        {"importance_level", &fields->importance},
    };
    for (size_t i = 0; i < sizeof scalars / sizeof scalars[0]; i++) {
        if (json_text_is(name, scalars[i].name))
            return read_scalar(&p->reader, scalars[i].text);
    }
    if (json_text_is(name, "tags"))
        return read_tags(p);
    if (json_text_is(name, "check_params"))
        return read_params(p);
    fields->is_incident |= json_text_is(name, "incidentid");
    return json_reader_skip(&p->reader);
}

/* BeepManager's comes as the query or the form `message={…}`. */
static bool is_of_beepmanager(const struct handler_request *request)
{
    static const char message[] = "message=";
    for (size_t i = 0; i < request->n_query; i++) {
        if (strcmp(request->query[i].name, "message") == 0)
            return true;
    }
    return request->len >= sizeof message - 1 && memcmp(request->body, message, sizeof message - 1) == 0;
}

static enum err read_body(struct parser *p, const struct handler_request *request, struct errmsg *why)
{
    if (is_of_beepmanager(request))
        return err_set(why, ERR_INVALID, OF_BEEPMANAGER);
    json_reader_init(&p->reader, request->body, request->len, &p->arena, why);
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_OBJECT)
        return err_set(why, ERR_INVALID, "the body must be a JSON object as Pingdom sends it, not %s",
                       json_kind_text(kind));
    struct json_text name;
    if (!json_reader_object(&p->reader))
        return p->reader.err;
    while (json_reader_member(&p->reader, &name)) {
        if (!read_field(p, &name))
            return p->reader.err;
    }
    return json_reader_end(&p->reader);
}

/* ---- the alert --------------------------------------------------------------------------------------------------- */

static bool is_word(const struct json_text *text, const char *word)
{
    return text->len == strlen(word) && strncasecmp(text->text, word, text->len) == 0;
}

static enum alert_state state_of(const struct json_text *text)
{
    if (is_word(text, "DOWN") || is_word(text, "FAILING"))
        return ALERT_FIRING;
    if (is_word(text, "UP") || is_word(text, "SUCCESS"))
        return ALERT_UP;
    return ALERT_UNKNOWN;
}

/* The seconds; without them the other time, which is UTC and does not say so. Neither is a reason to lose the alert. */
static int64_t time_of(const struct fields *fields)
{
    int64_t at;
    char text[40];
    if (fields->seconds.text && time_parse_seconds(fields->seconds.text, fields->seconds.len, &at) == ERR_OK)
        return at;
    if (!fields->utc.text || fields->utc.len >= sizeof text - 1)
        return TIME_UNKNOWN;
    memcpy(text, fields->utc.text, fields->utc.len);
    text[fields->utc.len] = 'Z';
    if (time_parse(text, fields->utc.len + 1, &at) == ERR_OK || time_parse(text, fields->utc.len, &at) == ERR_OK)
        return at;
    return TIME_UNKNOWN;
}

/* Type and number, a NUL between, which neither holds. */
static enum err identify(struct parser *p, struct handler_alert *alert, struct errmsg *why)
{
    const struct json_text *type = &p->fields.check_type, *id = &p->fields.check_id;
    char *identity = arena_get(&p->arena, type->len + 1 + id->len);
    if (!identity)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    if (type->len > 0)
        memcpy(identity, type->text, type->len);
    identity[type->len] = '\0';
    memcpy(identity + type->len + 1, id->text, id->len);
    alert->identity = identity;
    alert->identity_len = type->len + 1 + id->len;
    return ERR_OK;
}

static enum err describe(struct parser *p, struct handler_alert *alert, struct errmsg *why)
{
    const struct fields *fields = &p->fields;
    if (fields->is_incident && fields->state.len == 0)
        return err_set(why, ERR_INVALID, OF_BEEPMANAGER);
    if (fields->state.len == 0 || fields->check_id.len == 0)
        return err_set(why, ERR_INVALID,
                       "the body has no `%s`; Pingdom's webhook of state changes always has current_state and check_id",
                       fields->state.len == 0 ? "current_state" : "check_id");
    int64_t at = time_of(fields);
    alert->state = state_of(&fields->state);
    alert->asserted_at = at;
    alert->starts_at = alert->state == ALERT_FIRING ? at : TIME_UNKNOWN;
    alert->ends_at = alert->state == ALERT_UP ? at : TIME_UNKNOWN;
    return identify(p, alert, why);
}

static void describe_labels(const struct fields *fields, struct labels *labels)
{
    const struct {
        const char *name;
        const struct json_text *text;
    } singles[] = {
        {"check_id", &fields->check_id}, {"check_name", &fields->check_name}, {"check_type", &fields->check_type},
        {"hostname", &fields->hostname}, {"importance", &fields->importance},
    };
    labels->n = 0;
    for (size_t i = 0; i < sizeof singles / sizeof singles[0]; i++) {
        if (singles[i].text->text)
            labels_add(labels, singles[i].name, singles[i].text);
    }
    for (size_t i = 0; i < fields->n_tags; i++)
        labels_add(labels, "tag", &fields->tags[i]);
}

/* ---- what is kept ------------------------------------------------------------------------------------------------ */

static bool set_text(json_t *object, const char *name, const struct json_text *text)
{
    return !text->text || json_object_set_new(object, name, json_stringn(text->text, text->len)) == 0;
}

/* What a check sends (its URL with user and password, its headers) is the watched site's secret, and nobody's here: of
 * the parameters only the host's name stays. What the alert is made of is kept as the text that it was read as, so that
 * it reads the same again. */
static bool keep_fields(json_t *root, const struct fields *fields)
{
    json_t *params = json_object();
    json_t *tags = json_array();
    bool is_set = params && set_text(params, "hostname", &fields->hostname) && tags;
    for (size_t i = 0; is_set && i < fields->n_tags; i++)
        is_set = json_array_append_new(tags, json_stringn(fields->tags[i].text, fields->tags[i].len)) == 0;
    is_set = json_object_set(root, "check_params", params) == 0 && json_object_set(root, "tags", tags) == 0 && is_set;
    json_decref(params);
    json_decref(tags);
    return is_set && set_text(root, "check_id", &fields->check_id) &&
           set_text(root, "check_name", &fields->check_name) && set_text(root, "check_type", &fields->check_type) &&
           set_text(root, "current_state", &fields->state) &&
           set_text(root, "state_changed_timestamp", &fields->seconds) &&
           set_text(root, "state_changed_utc_time", &fields->utc) &&
           set_text(root, "importance_level", &fields->importance);
}

static enum err keep(const struct handler_request *request, const struct fields *fields, struct strbuf *ret,
                     struct errmsg *why)
{
    json_t *root = NULL;
    enum err err = ERR_OK;
    /* A number that is too large for a tree stands somewhere: then nothing else is kept. */
    if (document_load(request->body, request->len, &root, NULL) != ERR_OK)
        root = json_object();
    char *text = root && keep_fields(root, fields) ? json_whole(root, JSON_COMPACT) : NULL;
    if (text)
        strbuf_adds(ret, text);
    else
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    free(text);
    json_decref(root);
    return err;
}

static enum err pingdom_parse(const struct handler_request *request, struct handler_result *result, struct errmsg *why)
{
    struct parser p;
    struct labels labels;
    struct handler_alert alert = {.labels = labels.items};
    arena_init(&p.arena);
    memset(&p.fields, 0, sizeof p.fields);
    enum err err = read_body(&p, request, why);
    if (err == ERR_OK)
        err = describe(&p, &alert, why);
    if (err == ERR_OK && !request->is_stored)
        err = keep(request, &p.fields, &result->stored, why);
    if (err == ERR_OK) {
        describe_labels(&p.fields, &labels);
        alert.n_labels = labels.n;
        err = result->take(result->context, &alert, why);
    }
    arena_done(&p.arena);
    return err;
}

/* Nothing but the credentials that every source has. */
static const struct row rows[] = {{.name = NULL}};

extern const struct handler handler_pingdom;
const struct handler handler_pingdom = {
    .kind = "pingdom",
    .help = "Pingdom's webhook of state changes, not BeepManager's older one",
    .rows = rows,
    .labels_help = "check_id, check_name, check_type, hostname, importance, and tag: of several tags any one",
    .methods = "POST",
    .media = HANDLER_ANY_MEDIA,
    .max_body = MAX_BODY,
    .parse = pingdom_parse,
};

/* See alertmanager_body.h. */
#include "handlers/alertmanager_body.h"

#include "base/clock.h"
#include "handlers/json_reader.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ALERTS 100000 /* of one body; as many as a source may have open */
#define MAX_LABELS 256    /* of one alert */
#define MAX_LABEL_NAME 1024
#define MAX_LABEL_VALUE 16384
#define MAX_FINGERPRINT 256

/* What Go writes for "no time" is 0001-01-01T00:00:00Z: everything up to a day later, for offsets, is no time. */
#define NO_TIME_UNTIL_MS (INT64_C(-62135596800000) + 86400000)

struct parsed_alert {
    struct parsed_alert *next;
    struct handler_alert alert;
};

struct parser {
    struct json_reader reader;
    struct arena arena;
    struct errmsg *why;
    const struct alertmanager_dialect *dialect;
    struct parsed_alert *first, **last;
    size_t n_alerts;
    bool has_alerts;                 /* the field was there */
    bool is_foreign;                 /* the dialect's foreign field was there */
    struct label labels[MAX_LABELS]; /* of the alert being read */
};

/* What one alert said so far. */
struct fields {
    struct json_text fingerprint;
    const struct label *labels;
    size_t n_labels;
    int64_t starts_at, ends_at;
    enum alert_state state;
    bool has_status, has_labels;
};

/* How much of a text from outside goes into a message. */
static int shown(const struct json_text *text)
{
    return text->len > 64 ? 64 : (int)text->len;
}

/* Marks the reader as failed, so that every loop ends; always false. */
static bool fail(struct parser *p, enum err err)
{
    if (p->reader.err == ERR_OK)
        p->reader.err = err;
    return false;
}

/* A string, or false with a message that names the field. */
static bool read_text(struct parser *p, const char *field, struct json_text *ret)
{
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind == JSON_KIND_NONE || kind == JSON_KIND_TEXT)
        return json_reader_text(&p->reader, ret);
    return fail(p, err_set(p->why, ERR_INVALID, "byte %zu: alerts[%zu].%s must be a string, not %s",
                           json_reader_offset(&p->reader), p->n_alerts, field, json_kind_text(kind)));
}

/* An optional field may also be null, which says as little as its absence. */
static bool read_optional_text(struct parser *p, const char *field, struct json_text *ret)
{
    if (json_reader_peek(&p->reader) != JSON_KIND_NULL)
        return read_text(p, field, ret);
    *ret = (struct json_text){"", 0};
    return json_reader_null(&p->reader);
}

static bool read_status(struct parser *p, struct fields *fields)
{
    size_t at = json_reader_offset(&p->reader);
    struct json_text text;
    if (!read_text(p, "status", &text))
        return false;
    fields->has_status = true;
    if (json_text_is(&text, "firing"))
        fields->state = ALERT_FIRING;
    else if (json_text_is(&text, "resolved"))
        fields->state = ALERT_RESOLVED;
    else
        return fail(p, err_set(p->why, ERR_INVALID,
                               "byte %zu: alerts[%zu].status is \"%.*s\"; expected \"firing\" or \"resolved\"", at,
                               p->n_alerts, shown(&text), text.text));
    return true;
}

static bool read_time(struct parser *p, const char *field, int64_t *ret)
{
    size_t at = json_reader_offset(&p->reader);
    struct json_text text;
    *ret = TIME_UNKNOWN;
    if (!read_optional_text(p, field, &text))
        return false;
    if (text.len == 0)
        return true;
    if (time_parse(text.text, text.len, ret) != ERR_OK)
        return fail(p, err_set(p->why, ERR_INVALID, "byte %zu: alerts[%zu].%s is \"%.*s\"; expected an RFC 3339 time",
                               at, p->n_alerts, field, shown(&text), text.text));
    if (*ret <= NO_TIME_UNTIL_MS)
        *ret = TIME_UNKNOWN;
    return true;
}

static bool read_fingerprint(struct parser *p, struct fields *fields)
{
    size_t at = json_reader_offset(&p->reader);
    if (!read_optional_text(p, "fingerprint", &fields->fingerprint))
        return false;
    if (fields->fingerprint.len > MAX_FINGERPRINT)
        return fail(p, err_set(p->why, ERR_TOO_BIG, "byte %zu: alerts[%zu].fingerprint is longer than %d bytes", at,
                               p->n_alerts, MAX_FINGERPRINT));
    return true;
}

static bool read_label(struct parser *p, const struct json_text *name, size_t n)
{
    size_t at = json_reader_offset(&p->reader);
    if (n >= MAX_LABELS)
        return fail(p, err_set(p->why, ERR_TOO_BIG, "byte %zu: alerts[%zu] has more than %d labels", at, p->n_alerts,
                               MAX_LABELS));
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_TEXT)
        return fail(p,
                    err_set(p->why, ERR_INVALID, "byte %zu: the label \"%.*s\" of alerts[%zu] must be a string, not %s",
                            at, shown(name), name->text, p->n_alerts, json_kind_text(kind)));
    struct json_text value;
    if (!json_reader_text(&p->reader, &value))
        return false;
    if (name->len > MAX_LABEL_NAME || value.len > MAX_LABEL_VALUE)
        return fail(p, err_set(p->why, ERR_TOO_BIG,
                               "byte %zu: the label \"%.*s\" of alerts[%zu] is too long (name %d, value %d bytes)", at,
                               shown(name), name->text, p->n_alerts, MAX_LABEL_NAME, MAX_LABEL_VALUE));
    p->labels[n] = (struct label){name->text, name->len, value.text, value.len};
    return true;
}

static bool read_labels(struct parser *p, struct fields *fields)
{
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_OBJECT)
        return fail(p, err_set(p->why, ERR_INVALID, "byte %zu: alerts[%zu].labels must be an object, not %s",
                               json_reader_offset(&p->reader), p->n_alerts, json_kind_text(kind)));
    size_t n = 0;
    struct json_text name;
    if (!json_reader_object(&p->reader))
        return false;
    while (json_reader_member(&p->reader, &name)) {
        if (!read_label(p, &name, n))
            return false;
        n++;
    }
    struct label *labels = arena_get(&p->arena, n * sizeof *labels);
    if (!labels)
        return fail(p, err_set(p->why, ERR_NO_MEMORY, "out of memory"));
    if (n > 0)
        memcpy(labels, p->labels, n * sizeof *labels);
    fields->labels = labels;
    fields->n_labels = n;
    fields->has_labels = true;
    return p->reader.err == ERR_OK;
}

static bool read_field(struct parser *p, const struct json_text *name, struct fields *fields)
{
    if (json_text_is(name, "status"))
        return read_status(p, fields);
    if (json_text_is(name, "labels"))
        return read_labels(p, fields);
    if (json_text_is(name, "startsAt"))
        return read_time(p, "startsAt", &fields->starts_at);
    if (json_text_is(name, "endsAt"))
        return read_time(p, "endsAt", &fields->ends_at);
    if (json_text_is(name, "fingerprint"))
        return read_fingerprint(p, fields);
    return json_reader_skip(&p->reader);
}

static int label_compare(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    size_t n = x->name_len < y->name_len ? x->name_len : y->name_len;
    int order = n > 0 ? memcmp(x->name, y->name, n) : 0;
    return order != 0 ? order : (x->name_len > y->name_len) - (x->name_len < y->name_len);
}

static char *put(char *to, const char *bytes, size_t len)
{
    uint32_t length = (uint32_t)len;
    memcpy(to, &length, sizeof length);
    if (len > 0)
        memcpy(to + sizeof length, bytes, len);
    return to + sizeof length + len;
}

/* Without a fingerprint the label set itself names the alert: sorted, each text with its length before it. A 0xFF in
 * front, which no text holds, keeps it apart from every fingerprint. */
static bool identity_of_labels(struct parser *p, const struct fields *fields, struct handler_alert *alert)
{
    size_t n = fields->n_labels, size = 1;
    for (size_t i = 0; i < n; i++) {
        p->labels[i] = fields->labels[i];
        size += 2 * sizeof(uint32_t) + fields->labels[i].name_len + fields->labels[i].value_len;
    }
    qsort(p->labels, n, sizeof p->labels[0], label_compare);
    char *identity = arena_get(&p->arena, size);
    if (!identity)
        return fail(p, err_set(p->why, ERR_NO_MEMORY, "out of memory"));
    char *to = identity;
    *to++ = (char)0xFF;
    for (size_t i = 0; i < n; i++) {
        to = put(to, p->labels[i].name, p->labels[i].name_len);
        to = put(to, p->labels[i].value, p->labels[i].value_len);
    }
    alert->identity = identity;
    alert->identity_len = size;
    return true;
}

static bool missing(struct parser *p, const char *field)
{
    return fail(p, err_set(p->why, ERR_INVALID,
                           "byte %zu: alerts[%zu] has no `%s`; a custom payload must keep the fields of %s's own",
                           json_reader_offset(&p->reader), p->n_alerts, field, p->dialect->sender));
}

static bool alert_complete(struct parser *p, const struct fields *fields)
{
    if (!fields->has_status)
        return missing(p, "status");
    if (!fields->has_labels)
        return missing(p, "labels");
    if (fields->fingerprint.len == 0 && fields->n_labels == 0)
        return fail(p, err_set(p->why, ERR_INVALID,
                               "byte %zu: alerts[%zu] has no `fingerprint` and no labels, so nothing tells it from "
                               "others",
                               json_reader_offset(&p->reader), p->n_alerts));
    struct parsed_alert *parsed = arena_get(&p->arena, sizeof *parsed);
    if (!parsed)
        return fail(p, err_set(p->why, ERR_NO_MEMORY, "out of memory"));
    struct handler_alert *alert = &parsed->alert;
    *alert = (struct handler_alert){
        .state = fields->state,
        .starts_at = fields->starts_at,
        /* A firing alert has no end; some senders put the time when they would give it up. */
        .ends_at = fields->state == ALERT_RESOLVED ? fields->ends_at : TIME_UNKNOWN,
        .asserted_at = TIME_UNKNOWN, /* there is none: two of an HA pair say different times of the same */
        .identity = fields->fingerprint.text,
        .identity_len = fields->fingerprint.len,
        .labels = fields->labels,
        .n_labels = fields->n_labels,
    };
    if (fields->fingerprint.len == 0 && !identity_of_labels(p, fields, alert))
        return false;
    parsed->next = NULL;
    *p->last = parsed;
    p->last = &parsed->next;
    p->n_alerts++;
    return true;
}

static bool read_alert(struct parser *p)
{
    if (p->n_alerts >= MAX_ALERTS)
        return fail(p, err_set(p->why, ERR_TOO_BIG, "byte %zu: more than %d alerts in one body",
                               json_reader_offset(&p->reader), MAX_ALERTS));
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_OBJECT)
        return fail(p, err_set(p->why, ERR_INVALID, "byte %zu: alerts[%zu] must be an object, not %s",
                               json_reader_offset(&p->reader), p->n_alerts, json_kind_text(kind)));
    struct fields fields = {.starts_at = TIME_UNKNOWN, .ends_at = TIME_UNKNOWN};
    struct json_text name;
    if (!json_reader_object(&p->reader))
        return false;
    while (json_reader_member(&p->reader, &name)) {
        if (!read_field(p, &name, &fields))
            return false;
    }
    return p->reader.err == ERR_OK && alert_complete(p, &fields);
}

static bool read_alerts(struct parser *p)
{
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_ARRAY)
        return fail(p, err_set(p->why, ERR_INVALID, "byte %zu: `alerts` must be an array, not %s",
                               json_reader_offset(&p->reader), json_kind_text(kind)));
    p->has_alerts = true;
    if (!json_reader_array(&p->reader))
        return false;
    while (json_reader_item(&p->reader)) {
        if (!read_alert(p))
            return false;
    }
    return p->reader.err == ERR_OK;
}

static bool read_member(struct parser *p, const struct json_text *name)
{
    if (json_text_is(name, "alerts"))
        return read_alerts(p);
    if (p->dialect->foreign_field && json_text_is(name, p->dialect->foreign_field))
        p->is_foreign = true;
    return json_reader_skip(&p->reader);
}

static enum err read_body(struct parser *p)
{
    enum json_kind kind = json_reader_peek(&p->reader);
    if (kind != JSON_KIND_NONE && kind != JSON_KIND_OBJECT)
        return err_set(p->why, ERR_INVALID, "the body must be a JSON object as %s sends it, not %s", p->dialect->sender,
                       json_kind_text(kind));
    struct json_text name;
    if (!json_reader_object(&p->reader))
        return p->reader.err;
    while (json_reader_member(&p->reader, &name)) {
        if (!read_member(p, &name))
            return p->reader.err;
    }
    enum err err = json_reader_end(&p->reader);
    if (err != ERR_OK || p->has_alerts)
        return err;
    if (p->is_foreign)
        return err_set(p->why, ERR_INVALID, "%s", p->dialect->foreign_text);
    return err_set(p->why, ERR_INVALID, "the body has no `alerts`; a custom payload must keep the fields of %s's own",
                   p->dialect->sender);
}

enum err alertmanager_body_parse(const struct alertmanager_dialect *dialect, const struct handler_request *request,
                                 struct handler_result *result, struct errmsg *why)
{
    struct parser p;
    arena_init(&p.arena);
    json_reader_init(&p.reader, request->body, request->len, &p.arena, why);
    p.why = why;
    p.dialect = dialect;
    p.first = NULL;
    p.last = &p.first;
    p.n_alerts = 0;
    p.has_alerts = false;
    p.is_foreign = false;
    enum err err = read_body(&p);
    for (const struct parsed_alert *parsed = p.first; parsed && err == ERR_OK; parsed = parsed->next)
        err = result->take(result->context, &parsed->alert, why);
    arena_done(&p.arena);
    return err;
}

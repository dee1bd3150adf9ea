/* See reread.h. */
#include "handlers/reread.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "core/explain.h"
#include "handlers/source.h"

#include <assert.h>
#include <string.h>

#define MAX_LABELS_TOLD 64
#define MAX_VALUE_TOLD 256
#define MAX_IDENTITY_TOLD 512

struct rereading {
    const struct model *model;
    int source;
    size_t max_alerts;
    json_t *alerts;
    size_t n_alerts;
    int n_services;
};

/* The bytes as text: at most `max` of them, a NUL, which parts an identity's pieces, as a space. */
static json_t *text_json(const char *bytes, size_t len, size_t max)
{
    char text[MAX_IDENTITY_TOLD + 4];
    size_t told = utf8_cut(bytes, len, max);
    for (size_t i = 0; i < told; i++)
        text[i] = bytes[i] ? bytes[i] : ' ';
    memcpy(text + told, told < len ? "…" : "", told < len ? sizeof "…" : 1);
    utf8_clean(text);
    return json_string(text);
}

static bool is_text(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t character = utf8_character_len(bytes + i, len - i);
        if (character == 0)
            return false;
        i += character;
    }
    return true;
}

/* One that a handler made of other things than text (a set of labels) tells nobody anything. */
static json_t *identity_json(const struct handler_alert *alert)
{
    return is_text(alert->identity, alert->identity_len)
               ? text_json(alert->identity, alert->identity_len, MAX_IDENTITY_TOLD)
               : json_null();
}

static json_t *time_json(int64_t ms)
{
    char text[TIME_TEXT_SIZE];
    return ms == TIME_UNKNOWN ? json_null() : json_string(time_format(ms, text));
}

/* A name that comes several times has a list. */
static bool add_label(json_t *labels, const struct label *label)
{
    json_t *name = text_json(label->name, label->name_len, MAX_VALUE_TOLD);
    json_t *value = text_json(label->value, label->value_len, MAX_VALUE_TOLD);
    const char *key = json_string_value(name);
    json_t *before = key ? json_object_get(labels, key) : NULL;
    bool is_added = false;
    if (json_is_array(before))
        is_added = json_array_append(before, value) == 0;
    else if (before)
        is_added = json_object_set_new(labels, key, json_pack("[O, O]", before, value)) == 0;
    else if (key)
        is_added = json_object_set(labels, key, value) == 0;
    json_decref(name);
    json_decref(value);
    return is_added;
}

static json_t *labels_json(const struct handler_alert *alert)
{
    json_t *labels = json_object();
    for (size_t i = 0; i < alert->n_labels && i < MAX_LABELS_TOLD; i++) {
        if (!add_label(labels, &alert->labels[i])) {
            json_decref(labels);
            return NULL;
        }
    }
    return labels;
}

static void add_sentence(void *context, const struct sentence *sentence)
{
    (void)json_array_append_new(context, json_string(sentence->text));
}

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    struct rereading *r = context;
    bool is_told = r->n_alerts++ < r->max_alerts;
    json_t *explanation = is_told ? json_array() : NULL;
    int n = explain_alert(r->model, r->source, alert->state, alert->labels, alert->n_labels,
                          explanation ? add_sentence : NULL, explanation);
    r->n_services += n;
    if (!is_told)
        return ERR_OK;
    json_t *told = json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:i, s:o}", "state", alert_state_text(alert->state),
                             "identity", identity_json(alert), "starts_at", time_json(alert->starts_at), "ends_at",
                             time_json(alert->ends_at), "asserted_at", time_json(alert->asserted_at), "labels",
                             labels_json(alert), "services", n, "explanation", explanation);
    return json_array_append_new(r->alerts, told) == 0 ? ERR_OK : err_set(why, ERR_NO_MEMORY, "out of memory");
}

static json_t *notice_json(const struct handler_result *result)
{
    if (!result->notice_kind)
        return json_null();
    return json_pack("{s:s, s:o}", "kind", result->notice_kind, "text",
                     text_json(result->notice, strlen(result->notice), MAX_VALUE_TOLD));
}

enum err reread_delivery(const struct handler_request *request, const struct model *model, int source,
                         size_t max_alerts, json_t **ret, struct errmsg *why)
{
    assert(request->is_stored);
    struct rereading r = {.model = model, .source = source, .max_alerts = max_alerts, .alerts = json_array()};
    struct handler_result result = {.take = take, .context = &r};
    enum err err = request->source->handler->parse(request, &result, why);
    strbuf_done(&result.stored);
    if (err != ERR_OK) {
        json_decref(r.alerts);
        return err;
    }
    const char *why_nothing = result.nothing[0] ? result.nothing : "it holds no alert";
    json_t *nothing = r.n_alerts == 0 ? text_json(why_nothing, strlen(why_nothing), MAX_VALUE_TOLD) : json_null();
    json_t *told = json_pack("{s:o, s:I, s:i, s:o, s:o}", "alerts", r.alerts, "n_alerts", (json_int_t)r.n_alerts,
                             "services", r.n_services, "nothing", nothing, "notice", notice_json(&result));
    if (!told)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    *ret = told;
    return ERR_OK;
}

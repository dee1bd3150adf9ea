/* Fuzzes the Pingdom handler against a plain walk over jansson's tree of the same body.
 *
 * Both must agree whether there is an alert and in which state, and on every label and part of the identity that is a
 * text; numbers are taken as they are written, which jansson does not keep. Left out, as for the Alertmanager handler:
 * bodies beyond the reader's bounds, numbers that do not fit jansson's types, and a NUL byte, which jansson overlooks
 * behind a number. */
#include "base/clock.h"
#include "base/utf8.h"
#include "handlers/handler.h"

#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "the handler and jansson differ: %s\n", what);
    abort();
}

struct walk {
    const json_t *body; /* NULL: it could not be read */
    int n;
    enum alert_state state;
    struct strbuf text; /* identity and labels */
};

/* ---- what comes out ---------------------------------------------------------------------------------------------- */

static void expect_utf8(const char *text, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t character = utf8_character_len(text + i, len - i);
        expect(character > 0, "not UTF-8");
        i += character;
    }
}

static const struct label *label_find(const struct handler_alert *alert, const char *name, size_t skip)
{
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        if (label->name_len == strlen(name) && memcmp(label->name, name, label->name_len) == 0 && skip-- == 0)
            return label;
    }
    return NULL;
}

/* `value` is a text and so is the label, or it is none and so is that. */
static void expect_label(const struct label *label, const json_t *value)
{
    if (json_string_length(value) > 16384) /* no label is longer */
        return;
    bool is_scalar = json_is_string(value) || json_is_number(value);
    expect(is_scalar == (label != NULL), "a label is missing, or is there for nothing");
    if (label && json_is_string(value))
        expect(label->value_len == json_string_length(value) &&
                   memcmp(label->value, json_string_value(value), label->value_len) == 0,
               "a label's value");
}

static void expect_tags(const struct handler_alert *alert, const json_t *tags)
{
    size_t n = 0, i;
    const json_t *tag;
    json_array_foreach(tags, i, tag)
    {
        if ((json_is_string(tag) || json_is_number(tag)) && json_string_length(tag) <= 16384 && n < 100)
            expect_label(label_find(alert, "tag", n++), tag);
    }
}

static void expect_identity(const struct handler_alert *alert, const json_t *body)
{
    const json_t *type = json_object_get(body, "check_type"), *id = json_object_get(body, "check_id");
    const char *end = memchr(alert->identity, '\0', alert->identity_len);
    expect(end && !memchr(end + 1, '\0', alert->identity_len - (size_t)(end + 1 - alert->identity)),
           "the identity has other parts");
    size_t type_len = (size_t)(end - alert->identity), id_len = alert->identity_len - type_len - 1;
    if (!json_is_number(type))
        expect(type_len == json_string_length(type) &&
                   (type_len == 0 || memcmp(alert->identity, json_string_value(type), type_len) == 0),
               "the type in the identity");
    if (json_is_string(id))
        expect(id_len == json_string_length(id) && memcmp(end + 1, json_string_value(id), id_len) == 0,
               "the number in the identity");
    expect(id_len > 0, "the number in the identity is empty");
}

static enum alert_state state_of(const json_t *state)
{
    const char *text = json_is_string(state) ? json_string_value(state) : "";
    if (strcasecmp(text, "DOWN") == 0 || strcasecmp(text, "FAILING") == 0)
        return ALERT_FIRING;
    return strcasecmp(text, "UP") == 0 || strcasecmp(text, "SUCCESS") == 0 ? ALERT_UP : ALERT_UNKNOWN;
}

static void expect_times(const struct handler_alert *alert, const json_t *body)
{
    expect(alert->starts_at == (alert->state == ALERT_FIRING ? alert->asserted_at : TIME_UNKNOWN), "starts_at");
    expect(alert->ends_at == (alert->state == ALERT_UP ? alert->asserted_at : TIME_UNKNOWN), "ends_at");
    int64_t seconds = json_integer_value(json_object_get(body, "state_changed_timestamp"));
    if (seconds > 0 && seconds <= 253402300799)
        expect(alert->asserted_at == seconds * 1000, "the seconds");
}

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    struct walk *walk = context;
    walk->n++;
    walk->state = alert->state;
    expect_utf8(alert->identity, alert->identity_len);
    strbuf_add(&walk->text, alert->identity, alert->identity_len);
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        expect_utf8(label->value, label->value_len);
        strbuf_addf(&walk->text, "\n%.*s=", (int)label->name_len, label->name);
        strbuf_add(&walk->text, label->value, label->value_len);
    }
    if (!walk->body)
        return ERR_OK; /* jansson could not read a number of this body */
    static const char *const names[][2] = {{"check_id", "check_id"},
                                           {"check_name", "check_name"},
                                           {"check_type", "check_type"},
                                           {"importance", "importance_level"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        expect_label(label_find(alert, names[i][0], 0), json_object_get(walk->body, names[i][1]));
    expect_label(label_find(alert, "hostname", 0),
                 json_object_get(json_object_get(walk->body, "check_params"), "hostname"));
    expect_tags(alert, json_object_get(walk->body, "tags"));
    expect_identity(alert, walk->body);
    expect_times(alert, walk->body);
    expect(alert->state == state_of(json_object_get(walk->body, "current_state")), "state");
    return ERR_OK;
}

/* ---- the body ---------------------------------------------------------------------------------------------------- */

static bool is_given(const json_t *value)
{
    return json_is_number(value) || json_string_length(value) > 0;
}

static bool is_body(const json_t *body)
{
    return is_given(json_object_get(body, "check_id")) && is_given(json_object_get(body, "current_state"));
}

static enum err parse(const char *text, size_t len, struct walk *walk)
{
    struct errmsg why = {""};
    const struct handler_request request = {.body = text, .len = len, .is_stored = true};
    struct handler_result result = {.take = take, .context = walk};
    enum err err = handler_find("pingdom")->parse(&request, &result, &why);
    expect(err == ERR_OK || err == ERR_INVALID || err == ERR_TOO_BIG, "code");
    expect((err == ERR_OK) == (why.text[0] == '\0'), "a message without an error, or the other way round");
    expect(walk->n == (err == ERR_OK ? 1 : 0), "number of alerts");
    expect(result.stored.len == 0, "the body itself is what is kept");
    return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size > 0 ? (const char *)data : "";
    json_error_t error;
    bool has_nul = memchr(text, '\0', size) != NULL;
    json_t *theirs = has_nul ? NULL : json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    bool is_beyond = !has_nul && !theirs && json_error_code(&error) == json_error_numeric_overflow;
    struct walk walk = {.body = theirs}, again = {.body = theirs};
    enum err err = parse(text, size, &walk);
    if (!is_beyond && err != ERR_TOO_BIG)
        expect((err == ERR_OK) == is_body(theirs), "whether there is an alert");
    expect(parse(text, size, &again) == err && again.state == walk.state && again.text.len == walk.text.len &&
               (walk.text.len == 0 || memcmp(again.text.data, walk.text.data, walk.text.len) == 0),
           "the second time it says something else");
    strbuf_done(&walk.text);
    strbuf_done(&again.text);
    json_decref(theirs);
    return 0;
}

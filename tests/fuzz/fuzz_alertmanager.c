/* Fuzzes the Alertmanager handler and the JSON reader below it, both against jansson.
 *
 * Two questions for each input. Does the reader accept exactly what jansson accepts, with the same content? And does
 * the handler find exactly the alerts that a plain walk over jansson's tree finds? Inputs beyond the reader's bounds
 * (ERR_TOO_BIG) and numbers that do not fit jansson's types are left out: there the two differ on purpose. So are texts
 * with a NUL byte, of which jansson overlooks one that follows a number: the reader must refuse them all. */
#include "base/clock.h"
#include "handlers/handler.h"
#include "handlers/json_reader.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "the reader and jansson differ: %s\n", what);
    abort();
}

/* ---- reader ----------------------------------------------------------------------------------------------------- */

static json_t *build(struct json_reader *reader);

static json_t *build_object(struct json_reader *reader)
{
    json_t *object = json_object();
    struct json_text key;
    expect(json_reader_object(reader) || reader->err != ERR_OK, "object");
    while (reader->err == ERR_OK && json_reader_member(reader, &key)) {
        json_t *value = build(reader);
        char *name = strndup(key.text, key.len);
        if (value)
            json_object_set_new_nocheck(object, name, value);
        free(name);
    }
    return object;
}

static json_t *build_array(struct json_reader *reader)
{
    json_t *array = json_array();
    expect(json_reader_array(reader) || reader->err != ERR_OK, "array");
    while (reader->err == ERR_OK && json_reader_item(reader)) {
        json_t *value = build(reader);
        if (value)
            json_array_append_new(array, value);
    }
    return array;
}

static json_t *build_number(struct json_reader *reader)
{
    struct json_text text;
    if (!json_reader_number(reader, &text))
        return NULL;
    char *copy = strndup(text.text, text.len);
    json_t *number = strpbrk(copy, ".eE") ? json_real(strtod(copy, NULL)) : json_integer(strtoll(copy, NULL, 10));
    free(copy);
    return number;
}

/* The same tree as jansson would build, through the reader's calls. NULL only after an error. */
static json_t *build(struct json_reader *reader)
{
    struct json_text text;
    bool flag;
    switch (json_reader_peek(reader)) {
    case JSON_KIND_NONE:
        return NULL;
    case JSON_KIND_OBJECT:
        return build_object(reader);
    case JSON_KIND_ARRAY:
        return build_array(reader);
    case JSON_KIND_TEXT:
        return json_reader_text(reader, &text) ? json_stringn_nocheck(text.text, text.len) : NULL;
    case JSON_KIND_NUMBER:
        return build_number(reader);
    case JSON_KIND_BOOL:
        return json_reader_bool(reader, &flag) ? json_boolean(flag) : NULL;
    case JSON_KIND_NULL:
        return json_reader_null(reader) ? json_null() : NULL;
    }
    return NULL;
}

/* Reads the whole text by skipping: must say the same as reading every value. */
static enum err skip_all(const char *text, size_t len)
{
    struct arena arena;
    arena_init(&arena);
    struct json_reader reader;
    json_reader_init(&reader, text, len, &arena, NULL);
    json_reader_skip(&reader);
    enum err err = json_reader_end(&reader);
    arena_done(&arena);
    return err;
}

static void compare_reader(const char *text, size_t len, const json_t *theirs, const json_error_t *their_error)
{
    struct errmsg why = {""};
    struct arena arena;
    arena_init(&arena);
    struct json_reader reader;
    json_reader_init(&reader, text, len, &arena, &why);
    json_t *ours = build(&reader);
    enum err err = json_reader_end(&reader);
    expect(skip_all(text, len) == err, "skipping says something else than reading");
    expect((err == ERR_OK) == (why.text[0] == '\0'), "a message without an error, or the other way round");
    if (err == ERR_OK && theirs)
        expect(json_equal(ours, theirs), "content");
    else if (err == ERR_OK)
        expect(json_error_code(their_error) == json_error_numeric_overflow, their_error->text);
    else if (theirs)
        expect(err == ERR_TOO_BIG, why.text);
    json_decref(ours);
    arena_done(&arena);
}

/* ---- handler ---------------------------------------------------------------------------------------------------- */

struct walk {
    const json_t *alerts;
    size_t n;
};

static bool is_optional_text(const json_t *value)
{
    return !value || json_is_null(value) || json_is_string(value);
}

static bool is_optional_time(const json_t *value)
{
    int64_t ms;
    if (!value || json_is_null(value) || json_string_length(value) == 0)
        return is_optional_text(value);
    return time_parse(json_string_value(value), json_string_length(value), &ms) == ERR_OK;
}

static bool is_alert(const json_t *alert)
{
    const json_t *labels = json_object_get(alert, "labels");
    const char *status = json_string_value(json_object_get(alert, "status"));
    const json_t *fingerprint = json_object_get(alert, "fingerprint");
    if (!json_is_object(labels) || !status || (strcmp(status, "firing") != 0 && strcmp(status, "resolved") != 0))
        return false;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)labels, name, value)
    {
        if (!json_is_string(value))
            return false;
    }
    return is_optional_time(json_object_get(alert, "startsAt")) && is_optional_time(json_object_get(alert, "endsAt")) &&
           is_optional_text(fingerprint) && (json_string_length(fingerprint) > 0 || json_object_size(labels) > 0);
}

static bool is_body(const json_t *body)
{
    const json_t *alerts = json_object_get(body, "alerts");
    for (size_t i = 0; i < json_array_size(alerts); i++) {
        if (!is_alert(json_array_get(alerts, i)))
            return false;
    }
    return json_is_array(alerts);
}

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    struct walk *walk = context;
    const json_t *theirs = json_array_get(walk->alerts, walk->n++);
    if (!theirs)
        return ERR_OK; /* jansson could not read a number of this body */
    const json_t *labels = json_object_get(theirs, "labels");
    const json_t *fingerprint = json_object_get(theirs, "fingerprint");
    bool is_firing = strcmp(json_string_value(json_object_get(theirs, "status")), "firing") == 0;
    expect(is_firing == (alert->state == ALERT_FIRING), "status");
    expect(alert->n_labels == json_object_size(labels), "number of labels");
    expect(alert->identity_len > 0, "identity");
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        const json_t *value = json_object_getn(labels, label->name, label->name_len);
        expect(value && label->value_len == json_string_length(value) &&
                   memcmp(label->value, json_string_value(value), label->value_len) == 0,
               "label");
    }
    if (json_string_length(fingerprint) > 0)
        expect(alert->identity_len == json_string_length(fingerprint) &&
                   memcmp(alert->identity, json_string_value(fingerprint), alert->identity_len) == 0,
               "fingerprint");
    return ERR_OK;
}

static void compare_handler(const char *text, size_t len, const json_t *theirs, const json_error_t *their_error)
{
    struct errmsg why = {""};
    struct walk walk = {json_object_get(theirs, "alerts"), 0};
    const struct handler_request request = {.body = text, .len = len, .is_stored = true};
    struct handler_result result = {.take = take, .context = &walk};
    enum err err = handler_find("alertmanager")->parse(&request, &result, &why);
    expect(err == ERR_OK || err == ERR_INVALID || err == ERR_TOO_BIG, "code");
    expect((err == ERR_OK) == (why.text[0] == '\0'), "a message without an error, or the other way round");
    if (!theirs && json_error_code(their_error) == json_error_numeric_overflow)
        return;
    if (err != ERR_TOO_BIG)
        expect((err == ERR_OK) == is_body(theirs), why.text[0] ? why.text : "the handler took what it should not");
    if (err == ERR_OK)
        expect(walk.n == json_array_size(walk.alerts), "number of alerts");
    else
        expect(walk.n == 0, "alerts from a body that failed");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = size > 0 ? (const char *)data : "";
    if (memchr(text, '\0', size)) {
        expect(skip_all(text, size) != ERR_OK, "a NUL byte was accepted");
        return 0;
    }
    json_error_t error;
    json_t *theirs = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    compare_reader(text, size, theirs, &error);
    compare_handler(text, size, theirs, &error);
    json_decref(theirs);
    return 0;
}

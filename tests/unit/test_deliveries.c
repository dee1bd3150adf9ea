/* Every recorded delivery under tests/deliveries, by kind: what the handler makes of it, held against what is expected.
 *
 * A file is a JSON object; README.md there tells its fields. What is kept of a delivery is parsed once more as a stored
 * body, and must give the same alerts. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "handlers/source.h"
#include "server/config/reading.h"
#include "tests/unit/test.h"

#include <dirent.h>
#include <stdarg.h>
#include <strings.h>

#define FOLDER "tests/deliveries"
#define MAX_FIELDS 64

static int failures; /* in all files: all are told before the test fails */

static void complain_of(const char *path, const char *format, ...) PRINTF_LIKE(2, 3);

static void complain_of(const char *path, const char *format, ...)
{
    va_list args;
    fprintf(stderr, "%s: ", path);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    failures++;
}

/* ---- the source -------------------------------------------------------------------------------------------------- */

static void config_cleanup(struct config **config)
{
    config_free(*config);
}

static struct config *source_load(const char *path, const json_t *file)
{
    const json_t *given = json_object_get(file, "source");
    char *source = json_is_string(given) ? strdup(json_string_value(given)) : json_dumps(given, JSON_ENCODE_ANY);
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text,
                "sources: {s: %s}\n"
                "services: {x: {sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}, trigger: {mode: manual},\n"
                "  playbook: [{action: http.check, url: 'http://x/'}]}}\n",
                source ? source : "{}");
    struct strbuf errors = STRBUF_INIT;
    struct strbuf warnings = STRBUF_INIT;
    struct config *config = NULL;
    if (config_load_bytes(path, strbuf_text(&text), text.len, false, &config, &errors, &warnings) != ERR_OK)
        complain_of(path, "its source is wrong: %s", strbuf_text(&errors));
    strbuf_done(&text);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    free(source);
    return config;
}

/* ---- what the handler says, as JSON -------------------------------------------------------------------------------
 */

static json_t *time_value(int64_t at)
{
    char text[TIME_TEXT_SIZE];
    return at == TIME_UNKNOWN ? json_null() : json_string(time_format(at, text));
}

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    json_t *labels = json_object();
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        char *name AUTO_FREE = strndup(label->name, label->name_len);
        json_t *value = json_stringn(label->value_len ? label->value : "", label->value_len);
        assert_non_null(value); /* UTF-8, whatever came */
        json_t *before = json_object_get(labels, name);
        if (before) { /* a name that is there several times is shown as a list */
            json_t *list = json_is_array(before) ? json_incref(before) : json_pack("[O]", before);
            json_array_append_new(list, value);
            value = list;
        }
        json_object_set_new(labels, name, value);
    }
    json_t *identity = json_stringn_nocheck(alert->identity, alert->identity_len);
    json_array_append_new(context, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "state", alert_state_text(alert->state),
                                             "identity", identity, "starts_at", time_value(alert->starts_at), "ends_at",
                                             time_value(alert->ends_at), "asserted_at", time_value(alert->asserted_at),
                                             "labels", labels));
    return ERR_OK;
}

struct headers {
    const json_t *given;
};

static const char *header_of(const struct handler_request *request, const char *name)
{
    const struct headers *headers = request->context;
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)headers->given, key, value)
    {
        if (strcasecmp(key, name) == 0)
            return json_string_value(value);
    }
    return NULL;
}

/* ---- comparing --------------------------------------------------------------------------------------------------- */

static void expect_alert(const char *path, size_t i, const json_t *expected, const json_t *alert)
{
    const char *field;
    json_t *value;
    if (!json_object_get(expected, "state"))
        complain_of(path, "alert %zu is expected without a state", i);
    json_object_foreach((json_t *)(uintptr_t)expected, field, value)
    {
        json_t *got = json_object_get(alert, field);
        if (got && json_equal(got, value))
            continue;
        char *want_text AUTO_FREE = json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS);
        char *got_text AUTO_FREE = got ? json_dumps(got, JSON_ENCODE_ANY | JSON_SORT_KEYS) : strdup("no such field");
        complain_of(path, "alert %zu, %s: expected %s, got %s", i, field, want_text, got_text);
    }
}

static void expect_alerts(const char *path, const json_t *expected, const json_t *alerts)
{
    if (json_array_size(expected) != json_array_size(alerts)) {
        char *text AUTO_FREE = json_dumps(alerts, JSON_SORT_KEYS);
        complain_of(path, "expected %zu alerts, got %s", json_array_size(expected), text);
        return;
    }
    for (size_t i = 0; i < json_array_size(alerts); i++)
        expect_alert(path, i, json_array_get(expected, i), json_array_get(alerts, i));
}

static void expect_part(const char *path, const char *what, const json_t *expected, const char *text)
{
    const char *part = json_string_value(expected);
    if (expected && (!part || !strstr(text, part)))
        complain_of(path, "%s: expected \"%s\" in \"%s\"", what, part ? part : "?", text);
}

static void expect_kept(const char *path, const json_t *expect, const struct strbuf *kept)
{
    const char *whole = json_string_value(json_object_get(expect, "kept"));
    if (whole && strcmp(whole, strbuf_text(kept)) != 0)
        complain_of(path, "expected to be kept: %s, got %s", whole, strbuf_text(kept));
    size_t i;
    json_t *secret;
    json_array_foreach(json_object_get(expect, "kept_without"), i, secret)
    {
        if (kept->len == 0 || strstr(strbuf_text(kept), json_string_value(secret)))
            complain_of(path, "\"%s\" is kept: %s", json_string_value(secret), strbuf_text(kept));
    }
}

static void expect_notice(const char *path, const json_t *expected, const struct handler_result *result)
{
    const char *kind = result->notice_kind ? result->notice_kind : "";
    if (!expected) {
        if (result->notice_kind)
            complain_of(path, "a notice is not expected: %s: %s", kind, result->notice);
        return;
    }
    expect_part(path, "notice.kind", json_object_get(expected, "kind"), kind);
    expect_part(path, "notice.text", json_object_get(expected, "text"), result->notice);
    if (json_is_true(json_object_get(expected, "loud")) != result->is_loud)
        complain_of(path, "the notice is %sloud", result->is_loud ? "" : "not ");
}

static void expect_need(const char *path, const json_t *expected, const struct handler_need *need)
{
    static const char *const kinds[] = {[HANDLER_NEEDS_NOTHING] = "nothing",
                                        [HANDLER_NEEDS_CERTIFICATE] = "certificate",
                                        [HANDLER_NEEDS_CONFIRMATION] = "confirmation"};
    const char *kind = json_string_value(json_object_get(expected, "kind"));
    const char *url = json_string_value(json_object_get(expected, "url"));
    if (strcmp(kind ? kind : "nothing", kinds[need->kind]) != 0)
        complain_of(path, "it needs %s", kinds[need->kind]);
    if (url && strcmp(url, need->url) != 0)
        complain_of(path, "the URL is %s", need->url);
}

/* ---- one file ---------------------------------------------------------------------------------------------------- */

struct parsing {
    enum err err;
    struct errmsg why;
    json_t *alerts;
    struct handler_result result;
};

static void parsing_done(struct parsing *outcome)
{
    json_decref(outcome->alerts);
    strbuf_done(&outcome->result.stored);
}

static struct parsing parse(const struct handler_request *request)
{
    struct parsing outcome = {.alerts = json_array()};
    outcome.result.take = take;
    outcome.result.context = outcome.alerts;
    /* In memory of exactly that size, so that a byte read too far is found. */
    char *exact AUTO_FREE = malloc(request->len > 0 ? request->len : 1);
    memcpy(exact, request->body, request->len);
    struct handler_request copy = *request;
    copy.body = exact;
    outcome.err = request->source->handler->parse(&copy, &outcome.result, &outcome.why);
    return outcome;
}

static void expect_again(const char *path, const struct handler_request *request, const struct parsing *first)
{
    const struct strbuf *kept = &first->result.stored;
    const struct handler_request stored = {.source = request->source,
                                           .body = kept->len > 0 ? kept->data : request->body,
                                           .len = kept->len > 0 ? kept->len : request->len,
                                           .now = request->now,
                                           .is_stored = true};
    CLEANUP(parsing_done) struct parsing again = parse(&stored);
    if (again.err != ERR_OK || !json_equal(again.alerts, first->alerts)) {
        char *text AUTO_FREE = json_dumps(again.alerts, JSON_SORT_KEYS);
        complain_of(path, "what is kept gives something else: %s %s, from %.*s", again.why.text, text, (int)stored.len,
                    stored.body);
    }
}

static void expect_outcome(const char *path, const json_t *expect, const struct handler_request *request,
                           const struct parsing *outcome)
{
    const char *error = json_string_value(json_object_get(expect, "error"));
    if (error || outcome->err != ERR_OK) {
        if (strcmp(error ? error : "ok", err_name(outcome->err)) != 0)
            complain_of(path, "expected %s, got %s: %s", error ? error : "ok", err_name(outcome->err),
                        outcome->why.text);
        if (json_array_size(outcome->alerts) > 0)
            complain_of(path, "alerts were given before the error");
        expect_part(path, "why", json_object_get(expect, "why"), outcome->why.text);
        return;
    }
    expect_alerts(path, json_object_get(expect, "alerts"), outcome->alerts);
    expect_part(path, "nothing", json_object_get(expect, "nothing"), outcome->result.nothing);
    expect_kept(path, expect, &outcome->result.stored);
    expect_notice(path, json_object_get(expect, "notice"), &outcome->result);
    expect_need(path, json_object_get(expect, "need"), &outcome->result.need);
    if (outcome->result.need.kind == HANDLER_NEEDS_NOTHING)
        expect_again(path, request, outcome);
}

static size_t read_query(const json_t *query, struct handler_field fields[MAX_FIELDS])
{
    size_t n = 0;
    for (; n < json_array_size(query) && n < MAX_FIELDS; n++) {
        const json_t *pair = json_array_get(query, n);
        fields[n] = (struct handler_field){json_string_value(json_array_get(pair, 0)),
                                           json_string_value(json_array_get(pair, 1))};
    }
    return n;
}

static char *read_body(const json_t *body, size_t *ret_len)
{
    char *text = json_is_string(body) ? strndup(json_string_value(body), json_string_length(body))
                 : body               ? json_dumps(body, JSON_COMPACT)
                                      : strdup("");
    *ret_len = json_is_string(body) ? json_string_length(body) : strlen(text);
    return text;
}

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static void try_file(const char *path)
{
    json_error_t error;
    CLEANUP(json_cleanup) json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (!file || !json_is_string(json_object_get(file, "about")) || !json_object_get(file, "expect")) {
        complain_of(path, "it cannot be read, or lacks \"about\" or \"expect\": %s", file ? "" : error.text);
        return;
    }
    CLEANUP(config_cleanup) struct config *config = source_load(path, file);
    if (!config)
        return;
    struct handler_field fields[MAX_FIELDS];
    const struct headers headers = {json_object_get(file, "headers")};
    struct handler_request request = {.source = &config->sources[0],
                                      .query = fields,
                                      .n_query = read_query(json_object_get(file, "query"), fields),
                                      .header = header_of,
                                      .context = &headers,
                                      .now = INT64_C(1795226405000), /* 2026-11-21T02:00:05Z */
                                      .is_stored = json_is_true(json_object_get(file, "stored"))};
    const char *now = json_string_value(json_object_get(file, "now"));
    if (now)
        assert_int_equal(time_parse(now, strlen(now), &request.now), ERR_OK);
    char *body AUTO_FREE = read_body(json_object_get(file, "body"), &request.len);
    request.body = body;
    CLEANUP(parsing_done) struct parsing outcome = parse(&request);
    expect_outcome(path, json_object_get(file, "expect"), &request, &outcome);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static int try_kind(const char *kind)
{
    char folder[512];
    snprintf(folder, sizeof folder, FOLDER "/%s", kind);
    struct dirent **files = NULL;
    int n = scandir(folder, &files, is_visible, alphasort);
    for (int i = 0; i < n; i++) {
        char path[1024];
        snprintf(path, sizeof path, "%s/%s", folder, files[i]->d_name);
        try_file(path);
        free(files[i]);
    }
    free(files);
    return n > 0 ? n : 0;
}

static void every_kind_has_recorded_deliveries(void **state)
{
    (void)state;
    int total = 0;
    for (const struct handler *const *handler = handler_list(); *handler; handler++) {
        int n = try_kind((*handler)->kind);
        if (n == 0)
            complain_of(FOLDER, "there are none of kind %s", (*handler)->kind);
        print_message("%s: %d deliveries\n", (*handler)->kind, n);
        total += n;
    }
    assert_int_equal(failures, 0);
    assert_true(total > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_kind_has_recorded_deliveries)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

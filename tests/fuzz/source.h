/* For fuzzers of handlers that need a source: one from its YAML, and what parsing a request comes to. */
#ifndef TURNOUT_TESTS_FUZZ_SOURCE_H
#define TURNOUT_TESTS_FUZZ_SOURCE_H

#include "base/cleanup.h"
#include "base/digest.h"
#include "base/strbuf.h"
#include "config/reading.h"
#include "handlers/source.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "this cannot be: %s\n", what);
    abort();
}

/* Good until the end of the process, where the sanitizers find it still in use. */
static inline const struct source *source_load(const char *yaml)
{
    static struct config *configs[16];
    static size_t n;
    expect(n < 16, "so many sources");
    struct config *config = NULL;
    struct strbuf text = STRBUF_INIT, errors = STRBUF_INIT, warnings = STRBUF_INIT;
    strbuf_addf(&text,
                "sources: {x: {%s}}\n"
                "services: {s: {sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}, trigger: {mode: manual},\n"
                "  playbook: [{action: http.check, url: 'http://x/'}]}}\n",
                yaml);
    enum err err = config_load_bytes("f", strbuf_text(&text), text.len, false, &config, &errors, &warnings);
    expect(err == ERR_OK, strbuf_text(&errors));
    strbuf_done(&text);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    configs[n] = config;
    return &configs[n++]->sources[0];
}

/* ---- parsing ----------------------------------------------------------------------------------------------------- */

/* Of one parse. Two that say the same have the same hash. */
struct said {
    enum err err;
    size_t n;
    struct sha256 hash;
    bool says_nothing;
};

static inline enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    struct said *outcome = context;
    const int64_t facts[] = {alert->state, alert->starts_at, alert->ends_at, alert->asserted_at,
                             (int64_t)alert->n_labels};
    expect(alert->identity_len > 0, "an alert without an identity");
    expect(alert->n_labels <= 256, "an alert of so many labels");
    expect(alert->state != ALERT_FIRING || alert->ends_at == TIME_UNKNOWN, "a firing alert with an end");
    const struct bytes_view alert_parts[] = {
        {&outcome->hash, sizeof outcome->hash}, {facts, sizeof facts}, {alert->identity, alert->identity_len}};
    outcome->hash = sha256_of_parts(alert_parts, 3);
    for (size_t i = 0; i < alert->n_labels; i++) {
        const struct label *label = &alert->labels[i];
        const struct bytes_view parts[] = {
            {&outcome->hash, sizeof outcome->hash}, {label->name, label->name_len}, {label->value, label->value_len}};
        outcome->hash = sha256_of_parts(parts, 3);
    }
    outcome->n++;
    return ERR_OK;
}

static inline struct said parse(const struct handler *handler, const struct handler_request *request)
{
    struct errmsg why = {""};
    struct said outcome = {.n = 0};
    struct handler_result result = {.take = take, .context = &outcome};
    outcome.err = handler->parse(request, &result, &why);
    outcome.says_nothing = result.nothing[0] != '\0';
    expect(outcome.err == ERR_OK || outcome.err == ERR_INVALID || outcome.err == ERR_TOO_BIG ||
               outcome.err == ERR_DENIED,
           "an error of this kind");
    expect((outcome.err == ERR_OK) == (why.text[0] == '\0'), "a message without an error, or the other way round");
    expect(outcome.err == ERR_OK || outcome.n == 0, "alerts of a body that failed");
    expect(outcome.n == 0 || outcome.err != ERR_OK || !outcome.says_nothing, "alerts and a reason why there are none");
    strbuf_done(&result.stored);
    return outcome;
}

static inline void expect_same(const struct said *a, const struct said *b, const char *what)
{
    expect(a->err == b->err && a->n == b->n && memcmp(&a->hash, &b->hash, sizeof a->hash) == 0, what);
}

/* ---- headers ----------------------------------------------------------------------------------------------------- */

struct fuzz_headers {
    const char *names[3];
    char values[3][512];
};

static inline const char *header_of(const struct handler_request *request, const char *name)
{
    const struct fuzz_headers *headers = request->context;
    for (size_t i = 0; i < 3 && headers->names[i]; i++) {
        if (strcasecmp(headers->names[i], name) == 0)
            return headers->values[i];
    }
    return NULL;
}

/* Takes a line from the front of the text as the value of a header; false when there is none that could be one. */
static inline bool line_take(const char **text, size_t *len, char value[512])
{
    const char *end = memchr(*text, '\n', *len);
    size_t line_len = end ? (size_t)(end - *text) : 0;
    if (!end || line_len >= 512 || memchr(*text, '\0', line_len))
        return false;
    memcpy(value, *text, line_len);
    value[line_len] = '\0';
    *text = end + 1;
    *len -= line_len + 1;
    return true;
}

/* Puts the right signature where a "$" stands, so that a fuzzer gets behind it. */
static inline void fill_in(char value[512], const char *signature)
{
    char copy[512];
    char *dollar = strchr(value, '$');
    if (!dollar || strlen(value) + strlen(signature) >= sizeof copy)
        return;
    snprintf(copy, sizeof copy, "%.*s%s%s", (int)(dollar - value), value, signature, dollar + 1);
    memcpy(value, copy, sizeof copy);
}

#endif

/* `turnout try`: what a delivery would be taken for, read from a file by the handler and the rules of a configuration.
 *
 * It asks no daemon and touches no database. Nor does it look at credentials or signatures, so that it can be used
 * where the secrets are not; what it prints says so. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "cli.h"
#include "config/config.h"
#include "handlers/reread.h"
#include "http/http.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_PARAMETERS 64
#define MAX_ALERTS_TOLD 1000

/* ---- what was sent ----------------------------------------------------------------------------------------------- */

struct query {
    char *text; /* decoded in place; the fields borrow from it */
    struct handler_field fields[MAX_PARAMETERS];
    size_t n;
};

static int digit_of(char c)
{
    const char *const digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) % 16 : -1;
}

/* As the listener decodes it: a NUL becomes a byte that no name of ours holds. */
static void decode(char *text)
{
    char *to = text;
    for (const char *c = text; *c; c++) {
        int high = *c == '%' ? digit_of(c[1]) : -1;
        int low = high >= 0 ? digit_of(c[2]) : -1;
        if (low >= 0) {
            int byte = high * 16 + low;
            *to++ = (char)(byte ? byte : 1);
            c += 2;
        } else {
            *to++ = *c == '+' ? ' ' : *c;
        }
    }
    *to = '\0';
}

/* A "?" in front is what a person pastes with it. */
static bool query_read(const char *text, struct query *query)
{
    query->text = strdup(text[0] == '?' ? text + 1 : text);
    if (!query->text)
        return false;
    char *next = query->text;
    while (next && query->n < MAX_PARAMETERS) {
        char *name = strsep(&next, "&");
        char *value = strchr(name, '=');
        if (value)
            *value++ = '\0';
        if (!name[0])
            continue;
        decode(name);
        if (value)
            decode(value);
        query->fields[query->n++] = (struct handler_field){name, value ? value : ""};
    }
    return true;
}

/* At most `max` bytes and one, that the caller sees that it is more. An editor's line break at the end is none of the
 * monitor's. False: it cannot be read, and why has been said. */
static bool body_read(const char *path, size_t max, struct strbuf *body)
{
    bool is_input = strcmp(path, "-") == 0;
    errno = 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    char bytes[16384];
    size_t len = 0;
    while (file && body->len <= max && (len = fread(bytes, 1, sizeof bytes, file)) > 0)
        strbuf_add(body, bytes, len);
    bool is_read = file && !ferror(file) && !body->is_broken;
    if (!is_read)
        fprintf(stderr, "turnout: %s cannot be read: %s\n", is_input ? "the input" : path,
                strerror(errno ? errno : ENOMEM));
    if (file && !is_input)
        fclose(file);
    if (body->len > 0 && body->data[body->len - 1] == '\n')
        body->data[--body->len] = '\0';
    return is_read;
}

/* ---- what it is taken for ---------------------------------------------------------------------------------------- */

static void print_time(const json_t *alert, const char *key, const char *name)
{
    const char *time = json_string_value(json_object_get(alert, key));
    if (time)
        printf("  %-10s%s\n", name, time);
}

static void print_label(const char *name, const json_t *value)
{
    size_t i;
    const json_t *item;
    if (json_is_string(value))
        printf("%s=\"%s\"", name, json_string_value(value));
    json_array_foreach(value, i, item) printf("%s%s=\"%s\"", i ? " " : "", name, json_string_value(item));
}

static void print_alert(size_t n, const json_t *alert)
{
    const char *identity = json_string_value(json_object_get(alert, "identity"));
    printf("\nalert %zu: %s\n", n, json_string_value(json_object_get(alert, "state")));
    printf("  %-10s%s\n", "identity", identity ? identity : "its labels");
    print_time(alert, "starts_at", "starts");
    print_time(alert, "ends_at", "ends");
    print_time(alert, "asserted_at", "said at");
    printf("  %-10s", "labels");
    const char *name;
    const json_t *value;
    bool is_first = true;
    json_object_foreach((json_t *)(uintptr_t)json_object_get(alert, "labels"), name, value)
    {
        printf("%s", is_first ? "" : " ");
        print_label(name, value);
        is_first = false;
    }
    printf("%s\n", is_first ? "none" : "");
    size_t i;
    const json_t *sentence;
    json_array_foreach(json_object_get(alert, "explanation"), i, sentence)
        printf("  => %s\n", json_string_value(sentence));
}

static void print_told(const struct config *config, const struct source *source, const json_t *told)
{
    json_int_t n = json_integer_value(json_object_get(told, "n_alerts"));
    const char *nothing = json_string_value(json_object_get(told, "nothing"));
    const json_t *notice = json_object_get(told, "notice");
    printf("%s (%s, trust %s): %" JSON_INTEGER_FORMAT " alert%s; the %s was not looked at\n", source->name,
           source->handler->kind, trust_text(source->trust), n, n == 1 ? "" : "s",
           source->trust == TRUST_SIGNED ? "signature" : "credential");
    if (config->n_stand_ins > 0)
        printf("(%d secret%s of the configuration %s not here; none is needed for this)\n", config->n_stand_ins,
               config->n_stand_ins == 1 ? "" : "s", config->n_stand_ins == 1 ? "is" : "are");
    size_t i;
    const json_t *alert;
    json_array_foreach(json_object_get(told, "alerts"), i, alert) print_alert(i + 1, alert);
    if (n > MAX_ALERTS_TOLD)
        printf("\nand %" JSON_INTEGER_FORMAT " more alerts\n", n - MAX_ALERTS_TOLD);
    if (nothing)
        printf("\nno alert: %s\n", nothing);
    if (json_is_object(notice))
        printf("on record as intake.%s: %s\n", json_string_value(json_object_get(notice, "kind")),
               json_string_value(json_object_get(notice, "text")));
}

static int refuse(const struct options *options, int status, struct errmsg *why)
{
    utf8_clean(why->text);
    json_t *error = json_pack("{s:{s:i, s:s}}", "error", "status", status, "message", why->text);
    if (options->is_json)
        (void)json_dumpf(error, stdout, JSON_COMPACT);
    else
        printf("would be answered %d: %s", status, why->text);
    printf("\n");
    json_decref(error);
    return EXIT_FAILED;
}

static int tell(const struct options *options, const struct config *config, const struct handler_request *request,
                int source)
{
    json_t *told = NULL;
    struct errmsg why = {""};
    enum err err = reread_delivery(request, &config->model, source, MAX_ALERTS_TOLD, &told, &why);
    if (err != ERR_OK) {
        int status = handler_refusal_status(err);
        return refuse(options, status ? status : 503, &why);
    }
    if (options->is_json) {
        (void)json_dumpf(told, stdout, JSON_COMPACT);
        printf("\n");
    } else {
        print_told(config, request->source, told);
    }
    bool is_matched = json_integer_value(json_object_get(told, "services")) > 0;
    json_decref(told);
    return is_matched ? EXIT_DONE : EXIT_REFUSED;
}

static void query_done(struct query *query)
{
    free(query->text);
}

static int read_and_tell(const struct options *options, const struct config *config, int source, size_t max)
{
    CLEANUP(strbuf_done) struct strbuf body = STRBUF_INIT;
    CLEANUP(query_done) struct query query = {.n = 0};
    if (options->n_words > 1 && !body_read(options->words[1], max, &body))
        return EXIT_FAILED;
    if (options->query && !query_read(options->query, &query)) {
        fprintf(stderr, "turnout: out of memory\n");
        return EXIT_FAILED;
    }
    if (body.len > max) {
        struct errmsg why;
        errmsg_set(&why, "the body is larger than %zu bytes", max);
        return refuse(options, handler_refusal_status(ERR_TOO_BIG), &why);
    }
    const struct handler_request request = {.source = &config->sources[source],
                                            .body = strbuf_text(&body),
                                            .len = body.len,
                                            .query = query.fields,
                                            .n_query = query.n,
                                            .now = clock_wall_ms(),
                                            .is_stored = true};
    return tell(options, config, &request, source);
}

static int try_delivery(const struct options *options, const struct config *config)
{
    int source = model_source_find(&config->model, options->words[0]);
    if (source < 0) {
        fprintf(stderr, "turnout: %s has no source %s\n", options->config, options->words[0]);
        return EXIT_FAILED;
    }
    struct http_settings settings;
    http_settings_init(&settings);
    size_t max = config->sources[source].handler->max_body;
    return read_and_tell(options, config, source, max > 0 && max < settings.max_body ? max : settings.max_body);
}

int command_try(const struct options *options)
{
    if (!options->config || (options->n_words < 2 && !options->query)) {
        fprintf(
            stderr,
            "Usage: turnout try -c FILE SOURCE [BODY] [--query Q]; one of BODY (- for stdin) and --query is needed\n");
        return EXIT_USAGE;
    }
    struct config *config = NULL;
    struct strbuf errors = STRBUF_INIT;
    struct strbuf warnings = STRBUF_INIT; /* what is doubted is for `check` to say */
    int code = EXIT_FAILED;
    if (config_load_for_trial(options->config, &config, &errors, &warnings) == ERR_OK)
        code = try_delivery(options, config);
    fputs(strbuf_text(&errors), stderr);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    config_free(config);
    return code;
}

/* `turnout doctor`: all that would stop a failover tonight, the worst first.
 *
 * The configuration is read as `serve` reads it; then this machine is looked at, and the daemon asked, if one answers.
 * Nothing is changed and no provider is asked: the daemon does that all day, and its readiness says what it found. */
#include "doctor/doctor.h"

#include "base/cleanup.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const words[] = {"stops", "hinders", "note"};
static const char *const titles[] = {"STOPS", "HINDERS", "NOTE"};

void found(json_t *list, enum severity severity, const char *about, const char *mend, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    AUTO_FREE char *text = NULL;
    if (vasprintf(&text, format, args) < 0)
        text = NULL;
    va_end(args);
    if (text)
        utf8_clean(text); /* it may be cut, or hold the name of a file */
    json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s?}", "severity", words[severity], "about", about, "text",
                                          text ? text : "out of memory", "mend", mend));
}

/* ---- the configuration ------------------------------------------------------------------------------------------- */

/* Each line of a text, as "PATH:LINE:COLUMN: warning: …" or "PATH: note: …". */
static void found_lines(json_t *list, enum severity severity, const char *lines)
{
    for (const char *line = lines; *line;) {
        const size_t len = strcspn(line, "\n");
        found(list, severity, "configuration", NULL, "%.*s", (int)len, line);
        line += len + (line[len] == '\n');
    }
}

static void add_notes(json_t *list, const struct config *config)
{
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&text, &len);
    if (!file)
        return;
    config_print_notes(file, config);
    fclose(file);
    found_lines(list, SEVERITY_NOTE, text);
    if (!config->site)
        found(
            list, SEVERITY_NOTE, "configuration", NULL,
            "%s: note: \"server\" has no \"site\": nobody can say whether the daemon fails together with what it is to "
            "move",
            config->path);
}

static void check_tls(json_t *list, const struct config *config)
{
    CLEANUP(strbuf_done) struct strbuf doubts = STRBUF_INIT;
    struct errmsg why = {0};
    const struct http_tls tls = http_tls_of(&config->tls);
    if (!config->tls.certificate)
        return;
    if (http_check_tls(&tls, &doubts, &why) != ERR_OK)
        found(list, SEVERITY_STOPS, "configuration", NULL, "%s", why.text);
    found_lines(list, SEVERITY_HINDERS, strbuf_text(&doubts));
}

/* Reads it as `serve` does; where only secrets are missing here, the rest of it is looked at all the same. */
static struct config *read_config(json_t *list, const char *path, bool *ret_has_literals, struct strbuf *ret_errors)
{
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf again = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf more = STRBUF_INIT;
    struct config *config = NULL;
    enum err err = config_load(path, &config, ret_errors, &warnings);
    found_lines(list, SEVERITY_HINDERS, strbuf_text(&warnings));
    *ret_has_literals = strstr(strbuf_text(&warnings), "is written out in this file") != NULL;
    if (err != ERR_OK && config_load_for_trial(path, &config, &again, &more) != ERR_OK) {
        found_lines(list, SEVERITY_STOPS, strbuf_text(ret_errors));
        strbuf_done(ret_errors);
        return NULL;
    }
    check_tls(list, config);
    add_notes(list, config);
    return config;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

static int count(const json_t *list, enum severity severity)
{
    int n = 0;
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item) n +=
        strcmp(json_string_value(json_object_get(item, "severity")), words[severity]) == 0;
    return n;
}

static void print_severity(const json_t *list, enum severity severity)
{
    size_t i;
    const json_t *item;
    json_array_foreach(list, i, item)
    {
        const char *mend = json_string_value(json_object_get(item, "mend"));
        if (strcmp(json_string_value(json_object_get(item, "severity")), words[severity]) != 0)
            continue;
        printf("%-8s %s: %s\n", titles[severity], json_string_value(json_object_get(item, "about")),
               json_string_value(json_object_get(item, "text")));
        if (mend)
            printf("         %s\n", mend);
    }
}

static void print_all(const json_t *list)
{
    const int n_stops = count(list, SEVERITY_STOPS), n_hinders = count(list, SEVERITY_HINDERS);
    print_severity(list, SEVERITY_STOPS);
    print_severity(list, SEVERITY_HINDERS);
    print_severity(list, SEVERITY_NOTE);
    if (n_stops > 0)
        printf("%d thing%s would stop a failover tonight", n_stops, n_stops == 1 ? "" : "s");
    else
        printf("nothing was found that would stop a failover tonight");
    if (n_hinders > 0)
        printf(", %d would hinder one", n_hinders);
    printf("\n");
}

static void print_json(const json_t *list)
{
    json_t *sorted = json_array();
    size_t i;
    json_t *item;
    for (enum severity severity = SEVERITY_STOPS; severity <= SEVERITY_NOTE; severity++) {
        json_array_foreach(list, i, item)
        {
            if (strcmp(json_string_value(json_object_get(item, "severity")), words[severity]) == 0)
                json_array_append(sorted, item);
        }
    }
    json_t *answer = json_pack("{s:b, s:o}", "well", count(list, SEVERITY_STOPS) == 0, "findings", sorted);
    AUTO_FREE char *text = answer ? json_dumps(answer, JSON_COMPACT) : NULL;
    printf("%s\n", text ? text : "");
    json_decref(answer);
}

int command_doctor(const struct options *options)
{
    if (!options->config) {
        fprintf(stderr, "Usage: turnout doctor -c FILE\n");
        return EXIT_USAGE;
    }
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    json_t *list = json_array();
    bool has_literals = false;
    struct config *config = read_config(list, options->config, &has_literals, &errors);
    const bool has_daemon = doctor_ask(list, options, config);
    /* The daemon that runs has read its secrets; only the next start would not. */
    found_lines(list, has_daemon ? SEVERITY_HINDERS : SEVERITY_STOPS, strbuf_text(&errors));
    if (config)
        doctor_place(list, config, has_literals, has_daemon);
    if (options->is_json)
        print_json(list);
    else
        print_all(list);
    const int code = count(list, SEVERITY_STOPS) == 0 ? EXIT_DONE : EXIT_FAILED;
    json_decref(list);
    config_free(config);
    return code;
}

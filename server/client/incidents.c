/* `turnout incidents` and `turnout why`: what was wrong, why something was done about it, and why not. */
#include "client/client.h"

#include "base/id.h"
#include "core/why.h"
#include "core/words.h"

#include <stdio.h>
#include <string.h>

const char *client_why_not(const json_t *incident)
{
    enum reason reason;
    const char *text = text_of(incident, "reason");
    if (!reason_parse(text, &reason))
        return text;
    return reason == REASON_NONE ? NULL : why_phrase(reason);
}

static void print_incident(const json_t *incident)
{
    const char *end = json_string_value(json_object_get(incident, "resolved_at"));
    const char *would = json_string_value(json_object_get(incident, "would_to"));
    const char *run = json_string_value(json_object_get(incident, "run"));
    const char *why = client_why_not(incident);
    printf("%s  %s  %s of %s, %s%s", text_of(incident, "id"), text_of(incident, "opened_at"), text_of(incident, "site"),
           text_of(incident, "service"), end ? "until " : "open", end ? end : "");
    if (run)
        printf(", run %s", run);
    else if (would)
        printf(", would have been moved to %s", would);
    else if (why)
        printf(", nothing was started: %s", why);
    printf("\n");
}

int command_incidents(const struct options *options)
{
    char path[MAX_PATH];
    if (options->n_words && !is_plain(options->words[0]))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/api/v1/incidents?open=%s%s%s", options->is_open ? "true" : "false",
             options->n_words ? "&service=" : "", options->n_words ? options->words[0] : "");
    return client_show(options, path, print_incident, true);
}

/* ---- why --------------------------------------------------------------------------------------------------------- */

/* "+2 min 3 s" since the incident's beginning; what is not of the past is of now. */
static void print_line(const json_t *line)
{
    char when[64] = "now";
    int64_t after_ms = number_of(line, "after_ms");
    if (after_ms >= 1000)
        after_ms -= after_ms % 1000;
    if (!json_is_true(json_object_get(line, "is_now")))
        snprintf(when, sizeof when, "+%.40s", duration_phrase(after_ms).text);
    printf("  %12s  %s\n", when, text_of(line, "text"));
}

static void print_story(const json_t *incident)
{
    size_t i;
    const json_t *line;
    const char *end = json_string_value(json_object_get(incident, "resolved_at"));
    printf("%s of %s, %s%s%s (incident %s)\n", text_of(incident, "site"), text_of(incident, "service"),
           text_of(incident, "opened_at"), end ? " to " : ", not over", end ? end : "", text_of(incident, "id"));
    json_array_foreach(json_object_get(incident, "story"), i, line) print_line(line);
}

static int tell(const struct options *options, const char *id)
{
    char path[MAX_PATH];
    snprintf(path, sizeof path, "/api/v1/incidents/%s", id);
    return client_show(options, path, print_story, false);
}

/* The items, a new reference, of a list that is not printed. */
static int list(const struct options *options, const char *service, const char *filters, json_t **ret)
{
    char path[MAX_PATH];
    struct options quiet = *options;
    quiet.is_json = false;
    snprintf(path, sizeof path, "/api/v1/incidents?service=%s&%s", service, filters);
    json_t *answer = NULL;
    int code = client_call(&quiet, "GET", path, NULL, &answer);
    *ret = json_incref(json_object_get(answer, "items"));
    json_decref(answer);
    return code;
}

/* That there is no incident is an answer, of a service that there is. */
static int tell_of_none(const struct options *options, const char *service)
{
    char path[MAX_PATH];
    struct options quiet = *options;
    quiet.is_json = false;
    snprintf(path, sizeof path, "/api/v1/services/%s", service);
    json_t *answer = NULL;
    int code = client_call(&quiet, "GET", path, NULL, &answer);
    json_decref(answer);
    if (code == EXIT_DONE && !options->is_json)
        printf("%s has had no incident: nobody has said that one of its sites is down\n", service);
    return code;
}

/* Every open incident of a service, or its last. */
static int tell_of_service(const struct options *options, const char *service)
{
    json_t *items = NULL;
    size_t i;
    const json_t *item;
    int code = list(options, service, "open=true", &items);
    if (code == EXIT_DONE && json_array_size(items) == 0) {
        json_decref(items);
        code = list(options, service, "limit=1", &items);
    }
    if (code == EXIT_DONE && json_array_size(items) == 0)
        code = tell_of_none(options, service);
    json_array_foreach(items, i, item)
    {
        if (code == EXIT_DONE)
            code = tell(options, text_of(item, "id"));
    }
    json_decref(items);
    return code;
}

int command_why(const struct options *options)
{
    struct id id;
    const char *word = options->words[0];
    if (!is_plain(word))
        return EXIT_USAGE;
    return id_parse(word, strlen(word), &id) == ERR_OK ? tell(options, word) : tell_of_service(options, word);
}

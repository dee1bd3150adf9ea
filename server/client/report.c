/* `turnout report`: what happened and how long each part took, for the morning after. */
#include "client/client.h"

#include <stdio.h>

static void print_markdown(const json_t *report)
{
    printf("%s", text_of(report, "markdown"));
}

/* The id may be that of an incident or of a run. */
int command_report(const struct options *options)
{
    char path[MAX_PATH];
    struct options quiet = *options;
    quiet.is_json = false;
    if (!is_plain(options->words[0]))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/api/v1/runs/%s", options->words[0]);
    const bool is_run = client_call(&quiet, "GET", path, NULL, NULL) == EXIT_DONE;
    snprintf(path, sizeof path, "/api/v1/%s/%s/report", is_run ? "runs" : "incidents", options->words[0]);
    return client_show(options, path, print_markdown, false);
}

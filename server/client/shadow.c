/* `turnout shadow report`: what shadow mode would have done, and whether that would have been right. */
#include "client/client.h"

#include "base/clock.h"
#include "core/words.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "30d", "12h", "90m": back from now. False: said what is wrong. */
static bool since_of(const char *text, int64_t *ret_wall)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = {{"d", 86400000}, {"h", 3600000}, {"m", 60000}};
    char *end;
    long long count = strtoll(text, &end, 10);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (text[0] < '0' || text[0] > '9' || count > 100000 || strcmp(end, units[i].unit) != 0)
            continue;
        *ret_wall = clock_wall_ms() - count * units[i].ms;
        return true;
    }
    fprintf(stderr, "turnout: --since takes a time back from now, like 30d, 12h or 90m; %s is none\n", text);
    return false;
}

static void print_case(const json_t *given)
{
    printf("  %-5s  %s  %s to %s: stood for another %s with %" JSON_INTEGER_FORMAT " vote%s%s\n",
           text_of(given, "verdict"), text_of(given, "at"), text_of(given, "site"), text_of(given, "to"),
           duration_phrase(number_of(given, "lasted_ms")).text, number_of(given, "most_votes"),
           number_of(given, "most_votes") == 1 ? "" : "s",
           json_is_true(json_object_get(given, "is_moved")) ? ", and a person moved it" : "");
    printf("         turnout why %s\n", text_of(given, "incident"));
}

static void print_service(const json_t *service)
{
    size_t i;
    const json_t *given;
    printf("%s (%s, votes %" JSON_INTEGER_FORMAT ", hold %s): %s\n", text_of(service, "service"),
           text_of(service, "mode"), number_of(service, "votes_needed"),
           duration_phrase(number_of(service, "hold_ms")).text, text_of(service, "text"));
    json_array_foreach(json_object_get(service, "cases"), i, given) print_case(given);
}

static void print_report(const json_t *report)
{
    size_t i;
    const json_t *service;
    const char *since = json_string_value(json_object_get(report, "since"));
    printf("%s%s to %s; right is what a person moved, or what lasted %s and more\n", since ? "since " : "up",
           since ? since : "", text_of(report, "until"), duration_phrase(number_of(report, "lasting_ms")).text);
    json_array_foreach(json_object_get(report, "items"), i, service) print_service(service);
    if (json_array_size(json_object_get(report, "items")) == 0)
        printf("no service is in shadow mode\n");
}

int command_shadow(const struct options *options)
{
    char path[MAX_PATH] = "/api/v1/shadow";
    char text[TIME_TEXT_SIZE];
    int64_t since = 0;
    if (strcmp(options->words[0], "report") != 0) {
        fprintf(stderr, "Usage: turnout shadow report [--since 30d]\n");
        return EXIT_USAGE;
    }
    if (options->since && !since_of(options->since, &since))
        return EXIT_USAGE;
    if (options->since)
        snprintf(path, sizeof path, "/api/v1/shadow?since=%s", time_format(since, text));
    return client_show(options, path, print_report, false);
}

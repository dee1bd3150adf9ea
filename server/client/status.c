/* `turnout status`: first what a person has to know or do, then the services one by one. */
#include "client/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what a person has to know ----------------------------------------------------------------------------------- */

static void print_paused(const json_t *service)
{
    const json_t *paused = json_object_get(service, "paused");
    if (!json_is_object(paused))
        return;
    const char *name = text_of(service, "name");
    printf("PAUSED       %s by %s since %s: %s\n", name, text_of(paused, "who"), text_of(paused, "at"),
           text_of(paused, "reason"));
    printf("             turnout resume %s --reason TEXT\n", name);
}

static void print_waiting(const json_t *service)
{
    const json_t *waiting = json_object_get(service, "waiting");
    if (!json_is_object(waiting))
        return;
    const char *run = text_of(waiting, "run");
    const char *deadline = json_string_value(json_object_get(waiting, "deadline"));
    bool is_yes = strcmp(text_of(waiting, "then"), "approve") == 0;
    printf("WAITING      the %s of %s to %s waits for a yes or no", text_of(waiting, "kind"), text_of(service, "name"),
           text_of(waiting, "to"));
    if (deadline)
        printf("; at %s it is %s", deadline, is_yes ? "approved" : "rejected");
    printf("\n             turnout approve %s --reason TEXT\n             turnout reject %s --reason TEXT\n", run, run);
}

static void print_attention(const json_t *service)
{
    const json_t *run = json_object_get(service, "run");
    if (strcmp(text_of(run, "state"), "attention") != 0)
        return;
    const char *id = text_of(run, "id");
    printf("ATTENTION    the %s of %s to %s waits for a person: %s\n", text_of(run, "kind"), text_of(service, "name"),
           text_of(run, "to"), text_of(run, "error"));
    printf("             mend it, then: turnout retry %s --reason TEXT (or skip, or cancel)\n", id);
}

static void print_readiness(const json_t *service)
{
    static const char *const directions[] = {"failover", "failback"};
    for (int i = 0; i < 2; i++) {
        const json_t *readiness = json_object_get(json_object_get(service, "readiness"), directions[i]);
        const char *state = text_of(readiness, "state");
        bool is_worst = strcmp(state, "not ready") == 0;
        if (!is_worst && strcmp(state, "degraded") != 0)
            continue;
        printf("%s %s for a %s since %s: %s\n", is_worst ? "NOT READY   " : "DEGRADED    ", text_of(service, "name"),
               directions[i], text_of(readiness, "since"), text_of(readiness, "text"));
        printf("             turnout plan %s\n", text_of(service, "name"));
    }
}

static void print_frozen(const json_t *service)
{
    const json_t *frozen = json_object_get(service, "frozen");
    if (!json_is_object(frozen))
        return;
    const char *reason = text_of(frozen, "reason");
    printf("FROZEN       %s until %s%s%s\n", text_of(service, "name"), text_of(frozen, "until"), reason[0] ? ": " : "",
           reason);
}

static void print_each(const json_t *services, void (*print)(const json_t *service))
{
    size_t i;
    const json_t *service;
    json_array_foreach(services, i, service) print(service);
}

static void print_names(const json_t *names, const char *title, const char *meaning)
{
    size_t i;
    const json_t *name;
    json_array_foreach(names, i, name) printf("%s%s", i ? ", " : title, json_string_value(name));
    if (json_array_size(names) > 0)
        printf(": %s\n", meaning);
}

static void print_wrong(const json_t *status, const char *key, const char *title)
{
    const char *text = json_string_value(json_object_get(status, key));
    if (text)
        printf("%s%s\n", title, text);
}

static void print_first(const json_t *services, const json_t *status)
{
    print_each(services, print_paused);
    print_each(services, print_waiting);
    print_each(services, print_attention);
    print_each(services, print_frozen);
    print_each(services, print_readiness);
    print_names(json_object_get(status, "stale"), "STALE        ",
                "silent for too long, what they said does not count");
    print_names(json_object_get(status, "suspect"), "SUSPECT      ", "they say down of everything that they speak of");
    print_wrong(status, "cut_off", "CUT OFF      ");
    print_wrong(status, "kill_switch", "KILL SWITCH  ");
    print_wrong(status, "flood", "FLOOD        ");
    print_wrong(status, "heartbeat", "HEARTBEAT    ");
}

/* ---- the services ------------------------------------------------------------------------------------------------ */

static void print_incident(const json_t *incident)
{
    if (!json_is_object(incident))
        return;
    const char *why = client_why_not(incident);
    printf("    incident since %s: %s", text_of(incident, "opened_at"),
           json_is_true(json_object_get(incident, "is_standing")) ? "stands" : "open until its votes are gone");
    if (why)
        printf("; nothing is started: %s", why);
    printf("\n      turnout why %s\n", text_of(incident, "id"));
}

/* The voters that say so, as a list behind its title; those that say down with their alerts. */
static void print_voters(const json_t *site, const char *vote, const char *title)
{
    size_t i;
    int n = 0;
    const json_t *voter;
    json_array_foreach(json_object_get(site, "voters"), i, voter)
    {
        const char *name = text_of(voter, "voter");
        bool is_silent_person = strcmp(name, "operator") == 0 && strcmp(text_of(voter, "vote"), "unknown") == 0;
        if (strcmp(text_of(voter, "vote"), vote) != 0 || is_silent_person)
            continue;
        printf("%s%s", n++ ? ", " : title, name);
        if (strcmp(vote, "down") == 0)
            printf(" (%" JSON_INTEGER_FORMAT ")", number_of(voter, "alerts"));
    }
}

static void print_site(const json_t *service, const json_t *site)
{
    json_int_t trusted_needed = number_of(service, "trusted_votes_needed");
    printf("  %-20s %" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " down votes", text_of(site, "name"),
           number_of(site, "down_votes"), number_of(service, "votes_needed"));
    if (trusted_needed > 0)
        printf(" (%" JSON_INTEGER_FORMAT " of %" JSON_INTEGER_FORMAT " trusted)", number_of(site, "trusted_down_votes"),
               trusted_needed);
    print_voters(site, "down", ": ");
    print_voters(site, "up", "; up: ");
    print_voters(site, "unknown", "; silent: ");
    printf("\n");
    print_incident(json_object_get(site, "incident"));
}

static bool is_site(const json_t *service, const char *name)
{
    size_t i;
    const json_t *site;
    json_array_foreach(json_object_get(service, "sites"), i, site)
    {
        if (strcmp(text_of(site, "name"), name) == 0)
            return true;
    }
    return false;
}

static void print_timer(const json_t *timer)
{
    const char *site = json_string_value(json_object_get(timer, "site"));
    printf("  timer %s%s%s due %s\n", text_of(timer, "kind"), site ? " of " : "", site ? site : "",
           text_of(timer, "due_at"));
}

static void print_service(const json_t *service)
{
    const char *active = text_of(service, "active");
    size_t i;
    const json_t *part;
    printf("%s: %s%s, home %s, %s\n", text_of(service, "name"), is_site(service, active) ? "active " : "", active,
           text_of(service, "home"), text_of(service, "mode"));
    json_array_foreach(json_object_get(service, "sites"), i, part) print_site(service, part);
    json_array_foreach(json_object_get(service, "timers"), i, part) print_timer(part);
    const json_t *run = json_object_get(service, "run");
    if (json_is_object(run))
        printf("  last run %s: %s to %s, %s\n", text_of(run, "id"), text_of(run, "kind"), text_of(run, "to"),
               text_of(run, "state"));
}

/* ---- the subcommand ---------------------------------------------------------------------------------------------- */

/* Takes both. With is_json what the API said of the services, and in it, as "status", what it said of the daemon. */
static void print_status(const struct options *options, json_t *answer, json_t *status)
{
    json_t *services = json_object_get(answer, "items");
    services = services ? json_incref(services) : json_pack("[O]", answer);
    if (options->is_json) {
        json_object_set(answer, "status", status);
        char *text = json_dumps(answer, JSON_COMPACT | JSON_SORT_KEYS);
        printf("%s\n", text ? text : "");
        free(text);
    } else {
        print_first(services, status);
        print_each(services, print_service);
    }
    json_decref(services);
    json_decref(answer);
    json_decref(status);
}

int command_status(const struct options *options)
{
    char path[MAX_PATH] = "/api/v1/services";
    if (options->n_words && !is_plain(options->words[0]))
        return EXIT_USAGE;
    if (options->n_words)
        snprintf(path, sizeof path, "/api/v1/services/%s", options->words[0]);
    struct options quiet = *options;
    quiet.is_json = false;
    json_t *services = NULL, *status = NULL;
    int code = client_call(&quiet, "GET", path, NULL, &services);
    if (code == EXIT_DONE)
        code = client_call(&quiet, "GET", "/api/v1/status", NULL, &status);
    if (code == EXIT_DONE) {
        print_status(options, services, status);
        return EXIT_DONE;
    }
    json_decref(services);
    return code;
}

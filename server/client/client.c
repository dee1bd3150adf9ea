/* Asking a running daemon over its API, and the subcommands that only show a list of it or one thing. They print for
 * people, and with --json what the API said. */
#include "client/client.h"

#include "base/cleanup.h"
#include "base/secret.h"
#include "fetch/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 30000

/* ---- one call ---------------------------------------------------------------------------------------------------- */

static const char *setting(const char *given, const char *variable, const char *otherwise)
{
    const char *value = given ? given : getenv(variable);
    return value && value[0] ? value : otherwise;
}

/* What was in the way, and how to insist where the daemon says that one can. */
static void print_refusal(const struct fetch_response *response, const json_t *answer)
{
    const json_t *error = json_object_get(answer, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    const char *code = json_string_value(json_object_get(error, "code"));
    fprintf(stderr, "turnout: %s (%s, HTTP %d)\n", message ? message : "the daemon refused", code ? code : "no code",
            response->status);
    const char *guard = json_string_value(json_object_get(error, "override"));
    if (guard)
        fprintf(stderr, "turnout: if you know better: --override %s\n", guard);
    if (json_is_true(json_object_get(error, "replace")))
        fprintf(stderr, "turnout: if you know better: --replace\n");
    if (json_is_object(json_object_get(answer, "plan")))
        print_plan(json_object_get(answer, "plan"));
}

/* Who moves a service while the daemon is down has to know that it can be done without one. */
static void hint_at_standalone(const char *path)
{
    static const char *const moves[] = {"failover", "failback"};
    const char *verb = strrchr(path, '/');
    for (size_t i = 0; verb && i < COUNT_OF(moves); i++) {
        if (strcmp(verb + 1, moves[i]) == 0)
            fprintf(stderr,
                    "turnout: if the daemon cannot be had: turnout %s SERVICE --to SITE --standalone -c FILE --reason "
                    "TEXT\n",
                    moves[i]);
    }
}

/* No answer. Where the daemon may have taken it, a second one, or one without the daemon, would be two. */
static void print_silence(const struct fetch_request *request, const char *path, enum err err, const char *why)
{
    fprintf(stderr, "turnout: %s: %s\n", request->url, why);
    if (strcmp(request->method, "GET") == 0)
        return;
    if (err == ERR_UNKNOWN)
        fputs("turnout: the daemon may have taken it: see turnout status before you say it again\n", stderr);
    else
        hint_at_standalone(path);
}

int client_call(const struct options *options, const char *method, const char *path, const json_t *body, json_t **ret)
{
    const char *token = setting(options->token, "TURNOUT_TOKEN", NULL);
    if (!token && ret) {
        fprintf(stderr, "turnout: a token is needed: set TURNOUT_TOKEN\n");
        return EXIT_USAGE;
    }
    struct strbuf url = STRBUF_INIT;
    struct strbuf authorization = STRBUF_INIT;
    strbuf_addf(&url, "%s%s", setting(options->url, "TURNOUT_URL", "http://127.0.0.1:8080"), path);
    strbuf_addf(&authorization, "Bearer %s", token ? token : "");
    AUTO_FREE char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    const struct fetch_header headers[] = {
        {.name = "Authorization", .value = strbuf_text(&authorization), .is_secret = true},
        {.name = "Content-Type", .value = "application/json"},
    };
    const struct fetch_request request = {.method = method,
                                          .url = strbuf_text(&url),
                                          .headers = headers,
                                          .n_headers = token ? 2 : 0,
                                          .body = text,
                                          .body_len = text ? strlen(text) : 0,
                                          .ca = setting(options->ca, "TURNOUT_CA", NULL),
                                          .certificate = setting(options->certificate, "TURNOUT_CERT", NULL),
                                          .key = setting(options->key, "TURNOUT_KEY", NULL),
                                          .timeout_ms = TIMEOUT_MS};
    struct fetch *fetch = fetch_new();
    struct fetch_response response = {0};
    struct errmsg why = {0};
    int code = EXIT_FAILED;
    enum err err =
        fetch ? fetch->send(fetch, &request, &response, &why) : err_set(&why, ERR_NO_MEMORY, "out of memory");
    if (err != ERR_OK) {
        print_silence(&request, path, err, why.text);
    } else {
        json_t *answer = json_loadb(strbuf_text(&response.body), response.body.len, 0, NULL);
        bool is_ok = response.status >= 200 && response.status < 300;
        code = is_ok ? EXIT_DONE : response.status == 409 ? EXIT_REFUSED : EXIT_FAILED;
        if (!is_ok && ret)
            print_refusal(&response, answer);
        if (is_ok && options->is_json)
            printf("%s\n", strbuf_text(&response.body));
        if (is_ok && ret)
            *ret = json_incref(answer);
        json_decref(answer);
    }
    fetch_response_done(&response);
    fetch_free(fetch);
    strbuf_done(&url);
    secret_wipe(authorization.data, authorization.len);
    strbuf_done(&authorization);
    return code;
}

/* ---- printing ---------------------------------------------------------------------------------------------------- */

const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "-";
}

json_int_t number_of(const json_t *object, const char *key)
{
    return json_integer_value(json_object_get(object, key));
}

static void print_run(const json_t *run)
{
    printf("%s  %s  %s of %s from %s to %s: %s\n", text_of(run, "id"), text_of(run, "started_at"),
           strcmp(text_of(run, "occasion"), "drill") == 0 ? "drill" : text_of(run, "kind"), text_of(run, "service"),
           text_of(run, "from"), text_of(run, "to"), text_of(run, "state"));
    const char *error = text_of(run, "error");
    if (error[0] && strcmp(error, "-") != 0)
        printf("  %s\n", error);
}

static void print_steps(const json_t *run)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(run, "steps"), i, step)
    {
        const char *error = text_of(step, "error");
        bool has_error = error[0] && strcmp(error, "-") != 0;
        const char *way = json_is_true(json_object_get(step, "is_measure"))   ? " (measured)"
                          : json_is_true(json_object_get(step, "is_undoing")) ? " (put back)"
                                                                              : "";
        printf("  %2zu. %-28s %-20s %s%s%s%s\n", i + 1, text_of(step, "name"), text_of(step, "action"),
               text_of(step, "state"), way, has_error ? ": " : "", has_error ? error : "");
    }
    if (number_of(run, "debts") > 0)
        printf("  %" JSON_INTEGER_FORMAT " owed: tried until done; then, or to give up: turnout done|skip %s --step N "
               "--reason TEXT\n",
               number_of(run, "debts"), text_of(run, "id"));
}

void print_audit_item(const json_t *item)
{
    const json_t *entry = json_object_get(item, "entry");
    const char *service = json_string_value(json_object_get(entry, "service"));
    printf("%6" JSON_INTEGER_FORMAT "  %s  %-20s %s%s%s\n", json_integer_value(json_object_get(item, "seq")),
           text_of(entry, "at"), text_of(entry, "kind"), service ? service : "", service ? ": " : "",
           text_of(entry, "text"));
}

/* ---- the subcommands --------------------------------------------------------------------------------------------- */

bool is_plain(const char *word)
{
    size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-");
    if (word[0] && word[len] == '\0' && len < 128)
        return true;
    fprintf(stderr, "turnout: %s is no name\n", word);
    return false;
}

int client_show(const struct options *options, const char *path, void (*print)(const json_t *), bool is_list)
{
    json_t *answer = NULL;
    int code = client_call(options, "GET", path, NULL, &answer);
    if (code == EXIT_DONE && !options->is_json) {
        size_t i;
        const json_t *item;
        if (is_list)
            json_array_foreach(json_object_get(answer, "items"), i, item) print(item);
        else
            print(answer);
    }
    json_decref(answer);
    return code;
}

static void print_run_and_steps(const json_t *run)
{
    print_run(run);
    print_steps(run);
}

int command_runs(const struct options *options)
{
    char path[256] = "/api/v1/runs";
    if (options->n_words && !is_plain(options->words[0]))
        return EXIT_USAGE;
    if (options->n_words)
        snprintf(path, sizeof path, "/api/v1/runs/%s", options->words[0]);
    return client_show(options, path, options->n_words ? print_run_and_steps : print_run, options->n_words == 0);
}

static void print_delivery(const json_t *delivery)
{
    size_t i;
    const json_t *sentence;
    json_int_t n = number_of(delivery, "alerts");
    printf("%s  %s  %s: %" JSON_INTEGER_FORMAT " alert%s, %" JSON_INTEGER_FORMAT " changed%s\n",
           text_of(delivery, "id"), text_of(delivery, "received_at"), text_of(delivery, "source"), n, n == 1 ? "" : "s",
           number_of(delivery, "changed"), number_of(delivery, "services") == 0 ? ", speaks of no service" : "");
    json_array_foreach(json_object_get(delivery, "explanation"), i, sentence)
        printf("  => %s\n", json_string_value(sentence));
}

static void print_delivery_and_body(const json_t *delivery)
{
    print_delivery(delivery);
    if (json_is_true(json_object_get(delivery, "is_cut")))
        printf("the body's beginning, of %" JSON_INTEGER_FORMAT " bytes:\n", number_of(delivery, "body_bytes"));
    printf("%s\n", text_of(delivery, "body"));
}

int command_deliveries(const struct options *options)
{
    char path[256] = "/api/v1/deliveries";
    if (options->n_words && !is_plain(options->words[0]))
        return EXIT_USAGE;
    if (options->n_words)
        snprintf(path, sizeof path, "/api/v1/deliveries/%s", options->words[0]);
    else if (options->is_unmatched)
        snprintf(path, sizeof path, "/api/v1/deliveries?unmatched=true");
    return client_show(options, path, options->n_words ? print_delivery_and_body : print_delivery,
                       options->n_words == 0);
}

int command_health(const struct options *options)
{
    int code = client_call(options, "GET", "/readyz", NULL, NULL);
    if (code != EXIT_DONE)
        fprintf(stderr, "turnout: not ready\n");
    return code == EXIT_DONE ? EXIT_DONE : EXIT_FAILED;
}

/* In the words of cli.c, which reads a file. */
static void print_verdict(const json_t *verdict)
{
    if (json_is_true(json_object_get(verdict, "intact")))
        printf("intact: %" JSON_INTEGER_FORMAT " entries, %" JSON_INTEGER_FORMAT " to %" JSON_INTEGER_FORMAT
               ", head %s\n",
               number_of(verdict, "count"), number_of(verdict, "first"), number_of(verdict, "last"),
               text_of(verdict, "head"));
    else
        printf("BROKEN at entry %" JSON_INTEGER_FORMAT ": %s\n", number_of(verdict, "broken_seq"),
               text_of(verdict, "text"));
}

static int show_verdict(const struct options *options)
{
    json_t *answer = NULL;
    int code = client_call(options, "GET", "/api/v1/audit/verify", NULL, &answer);
    if (code == EXIT_DONE && !json_is_true(json_object_get(answer, "intact")))
        code = EXIT_FAILED;
    if (answer && !options->is_json)
        print_verdict(answer);
    json_decref(answer);
    return code;
}

int client_audit(const struct options *options)
{
    const char *what = options->words[0];
    if (strcmp(what, "verify") == 0)
        return show_verdict(options);
    if (strcmp(what, "export") == 0) {
        fprintf(stderr,
                "turnout: export needs --database FILE or -c FILE; of a daemon: curl .../api/v1/audit/export\n");
        return EXIT_USAGE;
    }
    json_t *answer = NULL;
    int code = client_call(options, "GET", "/api/v1/audit?limit=20", NULL, &answer);
    const json_t *items = json_object_get(answer, "items");
    for (size_t i = options->is_json ? 0 : json_array_size(items); i-- > 0;)
        print_audit_item(json_array_get(items, i));
    json_decref(answer);
    return code;
}

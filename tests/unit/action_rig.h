/* An action with its provider, arguments and fetch object, called as the executor does; and the provider sandbox as a
 * child process. */
#ifndef TURNOUT_TESTS_ACTION_RIG_H
#define TURNOUT_TESTS_ACTION_RIG_H

#include "actions/action.h"
#include "base/clock.h"
#include "test.h"

#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

struct rig {
    const struct action *action;
    struct provider provider;
    struct fetch *fetch;
    json_t *args;
    json_t *requests;
    json_t *observed, *applied; /* the tokens, kept from call to call */
    atomic_bool cancel;
    struct consent *consent;
    int64_t timeout_ms;
    bool after_unknown_apply;
    bool is_look;
    bool is_lag_accepted;
    struct action_result result; /* of the last call */
    char shown[2000];            /* of the last survey: "NAME TYPE TARGET TTL|" of each, sorted */
};

/* `secrets` is "row=value" up to a NULL. Borrows nothing. */
static inline void rig_start(struct rig *rig, const char *action, const char *provider_args, const char *const *secrets,
                             const char *args)
{
    memset(rig, 0, sizeof(*rig));
    rig->action = action_find(action);
    assert_non_null(rig->action);
    rig->fetch = fetch_new();
    rig->args = json_loads(args, 0, NULL);
    assert_non_null(rig->args);
    rig->requests = json_array();
    rig->timeout_ms = 5000;
    rig->result.retry_after_ms = -1;
    if (!rig->action->provider_kind)
        return;
    rig->provider.name = strdup("test");
    rig->provider.kind = provider_kind_find(rig->action->provider_kind);
    rig->provider.args = json_loads(provider_args, 0, NULL);
    assert_non_null(rig->provider.args);
    json_object_set_new(rig->provider.args, "rate", json_integer(MAX_RATE)); /* what is tested is something else */
    for (int i = 0; secrets && secrets[i]; i++) {
        const char *value = strchr(secrets[i], '=') + 1;
        for (const struct row *row = rig->provider.kind->rows; row->name; row++)
            if (row->type == ROW_SECRET && strlen(row->name) == (size_t)(value - 1 - secrets[i]) &&
                strncmp(row->name, secrets[i], strlen(row->name)) == 0)
                rig->provider.secrets[i].row = row->name;
        assert_non_null(rig->provider.secrets[i].row);
        assert_int_equal(secret_set(&rig->provider.secrets[i].value, value, strlen(value)), ERR_OK);
    }
    if (rig->provider.kind->open)
        assert_int_equal(rig->provider.kind->open(&rig->provider, NULL), ERR_OK);
}

static inline void rig_set(struct rig *rig, const char *name, const char *value)
{
    json_object_set_new(rig->args, name, json_string(value));
}

static inline void rig_set_int(struct rig *rig, const char *name, int value)
{
    json_object_set_new(rig->args, name, json_integer(value));
}

static inline enum err consent_refuse(struct consent *consent, bool is_last, struct errmsg *why)
{
    (void)consent;
    (void)is_last;
    return err_set(why, ERR_CONFLICT, "nothing was sent: not now");
}

typedef void (*rig_phase)(struct action_call *call, struct action_result *ret);

static inline enum outcome rig_call(struct rig *rig, rig_phase phase)
{
    struct action_call call = {.args = rig->args,
                               .provider = rig->action->provider_kind ? &rig->provider : NULL,
                               .fetch = rig->fetch,
                               .run_id = "019aa3c1-5b1e-7000-8000-000000000001",
                               .timeout_ms = rig->timeout_ms,
                               .deadline_at = clock_steady_ms() + rig->timeout_ms,
                               .cancel = &rig->cancel,
                               .consent = rig->consent,
                               .after_unknown_apply = rig->after_unknown_apply,
                               .is_lag_accepted = rig->is_lag_accepted,
                               .is_look = rig->is_look,
                               .observed = rig->observed,
                               .applied = rig->applied,
                               .requests = rig->requests};
    action_result_done(&rig->result);
    rig->result = (struct action_result){.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    phase(&call, &rig->result);
    assert_string_not_equal(rig->result.text.text, "");
    return rig->result.outcome;
}

/* An observation; its token is what the next apply is based on. */
static inline enum outcome rig_observe(struct rig *rig)
{
    enum outcome outcome = rig_call(rig, rig->action->observe);
    json_decref(rig->observed);
    rig->observed = json_incref(rig->result.token);
    return outcome;
}

static inline enum outcome rig_apply(struct rig *rig)
{
    enum outcome outcome = rig_call(rig, rig->action->apply);
    if (outcome == OUTCOME_OK) {
        json_decref(rig->applied);
        rig->applied = json_incref(rig->result.token);
    }
    return outcome;
}

/* Asks until it is settled or has failed, or `timeout_ms` are over. */
static inline enum outcome rig_settle(struct rig *rig, int64_t timeout_ms)
{
    int64_t until = clock_steady_ms() + timeout_ms;
    for (;;) {
        enum outcome outcome = rig_call(rig, rig->action->settled);
        if (outcome != OUTCOME_NOT_YET || clock_steady_ms() > until)
            return outcome;
        usleep(50000);
    }
}

static inline int compare_texts(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static inline void rig_survey(struct rig *rig, const char *const *addresses)
{
    struct action_call call = {.args = rig->args,
                               .provider = &rig->provider,
                               .fetch = rig->fetch,
                               .run_id = "",
                               .timeout_ms = rig->timeout_ms,
                               .deadline_at = clock_steady_ms() + rig->timeout_ms,
                               .cancel = &rig->cancel,
                               .requests = rig->requests};
    char *lines[100];
    size_t i, n = 0;
    const json_t *found;
    action_result_done(&rig->result);
    rig->result = (struct action_result){.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    rig->action->survey(&call, addresses, &rig->result);
    json_array_foreach(rig->result.current, i, found)
    {
        lines[n] = malloc(300);
        assert_true(n < 99 && lines[n] && json_string_length(json_object_get(found, "zone")) > 0);
        snprintf(lines[n++], 300, "%s %s %s %d|", json_string_value(json_object_get(found, "record")),
                 json_string_value(json_object_get(found, "type")), json_string_value(json_object_get(found, "target")),
                 (int)json_integer_value(json_object_get(found, "ttl")));
    }
    qsort(lines, n, sizeof(lines[0]), compare_texts);
    rig->shown[0] = '\0';
    for (i = 0; i < n; i++) {
        strncat(rig->shown, lines[i], sizeof(rig->shown) - strlen(rig->shown) - 1);
        free(lines[i]);
    }
}

#define assert_text_has(rig, part)                                                                                     \
    do {                                                                                                               \
        if (!strstr((rig)->result.text.text, part))                                                                    \
            print_error("\"%s\" does not have \"%s\"\n", (rig)->result.text.text, part);                               \
        assert_non_null(strstr((rig)->result.text.text, part));                                                        \
    } while (0)

#define assert_outcome(rig, call, wanted)                                                                              \
    do {                                                                                                               \
        enum outcome outcome_ = call;                                                                                  \
        if (outcome_ != (wanted))                                                                                      \
            print_error("%s: %s\n", outcome_text(outcome_), (rig)->result.text.text);                                  \
        assert_int_equal(outcome_, wanted);                                                                            \
    } while (0)

/* The state of a run is forgotten, that of the provider is kept. */
static inline void rig_forget(struct rig *rig)
{
    json_decref(rig->observed);
    json_decref(rig->applied);
    rig->observed = rig->applied = NULL;
    json_array_clear(rig->requests);
}

/* None of the secrets is in what was recorded or said. */
static inline void rig_assert_no_secrets(struct rig *rig)
{
    char *recorded = json_dumps(rig->requests, 0);
    for (int i = 0; i < MAX_PROVIDER_SECRETS; i++) {
        const char *secret = rig->provider.secrets[i].value.bytes;
        if (secret) {
            assert_null(strstr(recorded, secret));
            assert_null(strstr(rig->result.text.text, secret));
        }
    }
    free(recorded);
}

static inline void rig_stop(struct rig *rig)
{
    rig_assert_no_secrets(rig);
    rig_forget(rig);
    action_result_done(&rig->result);
    json_decref(rig->requests);
    json_decref(rig->args);
    fetch_free(rig->fetch);
    if (!rig->action->provider_kind)
        return;
    if (rig->provider.kind->close)
        rig->provider.kind->close(&rig->provider);
    for (int i = 0; i < MAX_PROVIDER_SECRETS; i++)
        secret_done(&rig->provider.secrets[i].value);
    json_decref(rig->provider.args);
    free(rig->provider.name);
}

/* ---- the sandbox ------------------------------------------------------------------------------------------------- */

struct sandbox {
    pid_t pid;
    char url[128];
    char dns[64]; /* ADDRESS:PORT */
    struct fetch *fetch;
};

static inline void sandbox_start(struct sandbox *sandbox)
{
    char folder[] = "/tmp/turnout-test-XXXXXX", state_file[64], command[] = "/usr/bin/python3";
    char script[] = "tests/sandbox/sandbox.py", flag[] = "--state-file";
    assert_non_null(mkdtemp(folder));
    snprintf(state_file, sizeof(state_file), "%s/state", folder);
    char *argv[] = {command, script, flag, state_file, NULL};
    assert_int_equal(posix_spawn(&sandbox->pid, command, NULL, NULL, argv, environ), 0);
    json_t *state = NULL;
    for (int i = 0; i < 600 && !state; i++) {
        usleep(50000);
        state = json_load_file(state_file, 0, NULL);
    }
    assert_non_null(state);
    snprintf(sandbox->url, sizeof(sandbox->url), "%s", json_string_value(json_object_get(state, "url")));
    snprintf(sandbox->dns, sizeof(sandbox->dns), "%s", json_string_value(json_object_get(state, "dns")));
    sandbox->fetch = fetch_new();
    json_decref(state);
    unlink(state_file);
    rmdir(folder);
}

static inline void sandbox_stop(struct sandbox *sandbox)
{
    fetch_free(sandbox->fetch);
    kill(sandbox->pid, SIGTERM);
    waitpid(sandbox->pid, NULL, 0);
}

/* A call of the control API; the answer is the caller's. */
static inline json_t *sandbox_call(struct sandbox *sandbox, const char *method, const char *path, const char *body)
{
    char url[256];
    struct fetch_response response;
    struct errmsg why;
    snprintf(url, sizeof(url), "%s/_sandbox/%s", sandbox->url, path);
    struct fetch_request request = {
        .method = method, .url = url, .body = body, .body_len = body ? strlen(body) : 0, .timeout_ms = 10000};
    assert_int_equal(sandbox->fetch->send(sandbox->fetch, &request, &response, &why), ERR_OK);
    if (response.status != 200)
        print_error("%s\n", strbuf_text(&response.body));
    assert_int_equal(response.status, 200);
    json_t *answer = json_loadb(strbuf_text(&response.body), response.body.len, JSON_DECODE_ANY, NULL);
    fetch_response_done(&response);
    return answer;
}

static inline void sandbox_do(struct sandbox *sandbox, const char *path, const char *body)
{
    json_decref(sandbox_call(sandbox, "POST", path, body));
}

/* The rows of a zone, "accepted" or "served"; the caller's. */
static inline json_t *sandbox_zone(struct sandbox *sandbox, const char *provider, const char *name, const char *which)
{
    json_t *all = sandbox_call(sandbox, "GET", "state", NULL), *rows = NULL;
    const json_t *zone;
    size_t i;
    json_array_foreach(json_object_get(all, "zones"), i, zone)
    {
        if (!rows && strcmp(json_string_value(json_object_get(zone, "provider")), provider) == 0 &&
            strcmp(json_string_value(json_object_get(zone, "zone")), name) == 0)
            rows = json_incref(json_object_get(zone, which));
    }
    json_decref(all);
    assert_non_null(rows);
    return rows;
}

/* How many requests of a method have made an effect since the log was cleared. */
static inline int sandbox_effects(struct sandbox *sandbox, const char *method)
{
    json_t *log = sandbox_call(sandbox, "GET", "requests", NULL);
    const json_t *entry;
    size_t i;
    int count = 0;
    json_array_foreach(log, i, entry)
    {
        count += json_is_true(json_object_get(entry, "effect")) &&
                 strcmp(json_string_value(json_object_get(entry, "method")), method) == 0;
    }
    json_decref(log);
    return count;
}

#endif

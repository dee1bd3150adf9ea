/* Fuzzes what the three DNS providers' actions make of answers: a look, a write that is based on it, the proof, a
 * survey.
 *
 * The input is read as answers, one for each exchange, with a line "%%" between them; the first line says whose they
 * are: linode, ovh or route53. An answer begins with a line: its status, or "unknown" or "temporary" for an exchange
 * that gave none; what follows is the body. When there are no more, nobody answers; no name server ever does.
 *
 * Whatever the answers are: only a write sends anything but GET, a write whose end is not known is "unknown" and never
 * "temporary", nothing that was not sent is "ok", requests go to no other host and are not without end, texts are
 * UTF-8 for people, and no secret, which an answer may hold, gets into a text or what is recorded. */
#include "actions/action.h"
#include "base/clock.h"
#include "base/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define HOST "https://provider.test"
#define MAX_EXCHANGES 100

static void expect(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "this cannot be: %s\n", what);
    abort();
}

/* ---- whose answers ----------------------------------------------------------------------------------------------- */

struct kind {
    const char *name, *action, *provider_args, *args;
    const char *secrets[3][2];
};

static const struct kind kinds[] = {
    {"linode",
     "linode.dns_record",
     "{\"url\": \"" HOST "\", \"rate\": 100000}",
     "{\"domain\": \"example.com\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\", \"ttl\": 30}",
     {{"token", "secret-of-linode"}}},
    {"ovh",
     "ovh.dns_record",
     "{\"url\": \"" HOST "\", \"rate\": 100000}",
     "{\"zone\": \"example.com\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\", \"ttl\": 60,"
     " \"nameservers\": [\"127.0.0.1:9\"]}",
     {{"application_key", "key-of-ovh-app"},
      {"application_secret", "secret-of-ovh-app"},
      {"consumer_key", "secret-of-consumer"}}},
    {"route53",
     "route53.record",
     "{\"url\": \"" HOST "\", \"rate\": 100000}",
     "{\"hosted_zone\": \"Z1PA6795UKMFR9\", \"record\": \"app.example.com\", \"type\": \"A\","
     " \"target\": \"198.51.100.20\", \"ttl\": 60}",
     {{"access_key_id", "AKIASANDBOX0000000000"}, {"secret_access_key", "secret-of-aws-user"}}},
};

static void provider_open(struct provider *provider, const struct kind *kind, const struct action *action)
{
    provider->name = strdup("test");
    provider->kind = provider_kind_find(action->provider_kind);
    provider->args = json_loads(kind->provider_args, 0, NULL);
    expect(provider->name && provider->args, "no provider");
    for (size_t i = 0; i < 3 && kind->secrets[i][0]; i++) {
        provider->secrets[i].row = kind->secrets[i][0];
        expect(secret_set(&provider->secrets[i].value, kind->secrets[i][1], strlen(kind->secrets[i][1])) == ERR_OK,
               "no secret");
    }
    expect(!provider->kind->open || provider->kind->open(provider, NULL) == ERR_OK, "it does not open");
}

static void provider_close(struct provider *provider)
{
    if (provider->kind->close)
        provider->kind->close(provider);
    for (size_t i = 0; i < MAX_PROVIDER_SECRETS; i++)
        secret_done(&provider->secrets[i].value);
    json_decref(provider->args);
    free(provider->name);
}

/* ---- the answers ------------------------------------------------------------------------------------------------- */

struct answers {
    struct fetch fetch;
    const char *text;
    size_t len;
    int n_sent, n_writes;
    bool is_unknown; /* a write's end is not known: no answer, or a gateway's */
};

/* Cuts up to the line "%%", which is lost; false when nothing is left. */
static bool part_take(struct answers *answers, const char **ret, size_t *ret_len)
{
    if (answers->len == 0)
        return false;
    const char *end = memmem(answers->text, answers->len, "\n%%\n", 4);
    *ret = answers->text;
    *ret_len = end ? (size_t)(end - answers->text) : answers->len;
    size_t used = end ? *ret_len + 4 : answers->len;
    answers->text += used;
    answers->len -= used;
    return true;
}

static enum err answer_give(struct fetch_response *ret, const char *part, size_t len)
{
    const char *end = memchr(part, '\n', len);
    size_t line_len = end ? (size_t)(end - part) : len;
    char line[16] = "";
    memcpy(line, part, line_len < sizeof(line) - 1 ? line_len : sizeof(line) - 1);
    if (strcmp(line, "unknown") == 0)
        return ERR_UNKNOWN;
    ret->status = atoi(line);
    if (ret->status < 200 || ret->status > 599) {
        ret->status = 0;
        return ERR_TEMPORARY;
    }
    if (end)
        strbuf_add(&ret->body, end + 1, len - line_len - 1);
    return ERR_OK;
}

static enum err answers_send(struct fetch *fetch, const struct fetch_request *request, struct fetch_response *ret,
                             struct errmsg *why)
{
    struct answers *answers = (struct answers *)(void *)fetch;
    bool is_write = strcmp(request->method, "GET") != 0;
    const char *part;
    size_t len;
    expect(++answers->n_sent <= MAX_EXCHANGES, "so many exchanges");
    expect(strncmp(request->url, HOST "/", strlen(HOST "/")) == 0, "another host");
    for (const char *at = request->url; *at; at++)
        expect(*at > ' ' && *at < 127, "a URL with a character that has to be escaped");
    answers->n_writes += is_write;
    *ret = (struct fetch_response){.retry_after_ms = -1, .rate_remaining = -1};
    enum err err = part_take(answers, &part, &len) ? answer_give(ret, part, len) : ERR_TEMPORARY;
    if (err != ERR_OK)
        errmsg_set(why, "no answer");
    if (is_write && (err == ERR_UNKNOWN || (ret->status >= 500 && ret->status != 503)))
        answers->is_unknown = true;
    return err;
}

/* ---- what comes of it -------------------------------------------------------------------------------------------- */

static void expect_no_secret(const struct provider *provider, const char *text, const char *what)
{
    for (size_t i = 0; i < MAX_PROVIDER_SECRETS; i++) {
        const char *secret = provider->secrets[i].value.bytes;
        expect(!secret || !strstr(text, secret), what);
    }
}

static void expect_for_people(const char *text)
{
    size_t len = strlen(text);
    expect(len > 0, "a result without a word");
    for (size_t i = 0; i < len;) {
        size_t character = utf8_character_len(text + i, len - i);
        expect(character > 0 && (unsigned char)text[i] >= ' ' && text[i] != 127, "a text that cannot be shown");
        i += character;
    }
}

struct trial {
    const struct action *action;
    struct provider *provider;
    struct answers *answers;
    json_t *args, *requests, *observed, *applied;
    struct action_result result;
};

static struct action_call call_of(struct trial *trial)
{
    return (struct action_call){.args = trial->args,
                                .provider = trial->provider,
                                .fetch = &trial->answers->fetch,
                                .run_id = "019aa3c1-5b1e-7000-8000-000000000001",
                                .timeout_ms = 1000,
                                .deadline_at = clock_steady_ms() + 1000,
                                .observed = trial->observed,
                                .applied = trial->applied,
                                .requests = trial->requests};
}

static void result_begin(struct trial *trial)
{
    action_result_done(&trial->result);
    trial->result = (struct action_result){.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    trial->answers->n_sent = trial->answers->n_writes = 0;
    trial->answers->is_unknown = false;
}

static enum outcome result_end(struct trial *trial)
{
    const struct action_result *result = &trial->result;
    expect_for_people(result->text.text);
    expect_no_secret(trial->provider, result->text.text, "a secret in a text");
    expect(result->retry_after_ms >= -1, "a wait of less than nothing");
    return result->outcome;
}

static void look(struct trial *trial)
{
    result_begin(trial);
    struct action_call call = call_of(trial);
    trial->action->observe(&call, &trial->result);
    enum outcome outcome = result_end(trial);
    expect(trial->answers->n_writes == 0, "a look that writes");
    expect(outcome == OUTCOME_OK || outcome == OUTCOME_TEMPORARY || outcome == OUTCOME_PERMANENT, "a look's outcome");
    expect(outcome != OUTCOME_OK || (json_is_object(trial->result.current) && json_is_object(trial->result.desired)),
           "a look that saw nothing");
    json_decref(trial->observed);
    trial->observed = outcome == OUTCOME_OK ? json_incref(trial->result.token) : NULL;
}

static void change(struct trial *trial)
{
    result_begin(trial);
    struct action_call call = call_of(trial);
    trial->action->apply(&call, &trial->result);
    enum outcome outcome = result_end(trial);
    if (trial->answers->is_unknown)
        expect(outcome == OUTCOME_UNKNOWN, "a write whose end nobody knows is told as known");
    if (trial->answers->n_writes == 0)
        expect(outcome == OUTCOME_TEMPORARY || outcome == OUTCOME_PERMANENT, "nothing was sent, and it is told so");
    json_decref(trial->applied);
    trial->applied = outcome == OUTCOME_OK ? json_incref(trial->result.token) : NULL;
}

static void prove(struct trial *trial)
{
    result_begin(trial);
    struct action_call call = call_of(trial);
    trial->action->settled(&call, &trial->result);
    (void)result_end(trial);
    expect(trial->answers->n_writes == 0, "a proof that writes");
}

static void survey(struct trial *trial)
{
    static const char *const addresses[] = {"192.0.2.10", "2001:db8::10", NULL};
    result_begin(trial);
    struct action_call call = call_of(trial);
    trial->action->survey(&call, addresses, &trial->result);
    enum outcome outcome = result_end(trial);
    expect(trial->answers->n_writes == 0, "a survey that writes");
    expect(outcome != OUTCOME_OK || json_is_array(trial->result.current), "a survey that saw nothing");
}

static void try_all(const struct kind *kind, struct answers *answers)
{
    struct provider provider = {.name = NULL};
    struct trial trial = {.action = action_find(kind->action), .provider = &provider, .answers = answers};
    trial.args = json_loads(kind->args, 0, NULL);
    trial.requests = json_array();
    trial.result.retry_after_ms = -1;
    expect(trial.action && trial.args && trial.requests, "no memory");
    provider_open(&provider, kind, trial.action);
    look(&trial);
    if (trial.observed)
        change(&trial);
    prove(&trial);
    survey(&trial);
    char *recorded = json_dumps(trial.requests, 0);
    expect(recorded != NULL, "what is recorded cannot be written");
    expect_no_secret(&provider, recorded, "a secret in what is recorded");
    free(recorded);
    action_result_done(&trial.result);
    json_decref(trial.observed);
    json_decref(trial.applied);
    json_decref(trial.requests);
    json_decref(trial.args);
    provider_close(&provider);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct answers answers = {.fetch = {.send = answers_send}};
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!end)
        return 0;
    size_t len = (size_t)(end - (const char *)data);
    answers.text = end + 1;
    answers.len = size - len - 1;
    clock_start();
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (strlen(kinds[i].name) == len && memcmp(kinds[i].name, data, len) == 0)
            try_all(&kinds[i], &answers);
    }
    return 0;
}

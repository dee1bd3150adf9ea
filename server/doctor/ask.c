/* Asking the daemon, where one answers: at --url, or where the configuration has it listen.
 *
 * The complication is the token: at the address that the configuration gives, the configuration's own operator asks; an
 * address from elsewhere gets only the token that was given for it. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/secret.h"
#include "doctor/doctor.h"
#include "fetch/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TIMEOUT_MS 10000

struct daemon_at {
    struct fetch *fetch;
    char url[300];
    const char *ca, *certificate, *key;
    struct strbuf authorization; /* empty: no token is known */
};

static const char *setting(const char *given, const char *variable)
{
    const char *value = given ? given : getenv(variable);
    return value && value[0] ? value : NULL;
}

/* Where it listens, as seen from here; one that listens everywhere does so at 127.0.0.1 too. */
static void url_of(const struct config *config, char *ret, size_t room)
{
    const char *text = config->api.text, *scheme = config->tls.certificate ? "https" : "http";
    const char *port = strrchr(text, ':');
    if (strncmp(text, "0.0.0.0:", 8) == 0 || strncmp(text, "[::]:", 5) == 0)
        snprintf(ret, room, "%s://127.0.0.1%s", scheme, port ? port : "");
    else
        snprintf(ret, room, "%s://%s", scheme, text);
}

static void find_daemon(struct daemon_at *at, const struct options *options, const struct config *config)
{
    const char *url = setting(options->url, "TURNOUT_URL"), *token = setting(options->token, "TURNOUT_TOKEN");
    if (url)
        snprintf(at->url, sizeof at->url, "%s", url);
    else if (config)
        url_of(config, at->url, sizeof at->url);
    if (token)
        strbuf_addf(&at->authorization, "Bearer %s", token);
    else if (!url && config && config->n_operators > 0 && secret_is_set(&config->operators[0].token))
        strbuf_addf(&at->authorization, "Bearer %s", config->operators[0].token.bytes);
    at->ca = setting(options->ca, "TURNOUT_CA");
    at->certificate = setting(options->certificate, "TURNOUT_CERT");
    at->key = setting(options->key, "TURNOUT_KEY");
}

/* 0: no answer, and `why` says so. *ret is NULL where the answer is no JSON. */
static int ask(const struct daemon_at *at, const char *path, json_t **ret, struct errmsg *why)
{
    CLEANUP(strbuf_done) struct strbuf url = STRBUF_INIT;
    strbuf_addf(&url, "%s%s", at->url, path);
    const struct fetch_header header = {
        .name = "Authorization", .value = strbuf_text(&at->authorization), .is_secret = true};
    const struct fetch_request request = {.method = "GET",
                                          .url = strbuf_text(&url),
                                          .headers = &header,
                                          .n_headers = at->authorization.len > 0 ? 1 : 0,
                                          .ca = at->ca,
                                          .certificate = at->certificate,
                                          .key = at->key,
                                          .timeout_ms = TIMEOUT_MS};
    struct fetch_response response = {0};
    *ret = NULL;
    int status = 0;
    if (at->fetch->send(at->fetch, &request, &response, why) == ERR_OK) {
        status = response.status;
        *ret = json_loadb(strbuf_text(&response.body), response.body.len, 0, NULL);
    }
    fetch_response_done(&response);
    return status;
}

static bool is_ready(json_t *list, const struct daemon_at *at)
{
    json_t *answer = NULL;
    struct errmsg why = {0};
    const int status = ask(at, "/readyz", &answer, &why);
    const char *text = json_string_value(json_object_get(json_object_get(answer, "error"), "message"));
    if (status == 0)
        found(list, SEVERITY_NOTE, "daemon", "give --url, and --ca where its certificate is signed by an own authority",
              "none answers at %s: %s", at->url, why.text);
    else if (status != 200)
        found(list, SEVERITY_STOPS, "daemon", NULL, "the daemon at %s is not ready: %s", at->url,
              text ? text : "it does not say why");
    json_decref(answer);
    return status != 0;
}

/* One answer of the API; NULL with a finding. */
static json_t *get(json_t *list, const struct daemon_at *at, const char *path)
{
    json_t *answer = NULL;
    struct errmsg why = {0};
    const int status = ask(at, path, &answer, &why);
    if (status == 200 && json_is_object(answer))
        return answer;
    json_decref(answer);
    if (status == 401)
        found(list, SEVERITY_STOPS, "daemon", "set TURNOUT_TOKEN to an operator's token",
              "it does not say how it is: it does not know the token");
    else if (status == 0)
        found(list, SEVERITY_STOPS, "daemon", NULL, "it does not say how it is: %s", why.text);
    else
        found(list, SEVERITY_STOPS, "daemon", NULL, "it does not say how it is: HTTP %d to %s", status, path);
    return NULL;
}

static void ask_all(json_t *list, const struct daemon_at *at, const struct config *config)
{
    json_t *services = get(list, at, "/api/v1/services");
    json_t *status = services ? get(list, at, "/api/v1/status") : NULL;
    json_t *sources = status ? get(list, at, "/api/v1/sources") : NULL;
    doctor_services(list, services, config ? &config->model : NULL, clock_wall_ms());
    doctor_status(list, status);
    if (sources)
        doctor_sources(list, sources, status, config ? &config->model : NULL);
    json_decref(services);
    json_decref(status);
    json_decref(sources);
}

bool doctor_ask(json_t *list, const struct options *options, const struct config *config)
{
    struct daemon_at at = {.fetch = fetch_new(), .authorization = STRBUF_INIT};
    bool has_daemon = false;
    find_daemon(&at, options, config);
    if (at.fetch && at.url[0])
        has_daemon = is_ready(list, &at);
    if (has_daemon && at.authorization.len == 0)
        found(list, SEVERITY_STOPS, "daemon", "set TURNOUT_TOKEN to an operator's token",
              "it does not say how it is without a token");
    else if (has_daemon)
        ask_all(list, &at, config);
    fetch_free(at.fetch);
    if (at.authorization.data)
        secret_wipe(at.authorization.data, at.authorization.len);
    strbuf_done(&at.authorization);
    return has_daemon;
}

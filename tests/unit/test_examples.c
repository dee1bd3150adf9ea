/* The configurations under examples/: each can be served as it stands, and those of a monitor take what that monitor
 * sends.
 *
 * tests/deliveries/examples/NAME/ holds bodies for examples/NAME.yaml, whose only source takes them; README.md there
 * tells the fields. */
#include "test.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "handlers/source.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define EXAMPLES "examples"
#define BODIES "tests/deliveries/examples"
#define NOW INT64_C(1795226405000) /* 2026-11-21T02:00:05Z */

static void config_cleanup(struct config **config)
{
    config_free(*config);
}

static void json_cleanup(json_t **json)
{
    json_decref(*json);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* ---- the configurations ------------------------------------------------------------------------------------------ */

/* Gives each ${env:NAME} of the file a value of its own. */
static void set_environment(const char *path)
{
    char text[65536];
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    for (const char *at = strstr(text, "${env:"); at; at = strstr(at + 1, "${env:")) {
        char name[64], value[96];
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at + 6, "}"), at + 6);
        snprintf(value, sizeof value, "0123456789-%s", name);
        setenv(name, value, 1);
    }
}

static struct config *load(const char *path)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    struct config *config = NULL;
    set_environment(path);
    enum err err = config_load(path, &config, &errors, &warnings);
    assert_string_equal(strbuf_text(&errors), "");
    assert_string_equal(strbuf_text(&warnings), "");
    assert_int_equal(err, ERR_OK);
    return config;
}

static void all_can_be_served(void **state)
{
    (void)state;
    struct dirent **files = NULL;
    int n = scandir(EXAMPLES, &files, is_visible, alphasort);
    assert_true(n >= 9);
    for (int i = 0; i < n; i++) {
        char path[512];
        snprintf(path, sizeof path, EXAMPLES "/%s", files[i]->d_name);
        config_free(load(path));
        free(files[i]);
    }
    free(files);
}

/* ---- bodies ------------------------------------------------------------------------------------------------------ */

struct seen {
    const char *path;
    const struct config *config;
    const json_t *expect;
    int n;
};

static void expect_text(const struct seen *seen, const char *field, const char *got)
{
    const json_t *value = json_object_get(seen->expect, field);
    const char *wanted = json_is_null(value) ? "null" : json_string_value(value);
    if (!wanted || strcmp(wanted, got) != 0)
        fail_msg("%s: %s: expected %s, got %s", seen->path, field, wanted ? wanted : "nothing said", got);
}

/* Which service and site the rules of the example give the alert. */
static void expect_target(const struct seen *seen, const struct handler_alert *alert)
{
    struct alert_target *targets = NULL;
    char text[128] = "nothing";
    int n = match_alert(&seen->config->model, 0, alert->labels, alert->n_labels, &targets);
    assert_in_range(n, 0, 1);
    if (n == 1) {
        const struct service *service = &seen->config->model.services[targets[0].service];
        snprintf(text, sizeof text, "%s at %s", service->name, service->sites[targets[0].site].name);
    }
    free(targets);
    expect_text(seen, "target", text);
}

static enum err take(void *context, const struct handler_alert *alert, struct errmsg *why)
{
    (void)why;
    struct seen *seen = context;
    char at[TIME_TEXT_SIZE];
    int64_t of_state = alert->state == ALERT_FIRING ? alert->starts_at
                       : alert->state == ALERT_UP   ? alert->ends_at
                                                    : alert->asserted_at;
    const json_t *identity = json_object_get(seen->expect, "identity");
    assert_int_equal(seen->n++, 0);
    expect_text(seen, "state", alert_state_text(alert->state));
    expect_text(seen, "at", of_state == TIME_UNKNOWN ? "null" : time_format(of_state, at));
    assert_int_equal(of_state, alert->asserted_at);
    if (json_string_length(identity) != alert->identity_len ||
        memcmp(json_string_value(identity), alert->identity, alert->identity_len) != 0)
        fail_msg("%s: the identity is %.*s", seen->path, (int)alert->identity_len, alert->identity);
    expect_target(seen, alert);
    return ERR_OK;
}

static void try_body(const struct config *config, const char *path)
{
    json_error_t error;
    CLEANUP(json_cleanup) json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    const json_t *given = json_object_get(file, "body");
    const json_t *expect = json_object_get(file, "expect");
    if (!given || !expect)
        fail_msg("%s: %s", path, file ? "it lacks \"body\" or \"expect\"" : error.text);
    char *body AUTO_FREE = json_is_string(given) ? strdup(json_string_value(given)) : json_dumps(given, JSON_COMPACT);
    const struct source *source = &config->sources[0];
    const struct handler_request request = {.source = source, .body = body, .len = strlen(body), .now = NOW};
    struct seen seen = {.path = path, .config = config, .expect = expect};
    struct handler_result result = {.take = take, .context = &seen};
    struct errmsg why = {""};
    if (source->handler->parse(&request, &result, &why) != ERR_OK)
        fail_msg("%s: %s", path, why.text);
    strbuf_done(&result.stored);
    const char *nothing = json_string_value(json_object_get(expect, "nothing"));
    const char *notice = json_string_value(json_object_get(expect, "notice"));
    assert_int_equal(seen.n, nothing ? 0 : 1);
    if (!strstr(result.nothing, nothing ? nothing : "") || (!nothing && result.nothing[0]))
        fail_msg("%s: nothing: %s", path, result.nothing);
    if (!strstr(result.notice, notice ? notice : "") || (!notice && result.notice_kind))
        fail_msg("%s: notice: %s", path, result.notice);
}

static void take_what_their_monitor_sends(void **state)
{
    (void)state;
    static const char *const monitors[] = {"uptime-kuma", "gatus", "better-stack", "healthchecks", "zabbix", "datadog"};
    for (size_t i = 0; i < sizeof monitors / sizeof monitors[0]; i++) {
        char path[1024], folder[256];
        snprintf(path, sizeof path, EXAMPLES "/%s.yaml", monitors[i]);
        snprintf(folder, sizeof folder, BODIES "/%s", monitors[i]);
        CLEANUP(config_cleanup) struct config *config = load(path);
        assert_int_equal(config->model.n_sources, 1);
        struct dirent **files = NULL;
        int n = scandir(folder, &files, is_visible, alphasort);
        int needed = 0;
        for (int k = 0; k < n; k++) {
            needed += strcmp(files[k]->d_name, "down.json") == 0 || strcmp(files[k]->d_name, "up.json") == 0;
            snprintf(path, sizeof path, "%s/%s", folder, files[k]->d_name);
            try_body(config, path);
            free(files[k]);
        }
        free(files);
        assert_int_equal(needed, 2);
        print_message("%s: %d bodies\n", monitors[i], n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_can_be_served),
        cmocka_unit_test(take_what_their_monitor_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

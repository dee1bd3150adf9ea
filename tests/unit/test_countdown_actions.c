/* Faults by countdown, of the actions: in each phase of each action the n-th allocation fails, of ours and of libcurl,
 * n = 1, 2, 3 … What was sent is never called not sent, what was not found out is never called found out, and
 * the next try finds nothing in its way. */
#include "action_rig.h"
#include "base/memory.h"
#include "countdown.h"

#include <sys/stat.h>

static struct sandbox sandbox;

/* ---- what is called ---------------------------------------------------------------------------------------------- */

struct subject {
    const char *action, *provider, *args; /* "{url}", "{dns}" and "{port}" stand for the sandbox's */
    const char *const *secrets;
};

static const char *const linode_secrets[] = {"token=sandbox-linode-token", NULL};
static const char *const ovh_secrets[] = {"application_key=sandbox-ak", "application_secret=sandbox-as",
                                          "consumer_key=sandbox-ck", NULL};
static const char *const route53_secrets[] = {"access_key_id=AKIASANDBOX0000000000",
                                              "secret_access_key=sandbox-aws-secret", NULL};

static const struct subject linode = {.action = "linode.dns_record",
                                      .provider = "{\"url\": \"{url}/linode/v4/\"}",
                                      .args = "{\"domain\": \"example.com\", \"record\": \"app\", \"type\": \"A\","
                                              " \"target\": \"198.51.100.20\", \"ttl\": 30}",
                                      .secrets = linode_secrets};
static const struct subject ovh = {
    .action = "ovh.dns_record",
    .provider = "{\"endpoint\": \"ovh-eu\", \"url\": \"{url}/ovh/1.0\"}",
    .args = "{\"zone\": \"example.net\", \"record\": \"app\", \"type\": \"A\", \"target\": \"198.51.100.20\","
            " \"ttl\": 60, \"nameservers\": [\"{dns}\"]}",
    .secrets = ovh_secrets};
static const struct subject route53 = {
    .action = "route53.record",
    .provider = "{\"url\": \"{url}/aws\"}",
    .args = "{\"hosted_zone\": \"/hostedzone/Z1PA6795UKMFR9\", \"record\": \"app.example.org\", \"type\": \"A\","
            " \"target\": \"198.51.100.20\", \"ttl\": 60}",
    .secrets = route53_secrets};

/* Checks, and whether they are content. */
static const struct subject http = {.action = "http.check", .args = "{\"url\": \"{url}/_sandbox/state\"}"};
static const struct subject http_not = {
    .action = "http.check",
    .args = "{\"url\": \"{url}/_sandbox/state\", \"expect\": {\"status\": 404, \"body\": \"nowhere\"}}"};
static const struct subject dns = {.action = "dns.check",
                                   .args = "{\"record\": \"app.example.net\", \"type\": \"A\", \"target\":"
                                           " \"192.0.2.10\", \"servers\": [\"{dns}\"]}"};
static const struct subject dns_not = {.action = "dns.check",
                                       .args = "{\"record\": \"app.example.net\", \"type\": \"A\", \"target\":"
                                               " \"192.0.2.99\", \"servers\": [\"{dns}\"]}"};
static const struct subject tcp = {.action = "tcp.check", .args = "{\"address\": \"127.0.0.1\", \"port\": {port}}"};
static const struct subject tcp_not = {.action = "tcp.check", .args = "{\"address\": \"127.0.0.1\", \"port\": 1}"};
static const struct subject command = {
    .action = "command", .args = "{\"run\": [\"/bin/sh\", \"-c\", \"echo >> $MARKS\"], \"observe\": [\"/bin/true\"]}"};
static const struct subject command_not = {
    .action = "command", .args = "{\"run\": [\"/bin/true\"], \"observe\": [\"/bin/sh\", \"-c\", \"exit 1\"]}"};

static void fill_in(const char *text, char *ret, size_t room)
{
    size_t len = 0;
    while (*text && len + 1 < room) {
        const char *value = strncmp(text, "{url}", 5) == 0    ? sandbox.url
                            : strncmp(text, "{dns}", 5) == 0  ? sandbox.dns
                            : strncmp(text, "{port}", 6) == 0 ? strrchr(sandbox.url, ':') + 1
                                                              : NULL;
        if (value)
            len += (size_t)snprintf(ret + len, room - len, "%s", value);
        else
            ret[len++] = *text;
        text += value ? strcspn(text, "}") + 1 : 1;
    }
    ret[len] = '\0';
}

static void reset(void)
{
    sandbox_do(&sandbox, "reset", NULL);
    sandbox_do(&sandbox, "options", "{\"linode_rate_limit\": 1000000}");
}

static void begin(struct rig *rig, const struct subject *subject)
{
    char provider[300], args[400];
    fill_in(subject->provider ? subject->provider : "", provider, sizeof provider);
    fill_in(subject->args, args, sizeof args);
    rig_start(rig, subject->action, provider, subject->secrets, args);
}

/* ---- one call, in which something fails -------------------------------------------------------------------------- */

static enum outcome call_with(struct rig *rig, rig_phase phase, int n, bool *ret_has_failed)
{
    arm(FAULT_MEMORY, n);
    enum outcome outcome = rig_call(rig, phase);
    *ret_has_failed = disarm(FAULT_MEMORY);
    return outcome;
}

/* How many requests have had an effect. */
static int effects(void)
{
    json_t *log = sandbox_call(&sandbox, "GET", "requests", NULL);
    const json_t *entry;
    size_t i;
    int n = 0;
    json_array_foreach(log, i, entry) n += json_is_true(json_object_get(entry, "effect"));
    json_decref(log);
    return n;
}

#define complain(rig, n, format, ...)                                                                                  \
    fail_msg("%s, n = %d: %s, \"%s\": " format, (rig)->action->name, n, outcome_text((rig)->result.outcome),           \
             (rig)->result.text.text, __VA_ARGS__)

/* It is found, or the world is not known; nothing between. */
static bool observe_fails(const struct subject *subject, int n, bool is_right)
{
    struct rig rig;
    bool has_failed;
    begin(&rig, subject);
    enum outcome outcome = call_with(&rig, rig.action->observe, n, &has_failed);
    if (outcome != OUTCOME_OK && outcome != OUTCOME_TEMPORARY)
        complain(&rig, n, "%s", "temporary is wanted");
    if (outcome == OUTCOME_OK && rig.result.is_right != is_right)
        complain(&rig, n, "right: %d", rig.result.is_right);
    if (outcome == OUTCOME_OK && rig.action->provider_kind && (!rig.result.current || !rig.result.desired))
        complain(&rig, n, "%s", "what was found is not told");
    if (outcome == OUTCOME_OK && rig.action->provider_kind && (!rig.result.token || !rig.result.previous))
        complain(&rig, n, "%s", "what the next apply is based on, or what would put it back, is lost");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    rig_stop(&rig);
    return has_failed;
}

/* As the engine would go on; a change of unknown result may still be on its way. */
static void assert_comes_right(struct rig *rig, int n)
{
    for (int i = 0; i < 400 && !rig->result.is_right; i++) {
        enum outcome outcome = rig_apply(rig);
        if (outcome != OUTCOME_OK && (outcome != OUTCOME_TEMPORARY || i == 399))
            complain(rig, n, "%s", "the next try does not go through");
        rig->after_unknown_apply = rig->after_unknown_apply && outcome != OUTCOME_OK;
        if (outcome != OUTCOME_OK)
            usleep(20000);
        assert_outcome(rig, rig_observe(rig), OUTCOME_OK);
    }
    assert_true(rig->result.is_right);
}

static bool apply_fails(const struct subject *subject, int n, int n_effects)
{
    struct rig rig;
    bool has_failed;
    reset();
    begin(&rig, subject);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    enum outcome outcome = call_with(&rig, rig.action->apply, n, &has_failed);
    int n_made = effects();
    bool is_said = outcome == OUTCOME_OK          ? n_made == n_effects
                   : outcome == OUTCOME_TEMPORARY ? n_made == 0
                                                  : outcome == OUTCOME_UNKNOWN;
    if (!is_said)
        complain(&rig, n, "%d effects of %d", n_made, n_effects);
    rig.after_unknown_apply = outcome == OUTCOME_UNKNOWN;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    if (n_made == 0 && rig.result.is_right)
        complain(&rig, n, "%s", "right without an effect");
    assert_comes_right(&rig, n);
    rig_stop(&rig);
    return has_failed;
}

static bool settled_fails(const struct subject *subject, int n, json_t *applied)
{
    struct rig rig;
    bool has_failed;
    begin(&rig, subject);
    rig.applied = json_incref(applied);
    enum outcome outcome = call_with(&rig, rig.action->settled, n, &has_failed);
    if (outcome != OUTCOME_OK && outcome != OUTCOME_NOT_YET && outcome != OUTCOME_TEMPORARY)
        complain(&rig, n, "%s", "temporary is wanted");
    rig_stop(&rig);
    return has_failed;
}

static void survey(struct action_call *call, struct action_result *ret)
{
    static const char *const addresses[] = {"192.0.2.10", "198.51.100.20", NULL};
    const char *name = call->provider->kind->name;
    const struct subject *subject = strcmp(name, "linode") == 0 ? &linode : strcmp(name, "ovh") == 0 ? &ovh : &route53;
    action_find(subject->action)->survey(call, addresses, ret);
}

/* The whole of it, or nothing: what is left out would be moved by nobody. */
static bool survey_fails(const struct subject *subject, int n, size_t *n_found)
{
    struct rig rig;
    bool has_failed;
    begin(&rig, subject);
    enum outcome outcome = call_with(&rig, survey, n, &has_failed);
    if (n == INT32_MAX)
        *n_found = json_array_size(rig.result.current);
    if (outcome != OUTCOME_OK && outcome != OUTCOME_TEMPORARY)
        complain(&rig, n, "%s", "temporary is wanted");
    if (outcome == OUTCOME_OK && json_array_size(rig.result.current) != *n_found)
        complain(&rig, n, "%zu found", json_array_size(rig.result.current));
    rig_stop(&rig);
    return has_failed;
}

/* The whole of it, or nothing: a person will run it line by line. */
static bool script_fails(const struct rig *rig, int n, char **whole)
{
    struct strbuf script = STRBUF_INIT;
    arm(FAULT_MEMORY, n);
    rig->action->write_look(&script, rig->args, &rig->provider, rig->observed);
    rig->action->write_script(&script, rig->args, &rig->provider, rig->observed);
    bool has_failed = disarm(FAULT_MEMORY);
    char *text = strbuf_take(&script);
    if (n == INT32_MAX)
        *whole = strdup(text);
    else if (text && strcmp(text, *whole) != 0)
        fail_msg("%s, n = %d: the script is another one: %s", rig->action->name, n, text);
    free(text);
    return has_failed;
}

/* ---- each fails in turn ------------------------------------------------------------------------------------------ */

/* Returns the token; the caller's. */
static json_t *apply_whole(const struct subject *subject, int *ret_effects)
{
    struct rig rig;
    reset();
    begin(&rig, subject);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    *ret_effects = effects();
    assert_true(*ret_effects > 0);
    assert_outcome(&rig, rig_settle(&rig, 5000), OUTCOME_OK);
    json_t *applied = json_incref(rig.applied);
    rig_stop(&rig);
    return applied;
}

static void scripts(const struct subject *subject)
{
    struct rig rig;
    char *whole = NULL;
    begin(&rig, subject);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    (void)script_fails(&rig, INT32_MAX, &whole);
    for (int n = 1; script_fails(&rig, n, &whole);)
        n++;
    free(whole);
    rig_stop(&rig);
}

static void each_phase(const struct subject *subject, int every)
{
    struct stride stride = stride_of(every);
    int n_effects, n_observe = stride.first, n_apply = stride.first, n_settled = stride.first, n_survey = stride.first;
    size_t n_found = 0;
    reset();
    while (observe_fails(subject, n_observe, false))
        n_observe += stride.every;
    (void)survey_fails(subject, INT32_MAX, &n_found);
    assert_true(n_found > 1);
    while (survey_fails(subject, n_survey, &n_found))
        n_survey += stride.every > 1 ? 10 * stride.every : 1; /* of many records, all alike */
    scripts(subject);
    json_t *applied = apply_whole(subject, &n_effects);
    while (settled_fails(subject, n_settled, applied))
        n_settled += stride.every;
    json_decref(applied);
    for (n_observe = stride.first; observe_fails(subject, n_observe, true);)
        n_observe += stride.every;
    while (apply_fails(subject, n_apply, n_effects))
        n_apply += stride.every;
    print_message("every %d-th of %d of observe, %d of apply, %d of settled, %d of survey\n", stride.every, n_observe,
                  n_apply, n_settled, n_survey);
    assert_true(n_observe > 100 && n_apply > 100 && n_settled > 100 && n_survey > 100);
}

static void linode_fails(void **state)
{
    (void)state;
    each_phase(&linode, 61);
}

static void ovh_fails(void **state)
{
    (void)state;
    each_phase(&ovh, 61);
}

static void route53_fails(void **state)
{
    (void)state;
    each_phase(&route53, 61);
}

static void check_fails(const struct subject *subject, bool is_right, int every, int at_least)
{
    struct stride stride = stride_of(every);
    int n = stride.first;
    while (observe_fails(subject, n, is_right))
        n += stride.every;
    print_message("every %d-th of %d of %s\n", stride.every, n, subject->action);
    assert_true(n > at_least);
}

static void checks_fail(void **state)
{
    (void)state;
    reset();
    check_fails(&http, true, 3, 20);
    check_fails(&http_not, false, 3, 20);
    check_fails(&dns, true, 1, 5);
    check_fails(&dns_not, false, 1, 5);
    check_fails(&tcp, true, 1, 1);
    check_fails(&tcp_not, false, 1, 1);
    check_fails(&command, true, 1, 3);
    check_fails(&command_not, false, 1, 3);
}

static void command_fails(void **state)
{
    char marks[] = "/tmp/turnout-marks-XXXXXX";
    int fd = mkstemp(marks);
    bool has_failed = true;
    (void)state;
    for (int n = 1; has_failed; n++) {
        struct rig rig;
        struct stat st;
        begin(&rig, &command);
        json_object_set_new(rig.args, "environment", json_pack("{s:s}", "MARKS", marks));
        assert_int_equal(ftruncate(fd, 0), 0);
        enum outcome outcome = call_with(&rig, rig.action->apply, n, &has_failed);
        assert_int_equal(fstat(fd, &st), 0);
        if (outcome != (st.st_size > 0 ? OUTCOME_OK : OUTCOME_TEMPORARY))
            complain(&rig, n, "it ran %d times", (int)st.st_size);
        rig_stop(&rig);
    }
    close(fd);
    unlink(marks);
}

int main(int n_args, char **args)
{
    if (n_args > 1)
        cmocka_set_test_filter(args[1]);
    json_set_alloc_funcs(memory_wait, free); /* as main() does */
    clock_start();
    fetch_start();
    sandbox_start(&sandbox);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(linode_fails), cmocka_unit_test(ovh_fails),     cmocka_unit_test(route53_fails),
        cmocka_unit_test(checks_fail),  cmocka_unit_test(command_fails),
    };
    int result = cmocka_run_group_tests(tests, NULL, NULL);
    sandbox_stop(&sandbox);
    return result;
}

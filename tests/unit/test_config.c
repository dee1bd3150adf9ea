/* What a right configuration becomes, what is doubted in it, and that the examples are right. Mistakes are in
 * test_config_bad.c. */
#include "test.h"

#include "base/cleanup.h"
#include "config/reading.h"

#include <arpa/inet.h>
#include <regex.h>
#include <stdlib.h>
#include <sys/stat.h>

static void config_cleanup(struct config **config)
{
    config_free(*config);
}

/* The configuration, which must be right, and its warnings. */
static struct config *load(const char *path, const char *yaml, const char *warnings)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf doubts = STRBUF_INIT;
    struct config *config = NULL;
    enum err err = config_load_bytes(path, yaml, strlen(yaml), true, &config, &errors, &doubts);
    assert_string_equal(strbuf_text(&errors), "");
    assert_int_equal(err, ERR_OK);
    assert_string_equal(strbuf_text(&doubts), warnings);
    return config;
}

static const char whole[] =
    "server: {hooks: '[::1]:8081', api: 127.0.0.1:0, trusted_proxies: ['10.0.0.0/8', '::1'], api_rate: 20,\n"
    "         tls: {certificate: tls/chain.pem, key: /etc/tls/key.pem, api_clients: people.pem}}\n"
    "database: data/turnout.db\n"
    "keep: {alerts: 45d, deliveries: 36h}\n"
    "operators:\n"
    "  - {name: oncall, role: operator, token: '${env:T_TOKEN}'}\n"
    "  - {name: wall, role: viewer, token: 'x-${env:T_TOKEN}-$${y}'}\n"
    "sources:\n"
    "  two: {kind: alertmanager, bearer: '${env:T_TOKEN}'}\n"
    "  one: {kind: alertmanager, basic: {user: am, password: '${env:T_TOKEN}'}}\n"
    "providers:\n"
    "  li: {kind: linode, url: 'http://127.0.0.1:1/v4', token: '${env:T_TOKEN}'}\n"
    "sites:\n"
    "  gra: {proxy: 192.0.2.1, region: west}\n"
    "  rbx:\n"
    "services:\n"
    "  shop:\n"
    "    sites:\n"
    "      rbx: {address: 198.51.100.20, port: 8080, literal: '$${x}'}\n"
    "      gra: {address: 192.0.2.10, region: east, literal: no}\n"
    "    prefer: [gra, rbx]\n"
    "    alerts:\n"
    "      - {source: one, match: {alertname: SiteDown, region: [gra, GRA]}, site: gra}\n"
    "      - {source: two, match: {alertname: '~Site(Down|Slow)'}, site: active}\n"
    "      - {source: one, match: {alertname: SiteDown, region: rbx}, site: rbx}\n"
    "    trigger: {mode: automatic, votes: 2, hold: 3s, cool_down: 1m}\n"
    "    failback: {mode: manual}\n"
    "    playbook:\n"
    "      - {name: standby, action: http.check, url: 'https://app.example.com/', at: '${to.address}', expect: "
    "{within: 1s}}\n"
    "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, type: A, target: "
    "'${to.address}',\n"
    "         timeout: 5s, deadline: 10m}\n"
    "  plain:\n"
    "    sites: {a: , b: }\n"
    "    trigger: {mode: manual}\n"
    "    playbook: [{action: http.check, url: 'http://${to.name}.example.com/', retries: -1}]\n";

static void check_alerts(const struct service *shop)
{
    assert_int_equal(shop->n_rules, 3);
    const struct alert_rule *rule = &shop->rules[0];
    assert_int_equal(rule->source, 1);
    assert_int_equal(rule->site, 0);
    assert_int_equal(rule->n_matches, 2);
    assert_string_equal(rule->matches[0].label, "alertname");
    assert_int_equal(rule->matches[0].n_values, 1);
    assert_string_equal(rule->matches[0].values[0], "SiteDown");
    assert_string_equal(rule->matches[0].text, "SiteDown");
    assert_int_equal(rule->matches[1].n_values, 2);
    assert_string_equal(rule->matches[1].values[1], "GRA");
    assert_string_equal(rule->matches[1].text, "[gra, GRA]");
    const struct label_match *by_regex = &shop->rules[1].matches[0];
    assert_int_equal(shop->rules[1].site, SITE_OF_ALERT_TIME);
    assert_int_equal(by_regex->n_values, 0);
    assert_int_equal(regexec(by_regex->regex, "SiteSlow", 0, NULL, 0), 0);
    assert_int_not_equal(regexec(by_regex->regex, "SiteSlower", 0, NULL, 0), 0);
    assert_int_not_equal(regexec(by_regex->regex, "aSiteDown", 0, NULL, 0), 0);
    assert_string_equal(by_regex->text, "~Site(Down|Slow)");
    assert_int_equal(shop->rules[2].site, 1);
}

static void check_steps(const struct service *shop)
{
    assert_int_equal(shop->n_steps, 2);
    const struct step *standby = &shop->steps[0], *record = &shop->steps[1];
    assert_string_equal(standby->name, "standby");
    assert_string_equal(standby->action_name, "http.check");
    assert_ptr_equal(standby->action, action_find("http.check"));
    assert_false(standby->can_apply);
    assert_int_equal(standby->provider, -1);
    assert_int_equal(standby->timeout_ms, standby->action->default_timeout_ms);
    assert_int_equal(standby->deadline_ms, 30 * 60 * 1000);
    assert_int_equal(standby->retries, standby->action->default_retries);
    assert_string_equal(json_string_value(json_object_get(standby->args, "at")), "${to.address}");
    const json_t *expect = json_object_get(standby->args, "expect");
    assert_int_equal(json_integer_value(json_object_get(expect, "within")), 1000);
    assert_int_equal(json_integer_value(json_object_get(expect, "status")), 200);
    assert_string_equal(record->name, "linode.dns_record");
    assert_true(record->can_apply);
    assert_int_equal(record->provider, 0);
    assert_int_equal(record->timeout_ms, 5000);
    assert_int_equal(record->deadline_ms, 600000);
    assert_int_equal(record->retries, -1);
    assert_null(json_object_get(record->args, "timeout"));
}

static void check_services(const struct config *config)
{
    const struct model *model = &config->model;
    assert_int_equal(model->n_services, 2);
    const struct service *shop = &model->services[0];
    assert_string_equal(shop->name, "shop");
    assert_int_equal(shop->n_sites, 2);
    assert_string_equal(shop->sites[0].name, "gra");
    const json_t *gra = shop->sites[0].values, *rbx = shop->sites[1].values;
    assert_int_equal(json_object_size(gra), 4);
    assert_string_equal(json_string_value(json_object_get(gra, "proxy")), "192.0.2.1");
    assert_string_equal(json_string_value(json_object_get(gra, "region")), "east");
    assert_string_equal(json_string_value(json_object_get(gra, "literal")), "no");
    assert_string_equal(json_string_value(json_object_get(rbx, "port")), "8080");
    assert_string_equal(json_string_value(json_object_get(rbx, "literal")), "${x}");
    assert_int_equal(shop->mode, MODE_AUTOMATIC);
    assert_int_equal(shop->votes, 2);
    assert_int_equal(shop->hold_ms, 3000);
    assert_int_equal(shop->cool_down_ms, 60000);
    check_alerts(shop);
    check_steps(shop);
    const struct service *plain = &model->services[1];
    assert_string_equal(plain->sites[0].name, "a"); /* in the order written */
    assert_int_equal(plain->mode, MODE_MANUAL);
    assert_int_equal(plain->votes, 1);
    assert_int_equal(plain->hold_ms, 30000);
    assert_int_equal(plain->cool_down_ms, 30 * 60 * 1000);
    assert_int_equal(plain->steps[0].retries, -1);
}

static void test_whole(void **state)
{
    (void)state;
    CLEANUP(config_cleanup)
    struct config *config =
        load("etc/turnout.yaml", whole,
             "etc/turnout.yaml:33:13: warning: site \"a\" is not among the top-level sites; it can be gra or rbx\n"
             "etc/turnout.yaml:33:18: warning: site \"b\" is not among the top-level sites; it can be gra or rbx\n"
             "etc/turnout.yaml:35:15: warning: no step changes anything: the playbook only checks\n");
    assert_string_equal(config->path, "etc/turnout.yaml");
    assert_int_equal(strlen(config->digest), 64);
    assert_string_equal(config->database, "etc/data/turnout.db");
    assert_int_equal(config->keep.alerts_ms, INT64_C(45) * 24 * 3600 * 1000);
    assert_int_equal(config->keep.deliveries_ms, INT64_C(36) * 3600 * 1000);
    assert_string_equal(config->hooks.text, "[::1]:8081");
    assert_int_equal(config->hooks.address.ss_family, AF_INET6);
    assert_int_equal(config->hooks.address_len, sizeof(struct sockaddr_in6));
    assert_int_equal(ntohs(((const struct sockaddr_in6 *)&config->hooks.address)->sin6_port), 8081);
    assert_int_equal(config->api.address.ss_family, AF_INET);
    assert_string_equal(config->tls.certificate, "etc/tls/chain.pem");
    assert_string_equal(config->tls.key, "/etc/tls/key.pem");
    assert_string_equal(config->tls.api_clients, "etc/people.pem");
    assert_null(config->tls.hooks_clients);
    assert_int_equal(config->n_trusted_proxies, 2);
    assert_int_equal(config->trusted_proxies[0].prefix, 104);
    assert_int_equal(config->trusted_proxies[1].prefix, 128);
    assert_int_equal(config->hooks_rate, 1000);
    assert_int_equal(config->api_rate, 20);
    assert_int_equal(config->n_operators, 2);
    assert_int_equal(config->operators[0].role, ROLE_OPERATOR);
    assert_true(secret_equal(&config->operators[0].token, "0123456789abcdef", 16));
    assert_true(secret_equal(&config->operators[1].token, "x-0123456789abcdef-${y}", 23));
    assert_int_equal(config->operators[1].role, ROLE_VIEWER);
    assert_int_equal(config->model.n_sources, 2);
    assert_string_equal(config->sources[0].name, "two");
    assert_string_equal(config->model.source_names[1], "one");
    assert_ptr_equal(config->sources[0].handler, handler_find("alertmanager"));
    assert_int_equal(config->sources[0].bearer.n, 1);
    assert_int_equal(config->sources[0].n_basic, 0);
    assert_int_equal(config->sources[0].trust, TRUST_SECRET);
    assert_int_equal(config->sources[1].bearer.n, 0);
    assert_int_equal(config->sources[1].n_basic, 1);
    assert_string_equal(config->sources[1].basic[0].user, "am");
    assert_true(secret_equal(&config->sources[1].basic[0].password, "0123456789abcdef", 16));
    assert_int_equal(config->model.n_providers, 1);
    assert_string_equal(config->providers[0].name, "li");
    assert_string_equal(json_string_value(json_object_get(config->providers[0].args, "url")), "http://127.0.0.1:1/v4");
    assert_null(json_object_get(config->providers[0].args, "token"));
    assert_true(secret_equal(provider_secret(&config->providers[0], "token"), "0123456789abcdef", 16));
    check_services(config);
}

#define SERVICE                                                                                                        \
    "services:\n  s:\n    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n    trigger: {mode: manual}\n"              \
    "    playbook: [{action: linode.dns_record, provider: li, domain: example.com, record: app, type: A, "             \
    "target: '${to.ip}'}]\n"
#define OPERATORS "operators: [{name: a, role: viewer, token: '${env:T_TOKEN}'}]\n"
#define PROVIDERS "providers: {li: {kind: linode, token: '${env:T_TOKEN}'}}\n"

/* Two sources for both sites, and a service that asks for so many trusted votes. */
#define TRUSTING(n)                                                                                                    \
    "services:\n  s:\n"                                                                                                \
    "    trigger: {mode: automatic, votes: 2, trusted_votes: " #n "}\n"                                                \
    "    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n"                                                            \
    "    alerts:\n"                                                                                                    \
    "      - {source: am, match: {alertname: x}, site: active}\n"                                                      \
    "      - {source: in, match: {alertname: x}, site: active}\n"                                                      \
    "    playbook: [{action: linode.dns_record, provider: li, domain: example.com, record: app, type: A, "             \
    "target: '${to.ip}'}]\n"

#define UNTRUSTED(site, asked, possible)                                                                               \
    "t:6:57: warning: site \"" site "\" can never be found down: \"trusted_votes\" is " asked                          \
    ", but those of the sources named for it in \"alerts\" whose trust is secret or signed have " possible             \
    " together; give a source a credential that no URL holds, or ask for fewer\n"

static void test_defaults(void **state)
{
    (void)state;
    CLEANUP(config_cleanup)
    struct config *config = load("t.yaml", PROVIDERS SERVICE,
                                 "t.yaml:1:1: warning: there are no operators: nobody can use the API or the page\n");
    assert_string_equal(config->hooks.text, "127.0.0.1:8081");
    assert_string_equal(config->api.text, "127.0.0.1:8080");
    assert_string_equal(config->database, "./turnout.db");
    assert_null(config->tls.certificate);
    assert_int_equal(config->n_trusted_proxies, 0);
    assert_int_equal(config->hooks_rate, 1000);
    assert_int_equal(config->api_rate, 100);
    assert_int_equal(config->keep.alerts_ms, INT64_C(30) * 24 * 3600 * 1000);
    assert_int_equal(config->keep.deliveries_ms, INT64_C(30) * 24 * 3600 * 1000);
    assert_int_equal(config->n_operators, 0);
    config_free(config);
    config = load("/etc/t.yaml", OPERATORS PROVIDERS "database: /var/lib/x.db\n" SERVICE, "");
    assert_string_equal(config->database, "/var/lib/x.db");
    config_free(config);
    config = load("t.yaml", OPERATORS PROVIDERS "database: ':memory:'\n" SERVICE, "");
    assert_string_equal(config->database, "./:memory:");
}

static void test_doubts(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *warnings;
    } cases[] = {
        {OPERATORS "providers: {li: {kind: linode, token: literal}}\n" SERVICE,
         "t:2:39: warning: \"token\" is written out in this file; \"${env:NAME}\" or \"${file:PATH}\" keeps it "
         "elsewhere\n"},
        {"server: {trusted_proxies: [10.0.0.0/8, 0.0.0.0/0]}\n" OPERATORS PROVIDERS SERVICE,
         "t:1:27: warning: \"trusted_proxies\" holds everybody: any client may then say in X-Forwarded-For where it "
         "comes from, which \"from\" and the rates go by\n"},
        {"server: {trusted_proxies: '::/0'}\n" OPERATORS PROVIDERS SERVICE,
         "t:1:27: warning: \"trusted_proxies\" holds everybody: any client may then say in X-Forwarded-For where it "
         "comes from, which \"from\" and the rates go by\n"},
        {"server: {trusted_proxies: [10.0.0.0/8, '::ffff:0:0']}\n" OPERATORS PROVIDERS SERVICE, ""},
        {OPERATORS PROVIDERS "sources: {am: {kind: alertmanager, bearer: '${env:T_SHORT}'}}\n" SERVICE,
         "t:3:11: warning: source \"am\" is named in no \"alerts\": whatever it says, no service hears of it\n"
         "t:3:44: warning: \"bearer\" is shorter than 16 characters and can be guessed\n"},
        {OPERATORS PROVIDERS "sources: {am: {kind: grafana, basic: {user: u, password: '${env:T_SHORT}'}, hmac_secret: "
                             "['${env:T_TOKEN}', '${env:T_SHORT}']}}\n" SERVICE,
         "t:3:11: warning: source \"am\" is named in no \"alerts\": whatever it says, no service hears of it\n"
         "t:3:58: warning: \"password\" is shorter than 16 characters and can be guessed\n"
         "t:3:109: warning: \"hmac_secret\" is shorter than 16 characters and can be guessed\n"},
        {OPERATORS PROVIDERS "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'}, in: {kind: alertmanager, "
                             "path_token: '${env:T_TOKEN}'}}\n" TRUSTING(1),
         ""},
        {OPERATORS PROVIDERS
         "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'}, in: {kind: generic, bearer: "
         "'${env:T_TOKEN}', identity: /id, state: /s, up: u, down: d, labels: {name: /n}}}\n" TRUSTING(1),
         "t:10:9: warning: \"match\" names \"alertname\", which is not among the \"labels\" of source \"in\": the rule "
         "never matches\n"},
        {OPERATORS PROVIDERS "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}', path_token: "
                             "'${env:T_TOKEN}'}, in: {kind: alertmanager, path_token: '${env:T_TOKEN}'}}\n" TRUSTING(1),
         UNTRUSTED("a", "1", "0") UNTRUSTED("b", "1", "0")},
        {OPERATORS PROVIDERS "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'}, in: {kind: alertmanager, "
                             "path_token: '${env:T_TOKEN}'}}\n" TRUSTING(2),
         UNTRUSTED("a", "2", "1") UNTRUSTED("b", "2", "1")},
        {OPERATORS PROVIDERS "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'}}\n" SERVICE
                             "    alerts: [{source: am, match: {region: a}, site: a}]\n",
         "t:7:14: warning: site \"b\" can never be found down: \"votes\" is 1, but the sources named for it in "
         "\"alerts\" have 0 together; name more of them there, or ask for fewer votes\n"
         "t:9:14: warning: \"match\" does not name the alert (\"alertname\"): any alert with these labels says that "
         "the site "
         "is down\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        config_free(load("t", cases[i].yaml, cases[i].warnings));
}

static void test_secret_files(void **state)
{
    (void)state;
    char folder[] = "/tmp/turnout-test-XXXXXX";
    assert_non_null(mkdtemp(folder));
    char config_path[64], secret_path[64], empty_path[64], large_path[64];
    snprintf(config_path, sizeof(config_path), "%s/t.yaml", folder);
    snprintf(secret_path, sizeof(secret_path), "%s/secret", folder);
    snprintf(empty_path, sizeof(empty_path), "%s/empty", folder);
    snprintf(large_path, sizeof(large_path), "%s/large", folder);
    FILE *file = fopen(secret_path, "w");
    fputs("0123456789abcdef\r\n", file);
    fclose(file);
    file = fopen(empty_path, "w");
    fputs("\n", file);
    fclose(file);
    file = fopen(large_path, "w");
    for (int i = 0; i < 70000; i++)
        fputc('x', file);
    fclose(file);
    struct config *config =
        load(config_path, "operators: [{name: a, role: viewer, token: 'a${file:secret}'}]\n" PROVIDERS SERVICE, "");
    assert_true(secret_equal(&config->operators[0].token, "a0123456789abcdef", 17));
    config_free(config);
    static const char *const bad[] = {"empty", "large"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char yaml[1024];
        snprintf(yaml, sizeof(yaml), "operators: [{name: a, role: viewer, token: '${file:%s}'}]\n" PROVIDERS SERVICE,
                 bad[i]);
        CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
        CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
        assert_int_equal(config_load_bytes(config_path, yaml, strlen(yaml), true, &config, &errors, &warnings),
                         ERR_INVALID);
        assert_non_null(
            strstr(strbuf_text(&errors), i == 0 ? "is empty; put the secret into it" : "longer than 65536"));
        strbuf_clear(&errors);
        /* not for bytes that are not trusted */
        assert_int_equal(config_load_bytes(config_path, yaml, strlen(yaml), false, &config, &errors, &warnings),
                         ERR_INVALID);
        assert_non_null(strstr(strbuf_text(&errors), "cannot be used"));
    }
    unlink(secret_path);
    unlink(empty_path);
    unlink(large_path);
    rmdir(folder);
}

static void test_files(void **state)
{
    (void)state;
    static const char *const examples[] = {"examples/turnout.yaml", "examples/demo.yaml", "examples/compose.yaml"};
    for (size_t i = 0; i < COUNT_OF(examples); i++) {
        CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
        CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
        CLEANUP(config_cleanup) struct config *config = NULL;
        enum err err = config_load(examples[i], &config, &errors, &warnings);
        assert_string_equal(strbuf_text(&errors), "");
        assert_string_equal(strbuf_text(&warnings), "");
        assert_int_equal(err, ERR_OK);
    }
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    struct config *config = NULL;
    assert_int_equal(config_load("/nowhere/t.yaml", &config, &errors, &warnings), ERR_INVALID);
    assert_string_equal(strbuf_text(&errors), "/nowhere/t.yaml: the configuration cannot be read: No such file or "
                                              "directory; give the path of a file that can\n");
    strbuf_clear(&errors);
    assert_int_equal(config_load("/tmp", &config, &errors, &warnings), ERR_INVALID);
    assert_non_null(strstr(strbuf_text(&errors), "Is a directory"));
    assert_null(config);
}

/* For `turnout try`: on a computer where the secrets are not. */
static void test_stand_ins(void **state)
{
    (void)state;
    char path[] = "/tmp/turnout-test-XXXXXX";
    int fd = mkstemp(path);
    static const char yaml[] = "operators: [{name: a, role: viewer, token: '${env:T_NONE}'}, {name: b, role: viewer, "
                               "token: '${file:/nowhere/secret}'}]\n"
                               "providers: {li: {kind: linode, token: '${env:T_TOKEN}'}}\n"
                               "sources: {am: {kind: alertmanager, path_token: ['${env:T_NONE}', 'x${env:T_NONE}']},"
                               "  ge: {kind: generic, identity: /id, state: /state, down: down, up: up, "
                               "standard_webhooks_secret: '${env:T_NONE}'}}\n";
    assert_int_equal(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    assert_int_equal(write(fd, SERVICE, strlen(SERVICE)), (ssize_t)strlen(SERVICE));
    close(fd);
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    CLEANUP(config_cleanup) struct config *config = NULL;
    assert_int_equal(config_load(path, &config, &errors, &warnings), ERR_INVALID);
    assert_non_null(strstr(strbuf_text(&errors), "environment variable T_NONE, for \"token\", is not set"));
    strbuf_clear(&errors);
    assert_int_equal(config_load_for_trial(path, &config, &errors, &warnings), ERR_OK);
    assert_string_equal(strbuf_text(&errors), "");
    assert_int_equal(config->n_stand_ins, 5);
    assert_true(secret_equal(provider_secret(&config->providers[0], "token"), "0123456789abcdef", 16));
    assert_int_equal(config->sources[0].path_token.n, 2);
    assert_int_equal(config->sources[0].path_token.items[0].len, strlen("whsec_") + 32);
    unlink(path);
}

/* Many services from one anchor: each is made by itself, and the time stays small. */
static void test_many_services(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf yaml = STRBUF_INIT;
    strbuf_adds(&yaml, OPERATORS PROVIDERS "services:\n  s0: &s {sites: {");
    for (int i = 0; i < MAX_SITES; i++)
        strbuf_addf(&yaml, "%ss%d: {ip: 192.0.2.%d}", i > 0 ? ", " : "", i, i);
    strbuf_adds(&yaml,
                "}, trigger: {mode: manual}, playbook: [{action: linode.dns_record, provider: li, domain: example.com, "
                "record: app, type: A, target: '${to.ip}'}, {action: http.check, url: 'http://x/${from.name}'}]}\n");
    for (int i = 1; i < 500; i++)
        strbuf_addf(&yaml, "  s%d: *s\n", i);
    CLEANUP(config_cleanup) struct config *config = load("t", strbuf_text(&yaml), "");
    assert_int_equal(config->model.n_services, 500);
    assert_int_equal(config->model.services[499].n_sites, MAX_SITES);
}

static char *printed(bool (*print)(FILE *out, const char *name), const char *name, bool expected)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool is_found = print(out, name);
    fclose(out);
    assert_true(is_found == expected);
    return text;
}

static void test_help(void **state)
{
    (void)state;
    AUTO_FREE char *all = printed(config_print_actions, NULL, true);
    for (const struct action *const *action = action_list(); *action; action++) {
        assert_non_null(strstr(all, (*action)->name));
        AUTO_FREE char *one = printed(config_print_actions, (*action)->name, true);
        for (const struct row *row = (*action)->rows; row->name; row++)
            assert_non_null(strstr(one, row->help));
        assert_non_null(strstr(one, "deadline"));
    }
    AUTO_FREE char *linode = printed(config_print_actions, "linode.dns_record", true);
    assert_non_null(strstr(linode, "provider of kind linode"));
    AUTO_FREE char *none = printed(config_print_actions, "reboot", false);
    assert_string_equal(none, "");
    AUTO_FREE char *kinds = printed(config_print_sources, NULL, true);
    assert_non_null(strstr(kinds, "alertmanager"));
    AUTO_FREE char *kind = printed(config_print_sources, "alertmanager", true);
    assert_non_null(strstr(kind, "bearer"));
    AUTO_FREE char *no_kind = printed(config_print_sources, "nagios", false);
    assert_string_equal(no_kind, "");
}

static int set_up(void **state)
{
    (void)state;
    static const char *const names[] = {
        "T_TOKEN",           "TURNOUT_TOKEN", "AM_TOKEN",        "LINODE_TOKEN",         "OVH_AK", "OVH_AS", "OVH_CK",
        "AWS_ACCESS_KEY_ID", "AM_GRA_TOKEN",  "AM_RBX_PASSWORD", "AWS_SECRET_ACCESS_KEY"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        setenv(names[i], "0123456789abcdef", 1);
    setenv("WALLBOARD_TOKEN", "0123456789abcdef-other", 1);
    setenv("T_SHORT", "short", 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),        cmocka_unit_test(test_defaults),  cmocka_unit_test(test_doubts),
        cmocka_unit_test(test_secret_files), cmocka_unit_test(test_files),     cmocka_unit_test(test_many_services),
        cmocka_unit_test(test_help),         cmocka_unit_test(test_stand_ins),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

/* What a configuration says about deciding well: what it becomes, and what is wrong with it or doubted, word for word
 * and with its place. */
#include "test.h"

#include "base/cleanup.h"
#include "config/reading.h"

#include <regex.h>
#include <stdlib.h>

#define MINUTE ((int64_t)60 * 1000)
#define HOUR (60 * MINUTE)

static void config_cleanup(struct config **config)
{
    config_free(*config);
}

/* The configuration, which must be right, and its warnings. */
static struct config *load(const char *yaml, const char *warnings)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf doubts = STRBUF_INIT;
    struct config *config = NULL;
    enum err err = config_load_bytes("t", yaml, strlen(yaml), true, &config, &errors, &doubts);
    assert_string_equal(strbuf_text(&errors), "");
    assert_int_equal(err, ERR_OK);
    assert_string_equal(strbuf_text(&doubts), warnings);
    return config;
}

static void expect_errors(const char *yaml, const char *expected)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf doubts = STRBUF_INIT;
    struct config *config = NULL;
    assert_int_equal(config_load_bytes("t", yaml, strlen(yaml), true, &config, &errors, &doubts), ERR_INVALID);
    assert_null(config);
    if (strcmp(strbuf_text(&errors), expected) != 0)
        fail_msg("%s\ngives\n%sand not\n%s", yaml, strbuf_text(&errors), expected);
    assert_null(strstr(strbuf_text(&errors), "0123456789")); /* what the environment's secrets hold is nowhere */
    assert_null(strstr(strbuf_text(&doubts), "0123456789"));
}

/* ---- a right one ------------------------------------------------------------------------------------------------- */

static const char whole[] =
    "server:\n"
    "  site: par\n"
    "  kill_switch: turnout.stop\n"
    "  self_check: {urls: ['https://a.example/', 'https://b.example/', 'https://c.example/'], every: 1m}\n"
    "  heartbeat: {url: '${env:T_URL}', every: 2m}\n"
    "operators: [{name: a, role: approver, token: '${env:T_TOKEN}'}]\n"
    "freeze:\n"
    "  - {from: '2999-12-24T12:00:00Z', until: '2999-12-25T12:00:00+01:00', reason: Christmas}\n"
    "  - {days: [fri, sun], from: 22:00, until: 06:30}\n"
    "flood_guard: {sites: 2, within: 5m}\n"
    "sources:\n"
    "  am: {kind: alertmanager, bearer: '${env:T_TOKEN}', stale_after: 6m, weight: 2,\n"
    "       heartbeat: {match: {alertname: Watchdog, cluster: '~a|b'}}}\n"
    "  pd: {kind: pingdom, path_token: '${env:T_TOKEN}'}\n"
    "  gr: {kind: grafana, bearer: '${env:T_TOKEN}', vote_expires: 2h}\n"
    "providers:\n"
    "  li: {kind: linode, token: '${env:T_TOKEN}', max_parallel: 3}\n"
    "  l2: {kind: linode, token: '${env:T_TOKEN}'}\n"
    "services:\n"
    "  shop:\n"
    "    sites: {gra: {ip: 192.0.2.1}, rbx: {ip: 192.0.2.2}}\n"
    "    prefer: [rbx, gra]\n"
    "    after: [database]\n"
    "    priority: 110\n"
    "    freeze: {days: mon, from: 00:00, until: 00:00, reason: backup}\n"
    "    alerts:\n"
    "      - {source: am, match: {alertname: x}, site: gra}\n"
    "      - {source: gr, match: {alertname: x}, site: active}\n"
    "      - {source: pd, match: {check_id: x}, site: active}\n"
    "    trigger:\n"
    "      mode: approval\n"
    "      votes: 3\n"
    "      trusted_votes: 2\n"
    "      flap: {changes: 3, within: 20m, limit: 5m}\n"
    "      approval: {deadline: 10m, then: approve, remind: 1m}\n"
    "      probe: {action: http.check, url: 'https://x.example/', at: '${to.ip}', every: 10s, fall: 4, rise: 5,\n"
    "              required: true, timeout: 3s, expect: {status: 204}}\n"
    "    failback: {mode: automatic, after: 15m}\n"
    "    playbook:\n"
    "      - {action: linode.dns_record, provider: li, domain: example.com, record: app, type: A, target: '${to.ip}',\n"
    "         ttl: 300, when: [outage, planned]}\n"
    "      - {action: linode.dns_record, provider: l2, domain: example.com, record: app, type: A, target: '${to.ip}',\n"
    "         ttl: 3600, when: failback}\n"
    "  queue:\n"
    "    sites: {rbx: {ip: 192.0.2.5}, waw: {ip: 192.0.2.6}}\n"
    "    playbook: &lone\n"
    "      - {action: linode.dns_record, provider: li, domain: example.com, record: q, type: A, target: '${to.ip}',\n"
    "         point_of_no_return: true}\n"
    "  database:\n"
    "    sites: {gra: {ip: 192.0.2.3}, rbx: {ip: 192.0.2.4}}\n"
    "    priority: 5\n"
    "    trigger:\n"
    "      mode: automatic\n"
    "      probe: {action: dns.check, record: '${to.name}.example.com', type: A, target: '${to.ip}', every: 2s}\n"
    "    playbook: *lone\n";

static void check_ourselves(const struct config *config)
{
    assert_string_equal(config->site, "par");
    assert_string_equal(config->kill_switch, "turnout.stop");
    assert_int_equal(config->self_check.n_urls, 3);
    assert_string_equal(config->self_check.urls[2], "https://c.example/");
    assert_int_equal(config->self_check.need, 2);
    assert_int_equal(config->self_check.every_ms, MINUTE);
    assert_int_equal(config->self_check.timeout_ms, 5000);
    assert_true(secret_equal(&config->heartbeat.url, "https://hc.example/0123456789", 29));
    assert_int_equal(config->heartbeat.every_ms, 2 * MINUTE);
    assert_int_equal(config->operators[0].role, ROLE_APPROVER);
}

static void check_guards(const struct model *model)
{
    assert_int_equal(model->flood.places, 2);
    assert_int_equal(model->flood.within_ms, 5 * MINUTE);
    assert_int_equal(model->n_freezes, 2);
    const struct freeze *once = &model->freezes[0], *weekly = &model->freezes[1];
    assert_false(once->is_weekly);
    assert_int_equal(once->until - once->from, 23 * HOUR);
    assert_string_equal(once->reason, "Christmas");
    assert_true(weekly->is_weekly);
    assert_int_equal(weekly->days, 1U << 4 | 1U << 6);
    assert_int_equal(weekly->from_minute, 22 * 60);
    assert_int_equal(weekly->until_minute, 6 * 60 + 30);
    assert_string_equal(weekly->reason, "");
    assert_int_equal(model->services[0].n_freezes, 1);
    assert_int_equal(model->services[0].freezes[0].days, 1);
    assert_string_equal(model->services[0].freezes[0].reason, "backup");
    assert_int_equal(model->services[1].n_freezes, 0);
}

static void check_voters(const struct model *model)
{
    const struct voter_rule am = model_voter_rule(model, 0), pd = model_voter_rule(model, 1),
                            gr = model_voter_rule(model, 2);
    assert_int_equal(am.weight, 2);
    assert_int_equal(am.expires_ms, 15 * MINUTE);
    assert_int_equal(am.stale_after_ms, 6 * MINUTE);
    assert_int_equal(am.n_heartbeat, 2);
    assert_string_equal(am.heartbeat[0].label, "alertname");
    assert_string_equal(am.heartbeat[0].values[0], "Watchdog");
    assert_int_equal(regexec(am.heartbeat[1].regex, "b", 0, NULL, 0), 0);
    assert_int_equal(pd.weight, 1);
    assert_int_equal(pd.expires_ms, 24 * HOUR);
    assert_int_equal(pd.stale_after_ms, 0);
    assert_int_equal(pd.n_heartbeat, 0);
    assert_int_equal(gr.expires_ms, 2 * HOUR);
    assert_int_equal(model->provider_max_parallel[0], 3);
    assert_int_equal(model->provider_max_parallel[1], 10);
}

static void check_probes(const struct model *model)
{
    const struct probe_rule *shop = &model->services[0].probe, *database = &model->services[2].probe;
    assert_ptr_equal(shop->check->action, action_find("http.check"));
    assert_string_equal(shop->check->action_name, "http.check");
    assert_string_equal(shop->check->name, "probe");
    assert_int_equal(shop->check->provider, -1);
    assert_int_equal(shop->check->timeout_ms, 3000);
    assert_int_equal(shop->check->retries, 0);
    assert_string_equal(json_string_value(json_object_get(shop->check->args, "at")), "${to.ip}");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(shop->check->args, "expect"), "status")), 204);
    assert_null(json_object_get(shop->check->args, "every"));
    assert_int_equal(shop->every_ms, 10000);
    assert_int_equal(shop->fall, 4);
    assert_int_equal(shop->rise, 5);
    assert_true(shop->is_required);
    assert_int_equal(database->every_ms, 2000);
    assert_int_equal(database->fall, 3);
    assert_int_equal(database->rise, 2);
    assert_false(database->is_required);
    assert_true(database->check->timeout_ms <= database->every_ms);
    assert_null(model->services[1].probe.check);
}

static void check_shop(const struct service *shop)
{
    assert_int_equal(shop->mode, MODE_APPROVAL);
    assert_int_equal(shop->votes, 3);
    assert_int_equal(shop->trusted_votes, 2);
    assert_int_equal(shop->flap.changes, 3);
    assert_int_equal(shop->flap.within_ms, 20 * MINUTE);
    assert_int_equal(shop->flap.limit_ms, 5 * MINUTE);
    assert_int_equal(shop->approval.deadline_ms, 10 * MINUTE);
    assert_true(shop->approval.is_yes);
    assert_int_equal(shop->approval.remind_ms, MINUTE);
    assert_int_equal(shop->failback_mode, MODE_AUTOMATIC);
    assert_int_equal(shop->failback_after_ms, 15 * MINUTE);
    assert_int_equal(shop->settle_ms, HOUR);
    assert_int_equal(shop->steps[0].when, 1U << OCCASION_OUTAGE | 1U << OCCASION_PLANNED);
    assert_int_equal(shop->steps[1].when, 1U << OCCASION_FAILBACK);
    assert_false(shop->steps[0].is_point_of_no_return);
}

/* `trigger` and `failback` left out. */
static void check_defaults(const struct service *queue)
{
    assert_int_equal(queue->mode, MODE_SHADOW);
    assert_int_equal(queue->votes, 1);
    assert_int_equal(queue->trusted_votes, 0);
    assert_int_equal(queue->hold_ms, 30000);
    assert_int_equal(queue->cool_down_ms, 30 * MINUTE);
    assert_int_equal(queue->flap.changes, 4);
    assert_int_equal(queue->flap.within_ms, 15 * MINUTE);
    assert_int_equal(queue->flap.limit_ms, 10 * MINUTE);
    assert_int_equal(queue->approval.deadline_ms, 30 * MINUTE);
    assert_false(queue->approval.is_yes);
    assert_int_equal(queue->approval.remind_ms, 5 * MINUTE);
    assert_int_equal(queue->failback_mode, MODE_MANUAL);
    assert_int_equal(queue->failback_after_ms, 30 * MINUTE);
    assert_int_equal(queue->priority, 100);
    assert_int_equal(queue->n_after, 0);
    assert_int_equal(queue->settle_ms, 30000); /* the action's own default */
    assert_int_equal(queue->steps[0].when, 0);
    assert_true(queue->steps[0].is_point_of_no_return);
}

/* The same name is the same place, whatever its index in the service. */
static void check_order(const struct model *model)
{
    const struct service *shop = &model->services[0], *queue = &model->services[1], *database = &model->services[2];
    assert_int_equal(model->n_places, 3);
    assert_string_equal(shop->sites[0].name, "rbx");
    assert_int_equal(shop->sites[0].place, queue->sites[0].place);
    assert_int_equal(shop->sites[0].place, database->sites[1].place);
    assert_int_equal(shop->sites[1].place, database->sites[0].place);
    for (int i = 0; i < model->n_services; i++)
        for (int k = 0; k < 2; k++)
            assert_string_equal(model->place_names[model->services[i].sites[k].place],
                                model->services[i].sites[k].name);
    assert_int_equal(shop->n_after, 1);
    assert_int_equal(shop->after[0], 2);
    assert_int_equal(model->by_priority[0], 2);
    assert_int_equal(model->by_priority[1], 1);
    assert_int_equal(model->by_priority[2], 0);
}

static void test_whole(void **state)
{
    (void)state;
    CLEANUP(config_cleanup) struct config *config = load(whole, "");
    check_ourselves(config);
    check_guards(&config->model);
    check_voters(&config->model);
    check_probes(&config->model);
    check_shop(&config->model.services[0]);
    check_defaults(&config->model.services[1]);
    check_order(&config->model);
}

/* ---- what is wrong ----------------------------------------------------------------------------------------------- */

#define HEAD                                                                                                           \
    "operators: [{name: a, role: viewer, token: '${env:T_OTHER}'}]\n"                                                  \
    "providers: {li: {kind: linode, token: '${env:T_TOKEN}'}}\n"
#define SITES "    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n"
#define STEP "action: linode.dns_record, provider: li, domain: x.com, record: x, type: A, target: '${to.ip}'"
#define PLAYBOOK "    playbook: [{" STEP "}]\n"
#define SERVICE "services:\n  s:\n" SITES PLAYBOOK
#define SOURCE "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'"
#define ALERTS "    alerts: [{source: am, match: {alertname: x}, site: active}]\n"
#define PROBE "action: http.check, url: 'https://x/', at: '${to.ip}'"
#define DURATION "it must be a duration such as 500ms, 30s, 5m, 2h or 7d"

struct said {
    const char *yaml;
    const char *text; /* one line for each */
};

static const struct said wrong_server[] = {
    {HEAD "server: {self_check: {}}\n" SERVICE,
     "t:3:22: \"urls\" is missing; it must be an http:// or https:// URL without user information and fragment, or a "
     "list of them: what is asked with GET, best of three who have nothing in common; any answer at all will do\n"},
    {HEAD "server: {self_check: {urls: ['https://a', 'ftp://b', 'https://c'], need: 4}}\n" SERVICE,
     "t:3:43: \"urls\" cannot be \"ftp://b\"; it must be an http:// or https:// URL without user information and "
     "fragment, or a list of them\n"
     "t:3:74: \"need\" is 4, but there are 3 of \"urls\": the daemon would be cut off for ever; ask for fewer\n"},
    {HEAD "server: {self_check: {urls: 'https://me:hunter2@a', need: 1}}\n" SERVICE,
     "t:3:29: \"urls\" cannot hold user information; it must be an http:// or https:// URL without user information "
     "and "
     "fragment, or a list of them\n"},
    {HEAD "server: {self_check: {urls: ['https://a', 'https://b', 'https://c'], every: 5s, timeout: 6s, neeed: 1}}\n"
          "" SERVICE,
     "t:3:90: \"timeout\" is longer than \"every\"; it must not be\n"
     "t:3:94: unknown key \"neeed\"; did you mean \"need\"?\n"},
    {HEAD "server: {self_check: {urls: ['https://a', 'https://b', 'https://c'], every: 4s}}\n" SERVICE,
     "t:3:77: \"timeout\" is longer than \"every\"; it must not be\n"},
    {HEAD "server: {heartbeat: {every: 1m}}\n" SERVICE,
     "t:3:21: \"url\" is missing; it must be a secret, as \"${env:NAME}\" or \"${file:PATH}\": of a dead man's switch "
     "outside, asked with GET: it calls people when we fall silent\n"},
    {HEAD "server: {heartbeat: {url: '${env:T_TOKEN}'}}\n" SERVICE,
     "t:3:27: \"url\" does not hold a URL; it must be an http:// or https:// URL without user information and "
     "fragment\n"},
    {HEAD "server: {site: '', kill_switch: [], heartbeat: x}\n" SERVICE,
     "t:3:16: \"site\" cannot be \"\"; it must be text of 1 to 63 bytes\n"
     "t:3:33: \"kill_switch\" cannot be a list; it must be a path\n"
     "t:3:48: \"heartbeat\" cannot be text; it must be a mapping\n"},
};

static const struct said wrong_guards[] = {
    {HEAD "freeze: x\n" SERVICE, "t:3:9: \"freeze\" cannot be text; it must be a mapping\n"},
    {HEAD "freeze: [x]\n" SERVICE, "t:3:10: an element of \"freeze\" cannot be text; it must be a mapping\n"},
    {HEAD "freeze: {until: '2999-01-01T00:00:00Z', days: []}\n" SERVICE,
     "t:3:9: \"from\" is missing; it must be text: when it begins: a time with its zone, as 2026-12-24T12:00:00Z; with "
     "days a time of the day in UTC, as 22:00\n"
     "t:3:17: \"until\" cannot be \"2999-01-01T00:00:00Z\"; with \"days\" it must be a time of the day in UTC, as "
     "22:00\n"
     "t:3:47: \"days\" cannot be a list of 0; it must hold 1 to 100\n"},
    {HEAD "freeze: {from: '2999-01-02T00:00:00Z', until: '2999-01-02T01:00:00+01:00'}\n" SERVICE,
     "t:3:47: \"until\" is not later than \"from\"; it must be\n"},
    {HEAD "freeze: {from: 22:00, until: 2999-01-01}\n" SERVICE,
     "t:3:16: \"from\" is a time of the day; name the \"days\" too, as {days: [sat, sun], ...}\n"
     "t:3:30: \"until\" cannot be \"2999-01-01\"; it must be a time with its zone, as 2026-12-24T12:00:00Z\n"},
    {HEAD "freeze: {days: [mon, noday], from: 24:00, until: 9:00}\n" SERVICE,
     "t:3:22: \"days\" cannot be \"noday\"; it must be one of mon, tue, wed, thu, fri, sat, sun, or a list of them\n"
     "t:3:36: \"from\" cannot be \"24:00\"; with \"days\" it must be a time of the day in UTC, as 22:00\n"
     "t:3:50: \"until\" cannot be \"9:00\"; with \"days\" it must be a time of the day in UTC, as 22:00\n"},
    {HEAD "flood_guard: {sites: -1, within: 0s, withn: 1m}\n" SERVICE,
     "t:3:22: \"sites\" cannot be \"-1\"; it must be a whole number from 0 to 1000\n"
     "t:3:34: \"within\" cannot be \"0s\"; " DURATION " from 1s to 1d\n"
     "t:3:38: unknown key \"withn\"; did you mean \"within\"?\n"},
    {HEAD "flood_guard: 1\n" SERVICE, "t:3:14: \"flood_guard\" cannot be text; it must be a mapping\n"},
    {HEAD SERVICE "    freeze: [{from: 2999-01-01T00:00:00, until: '2999-01-02T00:00:00Z'}]\n",
     "t:7:21: \"from\" cannot be \"2999-01-01T00:00:00\"; it must be a time with its zone, as 2026-12-24T12:00:00Z\n"},
};

static const struct said wrong_sources[] = {
    {HEAD "sources: {operator: {kind: alertmanager, bearer: '${env:T_TOKEN}'}, probe: {kind: alertmanager, bearer: "
          "'${env:T_TOKEN}'}}\n" SERVICE,
     "t:3:11: \"operator\" cannot be the name of a source, since it is a voter of our own; choose another\n"
     "t:3:69: \"probe\" cannot be the name of a source, since it is a voter of our own; choose another\n"},
    {HEAD SOURCE ", weight: 0, vote_expires: 1w, stale_after: 0s}}\n" SERVICE,
     "t:3:70: \"weight\" cannot be \"0\"; it must be a whole number from 1 to 64\n"
     "t:3:87: \"vote_expires\" cannot be \"1w\"; " DURATION " from 0s to 366d\n"
     "t:3:104: \"stale_after\" cannot be \"0s\"; " DURATION " from 1s to 366d\n"},
    {HEAD SOURCE ", heartbeat: {}}}\n" SERVICE,
     "t:3:73: \"match\" is missing; it must be a mapping of labels to a text, a list of texts, or \"~\" and a regular "
     "expression: which alert it is, as {alertname: Watchdog}\n"},
    {HEAD SOURCE ", heartbeat: {match: {}}}}\n" SERVICE,
     "t:3:81: \"match\" is empty and would match every alert; name labels, as {alertname: SiteDown}\n"},
    {HEAD SOURCE ", heartbeat: {alertname: Watchdog}}}\n" SERVICE,
     "t:3:73: \"match\" is missing; it must be a mapping of labels to a text, a list of texts, or \"~\" and a regular "
     "expression: which alert it is, as {alertname: Watchdog}\n"
     "t:3:74: unknown key \"alertname\"; it can be match\n"},
    {HEAD
     "sources: {ge: {kind: generic, bearer: '${env:T_TOKEN}', identity: /id, state: /s, up: u, down: d, heartbeat: "
     "{match: {alertname: Watchdog}}}}\n" SERVICE,
     "t:3:110: \"heartbeat\" names \"alertname\", which is not among the \"labels\" of source \"ge\": it would never "
     "be "
     "heard; add it there\n"},
    {"providers: {li: {kind: linode, token: '${env:T_TOKEN}', max_parallel: 1001}}\n" SERVICE,
     "t:1:71: \"max_parallel\" cannot be \"1001\"; it must be a whole number from 1 to 1000\n"},
    {"providers: {li: {kind: linode, token: '${env:T_TOKEN}', max_paralel: 1}}\n" SERVICE,
     "t:1:57: unknown key \"max_paralel\"; did you mean \"max_parallel\"?\n"},
};

static const struct said wrong_triggers[] = {
    {HEAD SERVICE "    trigger: {mode: auto, flap: {changes: many}, approval: {deadline: soon, then: perhaps}}\n",
     "t:7:21: \"mode\" cannot be \"auto\"; it must be one of automatic, approval, manual, shadow\n"
     "t:7:43: \"changes\" cannot be \"many\"; it must be a whole number from 0 to 1000\n"
     "t:7:71: \"deadline\" cannot be \"soon\"; " DURATION " from 0s to 7d\n"
     "t:7:83: \"then\" cannot be \"perhaps\"; it must be one of reject, approve\n"},
    {HEAD SERVICE "    trigger: {mode: manual, flap: 3, approval: 10m}\n",
     "t:7:35: \"flap\" cannot be text; it must be a mapping\n"
     "t:7:48: \"approval\" cannot be text; it must be a mapping\n"},
    {HEAD SERVICE "    trigger: [automatic]\n", "t:7:14: \"trigger\" cannot be a list; it must be a mapping\n"},
    {HEAD SERVICE "    trigger: {probe: x}\n", "t:7:22: \"probe\" cannot be text; it must be a mapping\n"},
    {HEAD SERVICE "    trigger: {probe: {required: true}}\n",
     "t:7:22: \"action\" is missing; it must be text: the check that is made of each site\n"},
    {HEAD SERVICE "    trigger: {probe: {action: htp.check, every: 100ms, fall: 0, rise: 101, required: maybe}}\n",
     "t:7:31: unknown check \"htp.check\"; did you mean \"http.check\"?\n"
     "t:7:49: \"every\" cannot be \"100ms\"; " DURATION " from 500ms to 1h\n"
     "t:7:62: \"fall\" cannot be \"0\"; it must be a whole number from 1 to 100\n"
     "t:7:71: \"rise\" cannot be \"101\"; it must be a whole number from 1 to 100\n"
     "t:7:86: \"required\" cannot be \"maybe\"; it must be true or false\n"},
    {HEAD SERVICE "    trigger: {probe: {" PROBE ", every: 1s, timeout: 2s, provider: li, retries: 1}}\n",
     "t:7:98: \"timeout\" is longer than \"every\"; it must not be\n"
     "t:7:102: unknown key \"provider\"; it can be action, every, fall, rise, required, timeout, url, at or expect\n"
     "t:7:116: unknown key \"retries\"; it can be action, every, fall, rise, required, timeout, url, at or expect\n"},
    {HEAD SERVICE "    trigger: {probe: {action: http.check, url: 'https://${from.name}/', at: '${from.ip}'}}\n",
     "t:7:48: a probe looks at one site at a time, so ${from...} has no value there; write ${to...}, which is the site "
     "looked at\n"
     "t:7:77: a probe looks at one site at a time, so ${from...} has no value there; write ${to...}, which is the site "
     "looked at\n"},
    {HEAD "services:\n  s:\n    sites: {a: {ip: 192.0.2.1}, b: {pi: x}, c: {ip: x}}\n    trigger: {probe: {" PROBE
          "}}\n    playbook: [{action: http.check, url: 'http://x/'}]\n",
     "t:6:66: looking at b (and 1 site more): at: ${to.ip} is not known; the nearest that is: ${to.pi}\n"},
    {HEAD SERVICE "    trigger: {probe: {action: http.check, url: 'https://x/', at: '${to.name}'}}\n",
     "t:7:66: looking at a (as with every site): \"at\" cannot be \"a\"; it must be an IPv4 or IPv6 address\n"},
    {HEAD SERVICE "    trigger: {probe: {action: dns.check, record: x.com, type: AAAA, target: '${to.ip}'}}\n",
     "t:7:22: looking at a (as with every site): target \"192.0.2.1\" is not an IPv6 address, which a record of type "
     "AAAA holds\n"},
};

static const struct said wrong_failbacks[] = {
    {HEAD SERVICE "    failback: {mode: auto, after: 8d, approval: {}}\n",
     "t:7:22: \"mode\" cannot be \"auto\"; it must be one of automatic, approval, manual, shadow\n"
     "t:7:35: \"after\" cannot be \"8d\"; " DURATION " from 0s to 7d\n"
     "t:7:49: a failback is approved as the \"approval\" of the trigger says; write it there\n"},
    {HEAD SERVICE "    failback: {mode: manual, approvals: {}}\n",
     "t:7:30: unknown key \"approvals\"; it can be mode or after\n"},
    {HEAD SERVICE "    failback: automatic\n    trigger: approval\n",
     "t:7:15: \"failback\" cannot be text; it must be a mapping: write {mode: automatic}\n"
     "t:8:14: \"trigger\" cannot be text; it must be a mapping: write {mode: approval}\n"},
    {HEAD SERVICE "    failback: later\n", "t:7:15: \"failback\" cannot be text; it must be a mapping\n"},
    {HEAD SERVICE "    failback: {mode: shadow}\n",
     "t:7:22: \"failback\" cannot be shadow without a probe: that no alert fires does not say that home is well; give "
     "\"trigger\" a \"probe\", or choose manual\n"},
    {HEAD "services:\n  s:\n" SITES "    trigger: {probe: {" PROBE "}}\n    failback: {mode: approval}\n"
          "    playbook: [{" STEP "}, {name: promote, " STEP ", point_of_no_return: true}]\n",
     "t:7:22: \"failback\" cannot be approval: step \"promote\" of the playbook is a point of no return, and whether "
     "the "
     "way back is safe is for people to say; it must be manual\n"},
};

static const struct said wrong_steps[] = {
    {HEAD "services:\n  s:\n" SITES "    playbook: [{" STEP ", when: [planned]}, {" STEP ", when: [failback]}]\n",
     "t:6:15: no step is left for an outage: each has a \"when\" without outage, and a failover would do nothing; add "
     "outage where it belongs, or remove \"when\"\n"},
    {HEAD "services:\n  s:\n" SITES "    playbook: [{" STEP ", when: [planned, outtage]}, {" STEP
          ", when: sometimes}]\n",
     "t:6:129: \"when\" cannot be \"outtage\"; it must be one of outage, planned, failback, or a list of them\n"
     "t:6:243: \"when\" cannot be \"sometimes\"; it must be one of outage, planned, failback, or a list of them\n"},
    {HEAD "services:\n  s:\n" SITES "    playbook: [{action: http.check, url: 'http://x/', point_of_no_return: true}, "
          "{" STEP ", point_of_no_return: yes}]\n",
     "t:6:75: \"point_of_no_return\" is for steps that change something; http.check only looks, so remove it\n"
     "t:6:199: \"point_of_no_return\" cannot be \"yes\"; it must be true or false\n"},
};

#define OTHER(name, after) "  " name ":\n" SITES PLAYBOOK "    after: [" after "]\n"

static const struct said wrong_orders[] = {
    {HEAD SERVICE "    after: [s, t, t, u, [s], database]\n    priority: -1\n" OTHER("t", "") OTHER("databse", "t"),
     "t:7:13: service \"s\" cannot go after itself; name another, or remove it\n"
     "t:7:19: service \"t\" is there already; name each once\n"
     "t:7:22: unknown service \"u\"; it can be s, t or databse\n"
     "t:7:25: an element of \"after\" cannot be a list; it must be text\n"
     "t:7:30: unknown service \"database\"; did you mean \"databse\"?\n"
     "t:8:15: \"priority\" cannot be \"-1\"; it must be a whole number from 0 to 1000000\n"},
    {HEAD SERVICE "    after: t\n" OTHER("t", ""), "t:7:12: \"after\" cannot be text; it must be a list\n"},
    {HEAD SERVICE "    after: [t]\n" OTHER("t", "s"),
     "t:7:12: services wait for one another in a circle: \"s\" after \"t\" after \"s\"; none of them would ever go, so "
     "remove one of these\n"},
    /* the way into a circle is not part of it, and two are told */
    {HEAD SERVICE "    after: [t]\n" OTHER("t", "u") OTHER("u", "v, t") OTHER("v", "w") OTHER("w", "v"),
     "t:11:12: services wait for one another in a circle: \"t\" after \"u\" after \"t\"; none of them would ever go, "
     "so "
     "remove one of these\n"
     "t:19:12: services wait for one another in a circle: \"v\" after \"w\" after \"v\"; none of them would ever go, "
     "so "
     "remove one of these\n"},
    /* two ways to the same are no circle: only the name is wrong */
    {HEAD SERVICE "    after: [t, u]\n" OTHER("t", "v") OTHER("u", "v") OTHER("v", "nobody"),
     "t:19:13: unknown service \"nobody\"; it can be s, t, u or v\n"},
};

#define TEST_OF(table)                                                                                                 \
    static void test_##table(void **state)                                                                             \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        for (size_t i = 0; i < COUNT_OF(table); i++)                                                                   \
            expect_errors(table[i].yaml, table[i].text);                                                               \
    }
TEST_OF(wrong_server)
TEST_OF(wrong_guards)
TEST_OF(wrong_sources)
TEST_OF(wrong_triggers)
TEST_OF(wrong_failbacks)
TEST_OF(wrong_steps)
TEST_OF(wrong_orders)

/* A chain of all services there can be: no circle, and the walk needs no stack for it. */
static void test_a_long_chain(void **state)
{
    (void)state;
    static const int n = 2000; /* the nodes of a file are bounded */
    CLEANUP(strbuf_done) struct strbuf yaml = STRBUF_INIT;
    strbuf_adds(&yaml,
                HEAD "services:\n  s0: &s {sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}, playbook: [{" STEP "}]}\n");
    for (int i = 1; i < n; i++)
        strbuf_addf(&yaml, "  s%d: {<<: *s, after: [s%d], priority: %d}\n", i, i - 1, n - i);
    CLEANUP(config_cleanup) struct config *config = load(strbuf_text(&yaml), "");
    const struct model *model = &config->model;
    assert_int_equal(model->n_services, n);
    assert_int_equal(model->services[n - 1].after[0], n - 2);
    assert_int_equal(model->by_priority[0], n - 1);
    assert_int_equal(model->n_places, 2);
    /* closed to a circle, it is told in one line that somebody can read */
    const char *first = strstr(strbuf_text(&yaml), "}]}\n");
    CLEANUP(strbuf_done) struct strbuf closed = STRBUF_INIT;
    strbuf_addf(&closed, "%.*s}], after: [s%d]}\n%s", (int)(first - strbuf_text(&yaml)), strbuf_text(&yaml), n - 1,
                first + 4);
    expect_errors(
        strbuf_text(&closed),
        "t:4:177: services wait for one another in a circle: \"s0\" after \"s1999\" after \"s1998\" after "
        "\"s1997\" after \"s1996\" after \"s1995\" after \"s1994\" after \"s1993\" after ... after \"s0\"; none "
        "of them would ever go, so remove one of these\n");
}

/* Sites times sources, the operators and the probe. */
static void test_too_many_pairs(void **state)
{
    (void)state;
    for (int n_sources = 6; n_sources <= 7; n_sources++) {
        CLEANUP(strbuf_done) struct strbuf yaml = STRBUF_INIT;
        strbuf_adds(&yaml, HEAD "sources:\n");
        for (int i = 0; i < n_sources; i++)
            strbuf_addf(&yaml, "  m%d: {kind: alertmanager, bearer: '${env:T_TOKEN}'}\n", i);
        strbuf_adds(&yaml, "services:\n  s:\n    sites: {");
        for (int i = 0; i < MAX_SITES; i++)
            strbuf_addf(&yaml, "%ss%d: {ip: 192.0.2.%d}", i > 0 ? ", " : "", i, i + 1);
        strbuf_adds(&yaml, "}\n    trigger: {probe: {" PROBE "}}\n" PLAYBOOK "    alerts:\n");
        for (int i = 0; i < n_sources; i++)
            strbuf_addf(&yaml, "      - {source: m%d, match: {alertname: x}, site: active}\n", i);
        if (n_sources == 6)
            config_free(load(strbuf_text(&yaml), ""));
        else
            expect_errors(strbuf_text(&yaml),
                          "t:17:7: there are 144 pairs of a site and somebody who can speak of it: a source of "
                          "\"alerts\", the operators, the probe; 128 is the most, so name fewer sources\n");
    }
}

/* ---- what is doubted --------------------------------------------------------------------------------------------- */

#define NEVER(place, site, votes, probe, possible)                                                                     \
    place ": warning: site \"" site "\" can never be found down: \"votes\" is " votes                                  \
          ", but the sources named for it in \"alerts\"" probe " have " possible                                       \
          " together; name more of them there, or ask for fewer votes\n"

static const struct said doubted[] = {
    /* nobody said that it moves by itself */
    {HEAD SERVICE, ""},
    {HEAD SERVICE "    trigger: {mode: manual, votes: 2}\n", ""},
    {HEAD SERVICE "    trigger: {mode: shadow}\n",
     NEVER("t:7:14", "a", "1", "", "0") NEVER("t:7:14", "b", "1", "", "0")},
    /* weights count, and so does the probe */
    {HEAD SOURCE ", weight: 2}}\n" SERVICE ALERTS "    trigger: {votes: 2}\n", ""},
    {HEAD SOURCE ", weight: 2}}\n" SERVICE ALERTS "    trigger: {votes: 3, probe: {" PROBE "}}\n", ""},
    {HEAD SOURCE ", weight: 2}}\n" SERVICE ALERTS "    trigger: {votes: 4, probe: {" PROBE "}}\n",
     NEVER("t:9:22", "a", "4", " and the probe", "3") NEVER("t:9:22", "b", "4", " and the probe", "3")},
    {HEAD SERVICE "    trigger: {probe: {" PROBE "}, trusted_votes: 1}\n", ""},
    {HEAD SERVICE "    trigger: {votes: 2, probe: {" PROBE "}, trusted_votes: 2}\n",
     NEVER("t:7:22", "a", "2", " and the probe", "1")
         NEVER("t:7:22", "b", "2", " and the probe", "1") "t:7:104: warning: site \"a\" can never be found down: "
                                                          "\"trusted_votes\" is 2, but those of the sources named for "
                                                          "it in \"alerts\" whose trust is secret or signed and the "
                                                          "probe have 1 together; give a source a credential "
                                                          "that no URL holds, or ask for fewer\n"
                                                          "t:7:104: warning: site \"b\" can never be found down: "
                                                          "\"trusted_votes\" is 2, but those of the sources named for "
                                                          "it in \"alerts\" whose trust is secret or signed and the "
                                                          "probe have 1 together; give a source a credential "
                                                          "that no URL holds, or ask for fewer\n"},
    /* votes that grow old */
    {HEAD SOURCE ", vote_expires: 0s}}\n" SERVICE ALERTS,
     "t:3:76: warning: \"vote_expires\" is 0s: a vote whose alert is never resolved counts for ever; give it a time\n"},
    {HEAD SOURCE ", vote_expires: 30s}}\n" SERVICE ALERTS, ""},
    {HEAD SOURCE ", vote_expires: 29s}}\n" SERVICE ALERTS,
     "t:6:5: warning: a vote of source \"am\" grows old after 29s, before \"hold\", 30s, is over: it holds only if the "
     "monitor says it again more often than that; make its \"vote_expires\" longer\n"},
    {HEAD "sources: {am: {kind: uptimerobot, bearer: '${env:T_TOKEN}', vote_expires: 1m}}\n" SERVICE
          "    alerts: [{source: am, match: {monitor_id: x}, site: active}]\n    trigger: {hold: 2m}\n",
     "t:9:21: warning: a vote of source \"am\" grows old after 1m, before \"hold\", 2m, is over: it can never hold; "
     "make "
     "its \"vote_expires\" longer\n"},
    /* what a silent source means */
    {HEAD SOURCE ", stale_after: 5m}}\n" SERVICE ALERTS, ""},
    {HEAD "sources: {am: {kind: uptimerobot, bearer: '${env:T_TOKEN}', stale_after: 5m}}\n" SERVICE
          "    alerts: [{source: am, match: {monitor_id: x}, site: active}]\n",
     "t:3:74: warning: a source of kind uptimerobot speaks when something changes: with \"stale_after\" it counts for "
     "nothing after a quiet time; give it a \"heartbeat\", or remove this\n"},
    {HEAD "sources: {am: {kind: uptimerobot, bearer: '${env:T_TOKEN}', stale_after: 5m, vote_expires: 5m, heartbeat: "
          "{match: {monitor_id: y}}}}\n" SERVICE "    alerts: [{source: am, match: {monitor_id: x}, site: active}]\n",
     ""},
    {HEAD "sources: {am: {kind: uptimerobot, bearer: '${env:T_TOKEN}', heartbeat: {match: {monitor_id: y}}}}\n" SERVICE
          "    alerts: [{source: am, match: {monitor_id: x}, site: active}]\n",
     "t:3:72: warning: a source of kind uptimerobot speaks when something changes: its heartbeat stays fresh for 24h "
     "after it was last heard; say with \"vote_expires\" how often it comes\n"},
    /* keys that nothing uses */
    {HEAD SERVICE "    trigger: {mode: manual, approval: {then: approve}}\n",
     "t:7:39: warning: nothing waits for an approval: neither the trigger nor \"failback\" has mode approval; say so "
     "there, or remove this\n"},
    {HEAD SERVICE "    trigger: {mode: manual, approval: {then: approve}, probe: {" PROBE
                  "}}\n    failback: {mode: approval}\n",
     ""},
    {HEAD SERVICE "    trigger: {mode: manual, hold: 10m, flap: {changes: 2}}\n",
     "t:7:46: warning: \"limit\" is not longer than \"hold\": flapping never makes it longer; raise it\n"},
    {HEAD SERVICE "    trigger: {mode: manual, hold: 10m, flap: {changes: 0}}\n", ""},
    {HEAD SERVICE "    failback: {after: 1h}\n", "t:7:23: warning: nothing waits for \"after\": with mode manual "
                                                 "people lead back; choose another, or remove this\n"},
    {HEAD "services:\n  s:\n" SITES "    playbook: [{" STEP ", when: outage}]\n",
     "t:6:15: warning: no step is left for runs of the kind planned: each has a \"when\" without it, and such a run "
     "does "
     "nothing\n"
     "t:6:15: warning: no step is left for runs of the kind failback: each has a \"when\" without it, and such a run "
     "does "
     "nothing\n"},
    /* times and places */
    {HEAD "freeze: {from: '2020-01-01T00:00:00Z', until: '2020-01-02T00:00:00Z'}\n" SERVICE,
     "t:3:9: warning: this freeze is over since 2020-01-02T00:00:00Z: it holds nothing back any more; remove it, or "
     "mend "
     "its times\n"},
    {HEAD "freeze: {from: '2020-01-01T00:00:00Z', until: '2999-01-02T00:00:00Z'}\n" SERVICE, ""},
    {HEAD "server: {site: c}\n" SERVICE, ""},
    {HEAD "server: {site: b}\n" SERVICE OTHER("t", "s"),
     "t:3:16: warning: the daemon runs at \"b\", where service \"s\" (and 1 service more) is or may be: when that site "
     "fails, the daemon fails with it; run it at another place\n"},
    {HEAD SERVICE "    after: [t]\n  t:\n    sites: {c: {ip: 192.0.2.3}, d: {ip: 192.0.2.4}}\n" PLAYBOOK,
     "t:7:13: warning: \"t\" has no site in common with \"s\", so it is never waited for; remove it, or mend the "
     "sites\n"},
    {HEAD SERVICE "    trigger: {mode: approval, probe: {" PROBE "}}\n    after: [t]\n" OTHER("t", ""),
     "t:8:13: warning: service \"s\" waits for \"t\", which nothing but people moves (its mode is shadow): so it waits "
     "for people as well while both are at one site; let both move by themselves, or remove this\n"},
    {HEAD "server: {self_check: {urls: ['https://a', 'https://b'], need: 1}}\n" SERVICE,
     "t:3:29: warning: with fewer than three \"urls\" it cannot be told whether they fail or we do; name three who "
     "have "
     "nothing in common\n"},
    {HEAD "server: {heartbeat: {url: 'https://hc.example/x'}}\n" SERVICE,
     "t:3:27: warning: \"url\" is written out in this file; \"${env:NAME}\" or \"${file:PATH}\" keeps it elsewhere\n"},
};

static void test_doubted(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(doubted); i++)
        config_free(load(doubted[i].yaml, doubted[i].text));
}

/* ---- what is said besides ---------------------------------------------------------------------------------------- */

static void expect_notes(const char *yaml, const char *expected)
{
    CLEANUP(config_cleanup) struct config *config = load(yaml, "");
    AUTO_FREE char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    config_print_notes(out, config);
    fclose(out);
    assert_string_equal(text, expected);
}

#define NO_SELF_CHECK                                                                                                  \
    "t: note: \"server\" has no \"self_check\": when the daemon itself is cut off, it takes that for an outage of "    \
    "everything else\n"
#define NO_HEARTBEAT "t: note: \"server\" has no \"heartbeat\": nobody is called when the daemon falls silent\n"
#define SHADOW                                                                                                         \
    " in shadow mode: nothing is started, what would have been is on record; \"mode\" of the trigger makes it act\n"
#define MANUAL "    trigger: {mode: manual}\n"

static void test_notes(void **state)
{
    (void)state;
    expect_notes(HEAD SERVICE MANUAL, NO_SELF_CHECK NO_HEARTBEAT);
    expect_notes(HEAD SERVICE, "t: note: service s is" SHADOW NO_SELF_CHECK NO_HEARTBEAT);
    expect_notes(HEAD "server: {heartbeat: {url: '${env:T_URL}'}, self_check: {urls: ['https://a', 'https://b', "
                      "'https://c']}}\n" SERVICE OTHER("t", "s") MANUAL OTHER("u", "") OTHER("v", "") OTHER("w", "")
                          OTHER("x", "") OTHER("y", "") OTHER("z", ""),
                 "t: note: services s, u, v, w, x and 2 more are" SHADOW);
    expect_notes("operators: [{name: a, role: viewer, token: '${env:T_OTHER}'}]\n"
                 "providers:\n  li: {kind: linode, token: '${env:T_TOKEN}'}\n"
                 "  le: {kind: linode, token: '${env:T_OTHER}'}\n  lo: {kind: linode, token: '${env:T_TOKEN}'}\n"
                 "  p1: {kind: postgres, user: p, sslmode: disable, password: '${env:T_TOKEN}'}\n"
                 "  p2: {kind: postgres, user: p, sslmode: disable, password: '${env:T_TOKEN}'}\n" SERVICE MANUAL,
                 "t: note: providers li and lo have the same credentials: each counts requests and waits its turn as "
                 "if it were alone; let the steps use one of them\n" NO_SELF_CHECK NO_HEARTBEAT);
}

/* On a computer where the secrets are not, the URL of the heartbeat is not asked to be one. */
static void test_stand_ins(void **state)
{
    (void)state;
    char path[] = "/tmp/turnout-test-XXXXXX";
    static const char yaml[] = HEAD "server: {heartbeat: {url: '${env:T_NONE}'}}\n" SERVICE;
    int fd = mkstemp(path);
    assert_int_equal(write(fd, yaml, strlen(yaml)), (ssize_t)strlen(yaml));
    close(fd);
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT;
    CLEANUP(config_cleanup) struct config *config = NULL;
    assert_int_equal(config_load_for_trial(path, &config, &errors, &warnings), ERR_OK);
    assert_string_equal(strbuf_text(&errors), "");
    unlink(path);
}

static char *printed(bool (*print)(FILE *out, const char *name), const char *name)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_true(print(out, name));
    fclose(out);
    return text;
}

static void test_help(void **state)
{
    (void)state;
    AUTO_FREE char *source = printed(config_print_sources, "alertmanager");
    assert_non_null(strstr(source, "repeat_interval")); /* which has to be shorter than vote_expires */
    assert_non_null(strstr(source, "stale_after"));
    assert_non_null(strstr(source, "weight"));
    assert_non_null(strstr(source, "{alertname: Watchdog}"));
    AUTO_FREE char *check = printed(config_print_actions, "http.check");
    assert_non_null(strstr(check, "As the probe of a trigger"));
    assert_non_null(strstr(check, "outage, planned, failback, or a list of them"));
    AUTO_FREE char *change = printed(config_print_actions, "linode.dns_record");
    assert_null(strstr(change, "As the probe of a trigger"));
    assert_non_null(strstr(change, "max_parallel"));
}

static int set_up(void **state)
{
    (void)state;
    setenv("T_TOKEN", "0123456789abcdef-token", 1);
    setenv("T_OTHER", "0123456789abcdef-other", 1);
    setenv("T_URL", "https://hc.example/0123456789", 1);
    unsetenv("T_NONE");
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),          cmocka_unit_test(test_wrong_server),
        cmocka_unit_test(test_wrong_guards),   cmocka_unit_test(test_wrong_sources),
        cmocka_unit_test(test_wrong_triggers), cmocka_unit_test(test_wrong_failbacks),
        cmocka_unit_test(test_wrong_steps),    cmocka_unit_test(test_wrong_orders),
        cmocka_unit_test(test_a_long_chain),   cmocka_unit_test(test_too_many_pairs),
        cmocka_unit_test(test_doubted),        cmocka_unit_test(test_notes),
        cmocka_unit_test(test_stand_ins),      cmocka_unit_test(test_help),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

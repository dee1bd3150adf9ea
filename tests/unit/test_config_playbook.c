/* What a playbook says about going wrong and being rehearsed: groups, what a failure does, fences, stand-ins,
 * objective, readiness, drills, and what the daemon keeps for bad days. Word for word, with places. */
#include "test.h"

#include "base/cleanup.h"
#include "config/reading.h"

#include <stdlib.h>

#define MINUTE ((int64_t)60 * 1000)
#define DAY (24 * 60 * MINUTE)

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
    if (strcmp(strbuf_text(&doubts), warnings) != 0)
        fail_msg("gives\n%sand not\n%s", strbuf_text(&doubts), warnings);
    return config;
}

static void expect_errors(const char *yaml, const char *expected)
{
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf doubts = STRBUF_INIT;
    struct config *config = NULL;
    enum err err = config_load_bytes("t", yaml, strlen(yaml), true, &config, &errors, &doubts);
    if (err != ERR_INVALID || config || strcmp(strbuf_text(&errors), expected) != 0)
        fail_msg("gives\n%sand not\n%s", strbuf_text(&errors), expected);
}

#define OUTSIDE                                                                                                        \
    "operators: [{name: a, role: viewer, token: '${env:T_TOKEN}'}]\n"                                                  \
    "providers: {li: {kind: linode, token: '${env:T_TOKEN}'}}\n"
#define SERVICE                                                                                                        \
    OUTSIDE "services:\n"                                                                                              \
            "  s:\n"                                                                                                   \
            "    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n"                                                    \
            "    trigger: {mode: manual}\n"
#define PLAYBOOK SERVICE "    playbook:\n" /* its first step is in line 8 */
/* A step that ends with `more`. */
#define RECORD(name, more)                                                                                             \
    "{action: linode.dns_record, provider: li, domain: example.com, record: " name                                     \
    ", type: A, target: '${to.ip}'" more "}"
#define CHECK(more) "{action: tcp.check, address: '${to.ip}', port: 80" more "}"

/* ---- right ones -------------------------------------------------------------------------------------------------- */

static const char whole[] =
    "server: {export: break-glass, ballast: 4MiB}\n" OUTSIDE "services:\n"
    "  s:\n"
    "    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n"
    "    trigger: {mode: manual}\n"
    "    playbook:\n"
    "      - &check {action: tcp.check, address: '${to.ip}', port: 80}\n"
    "      - parallel:\n"
    "        - &record {action: linode.dns_record, provider: li, domain: example.com, record: app, type: A,\n"
    "                   target: '${to.ip}', drill: {record: drill-app, ttl: 40}}\n"
    "        - {action: linode.dns_record, provider: li, domain: example.com, record: www, type: A,\n"
    "           target: '${to.ip}', on_failure: undo, backoff: 2s}\n"
    "      - parallel: [*check, {<<: *check, drill: {port: 81}}]\n"
    "      - {<<: *record, record: old, on_failure: owe, when: planned, drill: {record: 'drill-${from.name}'}}\n"
    "    objective:\n"
    "      rto: 5m\n"
    "      measures: [{<<: *check, name: users}, {<<: *check, deadline: 1h}]\n"
    "    readiness: {every: 1m}\n"
    "    drill: {every: 7d}\n";

static void test_whole(void **state)
{
    (void)state;
    CLEANUP(config_cleanup)
    struct config *config =
        load("etc/t", whole,
             "etc/t:16:48: warning: step \"linode.dns_record\" is owed when it fails, and the run goes on and succeeds "
             "without it: that is for what is done at the site that is left, and none of its arguments is of it "
             "(${from...}); choose attention if it is not\n");
    assert_string_equal(config->export, "etc/break-glass");
    assert_int_equal(config->ballast_bytes, 4 << 20);
    const struct service *s = &config->model.services[0];
    assert_int_equal(s->n_steps, 6);
    const int groups[] = {0, 1, 1, 2, 2, 0};
    for (int i = 0; i < 6; i++)
        assert_int_equal(s->steps[i].group, groups[i]);
    assert_int_equal(json_object_size(s->steps[1].drill), 2); /* no defaults, only what is given */
    assert_string_equal(json_string_value(json_object_get(s->steps[1].drill, "record")), "drill-app");
    assert_int_equal(json_integer_value(json_object_get(s->steps[1].drill, "ttl")), 40);
    assert_string_equal(json_string_value(json_object_get(s->steps[1].args, "record")), "app");
    assert_null(s->steps[2].drill);
    assert_int_equal(s->steps[2].on_failure, ON_FAILURE_UNDO);
    assert_int_equal(s->steps[2].backoff_ms, 2000);
    assert_int_equal(s->steps[0].backoff_ms, 500);
    assert_int_equal(json_integer_value(json_object_get(s->steps[4].drill, "port")), 81);
    assert_int_equal(s->steps[5].on_failure, ON_FAILURE_OWE);
    assert_string_equal(json_string_value(json_object_get(s->steps[5].drill, "record")), "drill-${from.name}");
    assert_int_equal(s->objective.rto_ms, 5 * MINUTE);
    assert_int_equal(s->objective.n_measures, 2);
    assert_string_equal(s->objective.measures[0].name, "users");
    assert_int_equal(s->objective.measures[0].retries, -1);
    assert_int_equal(s->objective.measures[1].deadline_ms, 60 * MINUTE);
    assert_int_equal(s->ready_every_ms, MINUTE);
    assert_int_equal(s->drill.kind, DRILL_CANARY);
    assert_int_equal(s->drill.every_ms, 7 * DAY);
}

static void test_defaults(void **state)
{
    (void)state;
    CLEANUP(config_cleanup) struct config *config = load("t", PLAYBOOK "      - " RECORD("app", "") "\n", "");
    assert_null(config->export);
    assert_int_equal(config->ballast_bytes, 16 << 20);
    const struct service *s = &config->model.services[0];
    assert_int_equal(s->objective.rto_ms, 0);
    assert_int_equal(s->objective.n_measures, 0);
    assert_int_equal(s->ready_every_ms, 5 * MINUTE);
    assert_int_equal(s->drill.kind, DRILL_PLAN);
    assert_int_equal(s->drill.every_ms, 0);
    config_free(config);
    config = load("t",
                  "server: {ballast: 0}\n" PLAYBOOK
                  "      - " RECORD("app", "") "\n"
                                               "    readiness: {every: never}\n"
                                               "    drill: {every: 0s, kind: plan}\n"
                                               "    objective: {measures: " CHECK("") "}\n",
                  "");
    assert_int_equal(config->ballast_bytes, 0);
    assert_int_equal(config->model.services[0].ready_every_ms, 0);
    assert_int_equal(config->model.services[0].drill.every_ms, 0);
    assert_int_equal(config->model.services[0].objective.n_measures, 1);
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static void test_groups(void **state)
{
    (void)state;
    expect_errors(PLAYBOOK "      - parallel: [" CHECK("") "]\n",
                  "t:8:19: \"parallel\" cannot hold 1 step; it needs 2 to 16\n");
    expect_errors(PLAYBOOK "      - parallel: []\n", "t:8:19: \"parallel\" cannot hold 0 steps; it needs 2 to 16\n");
    expect_errors(PLAYBOOK "      - parallel:\n",
                  "t:8:18: an element of \"parallel\" cannot be nothing; it must be a list\n");
    expect_errors(PLAYBOOK "      - parallel: [" CHECK("") ", {parallel: [" CHECK("") ", " CHECK("") "]}]\n",
                  "t:8:72: \"parallel\" cannot stand in \"parallel\"; its steps go together with the others, so write "
                  "them there\n");
    expect_errors(
        PLAYBOOK "      - {when: outage, parallel: [" CHECK("") ", " CHECK("") "]}\n",
        "t:8:10: \"when\" cannot stand beside \"parallel\", which is a group of steps; write it in each of its "
        "steps\n");
    expect_errors(PLAYBOOK "      - parallel: [" RECORD("app", ", point_of_no_return: true") ", " CHECK("") "]\n",
                  "t:8:20: step \"linode.dns_record\" is a point of no return and cannot be part of a group: others "
                  "would be under way at it; write it as a step of its own\n");
    expect_errors(PLAYBOOK "      - parallel: [x, " CHECK("") "]\n",
                  "t:8:20: an element of \"playbook\" cannot be text; it must be a mapping\n");
}

/* Steps are counted, not items. */
static void test_many(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf yaml = STRBUF_INIT;
    strbuf_adds(&yaml, PLAYBOOK);
    for (int i = 0; i < 7; i++) {
        strbuf_adds(&yaml, "      - parallel: [" CHECK(""));
        for (int k = 1; k < (i < 6 ? 16 : 4); k++)
            strbuf_adds(&yaml, ", " CHECK(""));
        strbuf_adds(&yaml, "]\n");
    }
    config_free(load("t", yaml.data, "t:8:7: warning: no step changes anything: the playbook only checks\n"));
    strbuf_adds(&yaml, "      - " CHECK("") "\n");
    expect_errors(yaml.data, "t:8:7: a playbook cannot have 101 steps; it needs 1 to 100\n");
}

/* ---- failures ---------------------------------------------------------------------------------------------------- */

static void test_failures(void **state)
{
    (void)state;
    expect_errors(
        PLAYBOOK "      - " CHECK(", on_failure: owe") "\n",
        "t:8:72: \"on_failure\" cannot be owe: tcp.check only looks, and there is nothing to make good later; "
        "choose continue or attention\n");
    expect_errors(PLAYBOOK "      - " CHECK(", on_failure: undo") "\n      - " RECORD("app", "") "\n",
                  "t:8:72: \"on_failure\" cannot be undo: tcp.check only looks, and no step before it changes what can "
                  "be put back; choose stop\n");
    expect_errors(PLAYBOOK "      - " RECORD("app", ", when: planned") "\n      - " CHECK(
                      ", on_failure: undo, when: [outage, failback]") "\n",
                  "t:9:72: \"on_failure\" cannot be undo: tcp.check only looks, and no step before it changes what can "
                  "be put back; choose stop\n");
    expect_errors(
        PLAYBOOK "      - " RECORD("app", ", point_of_no_return: true, on_failure: owe") "\n",
        "t:8:152: \"on_failure\" cannot be owe: what has no way back cannot be made good when nobody looks any "
        "more; choose attention or stop\n");
    expect_errors(PLAYBOOK "      - " RECORD("app", ", backoff: 2m, deadline: 1m") "\n",
                  "t:8:123: \"backoff\" is longer than \"deadline\"; it must be shorter\n");
    expect_errors(
        PLAYBOOK "      - " RECORD("app", ", on_failure: panic, backoff: 1ms, idempotent: maybe") "\n",
        "t:8:126: \"on_failure\" cannot be \"panic\"; it must be one of attention, stop, continue, undo, owe\n"
        "t:8:142: \"backoff\" cannot be \"1ms\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from "
        "10ms to 1h\n"
        "t:8:159: \"idempotent\" cannot be \"maybe\"; it must be true or false\n");
    /* A check behind a change is a good place to turn back from. */
    config_free(load("t", PLAYBOOK "      - " RECORD("app", "") "\n      - " CHECK(", on_failure: undo") "\n", ""));
    config_free(load(
        "t",
        PLAYBOOK "      - " RECORD(
            "app", ", point_of_no_return: true, idempotent: true") "\n"
                                                                   "      - " RECORD("www", ", on_failure: undo") "\n",
        "t:8:152: warning: \"idempotent\" is for steps that cannot look whether they are done; this one "
        "looks, so remove it\n"
        "t:9:126: warning: \"on_failure\" is undo, but step \"linode.dns_record\" before it is a point of "
        "no return: it will wait for a person; choose attention\n"));
    config_free(
        load("t", PLAYBOOK "      - " RECORD("app", ", point_of_no_return: true, on_failure: undo") "\n",
             "t:8:152: warning: \"on_failure\" is undo, but neither step \"linode.dns_record\" nor one before it "
             "can put back what it changes: it will wait for a person; choose attention or stop\n"));
}

/* ---- two writers ------------------------------------------------------------------------------------------------- */

/* An automatic service whose playbook is `steps` and then a promotion; the steps begin in line 9. */
#define PROMOTING(mode, steps)                                                                                         \
    "operators: [{name: a, role: viewer, token: '${env:T_TOKEN}'}]\n"                                                  \
    "providers: {li: {kind: linode, token: '${env:T_TOKEN}'}, pg: {kind: postgres, user: turnout, sslmode: "           \
    "require}}\n"                                                                                                      \
    "sources: {am: {kind: alertmanager, bearer: '${env:T_TOKEN}'}}\n"                                                  \
    "services:\n  s:\n    sites: {a: {ip: 192.0.2.1}, b: {ip: 192.0.2.2}}\n"                                           \
    "    alerts: [{source: am, match: {alertname: X}, site: active}]\n"                                                \
    "    trigger: {mode: " mode "}\n    playbook:\n" steps                                                             \
    "      - {name: promote, action: postgres.promote, provider: pg, host: '${to.ip}'}\n"
#define FENCE(more) "      - " RECORD("old", ", fence: true" more) "\n"

static void test_two_writers(void **state)
{
    (void)state;
    static const char none[] =
        "t:10:9: mode automatic is refused: step \"promote\" makes a second writer, and no step "
        "before it keeps the old one from writing; write a step with \"fence: true\" before it, or "
        "choose mode approval\n";
    static const char weak[] = "t:11:9: mode automatic is refused: step \"promote\" makes a second writer, and step "
                               "\"linode.dns_record\", the fence before it, may be passed without having worked; its "
                               "\"on_failure\" must be attention, stop or undo, and its \"when\" hold outage\n";
    expect_errors(PROMOTING("automatic", ""), none);
    expect_errors(PROMOTING("automatic", FENCE(", on_failure: continue")), weak);
    expect_errors(PROMOTING("automatic", FENCE(", when: planned")), weak);
    CLEANUP(config_cleanup) struct config *config = load("t", PROMOTING("automatic", FENCE("")), "");
    assert_true(config->model.services[0].steps[0].is_fence);
    assert_true(config->model.services[0].steps[1].is_promotion);
    assert_true(config->model.services[0].steps[1].is_point_of_no_return); /* said or not */
    config_free(config);
    config = load("t", PROMOTING("approval", ""), ""); /* a person looks first */
    config_free(config);
    config = NULL;
    expect_errors(
        PROMOTING("manual", "") "      - {action: postgres.promote, provider: pg, host: '${to.ip}', "
                                "point_of_no_return: false, on_failure: owe}\n",
        "t:11:88: \"point_of_no_return\" cannot be false: there is no way back behind postgres.promote; remove "
        "it\nt:11:107: \"on_failure\" cannot be owe: what has no way back cannot be made good when nobody looks "
        "any more; choose attention or stop\n");
}

/* ---- stand-ins --------------------------------------------------------------------------------------------------- */

static void test_stand_ins(void **state)
{
    (void)state;
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {recrd: x}") "\n",
                  "t:8:122: unknown key \"recrd\"; did you mean \"record\"?\n");
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {record: x, provider: li, timeout: 1s}") "\n",
                  "t:8:133: unknown key \"provider\"; it can be domain, record, type, target or ttl\n"
                  "t:8:147: unknown key \"timeout\"; it can be domain, record, type, target or ttl\n");
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: x") "\n",
                  "t:8:121: \"drill\" cannot be text; it must be a mapping\n");
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {record: x, ttl: 5, target: ''}") "\n",
                  "t:8:138: \"ttl\" cannot be \"5\"; it must be a whole number from 30 to 2419200\n"
                  "t:8:149: \"target\" cannot be \"\"; it must be text of 1 to 255 bytes\n");
    /* The stand-in would be the real record, whatever else is written there. */
    static const char real[] =
        "t:8:121: moving to a (as with every move): a drill would work on the very thing that the step is there for; "
        "give \"domain\" or \"record\" of something that stands in for it\n";
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {}") "\n", real);
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {ttl: 40}") "\n", real);
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {record: APP, type: A}") "\n", real);
    expect_errors(PLAYBOOK "      - " RECORD("app-b", ", drill: {record: 'app-${to.name}'}") "\n",
                  "t:8:123: moving to b: a drill would work on the very thing that the step is there for; give "
                  "\"domain\" or \"record\" of something that stands in for it\n");
    expect_errors(PLAYBOOK "      - " CHECK(", drill: {port: 80}") "\n",
                  "t:8:67: moving to a (as with every move): a drill would do just what the step does; give other "
                  "values, of something that stands in for it, or remove \"drill\"\n");
    /* Templates are tried for each move, and the arguments as a whole. */
    expect_errors(
        PLAYBOOK "      - " RECORD("app", ", drill: {record: x, target: '${to.pi}'}") "\n",
        "t:8:141: moving to a (as with every move): target: ${to.pi} is not known; the nearest that is: ${to.ip}\n");
    expect_errors(PLAYBOOK "      - " RECORD("app", ", drill: {record: x, type: AAAA}") "\n",
                  "t:8:121: moving to a (as with every move): target \"192.0.2.1\" is not an IPv6 address, which a "
                  "record of type AAAA holds\n");
}

/* ---- objective, readiness, drills -------------------------------------------------------------------------------- */

#define SMALL PLAYBOOK "      - " RECORD("app", "") "\n" /* 8 lines */

static void test_rehearsal(void **state)
{
    (void)state;
    expect_errors(SMALL "    objective: {rto: 0s, rpo: 1m}\n",
                  "t:9:22: \"rto\" cannot be \"0s\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 1s to "
                  "7d\n"
                  "t:9:26: unknown key \"rpo\"; did you mean \"rto\"?\n");
    expect_errors(SMALL "    objective: 5m\n", "t:9:16: \"objective\" cannot be text; it must be a mapping\n");
    expect_errors(SMALL "    objective: {measures: [" RECORD("app", "") "]}\n",
                  "t:9:37: \"measures\" only look, and linode.dns_record changes things; name a check\n");
    expect_errors(SMALL "    objective: {measures: [" CHECK(", retries: 2, on_failure: stop") ", x]}\n",
                  "t:9:88: \"retries\" is for the steps of the playbook; a measure is asked until its \"deadline\" and "
                  "timed, so remove it\n"
                  "t:9:103: \"on_failure\" is for the steps of the playbook; a measure is asked until its \"deadline\" "
                  "and timed, so remove it\n"
                  "t:9:110: an element of \"measures\" cannot be text; it must be a mapping\n");
    expect_errors(
        SMALL "    readiness: {every: 500ms}\n",
        "t:9:24: \"every\" cannot be \"500ms\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 1s "
        "to 7d, or never\n");
    expect_errors(SMALL "    readiness: never\n", "t:9:16: \"readiness\" cannot be text; it must be a mapping\n");
    expect_errors(
        SMALL "    drill: {every: 1s, kind: real}\n",
        "t:9:20: \"every\" cannot be \"1s\"; it must be a duration such as 500ms, 30s, 5m, 2h or 7d from 1m to "
        "366d, or never\n"
        "t:9:30: \"kind\" cannot be \"real\"; it must be one of canary, plan\n");
    expect_errors(SMALL "    drill: {kind: canary}\n",
                  "t:9:19: \"kind\" cannot be canary: no step that changes something has a \"drill\", which names what "
                  "stands in for the real thing; write one, as drill: {record: drill-app}, or choose plan\n");
    expect_errors(
        "server: {ballast: 16MB, export: ''}\n" SMALL,
        "t:1:19: \"ballast\" cannot be \"16MB\"; it must be a size such as 512KiB, 16MiB or 1GiB from 4MiB to "
        "1GiB, or 0 for none\n"
        "t:1:33: \"export\" cannot be \"\"; it must be a path\n");
    expect_errors(
        "server: {ballast: 3MiB}\n" SMALL,
        "t:1:19: \"ballast\" cannot be \"3MiB\"; it must be a size such as 512KiB, 16MiB or 1GiB from 4MiB to "
        "1GiB, or 0 for none\n");
    expect_errors("server: {ballast: 99999999999GiB}\n" SMALL,
                  "t:1:19: \"ballast\" cannot be \"99999999999GiB\"; it must be a size such as 512KiB, 16MiB or 1GiB "
                  "from 4MiB to 1GiB, or 0 for none\n");
}

static int set_up(void **state)
{
    (void)state;
    setenv("T_TOKEN", "0123456789abcdef-token", 1);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),     cmocka_unit_test(test_defaults),  cmocka_unit_test(test_groups),
        cmocka_unit_test(test_many),      cmocka_unit_test(test_failures),  cmocka_unit_test(test_two_writers),
        cmocka_unit_test(test_stand_ins), cmocka_unit_test(test_rehearsal),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}

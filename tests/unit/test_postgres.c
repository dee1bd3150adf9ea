/* postgres.promote against real servers, and what it judges without any. */
#include "action_rig.h"

#include "actions/postgres_lag.h"
#include "clock_shift.h"
#include "core/export.h"

#include <pthread.h>

/* ---- positions and sizes ----------------------------------------------------------------------------------------- */

static void test_lsn(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t lsn;
    } good[] = {{"0/0", 0},
                {"0/3000000", 0x3000000},
                {"16/B374D848", UINT64_C(0x16B374D848)},
                {"ffffffff/FFFFFFFF", UINT64_MAX}};
    static const char *const bad[] = {"", "/", "0", "0/", "/0", "g/0", "0/123456789", "-1/0", "0/0 ", "0/0/0", "0x1/0"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        uint64_t lsn = 1;
        assert_int_equal(lsn_parse(good[i].text, &lsn), ERR_OK);
        assert_true(lsn == good[i].lsn);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint64_t lsn = 77;
        assert_int_equal(lsn_parse(bad[i], &lsn), ERR_INVALID);
        assert_true(lsn == 77);
    }
}

static void test_words(void **state)
{
    (void)state;
    char text[SIZE_TEXT_SIZE];
    assert_string_equal(size_format(0, text), "0 bytes");
    assert_string_equal(size_format(1023, text), "1023 bytes");
    assert_string_equal(size_format(1024, text), "1 KiB");
    assert_string_equal(size_format(1536 * 1024, text), "1.5 MiB");
    assert_string_equal(size_format(UINT64_C(16) << 20, text), "16 MiB");
    assert_true(strlen(size_format(UINT64_MAX, text)) < SIZE_TEXT_SIZE - 1);
    assert_string_equal(age_format(-5, text), "0 s");
    assert_string_equal(age_format(119999, text), "119 s");
    assert_string_equal(age_format(120000, text), "2 min");
    assert_string_equal(age_format(INT64_C(3) * 3600 * 1000, text), "3 h");
    assert_string_equal(age_format(INT64_C(50) * 3600 * 1000, text), "2 days");
}

/* ---- sightings --------------------------------------------------------------------------------------------------- */

static void test_sightings(void **state)
{
    (void)state;
    struct sightings *sightings = sightings_new();
    struct sighting seen;
    assert_false(sighting_find(sightings, "a b", &seen));
    sighting_keep(sightings, "a b", (struct sighting){.lsn = 500, .at = 10});
    sighting_keep(sightings, "a b", (struct sighting){.lsn = 900, .at = 9}); /* older: not taken */
    assert_true(sighting_find(sightings, "a b", &seen));
    assert_int_equal(seen.lsn, 500);
    sighting_keep(sightings, "a b", (struct sighting){.lsn = 400, .at = 11}); /* newer: taken, though smaller */
    assert_true(sighting_find(sightings, "a b", &seen));
    assert_int_equal(seen.lsn, 400);
    for (int i = 0; i < 2 * MAX_SIGHTINGS; i++) {
        char pair[32];
        snprintf(pair, sizeof(pair), "pair %d", i);
        sighting_keep(sightings, pair, (struct sighting){.lsn = 1, .at = 100 + i});
    }
    assert_false(sighting_find(sightings, "a b", &seen)); /* longest not seen */
    assert_true(sighting_find(sightings, "pair 127", &seen));
    assert_true(sighting_find(sightings, "pair 64", &seen));
    assert_false(sighting_find(sightings, "pair 63", &seen));
    sightings_free(sightings);
}

/* ---- the judgement ----------------------------------------------------------------------------------------------- */

static void test_judgement(void **state)
{
    (void)state;
    static const struct sighting seen = {.lsn = 1000, .at = 1};
    static const struct {
        struct replica replica;
        uint64_t max_bytes;
        int64_t max_ms;
        enum lag_verdict verdict;
        uint64_t bytes, missing;
        int64_t ms;
    } cases[] = {
        /* right behind it, or further than what was seen */
        {{1000, 1000, false, false, 5000}, 0, 1000, LAG_WITHIN, 0, 0, 0},
        {{2000, 1500, false, false, 5000}, 0, 1000, LAG_WITHIN, 0, 0, 0},
        /* all received; replay will do it, unless somebody has stopped it */
        {{1000, 100, false, false, 10}, 50, 0, LAG_CLOSING, 900, 0, 10},
        {{1000, 100, true, false, 10}, 50, 0, LAG_BEYOND, 900, 0, 10},
        {{970, 100, false, false, 10}, 50, 0, LAG_CLOSING, 900, 30, 10},
        {{970, 970, false, false, 10}, 50, 0, LAG_WITHIN, 30, 30, 10},
        /* never received, and nobody sends it */
        {{900, 900, false, false, 10}, 50, 0, LAG_BEYOND, 100, 100, 10},
        {{900, 900, false, true, 10}, 50, 0, LAG_CLOSING, 100, 100, 10},
        {{900, 900, true, true, 10}, 50, 0, LAG_BEYOND, 100, 100, 10},
        /* what it has replayed counts where it has received nothing since its start */
        {{0, 990, false, false, 10}, 50, 0, LAG_WITHIN, 10, 10, 10},
        /* time */
        {{990, 990, false, false, 2000}, 50, 1000, LAG_BEYOND, 10, 10, 2000},
        {{990, 990, false, false, 500}, 50, 1000, LAG_WITHIN, 10, 10, 500},
        {{990, 990, false, false, -1}, 50, 1000, LAG_BEYOND, 10, 10, -1},
        {{1000, 990, false, false, 2000}, 50, 1000, LAG_CLOSING, 10, 0, 2000},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct lag lag = lag_judge(&cases[i].replica, &seen, cases[i].max_bytes, cases[i].max_ms);
        if (lag.verdict != cases[i].verdict)
            print_error("case %zu: %d\n", i, (int)lag.verdict);
        assert_int_equal(lag.verdict, cases[i].verdict);
        assert_int_equal(lag.bytes, cases[i].bytes);
        assert_int_equal(lag.missing, cases[i].missing);
        assert_int_equal(lag.ms, cases[i].ms);
    }
    assert_int_equal(lag_judge(&cases[0].replica, NULL, 1, 1).verdict, LAG_UNKNOWN);
}

static void test_args(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        bool is_good;
    } cases[] = {{"{\"host\": \"192.0.2.1\", \"port\": 5432}", true},
                 {"{\"host\": \"2001:db8::1\", \"port\": 5432}", true},
                 {"{\"host\": \"/run/postgresql\", \"port\": 5432}", true},
                 {"{\"host\": \"/run/a,/run/b\", \"port\": 5432}", false},
                 {"{\"host\": \"192.0.2.1,192.0.2.2\", \"port\": 5432}", false},
                 {"{\"host\": \"db.example.com\", \"port\": 5432}", false},
                 {"{\"host\": \"192.0.2.1\", \"port\": 5432, \"primary\": \"db.example.com\"}", false},
                 {"{\"host\": \"192.0.2.1\", \"port\": 1, \"primary\": \"192.0.2.1\", \"primary_port\": 2}", true},
                 {"{\"host\": \"192.0.2.1\", \"port\": 1, \"primary\": \"192.0.2.1\", \"primary_port\": 1}", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct errmsg why = {""};
        json_t *args = json_loads(cases[i].args, 0, NULL);
        enum err err = action_find("postgres.promote")->check_args(args, &why);
        assert_int_equal(err, cases[i].is_good ? ERR_OK : ERR_INVALID);
        assert_true(cases[i].is_good || why.text[0]);
        json_decref(args);
    }
}

static void test_provider(void **state)
{
    (void)state;
    struct errmsg why = {""};
    struct provider provider = {.kind = provider_kind_find("postgres")};
    provider.args = json_pack("{s:s, s:s}", "user", "postgres", "sslmode", "verify-full");
    assert_int_equal(provider.kind->open(&provider, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "sslrootcert"));
    json_object_set_new(provider.args, "sslmode", json_string("require"));
    setenv("PGHOSTADDR", "192.0.2.66", 1);
    assert_int_equal(provider.kind->open(&provider, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "PGHOSTADDR"));
    unsetenv("PGHOSTADDR");
    assert_int_equal(provider.kind->open(&provider, &why), ERR_OK);
    provider.kind->close(&provider);
    json_decref(provider.args);
}

/* ---- real servers ------------------------------------------------------------------------------------------------ */

struct pair {
    char folder[64];
    int port;
};

#define SCRIPT "/usr/bin/python3 tests/sandbox/postgres.py"

static void pair_do(const struct pair *pair, const char *command, const char *rest)
{
    char line[512];
    snprintf(line, sizeof(line), SCRIPT " %s %s %s >/dev/null", command, pair->folder, rest);
    assert_int_equal(system(line), 0);
}

static void pair_start(struct pair *pair)
{
    char line[256];
    snprintf(pair->folder, sizeof(pair->folder), "/tmp/turnout-test-XXXXXX");
    assert_non_null(mkdtemp(pair->folder));
    snprintf(line, sizeof(line), SCRIPT " start %s", pair->folder);
    FILE *out = popen(line, "r");
    assert_int_equal(fscanf(out, "%d", &pair->port), 1);
    assert_int_equal(pclose(out), 0);
}

static void pair_stop(const struct pair *pair)
{
    pair_do(pair, "stop", "");
}

static void rig_as(struct rig *rig, const struct pair *pair, const char *user, const char *password)
{
    char args[256], provider[128], secret[128];
    snprintf(args, sizeof(args),
             "{\"host\": \"127.0.0.2\", \"port\": %d, \"primary\": \"127.0.0.1\", \"primary_port\": %d,"
             " \"max_lag\": 1048576}",
             pair->port, pair->port);
    snprintf(provider, sizeof(provider), "{\"user\": \"%s\", \"dbname\": \"postgres\", \"sslmode\": \"disable\"}",
             user);
    snprintf(secret, sizeof(secret), "password=%s", password);
    const char *secrets[] = {secret, NULL};
    rig_start(rig, "postgres.promote", provider, secrets, args);
    rig->timeout_ms = 20000;
}

static void rig_for(struct rig *rig, const struct pair *pair)
{
    rig_as(rig, pair, "postgres", "a-superuser-s-password");
}

static const char *current(const struct rig *rig, const char *key)
{
    return json_string_value(json_object_get(rig->result.current, key));
}

static json_int_t current_int(const struct rig *rig, const char *key)
{
    return json_integer_value(json_object_get(rig->result.current, key));
}

/* By the whole script; both ways of a plan are written from a look that was right or not. */
static int run_by_hand(struct rig *rig, const char *more)
{
    char path[] = "/tmp/turnout-test-by-hand-XXXXXX", command[200];
    struct strbuf step = STRBUF_INIT, script = STRBUF_INIT;
    struct errmsg why;
    strbuf_adds(&step, "look() {\n");
    rig->action->write_look(&step, rig->args, &rig->provider, rig->observed);
    strbuf_adds(&step, "}\nwrite() {\n");
    rig->action->write_script(&step, rig->args, &rig->provider, rig->observed);
    strbuf_adds(&step, "}\n");
    json_t *plan = json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s}]}", "service", "shop", "from", "gra", "to",
                             "rbx", "direction", "failover", "steps", "name", "promote", "action", rig->action->name,
                             "state", "changes", "script", strbuf_text(&step));
    assert_int_equal(export_script(plan, "2026-11-28T06:00:00Z", &script, &why), ERR_OK);
    assert_null(strstr(strbuf_text(&script), "a-superuser-s-password"));
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, script.data, script.len) == (ssize_t)script.len);
    close(fd);
    snprintf(command, sizeof(command), "shellcheck %s && %s sh %s --yes", path, more, path);
    int status = system(command);
    unlink(path);
    json_decref(plan);
    strbuf_done(&step);
    strbuf_done(&script);
    return WEXITSTATUS(status);
}

/* Seen while the primary lived, promoted when it was dead; what is left behind is a primary that takes a write. */
static void test_promotion(void **state)
{
    (void)state;
    struct pair pair;
    struct rig rig;
    pair_start(&pair);
    rig_for(&rig, &pair);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_string_equal(current(&rig, "role"), "replica");
    assert_string_equal(current(&rig, "receiver"), "streaming");
    assert_int_equal(current_int(&rig, "timeline"), 1);
    assert_int_equal(current_int(&rig, "lag_bytes"), 0);
    assert_text_has(&rig, "0 bytes behind what its primary had 0 s ago");
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);

    pair_do(&pair, "kill", "primary");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, "was promoted");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_true(rig.result.is_right);
    assert_string_equal(current(&rig, "role"), "primary");
    assert_int_equal(current_int(&rig, "timeline"), 2);
    assert_outcome(&rig, rig_settle(&rig, 10000), OUTCOME_OK);
    assert_text_has(&rig, "took a write");

    /* and once more, as after a crash */
    rig_forget(&rig);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    assert_text_has(&rig, "primary already: nothing was sent");
    assert_int_equal(json_array_size(rig.requests), 1);

    /* a primary, but of a cluster that nobody has looked at */
    rig.observed = json_pack("{s:s, s:i}", "system", "1234", "timeline", 1);
    assert_outcome(&rig, rig_call(&rig, rig.action->apply), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "is of another cluster by now");
    rig_stop(&rig);
    pair_stop(&pair);
}

/* The replica has what its primary had, but replays nothing of it; and then nobody knows any more what that was. */
static void test_rpo(void **state)
{
    (void)state;
    struct pair pair;
    struct rig rig;
    pair_start(&pair);
    rig_for(&rig, &pair);
    /* Our wall clock goes wrong and is put right: what was seen under it does not outlive what is seen later. */
    atomic_store(&wall_shift, 3600000);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    atomic_store(&wall_shift, 0);
    pair_do(&pair, "sql", "replica \"SELECT pg_wal_replay_pause()\"");
    pair_do(&pair, "write", "4");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_int_equal(strncmp(rig.result.text.text, "rpo: ", 5), 0);
    assert_text_has(&rig, "replay is paused");
    assert_text_has(&rig, "1 MiB");
    assert_true(current_int(&rig, "lag_bytes") > 4 << 20);
    pair_do(&pair, "kill", "primary");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_int_equal(strncmp(rig.result.text.text, "rpo: ", 5), 0);
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    assert_int_equal(strncmp(rig.result.text.text, "rpo: ", 5), 0);

    struct rig later; /* as after a restart */
    rig_for(&later, &pair);
    assert_outcome(&later, rig_observe(&later), OUTCOME_PERMANENT);
    assert_text_has(&later,
                    "rpo: how far it is behind is not known, since no primary was seen since the daemon started");
    /* An apply without result: refusing now would leave it half way. */
    later.after_unknown_apply = true;
    assert_outcome(&later, rig_observe(&later), OUTCOME_OK);
    later.after_unknown_apply = false;
    rig_stop(&later);

    rig.is_lag_accepted = true;
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_false(rig.result.is_right);
    /* and on the day that Turnout itself is down: not by anybody, not on another cluster, and once */
    assert_int_not_equal(run_by_hand(&rig, "TEST_PASSWORD=wrong"), 0);
    json_t *seen = rig.observed;
    rig.observed = json_pack("{s:s, s:i}", "system", "1234", "timeline", 1);
    assert_int_not_equal(run_by_hand(&rig, "TEST_PASSWORD=a-superuser-s-password"), 0);
    assert_outcome(&rig, rig_call(&rig, rig.action->settled), OUTCOME_NOT_YET);
    json_decref(rig.observed);
    rig.observed = seen;
    for (int i = 0; i < 2; i++)
        assert_int_equal(run_by_hand(&rig, "TEST_PASSWORD=a-superuser-s-password"), 0);
    assert_outcome(&rig, rig_settle(&rig, 10000), OUTCOME_OK);
    rig_stop(&rig);
    pair_stop(&pair);
}

/* Starting one takes seconds: what leaves the pair as it was shares it, and the last test ends it. */
static struct pair shared;
static bool is_shared_started;

static const struct pair *shared_pair(void)
{
    if (!is_shared_started)
        pair_start(&shared);
    is_shared_started = true;
    return &shared;
}

/* What people do wrong, said so that it can be put right at night. */
static void test_refusals(void **state)
{
    (void)state;
    const struct pair *pair = shared_pair();
    struct rig rig;
    rig_as(&rig, pair, "postgres", "not-the-password");
    json_object_del(rig.args, "primary");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "refuses the connection");
    assert_text_has(&rig, "28P01");
    rig_stop(&rig);

    rig_as(&rig, pair, "weak", "a-monitor-s-password");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "does not let weak promote it: grant that role EXECUTE on pg_promote");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "permission denied");
    pair_do(pair, "sql", "primary \"GRANT EXECUTE ON FUNCTION pg_promote TO weak\"");
    pair_do(pair, "catch_up", "");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    /* What breaks it off may come when the promotion is on its way already: a conflict with what is replayed. */
    pair_do(pair, "sql",
            "primary \"SET allow_system_table_mods = on; ALTER FUNCTION pg_promote RENAME TO pg_promote_itself; "
            "CREATE FUNCTION pg_catalog.pg_promote(boolean, integer) RETURNS boolean LANGUAGE plpgsql AS "
            "'BEGIN RAISE EXCEPTION USING ERRCODE = ''40001''; END'\"");
    pair_do(pair, "catch_up", "");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_UNKNOWN);
    assert_text_has(&rig, "40001");
    pair_do(pair, "sql",
            "primary \"SET allow_system_table_mods = on; DROP FUNCTION pg_promote; "
            "ALTER FUNCTION pg_promote_itself RENAME TO pg_promote\"");
    pair_do(pair, "catch_up", "");
    struct consent refusing = {consent_refuse}; /* in the last moment */
    rig.consent = &refusing;
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "nothing was sent: not now");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_string_equal(current(&rig, "role"), "replica");
    rig_stop(&rig);

    rig_for(&rig, pair);
    json_object_set_new(rig.provider.args, "dbname", json_string("nothing"));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "3D000");
    json_object_set_new(rig.provider.args, "dbname", json_string("postgres"));
    json_object_set_new(rig.provider.args, "sslmode", json_string("require"));
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_PERMANENT);
    assert_text_has(&rig, "not safe as sslmode wants it");
    json_object_set_new(rig.provider.args, "sslmode", json_string("disable"));

    json_decref(rig.observed); /* of another server, which stood there before */
    rig.observed = json_pack("{s:s, s:i}", "system", "1234", "timeline", 1);
    assert_outcome(&rig, rig_call(&rig, rig.action->apply), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "nothing was sent");
    rig_forget(&rig);
    rig_stop(&rig);
}

static void *cancel_soon(void *context)
{
    usleep(300000);
    atomic_store((atomic_bool *)context, true);
    return NULL;
}

/* A server that takes connections and says nothing: within the time, and at once when cancelled. */
static void test_silence(void **state)
{
    (void)state;
    const struct pair *pair = shared_pair();
    struct rig rig;
    pthread_t thread;
    rig_for(&rig, pair);
    json_object_del(rig.args, "primary");
    pair_do(pair, "freeze", "replica");
    rig.timeout_ms = 500;
    int64_t began_at = clock_steady_ms();
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "does not answer");
    assert_true(clock_steady_ms() - began_at < 5000);

    rig.timeout_ms = 60000;
    began_at = clock_steady_ms();
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &rig.cancel), 0);
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_CANCELLED);
    assert_true(clock_steady_ms() - began_at < 5000);
    pthread_join(thread, NULL);
    atomic_store(&rig.cancel, false);
    pair_do(pair, "thaw", "replica");

    /* The primary stands still, and the look at it must not use up the time. */
    rig.timeout_ms = 20000;
    rig_set(&rig, "primary", "127.0.0.1");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    pair_do(pair, "freeze", "primary");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_OK);
    assert_text_has(&rig, "behind what its primary had");
    pair_do(pair, "thaw", "primary");

    /* A primary that waits at each commit for a replica that is gone is none that users can use. */
    pair_do(pair, "kill", "primary");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_OK);
    pair_do(pair, "sql", "replica \"ALTER SYSTEM SET synchronous_standby_names = 'gone'\"");
    pair_do(pair, "sql", "replica \"SELECT pg_reload_conf()\"");
    rig.timeout_ms = 1000;
    for (int i = 0; i < 20 && rig_call(&rig, rig.action->settled) == OUTCOME_OK; i++)
        usleep(100000); /* until the server has read it */
    assert_outcome(&rig, rig.result.outcome, OUTCOME_NOT_YET);
    assert_text_has(&rig, "takes no write");
    assert_text_has(&rig, "synchronous_standby_names");

    rig.timeout_ms = 20000;
    json_object_del(rig.args, "primary");
    pair_do(pair, "kill", "replica");
    assert_outcome(&rig, rig_observe(&rig), OUTCOME_TEMPORARY);
    assert_text_has(&rig, "cannot be reached");
    assert_outcome(&rig, rig_apply(&rig), OUTCOME_TEMPORARY);
    rig_stop(&rig);
    pair_stop(pair);
    is_shared_started = false;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lsn),       cmocka_unit_test(test_words), cmocka_unit_test(test_sightings),
        cmocka_unit_test(test_judgement), cmocka_unit_test(test_args),  cmocka_unit_test(test_provider),
        cmocka_unit_test(test_promotion), cmocka_unit_test(test_rpo),   cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_silence),
    };
    clock_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}

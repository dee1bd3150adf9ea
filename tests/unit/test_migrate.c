/* From one schema to the next: the copy before, and nothing half done. */
#include "tests/unit/store_fixture.h"

#define FILE_OF(name_, text)                                                                                           \
    {                                                                                                                  \
        .name = (name_), .data = (const unsigned char *)(text), .len = sizeof(text) - 1                                \
    }

static const struct embedded_file files[] = {
    FILE_OF("0001_one.sql", "CREATE TABLE one (a); INSERT INTO one VALUES (1);"),
    FILE_OF("0002_two.sql", "-- a comment\nCREATE TABLE two (b);\nINSERT INTO two SELECT a + 1 FROM one;\n"),
    FILE_OF("0003_three.sql", "UPDATE two SET b = b + 10;"),
};
static const struct embedded_file broken[] = {
    FILE_OF("0001_one.sql", "CREATE TABLE one (a); INSERT INTO one VALUES (1);"),
    FILE_OF("0002_two.sql", "UPDATE one SET a = 2; CREATE TABLE two (b); SELECT nonsense;"),
};
static const struct embedded_file misnamed[] = {
    FILE_OF("0001_one.sql", "CREATE TABLE one (a);"),
    FILE_OF("0003_two.sql", "CREATE TABLE two (b);"),
};

static enum err migrate_to(struct fixture *f, const struct embedded_file *list, size_t n)
{
    assert_int_equal(lock_make_file(f->path, &f->why), ERR_OK);
    struct connection connection = {.path = f->path};
    enum err err = connection_open(&connection, f->path, SQLITE_OPEN_READWRITE, &f->why);
    if (err == ERR_OK)
        err = migrate(&connection, list, n, &f->why);
    assert_true(!connection.db || sqlite3_get_autocommit(connection.db));
    connection_done(&connection);
    return err;
}

static char *beside(const struct fixture *f, const char *suffix)
{
    static char path[256];
    snprintf(path, sizeof path, "%s%s", f->path, suffix);
    return path;
}

static int64_t ask_copy(const struct fixture *f, const char *suffix, const char *sql)
{
    struct fixture copy = *f;
    snprintf(copy.path, sizeof copy.path, "%s%s", f->path, suffix);
    return ask(&copy, sql);
}

static void new_database_needs_no_copy(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, files, 3));
    assert_int_equal(ask(f, "PRAGMA user_version"), 3);
    assert_int_equal(ask(f, "PRAGMA application_id"), APPLICATION_ID);
    assert_int_equal(ask(f, "SELECT b FROM two"), 12);
    assert_false(is_there(beside(f, ".before-0001")));
}

static void copy_is_taken_before(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, files, 1));
    tamper(f, "PRAGMA journal_mode = WAL; INSERT INTO one VALUES (5)");
    mode_t before = umask(0);
    assert_ok(f, migrate_to(f, files, 3));
    umask(before);
    assert_int_equal(ask(f, "PRAGMA user_version"), 3);
    assert_int_equal(ask(f, "SELECT sum(b) FROM two"), 28);
    struct stat st;
    assert_int_equal(stat(beside(f, ".before-0002"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(ask_copy(f, ".before-0002", "PRAGMA user_version"), 1);
    assert_int_equal(ask_copy(f, ".before-0002", "SELECT sum(a) FROM one"), 6);
    assert_int_equal(ask_copy(f, ".before-0002", "SELECT count(*) FROM sqlite_schema"), 1);
    assert_false(is_there(beside(f, ".before-0003")));
    assert_false(is_there(beside(f, ".before-0002.part")));
    assert_ok(f, migrate_to(f, files, 3)); /* nothing to do: no further copy */
    assert_false(is_there(beside(f, ".before-0004")));
}

static void failed_migration_changes_nothing(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, broken, 1));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(migrate_to(f, broken, 2), ERR_INTERNAL);
        assert_says(f, "migration 0002_two.sql");
        assert_says(f, "nonsense");
        assert_int_equal(ask(f, "PRAGMA user_version"), 1);
        assert_int_equal(ask(f, "SELECT a FROM one"), 1);
        assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_schema"), 1);
        assert_true(is_there(beside(f, ".before-0002")));
    }
    assert_ok(f, migrate_to(f, files, 3));
    assert_int_equal(ask(f, "SELECT b FROM two"), 12);
}

static void leftovers_of_a_crash_are_replaced(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, files, 1));
    FILE *part = fopen(beside(f, ".before-0002.part"), "w");
    assert_non_null(part);
    fputs("half a copy", part);
    fclose(part);
    assert_ok(f, migrate_to(f, files, 2));
    assert_int_equal(ask_copy(f, ".before-0002", "SELECT a FROM one"), 1);
}

/* No copy, no migration. */
static void copy_that_cannot_be_taken_stops_it(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, files, 1));
    assert_int_equal(mkdir(beside(f, ".before-0002.part"), 0700), 0);
    assert_int_not_equal(migrate_to(f, files, 2), ERR_OK);
    assert_says(f, "cannot copy the database before migrating it");
    assert_int_equal(ask(f, "PRAGMA user_version"), 1);
    rmdir(beside(f, ".before-0002.part"));
}

static void names_must_count(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(migrate_to(f, misnamed, 2), ERR_INTERNAL);
    assert_says(f, "0003_two.sql stands where 0002_");
    assert_true(migration_file_count >= 1);
    for (size_t i = 0; i < migration_file_count; i++) {
        char expected[32];
        snprintf(expected, sizeof expected, "%04zu_", i + 1);
        assert_int_equal(strncmp(migration_files[i].name, expected, 5), 0);
    }
}

static void newer_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, files, 3));
    assert_int_equal(migrate_to(f, files, 2), ERR_INVALID);
    assert_says(f, ".before-0003");
}

/* ---- the files of ours ------------------------------------------------------------------------------------------- */

/* An alert row of the first schema; n is in its key and in its delivery. */
#define OLD_ALERT(n, state, n_matches)                                                                                 \
    "INSERT INTO alert VALUES (x'0000000000000000000000000000000" #n "', 'one', '" state                               \
    "', 10, NULL, 20, 30, 40, 5, x'000000000000000000000000000000a" #n "', " #n_matches ");"

static void alerts_of_the_first_schema_survive(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, migration_files, 1));
    tamper(
        f,
        OLD_ALERT(2, "resolved", 0) OLD_ALERT(1, "firing", 1) OLD_ALERT(
            3, "firing",
            2) "INSERT INTO match SELECT key, 'shop', 'gra', 'one' FROM alert WHERE n_matches > 0;"
               "INSERT INTO match SELECT key, 'blog', 'gra', 'one' FROM alert WHERE n_matches > 1;"
               "INSERT INTO delivery VALUES (7, randomblob(16), 'one', 50, 3, 2, zeroblob(32), CAST('body' AS BLOB))");
    assert_ok(f, migrate_to(f, migration_files, migration_file_count));
    assert_int_equal(ask(f, "PRAGMA user_version"), (int64_t)migration_file_count);
    assert_int_equal(ask(f, "SELECT count(*) FROM alert"), 3);
    assert_int_equal(ask(f,
                         "SELECT count(*) FROM alert WHERE source = 'one' AND starts_at = 10 AND ends_at IS NULL AND "
                         "asserted_at IS NULL AND first_seen_at = 20 AND last_seen_at = 30 AND changed_at = 40 AND "
                         "count = 5 AND substr(hex(delivery), 31, 1) = 'A' AND "
                         "substr(hex(delivery), 32) = substr(hex(key), 32)"),
                     3);
    assert_int_equal(ask(f, "SELECT state = 'firing' AND n_matches = 2 FROM alert WHERE hex(key) LIKE '%3'"), 1);
    assert_int_equal(ask(f, "SELECT state = 'resolved' FROM alert WHERE hex(key) LIKE '%2'"), 1);
    assert_int_equal(ask(f, "SELECT count(*) FROM match"), 3);
    assert_int_equal(ask(f, "SELECT down FROM vote WHERE service = 'shop'"), 2);
    assert_int_equal(ask(f, "SELECT down FROM vote WHERE service = 'blog'"), 1);
    assert_int_equal(ask(f, "SELECT services FROM delivery WHERE seq = 7"), 1); /* not one that spoke of nothing */
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_schema WHERE name LIKE '%of_000%'"), 0);
    assert_int_equal(ask(f, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
    /* the key is still one, the new state is one, others are none */
    tamper(f, "UPDATE OR IGNORE alert SET key = x'00000000000000000000000000000001' WHERE hex(key) LIKE '%2'");
    assert_int_equal(ask(f, "SELECT count(*) FROM alert WHERE hex(key) LIKE '%2'"), 1);
    tamper(f, "UPDATE OR IGNORE alert SET state = 'sideways' WHERE hex(key) LIKE '%1'");
    assert_int_equal(ask(f, "SELECT count(*) FROM alert WHERE state = 'firing'"), 2);
    tamper(f, "UPDATE alert SET state = 'unknown' WHERE hex(key) LIKE '%1'");
    /* and the store works with it: a vote goes with its match */
    assert_ok(f, store_open(f->path, &f->store, &f->why));
    struct alert_row row = {.key = {{[15] = 3}}};
    assert_ok(f, store_alerts_get(f->store, &row, 1, &f->why));
    assert_true(row.exists && row.state == ALERT_FIRING && row.asserted_at == TIME_UNKNOWN && row.n_matches == 2);
    batch_match_remove(f->batch, &row.key);
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT down FROM vote WHERE service = 'shop'"), 1);
}

/* An entry as the second schema had it, of an incident, with the hash that it has in the chain. */
static void add_old_entry(struct fixture *f, int seq, const char *incident)
{
    char text[256];
    char hex[2 * SHA256_SIZE + 1];
    char sql[512];
    snprintf(text, sizeof text,
             "{\"at\":\"2026-11-21T02:20:07.123Z\",\"incident\":\"%s\",\"kind\":\"decision.vote\",\"seq\":%d,"
             "\"service\":\"shop\"}",
             incident, seq);
    f->chain.hash = audit_hash(&f->chain.hash, text, strlen(text));
    f->chain.seq = seq;
    hex_encode(f->chain.hash.bytes, SHA256_SIZE, hex);
    snprintf(sql, sizeof sql, "INSERT INTO audit VALUES (%d, x'%s', %lld, 'decision.vote', 'shop', '%s')", seq, hex,
             (long long)NOW, text);
    tamper(f, sql);
}

/* A row in every table of the second schema. */
static const char of_the_second_schema[] =
    "UPDATE epoch SET epoch = 7;"
    "INSERT INTO delivery VALUES (7, randomblob(16), 'one', 50, 3, 2, zeroblob(32), CAST('body' AS BLOB), 2);"
    "INSERT INTO alert VALUES (x'00000000000000000000000000000001', 'one', 'firing', 10, NULL, 15, 20, 30, 40, 5, "
    "                          x'000000000000000000000000000000a1', 2);"
    "INSERT INTO alert VALUES (x'00000000000000000000000000000002', 'one', 'unknown', NULL, 11, NULL, 20, 30, 40, 5, "
    "                          x'000000000000000000000000000000a2', 0);"
    "INSERT INTO match VALUES (x'00000000000000000000000000000001', 'shop', 'gra', 'one');"
    "INSERT INTO match VALUES (x'00000000000000000000000000000001', 'blog', 'gra', 'one');"
    "INSERT INTO match VALUES (x'00000000000000000000000000000003', 'shop', 'gra', 'one');"
    "DELETE FROM match WHERE service = 'blog';" /* leaves a vote of nobody */
    "INSERT INTO source VALUES ('one', 2);"
    "INSERT INTO timer VALUES ('shop', 'gra', 'hold', 500, -7, 'boot');"
    "INSERT INTO timer VALUES ('shop', '', 'cool_down', 900, -7, 'boot');"
    "INSERT INTO incident VALUES (x'000000000000000000000000000000b1', 'shop', 'gra', 60, NULL, 1, 'paused', NULL);"
    "INSERT INTO incident VALUES (x'000000000000000000000000000000b0', 'shop', 'gra', 50, 55, 0, 'none', "
    "                             x'000000000000000000000000000000c0');"
    "INSERT INTO active VALUES ('shop', 70, 'moving', 'gra');"
    "INSERT INTO active_history VALUES ('shop', 65, 'site', 'gra'), ('shop', 70, 'moving', 'gra');"
    "INSERT INTO run VALUES (x'000000000000000000000000000000c0', 'shop', 'failover', 'gra', 'rbx', 'succeeded', 1, 0, "
    "                        2, 'quorum', 'decision', x'000000000000000000000000000000b0', 80, 90, '', '[1]');"
    "INSERT INTO run VALUES (x'000000000000000000000000000000c1', 'shop', 'failback', 'rbx', 'gra', 'running', 1, 1, "
    "                        1, 'because', 'operator oncall', NULL, 81, NULL, 'slow', '[2]');"
    "INSERT INTO step VALUES (x'000000000000000000000000000000c1', 0, 'a', 'http.check', 'running', 'apply', 1, 2, 3, "
    "                         1, 0, 4, 5, 6, 'boot', 7, NULL, 'e', 't', 'o');"
    "INSERT INTO attempt VALUES (x'000000000000000000000000000000c1', 0, 1, 'apply', 'started', 8, NULL, 't', 'd');"
    "INSERT INTO idempotency VALUES ('oncall', 'k', zeroblob(32), x'000000000000000000000000000000c1', 9);";

static void everything_of_the_second_schema_survives(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, migrate_to(f, migration_files, 2));
    tamper(f, of_the_second_schema);
    for (int i = 1; i <= 3; i++)
        add_old_entry(f, i, i < 3 ? "00000000-0000-0000-0000-0000000000b1" : "00000000-0000-0000-0000-0000000000b0");
    assert_ok(f, migrate_to(f, migration_files, migration_file_count));
    static const char *const holds[] = {
        "SELECT epoch = 7 FROM epoch",
        "SELECT services = 2 AND body = CAST('body' AS BLOB) FROM delivery",
        "SELECT group_concat(hex(substr(key, 16)) || state || coalesce(starts_at, '-') || coalesce(asserted_at, '-') "
        "|| n_matches || hex(substr(delivery, 16)), ' ') = '01firing10152A1 02unknown--0A2' FROM alert",
        "SELECT count(*) = 2 AND sum(says = 'down') = 2 FROM match",
        "SELECT group_concat(service || down || up || vote || coalesce(heard_at, '-'), ' ') = "
        "'blog00unknown- shop20down-' FROM vote",
        "SELECT open_alerts = 2 AND heard_at IS NULL AND beat_at IS NULL AND offset_ms = 0 AND boot_id = '' FROM "
        "source",
        "SELECT group_concat(kind || site || count || due_at || offset_ms || boot_id, ' ') = "
        "'cool_down0900-7boot holdgra0500-7boot' FROM timer",
        "SELECT group_concat(hex(substr(id, 16)) || opened_at || coalesce(resolved_at, '-') || is_standing || stood_at "
        "|| coalesce(fell_at, '-') || most_votes || coalesce(would_at, '-') || would_to || last_reason, ' ') = "
        "'B05055050-0-none B160-160-0-paused' FROM incident",
        "SELECT since = 70 AND kind = 'moving' FROM active",
        "SELECT count(*) = 2 FROM active_history",
        "SELECT group_concat(hex(substr(id, 16)) || direction || occasion || is_ours || overrides || from_site || "
        "to_site || state || has_effect || (ending = 'cancel') || current || reason || started_by || hex(incident) || "
        "started_at || coalesce(finished_at, '-') || error || playbook, ' ') = "
        "'C0failoveroutage1grarbxsucceeded102quorumdecision000000000000000000000000000000B08090[1] "
        "C1failbackfailback0rbxgrarunning111becauseoperator oncall81-slow[2]' FROM run",
        "SELECT name = 'a' AND observed = 'o' FROM step",
        "SELECT detail = 'd' FROM attempt",
        "SELECT at = 9 FROM idempotency",
        "SELECT count(*) = 3 AND sum(incident IS NULL) = 3 FROM audit",
        "SELECT count(*) = 0 FROM pause",
        "SELECT count(*) = 0 FROM sqlite_schema WHERE name LIKE '%of_000%'",
        "SELECT integrity_check = 'ok' FROM pragma_integrity_check",
    };
    for (size_t i = 0; i < sizeof holds / sizeof holds[0]; i++)
        if (ask(f, holds[i]) != 1)
            fail_msg("it does not hold: %s", holds[i]);
    /* and the log goes on, filed by incident from here on */
    struct audit_chain chain = f->chain;
    fixture_open(f);
    assert_memory_equal(&chain, &f->chain, sizeof chain);
    json_t *entry = json_pack("{s:s}", "incident", "00000000-0000-0000-0000-0000000000b1");
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW, "decision.vote", "shop"), ERR_OK);
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    struct audit_verdict verdict;
    json_t *incident = NULL;
    struct id id = {.bytes = {[15] = 0xb1}};
    assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
    assert_true(verdict.is_intact && verdict.count == 4);
    assert_ok(f, store_incident_get(reader, &id, &incident, &f->why));
    assert_int_equal(json_array_size(json_object_get(incident, "chain")), 1);
    json_decref(incident);
    store_reader_close(reader);
    /* the counts are still kept by what comes and goes */
    struct alert_key key = {{[15] = 1}};
    batch_match_remove(f->batch, &key);
    batch_match(f->batch,
                &(struct match_row){.key = key, .service = "shop", .site = "gra", .source = "one", .says = VOTE_UP});
    fixture_write(f);
    assert_int_equal(ask(f, "SELECT down = 1 AND up = 1 AND vote = 'down' FROM vote WHERE service = 'shop'"), 1);
}

int main(void)
{
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, fixture_folder, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        FOLDER(new_database_needs_no_copy),
        FOLDER(copy_is_taken_before),
        FOLDER(failed_migration_changes_nothing),
        FOLDER(leftovers_of_a_crash_are_replaced),
        FOLDER(copy_that_cannot_be_taken_stops_it),
        FOLDER(names_must_count),
        FOLDER(newer_is_refused),
        FOLDER(alerts_of_the_first_schema_survive),
        FOLDER(everything_of_the_second_schema_survives),
    };
    return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}

/* Opening and refusing; the settings of the file; and the statements themselves. */
#include "tests/unit/store_fixture.h"

#include <signal.h>

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static void new_database_has_its_layout(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(store_epoch(f->store), 1);
    assert_int_equal(ask(f, "PRAGMA page_size"), 4096);
    assert_int_equal(ask(f, "PRAGMA auto_vacuum"), 2);
    assert_int_equal(ask(f, "PRAGMA application_id"), APPLICATION_ID);
    assert_int_equal(ask(f, "PRAGMA user_version"), (int64_t)migration_file_count);
    assert_int_equal(ask(f, "SELECT journal_mode = 'wal' FROM pragma_journal_mode"), 1);
    int64_t value = -1;
    struct connection *connection = &f->store->connection;
    assert_ok(f, connection_get(connection, "PRAGMA synchronous", &value, &f->why));
    assert_int_equal(value, 2);
    assert_ok(f, connection_get(connection, "PRAGMA wal_autocheckpoint", &value, &f->why));
    assert_int_equal(value, 0);
    assert_ok(f, connection_get(connection, "PRAGMA busy_timeout", &value, &f->why));
    assert_int_equal(value, LOCKED_TIMEOUT_MS);
    sqlite3_stmt *statement = NULL; /* without a mapping the pragma has no row at all in some builds */
    assert_int_equal(sqlite3_prepare_v2(connection->db, "PRAGMA mmap_size", -1, &statement, NULL), SQLITE_OK);
    if (sqlite3_step(statement) == SQLITE_ROW)
        assert_int_equal(sqlite3_column_int64(statement, 0), 0);
    sqlite3_finalize(statement);
}

static void files_are_private_whatever_the_umask(void **state)
{
    struct fixture *f = *state;
    mode_t before = umask(0777);
    fixture_open(f);
    umask(0);
    fixture_close(f);
    fixture_open(f);
    umask(before);
    add_audit(f, "daemon.started", "");
    fixture_write(f);
    struct stat st;
    char wal[160];
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    assert_int_equal(stat(f->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(stat(wal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void each_opening_raises_the_epoch(void **state)
{
    struct fixture *f = *state;
    for (int i = 2; i < 5; i++) {
        fixture_close(f);
        fixture_open(f);
        assert_int_equal(store_epoch(f->store), i);
    }
}

static void second_opener_is_told_the_pid(void **state)
{
    struct fixture *f = *state;
    struct store *second = NULL;
    char pid[40];
    snprintf(pid, sizeof pid, "process %ld:", (long)getpid());
    assert_int_equal(store_open(f->path, &second, &f->why), ERR_BUSY);
    assert_says(f, pid);
    assert_null(second);
    char link_path[160];
    snprintf(link_path, sizeof link_path, "%s/link.db", f->folder);
    assert_int_equal(symlink(f->path, link_path), 0);
    assert_int_equal(store_open(link_path, &second, &f->why), ERR_BUSY);
    assert_says(f, pid);
    fixture_close(f);
    assert_ok(f, store_open(link_path, &second, &f->why));
    store_close(second);
}

static void lock_goes_with_the_process(void **state)
{
    struct fixture *f = *state;
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    pid_t child = fork();
    if (child == 0) {
        struct store *store = NULL;
        char ok = store_open(f->path, &store, NULL) == ERR_OK;
        if (write(ready[1], &ok, 1) == 1)
            pause();
        _exit(1);
    }
    char ok = 0;
    assert_int_equal(read(ready[0], &ok, 1), 1);
    assert_int_equal(ok, 1);
    char pid[40];
    snprintf(pid, sizeof pid, "process %ld:", (long)child);
    assert_int_equal(store_open(f->path, &f->store, &f->why), ERR_BUSY);
    assert_says(f, pid);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    fixture_open(f);
    assert_int_equal(store_epoch(f->store), 2);
    close(ready[0]);
    close(ready[1]);
}

static void assert_refused(struct fixture *f, enum err err, const char *says)
{
    assert_int_equal(store_open(f->path, &f->store, &f->why), err);
    assert_null(f->store);
    assert_says(f, says);
}

static void put_file(const char *path, const void *data, size_t len)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
    fclose(file);
}

static void what_is_not_ours_is_refused(void **state)
{
    struct fixture *f = *state;
    static const char text[] = "Dear diary, this is not a database, and it is longer than the hundred bytes that the "
                               "header of a database has, so that nobody takes it for an empty one.";
    put_file(f->path, text, sizeof text);
    assert_refused(f, ERR_INVALID, "not a SQLite database");
    char content[sizeof text];
    FILE *file = fopen(f->path, "r");
    assert_int_equal(fread(content, 1, sizeof content, file), sizeof text);
    fclose(file);
    assert_memory_equal(content, text, sizeof text);

    unlink(f->path);
    tamper(f, "CREATE TABLE theirs (x)");
    assert_refused(f, ERR_INVALID, "another program");
    unlink(f->path);
    tamper(f, "PRAGMA application_id = 77");
    assert_refused(f, ERR_INVALID, "another program");
    assert_int_equal(ask(f, "SELECT count(*) FROM sqlite_schema"), 0);
    unlink(f->path);
    tamper(f, "PRAGMA application_id = 1414680148; CREATE TABLE half (x)");
    assert_int_equal(APPLICATION_ID, 1414680148);
    assert_refused(f, ERR_INVALID, "not a whole database");
}

static void newer_version_is_refused(void **state)
{
    struct fixture *f = *state;
    fixture_close(f);
    tamper(f, "PRAGMA user_version = 4711");
    assert_refused(f, ERR_INVALID, "newer Turnout (schema 4711");
    struct store_reader *reader = NULL;
    assert_int_equal(store_reader_open(f->path, &reader, &f->why), ERR_INVALID);
    assert_int_equal(ask(f, "PRAGMA user_version"), 4711);
    assert_int_equal(ask(f, "SELECT epoch FROM epoch"), 1);
}

static void empty_file_is_taken(void **state)
{
    struct fixture *f = *state;
    put_file(f->path, "", 0);
    fixture_open(f);
    assert_int_equal(ask(f, "PRAGMA auto_vacuum"), 2);
}

/* A crash after the first page and before the first table leaves this. */
static void half_made_database_is_taken(void **state)
{
    struct fixture *f = *state;
    tamper(f, "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL");
    fixture_open(f);
    assert_int_equal(ask(f, "PRAGMA auto_vacuum"), 2);
    assert_int_equal(store_epoch(f->store), 1);
}

static void folder_is_named_when_it_is_wrong(void **state)
{
    struct fixture *f = *state;
    snprintf(f->path, sizeof f->path, "%s/nowhere/turnout.db", f->folder);
    assert_refused(f, ERR_IO, "No such file");
    snprintf(f->path, sizeof f->path, "%s", f->folder);
    assert_refused(f, ERR_INVALID, "not a regular file");
    snprintf(f->path, sizeof f->path, "%s/", f->folder);
    assert_refused(f, ERR_INVALID, "not a regular file");
    snprintf(f->path, sizeof f->path, "%s/dangling", f->folder);
    assert_int_equal(symlink("/nowhere/at/all", f->path), 0);
    assert_refused(f, ERR_IO, "cannot make");
    snprintf(f->path, sizeof f->path, "%s/turnout.db", f->folder);
}

/* Root may write everywhere: a child becomes nobody. */
static int as_nobody(int (*test)(struct fixture *f), struct fixture *f)
{
    pid_t child = fork();
    if (child == 0) {
        if (geteuid() == 0 && setuid(65534) != 0)
            _exit(100);
        _exit(test(f));
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 101;
}

static int unwritable_folder(struct fixture *f)
{
    if (store_open(f->path, &f->store, &f->why) != ERR_IO)
        return 1;
    return strstr(f->why.text, "must be writable") && !strchr(f->why.text, '\n') ? 0 : 2;
}

static void unwritable_folder_is_one_clear_line(void **state)
{
    struct fixture *f = *state;
    chmod(f->folder, 0555);
    int result = as_nobody(unwritable_folder, f);
    chmod(f->folder, 0755);
    assert_int_equal(result, 0);
}

/* Our own settings can only fail where the file system is odd; a database in use by a reader is not. */
static void figures(void **state)
{
    struct fixture *f = *state;
    int64_t free_bytes = 0;
    int64_t size = 0;
    assert_int_equal(store_disk_free(f->store, &free_bytes, &size), ERR_OK);
    assert_true(size > 0 && free_bytes > 0 && free_bytes <= size);
    add_delivery(f, 1, 100);
    fixture_write(f);
    struct store_stats stats;
    store_stats_get(f->store, &stats);
    assert_int_equal(stats.commits, 1);
    assert_int_equal(stats.failed_commits, 0);
    assert_true(stats.wal_bytes > 4096);
    store_close(NULL);
    store_reader_close(NULL);
    batch_free(NULL);
}

static void wal_is_checkpointed_and_cut(void **state)
{
    struct fixture *f = *state;
    struct store_stats stats;
    int64_t longest = 0;
    for (int i = 1; i <= 60; i++) {
        add_delivery(f, i, 256 * 1024);
        fixture_write(f);
        store_stats_get(f->store, &stats);
        longest = stats.wal_bytes > longest ? stats.wal_bytes : longest;
    }
    assert_true(stats.checkpoints >= 6);
    assert_true(longest < 2 * (CHECKPOINT_PAGES + 100) * 4120);
    /* One big commit, then small ones. */
    for (int i = 100; i < 120; i++)
        add_delivery(f, i, 1 << 20);
    fixture_write(f);
    store_stats_get(f->store, &stats);
    assert_true(stats.wal_bytes > 20 << 20);
    add_delivery(f, 200, 100);
    fixture_write(f);
    store_stats_get(f->store, &stats);
    assert_true(stats.wal_bytes <= 8 << 20);
}

/* A reader that stays holds checkpoints up, and intake goes on; when it is gone the WAL is cut. */
static void stuck_reader_stops_nobody(void **state)
{
    struct fixture *f = *state;
    add_delivery(f, 1, 10);
    fixture_write(f);
    struct store_reader *reader = fixture_reader(f);
    int64_t n = 0;
    assert_ok(f, connection_exec(&reader->connection, "BEGIN", &f->why));
    assert_ok(f, connection_get(&reader->connection, "SELECT count(*) FROM delivery", &n, &f->why));
    for (int i = 2; i <= 80; i++) {
        add_delivery(f, i, 256 * 1024);
        fixture_write(f);
    }
    assert_ok(f, connection_get(&reader->connection, "SELECT count(*) FROM delivery", &n, &f->why));
    assert_int_equal(n, 1);
    struct store_stats stats;
    store_stats_get(f->store, &stats);
    assert_true(stats.wal_bytes > 20 << 20);
    assert_ok(f, connection_exec(&reader->connection, "COMMIT", &f->why));
    for (int i = 81; i <= 90; i++) {
        add_delivery(f, i, 256 * 1024);
        fixture_write(f);
    }
    store_stats_get(f->store, &stats);
    assert_true(stats.wal_bytes <= 8 << 20);
    store_reader_close(reader);
}

/* ---- statements -------------------------------------------------------------------------------------------------- */

static void every_statement_prepares(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < SQL_COUNT; i++) {
        struct bind bind = {0};
        assert_ok(f, query_begin(&f->store->connection, (enum sql)i, &bind, &f->why));
        assert_non_null(bind.statement);
        assert_ok(f, query_end(&f->store->connection, &bind, NULL, &f->why));
    }
}

/* The plan of a statement as one text, lines joined by '|'. */
static void plan_of(struct fixture *f, enum sql sql, char *ret, size_t room)
{
    char text[2048];
    snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sql_texts[sql]);
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_prepare_v2(f->store->connection.db, text, -1, &statement, NULL), SQLITE_OK);
    ret[0] = '\0';
    while (sqlite3_step(statement) == SQLITE_ROW) {
        size_t len = strlen(ret);
        snprintf(ret + len, room - len, "%s|", (const char *)sqlite3_column_text(statement, 3));
    }
    sqlite3_finalize(statement);
}

/* What grows without bound is never read as a whole, nor sorted: deliveries, alerts, matches, the audit log, runs and
 * what belongs to them. (Narrow indexes are: of runs for the services, of steps for the few that are open.) */
static void plans_use_indexes(void **state)
{
    struct fixture *f = *state;
    static const char *const growing[] = {"SCAN delivery", "SCAN alert",      "SCAN match",   "SCAN audit",
                                          "SCAN run",      "SCAN step",       "SCAN attempt", "SCAN active_history",
                                          "SCAN incident", "SCAN idempotency"};
    static const enum sql ordered_by_key[] = {SQL_AUDIT_SEQS, SQL_AUDIT_SCAN, SQL_AUDIT_HEAD, SQL_RUN_NEWEST,
                                              SQL_AUDIT_LAST, SQL_RUNS,       SQL_INCIDENTS};
    static const enum sql narrow[] = {SQL_SERVICE_NAMES,
                                      SQL_SERVICE_RUNS,
                                      SQL_LOAD_RUNS,
                                      SQL_LOAD_STEPS,
                                      SQL_SERVICE_DEBTS,
                                      SQL_LOAD_INCIDENTS,
                                      SQL_INCIDENTS_OPEN_OF_SERVICE};
    char plan[2048];
    for (int i = 0; i < SQL_COUNT; i++) {
        bool is_narrow = false;
        for (size_t k = 0; k < sizeof narrow / sizeof narrow[0]; k++)
            is_narrow |= narrow[k] == (enum sql)i;
        bool is_ordered = false;
        for (size_t k = 0; k < sizeof ordered_by_key / sizeof ordered_by_key[0]; k++)
            is_ordered |= ordered_by_key[k] == (enum sql)i;
        plan_of(f, (enum sql)i, plan, sizeof plan);
        for (size_t k = 0; !is_ordered && k < sizeof growing / sizeof growing[0]; k++) {
            const char *scan = strstr(plan, growing[k]);
            if (scan && !(is_narrow && strstr(scan, "USING")))
                fail_msg("%s: %s", sql_texts[i], plan);
        }
        if (strstr(plan, "TEMP B-TREE") && !is_narrow)
            fail_msg("sorted: %s: %s", sql_texts[i], plan);
    }
}

static void plans_of_pages(void **state)
{
    struct fixture *f = *state;
    static const struct {
        enum sql sql;
        const char *uses;
    } cases[] = {
        {SQL_AUDIT_SEQS, "USING INTEGER PRIMARY KEY (rowid<?)"},
        {SQL_AUDIT_SEQS_OF_KIND, "COVERING INDEX audit_kind (kind=? AND rowid<?)"},
        {SQL_AUDIT_SEQS_OF_SERVICE, "COVERING INDEX audit_service (service=? AND rowid<?)"},
        {SQL_AUDIT_SEQS_OF_BOTH, "COVERING INDEX audit_service_kind (service=? AND kind=? AND rowid<?)"},
        {SQL_AUDIT_NEXT_KIND, "COVERING INDEX audit_kind (kind>?)"},
        {SQL_AUDIT_NEXT_KIND_OF_SERVICE, "COVERING INDEX audit_service_kind (service=? AND kind>?)"},
        {SQL_AUDIT_SCAN, "USING INTEGER PRIMARY KEY (rowid>?)"},
        {SQL_RUNS, "USING PRIMARY KEY (id<?)"},
        {SQL_RUNS_OF_SERVICE, "INDEX run_service (service=? AND id<?)"},
        {SQL_RUNS_IN_STATE, "INDEX run_state (state=? AND id<?)"},
        {SQL_RUNS_OF_SERVICE_IN_STATE, "INDEX run_service (service=? AND id<?)"},
        {SQL_LOAD_INCIDENTS, "INDEX incident_open"},
        {SQL_INCIDENTS, "USING PRIMARY KEY (id<?)"},
        {SQL_INCIDENTS_OF_SERVICE, "INDEX incident_service (service=? AND id<?)"},
        {SQL_INCIDENTS_OPEN, "INDEX incident_open_id (id<?)"},
        {SQL_INCIDENTS_OPEN_OF_SERVICE, "INDEX incident_open (service=?)"},
        {SQL_INCIDENT_GET, "USING PRIMARY KEY (id=?)"},
        {SQL_INCIDENT_CHAIN, "INDEX audit_incident (incident=? AND rowid>?)"},
        {SQL_INCIDENT_CHAIN_END, "INDEX audit_incident (incident=? AND rowid>?)"},
        {SQL_INCIDENT_CHAIN_LENGTH, "COVERING INDEX audit_incident (incident=?)"},
        {SQL_DELIVERIES, "USING INTEGER PRIMARY KEY (rowid<?)"},
        {SQL_DELIVERIES_OF_SOURCE, "INDEX delivery_source (source=? AND rowid<?)"},
        {SQL_DELIVERIES_UNMATCHED, "INDEX delivery_unmatched (seq<?)"},
        {SQL_DELIVERIES_UNMATCHED_OF_SOURCE, "INDEX delivery_source_unmatched (source=? AND rowid<?)"},
        {SQL_DELIVERY_GET, "INDEX delivery_id (id=?)"},
        {SQL_SOURCE_GET, "INDEX delivery_source (source=?)"},
        {SQL_DELIVERY_HEAD, "SEARCH delivery"},
        {SQL_ALERT_AGES, "SEARCH alert USING PRIMARY KEY (key>?)"},
        {SQL_DELIVERY_AGES, "SEARCH delivery USING INTEGER PRIMARY KEY (rowid>?)"},
        {SQL_AUDIT_LAST_OF_KIND, "INDEX audit_kind (kind=?)"},
    };
    char plan[2048];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        plan_of(f, cases[i].sql, plan, sizeof plan);
        if (!strstr(plan, cases[i].uses))
            fail_msg("%s: %s instead of %s", sql_texts[cases[i].sql], plan, cases[i].uses);
    }
}

int main(void)
{
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, fixture_folder, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(new_database_has_its_layout),
        FOLDER(files_are_private_whatever_the_umask),
        DATABASE(each_opening_raises_the_epoch),
        DATABASE(second_opener_is_told_the_pid),
        FOLDER(lock_goes_with_the_process),
        FOLDER(what_is_not_ours_is_refused),
        DATABASE(newer_version_is_refused),
        FOLDER(empty_file_is_taken),
        FOLDER(half_made_database_is_taken),
        FOLDER(folder_is_named_when_it_is_wrong),
        FOLDER(unwritable_folder_is_one_clear_line),
        DATABASE(figures),
        DATABASE(wal_is_checkpointed_and_cut),
        DATABASE(stuck_reader_stops_nobody),
        DATABASE(every_statement_prepares),
        DATABASE(plans_use_indexes),
        DATABASE(plans_of_pages),
    };
    return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}

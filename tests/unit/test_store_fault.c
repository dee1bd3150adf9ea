/* All or nothing, whatever fails: statements, memory, the disk, another's lock, the process itself. */
#include "tests/unit/store_fixture.h"

#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>

/* ---- one batch of everything ------------------------------------------------------------------------------------- */

static void add_everything(struct fixture *f)
{
    add_delivery(f, 1, 6000);
    batch_alert(f->batch, &(struct alert_row){.key = key_of(1)}, "one");
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(1), .service = "shop", .site = "gra", .source = "one", .says = VOTE_UP});
    batch_vote(f->batch,
               &(struct vote_row){
                   .service = "shop", .site = "gra", .source = "one", .vote = VOTE_UP, .heard_at = 1, .boot_id = ""});
    struct alert_key key = key_of(2);
    batch_match_remove(f->batch, &key);
    struct alert_key old = key_of(3);
    batch_alert_remove(f->batch, &old);
    batch_delivery_remove(f->batch, -1);
    batch_give_back(f->batch);
    batch_source(f->batch, &(struct source_row){.name = "one", .open_alerts = 5});
    batch_pause(f->batch, &(struct pause_row){.service = "shop", .at = 1, .who = "oncall", .reason = "a test"});
    batch_pause_remove(f->batch, "blog");
    batch_timer(f->batch, &(struct timer_row){.service = "shop", .site = "gra", .kind = TIMER_HOLD, .boot_id = ""});
    batch_timer_remove(f->batch, "blog", "gra", TIMER_HOLD);
    batch_incident(f->batch,
                   &(struct incident_row){.id = id_of(1), .service = "shop", .site = "gra", .last_reason = ""});
    batch_active(f->batch, &(struct active_row){.service = "shop", .since = 1, .kind = ACTIVE_SITE, .site = "gra"});
    struct run_row run = run_of(1, "shop", RUN_RUNNING);
    batch_run(f->batch, &run);
    batch_step(f->batch,
               &(struct step_row){
                   .run = id_of(1), .name = "", .action = "", .boot_id = "", .error = "", .token = "", .observed = ""});
    batch_attempt(f->batch, &(struct attempt_row){.run = id_of(1), .text = "", .detail = "{}"});
    add_audit(f, "run.started", "shop");
    struct sha256 request = {0};
    struct id id = id_of(1);
    batch_idempotency(f->batch, "operator oncall", "k", &request, &id, NOW);
}

static const char rows[] =
    "SELECT (SELECT count(*) FROM delivery) + (SELECT count(*) FROM alert) + (SELECT count(*) FROM source) + "
    "(SELECT count(*) FROM incident) + (SELECT count(*) FROM active) + (SELECT count(*) FROM active_history) + "
    "(SELECT count(*) FROM run) + (SELECT count(*) FROM step) + (SELECT count(*) FROM attempt) + "
    "(SELECT count(*) FROM audit) + (SELECT count(*) FROM idempotency) + 100 * (SELECT count(*) FROM match) + "
    "1000 * (SELECT sum(down + 3 * up + (vote = 'up')) FROM vote) + (SELECT count(*) FROM pause) + 10000 * (SELECT "
    "count(*) FROM timer WHERE service = 'shop')";

/* Matches, a pause, a timer, an alert and a delivery stand there before, which the batch removes. */
static void add_what_goes(struct fixture *f)
{
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(2), .service = "blog", .site = "gra", .source = "one", .says = VOTE_DOWN});
    batch_match(f->batch, &(struct match_row){
                              .key = key_of(2), .service = "blog", .site = "rbx", .source = "one", .says = VOTE_DOWN});
    batch_pause(f->batch, &(struct pause_row){.service = "blog", .at = 1, .who = "oncall", .reason = ""});
    batch_timer(f->batch, &(struct timer_row){.service = "blog", .site = "gra", .kind = TIMER_HOLD, .boot_id = ""});
    batch_alert(f->batch, &(struct alert_row){.key = key_of(3)}, "one");
    add_delivery(f, -1, 6000);
    fixture_write(f);
}

#define ROWS_BEFORE (3 + 2 * 100 + 2 * 1000)
#define ROWS_AFTER (12 + 100 + 4 * 1000 + 10000)

struct countdown {
    sqlite3 *db;
    int left;
    bool is_over;
};

/* Once, and inside the transaction only: SQLite also asks when COMMIT has done its work, and would then call a failure
 * what is none. */
static int count_down(void *context)
{
    struct countdown *countdown = context;
    if (--countdown->left > 0 || countdown->is_over || sqlite3_get_autocommit(countdown->db))
        return 0;
    countdown->is_over = true;
    return 1;
}

/* SQLite stops after its n-th instruction, for every n. */
static void batch_is_atomic(void **state)
{
    struct fixture *f = *state;
    add_what_goes(f);
    struct audit_chain before = f->chain;
    int n = 0;
    enum err err;
    do {
        f->chain = before;
        add_everything(f);
        struct countdown countdown = {.db = f->store->connection.db, .left = n += 3};
        sqlite3_progress_handler(countdown.db, 1, count_down, &countdown);
        err = fixture_try_write(f);
        sqlite3_progress_handler(f->store->connection.db, 0, NULL, NULL);
        assert_true(sqlite3_get_autocommit(f->store->connection.db));
        assert_int_equal(ask(f, rows), err == ERR_OK ? ROWS_AFTER : ROWS_BEFORE);
    } while (err != ERR_OK);
    assert_true(n > 300);
    struct store_stats stats;
    store_stats_get(f->store, &stats);
    assert_int_equal(stats.failed_commits, n / 3 - 1);
}

/* A row that the schema refuses, behind all the others. */
static void constraint_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    add_what_goes(f);
    struct audit_chain before = f->chain;
    for (int i = 0; i < 5; i++) {
        f->chain = before;
        add_everything(f);
        if (i == 0)
            add_delivery(f, 1, 1); /* the number again */
        else if (i == 1)
            batch_source(f->batch, &(struct source_row){.name = NULL, .open_alerts = 1});
        else if (i == 2)
            batch_source(f->batch, &(struct source_row){.name = "one", .open_alerts = -1});
        else if (i == 3)
            batch_run(f->batch, &(struct run_row){.service = "nil id"});
        else
            batch_audit(f->batch, &(struct audit_row){.seq = 1, .text = "twice", .kind = "x", .service = ""});
        assert_int_equal(fixture_try_write(f), ERR_CONFLICT);
        assert_says(f, "constraint failed");
        assert_int_equal(ask(f, rows), ROWS_BEFORE);
    }
    f->chain = before;
    add_everything(f);
    fixture_write(f);
    assert_int_equal(ask(f, rows), ROWS_AFTER);
}

static void overtaken_daemon_writes_nothing(void **state)
{
    struct fixture *f = *state;
    tamper(f, "UPDATE epoch SET epoch = epoch + 1");
    add_everything(f);
    assert_int_equal(fixture_try_write(f), ERR_CONFLICT);
    assert_says(f, "taken over by a later start");
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 0);
}

static void locked_database_is_busy(void **state)
{
    struct fixture *f = *state;
    sqlite3 *other = NULL;
    assert_int_equal(sqlite3_open(f->path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    add_delivery(f, 1, 100);
    int64_t start = clock_steady_ms();
    assert_int_equal(store_write(f->store, f->batch, &f->why), ERR_BUSY);
    int64_t took = clock_steady_ms() - start;
    assert_true(took >= LOCKED_TIMEOUT_MS / 2 && took < LOCKED_TIMEOUT_MS + 2000);
    assert_says(f, "locked");
    assert_int_equal(sqlite3_exec(other, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(other);
    fixture_write(f); /* the same batch, which nobody has cleared */
    assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), 1);
}

static void read_only_database_recovers(void **state)
{
    struct fixture *f = *state;
    assert_ok(f, connection_exec(&f->store->connection, "PRAGMA query_only = ON", &f->why));
    add_delivery(f, 1, 100);
    assert_int_equal(store_write(f->store, f->batch, &f->why), ERR_IO);
    assert_says(f, "readonly");
    assert_ok(f, connection_exec(&f->store->connection, "PRAGMA query_only = OFF", &f->why));
    fixture_write(f);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static sqlite3_mem_methods real_memory;
static long fail_at; /* 0: never; else the how manieth allocation from here on */

static bool fails(void)
{
    return fail_at > 0 && --fail_at == 0;
}

static void *failing_malloc(int size)
{
    return fails() ? NULL : real_memory.xMalloc(size);
}

static void *failing_realloc(void *old, int size)
{
    return fails() ? NULL : real_memory.xRealloc(old, size);
}

static void *failing_json_malloc(size_t size)
{
    return fails() ? NULL : malloc(size);
}

static void memory_faults_begin(void)
{
    sqlite3_mem_methods methods;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory);
    methods = real_memory;
    methods.xMalloc = failing_malloc;
    methods.xRealloc = failing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &methods);
    json_set_alloc_funcs(failing_json_malloc, free);
}

/* Repeats `attempt` with the 1st, 2nd, 3rd … allocation failing, until none is left that could. */
static void torture(struct fixture *f, enum err (*attempt)(struct fixture *f))
{
    long n = 0;
    bool was_reached;
    do {
        fail_at = ++n;
        enum err err = attempt(f);
        was_reached = fail_at == 0;
        fail_at = 0;
        if (err != ERR_OK && err != ERR_NO_MEMORY)
            fail_msg("allocation %ld: %s: %s", n, err_name(err), f->why.text);
        if (f->store)
            assert_true(sqlite3_get_autocommit(f->store->connection.db));
    } while (was_reached);
    assert_true(n > 2);
}

static enum err attempt_open(struct fixture *f)
{
    fixture_close(f);
    return store_open(f->path, &f->store, &f->why);
}

static enum err attempt_write(struct fixture *f)
{
    long n = fail_at;
    fail_at = 0;
    batch_clear(f->batch);
    struct alert_key key = key_of(1);
    batch_match_remove(f->batch, &key);
    batch_match(f->batch,
                &(struct match_row){.key = key, .service = "shop", .site = "gra", .source = "one", .says = VOTE_UP});
    struct run_row run = run_of(2, "shop", RUN_RUNNING);
    batch_run(f->batch, &run);
    fail_at = n;
    return store_write(f->store, f->batch, &f->why);
}

static enum err attempt_reader(struct fixture *f)
{
    struct store_reader *reader = NULL;
    struct audit_verdict verdict;
    struct id id = id_of(1);
    struct id next = {0};
    int64_t next_seq = 0;
    json_t *json[6] = {NULL};
    enum err err = store_reader_open(f->path, &reader, &f->why);
    if (err == ERR_OK)
        err = store_services(reader, &json[0], &f->why);
    if (err == ERR_OK)
        err = store_audit_page(reader, 0, 10, "shop", "run.", &json[1], &next_seq, &f->why);
    if (err == ERR_OK)
        err = store_runs_page(reader, &(struct id){0}, 10, NULL, NULL, &json[2], &next, &f->why);
    if (err == ERR_OK)
        err = store_run_get(reader, &id, &json[3], &f->why);
    if (err == ERR_OK)
        err = store_incidents_page(reader, &(struct id){0}, 10, NULL, true, &json[4], &next, &f->why);
    if (err == ERR_OK)
        err = store_incident_get(reader, &id, &json[5], &f->why);
    if (err == ERR_OK)
        err = store_audit_verify(reader, &verdict, &f->why);
    for (int i = 0; i < 6; i++)
        json_decref(json[i]);
    store_reader_close(reader);
    return err;
}

static void ignore_match(void *context, const struct match_row *row)
{
    (void)context;
    (void)row;
}

static enum err attempt_lookup(struct fixture *f)
{
    struct alert_row row = {.key = key_of(1)};
    int64_t seq = 0;
    int64_t delivery = 0;
    struct sha256 hash;
    struct id run;
    enum err err = store_alerts_get(f->store, &row, 1, &f->why);
    if (err == ERR_OK)
        err = store_matches_get(f->store, &row.key, ignore_match, NULL, &f->why);
    if (err == ERR_OK)
        err = store_audit_head(f->store, &seq, &hash, &delivery, &f->why);
    if (err == ERR_OK)
        err = store_idempotency_get(f->store, "operator oncall", "k", &hash, &run, &f->why);
    return err;
}

static void memory_may_end_anywhere(void **state)
{
    struct fixture *f = *state;
    add_everything(f);
    fixture_write(f);
    torture(f, attempt_open);
    torture(f, attempt_write);
    torture(f, attempt_reader);
    fixture_close(f);
    fixture_open(f); /* without prepared statements */
    torture(f, attempt_lookup);
    add_audit(f, "run.step", "shop");
    fixture_write(f);
    assert_int_equal(ask(f, rows), ROWS_AFTER + 1 + 1);
}

/* ---- a full disk ------------------------------------------------------------------------------------------------- */

#define CHECK(condition)                                                                                               \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            fprintf(stderr, "line %d: %s: %s\n", __LINE__, #condition, f->why.text);                                   \
            return __LINE__ % 250 + 1;                                                                                 \
        }                                                                                                              \
    } while (0)

/* In a child: writes until it does not go on, makes room, goes on. */
static int fill_and_recover(struct fixture *f, void (*make_room)(struct fixture *f))
{
    CHECK(store_open(f->path, &f->store, &f->why) == ERR_OK);
    enum err err = ERR_OK;
    int n = 0;
    while (err == ERR_OK && n < 10000) {
        add_delivery(f, ++n, 3000);
        add_audit(f, "run.step", "shop");
        struct audit_chain chain = f->chain;
        err = fixture_try_write(f);
        if (err == ERR_OK)
            continue;
        n--;
        f->chain = chain;
    }
    CHECK(err == ERR_FULL);
    CHECK(n > 10 && n < 10000);
    CHECK(sqlite3_get_autocommit(f->store->connection.db));
    /* Reading goes on, and shows what was acknowledged. */
    int64_t delivery = 0;
    CHECK(store_audit_head(f->store, &f->chain.seq, &f->chain.hash, &delivery, &f->why) == ERR_OK);
    CHECK(delivery == n && f->chain.seq == n);
    for (int i = 0; i < 3; i++) {
        add_delivery(f, n + 1, 200000);
        CHECK(fixture_try_write(f) == ERR_FULL);
    }
    make_room(f);
    for (int i = 0; i < 100; i++) {
        add_delivery(f, ++n, 3000);
        add_audit(f, "store.recovered", "");
        CHECK(fixture_try_write(f) == ERR_OK);
    }
    fixture_close(f);
    CHECK(store_open(f->path, &f->store, &f->why) == ERR_OK);
    CHECK(ask(f, "SELECT count(*) FROM delivery") == n);
    struct store_reader *reader = NULL;
    struct audit_verdict verdict;
    CHECK(store_reader_open(f->path, &reader, &f->why) == ERR_OK);
    CHECK(store_audit_verify(reader, &verdict, &f->why) == ERR_OK);
    CHECK(verdict.is_intact && verdict.count == n);
    store_reader_close(reader);
    fixture_close(f);
    batch_free(f->batch);
    free(f);
    return 0;
}

static void remove_ballast(struct fixture *f)
{
    char path[160];
    snprintf(path, sizeof path, "%s/ballast", f->folder);
    unlink(path);
}

static int on_small_file_system(struct fixture *f)
{
    if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", f->folder, "tmpfs", 0, "size=8m") != 0)
        return 255;
    char path[160];
    snprintf(path, sizeof path, "%s/ballast", f->folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && posix_fallocate(fd, 0, 4 << 20) == 0);
    close(fd);
    return fill_and_recover(f, remove_ballast);
}

static void raise_limit(struct fixture *f)
{
    (void)f;
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 64 << 20, .rlim_max = RLIM_INFINITY});
}

/* Files may not grow beyond a size: what a quota does. */
static int under_a_quota(struct fixture *f)
{
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY});
    return fill_and_recover(f, raise_limit);
}

static int in_child(int (*test)(struct fixture *f), struct fixture *f)
{
    pid_t child = fork();
    if (child == 0)
        _exit(test(f));
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 254;
}

static void full_disk_recovers(void **state)
{
    int result = in_child(on_small_file_system, *state);
    if (result == 255)
        skip(); /* needs the right to mount */
    assert_int_equal(result, 0);
}

static void quota_recovers(void **state)
{
    assert_int_equal(in_child(under_a_quota, *state), 0);
}

/* ---- kill -9 ----------------------------------------------------------------------------------------------------- */

static void write_for_ever(struct fixture *f, int acknowledge)
{
    int64_t delivery = 0;
    if (store_open(f->path, &f->store, &f->why) != ERR_OK ||
        store_audit_head(f->store, &f->chain.seq, &f->chain.hash, &delivery, &f->why) != ERR_OK)
        _exit(1);
    for (int n = (int)delivery + 1;; n++) {
        add_delivery(f, n, 3000);
        batch_alert(f->batch, &(struct alert_row){.key = key_of(n * 7919)}, "one");
        add_audit(f, "intake.alerts", "");
        if (fixture_try_write(f) != ERR_OK || write(acknowledge, &n, sizeof n) != sizeof n)
            _exit(2);
    }
}

static int kill_after(struct fixture *f, int acknowledged)
{
    int pipe_fds[2];
    assert_int_equal(pipe(pipe_fds), 0);
    pid_t child = fork();
    if (child == 0)
        write_for_ever(f, pipe_fds[1]);
    close(pipe_fds[1]);
    int last = 0;
    int n;
    for (int i = 0; i < acknowledged && read(pipe_fds[0], &n, sizeof n) == sizeof n; i++)
        last = n;
    kill(child, SIGKILL);
    while (read(pipe_fds[0], &n, sizeof n) == sizeof n)
        last = n;
    close(pipe_fds[0]);
    waitpid(child, NULL, 0);
    return last;
}

static void kill_loses_nothing_acknowledged(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 10; round++) {
        int last = kill_after(f, 3 + 17 * round);
        assert_true(last > 0);
        fixture_open(f);
        assert_true(f->chain.seq >= last && f->chain.seq <= last + 1);
        assert_int_equal(ask(f, "SELECT count(*) FROM delivery"), f->chain.seq);
        assert_int_equal(ask(f, "SELECT count(*) FROM alert"), f->chain.seq);
        assert_int_equal(ask(f, "SELECT integrity_check = 'ok' FROM pragma_integrity_check"), 1);
        assert_int_equal(store_epoch(f->store), 2 * round + 2);
        struct store_reader *reader = fixture_reader(f);
        struct audit_verdict verdict;
        assert_ok(f, store_audit_verify(reader, &verdict, &f->why));
        assert_true(verdict.is_intact);
        assert_int_equal(verdict.last_seq, f->chain.seq);
        store_reader_close(reader);
        fixture_close(f);
    }
}

int main(void)
{
#define DATABASE(test) cmocka_unit_test_setup_teardown(test, fixture_set_up, fixture_tear_down)
#define FOLDER(test) cmocka_unit_test_setup_teardown(test, fixture_folder, fixture_tear_down)
    const struct CMUnitTest tests[] = {
        DATABASE(batch_is_atomic),
        DATABASE(constraint_leaves_nothing),
        DATABASE(overtaken_daemon_writes_nothing),
        DATABASE(locked_database_is_busy),
        DATABASE(read_only_database_recovers),
        DATABASE(memory_may_end_anywhere),
        FOLDER(full_disk_recovers),
        FOLDER(quota_recovers),
        FOLDER(kill_loses_nothing_acknowledged),
    };
    memory_faults_begin();
    return cmocka_run_group_tests_name("store_fault", tests, NULL, NULL);
}

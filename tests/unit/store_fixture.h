/* What the tests of the store share: a database in a folder of its own, and rows to put into it. */
#ifndef TURNOUT_TESTS_STORE_FIXTURE_H
#define TURNOUT_TESTS_STORE_FIXTURE_H

#include "tests/unit/test.h"

#include "base/clock.h"
#include "store/audit.h"
#include "store/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct fixture {
    char folder[64];
    char path[128];
    struct store *store;
    struct store_batch *batch;
    struct audit_chain chain;
    struct errmsg why;
};

#define NOW ((int64_t)1795227607123)
#define NOW_TEXT "2026-11-21T02:20:07.123Z"

/* A success says why not when it is none. */
#define assert_ok(fixture, call)                                                                                       \
    do {                                                                                                               \
        enum err err_ = (call);                                                                                        \
        if (err_ != ERR_OK)                                                                                            \
            fail_msg("%s: %s: %s", #call, err_name(err_), (fixture)->why.text);                                        \
    } while (0)
#define assert_says(fixture, part)                                                                                     \
    do {                                                                                                               \
        if (!strstr((fixture)->why.text, (part)))                                                                      \
            fail_msg("'%s' does not say '%s'", (fixture)->why.text, (part));                                           \
    } while (0)

static inline void fixture_open(struct fixture *f)
{
    assert_ok(f, store_open(f->path, &f->store, &f->why));
    int64_t delivery = 0;
    assert_ok(f, store_audit_head(f->store, &f->chain.seq, &f->chain.hash, &delivery, &f->why));
}

static inline void fixture_close(struct fixture *f)
{
    store_close(f->store);
    f->store = NULL;
}

static inline int fixture_folder(void **state) /* without a database */
{
    clock_start();
    struct fixture *f = calloc(1, sizeof *f);
    strcpy(f->folder, "/tmp/turnout-store-XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    snprintf(f->path, sizeof f->path, "%s/turnout.db", f->folder);
    f->batch = batch_new();
    *state = f;
    return 0;
}

static inline int fixture_set_up(void **state)
{
    fixture_folder(state);
    fixture_open(*state);
    return 0;
}

static inline int fixture_tear_down(void **state)
{
    struct fixture *f = *state;
    store_close(f->store);
    batch_free(f->batch);
    DIR *dir = opendir(f->folder);
    struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    }
    if (dir)
        closedir(dir);
    rmdir(f->folder);
    free(f);
    return 0;
}

static inline enum err fixture_try_write(struct fixture *f)
{
    enum err err = store_write(f->store, f->batch, &f->why);
    batch_clear(f->batch);
    return err;
}

static inline void fixture_write(struct fixture *f)
{
    assert_ok(f, fixture_try_write(f));
}

static inline struct store_reader *fixture_reader(struct fixture *f)
{
    struct store_reader *reader = NULL;
    assert_ok(f, store_reader_open(f->path, &reader, &f->why));
    return reader;
}

/* Ids and keys that sort as n does. */
static inline struct id id_of(int n)
{
    struct id id = {.bytes = {1}};
    id.bytes[13] = (uint8_t)(n >> 16);
    id.bytes[14] = (uint8_t)(n >> 8);
    id.bytes[15] = (uint8_t)n;
    return id;
}

static inline struct alert_key key_of(int n)
{
    struct alert_key key;
    memcpy(key.bytes, id_of(n).bytes, sizeof key.bytes);
    return key;
}

static inline void add_audit(struct fixture *f, const char *kind, const char *service)
{
    json_t *entry = json_pack("{s:s, s:s, s:{s:i}}", "who", "turnout", "text", "Grüße", "detail", "n", 1);
    assert_int_equal(audit_append(&f->chain, f->batch, entry, NOW + f->chain.seq, kind, service), ERR_OK);
}

static inline void add_delivery(struct fixture *f, int n, size_t body_len)
{
    static char body[1 << 20];
    memset(body, 'x', sizeof body);
    assert_true(body_len <= sizeof body);
    batch_delivery(f->batch, &(struct delivery_row){.seq = n,
                                                    .id = id_of(n),
                                                    .source = "prometheus",
                                                    .received_at = NOW,
                                                    .alerts = 1,
                                                    .changed = 1,
                                                    .body = body,
                                                    .body_len = body_len});
}

static inline struct run_row run_of(int n, const char *service, enum run_state state)
{
    return (struct run_row){.id = id_of(n),
                            .service = service,
                            .direction = DIRECTION_FAILOVER,
                            .from = "gra",
                            .to = "rbx",
                            .state = state,
                            .reason = "quorum",
                            .started_by = "decision",
                            .started_at = NOW + n,
                            .finished_at = run_state_is_final(state) ? NOW + n + 5000 : 0,
                            .error = "",
                            .playbook = "[]"};
}

/* A single integer that `sql` gives, on a connection of its own. */
static inline int64_t ask(const struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 2000);
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    int64_t value = sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
}

/* Statements of someone who edits the file by hand. */
static inline void tamper(const struct fixture *f, const char *sql)
{
    sqlite3 *db = NULL;
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 2000);
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        fail_msg("%s: %s", sql, sqlite3_errmsg(db));
    sqlite3_close(db);
}

static inline bool is_there(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

#endif

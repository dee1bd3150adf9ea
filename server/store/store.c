/* Opening and closing the writer's connection, the one transaction, and checkpoints. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

/* From so many pages on a chain of overlapping readers keeps the WAL from starting again: then they are waited for. */
#define LONG_WAL_PAGES (8 * CHECKPOINT_PAGES)
#define LONG_WAL_WAIT_MS 50

/* ---- opening ----------------------------------------------------------------------------------------------------- */

static int on_wal(void *context, sqlite3 *db, const char *name, int pages)
{
    (void)db;
    (void)name;
    struct store *store = context;
    store->wal_pages = pages;
    return SQLITE_OK;
}

/* Page size and auto_vacuum can only be said of a file without a page, and switching to WAL makes the first. */
static enum err set_layout(struct connection *connection, struct errmsg *why)
{
    return connection_exec(connection, "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;", why);
}

/* Foreign keys stay off: see the first migration. The WAL file is cut to the size limit each time it starts again; the
 * cache has room for the inner pages of the alerts' tree with a million rows. */
static enum err set_pragmas(struct store *store, struct errmsg *why)
{
    struct connection *connection = &store->connection;
    int64_t is_wal = 0;
    enum err err = connection_exec(connection, "PRAGMA journal_mode = WAL", why);
    if (err == ERR_OK)
        err = connection_get(connection, "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &is_wal, why);
    if (err == ERR_OK && !is_wal)
        err = err_set(why, ERR_IO, "%s: its file system cannot do SQLite's WAL mode (a network file system?)",
                      store->path);
    if (err == ERR_OK)
        err = connection_exec(connection,
                              "PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF; PRAGMA wal_autocheckpoint = 0;"
                              "PRAGMA journal_size_limit = 8388608; PRAGMA cache_size = -6144;",
                              why);
    sqlite3_wal_hook(connection->db, on_wal, store);
    return err;
}

static enum err raise_epoch(struct store *store, struct errmsg *why)
{
    struct connection *connection = &store->connection;
    enum err err = query_plain(connection, SQL_BEGIN, why);
    if (err == ERR_OK)
        err = query_plain(connection, SQL_EPOCH_RAISE, why);
    if (err == ERR_OK)
        err = connection_get(connection, sql_texts[SQL_EPOCH], &store->epoch, why);
    if (err == ERR_OK)
        err = query_plain(connection, SQL_COMMIT, why);
    return err;
}

static enum err open_database(struct store *store, struct errmsg *why)
{
    struct connection *connection = &store->connection;
    connection->path = store->path;
    int64_t version = 0;
    enum err err = lock_make_file(store->path, why);
    if (err == ERR_OK)
        err = connection_open(connection, store->path, SQLITE_OPEN_READWRITE, why);
    if (err == ERR_OK)
        err = migrate_identify(connection, migration_file_count, &version, why);
    if (err == ERR_OK && version == 0)
        err = set_layout(connection, why);
    if (err == ERR_OK)
        err = set_pragmas(store, why);
    if (err == ERR_OK)
        err = migrate(connection, migration_files, migration_file_count, why);
    if (err == ERR_OK)
        err = raise_epoch(store, why);
    if (err == ERR_OK) /* what a crash or a migration left in the WAL; it is no harm when it stays */
        sqlite3_wal_checkpoint_v2(connection->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
    return err;
}

enum err store_open(const char *path, struct store **ret, struct errmsg *why)
{
    struct store *store = calloc(1, sizeof *store);
    if (!store)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    store->lock_fd = -1;
    store->checkpoint_at = CHECKPOINT_PAGES;
    enum err err = lock_take(path, &store->path, &store->lock_fd, why);
    if (err == ERR_OK && asprintf(&store->wal_path, "%s-wal", store->path) < 0) {
        store->wal_path = NULL;
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    if (err == ERR_OK)
        err = open_database(store, why);
    if (err != ERR_OK) {
        store_close(store);
        return err;
    }
    *ret = store;
    return ERR_OK;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    connection_done(&store->connection); /* the last one out does the checkpoint and removes the WAL */
    lock_release(store->lock_fd);
    free(store->path);
    free(store->wal_path);
    free(store);
}

int64_t store_epoch(const struct store *store)
{
    return store->epoch;
}

/* ---- the transaction --------------------------------------------------------------------------------------------- */

static enum err check_epoch(struct store *store, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&store->connection, SQL_EPOCH, &bind, why);
    if (err != ERR_OK)
        return err;
    int64_t epoch = query_next(&bind, &columns) ? column_int(&columns) : 0;
    err = query_end(&store->connection, &bind, &columns, why);
    if (err == ERR_OK && epoch != store->epoch)
        err = err_set(why, ERR_CONFLICT,
                      "%s was taken over by a later start of the daemon: this one must not write to it any more",
                      store->path);
    return err;
}

static enum err write_and_commit(struct store *store, const struct store_batch *batch, struct errmsg *why)
{
    enum err err = query_plain(&store->connection, SQL_BEGIN, why);
    if (err == ERR_OK)
        err = check_epoch(store, why);
    if (err == ERR_OK)
        err = batch_execute(&store->connection, batch, why);
    store->commit_ms = -clock_steady_ms();
    crash_point("commit before");
    if (err == ERR_OK)
        err = query_plain(&store->connection, SQL_COMMIT, why);
    crash_point("commit after");
    /* SQLite has rolled back by itself after some errors (a full disk), and not after others. */
    if (err != ERR_OK && !sqlite3_get_autocommit(store->connection.db))
        (void)!query_plain(&store->connection, SQL_ROLLBACK, NULL);
    return err;
}

/* After the commit, so a failure (a full disk) is nobody's: what is committed stands in the WAL, and the next one tries
 * again. It is tried at each further 500 pages, because a reader may hold it up. */
static void checkpoint(struct store *store)
{
    if (store->wal_pages < store->checkpoint_at - CHECKPOINT_PAGES)
        store->checkpoint_at = CHECKPOINT_PAGES; /* the WAL has started again */
    if (store->wal_pages < store->checkpoint_at)
        return;
    sqlite3 *db = store->connection.db;
    bool is_long = store->wal_pages >= LONG_WAL_PAGES;
    if (is_long)
        sqlite3_busy_timeout(db, LONG_WAL_WAIT_MS);
    int mode = is_long ? SQLITE_CHECKPOINT_RESTART : SQLITE_CHECKPOINT_PASSIVE;
    crash_point("checkpoint before");
    if (sqlite3_wal_checkpoint_v2(db, NULL, mode, NULL, NULL) == SQLITE_OK)
        atomic_fetch_add(&store->checkpoints, 1);
    crash_point("checkpoint after");
    if (is_long)
        sqlite3_busy_timeout(db, LOCKED_TIMEOUT_MS);
    store->checkpoint_at = store->wal_pages + CHECKPOINT_PAGES;
}

enum err store_write(struct store *store, struct store_batch *batch, struct errmsg *why)
{
    enum err err = batch_is_broken(batch) ? err_set(why, ERR_NO_MEMORY, "out of memory for the rows to write")
                                          : write_and_commit(store, batch, why);
    if (err != ERR_OK) {
        atomic_fetch_add(&store->failed_commits, 1);
        return err;
    }
    atomic_fetch_add(&store->commits, 1);
    checkpoint(store);
    store->commit_ms += clock_steady_ms();
    return ERR_OK;
}

int64_t store_commit_ms(const struct store *store)
{
    return store->commit_ms;
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

enum err store_disk_free(const struct store *store, int64_t *ret_free, int64_t *ret_size)
{
    struct statvfs fs;
    if (statvfs(store->path, &fs) != 0)
        return ERR_IO;
    *ret_free = (int64_t)(fs.f_bavail * fs.f_frsize);
    *ret_size = (int64_t)(fs.f_blocks * fs.f_frsize);
    return ERR_OK;
}

void store_stats_get(struct store *store, struct store_stats *ret)
{
    struct stat st;
    *ret = (struct store_stats){.commits = atomic_load(&store->commits),
                                .failed_commits = atomic_load(&store->failed_commits),
                                .wal_bytes = stat(store->wal_path, &st) == 0 ? (int64_t)st.st_size : 0,
                                .checkpoints = atomic_load(&store->checkpoints)};
}

/* Whose file is it, and of which schema; and the way from an older schema to ours.
 *
 * Each migration is one transaction together with its number. There is no way back but the copy taken before: do not
 * add one. */
#include "store/internal.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static enum err not_ours(const struct connection *connection, const char *what, struct errmsg *why)
{
    return err_set(why, ERR_INVALID,
                   "%s is %s: nothing was changed in it; name another file as the database, or move this one away",
                   connection->path, what);
}

enum err migrate_identify(struct connection *connection, size_t n_files, int64_t *ret_version, struct errmsg *why)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t n_tables = 0;
    enum err err = connection_get(connection, "SELECT count(*) FROM sqlite_schema", &n_tables, why);
    if (err == ERR_INVALID)
        return not_ours(connection, "not a SQLite database", why);
    if (err == ERR_OK)
        err = connection_get(connection, "PRAGMA application_id", &application, why);
    if (err == ERR_OK)
        err = connection_get(connection, "PRAGMA user_version", &version, why);
    if (err != ERR_OK)
        return err;
    if (application != APPLICATION_ID && (application != 0 || version != 0 || n_tables != 0))
        return not_ours(connection, "a database of another program", why);
    if (version < 0 || (version == 0 && n_tables != 0))
        return not_ours(connection, "not a whole database of Turnout", why);
    if (version > (int64_t)n_files)
        return err_set(why, ERR_INVALID,
                       "%s was written by a newer Turnout (schema %" PRId64
                       ", this one knows %zu): start that version, or "
                       "put back the copy that it took, %s.before-%04zu",
                       connection->path, version, n_files, connection->path, n_files + 1);
    *ret_version = version;
    return ERR_OK;
}

/* ---- the copy ---------------------------------------------------------------------------------------------------- */

static enum err copy_pages(struct connection *from, struct connection *to, struct errmsg *why)
{
    sqlite3_backup *backup = sqlite3_backup_init(to->db, "main", from->db, "main");
    if (!backup)
        return connection_error(to, sqlite3_errcode(to->db), why);
    sqlite3_backup_step(backup, -1);
    int code = sqlite3_backup_finish(backup);
    return code == SQLITE_OK ? ERR_OK : connection_error(to, code, why);
}

static enum err copy_into(struct connection *from, const char *path, struct errmsg *why)
{
    unlink(path); /* what a crash left of an earlier try */
    enum err err = lock_make_file(path, why);
    if (err != ERR_OK)
        return err;
    struct connection to = {.path = path};
    err = connection_open(&to, path, SQLITE_OPEN_READWRITE, why);
    if (err == ERR_OK)
        err = copy_pages(from, &to, why);
    connection_done(&to);
    if (err != ERR_OK)
        unlink(path);
    return err;
}

/* FILE.before-NNNN is whole whenever it is there. One of an earlier, failed try is replaced by an equal one. */
static enum err copy_before(struct connection *connection, size_t number, struct errmsg *why)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *part = NULL;
    if (asprintf(&path, "%s.before-%04zu", connection->path, number) < 0)
        path = NULL;
    if (!path || asprintf(&part, "%s.part", path) < 0)
        part = NULL;
    if (!part)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = copy_into(connection, part, why);
    if (err == ERR_OK && rename(part, path) != 0)
        err = err_set(why, ERR_IO, "cannot rename %s: %s", part, strerror(errno));
    if (err == ERR_OK)
        err = lock_sync_folder(path, why);
    return err == ERR_OK ? ERR_OK : err_prefix(why, err, "cannot copy the database before migrating it");
}

/* ---- migrations -------------------------------------------------------------------------------------------------- */

static enum err carry_out(struct connection *connection, const struct embedded_file *file, size_t number,
                          struct errmsg *why)
{
    char expected[32];
    char set_version[80];
    snprintf(expected, sizeof expected, "%04zu_", number);
    if (strncmp(file->name, expected, strlen(expected)) != 0)
        return err_set(why, ERR_INTERNAL, "migration %s stands where %s... is expected", file->name, expected);
    snprintf(set_version, sizeof set_version, "PRAGMA application_id = %d; PRAGMA user_version = %zu;", APPLICATION_ID,
             number);
    enum err err = connection_exec(connection, "BEGIN IMMEDIATE", why);
    if (err == ERR_OK)
        err = connection_exec(connection, (const char *)file->data, why);
    if (err == ERR_OK)
        err = connection_exec(connection, set_version, why);
    if (err == ERR_OK)
        err = connection_exec(connection, "COMMIT", why);
    if (!sqlite3_get_autocommit(connection->db))
        (void)!connection_exec(connection, "ROLLBACK", NULL);
    return err == ERR_OK ? ERR_OK : err_prefix(why, err, "migration %s", file->name);
}

enum err migrate(struct connection *connection, const struct embedded_file *files, size_t n_files, struct errmsg *why)
{
    int64_t version = 0;
    enum err err = migrate_identify(connection, n_files, &version, why);
    size_t done = (size_t)version;
    if (err == ERR_OK && done > 0 && done < n_files)
        err = copy_before(connection, done + 1, why);
    for (size_t i = done; err == ERR_OK && i < n_files; i++)
        err = carry_out(connection, &files[i], i + 1, why);
    return err;
}

/* Opening a reader, runs by pages, and whether an attempt may still be made. */
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "store/internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_LIMIT 500

/* ---- opening ----------------------------------------------------------------------------------------------------- */

/* "file:PATH?immutable=1" with what has a meaning in a URI escaped; the caller frees. */
static char *immutable_uri(const char *path)
{
    struct strbuf uri = STRBUF_INIT;
    strbuf_adds(&uri, "file:");
    for (; *path; path++) {
        if (*path == '%' || *path == '?' || *path == '#')
            strbuf_addf(&uri, "%%%02X", (unsigned int)(unsigned char)*path);
        else
            strbuf_addc(&uri, *path);
    }
    strbuf_adds(&uri, "?immutable=1");
    return strbuf_take(&uri);
}

static enum err reader_check(struct connection *connection, struct errmsg *why)
{
    int64_t version = 0;
    enum err err = migrate_identify(connection, migration_file_count, &version, why);
    if (err == ERR_OK && version == 0)
        return err_set(why, ERR_INVALID, "%s is empty: no daemon has made a database of it yet", connection->path);
    if (err == ERR_OK && version < (int64_t)migration_file_count)
        return err_set(why, ERR_INVALID,
                       "%s is of an older version (schema %" PRId64
                       ", this one reads %zu): `turnout serve` migrates it",
                       connection->path, version, migration_file_count);
    if (err == ERR_OK)
        err = connection_exec(connection, "PRAGMA query_only = ON; PRAGMA cache_size = -512;", why);
    return err;
}

static bool has_wal(const char *path)
{
    AUTO_FREE char *wal = NULL;
    struct stat st;
    if (asprintf(&wal, "%s-wal", path) < 0) {
        wal = NULL;
        return true;
    }
    return stat(wal, &st) == 0 && st.st_size > 0;
}

/* Reading in WAL mode needs files beside the database. Where they cannot be made nobody else can write either: then the
 * file is read as it stands, provided that nothing of it is still in a WAL. */
static enum err reader_open_frozen(struct connection *connection, struct errmsg *why)
{
    if (has_wal(connection->path))
        return err_set(why, ERR_IO,
                       "%s cannot be read where it is, because its folder cannot be written and %s-wal holds a part of "
                       "it: copy both files into a folder of your own",
                       connection->path, connection->path);
    AUTO_FREE char *uri = immutable_uri(connection->path);
    if (!uri)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = connection_open(connection, uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, why);
    return err == ERR_OK ? reader_check(connection, why) : err;
}

static enum err reader_open(struct store_reader *reader, const char *path, struct errmsg *why)
{
    struct connection *connection = &reader->connection;
    reader->path = realpath(path, NULL);
    if (!reader->path)
        return err_set(why, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "cannot open the database %s: %s", path,
                       strerror(errno));
    connection->path = reader->path;
    if (access(reader->path, R_OK) != 0)
        return err_set(why, ERR_IO, "cannot read the database %s: %s", path, strerror(errno));
    enum err err = connection_open(connection, reader->path, SQLITE_OPEN_READONLY, why);
    if (err == ERR_OK)
        err = reader_check(connection, why);
    int code = connection->db ? sqlite3_errcode(connection->db) & 0xff : SQLITE_OK;
    if (err != ERR_IO || (code != SQLITE_CANTOPEN && code != SQLITE_READONLY))
        return err;
    connection_done(connection);
    return reader_open_frozen(connection, why);
}

enum err store_reader_open(const char *path, struct store_reader **ret, struct errmsg *why)
{
    struct store_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = reader_open(reader, path, why);
    if (err != ERR_OK) {
        store_reader_close(reader);
        return err;
    }
    *ret = reader;
    return ERR_OK;
}

void store_reader_close(struct store_reader *reader)
{
    if (!reader)
        return;
    connection_done(&reader->connection);
    free(reader->path);
    free(reader);
}

enum err read_begin(struct connection *connection, struct errmsg *why)
{
    return query_plain(connection, SQL_READ_BEGIN, why);
}

enum err read_end(struct connection *connection, enum err err, struct errmsg *why)
{
    if (err == ERR_OK)
        return query_plain(connection, SQL_READ_END, why);
    if (!sqlite3_get_autocommit(connection->db))
        (void)!query_plain(connection, SQL_ROLLBACK, NULL);
    return err;
}

/* ---- pages of what has an id ------------------------------------------------------------------------------------- */

static enum err page_rows(struct connection *connection, const struct page *page, const struct bind *bind,
                          json_t *items, struct id *ret_next, struct errmsg *why)
{
    struct columns columns = {0};
    struct id last = {0};
    bool is_added = true;
    *ret_next = (struct id){0};
    while (is_added && query_next(bind, &columns)) {
        if (json_array_size(items) == (size_t)page->limit) {
            *ret_next = last;
            break;
        }
        is_added = json_array_append_new(items, page->make(&columns, &last)) == 0;
    }
    enum err err = query_end(connection, bind, &columns, why);
    return err != ERR_OK || is_added ? err : err_set(why, ERR_NO_MEMORY, "out of memory");
}

enum err page_read(struct connection *connection, const struct page *page, json_t **ret_items, struct id *ret_next,
                   struct errmsg *why)
{
    if (page->limit < 1 || page->limit > MAX_LIMIT)
        return err_set(why, ERR_INVALID, "limit is %d, and can be 1 to %d", page->limit, MAX_LIMIT);
    struct id from = page->before;
    if (id_is_nil(&from))
        memset(from.bytes, 0xff, sizeof from.bytes);
    struct bind bind = {0};
    enum err err = query_begin(connection, page->sql, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, page->service);
    bind_text(&bind, page->state);
    bind_blob(&bind, from.bytes, sizeof from.bytes);
    bind_int(&bind, page->limit + 1);
    json_t *items = json_array();
    struct id next;
    err = page_rows(connection, page, &bind, items, &next, why);
    if (err != ERR_OK) {
        json_decref(items);
        return err;
    }
    *ret_items = items;
    *ret_next = next;
    return ERR_OK;
}

/* ---- runs -------------------------------------------------------------------------------------------------------- */

static enum sql runs_sql(const char *service, const char *state)
{
    if (service)
        return state ? SQL_RUNS_OF_SERVICE_IN_STATE : SQL_RUNS_OF_SERVICE;
    return state ? SQL_RUNS_IN_STATE : SQL_RUNS;
}

static json_t *run_of_page(struct columns *columns, struct id *ret_id)
{
    struct run_row row = run_from_columns(columns);
    *ret_id = row.id;
    return run_json(&row);
}

enum err store_runs_page(struct store_reader *reader, const struct id *before, int limit, const char *service,
                         const char *state, json_t **ret_items, struct id *ret_next, struct errmsg *why)
{
    const struct page page = {runs_sql(service, state), service, state, *before, limit, run_of_page};
    return page_read(&reader->connection, &page, ret_items, ret_next, why);
}

enum err store_attempt_is_current(struct store_reader *reader, const struct id *run, int step, int attempt, bool *ret,
                                  struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&reader->connection, SQL_ATTEMPT_IS_CURRENT, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, run);
    bind_int(&bind, step);
    bind_int(&bind, attempt);
    int64_t n = query_next(&bind, &columns) ? column_int(&columns) : 0;
    err = query_end(&reader->connection, &bind, &columns, why);
    if (err == ERR_OK)
        *ret = n > 0;
    return err;
}

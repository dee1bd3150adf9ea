/* One connection and its statements; and what SQLite's result codes mean to the rest of the daemon. */
#include "store/internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

const char *const sql_texts[SQL_COUNT] = {
#define X(name, text) [name] = text,
    SQL_WRITE_LIST(X) SQL_WRITER_LIST(X) SQL_READER_LIST(X)
#undef X
};

/* ---- errors ------------------------------------------------------------------------------------------------------ */

/* Quotas and file size limits come as input/output errors; room helps against them as well. */
static bool is_no_room(int error)
{
    return error == ENOSPC || error == EDQUOT || error == EFBIG;
}

static enum err code_of(int code, int error)
{
    switch (code & 0xff) {
    case SQLITE_FULL:
        return ERR_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        return ERR_BUSY;
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
        return ERR_CONFLICT;
    case SQLITE_NOMEM:
        return ERR_NO_MEMORY;
    case SQLITE_IOERR:
        if (code == SQLITE_IOERR_NOMEM)
            return ERR_NO_MEMORY;
        return is_no_room(error) ? ERR_FULL : ERR_IO;
    case SQLITE_CANTOPEN:
        return is_no_room(error) ? ERR_FULL : ERR_IO;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CORRUPT:
        return ERR_IO;
    case SQLITE_NOTADB:
        return ERR_INVALID;
    case SQLITE_TOOBIG:
        return ERR_TOO_BIG;
    default:
        return ERR_INTERNAL;
    }
}

enum err connection_error(struct connection *connection, int code, struct errmsg *why)
{
    int error = sqlite3_system_errno(connection->db);
    if (error == 0) /* not kept for a failed commit: errno is still that of the system call */
        error = errno;
    const char *text = connection->db ? sqlite3_errmsg(connection->db) : sqlite3_errstr(code);
    bool is_system = (code & 0xff) == SQLITE_IOERR || (code & 0xff) == SQLITE_CANTOPEN;
    if (is_system && error != 0)
        return err_set(why, code_of(code, error), "%s: %s (%s)", connection->path, text, strerror(error));
    return err_set(why, code_of(code, 0), "%s: %s", connection->path, text);
}

/* ---- connections ------------------------------------------------------------------------------------------------- */

enum err connection_open(struct connection *connection, const char *name, int flags, struct errmsg *why)
{
    int code = sqlite3_open_v2(name, &connection->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    if (code != SQLITE_OK)
        return connection_error(connection, code, why);
    sqlite3_busy_timeout(connection->db, LOCKED_TIMEOUT_MS);
    /* A misspelt name in double quotes would be a string; and a file from elsewhere must not run code of its own. */
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
    sqlite3_db_config(connection->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    /* No mapping: a read error would be a signal. */
    return connection_exec(connection, "PRAGMA mmap_size = 0; PRAGMA temp_store = MEMORY;", why);
}

void connection_done(struct connection *connection)
{
    for (int i = 0; i < SQL_COUNT; i++)
        sqlite3_finalize(connection->statements[i]);
    sqlite3_close(connection->db);
    *connection = (struct connection){.path = connection->path};
}

enum err connection_exec(struct connection *connection, const char *sql, struct errmsg *why)
{
    int code = sqlite3_exec(connection->db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? ERR_OK : connection_error(connection, code, why);
}

enum err connection_get(struct connection *connection, const char *sql, int64_t *ret, struct errmsg *why)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(connection->db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *ret = sqlite3_column_int64(statement, 0);
    enum err err = code == SQLITE_ROW ? ERR_OK : connection_error(connection, code, why);
    sqlite3_finalize(statement);
    return err;
}

/* ---- parameters -------------------------------------------------------------------------------------------------- */

/* What SQLite refuses to bind stays NULL, and the column's NOT NULL says so. */

void bind_int(struct bind *bind, int64_t value)
{
    sqlite3_bind_int64(bind->statement, ++bind->n, value);
}

void bind_ms(struct bind *bind, int64_t ms)
{
    if (ms == 0)
        sqlite3_bind_null(bind->statement, ++bind->n);
    else
        bind_int(bind, ms);
}

void bind_text(struct bind *bind, const char *text)
{
    sqlite3_bind_text(bind->statement, ++bind->n, text, -1, SQLITE_STATIC);
}

void bind_blob(struct bind *bind, const void *data, size_t len)
{
    if (len == 0)
        sqlite3_bind_zeroblob(bind->statement, ++bind->n, 0);
    else
        sqlite3_bind_blob64(bind->statement, ++bind->n, data, len, SQLITE_STATIC);
}

void bind_id(struct bind *bind, const struct id *id)
{
    if (id_is_nil(id))
        sqlite3_bind_null(bind->statement, ++bind->n);
    else
        bind_blob(bind, id->bytes, sizeof id->bytes);
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

void column_bad(struct columns *columns, const char *text)
{
    if (!columns->bad[0])
        snprintf(columns->bad, sizeof columns->bad, "%s is '%s'",
                 sqlite3_column_name(columns->statement, columns->n - 1), text);
}

int64_t column_int(struct columns *columns)
{
    return sqlite3_column_int64(columns->statement, columns->n++);
}

int64_t column_time(struct columns *columns)
{
    bool is_null = sqlite3_column_type(columns->statement, columns->n) == SQLITE_NULL;
    int64_t value = column_int(columns);
    return is_null ? TIME_UNKNOWN : value;
}

const char *column_text(struct columns *columns)
{
    const unsigned char *text = sqlite3_column_text(columns->statement, columns->n++);
    return text ? (const char *)text : "";
}

bool column_blob(struct columns *columns, void *ret, size_t len)
{
    const void *data = sqlite3_column_blob(columns->statement, columns->n);
    int have = sqlite3_column_bytes(columns->statement, columns->n);
    columns->n++;
    if (!data || (size_t)have != len)
        return false;
    memcpy(ret, data, len);
    return true;
}

const void *column_bytes(struct columns *columns, size_t *ret_len)
{
    const void *data = sqlite3_column_blob(columns->statement, columns->n);
    *ret_len = (size_t)sqlite3_column_bytes(columns->statement, columns->n);
    columns->n++;
    return data;
}

struct id column_id(struct columns *columns)
{
    struct id id = {0};
    (void)!column_blob(columns, id.bytes, sizeof id.bytes);
    return id;
}

/* ---- queries ----------------------------------------------------------------------------------------------------- */

enum err query_begin(struct connection *connection, enum sql sql, struct bind *ret, struct errmsg *why)
{
    sqlite3_stmt **statement = &connection->statements[sql];
    if (!*statement) {
        int code = sqlite3_prepare_v3(connection->db, sql_texts[sql], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
        if (code != SQLITE_OK)
            return connection_error(connection, code, why);
    }
    *ret = (struct bind){.statement = *statement};
    errno = 0;
    return ERR_OK;
}

bool query_next(const struct bind *bind, struct columns *ret)
{
    ret->statement = bind->statement;
    ret->n = 0;
    return !ret->bad[0] && sqlite3_step(bind->statement) == SQLITE_ROW;
}

enum err query_end(struct connection *connection, const struct bind *bind, const struct columns *columns,
                   struct errmsg *why)
{
    int code = sqlite3_reset(bind->statement);
    if (code != SQLITE_OK)
        return connection_error(connection, code, why);
    if (columns && columns->bad[0])
        return err_set(why, ERR_INVALID, "%s: %s, which this version does not know", connection->path, columns->bad);
    return ERR_OK;
}

enum err query_run(struct connection *connection, const struct bind *bind, struct errmsg *why)
{
    while (sqlite3_step(bind->statement) == SQLITE_ROW) {
    } /* giving pages back makes one a page */
    return query_end(connection, bind, NULL, why);
}

enum err query_plain(struct connection *connection, enum sql sql, struct errmsg *why)
{
    struct bind bind = {0};
    enum err err = query_begin(connection, sql, &bind, why);
    return err == ERR_OK ? query_run(connection, &bind, why) : err;
}

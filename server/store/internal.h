/* What the store's files share; nobody else includes this, but the store's tests.
 *
 * A connection has all statements of sql.h, each prepared when it is first needed and kept. `struct bind` and
 * `struct columns` go through parameters and columns from left to right, and remember what goes wrong. */
#ifndef TURNOUT_STORE_INTERNAL_H
#define TURNOUT_STORE_INTERNAL_H

#include "base/embedded.h"
#include "store/sql.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdatomic.h>

#define APPLICATION_ID 0x54524e54 /* "TRNT" */
#define LOCKED_TIMEOUT_MS 2000    /* for another process's lock: a commit has 5 s in all */
/* With a million alerts they go to as many places of the file: a commit waits 10 to 20 ms for 500, twice that for
 * 1,000, and deliveries per second are the same (measured). */
#define CHECKPOINT_PAGES 500

/* ---- connection.c ------------------------------------------------------------------------------------------------ */

struct connection {
    const char *path; /* borrowed from who owns the connection */
    sqlite3 *db;
    sqlite3_stmt *statements[SQL_COUNT];
};

/* sqlite3_open_v2() with what holds for every connection. */
MUST_CHECK enum err connection_open(struct connection *connection, const char *name, int flags, struct errmsg *why);
void connection_done(struct connection *connection);
/* What SQLite says of its last failure, behind "PATH: ". Never ERR_OK. */
enum err connection_error(struct connection *connection, int code, struct errmsg *why);
MUST_CHECK enum err connection_exec(struct connection *connection, const char *sql, struct errmsg *why);
/* A pragma's (or any) single integer. */
MUST_CHECK enum err connection_get(struct connection *connection, const char *sql, int64_t *ret, struct errmsg *why);

/* ---- statements -------------------------------------------------------------------------------------------------- */

struct bind {
    sqlite3_stmt *statement;
    int n;
};
void bind_int(struct bind *bind, int64_t value);
void bind_ms(struct bind *bind, int64_t ms);                     /* 0: NULL */
void bind_text(struct bind *bind, const char *text);             /* borrowed until the next bind */
void bind_blob(struct bind *bind, const void *data, size_t len); /* the same */
void bind_id(struct bind *bind, const struct id *id);            /* nil: NULL */

struct columns {
    sqlite3_stmt *statement;
    int n;
    char bad[80]; /* "" or what could not be read */
};
int64_t column_int(struct columns *columns);      /* NULL: 0 */
int64_t column_time(struct columns *columns);     /* NULL: TIME_UNKNOWN */
const char *column_text(struct columns *columns); /* NULL: "" */
bool column_blob(struct columns *columns, void *ret, size_t len);
const void *column_bytes(struct columns *columns, size_t *ret_len); /* until the next row; NULL where there are none */
struct id column_id(struct columns *columns);                       /* NULL: nil */
/* A column with a state: *ret as it was when the text is unknown. */
#define COLUMN_WORD(columns, prefix, ret)                                                                              \
    do {                                                                                                               \
        const char *word_ = column_text(columns);                                                                      \
        if (!prefix##_parse(word_, (ret)))                                                                             \
            column_bad((columns), word_);                                                                              \
    } while (0)
void column_bad(struct columns *columns, const char *text);

/* Gets the statement ready for binding. */
MUST_CHECK enum err query_begin(struct connection *connection, enum sql sql, struct bind *ret, struct errmsg *why);
/* Steps to the next row; false: there is none, or an error: query_end() knows which. */
bool query_next(const struct bind *bind, struct columns *ret);
/* Must follow query_begin() whatever happened since. `columns` may be NULL. */
MUST_CHECK enum err query_end(struct connection *connection, const struct bind *bind, const struct columns *columns,
                              struct errmsg *why);
/* For statements whose rows nobody wants: steps to the end and resets. */
MUST_CHECK enum err query_run(struct connection *connection, const struct bind *bind, struct errmsg *why);
MUST_CHECK enum err query_plain(struct connection *connection, enum sql sql, struct errmsg *why); /* no parameters */

/* ---- rows.c: columns to structs, in the order of sql.h ----------------------------------------------------------- */

struct run_row run_from_columns(struct columns *columns); /* without playbook */
struct step_row step_from_columns(struct columns *columns);
struct timer_row timer_from_columns(struct columns *columns);
struct incident_row incident_from_columns(struct columns *columns);
struct vote_row vote_from_columns(struct columns *columns);
struct source_row source_from_columns(struct columns *columns);
struct pause_row pause_from_columns(struct columns *columns);
struct drill_row drill_from_columns(struct columns *columns);
struct readiness_row readiness_from_columns(struct columns *columns); /* without detail */

/* ---- lock.c ------------------------------------------------------------------------------------------------------ */

/* The lock file beside the database. *ret_path: the database's real path, to be freed. */
MUST_CHECK enum err lock_take(const char *path, char **ret_path, int *ret_fd, struct errmsg *why);
void lock_release(int fd);
/* Makes the file, 0600, if there is none. */
MUST_CHECK enum err lock_make_file(const char *path, struct errmsg *why);
MUST_CHECK enum err lock_sync_folder(const char *path, struct errmsg *why);

/* ---- migrate.c --------------------------------------------------------------------------------------------------- */

/* Whether the file is ours and of a version that `files` lead to. *ret_version 0: a new, empty file. */
MUST_CHECK enum err migrate_identify(struct connection *connection, size_t n_files, int64_t *ret_version,
                                     struct errmsg *why);
/* Takes the copy, where there is something to copy, and carries out those of `files` that are missing. */
MUST_CHECK enum err migrate(struct connection *connection, const struct embedded_file *files, size_t n_files,
                            struct errmsg *why);

/* ---- store.c ----------------------------------------------------------------------------------------------------- */

struct store {
    struct connection connection;
    char *path, *wal_path;
    int lock_fd;
    int64_t epoch;
    int wal_pages;     /* after the last commit */
    int checkpoint_at; /* the next one when the WAL has so many pages */
    int64_t commit_ms;
    atomic_llong commits, failed_commits, checkpoints;
};

struct store_reader {
    struct connection connection;
    char *path;
};

/* ---- batch.c ----------------------------------------------------------------------------------------------------- */

/* Carries out what is in the batch, inside a transaction of the caller's. */
MUST_CHECK enum err batch_execute(struct connection *connection, const struct store_batch *batch, struct errmsg *why);
/* Out of memory while it was filled. */
bool batch_is_broken(const struct store_batch *batch);

/* ---- read.c ------------------------------------------------------------------------------------------------------ */

/* A read transaction for one page. `err` is what came of the page, and is given back when it is a failure. */
MUST_CHECK enum err read_begin(struct connection *connection, struct errmsg *why);
MUST_CHECK enum err read_end(struct connection *connection, enum err err, struct errmsg *why);

/* One page of rows that have an id, newest first. The statement's parameters are service, state, before, limit. */
struct page {
    enum sql sql;
    const char *service, *state;                                 /* NULL: any */
    struct id before;                                            /* nil: from the newest */
    int limit;                                                   /* 1..500 */
    json_t *(*make)(struct columns *columns, struct id *ret_id); /* NULL: out of memory */
};
/* *ret_next: the last of this page, nil when no more follow. */
MUST_CHECK enum err page_read(struct connection *connection, const struct page *page, json_t **ret_items,
                              struct id *ret_next, struct errmsg *why);

/* ---- audit_page.c ------------------------------------------------------------------------------------------------ */

/* An entry as pages give it, from its hash and text in the next two columns. NULL: out of memory. */
json_t *audit_item_json(int64_t seq, struct columns *columns);

/* ---- json.c ------------------------------------------------------------------------------------------------------ */

/* An object under construction: anything that fails makes it broken, and the one check stands at the end. */
struct json_maker {
    json_t *object;
    bool is_broken;
};
struct json_maker json_make(void);
void make_value(struct json_maker *maker, const char *name, json_t *value); /* takes */
void make_text(struct json_maker *maker, const char *name, const char *text);
void make_text_or_null(struct json_maker *maker, const char *name, const char *text); /* "": null */
void make_int(struct json_maker *maker, const char *name, int64_t value);
void make_bool(struct json_maker *maker, const char *name, bool value);
void make_time(struct json_maker *maker, const char *name, int64_t ms);        /* 0: null */
void make_id(struct json_maker *maker, const char *name, const struct id *id); /* nil: null */
/* The object, or NULL when broken. */
json_t *json_made(struct json_maker *maker);
json_t *run_json(const struct run_row *row);             /* without steps; NULL: out of memory */
json_t *readiness_json(const struct readiness_row *row); /* without its plan; likewise */
json_t *incident_json(const struct incident_row *row);   /* without its chain; likewise */

#endif

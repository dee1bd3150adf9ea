/* Faults by countdown: the n-th allocation, the n-th call of the store, the n-th allocation or disk call of SQLite
 * fails, once. Whoever fails is the thread of the code under test: the test's own threads are spared.
 *
 * The linker puts the functions named __wrap_ here in the place of the real ones: see tests/CMakeLists.txt. */
#ifndef TURNOUT_TESTS_COUNTDOWN_H
#define TURNOUT_TESTS_COUNTDOWN_H

#include "base/clock.h"

#include <sqlite3.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum fault { FAULT_MEMORY, FAULT_CALL, FAULT_SQLITE, FAULT_DISK, N_FAULTS };

static _Thread_local bool is_spared; /* threads of the test */
static atomic_bool is_armed;
static atomic_int left[N_FAULTS]; /* until one fails; 0: none will */

static inline bool fails(enum fault fault)
{
    if (is_spared || !atomic_load(&is_armed) || atomic_load(&left[fault]) <= 0)
        return false;
    return atomic_fetch_sub(&left[fault], 1) == 1;
}

static inline void arm(enum fault fault, int n)
{
    atomic_store(&left[fault], n);
    atomic_store(&is_armed, true);
}

/* Whether it has failed. */
static inline bool disarm(enum fault fault)
{
    atomic_store(&is_armed, false);
    return atomic_exchange(&left[fault], 0) <= 0;
}

/* All of them take minutes: a run of the tests takes every n-th, the rest having its turn another day. With
 * TURNOUT_WHOLE in the environment it is all of them. */
struct stride {
    int first, every;
};

static inline struct stride stride_of(int every)
{
    if (getenv("TURNOUT_WHOLE"))
        return (struct stride){1, 1};
    return (struct stride){1 + (int)(clock_wall_ms() / (24 * 3600 * 1000) % every), every};
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_reallocarray(void *old, size_t n, size_t size);
char *__real_strdup(const char *text);
char *__real_strndup(const char *text, size_t len);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t len);
int __wrap_asprintf(char **ret, const char *format, ...) __attribute__((format(printf, 2, 3)));

void *__wrap_malloc(size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
    return fails(FAULT_MEMORY) ? NULL : __real_reallocarray(old, n, size);
}

char *__wrap_strdup(const char *text)
{
    return fails(FAULT_MEMORY) ? NULL : __real_strdup(text);
}

char *__wrap_strndup(const char *text, size_t len)
{
    return fails(FAULT_MEMORY) ? NULL : __real_strndup(text, len);
}

int __wrap_asprintf(char **ret, const char *format, ...)
{
    if (fails(FAULT_MEMORY))
        return -1; /* and what it points to is left as it was */
    va_list args;
    va_start(args, format);
    int len = vasprintf(ret, format, args);
    va_end(args);
    return len;
}

/* ---- SQLite ------------------------------------------------------------------------------------------------------ */

static sqlite3_mem_methods sqlite_memory;
static const sqlite3_io_methods *sqlite_file; /* of the database; the WAL has the same, but for its locks */
static sqlite3_io_methods failing_database, failing_wal;
static const sqlite3_vfs *sqlite_vfs;

static inline void *failing_malloc(int size)
{
    return fails(FAULT_SQLITE) ? NULL : sqlite_memory.xMalloc(size);
}

static inline void *failing_realloc(void *old, int size)
{
    return fails(FAULT_SQLITE) ? NULL : sqlite_memory.xRealloc(old, size);
}

static inline int failing_read(sqlite3_file *file, void *bytes, int n, sqlite3_int64 at)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_READ : sqlite_file->xRead(file, bytes, n, at);
}

static inline int failing_write(sqlite3_file *file, const void *bytes, int n, sqlite3_int64 at)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_WRITE : sqlite_file->xWrite(file, bytes, n, at);
}

static inline int failing_truncate(sqlite3_file *file, sqlite3_int64 size)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_TRUNCATE : sqlite_file->xTruncate(file, size);
}

static inline int failing_sync(sqlite3_file *file, int flags)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_FSYNC : sqlite_file->xSync(file, flags);
}

static inline int failing_size(sqlite3_file *file, sqlite3_int64 *ret)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_FSTAT : sqlite_file->xFileSize(file, ret);
}

static inline int failing_lock(sqlite3_file *file, int kind)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_LOCK : sqlite_file->xLock(file, kind);
}

static inline int failing_shm_map(sqlite3_file *file, int page, int size, int is_longer, void volatile **ret)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_SHMMAP : sqlite_file->xShmMap(file, page, size, is_longer, ret);
}

static inline int failing_shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
    bool is_let_go = flags & SQLITE_SHM_UNLOCK; /* which cannot fail */
    return !is_let_go && fails(FAULT_DISK) ? SQLITE_IOERR_SHMLOCK : sqlite_file->xShmLock(file, offset, n, flags);
}

static inline int failing_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    return fails(FAULT_DISK) ? SQLITE_IOERR_ACCESS : sqlite_vfs->xAccess(vfs, name, flags, ret);
}

static inline void let_fail(sqlite3_io_methods *methods)
{
    methods->xRead = failing_read;
    methods->xWrite = failing_write;
    methods->xTruncate = failing_truncate;
    methods->xSync = failing_sync;
    methods->xFileSize = failing_size;
}

static inline int failing_open(sqlite3_vfs *vfs, sqlite3_filename name, sqlite3_file *file, int flags, int *ret_flags)
{
    file->pMethods = NULL;
    if (fails(FAULT_DISK))
        return SQLITE_CANTOPEN;
    int code = sqlite_vfs->xOpen(vfs, name, file, flags, ret_flags);
    if (code == SQLITE_OK && (flags & SQLITE_OPEN_MAIN_DB)) {
        if (!sqlite_file) {
            sqlite_file = file->pMethods;
            failing_database = *sqlite_file;
            let_fail(&failing_database);
            failing_database.xLock = failing_lock;
            failing_database.xShmMap = failing_shm_map;
            failing_database.xShmLock = failing_shm_lock;
        }
        file->pMethods = &failing_database;
    } else if (code == SQLITE_OK && (flags & SQLITE_OPEN_WAL)) {
        if (!failing_wal.xRead) {
            failing_wal = *file->pMethods;
            let_fail(&failing_wal);
        }
        file->pMethods = &failing_wal;
    }
    return code;
}

/* Before SQLite is used at all; the first file is to be opened while there is one thread. */
static inline void countdown_start_sqlite(void)
{
    static sqlite3_vfs failing;
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &sqlite_memory);
    sqlite3_mem_methods memory = sqlite_memory;
    memory.xMalloc = failing_malloc;
    memory.xRealloc = failing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &memory);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); /* which would hide allocations */
    sqlite_vfs = sqlite3_vfs_find(NULL);
    failing = *sqlite_vfs;
    failing.pNext = NULL;
    failing.zName = "failing";
    failing.xOpen = failing_open;
    failing.xAccess = failing_access;
    sqlite3_vfs_register(&failing, 1);
}

#endif

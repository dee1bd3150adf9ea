/* One daemon per database: a lock file beside it, held for the daemon's life.
 *
 * The lock is of the open file, so it goes with the process however that ends, and two in one process exclude each
 * other as well. The file stays: to remove it would let a third open a file that the second no longer sees. Whoever
 * removes it by hand is caught by the epoch. The pid inside is only for the message. */
#include "base/cleanup.h"
#include "store/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* "FOLDER" of "FOLDER/NAME"; the caller frees. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return strdup(".");
    return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

/* A link to the database must lead to the same lock. */
static enum err real_path(const char *path, char **ret, struct errmsg *why)
{
    struct stat st;
    AUTO_FREE char *real = realpath(path, NULL);
    if (real && stat(real, &st) == 0 && !S_ISREG(st.st_mode))
        return err_set(why, ERR_INVALID, "the database %s is not a regular file", path);
    if (real) {
        *ret = TAKE(real);
        return ERR_OK;
    }
    if (errno != ENOENT)
        return err_set(why, ERR_IO, "cannot open the database %s: %s", path, strerror(errno));
    AUTO_FREE char *folder = folder_of(path);
    AUTO_FREE char *real_folder = folder ? realpath(folder, NULL) : NULL;
    if (!real_folder)
        return err_set(why, ERR_IO, "cannot open the folder of the database %s: %s", path, strerror(errno));
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    if (!name[0])
        return err_set(why, ERR_INVALID, "the database '%s' has no file name", path);
    if (asprintf(ret, "%s/%s", strcmp(real_folder, "/") == 0 ? "" : real_folder, name) < 0)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    return ERR_OK;
}

static enum err held_by_another(const char *path, int fd, struct errmsg *why)
{
    char text[24] = "";
    ssize_t len = pread(fd, text, sizeof text - 1, 0);
    long pid = len > 0 ? strtol(text, NULL, 10) : 0;
    char who[40] = "another process";
    if (pid > 0)
        snprintf(who, sizeof who, "process %ld", pid);
    return err_set(why, ERR_BUSY,
                   "the database %s is held by %s: stop that daemon first, or give this one a database of its own",
                   path, who);
}

static void write_pid(int fd)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    /* A full disk is no reason to refuse: the lock holds without. */
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)len, 0) != len)
        return;
}

enum err lock_take(const char *path, char **ret_path, int *ret_fd, struct errmsg *why)
{
    AUTO_FREE char *real = NULL;
    enum err err = real_path(path, &real, why);
    if (err != ERR_OK)
        return err;
    AUTO_FREE char *name = NULL;
    if (asprintf(&name, "%s.lock", real) < 0) {
        name = NULL;
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    AUTO_CLOSE int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return err_set(why, ERR_IO, "cannot open the lock file %s: %s (the folder of the database must be writable)",
                       name, strerror(errno));
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) != 0) {
        if (errno == EAGAIN || errno == EACCES)
            return held_by_another(real, fd, why);
        return err_set(why, ERR_IO, "cannot lock %s: %s", name, strerror(errno));
    }
    write_pid(fd);
    *ret_path = TAKE(real);
    *ret_fd = fd;
    fd = -1;
    return ERR_OK;
}

bool store_is_held(const char *path, long *ret_pid)
{
    AUTO_FREE char *real = NULL;
    AUTO_FREE char *name = NULL;
    char text[24] = "";
    *ret_pid = 0;
    if (real_path(path, &real, NULL) != ERR_OK || asprintf(&name, "%s.lock", real) < 0)
        return false;
    AUTO_CLOSE int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        return false;
    if (pread(fd, text, sizeof text - 1, 0) > 0)
        *ret_pid = strtol(text, NULL, 10);
    return true;
}

void lock_release(int fd)
{
    if (fd < 0)
        return;
    (void)!ftruncate(fd, 0);
    close(fd);
}

enum err store_hold(const char *path, int *ret, struct errmsg *why)
{
    AUTO_FREE char *real = NULL;
    return lock_take(path, &real, ret, why);
}

void store_let_go(int held)
{
    lock_release(held);
}

enum err lock_sync_folder(const char *path, struct errmsg *why)
{
    AUTO_FREE char *folder = folder_of(path);
    AUTO_CLOSE int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 || fsync(fd) != 0)
        return err_set(why, ERR_IO, "cannot write the folder of %s: %s", path, strerror(errno));
    return ERR_OK;
}

enum err lock_make_file(const char *path, struct errmsg *why)
{
    AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    struct stat st;
    if (fd < 0 && errno == EEXIST && stat(path, &st) == 0)
        return ERR_OK;
    if (fd < 0)
        return err_set(why, ERR_IO, "cannot make the database %s: %s", path, strerror(errno));
    if (fchmod(fd, 0600) != 0) /* whatever the umask is */
        return err_set(why, ERR_IO, "cannot set the mode of %s: %s", path, strerror(errno));
    return lock_sync_folder(path, why);
}

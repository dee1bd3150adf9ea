#include "store/ballast.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

struct ballast {
    char *path;
    int64_t bytes;
    atomic_bool is_there; /* in full */
    atomic_bool is_given_up;
};

struct ballast *ballast_new(const char *database, int64_t bytes)
{
    struct ballast *ballast = calloc(1, sizeof *ballast);
    if (!ballast)
        return NULL;
    ballast->bytes = bytes;
    if (asprintf(&ballast->path, "%s.ballast", database) < 0) {
        free(ballast);
        return NULL;
    }
    return ballast;
}

void ballast_free(struct ballast *ballast)
{
    if (!ballast)
        return;
    free(ballast->path);
    free(ballast);
}

static enum err has_room(int fd, const struct ballast *ballast, int64_t missing, int64_t reserve, struct errmsg *why)
{
    struct statvfs fs;
    if (fstatvfs(fd, &fs) != 0)
        return err_set(why, ERR_IO, "the ballast %s: %s", ballast->path, strerror(errno));
    int64_t room = (int64_t)(fs.f_bavail * fs.f_frsize);
    if (room - missing < reserve)
        return err_set(why, ERR_FULL, "the ballast %s of %" PRId64 " MiB: %" PRId64 " MiB are free", ballast->path,
                       ballast->bytes >> 20, room >> 20);
    return ERR_OK;
}

/* Whether what stands there is a ballast: nobody else's file is truncated or removed, whatever its name. */
static bool is_ours(int fd, struct stat *ret)
{
    char head[4096];
    static const char zeros[sizeof head];
    if (fstat(fd, ret) != 0 || !S_ISREG(ret->st_mode) || ret->st_nlink != 1 || ret->st_uid != geteuid())
        return false;
    ssize_t n = pread(fd, head, sizeof head, 0);
    return n >= 0 && memcmp(head, zeros, (size_t)n) == 0;
}

static enum err fill(int fd, const struct stat *st, struct ballast *ballast, int64_t reserve, struct errmsg *why)
{
    if (ftruncate(fd, ballast->bytes) != 0)
        return err_set(why, ERR_IO, "the ballast %s: %s", ballast->path, strerror(errno));
    int64_t have = (int64_t)st->st_blocks * 512;
    enum err err = have < ballast->bytes ? has_room(fd, ballast, ballast->bytes - have, reserve, why) : ERR_OK;
    int error = err == ERR_OK ? posix_fallocate(fd, 0, ballast->bytes) : 0;
    if (error != 0)
        err = err_set(why, error == ENOSPC || error == EDQUOT || error == EFBIG ? ERR_FULL : ERR_IO,
                      "the ballast %s of %" PRId64 " MiB: %s", ballast->path, ballast->bytes >> 20, strerror(error));
    return err;
}

static enum err refuse(const struct ballast *ballast, struct errmsg *why)
{
    return err_set(why, ERR_IO, "the ballast %s: what is there is no file of zeros of ours alone: take it away",
                   ballast->path);
}

static enum err open_it(const struct ballast *ballast, int *ret_fd, bool *ret_is_new, struct errmsg *why)
{
    const int flags = O_RDWR | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(ballast->path, flags);
    *ret_is_new = fd < 0 && errno == ENOENT;
    if (*ret_is_new)
        fd = open(ballast->path, flags | O_CREAT | O_EXCL, 0600);
    if (fd < 0 && errno == ELOOP)
        return refuse(ballast, why);
    if (fd < 0)
        return err_set(why, errno == ENOSPC || errno == EDQUOT ? ERR_FULL : ERR_IO, "the ballast %s: %s", ballast->path,
                       strerror(errno));
    *ret_fd = fd;
    return ERR_OK;
}

static void remove_it(const struct ballast *ballast)
{
    struct stat st;
    int fd = open(ballast->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (is_ours(fd, &st))
        unlink(ballast->path);
    close(fd);
}

enum err ballast_make(struct ballast *ballast, int64_t reserve, struct errmsg *why)
{
    if (ballast->bytes == 0) {
        remove_it(ballast);
        atomic_store(&ballast->is_given_up, false);
        return ERR_OK;
    }
    if (atomic_load(&ballast->is_there))
        return ERR_OK;
    int fd = -1;
    bool is_new = false;
    struct stat st;
    enum err err = open_it(ballast, &fd, &is_new, why);
    if (err != ERR_OK)
        return err;
    if (!is_ours(fd, &st)) {
        close(fd);
        return refuse(ballast, why);
    }
    if (!is_new && st.st_size == 0)
        atomic_store(&ballast->is_given_up, true); /* by an earlier life */
    err = fill(fd, &st, ballast, reserve, why);
    if (err == ERR_OK)
        atomic_store(&ballast->is_given_up, false);
    else if (!atomic_load(&ballast->is_given_up) || ftruncate(fd, 0) != 0)
        unlink(ballast->path); /* what was allocated in part only helps nobody */
    close(fd);
    atomic_store(&ballast->is_there, err == ERR_OK);
    return err;
}

bool ballast_drop(struct ballast *ballast)
{
    if (!ballast)
        return false;
    atomic_store(&ballast->is_there, false);
    struct stat st;
    int fd = open(ballast->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool is_gone = is_ours(fd, &st) && st.st_size > 0 && ftruncate(fd, 0) == 0;
    close(fd);
    if (is_gone)
        atomic_store(&ballast->is_given_up, true);
    return is_gone;
}

bool ballast_is_there(const struct ballast *ballast)
{
    return ballast && atomic_load(&ballast->is_there);
}

bool ballast_is_given_up(const struct ballast *ballast)
{
    return ballast && atomic_load(&ballast->is_given_up);
}

int64_t ballast_bytes(const struct ballast *ballast)
{
    return ballast ? ballast->bytes : 0;
}

/* Writing one file. See exporter/exporter.h. */
#include "exporter/exporter.h"

#include "base/cleanup.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static enum err write_all(int fd, const char *text)
{
    for (size_t len = strlen(text); len > 0;) {
        const ssize_t n = write(fd, text, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return ERR_IO;
        text += n;
        len -= (size_t)n;
    }
    return fsync(fd) == 0 ? ERR_OK : ERR_IO;
}

enum err export_file_write(const char *folder, const json_t *file, struct errmsg *why)
{
    AUTO_FREE char *path = NULL;
    AUTO_FREE char *beside = NULL;
    const char *name = text_of(file, "name");
    if (!name[0] || strchr(name, '/') || name[0] == '.')
        return err_set(why, ERR_INVALID, "this is no name of a file");
    if (asprintf(&path, "%s/%s", folder, name) < 0 || asprintf(&beside, "%s/.%s.new", folder, name) < 0)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    const mode_t mode = strcmp(text_of(file, "mode"), "0700") == 0 ? 0700 : 0600;
    (void)unlink(beside); /* of an earlier attempt that was cut off */
    AUTO_CLOSE int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd >= 0 && fchmod(fd, mode) == 0 && write_all(fd, text_of(file, "text")) == ERR_OK && rename(beside, path) == 0)
        return ERR_OK;
    enum err err = err_set(why, ERR_IO, "%s cannot be written: %s", path, strerror(errno));
    if (fd >= 0)
        (void)unlink(beside);
    return err;
}

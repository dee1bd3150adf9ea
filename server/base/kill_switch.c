#include "base/kill_switch.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

bool kill_switch_is_on(const char *path, struct errmsg *why)
{
    struct stat found;
    if (!path)
        return false;
    if (lstat(path, &found) == 0) {
        errmsg_set(why, "the kill switch %s is there: nothing is written to any provider", path);
        return true;
    }
    if (errno == ENOENT || errno == ENOTDIR)
        return false;
    errmsg_set(why, "it cannot be told whether the kill switch %s is there (%s): nothing is written to any provider",
               path, strerrordesc_np(errno));
    return true;
}

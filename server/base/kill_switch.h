/* The kill switch: a file whose being there forbids every write to any provider, for when the API cannot be reached.
 *
 * Looked at anew each time, since a person who makes it wants it to count now. When in doubt it is there: a disk that
 * does not answer must not let writes through. */
#ifndef TURNOUT_BASE_KILL_SWITCH_H
#define TURNOUT_BASE_KILL_SWITCH_H

#include "base/err.h"

/* Whether anything stands at `path`, a link that leads nowhere among it, or it cannot be told; *why then is a
 * sentence. NULL: there is no such file, ever. Thread-safe. */
bool kill_switch_is_on(const char *path, struct errmsg *why);

#endif

/* The ballast: a file of zeros beside the database, given up when the disk is full, so that the run that is under way
 * can still be journaled, and operators are served.
 *
 * It is not the reserve: that is room which intake leaves to others, and which others than we can fill. It is worth
 * nothing on file systems that do not take room for what is allocated (those that compress, or copy on write).
 * Do not drop it for deliveries: whoever drops it closes intake until it is there again. */
#ifndef TURNOUT_STORE_BALLAST_H
#define TURNOUT_STORE_BALLAST_H

#include "base/err.h"

#include <stdint.h>

struct ballast;

/* Of the database's name and ".ballast". Touches no file; 0 bytes: there is to be none. NULL: out of memory. */
struct ballast *ballast_new(const char *database, int64_t bytes);
void ballast_free(struct ballast *ballast); /* the file stays. Accepts NULL */
/* Makes the file as large as it is to be, where that leaves `reserve` bytes free (one that is not to be is removed).
 * What stands in its place and is not a file of zeros of ours alone is left as it is. ERR_FULL: there is no room for
 * it; ERR_IO: as well for such a file. Done twice, it costs nothing. */
MUST_CHECK enum err ballast_make(struct ballast *ballast, int64_t reserve, struct errmsg *why);
/* Gives its room back. The empty file stays, by which the next life knows it as soon as it cannot make it. False: there
 * was nothing to give, or what is there is not ours. Accepts NULL. */
bool ballast_drop(struct ballast *ballast);
/* NULL: false. Any thread, as the next one. */
bool ballast_is_there(const struct ballast *ballast);
bool ballast_is_given_up(const struct ballast *ballast); /* and not made again; NULL: false */
int64_t ballast_bytes(const struct ballast *ballast);    /* as it is to be; NULL: 0 */

#endif

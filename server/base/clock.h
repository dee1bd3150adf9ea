/* Two kinds of time, both in milliseconds.
 *
 * Wall time is UTC since 1970 and may jump; records and signatures use it. Steady time is CLOCK_BOOTTIME plus an
 * offset taken once at start, so that it reads like wall time at start and never jumps afterwards; the core and
 * all waiting use it. A stored timer keeps its due time with the boot id and offset it was made under, see
 * clock_due_from_stored(). Thread-safe after clock_start(). */
#ifndef TURNOUT_BASE_CLOCK_H
#define TURNOUT_BASE_CLOCK_H

#include "base/err.h"

#include <stdint.h>

/* Takes the offset and reads the boot id. Called once in main(), before any thread. */
void clock_start(void);

int64_t clock_wall_ms(void);
int64_t clock_steady_ms(void);
int64_t clock_offset_ms(void);   /* steady = boot time + offset */
const char *clock_boot_id(void); /* text of /proc/sys/kernel/random/boot_id, "" when it cannot be read */

/* The due time of a stored timer on this process's steady clock: same boot, the same instant of the boot clock;
 * another boot, the same wall time. */
int64_t clock_due_from_stored(int64_t due_at, const char *boot_id, int64_t offset_ms);

#define TIME_TEXT_SIZE 32
/* RFC 3339, UTC, milliseconds: "2026-11-21T02:20:07.123Z". Returns `text`. */
const char *time_format(int64_t wall_ms, char text[TIME_TEXT_SIZE]);
/* RFC 3339 as senders write it: 0 to 9 digits of fraction, any offset, "Z" or "z", a year from 0001. The result is
 * milliseconds since 1970, negative before. ERR_INVALID for anything else. Pure. */
MUST_CHECK enum err time_parse(const char *text, size_t len, int64_t *ret_ms);
/* Seconds since 1970 in digits, with or without a fraction, to the end of the year 9999. ERR_INVALID for anything else,
 * 0 among it, which senders write for no time. Pure. */
MUST_CHECK enum err time_parse_seconds(const char *text, size_t len, int64_t *ret_ms);

#endif

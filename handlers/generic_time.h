/* A time as one of the many monitors writes it. What format it is in is a setting: nothing is guessed from how a number
 * or a text looks, since a wrong guess would put assertions into a wrong order. */
#ifndef TURNOUT_HANDLERS_GENERIC_TIME_H
#define TURNOUT_HANDLERS_GENERIC_TIME_H

#include "base/err.h"

#include <jansson.h>
#include <stdint.h>

/* The choices of the row, and what a value must look like; numbers may be JSON numbers or texts. */
#define GENERIC_TIME_FORMATS "rfc3339|utc|unix|unix_ms"

/* Milliseconds since 1970. False when the value is none of that format, or before 1970, as the "no time" of some
 * programming languages is. `format`: one of the choices. */
bool generic_time_read(const json_t *value, const char *format, int64_t *ret_ms);

#endif

/* Whether the rows of a generic source go together. */
#ifndef TURNOUT_HANDLERS_GENERIC_CHECK_H
#define TURNOUT_HANDLERS_GENERIC_CHECK_H

#include "handlers/json_reader.h"

#include <jansson.h>

#define GENERIC_MAX_IDENTITY 8 /* pointers of one identity */

/* Whether the text is one of an array of strings; NULL: there are none. */
bool generic_is_listed(const json_t *values, const struct json_text *text);

/* That all pointers are pointers, and that no state means two things. ERR_INVALID with a text for the configuration's
 * author. */
MUST_CHECK enum err generic_check(const json_t *args, struct errmsg *why);

#endif

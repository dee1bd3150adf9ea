/* Public ids: UUID version 7 (RFC 9562), time-ordered, 16 bytes in the store, text everywhere else. */
#ifndef TURNOUT_BASE_ID_H
#define TURNOUT_BASE_ID_H

#include "base/err.h"

#include <stdint.h>

#define ID_TEXT_SIZE 37

struct id {
    uint8_t bytes[16];
};

bool id_is_nil(const struct id *id);
bool id_equal(const struct id *a, const struct id *b);
/* Lower-case UUID text. Returns `text`. */
const char *id_format(const struct id *id, char text[ID_TEXT_SIZE]);
/* ERR_INVALID unless it is a UUID of 36 characters (any version). */
MUST_CHECK enum err id_parse(const char *text, size_t len, struct id *ret);

#endif

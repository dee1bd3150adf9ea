/* UTF-8 as RFC 3629 has it. Pure. Looks at single characters; turning them into anything else belongs to the caller. */
#ifndef TURNOUT_BASE_UTF8_H
#define TURNOUT_BASE_UTF8_H

#include <stddef.h>

/* How many of the first `len` bytes make one valid character (1 to 4): no overlong form, no surrogate, nothing above
 * U+10FFFF. 0 when they do not start with one, and when `len` is 0. */
size_t utf8_character_len(const char *text, size_t len);

#endif

/* UTF-8 as RFC 3629 has it. Pure. About single characters; turning texts into anything else belongs to the caller. */
#ifndef TURNOUT_BASE_UTF8_H
#define TURNOUT_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many of the first `len` bytes make one valid character (1 to 4): no overlong form, no surrogate, nothing above
 * U+10FFFF. 0 when they do not start with one, and when `len` is 0. */
size_t utf8_character_len(const char *text, size_t len);

/* How many of the first `len` bytes to take so that they are at most `max` and no character is cut in two; a byte that
 * is part of none counts for itself. */
size_t utf8_cut(const char *text, size_t len, size_t max);

/* Writes the character `code`, one that there is and no surrogate, as 1 to 4 bytes. Returns what follows them. */
char *utf8_put(char *to, int32_t code);

/* Replaces every byte that is not part of well-formed UTF-8, and every control character, by '?', in place: what comes
 * from outside, or was cut to fit, made fit for JSON. */
void utf8_clean(char *text);

#endif

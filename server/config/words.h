/* Words in messages: a value from the file made fit to be shown, and the nearest known word to a mistyped one. Pure. */
#ifndef TURNOUT_SERVER_CONFIG_WORDS_H
#define TURNOUT_SERVER_CONFIG_WORDS_H

#include <stdbool.h>
#include <stddef.h>

/* Room for 64 bytes of text, each made visible at worst, with quotes and dots. */
struct shown {
    char text[272];
};

/* UTF-8 text in double quotes, control characters made visible, cut behind 64 bytes. By value, so that
 * `shown(text).text` can be an argument. Never call it with a secret. */
struct shown shown(const char *text);

/* Names that could have been meant. Pointers are borrowed. */
#define MAX_NAMES 128
struct names {
    const char *items[MAX_NAMES];
    size_t count;
};

void names_add(struct names *names, const char *name); /* beyond MAX_NAMES: left out; NULL: left out */
/* The nearest by insertions, deletions, replacements and swaps of neighbours; NULL when none is near. */
const char *names_nearest(const struct names *names, const char *text);
/* Writes "did you mean "domain"?" or, when none is near, "it can be a, b, c" (or "there are none") into `room` bytes.
 * Returns `ret`. */
const char *names_hint(const struct names *names, const char *text, char *ret, size_t room);

#endif

/* Text as web forms carry it: application/x-www-form-urlencoded, and the entities of HTML.
 *
 * As lenient as browsers: an escape that is none stays as it is, for a body may be anything. What comes out is bytes,
 * NUL and worse among them: whether they are text is for the caller to see. */
#ifndef TURNOUT_HANDLERS_FORM_H
#define TURNOUT_HANDLERS_FORM_H

#include "handlers/arena.h"
#include "handlers/json_reader.h"

#include <stdbool.h>
#include <stddef.h>

struct form_reader {
    const char *at, *end;
    struct arena *arena;
    bool is_broken; /* out of memory */
};

/* Borrows both. */
void form_reader_init(struct form_reader *reader, const char *text, size_t len, struct arena *arena);
/* The next "name=value", or "name" alone with an empty value, decoded: "+" is a blank. False at the end, and when out
 * of memory. */
bool form_reader_next(struct form_reader *reader, struct json_text *ret_name, struct json_text *ret_value);

/* Decodes &amp; &lt; &gt; &quot; &apos; and characters by number, once and in place, and returns what is left of `len`.
 * An entity that is none, or of a control character, stays as it is: text that was UTF-8 still is. */
size_t entities_decode(char *text, size_t len);
/* The same text so that entities_decode() gives it back: "&amp;" for each "&" that would begin an entity. */
bool entities_encode(const struct json_text *text, struct arena *arena, struct json_text *ret);

#endif

/* Pieces of the break-glass files. What comes from outside is made harmless here: no control character passes. */
#ifndef TURNOUT_CORE_EXPORT_TEXT_H
#define TURNOUT_CORE_EXPORT_TEXT_H

#include "base/strbuf.h"

#include <jansson.h>

const char *export_text(const json_t *object, const char *key); /* "" where there is none */
void export_line(struct strbuf *out, const char *text);         /* on one line */
void export_quote(struct strbuf *out, const char *text);        /* one word of sh, on one line */
/* "target 192.0.2.10, ttl 30": the members of an object in the order of their names; nothing for none. */
void export_values(struct strbuf *out, const json_t *values);
/* What the step is about, in one sentence: what is there and what is to be. */
void export_what(struct strbuf *out, const json_t *step);
bool export_is_check(const json_t *step);

#endif

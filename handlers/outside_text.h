/* Values from outside made fit to be shown, compared and kept: text without control characters, and without secrets.
 *
 * Done in the order below, and the trimming again at last, they change nothing when all is done again to what they
 * gave, once entities_encode() has been at it: what a handler keeps in place of a body rests on that. */
#ifndef TURNOUT_HANDLERS_OUTSIDE_TEXT_H
#define TURNOUT_HANDLERS_OUTSIDE_TEXT_H

#include "handlers/arena.h"
#include "handlers/json_reader.h"
#include "handlers/source.h"

/* A copy in the arena, NUL-terminated, without blanks around it, each byte that is not UTF-8 and each control character
 * (NUL too) replaced by "?" (*ret_is_text: there was none), and then the entities of HTML decoded. NULL: out of memory.
 */
char *outside_text(const struct json_text *from, struct arena *arena, bool *ret_is_text);
/* Cuts the blanks off its end, and returns where it begins behind those at its start. */
char *outside_text_trim(char *text);
/* Puts "***" for each of the source's credentials that stands in it, in place. One of less than 8 bytes is let be: it
 * may be a word. */
void conceal_credentials(char *text, const struct source *source);
/* "https://user:password@host/" without what is before the host, in place. */
void drop_user_information(char *text);

#endif

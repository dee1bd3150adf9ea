/* JSON as text, all of it or nothing. */
#ifndef TURNOUT_CORE_JSON_WHOLE_H
#define TURNOUT_CORE_JSON_WHOLE_H

#include <jansson.h>
#include <stddef.h>

/* The text of `json` with these flags of json_dumps(), for the caller to free. NULL: memory is short, or `json` is NULL
 * or cannot be text. Callable from any thread while nobody changes `json`. */
char *json_whole(const json_t *json, size_t flags);

#endif

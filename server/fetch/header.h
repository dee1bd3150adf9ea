/* The headers of an answer that somebody reads. For fetch/fetch.c alone. */
#ifndef TURNOUT_SERVER_FETCH_HEADER_H
#define TURNOUT_SERVER_FETCH_HEADER_H

#include "fetch/fetch.h"

/* Takes one into the response; what is no such header, or cannot be read, is as if it were not there. */
void fetch_header_take(struct fetch_response *response, const char *name, const char *value);
/* None of them has come: what follows is another answer. */
void fetch_headers_forget(struct fetch_response *response);
/* Copies what can be shown of a text, cut to the room there is; anything else becomes a question mark. */
void fetch_text_copy(char *ret, size_t room, const char *value);

#endif

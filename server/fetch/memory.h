/* libcurl's memory, for fetch/fetch.c. */
#ifndef TURNOUT_SERVER_FETCH_MEMORY_H
#define TURNOUT_SERVER_FETCH_MEMORY_H

#include <stdbool.h>

/* Initialises libcurl with it; false: that does not work. */
bool fetch_memory_start(void);
/* Of this thread: whether libcurl was without memory since the last begin; and that the caller was, for it. */
void fetch_memory_begin(void);
bool fetch_memory_is_short(void);
void fetch_memory_note(void);

#endif

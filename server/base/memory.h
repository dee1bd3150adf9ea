/* Memory for who cannot be told that there is none. */
#ifndef TURNOUT_BASE_MEMORY_H
#define TURNOUT_BASE_MEMORY_H

#include <stddef.h>

/* As malloc(), but never NULL: memory is waited for. Where there is none for 10 s the process ends, and its next start
 * takes up what it left. */
void *memory_wait(size_t size);

#endif

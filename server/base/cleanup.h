/* Cleanup attributes: what a function acquires is released on every way out. Destructors accept NULL. */
#ifndef TURNOUT_BASE_CLEANUP_H
#define TURNOUT_BASE_CLEANUP_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CLEANUP(function) __attribute__((cleanup(function)))

static inline void cleanup_free(void *pointer_to_pointer)
{
    free(*(void **)pointer_to_pointer);
}
static inline void cleanup_close(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
static inline void cleanup_fclose(FILE **file)
{
    if (*file)
        fclose(*file);
}
#define AUTO_FREE CLEANUP(cleanup_free)
#define AUTO_CLOSE CLEANUP(cleanup_close)
#define AUTO_FCLOSE CLEANUP(cleanup_fclose)

/* Moves ownership out of a variable under cleanup: `return TAKE(x);` */
#define TAKE(variable)                                                                                                 \
    (__extension__({                                                                                                   \
        __typeof__(variable) taken_ = (variable);                                                                      \
        (variable) = NULL;                                                                                             \
        taken_;                                                                                                        \
    }))

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

#endif

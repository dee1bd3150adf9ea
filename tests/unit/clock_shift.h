/* The clocks are the test's: it lets a month pass, and makes the wall clock jump. For tests that are linked with
 * --wrap=clock_wall_ms,--wrap=clock_steady_ms. */
#ifndef TURNOUT_TESTS_CLOCK_SHIFT_H
#define TURNOUT_TESTS_CLOCK_SHIFT_H

#include <stdatomic.h>
#include <stdint.h>

int64_t __real_clock_wall_ms(void);
int64_t __real_clock_steady_ms(void);
int64_t __wrap_clock_wall_ms(void);
int64_t __wrap_clock_steady_ms(void);

static atomic_llong wall_shift, steady_shift;

int64_t __wrap_clock_wall_ms(void)
{
    return __real_clock_wall_ms() + atomic_load(&wall_shift);
}

int64_t __wrap_clock_steady_ms(void)
{
    return __real_clock_steady_ms() + atomic_load(&steady_shift);
}

static inline void pass(int64_t ms)
{
    atomic_fetch_add(&wall_shift, ms);
    atomic_fetch_add(&steady_shift, ms);
}

#endif

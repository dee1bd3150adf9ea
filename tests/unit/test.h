/* What every unit test includes: cmocka with the headers that it wants before it. Helpers of one module's tests belong
 * into that module's test. */
#ifndef TURNOUT_TESTS_UNIT_TEST_H
#define TURNOUT_TESTS_UNIT_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#endif

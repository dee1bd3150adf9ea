/*
 * Linked into the tests that start no thread, which is why the thread sanitizer leaves them out (tests/CMakeLists.txt).
 * One that does start a thread ends here, and has to be taken from that list.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context);

int __wrap_pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context)
{
    (void)thread, (void)attributes, (void)run, (void)context;
    fputs("This test starts a thread: take it from the list without_threads in tests/CMakeLists.txt.\n", stderr);
    abort();
}

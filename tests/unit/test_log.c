#include "base/clock.h"
#include "base/log.h"
#include "tests/unit/test.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char captured[1 << 20];
static int saved_stderr, capture;

static void capture_start(void)
{
    char path[] = "/tmp/turnout-test-log-XXXXXX";
    capture = mkostemp(path, O_APPEND);
    assert_true(capture >= 0);
    unlink(path);
    saved_stderr = dup(STDERR_FILENO);
    dup2(capture, STDERR_FILENO);
}

/* What was logged since; `captured` keeps it. */
static const char *capture_end(void)
{
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
    ssize_t len = pread(capture, captured, sizeof(captured) - 1, 0);
    close(capture);
    assert_true(len >= 0);
    captured[len] = '\0';
    return captured;
}

/* The message of the only line; checks its time and level. */
static const char *message_of(const char *line, const char *level)
{
    int64_t ms;
    assert_int_equal(time_parse(line, 24, &ms), ERR_OK);
    assert_true(ms > clock_wall_ms() - 60000 && ms <= clock_wall_ms());
    assert_int_equal(line[24], ' ');
    size_t level_len = strlen(level);
    assert_memory_equal(line + 25, level, level_len);
    assert_int_equal(line[25 + level_len], ' ');
    const char *message = line + 26 + level_len;
    char *end = strchr(message, '\n');
    assert_non_null(end);
    assert_int_equal(end[1], '\0');
    *end = '\0';
    return message;
}

static void a_line(void **state)
{
    (void)state;
    capture_start();
    errno = EBUSY;
    log_warning("port %d is %s", 80, "taken");
    int kept = errno;
    assert_string_equal(message_of(capture_end(), "warning"), "port 80 is taken");
    assert_int_equal(kept, EBUSY);
}

static void levels(void **state)
{
    (void)state;
    capture_start();
    log_debug("hidden");
    log_set_level(LOG_LEVEL_ERROR);
    log_info("hidden");
    log_warning("hidden");
    log_error("seen");
    log_set_level(LOG_LEVEL_INFO);
    assert_string_equal(message_of(capture_end(), "error"), "seen");

    log_set_level(LOG_LEVEL_DEBUG);
    capture_start();
    log_debug("seen too");
    log_set_level(LOG_LEVEL_INFO);
    assert_string_equal(message_of(capture_end(), "debug"), "seen too");
}

static void control_characters_are_made_visible(void **state)
{
    (void)state;
    capture_start();
    log_info("%s", "a\nb\rc\td\x1b[31me\x7f\x01\xc2\x9b"
                   "f\xff"
                   "g\xc3\xa4\xe2\x82");
    assert_string_equal(message_of(capture_end(), "info"), "a\\nb\\rc\\td\\x1b[31me\\x7f\\x01\\xc2\\x9bf\\xffg"
                                                           "\xc3\xa4\\xe2\\x82");
}

static void long_lines_are_cut(void **state)
{
    (void)state;
    static char text[10000];
    memset(text, 'x', sizeof(text) - 1);
    capture_start();
    log_info("%s", text);
    const char *line = capture_end();
    size_t len = strlen(line);
    assert_in_range(len, 3000, 4096);
    assert_string_equal(line + len - 5, "x...\n");

    /* Each byte becomes four. */
    memset(text, '\x01', sizeof(text) - 1);
    capture_start();
    log_info("%s", text);
    line = capture_end();
    len = strlen(line);
    assert_in_range(len, 4000, 4096);
    assert_string_equal(line + len - 8, "\\x01...\n");
}

static void *log_many(void *argument)
{
    (void)argument;
    for (int i = 0; i < 200; i++)
        log_info("abcdefghijklmnopqrstuvwxyz %s", "0123456789");
    return NULL;
}

static void lines_of_several_threads_do_not_mix(void **state)
{
    (void)state;
    capture_start();
    pthread_t threads[4];
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, log_many, NULL), 0);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    const char *at = capture_end();
    int lines = 0;
    for (const char *end; (end = strchr(at, '\n')); at = end + 1, lines++) {
        assert_int_equal(end - at, 24 + 1 + 4 + 1 + 37);
        assert_memory_equal(end - 37, "abcdefghijklmnopqrstuvwxyz 0123456789", 37);
    }
    assert_int_equal(lines, 800);
}

static void a_closed_standard_error_is_survived(void **state)
{
    (void)state;
    saved_stderr = dup(STDERR_FILENO);
    close(STDERR_FILENO);
    log_error("nobody hears");
    dup2(saved_stderr, STDERR_FILENO);
    close(saved_stderr);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line),
        cmocka_unit_test(levels),
        cmocka_unit_test(control_characters_are_made_visible),
        cmocka_unit_test(long_lines_are_cut),
        cmocka_unit_test(lines_of_several_threads_do_not_mix),
        cmocka_unit_test(a_closed_standard_error_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/kill_switch.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/turnout-test-XXXXXX";
static char path[64];

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/stop", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

static void test_there_or_not(void **state)
{
    (void)state;
    struct errmsg why = {""};
    assert_false(kill_switch_is_on(NULL, &why));
    assert_false(kill_switch_is_on(path, &why));
    assert_string_equal(why.text, "");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(kill_switch_is_on(path, &why));
    assert_non_null(strstr(why.text, "is there: nothing is written"));
    char below[80];
    snprintf(below, sizeof below, "%s/x", path);
    assert_false(kill_switch_is_on(below, &why)); /* a file is no folder: nothing can be in it */
    fclose(file);
    unlink(path);
    assert_false(kill_switch_is_on(path, &why));
}

static void test_a_folder_and_a_link_count(void **state)
{
    (void)state;
    struct errmsg why = {""};
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(kill_switch_is_on(path, &why));
    rmdir(path);
    assert_int_equal(symlink("/nowhere/at/all", path), 0);
    assert_true(kill_switch_is_on(path, &why));
    unlink(path);
}

/* Whatever else the system says: it cannot be told. */
static void test_in_doubt_it_is_there(void **state)
{
    (void)state;
    struct errmsg why = {""};
    char longer[5000];
    memset(longer, 'x', sizeof longer - 1);
    longer[0] = '/';
    longer[sizeof longer - 1] = '\0';
    assert_true(kill_switch_is_on(longer, &why));
    assert_non_null(strstr(why.text, "it cannot be told whether"));
    assert_int_equal(symlink("stop", path), 0); /* a circle on the way there */
    char below[80];
    snprintf(below, sizeof below, "%s/x", path);
    assert_true(kill_switch_is_on(below, &why));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_or_not),
        cmocka_unit_test(test_a_folder_and_a_link_count),
        cmocka_unit_test(test_in_doubt_it_is_there),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

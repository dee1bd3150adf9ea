#include "base/secret.h"
#include "tests/unit/test.h"

static void setting(void **state)
{
    (void)state;
    struct secret s = {0};
    assert_false(secret_is_set(&s));
    assert_int_equal(secret_set(&s, "one\0two", 7), ERR_OK);
    assert_true(secret_is_set(&s));
    assert_int_equal(s.len, 7);
    assert_memory_equal(s.bytes, "one\0two", 8);
    assert_int_equal(secret_set(&s, "three", 5), ERR_OK);
    assert_string_equal(s.bytes, "three");
    /* From itself. */
    assert_int_equal(secret_set(&s, s.bytes, 3), ERR_OK);
    assert_string_equal(s.bytes, "thr");
    assert_int_equal(secret_set(&s, NULL, 0), ERR_OK);
    assert_true(secret_is_set(&s));
    assert_string_equal(s.bytes, "");
    secret_done(&s);
    assert_false(secret_is_set(&s));
    secret_done(&s);
}

static void comparing(void **state)
{
    (void)state;
    struct secret s = {0};
    assert_false(secret_equal(&s, "", 0)); /* not set: nothing is equal */
    assert_int_equal(secret_set(&s, "token", 5), ERR_OK);
    assert_true(secret_equal(&s, "token", 5));
    assert_true(secret_equal(&s, "token, and more", 5));
    assert_false(secret_equal(&s, "token", 4));
    assert_false(secret_equal(&s, "tokem", 5));
    assert_false(secret_equal(&s, "token\0", 6));
    assert_false(secret_equal(&s, NULL, 0));
    secret_done(&s);
}

static void wiping(void **state)
{
    (void)state;
    char bytes[] = "secret";
    secret_wipe(bytes, 5);
    assert_memory_equal(bytes, "\0\0\0\0\0t", 7);
    secret_wipe(bytes, 0);
    assert_int_equal(bytes[5], 't');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(setting),
        cmocka_unit_test(comparing),
        cmocka_unit_test(wiping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

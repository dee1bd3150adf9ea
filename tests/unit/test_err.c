#include "base/cleanup.h"
#include "base/err.h"
#include "base/utf8.h"
#include "tests/unit/test.h"

static void names_are_there(void **state)
{
    (void)state;
    assert_string_equal(err_name(ERR_OK), "ok");
    assert_string_equal(err_name(ERR_TEMPORARY), "temporary");
    assert_string_equal(err_name(ERR_INTERNAL), "internal error");
    assert_non_null(err_name((enum err)1000));
}

static void set_and_prefix(void **state)
{
    (void)state;
    struct errmsg why;
    assert_int_equal(err_set(&why, ERR_INVALID, "line %d: %s", 3, "odd"), ERR_INVALID);
    assert_string_equal(why.text, "line 3: odd");
    assert_int_equal(err_prefix(&why, ERR_IO, "file %s", "a.yaml"), ERR_IO);
    assert_string_equal(why.text, "file a.yaml: line 3: odd");
}

static void an_argument_may_be_the_old_text(void **state)
{
    (void)state;
    struct errmsg why;
    err_set(&why, ERR_IO, "disk");
    err_set(&why, ERR_FULL, "no room: %s", why.text);
    assert_string_equal(why.text, "no room: disk");
}

static void null_is_accepted(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, ERR_BUSY, "x"), ERR_BUSY);
    assert_int_equal(err_prefix(NULL, ERR_BUSY, "x"), ERR_BUSY);
}

static void long_text_is_cut_with_dots(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    struct errmsg why;

    text[511] = '\0'; /* just fits */
    err_set(&why, ERR_INVALID, "%s", text);
    assert_string_equal(why.text, text);

    text[511] = 'a';
    err_set(&why, ERR_INVALID, "%s", text);
    assert_int_equal(strlen(why.text), 511);
    assert_string_equal(why.text + 507, "a...");

    err_prefix(&why, ERR_INVALID, "context");
    assert_memory_equal(why.text, "context: aaa", 12);
    assert_string_equal(why.text + 507, "a...");
}

static void cutting_leaves_no_half_character(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char text[1000] = "";
        memset(text, 'a', (size_t)shift);
        for (int i = shift; i < 900; i += 3)
            memcpy(text + i, "\xe2\x82\xac", 4);
        struct errmsg why;
        err_set(&why, ERR_INVALID, "%s", text);
        size_t len = strlen(why.text), at = 0;
        assert_true(len <= 511 && len >= 509);
        while (at < len) {
            size_t character = utf8_character_len(why.text + at, len - at);
            assert_int_not_equal(character, 0);
            at += character;
        }
        assert_string_equal(why.text + len - 3, "...");
    }
}

static char *taken_from(char *text)
{
    char *copy AUTO_FREE = strdup(text);
    return TAKE(copy);
}

static void take_moves_ownership(void **state)
{
    (void)state;
    char text[] = "kept";
    char *copy AUTO_FREE = taken_from(text);
    assert_string_equal(copy, "kept");
    FILE *file CLEANUP(cleanup_fclose) = NULL;
    assert_null(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_there),
        cmocka_unit_test(set_and_prefix),
        cmocka_unit_test(an_argument_may_be_the_old_text),
        cmocka_unit_test(null_is_accepted),
        cmocka_unit_test(long_text_is_cut_with_dots),
        cmocka_unit_test(cutting_leaves_no_half_character),
        cmocka_unit_test(take_moves_ownership),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

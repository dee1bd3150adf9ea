#include "base/utf8.h"
#include "tests/unit/test.h"

#define CHARACTER_LEN(text) utf8_character_len(text, sizeof(text) - 1)

static void valid_characters(void **state)
{
    (void)state;
    assert_int_equal(CHARACTER_LEN("a"), 1);
    assert_int_equal(CHARACTER_LEN("\0"), 1);
    assert_int_equal(CHARACTER_LEN("\x7f"), 1);
    assert_int_equal(CHARACTER_LEN("\xc2\x80"), 2);
    assert_int_equal(CHARACTER_LEN("\xdf\xbf rest"), 2);
    assert_int_equal(CHARACTER_LEN("\xe0\xa0\x80"), 3);
    assert_int_equal(CHARACTER_LEN("\xed\x9f\xbf"), 3);
    assert_int_equal(CHARACTER_LEN("\xee\x80\x80"), 3);
    assert_int_equal(CHARACTER_LEN("\xef\xbf\xbf"), 3);
    assert_int_equal(CHARACTER_LEN("\xf0\x90\x80\x80"), 4);
    assert_int_equal(CHARACTER_LEN("\xf4\x8f\xbf\xbf"), 4);
}

static void invalid_characters(void **state)
{
    (void)state;
    assert_int_equal(utf8_character_len("", 0), 0);
    assert_int_equal(CHARACTER_LEN("\x80"), 0);
    assert_int_equal(CHARACTER_LEN("\xbf"), 0);
    assert_int_equal(CHARACTER_LEN("\xff"), 0);
    assert_int_equal(CHARACTER_LEN("\xf5\x80\x80\x80"), 0);
    assert_int_equal(CHARACTER_LEN("\xc0\x80"), 0);         /* overlong NUL */
    assert_int_equal(CHARACTER_LEN("\xc1\xbf"), 0);         /* overlong */
    assert_int_equal(CHARACTER_LEN("\xe0\x9f\xbf"), 0);     /* overlong */
    assert_int_equal(CHARACTER_LEN("\xf0\x8f\xbf\xbf"), 0); /* overlong */
    assert_int_equal(CHARACTER_LEN("\xed\xa0\x80"), 0);     /* surrogate */
    assert_int_equal(CHARACTER_LEN("\xf4\x90\x80\x80"), 0); /* above U+10FFFF */
    assert_int_equal(CHARACTER_LEN("\xc3"), 0);             /* cut */
    assert_int_equal(CHARACTER_LEN("\xe2\x82"), 0);
    assert_int_equal(CHARACTER_LEN("\xf0\x9f\x98"), 0);
    assert_int_equal(CHARACTER_LEN("\xe2\x82q"), 0);
    assert_int_equal(CHARACTER_LEN("\xf0\x9f\x98q"), 0);
}

/* Every character, at the bounds of each length, is written as what is read back as one. */
static void characters_are_written_as_they_are_read(void **state)
{
    (void)state;
    static const struct {
        int32_t code;
        const char *text;
    } cases[] = {
        {1, "\x01"},
        {0x7f, "\x7f"},
        {0x80, "\xc2\x80"},
        {0x7ff, "\xdf\xbf"},
        {0x800, "\xe0\xa0\x80"},
        {0xffff, "\xef\xbf\xbf"},
        {0x10000, "\xf0\x90\x80\x80"},
        {0x10ffff, "\xf4\x8f\xbf\xbf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[5] = "";
        assert_int_equal(utf8_put(text, cases[i].code) - text, strlen(cases[i].text));
        assert_string_equal(text, cases[i].text);
        assert_int_equal(utf8_character_len(text, strlen(text)), strlen(text));
    }
}

static void cleaning_keeps_the_length(void **state)
{
    (void)state;
    char text[] = "gr\xc3\xbc\xc3\x9f \xff\t\x1b[31m \xe2\x82";
    utf8_clean(text);
    assert_string_equal(text, "gr\xc3\xbc\xc3\x9f ???[31m ??");
    char empty[] = "";
    utf8_clean(empty);
    assert_string_equal(empty, "");
}

static void cleaning(void **state)
{
    (void)state;
    char text[] = "a\nb\x1b"
                  "c\x7f\xc3\xa4\xc2\x9b\xc2\xa0\xff\xe2\x82";
    utf8_clean(text);
    assert_string_equal(text, "a?b?c?\xc3\xa4??\xc2\xa0???");
    utf8_clean(text);
    assert_string_equal(text, "a?b?c?\xc3\xa4??\xc2\xa0???");
    char empty[] = "";
    utf8_clean(empty);
    assert_string_equal(empty, "");
}

static void cutting_leaves_characters_whole(void **state)
{
    (void)state;
    const char *text = "a\xc3\xa4\xe2\x82\xac\xff\xe2"; /* a, two bytes, three bytes, two that are none */
    static const size_t taken[] = {0, 1, 1, 3, 3, 3, 6, 7, 8, 8};
    for (size_t max = 0; max < sizeof taken / sizeof taken[0]; max++)
        assert_int_equal(utf8_cut(text, 8, max), taken[max]);
    assert_int_equal(utf8_cut(text, 2, 8), 2); /* the first byte of a character whose rest is not there */
    assert_int_equal(utf8_cut(text, 0, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_characters),
        cmocka_unit_test(invalid_characters),
        cmocka_unit_test(cleaning),
        cmocka_unit_test(cutting_leaves_characters_whole),
        cmocka_unit_test(characters_are_written_as_they_are_read),
        cmocka_unit_test(cleaning_keeps_the_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "base/strbuf.h"
#include "tests/unit/test.h"

#include <jansson.h>
#include <stdlib.h>

static void adding(void **state)
{
    (void)state;
    struct strbuf s = STRBUF_INIT;
    assert_string_equal(strbuf_text(&s), "");
    strbuf_adds(&s, "one");
    strbuf_addc(&s, ' ');
    strbuf_addf(&s, "%s %d", "two", 3);
    strbuf_add(&s, "\0x", 2);
    assert_int_equal(s.len, 11);
    assert_memory_equal(s.data, "one two 3\0x", 12);
    assert_false(s.is_broken);
    strbuf_clear(&s);
    assert_string_equal(strbuf_text(&s), "");
    strbuf_adds(&s, "again");
    assert_string_equal(strbuf_text(&s), "again");
    strbuf_done(&s);
    assert_null(s.data);
    strbuf_done(&s);
}

static void it_grows(void **state)
{
    (void)state;
    struct strbuf s = STRBUF_INIT;
    for (int i = 0; i < 100000; i++)
        strbuf_addf(&s, "%d,", i % 10);
    assert_int_equal(s.len, 200000);
    assert_int_equal(s.data[199998], '9');
    assert_int_equal(strlen(s.data), 200000);
    strbuf_done(&s);
}

static void the_bound_breaks_it(void **state)
{
    (void)state;
    struct strbuf s = {.max_len = 5};
    strbuf_adds(&s, "12345");
    assert_false(s.is_broken);
    strbuf_addc(&s, '6');
    assert_true(s.is_broken);
    assert_string_equal(strbuf_text(&s), "12345");
    strbuf_addf(&s, "%s", "");
    assert_true(s.is_broken);
    assert_null(strbuf_take(&s));
    assert_null(s.data);
    assert_int_equal(s.max_len, 5);

    strbuf_addf(&s, "%d", 123456);
    assert_true(s.is_broken);
    strbuf_clear(&s);
    assert_false(s.is_broken);
    strbuf_add(&s, "x", SIZE_MAX); /* must not wrap */
    assert_true(s.is_broken);
    strbuf_done(&s);
    assert_false(s.is_broken);

    struct strbuf big = STRBUF_INIT;
    strbuf_add(&big, "x", STRBUF_MAX + 1);
    assert_true(big.is_broken);
    strbuf_done(&big);
}

static void taking(void **state)
{
    (void)state;
    struct strbuf s = STRBUF_INIT;
    char *empty = strbuf_take(&s);
    assert_string_equal(empty, "");
    free(empty);
    strbuf_adds(&s, "mine");
    char *text = strbuf_take(&s);
    assert_string_equal(text, "mine");
    assert_int_equal(s.len, 0);
    assert_null(s.data);
    free(text);
}

static void assert_json(const char *bytes, size_t len, const char *wanted)
{
    struct strbuf s = STRBUF_INIT;
    strbuf_add_json(&s, bytes, len);
    assert_string_equal(strbuf_text(&s), wanted);
    strbuf_done(&s);
}
#define ASSERT_JSON(bytes, wanted) assert_json(bytes, sizeof(bytes) - 1, wanted)

static void json_strings(void **state)
{
    (void)state;
    ASSERT_JSON("", "\"\"");
    ASSERT_JSON("plain", "\"plain\"");
    ASSERT_JSON("a\"b\\c/d", "\"a\\\"b\\\\c/d\"");
    ASSERT_JSON("\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\"");
    ASSERT_JSON("\0\x1b\x1f\x7f", "\"\\u0000\\u001b\\u001f\x7f\"");
    ASSERT_JSON("\xc3\xa4\xf0\x9f\x98\x80", "\"\xc3\xa4\xf0\x9f\x98\x80\"");
}

static void json_strings_of_bytes_that_are_not_utf8(void **state)
{
    (void)state;
    ASSERT_JSON("a\xff"
                "b",
                "\"a\xef\xbf\xbd"
                "b\"");
    ASSERT_JSON("\xc3", "\"\xef\xbf\xbd\"");
    ASSERT_JSON("\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    ASSERT_JSON("\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    ASSERT_JSON("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

/* Whatever the bytes, jansson reads the string. */
static void json_strings_are_read_by_jansson(void **state)
{
    (void)state;
    uint32_t random = 7;
    for (int i = 0; i < 2000; i++) {
        char bytes[24];
        for (size_t k = 0; k < sizeof(bytes); k++) {
            random = random * 1664525 + 1013904223;
            bytes[k] = (char)(random >> 24);
        }
        struct strbuf s = STRBUF_INIT;
        strbuf_add_json(&s, bytes, sizeof(bytes));
        json_t *json = json_loadb(s.data, s.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        assert_true(json_is_string(json));
        json_decref(json);
        strbuf_done(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(adding),
        cmocka_unit_test(it_grows),
        cmocka_unit_test(the_bound_breaks_it),
        cmocka_unit_test(taking),
        cmocka_unit_test(json_strings),
        cmocka_unit_test(json_strings_of_bytes_that_are_not_utf8),
        cmocka_unit_test(json_strings_are_read_by_jansson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

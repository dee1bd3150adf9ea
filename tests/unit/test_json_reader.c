/* The JSON reader: what it accepts, what it refuses and where, its bounds, and the sticky first error. */
#include "base/cleanup.h"
#include "handlers/json_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static enum err skip_whole(const char *text, size_t len, struct errmsg *why)
{
    /* In memory of exactly its size, so that ASan sees a read beyond the end. */
    char *copy AUTO_FREE = malloc(len > 0 ? len : 1);
    memcpy(copy, text, len);
    struct arena arena;
    arena_init(&arena);
    struct json_reader reader;
    json_reader_init(&reader, copy, len, &arena, why);
    json_reader_skip(&reader);
    enum err err = json_reader_end(&reader);
    arena_done(&arena);
    return err;
}

static void accepts_what_is_json(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        " [ ] ",
        "\"\"",
        "0",
        "-0",
        "-1.5e+10",
        "1E5",
        "true",
        "false",
        "null",
        "[[[]]]",
        "{\"a\":{\"b\":[1,2,{}]},\"c\":null}",
        "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u20ac\\ud83d\\udea8\"]",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x9a\xa8\"",
        "\t\r\n {\"\":\"\"}\n",
        "123456789012345678901234567890",
        "{\"a\":1,\"A\":2,\"aa\":3}",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        struct errmsg why = {""};
        if (skip_whole(good[i], strlen(good[i]), &why) != ERR_OK)
            fail_msg("%s: %s", good[i], why.text);
    }
}

static void refuses_what_is_not(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        {"", "byte 0: the text ends too early"},
        {"  ", "byte 2: the text ends too early"},
        {"{", "byte 1: the text ends too early"},
        {"{\"a\"", "byte 4: the text ends too early"},
        {"{\"a\":", "byte 5: the text ends too early"},
        {"{\"a\":1", "byte 6: the text ends too early"},
        {"{\"a\":1,}", "byte 7: expected a key in quotes"},
        {"{a:1}", "byte 1: expected a key in quotes"},
        {"{\"a\" 1}", "byte 5: expected ':'"},
        {"{\"a\":1 \"b\":2}", "byte 7: expected ',' or '}'"},
        {"[1 2]", "byte 3: expected ',' or ']'"},
        {"[1,]", "byte 3: expected a value"},
        {"[1}", "byte 2: expected ',' or ']'"},
        {"[,1]", "byte 1: expected a value"},
        {"{} {}", "byte 3: something follows the end of the text"},
        {"01", "byte 1: a number begins with 0"},
        {"1.", "byte 2: the text ends too early"},
        {"[1.]", "byte 3: expected a digit"},
        {"[-]", "byte 2: expected a digit"},
        {"[1e+]", "byte 4: expected a digit"},
        {"[+1]", "byte 1: expected a value"},
        {"[.5]", "byte 1: expected a value"},
        {"nul", "byte 0: expected a value"},
        {"trueish", "byte 4: something follows the end of the text"},
        {"'a'", "byte 0: expected a value"},
        {"\"a", "byte 2: the text ends within a string"},
        {"\"a\\", "byte 3: the text ends within a string"},
        {"\"a\\x\"", "byte 2: no such escape in a string"},
        {"\"\\u12g4\"", "byte 1: \\u without four hexadecimal digits"},
        {"\"\\u0000\"", "byte 1: NUL in a string"},
        {"\"\\ud83d\"", "byte 1: half of a surrogate pair in a string"},
        {"\"\\ud83d\\u0041\"", "byte 1: half of a surrogate pair in a string"},
        {"\"\\udea8\"", "byte 1: half of a surrogate pair in a string"},
        {"\"a\nb\"", "byte 2: a control character in a string"},
        {"\"0123456\x1f\"", "byte 8: a control character in a string"},
        {"\"\xff\"", "byte 1: not UTF-8"},
        {"\"\xc0\xaf\"", "byte 1: not UTF-8"},
        {"\"\xe0\x80\xaf\"", "byte 1: not UTF-8"},
        {"\"\xed\xa0\x80\"", "byte 1: not UTF-8"},
        {"\"\xf0\x8f\xbf\xbf\"", "byte 1: not UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "byte 1: not UTF-8"},
        {"\"\xf5\x80\x80\x80\"", "byte 1: not UTF-8"},
        {"\"\xe2\x82\"", "byte 1: not UTF-8"},
        {"\xef\xbb\xbf{}", "byte 0: expected a value"},
        {"{\"a\":1,\"a\":2}", "byte 7: the same key twice in one object"},
        {"[{\"abc\":1,\"\\u0061bc\":2}]", "byte 10: the same key twice in one object"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct errmsg why = {""};
        assert_int_equal(skip_whole(bad[i].text, strlen(bad[i].text), &why), ERR_INVALID);
        assert_string_equal(why.text, bad[i].why);
    }
    struct errmsg why;
    assert_int_equal(skip_whole("\"a\0b\"", 5, &why), ERR_INVALID);
    assert_int_equal(skip_whole("[1,\0]", 5, &why), ERR_INVALID);
}

static void keys_are_compared_within_one_object(void **state)
{
    (void)state;
    struct errmsg why;
    const char *good = "{\"a\":{\"a\":{\"a\":1},\"b\":2},\"b\":[{\"a\":1},{\"a\":1}]}";
    assert_int_equal(skip_whole(good, strlen(good), &why), ERR_OK);
    const char *bad = "{\"a\":{\"x\":1,\"y\":2},\"b\":1,\"a\":2}";
    assert_int_equal(skip_whole(bad, strlen(bad), &why), ERR_INVALID);
}

static void bounds_depth_and_keys(void **state)
{
    (void)state;
    char text[32768];
    struct errmsg why;
    for (int depth = JSON_READER_MAX_DEPTH; depth <= JSON_READER_MAX_DEPTH + 1; depth++) {
        memset(text, '[', (size_t)depth);
        memset(text + depth, ']', (size_t)depth);
        enum err expected = depth > JSON_READER_MAX_DEPTH ? ERR_TOO_BIG : ERR_OK;
        assert_int_equal(skip_whole(text, (size_t)depth * 2, &why), expected);
    }
    assert_string_equal(why.text, "byte 32: nested too deeply");
    for (int keys = JSON_READER_MAX_KEYS; keys <= JSON_READER_MAX_KEYS + 1; keys++) {
        size_t len = 0;
        for (int i = 0; i < keys; i++)
            len += (size_t)sprintf(text + len, "%s\"key %d\":%d", i == 0 ? "{" : ",", i, i);
        text[len++] = '}';
        assert_int_equal(skip_whole(text, len, &why), keys > JSON_READER_MAX_KEYS ? ERR_TOO_BIG : ERR_OK);
    }
}

static void reads_values(void **state)
{
    (void)state;
    const char *text = " {\"n\": -12.5e3, \"t\": \"plain\", \"e\": \"a\\u00e9\\n\\ud83d\\udea8\\/\", \"yes\": true, "
                       "\"list\": [1, null], \"\\u006bey\": {}} ";
    struct arena arena;
    arena_init(&arena);
    struct json_reader reader;
    struct errmsg why;
    struct json_text key, value;
    bool flag = false;
    json_reader_init(&reader, text, strlen(text), &arena, &why);
    assert_true(json_reader_object(&reader));
    assert_true(json_reader_member(&reader, &key));
    assert_memory_equal(key.text, "n", key.len);
    assert_true(json_reader_number(&reader, &value));
    assert_int_equal(value.len, 7);
    assert_memory_equal(value.text, "-12.5e3", 7);
    assert_true(json_reader_member(&reader, &key) && json_reader_text(&reader, &value));
    assert_int_equal(value.len, 5);
    assert_memory_equal(value.text, "plain", 5);
    assert_true(value.text > text && value.text < text + strlen(text)); /* borrowed */
    assert_true(json_reader_member(&reader, &key) && json_reader_text(&reader, &value));
    assert_int_equal(value.len, 9);
    assert_memory_equal(value.text, "a\xc3\xa9\n\xf0\x9f\x9a\xa8/", 9);
    assert_true(json_reader_member(&reader, &key) && json_reader_bool(&reader, &flag));
    assert_true(flag);
    assert_true(json_reader_member(&reader, &key) && json_reader_array(&reader));
    assert_true(json_reader_item(&reader) && json_reader_skip(&reader));
    assert_true(json_reader_item(&reader) && json_reader_null(&reader));
    assert_false(json_reader_item(&reader));
    assert_true(json_reader_member(&reader, &key));
    assert_int_equal(key.len, 3);
    assert_memory_equal(key.text, "key", 3);
    assert_int_equal(json_reader_peek(&reader), JSON_KIND_OBJECT);
    assert_true(json_reader_object(&reader));
    assert_false(json_reader_member(&reader, &key));
    assert_false(json_reader_member(&reader, &key));
    assert_int_equal(json_reader_end(&reader), ERR_OK);
    arena_done(&arena);
}

static void the_first_error_stays(void **state)
{
    (void)state;
    const char *text = "{\"a\": 1, \"b\": ]";
    struct arena arena;
    arena_init(&arena);
    struct json_reader reader;
    struct errmsg why;
    struct json_text key, value;
    json_reader_init(&reader, text, strlen(text), &arena, &why);
    assert_true(json_reader_object(&reader));
    assert_true(json_reader_member(&reader, &key));
    assert_false(json_reader_text(&reader, &value));
    assert_string_equal(why.text, "byte 6: expected a string, not a number");
    assert_false(json_reader_member(&reader, &key));
    assert_false(json_reader_skip(&reader));
    assert_int_equal(json_reader_peek(&reader), JSON_KIND_NONE);
    assert_int_equal(json_reader_end(&reader), ERR_INVALID);
    assert_string_equal(why.text, "byte 6: expected a string, not a number");
    arena_done(&arena);
}

static void the_arena_grows(void **state)
{
    (void)state;
    struct arena arena;
    arena_init(&arena);
    char *pieces[100];
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        pieces[i] = arena_get(&arena, 1000 * (i + 1));
        assert_non_null(pieces[i]);
        assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
        memset(pieces[i], (int)i, 1000 * (i + 1));
    }
    for (size_t i = 0; i < COUNT_OF(pieces); i++)
        assert_true(pieces[i][0] == (char)i && pieces[i][1000 * (i + 1) - 1] == (char)i);
    assert_null(arena_get(&arena, SIZE_MAX));
    arena_done(&arena);
    arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_is_json),
        cmocka_unit_test(refuses_what_is_not),
        cmocka_unit_test(keys_are_compared_within_one_object),
        cmocka_unit_test(bounds_depth_and_keys),
        cmocka_unit_test(reads_values),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(the_arena_grows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

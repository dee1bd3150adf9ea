/* JSON as text: all of it or nothing, whichever allocation of the library's fails. */
#include "test.h"

#include "base/cleanup.h"
#include "core/json_whole.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

static int left = -1; /* allocations until one fails; -1: none does */

static void *allocate(size_t size)
{
    if (left == 0)
        return NULL;
    left -= left > 0;
    return malloc(size);
}

/* Deep enough, and with enough keys to sort, that the library needs room on its way. */
static json_t *made(void)
{
    json_t *json = json_object();
    for (int i = 0; i < 40; i++) {
        char key[16];
        snprintf(key, sizeof key, "key %d", (i * 7) % 40);
        json_object_set_new(json, key, json_pack("{s:[i, s, {s:n}]}", "list", i, "a \"text\" \xc3\xa4", "nothing"));
    }
    return json;
}

static void it_is_what_the_library_writes(void **state)
{
    (void)state;
    static const size_t flags[] = {0, JSON_COMPACT, JSON_COMPACT | JSON_SORT_KEYS, JSON_INDENT(1)};
    json_t *json = made();
    for (size_t i = 0; i < COUNT_OF(flags); i++) {
        char *whole = json_whole(json, flags[i]), *dumped = json_dumps(json, flags[i]);
        assert_non_null(whole);
        assert_string_equal(whole, dumped);
        free(whole);
        free(dumped);
    }
    json_decref(json);
}

static void what_cannot_be_text_is_none(void **state)
{
    (void)state;
    json_t *text = json_string("x"), *list = json_array();
    assert_null(json_whole(NULL, 0));
    assert_null(json_whole(text, 0)); /* only with JSON_ENCODE_ANY */
    char *whole = json_whole(text, JSON_ENCODE_ANY);
    assert_string_equal(whole, "\"x\"");
    free(whole);
    whole = json_whole(list, 0);
    assert_string_equal(whole, "[]");
    free(whole);
    json_decref(list);
    json_decref(text);
}

static void short_of_memory_it_is_all_or_nothing(void **state)
{
    (void)state;
    json_set_alloc_funcs(allocate, free);
    json_t *json = made();
    char *expected = json_whole(json, JSON_SORT_KEYS);
    assert_non_null(expected);
    int n_failed = 0;
    bool is_failing = true;
    for (int n = 0; is_failing && n < 1000; n++) {
        left = n;
        char *whole = json_whole(json, JSON_SORT_KEYS);
        is_failing = left == 0; /* or it needed no more than there were */
        left = -1;
        if (whole)
            assert_string_equal(whole, expected);
        n_failed += whole == NULL;
        free(whole);
    }
    assert_false(is_failing);
    assert_true(n_failed > 10);
    free(expected);
    json_decref(json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_is_what_the_library_writes),
        cmocka_unit_test(what_cannot_be_text_is_none),
        cmocka_unit_test(short_of_memory_it_is_all_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

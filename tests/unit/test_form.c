/* Forms and entities, and values from outside in order: what the deliveries of UptimeRobot do not show already. */
#include "base/cleanup.h"
#include "base/utf8.h"
#include "handlers/form.h"
#include "handlers/outside_text.h"
#include "tests/unit/test.h"

#include <stdlib.h>

/* ---- forms ------------------------------------------------------------------------------------------------------- */

/* "name:value|name:value" */
static const char *form(const char *text, size_t len)
{
    static char result[512];
    struct arena arena;
    arena_init(&arena);
    char *exact AUTO_FREE = malloc(len > 0 ? len : 1);
    memcpy(exact, text, len);
    struct form_reader reader;
    form_reader_init(&reader, exact, len, &arena);
    struct json_text name, value;
    size_t at = 0;
    while (form_reader_next(&reader, &name, &value))
        at += (size_t)snprintf(result + at, sizeof result - at, "%s%.*s:%.*s", at > 0 ? "|" : "", (int)name.len,
                               name.text, (int)value.len, value.text);
    result[at] = '\0';
    assert_false(reader.is_broken);
    arena_done(&arena);
    return result;
}

static void forms(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pairs;
    } cases[] = {
        {"", ""},
        {"&&&", ""},
        {"a=1&b=2", "a:1|b:2"},
        {"a=1&&b=2&", "a:1|b:2"},
        {"a", "a:"},
        {"a=", "a:"},
        {"=1", ":1"},
        {"=", ":"},
        {"a=b=c", "a:b=c"},
        {"a+b=c+d", "a b:c d"},
        {"%61%3D=%26%2b+", "a=:&+ "},
        {"a=%", "a:%"},
        {"a=%4", "a:%4"},
        {"a=%41", "a:A"},
        {"a=%4g%g4%%41", "a:%4g%g4%A"},
        {"a=1;b=2", "a:1;b=2"},
        {"a=%E2%80%94", "a:\xE2\x80\x94"},
        {"a=%2541", "a:%41"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(form(cases[i].text, strlen(cases[i].text)), cases[i].pairs);
    assert_string_equal(form("a=1\0&b=2", 8), "a:1|b:2"); /* the NUL is part of the value, and ends nothing but a %s */
}

/* ---- entities ---------------------------------------------------------------------------------------------------- */

static void decodes_to(const char *text, const char *expected)
{
    size_t len = strlen(text);
    char *exact AUTO_FREE = malloc(len > 0 ? len : 1);
    memcpy(exact, text, len);
    size_t decoded = entities_decode(exact, len);
    if (decoded != strlen(expected) || memcmp(exact, expected, decoded) != 0)
        fail_msg("\"%s\": \"%.*s\"", text, (int)decoded, exact);
}

static void entities(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"&amp;&lt;&gt;&quot;&apos;", "&<>\"'"},
        {"&#40;&#x28;&#X28;&#0040;", "(((("},
        {"&#9731;&#x1F600;&#233;", "\xE2\x98\x83\xF0\x9F\x98\x80\xC3\xA9"},
        {"&#32;&#126;&#160;", " ~\xC2\xA0"},
        {"&#x10FFFF;&#xD7FF;&#xE000;", "\xF4\x8F\xBF\xBF\xED\x9F\xBF\xEE\x80\x80"},
        {"&amp;amp;", "&amp;"},
        {"&amp;#40;", "&#40;"},
        {"&&amp;&", "&&&"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        decodes_to(cases[i][0], cases[i][1]);
    static const char *const none[] = {
        "&",        "&;",       "&a;",        "&amp",          "&AMP;",          "& amp;", "&#;",           "&#x;",
        "&#x",      "&#-1;",    "&#4O;",      "&#xG;",         "&#0;",           "&#31;",  "&#127;",        "&#159;",
        "&#xD800;", "&#xDFFF;", "&#x110000;", "&#4294967336;", "&#00000000040;", "&nbsp;", "&amp\xC2\xA0;", "&#40 ;",
    };
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        decodes_to(none[i], none[i]);
}

static void entities_are_encoded_so_that_they_come_back(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},
        {"a & b", "a & b"},
        {"?a=1&b=2", "?a=1&b=2"},
        {"&amp;", "&amp;amp;"},
        {"&&lt;&", "&&amp;lt;&"},
        {"&#40;&#0;", "&amp;#40;&#0;"},
        {"&amp;amp;", "&amp;amp;amp;"},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct json_text encoded;
        assert_true(entities_encode(&(struct json_text){cases[i][0], strlen(cases[i][0])}, &arena, &encoded));
        assert_int_equal(encoded.len, strlen(cases[i][1]));
        assert_memory_equal(encoded.text, cases[i][1], encoded.len);
        decodes_to(cases[i][1], cases[i][0]);
    }
    arena_done(&arena);
}

/* ---- values in order --------------------------------------------------------------------------------------------- */

static void texts(void **state)
{
    (void)state;
    static const struct {
        const char *from;
        size_t len;
        const char *text;
        bool is_text;
    } cases[] = {
        {"", 0, "", true},
        {" \t\r\n", 4, "", true},
        {" a b\n", 5, "a b", true},
        {"a\nb", 3, "a?b", false},
        {"a\0b", 3, "a?b", false},
        {"\0", 1, "?", false},
        {"caf\xE9", 4, "caf?", false},
        {"\xC2\x85", 2, "??", false},
        {"a?b", 3, "a?b", true},
        {"&lt;\xC3\xA9&#233;", 12, "<\xC3\xA9\xC3\xA9", true},
    };
    struct arena arena;
    arena_init(&arena);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool is_text;
        const char *text = outside_text(&(struct json_text){cases[i].from, cases[i].len}, &arena, &is_text);
        assert_non_null(text);
        assert_string_equal(text, cases[i].text);
        assert_int_equal(is_text, cases[i].is_text);
    }
    arena_done(&arena);
}

static void user_information(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"https://user:pass@host/", "https://host/"},
        {"https://user@host", "https://host"},
        {"https://a@b@c@host:1/x@y", "https://host:1/x@y"},
        {"https://host/a@b", "https://host/a@b"},
        {"https://host?a@b", "https://host?a@b"},
        {"a@b", "a@b"},
        {"http://u:p@a http://v:q@b", "http://a http://b"},
        {"://@", "://"},
        {"://://a@b", "://://b"},
        {"x://a@://b@c", "x://://c"},
        {":/", ":/"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s", cases[i][0]);
        drop_user_information(text);
        assert_string_equal(text, cases[i][1]);
        drop_user_information(text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void add(struct secret_list *list, const char *text)
{
    struct secret *secret = secret_list_add(list);
    assert_non_null(secret);
    assert_int_equal(secret_set(secret, text, strlen(text)), ERR_OK);
}

static void credentials(void **state)
{
    (void)state;
    struct basic_credential basic = {0};
    struct source source = {.basic = &basic, .n_basic = 1};
    add(&source.path_token, "path-token-1");
    add(&source.path_token, "path-token-2");
    add(&source.path_token, "short");
    add(&source.bearer, "bearer/token=");
    assert_int_equal(secret_set(&basic.password, "password", 8), ERR_OK);
    char text[] = "path-token-1path-token-2 path-token-3 short x/bearer/token=/passwordpasswor";
    conceal_credentials(text, &source);
    assert_string_equal(text, "****** path-token-3 short x/***/***passwor");
    char none[] = "";
    conceal_credentials(none, &source);
    assert_string_equal(none, "");
    secret_list_done(&source.path_token);
    secret_list_done(&source.bearer);
    secret_done(&basic.password);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(entities),
        cmocka_unit_test(entities_are_encoded_so_that_they_come_back),
        cmocka_unit_test(texts),
        cmocka_unit_test(user_information),
        cmocka_unit_test(credentials),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Values by rows, the words of messages, and the rows that all actions, providers and sources declare. */
#include "test.h"

#include "base/cleanup.h"
#include "config/reading.h"
#include "config/rows.h"
#include "config/value.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct row a_string = {.name = "x", .type = ROW_STRING};
static const struct row a_short = {.name = "x", .type = ROW_STRING, .min = 1, .max = 3};
static const struct row an_int = {.name = "x", .type = ROW_INT};
static const struct row a_small = {.name = "x", .type = ROW_INT, .min = -1, .max = 10};
static const struct row a_duration = {.name = "x", .type = ROW_DURATION};
static const struct row a_wait = {.name = "x", .type = ROW_DURATION, .min = 1000, .max = 60000};
static const struct row a_bool = {.name = "x", .type = ROW_BOOL};
static const struct row a_choice = {.name = "x", .type = ROW_CHOICE, .choices = "A|AAAA|CNAME"};
static const struct row choices = {.name = "x", .type = ROW_CHOICES, .choices = "mon|tue"};
static const struct row urls = {.name = "x", .type = ROW_URLS};
static const struct row a_match = {.name = "x", .type = ROW_MATCH};
static const struct row a_url = {.name = "x", .type = ROW_URL};
static const struct row a_name = {.name = "x", .type = ROW_NAME};
static const struct row an_address = {.name = "x", .type = ROW_ADDRESS};
static const struct row an_endpoint = {.name = "x", .type = ROW_ENDPOINT};
static const struct row endpoints = {.name = "x", .type = ROW_ENDPOINTS};

static void test_values(void **state)
{
    (void)state;
    static const struct {
        const struct row *row;
        const char *text;
        const char *json; /* NULL: refused */
    } cases[] = {
        {&a_string, "", "\"\""},
        {&a_string, "caf\xc3\xa9", "\"caf\xc3\xa9\""},
        {&a_short, "", NULL},
        {&a_short, "abc", "\"abc\""},
        {&a_short, "abcd", NULL},
        {&an_int, "0", "0"},
        {&an_int, "-1", "-1"},
        {&an_int, "9223372036854775807", "9223372036854775807"},
        {&an_int, "9223372036854775808", NULL},
        {&an_int, "-0", NULL},
        {&an_int, "007", NULL},
        {&an_int, "+1", NULL},
        {&an_int, " 1", NULL},
        {&an_int, "1 ", NULL},
        {&an_int, "1e3", NULL},
        {&an_int, "0x10", NULL},
        {&an_int, "-", NULL},
        {&an_int, "", NULL},
        {&a_small, "-1", "-1"},
        {&a_small, "10", "10"},
        {&a_small, "-2", NULL},
        {&a_small, "11", NULL},
        {&a_duration, "500ms", "500"},
        {&a_duration, "30s", "30000"},
        {&a_duration, "5m", "300000"},
        {&a_duration, "2h", "7200000"},
        {&a_duration, "7d", "604800000"},
        {&a_duration, "0s", "0"},
        {&a_duration, "30", NULL},
        {&a_duration, "s", NULL},
        {&a_duration, "-1s", NULL},
        {&a_duration, "1.5s", NULL},
        {&a_duration, "1 s", NULL},
        {&a_duration, "1S", NULL},
        {&a_duration, "1w", NULL},
        {&a_duration, "1h30m", NULL},
        {&a_duration, "367d", NULL},
        {&a_duration, "99999999999999999999s", NULL},
        {&a_wait, "1s", "1000"},
        {&a_wait, "999ms", NULL},
        {&a_wait, "1m", "60000"},
        {&a_wait, "61s", NULL},
        {&a_bool, "true", "true"},
        {&a_bool, "false", "false"},
        {&a_bool, "yes", NULL},
        {&a_bool, "True", NULL},
        {&a_choice, "A", "\"A\""},
        {&a_choice, "AAAA", "\"AAAA\""},
        {&a_choice, "CNAME", "\"CNAME\""},
        {&a_choice, "AA", NULL},
        {&a_choice, "a", NULL},
        {&a_choice, "", NULL},
        {&a_choice, "A|AAAA", NULL},
        {&a_url, "http://x", "\"http://x\""},
        {&a_url, "https://app.example.com:8443/a/b?c=d&e=%20", "\"https://app.example.com:8443/a/b?c=d&e=%20\""},
        {&a_url, "HTTP://x/", "\"HTTP://x/\""},
        {&a_url, "http://[2001:db8::1]:80/", "\"http://[2001:db8::1]:80/\""},
        {&a_url, "http://192.0.2.1?x", "\"http://192.0.2.1?x\""},
        {&a_url, "ftp://x/", NULL},
        {&a_url, "http://", NULL},
        {&a_url, "http:///x", NULL},
        {&a_url, "http://x:0/", NULL},
        {&a_url, "http://x:/", NULL},
        {&a_url, "http://x:70000/", NULL},
        {&a_url, "http://me@x/", NULL},
        {&a_url, "http://me:pw@x/", NULL},
        {&a_url, "http://2001:db8::1/", NULL},
        {&a_url, "http://[2001:db8::1/", NULL},
        {&a_url, "http://[192.0.2.1]/", NULL},
        {&a_url, "http://x/a b", NULL},
        {&a_url, "http://x/#top", NULL},
        {&a_url, "http://x/\xc3\xa9", NULL},
        {&a_url, "http://x/\n", NULL},
        {&a_url, "//x/", NULL},
        {&a_name, "example.com", "\"example.com\""},
        {&a_name, "example.com.", "\"example.com.\""},
        {&a_name, "app", "\"app\""},
        {&a_name, "_acme.x-y.example", "\"_acme.x-y.example\""},
        {&a_name, "*.example.com", "\"*.example.com\""},
        {&a_name, "*a.example.com", NULL},
        {&a_name, "a.*.example.com", NULL},
        {&a_name, "", NULL},
        {&a_name, ".", NULL},
        {&a_name, ".a", NULL},
        {&a_name, "a..b", NULL},
        {&a_name, "-a.b", NULL},
        {&a_name, "a-.b", NULL},
        {&a_name, "a b", NULL},
        {&a_name, "192.0.2.1", NULL},
        {&a_name, "a123456789012345678901234567890123456789012345678901234567890123.b", NULL},
        {&an_address, "192.0.2.1", "\"192.0.2.1\""},
        {&an_address, "2001:db8::1", "\"2001:db8::1\""},
        {&an_address, "192.0.2", NULL},
        {&an_address, "192.0.2.1:80", NULL},
        {&an_address, "[::1]", NULL},
        {&an_address, "example.com", NULL},
        {&an_endpoint, "192.0.2.1:53", "\"192.0.2.1:53\""},
        {&an_endpoint, "ns.example.net:53", "\"ns.example.net:53\""},
        {&an_endpoint, "[::1]:53", "\"[::1]:53\""},
        {&an_endpoint, "192.0.2.1", NULL},
        {&an_endpoint, "::1", NULL},
        {&an_endpoint, "192.0.2.1:", NULL},
        {&an_endpoint, "192.0.2.1:0", NULL},
        {&an_endpoint, ":53", NULL},
        {&an_endpoint, "[::1]53", NULL},
        {&an_endpoint, "[]:53", NULL},
        {&endpoints, "192.0.2.1", "\"192.0.2.1\""},
        {&endpoints, "192.0.2.1:53", "\"192.0.2.1:53\""},
        {&endpoints, "::1", "\"::1\""},
        {&endpoints, "[::1]:53", "\"[::1]:53\""},
        {&endpoints, "ns.example.net:53", NULL},
        {&choices, "tue", "\"tue\""},
        {&choices, "mon|tue", NULL},
        {&urls, "https://x/", "\"https://x/\""},
        {&urls, "https://me:pw@x/", NULL},
        {&a_match, "x", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *value = value_of_text(cases[i].row, cases[i].text);
        AUTO_FREE char *json = value ? json_dumps(value, JSON_ENCODE_ANY) : NULL;
        json_decref(value);
        if (json && cases[i].json)
            assert_string_equal(json, cases[i].json);
        else if (json || cases[i].json)
            fail_msg("\"%s\" gives %s", cases[i].text, json ? json : "nothing");
    }
}

static void test_listen_address(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:0", "0.0.0.0:65535", "[::]:80", "[::1]:0"};
    static const char *const bad[] = {"",      ":80",    "127.0.0.1", "127.0.0.1:65536", "localhost:80",
                                      "[::1]", "::1:80", "[::1%lo]:1"};
    struct sockaddr_storage address;
    socklen_t len;
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(listen_address_parse(good[i], &address, &len));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(listen_address_parse(bad[i], &address, &len));
}

static void test_words(void **state)
{
    (void)state;
    assert_string_equal(shown("plain").text, "\"plain\"");
    assert_string_equal(shown("a\nb\x1b[0m\x7f").text, "\"a\\x0ab\\x1b[0m\\x7f\"");
    assert_string_equal(shown("\xc3\xa9\xc2\x9b").text, "\"\xc3\xa9\\xc2\\x9b\"");
    char text[301];
    memset(text, 'x', 63);
    strcpy(text + 63, "\xc3\xa9yz");
    struct shown cut = shown(text);
    assert_int_equal(strlen(cut.text), 63 + 5);
    assert_string_equal(cut.text + 62, "xx...\"");
    memset(text, '\x01', 300);
    text[300] = '\0';
    assert_int_equal(strlen(shown(text).text), 64 * 4 + 5);

    struct names names = {.count = 0};
    char hint[64];
    assert_string_equal(names_hint(&names, "x", hint, sizeof(hint)), "there are none");
    names_add(&names, "domain");
    names_add(&names, "target");
    names_add(&names, "ttl");
    names_add(&names, NULL);
    assert_string_equal(names_nearest(&names, "domian"), "domain");
    assert_string_equal(names_nearest(&names, "traget"), "target");
    assert_string_equal(names_nearest(&names, "tll"), "ttl");
    assert_null(names_nearest(&names, "colour"));
    assert_null(names_nearest(&names, ""));
    assert_null(names_nearest(&names, text));
    assert_string_equal(names_hint(&names, "tt", hint, sizeof(hint)), "did you mean \"ttl\"?");
    assert_string_equal(names_hint(&names, "colour", hint, sizeof(hint)), "it can be domain, target or ttl");
    assert_string_equal(names_hint(&names, "colour", hint, 12), "it can be d");
}

static void test_text_kinds(void **state)
{
    (void)state;
    assert_int_equal(text_kind_of("plain $ { $x"), TEXT_PLAIN);
    assert_int_equal(text_kind_of("$${env:X}"), TEXT_ESCAPED);
    assert_int_equal(text_kind_of("${to.x}"), TEXT_TEMPLATE);
    assert_int_equal(text_kind_of("$${a}${to.x}"), TEXT_TEMPLATE);
    assert_int_equal(text_kind_of("${to.x}${env:Y}"), TEXT_SECRET);
    assert_int_equal(text_kind_of("$$${file:Y}"), TEXT_ESCAPED);
}

/* ---- the rows that are declared ---------------------------------------------------------------------------------- */

static void check_rows(const char *owner, const struct row *rows)
{
    for (const struct row *row = rows; row->name; row++) {
        if (!row->help || !row->help[0] || row->help[strlen(row->help) - 1] == '.')
            fail_msg("%s.%s: its help must be a sentence without a full stop", owner, row->name);
        if (row->is_required && row->default_text)
            fail_msg("%s.%s is required and has a default", owner, row->name);
        if ((row->type == ROW_CHOICE || row->type == ROW_CHOICES) != (row->choices != NULL) ||
            (row->rows != NULL) > (row->type == ROW_MAP || row->type == ROW_MAPS) ||
            (row->type == ROW_MAPS && !row->rows))
            fail_msg("%s.%s: choices or rows do not fit its type", owner, row->name);
        if (row->min > row->max)
            fail_msg("%s.%s: from %" PRId64 " to %" PRId64, owner, row->name, row->min, row->max);
        if (row->rows)
            check_rows(row->name, row->rows);
        json_t *value = row->default_text ? value_of_text(row, row->default_text) : NULL;
        if (row->default_text && !value)
            fail_msg("%s.%s: its default does not fit it", owner, row->name);
        json_decref(value);
    }
}

static void test_declared_rows(void **state)
{
    (void)state;
    check_rows("step", config_step_rows);
    check_rows("source", config_source_rows);
    check_rows("provider", config_provider_rows);
    check_rows("probe", config_probe_rows);
    check_rows("server", config_ourselves_rows);
    for (const struct action *const *action = action_list(); *action; action++) {
        check_rows((*action)->name, (*action)->rows);
        for (const struct row *row = (*action)->rows; row->name; row++) {
            if (row->type == ROW_SECRET)
                fail_msg("%s.%s: arguments are recorded, so they cannot be secret", (*action)->name, row->name);
            for (const struct row *key = config_step_rows; key->name; key++)
                if (strcmp(row->name, key->name) == 0)
                    fail_msg("%s.%s: every step has a key of that name", (*action)->name, row->name);
            for (const struct row *key = config_probe_rows; key->name; key++)
                if (strcmp(row->name, key->name) == 0)
                    fail_msg("%s.%s: every probe has a key of that name", (*action)->name, row->name);
        }
        assert_true((*action)->default_timeout_ms >= 100);
        assert_true((*action)->is_check == !(*action)->apply);
        if ((*action)->provider_kind)
            assert_non_null(provider_kind_find((*action)->provider_kind));
    }
    for (const struct provider_kind *const *kind = provider_kind_list(); *kind; kind++) {
        int n_secrets = 0;
        check_rows((*kind)->name, (*kind)->rows);
        for (const struct row *row = (*kind)->rows; row->name; row++) {
            n_secrets += row->type == ROW_SECRET;
            if (strcmp(row->name, config_provider_rows[0].name) == 0)
                fail_msg("%s.%s: every provider has a key of that name", (*kind)->name, row->name);
        }
        assert_true(n_secrets <= MAX_PROVIDER_SECRETS);
    }
    for (const struct handler *const *handler = handler_list(); *handler; handler++) {
        check_rows((*handler)->kind, (*handler)->rows);
        for (const struct row *row = (*handler)->rows; row->name; row++)
            for (const struct row *key = config_source_rows; key->name; key++)
                if (strcmp(row->name, key->name) == 0)
                    fail_msg("%s.%s: every source has a key of that name", (*handler)->kind, row->name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),     cmocka_unit_test(test_listen_address), cmocka_unit_test(test_words),
        cmocka_unit_test(test_text_kinds), cmocka_unit_test(test_declared_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

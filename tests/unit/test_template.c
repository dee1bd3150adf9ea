/* Templates in a step's arguments: what they become, and what is said of those that cannot be filled in. */
#include "base/cleanup.h"
#include "core/playbook.h"
#include "tests/unit/test.h"

#include <stdlib.h>

static char name_gra[] = "gra", name_rbx[] = "rbx", name_shop[] = "shop";
static struct site sites[2] = {{.name = name_gra}, {.name = name_rbx}};
static const struct service service = {.name = name_shop, .sites = sites, .n_sites = 2};

static int make(void **state)
{
    (void)state;
    sites[0].values = json_pack("{s:s, s:s}", "address", "192.0.2.10", "pool_id", "p-1");
    sites[1].values =
        json_pack("{s:s, s:s, s:s}", "address", "198.51.100.20", "tricky", "${from.address} $${x}", "name", "rbx-2");
    return 0;
}

static int unmake(void **state)
{
    (void)state;
    json_decref(sites[0].values);
    json_decref(sites[1].values);
    return 0;
}

/* from gra to rbx unless said otherwise */
static const struct {
    const char *args, *result;
} good[] = {
    {"{\"target\": \"${to.address}\", \"ttl\": 30}", "{\"target\": \"198.51.100.20\", \"ttl\": 30}"},
    {"{\"a\": \"${from.address}\"}", "{\"a\": \"192.0.2.10\"}"},
    {"{\"a\": \"<${from.name}|${service.name}>\"}", "{\"a\": \"<gra|shop>\"}"},
    {"{\"a\": \"${to.name}\"}", "{\"a\": \"rbx-2\"}"}, /* a key of the user's own goes before the site's name */
    {"{\"a\": \"${to.address}${to.address}\"}", "{\"a\": \"198.51.100.20198.51.100.20\"}"},
    {"{\"a\": {\"b\": [\"x\", {\"c\": \"${to.address}\"}, [\"${from.pool_id}\"]]}}",
     "{\"a\": {\"b\": [\"x\", {\"c\": \"198.51.100.20\"}, [\"p-1\"]]}}"},
    {"{\"a\": \"$${to.address}\"}", "{\"a\": \"${to.address}\"}"}, /* a literal one */
    {"{\"a\": \"$$${to.address}\"}", "{\"a\": \"$${to.address}\"}"},
    {"{\"a\": \"$$ $ {} } $x $\"}", "{\"a\": \"$$ $ {} } $x $\"}"},
    {"{\"a\": \"$${\"}", "{\"a\": \"${\"}"},
    {"{\"a\": \"${to.tricky}\"}", "{\"a\": \"${from.address} $${x}\"}"}, /* what is put in is not looked at again */
    {"{\"${to.address}\": true}", "{\"${to.address}\": true}"},          /* keys are keys */
    {"{\"a\": null, \"b\": false, \"c\": 1.5, \"d\": [], \"e\": {}, \"f\": \"\"}",
     "{\"a\": null, \"b\": false, \"c\": 1.5, \"d\": [], \"e\": {}, \"f\": \"\"}"},
    {"{\"a\": \"ü${to.address}ü\"}", "{\"a\": \"ü198.51.100.20ü\"}"},
};

static void filled_in(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        json_t *args = json_loads(good[i].args, 0, NULL);
        json_t *before = json_deep_copy(args);
        json_t *expected = json_loads(good[i].result, 0, NULL);
        json_t *result = NULL;
        struct errmsg why = {""};
        if (args_resolve(&service, 0, 1, args, &result, &why) != ERR_OK || !json_equal(result, expected))
            fail_msg("%s: %s", good[i].args, why.text);
        assert_true(json_equal(args, before));
        json_decref(args);
        json_decref(before);
        json_decref(expected);
        json_decref(result);
    }
}

static const struct {
    const char *args;
    int from;
    const char *why;
} bad[] = {
    {"{\"target\": \"${to.adress}\"}", 0, "target: ${to.adress} is not known; the nearest that is: ${to.address}"},
    {"{\"expect\": {\"body\": \"${form.address}\"}}", 0,
     "expect.body: ${form.address} is not known; the nearest that is: ${from.address}"},
    {"{\"a\": [\"x\", \"${from.pol_id}\"]}", 0,
     "a[1]: ${from.pol_id} is not known; the nearest that is: ${from.pool_id}"},
    {"{\"a\": [[{\"b\": \"${name}\"}]]}", 0, "a[0][0].b: ${name} is not known; the nearest that is: ${to.name}"},
    {"{\"a\": \"${service.nam}\"}", 0, "a: ${service.nam} is not known; the nearest that is: ${service.name}"},
    {"{\"a\": \"${to.pool_id}\"}", 0, "a: ${to.pool_id} is not known; the nearest that is: ${from.pool_id}"},
    {"{\"a\": \"${}\"}", 0, "a: ${} is not known"},
    {"{\"a\": \"${to.}\"}", 0, "a: ${to.} is not known"},
    {"{\"a\": \"${ to.address }\"}", 0, "a: ${ to.address } is not known; the nearest that is: ${to.address}"},
    {"{\"a\": \"${to.address\"}", 0, "a: \"${\" without \"}\"; a literal one is written \"$${\""},
    {"{\"a\": \"x${\"}", 0, "a: \"${\" without \"}\""},
    {"{\"a\": \"${from.address}\"}", SITE_NONE, "a: ${from.address} cannot be filled in: it is not known from where"},
    {"{\"a\": \"${from.name}\"}", SITE_NONE, "a: ${from.name} cannot be filled in: it is not known from where"},
    {"{\"a\": \"${to.name\\u0000}\"}", 0, "a: \"${to.name…}\" is not known"},
    {"{\"a\": \"${to.aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\"}",
     0, "a: \"${to.aaaaaaaaaaaaaaaaaaaaaaaaaaaaa…}\" is not known"},
};

static void said_what_is_wrong(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        json_t *args = json_loads(bad[i].args, JSON_ALLOW_NUL, NULL);
        json_t *result = NULL;
        struct errmsg why = {""};
        assert_non_null(args);
        assert_int_equal(args_resolve(&service, bad[i].from, 1, args, &result, &why), ERR_INVALID);
        assert_null(result);
        if (strncmp(why.text, bad[i].why, strlen(bad[i].why)) != 0)
            fail_msg("%s:\n  %s\n  instead of\n  %s", bad[i].args, why.text, bad[i].why);
        assert_int_equal(args_resolve(&service, bad[i].from, 1, args, &result, NULL), ERR_INVALID);
        json_decref(args);
    }
}

static void results_are_bounded(void **state)
{
    (void)state;
    AUTO_FREE char *text = calloc(1, 5042 * 13 + 1);
    for (int i = 0; i < 5042; i++)
        memcpy(text + (size_t)i * 13, "${to.address}", 13);
    json_t *args = json_pack("{s:s}", "a", text);
    json_t *result = NULL;
    struct errmsg why = {""};
    assert_int_equal(args_resolve(&service, 0, 1, args, &result, &why), ERR_INVALID);
    assert_string_equal(why.text, "a: longer than 65536 bytes when filled in");
    json_decref(args);
    text[5000 * 13] = 0;
    args = json_pack("{s:s}", "a", text);
    assert_int_equal(args_resolve(&service, 0, 1, args, &result, &why), ERR_OK);
    assert_int_equal(json_string_length(json_object_get(result, "a")), 65000);
    json_decref(args);
    json_decref(result);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    json_t *args = json_string("${from.address}");
    for (int i = 0; i < 40; i++)
        args = json_pack("[o]", args);
    json_t *result = NULL;
    struct errmsg why = {""};
    assert_int_equal(args_resolve(&service, 0, 1, args, &result, &why), ERR_INVALID);
    assert_non_null(strstr(why.text, "nested deeper than 32"));
    assert_false(args_need_from(args));
    json_decref(args);
}

static void who_needs_from(void **state)
{
    (void)state;
    static const struct {
        const char *args;
        bool needs;
    } cases[] = {
        {"{\"a\": \"${from.address}\"}", true},
        {"{\"a\": \"x ${to.address} ${from.name}\"}", true},
        {"{\"a\": [1, {\"b\": \"${from.x}\"}]}", true},
        {"{\"a\": \"${to.address}\", \"b\": 3}", false},
        {"{\"a\": \"$${from.address}\"}", false},
        {"{\"a\": \"from.address ${fro\"}", false},
        {"{\"${from.address}\": \"x\"}", false},
        {"{\"a\": \"${from.\"}", false}, /* too short to be one */
        {"[]", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *args = json_loads(cases[i].args, 0, NULL);
        if (args_need_from(args) != cases[i].needs)
            fail_msg("%s", cases[i].args);
        json_decref(args);
    }
    assert_false(args_need_from(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filled_in),        cmocka_unit_test(said_what_is_wrong), cmocka_unit_test(results_are_bounded),
        cmocka_unit_test(depth_is_bounded), cmocka_unit_test(who_needs_from),
    };
    return cmocka_run_group_tests(tests, make, unmake);
}

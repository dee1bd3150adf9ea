#include "test.h"

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/yaml_tree.h"

#include <stdio.h>
#include <stdlib.h>

/* The tree as one line: quoted texts in ", plain ones bare, null as ~. */
static void dump(struct strbuf *out, const struct node *node)
{
    switch (node->kind) {
    case NODE_NULL:
        strbuf_addc(out, '~');
        break;
    case NODE_TEXT:
        strbuf_addf(out, node->is_quoted ? "\"%s\"" : "%s", node->text);
        break;
    case NODE_LIST:
        strbuf_addc(out, '[');
        for (size_t i = 0; i < node->n_items; i++) {
            strbuf_adds(out, i > 0 ? "," : "");
            dump(out, node->items[i]);
        }
        strbuf_addc(out, ']');
        break;
    case NODE_MAP:
        strbuf_addc(out, '{');
        for (size_t i = 0; i < node->n_pairs; i++) {
            strbuf_adds(out, i > 0 ? "," : "");
            dump(out, node->pairs[i].key);
            strbuf_addc(out, ':');
            dump(out, node->pairs[i].value);
        }
        strbuf_addc(out, '}');
        break;
    }
}

static void tree_cleanup(struct yaml_tree **tree)
{
    yaml_tree_free(*tree);
}

static char *load(const char *bytes, size_t len)
{
    CLEANUP(tree_cleanup) struct yaml_tree *tree = NULL;
    struct yaml_problem problem;
    CLEANUP(strbuf_done) struct strbuf out = STRBUF_INIT;
    if (yaml_tree_load(bytes, len, &tree, &problem) == ERR_OK)
        dump(&out, yaml_tree_root(tree));
    else
        strbuf_addf(&out, "%d:%d: %s", problem.line, problem.column, problem.text.text);
    return strbuf_take(&out);
}

static void expect(const char *yaml, const char *expected)
{
    AUTO_FREE char *got = load(yaml, strlen(yaml));
    assert_string_equal(got, expected);
}

static void test_scalars(void **state)
{
    (void)state;
    expect("a", "a");
    expect("'a'", "\"a\"");
    expect("{a: 1, b: true, c: 1.5, d: no}", "{a:1,b:true,c:1.5,d:no}");
    expect("[~, null, Null, NULL, '', \"~\", nul]", "[~,~,~,~,\"\",\"~\",nul]");
    expect("a:\nb: |\n  two\n  lines\n", "{a:~,b:\"two\nlines\n\"}");
    expect("a: !!str 30\nb: !!int 30\nc: ! 30\nd: !!int '30'", "{a:\"30\",b:30,c:\"30\",d:30}");
    expect("- !!null ~\n- !!map {}\n- !!seq []\n- !<tag:yaml.org,2002:str> x", "[~,{},[],\"x\"]");
    expect("\xef\xbb\xbf"
           "a: \xc3\xa9",
           "{a:\xc3\xa9}");
    expect("%YAML 1.1\n---\na: 1\n...\n", "{a:1}");
    expect("\"quoted key\": 1", "{\"quoted key\":1}");
}

static void test_places(void **state)
{
    (void)state;
    const char *text = "server:\n  api: here\n  list: [one, two]\nalias: &x {k: v}\nuse: *x\n";
    CLEANUP(tree_cleanup) struct yaml_tree *tree = NULL;
    struct yaml_problem problem;
    assert_int_equal(yaml_tree_load(text, strlen(text), &tree, &problem), ERR_OK);
    const struct node *root = yaml_tree_root(tree);
    assert_int_equal(root->line, 1);
    assert_int_equal(root->column, 1);
    const struct node *server = node_pair_find(root, "server")->value;
    const struct node_pair *api = node_pair_find(server, "api");
    assert_int_equal(api->key->line, 2);
    assert_int_equal(api->key->column, 3);
    assert_int_equal(api->value->column, 8);
    const struct node *list = node_pair_find(server, "list")->value;
    assert_int_equal(list->items[1]->column, 15);
    const struct node *use = node_pair_find(root, "use")->value;
    assert_int_equal(use->line, 5);
    assert_int_equal(use->column, 6);
    assert_int_equal(use->pairs[0].value->line, 4); /* below an alias: where it was written */
    assert_null(node_pair_find(root, "missing"));
    assert_null(node_pair_find(list, "one"));
}

static void test_aliases_and_merges(void **state)
{
    (void)state;
    expect("a: &x 1\nb: *x", "{a:1,b:1}");
    expect("a: &x {k: 1}\nb: *x\nc: &x 2\nd: *x", "{a:{k:1},b:{k:1},c:2,d:2}");
    expect("&k key: 1\nother: *k", "{key:1,other:key}");
    expect("a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}", "{a:{p:1,q:2},b:{q:3,p:1}}");
    expect("a: &x {p: 1}\nb: &y {p: 2, q: 2}\nc:\n  r: 0\n  <<: [*x, *y]", "{a:{p:1},b:{p:2,q:2},c:{r:0,p:1,q:2}}");
    expect("a: &x {p: 1}\nb: &y {<<: *x, q: 2}\nc: {<<: *y}", "{a:{p:1},b:{q:2,p:1},c:{q:2,p:1}}");
    expect("{<<: {p: 1}, q: 2}", "{q:2,p:1}");
    expect("{'<<': {p: 1}, q: 2}", "{\"<<\":{p:1},q:2}");
    expect("{!!merge <<: {p: 1}}", "{p:1}");
    expect("a: 1\n<<: {}\n", "{a:1}");
    expect("a: &x {inner: &x 1}\nb: *x", "{a:{inner:1},b:1}");
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *problem;
    } cases[] = {
        {"", "1:1: the file is empty"},
        {"# only a comment\n", "1:1: the file is empty"},
        {"a: 1\nb: 2\na: 3\n", "3:1: duplicate key \"a\"; the first is at line 1, column 1: keep one"},
        {"a: {x: 1, y: 2, 'x': 3}", "1:17: duplicate key \"x\"; the first is at line 1, column 5: keep one"},
        {"a: *nowhere", "1:4: alias \"nowhere\" has no anchor; write & and its name at what it stands for, before it"},
        {"a: &x [1, *x]", "1:11: alias \"x\" stands inside what it refers to; take it out"},
        {"a: &x {b: {c: *x}}", "1:15: alias \"x\" stands inside what it refers to; take it out"},
        {"&x a: {b: 1, <<: *x}", "1:18: << cannot merge text; it takes a mapping, or a list of mappings"},
        {"<<: [{a: 1}, [b]]", "1:14: << cannot merge a list; it takes a mapping, or a list of mappings"},
        {"<<: {a: 1}\n<<: {b: 1}",
         "2:1: duplicate key \"<<\"; the first is at line 1, column 1: give it a list of mappings"},
        {"a: 1\n---\nb: 2\n", "2:1: a second document begins here; the file must be one document"},
        {"? [a, b]\n: 1", "1:3: a key cannot be a list; it must be text"},
        {"~: 1", "1:1: a key cannot be nothing; it must be text"},
        {"{a: 1}: 1", "1:1: a key cannot be a mapping; it must be text"},
        {"a: !secret x", "1:4: tag \"!secret\" is not supported; remove it"},
        {"a: !!binary aGk=", "1:4: tag \"tag:yaml.org,2002:binary\" is not supported; remove it"},
        {"a: !!set {b}", "1:4: tag \"tag:yaml.org,2002:set\" is not supported; remove it"},
        {"a: !!map [b]", "1:4: tag \"tag:yaml.org,2002:map\" is not supported; remove it"},
        {"a: !!null x", "1:4: tag \"tag:yaml.org,2002:null\" is not supported; remove it"},
        {"a: \"x\\0y\"", "1:4: the text holds a NUL character; remove it"},
        {"a: [1, 2", "2:1: broken YAML: did not find expected ',' or ']', while parsing a flow sequence that began at "
                     "line 1, column 4"},
        {"a: b: c", "1:5: broken YAML: mapping values are not allowed in this context"},
        {"a:\n\t- b", "2:1: broken YAML: found character that cannot start any token, while scanning for the next "
                      "token that began at line 2, column 1"},
        {"a: 'b", "1:6: broken YAML: found unexpected end of stream, while scanning a quoted scalar that began at line "
                  "1, column 4"},
        {"caf\xc3\xa9: 1\nx: \xff\xfe", "2:4: broken YAML: invalid leading UTF-8 octet; the file must be UTF-8 text"},
        {"a: \xc3(", "1:5: broken YAML: invalid trailing UTF-8 octet; the file must be UTF-8 text"},
        {"a: \x01", "1:4: broken YAML: control characters are not allowed; the file must be UTF-8 text"},
        {"a: !x!y z",
         "1:4: broken YAML: found undefined tag handle, while parsing a node that began at line 1, column 4"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        expect(cases[i].yaml, cases[i].problem);
}

static void test_nul_byte(void **state)
{
    (void)state;
    const char bytes[] = "a: 1\nb: \0c\n";
    AUTO_FREE char *got = load(bytes, sizeof(bytes) - 1);
    assert_string_equal(got, "2:4: broken YAML: NUL byte; the file must be UTF-8 text");
}

static void test_depth(void **state)
{
    (void)state;
    char text[2 * 65 + 1] = "";
    memset(text, '[', 64);
    memset(text + 64, ']', 64);
    text[128] = '\0';
    AUTO_FREE char *fits = load(text, 128);
    assert_int_equal(fits[0], '[');
    memset(text, '[', 65);
    memset(text + 65, ']', 65);
    AUTO_FREE char *deeper = load(text, 130);
    assert_string_equal(deeper, "1:65: nested more than 64 deep");
    CLEANUP(strbuf_done) struct strbuf by_alias = STRBUF_INIT;
    strbuf_adds(&by_alias, "- &a0 [x]\n");
    for (int i = 1; i <= 63; i++)
        strbuf_addf(&by_alias, "- &a%d [*a%d]\n", i, i - 1);
    expect(strbuf_text(&by_alias), "63:9: nested more than 64 deep by this alias");
    AUTO_FREE char *many = malloc(1 << 20);
    memset(many, '[', 1 << 20);
    AUTO_FREE char *refused = load(many, 1 << 20);
    assert_string_equal(refused, "1:65: nested more than 64 deep");
}

static void test_alias_bomb(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf bomb = STRBUF_INIT;
    strbuf_adds(&bomb, "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 10; i++) {
        strbuf_addf(&bomb, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            strbuf_addf(&bomb, "%s*a%d", j ? ", " : "", i - 1);
        strbuf_adds(&bomb, "]\n");
    }
    expect(strbuf_text(&bomb), "5:45: more than 100000 values, aliases expanded; make the file smaller");
    strbuf_clear(&bomb);
    strbuf_adds(&bomb, "m0: &m0 {a: 1, b: 2, c: 3}\n");
    for (int i = 1; i < 40; i++)
        strbuf_addf(&bomb, "m%d: &m%d {x: *m%d, y: *m%d}\n", i, i, i - 1, i - 1);
    expect(strbuf_text(&bomb), "14:15: more than 100000 values, aliases expanded; make the file smaller");
}

static void test_sizes(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    for (int i = 0; i < 49999; i++)
        strbuf_addf(&text, "k%d: 1\n", i);
    AUTO_FREE char *fits = load(text.data, text.len);
    assert_int_equal(fits[0], '{');
    strbuf_adds(&text, "last: 1\n");
    expect(strbuf_text(&text), "50000:7: more than 100000 values, aliases expanded; make the file smaller");
    strbuf_clear(&text);
    for (int i = 0; i < 1001; i++)
        strbuf_addf(&text, "- &a%d x\n", i);
    expect(strbuf_text(&text), "1001:3: more than 1000 anchors");
    strbuf_clear(&text);
    while (text.len <= YAML_MAX_BYTES)
        strbuf_adds(&text, "# a long comment in a long file\n");
    AUTO_FREE char *refused = load(text.data, text.len);
    assert_string_equal(refused, "1:1: the file is larger than 1048576 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scalars),    cmocka_unit_test(test_places),   cmocka_unit_test(test_aliases_and_merges),
        cmocka_unit_test(test_refusals),   cmocka_unit_test(test_nul_byte), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_alias_bomb), cmocka_unit_test(test_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Break-glass files: what a script does when it is run, by the shell that is really there, and that nothing of outside
 * becomes a command. */
#include "test.h"

#include "base/cleanup.h"
#include "core/export.h"

#include <jansson.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/test_export_XXXXXX";

static json_t *step_of(const char *name, const char *action, const char *script)
{
    return json_pack("{s:s, s:s, s:s, s:{s:s, s:i}, s:{s:s, s:i}, s:{s:s}, s:{s:s}, s:i, s:s?}", "name", name, "action",
                     action, "state", "changes", "current", "target", "192.0.2.10", "ttl", 30, "desired", "target",
                     "198.51.100.20", "ttl", 30, "args", "record", "app", "previous", "target", "192.0.2.10",
                     "predicted_ms", 2100, "script", script);
}

static json_t *plan_of(json_t *steps)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:{s:i}}", "service", "shop", "from", "gra", "to", "rbx", "direction",
                     "failover", "steps", steps, "predicted", "total_ms", 45000);
}

/* A step that is done when the file is there. */
static json_t *file_step(const char *name)
{
    char script[256];
    snprintf(script, sizeof script,
             "look() {\n    [ -e %s/%s ]\n}\nwrite() {\n    echo \"writes %s\"\n    : >%s/%s\n}\n", folder, name, name,
             folder, name);
    return step_of(name, "linode.dns_record", script);
}

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static bool is_there(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return access(path, F_OK) == 0;
}

static void remove_file(const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    (void)unlink(path);
}

/* Runs the plan's script in the folder. Returns its status; what it says is in `ret`. */
static int run(json_t *plan, const char *arguments, const char *environment, char *ret, size_t room)
{
    CLEANUP(strbuf_done) struct strbuf script = STRBUF_INIT;
    struct errmsg why = {0};
    char command[512];
    assert_int_equal(export_script(plan, "2026-11-28T06:00:00Z", &script, &why), ERR_OK);
    json_decref(plan);
    write_file("shop-failover.sh", strbuf_text(&script));
    snprintf(command, sizeof command, "cd %s && env %s sh shop-failover.sh %s 2>&1", folder, environment, arguments);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    const size_t len = fread(ret, 1, room - 1, pipe);
    ret[len] = '\0';
    const int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void expect(const char *said, const char *text)
{
    if (!strstr(said, text))
        fail_msg("%s\nlacks\n%s", said, text);
}

static void test_all_steps(void **state)
{
    (void)state;
    char said[8192];
    assert_int_equal(run(plan_of(json_pack("[o, o]", file_step("one"), file_step("two"))), "--yes </dev/null", "", said,
                         sizeof said),
                     0);
    assert_true(is_there("one") && is_there("two"));
    expect(said,
           "1. one\n   linode.dns_record: there was target 192.0.2.10, ttl 30; there is to be target 198.51.100.20, "
           "ttl 30\nwrites one\n\n   written, and read back\n");
    expect(said, "turnout adopt shop --to rbx --reason 'moved by hand'\n");
    /* Again it finds all as it is to be, and asks nothing. */
    assert_int_equal(
        run(plan_of(json_pack("[o, o]", file_step("one"), file_step("two"))), "</dev/null", "", said, sizeof said), 0);
    assert_null(strstr(said, "writes"));
    expect(said, "it is so already");
    remove_file("one");
    remove_file("two");
}

static void test_asking(void **state)
{
    (void)state;
    char said[8192];
    assert_int_equal(
        run(plan_of(json_pack("[o, o]", file_step("one"), file_step("two"))), "</dev/null", "", said, sizeof said), 1);
    assert_false(is_there("one") || is_there("two"));
    expect(said, "Write this, and all that follows? [y/N]");
    expect(said, "Stopped at step 1: nobody said yes\nGo on with:         sh shop-failover.sh --from-step 1\n");
    json_t *steps = json_pack("[o, o]", file_step("one"), file_step("two"));
    assert_int_equal(run(plan_of(steps), "<shop-answers", "", said, sizeof said), 0); /* asked once */
    assert_true(is_there("one") && is_there("two"));
    remove_file("one");
    remove_file("two");
    steps = json_pack("[o, o]", file_step("one"), file_step("two"));
    assert_int_equal(run(plan_of(steps), "--yes --from-step 2", "", said, sizeof said), 0);
    assert_true(!is_there("one") && is_there("two"));
    /* What it goes on with may be written again: it may have been written in part. */
    assert_int_equal(
        run(plan_of(json_pack("[o]", file_step("two"))), "--from-step 1 <shop-answers", "", said, sizeof said), 0);
    expect(said, "it is so already\n   Write it again? [y/N] writes two\n");
    assert_int_equal(
        run(plan_of(json_pack("[o]", file_step("two"))), "--from-step 1 </dev/null", "", said, sizeof said), 0);
    assert_null(strstr(said, "writes two"));
    remove_file("two");
    static const char *const wrong[] = {"--from-step", "--from-step x", "--from-step 3", "--all", "1"};
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        assert_int_equal(run(plan_of(json_pack("[o]", file_step("one"))), wrong[i], "", said, sizeof said), 2);
        expect(said, "usage: sh shop-failover.sh [--yes] [--from-step N]");
    }
}

static void test_failures(void **state)
{
    (void)state;
    char said[8192];
    json_t *steps =
        json_pack("[o, o, o]", file_step("one"),
                  step_of("refused", "linode.dns_record", "echo 'HTTP 403: no' >&2\nfalse\n"), file_step("two"));
    assert_int_equal(run(plan_of(steps), "--yes", "", said, sizeof said), 1);
    assert_true(is_there("one") && !is_there("two"));
    expect(said, "HTTP 403: no\n\nStopped at step 2: it was refused; see above\n"
                 "Go on with:         sh shop-failover.sh --from-step 2\n"
                 "or without step 2:  sh shop-failover.sh --from-step 3\n");
    remove_file("one");
    /* A step that nobody can script waits for people; a check stops what would go on without it. */
    steps = json_pack("[o, o]", step_of("promote", "postgres.promote", NULL), file_step("one"));
    assert_int_equal(run(plan_of(steps), "--yes", "", said, sizeof said), 1);
    expect(said, "Stopped at step 1: do it by hand, then go on without it");
    steps = json_pack("[o, o]", step_of("standby", "http.check", "false\n"), file_step("one"));
    assert_int_equal(run(plan_of(steps), "--yes", "", said, sizeof said), 1);
    expect(said, "Stopped at step 1: it is not so");
    steps = json_pack("[o, o]", step_of("standby", "http.check", NULL), file_step("one"));
    assert_int_equal(run(plan_of(steps), "--yes", "", said, sizeof said), 0);
    expect(said, "look for yourself: this script cannot");
    remove_file("one");
}

static void test_needs(void **state)
{
    (void)state;
    char said[8192];
    static const char script[] =
        "look() {\n    false\n}\nwrite() {\n    printf '%s' \"${LI_TOKEN}\" | openssl dgst -sha256 "
        ">/dev/null\n}\n";
    json_t *plan = plan_of(json_pack("[o]", step_of("one", "linode.dns_record", script)));
    assert_int_equal(run(plan, "--yes", "", said, sizeof said), 2);
    assert_string_equal(said, "LI_TOKEN is not set in the environment\n");
    plan = plan_of(json_pack("[o]", step_of("one", "linode.dns_record", script)));
    assert_int_equal(run(plan, "--yes", "PATH=/nowhere LI_TOKEN=x /bin/sh shop-failover.sh 2>&1 #", said, sizeof said),
                     2);
    expect(said, "curl is not installed\nopenssl is not installed\n");
}

/* Whatever a name or an answer holds, it is shown and not done. */
static void test_hostile(void **state)
{
    (void)state;
    char said[8192];
    static const char evil[] = "'; : >evil; '\n: >evil\n$(: >evil)`: >evil`\\";
    json_t *step =
        json_pack("{s:s, s:s, s:s, s:{s:s}, s:{s:s}}", "name", evil, "action", "linode.dns_record", "script",
                  "look() {\n    true\n}\nwrite() {\n    false\n}\n", "current", evil, evil, "desired", "x", evil);
    json_t *plan = json_pack("{s:s, s:s, s:s, s:s, s:[o]}", "service", "shop", "from", evil, "to", evil, "direction",
                             "failover", "steps", step);
    assert_int_equal(run(plan, "--yes", "", said, sizeof said), 0);
    assert_false(is_there("evil"));
    expect(said, "1. '; : >evil; ' : >evil $(: >evil)`: >evil`\\\n");
}

static void test_no_plan(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct errmsg why = {0};
    json_t *empty = json_object();
    assert_int_equal(export_script(empty, "", &out, &why), ERR_INVALID);
    assert_int_equal(export_script(NULL, "", &out, &why), ERR_INVALID);
    assert_int_equal(export_runbook(empty, NULL, "", &out, &why), ERR_INVALID);
    json_decref(empty);
}

static void test_runbook(void **state)
{
    (void)state;
    CLEANUP(strbuf_done) struct strbuf out = STRBUF_INIT;
    struct errmsg why = {0};
    json_t *there = plan_of(json_pack("[o, o, o]", step_of("standby", "http.check", NULL), file_step("Linode DNS"),
                                      step_of("promote", "postgres.promote", NULL)));
    json_t *back = plan_of(json_pack("[o]", file_step("Linode DNS")));
    json_object_set_new(there, "warnings", json_pack("[{s:s}]", "text", "www still is 192.0.2.10"));
    json_object_set_new(back, "direction", json_string("failback"));
    assert_int_equal(export_runbook(there, back, "2026-11-28T06:00:00Z", &out, &why), ERR_OK);
    const char *text = strbuf_text(&out);
    expect(text, "# shop: how to move it when Turnout is down\n\nMade at 2026-11-28T06:00:00Z, ");
    expect(text, "## The failover: from gra to rbx\n\n    sh shop-failover.sh\n\n"
                 "In this order; all of it takes about 45 s:\n\n1. **standby** (http.check; takes about 2.1 s)\n");
    expect(text, "2. **Linode DNS** (linode.dns_record; takes about 2.1 s)\n   - what: record app\n"
                 "   - was there: target 192.0.2.10, ttl 30\n   - has to be there: target 198.51.100.20, ttl 30\n"
                 "   - to go back: target 192.0.2.10\n");
    expect(text, "3. **promote** (postgres.promote; takes about 2.1 s)\n");
    expect(text, "   - the script cannot do this: do it by hand, with the provider's own tools\n");
    expect(text, "\nMind:\n\n- www still is 192.0.2.10\n");
    expect(text, "## The failback: from gra to rbx\n\n    sh shop-failback.sh\n");
    json_decref(there);
    json_decref(back);
}

/* A long value is cut where a character ends. */
static void test_long_values(void **state)
{
    (void)state;
    char words[900];
    for (size_t shift = 0; shift < 2; shift++) {
        memset(words, 'x', sizeof words);
        for (size_t i = shift; i + 2 < sizeof words; i += 2)
            memcpy(words + i, "\xc3\xa4", 3); /* a letter of two bytes */
        json_t *step = file_step("one");
        json_object_set_new(json_object_get(step, "current"), "values", json_pack("[s]", words));
        json_t *plan = plan_of(json_pack("[o]", step));
        struct errmsg why = {0};
        json_t *files = export_files(plan, NULL, "2026-11-28T06:00:00Z", &why);
        if (!files)
            fail_msg("%s", why.text);
        json_decref(files);
        json_decref(plan);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    write_file("shop-answers", "y\n");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_file("shop-answers");
    remove_file("shop-failover.sh");
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_steps), cmocka_unit_test(test_asking),      cmocka_unit_test(test_failures),
        cmocka_unit_test(test_needs),     cmocka_unit_test(test_hostile),     cmocka_unit_test(test_no_plan),
        cmocka_unit_test(test_runbook),   cmocka_unit_test(test_long_values),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

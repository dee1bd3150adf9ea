/* The folder of break-glass files: whole files with the right modes, replaced at once, and never by those of a look
 * that saw too little. */
#include "test.h"

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "core/export.h"
#include "exporter.h"

#include <dirent.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char parent[] = "/tmp/test_exporter_XXXXXX";
static char folder[64];

static json_t *plan_of(const char *service, const char *direction, const char *state, const char *script)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:[{s:s, s:s, s:s, s:s?}]}", "service", service, "direction", direction,
                     "from", "gra", "to", "rbx", "steps", "name", "Linode DNS", "action", "linode.dns_record", "state",
                     state, "script", script);
}

static void push(struct exporter *exporter, const char *service, const char *state, const char *script, const char *at)
{
    json_t *there = plan_of(service, "failover", state, script), *back = plan_of(service, "failback", state, script);
    exporter_push(exporter, there, back, at);
    json_decref(there);
    json_decref(back);
}

/* "" when it is not there. */
static const char *read_file(const char *name)
{
    static char text[32768];
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "re");
    const size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    return text;
}

static unsigned mode_of(const char *name)
{
    char path[256];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(stat(path, &st), 0);
    return st.st_mode & 07777;
}

static void wait_for(const char *name, const char *text)
{
    for (int i = 0; i < 2000 && !strstr(read_file(name), text); i++)
        usleep(5000);
    assert_non_null(strstr(read_file(name), text));
}

static int count_files(void)
{
    DIR *dir = opendir(folder);
    int n = 0;
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(dir);
    return n;
}

static void test_files(void **state)
{
    (void)state;
    struct exporter *exporter = NULL;
    struct errmsg why = {0};
    assert_int_equal(exporter_start(folder, &exporter, &why), ERR_OK);
    push(exporter, "shop", "changes", "write() {\n    true\n}\n", "2026-11-28T06:00:00Z");
    wait_for("shop.md", "2026-11-28T06:00:00Z"); /* the last of them */
    assert_int_equal(mode_of("shop-failover.sh"), 0700);
    assert_int_equal(mode_of("shop-failback.sh"), 0700);
    assert_int_equal(mode_of("shop.md"), 0600);
    assert_int_equal(count_files(), 3);
    assert_non_null(strstr(read_file("shop-failback.sh"), "# The failback of shop from gra to rbx by hand"));
    /* A look at a provider that does not answer knows less than these do. */
    push(exporter, "shop", "unknown", NULL, "2026-11-28T06:05:00Z");
    push(exporter, "other", "unknown", NULL, "2026-11-28T06:05:00Z"); /* better than nothing */
    wait_for("other.md", "2026-11-28T06:05:00Z");
    assert_non_null(strstr(read_file("shop-failover.sh"), "2026-11-28T06:00:00Z"));
    push(exporter, "shop", "already", "write() {\n    true\n}\n", "2026-11-28T06:10:00Z");
    wait_for("shop.md", "2026-11-28T06:10:00Z");
    assert_non_null(strstr(read_file("shop-failover.sh"), "2026-11-28T06:10:00Z"));
    assert_int_equal(count_files(), 6);
    exporter_stop(exporter);
}

static void test_what_is_in_the_way(void **state)
{
    (void)state;
    struct errmsg why = {0};
    json_t *file = json_pack("{s:s, s:s, s:s}", "name", "../x", "mode", "0600", "text", "x");
    assert_int_equal(export_file_write(folder, file, &why), ERR_INVALID);
    json_object_set_new(file, "name", json_string("x"));
    assert_int_equal(export_file_write("/proc", file, &why), ERR_IO);
    assert_non_null(strstr(why.text, "/proc/x cannot be written: "));
    json_decref(file);
    exporter_push(NULL, NULL, NULL, "");
    exporter_stop(NULL);
}

static void test_whole(void **state)
{
    (void)state;
    static const struct {
        const char *state, *script;
        bool is_whole;
    } cases[] = {{"changes", "x", true}, {"already", NULL, true},  {"checks", NULL, true},
                 {"unknown", "x", true}, {"unknown", NULL, false}, {"fails", NULL, false}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        json_t *plan = plan_of("s", "failover", cases[i].state, cases[i].script);
        assert_int_equal(export_is_whole(plan), cases[i].is_whole);
        json_decref(plan);
    }
}

static int set_up(void **state)
{
    (void)state;
    if (!mkdtemp(parent))
        return -1;
    snprintf(folder, sizeof folder, "%s/break-glass", parent); /* made by the exporter */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", parent);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_what_is_in_the_way),
        cmocka_unit_test(test_whole),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* The break-glass files on the disk: that they come, are whole, and stay when what is known gets less. */
#include "tests/unit/store_fixture.h"

#include "base/cleanup.h"
#include "exporter/exporter.h"

#define SCRIPT "\"script\": \"write() {\\n    true\\n}\\n\""

static struct model *model_of(const char *service)
{
    struct model *model = calloc(1, sizeof *model);
    model->services = calloc(1, sizeof *model->services);
    model->n_services = 1;
    model->services[0].name = strdup(service);
    return model;
}

static void model_drop(struct model *model)
{
    free(model->services[0].name);
    free(model->services);
    free(model);
}

/* What a round of readiness leaves in the database. */
static void look_back(struct fixture *f, int n, const char *direction, const char *step)
{
    char plan[500];
    snprintf(
        plan, sizeof plan,
        "{\"service\": \"shop\", \"from\": \"gra\", \"to\": \"rbx\", \"direction\": \"%s\", \"steps\": [{\"name\": "
        "\"look %d\", \"action\": \"a\", %s}], \"warnings\": []}",
        direction, n, step);
    batch_readiness(f->batch,
                    &(struct readiness_row){.service = "shop",
                                            .direction = strcmp(direction, "failover") == 0 ? DIRECTION_FAILOVER
                                                                                            : DIRECTION_FAILBACK,
                                            .state = READINESS_READY,
                                            .since = NOW,
                                            .checked_at = NOW + n,
                                            .text = "",
                                            .detail = plan});
    fixture_write(f);
}

/* "" where there is no such file. */
static char *content(const struct fixture *f, const char *name)
{
    char path[200], *text = calloc(1, 20000);
    snprintf(path, sizeof path, "%s/out/%s", f->folder, name);
    FILE *file = fopen(path, "re");
    if (file) {
        (void)!fread(text, 1, 19999, file);
        fclose(file);
    }
    return text;
}

static bool has(const struct fixture *f, const char *name, const char *text)
{
    AUTO_FREE char *is = content(f, name);
    return strstr(is, text) != NULL;
}

static void wait_for(const struct fixture *f, const char *name, const char *text)
{
    for (int i = 0; i < 1000 && !has(f, name, text); i++)
        usleep(5000);
    if (!has(f, name, text))
        fail_msg("%s does not have \"%s\"", name, text);
}

static struct exporter *start(const struct fixture *f, const struct model *model, char folder[200])
{
    struct exporter *exporter = NULL;
    struct errmsg why = {0};
    snprintf(folder, 200, "%s/out", f->folder);
    assert_int_equal(
        exporter_start(
            &(struct exporter_settings){.folder = folder, .database = f->path, .model = model, .every_ms = 10},
            &exporter, &why),
        ERR_OK);
    return exporter;
}

static void stop(struct exporter *exporter, struct model *model, const char *folder)
{
    static const char *const names[] = {"shop-failover.sh", "shop-failback.sh", "shop.md"};
    exporter_stop(exporter);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char path[300];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(folder), 0); /* nothing else is left there */
    model_drop(model);
}

static void they_are_made_anew_with_each_look(void **state)
{
    struct fixture *f = *state;
    char folder[200];
    struct model *model = model_of("shop");
    struct exporter *exporter = start(f, model, folder);
    look_back(f, 1, "failback", "\"state\": \"already\", " SCRIPT);
    look_back(f, 1, "failover", "\"state\": \"changes\", " SCRIPT);
    wait_for(f, "shop.md", "look 1");
    assert_true(has(f, "shop-failover.sh", "look 1") && has(f, "shop-failback.sh", "look 1"));
    look_back(f, 2, "failover", "\"state\": \"changes\", " SCRIPT);
    wait_for(f, "shop.md", "look 2");
    assert_true(has(f, "shop-failover.sh", "look 2") && has(f, "shop-failback.sh", "look 1"));
    stop(exporter, model, folder);
}

/* A step for which there never is a script is nothing that a later look could know. */
static void a_step_without_script_does_not_hold_them(void **state)
{
    struct fixture *f = *state;
    char folder[200];
    struct model *model = model_of("shop");
    struct exporter *exporter = start(f, model, folder);
    look_back(f, 1, "failover", "\"state\": \"unknown\", \"script\": \"\"");
    wait_for(f, "shop.md", "look 1");
    look_back(f, 2, "failover", "\"state\": \"unknown\", \"script\": \"\"");
    wait_for(f, "shop.md", "look 2");
    look_back(f, 3, "failover", "\"state\": \"fails\", \"script\": \"\"");
    wait_for(f, "shop-failover.sh", "look 3");
    stop(exporter, model, folder);
}

/* The provider of one way is out of reach: what was known of that way stays, and the other goes on. */
static void what_is_known_no_more_stays(void **state)
{
    struct fixture *f = *state;
    char folder[200];
    struct model *model = model_of("shop");
    struct exporter *exporter = start(f, model, folder);
    look_back(f, 1, "failback", "\"state\": \"changes\", " SCRIPT);
    look_back(f, 1, "failover", "\"state\": \"changes\", " SCRIPT);
    wait_for(f, "shop.md", "look 1");
    look_back(f, 2, "failback", "\"state\": \"unknown\"");
    look_back(f, 2, "failover", "\"state\": \"changes\", " SCRIPT);
    wait_for(f, "shop-failover.sh", "look 2");
    look_back(f, 3, "failback", "\"state\": \"changes\", " SCRIPT);
    look_back(f, 3, "failover", "\"state\": \"fails\"");
    wait_for(f, "shop-failback.sh", "look 3");
    assert_true(has(f, "shop-failover.sh", "look 2") && has(f, "shop.md", "look 1"));
    stop(exporter, model, folder);
}

/* A folder that cannot be had is said, and is no reason to end. */
static void they_come_when_there_is_room(void **state)
{
    struct fixture *f = *state;
    char folder[200];
    struct model *model = model_of("shop");
    snprintf(folder, sizeof folder, "%s/out", f->folder);
    FILE *file = fopen(folder, "we"); /* a file where the folder is to be */
    assert_non_null(file);
    fclose(file);
    struct exporter *exporter = start(f, model, folder);
    look_back(f, 1, "failover", "\"state\": \"changes\", " SCRIPT);
    usleep(50000);
    assert_int_equal(unlink(folder), 0);
    wait_for(f, "shop.md", "look 1");
    stop(exporter, model, folder);
}

static enum err write_one(const struct fixture *f, const char *name, const char *mode, const char *text)
{
    struct errmsg why = {0};
    json_t *file = json_pack("{s:s, s:s, s:s}", "name", name, "mode", mode, "text", text);
    enum err err = export_file_write(f->folder, file, &why);
    assert_true(err == ERR_OK || why.text[0]);
    json_decref(file);
    return err;
}

static void one_file_is_there_whole_or_not_at_all(void **state)
{
    struct fixture *f = *state;
    char path[200], beside[200], elsewhere[200], text[10] = "";
    struct stat st;
    snprintf(path, sizeof path, "%s/a.sh", f->folder);
    snprintf(beside, sizeof beside, "%s/.a.sh.new", f->folder);
    snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", f->folder);
    assert_int_equal(symlink(elsewhere, beside), 0); /* somebody would have us write there */
    assert_int_equal(write_one(f, "a.sh", "0700", "one"), ERR_OK);
    assert_true(access(elsewhere, F_OK) != 0 && lstat(beside, &st) != 0);
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0700 && st.st_size == 3);
    assert_int_equal(write_one(f, "a.sh", "0600", "three"), ERR_OK);
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0600 && st.st_size == 5);
    assert_int_equal(symlink(path, elsewhere), 0); /* the file's own place is a link: it is replaced, not followed */
    assert_int_equal(write_one(f, "elsewhere", "0600", "x"), ERR_OK);
    FILE *file = fopen(path, "re");
    assert_true(file && fgets(text, sizeof text, file) && strcmp(text, "three") == 0);
    fclose(file);
    static const char *const bad[] = {"", ".", "..", "../a", "a/b", ".a"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(write_one(f, bad[i], "0600", "x"), ERR_INVALID);
    assert_int_equal(mkdir(beside, 0700), 0);
    assert_int_equal(write_one(f, "a.sh", "0600", "x"), ERR_IO);
    assert_int_equal(rmdir(beside), 0);
    struct errmsg why = {0};
    json_t *empty = json_object();
    assert_int_equal(export_file_write(f->folder, empty, &why), ERR_INVALID);
    json_decref(empty);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_set_up, fixture_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(they_are_made_anew_with_each_look),     TEST(a_step_without_script_does_not_hold_them),
        TEST(what_is_known_no_more_stays),           TEST(they_come_when_there_is_room),
        TEST(one_file_is_there_whole_or_not_at_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

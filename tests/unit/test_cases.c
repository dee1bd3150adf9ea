/* The cases under tests/cases: what is watched, what was known, what happened, and what has to be decided, as readable
 * files (tests/cases/README.md). Each is played through the real decision. */
#include "test.h"

#include "base/cleanup.h"
#include "core/scenario.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define CASES "tests/cases"
#define LEAST_CASES 150

static int is_case(const struct dirent *entry)
{
    size_t len = strlen(entry->d_name);
    return len > 5 && strcmp(entry->d_name + len - 5, ".case") == 0;
}

static char *read_file(const char *path, size_t *ret_len)
{
    char *text = malloc(SCENARIO_MAX_BYTES + 1);
    assert_non_null(text);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    *ret_len = fread(text, 1, SCENARIO_MAX_BYTES + 1, file);
    fclose(file);
    return text;
}

static int play_file(const char *path, int *ret_failed)
{
    CLEANUP(strbuf_done) struct strbuf said = STRBUF_INIT;
    struct scenario *scenario = NULL;
    size_t len = 0;
    AUTO_FREE char *text = read_file(path, &len);
    enum err err = scenario_read(path, text, len, NULL, &scenario, &said);
    if (err != ERR_OK) {
        print_error("%s", strbuf_text(&said));
        (*ret_failed)++;
        return 0;
    }
    int n = scenario_n_cases(scenario);
    for (int i = 0; i < n; i++) {
        strbuf_clear(&said);
        err = scenario_play(scenario, i, SCENARIO_MAX_LOOKS, NULL, NULL, &said);
        if (err == ERR_OK)
            continue;
        print_error("%s:%d: CASE %s: %s\n%s\n", path, scenario_line(scenario, i), scenario_title(scenario, i),
                    err_name(err), strbuf_text(&said));
        (*ret_failed)++;
    }
    scenario_free(scenario);
    return n;
}

static void all_cases_hold(void **state)
{
    (void)state;
    struct dirent **files = NULL;
    int n_files = scandir(CASES, &files, is_case, alphasort);
    int n_cases = 0;
    int n_failed = 0;
    for (int i = 0; i < n_files; i++) {
        char path[512];
        snprintf(path, sizeof path, CASES "/%s", files[i]->d_name);
        n_cases += play_file(path, &n_failed);
        free(files[i]);
    }
    free(files);
    print_message("%d cases in %d files, %d failed\n", n_cases, n_files, n_failed);
    assert_int_equal(n_failed, 0);
    assert_true(n_cases >= LEAST_CASES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_cases_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

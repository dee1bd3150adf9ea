/* Scenario files from hostile bytes: read, and what can be read is played. */
#include "core/scenario.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MAX_CASES_PLAYED 4
#define MAX_LOOKS 3000

#define expect(condition) expect_true((condition), #condition)

static void expect_true(bool is_true, const char *what)
{
    if (is_true)
        return;
    fprintf(stderr, "not so: %s\n", what);
    abort();
}

/* Each problem is one line with its place. */
static void check_lines(const char *text)
{
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        expect(strncmp(line, "t:", 2) == 0);
        expect(strchr(line, '\n'));
    }
}

static void told(void *context, const struct scenario_told *told)
{
    int64_t *at = context;
    expect(told->at >= *at && told->text && told->service < told->model->n_services);
    *at = told->at;
}

static void play(const struct scenario *scenario)
{
    int n = scenario_n_cases(scenario);
    expect(n > 0);
    for (int i = 0; i < n && i < MAX_CASES_PLAYED; i++) {
        struct strbuf failures = STRBUF_INIT;
        int64_t at = 0;
        expect(scenario_title(scenario, i)[0] && scenario_line(scenario, i) > 0);
        enum err err = scenario_play(scenario, i, MAX_LOOKS, told, &at, &failures);
        expect(err == ERR_OK || err == ERR_CONFLICT || err == ERR_TOO_BIG);
        expect(err != ERR_OK || failures.len == 0);
        expect(err != ERR_CONFLICT || failures.len > 0);
        strbuf_done(&failures);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scenario *scenario = NULL;
    struct strbuf errors = STRBUF_INIT;
    enum err err = scenario_read("t", (const char *)data, size, NULL, &scenario, &errors);
    expect(err == ERR_OK || err == ERR_INVALID || err == ERR_TOO_BIG);
    expect((err == ERR_OK) == (scenario != NULL) && (err == ERR_OK) == (errors.len == 0));
    check_lines(strbuf_text(&errors));
    if (scenario)
        play(scenario);
    scenario_free(scenario);
    strbuf_done(&errors);
    return 0;
}

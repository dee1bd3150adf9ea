/* `turnout simulate`: plays a scenario file through the real decision, without effects, and prints what would have been
 * decided and why. With -c what is watched comes from a configuration and not from the file's own TARGET.
 *
 * It asks no daemon and touches no database or provider; secrets of the configuration need not be there. */
#include "base/cleanup.h"
#include "cli.h"
#include "core/scenario.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

struct telling {
    bool is_json;
};

static void tell_json(const struct scenario_told *told)
{
    json_t *line = json_pack("{s:I, s:s}", "at_ms", (json_int_t)told->at, told->thing ? "text" : "event", told->text);
    if (told->service >= 0)
        json_object_set_new(line, "service", json_string(told->model->services[told->service].name));
    if (told->thing)
        json_object_set_new(line, "reason", json_string(reason_text(told->thing->reason)));
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    printf("\n");
    json_decref(line);
}

static void tell(void *context, const struct scenario_told *told)
{
    const struct telling *telling = context;
    if (telling->is_json)
        tell_json(told);
    else if (!told->thing)
        printf("%.400s\n", told->text);
    else if (told->thing->kind != THING_COUNT)
        printf("  %-10s %s: %s\n", scenario_time(told->at).text, told->model->services[told->service].name, told->text);
}

static int play(const struct options *options, const struct scenario *scenario)
{
    struct telling telling = {.is_json = options->is_json};
    CLEANUP(strbuf_done) struct strbuf failures = STRBUF_INIT;
    int n = scenario_n_cases(scenario);
    for (int i = 0; i < n; i++) {
        if (n > 1 && !options->is_json)
            printf("%sCASE %s\n", i ? "\n" : "", scenario_title(scenario, i));
        enum err err = scenario_play(scenario, i, SCENARIO_MAX_LOOKS, tell, &telling, &failures);
        if (err != ERR_OK && err != ERR_CONFLICT)
            strbuf_addf(&failures, "%s:%d: the case could not be played to its end: %s\n", options->words[0],
                        scenario_line(scenario, i),
                        err == ERR_TOO_BIG ? "more is decided in it than can be" : err_name(err));
    }
    fflush(stdout);
    fputs(strbuf_text(&failures), stderr);
    return failures.len > 0 || failures.is_broken ? EXIT_FAILED : EXIT_DONE;
}

/* Up to one byte more than may be, so that what reads it sees that it is too long. */
static bool file_read(const char *path, struct strbuf *text)
{
    bool is_input = strcmp(path, "-") == 0;
    errno = 0;
    FILE *file = is_input ? stdin : fopen(path, "re");
    char bytes[16384];
    size_t len = 0;
    while (file && text->len <= SCENARIO_MAX_BYTES && (len = fread(bytes, 1, sizeof bytes, file)) > 0)
        strbuf_add(text, bytes, len);
    bool is_read = file && !ferror(file) && !text->is_broken;
    if (!is_read)
        fprintf(stderr, "turnout: %s cannot be read: %s\n", is_input ? "the input" : path,
                strerror(errno ? errno : ENOMEM));
    if (file && !is_input)
        fclose(file);
    return is_read;
}

static void config_cleanup(struct config **config)
{
    config_free(*config);
}

int command_simulate(const struct options *options)
{
    CLEANUP(strbuf_done) struct strbuf text = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf errors = STRBUF_INIT;
    CLEANUP(strbuf_done) struct strbuf warnings = STRBUF_INIT; /* what is doubted is for `check` to say */
    CLEANUP(config_cleanup) struct config *config = NULL;
    struct scenario *scenario = NULL;
    if (!file_read(options->words[0], &text))
        return EXIT_FAILED;
    enum err err = options->config ? config_load_for_trial(options->config, &config, &errors, &warnings) : ERR_OK;
    if (err == ERR_OK)
        err = scenario_read(options->words[0], strbuf_text(&text), text.len, config ? &config->model : NULL, &scenario,
                            &errors);
    fputs(strbuf_text(&errors), stderr);
    if (err == ERR_NO_MEMORY)
        fprintf(stderr, "turnout: out of memory\n");
    if (err != ERR_OK)
        return EXIT_FAILED;
    int code = play(options, scenario);
    scenario_free(scenario);
    return code;
}

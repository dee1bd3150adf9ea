/* command: a program of the user's own.
 *
 * What it did can only be known from its exit status: 0 is done. A status that the step lists as temporary promises
 * that nothing happened; any other may have come after half of it, and is for people. A program that was killed or ran
 * out of time has done nobody knows what. Whether it is right already only another program can say (`observe`);
 * without one, a crash in its midst leaves the step unknown, unless it is declared idempotent. */
#include "actions/action.h"
#include "actions/by_hand.h"
#include "actions/command_run.h"
#include "actions/common.h"
#include "base/cleanup.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGUMENTS 102
#define MAX_VARIABLES 110
#define MAX_RECORDED 513

struct words {
    const char *items[MAX_ARGUMENTS + 1];
};

/* ---- what it is given -------------------------------------------------------------------------------------------- */

static bool uses_shell(const json_t *args)
{
    return json_is_true(json_object_get(args, "shell"));
}

static void make_argv(const json_t *args, const char *row, struct words *ret)
{
    const json_t *list = json_object_get(args, row), *word;
    size_t i, n = 0;
    if (uses_shell(args)) {
        ret->items[n++] = "/bin/sh";
        ret->items[n++] = "-c";
    }
    json_array_foreach(list, i, word)
    {
        if (n < MAX_ARGUMENTS)
            ret->items[n++] = json_string_value(word);
    }
    ret->items[n] = NULL;
}

struct variables {
    char *items[MAX_VARIABLES + 1];
    size_t n;
    bool is_broken; /* out of memory */
};

static void variable_add(struct variables *list, const char *name, const char *value)
{
    if (list->n == MAX_VARIABLES)
        return;
    if (asprintf(&list->items[list->n], "%s=%s", name, value) < 0) {
        list->items[list->n] = NULL;
        list->is_broken = true;
    } else {
        list->n++;
    }
}

static void variables_done(struct variables *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
}

/* Four of ours that programs expect, the run's id, and the step's own, which may replace them. */
static void make_environment(const struct action_call *call, struct variables *ret)
{
    static const char *const ours[] = {"PATH", "HOME", "LANG", "TZ"};
    json_t *own = json_object_get(call->args, "environment");
    const char *name;
    json_t *value;
    *ret = (struct variables){.n = 0};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
        const char *text = getenv(ours[i]);
        if (text && !json_object_get(own, ours[i]))
            variable_add(ret, ours[i], text);
    }
    if (call->run_id[0] && !json_object_get(own, "TURNOUT_RUN"))
        variable_add(ret, "TURNOUT_RUN", call->run_id);
    json_object_foreach(own, name, value)
    {
        variable_add(ret, name, json_string_value(value));
    }
}

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* For good on record. Out of memory, a detail is left out. */
static void record(const struct action_call *call, const char *program, const char *row,
                   const struct command_ended *ended)
{
    char text[MAX_RECORDED];
    words_of(call, program, strlen(program), text, sizeof(text));
    json_t *entry =
        json_pack("{s:s, s:s, s:i, s:I, s:s}", "method", "EXEC", "url", text, "status",
                  ended->end == COMMAND_ENDED ? ended->status : -1, "took_ms", (json_int_t)ended->took_ms, "body", row);
    if (!entry)
        return;
    const size_t from = ended->output_len > MAX_RECORDED ? ended->output_len - MAX_RECORDED : 0;
    words_of(call, ended->output + from, ended->output_len - from, text, sizeof(text));
    json_object_set_new(entry, "answer", json_string(text));
    json_object_set_new(entry, "output_bytes", json_integer(ended->n_output));
    json_array_append_new(call->requests, entry);
}

/* false: it has certainly not run, and ret says why. */
static bool run(struct action_call *call, const char *row, struct command_ended *ended, struct action_result *ret)
{
    const bool is_effect = strcmp(row, "run") == 0;
    struct words argv;
    struct variables environment;
    struct errmsg why = {""};
    make_argv(call->args, row, &argv);
    make_environment(call, &environment);
    enum err err = environment.is_broken ? ERR_NO_MEMORY : is_effect ? call_may_write(call, &why) : ERR_OK;
    union {
        char *const *made;
        const char *const *given;
    } variables = {.made = environment.items};
    if (err == ERR_OK)
        err = command_run(&(struct command_run){.argv = argv.items,
                                                .environment = variables.given,
                                                .directory = arg_text(call->args, "directory", NULL),
                                                .deadline_at = call->deadline_at,
                                                .cancel = call->cancel},
                          ended, &why);
    variables_done(&environment);
    enum outcome outcome = err == ERR_INVALID     ? OUTCOME_PERMANENT
                           : err == ERR_CANCELLED ? OUTCOME_CANCELLED
                                                  : OUTCOME_TEMPORARY;
    if (err == ERR_OK)
        record(call, argv.items[0], row, ended);
    else
        result_set(ret, outcome, "%s", why.text[0] ? why.text : "out of memory");
    return err == ERR_OK;
}

/* What it said last: its last line, in which errors mostly stand. */
static void last_words(const struct action_call *call, const struct command_ended *ended, char *ret, size_t room)
{
    size_t end = ended->output_len;
    while (end > 0 && (unsigned char)ended->output[end - 1] <= ' ')
        end--;
    size_t from = end;
    while (from > 0 && ended->output[from - 1] != '\n' && end - from < room)
        from--;
    words_of(call, ended->output + from, end - from, ret, room);
}

/* "NAME ended with status 3 after 120 ms: what it said last" */
static void describe(const struct action_call *call, const char *row, const struct command_ended *ended, char *text,
                     size_t room)
{
    char words[WORDS_SIZE], name[81];
    struct words argv;
    make_argv(call->args, row, &argv);
    words_of(call, argv.items[0], strlen(argv.items[0]), name, sizeof(name));
    last_words(call, ended, words, sizeof(words));
    switch (ended->end) {
    case COMMAND_ENDED:
        snprintf(text, room, "%s ended with status %d after %lld ms", name, ended->status, (long long)ended->took_ms);
        break;
    case COMMAND_KILLED:
        snprintf(text, room, "%s was killed by signal %s after %lld ms", name,
                 sigabbrev_np(ended->status) ? sigabbrev_np(ended->status) : "?", (long long)ended->took_ms);
        break;
    case COMMAND_TIMED_OUT:
        snprintf(text, room, "%s did not end within %lld ms and was killed", name, (long long)call->timeout_ms);
        break;
    case COMMAND_CANCELLED:
        snprintf(text, room, "%s was cancelled and killed after %lld ms", name, (long long)ended->took_ms);
        break;
    }
    if (words[0])
        snprintf(text + strlen(text), room - strlen(text), ": %s", words);
}

/* ---- observe and apply ------------------------------------------------------------------------------------------- */

static bool command_can_observe(const json_t *args)
{
    return json_array_size(json_object_get(args, "observe")) > 0;
}

static void command_observe(struct action_call *call, struct action_result *ret)
{
    struct command_ended ended;
    char text[500];
    if (!command_can_observe(call->args)) {
        result_set(ret, OUTCOME_PERMANENT, "whether it is done cannot be seen: the step has no \"observe\"");
        return;
    }
    if (!run(call, "observe", &ended, ret))
        return;
    describe(call, "observe", &ended, text, sizeof(text));
    const bool has_answer = ended.end == COMMAND_ENDED && ended.status <= 1;
    ret->is_right = has_answer && ended.status == 0;
    if (has_answer) {
        ret->current = json_pack("{s:b}", "right", ret->is_right);
        ret->desired = json_pack("{s:b}", "right", true);
    }
    enum outcome outcome = has_answer                       ? OUTCOME_OK
                           : ended.end == COMMAND_CANCELLED ? OUTCOME_CANCELLED
                                                            : OUTCOME_TEMPORARY;
    result_set(ret, outcome, "%s", text);
}

static bool is_temporary(const json_t *args, int status)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(args, "temporary_status"), i, item)
    {
        if (strtol(json_string_value(item), NULL, 10) == status)
            return true;
    }
    return false;
}

static void command_apply(struct action_call *call, struct action_result *ret)
{
    struct command_ended ended;
    char text[500];
    if (!run(call, "run", &ended, ret))
        return;
    describe(call, "run", &ended, text, sizeof(text));
    enum outcome outcome = OUTCOME_UNKNOWN;
    if (ended.end == COMMAND_ENDED)
        outcome = ended.status == 0                        ? OUTCOME_OK
                  : is_temporary(call->args, ended.status) ? OUTCOME_TEMPORARY
                                                           : OUTCOME_PERMANENT;
    result_set(ret, outcome, "%s", text);
}

/* ---- by hand ----------------------------------------------------------------------------------------------------- */

/* With what it would find, and no more: it may do other things in a person's own surroundings. */
static void program_write(struct strbuf *script, const json_t *args, const char *row)
{
    static const char *const ours[] = {"PATH", "HOME", "LANG", "TZ"};
    json_t *own = json_object_get(args, "environment");
    const char *directory = arg_text(args, "directory", NULL), *name;
    struct words argv;
    json_t *value;
    if (directory) {
        strbuf_adds(script, "cd ");
        by_hand_quote(script, directory);
        strbuf_adds(script, " || return 1\n");
    }
    strbuf_adds(script, "env -i");
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (!json_object_get(own, ours[i]))
            strbuf_addf(script, " ${%s+\"%s=$%s\"}", ours[i], ours[i], ours[i]);
    json_object_foreach(own, name, value)
    {
        struct strbuf variable = STRBUF_INIT;
        strbuf_addf(&variable, "%s=%s", name, json_string_value(value));
        strbuf_addc(script, ' ');
        by_hand_quote(script, strbuf_text(&variable));
        strbuf_done(&variable);
    }
    make_argv(args, row, &argv);
    for (size_t i = 0; argv.items[i]; i++) {
        strbuf_addc(script, ' ');
        by_hand_quote(script, argv.items[i]);
    }
    strbuf_adds(script, " </dev/null\n");
}

static void command_write_script(struct strbuf *script, const json_t *args, const struct provider *provider,
                                 const json_t *token)
{
    (void)provider;
    (void)token;
    program_write(script, args, "run");
}

static void command_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                               const json_t *token)
{
    (void)provider;
    (void)token;
    program_write(script, args, "observe");
}

/* ---- the action -------------------------------------------------------------------------------------------------- */

static enum err check_words(const json_t *args, const char *row, struct errmsg *why)
{
    const json_t *list = json_object_get(args, row);
    const char *first = json_string_value(json_array_get(list, 0));
    if (list && (!first || !first[0]))
        return err_set(why, ERR_INVALID, "%s begins with an empty text; it has to begin with a program", row);
    if (list && uses_shell(args) && json_array_size(list) != 1)
        return err_set(why, ERR_INVALID, "%s is a list, but with \"shell: true\" it has to be one text", row);
    return ERR_OK;
}

static enum err check_environment(const json_t *args, struct errmsg *why)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789";
    json_t *own = json_object_get(args, "environment"), *value;
    const char *name;
    json_object_foreach(own, name, value)
    {
        if (!name[0] || name[strspn(name, letters)] || (name[0] >= '0' && name[0] <= '9'))
            return err_set(why, ERR_INVALID, "environment has \"%.60s\", which cannot be the name of a variable", name);
    }
    return ERR_OK;
}

static enum err check_statuses(const json_t *args, struct errmsg *why)
{
    const json_t *item;
    size_t i;
    json_array_foreach(json_object_get(args, "temporary_status"), i, item)
    {
        const char *text = json_string_value(item);
        const size_t len = strspn(text, "0123456789");
        if (len == 0 || len > 3 || text[len] || text[0] == '0' || strtol(text, NULL, 10) > 255)
            return err_set(why, ERR_INVALID, "temporary_status \"%.20s\" is no exit status from 1 to 255", text);
    }
    return ERR_OK;
}

static enum err command_check_args(const json_t *args, struct errmsg *why)
{
    enum err err = check_words(args, "run", why);
    if (err == ERR_OK)
        err = check_words(args, "observe", why);
    if (err == ERR_OK)
        err = check_environment(args, why);
    return err == ERR_OK ? check_statuses(args, why) : err;
}

static const struct row command_rows[] = {
    {.name = "run",
     .type = ROW_STRINGS,
     .is_required = true,
     .max = 4096,
     .help = "the program and its arguments, each an item of the list; status 0 is done. It gets nothing from us but "
             "PATH, HOME, LANG, TZ and TURNOUT_RUN, the id of the run"},
    {.name = "shell",
     .type = ROW_BOOL,
     .default_text = "false",
     .help = "run and observe are each one text for /bin/sh -c"},
    {.name = "observe",
     .type = ROW_STRINGS,
     .max = 4096,
     .help = "a program that says whether it is done already, and changes nothing: status 0 yes, 1 no, others that it "
             "cannot tell now; default: it cannot be seen"},
    {.name = "environment", .type = ROW_TEXTS, .help = "variables for both programs"},
    {.name = "directory", .type = ROW_PATH, .help = "where they run; default: where the daemon does"},
    {.name = "temporary_status",
     .type = ROW_STRINGS,
     .help =
         "statuses of run, as 75, that say that nothing was done and that it may be tried again; any other but 0 is "
         "for people"},
    {.name = NULL},
};

const struct action action_command = {
    .name = "command",
    .help = "runs a program of your own",
    .rows = command_rows,
    .default_timeout_ms = 60000,
    .check_args = command_check_args,
    .can_observe = command_can_observe,
    .observe = command_observe,
    .apply = command_apply,
    .write_script = command_write_script,
    .write_look = command_write_look,
};

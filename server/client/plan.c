/* `turnout plan`: what a run would find and change if it began now, as a diff. */
#include "client/client.h"

#include "core/vocabulary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is(const json_t *object, const char *key, const char *word)
{
    return strcmp(text_of(object, key), word) == 0;
}

/* Seconds, or minutes where these are many. */
static const char *duration(json_int_t ms, char ret[32])
{
    if (ms < 120000)
        snprintf(ret, 32, "%.1f s", (double)ms / 1000);
    else
        snprintf(ret, 32, "%.0f min", (double)ms / 60000);
    return ret;
}

static void print_value(const char *sign, const char *key, const json_t *value)
{
    char *dumped = json_is_string(value) ? NULL : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    printf("      %s %s: %s\n", sign, key, json_is_string(value) ? json_string_value(value) : dumped ? dumped : "?");
    free(dumped);
}

static void print_change(const json_t *step)
{
    json_t *current = json_object_get(step, "current"), *desired = json_object_get(step, "desired");
    const char *key;
    json_t *wanted;
    json_object_foreach(desired, key, wanted)
    {
        const json_t *found = json_object_get(current, key);
        if (found && json_equal(found, wanted)) {
            print_value(" ", key, wanted);
            continue;
        }
        if (found)
            print_value("-", key, found);
        print_value("+", key, wanted);
    }
}

static const char *meaning(const json_t *step)
{
    static const struct {
        const char *state, *words;
    } all[] = {{"already", "right already"},
               {"changes", "would change"},
               {"checks", "only looks"},
               {"unknown", "CANNOT BE KNOWN"},
               {"fails", "WOULD FAIL"}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (is(step, "state", all[i].state))
            return all[i].words;
    return text_of(step, "state");
}

static void print_step(const json_t *plan, const json_t *step)
{
    size_t i;
    const json_t *warning;
    json_int_t group = number_of(step, "group");
    printf("  %2" JSON_INTEGER_FORMAT ". %-28s %-16s %s", number_of(step, "n") + 1, text_of(step, "name"),
           meaning(step), text_of(step, "action"));
    if (group > 0)
        printf(", with the others of group %" JSON_INTEGER_FORMAT, group);
    printf("\n");
    if (is(step, "state", "changes"))
        print_change(step);
    else if (!is(step, "state", "already") && text_of(step, "text")[0])
        printf("      %s\n", text_of(step, "text"));
    json_array_foreach(json_object_get(plan, "warnings"), i, warning)
    {
        bool is_said = is(warning, "kind", "fails") || is(warning, "kind", "unknown") || is(warning, "kind", "blind");
        if (json_is_integer(json_object_get(warning, "step")) && number_of(warning, "step") == number_of(step, "n") &&
            !is_said)
            printf("      ! %s\n", text_of(warning, "text"));
    }
}

static void print_prediction(const json_t *plan)
{
    const json_t *predicted = json_object_get(plan, "predicted");
    json_int_t objective = number_of(predicted, "objective_ms");
    char total[32], steps[32], ttl[32], wanted[32];
    printf("It would take about %s: steps %s, old DNS answers %s", duration(number_of(predicted, "total_ms"), total),
           duration(number_of(predicted, "steps_ms"), steps), duration(number_of(predicted, "ttl_ms"), ttl));
    if (objective > 0)
        printf("; the objective is %s", duration(objective, wanted));
    printf(".\n");
}

void print_plan(const json_t *plan)
{
    size_t i;
    const json_t *part;
    printf("%s of %s from %s to %s, as things were at %s. Nothing has been changed.\n", text_of(plan, "direction"),
           text_of(plan, "service"), text_of(plan, "from"), text_of(plan, "to"), text_of(plan, "at"));
    json_array_foreach(json_object_get(plan, "steps"), i, part) print_step(plan, part);
    json_array_foreach(json_object_get(plan, "warnings"), i, part)
    {
        if (!json_is_integer(json_object_get(part, "step")))
            printf("! %s\n", text_of(part, "text"));
    }
    print_prediction(plan);
    bool is_planned = is(plan, "occasion", occasion_text(OCCASION_PLANNED));
    bool is_failback = is(plan, "direction", direction_text(DIRECTION_FAILBACK));
    printf("plan %s\nTo do exactly this: turnout %s %s%s%s%s --plan %s --reason TEXT\n", text_of(plan, "hash"),
           text_of(plan, "direction"), text_of(plan, "service"), is_failback ? "" : " --to ",
           is_failback ? "" : text_of(plan, "to"), is_planned ? " --planned" : "", text_of(plan, "hash"));
}

int command_plan(const struct options *options)
{
    char path[MAX_PATH];
    if (!is_plain(options->words[0]))
        return EXIT_USAGE;
    snprintf(path, sizeof path, "/api/v1/services/%s/plan", options->words[0]);
    json_t *body = json_object(), *plan = NULL;
    if (options->to)
        json_object_set_new(body, "to", json_string(options->to));
    if (options->is_planned)
        json_object_set_new(body, "planned", json_true());
    int code = client_call(options, "POST", path, body, &plan);
    if (code == EXIT_DONE && !options->is_json)
        print_plan(plan);
    json_decref(body);
    json_decref(plan);
    return code;
}

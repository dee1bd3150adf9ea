/* Subcommands that change something: each is one POST with a reason, which goes on record. */
#include "client/client.h"
#include "standalone/standalone.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *overrides_json(const struct options *options)
{
    json_t *list = json_array();
    for (int i = 0; i < options->n_overrides; i++)
        json_array_append_new(list, json_string(options->overrides[i]));
    return list;
}

/* Takes `body`, which lacks only the reason. *ret: the answer, NULL unless EXIT_DONE. */
static int post(const struct options *options, const char *collection, const char *verb, json_t *body, json_t **ret)
{
    char path[MAX_PATH];
    int code = EXIT_USAGE;
    *ret = NULL;
    if (!options->reason) {
        fprintf(stderr, "turnout: --reason is needed: it stands in the audit log\n");
    } else if (is_plain(options->words[0])) {
        snprintf(path, sizeof path, "/api/v1/%s/%s/%s", collection, options->words[0], verb);
        json_object_set_new(body, "reason", json_string(options->reason));
        code = client_call(options, "POST", path, body, ret);
    }
    json_decref(body);
    return code;
}

static int post_run(const struct options *options, const char *collection, const char *verb, json_t *body)
{
    json_t *answer;
    int code = post(options, collection, verb, body, &answer);
    if (code == EXIT_DONE && !options->is_json)
        printf("%s: run %s\n", verb, text_of(answer, "run"));
    json_decref(answer);
    return code;
}

/* ---- of a service ------------------------------------------------------------------------------------------------ */

static int move(const struct options *options, const char *verb)
{
    json_t *body = json_object();
    if (options->to)
        json_object_set_new(body, "to", json_string(options->to));
    if (options->is_planned)
        json_object_set_new(body, "planned", json_true());
    if (options->is_replacing)
        json_object_set_new(body, "replace", json_true());
    if (options->plan)
        json_object_set_new(body, "plan", json_string(options->plan));
    if (options->n_overrides > 0)
        json_object_set_new(body, "override", overrides_json(options));
    return post_run(options, "services", verb, body);
}

int command_failover(const struct options *options)
{
    return options->is_standalone ? standalone_move(options, DIRECTION_FAILOVER) : move(options, "failover");
}

int command_failback(const struct options *options)
{
    return options->is_standalone ? standalone_move(options, DIRECTION_FAILBACK) : move(options, "failback");
}

int command_adopt(const struct options *options)
{
    if (!options->to) {
        fprintf(stderr, "turnout: --to SITE is needed\n");
        return EXIT_USAGE;
    }
    json_t *answer;
    int code = post(options, "services", "adopt", json_pack("{s:s}", "to", options->to), &answer);
    if (code == EXIT_DONE && !options->is_json)
        printf("adopt: active is %s\n", text_of(answer, "active"));
    json_decref(answer);
    return code;
}

int command_pause(const struct options *options)
{
    json_t *answer;
    int code = post(options, "services", "pause", json_object(), &answer);
    if (code == EXIT_DONE && !options->is_json)
        printf("pause: nothing starts by itself for %s until `turnout resume %s`\n", options->words[0],
               options->words[0]);
    json_decref(answer);
    return code;
}

int command_resume(const struct options *options)
{
    json_t *answer;
    int code = post(options, "services", "resume", json_object(), &answer);
    if (code == EXIT_DONE && !options->is_json)
        printf("resume: %s is looked after again\n", options->words[0]);
    json_decref(answer);
    return code;
}

int command_vote(const struct options *options)
{
    if (!options->site || !options->says) {
        fprintf(stderr, "turnout: --site SITE and --says down|up|nothing are needed\n");
        return EXIT_USAGE;
    }
    json_t *answer;
    json_t *body = json_pack("{s:s, s:s}", "site", options->site, "says", options->says);
    int code = post(options, "services", "vote", body, &answer);
    if (code == EXIT_DONE && !options->is_json)
        printf("vote: the operator says %s of %s\n", text_of(answer, "says"), text_of(answer, "site"));
    json_decref(answer);
    return code;
}

/* ---- of a run ---------------------------------------------------------------------------------------------------- */

int command_approve(const struct options *options)
{
    json_t *body = json_object();
    if (options->plan)
        json_object_set_new(body, "plan", json_string(options->plan));
    if (options->n_overrides > 0)
        json_object_set_new(body, "override", overrides_json(options));
    return post_run(options, "runs", "approve", body);
}

int command_reject(const struct options *options)
{
    return post_run(options, "runs", "reject", json_object());
}

/* The number as `turnout runs UUID` prints it, from 1 on. */
static int step_call(const struct options *options, const char *verb, json_t *body)
{
    char *end = NULL;
    long step = options->step ? strtol(options->step, &end, 10) : 1;
    if (options->step && (*end != '\0' || step < 1 || step > 10000)) {
        fprintf(stderr, "turnout: --step is the number of a step, as `turnout runs UUID` shows it\n");
        json_decref(body);
        return EXIT_USAGE;
    }
    if (options->step)
        json_object_set_new(body, "step", json_integer(step - 1));
    return post_run(options, "runs", verb, body);
}

int command_retry(const struct options *options)
{
    json_t *body = json_object();
    if (options->n_overrides > 0)
        json_object_set_new(body, "override", overrides_json(options));
    return step_call(options, "retry", body);
}

int command_skip(const struct options *options)
{
    return step_call(options, "skip", json_object());
}

int command_done(const struct options *options)
{
    return step_call(options, "done", json_object());
}

int command_undo(const struct options *options)
{
    return post_run(options, "runs", "undo", json_object());
}

int command_drill(const struct options *options)
{
    json_t *body = json_object();
    if (options->to)
        json_object_set_new(body, "to", json_string(options->to));
    if (options->kind)
        json_object_set_new(body, "kind", json_string(options->kind));
    return post_run(options, "services", "drill", body);
}

int command_cancel(const struct options *options)
{
    return post_run(options, "runs", "cancel", json_object());
}

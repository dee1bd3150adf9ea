/* Looks without a run: nothing here may have an effect, and nobody is asked before. */
#include "executor/internal.h"

#include "base/clock.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "executor/call.h"

#include <stdlib.h>
#include <string.h>

#define LOOK_TIMEOUT_MS 15000

static const char *text_of(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

/* One look at one step. Returns its action; NULL: this configuration cannot call it. */
static const struct action *look(struct worker *worker, const json_t *step, struct action_call *call,
                                 struct action_result *result)
{
    const struct executor_settings *settings = &worker->pool->executor->settings;
    const struct action *action = NULL;
    if (!call_prepare(settings->providers, settings->n_providers, step, call, &action, result))
        return NULL;
    call_limit(call, LOOK_TIMEOUT_MS);
    if (call_can_observe(action, call->args))
        action->observe(call, result);
    else
        call_end(result, OUTCOME_UNKNOWN, "cannot look");
    return action;
}

/* ---- one look, one survey ---------------------------------------------------------------------------------------- */

static void report(struct worker *worker, struct command *command, struct job *job, const struct action_call *call,
                   struct action_result *result)
{
    struct command_looked *looked = &command->as.looked;
    looked->round = job->round;
    looked->index = job->index;
    looked->is_survey = job->kind == JOB_SURVEY;
    looked->outcome = result->outcome;
    looked->is_right = result->is_right;
    looked->ends_at = result->ends_at;
    looked->clock_skew_ms = result->clock_skew_ms ? result->clock_skew_ms : call->clock_skew_ms;
    /* Handed over whole: a reference that stayed here would be dropped while the other thread takes one. */
    looked->current = result->current;
    looked->desired = result->desired;
    looked->token = result->token;
    looked->previous = result->previous;
    result->current = result->desired = result->token = result->previous = NULL;
    looked->requests = call->requests;
    looked->text = result->text;
    utf8_clean(looked->text.text);
    executor_hand_over(worker, command, job);
}

typedef void (*by_hand)(struct strbuf *script, const json_t *args, const struct provider *provider,
                        const json_t *token);

static void add_function(struct strbuf *script, const char *name, by_hand write, const struct action_call *call,
                         const struct action_result *result)
{
    if (!write)
        return;
    strbuf_addf(script, "%s() {\n", name);
    write(script, call->args, call->provider, result->token);
    strbuf_adds(script, "}\n");
}

/* What has to be known of a provider for the script, only a look that succeeded knows. "": there never is one. */
static char *script_of(const struct action *action, const struct action_call *call, const struct action_result *result)
{
    if (action && !action->write_script && !action->write_look)
        return strdup("");
    if (!action || (result->outcome != OUTCOME_OK && action->provider_kind))
        return NULL;
    struct strbuf script = STRBUF_INIT;
    add_function(&script, "look", call_can_observe(action, call->args) ? action->write_look : NULL, call, result);
    add_function(&script, "write", action->write_script, call, result);
    return strbuf_take(&script);
}

void executor_look(struct worker *worker, struct job *job, struct command *command)
{
    int64_t began_at = clock_steady_ms();
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct action_call call = {
        .run_id = "", .is_look = true, .fetch = worker->kit->fetch, .cancel = &job->cancel, .requests = json_array()};
    const struct action *action = look(worker, job->step_text, &call, &result);
    command->as.looked.took_ms = clock_steady_ms() - began_at;
    if (job->is_scripted)
        command->as.looked.script = script_of(action, &call, &result);
    report(worker, command, job, &call, &result);
    action_result_done(&result);
}

static void survey(const struct action *action, const json_t *addresses, struct action_call *call,
                   struct action_result *result)
{
    size_t n = json_array_size(addresses), n_texts = 0;
    const char **texts = calloc(n + 1, sizeof *texts);
    if (!texts) {
        call_end(result, OUTCOME_TEMPORARY, "out of memory");
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (json_is_string(json_array_get(addresses, i)))
            texts[n_texts++] = json_string_value(json_array_get(addresses, i));
    action->survey(call, texts, result);
    free(texts);
}

void executor_survey(struct worker *worker, struct job *job, struct command *command)
{
    const struct executor_settings *settings = &worker->pool->executor->settings;
    int64_t began_at = clock_steady_ms();
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct action_call call = {
        .run_id = "", .is_look = true, .fetch = worker->kit->fetch, .cancel = &job->cancel, .requests = json_array()};
    const struct action *action = NULL;
    if (call_prepare(settings->providers, settings->n_providers, job->step_text, &call, &action, &result)) {
        call_limit(&call, LOOK_TIMEOUT_MS);
        if (action->survey)
            survey(action, job->addresses, &call, &result);
        else
            call_end(&result, OUTCOME_UNKNOWN, "cannot look");
    }
    command->as.looked.took_ms = clock_steady_ms() - began_at;
    report(worker, command, job, &call, &result);
    action_result_done(&result);
}

/* ---- an observation round ---------------------------------------------------------------------------------------- */

enum agreement { AGREES, DIFFERS, CANNOT_TELL };

static enum agreement observe_step(struct worker *worker, const struct job *job, const json_t *step, json_t *requests,
                                   struct errmsg *text)
{
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    struct action_call call = {
        .run_id = "", .is_look = true, .fetch = worker->kit->fetch, .cancel = &job->cancel, .requests = requests};
    look(worker, step, &call, &result);
    enum agreement agreement = CANNOT_TELL;
    if (result.outcome == OUTCOME_OK)
        agreement = result.is_right ? AGREES : DIFFERS;
    else
        err_set(text, ERR_INVALID, "%.80s: %s", text_of(step, "name"), result.text.text);
    action_result_done(&result);
    return agreement;
}

static enum agreement observe_site(struct worker *worker, const struct job *job, const json_t *steps, json_t *requests,
                                   struct errmsg *text)
{
    if (json_array_size(steps) == 0)
        return CANNOT_TELL;
    enum agreement worst = AGREES;
    size_t i;
    const json_t *step;
    json_array_foreach(steps, i, step)
    {
        enum agreement agreement = observe_step(worker, job, step, requests, text);
        if (agreement == DIFFERS)
            return DIFFERS;
        if (agreement == CANNOT_TELL)
            worst = CANNOT_TELL;
    }
    return worst;
}

/* The one site with which all steps agree, while it is certain that none agrees with another. */
void executor_observe(struct worker *worker, struct job *job, struct command *command)
{
    struct command_observed *observed = &command->as.observed;
    json_t *requests = json_array();
    struct errmsg text = {0};
    const char *agreeing = NULL;
    int n_agreeing = 0;
    bool is_certain = true;
    size_t i;
    const json_t *site;
    observed->site = SITE_NONE;
    json_array_foreach(job->sites, i, site)
    {
        enum agreement agreement = observe_site(worker, job, json_object_get(site, "steps"), requests, &text);
        is_certain &= agreement != CANNOT_TELL;
        if (agreement == AGREES) {
            n_agreeing++;
            agreeing = text_of(site, "name");
            observed->site = (int)json_integer_value(json_object_get(site, "site"));
        }
    }
    struct strbuf line = STRBUF_INIT;
    if (n_agreeing == 1 && is_certain) {
        strbuf_addf(&line, "all steps of the playbook agree with %s", agreeing);
    } else {
        observed->site = SITE_NONE;
        if (n_agreeing > 1)
            strbuf_adds(&line, "the steps of the playbook agree with several sites alike");
        else if (is_certain)
            strbuf_adds(&line, "the steps of the playbook agree with no one site");
        else
            strbuf_addf(&line, "the active site could not be observed: %s",
                        text.text[0] ? text.text : "the playbook has no step that can be observed; use turnout adopt");
    }
    observed->service = job->service;
    observed->text = strbuf_take(&line);
    if (observed->text)
        utf8_clean(observed->text);
    observed->requests = requests;
    executor_hand_over(worker, command, job);
}

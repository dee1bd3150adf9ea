/* What a run without a daemon would find and change: one look at each step, all at once. */
#include "standalone/internal.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_TIME_MS 20000
#define POLL_MS 100

static char *value_text(const json_t *value)
{
    if (!value)
        return strdup("nothing");
    return json_is_string(value) ? strdup(json_string_value(value))
                                 : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
}

static void print_change(const json_t *current, const json_t *desired)
{
    const char *key;
    const json_t *wanted;
    json_object_foreach((json_t *)(uintptr_t)desired, key, wanted) /* the macro takes no const */
    {
        const json_t *found = json_object_get(current, key);
        if (found && json_equal(found, wanted))
            continue;
        char *before = value_text(found), *after = value_text(wanted);
        printf("       %s: %s -> %s\n", key, before ? before : "?", after ? after : "?");
        free(before);
        free(after);
    }
}

static const char *state_of(const struct step_run *step, const struct command_looked *looked)
{
    if (!looked)
        return "unknown";
    if (looked->outcome == OUTCOME_PERMANENT)
        return "fails";
    if (looked->outcome != OUTCOME_OK)
        return "unknown";
    if (!step->can_apply)
        return "checks";
    return looked->is_right ? "already" : "changes";
}

static void print_step(struct standalone *s, int n, const struct command_looked *looked)
{
    const char *provider = standalone_step_text(s, n, "provider");
    const char *state = state_of(&s->run.steps[n], looked);
    const char *text = looked ? looked->text.text : "no answer in time";
    printf("  %2d %-8s %s (%s%s%s)%s\n", n + 1, state, standalone_step_text(s, n, "name"),
           standalone_step_text(s, n, "action"), provider[0] ? " at " : "", provider,
           s->run.steps[n].is_point ? ", cannot be taken back" : "");
    if (strcmp(state, "changes") == 0 && looked && looked->desired)
        print_change(looked->current, looked->desired);
    else
        printf("       %s\n", text);
    standalone_note(s, "plan.step",
                    json_pack("{s:i, s:s, s:s, s:s, s:O?, s:O?, s:O?}", "step", n + 1, "name",
                              standalone_step_text(s, n, "name"), "state", state, "text", text, "current",
                              looked ? looked->current : NULL, "desired", looked ? looked->desired : NULL, "requests",
                              looked ? looked->requests : NULL));
}

static struct job *look_new(const struct standalone *s, int n)
{
    struct job *job = job_new(JOB_LOOK);
    if (!job)
        return NULL;
    job->index = n;
    job->step_text = json_incref(s->steps[n].text);
    return job;
}

/* Until all have come, the time is up, or a person has lost patience: then the rest is told to end, which takes a
 * moment. */
static void collect(struct standalone *s, struct job **jobs, struct command **looks)
{
    int64_t until = clock_steady_ms() + PLAN_TIME_MS;
    for (int n = 0; n < s->run.n_steps;) {
        struct command *batch[MAX_STEPS];
        size_t got = command_queue_take(s->commands, batch, MAX_STEPS, clock_steady_ms() + POLL_MS);
        for (size_t i = 0; i < got; i++) {
            looks[batch[i]->as.looked.index] = batch[i];
            n++;
        }
        if (clock_steady_ms() > until || standalone_is_interrupted())
            for (int i = 0; i < s->run.n_steps; i++)
                if (!looks[i])
                    atomic_store(&jobs[i]->cancel, true);
    }
}

void standalone_plan(struct standalone *s)
{
    struct job *jobs[MAX_STEPS] = {NULL};
    struct command *looks[MAX_STEPS] = {NULL};
    for (int i = 0; i < s->run.n_steps; i++)
        if (!(jobs[i] = look_new(s, i))) {
            fprintf(stderr, "turnout: out of memory\n");
            abort(); /* nothing has been changed so far */
        }
    for (int i = 0; i < s->run.n_steps; i++)
        job_queue_push(s->jobs, jobs[i]);
    collect(s, jobs, looks);
    for (int i = 0; i < s->run.n_steps; i++) {
        bool is_there = looks[i] && looks[i]->as.looked.outcome != OUTCOME_CANCELLED;
        print_step(s, i, is_there ? &looks[i]->as.looked : NULL);
        command_free(looks[i]);
        job_free(jobs[i]);
    }
}

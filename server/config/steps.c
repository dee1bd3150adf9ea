/* One step: what all steps take, and what it may say of itself. Its arguments are read by config/args.c, its place
 * among the others by config/playbook.c. */
#include "base/cleanup.h"
#include "config/rows.h"
#include "config/value.h"
#include "core/playbook.h"

#include <stdlib.h>
#include <string.h>

const struct row config_step_rows[] = {
    {.name = "name",
     .type = ROW_STRING,
     .min = 1,
     .max = 100,
     .help = "what people call the step; default: its action"},
    {.name = "action", .type = ROW_STRING, .is_required = true, .help = "what it does; turnout actions lists them"},
    {.name = "provider", .type = ROW_STRING, .help = "whom it does it at, for actions that need one"},
    {.name = "timeout",
     .type = ROW_DURATION,
     .min = 100,
     .max = 3600 * 1000,
     .help = "the longest time of one attempt; default: the action's"},
    {.name = "deadline",
     .type = ROW_DURATION,
     .default_text = "30m",
     .min = 1000,
     .max = INT64_C(7) * 24 * 3600 * 1000,
     .help = "the longest time of the step as a whole: temporary errors are retried until it"},
    {.name = "retries",
     .type = ROW_INT,
     .min = -1,
     .max = 1000,
     .help =
         "of a check: how often it is tried again when it finds something else, -1 for until the deadline; default: "
         "the action's"},
    {.name = "backoff",
     .type = ROW_DURATION,
     .default_text = "500ms",
     .min = 10,
     .max = 3600 * 1000,
     .help = "the first pause behind a temporary error; it doubles, to 15 s or to this where that is longer"},
    {.name = "on_failure",
     .type = ROW_CHOICE,
     .default_text = "attention",
     .choices = "attention|stop|continue|undo|owe",
     .help =
         "what becomes of the run when the step fails for good: it waits for a person, ends as failed, goes on, puts "
         "back what it has changed, or goes on and owes the step, which is tried until it is done"},
    {.name = "idempotent",
     .type = ROW_BOOL,
     .default_text = "false",
     .help = "of an action that cannot look: doing it twice is as good as once, so it is done again when nobody knows "
             "whether it was done"},
    {.name = "fence",
     .type = ROW_BOOL,
     .default_text = "false",
     .help = "that behind it the site that is left can neither serve nor write any more; a promotion in an automatic "
             "failover needs one before it"},
    {.name = "when",
     .type = ROW_CHOICES,
     .choices = "outage|planned|failback",
     .help = "the runs that it is part of: a failover for an outage, a planned one, the way back; default: all"},
    {.name = "point_of_no_return",
     .type = ROW_BOOL,
     .default_text = "false",
     .help = "whether there is no way back behind it: the guards are asked once more right before it, and failback is "
             "left to people"},
    {.name = "drill",
     .type = ROW_MAP,
     .help = "the action's own keys that are others in a canary drill, which works on something that stands in: "
             "{record: drill-app}; without it a step that changes something is left out there"},
    {.name = NULL},
};

static const struct later step_later[] = {{"use", NULL}, {"with", NULL}, {NULL, NULL}};

/* Of steps that a run does; a measure is not done, but timed. */
static const char *const keys_of_doing[] = {"retries", "on_failure",         "idempotent", "fence",
                                            "when",    "point_of_no_return", "drill",      NULL};

struct step_reading {
    struct reading *reading;
    const struct node *node; /* the step's mapping */
    const struct service *service;
    struct step *step;
};

/* ---- one step ---------------------------------------------------------------------------------------------------- */

static const struct action *read_action(struct reading *r, const struct node *map)
{
    const struct node *node = child(map, "action");
    if (!node || node->kind != NODE_TEXT)
        return NULL; /* the row complains */
    const struct action *action = action_find(node->text);
    if (!action) {
        struct names names = {.count = 0};
        for (const struct action *const *a = action_list(); *a; a++)
            names_add(&names, (*a)->name);
        complain_unknown(r, node, "action", node->text, &names);
    }
    return action;
}

/* Index of the provider that the step names; -1 when it needs none, or after a complaint. */
static int read_provider(const struct step_reading *s, const struct node *node, const char *name)
{
    struct reading *r = s->reading;
    const struct config *config = r->config;
    const struct action *action = s->step->action;
    if (!action->provider_kind) {
        if (node)
            complain(r, node, "%s takes no provider; remove it", action->name);
        return -1;
    }
    struct names names = {.count = 0};
    for (int i = 0; i < config->model.n_providers; i++) {
        const struct provider_kind *kind = config->providers[i].kind;
        if (name && config->providers[i].name && strcmp(config->providers[i].name, name) == 0) {
            if (kind && strcmp(kind->name, action->provider_kind) != 0)
                complain(r, node, "provider %s is of kind %s; %s needs one of kind %s", shown(name).text, kind->name,
                         action->name, action->provider_kind);
            return i;
        }
        if (!kind || strcmp(kind->name, action->provider_kind) == 0)
            names_add(&names, config->providers[i].name);
    }
    if (name) {
        complain_unknown(r, node, "provider", name, &names);
    } else if (!node) {
        char hint[1200];
        complain(r, s->node, "\"provider\" is missing, %s needs one of kind %s; %s", action->name,
                 action->provider_kind, names_hint(&names, "", hint, sizeof(hint)));
    }
    return -1;
}

/* Where one of them is no occasion, which the row has complained about, it is not taken for the others alone. */
static void read_when(const struct node *node, const json_t *list, struct step *step)
{
    if (node && node->kind == NODE_LIST && node->n_items != json_array_size(list))
        return;
    size_t i;
    const json_t *item;
    enum occasion occasion;
    json_array_foreach(list, i, item)
    {
        if (occasion_parse(json_string_value(item), &occasion)) /* the row lets nothing else pass */
            step->when |= 1U << occasion;
    }
}

/* There is no way back behind a promotion, said or not. */
static void read_point(const struct step_reading *s, bool is_said)
{
    struct step *step = s->step;
    const struct node *node = child(s->node, "point_of_no_return");
    step->is_point_of_no_return = step->can_apply && (is_said || step->is_promotion);
    if (is_said && !step->can_apply)
        complain(s->reading, node,
                 "\"point_of_no_return\" is for steps that change something; %s only looks, so remove it",
                 step->action_name);
    if (node && !is_said && step->is_promotion)
        complain(s->reading, node, "\"point_of_no_return\" cannot be false: there is no way back behind %s; remove it",
                 step->action_name);
}

/* What all steps take; `values` by config_step_rows. */
static void read_common(const struct step_reading *s, const json_t *values)
{
    struct step *step = s->step;
    const struct action *action = step->action;
    const json_t *timeout = json_object_get(values, "timeout");
    const json_t *retries = json_object_get(values, "retries");
    const char *name = json_string_value(json_object_get(values, "name"));
    step->name = new_text(s->reading, name ? name : action->name);
    step->action_name = action->name;
    step->can_observe = action->observe != NULL;
    step->can_apply = action->apply != NULL;
    step->can_settle = action->settled != NULL;
    step->timeout_ms = timeout ? json_integer_value(timeout) : action->default_timeout_ms;
    step->deadline_ms = json_integer_value(json_object_get(values, "deadline"));
    if (!timeout && step->deadline_ms > 0 && step->timeout_ms > step->deadline_ms)
        step->timeout_ms = step->deadline_ms;
    step->retries = retries ? (int)json_integer_value(retries) : action->is_check ? action->default_retries : -1;
    if (retries && !action->is_check)
        complain(s->reading, child(s->node, "retries"),
                 "\"retries\" is for checks; %s is tried until \"deadline\", so remove it", action->name);
    if (timeout && step->deadline_ms > 0 && step->timeout_ms > step->deadline_ms)
        complain(s->reading, child(s->node, "timeout"), "\"timeout\" is longer than \"deadline\"; it must be shorter");
    read_when(child(s->node, "when"), json_object_get(values, "when"), step);
    step->backoff_ms = json_integer_value(json_object_get(values, "backoff"));
    const char *on_failure = json_string_value(json_object_get(values, "on_failure"));
    if (on_failure)
        (void)on_failure_parse(on_failure, &step->on_failure); /* the row lets nothing else pass */
    step->is_idempotent = json_is_true(json_object_get(values, "idempotent"));
    step->is_fence = json_is_true(json_object_get(values, "fence"));
    step->is_promotion = action->is_promotion;
    read_point(s, json_is_true(json_object_get(values, "point_of_no_return")));
    step->provider =
        read_provider(s, child(s->node, "provider"), json_string_value(json_object_get(values, "provider")));
}

/* What the step says of itself, against what its action can do. */
static void check_said(const struct step_reading *s, bool is_right)
{
    struct reading *r = s->reading;
    struct step *step = s->step;
    const struct node *on_failure = child(s->node, "on_failure"), *drill = child(s->node, "drill");
    if (step->on_failure == ON_FAILURE_OWE && !step->can_apply)
        complain(
            r, on_failure,
            "\"on_failure\" cannot be owe: %s only looks, and there is nothing to make good later; choose continue "
            "or attention",
            step->action_name);
    else if (step->on_failure == ON_FAILURE_OWE && step->is_point_of_no_return)
        complain(r, on_failure,
                 "\"on_failure\" cannot be owe: what has no way back cannot be made good when nobody looks any more; "
                 "choose attention or stop");
    else if (step->on_failure == ON_FAILURE_OWE && is_right && !args_need_from(step->args))
        doubt(r, on_failure,
              "step %s is owed when it fails, and the run goes on and succeeds without it: that is for what is done at "
              "the site that is left, and none of its arguments is of it (${from...}); choose attention if it is not",
              shown(step->name ? step->name : "").text);
    if (step->is_idempotent && step->can_observe)
        doubt(r, child(s->node, "idempotent"),
              "\"idempotent\" is for steps that cannot look whether they are done; this one looks, so remove it");
    if (step->backoff_ms > step->deadline_ms && step->deadline_ms > 0)
        complain(r, child(s->node, "backoff") ? child(s->node, "backoff") : child(s->node, "deadline"),
                 "\"backoff\" is longer than \"deadline\"; it must be shorter");
    if (drill && expect_kind(r, drill, NODE_MAP, "drill") && is_right)
        read_drill_args(r, drill, s->service, step);
}

/* It is polled until its deadline, and never in the way. */
static void make_measure(const struct step_reading *s)
{
    struct reading *r = s->reading;
    if (!s->step->action->is_check)
        complain(r, child(s->node, "action"), "\"measures\" only look, and %s changes things; name a check",
                 s->step->action_name);
    for (const char *const *key = keys_of_doing; *key; key++) {
        const struct node *node = child(s->node, *key);
        if (node)
            complain(r, node,
                     "\"%s\" is for the steps of the playbook; a measure is asked until its \"deadline\" and timed, so "
                     "remove it",
                     *key);
    }
    s->step->retries = -1;
    s->step->on_failure = ON_FAILURE_CONTINUE;
}

/* One mapping holds what all steps take and what the action takes; no row of an action has the name of a step's key. */
void read_step(struct reading *r, const struct node *map, const struct service *service, bool is_measure,
               struct step *step)
{
    step->provider = -1;
    if (!expect_item(r, map, NODE_MAP, is_measure ? "measures" : "playbook"))
        return;
    json_t *values = rows_read(&(struct row_reader){.reading = r}, map, config_step_rows);
    step->action = read_action(r, map);
    /* Without its action nobody knows which keys it takes. */
    if (step->action) {
        struct step_reading s = {.reading = r, .node = map, .service = service, .step = step};
        keys_check(r, map, &(struct keys){.rows = {config_step_rows, step->action->rows}, .later = step_later});
        read_common(&s, values);
        const bool is_right = read_args(r, map, service, step, false);
        if (is_right && step->action->can_observe)
            step->can_observe = step->action->can_observe(step->args);
        if (is_measure)
            make_measure(&s);
        else
            check_said(&s, is_right);
    }
    json_decref(values);
}

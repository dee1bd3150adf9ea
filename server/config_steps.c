/* The playbook of a service: steps, their arguments by the rows of their action, and every template tried out.
 *
 * The complication is templates: an argument with ${to.address} has a value only once a run knows its sites. So each is
 * filled in here for each pair of sites the service can move between, and validated as if it had been written so: a
 * typing mistake is found on the day of the change. */
#include "base/cleanup.h"
#include "config_rows.h"
#include "config_value.h"
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
    {.name = NULL},
};

static const struct later step_later[] = {
    {"when", NULL},     {"on_failure", NULL}, {"idempotent", NULL}, {"backoff", NULL}, {"point_of_no_return", NULL},
    {"parallel", NULL}, {"use", NULL},        {"with", NULL},       {NULL, NULL}};

struct step_reading {
    struct reading *reading;
    const struct node *node; /* the step's mapping */
    const struct service *service;
    struct step *step;
    struct template_list templates;
};

/* ---- templates --------------------------------------------------------------------------------------------------- */

/* One text for one pair of sites. ERR_INVALID with why it is not right then. */
static enum err try_template(const struct step_reading *s, const struct template_use *use, int from, int to,
                             struct errmsg *why)
{
    json_t *args = json_pack("{s:s}", use->row->name, use->node->text);
    json_t *resolved = NULL;
    enum err err = args ? args_resolve(s->service, from, to, args, &resolved, why) : ERR_NO_MEMORY;
    json_decref(args);
    if (err != ERR_OK)
        return err;
    const char *text = json_string_value(json_object_get(resolved, use->row->name));
    json_t *value = text ? value_of_text(use->row, text) : NULL;
    if (!value) {
        struct strbuf expected = STRBUF_INIT;
        value_describe(use->row, &expected);
        err = err_set(why, ERR_INVALID, "\"%s\" cannot be %s; it must be %s", use->row->name,
                      shown(text ? text : "").text, strbuf_text(&expected));
        strbuf_done(&expected);
    }
    json_decref(value);
    json_decref(resolved);
    return err;
}

/* The arguments as a whole, once all of their texts are right. */
static enum err try_args(const struct step_reading *s, int from, int to, struct errmsg *why)
{
    json_t *resolved = NULL;
    enum err err = args_resolve(s->service, from, to, s->step->args, &resolved, why);
    if (err == ERR_OK)
        err = s->step->action->check_args(resolved, why);
    json_decref(resolved);
    return err;
}

/* Tries one template, or without one the arguments as a whole, for every move that makes a difference; complains about
 * the first that fails, and says how many do. */
static bool try_moves(const struct step_reading *s, const struct template_use *use, bool needs_from)
{
    const struct service *service = s->service;
    struct errmsg first = {.text = ""};
    int first_from = 0, first_to = 0, n_failed = 0, n_all = 0;
    for (int to = 0; to < service->n_sites; to++) {
        for (int from = 0; from < service->n_sites; from++) {
            struct errmsg why = {.text = ""};
            if (from == to || (!needs_from && from > (to == 0 ? 1 : 0)))
                continue;
            n_all++;
            enum err err = use ? try_template(s, use, from, to, &why) : try_args(s, from, to, &why);
            if (err != ERR_OK && n_failed++ == 0) {
                first = why;
                first_from = from;
                first_to = to;
            }
        }
    }
    if (n_failed == 0)
        return true;
    char others[64] = "";
    if (n_failed == n_all)
        snprintf(others, sizeof(others), " (as with every move)");
    else if (n_failed > 1)
        snprintf(others, sizeof(others), " (and %d moves more)", n_failed - 1);
    const struct node *at = use ? use->node : s->node;
    const char *to_name = service->sites[first_to].name;
    if (needs_from)
        complain(s->reading, at, "moving from %s to %s%s: %s", service->sites[first_from].name, to_name, others,
                 first.text);
    else
        complain(s->reading, at, "moving to %s%s: %s", to_name, others, first.text);
    return false;
}

static bool template_needs_from(const struct template_use *use)
{
    json_t *args = json_pack("{s:s}", use->row->name, use->node->text);
    bool needs_from = args && args_need_from(args);
    json_decref(args);
    return needs_from;
}

static bool try_templates(const struct step_reading *s)
{
    bool is_right = true;
    for (size_t i = 0; i < s->templates.count; i++) {
        const struct template_use *use = &s->templates.items[i];
        is_right = try_moves(s, use, template_needs_from(use)) && is_right;
    }
    return is_right;
}

/* What the action itself says of its arguments, once each of them is right by its row. */
static void check_args(const struct step_reading *s)
{
    struct errmsg why = {.text = ""};
    if (!s->step->action->check_args || !s->step->args)
        return;
    if (s->templates.count > 0)
        (void)try_moves(s, NULL, args_need_from(s->step->args));
    else if (s->step->action->check_args(s->step->args, &why) != ERR_OK)
        complain(s->reading, s->node, "%s: %s", s->step->action->name, why.text);
}

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
    step->provider =
        read_provider(s, child(s->node, "provider"), json_string_value(json_object_get(values, "provider")));
}

/* Actions take no secrets: their arguments are recorded with the run. A row that is one would be our own mistake. */
static struct secret *no_secret(void *owner, const char *row)
{
    (void)owner;
    (void)row;
    return NULL;
}

/* One mapping holds what all steps take and what the action takes; no row of an action has the name of a step's key. */
static void read_step(struct reading *r, const struct node *map, const struct service *service, struct step *step)
{
    step->provider = -1;
    if (!expect_item(r, map, NODE_MAP, "playbook"))
        return;
    json_t *values = rows_read(&(struct row_reader){.reading = r}, map, config_step_rows);
    step->action = read_action(r, map);
    /* Without its action nobody knows which keys it takes. */
    if (step->action) {
        struct step_reading s = {.reading = r, .node = map, .service = service, .step = step};
        keys_check(r, map, &(struct keys){.rows = {config_step_rows, step->action->rows}, .later = step_later});
        read_common(&s, values);
        size_t before = r->errors.count;
        const struct row_reader reader = {.reading = r, .templates = &s.templates, .secret_slot = no_secret};
        step->args = rows_read(&reader, map, step->action->rows);
        if (try_templates(&s) && r->errors.count == before)
            check_args(&s);
        template_list_done(&s.templates);
    }
    json_decref(values);
}

/* ---- the playbook ------------------------------------------------------------------------------------------------ */

static void doubt_effect(struct reading *r, const struct node *playbook, const struct service *service)
{
    for (int i = 0; i < service->n_steps; i++) {
        if (!service->steps[i].action || service->steps[i].can_apply)
            return;
    }
    doubt(r, playbook, "no step changes anything: the playbook only checks");
}

void read_playbook(struct reading *r, const struct node *playbook, struct service *service)
{
    if (!expect_kind(r, playbook, NODE_LIST, "playbook"))
        return;
    if (playbook->n_items == 0 || playbook->n_items > MAX_STEPS) {
        complain(r, playbook, "a playbook cannot have %zu steps; it needs 1 to %d", playbook->n_items, MAX_STEPS);
        return;
    }
    service->steps = new_array(r, playbook->n_items, sizeof(*service->steps));
    if (!service->steps)
        return;
    service->n_steps = (int)playbook->n_items;
    for (int i = 0; i < service->n_steps; i++)
        read_step(r, playbook->items[i], service, &service->steps[i]);
    doubt_effect(r, playbook, service);
}

/* The arguments of a step, of its stand-in, or of a probe, by the rows of its action, and every template in them tried
 * out.
 *
 * The complication is templates: an argument with ${to.address} has a value only once a run knows its sites. So each is
 * filled in here for each pair of sites the service can move between (of a probe: for each site it looks at), and
 * validated as if it had been written so: a typing mistake is found on the day of the change. */
#include "base/cleanup.h"
#include "config/rows.h"
#include "config/value.h"
#include "core/playbook.h"

#include <stdlib.h>
#include <string.h>

struct args_reading {
    struct reading *reading;
    const struct node *node; /* the mapping of the step or probe */
    const struct service *service;
    struct step *step;
    const json_t *args; /* what is tried as a whole */
    bool is_probe;
    bool is_drill; /* what stands in for the step's own arguments in a drill */
    struct template_list templates;
};

/* ---- one try ----------------------------------------------------------------------------------------------------- */

/* One text for one pair of sites. ERR_INVALID with why it is not right then. */
static enum err try_template(const struct args_reading *a, const struct template_use *use, int from, int to,
                             struct errmsg *why)
{
    json_t *args = json_pack("{s:s}", use->row->name, use->node->text);
    json_t *resolved = NULL;
    enum err err = args ? args_resolve(a->service, from, to, args, &resolved, why) : ERR_NO_MEMORY;
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

/* Texts may be names, which are the same in either case. */
static bool is_same_value(const json_t *a, const json_t *b)
{
    if (json_is_string(a) && json_is_string(b))
        return strcasecmp(json_string_value(a), json_string_value(b)) == 0;
    return a == b || json_equal(a, b);
}

/* Whether a drill with these arguments leaves alone what the step works on otherwise. */
static enum err expect_stand_in(const struct args_reading *a, int from, int to, const json_t *stand_in,
                                struct errmsg *why)
{
    const struct step *step = a->step;
    json_t *real = NULL;
    enum err err = args_resolve(a->service, from, to, step->args, &real, why);
    if (err != ERR_OK)
        return err;
    struct strbuf names = STRBUF_INIT;
    bool is_same = true;
    for (const struct row *row = step->action->rows; step->can_apply && row->name; row++) {
        if (!row->is_identity)
            continue;
        is_same = is_same && is_same_value(json_object_get(real, row->name), json_object_get(stand_in, row->name));
        strbuf_addf(&names, "%s\"%s\"", names.len > 0 ? " or " : "", row->name);
    }
    if (names.len > 0 && is_same)
        err = err_set(why, ERR_INVALID,
                      "a drill would work on the very thing that the step is there for; give %s of something that "
                      "stands in for it",
                      strbuf_text(&names));
    else if (names.len == 0 && json_equal(real, stand_in))
        err = err_set(why, ERR_INVALID,
                      "a drill would do just what the step does; give other values, of something that stands in for "
                      "it, or remove \"drill\"");
    strbuf_done(&names);
    json_decref(real);
    return err;
}

/* The arguments as a whole, once all of their texts are right. */
static enum err try_args(const struct args_reading *a, int from, int to, struct errmsg *why)
{
    json_t *resolved = NULL;
    enum err err = args_resolve(a->service, from, to, a->args, &resolved, why);
    if (err == ERR_OK && a->step->action->check_args)
        err = a->step->action->check_args(resolved, why);
    if (err == ERR_OK && a->is_drill)
        err = expect_stand_in(a, from, to, resolved, why);
    json_decref(resolved);
    return err;
}

/* ---- all tries --------------------------------------------------------------------------------------------------- */

struct failure {
    struct errmsg why; /* of the first */
    int from, to;
    int n_failed, n_tried;
};

static void try_one(const struct args_reading *a, const struct template_use *use, int from, int to,
                    struct failure *failure)
{
    struct errmsg why = {.text = ""};
    enum err err = use ? try_template(a, use, from, to, &why) : try_args(a, from, to, &why);
    failure->n_tried++;
    if (err == ERR_OK || failure->n_failed++ > 0)
        return;
    failure->why = why;
    failure->from = from;
    failure->to = to;
}

static void complain_failure(const struct args_reading *a, const struct template_use *use, bool needs_from,
                             const struct failure *failure)
{
    const char *what = a->is_probe ? "site" : "move";
    char others[64] = "";
    if (failure->n_failed == failure->n_tried)
        snprintf(others, sizeof(others), " (as with every %s)", what);
    else if (failure->n_failed > 1)
        snprintf(others, sizeof(others), " (and %d %s%s more)", failure->n_failed - 1, what,
                 failure->n_failed == 2 ? "" : "s");
    const struct node *at = use ? use->node : a->node;
    const struct site *sites = a->service->sites;
    if (a->is_probe)
        complain(a->reading, at, "looking at %s%s: %s", sites[failure->to].name, others, failure->why.text);
    else if (needs_from)
        complain(a->reading, at, "moving from %s to %s%s: %s", sites[failure->from].name, sites[failure->to].name,
                 others, failure->why.text);
    else
        complain(a->reading, at, "moving to %s%s: %s", sites[failure->to].name, others, failure->why.text);
}

/* Tries one template, or without one the arguments as a whole, for every move (of a probe: site) that makes a
 * difference; complains about the first that fails, and says how many do. */
static bool try_everywhere(const struct args_reading *a, const struct template_use *use, bool needs_from)
{
    const int n_sites = a->service->n_sites;
    struct failure failure = {.n_failed = 0};
    for (int to = 0; to < n_sites; to++) {
        if (a->is_probe) {
            try_one(a, use, SITE_NONE, to, &failure);
            continue;
        }
        for (int from = 0; from < n_sites; from++) {
            if (from != to && (needs_from || from <= (to == 0 ? 1 : 0)))
                try_one(a, use, from, to, &failure);
        }
    }
    if (failure.n_failed > 0)
        complain_failure(a, use, needs_from, &failure);
    return failure.n_failed == 0;
}

static bool template_needs_from(const struct template_use *use)
{
    json_t *args = json_pack("{s:s}", use->row->name, use->node->text);
    bool needs_from = args && args_need_from(args);
    json_decref(args);
    return needs_from;
}

static bool try_templates(const struct args_reading *a)
{
    bool is_right = true;
    for (size_t i = 0; i < a->templates.count; i++) {
        const struct template_use *use = &a->templates.items[i];
        const bool needs_from = template_needs_from(use);
        if (a->is_probe && needs_from) {
            complain(a->reading, use->node,
                     "a probe looks at one site at a time, so ${from...} has no value there; write ${to...}, which is "
                     "the site looked at");
            is_right = false;
        } else {
            is_right = try_everywhere(a, use, needs_from) && is_right;
        }
    }
    return is_right;
}

/* What the action itself says of its arguments, once each of them is right by its row. */
static void check_args(const struct args_reading *a)
{
    struct errmsg why = {.text = ""};
    if (!a->step->action->check_args || !a->args)
        return;
    if (a->templates.count > 0)
        (void)try_everywhere(a, NULL, args_need_from(a->args));
    else if (a->step->action->check_args(a->args, &why) != ERR_OK)
        complain(a->reading, a->node, "%s: %s", a->step->action->name, why.text);
}

/* Actions take no secrets: their arguments are recorded with the run. A row that is one would be our own mistake. */
static struct secret *no_secret(void *owner, const char *row)
{
    (void)owner;
    (void)row;
    return NULL;
}

bool read_args(struct reading *r, const struct node *map, const struct service *service, struct step *step,
               bool is_probe)
{
    struct args_reading a = {
        .reading = r, .node = map, .service = service, .step = step, .is_probe = is_probe, .templates = {.count = 0}};
    const size_t before = r->errors.count;
    const struct row_reader reader = {.reading = r, .templates = &a.templates, .secret_slot = no_secret};
    step->args = rows_read(&reader, map, step->action->rows);
    a.args = step->args;
    if (try_templates(&a) && r->errors.count == before)
        check_args(&a);
    template_list_done(&a.templates);
    return r->errors.count == before;
}

void read_drill_args(struct reading *r, const struct node *drill, const struct service *service, struct step *step)
{
    json_t *all = json_deep_copy(step->args);
    struct args_reading a = {.reading = r,
                             .node = drill,
                             .service = service,
                             .step = step,
                             .args = all,
                             .is_drill = true,
                             .templates = {.count = 0}};
    const size_t before = r->errors.count;
    const struct row_reader reader = {
        .reading = r, .is_partial = true, .templates = &a.templates, .secret_slot = no_secret};
    keys_check(r, drill, &(struct keys){.rows = {step->action->rows}});
    step->drill = rows_read(&reader, drill, step->action->rows);
    if (!all || !step->drill || json_object_update(all, step->drill) != 0)
        complain_memory(r);
    if (try_templates(&a) && r->errors.count == before)
        (void)try_everywhere(&a, NULL, args_need_from(all) || args_need_from(step->args));
    template_list_done(&a.templates);
    json_decref(all);
}

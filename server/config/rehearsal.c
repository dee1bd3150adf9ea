/* What a service is to hold when it is moved, and how it is made sure beforehand: objective, readiness, drills. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE ((int64_t)60 * 1000)
#define DAY (24 * 60 * MINUTE)
#define MAX_MEASURES 16

static const struct row objective_rows[] = {
    {.name = "rto",
     .type = ROW_DURATION,
     .min = 1000,
     .max = 7 * DAY,
     .help =
         "how long users may be without the service, from the first alert on: what a plan and a report compare with"},
    {.name = "measures",
     .type = ROW_MAPS,
     .help = "checks of what users see through the new path: asked when the steps are done, timed, never in the way"},
    {.name = NULL},
};

static const struct row readiness_rows[] = {
    {.name = "every",
     .type = ROW_DURATION,
     .default_text = "5m",
     .min = 1000,
     .max = 7 * DAY,
     .choices = "never",
     .help = "how often it is looked at whether the service could be moved"},
    {.name = NULL},
};

static const struct row drill_rows[] = {
    {.name = "every",
     .type = ROW_DURATION,
     .default_text = "never",
     .min = MINUTE,
     .max = 366 * DAY,
     .choices = "never",
     .help = "how often there is a drill by itself; default: only when somebody asks for one"},
    {.name = "kind",
     .type = ROW_CHOICE,
     .choices = "canary|plan",
     .help =
         "canary does the steps there and back on what stands in for the real thing, by the \"drill\" of each step; "
         "plan only looks, both ways; default: canary where a step has a \"drill\""},
    {.name = NULL},
};

static const struct node nothing = {.kind = NODE_NULL};

/* The values of the mapping `key`, or what it is without; NULL after a complaint. */
static json_t *read_rows(struct reading *r, const struct node *map, const char *key, const struct row *rows)
{
    const struct node *node = child(map, key);
    if (!node)
        node = &nothing;
    if (!expect_kind(r, node, NODE_MAP, key))
        return NULL;
    keys_check(r, node, &(struct keys){.rows = {rows}});
    return rows_read(&(struct row_reader){.reading = r}, node, rows);
}

static void read_measures(struct reading *r, const struct node *list, struct service *service)
{
    struct objective *objective = &service->objective;
    const bool is_list = list->kind == NODE_LIST;
    const size_t n = is_list ? list->n_items : 1;
    if (!is_list && !expect_item(r, list, NODE_MAP, "measures"))
        return;
    if (n > MAX_MEASURES || (int)n + service->n_steps > MAX_STEPS) {
        complain(r, list, "\"measures\" cannot hold %zu; %d are the most, and %d together with the playbook", n,
                 MAX_MEASURES, MAX_STEPS);
        return;
    }
    objective->measures = new_array(r, n, sizeof(*objective->measures));
    if (!objective->measures)
        return;
    objective->n_measures = (int)n;
    for (size_t i = 0; i < n; i++)
        read_step(r, is_list ? list->items[i] : list, service, true, &objective->measures[i]);
}

static bool has_stand_in(const struct service *service)
{
    for (int i = 0; i < service->n_steps; i++) {
        if (service->steps[i].drill && service->steps[i].can_apply)
            return true;
    }
    return false;
}

static void take_drill(struct reading *r, const struct node *map, const json_t *values, struct service *service)
{
    const struct node *node = child(map, "drill");
    const char *kind = json_string_value(json_object_get(values, "kind"));
    const bool is_canary = kind ? strcmp(kind, "canary") == 0 : has_stand_in(service);
    service->drill = (struct drill_rule){.kind = is_canary ? DRILL_CANARY : DRILL_PLAN,
                                         .every_ms = json_integer_value(json_object_get(values, "every"))};
    if (is_canary && !has_stand_in(service) && service->n_steps > 0)
        complain(
            r, node ? child(node, "kind") : NULL,
            "\"kind\" cannot be canary: no step that changes something has a \"drill\", which names what stands in "
            "for the real thing; write one, as drill: {record: drill-app}, or choose plan");
}

void read_rehearsal(struct reading *r, const struct node *map, struct service *service)
{
    json_t *values = read_rows(r, map, "objective", objective_rows);
    const struct node *objective = child(map, "objective");
    const struct node *measures = values && objective ? child(objective, "measures") : NULL;
    service->objective.rto_ms = json_integer_value(json_object_get(values, "rto"));
    json_decref(values);
    if (measures && measures->kind != NODE_NULL)
        read_measures(r, measures, service);
    values = read_rows(r, map, "readiness", readiness_rows);
    service->ready_every_ms = json_integer_value(json_object_get(values, "every"));
    json_decref(values);
    values = read_rows(r, map, "drill", drill_rows);
    if (values)
        take_drill(r, map, values, service);
    json_decref(values);
}

/* The probe of a service: our own check of each site, all the time. It is written like a step and asks the same way,
 * but looks at one site instead of moving from one to another. Nothing here asks anything. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

const struct row config_probe_rows[] = {
    {.name = "action", .type = ROW_STRING, .is_required = true, .help = "the check that is made of each site"},
    {.name = "every",
     .type = ROW_DURATION,
     .default_text = "15s",
     .min = 500,
     .max = 3600 * 1000,
     .help = "how often each site is looked at"},
    {.name = "fall",
     .type = ROW_INT,
     .default_text = "3",
     .min = 1,
     .max = 100,
     .help = "so many bad answers in a row, and the site is down"},
    {.name = "rise",
     .type = ROW_INT,
     .default_text = "2",
     .min = 1,
     .max = 100,
     .help = "so many good answers in a row, and it is up"},
    {.name = "required",
     .type = ROW_BOOL,
     .default_text = "false",
     .help = "whether nothing is believed to be down unless the probe says so too"},
    {.name = "timeout",
     .type = ROW_DURATION,
     .min = 100,
     .max = 3600 * 1000,
     .help = "the longest time of one look, not longer than every; default: the action's, or every"},
    {.name = NULL},
};

/* Only looks, and needs no credential: it asks all day. */
static bool can_probe(const struct action *action)
{
    return action->is_check && !action->provider_kind;
}

static const struct action *read_action(struct reading *r, const struct node *probe)
{
    const struct node *node = child(probe, "action");
    if (!node || node->kind != NODE_TEXT)
        return NULL; /* the row complains */
    const struct action *action = action_find(node->text);
    if (action && can_probe(action))
        return action;
    struct names names = {.count = 0};
    for (const struct action *const *a = action_list(); *a; a++) {
        if (can_probe(*a))
            names_add(&names, (*a)->name);
    }
    char hint[1200];
    if (action)
        complain(r, node, "a probe only looks, and %s changes things; %s", action->name,
                 names_hint(&names, "", hint, sizeof(hint)));
    else
        complain_unknown(r, node, "check", node->text, &names);
    return NULL;
}

static void take_timeout(struct reading *r, const struct node *probe, const json_t *values, struct service *service)
{
    const json_t *timeout = json_object_get(values, "timeout");
    struct step *check = service->probe.check;
    const int64_t every_ms = service->probe.every_ms;
    check->timeout_ms = timeout ? json_integer_value(timeout) : check->action->default_timeout_ms;
    if (every_ms > 0 && check->timeout_ms > every_ms) {
        if (timeout)
            complain(r, child(probe, "timeout"), "\"timeout\" is longer than \"every\"; it must not be");
        check->timeout_ms = every_ms;
    }
    check->deadline_ms = check->timeout_ms;
}

void read_probe(struct reading *r, const struct node *map, struct service *service)
{
    const struct node *trigger = child(map, "trigger");
    const struct node *probe = trigger && trigger->kind == NODE_MAP ? child(trigger, "probe") : NULL;
    if (!probe || !expect_kind(r, probe, NODE_MAP, "probe"))
        return;
    json_t *values = rows_read(&(struct row_reader){.reading = r}, probe, config_probe_rows);
    const struct action *action = read_action(r, probe);
    struct step *check = new_array(r, 1, sizeof(*check));
    if (!check || !action) {
        /* Without its action nobody knows which keys it takes; a probe is there all the same. */
        service->probe.check = check;
        json_decref(values);
        return;
    }
    keys_check(r, probe, &(struct keys){.rows = {config_probe_rows, action->rows}});
    *check = (struct step){.name = new_text(r, VOTER_PROBE_NAME),
                           .action_name = action->name,
                           .action = action,
                           .provider = -1,
                           .retries = 0};
    service->probe = (struct probe_rule){.check = check,
                                         .every_ms = json_integer_value(json_object_get(values, "every")),
                                         .fall = (int)json_integer_value(json_object_get(values, "fall")),
                                         .rise = (int)json_integer_value(json_object_get(values, "rise")),
                                         .is_required = json_is_true(json_object_get(values, "required"))};
    take_timeout(r, probe, values, service);
    (void)read_args(r, probe, service, check, true);
    json_decref(values);
}

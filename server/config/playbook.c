/* The playbook of a service: its steps and groups, which runs they are part of, and what can only be said of them
 * together.
 *
 * The complication is that what a step says of itself may be worth nothing where it stands: an undo with nothing behind
 * it to put back, a fence in the same group as what it is to keep apart. Each step itself is read by config/steps.c. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

struct playbook {
    struct reading *reading;
    const struct node *node;
    struct service *service;
    const struct node *steps[MAX_STEPS]; /* their mappings */
    int groups[MAX_STEPS];
    size_t n_steps; /* may be more than there is room for */
};

/* ---- items ------------------------------------------------------------------------------------------------------- */

static const struct node *group_of(const struct node *item)
{
    return item->kind == NODE_MAP ? child(item, "parallel") : NULL;
}

static void add_step(struct playbook *p, const struct node *step, int group)
{
    if (p->n_steps < MAX_STEPS) {
        p->steps[p->n_steps] = step;
        p->groups[p->n_steps] = group;
    }
    p->n_steps++;
}

static void add_group(struct playbook *p, const struct node *item, const struct node *list, int group)
{
    struct reading *r = p->reading;
    for (size_t i = 0; i < item->n_pairs; i++) {
        if (strcmp(item->pairs[i].key->text, "parallel") != 0)
            complain(r, item->pairs[i].key,
                     "%s cannot stand beside \"parallel\", which is a group of steps; write it in each of its steps",
                     shown(item->pairs[i].key->text).text);
    }
    if (list->kind != NODE_LIST) {
        (void)expect_item(r, list, NODE_LIST, "parallel");
        return;
    }
    if (list->n_items < 2 || list->n_items > MAX_GROUP) {
        complain(r, list, "\"parallel\" cannot hold %zu step%s; it needs 2 to %d", list->n_items,
                 list->n_items == 1 ? "" : "s", MAX_GROUP);
        return;
    }
    for (size_t i = 0; i < list->n_items; i++) {
        if (group_of(list->items[i]))
            complain(r, list->items[i],
                     "\"parallel\" cannot stand in \"parallel\"; its steps go together with the others, so write them "
                     "there");
        else
            add_step(p, list->items[i], group);
    }
}

/* One step after the other, of a group those that go together. */
static void add_items(struct playbook *p)
{
    int n_groups = 0;
    for (size_t i = 0; i < p->node->n_items; i++) {
        const struct node *item = p->node->items[i], *list = group_of(item);
        if (list)
            add_group(p, item, list, ++n_groups);
        else
            add_step(p, item, 0);
    }
}

/* ---- occasions --------------------------------------------------------------------------------------------------- */

static void doubt_effect(const struct playbook *p)
{
    for (int i = 0; i < p->service->n_steps; i++) {
        if (!p->service->steps[i].action || p->service->steps[i].can_apply)
            return;
    }
    doubt(p->reading, p->node, "no step changes anything: the playbook only checks");
}

/* A run for that occasion would be over before it began. */
static void check_occasion(const struct playbook *p, enum occasion occasion)
{
    for (int i = 0; i < p->service->n_steps; i++) {
        const unsigned when = p->service->steps[i].when;
        if (when == 0 || when & 1U << occasion)
            return;
    }
    if (occasion == OCCASION_OUTAGE)
        complain(p->reading, p->node,
                 "no step is left for an outage: each has a \"when\" without outage, and a failover would do nothing; "
                 "add outage where it belongs, or remove \"when\"");
    else
        doubt(p->reading, p->node,
              "no step is left for runs of the kind %s: each has a \"when\" without it, and such a run does nothing",
              occasion_text(occasion));
}

/* Whether there is a kind of run that both are part of. */
static bool meet(const struct step *a, const struct step *b)
{
    return a->when == 0 || b->when == 0 || (a->when & b->when) != 0;
}

/* ---- steps among others ------------------------------------------------------------------------------------------ */

static const char *name_of(const struct step *step)
{
    return step->name ? step->name : "";
}

/* Others of its group would still be under way, and nobody could say what of them is to be put back. */
static void check_point(const struct playbook *p, int i)
{
    const struct step *step = &p->service->steps[i];
    if (step->is_point_of_no_return && step->group != 0)
        complain(p->reading, p->steps[i],
                 "step %s is a point of no return and cannot be part of a group: others would be under way at it; "
                 "write it as a step of its own",
                 shown(name_of(step)).text);
}

/* Whether an undo finds something to do: a change before it, or its own, that can be looked at and taken back. */
static bool can_put_back(const struct playbook *p, int last)
{
    for (int i = 0; i <= last; i++) {
        const struct step *step = &p->service->steps[i];
        if (step->can_apply && step->can_observe && !step->is_point_of_no_return &&
            meet(step, &p->service->steps[last]))
            return true;
    }
    return false;
}

static const struct step *point_before(const struct playbook *p, int last)
{
    for (int i = 0; i < last; i++) {
        const struct step *step = &p->service->steps[i];
        if (step->is_point_of_no_return && meet(step, &p->service->steps[last]))
            return step;
    }
    return NULL;
}

static void check_undo(const struct playbook *p, int i)
{
    const struct step *step = &p->service->steps[i];
    const struct node *node = child(p->steps[i], "on_failure");
    if (step->on_failure != ON_FAILURE_UNDO || !node)
        return;
    const struct step *point = point_before(p, i);
    if (!can_put_back(p, i) && !step->can_apply)
        complain(p->reading, node,
                 "\"on_failure\" cannot be undo: %s only looks, and no step before it changes what can be put back; "
                 "choose stop",
                 step->action_name);
    else if (!can_put_back(p, i))
        doubt(
            p->reading, node,
            "\"on_failure\" is undo, but neither step %s nor one before it can put back what it changes: it will wait "
            "for a person; choose attention or stop",
            shown(name_of(step)).text);
    else if (point)
        doubt(
            p->reading, node,
            "\"on_failure\" is undo, but step %s before it is a point of no return: it will wait for a person; choose "
            "attention",
            shown(name_of(point)).text);
}

/* One that goes on without having worked keeps nobody from writing. */
static bool is_fence_for(const struct step *fence, const struct step *promotion)
{
    const bool holds = fence->on_failure != ON_FAILURE_CONTINUE && fence->on_failure != ON_FAILURE_OWE;
    return fence->is_fence && holds && step_is_part_of(fence, OCCASION_OUTAGE) &&
           (fence->group == 0 || fence->group != promotion->group);
}

/* Two writers are the worst there is: nothing makes a second one by itself while the first may still be one. */
static void check_fence(const struct playbook *p, int i)
{
    const struct step *step = &p->service->steps[i];
    const struct step *weak = NULL;
    if (!step->is_promotion || p->service->mode != MODE_AUTOMATIC || !step_is_part_of(step, OCCASION_OUTAGE))
        return;
    for (int k = 0; k < i; k++) {
        const struct step *before = &p->service->steps[k];
        if (is_fence_for(before, step))
            return;
        if (before->is_fence)
            weak = before;
    }
    if (weak)
        complain(
            p->reading, p->steps[i],
            "mode automatic is refused: step %s makes a second writer, and step %s, the fence before it, may be "
            "passed without having worked; its \"on_failure\" must be attention, stop or undo, and its \"when\" hold "
            "outage",
            shown(name_of(step)).text, shown(name_of(weak)).text);
    else
        complain(
            p->reading, p->steps[i],
            "mode automatic is refused: step %s makes a second writer, and no step before it keeps the old one from "
            "writing; write a step with \"fence: true\" before it, or choose mode approval",
            shown(name_of(step)).text);
}

/* ---- all --------------------------------------------------------------------------------------------------------- */

/* For so long after a run old answers of the name servers are in use: as long as the longest TTL among its records. */
static int64_t settle_ms(const struct service *service)
{
    int64_t longest = 0;
    for (int i = 0; i < service->n_steps; i++) {
        const int64_t ttl = json_integer_value(json_object_get(service->steps[i].args, "ttl"));
        if (ttl > longest)
            longest = ttl;
    }
    return longest * 1000;
}

static void read_steps(struct playbook *p)
{
    struct service *service = p->service;
    service->steps = new_array(p->reading, p->n_steps, sizeof(*service->steps));
    if (!service->steps)
        return;
    service->n_steps = (int)p->n_steps;
    for (int i = 0; i < service->n_steps; i++) {
        read_step(p->reading, p->steps[i], service, false, &service->steps[i]);
        service->steps[i].group = p->groups[i];
    }
    for (int i = 0; i < service->n_steps; i++) {
        check_point(p, i);
        check_undo(p, i);
        check_fence(p, i);
    }
    doubt_effect(p);
    check_occasion(p, OCCASION_OUTAGE);
    check_occasion(p, OCCASION_PLANNED);
    check_occasion(p, OCCASION_FAILBACK);
    service->settle_ms = settle_ms(service);
}

void read_playbook(struct reading *r, const struct node *node, struct service *service)
{
    if (!expect_kind(r, node, NODE_LIST, "playbook"))
        return;
    struct playbook p = {.reading = r, .node = node, .service = service, .n_steps = 0};
    const size_t before = r->errors.count;
    add_items(&p);
    if (p.n_steps > MAX_STEPS || (p.n_steps == 0 && r->errors.count == before))
        complain(r, node, "a playbook cannot have %zu steps; it needs 1 to %d", p.n_steps, MAX_STEPS);
    else if (p.n_steps > 0)
        read_steps(&p);
}

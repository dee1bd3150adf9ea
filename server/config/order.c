/* What the services have to do with one another: places they share, which go first, and which wait for which.
 *
 * The complication is cycles: services that wait for one another would all wait for ever, just when they are needed. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

#define MAX_AFTER 100    /* names of one list */
#define MAX_CYCLE_TEXT 8 /* names of a cycle that are shown */

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Index of the place, a new one where the name is new; -1 when out of memory. */
static int place_of(struct reading *r, json_t *indices, const char *name)
{
    struct model *model = &r->config->model;
    const json_t *known = json_object_get(indices, name);
    if (known)
        return (int)json_integer_value(known);
    if ((model->n_places & (model->n_places - 1)) == 0) { /* full at each power of two */
        const size_t room = model->n_places > 0 ? (size_t)model->n_places * 2 : 1;
        char **names = reallocarray(model->place_names, room, sizeof(*names));
        if (!names)
            return -1;
        model->place_names = names;
    }
    char *copy = strdup(name);
    if (!copy || json_object_set_new(indices, name, json_integer(model->n_places)) != 0) {
        free(copy);
        return -1;
    }
    model->place_names[model->n_places] = copy;
    return model->n_places++;
}

static void find_places(struct reading *r)
{
    json_t *indices = json_object();
    for (int i = 0; i < r->config->model.n_services; i++) {
        struct service *service = &r->config->model.services[i];
        for (int k = 0; k < service->n_sites; k++) {
            service->sites[k].place = indices ? place_of(r, indices, service->sites[k].name) : -1;
            if (service->sites[k].place < 0) {
                complain_memory(r);
                json_decref(indices);
                return;
            }
        }
    }
    json_decref(indices);
}

/* ---- who waits for whom ------------------------------------------------------------------------------------------ */

static bool has_common_site(const struct service *a, const struct service *b)
{
    for (int i = 0; i < a->n_sites; i++) {
        if (service_site_find(b, a->sites[i].name) != SITE_NONE)
            return true;
    }
    return false;
}

static bool is_after(const struct service *service, int other)
{
    for (int i = 0; i < service->n_after; i++) {
        if (service->after[i] == other)
            return true;
    }
    return false;
}

/* Whoever waits for what only people move, waits for people. */
static void doubt_mode(struct reading *r, const struct node *item, const struct service *this,
                       const struct service *other)
{
    const bool moves = this->mode == MODE_AUTOMATIC || this->mode == MODE_APPROVAL;
    if (moves && (other->mode == MODE_MANUAL || other->mode == MODE_SHADOW))
        doubt(
            r, item,
            "service %s waits for %s, which nothing but people moves (its mode is %s): so it waits for people as well "
            "while both are at one site; let both move by themselves, or remove this",
            shown(this->name).text, shown(other->name).text, mode_text(other->mode));
}

static void complain_unknown_service(struct reading *r, const struct node *item)
{
    struct names names = {.count = 0};
    for (int i = 0; i < r->config->model.n_services; i++)
        names_add(&names, r->config->model.services[i].name);
    complain_unknown(r, item, "service", item->text, &names);
}

static void read_after_item(struct reading *r, const json_t *indices, const struct node *item, int service)
{
    struct model *model = &r->config->model;
    struct service *this = &model->services[service];
    if (!expect_item(r, item, NODE_TEXT, "after"))
        return;
    const json_t *index = json_object_get(indices, item->text);
    const int other = index ? (int)json_integer_value(index) : -1;
    if (!index) {
        complain_unknown_service(r, item);
    } else if (other == service) {
        complain(r, item, "service %s cannot go after itself; name another, or remove it", shown(item->text).text);
    } else if (is_after(this, other)) {
        complain(r, item, "service %s is there already; name each once", shown(item->text).text);
    } else {
        this->after[this->n_after++] = other;
        if (this->n_sites > 0 && model->services[other].n_sites > 0 && !has_common_site(this, &model->services[other]))
            doubt(r, item, "%s has no site in common with %s, so it is never waited for; remove it, or mend the sites",
                  shown(item->text).text, shown(this->name).text);
        doubt_mode(r, item, this, &model->services[other]);
    }
}

static void read_after(struct reading *r, const json_t *indices, const struct node *after, int service)
{
    struct service *this = &r->config->model.services[service];
    if (!after || !expect_kind(r, after, NODE_LIST, "after") || after->n_items == 0)
        return;
    if (after->n_items > MAX_AFTER) {
        complain(r, after, "\"after\" names %zu services; %d is the most", after->n_items, MAX_AFTER);
        return;
    }
    this->after = new_array(r, after->n_items, sizeof(*this->after));
    for (size_t i = 0; this->after && i < after->n_items; i++)
        read_after_item(r, indices, after->items[i], service);
}

/* ---- cycles ------------------------------------------------------------------------------------------------------ */

enum walk_state { WALK_UNSEEN, WALK_OPEN, WALK_DONE };

/* A walk along `after` with its way back, by hand: a chain may be as long as there are services. */
struct walk {
    enum walk_state *states; /* by service: */
    int *next;               /* which of its `after` is next */
    int *path;
    int depth;
};

/* "a after b after c after a", from where `first` stands on the path to its end. */
static void complain_cycle(struct reading *r, const struct node *map, const struct walk *walk, int first)
{
    const struct service *services = r->config->model.services;
    struct strbuf text = STRBUF_INIT;
    int begin = walk->depth - 1;
    while (walk->path[begin] != first)
        begin--;
    for (int i = begin; i < walk->depth && i < begin + MAX_CYCLE_TEXT; i++)
        strbuf_addf(&text, "%s after ", shown(services[walk->path[i]].name).text);
    if (walk->depth - begin > MAX_CYCLE_TEXT)
        strbuf_adds(&text, "... after ");
    strbuf_adds(&text, shown(services[first].name).text);
    complain(r, child(map->pairs[first].value, "after"),
             "services wait for one another in a circle: %s; none of them would ever go, so remove one of these",
             strbuf_text(&text));
    strbuf_done(&text);
}

static void walk_open(struct walk *walk, int service)
{
    walk->states[service] = WALK_OPEN;
    walk->path[walk->depth++] = service;
}

static void walk_from(struct reading *r, const struct node *map, struct walk *walk, int root)
{
    const struct service *services = r->config->model.services;
    walk_open(walk, root);
    while (walk->depth > 0) {
        const int top = walk->path[walk->depth - 1];
        if (walk->next[top] == services[top].n_after) {
            walk->states[top] = WALK_DONE;
            walk->depth--;
            continue;
        }
        const int other = services[top].after[walk->next[top]++];
        if (walk->states[other] == WALK_OPEN)
            complain_cycle(r, map, walk, other);
        else if (walk->states[other] == WALK_UNSEEN)
            walk_open(walk, other);
    }
}

static void check_cycles(struct reading *r, const struct node *map)
{
    const int n = r->config->model.n_services;
    struct walk walk = {.states = new_array(r, (size_t)n, sizeof(*walk.states)),
                        .next = new_array(r, (size_t)n, sizeof(*walk.next)),
                        .path = new_array(r, (size_t)n, sizeof(*walk.path))};
    for (int i = 0; walk.states && walk.next && walk.path && i < n; i++) {
        if (walk.states[i] == WALK_UNSEEN)
            walk_from(r, map, &walk, i);
    }
    free(walk.states);
    free(walk.next);
    free(walk.path);
}

/* ---- who goes first ---------------------------------------------------------------------------------------------- */

static int priority_compare(const void *a, const void *b, void *context)
{
    const struct service *services = context;
    const int left = *(const int *)a, right = *(const int *)b;
    if (services[left].priority != services[right].priority)
        return services[left].priority < services[right].priority ? -1 : 1;
    return left < right ? -1 : left > right; /* as they are written */
}

static void order_by_priority(struct reading *r)
{
    struct model *model = &r->config->model;
    model->by_priority = new_array(r, (size_t)model->n_services, sizeof(*model->by_priority));
    if (!model->by_priority)
        return;
    for (int i = 0; i < model->n_services; i++)
        model->by_priority[i] = i;
    qsort_r(model->by_priority, (size_t)model->n_services, sizeof(*model->by_priority), priority_compare,
            model->services);
}

void order_services(struct reading *r, const struct node *map)
{
    struct model *model = &r->config->model;
    json_t *indices = json_object();
    for (int i = 0; i < model->n_services; i++) {
        if (json_object_set_new(indices, model->services[i].name, json_integer(i)) != 0) {
            complain_memory(r);
            json_decref(indices);
            return;
        }
    }
    for (int i = 0; i < model->n_services; i++) {
        const struct node *value = map->pairs[i].value;
        read_after(r, indices, value->kind == NODE_MAP ? child(value, "after") : NULL, i);
    }
    json_decref(indices);
    check_cycles(r, map);
    find_places(r);
    order_by_priority(r);
}

/* Services: their sites and the order of preference; trigger, alerts, probe and playbook are read by their own parts.
 */
#include "base/cleanup.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

static const struct row service_rows[] = {
    {.name = "priority",
     .type = ROW_INT,
     .default_text = "100",
     .min = 0,
     .max = 1000000,
     .help = "the lowest goes first, where several services have to leave a site"},
    {.name = NULL},
};

/* ---- sites ------------------------------------------------------------------------------------------------------- */

static bool is_reserved(const char *name)
{
    static const char *const reserved[] = {"active", "moving", "split", "unknown", "site"};
    for (size_t i = 0; i < COUNT_OF(reserved); i++) {
        if (strcmp(reserved[i], name) == 0)
            return true;
    }
    return false;
}

static void expect_site_name(struct reading *r, const struct node *key)
{
    if (expect_name(r, key, "a site") && is_reserved(key->text))
        complain(r, key, "%s cannot be the name of a site, since it is a state; choose another", shown(key->text).text);
}

/* One of a site's own keys: used in ${to.KEY}. */
static bool expect_value_key(struct reading *r, const struct node *key)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";
    if (strcmp(key->text, "name") == 0) {
        complain(r, key, "\"name\" cannot be a key of a site, since ${to.name} is the site's name; choose another");
        return false;
    }
    if (key->len > 0 && key->len <= 63 && strspn(key->text, letters) == key->len)
        return true;
    complain(r, key, "%s cannot be a key of a site; it must be up to 63 letters, digits, \"_\" and \"-\"",
             shown(key->text).text);
    return false;
}

/* The user's own keys as strings, put over what is in `values` already. */
static void read_site_values(struct reading *r, const struct node *map, const char *site, json_t *values)
{
    if (!expect_kind(r, map, NODE_MAP, site))
        return;
    for (size_t i = 0; i < map->n_pairs; i++) {
        const struct node *key = map->pairs[i].key, *value = map->pairs[i].value;
        if (!expect_value_key(r, key))
            continue;
        AUTO_FREE char *text = plain_text(r, value, key->text);
        if (text && json_object_set_new(values, key->text, json_string(text)) != 0)
            complain_memory(r);
    }
}

static void read_site_defaults(struct reading *r)
{
    const struct node *map = child(r->root, "sites");
    if (!map || !expect_kind(r, map, NODE_MAP, "sites") || map->n_pairs == 0)
        return;
    r->site_defaults = json_object();
    for (size_t i = 0; i < map->n_pairs && r->site_defaults; i++) {
        const struct node *key = map->pairs[i].key;
        expect_site_name(r, key);
        json_t *values = json_object();
        read_site_values(r, map->pairs[i].value, key->text, values);
        if (json_object_set_new(r->site_defaults, key->text, values) != 0)
            complain_memory(r);
    }
}

static void doubt_site(struct reading *r, const struct node *key)
{
    struct names names = {.count = 0};
    const char *name;
    json_t *values;
    json_object_foreach(r->site_defaults, name, values)
    {
        names_add(&names, name);
    }
    char hint[1200];
    doubt(r, key, "site %s is not among the top-level sites; %s", shown(key->text).text,
          names_hint(&names, key->text, hint, sizeof(hint)));
}

static void read_site(struct reading *r, const struct node_pair *pair, struct site *site)
{
    expect_site_name(r, pair->key);
    site->name = new_text(r, pair->key->text);
    const json_t *defaults = json_object_get(r->site_defaults, pair->key->text);
    if (r->site_defaults && !defaults)
        doubt_site(r, pair->key);
    site->values = defaults ? json_deep_copy(defaults) : json_object();
    if (!site->values)
        complain_memory(r);
    else
        read_site_values(r, pair->value, pair->key->text, site->values);
}

static bool read_sites(struct reading *r, const struct node *map, struct service *service)
{
    const struct node *sites = child(map, "sites");
    if (!sites) {
        complain(r, map, "\"sites\" is missing; a service needs at least two, each as NAME: {address: ...}");
        return false;
    }
    if (!expect_kind(r, sites, NODE_MAP, "sites"))
        return false;
    if (sites->n_pairs < 2 || sites->n_pairs > MAX_SITES) {
        complain(r, sites, "a service cannot have %zu site%s; it needs 2 to %d", sites->n_pairs,
                 sites->n_pairs == 1 ? "" : "s", MAX_SITES);
        return false;
    }
    service->sites = new_array(r, sites->n_pairs, sizeof(*service->sites));
    if (!service->sites)
        return false;
    service->n_sites = (int)sites->n_pairs;
    for (int i = 0; i < service->n_sites; i++)
        read_site(r, &sites->pairs[i], &service->sites[i]);
    return !r->is_out_of_memory;
}

/* ---- the order of preference ------------------------------------------------------------------------------------- */

static int read_preferred(struct reading *r, const struct node *node, const struct service *service)
{
    if (!expect_item(r, node, NODE_TEXT, "prefer"))
        return SITE_NONE;
    int site = service_site_find(service, node->text);
    if (site == SITE_NONE) {
        struct names names = {.count = 0};
        for (int i = 0; i < service->n_sites; i++)
            names_add(&names, service->sites[i].name);
        complain_unknown(r, node, "site", node->text, &names);
    }
    return site;
}

static void read_prefer(struct reading *r, const struct node *prefer, struct service *service)
{
    if (!prefer || !expect_kind(r, prefer, NODE_LIST, "prefer"))
        return;
    int place[MAX_SITES]; /* in `prefer`, from 1 */
    memset(place, 0, sizeof(place));
    struct site ordered[MAX_SITES];
    int n_ordered = 0;
    for (size_t i = 0; i < prefer->n_items; i++) {
        int site = read_preferred(r, prefer->items[i], service);
        if (site == SITE_NONE)
            continue;
        if (place[site] > 0) {
            complain(r, prefer->items[i], "site %s is there already; name each site once",
                     shown(service->sites[site].name).text);
            continue;
        }
        place[site] = n_ordered + 1;
        ordered[n_ordered++] = service->sites[site];
    }
    for (int i = 0; i < service->n_sites; i++) {
        if (place[i] == 0)
            complain(r, prefer, "site %s is missing; \"prefer\" must name every site, the first is home",
                     shown(service->sites[i].name).text);
    }
    if (n_ordered == service->n_sites)
        memcpy(service->sites, ordered, (size_t)n_ordered * sizeof(ordered[0]));
}

/* ---- services ---------------------------------------------------------------------------------------------------- */

/* A name that is spelled otherwise in the rules is told there; one that is only forgotten is told here. */
static void doubt_sources(struct reading *r)
{
    const struct model *model = &r->config->model;
    bool is_used[MAX_SOURCES] = {false};
    for (int i = 0; i < model->n_services; i++)
        for (size_t k = 0; k < model->services[i].n_rules; k++)
            if (model->services[i].rules[k].source >= 0)
                is_used[model->services[i].rules[k].source] = true;
    for (int i = 0; i < model->n_sources; i++)
        if (!is_used[i])
            doubt(r, r->sources[i], "source %s is named in no \"alerts\": whatever it says, no service hears of it",
                  shown(model->source_names[i]).text);
}

static void read_service(struct reading *r, const struct node *map, struct service *service)
{
    static const char *const names[] = {"sites", "prefer", "alerts",    "trigger",   "failback", "playbook", "priority",
                                        "after", "freeze", "objective", "readiness", "drill",    NULL};
    static const struct later later[] = {{"failback_playbook", NULL},
                                         {"topology", NULL},
                                         {"min_sites", NULL},
                                         {"notify", NULL},
                                         {"use", NULL},
                                         {"with", NULL},
                                         {NULL, NULL}};
    if (!expect_kind(r, map, NODE_MAP, service->name ? service->name : "service"))
        return;
    keys_check(r, map, &(struct keys){.names = names, .later = later});
    json_t *values = rows_read(&(struct row_reader){.reading = r}, map, service_rows);
    service->priority = (int)json_integer_value(json_object_get(values, "priority"));
    json_decref(values);
    read_trigger(r, map, service);
    read_freezes(r, child(map, "freeze"), &service->freezes, &service->n_freezes);
    /* Without sites everything else would only complain about them again. */
    if (!read_sites(r, map, service))
        return;
    read_prefer(r, child(map, "prefer"), service);
    const struct node *alerts = child(map, "alerts");
    if (alerts)
        read_alerts(r, alerts, service);
    read_probe(r, map, service);
    const struct node *playbook = child(map, "playbook");
    if (!playbook)
        complain(r, map, "\"playbook\" is missing; it must be the list of steps that move the service");
    else
        read_playbook(r, playbook, service);
    read_rehearsal(r, map, service);
    check_trigger(r, map, service);
}

void read_services(struct reading *r)
{
    read_site_defaults(r);
    struct config *config = r->config;
    const struct node *map = child(r->root, "services");
    if (!map) {
        complain(r, r->root, "\"services\" is missing; without one there is nothing to protect");
        return;
    }
    if (!expect_kind(r, map, NODE_MAP, "services"))
        return;
    if (map->n_pairs == 0 || map->n_pairs > MAX_SERVICES) {
        complain(r, map, "there cannot be %zu services; give 1 to %d", map->n_pairs, MAX_SERVICES);
        return;
    }
    config->model.services = new_array(r, map->n_pairs, sizeof(*config->model.services));
    if (!config->model.services)
        return;
    config->model.n_services = (int)map->n_pairs;
    for (size_t i = 0; i < map->n_pairs && !r->is_out_of_memory; i++) {
        const struct node *key = map->pairs[i].key;
        struct service *service = &config->model.services[i];
        (void)expect_name(r, key, "a service");
        service->name = new_text(r, key->text);
        read_service(r, map->pairs[i].value, service);
    }
    if (r->is_out_of_memory)
        return;
    order_services(r, map);
    doubt_sources(r);
}

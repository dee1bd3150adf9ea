/* Searching the zones that a move works on, for what still holds the old site's addresses.
 *
 * The complication is what is no stray: everything that some step of some playbook moves there, of whatever service. A
 * round may not go through all playbooks for that, so they are gone through once, at the start. */
#include "orchestrator/rounds.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* What names the zone that a step works on; NULL: it works on none. */
static const char *zone_of(const json_t *args)
{
    static const char *const keys[] = {"domain", "zone", "hosted_zone"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const char *zone = json_string_value(json_object_get(args, keys[i]));
        if (zone)
            return zone;
    }
    return NULL;
}

static bool is_of_zone(const char *zone, const char *other)
{
    return zone && other && strcasecmp(zone, other) == 0;
}

/* ---- what all playbooks move ------------------------------------------------------------------------------------- */

/* "PROVIDER zone" in small letters; no name of a provider has a space. NULL: out of memory. */
static char *key_of(const char *provider, const char *zone)
{
    char *key = NULL;
    if (asprintf(&key, "%s %s", provider, zone) < 0)
        return NULL;
    for (char *c = key + strlen(provider); *c; c++)
        *c = (char)tolower((unsigned char)*c);
    return key;
}

static bool add_mover(json_t *movers, const json_t *args, const json_t *stand_in)
{
    json_t *copy = json_deep_copy(args);
    bool is_added = !stand_in || json_object_update(copy, (json_t *)(uintptr_t)stand_in) == 0;
    return json_array_append_new(movers, copy) == 0 && is_added;
}

/* The list of a zone; made where there is none so far. NULL: out of memory. Borrowed. */
static json_t *list_of(json_t *all, const char *provider, const char *zone)
{
    char *key = key_of(provider, zone);
    json_t *list = key ? json_object_get(all, key) : NULL;
    if (key && !list && json_object_set_new(all, key, json_array()) == 0)
        list = json_object_get(all, key);
    free(key);
    return list;
}

static bool add_step(json_t *all, const struct model *model, const struct step *step)
{
    const char *zone = zone_of(step->args);
    if (step->provider < 0 || !zone)
        return true;
    json_t *list = list_of(all, model->provider_names[step->provider], zone);
    return list && add_mover(list, step->args, NULL) && (!step->drill || add_mover(list, step->args, step->drill));
}

enum err zones_start(struct orchestrator *o, struct errmsg *why)
{
    const struct model *model = o->settings.model;
    o->zone_movers = json_object();
    bool is_whole = o->zone_movers != NULL;
    for (int s = 0; s < model->n_services; s++)
        for (int i = 0; is_whole && i < model->services[s].n_steps; i++)
            is_whole = add_step(o->zone_movers, model, &model->services[s].steps[i]);
    return is_whole ? ERR_OK : err_set(why, ERR_NO_MEMORY, "out of memory");
}

/* ---- of one round ------------------------------------------------------------------------------------------------ */

/* What this round's own steps move, resolved. */
static json_t *own_movers(const struct round *round, int way, const char *zone)
{
    json_t *movers = json_array();
    for (int i = 0; i < round->n_items; i++) {
        const json_t *args = json_object_get(round->items[i].text, "args");
        if (round->items[i].way == way && !round->items[i].is_survey && is_of_zone(zone, zone_of(args)))
            (void)add_mover(movers, args, NULL); /* one too few is a warning too many */
    }
    return movers;
}

static bool is_surveyed(const struct round *round, int way, const json_t *provider, const char *zone)
{
    for (int i = 0; i < round->n_items; i++) {
        const struct round_item *item = &round->items[i];
        if (item->is_survey && item->way == way && is_of_zone(zone, item->name) &&
            json_equal(json_object_get(item->text, "provider"), provider))
            return true;
    }
    return false;
}

bool round_add_surveys(const struct orchestrator *o, struct round *round, int way, int first)
{
    int n_steps = round->n_items, n = 0;
    for (int i = first; i < n_steps && n < MAX_SURVEYS; i++) {
        const json_t *text = round->items[i].text, *provider = json_object_get(text, "provider");
        const char *zone = zone_of(json_object_get(text, "args"));
        if (!zone || !json_is_string(provider) || !json_is_true(json_object_get(text, "can_apply")) ||
            is_surveyed(round, way, provider, zone))
            continue;
        struct round_item *item = round_item_add(round, zone);
        char *key = item ? key_of(json_string_value(provider), zone) : NULL;
        if (!key)
            return false;
        item->is_survey = true;
        item->text = json_deep_copy(round->items[i].text);
        item->movers = own_movers(round, way, item->name);
        item->all_movers = json_incref(json_object_get(o->zone_movers, key));
        free(key);
        n++;
    }
    return true;
}

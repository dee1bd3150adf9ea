/* Finding things in the model by name, and its end. Names are looked up when the configuration is read and when an
 * operator calls, never per alert: a list is enough. */
#include "core/model.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

int model_service_find(const struct model *model, const char *name)
{
    for (int i = 0; i < model->n_services; i++)
        if (strcmp(model->services[i].name, name) == 0)
            return i;
    return -1;
}

int model_source_find(const struct model *model, const char *name)
{
    for (int i = 0; i < model->n_sources; i++)
        if (strcmp(model->source_names[i], name) == 0)
            return i;
    return -1;
}

int service_site_find(const struct service *service, const char *name)
{
    for (int i = 0; i < service->n_sites; i++)
        if (strcmp(service->sites[i].name, name) == 0)
            return i;
    return SITE_NONE;
}

static void names_free(char **names, size_t n)
{
    for (size_t i = 0; names && i < n; i++)
        free(names[i]);
    free(names);
}

static void label_match_done(struct label_match *match)
{
    free(match->label);
    names_free(match->values, match->n_values);
    if (match->regex)
        regfree(match->regex);
    free(match->regex);
    free(match->text);
}

static void rule_done(struct alert_rule *rule)
{
    for (size_t i = 0; rule->matches && i < rule->n_matches; i++)
        label_match_done(&rule->matches[i]);
    free(rule->matches);
}

static void service_done(struct service *service)
{
    free(service->name);
    for (int i = 0; service->sites && i < service->n_sites; i++) {
        free(service->sites[i].name);
        json_decref(service->sites[i].values);
    }
    free(service->sites);
    for (size_t i = 0; service->rules && i < service->n_rules; i++)
        rule_done(&service->rules[i]);
    free(service->rules);
    for (int i = 0; service->steps && i < service->n_steps; i++) {
        free(service->steps[i].name);
        json_decref(service->steps[i].args);
    }
    free(service->steps);
}

void model_done(struct model *model)
{
    for (int i = 0; model->services && i < model->n_services; i++)
        service_done(&model->services[i]);
    free(model->services);
    names_free(model->source_names, (size_t)model->n_sources);
    free(model->source_trust);
    names_free(model->provider_names, (size_t)model->n_providers);
    *model = (struct model){0};
}

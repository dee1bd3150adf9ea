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

bool step_is_part_of(const struct step *step, enum occasion occasion)
{
    return step->when == 0 || (step->when & 1U << occasion) != 0;
}

int model_n_voters(const struct model *model)
{
    return model->n_sources + 2;
}

int model_voter_operator(const struct model *model)
{
    return model->n_sources;
}

int model_voter_probe(const struct model *model)
{
    return model->n_sources + 1;
}

int model_voter_find(const struct model *model, const char *name)
{
    if (strcmp(name, VOTER_OPERATOR_NAME) == 0)
        return model_voter_operator(model);
    if (strcmp(name, VOTER_PROBE_NAME) == 0)
        return model_voter_probe(model);
    return model_source_find(model, name);
}

const char *model_voter_name(const struct model *model, int voter)
{
    if (voter >= 0 && voter < model->n_sources)
        return model->source_names[voter];
    return voter == model_voter_operator(model) ? VOTER_OPERATOR_NAME
           : voter == model_voter_probe(model)  ? VOTER_PROBE_NAME
                                                : "?";
}

enum trust model_voter_trust(const struct model *model, int voter)
{
    if (voter < model->n_sources)
        return model->source_trust[voter];
    return voter == model_voter_probe(model) ? TRUST_SIGNED : TRUST_SECRET;
}

#define OPERATOR_VOTE_MS ((int64_t)24 * 3600 * 1000)

struct voter_rule model_voter_rule(const struct model *model, int voter)
{
    struct voter_rule rule = {.weight = 1};
    if (voter < model->n_sources && model->voter_rules)
        rule = model->voter_rules[voter];
    if (voter == model_voter_operator(model))
        rule.expires_ms = OPERATOR_VOTE_MS;
    if (voter == model_voter_probe(model))
        rule.expires_ms = model->probe_expires_ms;
    if (rule.weight == 0)
        rule.weight = 1;
    return rule;
}

#define PROBE_PATIENCE 10 /* intervals; a prober that works says it again in three or four */
#define PROBE_PATIENCE_MIN_MS ((int64_t)60 * 1000)

int64_t model_probe_patience(const struct model *model)
{
    int64_t longest_ms = 0;
    for (int i = 0; i < model->n_services; i++)
        if (model->services[i].probe.check && model->services[i].probe.every_ms > longest_ms)
            longest_ms = model->services[i].probe.every_ms;
    longest_ms *= PROBE_PATIENCE;
    return longest_ms > PROBE_PATIENCE_MIN_MS ? longest_ms : PROBE_PATIENCE_MIN_MS;
}

bool service_has_voter(const struct service *service, const struct model *model, int site, int voter)
{
    if (voter == model_voter_probe(model))
        return service->probe.check != NULL;
    if (voter == model_voter_operator(model))
        return true;
    for (size_t i = 0; i < service->n_rules; i++)
        if (service->rules[i].source == voter && service->rules[i].site == site)
            return true;
    return false;
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

static void step_done(struct step *step)
{
    free(step->name);
    json_decref(step->args);
    json_decref(step->drill);
}

static void freezes_free(struct freeze *freezes, int n)
{
    for (int i = 0; freezes && i < n; i++)
        free(freezes[i].reason);
    free(freezes);
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
    for (int i = 0; service->steps && i < service->n_steps; i++)
        step_done(&service->steps[i]);
    free(service->steps);
    for (int i = 0; service->objective.measures && i < service->objective.n_measures; i++)
        step_done(&service->objective.measures[i]);
    free(service->objective.measures);
    if (service->probe.check)
        step_done(service->probe.check);
    free(service->probe.check);
    freezes_free(service->freezes, service->n_freezes);
    free(service->after);
}

void model_done(struct model *model)
{
    for (int i = 0; model->services && i < model->n_services; i++)
        service_done(&model->services[i]);
    free(model->services);
    free(model->by_priority);
    for (int i = 0; model->voter_rules && i < model->n_sources; i++) {
        for (size_t k = 0; k < model->voter_rules[i].n_heartbeat; k++)
            label_match_done(&model->voter_rules[i].heartbeat[k]);
        free(model->voter_rules[i].heartbeat);
    }
    free(model->voter_rules);
    names_free(model->source_names, (size_t)model->n_sources);
    free(model->source_trust);
    names_free(model->place_names, (size_t)model->n_places);
    freezes_free(model->freezes, model->n_freezes);
    names_free(model->provider_names, (size_t)model->n_providers);
    free(model->provider_max_parallel);
    *model = (struct model){0};
}

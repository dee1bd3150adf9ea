/* TARGET: a service's line, in words like the configuration's. */
#include "core/scenario_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)

static enum mode read_mode(struct reader *r)
{
    enum mode mode = MODE_SHADOW;
    if (!mode_parse(reader_need_word(r, "automatic, approval, manual or shadow"), &mode))
        reader_fail(r, "%.64s is no mode; automatic, approval, manual or shadow would be right", r->word);
    return mode;
}

static int place_get(struct reader *r, struct model *model, const char *name)
{
    for (int i = 0; i < model->n_places; i++)
        if (strcmp(model->place_names[i], name) == 0)
            return i;
    int n = model->n_places;
    if (!GROW(r, model->place_names, n))
        return -1;
    model->place_names[n] = reader_copy(r, name);
    if (model->place_names[n])
        model->n_places++;
    return n < model->n_places ? n : -1;
}

static void sites_clear(struct service *service)
{
    for (int i = 0; i < service->n_sites; i++)
        free(service->sites[i].name);
    service->n_sites = 0;
}

static void read_sites(struct reader *r, struct model *model, struct service *service)
{
    char names[WORD_SIZE];
    char *rest = names;
    char *name;
    (void)snprintf(names, sizeof names, "%s", reader_need_word(r, "sites such as gra,rbx"));
    if (service->n_rules > 0)
        reader_fail(r, "the sites have to be named before `hears`");
    sites_clear(service);
    while (!r->is_failed && list_next(&rest, &name)) {
        if (!reader_name_is_good(r, name))
            return;
        if (service->n_sites == MAX_SITES || service_site_find(service, name) >= 0) {
            reader_fail(r, "%.64s: at most %d sites, each once, would be right", name, MAX_SITES);
            return;
        }
        if (!service->sites && !(service->sites = calloc(MAX_SITES, sizeof *service->sites))) {
            r->is_broken = true;
            reader_fail(r, "out of memory");
            return;
        }
        int place = place_get(r, model, name);
        char *copied = reader_copy(r, name);
        if (copied)
            service->sites[service->n_sites++] = (struct site){.name = copied, .place = place};
    }
}

void target_add_rule(struct reader *r, struct service *service, int source, int site)
{
    if (service->n_rules >= MAX_VOTES)
        reader_fail(r, "more than %d pairs of a site and a source; `hears` says which sources count", MAX_VOTES);
    else if (GROW(r, service->rules, (int)service->n_rules))
        service->rules[service->n_rules++] = (struct alert_rule){.source = source, .site = site};
}

/* "prometheus,pingdom/gra": which sources speak of it, and of which site where not of all. */
static void read_hears(struct reader *r, struct model *model, struct service *service)
{
    char names[WORD_SIZE];
    char *rest = names;
    char *name;
    (void)snprintf(names, sizeof names, "%s", reader_need_word(r, "sources such as prometheus,pingdom/gra"));
    while (!r->is_failed && list_next(&rest, &name)) {
        char *site_name = name;
        (void)strsep(&site_name, "/");
        int source = model_source_find(model, name);
        int site = !site_name                         ? ANY
                   : strcmp(site_name, "active") == 0 ? SITE_OF_ALERT_TIME
                                                      : service_site_find(service, site_name);
        if (source < 0 || site == SITE_NONE)
            reader_fail(r, "there is no %s %.64s; it has to be named before", source < 0 ? "source" : "site",
                        source < 0 ? name : site_name);
        for (int i = 0; source >= 0 && i < service->n_sites; i++)
            if (site == ANY)
                target_add_rule(r, service, source, i);
        if (source >= 0 && site != ANY && site != SITE_NONE)
            target_add_rule(r, service, source, site);
    }
}

static void read_after(struct reader *r, struct model *model, struct service *service)
{
    char names[WORD_SIZE];
    char *rest = names;
    char *name;
    (void)snprintf(names, sizeof names, "%s", reader_need_word(r, "services such as database"));
    while (!r->is_failed && list_next(&rest, &name)) {
        int other = model_service_find(model, name);
        if (other < 0 || &model->services[other] == service)
            reader_fail(r,
                        "there is no other service %.64s above this line; a service comes after those that it "
                        "waits for",
                        name);
        else if (GROW(r, service->after, service->n_after))
            service->after[service->n_after++] = other;
    }
}

static void read_uses(struct reader *r, struct model *model, struct service *service)
{
    char names[WORD_SIZE];
    char *rest = names;
    char *name;
    (void)snprintf(names, sizeof names, "%s", reader_need_word(r, "providers such as aws"));
    while (!r->is_failed && list_next(&rest, &name)) {
        int provider = target_provider_get(r, model, name);
        if (service->n_steps == MAX_STEPS)
            reader_fail(r, "more than %d steps", MAX_STEPS);
        else if (provider >= 0 && GROW(r, service->steps, service->n_steps))
            service->steps[service->n_steps++] = (struct step){.name = reader_copy(r, name),
                                                               .action_name = "scenario",
                                                               .can_apply = true,
                                                               .provider = provider,
                                                               .args = json_object()};
    }
}

/* A step that asks where the run comes from: ${from.address}. */
static void add_step_from(struct reader *r, struct service *service)
{
    if (service->n_steps == MAX_STEPS)
        reader_fail(r, "more than %d steps", MAX_STEPS);
    else if (GROW(r, service->steps, service->n_steps))
        service->steps[service->n_steps++] = (struct step){.name = reader_copy(r, "from"),
                                                           .action_name = "scenario",
                                                           .can_apply = true,
                                                           .provider = -1,
                                                           .args = json_pack("{s:s}", "address", "${from.name}")};
}

static void read_flap(struct reader *r, struct flap_rule *flap)
{
    if (reader_is(r, "off"))
        flap->changes = 0;
    else
        flap->changes = reader_number(r, 1, 1000, "a number of changes, or off");
    if (reader_is(r, "within"))
        flap->within_ms = reader_duration(r, "15m");
    if (reader_is(r, "limit"))
        flap->limit_ms = reader_duration(r, "10m");
}

static void read_approval(struct reader *r, struct approval_rule *approval)
{
    if (reader_is(r, "deadline"))
        approval->deadline_ms = reader_is(r, "never") ? 0 : reader_duration(r, "30m, or never");
    if (reader_is(r, "then")) {
        approval->is_yes = reader_is(r, "approve");
        if (!approval->is_yes && !reader_is(r, "reject")) {
            (void)reader_next(r);
            reader_fail(r, "%.64s; approve or reject would be right", r->word);
        }
    }
    if (reader_is(r, "remind"))
        approval->remind_ms = reader_is(r, "never") ? 0 : reader_duration(r, "5m, or never");
}

static void read_probe(struct reader *r, struct probe_rule *probe)
{
    probe->is_required = reader_is(r, "required");
    if (probe->check)
        return;
    probe->check = calloc(1, sizeof *probe->check);
    if (!probe->check) {
        r->is_broken = true;
        return;
    }
    *probe->check = (struct step){.name = reader_copy(r, "probe"), .action_name = "scenario", .provider = -1};
    probe->check->args = json_object();
    probe->every_ms = 15 * SECOND_MS;
    probe->fall = 3;
    probe->rise = 2;
}

static void read_failback(struct reader *r, struct service *service)
{
    service->failback_mode = read_mode(r);
    if (reader_is(r, "after"))
        service->failback_after_ms = reader_duration(r, "30m");
}

/* Words with one value behind them. False: it is none of these. */
static bool read_value(struct reader *r, struct service *service)
{
    if (strcmp(r->word, "mode") == 0)
        service->mode = read_mode(r);
    else if (strcmp(r->word, "votes") == 0)
        service->votes = reader_number(r, 1, 100, "a number of votes");
    else if (strcmp(r->word, "trusted_votes") == 0)
        service->trusted_votes = reader_number(r, 0, 100, "a number of votes");
    else if (strcmp(r->word, "hold") == 0)
        service->hold_ms = reader_duration(r, "30s");
    else if (strcmp(r->word, "cool_down") == 0)
        service->cool_down_ms = reader_duration(r, "30m");
    else if (strcmp(r->word, "settle") == 0)
        service->settle_ms = reader_duration(r, "60s");
    else if (strcmp(r->word, "priority") == 0)
        service->priority = reader_number(r, 0, 1000000, "a number, the lowest goes first");
    else
        return false;
    return true;
}

static void read_service_word(struct reader *r, struct model *model, struct service *service)
{
    if (read_value(r, service))
        return;
    if (strcmp(r->word, "sites") == 0)
        read_sites(r, model, service);
    else if (strcmp(r->word, "hears") == 0)
        read_hears(r, model, service);
    else if (strcmp(r->word, "after") == 0)
        read_after(r, model, service);
    else if (strcmp(r->word, "uses") == 0)
        read_uses(r, model, service);
    else if (strcmp(r->word, "needs_from") == 0)
        add_step_from(r, service);
    else if (strcmp(r->word, "flap") == 0)
        read_flap(r, &service->flap);
    else if (strcmp(r->word, "approval") == 0)
        read_approval(r, &service->approval);
    else if (strcmp(r->word, "probe") == 0)
        read_probe(r, &service->probe);
    else if (strcmp(r->word, "failback") == 0)
        read_failback(r, service);
    else if (strcmp(r->word, "freeze") == 0)
        target_read_freeze(r, &service->freezes, &service->n_freezes);
    else
        reader_fail(r,
                    "%.64s; sites, mode, votes, trusted_votes, hold, cool_down, settle, flap, approval, probe, "
                    "failback, freeze, hears, after, uses, needs_from or priority would be right",
                    r->word);
}

static int service_get(struct reader *r, struct model *model)
{
    int n = model->n_services;
    int found = service_named(r, model);
    if (found >= 0 || !reader_name_is_good(r, r->word))
        return found;
    if (n == MAX_SCENARIO_SERVICES) {
        reader_fail(r, "more than %d services", MAX_SCENARIO_SERVICES);
        return -1;
    }
    if (!GROW(r, model->services, n))
        return -1;
    model->services[n] = (struct service){.name = reader_copy(r, r->word),
                                          .mode = MODE_SHADOW,
                                          .votes = 2,
                                          .hold_ms = 30 * SECOND_MS,
                                          .cool_down_ms = 30 * MINUTE_MS,
                                          .flap = {4, 15 * MINUTE_MS, 10 * MINUTE_MS},
                                          .approval = {30 * MINUTE_MS, false, 5 * MINUTE_MS},
                                          .failback_mode = MODE_MANUAL,
                                          .failback_after_ms = 30 * MINUTE_MS,
                                          .priority = 100};
    if (model->services[n].name)
        model->n_services++;
    return n < model->n_services ? n : -1;
}

void target_read_service(struct reader *r, struct model *model)
{
    int service = reader_need(r, "the name of a service") ? service_get(r, model) : -1;
    while (service >= 0 && reader_next(r))
        read_service_word(r, model, &model->services[service]);
    if (service >= 0 && model->services[service].n_sites < 2)
        reader_fail(r, "%.64s needs two sites at least; sites gra,rbx would be right", model->services[service].name);
}

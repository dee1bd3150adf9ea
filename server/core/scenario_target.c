/* TARGET: what is watched, in words like the configuration's, made into a model as the configuration makes one. A line
 * about something that is known already changes only what it names, so that a case can say how it differs from the
 * others of its file. */
#include "core/scenario_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MINUTE_MS ((int64_t)60000)

/* ---- sources, providers, the whole ------------------------------------------------------------------------------- */

static int source_get(struct reader *r, struct model *model)
{
    int found = model_source_find(model, r->word);
    if (found >= 0 || !reader_name_is_good(r, r->word))
        return found;
    int n = model->n_sources;
    if (n == MAX_SOURCES) {
        reader_fail(r, "more than %d sources", MAX_SOURCES);
        return -1;
    }
    if (!GROW(r, model->source_names, n) || !GROW(r, model->source_trust, n) || !GROW(r, model->voter_rules, n))
        return -1;
    model->source_names[n] = reader_copy(r, r->word);
    model->source_trust[n] = TRUST_SECRET;
    model->voter_rules[n] = (struct voter_rule){.weight = 1, .expires_ms = 15 * MINUTE_MS};
    if (model->source_names[n])
        model->n_sources++;
    return n < model->n_sources ? n : -1;
}

/* The decision asks only whether it has one: which alert it is, is for the intake. */
static void add_heartbeat(struct reader *r, struct voter_rule *rule)
{
    if (rule->n_heartbeat > 0)
        return;
    rule->heartbeat = calloc(1, sizeof *rule->heartbeat);
    rule->n_heartbeat = rule->heartbeat ? 1 : 0;
    if (!rule->heartbeat)
        r->is_broken = true;
}

static void read_source(struct reader *r, struct model *model)
{
    int source = reader_need(r, "the name of a source") ? source_get(r, model) : -1;
    while (source >= 0 && reader_next(r)) {
        struct voter_rule *rule = &model->voter_rules[source];
        enum trust trust = TRUST_SECRET;
        if (trust_parse(r->word, &trust))
            model->source_trust[source] = trust;
        else if (strcmp(r->word, "weight") == 0)
            rule->weight = reader_number(r, 1, 100, "a number of votes");
        else if (strcmp(r->word, "expires") == 0)
            rule->expires_ms = reader_is(r, "never") ? 0 : reader_duration(r, "15m, or never");
        else if (strcmp(r->word, "stale_after") == 0)
            rule->stale_after_ms = reader_is(r, "never") ? 0 : reader_duration(r, "10m, or never");
        else if (strcmp(r->word, "heartbeat") == 0)
            add_heartbeat(r, rule);
        else
            reader_fail(r,
                        "%.64s; open, secret, signed, weight N, expires TIME, stale_after TIME or heartbeat would "
                        "be right",
                        r->word);
    }
}

int target_provider_get(struct reader *r, struct model *model, const char *name)
{
    for (int i = 0; i < model->n_providers; i++)
        if (strcmp(model->provider_names[i], name) == 0)
            return i;
    int n = model->n_providers;
    if (!reader_name_is_good(r, name))
        return -1;
    if (n == MAX_PROVIDERS) {
        reader_fail(r, "more than %d providers", MAX_PROVIDERS);
        return -1;
    }
    if (!GROW(r, model->provider_names, n) || !GROW(r, model->provider_max_parallel, n))
        return -1;
    model->provider_names[n] = reader_copy(r, name);
    model->provider_max_parallel[n] = 10;
    if (model->provider_names[n])
        model->n_providers++;
    return n < model->n_providers ? n : -1;
}

static void read_provider(struct reader *r, struct model *model)
{
    int provider = reader_need(r, "the name of a provider") ? target_provider_get(r, model, r->word) : -1;
    while (provider >= 0 && reader_next(r)) {
        if (strcmp(r->word, "max_parallel") == 0)
            model->provider_max_parallel[provider] = reader_number(r, 1, 1000, "a number of runs");
        else
            reader_fail(r, "%.64s; max_parallel N would be right", r->word);
    }
}

static void read_flood(struct reader *r, struct model *model)
{
    if (reader_is(r, "off")) {
        model->flood.places = 0;
        return;
    }
    while (reader_next(r)) {
        if (strcmp(r->word, "sites") == 0)
            model->flood.places = reader_number(r, 1, 100, "a number of sites");
        else if (strcmp(r->word, "within") == 0)
            model->flood.within_ms = reader_duration(r, "10m");
        else
            reader_fail(r, "%.64s; sites N, within TIME or off would be right", r->word);
    }
}

/* ---- freezes ----------------------------------------------------------------------------------------------------- */

static void read_days(struct reader *r, struct freeze *freeze)
{
    static const char *const names[] = {"mon", "tue", "wed", "thu", "fri", "sat", "sun"};
    char days[WORD_SIZE];
    char *rest = days;
    char *day;
    (void)snprintf(days, sizeof days, "%s", reader_need_word(r, "days such as mon,tue"));
    freeze->is_weekly = true;
    while (!r->is_failed && list_next(&rest, &day)) {
        unsigned i = 0;
        while (i < 7 && strcmp(names[i], day) != 0)
            i++;
        if (i == 7)
            reader_fail(r, "%.64s is no day; mon, tue, wed, thu, fri, sat or sun would be right", day);
        else
            freeze->days |= 1U << i;
    }
}

static int read_minute(struct reader *r, const char *word)
{
    bool is_time = has_shape(word, "dd:dd");
    int hour = is_time ? two_digits(word) : 0, minute = is_time ? two_digits(word + 3) : 0;
    if (!is_time || hour > 23 || minute > 59)
        reader_fail(r, "%.64s is no time of the day; one such as 22:00 would be right", word);
    return hour * 60 + minute;
}

static void read_freeze_time(struct reader *r, const struct freeze *freeze, int64_t *ret_wall, int *ret_minute)
{
    const char *word =
        reader_need_word(r, freeze->is_weekly ? "a time such as 22:00" : "a time such as 2026-11-02T22:00:00Z");
    if (freeze->is_weekly)
        *ret_minute = read_minute(r, word);
    else if (!wall_read(word, ret_wall))
        reader_fail(r, "%.64s is no time; one such as 2026-11-02T22:00:00Z would be right, or days mon,tue first",
                    word);
}

/* `freeze [days mon,tue] from TIME until TIME [because TEXT]`, of all services or behind a service's name. */
void target_read_freeze(struct reader *r, struct freeze **freezes, int *n)
{
    struct freeze freeze = {.is_weekly = false};
    if (reader_is(r, "days"))
        read_days(r, &freeze);
    if (!reader_is(r, "from")) {
        (void)reader_next(r);
        reader_fail(r, "%.64s; [days mon,tue] from TIME until TIME would be right", r->word);
        return;
    }
    read_freeze_time(r, &freeze, &freeze.from, &freeze.from_minute);
    if (!reader_is(r, "until")) {
        (void)reader_next(r);
        reader_fail(r, "%.64s; until TIME would be right", r->word);
        return;
    }
    read_freeze_time(r, &freeze, &freeze.until, &freeze.until_minute);
    const char *reason = reader_is(r, "because") ? reader_rest(r) : "";
    if (!r->is_failed && !freeze.is_weekly && freeze.until <= freeze.from)
        reader_fail(r, "the freeze ends before it begins");
    reader_end(r);
    if (r->is_failed || !GROW(r, *freezes, *n))
        return;
    freeze.reason = reader_copy(r, reason);
    if (freeze.reason)
        (*freezes)[(*n)++] = freeze;
}

void target_read(struct reader *r, struct model *model)
{
    if (model->flood.within_ms == 0)
        model->flood = (struct flood_rule){1, 10 * MINUTE_MS};
    if (!reader_need(r, "service, source, provider, flood_guard or freeze"))
        return;
    if (strcmp(r->word, "service") == 0)
        target_read_service(r, model);
    else if (strcmp(r->word, "source") == 0)
        read_source(r, model);
    else if (strcmp(r->word, "provider") == 0)
        read_provider(r, model);
    else if (strcmp(r->word, "flood_guard") == 0)
        read_flood(r, model);
    else if (strcmp(r->word, "freeze") == 0)
        target_read_freeze(r, &model->freezes, &model->n_freezes);
    else
        reader_fail(r, "%.64s; service, source, provider, flood_guard or freeze would be right", r->word);
}

/* ---- what follows ------------------------------------------------------------------------------------------------ */

static void sort_by_priority(struct model *model)
{
    for (int i = 1; i < model->n_services; i++) {
        int service = model->by_priority[i];
        int k = i;
        for (; k > 0 && model->services[model->by_priority[k - 1]].priority > model->services[service].priority; k--)
            model->by_priority[k] = model->by_priority[k - 1];
        model->by_priority[k] = service;
    }
}

/* Where a service does not say whom it hears, it is everybody, of every site. */
static void hear_everybody(struct reader *r, const struct model *model, struct service *service)
{
    for (int source = 0; source < model->n_sources; source++)
        for (int site = 0; site < service->n_sites && !r->is_failed; site++)
            target_add_rule(r, service, source, site);
}

void target_end(struct reader *r, struct model *model)
{
    if (model->n_services == 0)
        reader_fail(r, "there is no service; TARGET with a line `service NAME sites A,B …` would be right");
    model->by_priority =
        r->is_failed || model->n_services == 0 ? NULL : calloc((size_t)model->n_services, sizeof *model->by_priority);
    for (int i = 0; model->by_priority && i < model->n_services; i++) {
        model->by_priority[i] = i;
        if (model->services[i].n_rules == 0)
            hear_everybody(r, model, &model->services[i]);
    }
    if (model->by_priority)
        sort_by_priority(model);
}

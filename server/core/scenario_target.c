/* TARGET: what is watched, in words like the configuration's, made into a model as the configuration makes one. A line
 * about something that is known already changes only what it names, so that a case can say how it differs from the
 * others of its file. */
#include "core/scenario_internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_MS ((int64_t)1000)
#define MINUTE_MS (60 * SECOND_MS)

/* Room for one more behind `n`; the room doubles, so it need not be kept. */
static void *grow(struct reader *r, void *items, int n, size_t size)
{
    if (n > 0 && (n & (n - 1)) != 0)
        return items;
    void *grown = realloc(items, (n == 0 ? 1 : 2 * (size_t)n) * size);
    if (!grown) {
        r->is_broken = true;
        reader_fail(r, "out of memory");
    }
    return grown;
}

#define GROW(r, items, n)                                                                                              \
    (__extension__({                                                                                                   \
        void *grown_ = grow((r), (items), (n), sizeof *(items));                                                       \
        if (grown_)                                                                                                    \
            (items) = grown_;                                                                                          \
        grown_ != NULL;                                                                                                \
    }))

static char *copy(struct reader *r, const char *text)
{
    char *ret = strdup(text);
    if (!ret) {
        r->is_broken = true;
        reader_fail(r, "out of memory");
    }
    return ret;
}

/* Names as the configuration allows them, and none that means something else in an EVENT. */
static bool name_is_good(struct reader *r, const char *name)
{
    static const char *const taken[] = {"operator", "probe",   "run",         "observed", "restart", "kill", "reboot",
                                        "clock",    "cut_off", "kill_switch", "nothing",  "state",   "no",   "repeat",
                                        "active",   "because", "source",      "service",  "moving",  "split"};
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        if (strcmp(name, taken[i]) == 0) {
            reader_fail(r, "%s is a word of the scenario's own; another name would be right", name);
            return false;
        }
    }
    for (const char *c = name; *c; c++) {
        if (!isalnum((unsigned char)*c) && *c != '_' && *c != '-' && *c != '.') {
            reader_fail(r, "%.64s is no name; letters, digits, \"-\", \"_\" and \".\" would be right", name);
            return false;
        }
    }
    if (name[0] && strlen(name) <= 63)
        return true;
    reader_fail(r, "a name has 1 to 63 bytes");
    return false;
}

/* Takes the next of the words that commas separate. */
static bool next_of_list(char **rest, char **ret)
{
    *ret = strsep(rest, ",");
    return *ret != NULL;
}

static const char *need_word(struct reader *r, const char *what)
{
    return reader_need(r, what) ? r->word : "";
}

static enum mode read_mode(struct reader *r)
{
    enum mode mode = MODE_SHADOW;
    if (!mode_parse(need_word(r, "automatic, approval, manual or shadow"), &mode))
        reader_fail(r, "%.64s is no mode; automatic, approval, manual or shadow would be right", r->word);
    return mode;
}

/* ---- sources, providers, the whole ------------------------------------------------------------------------------- */

static int source_get(struct reader *r, struct model *model)
{
    int found = model_source_find(model, r->word);
    if (found >= 0 || !name_is_good(r, r->word))
        return found;
    int n = model->n_sources;
    if (n == MAX_SOURCES) {
        reader_fail(r, "more than %d sources", MAX_SOURCES);
        return -1;
    }
    if (!GROW(r, model->source_names, n) || !GROW(r, model->source_trust, n) || !GROW(r, model->voter_rules, n))
        return -1;
    model->source_names[n] = copy(r, r->word);
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

static int provider_get(struct reader *r, struct model *model, const char *name)
{
    for (int i = 0; i < model->n_providers; i++)
        if (strcmp(model->provider_names[i], name) == 0)
            return i;
    int n = model->n_providers;
    if (!name_is_good(r, name))
        return -1;
    if (n == MAX_PROVIDERS) {
        reader_fail(r, "more than %d providers", MAX_PROVIDERS);
        return -1;
    }
    if (!GROW(r, model->provider_names, n) || !GROW(r, model->provider_max_parallel, n))
        return -1;
    model->provider_names[n] = copy(r, name);
    model->provider_max_parallel[n] = 10;
    if (model->provider_names[n])
        model->n_providers++;
    return n < model->n_providers ? n : -1;
}

static void read_provider(struct reader *r, struct model *model)
{
    int provider = reader_need(r, "the name of a provider") ? provider_get(r, model, r->word) : -1;
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
    (void)snprintf(days, sizeof days, "%s", need_word(r, "days such as mon,tue"));
    freeze->is_weekly = true;
    while (!r->is_failed && next_of_list(&rest, &day)) {
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
    int hour = 0, minute = 0, len = 0;
    if (strlen(word) != 5 || strspn(word, "0123456789:") != 5 || sscanf(word, "%2d:%2d%n", &hour, &minute, &len) != 2 ||
        len != 5 || hour > 23 || minute > 59)
        reader_fail(r, "%.64s is no time of the day; one such as 22:00 would be right", word);
    return hour * 60 + minute;
}

static void read_freeze_time(struct reader *r, const struct freeze *freeze, int64_t *ret_wall, int *ret_minute)
{
    const char *word = need_word(r, freeze->is_weekly ? "a time such as 22:00" : "a time such as 2026-11-02T22:00:00Z");
    if (freeze->is_weekly)
        *ret_minute = read_minute(r, word);
    else if (!wall_read(word, ret_wall))
        reader_fail(r, "%.64s is no time; one such as 2026-11-02T22:00:00Z would be right, or days mon,tue first",
                    word);
}

/* `freeze [days mon,tue] from TIME until TIME [because TEXT]`, of all services or behind a service's name. */
static void read_freeze(struct reader *r, struct freeze **freezes, int *n)
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
    freeze.reason = copy(r, reason);
    if (freeze.reason)
        (*freezes)[(*n)++] = freeze;
}

/* ---- services ---------------------------------------------------------------------------------------------------- */

static int place_get(struct reader *r, struct model *model, const char *name)
{
    for (int i = 0; i < model->n_places; i++)
        if (strcmp(model->place_names[i], name) == 0)
            return i;
    int n = model->n_places;
    if (!GROW(r, model->place_names, n))
        return -1;
    model->place_names[n] = copy(r, name);
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
    (void)snprintf(names, sizeof names, "%s", need_word(r, "sites such as gra,rbx"));
    if (service->n_rules > 0)
        reader_fail(r, "the sites have to be named before `hears`");
    sites_clear(service);
    while (!r->is_failed && next_of_list(&rest, &name)) {
        if (!name_is_good(r, name))
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
        char *copied = copy(r, name);
        if (copied)
            service->sites[service->n_sites++] = (struct site){.name = copied, .place = place};
    }
}

static void add_rule(struct reader *r, struct service *service, int source, int site)
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
    (void)snprintf(names, sizeof names, "%s", need_word(r, "sources such as prometheus,pingdom/gra"));
    while (!r->is_failed && next_of_list(&rest, &name)) {
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
                add_rule(r, service, source, i);
        if (source >= 0 && site != ANY && site != SITE_NONE)
            add_rule(r, service, source, site);
    }
}

static void read_after(struct reader *r, struct model *model, struct service *service)
{
    char names[WORD_SIZE];
    char *rest = names;
    char *name;
    (void)snprintf(names, sizeof names, "%s", need_word(r, "services such as database"));
    while (!r->is_failed && next_of_list(&rest, &name)) {
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
    (void)snprintf(names, sizeof names, "%s", need_word(r, "providers such as aws"));
    while (!r->is_failed && next_of_list(&rest, &name)) {
        int provider = provider_get(r, model, name);
        if (service->n_steps == MAX_STEPS)
            reader_fail(r, "more than %d steps", MAX_STEPS);
        else if (provider >= 0 && GROW(r, service->steps, service->n_steps))
            service->steps[service->n_steps++] = (struct step){.name = copy(r, name),
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
        service->steps[service->n_steps++] = (struct step){.name = copy(r, "from"),
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
    *probe->check = (struct step){.name = copy(r, "probe"), .action_name = "scenario", .provider = -1};
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
        read_freeze(r, &service->freezes, &service->n_freezes);
    else
        reader_fail(r,
                    "%.64s; sites, mode, votes, trusted_votes, hold, cool_down, settle, flap, approval, probe, "
                    "failback, freeze, hears, after, uses, needs_from or priority would be right",
                    r->word);
}

static int service_get(struct reader *r, struct model *model)
{
    int n = model->n_services;
    int found = model_service_find(model, r->word);
    if (found >= 0 || !name_is_good(r, r->word))
        return found;
    if (n == MAX_SERVICES) {
        reader_fail(r, "more than %d services", MAX_SERVICES);
        return -1;
    }
    if (!GROW(r, model->services, n))
        return -1;
    model->services[n] = (struct service){.name = copy(r, r->word),
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

static void read_service(struct reader *r, struct model *model)
{
    int service = reader_need(r, "the name of a service") ? service_get(r, model) : -1;
    while (service >= 0 && reader_next(r))
        read_service_word(r, model, &model->services[service]);
    if (service >= 0 && model->services[service].n_sites < 2)
        reader_fail(r, "%.64s needs two sites at least; sites gra,rbx would be right", model->services[service].name);
}

void target_read(struct reader *r, struct model *model)
{
    if (model->flood.within_ms == 0)
        model->flood = (struct flood_rule){1, 10 * MINUTE_MS};
    if (!reader_need(r, "service, source, provider, flood_guard or freeze"))
        return;
    if (strcmp(r->word, "service") == 0)
        read_service(r, model);
    else if (strcmp(r->word, "source") == 0)
        read_source(r, model);
    else if (strcmp(r->word, "provider") == 0)
        read_provider(r, model);
    else if (strcmp(r->word, "flood_guard") == 0)
        read_flood(r, model);
    else if (strcmp(r->word, "freeze") == 0)
        read_freeze(r, &model->freezes, &model->n_freezes);
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
            add_rule(r, service, source, site);
}

void target_end(struct reader *r, struct model *model)
{
    if (model->n_services == 0)
        reader_fail(r, "there is no service; TARGET with a line `service NAME sites A,B …` would be right");
    model->by_priority = r->is_failed ? NULL : calloc((size_t)model->n_services, sizeof *model->by_priority);
    for (int i = 0; model->by_priority && i < model->n_services; i++) {
        model->by_priority[i] = i;
        if (model->services[i].n_rules == 0)
            hear_everybody(r, model, &model->services[i]);
    }
    if (model->by_priority)
        sort_by_priority(model);
}

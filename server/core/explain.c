/* See explain.h. Labels are hostile and names may be long: each is cut to a length, so that a sentence has room for
 * what matters, and it is cleaned as a whole at its end. */
#include "core/explain.h"

#include "base/utf8.h"
#include "core/match.h"
#include "core/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_RULES 20000   /* looked at for the nearest one: an alert that matches none must not cost without bound */
#define MAX_DIFFERENCES 4 /* told of one rule */
#define MAX_SHOWN 80      /* bytes of a value */

static void add(struct sentence *sentence, const char *format, ...) PRINTF_LIKE(2, 3);

static void add(struct sentence *sentence, const char *format, ...)
{
    size_t len = strlen(sentence->text);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(sentence->text + len, sizeof sentence->text - len, format, args);
    va_end(args);
}

/* A value from outside, in quotes; a NUL in it is shown as what it is not: text. */
static void add_value(struct sentence *sentence, const char *value, size_t value_len)
{
    char shown[MAX_SHOWN + 1];
    size_t len = utf8_cut(value, value_len, MAX_SHOWN);
    for (size_t i = 0; i < len; i++)
        shown[i] = value[i] ? value[i] : '?';
    shown[len] = '\0';
    add(sentence, "\"%s%s\"", shown, len < value_len ? "…" : "");
}

static void finish(struct sentence *sentence, explain_say say, void *context)
{
    utf8_clean(sentence->text);
    say(context, sentence);
}

/* ---- a rule that matches ----------------------------------------------------------------------------------------- */

static void add_target(struct sentence *sentence, const struct service *service, int site)
{
    if (site == SITE_OF_ALERT_TIME)
        add(sentence, "%.64s at the site active at that time", service->name);
    else
        add(sentence, "%.64s at %.64s", service->name, site_phrase(service, site));
}

/* What one vote is worth, and what would follow if it were enough. */
static void add_worth(struct sentence *sentence, const struct model *model, const struct service *service, int source)
{
    enum trust trust = model->source_trust[source];
    int weight = model_voter_rule(model, source).weight;
    add(sentence, ", %d of %d", weight, service->votes);
    if (service->trusted_votes > 0 && trust > TRUST_OPEN)
        add(sentence, ", %d of %d trusted (%s)", weight, service->trusted_votes, trust_text(trust));
    else if (service->trusted_votes > 0)
        add(sentence, ", open: does not count as trusted, and %d trusted %s needed", service->trusted_votes,
            service->trusted_votes == 1 ? "vote is" : "votes are");
    if (service->hold_ms > 0)
        add(sentence, "; would hold %s", duration_phrase(service->hold_ms).text);
    else
        add(sentence, "; would hold no time");
    switch (service->mode) {
    case MODE_AUTOMATIC:
        break;
    case MODE_APPROVAL:
        add(sentence, "; the mode is approval: the run would wait for a person's yes");
        break;
    case MODE_MANUAL:
        add(sentence, "; the mode is manual: nothing starts by itself");
        break;
    case MODE_SHADOW:
        add(sentence, "; the mode is shadow: it is only recorded what would start");
        break;
    }
}

static void say_matched(const struct model *model, int source, enum alert_state state, const struct service *service,
                        const struct alert_rule *rule, explain_say say, void *context)
{
    struct sentence sentence = {""};
    const char *name = model->source_names[source];
    switch (state) {
    case ALERT_FIRING:
        add(&sentence, "down vote for ");
        add_target(&sentence, service, rule->site);
        add(&sentence, " by %.64s", name);
        add_worth(&sentence, model, service, source);
        break;
    case ALERT_RESOLVED:
        add(&sentence, "withdraws the down vote of %.64s for ", name);
        add_target(&sentence, service, rule->site);
        break;
    case ALERT_UP:
        add(&sentence, rule->site == SITE_OF_ALERT_TIME ? "withdraws the down vote for " : "up vote for ");
        add_target(&sentence, service, rule->site);
        add(&sentence, " by %.64s", name);
        if (rule->site == SITE_OF_ALERT_TIME)
            add(&sentence, "; a rule with site: active never says up");
        break;
    case ALERT_UNKNOWN:
        add(&sentence, "neither up nor down: casts no vote for ");
        add_target(&sentence, service, rule->site);
        add(&sentence, ", and withdraws that of %.64s", name);
        break;
    }
    finish(&sentence, say, context);
}

/* ---- no rule matches --------------------------------------------------------------------------------------------- */

/* A rule and how near it is. Its source is a condition like the others. */
struct nearness {
    const struct service *service;
    const struct alert_rule *rule;
    size_t index;
    size_t n_held, n_missing, n; /* conditions that hold; whose label is not there; all */
};

static size_t count_of(const struct label *labels, size_t n_labels, const char *name)
{
    size_t n = 0;
    for (size_t i = 0; i < n_labels; i++)
        n += label_is(&labels[i], name);
    return n;
}

static struct nearness nearness_of(const struct service *service, size_t index, int source, const struct label *labels,
                                   size_t n_labels)
{
    const struct alert_rule *rule = &service->rules[index];
    struct nearness near = {.service = service, .rule = rule, .index = index, .n = rule->n_matches + 1};
    near.n_held = rule->source == source;
    for (size_t i = 0; i < rule->n_matches; i++) {
        near.n_held += condition_holds(&rule->matches[i], labels, n_labels);
        near.n_missing += count_of(labels, n_labels, rule->matches[i].label) == 0;
    }
    return near;
}

/* By the share of its conditions that hold, then by how many do not, then by the labels that are not there at all; of
 * equals the first one stays. */
static bool is_nearer(const struct nearness *a, const struct nearness *b)
{
    if (!b->rule)
        return true;
    size_t share_a = a->n_held * b->n, share_b = b->n_held * a->n;
    if (share_a != share_b)
        return share_a > share_b;
    if (a->n - a->n_held != b->n - b->n_held)
        return a->n - a->n_held < b->n - b->n_held;
    return a->n_missing < b->n_missing;
}

static struct nearness nearest(const struct model *model, int source, const struct label *labels, size_t n_labels)
{
    struct nearness best = {.rule = NULL};
    size_t n_seen = 0;
    for (int i = 0; i < model->n_services; i++) {
        const struct service *service = &model->services[i];
        for (size_t k = 0; k < service->n_rules && n_seen < MAX_RULES; k++, n_seen++) {
            struct nearness near = nearness_of(service, k, source, labels, n_labels);
            if (is_nearer(&near, &best))
                best = near;
        }
    }
    return best;
}

static void add_expected(struct sentence *sentence, const struct label_match *match)
{
    bool is_list = match->n_values > 1;
    add(sentence, ", expected %s", is_list ? "one of " : "");
    if (is_list)
        add(sentence, "%.*s%s", MAX_SHOWN, match->text, strlen(match->text) > MAX_SHOWN ? "…" : "");
    else
        add_value(sentence, match->text, strlen(match->text));
}

static void add_difference(struct sentence *sentence, const struct label_match *match, const struct label *labels,
                           size_t n_labels)
{
    size_t count = count_of(labels, n_labels, match->label), first = 0;
    add(sentence, "%.64s is %s", match->label, count > 0 ? "" : "missing");
    while (first < n_labels && !label_is(&labels[first], match->label))
        first++;
    if (count > 0)
        add_value(sentence, labels[first].value, labels[first].value_len);
    if (count > 1)
        add(sentence, " and %zu more", count - 1);
    add_expected(sentence, match);
}

static void add_differences(struct sentence *sentence, const struct model *model, int source,
                            const struct nearness *near, const struct label *labels, size_t n_labels)
{
    size_t n_told = 0, n_left_out = 0;
    if (near->rule->source != source) {
        add(sentence, "its source is %.64s, not %.64s", model->source_names[near->rule->source],
            model->source_names[source]);
        n_told++;
    }
    for (size_t i = 0; i < near->rule->n_matches; i++) {
        const struct label_match *match = &near->rule->matches[i];
        if (condition_holds(match, labels, n_labels))
            continue;
        if (n_told == MAX_DIFFERENCES) {
            n_left_out++;
            continue;
        }
        add(sentence, "%s", n_told++ > 0 ? "; " : "");
        add_difference(sentence, match, labels, n_labels);
    }
    if (n_left_out > 0)
        add(sentence, "; and %zu more", n_left_out);
}

static void say_unmatched(const struct model *model, int source, const struct label *labels, size_t n_labels,
                          explain_say say, void *context)
{
    struct sentence sentence = {"no rule matches"};
    struct nearness near = nearest(model, source, labels, n_labels);
    if (!near.rule) {
        add(&sentence, ": no service has any \"alerts\"");
    } else {
        const char *site =
            near.rule->site == SITE_OF_ALERT_TIME ? "active" : site_phrase(near.service, near.rule->site);
        add(&sentence, "; nearest: services.%.64s.alerts[%zu] (site %.64s): ", near.service->name, near.index, site);
        add_differences(&sentence, model, source, &near, labels, n_labels);
    }
    finish(&sentence, say, context);
}

/* The heartbeat is of no service: it is known by its own condition. */
static void say_heartbeat(const struct model *model, int source, enum alert_state state, explain_say say, void *context)
{
    struct sentence sentence = {""};
    const char *name = model->source_names[source];
    if (state == ALERT_FIRING)
        add(&sentence,
            "the heartbeat of %.64s: while it is fresh, %.64s says up of each site that it can speak of and says "
            "nothing bad of",
            name, name);
    else
        add(&sentence, "the heartbeat of %.64s has ended: what it does not speak of is unknown", name);
    finish(&sentence, say, context);
}

/* ---- one alert --------------------------------------------------------------------------------------------------- */

int explain_alert(const struct model *model, int source, enum alert_state state, const struct label *labels,
                  size_t n_labels, explain_say say, void *context)
{
    int n = 0;
    for (int i = 0; i < model->n_services; i++) {
        const struct alert_rule *rule = rule_find(&model->services[i], source, labels, n_labels);
        if (!rule)
            continue;
        if (n++ < EXPLAIN_MAX_SERVICES && say)
            say_matched(model, source, state, &model->services[i], rule, say, context);
    }
    if (!say)
        return n;
    if (match_heartbeat(model, source, labels, n_labels))
        say_heartbeat(model, source, state, say, context);
    else if (n == 0)
        say_unmatched(model, source, labels, n_labels, say, context);
    if (n > EXPLAIN_MAX_SERVICES) {
        struct sentence sentence = {""};
        add(&sentence, "and the same for %d more services", n - EXPLAIN_MAX_SERVICES);
        finish(&sentence, say, context);
    }
    return n;
}

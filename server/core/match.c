/* Which services and sites an alert speaks of, by its labels, and whether it is a heartbeat. Labels are hostile:
 * regular expressions see bounded values only, and never a value that would end early at a NUL. A label that is not
 * there matches nothing. */
#include "core/match.h"

#include <regex.h>
#include <stdlib.h>
#include <string.h>

#define REGEX_VALUE_MAX 4096 /* bytes; a longer value never matches */

static bool regex_matches(const regex_t *regex, const struct label *label)
{
    char value[REGEX_VALUE_MAX + 1];
    if (label->value_len > REGEX_VALUE_MAX)
        return false;
    if (label->value_len > 0 && memchr(label->value, 0, label->value_len))
        return false;
    if (label->value_len > 0)
        memcpy(value, label->value, label->value_len);
    value[label->value_len] = 0;
    return regexec(regex, value, 0, NULL, 0) == 0;
}

static bool value_matches(const struct label_match *match, const struct label *label)
{
    if (match->regex)
        return regex_matches(match->regex, label);
    for (size_t i = 0; i < match->n_values; i++) {
        size_t len = strlen(match->values[i]);
        if (label->value_len == len && (len == 0 || memcmp(label->value, match->values[i], len) == 0))
            return true;
    }
    return false;
}

bool label_is(const struct label *label, const char *name)
{
    size_t len = strlen(name);
    return label->name_len == len && memcmp(label->name, name, len) == 0;
}

bool condition_holds(const struct label_match *match, const struct label *labels, size_t n_labels)
{
    for (size_t i = 0; i < n_labels; i++)
        if (label_is(&labels[i], match->label) && value_matches(match, &labels[i]))
            return true;
    return false;
}

static bool all_hold(const struct label_match *matches, size_t n, const struct label *labels, size_t n_labels)
{
    for (size_t i = 0; i < n; i++)
        if (!condition_holds(&matches[i], labels, n_labels))
            return false;
    return true;
}

bool match_heartbeat(const struct model *model, int source, const struct label *labels, size_t n_labels)
{
    if (!model->voter_rules)
        return false;
    const struct voter_rule *rule = &model->voter_rules[source];
    return rule->n_heartbeat > 0 && all_hold(rule->heartbeat, rule->n_heartbeat, labels, n_labels);
}

const struct alert_rule *rule_find(const struct service *service, int source, const struct label *labels,
                                   size_t n_labels)
{
    for (size_t i = 0; i < service->n_rules; i++)
        if (service->rules[i].source == source &&
            all_hold(service->rules[i].matches, service->rules[i].n_matches, labels, n_labels))
            return &service->rules[i];
    return NULL;
}

int match_alert(const struct model *model, int source, const struct label *labels, size_t n_labels,
                struct alert_target **ret)
{
    struct alert_target *targets = NULL;
    int n = 0;
    for (int i = 0; i < model->n_services; i++) {
        const struct alert_rule *rule = rule_find(&model->services[i], source, labels, n_labels);
        if (!rule)
            continue;
        /* Most alerts speak of one service: grow one by one at first, then by doubling. */
        if ((n & (n - 1)) == 0) {
            size_t room = n ? (size_t)n * 2 : 1;
            struct alert_target *more = realloc(targets, room * sizeof *more);
            if (!more) {
                free(targets);
                return -1;
            }
            targets = more;
        }
        targets[n++] = (struct alert_target){.service = i, .site = rule->site};
    }
    *ret = targets;
    return n;
}

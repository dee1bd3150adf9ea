/* How the word of a source counts: for how long, with which weight, and what shows that the source itself is well. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <string.h>

#define MINUTE ((int64_t)60 * 1000)
#define EXPIRES_OF_REPEATED                                                                                            \
    (15 * MINUTE) /* a monitor that repeats itself and is silent for so long has changed its mind */
#define EXPIRES_OF_ONCE (24 * 60 * MINUTE)

static void take_rule(const json_t *values, const struct handler *handler, struct voter_rule *rule)
{
    const json_t *expires = json_object_get(values, "vote_expires");
    rule->weight = (int)json_integer_value(json_object_get(values, "weight"));
    rule->expires_ms = expires ? json_integer_value(expires) : handler->repeats ? EXPIRES_OF_REPEATED : EXPIRES_OF_ONCE;
    rule->stale_after_ms = json_integer_value(json_object_get(values, "stale_after"));
}

static void check_heartbeat(struct reading *r, const struct node *heartbeat, const struct source *source,
                            const struct voter_rule *rule)
{
    const struct handler *handler = source->handler;
    for (size_t i = 0; handler->has_label && i < rule->n_heartbeat; i++) {
        const char *label = rule->heartbeat[i].label;
        if (label && !handler->has_label(source, label))
            complain(r, heartbeat,
                     "\"heartbeat\" names %s, which is not among the \"labels\" of source %s: it would never be heard; "
                     "add it there",
                     shown(label).text, shown(source->name).text);
    }
}

static void doubt_rule(struct reading *r, const struct node *map, const struct source *source,
                       const struct voter_rule *rule)
{
    const struct node *expires = child(map, "vote_expires"), *stale = child(map, "stale_after");
    const struct handler *handler = source->handler;
    if (expires && rule->expires_ms == 0)
        doubt(r, expires,
              "\"vote_expires\" is 0s: a vote whose alert is never resolved counts for ever; give it a time");
    if (stale && rule->stale_after_ms > 0 && !handler->repeats && rule->n_heartbeat == 0)
        doubt(r, stale,
              "a source of kind %s speaks when something changes: with \"stale_after\" it counts for nothing after a "
              "quiet time; give it a \"heartbeat\", or remove this",
              handler->kind);
    if (rule->n_heartbeat > 0 && !handler->repeats && !expires)
        doubt(r, child(map, "heartbeat"),
              "a source of kind %s speaks when something changes: its heartbeat stays fresh for 24h after it was last "
              "heard; say with \"vote_expires\" how often it comes",
              handler->kind);
}

void read_voter(struct reading *r, const struct node *map, const json_t *values, const struct source *source,
                struct voter_rule *rule)
{
    const struct node *heartbeat = child(map, "heartbeat");
    take_rule(values, source->handler, rule);
    if (heartbeat && heartbeat->kind == NODE_MAP && child(heartbeat, "match"))
        read_matches(r, heartbeat, &rule->heartbeat, &rule->n_heartbeat);
    check_heartbeat(r, heartbeat, source, rule);
    doubt_rule(r, map, source, rule);
}

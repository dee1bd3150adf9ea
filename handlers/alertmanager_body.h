/* The body that Prometheus Alertmanager and Grafana's alerting share: a group of alerts, as version 4 of Alertmanager's
 * webhook has it.
 *
 * The format: template/template.go (Data) and notify/webhook of prometheus/alertmanager; fields are added without a new
 * version, and none of those that we do not need is looked at. Only alerts[] is read: the group's `status` is computed
 * over a list that `max_alerts` may have cut, and says "resolved" while an alert that was cut still fires.
 * An alert's identity is its fingerprint, a hash of its label set alone; startsAt is not part of it, because it differs
 * between the two of an HA pair and moves backwards. Do not conclude anything from what is absent. */
#ifndef TURNOUT_HANDLERS_ALERTMANAGER_BODY_H
#define TURNOUT_HANDLERS_ALERTMANAGER_BODY_H

#include "handlers/handler.h"

/* What differs between the senders, which is words only. */
struct alertmanager_dialect {
    const char *sender;        /* for messages */
    const char *foreign_field; /* of the outermost object, by which another format of this sender is known; NULL */
    const char *foreign_text;  /* what is said of a body that has this field and no alerts */
};

/* As handler->parse(), signatures apart. */
MUST_CHECK enum err alertmanager_body_parse(const struct alertmanager_dialect *dialect,
                                            const struct handler_request *request, struct handler_result *result,
                                            struct errmsg *why);

#endif

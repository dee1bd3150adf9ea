/* Prometheus Alertmanager's webhook, versions 3 and 4 of its body: see alertmanager_body.h.
 *
 * Alertmanager signs nothing: what a delivery proves is what its credential proves. */
#include "handlers/alertmanager_body.h"

static enum err alertmanager_parse(const struct handler_request *request, struct handler_result *result,
                                   struct errmsg *why)
{
    static const struct alertmanager_dialect dialect = {.sender = "Alertmanager"};
    return alertmanager_body_parse(&dialect, request, result, why);
}

/* Nothing but the credentials that every source has. */
static const struct row rows[] = {{.name = NULL}};

extern const struct handler handler_alertmanager;
const struct handler handler_alertmanager = {
    .kind = "alertmanager",
    .help = "Prometheus Alertmanager's webhook receiver (versions 3 and 4 of its body)",
    .rows = rows,
    .labels_help = "the labels of the alert",
    .identifying = "alertname",
    .repeats = true,
    .methods = "POST",
    .media = HANDLER_JSON,
    .parse = alertmanager_parse,
};

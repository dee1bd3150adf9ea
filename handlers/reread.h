/* A delivery read again, by its handler and the rules of today: what it holds, and what it would be taken for. Of a
 * body from a file (`turnout try`), or of a stored one; nothing comes of it.
 *
 * No signature is looked at, and no age: request->is_stored must be set. */
#ifndef TURNOUT_HANDLERS_REREAD_H
#define TURNOUT_HANDLERS_REREAD_H

#include "handlers/handler.h"

#include <jansson.h>

/* *ret: {"alerts": [{"state", "identity": TEXT|null (not text), "starts_at": T|null, "ends_at": T|null, "asserted_at":
 * T|null, "labels": {NAME: TEXT|[TEXT, …]}, "services": N, "explanation": [SENTENCE, …]}], "n_alerts", "services",
 * "nothing": TEXT|null, "notice": {"kind", "text"}|null}. All text is UTF-8 without control characters. Of at most
 * `max_alerts` alerts more than their number is told, of an alert at most 64 labels and of a label 256 bytes.
 * `services`: of how many services the alerts speak, each alert counted for itself. The caller decrefs *ret.
 * Errors are those of handler->parse(). */
MUST_CHECK enum err reread_delivery(const struct handler_request *request, const struct model *model, int source,
                                    size_t max_alerts, json_t **ret, struct errmsg *why);

#endif

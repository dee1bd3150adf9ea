/* What the parts of `turnout doctor` share: a list of what was found, and what they look at. Only doctor*.c include it.
 */
#ifndef TURNOUT_SERVER_DOCTOR_DOCTOR_H
#define TURNOUT_SERVER_DOCTOR_DOCTOR_H

#include "base/err.h"
#include "cli.h"

enum severity {
    SEVERITY_STOPS,   /* a failover would not begin, or not end well */
    SEVERITY_HINDERS, /* it would be slower, or with less known than promised */
    SEVERITY_NOTE,
};

/* Adds to the list {"severity", "about": whom it is of, "text": what, "mend": what would be right, or null}. */
void found(json_t *list, enum severity severity, const char *about, const char *mend, const char *format, ...)
    PRINTF_LIKE(5, 6);

/* doctor/place.c: this machine, without asking anybody. `has_daemon`: one answers. */
void doctor_place(json_t *list, const struct config *config, bool has_literal_secrets, bool has_daemon);

/* doctor/ask.c: asks the daemon of `config` (NULL: of --url alone). False when none answers; it is in the list why. */
bool doctor_ask(json_t *list, const struct options *options, const struct config *config);

/* doctor/state.c, pure: what the daemon's answers say. */
/* `services` of GET /services. `model` may be NULL: how often it looks is not known then. `now`: wall. */
void doctor_services(json_t *list, const json_t *services, const struct model *model, int64_t now);
void doctor_status(json_t *list, const json_t *status); /* of GET /status */
/* `sources` of GET /sources. With `model`: which sites can never be found down by those that are heard. */
void doctor_sources(json_t *list, const json_t *sources, const json_t *status, const struct model *model);

#endif

/* A source: a configured instance of a handler, with the credential its deliveries must bear. Made by server/config,
 * immutable. */
#ifndef TURNOUT_HANDLERS_SOURCE_H
#define TURNOUT_HANDLERS_SOURCE_H

#include "base/secret.h"
#include "handlers/handler.h"

struct source {
    char *name;
    const struct handler *handler;
    struct secret bearer; /* either or both of bearer and basic */
    char *basic_user;     /* NULL: no basic auth */
    struct secret basic_password;
};

#endif

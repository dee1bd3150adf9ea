/* A source: a configured instance of a handler, with the credentials its deliveries must bear. Made by server/config,
 * immutable, but for `state`, which belongs to the handler and guards itself. */
#ifndef TURNOUT_HANDLERS_SOURCE_H
#define TURNOUT_HANDLERS_SOURCE_H

#include "base/address.h"
#include "base/secret.h"
#include "core/vocabulary.h"
#include "handlers/handler.h"

#include <jansson.h>

#define MAX_SOURCE_SECRETS 4 /* rows of a kind that are secrets */

struct basic_credential {
    char *user;
    struct secret password;
};

struct source {
    char *name;
    const struct handler *handler;
    /* Any one of all these lets a delivery in, so that they can be changed without a gap. None at all: the handler's
     * own signature does. */
    struct secret_list bearer, path_token;
    struct basic_credential *basic;
    size_t n_basic;
    struct network *from; /* addresses it may come from; n_from 0: any */
    size_t n_from;
    int rate;         /* deliveries per second, on average; beyond: 503. 0: no limit of its own */
    enum trust trust; /* of its votes: what each of its deliveries has proved at least */
    json_t *args;     /* the handler's rows, validated; secrets left out */
    struct {
        const char *row; /* name of the ROW_SECRET or ROW_SECRETS row */
        struct secret_list values;
    } secrets[MAX_SOURCE_SECRETS];
    void *state; /* made by handler->open */
};

/* The values of a secret row; an empty list when it was not given. */
const struct secret_list *source_secrets(const struct source *source, const char *row);
void source_done(struct source *source);

#endif

/* The registry of handlers, from handlers/list.h. */
#include "handlers/handler.h"

#include <string.h>

#define X(name) extern const struct handler handler_##name;
#include "handlers/list.h"
HANDLER_LIST(X)
#undef X

static const struct handler *const handlers[] = {
#define X(name) &handler_##name,
    HANDLER_LIST(X)
#undef X
        NULL,
};

const struct handler *const *handler_list(void)
{
    return handlers;
}

int handler_refusal_status(enum err err)
{
    return err == ERR_INVALID ? 400 : err == ERR_TOO_BIG ? 413 : err == ERR_DENIED ? 403 : 0;
}

const struct handler *handler_find(const char *kind)
{
    for (const struct handler *const *handler = handlers; *handler; handler++) {
        if (strcmp((*handler)->kind, kind) == 0)
            return *handler;
    }
    return NULL;
}

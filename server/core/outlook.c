/* What the services have in common. */
#include "core/outlook.h"

#include <stdlib.h>

struct outlook *outlook_new(const struct model *model, const struct service_view *const *views)
{
    struct outlook *outlook = calloc(1, sizeof *outlook);
    if (outlook) {
        outlook->model = model;
        outlook->views = views;
    }
    return outlook;
}

void outlook_free(struct outlook *outlook)
{
    free(outlook);
}

void outlook_take(struct outlook *outlook, int service, int64_t now)
{
    (void)outlook;
    (void)service;
    (void)now;
}

/* See source.h. */
#include "handlers/source.h"

#include <stdlib.h>
#include <string.h>

const struct secret_list *source_secrets(const struct source *source, const char *row)
{
    static const struct secret_list none = {NULL, 0};
    for (size_t i = 0; i < MAX_SOURCE_SECRETS && source->secrets[i].row; i++) {
        if (strcmp(source->secrets[i].row, row) == 0)
            return &source->secrets[i].values;
    }
    return &none;
}

void source_done(struct source *source)
{
    if (source->handler && source->handler->close && source->state)
        source->handler->close(source);
    secret_list_done(&source->bearer);
    secret_list_done(&source->path_token);
    for (size_t i = 0; i < source->n_basic; i++) {
        free(source->basic[i].user);
        secret_done(&source->basic[i].password);
    }
    free(source->basic);
    for (size_t i = 0; i < MAX_SOURCE_SECRETS; i++)
        secret_list_done(&source->secrets[i].values);
    json_decref(source->args);
    free(source->from);
    free(source->name);
    *source = (struct source){0};
}

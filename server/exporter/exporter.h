/* Keeps the break-glass files of each service fresh in a folder (server.export): SERVICE-failover.sh,
 * SERVICE-failback.sh and SERVICE.md, from what the last round of readiness left in the store.
 *
 * One thread of its own with a reader of its own, since a disk may take its time and the orchestrator must not wait.
 * The complication is a round that saw too little, just when things go wrong: what it makes never replaces files that
 * were made from a whole one. No provider is asked here. */
#ifndef TURNOUT_SERVER_EXPORTER_EXPORTER_H
#define TURNOUT_SERVER_EXPORTER_EXPORTER_H

#include "base/err.h"
#include "core/model.h"

#include <jansson.h>

struct exporter_settings {
    const char *folder;   /* made when it is not there */
    const char *database; /* all borrowed */
    const struct model *model;
    int64_t every_ms; /* so often each service is looked at, or more seldom where there are very many */
};

struct exporter;

/* ERR_NO_MEMORY, ERR_IO: no thread. */
MUST_CHECK enum err exporter_start(const struct exporter_settings *settings, struct exporter **ret, struct errmsg *why);
/* Ends what is under way. Accepts NULL. */
void exporter_stop(struct exporter *exporter);

/* Writes one of the files that export_files() makes, at once or not at all: beside it first, then in its place.
 * ERR_INVALID: the name is none; ERR_IO. */
MUST_CHECK enum err export_file_write(const char *folder, const json_t *file, struct errmsg *why);

#endif

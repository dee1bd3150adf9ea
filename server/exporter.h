/* Keeps the break-glass files of each service fresh in a folder (server.export): SERVICE-failover.sh,
 * SERVICE-failback.sh and SERVICE.md.
 *
 * One thread of its own, since a disk may take its time and the orchestrator must not wait. The complication is a round
 * that saw too little, just when things go wrong: what it makes never replaces files that were made from a whole one.
 * No provider is asked here. */
#ifndef TURNOUT_SERVER_EXPORTER_H
#define TURNOUT_SERVER_EXPORTER_H

#include "base/err.h"

#include <jansson.h>

struct exporter;

/* `folder` is made when it is not there. ERR_NO_MEMORY, ERR_IO: no thread. */
MUST_CHECK enum err exporter_start(const char *folder, struct exporter **ret, struct errmsg *why);
/* The plans of both ways, with scripts, as of the text `at`; `back` may be NULL. Copies them; of several for one
 * service that wait, the last counts. Any thread; accepts NULL for `exporter`. */
void exporter_push(struct exporter *exporter, const json_t *there, const json_t *back, const char *at);
/* Ends what is under way; what waits is left. Accepts NULL. */
void exporter_stop(struct exporter *exporter);

/* Writes one of them, at once or not at all: beside it first, then in its place. ERR_IO. */
MUST_CHECK enum err export_file_write(const char *folder, const json_t *file, struct errmsg *why);

#endif

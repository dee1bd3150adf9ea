/* The prober: our own continuous check of each site of each service that has a probe.
 *
 * It has threads of its own: a site that hangs takes one of them for as long as its probe's time-out, and never one of
 * the executor's, so that no run waits for it. There are as many as are busy at once when every site hangs, up to a
 * bound; they are started when they are first needed. A probe has no effect and is no attempt; what comes of it is an
 * opinion, which goes to the orchestrator as a command. Deciding belongs there. */
#ifndef TURNOUT_SERVER_PROBER_PROBER_H
#define TURNOUT_SERVER_PROBER_PROBER_H

#include "base/strbuf.h"
#include "command.h"

struct prober;

/* Both borrowed until prober_free(). Starts are spread over each probe's interval. ERR_NO_MEMORY; ERR_INVALID: the
 * arguments of a probe cannot be filled in (the message names it); ERR_IO: no thread can be started. Without any probe
 * there is a prober that does nothing. */
MUST_CHECK enum err prober_start(const struct model *model, struct command_queue *commands, struct prober **ret,
                                 struct errmsg *why);
/* Cancels what is under way and waits for it: about 100 ms. Accepts NULL, and one that is stopped. */
void prober_stop(struct prober *prober);
/* After prober_stop(), when all its commands are done. Accepts NULL. */
void prober_free(struct prober *prober);
/* Adds lines in Prometheus text format. Any thread, until prober_free(). Accepts NULL. */
void prober_metrics(struct prober *prober, struct strbuf *text);

#endif

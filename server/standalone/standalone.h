/* `turnout failover --standalone` and `failback --standalone`: a playbook performed by this process alone, for the day
 * the daemon cannot. No database is read or written; the lock beside it is taken where it can be, so that no daemon
 * runs meanwhile. Guards and votes are not asked: a person has decided. */
#ifndef TURNOUT_SERVER_STANDALONE_STANDALONE_H
#define TURNOUT_SERVER_STANDALONE_STANDALONE_H

#include "cli.h"

int standalone_move(const struct options *options, enum direction direction);

#endif

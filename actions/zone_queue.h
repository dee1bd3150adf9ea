/* Whose turn it is at a zone: writes to one zone are made one after another, over all runs, and what ends a write
 * (OVH's refresh, Route 53's batch) is made once for all calls that wait for it.
 *
 * Each call has a thread of its own. Of those that share, the one that came first ends the write for all, and gives its
 * result to the others; one whose time is over or that is cancelled goes away alone, and the truth for it then depends
 * on whether its part had been taken along. Knows no provider, sends nothing, and must not. One queue belongs to one
 * provider of the configuration; all functions may be called by any thread. */
#ifndef TURNOUT_ACTIONS_ZONE_QUEUE_H
#define TURNOUT_ACTIONS_ZONE_QUEUE_H

#include "actions/action.h"

#define ZONE_BATCH_MAX 50
#define ZONE_BATCH_BYTES 30000

struct zone_queue;

struct zone_queue *zone_queue_new(void);        /* NULL: out of memory */
void zone_queue_free(struct zone_queue *queue); /* accepts NULL; nobody may be waiting */

/* Waits for the zone to be ours. False with the result set (nothing was sent): cancelled, or the call's time is over.
 */
bool zone_enter(struct zone_queue *queue, const char *zone, struct action_call *call, struct action_result *ret);
void zone_leave(struct zone_queue *queue, const char *zone);

/* With the zone ours: whether others share already, and wait for what ends their writes. */
bool zone_is_shared(struct zone_queue *queue, const char *zone);

enum zone_share {
    ZONE_LEAD,  /* the zone is ours: end the write for all in the batch, then zone_batch_end() */
    ZONE_DONE,  /* another call has ended it for us: the result is set, what it sent is in call->requests */
    ZONE_ALONE, /* the batch was refused as a whole: share again, alone */
    ZONE_GONE,  /* cancelled, or our time is over, before anybody took our part along: CANCELLED or TEMPORARY */
};

struct zone_batch {
    int n;                       /* parts, ours among them */
    char *items[ZONE_BATCH_MAX]; /* owned; NULL where a part has no text */
    size_t n_requests;           /* of our call, before the batch */
};

/* Joins those that share. `item` is our part of the batch (copied; may be NULL), at most ZONE_BATCH_BYTES of them go
 * together. With `is_inside` the zone is ours (zone_enter) and is left in the same instant; those that wait to enter
 * come first, but hold up nobody for longer than half of the time that its call had left, and 5 s. */
enum zone_share zone_share(struct zone_queue *queue, const char *zone, struct action_call *call, const char *item,
                           bool is_inside, bool is_alone, struct zone_batch *ret_batch, struct action_result *ret);
/* After ZONE_LEAD: everybody in the batch gets a copy of the outcome, text, token and Retry-After of `result`, or with
 * `is_refused` ZONE_ALONE; and the zone is left. Frees what is in the batch. */
void zone_batch_end(struct zone_queue *queue, const char *zone, const struct action_call *call,
                    struct zone_batch *batch, const struct action_result *result, bool is_refused);

#endif

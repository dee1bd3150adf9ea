#include "actions/zone_queue.h"

#include "actions/common.h"
#include "base/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define POLL_MS 50 /* how soon a cancel is seen */
#define GATHER_MS 5000
#define MAX_ZONES 1000

/* The place of one call among those that share: on the stack of its thread, touched under the queue's lock only. */
struct part {
    struct part *next;
    char *item; /* owned until it is taken */
    size_t len;
    int64_t due_at; /* steady: nobody enters any more before this part is taken */
    enum { PART_WAITS, PART_TAKEN, PART_ENDED, PART_REFUSED } state;
    bool is_alone;
    enum outcome outcome; /* of PART_ENDED, with what follows */
    struct errmsg text;
    int64_t retry_after_ms;
    json_t *token, *requests;
};

struct zone {
    struct zone *next;
    char *name;
    bool is_held;
    int n_entering;
    struct part *parts; /* oldest first */
};

struct zone_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed; /* on CLOCK_MONOTONIC */
    struct zone *zones;
    int n_zones;
};

struct zone_queue *zone_queue_new(void)
{
    struct zone_queue *queue = calloc(1, sizeof(*queue));
    pthread_condattr_t attributes;
    if (!queue)
        return NULL;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return queue;
}

void zone_queue_free(struct zone_queue *queue)
{
    if (!queue)
        return;
    while (queue->zones) {
        struct zone *zone = queue->zones;
        queue->zones = zone->next;
        free(zone->name);
        free(zone);
    }
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

/* ---- under the lock ---------------------------------------------------------------------------------------------- */

/* Found or made; NULL out of memory. */
static struct zone *zone_get(struct zone_queue *queue, const char *name)
{
    for (struct zone *zone = queue->zones; zone; zone = zone->next)
        if (name_equal(zone->name, name))
            return zone;
    struct zone *zone = queue->n_zones < MAX_ZONES ? calloc(1, sizeof(*zone)) : NULL;
    char *copy = zone ? strdup(name) : NULL;
    if (!copy) {
        free(zone);
        return NULL;
    }
    zone->name = copy;
    zone->next = queue->zones;
    queue->zones = zone;
    queue->n_zones++;
    return zone;
}

static void wait_changed(struct zone_queue *queue)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
}

static struct part *first_waiting(const struct zone *zone)
{
    struct part *part = zone->parts;
    while (part && part->state != PART_WAITS)
        part = part->next;
    return part;
}

static bool is_due(const struct zone *zone)
{
    int64_t now = clock_steady_ms();
    for (const struct part *part = zone->parts; part; part = part->next)
        if (part->state == PART_WAITS && now >= part->due_at)
            return true;
    return false;
}

static void part_unlink(struct zone *zone, const struct part *part)
{
    struct part **at = &zone->parts;
    while (*at && *at != part)
        at = &(*at)->next;
    if (*at)
        *at = part->next;
}

/* Takes our part, which is the first, and those behind it that fit. */
static void batch_take(struct zone *zone, struct part *ours, struct zone_batch *batch)
{
    size_t bytes = 0;
    batch->n = 0;
    for (struct part *part = ours; part; part = part->next) {
        bool is_fitting = part == ours || (!ours->is_alone && !part->is_alone && bytes + part->len <= ZONE_BATCH_BYTES);
        if (part->state != PART_WAITS || !is_fitting || batch->n == ZONE_BATCH_MAX)
            continue;
        batch->items[batch->n++] = part->item;
        bytes += part->len;
        part->item = NULL;
        part->state = PART_TAKEN;
    }
    part_unlink(zone, ours);
}

/* ---- alone ------------------------------------------------------------------------------------------------------- */

bool zone_enter(struct zone_queue *queue, const char *name, struct action_call *call, struct action_result *ret)
{
    pthread_mutex_lock(&queue->lock);
    struct zone *zone = zone_get(queue, name);
    bool is_ours = false;
    if (zone) {
        zone->n_entering++;
        while ((zone->is_held || is_due(zone)) && !call_is_cancelled(call) && call_left_ms(call) > 0)
            wait_changed(queue);
        is_ours = !zone->is_held && !is_due(zone) && !call_is_cancelled(call);
        zone->is_held = zone->is_held || is_ours;
        zone->n_entering--;
        pthread_cond_broadcast(&queue->changed);
    }
    pthread_mutex_unlock(&queue->lock);
    if (is_ours)
        return true;
    if (!zone)
        result_set(ret, OUTCOME_TEMPORARY, "out of memory, or more than %d zones", MAX_ZONES);
    else if (call_is_cancelled(call))
        result_set(ret, OUTCOME_CANCELLED, "cancelled while another change of zone %s was being made", name);
    else
        result_set(ret, OUTCOME_TEMPORARY, "another change of zone %s took all the time of this attempt", name);
    return false;
}

void zone_leave(struct zone_queue *queue, const char *name)
{
    pthread_mutex_lock(&queue->lock);
    struct zone *zone = zone_get(queue, name);
    if (zone)
        zone->is_held = false;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

bool zone_is_shared(struct zone_queue *queue, const char *name)
{
    pthread_mutex_lock(&queue->lock);
    const struct zone *zone = zone_get(queue, name);
    bool is_shared = zone && first_waiting(zone) != NULL;
    pthread_mutex_unlock(&queue->lock);
    return is_shared;
}

/* ---- together ---------------------------------------------------------------------------------------------------- */

static bool is_our_lead(const struct zone *zone, const struct part *part)
{
    return part->state == PART_WAITS && !zone->is_held && first_waiting(zone) == part &&
           (zone->n_entering == 0 || is_due(zone));
}

/* Until we lead, or are done, or have to go. */
static enum zone_share part_wait(struct zone_queue *queue, struct zone *zone, struct part *part,
                                 const struct action_call *call, struct zone_batch *batch)
{
    while (part->state < PART_ENDED && !call_is_cancelled(call) && call_left_ms(call) > 0) {
        if (is_our_lead(zone, part)) {
            zone->is_held = true;
            batch_take(zone, part, batch);
            return ZONE_LEAD;
        }
        wait_changed(queue);
    }
    part_unlink(zone, part);
    pthread_cond_broadcast(&queue->changed);
    return part->state == PART_REFUSED ? ZONE_ALONE : part->state == PART_WAITS ? ZONE_GONE : ZONE_DONE;
}

static void part_append(struct zone *zone, struct part *part)
{
    struct part **at = &zone->parts;
    while (*at)
        at = &(*at)->next;
    *at = part;
}

static void result_take(struct part *part, const struct action_call *call, const char *zone, enum zone_share share,
                        struct action_result *ret)
{
    const char *how = call_is_cancelled(call) ? "cancelled" : "out of time";
    if (share == ZONE_GONE) {
        result_set(ret, call_is_cancelled(call) ? OUTCOME_CANCELLED : OUTCOME_TEMPORARY,
                   "%s while another change of zone %s was being made", how, zone);
    } else if (share == ZONE_DONE && part->state == PART_TAKEN) {
        result_set(ret, OUTCOME_UNKNOWN, "%s while this change of zone %s was on its way together with others", how,
                   zone);
    } else if (share == ZONE_DONE) {
        result_set(ret, part->outcome, "%s", part->text.text);
        ret->retry_after_ms = part->retry_after_ms;
        ret->token = part->token;
        part->token = NULL;
        if (part->requests && call->requests)
            json_array_extend(call->requests, part->requests);
    }
    json_decref(part->token);
    json_decref(part->requests);
    free(part->item);
}

enum zone_share zone_share(struct zone_queue *queue, const char *name, struct action_call *call, const char *item,
                           bool is_inside, bool is_alone, struct zone_batch *ret_batch, struct action_result *ret)
{
    int64_t half = call_left_ms(call) / 2;
    struct part part = {.item = item ? strdup(item) : NULL,
                        .len = item ? strlen(item) : 0,
                        .due_at = clock_steady_ms() + (half < GATHER_MS ? half : GATHER_MS),
                        .is_alone = is_alone};
    enum zone_share share = ZONE_GONE;
    bool is_lacking = item && !part.item;
    *ret_batch = (struct zone_batch){.n_requests = json_array_size(call->requests)};
    pthread_mutex_lock(&queue->lock);
    struct zone *zone = zone_get(queue, name);
    if (zone && is_inside)
        zone->is_held = false;
    if (zone && !is_lacking) {
        part_append(zone, &part);
        pthread_cond_broadcast(&queue->changed);
        share = part_wait(queue, zone, &part, call, ret_batch);
    }
    pthread_mutex_unlock(&queue->lock);
    if (!zone || is_lacking) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory, or more than %d zones", MAX_ZONES);
        free(part.item);
    } else {
        result_take(&part, call, name, share, ret);
    }
    return share;
}

/* What the leader has sent for all, marked as such. */
static json_t *requests_copy(const struct action_call *call, const struct zone_batch *batch)
{
    json_t *copy = json_array();
    for (size_t i = batch->n_requests; i < json_array_size(call->requests); i++) {
        json_t *request = json_deep_copy(json_array_get(call->requests, i));
        json_object_set_new(request, "is_shared", json_true());
        json_array_append_new(copy, request);
    }
    return copy;
}

/* That the leader's run is cancelled is the leader's alone. */
static void part_end(struct part *part, const char *zone, const struct action_result *result)
{
    part->outcome = result->outcome;
    part->text = result->text;
    if (part->outcome == OUTCOME_CANCELLED) {
        part->outcome = OUTCOME_TEMPORARY;
        (void)err_set(&part->text, ERR_OK,
                      "nothing was sent: the change of zone %s that this one went with was cancelled", zone);
    }
    part->retry_after_ms = result->retry_after_ms;
    part->token = json_deep_copy(result->token);
    if (result->token && !part->token && part->outcome == OUTCOME_OK)
        part->outcome = OUTCOME_UNKNOWN; /* out of memory for what follows from it */
}

void zone_batch_end(struct zone_queue *queue, const char *name, const struct action_call *call,
                    struct zone_batch *batch, const struct action_result *result, bool is_refused)
{
    pthread_mutex_lock(&queue->lock);
    struct zone *zone = zone_get(queue, name);
    for (struct part *part = zone ? zone->parts : NULL; part; part = part->next) {
        if (part->state != PART_TAKEN)
            continue;
        part->state = is_refused ? PART_REFUSED : PART_ENDED;
        part_end(part, name, result);
        part->requests = requests_copy(call, batch);
    }
    if (zone)
        zone->is_held = false;
    pthread_cond_broadcast(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    for (int i = 0; i < batch->n; i++)
        free(batch->items[i]);
    batch->n = 0;
}

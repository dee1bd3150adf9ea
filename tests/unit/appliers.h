/* Several applies of one action at the same time, each on a thread of its own, with the provider of one rig. */
#ifndef TURNOUT_TESTS_APPLIERS_H
#define TURNOUT_TESTS_APPLIERS_H

#include "action_rig.h"

#include <pthread.h>

struct applier {
    struct rig *rig;
    struct fetch *fetch;
    json_t *args, *requests;
    atomic_bool cancel;
    int64_t timeout_ms, took_ms;
    struct action_result result;
};

static inline void *apply_once(void *context)
{
    struct applier *applier = context;
    int64_t began_at = clock_steady_ms();
    struct action_call call = {.args = applier->args,
                               .provider = &applier->rig->provider,
                               .fetch = applier->fetch,
                               .run_id = "",
                               .timeout_ms = applier->timeout_ms,
                               .deadline_at = began_at + applier->timeout_ms,
                               .cancel = &applier->cancel,
                               .requests = applier->requests};
    applier->rig->action->apply(&call, &applier->result);
    applier->took_ms = clock_steady_ms() - began_at;
    return NULL;
}

static inline void applier_start(struct applier *applier, struct rig *rig, const char *record, const char *target,
                                 int64_t timeout_ms, pthread_t *thread)
{
    memset(applier, 0, sizeof(*applier));
    applier->rig = rig;
    applier->fetch = fetch_new();
    applier->args = json_deep_copy(rig->args);
    json_object_set_new(applier->args, "record", json_string(record));
    json_object_set_new(applier->args, "target", json_string(target));
    applier->requests = json_array();
    applier->timeout_ms = timeout_ms;
    pthread_create(thread, NULL, apply_once, applier);
}

static inline void applier_done(struct applier *applier)
{
    action_result_done(&applier->result);
    json_decref(applier->args);
    json_decref(applier->requests);
    fetch_free(applier->fetch);
}

#endif

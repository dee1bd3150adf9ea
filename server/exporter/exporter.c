#include "exporter/exporter.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "core/export.h"
#include "store/store.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LEAST_PAUSE_MS 10 /* between two services */

struct exporter {
    struct exporter_settings settings;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool is_stopping;
    struct store_reader *reader; /* the thread's own, likewise: */
    char **seen;                 /* of each service: when its files were made of what was seen; NULL: not so far */
    bool is_failing;             /* said so already */
};

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* ---- one service ------------------------------------------------------------------------------------------------- */

static bool is_there(const struct exporter *exporter, const json_t *file)
{
    AUTO_FREE char *path = NULL;
    return asprintf(&path, "%s/%s", exporter->settings.folder, text_of(file, "name")) >= 0 && access(path, F_OK) == 0;
}

static enum err write_files(const struct exporter *exporter, const json_t *there, const json_t *back, const char *at,
                            struct errmsg *why)
{
    const char *folder = exporter->settings.folder;
    if (mkdir(folder, 0700) != 0 && errno != EEXIST)
        return err_set(why, ERR_IO, "%s cannot be made: %s", folder, strerror(errno));
    json_t *files = export_files(there, back, at, why);
    enum err err = files ? ERR_OK : ERR_INVALID;
    const bool is_there_whole = export_is_whole(there), is_back_whole = !back || export_is_whole(back);
    const size_t n = json_array_size(files);
    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        const json_t *file = json_array_get(files, i);
        /* The first is the way there, the last is of both. An old one that is whole is worth more than a new one. */
        const bool is_whole = (is_there_whole || (i > 0 && i + 1 < n)) && (is_back_whole || i == 0);
        if (is_whole || !is_there(exporter, file))
            err = export_file_write(folder, file, why);
    }
    json_decref(files);
    return err;
}

/* Nothing is there before the first round, and nothing new before the next one. */
static enum err export_service(struct exporter *exporter, int index, struct errmsg *why)
{
    json_t *both = NULL;
    enum err err = ERR_OK;
    if (!exporter->reader)
        err = store_reader_open(exporter->settings.database, &exporter->reader, why);
    if (err == ERR_OK)
        err = store_readiness_get(exporter->reader, exporter->settings.model->services[index].name, &both, why);
    const json_t *there = json_object_get(both, "failover"), *back = json_object_get(both, "failback");
    const json_t *plan = json_object_get(there, "plan"), *plan_back = json_object_get(back, "plan");
    const char *at = text_of(there, "checked_at"), *seen = exporter->seen[index];
    if (err == ERR_OK && json_is_object(plan) && !(seen && strcmp(seen, at) == 0)) {
        err = write_files(exporter, plan, json_is_object(plan_back) ? plan_back : NULL, at, why);
        free(exporter->seen[index]);
        exporter->seen[index] = err == ERR_OK ? strdup(at) : NULL;
    }
    json_decref(both);
    return err;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static int64_t pause_ms(const struct exporter *exporter)
{
    const int64_t pause = exporter->settings.every_ms / exporter->settings.model->n_services;
    return pause > LEAST_PAUSE_MS ? pause : LEAST_PAUSE_MS;
}

/* False when it is to stop. */
static bool wait_a_while(struct exporter *exporter)
{
    struct timespec until;
    const int64_t ms = pause_ms(exporter);
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&exporter->mutex);
    while (!exporter->is_stopping && pthread_cond_timedwait(&exporter->cond, &exporter->mutex, &until) == 0)
        ;
    const bool goes_on = !exporter->is_stopping;
    pthread_mutex_unlock(&exporter->mutex);
    return goes_on;
}

static void *exporter_run(void *context)
{
    struct exporter *exporter = context;
    const int n_services = exporter->settings.model->n_services;
    for (int i = 0; wait_a_while(exporter); i = (i + 1) % n_services) {
        struct errmsg why = {0};
        const bool is_failing = export_service(exporter, i, &why) != ERR_OK;
        if (is_failing && !exporter->is_failing)
            log_warning("the break-glass files of %s are not fresh any more: %s",
                        exporter->settings.model->services[i].name, why.text);
        exporter->is_failing = is_failing;
    }
    return NULL;
}

static void exporter_free(struct exporter *exporter)
{
    for (int i = 0; exporter->seen && i < exporter->settings.model->n_services; i++)
        free(exporter->seen[i]);
    free(exporter->seen);
    store_reader_close(exporter->reader);
    pthread_cond_destroy(&exporter->cond);
    pthread_mutex_destroy(&exporter->mutex);
    free(exporter);
}

enum err exporter_start(const struct exporter_settings *settings, struct exporter **ret, struct errmsg *why)
{
    struct exporter *exporter = calloc(1, sizeof *exporter);
    pthread_condattr_t monotonic;
    if (!exporter)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    exporter->settings = *settings;
    exporter->seen = calloc((size_t)settings->model->n_services, sizeof *exporter->seen);
    pthread_mutex_init(&exporter->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&exporter->cond, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!exporter->seen || pthread_create(&exporter->thread, NULL, exporter_run, exporter) != 0) {
        exporter_free(exporter);
        return err_set(why, ERR_IO, "a thread cannot be started");
    }
    *ret = exporter;
    return ERR_OK;
}

void exporter_stop(struct exporter *exporter)
{
    if (!exporter)
        return;
    pthread_mutex_lock(&exporter->mutex);
    exporter->is_stopping = true;
    pthread_cond_signal(&exporter->cond);
    pthread_mutex_unlock(&exporter->mutex);
    pthread_join(exporter->thread, NULL);
    exporter_free(exporter);
}

#include "exporter.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "core/export.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Plans of one service, as text: JSON's counters of references are no business of two threads. */
struct waiting {
    struct waiting *next;
    char *service, *there, *back, *at; /* back may be NULL */
};

struct exporter {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    struct waiting *first;
    bool is_stopping;
    bool is_failing; /* said so already */
    char *folder;
};

static void waiting_free(struct waiting *w)
{
    if (!w)
        return;
    free(w->service);
    free(w->there);
    free(w->back);
    free(w->at);
    free(w);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static bool is_there(const struct exporter *exporter, const json_t *file)
{
    AUTO_FREE char *path = NULL;
    const char *name = json_string_value(json_object_get(file, "name"));
    return asprintf(&path, "%s/%s", exporter->folder, name ? name : "") >= 0 && access(path, F_OK) == 0;
}

static enum err write_files(const struct exporter *exporter, const struct waiting *w, struct errmsg *why)
{
    json_t *there = json_loads(w->there, 0, NULL), *back = w->back ? json_loads(w->back, 0, NULL) : NULL;
    json_t *files = export_files(there, back, w->at, why);
    const bool is_whole = export_is_whole(there) && (!back || export_is_whole(back));
    enum err err = files ? ERR_OK : ERR_INVALID;
    size_t i;
    const json_t *file;
    json_array_foreach(files, i, file)
    {
        if (err == ERR_OK && (is_whole || !is_there(exporter, file)))
            err = export_file_write(exporter->folder, file, why);
    }
    json_decref(files);
    json_decref(there);
    json_decref(back);
    return err;
}

static void work(struct exporter *exporter, const struct waiting *w)
{
    struct errmsg why = {0};
    enum err err = ERR_OK;
    if (mkdir(exporter->folder, 0700) != 0 && errno != EEXIST)
        err = err_set(&why, ERR_IO, "%s cannot be made: %s", exporter->folder, strerror(errno));
    if (err == ERR_OK)
        err = write_files(exporter, w, &why);
    if (err != ERR_OK && !exporter->is_failing)
        log_warning("the break-glass files are not fresh any more: %s", why.text);
    else if (err == ERR_OK && exporter->is_failing)
        log_info("the break-glass files are written again");
    exporter->is_failing = err != ERR_OK;
}

static void *exporter_run(void *context)
{
    struct exporter *exporter = context;
    pthread_mutex_lock(&exporter->mutex);
    while (!exporter->is_stopping) {
        struct waiting *w = exporter->first;
        if (!w) {
            pthread_cond_wait(&exporter->cond, &exporter->mutex);
            continue;
        }
        exporter->first = w->next;
        pthread_mutex_unlock(&exporter->mutex);
        work(exporter, w);
        waiting_free(w);
        pthread_mutex_lock(&exporter->mutex);
    }
    pthread_mutex_unlock(&exporter->mutex);
    return NULL;
}

/* ---- others' side ------------------------------------------------------------------------------------------------ */

/* In place of an older one of the same service, or behind all others. */
static struct waiting *replace(struct exporter *exporter, struct waiting *w)
{
    struct waiting **at = &exporter->first;
    while (*at && strcmp((*at)->service, w->service) != 0)
        at = &(*at)->next;
    struct waiting *old = *at;
    w->next = old ? old->next : NULL;
    *at = w;
    return old;
}

void exporter_push(struct exporter *exporter, const json_t *there, const json_t *back, const char *at)
{
    const char *service = json_string_value(json_object_get(there, "service"));
    struct waiting *w = exporter && service ? calloc(1, sizeof *w) : NULL;
    if (!w)
        return;
    w->service = strdup(service);
    w->there = json_dumps(there, JSON_COMPACT);
    w->back = back ? json_dumps(back, JSON_COMPACT) : NULL;
    w->at = strdup(at);
    if (!w->service || !w->there || !w->at || (back && !w->back)) {
        waiting_free(w);
        return;
    }
    pthread_mutex_lock(&exporter->mutex);
    struct waiting *old = replace(exporter, w);
    pthread_cond_signal(&exporter->cond);
    pthread_mutex_unlock(&exporter->mutex);
    waiting_free(old);
}

static void exporter_free(struct exporter *exporter)
{
    while (exporter->first) {
        struct waiting *w = exporter->first;
        exporter->first = w->next;
        waiting_free(w);
    }
    pthread_cond_destroy(&exporter->cond);
    pthread_mutex_destroy(&exporter->mutex);
    free(exporter->folder);
    free(exporter);
}

enum err exporter_start(const char *folder, struct exporter **ret, struct errmsg *why)
{
    struct exporter *exporter = calloc(1, sizeof *exporter);
    if (!exporter)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    pthread_mutex_init(&exporter->mutex, NULL);
    pthread_cond_init(&exporter->cond, NULL);
    exporter->folder = strdup(folder);
    if (!exporter->folder || pthread_create(&exporter->thread, NULL, exporter_run, exporter) != 0) {
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

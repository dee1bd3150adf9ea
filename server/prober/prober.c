/* One thread that knows what is due, and threads that probe. The one that was idle last is taken first, so that in
 * quiet times a few do all the work and only their connections and buffers are in memory. */
#include "prober/prober.h"

#include "actions/action.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "prober/opinion.h"

#include <assert.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_PROBERS 512
#define SPARE_PROBERS 2
#define STACK_BYTES ((size_t)512 * 1024)
#define LATE_MS 1000
#define LONGEST_WAIT_MS 1000 /* see wait_until() */

struct probe { /* of one site; touched by the one thread that probes it, or with the mutex held while none does */
    const struct service *service;
    int service_index, site;
    json_t *args;
    int64_t due_at; /* steady */
    struct opinion opinion;
    atomic_bool is_unheard; /* what it last said was not committed */
};

struct prober_thread {
    struct prober *prober;
    pthread_t thread;
    pthread_cond_t cond;
    struct probe *probe; /* to be done; guarded by the mutex */
    struct prober_thread *next_idle;
    struct fetch *fetch;
};

struct prober {
    const struct model *model;
    struct command_queue *commands;
    struct probe *probes;
    int n_probes;
    pthread_t scheduler;
    bool has_scheduler, has_mutex;
    pthread_mutex_t mutex;
    pthread_cond_t cond; /* something became due earlier, a thread became idle, or it is stopping */
    atomic_bool is_stopping;
    struct probe **waiting; /* a heap, by due time */
    int n_waiting;
    struct prober_thread *threads; /* max_threads of them */
    int n_threads, max_threads;
    struct prober_thread *idle;
    atomic_llong n_runs, n_failures, n_not_made, n_changes, n_late, n_dropped;
};

/* ---- what is due: a heap, the earliest at the top ---------------------------------------------------------------- */

static void swap(struct probe **a, struct probe **b)
{
    struct probe *kept = *a;
    *a = *b;
    *b = kept;
}

static void waiting_add(struct prober *prober, struct probe *probe)
{
    struct probe **heap = prober->waiting;
    int i = prober->n_waiting++;
    heap[i] = probe;
    for (; i > 0 && heap[i]->due_at < heap[(i - 1) / 2]->due_at; i = (i - 1) / 2)
        swap(&heap[i], &heap[(i - 1) / 2]);
}

static struct probe *waiting_take(struct prober *prober)
{
    struct probe **heap = prober->waiting, *first = heap[0];
    int n = --prober->n_waiting;
    heap[0] = heap[n];
    for (int i = 0, least;; i = least) {
        least = i;
        for (int child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (heap[child]->due_at < heap[least]->due_at)
                least = child;
        if (least == i)
            return first;
        swap(&heap[i], &heap[least]);
    }
}

/* ---- saying what was seen ---------------------------------------------------------------------------------------- */

static void said(struct command *command)
{
    struct probe *probe = command->context;
    if (command->err != ERR_OK)
        atomic_store(&probe->is_unheard, true);
    command_free(command);
}

/* "3 in a row: " and what the action saw, cut to fit. */
static void put_text(char *ret, size_t room, const struct opinion *opinion, const char *seen)
{
    size_t len = (size_t)snprintf(ret, room, "%d in a row: ", opinion->in_a_row);
    size_t seen_len = strlen(seen), kept = utf8_cut(seen, seen_len, room - 1 - len);
    memcpy(ret + len, seen, kept);
    ret[len + kept] = '\0';
    utf8_clean(ret);
}

static void say(struct prober *prober, struct probe *probe, const char *seen)
{
    struct command *command = command_new(COMMAND_PROBED);
    if (command) {
        command->done = said;
        command->context = probe;
        command->as.probed.service = probe->service_index;
        command->as.probed.site = probe->site;
        command->as.probed.says = probe->opinion.says;
        put_text(command->as.probed.text, sizeof command->as.probed.text, &probe->opinion, seen);
    }
    if (command && command_queue_push(prober->commands, command) == ERR_OK) {
        opinion_said(&probe->opinion);
        return;
    }
    command_free(command); /* it is said at the next probe that agrees */
    atomic_fetch_add(&prober->n_dropped, 1);
}

/* ---- one probe --------------------------------------------------------------------------------------------------- */

static enum vote vote_of(const struct action_result *result)
{
    if (result->outcome != OUTCOME_OK && result->outcome != OUTCOME_NOT_YET)
        return VOTE_UNKNOWN;
    return result->outcome == OUTCOME_OK && result->is_right ? VOTE_UP : VOTE_DOWN;
}

/* What is wrong with our own memory says nothing of the site. */
static void observe(struct prober_thread *self, const struct probe *probe, struct action_result *result)
{
    const struct step *check = probe->service->probe.check;
    struct prober *prober = self->prober;
    if (!self->fetch)
        self->fetch = fetch_new();
    struct action_call call = {.args = probe->args,
                               .fetch = self->fetch,
                               .run_id = "",
                               .timeout_ms = check->timeout_ms,
                               .deadline_at = clock_steady_ms() + check->timeout_ms,
                               .cancel = &prober->is_stopping,
                               .requests = json_array()};
    if (call.fetch && call.requests)
        check->action->observe(&call, result);
    else
        errmsg_set(&result->text, "out of memory");
    json_decref(call.requests);
}

static void probe_once(struct prober_thread *self, struct probe *probe)
{
    struct prober *prober = self->prober;
    struct action_result result = {.outcome = OUTCOME_TEMPORARY, .retry_after_ms = -1};
    observe(self, probe, &result);
    if (!atomic_load(&prober->is_stopping)) {
        enum vote seen = vote_of(&result);
        atomic_fetch_add(&prober->n_runs, 1);
        atomic_fetch_add(&prober->n_failures, seen == VOTE_DOWN);
        atomic_fetch_add(&prober->n_not_made, seen == VOTE_UNKNOWN);
        if (atomic_exchange(&probe->is_unheard, false))
            probe->opinion.is_said = false;
        if (opinion_take(&probe->opinion, &probe->service->probe, seen))
            atomic_fetch_add(&prober->n_changes, 1);
        if (opinion_is_due(&probe->opinion))
            say(prober, probe, result.text.text);
    }
    action_result_done(&result);
}

/* ---- threads ----------------------------------------------------------------------------------------------------- */

static void *work(void *context)
{
    struct prober_thread *self = context;
    struct prober *prober = self->prober;
    pthread_mutex_lock(&prober->mutex);
    while (!atomic_load(&prober->is_stopping)) {
        struct probe *probe = self->probe;
        if (!probe) {
            pthread_cond_wait(&self->cond, &prober->mutex);
            continue;
        }
        pthread_mutex_unlock(&prober->mutex);
        int64_t started_at = clock_steady_ms();
        probe_once(self, probe);
        int64_t now = clock_steady_ms(), due_at = started_at + probe->service->probe.every_ms;
        pthread_mutex_lock(&prober->mutex);
        probe->due_at = due_at > now ? due_at : now;
        waiting_add(prober, probe);
        self->probe = NULL;
        self->next_idle = prober->idle;
        prober->idle = self;
        pthread_cond_signal(&prober->cond);
    }
    pthread_mutex_unlock(&prober->mutex);
    return NULL;
}

/* One more, idle. With the mutex held. False: there are all, or the system has none. */
static bool thread_add(struct prober *prober)
{
    if (prober->n_threads == prober->max_threads)
        return false;
    struct prober_thread *thread = &prober->threads[prober->n_threads];
    pthread_attr_t attributes;
    *thread = (struct prober_thread){.prober = prober, .next_idle = prober->idle};
    pthread_cond_init(&thread->cond, NULL);
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    int rc = pthread_create(&thread->thread, &attributes, work, thread);
    pthread_attr_destroy(&attributes);
    if (rc != 0) {
        pthread_cond_destroy(&thread->cond);
        return false;
    }
    prober->n_threads++;
    prober->idle = thread;
    return true;
}

/* With the mutex held. The monotonic clock stands still while the machine sleeps, the steady one does not: a second at
 * a time. */
static void wait_until(struct prober *prober, int64_t until)
{
    int64_t wait_ms = until - clock_steady_ms();
    if (wait_ms > LONGEST_WAIT_MS)
        wait_ms = LONGEST_WAIT_MS;
    if (wait_ms <= 0)
        return;
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&prober->cond, &prober->mutex, &at);
}

/* Takes a probe that is due to a thread that is idle. */
static void start_probe(struct prober *prober)
{
    struct probe *probe = waiting_take(prober);
    struct prober_thread *thread = prober->idle;
    if (clock_steady_ms() - probe->due_at > LATE_MS)
        atomic_fetch_add(&prober->n_late, 1);
    prober->idle = thread->next_idle;
    thread->probe = probe;
    pthread_cond_signal(&thread->cond);
}

static void *schedule(void *context)
{
    struct prober *prober = context;
    pthread_mutex_lock(&prober->mutex);
    while (!atomic_load(&prober->is_stopping)) {
        int64_t due_at = prober->n_waiting > 0 ? prober->waiting[0]->due_at : INT64_MAX;
        if (due_at > clock_steady_ms())
            wait_until(prober, due_at);
        else if (prober->idle || thread_add(prober))
            start_probe(prober);
        else
            wait_until(prober, INT64_MAX); /* for one that becomes idle */
    }
    pthread_mutex_unlock(&prober->mutex);
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static int count_probes(const struct model *model)
{
    int n = 0;
    for (int i = 0; i < model->n_services; i++)
        n += model->services[i].probe.check ? model->services[i].n_sites : 0;
    return n;
}

/* As many as are busy at once when all sites hang until the time-out. */
static int count_threads(const struct model *model)
{
    double busy = 0;
    for (int i = 0; i < model->n_services; i++) {
        const struct service *service = &model->services[i];
        if (!service->probe.check)
            continue;
        double share = (double)service->probe.check->timeout_ms / (double)service->probe.every_ms;
        busy += service->n_sites * (share < 1 ? share : 1);
    }
    return busy < MAX_PROBERS - SPARE_PROBERS ? (int)busy + SPARE_PROBERS : MAX_PROBERS;
}

static enum err probes_make(struct prober *prober, int n_probes, struct errmsg *why)
{
    int64_t now = clock_steady_ms();
    for (int i = 0; i < prober->model->n_services; i++) {
        const struct service *service = &prober->model->services[i];
        for (int site = 0; service->probe.check && site < service->n_sites; site++) {
            int n = prober->n_probes++;
            assert(n_probes > 0); /* it counts the same */
            struct probe *probe = &prober->probes[n];
            *probe = (struct probe){.service = service, .service_index = i, .site = site};
            enum err err = args_resolve(service, SITE_NONE, site, service->probe.check->args, &probe->args, why);
            if (err != ERR_OK)
                return err_prefix(why, err, "the probe of %s at %s", service->name, service->sites[site].name);
            probe->due_at = now + service->probe.every_ms * n / n_probes;
            waiting_add(prober, probe);
        }
    }
    return ERR_OK;
}

static enum err prober_make(struct prober *prober, int n_probes, struct errmsg *why)
{
    prober->max_threads = count_threads(prober->model);
    prober->probes = calloc((size_t)n_probes + 1, sizeof *prober->probes);
    prober->waiting = calloc((size_t)n_probes + 1, sizeof *prober->waiting);
    prober->threads = calloc((size_t)prober->max_threads, sizeof *prober->threads);
    if (!prober->probes || !prober->waiting || !prober->threads)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&prober->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&prober->mutex, NULL);
    prober->has_mutex = true;
    enum err err = probes_make(prober, n_probes, why);
    if (err != ERR_OK || n_probes == 0)
        return err;
    pthread_mutex_lock(&prober->mutex);
    bool is_started = thread_add(prober) && pthread_create(&prober->scheduler, NULL, schedule, prober) == 0;
    prober->has_scheduler = is_started;
    pthread_mutex_unlock(&prober->mutex);
    return is_started ? ERR_OK : err_set(why, ERR_IO, "a thread for probes cannot be started");
}

enum err prober_start(const struct model *model, struct command_queue *commands, struct prober **ret,
                      struct errmsg *why)
{
    struct prober *prober = calloc(1, sizeof *prober);
    if (!prober)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    prober->model = model;
    prober->commands = commands;
    enum err err = prober_make(prober, count_probes(model), why);
    if (err == ERR_OK) {
        *ret = prober;
        return ERR_OK;
    }
    prober_stop(prober);
    prober_free(prober);
    return err;
}

void prober_stop(struct prober *prober)
{
    if (!prober || !prober->has_mutex || atomic_load(&prober->is_stopping))
        return;
    pthread_mutex_lock(&prober->mutex);
    atomic_store(&prober->is_stopping, true);
    pthread_cond_signal(&prober->cond);
    pthread_mutex_unlock(&prober->mutex);
    if (prober->has_scheduler)
        pthread_join(prober->scheduler, NULL); /* no thread is added any more */
    pthread_mutex_lock(&prober->mutex);
    for (int i = 0; i < prober->n_threads; i++)
        pthread_cond_signal(&prober->threads[i].cond);
    pthread_mutex_unlock(&prober->mutex);
    for (int i = 0; i < prober->n_threads; i++)
        pthread_join(prober->threads[i].thread, NULL);
}

void prober_free(struct prober *prober)
{
    if (!prober)
        return;
    for (int i = 0; i < prober->n_threads; i++) {
        fetch_free(prober->threads[i].fetch);
        pthread_cond_destroy(&prober->threads[i].cond);
    }
    for (int i = 0; i < prober->n_probes; i++)
        json_decref(prober->probes[i].args);
    if (prober->has_mutex) {
        pthread_cond_destroy(&prober->cond);
        pthread_mutex_destroy(&prober->mutex);
    }
    free(prober->probes);
    free(prober->waiting);
    free(prober->threads);
    free(prober);
}

/* ---- for /metrics ------------------------------------------------------------------------------------------------ */

static void counter(struct strbuf *text, const char *name, const char *help, const atomic_llong *value)
{
    strbuf_addf(text, "# HELP turnout_probe_%s %s\n# TYPE turnout_probe_%s counter\nturnout_probe_%s %lld\n", name,
                help, name, name, atomic_load(value));
}

void prober_metrics(struct prober *prober, struct strbuf *text)
{
    if (!prober)
        return;
    counter(text, "runs_total", "Probes of sites that came to an end.", &prober->n_runs);
    counter(text, "failures_total", "Probes that did not find what they expect.", &prober->n_failures);
    counter(text, "not_made_total", "Probes that could not be made for want of something of our own.",
            &prober->n_not_made);
    counter(text, "opinion_changes_total", "Changes of what the probes say of a site.", &prober->n_changes);
    counter(text, "late_starts_total", "Probes started more than a second late: too few threads.", &prober->n_late);
    counter(text, "dropped_total", "Opinions that found the queue full; they are said again.", &prober->n_dropped);
}

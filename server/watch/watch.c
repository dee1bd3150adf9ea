/* One thread that looks at what is due, at least once a second, and is woken when an answer is there. It never waits
 * for anything else: what may hang (a name server, a site) is asked by others. */
#include "watch/watch.h"

#include "base/clock.h"
#include "base/kill_switch.h"
#include "base/log.h"
#include "base/utf8.h"
#include "watch/internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_MS 1000
#define CHECK_AGAIN_MS 2000   /* one miss alone is looked at once more */
#define CHECK_CUT_OFF_MS 5000 /* while cut off, so that its end is seen soon */
#define MISSES_TO_BE_CUT_OFF 2
#define HEARTBEAT_TIMEOUT_MS 10000
#define ANSWER_WITHIN_MS 10000 /* the orchestrator, before a heartbeat is given up */

static void put_text(char ret[WATCH_TEXT_SIZE], const char *text)
{
    size_t len = utf8_cut(text, strlen(text), WATCH_TEXT_SIZE - 1);
    memcpy(ret, text, len);
    ret[len] = '\0';
    utf8_clean(ret);
}

/* ---- telling the orchestrator ------------------------------------------------------------------------------------ */

static void answered(struct command *command)
{
    struct watch *watch = command->context;
    pthread_mutex_lock(&watch->mutex);
    if (command->err == ERR_OK) {
        watch->answered_at = clock_steady_ms();
        pthread_cond_signal(&watch->cond);
    } else {
        watch->is_unsaid = true; /* it is told at the next tick */
    }
    pthread_mutex_unlock(&watch->mutex);
    command_free(command);
}

static void tell(struct watch *watch)
{
    struct command *command = command_new(COMMAND_OUTSIDE);
    if (!command)
        return;
    command->done = answered;
    command->context = watch;
    struct command_outside *outside = &command->as.outside;
    outside->is_cut_off = watch->check.state == WATCHED_BAD;
    outside->is_killed = watch->kill.state == WATCHED_BAD;
    if (watch->check.state == WATCHED_WELL || watch->check.state == WATCHED_BAD)
        put_text(outside->cut_off_text, watch->check.text);
    put_text(outside->killed_text, watch->kill.text);
    if (command_queue_push(watch->settings.commands, command) == ERR_OK)
        watch->is_unsaid = false;
    else
        command_free(command);
}

/* ---- the self-check ---------------------------------------------------------------------------------------------- */

/* The host of a URL: its path may be a secret. */
static void add_host(struct strbuf *text, const char *url)
{
    const char *host = strstr(url, "://");
    host = host ? host + 3 : url;
    strbuf_add(text, host, strcspn(host, "/?#"));
}

static void check_describe(struct watch *watch, int n_answered)
{
    const struct watch_settings *settings = &watch->settings;
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "%s: %d of %d answered",
                watch->check.n_misses == 0                     ? "the daemon itself is not cut off"
                : watch->check.n_misses < MISSES_TO_BE_CUT_OFF ? "the daemon itself may be cut off"
                                                               : "the daemon itself seems to be cut off",
                n_answered, settings->n_urls);
    if (n_answered < settings->need)
        strbuf_addf(&text, ", %d are needed", settings->need);
    const char *before = " (";
    for (int i = 0; i < settings->n_urls; i++) {
        if (watch->check.askers[i].asked.status > 0)
            continue;
        strbuf_adds(&text, before);
        add_host(&text, settings->urls[i]);
        strbuf_addf(&text, ": %s", watch->check.askers[i].asked.text);
        before = "; ";
    }
    if (n_answered < settings->n_urls)
        strbuf_addc(&text, ')');
    put_text(watch->check.text, strbuf_text(&text));
    strbuf_done(&text);
}

static void check_judge(struct watch *watch, int n_answered, int64_t now)
{
    struct watched_check *check = &watch->check;
    enum watched before = check->state;
    check->is_asking = false;
    check->at = clock_wall_ms();
    check->n_misses = n_answered < watch->settings.need ? check->n_misses + 1 : 0;
    if (check->n_misses == 0)
        check->state = WATCHED_WELL;
    else if (check->n_misses >= MISSES_TO_BE_CUT_OFF)
        check->state = WATCHED_BAD;
    check_describe(watch, n_answered);
    int64_t every_ms = watch->settings.every_ms;
    if (check->n_misses == 0)
        check->next_at = check->asked_at + every_ms;
    else if (check->n_misses < MISSES_TO_BE_CUT_OFF)
        check->next_at = now + CHECK_AGAIN_MS;
    else
        check->next_at = now + (every_ms < CHECK_CUT_OFF_MS ? every_ms : CHECK_CUT_OFF_MS);
    watch->is_unsaid |= check->state != before;
}

static void check_step(struct watch *watch, int64_t now)
{
    struct watched_check *check = &watch->check;
    int n_busy = 0, n_answered = 0;
    if (check->state == WATCHED_OFF)
        return;
    for (int i = 0; i < watch->settings.n_urls; i++) {
        n_busy += check->askers[i].is_busy;
        n_answered += check->askers[i].asked.status > 0;
    }
    if (check->is_asking && n_busy == 0) {
        check_judge(watch, n_answered, now);
    } else if (!check->is_asking && now >= check->next_at) {
        check->is_asking = true;
        check->asked_at = now;
        for (int i = 0; i < watch->settings.n_urls; i++)
            asker_tell(&check->askers[i]);
    }
}

/* ---- the kill switch --------------------------------------------------------------------------------------------- */

/* Without the mutex while it looks: a file system may hang. */
static void kill_step(struct watch *watch, int64_t now)
{
    struct watched_switch *kill = &watch->kill;
    struct errmsg why = {""};
    if (kill->state == WATCHED_OFF || now < kill->next_at)
        return;
    pthread_mutex_unlock(&watch->mutex);
    bool is_on = kill_switch_is_on(watch->settings.kill_switch, &why);
    pthread_mutex_lock(&watch->mutex);
    enum watched state = is_on ? WATCHED_BAD : WATCHED_WELL;
    kill->next_at = now + TICK_MS;
    if (!is_on)
        errmsg_set(&why, "the kill switch %s is not there", watch->settings.kill_switch);
    put_text(kill->text, why.text);
    if (state == kill->state)
        return;
    kill->state = state;
    kill->since = is_on ? clock_wall_ms() : 0;
    watch->is_unsaid = true;
}

/* ---- the heartbeat ----------------------------------------------------------------------------------------------- */

static void heartbeat_ended(struct watch *watch, bool is_ok, const char *text)
{
    struct watched_heartbeat *heartbeat = &watch->heartbeat;
    int64_t wall = clock_wall_ms();
    enum watched before = heartbeat->state;
    heartbeat->state = is_ok ? WATCHED_WELL : WATCHED_BAD;
    heartbeat->due_at = 0;
    put_text(heartbeat->text, text);
    if (is_ok) {
        if (before == WATCHED_BAD)
            log_info("the heartbeat is heard again, after %lld s",
                     (long long)((wall - heartbeat->failing_since) / 1000));
        heartbeat->last_ok_at = wall;
        heartbeat->failing_since = 0;
    } else if (before != WATCHED_BAD) {
        heartbeat->failing_since = wall;
        log_warning("%s", heartbeat->text);
    }
}

static void heartbeat_judge(struct watch *watch)
{
    const struct asked *asked = &watch->heartbeat.asker.asked;
    char text[WATCH_TEXT_SIZE];
    bool is_ok = asked->status >= 200 && asked->status <= 299;
    watch->heartbeat.is_sending = false;
    snprintf(text, sizeof text, is_ok ? "heard: %s" : "the heartbeat is not heard by the dead man's switch outside: %s",
             asked->text);
    heartbeat_ended(watch, is_ok, text);
}

/* First the orchestrator has to answer: then it is well enough to let the outside know. */
static void heartbeat_step(struct watch *watch, int64_t now)
{
    struct watched_heartbeat *heartbeat = &watch->heartbeat;
    if (heartbeat->state == WATCHED_OFF)
        return;
    if (heartbeat->is_sending && !heartbeat->asker.is_busy)
        heartbeat_judge(watch);
    if (heartbeat->is_sending)
        return;
    if (heartbeat->due_at == 0 && now >= heartbeat->next_at) {
        heartbeat->due_at = now;
        heartbeat->next_at = now + watch->settings.heartbeat_every_ms;
        watch->is_unsaid = true;
    }
    if (heartbeat->due_at == 0)
        return;
    bool is_answered = watch->answered_at >= heartbeat->due_at;
    if (is_answered && watch->is_ready) {
        heartbeat->due_at = 0;
        heartbeat->is_sending = true;
        asker_tell(&heartbeat->asker);
    } else if (now - heartbeat->due_at >= ANSWER_WITHIN_MS) {
        heartbeat_ended(watch, false,
                        is_answered ? "the heartbeat is held back: the daemon takes no deliveries"
                                    : "the heartbeat is held back: the daemon does not get its own work done");
    }
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* With the mutex held, until something is due or there is an answer. */
static void wait_tick(struct watch *watch)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    int64_t now = clock_steady_ms(), until = now + TICK_MS;
    if (watch->check.state != WATCHED_OFF && !watch->check.is_asking && watch->check.next_at < until)
        until = watch->check.next_at;
    int64_t wait_ms = until > now ? until - now : 1;
    at.tv_sec += (time_t)(wait_ms / 1000);
    at.tv_nsec += (long)(wait_ms % 1000) * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    pthread_cond_timedwait(&watch->cond, &watch->mutex, &at);
}

/* Without the mutex while it calls. */
static void tell_change(struct watch *watch)
{
    const struct watch_holds holds = {.is_cut_off = watch->check.state == WATCHED_BAD,
                                      .is_killed = watch->kill.state == WATCHED_BAD,
                                      .is_heartbeat_failing = watch->heartbeat.state == WATCHED_BAD};
    if (memcmp(&holds, &watch->told, sizeof holds) == 0)
        return;
    watch->told = holds;
    pthread_mutex_unlock(&watch->mutex);
    watch->settings.on_change(watch->settings.context, &holds);
    pthread_mutex_lock(&watch->mutex);
}

static void *watch_run(void *context)
{
    struct watch *watch = context;
    pthread_mutex_lock(&watch->mutex);
    while (!watch->is_stopping) {
        int64_t now = clock_steady_ms();
        kill_step(watch, now);
        check_step(watch, now);
        heartbeat_step(watch, now);
        if (watch->is_unsaid)
            tell(watch);
        tell_change(watch);
        if (!watch->is_stopping)
            wait_tick(watch);
    }
    pthread_mutex_unlock(&watch->mutex);
    return NULL;
}

/* ---- start and stop ---------------------------------------------------------------------------------------------- */

static enum err start_asker(struct watch *watch, struct asker *asker, const char *url, int64_t timeout_ms,
                            struct errmsg *why)
{
    *asker = (struct asker){.url = url,
                            .timeout_ms = timeout_ms,
                            .mutex = &watch->mutex,
                            .told = &watch->cond,
                            .cancel = &watch->is_cancelling};
    return asker_start(asker, why);
}

static enum err start_all(struct watch *watch, struct errmsg *why)
{
    const struct watch_settings *settings = &watch->settings;
    enum err err = ERR_OK;
    watch->check.askers = calloc((size_t)settings->n_urls + 1, sizeof *watch->check.askers);
    if (!watch->check.askers)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    watch->check.state = settings->n_urls > 0 ? WATCHED_UNKNOWN : WATCHED_OFF;
    watch->kill.state = settings->kill_switch ? WATCHED_UNKNOWN : WATCHED_OFF;
    watch->heartbeat.state = secret_is_set(settings->heartbeat) ? WATCHED_UNKNOWN : WATCHED_OFF;
    for (int i = 0; i < settings->n_urls && err == ERR_OK; i++)
        err = start_asker(watch, &watch->check.askers[i], settings->urls[i], settings->timeout_ms, why);
    if (err == ERR_OK && watch->heartbeat.state != WATCHED_OFF)
        err = start_asker(watch, &watch->heartbeat.asker, settings->heartbeat->bytes, HEARTBEAT_TIMEOUT_MS, why);
    if (err != ERR_OK)
        return err;
    watch->has_thread = pthread_create(&watch->thread, NULL, watch_run, watch) == 0;
    return watch->has_thread ? ERR_OK : err_set(why, ERR_IO, "a thread cannot be started");
}

enum err watch_start(const struct watch_settings *settings, struct watch **ret, struct errmsg *why)
{
    struct watch *watch = calloc(1, sizeof *watch);
    if (!watch)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    watch->settings = *settings;
    watch->is_unsaid = true;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&watch->cond, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&watch->mutex, NULL);
    enum err err = start_all(watch, why);
    if (err == ERR_OK) {
        *ret = watch;
        return ERR_OK;
    }
    watch_stop(watch);
    watch_free(watch);
    return err;
}

void watch_set_ready(struct watch *watch, bool is_ready)
{
    if (!watch)
        return;
    pthread_mutex_lock(&watch->mutex);
    watch->is_ready = is_ready;
    pthread_cond_signal(&watch->cond);
    pthread_mutex_unlock(&watch->mutex);
}

void watch_stop(struct watch *watch)
{
    if (!watch)
        return;
    atomic_store(&watch->is_cancelling, true);
    pthread_mutex_lock(&watch->mutex);
    watch->is_stopping = true;
    pthread_cond_signal(&watch->cond);
    pthread_mutex_unlock(&watch->mutex);
    if (watch->has_thread)
        pthread_join(watch->thread, NULL);
    watch->has_thread = false;
    for (int i = 0; watch->check.askers && i < watch->settings.n_urls; i++)
        asker_done(&watch->check.askers[i]);
    asker_done(&watch->heartbeat.asker);
}

void watch_free(struct watch *watch)
{
    if (!watch)
        return;
    free(watch->check.askers);
    pthread_cond_destroy(&watch->cond);
    pthread_mutex_destroy(&watch->mutex);
    free(watch);
}

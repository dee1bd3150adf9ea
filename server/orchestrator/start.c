/* From the store to the first batch, and the last one: what a process takes up, and what it leaves. */
#include "orchestrator/orchestrator.h"

#include "base/clock.h"
#include "base/kill_switch.h"
#include "base/log.h"
#include "base/utf8.h"
#include "orchestrator/internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void note_start(struct orchestrator *o)
{
    json_t *detail = json_pack("{s:i, s:I, s:s}", "pid", (int)getpid(), "epoch",
                               (json_int_t)store_epoch(o->settings.store), "boot", clock_boot_id());
    journal_note(o, &(struct note){.kind = "daemon.started", .text = "the daemon has started", .detail = detail});
    detail = json_pack("{s:s, s:s, s:i}", "path", o->settings.config_path, "sha256", o->settings.config_digest,
                       "services", o->settings.model->n_services);
    journal_note(o, &(struct note){.kind = "config.loaded", .text = "the configuration is in force", .detail = detail});
}

/* Takes up what the last process left: every service is looked at again, every unfinished run goes on by observing. */
static void take_up(struct orchestrator *o)
{
    const struct cause cause = {.who = "turnout"};
    for (size_t i = 0; i < o->world->n_orphans; i++)
        run_note_orphan(o, &o->world->orphans[i]);
    for (int i = 0; i < o->world->n_services; i++) {
        struct service_state *state = &o->world->services[i];
        if (state->has_lost_site)
            service_site_lost(o, i);
        struct live_run *run = state->run;
        for (struct live_run *live = state->others; live; live = live->next)
            run_take_up(o, live, &cause);
        if (run) { /* which may be over then, and among the others */
            log_info("service=%s: an unfinished run is taken up", o->settings.model->services[i].name);
            run_take_up(o, run, &cause);
        }
        service_event(o, i, &(struct event){.kind = EVENT_START, .site = SITE_NONE}, &cause);
    }
}

/* What stands ready to start must not be faster than the first word of those that watch the file. */
static void look_for_kill_switch(struct orchestrator *o)
{
    struct errmsg found = {0};
    if (!o->settings.kill_switch || !kill_switch_is_on(o->settings.kill_switch, &found))
        return;
    o->outside.is_killed = true;
    snprintf(o->outside.killed_text, sizeof o->outside.killed_text, "%.150s", found.text);
    utf8_clean(o->outside.killed_text);
}

static enum err start_up(struct orchestrator *o, struct errmsg *why)
{
    batch_start(o);
    look_for_kill_switch(o);
    enum err err = world_load(o, &o->world, why);
    if (err != ERR_OK)
        return err;
    outlook_begin(o);
    o->next_due = 0;
    err = ready_start(o, why);
    if (err == ERR_OK)
        err = zones_start(o, why);
    if (err == ERR_OK)
        err = prune_start(o, why);
    if (err != ERR_OK)
        return err;
    note_start(o);
    take_up(o);
    runs_sweep(o);
    if (o->broken_err != ERR_OK) {
        *why = o->broken;
        return o->broken_err;
    }
    err = store_write(o->settings.store, o->rows, why);
    if (err == ERR_FULL && give_up_ballast(o, why))
        err = store_write(o->settings.store, o->rows, why);
    if (err == ERR_OK)
        send_outgoing(o);
    return err;
}

static void orchestrator_free(struct orchestrator *o)
{
    if (!o)
        return;
    world_free(o->world);
    drop_outgoing(o);
    for (size_t i = 0; i < o->n_in_flight; i++)
        job_free(o->in_flight[i]);
    free(o->in_flight);
    while (o->retained) {
        struct command *next = o->retained->next;
        command_free(o->retained);
        o->retained = next;
    }
    batch_free(o->rows);
    if (o->cache)
        intake_failed(o);
    json_decref(o->status);
    free(o->ready_at);
    free(o->readiness_shown);
    json_decref(o->zone_movers);
    free(o->debts_shown);
    free(o->proven_shown);
    pthread_mutex_destroy(&o->status_mutex);
    free(o->cache);
    free(o);
}

enum err orchestrator_start(const struct orchestrator_settings *settings, struct orchestrator **ret, struct errmsg *why)
{
    struct orchestrator *o = calloc(1, sizeof *o);
    if (o) {
        o->settings = *settings;
        o->outgoing_last = &o->outgoing;
        pthread_mutex_init(&o->status_mutex, NULL);
        o->rows = batch_new();
        o->cache = calloc(CACHE_SLOTS, sizeof *o->cache);
    }
    if (!o || !o->rows || !o->cache) {
        orchestrator_free(o);
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    enum err err = start_up(o, why);
    if (err == ERR_OK) {
        o->is_ready = true;
        if (settings->on_ready)
            settings->on_ready(settings->context, true, "");
        begin_ballast(o);
        if (pthread_create(&o->thread, NULL, run_loop, o) == 0) {
            *ret = o;
            return ERR_OK;
        }
        err = err_set(why, ERR_IO, "cannot start a thread");
    }
    orchestrator_free(o);
    return err;
}

static void record_stop(struct orchestrator *o)
{
    struct errmsg why = {0};
    batch_start(o);
    if (!o->world)
        return;
    intake_save_counts(o, true);
    votes_save(o, true);
    prune_note(o);
    journal_note(o, &(struct note){.kind = "daemon.stopped", .text = "the daemon stops"});
    enum err err = o->broken_err == ERR_OK ? store_write(o->settings.store, o->rows, &why) : o->broken_err;
    if (err != ERR_OK)
        log_error("the stop could not be recorded: %s", why.text);
    drop_outgoing(o);
}

void orchestrator_stop(struct orchestrator *o)
{
    if (!o)
        return;
    pthread_join(o->thread, NULL);
    o->is_stopping = true;
    if (o->retained) {
        struct command *kept[MAX_BATCH];
        size_t n = take_retained(o, kept, MAX_BATCH);
        commit(o, kept, n);
    }
    call_stop(o);
    rounds_stop(o);
    record_stop(o);
    orchestrator_free(o);
}

void orchestrator_metrics(struct orchestrator *o, struct strbuf *text)
{
    struct store_stats stats = {0};
    ready_metrics(o, text);
    store_stats_get(o->settings.store, &stats);
    strbuf_addf(text, "# TYPE turnout_commands_total counter\nturnout_commands_total %lld\n",
                atomic_load(&o->n_commands));
    strbuf_addf(text, "# TYPE turnout_batches_total counter\nturnout_batches_total %lld\n", atomic_load(&o->n_batches));
    strbuf_addf(text, "# TYPE turnout_deliveries_total counter\n");
    strbuf_addf(text, "turnout_deliveries_total{duplicate=\"no\"} %lld\n", atomic_load(&o->n_deliveries));
    strbuf_addf(text, "turnout_deliveries_total{duplicate=\"yes\"} %lld\n", atomic_load(&o->n_duplicates));
    strbuf_addf(text, "# TYPE turnout_alerts_total counter\nturnout_alerts_total %lld\n", atomic_load(&o->n_alerts));
    strbuf_addf(text, "# TYPE turnout_alerts_late_total counter\nturnout_alerts_late_total %lld\n",
                atomic_load(&o->n_late));
    strbuf_addf(text, "# TYPE turnout_pruned_total counter\n");
    strbuf_addf(text, "turnout_pruned_total{table=\"alert\"} %lld\n", atomic_load(&o->n_pruned_alerts));
    strbuf_addf(text, "turnout_pruned_total{table=\"delivery\"} %lld\n", atomic_load(&o->n_pruned_deliveries));
    strbuf_addf(text, "# TYPE turnout_runs_started_total counter\nturnout_runs_started_total %lld\n",
                atomic_load(&o->n_runs));
    strbuf_addf(text, "# TYPE turnout_commits_total counter\nturnout_commits_total %" PRId64 "\n", stats.commits);
    strbuf_addf(text, "# TYPE turnout_commits_failed_total counter\nturnout_commits_failed_total %" PRId64 "\n",
                stats.failed_commits);
    strbuf_addf(text, "# TYPE turnout_checkpoints_total counter\nturnout_checkpoints_total %" PRId64 "\n",
                stats.checkpoints);
    strbuf_addf(text, "# TYPE turnout_wal_bytes gauge\nturnout_wal_bytes %" PRId64 "\n", stats.wal_bytes);
    if (ballast_bytes(o->settings.ballast) > 0)
        strbuf_addf(text, "# TYPE turnout_ballast gauge\nturnout_ballast %d\n", ballast_is_there(o->settings.ballast));
}

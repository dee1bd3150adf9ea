/* Retention: alerts and deliveries that are kept no longer go, in slices of some milliseconds between batches.
 *
 * A round goes through the alerts in the order of their keys (an index by age would cost every delivery a page in a
 * random place), then through the deliveries from the oldest on, and then gives pages back where much of the file is
 * free. Each slice is a commit of its own: what fails here fails nobody's delivery, and is tried again in a minute.
 * Where a round stands is kept in memory only; what it has removed is one audit entry at its end. What the wall clock
 * says of ages must not be taken while it is doubted, and firing alerts stay for ever: see core/retention.h. One that
 * says up goes as others do, but what it says of services is withdrawn with it, which only a batch may do. */
#include "base/clock.h"
#include "base/log.h"
#include "orchestrator/internal.h"

#include <inttypes.h>
#include <stdio.h>

#define LOOK_EVERY_MS 60000
#define FREE_SHARE 4 /* pages are given back while one in so many is free */
#define MS_PER_HOUR ((int64_t)3600 * 1000)
#define MS_PER_DAY (24 * MS_PER_HOUR)

struct slice {
    struct orchestrator *o;
    int64_t cutoff; /* wall: what is older goes */
    int left;       /* of the budget */
    int n_seen;
    bool is_cut;  /* before the rows ended */
    bool is_over; /* nothing behind can be old */
    struct alert_key last_key;
    int64_t last_seq;
    int64_t due; /* as in struct pruning */
    struct alert_key gone[PRUNE_BUDGET_MAX / PRUNE_ALERT_COST + 1];
    int n_gone;
};

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- what goes --------------------------------------------------------------------------------------------------- */

/* A row that stays is looked at again when it can be too old; one from a clock that was ahead, as if it were new. */
static void note_due(struct slice *slice, int64_t at)
{
    slice->due = least(slice->due, least(at, slice->o->wall) + (slice->o->wall - slice->cutoff));
}

static bool take_alert(void *context, const struct alert_age *age)
{
    struct slice *slice = context;
    struct pruning *pruning = &slice->o->pruning;
    int64_t seen_at = intake_last_seen(slice->o, &age->key, age->last_seen_at);
    if (!age->is_needed && age->has_matches && seen_at < slice->cutoff) {
        if (pruning->n_up == PRUNE_MAX_UP) { /* again from here on, when there is room */
            slice->is_cut = true;
            return false;
        }
        pruning->up[pruning->n_up++] = age->key;
    }
    slice->n_seen++;
    slice->last_key = age->key;
    slice->left--;
    if (!age->is_needed) {
        if (seen_at < slice->cutoff && !age->has_matches) {
            batch_alert_remove(slice->o->rows, &age->key);
            slice->gone[slice->n_gone++] = age->key;
            slice->left -= PRUNE_ALERT_COST;
        } else if (seen_at >= slice->cutoff) {
            note_due(slice, seen_at);
        }
    }
    slice->is_cut = slice->left <= 0;
    return !slice->is_cut;
}

/* Whether it has gone, or need not go. Until then it stays in the list: it is withdrawn by the batch after which its
 * row is not there any more. */
static bool withdraw(struct orchestrator *o, const struct alert_key *key)
{
    struct alert_entry entry = {.row = {.key = *key, .source = -1}}; /* its matches know whose it is */
    struct errmsg why = {0};
    if (o->table.room > 0 && alerts_entry(o, key)->is_used)
        return true; /* this batch speaks of it */
    enum err err = store_alerts_get(o->settings.store, &entry.row, 1, &why);
    if (err != ERR_OK) {
        batch_break(o, err, &why);
        return false;
    }
    if (!entry.row.exists) {
        o->pruning.n_alerts++;
        atomic_fetch_add(&o->n_pruned_alerts, 1);
        return true;
    }
    if (entry.row.state == ALERT_FIRING ||
        intake_last_seen(o, key, entry.row.last_seen_at) >= o->wall - o->settings.keep.alerts_ms)
        return true;
    votes_withdraw(o, &entry, &(struct cause){.who = "turnout"});
    batch_alert_remove(o->rows, key);
    intake_forget(o, key);
    return false;
}

void prune_withdraw(struct orchestrator *o)
{
    struct pruning *pruning = &o->pruning;
    int n_left = 0;
    if (!clock_watch_believes(&pruning->clock, o->now))
        pruning->n_up = 0;
    for (int i = 0; i < pruning->n_up; i++)
        if (!withdraw(o, &pruning->up[i]))
            pruning->up[n_left++] = pruning->up[i];
    pruning->n_up = n_left;
    if (n_left > 0)
        due_at(o, o->now + 1);
}

/* They stand in the order of their commits, so that behind the first young one there are only young ones; those that a
 * wrong clock has dated ahead are passed over. The newest stays: the numbers go on from it. */
static bool take_delivery(void *context, const struct delivery_age *age)
{
    struct slice *slice = context;
    slice->n_seen++;
    slice->left--;
    if (age->seq >= slice->o->world->delivery_seq ||
        (age->received_at >= slice->cutoff && age->received_at <= slice->o->wall)) {
        if (age->received_at >= slice->cutoff)
            note_due(slice, age->received_at);
        slice->is_over = true;
        return false;
    }
    slice->last_seq = age->seq;
    if (age->received_at < slice->cutoff) {
        batch_delivery_remove(slice->o->rows, age->seq);
        slice->n_gone++;
        slice->left -= PRUNE_DELIVERY_COST + (int)(age->body_len / PRUNE_DELIVERY_COST_PER);
    }
    slice->is_cut = slice->left <= 0;
    return !slice->is_cut;
}

/* ---- slices ------------------------------------------------------------------------------------------------------ */

static enum err write_slice(struct orchestrator *o, struct errmsg *why)
{
    o->pruning.commit_ms = 0;
    if (o->broken_err != ERR_OK) {
        *why = o->broken;
        return o->broken_err;
    }
    if (batch_size(o->rows) == 0)
        return ERR_OK;
    enum err err = store_write(o->settings.store, o->rows, why);
    if (err == ERR_OK)
        o->pruning.commit_ms = store_commit_ms(o->settings.store);
    return err;
}

static enum err slice_alerts(struct orchestrator *o, struct errmsg *why)
{
    struct pruning *pruning = &o->pruning;
    struct slice slice = {.o = o,
                          .cutoff = o->wall - o->settings.keep.alerts_ms,
                          .left = pruning->budget,
                          .last_key = pruning->after_key,
                          .due = pruning->due};
    enum err err = store_alert_ages(o->settings.store, &pruning->after_key, pruning->budget, take_alert, &slice, why);
    if (err == ERR_OK)
        err = write_slice(o, why);
    if (err != ERR_OK)
        return err;
    for (int i = 0; i < slice.n_gone; i++)
        intake_forget(o, &slice.gone[i]);
    atomic_fetch_add(&o->n_pruned_alerts, slice.n_gone);
    pruning->n_alerts += slice.n_gone;
    pruning->after_key = slice.last_key;
    if (pruning->n_up > 0)
        due_at(o, o->now + 1);
    pruning->due = slice.due;
    if (!slice.is_cut && slice.n_seen < pruning->budget)
        pruning->phase = PRUNE_DELIVERIES;
    return ERR_OK;
}

static enum err slice_deliveries(struct orchestrator *o, struct errmsg *why)
{
    struct pruning *pruning = &o->pruning;
    struct slice slice = {.o = o,
                          .cutoff = o->wall - o->settings.keep.deliveries_ms,
                          .left = pruning->budget,
                          .last_seq = pruning->after_seq,
                          .due = pruning->due};
    enum err err =
        store_delivery_ages(o->settings.store, pruning->after_seq, pruning->budget, take_delivery, &slice, why);
    if (err == ERR_OK)
        err = write_slice(o, why);
    if (err != ERR_OK)
        return err;
    atomic_fetch_add(&o->n_pruned_deliveries, slice.n_gone);
    pruning->n_deliveries += slice.n_gone;
    pruning->after_seq = slice.last_seq;
    pruning->due = slice.due;
    if (slice.is_over || (!slice.is_cut && slice.n_seen < pruning->budget))
        pruning->phase = PRUNE_PAGES;
    return ERR_OK;
}

void prune_note(struct orchestrator *o)
{
    const struct pruning *pruning = &o->pruning;
    if (pruning->n_alerts + pruning->n_deliveries == 0)
        return;
    char text[256];
    snprintf(text, sizeof text,
             "%" PRId64 " alert%s not spoken of for %" PRId64 " d and %" PRId64 " deliver%s received more than %" PRId64
             " d ago went: they are kept no longer",
             pruning->n_alerts, pruning->n_alerts == 1 ? "" : "s", o->settings.keep.alerts_ms / MS_PER_DAY,
             pruning->n_deliveries, pruning->n_deliveries == 1 ? "y" : "ies",
             o->settings.keep.deliveries_ms / MS_PER_DAY);
    json_t *detail = json_pack("{s:I, s:I}", "alerts", (json_int_t)pruning->n_alerts, "deliveries",
                               (json_int_t)pruning->n_deliveries);
    journal_note(o, &(struct note){.kind = "intake.pruned", .text = text, .detail = detail});
}

static enum err end_round(struct orchestrator *o, struct errmsg *why)
{
    struct pruning *pruning = &o->pruning;
    prune_note(o);
    enum err err = write_slice(o, why);
    if (err != ERR_OK)
        return err;
    pruning->phase = PRUNE_REST;
    pruning->n_alerts = pruning->n_deliveries = 0;
    pruning->next_round = prune_next_round(o->wall, o->now, pruning->due);
    return ERR_OK;
}

/* Free pages are used again by what comes, so few of them are no harm; a file that was allowed to grow for years, or
 * fills its disk, is another matter. */
static enum err slice_pages(struct orchestrator *o, struct errmsg *why)
{
    int64_t n_free = 0;
    int64_t n_all = 0;
    enum err err = store_pages(o->settings.store, &n_free, &n_all, why);
    if (err != ERR_OK)
        return err;
    if (n_free < n_all / FREE_SHARE || n_free == 0)
        return end_round(o, why);
    batch_give_back(o->rows);
    return write_slice(o, why);
}

/* ---- looking whether something is due ---------------------------------------------------------------------------- */

static void note_doubt(struct orchestrator *o, const char *what, int64_t by_ms)
{
    char text[256];
    snprintf(text, sizeof text, "%s %" PRId64 " h: for a day nothing is removed for its age", what,
             by_ms / MS_PER_HOUR);
    log_warning("%s", text);
    journal_note(o, &(struct note){.kind = "clock.doubted", .text = text});
}

enum err prune_start(struct orchestrator *o, struct errmsg *why)
{
    struct pruning *pruning = &o->pruning;
    int64_t newest_at = TIME_UNKNOWN;
    int64_t doubted_at = TIME_UNKNOWN;
    enum err err = store_audit_last(o->settings.store, NULL, &newest_at, why);
    if (err == ERR_OK)
        err = store_audit_last(o->settings.store, "clock.doubted", &doubted_at, why);
    if (err != ERR_OK)
        return err;
    *pruning = (struct pruning){.budget = PRUNE_BUDGET_MIN, .at = o->now, .next_round = o->now};
    if (clock_watch_start(&pruning->clock, o->wall, o->now, newest_at, doubted_at))
        note_doubt(o, "the wall clock is ahead of the newest entry of this log by", o->wall - newest_at);
    return ERR_OK;
}

/* Counts that wait to be saved are saved here too, when no delivery comes: ages are told by them. */
static enum err look(struct orchestrator *o, struct errmsg *why)
{
    struct pruning *pruning = &o->pruning;
    intake_save_counts(o, false);
    enum err err = write_slice(o, why);
    if (err != ERR_OK) {
        intake_failed(o);
        return err;
    }
    if (o->now < pruning->next_round || !clock_watch_believes(&pruning->clock, o->now))
        return ERR_OK;
    pruning->phase = PRUNE_ALERTS;
    pruning->after_key = (struct alert_key){{0}};
    pruning->after_seq = 0;
    pruning->due = INT64_MAX;
    return ERR_OK;
}

static enum err go_on(struct orchestrator *o, struct errmsg *why)
{
    struct pruning *pruning = &o->pruning;
    if (pruning->phase != PRUNE_REST && !clock_watch_believes(&pruning->clock, o->now))
        return end_round(o, why);
    switch (pruning->phase) {
    case PRUNE_REST:
        return look(o, why);
    case PRUNE_ALERTS:
        return slice_alerts(o, why);
    case PRUNE_DELIVERIES:
        return slice_deliveries(o, why);
    case PRUNE_PAGES:
        return pruning->n_up > 0 ? ERR_OK : slice_pages(o, why); /* a round ends when all have gone */
    }
    return ERR_OK;
}

void prune_go_on(struct orchestrator *o)
{
    struct pruning *pruning = &o->pruning;
    int64_t began = clock_steady_ms();
    if (began < pruning->at)
        return;
    pruning->at = began + LOOK_EVERY_MS;
    if (!o->world || o->failures > 0 || o->is_stopping)
        return;
    batch_start(o);
    const struct audit_chain chain = o->world->chain;
    const struct clock_watch clock = pruning->clock;
    struct errmsg why = {0};
    int64_t moved;
    if (clock_watch_look(&pruning->clock, o->wall, o->now, &moved))
        note_doubt(o, "the wall clock has moved against the steady clock by", moved);
    enum err err = go_on(o, &why);
    if (err != ERR_OK) {
        if (!pruning->has_failed)
            log_error("what is too old could not be removed (tried again every minute): %s", why.text);
        pruning->has_failed = true;
        pruning->phase = PRUNE_REST; /* a new round begins with the next look; what this one has removed is kept */
        o->world->chain = chain;
        pruning->clock.ahead = clock.ahead; /* to be put on record then */
        return;
    }
    pruning->has_failed = false;
    if (pruning->phase == PRUNE_REST)
        return;
    int64_t ended = clock_steady_ms();
    int64_t took = ended - began;
    pruning->budget = prune_budget_next(pruning->budget, took - pruning->commit_ms);
    pruning->at = ended + prune_pause_ms(took);
}

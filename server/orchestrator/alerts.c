/* The rows of alerts: those of a batch's alerts in a table, and a cache of what was spoken of last.
 *
 * The rows of a batch's alerts are read at once, before anything is written, into a table; the batch works on the
 * table; after the commit the table's rows go into the cache, so that a repeat costs no SQL at all. What an alert says
 * of services goes with its row, from the cache into the table and back, since a repeat has to be counted as heard.
 * Counts and last-seen times of repeats are kept in the cache and saved now and then: losing some of them in a crash
 * loses nothing that anybody acts on. What a delivery means is not known here. */
#include "base/clock.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

#define SAVE_COUNTS_AFTER_MS 60000
#define SAVE_COUNTS_SLICE 64

static uint64_t key_hash(const struct alert_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash); /* the key is a cryptographic hash already */
    return hash;
}

static struct cached_alert *cache_slot(const struct orchestrator *o, const struct alert_key *key)
{
    return &o->cache[key_hash(key) % CACHE_SLOTS];
}

static bool same_key(const struct alert_key *a, const struct alert_key *b)
{
    return memcmp(a->bytes, b->bytes, ALERT_KEY_SIZE) == 0;
}

static bool is_cached(const struct cached_alert *cached, const struct alert_key *key)
{
    return cached->is_used && same_key(&cached->row.key, key);
}

static void matches_done(struct matches *matches)
{
    free(matches->items);
    *matches = (struct matches){0};
}

/* ---- the table of the batch -------------------------------------------------------------------------------------- */

struct alert_entry *alerts_entry(const struct orchestrator *o, const struct alert_key *key)
{
    const struct alert_table *table = &o->table;
    size_t i = (size_t)key_hash(key) & (table->room - 1);
    while (table->entries[i].is_used && !same_key(&table->entries[i].row.key, key))
        i = (i + 1) & (table->room - 1);
    return &table->entries[i];
}

enum err alerts_table_make(struct orchestrator *o, size_t n_alerts, struct errmsg *why)
{
    size_t room = 16;
    while (room < 2 * n_alerts)
        room *= 2;
    o->table.entries = calloc(room, sizeof *o->table.entries);
    if (!o->table.entries)
        return err_set(why, ERR_NO_MEMORY, "out of memory for %zu alerts", n_alerts);
    o->table.room = room;
    return ERR_OK;
}

void alerts_table_add(struct orchestrator *o, const struct alert_key *key, int voter)
{
    struct alert_entry *entry = alerts_entry(o, key);
    if (entry->is_used)
        return;
    struct cached_alert *cached = cache_slot(o, key);
    entry->is_used = true;
    if (is_cached(cached, key)) {
        entry->row = cached->row;
        entry->saved_at = cached->saved_at;
        entry->matches = cached->matches;
        cached->matches = (struct matches){0}; /* until it comes back */
        return;
    }
    entry->row.key = *key;
    entry->row.source = voter;
    entry->is_missing = true;
    o->table.n_missing++;
}

enum err alerts_table_read(struct orchestrator *o, struct errmsg *why)
{
    if (o->table.n_missing == 0)
        return ERR_OK;
    struct alert_row *rows = calloc(o->table.n_missing, sizeof *rows);
    if (!rows)
        return err_set(why, ERR_NO_MEMORY, "out of memory for %zu alerts", o->table.n_missing);
    size_t n = 0;
    for (size_t i = 0; i < o->table.room; i++)
        if (o->table.entries[i].is_missing)
            rows[n++] = o->table.entries[i].row;
    enum err err = store_alerts_get(o->settings.store, rows, n, why);
    n = 0;
    for (size_t i = 0; err == ERR_OK && i < o->table.room; i++)
        if (o->table.entries[i].is_missing) {
            o->table.entries[i].row = rows[n++];
            o->table.entries[i].saved_at = o->now - (o->wall - o->table.entries[i].row.last_seen_at);
        }
    free(rows);
    return err;
}

void intake_end(struct orchestrator *o)
{
    for (size_t i = 0; i < o->table.room; i++)
        matches_done(&o->table.entries[i].matches);
    free(o->table.entries);
    o->table = (struct alert_table){0};
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

static void put_alert(struct orchestrator *o, const struct alert_row *row)
{
    batch_alert(o->rows, row, model_voter_name(o->settings.model, row->source));
}

static void save_row(struct orchestrator *o, struct cached_alert *cached)
{
    put_alert(o, &cached->row);
    cached->is_unsaved = false;
    cached->saved_at = o->now;
}

/* Of two alerts of the batch that share a slot the cache keeps the later one. */
static bool is_lost(struct orchestrator *o, size_t i)
{
    const struct alert_entry *entry = &o->table.entries[i];
    return cache_slot(o, &entry->row.key)->taken_by != i && o->now - entry->saved_at >= SAVE_COUNTS_AFTER_MS;
}

/* Saves counts that have waited for a minute, a slice at a time; all of them at the end. */
void intake_save_counts(struct orchestrator *o, bool all)
{
    int n = 0;
    for (size_t i = 0; i < CACHE_SLOTS && (all || n < SAVE_COUNTS_SLICE); i++) {
        struct cached_alert *cached = &o->cache[i];
        if (cached->is_used && cached->is_unsaved && (all || o->now - cached->saved_at >= SAVE_COUNTS_AFTER_MS)) {
            save_row(o, cached);
            n++;
        }
    }
}

/* Writes the rows this batch changed, and unsaved counts whose slot another alert is about to take. */
void intake_before_commit(struct orchestrator *o)
{
    for (size_t i = 0; i < o->table.room; i++)
        if (o->table.entries[i].is_used && o->table.entries[i].row.exists)
            cache_slot(o, &o->table.entries[i].row.key)->taken_by = i;
    for (size_t i = 0; i < o->table.room; i++) {
        struct alert_entry *entry = &o->table.entries[i];
        if (!entry->is_used || !entry->row.exists)
            continue;
        struct cached_alert *cached = cache_slot(o, &entry->row.key);
        if (cached->is_used && cached->is_unsaved && !same_key(&cached->row.key, &entry->row.key))
            save_row(o, cached);
        if (entry->is_changed || is_lost(o, i))
            put_alert(o, &entry->row);
    }
    if (o->now >= o->next_check_at)
        intake_save_counts(o, false);
    votes_save(o, false);
}

void intake_committed(struct orchestrator *o)
{
    for (size_t i = 0; i < o->table.room; i++) {
        struct alert_entry *entry = &o->table.entries[i];
        if (!entry->is_used || !entry->row.exists)
            continue;
        struct cached_alert *cached = cache_slot(o, &entry->row.key);
        int64_t saved_at = is_cached(cached, &entry->row.key) && !entry->is_changed ? cached->saved_at : o->now;
        matches_done(&cached->matches);
        *cached = (struct cached_alert){.row = entry->row,
                                        .is_used = true,
                                        .is_unsaved = !entry->is_changed,
                                        .saved_at = saved_at,
                                        .matches = entry->matches};
        entry->matches = (struct matches){0};
    }
}

int64_t intake_last_seen(const struct orchestrator *o, const struct alert_key *key, int64_t stored)
{
    const struct cached_alert *cached = cache_slot(o, key);
    bool is_newer = is_cached(cached, key) && cached->row.last_seen_at > stored;
    return is_newer ? cached->row.last_seen_at : stored;
}

void intake_forget(struct orchestrator *o, const struct alert_key *key)
{
    struct cached_alert *cached = cache_slot(o, key);
    if (!is_cached(cached, key))
        return;
    matches_done(&cached->matches);
    *cached = (struct cached_alert){.is_used = false};
}

/* Nothing of the batch is in the database: the table goes, and the cache, which may have marked rows as saved, too. */
void intake_failed(struct orchestrator *o)
{
    for (size_t i = 0; i < CACHE_SLOTS; i++)
        matches_done(&o->cache[i].matches);
    memset(o->cache, 0, CACHE_SLOTS * sizeof *o->cache);
}

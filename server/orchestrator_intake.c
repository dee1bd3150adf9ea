/* Deliveries: which of their alerts are news, what that does to the votes, and what is written.
 *
 * Duplicates are found by state. The rows of a batch's alerts are read at once, before anything is written, into a
 * table; the batch works on the table; after the commit the table's rows go into a cache, so that a repeat costs no SQL
 * at all. Counts and last-seen times of repeats are kept in the cache and saved now and then: losing some of them in a
 * crash loses nothing that anybody acts on. The times by which later assertions are judged are no counts: a repeat that
 * moves one is committed like news. A row that this batch changed is uncommitted until the batch is. */
#include "base/clock.h"
#include "base/log.h"
#include "orchestrator_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SAVE_COUNTS_AFTER_MS 60000
#define SAVE_COUNTS_SLICE 64
#define LATE_EVERY_MS 60000

/* ---- the table of the batch -------------------------------------------------------------------------------------- */

static uint64_t key_hash(const struct alert_key *key)
{
    uint64_t hash;
    memcpy(&hash, key->bytes, sizeof hash); /* the key is a cryptographic hash already */
    return hash;
}

static struct cached_alert *cache_slot(struct orchestrator *o, const struct alert_key *key)
{
    return &o->cache[key_hash(key) % CACHE_SLOTS];
}

static bool same_key(const struct alert_key *a, const struct alert_key *b)
{
    return memcmp(a->bytes, b->bytes, ALERT_KEY_SIZE) == 0;
}

static struct alert_entry *table_slot(const struct alert_table *table, const struct alert_key *key)
{
    size_t i = (size_t)key_hash(key) & (table->room - 1);
    while (table->entries[i].is_used && !same_key(&table->entries[i].row.key, key))
        i = (i + 1) & (table->room - 1);
    return &table->entries[i];
}

static enum err table_make(struct orchestrator *o, size_t n_alerts, struct errmsg *why)
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

/* Reads the rows that the cache does not have, in one go. */
static enum err table_read_missing(struct orchestrator *o, size_t n_missing, struct errmsg *why)
{
    struct alert_row *rows = calloc(n_missing, sizeof *rows);
    if (!rows)
        return err_set(why, ERR_NO_MEMORY, "out of memory for %zu alerts", n_missing);
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

enum err intake_prepare(struct orchestrator *o, struct command *const *commands, size_t n, struct errmsg *why)
{
    size_t n_alerts = 0;
    for (size_t i = 0; i < n; i++)
        if (commands[i] && commands[i]->kind == COMMAND_DELIVERY)
            n_alerts += commands[i]->as.delivery.n_alerts;
    if (n_alerts == 0)
        return ERR_OK;
    enum err err = table_make(o, n_alerts, why);
    if (err != ERR_OK)
        return err;
    size_t n_missing = 0;
    for (size_t i = 0; i < n; i++) {
        if (!commands[i] || commands[i]->kind != COMMAND_DELIVERY)
            continue;
        const struct command_delivery *delivery = &commands[i]->as.delivery;
        for (size_t k = 0; k < delivery->n_alerts; k++) {
            const struct alert_key *key = &delivery->alerts[k].key;
            struct alert_entry *entry = table_slot(&o->table, key);
            if (entry->is_used)
                continue;
            const struct cached_alert *cached = cache_slot(o, key);
            entry->is_used = true;
            if (cached->is_used && same_key(&cached->row.key, key)) {
                entry->row = cached->row;
                entry->is_compared = cached->is_compared;
                entry->saved_at = cached->saved_at;
            } else {
                entry->row.key = *key;
                entry->row.source = delivery->source;
                entry->is_missing = true;
                n_missing++;
            }
        }
    }
    return n_missing ? table_read_missing(o, n_missing, why) : ERR_OK;
}

void intake_end(struct orchestrator *o)
{
    for (size_t i = 0; i < o->table.room; i++)
        free(o->table.entries[i].matches);
    free(o->table.entries);
    o->table = (struct alert_table){0};
}

/* ---- matches: which service and site a firing alert votes about -------------------------------------------------- */

static void take_match(void *context, const struct match_row *row)
{
    void **pair = context;
    const struct model *model = pair[0];
    struct alert_entry *entry = pair[1];
    struct match *grown = realloc(entry->matches, ((size_t)entry->n_matches + 1) * sizeof *grown);
    if (!grown)
        return;
    entry->matches = grown;
    int service = model_service_find(model, row->service);
    int site = service < 0 ? SITE_NONE : service_site_find(&model->services[service], row->site);
    grown[entry->n_matches++] = (struct match){.service = service, .site = site};
}

static void read_matches(struct orchestrator *o, struct alert_entry *entry)
{
    if (entry->has_matches || entry->row.n_matches == 0)
        return;
    struct errmsg why = {0};
    union {
        const struct model *model;
        void *pointer;
    } model = {.model = o->settings.model};
    void *pair[2] = {model.pointer, entry};
    enum err err = store_matches_get(o->settings.store, &entry->row.key, take_match, pair, &why);
    if (err == ERR_OK && entry->n_matches != entry->row.n_matches)
        err = err_set(&why, ERR_NO_MEMORY, "the matches of an alert could not be read");
    if (err != ERR_OK)
        batch_break(o, err, &why);
    entry->has_matches = true;
}

struct matches {
    struct match *items; /* owned */
    int n;
};

/* Takes an alert's matches from it and from the store; the votes that they cast are still to be withdrawn. */
static struct matches remove_matches(struct orchestrator *o, struct alert_entry *entry)
{
    read_matches(o, entry);
    struct matches old = {entry->matches, entry->n_matches};
    batch_match_remove(o->rows, &entry->row.key);
    entry->matches = NULL;
    entry->n_matches = entry->row.n_matches = 0;
    return old;
}

static const struct match *match_of(const struct matches *matches, int service)
{
    for (int i = 0; i < matches->n; i++)
        if (matches->items[i].service == service)
            return &matches->items[i];
    return NULL;
}

static void withdraw_votes(struct orchestrator *o, int source, struct matches *old, const struct cause *cause)
{
    for (int i = 0; i < old->n; i++) {
        if (old->items[i].service < 0 || old->items[i].site < 0)
            continue;
        service_event(
            o, old->items[i].service,
            &(struct event){
                .kind = EVENT_ALERT, .voter = source, .site = old->items[i].site, .says = VOTE_DOWN, .delta = -1},
            cause);
    }
    free(old->items);
}

/* `site: active` means the site that was active at the alert's own time, where its sender's clock can be believed. */
static int resolve_site(const struct orchestrator *o, const struct alert_target *target, int64_t starts_at)
{
    if (target->site != SITE_OF_ALERT_TIME)
        return target->site;
    int64_t at = o->wall;
    if (starts_at != TIME_UNKNOWN && starts_at <= o->wall && starts_at >= o->wall - ALERT_TIME_TRUST_MS)
        at = starts_at;
    return active_site_at(&o->world->services[target->service], at);
}

/* `old`: what it voted for until now; a vote that was cast by the alert's time stays where it is. */
static void cast_matches(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                         const struct matches *old, const struct cause *cause)
{
    const struct model *model = o->settings.model;
    entry->has_matches = true;
    if (alert->n_targets == 0)
        return;
    free(entry->matches); /* of an earlier alert in this batch that found no site */
    entry->matches = calloc((size_t)alert->n_targets, sizeof *entry->matches);
    if (!entry->matches) {
        batch_break(o, ERR_NO_MEMORY, &(struct errmsg){"out of memory"});
        return;
    }
    for (int i = 0; i < alert->n_targets; i++) {
        const struct alert_target *target = &alert->targets[i];
        const struct service *service = &model->services[target->service];
        const struct match *before = target->site == SITE_OF_ALERT_TIME ? match_of(old, target->service) : NULL;
        int site = before && before->site >= 0 ? before->site : resolve_site(o, target, alert->starts_at);
        if (site < 0) {
            journal_note(o, &(struct note){.kind = "decision.not_acted",
                                           .service = service->name,
                                           .who = cause->who,
                                           .text = "an alert speaks of the active site, and at its time no site was "
                                                   "known to be active: it casts no vote",
                                           .delivery = cause->delivery});
            continue;
        }
        batch_match(o->rows, &(struct match_row){.key = entry->row.key,
                                                 .service = service->name,
                                                 .site = service->sites[site].name,
                                                 .says = VOTE_DOWN,
                                                 .source = model->source_names[entry->row.source]});
        entry->matches[entry->n_matches++] = (struct match){.service = target->service, .site = site};
        service_event(o, target->service,
                      &(struct event){
                          .kind = EVENT_ALERT, .voter = entry->row.source, .site = site, .says = VOTE_DOWN, .delta = 1},
                      cause);
    }
    entry->row.n_matches = entry->n_matches;
}

/* ---- one delivery ------------------------------------------------------------------------------------------------ */

/* News about one alert. */
static void take_news(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                      const struct alert_row *after, const struct cause *cause)
{
    bool was_firing = entry->row.exists && entry->row.state == ALERT_FIRING;
    int n_before = entry->row.n_matches;
    entry->row = *after;
    entry->row.n_matches = n_before;
    entry->row.exists = true;
    entry->row.changed_at = o->wall;
    entry->row.delivery = *cause->delivery;
    entry->is_changed = true;
    entry->is_compared = true;
    o->world->open_alerts[entry->row.source] += (alert->state == ALERT_FIRING) - was_firing;
    struct matches old = {NULL, 0};
    if (n_before > 0)
        old = remove_matches(o, entry);
    /* First the new votes: what speaks of the same site before and after has not ceased in between. */
    if (alert->state == ALERT_FIRING)
        cast_matches(o, entry, alert, &old, cause);
    withdraw_votes(o, entry->row.source, &old, cause);
}

static int64_t count_new_firing(const struct orchestrator *o, const struct command_delivery *delivery)
{
    int64_t n = 0;
    for (size_t i = 0; i < delivery->n_alerts; i++) {
        const struct alert_entry *entry = table_slot(&o->table, &delivery->alerts[i].key);
        n += delivery->alerts[i].state == ALERT_FIRING && !(entry->row.exists && entry->row.state == ALERT_FIRING);
    }
    return n;
}

static void add_unmatched(struct orchestrator *o, const struct command_delivery *delivery)
{
    const struct bytes_view parts[] = {{o->unmatched_digest.bytes, SHA256_SIZE}, {delivery->sha256, SHA256_SIZE}};
    o->unmatched_digest = sha256_of_parts(parts, 2);
    if (o->n_unmatched == 0)
        o->unmatched_first = delivery->id;
    o->unmatched_last = delivery->id;
    o->n_unmatched++;
    o->n_unmatched_alerts += (int64_t)delivery->n_alerts;
}

void intake_bunch(struct orchestrator *o)
{
    if (o->n_unmatched == 0)
        return;
    char text[160];
    char hex[2 * SHA256_SIZE + 1];
    char first[ID_TEXT_SIZE];
    char last[ID_TEXT_SIZE];
    hex_encode(o->unmatched_digest.bytes, SHA256_SIZE, hex);
    snprintf(text, sizeof text, "%" PRId64 " deliver%s with %" PRId64 " alert%s matched no service", o->n_unmatched,
             o->n_unmatched == 1 ? "y" : "ies", o->n_unmatched_alerts, o->n_unmatched_alerts == 1 ? "" : "s");
    json_t *detail = json_pack("{s:I, s:I, s:s, s:s, s:s}", "deliveries", (json_int_t)o->n_unmatched, "alerts",
                               (json_int_t)o->n_unmatched_alerts, "digest", hex, "first",
                               id_format(&o->unmatched_first, first), "last", id_format(&o->unmatched_last, last));
    journal_note(o, &(struct note){.kind = "intake.unmatched", .text = text, .detail = detail});
}

static void store_delivery(struct orchestrator *o, const struct command_delivery *delivery, int n_changed,
                           int n_services)
{
    struct delivery_row row = {.seq = ++o->world->delivery_seq,
                               .id = delivery->id,
                               .source = o->settings.model->source_names[delivery->source],
                               .received_at = delivery->received_at,
                               .alerts = (int)delivery->n_alerts,
                               .changed = n_changed,
                               .services = n_services,
                               .body = delivery->body,
                               .body_len = delivery->body_len};
    memcpy(row.sha256, delivery->sha256, sizeof row.sha256);
    batch_delivery(o->rows, &row);
    batch_source(o->rows,
                 &(struct source_row){.name = row.source, .open_alerts = o->world->open_alerts[delivery->source]});
}

static bool is_over_bound(const struct orchestrator *o, struct command *command)
{
    const struct command_delivery *delivery = &command->as.delivery;
    int64_t n_new = count_new_firing(o, delivery);
    if (n_new == 0 || o->world->open_alerts[delivery->source] + n_new <= MAX_OPEN_ALERTS)
        return false;
    command->err = err_set(&command->why, ERR_FULL, "source %s has %d open alerts; more cannot be taken",
                           o->settings.model->source_names[delivery->source], MAX_OPEN_ALERTS);
    return true;
}

static const struct alert_target *target_of(const struct alert *alert, int service)
{
    for (int i = 0; i < alert->n_targets; i++)
        if (alert->targets[i].service == service)
            return &alert->targets[i];
    return NULL;
}

/* An alert that fires since before the configuration changed what it speaks of: its next repeat counts as news. Asked
 * of each alert once, since a configuration holds for the life of the process. `site: active` is left as it was taken:
 * it means the alert's own time. */
static bool is_newly_matched(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert)
{
    if (alert->state != ALERT_FIRING || entry->row.state != ALERT_FIRING || entry->is_compared)
        return false;
    read_matches(o, entry);
    const struct matches matches = {entry->matches, entry->n_matches};
    for (int i = 0; i < alert->n_targets; i++) {
        const struct match *match = match_of(&matches, alert->targets[i].service);
        if (alert->targets[i].site >= 0 && (!match || match->site != alert->targets[i].site))
            return true;
    }
    for (int i = 0; i < matches.n; i++)
        if (matches.items[i].service >= 0 && !target_of(alert, matches.items[i].service))
            return true;
    return false;
}

/* Whether `alert` says something new; the row as it is afterwards in *after. */
static bool is_news(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                    struct alert_row *after)
{
    enum alert_verdict verdict = alert_take(&entry->row, alert, o->wall, after);
    return verdict == ALERT_VERDICT_NEW || (verdict == ALERT_VERDICT_DUPLICATE && is_newly_matched(o, entry, alert));
}

/* Whether a repeat has moved a time that later assertions are judged by. */
static bool is_moved(const struct alert_row *before, const struct alert_row *after)
{
    return before->asserted_at != after->asserted_at || before->starts_at != after->starts_at ||
           before->ends_at != after->ends_at;
}

/* What a delivery will change, and for whom. */
struct news {
    int n_firing, n_resolved, n_unknown;
    int n_late;     /* said something else than is known, and older */
    int n_services; /* each alert counts for itself */
    int service;    /* the last */
    bool is_one;    /* all were the same */
};

static void news_concern(struct news *news, int service)
{
    news->is_one = news->n_services == 0 || (news->is_one && news->service == service);
    news->service = service;
    news->n_services++;
}

/* Looked at before anything is done, so that the log has the cause before the effect. */
static struct news look_ahead(struct orchestrator *o, const struct command_delivery *delivery)
{
    struct news news = {0};
    for (size_t i = 0; i < delivery->n_alerts; i++) {
        const struct alert *alert = &delivery->alerts[i];
        struct alert_entry *entry = table_slot(&o->table, &alert->key);
        struct alert_row after = entry->row;
        if (!is_news(o, entry, alert, &after)) {
            news.n_late += alert->state != entry->row.state;
            continue;
        }
        news.n_firing += alert->state == ALERT_FIRING;
        news.n_resolved += alert->state == ALERT_RESOLVED;
        news.n_unknown += alert->state == ALERT_UNKNOWN;
        for (int k = 0; k < alert->n_targets; k++)
            news_concern(&news, alert->targets[k].service);
        read_matches(o, entry);
        for (int k = 0; k < entry->n_matches; k++)
            news_concern(&news, entry->matches[k].service);
    }
    return news;
}

static void note_alerts(struct orchestrator *o, const struct command_delivery *delivery, const struct news *news,
                        const char *who)
{
    char text[256];
    bool is_one = news->is_one && news->service >= 0;
    int len = snprintf(text, sizeof text, "%d alert%s began to fire, %d resolved", news->n_firing,
                       news->n_firing == 1 ? "" : "s", news->n_resolved);
    if (news->n_unknown > 0)
        snprintf(text + len, sizeof text - (size_t)len, ", %d unknown", news->n_unknown);
    char hex[2 * SHA256_SIZE + 1];
    hex_encode(delivery->sha256, SHA256_SIZE, hex);
    json_t *detail = json_pack("{s:i, s:i, s:i, s:s, s:i}", "firing", news->n_firing, "resolved", news->n_resolved,
                               "unknown", news->n_unknown, "sha256", hex, "alerts", (int)delivery->n_alerts);
    journal_note(o, &(struct note){.kind = "intake.alerts",
                                   .service = is_one ? o->settings.model->services[news->service].name : "",
                                   .who = who,
                                   .text = text,
                                   .delivery = &delivery->id,
                                   .detail = detail});
}

/* What the handler wants on record beside the alerts: a subscription confirmed, or given up by somebody. */
static void note_notice(struct orchestrator *o, const struct command_delivery *delivery, const char *who)
{
    char kind[48];
    snprintf(kind, sizeof kind, "intake.%s", delivery->notice_kind);
    journal_note(o, &(struct note){.kind = batch_keep(o->rows, kind), /* needed until the commit */
                                   .who = who,
                                   .text = delivery->notice,
                                   .delivery = &delivery->id});
    if (delivery->is_loud)
        log_warning("%s: %s", who, delivery->notice);
}

/* At once, and then once a minute: a twin that lags behind says it again and again. */
static void note_late(struct orchestrator *o, int source, int n, const char *who)
{
    char text[160];
    atomic_fetch_add(&o->n_late, n);
    o->late[source].n += n;
    if (o->late[source].told_at != 0 && o->now - o->late[source].told_at < LATE_EVERY_MS)
        return;
    snprintf(text, sizeof text,
             "%" PRId64 " alert%s said something else than is known, but of an earlier time: nothing is changed",
             o->late[source].n, o->late[source].n == 1 ? "" : "s");
    journal_note(o, &(struct note){.kind = "intake.late", .who = who, .text = text});
    o->late[source].n = 0;
    o->late[source].told_at = o->now;
}

void intake_delivery(struct orchestrator *o, struct command *command)
{
    struct command_delivery *delivery = &command->as.delivery;
    command->err = ERR_OK;
    if (is_over_bound(o, command))
        return;
    char who[96];
    snprintf(who, sizeof who, "source %s", o->settings.model->source_names[delivery->source]);
    const struct cause cause = {.who = who, .delivery = &delivery->id, .command = command};
    struct news news = look_ahead(o, delivery);
    /* Not with every repeat: the log would say the same for as long as the alert lasts. */
    bool is_worth_noting = delivery->n_alerts == 0 || news.n_firing + news.n_resolved + news.n_unknown > 0;
    if (delivery->notice_kind && is_worth_noting)
        note_notice(o, delivery, who);
    if (news.n_services > 0)
        note_alerts(o, delivery, &news, who);
    if (news.n_late > 0)
        note_late(o, delivery->source, news.n_late, who);
    int n_changed = 0;
    for (size_t i = 0; i < delivery->n_alerts; i++) {
        const struct alert *alert = &delivery->alerts[i];
        struct alert_entry *entry = table_slot(&o->table, &alert->key);
        struct alert_row after = entry->row;
        if (is_news(o, entry, alert, &after)) {
            take_news(o, entry, alert, &after, &cause);
            n_changed++;
        } else {
            entry->is_changed |= is_moved(&entry->row, &after);
            entry->row = after;
            entry->is_compared |= alert->state == ALERT_FIRING && after.state == ALERT_FIRING;
        }
        if (i == 0)
            delivery->answer_id = entry->row.delivery;
    }
    atomic_fetch_add(&o->n_alerts, (long long)delivery->n_alerts);
    /* One without alerts is kept for what its monitor said in other words; no row tells whether it said so before. */
    delivery->is_duplicate = n_changed == 0 && delivery->n_alerts > 0;
    atomic_fetch_add(delivery->is_duplicate ? &o->n_duplicates : &o->n_deliveries, 1);
    if (delivery->is_duplicate)
        return;
    delivery->answer_id = delivery->id;
    store_delivery(o, delivery, n_changed, news.n_services);
    if (news.n_services == 0)
        add_unmatched(o, delivery);
}

/* A duplicate needs no commit unless a row that it speaks of is still uncommitted. */
bool intake_is_settled(const struct orchestrator *o, const struct command *command)
{
    if (command->kind != COMMAND_DELIVERY || (command->err == ERR_OK && !command->as.delivery.is_duplicate))
        return false;
    if (o->broken_err != ERR_OK)
        return false;
    const struct command_delivery *delivery = &command->as.delivery;
    for (size_t i = 0; i < delivery->n_alerts; i++)
        if (table_slot(&o->table, &delivery->alerts[i].key)->is_changed)
            return false;
    return true;
}

/* ---- the cache --------------------------------------------------------------------------------------------------- */

static void save_row(struct orchestrator *o, struct cached_alert *cached)
{
    batch_alert(o->rows, &cached->row, o->settings.model->source_names[cached->row.source]);
    cached->is_unsaved = false;
    cached->saved_at = o->now;
}

/* Of two alerts of the batch that share a slot the cache keeps the later one. */
static bool is_lost(struct orchestrator *o, size_t i)
{
    const struct alert_entry *entry = &o->table.entries[i];
    return cache_slot(o, &entry->row.key)->taken_by != i && o->now - entry->saved_at >= SAVE_COUNTS_AFTER_MS;
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
            batch_alert(o->rows, &entry->row, o->settings.model->source_names[entry->row.source]);
    }
    if (o->now >= o->next_check_at)
        intake_save_counts(o, false);
}

void intake_committed(struct orchestrator *o)
{
    for (size_t i = 0; i < o->table.room; i++) {
        struct alert_entry *entry = &o->table.entries[i];
        if (!entry->is_used || !entry->row.exists)
            continue;
        struct cached_alert *cached = cache_slot(o, &entry->row.key);
        bool is_same = cached->is_used && same_key(&cached->row.key, &entry->row.key);
        int64_t saved_at = is_same && !entry->is_changed ? cached->saved_at : o->now;
        *cached = (struct cached_alert){.row = entry->row,
                                        .is_used = true,
                                        .is_unsaved = !entry->is_changed,
                                        .is_compared = entry->is_compared,
                                        .saved_at = saved_at};
    }
}

int64_t intake_last_seen(const struct orchestrator *o, const struct alert_key *key, int64_t stored)
{
    const struct cached_alert *cached = &o->cache[key_hash(key) % CACHE_SLOTS];
    bool is_newer = cached->is_used && same_key(&cached->row.key, key) && cached->row.last_seen_at > stored;
    return is_newer ? cached->row.last_seen_at : stored;
}

void intake_forget(struct orchestrator *o, const struct alert_key *key)
{
    struct cached_alert *cached = cache_slot(o, key);
    if (cached->is_used && same_key(&cached->row.key, key))
        *cached = (struct cached_alert){.is_used = false};
}

/* Nothing of the batch is in the database: the table goes, and the cache, which may have marked rows as saved, too. */
void intake_failed(struct orchestrator *o)
{
    memset(o->cache, 0, CACHE_SLOTS * sizeof *o->cache);
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

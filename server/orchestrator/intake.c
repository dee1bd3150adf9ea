/* Deliveries, and statements of our own: which of their alerts are news, and what is written.
 *
 * Duplicates are found by state: what is said is held against the alert's row. The times by which later assertions are
 * judged are no counts: a repeat that moves one is committed like news. A row that this batch changed is uncommitted
 * until the batch is. */
#include "base/log.h"
#include "orchestrator/internal.h"

#include <inttypes.h>
#include <string.h>

#define LATE_EVERY_MS 60000

/* ---- the rows that a batch needs --------------------------------------------------------------------------------- */

/* The key of a statement of our own: made as a monitor's is, of the voter's name and of what it speaks of. */
static struct alert_key statement_key(const struct model *model, int voter, int service, int site)
{
    const char *of = model_voter_name(model, voter);
    const struct service *about = &model->services[service];
    const char *name = about->sites[site].name;
    const struct bytes_view parts[] = {
        {of, strlen(of) + 1}, {about->name, strlen(about->name) + 1}, {name, strlen(name)}};
    struct sha256 hash = sha256_of_parts(parts, 3);
    struct alert_key key;
    memcpy(key.bytes, hash.bytes, sizeof key.bytes);
    return key;
}

/* What a command is a statement of; false: of nothing that there is. */
static bool statement_find(const struct model *model, const struct command *command, int *ret_voter, int *ret_service,
                           int *ret_site)
{
    if (command->kind == COMMAND_PROBED) {
        *ret_voter = model_voter_probe(model);
        *ret_service = command->as.probed.service;
        *ret_site = command->as.probed.site;
        return true;
    }
    const struct command_operator *call = &command->as.operator_call;
    if (command->kind != COMMAND_VOTE || !call->service || !call->site)
        return false;
    *ret_voter = model_voter_operator(model);
    *ret_service = model_service_find(model, call->service);
    *ret_site = *ret_service < 0 ? SITE_NONE : service_site_find(&model->services[*ret_service], call->site);
    return *ret_site >= 0;
}

static size_t count_alerts(const struct command *command)
{
    if (command->kind == COMMAND_DELIVERY)
        return command->as.delivery.n_alerts;
    return command->kind == COMMAND_VOTE || command->kind == COMMAND_PROBED ? 1 : 0;
}

static void add_to_table(struct orchestrator *o, const struct command *command)
{
    int voter, service, site;
    if (command->kind == COMMAND_DELIVERY) {
        const struct command_delivery *delivery = &command->as.delivery;
        for (size_t i = 0; i < delivery->n_alerts; i++)
            alerts_table_add(o, &delivery->alerts[i].key, delivery->source);
    } else if (statement_find(o->settings.model, command, &voter, &service, &site)) {
        struct alert_key key = statement_key(o->settings.model, voter, service, site);
        alerts_table_add(o, &key, voter);
    }
}

enum err intake_prepare(struct orchestrator *o, struct command *const *commands, size_t n, struct errmsg *why)
{
    size_t n_alerts = 0;
    for (size_t i = 0; i < n; i++)
        n_alerts += commands[i] ? count_alerts(commands[i]) : 0;
    if (n_alerts == 0)
        return ERR_OK;
    enum err err = alerts_table_make(o, n_alerts, why);
    if (err != ERR_OK)
        return err;
    for (size_t i = 0; i < n; i++)
        if (commands[i])
            add_to_table(o, commands[i]);
    return alerts_table_read(o, why);
}

/* ---- one delivery ------------------------------------------------------------------------------------------------ */

/* News about one alert. */
static void take_news(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                      const struct alert_row *after, const struct cause *cause)
{
    bool is_known = entry->row.exists;
    enum alert_state before = entry->row.state;
    entry->row = *after;
    entry->row.exists = true;
    entry->row.changed_at = o->wall;
    entry->row.delivery = cause->delivery ? *cause->delivery : (struct id){0};
    entry->is_changed = true;
    if (entry->row.source < o->settings.model->n_sources)
        o->world->open_alerts[entry->row.source] +=
            (alert->state == ALERT_FIRING) - (is_known && before == ALERT_FIRING);
    votes_move(o, entry, alert, is_known && before == alert->state, cause);
}

static int64_t count_new_firing(const struct orchestrator *o, const struct command_delivery *delivery)
{
    int64_t n = 0;
    for (size_t i = 0; i < delivery->n_alerts; i++) {
        const struct alert_entry *entry = alerts_entry(o, &delivery->alerts[i].key);
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
    votes_put_source(o, delivery->source);
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

/* What `alert` says to what is known; the row as it is afterwards in *after. A repeat of what speaks of something else
 * by now is news too: its labels have changed, or the configuration has. */
static enum alert_verdict judge(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                                struct alert_row *after)
{
    enum alert_verdict verdict = alert_take(&entry->row, alert, o->wall, after);
    bool is_same = verdict != ALERT_VERDICT_DUPLICATE || votes_are_as_said(o, entry, alert);
    return is_same ? verdict : ALERT_VERDICT_NEW;
}

/* Whether a repeat has moved a time that later assertions are judged by. */
static bool is_moved(const struct alert_row *before, const struct alert_row *after)
{
    return before->asserted_at != after->asserted_at || before->starts_at != after->starts_at ||
           before->ends_at != after->ends_at;
}

/* What a delivery will change, and for whom. */
struct news {
    int n_firing, n_resolved, n_up, n_unknown;
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
        struct alert_entry *entry = alerts_entry(o, &alert->key);
        struct alert_row after = entry->row;
        if (judge(o, entry, alert, &after) != ALERT_VERDICT_NEW) {
            news.n_late += alert->state != entry->row.state;
            continue;
        }
        news.n_firing += alert->state == ALERT_FIRING;
        news.n_resolved += alert->state == ALERT_RESOLVED;
        news.n_up += alert->state == ALERT_UP;
        news.n_unknown += alert->state == ALERT_UNKNOWN;
        for (int k = 0; k < alert->n_targets; k++)
            news_concern(&news, alert->targets[k].service);
        votes_read(o, entry);
        for (int k = 0; k < entry->matches.n; k++)
            news_concern(&news, entry->matches.items[k].service);
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
    if (news->n_up > 0)
        len += snprintf(text + len, sizeof text - (size_t)len, ", %d up", news->n_up);
    if (news->n_unknown > 0)
        snprintf(text + len, sizeof text - (size_t)len, ", %d unknown", news->n_unknown);
    char hex[2 * SHA256_SIZE + 1];
    hex_encode(delivery->sha256, SHA256_SIZE, hex);
    json_t *detail =
        json_pack("{s:i, s:i, s:i, s:i, s:s, s:i}", "firing", news->n_firing, "resolved", news->n_resolved, "up",
                  news->n_up, "unknown", news->n_unknown, "sha256", hex, "alerts", (int)delivery->n_alerts);
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

/* The heartbeat says that all is well with its source for as long as it fires. */
static void take_beat(struct orchestrator *o, int source, const struct alert *alert, enum alert_verdict verdict)
{
    if (!alert->is_beat || verdict == ALERT_VERDICT_LATE)
        return;
    if (alert->state == ALERT_FIRING)
        votes_hear_source(o, source, true);
    else
        votes_end_beat(o, source);
}

/* Whether it is news. */
static bool take_alert(struct orchestrator *o, struct alert_entry *entry, const struct alert *alert,
                       const struct cause *cause)
{
    struct alert_row after = entry->row;
    enum alert_verdict verdict = judge(o, entry, alert, &after);
    if (entry->row.source < o->settings.model->n_sources)
        take_beat(o, entry->row.source, alert, verdict);
    if (verdict == ALERT_VERDICT_NEW) {
        take_news(o, entry, alert, &after, cause);
        return true;
    }
    entry->is_changed |= is_moved(&entry->row, &after);
    entry->row = after;
    if (verdict == ALERT_VERDICT_DUPLICATE)
        votes_hear(o, entry, alert, cause);
    return false;
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
    votes_hear_source(o, delivery->source, false);
    /* Not with every repeat: the log would say the same for as long as the alert lasts. */
    bool is_worth_noting = delivery->n_alerts == 0 || news.n_firing + news.n_resolved + news.n_up + news.n_unknown > 0;
    if (delivery->notice_kind && is_worth_noting)
        note_notice(o, delivery, who);
    if (news.n_services > 0)
        note_alerts(o, delivery, &news, who);
    if (news.n_late > 0)
        note_late(o, delivery->source, news.n_late, who);
    int n_changed = 0;
    for (size_t i = 0; i < delivery->n_alerts; i++) {
        struct alert_entry *entry = alerts_entry(o, &delivery->alerts[i].key);
        n_changed += take_alert(o, entry, &delivery->alerts[i], &cause);
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
        if (alerts_entry(o, &delivery->alerts[i].key)->is_changed)
            return false;
    return true;
}

/* ---- statements of our own --------------------------------------------------------------------------------------- */

bool intake_statement(struct orchestrator *o, int voter, int service, int site, enum vote says, const char *text,
                      const struct cause *cause)
{
    const struct model *model = o->settings.model;
    struct alert_key key = statement_key(model, voter, service, site);
    struct alert_entry *entry = o->table.room > 0 ? alerts_entry(o, &key) : NULL;
    if (!entry || !entry->is_used) {
        batch_break(o, ERR_INTERNAL, &(struct errmsg){"a statement was not looked up"});
        return false;
    }
    if (says == VOTE_UNKNOWN && !entry->row.exists)
        return false;
    struct alert_target target = {.service = service, .site = site};
    const struct alert alert = {.key = key,
                                .state = says == VOTE_DOWN ? ALERT_FIRING
                                         : says == VOTE_UP ? ALERT_UP
                                                           : ALERT_UNKNOWN,
                                .starts_at = TIME_UNKNOWN,
                                .ends_at = TIME_UNKNOWN,
                                .asserted_at = TIME_UNKNOWN,
                                .targets = &target,
                                .n_targets = 1};
    struct alert_row after = entry->row;
    bool is_news = judge(o, entry, &alert, &after) == ALERT_VERDICT_NEW;
    if (is_news && text)
        journal_note(
            o, &(struct note){.kind = "intake.statement",
                              .service = model->services[service].name,
                              .who = cause->who,
                              .text = text,
                              .detail = json_pack("{s:s, s:s, s:s}", "voter", model_voter_name(model, voter), "site",
                                                  model->services[service].sites[site].name, "says", vote_text(says))});
    return take_alert(o, entry, &alert, cause);
}

void intake_probed(struct orchestrator *o, const struct command *command)
{
    const struct command_probed *probed = &command->as.probed;
    const struct model *model = o->settings.model;
    char text[256];
    snprintf(text, sizeof text, "the probe of %.64s says %s: %.150s",
             model->services[probed->service].sites[probed->site].name, vote_text(probed->says), probed->text);
    (void)intake_statement(o, model_voter_probe(model), probed->service, probed->site, probed->says, text,
                           &(struct cause){.who = "turnout"});
}

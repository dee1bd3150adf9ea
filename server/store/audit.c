/* Appending to the audit chain, and walking it. */
#include "store/audit.h"

#include "base/clock.h"
#include "core/json_whole.h"
#include "store/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VERIFY_PAGE 1000

struct sha256 audit_hash(const struct sha256 *previous, const char *text, size_t len)
{
    const struct bytes_view parts[] = {{previous->bytes, SHA256_SIZE}, {text, len}};
    return sha256_of_parts(parts, 2);
}

/* ---- appending --------------------------------------------------------------------------------------------------- */

#define CANONICAL (JSON_COMPACT | JSON_SORT_KEYS)

/* What a provider answers may be long; the record must not fail for that. */
static char *bounded_text(json_t *entry)
{
    char *text = json_whole(entry, CANONICAL);
    size_t len = text ? strlen(text) : 0;
    if (len <= AUDIT_TEXT_MAX || !json_object_get(entry, "detail"))
        return text;
    free(text);
    json_t *instead = json_pack("{s:I}", "left_out_bytes", (json_int_t)len);
    return json_object_set_new(entry, "detail", instead) == 0 ? json_whole(entry, CANONICAL) : NULL;
}

static bool entry_complete(json_t *entry, int64_t seq, int64_t at, const char *kind, const char *service)
{
    char at_text[TIME_TEXT_SIZE];
    bool is_whole = json_object_set_new(entry, "seq", json_integer(seq)) == 0 &&
                    json_object_set_new(entry, "at", json_string(time_format(at, at_text))) == 0 &&
                    json_object_set_new(entry, "kind", json_string(kind)) == 0;
    if (service[0])
        return is_whole && json_object_set_new(entry, "service", json_string(service)) == 0;
    json_object_del(entry, "service");
    return is_whole;
}

enum err audit_append(struct audit_chain *chain, struct store_batch *batch, json_t *entry, int64_t at, const char *kind,
                      const char *service)
{
    int64_t seq = chain->seq + 1;
    struct id incident = {0};
    const json_t *named = json_object_get(entry, "incident");
    if (named && id_parse(json_string_value(named), json_string_length(named), &incident) != ERR_OK)
        incident = (struct id){0};
    char *text = entry_complete(entry, seq, at, kind, service) ? bounded_text(entry) : NULL;
    json_decref(entry);
    if (!text)
        return ERR_NO_MEMORY;
    struct audit_row row = {.seq = seq,
                            .hash = audit_hash(&chain->hash, text, strlen(text)),
                            .text = batch_keep(batch, text),
                            .kind = kind,
                            .service = service,
                            .incident = incident,
                            .at = at};
    free(text);
    batch_audit(batch, &row);
    if (batch_is_broken(batch))
        return ERR_NO_MEMORY;
    chain->seq = seq;
    chain->hash = row.hash;
    return ERR_OK;
}

/* ---- walking ----------------------------------------------------------------------------------------------------- */

enum err store_audit_scan(struct store_reader *reader, int64_t after, int limit,
                          void (*take)(void *context, const struct audit_row *row), void *context, int *ret_count,
                          struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&reader->connection, SQL_AUDIT_SCAN, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_int(&bind, after);
    bind_int(&bind, limit);
    int n = 0;
    while (query_next(&bind, &columns)) {
        struct audit_row row = {0};
        row.seq = column_int(&columns);
        (void)!column_blob(&columns, row.hash.bytes, sizeof row.hash.bytes); /* else zero, which no text hashes to */
        row.text = column_text(&columns);
        row.kind = column_text(&columns);
        row.service = column_text(&columns);
        row.at = column_int(&columns);
        row.incident = column_id(&columns);
        take(context, &row);
        n++;
    }
    err = query_end(&reader->connection, &bind, &columns, why);
    if (err == ERR_OK)
        *ret_count = n;
    return err;
}

/* ---- verifying --------------------------------------------------------------------------------------------------- */

PRINTF_LIKE(3, 4)
static void break_at(struct audit_verdict *verdict, int64_t seq, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(verdict->text, sizeof verdict->text, format, args);
    va_end(args);
    verdict->is_intact = false;
    verdict->broken_seq = seq;
}

/* Whether the columns that filters use say what the hashed text says. NULL, or the name of the one that does not.
 * Entries of before there was one for the incident have none in it. */
static const char *wrong_column(const struct audit_row *row, bool has_incidents)
{
    json_t *entry = json_loads(row->text, 0, NULL);
    const char *kind = json_string_value(json_object_get(entry, "kind"));
    const char *service = json_string_value(json_object_get(entry, "service"));
    const char *at = json_string_value(json_object_get(entry, "at"));
    const char *incident = json_string_value(json_object_get(entry, "incident"));
    char filed[ID_TEXT_SIZE];
    char at_text[TIME_TEXT_SIZE];
    const char *wrong = NULL;
    if (!kind || strcmp(kind, row->kind) != 0)
        wrong = "kind";
    else if (strcmp(service ? service : "", row->service) != 0)
        wrong = "service";
    else if (!at || strcmp(at, time_format(row->at, at_text)) != 0)
        wrong = "time";
    else if (id_is_nil(&row->incident) ? incident && has_incidents
                                       : !incident || strcmp(incident, id_format(&row->incident, filed)) != 0)
        wrong = "incident";
    else if (json_integer_value(json_object_get(entry, "seq")) != row->seq)
        wrong = "number";
    json_decref(entry);
    return wrong;
}

struct walk {
    struct audit_verdict verdict;
    bool has_incidents; /* from here on an entry that names an incident has it in its column as well */
};

static void verify_row(void *context, const struct audit_row *row)
{
    struct walk *walk = context;
    struct audit_verdict *verdict = &walk->verdict;
    if (!verdict->is_intact)
        return;
    int64_t expected = verdict->last_seq + 1;
    if (row->seq < expected) {
        break_at(verdict, expected, "entry %" PRId64 " stands before the first", row->seq);
        return;
    }
    if (row->seq > expected) {
        break_at(verdict, expected, "entry %" PRId64 " is missing: entry %" PRId64 " comes in its place", expected,
                 row->seq);
        return;
    }
    struct sha256 hash = audit_hash(&verdict->head, row->text, strlen(row->text));
    if (memcmp(&hash, &row->hash, sizeof hash) != 0) {
        break_at(verdict, row->seq,
                 "entry %" PRId64 " does not fit its hash: its text, its hash or an entry before it was changed",
                 row->seq);
        return;
    }
    const char *wrong = wrong_column(row, walk->has_incidents);
    if (wrong) {
        break_at(verdict, row->seq, "entry %" PRId64 " is filed under another %s than its text says", row->seq, wrong);
        return;
    }
    if (verdict->count == 0)
        verdict->first_seq = row->seq;
    verdict->last_seq = row->seq;
    verdict->count++;
    verdict->head = hash;
    walk->has_incidents |= !id_is_nil(&row->incident);
}

enum err store_audit_verify(struct store_reader *reader, struct audit_verdict *ret, struct errmsg *why)
{
    struct walk walk = {.verdict = {.is_intact = true}};
    struct audit_verdict *verdict = &walk.verdict;
    int64_t after = INT64_MIN; /* also what was put where no entry can be */
    int n = VERIFY_PAGE;
    while (n == VERIFY_PAGE && verdict->is_intact) {
        enum err err = store_audit_scan(reader, after, VERIFY_PAGE, verify_row, &walk, &n, why);
        if (err != ERR_OK)
            return err;
        after = verdict->last_seq;
    }
    if (verdict->is_intact)
        snprintf(verdict->text, sizeof verdict->text, "intact");
    *ret = *verdict;
    return ERR_OK;
}

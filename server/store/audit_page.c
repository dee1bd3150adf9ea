/* A page of the audit log, newest first.
 *
 * Each filter is one or more streams of sequence numbers, each read from the end of its index, then merged: a prefix
 * is one stream for each kind there is that begins with it (a range of kinds is not in the order of seq, and to sort it
 * would be to read all of it). So a page costs the same however long the log is. */
#include "store/internal.h"

#include <stdlib.h>
#include <string.h>

#define MAX_KINDS 64 /* of one prefix; there are some twenty in all */
#define MAX_LIMIT 500

struct filter {
    const char *service, *kind; /* NULL: any */
};

struct seqs {
    int64_t *items;
    size_t n, room;
};

static enum sql stream_sql(const struct filter *filter)
{
    if (filter->service)
        return filter->kind ? SQL_AUDIT_SEQS_OF_BOTH : SQL_AUDIT_SEQS_OF_SERVICE;
    return filter->kind ? SQL_AUDIT_SEQS_OF_KIND : SQL_AUDIT_SEQS;
}

static enum err add_stream(struct connection *connection, const struct filter *filter, int64_t before, int limit,
                           struct seqs *seqs, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, stream_sql(filter), &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, filter->service);
    bind_text(&bind, filter->kind);
    bind_int(&bind, before);
    bind_int(&bind, limit);
    while (seqs->n < seqs->room && query_next(&bind, &columns))
        seqs->items[seqs->n++] = column_int(&columns);
    return query_end(connection, &bind, &columns, why);
}

/* The first kind after filter->kind, in the order of texts; false: there is none. */
static enum err next_kind(struct connection *connection, const struct filter *filter, char *ret, size_t room,
                          bool *ret_is_there, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum sql sql = filter->service ? SQL_AUDIT_NEXT_KIND_OF_SERVICE : SQL_AUDIT_NEXT_KIND;
    enum err err = query_begin(connection, sql, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, filter->service);
    bind_text(&bind, filter->kind);
    const char *kind = query_next(&bind, &columns) ? column_text(&columns) : "";
    *ret_is_there = kind[0] && strlen(kind) < room;
    if (*ret_is_there)
        memcpy(ret, kind, strlen(kind) + 1);
    return query_end(connection, &bind, &columns, why);
}

static enum err add_prefix(struct connection *connection, const struct filter *prefix, int64_t before, int limit,
                           struct seqs *seqs, struct errmsg *why)
{
    char kinds[2][80] = {""};
    struct filter filter = *prefix;
    for (int i = 0; i < MAX_KINDS; i++) {
        bool is_there = false;
        char *kind = kinds[i % 2];
        enum err err = next_kind(connection, &filter, kind, sizeof kinds[0], &is_there, why);
        if (err != ERR_OK || !is_there || strncmp(kind, prefix->kind, strlen(prefix->kind)) != 0)
            return err;
        filter.kind = kind;
        err = add_stream(connection, &filter, before, limit, seqs, why);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

json_t *audit_item_json(int64_t seq, struct columns *columns)
{
    struct sha256 hash = {0};
    char hex[2 * SHA256_SIZE + 1];
    (void)!column_blob(columns, hash.bytes, sizeof hash.bytes);
    hex_encode(hash.bytes, sizeof hash.bytes, hex);
    const char *text = column_text(columns);
    struct json_maker item = json_make();
    make_int(&item, "seq", seq);
    make_text(&item, "hash", hex);
    json_t *entry = json_loads(text, 0, NULL);
    if (entry)
        make_value(&item, "entry", entry);
    else /* not ours any more: still shown, verify says what is wrong */
        make_text(&item, "entry", text);
    return json_made(&item);
}

static enum err add_item(struct connection *connection, int64_t seq, json_t *items, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, SQL_AUDIT_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_int(&bind, seq);
    bool is_added = true;
    if (query_next(&bind, &columns))
        is_added = json_array_append_new(items, audit_item_json(seq, &columns)) == 0;
    err = query_end(connection, &bind, &columns, why);
    return err != ERR_OK || is_added ? err : err_set(why, ERR_NO_MEMORY, "out of memory");
}

static enum err read_page(struct connection *connection, const struct filter *filter, int64_t before, int limit,
                          struct seqs *seqs, json_t *items, struct errmsg *why)
{
    size_t kind_len = filter->kind ? strlen(filter->kind) : 0;
    bool is_prefix = kind_len > 0 && filter->kind[kind_len - 1] == '.';
    enum err err = is_prefix ? add_prefix(connection, filter, before, limit + 1, seqs, why)
                             : add_stream(connection, filter, before, limit + 1, seqs, why);
    if (err == ERR_OK && seqs->n > 0)
        qsort(seqs->items, seqs->n, sizeof *seqs->items, newest_first);
    for (size_t i = 0; err == ERR_OK && i < seqs->n && i < (size_t)limit; i++)
        err = add_item(connection, seqs->items[i], items, why);
    return err;
}

enum err store_audit_page(struct store_reader *reader, int64_t before, int limit, const char *service, const char *kind,
                          json_t **ret_items, int64_t *ret_next, struct errmsg *why)
{
    if (limit < 1 || limit > MAX_LIMIT)
        return err_set(why, ERR_INVALID, "limit is %d, and can be 1 to %d", limit, MAX_LIMIT);
    const struct filter filter = {.service = service, .kind = kind};
    struct seqs seqs = {.room = ((size_t)limit + 1) * MAX_KINDS};
    seqs.items = calloc(seqs.room, sizeof *seqs.items);
    json_t *items = json_array();
    enum err err = seqs.items && items ? read_page(&reader->connection, &filter, before > 0 ? before : INT64_MAX, limit,
                                                   &seqs, items, why)
                                       : err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK) {
        *ret_next = seqs.n > (size_t)limit ? seqs.items[limit - 1] : 0;
        *ret_items = items;
    } else {
        json_decref(items);
    }
    free(seqs.items);
    return err;
}

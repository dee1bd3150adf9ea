/* Deliveries by pages, one with its body, and what is stored of sources. Bodies are read only where they are asked
 * for: they may be large. */
#include "store/internal.h"

#include <string.h>

#define MAX_LIMIT 500

/* The seq, which is no one else's business, apart. */
static json_t *delivery_json(struct columns *columns, int64_t *ret_seq)
{
    struct json_maker delivery = json_make();
    *ret_seq = column_int(columns);
    struct id id = column_id(columns);
    make_id(&delivery, "id", &id);
    make_text(&delivery, "source", column_text(columns));
    make_time(&delivery, "received_at", column_int(columns));
    make_int(&delivery, "alerts", column_int(columns));
    make_int(&delivery, "changed", column_int(columns));
    make_int(&delivery, "services", column_int(columns));
    make_int(&delivery, "body_bytes", column_int(columns));
    return json_made(&delivery);
}

static enum sql deliveries_sql(const char *source, bool is_unmatched)
{
    if (source)
        return is_unmatched ? SQL_DELIVERIES_UNMATCHED_OF_SOURCE : SQL_DELIVERIES_OF_SOURCE;
    return is_unmatched ? SQL_DELIVERIES_UNMATCHED : SQL_DELIVERIES;
}

static enum err read_page(struct connection *connection, const struct bind *bind, int limit, json_t *items,
                          int64_t *ret_next, struct errmsg *why)
{
    struct columns columns = {0};
    int64_t last = 0;
    bool is_added = true;
    *ret_next = 0;
    while (is_added && query_next(bind, &columns)) {
        if (json_array_size(items) == (size_t)limit) {
            *ret_next = last;
            break;
        }
        is_added = json_array_append_new(items, delivery_json(&columns, &last)) == 0;
    }
    enum err err = query_end(connection, bind, &columns, why);
    return err != ERR_OK || is_added ? err : err_set(why, ERR_NO_MEMORY, "out of memory");
}

enum err store_deliveries_page(struct store_reader *reader, int64_t before, int limit, const char *source,
                               bool is_unmatched, json_t **ret_items, int64_t *ret_next, struct errmsg *why)
{
    if (limit < 1 || limit > MAX_LIMIT)
        return err_set(why, ERR_INVALID, "limit is %d, and can be 1 to %d", limit, MAX_LIMIT);
    struct bind bind = {0};
    enum err err = query_begin(&reader->connection, deliveries_sql(source, is_unmatched), &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, source);
    bind_int(&bind, before > 0 ? before : INT64_MAX);
    bind_int(&bind, limit + 1);
    json_t *items = json_array();
    int64_t next;
    err = read_page(&reader->connection, &bind, limit, items, &next, why);
    if (err != ERR_OK) {
        json_decref(items);
        return err;
    }
    *ret_items = items;
    *ret_next = next;
    return ERR_OK;
}

enum err store_delivery_get(struct store_reader *reader, const struct id *id, size_t max, json_t **ret,
                            struct strbuf *ret_body, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&reader->connection, SQL_DELIVERY_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, id);
    bind_int(&bind, (int64_t)max);
    bool is_there = query_next(&bind, &columns);
    json_t *delivery = NULL;
    if (is_there) {
        int64_t seq;
        delivery = delivery_json(&columns, &seq);
        size_t len = 0;
        const void *body = column_bytes(&columns, &len);
        if (len > 0)
            strbuf_add(ret_body, body, len);
    }
    err = query_end(&reader->connection, &bind, &columns, why);
    if (err == ERR_OK && !is_there)
        err = err_set(why, ERR_NOT_FOUND, "there is no such delivery");
    if (err == ERR_OK && (!delivery || ret_body->is_broken))
        err = err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK)
        *ret = delivery;
    else
        json_decref(delivery);
    return err;
}

enum err store_source_get(struct store_reader *reader, const char *source, int64_t *ret_open_alerts,
                          int64_t *ret_last_at, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(&reader->connection, SQL_SOURCE_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_text(&bind, source);
    bool is_there = query_next(&bind, &columns);
    int64_t open_alerts = is_there ? column_int(&columns) : 0;
    int64_t last_at = is_there ? column_int(&columns) : 0;
    err = query_end(&reader->connection, &bind, &columns, why);
    if (err != ERR_OK)
        return err;
    *ret_open_alerts = open_alerts;
    *ret_last_at = last_at;
    return ERR_OK;
}

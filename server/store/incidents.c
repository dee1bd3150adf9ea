/* Incidents by pages, and one with its chain: the entries of the audit log that name it.
 *
 * A check that flaps for weeks makes a chain without end. What matters of one is how it began and what came of it, so
 * both ends are read and the middle is only counted. */
#include "store/internal.h"

#include <string.h>

static enum sql incidents_sql(const char *service, bool is_open)
{
    if (service)
        return is_open ? SQL_INCIDENTS_OPEN_OF_SERVICE : SQL_INCIDENTS_OF_SERVICE;
    return is_open ? SQL_INCIDENTS_OPEN : SQL_INCIDENTS;
}

static json_t *incident_of_page(struct columns *columns, struct id *ret_id)
{
    struct incident_row row = incident_from_columns(columns);
    *ret_id = row.id;
    return incident_json(&row);
}

enum err store_incidents_page(struct store_reader *reader, const struct id *before, int limit, const char *service,
                              bool is_open, json_t **ret_items, struct id *ret_next, struct errmsg *why)
{
    const struct page page = {incidents_sql(service, is_open), service, NULL, *before, limit, incident_of_page};
    return page_read(&reader->connection, &page, ret_items, ret_next, why);
}

/* ---- the chain --------------------------------------------------------------------------------------------------- */

/* Its first entries, or (is_end) its last of those behind *last, which then is the last of what was read. In order. */
static enum err add_part(struct connection *connection, const struct id *incident, bool is_end, json_t *chain,
                         int64_t *last, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    size_t at = json_array_size(chain);
    enum err err = query_begin(connection, is_end ? SQL_INCIDENT_CHAIN_END : SQL_INCIDENT_CHAIN, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, incident);
    bind_int(&bind, *last);
    bind_int(&bind, STORE_MAX_CHAIN / 2);
    bool is_added = true;
    while (is_added && query_next(&bind, &columns)) {
        int64_t seq = column_int(&columns);
        *last = seq > *last ? seq : *last;
        json_t *item = audit_item_json(seq, &columns);
        is_added = (is_end ? json_array_insert_new(chain, at, item) : json_array_append_new(chain, item)) == 0;
    }
    err = query_end(connection, &bind, &columns, why);
    return err != ERR_OK || is_added ? err : err_set(why, ERR_NO_MEMORY, "out of memory");
}

static enum err chain_length(struct connection *connection, const struct id *incident, int64_t *ret, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, SQL_INCIDENT_CHAIN_LENGTH, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, incident);
    *ret = query_next(&bind, &columns) ? column_int(&columns) : 0;
    return query_end(connection, &bind, &columns, why);
}

static enum err add_chain(struct connection *connection, const struct id *id, json_t *incident, struct errmsg *why)
{
    json_t *chain = json_array();
    struct json_maker maker = {.object = incident};
    int64_t last = 0;
    int64_t length = 0;
    make_value(&maker, "chain", chain);
    if (maker.is_broken)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = add_part(connection, id, false, chain, &last, why);
    if (err == ERR_OK)
        err = add_part(connection, id, true, chain, &last, why);
    if (err == ERR_OK)
        err = chain_length(connection, id, &length, why);
    if (err != ERR_OK)
        return err;
    make_int(&maker, "left_out", length - (int64_t)json_array_size(chain));
    return maker.is_broken ? err_set(why, ERR_NO_MEMORY, "out of memory") : ERR_OK;
}

static enum err get_incident(struct connection *connection, const struct id *id, json_t **ret, struct errmsg *why)
{
    struct bind bind = {0};
    struct columns columns = {0};
    enum err err = query_begin(connection, SQL_INCIDENT_GET, &bind, why);
    if (err != ERR_OK)
        return err;
    bind_id(&bind, id);
    bool is_there = query_next(&bind, &columns);
    json_t *incident = NULL;
    if (is_there) {
        struct incident_row row = incident_from_columns(&columns);
        incident = incident_json(&row);
    }
    err = query_end(connection, &bind, &columns, why);
    if (err == ERR_OK && !is_there)
        err = err_set(why, ERR_NOT_FOUND, "there is no such incident");
    if (err == ERR_OK)
        err = add_chain(connection, id, incident, why);
    if (err == ERR_OK)
        *ret = incident;
    else
        json_decref(incident);
    return err;
}

enum err store_incident_get(struct store_reader *reader, const struct id *id, json_t **ret, struct errmsg *why)
{
    json_t *incident = NULL;
    enum err err = read_begin(&reader->connection, why);
    if (err == ERR_OK)
        err = read_end(&reader->connection, get_incident(&reader->connection, id, &incident, why), why);
    if (err == ERR_OK)
        *ret = incident;
    else
        json_decref(incident);
    return err;
}

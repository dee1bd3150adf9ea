/* GET /api/v1/audit, /audit/export and /audit/verify. */
#include "http/http_internal.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- a page ------------------------------------------------------------------------------------------------------ */

void api_audit(struct request *request)
{
    int64_t before;
    int limit = api_limit(request);
    if (limit == 0 || !api_cursor(request, &before))
        return;
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    json_t *items = NULL;
    int64_t next = 0;
    struct errmsg why = {""};
    enum err err = store_audit_page(reader, before, limit, api_filter(request, "service"), api_filter(request, "kind"),
                                    &items, &next, &why);
    if (err != ERR_OK) {
        api_store_failed(request, err, &why);
        return;
    }
    answer_json(request, MHD_HTTP_OK, api_page(items, next));
}

/* ---- export ------------------------------------------------------------------------------------------------------ */

#define EXPORT_PAGE 500 /* entries read at a time; no read transaction is open between two reads */
#define MAX_EXPORTS 4   /* at once: each has a connection to the database of its own */

struct export
{
    struct http *http;
    struct store_reader *reader;
    struct strbuf lines; /* of the page being sent */
    size_t sent;         /* of them */
    int64_t seq;         /* last entry read */
};

static void export_free(void *context)
{
    struct export *export = context;
    if (!export)
        return;
    store_reader_close(export->reader);
    strbuf_done(&export->lines);
    atomic_fetch_sub(&export->http->exports, 1);
    free(export);
}

/* The stored bytes of an entry are canonical JSON and stand in the line as they are. */
static void export_entry(void *context, const struct audit_row *row)
{
    struct export *export = context;
    char hash[2 * SHA256_SIZE + 1];
    hex_encode(row->hash.bytes, sizeof row->hash.bytes, hash);
    strbuf_adds(&export->lines, "{\"hash\":\"");
    strbuf_adds(&export->lines, hash);
    strbuf_adds(&export->lines, "\",\"entry\":");
    strbuf_adds(&export->lines, row->text);
    strbuf_adds(&export->lines, "}\n");
    export->seq = row->seq;
}

/* libmicrohttpd asks for the next bytes, on the listener's thread. */
static ssize_t export_read(void *context, uint64_t position, char *to, size_t room)
{
    (void)position;
    struct export *export = context;
    if (export->sent == export->lines.len) {
        struct errmsg why = {""};
        int count = 0;
        strbuf_clear(&export->lines);
        export->sent = 0;
        enum err err = store_audit_scan(export->reader, export->seq, EXPORT_PAGE, export_entry, export, &count, &why);
        if (err != ERR_OK || export->lines.is_broken) {
            log_error("api: the export of the audit log broke off after entry %lld: %s", (long long)export->seq,
                      err != ERR_OK ? why.text : "out of memory");
            return MHD_CONTENT_READER_END_WITH_ERROR;
        }
        if (count == 0)
            return MHD_CONTENT_READER_END_OF_STREAM;
    }
    size_t left = export->lines.len - export->sent;
    size_t len = left < room ? left : room;
    memcpy(to, export->lines.data + export->sent, len);
    export->sent += len;
    return (ssize_t)len;
}

static struct export *export_new(struct request *request)
{
    struct http *http = request_http(request);
    if (atomic_fetch_add(&http->exports, 1) >= MAX_EXPORTS) {
        atomic_fetch_sub(&http->exports, 1);
        answer_later(request, "too many exports are being read");
        return NULL;
    }
    struct export *export = calloc(1, sizeof *export);
    if (!export) {
        atomic_fetch_sub(&http->exports, 1);
        answer_later(request, "out of memory");
        return NULL;
    }
    export->http = http;
    struct errmsg why = {""};
    if (store_reader_open(http->settings.database, &export->reader, &why) != ERR_OK) {
        log_error("api: the database cannot be opened for an export: %s", why.text);
        export->reader = NULL;
        export_free(export);
        answer_later(request, "the database cannot be read at the moment");
        return NULL;
    }
    return export;
}

void api_audit_export(struct request *request)
{
    struct export *export = export_new(request);
    if (!export)
        return;
    struct MHD_Response *response =
        MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 32768, export_read, export, export_free);
    if (!response) {
        export_free(export);
        answer_later(request, "out of memory");
        return;
    }
    /* libmicrohttpd ends a chunked body with its last chunk even where there is no body, and what asked by HEAD would
     * take that for the next answer. */
    if (strcmp(request->method, "HEAD") == 0)
        (void)MHD_set_response_options(response, MHD_RF_HTTP_1_0_COMPATIBLE_STRICT, MHD_RO_END);
    answer_response(request, MHD_HTTP_OK, response);
    answer_header(request, MHD_HTTP_HEADER_CONTENT_TYPE, "application/x-ndjson");
    answer_header(request, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
}

/* ---- verify ------------------------------------------------------------------------------------------------------ */

static enum err verify(struct http *http, struct store_reader *reader, struct worker_job *job)
{
    (void)http;
    return store_audit_verify(reader, &job->verdict, &job->why);
}

void api_audit_verify(struct request *request)
{
    struct worker_job *job = calloc(1, sizeof *job);
    if (job)
        job->work = verify;
    worker_give(&request_http(request)->verifier, request, job);
}

static json_t *verdict_json(const struct audit_verdict *verdict)
{
    char head[2 * SHA256_SIZE + 1];
    hex_encode(verdict->head.bytes, sizeof verdict->head.bytes, head);
    return json_pack("{s:b, s:I, s:I, s:I, s:s, s:o, s:s}", "intact", verdict->is_intact, "first",
                     (json_int_t)verdict->first_seq, "last", (json_int_t)verdict->last_seq, "count",
                     (json_int_t)verdict->count, "head", head, "broken_seq",
                     verdict->is_intact ? json_null() : json_integer(verdict->broken_seq), "text", verdict->text);
}

void api_audit_verified(struct request *request)
{
    struct exchange *exchange = exchange_end(request);
    if (atomic_load(&exchange->state) == EXCHANGE_LATE) {
        answer_later(request, "the daemon is stopping");
    } else if (exchange->job->err == ERR_OK) {
        answer_json(request, MHD_HTTP_OK, verdict_json(&exchange->job->verdict));
    } else if (exchange->job->err == ERR_FULL) {
        answer_later(request, exchange->job->why.text);
    } else {
        log_error("api: the audit log cannot be verified: %s", exchange->job->why.text);
        answer_later(request, "the database cannot be read at the moment");
    }
    exchange_release(exchange);
}

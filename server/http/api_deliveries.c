/* GET /api/v1/deliveries[/UUID]: what the monitors sent, and what it would be taken for by the rules of today.
 *
 * For that a stored body is read again by its source's handler, which takes its time: on a worker's thread, and of a
 * page only for the first that spoke of no service. Whoever was to say what a delivery did must look into the audit
 * log: the configuration may have been another then. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/utf8.h"
#include "handlers/reread.h"

#include <stdlib.h>
#include <string.h>

#define MAX_EXPLAINED 20           /* deliveries of a page */
#define MAX_PAGE_BODY (64 * 1024)  /* bytes that are read again of each of them */
#define MAX_BODY (256 * 1024)      /* the same of one alone */
#define MAX_BODY_SHOWN (64 * 1024) /* bytes */
#define MAX_ALERTS_TOLD 20         /* of one alone; of each of a page: */
#define MAX_PAGE_ALERTS 5

/* ---- read again -------------------------------------------------------------------------------------------------- */

static void say(json_t *sentences, const char *format, ...) PRINTF_LIKE(2, 3);

static void say(json_t *sentences, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_clean(text);
    (void)json_array_append_new(sentences, json_string(text));
}

/* What is told of the alerts; NULL after a sentence that says why nothing can be. */
static json_t *reread(const struct http *http, const json_t *row, const struct strbuf *body, size_t max_alerts,
                      json_t *sentences)
{
    const char *name = json_string_value(json_object_get(row, "source"));
    int source = name ? model_source_find(http->settings.model, name) : -1;
    if (source < 0) {
        say(sentences, "source %.64s is no longer in the configuration", name ? name : "?");
        return NULL;
    }
    if ((json_int_t)body->len < json_integer_value(json_object_get(row, "body_bytes"))) {
        say(sentences, "the body is too large to be read again here");
        return NULL;
    }
    const struct handler_request request = {.source = &http->settings.sources[source],
                                            .body = strbuf_text(body),
                                            .len = body->len,
                                            .now = clock_wall_ms(),
                                            .is_stored = true};
    json_t *told = NULL;
    struct errmsg why = {""};
    if (reread_delivery(&request, http->settings.model, source, max_alerts, &told, &why) == ERR_OK)
        return told;
    say(sentences, "the body cannot be read again: %s", why.text);
    return NULL;
}

static void say_nothing_told(json_t *sentences, const json_t *told)
{
    const char *nothing = json_string_value(json_object_get(told, "nothing"));
    const char *notice = json_string_value(json_object_get(json_object_get(told, "notice"), "text"));
    if (nothing)
        say(sentences, "no alert: %s", notice ? notice : nothing);
}

/* ---- one alone --------------------------------------------------------------------------------------------------- */

/* Each alert's sentences, with its number where there are several. */
static void say_all(json_t *sentences, const json_t *told)
{
    json_int_t n = json_integer_value(json_object_get(told, "n_alerts"));
    size_t i, k;
    const json_t *alert, *sentence;
    json_array_foreach(json_object_get(told, "alerts"), i, alert)
    {
        json_array_foreach(json_object_get(alert, "explanation"), k, sentence)
        {
            if (n == 1)
                say(sentences, "%s", json_string_value(sentence));
            else
                say(sentences, "alert %zu, %s: %s", i + 1, json_string_value(json_object_get(alert, "state")),
                    json_string_value(sentence));
        }
    }
    if (n > MAX_ALERTS_TOLD)
        say(sentences, "and %" JSON_INTEGER_FORMAT " more alerts", n - MAX_ALERTS_TOLD);
    say_nothing_told(sentences, told);
}

/* Its beginning, with line breaks and tabs; every other byte that is no text as "?". */
static json_t *shown_body(const struct strbuf *body)
{
    size_t len = body->len < MAX_BODY_SHOWN ? body->len : MAX_BODY_SHOWN;
    char *text = malloc(len + 1);
    if (!text)
        return NULL;
    size_t n = 0;
    while (n < len) {
        size_t character = utf8_character_len(body->data + n, body->len - n);
        unsigned char first = (unsigned char)body->data[n];
        if (character > len - n)
            break;
        bool is_text = character > 0 && (first >= ' ' || first == '\n' || first == '\t') && first != 0x7f;
        memcpy(text + n, is_text ? body->data + n : "?", is_text ? character : 1);
        n += is_text ? character : 1;
    }
    json_t *json = json_stringn(text, n);
    free(text);
    return json;
}

static enum err read_one(struct http *http, struct store_reader *reader, struct worker_job *job)
{
    struct strbuf body = STRBUF_INIT;
    json_t *row = NULL;
    enum err err = store_delivery_get(reader, &job->asked.id, MAX_BODY, &row, &body, &job->why);
    if (err == ERR_OK) {
        json_t *sentences = json_array();
        json_t *told = reread(http, row, &body, MAX_ALERTS_TOLD, sentences);
        if (told)
            say_all(sentences, told);
        json_t *alerts = json_object_get(told, "alerts");
        json_object_set_new(row, "read_again", alerts ? json_incref(alerts) : json_array());
        json_object_set_new(row, "explanation", sentences);
        json_object_set_new(row, "body", shown_body(&body));
        json_object_set_new(row, "is_cut",
                            json_boolean(json_integer_value(json_object_get(row, "body_bytes")) > MAX_BODY_SHOWN));
        json_decref(told);
        job->answer = row;
    }
    job->is_unknown = err == ERR_NOT_FOUND;
    strbuf_done(&body);
    return err;
}

/* ---- a page ------------------------------------------------------------------------------------------------------ */

/* The first of its alerts that no rule matched, which is why it stands there. */
static void say_first(json_t *sentences, const json_t *told)
{
    json_int_t n = json_integer_value(json_object_get(told, "n_alerts"));
    const json_t *alerts = json_object_get(told, "alerts");
    const json_t *first = json_array_get(alerts, 0);
    size_t i;
    const json_t *alert;
    json_array_foreach(alerts, i, alert)
    {
        if (json_integer_value(json_object_get(alert, "services")) == 0) {
            first = alert;
            break;
        }
    }
    const char *sentence = json_string_value(json_array_get(json_object_get(first, "explanation"), 0));
    if (sentence)
        say(sentences, "%s", sentence);
    if (n > 1)
        say(sentences, "and %" JSON_INTEGER_FORMAT " more alert%s", n - 1, n == 2 ? "" : "s");
    say_nothing_told(sentences, told);
}

static enum err explain_item(const struct http *http, struct store_reader *reader, json_t *item, struct errmsg *why)
{
    struct strbuf body = STRBUF_INIT;
    struct id id;
    const char *text = json_string_value(json_object_get(item, "id"));
    json_t *row = NULL;
    enum err err = id_parse(text, strlen(text), &id);
    if (err == ERR_OK)
        err = store_delivery_get(reader, &id, MAX_PAGE_BODY, &row, &body, why);
    if (err == ERR_OK) {
        json_t *sentences = json_array();
        json_t *told = reread(http, row, &body, MAX_PAGE_ALERTS, sentences);
        if (told)
            say_first(sentences, told);
        json_object_set_new(item, "explanation", sentences);
        json_decref(told);
        json_decref(row);
    }
    strbuf_done(&body);
    return err == ERR_NOT_FOUND ? ERR_OK : err; /* it was pruned meanwhile */
}

static enum err read_page(struct http *http, struct store_reader *reader, struct worker_job *job)
{
    json_t *items = NULL;
    int64_t next = 0;
    enum err err = store_deliveries_page(reader, job->asked.before, job->asked.limit,
                                         job->asked.source[0] ? job->asked.source : NULL, job->asked.is_unmatched,
                                         &items, &next, &job->why);
    int n_explained = 0;
    size_t i;
    json_t *item;
    json_array_foreach(items, i, item)
    {
        bool is_unmatched = json_integer_value(json_object_get(item, "services")) == 0;
        if (err == ERR_OK && is_unmatched && n_explained++ < MAX_EXPLAINED)
            err = explain_item(http, reader, item, &job->why);
    }
    if (err == ERR_OK)
        job->answer = api_page(items, next);
    else
        json_decref(items);
    return err;
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

void api_deliveries(struct request *request)
{
    struct worker_job asked = {.work = read_page};
    const char *unmatched = api_parameter(request, "unmatched");
    asked.asked.limit = api_limit(request);
    if (asked.asked.limit == 0 || !api_cursor(request, &asked.asked.before))
        return;
    if (unmatched[0] && strcmp(unmatched, "true") != 0 && strcmp(unmatched, "false") != 0) {
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "`unmatched` must be true or false");
        return;
    }
    asked.asked.is_unmatched = strcmp(unmatched, "true") == 0;
    snprintf(asked.asked.source, sizeof asked.asked.source, "%s", api_parameter(request, "source"));
    struct worker_job *job = malloc(sizeof *job);
    if (job)
        *job = asked;
    worker_give(&request_http(request)->rereader, request, job);
}

void api_delivery(struct request *request)
{
    struct worker_job *job = calloc(1, sizeof *job);
    if (job && id_parse(request->argument, strlen(request->argument), &job->asked.id) != ERR_OK) {
        free(job);
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no delivery with this id");
        return;
    }
    if (job)
        job->work = read_one;
    worker_give(&request_http(request)->rereader, request, job);
}

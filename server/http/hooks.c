/* The hooks listener: one delivery of a monitor becomes one command, and is answered after its commit.
 *
 * What admission.c has let in is parsed here when its body is there, and the alerts go to the orchestrator. Nothing
 * that could be taken later is answered with a 4xx, because senders drop those. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>

/* ---- the body ---------------------------------------------------------------------------------------------------- */

struct taking {
    const struct http_settings *settings;
    int source;
    struct alert *alerts;
    size_t n_alerts, room;
    size_t n_targets;
};

static enum err make_room(struct taking *taking, struct errmsg *why)
{
    if (taking->n_alerts < taking->room)
        return ERR_OK;
    size_t room = taking->room > 0 ? taking->room * 2 : 4;
    struct alert *alerts = realloc(taking->alerts, room * sizeof *alerts);
    if (!alerts)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    taking->alerts = alerts;
    taking->room = room;
    return ERR_OK;
}

/* The same alert of another source is another alert: the source's name is part of the key. */
static struct alert_key key_of(const char *source, const struct handler_alert *from)
{
    const struct bytes_view parts[] = {{source, strlen(source) + 1}, {from->identity, from->identity_len}};
    struct sha256 hash = sha256_of_parts(parts, 2);
    struct alert_key key;
    memcpy(key.bytes, hash.bytes, sizeof key.bytes);
    return key;
}

static enum err take_alert(void *context, const struct handler_alert *from, struct errmsg *why)
{
    struct taking *taking = context;
    enum err err = make_room(taking, why);
    if (err != ERR_OK)
        return err;
    struct alert *alert = &taking->alerts[taking->n_alerts];
    *alert = (struct alert){
        .key = key_of(taking->settings->sources[taking->source].name, from),
        .state = from->state,
        .starts_at = from->starts_at,
        .ends_at = from->ends_at,
        .asserted_at = from->asserted_at,
        .is_beat = match_heartbeat(taking->settings->model, taking->source, from->labels, from->n_labels),
    };
    alert->n_targets =
        match_alert(taking->settings->model, taking->source, from->labels, from->n_labels, &alert->targets);
    if (alert->n_targets < 0)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    taking->n_alerts++;
    taking->n_targets += (size_t)alert->n_targets;
    return ERR_OK;
}

static void taking_done(struct taking *taking)
{
    for (size_t i = 0; i < taking->n_alerts; i++)
        free(taking->alerts[i].targets);
    free(taking->alerts);
}

/* Each with a reason on record: a sender who is told 4xx drops what it said. */
static void refuse_body(struct request *request, enum err err, const struct errmsg *why)
{
    unsigned status = (unsigned)handler_refusal_status(err);
    if (status == 0) {
        answer_later(request, why->text);
        return;
    }
    refusal_of_source(request, why->text);
    answer_error(request, status,
                 err == ERR_INVALID   ? "invalid"
                 : err == ERR_TOO_BIG ? "too_big"
                                      : "denied",
                 "%s", why->text);
}

/* Counts what the alerts take against the bound for bodies too: a small body can hold many. */
static bool reserve_alerts(struct request *request, const struct taking *taking)
{
    size_t bytes = taking->room * sizeof *taking->alerts + taking->n_targets * sizeof(struct alert_target);
    if (!bodies_reserve(request_http(request), bytes))
        return false;
    request->reserved += bytes;
    return true;
}

static void delivery_completed(struct command *command)
{
    struct exchange *exchange = command->context;
    exchange->command = command;
    exchange_complete(exchange);
}

/* Of what came: the body, and behind it the query's parameters where there are any. */
static struct sha256 hash_of(const struct handler_request *from)
{
    struct bytes_view parts[1 + 2 * MAX_QUERY];
    size_t n = 0;
    parts[n++] = (struct bytes_view){from->body, from->len};
    for (size_t i = 0; i < from->n_query; i++) {
        parts[n++] = (struct bytes_view){from->query[i].name, strlen(from->query[i].name) + 1};
        parts[n++] = (struct bytes_view){from->query[i].value, strlen(from->query[i].value) + 1};
    }
    return sha256_of_parts(parts, n);
}

static bool take_body(struct request *request, struct handler_result *result, struct command_delivery *delivery)
{
    if (result->stored.len > 0 || result->stored.is_broken) {
        delivery->body_len = result->stored.len;
        delivery->body = strbuf_take(&result->stored);
        return delivery->body != NULL;
    }
    delivery->body = request->body;
    delivery->body_len = request->body_len;
    request->body = NULL;
    return true;
}

static struct command *delivery_new(struct request *request, const struct handler_request *from,
                                    struct handler_result *result, const struct taking *taking)
{
    struct command *command = command_new(COMMAND_DELIVERY);
    if (!command)
        return NULL;
    struct command_delivery *delivery = &command->as.delivery;
    struct sha256 hash = hash_of(from);
    memcpy(delivery->sha256, hash.bytes, sizeof delivery->sha256);
    if (!take_body(request, result, delivery)) {
        command_free(command);
        return NULL;
    }
    delivery->source = request->source;
    delivery->received_at = from->now;
    delivery->id = id_new(delivery->received_at);
    delivery->alerts = taking->alerts;
    delivery->n_alerts = taking->n_alerts;
    delivery->notice_kind = result->notice_kind;
    delivery->is_loud = result->is_loud;
    memcpy(delivery->notice, result->notice, sizeof delivery->notice);
    return command;
}

/* Takes what the delivery owns. */
static void push(struct request *request, const struct handler_request *from, struct handler_result *result,
                 struct taking *taking)
{
    struct http *http = request_http(request);
    struct command *command = delivery_new(request, from, result, taking);
    if (!command) {
        taking_done(taking);
        answer_later(request, "out of memory");
        return;
    }
    struct exchange *exchange = exchange_begin(request, clock_steady_ms() + http->settings.commit_deadline_ms);
    if (!exchange) {
        command_free(command);
        answer_later(request, "out of memory");
        return;
    }
    exchange->reserved = request->reserved;
    request->reserved = 0;
    command->done = delivery_completed;
    command->context = exchange;
    enum err err = command_queue_push(http->settings.queue, command);
    if (err != ERR_OK) {
        command->err = err;
        delivery_completed(command);
    }
}

/* An Alertmanager with an empty group (none is known to send one) has said nothing: nothing is stored, so there is no
 * delivery to name. Nor has a HEAD. */
static void answer_nothing_said(struct request *request)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"delivery\":null,\"duplicate\":true,\"alerts\":0}");
    answer_text(request, MHD_HTTP_OK, "application/json", &text);
}

/* ---- needs ------------------------------------------------------------------------------------------------------- */

static void need_completed(struct need_job *job)
{
    struct exchange *exchange = job->context;
    exchange->need = job;
    exchange_complete(exchange);
}

/* Suspends the request until what it needs is there, or for as long as a commit may take. */
static void push_need(struct request *request, const struct source *source, const struct handler_need *need)
{
    struct http *http = request_http(request);
    struct need_job *job = http->settings.needs ? calloc(1, sizeof *job) : NULL;
    struct exchange *exchange =
        job ? exchange_begin(request, clock_steady_ms() + http->settings.commit_deadline_ms) : NULL;
    if (!exchange) {
        free(job);
        answer_later(request, "what the delivery needs cannot be had at the moment");
        return;
    }
    *job = (struct need_job){.source = source, .need = *need, .done = need_completed, .context = exchange};
    enum err err = needs_push(http->settings.needs, job);
    if (err != ERR_OK) {
        job->err = err_set(&job->why, err, "too many deliveries wait for a certificate or a confirmation");
        need_completed(job);
    }
}

/* ---- the delivery ------------------------------------------------------------------------------------------------ */

struct query {
    struct handler_field fields[MAX_QUERY];
    size_t n;
};

static enum MHD_Result add_parameter(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    (void)kind;
    struct query *query = context;
    if (query->n < MAX_QUERY)
        query->fields[query->n++] = (struct handler_field){name, value ? value : ""};
    return MHD_YES;
}

static const char *header_of(const struct handler_request *request, const char *name)
{
    return request_header(request->context, name);
}

/* Whether the handler has all it needs; if not, the request waits or is answered. */
static bool is_met(struct request *request, const struct source *source, const struct handler_need *need)
{
    if (need->kind == HANDLER_NEEDS_NOTHING || (need->kind == HANDLER_NEEDS_CONFIRMATION && request->is_confirmed))
        return true;
    if (request->n_needs++ < MAX_NEEDS)
        push_need(request, source, need);
    else
        answer_later(request, "what the delivery needs could not be had");
    return false;
}

static void parsed(struct request *request, const struct handler_request *from, struct handler_result *result,
                   struct taking *taking, enum err err, struct errmsg *why)
{
    if (err == ERR_OK && !is_met(request, from->source, &result->need)) {
        taking_done(taking);
        return;
    }
    if (err == ERR_OK && is_proved_by_body(from->source) && !request_limit_source(request)) {
        taking_done(taking);
        return;
    }
    if (err == ERR_OK && !reserve_alerts(request, taking))
        err = err_set(why, ERR_FULL, "too much is being received at the moment");
    if (err == ERR_OK && (taking->n_alerts > 0 || result->notice_kind || result->nothing[0])) {
        push(request, from, result, taking);
        return;
    }
    taking_done(taking);
    if (err == ERR_OK)
        answer_nothing_said(request);
    else
        refuse_body(request, err, why);
}

static void hook_serve(struct request *request)
{
    if (strcmp(request->method, "HEAD") == 0) {
        answer_nothing_said(request);
        return;
    }
    const struct http_settings *settings = &request_http(request)->settings;
    const struct source *source = &settings->sources[request->source];
    struct taking taking = {.settings = settings, .source = request->source};
    struct query query = {.n = 0};
    MHD_get_connection_values(request->mhd, MHD_GET_ARGUMENT_KIND, add_parameter, &query);
    const struct handler_request from = {.source = source,
                                         .body = request->body ? request->body : "",
                                         .len = request->body_len,
                                         .query = query.fields,
                                         .n_query = query.n,
                                         .header = header_of,
                                         .context = request,
                                         .now = clock_wall_ms()};
    struct handler_result result = {.take = take_alert, .context = &taking};
    struct errmsg why = {""};
    enum err err = source->handler->parse(&from, &result, &why);
    parsed(request, &from, &result, &taking, err, &why);
    strbuf_done(&result.stored);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void note_heard(const struct request *request)
{
    struct heard *heard = &request_http(request)->heard[request->source];
    atomic_fetch_add(&heard->deliveries, 1);
    atomic_store(&heard->at, clock_wall_ms());
}

static void answer_stored(struct request *request, const struct command_delivery *delivery)
{
    struct http *http = request_http(request);
    note_heard(request);
    char id[ID_TEXT_SIZE];
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "{\"delivery\":\"%s\",\"duplicate\":%s,\"alerts\":%zu}", id_format(&delivery->answer_id, id),
                delivery->is_duplicate ? "true" : "false", delivery->n_alerts);
    atomic_fetch_add(delivery->is_duplicate ? &http->deliveries_duplicate : &http->deliveries_new, 1);
    answer_text(request, delivery->is_duplicate ? MHD_HTTP_OK : MHD_HTTP_ACCEPTED, "application/json", &text);
}

/* The need is met or not: the delivery is judged again, and says itself what it makes of it. */
static void need_resumed(struct request *request, const struct need_job *job)
{
    if (job->err == ERR_OK && job->need.kind == HANDLER_NEEDS_CONFIRMATION)
        request->is_confirmed = true;
    if (job->err == ERR_OK || job->need.kind == HANDLER_NEEDS_CERTIFICATE) {
        hook_serve(request);
        return;
    }
    refusal_of_source(request, job->why.text);
    answer_later(request, job->why.text);
}

static void hook_resumed(struct request *request)
{
    struct exchange *exchange = exchange_end(request);
    if (atomic_load(&exchange->state) == EXCHANGE_LATE) {
        atomic_fetch_add(&request_http(request)->deliveries_late, 1);
        answer_later(request, "it could not be stored in time");
    } else if (exchange->need) {
        need_resumed(request, exchange->need);
    } else if (exchange->command->err != ERR_OK) {
        const char *why = exchange->command->why.text;
        answer_later(request, why[0] ? why : "it cannot be stored at the moment");
    } else {
        answer_stored(request, &exchange->command->as.delivery);
    }
    exchange_release(exchange);
}

const struct route hooks_routes[] = {
    {"POST", "/hooks/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, hook_resumed, "", 0},
    {"POST", "/hooks/*/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, hook_resumed, "", 0},
    {"PUT", "/hooks/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, hook_resumed, "", 0},
    {"PUT", "/hooks/*/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, hook_resumed, "", 0},
    {"GET", "/hooks/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, hook_resumed, "", 0},
    {"GET", "/hooks/*/*", ACCESS_SOURCE, 0, hook_begin, hook_serve, hook_resumed, "", 0},
    {"GET", "/healthz", ACCESS_PROBE, 0, NULL, health_alive, NULL, "", 0},
    {"GET", "/readyz", ACCESS_PROBE, 0, NULL, health_ready, NULL, "", 0},
    {NULL, NULL, ACCESS_OPEN, 0, NULL, NULL, NULL, NULL, 0},
};

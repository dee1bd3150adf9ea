/* The hooks listener: one delivery of a monitor becomes one command, and is answered after its commit.
 *
 * In this order: path, source, credential (before anything of the body is looked at), media type, size; then the body
 * is read and parsed here, and the alerts go to the orchestrator. Nothing that could be taken later is answered with a
 * 4xx, because senders drop those. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/random.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- before the body --------------------------------------------------------------------------------------------- */

static int source_find(const struct http_settings *settings, const char *name)
{
    for (int i = 0; i < settings->n_sources; i++) {
        if (strcmp(settings->sources[i].name, name) == 0)
            return i;
    }
    return -1;
}

static void refuse_credential(struct request *request, const struct source *source)
{
    bool is_given = request_header(request, MHD_HTTP_HEADER_AUTHORIZATION) != NULL;
    refusal_of_source(request, is_given ? "wrong credential" : "no credential");
    answer_error(request, MHD_HTTP_UNAUTHORIZED, "unauthorized", "the credential is %s",
                 is_given ? "wrong" : "missing");
    if (secret_is_set(&source->bearer))
        answer_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"turnout\"");
    if (source->basic_user)
        answer_header(request, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Basic realm=\"turnout\", charset=\"UTF-8\"");
}

/* "application/json", alone or with parameters. */
static bool is_json(const char *media_type)
{
    static const char json[] = "application/json";
    if (!media_type || strncasecmp(media_type, json, sizeof json - 1) != 0)
        return false;
    const char *after = media_type + sizeof json - 1;
    after += strspn(after, " \t");
    return *after == '\0' || *after == ';';
}

static bool is_plain(const char *encoding)
{
    return !encoding || strcasecmp(encoding, "identity") == 0;
}

static void hook_begin(struct request *request)
{
    const struct http *http = request_http(request);
    request->source = source_find(&http->settings, request->argument);
    if (request->source < 0) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no such source");
        return;
    }
    const struct source *source = &http->settings.sources[request->source];
    if (!credential_is_right(source, request_header(request, MHD_HTTP_HEADER_AUTHORIZATION)))
        refuse_credential(request, source);
    else if (!is_json(request_header(request, MHD_HTTP_HEADER_CONTENT_TYPE)))
        answer_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                     "expected Content-Type: application/json");
    else if (!is_plain(request_header(request, MHD_HTTP_HEADER_CONTENT_ENCODING)))
        answer_error(request, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type",
                     "a Content-Encoding is not taken");
    else if (atomic_load(&http->is_stopping))
        answer_later(request, "the daemon is stopping");
}

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

static void refuse_body(struct request *request, enum err err, const struct errmsg *why)
{
    if (err == ERR_INVALID)
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "%s", why->text);
    else if (err == ERR_TOO_BIG)
        answer_error(request, MHD_HTTP_CONTENT_TOO_LARGE, "too_big", "%s", why->text);
    else
        answer_later(request, why->text);
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

static struct command *delivery_new(struct request *request, const struct taking *taking)
{
    struct command *command = command_new(COMMAND_DELIVERY);
    if (!command)
        return NULL;
    struct command_delivery *delivery = &command->as.delivery;
    delivery->source = request->source;
    delivery->received_at = clock_wall_ms();
    delivery->id = id_new(delivery->received_at);
    struct sha256 hash = sha256_of(request->body, request->body_len);
    memcpy(delivery->sha256, hash.bytes, sizeof delivery->sha256);
    delivery->body = request->body;
    delivery->body_len = request->body_len;
    delivery->alerts = taking->alerts;
    delivery->n_alerts = taking->n_alerts;
    request->body = NULL;
    return command;
}

/* Takes what the delivery owns. */
static void push(struct request *request, struct taking *taking)
{
    struct http *http = request_http(request);
    struct command *command = delivery_new(request, taking);
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
 * delivery to name. */
static void answer_nothing_said(struct request *request)
{
    struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"delivery\":null,\"duplicate\":true,\"alerts\":0}");
    answer_text(request, MHD_HTTP_OK, "application/json", &text);
}

static void hook_serve(struct request *request)
{
    const struct http_settings *settings = &request_http(request)->settings;
    struct taking taking = {.settings = settings, .source = request->source};
    struct errmsg why = {""};
    const struct handler *handler = settings->sources[request->source].handler;
    enum err err = handler->parse(request->body ? request->body : "", request->body_len, take_alert, &taking, &why);
    if (err == ERR_OK && !reserve_alerts(request, &taking))
        err = err_set(&why, ERR_FULL, "too much is being received at the moment");
    if (err == ERR_OK && taking.n_alerts > 0) {
        push(request, &taking);
        return;
    }
    taking_done(&taking);
    if (err == ERR_OK)
        answer_nothing_said(request);
    else
        refuse_body(request, err, &why);
}

/* ---- the answer -------------------------------------------------------------------------------------------------- */

static void answer_stored(struct request *request, const struct command_delivery *delivery)
{
    struct http *http = request_http(request);
    char id[ID_TEXT_SIZE];
    struct strbuf text = STRBUF_INIT;
    strbuf_addf(&text, "{\"delivery\":\"%s\",\"duplicate\":%s,\"alerts\":%zu}", id_format(&delivery->answer_id, id),
                delivery->is_duplicate ? "true" : "false", delivery->n_alerts);
    atomic_fetch_add(delivery->is_duplicate ? &http->deliveries_duplicate : &http->deliveries_new, 1);
    answer_text(request, delivery->is_duplicate ? MHD_HTTP_OK : MHD_HTTP_ACCEPTED, "application/json", &text);
}

static void hook_resumed(struct request *request)
{
    struct exchange *exchange = exchange_end(request);
    if (atomic_load(&exchange->state) == EXCHANGE_LATE) {
        atomic_fetch_add(&request_http(request)->deliveries_late, 1);
        answer_later(request, "it could not be stored in time");
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
    {"GET", "/healthz", ACCESS_OPEN, 0, NULL, health_alive, NULL, "", 0},
    {"GET", "/readyz", ACCESS_OPEN, 0, NULL, health_ready, NULL, "", 0},
    {NULL, NULL, ACCESS_OPEN, 0, NULL, NULL, NULL, NULL, 0},
};

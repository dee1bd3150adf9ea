#include "actions/common.h"

#include "base/clock.h"
#include "base/utf8.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define MAX_COMPARED_MS 30000 /* from the look at what is to be changed to the change */

void result_set(struct action_result *ret, enum outcome outcome, const char *format, ...)
{
    char text[sizeof(ret->text.text)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    ret->outcome = outcome;
    (void)err_set(&ret->text, ERR_OK, "%s", text);
    utf8_clean(ret->text.text); /* a record may hold what breaks a line, and it may be cut within a character */
}

/* ---- what an exchange means -------------------------------------------------------------------------------------- */

static enum outcome outcome_of_failure(const struct action_call *call, bool is_write, enum err err)
{
    switch (err) {
    case ERR_CANCELLED:
        return OUTCOME_CANCELLED;
    case ERR_INVALID:
    case ERR_DENIED: /* a certificate that is not acceptable: the same again would fail the same */
        return OUTCOME_PERMANENT;
    case ERR_UNKNOWN:
        if (!is_write && call_is_cancelled(call))
            return OUTCOME_CANCELLED;
        return is_write ? OUTCOME_UNKNOWN : OUTCOME_TEMPORARY;
    case ERR_TOO_BIG: /* an answer did come */
        return is_write ? OUTCOME_UNKNOWN : OUTCOME_TEMPORARY;
    case ERR_OK:
    case ERR_NOT_FOUND:
    case ERR_CONFLICT:
    case ERR_TEMPORARY:
    case ERR_FULL:
    case ERR_BUSY:
    case ERR_NO_MEMORY:
    case ERR_IO:
    case ERR_INTERNAL:
        return OUTCOME_TEMPORARY;
    }
    return OUTCOME_TEMPORARY;
}

void result_of_failure(struct action_call *call, struct action_result *ret, const char *who, bool is_write,
                       enum err err, const struct errmsg *why)
{
    enum outcome outcome = outcome_of_failure(call, is_write, err);
    if (err == ERR_BUSY) /* of our own making: see budget_wait() */
        ret->retry_after_ms = call->retry_after_ms;
    if (err == ERR_CONFLICT) /* nobody was asked: see call_may_write() */
        result_set(ret, outcome, "%s", why->text);
    else if (outcome == OUTCOME_CANCELLED)
        result_set(ret, outcome, "cancelled while asking %s", who);
    else if (outcome == OUTCOME_UNKNOWN)
        result_set(ret, outcome, "%s gave no complete answer, and may have acted on the request: %s", who, why->text);
    else
        result_set(ret, outcome, "%s cannot be asked: %s", who, why->text);
}

bool status_is_success(int status)
{
    return status >= 200 && status < 300;
}

enum outcome outcome_of_status(int status, bool is_write)
{
    if (status == 408 || status == 429 || status == 503)
        return OUTCOME_TEMPORARY;
    if (status >= 500)
        return is_write ? OUTCOME_UNKNOWN : OUTCOME_TEMPORARY;
    return OUTCOME_PERMANENT;
}

enum outcome outcome_of_gateway(int status, bool is_write)
{
    return status == 503 && is_write ? OUTCOME_UNKNOWN : outcome_of_status(status, is_write);
}

enum outcome outcome_of_json(const struct fetch_response *response, bool is_write)
{
    const char *body = strbuf_text(&response->body);
    return body[strspn(body, " \t\r\n")] == '{' ? outcome_of_status(response->status, is_write)
                                                : outcome_of_gateway(response->status, is_write);
}

enum outcome outcome_of_refusal(enum outcome outcome, bool is_short)
{
    return is_short && outcome == OUTCOME_PERMANENT ? OUTCOME_TEMPORARY : outcome;
}

void result_of_status(struct action_result *ret, enum outcome outcome, const char *who,
                      const struct fetch_response *response, const char *words)
{
    ret->retry_after_ms = response->retry_after_ms;
    if (words[0] == '\0')
        result_set(ret, outcome, "%s answers %d without saying why", who, response->status);
    else
        result_set(ret, outcome, "%s answers %d: %s", who, response->status, words);
}

/* ---- words ------------------------------------------------------------------------------------------------------- */

static const char hidden[] = "(secret)";

/* The secret that begins at `bytes`, or NULL. */
static const struct secret *secret_at(const struct action_call *call, const char *bytes, size_t len)
{
    for (size_t i = 0; call->provider && i < MAX_PROVIDER_SECRETS; i++) {
        const struct secret *secret = &call->provider->secrets[i].value;
        if (secret->bytes && secret->len > 0 && secret->len <= len && memcmp(bytes, secret->bytes, secret->len) == 0)
            return secret;
    }
    return NULL;
}

size_t secrets_hide(const struct action_call *call, char *bytes, size_t len)
{
    size_t end = 0;
    for (size_t i = 0; i < len;) {
        const struct secret *secret = secret_at(call, bytes + i, len - i);
        if (secret && secret->len >= sizeof(hidden) - 1) { /* a shorter one may be a word that any answer has */
            memcpy(bytes + end, hidden, sizeof(hidden) - 1);
            end += sizeof(hidden) - 1;
            i += secret->len;
        } else {
            bytes[end++] = bytes[i++];
        }
    }
    if (end < len)
        bytes[end] = '\0';
    return end;
}

void words_of(const struct action_call *call, const char *bytes, size_t len, char *ret, size_t room)
{
    static const char dots[] = "...";
    size_t end = 0;
    for (size_t i = 0; i < len;) {
        const struct secret *secret = secret_at(call, bytes + i, len - i);
        size_t char_len = utf8_character_len(bytes + i, len - i);
        bool is_shown = char_len > 1 || (char_len == 1 && bytes[i] > ' ' && bytes[i] != 0x7f);
        const char *piece = secret ? hidden : is_shown ? bytes + i : " ";
        size_t piece_len = secret ? sizeof(hidden) - 1 : is_shown ? char_len : 1;
        i += secret ? secret->len : char_len ? char_len : 1;
        if (piece[0] == ' ' && (end == 0 || ret[end - 1] == ' '))
            continue;
        if (end + piece_len + sizeof(dots) > room) {
            memcpy(ret + end, dots, sizeof(dots));
            return;
        }
        memcpy(ret + end, piece, piece_len);
        end += piece_len;
    }
    if (end > 0 && ret[end - 1] == ' ')
        end--;
    ret[end] = '\0';
}

void words_of_body(const struct action_call *call, const struct fetch_response *response, char *ret, size_t room)
{
    static const char begin[] = "<title>", told[] = " (a page of HTML)";
    const char *body = strbuf_text(&response->body);
    const char *title = strcasestr(body, "<html") ? strcasestr(body, begin) : NULL;
    const char *end = title ? strcasestr(title, "</title>") : NULL;
    if (!end || room <= sizeof(told)) {
        words_of(call, body, response->body.len, ret, room);
        return;
    }
    title += sizeof(begin) - 1;
    words_of(call, title, (size_t)(end - title), ret, room - sizeof(told));
    snprintf(ret + strlen(ret), sizeof(told), "%s", told);
}

/* ---- the call and its arguments ---------------------------------------------------------------------------------- */

int64_t call_left_ms(const struct action_call *call)
{
    return call->deadline_at - clock_steady_ms();
}

bool call_is_cancelled(const struct action_call *call)
{
    return call->cancel && atomic_load(call->cancel);
}

enum err call_may_write(struct action_call *call, struct errmsg *why)
{
    int64_t compared_at = call->compared_at, age_ms = compared_at ? clock_steady_ms() - compared_at : 0;
    call->compared_at = 0;
    if (age_ms > MAX_COMPARED_MS)
        return err_set(why, ERR_CONFLICT,
                       "nothing was sent: what it was based on was read %lld s ago, and is looked at again",
                       (long long)age_ms / 1000);
    return call->consent ? call->consent->ask(call->consent, false, why) : ERR_OK;
}

bool call_lets_write(struct action_call *call, struct action_result *ret)
{
    struct errmsg why;
    enum err err = call_may_write(call, &why);
    if (err != ERR_OK)
        result_set(ret, err == ERR_CANCELLED ? OUTCOME_CANCELLED : OUTCOME_TEMPORARY, "%s", why.text);
    return err == ERR_OK;
}

const char *arg_text(const json_t *args, const char *name, const char *fallback)
{
    const char *text = json_string_value(json_object_get(args, name));
    return text ? text : fallback;
}

int64_t arg_int(const json_t *args, const char *name, int64_t fallback)
{
    const json_t *value = json_object_get(args, name);
    return json_is_integer(value) ? json_integer_value(value) : fallback;
}

void url_encode(struct strbuf *url, const char *text)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (const char *c = text; *c; c++) {
        if (strchr(unreserved, *c))
            strbuf_addc(url, *c);
        else
            strbuf_addf(url, "%%%02X", (unsigned)(unsigned char)*c);
    }
}

void url_base(struct strbuf *url, const struct provider *provider, const char *fallback)
{
    const char *base = arg_text(provider->args, "url", fallback);
    size_t len = strlen(base);
    while (len > 0 && base[len - 1] == '/')
        len--;
    strbuf_add(url, base, len);
}

/* ---- names and targets ------------------------------------------------------------------------------------------- */

static size_t name_length(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && name[len - 1] == '.' ? len - 1 : len;
}

bool name_equal(const char *a, const char *b)
{
    size_t len = name_length(a);
    return len == name_length(b) && strncasecmp(a, b, len) == 0;
}

bool is_apex(const char *record)
{
    return record[0] == '\0' || strcmp(record, "@") == 0;
}

const char *record_label(const char *record)
{
    return is_apex(record) ? "" : record;
}

static int address_family(const char *type)
{
    return strcmp(type, "A") == 0 ? AF_INET : strcmp(type, "AAAA") == 0 ? AF_INET6 : AF_UNSPEC;
}

bool target_equal(const char *type, const char *a, const char *b)
{
    unsigned char bytes_a[16] = {0}, bytes_b[16] = {0};
    int family = address_family(type);
    if (family != AF_UNSPEC && inet_pton(family, a, bytes_a) == 1 && inet_pton(family, b, bytes_b) == 1)
        return memcmp(bytes_a, bytes_b, sizeof(bytes_a)) == 0;
    return strcmp(type, "CNAME") == 0 ? name_equal(a, b) : strcmp(a, b) == 0;
}

static bool is_host_name(const char *name)
{
    size_t len = name_length(name), label = 0;
    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)name[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (c == '.' ? label == 0 : !is_letter && c != '-' && c != '_')
            return false;
        label = c == '.' ? 0 : label + 1;
        if (label > 63)
            return false;
    }
    return label > 0;
}

enum err target_check(const char *type, const char *target, struct errmsg *why)
{
    unsigned char bytes[16];
    int family = address_family(type);
    if (family == AF_INET && inet_pton(AF_INET, target, bytes) != 1)
        return err_set(why, ERR_INVALID, "target \"%s\" is not an IPv4 address, which a record of type A holds",
                       target);
    if (family == AF_INET6 && inet_pton(AF_INET6, target, bytes) != 1)
        return err_set(why, ERR_INVALID, "target \"%s\" is not an IPv6 address, which a record of type AAAA holds",
                       target);
    if (strcmp(type, "CNAME") == 0 && (!is_host_name(target) || inet_pton(AF_INET, target, bytes) == 1))
        return err_set(why, ERR_INVALID, "target \"%s\" is not a host name, which a record of type CNAME holds",
                       target);
    return ERR_OK;
}

enum err record_check(const char *record, const char *zone, struct errmsg *why)
{
    size_t len = strlen(record), zone_len = name_length(zone);
    if (is_apex(record))
        return ERR_OK;
    if (len > zone_len && record[len - zone_len - 1] == '.' &&
        strncasecmp(record + len - zone_len, zone, zone_len) == 0)
        return err_set(why, ERR_INVALID, "record \"%s\" is the whole name; within %s it is \"%.*s\"", record, zone,
                       (int)(len - zone_len - 1), record);
    const char *labels = strncmp(record, "*.", 2) == 0 ? record + 2 : record;
    if (strcmp(record, "*") != 0 && (!is_host_name(labels) || record[len - 1] == '.'))
        return err_set(why, ERR_INVALID, "record \"%s\" is not a name within %s (@ stands for the zone itself)", record,
                       zone);
    return ERR_OK;
}

/* What an undo goes by would be missing for good, and what the next phase goes by, be looked up anew. */
static bool record_is_whole(struct action_result *ret)
{
    if (ret->current && ret->desired && ret->token && ret->previous)
        return true;
    ret->is_right = false;
    result_set(ret, OUTCOME_TEMPORARY, "out of memory for what was found");
    return false;
}

bool result_of_record(struct action_result *ret, const char *target, int64_t ttl, const char *wanted_target,
                      int64_t wanted_ttl)
{
    ret->current = json_pack("{s:s, s:I}", "target", target, "ttl", (json_int_t)ttl);
    ret->desired = json_pack("{s:s, s:I}", "target", wanted_target, "ttl", (json_int_t)wanted_ttl);
    if (!record_is_whole(ret))
        return false;
    if (ret->is_right)
        result_set(ret, OUTCOME_OK, "the record holds %s with TTL %lld, as wanted", target, (long long)ttl);
    else
        result_set(ret, OUTCOME_OK, "the record holds %s with TTL %lld; wanted is %s with TTL %lld", target,
                   (long long)ttl, wanted_target, (long long)wanted_ttl);
    return true;
}

void result_of_change(struct action_result *ret, const char *target, int64_t ttl, const char *seen_target,
                      int64_t seen_ttl)
{
    if (strcmp(target, seen_target) != 0)
        result_set(ret, OUTCOME_TEMPORARY,
                   "the record holds %.200s by now, not %.200s as was seen: nothing was sent, it is looked at again",
                   target, seen_target);
    else
        result_set(ret, OUTCOME_TEMPORARY,
                   "the record has TTL %lld by now, not %lld as was seen: nothing was sent, it is looked at again",
                   (long long)ttl, (long long)seen_ttl);
}

json_t *json_of_answer(const struct fetch_response *response, bool *ret_is_short)
{
    json_error_t error;
    json_t *json = json_loadb(strbuf_text(&response->body), response->body.len, JSON_DECODE_ANY, &error);
    /* Jansson says of everything else what it is. */
    *ret_is_short = !json && (error.text[0] == '\0' || json_error_code(&error) == json_error_out_of_memory);
    return json;
}

bool args_are_good(const struct action_call *call, struct action_result *ret,
                   enum err (*check)(const json_t *args, struct errmsg *why))
{
    struct errmsg why;
    enum err err = check(call->args, &why);
    if (err == ERR_OK)
        return true;
    result_set(ret, err == ERR_NO_MEMORY ? OUTCOME_TEMPORARY : OUTCOME_PERMANENT, "%s", why.text);
    return false;
}

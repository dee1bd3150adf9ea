/* route53.record: one simple record of a hosted zone at Amazon Route 53.
 *
 * An UPSERT replaces the whole record set, so what is not to be changed (a health check) is read and sent again; a set
 * with a routing policy or an alias is refused, since changing one of its kind by this would destroy it. A change is
 * served when GetChange says INSYNC, and only its id can tell: after an apply without a result the same UPSERT is sent
 * again, to have one. Other kinds of sets, and health checks, belong in actions of their own. */
#include "actions/action.h"
#include "actions/common.h"
#include "actions/route53_xml.h"
#include "actions/sigv4.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHO "Route 53"
#define DEFAULT_URL "https://route53.amazonaws.com"
#define VERSION_PATH "/2013-04-01"
#define MAX_ITEMS "10" /* sets of one name and type come together, so this shows that there is more than one */

static enum err route53_check_args(const json_t *args, struct errmsg *why)
{
    const char *zone = arg_text(args, "hosted_zone", "");
    if (strncmp(zone, "/hostedzone/", 12) == 0)
        zone += 12;
    if (zone[0] == '\0' || strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != strlen(zone))
        return err_set(why, ERR_INVALID, "hosted_zone \"%s\" is not the id of a hosted zone, as Z1PA6795UKMFR9 is",
                       zone);
    return target_check(arg_text(args, "type", ""), arg_text(args, "target", ""), why);
}

/* ---- requests ---------------------------------------------------------------------------------------------------- */

static enum outcome route53_outcome(int status, const char *code, bool is_write)
{
    static const char *const passing[] = {"Throttling", "ThrottlingException", "PriorRequestNotComplete",
                                          "RequestLimitExceeded", "ServiceUnavailable"};
    for (size_t i = 0; i < sizeof(passing) / sizeof(passing[0]); i++)
        if (strcmp(code, passing[i]) == 0)
            return OUTCOME_TEMPORARY;
    return outcome_of_status(status, is_write);
}

static void route53_refused(struct action_call *call, const struct fetch_response *response, bool is_write,
                            struct action_result *ret, char code[64])
{
    struct route53_error error;
    struct strbuf text = STRBUF_INIT;
    char words[WORDS_SIZE];
    code[0] = '\0';
    if (route53_error_read(strbuf_text(&response->body), response->body.len, &error) == ERR_OK) {
        snprintf(code, 64, "%s", error.code);
        bool is_clock = strcmp(code, "SignatureDoesNotMatch") == 0 || strstr(code, "Expired") || strstr(code, "Skewed");
        strbuf_addf(&text, "%s%s: %s", code, is_clock ? " (are the secret and this host's clock right?)" : "",
                    strbuf_text(&error.message));
    } else {
        strbuf_add(&text, strbuf_text(&response->body), response->body.len);
    }
    words_of(call, strbuf_text(&text), text.len, words, sizeof(words));
    result_of_status(ret, route53_outcome(response->status, code, is_write), WHO, response, words);
    strbuf_done(&error.message);
    strbuf_done(&text);
}

static enum err signed_send(struct action_call *call, struct fetch_request request, struct fetch_response *response,
                            struct errmsg *why)
{
    static const struct secret none = {NULL, 0}; /* required rows: only a call without configuration has none */
    const struct secret *id = provider_secret(call->provider, "access_key_id");
    const struct secret *secret = provider_secret(call->provider, "secret_access_key");
    const struct secret *token = provider_secret(call->provider, "session_token");
    struct sigv4_key key = {.access_key_id = id ? id->bytes : "",
                            .secret_access_key = secret ? secret : &none,
                            .session_token = token ? token->bytes : NULL,
                            .region = "us-east-1", /* of Route 53, wherever one is */
                            .service = "route53"};
    struct fetch_header headers[4];
    struct sigv4_signed made;
    size_t n = 0;
    *response = (struct fetch_response){.retry_after_ms = -1};
    if (request.body)
        headers[n++] = (struct fetch_header){"Content-Type", "text/xml", false};
    request.headers = headers;
    request.n_headers = n;
    enum err err = sigv4_sign(&key, &request, clock_wall_ms(), &made, why);
    if (err != ERR_OK)
        return err;
    headers[n++] = (struct fetch_header){"X-Amz-Date", made.date, false};
    headers[n++] = (struct fetch_header){"Authorization", strbuf_text(&made.authorization), true};
    if (token)
        headers[n++] = (struct fetch_header){"X-Amz-Security-Token", token->bytes, true};
    request.n_headers = n;
    err = action_send(call, &request, response, why);
    sigv4_signed_done(&made);
    return err;
}

/* One request for `path` below the base. True on any 2xx, the answer then is the caller's to free; otherwise false with
 * the result set and AWS's code in `code`. */
static bool route53_send(struct action_call *call, const char *method, const char *path, const struct strbuf *body,
                         struct action_result *ret, struct fetch_response *response, char code[64])
{
    struct strbuf url = STRBUF_INIT;
    struct errmsg why = {""};
    bool is_write = strcmp(method, "GET") != 0;
    url_base(&url, call->provider, DEFAULT_URL);
    strbuf_adds(&url, VERSION_PATH);
    strbuf_adds(&url, path);
    struct fetch_request request = {.method = method, .url = strbuf_text(&url)};
    if (body) {
        request.body = strbuf_text(body);
        request.body_len = body->len;
    }
    code[0] = '\0';
    enum err err = signed_send(call, request, response, &why);
    strbuf_done(&url);
    if (err == ERR_OK && status_is_success(response->status))
        return true;
    if (err == ERR_OK)
        route53_refused(call, response, is_write, ret, code);
    else
        result_of_failure(call, ret, WHO, is_write, err, &why);
    fetch_response_done(response);
    return false;
}

static void zone_path(struct strbuf *path, const struct action_call *call)
{
    const char *zone = arg_text(call->args, "hosted_zone", "");
    strbuf_adds(path, "/hostedzone/");
    url_encode(path, strncmp(zone, "/hostedzone/", 12) == 0 ? zone + 12 : zone);
    strbuf_adds(path, "/rrset");
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static bool set_is_simple(struct action_call *call, const struct route53_set *set, struct action_result *ret)
{
    const char *name = arg_text(call->args, "record", ""), *type = arg_text(call->args, "type", "");
    if (set->n_found == 1 && set->other[0] == '\0')
        return true;
    if (set->n_found == 0)
        result_set(ret, OUTCOME_PERMANENT,
                   "the hosted zone has no record %s of type %s; make it once, Turnout only changes records", name,
                   type);
    else if (set->other[0] != '\0')
        result_set(ret, OUTCOME_PERMANENT,
                   "%s of type %s is not a simple record (it has %s); make it one, or use another record", name, type,
                   set->other);
    else
        result_set(ret, OUTCOME_PERMANENT, "%s of type %s is not a simple record (there are %d sets of it)", name, type,
                   set->n_found);
    return false;
}

static bool set_find(struct action_call *call, struct action_result *ret, struct route53_set *ret_set)
{
    const char *name = arg_text(call->args, "record", ""), *type = arg_text(call->args, "type", "");
    struct strbuf path = STRBUF_INIT;
    struct fetch_response response;
    struct errmsg why;
    char code[64];
    zone_path(&path, call);
    strbuf_adds(&path, "?maxitems=" MAX_ITEMS "&name=");
    url_encode(&path, name);
    strbuf_adds(&path, "&type=");
    url_encode(&path, type);
    bool is_answered = route53_send(call, "GET", strbuf_text(&path), NULL, ret, &response, code);
    strbuf_done(&path);
    if (!is_answered)
        return false;
    enum err err = route53_set_read(strbuf_text(&response.body), response.body.len, name, type, ret_set, &why);
    if (err != ERR_OK)
        result_set(ret, OUTCOME_TEMPORARY, WHO " answers %d, but not with a list that can be read: %s", response.status,
                   why.text);
    fetch_response_done(&response);
    return err == ERR_OK && set_is_simple(call, ret_set, ret);
}

/* ---- the action -------------------------------------------------------------------------------------------------- */

static void route53_observe(struct action_call *call, struct action_result *ret)
{
    const char *type = arg_text(call->args, "type", ""), *target = arg_text(call->args, "target", "");
    int64_t ttl = arg_int(call->args, "ttl", 0);
    struct route53_set set;
    if (!args_are_good(call, ret, route53_check_args) || !set_find(call, ret, &set))
        return;
    bool is_held = set.n_values == 1 && target_equal(type, set.value, target) && set.ttl == ttl;
    ret->is_right = is_held && !call->after_unknown_apply;
    ret->token = json_pack("{s:s}", "health_check", set.health_check);
    result_of_record(ret, set.value, set.ttl, target, ttl);
    if (set.n_values > 1)
        result_set(ret, OUTCOME_OK, "the record holds %s and %d more; wanted is %s alone", set.value, set.n_values - 1,
                   target);
    else if (is_held && !ret->is_right)
        result_set(ret, OUTCOME_OK,
                   "the record holds %s, but by a change whose result is not known: it is sent again, to follow it",
                   target);
}

/* 2xx, so the change is accepted; without its id nothing tells when it is served. */
static void change_accepted(const struct fetch_response *response, struct action_result *ret)
{
    struct route53_change change;
    struct errmsg why;
    if (route53_change_read(strbuf_text(&response->body), response->body.len, &change, &why) != ERR_OK) {
        result_set(ret, OUTCOME_UNKNOWN, WHO " answers %d, but not with a change that can be followed: %s",
                   response->status, why.text);
        return;
    }
    ret->token = json_pack("{s:s}", "change", change.id);
    result_set(ret, OUTCOME_OK, WHO " has accepted change %s (%s)", change.id, change.status);
}

static void upsert_send(struct action_call *call, const char *health_check, struct action_result *ret)
{
    struct strbuf path = STRBUF_INIT, body = STRBUF_INIT;
    struct fetch_response response;
    char comment[96], code[64];
    snprintf(comment, sizeof(comment), "turnout run %s", call->run_id ? call->run_id : "");
    zone_path(&path, call);
    strbuf_addc(&path, '/');
    route53_upsert_write(&body, arg_text(call->args, "record", ""), arg_text(call->args, "type", ""),
                         arg_text(call->args, "target", ""), arg_int(call->args, "ttl", 0), health_check, comment);
    if (body.is_broken || path.is_broken) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
    } else if (route53_send(call, "POST", strbuf_text(&path), &body, ret, &response, code)) {
        change_accepted(&response, ret);
        fetch_response_done(&response);
    }
    strbuf_done(&path);
    strbuf_done(&body);
}

static void route53_apply(struct action_call *call, struct action_result *ret)
{
    struct route53_set set;
    if (!args_are_good(call, ret, route53_check_args))
        return;
    const char *health_check = arg_text(call->observed, "health_check", NULL);
    if (!health_check && !set_find(call, ret, &set))
        return;
    upsert_send(call, health_check ? health_check : set.health_check, ret);
}

static void change_judge(const struct fetch_response *response, struct action_result *ret)
{
    struct route53_change change;
    struct errmsg why;
    if (route53_change_read(strbuf_text(&response->body), response->body.len, &change, &why) != ERR_OK)
        result_set(ret, OUTCOME_TEMPORARY, WHO " answers %d, but not with a change: %s", response->status, why.text);
    else if (strcmp(change.status, "INSYNC") == 0)
        result_set(ret, OUTCOME_OK, "change %s is INSYNC: all of " WHO "'s servers have it", change.id);
    else
        result_set(ret, OUTCOME_NOT_YET, "change %s is %s", change.id, change.status);
}

static void route53_settled(struct action_call *call, struct action_result *ret)
{
    const char *id = arg_text(call->applied, "change", "");
    if (id[0] == '\0') {
        result_set(ret, OUTCOME_OK, "the record was right before this run, so no change of it is under way");
        return;
    }
    struct strbuf path = STRBUF_INIT;
    struct fetch_response response;
    char code[64];
    strbuf_adds(&path, "/change/");
    url_encode(&path, id);
    if (route53_send(call, "GET", strbuf_text(&path), NULL, ret, &response, code)) {
        change_judge(&response, ret);
        fetch_response_done(&response);
    } else if (strcmp(code, "NoSuchChange") == 0) {
        /* a change can be lost when the control plane itself fails over: it has to be sent again */
        ret->outcome = OUTCOME_UNKNOWN;
    }
    strbuf_done(&path);
}

static const struct row aws_rows[] = {
    {.name = "url", .type = ROW_URL, .help = "base of the API in place of AWS's own, what stands before " VERSION_PATH},
    {.name = "access_key_id", .type = ROW_SECRET, .is_required = true, .help = "access key id"},
    {.name = "secret_access_key",
     .type = ROW_SECRET,
     .is_required = true,
     .help = "secret access key; needs route53:ListResourceRecordSets, ChangeResourceRecordSets and GetChange"},
    {.name = "session_token", .type = ROW_SECRET, .help = "session token, for temporary keys"},
    RATE_ROW("5", "a second"),
    {.name = NULL},
};

const struct provider_kind provider_kind_aws = {
    .name = "aws",
    .help = "Amazon Web Services with an access key",
    .rows = aws_rows,
    .rate = {5, 1100}, /* a little more than a second: they may come closer together than they went out */
};

static const struct row record_rows[] = {
    {.name = "hosted_zone",
     .type = ROW_STRING,
     .is_required = true,
     .is_identity = true,
     .min = 1,
     .max = 44,
     .help = "id of the hosted zone, with or without /hostedzone/ before it"},
    {.name = "record",
     .type = ROW_NAME,
     .is_required = true,
     .is_identity = true,
     .help = "the whole name of the record"},
    RECORD_TYPE_ROW,
    RECORD_TARGET_ROW,
    {.name = "ttl",
     .type = ROW_INT,
     .default_text = "60",
     .min = 0,
     .max = 2147483647,
     .help = "time to live in seconds"},
    {.name = NULL},
};

const struct action action_route53_record = {
    .name = "route53.record",
    .help =
        "points one existing simple record of a Route 53 hosted zone to a target, and waits until all of its servers"
        " have it (INSYNC)",
    .provider_kind = "aws",
    .rows = record_rows,
    .default_timeout_ms = 20000,
    .check_args = route53_check_args,
    .observe = route53_observe,
    .apply = route53_apply,
    .settled = route53_settled,
};

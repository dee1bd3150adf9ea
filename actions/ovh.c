/* ovh.dns_record: one record of a zone in OVHcloud's DNS.
 *
 * A zone has two states: the API shows a change at once, and nothing of it is served before POST /refresh has run. So a
 * right record is no proof, and an observation that finds one asks the zone's name servers too. One zone takes one
 * refresh at a time, and loses a second one silently: change and refresh are made under a lock, and not while an
 * earlier refresh of ours is still at work. A refresh publishes
 * what anybody has staged; taking back a staged change must not be added, it would publish as well. */
#include "actions/action.h"
#include "actions/common.h"
#include "actions/ovh_api.h"
#include "actions/served.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CANDIDATES 50 /* the filter may match more than was asked for */
#define MAX_SHOWN_IDS 8
#define LOST_AFTER_MS (2 * 60 * 1000) /* a refresh that shows nothing for so long was swallowed */

struct ovh_record {
    json_int_t id;
    char target[512];
    int64_t ttl;
};

static enum err ovh_check_args(const json_t *args, struct errmsg *why)
{
    int64_t ttl = arg_int(args, "ttl", 0);
    struct dns_servers *servers = calloc(1, sizeof(*servers));
    if (!servers)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    enum err err = served_servers(json_object_get(args, "nameservers"), servers, why);
    free(servers);
    if (err == ERR_OK && ttl != 0 && ttl < 60)
        err = err_set(why, ERR_INVALID, "ttl %lld is not one that OVH takes: 60 or more, or 0 for the zone's own",
                      (long long)ttl);
    if (err == ERR_OK)
        err = record_check(arg_text(args, "record", ""), arg_text(args, "zone", ""), why);
    return err == ERR_OK ? target_check(arg_text(args, "type", ""), arg_text(args, "target", ""), why) : err;
}

/* The target as OVH is to hold it: a host name without its last dot would be taken as one within the zone. */
static void target_wanted(const struct action_call *call, char *ret, size_t room)
{
    const char *target = arg_text(call->args, "target", "");
    size_t len = strlen(target);
    bool needs_dot = strcmp(arg_text(call->args, "type", ""), "CNAME") == 0 && len > 0 && target[len - 1] != '.';
    snprintf(ret, room, "%s%s", target, needs_dot ? "." : "");
}

static bool target_is_right(const char *type, const char *held, const char *wanted)
{
    size_t len = strlen(held);
    bool is_absolute = len > 0 && held[len - 1] == '.';
    return target_equal(type, held, wanted) && (strcmp(type, "CNAME") != 0 || is_absolute);
}

static void zone_path(struct strbuf *path, const struct action_call *call, const char *rest)
{
    strbuf_adds(path, "/domain/zone/");
    const char *zone = arg_text(call->args, "zone", "");
    char *plain = strndup(zone, zone[0] && zone[strlen(zone) - 1] == '.' ? strlen(zone) - 1 : strlen(zone));
    url_encode(path, plain ? plain : zone);
    free(plain);
    strbuf_adds(path, rest);
}

static json_t *zone_get(struct action_call *call, const char *rest, struct action_result *ret, int *ret_status)
{
    struct strbuf path = STRBUF_INIT;
    json_t *body = NULL;
    zone_path(&path, call, rest);
    if (ovh_send(call, "GET", strbuf_text(&path), NULL, ret, ret_status, &body) && !body)
        result_set(ret, OUTCOME_TEMPORARY, OVH_WHO " answers %d, but not with JSON", *ret_status);
    strbuf_done(&path);
    return body;
}

/* ---- finding the record ------------------------------------------------------------------------------------------ */

static json_t *candidates_get(struct action_call *call, struct action_result *ret)
{
    struct strbuf rest = STRBUF_INIT;
    int status;
    strbuf_adds(&rest, "/record?fieldType=");
    url_encode(&rest, arg_text(call->args, "type", ""));
    strbuf_adds(&rest, "&subDomain=");
    url_encode(&rest, record_label(arg_text(call->args, "record", "")));
    json_t *ids = zone_get(call, strbuf_text(&rest), ret, &status);
    strbuf_done(&rest);
    if (!ids)
        return NULL;
    if (json_is_array(ids) && json_array_size(ids) <= MAX_CANDIDATES)
        return ids;
    result_set(ret, OUTCOME_TEMPORARY, OVH_WHO "'s list of records is not a list of at most %d ids", MAX_CANDIDATES);
    json_decref(ids);
    return NULL;
}

/* Whether this candidate is the record: the list is filtered by LIKE, and so proves nothing. */
static bool candidate_is_it(const struct action_call *call, const json_t *candidate)
{
    const char *type = arg_text(candidate, "fieldType", ""), *name = arg_text(candidate, "subDomain", "");
    return strcmp(type, arg_text(call->args, "type", "")) == 0 &&
           strcasecmp(name, record_label(arg_text(call->args, "record", ""))) == 0 &&
           arg_text(candidate, "target", NULL) != NULL;
}

static bool record_chosen(const struct action_call *call, int n_found, const char *ids, struct action_result *ret)
{
    const char *zone = arg_text(call->args, "zone", ""), *type = arg_text(call->args, "type", "");
    const char *label = record_label(arg_text(call->args, "record", ""));
    if (n_found == 0)
        result_set(
            ret, OUTCOME_PERMANENT,
            "zone %s has no record %s of type %s; make it once in OVH's control panel, Turnout only changes records",
            zone, label[0] ? label : "@", type);
    else if (n_found > 1)
        result_set(ret, OUTCOME_PERMANENT,
                   "zone %s has %d records %s of type %s (ids %s%s); leave one, so that it is plain which to change",
                   zone, n_found, label[0] ? label : "@", type, ids, n_found > MAX_SHOWN_IDS ? ", ..." : "");
    return n_found == 1;
}

static bool record_find(struct action_call *call, struct action_result *ret, struct ovh_record *ret_record)
{
    json_t *ids = candidates_get(call, ret);
    struct strbuf shown = STRBUF_INIT;
    int n_found = 0;
    bool is_read = ids != NULL;
    for (size_t i = 0; is_read && i < json_array_size(ids); i++) {
        json_int_t id = json_integer_value(json_array_get(ids, i));
        char rest[64];
        int status;
        snprintf(rest, sizeof(rest), "/record/%lld", (long long)id);
        json_t *candidate = zone_get(call, rest, ret, &status);
        if (!candidate && status == 404) /* new ones are not found for a while, and others have just gone */
            ret->outcome = OUTCOME_TEMPORARY;
        is_read = candidate != NULL;
        if (is_read && candidate_is_it(call, candidate)) {
            if (n_found++ == 0) {
                *ret_record = (struct ovh_record){.id = id, .ttl = arg_int(candidate, "ttl", 0)};
                snprintf(ret_record->target, sizeof(ret_record->target), "%s", arg_text(candidate, "target", ""));
            }
            if (n_found <= MAX_SHOWN_IDS)
                strbuf_addf(&shown, "%s%lld", shown.len ? ", " : "", (long long)id);
        }
        json_decref(candidate);
    }
    json_decref(ids);
    bool is_found = is_read && record_chosen(call, n_found, strbuf_text(&shown), ret);
    strbuf_done(&shown);
    return is_found;
}

static bool record_is_right(const struct action_call *call, const struct ovh_record *record)
{
    char wanted[600];
    target_wanted(call, wanted, sizeof(wanted));
    return record->ttl == arg_int(call->args, "ttl", 0) &&
           target_is_right(arg_text(call->args, "type", ""), record->target, wanted);
}

/* ---- what is served ---------------------------------------------------------------------------------------------- */

/* The zone's own name servers: by the API, or by the DNS when the key may not read the zone. A name whose address is
 * not found stays in the list, as one that does not answer. */
static enum err zone_servers_find(struct action_call *call, struct dns_servers *ret, struct errmsg *why)
{
    struct dns_patience patience = {clock_steady_ms() + call_left_ms(call) / 3, call->cancel}; /* leaves time to ask */
    struct action_result refused = {.retry_after_ms = -1};
    int status;
    json_t *zone = zone_get(call, "", &refused, &status);
    const json_t *names = json_object_get(zone, "nameServers"), *name;
    struct dns_servers *resolvers = calloc(1, sizeof(*resolvers));
    enum err err = resolvers ? dns_system_resolvers(resolvers, why) : err_set(why, ERR_NO_MEMORY, "out of memory");
    if (err == ERR_OK && json_array_size(names) == 0)
        err = dns_find_servers(resolvers, arg_text(call->args, "zone", ""), &patience, ret, why);
    size_t i;
    json_array_foreach(names, i, name)
    {
        if (err == ERR_OK && json_is_string(name))
            err = dns_servers_add_host(ret, json_string_value(name), resolvers, &patience, why);
    }
    free(resolvers);
    json_decref(zone);
    return err;
}

static bool has_address(const struct dns_servers *servers)
{
    for (int i = 0; i < servers->count; i++)
        if (servers->items[i].n_addresses > 0)
            return true;
    return false;
}

static enum err servers_find(struct action_call *call, struct dns_servers *ret, struct errmsg *why)
{
    const char *zone = arg_text(call->args, "zone", "");
    const json_t *given = json_object_get(call->args, "nameservers");
    memset(ret, 0, sizeof(*ret));
    if (json_is_string(given) || json_array_size(given) > 0)
        return served_servers(given, ret, why);
    if (ovh_zone_servers_recall(call, zone, ret))
        return ERR_OK;
    enum err err = zone_servers_find(call, ret, why);
    if (err == ERR_OK && has_address(ret))
        ovh_zone_servers_remember(call, zone, ret);
    return err;
}

/* What the name servers say. When they cannot even be found, that counts as one that is silent. False: cancelled. */
static bool zone_served(struct action_call *call, struct served *ret)
{
    const char *zone = arg_text(call->args, "zone", ""), *label = record_label(arg_text(call->args, "record", ""));
    char name[600];
    struct errmsg why = {"out of memory"};
    struct dns_servers *servers = calloc(1, sizeof(*servers));
    snprintf(name, sizeof(name), "%s%s%s", label, label[0] ? "." : "", zone);
    enum err err = servers ? servers_find(call, servers, &why) : ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = served_ask(call, servers, name, arg_text(call->args, "type", ""), arg_text(call->args, "target", ""), ret,
                         NULL, &why);
    free(servers);
    if (err != ERR_OK) {
        *ret = (struct served){.n_silent = 1};
        snprintf(ret->text, sizeof(ret->text), "the zone's name servers cannot be asked: %.300s", why.text);
    }
    return err != ERR_CANCELLED && !call_is_cancelled(call);
}

/* ---- the action -------------------------------------------------------------------------------------------------- */

/* A change of this run was refreshed a moment ago: whether it is served is for settled to say. */
static bool is_being_served(const struct action_call *call)
{
    int64_t at = arg_int(call->applied, "at", 0), age_ms = clock_wall_ms() - at;
    return at > 0 && !call->after_unknown_apply && age_ms >= 0 && age_ms < LOST_AFTER_MS;
}

static void ovh_observe(struct action_call *call, struct action_result *ret)
{
    char wanted[600];
    struct ovh_record record;
    if (!args_are_good(call, ret, ovh_check_args) || !record_find(call, ret, &record))
        return;
    bool is_record_right = record_is_right(call, &record);
    struct served served = {.n_right = 0};
    bool is_asked = is_record_right && !is_being_served(call);
    if (is_asked && !zone_served(call, &served)) {
        result_set(ret, OUTCOME_CANCELLED, "cancelled while asking the zone's name servers");
        return;
    }
    ret->is_right = is_record_right && (!is_asked || (served.n_right > 0 && served.n_wrong == 0));
    ret->token = json_pack("{s:I, s:b}", "record", record.id, "is_staged", is_record_right);
    target_wanted(call, wanted, sizeof(wanted));
    result_of_record(ret, record.target, record.ttl, wanted, arg_int(call->args, "ttl", 0));
    if (is_asked)
        json_object_set_new(ret->current, "served", json_string(served.text));
    if (is_asked && !ret->is_right)
        result_set(ret, OUTCOME_OK, "the record holds %s, but it is not served: %s", record.target, served.text);
}

static bool serial_get(struct action_call *call, struct action_result *ret, uint32_t *ret_serial)
{
    int status;
    json_t *soa = zone_get(call, "/soa", ret, &status);
    const json_t *serial = json_object_get(soa, "serial");
    bool is_known = json_is_integer(serial);
    if (is_known)
        *ret_serial = (uint32_t)json_integer_value(serial);
    else if (soa)
        result_set(ret, OUTCOME_TEMPORARY, OVH_WHO "'s SOA of the zone has no serial");
    json_decref(soa);
    return is_known;
}

static bool record_put(struct action_call *call, json_int_t id, struct action_result *ret)
{
    char wanted[600], rest[64];
    struct strbuf path = STRBUF_INIT;
    int status = 0;
    json_t *answer = NULL;
    target_wanted(call, wanted, sizeof(wanted));
    snprintf(rest, sizeof(rest), "/record/%lld", (long long)id);
    zone_path(&path, call, rest);
    json_t *body = json_pack("{s:s, s:s, s:I}", "subDomain", record_label(arg_text(call->args, "record", "")), "target",
                             wanted, "ttl", (json_int_t)arg_int(call->args, "ttl", 0));
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    bool is_put = false;
    if (text)
        is_put = ovh_send(call, "PUT", strbuf_text(&path), text, ret, &status, &answer);
    else
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
    if (!is_put && status == 404) /* gone since it was observed: the next observation says what is there */
        ret->outcome = OUTCOME_TEMPORARY;
    json_decref(answer);
    free(text);
    strbuf_done(&path);
    return is_put;
}

/* `is_put`: this attempt has staged a change, so what is left undone is no longer "without effect". */
static bool zone_refresh(struct action_call *call, bool is_put, struct action_result *ret)
{
    struct strbuf path = STRBUF_INIT;
    int status;
    json_t *answer = NULL;
    zone_path(&path, call, "/refresh");
    bool is_refreshed = ovh_send(call, "POST", strbuf_text(&path), NULL, ret, &status, &answer);
    if (!is_refreshed) {
        struct errmsg why = ret->text;
        enum outcome outcome = ret->outcome;
        if (is_put && (outcome == OUTCOME_TEMPORARY || outcome == OUTCOME_CANCELLED))
            outcome = OUTCOME_UNKNOWN;
        result_set(ret, outcome, "the record is staged but not served, its zone could not be refreshed: %.400s",
                   why.text);
    }
    json_decref(answer);
    strbuf_done(&path);
    return is_refreshed;
}

/* Under the zone's lock. */
static void change_and_refresh(struct action_call *call, json_int_t id, bool is_staged, struct action_result *ret)
{
    const char *zone = arg_text(call->args, "zone", "");
    uint32_t serial;
    if (!serial_get(call, ret, &serial))
        return;
    /* Our own refresh is made again only when it was judged to be lost. */
    bool is_own = arg_int(call->applied, "serial", -1) == (int64_t)serial;
    if (!is_own && ovh_zone_is_refreshing(call, zone, serial)) {
        result_set(ret, OUTCOME_TEMPORARY, "zone %s is being refreshed for another change; nothing was sent", zone);
        return;
    }
    if ((!is_staged && !record_put(call, id, ret)) || !zone_refresh(call, !is_staged, ret))
        return;
    ovh_zone_refreshed(call, zone, serial);
    ret->token = json_pack("{s:I, s:I, s:b}", "serial", (json_int_t)serial, "at", (json_int_t)clock_wall_ms(),
                           "is_refresh_only", is_staged);
    result_set(ret, OUTCOME_OK, "%s, and zone %s is being refreshed (serial %lu before)",
               is_staged ? "the record was right already" : "the record is changed", zone, (unsigned long)serial);
}

static void ovh_apply(struct action_call *call, struct action_result *ret)
{
    const char *zone = arg_text(call->args, "zone", "");
    json_int_t id = arg_int(call->observed, "record", 0);
    bool is_staged = json_is_true(json_object_get(call->observed, "is_staged"));
    struct ovh_record record;
    if (!args_are_good(call, ret, ovh_check_args))
        return;
    if (id <= 0) {
        if (!record_find(call, ret, &record))
            return;
        id = record.id;
        is_staged = record_is_right(call, &record);
    }
    if (!ovh_zone_lock(call, zone, ret))
        return;
    change_and_refresh(call, id, is_staged, ret);
    ovh_zone_unlock(call, zone);
}

/* Not yet, or lost on its way when it has been so for long. */
PRINTF_LIKE(3, 4)
static void not_yet(struct action_call *call, struct action_result *ret, const char *format, ...)
{
    char text[460];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    int64_t at = arg_int(call->applied, "at", 0);
    if (at > 0 && clock_wall_ms() - at > LOST_AFTER_MS)
        result_set(ret, OUTCOME_UNKNOWN, "the refresh seems to be lost: %s", text);
    else
        result_set(ret, OUTCOME_NOT_YET, "%s", text);
}

/* The serial tells that the refresh has run, the name servers that people get what it brought. */
static void ovh_settled(struct action_call *call, struct action_result *ret)
{
    const json_t *before = json_object_get(call->applied, "serial");
    bool is_refresh_only = json_is_true(json_object_get(call->applied, "is_refresh_only"));
    struct served served;
    uint32_t serial = 0, old = (uint32_t)json_integer_value(before);
    if (before && !serial_get(call, ret, &serial))
        return;
    bool is_past = before && (int32_t)(serial - old) > 0;
    if (before && !is_past && !is_refresh_only) {
        not_yet(call, ret, "the zone's serial still is %lu", (unsigned long)serial);
        return;
    }
    if (!zone_served(call, &served))
        result_set(ret, OUTCOME_CANCELLED, "cancelled while asking the zone's name servers");
    else if (served.n_wrong > 0 || (served.n_right == 0 && !is_past))
        not_yet(call, ret, "%s", served.text);
    else if (served.n_right == 0)
        result_set(ret, OUTCOME_OK, "the zone's serial went from %lu to %lu; its name servers could not be asked: %s",
                   (unsigned long)old, (unsigned long)serial, served.text);
    else
        result_set(ret, OUTCOME_OK, "%s", served.text);
}

const struct provider_kind provider_kind_ovh = {
    .name = "ovh",
    .help = "OVHcloud API 1.0 with application keys",
    .rows = ovh_provider_rows,
    .open = ovh_open,
    .close = ovh_close,
};

static const struct row record_rows[] = {
    {.name = "zone", .type = ROW_NAME, .is_required = true, .help = "the DNS zone"},
    {.name = "record",
     .type = ROW_STRING,
     .is_required = true,
     .max = 255,
     .help = "name of the record within the zone; @ for the zone itself"},
    RECORD_TYPE_ROW,
    RECORD_TARGET_ROW,
    {.name = "ttl",
     .type = ROW_INT,
     .default_text = "60",
     .min = 0,
     .max = 2147483647,
     .help = "time to live in seconds, 60 or more; 0: the zone's own"},
    {.name = "nameservers",
     .type = ROW_ENDPOINTS,
     .help = "name servers to ask whether the change is served, ADDRESS or ADDRESS:PORT; default: the zone's own"},
    {.name = NULL},
};

const struct action action_ovh_dns_record = {
    .name = "ovh.dns_record",
    .help =
        "points one existing record of an OVHcloud DNS zone to a target, refreshes the zone, and waits until its name"
        " servers answer the target",
    .provider_kind = "ovh",
    .rows = record_rows,
    .default_timeout_ms = 30000,
    .check_args = ovh_check_args,
    .observe = ovh_observe,
    .apply = ovh_apply,
    .settled = ovh_settled,
};

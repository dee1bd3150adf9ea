/* ovh.dns_record: one record of a zone in OVHcloud's DNS.
 *
 * A zone has two states: the API shows a change at once, and nothing of it is served before POST /refresh has run. So a
 * right record is no proof, and an observation that finds one asks the zone's name servers too. One zone takes one
 * refresh at a time, and loses a second one silently: changes are made one after another, those that wait share one
 * refresh, and none is made while an earlier refresh of ours is still at work. Records have no version, so what was
 * observed is read once more just before the write. A refresh publishes what anybody has staged; taking back a staged
 * change behind a failed refresh must not be added, it would publish as well. */
#include "actions/action.h"
#include "actions/by_hand.h"
#include "actions/common.h"
#include "actions/ovh_api.h"
#include "actions/ovh_find.h"
#include "actions/served.h"
#include "base/clock.h"
#include "core/json_whole.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOST_AFTER_MS (2 * 60 * 1000) /* a refresh that shows nothing for so long was swallowed */

/* ---- what is served ---------------------------------------------------------------------------------------------- */

/* The zone's own name servers: by the API, or by the DNS when the key may not read the zone. A name whose address is
 * not found stays in the list, as one that does not answer. */
static enum err zone_servers_find(struct action_call *call, struct dns_servers *ret, struct errmsg *why)
{
    struct dns_patience patience = {clock_steady_ms() + call_left_ms(call) / 3, call->cancel}; /* leaves time to ask */
    struct action_result refused = {.retry_after_ms = -1};
    int status;
    json_t *zone = ovh_zone_get(call, "", &refused, &status);
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

/* What the name servers say. When they cannot even be found, that counts as one that is silent. False
 * with the result set: cancelled, or out of memory. */
static bool zone_served(struct action_call *call, struct served *ret, struct action_result *result)
{
    const char *zone = arg_text(call->args, "zone", ""), *label = record_label(arg_text(call->args, "record", ""));
    char name[600], target[600];
    struct errmsg why = {"out of memory"};
    struct dns_servers *servers = calloc(1, sizeof(*servers));
    snprintf(name, sizeof(name), "%s%s%s", label, label[0] ? "." : "", zone);
    ovh_target_meant(call->args, target, sizeof(target));
    enum err err = servers ? servers_find(call, servers, &why) : ERR_NO_MEMORY;
    if (err == ERR_OK)
        err = served_ask(call, servers, name, arg_text(call->args, "type", ""), target, ret, NULL, &why);
    free(servers);
    if (err != ERR_OK) {
        *ret = (struct served){.n_silent = 1};
        snprintf(ret->text, sizeof(ret->text), "the zone's name servers cannot be asked: %.300s", why.text);
    }
    bool is_cancelled = err == ERR_CANCELLED || call_is_cancelled(call);
    if (is_cancelled)
        result_set(result, OUTCOME_CANCELLED, "cancelled while asking the zone's name servers");
    else if (err == ERR_NO_MEMORY)
        result_set(result, OUTCOME_TEMPORARY, "%s", ret->text);
    return !is_cancelled && err != ERR_NO_MEMORY;
}

/* ---- the action -------------------------------------------------------------------------------------------------- */

/* What puts back the record that was found, to the letter. */
static json_t *previous_of(const struct action_call *call, const struct ovh_record *record)
{
    size_t len = strlen(record->target);
    bool is_name = strcmp(arg_text(call->args, "type", ""), "CNAME") == 0;
    return json_pack("{s:s, s:I, s:b}", "target", record->target, "ttl", (json_int_t)record->ttl, "is_relative",
                     is_name && len > 0 && record->target[len - 1] != '.');
}

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
    if (!args_are_good(call, ret, ovh_check_args) || !ovh_record_find(call, ret, &record))
        return;
    bool is_record_right = ovh_record_is_right(call, &record);
    struct served served = {.n_right = 0};
    bool is_asked = is_record_right && !is_being_served(call);
    if (is_asked && !zone_served(call, &served, ret))
        return;
    ret->is_right = is_record_right && (!is_asked || (served.n_right > 0 && served.n_wrong == 0));
    ret->token = json_pack("{s:I, s:s, s:s, s:I, s:b}", "record", record.id, "label", record.label, "target",
                           record.target, "ttl", (json_int_t)record.ttl, "is_staged", is_record_right);
    ret->previous = previous_of(call, &record);
    ovh_target_wanted(call->args, wanted, sizeof(wanted));
    if (!result_of_record(ret, record.target, record.ttl, wanted, arg_int(call->args, "ttl", 0)))
        return;
    if (is_asked)
        json_object_set_new(ret->current, "served", json_string(served.text));
    if (is_asked && !ret->is_right)
        result_set(ret, OUTCOME_OK, "the record holds %s, but it is not served: %s", record.target, served.text);
    if (call->is_look)
        ret->ends_at = ovh_credential_ends_at(call);
}

static bool serial_get(struct action_call *call, struct action_result *ret, uint32_t *ret_serial)
{
    int status;
    json_t *soa = ovh_zone_get(call, "/soa", ret, &status);
    const json_t *serial = json_object_get(soa, "serial");
    bool is_known = json_is_integer(serial);
    if (is_known)
        *ret_serial = (uint32_t)json_integer_value(serial);
    else if (soa)
        result_set(ret, OUTCOME_TEMPORARY, OVH_WHO "'s SOA of the zone has no serial");
    json_decref(soa);
    return is_known;
}

/* What was observed; without an observation it is looked up now. */
static bool seen_find(struct action_call *call, struct action_result *ret, struct ovh_record *ret_seen)
{
    const char *target = arg_text(call->observed, "target", "");
    *ret_seen =
        (struct ovh_record){.id = arg_int(call->observed, "record", 0), .ttl = arg_int(call->observed, "ttl", -1)};
    if (ret_seen->id <= 0 || ret_seen->ttl < 0 || target[0] == '\0')
        return ovh_record_find(call, ret, ret_seen);
    snprintf(ret_seen->target, sizeof(ret_seen->target), "%s", target);
    snprintf(ret_seen->label, sizeof(ret_seen->label), "%s", arg_text(call->observed, "label", ""));
    return true;
}

/* Compares the record with what was seen. False with the result set when it is another one by now. */
static bool record_is_as_seen(struct action_call *call, const struct ovh_record *seen, struct action_result *ret)
{
    char rest[64];
    int status;
    snprintf(rest, sizeof(rest), "/record/%lld", (long long)seen->id);
    call->compared_at = clock_steady_ms();
    json_t *record = ovh_zone_get(call, rest, ret, &status);
    if (!record && status == 404) /* gone since it was observed: the next observation says what is there */
        ret->outcome = OUTCOME_TEMPORARY;
    if (!record)
        return false;
    const char *target = arg_text(record, "target", "");
    bool is_it = ovh_record_is_it(call, record);
    bool is_as_seen = is_it && strcmp(target, seen->target) == 0 && arg_int(record, "ttl", 0) == seen->ttl;
    if (!is_it)
        result_set(ret, OUTCOME_TEMPORARY, "record %lld is another one by now; nothing was sent, it is looked at again",
                   (long long)seen->id);
    else if (!is_as_seen)
        result_of_change(ret, target, arg_int(record, "ttl", 0), seen->target, seen->ttl);
    json_decref(record);
    return is_as_seen;
}

static bool record_put(struct action_call *call, const struct ovh_record *seen, struct action_result *ret)
{
    char wanted[600], rest[64];
    struct strbuf path = STRBUF_INIT;
    int status = 0;
    json_t *answer = NULL;
    ovh_target_wanted(call->args, wanted, sizeof(wanted));
    snprintf(rest, sizeof(rest), "/record/%lld", (long long)seen->id);
    ovh_zone_path(&path, call, rest);
    json_t *body = json_pack("{s:s, s:s, s:I}", "subDomain", seen->label, "target", wanted, "ttl",
                             (json_int_t)arg_int(call->args, "ttl", 0));
    char *text = json_whole(body, JSON_COMPACT);
    json_decref(body);
    bool is_put = false;
    if (text)
        is_put = ovh_send(call, "PUT", strbuf_whole(&path), text, ret, &status, &answer);
    else
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
    if (!is_put && status == 404) /* gone since it was observed: the next observation says what is there */
        ret->outcome = OUTCOME_TEMPORARY;
    json_decref(answer);
    free(text);
    strbuf_done(&path);
    return is_put;
}

/* What this attempt has staged is there, so what is left undone is no longer "without effect". */
static void staged_note(bool is_put, struct action_result *ret)
{
    struct errmsg why = ret->text;
    enum outcome outcome = ret->outcome;
    if (is_put && (outcome == OUTCOME_TEMPORARY || outcome == OUTCOME_CANCELLED))
        outcome = OUTCOME_UNKNOWN;
    result_set(ret, outcome, "the record is staged but not served, its zone could not be refreshed: %.400s", why.text);
}

/* For all that have staged their records before. With OK a token that is the same for all. */
static void zone_refresh(struct action_call *call, bool has_serial, uint32_t serial, struct action_result *ret)
{
    struct strbuf path = STRBUF_INIT;
    int status;
    json_t *answer = NULL;
    const char *zone = arg_text(call->args, "zone", "");
    if (!has_serial && !serial_get(call, ret, &serial))
        return;
    ovh_zone_path(&path, call, "/refresh");
    if (ovh_send(call, "POST", strbuf_whole(&path), NULL, ret, &status, &answer)) {
        ovh_zone_refreshed(call, zone, serial);
        ret->token = json_pack("{s:I, s:I}", "serial", (json_int_t)serial, "at", (json_int_t)clock_wall_ms());
        result_set(ret, ret->token ? OUTCOME_OK : OUTCOME_UNKNOWN, "zone %s is being refreshed (serial %lu before)%s",
                   zone, (unsigned long)serial, ret->token ? "" : "; out of memory for what follows from it");
    }
    json_decref(answer);
    strbuf_done(&path);
}

/* The record is staged and the zone ours: leaves it to others that stage, until one of us refreshes for all. */
static void refresh_share(struct action_call *call, bool is_put, bool has_serial, uint32_t serial,
                          struct action_result *ret)
{
    const char *zone = arg_text(call->args, "zone", "");
    struct zone_batch batch;
    int n_others = 0;
    enum zone_share share = zone_share(ovh_queue(call), zone, call, NULL, true, false, &batch, ret);
    if (share == ZONE_LEAD) {
        n_others = batch.n - 1;
        zone_refresh(call, has_serial, serial, ret);
        zone_batch_end(ovh_queue(call), zone, call, &batch, ret, false);
    }
    if (ret->outcome != OUTCOME_OK) {
        staged_note(is_put, ret);
        return;
    }
    struct errmsg refreshed = ret->text;
    json_object_set_new(ret->token, "is_refresh_only", json_boolean(!is_put));
    result_set(ret, OUTCOME_OK, "%s, and %.300s%s", is_put ? "the record is changed" : "the record was right already",
               refreshed.text, share == ZONE_LEAD && n_others == 0 ? "" : ", together with others");
}

/* With the zone ours: stages the change, unless it is. False with the result set. */
static bool record_stage(struct action_call *call, const struct ovh_record *seen, bool is_staged, bool *ret_has_serial,
                         uint32_t *ret_serial, struct action_result *ret)
{
    const char *zone = arg_text(call->args, "zone", "");
    *ret_has_serial = !zone_is_shared(ovh_queue(call), zone); /* others have looked, and wait to refresh */
    if (*ret_has_serial) {
        if (!serial_get(call, ret, ret_serial))
            return false;
        /* Our own refresh is made again only when it was judged to be lost. */
        bool is_own = arg_int(call->applied, "serial", -1) == (int64_t)*ret_serial;
        if (!is_own && ovh_zone_is_refreshing(call, zone, *ret_serial)) {
            result_set(ret, OUTCOME_TEMPORARY, "zone %s is being refreshed for another change; nothing was sent", zone);
            return false;
        }
    }
    if (!record_is_as_seen(call, seen, ret))
        return false;
    if (!is_staged)
        return record_put(call, seen, ret);
    call->compared_at = 0; /* nothing is changed by it */
    return true;
}

static void ovh_apply(struct action_call *call, struct action_result *ret)
{
    const char *zone = arg_text(call->args, "zone", "");
    struct ovh_record seen;
    bool has_serial;
    uint32_t serial = 0;
    if (!args_are_good(call, ret, ovh_check_args) || !seen_find(call, ret, &seen) ||
        !zone_enter(ovh_queue(call), zone, call, ret))
        return;
    bool is_staged = ovh_record_is_right(call, &seen);
    if (record_stage(call, &seen, is_staged, &has_serial, &serial, ret))
        refresh_share(call, !is_staged, has_serial, serial, ret);
    else
        zone_leave(ovh_queue(call), zone);
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
    if (!zone_served(call, &served, ret))
        return;
    if (served.n_wrong > 0 || (served.n_right == 0 && !is_past))
        not_yet(call, ret, "%s", served.text);
    else if (served.n_right == 0)
        result_set(ret, OUTCOME_OK, "the zone's serial went from %lu to %lu; its name servers could not be asked: %s",
                   (unsigned long)old, (unsigned long)serial, served.text);
    else
        result_set(ret, OUTCOME_OK, "%s", served.text);
}

/* ---- by hand ---- */

/* A signed request, as a function of sh: METHOD URL BODY. The secrets are signed and sent through pipes. */
static void signed_function_write(struct strbuf *script, const struct provider *provider)
{
    strbuf_adds(script, "ovh_signed() {\n  at=$(" BY_HAND_CURL " ");
    by_hand_url(script, provider, ovh_endpoint_base(provider), "/auth/time");
    strbuf_adds(script, ") || return 1\n  sum=$(printf '%s+%s+%s+%s+%s+%s' \"");
    by_hand_variable(script, provider, "application_secret");
    strbuf_adds(script, "\" \"");
    by_hand_variable(script, provider, "consumer_key");
    strbuf_adds(script, "\" \"$1\" \"$2\" \"$3\" \"$at\" |\n    openssl dgst -sha1 -r | cut -d' ' -f1)\n"
                        "  printf 'header = \"X-Ovh-Application: %s\"\\nheader = \"X-Ovh-Consumer: %s\"\\n"
                        "header = \"X-Ovh-Signature: $1$%s\"\\n' \\\n    \"");
    by_hand_variable(script, provider, "application_key");
    strbuf_adds(script, "\" \"");
    by_hand_variable(script, provider, "consumer_key");
    strbuf_adds(script, "\" \"$sum\" |\n    " BY_HAND_CURL " -K - -X \"$1\" -H \"X-Ovh-Timestamp: $at\" "
                        "-H 'Content-Type: application/json' \\\n    --data-binary \"$3\" \"$2\"\n}\n");
}

static void ovh_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                           const json_t *token)
{
    json_int_t id = arg_int(token, "record", 0);
    char target[600], wanted[640], record[64];
    struct action_call call = {.args = args};
    struct strbuf path = STRBUF_INIT;
    if (id <= 0) {
        by_hand_unknown(script, "the id of this record at OVH is not known");
        return;
    }
    ovh_target_wanted(args, target, sizeof(target));
    snprintf(wanted, sizeof(wanted), "\"target\":\"%s\"", target);
    snprintf(record, sizeof(record), "/record/%lld", (long long)id);
    ovh_zone_path(&path, &call, record);
    signed_function_write(script, provider);
    strbuf_adds(script, "ovh_signed GET ");
    by_hand_url(script, provider, ovh_endpoint_base(provider), strbuf_whole(&path));
    strbuf_adds(script, " ''");
    by_hand_expect(script, wanted);
    strbuf_done(&path);
}

static void ovh_write_script(struct strbuf *script, const json_t *args, const struct provider *provider,
                             const json_t *token)
{
    json_int_t id = arg_int(token, "record", 0);
    char wanted[600], record[64];
    ovh_target_wanted(args, wanted, sizeof(wanted));
    json_t *body = json_pack("{s:s, s:s, s:I}", "subDomain", arg_text(token, "label", ""), "target", wanted, "ttl",
                             (json_int_t)arg_int(args, "ttl", 0));
    char *text = json_whole(body, JSON_COMPACT);
    struct action_call call = {.args = args};
    struct strbuf path = STRBUF_INIT, refresh = STRBUF_INIT;
    json_decref(body);
    snprintf(record, sizeof(record), "/record/%lld", (long long)id);
    ovh_zone_path(&path, &call, record);
    ovh_zone_path(&refresh, &call, "/refresh");
    if (id <= 0) {
        by_hand_unknown(script, "the id of this record at OVH is not known");
    } else {
        signed_function_write(script, provider);
        strbuf_adds(script, "ovh_signed PUT ");
        by_hand_url(script, provider, ovh_endpoint_base(provider), strbuf_whole(&path));
        strbuf_adds(script, " \\\n  ");
        by_hand_quote(script, text);
        strbuf_adds(script, " && {\n  ovh_signed POST ");
        by_hand_url(script, provider, ovh_endpoint_base(provider), strbuf_whole(&refresh));
        strbuf_adds(script,
                    " '' || {\n    echo 'the record is changed, but not served: the zone is not refreshed' >&2\n"
                    "    false\n  }\n}\n");
    }
    free(text);
    strbuf_done(&path);
    strbuf_done(&refresh);
}

const struct provider_kind provider_kind_ovh = {
    .name = "ovh",
    .help = "OVHcloud API 1.0 with application keys",
    .rows = ovh_provider_rows,
    .rate = {60, 60000},
    .open = ovh_open,
    .close = ovh_close,
};

static const struct row record_rows[] = {
    {.name = "zone", .type = ROW_NAME, .is_required = true, .is_identity = true, .help = "the DNS zone"},
    {.name = "record",
     .type = ROW_STRING,
     .is_required = true,
     .is_identity = true,
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
    .survey = ovh_survey,
    .write_script = ovh_write_script,
    .write_look = ovh_write_look,
};

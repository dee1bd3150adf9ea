#include "actions/ovh_find.h"

#include "actions/common.h"
#include "actions/ovh_api.h"
#include "actions/served.h"
#include "actions/survey.h"
#include "base/cleanup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CANDIDATES 50 /* the filter may match more than was asked for */
#define MAX_SHOWN_IDS 8
#define MAX_SURVEYED 300   /* one request each */
#define LEAST_LEFT_MS 1000 /* of the call's time: less than that is not enough for one more */

enum err ovh_check_args(const json_t *args, struct errmsg *why)
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

/* A CNAME that was found without its last dot is put back in the same way. */
static bool is_relative(const json_t *args)
{
    return json_is_true(json_object_get(args, "is_relative"));
}

void ovh_target_wanted(const json_t *args, char *ret, size_t room)
{
    const char *target = arg_text(args, "target", "");
    size_t len = strlen(target);
    bool needs_dot = strcmp(arg_text(args, "type", ""), "CNAME") == 0 && len > 0 && target[len - 1] != '.';
    snprintf(ret, room, "%s%s", target, needs_dot && !is_relative(args) ? "." : "");
}

void ovh_target_meant(const json_t *args, char *ret, size_t room)
{
    if (is_relative(args))
        snprintf(ret, room, "%s.%s", arg_text(args, "target", ""), arg_text(args, "zone", ""));
    else
        snprintf(ret, room, "%s", arg_text(args, "target", ""));
}

static bool target_is_right(const json_t *args, const char *held)
{
    char wanted[600];
    const char *type = arg_text(args, "type", "");
    size_t len = strlen(held);
    bool is_absolute = len > 0 && held[len - 1] == '.';
    ovh_target_wanted(args, wanted, sizeof(wanted));
    return target_equal(type, held, wanted) && (strcmp(type, "CNAME") != 0 || is_absolute != is_relative(args));
}

bool ovh_record_is_right(const struct action_call *call, const struct ovh_record *record)
{
    return record->ttl == arg_int(call->args, "ttl", 0) && target_is_right(call->args, record->target);
}

void ovh_zone_path(struct strbuf *path, const struct action_call *call, const char *rest)
{
    strbuf_adds(path, "/domain/zone/");
    const char *zone = arg_text(call->args, "zone", "");
    char *plain = strndup(zone, zone[0] && zone[strlen(zone) - 1] == '.' ? strlen(zone) - 1 : strlen(zone));
    if (plain)
        url_encode(path, plain);
    else
        path->is_broken = true;
    free(plain);
    if (rest)
        strbuf_adds(path, rest);
    else
        path->is_broken = true;
}

json_t *ovh_zone_get(struct action_call *call, const char *rest, struct action_result *ret, int *ret_status)
{
    struct strbuf path = STRBUF_INIT;
    json_t *body = NULL;
    ovh_zone_path(&path, call, rest);
    if (ovh_send(call, "GET", strbuf_whole(&path), NULL, ret, ret_status, &body) && !body)
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
    json_t *ids = ovh_zone_get(call, strbuf_whole(&rest), ret, &status);
    strbuf_done(&rest);
    if (!ids)
        return NULL;
    if (json_is_array(ids) && json_array_size(ids) <= MAX_CANDIDATES)
        return ids;
    result_set(ret, OUTCOME_TEMPORARY, OVH_WHO "'s list of records is not a list of at most %d ids", MAX_CANDIDATES);
    json_decref(ids);
    return NULL;
}

bool ovh_record_is_it(const struct action_call *call, const json_t *candidate)
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

bool ovh_record_find(struct action_call *call, struct action_result *ret, struct ovh_record *ret_record)
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
        json_t *candidate = ovh_zone_get(call, rest, ret, &status);
        if (!candidate && status == 404) /* new ones are not found for a while, and others have just gone */
            ret->outcome = OUTCOME_TEMPORARY;
        is_read = candidate != NULL;
        if (is_read && ovh_record_is_it(call, candidate)) {
            if (n_found++ == 0) {
                *ret_record = (struct ovh_record){.id = id, .ttl = arg_int(candidate, "ttl", 0)};
                snprintf(ret_record->target, sizeof(ret_record->target), "%s", arg_text(candidate, "target", ""));
                snprintf(ret_record->label, sizeof(ret_record->label), "%s", arg_text(candidate, "subDomain", ""));
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

/* ---- the whole zone ---- */

struct zone_survey {
    struct survey survey;
    json_t *seen; /* ids looked at: the lists overlap */
    int n_asked;
};

/* One record by its id. False with the result set; one that has gone meanwhile is none. */
static bool survey_one(struct action_call *call, struct zone_survey *all, json_int_t id, struct action_result *ret)
{
    char rest[64], name[600];
    int status;
    snprintf(rest, sizeof(rest), "/record/%lld", (long long)id);
    json_t *record = ovh_zone_get(call, rest, ret, &status);
    if (!record)
        return status == 404;
    const char *label = arg_text(record, "subDomain", ""), *zone = all->survey.zone;
    const char *type = arg_text(record, "fieldType", ""), *target = arg_text(record, "target", "");
    char whole[600];
    size_t len = strlen(target);
    bool is_within = strcmp(type, "CNAME") == 0 && len > 0 && target[len - 1] != '.';
    snprintf(name, sizeof(name), "%s%s%s", label, label[0] ? "." : "", zone);
    snprintf(whole, sizeof(whole), "%s%s%s", target, is_within ? "." : "", is_within ? zone : "");
    survey_look(&all->survey, name, type, whole, arg_int(record, "ttl", 0));
    json_decref(record);
    return true;
}

/* All ids of a type, which the filter may take for a part of a type: every record is judged by itself. */
static bool survey_type(struct action_call *call, struct zone_survey *all, const char *type, struct action_result *ret)
{
    char rest[64];
    int status;
    size_t i;
    const json_t *entry;
    snprintf(rest, sizeof(rest), "/record?fieldType=%s", type);
    json_t *ids = ovh_zone_get(call, rest, ret, &status);
    if (!ids)
        return false;
    bool is_read = json_is_array(ids);
    if (!is_read)
        result_set(ret, OUTCOME_TEMPORARY, OVH_WHO "'s list of records is not a list of ids");
    json_array_foreach(ids, i, entry)
    {
        char key[32];
        snprintf(key, sizeof(key), "%lld", (long long)json_integer_value(entry));
        if (!is_read || json_object_get(all->seen, key))
            continue;
        if (all->n_asked == MAX_SURVEYED || call_left_ms(call) < LEAST_LEFT_MS) {
            snprintf(all->survey.cut, sizeof(all->survey.cut),
                     "it was left at %d of them: the zone has more than can be asked for one by one", all->n_asked);
            break;
        }
        if (json_object_set_new(all->seen, key, json_true()) != 0)
            all->survey.is_short = true;
        is_read = survey_one(call, all, json_integer_value(entry), ret);
        all->n_asked += is_read;
    }
    json_decref(ids);
    return is_read;
}

/* The whole zone in one answer. False when there is none, which is no failure: a key may not be allowed to. */
static bool survey_export(struct action_call *call, struct survey *survey)
{
    struct action_result refused = {.retry_after_ms = -1};
    struct survey whole;
    int status;
    json_t *text = ovh_zone_get(call, "/export", &refused, &status);
    survey_begin(&whole, survey->zone, survey->addresses);
    bool is_whole = json_is_string(text) && survey_zone_file(&whole, json_string_value(text));
    if (is_whole) {
        survey_done(survey);
        *survey = whole;
    } else {
        survey_done(&whole);
    }
    json_decref(text);
    action_result_done(&refused);
    return is_whole;
}

void ovh_survey(struct action_call *call, const char *const *addresses, struct action_result *ret)
{
    static const char *const types[] = {"A", "AAAA", "CNAME"};
    struct zone_survey all = {.seen = json_object()};
    if (!args_are_good(call, ret, ovh_check_args)) {
        json_decref(all.seen);
        return;
    }
    survey_begin(&all.survey, arg_text(call->args, "zone", ""), addresses);
    all.survey.is_short = !all.seen;
    bool is_read = all.seen != NULL, is_whole = is_read && survey_export(call, &all.survey);
    for (size_t i = 0; is_read && !is_whole && i < COUNT_OF(types) && all.survey.cut[0] == '\0'; i++)
        is_read = survey_type(call, &all, types[i], ret);
    if (is_read || !all.seen)
        survey_end(&all.survey, ret);
    survey_done(&all.survey);
    json_decref(all.seen);
}

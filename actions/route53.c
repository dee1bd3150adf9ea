/* route53.record: one simple record of a hosted zone at Amazon Route 53.
 *
 * A change is a batch that deletes exactly the set that was seen and creates the new one: Route 53 makes both or
 * neither, so nobody's change is lost. What is not to be changed (a health check) is read and sent again; a set with a
 * routing policy or an alias is refused, since changing one of its kind by this would destroy it. Changes of one hosted
 * zone that wait are sent as one batch; one bad change makes Route 53 refuse them all, and then each goes alone. A
 * change is served when GetChange says INSYNC, and only its id can tell: after an apply without a result the same is
 * sent again, to have one. Other kinds of sets, and health checks, belong in actions of their own. */
#include "actions/action.h"
#include "actions/by_hand.h"
#include "actions/common.h"
#include "actions/route53_api.h"
#include "actions/route53_xml.h"
#include "actions/survey.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ITEMS "10" /* sets of one name and type come together, so this shows that there is more than one */
#define MAX_PAGES 20   /* of a survey, of 300 sets each */

/* The id alone. */
static const char *zone_id(const json_t *args)
{
    const char *zone = arg_text(args, "hosted_zone", "");
    return strncmp(zone, "/hostedzone/", 12) == 0 ? zone + 12 : zone;
}

static enum err route53_check_args(const json_t *args, struct errmsg *why)
{
    const char *zone = zone_id(args), *type = arg_text(args, "type", "");
    const json_t *value;
    size_t i;
    if (zone[0] == '\0' || strspn(zone, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") != strlen(zone))
        return err_set(why, ERR_INVALID, "hosted_zone \"%s\" is not the id of a hosted zone, as Z1PA6795UKMFR9 is",
                       zone);
    enum err err = target_check(type, arg_text(args, "target", ""), why);
    json_array_foreach(json_object_get(args, "values"), i, value)
    {
        if (err == ERR_OK)
            err = target_check(type, json_string_value(value) ? json_string_value(value) : "", why);
    }
    return err;
}

static void zone_path(struct strbuf *path, const json_t *args)
{
    strbuf_adds(path, "/hostedzone/");
    url_encode(path, zone_id(args));
    strbuf_adds(path, "/rrset");
}

/* What the set is to hold: the target alone, or all that it held before, when that is put back. The caller's. */
static json_t *values_wanted(const json_t *args)
{
    json_t *values = json_object_get(args, "values");
    return json_array_size(values) > 0 ? json_incref(values) : json_pack("[s]", arg_text(args, "target", ""));
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static bool set_is_simple(struct action_call *call, const struct route53_set *set, struct action_result *ret)
{
    const char *name = arg_text(call->args, "record", ""), *type = arg_text(call->args, "type", "");
    bool is_whole = set->n_values > 0 && (size_t)set->n_values == json_array_size(set->values);
    if (set->n_found == 1 && set->other[0] == '\0' && is_whole)
        return true;
    if (set->n_found == 0)
        result_set(ret, OUTCOME_PERMANENT,
                   "the hosted zone has no record %s of type %s; make it once, Turnout only changes records", name,
                   type);
    else if (set->other[0] != '\0')
        result_set(ret, OUTCOME_PERMANENT,
                   "%s of type %s is not a simple record (it has %s); make it one, or use another record", name, type,
                   set->other);
    else if (set->n_found == 1)
        result_set(ret, OUTCOME_PERMANENT, "%s of type %s has %d values; with more than %d it is left alone", name,
                   type, set->n_values, ROUTE53_MAX_VALUES);
    else
        result_set(ret, OUTCOME_PERMANENT, "%s of type %s is not a simple record (there are %d sets of it)", name, type,
                   set->n_found);
    return false;
}

/* With true the set is the caller's to free; also otherwise. */
static bool set_find(struct action_call *call, struct action_result *ret, struct route53_set *ret_set)
{
    const char *name = arg_text(call->args, "record", ""), *type = arg_text(call->args, "type", "");
    struct strbuf path = STRBUF_INIT;
    struct fetch_response response;
    struct errmsg why;
    struct route53_refusal refusal;
    *ret_set = (struct route53_set){.n_found = 0};
    zone_path(&path, call->args);
    strbuf_adds(&path, "?maxitems=" MAX_ITEMS "&name=");
    url_encode(&path, name);
    strbuf_adds(&path, "&type=");
    url_encode(&path, type);
    bool is_answered = route53_send(call, "GET", strbuf_whole(&path), NULL, ret, &response, &refusal);
    strbuf_done(&path);
    if (!is_answered)
        return false;
    enum err err = route53_set_read(strbuf_text(&response.body), response.body.len, name, type, ret_set, &why);
    if (err != ERR_OK)
        result_set(ret, OUTCOME_TEMPORARY, ROUTE53_WHO " answers %d, but not with a list that can be read: %s",
                   response.status, why.text);
    fetch_response_done(&response);
    return err == ERR_OK && set_is_simple(call, ret_set, ret);
}

/* ---- the action ---- */

static bool values_has(const json_t *values, const char *type, const char *wanted)
{
    const json_t *value;
    size_t i;
    json_array_foreach(values, i, value)
    {
        if (target_equal(type, json_string_value(value), wanted))
            return true;
    }
    return false;
}

/* In any order; a set never holds one twice. */
static bool values_equal(const json_t *a, const json_t *b, const char *type)
{
    const json_t *value;
    size_t i;
    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, value)
    {
        if (!values_has(b, type, json_string_value(value)))
            return false;
    }
    return true;
}

static void observe_tell(struct action_call *call, const struct route53_set *set, bool is_held,
                         struct action_result *ret)
{
    const char *target = arg_text(call->args, "target", "");
    if (!result_of_record(ret, set->value, set->ttl, target, arg_int(call->args, "ttl", 0)))
        return;
    if (set->n_values > 1)
        json_object_set(ret->current, "values", set->values);
    if (json_object_get(call->args, "values"))
        json_object_set(ret->desired, "values", json_object_get(call->args, "values"));
    else if (set->n_values > 1)
        result_set(ret, OUTCOME_OK, "the record holds %s and %d more; wanted is %s alone", set->value,
                   set->n_values - 1, target);
    if (is_held && !ret->is_right)
        result_set(ret, OUTCOME_OK,
                   "the record holds %s, but by a change whose result is not known: it is sent again, to follow it",
                   target);
}

static void route53_observe(struct action_call *call, struct action_result *ret)
{
    struct route53_set set;
    if (!args_are_good(call, ret, route53_check_args))
        return;
    if (set_find(call, ret, &set)) {
        json_t *wanted = values_wanted(call->args);
        bool is_whole = wanted != NULL;
        bool is_held = values_equal(set.values, wanted, arg_text(call->args, "type", "")) &&
                       set.ttl == arg_int(call->args, "ttl", 0);
        ret->is_right = is_held && !call->after_unknown_apply;
        ret->token = json_pack("{s:O, s:I, s:s}", "values", set.values, "ttl", (json_int_t)set.ttl, "health_check",
                               set.health_check);
        ret->previous = json_pack("{s:s, s:I}", "target", set.value, "ttl", (json_int_t)set.ttl);
        if (set.n_values > 1)
            is_whole = json_object_set(ret->previous, "values", set.values) == 0 && is_whole;
        if (is_whole)
            observe_tell(call, &set, is_held, ret);
        else
            result_set(ret, OUTCOME_TEMPORARY, "out of memory for what was found");
        json_decref(wanted);
    }
    route53_set_done(&set);
}

/* What was observed; without an observation it is looked up now. The set is the caller's to free in every case. */
static bool seen_find(struct action_call *call, struct action_result *ret, struct route53_set *ret_seen)
{
    json_t *values = json_object_get(call->observed, "values");
    const char *first = json_string_value(json_array_get(values, 0));
    if (!first)
        return set_find(call, ret, ret_seen);
    *ret_seen = (struct route53_set){.n_found = 1,
                                     .n_values = (int)json_array_size(values),
                                     .values = json_incref(values),
                                     .ttl = arg_int(call->observed, "ttl", 0)};
    snprintf(ret_seen->value, sizeof(ret_seen->value), "%s", first);
    snprintf(ret_seen->health_check, sizeof(ret_seen->health_check), "%s",
             arg_text(call->observed, "health_check", ""));
    return true;
}

/* The two changes that make the new set of the old one. */
static void swap_write(struct strbuf *xml, const json_t *args, const json_t *seen, int64_t seen_ttl,
                       const char *health_check)
{
    const char *name = arg_text(args, "record", ""), *type = arg_text(args, "type", "");
    json_t *wanted = values_wanted(args);
    route53_change_write(xml, "DELETE", name, type, seen, seen_ttl, health_check);
    route53_change_write(xml, "CREATE", name, type, wanted, arg_int(args, "ttl", 0), health_check);
    xml->is_broken = xml->is_broken || !wanted;
    json_decref(wanted);
}

/* 2xx, so the changes are accepted; without an id nothing tells when they are served. */
static void change_accepted(const struct fetch_response *response, int n, struct action_result *ret)
{
    struct route53_change change;
    struct errmsg why;
    if (route53_change_read(strbuf_text(&response->body), response->body.len, &change, &why) != ERR_OK) {
        result_set(ret, OUTCOME_UNKNOWN, ROUTE53_WHO " answers %d, but not with a change that can be followed: %s",
                   response->status, why.text);
        return;
    }
    ret->token = json_pack("{s:s}", "change", change.id);
    result_set(ret, ret->token ? OUTCOME_OK : OUTCOME_UNKNOWN, ROUTE53_WHO " has accepted change %s (%s)%s%s",
               change.id, change.status, n > 1 ? ", made together with others" : "",
               ret->token ? "" : "; out of memory to follow it");
}

/* True when the batch as a whole was refused for what may be wrong with one change of it. */
static bool batch_send(struct action_call *call, const struct zone_batch *batch, struct action_result *ret,
                       struct route53_refusal *refusal)
{
    static const char *const of_one[] = {"InvalidChangeBatch", "InvalidInput", "NoSuchHealthCheck"};
    struct strbuf path = STRBUF_INIT, body = STRBUF_INIT;
    struct fetch_response response;
    char comment[120];
    bool is_of_one = false;
    snprintf(comment, sizeof(comment), "turnout run %s%s", call->run_id ? call->run_id : "",
             batch->n > 1 ? " and others" : "");
    zone_path(&path, call->args);
    strbuf_addc(&path, '/');
    route53_batch_begin(&body, comment);
    for (int i = 0; i < batch->n; i++)
        strbuf_adds(&body, batch->items[i]);
    route53_batch_end(&body);
    *refusal = (struct route53_refusal){.code = ""};
    if (body.is_broken || path.is_broken) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
    } else if (route53_send(call, "POST", strbuf_text(&path), &body, ret, &response, refusal)) {
        change_accepted(&response, batch->n, ret);
        fetch_response_done(&response);
    }
    for (size_t i = 0; i < sizeof(of_one) / sizeof(of_one[0]); i++)
        is_of_one = is_of_one || strcmp(refusal->code, of_one[i]) == 0;
    strbuf_done(&path);
    strbuf_done(&body);
    return is_of_one;
}

/* The set that was to be deleted is not there any more: Route 53 has changed nothing. */
static void not_as_seen(const struct route53_set *seen, struct action_result *ret)
{
    struct errmsg said = ret->text;
    result_set(ret, OUTCOME_TEMPORARY,
               "the record is not %.100s with TTL %lld any more, as was seen: nothing was changed, it is looked at"
               " again (%.300s)",
               seen->value, (long long)seen->ttl, said.text);
}

/* Sends our changes together with those that wait for the same zone, or has them sent; alone, when that is refused. */
static void swap_send(struct action_call *call, const char *item, const struct route53_set *seen,
                      struct action_result *ret)
{
    struct zone_queue *queue = route53_queue(call);
    const char *zone = zone_id(call->args);
    struct zone_batch batch;
    struct route53_refusal refusal;
    bool is_alone = false;
    for (;;) {
        enum zone_share share = zone_share(queue, zone, call, item, false, is_alone, &batch, ret);
        if (share == ZONE_DONE || share == ZONE_GONE)
            return;
        if (share == ZONE_LEAD) {
            bool is_shared = batch.n > 1;
            bool is_refused = batch_send(call, &batch, ret, &refusal) && is_shared;
            zone_batch_end(queue, zone, call, &batch, ret, is_refused);
            if (!is_refused)
                break;
        }
        is_alone = true;
    }
    if (ret->outcome == OUTCOME_PERMANENT && refusal.is_not_as_seen)
        not_as_seen(seen, ret);
}

static void route53_apply(struct action_call *call, struct action_result *ret)
{
    struct route53_set seen;
    struct strbuf item = STRBUF_INIT;
    if (!args_are_good(call, ret, route53_check_args))
        return;
    if (seen_find(call, ret, &seen)) {
        swap_write(&item, call->args, seen.values, seen.ttl, seen.health_check);
        if (item.is_broken)
            result_set(ret, OUTCOME_TEMPORARY, "out of memory");
        else
            swap_send(call, strbuf_text(&item), &seen, ret);
    }
    strbuf_done(&item);
    route53_set_done(&seen);
}

static void change_judge(const struct fetch_response *response, struct action_result *ret)
{
    struct route53_change change;
    struct errmsg why;
    if (route53_change_read(strbuf_text(&response->body), response->body.len, &change, &why) != ERR_OK)
        result_set(ret, OUTCOME_TEMPORARY, ROUTE53_WHO " answers %d, but not with a change: %s", response->status,
                   why.text);
    else if (strcmp(change.status, "INSYNC") == 0)
        result_set(ret, OUTCOME_OK, "change %s is INSYNC: all of " ROUTE53_WHO "'s servers have it", change.id);
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
    struct route53_refusal refusal;
    strbuf_adds(&path, "/change/");
    url_encode(&path, id);
    if (route53_send(call, "GET", strbuf_whole(&path), NULL, ret, &response, &refusal)) {
        change_judge(&response, ret);
        fetch_response_done(&response);
    } else if (strcmp(refusal.code, "NoSuchChange") == 0) {
        /* a change can be lost when the control plane itself fails over: it has to be sent again */
        ret->outcome = OUTCOME_UNKNOWN;
    }
    strbuf_done(&path);
}

/* ---- the whole zone ---- */

static void survey_take(void *context, const char *name, const char *type, const char *value, int64_t ttl)
{
    survey_look(context, name, type, value, ttl);
}

static void page_path(struct strbuf *path, const json_t *args, const struct route53_page *page)
{
    zone_path(path, args);
    strbuf_adds(path, "?maxitems=300");
    if (page->next_name[0] == '\0')
        return;
    strbuf_adds(path, "&name=");
    url_encode(path, page->next_name);
    strbuf_adds(path, "&type=");
    url_encode(path, page->next_type);
    if (page->next_identifier[0] == '\0')
        return;
    strbuf_adds(path, "&identifier=");
    url_encode(path, page->next_identifier);
}

static bool page_look(struct action_call *call, struct survey *survey, struct route53_page *page,
                      struct action_result *ret)
{
    struct strbuf path = STRBUF_INIT;
    struct fetch_response response;
    struct route53_refusal refusal;
    struct errmsg why;
    page_path(&path, call->args, page);
    bool is_answered = route53_send(call, "GET", strbuf_whole(&path), NULL, ret, &response, &refusal);
    strbuf_done(&path);
    if (!is_answered)
        return false;
    enum err err = route53_page_read(strbuf_text(&response.body), response.body.len, survey_take, survey, page, &why);
    if (err == ERR_OK && page->is_truncated && page->next_name[0] == '\0')
        err = err_set(&why, ERR_INVALID, "it says that there is more, and not where");
    if (err != ERR_OK)
        result_set(ret, OUTCOME_TEMPORARY, ROUTE53_WHO " answers %d, but not with a list that can be read: %s",
                   response.status, why.text);
    fetch_response_done(&response);
    return err == ERR_OK;
}

static void route53_survey(struct action_call *call, const char *const *addresses, struct action_result *ret)
{
    struct route53_page page = {.is_truncated = true};
    struct survey survey;
    if (!args_are_good(call, ret, route53_check_args))
        return;
    survey_begin(&survey, zone_id(call->args), addresses);
    bool is_read = true;
    for (int i = 0; is_read && page.is_truncated && i < MAX_PAGES; i++)
        is_read = page_look(call, &survey, &page, ret);
    if (page.is_truncated)
        snprintf(survey.cut, sizeof(survey.cut), "it was left at %.100s: the zone has more than %d pages",
                 page.next_name, MAX_PAGES);
    if (is_read)
        survey_end(&survey, ret);
    survey_done(&survey);
}

/* ---- by hand ---- */

static void by_hand_sign(struct strbuf *script, const struct provider *provider)
{
    bool has_session = provider_secret(provider, "session_token") != NULL;
    strbuf_addf(script, "printf 'user = \"%%s:%%s\"\\n%s' \"",
                has_session ? "header = \"X-Amz-Security-Token: %s\"\\n" : "");
    by_hand_variable(script, provider, "access_key_id");
    strbuf_adds(script, "\" \"");
    by_hand_variable(script, provider, "secret_access_key");
    if (has_session) {
        strbuf_adds(script, "\" \"");
        by_hand_variable(script, provider, "session_token");
    }
    strbuf_adds(script, "\" |\n  " BY_HAND_CURL " -K - --aws-sigv4 aws:amz:us-east-1:route53 ");
}

static void route53_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                               const json_t *token)
{
    struct strbuf path = STRBUF_INIT, wanted = STRBUF_INIT;
    (void)token;
    strbuf_adds(&path, ROUTE53_VERSION);
    zone_path(&path, args);
    strbuf_adds(&path, "?maxitems=1&name=");
    url_encode(&path, arg_text(args, "record", ""));
    strbuf_addf(&path, "&type=%s", arg_text(args, "type", ""));
    strbuf_addf(&wanted, "<ResourceRecord><Value>%s</Value></ResourceRecord>", arg_text(args, "target", ""));
    by_hand_sign(script, provider);
    strbuf_adds(script, "\\\n  ");
    by_hand_url(script, provider, ROUTE53_URL, strbuf_whole(&path));
    by_hand_expect(script, strbuf_whole(&wanted));
    strbuf_done(&path);
    strbuf_done(&wanted);
}

/* Where it was right already when it was looked at, the script is for a day on which it is not any more: the way back,
 * behind a way there. What is there then, nobody knows yet, so it is not compared. */
static void by_hand_changes(struct strbuf *body, const json_t *args, const json_t *token)
{
    const json_t *seen = json_object_get(token, "values");
    const char *health_check = arg_text(token, "health_check", "");
    json_t *wanted = values_wanted(args);
    if (json_equal(seen, wanted))
        route53_change_write(body, "UPSERT", arg_text(args, "record", ""), arg_text(args, "type", ""), wanted,
                             arg_int(args, "ttl", 0), health_check);
    else
        swap_write(body, args, seen, arg_int(token, "ttl", 0), health_check);
    json_decref(wanted);
}

static void route53_write_script(struct strbuf *script, const json_t *args, const struct provider *provider,
                                 const json_t *token)
{
    const json_t *seen = json_object_get(token, "values");
    struct strbuf path = STRBUF_INIT, body = STRBUF_INIT;
    if (json_array_size(seen) == 0) {
        by_hand_unknown(script, "what this record at Route 53 holds is not known");
        return;
    }
    strbuf_adds(&path, ROUTE53_VERSION);
    zone_path(&path, args);
    strbuf_addc(&path, '/');
    route53_batch_begin(&body, "turnout, by hand");
    by_hand_changes(&body, args, token);
    route53_batch_end(&body);
    by_hand_sign(script, provider);
    strbuf_adds(script, "-X POST -H 'Content-Type: text/xml' \\\n  --data-binary ");
    by_hand_quote(script, strbuf_whole(&body));
    strbuf_adds(script, " \\\n  ");
    by_hand_url(script, provider, ROUTE53_URL, strbuf_whole(&path));
    strbuf_addc(script, '\n');
    strbuf_done(&path);
    strbuf_done(&body);
}

const struct provider_kind provider_kind_aws = {
    .name = "aws",
    .help = "Amazon Web Services with an access key",
    .rows = route53_provider_rows,
    .rate = {5, 1100}, /* a little more than a second: they may come closer together than they went out */
    .open = route53_open,
    .close = route53_close,
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
    .survey = route53_survey,
    .write_script = route53_write_script,
    .write_look = route53_write_look,
};

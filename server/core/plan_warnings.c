/* What a person has to know of a plan beside its steps. Each warning has a kind, for programs, and a sentence. */
#include "core/plan_internal.h"

#include "base/address.h"
#include "base/utf8.h"
#include "core/json_whole.h"
#include "core/words.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct warnings {
    json_t *list; /* the plan's */
    int n_left_out;
};

static void warn(struct warnings *warnings, const char *kind, int step, const char *format, ...) PRINTF_LIKE(4, 5);
static void warn(struct warnings *warnings, const char *kind, int step, const char *format, ...)
{
    char text[640];
    va_list args;
    if (json_array_size(warnings->list) >= PLAN_MAX_WARNINGS) {
        warnings->n_left_out++;
        return;
    }
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    utf8_clean(text); /* it may be cut */
    json_array_append_new(warnings->list,
                          json_pack("{s:s, s:o, s:o}", "kind", kind, "step",
                                    step >= 0 ? json_integer(step) : json_null(), "text", plan_text(text)));
}

static void warn_of_rest(const struct warnings *warnings)
{
    char text[80];
    if (warnings->n_left_out == 0)
        return;
    snprintf(text, sizeof text, "%d more warnings are left out of this list", warnings->n_left_out);
    json_array_append_new(warnings->list, json_pack("{s:s, s:n, s:s}", "kind", "more", "step", "text", text));
}

/* ---- names and values -------------------------------------------------------------------------------------------- */

static size_t name_len(const char *name)
{
    size_t len = strlen(name);
    return len > 0 && name[len - 1] == '.' ? len - 1 : len;
}

static bool is_name(const char *a, const char *b)
{
    size_t len = name_len(a);
    return len == name_len(b) && strncasecmp(a, b, len) == 0;
}

static bool is_same_text(const char *a, const char *b)
{
    struct address left, right;
    if (address_parse(a, &left) && address_parse(b, &right))
        return address_equal(&left, &right);
    return is_name(a, b);
}

static bool is_same(const json_t *a, const json_t *b)
{
    if (json_is_string(a) && json_is_string(b))
        return is_same_text(json_string_value(a), json_string_value(b));
    return json_equal(a, b);
}

/* "192.0.2.10", or what else stands there. */
static void value_text(const json_t *value, char *ret, size_t room)
{
    char *dumped = json_is_string(value) ? NULL : json_whole(value, JSON_COMPACT | JSON_ENCODE_ANY);
    const char *text = json_is_string(value) ? json_string_value(value) : dumped;
    snprintf(ret, room, "%.*s", (int)room - 1, text ? text : "nothing");
    free(dumped);
}

static bool is_host(const char *text)
{
    static const char ALLOWED[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    size_t len = strlen(text);
    bool has_letter = strpbrk(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") != NULL;
    return len <= 254 && has_letter && strchr(text, '.') && text[0] != '.' && strspn(text, ALLOWED) == len;
}

static bool has_value(const json_t *values, const char *text)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)values, key, value)
    {
        if (json_is_string(value) && is_same_text(json_string_value(value), text))
            return true;
    }
    return false;
}

json_t *plan_addresses(const struct service *service, int from, int to)
{
    json_t *list = json_array();
    const char *key;
    json_t *value;
    if (from < 0)
        return list;
    json_object_foreach(service->sites[from].values, key, value)
    {
        struct address address;
        const char *text = json_is_string(value) ? json_string_value(value) : "";
        bool is_address = address_parse(text, &address) || is_host(text);
        if (is_address && !has_value(service->sites[to].values, text))
            json_array_append_new(list, json_string(text));
    }
    return list;
}

/* ---- of a step --------------------------------------------------------------------------------------------------- */

static void warn_of_state(struct warnings *warnings, const struct plan_step *step, int n, const json_t *as_shown)
{
    const char *text = json_string_value(json_object_get(as_shown, "text"));
    if (plan_is_named(as_shown, "state", plan_state_text(PLAN_FAILS)))
        warn(warnings, "fails", n, "%.100s would fail: %.400s", step->name, text);
    if (plan_is_named(as_shown, "state", plan_state_text(PLAN_UNKNOWN)))
        warn(warnings, plan_flag(step->text, "can_observe") ? "unknown" : "blind", n, "%.100s: %.400s", step->name,
             text);
}

static void warn_of_same(struct warnings *warnings, const struct plan_way *way, int n)
{
    const struct plan_step *step = &way->steps[n];
    const json_t *args = json_object_get(step->text, "args");
    if (!plan_flag(step->text, "can_apply") || !step->is_moved || !args || !step->away || !json_equal(args, step->away))
        return;
    warn(warnings, "same", n, "%.100s moves nothing: it would set the same at %.64s and at %.64s", step->name,
         way->from >= 0 ? way->service->sites[way->from].name : "the other site", way->service->sites[way->to].name);
}

/* Neither what we put there nor what the other site has. */
static void warn_of_foreign(struct warnings *warnings, const struct plan_step *step, int n)
{
    const json_t *desired = step->look.desired, *current = step->look.current;
    const char *key;
    json_t *wanted;
    char text[200];
    if (!step->look.is_there || step->look.outcome != OUTCOME_OK || !plan_flag(step->text, "can_apply"))
        return;
    json_object_foreach((json_t *)(uintptr_t)desired, key, wanted)
    {
        const json_t *found = json_object_get(current, key), *away = json_object_get(step->away, key);
        bool is_moving = away && !is_same(away, wanted);
        if (!is_moving || !found || json_is_null(found) || is_same(found, wanted) || is_same(found, away))
            continue;
        value_text(found, text, sizeof text);
        warn(warnings, "foreign", n,
             "%.100s: somebody else has changed it: %.40s is %.190s, which belongs to neither site", step->name, key,
             text);
    }
}

static void warn_of_ttl(struct warnings *warnings, const struct plan_way *way, int n)
{
    const struct plan_step *step = &way->steps[n];
    const json_t *found = json_object_get(step->look.current, "ttl");
    const json_t *wanted = json_object_get(step->look.desired, "ttl");
    int64_t is = json_integer_value(found), will = json_integer_value(wanted);
    int64_t rto_s = way->service->objective.rto_ms / 1000;
    if (!step->look.is_there || !plan_flag(step->text, "can_apply"))
        return;
    if (will > 0 && is > will)
        warn(warnings, "ttl", n,
             "%.100s: the record has TTL %" PRId64 " s where %" PRId64
             " s are promised: resolvers keep the old answer for so long",
             step->name, is, will);
    else if (rto_s > 0 && (is > rto_s || will > rto_s))
        warn(warnings, "ttl", n, "%.100s: TTL %" PRId64 " s is longer than the objective of %" PRId64 " s", step->name,
             is > will ? is : will, rto_s);
    else if (rto_s > 0 && ((json_is_integer(found) && is == 0) || (json_is_integer(wanted) && will == 0)))
        warn(warnings, "ttl", n,
             "%.100s: the record has the zone's default TTL, which is not known here and may be longer than the "
             "objective of %" PRId64 " s",
             step->name, rto_s);
}

static bool is_provider_of_earlier(const struct plan_way *way, int n, const json_t *provider)
{
    for (int i = 0; i < n; i++)
        if (way->steps[i].look.ends_at != 0 && json_equal(json_object_get(way->steps[i].text, "provider"), provider))
            return true;
    return false;
}

/* Of a provider's credential, once for all steps that use it; of the certificate that a site shows. */
static void warn_of_end(struct warnings *warnings, const struct plan_way *way, int n)
{
    const struct plan_step *step = &way->steps[n];
    const json_t *provider = json_object_get(step->text, "provider");
    const int64_t ends_at = step->look.ends_at, left_ms = ends_at - way->now;
    const struct phrase when =
        left_ms > 0 ? phrase_of("ends in %s", duration_phrase(left_ms).text) : phrase_of("has ended");
    if (!step->look.is_there || ends_at == 0 || left_ms > PLAN_ENDS_SOON_MS)
        return;
    if (!json_is_string(provider))
        warn(warnings, "credential", n, "%.100s: the certificate that is shown there %s", step->name, when.text);
    else if (!is_provider_of_earlier(way, n, provider))
        warn(warnings, "credential", n, "%.100s: the credential of provider %.64s %s", step->name,
             json_string_value(provider), when.text);
}

/* ---- of what no step moves --------------------------------------------------------------------------------------- */

static bool is_record(const char *name, const char *zone, const char *record)
{
    size_t zone_len = name_len(zone), record_len = name_len(record), len = name_len(name);
    if (record_len == 0 || strcmp(record, "@") == 0)
        return is_name(name, zone);
    if (is_name(name, record))
        return true;
    return len == record_len + 1 + zone_len && strncasecmp(name, record, record_len) == 0 && name[record_len] == '.' &&
           strncasecmp(name + record_len + 1, zone, zone_len) == 0;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is_moved(const json_t *found, const json_t *movers)
{
    size_t i;
    const json_t *args;
    json_array_foreach(movers, i, args)
    {
        const char *type = text_at(args, "type");
        bool is_type = type[0] == '\0' || strcasecmp(type, text_at(found, "type")) == 0;
        if (is_type && is_record(text_at(found, "record"), text_at(found, "zone"), text_at(args, "record")))
            return true;
    }
    return false;
}

static void warn_of_strays(struct warnings *warnings, const struct plan_way *way, const struct plan_survey *survey)
{
    size_t i;
    const json_t *found;
    json_array_foreach(survey->found, i, found)
    {
        if (!is_moved(found, survey->movers) && !is_moved(found, survey->all_movers))
            warn(warnings, "stray", -1,
                 "%.200s %.20s still holds %.200s, an address of %.64s, and no step moves it (TTL %" PRId64 " s)",
                 text_at(found, "record"), text_at(found, "type"), text_at(found, "target"),
                 way->from >= 0 ? way->service->sites[way->from].name : "the site that is left",
                 plan_number(found, "ttl"));
    }
}

static void warn_of_survey(struct warnings *warnings, const struct plan_way *way, const struct plan_survey *survey)
{
    if (survey->is_there && survey->outcome == OUTCOME_OK)
        warn_of_strays(warnings, way, survey);
    else if (!survey->is_there || survey->outcome != OUTCOME_UNKNOWN)
        warn(warnings, "survey", -1, "zone %.100s could not be searched for other records of the old site: %.300s",
             survey->zone,
             !survey->is_there ? "the search has not ended in time"
             : survey->text    ? survey->text
                               : "");
}

/* ---- of all ------------------------------------------------------------------------------------------------------ */

static void warn_of_clock(struct warnings *warnings, const json_t *plan)
{
    int64_t skew = plan_number(plan, "clock_skew_ms");
    if (llabs((long long)skew) > PLAN_SKEW_MS)
        warn(warnings, "clock", -1, "the clock here is %" PRId64 " s %s the providers': signed requests %s",
             (int64_t)llabs((long long)skew) / 1000, skew > 0 ? "behind" : "ahead of",
             llabs((long long)skew) > PLAN_WORST_SKEW_MS ? "are refused" : "are refused from 5 min on");
}

/* The objective counts from the first alert on: what the decision waits for comes first. */
static void warn_of_time(struct warnings *warnings, const json_t *plan, const struct plan_way *way)
{
    const json_t *predicted = json_object_get(plan, "predicted");
    int64_t hold = way->occasion == OCCASION_OUTAGE ? way->service->hold_ms : 0;
    int64_t total = plan_number(predicted, "total_ms") + hold;
    if (way->service->objective.rto_ms == 0 || total <= way->service->objective.rto_ms)
        return;
    warn(warnings, "late", -1,
         "it would take about %" PRId64 " s (hold %" PRId64 " s, steps %" PRId64 " s, old DNS answers %" PRId64
         " s), and the objective is %" PRId64 " s",
         total / 1000, hold / 1000, plan_number(predicted, "steps_ms") / 1000, plan_number(predicted, "ttl_ms") / 1000,
         way->service->objective.rto_ms / 1000);
}

/* What cannot be done is told first: it must not be among what is left out. */
void plan_warn(json_t *plan, const struct plan_way *way)
{
    struct warnings warnings = {.list = json_object_get(plan, "warnings")};
    const json_t *steps = json_object_get(plan, "steps");
    for (int n = 0; n < way->n_steps; n++)
        warn_of_state(&warnings, &way->steps[n], n, json_array_get(steps, (size_t)n));
    warn_of_clock(&warnings, plan);
    for (int n = 0; n < way->n_steps; n++) {
        warn_of_same(&warnings, way, n);
        warn_of_foreign(&warnings, &way->steps[n], n);
        warn_of_ttl(&warnings, way, n);
        warn_of_end(&warnings, way, n);
    }
    warn_of_time(&warnings, plan, way);
    for (int i = 0; i < way->n_surveys; i++)
        warn_of_survey(&warnings, way, &way->surveys[i]);
    warn_of_rest(&warnings);
}

/* What a daemon's answers mean for a failover tonight. Pure: JSON in, findings out. What an answer does not have is not
 * held against it. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "core/vocabulary.h"
#include "core/words.h"
#include "doctor/doctor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MEND_SIZE 256
#define START_MS ((int64_t)600 * 1000)

static const char *text_of(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

static bool is(const json_t *object, const char *key, const char *word)
{
    return strcmp(text_of(object, key), word) == 0;
}

/* ": TEXT", or nothing. */
static const char *because(const char *text, char *ret, size_t room)
{
    snprintf(ret, room, "%s%s", text[0] ? ": " : "", text);
    return ret;
}

/* ---- services ---------------------------------------------------------------------------------------------------- */

static void check_held(json_t *list, const json_t *service)
{
    const char *name = text_of(service, "name");
    const json_t *paused = json_object_get(service, "paused"), *frozen = json_object_get(service, "frozen");
    char mend[MEND_SIZE], reason[600];
    snprintf(mend, sizeof mend, "turnout resume %.100s --reason TEXT", name);
    if (json_is_object(paused))
        found(list, SEVERITY_STOPS, name, mend, "paused by %s since %s%s", text_of(paused, "who"),
              text_of(paused, "at"), because(text_of(paused, "reason"), reason, sizeof reason));
    if (json_is_object(frozen))
        found(list, SEVERITY_STOPS, name, NULL, "frozen until %s%s; nothing starts by itself", text_of(frozen, "until"),
              because(text_of(frozen, "reason"), reason, sizeof reason));
}

static void check_active(json_t *list, const json_t *service)
{
    const char *name = text_of(service, "name"), *active = text_of(service, "active");
    enum active_kind kind;
    char mend[MEND_SIZE];
    snprintf(mend, sizeof mend, "turnout adopt %.100s --to SITE --reason TEXT", name);
    if (!active_kind_parse(active, &kind) || kind == ACTIVE_SITE)
        return;
    if (kind == ACTIVE_MOVING)
        found(list, SEVERITY_NOTE, name, NULL, "a run is under way");
    else
        found(list, SEVERITY_STOPS, name, mend, "its active site is %s, and from there nothing starts by itself",
              active);
}

static void check_run(json_t *list, const json_t *service)
{
    const char *name = text_of(service, "name");
    const json_t *run = json_object_get(service, "run");
    const char *id = text_of(run, "id");
    char mend[MEND_SIZE], error[600];
    if (is(run, "state", run_state_text(RUN_ATTENTION))) {
        snprintf(mend, sizeof mend, "turnout retry %.40s --reason TEXT (or skip, done, undo, cancel)", id);
        found(list, SEVERITY_STOPS, name, mend, "its %s to %s waits for a person%s", text_of(run, "kind"),
              text_of(run, "to"), because(text_of(run, "error"), error, sizeof error));
    }
    if (is(run, "state", run_state_text(RUN_WAITING))) {
        snprintf(mend, sizeof mend, "turnout approve %.40s --reason TEXT (or reject)", id);
        found(list, SEVERITY_STOPS, name, mend, "its %s to %s waits for a yes or no", text_of(run, "kind"),
              text_of(run, "to"));
    }
}

static json_int_t count_debts(const json_t *service, const char *site)
{
    size_t i;
    json_int_t n = 0;
    const json_t *debt;
    json_array_foreach(json_object_get(service, "debts"), i, debt) n += is(debt, "site", site);
    return n;
}

static void check_debts(json_t *list, const json_t *service)
{
    size_t i;
    const json_t *site;
    json_array_foreach(json_object_get(service, "sites"), i, site)
    {
        const json_int_t n = count_debts(service, text_of(site, "name"));
        if (n > 0)
            found(list, SEVERITY_STOPS, text_of(service, "name"),
                  "they are tried by themselves once the site is back; a person may say done or skip",
                  "%" JSON_INTEGER_FORMAT " step%s owed at site %s: nothing moves there", n, n == 1 ? " is" : "s are",
                  text_of(site, "name"));
    }
}

/* Three looks may fail to come, one after the other, and ten minutes more after a start. */
static void check_age(json_t *list, const json_t *service, const char *direction, const struct model *model,
                      int64_t now)
{
    const json_t *readiness = json_object_get(json_object_get(service, "readiness"), direction);
    const char *name = text_of(service, "name"), *text = text_of(readiness, "checked_at");
    const int index = model ? model_service_find(model, name) : -1;
    const int64_t every_ms = index >= 0 ? model->services[index].ready_every_ms : 0;
    int64_t at = 0;
    if (every_ms > 0 && time_parse(text, strlen(text), &at) == ERR_OK && now - at > 3 * every_ms + START_MS)
        found(list, SEVERITY_HINDERS, name, "see the daemon's log",
              "whether it is ready for a %s was last looked at %s ago", direction, duration_phrase(now - at).text);
}

static void check_mode(json_t *list, const json_t *service)
{
    const char *name = text_of(service, "name");
    if (is(service, "mode", mode_text(MODE_SHADOW)))
        found(list, SEVERITY_STOPS, name, "another \"mode\" of its trigger makes it act",
              "it is in shadow mode: nothing is started, what would have been is on record");
    if (is(service, "mode", mode_text(MODE_MANUAL)))
        found(list, SEVERITY_NOTE, name, NULL, "mode manual: a failover begins when a person calls for it");
}

static void check_readiness(json_t *list, const json_t *service, const char *direction, bool is_first)
{
    const json_t *readiness = json_object_get(json_object_get(service, "readiness"), direction);
    const char *name = text_of(service, "name");
    enum readiness state;
    char mend[MEND_SIZE], text[900], since[64];
    if (json_is_null(readiness)) /* not so far, or never */
        state = READINESS_UNKNOWN;
    else if (!readiness_parse(text_of(readiness, "state"), &state) || state == READINESS_READY)
        return;
    snprintf(mend, sizeof mend, "turnout plan %.100s shows each step", name);
    snprintf(since, sizeof since, "%s%.40s", text_of(readiness, "since")[0] ? " since " : "",
             text_of(readiness, "since"));
    because(text_of(readiness, "text"), text, sizeof text);
    if (state == READINESS_NOT_READY)
        found(list, is_first ? SEVERITY_STOPS : SEVERITY_HINDERS, name, mend, "not ready for a %s%s%s", direction,
              since, text);
    else if (state == READINESS_DEGRADED)
        found(list, SEVERITY_HINDERS, name, mend, "ready for a %s, but not as promised%s%s", direction, since, text);
    else
        found(list, SEVERITY_HINDERS, name, NULL, "nobody has looked so far whether it is ready for a %s", direction);
}

void doctor_services(json_t *list, const json_t *services, const struct model *model, int64_t now)
{
    size_t i;
    const json_t *service;
    json_array_foreach(json_object_get(services, "items"), i, service)
    {
        check_held(list, service);
        check_mode(list, service);
        check_active(list, service);
        check_run(list, service);
        check_debts(list, service);
        check_readiness(list, service, direction_text(DIRECTION_FAILOVER), true);
        check_readiness(list, service, direction_text(DIRECTION_FAILBACK), false);
        check_age(list, service, direction_text(DIRECTION_FAILOVER), model, now);
        check_age(list, service, direction_text(DIRECTION_FAILBACK), model, now);
    }
}

/* ---- the daemon itself ------------------------------------------------------------------------------------------- */

static void check_wrong(json_t *list, const json_t *status, const char *key, const char *about, enum severity severity)
{
    const char *text = text_of(status, key);
    if (text[0])
        found(list, severity, about, NULL, "%s", text);
}

void doctor_status(json_t *list, const json_t *status)
{
    check_wrong(list, status, "kill_switch", "kill switch", SEVERITY_STOPS);
    check_wrong(list, status, "cut_off", "network", SEVERITY_STOPS);
    check_wrong(list, status, "flood", "flood guard", SEVERITY_STOPS);
    check_wrong(list, status, "heartbeat", "heartbeat", SEVERITY_HINDERS);
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static bool has_name(const json_t *names, const char *name)
{
    size_t i;
    const json_t *item;
    json_array_foreach(names, i, item)
    {
        if (strcmp(json_string_value(item) ? json_string_value(item) : "", name) == 0)
            return true;
    }
    return false;
}

/* Whether what the source says counts at present; one that was never heard may speak tonight, but nothing shows that
 * it can. */
static bool is_heard(const json_t *sources, const json_t *stale, const char *name)
{
    size_t i;
    const json_t *source;
    json_array_foreach(json_object_get(sources, "items"), i, source)
    {
        if (is(source, "name", name))
            return json_is_string(json_object_get(source, "last_delivery_at")) && !has_name(stale, name);
    }
    return true; /* the daemon has another configuration */
}

static int votes_of_heard(const struct model *model, const struct service *service, int site, const bool *is_heard_by)
{
    int sum = service->probe.check ? 1 : 0;
    for (int i = 0; i < model->n_sources; i++) {
        bool may_speak = false;
        for (size_t k = 0; k < service->n_rules; k++)
            may_speak |= service->rules[k].source == i &&
                         (service->rules[k].site == site || service->rules[k].site == SITE_OF_ALERT_TIME);
        if (may_speak && is_heard_by[i])
            sum += model_voter_rule(model, i).weight;
    }
    return sum;
}

static void check_votes(json_t *list, const struct model *model, const bool *is_heard_by)
{
    for (int i = 0; i < model->n_services; i++) {
        const struct service *service = &model->services[i];
        const bool is_for_people = service->mode == MODE_MANUAL || service->n_rules == 0;
        for (int site = 0; site < service->n_sites && !is_for_people; site++) {
            const int votes = votes_of_heard(model, service, site, is_heard_by);
            if (votes < service->votes)
                found(
                    list, SEVERITY_STOPS, service->name,
                    "send a test alert from each source, and see turnout deliveries",
                    "site %s would not be found down: it takes %d vote%s, and the sources that were ever heard and are "
                    "not silent have %d",
                    service->sites[site].name, service->votes, service->votes == 1 ? "" : "s", votes);
        }
    }
}

void doctor_sources(json_t *list, const json_t *sources, const json_t *status, const struct model *model)
{
    const json_t *stale = json_object_get(status, "stale");
    bool is_heard_by[MAX_SOURCES] = {false};
    size_t i;
    const json_t *source;
    json_array_foreach(json_object_get(sources, "items"), i, source)
    {
        const char *name = text_of(source, "name");
        if (json_is_null(json_object_get(source, "last_delivery_at")))
            found(list, SEVERITY_HINDERS, name, "send a test alert from it", "nothing was ever heard of this source");
        else if (has_name(stale, name))
            found(list, SEVERITY_HINDERS, name, "see whether the monitor still works and reaches us",
                  "silent for too long, what it said does not count; last heard %s",
                  text_of(source, "last_delivery_at"));
    }
    const json_t *suspect = json_object_get(status, "suspect"), *name;
    json_array_foreach(suspect, i, name)
        found(list, SEVERITY_HINDERS, json_string_value(name) ? json_string_value(name) : "?", NULL,
              "it says down of everything that it speaks of");
    for (int k = 0; model && k < model->n_sources; k++)
        is_heard_by[k] = is_heard(sources, stale, model->source_names[k]);
    if (model)
        check_votes(list, model, is_heard_by);
}

/* GET /api/v1/services[/NAME]: what is configured, merged with what the last commit left in the store. Sites
 * that only the store still knows are left out, as the decision leaves them out. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "core/outlook.h"

#include <string.h>

/* Stored timers are due on a steady clock, perhaps another boot's; shown is the wall time when they will be. */
static json_t *timers_json(const struct service *service, const json_t *timers)
{
    json_t *list = json_array();
    size_t i;
    const json_t *timer;
    json_array_foreach(timers, i, timer)
    {
        const char *site = json_string_value(json_object_get(timer, "site"));
        if (site && site[0] && service_site_find(service, site) < 0)
            continue;
        json_array_append_new(list, json_pack("{s:O, s:O, s:O, s:o}", "kind", json_object_get(timer, "kind"), "site",
                                              json_object_get(timer, "site"), "count", json_object_get(timer, "count"),
                                              "due_at", time_json(stored_to_wall(timer, "due_at"))));
    }
    return list;
}

/* The run that waits for a yes or no, and what happens when nobody answers. */
static json_t *waiting_json(const struct service *service, const json_t *state)
{
    const json_t *run = json_object_get(state, "run");
    const char *run_state = json_string_value(json_object_get(run, "state"));
    if (!run_state || strcmp(run_state, run_state_text(RUN_WAITING)) != 0)
        return json_null();
    int64_t due_at = 0;
    size_t i;
    const json_t *timer;
    json_array_foreach(json_object_get(state, "timers"), i, timer)
    {
        const char *kind = json_string_value(json_object_get(timer, "kind"));
        if (kind && strcmp(kind, timer_kind_text(TIMER_APPROVAL)) == 0)
            due_at = stored_to_wall(timer, "due_at");
    }
    return json_pack("{s:O, s:O, s:O, s:o, s:s}", "run", json_object_get(run, "id"), "kind",
                     json_object_get(run, "kind"), "to", json_object_get(run, "to"), "deadline", time_json(due_at),
                     "then", service->approval.is_yes ? "approve" : "reject");
}

static json_t *frozen_json(const struct model *model, const struct service *service)
{
    int64_t until = 0;
    const struct freeze *freeze = freeze_find(service, model, clock_wall_ms(), &until);
    return freeze ? json_pack("{s:o, s:s}", "until", time_json(until), "reason", freeze->reason ? freeze->reason : "")
                  : json_null();
}

static json_t *or_null(json_t *value)
{
    return value ? json_incref(value) : json_null();
}

/* The name of the active site, or the state that stands in for one. */
static json_t *active_json(const struct service *service, const json_t *state)
{
    const char *kind = json_string_value(json_object_get(state, "active"));
    const char *site = json_string_value(json_object_get(state, "active_site"));
    bool is_site = kind && strcmp(kind, active_kind_text(ACTIVE_SITE)) == 0;
    if (is_site && site && service_site_find(service, site) >= 0)
        return json_string(site);
    return json_string(kind && !is_site ? kind : active_kind_text(ACTIVE_UNKNOWN));
}

/* With how many days ago the last good one was: what nobody has proven for long is not known to work. */
static json_t *drills_json(const json_t *state)
{
    json_t *drills = json_array();
    size_t i;
    json_t *drill;
    json_array_foreach(json_object_get(state, "drills"), i, drill)
    {
        int64_t proven_at = api_time(drill, "proven_at");
        int64_t days = (clock_wall_ms() - proven_at) / ((int64_t)24 * 3600 * 1000);
        json_object_set_new(drill, "proven_days_ago", proven_at ? json_integer(days > 0 ? days : 0) : json_null());
        json_array_append(drills, drill);
    }
    return drills;
}

/* `state`: the store's; NULL when the service has none yet. */
static json_t *service_json(const struct model *model, const struct service *service, const json_t *state)
{
    json_t *sites = json_array();
    for (int i = 0; i < service->n_sites; i++)
        json_array_append_new(sites, service_site_json(model, service, i, state));
    json_t *json = json_pack("{s:s, s:o, s:o, s:s, s:s, s:s, s:i, s:i, s:I, s:I, s:o}", "name", service->name, "active",
                             active_json(service, state), "active_since",
                             or_null(json_object_get(state, "active_since")), "home", service->sites[0].name, "mode",
                             mode_text(service->mode), "failback_mode", mode_text(service->failback_mode),
                             "votes_needed", service->votes, "trusted_votes_needed", service->trusted_votes, "hold_ms",
                             (json_int_t)service->hold_ms, "settle_ms", (json_int_t)service->settle_ms, "sites", sites);
    json_object_set_new(json, "timers", timers_json(service, json_object_get(state, "timers")));
    json_object_set_new(json, "paused", or_null(json_object_get(state, "paused")));
    json_object_set_new(json, "frozen", frozen_json(model, service));
    json_object_set_new(json, "waiting", waiting_json(service, state));
    json_t *readiness = json_object_get(state, "readiness");
    json_object_set_new(json, "readiness",
                        readiness ? json_incref(readiness) : json_pack("{s:n, s:n}", "failover", "failback"));
    json_object_set_new(json, "run", or_null(json_object_get(state, "run")));
    json_object_set_new(json, "debts", or_null(json_object_get(state, "debts")));
    json_object_set_new(json, "drills", drills_json(state));
    json_object_set_new(json, "drill",
                        json_pack("{s:s, s:I}", "kind", drill_kind_text(service->drill.kind), "every_ms",
                                  (json_int_t)service->drill.every_ms));
    json_object_set_new(json, "objective", json_pack("{s:I}", "rto_ms", (json_int_t)service->objective.rto_ms));
    return json;
}

/* The stored states by name. NULL after answering 503. */
static json_t *states_get(struct request *request)
{
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return NULL;
    json_t *list = NULL;
    struct errmsg why = {""};
    enum err err = store_services(reader, &list, &why);
    if (err != ERR_OK) {
        api_store_failed(request, err, &why);
        return NULL;
    }
    json_t *by_name = json_object();
    size_t i;
    json_t *state;
    json_array_foreach(list, i, state)
    {
        const char *name = json_string_value(json_object_get(state, "name"));
        if (name)
            json_object_set(by_name, name, state);
    }
    json_decref(list);
    return by_name;
}

void api_services(struct request *request)
{
    const struct model *model = request_http(request)->settings.model;
    json_t *states = states_get(request);
    if (!states)
        return;
    json_t *items = json_array();
    for (int i = 0; i < model->n_services; i++)
        json_array_append_new(
            items, service_json(model, &model->services[i], json_object_get(states, model->services[i].name)));
    json_decref(states);
    answer_json(request, MHD_HTTP_OK, json_pack("{s:o}", "items", items));
}

json_t *api_service_get(struct request *request, int index)
{
    const struct model *model = request_http(request)->settings.model;
    const struct service *service = &model->services[index];
    json_t *states = states_get(request);
    if (!states)
        return NULL;
    json_t *json = service_json(model, service, json_object_get(states, service->name));
    json_decref(states);
    return json;
}

void api_service(struct request *request)
{
    int index = model_service_find(request_http(request)->settings.model, request->argument);
    if (index < 0) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no service %s", request->argument);
        return;
    }
    json_t *service = api_service_get(request, index);
    if (service)
        answer_json(request, MHD_HTTP_OK, service);
}

/* With the plans of the last round. */
void api_readiness(struct request *request)
{
    int index = model_service_find(request_http(request)->settings.model, request->argument);
    if (index < 0) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no service %s", request->argument);
        return;
    }
    struct store_reader *reader = api_reader(request);
    json_t *readiness = NULL;
    struct errmsg why = {""};
    enum err err = reader ? store_readiness_get(reader, request->argument, &readiness, &why) : ERR_BUSY;
    if (reader && err != ERR_OK)
        api_store_failed(request, err, &why);
    else if (reader)
        answer_json(request, MHD_HTTP_OK, readiness);
}

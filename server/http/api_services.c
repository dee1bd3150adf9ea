/* GET /api/v1/services[/NAME]: what is configured, merged with what the last commit left in the store. Sites and
 * sources that only the store still knows are left out, as the decision leaves them out. */
#include "http/http_internal.h"

#include "base/clock.h"

#include <string.h>

/* The sources with a down vote on a site: [{"source", "alerts"}]. */
static json_t *votes_of(const struct model *model, const json_t *votes, const char *site)
{
    json_t *sources = json_array();
    size_t i;
    const json_t *vote;
    json_array_foreach(votes, i, vote)
    {
        const char *of = json_string_value(json_object_get(vote, "site"));
        const char *source = json_string_value(json_object_get(vote, "source"));
        const char *says = json_string_value(json_object_get(vote, "vote"));
        if (of && source && says && strcmp(of, site) == 0 && model_voter_find(model, source) >= 0 &&
            strcmp(says, "down") == 0)
            json_array_append_new(sources, json_pack("{s:O, s:O}", "source", json_object_get(vote, "source"), "alerts",
                                                     json_object_get(vote, "down")));
    }
    return sources;
}

static json_t *incident_of(const json_t *incidents, const char *site)
{
    size_t i;
    const json_t *incident;
    json_array_foreach(incidents, i, incident)
    {
        const char *of = json_string_value(json_object_get(incident, "site"));
        if (of && strcmp(of, site) == 0)
            return json_pack("{s:O, s:O, s:O, s:O}", "id", json_object_get(incident, "id"), "opened_at",
                             json_object_get(incident, "opened_at"), "is_standing",
                             json_object_get(incident, "is_standing"), "reason", json_object_get(incident, "reason"));
    }
    return json_null();
}

static int count_trusted(const struct model *model, const json_t *sources)
{
    int count = 0;
    size_t i;
    const json_t *source;
    json_array_foreach(sources, i, source) count +=
        model_voter_trust(model, model_voter_find(model, json_string_value(json_object_get(source, "source")))) >
        TRUST_OPEN;
    return count;
}

static json_t *site_json(const struct model *model, const char *site, const json_t *state)
{
    json_t *sources = votes_of(model, json_object_get(state, "votes"), site);
    size_t down = json_array_size(sources);
    return json_pack("{s:s, s:s, s:I, s:i, s:o, s:o}", "name", site, "vote", down > 0 ? "down" : "unknown",
                     "down_votes", (json_int_t)down, "trusted_down_votes", count_trusted(model, sources), "sources",
                     sources, "incident", incident_of(json_object_get(state, "incidents"), site));
}

/* Stored timers are due on a steady clock, perhaps another boot's; shown is the wall time when they will be. */
static json_t *timers_json(const struct service *service, const json_t *timers)
{
    json_t *list = json_array();
    size_t i;
    const json_t *timer;
    json_array_foreach(timers, i, timer)
    {
        const char *boot_id = json_string_value(json_object_get(timer, "boot_id"));
        const char *site = json_string_value(json_object_get(timer, "site"));
        if (site && site[0] && service_site_find(service, site) < 0)
            continue;
        int64_t due =
            clock_due_from_stored(json_integer_value(json_object_get(timer, "due_at")), boot_id ? boot_id : "",
                                  json_integer_value(json_object_get(timer, "offset_ms")));
        char text[TIME_TEXT_SIZE];
        time_format(due - clock_steady_ms() + clock_wall_ms(), text);
        json_array_append_new(list, json_pack("{s:O, s:O, s:s}", "kind", json_object_get(timer, "kind"), "site",
                                              json_object_get(timer, "site"), "due_at", text));
    }
    return list;
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

/* `state`: the store's; NULL when the service has none yet. */
static json_t *service_json(const struct model *model, const struct service *service, const json_t *state)
{
    json_t *sites = json_array();
    for (int i = 0; i < service->n_sites; i++)
        json_array_append_new(sites, site_json(model, service->sites[i].name, state));
    return json_pack("{s:s, s:o, s:o, s:s, s:s, s:i, s:i, s:I, s:o, s:o, s:o}", "name", service->name, "active",
                     active_json(service, state), "active_since", or_null(json_object_get(state, "active_since")),
                     "home", service->sites[0].name, "mode", mode_text(service->mode), "votes_needed", service->votes,
                     "trusted_votes_needed", service->trusted_votes, "hold_ms", (json_int_t)service->hold_ms, "sites",
                     sites, "timers", timers_json(service, json_object_get(state, "timers")), "run",
                     or_null(json_object_get(state, "run")));
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

void api_service(struct request *request)
{
    const struct model *model = request_http(request)->settings.model;
    int index = model_service_find(model, request->argument);
    if (index < 0) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no service %s", request->argument);
        return;
    }
    json_t *states = states_get(request);
    if (!states)
        return;
    const struct service *service = &model->services[index];
    answer_json(request, MHD_HTTP_OK, service_json(model, service, json_object_get(states, service->name)));
    json_decref(states);
}

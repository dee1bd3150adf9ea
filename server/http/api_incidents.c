/* GET /api/v1/incidents[/UUID]: what was wrong with a service at a site, why something was done about it, and why not.
 */
#include "http/http_internal.h"

#include "base/clock.h"
#include "core/why.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- pages ------------------------------------------------------------------------------------------------------- */

static bool parse_filters(struct request *request, struct id *before, bool *is_open)
{
    const char *after = api_parameter(request, "after");
    const char *open = api_parameter(request, "open");
    *before = (struct id){{0}};
    *is_open = strcmp(open, "true") == 0;
    if (after[0] && id_parse(after, strlen(after), before) != ERR_OK)
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "`after` must be the `next` of the page before");
    else if (open[0] && !*is_open && strcmp(open, "false") != 0)
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "`open` must be true or false");
    return !request->response;
}

void api_incidents(struct request *request)
{
    struct id before, next = {{0}};
    bool is_open;
    int limit = api_limit(request);
    if (limit == 0 || !parse_filters(request, &before, &is_open))
        return;
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    json_t *items = NULL;
    struct errmsg why = {""};
    enum err err =
        store_incidents_page(reader, &before, limit, api_filter(request, "service"), is_open, &items, &next, &why);
    if (err != ERR_OK) {
        api_store_failed(request, err, &why);
        return;
    }
    json_t *page = json_pack("{s:o}", "items", items);
    char text[ID_TEXT_SIZE];
    if (!id_is_nil(&next))
        json_object_set_new(page, "next", json_string(id_format(&next, text)));
    answer_json(request, MHD_HTTP_OK, page);
}

/* ---- the story of one -------------------------------------------------------------------------------------------- */

static enum reason reason_of(const json_t *object)
{
    enum reason reason = REASON_NONE;
    return reason_parse(api_text(object, "reason"), &reason) ? reason : REASON_NONE;
}

static bool is_text(const json_t *object, const char *key, const char *text)
{
    return strcmp(api_text(object, key), text) == 0;
}

/* That a hold ran out is said by what came of it, that nobody is waited for any more by the answer, and that a service
 * is moving by its run. */
static bool is_aside(const char *kind, const json_t *detail)
{
    if (strcmp(kind, "decision.active") == 0)
        return is_text(detail, "active", active_kind_text(ACTIVE_MOVING));
    if (strcmp(kind, "decision.timer") != 0)
        return false;
    bool is_end = !json_object_get(detail, "in_ms");
    return is_text(detail, "timer", timer_kind_text(TIMER_REMIND)) ||
           (is_end && is_text(detail, "timer", timer_kind_text(TIMER_APPROVAL))) ||
           (is_end && is_text(detail, "timer", timer_kind_text(TIMER_HOLD)) && reason_of(detail) == REASON_TIMER);
}

/* Of the chain's items; an entry that somebody has made something else of has no text, and says so elsewhere. */
static size_t read_entries(const json_t *chain, struct why_entry *entries)
{
    size_t i, n = 0;
    const json_t *item;
    json_array_foreach(chain, i, item)
    {
        const json_t *entry = json_object_get(item, "entry");
        const char *kind = api_text(entry, "kind");
        bool is_call = strncmp(kind, "operator.", 9) == 0;
        entries[n++] = (struct why_entry){.at = api_time(entry, "at"),
                                          .kind = kind,
                                          .text = api_text(entry, "text"),
                                          .who = is_call ? api_text(entry, "who") : "",
                                          .reason = reason_of(json_object_get(entry, "detail")),
                                          .is_aside = is_aside(kind, json_object_get(entry, "detail"))};
    }
    return n;
}

struct story {
    json_t *lines;
    int64_t began_at;
};

static void add_line(void *context, int64_t at, bool is_now, const char *text)
{
    struct story *story = context;
    json_array_append_new(story->lines, json_pack("{s:o, s:I, s:b, s:s}", "at", time_json(at), "after_ms",
                                                  (json_int_t)(at - story->began_at), "is_now", is_now, "text", text));
}

/* Who could say something of the site and does not, "a, b". */
static void list_silent(const json_t *site, char *to, size_t size)
{
    size_t i, len = 0;
    const json_t *voter;
    to[0] = '\0';
    json_array_foreach(json_object_get(site, "voters"), i, voter)
    {
        const char *name = api_text(voter, "voter");
        bool is_silent = strcmp(api_text(voter, "vote"), vote_text(VOTE_UNKNOWN)) == 0;
        if (is_silent && strcmp(name, VOTER_OPERATOR_NAME) != 0 && len + strlen(name) + 3 < size)
            len += (size_t)snprintf(to + len, size - len, "%s%s", len ? ", " : "", name);
    }
}

static bool probe_says_down(const json_t *site)
{
    size_t i;
    const json_t *voter;
    json_array_foreach(json_object_get(site, "voters"), i, voter)
    {
        if (strcmp(api_text(voter, "voter"), VOTER_PROBE_NAME) == 0)
            return strcmp(api_text(voter, "vote"), vote_text(VOTE_DOWN)) == 0;
    }
    return false;
}

/* NULL when it does not run. */
static const json_t *timer_find(const json_t *service, enum timer_kind kind, const char *site)
{
    size_t i;
    const json_t *timer;
    json_array_foreach(json_object_get(service, "timers"), i, timer)
    {
        if (is_text(timer, "kind", timer_kind_text(kind)) && is_text(timer, "site", site))
            return timer;
    }
    return NULL;
}

static int64_t timer_at(const json_t *service, enum timer_kind kind, const char *site)
{
    return api_time(timer_find(service, kind, site), "due_at");
}

static struct why_run run_of(const json_t *run)
{
    struct why_run ret = {.id = json_string_value(json_object_get(run, "id")), .to = api_text(run, "to")};
    if (!run_state_parse(api_text(run, "state"), &ret.state) || !direction_parse(api_text(run, "kind"), &ret.direction))
        ret.id = NULL;
    return ret;
}

/* The place of the service, and what is said of the site now. `service`: as GET /services/NAME gives it. */
static void add_service(struct why_now *now, const struct model *model, const json_t *service, char *silent,
                        size_t silent_size)
{
    const char *active = api_text(service, "active");
    int index = model_service_find(model, now->service);
    now->model = &model->services[index];
    int site = service_site_find(now->model, now->site);
    if (!active_kind_parse(active, &now->active) || now->active == ACTIVE_SITE) {
        now->active = ACTIVE_SITE;
        now->active_site = active;
    }
    const json_t *flap = timer_find(service, TIMER_FLAP, now->site);
    now->hold_ms = hold_ms_after(now->model, (int)json_integer_value(json_object_get(flap, "count")));
    now->hold_at = timer_at(service, TIMER_HOLD, now->site);
    now->cool_down_at = timer_at(service, TIMER_COOL_DOWN, "");
    now->approval_at = timer_at(service, TIMER_APPROVAL, "");
    now->frozen_until = api_time(json_object_get(service, "frozen"), "until");
    const json_t *said = json_array_get(json_object_get(service, "sites"), site < 0 ? SIZE_MAX : (size_t)site);
    now->votes = (int)json_integer_value(json_object_get(said, "down_votes"));
    now->trusted = (int)json_integer_value(json_object_get(said, "trusted_down_votes"));
    now->has_probe = probe_says_down(said);
    list_silent(said, silent, silent_size);
    const struct why_run run = run_of(json_object_get(service, "run"));
    if (run.id && !run_state_is_final(run.state))
        now->run = run;
}

/* `service` NULL: the configuration does not have it. `own_run` NULL: there is none. */
static json_t *story_json(const struct model *model, const json_t *incident, const json_t *service,
                          const json_t *own_run)
{
    const json_t *chain = json_object_get(incident, "chain");
    char silent[512] = "";
    struct story story = {json_array(), api_time(incident, "opened_at")};
    struct why_entry *entries = calloc(json_array_size(chain) + 1, sizeof *entries);
    if (!entries)
        return story.lines;
    struct why_now now = {.now = clock_wall_ms(),
                          .resolved_at = api_time(incident, "resolved_at"),
                          .stood_at = api_time(incident, "stood_at"),
                          .service = api_text(incident, "service"),
                          .site = api_text(incident, "site"),
                          .is_standing = json_is_true(json_object_get(incident, "is_standing")),
                          .most_votes = (int)json_integer_value(json_object_get(incident, "most_votes")),
                          .reason = reason_of(incident),
                          .would_to = api_text(incident, "would_to"),
                          .active = ACTIVE_UNKNOWN,
                          .active_site = "",
                          .run = run_of(own_run),
                          .silent = silent};
    if (service)
        add_service(&now, model, service, silent, sizeof silent);
    if (now.resolved_at != 0)
        now.run = run_of(own_run);
    size_t n = read_entries(chain, entries);
    why_tell(entries, n, STORE_MAX_CHAIN / 2, json_integer_value(json_object_get(incident, "left_out")), &now, add_line,
             &story);
    free(entries);
    return story.lines;
}

/* The incident's own run, NULL when it has none. False after answering. */
static bool own_run_get(struct request *request, const json_t *incident, json_t **ret)
{
    struct id id;
    struct errmsg why = {""};
    const char *text = api_text(incident, "run");
    *ret = NULL;
    if (id_parse(text, strlen(text), &id) != ERR_OK)
        return true;
    enum err err = store_run_get(request_http(request)->reader, &id, ret, &why);
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        return true;
    api_store_failed(request, err, &why);
    return false;
}

static void tell(struct request *request, json_t *incident)
{
    const struct model *model = request_http(request)->settings.model;
    json_t *run = NULL, *service = NULL;
    int index = model_service_find(model, api_text(incident, "service"));
    bool is_read =
        own_run_get(request, incident, &run) && (index < 0 || (service = api_service_get(request, index)) != NULL);
    if (is_read) {
        json_object_set_new(incident, "story", story_json(model, incident, service, run));
        answer_json(request, MHD_HTTP_OK, json_incref(incident));
    }
    json_decref(run);
    json_decref(service);
}

void api_incident(struct request *request)
{
    struct id id;
    json_t *incident = NULL;
    struct errmsg why = {"there is no incident with this id"};
    if (id_parse(request->argument, strlen(request->argument), &id) != ERR_OK) {
        api_store_failed(request, ERR_NOT_FOUND, &why);
        return;
    }
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    enum err err = store_incident_get(reader, &id, &incident, &why);
    if (err != ERR_OK) {
        api_store_failed(request, err, &why);
        return;
    }
    tell(request, incident);
    json_decref(incident);
}

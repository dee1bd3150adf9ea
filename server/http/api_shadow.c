/* GET /api/v1/shadow: what shadow mode would have done since then, service by service, and how that would have ended.
 *
 * Weeks of incidents are read a page at a time on the worker's thread, the newest first and a bounded number of them.
 */
#include "http/http_internal.h"

#include "base/clock.h"
#include "core/shadow.h"

#include <stdlib.h>
#include <string.h>

#define PAGE 500
#define MAX_PAGES 40      /* of incidents, and of runs */
#define MAX_CASES 100     /* of a service that are shown one by one: the newest */
#define LASTING_MS 300000 /* an outage of five minutes behind the decision was worth a failover */

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct reading {
    int64_t since; /* wall; put forward where there is more than is read */
    json_t *moved; /* ids of incidents because of which a person moved the service, as keys */
    json_t *cases; /* by service: [incident], newest first */
};

static void take_run(struct reading *reading, json_t *run)
{
    const char *incident = api_text(run, "incident");
    if (incident[0] && json_is_false(json_object_get(run, "is_ours")))
        json_object_set_new(reading->moved, incident, json_true());
}

static void take_incident(struct reading *reading, json_t *incident)
{
    const char *service = api_text(incident, "service");
    if (!json_is_string(json_object_get(incident, "would_at")))
        return;
    if (!json_object_get(reading->cases, service))
        json_object_set_new(reading->cases, service, json_array());
    json_array_append(json_object_get(reading->cases, service), incident);
}

typedef enum err (*read_page)(struct store_reader *reader, const struct id *before, json_t **ret_items,
                              struct id *ret_next, struct errmsg *why);

static enum err read_runs(struct store_reader *reader, const struct id *before, json_t **ret_items, struct id *ret_next,
                          struct errmsg *why)
{
    return store_runs_page(reader, before, PAGE, NULL, NULL, ret_items, ret_next, why);
}

static enum err read_incidents(struct store_reader *reader, const struct id *before, json_t **ret_items,
                               struct id *ret_next, struct errmsg *why)
{
    return store_incidents_page(reader, before, PAGE, NULL, false, ret_items, ret_next, why);
}

/* Newest first, until one began before `since`. */
static enum err read_all(struct reading *reading, struct store_reader *reader, read_page page, const char *began,
                         void (*take)(struct reading *reading, json_t *item), struct errmsg *why)
{
    struct id before = {{0}};
    int64_t reached = 0;
    for (int i = 0; i < MAX_PAGES; i++) {
        json_t *items = NULL, *item;
        struct id next = {{0}};
        bool is_older = false;
        size_t k;
        enum err err = page(reader, &before, &items, &next, why);
        if (err != ERR_OK)
            return err;
        json_array_foreach(items, k, item)
        {
            reached = api_time(item, began);
            is_older |= reached < reading->since;
            if (!is_older)
                take(reading, item);
        }
        json_decref(items);
        if (is_older || id_is_nil(&next))
            return ERR_OK;
        before = next;
    }
    reading->since = reached;
    return ERR_OK;
}

/* ---- judging ----------------------------------------------------------------------------------------------------- */

static struct shadow_case case_of(const struct reading *reading, const json_t *incident)
{
    return (struct shadow_case){.stood_at = api_time(incident, "stood_at"),
                                .would_at = api_time(incident, "would_at"),
                                .fell_at = api_time(incident, "fell_at"),
                                .resolved_at = api_time(incident, "resolved_at"),
                                .most_votes = (int)json_integer_value(json_object_get(incident, "most_votes")),
                                .is_moved = json_object_get(reading->moved, api_text(incident, "id")) != NULL};
}

static json_t *case_json(const json_t *incident, const struct shadow_case *given, const struct shadow_rules *rules)
{
    return json_pack("{s:O, s:O, s:O, s:O, s:i, s:I, s:b, s:s}", "incident", json_object_get(incident, "id"), "site",
                     json_object_get(incident, "site"), "to", json_object_get(incident, "would_to"), "at",
                     json_object_get(incident, "would_at"), "most_votes", given->most_votes, "lasted_ms",
                     (json_int_t)shadow_lasted_ms(given, rules), "is_moved", given->is_moved, "verdict",
                     shadow_verdict_text(shadow_judge(given, rules)));
}

static json_t *options_json(const struct shadow_report *report)
{
    json_t *list = json_array();
    for (int i = 0; i < report->n_options; i++)
        json_array_append_new(list, json_pack("{s:i, s:I, s:I}", "votes", report->options[i].votes, "hold_ms",
                                              (json_int_t)report->options[i].hold_ms, "later_ms",
                                              (json_int_t)report->options[i].later_ms));
    return list;
}

/* NULL: out of memory. */
static json_t *service_json(const struct service *service, const struct reading *reading, int64_t now)
{
    const json_t *incidents = json_object_get(reading->cases, service->name);
    const struct shadow_rules rules = {
        .votes = service->votes, .hold_ms = service->hold_ms, .lasting_ms = LASTING_MS, .now = now};
    size_t i;
    const json_t *incident;
    struct shadow_case *cases = calloc(json_array_size(incidents) + 1, sizeof *cases);
    if (!cases)
        return NULL;
    json_t *shown = json_array();
    json_array_foreach(incidents, i, incident)
    {
        cases[i] = case_of(reading, incident);
        if (i < MAX_CASES)
            json_array_append_new(shown, case_json(incident, &cases[i], &rules));
    }
    struct shadow_report report;
    shadow_report_make(cases, json_array_size(incidents), &rules, &report);
    free(cases);
    return json_pack("{s:s, s:s, s:i, s:I, s:i, s:i, s:i, s:o, s:o, s:s}", "service", service->name, "mode",
                     mode_text(service->mode), "votes_needed", service->votes, "hold_ms", (json_int_t)service->hold_ms,
                     "right", report.n_right, "false", report.n_false, "open", report.n_open, "cases", shown, "options",
                     options_json(&report), "text", shadow_report_text(&report, &rules).text);
}

/* Of each service that only shadows, or would have been moved. */
static json_t *report_json(const struct model *model, const struct reading *reading)
{
    int64_t now = clock_wall_ms();
    json_t *items = json_array();
    for (int i = 0; i < model->n_services; i++) {
        const struct service *service = &model->services[i];
        if (service->mode == MODE_SHADOW || json_object_get(reading->cases, service->name))
            json_array_append_new(items, service_json(service, reading, now));
    }
    return json_pack("{s:o, s:o, s:I, s:o}", "since", time_json(reading->since), "until", time_json(now), "lasting_ms",
                     (json_int_t)LASTING_MS, "items", items);
}

static enum err make_report(struct http *http, struct store_reader *reader, struct worker_job *job)
{
    struct reading reading = {.since = job->asked.since, .moved = json_object(), .cases = json_object()};
    enum err err = read_all(&reading, reader, read_runs, "started_at", take_run, &job->why);
    if (err == ERR_OK)
        err = read_all(&reading, reader, read_incidents, "opened_at", take_incident, &job->why);
    if (err == ERR_OK)
        job->answer = report_json(http->settings.model, &reading);
    json_decref(reading.moved);
    json_decref(reading.cases);
    return err;
}

/* ---- the request ------------------------------------------------------------------------------------------------- */

void api_shadow(struct request *request)
{
    const char *since = api_parameter(request, "since");
    int64_t ms = 0;
    if (since[0] && time_parse(since, strlen(since), &ms) != ERR_OK) {
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid",
                     "`since` must be a time like 2026-11-21T00:00:00Z; all is read where it is left out");
        return;
    }
    struct worker_job *job = calloc(1, sizeof *job);
    if (job) {
        job->work = make_report;
        job->asked.since = ms;
    }
    worker_give(&request_http(request)->rereader, request, job);
}

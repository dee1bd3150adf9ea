/* GET /api/v1/incidents/UUID/report and /api/v1/runs/UUID/report: the report as JSON, and as Markdown in it. */
#include "http/http_internal.h"

#include "core/report.h"

#include <string.h>

static bool parse_id(struct request *request, const char *text, struct id *ret)
{
    struct errmsg why = {"there is no such incident or run"};
    if (id_parse(text, strlen(text), ret) == ERR_OK)
        return true;
    api_store_failed(request, ERR_NOT_FOUND, &why);
    return false;
}

/* What `text` names, NULL where it names none; false after answering. */
static bool get_other(struct request *request, struct store_reader *reader, const char *text, json_t **ret,
                      enum err (*get)(struct store_reader *reader, const struct id *id, json_t **ret,
                                      struct errmsg *why))
{
    struct id id;
    struct errmsg why = {""};
    *ret = NULL;
    if (id_parse(text, strlen(text), &id) != ERR_OK)
        return true;
    enum err err = get(reader, &id, ret, &why);
    if (err == ERR_OK || err == ERR_NOT_FOUND)
        return true;
    api_store_failed(request, err, &why);
    return false;
}

static void tell(struct request *request, const json_t *incident, const json_t *run)
{
    const struct model *model = request_http(request)->settings.model;
    const int service = model_service_find(model, api_text(run ? run : incident, "service"));
    const struct report_of of = {
        .incident = incident, .run = run, .rto_ms = service < 0 ? 0 : model->services[service].objective.rto_ms};
    struct strbuf markdown = STRBUF_INIT;
    json_t *report = report_json(&of);
    report_markdown(report, &markdown);
    json_object_set_new(report, "markdown", json_string(strbuf_text(&markdown)));
    strbuf_done(&markdown);
    answer_json(request, MHD_HTTP_OK, report);
}

void api_incident_report(struct request *request)
{
    struct id id;
    struct errmsg why = {""};
    json_t *incident = NULL, *run = NULL;
    struct store_reader *reader = parse_id(request, request->argument, &id) ? api_reader(request) : NULL;
    if (!reader)
        return;
    enum err err = store_incident_get(reader, &id, &incident, &why);
    if (err != ERR_OK)
        api_store_failed(request, err, &why);
    else if (get_other(request, reader, api_text(incident, "run"), &run, store_run_get))
        tell(request, incident, run);
    json_decref(incident);
    json_decref(run);
}

void api_run_report(struct request *request)
{
    struct id id;
    struct errmsg why = {""};
    json_t *incident = NULL, *run = NULL;
    struct store_reader *reader = parse_id(request, request->argument, &id) ? api_reader(request) : NULL;
    if (!reader)
        return;
    enum err err = store_run_get(reader, &id, &run, &why);
    if (err != ERR_OK)
        api_store_failed(request, err, &why);
    else if (get_other(request, reader, api_text(run, "incident"), &incident, store_incident_get))
        tell(request, incident, run);
    json_decref(incident);
    json_decref(run);
}

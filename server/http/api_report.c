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

typedef enum err (*store_get)(struct store_reader *reader, const struct id *id, json_t **ret, struct errmsg *why);

/* What `text` names, NULL where it names none; false after answering. */
static bool get_other(struct request *request, struct store_reader *reader, const char *text, json_t **ret,
                      store_get get)
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

/* Of the one that the path names, and of the other that it names itself. */
static void report(struct request *request, bool is_of_run)
{
    struct id id;
    struct errmsg why = {""};
    json_t *one = NULL, *other = NULL;
    struct store_reader *reader = parse_id(request, request->argument, &id) ? api_reader(request) : NULL;
    if (!reader)
        return;
    enum err err = (is_of_run ? store_run_get : store_incident_get)(reader, &id, &one, &why);
    if (err != ERR_OK)
        api_store_failed(request, err, &why);
    else if (get_other(request, reader, api_text(one, is_of_run ? "incident" : "run"), &other,
                       is_of_run ? store_incident_get : store_run_get))
        tell(request, is_of_run ? other : one, is_of_run ? one : other);
    json_decref(one);
    json_decref(other);
}

void api_incident_report(struct request *request)
{
    report(request, false);
}

void api_run_report(struct request *request)
{
    report(request, true);
}

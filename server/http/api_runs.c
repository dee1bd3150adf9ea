/* GET /api/v1/runs[/UUID]. */
#include "http/http_internal.h"

#include <string.h>

static bool parse_filters(struct request *request, struct id *before)
{
    enum run_state state;
    const char *after = api_parameter(request, "after");
    const char *state_text = api_parameter(request, "state");
    *before = (struct id){{0}};
    if (after[0] && id_parse(after, strlen(after), before) != ERR_OK)
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "`after` must be the `next` of the page before");
    else if (state_text[0] && !run_state_parse(state_text, &state))
        answer_error(request, MHD_HTTP_BAD_REQUEST, "invalid", "there is no state `%s`", state_text);
    return !request->response;
}

void api_runs(struct request *request)
{
    struct id before;
    int limit = api_limit(request);
    if (limit == 0 || !parse_filters(request, &before))
        return;
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    json_t *items = NULL;
    struct id next = {{0}};
    struct errmsg why = {""};
    enum err err = store_runs_page(reader, &before, limit, api_filter(request, "service"), api_filter(request, "state"),
                                   &items, &next, &why);
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

static void add_objective(struct request *request, const json_t *run)
{
    const struct model *model = request_http(request)->settings.model;
    int service = model_service_find(model, api_text(run, "service"));
    int64_t rto_ms = service >= 0 ? model->services[service].objective.rto_ms : 0;
    json_object_set_new(json_object_get(run, "timing"), "objective_ms", rto_ms ? json_integer(rto_ms) : json_null());
}

void api_run(struct request *request)
{
    struct id id;
    json_t *run = NULL;
    struct errmsg why = {"there is no run with this id"};
    enum err err = id_parse(request->argument, strlen(request->argument), &id);
    if (err != ERR_OK) {
        api_store_failed(request, ERR_NOT_FOUND, &why);
        return;
    }
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    err = store_run_get(reader, &id, &run, &why);
    if (err == ERR_OK)
        add_objective(request, run);
    if (err == ERR_OK)
        answer_json(request, MHD_HTTP_OK, run);
    else
        api_store_failed(request, err, &why);
}

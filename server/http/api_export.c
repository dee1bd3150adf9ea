/* GET /api/v1/services/NAME/export: the break-glass script of each way and the runbook, from the last look of
 * readiness.
 */
#include "http/http_internal.h"

#include "core/export.h"

static void tell(struct request *request, const char *service, const json_t *both)
{
    const json_t *there = json_object_get(both, "failover"), *back = json_object_get(both, "failback");
    const json_t *plan = json_object_get(there, "plan"), *plan_back = json_object_get(back, "plan");
    const char *at = api_text(there, "checked_at");
    struct errmsg why = {""};
    if (!json_is_object(plan)) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found",
                     "nobody has looked so far what a move of %s would change: wait for the first round of readiness",
                     service);
        return;
    }
    json_t *files = export_files(plan, json_is_object(plan_back) ? plan_back : NULL, at, &why);
    if (!files) {
        api_store_failed(request, ERR_NO_MEMORY, &why);
        return;
    }
    const bool is_whole = export_is_whole(plan) && (!json_is_object(plan_back) || export_is_whole(plan_back));
    answer_json(request, MHD_HTTP_OK,
                json_pack("{s:s, s:s, s:b, s:o}", "service", service, "at", at, "is_whole", is_whole, "files", files));
}

void api_export(struct request *request)
{
    const struct model *model = request_http(request)->settings.model;
    json_t *both = NULL;
    struct errmsg why = {""};
    if (model_service_find(model, request->argument) < 0) {
        answer_error(request, MHD_HTTP_NOT_FOUND, "not_found", "there is no service %s", request->argument);
        return;
    }
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    enum err err = store_readiness_get(reader, request->argument, &both, &why);
    if (err == ERR_OK)
        tell(request, request->argument, both);
    else
        api_store_failed(request, err, &why);
    json_decref(both);
}

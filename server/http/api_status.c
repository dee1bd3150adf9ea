/* GET /api/v1/status: what holds for the daemon as a whole, as those who know it say. */
#include "http/http_internal.h"

void api_status(struct request *request)
{
    const struct http_settings *settings = &request_http(request)->settings;
    answer_json(request, MHD_HTTP_OK, settings->status ? settings->status(settings->status_context) : json_object());
}

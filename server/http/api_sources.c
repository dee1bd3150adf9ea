/* GET /api/v1/sources: the monitors as configured, and when each was last heard. Of credentials only the kinds. */
#include "http/http_internal.h"

static void add_credential(json_t *list, const char *kind, size_t n)
{
    if (n > 0)
        json_array_append_new(list, json_pack("{s:s, s:I}", "kind", kind, "count", (json_int_t)n));
}

static json_t *credentials_json(const struct source *source)
{
    json_t *list = json_array();
    add_credential(list, "bearer", source->bearer.n);
    add_credential(list, "basic", source->n_basic);
    add_credential(list, "path_token", source->path_token.n);
    for (size_t i = 0; i < MAX_SOURCE_SECRETS && source->secrets[i].row; i++)
        add_credential(list, source->secrets[i].row, source->secrets[i].values.n);
    return list;
}

static json_t *from_json(const struct source *source)
{
    json_t *list = json_array();
    char text[NETWORK_TEXT_SIZE];
    for (size_t i = 0; i < source->n_from; i++)
        json_array_append_new(list, json_string(network_format(&source->from[i], text)));
    return list;
}

static int count_rules(const struct model *model, int source)
{
    int n = 0;
    for (int i = 0; i < model->n_services; i++)
        for (size_t k = 0; k < model->services[i].n_rules; k++)
            n += model->services[i].rules[k].source == source;
    return n;
}

/* A repeat leaves no delivery behind, and a start no memory: of what is known from both the latest. */
static json_t *source_json(struct http *http, int index, int64_t open_alerts, int64_t stored_at)
{
    const struct source *source = &http->settings.sources[index];
    struct heard *heard = &http->heard[index];
    int64_t heard_at = atomic_load(&heard->at);
    json_t *json =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:I, s:o, s:I, s:I}", "name", source->name, "kind",
                  source->handler->kind, "trust", trust_text(source->trust), "credentials", credentials_json(source),
                  "from", from_json(source), "rate", source->rate > 0 ? json_integer(source->rate) : json_null(),
                  "rules", count_rules(http->settings.model, index), "open_alerts", (json_int_t)open_alerts,
                  "last_delivery_at", time_json(heard_at > stored_at ? heard_at : stored_at), "deliveries",
                  (json_int_t)atomic_load(&heard->deliveries), "refused", (json_int_t)atomic_load(&heard->refused));
    return json;
}

void api_sources(struct request *request)
{
    struct http *http = request_http(request);
    struct store_reader *reader = api_reader(request);
    if (!reader)
        return;
    json_t *items = json_array();
    for (int i = 0; i < http->settings.n_sources; i++) {
        int64_t open_alerts = 0, stored_at = 0;
        struct errmsg why = {""};
        enum err err = store_source_get(reader, http->settings.sources[i].name, &open_alerts, &stored_at, &why);
        if (err != ERR_OK) {
            json_decref(items);
            api_store_failed(request, err, &why);
            return;
        }
        json_array_append_new(items, source_json(http, i, open_alerts, stored_at));
    }
    answer_json(request, MHD_HTTP_OK, json_pack("{s:o}", "items", items));
}

/* /healthz, /readyz and /metrics. */
#include "http/http_internal.h"

#include <stdio.h>

void health_alive(struct request *request)
{
    answer_json(request, MHD_HTTP_OK, json_pack("{s:s}", "status", "ok"));
}

/* Words and no sentences: anybody may ask. */
void health_ready(struct request *request)
{
    struct http *http = request_http(request);
    char why[sizeof http->why_not_ready];
    json_t *holds = json_array();
    pthread_mutex_lock(&http->told_mutex);
    bool is_ready = http->is_ready;
    snprintf(why, sizeof why, "%s", http->why_not_ready);
    for (int i = 0; http->holds[i]; i++)
        json_array_append_new(holds, json_string(http->holds[i]));
    pthread_mutex_unlock(&http->told_mutex);
    if (is_ready && !atomic_load(&http->is_stopping)) {
        answer_json(request, MHD_HTTP_OK, json_pack("{s:s, s:o}", "status", "ready", "holds", holds));
        return;
    }
    json_decref(holds);
    answer_error(request, MHD_HTTP_SERVICE_UNAVAILABLE, "not_ready", "%s", is_ready ? "the daemon is stopping" : why);
    answer_header(request, MHD_HTTP_HEADER_RETRY_AFTER, RETRY_AFTER_SECONDS);
}

static void metric(struct strbuf *text, const char *name, const char *type, const char *help)
{
    strbuf_addf(text, "# HELP turnout_%s %s\n# TYPE turnout_%s %s\n", name, help, name, type);
}

/* One row for each listener. */
static void by_listener(struct http *http, struct strbuf *text, const char *name, const char *help,
                        long long (*value)(const struct listener *listener))
{
    metric(text, name, "counter", help);
    strbuf_addf(text, "turnout_%s{listener=\"hooks\"} %lld\n", name, value(&http->hooks));
    strbuf_addf(text, "turnout_%s{listener=\"api\"} %lld\n", name, value(&http->api));
}

#define COUNTER(field)                                                                                                 \
    static long long field##_of(const struct listener *listener)                                                       \
    {                                                                                                                  \
        return atomic_load(&listener->counters.field);                                                                 \
    }
COUNTER(connections)
COUNTER(refused_connections)
COUNTER(cut_connections)
COUNTER(refused_clients)
COUNTER(limited)

static void listener_metrics(struct http *http, struct strbuf *text)
{
    const struct listener *const listeners[] = {&http->hooks, &http->api};
    static const char *const names[] = {"hooks", "api"};
    metric(text, "http_answers_total", "counter", "Answers by listener and hundred of the status.");
    for (int i = 0; i < 2; i++) {
        for (int hundred = 2; hundred < 6; hundred++)
            strbuf_addf(text, "turnout_http_answers_total{listener=\"%s\",status=\"%dxx\"} %lld\n", names[i], hundred,
                        atomic_load(&listeners[i]->counters.answers[hundred]));
    }
    by_listener(http, text, "http_connections_total", "Connections accepted.", connections_of);
    by_listener(http, text, "http_connections_refused_total", "Connections refused for the limit per address.",
                refused_connections_of);
    by_listener(http, text, "http_connections_cut_total", "Connections ended for a deadline of header, body or idling.",
                cut_connections_of);
    by_listener(http, text, "http_clients_refused_total", "Requests without the right client certificate.",
                refused_clients_of);
    by_listener(http, text, "http_limited_total", "Requests refused for the rate of their address.", limited_of);
    metric(text, "http_connections", "gauge", "Connections open.");
    for (int i = 0; i < 2; i++)
        strbuf_addf(text, "turnout_http_connections{listener=\"%s\"} %d\n", names[i],
                    atomic_load(&listeners[i]->counters.open));
}

static void own_metrics(struct http *http, struct strbuf *text)
{
    metric(text, "hook_answers_total", "counter", "Answers to deliveries, by what those were.");
    strbuf_addf(text, "turnout_hook_answers_total{result=\"new\"} %lld\n", atomic_load(&http->deliveries_new));
    strbuf_addf(text, "turnout_hook_answers_total{result=\"duplicate\"} %lld\n",
                atomic_load(&http->deliveries_duplicate));
    strbuf_addf(text, "turnout_hook_answers_total{result=\"late\"} %lld\n", atomic_load(&http->deliveries_late));
    metric(text, "deliveries_rejected_total", "counter", "Requests of sources without the right credential.");
    strbuf_addf(text, "turnout_deliveries_rejected_total %lld\n", atomic_load(&http->rejected));
    metric(text, "calls_refused_total", "counter",
           "Calls without a token, without the right to them, or that cannot be meant.");
    strbuf_addf(text, "turnout_calls_refused_total %lld\n", atomic_load(&http->refused_calls));
    metric(text, "http_suspended", "gauge", "Requests waiting for their commit.");
    strbuf_addf(text, "turnout_http_suspended %d\n", atomic_load(&http->suspended));
    metric(text, "http_body_bytes", "gauge", "Bytes of all deliveries in memory.");
    strbuf_addf(text, "turnout_http_body_bytes %zu\n", atomic_load(&http->bodies));
    metric(text, "deliveries_limited_total", "counter", "Deliveries refused for the rate of their source.");
    strbuf_addf(text, "turnout_deliveries_limited_total %lld\n", atomic_load(&http->hooks.counters.limited_sources));
    metric(text, "deliveries_from_elsewhere_total", "counter",
           "Requests of sources from addresses that they do not take deliveries from.");
    strbuf_addf(text, "turnout_deliveries_from_elsewhere_total %lld\n",
                atomic_load(&http->hooks.counters.refused_addresses));
    listener_metrics(http, text);
    tls_metrics(http, text);
}

void health_metrics(struct request *request)
{
    struct http *http = request_http(request);
    struct strbuf text = STRBUF_INIT;
    own_metrics(http, &text);
    pthread_mutex_lock(&http->told_mutex);
    if (http->add_metrics)
        http->add_metrics(http->metrics_context, &text);
    pthread_mutex_unlock(&http->told_mutex);
    answer_text(request, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", &text);
}

/* What one decision costs: 1,000 services, 10,000 alerts that fire, and then alerts that begin, cease and are repeated,
 * beside the peer that every delivery pays as well: jansson's reading of one body of 900 bytes. Prints medians and 99th
 * percentiles in microseconds, of the same loop in turns. */
#include "core/decide.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICES 1000
#define SOURCES 4
#define ALERTS 10000
#define EVENTS 200000

static char names[SOURCES][8];
static char *source_names[SOURCES];
static enum trust trusts[SOURCES];
static char gra[] = "gra", rbx[] = "rbx";
static struct site sites[2] = {{.name = gra, .place = 0}, {.name = rbx, .place = 1}};
static char *place_names[2] = {gra, rbx};
static struct alert_rule rules[2 * SOURCES];
static struct service services[SERVICES];
static struct service_view views[SERVICES];
static const struct service_view *pointers[SERVICES];
static int64_t costs[2][EVENTS];

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void print_row(const char *what, int64_t *ns, size_t n)
{
    int64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += ns[i];
    qsort(ns, n, sizeof *ns, compare);
    printf("%-60s mean %6.2f  median %6.2f  p99 %6.2f us\n", what, (double)sum / (double)n / 1e3,
           (double)ns[n / 2] / 1e3, (double)ns[n / 100 * 99] / 1e3);
}

static struct model make_model(void)
{
    for (int i = 0; i < SOURCES; i++) {
        snprintf(names[i], sizeof names[i], "m%d", i);
        source_names[i] = names[i];
        trusts[i] = TRUST_SECRET;
        for (int site = 0; site < 2; site++)
            rules[2 * i + site] = (struct alert_rule){.source = i, .site = site};
    }
    for (int i = 0; i < SERVICES; i++)
        services[i] = (struct service){.name = gra,
                                       .sites = sites,
                                       .n_sites = 2,
                                       .rules = rules,
                                       .n_rules = 2 * SOURCES,
                                       .mode = MODE_AUTOMATIC,
                                       .votes = 2,
                                       .trusted_votes = 1,
                                       .hold_ms = 30000,
                                       .cool_down_ms = 1800000};
    return (struct model){.services = services,
                          .n_services = SERVICES,
                          .source_names = source_names,
                          .source_trust = trusts,
                          .n_sources = SOURCES,
                          .place_names = place_names,
                          .n_places = 2,
                          .flood = {.places = 1, .within_ms = 600000}};
}

/* As the orchestrator does it: decided, applied, and taken up into the whole. */
static void play(const struct model *model, struct outlook *outlook, int service, const struct event *event,
                 int64_t now)
{
    struct things things;
    decide(&services[service], model, &views[service], outlook, event, now, &things);
    for (int i = 0; i < things.count; i++)
        view_apply(&views[service], &things.items[i]);
    outlook_take(outlook, service, now);
}

static char *make_body(void)
{
    json_t *alert = json_pack(
        "{s:s, s:{s:s, s:s, s:s, s:s, s:s}, s:{s:s, s:s}, s:s, s:s, s:s, s:s}", "status", "firing", "labels",
        "alertname", "SiteDown", "service", "shop", "region", "gra", "instance", "192.0.2.10:443", "severity", "page",
        "annotations", "summary", "The site does not answer", "description",
        "Five probes in a row from three places had no answer within ten seconds, the last at the edge", "startsAt",
        "2026-11-21T10:00:00Z", "endsAt", "0001-01-01T00:00:00Z", "generatorURL",
        "http://prometheus.example.com:9090/graph?g0.expr=probe_success%3D%3D0", "fingerprint", "0123456789abcdef");
    json_t *body = json_pack("{s:s, s:s, s:s, s:i, s:s, s:{}, s:{}, s:{s:s}, s:s, s:[o]}", "version", "4", "groupKey",
                             "{}:{alertname=\"SiteDown\"}", "status", "firing", "truncatedAlerts", 0, "receiver",
                             "turnout", "commonAnnotations", "commonLabels", "groupLabels", "alertname", "SiteDown",
                             "externalURL", "http://alertmanager.example.com:9093", "alerts", alert);
    char *text = json_dumps(body, JSON_COMPACT);
    json_decref(body);
    return text;
}

int main(void)
{
    const struct model model = make_model();
    for (int i = 0; i < SERVICES; i++) {
        service_view_init(&views[i]);
        pointers[i] = &views[i];
    }
    struct outlook *outlook = outlook_new(&model, pointers);
    char *body = make_body();
    if (!outlook || !body)
        return 1;
    int64_t now = 1000000;
    for (int i = 0; i < SERVICES; i++)
        play(&model, outlook, i, &(struct event){.kind = EVENT_ADOPT, .site = 0}, now);
    /* One voter each: a quorum would start what this loop does not carry out. */
    for (int i = 0; i < ALERTS; i++)
        play(&model, outlook, i % SERVICES,
             &(struct event){.kind = EVENT_ALERT, .voter = 0, .site = 0, .says = VOTE_DOWN, .delta = 1}, now);
    size_t len = strlen(body);
    for (int i = 0; i < EVENTS; i++) {
        /* A second voter joins and leaves in turns: the hold is set and cleared. */
        const struct event event = {
            .kind = EVENT_ALERT, .voter = 1 + i / 2 % 3, .site = 0, .says = VOTE_DOWN, .delta = i % 2 ? -1 : 1};
        int64_t began = now_ns();
        play(&model, outlook, i / 2 * 7 % SERVICES, &event, now + i);
        int64_t middle = now_ns();
        json_decref(json_loadb(body, len, 0, NULL));
        costs[0][i] = middle - began;
        costs[1][i] = now_ns() - middle;
    }
    printf("\n%d services, %d alerts that fire, %d decisions\n", SERVICES, ALERTS, EVENTS);
    print_row("decide, apply, take up (hold set, hold cleared)", costs[0], EVENTS);
    char what[60];
    snprintf(what, sizeof what, "jansson reads a body of %zu bytes", len);
    print_row(what, costs[1], EVENTS);
    printf("ratio of the medians %.2f\n", (double)costs[0][EVENTS / 2] / (double)costs[1][EVENTS / 2]);
    free(body);
    outlook_free(outlook);
    return 0;
}

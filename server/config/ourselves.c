/* The daemon itself: where it runs, what tells it that it is cut off, whom it tells that it lives, and what stops it.
 */
#include "base/cleanup.h"
#include "config/rows.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

static const struct row self_check_rows[] = {
    {.name = "urls",
     .type = ROW_URLS,
     .is_required = true,
     .help = "what is asked with GET, best of three who have nothing in common; any answer at all will do"},
    {.name = "need",
     .type = ROW_INT,
     .min = 1,
     .max = 100,
     .help = "so many must answer, or the daemon is cut off and starts nothing by itself; default: more than half"},
    {.name = "every",
     .type = ROW_DURATION,
     .default_text = "30s",
     .min = 1000,
     .max = 3600 * 1000,
     .help = "how often they are asked"},
    {.name = "timeout",
     .type = ROW_DURATION,
     .default_text = "5s",
     .min = 100,
     .max = 60 * 1000,
     .help = "how long an answer is waited for"},
    {.name = NULL},
};

static const struct row heartbeat_rows[] = {
    {.name = "url",
     .type = ROW_SECRET,
     .is_required = true,
     .help = "of a dead man's switch outside, asked with GET: it calls people when we fall silent"},
    {.name = "every",
     .type = ROW_DURATION,
     .default_text = "1m",
     .min = 1000,
     .max = INT64_C(24) * 3600 * 1000,
     .help = "how often it hears of us"},
    {.name = NULL},
};

const struct row config_ourselves_rows[] = {
    {.name = "site",
     .type = ROW_STRING,
     .min = 1,
     .max = 63,
     .help = "where the daemon itself runs; best a place that no service has to leave"},
    {.name = "kill_switch",
     .type = ROW_PATH,
     .help = "while this file exists nothing is written to any provider, whoever asks for it"},
    {.name = "export",
     .type = ROW_PATH,
     .help = "folder for a script and a runbook of each service, for the day the daemon itself is down; kept fresh"},
    {.name = "ballast",
     .type = ROW_SIZE,
     .default_text = "16MiB",
     .min = 4 << 20, /* the WAL takes two before it starts again, and a long run's rows do not take as much */
     .max = 1 << 30,
     .help = "of a file beside the database that is given up when the disk is full, so that a run can still be "
             "written down"},
    {.name = "self_check",
     .type = ROW_MAP,
     .rows = self_check_rows,
     .help = "how the daemon finds out that it is cut off itself"},
    {.name = "heartbeat", .type = ROW_MAP, .rows = heartbeat_rows, .help = "who hears that the daemon lives"},
    {.name = NULL},
};

struct secret *ourselves_secret(void *owner, const char *row)
{
    (void)row; /* there is one */
    return &((struct config *)owner)->heartbeat.url;
}

static char *text_of(struct reading *r, const json_t *values, const char *key)
{
    const char *text = json_string_value(json_object_get(values, key));
    return text ? new_text(r, text) : NULL;
}

static void take_urls(struct reading *r, const json_t *list)
{
    struct self_check *check = &r->config->self_check;
    const size_t n = json_array_size(list);
    check->urls = new_array(r, n, sizeof(*check->urls));
    for (size_t i = 0; check->urls && i < n; i++)
        check->urls[check->n_urls++] = new_text(r, json_string_value(json_array_get(list, i)));
}

static void read_self_check(struct reading *r, const struct node *map, const json_t *values)
{
    struct self_check *check = &r->config->self_check;
    const json_t *need = json_object_get(values, "need"), *urls = json_object_get(values, "urls");
    const struct node *list = child(map, "urls");
    if (!urls || !list)
        return;
    take_urls(r, urls);
    const int n_given = list->kind == NODE_LIST ? (int)list->n_items : 1; /* with those that were complained about */
    check->need = need ? (int)json_integer_value(need) : n_given / 2 + 1;
    check->every_ms = json_integer_value(json_object_get(values, "every"));
    check->timeout_ms = json_integer_value(json_object_get(values, "timeout"));
    if (check->need > n_given)
        complain(r, child(map, "need"),
                 "\"need\" is %d, but there %s %d of \"urls\": the daemon would be cut off for ever; ask for fewer",
                 check->need, n_given == 1 ? "is" : "are", n_given);
    else if (n_given > 0 && n_given < 3)
        doubt(
            r, list,
            "with fewer than three \"urls\" it cannot be told whether they fail or we do; name three who have nothing "
            "in common");
    if (check->every_ms > 0 && check->timeout_ms > check->every_ms)
        complain(r, child(map, "timeout") ? child(map, "timeout") : child(map, "every"),
                 "\"timeout\" is longer than \"every\"; it must not be");
}

/* It is a secret because whoever knows it can keep the switch quiet; a complaint does not show it either. */
static void read_heartbeat(struct reading *r, const struct node *map, const json_t *values)
{
    static const struct row url_row = {.name = "url", .type = ROW_URL};
    struct heartbeat *heartbeat = &r->config->heartbeat;
    heartbeat->every_ms = json_integer_value(json_object_get(values, "every"));
    if (!secret_is_set(&heartbeat->url) || r->may_stand_in)
        return;
    json_t *url = value_of_text(&url_row, heartbeat->url.bytes);
    if (!url)
        complain(r, child(map, "url"),
                 "\"url\" does not hold a URL; it must be an http:// or https:// URL without user information and "
                 "fragment");
    json_decref(url);
}

void read_ourselves(struct reading *r, const struct node *server, const json_t *values)
{
    struct config *config = r->config;
    const struct node *self_check = child(server, "self_check"), *heartbeat = child(server, "heartbeat");
    config->site = text_of(r, values, "site");
    config->kill_switch = text_of(r, values, "kill_switch");
    config->export = text_of(r, values, "export");
    config->ballast_bytes = json_integer_value(json_object_get(values, "ballast"));
    if (self_check && self_check->kind == NODE_MAP)
        read_self_check(r, self_check, json_object_get(values, "self_check"));
    if (heartbeat && heartbeat->kind == NODE_MAP)
        read_heartbeat(r, heartbeat, json_object_get(values, "heartbeat"));
}

/* When the site fails, the daemon fails with it, and there is nobody to move anything. */
void doubt_own_site(struct reading *r)
{
    const struct model *model = &r->config->model;
    const struct node *server = child(r->root, "server");
    const char *first = NULL;
    int n_services = 0;
    for (int i = 0; r->config->site && i < model->n_services; i++) {
        if (service_site_find(&model->services[i], r->config->site) == SITE_NONE)
            continue;
        first = first ? first : model->services[i].name;
        n_services++;
    }
    if (n_services == 0)
        return;
    char others[64] = "";
    if (n_services > 1)
        snprintf(others, sizeof(others), " (and %d service%s more)", n_services - 1, n_services == 2 ? "" : "s");
    doubt(r, child(server, "site"),
          "the daemon runs at %s, where service %s%s is or may be: when that site fails, the daemon fails with it; run "
          "it "
          "at another place",
          shown(r->config->site).text, shown(first).text, others);
}

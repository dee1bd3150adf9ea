/* What is not about services: the top level, listeners, database, operators. */
#include "base/cleanup.h"
#include "config/rows.h"
#include "config/value.h"

#include <stdlib.h>
#include <string.h>

#define MIN_TOKEN 16

static const struct row top_rows[] = {
    {.name = "database",
     .type = ROW_STRING,
     .default_text = "turnout.db",
     .min = 1,
     .max = 1024,
     .help = "SQLite file, made on first start; relative to the folder of the configuration"},
    {.name = NULL},
};

static const struct row tls_rows[] = {
    {.name = "certificate",
     .type = ROW_PATH,
     .is_required = true,
     .help = "PEM file with the certificate of both listeners, and behind it those of its authorities"},
    {.name = "key", .type = ROW_PATH, .is_required = true, .help = "PEM file with the certificate's private key"},
    {.name = "hooks_clients",
     .type = ROW_PATH,
     .help = "PEM file with the authorities one of whom must have signed the certificate of each monitor"},
    {.name = "api_clients",
     .type = ROW_PATH,
     .help = "PEM file with the authorities one of whom must have signed the certificate of each operator"},
    {.name = NULL},
};

static const struct row server_rows[] = {
    {.name = "hooks",
     .type = ROW_STRING,
     .default_text = "127.0.0.1:8081",
     .help = "where monitors post: ADDRESS:PORT"},
    {.name = "api",
     .type = ROW_STRING,
     .default_text = "127.0.0.1:8080",
     .help = "where operators and the page are served: ADDRESS:PORT"},
    {.name = "tls", .type = ROW_MAP, .rows = tls_rows, .help = "HTTPS in place of HTTP, on both"},
    {.name = "trusted_proxies",
     .type = ROW_NETWORKS,
     .help = "reverse proxies, whose X-Forwarded-For says from where a request really comes"},
    {.name = "hooks_rate",
     .type = ROW_INT,
     .default_text = "1000",
     .min = 1,
     .max = 1000000,
     .help = "requests per second that one address may make of hooks; more are answered 503"},
    {.name = "api_rate",
     .type = ROW_INT,
     .default_text = "100",
     .min = 1,
     .max = 1000000,
     .help = "requests per second that one address may make of the API; more are answered 429"},
    {.name = NULL},
};

#define DAY ((int64_t)24 * 3600 * 1000)
#define MAX_KEEP (366 * DAY)

/* A sender may send again for weeks what it could not deliver; its duplicates are known by the rows of alerts. */
static const struct row keep_rows[] = {
    {.name = "alerts",
     .type = ROW_DURATION,
     .default_text = "30d",
     .min = 30 * DAY,
     .max = MAX_KEEP,
     .help = "how long an alert that does not fire is known after it was last spoken of"},
    {.name = "deliveries",
     .type = ROW_DURATION,
     .default_text = "30d",
     .min = DAY,
     .max = MAX_KEEP,
     .help = "how long what was received is kept as it was"},
    {.name = NULL},
};

static const struct row operator_rows[] = {
    {.name = "name", .type = ROW_STRING, .is_required = true, .help = "who it is, for the audit log"},
    {.name = "role",
     .type = ROW_CHOICE,
     .is_required = true,
     .choices = "viewer|approver|operator",
     .help = "viewer sees everything, approver may also say yes or no to a run that waits, operator may also act"},
    {.name = "token", .type = ROW_SECRET, .is_required = true, .help = "what the operator's requests bear"},
    {.name = NULL},
};

/* ---- the top level ----------------------------------------------------------------------------------------------- */

static void read_listener(struct reading *r, const struct node *server, const json_t *values, const char *key,
                          struct listen_address *ret)
{
    const char *text = json_string_value(json_object_get(values, key));
    if (!text)
        return;
    ret->text = new_text(r, text);
    if (!listen_address_parse(text, &ret->address, &ret->address_len))
        complain(r, child(server, key), "\"%s\" cannot be %s; it must be ADDRESS:PORT or [IPv6]:PORT, both as numbers",
                 key, shown(text).text);
}

/* Port 0 is a free one, another each time. */
static bool is_same_address(const struct listen_address *a, const struct listen_address *b)
{
    return a->address_len > 0 && a->address_len == b->address_len &&
           memcmp(&a->address, &b->address, a->address_len) == 0 && strcmp(strrchr(a->text, ':'), ":0") != 0;
}

static char *path_of(struct reading *r, const json_t *tls, const char *key)
{
    const char *path = json_string_value(json_object_get(tls, key));
    return path ? new_text(r, path) : NULL;
}

/* "0.0.0.0/0" and "::/0": then every client writes its address itself. */
static void doubt_proxies(struct reading *r, const struct node *at)
{
    const struct config *config = r->config;
    static const struct network everybody[] = {{.prefix = 0},
                                               {.address.bytes = {[10] = 0xff, [11] = 0xff}, .prefix = 96}};
    for (size_t i = 0; i < config->n_trusted_proxies; i++) {
        for (size_t k = 0; k < 2; k++) {
            if (config->trusted_proxies[i].prefix == everybody[k].prefix &&
                address_equal(&config->trusted_proxies[i].address, &everybody[k].address)) {
                doubt(r, at,
                      "\"trusted_proxies\" holds everybody: any client may then say in X-Forwarded-For where it comes "
                      "from, which \"from\" and the rates go by");
                return;
            }
        }
    }
}

static void read_front(struct reading *r, const struct node *server, const json_t *values)
{
    struct config *config = r->config;
    const json_t *tls = json_object_get(values, "tls");
    config->tls = (struct tls_files){.certificate = path_of(r, tls, "certificate"),
                                     .key = path_of(r, tls, "key"),
                                     .hooks_clients = path_of(r, tls, "hooks_clients"),
                                     .api_clients = path_of(r, tls, "api_clients")};
    config->trusted_proxies = new_networks(r, json_object_get(values, "trusted_proxies"), &config->n_trusted_proxies);
    if (config->n_trusted_proxies > 0)
        doubt_proxies(r, child(server, "trusted_proxies"));
    config->hooks_rate = (int)json_integer_value(json_object_get(values, "hooks_rate"));
    config->api_rate = (int)json_integer_value(json_object_get(values, "api_rate"));
}

static void read_listeners(struct reading *r, const struct node *server)
{
    static const struct later later[] = {{"reserve", NULL}, {NULL, NULL}};
    static const struct node nothing = {.kind = NODE_NULL};
    if (!server)
        server = &nothing;
    if (!expect_kind(r, server, NODE_MAP, "server"))
        return;
    keys_check(r, server, &(struct keys){.rows = {server_rows, config_ourselves_rows}, .later = later});
    json_t *values = rows_read(&(struct row_reader){.reading = r}, server, server_rows);
    read_listener(r, server, values, "hooks", &r->config->hooks);
    read_listener(r, server, values, "api", &r->config->api);
    read_front(r, server, values);
    const struct node *api = child(server, "api");
    const struct node *hooks = child(server, "hooks");
    if (is_same_address(&r->config->hooks, &r->config->api))
        complain(r, api ? api : hooks, "\"hooks\" and \"api\" are both %s; each needs an address of its own",
                 shown(r->config->api.text).text);
    json_decref(values);
    const struct row_reader reader = {.reading = r, .secret_slot = ourselves_secret, .owner = r->config};
    values = rows_read(&reader, server, config_ourselves_rows);
    read_ourselves(r, server, values);
    json_decref(values);
}

static void read_database(struct reading *r)
{
    json_t *values = rows_read(&(struct row_reader){.reading = r}, r->root, top_rows);
    const char *name = json_string_value(json_object_get(values, "database"));
    if (name) {
        /* "./" keeps SQLite from taking ":memory:" or "file:..." for anything but a name. */
        struct strbuf path = STRBUF_INIT;
        strbuf_addf(&path, "%s%s%s", name[0] == '/' ? "" : r->folder, name[0] != '/' && !r->folder[0] ? "./" : "",
                    name);
        if (!(r->config->database = strbuf_take(&path)))
            complain_memory(r);
    }
    json_decref(values);
}

static void read_keep(struct reading *r)
{
    static const struct node nothing = {.kind = NODE_NULL};
    const struct node *keep = child(r->root, "keep");
    if (!keep)
        keep = &nothing;
    if (!expect_kind(r, keep, NODE_MAP, "keep"))
        return;
    keys_check(r, keep, &(struct keys){.rows = {keep_rows}});
    json_t *values = rows_read(&(struct row_reader){.reading = r}, keep, keep_rows);
    r->config->keep = (struct keep){.alerts_ms = json_integer_value(json_object_get(values, "alerts")),
                                    .deliveries_ms = json_integer_value(json_object_get(values, "deliveries"))};
    json_decref(values);
}

void read_server(struct reading *r)
{
    static const char *const names[] = {"server", "keep",     "operators", "sources",     "providers",
                                        "sites",  "services", "freeze",    "flood_guard", NULL};
    static const struct later later[] = {{"include", NULL}, {"defaults", NULL}, {"templates", NULL},
                                         {"notify", NULL},  {"alerts", NULL},   {NULL, NULL}};
    keys_check(r, r->root, &(struct keys){.rows = {top_rows}, .names = names, .later = later});
    read_listeners(r, child(r->root, "server"));
    read_database(r);
    read_keep(r);
}

/* ---- operators --------------------------------------------------------------------------------------------------- */

static struct secret *operator_secret(void *owner, const char *row)
{
    (void)row; /* there is one */
    return &((struct operator_account *)owner)->token;
}

static void read_operator(struct reading *r, const struct node *node, struct operator_account *ret)
{
    if (!expect_item(r, node, NODE_MAP, "operators"))
        return;
    keys_check(r, node, &(struct keys){.rows = {operator_rows}});
    const struct row_reader reader = {.reading = r, .secret_slot = operator_secret, .owner = ret};
    json_t *values = rows_read(&reader, node, operator_rows);
    const char *name = json_string_value(json_object_get(values, "name"));
    const char *role = json_string_value(json_object_get(values, "role"));
    if (name && expect_name(r, child(node, "name"), "an operator"))
        ret->name = new_text(r, name);
    if (role)
        (void)role_parse(role, &ret->role); /* the row lets nothing else pass */
    expect_token(r, "token", child(node, "token"), &ret->token, MIN_TOKEN);
    json_decref(values);
}

static void check_unique(struct reading *r, const struct node *list, int i)
{
    const struct operator_account *this = &r->config->operators[i];
    for (int j = 0; j < i; j++) {
        const struct operator_account *other = &r->config->operators[j];
        const struct node *first = list->items[j];
        if (this->name && other->name && strcmp(this->name, other->name) == 0)
            complain(r, list->items[i], "operator %s is there already, at line %d, column %d; names must differ",
                     shown(this->name).text, first->line, first->column);
        if (secret_is_set(&other->token) && secret_is_set(&this->token) &&
            secret_equal(&other->token, this->token.bytes, this->token.len))
            complain(r, list->items[i],
                     "the token is that of the operator at line %d, column %d; each needs a token of their own",
                     first->line, first->column);
    }
}

void read_operators(struct reading *r)
{
    const struct node *list = child(r->root, "operators");
    if (!list || list->kind == NODE_NULL || (list->kind == NODE_LIST && list->n_items == 0)) {
        doubt(r, list ? list : r->root, "there are no operators: nobody can use the API or the page");
        return;
    }
    if (!expect_kind(r, list, NODE_LIST, "operators"))
        return;
    if (list->n_items > MAX_OPERATORS) {
        complain(r, list, "there are %zu operators; %d is the most", list->n_items, MAX_OPERATORS);
        return;
    }
    r->config->operators = new_array(r, list->n_items, sizeof(*r->config->operators));
    if (!r->config->operators)
        return;
    r->config->n_operators = (int)list->n_items;
    for (int i = 0; i < r->config->n_operators; i++) {
        read_operator(r, list->items[i], &r->config->operators[i]);
        check_unique(r, list, i);
    }
}

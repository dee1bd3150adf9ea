/* Whom we speak with: sources, which post to us, and providers, which we call. How a source's word counts is in
 * config/voter.c. */
#include "base/cleanup.h"
#include "config/rows.h"

#include <stdlib.h>
#include <string.h>

#define WEAK_TOKEN 16 /* a shorter one is doubted: the sender may not take a longer one */

#define DAY ((int64_t)24 * 3600 * 1000)

#define MAX_BASIC 8 /* user names of one source, at a time */

static const struct row basic_rows[] = {
    {.name = "user",
     .type = ROW_STRING,
     .is_required = true,
     .min = 1,
     .max = 255,
     .help = "that deliveries must bear"},
    {.name = "password", .type = ROW_SECRET, .is_required = true, .help = "that deliveries must bear"},
    {.name = NULL},
};

static const struct row heartbeat_rows[] = {
    {.name = "match", .type = ROW_MATCH, .is_required = true, .help = "which alert it is, as {alertname: Watchdog}"},
    {.name = NULL},
};

const struct row config_source_rows[] = {
    {.name = "bearer", .type = ROW_SECRETS, .help = "token that deliveries must bear in the Authorization header"},
    {.name = "basic", .type = ROW_MAPS, .rows = basic_rows, .help = "user name and password that deliveries must bear"},
    {.name = "path_token",
     .type = ROW_SECRETS,
     .help = "token at the end of the URL, /hooks/SOURCE/TOKEN, for monitors that can send no header"},
    {.name = "from", .type = ROW_NETWORKS, .help = "addresses that deliveries may come from; others are refused"},
    {.name = "rate",
     .type = ROW_INT,
     .min = 1,
     .max = 1000000,
     .help = "deliveries per second that are taken; more are answered 503, to be sent again"},
    {.name = "vote_expires",
     .type = ROW_DURATION,
     .min = 0,
     .max = 366 * DAY,
     .help = "a vote that is not repeated for so long is unknown, so it has to be longer than the monitor's "
             "repeat_interval, which cannot be seen from here; 0s: never; default: 15m of alertmanager and grafana, "
             "24h of kinds that speak once"},
    {.name = "stale_after",
     .type = ROW_DURATION,
     .min = 1000,
     .max = 366 * DAY,
     .help = "a source that sent nothing at all for so long counts for nothing; default: never"},
    {.name = "weight",
     .type = ROW_INT,
     .default_text = "1",
     .min = 1,
     .max = MAX_SOURCES,
     .help = "how many votes its one vote is worth"},
    {.name = "heartbeat",
     .type = ROW_MAP,
     .rows = heartbeat_rows,
     .help = "an alert that fires for as long as the source itself is well: while it was repeated within vote_expires, "
             "the source's silence about a site says up"},
    {.name = NULL},
};

const struct row config_provider_rows[] = {
    {.name = "max_parallel",
     .type = ROW_INT,
     .default_text = "10",
     .min = 1,
     .max = 1000,
     .help = "so many runs at a time may have a step at it"},
    {.name = NULL},
};

/* Both sources and providers are mappings by name; the shape is checked here. NULL: nothing to read. */
static const struct node *named_map(struct reading *r, const char *key, size_t max)
{
    const struct node *map = child(r->root, key);
    if (!map || !expect_kind(r, map, NODE_MAP, key) || map->n_pairs == 0)
        return NULL;
    if (map->n_pairs > max) {
        complain(r, map, "there are %zu %s; %zu is the most", map->n_pairs, key, max);
        return NULL;
    }
    return map;
}

/* The text of `kind`, NULL after a complaint. Borrowed from the node. */
static const char *read_kind(struct reading *r, const struct node *map)
{
    const struct node *kind = child(map, "kind");
    if (!kind) {
        complain(r, map, "\"kind\" is missing; it says what this is");
        return NULL;
    }
    return expect_kind(r, kind, NODE_TEXT, "kind") ? kind->text : NULL;
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static const struct handler *read_handler(struct reading *r, const struct node *map)
{
    const char *kind = read_kind(r, map);
    if (!kind)
        return NULL;
    const struct handler *handler = handler_find(kind);
    if (handler)
        return handler;
    struct names names = {.count = 0};
    for (const struct handler *const *h = handler_list(); *h; h++)
        names_add(&names, (*h)->kind);
    complain_unknown(r, child(map, "kind"), "kind of source", kind, &names);
    return NULL;
}

static struct secret_list *source_slot(void *owner, const char *row)
{
    struct source *source = owner;
    if (strcmp(row, "bearer") == 0)
        return &source->bearer;
    if (strcmp(row, "path_token") == 0)
        return &source->path_token;
    for (size_t i = 0; i < MAX_SOURCE_SECRETS; i++) {
        if (!source->secrets[i].row)
            source->secrets[i].row = row;
        if (strcmp(source->secrets[i].row, row) == 0)
            return &source->secrets[i].values;
    }
    return NULL;
}

static struct secret *basic_slot(void *owner, const char *row)
{
    (void)row; /* there is one */
    return &((struct basic_credential *)owner)->password;
}

static void doubt_weak(struct reading *r, const char *key, const struct node *at, const struct secret *secret)
{
    if (secret_is_set(secret) && secret->len < WEAK_TOKEN)
        doubt(r, at, "\"%s\" is shorter than %d characters and can be guessed", key, WEAK_TOKEN);
}

/* `node`: one, or the list of them. */
static void doubt_weak_ones(struct reading *r, const char *key, const struct node *node, const struct secret_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        doubt_weak(r, key, node->kind == NODE_LIST ? node->items[i] : node, &list->items[i]);
}

static void read_basic_item(struct reading *r, const struct node *node, struct basic_credential *basic)
{
    keys_check(r, node, &(struct keys){.rows = {basic_rows}});
    const struct row_reader reader = {.reading = r, .secret_slot = basic_slot, .owner = basic};
    json_t *values = rows_read(&reader, node, basic_rows);
    const char *user = json_string_value(json_object_get(values, "user"));
    if (user && strchr(user, ':'))
        complain(r, child(node, "user"), "\"user\" holds a colon, which basic authentication cannot carry");
    if (user)
        basic->user = new_text(r, user);
    doubt_weak(r, "password", child(node, "password"), &basic->password);
    json_decref(values);
}

static void read_basic(struct reading *r, const struct node *node, struct source *source)
{
    bool is_list = node->kind == NODE_LIST;
    size_t n = is_list ? node->n_items : 1;
    if (n == 0 || n > MAX_BASIC) {
        complain(r, node, "\"basic\" cannot be a list of %zu; it must hold 1 to %d", n, MAX_BASIC);
        return;
    }
    source->basic = new_array(r, n, sizeof(*source->basic));
    if (!source->basic)
        return;
    source->n_basic = n;
    for (size_t i = 0; i < n; i++) {
        const struct node *item = is_list ? node->items[i] : node;
        if (is_list ? expect_item(r, item, NODE_MAP, "basic") : expect_kind(r, item, NODE_MAP, "basic"))
            read_basic_item(r, item, &source->basic[i]);
    }
}

static void expect_tokens(struct reading *r, const char *key, const struct node *node, const struct secret_list *list)
{
    for (size_t i = 0; i < list->n; i++) {
        const struct node *at = node->kind == NODE_LIST ? node->items[i] : node;
        expect_token(r, key, at, &list->items[i], 1);
    }
    doubt_weak_ones(r, key, node, list);
}

/* What would be changed on its way, or end the path, cannot be compared. */
static void expect_path_tokens(struct reading *r, const struct node *node, const struct secret_list *list)
{
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    expect_tokens(r, "path_token", node, list);
    for (size_t i = 0; i < list->n; i++) {
        const struct secret *token = &list->items[i];
        if (secret_is_set(token) && strspn(token->bytes, unreserved) != token->len)
            complain(r, node->kind == NODE_LIST ? node->items[i] : node,
                     "\"path_token\" holds a character that a URL cannot carry as it is; it must be letters, digits, "
                     "\"-\", \".\", \"_\" and \"~\"");
    }
}

/* `values`: of config_source_rows. */
static void read_credentials(struct reading *r, const struct node *map, const json_t *values, struct source *source)
{
    const struct node *basic = child(map, "basic");
    if (basic)
        read_basic(r, basic, source);
    expect_tokens(r, "bearer", child(map, "bearer"), &source->bearer);
    expect_path_tokens(r, child(map, "path_token"), &source->path_token);
    source->from = new_networks(r, json_object_get(values, "from"), &source->n_from);
    source->rate = (int)json_integer_value(json_object_get(values, "rate"));
}

/* What each of its deliveries has proved at least; a source that takes anything from anybody is refused. */
static void find_trust(struct reading *r, const struct node *map, struct source *source)
{
    const struct handler *handler = source->handler;
    bool has_credential = child(map, "bearer") || child(map, "basic") || child(map, "path_token");
    source->trust = TRUST_SECRET;
    if (handler->is_signed && handler->is_signed(source))
        source->trust = TRUST_SIGNED;
    else if (source->path_token.n > 0)
        source->trust = TRUST_OPEN;
    else if (!has_credential)
        complain(r, map, "the source has no credential; give it \"bearer\", \"basic\" or \"path_token\"%s",
                 handler->is_signed ? ", or what its signature is verified with" : "");
}

static void read_source(struct reading *r, const struct node *map, struct source *source, struct voter_rule *rule)
{
    static const char *const names[] = {"kind", NULL};
    if (!expect_kind(r, map, NODE_MAP, source->name ? source->name : "source"))
        return;
    source->handler = read_handler(r, map);
    /* Without its kind nobody knows which keys it takes. */
    if (!source->handler)
        return;
    keys_check(r, map, &(struct keys){.rows = {config_source_rows, source->handler->rows}, .names = names});
    const struct row_reader reader = {.reading = r, .secrets_slot = source_slot, .owner = source};
    json_t *values = rows_read(&reader, map, config_source_rows);
    read_credentials(r, map, values, source);
    source->args = rows_read(&reader, map, source->handler->rows);
    for (size_t i = 0; i < MAX_SOURCE_SECRETS && source->secrets[i].row; i++)
        doubt_weak_ones(r, source->secrets[i].row, child(map, source->secrets[i].row), &source->secrets[i].values);
    find_trust(r, map, source);
    read_voter(r, map, values, source, rule);
    json_decref(values);
}

/* Votes of people and of the probe stand beside those of the sources. */
static void expect_source_name(struct reading *r, const struct node *key)
{
    if (expect_name(r, key, "a source") &&
        (strcmp(key->text, VOTER_OPERATOR_NAME) == 0 || strcmp(key->text, VOTER_PROBE_NAME) == 0))
        complain(r, key, "%s cannot be the name of a source, since it is a voter of our own; choose another",
                 shown(key->text).text);
}

void read_sources(struct reading *r)
{
    const struct node *map = named_map(r, "sources", MAX_SOURCES);
    struct config *config = r->config;
    if (!map)
        return;
    config->sources = new_array(r, map->n_pairs, sizeof(*config->sources));
    config->model.source_names = new_array(r, map->n_pairs, sizeof(*config->model.source_names));
    config->model.source_trust = new_array(r, map->n_pairs, sizeof(*config->model.source_trust));
    config->model.voter_rules = new_array(r, map->n_pairs, sizeof(*config->model.voter_rules));
    r->sources = new_array(r, map->n_pairs, sizeof(*r->sources));
    if (!config->sources || !config->model.source_names || !config->model.source_trust || !config->model.voter_rules ||
        !r->sources)
        return;
    config->model.n_sources = (int)map->n_pairs;
    for (size_t i = 0; i < map->n_pairs; i++) {
        const struct node *key = map->pairs[i].key;
        expect_source_name(r, key);
        config->sources[i].name = new_text(r, key->text);
        config->model.source_names[i] = new_text(r, key->text);
        r->sources[i] = key;
        read_source(r, map->pairs[i].value, &config->sources[i], &config->model.voter_rules[i]);
        config->model.source_trust[i] = config->sources[i].trust;
    }
}

/* ---- providers --------------------------------------------------------------------------------------------------- */

static struct secret *provider_slot(void *owner, const char *row)
{
    struct provider *provider = owner;
    for (size_t i = 0; i < MAX_PROVIDER_SECRETS; i++) {
        if (!provider->secrets[i].row)
            provider->secrets[i].row = row;
        if (strcmp(provider->secrets[i].row, row) == 0)
            return &provider->secrets[i].value;
    }
    return NULL;
}

static void read_provider(struct reading *r, const struct node *map, struct provider *provider, int *max_parallel)
{
    static const struct later later[] = {{"urls", NULL}, {NULL, NULL}};
    static const char *const names[] = {"kind", NULL};
    if (!expect_kind(r, map, NODE_MAP, provider->name ? provider->name : "provider"))
        return;
    const char *kind = read_kind(r, map);
    if (!kind)
        return;
    provider->kind = provider_kind_find(kind);
    if (!provider->kind) {
        struct names kinds = {.count = 0};
        for (const struct provider_kind *const *k = provider_kind_list(); *k; k++)
            names_add(&kinds, (*k)->name);
        complain_unknown(r, child(map, "kind"), "kind of provider", kind, &kinds);
        return;
    }
    keys_check(r, map,
               &(struct keys){.rows = {provider->kind->rows, config_provider_rows}, .names = names, .later = later});
    const struct row_reader reader = {.reading = r, .secret_slot = provider_slot, .owner = provider};
    provider->args = rows_read(&reader, map, provider->kind->rows);
    json_t *values = rows_read(&reader, map, config_provider_rows);
    *max_parallel = (int)json_integer_value(json_object_get(values, "max_parallel"));
    json_decref(values);
}

void read_providers(struct reading *r)
{
    const struct node *map = named_map(r, "providers", MAX_PROVIDERS);
    struct config *config = r->config;
    if (!map)
        return;
    config->providers = new_array(r, map->n_pairs, sizeof(*config->providers));
    config->model.provider_names = new_array(r, map->n_pairs, sizeof(*config->model.provider_names));
    config->model.provider_max_parallel = new_array(r, map->n_pairs, sizeof(*config->model.provider_max_parallel));
    r->providers = new_array(r, map->n_pairs, sizeof(*r->providers));
    if (!config->providers || !config->model.provider_names || !config->model.provider_max_parallel || !r->providers)
        return;
    config->model.n_providers = (int)map->n_pairs;
    for (size_t i = 0; i < map->n_pairs; i++) {
        const struct node *key = map->pairs[i].key;
        (void)expect_name(r, key, "a provider");
        config->providers[i].name = new_text(r, key->text);
        config->model.provider_names[i] = new_text(r, key->text);
        r->providers[i] = key;
        read_provider(r, map->pairs[i].value, &config->providers[i], &config->model.provider_max_parallel[i]);
    }
}

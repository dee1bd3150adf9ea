/* Whom we speak with: sources, which post to us, and providers, which we call. */
#include "base/cleanup.h"
#include "config_rows.h"

#include <stdlib.h>
#include <string.h>

#define WEAK_TOKEN 16 /* a shorter one is doubted: the sender may not take a longer one */

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

const struct row config_source_rows[] = {
    {.name = "bearer", .type = ROW_SECRET, .help = "token that deliveries must bear"},
    {.name = "basic", .type = ROW_MAP, .rows = basic_rows, .help = "user name and password that deliveries must bear"},
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
    static const char *const later[] = {"sns", "pingdom", "uptimerobot", "grafana", "generic", NULL};
    const char *kind = read_kind(r, map);
    if (!kind)
        return NULL;
    const struct handler *handler = handler_find(kind);
    if (handler)
        return handler;
    struct names names = {.count = 0};
    for (const struct handler *const *h = handler_list(); *h; h++)
        names_add(&names, (*h)->kind);
    for (size_t i = 0; later[i]; i++) {
        if (strcmp(later[i], kind) == 0) {
            char hint[256];
            complain(r, child(map, "kind"), "kind of source %s is not supported yet; %s", shown(kind).text,
                     names_hint(&names, "", hint, sizeof(hint)));
            return NULL;
        }
    }
    complain_unknown(r, child(map, "kind"), "kind of source", kind, &names);
    return NULL;
}

static struct secret *source_secret(void *owner, const char *row)
{
    struct source *source = owner;
    return strcmp(row, "bearer") == 0 ? &source->bearer : &source->basic_password;
}

static void read_credentials(struct reading *r, const struct node *map, const struct row_reader *reader,
                             struct source *source)
{
    json_t *values = rows_read(reader, map, config_source_rows);
    const struct node *bearer = child(map, "bearer"), *basic = child(map, "basic");
    const char *user = json_string_value(json_object_get(json_object_get(values, "basic"), "user"));
    if (user && strchr(user, ':'))
        complain(r, child(basic, "user"), "\"user\" holds a colon, which basic authentication cannot carry");
    if (user)
        source->basic_user = new_text(r, user);
    if (!bearer && !basic)
        complain(r, map, "the source has no credential; give it \"bearer\" or \"basic\"");
    expect_token(r, "bearer", bearer, &source->bearer, 1);
    if (secret_is_set(&source->bearer) && source->bearer.len < WEAK_TOKEN)
        doubt(r, bearer, "\"bearer\" is shorter than %d characters and can be guessed", WEAK_TOKEN);
    json_decref(values);
}

static void read_source(struct reading *r, const struct node *map, struct source *source)
{
    static const struct later later[] = {{"path_token", NULL}, {"topics", NULL}, {"certificates", NULL}, {NULL, NULL}};
    static const char *const names[] = {"kind", NULL};
    if (!expect_kind(r, map, NODE_MAP, source->name ? source->name : "source"))
        return;
    source->handler = read_handler(r, map);
    const struct row *rows = source->handler ? source->handler->rows : NULL;
    /* Without its kind nobody knows which keys it takes. */
    if (source->handler)
        keys_check(r, map, &(struct keys){.rows = {config_source_rows, rows}, .names = names, .later = later});
    const struct row_reader reader = {.reading = r, .secret_slot = source_secret, .owner = source};
    read_credentials(r, map, &reader, source);
    /* Validated only: no kind keeps anything of it so far. */
    if (rows)
        json_decref(rows_read(&reader, map, rows));
}

void read_sources(struct reading *r)
{
    const struct node *map = named_map(r, "sources", MAX_SOURCES);
    struct config *config = r->config;
    if (!map)
        return;
    config->sources = new_array(r, map->n_pairs, sizeof(*config->sources));
    config->model.source_names = new_array(r, map->n_pairs, sizeof(*config->model.source_names));
    if (!config->sources || !config->model.source_names)
        return;
    config->model.n_sources = (int)map->n_pairs;
    for (size_t i = 0; i < map->n_pairs; i++) {
        const struct node *key = map->pairs[i].key;
        (void)expect_name(r, key, "a source");
        config->sources[i].name = new_text(r, key->text);
        config->model.source_names[i] = new_text(r, key->text);
        read_source(r, map->pairs[i].value, &config->sources[i]);
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

static void read_provider(struct reading *r, const struct node *map, struct provider *provider)
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
    keys_check(r, map, &(struct keys){.rows = {provider->kind->rows}, .names = names, .later = later});
    const struct row_reader reader = {.reading = r, .secret_slot = provider_slot, .owner = provider};
    provider->args = rows_read(&reader, map, provider->kind->rows);
}

void read_providers(struct reading *r)
{
    const struct node *map = named_map(r, "providers", MAX_PROVIDERS);
    struct config *config = r->config;
    if (!map)
        return;
    config->providers = new_array(r, map->n_pairs, sizeof(*config->providers));
    config->model.provider_names = new_array(r, map->n_pairs, sizeof(*config->model.provider_names));
    r->providers = new_array(r, map->n_pairs, sizeof(*r->providers));
    if (!config->providers || !config->model.provider_names || !r->providers)
        return;
    config->model.n_providers = (int)map->n_pairs;
    for (size_t i = 0; i < map->n_pairs; i++) {
        const struct node *key = map->pairs[i].key;
        (void)expect_name(r, key, "a provider");
        config->providers[i].name = new_text(r, key->text);
        config->model.provider_names[i] = new_text(r, key->text);
        r->providers[i] = key;
        read_provider(r, map->pairs[i].value, &config->providers[i]);
    }
}

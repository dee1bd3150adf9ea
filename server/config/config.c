/* The whole configuration: file to bytes to tree to model, and its end.
 *
 * Parts are read in an order in which names are known before they are used; all problems of all parts are gathered
 * before anything is decided. What the parts mean belongs to them, not here. */
#include "config/config.h"

#include "base/cleanup.h"
#include "base/digest.h"
#include "config/reading.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* ---- the end ----------------------------------------------------------------------------------------------------- */

static void provider_done(struct provider *provider)
{
    if (provider->state && provider->kind && provider->kind->close)
        provider->kind->close(provider);
    for (size_t i = 0; i < MAX_PROVIDER_SECRETS; i++)
        secret_done(&provider->secrets[i].value);
    json_decref(provider->args);
    free(provider->name);
}

void config_free(struct config *config)
{
    if (!config)
        return;
    for (int i = 0; config->operators && i < config->n_operators; i++) {
        secret_done(&config->operators[i].token);
        free(config->operators[i].name);
    }
    for (int i = 0; config->sources && i < config->model.n_sources; i++)
        source_done(&config->sources[i]);
    for (int i = 0; config->providers && i < config->model.n_providers; i++)
        provider_done(&config->providers[i]);
    free(config->operators);
    free(config->sources);
    free(config->providers);
    model_done(&config->model);
    free(config->hooks.text);
    free(config->api.text);
    free(config->tls.certificate);
    free(config->tls.key);
    free(config->tls.hooks_clients);
    free(config->tls.api_clients);
    free(config->site);
    free(config->kill_switch);
    free(config->export);
    for (int i = 0; i < config->self_check.n_urls; i++)
        free(config->self_check.urls[i]);
    free(config->self_check.urls);
    secret_done(&config->heartbeat.url);
    free(config->trusted_proxies);
    free(config->database);
    free(config->path);
    free(config);
}

static void reading_done(struct reading *r)
{
    config_free(r->config);
    json_decref(r->site_defaults);
    free(r->sources);
    free(r->providers);
    free(r->folder);
    problems_done(&r->errors);
    problems_done(&r->warnings);
}

static void tree_cleanup(struct yaml_tree **tree)
{
    yaml_tree_free(*tree);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Makes what sources and providers keep between calls. Only for a configuration that is right otherwise: it is what
 * they may rely on. */
static void open_sources(struct reading *r)
{
    for (int i = 0; i < r->config->model.n_sources; i++) {
        struct source *source = &r->config->sources[i];
        struct errmsg why = {.text = ""};
        if (source->handler->open && source->handler->open(source, &why) != ERR_OK)
            complain(r, r->sources[i], "source %s cannot be used: %s", shown(source->name).text, why.text);
    }
}

static void open_providers(struct reading *r)
{
    for (int i = 0; i < r->config->model.n_providers && r->errors.count == 0; i++) {
        struct provider *provider = &r->config->providers[i];
        struct errmsg why = {.text = ""};
        if (provider->kind->open && provider->kind->open(provider, &why) != ERR_OK)
            complain(r, r->providers[i], "provider %s cannot be used: %s", shown(provider->name).text, why.text);
    }
}

static void read_all(struct reading *r)
{
    if (r->root->kind != NODE_MAP) {
        complain(r, r->root, "the file cannot be %s; it must be a mapping with \"services\" and more",
                 node_kind_text(r->root->kind));
        return;
    }
    read_server(r);
    read_guards(r);
    read_operators(r);
    read_sources(r);
    read_providers(r);
    read_services(r);
    r->config->model.probe_expires_ms = model_probe_patience(&r->config->model);
    doubt_own_site(r);
    if (r->errors.count == 0 && r->errors.n_left_out == 0)
        open_sources(r);
    if (r->errors.count == 0 && r->errors.n_left_out == 0)
        open_providers(r);
}

/* "" or the path up to its last slash; NULL when out of memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
}

static bool reading_start(struct reading *r, const char *path, const char *bytes, size_t len)
{
    r->path = path;
    r->folder = folder_of(path);
    r->config = calloc(1, sizeof(*r->config));
    if (!r->folder || !r->config || !(r->config->path = strdup(path))) {
        complain_memory(r);
        return false;
    }
    struct sha256 digest = sha256_of(bytes, len);
    hex_encode(digest.bytes, sizeof(digest.bytes), r->config->digest);
    return true;
}

static enum err load_bytes(struct reading *r, const char *path, const char *bytes, size_t len, struct config **ret,
                           struct strbuf *errors, struct strbuf *warnings)
{
    CLEANUP(tree_cleanup) struct yaml_tree *tree = NULL;
    struct yaml_problem problem;
    if (reading_start(r, path, bytes, len)) {
        if (yaml_tree_load(bytes, len, &tree, &problem) == ERR_OK) {
            r->root = yaml_tree_root(tree);
            read_all(r);
        } else {
            problems_add_at(&r->errors, problem.line, problem.column, problem.text.text);
        }
    }
    const bool is_right = r->errors.count == 0 && r->errors.n_left_out == 0;
    problems_print(&r->errors, path, errors);
    problems_print(&r->warnings, path, warnings);
    if (!is_right)
        return ERR_INVALID;
    *ret = TAKE(r->config);
    return ERR_OK;
}

enum err config_load_bytes(const char *path, const char *bytes, size_t len, bool may_read_files, struct config **ret,
                           struct strbuf *errors, struct strbuf *warnings)
{
    CLEANUP(reading_done) struct reading r = {.may_read_files = may_read_files};
    return load_bytes(&r, path, bytes, len, ret, errors, warnings);
}

/* Up to one byte more than a file may have, so that the tree's bound tells. Takes a pipe too. */
static enum err read_bytes(const char *path, char *bytes, size_t room, size_t *ret_len)
{
    AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0)
        return ERR_IO;
    size_t len = 0;
    while (len < room) {
        ssize_t got = read(fd, bytes + len, room - len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ERR_IO;
        if (got == 0)
            break;
        len += (size_t)got;
    }
    *ret_len = len;
    return ERR_OK;
}

static enum err load_file(struct reading *r, const char *path, struct config **ret, struct strbuf *errors,
                          struct strbuf *warnings)
{
    const size_t room = YAML_MAX_BYTES + 1;
    char *bytes = malloc(room);
    size_t len = 0;
    enum err err = ERR_INVALID;
    if (!bytes)
        strbuf_addf(errors, "%s: out of memory\n", path);
    else if (read_bytes(path, bytes, room, &len) != ERR_OK)
        strbuf_addf(errors, "%s: the configuration cannot be read: %s; give the path of a file that can\n", path,
                    strerror(errno));
    else
        err = load_bytes(r, path, bytes, len, ret, errors, warnings);
    if (bytes)
        secret_wipe(bytes, room);
    free(bytes);
    return err;
}

enum err config_load(const char *path, struct config **ret, struct strbuf *errors, struct strbuf *warnings)
{
    CLEANUP(reading_done) struct reading r = {.may_read_files = true};
    return load_file(&r, path, ret, errors, warnings);
}

enum err config_load_for_trial(const char *path, struct config **ret, struct strbuf *errors, struct strbuf *warnings)
{
    CLEANUP(reading_done) struct reading r = {.may_read_files = true, .may_stand_in = true};
    return load_file(&r, path, ret, errors, warnings);
}

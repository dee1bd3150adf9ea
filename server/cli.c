/* Subcommands that need no daemon: check, actions, sources, and the audit log of a database file. */
#include "cli.h"

#include "base/cleanup.h"
#include "config/config.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT_PAGE 500

static int load(const char *path, struct config **ret, FILE *warnings_to)
{
    struct strbuf errors = STRBUF_INIT;
    struct strbuf warnings = STRBUF_INIT;
    enum err err = config_load(path, ret, &errors, &warnings);
    fputs(strbuf_text(&warnings), warnings_to);
    fputs(strbuf_text(&errors), stderr);
    strbuf_done(&errors);
    strbuf_done(&warnings);
    return err == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

struct http_tls http_tls_of(const struct tls_files *files)
{
    return (struct http_tls){.certificate = files->certificate,
                             .key = files->key,
                             .hooks_clients = files->hooks_clients,
                             .api_clients = files->api_clients};
}

static int check_tls(const char *path, const struct tls_files *files)
{
    const struct http_tls tls = http_tls_of(files);
    struct strbuf doubts = STRBUF_INIT;
    struct errmsg why = {0};
    enum err err = files->certificate ? http_check_tls(&tls, &doubts, &why) : ERR_OK;
    if (err != ERR_OK)
        fprintf(stderr, "%s: %s\n", path, why.text);
    else if (doubts.len > 0) /* one line */
        fprintf(stderr, "%s: warning: %s", path, strbuf_text(&doubts));
    strbuf_done(&doubts);
    return err == ERR_OK ? EXIT_DONE : EXIT_FAILED;
}

int command_check(const struct options *options)
{
    if (!options->config) {
        fprintf(stderr, "Usage: turnout check -c FILE\n");
        return EXIT_USAGE;
    }
    struct config *config = NULL;
    int code = load(options->config, &config, stderr);
    if (code == EXIT_DONE)
        code = check_tls(options->config, &config->tls);
    if (code == EXIT_DONE) {
        config_print_notes(stdout, config);
        printf("%s: %d service%s, %d source%s, %d provider%s: it can be served\n", options->config,
               config->model.n_services, config->model.n_services == 1 ? "" : "s", config->model.n_sources,
               config->model.n_sources == 1 ? "" : "s", config->model.n_providers,
               config->model.n_providers == 1 ? "" : "s");
    }
    config_free(config);
    return code;
}

int command_actions(const struct options *options)
{
    const char *name = options->n_words ? options->words[0] : NULL;
    if (config_print_actions(stdout, name))
        return EXIT_DONE;
    fprintf(stderr, "turnout: there is no action %s; turnout actions lists them\n", name);
    return EXIT_FAILED;
}

int command_sources(const struct options *options)
{
    const char *kind = options->n_words ? options->words[0] : NULL;
    if (config_print_sources(stdout, kind))
        return EXIT_DONE;
    fprintf(stderr, "turnout: there is no kind of source %s; turnout sources lists them\n", kind);
    return EXIT_FAILED;
}

/* ---- the audit log of a file ------------------------------------------------------------------------------------- */

static int verify(struct store_reader *reader, bool is_json)
{
    struct audit_verdict verdict;
    struct errmsg why = {0};
    if (store_audit_verify(reader, &verdict, &why) != ERR_OK) {
        fprintf(stderr, "turnout: %s\n", why.text);
        return EXIT_FAILED;
    }
    char head[2 * SHA256_SIZE + 1];
    hex_encode(verdict.head.bytes, SHA256_SIZE, head);
    char broken[24] = "null";
    if (!verdict.is_intact)
        (void)snprintf(broken, sizeof broken, "%" PRId64, verdict.broken_seq);
    if (is_json)
        printf("{\"intact\":%s,\"first\":%" PRId64 ",\"last\":%" PRId64 ",\"count\":%" PRId64
               ",\"head\":\"%s\",\"broken_seq\":%s}\n",
               verdict.is_intact ? "true" : "false", verdict.first_seq, verdict.last_seq, verdict.count, head, broken);
    else if (verdict.is_intact)
        printf("intact: %" PRId64 " entries, %" PRId64 " to %" PRId64 ", head %s\n", verdict.count, verdict.first_seq,
               verdict.last_seq, head);
    else
        printf("BROKEN at entry %" PRId64 ": %s\n", verdict.broken_seq, verdict.text);
    return verdict.is_intact ? EXIT_DONE : EXIT_FAILED;
}

static void print_line(void *context, const struct audit_row *row)
{
    int64_t *last = context;
    char hash[2 * SHA256_SIZE + 1];
    hex_encode(row->hash.bytes, SHA256_SIZE, hash);
    printf("{\"hash\":\"%s\",\"entry\":%s}\n", hash, row->text);
    *last = row->seq;
}

static int export(struct store_reader *reader)
{
    int64_t last = 0;
    int count = 0;
    struct errmsg why = {0};
    do {
        if (store_audit_scan(reader, last, EXPORT_PAGE, print_line, &last, &count, &why) != ERR_OK) {
            fprintf(stderr, "turnout: %s\n", why.text);
            return EXIT_FAILED;
        }
    } while (count > 0);
    return EXIT_DONE;
}

static int tail(struct store_reader *reader)
{
    json_t *items = NULL;
    int64_t next = 0;
    struct errmsg why = {0};
    if (store_audit_page(reader, 0, 20, NULL, NULL, &items, &next, &why) != ERR_OK) {
        fprintf(stderr, "turnout: %s\n", why.text);
        return EXIT_FAILED;
    }
    for (size_t i = json_array_size(items); i-- > 0;)
        print_audit_item(json_array_get(items, i));
    json_decref(items);
    return EXIT_DONE;
}

static int audit_of_file(const char *path, const char *what, bool is_json)
{
    struct store_reader *reader = NULL;
    struct errmsg why = {0};
    if (store_reader_open(path, &reader, &why) != ERR_OK) {
        fprintf(stderr, "turnout: %s\n", why.text);
        return EXIT_FAILED;
    }
    int code = strcmp(what, "verify") == 0   ? verify(reader, is_json)
               : strcmp(what, "export") == 0 ? export(reader)
                                             : tail(reader);
    store_reader_close(reader);
    return code;
}

int command_audit(const struct options *options)
{
    const char *what = options->words[0];
    if (strcmp(what, "tail") != 0 && strcmp(what, "export") != 0 && strcmp(what, "verify") != 0) {
        fprintf(stderr, "Usage: turnout audit tail|export|verify [--database FILE | -c FILE]\n");
        return EXIT_USAGE;
    }
    if (options->database)
        return audit_of_file(options->database, what, options->is_json);
    if (!options->config)
        return client_audit(options);
    struct config *config = NULL;
    int code = load(options->config, &config, stderr);
    if (code == EXIT_DONE)
        code = audit_of_file(config->database, what, options->is_json);
    config_free(config);
    return code;
}

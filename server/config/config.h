/* The configuration file: YAML with positions, secrets, rows of handlers and actions, all errors at once.
 *
 * The struct is immutable after config_load(); everything in it is owned by it. */
#ifndef TURNOUT_SERVER_CONFIG_CONFIG_H
#define TURNOUT_SERVER_CONFIG_CONFIG_H

#include "actions/action.h"
#include "base/secret.h"
#include "base/strbuf.h"
#include "core/model.h"
#include "core/retention.h"
#include "handlers/source.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>

struct listen_address {
    char *text; /* as written */
    struct sockaddr_storage address;
    socklen_t address_len;
};

/* Files of server.tls, all NULL when it is not given. */
struct tls_files {
    char *certificate, *key;
    char *hooks_clients, *api_clients; /* authorities of client certificates; NULL: none are asked for */
};

struct operator_account {
    char *name;
    enum role role;
    struct secret token;
};

/* server.self_check: our own network is there while `need` of the URLs answer anything at all. */
struct self_check {
    char **urls;
    int n_urls; /* 0: it is not asked for */
    int need;
    int64_t every_ms, timeout_ms;
};

/* server.heartbeat: a dead man's switch outside, which calls people when we are silent. */
struct heartbeat {
    struct secret url; /* whoever knows it can keep the switch quiet; empty: none */
    int64_t every_ms;
};

struct config {
    char *path;
    char digest[65]; /* SHA-256 of the file's bytes, hex: for the audit */
    struct listen_address hooks, api;
    struct tls_files tls;
    char *site;        /* server.site: where the daemon itself runs; NULL: not said */
    char *kill_switch; /* while this file exists nothing is written to any provider; NULL: there is none */
    char *export;      /* folder of the break-glass files; NULL: none are written */
    int64_t
        ballast_bytes; /* of the file beside the database that is given up when the disk is full; 0: there is none */
    struct self_check self_check;
    struct heartbeat heartbeat;
    struct network *trusted_proxies;
    size_t n_trusted_proxies;
    int hooks_rate, api_rate; /* requests per second of one address */
    char *database;           /* absolute, or relative to the working directory as resolved from the file's folder */
    struct keep keep;
    struct operator_account *operators;
    int n_operators;
    struct source *sources;     /* index = source index of the model */
    struct provider *providers; /* index = provider index of the model */
    int n_stand_ins;            /* see config_load_for_trial() */
    struct model model;
};

/* Reads and validates. Every problem is added to `errors` as "FILE:LINE:COLUMN: what; what would be right\n" (all at
 * once; without line and column where the file as a whole is meant), every doubt to `warnings` in the same form, with
 * "warning: " before the text. Secrets are read (environment, files) but never shown. Returns
 * ERR_OK with *ret (free with config_free()), or ERR_INVALID with none. */
MUST_CHECK enum err config_load(const char *path, struct config **ret, struct strbuf *errors, struct strbuf *warnings);
/* The same for what only looks at a configuration: where a secret is not there (its environment variable, its file)
 * something else stands in for it, and is counted in config->n_stand_ins. Never for what lets anybody in. */
MUST_CHECK enum err config_load_for_trial(const char *path, struct config **ret, struct strbuf *errors,
                                          struct strbuf *warnings);
void config_free(struct config *config); /* accepts NULL */

/* What actions and kinds of sources take, from the rows that validate: all of them in short, or (name given) one in
 * full. False: there is none of that name; nothing is printed. */
bool config_print_actions(FILE *out, const char *name);
bool config_print_sources(FILE *out, const char *kind);

/* What a right configuration means that may not be meant, one line each: services in shadow or manual mode, and what is
 * not there to watch over the daemon itself. */
void config_print_notes(FILE *out, const struct config *config);

#endif

/* TLS of both listeners, by GnuTLS below libmicrohttpd: the certificate, which can be changed while the daemon runs,
 * and the clients' certificates.
 *
 * libmicrohttpd takes one certificate at its start and only asks clients for theirs. So each connection gets its
 * credentials here, before its handshake, from the set that is current then; and whether a client's certificate is
 * right is found out here, before anything of its request is looked at. A set lives as long as a connection uses it.
 * The only place in server/http that knows GnuTLS. */
#include "http/http_internal.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <gnutls/abstract.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <stdlib.h>
#include <string.h>

/* TLS 1.2 and 1.3, what gives forward secrecy only, and of ciphers those that authenticate by themselves. */
#define PRIORITIES "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-AES-128-CBC:-AES-256-CBC:%SERVER_PRECEDENCE"

#define MAX_CHAIN 16 /* certificates of ours */
#define DAY_MS ((int64_t)24 * 3600 * 1000)
#define SOON_MS (14 * DAY_MS)
#define TRUST_CLIENT_MS 60000 /* then its certificate may have expired */

struct tls_set {
    atomic_int references;
    gnutls_certificate_credentials_t of_hooks, of_api;
    int64_t expires_at; /* wall */
};

struct tls {
    pthread_mutex_t mutex; /* guards current and looked_at */
    struct tls_set *current;
    int64_t looked_at; /* steady */
    atomic_llong reloads, failed_reloads;
};

/* ---- reading files ----------------------------------------------------------------------------------------------- */

/* What a set is made of, and freed after. */
struct files {
    gnutls_datum_t certificate, key;
    gnutls_x509_crt_t chain[MAX_CHAIN];
    unsigned n_chain;
    gnutls_x509_privkey_t private_key;
};

static void datum_done(gnutls_datum_t *datum)
{
    if (datum->data)
        secret_wipe(datum->data, datum->size);
    gnutls_free(datum->data);
    datum->data = NULL;
}

static void files_done(struct files *files)
{
    for (unsigned i = 0; i < files->n_chain; i++)
        gnutls_x509_crt_deinit(files->chain[i]);
    if (files->private_key)
        gnutls_x509_privkey_deinit(files->private_key);
    datum_done(&files->certificate);
    datum_done(&files->key);
}

static enum err read_file(const char *what, const char *path, gnutls_datum_t *ret, struct errmsg *why)
{
    errno = 0;
    if (gnutls_load_file(path, ret) == 0)
        return ERR_OK;
    ret->data = NULL;
    return err_set(why, ERR_INVALID, "server.tls: %s %s cannot be read: %s", what, path,
                   errno ? strerror(errno) : "it is no file");
}

static enum err read_chain(const char *path, struct files *files, struct errmsg *why)
{
    unsigned n = MAX_CHAIN;
    enum err err = read_file("certificate", path, &files->certificate, why);
    if (err != ERR_OK)
        return err;
    int result = gnutls_x509_crt_list_import(files->chain, &n, &files->certificate, GNUTLS_X509_FMT_PEM,
                                             GNUTLS_X509_CRT_LIST_IMPORT_FAIL_IF_EXCEED);
    if (result > 0) {
        files->n_chain = (unsigned)result;
        return ERR_OK;
    }
    return err_set(why, ERR_INVALID, "server.tls: certificate %s is not 1 to %d certificates in PEM: %s", path,
                   MAX_CHAIN, gnutls_strerror(result));
}

static enum err read_key(const char *path, struct files *files, struct errmsg *why)
{
    enum err err = read_file("key", path, &files->key, why);
    if (err != ERR_OK)
        return err;
    if (gnutls_x509_privkey_init(&files->private_key) != 0)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    int result = gnutls_x509_privkey_import2(files->private_key, &files->key, GNUTLS_X509_FMT_PEM, NULL, 0);
    if (result == 0)
        return ERR_OK;
    return err_set(why, ERR_INVALID, "server.tls: key %s is not a private key in PEM, without a password: %s", path,
                   gnutls_strerror(result));
}

static enum err files_read(const struct http_tls *tls, struct files *ret, struct errmsg *why)
{
    enum err err = read_chain(tls->certificate, ret, why);
    return err == ERR_OK ? read_key(tls->key, ret, why) : err;
}

/* ---- a set ------------------------------------------------------------------------------------------------------- */

static void set_release(struct tls_set *set)
{
    if (!set || atomic_fetch_sub(&set->references, 1) > 1)
        return;
    if (set->of_hooks)
        gnutls_certificate_free_credentials(set->of_hooks);
    if (set->of_api)
        gnutls_certificate_free_credentials(set->of_api);
    free(set);
}

static enum err add_clients(gnutls_certificate_credentials_t credentials, const char *setting, const char *path,
                            struct errmsg *why)
{
    gnutls_datum_t pem;
    enum err err = read_file(setting, path, &pem, why);
    if (err != ERR_OK)
        return err;
    int n = gnutls_certificate_set_x509_trust_mem(credentials, &pem, GNUTLS_X509_FMT_PEM);
    datum_done(&pem);
    if (n > 0)
        return ERR_OK;
    return err_set(why, ERR_INVALID, "server.tls: %s %s holds no certificate in PEM%s%s", setting, path,
                   n < 0 ? ": " : "", n < 0 ? gnutls_strerror(n) : "");
}

static enum err credentials_make(const struct http_tls *tls, const struct files *files, const char *setting,
                                 const char *clients, gnutls_certificate_credentials_t *ret, struct errmsg *why)
{
    gnutls_x509_crt_t chain[MAX_CHAIN];
    memcpy(chain, files->chain, sizeof chain);
    if (gnutls_certificate_allocate_credentials(ret) != 0) {
        *ret = NULL;
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    int result = gnutls_certificate_set_x509_key(*ret, chain, (int)files->n_chain, files->private_key);
    if (result == GNUTLS_E_CERTIFICATE_KEY_MISMATCH)
        return err_set(why, ERR_INVALID, "server.tls: key %s is not that of the first certificate in %s", tls->key,
                       tls->certificate);
    if (result < 0)
        return err_set(why, ERR_INVALID, "server.tls: certificate %s cannot be used: %s", tls->certificate,
                       gnutls_strerror(result));
    return clients ? add_clients(*ret, setting, clients, why) : ERR_OK;
}

/* Of all in the chain the one that ends first: clients look at each. */
static int64_t expiry_of(const struct files *files)
{
    time_t first = gnutls_x509_crt_get_expiration_time(files->chain[0]);
    for (unsigned i = 1; i < files->n_chain; i++) {
        time_t at = gnutls_x509_crt_get_expiration_time(files->chain[i]);
        first = at < first ? at : first;
    }
    return (int64_t)first * 1000;
}

static enum err set_make(const struct http_tls *tls, const struct files *files, struct tls_set **ret,
                         struct errmsg *why)
{
    struct tls_set *set = calloc(1, sizeof *set);
    if (!set)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    atomic_init(&set->references, 1);
    set->expires_at = expiry_of(files);
    enum err err = credentials_make(tls, files, "hooks_clients", tls->hooks_clients, &set->of_hooks, why);
    if (err == ERR_OK)
        err = credentials_make(tls, files, "api_clients", tls->api_clients, &set->of_api, why);
    if (err == ERR_OK)
        *ret = set;
    else
        set_release(set);
    return err;
}

static enum err set_read(const struct http_tls *tls, struct tls_set **ret, struct errmsg *why)
{
    struct files files = {.n_chain = 0};
    enum err err = files_read(tls, &files, why);
    if (err == ERR_OK)
        err = set_make(tls, &files, ret, why);
    files_done(&files);
    return err;
}

static void add_doubts(const struct http_tls *tls, const struct tls_set *set, struct strbuf *doubts)
{
    int64_t now = clock_wall_ms();
    char text[TIME_TEXT_SIZE];
    if (set->expires_at < now)
        strbuf_addf(doubts, "server.tls: certificate %s has expired at %s: clients refuse it\n", tls->certificate,
                    time_format(set->expires_at, text));
    else if (set->expires_at < now + SOON_MS)
        strbuf_addf(doubts, "server.tls: certificate %s expires at %s\n", tls->certificate,
                    time_format(set->expires_at, text));
}

enum err http_check_tls(const struct http_tls *tls, struct strbuf *doubts, struct errmsg *why)
{
    struct tls_set *set = NULL;
    enum err err = set_read(tls, &set, why);
    if (err == ERR_OK)
        add_doubts(tls, set, doubts);
    set_release(set);
    return err;
}

/* ---- the current set --------------------------------------------------------------------------------------------- */

static struct tls_set *current_get(struct tls *tls)
{
    pthread_mutex_lock(&tls->mutex);
    struct tls_set *set = tls->current;
    atomic_fetch_add(&set->references, 1);
    pthread_mutex_unlock(&tls->mutex);
    return set;
}

static void log_doubts(const struct http_tls *files, const struct tls_set *set)
{
    struct strbuf doubts = STRBUF_INIT;
    add_doubts(files, set, &doubts);
    if (doubts.len > 0)
        log_warning("%.*s", (int)(doubts.len - 1), strbuf_text(&doubts)); /* one line */
    strbuf_done(&doubts);
}

enum err tls_init(struct http *http, struct errmsg *why)
{
    struct tls_set *set = NULL;
    enum err err = set_read(http->settings.tls, &set, why);
    if (err != ERR_OK)
        return err;
    struct tls *tls = calloc(1, sizeof *tls);
    if (!tls) {
        set_release(set);
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    }
    pthread_mutex_init(&tls->mutex, NULL);
    tls->current = set;
    tls->looked_at = clock_steady_ms();
    http->tls = tls;
    log_doubts(http->settings.tls, set);
    return ERR_OK;
}

void tls_done(struct http *http)
{
    if (!http->tls)
        return;
    set_release(http->tls->current);
    pthread_mutex_destroy(&http->tls->mutex);
    free(http->tls);
    http->tls = NULL;
}

enum err http_reload_tls(struct http *http, struct errmsg *why)
{
    struct tls *tls = http->tls;
    struct tls_set *set = NULL;
    enum err err = set_read(http->settings.tls, &set, why);
    atomic_fetch_add(err == ERR_OK ? &tls->reloads : &tls->failed_reloads, 1);
    if (err != ERR_OK)
        return err;
    log_doubts(http->settings.tls, set);
    pthread_mutex_lock(&tls->mutex);
    struct tls_set *old = tls->current;
    tls->current = set;
    pthread_mutex_unlock(&tls->mutex);
    set_release(old);
    return ERR_OK;
}

void tls_look(struct http *http)
{
    struct tls *tls = http->tls;
    if (!tls)
        return;
    int64_t now = clock_steady_ms();
    pthread_mutex_lock(&tls->mutex);
    bool is_due = now - tls->looked_at >= DAY_MS;
    if (is_due)
        tls->looked_at = now;
    pthread_mutex_unlock(&tls->mutex);
    if (!is_due)
        return;
    struct tls_set *set = current_get(tls);
    log_doubts(http->settings.tls, set);
    set_release(set);
}

void tls_metrics(struct http *http, struct strbuf *text)
{
    struct tls *tls = http->tls;
    if (!tls)
        return;
    struct tls_set *set = current_get(tls);
    strbuf_addf(text,
                "# HELP turnout_tls_certificate_expires When the certificate expires, in seconds since 1970.\n"
                "# TYPE turnout_tls_certificate_expires gauge\n"
                "turnout_tls_certificate_expires %lld\n",
                (long long)(set->expires_at / 1000));
    set_release(set);
    strbuf_addf(text,
                "# HELP turnout_tls_reloads_total Times that the files of TLS were read again.\n"
                "# TYPE turnout_tls_reloads_total counter\n"
                "turnout_tls_reloads_total{result=\"taken\"} %lld\n"
                "turnout_tls_reloads_total{result=\"refused\"} %lld\n",
                atomic_load(&tls->reloads), atomic_load(&tls->failed_reloads));
}

/* ---- connections, on their listener's thread --------------------------------------------------------------------- */

/* libmicrohttpd does not start without a certificate or a way to one. No handshake comes here, but one of a connection
 * that got no slot and no credentials: it fails. */
static int no_certificate(gnutls_session_t session, const gnutls_datum_t *names, int n_names,
                          const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret, unsigned *n,
                          gnutls_privkey_t *key)
{
    (void)session, (void)names, (void)n_names, (void)algorithms, (void)n_algorithms, (void)ret, (void)n, (void)key;
    return -1;
}

struct MHD_OptionItem *tls_options(const struct http *http)
{
    static struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    static char priorities[] = PRIORITIES;
    static struct MHD_OptionItem options[3] = {{MHD_OPTION_HTTPS_PRIORITIES, 0, priorities},
                                               {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, NULL},
                                               {MHD_OPTION_END, 0, NULL}};
    options[1].ptr_value = (void *)(uintptr_t)no_certificate;
    return http->tls ? options : none;
}

static gnutls_session_t session_of(const struct connection *connection)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info ? info->tls_session : NULL;
}

/* Takes the reference to the set. */
static void use_set(struct connection *connection, gnutls_session_t session, struct tls_set *set)
{
    bool is_hooks = connection->listener == &connection->listener->http->hooks;
    if (gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, is_hooks ? set->of_hooks : set->of_api) != 0)
        log_error("%s: out of memory for a connection's certificate", connection->listener->setting);
    set_release(connection->tls);
    connection->tls = set;
    connection->client_is_good_until = 0;
}

void tls_open(struct connection *connection)
{
    struct tls *tls = connection->listener->http->tls;
    gnutls_session_t session = tls ? session_of(connection) : NULL;
    connection->tls = NULL;
    if (!session)
        return;
    use_set(connection, session, current_get(tls));
    /* Asked for and not demanded: a client without one is to read why it is refused. */
    gnutls_certificate_server_set_request(session,
                                          connection->listener->clients ? GNUTLS_CERT_REQUEST : GNUTLS_CERT_IGNORE);
}

void tls_close(struct connection *connection)
{
    set_release(connection->tls);
    connection->tls = NULL;
}

static const char *problem_of(gnutls_session_t session)
{
    static char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
    gnutls_typed_vdata_st wanted = {.type = GNUTLS_DT_KEY_PURPOSE_OID, .data = (unsigned char *)purpose};
    unsigned status = 0;
    int result = gnutls_certificate_verify_peers(session, &wanted, 1, &status);
    if (result == GNUTLS_E_NO_CERTIFICATE_FOUND)
        return "a client certificate is needed, and none was given";
    if (result < 0)
        return "the client certificate cannot be verified";
    if (status & GNUTLS_CERT_SIGNER_NOT_FOUND)
        return "the client certificate is of an authority that is not trusted here";
    if (status & GNUTLS_CERT_EXPIRED)
        return "the client certificate has expired";
    if (status & GNUTLS_CERT_NOT_ACTIVATED)
        return "the client certificate is not valid yet";
    if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        return "the client certificate is not for clients";
    return status == 0 ? NULL : "the client certificate is not acceptable";
}

const char *tls_client_problem(struct connection *connection)
{
    struct tls *tls = connection->listener->http->tls;
    if (!connection->listener->clients)
        return NULL;
    gnutls_session_t session = session_of(connection);
    if (!tls || !session)
        return "a client certificate is needed, and there is no TLS";
    struct tls_set *current = current_get(tls);
    if (connection->tls == current)
        set_release(current);
    else
        use_set(connection, session, current); /* another authority may be trusted by now */
    if (clock_steady_ms() < connection->client_is_good_until)
        return NULL;
    const char *problem = problem_of(session);
    if (!problem)
        connection->client_is_good_until = clock_steady_ms() + TRUST_CLIENT_MS;
    return problem;
}

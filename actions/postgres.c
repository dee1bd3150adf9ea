#include "actions/postgres.h"

#include "actions/common.h"
#include "actions/postgres_lag.h"
#include "base/clock.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define POLL_SLICE_MS 50
#define OLDEST_VERSION 120000  /* pg_promote() */
#define NO_FILE "/dev/null/no" /* of which libpq is to find nothing: left out, it would look into the home folder */

struct postgres {
    PGconn *connection;
    struct action_call *call;
    int64_t until;
    char text[160];
};

const char *postgres_server_text(const struct postgres *session)
{
    return session->text;
}

enum err postgres_check_host(const char *key, const char *host, struct errmsg *why)
{
    unsigned char bytes[16];
    if (host[0] == '/' && !strchr(host, ','))
        return ERR_OK;
    if (inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1)
        return ERR_OK;
    return err_set(why, ERR_INVALID,
                   "%s \"%.100s\" is no address and no folder of a socket; a name is not looked up, since that hangs "
                   "when DNS is part of the outage (what the certificate says goes into server_name)",
                   key, host);
}

/* ---- what went wrong --------------------------------------------------------------------------------------------- */

/* Of a text like "FATAL:  28P01: password authentication failed", which libpq makes when it is told to be verbose;
 * the words are in the server's language, the code is not. */
static void sqlstate_of(const char *text, char sqlstate[6])
{
    sqlstate[0] = '\0';
    for (const char *at = strstr(text, ":  "); at; at = strstr(at + 1, ":  ")) {
        const char *code = at + 3;
        size_t len = strspn(code, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        if (len == 5 && code[5] == ':') {
            memcpy(sqlstate, code, 5);
            sqlstate[5] = '\0';
            return;
        }
    }
}

/* Authentication, a database that is not there, a right that is missing: the same again fails the same. */
static bool sqlstate_is_permanent(const char *sqlstate)
{
    static const char *const classes[] = {"28", "3D", "42", "0A", "22"};
    for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
        if (strncmp(sqlstate, classes[i], 2) == 0)
            return true;
    return false;
}

/* The server's lines "LOCATION: ..." and "DETAIL: ..." are for its developers. */
static void words_of_libpq(const struct postgres *session, const char *text, char *ret, size_t room)
{
    const char *end = strstr(text, "\nLOCATION:");
    size_t len = end ? (size_t)(end - text) : strlen(text);
    words_of(session->call, text, len, ret, room);
}

static void fail_connection(struct postgres *session, struct action_result *ret)
{
    const char *text = PQerrorMessage(session->connection);
    char words[WORDS_SIZE], sqlstate[6];
    sqlstate_of(text, sqlstate);
    words_of_libpq(session, text, words, sizeof(words));
    const bool is_certificate = strstr(text, "certificate") || strstr(text, "does not support SSL");
    if (sqlstate_is_permanent(sqlstate))
        result_set(ret, OUTCOME_PERMANENT, "PostgreSQL at %s refuses the connection: %s", session->text, words);
    else if (PQconnectionNeedsPassword(session->connection))
        result_set(ret, OUTCOME_PERMANENT, "PostgreSQL at %s wants a password, and the provider has none",
                   session->text);
    else if (sqlstate[0] == '\0' && is_certificate)
        result_set(ret, OUTCOME_PERMANENT, "the connection to PostgreSQL at %s is not safe as sslmode wants it: %s",
                   session->text, words);
    else
        result_set(ret, OUTCOME_TEMPORARY, "PostgreSQL at %s cannot be reached: %s", session->text, words);
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

enum waited { WAITED, WAIT_TIMED_OUT, WAIT_CANCELLED };

static enum waited wait_for(struct postgres *session, short events)
{
    for (;;) {
        int64_t left_ms = session->until - clock_steady_ms();
        if (call_is_cancelled(session->call))
            return WAIT_CANCELLED;
        if (left_ms <= 0)
            return WAIT_TIMED_OUT;
        struct pollfd fd = {.fd = PQsocket(session->connection), .events = events};
        if (poll(&fd, 1, (int)(left_ms < POLL_SLICE_MS ? left_ms : POLL_SLICE_MS)) > 0)
            return WAITED;
    }
}

/* ---- connecting -------------------------------------------------------------------------------------------------- */

struct parameters {
    const char *keys[24], *values[24];
    size_t n;
};

static void parameter(struct parameters *list, const char *key, const char *value)
{
    if (!value || !value[0])
        return;
    list->keys[list->n] = key;
    list->values[list->n++] = value;
}

/* All that libpq would else take from somewhere else is given. */
static PGconn *begin(struct postgres *session, const struct postgres_server *server)
{
    const json_t *args = session->call->provider->args;
    const struct secret *password = provider_secret(session->call->provider, "password");
    struct parameters list = {.n = 0};
    char port[16], options[80];
    int64_t left_ms = session->until - clock_steady_ms();
    snprintf(port, sizeof(port), "%lld", (long long)server->port);
    /* So that a server whom we have left does not go on waiting for its replicas. */
    snprintf(options, sizeof(options), "-c statement_timeout=%lld -c search_path=pg_catalog",
             (long long)(left_ms < 1000 ? 1000 : left_ms));
    parameter(&list, "host", server->host[0] == '/' || !server->name ? server->host : server->name);
    parameter(&list, "hostaddr", server->host[0] == '/' ? NULL : server->host);
    parameter(&list, "port", port);
    parameter(&list, "user", arg_text(args, "user", ""));
    parameter(&list, "password", password ? password->bytes : NULL);
    parameter(&list, "passfile", "/dev/null");
    parameter(&list, "dbname", arg_text(args, "dbname", "postgres"));
    parameter(&list, "sslmode", server->host[0] == '/' ? "disable" : arg_text(args, "sslmode", "verify-full"));
    parameter(&list, "sslrootcert", arg_text(args, "sslrootcert", NO_FILE));
    parameter(&list, "sslcert", NO_FILE);
    parameter(&list, "sslkey", NO_FILE);
    parameter(&list, "sslcrl", NO_FILE);
    parameter(&list, "gssencmode", "disable");
    parameter(&list, "target_session_attrs", "any");
    parameter(&list, "client_encoding", "UTF8");
    parameter(&list, "options", options);
    parameter(&list, "application_name", "turnout");
    return PQconnectStartParams(list.keys, list.values, 0);
}

/* Through the stages of libpq; false: ret says why. */
static bool connect_through(struct postgres *session, struct action_result *ret)
{
    PGconn *connection = session->connection;
    (void)PQsetErrorVerbosity(connection, PQERRORS_VERBOSE);
    for (PostgresPollingStatusType status = PGRES_POLLING_WRITING; status != PGRES_POLLING_OK;) {
        if (PQstatus(connection) == CONNECTION_BAD || status == PGRES_POLLING_FAILED) {
            fail_connection(session, ret);
            return false;
        }
        switch (wait_for(session, status == PGRES_POLLING_READING ? POLLIN : POLLOUT)) {
        case WAIT_CANCELLED:
            result_set(ret, OUTCOME_CANCELLED, "cancelled while connecting to PostgreSQL at %s", session->text);
            return false;
        case WAIT_TIMED_OUT:
            result_set(ret, OUTCOME_TEMPORARY, "PostgreSQL at %s cannot be reached: it does not answer", session->text);
            return false;
        case WAITED:
            status = PQconnectPoll(connection);
        }
    }
    if (PQserverVersion(connection) >= OLDEST_VERSION)
        return true;
    result_set(ret, OUTCOME_PERMANENT, "PostgreSQL at %s is too old to be promoted by a statement: it has to be 12",
               session->text);
    return false;
}

struct postgres *postgres_open(struct action_call *call, const struct postgres_server *server, int64_t until,
                               struct action_result *ret)
{
    struct postgres *session = calloc(1, sizeof(*session));
    if (!session) {
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
        return NULL;
    }
    session->call = call;
    session->until = until < call->deadline_at ? until : call->deadline_at;
    snprintf(session->text, sizeof(session->text), strchr(server->host, ':') ? "[%.100s]:%lld" : "%.100s:%lld",
             server->host, (long long)server->port);
    session->connection = begin(session, server);
    if (!session->connection)
        result_set(ret, OUTCOME_TEMPORARY, "out of memory");
    else if (connect_through(session, ret))
        return session;
    postgres_close(session);
    return NULL;
}

void postgres_close(struct postgres *session)
{
    if (!session)
        return;
    PQfinish(session->connection);
    free(session);
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* For good on record: what was asked, how long it took, what went wrong. Out of memory, a detail is left out. */
static void record(const struct postgres *session, const char *what, int64_t began_at, const char *error)
{
    char url[256];
    snprintf(url, sizeof(url), "postgresql://%s/%.30s", session->text[0] == '/' ? "" : session->text,
             arg_text(session->call->provider->args, "dbname", "postgres"));
    json_t *entry = json_pack("{s:s, s:s, s:i, s:I, s:s}", "method", "SQL", "url", url, "status", 0, "took_ms",
                              (json_int_t)(clock_steady_ms() - began_at), "body", what);
    if (entry && error)
        json_object_set_new(entry, "error", json_string(error));
    if (entry)
        json_array_append_new(session->call->requests, entry);
}

static void fail_lost(struct postgres *session, bool is_write, struct action_result *ret)
{
    char words[WORDS_SIZE];
    words_of_libpq(session, PQerrorMessage(session->connection), words, sizeof(words));
    result_set(ret, is_write ? OUTCOME_UNKNOWN : OUTCOME_TEMPORARY, "the connection to PostgreSQL at %s broke%s: %s",
               session->text, is_write ? ", and it may have done what it was asked" : "", words);
}

/* Sends, and waits until a whole answer is there. */
static bool exchange(struct postgres *session, const char *sql, bool is_write, struct action_result *ret)
{
    PGconn *connection = session->connection;
    int flushed = 1;
    if (PQsetnonblocking(connection, 1) != 0 || !PQsendQuery(connection, sql)) {
        fail_lost(session, false, ret);
        return false;
    }
    while ((flushed = PQflush(connection)) > 0 || PQisBusy(connection)) {
        enum waited waited = wait_for(session, (short)(flushed > 0 ? POLLIN | POLLOUT : POLLIN));
        if (waited == WAITED && PQconsumeInput(connection))
            continue;
        if (waited == WAITED)
            break;
        if (is_write)
            result_set(ret, OUTCOME_UNKNOWN, "%s while PostgreSQL at %s was at work, which it may go on with",
                       waited == WAIT_CANCELLED ? "cancelled" : "time was up", session->text);
        else
            result_set(ret, waited == WAIT_CANCELLED ? OUTCOME_CANCELLED : OUTCOME_TEMPORARY,
                       waited == WAIT_CANCELLED ? "cancelled while asking PostgreSQL at %s"
                                                : "PostgreSQL at %s does not answer in time",
                       session->text);
        return false;
    }
    if (flushed >= 0 && PQstatus(connection) == CONNECTION_OK)
        return true;
    fail_lost(session, is_write, ret);
    return false;
}

static bool take_row(struct postgres *session, PGresult *result, bool is_write, struct postgres_row *row,
                     struct action_result *ret)
{
    int n = PQnfields(result);
    if (PQntuples(result) != 1 || n > MAX_POSTGRES_COLUMNS) {
        result_set(ret, is_write ? OUTCOME_UNKNOWN : OUTCOME_TEMPORARY,
                   "PostgreSQL at %s answers with %d rows where there should be one", session->text, PQntuples(result));
        return false;
    }
    for (int i = 0; i < n; i++)
        snprintf(row->values[i], sizeof(row->values[i]), "%s", PQgetvalue(result, 0, i));
    return true;
}

/* A refusal in words. What the server gave up on (its shutdown, a conflict with what it replays) was at work already.
 */
static void fail_statement(struct postgres *session, const PGresult *result, bool is_write, const char *sqlstate,
                           struct action_result *ret)
{
    const char *primary = result ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
    char words[WORDS_SIZE];
    if (!primary) {
        fail_lost(session, is_write, ret);
        return;
    }
    words_of(session->call, primary, strlen(primary), words, sizeof(words));
    enum outcome outcome = sqlstate_is_permanent(sqlstate) ? OUTCOME_PERMANENT
                           : is_write                      ? OUTCOME_UNKNOWN
                                                           : OUTCOME_TEMPORARY;
    result_set(ret, outcome, "PostgreSQL at %s answers %s: %s", session->text, sqlstate, words);
}

bool postgres_ask(struct postgres *session, const char *sql, const char *what, bool is_write, struct postgres_row *row,
                  char sqlstate[6], struct action_result *ret)
{
    int64_t began_at = clock_steady_ms();
    bool is_done = false;
    sqlstate[0] = '\0';
    if (exchange(session, sql, is_write, ret)) {
        PGresult *result = PQgetResult(session->connection);
        const char *code = result ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
        if (code)
            snprintf(sqlstate, 6, "%s", code);
        if (PQresultStatus(result) == PGRES_TUPLES_OK)
            is_done = take_row(session, result, is_write, row, ret);
        else
            fail_statement(session, result, is_write, sqlstate, ret);
        PQclear(result);
    }
    record(session, what, began_at, is_done ? NULL : ret->text.text);
    /* What comes behind it (the end of the statement) is there already, or soon. */
    while (is_done && PQisBusy(session->connection) && wait_for(session, POLLIN) == WAITED &&
           PQconsumeInput(session->connection))
        ;
    for (PGresult *rest; is_done && !PQisBusy(session->connection) && (rest = PQgetResult(session->connection));)
        PQclear(rest);
    return is_done;
}

/* ---- the provider ------------------------------------------------------------------------------------------------ */

/* libpq fills what it is not given from the environment. All that we know of is given; the rest must not be there. */
static enum err check_environment(struct errmsg *why)
{
    static const char *const names[] = {"PGSERVICE", "PGSERVICEFILE", "PGHOSTADDR", "PGREQUIREPEER", "PGSSLCRLDIR"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (getenv(names[i]))
            return err_set(why, ERR_INVALID,
                           "the environment has %s, which would change how PostgreSQL is reached; start without it",
                           names[i]);
    return ERR_OK;
}

static enum err provider_open(struct provider *provider, struct errmsg *why)
{
    const char *sslmode = arg_text(provider->args, "sslmode", "verify-full");
    if (strncmp(sslmode, "verify-", 7) == 0 && !arg_text(provider->args, "sslrootcert", NULL))
        return err_set(why, ERR_INVALID,
                       "sslmode %s needs sslrootcert, the file of the authority that signed the servers' certificates",
                       sslmode);
    enum err err = check_environment(why);
    if (err != ERR_OK)
        return err;
    provider->state = sightings_new();
    return provider->state ? ERR_OK : err_set(why, ERR_NO_MEMORY, "out of memory");
}

static void provider_close(struct provider *provider)
{
    sightings_free(provider->state);
    provider->state = NULL;
}

static const struct row provider_rows[] = {
    {.name = "user",
     .type = ROW_STRING,
     .is_required = true,
     .min = 1,
     .max = 63,
     .help = "role to log in as: a superuser, or one with pg_monitor and EXECUTE on pg_promote"},
    {.name = "password", .type = ROW_SECRET, .help = "of that role; ~/.pgpass is not read"},
    {.name = "dbname",
     .type = ROW_STRING,
     .default_text = "postgres",
     .min = 1,
     .max = 63,
     .help = "database to log in to"},
    {.name = "sslmode",
     .type = ROW_CHOICE,
     .default_text = "verify-full",
     .choices = "disable|require|verify-ca|verify-full",
     .help = "as libpq has it; a socket has no TLS, whatever is chosen"},
    {.name = "sslrootcert", .type = ROW_PATH, .help = "file with the authority that verify-ca and verify-full trust"},
    {.name = NULL},
};

const struct provider_kind provider_kind_postgres = {
    .name = "postgres",
    .help = "PostgreSQL 12 or later, spoken to by its own protocol",
    .rows = provider_rows,
    .open = provider_open,
    .close = provider_close,
};

/* postgres.promote as lines of sh: psql in place of libpq, told all that the provider's rows tell libpq.
 *
 * The password goes by the environment of psql, which no other user sees. The guard `rpo` does not
 * speak here: what the replica had is shown, and a person who runs the script has decided. */
#include "actions/by_hand.h"
#include "actions/common.h"
#include "actions/postgres.h"

#include <stdio.h>

/* key='value' of a connection string; none where there is no value. */
static void parameter(struct strbuf *text, const char *key, const char *value)
{
    if (!value || !value[0])
        return;
    strbuf_addf(text, "%s%s='", text->len ? " " : "", key);
    for (const char *c = value; *c; c++) {
        if (*c == '\'' || *c == '\\')
            strbuf_addc(text, '\\');
        strbuf_addc(text, *c);
    }
    strbuf_addc(text, '\'');
}

static void connection_string(struct strbuf *text, const json_t *args, const struct provider *provider)
{
    const char *host = arg_text(args, "host", ""), *name = arg_text(args, "server_name", host);
    const bool is_socket = host[0] == '/';
    char port[24];
    snprintf(port, sizeof(port), "%lld", (long long)arg_int(args, "port", 5432));
    parameter(text, "host", is_socket ? host : name);
    parameter(text, "hostaddr", is_socket ? NULL : host);
    parameter(text, "port", port);
    parameter(text, "user", arg_text(provider->args, "user", ""));
    parameter(text, "dbname", arg_text(provider->args, "dbname", "postgres"));
    parameter(text, "sslmode", is_socket ? "disable" : arg_text(provider->args, "sslmode", "verify-full"));
    parameter(text, "sslrootcert", arg_text(provider->args, "sslrootcert", NULL));
    parameter(text, "gssencmode", "disable");
    parameter(text, "connect_timeout", "10");
    parameter(text, "options", "-c search_path=pg_catalog");
    parameter(text, "application_name", "turnout, by hand");
}

/* A function of sh: STATEMENT. Its rows go to the output, bare. */
static void ask_function(struct strbuf *script, const json_t *args, const struct provider *provider)
{
    struct strbuf connection = STRBUF_INIT;
    connection_string(&connection, args, provider);
    strbuf_adds(script, "ask() {\n  ");
    if (provider_secret(provider, "password")) {
        strbuf_adds(script, "PGPASSWORD=\"");
        by_hand_variable(script, provider, "password");
        strbuf_adds(script, "\" ");
    }
    strbuf_adds(script, "psql -X -w -q -A -t -v ON_ERROR_STOP=1 -d ");
    by_hand_quote(script, strbuf_text(&connection));
    strbuf_adds(script, " -c \"$1\" </dev/null\n}\n");
    strbuf_done(&connection);
}

void postgres_write_look(struct strbuf *script, const json_t *args, const struct provider *provider,
                         const json_t *token)
{
    (void)token;
    ask_function(script, args, provider);
    strbuf_adds(script, "[ \"$(ask 'SELECT pg_is_in_recovery()')\" = f ]\n");
}

void postgres_write_script(struct strbuf *script, const json_t *args, const struct provider *provider,
                           const json_t *token)
{
    const char *system = arg_text(token, "system", NULL);
    ask_function(script, args, provider);
    if (system) {
        strbuf_adds(script, "system=$(ask 'SELECT system_identifier FROM pg_control_system()') || return 1\n[ "
                            "\"$system\" = ");
        by_hand_quote(script, system);
        strbuf_adds(script, " ] || {\n  echo \"this is another cluster than the one that was looked at: $system\" >&2\n"
                            "  return 1\n}\n");
    }
    strbuf_adds(script,
                "ask \"SELECT concat('it has received ', pg_last_wal_receive_lsn(), ' and replayed ',"
                " pg_last_wal_replay_lsn(), ', the last commit of ', pg_last_xact_replay_timestamp())\" &&\n"
                "  ask \"SELECT CASE WHEN pg_promote(true, 60) THEN 'promoted' ELSE 'not promoted yet' END\"\n");
}

/* postgres.promote: a streaming replica becomes the primary.
 *
 * Three things are not what they look like. pg_promote() that returns false has not failed: it is not done yet. A
 * replica whose primary is dead is behind by nothing of its own account, so it is held against what the primary was
 * last seen to have (postgres_lag.h). And a server that is not in recovery may still hang at each commit, where it
 * waits for a replica that is gone, so a write is tried. What is promoted stays so: nothing here may ever make a
 * replica of a primary again. */
#include "actions/action.h"
#include "actions/common.h"
#include "actions/postgres.h"
#include "actions/postgres_lag.h"
#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PRIMARY_LOOK_MS 3000 /* it is probably dead */

/* One row. A position that is only known on one side is empty on the other. When the primary told the replica where its
 * log ends, the replica's own clock says: latest_end_time would be the primary's. */
static const char state_sql[] =
    "SELECT r, (SELECT system_identifier FROM pg_control_system()),"
    " CASE WHEN r THEN greatest((SELECT timeline_id FROM pg_control_checkpoint()),"
    "  (SELECT max(received_tli) FROM pg_stat_get_wal_receiver()))"
    "  ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,"
    " CASE WHEN NOT r THEN pg_current_wal_lsn() END,"
    " CASE WHEN r THEN pg_last_wal_receive_lsn() END, CASE WHEN r THEN pg_last_wal_replay_lsn() END,"
    " CASE WHEN r THEN pg_is_wal_replay_paused() END,"
    " (extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000)::bigint,"
    " (SELECT status FROM pg_stat_get_wal_receiver()),"
    " (SELECT latest_end_lsn FROM pg_stat_get_wal_receiver()),"
    " (SELECT (extract(epoch FROM clock_timestamp() - last_msg_receipt_time) * 1000)::bigint FROM "
    "pg_stat_get_wal_receiver()),"
    " has_function_privilege('pg_promote(boolean, integer)', 'EXECUTE'), session_user"
    " FROM (SELECT pg_is_in_recovery() AS r) AS role";

enum column {
    IS_REPLICA,
    SYSTEM,
    TIMELINE,
    CURRENT_LSN,
    RECEIVED_LSN,
    REPLAYED_LSN,
    IS_PAUSED,
    REPLAY_AGE,
    RECEIVER,
    SENDER_LSN,
    SENDER_AGE,
    MAY_PROMOTE,
    USER,
};

struct look {
    bool is_replica, may_promote;
    char system[24];
    char user[POSTGRES_TEXT_SIZE], receiver[POSTGRES_TEXT_SIZE], replayed[POSTGRES_TEXT_SIZE],
        received[POSTGRES_TEXT_SIZE];
    long long timeline;
    uint64_t lsn; /* of a primary: where its log ends */
    struct replica replica;
    struct sighting sender; /* what the primary told the replica; at 0: nothing */
};

/* ---- looking ----------------------------------------------------------------------------------------------------- */

static uint64_t lsn_of(const char *text)
{
    uint64_t lsn = 0;
    return lsn_parse(text, &lsn) == ERR_OK ? lsn : 0;
}

/* A clock that was put back makes it negative. */
static int64_t age_of(const char *text)
{
    const int64_t age_ms = strtoll(text, NULL, 10);
    return age_ms > 0 ? age_ms : 0;
}

static void look_read(const struct action_call *call, const struct postgres_row *row, struct look *ret)
{
    const char(*values)[POSTGRES_TEXT_SIZE] = row->values;
    *ret = (struct look){.is_replica = values[IS_REPLICA][0] == 't',
                         .may_promote = values[MAY_PROMOTE][0] == 't',
                         .timeline = strtoll(values[TIMELINE], NULL, 10),
                         .lsn = lsn_of(values[CURRENT_LSN]),
                         .replica = {.received = lsn_of(values[RECEIVED_LSN]),
                                     .replayed = lsn_of(values[REPLAYED_LSN]),
                                     .is_paused = values[IS_PAUSED][0] == 't',
                                     .is_streaming = strcmp(values[RECEIVER], "streaming") == 0,
                                     .replay_age = values[REPLAY_AGE][0] ? strtoll(values[REPLAY_AGE], NULL, 10) : -1},
                         .sender = {.lsn = lsn_of(values[SENDER_LSN])}};
    if (ret->sender.lsn > 0 && values[SENDER_AGE][0])
        ret->sender.at = clock_steady_ms() - age_of(values[SENDER_AGE]);
    words_of(call, values[SYSTEM], strlen(values[SYSTEM]), ret->system, sizeof(ret->system));
    words_of(call, values[USER], strlen(values[USER]), ret->user, sizeof(ret->user));
    words_of(call, values[RECEIVER], strlen(values[RECEIVER]), ret->receiver, sizeof(ret->receiver));
    words_of(call, values[REPLAYED_LSN], strlen(values[REPLAYED_LSN]), ret->replayed, sizeof(ret->replayed));
    words_of(call, values[RECEIVED_LSN], strlen(values[RECEIVED_LSN]), ret->received, sizeof(ret->received));
}

static struct postgres_server server_of(const struct action_call *call, const char *key)
{
    const bool is_primary = strcmp(key, "primary") == 0;
    return (struct postgres_server){.host = arg_text(call->args, key, ""),
                                    .port = arg_int(call->args, is_primary ? "primary_port" : "port", 5432),
                                    .name = arg_text(call->args, is_primary ? "primary_name" : "server_name", NULL)};
}

/* Looks by the session, and says why it cannot. */
static bool look_at(struct action_call *call, struct postgres *session, struct look *look, struct action_result *ret)
{
    struct postgres_row row = {0};
    char sqlstate[6];
    if (!postgres_ask(session, state_sql, "SELECT role, timeline, positions", false, &row, sqlstate, ret))
        return false;
    look_read(call, &row, look);
    return true;
}

/* The primary of the arguments, where it is alive: else what is known of it has to do. */
static bool primary_look(struct action_call *call, struct look *primary, struct errmsg *why)
{
    struct action_result result = {.outcome = OUTCOME_TEMPORARY};
    const struct postgres_server server = server_of(call, "primary");
    const int64_t share_ms = call_left_ms(call) / 3;
    const int64_t room_ms = share_ms < PRIMARY_LOOK_MS ? share_ms : PRIMARY_LOOK_MS;
    struct postgres *session = postgres_open(call, &server, clock_steady_ms() + room_ms, &result);
    bool is_there = session && look_at(call, session, primary, &result);
    if (is_there && primary->is_replica) {
        is_there = false;
        (void)err_set(&result.text, ERR_OK, "PostgreSQL at %s is a replica itself", postgres_server_text(session));
    }
    postgres_close(session);
    *why = result.text;
    return is_there;
}

/* ---- lag --------------------------------------------------------------------------------------------------------- */

static void pair_name(const struct action_call *call, const char *system, char *ret, size_t room)
{
    snprintf(ret, room, "%s %.100s:%lld %.100s:%lld", system, arg_text(call->args, "primary", ""),
             (long long)arg_int(call->args, "primary_port", 5432), arg_text(call->args, "host", ""),
             (long long)arg_int(call->args, "port", 5432));
}

/* Held against the last sighting; *ret_words says it all. */
static struct lag lag_of(const struct action_call *call, const struct look *look, const char *primary_text,
                         struct strbuf *words)
{
    char pair[320], size[SIZE_TEXT_SIZE], missing[SIZE_TEXT_SIZE], age[SIZE_TEXT_SIZE];
    struct sighting seen;
    pair_name(call, look->system, pair, sizeof(pair));
    if (look->sender.at > 0)
        sighting_keep(call->provider->state, pair, look->sender);
    const bool is_known = sighting_find(call->provider->state, pair, &seen);
    const struct lag lag =
        lag_judge(&look->replica, is_known ? &seen : NULL, (uint64_t)arg_int(call->args, "max_lag", 0),
                  arg_int(call->args, "max_lag_time", 0));
    if (!is_known) {
        strbuf_addf(words, "how far it is behind is not known, since no primary was seen since the daemon started%s%s",
                    primary_text[0] ? ": " : "", primary_text);
        return lag;
    }
    strbuf_addf(words, "%s behind what its primary had %s ago", size_format(lag.bytes, size),
                age_format(clock_steady_ms() - seen.at, age));
    if (lag.missing > 0)
        strbuf_addf(words, ", %s of it never received", size_format(lag.missing, missing));
    else if (lag.bytes > 0)
        strbuf_adds(words, ", all of it received");
    if (lag.ms > 0)
        strbuf_addf(words, "; the last commit replayed is %s old", age_format(lag.ms, age));
    if (look->replica.is_paused)
        strbuf_adds(words, "; its replay is paused");
    return lag;
}

static json_t *state_of(const struct look *look, const struct lag *lag)
{
    json_t *state = json_pack("{s:s, s:I}", "role", look->is_replica ? "replica" : "primary", "timeline",
                              (json_int_t)look->timeline);
    if (!state || !look->is_replica)
        return state;
    json_object_set_new(state, "received", json_string(look->received));
    json_object_set_new(state, "replayed", json_string(look->replayed));
    json_object_set_new(state, "receiver", json_string(look->receiver[0] ? look->receiver : "none"));
    if (lag->verdict != LAG_UNKNOWN) {
        json_object_set_new(state, "lag_bytes", json_integer((json_int_t)lag->bytes));
        json_object_set_new(state, "missing_bytes", json_integer((json_int_t)lag->missing));
        if (lag->ms >= 0)
            json_object_set_new(state, "lag_ms", json_integer(lag->ms));
    }
    return state;
}

/* The guard `rpo`. It has spoken already where this run has asked for the promotion: a refusal now would leave a server
 * half way, and take nothing back. */
static bool lag_is_accepted(const struct action_call *call)
{
    return call->is_lag_accepted || call->after_unknown_apply || call->applied ||
           json_is_true(json_object_get(call->observed, "is_asked"));
}

static bool guard_rpo(const struct action_call *call, const struct lag *lag, const char *words,
                      struct action_result *ret)
{
    char size[SIZE_TEXT_SIZE];
    if (lag->verdict == LAG_WITHIN || lag_is_accepted(call))
        return true;
    size_format((uint64_t)arg_int(call->args, "max_lag", 0), size);
    if (lag->verdict == LAG_CLOSING)
        result_set(ret, OUTCOME_TEMPORARY, "the replica is still catching up to max_lag %s: %s", size, words);
    else if (lag->verdict == LAG_BEYOND)
        result_set(ret, OUTCOME_PERMANENT, "rpo: a promotion may lose more than max_lag allows (%s): %s", size, words);
    else
        result_set(ret, OUTCOME_PERMANENT, "rpo: %s", words);
    return false;
}

/* ---- observe ----------------------------------------------------------------------------------------------------- */

static void observe_primary(const struct action_call *call, const struct look *look, const char *server, bool has_other,
                            struct action_result *ret)
{
    ret->is_right = true;
    ret->current = state_of(look, NULL);
    ret->desired = json_pack("{s:s}", "role", "primary");
    if (has_other)
        result_set(ret, OUTCOME_OK, "PostgreSQL at %s is primary, timeline %lld, AND SO IS %s: there are two writers",
                   server, look->timeline, arg_text(call->args, "primary", ""));
    else
        result_set(ret, OUTCOME_OK, "PostgreSQL at %s is primary, timeline %lld", server, look->timeline);
}

static void observe_replica(struct action_call *call, const struct look *look, const char *server,
                            const char *primary_text, struct action_result *ret)
{
    struct strbuf words = STRBUF_INIT;
    const struct lag lag = lag_of(call, look, primary_text, &words);
    ret->current = state_of(look, &lag);
    ret->desired = json_pack("{s:s}", "role", "primary");
    ret->token = json_pack("{s:s, s:I, s:b}", "system", look->system, "timeline", (json_int_t)look->timeline,
                           "is_asked", call->after_unknown_apply || call->applied);
    if (!look->may_promote)
        result_set(ret, OUTCOME_PERMANENT,
                   "PostgreSQL at %s does not let %s promote it: grant that role EXECUTE on "
                   "pg_promote(boolean, integer)",
                   server, look->user);
    else if (guard_rpo(call, &lag, strbuf_text(&words), ret))
        result_set(ret, OUTCOME_OK, "PostgreSQL at %s is a replica, timeline %lld, receiver %s: %s", server,
                   look->timeline, look->receiver[0] ? look->receiver : "none", strbuf_text(&words));
    strbuf_done(&words);
}

/* The primary first, so that a replica that follows it closely is behind by nothing. */
static void promote_observe(struct action_call *call, struct action_result *ret)
{
    struct look primary = {.lsn = 0}, look;
    struct errmsg why = {""};
    const struct postgres_server server = server_of(call, "host");
    const bool has_primary = arg_text(call->args, "primary", NULL) && primary_look(call, &primary, &why);
    if (has_primary) { /* kept even where the replica cannot be asked now */
        char pair[320];
        pair_name(call, primary.system, pair, sizeof(pair));
        sighting_keep(call->provider->state, pair, (struct sighting){.lsn = primary.lsn, .at = clock_steady_ms()});
    }
    if (call_is_cancelled(call)) {
        result_set(ret, OUTCOME_CANCELLED, "cancelled while asking PostgreSQL");
        return;
    }
    struct postgres *session = postgres_open(call, &server, call->deadline_at, ret);
    if (!session)
        return;
    if (look_at(call, session, &look, ret)) {
        const char *text = postgres_server_text(session);
        const bool is_related = has_primary && strcmp(primary.system, look.system) == 0;
        if (has_primary && !is_related)
            result_set(ret, OUTCOME_PERMANENT,
                       "PostgreSQL at %s is no replica of %s: the one is of cluster %s, the other of %s", text,
                       arg_text(call->args, "primary", ""), look.system, primary.system);
        else if (!look.is_replica)
            observe_primary(call, &look, text, has_primary, ret);
        else
            observe_replica(call, &look, text, why.text, ret);
    }
    postgres_close(session);
}

/* ---- apply ------------------------------------------------------------------------------------------------------- */

static void promote(struct action_call *call, struct postgres *session, struct action_result *ret)
{
    struct postgres_row row = {0};
    char sql[100], what[100], sqlstate[6];
    const char *server = postgres_server_text(session);
    const int64_t left_s = (call_left_ms(call) - 1000) / 1000; /* so that its answer is heard */
    snprintf(sql, sizeof(sql), "SELECT pg_promote(true, %lld)", (long long)(left_s < 1 ? 1 : left_s));
    snprintf(what, sizeof(what), "%s", sql);
    if (postgres_ask(session, sql, what, true, &row, sqlstate, ret)) {
        const bool is_done = row.values[0][0] == 't';
        result_set(ret, OUTCOME_OK,
                   is_done ? "PostgreSQL at %s was promoted"
                           : "PostgreSQL at %s was asked to be promoted, and is still at it",
                   server);
    } else if (strcmp(sqlstate, "55000") == 0) { /* recovery is not in progress: somebody was faster */
        result_set(ret, OUTCOME_OK, "PostgreSQL at %s is not in recovery any more", server);
    }
    if (ret->outcome == OUTCOME_OK)
        ret->token = json_pack("{s:I}", "at", (json_int_t)clock_wall_ms());
}

/* Whether the world is the one that the step was judged on. */
static bool is_as_observed(const struct action_call *call, const struct look *look, const char *server,
                           struct action_result *ret)
{
    const char *system = arg_text(call->observed, "system", NULL);
    const int64_t timeline = arg_int(call->observed, "timeline", look->timeline);
    if (system && strcmp(system, look->system) != 0)
        result_set(ret, OUTCOME_TEMPORARY, "nothing was sent: PostgreSQL at %s is of another cluster by now, %s",
                   server, look->system);
    else if (look->is_replica && timeline != look->timeline)
        result_set(ret, OUTCOME_TEMPORARY, "nothing was sent: PostgreSQL at %s is on timeline %lld by now", server,
                   look->timeline);
    else
        return true;
    return false;
}

static void promote_apply(struct action_call *call, struct action_result *ret)
{
    struct look look;
    const struct postgres_server server = server_of(call, "host");
    struct postgres *session = postgres_open(call, &server, call->deadline_at, ret);
    if (!session)
        return;
    const char *text = postgres_server_text(session);
    call->compared_at = clock_steady_ms();
    if (look_at(call, session, &look, ret)) {
        struct strbuf words = STRBUF_INIT;
        const struct lag lag = lag_of(call, &look, "", &words);
        const bool is_it = is_as_observed(call, &look, text, ret);
        if (is_it && !look.is_replica)
            result_set(ret, OUTCOME_OK, "PostgreSQL at %s is primary already: nothing was sent", text);
        else if (is_it && guard_rpo(call, &lag, strbuf_text(&words), ret) && call_lets_write(call, ret))
            promote(call, session, ret);
        strbuf_done(&words);
    }
    postgres_close(session);
}

/* ---- settled ----------------------------------------------------------------------------------------------------- */

/* A message in its log, committed: it needs all that any write needs, and no table holds it afterwards. */
static const char write_sql[] = "SELECT pg_logical_emit_message(true, 'turnout', 'takes a write')";

static void promote_settled(struct action_call *call, struct action_result *ret)
{
    struct look look;
    struct postgres_row row = {0};
    char sqlstate[6];
    const struct postgres_server server = server_of(call, "host");
    struct postgres *session = postgres_open(call, &server, call->deadline_at, ret);
    if (!session)
        return;
    const char *text = postgres_server_text(session);
    if (look_at(call, session, &look, ret)) {
        if (look.is_replica)
            result_set(ret, OUTCOME_NOT_YET, "PostgreSQL at %s still is in recovery", text);
        else if (postgres_ask(session, write_sql, write_sql, false, &row, sqlstate, ret))
            result_set(ret, OUTCOME_OK, "PostgreSQL at %s is primary, timeline %lld, and took a write", text,
                       look.timeline);
        else if (ret->outcome == OUTCOME_TEMPORARY) {
            const struct errmsg why = ret->text;
            result_set(ret, OUTCOME_NOT_YET,
                       "PostgreSQL at %s is primary and takes no write (does it wait for a replica that is gone, "
                       "synchronous_standby_names?): %.250s",
                       text, why.text);
        }
    }
    postgres_close(session);
}

/* ---- the action -------------------------------------------------------------------------------------------------- */

static enum err promote_check_args(const json_t *args, struct errmsg *why)
{
    const char *host = arg_text(args, "host", ""), *primary = arg_text(args, "primary", NULL);
    enum err err = postgres_check_host("host", host, why);
    if (err != ERR_OK || !primary)
        return err;
    err = postgres_check_host("primary", primary, why);
    if (err == ERR_OK && strcmp(host, primary) == 0 && arg_int(args, "port", 0) == arg_int(args, "primary_port", 0))
        return err_set(why, ERR_INVALID, "host and primary are the same server, %.100s", host);
    return err;
}

static const struct row promote_rows[] = {
    {.name = "host",
     .type = ROW_STRING,
     .is_required = true,
     .is_identity = true,
     .min = 1,
     .max = 100,
     .help = "address of the replica, or the folder of its socket; a name is not looked up"},
    {.name = "port",
     .type = ROW_INT,
     .is_identity = true,
     .default_text = "5432",
     .min = 1,
     .max = 65535,
     .help = "port of the replica"},
    {.name = "server_name",
     .type = ROW_NAME,
     .help = "what the replica's certificate is for, with sslmode verify-full; default: its address"},
    {.name = "primary",
     .type = ROW_STRING,
     .min = 1,
     .max = 100,
     .help = "address of its primary: each look at it while it lives says what the replica has to have; default: what "
             "the primary tells the replica"},
    {.name = "primary_port",
     .type = ROW_INT,
     .default_text = "5432",
     .min = 1,
     .max = 65535,
     .help = "port of the primary"},
    {.name = "primary_name", .type = ROW_NAME, .help = "what the primary's certificate is for, likewise"},
    {.name = "max_lag",
     .type = ROW_SIZE,
     .default_text = "16MiB",
     .min = 1,
     .max = INT64_C(1) << 50,
     .help = "so much of the log may the replica be behind what its primary was last seen to have; beyond it, or where "
             "no primary was seen since the daemon started, the guard rpo refuses"},
    {.name = "max_lag_time",
     .type = ROW_DURATION,
     .min = 1000,
     .max = INT64_C(366) * 24 * 3600 * 1000,
     .help = "so old may the last commit be that it has replayed, where it is behind at all; default: not asked"},
    {.name = NULL},
};

const struct action action_postgres_promote = {
    .name = "postgres.promote",
    .help = "makes a PostgreSQL replica the primary; there is no way back",
    .provider_kind = "postgres",
    .rows = promote_rows,
    .default_timeout_ms = 60000,
    .check_args = promote_check_args,
    .is_promotion = true,
    .observe = promote_observe,
    .apply = promote_apply,
    .settled = promote_settled,
    .write_script = postgres_write_script,
    .write_look = postgres_write_look,
};

/* The subcommands of `turnout`: one function each, a row each in main.c. Exit: 0 done, 1 failed, 2 usage, 3 refused. */
#ifndef TURNOUT_SERVER_CLI_H
#define TURNOUT_SERVER_CLI_H

#include "config/config.h"
#include "http/http.h"

#include <jansson.h>
#include <stdbool.h>

#define EXIT_DONE 0
#define EXIT_FAILED 1
#define EXIT_USAGE 2
#define EXIT_REFUSED 3

#define MAX_WORDS 4
#define MAX_OVERRIDES 4

struct options {
    const char *config, *database, *url, *token, *to, *from, *reason; /* NULL: not given */
    const char *ca, *certificate, *key, *query;
    const char *site, *says, *since, *plan, *step, *kind;
    const char *to_dir;
    const char *overrides[MAX_OVERRIDES];
    int n_overrides;
    bool is_json, is_unmatched, is_open, is_planned, is_replacing, is_standalone, is_yes;
    const char *words[MAX_WORDS]; /* what is not an option, after the subcommand */
    int n_words;
};

/* serve.c */
int command_serve(const struct options *options);
/* cli.c: without a daemon */
struct http_tls http_tls_of(const struct tls_files *files);
int command_check(const struct options *options);
/* doctor/doctor.c: with a daemon where one answers; exit 1 where something would stop a failover */
int command_doctor(const struct options *options);
int command_actions(const struct options *options);
int command_sources(const struct options *options);
int command_audit(const struct options *options); /* tail, export, verify: of --database, or of a daemon */
/* try.c: the same; exit 3 where a delivery speaks of no service */
int command_try(const struct options *options);
/* simulate.c: the same; exit 1 where something that a scenario expects does not hold */
int command_simulate(const struct options *options);
/* replay.c: with a daemon's record; exit 3 where what was decided and what is decided now part */
int command_replay(const struct options *options);
/* client*.c: of a running daemon, over its API */
int command_status(const struct options *options);
int command_runs(const struct options *options);
int command_deliveries(const struct options *options);
int command_incidents(const struct options *options);
int command_why(const struct options *options);
int command_report(const struct options *options);
int command_export(const struct options *options);
int command_shadow(const struct options *options); /* report */
int command_plan(const struct options *options);
int command_failover(const struct options *options);
int command_failback(const struct options *options);
int command_adopt(const struct options *options);
int command_pause(const struct options *options);
int command_resume(const struct options *options);
int command_vote(const struct options *options);
int command_approve(const struct options *options);
int command_reject(const struct options *options);
int command_retry(const struct options *options);
int command_skip(const struct options *options);
int command_done(const struct options *options);
int command_undo(const struct options *options);
int command_drill(const struct options *options);
int command_cancel(const struct options *options);
int command_health(const struct options *options);
int client_audit(const struct options *options);
void print_audit_item(const json_t *item); /* of a page: {"seq", "entry"} */

#endif

/* What the files of the client share. Only client*.c include it. */
#ifndef TURNOUT_SERVER_CLIENT_CLIENT_H
#define TURNOUT_SERVER_CLIENT_CLIENT_H

#include "cli.h"

#define MAX_PATH 512 /* of a call, with its query */

/* Performs one call. Returns an exit code; a refusal has been printed. With EXIT_DONE *ret is the answer (a new
 * reference, NULL when it is no JSON), and is_json has printed it already. `ret` NULL: nobody asks for the answer, and
 * a token is not needed. */
int client_call(const struct options *options, const char *method, const char *path, const json_t *body, json_t **ret);
/* GETs and prints one thing, or each of a list's items. */
int client_show(const struct options *options, const char *path, void (*print)(const json_t *thing), bool is_list);

/* A name or id becomes part of a path: only what the API's own names are made of. False: said so. */
bool is_plain(const char *word);
const char *text_of(const json_t *object, const char *key); /* "-" where there is none */
json_int_t number_of(const json_t *object, const char *key);
void print_plan(const json_t *plan);
/* Why nothing is started about an incident, as the end of a sentence; NULL where nothing kept it from that. */
const char *client_why_not(const json_t *incident);

#endif

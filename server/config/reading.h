/* What the parts of server/config share while they read one file. Internal to them.
 *
 * Each part reads on after a mistake, so that all mistakes are found; what it makes then is incomplete, and is freed
 * and not used. Functions that take a node complain by themselves and say by their result only whether to go on. */
#ifndef TURNOUT_SERVER_CONFIG_READING_H
#define TURNOUT_SERVER_CONFIG_READING_H

#include "config/config.h"
#include "config/problems.h"
#include "config/words.h"
#include "config/yaml_tree.h"

#define MAX_OPERATORS 1000

struct reading {
    const char *path;
    char *folder;        /* of the file: "", or with a slash at the end */
    bool may_read_files; /* ${file:...}; not when the bytes are not trusted at all */
    bool may_stand_in;   /* something else may stand in for a secret that is not there */
    struct problems errors, warnings;
    struct config *config;         /* under construction */
    const struct node *root;       /* the whole file */
    json_t *site_defaults;         /* of the top-level sites: object of objects of strings; NULL: none are given */
    const struct node **sources;   /* nodes of config->sources, likewise of config->providers: */
    const struct node **providers; /* nodes of config->providers: where to complain when one cannot be opened */
    bool is_out_of_memory;
};

/* "what is wrong; what would be right". `at` may be NULL: the file as a whole. */
void complain(struct reading *r, const struct node *at, const char *format, ...) PRINTF_LIKE(3, 4);
void complain_memory(struct reading *r);
/* Likewise for what may be meant, but need not: never stops anything. */
void doubt(struct reading *r, const struct node *at, const char *format, ...) PRINTF_LIKE(3, 4);
/* `what` ("source") named `text` is not known; says which is near, or which there are. */
void complain_unknown(struct reading *r, const struct node *at, const char *what, const char *text,
                      const struct names *names);

/* The value of a key; NULL when it is not there. */
const struct node *child(const struct node *map, const char *key);
/* Whether `node`, the value of `key`, is of that kind. Nothing (null) passes for an empty mapping or list. */
bool expect_kind(struct reading *r, const struct node *node, enum node_kind kind, const char *key);
/* Likewise for an element of the list that is the value of `key`; nothing does not pass. */
bool expect_item(struct reading *r, const struct node *node, enum node_kind kind, const char *key);
/* The text of a scalar outside of templates, with $${ turned to ${; NULL after a complaint. The caller frees it. */
char *plain_text(struct reading *r, const struct node *node, const char *key);
/* Whether this text can be a name of ours: up to 63 letters, digits, "_", "." and "-", a letter or digit first. */
bool expect_name(struct reading *r, const struct node *node, const char *what);
/* calloc() that complains; for 0 items too it gives memory. */
void *new_array(struct reading *r, size_t count, size_t size);
char *new_text(struct reading *r, const char *text);
/* The networks of a ROW_NETWORKS row; NULL and none when it was not given. */
struct network *new_networks(struct reading *r, const json_t *list, size_t *ret_n);

enum text_kind {
    TEXT_PLAIN,
    TEXT_ESCAPED,  /* no ${...}, but $${ */
    TEXT_TEMPLATE, /* a ${...} that is neither of the next */
    TEXT_SECRET,   /* ${env:...} or ${file:...} */
};
enum text_kind text_kind_of(const char *text);

/* The value of a secret key, from literal text, ${env:NAME} and ${file:PATH} (config/secret.c). */
void secret_read(struct reading *r, const char *key, const struct node *node, struct secret *ret);
/* Whether a secret can be sent in a header or compared with one: a complaint when it is short or holds spaces. */
void expect_token(struct reading *r, const char *key, const struct node *node, const struct secret *secret,
                  size_t min_len);

/* What every source and provider takes beside the rows of its kind; what every step, and a probe, takes beside those of
 * its action; what the server's own mapping takes about the daemon itself. */
extern const struct row config_source_rows[];
extern const struct row config_provider_rows[];
extern const struct row config_step_rows[];
extern const struct row config_probe_rows[];
extern const struct row config_ourselves_rows[];

/* The parts, in the order in which they are read: later ones look up names in earlier ones. */
void read_server(struct reading *r);
void read_guards(struct reading *r);
void read_operators(struct reading *r);
void read_sources(struct reading *r);
void read_providers(struct reading *r);
void read_services(struct reading *r);
void doubt_own_site(struct reading *r);

/* `values`: of config_ourselves_rows, read with `ourselves_secret` and the config as their owner. */
void read_ourselves(struct reading *r, const struct node *server, const json_t *values);
struct secret *ourselves_secret(void *owner, const char *row);
/* `values`: of config_source_rows; the source's kind and labels are known. */
void read_voter(struct reading *r, const struct node *map, const json_t *values, const struct source *source,
                struct voter_rule *rule);
/* The value of `freeze`, which may be NULL. */
void read_freezes(struct reading *r, const struct node *node, struct freeze **ret, int *ret_n);

/* ---- of one service -----------------------------------------------------------------------------------------------
 */

/* The rows of `trigger` and `failback`. */
void read_trigger(struct reading *r, const struct node *map, struct service *service);
/* Sites and source names are known. */
void read_alerts(struct reading *r, const struct node *alerts, struct service *service);
/* The value of `match` in a rule or heartbeat. */
void read_matches(struct reading *r, const struct node *rule, struct label_match **ret, size_t *ret_n);
/* Sites are known. */
void read_probe(struct reading *r, const struct node *map, struct service *service);
void read_playbook(struct reading *r, const struct node *playbook, struct service *service);
/* A step of a playbook, or (is_measure) one that is only timed when the run is over. */
void read_step(struct reading *r, const struct node *map, const struct service *service, bool is_measure,
               struct step *step);
/* `objective`, `readiness` and `drill`; the playbook is known. */
void read_rehearsal(struct reading *r, const struct node *map, struct service *service);
/* step->args, for a step whose action is known; sites are known too. A probe looks at each site, a step moves between
 * two. False after a complaint. */
bool read_args(struct reading *r, const struct node *map, const struct service *service, struct step *step,
               bool is_probe);
/* step->drill, for a step whose arguments are right: those of its rows that are others in a drill. */
void read_drill_args(struct reading *r, const struct node *drill, const struct service *service, struct step *step);
/* What can only be said of a service as a whole. */
void check_trigger(struct reading *r, const struct node *map, const struct service *service);
/* Of all services, once each is read: places, `after`, `priority`. `map`: the value of `services`. */
void order_services(struct reading *r, const struct node *map);

/* All of the above, from bytes. `path` is for messages and relative names only. */
MUST_CHECK enum err config_load_bytes(const char *path, const char *bytes, size_t len, bool may_read_files,
                                      struct config **ret, struct strbuf *errors, struct strbuf *warnings);

#endif

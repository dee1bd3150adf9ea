/* The configuration as the core and everybody else sees it: resolved, validated, immutable while the daemon runs.
 *
 * Made by server/config; freed by model_free(). Everything is referred to by index, and an index is only good for
 * the model it came from: the store keeps names. All pointers are owned by the model. */
#ifndef TURNOUT_CORE_MODEL_H
#define TURNOUT_CORE_MODEL_H

#include "core/vocabulary.h"

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_SITES 16   /* per service */
#define MAX_SOURCES 64 /* votes are kept per site and source */
#define MAX_SERVICES 10000
#define MAX_STEPS 100 /* per playbook */
#define SITE_NONE (-1)
#define SITE_OF_ALERT_TIME (-2) /* `site: active`: the site that was active at the alert's own time */

struct action;  /* actions/action.h */
struct handler; /* handlers/handler.h */

/* One condition of an alert rule: the label must equal one of `values`, or match the (anchored, POSIX extended)
 * regular expression. */
struct label_match {
    char *label;
    char **values; /* n_values of them, when there is no regex */
    size_t n_values;
    void *regex; /* regex_t *, or NULL */
    char *text;  /* as written, for messages */
};

struct alert_rule {
    int source;
    struct label_match *matches; /* all must hold */
    size_t n_matches;
    int site; /* index in the service, or SITE_OF_ALERT_TIME */
};

struct site {
    char *name;
    json_t *values; /* object of strings: keys of the user's own, top-level `sites:` defaults filled in */
};

struct step {
    char *name;
    const char *action_name;
    const struct action *action;
    bool can_apply;      /* the action has apply: it has an effect */
    bool can_settle;     /* the action has settled */
    int provider;        /* index, or -1 */
    int64_t timeout_ms;  /* of one attempt */
    int64_t deadline_ms; /* of the step as a whole, from its first attempt */
    int retries;         /* of a check that does not find what it expects; -1: until the deadline */
    json_t *args;        /* the action's rows, validated; strings may still hold ${from.…} and ${to.…} */
};

struct service {
    char *name;
    struct site *sites; /* in the order of `prefer`: [0] is home */
    int n_sites;
    struct alert_rule *rules;
    size_t n_rules;
    enum mode mode;
    int votes;
    int trusted_votes; /* so many of them from sources with more than TRUST_OPEN */
    int64_t hold_ms;
    int64_t cool_down_ms;
    struct step *steps;
    int n_steps;
};

struct model {
    struct service *services;
    int n_services;
    char **source_names; /* index: source */
    enum trust *source_trust;
    int n_sources;
    char **provider_names;
    int n_providers;
};

int model_service_find(const struct model *model, const char *name);    /* -1 when there is none */
int model_source_find(const struct model *model, const char *name);     /* -1 */
int service_site_find(const struct service *service, const char *name); /* SITE_NONE */
void model_done(struct model *model);

#endif

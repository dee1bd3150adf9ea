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
#define MAX_SOURCES 64 /* configured ones */
#define MAX_VOTES 128  /* pairs of a site and a voter that can speak of it, per service */
#define MAX_PROVIDERS 64
#define MAX_SERVICES 10000
#define MAX_STEPS 100 /* per playbook */
#define MAX_GROUP 16  /* steps that go at the same time */
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
    int place;      /* index in the model: the same name is the same place in every service */
    json_t *values; /* object of strings: keys of the user's own, top-level `sites:` defaults filled in */
};

struct step {
    char *name;
    const char *action_name;
    const struct action *action;
    bool can_observe;    /* the action can look, with these arguments */
    bool can_apply;      /* the action has apply: it has an effect */
    bool can_settle;     /* the action has settled */
    int provider;        /* index, or -1 */
    int64_t timeout_ms;  /* of one attempt */
    int64_t deadline_ms; /* of the step as a whole, from its first attempt */
    int retries;         /* of a check that does not find what it expects; -1: until the deadline */
    int64_t backoff_ms;  /* the first pause behind a temporary error; doubled from then on */
    unsigned when;       /* bit 1 << enum occasion: the runs that it is part of; 0: all */
    int group;           /* neighbours with the same number, but 0, go at the same time */
    enum on_failure on_failure;
    bool is_idempotent; /* of one that cannot look: doing it twice is as good as once */
    bool is_point_of_no_return;
    bool is_fence;     /* behind it the site that is left cannot serve or write any more */
    bool is_promotion; /* the action makes a second writer, unless the first is fenced */
    json_t *args;      /* the action's rows, validated; strings may still hold ${from.…} and ${to.…} */
    json_t *drill;     /* the same rows, only those that are others in a canary drill; NULL: it has no stand-in */
};

/* ---- when and how a service is moved ----------------------------------------------------------------------------- */

/* A site whose quorum breaks `changes` times within `within_ms` flaps: each break more doubles its hold, up to
 * `limit_ms`. */
struct flap_rule {
    int changes; /* 0: no damping */
    int64_t within_ms, limit_ms;
};

struct approval_rule {
    int64_t deadline_ms; /* 0: it waits for ever */
    bool is_yes;         /* what the deadline answers */
    int64_t remind_ms;   /* 0: never */
};

/* Our own continuous check of each site: an action's observe, with `to` the site looked at. */
struct probe_rule {
    struct step *check; /* NULL: there is none; owned */
    int64_t every_ms;
    int fall, rise;   /* so many answers in a row make it down, or up */
    bool is_required; /* no quorum without its down vote */
};

/* Nothing starts by itself within it. Once, from `from` to `until` (wall), or each week (is_weekly): on the days with
 * their bit (1 << 0 is Monday), from minute to minute of the day in UTC, past midnight where the second is not later.
 */
struct freeze {
    bool is_weekly;
    int64_t from, until;
    unsigned days;
    int from_minute, until_minute;
    char *reason; /* "" when none was given */
};

/* What the service is to hold when it fails over. */
struct objective {
    int64_t rto_ms; /* from the first alert until users are served again; 0: none is given */
    /* Checks of what users see through the new path: polled when the steps are done, timed, never in the way. */
    struct step *measures;
    int n_measures;
};

struct drill_rule {
    enum drill_kind kind;
    int64_t every_ms; /* 0: only when somebody asks */
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
    int64_t settle_ms; /* the longest TTL that its steps replace: for so long after a run old answers are in use */
    struct flap_rule flap;
    struct approval_rule approval; /* of failovers and failbacks */
    struct probe_rule probe;
    enum mode failback_mode;
    int64_t failback_after_ms; /* home has to be well for so long */
    struct freeze *freezes;
    int n_freezes;
    int priority; /* the lowest goes first */
    int *after;   /* indices of services that go first when they are at the same site */
    int n_after;
    struct step *steps;
    int n_steps;
    struct objective objective;
    int64_t ready_every_ms; /* how often it is looked at whether it could be moved; 0: never */
    struct drill_rule drill;
};

/* How a voter's word counts. */
struct voter_rule {
    int weight;             /* votes that its one vote is worth; 0 is 1 */
    int64_t expires_ms;     /* a vote that is not repeated for so long is unknown; 0: never */
    int64_t stale_after_ms; /* so long without any delivery, and none of its votes counts; 0: never */
    /* Its heartbeat: an alert that fires for as long as all is well with the source itself. While that is fresh, the
     * source says up of each site that it can speak of and says nothing bad of. */
    struct label_match *heartbeat;
    size_t n_heartbeat; /* 0: it has none */
};

/* Places that are down at once. More than `places` within `within_ms`, and nothing starts by itself. */
struct flood_rule {
    int places; /* 0: no guard */
    int64_t within_ms;
};

struct model {
    struct service *services;
    int n_services;
    int *by_priority;    /* all services, in the order in which they go; NULL: as they are */
    char **source_names; /* index: source */
    enum trust *source_trust;
    struct voter_rule *voter_rules; /* index: source; NULL: the defaults */
    int64_t probe_expires_ms;       /* of what our own probes say; 0: never. See model_probe_patience() */
    int n_sources;
    char **place_names;
    int n_places;
    struct freeze *freezes; /* of all services */
    int n_freezes;
    struct flood_rule flood;
    char **provider_names;
    int *provider_max_parallel; /* runs at a time; 0, or NULL as a whole: no bound */
    int n_providers;
};

int model_service_find(const struct model *model, const char *name);    /* -1 when there is none */
int model_source_find(const struct model *model, const char *name);     /* -1 */
int service_site_find(const struct service *service, const char *name); /* SITE_NONE */
bool step_is_part_of(const struct step *step, enum occasion occasion);  /* by its `when` */

/* ---- voters: the sources, and behind them two of our own ----------------------------------------------------------
 */

#define MAX_VOTERS (MAX_SOURCES + 2)
#define VOTER_OPERATOR_NAME "operator" /* what people say */
#define VOTER_PROBE_NAME "probe"       /* our own check */

int model_n_voters(const struct model *model);
int model_voter_operator(const struct model *model);
int model_voter_probe(const struct model *model);
int model_voter_find(const struct model *model, const char *name); /* -1 */
const char *model_voter_name(const struct model *model, int voter);
enum trust model_voter_trust(const struct model *model, int voter);
/* Never NULL; with weight > 0. */
struct voter_rule model_voter_rule(const struct model *model, int voter);
/* Whether a rule of the service lets the voter speak of the site by name (`site: active` aside), or it is ours. */
bool service_has_voter(const struct service *service, const struct model *model, int site, int voter);
/* How long what a probe said counts when no word follows: several times what a prober needs that works. */
int64_t model_probe_patience(const struct model *model);
void model_done(struct model *model);

#endif

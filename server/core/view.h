/* What is known of one service: the decision's memory. It changes only through view_apply(), with things that
 * decide() gave, and in view_hear(). Everything in it can be rebuilt from stored rows, but where it says otherwise.
 * Do not add what no row can rebuild. Times are steady. */
#ifndef TURNOUT_CORE_VIEW_H
#define TURNOUT_CORE_VIEW_H

#include "base/id.h"
#include "core/model.h"

struct outlook; /* core/outlook.h */
struct thing;   /* core/decide.h */

/* What one voter (core/model.h) says of one site. */
struct vote_view {
    int site, voter;
    int down, up;     /* its alerts that fire, and those that say that all is well */
    int64_t heard_at; /* when one of them last said so */
    enum vote vote;   /* as the decision last took it: down while one fires, up while one says so or its heartbeat is
                         fresh, and unknown when it has expired or its source is stale */
};

struct site_view {
    int64_t hold_due_at; /* 0: no hold timer */
    int n_breaks;        /* quorums that broke while counted for flapping */
    int64_t flap_until;  /* when they are forgotten; 0: there are none */
    bool has_incident;   /* from the first down vote until there is none */
    bool is_standing;    /* of the incident: the quorum has held for `hold` and still stands, and the site has not
                            become active, nor another one, since */
    int n_debts;         /* steps of earlier runs that are still owed there: nothing moves to it */
    int last_reason;     /* enum reason last recorded for not acting; REASON_NONE */
};

struct service_view {
    enum active_kind active;
    int active_site; /* the site; while moving, the one the run leaves (SITE_NONE: not known); else SITE_NONE */
    struct site_view sites[MAX_SITES];
    struct vote_view votes[MAX_VOTES]; /* pairs that were heard of; an entry stays where it is */
    int n_votes;
    bool is_paused;
    int64_t cool_down_until; /* 0: none */
    int64_t settle_until;    /* after a run: what speaks of the active site is not listened to; 0: none */
    int64_t approval_due_at; /* of the run that waits; 0: no deadline */
    int64_t remind_at;       /* 0: no */
    int64_t failback_due_at; /* since home is well: when that is long enough; 0: it is not, or nobody asks */
    int failback_reason; /* enum reason last recorded for not failing back when it was due; REASON_NONE. No row holds
                            it: after a restart it is said once more */
    bool has_run;        /* a run that is not final: waiting, running or at attention */
    enum run_state run_state;
    enum direction run_direction;
    enum occasion run_occasion;
    int run_from, run_to;   /* run_from may be SITE_NONE */
    bool run_is_ours;       /* started by the decision, not by a person (a person's yes to it does not change that) */
    bool run_has_effect;    /* or may have one from now on: THING_RUN_GOES sets it */
    bool run_is_cancelling; /* the decision has cancelled it, and its last state is still to come */
    uint64_t run_overrides; /* bit 1 << enum reason: guards that a person has overridden for it */
};

void service_view_init(struct service_view *view); /* unknown, nothing fires */

/* ---- votes ------------------------------------------------------------------------------------------------------- */

const struct vote_view *view_vote_find(const struct service_view *view, int site, int voter); /* NULL: never heard of */
/* The same to be written to, made where it is missing. NULL: MAX_VOTES are there; the configuration allows no more
 * pairs than that, but the store may hold ones that it has lost. */
struct vote_view *view_vote_get(struct service_view *view, int site, int voter);
/* A repeat of what is known already. True: it is not only a repeat, since the vote had expired: give decide() an
 * EVENT_HEARD as well. */
bool view_hear(struct service_view *view, int site, int voter, int64_t now);
/* How long a word of the voter on the service's sites counts without being repeated; 0: for ever. Our own check repeats
 * itself: three rounds without an answer, and it has nothing to say. */
int64_t view_expires_ms(const struct service *service, const struct model *model, int voter);
/* Down votes by weight; those of voters with more than TRUST_OPEN. */
int view_votes(const struct model *model, const struct service_view *view, int site);
int view_trusted_votes(const struct model *model, const struct service_view *view, int site);
/* Enough down votes, enough trusted ones among them, and the probe's where it is required. */
bool view_has_quorum(const struct service *service, const struct model *model, const struct service_view *view,
                     int site);

/* How long the votes on the site have to hold as things are: `hold`, and doubled for each break once it flaps. */
int64_t hold_ms_after(const struct service *service, int breaks);
int64_t view_hold_ms(const struct service *service, const struct service_view *view, int site);
/* A person, or the deadline in their place, has said no to leaving the site: until its incident has fallen. */
bool view_is_refused(const struct service_view *view, int site);

/* ---- what changes it --------------------------------------------------------------------------------------------- */

/* Applying the things of decide() in order is the only way the view changes while running, view_hear() aside. */
void view_apply(struct service_view *view, const struct thing *thing);
/* When something of it is due next, a vote's expiry, a source's becoming stale and the end of a freeze that refused
 * among them: give decide() an EVENT_LOOK then. A repeat only moves it on: what was asked for before it may come too
 * early, never too late. INT64_MAX: nothing is. */
int64_t view_due_at(const struct service *service, const struct model *model, const struct service_view *view,
                    const struct outlook *outlook);

#endif

/* What the services have in common, as each decision sees it: places that are down, sources that are silent or say
 * that everything is down, what providers are busy with, and the daemon itself. Pure; one per orchestrator, scenario
 * or test. The things that come from outside (`is_cut_off`, `is_killed`, what sources were heard) are set by who owns
 * it; the rest follows from the services' views by outlook_take(). Times are steady. */
#ifndef TURNOUT_CORE_OUTLOOK_H
#define TURNOUT_CORE_OUTLOOK_H

#include "core/view.h"

struct source_outlook {
    int64_t heard_at; /* its last accepted delivery; at first the daemon's start: silence before that proves nothing */
    int64_t beat_at;  /* its heartbeat was last said to fire; 0: it is not known to */
};

struct outlook_place; /* outlook.c */
struct outlook_share;

struct outlook {
    const struct model *model;
    int64_t wall;    /* for `freeze` */
    int64_t wall_at; /* steady: when it was `wall`; 0: not told, and the end of a freeze is nothing to wait for */
    bool is_cut_off; /* by our own checks, the network is gone here */
    bool is_unsure;  /* whether it is, is not known yet: nothing starts, and no run has its first effect; but a restart
                        takes nothing back */
    bool is_killed;  /* the kill switch file exists */
    struct source_outlook sources[MAX_SOURCES];
    const struct service_view *const *views; /* by service: for dependencies */
    int64_t generation; /* raised whenever what a guard says may be another than before, and when a source is heard
                           again or a heartbeat begins or ends: look at all services. Who changes `is_cut_off`,
                           `is_unsure` or `is_killed` raises it */
    /* made by outlook_take() */
    struct outlook_place *places; /* by place */
    struct outlook_share *shares; /* by service: what it has added */
    struct {
        int can, down; /* places that it can speak of, and those of them of which it says down */
    } voters[MAX_VOTERS];
    int provider_runs[MAX_PROVIDERS]; /* that are under way: neither waiting nor at attention */
};

/* NULL: out of memory. Borrows both; `views` has one pointer per service of the model. */
struct outlook *outlook_new(const struct model *model, const struct service_view *const *views);
void outlook_free(struct outlook *outlook); /* accepts NULL */

/* After a service's view has changed: what it adds to the whole is what its view says now. */
void outlook_take(struct outlook *outlook, int service, int64_t now);

/* A delivery of the source was accepted; `is_beat`: with its heartbeat in it, firing. A heartbeat that is resolved:
 * outlook_beat_ends(). */
void outlook_hear(struct outlook *outlook, int source, bool is_beat, int64_t now);
void outlook_beat_ends(struct outlook *outlook, int source);
bool outlook_is_stale(const struct outlook *outlook, int source, int64_t now);      /* of a voter of ours: never */
bool outlook_has_heartbeat(const struct outlook *outlook, int source, int64_t now); /* fires, and is fresh */

/* As many runs are under way against it as its `max_parallel` allows. */
bool outlook_is_provider_busy(const struct outlook *outlook, int provider);

/* The voter says down of every place that it can speak of, and these are two at least: then it, or the daemon's view
 * of it, is suspect rather than they. Voters of our own are so as well. */
bool outlook_is_suspect(const struct outlook *outlook, int voter);
/* Places where a quorum says down of some service, now or within the flood rule's time. */
int outlook_n_places_down(const struct outlook *outlook, int64_t now);
bool outlook_is_place_down(const struct outlook *outlook, int place, int64_t now);
/* Those of them that went down at once with `place`, within the flood rule's time before or after it, and `place`
 * itself: a place that has been down for hours does not make the next one a flood. What begins again within that time
 * has never ended. When it began is not always known after a restart: what may have been at once, was. */
int outlook_n_places_at_once(const struct outlook *outlook, int place, int64_t now);
/* The place, where there is a quorum, went down between these times: known from before a restart. */
void outlook_was_down(struct outlook *outlook, int place, int64_t from, int64_t until);
bool outlook_is_at_once(const struct outlook *outlook, int other, int place, int64_t now);
/* When the flood rule will next forget one of them: look at all services then. Later than `now`; INT64_MAX: never. */
int64_t outlook_due_at(const struct outlook *outlook, int64_t now);

/* The freeze that holds for the service at the outlook's wall time; NULL: none. *ret_until (may be NULL): its end. */
const struct freeze *freeze_find(const struct service *service, const struct model *model, int64_t wall,
                                 int64_t *ret_until);

#endif

/* Phrases of the core's sentences; for the core's own files. By value, so that `votes_phrase(…).text` can be an
 * argument. Sentences are read at 3 a.m.: say who says what, how many are needed, and what follows or why nothing does.
 */
#ifndef TURNOUT_CORE_WORDS_H
#define TURNOUT_CORE_WORDS_H

#include "base/err.h"
#include "core/decide.h"

struct phrase {
    char text[200];
};

/* Cut where it is too long. */
struct phrase phrase_of(const char *format, ...) PRINTF_LIKE(1, 2);

/* "30 s", "1 h 30 min", "250 ms"; two units at most. */
struct phrase duration_phrase(int64_t ms);
/* "2 of 2 votes (prometheus, pingdom)", "3 votes where 2 are needed (…)", "no down vote". */
struct phrase votes_phrase(const struct service *service, const struct model *model, const struct service_view *view,
                           int site);
/* "2 of 2 votes (prometheus, pingdom) held for 30 s"; without the hold where none is asked for. */
struct phrase votes_held_phrase(const struct service *service, const struct model *model,
                                const struct service_view *view, int site);
/* "failover from gra to rbx"; `from` may be SITE_NONE: "failover to rbx". */
struct phrase move_phrase(const struct service *service, enum direction direction, int from, int to);
/* How far the run is, as a clause: "the failover from gra to rbx is under way". */
struct phrase run_phrase(const struct service *service, const struct service_view *view);
/* What became of it, behind "the run": "succeeded", "was undone", "is not over". */
const char *run_over_phrase(enum run_state state);
/* Where the service is, as a clause: what keeps votes on other sites, or any votes, from starting something. */
struct phrase place_phrase(const struct service *service, const struct service_view *view);
/* Never NULL; for SITE_NONE, and for a site that the configuration lost, "a site that is not known". */
const char *site_phrase(const struct service *service, int site);

#endif

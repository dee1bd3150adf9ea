/* An incident told as a story: what went on record of it, in order and without its repetitions, each refusal once and
 * with what has to change, and at the end where it stands now and what would change that.
 *
 * Pure. The texts are those of the audit log: whoever tells a thing a second time in other words makes two stories of
 * it. What a tired person has to know beside them stands in why.c, in one place per reason. */
#ifndef TURNOUT_CORE_WHY_H
#define TURNOUT_CORE_WHY_H

#include "core/decide.h"

#include <stddef.h>

struct why_entry { /* of the audit log; borrowed */
    int64_t at;    /* wall */
    const char *kind, *text;
    const char *who;    /* of a person's call, who it was; "" */
    enum reason reason; /* REASON_NONE where it has none */
    bool is_aside;      /* only follows from what else happened at that time, and is told where nothing else did */
};

/* The run that is not over, or the incident's own. */
struct why_run {
    const char *id; /* NULL: there is none */
    enum run_state state;
    enum direction direction;
    const char *to;
};

/* Where an incident stands. Times are wall, 0 for none; pointers borrowed, never NULL but where said. */
struct why_now {
    int64_t now, resolved_at, stood_at;
    const char *service, *site;
    bool is_standing;
    int most_votes;       /* down votes at once, ever */
    enum reason reason;   /* last recorded for not acting */
    const char *would_to; /* in shadow mode where it would have been moved to; "" */
    enum active_kind active;
    const char *active_site; /* of ACTIVE_SITE */
    struct why_run run;
    const struct service *model; /* NULL: the configuration does not have it any more */
    int votes, trusted;          /* that say down now, by weight */
    bool has_probe;              /* the probe's is among them */
    const char *silent;          /* names of voters that say nothing of the site, "a, b"; "" */
    int64_t hold_ms;             /* for so long the votes have to hold now, longer where they flap */
    int64_t hold_at, cool_down_at, approval_at, frozen_until;
};

#define WHY_TEXT 640
/* `at` of the record; is_now: of what stands at the end. `text` is a sentence without its full stop. */
typedef void (*why_say)(void *context, int64_t at, bool is_now, const char *text);

/* `left_out` entries are missing before entries[gap]. */
void why_tell(const struct why_entry *entries, size_t n, size_t gap, int64_t left_out, const struct why_now *now,
              why_say say, void *context);

/* Why nothing is started, as the end of a sentence: "the service is paused". */
const char *why_phrase(enum reason reason);

/* What has to change so that what was refused for `reason` happens; "" when nothing has to, or nobody can. */
struct why_mend {
    char text[256];
};
struct why_mend why_mend(enum reason reason, const char *service);

#endif

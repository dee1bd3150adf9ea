/* The report of an incident and its run, for the morning after: what happened when, how long each part took, what was
 * slow, and how long users were without the service.
 *
 * A pure function of what the API says of both. The complication is the end: users have the service again when a
 * measure saw it, and where there is none the end of the last step has to stand for that, with old DNS answers in use
 * beyond it. No judgement about people may be added. */
#ifndef TURNOUT_CORE_REPORT_H
#define TURNOUT_CORE_REPORT_H

#include "base/strbuf.h"

#include <jansson.h>
#include <stdint.h>

struct report_of {
    const json_t *incident; /* as GET /incidents/UUID gives it; NULL: people began the run without one */
    const json_t *run;      /* as GET /runs/UUID gives it; NULL: there was none */
    int64_t rto_ms;         /* of the objective; 0: none is given */
};

/* A new reference; NULL: out of memory, or there is neither. {"service", "site": SITE|null, "incident": UUID|null,
 *  "run": UUID|null, "kind", "from", "to", "state": of the run, all |null without one, "rto_ms": N|null: as users felt
 *  it, "is_measured": a measure saw its end, "ttl_ms": for how long old answers may be in use beyond it,
 *  "objective_ms": N|null, "is_met": BOOL|null,
 *  "milestones": [{"name", "at", "after_ms"}],
 *  "steps": [{"n", "name", "action", "state", "is_measure", "began_after_ms"|null, "took_ms"|null, "expected_ms"|null,
 *             "attempts", "waits": that found it not ready yet, "errors": that failed for now, "text"}],
 *  "slow": [TEXT], "votes": [{"at", "after_ms", "text"}], "timeline": [the same]} */
json_t *report_json(const struct report_of *of);
/* The same for people. */
void report_markdown(const json_t *report, struct strbuf *ret);

/* "2026-11-28T06:42:32.925Z" as milliseconds since 1970; -1: it is none. */
int64_t report_time(const char *text);

#endif

/* What shadow mode would have done, judged afterwards: which of its failovers would have been right, which false, and
 * with which hold and number of votes none would have been false.
 *
 * Pure. An incident's row holds when it first stood and when it last fell, not what was between: one that flapped
 * counts as one long outage. Do not make up what the row does not know. */
#ifndef TURNOUT_CORE_SHADOW_H
#define TURNOUT_CORE_SHADOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* An incident for which a run would have been started. Times are wall; 0: it has not happened. */
struct shadow_case {
    int64_t stood_at, would_at, fell_at, resolved_at;
    int most_votes;
    bool is_moved; /* a person moved the service because of it */
};

struct shadow_rules {
    int votes; /* of the service, as it is configured now */
    int64_t hold_ms;
    int64_t lasting_ms; /* an outage that goes on for so long after the decision was worth a failover */
    int64_t now;        /* wall */
};

enum shadow_verdict {
    SHADOW_RIGHT, /* a person moved it, or it lasted */
    SHADOW_FALSE, /* it was over before */
    SHADOW_OPEN,  /* it is too early to say */
};
const char *shadow_verdict_text(enum shadow_verdict verdict); /* "right", "false", "open" */
enum shadow_verdict shadow_judge(const struct shadow_case *given, const struct shadow_rules *rules);
/* How long it has stood, from the decision to its end, or until now. */
int64_t shadow_lasted_ms(const struct shadow_case *given, const struct shadow_rules *rules);

/* With these no false one would have been started, and each right one would. */
struct shadow_option {
    int votes;
    int64_t hold_ms;
    int64_t later_ms; /* than it was; with more votes than now: at least, since nobody knows when the last came */
};

#define SHADOW_MAX_OPTIONS 8
struct shadow_report {
    int n_right, n_false, n_open;
    struct shadow_option options[SHADOW_MAX_OPTIONS]; /* each with more votes and a shorter hold than the one before */
    int n_options;                                    /* 0: nothing is false, or nothing tells the two apart */
};
void shadow_report_make(const struct shadow_case *cases, size_t n, const struct shadow_rules *rules,
                        struct shadow_report *ret);

struct shadow_sentence {
    char text[512];
};
struct shadow_sentence shadow_report_text(const struct shadow_report *report, const struct shadow_rules *rules);

#endif

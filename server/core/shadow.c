/* See shadow.h. */
#include "core/shadow.h"

#include "core/words.h"

#include <stdio.h>

#define ROUND_MS 1000 /* a hold is given in whole seconds */

const char *shadow_verdict_text(enum shadow_verdict verdict)
{
    switch (verdict) {
    case SHADOW_RIGHT:
        return "right";
    case SHADOW_FALSE:
        return "false";
    case SHADOW_OPEN:
        break;
    }
    return "open";
}

/* When it ceased to stand; 0: it stands. What is resolved has fallen, also where nobody noted it. */
static int64_t end_of(const struct shadow_case *given)
{
    return given->fell_at >= given->would_at ? given->fell_at : given->resolved_at;
}

int64_t shadow_lasted_ms(const struct shadow_case *given, const struct shadow_rules *rules)
{
    int64_t end = end_of(given);
    int64_t lasted = (end != 0 ? end : rules->now) - given->would_at;
    return lasted > 0 ? lasted : 0; /* the wall clock may have been put back */
}

enum shadow_verdict shadow_judge(const struct shadow_case *given, const struct shadow_rules *rules)
{
    if (given->is_moved || shadow_lasted_ms(given, rules) >= rules->lasting_ms)
        return SHADOW_RIGHT;
    return end_of(given) != 0 ? SHADOW_FALSE : SHADOW_OPEN;
}

/* The longest hold under which it would have stood: for so long its quorum was there. */
static int64_t held_ms(const struct shadow_case *given, const struct shadow_rules *rules)
{
    int64_t before = given->would_at - given->stood_at;
    bool is_known = given->stood_at != 0 && before > 0;
    return rules->hold_ms + (is_known ? before : 0) + shadow_lasted_ms(given, rules);
}

/* The shortest hold that no false one with so many votes reaches. */
static int64_t hold_needed(const struct shadow_case *cases, size_t n, const struct shadow_rules *rules, int votes)
{
    int64_t hold_ms = rules->hold_ms;
    for (size_t i = 0; i < n; i++) {
        if (cases[i].most_votes < votes || shadow_judge(&cases[i], rules) != SHADOW_FALSE)
            continue;
        int64_t above = (held_ms(&cases[i], rules) / ROUND_MS + 1) * ROUND_MS;
        if (above > hold_ms)
            hold_ms = above;
    }
    return hold_ms;
}

static bool loses_none(const struct shadow_case *cases, size_t n, const struct shadow_rules *rules, int votes,
                       int64_t hold_ms)
{
    for (size_t i = 0; i < n; i++) {
        if (shadow_judge(&cases[i], rules) == SHADOW_RIGHT &&
            (cases[i].most_votes < votes || held_ms(&cases[i], rules) < hold_ms))
            return false;
    }
    return true;
}

static int most_votes(const struct shadow_case *cases, size_t n)
{
    int most = 0;
    for (size_t i = 0; i < n; i++) {
        if (cases[i].most_votes > most)
            most = cases[i].most_votes;
    }
    return most;
}

static void find_options(const struct shadow_case *cases, size_t n, const struct shadow_rules *rules,
                         struct shadow_report *report)
{
    int most = most_votes(cases, n);
    for (int votes = rules->votes; votes <= most && report->n_options < SHADOW_MAX_OPTIONS; votes++) {
        int64_t hold_ms = hold_needed(cases, n, rules, votes);
        bool is_shorter = report->n_options == 0 || hold_ms < report->options[report->n_options - 1].hold_ms;
        if (is_shorter && loses_none(cases, n, rules, votes, hold_ms))
            report->options[report->n_options++] =
                (struct shadow_option){.votes = votes, .hold_ms = hold_ms, .later_ms = hold_ms - rules->hold_ms};
    }
}

void shadow_report_make(const struct shadow_case *cases, size_t n, const struct shadow_rules *rules,
                        struct shadow_report *ret)
{
    *ret = (struct shadow_report){0};
    for (size_t i = 0; i < n; i++) {
        enum shadow_verdict verdict = shadow_judge(&cases[i], rules);
        ret->n_right += verdict == SHADOW_RIGHT;
        ret->n_false += verdict == SHADOW_FALSE;
        ret->n_open += verdict == SHADOW_OPEN;
    }
    /* Without a right one every number does, up to those under which nothing would ever start. */
    if (ret->n_false > 0 && ret->n_right > 0)
        find_options(cases, n, rules, ret);
    else if (ret->n_false > 0)
        ret->options[ret->n_options++] =
            (struct shadow_option){.votes = rules->votes,
                                   .hold_ms = hold_needed(cases, n, rules, rules->votes),
                                   .later_ms = hold_needed(cases, n, rules, rules->votes) - rules->hold_ms};
}

static size_t add_option(char *to, size_t size, const struct shadow_option *option, const struct shadow_rules *rules,
                         bool is_first)
{
    int n = snprintf(to, size, "%s`votes: %d` and `hold: %lld s`", is_first ? "" : ", or ", option->votes,
                     (long long)((option->hold_ms + ROUND_MS - 1) / ROUND_MS));
    if (option->votes > rules->votes)
        n += snprintf(to + n, size - (size_t)n, " (later by %s and the time that the last vote takes)",
                      duration_phrase(option->later_ms).text);
    else
        n += snprintf(to + n, size - (size_t)n, " (later by %s)", duration_phrase(option->later_ms).text);
    return (size_t)n;
}

struct shadow_sentence shadow_report_text(const struct shadow_report *report, const struct shadow_rules *rules)
{
    struct shadow_sentence ret = {""};
    int all = report->n_right + report->n_false + report->n_open;
    size_t size = sizeof ret.text;
    if (all == 0) {
        (void)snprintf(ret.text, size, "nothing would have been started");
        return ret;
    }
    size_t len = (size_t)snprintf(ret.text, size, "%d failover%s would have been started: %d right, %d false", all,
                                  all == 1 ? "" : "s", report->n_right, report->n_false);
    if (report->n_open > 0)
        len += (size_t)snprintf(ret.text + len, size - len, ", %d not over", report->n_open);
    if (report->n_false == 0)
        return ret;
    if (report->n_options == 0) {
        (void)snprintf(ret.text + len, size - len,
                       "; no hold and number of votes tells these apart: the monitors have to see more, or a probe of "
                       "our own");
        return ret;
    }
    len += (size_t)snprintf(ret.text + len, size - len, "; no false one%s with ",
                            report->n_right > 0 ? ", and each right one," : "");
    for (int i = 0; i < report->n_options && i < 3; i++) /* the rest is for programs */
        len += add_option(ret.text + len, size - len, &report->options[i], rules, i == 0);
    return ret;
}

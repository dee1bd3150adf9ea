/* See why.h. */
#include "core/why.h"

#include "core/words.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- what would change it ---------------------------------------------------------------------------------------- */

/* Of each reason for not acting: why, as the end of a sentence, and what would change it. %1$s: the service. What is
 * no such reason has no row, or a part of one. */
static const struct {
    const char *phrase, *mend;
} words[] = {
    [REASON_OPERATOR] = {"a person said no",
                         "it does not start by itself again before this incident has fallen; a person can move it"},
    [REASON_DEADLINE] = {"nobody said yes in time",
                         "it does not start by itself again before this incident has fallen; a person can move it"},
    [REASON_MANUAL_MODE] = {"the mode is manual", "`turnout failover %1$s --reason TEXT` starts it"},
    [REASON_SHADOW_MODE] = {"the mode is shadow", "with the mode automatic or approval it would have"},
    [REASON_APPROVAL] = {"a run waits for a yes or no", "somebody has to say yes or no: `turnout approve` or `reject`"},
    [REASON_NOT_ACTIVE] = {"it is not the active site", "it counts when that site becomes the active one"},
    [REASON_ACTIVE_UNKNOWN] =
        {"nobody knows which site is active",
         "say where the service is, `turnout adopt %1$s --to SITE --reason TEXT`, or move it yourself"},
    [REASON_ACTIVE_SPLIT] =
        {"a run stands half-way",
         "look at the providers, then `turnout adopt %1$s --to SITE --reason TEXT`, or move it yourself"},
    [REASON_RUN_IN_PROGRESS] =
        {"a run is in progress",
         "that run has to end first; a person takes it over by `turnout failover %1$s --replace --reason TEXT`"},
    [REASON_PAUSED] = {"the service is paused",
                       "`turnout resume %1$s --reason TEXT` ends the pause; a person can move it meanwhile"},
    [REASON_COOL_DOWN] = {"the cool-down after the last run is not over",
                          "it starts when that is over and the votes still stand; a person need not wait"},
    [REASON_FREEZE] = {"there is a freeze",
                       "it starts when that is over and the votes still stand; a person need not wait"},
    [REASON_CUT_OFF] = {"the daemon itself seems to be cut off",
                        "it starts when our own checks see the network again; a person need not wait"},
    [REASON_KILL_SWITCH] = {"the kill switch file is there", "the kill switch file has to be taken away"},
    [REASON_FLOOD] =
        {"several places went down at once",
         "look whether the monitors or this daemon are wrong; if not, `turnout failover %1$s --reason TEXT`"},
    [REASON_SUSPECT] = {"a source says down of everything, and without it there are not votes enough",
                        "a voter that does not say down of everything has to agree, or a person moves it"},
    [REASON_DEPENDENCY] = {"another service goes first", "the service that goes first has to be well at another site"},
    [REASON_PROVIDER_BUSY] = {"a provider is busy with other runs", "it starts when one of the provider's runs ends"},
    [REASON_NO_TARGET] = {"every other site has a down vote",
                          "another site without a down vote is needed; who knows better: `turnout failover %1$s --to "
                          "SITE --override target_down --reason TEXT`"},
    [REASON_TARGET_DOWN] = {"the site to move to is said to be down",
                            "another site without a down vote is needed; who knows better: `turnout failover %1$s --to "
                            "SITE --override target_down --reason TEXT`"},
    [REASON_PREFLIGHT] = {"a check before the first effect failed",
                          "mend what the check found; or `turnout failover %1$s --override preflight --reason TEXT`"},
    [REASON_DEBT] = {"steps of an earlier run are still owed at the site to move to",
                     "what is owed has to be done there first: `turnout runs` shows it; a person who has seen to it by "
                     "hand says so by `turnout done RUN`"},
    [REASON_RPO] = {"more would be lost than the promotion may lose (max_lag)",
                    "the replica has to catch up; who accepts the loss: `turnout retry RUN --override rpo --reason "
                    "TEXT`"},
    [REASON_UNKNOWN_FROM] = {NULL, "say which site is active: `turnout adopt %1$s --to SITE --reason TEXT`"},
};

const char *why_phrase(enum reason reason)
{
    size_t i = (size_t)reason;
    return i < sizeof words / sizeof words[0] && words[i].phrase ? words[i].phrase : reason_text(reason);
}

/* %1$s where the format has it, by hand: a format that is no literal is none that the compiler can check. */
struct why_mend why_mend(enum reason reason, const char *service)
{
    struct why_mend mend = {""};
    size_t i = (size_t)reason;
    const char *format = i < sizeof words / sizeof words[0] && words[i].mend ? words[i].mend : "";
    const char *name = strstr(format, "%1$s");
    if (!name)
        (void)snprintf(mend.text, sizeof mend.text, "%s", format);
    else
        (void)snprintf(mend.text, sizeof mend.text, "%.*s%.63s%s", (int)(name - format), format, service, name + 4);
    return mend;
}

/* ---- what happened ----------------------------------------------------------------------------------------------- */

static bool is_refusal(const struct why_entry *entry)
{
    return strcmp(entry->kind, "decision.not_acted") == 0;
}

/* What comes and goes while an incident flaps, or while a run's step is tried again and again: its repetitions are one
 * line until something else happens. */
static bool is_small(const struct why_entry *entry)
{
    static const char *const kinds[] = {"decision.vote", "decision.timer", "decision.notice",
                                        "run.reminder",  "decision.goes",  "run.attempt"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strcmp(entry->kind, kinds[i]) == 0)
            return true;
    }
    return false;
}

static bool is_same(const struct why_entry *a, const struct why_entry *b)
{
    if (is_refusal(a) || is_refusal(b))
        return is_refusal(a) && is_refusal(b) && a->reason == b->reason && a->reason != REASON_NONE;
    return strcmp(a->kind, b->kind) == 0 && strcmp(a->text, b->text) == 0;
}

/* Where what is told of entry `at` ends: a refusal stands once in the whole story, what is small once between two
 * things that are not, and everything else each time. */
static size_t stretch_end(const struct why_entry *entries, size_t n, size_t at)
{
    if (is_refusal(&entries[at]))
        return n;
    if (!is_small(&entries[at]))
        return at + 1;
    size_t end = at + 1;
    while (end < n && (is_small(&entries[end]) || is_refusal(&entries[end])))
        end++;
    return end;
}

static size_t stretch_begin(const struct why_entry *entries, size_t at)
{
    if (is_refusal(&entries[at]))
        return 0;
    size_t begin = at;
    while (begin > 0 && is_small(&entries[at]) && (is_small(&entries[begin - 1]) || is_refusal(&entries[begin - 1])))
        begin--;
    return begin;
}

static bool ends_with(const char *text, const char *end)
{
    size_t text_len = strlen(text), len = strlen(end);
    return len > 0 && text_len >= len && strcmp(text + text_len - len, end) == 0;
}

/* The decision to do a thing and the doing of it are two records of one moment, the second in the words of the first.
 */
static bool is_echo(const struct why_entry *entries, size_t at)
{
    for (size_t i = at; i > 0 && entries[i - 1].at == entries[at].at; i--) {
        const struct why_entry *before = &entries[i - 1];
        if (strcmp(before->kind, entries[at].kind) != 0 && ends_with(entries[at].text, before->text))
            return true;
    }
    return false;
}

static bool is_alone(const struct why_entry *entries, size_t n, size_t at)
{
    size_t begin = at, end = at + 1;
    while (begin > 0 && entries[begin - 1].at == entries[at].at)
        begin--;
    while (end < n && entries[end].at == entries[at].at)
        end++;
    for (size_t i = begin; i < end; i++) {
        if (!entries[i].is_aside)
            return false;
    }
    return true;
}

static bool is_told(const struct why_entry *entries, size_t n, size_t at)
{
    if (is_echo(entries, at) || (entries[at].is_aside && !is_alone(entries, n, at)))
        return true;
    for (size_t i = stretch_begin(entries, at); i < at; i++) {
        if (is_same(&entries[i], &entries[at]))
            return true;
    }
    return false;
}

static void tell_entry(const struct why_entry *entries, size_t n, size_t at, const struct why_now *now, why_say say,
                       void *context)
{
    const struct why_entry *entry = &entries[at];
    char text[WHY_TEXT];
    size_t more = 0, last = at;
    size_t end = stretch_end(entries, n, at);
    for (size_t i = at + 1; i < end; i++) {
        if (is_same(entry, &entries[i])) {
            more++;
            last = i;
        }
    }
    bool has_who = entry->who && entry->who[0];
    size_t len = (size_t)snprintf(text, sizeof text, "%.96s%s%.320s", has_who ? entry->who : "", has_who ? ": " : "",
                                  entry->text);
    const struct why_mend mend = why_mend(entry->reason, now->service);
    if (is_refusal(entry) && mend.text[0])
        len += (size_t)snprintf(text + len, sizeof text - len, " (%s)", mend.text);
    if (more > 0)
        (void)snprintf(text + len, sizeof text - len, " [%zu time%s more, until %s later]", more, more == 1 ? "" : "s",
                       duration_phrase(entries[last].at - entry->at).text);
    say(context, entry->at, false, text);
}

/* ---- where it stands --------------------------------------------------------------------------------------------- */

struct conclusion {
    const struct why_now *now;
    why_say say;
    void *context;
};

static void finish(const struct conclusion *e, const char *format, ...) PRINTF_LIKE(2, 3);

static void finish(const struct conclusion *e, const char *format, ...)
{
    char text[WHY_TEXT];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    e->say(e->context, e->now->now, true, text);
}

static struct phrase until(const struct why_now *now, int64_t at)
{
    return duration_phrase(at > now->now ? at - now->now : 0);
}

static void end_resolved(const struct conclusion *e)
{
    const struct why_now *now = e->now;
    if (now->stood_at == 0 && now->model && now->most_votes < now->model->votes)
        finish(e, "it is over, and nothing was decided: there %s %d vote%s at most where %d %s needed",
               now->most_votes == 1 ? "was" : "were", now->most_votes, now->most_votes == 1 ? "" : "s",
               now->model->votes, now->model->votes == 1 ? "is" : "are");
    else if (now->stood_at == 0 && now->model)
        finish(e, "it is over, and nothing was decided: its votes did not hold for %s while %.63s was the active site",
               duration_phrase(now->model->hold_ms).text, now->site);
    else if (now->run.id)
        finish(e, "it is over; of it came the %s to %.63s, which %s: `turnout runs %s`",
               direction_text(now->run.direction), now->run.to, run_over_phrase(now->run.state), now->run.id);
    else if (now->would_to[0])
        finish(e, "it is over; in another mode than shadow it would have been moved to %.63s", now->would_to);
    else
        finish(e, "it is over: nobody says any more that %.63s is down", now->site);
}

static void end_with_run(const struct conclusion *e)
{
    const struct why_now *now = e->now;
    const char *direction = direction_text(now->run.direction);
    if (now->run.state != RUN_WAITING) {
        finish(e, "the %s to %.63s %s: `turnout runs %s`", direction, now->run.to,
               now->run.state == RUN_ATTENTION ? "waits for a person, to retry, skip, undo or cancel" : "is under way",
               now->run.id);
        return;
    }
    finish(e, "the %s to %.63s waits for a yes or no: `turnout approve %s --reason TEXT`, or reject", direction,
           now->run.to, now->run.id);
    if (now->approval_at != 0 && now->model)
        finish(e, "if nobody answers within %s it is %s", until(now, now->approval_at).text,
               now->model->approval.is_yes ? "approved by itself" : "rejected by itself");
}

static void end_elsewhere(const struct conclusion *e)
{
    const struct why_now *now = e->now;
    switch (now->active) {
    case ACTIVE_SITE:
        finish(e, "%.63s is the active site: votes on %.63s start nothing, and the incident ends with the last of them",
               now->active_site, now->site);
        break;
    case ACTIVE_MOVING:
        finish(e, "a run is under way");
        break;
    case ACTIVE_SPLIT:
        finish(e, "a run stands half-way, and nothing starts by itself: %s",
               why_mend(REASON_ACTIVE_SPLIT, now->service).text);
        break;
    case ACTIVE_UNKNOWN:
        finish(e, "nobody knows which site is active, and nothing starts by itself: %s",
               why_mend(REASON_ACTIVE_UNKNOWN, now->service).text);
        break;
    }
}

static bool has_quorum(const struct why_now *now)
{
    return now->votes >= now->model->votes && now->trusted >= now->model->trusted_votes &&
           (now->has_probe || !now->model->probe.is_required);
}

static void end_without_quorum(const struct conclusion *e)
{
    const struct why_now *now = e->now;
    int missing = now->model->votes - now->votes;
    if (missing > 0)
        finish(e, "%d of %d votes say that %.63s is down: nothing starts before %d more %s so, without a break for %s",
               now->votes, now->model->votes, now->site, missing, missing == 1 ? "says" : "say",
               duration_phrase(now->hold_ms).text);
    else if (now->trusted < now->model->trusted_votes)
        finish(e, "there are votes enough on %.63s, but %d of %d from sources that prove who they are", now->site,
               now->trusted, now->model->trusted_votes);
    else
        finish(e, "there are votes enough on %.63s, but our own probe does not say that it is down, and has to",
               now->site);
    if (now->silent[0])
        finish(e, "silent of %.63s: %.400s", now->site, now->silent);
}

static void end_refused(const struct conclusion *e)
{
    const struct why_now *now = e->now;
    const struct why_mend mend = why_mend(now->reason, now->service);
    if (now->reason == REASON_COOL_DOWN && now->cool_down_at != 0)
        finish(e, "the cool-down lasts another %s: %s", until(now, now->cool_down_at).text, mend.text);
    else if (now->reason == REASON_FREEZE && now->frozen_until != 0)
        finish(e, "the freeze lasts another %s: %s", until(now, now->frozen_until).text, mend.text);
    else if (mend.text[0])
        finish(e, "nothing is started, for %s: %s", why_phrase(now->reason), mend.text);
    else
        finish(e, "%.63s counts as down", now->site);
}

static void tell_end(const struct conclusion *e)
{
    const struct why_now *now = e->now;
    bool is_here = now->active == ACTIVE_SITE && strcmp(now->active_site, now->site) == 0;
    if (now->resolved_at != 0)
        end_resolved(e);
    else if (!now->model)
        finish(e, "nothing follows: the service %.63s is not in the configuration any more", now->service);
    else if (now->run.id && !run_state_is_final(now->run.state))
        end_with_run(e);
    else if (!is_here)
        end_elsewhere(e);
    else if (!has_quorum(now))
        end_without_quorum(e);
    else if (now->hold_at != 0)
        finish(e, "the votes suffice; %.63s counts as down if they hold for another %s", now->site,
               until(now, now->hold_at).text);
    else
        end_refused(e);
}

void why_tell(const struct why_entry *entries, size_t n, size_t gap, int64_t left_out, const struct why_now *now,
              why_say say, void *context)
{
    const struct conclusion ending = {now, say, context};
    for (size_t i = 0; i < n; i++) {
        if (left_out > 0 && i == gap) {
            char text[WHY_TEXT];
            (void)snprintf(text, sizeof text, "(%lld records in between are left out here; the audit log has them)",
                           (long long)left_out);
            say(context, entries[i].at, false, text);
        }
        if (!is_told(entries, n, i))
            tell_entry(entries, n, i, now, say, context);
    }
    tell_end(&ending);
}

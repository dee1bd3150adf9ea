/* What a guard says to a person: a clause with the names and numbers that it looked at, and what to do about it where
 * there is something to do. */
#include "core/decide_internal.h"

#include <stdio.h>

typedef void obstacle_fn(const struct decision *d, const struct verdict *verdict, struct phrase *phrase);

static void put_place(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    bool is_run = verdict->reason == REASON_RUN_IN_PROGRESS && d->view.has_run;
    *phrase = is_run ? run_phrase(d->service, &d->view) : place_phrase(d->service, &d->view);
}

static void put_cool_down(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    (void)verdict;
    *phrase = phrase_of("the cool-down after the last run lasts another %.40s",
                        duration_phrase(d->view.cool_down_until - d->now).text);
}

static void put_freeze(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    const struct freeze *freeze = freeze_find(d->service, d->model, d->outlook->wall, NULL);
    const char *reason = freeze && freeze->reason ? freeze->reason : "";
    *phrase =
        phrase_of("a freeze lasts another %.40s%s%.90s%s", duration_phrase(verdict->until - d->outlook->wall).text,
                  reason[0] ? " (" : "", reason, reason[0] ? ")" : "");
}

static void put_flood(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    int n = 0;
    size_t len = 0;
    for (int i = 0; i < d->model->n_places; i++) {
        bool is_other = verdict->other < 0 || i != verdict->other;
        if (is_other && !(verdict->other < 0 ? outlook_is_place_down(d->outlook, i, d->now)
                                             : outlook_is_at_once(d->outlook, i, verdict->other, d->now)))
            continue;
        if (len < 60 && d->model->place_names)
            len += (size_t)snprintf(phrase->text + len, sizeof phrase->text - len, "%s%.32s", n ? ", " : " (",
                                    d->model->place_names[i]);
        n++;
    }
    *phrase = phrase_of("%d places are down at once%.90s%s: it may be the monitors, or us; a person has to look", n,
                        phrase->text,
                        len == 0   ? ""
                        : len < 60 ? ")"
                                   : ", …)");
}

static void put_suspect(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    (void)verdict;
    int n = 0;
    size_t len = 0;
    for (int voter = 0; voter < model_n_voters(d->model) && len < 60; voter++)
        if (outlook_is_suspect(d->outlook, voter))
            len += (size_t)snprintf(phrase->text + len, sizeof phrase->text - len, "%s%.32s", n++ ? ", " : "",
                                    model_voter_name(d->model, voter));
    *phrase = phrase_of("%.100s say%s down of everything, and that alone makes the quorum: a person has to look",
                        phrase->text, n == 1 ? "s" : "");
}

static void put_dependency(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    const struct service *first = &d->model->services[verdict->other];
    const struct service_view *view = d->outlook->views[verdict->other];
    if (view->active == ACTIVE_SITE && !view->has_run)
        *phrase =
            phrase_of("%.48s goes first, and is still at %.48s", first->name, site_phrase(first, view->active_site));
    else
        *phrase = phrase_of("%.48s goes first, and of it: %.110s", first->name,
                            view->has_run ? run_phrase(first, view).text : place_phrase(first, view).text);
}

static void put_provider(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    int n = d->outlook->provider_runs[verdict->other];
    *phrase = phrase_of("%.48s is busy with %d run%s, and may have no more at a time",
                        d->model->provider_names ? d->model->provider_names[verdict->other] : "a provider", n,
                        n == 1 ? "" : "s");
}

static void put_target(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    *phrase = phrase_of("%.48s, where it would go, has %.120s", site_name(d, verdict->target),
                        votes_of(d, verdict->target).text);
}

static void put_debt(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    int n = d->view.sites[verdict->target].n_debts;
    *phrase = phrase_of("at %.48s %d step%s of an earlier run %s still owed: what wakes up there could serve, or write",
                        site_name(d, verdict->target), n, n == 1 ? "" : "s", n == 1 ? "is" : "are");
}

static void put_votes(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    if (is_failovers(d, d->view.active_site)) {
        *phrase = phrase_of("%.48s is down itself, and whether to leave it is decided as a failover",
                            site_name(d, d->view.active_site));
        return;
    }
    (void)verdict;
    *phrase =
        phrase_of("%.48s has only %.130s left", site_name(d, d->view.run_from), votes_of(d, d->view.run_from).text);
}

static void put_evidence(const struct decision *d, const struct verdict *verdict, struct phrase *phrase)
{
    (void)verdict;
    *phrase = unwell_phrase(d);
}

static const struct {
    enum reason reason;
    obstacle_fn *put;
    const char *text;
} obstacles[] = {
    {REASON_MANUAL_MODE, NULL, "the mode is manual: a person has to start it"},
    {REASON_SHADOW_MODE, NULL, "the mode is shadow: nothing is done"},
    {REASON_CONFIGURATION, NULL, "one of its sites is not in the configuration any more"},
    {REASON_NOT_ACTIVE, put_place, NULL},
    {REASON_ACTIVE_UNKNOWN, put_place, NULL},
    {REASON_ACTIVE_SPLIT, put_place, NULL},
    {REASON_RUN_IN_PROGRESS, put_place, NULL},
    {REASON_PAUSED, NULL, "the service is paused: resume it, or start a run by hand"},
    {REASON_COOL_DOWN, put_cool_down, NULL},
    {REASON_FREEZE, put_freeze, NULL},
    {REASON_CUT_OFF, NULL, "this daemon itself seems to be cut off from the network, or has not made sure yet"},
    {REASON_KILL_SWITCH, NULL, "the kill switch is on: its file has to go before anything starts"},
    {REASON_FLOOD, put_flood, NULL},
    {REASON_SUSPECT, put_suspect, NULL},
    {REASON_NO_TARGET, NULL, "there is no other site without a down vote"},
    {REASON_TARGET_DOWN, put_target, NULL},
    {REASON_DEBT, put_debt, NULL},
    {REASON_RPO, NULL, "more would be lost than the promotion may lose (`max_lag`)"},
    {REASON_DEPENDENCY, put_dependency, NULL},
    {REASON_PROVIDER_BUSY, put_provider, NULL},
    {REASON_VOTES, put_votes, NULL},
    {REASON_EVIDENCE, put_evidence, NULL},
};

struct phrase obstacle_phrase(const struct decision *d, const struct verdict *verdict)
{
    struct phrase phrase = {""};
    for (size_t i = 0; i < sizeof obstacles / sizeof obstacles[0]; i++) {
        if (obstacles[i].reason != verdict->reason)
            continue;
        if (obstacles[i].put)
            obstacles[i].put(d, verdict, &phrase);
        else
            phrase = phrase_of("%s", obstacles[i].text);
    }
    return phrase;
}

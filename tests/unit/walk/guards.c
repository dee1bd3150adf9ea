/* What the witness of the walk finds in the way of a run, and the promises that hold whenever everybody has looked. */
#include "tests/unit/walk/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- what is in the way ------------------------------------------------------------------------------------------ */

static bool freeze_holds(const struct freeze *freeze, int64_t at)
{
    if (!freeze->is_weekly)
        return at >= freeze->from && at < freeze->until;
    time_t seconds = (time_t)(at / 1000);
    struct tm utc;
    gmtime_r(&seconds, &utc);
    int minute = utc.tm_hour * 60 + utc.tm_min;
    int day = (utc.tm_wday + 6) % 7; /* Monday is 0 */
    bool is_today = freeze->days >> day & 1;
    bool is_yesterday = freeze->days >> ((day + 6) % 7) & 1;
    if (freeze->from_minute < freeze->until_minute)
        return is_today && minute >= freeze->from_minute && minute < freeze->until_minute;
    return (is_today && minute >= freeze->from_minute) || (is_yesterday && minute < freeze->until_minute);
}

static bool is_frozen(const struct walk *w, const struct protected *p)
{
    for (int i = 0; i < p->service.n_freezes; i++)
        if (freeze_holds(&p->service.freezes[i], wall(w)))
            return true;
    return freeze_holds(&w->freeze, wall(w));
}

/* Places that went down at once with this one; SITE_NONE: all that are down, or were a moment ago. One service after
 * the other sees what happens at the same moment: only what was so before as well is sure. */
static bool is_flooded(const struct walk *w, int at, bool is_sure)
{
    int n = 0;
    for (int place = 0; place < N_PLACES; place++) {
        int64_t apart = at == SITE_NONE ? 0 : w->began_at[place] - w->began_at[at];
        bool is_at_once = (apart < 0 ? -apart : apart) <= w->model.flood.within_ms;
        bool is_down = is_sure ? w->now < w->surely_down_till[place] : w->was_down[place] || is_remembered(w, place);
        n += is_down && is_at_once;
    }
    return w->model.flood.places > 0 && n > w->model.flood.places;
}

/* Of some service there. */
static bool says_down_at(const struct walk *w, int place, int voter, bool is_generous)
{
    for (int i = 0; i < N_SERVICES; i++) {
        const struct protected *p = &w->all[i];
        for (int site = 0; site < p->service.n_sites; site++) {
            bool is_down = is_generous ? p->truth.ever_down[site][voter] : p->truth.always_down[site][voter];
            if (p->sites[site].place == place && is_down)
                return true;
        }
    }
    return false;
}

static bool can_speak_at(const struct walk *w, int place, int voter)
{
    for (int i = 0; i < N_SERVICES; i++)
        for (int site = 0; site < w->all[i].service.n_sites; site++)
            if (w->all[i].sites[site].place == place && w->all[i].can_speak[site][voter])
                return true;
    return false;
}

static bool says_all_is_down(const struct walk *w, int voter, bool is_generous)
{
    int n = 0;
    for (int place = 0; place < N_PLACES; place++) {
        if (!can_speak_at(w, place, voter))
            continue;
        if (!says_down_at(w, place, voter, is_generous))
            return false;
        n++;
    }
    return n >= 2;
}

static bool is_suspicious(const struct walk *w, const struct protected *p, int site, bool is_generous)
{
    bool is_suspect[N_VOTERS];
    for (int voter = 0; voter < N_VOTERS; voter++)
        is_suspect[voter] = says_all_is_down(w, voter, is_generous);
    return p->truth.has_quorum[site] && !quorum_without(w, p, site, is_suspect);
}

static bool waits_for_another(const struct walk *w, const struct protected *p, int site)
{
    for (int i = 0; i < p->service.n_after; i++) {
        const struct protected *other = &w->all[p->service.after[i]];
        const struct truth *t = &other->truth;
        int at = t->active == ACTIVE_SITE ? t->site : t->active == ACTIVE_MOVING ? t->leaves : SITE_NONE;
        if (at == SITE_NONE || other->sites[at].place == p->sites[site].place)
            return true; /* not known to be away is not away */
    }
    return false;
}

static bool uses(const struct protected *p, int provider)
{
    for (int i = 0; i < p->service.n_steps; i++)
        if (p->steps[i].provider == provider)
            return true;
    return false;
}

static bool is_provider_busy(const struct walk *w, const struct protected *p, bool is_generous)
{
    for (int provider = 0; provider < N_PROVIDERS; provider++) {
        int n = 0;
        for (int i = 0; i < N_SERVICES; i++) {
            const struct truth *t = &w->all[i].truth;
            bool is_running = t->has_run && t->run_state == RUN_RUNNING;
            bool has_just_ended = is_generous && &w->all[i] == p && t->run_ended_at == w->now;
            n += (is_running || has_just_ended) && uses(&w->all[i], provider);
        }
        if (uses(p, provider) && w->max_parallel[provider] > 0 && n >= w->max_parallel[provider])
            return true;
    }
    return false;
}

bool is_in_the_way(const struct walk *w, const struct protected *p, int site, enum reason reason, bool is_generous)
{
    const struct truth *t = &p->truth;
    if (reason == REASON_NOT_ACTIVE)
        return t->active == ACTIVE_SITE && t->site != site;
    if (reason == REASON_RUN_IN_PROGRESS)
        return t->has_run;
    if (reason == REASON_ACTIVE_SPLIT)
        return t->active == ACTIVE_SPLIT;
    if (reason == REASON_ACTIVE_UNKNOWN)
        return t->active == ACTIVE_UNKNOWN;
    if (reason == REASON_OPERATOR || reason == REASON_DEADLINE)
        return t->is_rejected[site];
    if (reason == REASON_PAUSED)
        return t->is_paused;
    if (reason == REASON_COOL_DOWN)
        return is_cooling_down(w, p);
    if (reason == REASON_FREEZE)
        return is_frozen(w, p);
    if (reason == REASON_CUT_OFF)
        return w->is_cut_off;
    if (reason == REASON_KILL_SWITCH)
        return w->is_killed;
    if (reason == REASON_FLOOD)
        return is_flooded(w, is_generous ? SITE_NONE : p->sites[site].place, !is_generous);
    if (reason == REASON_SUSPECT)
        return is_suspicious(w, p, site, is_generous);
    if (reason == REASON_DEPENDENCY)
        return waits_for_another(w, p, site);
    if (reason == REASON_PROVIDER_BUSY)
        return is_provider_busy(w, p, is_generous);
    if (reason == REASON_DEBT)
        return first_target(p) != SITE_NONE && t->n_debts[first_target(p)] > 0;
    if (reason == REASON_NO_TARGET || reason == REASON_TARGET_DOWN)
        return first_target(p) == SITE_NONE;
    return false;
}

static const enum reason guards[] = {
    REASON_OPERATOR,  REASON_ACTIVE_SPLIT,    REASON_ACTIVE_UNKNOWN, REASON_NOT_ACTIVE,
    REASON_PAUSED,    REASON_RUN_IN_PROGRESS, REASON_COOL_DOWN,      REASON_FREEZE,
    REASON_CUT_OFF,   REASON_KILL_SWITCH,     REASON_FLOOD,          REASON_SUSPECT,
    REASON_NO_TARGET, REASON_DEPENDENCY,      REASON_PROVIDER_BUSY,  REASON_DEBT,
};

bool is_for_a_failover(const struct protected *p, bool has_held_there)
{
    return has_held_there && (p->service.mode == MODE_AUTOMATIC || p->service.mode == MODE_APPROVAL);
}

enum reason what_is_in_the_way(const struct walk *w, const struct protected *p, int site, enum direction direction,
                               bool is_generous)
{
    bool holds = is_generous ? has_held(w, p, site) : has_surely_held(w, p, site);
    if (direction == DIRECTION_FAILBACK && is_for_a_failover(p, holds))
        return REASON_VOTES;
    bool is_back = direction == DIRECTION_FAILBACK; /* for which no place at all may be down beyond the rule */
    for (size_t i = 0; i < COUNT_OF(guards); i++) {
        enum reason reason = guards[i];
        if (is_back && reason == REASON_DEBT) {
            if (p->truth.n_debts[0] > 0)
                return reason;
            continue;
        }
        if (is_back && (reason == REASON_SUSPECT || reason == REASON_NO_TARGET || reason == REASON_OPERATOR))
            continue;
        if (is_back && reason == REASON_FLOOD && !is_generous) {
            if (is_flooded(w, SITE_NONE, true))
                return reason;
            continue;
        }
        if (is_in_the_way(w, p, site, reason, is_generous))
            return reason;
    }
    return REASON_NONE;
}

/* Who started it, and with what, does not matter here: only runs of ours are asked about. */
enum reason what_withdraws(const struct walk *w, const struct protected *p)
{
    static const enum reason lasting[] = {REASON_PAUSED, REASON_FREEZE, REASON_CUT_OFF, REASON_FLOOD};
    const struct truth *t = &p->truth;
    bool is_back = t->direction == DIRECTION_FAILBACK;
    for (size_t i = 0; i < COUNT_OF(lasting); i++)
        if (!(is_back && lasting[i] == REASON_FLOOD) && is_in_the_way(w, p, t->leaves, lasting[i], false))
            return lasting[i];
    if (is_back && is_flooded(w, SITE_NONE, true))
        return REASON_FLOOD;
    if (is_said_down(p, t->to) && !t->is_overriding)
        return REASON_TARGET_DOWN;
    if (t->n_debts[t->to] > 0 && !t->is_overriding_debt)
        return REASON_DEBT;
    if (is_back && t->run_state == RUN_WAITING && is_for_a_failover(p, has_surely_held(w, p, t->leaves)))
        return REASON_VOTES;
    if (is_back)
        return t->votes[0][VOTER_PROBE] == VOTE_UP ? REASON_NONE : REASON_EVIDENCE;
    if (!t->has_quorum[t->leaves])
        return REASON_VOTES;
    return is_in_the_way(w, p, t->leaves, REASON_SUSPECT, false) ? REASON_SUSPECT : REASON_NONE;
}

/* ---- what holds whenever everybody has looked ----------------------------------------------------------------------
 */

static void check_votes(struct walk *w, struct protected *p)
{
    for (int site = 0; site < p->service.n_sites; site++)
        for (int voter = 0; voter < N_VOTERS; voter++) {
            const struct vote_view *vote = view_vote_find(&p->view, site, voter);
            enum vote said = vote ? vote->vote : VOTE_UNKNOWN;
            if (said != p->truth.votes[site][voter])
                note(w, p, "  %s of %s: %s, and is taken for %s", model_voter_name(&w->model, voter),
                     p->sites[site].name, vote_text(p->truth.votes[site][voter]), vote_text(said));
            PROMISE(said == p->truth.votes[site][voter], "a vote is not what was said and is fresh");
        }
}

static void check_incidents(struct walk *w, struct protected *p)
{
    int n_standing = 0;
    for (int site = 0; site < p->service.n_sites; site++) {
        const struct site_view *view = &p->view.sites[site];
        n_standing += view->is_standing;
        PROMISE(view->has_incident == is_said_down(p, site), "an incident is what has a down vote");
        PROMISE(!view->is_standing || view->has_incident, "no incident, and it stands");
        PROMISE(!view->is_standing || p->truth.has_quorum[site], "an incident stands without a quorum");
        PROMISE(!view->is_standing || view->last_reason != REASON_NONE || p->truth.has_run,
                "nothing is done, and no reason is on record");
        PROMISE(view->hold_due_at == 0 || p->truth.held_since[site] != NEVER, "a hold timer without a quorum");
        if (p->truth.active != ACTIVE_SITE)
            continue;
        PROMISE(!has_surely_held(w, p, site) || view->is_standing,
                "a quorum has held, and the incident does not stand");
        PROMISE(!view->is_standing || has_held(w, p, site), "an incident stands before its quorum has held");
    }
    PROMISE(n_standing <= 1, "two incidents stand");
}

/* Nothing that may be done is left undone, and nothing goes on that may not. */
static void check_run(struct walk *w, struct protected *p)
{
    const struct truth *t = &p->truth;
    bool is_early = t->has_run && t->is_ours && !p->run.has_effect && !t->is_cancel_asked &&
                    (t->run_state == RUN_WAITING || t->run_state == RUN_RUNNING);
    enum reason reason = is_early ? what_withdraws(w, p) : REASON_NONE;
    if (reason != REASON_NONE)
        note(w, p, "  should be withdrawn: %s", reason_text(reason));
    PROMISE(reason == REASON_NONE, "a run without effect goes on against its quorum or a guard");
    if (t->has_run && t->run_state == RUN_WAITING) {
        const struct approval_rule *rule = &p->service.approval;
        PROMISE(t->answer_at == NEVER || w->now < t->answer_at, "a deadline was forgotten");
        PROMISE(rule->remind_ms == 0 || w->now < t->reminded_at + rule->remind_ms, "a reminder was forgotten");
    }
    if (t->active != ACTIVE_SITE || t->has_run)
        return;
    bool is_asked = p->service.mode == MODE_AUTOMATIC || p->service.mode == MODE_APPROVAL;
    if (is_asked && has_surely_held(w, p, t->site))
        PROMISE(what_is_in_the_way(w, p, t->site, DIRECTION_FAILOVER, true) != REASON_NONE,
                "a quorum has held, nothing is in the way, and nothing happens");
    bool is_back_asked = p->service.failback_mode == MODE_AUTOMATIC || p->service.failback_mode == MODE_APPROVAL;
    if (is_back_asked && t->well_since != NEVER && w->now >= t->well_since + p->service.failback_after_ms &&
        w->now >= t->run_ended_at + p->service.failback_after_ms && w->now >= t->no_failback_until)
        PROMISE(what_is_in_the_way(w, p, t->site, DIRECTION_FAILBACK, true) != REASON_NONE,
                "home has been well for long enough, nothing is in the way, and nothing happens");
}

void note_level(struct walk *w)
{
    for (int i = 0; i < N_SERVICES; i++) {
        struct truth *t = &w->all[i].truth;
        for (int site = 0; site < w->all[i].service.n_sites; site++)
            for (int voter = 0; voter < N_VOTERS; voter++)
                t->ever_down[site][voter] = t->always_down[site][voter] = t->votes[site][voter] == VOTE_DOWN;
    }
    for (int place = 0; place < N_PLACES; place++)
        w->surely_down_till[place] = w->was_down[place]           ? INT64_MAX
                                     : w->down_at[place] == NEVER ? NEVER
                                                                  : w->down_at[place] + w->model.flood.within_ms;
}

static void check_timers(struct walk *w, struct protected *p)
{
    const struct truth *t = &p->truth;
    int64_t cooled_at = is_cooling_down(w, p) ? t->finished_at + t->cool_down_ms : 0;
    PROMISE(p->view.cool_down_until == cooled_at, "a cool-down was forgotten, or is no more");
    PROMISE(p->view.settle_until == (t->settled_at > w->now ? t->settled_at : 0), "settling was forgotten, or is over");
}

/* Who has looked leaves nothing undone, and does not let a quorum stand that may act. */
void check_level(struct walk *w, struct protected *p)
{
    struct things things;
    const struct event look = {.kind = is_lucky(w, 50) ? EVENT_START : EVENT_LOOK, .site = SITE_NONE};
    decide(&w->services[p - w->all], &w->model, &p->view, w->outlook, &look, w->now, &things);
    /* Who gets no turn for another reason is not told that the provider is busy as well. */
    while (things.count > 0 && things.items[things.count - 1].kind == THING_NOT_ACTED &&
           things.items[things.count - 1].reason == REASON_PROVIDER_BUSY)
        things.count--;
    if (things.count > 0)
        note(w, p, "  left undone: %d/%s %s", (int)things.items[0].kind, reason_text(things.items[0].reason),
             things.items[0].text);
    PROMISE(things.count == 0, "something was left undone");
    PROMISE(view_due_at(&p->service, &w->model, &p->view, w->outlook) > w->now, "something is due and was not done");
    check_timers(w, p);
    check_votes(w, p);
    check_incidents(w, p);
    check_run(w, p);
}

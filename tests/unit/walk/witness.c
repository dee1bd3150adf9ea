/* What the witness of the walk knows, and the promises that hold at any moment. */
#include "tests/unit/walk/walk.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* ---- chance, the log, and the end -------------------------------------------------------------------------------- */

uint64_t chance(struct walk *w, uint64_t below)
{
    w->random += 0x9e3779b97f4a7c15U;
    uint64_t z = w->random;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return (z ^ (z >> 31)) % below;
}

bool is_lucky(struct walk *w, uint64_t percent)
{
    return chance(w, 100) < percent;
}

void note(struct walk *w, const struct protected *p, const char *format, ...)
{
    char *line = w->log[w->n_log++ % LOG_LINES];
    int len = snprintf(line, sizeof w->log[0], "%" PRId64 " %s: ", w->now - START_AT, p ? p->service.name : "all");
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line + len, sizeof w->log[0] - (size_t)len, format, args);
    va_end(args);
    for (const char *c = line; *c; c++)
        w->digest = (w->digest ^ (uint8_t)*c) * 0x100000001b3U;
}

static void tell(const struct walk *w, const struct protected *p)
{
    const struct truth *t = &p->truth;
    for (int site = 0; site < p->service.n_sites; site++) {
        char votes[N_VOTERS * 48] = "";
        for (int voter = 0; voter < N_VOTERS; voter++) {
            const struct vote_view *vote = view_vote_find(&p->view, site, voter);
            (void)snprintf(votes + strlen(votes), sizeof votes - strlen(votes), " %s(%d/%d)%s/%s",
                           model_voter_name(&w->model, voter), t->count[site][voter][VOTE_DOWN],
                           t->count[site][voter][VOTE_UP], vote_text(t->votes[site][voter]),
                           vote ? vote_text(vote->vote) : "-");
        }
        print_message("  %s:%s; quorum %d held since %" PRId64 ", hold timer %" PRId64 ", incident %d stands %d, %s\n",
                      p->sites[site].name, votes, t->has_quorum[site],
                      t->held_since[site] == NEVER ? NEVER : t->held_since[site] - START_AT,
                      p->view.sites[site].hold_due_at ? p->view.sites[site].hold_due_at - START_AT : 0,
                      p->view.sites[site].has_incident, p->view.sites[site].is_standing,
                      reason_text((enum reason)p->view.sites[site].last_reason));
    }
    print_message("  %s mode %s, votes %d, trusted %d, hold %" PRId64 "; active %s %d (view %s %d), run %d %s ours %d "
                  "effect %d cancelling %d\n",
                  p->service.name, mode_text(p->service.mode), p->service.votes, p->service.trusted_votes,
                  p->service.hold_ms, active_kind_text(t->active), t->site, active_kind_text(p->view.active),
                  p->view.active_site, t->has_run, run_state_text(t->run_state), t->is_ours, p->run.has_effect,
                  t->is_cancel_asked);
}

void broken(struct walk *w, const struct protected *p, const char *promise)
{
    for (int64_t i = w->n_log > LOG_LINES ? w->n_log - LOG_LINES : 0; i < w->n_log; i++)
        print_message("%s\n", w->log[i % LOG_LINES]);
    if (p)
        tell(w, p);
    fail_msg("seed %" PRIu64 ", event %" PRId64 ", %s: %s", w->seed, w->event, p ? p->service.name : "all", promise);
}

int64_t wall(const struct walk *w)
{
    return w->now + w->wall_offset;
}

/* ---- votes ------------------------------------------------------------------------------------------------------- */

static bool is_stale(const struct walk *w, int voter)
{
    int64_t after = voter < N_SOURCES ? w->rules[voter].stale_after_ms : 0;
    return after > 0 && w->now >= w->source_heard_at[voter] + after;
}

static bool is_beating(const struct walk *w, int voter)
{
    if (voter >= N_SOURCES || w->rules[voter].n_heartbeat == 0 || w->beat_at[voter] == 0)
        return false;
    return w->rules[voter].expires_ms == 0 || w->now < w->beat_at[voter] + w->rules[voter].expires_ms;
}

static enum vote vote_of(const struct walk *w, const struct protected *p, int site, int voter)
{
    const struct truth *t = &p->truth;
    int64_t expires = voter < N_SOURCES         ? w->rules[voter].expires_ms
                      : voter == VOTER_OPERATOR ? DAY_MS
                                                : 3 * (p->service.probe.every_ms + p->probe.timeout_ms);
    bool is_fresh = expires == 0 || w->now < t->heard_at[site][voter] + expires;
    if (is_stale(w, voter))
        return VOTE_UNKNOWN;
    if (t->count[site][voter][VOTE_DOWN] > 0)
        return is_fresh ? VOTE_DOWN : VOTE_UNKNOWN;
    if (t->count[site][voter][VOTE_UP] > 0 && is_fresh)
        return VOTE_UP;
    return is_beating(w, voter) && p->can_speak[site][voter] ? VOTE_UP : VOTE_UNKNOWN;
}

static int weight(const struct walk *w, int voter)
{
    return voter < N_SOURCES && w->rules[voter].weight > 0 ? w->rules[voter].weight : 1;
}

/* So many votes, and among them so many that somebody who only knows a URL cannot cast. */
bool quorum_without(const struct walk *w, const struct protected *p, int site, const bool *is_left_out)
{
    int n = 0;
    int n_trusted = 0;
    for (int voter = 0; voter < N_VOTERS; voter++) {
        if (p->truth.votes[site][voter] != VOTE_DOWN || (is_left_out && is_left_out[voter]))
            continue;
        n += weight(w, voter);
        if (voter >= N_SOURCES || w->trust[voter] != TRUST_OPEN)
            n_trusted += weight(w, voter);
    }
    bool is_probed = !p->service.probe.is_required ||
                     (p->truth.votes[site][VOTER_PROBE] == VOTE_DOWN && !(is_left_out && is_left_out[VOTER_PROBE]));
    return n >= p->service.votes && n_trusted >= p->service.trusted_votes && is_probed;
}

bool is_said_down(const struct protected *p, int site)
{
    for (int voter = 0; voter < N_VOTERS; voter++)
        if (p->truth.votes[site][voter] == VOTE_DOWN)
            return true;
    return false;
}

bool serves_at(const struct protected *p, int site)
{
    return p->truth.active == ACTIVE_SITE && p->truth.site == site;
}

static void watch_home(const struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    bool is_well =
        t->active == ACTIVE_SITE && t->site > 0 && t->votes[0][VOTER_PROBE] == VOTE_UP && !is_said_down(p, 0);
    if (!is_well) {
        t->well_since = NEVER;
        t->no_failback_until = NEVER;
    } else if (t->well_since == NEVER) {
        t->well_since = w->now;
    }
}

static void quorum_breaks(const struct walk *w, struct protected *p, int site)
{
    struct truth *t = &p->truth;
    t->held_since[site] = t->surely_since[site] = NEVER;
    if (t->has_quorum[site])
        return; /* the service has moved away */
    if (t->broke_at[site] == NEVER || w->now >= t->broke_at[site] + p->service.flap.within_ms)
        t->n_breaks[site] = t->n_sure_breaks[site] = 0;
    t->n_breaks[site]++;
    t->n_sure_breaks[site] += serves_at(p, site);
    t->broke_at[site] = w->now;
}

void watch(struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    for (int site = 0; site < p->service.n_sites; site++) {
        for (int voter = 0; voter < N_VOTERS; voter++) {
            t->votes[site][voter] = vote_of(w, p, site, voter);
            t->always_down[site][voter] &= t->votes[site][voter] == VOTE_DOWN;
            t->ever_down[site][voter] |= t->votes[site][voter] == VOTE_DOWN;
        }
        t->has_quorum[site] = quorum_without(w, p, site, NULL);
        bool is_leaving = t->active == ACTIVE_MOVING && t->leaves == site;
        bool stands = (serves_at(p, site) || (is_leaving && t->held_since[site] != NEVER)) && t->has_quorum[site];
        if (stands && t->held_since[site] == NEVER)
            t->held_since[site] = t->surely_since[site] = w->now;
        if (!stands && t->held_since[site] != NEVER)
            quorum_breaks(w, p, site);
        t->is_rejected[site] &= stands;
    }
    watch_home(w, p);
}

void refused(const struct walk *w, struct protected *p)
{
    struct truth *t = &p->truth;
    if (t->direction == DIRECTION_FAILBACK)
        t->no_failback_until = t->votes[0][VOTER_PROBE] == VOTE_UP && !is_said_down(p, 0) ? w->now + DAY_MS : NEVER;
    else
        t->is_rejected[t->leaves] |= p->journal.sites[t->leaves].is_standing;
}

static bool is_place_down(const struct walk *w, int place)
{
    for (int i = 0; i < N_SERVICES; i++)
        for (int site = 0; site < w->all[i].service.n_sites; site++)
            if (w->all[i].sites[site].place == place && w->all[i].truth.has_quorum[site])
                return true;
    return false;
}

bool is_remembered(const struct walk *w, int place)
{
    return w->down_at[place] != NEVER && w->now < w->down_at[place] + w->model.flood.within_ms;
}

void watch_places(struct walk *w)
{
    for (int place = 0; place < N_PLACES; place++) {
        bool is_down = is_place_down(w, place);
        bool is_known = w->was_down[place] || is_remembered(w, place);
        if (is_down && !is_known)
            w->began_at[place] = w->now;
        if (is_down || w->was_down[place])
            w->down_at[place] = w->now;
        if (w->was_down[place] && !is_down && w->surely_down_till[place] == INT64_MAX)
            w->surely_down_till[place] = w->now + w->model.flood.within_ms;
        w->was_down[place] = is_down;
    }
}

void watch_all(struct walk *w)
{
    for (int i = 0; i < N_SERVICES; i++)
        watch(w, &w->all[i]);
    watch_places(w);
}

void become(struct walk *w, struct protected *p, enum active_kind active, int site, bool is_afresh)
{
    struct truth *t = &p->truth;
    t->active = active;
    t->site = site;
    for (int i = 0; i < N_SITES; i++) {
        bool is_kept = !is_afresh && i == site;
        t->held_since[i] = is_kept ? t->held_since[i] : NEVER;
        t->surely_since[i] = is_kept && t->held_since[i] != NEVER ? w->now : NEVER;
        t->is_rejected[i] = is_kept && t->is_rejected[i];
    }
    watch(w, p);
}

int first_target(const struct protected *p)
{
    for (int site = 0; site < p->service.n_sites; site++)
        if (site != p->truth.site && !is_said_down(p, site) && p->truth.n_debts[site] == 0)
            return site;
    for (int site = 0; site < p->service.n_sites; site++)
        if (site != p->truth.site && !is_said_down(p, site))
            return site;
    return SITE_NONE;
}

/* ---- hold -------------------------------------------------------------------------------------------------------- */

/* Each break from the last one that counts on doubles it. */
static int64_t hold_after(const struct protected *p, int64_t n_breaks)
{
    const struct flap_rule *flap = &p->service.flap;
    int64_t hold = p->service.hold_ms;
    if (flap->changes == 0 || n_breaks < flap->changes)
        return hold;
    int64_t damped = hold > 1000 ? hold : 1000;
    for (int64_t i = flap->changes; i <= n_breaks; i++)
        damped = damped * 2 < flap->limit_ms ? damped * 2 : flap->limit_ms;
    return damped > hold ? damped : hold;
}

/* With all the damping that there can be. */
static int64_t longest_hold(const struct protected *p, int site)
{
    return hold_after(p, p->truth.n_breaks[site]);
}

/* With no more damping than is certain. */
static int64_t shortest_hold(const struct protected *p, int site)
{
    const struct truth *t = &p->truth;
    bool is_quiet = t->broke_at[site] == NEVER || t->held_since[site] >= t->broke_at[site] + p->service.flap.within_ms;
    return hold_after(p, is_quiet ? 0 : t->n_sure_breaks[site]);
}

bool has_held(const struct walk *w, const struct protected *p, int site)
{
    int64_t since = p->truth.held_since[site];
    return since != NEVER && w->now - since >= shortest_hold(p, site);
}

bool has_surely_held(const struct walk *w, const struct protected *p, int site)
{
    int64_t since = p->truth.surely_since[site];
    return since != NEVER && w->now - since >= longest_hold(p, site);
}

bool is_cooling_down(const struct walk *w, const struct protected *p)
{
    return p->truth.finished_at != NEVER && w->now < p->truth.finished_at + p->truth.cool_down_ms;
}

/* A random walk through decide() and run_next(), with what a careful witness keeps beside them: see walk/walk.h.
 *
 * TURNOUT_WALK_EVENTS sets the number of events in all (default 120,000: what a build with sanitizers does in some
 * seconds), TURNOUT_WALK_SEED the first seed. A failure names its seed and event; the same seed gives the same walk.
 * Here are the events; what they must not lead to is in walk/. */
#include "tests/unit/walk/walk.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what monitors say ------------------------------------------------------------------------------------------- */

static int64_t sender_time(struct walk *w)
{
    if (is_lucky(w, 5))
        return TIME_UNKNOWN;
    return w->now - (is_lucky(w, 60) ? 0 : (int64_t)chance(w, 1000000)) + 7200000;
}

/* A delivery of the source came in. */
static void source_heard(struct walk *w, int source, bool is_beat)
{
    w->source_heard_at[source] = w->now;
    if (is_beat)
        w->beat_at[source] = w->now;
    outlook_hear(w->outlook, source, is_beat, w->now);
    struct record *r = record(w, RECORD_SOURCE);
    r->voter = source;
    r->is_beat = is_beat;
}

/* One alert more, or one less, of the voter says so. */
static void says(struct walk *w, struct protected *p, int site, int voter, enum vote vote, int delta)
{
    p->truth.count[site][voter][vote] += delta;
    if (delta > 0)
        p->truth.heard_at[site][voter] = w->now; /* one that ceases says nothing of the others */
    const struct event event = {.kind = EVENT_ALERT, .site = site, .voter = voter, .says = vote, .delta = delta};
    deliver(w, p, &event);
}

static void hears(struct walk *w, struct protected *p, int site, int voter)
{
    p->truth.heard_at[site][voter] = w->now;
    struct record *r = record(w, RECORD_HEAR);
    r->service = (int)(p - w->all);
    r->site = site;
    r->voter = voter;
    bool is_news = view_hear(&p->view, site, voter, w->now);
    journal_heard(w, p, site, voter, false);
    if (is_news)
        deliver(w, p, &(struct event){.kind = EVENT_HEARD, .site = site, .voter = voter});
}

static enum vote meaning(const struct alert_row *row)
{
    if (!row->exists)
        return VOTE_UNKNOWN;
    return row->state == ALERT_FIRING ? VOTE_DOWN : row->state == ALERT_UP ? VOTE_UP : VOTE_UNKNOWN;
}

static enum alert_state any_state(struct walk *w, bool is_bad)
{
    uint64_t dice = chance(w, 100);
    if (dice < 4)
        return ALERT_UNKNOWN;
    if (dice < (is_bad ? 85U : 8U))
        return ALERT_FIRING;
    return dice % 3 == 0 ? ALERT_UP : ALERT_RESOLVED;
}

/* A delivery: often a repeat, a twin's or a late one. Only a change of the row is an event. */
static void any_alert(struct walk *w, struct protected *p)
{
    int site = p->truth.active == ACTIVE_SITE && is_lucky(w, 60) ? p->truth.site
                                                                 : (int)chance(w, (uint64_t)p->service.n_sites);
    int source = (int)chance(w, N_SOURCES);
    if (!p->can_speak[site][source])
        return;
    struct alert_row *row = &p->truth.alerts[site][source][chance(w, N_ALERTS)];
    struct alert said = {.state = any_state(w, w->is_bad[p->sites[site].place]),
                         .starts_at = sender_time(w),
                         .ends_at = TIME_UNKNOWN,
                         .asserted_at = TIME_UNKNOWN};
    if (said.state == ALERT_RESOLVED)
        said.ends_at = sender_time(w);
    const struct alert_row before = *row;
    enum alert_verdict verdict = alert_take(&before, &said, wall(w), row);
    PROMISE(verdict == ALERT_VERDICT_NEW || row->state == before.state, "no news, and the alert changed");
    PROMISE(verdict != ALERT_VERDICT_NEW || !before.exists || row->state != before.state, "news of nothing");
    source_heard(w, source, false);
    enum vote was = meaning(&before);
    enum vote is = meaning(row);
    if (was != is && was != VOTE_UNKNOWN)
        says(w, p, site, source, was, -1);
    if (was != is && is != VOTE_UNKNOWN)
        says(w, p, site, source, is, 1);
    if (was == is && is != VOTE_UNKNOWN && verdict == ALERT_VERDICT_DUPLICATE)
        hears(w, p, site, source);
}

/* A monitor says once more all that it said, or only that it is there. */
static void any_repeats(struct walk *w)
{
    int source = (int)chance(w, N_SOURCES);
    bool has_beat = w->rules[source].n_heartbeat > 0;
    if (has_beat && is_lucky(w, 10)) {
        w->beat_at[source] = 0;
        outlook_beat_ends(w->outlook, source);
        record(w, RECORD_BEAT_ENDS)->voter = source;
        return;
    }
    source_heard(w, source, has_beat && is_lucky(w, 70));
    for (int i = 0; i < N_SERVICES && is_lucky(w, 90); i++)
        for (int site = 0; site < w->all[i].service.n_sites; site++) {
            const int *count = w->all[i].truth.count[site][source];
            if (count[VOTE_DOWN] + count[VOTE_UP] > 0)
                hears(w, &w->all[i], site, source);
        }
}

/* What a voter of ours says of a site, in place of what it said before. */
void our_word(struct walk *w, struct protected *p, int site, int voter, enum vote vote)
{
    int *count = p->truth.count[site][voter];
    enum vote was = count[VOTE_DOWN] ? VOTE_DOWN : count[VOTE_UP] ? VOTE_UP : VOTE_UNKNOWN;
    if (was != vote && was != VOTE_UNKNOWN)
        says(w, p, site, voter, was, -1);
    if (was != vote && vote != VOTE_UNKNOWN)
        says(w, p, site, voter, vote, 1);
    if (was == vote && vote != VOTE_UNKNOWN)
        hears(w, p, site, voter);
}

static void any_probes(struct walk *w, struct protected *p)
{
    for (int site = 0; p->service.probe.check && site < p->service.n_sites; site++) {
        bool is_bad = w->is_bad[p->sites[site].place];
        if (is_lucky(w, 85))
            our_word(w, p, site, VOTER_PROBE,
                     is_lucky(w, 3)                 ? VOTE_UNKNOWN
                     : is_lucky(w, is_bad ? 90 : 2) ? VOTE_DOWN
                                                    : VOTE_UP);
    }
}

/* While time passes our own checks go on, and mostly find what they found before. */
static void probes_go_on(struct walk *w)
{
    for (int i = 0; i < N_SERVICES; i++) {
        struct protected *p = &w->all[i];
        for (int site = 0; p->service.probe.check && is_lucky(w, 80) && site < p->service.n_sites; site++)
            if (p->truth.count[site][VOTER_PROBE][VOTE_DOWN] + p->truth.count[site][VOTER_PROBE][VOTE_UP] > 0)
                hears(w, p, site, VOTER_PROBE);
    }
}

/* ---- the world around -------------------------------------------------------------------------------------------- */

static void any_observation(struct walk *w, struct protected *p)
{
    struct event event = {.kind = EVENT_OBSERVED, .site = (int)chance(w, (uint64_t)p->service.n_sites + 1) - 1};
    if (p->truth.active == ACTIVE_UNKNOWN && !p->truth.has_run && event.site >= 0)
        become(w, p, ACTIVE_SITE, event.site, true);
    deliver(w, p, &event);
}

/* An earlier run's debts at a site come, or are done: most sites have none. */
static void any_debts(struct walk *w, struct protected *p)
{
    int site = (int)chance(w, (uint64_t)p->service.n_sites);
    p->truth.n_debts[site] = is_lucky(w, 20) ? 1 + (int)chance(w, 3) : 0;
    deliver(w, p, &(struct event){.kind = EVENT_DEBTS, .site = site, .delta = p->truth.n_debts[site]});
}

/* Cut off or not, the kill switch, trouble somewhere, and a wall clock that is put an hour on or back. */
static void something_outside(struct walk *w)
{
    uint64_t dice = chance(w, 100);
    if (dice < 60) {
        for (int i = 0; i < N_PLACES; i++)
            w->is_bad[i] = is_lucky(w, 4);
        w->is_bad[chance(w, N_PLACES)] = is_lucky(w, 80);
        return;
    }
    if (dice < 70) {
        w->wall_offset += is_lucky(w, 50) ? 3600000 : -3600000;
        note(w, NULL, "the wall clock jumps");
    } else if (dice < 85) {
        w->is_cut_off = !w->is_cut_off && is_lucky(w, 20);
    } else {
        w->is_killed = !w->is_killed && is_lucky(w, 20);
    }
    w->outlook->wall = wall(w);
    w->outlook->wall_at = w->now;
    w->outlook->is_cut_off = w->is_cut_off;
    w->outlook->is_killed = w->is_killed;
    w->outlook->generation++;
    struct record *r = record(w, RECORD_OUTSIDE);
    r->is_cut_off = w->is_cut_off;
    r->is_killed = w->is_killed;
}

/* What was not written yet is lost in a crash. */
static void lose_or_save(struct walk *w, struct protected *p, bool is_clean)
{
    p->truth.is_withdrawn &= !p->journal.is_persons_cancel; /* whoever came first is written down */
    for (int site = 0; site < p->service.n_sites; site++)
        for (int voter = 0; voter < N_VOTERS; voter++) {
            if (is_clean)
                journal_heard(w, p, site, voter, true);
            if (p->journal.has_vote[site][voter])
                p->truth.heard_at[site][voter] = p->journal.votes[site][voter].heard_at;
        }
}

/* The process ends, and another one reads the journal: what was under way is lost. */
static void restart(struct walk *w)
{
    bool is_clean = is_lucky(w, 50);
    w->n_restarts++;
    check_replay(w);
    note(w, NULL, "restart");
    for (int i = 0; i < N_SERVICES; i++)
        lose_or_save(w, &w->all[i], is_clean);
    w->now += is_lucky(w, 50) ? 0 : (int64_t)chance(w, 400000);
    for (int i = 0; i < N_SOURCES; i++)
        w->source_heard_at[i] = w->now;
    for (int i = 0; i < N_PLACES; i++) {
        /* What was down has gone down at once, and what was remembered is forgotten. */
        w->began_at[i] = w->down_at[i] = w->was_down[i] ? w->now : NEVER;
        w->surely_down_till[i] = w->was_down[i] ? INT64_MAX : NEVER;
    }
    watch_all(w);
    for (int i = 0; i < N_SERVICES; i++)
        view_read(&w->all[i], &w->all[i].view);
    outlook_make(w);
    for (int i = 0; i < N_SERVICES; i++)
        deliver(w, &w->all[w->by_priority[i]], &(struct event){.kind = EVENT_START, .site = SITE_NONE});
    for (int i = 0; i < N_SERVICES; i++)
        run_taken_up(w, &w->all[i]);
}

/* To a moment in which something may be due, just before or behind it, or anywhere. */
static void time_passes(struct walk *w)
{
    const struct protected *p = &w->all[chance(w, N_SERVICES)];
    uint64_t dice = chance(w, 100);
    int64_t to = w->now + (int64_t)chance(w, 2000);
    if (dice < 40)
        to = view_due_at(&p->service, &w->model, &p->view, w->outlook);
    else if (dice < 50)
        to = p->view.sites[chance(w, (uint64_t)p->service.n_sites)].hold_due_at;
    else if (dice < 72 && p->truth.has_run && p->run.current < p->run.n_steps)
        to = p->step_runs[p->run.current].next_at;
    else if (dice < 75)
        to = w->outlook_due_at;
    else if (dice < 77)
        to = w->now + (int64_t)chance(w, 4000000);
    if (to == INT64_MAX || (to > w->now + 3600000 && is_lucky(w, 95)))
        to = w->now + (int64_t)chance(w, 60000);
    else
        to += (int64_t)chance(w, 3) - 1;
    bool is_long = to > w->now + 15000;
    if (to > w->now)
        w->now = to;
    if (is_long && is_lucky(w, 70))
        probes_go_on(w);
}

/* One that something is to be done about, more often than not. */
static struct protected *any_service(struct walk *w, bool has_run)
{
    struct protected *p = &w->all[chance(w, N_SERVICES)];
    for (int i = 0; has_run && i < N_SERVICES && !p->truth.has_run; i++)
        p = &w->all[(p - w->all + 1) % N_SERVICES];
    return p;
}

/* What comes next for a run: a result, its next attempt's time, or a person. */
static void any_progress(struct walk *w, struct protected *p)
{
    const struct truth *t = &p->truth;
    if (!t->has_run) {
        any_alert(w, p);
    } else if (t->run_state == RUN_WAITING && is_lucky(w, 40)) {
        any_answer(w, p);
    } else if (t->run_state == RUN_ATTENTION && is_lucky(w, 60)) {
        run_call(w, p);
    } else {
        bool is_waiting = t->run_state == RUN_RUNNING && p->run.current < p->run.n_steps && is_lucky(w, 70);
        int64_t next_at = is_waiting ? p->step_runs[p->run.current].next_at : 0;
        w->now = next_at > w->now ? next_at : w->now;
        run_goes_on(w, p);
    }
}

static void event(struct walk *w)
{
    uint64_t dice = chance(w, 1000);
    struct protected *p = any_service(w, dice >= 460 && dice < 860);
    if (dice < 170)
        time_passes(w);
    else if (dice < 360)
        any_alert(w, p);
    else if (dice < 400)
        any_repeats(w);
    else if (dice < 460)
        any_probes(w, p);
    else if (dice < 840)
        any_progress(w, p);
    else if (dice < 860)
        run_call(w, p);
    else if (dice < 890)
        any_observation(w, p);
    else if (dice < 960)
        any_operator_call(w, p);
    else if (dice < 970)
        any_debts(w, p);
    else if (dice < 996)
        something_outside(w);
    else
        restart(w);
}

/* Mostly what is due is done before anything else happens, as when the daemon has nothing else to do. */
static void step(struct walk *w)
{
    event(w);
    if (is_lucky(w, 10))
        event(w);
    come_to_rest(w);
    note_level(w);
    /* What nothing has happened to is looked at less often. */
    w->all[chance(w, N_SERVICES)].is_touched = true;
    for (int i = 0; i < N_SERVICES; i++) {
        struct protected *p = &w->all[i];
        if (!p->is_touched)
            continue;
        check_level(w, p);
        check_journal(w, p);
        p->is_touched = false;
    }
}

/* ---- the whole walk ---------------------------------------------------------------------------------------------- */

static void walk(struct walk *w, uint64_t seed, int64_t n_events)
{
    walk_make(w, seed);
    for (w->event = 0; w->event < n_events; w->event++)
        step(w);
    check_replay(w);
    walk_done(w);
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text && text[0] ? strtoull(text, NULL, 10) : otherwise;
}

static void print_walk(const struct walk *w)
{
    print_message("seed %" PRIu64 ": %" PRId64 " events, %" PRId64 " runs (%" PRId64 " by themselves, %" PRId64
                  " of them failbacks, %" PRId64 " approved, %" PRId64 " withdrawn, %" PRId64 " halted, %" PRId64
                  " succeeded, %" PRId64 " failed, %" PRId64 " undone, %" PRId64 " split), %" PRId64
                  " refusals, %" PRId64 " restarts, %" PRId64 " calls made again, %d things at most; kept back by",
                  w->seed, w->event, w->n_runs, w->n_automatic, w->n_failbacks, w->n_approved, w->n_withdrawn,
                  w->n_halted, w->n_succeeded, w->n_failed, w->n_undone, w->n_splits, w->n_refused, w->n_restarts,
                  w->n_replayed, w->most_things);
    for (int i = 0; i <= REASON_UNKNOWN_FROM; i++)
        if (w->n_kept[i] > 0)
            print_message(" %s %" PRId64, reason_text((enum reason)i), w->n_kept[i]);
    print_message("\n");
}

#define N_SEEDS 6

static struct walk the_walk;

static void the_promises_hold(void **state)
{
    (void)state;
    struct walk *w = &the_walk;
    uint64_t seed = number_from("TURNOUT_WALK_SEED", 1);
    int64_t n_events = (int64_t)number_from("TURNOUT_WALK_EVENTS", 120000);
    struct {
        int64_t n_automatic, n_failbacks, n_approved, n_withdrawn, n_halted, n_succeeded, n_splits, n_failed, n_undone;
    } sum = {0};
    for (uint64_t i = 0; i < N_SEEDS; i++) {
        walk(w, seed + i, n_events / N_SEEDS);
        print_walk(w);
        sum.n_automatic += w->n_automatic;
        sum.n_failbacks += w->n_failbacks;
        sum.n_approved += w->n_approved;
        sum.n_withdrawn += w->n_withdrawn;
        sum.n_halted += w->n_halted;
        sum.n_succeeded += w->n_succeeded;
        sum.n_splits += w->n_splits;
        sum.n_failed += w->n_failed;
        sum.n_undone += w->n_undone;
    }
    /* A walk that never gets anywhere proves nothing. */
    if (n_events >= 100000)
        assert_true(sum.n_automatic > 100 && sum.n_failbacks > 20 && sum.n_approved > 20 && sum.n_withdrawn > 50 &&
                    sum.n_halted > 5 && sum.n_succeeded > 200 && sum.n_splits > 50 && sum.n_failed > 20 &&
                    sum.n_undone > 5);
}

static void the_same_seed_gives_the_same_log(void **state)
{
    (void)state;
    struct walk *w = &the_walk;
    walk(w, 42, 5000);
    uint64_t digest = w->digest;
    walk(w, 42, 5000);
    assert_true(digest == w->digest);
    walk(w, 43, 5000);
    assert_true(digest != w->digest);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_promises_hold),
        cmocka_unit_test(the_same_seed_gives_the_same_log),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

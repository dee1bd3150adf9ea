/* The walk's journal: what the store would hold, written from things as they come, and read back into memory; and the
 * record of every call, from which the same state comes again. */
#include "tests/unit/walk/walk.h"

#include <stdlib.h>

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static void journal_timer(struct journal *j, const struct thing *thing)
{
    int64_t at = thing->kind == THING_TIMER_SET ? thing->at : 0;
    switch (thing->timer) {
    case TIMER_HOLD:
        j->sites[thing->site].hold_due_at = at;
        break;
    case TIMER_FLAP:
        j->sites[thing->site].flap_until = at;
        j->sites[thing->site].n_breaks = at ? thing->count : 0;
        break;
    case TIMER_COOL_DOWN:
        j->cool_down_until = at;
        break;
    case TIMER_SETTLE:
        j->settle_until = at;
        break;
    case TIMER_APPROVAL:
        j->approval_due_at = at;
        break;
    case TIMER_REMIND:
        j->remind_at = at;
        break;
    case TIMER_FAILBACK:
        j->failback_due_at = at;
        break;
    }
}

static void journal_incident(struct site_view *site, bool is_there, bool is_standing)
{
    if (site->has_incident != is_there || (is_standing && !site->is_standing))
        site->last_reason = REASON_NONE;
    site->has_incident = is_there;
    site->is_standing = is_standing;
}

static void journal_vote(struct journal *j, const struct thing *thing)
{
    struct vote_view *vote = &j->votes[thing->site][thing->voter];
    j->has_vote[thing->site][thing->voter] = true;
    vote->site = thing->site;
    vote->voter = thing->voter;
    if (thing->kind == THING_VOTE) {
        vote->vote = thing->vote;
        return;
    }
    *(thing->vote == VOTE_UP ? &vote->up : &vote->down) = thing->count;
    vote->heard_at = thing->at;
}

void journal_thing(struct protected *p, const struct thing *thing)
{
    struct journal *j = &p->journal;
    switch (thing->kind) {
    case THING_COUNT:
    case THING_VOTE:
        journal_vote(j, thing);
        break;
    case THING_TIMER_SET:
    case THING_TIMER_CLEAR:
        journal_timer(j, thing);
        break;
    case THING_INCIDENT_OPEN:
        journal_incident(&j->sites[thing->site], true, false);
        break;
    case THING_INCIDENT_STANDING:
        journal_incident(&j->sites[thing->site], true, thing->flag);
        break;
    case THING_INCIDENT_RESOLVED:
        journal_incident(&j->sites[thing->site], false, false);
        break;
    case THING_NOT_ACTED:
        if (thing->site >= 0)
            j->sites[thing->site].last_reason = (int)thing->reason;
        break;
    case THING_ACTIVE:
        j->active = thing->active;
        j->active_site = thing->site;
        break;
    case THING_RUN_START:
        if (thing->from >= 0) /* the incident's row is written with it */
            j->sites[thing->from].last_reason = p->view.sites[thing->from].last_reason;
        break;
    case THING_DEBTS:
        j->sites[thing->site].n_debts = thing->count;
        break;
    case THING_PAUSED:
        j->is_paused = thing->flag;
        break;
    case THING_RUN_APPROVED:
        j->overrides |= thing->overrides;
        break;
    case THING_RUN_STATE: /* the run's row says these */
    case THING_RUN_CANCEL:
    case THING_RUN_GOES:
    case THING_RUN_HALT:
    case THING_REMIND:
    case THING_NOTICE:
    case THING_REFUSED:
        break;
    }
}

void journal_heard(struct walk *w, struct protected *p, int site, int voter, bool is_at_once)
{
    const struct vote_view *heard = view_vote_find(&p->view, site, voter);
    struct vote_view *vote = &p->journal.votes[site][voter];
    if (heard && (is_at_once || w->now - vote->heard_at >= SAVE_HEARD_MS))
        vote->heard_at = heard->heard_at;
}

void view_read(const struct protected *p, struct service_view *view)
{
    const struct journal *j = &p->journal;
    service_view_init(view);
    for (int site = 0; site < p->service.n_sites; site++) {
        for (int voter = 0; voter < N_VOTERS; voter++) {
            struct vote_view *vote = j->has_vote[site][voter] ? view_vote_get(view, site, voter) : NULL;
            if (vote)
                *vote = j->votes[site][voter];
        }
        view->sites[site] = j->sites[site];
    }
    view->is_paused = j->is_paused;
    view->cool_down_until = j->cool_down_until;
    view->settle_until = j->settle_until;
    view->approval_due_at = j->approval_due_at;
    view->remind_at = j->remind_at;
    view->failback_due_at = j->failback_due_at;
    view->active = j->active;
    view->active_site = j->active == ACTIVE_SITE || j->active == ACTIVE_MOVING ? j->active_site : SITE_NONE;
    if (!j->has_run)
        return;
    view->has_run = true;
    view->run_state = j->run.state;
    view->run_direction = j->run.direction;
    view->run_occasion = j->occasion;
    view->run_is_ours = j->is_ours;
    view->run_from = j->run.from;
    view->run_to = j->run.to;
    view->run_has_effect = j->run.has_effect;
    view->run_is_cancelling = j->run.ending == ENDING_CANCEL && !j->is_persons_cancel;
    view->run_overrides = j->overrides;
}

/* ---- the same? --------------------------------------------------------------------------------------------------- */

static bool is_same_vote(const struct service_view *a, const struct service_view *b, bool is_exact)
{
    for (int i = 0; i < a->n_votes; i++) {
        const struct vote_view *x = &a->votes[i];
        const struct vote_view *y = view_vote_find(b, x->site, x->voter);
        if (!y || x->down != y->down || x->up != y->up || x->vote != y->vote)
            return false;
        if (is_exact ? x->heard_at != y->heard_at : x->heard_at - y->heard_at >= SAVE_HEARD_MS)
            return false;
    }
    return a->n_votes == b->n_votes;
}

/* All of it but, where it is not exact, what is written late: repeats. */
static bool is_same_view(const struct service_view *a, const struct service_view *b, bool is_exact)
{
    for (int i = 0; i < N_SITES; i++) {
        const struct site_view *x = &a->sites[i];
        const struct site_view *y = &b->sites[i];
        if (x->hold_due_at != y->hold_due_at || x->n_breaks != y->n_breaks || x->flap_until != y->flap_until ||
            x->has_incident != y->has_incident || x->is_standing != y->is_standing || x->last_reason != y->last_reason)
            return false;
    }
    return is_same_vote(a, b, is_exact) && a->active == b->active && a->active_site == b->active_site &&
           a->is_paused == b->is_paused && a->cool_down_until == b->cool_down_until &&
           a->settle_until == b->settle_until && a->approval_due_at == b->approval_due_at &&
           a->remind_at == b->remind_at && a->failback_due_at == b->failback_due_at && a->has_run == b->has_run &&
           a->run_state == b->run_state && a->run_direction == b->run_direction && a->run_occasion == b->run_occasion &&
           a->run_from == b->run_from && a->run_to == b->run_to && a->run_is_ours == b->run_is_ours &&
           a->run_has_effect == b->run_has_effect && a->run_overrides == b->run_overrides &&
           (!is_exact || (a->run_is_cancelling == b->run_is_cancelling && a->failback_reason == b->failback_reason));
}

static bool is_same_step(const struct step_run *a, const struct step_run *b)
{
    return a->state == b->state && a->phase == b->phase && a->began_at == b->began_at && a->next_at == b->next_at &&
           a->tries == b->tries && a->has_applied == b->has_applied && a->has_unknown_apply == b->has_unknown_apply &&
           a->n_attempts == b->n_attempts && a->is_undoing == b->is_undoing;
}

void check_journal(struct walk *w, struct protected *p)
{
    struct service_view view;
    view_read(p, &view);
    PROMISE(is_same_view(&p->view, &view, false), "what is read from the journal is not what memory says");
    if (!p->journal.has_run)
        return;
    PROMISE(p->run.current == p->journal.run.current && p->run.has_effect == p->journal.run.has_effect &&
                p->run.ending == p->journal.run.ending,
            "the run in the journal is not the run in memory");
    for (int i = 0; i < p->run.n_steps; i++)
        PROMISE(is_same_step(&p->step_runs[i], &p->journal.steps[i]), "a step changed and nobody was told");
}

/* ---- the outlook, and making every call again -------------------------------------------------------------------- */

static struct outlook *outlook_from(const struct model *model, const struct service_view *const *views,
                                    const struct beginning *b)
{
    struct outlook *outlook = outlook_new(model, views);
    if (!outlook)
        fail_msg("out of memory");
    outlook->wall = b->wall;
    outlook->wall_at = b->now;
    outlook->is_cut_off = b->is_cut_off;
    outlook->is_killed = b->is_killed;
    memcpy(outlook->sources, b->sources, sizeof b->sources);
    for (int i = 0; i < N_SERVICES; i++)
        outlook_take(outlook, i, b->now);
    return outlook;
}

void outlook_make(struct walk *w)
{
    struct beginning *b = &w->beginning;
    *b = (struct beginning){.now = w->now, .wall = wall(w), .is_cut_off = w->is_cut_off, .is_killed = w->is_killed};
    for (int i = 0; i < N_SERVICES; i++)
        b->views[i] = w->all[i].view;
    for (int i = 0; i < N_SOURCES; i++)
        b->sources[i] = (struct source_outlook){.heard_at = w->source_heard_at[i], .beat_at = w->beat_at[i]};
    outlook_free(w->outlook);
    w->outlook = outlook_from(&w->model, w->views, b);
    w->generation = w->outlook->generation;
    w->outlook_due_at = outlook_due_at(w->outlook, w->now);
    w->n_records = 0;
}

struct record *record(struct walk *w, enum record_kind kind)
{
    static struct record none; /* a walk of thousands of steps without a restart: its end is not made again */
    struct record *record = w->n_records < MAX_RECORDS ? &w->records[w->n_records++] : &none;
    *record = (struct record){.kind = kind, .now = w->now, .wall = wall(w)};
    return record;
}

uint64_t digest_of(const struct things *things)
{
    uint64_t digest = 0xcbf29ce484222325U;
    for (int i = 0; i < things->count; i++)
        for (const char *c = things->items[i].text; *c; c++)
            digest = (digest ^ (uint8_t)*c ^ ((uint64_t)things->items[i].kind << 8)) * 0x100000001b3U;
    return digest;
}

static void make_again(struct walk *w, struct service_view *views, struct outlook *outlook, const struct record *r)
{
    struct protected *p = &w->all[r->service];
    struct things things;
    outlook->wall = r->wall;
    outlook->wall_at = r->now;
    switch (r->kind) {
    case RECORD_DECIDE:
        decide(&w->services[r->service], &w->model, &views[r->service], outlook, &r->event, r->now, &things);
        PROMISE(digest_of(&things) == r->answer, "the same events lead to something else");
        for (int i = 0; i < things.count; i++)
            view_apply(&views[r->service], &things.items[i]);
        outlook_take(outlook, r->service, r->now);
        break;
    case RECORD_HEAR:
        (void)view_hear(&views[r->service], r->site, r->voter, r->now);
        break;
    case RECORD_SOURCE:
        outlook_hear(outlook, r->voter, r->is_beat, r->now);
        break;
    case RECORD_BEAT_ENDS:
        outlook_beat_ends(outlook, r->voter);
        break;
    case RECORD_OUTSIDE:
        outlook->is_cut_off = r->is_cut_off;
        outlook->is_killed = r->is_killed;
        break;
    }
}

void check_replay(struct walk *w)
{
    AUTO_FREE struct service_view *views = malloc(sizeof w->beginning.views);
    const struct service_view *pointers[N_SERVICES];
    memcpy(views, w->beginning.views, sizeof w->beginning.views);
    for (int i = 0; i < N_SERVICES; i++)
        pointers[i] = &views[i];
    struct outlook *outlook = outlook_from(&w->model, pointers, &w->beginning);
    for (int i = 0; i < w->n_records; i++)
        make_again(w, views, outlook, &w->records[i]);
    outlook_free(outlook);
    w->n_replayed += w->n_records;
    for (int i = 0; i < N_SERVICES && w->n_records < MAX_RECORDS; i++) {
        const struct protected *p = &w->all[i];
        PROMISE(is_same_view(&views[i], &p->view, true), "the same events lead to another state");
    }
}

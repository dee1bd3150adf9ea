/* Runs beside the service's own: those that are over and not at rest, since steps of them are owed or measured, and
 * drills. They tell the service's decision nothing but how many debts stand at which site.
 *
 * A run leaves the list at the end of the batch in which it comes to rest, for others may be walking along it. Nothing
 * here starts a run of the service. */
#include "base/log.h"
#include "orchestrator/internal.h"

#include <stdlib.h>

void run_retire(struct orchestrator *o, int service)
{
    struct service_state *state = &o->world->services[service];
    struct live_run *live = state->run;
    state->run = NULL;
    if (run_is_at_rest(&live->run)) {
        live_run_free(live);
        return;
    }
    live->next = state->others;
    state->others = live;
    due_at(o, run_due_at(&live->run));
}

static bool has_ended(const struct run_moves *moves)
{
    for (int i = 0; i < moves->count; i++)
        if (moves->items[i].kind == RUN_MOVE_STATE && run_state_is_final(moves->items[i].run_state))
            return true;
    return false;
}

void run_over_moved(struct orchestrator *o, struct live_run *live, const struct run_moves *moves,
                    const struct cause *cause)
{
    if (live->occasion == OCCASION_DRILL && has_ended(moves))
        drill_ended(o, live, cause);
    if (run_is_at_rest(&live->run))
        live->is_gone = o->world->has_gone = true;
    if (live->occasion != OCCASION_DRILL)
        debts_tell(o, live->run.service, cause);
    /* A debt's way was decided with its run, and a drill touches nothing that a guard protects. The kill switch is
     * looked at with each effect. */
    if (!live->is_gone && live->run.is_at_point)
        run_event(o, live, &(struct run_event){.kind = RUN_EVENT_GOES, .retry_after_ms = -1}, cause);
}

void runs_are_past(struct orchestrator *o, int service, const struct cause *cause)
{
    for (struct live_run *live = o->world->services[service].others; live; live = live->next) {
        if (live->is_gone)
            continue;
        if (live->occasion == OCCASION_DRILL) {
            live_run_cancel(o, live, "a run of the service begins: the drill makes way",
                            &(struct cause){.who = "turnout"});
            continue;
        }
        run_event(o, live,
                  &(struct run_event){
                      .kind = RUN_EVENT_PAST, .retry_after_ms = -1, .text = "another run of the service has begun"},
                  cause);
    }
}

/* ---- debts ------------------------------------------------------------------------------------------------------- */

/* Where it was not known what the run left, they may be anywhere but where it went. */
static int debts_of(const struct live_run *live, int site)
{
    if (!live || live->is_gone || live->occasion == OCCASION_DRILL)
        return 0;
    bool is_from_unknown = live->from[0] == '\0';
    bool is_there = is_from_unknown ? live->run.to != site : live->run.from == site;
    return is_there ? run_n_debts(&live->run) : 0;
}

int debts_at(const struct service_state *state, int site)
{
    int n = debts_of(state->run, site);
    for (const struct live_run *live = state->others; live; live = live->next)
        n += debts_of(live, site);
    return n;
}

void debts_tell(struct orchestrator *o, int service, const struct cause *cause)
{
    struct service_state *state = &o->world->services[service];
    for (int site = 0; site < o->settings.model->services[service].n_sites; site++) {
        int n = debts_at(state, site);
        if (n == state->view.sites[site].n_debts)
            continue;
        service_event(o, service, &(struct event){.kind = EVENT_DEBTS, .site = site, .delta = n}, cause);
    }
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void sweep(struct service_state *state)
{
    struct live_run **slot = &state->others;
    while (*slot) {
        struct live_run *live = *slot;
        if (!live->is_gone) {
            slot = &live->next;
            continue;
        }
        *slot = live->next;
        live_run_free(live);
    }
}

void runs_sweep(struct orchestrator *o)
{
    if (!o->world->has_gone)
        return;
    for (int i = 0; i < o->world->n_services; i++)
        sweep(&o->world->services[i]);
    o->world->has_gone = false;
}

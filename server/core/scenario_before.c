/* BEFORE: what is known when a scenario begins, in the words in which EXPECT state asks for it. Each line becomes the
 * thing that would have brought it about. */
#include "core/scenario_internal.h"

#include <stdlib.h>
#include <string.h>

static void add(struct reader *r, struct scenario_case *scase, const struct before *before)
{
    if (r->is_failed)
        return;
    if (scase->n_before == scase->room_before) {
        size_t room = scase->room_before ? 2 * scase->room_before : 8;
        struct before *grown = realloc(scase->before, room * sizeof *grown);
        if (!grown) {
            r->is_broken = true;
            return;
        }
        scase->before = grown;
        scase->room_before = room;
    }
    scase->before[scase->n_before++] = *before;
}

static void read_active(struct reader *r, const struct service *service, struct thing *thing)
{
    thing->kind = THING_ACTIVE;
    thing->site = SITE_NONE;
    if (reader_is(r, "unknown")) {
        thing->active = ACTIVE_UNKNOWN;
    } else if (reader_is(r, "split")) {
        thing->active = ACTIVE_SPLIT;
    } else {
        thing->active = ACTIVE_SITE;
        thing->site = reader_site(r, service);
    }
}

static void read_vote(struct reader *r, const struct model *model, const struct service *service, struct thing *thing)
{
    thing->site = reader_site(r, service);
    thing->voter = reader_voter(r, model);
    thing->vote = VOTE_DOWN;
    thing->count = 1;
    if (reader_is(r, "up"))
        thing->vote = VOTE_UP;
    else if (!reader_is(r, "down")) {
        (void)reader_next(r);
        reader_fail(r, "%.64s; down or up would be right", r->word);
    }
    while (reader_next(r)) {
        if (strcmp(r->word, "heard") == 0)
            thing->at = reader_duration(r, "5m");
        else if (strcmp(r->word, "alerts") == 0)
            thing->count = reader_number(r, 1, 1000000, "a number of alerts");
        else if (strcmp(r->word, "expired") == 0)
            thing->flag = true;
        else if (strcmp(r->word, "ago") != 0)
            reader_fail(r, "%.64s; heard TIME ago, alerts N or expired would be right", r->word);
    }
}

static void read_timer(struct reader *r, const struct service *service, struct thing *thing)
{
    thing->kind = THING_TIMER_SET;
    thing->site = SITE_NONE;
    if (!reader_need(r, "hold, flap, cool_down, settle, approval, remind or failback"))
        return;
    if (!timer_kind_parse(r->word, &thing->timer)) {
        reader_fail(r, "%.64s is no timer; hold, flap, cool_down, settle, approval, remind or failback would be right",
                    r->word);
        return;
    }
    if (thing->timer == TIMER_HOLD || thing->timer == TIMER_FLAP)
        thing->site = reader_site(r, service);
    thing->at = reader_duration(r, "the time that is left, such as 20s");
    if (thing->timer == TIMER_FLAP && reader_is(r, "breaks"))
        thing->count = reader_number(r, 1, 1000000, "a number of breaks");
}

/* `failover from gra to rbx running [planned] [effect] [by_operator]`; flag: it is ours; count: it has had an effect.
 */
static void read_run(struct reader *r, const struct service *service, struct thing *thing)
{
    *thing = (struct thing){.kind = THING_RUN_START, .from = SITE_NONE, .flag = true, .run_state = RUN_RUNNING};
    if (!reader_need(r, "failover or failback"))
        return;
    if (!direction_parse(r->word, &thing->direction))
        reader_fail(r, "%.64s; failover or failback would be right", r->word);
    thing->occasion = thing->direction == DIRECTION_FAILBACK ? OCCASION_FAILBACK : OCCASION_OUTAGE;
    if (reader_is(r, "from"))
        thing->from = reader_site(r, service);
    if (!reader_is(r, "to"))
        reader_fail(r, "[from SITE] to SITE would be right");
    thing->site = reader_site(r, service);
    while (reader_next(r)) {
        if (strcmp(r->word, "planned") == 0)
            thing->occasion = OCCASION_PLANNED;
        else if (strcmp(r->word, "effect") == 0)
            thing->count = 1;
        else if (strcmp(r->word, "by_operator") == 0)
            thing->flag = false;
        else if (!run_state_parse(r->word, &thing->run_state) || run_state_is_final(thing->run_state))
            reader_fail(r, "%.64s; waiting, running, attention, planned, effect or by_operator would be right",
                        r->word);
    }
}

static void read_of_service(struct reader *r, struct scenario_case *scase)
{
    struct before before = {.kind = BEFORE_THING, .service = service_named(r, scase->model)};
    if (before.service < 0) {
        reader_fail(r, "%.64s; the name of a service, clock, heartbeat, cut_off or kill_switch would be right",
                    r->word);
        return;
    }
    const struct service *service = &scase->model->services[before.service];
    if (!reader_need(r, "active, vote, incident, timer, run, debts or paused"))
        return;
    struct thing *thing = &before.thing;
    if (strcmp(r->word, "active") == 0) {
        read_active(r, service, thing);
    } else if (strcmp(r->word, "vote") == 0) {
        before.kind = BEFORE_VOTE;
        read_vote(r, scase->model, service, thing);
    } else if (strcmp(r->word, "incident") == 0) {
        thing->site = reader_site(r, service);
        thing->kind = THING_INCIDENT_STANDING;
        thing->flag = reader_is(r, "standing");
        if (!thing->flag && !reader_is(r, "open"))
            reader_fail(r, "open or standing would be right");
    } else if (strcmp(r->word, "timer") == 0) {
        read_timer(r, service, thing);
    } else if (strcmp(r->word, "run") == 0) {
        read_run(r, service, thing);
    } else if (strcmp(r->word, "debts") == 0) {
        thing->kind = THING_DEBTS;
        thing->site = reader_site(r, service);
        thing->count = reader_number(r, 1, MAX_STEPS, "how many steps are owed");
    } else if (strcmp(r->word, "paused") == 0) {
        *thing = (struct thing){.kind = THING_PAUSED, .flag = true};
    } else {
        reader_fail(r, "%.64s; active, vote, incident, timer, run, debts or paused would be right", r->word);
    }
    reader_end(r);
    add(r, scase, &before);
}

void before_read(struct reader *r, struct scenario_case *scase)
{
    struct before before = {.service = -1};
    if (!reader_need(r, "the name of a service, clock, heartbeat, cut_off or kill_switch"))
        return;
    if (strcmp(r->word, "clock") == 0) {
        if (reader_need(r, "a time such as 2026-11-02T12:00:00Z") && !wall_read(r->word, &scase->wall))
            reader_fail(r, "%.64s is no time; one such as 2026-11-02T12:00:00Z would be right", r->word);
        reader_end(r);
        return;
    }
    if (strcmp(r->word, "cut_off") == 0) {
        before.kind = BEFORE_CUT_OFF;
    } else if (strcmp(r->word, "kill_switch") == 0) {
        before.kind = BEFORE_KILLED;
    } else if (strcmp(r->word, "heartbeat") == 0) {
        before.kind = BEFORE_BEAT;
        before.thing.voter = reader_voter(r, scase->model);
        if (before.thing.voter >= scase->model->n_sources)
            reader_fail(r, "%.64s is no source", r->word);
    } else {
        read_of_service(r, scase);
        return;
    }
    reader_end(r);
    add(r, scase, &before);
}

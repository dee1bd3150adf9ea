/* Plans that people ask for, and moves that are to do exactly what a plan said: looked at once more, and refused when
 * they would do anything else by now. And drills that only look. */
#include "orchestrator/rounds.h"

#include <stdlib.h>
#include <string.h>

#define PLAN_TIMEOUT_MS 20000

/* ---- where to ---------------------------------------------------------------------------------------------------- */

static bool is_said_down(const struct service_view *view, int site)
{
    for (int i = 0; i < view->n_votes; i++)
        if (view->votes[i].site == site && view->votes[i].vote == VOTE_DOWN)
            return true;
    return false;
}

/* As a failover would choose it; one that is down is better than none where it is only looked at. */
static int target_from(const struct service *service, const struct service_view *view, int from)
{
    int second = SITE_NONE;
    for (int site = 0; site < service->n_sites; site++) {
        if (site == from)
            continue;
        if (!is_said_down(view, site))
            return site;
        second = second < 0 ? site : second;
    }
    return second;
}

static int active_of(const struct service_view *view)
{
    return view->active == ACTIVE_SITE || view->active == ACTIVE_MOVING ? view->active_site : SITE_NONE;
}

void round_way_choose(const struct orchestrator *o, int index, enum direction direction, struct round_way *ret)
{
    const struct service *service = &o->settings.model->services[index];
    const struct service_view *view = &o->world->services[index].view;
    int active = active_of(view);
    *ret = (struct round_way){.direction = direction};
    if (direction == DIRECTION_FAILBACK) {
        ret->occasion = OCCASION_FAILBACK;
        ret->to = 0;
        ret->from = active > 0 ? active : target_from(service, view, 0);
    } else {
        ret->occasion = OCCASION_OUTAGE;
        ret->from = active >= 0 ? active : 0;
        ret->to = target_from(service, view, ret->from);
    }
}

/* ---- asked for --------------------------------------------------------------------------------------------------- */

static bool begin(const struct call *call, enum round_purpose purpose, const struct round_way *way, const json_t *steps)
{
    struct orchestrator *o = call->o;
    struct round *round = round_new(o, call->service, purpose, PLAN_TIMEOUT_MS);
    if (round)
        round->is_scripted = call->operator_call->is_scripted;
    if (!round || !round_add_way(o, round, way, steps)) {
        call->command->err =
            err_set(&call->command->why, ERR_BUSY, "too much is being looked at already: ask again in a few seconds");
        return false;
    }
    round->command = call->command;
    round_send(o, round);
    return true;
}

/* Nothing goes on record: nothing is changed, and nothing kept from being changed. */
static void refuse_plan(const struct call *call, enum reason reason, const char *text)
{
    snprintf(call->operator_call->code, sizeof call->operator_call->code, "%s", reason_text(reason));
    call->command->err = err_set(&call->command->why, ERR_CONFLICT, "%s", text);
}

void plan_call(struct orchestrator *o, struct command *command)
{
    struct call call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    snprintf(call.what, sizeof call.what, "plan of %.64s asked for", call.operator_call->service);
    if (!call_find_named(&call, &site))
        return;
    const struct service *service = call_service(&call);
    const struct service_view *view = &o->world->services[call.service].view;
    int active = active_of(view);
    bool is_home = site == 0 || (site < 0 && active > 0);
    struct round_way way;
    round_way_choose(o, call.service, is_home ? DIRECTION_FAILBACK : DIRECTION_FAILOVER, &way);
    way.to = site >= 0 ? site : way.to;
    way.from = active >= 0 ? active : service->n_sites == 2 && way.to >= 0 ? 1 - way.to : SITE_NONE;
    if (call.operator_call->is_planned && !is_home)
        way.occasion = OCCASION_PLANNED;
    if (way.to < 0)
        refuse_plan(&call, REASON_NO_TARGET, "there is no other site to move to");
    else if (way.to == active)
        refuse_plan(&call, REASON_ALREADY_ACTIVE, "this is the site that is active");
    else
        (void)begin(&call, ROUND_PLAN, &way, NULL);
}

/* ---- exactly this ------------------------------------------------------------------------------------------------ */

static const struct thing *start_of(const struct things *things)
{
    for (int i = 0; i < things->count; i++)
        if (things->items[i].kind == THING_RUN_START)
            return &things->items[i];
    return NULL;
}

static bool is_of(const struct orchestrator *o, const struct command *command, const struct round **ret)
{
    for (const struct round *round = o->rounds; round; round = round->next)
        if (round->command == command && round->is_finished) {
            *ret = round;
            return true;
        }
    return false;
}

static bool is_way(const struct round_way *way, int from, int to)
{
    return way->from == from && way->to == to;
}

/* The round is there: goes on where it gives that plan. */
static bool compare(const struct call *call, const struct round *round, int from, int to)
{
    struct command_operator *operator_call = call->operator_call;
    json_t *plan = round_plan(call->o, round, 0);
    json_decref(operator_call->answer);
    operator_call->answer = plan;
    if (is_way(&round->ways[0], from, to) && strcmp(plan_hash(plan), operator_call->plan) == 0)
        return true;
    return call_refuse(call, ERR_CONFLICT, "plan_changed",
                       "things are otherwise than the plan said: nothing was started. See what it would do now");
}

bool call_move_is_as_planned(const struct call *call, const struct things *things)
{
    const struct round *round = NULL;
    const struct thing *start = start_of(things);
    if (!call->operator_call->plan[0] || !start)
        return true;
    if (is_of(call->o, call->command, &round))
        return compare(call, round, start->from, start->site);
    const struct round_way way = {start->direction, start->occasion, start->from, start->site};
    (void)begin(call, ROUND_MOVE, &way, NULL);
    return false;
}

bool call_approval_is_as_planned(const struct call *call, const struct live_run *live)
{
    const struct round *round = NULL;
    if (!call->operator_call->plan[0])
        return true;
    if (is_of(call->o, call->command, &round))
        return compare(call, round, live->run.from, live->run.to);
    const struct round_way way = {live->run.direction, live->occasion, live->run.from, live->run.to};
    (void)begin(call, ROUND_APPROVAL, &way, live->steps_text);
    return false;
}

void round_finish_plan(struct orchestrator *o, struct round *round)
{
    struct command *command = round->command;
    struct command_operator *call = &command->as.operator_call;
    if (round->purpose == ROUND_MOVE) {
        call_move(o, command);
        return;
    }
    if (round->purpose == ROUND_APPROVAL) {
        call_run(o, command);
        return;
    }
    json_decref(call->answer);
    call->answer = round_plan(o, round, 0);
    command->err = call->answer ? ERR_OK : err_set(&command->why, ERR_NO_MEMORY, "out of memory");
}

/* ---- drills that only look --------------------------------------------------------------------------------------- */

void round_plan_drill(struct orchestrator *o, int index, int to, struct command *command)
{
    const struct round_way there = {DIRECTION_FAILOVER, OCCASION_OUTAGE, o->world->services[index].view.active_site,
                                    to};
    const struct round_way back = {DIRECTION_FAILBACK, OCCASION_FAILBACK, to, there.from};
    struct round *round = round_new(o, index, ROUND_DRILL, PLAN_TIMEOUT_MS);
    if (!round || !round_add_way(o, round, &there, NULL) || !round_add_way(o, round, &back, NULL)) {
        if (command)
            command->err =
                err_set(&command->why, ERR_BUSY, "too much is being looked at already: ask again in a few seconds");
        return;
    }
    round->command = command;
    round_send(o, round);
}

static const json_t *find_failing(const json_t *plan)
{
    size_t i;
    const json_t *step;
    json_array_foreach(json_object_get(plan, "steps"), i, step)
    {
        const char *state = json_string_value(json_object_get(step, "state"));
        if (state && strcmp(state, plan_state_text(PLAN_FAILS)) == 0)
            return step;
    }
    return NULL;
}

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

void round_finish_drill(struct orchestrator *o, struct round *round)
{
    const struct service *service = &o->settings.model->services[round->service];
    json_t *plans[2] = {round_plan(o, round, 0), round_plan(o, round, 1)};
    const json_t *failing = find_failing(plans[0]);
    const char *way = failing ? "there" : "back";
    char text[400];
    if (!failing)
        failing = find_failing(plans[1]);
    if (failing)
        snprintf(text, sizeof text, "the plan drill has found what would fail on the way %s: %.80s: %.250s", way,
                 text_at(failing, "name"), text_at(failing, "text"));
    else
        snprintf(text, sizeof text, "the plan drill has found nothing that would fail, to %.64s and back",
                 service->sites[round->ways[0].to].name);
    char who[96];
    struct cause cause = {.who = "turnout"};
    if (round->command) {
        cause.person = round->command->as.operator_call.who;
        snprintf(who, sizeof who, "operator %s", cause.person);
        cause.who = who;
    }
    drill_put(o, round->service, DRILL_PLAN, plans[0] && plans[1] && !failing, text, NULL, &cause);
    json_decref(plans[1]);
    if (!round->command) {
        json_decref(plans[0]);
        return;
    }
    struct command_operator *call = &round->command->as.operator_call;
    json_decref(call->answer);
    call->answer = plans[0];
    round->command->err = call->answer ? ERR_OK : err_set(&round->command->why, ERR_NO_MEMORY, "out of memory");
}

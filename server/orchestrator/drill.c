/* Drills: a move rehearsed, on paper or with a stand-in, because somebody asks for it or because one is due.
 *
 * A drill that is due makes way for everything else. It does not begin while the service has a run, an incident, a
 * pause or a freeze, while its active site is not known, or while the kill switch, a flood or being cut off holds back
 * what is automatic; it is looked at again after a while. In shadow mode nothing is written, so only plan drills are
 * made by themselves. What a person asks for is refused only by what would make it no drill: a run in progress, an
 * active site that is not known, the kill switch. */
#include "base/log.h"
#include "base/random.h"
#include "orchestrator/call.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_WITHIN_MS ((int64_t)10 * 60 * 1000) /* behind the start: not all at once */
#define AGAIN_MS ((int64_t)60 * 1000)             /* when something was in the way */

/* ---- what is in the way ------------------------------------------------------------------------------------------ */

static bool has_drill(const struct service_state *state)
{
    for (const struct live_run *live = state->others; live; live = live->next)
        if (live->occasion == OCCASION_DRILL && !live->is_gone && !run_state_is_final(live->run.state))
            return true;
    return false;
}

/* The site that `from` would be left for. */
static int target_of(const struct service *service, int from)
{
    for (int site = 0; site < service->n_sites; site++)
        if (site != from)
            return site;
    return SITE_NONE;
}

/* Even a person's drill. NULL: nothing is. */
static const char *forbids(const struct orchestrator *o, int index)
{
    const struct service_state *state = &o->world->services[index];
    if (state->run)
        return "the service has a run, and a drill makes way for it";
    if (has_drill(state))
        return "a drill is under way";
    if (state->view.active != ACTIVE_SITE)
        return "the active site is not known, so there is nothing to leave and come back to: say where it is (adopt)";
    return o->outside.is_killed ? "the kill switch is on: nothing is written" : NULL;
}

static bool has_incident(const struct orchestrator *o, int index)
{
    for (int site = 0; site < o->settings.model->services[index].n_sites; site++)
        if (o->world->services[index].view.sites[site].has_incident)
            return true;
    return false;
}

/* By itself it does not begin in what is no quiet hour. */
static bool is_quiet(const struct orchestrator *o, int index)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[index];
    const struct outlook *outlook = o->world->outlook;
    bool is_frozen = service->n_freezes + model->n_freezes > 0 && freeze_find(service, model, o->wall, NULL) != NULL;
    bool is_flood = model->flood.places > 0 && outlook_n_places_down(outlook, o->now) > model->flood.places;
    bool may_write = service->mode != MODE_SHADOW || service->drill.kind == DRILL_PLAN;
    return !forbids(o, index) && !has_incident(o, index) && !o->world->services[index].view.is_paused && !is_frozen &&
           !is_flood && !outlook->is_cut_off && !outlook->is_unsure && may_write;
}

/* ---- what came of it --------------------------------------------------------------------------------------------- */

void drill_put(struct orchestrator *o, int index, enum drill_kind kind, bool is_good, const char *text,
               const struct id *run, const struct cause *cause)
{
    const struct service *service = &o->settings.model->services[index];
    struct drill_record *record = &o->world->services[index].drills[kind];
    record->at = o->wall;
    record->proven_at = is_good ? o->wall : record->proven_at;
    batch_drill(o->rows, &(struct drill_row){.service = service->name,
                                             .kind = kind,
                                             .at = record->at,
                                             .is_good = is_good,
                                             .proven_at = record->proven_at,
                                             .text = batch_keep(o->rows, text),
                                             .run = run ? *run : (struct id){{0}}});
    json_t *detail = json_pack("{s:s, s:b}", "kind", drill_kind_text(kind), "is_good", (int)is_good);
    journal_note(o, &(struct note){.kind = is_good ? "drill.proven" : "drill.failed",
                                   .service = service->name,
                                   .who = cause->who,
                                   .text = text,
                                   .run = run,
                                   .detail = detail});
    if (!is_good)
        log_warning("service=%s %s", service->name, text);
}

static int find_step(const struct live_run *live, bool (*is_so)(const struct step_run *step))
{
    for (int n = 0; n < live->run.n_steps; n++)
        if (is_so(&live->run.steps[n]))
            return n;
    return -1;
}

static bool has_failed(const struct step_run *step)
{
    return step->state == STEP_FAILED || step->state == STEP_UNKNOWN || step->state == STEP_OWED;
}

static bool was_left_out(const struct step_run *step)
{
    return step->state == STEP_SKIPPED || step->state == STEP_UNDONE;
}

/* Good is a drill of which every step was done, there and back. One that made way for a run says nothing. */
void drill_ended(struct orchestrator *o, const struct live_run *live, const struct cause *cause)
{
    char text[400];
    int failed = find_step(live, has_failed);
    int skipped = find_step(live, was_left_out);
    bool is_good = live->run.state == RUN_SUCCEEDED && failed < 0 && skipped < 0;
    if (is_good)
        snprintf(text, sizeof text, "the canary drill went to %s and back: %d steps are done", live->to,
                 live->run.n_steps);
    else if (failed >= 0 || skipped >= 0)
        snprintf(text, sizeof text, "the canary drill is %s: step %d \"%.80s\" is %s%s%.150s",
                 run_state_text(live->run.state), (failed >= 0 ? failed : skipped) + 1,
                 run_step_text(live, failed >= 0 ? failed : skipped, "name"),
                 step_state_text(live->run.steps[failed >= 0 ? failed : skipped].state),
                 failed >= 0 && live->records[failed].error ? ": " : "",
                 failed >= 0 && live->records[failed].error ? live->records[failed].error : "");
    else
        snprintf(text, sizeof text, "the canary drill is %s", run_state_text(live->run.state));
    drill_put(o, live->run.service, DRILL_CANARY, is_good, text, &live->run.id, cause);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

static struct live_run *begin_canary(struct orchestrator *o, int index, int to, const char *reason,
                                     const struct cause *cause, struct errmsg *why)
{
    struct live_run *live = run_make_drill(o, index, to, reason, cause, why);
    if (live)
        run_event(o, live, &(struct run_event){.kind = RUN_EVENT_START, .retry_after_ms = -1}, cause);
    return live;
}

static bool has_stand_in(const struct service *service)
{
    for (int i = 0; i < service->n_steps; i++)
        if (service->steps[i].drill && service->steps[i].can_apply)
            return true;
    return false;
}

void drill_call(struct orchestrator *o, struct command *command)
{
    struct call call;
    struct command_operator *operator_call = &command->as.operator_call;
    int site = SITE_NONE;
    call_init(&call, o, command);
    snprintf(call.what, sizeof call.what, "%s drill of %.64s asked for", drill_kind_text(operator_call->drill),
             operator_call->service);
    if (!call_find_named(&call, &site))
        return;
    const struct service_view *view = &o->world->services[call.service].view;
    const char *in_the_way = forbids(o, call.service);
    if (in_the_way) {
        call_refuse(&call, ERR_CONFLICT,
                    o->world->services[call.service].run ? reason_text(REASON_RUN_IN_PROGRESS)
                                                         : reason_text(REASON_WRONG_STATE),
                    in_the_way);
        return;
    }
    if (site < 0)
        site = target_of(call_service(&call), view->active_site);
    if (site < 0 || site == view->active_site) {
        call_refuse(&call, ERR_CONFLICT, reason_text(REASON_ALREADY_ACTIVE), "this is the site that is active");
        return;
    }
    if (operator_call->drill == DRILL_PLAN) {
        call_note_granted(&call);
        round_plan_drill(o, call.service, site, command);
        return;
    }
    if (!has_stand_in(call_service(&call))) {
        call_refuse(&call, ERR_CONFLICT, "no_steps",
                    "no step of the playbook that changes something has a `drill`, which names what stands in for the "
                    "real thing");
        return;
    }
    struct errmsg why = {0};
    call_note_granted(&call);
    const struct live_run *live = begin_canary(o, call.service, site, operator_call->reason, &call.cause, &why);
    if (live)
        operator_call->answer_run = live->run.id;
    else
        batch_break(o, ERR_INTERNAL, &why);
}

/* ---- by itself --------------------------------------------------------------------------------------------------- */

/* Spread over the first minutes, or over a tenth of the time between two where that is shorter. */
static int64_t first_pause(const struct service *service)
{
    int64_t within = service->drill.every_ms / 10 < FIRST_WITHIN_MS ? service->drill.every_ms / 10 : FIRST_WITHIN_MS;
    return within > 0 ? (int64_t)(random_u64() % (uint64_t)within) : 0;
}

/* Since the last of its kind, however it went. */
static int64_t due_in(const struct orchestrator *o, int index)
{
    const struct service *service = &o->settings.model->services[index];
    int64_t last = o->world->services[index].drills[service->drill.kind].at;
    int64_t due = last > 0 ? last + service->drill.every_ms : o->wall;
    return due > o->wall ? due - o->wall : 0;
}

static void begin_due(struct orchestrator *o, int index)
{
    const struct service *service = &o->settings.model->services[index];
    const struct cause ours = {.who = "turnout"};
    int to = target_of(service, o->world->services[index].view.active_site);
    struct errmsg why = {0};
    if (service->drill.kind == DRILL_PLAN)
        round_plan_drill(o, index, to, NULL);
    else if (to >= 0 && !begin_canary(o, index, to, "one is due", &ours, &why))
        drill_put(o, index, DRILL_CANARY, false, why.text, NULL, &ours);
}

void drill_if_due(struct orchestrator *o, int index)
{
    const struct service *service = &o->settings.model->services[index];
    struct service_state *state = &o->world->services[index];
    if (service->drill.every_ms == 0)
        return;
    if (state->drill_at == 0) {
        state->drill_at = o->now + first_pause(service) + due_in(o, index);
    } else if (state->drill_at <= o->now) {
        int64_t left = due_in(o, index);
        bool may_begin = left == 0 && is_quiet(o, index);
        if (may_begin)
            begin_due(o, index);
        state->drill_at = o->now + (left > 0 ? left : may_begin ? service->drill.every_ms : AGAIN_MS);
    }
    due_at(o, state->drill_at);
}

/* Where the active site is not known, somebody looks: are all steps of the playbook right already for one site, and for
 * one only? The looking is the executor's; what follows from it is the core's. */
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

#define OBSERVE_FIRST_MS 15000
#define OBSERVE_LAST_MS 300000

/* Whether every run has the step, whatever it is for: of others nobody can tell whether they were done. */
static bool is_in_every_run(const struct service *service, const struct step *step)
{
    static const enum occasion occasions[] = {OCCASION_OUTAGE, OCCASION_PLANNED, OCCASION_FAILBACK};
    for (size_t i = 0; i < sizeof occasions / sizeof occasions[0]; i++)
        if (run_has_steps(service, occasions[i]) && !step_is_part_of(step, occasions[i]))
            return false;
    return true;
}

/* The steps with an effect, resolved as if the service moved to `site`: where all of them are right already, it is. */
static json_t *steps_towards(const struct orchestrator *o, const struct service *service, int site)
{
    int from = service->n_sites == 2 ? 1 - site : SITE_NONE;
    json_t *steps = json_array();
    for (int i = 0; i < service->n_steps; i++) {
        if (!service->steps[i].can_apply || !is_in_every_run(service, &service->steps[i]))
            continue;
        json_t *text = step_resolve(o->settings.model, service, &service->steps[i], from, site, NULL);
        if (text)
            json_array_append_new(steps, text);
    }
    return steps;
}

static void start_observing(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    const struct service *service = &o->settings.model->services[index];
    struct job *job = job_new(JOB_OBSERVE);
    if (!job)
        return;
    job->service = index;
    job->sites = json_array();
    for (int site = 0; site < service->n_sites; site++)
        json_array_append_new(job->sites, json_pack("{s:i, s:s, s:o}", "site", site, "name", service->sites[site].name,
                                                    "steps", steps_towards(o, service, site)));
    state->is_observing = true;
    outgoing_add(o, job);
}

static int64_t observe_pause(int tries)
{
    int64_t pause = OBSERVE_FIRST_MS;
    for (int i = 1; i < tries && pause < OBSERVE_LAST_MS; i++)
        pause *= 2;
    return pause < OBSERVE_LAST_MS ? pause : OBSERVE_LAST_MS;
}

void observe_result(struct orchestrator *o, struct command *command)
{
    struct command_observed *observed = &command->as.observed;
    struct service_state *state = &o->world->services[observed->service];
    const struct service *service = &o->settings.model->services[observed->service];
    const char *text = observed->text ? observed->text : "";
    state->is_observing = false;
    state->observe_tries++;
    state->observe_at = o->now + observe_pause(state->observe_tries);
    due_at(o, state->observe_at);
    if (state->view.active != ACTIVE_UNKNOWN || state->view.has_run)
        return;
    bool is_news = !state->observed_text || strcmp(state->observed_text, text) != 0;
    if (is_news || observed->site >= 0) {
        json_t *detail = json_object();
        json_object_set(detail, "requests", observed->requests);
        journal_note(
            o, &(struct note){.kind = "decision.observed", .service = service->name, .text = text, .detail = detail});
        free(state->observed_text);
        state->observed_text = strdup(text);
    }
    if (observed->site < 0 && !is_news)
        return;
    const struct cause cause = {.who = "turnout"};
    service_event(o, observed->service, &(struct event){.kind = EVENT_OBSERVED, .site = observed->site}, &cause);
}

void observe_if_unknown(struct orchestrator *o, int index)
{
    struct service_state *state = &o->world->services[index];
    if (state->view.active != ACTIVE_UNKNOWN || state->view.has_run || state->is_observing)
        return;
    if (o->now >= state->observe_at)
        start_observing(o, index);
    else
        due_at(o, state->observe_at);
}

/* The copy of the store's runs: the unfinished ones, those that are over with steps that go on, and drills. */
#include "base/clock.h"
#include "orchestrator/internal.h"

#include <stdlib.h>
#include <string.h>

static char *text_or_null(const char *text)
{
    return text && text[0] ? strdup(text) : NULL;
}

static bool run_allocate(struct live_run *live, const struct run_row *row)
{
    live->steps_text = json_loads(row->playbook, 0, NULL);
    if (!json_is_array(live->steps_text))
        return false;
    size_t n = json_array_size(live->steps_text);
    if (n == 0 || n > MAX_RUN_STEPS)
        return false;
    live->run.n_steps = (int)n;
    live->run.steps = calloc(n, sizeof *live->run.steps);
    live->records = calloc(n, sizeof *live->records);
    live->reason = strdup(row->reason);
    live->started_by = strdup(row->started_by);
    live->error = strdup(row->error);
    live->playbook = strdup(row->playbook);
    live->from = strdup(row->from);
    live->to = strdup(row->to);
    return live->run.steps && live->records && live->reason && live->started_by && live->error && live->playbook &&
           live->from && live->to;
}

static void keep_orphan(struct loader *loader, const struct run_row *row)
{
    struct world *world = loader->world;
    struct orphan_run *grown = realloc(world->orphans, (world->n_orphans + 1) * sizeof *grown);
    if (grown)
        world->orphans = grown;
    char *service = grown ? strdup(row->service) : NULL;
    if (service)
        world->orphans[world->n_orphans++] =
            (struct orphan_run){.id = row->id, .service = service, .is_over = run_state_is_final(row->state)};
    else
        loader->is_broken = true;
}

static struct live_run *run_from_row(struct loader *loader, int index, const struct run_row *row)
{
    struct live_run *live = calloc(1, sizeof *live);
    if (!live || !run_allocate(live, row) || !overrides_parse(row->overrides, &live->overrides)) {
        loader->is_broken = true;
        live_run_free(live);
        return NULL;
    }
    live->run.id = row->id;
    live->run.service = index;
    live->run.direction = row->direction;
    live->occasion = row->occasion;
    live->is_ours = row->is_ours;
    live->run.from = loader_site(loader, index, row->from);
    live->run.to = loader_site(loader, index, row->to);
    live->run.state = row->state;
    live->run.has_effect = row->has_effect;
    live->run.ending = row->ending;
    live->run.is_undoing = row->is_undoing;
    live->run.current = row->current;
    live->incident = row->incident;
    live->started_at = row->started_at;
    live->finished_at = row->finished_at;
    live->plan = text_or_null(row->plan);
    live->run.is_past = row->is_past && run_state_is_final(row->state);
    run_set_overrides(live, live->overrides);
    bool is_cancelling = row->ending == ENDING_CANCEL;
    const char *by = is_cancelling ? BEING_CANCELLED_BY : BEING_UNDONE_BY;
    if ((is_cancelling || row->ending == ENDING_UNDO || row->is_undoing) && strncmp(row->error, by, strlen(by)) == 0)
        live->cancelled_by = strndup(row->error + strlen(by), strcspn(row->error + strlen(by), ":"));
    return live;
}

static void see_run(struct service_view *view, const struct live_run *live)
{
    view->has_run = true;
    view->run_state = live->run.state;
    view->run_direction = live->run.direction;
    view->run_occasion = live->occasion;
    view->run_is_ours = live->is_ours;
    view->run_from = live->run.from;
    view->run_to = live->run.to;
    view->run_has_effect = live->run.has_effect;
    view->run_is_cancelling = live->run.ending == ENDING_CANCEL && !live->cancelled_by;
    view->run_overrides = live->overrides;
}

void load_run(void *context, const struct run_row *row)
{
    struct loader *loader = context;
    int index = -1;
    struct service_state *state = loader_state(loader, row->service, &index);
    if (!state) {
        keep_orphan(loader, row);
        return;
    }
    struct live_run *live = run_from_row(loader, index, row);
    if (!live)
        return;
    if (live->occasion == OCCASION_DRILL || run_state_is_final(row->state)) {
        live->next = state->others;
        state->others = live;
        return;
    }
    live_run_free(state->run);
    state->run = live;
    see_run(&state->view, live);
}

static struct live_run *run_of_step(struct loader *loader, const struct id *id)
{
    if (loader->live && id_equal(&loader->live->run.id, id))
        return loader->live;
    loader->live = run_find(loader->world, id);
    return loader->live;
}

void load_step(void *context, const struct step_row *row)
{
    struct loader *loader = context;
    struct live_run *live = run_of_step(loader, &row->run);
    if (!live || row->n < 0 || row->n >= live->run.n_steps)
        return;
    struct step_run *step = &live->run.steps[row->n];
    run_step_read(step, json_array_get(live->steps_text, (size_t)row->n));
    step->state = row->state;
    step->phase = row->phase;
    step->tries = row->tries;
    step->n_attempts = row->n_attempts;
    step->has_applied = row->has_applied;
    step->has_unknown_apply = row->has_unknown_apply;
    step->is_undoing = row->is_undoing;
    step->is_reversible = row->previous[0] != '\0';
    step->began_at = row->began_at ? clock_due_from_stored(row->began_at, row->boot_id, row->offset_ms) : 0;
    step->next_at = row->next_at ? clock_due_from_stored(row->next_at, row->boot_id, row->offset_ms) : 0;
    struct step_record *record = &live->records[row->n];
    record->error = text_or_null(row->error);
    record->token = text_or_null(row->token);
    record->observed = text_or_null(row->observed);
    record->previous = text_or_null(row->previous);
    record->is_of_undo = row->is_undoing;
    record->started_at = row->started_at;
    record->finished_at = row->finished_at;
    record->attempt_at = row->attempt_at;
}

void load_drill(void *context, const struct drill_row *row)
{
    struct service_state *state = loader_state(context, row->service, NULL);
    if (state)
        state->drills[row->kind] = (struct drill_record){.at = row->at, .proven_at = row->proven_at};
}

/* Rounds: all that a move would change is looked at, step by step and all at once, without a run. */
#include "orchestrator/rounds.h"

#include "base/clock.h"
#include "core/json_whole.h"

#include <stdlib.h>
#include <string.h>

static void item_done(struct round_item *item)
{
    free(item->name);
    free(item->said);
    free(item->script);
    json_decref(item->text);
    json_decref(item->away);
    json_decref(item->movers);
    json_decref(item->all_movers);
    json_decref(item->current);
    json_decref(item->desired);
    json_decref(item->previous);
}

/* Its command is left alone. */
static void round_free(struct round *round)
{
    for (int i = 0; i < round->n_items; i++)
        item_done(&round->items[i]);
    free(round->items);
    free(round);
}

static void round_drop(struct orchestrator *o, struct round *round)
{
    for (struct round **slot = &o->rounds; *slot; slot = &(*slot)->next)
        if (*slot == round) {
            *slot = round->next;
            round_free(round);
            return;
        }
}

/* ---- making one -------------------------------------------------------------------------------------------------- */

struct round *round_new(struct orchestrator *o, int service, enum round_purpose purpose, int64_t timeout_ms)
{
    int n = 0;
    for (const struct round *round = o->rounds; round; round = round->next)
        n++;
    struct round *round = n < MAX_ROUNDS_AT_ONCE ? calloc(1, sizeof *round) : NULL;
    if (!round)
        return NULL;
    round->number = ++o->last_round;
    round->purpose = purpose;
    round->service = service;
    round->is_new = true;
    round->due_at = o->now + timeout_ms;
    round->next = o->rounds;
    o->rounds = round;
    return round;
}

struct round_item *round_item_add(struct round *round, const char *name)
{
    if (round->n_items == round->room_items) {
        int room = round->room_items ? 2 * round->room_items : 16;
        struct round_item *grown = realloc(round->items, (size_t)room * sizeof *grown);
        if (!grown)
            return NULL;
        round->items = grown;
        round->room_items = room;
    }
    struct round_item *item = &round->items[round->n_items];
    *item = (struct round_item){.way = round->n_ways, .name = strdup(name)};
    if (!item->name)
        return NULL;
    round->n_items++;
    return item;
}

static bool depends_on_site(const json_t *args)
{
    char *text = json_whole(args, JSON_COMPACT);
    bool is_so = text && strstr(text, "${to.");
    free(text);
    return is_so;
}

/* The step of the configuration that a run's step was made of; NULL: it is another by now. */
static const struct step *step_named(const struct service *service, const char *name)
{
    for (int i = 0; name && i < service->n_steps; i++)
        if (strcmp(service->steps[i].name, name) == 0)
            return &service->steps[i];
    return NULL;
}

/* `text` NULL: it is resolved here. */
static bool add_step(struct orchestrator *o, struct round *round, const struct round_way *way, const struct step *step,
                     const json_t *text)
{
    const struct model *model = o->settings.model;
    const struct service *service = &model->services[round->service];
    const char *name = step ? step->name : json_string_value(json_object_get(text, "name"));
    struct round_item *item = round_item_add(round, name ? name : "?");
    struct errmsg why = {0};
    if (!item)
        return false;
    item->text = text ? json_deep_copy(text) : step_resolve(model, service, step, way->from, way->to, &why);
    if (!item->text) {
        item->is_there = true;
        item->outcome = OUTCOME_PERMANENT;
        item->said = strdup(why.text);
    }
    if (step && way->from >= 0 && args_resolve(service, way->to, way->from, step->args, &item->away, NULL) != ERR_OK)
        item->away = NULL;
    item->is_moved = step && depends_on_site(step->args);
    return true;
}

/* ---- one way ----------------------------------------------------------------------------------------------------- */

static void take_time(void *context, const char *step, int64_t took_ms)
{
    struct round *round = context;
    for (int i = 0; i < round->n_items; i++) {
        struct round_item *item = &round->items[i];
        if (!item->is_survey && item->n_past < STORE_PAST_RUNS && strcmp(item->name, step) == 0)
            item->past_ms[item->n_past++] = took_ms;
    }
}

static bool add_steps(struct orchestrator *o, struct round *round, const struct round_way *way, const json_t *steps)
{
    const struct service *service = &o->settings.model->services[round->service];
    size_t k;
    const json_t *text;
    json_array_foreach(steps, k, text)
    {
        const char *name = json_string_value(json_object_get(text, "name"));
        if (!json_is_true(json_object_get(text, "is_measure")) &&
            !add_step(o, round, way, step_named(service, name), text))
            return false;
    }
    for (int i = 0; !steps && i < service->n_steps; i++)
        if (step_is_part_of(&service->steps[i], way->occasion) && !add_step(o, round, way, &service->steps[i], NULL))
            return false;
    return true;
}

bool round_add_way(struct orchestrator *o, struct round *round, const struct round_way *way, const json_t *steps)
{
    int first = round->n_items;
    if (!add_steps(o, round, way, steps) || !round_add_surveys(o, round, round->n_ways, first)) {
        round_drop(o, round);
        return false;
    }
    round->ways[round->n_ways++] = *way;
    return true;
}

static struct job *job_of(const struct orchestrator *o, const struct round *round, int index)
{
    const struct round_item *item = &round->items[index];
    const struct round_way *way = &round->ways[item->way];
    struct job *job = job_new(item->is_survey ? JOB_SURVEY : JOB_LOOK);
    if (!job)
        return NULL;
    job->round = round->number;
    job->index = index;
    job->is_scripted = round->is_scripted;
    job->step_text = json_deep_copy(item->text); /* another thread's from now on */
    if (item->is_survey)
        job->addresses = plan_addresses(&o->settings.model->services[round->service], way->from, way->to);
    return job;
}

void round_send(struct orchestrator *o, struct round *round)
{
    struct errmsg why = {0};
    const char *name = o->settings.model->services[round->service].name;
    /* Without it the prediction rests on the looks. */
    (void)!store_step_times(o->settings.store, name, take_time, round, &why);
    for (int i = 0; i < round->n_items; i++) {
        struct job *job = round->items[i].text ? job_of(o, round, i) : NULL;
        if (!job)
            continue;
        round->n_left++;
        outgoing_add(o, job);
    }
}

/* ---- what is seen ------------------------------------------------------------------------------------------------ */

static char *copy_of(const char *text)
{
    return text ? strdup(text) : NULL;
}

void round_looked(struct orchestrator *o, struct command *command)
{
    const struct command_looked *looked = &command->as.looked;
    struct round *round = o->rounds;
    while (round && round->number != looked->round)
        round = round->next;
    if (!round || looked->index < 0 || looked->index >= round->n_items || round->items[looked->index].is_there)
        return; /* it came too late, or its batch has failed and this is the second time */
    struct round_item *item = &round->items[looked->index];
    item->is_there = true;
    item->outcome = looked->outcome;
    item->is_right = looked->is_right;
    item->current = json_incref(looked->current);
    item->desired = json_incref(looked->desired);
    item->previous = json_incref(looked->previous);
    item->said = copy_of(looked->text.text);
    item->script = copy_of(looked->script);
    item->took_ms = looked->took_ms;
    item->clock_skew_ms = looked->clock_skew_ms;
    item->ends_at = looked->ends_at;
    round->n_left--;
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return left < right ? -1 : left > right;
}

static int64_t median(const struct round_item *item)
{
    int64_t sorted[STORE_PAST_RUNS];
    if (item->n_past == 0)
        return -1;
    memcpy(sorted, item->past_ms, sizeof sorted);
    qsort(sorted, (size_t)item->n_past, sizeof sorted[0], by_value);
    return sorted[item->n_past / 2];
}

static struct plan_step step_of(const struct round_item *item)
{
    return (struct plan_step){.name = item->name,
                              .text = item->text,
                              .away = item->away,
                              .is_moved = item->is_moved,
                              .usual_ms = median(item),
                              .look = {.is_there = item->is_there,
                                       .outcome = item->outcome,
                                       .is_right = item->is_right,
                                       .current = item->current,
                                       .desired = item->desired,
                                       .previous = item->previous,
                                       .text = item->said,
                                       .script = item->script,
                                       .took_ms = item->took_ms,
                                       .clock_skew_ms = item->clock_skew_ms,
                                       .ends_at = item->ends_at}};
}

static struct plan_survey survey_of(const struct round_item *item)
{
    return (struct plan_survey){.zone = item->name,
                                .is_there = item->is_there,
                                .outcome = item->outcome,
                                .found = item->current,
                                .text = item->said,
                                .movers = item->movers,
                                .all_movers = item->all_movers};
}

json_t *round_plan(const struct orchestrator *o, const struct round *round, int way)
{
    char at[TIME_TEXT_SIZE];
    struct plan_step *steps = calloc((size_t)round->n_items + 1, sizeof *steps);
    struct plan_survey *surveys = calloc((size_t)round->n_items + 1, sizeof *surveys);
    struct plan_way made = {.service = &o->settings.model->services[round->service],
                            .direction = round->ways[way].direction,
                            .occasion = round->ways[way].occasion,
                            .from = round->ways[way].from,
                            .to = round->ways[way].to,
                            .at = time_format(o->wall, at),
                            .now = o->wall,
                            .steps = steps,
                            .surveys = surveys};
    for (int i = 0; steps && surveys && i < round->n_items; i++) {
        const struct round_item *item = &round->items[i];
        if (item->way == way && item->is_survey)
            surveys[made.n_surveys++] = survey_of(item);
        else if (item->way == way)
            steps[made.n_steps++] = step_of(item);
    }
    json_t *plan = steps && surveys ? plan_make(&made) : NULL;
    free(steps);
    free(surveys);
    return plan;
}

/* ---- in a batch -------------------------------------------------------------------------------------------------- */

static void finish(struct orchestrator *o, struct round *round)
{
    round->is_finished = true;
    switch (round->purpose) {
    case ROUND_PLAN:
    case ROUND_MOVE:
    case ROUND_APPROVAL:
        round_finish_plan(o, round);
        return;
    case ROUND_READINESS:
        ready_finish(o, round);
        return;
    case ROUND_DRILL:
        round_finish_drill(o, round);
        return;
    }
}

void rounds_go_on(struct orchestrator *o)
{
    for (struct round *round = o->rounds; round; round = round->next)
        if (!round->is_finished && (round->n_left <= 0 || o->now >= round->due_at))
            finish(o, round);
    ready_begin_due(o);
}

bool round_holds(const struct orchestrator *o, const struct command *command)
{
    for (const struct round *round = o->rounds; round; round = round->next)
        if (round->command == command)
            return true;
    return false;
}

void rounds_committed(struct orchestrator *o)
{
    struct round **slot = &o->rounds;
    while (*slot) {
        struct round *round = *slot;
        if (!round->is_finished) {
            round->is_new = false;
            slot = &round->next;
            continue;
        }
        *slot = round->next;
        struct command *command = round->is_new ? NULL : round->command;
        round_free(round);
        if (command && !call_is_held(o, command))
            command->done(command);
    }
}

void rounds_failed(struct orchestrator *o)
{
    struct round **slot = &o->rounds;
    while (*slot) {
        struct round *round = *slot;
        round->is_finished = false;
        if (!round->is_new) {
            slot = &round->next;
            continue;
        }
        *slot = round->next;
        round_free(round);
    }
}

int64_t rounds_due_at(const struct orchestrator *o)
{
    int64_t due = o->ready_look_at;
    for (const struct round *round = o->rounds; round; round = round->next)
        due = round->due_at < due ? round->due_at : due;
    return due;
}

void rounds_stop(struct orchestrator *o)
{
    while (o->rounds) {
        struct round *round = o->rounds;
        struct command *command = round->command;
        o->rounds = round->next;
        round_free(round);
        if (!command)
            continue;
        command->err = err_set(&command->why, ERR_BUSY, "the daemon stops: nothing was started");
        command->done(command);
    }
}

/* Readiness: the same looks as for a plan, both ways, by a schedule, so that people hear of a revoked credential or a
 * deleted record before the night on which they need it.
 *
 * The complication is to stay out of the way: a few rounds at a time, spread over the interval, none while the service
 * has a run, and what was seen before one began is forgotten. */
#include "orchestrator/rounds.h"

#include "base/clock.h"
#include "base/log.h"
#include "core/json_whole.h"

#include <stdlib.h>
#include <string.h>

#define READY_TIMEOUT_MS 60000
#define MAX_READY_ROUNDS 4
#define FIRST_MS 10000  /* after the start, or a tenth of the interval where that is shorter, */
#define SPREAD_MS 60000 /* and from there on all services within this, or within the interval */
#define AGAIN_MS 5000   /* when a run, or something that was not as before, came in between */

/* ---- the schedule ------------------------------------------------------------------------------------------------ */

static int64_t least(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

enum err ready_start(struct orchestrator *o, struct errmsg *why)
{
    const struct model *model = o->settings.model;
    o->ready_at = calloc((size_t)model->n_services + 1, sizeof *o->ready_at);
    o->readiness_shown = calloc(2 * (size_t)model->n_services + 2, sizeof *o->readiness_shown);
    o->debts_shown = calloc((size_t)model->n_services * MAX_SITES + 1, sizeof *o->debts_shown);
    o->proven_shown = calloc((size_t)model->n_services * N_DRILL_KINDS + 1, sizeof *o->proven_shown);
    if (!o->ready_at || !o->readiness_shown || !o->debts_shown || !o->proven_shown)
        return err_set(why, ERR_NO_MEMORY, "out of memory");
    o->ready_look_at = INT64_MAX;
    for (int i = 0; i < model->n_services; i++) {
        int64_t every = model->services[i].ready_every_ms;
        int64_t spread = least(every, SPREAD_MS) * i / model->n_services;
        o->ready_at[i] = every > 0 ? o->now + least(every / 10, FIRST_MS) + spread : INT64_MAX;
        o->ready_look_at = least(o->ready_look_at, o->ready_at[i]);
    }
    return ERR_OK;
}

static int n_under_way(const struct orchestrator *o, int service)
{
    int n = 0;
    for (const struct round *round = o->rounds; round; round = round->next)
        n += round->purpose == ROUND_READINESS && (service < 0 || round->service == service);
    return n;
}

static void begin(struct orchestrator *o, int index)
{
    struct round_way ways[2];
    round_way_choose(o, index, DIRECTION_FAILOVER, &ways[0]);
    round_way_choose(o, index, DIRECTION_FAILBACK, &ways[1]);
    struct round *round =
        ways[0].to >= 0 && ways[1].from >= 0 ? round_new(o, index, ROUND_READINESS, READY_TIMEOUT_MS) : NULL;
    if (!round)
        return;
    round->is_scripted = true; /* what is kept of it is what break-glass scripts are made of */
    if (round_add_way(o, round, &ways[0], NULL) && round_add_way(o, round, &ways[1], NULL))
        round_send(o, round);
}

/* The one that is due for the longest time; -1: none is. What comes next is noted. */
static int find_due(struct orchestrator *o)
{
    int found = -1;
    o->ready_look_at = INT64_MAX;
    for (int i = 0; i < o->settings.model->n_services; i++) {
        if (o->ready_at[i] <= o->now && (found < 0 || o->ready_at[i] < o->ready_at[found]))
            found = i;
        else
            o->ready_look_at = least(o->ready_look_at, o->ready_at[i]);
    }
    return found;
}

void ready_begin_due(struct orchestrator *o)
{
    while (o->now >= o->ready_look_at) {
        int n = n_under_way(o, -1);
        int due = n < MAX_READY_ROUNDS ? find_due(o) : -1;
        if (due < 0) {
            if (n >= MAX_READY_ROUNDS)
                o->ready_look_at = o->now + 1000; /* or as soon as one of them has ended */
            return;
        }
        bool is_busy = o->world->services[due].view.has_run || n_under_way(o, due) > 0;
        o->ready_at[due] = o->now + (is_busy ? AGAIN_MS : o->settings.model->services[due].ready_every_ms);
        o->ready_look_at = least(o->ready_look_at, o->ready_at[due]);
        if (!is_busy)
            begin(o, due);
        o->ready_look_at = least(o->ready_look_at, o->now); /* another may be due as well */
    }
}

/* ---- what came of it --------------------------------------------------------------------------------------------- */

static void note_change(struct orchestrator *o, const struct round *round, const struct readiness_record *record,
                        enum readiness before, enum direction direction)
{
    const struct service *service = &o->settings.model->services[round->service];
    char text[700];
    snprintf(text, sizeof text, "%s is %s for a %s to %s%s%s", service->name, readiness_text(record->state),
             direction_text(direction), service->sites[round->ways[direction].to].name, record->text[0] ? ": " : "",
             record->text);
    if (record->state == READINESS_READY)
        log_info("service=%s %s", service->name, text);
    else
        log_warning("service=%s %s", service->name, text);
    journal_note(o, &(struct note){.kind = "readiness.changed",
                                   .service = service->name,
                                   .text = text,
                                   .detail = json_pack("{s:s, s:s, s:s, s:s}", "direction", direction_text(direction),
                                                       "before", readiness_text(before), "state",
                                                       readiness_text(record->state), "because", record->cause)});
}

static void put(struct orchestrator *o, const struct round *round, const struct readiness_record *record,
                enum direction direction, const json_t *plan)
{
    char *detail = json_whole(plan, JSON_COMPACT);
    batch_readiness(o->rows, &(struct readiness_row){.service = o->settings.model->services[round->service].name,
                                                     .direction = direction,
                                                     .state = record->state,
                                                     .since = record->since,
                                                     .checked_at = record->checked_at,
                                                     .text = batch_keep(o->rows, record->text),
                                                     .detail = batch_keep(o->rows, detail ? detail : "")});
    free(detail);
}

/* Of the daemon itself; NULL: nothing is. */
static const char *trouble(const struct orchestrator *o)
{
    if (o->disk_text[0])
        return o->disk_text;
    return o->settings.ballast && ballast_is_given_up(o->settings.ballast)
               ? "the disk was full, and the ballast beside the database is given up"
               : NULL;
}

static void judge(struct orchestrator *o, const struct round *round, enum direction direction)
{
    struct readiness_record *record = &o->world->services[round->service].readiness[direction];
    json_t *plan = round_plan(o, round, (int)direction);
    struct plan_verdict verdict;
    if (!plan)
        return;
    plan_judge(plan, trouble(o), &verdict);
    enum readiness before = record->state;
    bool is_other = before != verdict.state;
    /* After a restart the text stands for the cause. */
    bool is_news = is_other || (record->cause[0] ? strcmp(record->cause, verdict.cause) != 0
                                                 : strcmp(record->text, verdict.text) != 0);
    record->state = verdict.state;
    record->since = is_other ? o->wall : record->since;
    record->checked_at = o->wall;
    snprintf(record->text, sizeof record->text, "%s", verdict.text);
    snprintf(record->cause, sizeof record->cause, "%s", verdict.cause);
    if (is_news)
        note_change(o, round, record, before, direction);
    put(o, round, record, direction, plan);
    json_decref(plan);
}

static bool is_as_it_was(const struct orchestrator *o, const struct round *round)
{
    if (o->world->services[round->service].view.has_run)
        return false;
    for (int i = 0; i < round->n_ways; i++) {
        struct round_way now;
        round_way_choose(o, round->service, round->ways[i].direction, &now);
        if (now.from != round->ways[i].from || now.to != round->ways[i].to)
            return false;
    }
    return true;
}

void ready_finish(struct orchestrator *o, struct round *round)
{
    o->ready_look_at = least(o->ready_look_at, o->now); /* there is room for the next one */
    if (!is_as_it_was(o, round)) {
        o->ready_at[round->service] = least(o->ready_at[round->service], o->now + AGAIN_MS);
        return;
    }
    judge(o, round, DIRECTION_FAILOVER);
    judge(o, round, DIRECTION_FAILBACK);
}

/* ---- shown to other threads -------------------------------------------------------------------------------------- */

static void show_rest(struct orchestrator *o, int i)
{
    const struct service_state *state = &o->world->services[i];
    for (int site = 0; site < o->settings.model->services[i].n_sites; site++)
        atomic_store(&o->debts_shown[i * MAX_SITES + site], state->view.sites[site].n_debts);
    for (int kind = 0; kind < N_DRILL_KINDS; kind++)
        atomic_store(&o->proven_shown[i * N_DRILL_KINDS + kind], state->drills[kind].proven_at);
}

json_t *ready_status(struct orchestrator *o)
{
    static const enum direction both[] = {DIRECTION_FAILOVER, DIRECTION_FAILBACK};
    json_t *list = json_array();
    for (int i = 0; i < o->world->n_services; i++) {
        show_rest(o, i);
        for (int k = 0; k < 2; k++) {
            const struct readiness_record *record = &o->world->services[i].readiness[both[k]];
            atomic_store(&o->readiness_shown[2 * i + k], (int)record->state);
            if (record->state == READINESS_NOT_READY)
                json_array_append_new(list,
                                      json_pack("{s:s, s:s, s:o}", "service", o->settings.model->services[i].name,
                                                "direction", direction_text(both[k]), "text", text_json(record->text)));
        }
    }
    return list;
}

void ready_metrics(struct orchestrator *o, struct strbuf *text)
{
    static const enum direction both[] = {DIRECTION_FAILOVER, DIRECTION_FAILBACK};
    strbuf_adds(text,
                "# HELP turnout_readiness Whether a move would work: 0 unknown, 1 ready, 2 degraded, 3 not ready.\n"
                "# TYPE turnout_readiness gauge\n");
    for (int i = 0; i < o->settings.model->n_services; i++)
        for (int k = 0; k < 2 && o->settings.model->services[i].ready_every_ms > 0; k++)
            strbuf_addf(text, "turnout_readiness{service=\"%s\",direction=\"%s\"} %d\n",
                        o->settings.model->services[i].name, direction_text(both[k]),
                        atomic_load(&o->readiness_shown[2 * i + k]));
    strbuf_adds(text, "# HELP turnout_debts Steps of runs that are over that are still owed at a site that was left.\n"
                      "# TYPE turnout_debts gauge\n");
    for (int i = 0; i < o->settings.model->n_services; i++)
        for (int site = 0; site < o->settings.model->services[i].n_sites; site++)
            strbuf_addf(text, "turnout_debts{service=\"%s\",site=\"%s\"} %d\n", o->settings.model->services[i].name,
                        o->settings.model->services[i].sites[site].name,
                        atomic_load(&o->debts_shown[i * MAX_SITES + site]));
    strbuf_adds(text,
                "# HELP turnout_drill_proven_timestamp When a drill of this kind last went well; seconds since 1970.\n"
                "# TYPE turnout_drill_proven_timestamp gauge\n");
    for (int i = 0; i < o->settings.model->n_services; i++)
        for (int kind = 0; kind < N_DRILL_KINDS; kind++) {
            long long at = atomic_load(&o->proven_shown[i * N_DRILL_KINDS + kind]);
            if (at > 0)
                strbuf_addf(text, "turnout_drill_proven_timestamp{service=\"%s\",kind=\"%s\"} %lld.%03lld\n",
                            o->settings.model->services[i].name, drill_kind_text((enum drill_kind)kind), at / 1000,
                            at % 1000);
        }
}

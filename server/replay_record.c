/* An incident's record as a scenario. Votes are taken as the record has them, for how often a monitor repeated itself
 * is on no record; so are what people asked for and how far the run was. Timers and everything that follows are decided
 * again. The shape of the record is written down in orchestrator/internal.h. */
#include "base/clock.h"
#include "base/utf8.h"
#include "core/event_text.h"
#include "replay.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ACTS 20000

/* While the record is read. */
struct reading {
    const struct model *model;
    const struct service *service;
    struct replay_record *record;
    int64_t at;      /* of the entry, since the record's clock */
    int64_t last_at; /* of the last line */
    bool is_cut_off, is_killed;
    bool is_cancelling; /* the decision has cancelled the run: its end follows by itself */
};

void replay_acts_add(struct replay_acts *acts, int64_t at, const char *text, const char *format, ...)
{
    if (acts->n == acts->room) {
        size_t room = acts->room ? 2 * acts->room : 32;
        struct replay_act *grown = room <= MAX_ACTS ? realloc(acts->items, room * sizeof *grown) : NULL;
        if (!grown) {
            acts->is_broken = true;
            return;
        }
        acts->items = grown;
        acts->room = room;
    }
    struct replay_act *act = &acts->items[acts->n++];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(act->key, sizeof act->key, format, args);
    va_end(args);
    act->at = at;
    snprintf(act->text, sizeof act->text, "%s", text ? text : "");
    utf8_clean(act->text);
}

void replay_acts_done(struct replay_acts *acts)
{
    free(acts->items);
    *acts = (struct replay_acts){0};
}

void replay_record_done(struct replay_record *record)
{
    strbuf_done(&record->scenario);
    replay_acts_done(&record->acts);
}

/* ---- parts ------------------------------------------------------------------------------------------------------- */

static const char *text(const json_t *object, const char *key)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value ? value : "";
}

static bool is_true(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static bool is(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* A time of the record, since its clock. */
static bool time_of(const json_t *object, const char *key, int64_t clock, int64_t *ret)
{
    const char *value = text(object, key);
    int64_t wall = 0;
    if (time_parse(value, strlen(value), &wall) != ERR_OK)
        return false;
    *ret = wall - clock;
    return true;
}

/* NULL: the configuration has no such site of the service. */
static const char *site(const struct reading *r, const char *name)
{
    return service_site_find(r->service, name) >= 0 ? name : NULL;
}

static void event(struct reading *r, const char *format, ...) PRINTF_LIKE(2, 3);

static void event(struct reading *r, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(line, sizeof line, format, args);
    va_end(args);
    utf8_clean(line);
    if (r->at > r->last_at)
        r->last_at = r->at;
    strbuf_addf(&r->record->scenario, "EVENT +%" PRId64 "ms %s\n", r->last_at, line);
}

/* ---- as it was --------------------------------------------------------------------------------------------------- */

static void before_votes(struct reading *r, const json_t *votes)
{
    size_t i;
    const json_t *vote;
    json_array_foreach(votes, i, vote)
    {
        const char *says = text(vote, "vote");
        int64_t heard_ms = json_integer_value(json_object_get(vote, "heard_ms"));
        if (!is(says, "down") && !is(says, "up"))
            continue;
        if (!site(r, text(vote, "site")) || model_voter_find(r->model, text(vote, "voter")) < 0)
            r->record->n_unknown++;
        else
            strbuf_addf(&r->record->scenario, "%s vote %s %s %s heard %" PRId64 "ms\n", r->service->name,
                        text(vote, "site"), text(vote, "voter"), says, heard_ms > 0 ? heard_ms : 0);
    }
}

static void before_timers(struct reading *r, const json_t *timers)
{
    size_t i;
    const json_t *timer;
    json_array_foreach(timers, i, timer)
    {
        const char *where = text(timer, "site");
        int64_t in_ms = json_integer_value(json_object_get(timer, "in_ms"));
        json_int_t count = json_integer_value(json_object_get(timer, "count"));
        if (*where && !site(r, where)) {
            r->record->n_unknown++;
            continue;
        }
        strbuf_addf(&r->record->scenario, "%s timer %s %s %" PRId64 "ms", r->service->name, text(timer, "timer"), where,
                    in_ms > 1 ? in_ms : 1);
        if (count > 0)
            strbuf_addf(&r->record->scenario, " breaks %" JSON_INTEGER_FORMAT, count);
        strbuf_addc(&r->record->scenario, '\n');
    }
}

static void before_debts(struct reading *r, const json_t *debts)
{
    size_t i;
    const json_t *debt;
    json_array_foreach(debts, i, debt)
    {
        json_int_t count = json_integer_value(json_object_get(debt, "count"));
        if (!site(r, text(debt, "site")))
            r->record->n_unknown++;
        else if (count > 0)
            strbuf_addf(&r->record->scenario, "%s debts %s %" JSON_INTEGER_FORMAT "\n", r->service->name,
                        text(debt, "site"), count);
    }
}

static void before_run(struct reading *r, const json_t *run)
{
    const char *from = site(r, text(run, "from"));
    if (!json_is_object(run))
        return;
    if (!site(r, text(run, "to"))) {
        r->record->n_unknown++;
        return;
    }
    strbuf_addf(&r->record->scenario, "%s run %s %s%s to %s %s%s%s%s\n", r->service->name, text(run, "direction"),
                from ? "from " : "", from ? from : "", text(run, "to"), text(run, "state"),
                is(text(run, "occasion"), "planned") ? " planned" : "", is_true(run, "has_effect") ? " effect" : "",
                is_true(run, "ours") ? "" : " by_operator");
}

static void read_before(struct reading *r, const json_t *before)
{
    const char *active = text(before, "active");
    const char *active_site = site(r, text(before, "active_site"));
    struct strbuf *scenario = &r->record->scenario;
    size_t i;
    const json_t *incident;
    if (is(active, "site") || is(active, "moving"))
        strbuf_addf(scenario, "%s active %s\n", r->service->name, active_site ? active_site : "unknown");
    else if (is(active, "split"))
        strbuf_addf(scenario, "%s active split\n", r->service->name);
    if (is_true(before, "paused"))
        strbuf_addf(scenario, "%s paused\n", r->service->name);
    before_votes(r, json_object_get(before, "votes"));
    before_timers(r, json_object_get(before, "timers"));
    json_array_foreach(json_object_get(before, "incidents"), i, incident)
    {
        if (site(r, text(incident, "site")))
            strbuf_addf(scenario, "%s incident %s %s\n", r->service->name, text(incident, "site"),
                        is_true(incident, "standing") ? "standing" : "open");
    }
    before_debts(r, json_object_get(before, "debts"));
    before_run(r, json_object_get(before, "run"));
    const json_t *outside = json_object_get(before, "outside");
    r->is_cut_off = is_true(outside, "cut_off");
    r->is_killed = is_true(outside, "kill_switch");
    strbuf_adds(scenario, r->is_cut_off ? "cut_off\n" : "");
    strbuf_adds(scenario, r->is_killed ? "kill_switch\n" : "");
}

/* ---- what happened ----------------------------------------------------------------------------------------------- */

/* An operator's name is one word of a scenario. */
struct who {
    char text[64];
};

static struct who who_of(const char *name)
{
    struct who who;
    snprintf(who.text, sizeof who.text, "%s", name[0] ? name : "somebody");
    for (char *c = who.text; *c; c++)
        if (*c == ' ' || *c == '\t' || *c == '"' || *c == '#')
            *c = '_';
    return who;
}

static void read_vote(struct reading *r, const json_t *detail, const char *who)
{
    const char *voter = text(detail, "voter");
    const char *where = text(detail, "site");
    const char *says = text(detail, "vote");
    const char *name = r->service->name;
    bool is_known = is(says, "down") || is(says, "up");
    int index = model_voter_find(r->model, voter);
    if (index < 0 || !site(r, where) || (index == model_voter_probe(r->model) && !r->service->probe.check))
        r->record->n_unknown++;
    else if (index == model_voter_operator(r->model))
        event(r, "operator %s vote %s %s %s", who_of(strncmp(who, "operator ", 9) == 0 ? who + 9 : who).text, name,
              where, is_known ? says : "nothing");
    else if (index == model_voter_probe(r->model))
        event(r, "probe says %s %s %s", name, where, is_known ? says : "nothing");
    else
        event(r, "%s says %s %s %s", voter, name, where, is_known ? says : "resolved");
}

/* "override target_down,preflight", or "". */
struct overriding {
    char text[128];
};

static struct overriding overriding_of(const json_t *what)
{
    struct overriding ret = {""};
    const char *guards = text(what, "overrides");
    if (*guards)
        snprintf(ret.text, sizeof ret.text, "override_%s", guards);
    for (char *c = ret.text; *c; c++)
        if (*c == ' ')
            *c = ',';
    if (*guards)
        ret.text[strlen("override")] = ' ';
    return ret;
}

static void read_move(struct reading *r, const json_t *what)
{
    const char *to = text(what, "site");
    if (*to && !site(r, to)) {
        r->record->n_unknown++;
        return;
    }
    event(r, "operator %s %s %s%s%s%s%s %s because %s", who_of(text(what, "who")).text, text(what, "direction"),
          r->service->name, *to ? " to " : "", to, is_true(what, "planned") ? " planned" : "",
          is_true(what, "replace") ? " replace" : "", overriding_of(what).text, text(what, "text"));
}

static void read_run_state(struct reading *r, const json_t *what)
{
    const char *state = text(what, "run_state");
    bool is_end_of_cancel = r->is_cancelling && is(state, "cancelled");
    r->is_cancelling = false;
    bool is_theirs = *text(what, "who") && (is(state, "cancelled") || is(state, "undone"));
    if (!is_end_of_cancel && !is(state, "waiting"))
        event(r, "run %s %s%s%s %s%s%s", r->service->name, state, is_theirs ? " by " : "",
              is_theirs ? who_of(text(what, "who")).text : "", overriding_of(what).text,
              *text(what, "text") ? " because " : "", text(what, "text"));
}

static void read_debts(struct reading *r, const json_t *what)
{
    const char *where = text(what, "site");
    if (!site(r, where))
        r->record->n_unknown++;
    else
        event(r, "debts %s %s %lld", r->service->name, where,
              (long long)json_integer_value(json_object_get(what, "delta")));
}

static void read_call(struct reading *r, const char *verb, const json_t *what)
{
    const char *to = text(what, "site");
    if (*to && !site(r, to))
        r->record->n_unknown++;
    else
        event(r, "operator %s %s %s%s%s %s because %s", who_of(text(what, "who")).text, verb, r->service->name,
              *to ? " to " : "", to, overriding_of(what).text, text(what, "text"));
}

static void read_event(struct reading *r, const json_t *what)
{
    enum event_kind kind;
    const char *name = r->service->name;
    if (!json_is_object(what) || !event_kind_parse(text(what, "kind"), &kind))
        return;
    switch (kind) {
    case EVENT_START:
    case EVENT_LOOK:
    case EVENT_ALERT: /* the votes are taken as they came out */
    case EVENT_HEARD:
        break;
    case EVENT_OBSERVED:
        event(r, "observed %s %s", name, site(r, text(what, "site")) ? text(what, "site") : "nothing");
        break;
    case EVENT_OPERATOR_MOVE:
        read_move(r, what);
        break;
    case EVENT_ADOPT:
    case EVENT_PAUSE:
    case EVENT_RESUME:
    case EVENT_APPROVE:
    case EVENT_REJECT:
        read_call(r, event_kind_text(kind), what);
        break;
    case EVENT_RUN_STATE:
        read_run_state(r, what);
        break;
    case EVENT_DEBTS:
        read_debts(r, what);
        break;
    case EVENT_RUN_POINT:
        event(r, "run %s %s%s%s", name, is_true(what, "has_effect") ? "point" : "effect",
              *text(what, "who") ? " by " : "", *text(what, "who") ? who_of(text(what, "who")).text : "");
        break;
    }
}

/* The daemon's own state is known where it was in the way: since the line before. */
static void read_outside(struct reading *r, const char *kind, const char *reason)
{
    bool is_refusal = is(kind, "decision.not_acted") || is(kind, "decision.cancel");
    bool is_cut_off = is_refusal && is(reason, "cut_off");
    bool is_killed = is_refusal && is(reason, "kill_switch");
    int64_t at = r->at;
    if (!is_refusal && !is(kind, "decision.run"))
        return;
    if (is(kind, "decision.not_acted"))
        r->at = r->last_at;
    if (is_cut_off != r->is_cut_off)
        event(r, "cut_off%s", is_cut_off ? "" : " ends");
    if (is_killed != r->is_killed && (is_killed || !is(kind, "decision.cancel")))
        event(r, "kill_switch%s", is_killed ? "" : " ends");
    r->is_cut_off = is_cut_off;
    r->is_killed = is_killed;
    r->at = at;
}

/* ---- what was decided -------------------------------------------------------------------------------------------- */

static void read_act(struct reading *r, const json_t *entry, const json_t *detail)
{
    static const char *const about_others[] = {"flood", "suspect", "dependency", "provider_busy"};
    const char *kind = text(entry, "kind");
    const char *reason = text(detail, "reason");
    const char *says = text(entry, "text");
    struct replay_acts *acts = &r->record->acts;
    bool is_here = is(text(detail, "site"), r->service->sites[r->record->site].name);
    if (is(kind, "decision.incident") && is_here && json_is_boolean(json_object_get(detail, "standing")))
        replay_acts_add(acts, r->at, says, "%s", is_true(detail, "standing") ? "stands" : "falls");
    else if (is(kind, "decision.not_acted") && is_here)
        replay_acts_add(acts, r->at, says, "not_acted %s %s", reason, text(detail, "to"));
    else if (is(kind, "decision.run"))
        replay_acts_add(acts, r->at, says, "run %s %s %s", text(detail, "from"), text(detail, "to"),
                        text(detail, "run_state"));
    else if (is(kind, "decision.approved"))
        replay_acts_add(acts, r->at, says, "approved");
    else if (is(kind, "decision.cancel"))
        replay_acts_add(acts, r->at, says, "cancel %s", reason);
    else if (is(kind, "decision.halt"))
        replay_acts_add(acts, r->at, says, "halt %s", reason);
    else
        return;
    for (size_t i = 0; i < sizeof about_others / sizeof about_others[0]; i++)
        r->record->is_about_others |= is(reason, about_others[i]);
}

static void read_entry(struct reading *r, const json_t *entry)
{
    const json_t *detail = json_object_get(entry, "detail");
    const char *kind = text(entry, "kind");
    if (!is(text(entry, "service"), r->service->name) || !time_of(entry, "at", r->record->clock, &r->at))
        return;
    read_outside(r, kind, text(detail, "reason"));
    read_event(r, json_object_get(detail, "event"));
    if (is(kind, "decision.vote"))
        read_vote(r, detail, text(entry, "who"));
    else if (is(kind, "decision.cancel"))
        r->is_cancelling = true;
    read_act(r, entry, detail);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static const json_t *find_before(const json_t *chain)
{
    size_t i;
    const json_t *item;
    json_array_foreach(chain, i, item)
    {
        const json_t *detail = json_object_get(json_object_get(item, "entry"), "detail");
        if (json_is_object(json_object_get(detail, "before")))
            return json_object_get(detail, "before");
    }
    return NULL;
}

static bool find_names(const json_t *incident, const struct model *model, struct replay_record *ret, struct errmsg *why)
{
    const char *service = text(incident, "service");
    ret->service = model_service_find(model, service);
    if (ret->service < 0) {
        errmsg_set(why, "the configuration has no service %.64s", service);
        return false;
    }
    ret->site = service_site_find(&model->services[ret->service], text(incident, "site"));
    if (ret->site < 0)
        errmsg_set(why, "%.64s has no site %.64s in the configuration", service, text(incident, "site"));
    return ret->site >= 0;
}

bool replay_record_read(const json_t *incident, const struct model *model, struct replay_record *ret,
                        struct errmsg *why)
{
    const json_t *chain = json_object_get(incident, "chain");
    const json_t *before = find_before(chain);
    int64_t opened_at = 0;
    char clock_text[TIME_TEXT_SIZE];
    *ret = (struct replay_record){.left_out = json_integer_value(json_object_get(incident, "left_out"))};
    if (!find_names(incident, model, ret, why))
        return false;
    if (!before || !time_of(incident, "opened_at", 0, &opened_at)) {
        errmsg_set(why, "the record does not say how things were when the incident began: an older version wrote it");
        return false;
    }
    ret->clock = opened_at - opened_at % 1000;
    ret->opened_at = opened_at - ret->clock;
    struct reading r = {.model = model, .service = &model->services[ret->service], .record = ret};
    strbuf_addf(&ret->scenario, "CASE as it was\nBEFORE\nclock %.19sZ\n", time_format(ret->clock, clock_text));
    read_before(&r, before);
    size_t i;
    const json_t *item;
    json_array_foreach(chain, i, item) read_entry(&r, json_object_get(item, "entry"));
    int64_t end = 0;
    if (time_of(incident, "resolved_at", ret->clock, &end) || (end = clock_wall_ms() - ret->clock) > 0)
        r.at = end > r.at ? end : r.at;
    event(&r, "nothing");
    if (!ret->scenario.is_broken && !ret->acts.is_broken)
        return true;
    errmsg_set(why, "the record is too long, or memory has run out");
    return false;
}

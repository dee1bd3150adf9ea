/* Plays the lines of a case: what happens, and whether what has to be so is so. */
#include "core/scenario_player.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- what happens ------------------------------------------------------------------------------------------------ */

static void run_event(struct player *p, int service, enum run_state state, bool has_effect)
{
    player_give(
        p, service,
        &(struct event){.kind = EVENT_RUN_STATE, .site = SITE_NONE, .run_state = state, .has_effect = has_effect});
}

/* Its state, as the line has it; one that was undone has no effect any more. */
static void run_state(struct player *p, const struct happening *h)
{
    struct event event = h->event;
    event.has_effect = p->views[h->service].run_has_effect && event.run_state != RUN_UNDONE;
    player_give(p, h->service, &event);
}

/* The run asks before it goes on. An answer that lets it go is the last thing that it is told. */
static void run_point(struct player *p, const struct happening *h)
{
    int service = h->service;
    size_t first = p->n_kept;
    struct event event = h->event;
    event.kind = EVENT_RUN_POINT;
    event.has_effect = p->views[service].run_has_effect;
    player_give(p, service, &event);
    for (size_t i = first; i < p->n_kept && p->err == ERR_OK; i++) {
        if (p->kept[i].service != service)
            continue;
        if (p->kept[i].thing.kind == THING_RUN_HALT) {
            run_event(p, service, RUN_ATTENTION, p->views[service].run_has_effect);
            return;
        }
        if (p->kept[i].thing.kind == THING_RUN_GOES && h->kind == HAPPENS_EFFECT) {
            run_event(p, service, RUN_RUNNING, true);
            return;
        }
    }
}

static void happens_run(struct player *p, const struct line *line)
{
    const struct happening *h = &line->happening;
    const struct service_view *view = &p->views[h->service];
    if (!view->has_run || (view->run_state == RUN_WAITING && h->event.run_state != RUN_CANCELLED)) {
        player_fail(p, line->line, "%s has no run under way that this could happen to",
                    p->model->services[h->service].name);
        return;
    }
    if (h->kind == HAPPENS_RUN)
        run_state(p, h);
    else
        run_point(p, h);
}

static void happens_outside(struct player *p, const struct happening *h)
{
    if (h->kind == HAPPENS_CUT_OFF)
        p->outlook->is_cut_off = !h->is_over;
    else
        p->outlook->is_killed = !h->is_over;
    p->outlook->generation++;
}

static void happens_beat(struct player *p, const struct happening *h)
{
    outlook_hear(p->outlook, h->voter, h->kind == HAPPENS_BEAT, player_now(p));
    if (h->kind == HAPPENS_BEAT_ENDS)
        outlook_beat_ends(p->outlook, h->voter);
}

static void happens(struct player *p, const struct line *line)
{
    const struct happening *h = &line->happening;
    switch (h->kind) {
    case HAPPENS_NOTHING:
        break;
    case HAPPENS_ALERT:
        player_take_alert(p, h);
        break;
    case HAPPENS_DELIVERY:
    case HAPPENS_BEAT:
    case HAPPENS_BEAT_ENDS:
        happens_beat(p, h);
        break;
    case HAPPENS_SAYS:
        player_take_says(p, h->service, h->voter, h->event.site, h->event.says);
        break;
    case HAPPENS_OPERATOR:
        if (h->event.kind == EVENT_ALERT)
            player_take_says(p, h->service, h->voter, h->event.site, h->event.says);
        else
            player_give(p, h->service, &h->event);
        break;
    case HAPPENS_OBSERVED:
    case HAPPENS_DEBTS:
        player_give(p, h->service, &h->event);
        break;
    case HAPPENS_RUN:
    case HAPPENS_EFFECT:
    case HAPPENS_POINT:
        happens_run(p, line);
        break;
    case HAPPENS_RESTART:
    case HAPPENS_KILL:
    case HAPPENS_REBOOT:
        player_restart(p, h);
        break;
    case HAPPENS_CLOCK:
        p->wall_ahead += h->duration;
        break;
    case HAPPENS_CUT_OFF:
    case HAPPENS_KILL_SWITCH:
        happens_outside(p, h);
        break;
    }
}

/* ---- what has to be so ------------------------------------------------------------------------------------------- */

static void expect_things(struct player *p, const struct line *line)
{
    const struct expectation *e = &line->expectation;
    int n = 0;
    player_spend(p, p->n_kept / 64);
    for (size_t i = 0; i < p->n_kept && p->err == ERR_OK; i++) {
        struct kept_thing *kept = &p->kept[i];
        bool is_it = e->kind == EXPECT_NOTHING
                         ? kept->thing.kind != THING_COUNT && (e->service == ANY || e->service == kept->service)
                         : expect_matches(e, kept->service, &kept->thing, kept->now);
        kept->is_mentioned |= is_it;
        n += is_it;
    }
    if (p->err != ERR_OK)
        return;
    if (e->count == ANY && n == 0)
        player_fail(p, line->line, "not decided: %.300s", line->text);
    else if (e->count != ANY && n != e->count)
        player_fail(p, line->line, "decided %d time%s: %.300s", n, n == 1 ? "" : "s", line->text);
}

static void expect(struct player *p, const struct line *line)
{
    const struct expectation *e = &line->expectation;
    char is[300] = "";
    if (e->kind == EXPECT_THINGS || e->kind == EXPECT_NOTHING)
        expect_things(p, line);
    else if (!expect_state(e, p->model, &p->views[e->service], player_now(p), is, sizeof is))
        player_fail(p, line->line, "not so: %.200s: %s: %s", line->text, p->model->services[e->service].name, is);
}

/* In a case that expects anything, nothing is started or stopped that it does not mention. */
static void window_end(struct player *p)
{
    for (size_t i = 0; p->scase->has_expectation && i < p->n_kept && p->err == ERR_OK; i++) {
        const struct kept_thing *kept = &p->kept[i];
        if (kept->is_mentioned || !expect_is_asked_for(&kept->thing))
            continue;
        player_fail(p, p->window ? p->window->line : p->scase->line, "decided, and no EXPECT mentions it: %s: %s",
                    p->model->services[kept->service].name, kept->thing.text);
        break;
    }
    p->n_kept = 0;
}

static void play_line(struct player *p, const struct line *line, bool is_last_of_repeat)
{
    if (!line->is_continued && (line->is_event || line->is_timed)) {
        window_end(p);
        p->window = line;
        player_advance(p, line->at);
    }
    if (p->err != ERR_OK)
        return;
    if (!line->is_event) {
        expect(p, line);
        return;
    }
    if (p->say && !line->is_continued)
        p->say(p->context, &(struct scenario_told){.at = p->at, .model = p->model, .service = -1, .text = line->text});
    happens(p, line);
    if (is_last_of_repeat)
        player_settle(p);
}

static void player_done(struct player *p)
{
    outlook_free(p->outlook);
    free(p->views);
    free(p->pointers);
    free(p->companions);
    free(p->alerts);
    free(p->kept);
}

enum err scenario_play(const struct scenario *scenario, int n, int max_looks, scenario_say say, void *context,
                       struct strbuf *failures)
{
    const struct scenario_case *scase = &scenario->cases[n];
    struct player p = {.scenario = scenario,
                       .scase = scase,
                       .model = scase->model,
                       .max_looks = max_looks,
                       .say = say,
                       .context = context,
                       .failures = failures};
    player_begin(&p);
    for (size_t i = 0; i < scase->n_lines && p.err == ERR_OK; i++)
        play_line(&p, &scase->lines[i], i + 1 == scase->n_lines || !scase->lines[i + 1].is_continued);
    if (p.err == ERR_OK)
        window_end(&p);
    player_done(&p);
    return p.err == ERR_OK && p.n_failures > 0 ? ERR_CONFLICT : p.err;
}

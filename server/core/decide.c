/* The decision, in two halves. First the event itself is written down (a count, a timer that is over, an operator's
 * wish). Then look_again() compares what is with what ought to be, site by site, whatever the event was: hold timers,
 * incidents, and whether a standing incident may start a run. So nothing depends on one event that could be missed,
 * and a restart needs no rules of its own.
 *
 * Everything happens to a copy of the view, through view_apply(), as the orchestrator will do it. A rule that needs
 * more memory than the view has does not belong here. */
#include "core/decide.h"

#include "base/utf8.h"
#include "core/playbook.h"
#include "core/words.h"

#include <assert.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>

struct decision {
    const struct service *service;
    const struct model *model;
    const struct outlook *outlook;
    const struct event *event;
    int64_t now;
    struct service_view view; /* as it is after the things so far */
    struct things *things;
};

static void say(struct decision *d, struct thing thing, const char *format, ...) PRINTF_LIKE(3, 4);

static void say(struct decision *d, struct thing thing, const char *format, ...)
{
    assert(d->things->count < MAX_THINGS);
    if (thing.kind != THING_RUN_START)
        thing.from = SITE_NONE;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(thing.text, sizeof thing.text, format, args);
    va_end(args);
    utf8_clean(thing.text);
    view_apply(&d->view, &thing);
    d->things->items[d->things->count++] = thing;
}

static const char *name(const struct decision *d, int site)
{
    return site_phrase(d->service, site);
}

static struct phrase votes(const struct decision *d, int site)
{
    return votes_phrase(d->service, d->model, &d->view, site);
}

static struct phrase votes_held(const struct decision *d, int site)
{
    return votes_held_phrase(d->service, d->model, &d->view, site);
}

static bool has_quorum(const struct decision *d, int site)
{
    return view_has_quorum(d->service, d->model, &d->view, site);
}

static bool is_active(const struct decision *d, int site)
{
    return d->view.active == ACTIVE_SITE && d->view.active_site == site;
}

/* Why votes on `site` start nothing where it is; REASON_NONE: it is the active site. */
static enum reason reason_of_place(const struct decision *d, int site)
{
    switch (d->view.active) {
    case ACTIVE_SITE:
        return d->view.active_site == site ? REASON_NONE : REASON_NOT_ACTIVE;
    case ACTIVE_MOVING:
        return REASON_RUN_IN_PROGRESS;
    case ACTIVE_SPLIT:
        return REASON_ACTIVE_SPLIT;
    case ACTIVE_UNKNOWN:
        break;
    }
    return REASON_ACTIVE_UNKNOWN;
}

/* The same as a clause. */
static struct phrase where(const struct decision *d)
{
    return place_phrase(d->service, &d->view);
}

/* ---- timers and incidents ---------------------------------------------------------------------------------------- */

static void incident_stand(struct decision *d, int site)
{
    bool is_open = d->view.sites[site].has_incident;
    struct thing thing = {.kind = is_open ? THING_INCIDENT_STANDING : THING_INCIDENT_OPEN,
                          .reason = REASON_VOTES,
                          .site = site,
                          .flag = true};
    say(d, thing, "%.48s is down%s: %s", name(d, site), is_open ? " again" : "", votes_held(d, site).text);
}

static void hold_clear(struct decision *d, int site)
{
    struct thing thing = {.kind = THING_TIMER_CLEAR, .site = site, .timer = TIMER_HOLD};
    thing.reason = reason_of_place(d, site);
    if (thing.reason != REASON_NONE) {
        say(d, thing, "the hold time of %.48s ends, for %s", name(d, site), where(d).text);
        return;
    }
    thing.reason = REASON_VOTES;
    say(d, thing, "the votes on %.48s did not hold for %s: now it has %s", name(d, site),
        duration_phrase(d->service->hold_ms).text, votes(d, site).text);
}

static void look_at_hold(struct decision *d, int site)
{
    const struct site_view *view = &d->view.sites[site];
    bool is_wanted = is_active(d, site) && has_quorum(d, site) && !view->is_standing;
    if (view->hold_due_at == 0 && is_wanted && d->service->hold_ms > 0) {
        struct thing set = {.kind = THING_TIMER_SET,
                            .reason = REASON_VOTES,
                            .site = site,
                            .timer = TIMER_HOLD,
                            .at = d->now + d->service->hold_ms};
        say(d, set, "%.48s has %s: it counts as down when they hold for %s", name(d, site), votes(d, site).text,
            duration_phrase(d->service->hold_ms).text);
    } else if (view->hold_due_at == 0 && is_wanted) {
        incident_stand(d, site);
    } else if (view->hold_due_at != 0 && !is_wanted) {
        hold_clear(d, site);
    } else if (view->hold_due_at != 0 && view->hold_due_at <= d->now) {
        struct thing over = {.kind = THING_TIMER_CLEAR, .reason = REASON_TIMER, .site = site, .timer = TIMER_HOLD};
        say(d, over, "the hold time of %.48s is over: %s", name(d, site), votes_held(d, site).text);
        incident_stand(d, site);
    }
}

static void look_at_incident(struct decision *d, int site)
{
    const struct site_view *view = &d->view.sites[site];
    struct thing fall = {.kind = THING_INCIDENT_STANDING, .reason = REASON_VOTES, .site = site};
    if (view->has_incident && view_votes(d->model, &d->view, site) == 0) {
        fall.kind = THING_INCIDENT_RESOLVED;
        say(d, fall, "no source says any more that %.48s is down: the incident is over", name(d, site));
    } else if (view->is_standing && !has_quorum(d, site)) {
        say(d, fall, "%.48s has only %s left: its incident stays open and starts nothing", name(d, site),
            votes(d, site).text);
    } else if (view->is_standing && d->view.active == ACTIVE_SITE && d->view.active_site != site) {
        fall.reason = REASON_NOT_ACTIVE;
        say(d, fall, "%.48s is the active site now: the incident of %.48s stays open until its votes are gone",
            name(d, d->view.active_site), name(d, site));
    }
}

static void look_at_cool_down(struct decision *d)
{
    if (d->view.cool_down_until == 0 || d->view.cool_down_until > d->now)
        return;
    struct thing over = {
        .kind = THING_TIMER_CLEAR, .reason = REASON_TIMER, .site = SITE_NONE, .timer = TIMER_COOL_DOWN};
    say(d, over, "the cool-down after the last run is over");
}

static void look_at_sites(struct decision *d)
{
    look_at_cool_down(d);
    for (int site = 0; site < d->service->n_sites; site++) {
        look_at_incident(d, site);
        look_at_hold(d, site);
    }
}

/* ---- acting, or saying why not ----------------------------------------------------------------------------------- */

static int target_find(const struct decision *d)
{
    for (int site = 0; site < d->service->n_sites; site++)
        if (site != d->view.active_site && view_votes(d->model, &d->view, site) == 0)
            return site;
    return SITE_NONE;
}

/* `leaves`: the site that is known to be active, SITE_NONE when none is. `from`: the one the steps' ${from.…} mean,
 * the same or a guess. RUN_START comes last: carrying it out may already bring the next event. */
static void run_start(struct decision *d, enum reason reason, enum direction direction, int leaves, int from, int to,
                      const char *why)
{
    struct phrase move = move_phrase(d->service, direction, from, to);
    struct thing moving = {.kind = THING_ACTIVE, .reason = reason, .site = leaves, .active = ACTIVE_MOVING};
    say(d, moving, "the %s begins", move.text);
    look_at_sites(d);
    struct thing start = {.kind = THING_RUN_START,
                          .reason = reason,
                          .site = to,
                          .from = from,
                          .direction = direction,
                          .occasion = direction == DIRECTION_FAILBACK ? OCCASION_FAILBACK : OCCASION_OUTAGE,
                          .run_state = RUN_RUNNING,
                          .flag = reason == REASON_VOTES};
    say(d, start, "%s: %s", move.text, why);
}

/* The guards, in the order in which a person would ask. */
static enum reason guard(const struct decision *d, int site, int *ret_target)
{
    if (d->service->mode == MODE_MANUAL)
        return REASON_MANUAL_MODE;
    enum reason place = reason_of_place(d, site);
    if (place != REASON_NONE)
        return place;
    if (d->view.has_run)
        return REASON_RUN_IN_PROGRESS;
    if (d->view.cool_down_until > d->now)
        return REASON_COOL_DOWN;
    *ret_target = target_find(d);
    return *ret_target == SITE_NONE ? REASON_NO_TARGET : REASON_NONE;
}

static struct phrase obstacle_phrase(const struct decision *d, enum reason reason)
{
    if (reason == REASON_RUN_IN_PROGRESS || reason == REASON_NOT_ACTIVE || reason == REASON_ACTIVE_UNKNOWN ||
        reason == REASON_ACTIVE_SPLIT)
        return where(d);
    struct phrase phrase = {""};
    if (reason == REASON_MANUAL_MODE)
        (void)snprintf(phrase.text, sizeof phrase.text, "the mode is manual: a person has to start the failover");
    else if (reason == REASON_COOL_DOWN)
        (void)snprintf(phrase.text, sizeof phrase.text, "the cool-down after the last run lasts another %.40s",
                       duration_phrase(d->view.cool_down_until - d->now).text);
    else
        (void)snprintf(phrase.text, sizeof phrase.text, "there is no other site without a down vote");
    return phrase;
}

/* A run that is under way is what is done about it; one that waits for a person is not. */
static bool is_answered(const struct decision *d)
{
    return d->view.has_run && d->view.run_state == RUN_RUNNING;
}

static void act(struct decision *d, int site)
{
    int target = SITE_NONE;
    enum reason reason = guard(d, site, &target);
    if (reason == REASON_NONE) {
        run_start(d, REASON_VOTES, DIRECTION_FAILOVER, site, site, target, votes_held(d, site).text);
    } else if ((int)reason != d->view.sites[site].last_reason) {
        struct thing not = {.kind = THING_NOT_ACTED, .reason = reason, .site = site};
        say(d, not, "%.48s is down, and nothing is started: %s", name(d, site), obstacle_phrase(d, reason).text);
    }
}

static void look_again(struct decision *d)
{
    look_at_sites(d);
    for (int site = 0; site < d->service->n_sites && !is_answered(d); site++) {
        if (!d->view.sites[site].is_standing)
            continue;
        act(d, site);
        return; /* one site is active at a time, so one incident stands at most */
    }
}

/* A site that becomes active starts afresh: what its monitors said of it before has to hold once more. */
static void become_active(struct decision *d, enum reason reason, int site, const char *why)
{
    struct thing active = {.kind = THING_ACTIVE, .reason = reason, .site = site, .active = ACTIVE_SITE};
    say(d, active, "%.48s is the active site: %s", name(d, site), why);
    if (!d->view.sites[site].is_standing)
        return;
    struct thing fall = {.kind = THING_INCIDENT_STANDING, .reason = reason, .site = site};
    say(d, fall, "%.48s has just become active: %s have to hold anew", name(d, site), votes(d, site).text);
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

/* A refusal changes nothing: false, there is no reason to look again. */
static bool refuse(struct decision *d, enum reason reason, const char *text)
{
    struct thing thing = {.kind = THING_REFUSED, .reason = reason, .site = d->event->site};
    say(d, thing, "%s", text);
    return false;
}

static void on_alert(struct decision *d)
{
    const struct event *event = d->event;
    assert(event->site >= 0 && event->site < d->service->n_sites);
    assert(event->voter >= 0 && event->voter < model_n_voters(d->model));
    const struct vote_view *found = view_vote_find(&d->view, event->site, event->voter);
    const struct vote_view before = found ? *found : (struct vote_view){.vote = VOTE_UNKNOWN};
    int64_t sum = (int64_t)(event->says == VOTE_UP ? before.up : before.down) + event->delta;
    int count = sum < 0 ? 0 : sum > INT_MAX ? INT_MAX : (int)sum;
    enum reason place = reason_of_place(d, event->site);
    const char *voter = model_voter_name(d->model, event->voter);
    const char *site = name(d, event->site);
    struct thing thing = {.kind = THING_COUNT,
                          .reason = place == REASON_NONE ? REASON_VOTES : place,
                          .site = event->site,
                          .voter = event->voter,
                          .vote = event->says,
                          .at = d->now,
                          .count = count};
    say(d, thing, "%.40s has %d alert%s that say%s %.40s is %s", voter, count, count == 1 ? "" : "s",
        count == 1 ? "s" : "", site, vote_text(event->says));
    int down = event->says == VOTE_UP ? before.down : count;
    int up = event->says == VOTE_UP ? count : before.up;
    enum vote vote = down > 0 ? VOTE_DOWN : up > 0 ? VOTE_UP : VOTE_UNKNOWN;
    if (vote == before.vote)
        return;
    thing.kind = THING_VOTE;
    thing.vote = vote;
    /* The sentence tells the votes as they are afterwards. */
    struct service_view after = d->view;
    view_apply(&after, &thing);
    struct phrase all = votes_phrase(d->service, d->model, &after, event->site);
    if (vote != VOTE_DOWN)
        say(d, thing, "%.40s says no more that %.40s is down; %.150s", voter, site, all.text);
    else if (place == REASON_NONE)
        say(d, thing, "%.40s says %.40s is down (%d alert%s); %.130s", voter, site, count, count == 1 ? "" : "s",
            all.text);
    else
        say(d, thing, "%.40s says %.40s is down (%d alert%s); %.70s; nothing follows: %.90s", voter, site, count,
            count == 1 ? "" : "s", all.text, where(d).text);
}

static void on_observed(struct decision *d)
{
    int site = d->event->site;
    struct thing note = {.kind = THING_NOT_ACTED, .reason = REASON_ACTIVE_UNKNOWN, .site = SITE_NONE};
    if (d->view.active != ACTIVE_UNKNOWN || d->view.has_run) {
        note.reason = d->view.has_run ? REASON_RUN_IN_PROGRESS : REASON_OBSERVED;
        say(d, note, "what was observed came too late: %s", where(d).text);
    } else if (site < 0) {
        say(d, note, "the playbook's steps agree with no site, or with several: the active site stays unknown");
    } else {
        become_active(d, REASON_OBSERVED, site,
                      "what the providers hold agrees with it, in every step of the playbook");
    }
}

static bool needs_from(const struct service *service)
{
    for (int i = 0; i < service->n_steps; i++)
        if (args_need_from(service->steps[i].args))
            return true;
    return false;
}

/* Where an operator's move goes; the refusal's reason when it goes nowhere. Without a known active site nobody but the
 * operator can tell which site is to serve: the first one without a down vote may be the very one that serves now, or
 * the one that a stopped run left half-way. */
static enum reason choose_target(const struct decision *d, int *ret_target, const char **ret_text)
{
    const struct event *event = d->event;
    if (event->direction == DIRECTION_FAILBACK) {
        *ret_target = 0;
        *ret_text = "a failback goes home, to the first site in `prefer`; for another site ask for a failover";
        return event->site > 0 ? REASON_NO_TARGET : REASON_NONE;
    }
    if (event->site >= 0) {
        *ret_target = event->site;
        return REASON_NONE;
    }
    if (d->view.active != ACTIVE_SITE) {
        *ret_text = "say which site to move to (`to`): without a known active site none can be chosen for you";
        return reason_of_place(d, SITE_NONE);
    }
    *ret_target = target_find(d);
    *ret_text = "every other site has a down vote; say which site to move to (`to`) if you know better";
    return *ret_target == SITE_NONE ? REASON_NO_TARGET : REASON_NONE;
}

static bool on_operator_move(struct decision *d)
{
    const struct event *event = d->event;
    int leaves = d->view.active == ACTIVE_SITE ? d->view.active_site : SITE_NONE;
    int target = SITE_NONE;
    const char *text = "";
    char sentence[240];
    if (d->view.has_run) {
        (void)snprintf(sentence, sizeof sentence, "%.150s: it has to end, or be cancelled, first", where(d).text);
        return refuse(d, REASON_RUN_IN_PROGRESS, sentence);
    }
    enum reason reason = choose_target(d, &target, &text);
    if (reason != REASON_NONE)
        return refuse(d, reason, text);
    if (target == leaves) {
        (void)snprintf(sentence, sizeof sentence, "%.48s is the active site already", name(d, target));
        return refuse(d, REASON_ALREADY_ACTIVE, sentence);
    }
    int from = leaves;
    if (from == SITE_NONE && needs_from(d->service)) {
        if (d->service->n_sites != 2)
            return refuse(d, REASON_UNKNOWN_FROM,
                          "a step of the playbook uses ${from.…}, and the active site is not known: adopt one first");
        from = 1 - target;
    }
    (void)snprintf(sentence, sizeof sentence, "%.64s asked for it%s%.150s", event->who ? event->who : "an operator",
                   event->text && event->text[0] ? ": " : "", event->text ? event->text : "");
    run_start(d, REASON_OPERATOR, event->direction, leaves, from, target, sentence);
    return false;
}

static bool on_adopt(struct decision *d)
{
    const struct event *event = d->event;
    char sentence[240];
    if (d->view.has_run) {
        (void)snprintf(sentence, sizeof sentence, "%.150s: it will say itself which site is active", where(d).text);
        return refuse(d, REASON_RUN_IN_PROGRESS, sentence);
    }
    if (event->site < 0)
        return refuse(d, REASON_NO_TARGET, "say which site is active (`to`)");
    if (is_active(d, event->site)) {
        (void)snprintf(sentence, sizeof sentence, "%.48s is the active site already", name(d, event->site));
        return refuse(d, REASON_ALREADY_ACTIVE, sentence);
    }
    (void)snprintf(sentence, sizeof sentence, "%.64s said so%s%.120s", event->who ? event->who : "an operator",
                   event->text && event->text[0] ? ": " : "", event->text ? event->text : "");
    become_active(d, REASON_OPERATOR, event->site, sentence);
    return true;
}

static void run_over(struct decision *d)
{
    const struct service_view before = d->view;
    bool is_success = d->event->run_state == RUN_SUCCEEDED;
    struct phrase move = move_phrase(d->service, before.run_direction, before.run_from, before.run_to);
    struct thing state = {
        .kind = THING_RUN_STATE, .reason = REASON_RUN, .site = SITE_NONE, .run_state = d->event->run_state};
    state.flag = d->event->has_effect;
    say(d, state, "the %s %s", move.text, is_success ? "succeeded" : "was cancelled");
    if (d->service->cool_down_ms > 0) {
        struct thing cool = {.kind = THING_TIMER_SET, .reason = REASON_RUN, .site = SITE_NONE};
        cool.timer = TIMER_COOL_DOWN;
        cool.at = d->now + d->service->cool_down_ms;
        say(d, cool, "nothing is started by itself for %s from now (cool-down)",
            duration_phrase(d->service->cool_down_ms).text);
    }
    struct thing lost = {.kind = THING_ACTIVE, .reason = REASON_RUN, .site = SITE_NONE, .active = ACTIVE_UNKNOWN};
    /* Where the run came from is what the view knows, not run_from: that may be a guess made for the steps' sake. */
    int site = is_success ? before.run_to : before.active_site;
    if (!is_success && d->event->has_effect) {
        lost.active = ACTIVE_SPLIT;
        say(d, lost, "the %s was cancelled after it had changed something: look, then adopt a site or start a run",
            move.text);
    } else if (site < 0 || site >= d->service->n_sites) {
        say(d, lost, "the %s %s, and the active site is not known", move.text,
            is_success ? "succeeded" : "was cancelled before it changed anything");
    } else {
        become_active(d, REASON_RUN, site,
                      is_success ? "the run to it succeeded"
                                 : "the run from it was cancelled before it changed anything");
    }
}

/* Whether it is news. */
static bool on_run_state(struct decision *d)
{
    const struct event *event = d->event;
    if (!d->view.has_run || (event->run_state == d->view.run_state && event->has_effect == d->view.run_has_effect))
        return false;
    if (run_state_is_final(event->run_state)) {
        run_over(d);
        return true;
    }
    struct thing state = {.kind = THING_RUN_STATE,
                          .reason = REASON_RUN,
                          .site = SITE_NONE,
                          .flag = event->has_effect,
                          .run_state = event->run_state};
    struct phrase move = move_phrase(d->service, d->view.run_direction, d->view.run_from, d->view.run_to);
    say(d, state, "the %s %s", move.text,
        event->run_state == RUN_ATTENTION ? "waits for a person: retry, skip or cancel" : "goes on");
    return true;
}

void decide(const struct service *service, const struct model *model, const struct service_view *view,
            const struct outlook *outlook, const struct event *event, int64_t now, struct things *ret)
{
    assert(service->votes > 0 && service->n_sites > 0 && service->n_sites <= MAX_SITES);
    assert(event->site < service->n_sites);
    struct decision d = {.service = service,
                         .model = model,
                         .outlook = outlook,
                         .event = event,
                         .now = now,
                         .view = *view,
                         .things = ret};
    ret->count = 0;
    bool is_news = true;
    switch (event->kind) {
    case EVENT_START:
        break;
    case EVENT_ALERT:
        on_alert(&d);
        break;
    case EVENT_LOOK:
    case EVENT_HEARD:
    case EVENT_PAUSE:
    case EVENT_RESUME:
    case EVENT_APPROVE:
    case EVENT_REJECT:
    case EVENT_RUN_POINT:
        break;
    case EVENT_OBSERVED:
        on_observed(&d);
        break;
    case EVENT_OPERATOR_MOVE:
        is_news = on_operator_move(&d);
        break;
    case EVENT_ADOPT:
        is_news = on_adopt(&d);
        break;
    case EVENT_RUN_STATE:
        is_news = on_run_state(&d);
        break;
    }
    if (is_news)
        look_again(&d);
}

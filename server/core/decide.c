/* The decision, in two halves. First the event itself is written down (a count, an operator's wish, how far a run is).
 * Then look_again() compares what is with what ought to be, whatever the event was: votes that grow old, incidents and
 * hold times site by site, the run that is there, and whether one may start. So nothing depends on one event that could
 * be missed, and a restart needs no rules of its own.
 *
 * Everything happens to a copy of the view, through view_apply(), as the orchestrator will do it. A rule that needs
 * more memory than the view has does not belong here. */
#include "core/decide.h"

#include "base/utf8.h"
#include "core/decide_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- what the pieces share --------------------------------------------------------------------------------------- */

struct thing thing_of(enum thing_kind kind, enum reason reason, int site)
{
    return (struct thing){
        .kind = kind, .reason = reason, .site = site, .from = SITE_NONE, .site_to = SITE_NONE, .voter = -1};
}

void say(struct decision *d, struct thing thing, const char *format, ...)
{
    assert(d->things->count < MAX_THINGS);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(thing.text, sizeof thing.text, format, args);
    va_end(args);
    utf8_clean(thing.text);
    view_apply(&d->view, &thing);
    d->things->items[d->things->count++] = thing;
}

const char *site_name(const struct decision *d, int site)
{
    return site_phrase(d->service, site);
}

struct phrase votes_of(const struct decision *d, int site)
{
    return votes_phrase(d->service, d->model, &d->view, site);
}

bool is_active(const struct decision *d, int site)
{
    return d->view.active == ACTIVE_SITE && d->view.active_site == site;
}

enum reason reason_of_place(const struct decision *d, int site)
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

struct phrase person_phrase(const struct decision *d, const char *what)
{
    struct phrase phrase;
    const char *text = d->event->text ? d->event->text : "";
    (void)snprintf(phrase.text, sizeof phrase.text, "%.64s %s%s%.100s", d->event->who ? d->event->who : "an operator",
                   what, text[0] ? ": " : "", text);
    return phrase;
}

/* ---- events ------------------------------------------------------------------------------------------------------ */

static void on_observed(struct decision *d)
{
    int site = d->event->site;
    struct thing note = thing_of(THING_NOT_ACTED, REASON_ACTIVE_UNKNOWN, SITE_NONE);
    if (d->view.active != ACTIVE_UNKNOWN || d->view.has_run) {
        note.reason = d->view.has_run ? REASON_RUN_IN_PROGRESS : REASON_OBSERVED;
        say(d, note, "what was observed came too late: %s", place_phrase(d->service, &d->view).text);
    } else if (site < 0) {
        say(d, note, "the playbook's steps agree with no site, or with several: the active site stays unknown");
    } else {
        become_active(d, REASON_OBSERVED, site, true,
                      "what the providers hold agrees with it, in every step of the playbook");
    }
}

static void timer_over(struct decision *d, enum timer_kind timer, int64_t due_at, const char *text)
{
    if (due_at == 0 || due_at > d->now)
        return;
    struct thing over = thing_of(THING_TIMER_CLEAR, REASON_TIMER, SITE_NONE);
    over.timer = timer;
    say(d, over, "%s", text);
}

static void look_again(struct decision *d)
{
    timer_over(d, TIMER_COOL_DOWN, d->view.cool_down_until, "the cool-down after the last run is over");
    timer_over(d, TIMER_SETTLE, d->view.settle_until,
               "old answers have run out since the last run: what speaks of the active site is listened to again");
    look_at_votes(d);
    look_at_sites(d);
    if (d->event->kind == EVENT_RUN_POINT)
        on_run_point(d);
    else
        look_at_run(d);
    look_at_standing(d);
    look_at_failback(d);
}

static void on_debts(struct decision *d)
{
    struct thing debts = thing_of(THING_DEBTS, REASON_RUN, d->event->site);
    debts.count = d->event->delta;
    if (debts.count > 0)
        say(d, debts, "%d step%s owed at %.48s: nothing moves there before", debts.count,
            debts.count == 1 ? " is" : "s are", site_name(d, debts.site));
    else
        say(d, debts, "nothing is owed at %.48s any more", site_name(d, debts.site));
}

/* Writes the event itself down. Whether there is anything to look at again: a refusal changes nothing, and a run that a
 * person starts comes last, since carrying it out may bring the next event. */
static bool take_event(struct decision *d)
{
    switch (d->event->kind) {
    case EVENT_START:
    case EVENT_LOOK:
    case EVENT_HEARD:
    case EVENT_RUN_POINT:
        return true;
    case EVENT_ALERT:
        count_alert(d);
        return true;
    case EVENT_OBSERVED:
        on_observed(d);
        return true;
    case EVENT_OPERATOR_MOVE:
        return on_operator_move(d);
    case EVENT_ADOPT:
        return on_adopt(d);
    case EVENT_PAUSE:
        return on_pause(d);
    case EVENT_RESUME:
        return on_resume(d);
    case EVENT_APPROVE:
        return on_approve(d);
    case EVENT_REJECT:
        return on_reject(d);
    case EVENT_RUN_STATE:
        return on_run_state(d);
    case EVENT_DEBTS:
        on_debts(d);
        return true;
    }
    return false;
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
    if (take_event(&d))
        look_again(&d);
}

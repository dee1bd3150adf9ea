/* What persons ask for. They are refused by very little, are told by what, and may override that by name, with a
 * reason. Votes, holds, cool-downs, floods and freezes never stand in their way. */
#include "core/decide_internal.h"

#include "core/playbook.h"

bool refuse(struct decision *d, enum reason reason, const char *text)
{
    say(d, thing_of(THING_REFUSED, reason, d->event->site), "%s", text);
    return false;
}

uint64_t overrides_of(const struct decision *d)
{
    return d->event->text && d->event->text[0] ? d->event->overrides : 0;
}

/* ---- moves ------------------------------------------------------------------------------------------------------- */

static bool needs_from(const struct service *service, enum occasion occasion)
{
    for (int i = 0; i < service->n_steps; i++)
        if (step_is_part_of(&service->steps[i], occasion) && args_need_from(service->steps[i].args))
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

struct phrase target_phrase(const struct decision *d, enum reason reason, int target)
{
    struct verdict verdict = {.reason = reason, .target = target, .other = -1};
    if (reason == REASON_DEBT)
        return obstacle_phrase(d, &verdict);
    return phrase_of("%.48s is said to be down: it has %.80s", site_name(d, target), votes_of(d, target).text);
}

/* The site that the steps' ${from.…} mean where none is known to be active: the other end of the run that is replaced,
 * or the other one of two. */
static int from_of(const struct decision *d, int target)
{
    const struct service_view *view = &d->view;
    int other = !view->has_run ? SITE_NONE : target == view->run_from ? view->run_to : view->run_from;
    if (other >= 0 && other != target)
        return other;
    return d->service->n_sites == 2 ? 1 - target : SITE_NONE;
}

static bool is_in_progress(const struct decision *d)
{
    return d->view.has_run && d->view.run_state != RUN_WAITING;
}

/* Where the service will be known to be when the run in progress has been replaced. */
static int leaves_after(const struct decision *d)
{
    bool is_known = d->view.active == ACTIVE_SITE || (d->view.active == ACTIVE_MOVING && !d->view.run_has_effect);
    return is_known ? d->view.active_site : SITE_NONE;
}

static void move(struct decision *d, int target, int leaves, int from)
{
    struct phrase why = person_phrase(d, "asked for it");
    if (d->view.has_run)
        run_replace(d, person_phrase(d, "replaces it").text);
    start_theirs(d, leaves, from, target, overrides_of(d), why.text);
}

/* What stands in the way of going to `target`; *ret_text says it. */
static enum reason guard_move(const struct decision *d, int target, int leaves, struct phrase *ret_text)
{
    if (target == leaves && is_in_progress(d)) {
        *ret_text = phrase_of("%.48s is where the run came from, and it has changed nothing: cancel it instead",
                              site_name(d, target));
        return REASON_ALREADY_ACTIVE;
    }
    if (target == leaves) {
        *ret_text = phrase_of("%.48s is the active site already", site_name(d, target));
        return REASON_ALREADY_ACTIVE;
    }
    enum reason reason = guard_target(d, target, overrides_of(d));
    if (reason != REASON_NONE)
        *ret_text = target_phrase(d, reason, target);
    return reason;
}

bool on_operator_move(struct decision *d)
{
    const struct event *event = d->event;
    const struct service_view *view = &d->view;
    int target = SITE_NONE;
    const char *text = "";
    if (is_in_progress(d) && !event->is_replacing)
        return refuse(
            d, REASON_RUN_IN_PROGRESS,
            phrase_of("%.140s: it has to end, or be cancelled or replaced, first", run_phrase(d->service, view).text)
                .text);
    enum reason reason = choose_target(d, &target, &text);
    if (reason != REASON_NONE)
        return refuse(d, reason, text);
    int leaves = leaves_after(d);
    struct phrase why;
    reason = guard_move(d, target, leaves, &why);
    if (reason != REASON_NONE)
        return refuse(d, reason, why.text);
    int from = leaves;
    if (from == SITE_NONE && needs_from(d->service, occasion_of(event))) {
        from = from_of(d, target);
        if (from == SITE_NONE)
            return refuse(d, REASON_UNKNOWN_FROM,
                          "a step of the playbook uses ${from.…}, and the active site is not known: adopt one first");
    }
    move(d, target, leaves, from);
    return false;
}

/* ---- what is so -------------------------------------------------------------------------------------------------- */

bool on_adopt(struct decision *d)
{
    const struct event *event = d->event;
    if (is_in_progress(d))
        return refuse(
            d, REASON_RUN_IN_PROGRESS,
            phrase_of("%.140s: it will say itself which site is active", run_phrase(d->service, &d->view).text).text);
    if (event->site < 0)
        return refuse(d, REASON_NO_TARGET, "say which site is active (`to`)");
    if (is_active(d, event->site))
        return refuse(d, REASON_ALREADY_ACTIVE,
                      phrase_of("%.48s is the active site already", site_name(d, event->site)).text);
    int n_debts = d->view.sites[event->site].n_debts;
    if (n_debts > 0) /* they would be done to the site that serves */
        return refuse(d, REASON_WRONG_STATE,
                      phrase_of("at %.48s %d step%s of an earlier run %s owed, and would be done where it serves: say "
                                "that they are done, or skip them, and adopt it then",
                                site_name(d, event->site), n_debts, n_debts == 1 ? "" : "s",
                                n_debts == 1 ? "is" : "are")
                          .text);
    if (d->view.has_run)
        run_replace(d, "a person says that another site is active");
    become_active(d, REASON_OPERATOR, event->site, true, person_phrase(d, "said so").text);
    return true;
}

bool on_pause(struct decision *d)
{
    if (d->view.is_paused)
        return refuse(d, REASON_WRONG_STATE, "the service is paused already");
    struct thing pause = thing_of(THING_PAUSED, REASON_OPERATOR, SITE_NONE);
    pause.flag = true;
    say(d, pause, "nothing is started by itself until the service is resumed: %s", person_phrase(d, "paused it").text);
    return true;
}

bool on_resume(struct decision *d)
{
    if (!d->view.is_paused)
        return refuse(d, REASON_WRONG_STATE, "the service is not paused");
    say(d, thing_of(THING_PAUSED, REASON_OPERATOR, SITE_NONE), "runs may start by themselves again: %s",
        person_phrase(d, "resumed it").text);
    return true;
}

/* EVENT: what happens, one line each. */
#include "core/scenario_internal.h"

#include <stdlib.h>
#include <string.h>

#define EVENT_WORDS                                                                                                    \
    "SOURCE says|delivers|heartbeat, probe says, operator NAME …, run SERVICE …, debts SERVICE SITE N, observed, " \
    "restart, kill, reboot, clock, cut_off, kill_switch or nothing"

void happening_done(struct happening *happening)
{
    free(happening->who);
    free(happening->text);
    free(happening->alert);
}

/* The service and, in `event`, the site that follow. */
static bool read_where(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->service = reader_service(r, model);
    if (ret->service < 0)
        return false;
    ret->event.site = reader_site(r, &model->services[ret->service]);
    return !r->is_failed;
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static int64_t read_moment(struct reader *r)
{
    int64_t ms = TIME_UNKNOWN;
    if (!reader_need(r, "a time such as +10s or -1m"))
        return TIME_UNKNOWN;
    char sign = r->word[0];
    if ((sign != '+' && sign != '-') || !duration_read(r->word + 1, &ms)) {
        reader_fail(r, "%.64s is no time; +10s or -1m, since the beginning of the case, would be right", r->word);
        return TIME_UNKNOWN;
    }
    return sign == '-' ? -ms : ms;
}

/* `prometheus says shop gra down [alert NAME] [began +1s] [ended +5s] [said +6s]`: times of the sender's own. */
static void read_alert(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->kind = HAPPENS_ALERT;
    ret->began_at = ret->ended_at = ret->said_at = TIME_UNKNOWN;
    ret->service = reader_service(r, model);
    if (ret->service < 0)
        return;
    ret->event.site = reader_is(r, "active") ? SITE_OF_ALERT_TIME : reader_site(r, &model->services[ret->service]);
    if (!reader_need(r, "down, up, resolved or unknown"))
        return;
    if (strcmp(r->word, "down") == 0)
        ret->state = ALERT_FIRING;
    else if (!alert_state_parse(r->word, &ret->state) || ret->state == ALERT_FIRING)
        reader_fail(r, "%.64s; down, up, resolved or unknown would be right", r->word);
    while (reader_next(r)) {
        if (strcmp(r->word, "alert") == 0) {
            free(ret->alert);
            ret->alert = reader_need(r, "the name of an alert") ? reader_copy(r, r->word) : NULL;
        } else if (strcmp(r->word, "began") == 0) {
            ret->began_at = read_moment(r);
        } else if (strcmp(r->word, "ended") == 0) {
            ret->ended_at = read_moment(r);
        } else if (strcmp(r->word, "said") == 0) {
            ret->said_at = read_moment(r);
        } else {
            reader_fail(r, "%.64s; alert NAME, began TIME, ended TIME or said TIME would be right", r->word);
        }
    }
}

static void read_source(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->voter = model_source_find(model, r->word);
    if (ret->voter < 0) {
        reader_fail(r, "there is no source %.64s; " EVENT_WORDS " would be right", r->word);
        return;
    }
    if (reader_is(r, "says")) {
        read_alert(r, model, ret);
    } else if (reader_is(r, "delivers")) {
        ret->kind = HAPPENS_DELIVERY;
    } else if (reader_is(r, "heartbeat")) {
        ret->kind = reader_is(r, "ends") ? HAPPENS_BEAT_ENDS : HAPPENS_BEAT;
    } else {
        (void)reader_next(r);
        reader_fail(r, "%.64s; says, delivers or heartbeat would be right", r->word);
    }
}

/* ---- our own voters, and people ---------------------------------------------------------------------------------- */

static void read_vote(struct reader *r, struct happening *ret)
{
    ret->kind = HAPPENS_SAYS;
    if (reader_is(r, "down"))
        ret->event.says = VOTE_DOWN;
    else if (reader_is(r, "up"))
        ret->event.says = VOTE_UP;
    else if (reader_is(r, "nothing"))
        ret->event.says = VOTE_UNKNOWN;
    else {
        (void)reader_next(r);
        reader_fail(r, "%.64s; down, up or nothing would be right", r->word);
    }
}

static void read_probe(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->voter = model_voter_probe(model);
    if (!reader_is(r, "says")) {
        (void)reader_next(r);
        reader_fail(r, "%.64s; says would be right", r->word);
    } else if (read_where(r, model, ret)) {
        read_vote(r, ret);
    }
}

static void read_overrides(struct reader *r, uint64_t *ret)
{
    char text[WORD_SIZE];
    if (!reader_need(r, "guards such as target_down,preflight"))
        return;
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = r->word[i] == ',' ? ' ' : r->word[i];
    if (!overrides_parse(text, ret))
        reader_fail(r, "%.64s; target_down, preflight, debt or rpo would be right", r->word);
}

static void read_move(struct reader *r, const struct model *model, struct happening *ret)
{
    while (reader_next(r)) {
        if (strcmp(r->word, "to") == 0)
            ret->event.site = reader_site(r, &model->services[ret->service]);
        else if (strcmp(r->word, "planned") == 0)
            ret->event.is_planned = true;
        else if (strcmp(r->word, "replace") == 0)
            ret->event.is_replacing = true;
        else if (strcmp(r->word, "override") == 0)
            read_overrides(r, &ret->event.overrides);
        else if (strcmp(r->word, "because") == 0)
            ret->text = reader_copy(r, reader_rest(r));
        else
            reader_fail(r, "%.64s; to SITE, planned, replace, override GUARDS or because TEXT would be right", r->word);
    }
}

/* `operator alice failover shop to rbx because the rack burns` */
static void read_operator(struct reader *r, const struct model *model, struct happening *ret)
{
    static const struct {
        const char *word;
        enum event_kind kind;
    } verbs[] = {{"failover", EVENT_OPERATOR_MOVE},
                 {"failback", EVENT_OPERATOR_MOVE},
                 {"adopt", EVENT_ADOPT},
                 {"pause", EVENT_PAUSE},
                 {"resume", EVENT_RESUME},
                 {"approve", EVENT_APPROVE},
                 {"reject", EVENT_REJECT},
                 {"vote", EVENT_ALERT}};
    if (!reader_need(r, "the operator's name"))
        return;
    ret->who = reader_copy(r, r->word);
    ret->kind = HAPPENS_OPERATOR;
    if (!reader_need(r, "failover, failback, adopt, pause, resume, approve, reject or vote"))
        return;
    size_t verb = 0;
    while (verb < sizeof verbs / sizeof verbs[0] && strcmp(verbs[verb].word, r->word) != 0)
        verb++;
    if (verb == sizeof verbs / sizeof verbs[0]) {
        reader_fail(r, "%.64s; failover, failback, adopt, pause, resume, approve, reject or vote would be right",
                    r->word);
        return;
    }
    ret->event.kind = verbs[verb].kind;
    ret->event.direction = verb == 1 ? DIRECTION_FAILBACK : DIRECTION_FAILOVER;
    if (ret->event.kind == EVENT_ALERT) {
        ret->voter = model_voter_operator(model);
        if (read_where(r, model, ret))
            read_vote(r, ret);
        ret->text = reader_is(r, "because") ? reader_copy(r, reader_rest(r)) : NULL;
        return;
    }
    ret->service = reader_service(r, model);
    if (ret->service >= 0)
        read_move(r, model, ret);
}

/* ---- runs, observations and the daemon --------------------------------------------------------------------------- */

#define RUN_WORDS "effect, point, running, attention, succeeded, failed, cancelled or undone"

static void read_run(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->service = reader_service(r, model);
    ret->event.kind = EVENT_RUN_STATE;
    ret->kind = HAPPENS_RUN;
    if (!reader_need(r, RUN_WORDS))
        return;
    if (strcmp(r->word, "effect") == 0)
        ret->kind = HAPPENS_EFFECT;
    else if (strcmp(r->word, "point") == 0)
        ret->kind = HAPPENS_POINT;
    else if (!run_state_parse(r->word, &ret->event.run_state) || ret->event.run_state == RUN_WAITING)
        reader_fail(r, "%.64s; " RUN_WORDS " would be right", r->word);
    bool may_be_theirs =
        ret->kind != HAPPENS_RUN || ret->event.run_state == RUN_CANCELLED || ret->event.run_state == RUN_UNDONE;
    if (may_be_theirs && reader_is(r, "by"))
        ret->who = reader_need(r, "the operator's name") ? reader_copy(r, r->word) : NULL;
    if ((ret->kind != HAPPENS_RUN || !run_state_is_final(ret->event.run_state)) && reader_is(r, "override"))
        read_overrides(r, &ret->event.overrides);
    if (reader_is(r, "because"))
        ret->text = reader_copy(r, reader_rest(r));
}

static void read_debts(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->kind = HAPPENS_DEBTS;
    ret->event.kind = EVENT_DEBTS;
    if (read_where(r, model, ret))
        ret->event.delta = reader_number(r, 0, MAX_STEPS, "how many steps are owed");
}

static void read_observed(struct reader *r, const struct model *model, struct happening *ret)
{
    ret->kind = HAPPENS_OBSERVED;
    ret->event.kind = EVENT_OBSERVED;
    ret->service = reader_service(r, model);
    if (ret->service >= 0 && !reader_is(r, "nothing"))
        ret->event.site = reader_site(r, &model->services[ret->service]);
}

static void read_clock(struct reader *r, struct happening *ret)
{
    ret->kind = HAPPENS_CLOCK;
    ret->duration = read_moment(r);
    if (r->is_failed)
        ret->duration = 0;
}

/* What the daemon itself goes through. False: the word is none of these. */
static bool read_daemon(struct reader *r, struct happening *ret)
{
    static const struct {
        const char *word;
        enum happening_kind kind;
    } words[] = {{"restart", HAPPENS_RESTART}, {"kill", HAPPENS_KILL},       {"reboot", HAPPENS_REBOOT},
                 {"cut_off", HAPPENS_CUT_OFF}, {"nothing", HAPPENS_NOTHING}, {"kill_switch", HAPPENS_KILL_SWITCH}};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, r->word) != 0)
            continue;
        ret->kind = words[i].kind;
        if (ret->kind == HAPPENS_CUT_OFF || ret->kind == HAPPENS_KILL_SWITCH)
            ret->is_over = reader_is(r, "ends");
        else if (ret->kind != HAPPENS_NOTHING && reader_is(r, "for"))
            ret->duration = reader_duration(r, "10m");
        return true;
    }
    return false;
}

void event_read(struct reader *r, const struct model *model, struct happening *ret)
{
    *ret = (struct happening){.service = -1, .voter = -1, .event = {.site = SITE_NONE}};
    if (!reader_need(r, EVENT_WORDS))
        return;
    if (strcmp(r->word, "operator") == 0)
        read_operator(r, model, ret);
    else if (strcmp(r->word, "probe") == 0)
        read_probe(r, model, ret);
    else if (strcmp(r->word, "run") == 0)
        read_run(r, model, ret);
    else if (strcmp(r->word, "debts") == 0)
        read_debts(r, model, ret);
    else if (strcmp(r->word, "observed") == 0)
        read_observed(r, model, ret);
    else if (strcmp(r->word, "clock") == 0)
        read_clock(r, ret);
    else if (!read_daemon(r, ret))
        read_source(r, model, ret);
    reader_end(r);
    ret->event.who = ret->who;
    ret->event.text = ret->text;
}

/* EXPECT: what has to be decided, or to be so. */
#include "core/scenario_internal.h"

#include "core/words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define THING_WORDS                                                                                                    \
    "run, cancel, approved, refused, not_acted, active, incident, timer, vote, halt, goes, remind, paused, resumed, "  \
    "debts, notice, state or nothing"

/* The words for things; -1 in `flag`: either way. */
static const struct thing_word {
    const char *word;
    enum thing_kind kind;
    int flag;
} words[] = {
    {"run", THING_RUN_START, ANY},       {"cancel", THING_RUN_CANCEL, ANY}, {"approved", THING_RUN_APPROVED, ANY},
    {"refused", THING_REFUSED, ANY},     {"active", THING_ACTIVE, ANY},     {"not_acted", THING_NOT_ACTED, ANY},
    {"vote", THING_VOTE, ANY},           {"halt", THING_RUN_HALT, ANY},     {"goes", THING_RUN_GOES, ANY},
    {"remind", THING_REMIND, ANY},       {"paused", THING_PAUSED, 1},       {"resumed", THING_PAUSED, 0},
    {"notice", THING_NOTICE, ANY},       {"timer", THING_TIMER_SET, ANY},   {"incident", THING_INCIDENT_OPEN, ANY},
    {"run_state", THING_RUN_STATE, ANY}, {"debts", THING_DEBTS, ANY}};

bool expect_is_asked_for(const struct thing *thing)
{
    return thing->kind == THING_RUN_START || thing->kind == THING_RUN_CANCEL || thing->kind == THING_RUN_APPROVED ||
           thing->kind == THING_RUN_HALT || thing->kind == THING_REFUSED;
}

/* ---- things ------------------------------------------------------------------------------------------------------ */

/* Takes a word that one of the vocabulary's lists has. */
#define TAKE_WORD(r, prefix, type, ret)                                                                                \
    (__extension__({                                                                                                   \
        enum type value_;                                                                                              \
        bool is_ = prefix##_parse((r)->word, &value_);                                                                 \
        if (is_)                                                                                                       \
            (ret) = (int)value_;                                                                                       \
        is_;                                                                                                           \
    }))

static void read_active_word(struct reader *r, const struct service *service, struct expectation *ret)
{
    if (!reader_need(r, "a site, moving, split or unknown"))
        return;
    ret->active = ACTIVE_SITE;
    if (strcmp(r->word, "moving") == 0)
        ret->active = ACTIVE_MOVING;
    else if (strcmp(r->word, "split") == 0)
        ret->active = ACTIVE_SPLIT;
    else if (strcmp(r->word, "unknown") == 0)
        ret->active = ACTIVE_UNKNOWN;
    else
        ret->site = site_named(r, service);
}

static void read_incident_word(struct reader *r, struct expectation *ret)
{
    static const struct {
        const char *word;
        enum thing_kind kind;
        int flag;
    } ways[] = {{"opens", THING_INCIDENT_OPEN, ANY},
                {"stands", THING_INCIDENT_STANDING, 1},
                {"falls", THING_INCIDENT_STANDING, 0},
                {"resolved", THING_INCIDENT_RESOLVED, ANY}};
    if (!reader_need(r, "opens, stands, falls or resolved"))
        return;
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        if (strcmp(ways[i].word, r->word) != 0)
            continue;
        ret->thing = (int)ways[i].kind;
        ret->flag = ways[i].flag;
        return;
    }
    reader_fail(r, "%.64s; opens, stands, falls or resolved would be right", r->word);
}

/* `timer shop hold gra set 30s`, `timer shop cool_down cleared` */
static void read_timer_word(struct reader *r, const struct service *service, struct expectation *ret)
{
    if (!reader_need(r, "hold, flap, cool_down, settle, approval, remind or failback"))
        return;
    if (!TAKE_WORD(r, timer_kind, timer_kind, ret->timer)) {
        reader_fail(r, "%.64s is no timer; hold, flap, cool_down, settle, approval, remind or failback would be right",
                    r->word);
        return;
    }
    if (ret->timer == TIMER_HOLD || ret->timer == TIMER_FLAP)
        ret->site = reader_site(r, service);
}

static void read_timer_way(struct reader *r, struct expectation *ret)
{
    ret->thing = THING_TIMER_SET;
    if (reader_is(r, "cleared")) {
        ret->thing = THING_TIMER_CLEAR;
        return;
    }
    if (!reader_is(r, "set")) {
        (void)reader_next(r);
        reader_fail(r, "%.64s; set or cleared would be right", r->word);
    }
}

static void read_details(struct reader *r, const struct service *service, struct expectation *ret)
{
    while (reader_next(r)) {
        enum reason reason = REASON_NONE;
        if (r->is_quoted) {
            free(ret->text);
            ret->text = strdup(r->word);
            r->is_broken |= !ret->text;
        } else if (strcmp(r->word, "because") == 0) {
            if (reader_need(r, "a reason such as votes") && !reason_parse(r->word, &reason))
                reader_fail(r, "%.64s is no reason; one of decide.h's list, such as votes or paused, would be right",
                            r->word);
            ret->reason = (int)reason;
        } else if (service && strcmp(r->word, "from") == 0) {
            ret->from = reader_site(r, service);
        } else if (service && strcmp(r->word, "to") == 0) {
            ret->to = reader_site(r, service);
        } else if (ret->thing == THING_TIMER_SET && duration_read(r->word, &ret->due)) {
            ret->is_due = true;
        } else if (!TAKE_WORD(r, direction, direction, ret->direction) &&
                   !TAKE_WORD(r, occasion, occasion, ret->occasion) &&
                   !TAKE_WORD(r, run_state, run_state, ret->run_state)) {
            reader_fail(r,
                        "%.64s; because REASON, from SITE, to SITE, or a part of the sentence in quotes would be "
                        "right",
                        r->word);
        }
    }
}

static void read_thing(struct reader *r, const struct model *model, struct expectation *ret)
{
    const struct thing_word *word = NULL;
    for (size_t i = 0; i < sizeof words / sizeof words[0] && !word; i++)
        if (strcmp(words[i].word, r->word) == 0)
            word = &words[i];
    if (!word) {
        reader_fail(r, "%.64s; " THING_WORDS " would be right", r->word);
        return;
    }
    ret->thing = (int)word->kind;
    ret->flag = word->flag;
    const struct reader before = *r;
    if (!reader_next(r))
        return;
    ret->service = service_named(r, model);
    if (ret->service < 0) {
        if (ret->count == ANY) {
            *r = before;
            (void)reader_service(r, model);
            return;
        }
        ret->service = ANY; /* "no run", "3 run because votes" */
        *r = before;
        read_details(r, NULL, ret);
        return;
    }
    const struct service *service = &model->services[ret->service];
    if (word->kind == THING_ACTIVE) {
        read_active_word(r, service, ret);
    } else if (word->kind == THING_TIMER_SET) {
        read_timer_word(r, service, ret);
        read_timer_way(r, ret);
    } else if (word->kind == THING_VOTE || word->kind == THING_INCIDENT_OPEN || word->kind == THING_NOT_ACTED ||
               word->kind == THING_DEBTS) {
        const struct reader there = *r;
        if (reader_next(r) && service_site_find(service, r->word) >= 0)
            ret->site = service_site_find(service, r->word);
        else if (word->kind == THING_NOT_ACTED && !r->is_failed)
            *r = there;
        else
            (void)site_named(r, service);
        if (word->kind == THING_INCIDENT_OPEN) {
            read_incident_word(r, ret);
        } else if (word->kind == THING_VOTE) {
            ret->voter = reader_voter(r, model);
            if (reader_need(r, "down, up or unknown") && !TAKE_WORD(r, vote, vote, ret->vote))
                reader_fail(r, "%.64s; down, up or unknown would be right", r->word);
        }
    }
    read_details(r, service, ret);
}

static bool is_open_or(int wanted, int got)
{
    return wanted == ANY || wanted == got;
}

bool expect_matches(const struct expectation *e, int service, const struct thing *thing, int64_t now)
{
    if (!is_open_or(e->service, service) || !is_open_or(e->thing, (int)thing->kind) ||
        !is_open_or(e->reason, (int)thing->reason) || !is_open_or(e->flag, thing->flag))
        return false;
    int target = thing->kind == THING_NOT_ACTED ? thing->site_to : thing->site;
    if (!is_open_or(e->to, target) || !is_open_or(e->site, thing->site) || !is_open_or(e->from, thing->from))
        return false;
    if (!is_open_or(e->voter, thing->voter) || !is_open_or(e->vote, (int)thing->vote) ||
        !is_open_or(e->timer, (int)thing->timer) || !is_open_or(e->run_state, (int)thing->run_state) ||
        !is_open_or(e->direction, (int)thing->direction) || !is_open_or(e->occasion, (int)thing->occasion) ||
        !is_open_or(e->active, (int)thing->active))
        return false;
    return (!e->is_due || thing->at - now == e->due) && (!e->text || strstr(thing->text, e->text));
}

/* ---- the state --------------------------------------------------------------------------------------------------- */

static void read_state_timer(struct reader *r, const struct service *service, struct expectation *ret)
{
    ret->kind = EXPECT_TIMER;
    read_timer_word(r, service, ret);
    if (!reader_is(r, "none"))
        ret->due = reader_duration(r, "how long until it is due, or none");
}

static void read_state_incident(struct reader *r, const struct service *service, struct expectation *ret)
{
    ret->kind = EXPECT_INCIDENT;
    ret->site = reader_site(r, service);
    ret->number = reader_is(r, "none") ? 0 : reader_is(r, "open") ? 1 : reader_is(r, "standing") ? 2 : -1;
    if (ret->number < 0)
        reader_fail(r, "none, open or standing would be right");
}

static void read_state(struct reader *r, const struct model *model, struct expectation *ret)
{
    ret->service = reader_service(r, model);
    if (ret->service < 0 ||
        !reader_need(r, "active, moving, split, unknown, run, paused, votes, vote, incident, timer, debts"))
        return;
    const struct service *service = &model->services[ret->service];
    ret->kind = EXPECT_ACTIVE;
    if (strcmp(r->word, "active") == 0) {
        ret->active = ACTIVE_SITE;
        ret->site = reader_site(r, service);
    } else if (strcmp(r->word, "run") == 0) {
        ret->kind = EXPECT_RUN;
        if (!reader_is(r, "none") && reader_need(r, "none, waiting, running or attention") &&
            !TAKE_WORD(r, run_state, run_state, ret->run_state))
            reader_fail(r, "%.64s; none, waiting, running or attention would be right", r->word);
    } else if (strcmp(r->word, "paused") == 0 || strcmp(r->word, "resumed") == 0) {
        ret->kind = EXPECT_PAUSED;
        ret->flag = r->word[0] == 'p';
    } else if (strcmp(r->word, "votes") == 0) {
        ret->kind = EXPECT_VOTES;
        ret->site = reader_site(r, service);
        ret->number = reader_number(r, 0, 100000, "a number of votes");
    } else if (strcmp(r->word, "debts") == 0) {
        ret->kind = EXPECT_DEBTS;
        ret->site = reader_site(r, service);
        ret->number = reader_number(r, 0, MAX_STEPS, "how many steps are owed");
    } else if (strcmp(r->word, "vote") == 0) {
        ret->kind = EXPECT_VOTE;
        ret->site = reader_site(r, service);
        ret->voter = reader_voter(r, model);
        if (reader_need(r, "down, up or unknown") && !TAKE_WORD(r, vote, vote, ret->vote))
            reader_fail(r, "%.64s; down, up or unknown would be right", r->word);
    } else if (strcmp(r->word, "incident") == 0) {
        read_state_incident(r, service, ret);
    } else if (strcmp(r->word, "timer") == 0) {
        read_state_timer(r, service, ret);
    } else if (!TAKE_WORD(r, active_kind, active_kind, ret->active) || ret->active == ACTIVE_SITE) {
        reader_fail(
            r,
            "%.64s; active SITE, moving, split, unknown, run, paused, resumed, votes, vote, incident, timer or debts "
            "would be right",
            r->word);
    }
    reader_end(r);
}

static int64_t due_of(const struct expectation *e, const struct service_view *view)
{
    const struct site_view *site = e->site >= 0 ? &view->sites[e->site] : NULL;
    switch ((enum timer_kind)e->timer) {
    case TIMER_HOLD:
        return site ? site->hold_due_at : 0;
    case TIMER_FLAP:
        return site ? site->flap_until : 0;
    case TIMER_COOL_DOWN:
        return view->cool_down_until;
    case TIMER_SETTLE:
        return view->settle_until;
    case TIMER_APPROVAL:
        return view->approval_due_at;
    case TIMER_REMIND:
        return view->remind_at;
    case TIMER_FAILBACK:
        return view->failback_due_at;
    }
    return 0;
}

static bool timer_is(const struct expectation *e, const struct service_view *view, int64_t now, char *ret, size_t size)
{
    int64_t due = due_of(e, view);
    if (due == 0)
        (void)snprintf(ret, size, "none is set");
    else
        (void)snprintf(ret, size, "it is due in %s", duration_phrase(due - now).text);
    return e->due == 0 ? due == 0 : due != 0 && due - now == e->due;
}

static bool votes_are(const struct expectation *e, const struct model *model, const struct service_view *view,
                      char *ret, size_t size)
{
    if (e->kind == EXPECT_VOTES) {
        (void)snprintf(ret, size, "%s", votes_phrase(&model->services[e->service], model, view, e->site).text);
        return view_votes(model, view, e->site) == e->number;
    }
    const struct vote_view *vote = view_vote_find(view, e->site, e->voter);
    enum vote is = vote ? vote->vote : VOTE_UNKNOWN;
    (void)snprintf(ret, size, "it is %s (%d say down, %d up)", vote_text(is), vote ? vote->down : 0,
                   vote ? vote->up : 0);
    return (int)is == e->vote;
}

bool expect_state(const struct expectation *e, const struct model *model, const struct service_view *view, int64_t now,
                  char *ret, size_t size)
{
    const struct service *service = &model->services[e->service];
    switch (e->kind) {
    case EXPECT_ACTIVE:
        (void)snprintf(ret, size, "%s", place_phrase(service, view).text);
        return (int)view->active == e->active && (e->site == ANY || view->active_site == e->site);
    case EXPECT_RUN:
        (void)snprintf(ret, size, "the run is %s", view->has_run ? run_state_text(view->run_state) : "none");
        return e->run_state == ANY ? !view->has_run : view->has_run && (int)view->run_state == e->run_state;
    case EXPECT_PAUSED:
        (void)snprintf(ret, size, "it is %s", view->is_paused ? "paused" : "not paused");
        return view->is_paused == (e->flag != 0);
    case EXPECT_VOTES:
    case EXPECT_VOTE:
        return votes_are(e, model, view, ret, size);
    case EXPECT_INCIDENT: {
        int is = view->sites[e->site].is_standing ? 2 : view->sites[e->site].has_incident ? 1 : 0;
        (void)snprintf(ret, size, "it is %s", is == 2 ? "standing" : is == 1 ? "open" : "none");
        return is == e->number;
    }
    case EXPECT_TIMER:
        return timer_is(e, view, now, ret, size);
    case EXPECT_DEBTS:
        (void)snprintf(ret, size, "%d are owed", view->sites[e->site].n_debts);
        return view->sites[e->site].n_debts == e->number;
    case EXPECT_THINGS:
    case EXPECT_NOTHING:
        break;
    }
    return true;
}

void expect_read(struct reader *r, const struct model *model, struct expectation *ret)
{
    *ret = (struct expectation){.kind = EXPECT_THINGS,
                                .service = ANY,
                                .count = ANY,
                                .thing = ANY,
                                .reason = ANY,
                                .site = ANY,
                                .from = ANY,
                                .to = ANY,
                                .voter = ANY,
                                .flag = ANY,
                                .vote = ANY,
                                .timer = ANY,
                                .run_state = ANY,
                                .direction = ANY,
                                .occasion = ANY,
                                .active = ANY};
    if (!reader_need(r, THING_WORDS))
        return;
    if (strcmp(r->word, "state") == 0) {
        read_state(r, model, ret);
        return;
    }
    if (strcmp(r->word, "nothing") == 0) {
        ret->kind = EXPECT_NOTHING;
        ret->count = 0;
        if (reader_is(r, "of"))
            ret->service = reader_service(r, model);
        reader_end(r);
        return;
    }
    if (strcmp(r->word, "no") == 0 || (r->word[0] >= '0' && r->word[0] <= '9')) {
        char *end = NULL;
        long count = r->word[0] == 'n' ? 0 : strtol(r->word, &end, 10);
        if (count < 0 || count > 1000000 || (end && *end)) {
            reader_fail(r, "%.64s is no number of things", r->word);
            return;
        }
        ret->count = (int)count;
        if (!reader_need(r, THING_WORDS))
            return;
    }
    read_thing(r, model, ret);
}

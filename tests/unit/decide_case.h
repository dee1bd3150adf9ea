/* The decision by tables: BEFORE (what is known), EVENT, EXPECT (the things, in order). Everything is written as text,
 * so that a case can be read aloud; the little language is defined by parse_before(), parse_event() and thing_put().
 * For the tests of the decision only.
 *
 * The service, unless a case says otherwise: sites gra (home), rbx and waw in this order, sources prometheus, pingdom
 * and aws (of which pingdom has only a token in its URL), each of which may speak of each site; two votes, held for
 * 30 s; a cool-down of 30 min; automatic. Another service, base, is at waw. Times are seconds from now. */
#ifndef TURNOUT_TESTS_DECIDE_CASE_H
#define TURNOUT_TESTS_DECIDE_CASE_H

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "core/decide.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW ((int64_t)1700000000000)

/* ---- the world of the cases -------------------------------------------------------------------------------------- */

static char name_gra[] = "gra", name_rbx[] = "rbx", name_waw[] = "waw", name_shop[] = "shop", name_base[] = "base";
static char name_prometheus[] = "prometheus", name_pingdom[] = "pingdom", name_aws[] = "aws", name_dns[] = "dns";
static struct site sites[] = {
    {.name = name_gra, .place = 0}, {.name = name_rbx, .place = 1}, {.name = name_waw, .place = 2}};
static char *sources[] = {name_prometheus, name_pingdom, name_aws};
static char *places[] = {name_gra, name_rbx, name_waw};
static char *providers[] = {name_dns};
static enum trust trusts[] = {TRUST_SECRET, TRUST_OPEN, TRUST_SIGNED};
static char reason_of_freeze[] = "stocktaking";

enum { SHOP, BASE, N_SERVICES };

/* The service of the cases, and `base`, which is there for what services have in common. */
struct world {
    struct service services[N_SERVICES];
    struct service_view views[N_SERVICES];
    const struct service_view *pointers[N_SERVICES];
    struct model model;
    struct outlook *outlook;
    struct alert_rule rules[9];
    struct voter_rule voters[3];
    struct label_match heartbeat;
    struct freeze freeze;
    struct step step, check;
    int max_parallel[1], after[1];
    int64_t now;
};

static int voter_find(const struct world *world, const char *text)
{
    int voter = model_voter_find(&world->model, text);
    if (voter < 0)
        fail_msg("no voter %s", text);
    return voter;
}

static int site_find(const struct world *world, const char *text)
{
    if (strcmp(text, "-") == 0)
        return SITE_NONE;
    int site = service_site_find(&world->services[SHOP], text);
    if (site < 0)
        fail_msg("no site %s", text);
    return site;
}

static void world_init(struct world *world)
{
    *world = (struct world){.now = NOW};
    for (int i = 0; i < N_SERVICES; i++) {
        world->services[i] = (struct service){.name = i == SHOP ? name_shop : name_base,
                                              .sites = sites,
                                              .n_sites = 3,
                                              .mode = MODE_AUTOMATIC,
                                              .failback_mode = MODE_MANUAL,
                                              .votes = i == SHOP ? 2 : 1,
                                              .hold_ms = 30000,
                                              .cool_down_ms = 1800000,
                                              .failback_after_ms = 600000};
        service_view_init(&world->views[i]);
        world->pointers[i] = &world->views[i];
    }
    for (int i = 0; i < 9; i++) /* each source may speak of each site */
        world->rules[i] = (struct alert_rule){.source = i / 3, .site = i % 3};
    world->services[SHOP].rules = world->rules;
    world->services[SHOP].n_rules = 9;
    world->model = (struct model){.services = world->services,
                                  .n_services = N_SERVICES,
                                  .source_names = sources,
                                  .source_trust = trusts,
                                  .voter_rules = world->voters,
                                  .n_sources = 3,
                                  .place_names = places,
                                  .n_places = 3,
                                  .provider_names = providers,
                                  .provider_max_parallel = world->max_parallel,
                                  .n_providers = 1};
    world->views[BASE].active = ACTIVE_SITE;
    world->views[BASE].active_site = 2;
}

/* What is in common is made when the rest is known. */
static void world_ready(struct world *world, const struct outlook *like)
{
    world->outlook = outlook_new(&world->model, world->pointers);
    assert_non_null(world->outlook);
    world->outlook->is_cut_off = like->is_cut_off;
    world->outlook->is_killed = like->is_killed;
    memcpy(world->outlook->sources, like->sources, sizeof like->sources);
    world->outlook->wall = world->outlook->wall_at = world->now;
    outlook_take(world->outlook, BASE, world->now);
    outlook_take(world->outlook, SHOP, world->now);
}

static void world_done(struct world *world)
{
    json_decref(world->step.args);
    outlook_free(world->outlook);
}

static void apply(struct world *world, const struct things *things)
{
    for (int i = 0; i < things->count; i++)
        view_apply(&world->views[SHOP], &things->items[i]);
    outlook_take(world->outlook, SHOP, world->now);
}

static int reason_find(const char *text)
{
    enum reason reason = REASON_NONE;
    if (!reason_parse(text, &reason))
        fail_msg("no reason %s", text);
    return (int)reason;
}

static bool is_word(char **words, int i, const char *text)
{
    return words[i] && strcmp(words[i], text) == 0;
}

static bool has_word(char **words, const char *text)
{
    for (int i = 0; words[i]; i++)
        if (strcmp(words[i], text) == 0)
            return true;
    return false;
}

/* "failover gra>rbx running [effect] [ours] [target_down]" */
static void put_run(struct world *world, struct service_view *view, char **words)
{
    char *arrow = strchr(words[1], '>');
    assert_non_null(arrow);
    *arrow = 0;
    view->has_run = true;
    assert_true(direction_parse(words[0], &view->run_direction));
    assert_true(run_state_parse(words[2], &view->run_state));
    view->run_occasion = view->run_direction == DIRECTION_FAILBACK ? OCCASION_FAILBACK : OCCASION_OUTAGE;
    view->run_from = site_find(world, words[1]);
    view->run_to = site_find(world, arrow + 1);
    view->run_has_effect = has_word(words, "effect");
    view->run_is_ours = has_word(words, "ours");
    view->run_is_cancelling = has_word(words, "cancelling");
    view->run_overrides = has_word(words, "target_down") ? UINT64_C(1) << REASON_TARGET_DOWN : 0;
    view->active = view->run_state == RUN_WAITING ? ACTIVE_SITE : ACTIVE_MOVING;
    view->active_site = view->run_from;
}

/* needs votes N | trusted N | hold S | cool S | settle S | expires S | silence S | flood N S | flap N S S | deadline S
 * [yes] | remind S */
static bool put_need(struct world *world, char **words)
{
    struct service *service = &world->services[SHOP];
    int64_t n = atoi(words[2]);
    int64_t ms = n * 1000;
    if (is_word(words, 1, "votes"))
        service->votes = (int)n;
    else if (is_word(words, 1, "trusted"))
        service->trusted_votes = (int)n;
    else if (is_word(words, 1, "hold"))
        service->hold_ms = ms;
    else if (is_word(words, 1, "cool"))
        service->cool_down_ms = ms;
    else if (is_word(words, 1, "settle"))
        service->settle_ms = ms;
    else if (is_word(words, 1, "remind"))
        service->approval.remind_ms = ms;
    else if (is_word(words, 1, "deadline"))
        service->approval = (struct approval_rule){.deadline_ms = ms, .is_yes = is_word(words, 3, "yes")};
    else if (is_word(words, 1, "flap"))
        service->flap = (struct flap_rule){(int)n, atoi(words[3]) * 1000, atoi(words[4]) * 1000};
    else if (is_word(words, 1, "flood"))
        world->model.flood = (struct flood_rule){(int)n, atoi(words[3]) * 1000};
    else if (is_word(words, 1, "expires") || is_word(words, 1, "silence"))
        for (int i = 0; i < 3; i++)
            *(words[1][0] == 'e' ? &world->voters[i].expires_ms : &world->voters[i].stale_after_ms) = ms;
    else
        return false;
    return true;
}

/* How the service is configured. */
static bool put_setting(struct world *world, char **words)
{
    struct service *service = &world->services[SHOP];
    if (is_word(words, 0, "needs"))
        return put_need(world, words);
    if (mode_parse(words[0], &service->mode))
        return true;
    if (is_word(words, 0, "two") || is_word(words, 0, "alone")) {
        service->n_sites = words[0][0] == 't' ? 2 : 1;
        service->n_rules = 0;
    } else if (is_word(words, 0, "failback")) { /* failback MODE */
        assert_true(mode_parse(words[1], &service->failback_mode));
    } else if (is_word(words, 0, "probe")) { /* probe [required] */
        world->check.timeout_ms = 5000;
        service->probe = (struct probe_rule){
            .check = &world->check, .every_ms = 15000, .is_required = is_word(words, 1, "required")};
    } else if (is_word(words, 0, "freeze")) { /* freeze SECONDS */
        world->freeze = (struct freeze){.until = NOW + atoi(words[1]) * 1000, .reason = reason_of_freeze};
        world->model.freezes = &world->freeze;
        world->model.n_freezes = 1;
    } else if (is_word(words, 0, "after")) { /* after: base goes first */
        world->after[0] = BASE;
        service->after = world->after;
        service->n_after = 1;
    } else if (is_word(words, 0, "args")) { /* args TEXT: the playbook's one step, at the provider dns */
        world->step.args = json_pack("{s:s}", "target", words[1]);
        service->steps = world->services[BASE].steps = &world->step;
        service->n_steps = world->services[BASE].n_steps = 1;
        world->max_parallel[0] = 1;
    } else {
        return false;
    }
    return true;
}

static void put_votes(struct world *world, struct service_view *view, char **words, int64_t heard_at)
{
    for (int i = 2; words[i]; i++) {
        struct vote_view *vote = view_vote_get(view, site_find(world, words[1]), voter_find(world, words[i]));
        assert_non_null(vote);
        vote->vote = words[0][0] == 'u' ? VOTE_UP : VOTE_DOWN;
        *(vote->vote == VOTE_UP ? &vote->up : &vote->down) += 1;
        vote->heard_at = heard_at;
    }
}

static void put_heartbeat(struct world *world, struct outlook *outlook, const char *source)
{
    struct voter_rule *rule = &world->voters[voter_find(world, source)];
    rule->heartbeat = &world->heartbeat;
    rule->n_heartbeat = 1;
    outlook->sources[voter_find(world, source)].beat_at = NOW;
}

/* What is known of the service. */
static bool put_known(struct world *world, struct service_view *view, char **words)
{
    if (is_word(words, 0, "active")) { /* active SITE | split | unknown */
        view->active_site = SITE_NONE;
        if (active_kind_parse(words[1], &view->active))
            return true;
        view->active = ACTIVE_SITE;
        view->active_site = site_find(world, words[1]);
    } else if (is_word(words, 0, "down") || is_word(words, 0, "up")) { /* down SITE VOTER... */
        put_votes(world, view, words, NOW);
        if (words[0][0] == 'd')
            view->sites[site_find(world, words[1])].has_incident = true;
    } else if (is_word(words, 0, "hold")) { /* hold SITE SECONDS */
        view->sites[site_find(world, words[1])].hold_due_at = NOW + atoi(words[2]) * 1000;
    } else if (is_word(words, 0, "broken")) { /* broken SITE TIMES SECONDS */
        view->sites[site_find(world, words[1])].n_breaks = atoi(words[2]);
        view->sites[site_find(world, words[1])].flap_until = NOW + atoi(words[3]) * 1000;
    } else if (is_word(words, 0, "standing")) { /* standing SITE [REASON] */
        struct site_view *site = &view->sites[site_find(world, words[1])];
        site->has_incident = site->is_standing = true;
        site->last_reason = words[2] ? reason_find(words[2]) : REASON_NONE;
    } else if (is_word(words, 0, "guessed")) { /* guessed: the run's from is no more than that */
        view->active_site = SITE_NONE;
    } else if (is_word(words, 0, "run")) {
        put_run(world, view, words + 1);
    } else if (is_word(words, 0, "paused")) {
        view->is_paused = true;
    } else {
        return false;
    }
    return true;
}

/* cool | settle | asked | remind | well SECONDS: the timers of the service */
static bool put_timer(struct service_view *view, char **words)
{
    int64_t at = words[1] ? NOW + atoi(words[1]) * 1000 : 0;
    if (is_word(words, 0, "cool"))
        view->cool_down_until = at;
    else if (is_word(words, 0, "settle"))
        view->settle_until = at;
    else if (is_word(words, 0, "asked"))
        view->approval_due_at = at;
    else if (is_word(words, 0, "remind"))
        view->remind_at = at;
    else if (is_word(words, 0, "well"))
        view->failback_due_at = at;
    else
        return false;
    return true;
}

/* One clause of BEFORE. */
static void put_clause(struct world *world, struct outlook *outlook, char **words)
{
    struct service_view *view = &world->views[SHOP];
    if (put_setting(world, words) || put_timer(view, words) || put_known(world, view, words))
        return;
    if (is_word(words, 0, "base")) { /* base …: what is known of the other service */
        if (!put_known(world, &world->views[BASE], words + 1))
            fail_msg("base %s?", words[1]);
    } else if (is_word(words, 0, "old")) { /* old SITE VOTER SECONDS: when it last said so */
        struct vote_view *vote = view_vote_get(view, site_find(world, words[1]), voter_find(world, words[2]));
        vote->heard_at = NOW - atoi(words[3]) * 1000;
    } else if (is_word(words, 0, "lost")) { /* lost SITE VOTER: it says down, and that has expired */
        put_votes(world, view, words, NOW);
        view_vote_get(view, site_find(world, words[1]), voter_find(world, words[2]))->vote = VOTE_UNKNOWN;
    } else if (is_word(words, 0, "beating")) { /* beating SITE SOURCE: by its heartbeat it said up */
        view_vote_get(view, site_find(world, words[1]), voter_find(world, words[2]))->vote = VOTE_UP;
    } else if (is_word(words, 0, "weight")) { /* weight SOURCE N */
        world->voters[voter_find(world, words[1])].weight = atoi(words[2]);
    } else if (is_word(words, 0, "silent")) { /* silent SOURCE SECONDS */
        outlook->sources[voter_find(world, words[1])].heard_at = NOW - atoi(words[2]) * 1000;
    } else if (is_word(words, 0, "beats")) { /* beats SOURCE */
        put_heartbeat(world, outlook, words[1]);
    } else if (is_word(words, 0, "cut") || is_word(words, 0, "killed")) {
        *(words[0][0] == 'c' ? &outlook->is_cut_off : &outlook->is_killed) = true;
    } else {
        fail_msg("%s?", words[0]);
    }
}

#define MAX_WORDS 12

static void split_words(char *text, char **words)
{
    char *at = NULL;
    int n = 0;
    for (char *word = strtok_r(text, " ", &at); word; word = strtok_r(NULL, " ", &at)) {
        assert_true(n < MAX_WORDS - 1);
        words[n++] = word;
    }
    while (n < MAX_WORDS)
        words[n++] = NULL;
}

static void parse_before(struct world *world, const char *text)
{
    AUTO_FREE char *copy = strdup(text);
    char *at = NULL;
    char *words[MAX_WORDS];
    struct outlook outlook = {0};
    for (int i = 0; i < 3; i++)
        outlook.sources[i].heard_at = NOW;
    for (char *clause = strtok_r(copy, ";", &at); clause; clause = strtok_r(NULL, ";", &at)) {
        split_words(clause, words);
        put_clause(world, &outlook, words);
    }
    world_ready(world, &outlook);
}

/* alert SITE VOTER +N [up] | observed SITE | adopt SITE | run STATE [effect] | point [effect] [anna] | failover [SITE]
 * [planned] [replace] [target_down] | failback … | one of the words below */
static struct event parse_event(const struct world *world, const char *text)
{
    static const struct {
        const char *word;
        enum event_kind kind;
    } plain[] = {{"start", EVENT_START},   {"look", EVENT_LOOK},       {"heard", EVENT_HEARD},  {"pause", EVENT_PAUSE},
                 {"resume", EVENT_RESUME}, {"approve", EVENT_APPROVE}, {"reject", EVENT_REJECT}};
    AUTO_FREE char *copy = strdup(text);
    char *words[MAX_WORDS];
    split_words(copy, words);
    struct event event = {.site = SITE_NONE, .who = "anna", .text = "because", .says = VOTE_DOWN};
    event.overrides = has_word(words, "target_down") ? UINT64_C(1) << REASON_TARGET_DOWN : 0;
    event.is_planned = has_word(words, "planned");
    event.is_replacing = has_word(words, "replace");
    event.has_effect = has_word(words, "effect");
    if (has_word(words, "mute"))
        event.text = NULL;
    for (size_t i = 0; i < COUNT_OF(plain); i++) {
        event.kind = plain[i].kind;
        if (is_word(words, 0, plain[i].word))
            return event;
    }
    if (is_word(words, 0, "alert")) {
        event.kind = EVENT_ALERT;
        event.site = site_find(world, words[1]);
        event.voter = voter_find(world, words[2]);
        event.delta = atoi(words[3]);
        event.says = is_word(words, 4, "up") ? VOTE_UP : VOTE_DOWN;
    } else if (is_word(words, 0, "observed") || is_word(words, 0, "adopt")) {
        event.kind = words[0][0] == 'o' ? EVENT_OBSERVED : EVENT_ADOPT;
        event.site = site_find(world, words[1]);
    } else if (is_word(words, 0, "run")) {
        event.kind = EVENT_RUN_STATE;
        event.who = has_word(words, "anna") ? "anna" : NULL;
        assert_true(run_state_parse(words[1], &event.run_state));
    } else if (is_word(words, 0, "point")) {
        event.kind = EVENT_RUN_POINT;
        event.who = has_word(words, "anna") ? "anna" : NULL;
    } else {
        event.kind = EVENT_OPERATOR_MOVE;
        assert_true(direction_parse(words[0], &event.direction));
        event.site = words[1] && strlen(words[1]) == 3 ? site_find(world, words[1]) : SITE_NONE;
    }
    return event;
}

static const char *site_text(int site)
{
    return site < 0 ? "-" : sites[site].name;
}

static void run_put(struct strbuf *s, const struct thing *thing)
{
    strbuf_addf(s, "%s %s>%s", direction_text(thing->direction), site_text(thing->from), site_text(thing->site));
    if (thing->run_state != RUN_RUNNING)
        strbuf_addf(s, " %s", run_state_text(thing->run_state));
    if (thing->occasion == OCCASION_PLANNED)
        strbuf_adds(s, " planned");
    if (thing->overrides)
        strbuf_addf(s, " overrides %s", overrides_text(thing->overrides).text);
}

static void thing_put(struct strbuf *s, const struct world *world, const struct thing *thing)
{
    const char *site = site_text(thing->site);
    if (s->len)
        strbuf_adds(s, "; ");
    switch (thing->kind) {
    case THING_COUNT:
        strbuf_addf(s, "count %s %s %d", site, model_voter_name(&world->model, thing->voter), thing->count);
        break;
    case THING_VOTE:
        strbuf_addf(s, "vote %s %s %s", site, model_voter_name(&world->model, thing->voter), vote_text(thing->vote));
        break;
    case THING_TIMER_SET:
        strbuf_addf(s, "set %s %s %+lld", timer_kind_text(thing->timer), site,
                    (long long)(thing->at - world->now) / 1000);
        break;
    case THING_TIMER_CLEAR:
        strbuf_addf(s, "clear %s %s", timer_kind_text(thing->timer), site);
        break;
    case THING_DEBTS:
        strbuf_addf(s, "debts %s %d", site, thing->count);
        break;
    case THING_INCIDENT_OPEN:
        strbuf_addf(s, "open %s", site);
        break;
    case THING_INCIDENT_STANDING:
        strbuf_addf(s, "%s %s", thing->flag ? "stands" : "falls", site);
        break;
    case THING_INCIDENT_RESOLVED:
        strbuf_addf(s, "resolved %s", site);
        break;
    case THING_NOT_ACTED:
        strbuf_addf(s, "not %s", site);
        if (thing->site_to >= 0)
            strbuf_addf(s, " %s %s>%s", direction_text(thing->direction), site_text(thing->from),
                        site_text(thing->site_to));
        break;
    case THING_ACTIVE:
        strbuf_addf(s, "active %s %s", active_kind_text(thing->active), site);
        break;
    case THING_RUN_START:
        run_put(s, thing);
        break;
    case THING_RUN_APPROVED:
        strbuf_adds(s, "approved");
        break;
    case THING_RUN_CANCEL:
        strbuf_adds(s, "cancel");
        break;
    case THING_RUN_GOES:
        strbuf_adds(s, "goes");
        break;
    case THING_RUN_HALT:
        strbuf_adds(s, "halt");
        break;
    case THING_RUN_STATE:
        strbuf_addf(s, "run %s%s", run_state_text(thing->run_state), thing->flag ? " effect" : "");
        break;
    case THING_REMIND:
        strbuf_adds(s, "remind");
        break;
    case THING_PAUSED:
        strbuf_adds(s, thing->flag ? "paused" : "resumed");
        break;
    case THING_NOTICE:
        strbuf_adds(s, "notice");
        break;
    case THING_REFUSED:
        strbuf_adds(s, "refused");
        break;
    }
    strbuf_addf(s, " (%s)", reason_text(thing->reason));
}

/* ---- the cases --------------------------------------------------------------------------------------------------- */

struct decide_case {
    const char *name, *before, *event, *expect;
    const char *says; /* stands in the sentence of one of the things; NULL: not looked at */
};

#define GRA "active gra"
#define GRA_2 "active gra; down gra prometheus pingdom"
#define GRA_HOLD GRA_2 "; hold gra"
#define GRA_STANDS GRA_2 "; standing gra"
#define MOVING "run failover gra>rbx running; down gra prometheus pingdom; standing gra"
#define OURS "run failover gra>rbx running ours; down gra prometheus pingdom; standing gra"
#define WAITING                                                                                                        \
    "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; needs deadline 1800; asked 900; "   \
    "remind 100"
#define AWAY "active rbx; failback automatic; probe"
#define AWAY_WELL AWAY "; up gra probe; well"
#define STUCK "run failover gra>rbx attention effect; down gra prometheus pingdom; standing gra"

static void check_text(const struct decide_case *c, const struct things *things)
{
    bool is_said = !c->says;
    for (int i = 0; i < things->count; i++) {
        assert_true(things->items[i].text[0] != 0);
        is_said |= c->says && strstr(things->items[i].text, c->says) != NULL;
    }
    for (int i = 0; !is_said && i < things->count; i++)
        print_message("    %s\n", things->items[i].text);
    if (!is_said)
        fail_msg("%s: not said: %s", c->name, c->says);
}

static void check_case(const struct decide_case *c)
{
    struct world world;
    struct things things;
    struct strbuf got = STRBUF_INIT;
    world_init(&world);
    parse_before(&world, c->before);
    struct event event = parse_event(&world, c->event);
    struct service_view before = world.views[SHOP];
    decide(&world.services[SHOP], &world.model, &world.views[SHOP], world.outlook, &event, NOW, &things);
    for (int i = 0; i < things.count; i++)
        thing_put(&got, &world, &things.items[i]);
    if (strcmp(strbuf_text(&got), c->expect) != 0)
        fail_msg("%s\n  BEFORE %s\n  EVENT  %s\n  EXPECT %s\n  GOT    %s", c->name, c->before, c->event, c->expect,
                 strbuf_text(&got));
    check_text(c, &things);
    assert_memory_equal(&before, &world.views[SHOP], sizeof before);

    /* Nothing is left undone: who looks again finds nothing to do, unless the operator was refused. */
    apply(&world, &things);
    bool is_refused = things.count > 0 && things.items[0].kind == THING_REFUSED;
    bool has_looked = things.count > 0 || event.kind == EVENT_START;
    struct event start = {.kind = EVENT_START, .site = SITE_NONE};
    decide(&world.services[SHOP], &world.model, &world.views[SHOP], world.outlook, &start, NOW, &things);
    if (!is_refused && has_looked && things.count > 0)
        fail_msg("%s: then, without any event: %s", c->name, things.items[0].text);
    strbuf_done(&got);
    world_done(&world);
}

static void check_cases(const struct decide_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_case(&cases[i]);
}

#endif

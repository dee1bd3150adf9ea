/* The decision, by tables: BEFORE (what is known), EVENT, EXPECT (the things, in order). Everything is written as text,
 * so that a case can be read aloud; the little language is defined by parse_before(), parse_event() and thing_put().
 *
 * The service, unless a case says otherwise: sites gra (home), rbx and waw in this order, sources prometheus, pingdom
 * and aws (of which pingdom has only a token in its URL); two votes, held for 30 s; a cool-down of 30 min; automatic.
 * Times are seconds from now. */
#include "base/cleanup.h"
#include "base/strbuf.h"
#include "core/decide.h"
#include "tests/unit/test.h"

#include <stdio.h>
#include <stdlib.h>

#define NOW ((int64_t)1700000000000)

/* ---- the world of the cases -------------------------------------------------------------------------------------- */

static char name_gra[] = "gra", name_rbx[] = "rbx", name_waw[] = "waw", name_shop[] = "shop";
static char name_prometheus[] = "prometheus", name_pingdom[] = "pingdom", name_aws[] = "aws";
static struct site sites[] = {{.name = name_gra}, {.name = name_rbx}, {.name = name_waw}};
static char *sources[] = {name_prometheus, name_pingdom, name_aws};
static enum trust trusts[] = {TRUST_SECRET, TRUST_OPEN, TRUST_SIGNED};
static const struct model model = {.source_names = sources, .source_trust = trusts, .n_sources = 3};

struct world {
    struct service service;
    struct step step;
    struct service_view view;
};

static int source_find(const char *text)
{
    int source = model_source_find(&model, text);
    if (source < 0)
        fail_msg("no source %s", text);
    return source;
}

static int site_find(const struct world *world, const char *text)
{
    if (strcmp(text, "-") == 0)
        return SITE_NONE;
    int site = service_site_find(&world->service, text);
    if (site < 0)
        fail_msg("no site %s", text);
    return site;
}

static void world_init(struct world *world)
{
    *world = (struct world){.service = {.name = name_shop,
                                        .sites = sites,
                                        .n_sites = 3,
                                        .mode = MODE_AUTOMATIC,
                                        .votes = 2,
                                        .hold_ms = 30000,
                                        .cool_down_ms = 1800000}};
    service_view_init(&world->view);
}

static void world_done(struct world *world)
{
    json_decref(world->step.args);
}

static int reason_find(const char *text)
{
    for (int i = 0; i <= REASON_UNKNOWN_FROM; i++)
        if (strcmp(reason_text((enum reason)i), text) == 0)
            return i;
    fail_msg("no reason %s", text);
    return REASON_NONE;
}

/* "failover gra>rbx running [effect]" */
static void put_run(struct world *world, char **words)
{
    struct service_view *view = &world->view;
    char *arrow = strchr(words[1], '>');
    assert_non_null(arrow);
    *arrow = 0;
    view->has_run = true;
    assert_true(direction_parse(words[0], &view->run_direction));
    assert_true(run_state_parse(words[2], &view->run_state));
    view->run_from = site_find(world, words[1]);
    view->run_to = site_find(world, arrow + 1);
    view->run_has_effect = words[3] && strcmp(words[3], "effect") == 0;
    view->active = ACTIVE_MOVING;
    view->active_site = view->run_from;
}

/* manual | two | alone | needs votes N | needs trusted N | needs hold S | needs cool S */
static bool put_setting(struct world *world, char **words)
{
    struct service *service = &world->service;
    if (strcmp(words[0], "manual") == 0)
        service->mode = MODE_MANUAL;
    else if (strcmp(words[0], "two") == 0)
        service->n_sites = 2;
    else if (strcmp(words[0], "alone") == 0)
        service->n_sites = 1;
    else if (strcmp(words[0], "needs") == 0 && strcmp(words[1], "votes") == 0)
        service->votes = atoi(words[2]);
    else if (strcmp(words[0], "needs") == 0 && strcmp(words[1], "trusted") == 0)
        service->trusted_votes = atoi(words[2]);
    else if (strcmp(words[0], "needs") == 0 && strcmp(words[1], "hold") == 0)
        service->hold_ms = atoi(words[2]) * 1000;
    else if (strcmp(words[0], "needs") == 0 && strcmp(words[1], "cool") == 0)
        service->cool_down_ms = atoi(words[2]) * 1000;
    else
        return false;
    return true;
}

/* One clause of BEFORE. */
static void put_clause(struct world *world, char **words)
{
    struct service_view *view = &world->view;
    if (put_setting(world, words))
        return;
    if (strcmp(words[0], "args") == 0) { /* args TEXT: the playbook's one step */
        world->step.args = json_pack("{s:s}", "target", words[1]);
        world->service.steps = &world->step;
        world->service.n_steps = 1;
    } else if (strcmp(words[0], "active") == 0) { /* active SITE | split | unknown */
        view->active_site = SITE_NONE;
        if (active_kind_parse(words[1], &view->active))
            return;
        view->active = ACTIVE_SITE;
        view->active_site = site_find(world, words[1]);
    } else if (strcmp(words[0], "down") == 0) { /* down SITE SOURCE... */
        for (int i = 2; words[i]; i++)
            view->sites[site_find(world, words[1])].firing[source_find(words[i])]++;
    } else if (strcmp(words[0], "hold") == 0) { /* hold SITE SECONDS */
        view->sites[site_find(world, words[1])].hold_due_at = NOW + atoi(words[2]) * 1000;
    } else if (strcmp(words[0], "incident") == 0 || strcmp(words[0], "standing") == 0) { /* … SITE [REASON] */
        struct site_view *site = &view->sites[site_find(world, words[1])];
        site->has_incident = true;
        site->is_standing = words[0][0] == 's';
        site->last_reason = words[2] ? reason_find(words[2]) : REASON_NONE;
    } else if (strcmp(words[0], "guessed") == 0) { /* guessed: the run's from is no more than that */
        view->active_site = SITE_NONE;
    } else if (strcmp(words[0], "cool") == 0) { /* cool SECONDS */
        view->cool_down_until = NOW + atoi(words[1]) * 1000;
    } else if (strcmp(words[0], "run") == 0) {
        put_run(world, words + 1);
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
    for (char *clause = strtok_r(copy, ";", &at); clause; clause = strtok_r(NULL, ";", &at)) {
        split_words(clause, words);
        put_clause(world, words);
    }
}

/* start | alert SITE SOURCE +N | timer hold SITE | timer cool | observed SITE | failover [SITE] | failback [SITE] |
 * adopt SITE | run STATE [effect] */
static struct event parse_event(const struct world *world, const char *text)
{
    AUTO_FREE char *copy = strdup(text);
    char *words[MAX_WORDS];
    split_words(copy, words);
    struct event event = {.site = SITE_NONE, .who = "anna", .text = "because"};
    if (strcmp(words[0], "start") == 0) {
        event.kind = EVENT_START;
    } else if (strcmp(words[0], "alert") == 0) {
        event.kind = EVENT_ALERT;
        event.site = site_find(world, words[1]);
        event.source = source_find(words[2]);
        event.delta = atoi(words[3]);
    } else if (strcmp(words[0], "timer") == 0) {
        event.kind = EVENT_TIMER;
        event.timer = strcmp(words[1], "hold") == 0 ? TIMER_HOLD : TIMER_COOL_DOWN;
        event.site = words[2] ? site_find(world, words[2]) : SITE_NONE;
    } else if (strcmp(words[0], "observed") == 0 || strcmp(words[0], "adopt") == 0) {
        event.kind = words[0][0] == 'o' ? EVENT_OBSERVED : EVENT_ADOPT;
        event.site = site_find(world, words[1]);
    } else if (strcmp(words[0], "run") == 0) {
        event.kind = EVENT_RUN_STATE;
        assert_true(run_state_parse(words[1], &event.run_state));
        event.has_effect = words[2] != NULL;
    } else {
        event.kind = EVENT_OPERATOR_MOVE;
        assert_true(direction_parse(words[0], &event.direction));
        event.site = words[1] ? site_find(world, words[1]) : SITE_NONE;
    }
    return event;
}

static const char *site_text(int site)
{
    return site < 0 ? "-" : sites[site].name;
}

static void thing_put(struct strbuf *s, const struct thing *thing, int64_t now)
{
    const char *site = site_text(thing->site);
    if (s->len)
        strbuf_adds(s, "; ");
    switch (thing->kind) {
    case THING_COUNT:
        strbuf_addf(s, "count %s %s %d%s", site, sources[thing->source], thing->count,
                    thing->is_vote_change ? " vote" : "");
        break;
    case THING_TIMER_SET:
        strbuf_addf(s, "set %s %s %+lld", timer_kind_text(thing->timer), site, (long long)(thing->at - now) / 1000);
        break;
    case THING_TIMER_CLEAR:
        strbuf_addf(s, "clear %s %s", timer_kind_text(thing->timer), site);
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
        break;
    case THING_ACTIVE:
        strbuf_addf(s, "active %s %s", active_kind_text(thing->active), site);
        break;
    case THING_RUN_START:
        strbuf_addf(s, "%s %s>%s", direction_text(thing->direction), site_text(thing->from), site);
        break;
    case THING_RUN_STATE:
        strbuf_addf(s, "run %s%s", run_state_text(thing->run_state), thing->flag ? " effect" : "");
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
#define STUCK "run failover gra>rbx attention effect; down gra prometheus pingdom; standing gra"

static const struct decide_case cases[] = {
    /* votes on the active site */
    {"one vote of two", GRA, "alert gra prometheus +1", "count gra prometheus 1 vote (votes)",
     "prometheus says gra is down (1 alert); 1 of 2 votes (prometheus)"},
    {"a second alert of the same source is no second vote", GRA "; down gra prometheus", "alert gra prometheus +1",
     "count gra prometheus 2 (votes)", "(2 alerts); 1 of 2 votes"},
    {"the second source makes the quorum: the hold begins", GRA "; down gra prometheus", "alert gra pingdom +1",
     "count gra pingdom 1 vote (votes); set hold gra +30 (votes)",
     "gra has 2 of 2 votes (prometheus, pingdom): it counts as down when they hold for 30 s"},
    {"a third vote leaves the hold alone", GRA_HOLD " 10", "alert gra aws +1", "count gra aws 1 vote (votes)",
     "3 votes where 2 are needed (prometheus, pingdom, aws)"},
    {"an alert less, the vote stays", GRA_HOLD " 10; down gra aws aws", "alert gra aws -1", "count gra aws 1 (votes)",
     NULL},
    {"a vote withdrawn breaks the hold", GRA_HOLD " 10", "alert gra pingdom -1",
     "count gra pingdom 0 vote (votes); clear hold gra (votes)",
     "the votes on gra did not hold for 30 s: now it has 1 of 2 votes (prometheus)"},
    {"withdrawn in the last moment, the timer being late", GRA_HOLD " -1", "alert gra pingdom -1",
     "count gra pingdom 0 vote (votes); clear hold gra (votes)", NULL},
    {"the last vote goes", GRA "; down gra prometheus", "alert gra prometheus -1",
     "count gra prometheus 0 vote (votes)", "prometheus says no more that gra is down; no down vote"},
    {"a count never falls below nought", GRA, "alert gra prometheus -1", "count gra prometheus 0 (votes)", NULL},
    {"one vote is enough where one is asked for", GRA "; needs votes 1", "alert gra aws +1",
     "count gra aws 1 vote (votes); set hold gra +30 (votes)", "1 of 1 vote (aws)"},
    {"no hold: at once", GRA "; down gra prometheus; needs hold 0", "alert gra pingdom +1",
     "count gra pingdom 1 vote (votes); open gra (votes); active moving gra (votes); failover gra>rbx (votes)",
     "gra is down: 2 of 2 votes (prometheus, pingdom)"},

    /* votes that can be trusted */
    {"an open vote alone", GRA "; needs votes 1; needs trusted 1", "alert gra pingdom +1",
     "count gra pingdom 1 vote (votes)", "pingdom says gra is down (1 alert); 1 of 1 vote (pingdom), 0 of 1 trusted"},
    {"no more of its alerts make it trusted", GRA "; down gra pingdom; needs votes 1; needs trusted 1",
     "alert gra pingdom +1", "count gra pingdom 2 (votes)", "0 of 1 trusted"},
    {"a vote with a secret alone", GRA "; needs votes 1; needs trusted 1", "alert gra prometheus +1",
     "count gra prometheus 1 vote (votes); set hold gra +30 (votes)",
     "gra has 1 of 1 vote (prometheus): it counts as down when they hold for 30 s"},
    {"a signed vote alone", GRA "; needs votes 1; needs trusted 1", "alert gra aws +1",
     "count gra aws 1 vote (votes); set hold gra +30 (votes)", NULL},
    {"one of two has to be trusted, and is", GRA "; down gra pingdom; needs trusted 1", "alert gra prometheus +1",
     "count gra prometheus 1 vote (votes); set hold gra +30 (votes)", "gra has 2 of 2 votes (prometheus, pingdom): it"},
    {"trusted, but too few", GRA "; needs trusted 1", "alert gra aws +1", "count gra aws 1 vote (votes)",
     "1 of 2 votes (aws)"},
    {"both have to be trusted, and one is not", GRA "; down gra prometheus; needs trusted 2", "alert gra pingdom +1",
     "count gra pingdom 1 vote (votes)", "2 of 2 votes (prometheus, pingdom), 1 of 2 trusted"},
    {"until a second one is", GRA "; down gra prometheus pingdom; needs trusted 2", "alert gra aws +1",
     "count gra aws 1 vote (votes); set hold gra +30 (votes)",
     "gra has 3 votes where 2 are needed (prometheus, pingdom, aws): it counts"},
    {"one source's alerts are one trusted vote", GRA "; down gra aws; needs votes 1; needs trusted 2",
     "alert gra aws +1", "count gra aws 2 (votes)", "1 vote (aws), 1 of 2 trusted"},
    {"more trusted votes than votes asked for", GRA "; down gra aws; needs votes 1; needs trusted 2",
     "alert gra prometheus +1", "count gra prometheus 1 vote (votes); set hold gra +30 (votes)", NULL},
    {"a trusted vote withdrawn breaks the hold", GRA_HOLD " 10; down gra aws; needs trusted 2", "alert gra aws -1",
     "count gra aws 0 vote (votes); clear hold gra (votes)",
     "did not hold for 30 s: now it has 2 of 2 votes (prometheus, pingdom), 1 of 2 trusted"},
    {"an open vote withdrawn does not, where it is one too many", GRA_HOLD " 10; down gra aws; needs trusted 2",
     "alert gra pingdom -1", "count gra pingdom 0 vote (votes)", NULL},
    {"they held: a run starts", GRA_HOLD " 0; needs trusted 1", "timer hold gra",
     "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>rbx (votes)",
     "failover from gra to rbx: 2 of 2 votes (prometheus, pingdom) held for 30 s"},
    {"an incident falls with its trusted vote", GRA_STANDS " cool_down; cool 720; down gra aws; needs trusted 2",
     "alert gra aws -1", "count gra aws 0 vote (votes); falls gra (votes)",
     "gra has only 2 of 2 votes (prometheus, pingdom), 1 of 2 trusted left"},
    {"more trust asked for by a new configuration", GRA_STANDS "; needs trusted 2", "start", "falls gra (votes)", NULL},
    {"a person needs nobody's vote", GRA "; down gra pingdom; needs trusted 2", "failover",
     "active moving gra (operator); failover gra>rbx (operator)", NULL},

    /* votes on other sites */
    {"a vote on a site that is not active", GRA, "alert rbx prometheus +1", "count rbx prometheus 1 vote (not_active)",
     "nothing follows: gra is the active site"},
    {"a quorum on a site that is not active", GRA "; down rbx prometheus", "alert rbx pingdom +1",
     "count rbx pingdom 1 vote (not_active)", NULL},
    {"a quorum while the active site is unknown", "down gra prometheus", "alert gra pingdom +1",
     "count gra pingdom 1 vote (active_unknown)", "the active site is not known: adopt one"},
    {"a quorum while split", "active split; down gra prometheus", "alert gra pingdom +1",
     "count gra pingdom 1 vote (active_split)", "split"},
    {"a quorum on the target while moving there", "run failover gra>rbx running; down rbx prometheus",
     "alert rbx pingdom +1", "count rbx pingdom 1 vote (run_in_progress)", "the failover from gra to rbx is under way"},

    /* the hold timer */
    {"due: a run starts", GRA_HOLD " 0", "timer hold gra",
     "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>rbx (votes)",
     "failover from gra to rbx: 2 of 2 votes (prometheus, pingdom) held for 30 s"},
    {"early: nothing", GRA_HOLD " 1", "timer hold gra", "", NULL},
    {"late", GRA_HOLD " -600", "timer hold gra",
     "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"early, and another one is due: that is not its business", GRA_HOLD " 1; cool -1", "timer hold gra", "", NULL},
    {"the other way round", GRA_HOLD " -1; cool 9", "timer cool", "", NULL},
    {"due, seen by another event first", GRA_HOLD " -1", "alert gra prometheus +1",
     "count gra prometheus 2 (votes); clear hold gra (timer); open gra (votes); active moving gra (votes); failover "
     "gra>rbx (votes)",
     NULL},
    {"due, seen by the start", GRA_HOLD " -1", "start",
     "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"due for an incident that is open: it stands again", GRA_HOLD " 0; incident gra", "timer hold gra",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)",
     "gra is down again"},
    {"a hold of a site that is not active any more", "active rbx; down gra prometheus pingdom; hold gra 5", "start",
     "clear hold gra (not_active)", "the hold time of gra ends, for rbx is the active site"},

    /* why not */
    {"manual mode", GRA_HOLD " 0; manual", "timer hold gra",
     "clear hold gra (timer); open gra (votes); not gra (manual_mode)", "a person has to start the failover"},
    {"manual mode is said once", GRA_STANDS " manual_mode; manual", "alert gra aws +1", "count gra aws 1 vote (votes)",
     NULL},
    {"cool-down", GRA_HOLD " 0; cool 720", "timer hold gra",
     "clear hold gra (timer); open gra (votes); not gra (cool_down)",
     "the cool-down after the last run lasts another 12 min"},
    {"cool-down is said once", GRA_STANDS " cool_down; cool 720", "alert gra aws +1", "count gra aws 1 vote (votes)",
     NULL},
    {"another reason is said again", GRA_STANDS " no_target; cool 720", "alert gra aws +1",
     "count gra aws 1 vote (votes); not gra (cool_down)", NULL},
    {"no target: every other site has a down vote", GRA_HOLD " 0; down rbx aws; down waw aws", "timer hold gra",
     "clear hold gra (timer); open gra (votes); not gra (no_target)", "there is no other site without a down vote"},
    {"no target: there is no other site", GRA_HOLD " 0; alone", "timer hold gra",
     "clear hold gra (timer); open gra (votes); not gra (no_target)", NULL},
    {"an incident that stood when the run stopped half-way", "active split; down gra prometheus pingdom; standing gra",
     "start", "not gra (active_split)", "gra is down, and nothing is started: a run stopped half-way"},
    {"and unknown", "down gra prometheus pingdom; standing gra", "start", "not gra (active_unknown)", NULL},
    {"a run on its way is the answer: nothing more to say", MOVING, "start", "", NULL},
    {"a run that waits for a person is not", STUCK, "start", "not gra (run_in_progress)",
     "the failover from gra to rbx waits for a person"},

    /* choosing the target */
    {"the first in prefer without a down vote", GRA_HOLD " 0; down rbx aws", "timer hold gra",
     "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>waw (votes)", NULL},
    {"back home when another site is active", "active rbx; down rbx prometheus pingdom; hold rbx 0", "timer hold rbx",
     "clear hold rbx (timer); open rbx (votes); active moving rbx (votes); failover rbx>gra (votes)", NULL},
    {"not home when home is down too", "active rbx; down rbx prometheus pingdom; hold rbx 0; down gra aws",
     "timer hold rbx", "clear hold rbx (timer); open rbx (votes); active moving rbx (votes); failover rbx>waw (votes)",
     NULL},

    /* level-triggered */
    {"the cool-down ends and the quorum stands", GRA_STANDS " cool_down; cool 0", "timer cool",
     "clear cool_down - (timer); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"the cool-down ends early: nothing", GRA_STANDS " cool_down; cool 1", "timer cool", "", NULL},
    {"the cool-down ends and nothing stands", GRA "; cool -1", "timer cool", "clear cool_down - (timer)", NULL},
    {"there is no cool-down", GRA, "timer cool", "", NULL},
    {"there is no hold", GRA, "timer hold gra", "", NULL},
    {"an alert after the cool-down", GRA_STANDS " cool_down; cool -1", "alert gra aws +1",
     "count gra aws 1 vote (votes); clear cool_down - (timer); active moving gra (votes); failover gra>rbx (votes)",
     NULL},
    {"a target's vote is withdrawn", GRA_STANDS " no_target; down rbx aws; down waw aws", "alert waw aws -1",
     "count waw aws 0 vote (not_active); active moving gra (votes); failover gra>waw (votes)", NULL},
    {"automatic at last, after a new configuration", GRA_STANDS " manual_mode", "start",
     "active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"more votes asked for by a new configuration", GRA_STANDS "; needs votes 3", "start", "falls gra (votes)", NULL},
    {"nothing to do at the start", GRA, "start", "", NULL},
    {"a quorum at the start", GRA_2, "start", "set hold gra +30 (votes)", NULL},

    /* the end of an incident */
    {"below the quorum", GRA_STANDS " cool_down; cool 720", "alert gra pingdom -1",
     "count gra pingdom 0 vote (votes); falls gra (votes)", "gra has only 1 of 2 votes (prometheus) left"},
    {"the last vote goes: over", GRA "; down gra prometheus; incident gra cool_down", "alert gra prometheus -1",
     "count gra prometheus 0 vote (votes); resolved gra (votes)", "the incident is over"},
    {"of a site that is not active", "active rbx; down gra prometheus; incident gra", "alert gra prometheus -1",
     "count gra prometheus 0 vote (not_active); resolved gra (votes)", NULL},
    {"both at once, where one vote is enough", GRA "; needs votes 1; down gra aws; standing gra cool_down; cool 9",
     "alert gra aws -1", "count gra aws 0 vote (votes); resolved gra (votes)", NULL},
    {"during the run that answers it", MOVING, "alert gra pingdom -1",
     "count gra pingdom 0 vote (run_in_progress); falls gra (votes)", NULL},
    {"the quorum comes back during the run: no hold while moving",
     "run failover gra>rbx running; down gra prometheus; incident gra", "alert gra pingdom +1",
     "count gra pingdom 1 vote (run_in_progress)", NULL},

    /* a run's progress */
    {"no news", MOVING, "run running", "", NULL},
    {"of no run", GRA, "run attention", "", NULL},
    {"attention", MOVING, "run attention effect", "run attention effect (run); not gra (run_in_progress)",
     "retry, skip or cancel"},
    {"goes on again", STUCK " run_in_progress", "run running effect", "run running effect (run)", NULL},
    {"succeeded", MOVING, "run succeeded effect",
     "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active)",
     "the incident of gra stays open until its votes are gone"},
    {"succeeded, without a cool-down", MOVING "; needs cool 0", "run succeeded effect",
     "run succeeded effect (run); active site rbx (run); falls gra (not_active)", NULL},
    {"cancelled before it changed anything", MOVING, "run cancelled",
     "run cancelled (run); set cool_down - +1800 (run); active site gra (run); falls gra (run); set hold gra +30 "
     "(votes)",
     "have to hold anew"},
    {"cancelled after it had changed something", STUCK, "run cancelled effect",
     "run cancelled effect (run); set cool_down - +1800 (run); active split - (run); not gra (active_split)",
     "adopt a site or start a run"},
    {"cancelled, from nowhere known", "run failover ->rbx running", "run cancelled",
     "run cancelled (run); set cool_down - +1800 (run); active unknown - (run)", "the active site is not known"},
    {"the target has a quorum: its hold begins", MOVING "; down rbx aws pingdom", "run succeeded effect",
     "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active); set hold "
     "rbx +30 (votes)",
     NULL},
    {"the target was taken out of the configuration", "run failover gra>- running", "run succeeded effect",
     "run succeeded effect (run); set cool_down - +1800 (run); active unknown - (run)", NULL},

    /* operators move */
    {"failover, the target chosen", GRA, "failover", "active moving gra (operator); failover gra>rbx (operator)",
     "failover from gra to rbx: anna asked for it: because"},
    {"failover to a named site", GRA, "failover waw", "active moving gra (operator); failover gra>waw (operator)",
     NULL},
    {"failover past a down vote", GRA "; down rbx aws", "failover",
     "active moving gra (operator); failover gra>waw (operator)", NULL},
    {"failover to a named site with down votes", GRA "; down rbx prometheus pingdom", "failover rbx",
     "active moving gra (operator); failover gra>rbx (operator)", NULL},
    {"during the hold", GRA_HOLD " 10", "failover",
     "active moving gra (operator); clear hold gra (run_in_progress); failover gra>rbx (operator)", NULL},
    {"during the cool-down, in manual mode", GRA "; cool 100; manual", "failover",
     "active moving gra (operator); failover gra>rbx (operator)", NULL},
    {"failback", "active rbx; down gra aws", "failback", "active moving rbx (operator); failback rbx>gra (operator)",
     NULL},
    {"failback to another site than home", "active rbx", "failback waw", "refused (no_target)", "goes home"},
    {"failback when home", GRA, "failback", "refused (already_active)", "gra is the active site already"},
    {"failover to the active site", GRA, "failover gra", "refused (already_active)", NULL},
    {"no site without a down vote", GRA "; down rbx aws; down waw aws", "failover", "refused (no_target)",
     "every other site has a down vote"},
    {"a run is in progress", MOVING, "failover waw", "refused (run_in_progress)",
     "the failover from gra to rbx is under way: it has to end, or be cancelled, first"},
    {"a run waits for a person", STUCK, "failback", "refused (run_in_progress)", "waits for a person"},
    {"unknown: no target is chosen for a person", "active unknown", "failover", "refused (active_unknown)",
     "say which site"},
    {"split: neither", "active split", "failover", "refused (active_split)", NULL},
    {"unknown, a named site", "active unknown", "failover rbx", "active moving - (operator); failover ->rbx (operator)",
     "failover to rbx: anna"},
    {"split, a named site", "active split", "failover gra", "active moving - (operator); failover ->gra (operator)",
     NULL},
    {"split, failback", "active split", "failback", "active moving - (operator); failback ->gra (operator)", NULL},
    {"unknown, and the playbook wants to know from where", "active unknown; args ${from.address}", "failover rbx",
     "refused (unknown_from)", "adopt one first"},
    {"of two sites it is the other", "active unknown; two; args ${from.address}", "failover rbx",
     "active moving - (operator); failover gra>rbx (operator)", NULL},
    {"and then cancelled: that was a guess", "run failover gra>rbx running; guessed", "run cancelled",
     "run cancelled (run); set cool_down - +1800 (run); active unknown - (run)", NULL},
    {"a playbook that only wants to know where to", "active unknown; args ${to.address}", "failover rbx",
     "active moving - (operator); failover ->rbx (operator)", NULL},

    /* adopting and observing */
    {"adopt", "active unknown", "adopt rbx", "active site rbx (operator)", "anna said so: because"},
    {"adopt while split, with a quorum there", "active split; down gra prometheus pingdom; standing gra active_split",
     "adopt gra", "active site gra (operator); falls gra (operator); set hold gra +30 (votes)", NULL},
    {"adopt another site", GRA_HOLD " 10", "adopt rbx", "active site rbx (operator); clear hold gra (not_active)",
     NULL},
    {"adopt another site, with an incident", GRA_STANDS "; manual", "adopt rbx",
     "active site rbx (operator); falls gra (not_active)", NULL},
    {"adopt what is", GRA, "adopt gra", "refused (already_active)", NULL},
    {"adopt during a run", MOVING, "adopt rbx", "refused (run_in_progress)", NULL},
    {"adopt nothing", "active unknown", "adopt -", "refused (no_target)", NULL},
    {"observed", "active unknown", "observed rbx", "active site rbx (observed)", NULL},
    {"observed, with a quorum", "active unknown; down gra prometheus pingdom", "observed gra",
     "active site gra (observed); set hold gra +30 (votes)", NULL},
    {"observed none", "active unknown", "observed -", "not - (active_unknown)", "stays unknown"},
    {"observed too late", GRA, "observed rbx", "not - (observed)", NULL},
    {"observed while moving", MOVING, "observed rbx", "not - (run_in_progress)", NULL},
    {"observed while split: only people end that", "active split", "observed gra", "not - (observed)", NULL},
};

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
    struct service_view before = world.view;
    decide(&world.service, &model, &world.view, &event, NOW, &things);
    for (int i = 0; i < things.count; i++)
        thing_put(&got, &things.items[i], NOW);
    if (strcmp(strbuf_text(&got), c->expect) != 0)
        fail_msg("%s\n  BEFORE %s\n  EVENT  %s\n  EXPECT %s\n  GOT    %s", c->name, c->before, c->event, c->expect,
                 strbuf_text(&got));
    check_text(c, &things);
    assert_memory_equal(&before, &world.view, sizeof before);

    /* Nothing is left undone: who looks again finds nothing to do, unless the operator was refused. */
    for (int i = 0; i < things.count; i++)
        view_apply(&world.view, &things.items[i]);
    bool is_refused = things.count > 0 && things.items[0].kind == THING_REFUSED;
    bool has_looked = things.count > 0 || event.kind == EVENT_START;
    struct event start = {.kind = EVENT_START, .site = SITE_NONE};
    decide(&world.service, &model, &world.view, &start, NOW, &things);
    if (!is_refused && has_looked && things.count > 0)
        fail_msg("%s: then, without any event: %s", c->name, things.items[0].text);
    strbuf_done(&got);
    world_done(&world);
}

static void decisions(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_case(&cases[i]);
    assert_true(COUNT_OF(cases) >= 60);
}

/* ---- stories: one world, several events -------------------------------------------------------------------------- */

struct story_step {
    int at_s;
    const char *event, *expect;
};

static void tell(const char *before, const struct story_step *steps, size_t n)
{
    struct world world;
    world_init(&world);
    parse_before(&world, before);
    for (size_t i = 0; i < n; i++) {
        struct things things;
        struct strbuf got = STRBUF_INIT;
        struct event event = parse_event(&world, steps[i].event);
        int64_t now = NOW + steps[i].at_s * 1000;
        decide(&world.service, &model, &world.view, &event, now, &things);
        for (int j = 0; j < things.count; j++) {
            thing_put(&got, &things.items[j], now);
            view_apply(&world.view, &things.items[j]);
        }
        if (strcmp(strbuf_text(&got), steps[i].expect) != 0)
            fail_msg("at %d s: %s\n  EXPECT %s\n  GOT    %s", steps[i].at_s, steps[i].event, steps[i].expect,
                     strbuf_text(&got));
        strbuf_done(&got);
    }
    world_done(&world);
}

static void an_outage_from_end_to_end(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "observed gra", "active site gra (observed)"},
        {1, "alert gra prometheus +1", "count gra prometheus 1 vote (votes)"},
        {2, "alert gra pingdom +1", "count gra pingdom 1 vote (votes); set hold gra +30 (votes)"},
        {20, "alert gra pingdom -1", "count gra pingdom 0 vote (votes); clear hold gra (votes)"},
        {21, "alert gra pingdom +1", "count gra pingdom 1 vote (votes); set hold gra +30 (votes)"},
        {32, "timer hold gra", ""},
        {51, "timer hold gra",
         "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>rbx (votes)"},
        {52, "alert gra aws +1", "count gra aws 1 vote (run_in_progress)"},
        {60, "run attention effect", "run attention effect (run); not gra (run_in_progress)"},
        {61, "alert gra aws -1", "count gra aws 0 vote (run_in_progress)"},
        {70, "run running effect", "run running effect (run)"},
        {80, "run succeeded effect",
         "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active)"},
        {90, "alert gra prometheus -1", "count gra prometheus 0 vote (not_active)"},
        {91, "alert gra pingdom -1", "count gra pingdom 0 vote (not_active); resolved gra (votes)"},
        {1880, "timer cool", "clear cool_down - (timer)"},
        {1900, "failback", "active moving rbx (operator); failback rbx>gra (operator)"},
        {1910, "run succeeded effect",
         "run succeeded effect (run); set cool_down - +1800 (run); active site gra (run)"},
    };
    tell("active unknown", steps, COUNT_OF(steps));
}

/* Cancelled, and the site is still down: another run, but only after the cool-down, and said why until then. */
static void another_run_only_after_the_cool_down(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "timer hold gra",
         "clear hold gra (timer); open gra (votes); active moving gra (votes); failover gra>rbx (votes)"},
        {5, "run cancelled",
         "run cancelled (run); set cool_down - +1800 (run); active site gra (run); falls gra (run); set hold gra +30 "
         "(votes)"},
        {35, "timer hold gra", "clear hold gra (timer); stands gra (votes); not gra (cool_down)"},
        {40, "alert gra aws +1", "count gra aws 1 vote (votes)"},
        {41, "start", ""},
        {1804, "timer cool", ""},
        {1805, "timer cool", "clear cool_down - (timer); active moving gra (votes); failover gra>rbx (votes)"},
        {1806, "run cancelled effect",
         "run cancelled effect (run); set cool_down - +1800 (run); active split - (run); not gra (active_split)"},
        {4000, "timer cool", "clear cool_down - (timer)"},
        {4001, "alert gra aws -1", "count gra aws 0 vote (active_split)"},
        {4002, "adopt rbx", "active site rbx (operator); falls gra (not_active)"},
        {4003, "adopt gra", "active site gra (operator); set hold gra +30 (votes)"},
        {4033, "timer hold gra",
         "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)"},
    };
    tell(GRA_HOLD " 0", steps, COUNT_OF(steps));
}

/* The same reason is said anew in a new incident, and after a run. */
static void reasons_begin_anew_with_each_incident(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "timer hold gra", "clear hold gra (timer); open gra (votes); not gra (manual_mode)"},
        {1, "alert gra pingdom -1", "count gra pingdom 0 vote (votes); falls gra (votes)"},
        {2, "alert gra prometheus -1", "count gra prometheus 0 vote (votes); resolved gra (votes)"},
        {3, "alert gra pingdom +1", "count gra pingdom 1 vote (votes)"},
        {3, "alert gra prometheus +1", "count gra prometheus 1 vote (votes); set hold gra +30 (votes)"},
        {33, "timer hold gra", "clear hold gra (timer); open gra (votes); not gra (manual_mode)"},
        {40, "failover", "active moving gra (operator); failover gra>rbx (operator)"},
        {41, "run cancelled",
         "run cancelled (run); set cool_down - +1800 (run); active site gra (run); falls gra (run); set hold gra +30 "
         "(votes)"},
        {71, "timer hold gra", "clear hold gra (timer); stands gra (votes); not gra (manual_mode)"},
    };
    tell(GRA_HOLD " 0; manual", steps, COUNT_OF(steps));
}

/* Names and reasons of any length and kind: the sentence stays whole UTF-8, and the names in it come first. */
static void sentences_are_bounded(void **state)
{
    (void)state;
    struct world world;
    struct things things;
    char reason[1000];
    for (size_t i = 0; i + 1 < sizeof reason; i++)
        reason[i] = i % 2 ? '\xa9' : '\xc3';
    reason[sizeof reason - 1] = 0;
    world_init(&world);
    parse_before(&world, GRA);
    struct event event = {.kind = EVENT_OPERATOR_MOVE, .site = SITE_NONE, .who = "anna", .text = reason};
    decide(&world.service, &model, &world.view, &event, NOW, &things);
    assert_int_equal(things.count, 2);
    AUTO_FREE char *copy = strdup(things.items[1].text);
    json_t *json = json_string(copy);
    assert_non_null(json);
    json_decref(json);
    assert_non_null(strstr(copy, "failover from gra to rbx: anna asked for it: é"));
    event.who = NULL;
    event.text = NULL;
    decide(&world.service, &model, &world.view, &event, NOW, &things);
    assert_string_equal(things.items[1].text, "failover from gra to rbx: an operator asked for it");
}

static void reasons_have_names(void **state)
{
    (void)state;
    assert_string_equal(reason_text(REASON_COOL_DOWN), "cool_down");
    assert_string_equal(reason_text((enum reason)99), "?");
    assert_string_equal(reason_text((enum reason) - 1), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decisions),
        cmocka_unit_test(an_outage_from_end_to_end),
        cmocka_unit_test(another_run_only_after_the_cool_down),
        cmocka_unit_test(reasons_begin_anew_with_each_incident),
        cmocka_unit_test(sentences_are_bounded),
        cmocka_unit_test(reasons_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

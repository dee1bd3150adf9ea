/* The decision: votes, holds, incidents, runs and what people ask for. The language of the cases is decide_case.h. */
#include "tests/unit/decide_case.h"

static const struct decide_case cases[] = {
    /* votes on the active site */
    {"one vote of two", GRA, "alert gra prometheus +1",
     "count gra prometheus 1 (votes); open gra (votes); vote gra prometheus down (votes)",
     "prometheus says gra is down (1 alert); 1 of 2 votes (prometheus)"},
    {"a second alert of the same source is no second vote", GRA "; down gra prometheus", "alert gra prometheus +1",
     "count gra prometheus 2 (votes)", "prometheus has 2 alerts that say gra is down"},
    {"the second source makes the quorum: the hold begins", GRA "; down gra prometheus", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +30 (votes)",
     "gra has 2 of 2 votes (prometheus, pingdom): it counts as down when they hold for 30 s"},
    {"a third vote leaves the hold alone", GRA_HOLD " 10", "alert gra aws +1",
     "count gra aws 1 (votes); vote gra aws down (votes)", "3 votes where 2 are needed (prometheus, pingdom, aws)"},
    {"an alert less, the vote stays", GRA_HOLD " 10; down gra aws aws", "alert gra aws -1", "count gra aws 1 (votes)",
     NULL},
    {"a vote withdrawn breaks the hold", GRA_HOLD " 10", "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); clear hold gra (votes)",
     "the votes on gra did not hold for 30 s: now it has 1 of 2 votes (prometheus)"},
    {"withdrawn in the last moment, the timer being late", GRA_HOLD " -1", "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); clear hold gra (votes)", NULL},
    {"the last vote goes", GRA "; down gra prometheus", "alert gra prometheus -1",
     "count gra prometheus 0 (votes); vote gra prometheus unknown (votes); resolved gra (votes)",
     "prometheus says no more that gra is down; no down vote"},
    {"a count never falls below nought", GRA, "alert gra prometheus -1", "count gra prometheus 0 (votes)", NULL},
    {"one vote is enough where one is asked for", GRA "; needs votes 1", "alert gra aws +1",
     "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes); set hold gra +30 (votes)",
     "1 of 1 vote (aws)"},
    {"no hold: at once", GRA "; down gra prometheus; needs hold 0", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); vote gra pingdom down (votes); stands gra (votes); active moving gra (votes); "
     "failover gra>rbx (votes)",
     "gra is down: 2 of 2 votes (prometheus, pingdom)"},

    /* votes that can be trusted */
    {"an open vote alone", GRA "; needs votes 1; needs trusted 1", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); open gra (votes); vote gra pingdom down (votes)",
     "pingdom says gra is down (1 alert); 1 of 1 vote (pingdom), 0 of 1 trusted"},
    {"no more of its alerts make it trusted", GRA "; down gra pingdom; needs votes 1; needs trusted 1",
     "alert gra pingdom +1", "count gra pingdom 2 (votes)", "pingdom has 2 alerts"},
    {"a vote with a secret alone", GRA "; needs votes 1; needs trusted 1", "alert gra prometheus +1",
     "count gra prometheus 1 (votes); open gra (votes); vote gra prometheus down (votes); set hold gra +30 (votes)",
     "gra has 1 of 1 vote (prometheus): it counts as down when they hold for 30 s"},
    {"a signed vote alone", GRA "; needs votes 1; needs trusted 1", "alert gra aws +1",
     "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes); set hold gra +30 (votes)", NULL},
    {"one of two has to be trusted, and is", GRA "; down gra pingdom; needs trusted 1", "alert gra prometheus +1",
     "count gra prometheus 1 (votes); vote gra prometheus down (votes); set hold gra +30 (votes)",
     "gra has 2 of 2 votes (pingdom, prometheus): it"},
    {"trusted, but too few", GRA "; needs trusted 1", "alert gra aws +1",
     "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes)", "1 of 2 votes (aws)"},
    {"both have to be trusted, and one is not", GRA "; down gra prometheus; needs trusted 2", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); vote gra pingdom down (votes)",
     "2 of 2 votes (prometheus, pingdom), 1 of 2 trusted"},
    {"until a second one is", GRA "; down gra prometheus pingdom; needs trusted 2", "alert gra aws +1",
     "count gra aws 1 (votes); vote gra aws down (votes); set hold gra +30 (votes)",
     "gra has 3 votes where 2 are needed (prometheus, pingdom, aws): it counts"},
    {"one source's alerts are one trusted vote", GRA "; down gra aws; needs votes 1; needs trusted 2",
     "alert gra aws +1", "count gra aws 2 (votes)", "aws has 2 alerts"},
    {"more trusted votes than votes asked for", GRA "; down gra aws; needs votes 1; needs trusted 2",
     "alert gra prometheus +1",
     "count gra prometheus 1 (votes); vote gra prometheus down (votes); set hold gra +30 (votes)", NULL},
    {"a trusted vote withdrawn breaks the hold", GRA_HOLD " 10; down gra aws; needs trusted 2", "alert gra aws -1",
     "count gra aws 0 (votes); vote gra aws unknown (votes); clear hold gra (votes)",
     "did not hold for 30 s: now it has 2 of 2 votes (prometheus, pingdom), 1 of 2 trusted"},
    {"an open vote withdrawn does not, where it is one too many", GRA_HOLD " 10; down gra aws; needs trusted 2",
     "alert gra pingdom -1", "count gra pingdom 0 (votes); vote gra pingdom unknown (votes)", NULL},
    {"they held: a run starts", GRA_HOLD " 0; needs trusted 1", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)",
     "failover from gra to rbx: 2 of 2 votes (prometheus, pingdom) held for 30 s"},
    {"an incident falls with its trusted vote", GRA_STANDS " cool_down; cool 720; down gra aws; needs trusted 2",
     "alert gra aws -1", "count gra aws 0 (votes); vote gra aws unknown (votes); falls gra (votes)",
     "gra has only 2 of 2 votes (prometheus, pingdom), 1 of 2 trusted left"},
    {"more trust asked for by a new configuration", GRA_STANDS "; needs trusted 2", "start", "falls gra (votes)", NULL},
    {"a person needs nobody's vote", GRA "; down gra pingdom; needs trusted 2", "failover",
     "active moving gra (operator); failover gra>rbx (operator)", NULL},

    /* votes on other sites */
    {"a vote on a site that is not active", GRA, "alert rbx prometheus +1",
     "count rbx prometheus 1 (votes); open rbx (votes); vote rbx prometheus down (votes)",
     "nothing follows: gra is the active site"},
    {"a quorum on a site that is not active", GRA "; down rbx prometheus", "alert rbx pingdom +1",
     "count rbx pingdom 1 (votes); vote rbx pingdom down (votes)", NULL},
    {"a quorum while the active site is unknown", "down gra prometheus", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); vote gra pingdom down (votes)", "the active site is not known: adopt one"},
    {"a quorum while split", "active split; down gra prometheus", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); vote gra pingdom down (votes)", "split"},
    {"a quorum on the target while moving there", "run failover gra>rbx running; down rbx prometheus",
     "alert rbx pingdom +1", "count rbx pingdom 1 (votes); vote rbx pingdom down (votes)",
     "the failover from gra to rbx is under way"},

    /* the hold timer */
    {"due: a run starts", GRA_HOLD " 0", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)",
     "failover from gra to rbx: 2 of 2 votes (prometheus, pingdom) held for 30 s"},
    {"early: nothing", GRA_HOLD " 1", "look", "", NULL},
    {"late", GRA_HOLD " -600", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"due, seen by another event first", GRA_HOLD " -1", "alert gra prometheus +1",
     "count gra prometheus 2 (votes); clear hold gra (timer); stands gra (votes); active moving gra (votes); failover "
     "gra>rbx (votes)",
     NULL},
    {"due, seen by the start", GRA_HOLD " -1", "start",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"a hold of a site that is not active any more", "active rbx; down gra prometheus pingdom; hold gra 5", "start",
     "clear hold gra (not_active)", "the hold time of gra ends, for rbx is the active site"},

    /* why not */
    {"manual mode", GRA_HOLD " 0; manual", "look", "clear hold gra (timer); stands gra (votes); not gra (manual_mode)",
     "a person has to start it"},
    {"manual mode is said once", GRA_STANDS " manual_mode; manual", "alert gra aws +1",
     "count gra aws 1 (votes); vote gra aws down (votes)", NULL},
    {"cool-down", GRA_HOLD " 0; cool 720", "look", "clear hold gra (timer); stands gra (votes); not gra (cool_down)",
     "the cool-down after the last run lasts another 12 min"},
    {"cool-down is said once", GRA_STANDS " cool_down; cool 720", "alert gra aws +1",
     "count gra aws 1 (votes); vote gra aws down (votes)", NULL},
    {"another reason is said again", GRA_STANDS " no_target; cool 720", "alert gra aws +1",
     "count gra aws 1 (votes); vote gra aws down (votes); not gra (cool_down)", NULL},
    {"no target: every other site has a down vote", GRA_HOLD " 0; down rbx aws; down waw aws", "look",
     "clear hold gra (timer); stands gra (votes); not gra (no_target)", "there is no other site without a down vote"},
    {"no target: there is no other site", GRA_HOLD " 0; alone", "look",
     "clear hold gra (timer); stands gra (votes); not gra (no_target)", NULL},
    {"an incident that stood when the run stopped half-way", "active split; down gra prometheus pingdom; standing gra",
     "start", "not gra (active_split)", "gra is down, and nothing is started: a run stopped half-way"},
    {"and unknown", "down gra prometheus pingdom; standing gra", "start", "not gra (active_unknown)", NULL},
    {"a run on its way is the answer: nothing more to say", MOVING, "start", "", NULL},
    {"a run that waits for a person is not", STUCK, "start", "not gra (run_in_progress)",
     "the failover from gra to rbx waits for a person"},

    /* choosing the target */
    {"the first in prefer without a down vote", GRA_HOLD " 0; down rbx aws", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>waw (votes)", NULL},
    {"back home when another site is active", "active rbx; down rbx prometheus pingdom; hold rbx 0", "look",
     "clear hold rbx (timer); stands rbx (votes); active moving rbx (votes); failover rbx>gra (votes)", NULL},
    {"not home when home is down too", "active rbx; down rbx prometheus pingdom; hold rbx 0; down gra aws", "look",
     "clear hold rbx (timer); stands rbx (votes); active moving rbx (votes); failover rbx>waw (votes)", NULL},

    /* level-triggered */
    {"the cool-down ends and the quorum stands", GRA_STANDS " cool_down; cool 0", "look",
     "clear cool_down - (timer); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"the cool-down ends early: nothing", GRA_STANDS " cool_down; cool 1", "look", "", NULL},
    {"the cool-down ends and nothing stands", GRA "; cool -1", "look", "clear cool_down - (timer)", NULL},
    {"there is no cool-down", GRA, "look", "", NULL},
    {"there is no hold", GRA, "look", "", NULL},
    {"an alert after the cool-down", GRA_STANDS " cool_down; cool -1", "alert gra aws +1",
     "count gra aws 1 (votes); clear cool_down - (timer); vote gra aws down (votes); active moving gra (votes); "
     "failover gra>rbx (votes)",
     NULL},
    {"a target's vote is withdrawn", GRA_STANDS " no_target; down rbx aws; down waw aws", "alert waw aws -1",
     "count waw aws 0 (votes); vote waw aws unknown (votes); resolved waw (votes); active moving gra (votes); failover "
     "gra>waw (votes)",
     NULL},
    {"automatic at last, after a new configuration", GRA_STANDS " manual_mode", "start",
     "active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"more votes asked for by a new configuration", GRA_STANDS "; needs votes 3", "start", "falls gra (votes)", NULL},
    {"nothing to do at the start", GRA, "start", "", NULL},
    {"a quorum at the start", GRA_2, "start", "set hold gra +30 (votes)", NULL},

    /* the end of an incident */
    {"below the quorum", GRA_STANDS " cool_down; cool 720", "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)",
     "gra has only 1 of 2 votes (prometheus) left"},
    {"the last vote goes: over", GRA "; down gra prometheus", "alert gra prometheus -1",
     "count gra prometheus 0 (votes); vote gra prometheus unknown (votes); resolved gra (votes)",
     "the incident is over"},
    {"of a site that is not active", "active rbx; down gra prometheus", "alert gra prometheus -1",
     "count gra prometheus 0 (votes); vote gra prometheus unknown (votes); resolved gra (votes)", NULL},
    {"both at once, where one vote is enough", GRA "; needs votes 1; down gra aws; standing gra cool_down; cool 9",
     "alert gra aws -1", "count gra aws 0 (votes); vote gra aws unknown (votes); resolved gra (votes)", NULL},
    {"during the run that answers it", MOVING, "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)", NULL},
    {"the quorum comes back during the run: no hold while moving", "run failover gra>rbx running; down gra prometheus",
     "alert gra pingdom +1", "count gra pingdom 1 (votes); vote gra pingdom down (votes)", NULL},

    /* a run's progress */
    {"no news", MOVING, "run running", "", NULL},
    {"of no run", GRA, "run attention", "", NULL},
    {"attention", MOVING, "run attention effect", "run attention effect (run); not gra (run_in_progress)",
     "retry, skip, undo or cancel"},
    {"goes on again", STUCK " run_in_progress", "run running effect", "run running effect (run)", NULL},
    {"succeeded", MOVING, "run succeeded effect",
     "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active)",
     "the incident of gra stays open until its votes are gone"},
    {"succeeded, without a cool-down", MOVING "; needs cool 0", "run succeeded effect",
     "run succeeded effect (run); active site rbx (run); falls gra (not_active)", NULL},
    {"cancelled before it changed anything", MOVING, "run cancelled",
     "run cancelled (run); active site gra (run); not gra (operator)",
     "nothing is started by itself while that stands"},
    {"cancelled after it had changed something", STUCK, "run cancelled effect",
     "run cancelled effect (run); set cool_down - +1800 (run); active split - (run); not gra (active_split)",
     "adopt a site or start a run"},
    {"cancelled, from nowhere known", "run failover ->rbx running", "run cancelled",
     "run cancelled (run); active unknown - (run)", "the active site is not known"},
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
     "refused (target_down)", NULL},
    {"during the hold", GRA_HOLD " 10", "failover",
     "active moving gra (operator); clear hold gra (run_in_progress); failover gra>rbx (operator)", NULL},
    {"during the cool-down, in manual mode", GRA "; cool 100; manual", "failover",
     "active moving gra (operator); failover gra>rbx (operator)", NULL},
    {"failback", "active rbx; down gra aws", "failback", "refused (target_down)", NULL},
    {"failback to another site than home", "active rbx", "failback waw", "refused (no_target)", "goes home"},
    {"failback when home", GRA, "failback", "refused (already_active)", "gra is the active site already"},
    {"failover to the active site", GRA, "failover gra", "refused (already_active)", NULL},
    {"no site without a down vote", GRA "; down rbx aws; down waw aws", "failover", "refused (no_target)",
     "every other site has a down vote"},
    {"a run is in progress", MOVING, "failover waw", "refused (run_in_progress)",
     "the failover from gra to rbx is under way: it has to end, or be cancelled or replaced, first"},
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
     "run cancelled (run); active unknown - (run)", NULL},
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

static void decisions(void **state)
{
    (void)state;
    check_cases(cases, COUNT_OF(cases));
    assert_true(COUNT_OF(cases) >= 100);
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
        world.now = NOW + steps[i].at_s * 1000;
        world.outlook->wall = world.outlook->wall_at = world.now;
        decide(&world.services[SHOP], &world.model, &world.views[SHOP], world.outlook, &event, world.now, &things);
        for (int j = 0; j < things.count; j++)
            thing_put(&got, &world, &things.items[j]);
        apply(&world, &things);
        if (strcmp(strbuf_text(&got), steps[i].expect) != 0)
            fail_msg("at %d s: %s\n  EXPECT %s\n  GOT    %s", steps[i].at_s, steps[i].event, steps[i].expect,
                     strbuf_text(&got));
        int64_t due = view_due_at(&world.services[SHOP], &world.model, &world.views[SHOP], world.outlook);
        if (due <= world.now && things.count > 0 && things.items[0].kind != THING_REFUSED && event.kind == EVENT_LOOK)
            fail_msg("at %d s: %s: and it is still due", steps[i].at_s, steps[i].event);
        strbuf_done(&got);
    }
    world_done(&world);
}

static void an_outage_from_end_to_end(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "observed gra", "active site gra (observed)"},
        {1, "alert gra prometheus +1",
         "count gra prometheus 1 (votes); open gra (votes); vote gra prometheus down (votes)"},
        {2, "alert gra pingdom +1",
         "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +30 (votes)"},
        {20, "alert gra pingdom -1",
         "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); clear hold gra (votes)"},
        {21, "alert gra pingdom +1",
         "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +30 (votes)"},
        {32, "look", ""},
        {51, "look", "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)"},
        {52, "alert gra aws +1", "count gra aws 1 (votes); vote gra aws down (votes)"},
        {60, "run attention effect", "run attention effect (run); not gra (run_in_progress)"},
        {61, "alert gra aws -1", "count gra aws 0 (votes); vote gra aws unknown (votes)"},
        {70, "run running effect", "run running effect (run)"},
        {80, "run succeeded effect",
         "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active)"},
        {90, "alert gra prometheus -1", "count gra prometheus 0 (votes); vote gra prometheus unknown (votes)"},
        {91, "alert gra pingdom -1",
         "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); resolved gra (votes)"},
        {1880, "look", "clear cool_down - (timer)"},
        {1900, "failback", "active moving rbx (operator); failback rbx>gra (operator)"},
        {1910, "run succeeded effect",
         "run succeeded effect (run); set cool_down - +1800 (run); active site gra (run)"},
    };
    tell("active unknown", steps, COUNT_OF(steps));
}

/* What was failed over fails over again, but only after the cool-down, and it is said why until then. */
static void another_run_only_after_the_cool_down(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "look", "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)"},
        {5, "run succeeded effect",
         "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active)"},
        {10, "alert rbx prometheus +1",
         "count rbx prometheus 1 (votes); open rbx (votes); vote rbx prometheus down (votes)"},
        {11, "alert rbx aws +1", "count rbx aws 1 (votes); vote rbx aws down (votes); set hold rbx +30 (votes)"},
        {41, "look", "clear hold rbx (timer); stands rbx (votes); not rbx (cool_down)"},
        {45, "start", ""},
        {1804, "look", ""},
        {1805, "look", "clear cool_down - (timer); active moving rbx (votes); failover rbx>waw (votes)"},
        {1806, "run cancelled effect",
         "run cancelled effect (run); set cool_down - +1800 (run); active split - (run); not rbx (active_split)"},
        {4000, "look", "clear cool_down - (timer)"},
        {4001, "alert rbx aws -1", "count rbx aws 0 (votes); vote rbx aws unknown (votes); falls rbx (votes)"},
        {4002, "adopt waw", "active site waw (operator)"},
        {4003, "adopt gra", "active site gra (operator); set hold gra +30 (votes)"},
        {4033, "look",
         "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>waw (votes)"},
    };
    tell(GRA_HOLD " 0", steps, COUNT_OF(steps));
}

/* A no holds for as long as the incident stands, whatever else happens; a new one asks anew. */
static void a_no_holds_while_the_incident_stands(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "look",
         "clear hold gra (timer); stands gra (votes); failover gra>rbx waiting (votes); set approval - +900 "
         "(approval); set remind - +300 (approval)"},
        {300, "look", "remind (approval); set remind - +300 (approval)"},
        {400, "reject",
         "cancel (operator); clear approval - (operator); clear remind - (operator); not gra (operator)"},
        {401, "run cancelled", "run cancelled (run)"},
        {402, "alert gra aws +1", "count gra aws 1 (votes); vote gra aws down (votes)"},
        {500, "pause", "paused (operator)"},
        {501, "resume", "resumed (operator)"},
        {600, "start", ""},
        {700, "alert gra aws -1", "count gra aws 0 (votes); vote gra aws unknown (votes)"},
        {701, "alert gra pingdom -1",
         "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)"},
        {710, "alert gra pingdom +1",
         "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +30 (votes)"},
        {740, "look",
         "clear hold gra (timer); stands gra (votes); failover gra>rbx waiting (votes); set approval - +900 "
         "(approval); set remind - +300 (approval)"},
        {1640, "look", "cancel (deadline); clear approval - (deadline); clear remind - (deadline); not gra (deadline)"},
        {1641, "run cancelled", "run cancelled (run)"},
        {1700, "failover", "active moving gra (operator); failover gra>rbx (operator)"},
        {1710, "run succeeded effect",
         "run succeeded effect (run); set cool_down - +1800 (run); active site rbx (run); falls gra (not_active)"},
    };
    tell(GRA_HOLD " 0; approval; needs deadline 900; needs remind 300", steps, COUNT_OF(steps));
}

/* Home for a time on positive evidence only; a no puts it off for a day. */
static void home_again(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "alert gra probe +1 up",
         "count gra probe 1 (votes); vote gra probe up (votes); set failback - +600 (evidence)"},
        {30, "alert gra probe +1 up", "count gra probe 2 (votes)"},
        {89, "look", ""},
        {90, "look", "vote gra probe unknown (expired); clear failback - (evidence)"},
        {100, "alert gra probe +1 up",
         "count gra probe 3 (votes); vote gra probe up (votes); set failback - +600 (evidence)"},
        {101, "alert gra aws +1",
         "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes); clear failback - (evidence)"},
        {102, "alert gra aws -1",
         "count gra aws 0 (votes); vote gra aws unknown (votes); resolved gra (votes); set failback - +600 (evidence)"},
    };
    tell("active rbx; failback approval; probe", steps, COUNT_OF(steps));
}

/* The same reason is said anew in a new incident, and after a run. */
static void reasons_begin_anew_with_each_incident(void **state)
{
    (void)state;
    const struct story_step steps[] = {
        {0, "look", "clear hold gra (timer); stands gra (votes); not gra (manual_mode)"},
        {1, "alert gra pingdom -1", "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)"},
        {2, "alert gra prometheus -1",
         "count gra prometheus 0 (votes); vote gra prometheus unknown (votes); resolved gra (votes)"},
        {3, "alert gra pingdom +1", "count gra pingdom 1 (votes); open gra (votes); vote gra pingdom down (votes)"},
        {3, "alert gra prometheus +1",
         "count gra prometheus 1 (votes); vote gra prometheus down (votes); set hold gra +30 (votes)"},
        {33, "look", "clear hold gra (timer); stands gra (votes); not gra (manual_mode)"},
        {40, "failover", "active moving gra (operator); failover gra>rbx (operator)"},
        {41, "run cancelled", "run cancelled (run); active site gra (run); not gra (operator)"},
        {71, "look", ""},
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
    decide(&world.services[SHOP], &world.model, &world.views[SHOP], world.outlook, &event, NOW, &things);
    assert_int_equal(things.count, 2);
    AUTO_FREE char *copy = strdup(things.items[1].text);
    json_t *json = json_string(copy);
    assert_non_null(json);
    json_decref(json);
    assert_non_null(strstr(copy, "failover from gra to rbx: anna asked for it: é"));
    event.who = NULL;
    event.text = NULL;
    decide(&world.services[SHOP], &world.model, &world.views[SHOP], world.outlook, &event, NOW, &things);
    assert_string_equal(things.items[1].text, "failover from gra to rbx: an operator asked for it");
    world_done(&world);
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
        cmocka_unit_test(a_no_holds_while_the_incident_stands),
        cmocka_unit_test(home_again),
        cmocka_unit_test(reasons_begin_anew_with_each_incident),
        cmocka_unit_test(sentences_are_bounded),
        cmocka_unit_test(reasons_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The decision: how votes come to be and grow old, flapping, the guards one by one, runs that are taken back,
 * approvals, failback, and what a person may override. The language of the cases is decide_case.h. */
#include "tests/unit/decide_case.h"

static const struct decide_case cases[] = {
    /* what a vote is */
    {"all is well", GRA, "alert gra aws +1 up", "count gra aws 1 (votes); vote gra aws up (votes)",
     "aws says gra is up; no down vote"},
    {"down wins over up", GRA "; up gra aws", "alert gra aws +1",
     "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes)", NULL},
    {"down ceases, and up stays", GRA "; up gra aws; down gra aws", "alert gra aws -1",
     "count gra aws 0 (votes); vote gra aws up (votes); resolved gra (votes)", "no down vote"},
    {"not repeated: unknown", GRA "; down gra aws; needs expires 900; old gra aws 900", "look",
     "vote gra aws unknown (expired); resolved gra (votes)",
     "aws has not repeated for 15 min that gra is down: its vote does not count any more; no down vote"},
    {"repeated in time", GRA "; down gra aws; needs expires 900; old gra aws 899", "look", "", NULL},
    {"repeated at last", GRA "; down gra aws; needs expires 900; old gra aws 901", "heard",
     "vote gra aws unknown (expired); resolved gra (votes)", NULL},
    {"one that expired was heard again", GRA "; lost gra aws; needs expires 900", "heard",
     "open gra (votes); vote gra aws down (votes)", "aws says gra is down"},
    {"a vote that expires breaks the hold", GRA_HOLD " 10; needs expires 900; old gra pingdom 900", "look",
     "vote gra pingdom unknown (expired); clear hold gra (votes)", NULL},
    {"a source gone silent", GRA_HOLD " 10; needs silence 60; silent aws 60; silent pingdom 60", "look",
     "vote gra pingdom unknown (stale); clear hold gra (votes)",
     "nothing has come from pingdom for 1 min: its vote on gra does not count any more; 1 of 2 votes (prometheus)"},
    {"an alert of a source that was silent does not count before the source is heard",
     GRA "; needs silence 60; silent aws 60", "alert gra aws +1", "count gra aws 1 (votes)", NULL},
    {"a heartbeat says up of each site", GRA "; beats prometheus", "look",
     "vote gra prometheus up (heartbeat); vote rbx prometheus up (heartbeat); vote waw prometheus up (heartbeat)",
     "its heartbeat is fresh"},
    {"but not where an alert fires",
     GRA "; beats prometheus; down gra prometheus; down rbx prometheus; up waw prometheus", "look", "", NULL},
    {"and not for one that is open and grew old",
     GRA "; beats prometheus; needs expires 900; down gra prometheus; old gra prometheus 900; up rbx prometheus; up "
         "waw prometheus",
     "look", "vote gra prometheus unknown (expired); resolved gra (votes)", "has not repeated for 15 min"},
    {"resolved under a heartbeat is up",
     GRA "; beats prometheus; down gra prometheus; up rbx prometheus; up waw prometheus", "alert gra prometheus -1",
     "count gra prometheus 0 (votes); vote gra prometheus up (heartbeat); resolved gra (votes)",
     "its heartbeat is fresh, and nothing of it fires"},
    {"a heartbeat is gone", GRA "; beating gra aws", "look", "vote gra aws unknown (heartbeat)",
     "the heartbeat of aws is gone: it says nothing of gra any more"},
    {"weights: one is enough", GRA "; weight prometheus 2", "alert gra prometheus +1",
     "count gra prometheus 1 (votes); open gra (votes); vote gra prometheus down (votes); set hold gra +30 (votes)",
     NULL},
    {"the probe is required", GRA_2 "; probe required", "look", "", NULL},
    {"and speaks", GRA_2 "; probe required", "alert gra probe +1",
     "count gra probe 1 (votes); vote gra probe down (votes); set hold gra +30 (votes)", NULL},
    {"its silence is none", GRA_2 "; probe required; down gra probe; old gra probe 60", "look",
     "vote gra probe unknown (expired)", "probe has not repeated for 1 min"},
    {"it was taken out of the configuration", GRA_2 "; down gra probe", "start",
     "vote gra probe unknown (configuration); set hold gra +30 (votes)",
     "probe is not configured any more: what it said of gra does not count; 2 of 2 votes"},
    {"a person is a voter", GRA "; down gra aws", "alert gra operator +1",
     "count gra operator 1 (votes); vote gra operator down (votes); set hold gra +30 (votes)",
     "2 of 2 votes (aws, operator)"},

    /* flapping */
    {"a quorum breaks", GRA_HOLD " 10; needs flap 3 900 600", "alert gra aws -1", "count gra aws 0 (votes)", NULL},
    {"once", GRA_HOLD " 10; needs flap 3 900 600", "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); clear hold gra (votes); set flap gra +900 "
     "(flapping)",
     "have broken 1 time: from 3 times on, each within 15 min of the last, it flaps"},
    {"three times", GRA_HOLD " 10; needs flap 3 900 600; broken gra 2 100", "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); clear hold gra (votes); set flap gra +900 "
     "(flapping)",
     "gra flaps: its votes have broken 3 times. From now they have to hold for 1 min"},
    {"and the next hold is longer", GRA "; down gra prometheus; needs flap 3 900 600; broken gra 3 100",
     "alert gra pingdom +1", "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +60 (flapping)",
     "when they hold for 1 min, for it flaps"},
    {"doubled with each more", GRA "; down gra prometheus; needs flap 3 900 600; broken gra 5 100",
     "alert gra pingdom +1", "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +240 (flapping)",
     NULL},
    {"up to its limit", GRA "; down gra prometheus; needs flap 3 900 600; broken gra 500 100", "alert gra pingdom +1",
     "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +600 (flapping)", NULL},
    {"without a hold, too", GRA "; down gra prometheus; needs hold 0; needs flap 3 900 600; broken gra 3 100",
     "alert gra pingdom +1", "count gra pingdom 1 (votes); vote gra pingdom down (votes); set hold gra +2 (flapping)",
     NULL},
    {"an incident that falls counts, too", GRA_STANDS "; manual; needs flap 3 900 600", "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); set flap gra +900 (flapping); falls gra (votes)",
     NULL},
    {"forgotten", GRA "; needs flap 3 900 600; broken gra 4 0", "look", "clear flap gra (timer)",
     "have not broken for 15 min: they have to hold for 30 s as ever"},
    {"a run with an effect explains why votes go",
     "run failover gra>rbx running ours effect; down gra prometheus pingdom; standing gra; needs flap 3 900 600",
     "alert gra pingdom -1", "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)", NULL},

    /* guards */
    {"paused", GRA_HOLD " 0; paused", "look", "clear hold gra (timer); stands gra (votes); not gra (paused)",
     "the service is paused: resume it"},
    {"frozen", GRA_HOLD " 0; freeze 7200", "look", "clear hold gra (timer); stands gra (votes); not gra (freeze)",
     "a freeze lasts another 2 h (stocktaking)"},
    {"a freeze that is over", GRA_STANDS " freeze; freeze 0", "look",
     "active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"cut off", GRA_HOLD " 0; cut", "look", "clear hold gra (timer); stands gra (votes); not gra (cut_off)",
     "this daemon itself seems to be cut off"},
    {"the kill switch", GRA_HOLD " 0; killed", "look",
     "clear hold gra (timer); stands gra (votes); not gra (kill_switch)", "the kill switch is on"},
    {"two places at once", GRA_HOLD " 0; needs flood 1 600; base down waw aws", "look",
     "clear hold gra (timer); stands gra (votes); not gra (flood)",
     "gra is down, and nothing is started: 2 places are down at once (gra, waw): it may be the monitors, or us"},
    {"two are none too many", GRA_HOLD " 0; needs flood 2 600; base down waw aws", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"another service of the same place", GRA_HOLD " 0; needs flood 1 600; base down gra aws", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"its own target's place counts, too", GRA_HOLD " 0; needs flood 1 600; down rbx aws pingdom", "look",
     "clear hold gra (timer); stands gra (votes); not gra (flood)", NULL},
    {"one voter says that everything is down", GRA_HOLD " 0; down rbx pingdom; base down waw pingdom", "look",
     "clear hold gra (timer); stands gra (votes); not gra (suspect)",
     "pingdom says down of everything, and that alone makes the quorum"},
    {"and there are votes enough without it", GRA_HOLD " 0; down gra aws; down rbx pingdom; base down waw pingdom",
     "look", "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>waw (votes)", NULL},
    {"a service that goes first is here", GRA_HOLD " 0; after; base active gra", "look",
     "clear hold gra (timer); stands gra (votes); not gra (dependency)", "base goes first, and is still at gra"},
    {"on its way", GRA_HOLD " 0; after; base run failover gra>rbx running", "look",
     "clear hold gra (timer); stands gra (votes); not gra (dependency)",
     "base goes first, and of it: the failover from gra to rbx is under way"},
    {"split", GRA_HOLD " 0; after; base active split", "look",
     "clear hold gra (timer); stands gra (votes); not gra (dependency)", NULL},
    {"not known where", GRA_HOLD " 0; after; base active unknown", "look",
     "clear hold gra (timer); stands gra (votes); not gra (dependency)", NULL},
    {"elsewhere", GRA_HOLD " 0; after; base active rbx", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"arriving elsewhere from elsewhere", GRA_HOLD " 0; after; base run failover rbx>waw running", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"a provider is busy", GRA_HOLD " 0; args x; base run failover gra>rbx running", "look",
     "clear hold gra (timer); stands gra (votes); not gra (provider_busy)",
     "dns is busy with 1 run, and may have no more at a time"},
    {"it is not, while that one waits for a person", GRA_HOLD " 0; args x; base run failover gra>rbx attention", "look",
     "clear hold gra (timer); stands gra (votes); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"shadow", GRA_HOLD " 0; shadow", "look",
     "clear hold gra (timer); stands gra (votes); not gra failover gra>rbx (shadow_mode)",
     "a failover from gra to rbx would start now: nothing is done, for the mode is shadow"},
    {"shadow is said once", GRA_STANDS " shadow_mode; shadow", "alert gra aws +1",
     "count gra aws 1 (votes); vote gra aws down (votes)", NULL},
    {"in shadow, who goes first would have gone",
     GRA_HOLD " 0; shadow; after; base active gra; base standing gra shadow_mode; base down gra aws", "look",
     "clear hold gra (timer); stands gra (votes); not gra failover gra>rbx (shadow_mode)", NULL},
    {"each guard before the next", GRA_HOLD " 0; paused; cool 10; freeze 10; cut; killed", "look",
     "clear hold gra (timer); stands gra (votes); not gra (paused)", NULL},

    /* a run that has changed nothing yet is taken back */
    {"its quorum breaks", OURS, "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes); cancel (votes)",
     "the failover from gra to rbx is cancelled: gra has only 1 of 2 votes (prometheus) left"},
    {"a person's run stays", MOVING, "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)", NULL},
    {"it has changed something", "run failover gra>rbx running ours effect; down gra prometheus pingdom; standing gra",
     "alert gra pingdom -1", "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes)", NULL},
    {"paused meanwhile", OURS, "pause", "paused (operator); cancel (paused)",
     "the failover from gra to rbx is cancelled: the service is paused"},
    {"frozen meanwhile", OURS "; freeze 60", "look", "cancel (freeze)", NULL},
    {"its target is down", OURS, "alert rbx aws +1",
     "count rbx aws 1 (votes); open rbx (votes); vote rbx aws down (votes); cancel (target_down)",
     "rbx, where it would go, has 1 of 2 votes (aws)"},
    {"which a person has overridden", OURS " ; run failover gra>rbx running ours target_down", "alert rbx aws +1",
     "count rbx aws 1 (votes); open rbx (votes); vote rbx aws down (votes)", NULL},
    {"a cool-down does not take it back", OURS "; cool 100; killed", "look", "", NULL},
    {"what began in another mode is not done in shadow", OURS "; shadow", "look", "cancel (shadow_mode)",
     "the failover from gra to rbx is cancelled: the mode is shadow: nothing is done"},
    {"nor asked at its first effect", OURS "; shadow", "point", "cancel (shadow_mode)", NULL},
    {"nor by hand only", OURS "; manual", "look", "cancel (manual_mode)", NULL},
    {"where it came from is not configured any more", "run failover ->rbx running ours", "point",
     "cancel (configuration)", "one of its sites is not in the configuration any more"},
    {"a person's is not asked", "run failover gra>rbx running; shadow", "point", "goes (run)", NULL},
    {"it is being cancelled already", "run failover gra>rbx running ours cancelling; standing gra", "look",
     "resolved gra (votes)", NULL},
    {"at attention only its quorum does",
     "run failover gra>rbx attention ours; down gra prometheus pingdom; standing gra run_in_progress; paused", "look",
     "", NULL},
    {"and that it does", "run failover gra>rbx attention ours; down gra prometheus; standing gra run_in_progress",
     "look", "falls gra (votes); cancel (votes)", NULL},

    /* its points */
    {"nothing is in its way", OURS, "point", "goes (run)", NULL},
    {"the quorum is gone", "run failover gra>rbx running ours; down gra aws; standing gra", "point",
     "falls gra (votes); cancel (votes)", NULL},
    {"the quorum is gone, behind its first effect",
     "run failover gra>rbx running ours effect; down gra aws; standing gra", "point effect",
     "falls gra (votes); halt (votes)",
     "the failover from gra to rbx stops and waits for a person: gra has only 1 of 2 votes (aws) left"},
    {"sent on by a person", "run failover gra>rbx running ours effect; down gra aws", "point effect anna", "goes (run)",
     NULL},
    {"but not to where it is down", "run failover gra>rbx running ours effect; down gra aws; down rbx aws",
     "point effect anna", "halt (target_down)", NULL},
    {"unless they know better", "run failover gra>rbx running ours effect; down gra aws; down rbx aws",
     "point effect anna target_down", "goes (run)", NULL},
    {"a person's run, the target down", "run failover gra>rbx running; down rbx aws", "point", "halt (target_down)",
     NULL},
    {"overridden", "run failover gra>rbx running target_down; down rbx aws", "point", "goes (run)", NULL},
    {"a person's run needs no votes", "run failover gra>rbx running; paused; cut", "point", "goes (run)", NULL},
    {"there is no run", GRA, "point", "cancel (wrong_state)", NULL},

    /* a run waits for a yes or no */
    {"it is asked for", GRA_HOLD " 0; approval; needs deadline 1800; needs remind 300", "look",
     "clear hold gra (timer); stands gra (votes); failover gra>rbx waiting (votes); set approval - +1800 (approval); "
     "set remind - +300 (approval)",
     "failover from gra to rbx waits for a yes or no: 2 of 2 votes"},
    {"without a deadline", GRA_HOLD " 0; approval", "look",
     "clear hold gra (timer); stands gra (votes); failover gra>rbx waiting (votes)", NULL},
    {"it is the answer", WAITING, "alert gra aws +1", "count gra aws 1 (votes); vote gra aws down (votes)", NULL},
    {"yes", WAITING, "approve",
     "clear approval - (operator); clear remind - (operator); active moving gra (operator); approved (operator)",
     "the failover from gra to rbx begins: anna approved it: because; gra has 2 of 2 votes (prometheus, pingdom)"},
    {"no", WAITING, "reject",
     "cancel (operator); clear approval - (operator); clear remind - (operator); not gra (operator)",
     "anna rejected it: because"},
    {"and it is over",
     "run failover gra>rbx waiting ours cancelling; down gra prometheus pingdom; standing gra operator",
     "run cancelled", "run cancelled (run)", NULL},
    {"and not again", GRA_STANDS " operator", "alert gra aws +1", "count gra aws 1 (votes); vote gra aws down (votes)",
     NULL},
    {"yes, but the target is down",
     "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; down rbx aws", "approve",
     "refused (target_down)", "rbx is said to be down: it has 1 of 2 votes (aws)"},
    {"yes all the same", "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; down rbx aws",
     "approve target_down", "active moving gra (operator); approved (operator)", NULL},
    {"a reason is needed for that",
     "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; down rbx aws",
     "approve target_down mute", "refused (target_down)", NULL},
    {"nor while it is being cancelled",
     "run failover gra>rbx waiting ours cancelling; standing gra operator; down gra "
     "prometheus pingdom; asked 0; remind 0",
     "look", "clear approval - (run); clear remind - (run)", NULL},
    {"its timers do not outlive it", GRA "; asked 0; remind 0", "look", "clear approval - (run); clear remind - (run)",
     NULL},
    {"nothing waits", GRA, "approve", "refused (wrong_state)", "no run waits for a yes or no"},
    {"nothing waits any more", MOVING, "reject", "refused (wrong_state)", NULL},
    {"reminded", WAITING "; needs remind 300; remind 0", "look", "remind (approval); set remind - +300 (approval)",
     "the failover from gra to rbx waits for a yes or no; without an answer in 15 min it is rejected"},
    {"the deadline says no",
     "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; needs deadline 1800; asked 0; "
     "remind 5",
     "look", "cancel (deadline); clear approval - (deadline); clear remind - (deadline); not gra (deadline)",
     "nobody answered within 30 min, which is a no"},
    {"the deadline says yes",
     "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; needs deadline 1800 yes; asked 0",
     "look", "clear approval - (deadline); active moving gra (deadline); approved (deadline)",
     "nobody answered within 30 min, which is a yes"},
    {"not while the kill switch is on",
     "run failover gra>rbx waiting ours; down gra prometheus pingdom; standing gra; needs deadline 1800 yes; asked 0; "
     "killed",
     "look", "set approval - +30 (kill_switch)", "waits another 30 s"},
    {"the quorum breaks while it waits", WAITING, "alert gra pingdom -1",
     "count gra pingdom 0 (votes); vote gra pingdom unknown (votes); falls gra (votes); cancel (votes); clear approval "
     "- (votes); clear remind - (votes)",
     NULL},
    {"a person moves: it is in nobody's way", WAITING, "failover waw",
     "cancel (replaced); clear approval - (replaced); clear remind - (replaced); run cancelled (replaced); active "
     "moving gra (operator); failover gra>waw (operator)",
     NULL},
    {"a person adopts another site", WAITING, "adopt waw",
     "cancel (replaced); clear approval - (replaced); clear remind - (replaced); run cancelled (replaced); active site "
     "waw (operator); falls gra (not_active)",
     NULL},

    /* failback */
    {"home is well", AWAY, "alert gra probe +1 up",
     "count gra probe 1 (votes); vote gra probe up (votes); set failback - +600 (evidence)",
     "gra, the home site, is well: when that lasts for 10 min, it is time to go back"},
    {"silence is no evidence", "active rbx; failback automatic; probe; down gra aws", "alert gra aws -1",
     "count gra aws 0 (votes); vote gra aws unknown (votes); resolved gra (votes)", NULL},
    {"somebody says that it is down", AWAY_WELL " 100", "alert gra aws +1",
     "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes); clear failback - (evidence)",
     "gra is not well any more: it has 1 of 2 votes (aws)"},
    {"the probe has gone silent", AWAY_WELL " 100; old gra probe 60", "look",
     "vote gra probe unknown (expired); clear failback - (evidence)", NULL},
    {"well for long enough", AWAY_WELL " 0", "look",
     "active moving rbx (evidence); clear failback - (evidence); failback rbx>gra (evidence)",
     "failback from rbx to gra: our probe has found gra well for 10 min, and nobody says that it is down"},
    {"not yet", AWAY_WELL " 1", "look", "", NULL},
    {"a cool-down", AWAY_WELL " 0; cool 60", "look", "not - (cool_down)",
     "gra has been well for 10 min, and no failback is started: the cool-down"},
    {"its end", AWAY_WELL " 0; cool 0", "look",
     "clear cool_down - (timer); active moving rbx (evidence); clear failback - (evidence); failback rbx>gra "
     "(evidence)",
     NULL},
    {"failback by approval", AWAY_WELL " 0; failback approval; needs deadline 1800", "look",
     "clear failback - (evidence); failback rbx>gra waiting (evidence); set approval - +1800 (approval)", NULL},
    {"a no to a failback", "run failback rbx>gra waiting ours; failback approval; probe; up gra probe", "reject",
     "cancel (operator); set failback - +86400 (operator)", "no failback is asked for in the next 1 d"},
    {"evidence breaks while it waits", "run failback rbx>gra waiting ours; failback approval; probe; up gra probe",
     "alert gra aws +1", "count gra aws 1 (votes); open gra (votes); vote gra aws down (votes); cancel (evidence)",
     NULL},
    {"failback in shadow", AWAY_WELL " 0; failback shadow", "look", "not - failback rbx>gra (shadow_mode)",
     "a failback from rbx would start now"},
    {"the active site is down: that is a failover's", AWAY_WELL " 0; down rbx aws pingdom; standing rbx operator",
     "look", "not - (votes)",
     "no failback is started: rbx is down itself, and whether to leave it is decided as a failover"},
    {"until that incident has fallen", AWAY_WELL " 0; down rbx aws pingdom; standing rbx operator", "alert rbx aws -1",
     "count rbx aws 0 (votes); vote rbx aws unknown (votes); falls rbx (votes); active moving rbx (evidence); clear "
     "failback - (evidence); failback rbx>gra (evidence)",
     NULL},
    {"a failback that waits is not in its way",
     "run failback rbx>gra waiting ours; failback approval; probe; up gra probe; down rbx aws pingdom; hold rbx 0",
     "look", "clear hold rbx (timer); stands rbx (votes); cancel (votes); set failback - +600 (evidence)",
     "rbx is down itself"},
    {"where no failover would start it may wait",
     "run failback rbx>gra waiting ours; manual; failback approval; probe; up gra probe; down rbx aws pingdom; hold "
     "rbx 0",
     "look", "clear hold rbx (timer); stands rbx (votes)", NULL},
    {"home already", GRA "; failback automatic; probe", "alert gra probe +1 up",
     "count gra probe 1 (votes); vote gra probe up (votes)", NULL},
    {"nobody asks for it", "active rbx; probe", "alert gra probe +1 up",
     "count gra probe 1 (votes); vote gra probe up (votes)", NULL},

    /* persons */
    {"target down", GRA "; down rbx aws", "failover rbx", "refused (target_down)",
     "rbx is said to be down: it has 1 of 2 votes (aws)"},
    {"target down, overridden", GRA "; down rbx aws", "failover rbx target_down",
     "active moving gra (operator); failover gra>rbx overrides target_down (operator)", NULL},
    {"overridden without a reason", GRA "; down rbx aws", "failover rbx target_down mute", "refused (target_down)",
     NULL},
    {"planned", GRA, "failover rbx planned", "active moving gra (operator); failover gra>rbx planned (operator)",
     "planned failover from gra to rbx: anna asked for it: because"},
    {"paused, frozen, cut off, and in cool-down", GRA "; paused; freeze 10; cut; cool 10; shadow", "failover",
     "active moving gra (operator); failover gra>rbx (operator)", NULL},
    {"replace a run without effect", MOVING, "failover waw replace",
     "cancel (replaced); run cancelled (replaced); active site gra (run); active moving gra (operator); failover "
     "gra>waw (operator)",
     "the failover from gra to rbx is cancelled: anna replaces it: because"},
    {"replace one that has changed something", STUCK, "failover waw replace",
     "cancel (replaced); run cancelled effect (replaced); set cool_down - +1800 (run); active split - (run); active "
     "moving - (operator); failover ->waw (operator)",
     NULL},
    {"replace it by its way back", STUCK "; args ${from.address}", "failover gra replace target_down",
     "cancel (replaced); run cancelled effect (replaced); set cool_down - +1800 (run); active split - (run); active "
     "moving - (operator); failover rbx>gra overrides target_down (operator)",
     NULL},
    {"replace a run by staying", MOVING, "failover gra replace", "refused (already_active)",
     "it has changed nothing: cancel it instead"},
    {"pause", GRA, "pause", "paused (operator)", "anna paused it: because"},
    {"pause twice", GRA "; paused", "pause", "refused (wrong_state)", NULL},
    {"resume", GRA_STANDS " paused; paused", "resume",
     "resumed (operator); active moving gra (votes); failover gra>rbx (votes)", NULL},
    {"resume what goes on", GRA, "resume", "refused (wrong_state)", NULL},
    {"a person cancels our run before it changed anything", OURS, "run cancelled",
     "run cancelled (run); active site gra (run); not gra (operator)",
     "a person cancelled the run before it changed anything"},
    {"settling", OURS "; needs settle 300", "run succeeded effect",
     "run succeeded effect (run); set cool_down - +1800 (run); set settle - +300 (run); active site rbx (run); falls "
     "gra (not_active)",
     "old answers are in use for another 5 min"},
    {"settled", GRA "; settle 0", "look", "clear settle - (timer)", NULL},
};

static void guards(void **state)
{
    (void)state;
    check_cases(cases, COUNT_OF(cases));
    assert_true(COUNT_OF(cases) >= 100);
}

/* As much as can happen at one event: every vote grows old and every site with it; and all of them come back. */
static void there_is_room_for_everything_at_once(void **state)
{
    (void)state;
    struct world world;
    struct things things;
    struct site many[MAX_SITES];
    for (int i = 0; i < MAX_SITES; i++)
        many[i] = (struct site){.name = name_gra, .place = i % 3};
    world_init(&world);
    world.services[SHOP].sites = many;
    world.services[SHOP].n_sites = MAX_SITES;
    world.services[SHOP].n_rules = 0;
    world.services[SHOP].flap = (struct flap_rule){1, 60000, 600000};
    world.model.n_sources = 8;
    char *names[8] = {name_aws, name_aws, name_aws, name_aws, name_aws, name_aws, name_aws, name_aws};
    enum trust trust[8] = {TRUST_OPEN};
    struct voter_rule rules[8] = {{.expires_ms = 0}};
    for (int i = 0; i < 8; i++)
        rules[i] = (struct voter_rule){.expires_ms = 1000};
    world.model.source_names = names;
    world.model.source_trust = trust;
    world.model.voter_rules = rules;
    parse_before(&world, "active gra; approval; needs deadline 10; needs remind 10; settle 0; cool 0; broken gra 9 99");
    struct service_view *view = &world.views[SHOP];
    for (int i = 0; i < MAX_VOTES; i++)
        *view_vote_get(view, i % MAX_SITES, i / MAX_SITES) = (struct vote_view){
            .site = i % MAX_SITES, .voter = i / MAX_SITES, .down = 1, .heard_at = NOW, .vote = VOTE_UNKNOWN};
    view->sites[0].hold_due_at = NOW;
    const struct event look = {.kind = EVENT_LOOK, .site = SITE_NONE};
    decide(&world.services[SHOP], &world.model, view, world.outlook, &look, NOW, &things);
    assert_true(things.count > MAX_VOTES + MAX_SITES && things.count < MAX_THINGS);
    apply(&world, &things);
    view->sites[0].is_standing = true;
    decide(&world.services[SHOP], &world.model, view, world.outlook, &look, NOW + 1000, &things);
    assert_true(things.count > MAX_VOTES + MAX_SITES && things.count < MAX_THINGS);
    apply(&world, &things);
    assert_int_equal(view_votes(&world.model, view, 3), 0);
    world_done(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guards),
        cmocka_unit_test(there_is_room_for_everything_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

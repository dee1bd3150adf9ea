// The dialog that asks for a reason before anything is done. Nothing is sent before the person has confirmed, and what
// the daemon answers is shown in its own words.

import {h, patch} from "./dom.js";
import {ApiError, call} from "./api.js";
import {NOT_A_SITE, plural} from "./words.js";

const box = () => document.getElementById("ask");

let asked = null; // {path, verb, isRepeatable, key}

const SITE_OF_CHOICE = {to: "To site", site: "Site"};

const theRun = (a) => (a.run ? `the run of ${a.run.service} to ${a.run.to}` : "this run");

// "step 3, Route 53"; or all of them, where no step was pressed.
function stepsOf(run, number) {
    const step = run && run.steps ? run.steps.find((s) => s.n === Number(number)) : null;
    return number === null || number === undefined ? "all steps that wait" : step ? `step ${step.n + 1}, ${step.name},` : "the step";
}

const VERBS = {
    failover: {title: (a) => `Fail over ${a.name}?`, go: "Fail over", site: "to", isOptional: true, canPlan: true,
        means: "A run starts now: the playbook's steps are carried out, in order, at the real providers."},
    failback: {title: (a) => `Fail back ${a.name}?`, go: "Fail back",
        means: "A run to the service's home starts now: the playbook's steps are carried out at the real providers."},
    adopt: {title: (a) => `Where is ${a.name}?`, go: "Adopt", site: "to",
        means: "Nothing is written at any provider. Turnout believes you from now on, and acts on it."},
    pause: {title: (a) => `Pause ${a.name}?`, go: "Pause",
        means: "From now on nothing is started by itself, and a run of Turnout's own that has changed nothing yet is " +
            "cancelled. People can still start runs. Everything else is recorded as before."},
    resume: {title: (a) => `Let ${a.name} go on?`, go: "Resume",
        means: "Turnout acts by itself again, at once where a site has been found down meanwhile."},
    vote: {title: (a) => `What do you see of ${a.name}?`, go: "Vote", site: "site", hasVote: true,
        means: "Your vote counts like that of a monitor, for a day or until you withdraw it."},
    approve: {title: (a) => `Let ${a.run ? `${a.run.service} move to ${a.run.to}` : "this run begin"}?`, go: "Approve",
        means: "The votes and guards are looked at once more; then the playbook's steps are carried out at the real " +
            "providers."},
    reject: {title: (a) => `Refuse ${a.run ? `to move ${a.run.service} to ${a.run.to}` : "this run"}?`, go: "Refuse",
        means: "The run ends here and has changed nothing. It is not started again for the same incident."},
    retry: {title: (a) => `Try ${a.steps} again?`, go: "Try again",
        means: "The step begins again by observing, with a new deadline, and the run goes on from there."},
    skip: {title: (a) => `Skip ${a.steps}?`, go: "Skip",
        means: "The step is left as it is, done or not, and the run goes on with the next one. A debt is given up."},
    done: {title: (a) => `Is ${a.steps} done?`, go: "It is done",
        means: "Turnout takes your word for it, without looking, and the run goes on with the next step. A debt is paid."},
    undo: {title: (a) => `Undo ${theRun(a)}?`, go: "Undo",
        means: "What the run has changed is put back as it was found, from the last step to the first, and looked at again. " +
            "Behind a point of no return nothing is undone."},
    drill: {title: (a) => `Rehearse a failover of ${a.name}?`, go: "Start the drill", hasDrill: true,
        means: "A canary drill moves the stand-in names of the playbook there and back, for real; the service stays where " +
            "it is. A plan drill only looks."},
    cancel: {title: (a) => `Cancel ${theRun(a)}?`, go: "Cancel the run",
        means: "The run ends here. If it has written anything already, the service is split: look at the " +
            "providers, then say where it is (adopt) or start a run."},
};

// How to insist, where the daemon has refused and says that this can be overridden.
const INSIST = {
    target_down: "Go there all the same, although it is said to be down",
    preflight: "Go on all the same where a check before the first change fails",
    debt: "Go there all the same, although steps of earlier runs are still owed there",
    rpo: "Promote all the same: accept the loss of what was not replicated",
    replace: "Cancel the run in progress first",
};

function idempotencyKey() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

function siteChoice(verb, service) {
    if (!verb.site || !service) {
        return null;
    }
    const sites = service.sites.map((s) => s.name).filter((name) => !verb.isOptional || name !== service.active);
    return h("label", null, SITE_OF_CHOICE[verb.site],
        h("select", {name: "site"},
            h("option", {value: ""}, verb.isOptional ? "the next by preference" : "choose…"),
            sites.map((name) => h("option", {value: name}, name))));
}

// What a yes would rest on.
function presentVotes(service) {
    return h("ul", {class: "foreign"}, service.sites.map((site) => h("li", null,
        h("b", null, site.name), ` has ${site.down_votes} of ${plural(service.votes_needed, "vote")} for down now`,
        site.down_votes ? ` (${site.voters.filter((v) => v.vote === "down").map((v) => v.voter).join(", ")})` : "")));
}

function voteChoice() {
    return h("label", null, "It is",
        h("select", {name: "says"}, h("option", {value: "down"}, "down"), h("option", {value: "up"}, "up"),
            h("option", {value: "nothing"}, "not for me to say: withdraw my vote")));
}

const DRILLS = {canary: "canary: there and back with the stand-ins", plan: "plan: only look"};

function drillChoice(service) {
    return h("label", null, "Kind", h("select", {name: "kind"}, Object.entries(DRILLS).map(([kind, text]) =>
        h("option", {value: kind, selected: service && service.drill.kind === kind}, text))));
}

function check(name, value, text) {
    return h("label", {class: "check", "data-key": value}, h("input", {type: "checkbox", name, value}), " ", text);
}

// `service`, and `known`, the run with its steps, are as last read; null where the page has not read them. `plan`: the hash
// that must still hold, of a move to `to`.
export function open(verbName, {service = null, run = null, known = null, step = null, plan = null, to = null}) {
    const verb = VERBS[verbName];
    const target = run ? `runs/${encodeURIComponent(run)}` : `services/${encodeURIComponent(service.name)}`;
    asked = {path: `${target}/${verbName}`, verb, isRepeatable: !run, key: idempotencyKey(), step, plan, to};
    const isVague = service && NOT_A_SITE.includes(service.active) && verb.site !== "site" && verbName !== "adopt";
    const dialog = box();
    dialog.replaceChildren(h("form", {"data-view": "ask"},
        h("h2", {id: "ask-title", class: "foreign"}, verb.title({name: service ? service.name : "", run: known, steps: stepsOf(known, step)})),
        h("p", null, verb.means),
        isVague ? h("p", {class: "means"}, `The service is ${service.active} now. Look at the providers first.`) : null,
        verbName === "approve" && service ? presentVotes(service) : null,
        plan ? h("p", {class: "means foreign"}, "It is refused when the plan is another one by then.")
            : siteChoice(verb, service),
        verb.hasVote ? voteChoice() : null, verb.hasDrill ? drillChoice(service) : null,
        verb.canPlan && !plan ? check("planned", "planned", "Planned: both sites work, and the steps for a planned move are taken") : null,
        h("label", null, "Reason, for the audit log",
            h("textarea", {name: "reason", rows: "3", maxlength: "500", required: true, autocomplete: "off"})),
        h("div", {id: "ask-error", role: "alert"}),
        h("div", {id: "ask-insist"}),
        h("p", {class: "actions"},
            h("button", {type: "button", "data-do": "close"}, "Do nothing"),
            h("button", {type: "submit", class: "strong"}, verb.go))));
    dialog.showModal();
    dialog.querySelector(verb.site && !verb.isOptional && !plan ? "select" : "textarea").focus();
}

export function close() {
    asked = null;
    box().close();
}

function complain(text) {
    patch(document.getElementById("ask-error"), [h("p", {class: "error foreign"}, text)]);
}

function sayFailure(error) {
    if (error.status === 0) {
        return `No answer (${error.message}): it may or may not have been taken. ` + (asked.isRepeatable
            ? "To press again is safe: it is the same request." : "Look at the run before you press again.");
    }
    return error.status === 403 ? `Not allowed: ${error.message}` : error.message;
}

// Offers what the daemon says would let it pass; what was offered before stays.
function offerToInsist(error) {
    const guard = error.override || (error.canReplace ? "replace" : "");
    const place = document.getElementById("ask-insist");
    if (guard && INSIST[guard] && !place.querySelector(`[value="${guard}"]`)) {
        place.append(check("insist", guard, INSIST[guard]));
        asked.key = idempotencyKey(); // what comes next is another request
    }
}

function bodyOf(form, reason, site) {
    const {verb} = asked;
    const data = new FormData(form);
    const insist = data.getAll("insist");
    const override = insist.filter((guard) => guard !== "replace");
    return {
        reason,
        ...(site ? {[verb.site]: site} : {}),
        ...(verb.hasVote ? {says: data.get("says")} : {}),
        ...(verb.hasDrill ? {kind: data.get("kind")} : {}),
        ...(asked.step !== null && asked.step !== undefined ? {step: Number(asked.step)} : {}),
        ...(asked.plan ? {plan: asked.plan} : {}),
        ...(asked.plan && asked.to && verb.site ? {[verb.site]: asked.to} : {}),
        ...(data.get("planned") ? {planned: true} : {}),
        ...(override.length ? {override} : {}),
        ...(insist.includes("replace") ? {replace: true} : {}),
    };
}

// Returns the id of the run that came of it, "" where there is none, or null when it was not done.
export async function submit(form) {
    const {path, verb, key} = asked;
    const reason = form.elements.reason.value.trim();
    const site = form.elements.site ? form.elements.site.value : "";
    const isLacking = Boolean(verb.site) && !verb.isOptional && !site;
    if (!reason || isLacking) {
        complain(reason ? "Choose the site." : "A reason is needed: it is what others will read in the audit log.");
        return null;
    }
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
        const answer = await call(path, {
            method: "POST", body: bodyOf(form, reason, site), headers: {"Idempotency-Key": key},
        });
        close();
        return answer.run || "";
    } catch (error) {
        if (!(error instanceof ApiError) || error.status === 401) {
            close();
            throw error;
        }
        complain(sayFailure(error));
        offerToInsist(error);
        return null;
    } finally {
        button.disabled = false;
    }
}

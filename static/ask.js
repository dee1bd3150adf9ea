// The dialog that asks for a reason before anything is done. Nothing is sent before the person has confirmed, and what
// the daemon answers is shown in its own words.

import {h, patch} from "./dom.js";
import {ApiError, call} from "./api.js";
import {NOT_A_SITE} from "./words.js";

const box = () => document.getElementById("ask");

let asked = null; // {path, needsSite, isRepeatable, key}

const VERBS = {
    failover: {title: (a) => `Fail over ${a.name}?`, go: "Fail over", to: "optional",
        means: "A run starts now: the playbook's steps are carried out, in order, at the real providers."},
    failback: {title: (a) => `Fail back ${a.name}?`, go: "Fail back", to: null,
        means: "A run to the service's home starts now: the playbook's steps are carried out at the real providers."},
    adopt: {title: (a) => `Where is ${a.name}?`, go: "Adopt", to: "required",
        means: "Nothing is written at any provider. Turnout believes you from now on, and acts on it."},
    retry: {title: () => "Retry the failed step?", go: "Retry", to: null,
        means: "The step begins again by observing, with a new deadline, and the run goes on from there."},
    skip: {title: () => "Skip the failed step?", go: "Skip", to: null,
        means: "The step is left as it is, done or not, and the run goes on with the next one."},
    cancel: {title: () => "Cancel this run?", go: "Cancel the run", to: null,
        means: "The run ends here. If it has written anything already, the service is split: look at the " +
            "providers, then say where it is (adopt) or start a run."},
};

function idempotencyKey() {
    return [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");
}

function siteChoice(verb, service) {
    if (!verb.to || !service) {
        return null;
    }
    const sites = service.sites.map((s) => s.name).filter((name) => verb.to === "required" || name !== service.active);
    return h("label", null, "To site",
        h("select", {name: "to"},
            h("option", {value: ""}, verb.to === "required" ? "choose…" : "the next by preference"),
            sites.map((name) => h("option", {value: name}, name))));
}

// `service` is as last read; for run verbs it is null.
export function open(verbName, {service = null, run = null}) {
    const verb = VERBS[verbName];
    const target = service ? `services/${encodeURIComponent(service.name)}` : `runs/${encodeURIComponent(run)}`;
    asked = {
        path: `${target}/${verbName}`, needsSite: verb.to === "required", isRepeatable: Boolean(service),
        key: idempotencyKey(),
    };
    const isVague = service && NOT_A_SITE.includes(service.active) && verbName !== "adopt";
    const dialog = box();
    dialog.replaceChildren(h("form", {"data-view": "ask"},
        h("h2", {id: "ask-title", class: "foreign"}, verb.title({name: service ? service.name : ""})),
        h("p", null, verb.means),
        isVague ? h("p", {class: "means"}, `The service is ${service.active} now. Look at the providers first.`) : null,
        siteChoice(verb, service),
        h("label", null, "Reason, for the audit log",
            h("textarea", {name: "reason", rows: "3", maxlength: "500", required: true, autocomplete: "off"})),
        h("div", {id: "ask-error", role: "alert"}),
        h("p", {class: "actions"},
            h("button", {type: "button", "data-do": "close"}, "Do nothing"),
            h("button", {type: "submit", class: "strong"}, verb.go))));
    dialog.showModal();
    dialog.querySelector(verb.to === "required" ? "select" : "textarea").focus();
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

// Returns the id of the run that came of it, "" where there is none, or null when it was not done.
export async function submit(form) {
    const {path, needsSite, key} = asked;
    const reason = form.elements.reason.value.trim();
    const to = form.elements.to ? form.elements.to.value : "";
    if (!reason || (needsSite && !to)) {
        complain(reason ? "Choose the site." : "A reason is needed: it is what others will read in the audit log.");
        return null;
    }
    const button = form.querySelector("[type=submit]");
    button.disabled = true;
    try {
        const answer = await call(path, {
            method: "POST", body: to ? {to, reason} : {reason}, headers: {"Idempotency-Key": key},
        });
        close();
        return answer.run || "";
    } catch (error) {
        if (!(error instanceof ApiError) || error.status === 401) {
            close();
            throw error;
        }
        complain(sayFailure(error));
        return null;
    } finally {
        button.disabled = false;
    }
}

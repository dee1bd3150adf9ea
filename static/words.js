// How times and states are said. Every state is shown as its own name; a colour only underlines it.

import {h} from "./dom.js";
import {now} from "./api.js";

// ---- times

const clock = new Intl.DateTimeFormat("en-GB", {hour: "2-digit", minute: "2-digit", second: "2-digit"});
const dayAndClock = new Intl.DateTimeFormat("en-GB",
    {day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit"});
const whole = new Intl.DateTimeFormat("en-GB", {
    year: "numeric", month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit",
    timeZoneName: "short",
});

export function zone() {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
}

// " 05 s", and nothing of none: what is set to 5 min is not said to be 5 min 00 s.
function rest(n, unit, width) {
    const whole = Math.floor(n);
    return whole ? ` ${String(whole).padStart(width, "0")} ${unit}` : "";
}

export function duration(ms) {
    if (!Number.isFinite(ms)) {
        return "";
    }
    const s = Math.max(0, ms) / 1000;
    if (s < 1) {
        return `${Math.round(s * 1000)} ms`;
    }
    if (s < 10) {
        return `${s.toFixed(1)} s`;
    }
    if (s < 60) {
        return `${Math.floor(s)} s`;
    }
    const minutes = Math.floor(s / 60);
    if (minutes < 60) {
        return `${minutes} min${rest(s % 60, "s", 2)}`;
    }
    const hours = Math.floor(minutes / 60);
    return hours < 48 ? `${hours} h${rest(minutes % 60, "min", 2)}` : `${Math.floor(hours / 24)} days${rest(hours % 24, "h", 1)}`;
}

function coarse(ms) {
    const s = Math.floor(Math.max(0, ms) / 1000);
    if (s < 60) {
        return `${s} s`;
    }
    if (s < 3600) {
        return `${Math.floor(s / 60)} min`;
    }
    return s < 172800 ? `${Math.floor(s / 3600)} h` : `${Math.floor(s / 86400)} days`;
}

function said(kind, at) {
    const ms = at - now();
    switch (kind) {
    case "ago":
        return ms > -1000 ? "just now" : `${coarse(-ms)} ago`;
    case "until":
        return ms > 0 ? `in ${duration(Math.ceil(ms / 1000) * 1000).replace(/\.0 s$/, " s")}` : "now";
    default:
        return duration(Math.max(0, Math.floor(-ms / 1000)) * 1000).replace(/\.0 s$/, " s").replace("0 ms", "0 s");
    }
}

function timed(kind, text) {
    const at = Date.parse(text);
    if (Number.isNaN(at)) {
        return h("span", null, String(text));
    }
    return h("time", {datetime: text, title: `${whole.format(at)} · ${text}`, "data-tick": kind}, said(kind, at));
}

// "12 s ago", "in 12 s", "12 s" so far: kept running by tick().
export const ago = (text) => timed("ago", text);
export const until = (text) => timed("until", text);
const soFar = (text) => timed("for", text);

// The time of day, with the day when that is not today's.
export function at(text) {
    const ms = Date.parse(text);
    if (Number.isNaN(ms)) {
        return h("span", null, String(text));
    }
    const isToday = new Date(ms).toDateString() === new Date(now()).toDateString();
    return h("time", {datetime: text, title: `${whole.format(ms)} · ${text}`},
        (isToday ? clock : dayAndClock).format(ms));
}

// How long something took, or has taken so far.
export function took(from, to) {
    if (!from) {
        return null;
    }
    return to ? h("span", {class: "number"}, duration(Date.parse(to) - Date.parse(from))) : soFar(from);
}

export function tick() {
    for (const element of document.querySelectorAll("time[data-tick]")) {
        const text = said(element.dataset.tick, Date.parse(element.dateTime));
        if (element.textContent !== text) {
            element.firstChild.nodeValue = text;
        }
    }
}

// ---- states

const TONES = {
    succeeded: "good", done: "good", "already done": "good", ok: "good",
    running: "busy", moving: "busy", started: "busy", "not yet": "busy",
    attention: "bad", split: "bad", unknown: "bad", failed: "bad", permanent: "bad", down: "bad", "not ready": "bad",
    temporary: "warn", skipped: "warn", waiting: "warn", owed: "warn", undone: "warn", degraded: "warn",
    ready: "good",
};

export function badge(state, {big = false, tone = TONES[state] || "quiet"} = {}) {
    return h("span", {class: `badge ${tone}${big ? " big" : ""}`}, String(state));
}

export const NOT_A_SITE = ["moving", "split", "unknown"];

export const ACTIVE_MEANS = {
    moving: "A run is on its way.",
    split: "A run was cancelled after it had changed something: part of the service may be at each site. Nothing is " +
        "automatic until a person has looked, and says where it is (adopt) or starts a run.",
    unknown: "Which site serves this could not be observed. Nothing is automatic until it can be, or until a person " +
        "says where the service is (adopt) or starts a run.",
};

// What each delivery of a source has proved at least.
export const TRUST_MEANS = {
    signed: "each delivery is signed",
    secret: "a secret in a header",
    open: "a token in the URL: its votes are not trusted",
};

export const RUN_MEANS = {
    waiting: "The run waits for a person's yes or no. Nothing of it has begun.",
    attention: "The run has stopped and waits for a person: try the step again, skip it, say that it is done, undo the run, or cancel it.",
    undone: "All that the run had changed is as it was before.",
};

// Of reasons that come as a bare name; everything else is shown as it comes.
const REASONS = {
    manual_mode: "the mode is manual: a person starts runs",
    shadow_mode: "the mode is shadow: it is only recorded what would be started",
    approval: "a run waits for a person's yes",
    operator: "a person has refused the run",
    deadline: "nobody said yes in time",
    not_active: "this site is not the active one",
    active_unknown: "the active site is not known",
    active_split: "the service is split",
    run_in_progress: "a run is in progress already",
    paused: "the service is paused",
    cool_down: "the cool-down after the last run is not over",
    freeze: "it is frozen for maintenance",
    cut_off: "the daemon itself seems to be cut off",
    kill_switch: "the kill switch file exists",
    flood: "several places are down at once: suspect the monitors first",
    suspect: "a monitor says down of everything, and without it the votes are not enough",
    dependency: "a service that goes first has not been moved",
    provider_busy: "the provider is busy with as many runs as are allowed",
    no_target: "there is no other site without a down vote",
    target_down: "the other site is said to be down",
    preflight: "a check before the first change failed",
    already_active: "it is active there already",
    debt: "steps of earlier runs are still owed at that site",
    rpo: "a promotion would lose more than is allowed",
    unknown_from: "the playbook needs the site to leave, and that is not known",
};

export function reason(text) {
    return REASONS[text] || text;
}

export function starter(text) {
    return text === "decision" ? "Turnout itself" : text;
}

export function plural(n, one, many = `${one}s`) {
    return `${n} ${n === 1 ? one : many}`;
}

export function fromTo(run) {
    return [run.from ? h("b", null, run.from) : h("span", {class: "quiet"}, "from an unknown site"),
        h("span", {class: "arrow", role: "img", "aria-label": "to"}, "→"), h("b", null, run.to)];
}

export function isUnfinished(run) {
    return Boolean(run) && !run.finished_at && !["succeeded", "failed", "cancelled", "undone"].includes(run.state);
}

export const isMoving = (run) => isUnfinished(run) && run.state === "running";

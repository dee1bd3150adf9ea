// The runs, newest first; and one run with its steps, its attempts, what they saw and what they sent.

import {h} from "./dom.js";
import {call, query} from "./api.js";
import {
    RUN_MEANS, ago, at, badge, duration, fromTo, isMoving, isUnfinished, plural, reason, starter, took,
} from "./words.js";

const LIMIT = 50;
const STATES = ["waiting", "running", "attention", "succeeded", "failed", "cancelled", "undone"];

export async function load(route, signal) {
    if (route.id) {
        return {run: await call(`runs/${encodeURIComponent(route.id)}`, {signal})};
    }
    const {service, state, after} = route.filter;
    const [page, services] = await Promise.all([
        call(`runs${query({service, state, after, limit: LIMIT})}`, {signal}),
        call("services", {signal}),
    ]);
    return {runs: page.items, next: page.next, services: services.items.map((s) => s.name)};
}

// Behind the end of a run its measures go on, and its debts.
const isLeft = (run) => run.steps.some((step) => ["running", "owed"].includes(step.state));

export const isBusy = (data) => (data.run ? isMoving(data.run) : data.runs.some(isMoving));
export const isFinal = (route, data) => Boolean(data.run ? !isUnfinished(data.run) && !isLeft(data.run) : route.filter.after);

export function facts(data) {
    const all = new Map();
    if (data.run) {
        all.set("run", `the run is ${data.run.state}`);
        for (const step of data.run.steps) {
            all.set(`step ${step.n}`, `step ${step.n + 1}, ${step.name}: ${step.state}`);
        }
    } else {
        for (const run of data.runs) {
            all.set(run.id, `${run.service}: run to ${run.to} is ${run.state}`);
        }
    }
    return all;
}

// ---- the list

function listRow(run) {
    return h("li", {"data-key": run.id, class: "run"},
        h("a", {href: `#/runs/${run.id}`},
            h("span", {class: "foreign name"}, run.service), " ",
            h("span", {class: "foreign"}, ...fromTo(run)), " ", badge(run.state)),
        h("p", {class: "quiet"}, `${run.occasion === "drill" ? "drill" : run.kind}, started `, ago(run.started_at), " by ",
            h("span", {class: "foreign"}, starter(run.started_by)),
            run.state === "attention" || run.state === "waiting" ? null
                : [isMoving(run) ? ", for " : ", took ", took(run.started_at, run.finished_at)]),
        run.reason ? h("p", {class: "foreign"}, reason(run.reason)) : null,
        run.error ? h("p", {class: "error foreign"}, run.error) : null);
}

// `texts`: of values that are no words for people.
export function select(name, label, values, chosen, texts = {}) {
    const all = chosen && !values.includes(chosen) ? [...values, chosen] : values;
    return h("label", null, `${label} `,
        h("select", {name, "data-value": chosen || ""}, h("option", {value: ""}, "all"),
            all.map((value) => h("option", {value, "data-key": value},
                texts[value] || (value.endsWith(".") ? `all of ${value}` : value)))));
}

export function pager(route, view, next) {
    const {after, ...rest} = route.filter;
    return h("nav", {class: "pager", "aria-label": "Pages"},
        after ? h("a", {href: `#/${view}${query(rest)}`}, "Newest") : null,
        next !== null && next !== undefined
            ? h("a", {href: `#/${view}${query({...rest, after: next})}`}, "Older") : null);
}

function renderList(route, data) {
    const {service, state} = route.filter;
    return [h("h1", {tabindex: "-1"}, "Runs"),
        h("form", {class: "filters", "data-view": "runs"},
            select("service", "Service", data.services, service), select("state", "State", STATES, state)),
        data.runs.length ? h("ol", {class: "rows"}, data.runs.map(listRow))
            : h("p", {class: "empty"}, service || state ? "No run is like that." : "No run so far."),
        pager(route, "runs", data.next)];
}

// ---- one run

const STEP_MARKS = {
    done: "✓", "already done": "✓", running: "●", failed: "✕", skipped: "–", pending: "○", undone: "↶", owed: "!", unknown: "?",
};

// All steps in one line each, for the card of a service.
export function stepStrip(run) {
    return h("ol", {class: "strip"}, run.steps.map((step) => h("li", {"data-key": step.n},
        h("span", {class: "tick", "aria-hidden": "true"}, STEP_MARKS[step.state] || "·"), " ",
        h("span", {class: "foreign"}, step.name), " ", badge(step.state), " ",
        h("span", {class: "quiet"}, took(step.started_at, step.finished_at)))));
}

function plain(value) {
    return typeof value === "string" ? value : JSON.stringify(value);
}

// "target 192.0.2.10 → 198.51.100.20": what was found and what is wanted, where they differ.
function difference(detail) {
    const current = detail.current;
    const desired = detail.desired;
    if (current === null || current === undefined) {
        return desired ? [h("li", null, `wanted: ${plain(desired)}`)] : [];
    }
    if (typeof current !== "object" || typeof desired !== "object" || desired === null) {
        const wanted = desired === null || desired === undefined ? null : `, wanted: ${plain(desired)}`;
        return [h("li", null, `found: ${plain(current)}`, wanted)];
    }
    const names = [...new Set([...Object.keys(current), ...Object.keys(desired)])].filter((name) => name !== "took_ms"); // its sentence has that
    return names.map((name) => {
        if (!(name in current)) {
            return h("li", {"data-key": name}, h("span", {class: "quiet"}, `${name} wanted `), plain(desired[name]));
        }
        const found = plain(current[name]);
        const wanted = name in desired ? plain(desired[name]) : null;
        const isSame = detail.is_right || wanted === null || found === wanted;
        return h("li", {"data-key": name}, h("span", {class: "quiet"}, `${name} `), found,
            isSame ? null
                : [h("span", {class: "arrow", role: "img", "aria-label": "should be"}, " → "), h("b", null, wanted)]);
    });
}

function lastObserved(step) {
    for (const attempt of [...step.attempts].reverse()) {
        if (attempt.detail && (attempt.detail.current || attempt.detail.desired)) {
            return attempt;
        }
    }
    return null;
}

function firstObserved(step) {
    return step.attempts.find((a) => a.detail && a.detail.current && a.detail.desired && a.detail.is_right === false);
}

// One line under the step's name: the change that it made or has to make.
function change(step) {
    const attempt = firstObserved(step) || lastObserved(step);
    if (!attempt || !attempt.detail.desired) {
        return null; // a check that only looked: its sentence says what it saw
    }
    const items = difference(attempt.detail);
    return items.length ? h("ul", {class: "change foreign"}, items) : null;
}

function requestRow(request, index) {
    return h("li", {"data-key": index, class: "request"},
        h("code", {class: "foreign"}, `${request.method} ${request.url}`), " ",
        request.error ? h("span", {class: "error foreign"}, request.error)
            : h("span", {class: "quiet"}, `answered ${request.status}`),
        Number.isFinite(request.took_ms) ? h("span", {class: "quiet number"}, `, ${duration(request.took_ms)}`) : null,
        request.request_id && request.status >= 400
            ? h("span", {class: "quiet foreign"}, `, request id ${request.request_id}`) : null,
        request.body ? h("p", null, h("code", {class: "foreign quiet"}, request.body)) : null);
}

// A program of a `command` step has no address and no answer of HTTP; what it printed last is what there is to read.
function programRow(request, index) {
    return h("li", {"data-key": index, class: "request"}, h("code", {class: "foreign"}, request.url), " ",
        h("span", {class: "quiet"}, request.status < 0 ? "did not end by itself" : `ended with status ${request.status}`),
        h("span", {class: "quiet number"}, `, ${duration(request.took_ms)}`),
        request.answer ? h("p", null, h("code", {class: "foreign quiet"}, request.answer)) : null);
}

const PHASES = {observe: "observe", apply: "apply", settle: "settle"};

function attemptItem(attempt) {
    const detail = attempt.detail || {};
    const requests = detail.requests || [];
    const seen = difference(detail);
    return h("li", {"data-key": attempt.n, class: "attempt"},
        h("p", null, h("b", null, `${attempt.is_undo ? "undo: " : ""}${PHASES[attempt.phase] || attempt.phase}`), " ", badge(attempt.outcome), " ",
            h("span", {class: "quiet"}, at(attempt.started_at), ", ", took(attempt.started_at, attempt.finished_at))),
        attempt.text ? h("p", {class: "foreign"}, attempt.text) : null,
        seen.length ? h("ul", {class: "change foreign"}, seen) : null,
        requests.length ? h("ul", {class: "requests", "aria-label": "Requests"},
            requests.map((request, i) => (request.method === "EXEC" ? programRow(request, i) : requestRow(request, i)))) : null);
}

// What the latest attempt has to say; of a failed step the error says it.
function lastWord(step) {
    const attempt = [...step.attempts].reverse().find((a) => a.text);
    return attempt && !step.error ? h("p", {class: "foreign"}, attempt.text) : null;
}

const WAITING = ["failed", "unknown"]; // for a person, while the run is at attention

function stepActions(run, step) {
    const button = (verb, label) => h("button", {type: "button", "data-do": "ask", "data-verb": verb, "data-run": run.id,
        "data-step": step.n, "data-key": verb, "aria-label": `${label}: ${step.name}`}, `${label}…`);
    const isWaiting = run.state === "attention" && WAITING.includes(step.state);
    return isWaiting || step.state === "owed"
        ? h("p", {class: "actions"}, button("retry", "Try again"), button("skip", step.state === "owed" ? "Give up" : "Skip"),
            button("done", "It is done")) : null;
}

const MEANS = {
    owed: "A debt: it is still to be done at the site that the run left, and nothing moves there before.",
    unknown: "It may have been done or not, and nobody has been able to look since. Find out, then say what to do.",
};

// ", together with steps 2 and 3".
export function together(steps, step) {
    const others = step.group ? steps.filter((s) => s.group === step.group && s.n !== step.n).map((s) => s.n + 1) : [];
    const last = others.pop();
    return last === undefined ? "" : `, together with ${others.length ? `steps ${others.join(", ")} and` : "step"} ${last}`;
}

function stepItem(run, step) {
    return h("li", {"data-key": step.n, class: `step ${step.state.replaceAll(" ", "-")}`},
        h("div", {class: "head"},
            h("span", {class: "ordinal number", "aria-hidden": "true"}, String(step.n + 1)),
            h("h3", {class: "foreign"}, step.name), badge(step.state),
            h("span", {class: "quiet"}, took(step.started_at, step.finished_at))),
        h("p", {class: "quiet"}, h("code", null, step.action),
            together(run.steps, step),
            step.is_point_of_no_return ? ", point of no return: behind it nothing is undone" : "",
            step.is_measure ? ", measured" : "", step.is_undoing ? ", put back" : ""),
        MEANS[step.state] ? h("p", {class: "means"}, MEANS[step.state]) : null,
        stepActions(run, step),
        step.error ? h("p", {class: "error foreign"}, step.error) : null,
        step.state === "undone" ? null : change(step), lastWord(step),
        step.attempts.length ? h("details", // one that fails opens, though it stood there closed before
            {"data-key": WAITING.includes(step.state) ? "attempts of the failed" : "attempts", open: WAITING.includes(step.state)},
            h("summary", null, plural(step.attempts.length, "attempt")),
            h("ol", {class: "attempts"}, step.attempts.map(attemptItem))) : null);
}

function progress(run) {
    const count = (...states) => run.steps.filter((s) => states.includes(s.state)).length;
    const undone = count("undone");
    const owed = count("owed");
    return h("div", {class: "progress"},
        h("p", {class: "quiet"}, `${count("done", "already done", "skipped")} of ${plural(run.steps.length, "step")} finished`,
            owed ? `, ${owed} owed` : "", undone ? `, ${undone} put back` : ""),
        h("div", {class: "bar", "aria-hidden": "true"},
            run.steps.map((s) => h("span", {class: s.state.replaceAll(" ", "-"), "data-key": s.n}))));
}

const stoppedSteps = (run) => (run.state === "attention" ? run.steps.filter((s) => WAITING.includes(s.state)) : []);

function runActions(run) {
    if (!isUnfinished(run)) {
        return null;
    }
    const button = (verb, label, extra = {}) => h("button",
        {type: "button", "data-do": "ask", "data-verb": verb, "data-run": run.id, "data-key": verb, ...extra}, `${label}…`);
    if (run.state === "waiting") {
        return h("p", {class: "actions", "data-key": "actions"}, button("approve", "Approve", {class: "strong"}), button("reject", "Refuse"));
    }
    return h("p", {class: "actions", "data-key": "actions"},
        stoppedSteps(run).length > 1
            ? [button("retry", "Retry all that wait"), button("skip", "Skip all that wait")] : null,
        run.has_effect && !run.is_undoing ? button("undo", "Undo the run") : null,
        button("cancel", "Cancel the run"));
}

// Why it stands still, and all that can be done about it, before anything else on the page.
function stopped(run) {
    if (run.state !== "attention") {
        return null;
    }
    return h("section", {class: "notice", "aria-label": "Needs a person", "data-key": "notice"},
        h("h2", null, "It has stopped and waits for a person"),
        h("ul", null, stoppedSteps(run).map((step) => h("li", {"data-key": step.n},
            h("p", {class: "foreign"}, h("b", null, `Step ${step.n + 1}, ${step.name}`), `, ${step.state === "failed" ? "failed" : "is unknown"}`,
                step.error ? `: ${step.error}` : ""), stepActions(run, step)))),
        runActions(run));
}

function fact(term, ...value) {
    return h("div", {"data-key": term}, h("dt", null, term), h("dd", {class: "foreign"}, ...value));
}

// How long it took, from the first alert on, held against what was promised.
function timing(run) {
    const t = run.timing;
    if (run.occasion === "drill") { // nobody waited for it
        return t.steps_ms === null ? null : h("dl", {class: "timing", "data-key": "timing", "aria-label": "Timing"},
            fact("Steps", `took ${duration(t.steps_ms)}, there and back`));
    }
    const isLate = t.objective_ms !== null && t.felt_ms !== null && t.felt_ms > t.objective_ms;
    const measures = t.steps.filter((step) => step.is_measure && step.after_ms !== null && step.took_ms !== null);
    return h("dl", {class: "timing", "data-key": "timing", "aria-label": "Timing"},
        t.alert_at ? fact("First alert", at(t.alert_at)) : null,
        t.decided_at ? fact("Decided", at(t.decided_at),
            t.decision_ms === null || !t.alert_at ? null : `, ${duration(t.decision_ms)} later`) : null,
        t.steps_ms === null ? null : fact("Steps", `took ${duration(t.steps_ms)}`),
        measures.map((step) => fact(step.name, `well again ${duration(step.after_ms + step.took_ms)} after `,
            t.alert_at ? "the first alert" : "the start")),
        t.felt_ms === null ? null : fact(t.alert_at ? "Users waited" : "From start to end", // without an alert nobody is known to
            h("b", {class: isLate ? "error" : null}, duration(t.felt_ms)),
            t.measured_at ? null : ", to the end of the last step",
            t.objective_ms === null ? null : `; the objective is ${duration(t.objective_ms)}: ${isLate ? "missed" : "met"}`),
        t.felt_ms === null && t.objective_ms !== null ? fact("Objective", duration(t.objective_ms)) : null);
}

const ENDING = {
    cancel: "It is being cancelled: what is under way ends first.",
    stop: "It ends here, as one of its steps says: what is under way ends first.",
    undo: "It is going to be undone: what is under way ends first.",
};

function remarks(run) {
    return [
        run.is_undoing && isUnfinished(run)
            ? h("p", {class: "means", "data-key": "undoing"}, badge("undoing", {tone: "warn"}), " What it had changed is put back, the last first.")
            : null,
        run.ending && isUnfinished(run) ? h("p", {class: "means", "data-key": "ending"}, ENDING[run.ending] || run.ending) : null,
        run.debts > 0 ? h("p", {class: "means", "data-key": "debts"}, badge("owed"),
            ` ${plural(run.debts, "step is", "steps are")} owed at the site that it left. Until that is done nothing moves there.`) : null,
    ];
}

function renderOne(run) {
    return [h("p", {class: "crumb"}, h("a", {href: "#/runs"}, "All runs")),
        h("div", {class: "headline"},
            h("h1", {tabindex: "-1", class: "foreign"}, `${run.service}: `, ...fromTo(run)),
            badge(run.state, {big: true}), run.occasion === "drill" ? badge("drill") : null),
        h("p", {class: "foreign", "data-key": "reason"}, reason(run.reason || "no reason given")),
        stopped(run), run.state === "attention" ? null : [
            RUN_MEANS[run.state] ? h("p", {class: "means", "data-key": "means"}, RUN_MEANS[run.state]) : null,
            run.error ? h("p", {class: "error foreign", "data-key": "error"}, run.error) : null, runActions(run)],
        remarks(run), progress(run), timing(run),
        h("ol", {class: "steps"}, run.steps.map((step) => stepItem(run, step))),
        h("dl", {class: "facts"},
            fact("Kind", ["planned", "drill"].includes(run.occasion) ? `${run.kind}, ${run.occasion}` : run.kind),
            run.overrides ? fact("Overridden", run.overrides.replaceAll(" ", ", ")) : null,
            fact("Started", at(run.started_at), " by ", starter(run.started_by)),
            run.finished_at
                ? fact("Finished", at(run.finished_at), ", after ", took(run.started_at, run.finished_at)) : null,
            fact("Effect so far",
                run.has_effect ? "yes: something was written at a provider"
                    : run.state === "undone" ? "none: what was written has been put back" : "none: nothing was written"),
            run.plan ? fact("Plan", h("code", null, run.plan)) : null,
            fact("Report", h("a", {href: `#/report/${run.id}?of=run`}, "How long each part took, and what was slow")),
            fact("Run", h("code", null, run.id)),
            run.incident
                ? fact("Incident", h("a", {href: `#/incidents/${run.incident}`}, h("code", null, run.incident))) : null),
        h("p", null, h("a", {href: `#/audit${query({service: run.service})}`}, `Audit log of ${run.service}`))];
}

export const render = (route, data) => (data.run ? renderOne(data.run) : renderList(route, data));
export const title = (route, data) =>
    (data.run ? `${data.run.service} to ${data.run.to}: ${data.run.state}` : "Runs");

// What a move would change, step by step, as it is now: looked at when the page is opened, and not again by itself, since
// each look asks the providers. From here a run can be started that is refused when things are otherwise by then.

import {h} from "./dom.js";
import {call} from "./api.js";
import {together} from "./runs.js";
import {ago, badge, duration, fromTo, plural} from "./words.js";

export async function load(route, signal) {
    const path = `services/${encodeURIComponent(route.id)}`;
    const {to} = route.filter;
    const service = await call(path, {signal});
    const plan = await call(`${path}/plan`, {method: "POST", body: to ? {to} : {}, signal});
    return {services: [service], plan};
}

export const isBusy = () => false;
export const isFinal = () => true;
export const facts = () => new Map();

const STATES = {
    already: ["right already", "good"], changes: ["would change", "busy"], checks: ["only looks", "quiet"],
    unknown: ["cannot be known", "warn"], fails: ["would fail", "bad"],
};

function plain(value) {
    return typeof value === "string" ? value : JSON.stringify(value);
}

// Found and wanted as the lines of a diff.
function difference(step) {
    const {current, desired} = step;
    if (step.state !== "changes" || !desired) {
        return !step.text && current && typeof current === "object" // else its sentence says what there is
            ? h("ul", {class: "change foreign"}, Object.entries(current).map(([name, value]) =>
                h("li", {"data-key": name}, h("span", {class: "quiet"}, `${name} `), plain(value)))) : null;
    }
    const names = [...new Set([...Object.keys(current || {}), ...Object.keys(desired)])];
    const line = (sign, label, values, name) => h("li", {class: sign === "-" ? "minus" : "plus"},
        h("span", {"aria-hidden": "true"}, `${sign} `), h("span", {class: "unseen"}, `${label}: `),
        `${name} ${plain(values[name])}`);
    return h("ul", {class: "diff foreign"}, names.flatMap((name) => {
        const has = current && name in current;
        const isSame = has && (!(name in desired) || plain(current[name]) === plain(desired[name]));
        if (isSame) {
            return [h("li", null, h("span", {"aria-hidden": "true"}, "  "), `${name} ${plain(current[name])}`)];
        }
        return [has ? line("-", "found", current, name) : null, name in desired ? line("+", "wanted", desired, name) : null];
    }));
}

function stepItem(step, steps, all) {
    const warnings = all.filter((w) => w.step === step.n && !(step.text && w.text.endsWith(step.text)));
    const [label, tone] = STATES[step.state] || [step.state, "quiet"];
    return h("li", {"data-key": step.n, class: "step"},
        h("div", {class: "head"},
            h("span", {class: "ordinal number", "aria-hidden": "true"}, String(step.n + 1)),
            h("h3", {class: "foreign"}, step.name), badge(label, {tone}),
            Number.isFinite(step.predicted_ms) ? h("span", {class: "quiet"}, `about ${duration(step.predicted_ms)}`) : null),
        h("p", {class: "quiet"}, h("code", null, step.action), together(steps, step)),
        step.text ? h("p", {class: step.state === "fails" ? "error foreign" : "foreign"}, step.text) : null,
        difference(step),
        warnings.map((w) => h("p", {class: "means foreign"}, badge("warning", {tone: "warn"}), ` ${w.text}`)));
}

function prediction(plan) {
    const p = plan.predicted || {};
    if (!Number.isFinite(p.total_ms)) {
        return null;
    }
    const isLate = p.objective_ms > 0 && p.total_ms > p.objective_ms;
    return h("p", {class: isLate ? "error" : "quiet"},
        `It would take about ${duration(p.total_ms)}: the steps ${duration(p.steps_ms)}, old DNS answers ${duration(p.ttl_ms)}`,
        p.objective_ms > 0 ? ` (the objective is ${duration(p.objective_ms)})` : "", ".");
}

const MAX_WARNINGS = 4; // more are folded, so that the steps stay in sight

function warned(warnings) {
    const items = (some) => h("ul", null, some.map((w) => h("li", {class: "foreign"}, w.text)));
    const rest = warnings.slice(MAX_WARNINGS);
    return warnings.length ? h("section", {class: "notice mild", "aria-label": "Warnings"},
        h("h2", null, plural(warnings.length, "warning")), items(warnings.slice(0, MAX_WARNINGS)),
        rest.length ? h("details", null, h("summary", null, `${rest.length} more`), items(rest)) : null) : null;
}

export function render(route, data) {
    const {plan, services} = data;
    const [service] = services;
    const others = service.sites.map((s) => s.name).filter((name) => name !== service.active && name !== plan.to);
    const verb = plan.direction === "failback" ? "failback" : "failover";
    const failing = plan.steps.filter((step) => step.state === "fails");
    const general = plan.warnings.filter((w) => w.step === null || w.step === undefined);
    return [h("p", {class: "crumb"}, h("a", {href: `#/services/${encodeURIComponent(service.name)}`}, service.name)),
        h("div", {class: "headline"},
            h("h1", {tabindex: "-1", class: "foreign"}, `Plan for ${service.name}: `, ...fromTo(plan))),
        h("p", {class: "means"}, "Nothing has been changed. This is what a run would find and change if it started now; looked at ",
            ago(plan.at), "."),
        failing.length ? h("p", {class: "error foreign", "data-key": "fails"},
            `${plural(failing.length, "step")} would fail: ${failing.map((step) => step.name).join(", ")}.`) : null,
        prediction(plan),
        h("p", {class: "actions"},
            h("button", {type: "button", class: failing.length ? null : "strong", "data-do": "ask", "data-verb": verb, "data-service": service.name,
                "data-plan": plan.hash, "data-to": plan.to}, "Start exactly this…"),
            others.map((name) => h("a", {class: "button", "data-key": name,
                href: `#/plan/${encodeURIComponent(service.name)}?to=${encodeURIComponent(name)}`}, `Plan for ${name}`))),
        warned(general),
        h("ol", {class: "steps"}, plan.steps.map((step) => stepItem(step, plan.steps, plan.warnings))),
        h("dl", {class: "facts"}, h("div", null, h("dt", null, "Hash"), h("dd", null, h("code", null, plan.hash))))];
}

export const title = (route) => `Plan for ${route.id}`;

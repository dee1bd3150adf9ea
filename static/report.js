// What happened, for the morning after: how long it took, what was slow, and the whole of it as Markdown, to be pasted
// where people write such things down.

import {h} from "./dom.js";
import {call} from "./api.js";
import {badge, duration} from "./words.js";

const isOfRun = (route) => route.filter.of === "run";

export async function load(route, signal) {
    return {report: await call(`${isOfRun(route) ? "runs" : "incidents"}/${encodeURIComponent(route.id)}/report`, {signal})};
}

export const isBusy = () => false;
export const isFinal = () => true;
export const facts = () => new Map();

function verdict(report) {
    if (report.occasion === "drill") {
        return h("p", {class: "means"}, "A rehearsal: the service stayed where it is.");
    }
    if (!Number.isFinite(report.rto_ms)) {
        return h("p", {class: "means"}, "It is not known that users have the service again.");
    }
    const goal = report.objective_ms ? ` (objective: ${duration(report.objective_ms)})` : "";
    return h("p", {class: report.is_met === false ? "error" : "means"},
        `${report.incident ? "Users were without it for" : "From start to end it took"} ${duration(report.rto_ms)}${goal}`, report.is_measured ? "." : ", to the end of the last step.");
}

function table(name, heads, rows) {
    return h("section", {class: "card", "aria-label": name, "data-key": name},
        h("h2", null, name),
        h("table", {class: "sites"},
            h("caption", {class: "unseen"}, name),
            h("thead", null, h("tr", null, heads.map((text) => h("th", {scope: "col"}, text)))),
            h("tbody", null, rows.map(([head, ...cells]) => h("tr", null, h("th", {scope: "row", class: "foreign"}, head),
                cells.map((cell, i) => h("td", {"data-label": heads[i + 1], class: "foreign"}, cell)))))));
}

const after = (ms) => (ms === 0 ? "0 s" : duration(ms));

export function render(route, data) {
    const {report} = data;
    const back = isOfRun(route) ? ["runs", "The run"] : ["incidents", "The incident"];
    return [h("p", {class: "crumb"}, h("a", {href: `#/${back[0]}/${route.id}`}, back[1])),
        h("h1", {tabindex: "-1", class: "foreign"}, `Report: ${report.service}`), verdict(report),
        report.slow.length ? [h("h2", null, "What was slow"), h("ul", null, report.slow.map((text) => h("li", {class: "foreign"}, text)))] : null,
        table("How it went", ["", "At", "After"],
            report.milestones.map((one) => [one.name, one.at.slice(11, 19), after(one.after_ms)])),
        report.steps.length ? table("Steps", ["Step", "State", "Took", "Attempts"], report.steps.map((step) => [`${step.n}. ${step.name}`,
            h("span", null, badge(step.state)), [duration(step.took_ms), Number.isFinite(step.expected_ms) ? `, expected ${duration(step.expected_ms)}` : ""],
            `${step.attempts}${step.errors ? `, ${step.errors} failed` : ""}`])) : null,
        h("h2", null, "As Markdown"),
        h("pre", {class: "body foreign", tabindex: "0", "aria-label": "The report as Markdown"}, report.markdown)];
}

export const title = () => "Report";

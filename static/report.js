// The report of an incident or of a run, as Markdown for the morning after: to be read here, or taken elsewhere.

import {h} from "./dom.js";
import {call} from "./api.js";
import {duration} from "./words.js";

const isOfRun = (route) => route.filter.of === "run";

export async function load(route, signal) {
    return {report: await call(`${isOfRun(route) ? "runs" : "incidents"}/${encodeURIComponent(route.id)}/report`, {signal})};
}

export const isBusy = () => false;
export const isFinal = () => true;
export const facts = () => new Map();

function verdict(report) {
    if (!Number.isFinite(report.rto_ms)) {
        return null;
    }
    const goal = report.objective_ms ? ` (objective: ${duration(report.objective_ms)})` : "";
    return h("p", {class: report.is_met === false ? "error" : "means"},
        `Users were without it for ${duration(report.rto_ms)}${goal}`, report.is_measured ? "." : ", to the end of the last step.");
}

export function render(route, data) {
    const {report} = data;
    const back = isOfRun(route) ? ["runs", "The run"] : ["incidents", "The incident"];
    return [h("p", {class: "crumb"}, h("a", {href: `#/${back[0]}/${route.id}`}, back[1])),
        h("h1", {tabindex: "-1", class: "foreign"}, `Report: ${report.service}`), verdict(report),
        h("pre", {class: "body foreign", tabindex: "0", "aria-label": "The report as Markdown"}, report.markdown)];
}

export const title = () => "Report";

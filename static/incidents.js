// The incidents, newest first; and one of them as a story: what was said, what was decided, and why nothing was done.

import {h} from "./dom.js";
import {call, query} from "./api.js";
import {pager, select} from "./runs.js";
import {ago, at, badge, plural, reason, took} from "./words.js";

const LIMIT = 50;

export async function load(route, signal) {
    if (route.id) {
        return {incident: await call(`incidents/${encodeURIComponent(route.id)}`, {signal})};
    }
    const {service, open, after} = route.filter;
    const [page, services] = await Promise.all([
        call(`incidents${query({service, open, after, limit: LIMIT})}`, {signal}),
        call("services", {signal}),
    ]);
    return {incidents: page.items, next: page.next, services: services.items.map((s) => s.name)};
}

const isOpen = (incident) => !incident.resolved_at;

export const isBusy = (data) => Boolean(data.incident) && isOpen(data.incident);
export const isFinal = (route, data) =>
    Boolean(data.incident ? !isOpen(data.incident) : route.filter.after);

export function facts(data) {
    const all = new Map();
    if (data.incident) {
        const {story} = data.incident;
        all.set("story", story.length ? story[story.length - 1].text : "");
    } else {
        for (const incident of data.incidents) {
            all.set(incident.id, `${incident.service}: incident of ${incident.site} is ${stateOf(incident)}`);
        }
    }
    return all;
}

function stateOf(incident) {
    return !isOpen(incident) ? "over" : incident.is_standing ? "standing" : "open";
}

function stateBadge(incident, big = false) {
    const state = stateOf(incident);
    return badge(state, {big, tone: {standing: "bad", open: "warn", over: "quiet"}[state]});
}

// What came of it, in a few words.
function outcome(incident) {
    if (incident.run) {
        return ["a run came of it"];
    }
    if (incident.would_at) {
        return ["in shadow mode: a run to ", h("b", null, incident.would_to), " would have started"];
    }
    if (incident.reason && incident.reason !== "none") {
        return ["nothing was started: ", reason(incident.reason)];
    }
    return [incident.stood_at ? "it stood, and nothing was started"
        : `never more than ${plural(incident.most_votes, "vote")}: nothing was started`];
}

function listRow(incident) {
    return h("li", {"data-key": incident.id, class: "run"},
        h("a", {href: `#/incidents/${incident.id}`},
            h("span", {class: "foreign name"}, incident.service), " ",
            h("span", {class: "foreign"}, "at ", h("b", null, incident.site)), " ", stateBadge(incident)),
        h("p", {class: "quiet"}, "opened ", ago(incident.opened_at), isOpen(incident) ? ", for " : ", lasted ",
            took(incident.opened_at, incident.resolved_at)),
        h("p", {class: "foreign"}, outcome(incident)));
}

function renderList(route, data) {
    const {service, open} = route.filter;
    return [h("h1", {tabindex: "-1"}, "Incidents"),
        h("form", {class: "filters", "data-view": "incidents"},
            select("service", "Service", data.services, service), select("open", "State", ["true"], open, {true: "only open ones"})),
        data.incidents.length ? h("ol", {class: "rows"}, data.incidents.map(listRow))
            : h("p", {class: "empty"}, service || open ? "No incident is like that." : "No incident so far."),
        pager(route, "incidents", data.next)];
}

function fact(term, ...value) {
    return h("div", {"data-key": term}, h("dt", null, term), h("dd", {class: "foreign"}, ...value));
}

function renderOne(incident) {
    return [h("p", {class: "crumb"}, h("a", {href: "#/incidents"}, "All incidents")),
        h("div", {class: "headline"},
            h("h1", {tabindex: "-1", class: "foreign"}, `${incident.service} at `, h("b", null, incident.site)),
            stateBadge(incident, true)),
        incident.story.filter((line) => line.is_now).map((line, i) => h("p", {class: "foreign", "data-key": `now ${i}`}, line.text)),
        h("p", {class: "actions", "data-key": "actions"},
            incident.run ? h("a", {class: "button", href: `#/runs/${incident.run}`}, "Its run") : null,
            h("a", {class: "button", href: `#/report/${incident.id}`}, "Report"),
            h("a", {class: "button", href: `#/services/${encodeURIComponent(incident.service)}`}, "The service")),
        h("ol", {class: "story"}, incident.story.map((line, i) => h("li", {"data-key": i},
            line.is_now ? h("span", {class: "quiet"}, "now") : at(line.at), " ", h("span", {class: "foreign"}, line.text)))),
        incident.left_out ? h("p", {class: "quiet"}, `${plural(incident.left_out, "entry", "entries")} in between ` +
            "are left out here; the audit log has them.") : null,
        h("dl", {class: "facts"},
            fact("Opened", at(incident.opened_at)),
            incident.stood_at ? fact("Down for certain", at(incident.stood_at)) : null,
            incident.resolved_at ? fact("Over", at(incident.resolved_at), ", after ",
                took(incident.opened_at, incident.resolved_at)) : null,
            fact("Most votes at once", String(incident.most_votes)),
            incident.run ? fact("Run", h("code", null, incident.run)) : null,
            fact("Incident", h("code", null, incident.id))),
        h("p", null, h("a", {href: `#/audit${query({service: incident.service})}`}, `Audit log of ${incident.service}`))];
}

export const render = (route, data) => (data.incident ? renderOne(data.incident) : renderList(route, data));
export const title = (route, data) =>
    (data.incident ? `${data.incident.service} at ${data.incident.site}` : "Incidents");

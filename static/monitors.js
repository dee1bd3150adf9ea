// The monitors: what each can prove and when it was last heard; the deliveries that no rule matched, with the nearest
// rule and what differs; and one delivery with its body.

import {h} from "./dom.js";
import {call, query} from "./api.js";
import {pager, select} from "./runs.js";
import {TRUST_MEANS, ago, at, badge, plural} from "./words.js";

const LIMIT = 20; // so many are explained
const EVERY = "every"; // the filter's word for "also those that a rule matched"

export async function load(route, signal) {
    if (route.id) {
        return {delivery: await call(`deliveries/${encodeURIComponent(route.id)}`, {signal})};
    }
    const {source, show, after} = route.filter;
    const unmatched = show === EVERY ? null : "true";
    const [sources, page] = await Promise.all([
        call("sources", {signal}),
        call(`deliveries${query({source, unmatched, after, limit: LIMIT})}`, {signal}),
    ]);
    return {sources: sources.items, items: page.items, next: page.next};
}

export const isBusy = () => false;
export const isFinal = (route, data) => Boolean(data.delivery);

export function facts(data) {
    const newest = data.items && data.items[0];
    return newest && newest.explanation
        ? new Map([["newest", `delivery of ${newest.source}: ${newest.explanation[0]}`]]) : new Map();
}

// ---- the sources

const TRUST_TONES = {signed: "good", secret: "good", open: "warn"};

function credentials(source) {
    return source.credentials.map((c) => c.kind.replaceAll("_", " ") + (c.count > 1 ? ` (${c.count})` : "")).join(", ");
}

function proves(source) {
    const all = credentials(source);
    return h("td", {"data-label": "Proves"},
        h("p", null, badge(source.trust, {tone: TRUST_TONES[source.trust] || "quiet"}), " ",
            h("span", {class: "quiet"}, TRUST_MEANS[source.trust] || "")),
        all ? h("p", {class: "quiet"}, all) : null,
        source.from.length ? h("p", {class: "quiet"}, "only from ", source.from.join(", ")) : null);
}

function heard(source) {
    const since = `${plural(source.deliveries, "delivery", "deliveries")} since the start`;
    return h("td", {"data-label": "Last heard"},
        h("p", null, source.last_delivery_at ? ago(source.last_delivery_at) : h("span", {class: "quiet"}, "never")),
        h("p", {class: "quiet"}, since),
        source.refused ? h("p", null, badge(`${source.refused} refused`, {tone: "warn"}), " ",
            h("a", {href: "#/audit?kind=intake.rejected"}, "why")) : null);
}

function sourceRow(source) {
    return h("tr", {"data-key": source.name},
        h("th", {scope: "row"}, h("p", {class: "foreign"}, source.name), h("p", {class: "quiet plain"}, source.kind),
            source.rules ? null : h("p", null, badge("no rule", {tone: "warn"}))),
        proves(source), heard(source),
        h("td", {"data-label": "Alerts firing"}, h("span", {class: "number"}, String(source.open_alerts))));
}

function sourcesTable(sources) {
    if (!sources.length) {
        return h("p", {class: "empty"}, "No monitors are configured. They stand under ", h("code", null, "sources:"),
            " in the daemon's configuration.");
    }
    const heads = ["Source", "Proves", "Last heard", "Alerts firing"];
    return h("div", {class: "card", "data-key": "sources"}, h("table", {class: "sites monitors"},
        h("caption", {class: "unseen"}, "Sources"),
        h("thead", null, h("tr", null, heads.map((text) => h("th", {scope: "col"}, text)))),
        h("tbody", null, sources.map(sourceRow))));
}

// ---- the deliveries

function deliveryRow(delivery) {
    const sentences = delivery.explanation || [];
    return h("li", {"data-key": delivery.id, class: "run delivery"},
        h("a", {href: `#/monitors/${delivery.id}`}, h("span", {class: "foreign name"}, delivery.source)),
        h("span", {class: "quiet"}, ago(delivery.received_at), `, ${plural(delivery.alerts, "alert")}`,
            delivery.services ? ` for ${plural(delivery.services, "service")}` : ""),
        sentences.map((text) => h("p", {class: "foreign"}, text)));
}

function filters(route, sources) {
    const {source, show} = route.filter;
    return h("form", {class: "filters", "data-view": "monitors", "data-key": "filters"},
        select("source", "Source", sources.map((s) => s.name), source),
        h("label", null, "Deliveries ",
            h("select", {name: "show", "data-value": show === EVERY ? EVERY : ""},
                h("option", {value: ""}, "that no rule matched"), h("option", {value: EVERY}, "all"))));
}

function renderList(route, data) {
    const isEvery = route.filter.show === EVERY;
    return [h("h1", {tabindex: "-1"}, "Monitors"), sourcesTable(data.sources),
        h("h2", {"data-key": "head"}, isEvery ? "Deliveries" : "Deliveries that no rule matched"),
        h("p", {class: "means quiet", "data-key": "means"},
            "Read again by the rules of today. Repeats of what is known leave no delivery behind."),
        filters(route, data.sources),
        data.items.length ? h("ol", {class: "rows", id: "deliveries"}, data.items.map(deliveryRow))
            : h("p", {class: "empty"}, isEvery ? "No delivery is like that." : "There is none: every delivery spoke of a service."),
        pager(route, "monitors", data.next)];
}

// ---- one delivery

const STATE_TONES = {firing: "bad", resolved: "good", up: "good"};

function labelItems(labels) {
    return Object.entries(labels).map(([name, value]) => h("li", {"data-key": name},
        h("span", {class: "quiet"}, `${name} `), Array.isArray(value) ? value.join(", ") : value));
}

function alertTime(name, text) {
    return text ? [`${name} `, at(text), " "] : null;
}

function alertItem(alert, index) {
    return h("li", {"data-key": index, class: "step"},
        h("div", {class: "head"},
            h("span", {class: "ordinal number", "aria-hidden": "true"}, String(index + 1)),
            h("h3", {class: "foreign"}, alert.identity || "an alert known by its labels"),
            badge(alert.state, {tone: STATE_TONES[alert.state] || "warn"}),
            h("span", {class: "quiet"}, alertTime("since", alert.starts_at), alertTime("until", alert.ends_at),
                alertTime("said at", alert.asserted_at))),
        alert.explanation.map((text) => h("p", {class: alert.services ? "foreign" : "foreign why"}, text)),
        h("ul", {class: "change foreign", "aria-label": "Labels"}, labelItems(alert.labels)));
}

function bodyBox(delivery) {
    return [h("h2", {"data-key": "body-head"}, "Body"),
        h("pre", {class: "body foreign", tabindex: "0", "aria-label": "Body"}, delivery.body),
        h("p", {class: "quiet", "data-key": "body-note"}, delivery.is_cut
            ? `The beginning of ${delivery.body_bytes} bytes. ` : null,
        "Kept as it came, without what is known to be secret. With changed rules: ",
        h("code", null, `turnout try -c FILE ${delivery.source} BODY`))];
}

function renderOne(delivery) {
    const alerts = delivery.read_again;
    const left = delivery.alerts - alerts.length;
    return [h("p", {class: "crumb"}, h("a", {href: "#/monitors"}, "All monitors")),
        h("div", {class: "headline"},
            h("h1", {tabindex: "-1", class: "foreign"}, `${delivery.source}: ${plural(delivery.alerts, "alert")}`),
            delivery.services ? badge(`spoke of ${plural(delivery.services, "service")}`, {tone: "good"})
                : badge("spoke of no service", {tone: "warn"})),
        h("p", {class: "quiet", "data-key": "when"}, "Received ", at(delivery.received_at), ", ",
            ago(delivery.received_at), `; changed ${plural(delivery.changed, "alert")}; delivery `,
            h("code", null, delivery.id)),
        h("h2", {"data-key": "head"}, "What it is taken for by the rules of today"),
        alerts.length ? h("ol", {class: "steps"}, alerts.map(alertItem))
            : h("div", {"data-key": "said"}, delivery.explanation.map((text) => h("p", {class: "foreign"}, text))),
        alerts.length && left > 0 ? h("p", {class: "quiet", "data-key": "more"}, `and ${plural(left, "more alert")}`)
            : null,
        bodyBox(delivery)];
}

export const render = (route, data) => (data.delivery ? renderOne(data.delivery) : renderList(route, data));
export const title = (route, data) => (data.delivery ? `Delivery of ${data.delivery.source}` : "Monitors");

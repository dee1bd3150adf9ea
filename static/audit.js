// The audit log: newest first, filtered, by pages; and the check of its chain.

import {h} from "./dom.js";
import {call, query} from "./api.js";
import {pager, select} from "./runs.js";
import {at, plural} from "./words.js";

const LIMIT = 50;
const KINDS = [ // a name that ends in a dot stands for all that begin with it
    "decision.", "drill.", "intake.", "operator.", "outside.", "run.",
    "clock.doubted", "config.loaded", "daemon.started", "daemon.stopped", "decision.active", "decision.approved",
    "decision.cancel", "decision.debts", "decision.goes", "decision.halt", "decision.incident", "decision.not_acted",
    "decision.notice", "decision.observed", "decision.paused", "decision.run", "decision.timer", "decision.vote", "drill.failed", "drill.proven",
    "intake.alerts", "intake.late", "intake.pruned", "intake.rejected", "intake.statement", "intake.subscription", "intake.time",
    "intake.unmatched", "intake.unsubscribed", "operator.break_glass", "operator.call", "operator.refused",
    "outside.cut_off", "outside.kill_switch", "readiness.changed", "run.attempt", "run.attention", "run.finished",
    "run.left_out", "run.reminder", "run.resumed", "run.started", "run.step", "run.undo", "run.waiting",
    "store.ballast", "store.recovered",
];

let verdict = null; // of the last verification in this visit

export async function load(route, signal) {
    const {service, kind, after} = route.filter;
    const [page, services] = await Promise.all([
        call(`audit${query({service, kind, after, limit: LIMIT})}`, {signal}),
        call("services", {signal}),
    ]);
    return {items: page.items, next: page.next, services: services.items.map((s) => s.name)};
}

export const isBusy = () => false;
export const isFinal = (route) => Boolean(route.filter.after); // what is past does not change

export function facts(data) {
    const newest = data.items[0];
    return newest ? new Map([["newest", `audit log: ${newest.entry.text}`]]) : new Map();
}

// Rejects with an ApiError; the view then shows it.
export async function verify() {
    verdict = {isAsking: true};
    try {
        verdict = {...await call("audit/verify"), at: new Date().toISOString()};
    } catch (error) {
        verdict = {intact: null, text: `could not be checked: ${error.message}`};
        throw error;
    }
}

function verdictBox() {
    if (!verdict) {
        return h("p", {class: "quiet", "data-key": "verdict"}, "Each entry's hash covers the one before it. ",
            "That shows accidents and partial edits, not a rewrite of the whole file by someone who may write to it.");
    }
    if (verdict.isAsking) {
        return h("p", {class: "quiet", "data-key": "verdict"}, "Reading the whole log…");
    }
    if (verdict.intact === null || verdict.intact === undefined) {
        return h("p", {class: "error foreign", "data-key": "verdict"}, verdict.text);
    }
    const head = verdict.head
        ? h("p", null, h("span", {class: "quiet"}, "head "), h("code", null, verdict.head)) : null;
    return h("div", {class: verdict.intact ? "verdict good" : "verdict bad", "data-key": "verdict"},
        h("p", null, h("b", null, verdict.intact ? "The chain is intact" :
            `The chain is broken at entry ${verdict.broken_seq}`), ": ",
        plural(verdict.count, "entry", "entries"), ` (${verdict.first} to ${verdict.last}), checked `,
        at(verdict.at), "."),
        verdict.text && !verdict.intact ? h("p", {class: "foreign"}, verdict.text) : null, head);
}

// Some sentences begin with the service, whose name stands there already.
const withoutName = ({service, text}) => (service && text.startsWith(`${service} `) ? text.slice(service.length + 1) : text);

function entryItem({seq, hash, entry}) {
    const mark = /refused|rejected|unsubscribed|attention|not_acted/.test(entry.kind) ? "kind warn" : "kind";
    return h("li", {"data-key": seq, class: "entry"},
        h("details", {"data-key": "detail"},
            h("summary", null, at(entry.at), h("span", {class: mark}, entry.kind),
                h("span", null, entry.service ? [h("span", {class: "foreign name"}, entry.service), " "] : null,
                    h("span", {class: "foreign"}, withoutName(entry)), " ",
                    entry.who === "turnout" ? null : h("span", {class: "foreign quiet"}, entry.who))),
            entry.run ? h("p", null, h("a", {href: `#/runs/${entry.run}`}, "Open its run")) : null,
            h("pre", {class: "foreign", tabindex: "0", "aria-label": `Entry ${seq} as JSON`},
                JSON.stringify(entry, null, 2)),
            h("p", {class: "quiet"}, `Entry ${seq}, hash `, h("code", null, hash))));
}

export function render(route, data) {
    const {service, kind} = route.filter;
    return [h("div", {class: "headline"}, h("h1", {tabindex: "-1"}, "Audit log"),
        h("button", {type: "button", "data-do": "verify"}, "Verify the chain")),
    verdictBox(),
    h("form", {class: "filters", "data-view": "audit"},
        select("service", "Service", data.services, service), select("kind", "Kind", KINDS, kind)),
    data.items.length ? h("ol", {class: "rows", id: "entries"}, data.items.map(entryItem))
        : h("p", {class: "empty"}, service || kind ? "No entry is like that." : "No entries."),
    pager(route, "audit", data.next)];
}

export const title = () => "Audit log";

// Whether a service could be moved tonight: its readiness both ways, what earlier runs still owe, when it was last
// rehearsed, and how long it may take. Nothing is asked here: all of it comes with the service.

import {h} from "./dom.js";
import {ago, badge, duration, plural} from "./words.js";

const WAYS = ["failover", "failback"];

function readinessOf(way, seen) {
    const state = seen ? seen.state : "unknown";
    const isLess = state !== "ready"; // "unknown" is nobody's fault before the first look
    return h("li", {"data-key": way},
        h("span", {class: "quiet"}, `${way} `), badge(state, {tone: state === "unknown" ? "quiet" : undefined}), " ",
        seen ? h("span", {class: "quiet"}, "since ", ago(seen.since), ", looked at ", ago(seen.checked_at))
            : h("span", {class: "quiet"}, "nobody has looked so far"),
        isLess && seen && seen.text
            ? h("p", {class: state === "not ready" ? "error foreign" : "why foreign"}, seen.text) : null);
}

function debt(owed) {
    return h("li", {"data-key": `${owed.run} ${owed.step}`}, badge("owed"), " ",
        owed.site ? [h("span", {class: "foreign"}, "at ", h("b", null, owed.site)), ": "] : null,
        h("a", {href: `#/runs/${owed.run}`, class: "foreign"}, `step ${owed.step + 1}, ${owed.name}`),
        h("span", {class: "quiet"}, owed.is_past ? "; it is not tried any more: another run has begun since"
            : "; it is tried until it is done, and until then nothing moves there"),
        owed.error ? h("p", {class: "error foreign"}, owed.error) : null);
}

const daysAgo = (n) => (n === 0 ? "today" : `${plural(n, "day")} ago`);

function drill(last) {
    const proven = last.proven_at === null ? "never proven" : `last proven ${daysAgo(last.proven_days_ago)}`;
    const name = `${last.kind} drill`;
    return h("li", {"data-key": `${last.kind} drill`},
        last.run ? h("a", {href: `#/runs/${last.run}`}, name) : name, ": ", proven,
        last.is_good ? null : [" ", badge("last failed", {tone: "bad"}), " ", h("span", {class: "quiet"}, ago(last.at)),
            last.text ? h("p", {class: "why foreign"}, last.text) : null]);
}

export const hasDrill = (service) => service.drill.every_ms > 0 || service.drill.kind === "canary" || service.drills.length > 0;

function drills(service) {
    const {kind, every_ms: every} = service.drill;
    const isMissing = hasDrill(service) && !service.drills.some((last) => last.kind === kind);
    return [
        isMissing ? h("li", {"data-key": `${kind} drill`}, `${kind} drill: never`) : null,
        service.drills.map(drill),
        every > 0 ? h("li", {class: "quiet", "data-key": "every"}, `rehearsed every ${duration(every)}`) : null,
    ];
}

export function able(service) {
    const rto = service.objective.rto_ms;
    return h("div", {class: "able", "data-key": "able"},
        h("section", {"aria-label": `Readiness of ${service.name}`, "data-key": "readiness"},
            h("h3", null, "Ready to move?"), h("ul", null, WAYS.map((way) => readinessOf(way, service.readiness[way])))),
        service.debts.length ? h("section", {"aria-label": `Debts of ${service.name}`, "data-key": "debts"},
            h("h3", null, plural(service.debts.length, "debt")), h("ul", null, service.debts.map(debt))) : null,
        hasDrill(service) ? h("section", {"aria-label": `Drills of ${service.name}`, "data-key": "drills"},
            h("h3", null, "Rehearsed"), h("ul", null, drills(service))) : null,
        rto > 0 ? h("p", {class: "quiet", "data-key": "objective"}, `Objective: users are served again within ${duration(rto)}.`) : null);
}

// What of it is spoken when it changes.
export function facts(service) {
    const all = WAYS.map((way) => [`${service.name} ${way}`,
        `${service.name}: ${way} is ${service.readiness[way] ? service.readiness[way].state : "not looked at"}`]);
    return [...all, [`${service.name} debts`, `${service.name}: ${plural(service.debts.length, "debt")}`]];
}

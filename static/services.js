// The services: where each is, what the monitors say, what is waiting, and its latest run.

import {able, facts as ableFacts, hasDrill} from "./able.js";
import {h} from "./dom.js";
import {call} from "./api.js";
import {stepStrip} from "./runs.js";
import {
    ACTIVE_MEANS, NOT_A_SITE, RUN_MEANS, ago, badge, duration, fromTo, isMoving, isUnfinished, plural, reason, took,
    until,
} from "./words.js";

const MAX_RUNS_WATCHED = 4; // unfinished runs whose steps are read along with the services

export const serviceLink = (name) => `#/services/${encodeURIComponent(name)}`;

async function withSteps(services, signal) {
    const open = services.filter((s) => isUnfinished(s.run)).slice(0, MAX_RUNS_WATCHED);
    const runs = await Promise.all(open.map((s) => call(`runs/${encodeURIComponent(s.run.id)}`, {signal})));
    const byId = new Map(runs.map((run) => [run.id, run]));
    return services.map((s) => (s.run && byId.has(s.run.id) ? {...s, run: byId.get(s.run.id)} : s));
}

export async function load(route, signal) {
    const path = route.id ? `services/${encodeURIComponent(route.id)}` : "services";
    const [answer, status] = await Promise.all([call(path, {signal}), call("status", {signal})]);
    return {
        services: await withSteps(route.id ? [answer] : answer.items, signal),
        isMore: !route.id && Boolean(answer.next), status,
    };
}

export const isBusy = (data) => data.services.some((s) => s.active === "moving" || isMoving(s.run));

// What is spoken to those who do not see it change.
export function facts(data) {
    const all = new Map();
    for (const s of data.services) {
        all.set(`${s.name} active`, `${s.name}: active site is ${s.active}`);
        if (s.run) {
            all.set(`${s.name} run ${s.run.id}`, `${s.name}: run to ${s.run.to} is ${s.run.state}`);
        }
        for (const site of s.sites) {
            all.set(`${s.name} votes ${site.name}`,
                `${s.name}: ${site.down_votes} of ${s.votes_needed} votes say that ${site.name} is down`
                + (s.trusted_votes_needed > 0 ? `, ${site.trusted_down_votes} of ${s.trusted_votes_needed} trusted` : ""));
        }
        for (const [name, text] of ableFacts(s)) {
            all.set(name, text);
        }
        all.set(`${s.name} paused`, `${s.name} is ${s.paused ? "paused" : "not paused"}`);
    }
    for (const trouble of troubles(data.status)) {
        all.set(trouble, trouble);
    }
    return all;
}

// ---- one service

const isStopped = (service) => Boolean(service.run) && service.run.state === "attention";
const isWaiting = (service) => isUnfinished(service.run) && service.run.state === "waiting";

function activeLine(service) {
    const isSite = !NOT_A_SITE.includes(service.active);
    const since = service.active_since ? h("span", {class: "quiet"}, "for ", took(service.active_since, null)) : null;
    if (isSite) {
        const isHome = service.active === service.home;
        return h("p", {class: "active"}, h("span", {class: "quiet"}, "active at "),
            h("strong", {class: "place foreign"}, service.active),
            h("span", {class: "quiet"}, isHome ? ", its home" : `, away from home (${service.home})`),
            since ? h("span", {class: "quiet"}, ", ") : null, since);
    }
    return h("div", {class: "active"},
        h("p", null, badge(service.active, {big: true}), " ",
            service.active === "moving" && service.run
                ? h("span", {class: "foreign"}, ...fromTo(service.run), " ") : null,
            since),
        h("p", {class: "means"}, isStopped(service) && service.active === "moving" ? "Its run has stopped on the way."
            : ACTIVE_MEANS[service.active]));
}

const SAYS = [["down", "down"], ["up", "up"], ["unknown", "silent"]];

// Who says what: "down: prometheus (2 alerts)", "up: probe", "silent: pingdom".
function voters(site) {
    return SAYS.map(([vote, label]) => {
        const names = site.voters.filter((v) => v.vote === vote && (vote !== "unknown" || v.voter !== "operator"));
        return names.length ? h("li", {"data-key": vote},
            h("span", {class: vote === "down" ? "says down" : "says"}, label), " ",
            h("span", {class: "foreign quiet"}, names.map((v) => v.voter
                + (v.weight > 1 ? ` ×${v.weight}` : "") + (v.alerts > 1 ? ` (${v.alerts} alerts)` : "")).join(", "))) : null;
    });
}

function votes(service, site) {
    return h("td", {"data-label": "Votes for down"},
        h("span", {class: site.down_votes > 0 ? "votes some" : "votes"},
            h("b", {class: "number"}, `${site.down_votes} of ${service.votes_needed}`)),
        service.trusted_votes_needed > 0
            ? h("span", {class: "quiet"}, `, ${site.trusted_down_votes} of ${service.trusted_votes_needed} trusted`) : null,
        h("ul", {class: "voters"}, voters(site)));
}

const TIMERS = {
    hold: "the votes stand; the hold ends ", flap: "flapping is forgotten ", cool_down: "cool-down ends ",
    settle: "old DNS answers run out ", approval: "unanswered, it is decided ", remind: "people are reminded ",
    failback: "home is well; long enough ",
};

function timer(t, waiting = null) {
    const text = t.kind === "approval" && waiting
        ? `unanswered, the run is ${waiting.then === "approve" ? "approved" : "rejected"} ` : TIMERS[t.kind];
    return h("span", {class: "timer"}, text || `${t.kind}: `, until(t.due_at));
}

// Why an incident that is open does not stand.
function notYet(service, site) {
    return service.active !== site.name ? "not the active site"
        : site.down_votes < service.votes_needed ? "not enough votes"
        : site.trusted_down_votes < service.trusted_votes_needed ? "not enough trusted votes"
        : "the votes have not held for long enough";
}

function siteState(service, site) {
    const timers = service.timers.filter((t) => t.site === site.name);
    const parts = timers.map((t) => h("p", null, timer(t)));
    if (site.incident) {
        const incident = site.incident;
        parts.push(h("p", null, badge("incident", {tone: incident.is_standing ? "bad" : "warn"}), " ",
            incident.is_standing ? "stands; opened " : "open; the first vote came ",
            ago(incident.opened_at)));
        const isRefused = incident.reason && incident.reason !== "none";
        if (isRefused || !incident.is_standing) {
            parts.push(h("p", {class: "why foreign"}, "Nothing is started: ",
                isRefused ? reason(incident.reason) : notYet(service, site)));
        }
        parts.push(h("p", null, h("a", {href: `#/incidents/${incident.id}`}, "Why")));
    }
    return h("td", {"data-label": "Incident"},
        parts.length ? parts : h("span", {class: "quiet"}, "none"));
}

function siteRow(service, site) {
    const marks = [service.active === site.name ? [badge("active", {tone: "good"}), " "] : null,
        service.home === site.name ? badge("home") : null];
    return h("tr", {"data-key": site.name},
        h("th", {scope: "row"}, h("span", {class: "foreign"}, site.name), " ", marks),
        votes(service, site), siteState(service, site));
}

function sitesTable(service) {
    return h("table", {class: "sites"},
        h("caption", {class: "unseen"}, `Sites of ${service.name}`),
        h("thead", null, h("tr", null, ["Site", "Votes for down", "Incident"].map((t) => h("th", {scope: "col"}, t)))),
        h("tbody", null, service.sites.map((site) => siteRow(service, site))));
}

function latestRun(service) {
    const run = service.run;
    if (!run) {
        return h("p", {class: "quiet"}, "No run so far.");
    }
    const since = run.finished_at ? ["after ", took(run.started_at, run.finished_at), ", ", ago(run.finished_at)]
        : run.state === "attention" ? ["started ", ago(run.started_at)]
        : run.state === "waiting" ? ["since ", ago(run.started_at)] : ["for ", took(run.started_at, null)];
    return h("div", {class: "latest"},
        h("p", null, h("a", {href: `#/runs/${run.id}`}, isUnfinished(run) ? "Run" : "Latest run"), " ",
            h("span", {class: "foreign"}, ...fromTo(run)), " ", badge(run.state), " ",
            h("span", {class: "quiet"}, since)),
        RUN_MEANS[run.state] ? h("p", {class: "means"}, RUN_MEANS[run.state]) : null,
        run.reason && run.state === "waiting" ? h("p", {class: "foreign"}, reason(run.reason)) : null,
        run.error ? h("p", {class: "error foreign"}, run.error) : null,
        run.steps && isUnfinished(run) && run.state !== "waiting" ? stepStrip(run) : null);
}

const button = (service, verb, label, extra = {}) => h("button", {
    type: "button", "data-do": "ask", "data-verb": verb, "data-service": service.name, "data-key": verb,
    "aria-label": `${label} ${service.name}`, ...extra,
}, `${label}…`);

const answers = (service) => [
    button(service, "approve", "Approve", {"data-run": service.run.id, class: "strong"}),
    button(service, "reject", "Refuse", {"data-run": service.run.id})];

const runButton = (service) => h("a", {class: isStopped(service) ? "button strong" : "button", href: `#/runs/${service.run.id}`, "data-key": "run"},
    isStopped(service) ? "Decide about its run" : "Watch its run");

const planButton = (service) => h("a", {class: "button", "data-key": "plan", href: `#/plan/${encodeURIComponent(service.name)}`,
    "aria-label": `Plan a move of ${service.name}`}, "Plan");

function actions(service) {
    const isOpen = isUnfinished(service.run) && !isWaiting(service);
    const canReturn = !isOpen && service.active !== service.home;
    return h("p", {class: "actions"},
        isWaiting(service) ? answers(service) : null,
        isOpen ? runButton(service) : planButton(service),
        button(service, "failover", "Fail over"),
        canReturn ? button(service, "failback", "Fail back") : null,
        !isOpen && NOT_A_SITE.includes(service.active) ? button(service, "adopt", "Adopt") : null,
        service.paused ? button(service, "resume", "Resume") : button(service, "pause", "Pause"),
        button(service, "vote", "Vote"), hasDrill(service) && !isOpen ? button(service, "drill", "Drill") : null,
        h("span", {class: "links"},
            h("a", {href: `#/incidents?service=${encodeURIComponent(service.name)}`}, "Its incidents"), " ",
            h("a", {href: `#/runs?service=${encodeURIComponent(service.name)}`}, "Its runs"), " ",
            h("a", {href: `#/audit?service=${encodeURIComponent(service.name)}`}, "Its audit log")));
}

// The reasons for which nothing is started and which pass by themselves.
const PASSING = ["none", "cool_down", "run_in_progress", "provider_busy", "dependency", "shadow_mode"];

function isDownAndLeft(service) {
    return !isUnfinished(service.run) && service.sites.some((site) => site.name === service.active && site.incident &&
        site.incident.is_standing && site.incident.reason && !PASSING.includes(site.incident.reason));
}

function needsPerson(service) {
    return isWaiting(service) || service.active === "split" || service.active === "unknown" || isStopped(service) || isDownAndLeft(service);
}

// What keeps Turnout from acting by itself, whatever the monitors say.
function holds(service) {
    const {paused, frozen} = service;
    return [
        service.mode === "shadow" ? h("p", {class: "means", "data-key": "shadow"}, badge("shadow", {tone: "warn"}),
            " Nothing is started by itself: it is only recorded what would be.") : null,
        paused ? h("p", {class: "means foreign", "data-key": "paused"}, badge("paused", {tone: "warn"}), " by ",
            h("b", null, paused.who), ", ", ago(paused.at), `: ${paused.reason}`) : null,
        frozen ? h("p", {class: "means foreign", "data-key": "frozen"}, badge("frozen", {tone: "warn"}),
            " nothing starts by itself; ends ", until(frozen.until), frozen.reason ? `: ${frozen.reason}` : "") : null,
    ];
}

function card(service) {
    const coolDown = service.timers.filter((t) => !service.sites.some((site) => site.name === t.site));
    return h("article", {class: needsPerson(service) ? "card alarm" : "card", "data-key": service.name},
        h("header", null,
            h("h2", null, h("a", {href: serviceLink(service.name), class: "foreign"}, service.name)),
            h("span", {class: "quiet"}, `${service.mode}: ${plural(service.votes_needed, "vote")} held for `,
                h("span", {class: "number"}, duration(service.hold_ms).replace(".0 s", " s")),
                service.failback_mode === "manual" ? null : `; back home: ${service.failback_mode}`)),
        holds(service), activeLine(service), sitesTable(service), coolDown.map((t) => h("p", null, timer(t, service.waiting))), latestRun(service),
        able(service), actions(service));
}

// ---- the view

function whyPerson(service) {
    if (isWaiting(service)) {
        return [h("a", {href: `#/runs/${service.run.id}`, class: "foreign"}, service.name),
            ` has a run to ${service.run.to} that waits for a yes or no`];
    }
    const href = isStopped(service) ? `#/runs/${service.run.id}` : serviceLink(service.name);
    return [h("a", {href, class: "foreign"}, service.name),
        isStopped(service) ? " has a run that stopped on its way"
            : isDownAndLeft(service)
                ? ` is active at ${service.active}, which is down, and nothing is started by itself`
            : ` is ${service.active}: look, then say where it is (adopt) or start a run`];
}

// What can be done about it, right there: its card may be far below.
function remedies(service) {
    return h("p", {class: "actions"}, isWaiting(service) ? answers(service)
        : isStopped(service) ? runButton(service)
        : [planButton(service), button(service, "failover", "Fail over"), isDownAndLeft(service) ? null : button(service, "adopt", "Adopt")]);
}

function summary(data) {
    const waiting = data.services.filter(needsPerson);
    if (!waiting.length) {
        return null;
    }
    return h("section", {class: "notice", "aria-label": "Needs a person", "data-key": "notice"},
        h("h2", null, waiting.length === 1 ? "One service needs a person" : `${waiting.length} services need a person`),
        h("ul", null, waiting.slice(0, 10).map((s) => h("li", {"data-key": s.name}, h("p", null, whyPerson(s)), remedies(s)))),
        waiting.length > 10 ? h("p", null, `and ${waiting.length - 10} more below`) : null);
}

// What holds for the daemon as a whole, as sentences; from GET /status.
function troubles(status) {
    const {kill_switch: kill, cut_off: cutOff, flood, suspect, stale, heartbeat} = status;
    return [
        kill, cutOff, flood,
        suspect && suspect.length
            ? `${suspect.join(", ")}: says down of every place that it watches. Without its votes there must be a quorum.` : "",
        stale && stale.length ? `${stale.join(", ")}: silent for too long. What it said last does not count.` : "",
        heartbeat ? heartbeat : "",
    ].filter(Boolean);
}

function surroundings(status) {
    const all = troubles(status);
    return all.length ? h("section", {class: "notice", "aria-label": "The daemon itself", "data-key": "surroundings"},
        h("h2", null, "Turnout itself"),
        h("ul", null, all.map((text) => h("li", {"data-key": text, class: "foreign"}, text)))) : null;
}

export function render(route, data) {
    if (route.id) {
        return [surroundings(data.status), h("p", {class: "crumb"}, h("a", {href: "#/services"}, "All services")),
            h("h1", {tabindex: "-1", class: "unseen"}, `Service ${route.id}`), data.services.map(card)];
    }
    return [h("h1", {tabindex: "-1"}, "Services"), surroundings(data.status), summary(data),
        data.services.length ? h("div", {class: "cards"}, data.services.map(card))
            : h("p", {class: "empty"}, "No services are configured. They stand under ", h("code", null, "services:"),
                " in the daemon's configuration."),
        data.isMore ? h("p", {class: "means"}, "There are more services than are shown here.") : null];
}

export const title = (route) => (route.id ? route.id : "Services");

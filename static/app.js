// The browser view: which view is shown (location.hash), when it is read again, and what is pressed.
//
// It only reads the public API and acts by the same calls as curl. It keeps no state but the token: whatever is shown
// can be read again, and a link to it works in another browser. No framework, no build step.

import {h, patch} from "./dom.js";
import {ApiError, call, clockSkew, now, setToken, token} from "./api.js";
import {ago, at, tick, until, zone} from "./words.js";
import * as ask from "./ask.js";
import * as audit from "./audit.js";
import * as incidents from "./incidents.js";
import * as monitors from "./monitors.js";
import * as plan from "./plan.js";
import * as report from "./report.js";
import * as runs from "./runs.js";
import * as services from "./services.js";

const VIEWS = {services, incidents, runs, monitors, audit, plan, report};
const QUICK_MS = 1000;
const SLOW_MS = 5000;
const BACK_OFF_MS = [2000, 4000, 8000, 15000, 30000];

const byId = (id) => document.getElementById(id);

let route = null;
let shown = null; // {route, data, text} as last drawn
let spoken = null; // facts at the last poll, to tell what has changed
let timer = 0;
let flight = null; // AbortController of the poll under way
let lost = null; // {since, tries, nextAt, message} while the daemon cannot be reached

// ---- where we are

function parseHash() {
    const [path, search] = location.hash.replace(/^#\/?/, "").split("?");
    const [view, id] = path.split("/");
    let decoded = "";
    try {
        decoded = id ? decodeURIComponent(id) : "";
    } catch {
        // a broken link: the list is shown
    }
    return {
        view: Object.hasOwn(VIEWS, view) ? view : "services", id: decoded,
        filter: Object.fromEntries(new URLSearchParams(search || "")),
        hash: location.hash,
    };
}

function setTitle(text) {
    document.title = text ? `${text} · Turnout` : "Turnout";
}

function markNav() {
    const isOf = {plan: "services", report: route.filter.of === "run" ? "runs" : "incidents"}[route.view] || route.view;
    for (const link of byId("nav").querySelectorAll("a")) {
        if (link.hash === `#/${isOf}`) {
            link.setAttribute("aria-current", "page");
        } else {
            link.removeAttribute("aria-current");
        }
    }
}

// ---- the token

function showTokenForm(problem) {
    stop();
    shown = null;
    spoken = null;
    lost = null;
    byId("nav").hidden = true;
    byId("leave").hidden = true;
    patch(byId("banner"), []);
    patch(byId("foot"), []);
    setTitle("Sign in");
    byId("main").replaceChildren(h("form", {class: "token", "data-view": "token"},
        h("h1", null, "Sign in"),
        h("p", null, "Moves a service to another site when this one is down, and can show what it did and why."),
        h("label", null, "Your token",
            h("input", {name: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true,
                "aria-describedby": "token-note"})),
        h("div", {id: "token-error", role: "alert"}, problem ? h("p", {class: "error"}, problem) : null),
        h("p", {class: "quiet", id: "token-note"}, "One of ", h("code", null, "operators:"),
            " in the configuration. It is kept in this tab until the tab is closed, and sent to this daemon only."),
        h("button", {type: "submit", class: "strong"}, "Sign in")));
    byId("main").querySelector("input").focus();
}

async function takeToken(form) {
    const value = form.elements.token.value.trim();
    const complain = (text) => patch(byId("token-error"), [h("p", {class: "error"}, text)]);
    if (!/^[\x21-\x7e]+$/.test(value)) {
        complain("A token is printable ASCII without spaces.");
        return;
    }
    setToken(value);
    try {
        await call("services");
    } catch (error) {
        setToken(null);
        complain(error.status === 401 ? "The daemon does not know this token."
            : error.status === 0 ? `The daemon cannot be reached: ${error.message}.` : error.message);
        return;
    }
    navigate();
}

// ---- reading, and drawing what was read

function speak(facts) {
    const changed = spoken ? [...facts].filter(([key, text]) => spoken.get(key) !== text).map(([, text]) => text) : [];
    spoken = facts;
    if (changed.length) {
        byId("announce").textContent = changed.slice(-3).join(". ");
    }
}

function drawFoot() {
    const off = Math.round(clockSkew() / 1000);
    patch(byId("foot"), [h("p", {class: "quiet"}, "Read ", at(new Date(now()).toISOString()),
        zone() === "UTC" ? ". Times are UTC." : `. Times are those of ${zone()}; point at one for UTC.`,
        off ? ` This computer's clock is ${Math.abs(off)} s ${off > 0 ? "behind" : "ahead of"} the daemon's.` : null)]);
}

function drawSelects() {
    for (const element of byId("main").querySelectorAll("select[data-value]")) {
        if (element !== document.activeElement && element.value !== element.dataset.value) {
            element.value = element.dataset.value;
        }
    }
}

function draw(data) {
    const view = VIEWS[route.view];
    const isNew = !shown || shown.route.hash !== route.hash;
    patch(byId("main"), view.render(route, data));
    drawSelects();
    setTitle(view.title(route, data));
    if (isNew) {
        window.scrollTo(0, 0);
        spoken = null;
        const heading = byId("main").querySelector("h1");
        if (heading && !byId("main").contains(document.activeElement)) {
            heading.focus({preventScroll: true});
        }
    }
    shown = {route, data, text: JSON.stringify(data)};
    speak(view.facts(data));
}

function redraw() {
    if (shown) {
        draw(shown.data);
    }
}

function drawBanner() {
    if (!lost) {
        patch(byId("banner"), []);
        return;
    }
    patch(byId("banner"), [h("div", {class: "wide"},
        h("p", null, h("b", null, lost.what, " since ", at(lost.since)), " (", ago(lost.since), `): ${lost.message}. `,
            shown ? "What is shown below is from before that. " : "", "Next try ", until(lost.nextAt), "."),
        h("button", {type: "button", "data-do": "again"}, "Try now"))]);
}

function drawProblem(error) {
    shown = null;
    const words = {
        400: "The daemon does not understand this link", 403: "Not allowed", 404: "There is no such thing here",
    };
    patch(byId("main"), [h("h1", {tabindex: "-1"}, words[error.status] || "That did not work"),
        h("p", {class: "error foreign"}, error.message),
        h("p", null, h("a", {href: "#/services"}, "To the services"))]);
}

function loseContact(error) {
    const tries = lost ? lost.tries + 1 : 0;
    const wait = BACK_OFF_MS[Math.min(tries, BACK_OFF_MS.length - 1)];
    const what = error.status === 0 ? "Cannot reach the daemon" : `The daemon answers ${error.status}`;
    if (!lost) {
        byId("announce").textContent = `${what}: ${error.message}`;
    }
    lost = {
        what, since: lost ? lost.since : new Date(now()).toISOString(), tries, message: error.message,
        nextAt: new Date(now() + wait).toISOString(),
    };
    drawBanner();
    return wait;
}

// Returns how long to wait before the next poll; -1: none.
function afterFailure(error) {
    if (!(error instanceof ApiError)) {
        throw error;
    }
    if (error.status === 401) {
        setToken(null);
        showTokenForm("The daemon does not accept this token any more.");
        return -1;
    }
    if (error.status === 0 || error.status >= 500) {
        return loseContact(error);
    }
    lost = null;
    drawBanner();
    drawProblem(error);
    return SLOW_MS;
}

function afterSuccess(data) {
    const view = VIEWS[route.view];
    if (lost) {
        lost = null;
        byId("announce").textContent = "The daemon can be reached again.";
    }
    drawBanner();
    if (!shown || shown.route.hash !== route.hash || shown.text !== JSON.stringify(data)) {
        draw(data);
    }
    drawFoot();
    if (view.isFinal && view.isFinal(route, data)) {
        return -1;
    }
    return view.isBusy(data) ? QUICK_MS : SLOW_MS;
}

function stop() {
    clearTimeout(timer);
    timer = 0;
    if (flight) {
        flight.abort();
        flight = null;
    }
}

async function poll() {
    stop();
    if (document.hidden) {
        return; // visibilitychange polls again
    }
    const mine = new AbortController();
    flight = mine;
    let wait = -1;
    try {
        const data = await VIEWS[route.view].load(route, mine.signal);
        if (flight !== mine) {
            return;
        }
        wait = afterSuccess(data);
    } catch (error) {
        if (flight !== mine) {
            return;
        }
        wait = afterFailure(error);
    }
    if (flight === mine) {
        flight = null;
        timer = wait >= 0 ? setTimeout(poll, wait) : 0;
    }
}

function navigate() {
    if (!token()) {
        showTokenForm("");
        return;
    }
    route = parseHash();
    byId("nav").hidden = false;
    byId("leave").hidden = false;
    markNav();
    poll();
}

// ---- what is pressed

const DO = {
    skip() {
        byId("main").focus();
    },
    leave() {
        setToken(null);
        showTokenForm("");
    },
    again() {
        poll();
    },
    close() {
        ask.close();
    },
    ask(button) {
        const {verb, service, run, step, plan: hash, to} = button.dataset;
        const known = shown && shown.data.services ? shown.data.services.find((s) => s.name === service) : null;
        if (run || known) {
            const whole = shown ? shown.data.run || (known && known.run) : null;
            ask.open(verb, {service: known || null, run, known: whole && whole.id === run ? whole : null, step, plan: hash, to});
        }
    },
    async verify() {
        const asking = audit.verify();
        redraw();
        try {
            await asking;
        } catch (error) {
            if (error.status === 401) {
                afterFailure(error);
                return;
            }
        }
        if (route.view === "audit") {
            redraw();
        }
    },
};

async function submitAsk(form) {
    try {
        const run = await ask.submit(form);
        if (run === null) {
            return;
        }
        if (run && location.hash !== `#/runs/${run}`) {
            location.hash = `#/runs/${run}`;
        } else {
            poll();
        }
    } catch (error) {
        afterFailure(error);
    }
}

document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-do]");
    if (target) {
        DO[target.dataset.do](target);
    }
});

document.addEventListener("submit", (event) => {
    event.preventDefault();
    const view = event.target.dataset.view;
    if (view === "token") {
        takeToken(event.target);
    } else if (view === "ask") {
        submitAsk(event.target);
    }
});

document.addEventListener("change", (event) => {
    const form = event.target.closest("form.filters");
    if (form) {
        const chosen = [...new FormData(form)].filter(([, value]) => value);
        location.hash = `#/${form.dataset.view}${chosen.length ? `?${new URLSearchParams(chosen)}` : ""}`;
    }
});

window.addEventListener("hashchange", navigate);
document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
        stop();
    } else if (token() && route) {
        poll();
    }
});
setInterval(() => {
    if (!document.hidden) {
        tick();
    }
}, 1000);

navigate();

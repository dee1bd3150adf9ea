// Talking to the daemon. The token lives in this tab's sessionStorage and travels only in the Authorization header:
// never in a URL, never in a cookie. Addresses are relative to the page, so that a proxy may serve it under a path.

const KEY = "turnout.token";
const TIMEOUT_MS = 10000;
const SKEW_MS = 2500;

let remembered = null; // where sessionStorage is refused, the token lasts until the page is left
let skew = 0;

export class ApiError extends Error {
    // status 0: no answer came. `how`: what a refusal says of how to insist
    constructor(status, code, message, how = {}) {
        super(message);
        this.status = status;
        this.code = code;
        this.override = how.override || "";
        this.canReplace = how.replace === true;
    }
}

export function token() {
    try {
        return sessionStorage.getItem(KEY);
    } catch {
        return remembered;
    }
}

export function setToken(value) {
    remembered = value;
    try {
        if (value === null) {
            sessionStorage.removeItem(KEY);
        } else {
            sessionStorage.setItem(KEY, value);
        }
    } catch {
        // kept in `remembered`
    }
}

// The daemon's clock, as far as its Date header tells: count-downs must not depend on this computer's.
export function now() {
    return Date.now() + skew;
}

export function clockSkew() {
    return skew;
}

function noteClock(response, sentAt) {
    const date = Date.parse(response.headers.get("Date") || "");
    if (!Number.isNaN(date)) {
        const middle = (sentAt + Date.now()) / 2;
        const off = date + 500 - middle; // the header is cut to whole seconds
        skew = Math.abs(off) > SKEW_MS ? off : 0;
    }
}

async function failure(response) {
    let code = "";
    let message = "";
    let how = {};
    try {
        const body = await response.json();
        code = String(body.error.code);
        message = String(body.error.message);
        how = body.error;
    } catch {
        message = `the answer was ${response.status} ${response.statusText}, without an explanation`;
    }
    return new ApiError(response.status, code, message, how);
}

// `path` is below api/v1/. Rejects with an ApiError, or with an AbortError when `signal` is aborted.
export async function call(path, {method = "GET", body = null, signal = null, headers = {}} = {}) {
    const timeout = AbortSignal.timeout(TIMEOUT_MS);
    const sentAt = Date.now();
    try {
        const response = await fetch(new URL(`api/v1/${path}`, document.baseURI), {
            method,
            signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
            cache: "no-store",
            credentials: "omit",
            redirect: "error",
            headers: {
                Authorization: `Bearer ${token()}`,
                ...(body ? {"Content-Type": "application/json"} : {}),
                ...headers,
            },
            body: body ? JSON.stringify(body) : null,
        });
        noteClock(response, sentAt);
        if (!response.ok) {
            throw await failure(response);
        }
        return await response.json();
    } catch (error) {
        if (error instanceof ApiError || (signal && signal.aborted)) {
            throw error;
        }
        throw new ApiError(0, "unreachable", timeout.aborted ? "no answer within 10 s" : "no connection");
    }
}

// A query string of what is set.
export function query(parameters) {
    const set = Object.entries(parameters).filter(([, value]) => value !== "" && value !== null && value !== undefined);
    return set.length ? `?${new URLSearchParams(set)}` : "";
}

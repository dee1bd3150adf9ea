"""The faults a test asks for: which request they hit, and what they do to it.

A fault says what to match and how often; the listener carries it out. A fault that has been used up stays in the list with its
count of hits, so that a test can check that it really happened.
"""

import re
import threading

ERRORS = ("status", "html")  # an error is answered; the provider sees the request only with "effect": true
BEFORE = ("timeout_before", "reset_before")  # the provider never sees the request
AFTER = ("timeout_after", "reset_after", "slow", "drip", "truncate", "garbage")  # the effect is made, the answer spoilt
LATE = ("late",)  # all is as always, but not at once, and also when the client has left meanwhile
READ_ONLY = ("stale_read", "empty_list")  # they make sense for GET only
KINDS = ERRORS + BEFORE + AFTER + LATE + READ_ONLY

LISTS = re.compile(r"(/domains|/records|/domain/zone|/record|/hostedzone|/hostedzonesbyname|/rrset)/?$")
KEYS = {"provider", "method", "path_regex", "kind", "times", "skip", "status", "headers", "body", "code", "ms", "effect",
        "content_type", "after_bytes"}
OWN_ERRORS = {  # for `code`: the status that the provider sends with it
    "linode": {"busy": 400},
    "route53": {"Throttling": 400, "ThrottlingException": 400, "PriorRequestNotComplete": 400, "InvalidChangeBatch": 400,
                "AccessDenied": 403, "ExpiredToken": 403, "ServiceUnavailable": 503, "InternalFailure": 500},
    "ovh": {"INVALID_SIGNATURE": 400, "INVALID_CREDENTIAL": 403, "NOT_GRANTED_CALL": 403, "INVALID_KEY": 403,
            "NOT_CREDENTIAL": 403, "FORBIDDEN": 403},
}
PROVIDERS = ("linode", "ovh", "route53", "*")


class Fault:
    def __init__(self, number, description):
        self.number = number
        self.provider = description.get("provider", "*")
        self.method = description.get("method")
        self.path_regex = description.get("path_regex")
        self.kind = description["kind"]
        self.left = description.get("times", 1)
        self.skip = description.get("skip", 0)
        self.settings = description
        self.hits = 0

    def matches(self, request):
        if self.provider not in ("*", request.provider):
            return False
        if self.method and self.method.upper() != request.method:
            return False
        if self.kind in READ_ONLY and request.method != "GET":
            return False
        if self.kind == "empty_list" and not LISTS.search(request.path):
            return False
        return not self.path_regex or re.search(self.path_regex, request.target) is not None

    def get(self, key, default=None):
        return self.settings.get(key, default)

    def status(self, provider):
        code = self.get("code")
        return self.get("status") or OWN_ERRORS[provider].get(code, 400 if code else 503)

    def describe(self):
        return dict(self.settings, id=self.number, left=self.left, hits=self.hits)


def problem_of(description):
    """Why a description cannot be used, or None; a mistyped fault must not silently let a test pass."""
    if not isinstance(description, dict):
        return "a fault is an object"
    if description.get("kind") not in KINDS:
        return "kind is one of " + ", ".join(KINDS)
    if description.get("effect") and description["kind"] not in ERRORS:
        return "effect is for " + " and ".join(ERRORS)
    unknown = set(description) - KEYS
    if unknown:
        return "unknown key " + ", ".join(sorted(unknown))
    if description.get("provider", "*") not in PROVIDERS:
        return "provider is one of " + ", ".join(PROVIDERS)
    for key in ("times", "skip", "status", "ms", "after_bytes"):
        if key in description and not isinstance(description[key], int):
            return key + " is a whole number"
    try:
        re.compile(description.get("path_regex") or "")
    except re.error as error:
        return "path_regex: %s" % error
    return None


class Faults:
    def __init__(self):
        self._lock = threading.Lock()
        self._faults = []
        self._next = 1

    def add(self, descriptions):
        """Adds all or none; answers (ids, None) or (None, what is wrong)."""
        if not isinstance(descriptions, list):
            return None, "the body is a list of faults"
        for description in descriptions:
            problem = problem_of(description)
            if problem:
                return None, problem
        with self._lock:
            added = []
            for description in descriptions:
                added.append(Fault(self._next, description))
                self._next += 1
            self._faults += added
            return [fault.number for fault in added], None

    def clear(self):
        with self._lock:
            self._faults = []

    def describe(self):
        with self._lock:
            return [fault.describe() for fault in self._faults]

    def pick(self, request):
        """The first fault that is due for this request. One still skipping lets the next in the list have its turn."""
        with self._lock:
            for fault in self._faults:
                if fault.left == 0 or not fault.matches(request):
                    continue
                if fault.skip > 0:
                    fault.skip -= 1
                    continue
                if fault.left > 0:
                    fault.left -= 1
                fault.hits += 1
                return fault
        return None

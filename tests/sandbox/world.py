"""All that the sandbox knows: settings, the three providers, the log of requests, and what is due later.

One lock guards it. A request is answered under the lock in one go, and so is each delayed publication, so a reader never sees half
a change. Waiting (a slow or hanging answer) is the listener's business and happens outside the lock.
"""

import collections
import copy
import datetime
import heapq
import sys
import threading
import time
import traceback

from exchange import Refused
from faults import Faults
from linode import Linode
from ovh import Ovh
from route53 import Route53

# name, default, allowed values (None: any of that type), help. Delays: -1 means accepted but never served.
OPTIONS = (
    ("linode_render_ms", 500, None, "from a record change until the zone is rendered and served; -1: never"),
    ("linode_rate_limit", 800, None, "requests per token in 2 minutes before 429; 0: no limit"),
    ("linode_skew_s", 0, None, "Linode's clock minus ours, seen in the Date header"),
    ("ovh_refresh_ms", 500, None, "from /refresh until the zone is served; -1: swallowed, never served"),
    ("ovh_refresh_status", "200", ("200", "204", "alternate"), "what an accepted /refresh answers, always with an empty body"),
    ("ovh_busy_status", 409, None, "what a /refresh answers while another one of the zone is running"),
    ("ovh_filter", "contains", ("contains", "pattern"), "how wide fieldType= and subDomain= match: any part, or SQL LIKE"),
    ("ovh_put_body", "", ("", "null"), "the body of a successful PUT or DELETE"),
    ("ovh_post_id_zero", False, None, "a new record is answered with id 0"),
    ("ovh_new_record_404_ms", 0, None, "a new record cannot be read by id for so long"),
    ("ovh_skew_s", 0, None, "OVH's clock minus ours, seen in /auth/time, in the Date header and in the check of timestamps"),
    ("ovh_tolerance_s", 60, None, "how far a signed timestamp may be off OVH's clock"),
    ("ovh_expires_in_s", 0, None, "when the consumer key ends, as /auth/currentCredential says it; 0: never"),
    ("route53_insync_ms", 500, None, "from an accepted change until INSYNC and served; -1: PENDING for ever"),
    ("route53_invalid_batch_root", "ErrorResponse", ("ErrorResponse", "InvalidChangeBatch"), "the XML root of a refused batch"),
    ("route53_one_at_a_time", False, None, "a change is PriorRequestNotComplete while another one of its zone is PENDING"),
    ("route53_rate", 0, None, "requests a second before Throttling (the real limit is 5); 0: no limit"),
    ("route53_skew_s", 0, None, "AWS's clock minus ours, seen in the Date header and in the check of x-amz-date"),
    ("route53_skew_code", "SignatureDoesNotMatch", ("SignatureDoesNotMatch", "RequestExpired"), "error code for a wrong clock"),
)
LOGGED_HEADERS = ("Content-Type", "User-Agent", "X-Filter", "Host")
MAX_LOGGED_BODY = 65536


def option_problem(name, value):
    row = next((row for row in OPTIONS if row[0] == name), None)
    if row is None:
        return "unknown option " + name
    _, default, allowed, _ = row
    if type(value) is not type(default):
        return "%s is a %s" % (name, type(default).__name__)
    if allowed is not None and value not in allowed:
        return "%s is one of %s" % (name, ", ".join(repr(choice) for choice in allowed))
    return None


class World:
    def __init__(self, seed, options, nameserver):
        self.lock = threading.RLock()
        self.nameserver = nameserver
        self.faults = Faults()
        self._seed = seed
        self._start_options = dict(options)
        self.options = dict(options)
        self._due = []
        self._due_count = 0
        self._wake = threading.Condition(self.lock)
        self._log = collections.deque(maxlen=100000)
        self._log_count = 0
        self.counters = {}
        self._publish_hosts()
        self.providers = {}
        self._load()
        threading.Thread(target=self._run_due, daemon=True, name="scheduler").start()

    # --- requests

    def perform(self, request):
        with self.lock:
            provider = self.providers[request.provider]
            fresh, undo = provider.zones, None
            if request.is_stale and request.method == "GET":
                provider.zones = provider.before
            elif request.method != "GET":
                undo = copy.deepcopy(provider.zones)
            try:
                response = provider.handle(request)
            except Refused as refused:
                response = refused.response
            except Exception:  # a mistake in the sandbox must be seen, and must not look like a broken connection
                traceback.print_exc(file=sys.stderr)
                response = provider.error_for(500, None)
            finally:
                if request.is_stale and request.method == "GET":
                    provider.zones = fresh
            if undo is not None and response.is_effect and not provider.is_publication(request):
                provider.before = undo
            return response

    def log_open(self, request):
        with self.lock:
            self._log_count += 1
            entry = {
                "n": self._log_count, "time": utc_text(time.time()), "at": int(time.time() * 1000), "provider": request.provider,
                "method": request.method, "path": request.target, "status": None, "effect": False, "fault": None, "took_ms": None,
                "headers": {name: request.headers.get(name) for name in LOGGED_HEADERS if request.headers.get(name)},
                "body": request.body[:MAX_LOGGED_BODY].decode("utf-8", "replace"),
            }
            self._log.append(entry)
            self.count(request.provider, "requests")
            return entry

    def log_close(self, entry, status, is_effect, fault):
        """`status` is what the client was told, or None where it was told nothing."""
        with self.lock:
            entry.update(status=status, effect=is_effect, fault=fault, took_ms=int(time.time() * 1000) - entry["at"])
            if is_effect:
                self.count(entry["provider"], "effects")
            if fault:
                self.count(entry["provider"], "faults")
            if status in (401, 403):
                self.count(entry["provider"], "denied")

    def log(self, provider=None, after=0):
        with self.lock:
            return [dict(entry) for entry in self._log if entry["n"] > after and provider in (None, entry["provider"])]

    def clear_log(self):
        with self.lock:
            self._log.clear()

    def count(self, provider, what):
        counters = self.counters.setdefault(provider, {"requests": 0, "effects": 0, "faults": 0, "denied": 0, "published": 0})
        counters[what] += 1

    # --- state

    def describe(self):
        with self.lock:
            zones = [zone for provider in self.providers.values() for zone in provider.describe()]
            return {"zones": zones, "counters": copy.deepcopy(self.counters), "options": dict(self.options),
                    "dns": self.nameserver.endpoint}

    def set_options(self, changes):
        for name, value in changes.items():
            problem = option_problem(name, value)
            if problem:
                return problem
        with self.lock:
            self.options.update(changes)
        return None

    def reset(self):
        with self.lock:
            self.options = dict(self._start_options)
            self._due.clear()
            self._log.clear()
            self.counters = {}
            self.faults.clear()
            self._load()

    def _load(self):
        for provider in self.providers.values():
            provider.withdraw_all()
        serials = {name: provider.serials() for name, provider in self.providers.items()}
        self.providers = {"linode": Linode(self, self._seed["linode"]), "ovh": Ovh(self, self._seed["ovh"]),
                          "route53": Route53(self, self._seed["route53"])}
        for name, provider in self.providers.items():
            provider.publish_seed(serials.get(name, {}))

    def _publish_hosts(self):
        """The zones of the providers' own name servers, all of which are this one, so that NS names can be resolved here."""
        for zone, hosts in {"linode.com": ["ns1", "ns2", "ns3", "ns4", "ns5"], "ovh.net": ["dns18", "ns18"],
                            "awsdns-64.com": ["ns-2048"], "awsdns-65.net": ["ns-2049"], "awsdns-66.org": ["ns-2050"],
                            "awsdns-67.co.uk": ["ns-2051"]}.items():
            rows = [{"name": "%s.%s" % (host, zone), "type": "A", "ttl": 60, "value": "127.0.0.1"} for host in hosts]
            soa = {"text": "%s.%s hostmaster.%s %%d 3600 600 86400 60" % (hosts[0], zone, zone), "serial": 1, "ttl": 60}
            self.nameserver.publish(zone, soa, rows)

    # --- time

    def after(self, delay_ms, function):
        """Calls the function later, under the lock; a negative delay means never."""
        if delay_ms < 0:
            return
        with self.lock:
            self._due_count += 1
            heapq.heappush(self._due, (time.monotonic() + delay_ms / 1000, self._due_count, function))
            self._wake.notify()

    def _run_due(self):
        with self._wake:
            while True:
                if not self._due:
                    self._wake.wait()
                elif self._due[0][0] > time.monotonic():
                    self._wake.wait(self._due[0][0] - time.monotonic())
                else:
                    function = heapq.heappop(self._due)[2]
                    try:
                        function()
                    except Exception:
                        traceback.print_exc(file=sys.stderr)


def utc_text(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")

"""The Linode v4 API as far as domains and their records go.

Kept traps: a good Domain object has a key "errors", PUT is partial, TTLs are rounded, a disabled domain takes changes and serves
nothing, lists are paged. Records have no version, so lost updates are possible, as with the real one.
"""

import copy
import datetime
import ipaddress
import json
import re
import time
from email.utils import formatdate

from exchange import Refused, json_response
from provider import Provider

BASES = ("/linode/v4beta", "/linode/v4")
TYPES = ("A", "AAAA", "NS", "MX", "CNAME", "TXT", "SRV", "PTR", "CAA")
TTLS = (30, 120, 300, 3600, 7200, 14400, 28800, 57600, 86400, 172800, 345600, 604800, 1209600, 2419200)
DEFAULT_TTL = 86400
RATE_WINDOW_S = 120
DOMAIN_FILTERS = {"id", "domain", "type", "status", "group", "tags"}
RECORD_FILTERS = {"id", "type", "name", "target", "tag"}
NAME_SERVERS = ["ns%d.linode.com" % number for number in range(1, 6)]
REASONS = {401: "Invalid Token", 404: "Not found", 405: "Method Not Allowed", 429: "Too many requests", 500: "Internal Server Error",
           502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}


class Linode(Provider):
    name = "linode"

    def __init__(self, world, seed):
        super().__init__(world, seed)
        self._next_record = 1 + max([36000000] + [record["id"] for domain in seed["domains"] for record in domain["records"]
                                                 if "id" in record])
        self._recent = []
        for entry in seed["domains"]:
            self.zones[entry["id"]] = self._zone(entry)

    def _zone(self, entry):
        now = stamp()
        domain = {"id": entry["id"], "type": entry.get("type", "master"), "domain": entry["domain"],
                  "status": entry.get("status", "active"), "errors": "", "group": "", "tags": [], "description": "",
                  "soa_email": entry.get("soa_email", "hostmaster@" + entry["domain"]), "retry_sec": 0, "refresh_sec": 0,
                  "expire_sec": 0, "ttl_sec": entry.get("ttl_sec", 0), "master_ips": [], "axfr_ips": [], "created": now, "updated": now}
        records = {}
        for fields in entry["records"]:
            record = dict(blank_record(), **fields)
            record.setdefault("id", self._next_record)
            if record["id"] == self._next_record:
                self._next_record += 1
            records[record["id"]] = record
        is_served = domain["status"] == "active" and entry.get("rendered", True)
        return {"name": entry["domain"], "domain": domain, "records": records, "served": None, "serial": 0, "rendered": None,
                "is_served_at_start": is_served}

    # --- answering

    def handle(self, request):
        self._authenticate(request)
        left, reset = self._count_rate()
        limits = {"X-RateLimit-Limit": str(self.option("rate_limit") or 800), "X-RateLimit-Remaining": str(max(0, left)),
                  "X-RateLimit-Reset": str(reset)}
        if left < 0:
            response = self.error(429, REASONS[429])
            response.headers["Retry-After"] = str(max(1, reset - int(time.time())))
        else:
            try:
                response = self._route(request)
            except Refused as refused:
                response = refused.response
        response.headers.update(limits)
        response.headers["Date"] = formatdate(time.time() + self.option("skew_s"), usegmt=True)
        return response

    def error(self, status, reason, field=None):
        entry = {"reason": reason}
        if field:
            entry["field"] = field
        return json_response(status, {"errors": [entry]})

    def error_for(self, status, code):
        if code == "busy":
            return self.error(400, "Linode busy.")
        response = self.error(status, code or REASONS.get(status, "Error"))
        if status == 429:
            response.headers["Retry-After"] = "1"
        return response

    def _authenticate(self, request):
        scheme, _, token = (request.headers.get("Authorization") or "").partition(" ")
        if scheme.lower() != "bearer" or token.strip() not in self.seed["tokens"]:
            self.refuse(401, "Invalid Token")

    def _count_rate(self):
        """(requests left, epoch second at which there are more)"""
        limit, now = self.option("rate_limit"), time.time()
        self._recent = [moment for moment in self._recent if moment > now - RATE_WINDOW_S]
        if limit and len(self._recent) >= limit:
            return -1, int(self._recent[0] + RATE_WINDOW_S) + 1
        self._recent.append(now)
        return limit - len(self._recent) if limit else 800, int(now + RATE_WINDOW_S)

    def _route(self, request):
        base = next((base for base in BASES if request.path.startswith(base + "/")), None)
        parts = request.segments(base) if base else []
        if not parts or parts[0] != "domains" or len(parts) > 4:
            self.refuse(404, "Not found")
        if len(parts) == 1:
            self._allow(request, "GET")
            return self._list(request, [zone["domain"] for zone in self.zones.values()], DOMAIN_FILTERS)
        zone = self.zones.get(whole(parts[1]))
        if zone is None:
            self.refuse(404, "Not found")
        if len(parts) == 2:
            return self._domain(request, zone)
        if parts[2] == "zone-file" and len(parts) == 3:
            self._allow(request, "GET")
            return json_response(200, {"zone_file": zone["rendered"] or []})
        if parts[2] != "records":
            self.refuse(404, "Not found")
        return self._records(request, zone) if len(parts) == 3 else self._record(request, zone, parts[3])

    def _allow(self, request, *methods):
        if request.method not in methods:
            self.refuse(405, "Method Not Allowed")

    def _domain(self, request, zone):
        self._allow(request, "GET", "PUT")
        is_change = request.method == "PUT"
        if is_change:
            body = self._body(request)
            if body.get("status", "active") not in ("active", "disabled"):
                self.refuse(400, "status must be one of: active, disabled", "status")
            if not isinstance(body.get("ttl_sec", 0), int) or not isinstance(body.get("soa_email", ""), str):
                self.refuse(400, "must be a valid value", "soa_email" if isinstance(body.get("ttl_sec", 0), int) else "ttl_sec")
            for key in ("status", "ttl_sec", "soa_email", "description"):
                if key in body:
                    zone["domain"][key] = body[key]
            self._changed(zone)
        return json_response(200, zone["domain"], is_effect=is_change)

    def _records(self, request, zone):
        self._allow(request, "GET", "POST")
        if request.method == "GET":
            return self._list(request, list(zone["records"].values()), RECORD_FILTERS)
        self._writable(zone)
        body = self._body(request)
        if body.get("type") not in TYPES:
            self.refuse(400, "type is not a valid choice", "type")
        if not body.get("target"):
            self.refuse(400, "target is required", "target")
        record = dict(blank_record(), id=self._next_record, type=body["type"])
        self._apply(record, body, request)
        self._next_record += 1
        zone["records"][record["id"]] = record
        self._changed(zone)
        return json_response(200, record, is_effect=True)

    def _record(self, request, zone, number):
        self._allow(request, "GET", "PUT", "DELETE")
        record = zone["records"].get(whole(number))
        if record is None:
            self.refuse(404, "Not found")
        if request.method == "GET":
            return json_response(200, record)
        self._writable(zone)
        if request.method == "DELETE":
            del zone["records"][record["id"]]
            self._changed(zone)
            return json_response(200, {}, is_effect=True)
        changed = copy.deepcopy(record)
        self._apply(changed, self._body(request), request)
        changed["updated"] = stamp()
        zone["records"][record["id"]] = changed
        self._changed(zone)
        return json_response(200, changed, is_effect=True)

    def _writable(self, zone):
        if zone["domain"]["type"] == "slave":
            self.refuse(400, "You cannot add or change records of a slave domain.")

    def _body(self, request):
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            self.refuse(400, "Invalid JSON")
        if not isinstance(body, dict):
            self.refuse(400, "Invalid JSON")
        return body

    def _apply(self, record, body, request):
        """Only the fields given are changed; the type of a record cannot be."""
        for key in ("name", "target", "service", "protocol", "tag"):
            if key in body:
                if not isinstance(body[key], str) and not (body[key] is None and key not in ("name", "target")):
                    self.refuse(400, "%s must be a string" % key, key)
                record[key] = body[key]
        for key in ("ttl_sec", "priority", "weight", "port"):
            if key in body:
                if not isinstance(body[key], int) or isinstance(body[key], bool) or body[key] < 0:
                    self.refuse(400, "%s must be a valid value" % key, key)
                record[key] = rounded_ttl(body[key]) if key == "ttl_sec" else body[key]
        if record["target"] == "[remote_addr]":
            record["target"] = request.address
        check = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}.get(record["type"])
        try:
            if check:
                check(record["target"])
        except ValueError:
            self.refuse(400, "target is not a valid %s address" % ("IPv4" if record["type"] == "A" else "IPv6"), "target")

    # --- lists

    def _list(self, request, entries, filterable):
        parameters = request.parameters()
        page, size = whole(parameters.get("page", "1")), whole(parameters.get("page_size", "100"))
        if size is None or not 25 <= size <= 500:
            self.refuse(400, "Must be 25-500", "page_size")
        if page is None or page < 1:
            self.refuse(400, "Must be a positive number", "page")
        found = [] if request.is_empty_list else self._filtered(request, entries, filterable)
        pages = max(1, -(-len(found) // size))
        if page > pages:
            self.refuse(404, "Not found")
        return json_response(200, {"data": found[(page - 1) * size:page * size], "page": page, "pages": pages, "results": len(found)})

    def _filtered(self, request, entries, filterable):
        header = request.headers.get("X-Filter")
        if not header:
            return entries
        try:
            wanted = json.loads(header)
        except ValueError:
            wanted = None
        if not isinstance(wanted, dict):
            self.refuse(400, "Cannot parse filter", "X-Filter")
        found = [entry for entry in entries if self._matches(entry, wanted, filterable)]
        key = wanted.get("+order_by")
        if key is not None:
            if not isinstance(key, str) or key not in filterable:
                self.refuse(400, "Cannot filter on %s" % key, "X-Filter")
            found.sort(key=lambda entry: str(entry[key]), reverse=wanted.get("+order") == "desc")
        return found

    def _matches(self, entry, wanted, filterable):
        results = []
        for key, value in wanted.items():
            if key in ("+order_by", "+order"):
                continue
            if key in ("+and", "+or"):
                if not isinstance(value, list) or not all(isinstance(part, dict) for part in value):
                    self.refuse(400, "Cannot parse filter", "X-Filter")
                parts = [self._matches(entry, part, filterable) for part in value]
                results.append(all(parts) if key == "+and" else any(parts))
            elif key not in filterable:
                self.refuse(400, "Cannot filter on %s" % key, "X-Filter")
            else:
                results.append(self._compares(entry[key], value))
        return all(results)

    def _compares(self, actual, value):
        if not isinstance(value, dict):
            return same(actual, value)
        tests = {"+gt": lambda a, b: a > b, "+gte": lambda a, b: a >= b, "+lt": lambda a, b: a < b, "+lte": lambda a, b: a <= b,
                 "+neq": lambda a, b: not same(a, b), "+contains": lambda a, b: str(b).lower() in str(a).lower()}
        for operator, operand in value.items():
            if operator not in tests:
                self.refuse(400, "Unknown operator %s" % operator, "X-Filter")
            try:
                if not tests[operator](actual, operand):
                    return False
            except TypeError:
                return False
        return True

    # --- serving

    def _changed(self, zone):
        zone["domain"]["updated"] = stamp()
        key = zone["domain"]["id"]
        self.world.after(self.option("render_ms"), lambda: self._render(key))

    def _render(self, key):
        zone = self.zones[key]
        self.publish(key, self.rows(zone) if zone["domain"]["status"] == "active" else None)

    def publish(self, key, rows):
        super().publish(key, rows)
        if rows is not None:
            self.zones[key]["rendered"] = zone_file(self.zones[key])

    def rows(self, zone):
        default = zone["domain"]["ttl_sec"] or DEFAULT_TTL
        rows = [{"name": zone["name"], "type": "NS", "ttl": default, "value": host} for host in NAME_SERVERS]
        for record in zone["records"].values():
            name = "%s.%s" % (record["name"], zone["name"]) if record["name"] else zone["name"]
            rows.append({"name": name, "type": record["type"], "ttl": record["ttl_sec"] or default, "value": dns_value(record),
                         "id": record["id"]})
        return rows

    def soa(self, zone):
        domain = zone["domain"]
        text = "ns1.linode.com %s %%d %d %d %d %d" % (domain["soa_email"].replace("@", "."), domain["refresh_sec"] or 14400,
                                                      domain["retry_sec"] or 14400, domain["expire_sec"] or 1209600, DEFAULT_TTL)
        return {"text": text, "serial": zone["serial"], "ttl": domain["ttl_sec"] or DEFAULT_TTL}


def blank_record():
    now = stamp()
    return {"type": "A", "name": "", "target": "", "priority": 0, "weight": 0, "port": 0, "service": None, "protocol": None,
            "ttl_sec": 0, "tag": None, "created": now, "updated": now}


def stamp():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")


def whole(text):
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def same(actual, wanted):
    if isinstance(actual, str) and isinstance(wanted, str):
        return actual.lower() == wanted.lower()
    return wanted in actual if isinstance(actual, list) else actual == wanted


def rounded_ttl(seconds):
    """0 keeps its meaning (the zone's default); anything else becomes the nearest allowed value, upwards when in the middle."""
    return 0 if seconds == 0 else min(TTLS, key=lambda allowed: (abs(allowed - seconds), -allowed))


def dns_value(record):
    target = record["target"]
    if record["type"] == "TXT":
        return '"%s"' % target.strip('"').replace('"', '\\"')
    if record["type"] == "MX":
        return "%d %s" % (record["priority"], target)
    if record["type"] == "SRV":
        return "%d %d %d %s" % (record["priority"], record["weight"], record["port"], target)
    if record["type"] == "CAA":
        return '0 %s "%s"' % (record["tag"] or "issue", target)
    return target


def zone_file(zone):
    domain = zone["domain"]
    lines = ["; %s [%d]" % (domain["domain"], domain["id"]), "$TTL %d" % (domain["ttl_sec"] or DEFAULT_TTL),
             "@\tIN\tSOA\tns1.linode.com. %s. %d 14400 14400 1209600 86400" % (domain["soa_email"].replace("@", "."), zone["serial"])]
    for row in zone["served"]:
        name = row["name"][:-len(zone["name"])].rstrip(".") or "@"
        value = row["value"] + "." if row["type"] in ("NS", "CNAME", "MX", "SRV", "PTR") else row["value"]
        lines.append("%s\t%d\tIN\t%s\t%s" % (name, row["ttl"], row["type"], value))
    return lines

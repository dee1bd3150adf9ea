"""The OVH API as far as DNS zones go, with its $1$ signatures.

The point of it is the two states of a zone: records change at once in the API, and nothing of that is served before /refresh has
been accepted and has run. Reading a record back therefore proves nothing, and the sandbox must never make it prove something.
"""

import datetime
import fnmatch
import hashlib
import hmac
import ipaddress
import json
import re
import time
from email.utils import formatdate

from exchange import Refused, Response, json_response
from provider import Provider

BASES = ("/ovh/1.0", "/ovh/v1")
TYPES = ("A", "AAAA", "CAA", "CNAME", "DKIM", "DMARC", "DNAME", "LOC", "MX", "NAPTR", "NS", "PTR", "SPF", "SRV", "SSHFP", "TLSA", "TXT")
TEXT_TYPES = ("TXT", "SPF", "DKIM", "DMARC")
DEFAULT_TTL = 3600
HTTP_CODES = {400: "400 Bad Request", 401: "401 Unauthorized", 403: "403 Forbidden", 404: "404 Not Found", 405: "405 Method Not Allowed",
              409: "409 Conflict", 429: "429 Too Many Requests", 460: "460 Resource expired", 500: "500 Internal Server Error",
              502: "502 Bad Gateway", 503: "503 Service Unavailable", 504: "504 Gateway Timeout"}
CLASSES = {400: "Client::BadRequest", 404: "Client::NotFound", 405: "Client::MethodNotAllowed", 409: "Client::Conflict",
           429: "Client::TooManyRequests", 460: "Client::ResourceExpired", 500: "Server::InternalServerError",
           502: "Server::BadGateway", 503: "Server::ServiceUnavailable", 504: "Server::GatewayTimeout"}
MESSAGES = {"INVALID_SIGNATURE": "Invalid signature", "INVALID_CREDENTIAL": "This credential is not valid",
            "INVALID_KEY": "This application key is invalid", "NOT_CREDENTIAL": "You must login first",
            "NOT_GRANTED_CALL": "This call has not been granted", "FORBIDDEN": "Forbidden", "QUERY_TIME_OUT": "Query out of time",
            429: "Too many requests, please retry later", 460: "This service is expired", 500: "Internal server error",
            502: "Bad gateway", 503: "Service unavailable", 504: "Gateway timeout"}


def signature(secret, consumer, method, url, body, timestamp):
    """The signature of a request; `body` is bytes."""
    text = "+".join([secret, consumer, method, url]).encode() + b"+" + body + b"+" + str(timestamp).encode()
    return "$1$" + hashlib.sha1(text).hexdigest()


class Ovh(Provider):
    name = "ovh"

    def __init__(self, world, seed):
        super().__init__(world, seed)
        self._next_record = 5001240000
        self._refreshes = 0
        self._visible_at = {}  # id of a new record -> when GET by id begins to find it
        for entry in seed["zones"]:
            records = {}
            for fields in entry["records"]:
                record = {"id": fields.get("id") or self._new_id(), "zone": entry["name"], "subDomain": fields["subDomain"],
                          "fieldType": fields["fieldType"], "target": quoted(fields["fieldType"], fields["target"]),
                          "ttl": fields.get("ttl", 0)}
                records[record["id"]] = record
            self.zones[entry["name"]] = {
                "name": entry["name"], "records": records, "served": None, "serial": 0, "refreshing": False,
                "nameServers": entry.get("nameServers", ["dns18.ovh.net", "ns18.ovh.net"]), "updated": now_text()}

    def _new_id(self):
        self._next_record += 1
        return self._next_record

    # --- answering

    def handle(self, request):
        base = next((base for base in BASES if request.path.startswith(base + "/")), None)
        parts = request.segments(base) if base else []
        if parts == ["auth", "time"] and request.method == "GET":
            return self._with_id(json_response(200, self._now()))
        try:
            if not parts:
                self.refuse(404, "Got an invalid (or empty) URL")
            rules = self._authenticate(request, request.path[len(base):])
            response = self._route(request, parts, rules)
        except Refused as refused:
            response = refused.response
        return self._with_id(response)

    def _with_id(self, response):
        stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%d%H%M%S")
        response.headers["Date"] = formatdate(self._now(), usegmt=True)
        response.headers["X-Ovh-Queryid"] = "EU.sandbox-1.%x.%s" % (time.monotonic_ns(), stamp)
        return response

    def error(self, status, message, code=None):
        if code:
            body = {"errorCode": code, "httpCode": HTTP_CODES[status], "message": message}
        else:
            body = {"class": CLASSES.get(status, "Client::BadRequest"), "message": message}
        return json_response(status, body)

    def error_for(self, status, code):
        if code:
            return self._with_id(self.error(status, MESSAGES.get(code, code), code))
        return self._with_id(self.error(status, MESSAGES.get(status, "Error")))

    def is_publication(self, request):
        return request.path.endswith("/refresh")

    def _now(self):
        return int(time.time()) + self.option("skew_s")

    def _expiration(self):
        if not self.option("expires_in_s"):
            return None
        end = datetime.datetime.fromtimestamp(self._now() + self.option("expires_in_s"), datetime.timezone(datetime.timedelta(hours=1)))
        return end.isoformat(timespec="seconds")

    def _deny(self, status, code):
        self.refuse(status, MESSAGES[code], code)

    def _authenticate(self, request, path):
        application, consumer = request.headers.get("X-Ovh-Application"), request.headers.get("X-Ovh-Consumer")
        applications = {entry["application_key"]: entry for entry in self.seed["credentials"]}
        if application not in applications:
            self._deny(403, "INVALID_KEY")
        if not consumer:
            self._deny(403, "NOT_CREDENTIAL")
        entry = next((entry for entry in self.seed["credentials"]
                      if entry["application_key"] == application and entry["consumer_key"] == consumer), None)
        if entry is None or entry.get("status", "validated") == "expired":
            self._deny(403, "INVALID_CREDENTIAL")
        timestamp = request.headers.get("X-Ovh-Timestamp") or ""
        if not re.fullmatch(r"[0-9]{1,12}", timestamp):
            self._deny(400, "INVALID_SIGNATURE")
        if abs(int(timestamp) - self._now()) > self.option("tolerance_s"):
            self._deny(400, "QUERY_TIME_OUT")
        body = b"" if request.method in ("GET", "DELETE") else request.body  # a signed body there is not seen by the real one
        wanted = signature(entry["application_secret"], consumer, request.method, request.url, body, timestamp)
        given = request.headers.get("X-Ovh-Signature") or ""
        if not hmac.compare_digest(wanted.encode(), given.encode()) or entry.get("status") == "pendingValidation":
            self._deny(400, "INVALID_SIGNATURE")
        rules = entry.get("rules", [{"method": method, "path": "/*"} for method in ("GET", "POST", "PUT", "DELETE")])
        if not any(rule["method"] == request.method and fnmatch.fnmatchcase(path, rule["path"]) for rule in rules):
            self._deny(403, "NOT_GRANTED_CALL")
        return rules

    def _route(self, request, parts, rules):
        if parts == ["auth", "currentCredential"] and request.method == "GET":
            return json_response(200, {"status": "validated", "expiration": self._expiration(), "rules": rules, "applicationId": 1, "credentialId": 1})
        if parts[:2] != ["domain", "zone"] or len(parts) > 5:
            self.refuse(404, "Got an invalid (or empty) URL")
        if len(parts) == 2:
            self._allow(request, "GET")
            return json_response(200, [] if request.is_empty_list else list(self.zones))
        zone = self.zones.get(parts[2].lower())
        if zone is None:
            self.refuse(404, "This service does not exist")
        if len(parts) == 3:
            self._allow(request, "GET")
            return json_response(200, {"name": zone["name"], "nameServers": zone["nameServers"], "dnssecSupported": True,
                                       "hasDnsAnycast": False, "lastUpdate": zone["updated"]})
        if len(parts) == 4 and parts[3] in ("soa", "refresh", "record", "export"):
            return getattr(self, "_" + parts[3])(request, zone)
        if len(parts) == 5 and parts[3] == "record":
            return self._one_record(request, zone, parts[4])
        self.refuse(404, "Got an invalid (or empty) URL")

    def _allow(self, request, *methods):
        if request.method not in methods:
            self.refuse(405, "Method not allowed")

    def _soa(self, request, zone):
        self._allow(request, "GET")
        return json_response(200, {"server": zone["nameServers"][0] + ".", "serial": zone["serial"], "email": "tech.ovh.net.",
                                   "ttl": DEFAULT_TTL, "refresh": 3600, "nxDomainTtl": 60, "expire": 3600000})

    def _export(self, request, zone):
        """The zone as a text in the form of RFC 1035; targets stand there as they are kept."""
        self._allow(request, "GET")
        lines = ["$TTL %d" % DEFAULT_TTL, "@\tIN SOA %s. tech.ovh.net. (%d 86400 3600 3600000 60)" % (zone["nameServers"][0], zone["serial"])]
        for record in zone["records"].values():
            lines.append("%-25s %sIN %-5s %s" % (record["subDomain"] or "@", "%d " % record["ttl"] if record["ttl"] else "", record["fieldType"],
                                                 record["target"]))
        return json_response(200, "\n".join(lines) + "\n")

    def _refresh(self, request, zone):
        self._allow(request, "POST")
        if zone["refreshing"]:
            self.refuse(self.option("busy_status"), "A refresh of this zone is already running, please retry later")
        self._refreshes += 1
        zone["updated"] = now_text()
        delay = self.option("refresh_ms")
        if delay >= 0:
            zone["refreshing"] = True
            name, rows = zone["name"], self.rows(zone)
            self.world.after(delay, lambda: self._refreshed(name, rows))
        wanted = self.option("refresh_status")
        status = 200 + 4 * (self._refreshes % 2) if wanted == "alternate" else int(wanted)
        return Response(status, b"", {"Content-Type": "application/json"}, True)

    def _refreshed(self, name, rows):
        self.zones[name]["refreshing"] = False
        self.publish(name, rows)

    def _record(self, request, zone):
        self._allow(request, "GET", "POST")
        if request.method == "GET":
            parameters = request.parameters()
            found = [record["id"] for record in zone["records"].values()
                     if self._likes(record["fieldType"], parameters.get("fieldType"), False)
                     and self._likes(record["subDomain"], parameters.get("subDomain"), True)]
            return json_response(200, [] if request.is_empty_list else found)
        body = self._body(request)
        if body.get("fieldType") not in TYPES:
            self.refuse(400, "[fieldType] Given data (%s) does not belong to the NamedResolutionFieldTypeEnum enumeration"
                        % body.get("fieldType"))
        if not body.get("target"):
            self.refuse(400, "[target] Missing or empty parameter")
        record = {"id": self._new_id(), "zone": zone["name"], "subDomain": "", "fieldType": body["fieldType"], "target": "", "ttl": 0}
        self._apply(record, body)
        zone["records"][record["id"]] = record
        self._visible_at[record["id"]] = time.monotonic() + self.option("new_record_404_ms") / 1000
        shown = dict(record, id=0) if self.option("post_id_zero") else record
        return json_response(200, shown, is_effect=True)

    def _likes(self, value, wanted, is_caseless):
        """SQL's LIKE, which matches more than a client asked for; only an empty text (the apex) is exact."""
        if wanted is None:
            return True
        if wanted == "":
            return value == ""
        pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in wanted)
        flags = re.IGNORECASE if is_caseless else 0
        test = re.search if self.option("filter") == "contains" else re.fullmatch
        return test(pattern, value, flags) is not None

    def _one_record(self, request, zone, number):
        self._allow(request, "GET", "PUT", "DELETE")
        record = zone["records"].get(int(number)) if re.fullmatch("[0-9]{1,18}", number) else None
        if record is None or self._visible_at.get(record["id"], 0) > time.monotonic():
            self.refuse(404, "The requested object (id = %s) does not exist" % number)
        if request.method == "GET":
            return json_response(200, record)
        if request.method == "DELETE":
            del zone["records"][record["id"]]
        else:
            changed = dict(record, ttl=0)  # a ttl left out is a ttl of 0
            self._apply(changed, self._body(request))
            zone["records"][record["id"]] = changed
        return Response(200, self.option("put_body").encode(), {"Content-Type": "application/json"}, True)

    def _body(self, request):
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            self.refuse(400, "Invalid JSON received")
        # a body of the wrong shape is answered as if the signature were wrong: misleading, and real
        if not isinstance(body, dict) or any(isinstance(value, (list, dict)) for value in body.values()):
            self._deny(400, "INVALID_SIGNATURE")
        return body

    def _apply(self, record, body):
        for key in ("subDomain", "target"):
            if key in body:
                if not isinstance(body[key], str) and not (key == "subDomain" and body[key] is None):
                    self.refuse(400, "[%s] Given data (%s) is not valid for type string" % (key, body[key]))
                record[key] = body[key] or ""
        ttl = body.get("ttl")
        if ttl is not None:
            if not isinstance(ttl, int) or isinstance(ttl, bool):
                self.refuse(400, "[ttl] Given data (%s) is not valid for type long" % ttl)
            if ttl != 0 and ttl < 60:
                self.refuse(400, "Invalid ttl: it must be 0, or 60 or more")
            record["ttl"] = ttl
        check = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}.get(record["fieldType"])
        try:
            if check:
                check(record["target"])
        except ValueError:
            self.refuse(400, "Invalid target: %s is not an address for a record of type %s" % (record["target"], record["fieldType"]))
        shape = {"MX": r"[0-9]{1,5} \S+", "SRV": r"([0-9]{1,5} ){3}\S+"}.get(record["fieldType"])
        if shape and not re.fullmatch(shape, record["target"]):
            self.refuse(400, "Invalid target: %s does not fit a record of type %s" % (record["target"], record["fieldType"]))
        record["target"] = quoted(record["fieldType"], record["target"])

    # --- serving

    def rows(self, zone):
        rows = []
        for record in zone["records"].values():
            name = "%s.%s" % (record["subDomain"], zone["name"]) if record["subDomain"] else zone["name"]
            kind = "TXT" if record["fieldType"] in TEXT_TYPES else record["fieldType"]
            rows.append({"name": name, "type": kind, "ttl": record["ttl"] or DEFAULT_TTL, "value": absolute(record, zone["name"]),
                         "id": record["id"]})
        return rows

    def soa(self, zone):
        text = "%s tech.ovh.net %%d 86400 3600 3600000 60" % zone["nameServers"][0]
        return {"text": text, "serial": zone["serial"], "ttl": DEFAULT_TTL}


def now_text():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def quoted(kind, target):
    return '"%s"' % target if kind in TEXT_TYPES and not target.startswith('"') else target


def absolute(record, zone):
    """Host names without a final dot are relative to the zone."""
    if record["fieldType"] not in ("CNAME", "NS", "MX", "SRV", "PTR", "DNAME") or record["target"].endswith("."):
        return record["target"]
    return "%s.%s" % (record["target"], zone)

"""The Route 53 API as far as record sets and changes go, with AWS's signature check and XML.

Kept traps: a list starts at a name instead of filtering by it, UPSERT replaces a whole record set, a batch is all or nothing, a
change is PENDING before it is INSYNC, and "try again" comes as HTTP 400.
"""

import collections
import copy
import datetime
import ipaddress
import random
import re
import time
import uuid
import xml.etree.ElementTree as ElementTree
from xml.sax.saxutils import escape

import sigv4
from exchange import Refused, Response
from provider import Provider

BASE = "/aws/2013-04-01"
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
ORDER = ("Name", "Type", "SetIdentifier", "Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer", "TTL", "ResourceRecords",
         "AliasTarget", "HealthCheckId")
POLICIES = ("Weight", "Region", "GeoLocation", "Failover", "MultiValueAnswer")
TYPES = ("A", "AAAA", "CAA", "CNAME", "DS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "TXT")
MAX_ITEMS = 300
MESSAGES = {"Throttling": "Rate exceeded", "ThrottlingException": "Rate exceeded",
            "PriorRequestNotComplete": "The request was rejected because Route 53 was still processing a prior request.",
            "ServiceUnavailable": "Service Unavailable", "InternalFailure": "An internal error occurred.",
            "AccessDenied": "User is not authorized to perform this operation",
            "ExpiredToken": "The security token included in the request is expired"}
STATUS_CODES = {400: "InvalidInput", 403: "AccessDenied", 404: "NoSuchHostedZone", 429: "Throttling", 500: "InternalFailure",
                502: "InternalFailure", 503: "ServiceUnavailable", 504: "InternalFailure"}


class Route53(Provider):
    name = "route53"

    def __init__(self, world, seed):
        super().__init__(world, seed)
        self._changes = {}  # bare id -> {"status", "submitted", "zone", "comment"}
        self._sequence = 0
        self._recent = collections.deque()
        self._health_checks = set(seed.get("health_checks", []))
        for entry in seed["zones"]:
            records = {}
            for fields in entry["records"]:
                record_set = seeded(fields)
                records[identity(record_set)] = record_set
            self.zones[entry["id"]] = {
                "name": canonical_name(entry["name"]), "private": entry.get("private", False), "records": records, "served": None,
                "serial": 0, "served_sequence": 0, "is_served_at_start": not entry.get("private", False),
                "nameServers": [row["value"] for row in records_of(records, canonical_name(entry["name"]), "NS")]}

    # --- answering

    def handle(self, request):
        try:
            self._authenticate(request)
            self._limit_rate()
            response = self._route(request)
        except Refused as refused:
            response = refused.response
        response.headers["Date"] = self._now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        return response

    def error(self, status, code, message):
        return self._error_with(status, code, escape(message))

    @staticmethod
    def _error_with(status, code, text):
        number = str(uuid.uuid4())
        kind = "Sender" if status < 500 else "Receiver"
        body = ('<?xml version="1.0"?>\n<ErrorResponse xmlns="%s"><Error><Type>%s</Type><Code>%s</Code><Message>%s</Message></Error>'
                "<RequestId>%s</RequestId></ErrorResponse>" % (NAMESPACE, kind, code, text, number))
        return Response(status, body.encode(), {"Content-Type": "text/xml", "x-amzn-RequestId": number})

    def error_for(self, status, code):
        code = code or STATUS_CODES.get(status, "InvalidInput")
        if code == "InvalidChangeBatch":
            return self._bad_batch(["Refused by a fault"])
        return self.error(status, code, MESSAGES.get(code, code))

    def _bad_batch(self, messages):
        if self.option("invalid_batch_root") == "ErrorResponse":
            return self.error(400, "InvalidChangeBatch", "[%s]" % ", ".join(messages))
        number = str(uuid.uuid4())
        body = '<?xml version="1.0" encoding="UTF-8"?>\n<InvalidChangeBatch xmlns="%s"><Messages>%s</Messages><RequestId>%s</RequestId></InvalidChangeBatch>' % (
            NAMESPACE, "".join("<Message>%s</Message>" % escape(message) for message in messages), number)
        return Response(400, body.encode(), {"Content-Type": "text/xml", "x-amzn-RequestId": number})

    def _now(self):
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=self.option("skew_s"))

    def _authenticate(self, request):
        credentials = {entry["access_key_id"]: entry for entry in self.seed["credentials"]}
        try:
            sigv4.check(request, credentials, self._now(), skew_code=self.option("skew_code"))
        except sigv4.BadSignature as bad:
            self.refuse(bad.status, bad.code, bad.message)

    def _limit_rate(self):
        limit, now = self.option("rate"), time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if limit and len(self._recent) >= limit:
            self.refuse(400, "Throttling", "Rate exceeded")
        self._recent.append(now)

    def _route(self, request):
        parts = request.segments(BASE) if request.path.startswith(BASE + "/") else []
        if parts == ["hostedzone"] and request.method == "GET":
            return self._list_zones(request)
        if parts == ["hostedzonesbyname"] and request.method == "GET":
            return self._list_zones_by_name(request)
        if len(parts) == 2 and parts[0] == "change" and request.method == "GET":
            return self._get_change(request, parts[1])
        if len(parts) in (2, 3) and parts[0] == "hostedzone":
            zone = self.zones.get(parts[1])
            if zone is None:
                self.refuse(404, "NoSuchHostedZone", "No hosted zone found with ID: %s" % parts[1])
            if len(parts) == 2 and request.method == "GET":
                return self._get_zone(parts[1], zone)
            if parts[2:] == ["rrset"] and request.method == "GET":
                return self._list_record_sets(request, zone)
            if parts[2:] == ["rrset"] and request.method == "POST":
                return self._change_record_sets(request, parts[1], zone)
        self.refuse(404, "UnknownOperationException", "No operation has this method and path")

    # --- zones

    def _zone_xml(self, key, zone):
        return ("HostedZone", [("Id", "/hostedzone/" + key), ("Name", zone["name"]), ("CallerReference", "sandbox-" + key),
                               ("Config", [("PrivateZone", "true" if zone["private"] else "false")]),
                               ("ResourceRecordSetCount", str(len(zone["records"])))])

    def _list_zones(self, request):
        zones = [] if request.is_empty_list else [self._zone_xml(key, zone) for key, zone in self.zones.items()]
        return answer("ListHostedZonesResponse", [("HostedZones", zones), ("IsTruncated", "false"), ("MaxItems", "100")])

    def _list_zones_by_name(self, request):
        parameters = request.parameters()
        limit = self._max_items(parameters, 100)
        start = canonical_name(parameters["dnsname"]) if parameters.get("dnsname") else None
        ordered = sorted(((reversed_name(zone["name"]), key) for key, zone in self.zones.items()))
        if start is not None:
            ordered = [entry for entry in ordered if entry >= (reversed_name(start), parameters.get("hostedzoneid", ""))]
        if request.is_empty_list:
            ordered = []
        shown = [self._zone_xml(key, self.zones[key]) for _, key in ordered[:limit]]
        children = [("HostedZones", shown)]
        if start is not None:
            children.append(("DNSName", start))
        children.append(("IsTruncated", "true" if len(ordered) > limit else "false"))
        if len(ordered) > limit:
            children += [("NextDNSName", self.zones[ordered[limit][1]]["name"]), ("NextHostedZoneId", ordered[limit][1])]
        return answer("ListHostedZonesByNameResponse", children + [("MaxItems", str(limit))])

    def _get_zone(self, key, zone):
        servers = [("NameServer", server.rstrip(".")) for server in zone["nameServers"]]
        return answer("GetHostedZoneResponse", [self._zone_xml(key, zone), ("DelegationSet", [("NameServers", servers)])])

    # --- reading

    def _max_items(self, parameters, default=MAX_ITEMS):
        text = parameters.get("maxitems", str(default))
        if not re.fullmatch(r"[0-9]{1,9}", text) or int(text) < 1:
            self.refuse(400, "InvalidInput", "The parameter maxitems must be a positive integer.")
        return min(int(text), default)

    def _list_record_sets(self, request, zone):
        parameters = request.parameters()
        limit = self._max_items(parameters)
        name, kind, identifier = (parameters.get(key) for key in ("name", "type", "identifier"))
        if (kind and not name) or (identifier and not kind):
            self.refuse(400, "InvalidInput", "The input is not valid: a type needs a name, and an identifier needs a type.")
        ordered = sorted(zone["records"].values(), key=sort_key)
        if name:
            start = (reversed_name(canonical_name(name)), kind or "", identifier or "")
            ordered = [record_set for record_set in ordered if sort_key(record_set) >= start]
        if request.is_empty_list:
            ordered = []
        children = [("ResourceRecordSets", [("ResourceRecordSet", record_set_xml(entry)) for entry in ordered[:limit]]),
                    ("IsTruncated", "true" if len(ordered) > limit else "false")]
        if len(ordered) > limit:
            following = ordered[limit]
            children += [("NextRecordName", following["Name"]), ("NextRecordType", following["Type"])]
            if "SetIdentifier" in following:
                children.append(("NextRecordIdentifier", following["SetIdentifier"]))
        return answer("ListResourceRecordSetsResponse", children + [("MaxItems", str(limit))])

    def _get_change(self, request, number):
        change = self._changes.get(number)
        if change is None:
            self.refuse(404, "NoSuchChange", "Could not find resource with ID: %s" % number)
        status = "PENDING" if request.is_stale else change["status"]
        return answer("GetChangeResponse", [self._change_xml(number, dict(change, status=status))])

    @staticmethod
    def _change_xml(number, change):
        children = [("Id", "/change/" + number), ("Status", change["status"]), ("SubmittedAt", change["submitted"])]
        if change["comment"]:
            children.append(("Comment", change["comment"]))
        return "ChangeInfo", children

    # --- changing

    def _change_record_sets(self, request, key, zone):
        comment, changes = self._parse(request.body)
        is_busy = any(change["zone"] == key and change["status"] == "PENDING" for change in self._changes.values())
        if is_busy and self.option("one_at_a_time"):
            self.refuse(400, "PriorRequestNotComplete", MESSAGES["PriorRequestNotComplete"])
        records = copy.deepcopy(zone["records"])
        messages = []
        for action, record_set in changes:
            message = self._apply(zone, records, action, record_set)
            if message:
                messages.append(message)
        if not messages:
            messages = apex_problems(zone, records)
        if messages:
            raise Refused(self._bad_batch(messages))
        zone["records"] = records
        self._sequence += 1
        sequence, rows = self._sequence, self.rows(zone)
        number = "C" + "".join(random.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", k=20))
        submitted = self._now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
        self._changes[number] = {"status": "PENDING", "submitted": submitted, "zone": key, "comment": comment}
        self.world.after(self.option("insync_ms"), lambda: self._in_sync(number, key, sequence, rows))
        response = answer("ChangeResourceRecordSetsResponse", [self._change_xml(number, self._changes[number])])
        response.is_effect = True
        return response

    def _in_sync(self, number, key, sequence, rows):
        self._changes[number]["status"] = "INSYNC"
        zone = self.zones[key]
        if sequence > zone["served_sequence"]:  # the delay may have been shortened meanwhile; older never replaces newer
            zone["served_sequence"] = sequence
            if not zone["private"]:
                self.publish(key, rows)

    def _parse(self, body):
        """(comment, [(action, record set)]) of a ChangeResourceRecordSetsRequest."""
        try:
            root = ElementTree.fromstring(body)
        except (ElementTree.ParseError, ValueError) as error:
            self._invalid("Invalid XML ; %s" % error)
        if root.tag != "{%s}ChangeResourceRecordSetsRequest" % NAMESPACE:
            self._invalid("Invalid XML ; cannot find the declaration of element '%s'." % root.tag)
        batch = self._children(root, ("ChangeBatch",)).get("ChangeBatch")
        if batch is None:
            self._invalid("Invalid XML ; ChangeBatch is missing.")
        parts = self._children(batch, ("Comment", "Changes"))
        if "Changes" not in parts or len(parts["Changes"]) == 0:
            self._invalid("Invalid XML ; Changes must not be empty.")
        comment = parts["Comment"].text or "" if "Comment" in parts else ""
        changes = [self._parse_change(element) for element in parts["Changes"]]
        self._check_limits(changes)
        return comment, changes

    def _parse_change(self, element):
        if bare(element) != "Change":
            self._invalid("Invalid XML ; unexpected element '%s'." % bare(element))
        parts = self._children(element, ("Action", "ResourceRecordSet"))
        if set(parts) != {"Action", "ResourceRecordSet"} or parts["Action"].text not in ("CREATE", "DELETE", "UPSERT"):
            self._invalid("Invalid XML ; a Change has an Action (CREATE, DELETE, UPSERT) and a ResourceRecordSet.")
        return parts["Action"].text, self._parse_record_set(parts["Action"].text, parts["ResourceRecordSet"])

    def _parse_record_set(self, action, element):
        parts = self._children(element, ORDER)
        record_set = {}
        for name, child in parts.items():
            if name == "ResourceRecords":
                record_set[name] = [self._parse_value(entry) for entry in child]
            elif name in ("AliasTarget", "GeoLocation"):
                record_set[name] = {bare(entry): entry.text or "" for entry in child}
            elif name in ("TTL", "Weight"):
                record_set[name] = self._number(name, child.text)
            else:
                record_set[name] = child.text or ""
        if not record_set.get("Name") or record_set.get("Type") not in TYPES:
            self._invalid("Invalid XML ; a ResourceRecordSet has a Name and a known Type.")
        record_set["Name"] = canonical_name(record_set["Name"])
        where = "Change with [Action=%s, Name=%s, Type=%s, SetIdentifier=%s]" % (
            action, record_set["Name"], record_set["Type"], record_set.get("SetIdentifier", "null"))
        if ("ResourceRecords" in record_set) == ("AliasTarget" in record_set):
            self._invalid("Invalid request: Expected exactly one of [AliasTarget, all of [TTL, and ResourceRecords], or "
                          "TrafficPolicyInstanceId], but found %s in %s" % ("more than one" if "AliasTarget" in record_set else "none", where))
        if "ResourceRecords" in record_set and "TTL" not in record_set:
            self._invalid("Invalid request: Missing field 'TTL' in %s" % where)
        if len(policy_of(record_set)) != ("SetIdentifier" in record_set):
            self._invalid("Invalid request: a routing policy needs a SetIdentifier, and a SetIdentifier one policy, in %s" % where)
        return record_set

    def _parse_value(self, element):
        value = self._children(element, ("Value",)).get("Value")
        if bare(element) != "ResourceRecord" or value is None or not value.text:
            self._invalid("Invalid XML ; a ResourceRecord has a Value.")
        return value.text

    def _number(self, name, text):
        if not re.fullmatch(r"[0-9]{1,10}", text or "") or int(text) > 2147483647:
            self._invalid("Invalid XML ; %s must be a number from 0 to 2147483647." % name)
        return int(text)

    def _children(self, element, allowed):
        found = {}
        for child in element:
            name = bare(child)
            if name not in allowed or child.tag != "{%s}%s" % (NAMESPACE, name):
                self._invalid("Invalid XML ; cvc-complex-type.2.4.a: Invalid content was found starting with element '%s'." % child.tag)
            if name in found:
                self._invalid("Invalid XML ; element '%s' appears twice." % name)
            found[name] = child
        return found

    def _check_limits(self, changes):
        values = [(2 if action == "UPSERT" else 1, value) for action, record_set in changes
                  for value in record_set.get("ResourceRecords", [])]
        if sum(weight for weight, _ in values) > 1000:
            raise Refused(self._bad_batch(["Number of records limit of 1000 exceeded."]))
        if sum(weight * len(value) for weight, value in values) > 32000:
            raise Refused(self._bad_batch(["Number of characters limit of 32000 exceeded."]))

    def _invalid(self, message):
        self.refuse(400, "InvalidInput", message)

    def _apply(self, zone, records, action, record_set):
        """Applies one change to the copy, or answers why it cannot be."""
        name, kind, key = record_set["Name"], record_set["Type"], identity(record_set)
        words = "[name='%s', type='%s'%s]" % (name, kind, ", set identifier='%s'" % key[2] if key[2] else "")
        if action == "DELETE":
            if key not in records:
                return "Tried to delete resource record set %s but it was not found" % words
            if comparable(records[key]) != comparable(record_set):
                return "Tried to delete resource record set %s but the values provided do not match the current values" % words
            del records[key]
            return None
        problem = name_problem(name, zone["name"]) or value_problem(record_set)
        if problem:
            return problem
        if action == "CREATE" and key in records:
            return "Tried to create resource record set %s but it already exists" % words
        others = [other for other in records if other[0] == name and other != key]
        if any(other[1] == "CNAME" or kind == "CNAME" for other in others if other[1] != kind):
            return ("RRSet of type %s with DNS name %s is not permitted as it conflicts with other records with the same DNS name in "
                    "zone %s" % (kind, name, zone["name"]))
        if any(policy_of(records[other]) != policy_of(record_set) for other in others if other[1] == kind):
            return ("RRSet with DNS name %s, type %s, SetIdentifier %s cannot be created as a non-matching set exists with the same "
                    "name and type." % (name, kind, key[2] or "null"))
        if "HealthCheckId" in record_set and record_set["HealthCheckId"] not in self._health_checks:
            self.refuse(404, "NoSuchHealthCheck", "A health check with id %s does not exist." % record_set["HealthCheckId"])
        records[key] = record_set
        return None

    # --- serving

    def rows(self, zone):
        sets = {}
        for record_set in zone["records"].values():
            sets.setdefault((record_set["Name"], record_set["Type"]), []).append(record_set)
        rows = []
        for key in sorted(sets, key=lambda pair: (reversed_name(pair[0]), pair[1])):
            if key[1] != "SOA":  # the served SOA has a serial of its own
                rows += answered(sets, key, 0)
        return rows

    def soa(self, zone):
        record = next(iter(records_of(zone["records"], zone["name"], "SOA")))
        fields = record["value"].split()
        fields[2] = "%d"
        return {"text": " ".join(field.rstrip(".") for field in fields), "serial": zone["serial"], "ttl": record["ttl"]}


def answered(sets, key, depth):
    """The rows of one name and type after its routing policy; all health checks count as well."""
    candidates = sorted(sets.get(key, []), key=lambda entry: entry.get("SetIdentifier", ""))
    if not candidates:
        return []
    chosen = candidates[:1]
    if "Weight" in candidates[0]:
        chosen = [max(candidates, key=lambda entry: entry["Weight"])]
    elif "Failover" in candidates[0]:
        chosen = [entry for entry in candidates if entry["Failover"] == "PRIMARY"][:1] or chosen
    elif "MultiValueAnswer" in candidates[0]:
        chosen = candidates
    rows = []
    for entry in chosen:
        if "AliasTarget" in entry:
            target = (canonical_name(entry["AliasTarget"].get("DNSName", "")), key[1])
            rows += [dict(row, name=dns_name(key[0])) for row in (answered(sets, target, depth + 1) if depth < 4 else [])]
        else:
            rows += [{"name": dns_name(key[0]), "type": key[1], "ttl": entry["TTL"], "value": value} for value in entry["ResourceRecords"]]
    return rows


def answer(root, children):
    body = '<?xml version="1.0"?>\n<%s xmlns="%s">%s</%s>' % (root, NAMESPACE, xml_of(children), root)
    return Response(200, body.encode(), {"Content-Type": "text/xml", "x-amzn-RequestId": str(uuid.uuid4())})


def xml_of(children):
    return "".join("<%s>%s</%s>" % (name, escape(value) if isinstance(value, str) else xml_of(value), name) for name, value in children)


def record_set_xml(record_set):
    children = []
    for name in ORDER:
        value = record_set.get(name)
        if name == "ResourceRecords" and value is not None:
            value = [("ResourceRecord", [("Value", text)]) for text in value]
        elif isinstance(value, dict):
            value = list(value.items())
        if value is not None:
            children.append((name, str(value) if isinstance(value, int) else value))
    return children


def bare(element):
    return element.tag.rpartition("}")[2]


def seeded(fields):
    """A record set from the seed: name, type, ttl and values for a plain one; any other field by its own name."""
    short = {"name": "Name", "type": "Type", "ttl": "TTL", "values": "ResourceRecords"}
    record_set = {short.get(key, key): value for key, value in fields.items()}
    record_set["Name"] = canonical_name(record_set["Name"])
    return record_set


def identity(record_set):
    return record_set["Name"], record_set["Type"], record_set.get("SetIdentifier", "")


def policy_of(record_set):
    return [policy for policy in POLICIES if policy in record_set]


def comparable(record_set):
    same = dict(record_set)
    if "ResourceRecords" in same:
        same["ResourceRecords"] = sorted(same["ResourceRecords"])
    return same


def records_of(records, name, kind):
    for record_set in records.values():
        if record_set["Name"] == name and record_set["Type"] == kind:
            for value in record_set["ResourceRecords"]:
                yield {"value": value, "ttl": record_set["TTL"]}


def canonical_name(name):
    """Lower case, a final dot, and every unusual character as its octal code: `*` is `\\052`."""
    plain = re.sub(r"\\([0-3][0-7][0-7])", lambda match: chr(int(match.group(1), 8)), name).lower().rstrip(".")
    return re.sub(r"[^a-z0-9._-]", lambda match: "\\%03o" % ord(match.group(0)), plain) + "."


def dns_name(name):
    return re.sub(r"\\([0-3][0-7][0-7])", lambda match: chr(int(match.group(1), 8)), name).rstrip(".")


def reversed_name(name):
    """org.example.app. for app.example.org.: the final dot takes part, so app-2 comes before app."""
    return ".".join(reversed(name.rstrip(".").split("."))) + "."


def sort_key(record_set):
    return reversed_name(record_set["Name"]), record_set["Type"], record_set.get("SetIdentifier", "")


def name_problem(name, zone):
    if name != zone and not name.endswith("." + zone):
        return "RRSet with DNS name %s is not permitted in zone %s" % (name, zone)
    labels = dns_name(name).split(".")
    if any(label == "" for label in labels):
        return "FATAL problem: DomainLabelEmpty (Domain label is empty) encountered with '%s'" % name
    if any(len(label) > 63 for label in labels) or len(name) > 255:
        return "FATAL problem: DomainLabelTooLong (Domain label is too long) encountered with '%s'" % name
    return None


def value_problem(record_set):
    values = record_set.get("ResourceRecords")
    if values is None:
        return None
    if not values:
        return "Invalid Resource Record: a record set needs at least one value"
    doubled = [value for value, count in collections.Counter(values).items() if count > 1]
    if doubled:
        return "Duplicate Resource Record: '%s'" % doubled[0]
    if record_set["Type"] == "CNAME" and len(values) > 1:
        return "Invalid Resource Record: a CNAME has one value"
    for value in values:
        problem = data_problem(record_set["Type"], value)
        if problem:
            return "Invalid Resource Record: 'FATAL problem: %s encountered with '%s''" % (problem, value)
    return None


def data_problem(kind, value):
    try:
        if kind == "A":
            ipaddress.IPv4Address(value)
        elif kind == "AAAA":
            ipaddress.IPv6Address(value)
    except ValueError:
        return "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)" if kind == "A" else \
            "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"
    if kind in ("TXT", "SPF") and not re.fullmatch(r'("([^"\\]|\\.)*"\s*)+', value):
        return "InvalidCharacterString (Value should be enclosed in quotation marks)"
    if kind == "MX" and not re.fullmatch(r"\d+ \S+", value):
        return "MXRRDATANotTwoFields (MX record doesn't have 2 fields)"
    if kind == "SRV" and not re.fullmatch(r"\d+ \d+ \d+ \S+", value):
        return "SRVRRDATANotFourFields (SRV record doesn't have 4 fields)"
    return None


def apex_problems(zone, records):
    messages = []
    for kind in ("SOA", "NS"):
        if (zone["name"], kind, "") not in records:
            messages.append("A HostedZone must contain %s record." % ("exactly one SOA" if kind == "SOA" else "at least one NS"))
    if any(name == zone["name"] and kind == "CNAME" for name, kind, _ in records):
        messages.append("RRSet of type CNAME with DNS name %s is not permitted at apex in zone %s" % (zone["name"], zone["name"]))
    return messages

"""Checks AWS Signature Version 4 in the Authorization header, as the services other than S3 do.

Written from the published algorithm and not from a client library, so that a client's mistake is found and not shared.
"""

import datetime
import hashlib
import hmac
import posixpath
import re
import urllib.parse

ALGORITHM = "AWS4-HMAC-SHA256"
MAX_SKEW_S = 300


class BadSignature(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def check(request, credentials, now, region="us-east-1", service="route53", skew_code="SignatureDoesNotMatch"):
    """Raises BadSignature; `credentials` maps an access key id to its entry of the seed, `now` is an aware datetime."""
    fields = parse_authorization(request.headers.get("Authorization"))
    key_id, date, scope = parse_scope(fields["Credential"])
    credential = credentials.get(key_id)
    if credential is None:
        raise BadSignature(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    check_token(request, credential)
    stamp = request.headers.get("X-Amz-Date") or ""
    check_time(stamp, now, skew_code)
    if scope != (region, service, "aws4_request"):
        raise BadSignature(403, "SignatureDoesNotMatch", "Credential should be scoped to region '%s', service '%s' and end with "
                           "'aws4_request', not '%s'." % (region, service, "/".join(scope)))
    if date != stamp[:8]:
        raise BadSignature(403, "SignatureDoesNotMatch", "Date in Credential scope does not match YYYYMMDD from ISO-8601 version "
                           "of date from HTTP: '%s' != '%s', from '%s'." % (date, stamp[:8], stamp))
    names = fields["SignedHeaders"].split(";")
    check_signed_headers(request, names)
    canonical = canonical_request(request, names)
    text = "\n".join([ALGORITHM, stamp, "/".join((date,) + scope), hashlib.sha256(canonical.encode()).hexdigest()])
    expected = hmac.new(signing_key(credential["secret_access_key"], date, scope), text.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), fields["Signature"].encode()):
        raise BadSignature(403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you "
                           "provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for "
                           "details.\n\nThe Canonical String for this request should have been\n'%s'\n\nThe String-to-Sign should "
                           "have been\n'%s'\n" % (canonical, text))


def parse_authorization(header):
    if not header:
        raise BadSignature(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    algorithm, _, rest = header.strip().partition(" ")
    if algorithm != ALGORITHM:
        raise BadSignature(400, "IncompleteSignature", "Unsupported algorithm '%s'" % algorithm)
    fields = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    for name in ("Credential", "SignedHeaders", "Signature"):
        if not fields.get(name):
            raise BadSignature(400, "IncompleteSignature", "Authorization header requires '%s' parameter." % name)
    return fields


def parse_scope(credential):
    parts = credential.split("/")
    if len(parts) != 5:
        raise BadSignature(400, "IncompleteSignature", "Credential must have exactly 5 slash-delimited elements.")
    return parts[0], parts[1], tuple(parts[2:])


def check_token(request, credential):
    token = request.headers.get("X-Amz-Security-Token")
    if token != credential.get("session_token"):
        raise BadSignature(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    if credential.get("expired"):
        raise BadSignature(403, "ExpiredToken", "The security token included in the request is expired")


def check_time(stamp, now, skew_code):
    if not re.fullmatch(r"\d{8}T\d{6}Z", stamp):
        raise BadSignature(400, "IncompleteSignature", "Date must be in ISO-8601 'basic format'. Got '%s'." % stamp)
    try:
        sent = datetime.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    except ValueError:
        raise BadSignature(400, "IncompleteSignature", "Date must be in ISO-8601 'basic format'. Got '%s'." % stamp) from None
    limit = datetime.timedelta(seconds=MAX_SKEW_S)
    form = "%Y%m%dT%H%M%SZ"
    if sent < now - limit:
        raise BadSignature(403, skew_code, "Signature expired: %s is now earlier than %s (%s - 5 min.)"
                           % (stamp, (now - limit).strftime(form), now.strftime(form)))
    if sent > now + limit:
        raise BadSignature(403, skew_code, "Signature not yet current: %s is still later than %s (%s + 5 min.)"
                           % (stamp, (now + limit).strftime(form), now.strftime(form)))


def check_signed_headers(request, names):
    if names != sorted(names) or any(name != name.lower() for name in names):
        raise BadSignature(403, "SignatureDoesNotMatch", "SignedHeaders must be in lower case and in order.")
    present = {name.lower() for name in request.headers.keys()}
    must = {"host"} | {name for name in present if name.startswith("x-amz-")}
    if must - set(names):
        raise BadSignature(403, "SignatureDoesNotMatch", "'%s' must be a 'SignedHeader' in the AWS Authorization." % sorted(must - set(names))[0])


def canonical_request(request, names):
    headers = "".join("%s:%s\n" % (name, header_value(request, name)) for name in names)
    return "\n".join([request.method, canonical_path(request.path), canonical_query(request.query), headers, ";".join(names),
                      hashlib.sha256(request.body).hexdigest()])


def header_value(request, name):
    values = request.headers.get_all(name) or [""]
    return ",".join(re.sub(r" +", " ", value.strip()) for value in values)


def canonical_path(path):
    """Dot segments and doubled slashes go, and what was sent (encoded once already) is encoded again."""
    normal = posixpath.normpath(path) if path else "/"
    normal = re.sub("^/+", "/", normal)
    if path.endswith("/") and normal != "/":
        normal += "/"
    return urllib.parse.quote(normal, safe="/-_.~")


def canonical_query(query):
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        pairs.append((encode(urllib.parse.unquote(name)), encode(urllib.parse.unquote(value))))
    return "&".join("%s=%s" % pair for pair in sorted(pairs))


def encode(text):
    return urllib.parse.quote(text, safe="-_.~")


def signing_key(secret, date, scope):
    key = ("AWS4" + secret).encode()
    for part in (date,) + scope:
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key

"""One HTTP exchange as the providers see it, free of sockets.

The raw target is kept exactly as the client sent it, because OVH and AWS sign those bytes; nothing here may normalise it.
"""

import json
import urllib.parse
from dataclasses import dataclass, field


@dataclass
class Request:
    provider: str
    method: str
    target: str  # path and query exactly as on the request line
    headers: object  # case-insensitive .get(), as http.server gives it
    body: bytes
    address: str = "127.0.0.1"
    is_stale: bool = False  # a fault asks for the state before the last change
    is_empty_list: bool = False  # a fault asks for a list without entries

    @property
    def path(self):
        return self.target.partition("?")[0]

    @property
    def query(self):
        return self.target.partition("?")[2]

    @property
    def url(self):
        return "http://%s%s" % (self.headers.get("Host", ""), self.target)

    def parameters(self):
        """Query parameters as a dict; the last one of a name wins."""
        return dict(urllib.parse.parse_qsl(self.query, keep_blank_values=True))

    def segments(self, base):
        """The decoded path segments behind a base such as /linode/v4; a trailing slash makes no segment."""
        rest = self.path[len(base):]
        return [urllib.parse.unquote(part) for part in rest.split("/") if part != ""]


@dataclass
class Response:
    status: int
    body: bytes = b""
    headers: dict = field(default_factory=dict)
    is_effect: bool = False  # something the provider keeps was changed


class Refused(Exception):
    """Raised anywhere inside a provider to answer with an error at once."""

    def __init__(self, response):
        super().__init__(response.status)
        self.response = response


def json_response(status, value, is_effect=False, headers=None):
    text = json.dumps(value, separators=(", ", ": ")).encode()
    all_headers = {"Content-Type": "application/json"}
    all_headers.update(headers or {})
    return Response(status, text, all_headers, is_effect)

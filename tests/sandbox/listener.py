"""The listener of the three APIs: finds the provider, carries out a fault if one is due, and keeps the log of requests."""

import json

from exchange import Request, Response
from wire import Connection, Server

PREFIXES = (("/linode/", "linode"), ("/ovh/", "ovh"), ("/aws/", "route53"))
CONTROL = "/_sandbox/"
NGINX = "<html>\r\n<head><title>%s</title></head>\r\n<body>\r\n<center><h1>%s</h1></center>\r\n<hr><center>nginx</center>\r\n</body>\r\n</html>\r\n"
NGINX_TITLES = {400: "400 Bad Request", 502: "502 Bad Gateway", 503: "503 Service Temporarily Unavailable", 504: "504 Gateway Time-out"}
GARBAGE = {"linode": ("application/json", '{"unexpected": [1, null, {"data": "x"}], "page": "one"}'),
           "ovh": ("application/json", '[{"unexpected": null}, "x", 1.5]'),
           "route53": ("text/xml", '<?xml version="1.0"?>\n<Unexpected xmlns="urn:none"><ChangeInfo/><Status>MAYBE</Status></Unexpected>')}


class ProviderConnection(Connection):
    def serve(self):
        if self.target.startswith(CONTROL):
            status, value = self.server.control.handle(self.command, self.target, self.body)
            return self.answer(status, {"Content-Type": "application/json"}, (json.dumps(value, indent=1) + "\n").encode())
        provider = next((name for prefix, name in PREFIXES if self.target.startswith(prefix)), None)
        if provider is None:
            return self.answer(404, {"Content-Type": "text/plain"}, b"the sandbox has /linode/v4, /ovh/1.0, /aws and /_sandbox\n")
        request = Request(provider, self.command, self.target, self.headers, self.body, self.client_address[0])
        world = self.server.world
        entry = world.log_open(request)
        fault = world.faults.pick(request)
        if fault is None:
            response = world.perform(request)
            world.log_close(entry, response.status, response.is_effect, None)
            return self.answer(response.status, response.headers, response.body)
        return Delivery(self, world, request, entry, fault).run()


class Delivery:
    """One request that a fault has hit."""

    def __init__(self, connection, world, request, entry, fault):
        self.connection, self.world, self.request, self.entry, self.fault = connection, world, request, entry, fault

    def run(self):
        getattr(self, "_" + self.fault.kind)()

    def _close_log(self, status, response=None):
        self.world.log_close(self.entry, status, response is not None and response.is_effect, self.fault.kind)

    def _perform(self):
        return self.world.perform(self.request)

    def _send(self, response):
        self.connection.answer(response.status, response.headers, response.body)

    def _status(self):
        made = self._perform() if self.fault.get("effect") else None
        code, status = self.fault.get("code"), self.fault.status(self.request.provider)
        with self.world.lock:
            response = self.world.providers[self.request.provider].error_for(status, code)
        response.status = self.fault.get("status") or response.status
        if self.fault.get("body") is not None:
            response.body = as_bytes(self.fault.get("body"))
        if self.fault.get("content_type"):
            response.headers["Content-Type"] = self.fault.get("content_type")
        for name, value in (self.fault.get("headers") or {}).items():
            response.headers.pop(name, None)
            if value is not None:
                response.headers[name] = str(value)
        self._close_log(response.status, made)
        self._send(response)

    def _html(self):
        status = self.fault.get("status", 502)
        title = NGINX_TITLES.get(status, "%d Error" % status)
        self._close_log(status, self._perform() if self.fault.get("effect") else None)
        self._send(Response(status, (NGINX % (title, title)).encode(), {"Server": "nginx", "Content-Type": "text/html"}))

    def _timeout_before(self):
        self._close_log(None)
        self.connection.hang(self.fault.get("ms"))

    def _timeout_after(self):
        self._close_log(None, self._perform())
        self.connection.hang(self.fault.get("ms"))

    def _reset_before(self):
        self._close_log(None)
        self.connection.reset()

    def _reset_after(self):
        self._close_log(None, self._perform())
        self.connection.reset()

    def _slow(self):
        response = self._perform()
        self._close_log(response.status, response)
        self.connection.server.stopping.wait(self.fault.get("ms", 1000) / 1000)
        self._send(response)

    def _late(self):
        self.connection.server.stopping.wait(self.fault.get("ms", 1000) / 1000)
        self._plain()

    def _drip(self):
        response = self._perform()
        self._close_log(response.status, response)
        head, body = self.connection.render(response.status, response.headers, response.body)
        self.connection.drip(head + body, self.fault.get("ms", 100))

    def _truncate(self):
        response = self._perform()
        self._close_log(response.status, response)
        self.connection.close_connection = True
        if not response.body:  # nothing to cut: promise one byte more than comes
            head, body = self.connection.render(200, response.headers, b" ")
            keep = 0
        else:
            head, body = self.connection.render(response.status, response.headers, response.body)
            keep = min(self.fault.get("after_bytes", len(body) // 2), len(body) - 1)
        self.connection.connection.sendall(head + body[:keep])

    def _garbage(self):
        response = self._perform()
        content_type, body = GARBAGE[self.request.provider]
        if self.fault.get("body") is not None:
            body = self.fault.get("body")
        self._close_log(self.fault.get("status", 200), response)
        self._send(Response(self.fault.get("status", 200), as_bytes(body), {"Content-Type": self.fault.get("content_type", content_type)}))

    def _stale_read(self):
        self.request.is_stale = True
        self._plain()

    def _empty_list(self):
        self.request.is_empty_list = True
        self._plain()

    def _plain(self):
        response = self._perform()
        self._close_log(response.status, response)
        self._send(response)


def as_bytes(body):
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def make_server(address, port, world, control):
    server = Server((address, port), ProviderConnection)
    server.world, server.control = world, control
    return server

"""The control API below /_sandbox/: how a test looks into the sandbox and tells it what to do. Never part of a provider.

    GET state                                zones as accepted and as served, counters, options, sites, faults
    GET requests?provider=&after=N, DELETE   every request received, without credentials
    GET faults, POST [fault, ...], DELETE    see faults.py
    GET options, POST {name: value}          see OPTIONS in world.py
    GET sites, POST sites/NAME {"mode": ...} see sites.py
    POST dns {"mode": "ok" or "hang"}        a name server that says nothing
    POST reset                               all as at the start
"""

import json
import urllib.parse


class Control:
    def __init__(self, world, sites):
        self.world = world
        self.sites = sites

    def handle(self, method, target, body):
        """(status, JSON value)"""
        path, _, query = target.partition("?")
        parts = [part for part in path.split("/")[2:] if part]
        routes = {"state": self._state, "requests": self._requests, "reset": self._reset, "faults": self._faults,
                  "options": self._options, "dns": self._dns, "sites": self._sites}
        if not parts or parts[0] not in routes or len(parts) > (2 if parts[0] == "sites" else 1):
            return 404, {"error": "no such page; there are " + ", ".join("/_sandbox/" + name for name in routes)}
        try:
            value = json.loads(body) if body else None
        except ValueError as error:
            return 400, {"error": "the body is not JSON: %s" % error}
        return routes[parts[0]](method, parts[1:], dict(urllib.parse.parse_qsl(query)), value) or (405, {"error": "method not allowed"})

    def _state(self, method, _parts, _query, _value):
        if method == "GET":
            return 200, dict(self.world.describe(), sites=self.sites.describe(), faults=self.world.faults.describe())
        return None

    def _requests(self, method, _parts, query, _value):
        if method == "GET":
            after = query.get("after", "0")
            return 200, self.world.log(query.get("provider"), int(after) if after.isdecimal() else 0)
        if method == "DELETE":
            self.world.clear_log()
            return 200, {}
        return None

    def _reset(self, method, _parts, _query, _value):
        if method != "POST":
            return None
        self.world.reset()
        self.sites.reset()
        self.world.nameserver.set_hanging(False)
        return 200, {}

    def _faults(self, method, _parts, _query, value):
        if method == "GET":
            return 200, self.world.faults.describe()
        if method == "DELETE":
            self.world.faults.clear()
            return 200, {}
        if method == "POST":
            ids, problem = self.world.faults.add(value)
            return (400, {"error": problem}) if problem else (200, {"ids": ids})
        return None

    def _options(self, method, _parts, _query, value):
        if method == "GET":
            return 200, dict(self.world.options)
        if method == "POST":
            problem = self.world.set_options(value) if isinstance(value, dict) else "the body is an object"
            return (400, {"error": problem}) if problem else (200, dict(self.world.options))
        return None

    def _dns(self, method, _parts, _query, value):
        if method != "POST":
            return None
        mode = value.get("mode") if isinstance(value, dict) else None
        if mode not in ("ok", "hang"):
            return 400, {"error": "mode is ok or hang"}
        self.world.nameserver.set_hanging(mode == "hang")
        return 200, {"mode": mode}

    def _sites(self, method, parts, _query, value):
        if method == "GET" and not parts:
            return 200, self.sites.describe()
        if method == "POST" and parts:
            problem = self.sites.change(parts[0], value)
            return (400, {"error": problem}) if problem else (200, self.sites.describe()[parts[0]])
        return None

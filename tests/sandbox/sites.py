"""Little web sites for http.check to look at: one listener each, which can be made to fail in the ways real ones do."""

import threading

from wire import Connection, Server

MODES = ("ok", "503", "close", "hang", "slow", "down")


class SiteConnection(Connection):
    def serve(self):
        site = self.server.site
        site.count += 1
        site.last_host = self.headers.get("Host")
        mode = site.mode
        if mode == "close":
            self.close_connection = True
            return None
        if mode == "hang":
            return self.hang()
        if mode == "slow":
            self.server.stopping.wait(site.slow_ms / 1000)
        headers = {"Content-Type": "text/plain", "X-Site": site.name, "Cache-Control": "no-store"}
        if mode == "503":
            return self.answer(503, headers, ("unavailable %s\n" % site.name).encode())
        if self.target.partition("?")[0].endswith("/healthz"):
            return self.answer(200, headers, (site.body or "ok %s\n" % site.name).encode())
        return self.answer(200, headers, ("this is site %s\n" % site.name).encode())


class Site:
    def __init__(self, name, address, port):
        self.name, self.address, self.port = name, address, port
        self.mode, self.slow_ms, self.body = "ok", 1000, None
        self.count, self.last_host = 0, None
        self._server = None
        self.open()

    def open(self):
        if self._server is None:
            self._server = Server((self.address, self.port), SiteConnection)
            self._server.site = self
            self.port = self._server.server_port
            self._server.start("site " + self.name)

    def close(self):
        """From now on connections are refused, and those open are ended."""
        if self._server is not None:
            self._server.stop()
            self._server = None

    def set_mode(self, mode):
        self.mode = mode
        if mode == "down":
            self.close()
        else:
            self.open()


class Sites:
    def __init__(self):
        self._lock = threading.Lock()
        self._sites = {}

    def add_all(self, endpoints):
        """(name, address, port) each. Those with port 0 get one chosen port together where their addresses differ: then one URL
        reaches each of them by its address alone."""
        shared = 0
        for _ in range(20):
            try:
                for name, address, port in endpoints:
                    is_taken = any(site.address == address and site.port == shared for site in self._sites.values())
                    self._sites[name] = Site(name, address, port or (0 if is_taken else shared))
                    if port == 0 and shared == 0:
                        shared = self._sites[name].port
                return
            except OSError:
                self.stop()
                self._sites.clear()
                if shared == 0:
                    raise
                shared = 0
        raise OSError("found no port that is free on all addresses of the sites")

    def describe(self):
        return {site.name: {"address": "%s:%d" % (site.address, site.port), "mode": site.mode, "requests": site.count,
                            "last_host": site.last_host} for site in self._sites.values()}

    def change(self, name, value):
        """What is wrong with the request, or None when it has been carried out."""
        site = self._sites.get(name)
        if site is None:
            return "no such site; there are " + (", ".join(self._sites) or "none")
        if not isinstance(value, dict) or value.get("mode", site.mode) not in MODES or set(value) - {"mode", "ms", "body"}:
            return "the body is {\"mode\": one of %s, \"ms\": for slow, \"body\": of /healthz}" % ", ".join(MODES)
        if not isinstance(value.get("ms", 0), int) or not isinstance(value.get("body", ""), str):
            return "ms is a whole number, body a text"
        with self._lock:
            site.slow_ms = value.get("ms", site.slow_ms)
            site.body = value.get("body", site.body)
            try:
                site.set_mode(value.get("mode", site.mode))
            except OSError as error:
                return "cannot listen on %s:%d again: %s" % (site.address, site.port, error)
        return None

    def reset(self):
        with self._lock:
            for site in self._sites.values():
                site.slow_ms, site.body, site.count, site.last_host = 1000, None, 0, None
                site.set_mode("ok")

    def stop(self):
        with self._lock:
            for site in self._sites.values():
                site.close()

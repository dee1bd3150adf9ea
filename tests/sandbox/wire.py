"""HTTP on the server side with the control over single bytes that faults need.

It reads one request whole (also a chunked one) and writes one answer as raw bytes, so that an answer can be cut, dripped, held back
or replaced by a reset. Both the providers' listener and the little site listeners stand on it.
"""

import http.server
import select
import socket
import struct
import sys
import threading
import time
import traceback
from email.utils import formatdate
from http.client import responses

MAX_BODY = 8 * 1024 * 1024
IDLE_S = 120


class BadRequest(Exception):
    pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256
    allow_reuse_address = True

    def __init__(self, address, handler):
        self.stopping = threading.Event()
        self.connections = set()
        super().__init__(address, handler)

    def server_bind(self):
        # not HTTPServer's, which asks the resolver for a name of this machine
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = self.server_address[:2]

    def handle_error(self, request, client_address):
        pass  # a client that went away

    def start(self, name):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True, name=name).start()

    def stop(self):
        """Stops listening and ends every connection."""
        self.stopping.set()
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


class Connection(http.server.BaseHTTPRequestHandler):
    """Subclasses give serve(), called once for each request with self.target and self.body set."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_S
    disable_nagle_algorithm = True
    wbufsize = 0

    def serve(self):
        raise NotImplementedError

    def setup(self):
        super().setup()
        self.server.connections.add(self.connection)

    def finish(self):
        self.server.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def log_message(self, *_):
        pass

    def _serve(self):
        try:
            self.target = self.raw_requestline.split()[1].decode("latin-1")  # self.path has been tidied by the library
            self.body = self._read_body()
            self.serve()
        except BadRequest as bad:
            self.close_connection = True
            self.answer(400, {"Content-Type": "text/plain"}, (str(bad) + "\n").encode())
        except OSError:
            self.close_connection = True
        except Exception:  # a mistake of ours must be seen, and must end neither the sandbox nor in silence
            traceback.print_exc(file=sys.stderr)
            self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _serve

    def _read_body(self):
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            return self._read_chunks()
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > MAX_BODY:
            raise BadRequest("bad Content-Length")
        return self._read_exactly(int(length))

    def _read_chunks(self):
        parts, total = [], 0
        while True:
            size_text = self.rfile.readline(1024).split(b";")[0].strip()
            try:
                size = int(size_text, 16)
            except ValueError:
                raise BadRequest("bad chunk size") from None
            total += size
            if size < 0 or total > MAX_BODY:
                raise BadRequest("body too large")
            if size == 0:
                break
            parts.append(self._read_exactly(size))
            self.rfile.readline(8)
        while self.rfile.readline(8192).strip():  # trailers
            pass
        return b"".join(parts)

    def _read_exactly(self, length):
        body = self.rfile.read(length)
        if len(body) != length:
            raise ConnectionError("the client left in the middle of a body")
        return body

    # --- answering

    def render(self, status, headers, body):
        """The bytes of a whole answer. Content-Length is that of the whole body, whatever is then sent of it."""
        has_body = self.command != "HEAD" and status not in (204, 304)
        lines = ["HTTP/1.1 %d %s" % (status, responses.get(status, "Unknown"))]
        all_headers = {"Date": formatdate(usegmt=True), "Server": "sandbox"}
        all_headers.update(headers)
        if status not in (204, 304):
            all_headers["Content-Length"] = str(len(body))
        if self.close_connection:
            all_headers["Connection"] = "close"
        lines += ["%s: %s" % header for header in all_headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace"), body if has_body else b""

    def answer(self, status, headers, body):
        head, rest = self.render(status, headers, body)
        self.connection.sendall(head + rest)

    def drip(self, data, every_ms):
        for number in range(len(data)):
            if self.server.stopping.wait(every_ms / 1000):
                break
            self.connection.sendall(data[number:number + 1])

    def hang(self, limit_ms=None):
        """Says nothing until the client has closed (or the limit, or the end of the sandbox), then closes."""
        self.close_connection = True
        end = time.monotonic() + limit_ms / 1000 if limit_ms else None
        while not self.server.stopping.wait(0.02) and (end is None or time.monotonic() < end):
            readable = select.select([self.connection], [], [], 0)[0]
            if readable and not self.connection.recv(1, socket.MSG_PEEK):
                break

    def reset(self):
        """Closes with a RST instead of a FIN."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # the socket goes only when its last file object does; shutdown() would send a FIN first
        self.server.connections.discard(self.connection)
        self.rfile.close()
        self.connection.close()

"""An HTTP proxy on a loopback port in front of a real node, which does what a node cannot be told to do."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import urlsplit

UPSTREAM_SECONDS = 120.0
_HOP_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "te", "upgrade"}


@dataclass(frozen=True)
class Request:
    """What a client sent. `path` has the query string; headers have lower-case names; `at` is time.monotonic()."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    at: float = field(default_factory=time.monotonic)

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What goes back to the client.

    `promised` is the length that the header announces, by default the true one; `pause` the seconds before each byte.
    """

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    pause: float = 0.0

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class DropConnection(Exception):
    """Raised by a behaviour: the client's connection is closed without a word."""


Forward = Callable[[], Reply]
Behaviour = Callable[[Request, Forward], Reply]
"""Answers a request; `forward` sends it to the node and returns the node's reply."""


def forward() -> Behaviour:
    """Pass the node's reply on."""
    return lambda _, ask: ask()


def drop_before() -> Behaviour:
    """Close the connection without asking the node."""

    def behave(_request: Request, _ask: Forward) -> Reply:
        raise DropConnection

    return behave


def drop_after() -> Behaviour:
    """Let the node do it and close the connection: the client cannot know."""

    def behave(_request: Request, ask: Forward) -> Reply:
        ask()
        raise DropConnection

    return behave


def delay(seconds: float, then: Behaviour | None = None) -> Behaviour:
    """Wait before the request is passed on, or before `then`."""

    def behave(request: Request, ask: Forward) -> Reply:
        time.sleep(seconds)
        return (then or forward())(request, ask)

    return behave


class Held:
    """Holds requests until they are let go, or for a minute; `waiting` are held now."""

    def __init__(self) -> None:
        self.waiting = 0
        self._gate = threading.Event()

    def __call__(self, request: Request, ask: Forward) -> Reply:
        """Wait, and pass the request on."""
        del request
        self.waiting += 1
        self._gate.wait(60)
        self.waiting -= 1
        return ask()

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._gate.set()


def answer(status: int, body: object = b"", *, content_type: str = "application/json") -> Behaviour:
    """Answer in place of the node; what is not bytes is sent as JSON."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lambda _request, _ask: Reply(status, content, {"content-type": content_type})


def error(status: int, kind: str, reason: str) -> Behaviour:
    """Answer with an error as OpenSearch writes it."""
    cause = {"type": kind, "reason": reason}
    return answer(status, {"error": {"root_cause": [cause], **cause}, "status": status})


def garbage() -> Behaviour:
    """Let the node do it, and answer 200 with bytes that are no JSON and no UTF-8."""
    return lambda _, ask: Reply(200, b"\x00\xff{]" * 40, ask().headers)


def truncated(keep: float = 0.5) -> Behaviour:
    """Send a part of the node's reply and close the connection before the promised length."""

    def behave(_request: Request, ask: Forward) -> Reply:
        reply = ask()
        return replace(reply, body=reply.body[: int(len(reply.body) * keep)], promised=len(reply.body))

    return behave


def dripping(pause: float) -> Behaviour:
    """Pass the node's reply on with so many seconds before each byte of its body."""
    return lambda _, ask: replace(ask(), pause=pause)


def rewritten(change: Callable[[Any], Any]) -> Behaviour:
    """Pass on what `change` makes of the node's JSON."""

    def behave(_request: Request, ask: Forward) -> Reply:
        reply = ask()
        return replace(reply, body=json.dumps(change(reply.json)).encode())

    return behave


class FaultProxy:
    """A proxy for one node whose behaviour a test sets for each request.

    `always(behaviour)` is for every request from now on, `next(*behaviours)` for the coming ones before that, and
    `when(choose)` lets a function pick one for a request, or None to leave it to the others. `requests` holds what came
    and `count` how many. `stop` closes the port and every open connection, so that clients are refused; `start` opens
    the same port again. All of this may be called from any thread, while requests are served.

        with FaultProxy(node.url) as proxy:
            proxy.next(drop_after())
            proxy.when(lambda request: error(403, "security_exception", "no") if "_bulk" in request.path else None)

    Args:
        upstream: URL of the node.
        port: to listen on; 0 for a free one.
        tls: makes the proxy speak https.
    """

    def __init__(self, upstream: str, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.upstream = upstream
        self.requests: list[Request] = []
        self._tls = tls
        self._lock = threading.Lock()
        self._coming: deque[Behaviour] = deque()
        self._always: Behaviour = forward()
        self._choose: Callable[[Request], Behaviour | None] = lambda _: None
        self._server: _Server | None = None
        self.port = port
        self.start()

    @property
    def url(self) -> str:
        """URL of the proxy."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    @property
    def count(self) -> int:
        """How many requests came."""
        with self._lock:
            return len(self.requests)

    def always(self, behaviour: Behaviour) -> None:
        """Answer every request so from now on."""
        with self._lock:
            self._always = behaviour

    def next(self, *behaviours: Behaviour) -> None:
        """Answer the coming requests so, one each, before what `always` says."""
        with self._lock:
            self._coming.extend(behaviours)

    def when(self, choose: Callable[[Request], Behaviour | None]) -> None:
        """Let `choose` pick a behaviour for a request; None leaves it to `next` and `always`."""
        with self._lock:
            self._choose = choose

    def reset(self) -> None:
        """Forget behaviours and requests: everything is passed on."""
        with self._lock:
            self._coming.clear()
            self.requests.clear()
            self._always, self._choose = forward(), lambda _: None

    def start(self) -> None:
        """Listen, on the port of last time."""
        if self._server is None:
            self._server = _Server(self, self.port)
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """Close the port and every open connection."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            server.drop_connections()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def respond(self, request: Request) -> Reply:
        """Return the reply to a request, or raise DropConnection."""
        with self._lock:
            self.requests.append(request)
            choose = self._choose
        behaviour = choose(request) or self._take()
        return behaviour(request, lambda: _ask(self.upstream, request))

    def accepted(self, connection: socket.socket) -> socket.socket:
        """Return a new connection, in TLS when the proxy speaks that; the handshake comes later."""
        if self._tls is None:
            return connection
        return self._tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)

    def _take(self) -> Behaviour:
        with self._lock:
            return self._coming.popleft() if self._coming else self._always


def _ask(upstream: str, request: Request) -> Reply:
    parts = urlsplit(upstream)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=UPSTREAM_SECONDS)
    headers = {name: value for name, value in request.headers.items() if name not in _HOP_HEADERS | {"host"}}
    try:
        connection.request(request.method, request.path, request.body or None, headers)
        response = connection.getresponse()
        kept = {name: value for name, value in response.getheaders() if name.lower() not in _HOP_HEADERS}
        return Reply(response.status, response.read(), kept)
    except (OSError, http.client.HTTPException):
        raise DropConnection from None  # a node that is gone looks the same through the proxy
    finally:
        connection.close()


def _shake_hands(connection: ssl.SSLSocket) -> None:
    try:
        connection.do_handshake()
    except ssl.SSLError:
        # Closing at once, with the client's request unread, would reset the connection before the alert is read.
        connection.settimeout(0.5)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(4096):
            pass
        raise


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy, port: int) -> None:
        self.proxy = proxy
        self._open: set[socket.socket] = set()
        self._guard = threading.Lock()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        connection, address = super().get_request()
        return self.proxy.accepted(connection), address

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in its own thread; the handshake of TLS belongs to it."""
        with self._guard:
            self._open.add(request)
        try:
            with contextlib.suppress(OSError):  # clients give up, and certificates are refused
                if isinstance(request, ssl.SSLSocket):
                    _shake_hands(request)
                super().finish_request(request, client_address)
        finally:
            with self._guard:
                self._open.discard(request)

    def drop_connections(self) -> None:
        """Close what is open."""
        with self._guard:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_any(self) -> None:
        length = int(self.headers.get("content-length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        try:
            self._send(self.server.proxy.respond(request))
        except DropConnection:
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_HEAD = handle_any  # noqa: N815  # the names that http.server calls

    def _send(self, reply: Reply) -> None:
        promised = len(reply.body) if reply.promised is None else reply.promised
        self.send_response_only(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(promised))
        self.end_headers()
        for part in [reply.body] if not reply.pause else [bytes([byte]) for byte in reply.body]:
            time.sleep(reply.pause)
            self.wfile.write(part)
            self.wfile.flush()
        self.close_connection = promised != len(reply.body)

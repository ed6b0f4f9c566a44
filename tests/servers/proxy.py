"""A fault proxy: a loopback reverse proxy before a real server, whose faults a test switches.

Host header, path and body reach the server unchanged, so signatures hold. Connections are kept
alive on both sides and answers stream. Every request is noted, with what became of it. The clock in
the answers' Date can be set ahead: clients that live by the service's time live through hours.
"""

import contextlib
import hashlib
import http.client
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from tests.servers.faults import Fault, When, action_of, every
from tests.servers.process import free_ports
from tests.servers.scripted import Answer, Request

_CHUNK = 64 * 1024
_UPSTREAM_SECONDS = 60.0
_TRICKLE_SECONDS = 0.02
_HOP_BY_HOP = {"connection", "keep-alive", "expect", "transfer-encoding", "proxy-connection"}
_NOTHING = Fault("")


@dataclass
class Exchange:
    """One request and what became of it. Header names are lower case.

    `done`: the server's status, None if it was not asked. `status`: what the client was told, None
    for nothing. `sent_bytes`: of the answer's body.
    """

    method: str
    path: str
    headers: Mapping[str, str]
    action: str
    body_digest: str
    fault: str
    done: int | None = None
    status: int | None = None
    sent_bytes: int = 0

    @property
    def range(self) -> str:
        return self.headers.get("range", "")


@dataclass
class Rule:
    """A fault for some requests; `left` None: until it is healed."""

    fault: Fault
    when: When
    left: int | None
    hits: int = 0

    def heal(self) -> None:
        self.left = 0


@dataclass
class FaultProxy:
    """Clients use `endpoint_url`. `clock_ahead_seconds` is added to the Date of every answer."""

    upstream_url: str
    port: int
    clock_ahead_seconds: float = 0.0
    exchanges: list[Exchange] = field(default_factory=list)
    _rules: list[Rule] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: "set[socket.socket]" = field(default_factory=set)
    _listener: "_Listener | None" = None

    @property
    def endpoint_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def fail(self, fault: Fault, when: When = every, times: int | None = None) -> Rule:
        """From now on, for requests of which `when` holds: so many of them, or until healed.

        Of several rules the one that was made first and still has requests left is taken.
        """
        rule = Rule(fault, when, times)
        with self._lock:
            self._rules.append(rule)
        return rule

    def heal(self) -> None:
        """No faults any more."""
        with self._lock:
            for rule in self._rules:
                rule.heal()
            self._rules.clear()

    def close(self) -> None:
        """Refuse connections, and end those that are open."""
        if self._listener is None:
            return
        self._listener.shutdown()
        self._listener.server_close()
        self._listener = None
        with self._lock:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def open(self) -> None:
        """Listen, at the first time and again after `close`, always on the same port."""
        if self._listener is None:
            self._listener = _Listener(self)
            run = self._listener.serve_forever
            threading.Thread(target=run, args=(0.02,), daemon=True).start()

    # ------------------------------------------------------------ for the handlers

    def note(self, request: Request) -> tuple[Exchange, Fault]:
        """Enter a request into the log, and say what is to go wrong with it."""
        digest = hashlib.sha256(request.body).hexdigest()
        with self._lock:
            fault = self._fault_for(request)
            exchange = Exchange(
                request.method,
                request.path,
                request.headers,
                action_of(request),
                digest,
                fault.name,
            )
            self.exchanges.append(exchange)
        return exchange, fault

    def _fault_for(self, request: Request) -> Fault:
        for rule in self._rules:
            if rule.left != 0 and rule.when(request):
                rule.hits += 1
                rule.left = None if rule.left is None else rule.left - 1
                return rule.fault
        return _NOTHING

    @contextlib.contextmanager
    def connection(self, near: socket.socket) -> Iterator[None]:
        """Remember a client's connection while it lasts."""
        with self._lock:
            self._open.add(near)
        try:
            yield
        finally:
            with self._lock:
                self._open.discard(near)

    def date(self, header: str | None) -> str:
        """A Date header by the proxy's clock."""
        moment = parsedate_to_datetime(header).timestamp() if header else time.time()
        return formatdate(moment + self.clock_ahead_seconds, usegmt=True)


@contextlib.contextmanager
def fault_proxy(upstream_url: str) -> Iterator[FaultProxy]:
    """A proxy that listens until the block ends."""
    # Not a port of the kernel's choice: while it is closed a client's connection could get it.
    (port,) = free_ports(1)
    proxy = FaultProxy(upstream_url, port)
    proxy.open()
    try:
        yield proxy
    finally:
        proxy.close()


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", proxy.port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that a fault broke is no error."""


class _Handler(BaseHTTPRequestHandler):
    """One client's connection, with one of its own to the server."""

    protocol_version = "HTTP/1.1"  # answers Expect: 100-continue, for which botocore waits 1 s
    disable_nagle_algorithm = True
    server: _Listener

    def setup(self) -> None:
        super().setup()
        self._far: http.client.HTTPConnection | None = None

    def handle(self) -> None:
        with self.server.proxy.connection(self.connection):
            super().handle()

    def finish(self) -> None:
        if self._far is not None:
            self._far.close()
        super().finish()

    def handle_any(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(self.command, self.path, headers, self.rfile.read(length))
        exchange, fault = self.server.proxy.note(request)
        time.sleep(fault.wait_seconds)
        if fault.drops == "request":
            return self._reset()
        if fault.refusal is not None:
            return self._refuse(fault.refusal, exchange)
        answer = self._forward(request)
        exchange.done = answer.status
        if fault.drops == "answer":
            answer.read()
            return self._reset()
        return self._hand_back(answer, fault, exchange)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
        """Nothing: the exchanges are noted."""

    # ------------------------------------------------------------ the server's side

    def _forward(self, request: Request) -> http.client.HTTPResponse:
        far = self._connected()
        far.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            if name.lower() not in _HOP_BY_HOP:
                far.putheader(name, value)
        far.endheaders(request.body or None)
        return far.getresponse()

    def _connected(self) -> http.client.HTTPConnection:
        far = self._far
        if far is not None and far.sock is not None and select.select([far.sock], [], [], 0)[0]:
            far.close()  # the server has ended it meanwhile
        if far is None:
            address = urlsplit(self.server.proxy.upstream_url)
            far = self._far = http.client.HTTPConnection(
                str(address.hostname), address.port, timeout=_UPSTREAM_SECONDS
            )
        return far

    # ------------------------------------------------------------ the client's side

    def _refuse(self, refusal: Answer, exchange: Exchange) -> None:
        exchange.status = refusal.status
        self.send_response_only(refusal.status)
        usual = {"Content-Length": str(len(refusal.body)), "Date": self.server.proxy.date(None)}
        for name, value in {**usual, **refusal.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(refusal.body)

    def _hand_back(
        self, answer: http.client.HTTPResponse, fault: Fault, exchange: Exchange
    ) -> None:
        exchange.status = answer.status
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP_BY_HOP | {"date"}:
                self.send_header(name, value)
        self.send_header("Date", self.server.proxy.date(answer.getheader("Date")))
        has_body = self.command != "HEAD" and answer.status not in (204, 304)
        is_chunked = has_body and answer.getheader("Content-Length") is None
        if is_chunked:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not has_body:
            answer.read()
            return
        size = None if is_chunked else int(answer.getheader("Content-Length") or 0)
        for piece in _pieces(answer, fault, size):
            frame = b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece
            self.wfile.write(frame)
            exchange.sent_bytes += len(piece)
        if fault.kept is not None:
            self._break_off(by_reset=fault.ends_by_reset)
            return
        answer.read()  # nothing, but only now the server's connection can be used again
        if is_chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _break_off(self, *, by_reset: bool) -> None:
        if self._far is not None:
            self._far.close()  # the rest of its answer
        if by_reset:
            time.sleep(_TRICKLE_SECONDS)  # a reset overtakes bytes that were not read yet
            self._reset()
        self.close_connection = True

    def _reset(self) -> None:
        # Linger of 0 s: closing sends a reset instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True


def _pieces(answer: http.client.HTTPResponse, fault: Fault, size: int | None) -> Iterator[bytes]:
    """The body as it is to be sent; only a fault that has to know where its middle is waits."""
    if size is None and (fault.flips or fault.kept is not None):
        whole = answer.read()
        size, pieces = len(whole), iter([whole])
    else:
        step = int((fault.bytes_per_second or 0) * _TRICKLE_SECONDS) or _CHUNK
        pieces = iter(lambda: answer.read1(step), b"")
    left = None if fault.kept is None or size is None else int(size * fault.kept)
    at = 0
    for whole in pieces:
        piece = whole
        middle = (size or 0) // 2 - at
        if fault.flips and 0 <= middle < len(piece):
            piece = piece[:middle] + bytes([piece[middle] ^ 0x01]) + piece[middle + 1 :]
        at += len(piece)
        if left is not None:
            piece = piece[: max(0, left - (at - len(piece)))]
        if piece:
            yield piece
        if left is not None and at >= left:
            return
        if fault.bytes_per_second:
            time.sleep(len(piece) / fault.bytes_per_second)

"""The connections of the fault proxy: one handler for each client, with a line to the server."""

import http.client
import select
import socket
import struct
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tests.servers.faults import Fault
from tests.servers.scripted import Answer, Request

if TYPE_CHECKING:
    from tests.servers.proxy import Exchange, FaultProxy

_CHUNK = 64 * 1024
_UPSTREAM_SECONDS = 60.0
_TRICKLE_SECONDS = 0.02
_HOP_BY_HOP = {"connection", "keep-alive", "expect", "transfer-encoding", "proxy-connection"}


def line_to(url: str) -> http.client.HTTPConnection:
    address = urlsplit(url)
    return http.client.HTTPConnection(
        str(address.hostname), address.port, timeout=_UPSTREAM_SECONDS
    )


def forward(far: http.client.HTTPConnection, request: Request) -> http.client.HTTPResponse:
    """Send a request on as it came, but for what belongs to the client's own connection."""
    far.putrequest(request.method, request.path, skip_host=True, skip_accept_encoding=True)
    for name, value in request.headers.items():
        if name not in _HOP_BY_HOP:
            far.putheader(name, value)
    far.endheaders(request.body or None)
    return far.getresponse()


class Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, proxy: "FaultProxy") -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", proxy.port), Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that a fault broke is no error."""


class Handler(BaseHTTPRequestHandler):
    """One client's connection, with one of its own to the server."""

    protocol_version = "HTTP/1.1"  # answers Expect: 100-continue, for which botocore waits 1 s
    disable_nagle_algorithm = True
    server: Listener

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
        answer = forward(self._connected(), request)
        exchange.done = answer.status
        if fault.drops == "answer":
            answer.read()
            return self._reset()
        return self._hand_back(answer, fault, exchange)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
        """Nothing: the exchanges are noted."""

    # ------------------------------------------------------------ the server's side

    def _connected(self) -> http.client.HTTPConnection:
        far = self._far
        if far is not None and far.sock is not None and select.select([far.sock], [], [], 0)[0]:
            far.close()  # the server has ended it meanwhile
        if far is None:
            far = self._far = line_to(self.server.proxy.upstream_url)
        return far

    # ------------------------------------------------------------ the client's side

    def _refuse(self, refusal: Answer, exchange: "Exchange") -> None:
        exchange.status = refusal.status
        self.send_response_only(refusal.status)
        usual = {"Content-Length": str(len(refusal.body)), "Date": self.server.proxy.date(None)}
        for name, value in {**usual, **refusal.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(refusal.body)

    def _hand_back(
        self, answer: http.client.HTTPResponse, fault: Fault, exchange: "Exchange"
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
            exchange.sent_bytes += len(piece)  # before: who has the last of it may look at once
            self.wfile.write(frame)
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
    """The body as it is to be sent; only a fault that has to know its size waits."""
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
        # Not in its middle: there two zstd blocks of a frame meet, with a byte that means nothing.
        wrong = (size or 0) // 3 - at
        if fault.flips and 0 <= wrong < len(piece):
            piece = piece[:wrong] + bytes([piece[wrong] ^ 0x01]) + piece[wrong + 1 :]
        at += len(piece)
        if left is not None:
            piece = piece[: max(0, left - (at - len(piece)))]
        if piece:
            yield piece
        if left is not None and at >= left:
            return
        if fault.bytes_per_second:
            time.sleep(len(piece) / fault.bytes_per_second)

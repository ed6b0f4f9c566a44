"""An HTTP server that says what it was told to say: refusals, half answers, broken connections."""

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Request:
    """What arrived. Header names are lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Answer:
    """What to say. `announced`: a Content-Length other than the body's. `reset`: break instead."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    announced: int | None = None
    reset: bool = False


Respond = Callable[[Request], Answer]


@dataclass
class ScriptedServer:
    """Where it listens, and every request so far."""

    endpoint_url: str
    requests: list[Request] = field(default_factory=list)


@contextlib.contextmanager
def scripted_server(
    respond: Respond, tls: ssl.SSLContext | None = None
) -> Iterator[ScriptedServer]:
    """Serve on loopback until the block ends."""
    server = ScriptedServer("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # answers Expect: 100-continue, for which botocore waits 1 s

        def handle_any(self) -> None:
            self.close_connection = True  # so that a half answer ends
            length = int(self.headers.get("Content-Length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            request = Request(self.command, self.path, headers, self.rfile.read(length))
            server.requests.append(request)
            answer = respond(request)
            if answer.reset:
                # Linger of 0 s: closing sends a reset instead of an orderly end.
                self.connection.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
                self.connection.close()
                return
            self.send_response_only(answer.status)
            length = len(answer.body) if answer.announced is None else answer.announced
            usual = {"Content-Length": str(length), "Date": self.date_time_string()}
            usual["Connection"] = "close"
            for name, value in {**usual, **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = handle_any  # noqa: N815 - http.server's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
            """Nothing: the tests say what matters."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True
        # Of more connections than are taken in time the kernel lets the rest wait for seconds.
        request_queue_size = 128

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A connection that the script broke is no error."""

    httpd = Quiet(("127.0.0.1", 0), Handler)
    scheme = "http"
    if tls is not None:
        scheme, httpd.socket = "https", tls.wrap_socket(httpd.socket, server_side=True)
    server.endpoint_url = f"{scheme}://127.0.0.1:{httpd.server_port}"
    thread = threading.Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        httpd.shutdown()
        httpd.server_close()
        thread.join(timeout=5)

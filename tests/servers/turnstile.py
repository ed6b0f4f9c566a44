"""A way to DynamoDB that counts the calls of one node by name, and can hold one kind of them back.

What a node says of itself is no proof that it made no Scan; this is. Everything else goes through
unchanged, the service's Date included.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_HELD_SECONDS = 600


class Turnstile:
    """`calls` counts by operation (`Scan`, `GetRecords`, …); `held`: those held since `hold`."""

    def __init__(self, endpoint_url: str) -> None:
        self.calls: Counter[str] = Counter()
        self.held = 0
        self._address = urlsplit(endpoint_url).netloc
        self._held, self._passing = "", 0
        self._lock = threading.Lock()
        self._open = threading.Event()

    def hold(self, operation: str, after: int = 0) -> None:
        """From now on calls of this operation wait for `let_go`, once so many more have passed."""
        with self._lock:
            self._held, self._passing, self.held = operation, after, 0
            self._open.clear()

    def let_go(self) -> None:
        """What was held back goes on, and nothing is held any more."""
        self._open.set()

    def pass_on(self, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
        """One call, once it may pass."""
        target = {name.lower(): value for name, value in headers.items()}["x-amz-target"]
        operation = target.rpartition(".")[2]
        with self._lock:
            self.calls[operation] += 1
            is_held = operation == self._held and self._passing == 0
            self.held += is_held
            if operation == self._held and self._passing:
                self._passing -= 1
        if is_held:
            self._open.wait(_HELD_SECONDS)
        connection = HTTPConnection(self._address, timeout=60)
        try:
            kept = {name: value for name, value in headers.items() if name.lower() not in _HOP}
            connection.request("POST", "/", body, kept)
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            connection.close()


@contextmanager
def turnstile(endpoint_url: str) -> Iterator[tuple[Turnstile, str]]:
    """A turnstile before this endpoint, and the address to use instead of it."""
    gate = Turnstile(endpoint_url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status, headers, answer = gate.pass_on(dict(self.headers.items()), body)
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in _HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    class Listener(ThreadingHTTPServer):
        request_queue_size = 128  # a node asks for many shards at once

    server = Listener(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="turnstile", daemon=True)
    thread.start()
    try:
        yield gate, f"http://127.0.0.1:{server.server_port}"
    finally:
        gate.let_go()
        server.shutdown()
        server.server_close()
        thread.join()

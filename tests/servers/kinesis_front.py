"""One endpoint for a table and the Kinesis stream of its changes, as an account has them.

No emulator has both. Calls of Kinesis go to kinesalite, those of DynamoDB to a DynamoDB; only which
stream a table's changes go into (DescribeKinesisStreamingDestination) is answered here, because no
DynamoDB emulator knows it. Calls are counted. For faults put a fault proxy before it.
"""

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

_HOP = {"connection", "content-length", "keep-alive", "transfer-encoding"}
_DESTINATION = "DescribeKinesisStreamingDestination"
_SECONDS = 60


@dataclass
class KinesisFront:
    """`calls` counts by operation; `destinations` are those of each table, as the service says.

    `ahead_seconds` is added to the Date of DynamoDB's answers, where kinesalite's clock was moved.
    """

    dynamodb_url: str
    kinesis_url: str
    endpoint_url: str = ""
    ahead_seconds: float = 0.0
    calls: Counter[str] = field(default_factory=Counter)
    destinations: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def enable(
        self,
        table: str,
        stream_arn: str,
        *,
        status: str = "ACTIVE",
        precision: str | None = "MICROSECOND",
    ) -> None:
        """Let a table's changes go into a stream; again, to change how."""
        destination: dict[str, Any] = {"StreamArn": stream_arn, "DestinationStatus": status}
        if precision:
            destination["ApproximateCreationDateTimePrecision"] = precision
        others = [each for each in self.of(table) if each["StreamArn"] != stream_arn]
        self.destinations[table] = [*others, destination]

    def of(self, table: str) -> list[dict[str, Any]]:
        """A table may be named by its ARN."""
        return self.destinations.get(table.rpartition("/")[2], [])

    def count(self, operation: str) -> None:
        with self._lock:
            self.calls[operation] += 1


class _Handler(BaseHTTPRequestHandler):
    """One client's connection, with one of its own to each server."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    front: KinesisFront

    def setup(self) -> None:
        super().setup()
        self._lines: dict[str, HTTPConnection] = {}

    def finish(self) -> None:
        for line in self._lines.values():
            line.close()
        super().finish()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        service, _, operation = self.headers["X-Amz-Target"].partition(".")
        self.front.count(operation)
        if operation == _DESTINATION:
            table = json.loads(body)["TableName"]
            answer = {"TableName": table, "KinesisDataStreamDestinations": self.front.of(table)}
            self._answer(200, {"Date": self._date()}, json.dumps(answer).encode())
        elif service.startswith("Kinesis"):
            self._pass_on(self.front.kinesis_url, body, {})
        else:
            self._pass_on(self.front.dynamodb_url, body, {"Date": self._date()})

    def _date(self) -> str:
        return formatdate(time.time() + self.front.ahead_seconds, usegmt=True)

    def _pass_on(self, url: str, body: bytes, changed: dict[str, str]) -> None:
        line = self._lines.get(url)
        if line is None:
            line = HTTPConnection(urlsplit(url).netloc, timeout=_SECONDS)
            self._lines[url] = line
        kept = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        line.request("POST", "/", body, kept)
        answer = line.getresponse()
        self._answer(answer.status, {**dict(answer.getheaders()), **changed}, answer.read())

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests say what matters."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that went away is no error."""


@contextmanager
def kinesis_front(dynamodb_url: str, kinesis_url: str) -> Iterator[KinesisFront]:
    """An account's endpoint until the block ends."""
    front = KinesisFront(dynamodb_url, kinesis_url)
    handler = type("Handler", (_Handler,), {"front": front})
    server = _Server(("127.0.0.1", 0), handler)
    front.endpoint_url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""Simulated tables over HTTP, on loopback, for clients of the real SDK.

    table = SimulatedTable(RealClock(), view_type="NEW_AND_OLD_IMAGES")
    with simulated_service(table) as endpoint_url:      # of DynamoDB and of Streams
        ...                                             # any credentials, region eu-west-1

Everything is told to the table, from any thread, while it is served:

    table.put("key", value=1)   table.delete("key", ttl=True)   table.items   table.history
    table.rollover()   table.split(shard_id)   table.disable()   table.enable()   table.recreate()
    table.child_listed_after = 30.0        table.distort = lambda shards: shards[1:]
    table.page_records = 7                 table.empty_pages = 4
    table.scan_page_items = 10             table.scan_gaps = True
    table.fail("get_records", Throttled("rate"), times=3)   table.limit("get_records", 5.0)
    table.fail("scan", ServiceRefusal("ThrottlingException"), seconds=60.0)   table.heal()
    table.clock.advance(25 * 3600)         # real time, moved on: expiry, trims, the Date header

Operations have the names of `cdc.source.Source`: describe, list_shards, list_children,
open_iterator, get_records, scan. What was asked is in `table.calls` as (operation, shard or
segment), and in `table.served` with the request, the refusal, and the sequence numbers or keys
that went out. Names of several tables are told apart. With `port` an endpoint can go away and come
back at its address; when the block ends, its connections end too.

On a virtual clock (`tests.simulators.http_world`) nothing here ever waits.
"""

import contextlib
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.simulators.protocol import Protocol
from tests.simulators.stream import SimulatedTable


class RealClock:
    """The time of this machine; `advance` moves it on for all who ask."""

    def __init__(self) -> None:
        self._ahead = 0.0

    @property
    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"  # connections are kept
    disable_nagle_algorithm = True
    wbufsize = -1  # an answer goes out in one piece
    server: "_Server"

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(length)
        if len(body) < length:  # the client was killed in the middle of its request
            self.close_connection = True
            return
        action = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
        status, answer = self.server.protocol.answer(action, json.loads(body))
        self._send(status, answer)

    def _send(self, status: int, body: bytes) -> None:
        self.send_response_only(status)
        self.send_header("Date", formatdate(int(self.server.protocol.now), usegmt=True))
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("x-amz-crc32", str(zlib.crc32(body)))
        self.send_header("x-amzn-RequestId", "SIMULATED")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its signature
        """Nothing: `table.served` says it."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, port: int, protocol: Protocol) -> None:
        self.protocol = protocol
        self.bugs: list[BaseException] = []
        self._connections: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):  # a client may go at any time
            self.bugs.append(error)

    def end(self) -> None:
        self.shutdown()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def simulated_service(*tables: SimulatedTable, port: int = 0) -> Iterator[str]:
    """Serve the tables until the block ends; gives the endpoint's URL."""
    server = _Server(port, Protocol(tables))
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.end()
        thread.join(timeout=60)
    if server.bugs:
        raise AssertionError("the simulator stumbled") from server.bugs[0]

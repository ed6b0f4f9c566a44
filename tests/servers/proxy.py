"""A fault proxy: a loopback reverse proxy before a real server, whose faults a test switches.

Host header, path and body reach the server unchanged, so signatures hold. Connections are kept
alive on both sides and answers stream. Every request is noted, with what became of it. The clock in
the answers' Date can be set ahead: clients that live by the service's time live through hours.
"""

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate, parsedate_to_datetime

from tests.servers.faults import Fault, When, action_of, every
from tests.servers.process import free_ports
from tests.servers.proxy_lines import Listener, forward, line_to
from tests.servers.scripted import Request

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
    _held: list[Request] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _open: "set[socket.socket]" = field(default_factory=set)
    _listener: Listener | None = None

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
            self._listener = Listener(self)
            run = self._listener.serve_forever
            threading.Thread(target=run, args=(0.02,), daemon=True).start()

    def deliver(self) -> list[int]:
        """Send the requests that were held on to the server, now; returns its statuses."""
        with self._lock:
            held, self._held = self._held, []
        statuses = []
        for request in held:
            with contextlib.closing(line_to(self.upstream_url)) as line:
                statuses.append(forward(line, request).status)
        return statuses

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
            if fault.held:
                self._held.append(request)
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
            if self._listener is None:  # accepted in the moment of closing
                near.shutdown(socket.SHUT_RDWR)
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

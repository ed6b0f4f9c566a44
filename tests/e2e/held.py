"""A line to a server that stops in the midst of what is downloaded: a TCP proxy."""

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

_CHUNK = 4096
_HELD_SECONDS = 600


@dataclass
class Link:
    """`passing`: how many bytes of answers go through before `go` is set."""

    url: str
    passing: int
    go: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def await_turn(self, size: int) -> None:
        with self._lock:
            self.passing -= size
            is_held = self.passing < 0
        if is_held:
            self.go.wait(_HELD_SECONDS)


@contextlib.contextmanager
def held_link(url: str, *, after_bytes: int) -> Iterator[Link]:
    """A way to `url` whose answers stop after so many bytes of all connections together."""
    upstream = urlsplit(url)
    address = (str(upstream.hostname), int(upstream.port or 80))
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as opened:
        link = Link(f"http://127.0.0.1:{listener.getsockname()[1]}", after_bytes)

        def accept() -> None:
            while True:
                try:
                    near, _ = listener.accept()
                except OSError:  # closed: the test is over
                    return
                far = socket.create_connection(address)
                for end in (near, far):
                    opened.callback(end.close)
                    opened.callback(_hang_up, end)
                _hand_on(near, far, None)
                _hand_on(far, near, link)

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield link
        link.go.set()
        _hang_up(listener)
        accepting.join(timeout=60)


def _hand_on(source: socket.socket, sink: socket.socket, link: Link | None) -> None:
    def work() -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if link is not None:
                    link.await_turn(len(data))
                sink.sendall(data)
        _hang_up(sink)

    threading.Thread(target=work, daemon=True).start()


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)

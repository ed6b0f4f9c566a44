"""A slow line to a server: a TCP proxy that hands on answers at a given rate."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

_CHUNK = 4096


@contextlib.contextmanager
def slow_link(url: str, *, bytes_per_second: int) -> Iterator[str]:
    """The URL of a proxy to `url`, whose answers arrive at that rate, each connection by itself."""
    upstream = urlsplit(url)
    address = (str(upstream.hostname), int(upstream.port or 80))
    with socket.create_server(("127.0.0.1", 0)) as listener, contextlib.ExitStack() as opened:

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
                _hand_on(near, far, 0.0)
                _hand_on(far, near, _CHUNK / bytes_per_second)

        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        _hang_up(listener)
        accepting.join(timeout=5)


def _hand_on(source: socket.socket, sink: socket.socket, pause_seconds: float) -> None:
    def work() -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                sink.sendall(data)
                time.sleep(pause_seconds)
        _hang_up(sink)

    threading.Thread(target=work, daemon=True).start()


def _hang_up(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)

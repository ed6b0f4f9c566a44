"""Runs an ASGI application on an address in a thread: `HOST:PORT` or `unix:///PATH`."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import uvicorn

from snowmelt.errors import UsageError

_START_SECONDS = 10.0


class Listener:
    """One listener. The socket is bound when this is made, so a taken port fails at once."""

    def __init__(self, app: Any, address: str, what: str) -> None:
        self.address = address
        self._socket, self._path = _bind(address, what)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, lifespan="off", timeout_keep_alive=30
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run,
            kwargs={"sockets": [self._socket]},
            name=f"http-{what}",
            daemon=True,
        )

    @property
    def port(self) -> int | None:
        """The TCP port that was bound; None for a unix socket."""
        return None if self._path else int(self._socket.getsockname()[1])

    def start(self) -> None:
        """Serve; returns once connections are accepted."""
        self._thread.start()
        deadline = time.monotonic() + _START_SECONDS
        while not self._server.started and self._thread.is_alive() and time.monotonic() < deadline:
            time.sleep(0.005)

    def stop(self) -> None:
        """Finish running requests and release the address."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        self._socket.close()
        if self._path is not None:
            self._path.unlink(missing_ok=True)


def _bind(address: str, what: str) -> tuple[socket.socket, Path | None]:
    if address.startswith("unix://"):
        return _bind_unix(Path(address.removeprefix("unix://")), what)
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), int(port)))
    except OSError as error:
        listener.close()
        raise _taken(address, what, error) from error
    return listener, None


def _bind_unix(path: Path, what: str) -> tuple[socket.socket, Path]:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket() and not _answers(path):
            path.unlink()
        listener.bind(str(path))
    except OSError as error:
        listener.close()
        raise _taken(f"unix://{path}", what, error) from error
    path.chmod(0o600)
    return listener, path


def _answers(path: Path) -> bool:
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.connect(str(path))
    except OSError:
        return False
    else:
        return True
    finally:
        probe.close()


def _taken(address: str, what: str, error: OSError) -> UsageError:
    reason = error.strerror or str(error)
    return UsageError(
        f"cannot listen on {address} (runtime.{what}): {reason}",
        hint=f"choose another address in runtime.{what} or SNOWMELT_RUNTIME_{what.upper()}",
    )

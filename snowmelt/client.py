"""Talks to a running node over its query or admin address, TCP on loopback or a unix socket."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any

from snowmelt.errors import NodeError, NodeUnreachable, UsageError

_TIMEOUT_SECONDS = 120.0


class Answered(NodeError):
    """The node answered, but not with what was asked for: with `exit_code`, if it named one."""

    exit_code = 8
    hint = "look at `snowmelt status`"

    def __init__(
        self, message: str, *, hint: str | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        if exit_code is not None:
            self.exit_code = exit_code  # type: ignore[misc]  # the node's error, not a class of ours


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(_TIMEOUT_SECONDS)
        self.sock.connect(self._path)


def reachable_host(address: str) -> str:
    """The address to call for an address that is listened on (`0.0.0.0` means any)."""
    host, _, port = address.rpartition(":")
    return f"{'127.0.0.1' if host in {'0.0.0.0', '', '[::]'} else host}:{port}"  # noqa: S104 - compared


def request(address: str, method: str, target: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Status and body. Raises NodeUnreachable if nobody listens."""
    connection: http.client.HTTPConnection
    if address.startswith("unix://"):
        connection = _UnixConnection(address.removeprefix("unix://"))
    else:
        connection = http.client.HTTPConnection(reachable_host(address), timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, target, body)
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise NodeUnreachable(f"no node answers at {address}: {reason}") from error
    finally:
        connection.close()


def call(address: str, method: str, target: str, body: bytes | None = None) -> Any:
    """The JSON document of a successful answer. Raises UsageError for a refused request."""
    status, content = request(address, method, target, body)
    try:
        document = json.loads(content)
    except ValueError as error:
        raise Answered(f"{address} answered {status} with something that is not JSON") from error
    if status < 300:
        return document
    message = (
        document.get("error", f"status {status}") if isinstance(document, dict) else str(status)
    )
    if isinstance(document, dict) and "exit_code" in document:
        raise Answered(message, hint=document["hint"], exit_code=document["exit_code"])
    if 400 <= status < 500:
        raise UsageError(message, hint="correct the request")
    raise Answered(message)

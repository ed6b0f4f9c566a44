"""Keeps web pages out of a listener on loopback.

A page in a browser on this machine can send requests to 127.0.0.1. If its own name is made to
resolve there (DNS rebinding), it may read the answers, too: the name is then in `Host`. A request
of any page carries its `Origin`. Neither is sent by programs that mean this address.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class LoopbackOnly:
    """An application that answers requests which mean this machine, and refuses the others."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if not _is_here(f"//{headers.get('host', '')}"):
                refusal = JSONResponse({"error": "the Host header names another machine"}, 421)
                await refusal(scope, receive, send)
                return
            if not _is_here(headers.get("origin", "//localhost")):
                refusal = JSONResponse({"error": "requests of web pages are refused"}, 403)
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)


def _is_here(url: str) -> bool:
    try:
        return urlsplit(url).hostname in _HERE
    except ValueError:
        return False
